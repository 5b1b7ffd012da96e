//! Tables that belong to no rule: what a program without rules wants to know, for every pool or for one.

use std::collections::HashMap;

use serde::de::DeserializeOwned;

use super::bind::pool_path;
use super::tree::Node;
use super::{ConfigError, ConfigErrors, Configuration};

/// One table as it is for every pool, and merged for pools with one of their own.
#[derive(Clone, Debug, Default)]
pub struct Tables<T> {
    base: T,
    pools: HashMap<String, T>,
}

impl<T> Tables<T> {
    /// The same for every pool.
    #[must_use]
    pub fn of_all(base: T) -> Self {
        Self { base, pools: HashMap::new() }
    }

    /// What holds for a pool.
    #[must_use]
    pub fn of(&self, pool: &str) -> &T {
        self.pools.get(pool).unwrap_or(&self.base)
    }

    /// What holds where no pool is known.
    #[must_use]
    pub const fn base(&self) -> &T {
        &self.base
    }
}

impl Configuration {
    /// Reads a table that belongs to no rule, with the same errors as a rule's. One that is not there is the default.
    ///
    /// # Errors
    ///
    /// If it does not fit its type, or that of a pool does not: everything that is wrong.
    pub fn tables<T: DeserializeOwned + Default>(&self, section: &str) -> Result<Tables<T>, ConfigErrors> {
        let mut errors = Vec::new();
        let base = self.root().get(section);
        let mut read = |node: &Node, pool: Option<&str>| match self.table(section, node, pool) {
            Ok(table) => table,
            Err(error) => {
                errors.push(error);
                T::default()
            }
        };
        let mut tables = Tables::of_all(base.map(|node| read(node, None)).unwrap_or_default());
        for (pool, node) in self.pools() {
            let Some(own) = node.as_table().and_then(|tables| tables.get(section)) else { continue };
            let merged = base.map_or_else(|| own.clone(), |base| base.under(own));
            tables.pools.insert(pool.clone(), read(&merged, Some(pool)));
        }
        ConfigErrors::check(errors)?;
        Ok(tables)
    }

    fn table<T: DeserializeOwned>(&self, section: &str, node: &Node, pool: Option<&str>) -> Result<T, ConfigError> {
        let path = |of_pool: bool| match pool {
            Some(pool) if of_pool => format!("{}.{section}", pool_path(pool)),
            _ => section.to_owned(),
        };
        if node.as_table().is_none() {
            let path = path(node.of_pool);
            let error = ConfigError::new(format!("expected a table, found {}", node.kind())).at(&path);
            return Err(error.remedy(format!("write `[{path}]`")).placed(self.file(), node.line));
        }
        T::deserialize(node).map_err(|misfit| {
            let (line, path) = (misfit.line(), path(misfit.of_pool()));
            misfit.into_error_of_no_rule().within(&path).placed(self.file(), line)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Porch {
        lamp: String,
        steps: u8,
    }

    fn tables(text: &str) -> Result<Tables<Porch>, String> {
        let configuration = Configuration::parse("triggers.toml", text).unwrap();
        configuration.tables("porch").map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_table_of_no_rule_is_read_for_all_pools_and_for_one() {
        let read =
            tables("[porch]\nlamp = \"oil\"\nsteps = 3\n[pools.a_1.porch]\nlamp = \"gas\"\n[pools.b_1.doorman]\n")
                .unwrap();
        let porch = |lamp: &str, steps| Porch { lamp: lamp.into(), steps };
        assert_eq!(
            (read.of("c_1"), read.of("b_1"), read.base()),
            (&porch("oil", 3), &porch("oil", 3), &porch("oil", 3))
        );
        assert_eq!(read.of("a_1"), &porch("gas", 3));
        assert_eq!(tables("").unwrap().of("a_1"), &Porch::default());
    }

    #[test]
    fn what_is_wrong_with_it_is_said_as_of_a_rule() {
        let wrong = |text: &str| tables(text).unwrap_err();
        assert_eq!(wrong("porch = 7"), "triggers.toml:1: porch: expected a table, found an integer; write `[porch]`");
        assert_eq!(
            wrong("[pools.a_1.porch]\nlamp = 7\n[pools.b_1.porch]\noff = true"),
            "triggers.toml:2: pools.\"a_1\".porch.lamp: expected a string, found an integer; put it in quotes\n\
             triggers.toml:4: pools.\"b_1\".porch.off: there is no such key; use `lamp` or `steps`"
        );
        // What a pool inherits is told once.
        let inherited = wrong("[porch]\nlamp = 7\n[pools.a_1.porch]\nsteps = 3");
        assert_eq!(inherited, "triggers.toml:2: porch.lamp: expected a string, found an integer; put it in quotes");
    }
}
