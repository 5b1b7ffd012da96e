//! What a configuration has granted: of everything its rules may need of AWS, what they need as their tables are.

use super::tree::{Node, Table, Value};
use super::{Configuration, Configured, RuleSet, RuleVisitor};
use crate::DeliveryMode;
use crate::grants::{Grant, INLINE, Test, When};

/// One grant that is needed, and the table because of which it is.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The rule, by its table.
    pub section: &'static str,
    /// What it needs.
    pub grant: Grant,
    table: Table,
}

impl Granted {
    /// The text at a key of that table, e.g. of `from`.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.table.get(key)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Configuration {
    /// What is needed for the rules of this set that are on, whether for every pool or for one. The tables are not judged:
    /// [`check`](Self::check) does that.
    #[must_use]
    pub fn grants<R: RuleSet>(&self) -> Vec<Granted> {
        let mut found = Found { configuration: self, granted: Vec::new() };
        R::each(&mut found);
        found.granted
    }

    /// The same for a program without rules, whose table may be missing.
    #[must_use]
    pub fn grants_of(&self, section: &'static str, grants: &'static [Grant]) -> Vec<Granted> {
        let base = self.root().get(section).and_then(Node::as_table).cloned();
        let tables = std::iter::once(base.unwrap_or_default()).chain(self.tables_of_pools(section));
        tables.flat_map(|table| self.granted(section, grants, &table)).collect()
    }

    /// The table of each pool that has one of its own, merged over the base.
    fn tables_of_pools(&self, section: &str) -> impl Iterator<Item = Table> {
        let base = self.root().get(section);
        self.pools().filter_map(move |(_, tables)| {
            let own = tables.as_table()?.get(section)?;
            base.map_or_else(|| own.clone(), |base| base.under(own)).as_table().cloned()
        })
    }

    fn granted(&self, section: &'static str, grants: &'static [Grant], table: &Table) -> Vec<Granted> {
        let needed = grants.iter().filter(|grant| grant.when.iter().all(|when| self.holds(when, table)));
        needed.map(|grant| Granted { section, grant: *grant, table: table.clone() }).collect()
    }

    fn holds(&self, when: &When, table: &Table) -> bool {
        let Some(node) = table.get(when.key) else {
            return match when.key == INLINE.key {
                true => when.test == INLINE.test && self.delivery() == DeliveryMode::Inline,
                false => when.by_default,
            };
        };
        match (when.test, &node.value) {
            (Test::Set, _) => true,
            (Test::On, value) => matches!(value, Value::Boolean(true)),
            (Test::Is(wanted), Value::Text(text)) => text == wanted,
            (Test::Lists(wanted), Value::List(nodes)) => {
                nodes.iter().any(|node| matches!(&node.value, Value::Text(text) if text == wanted))
            }
            (Test::NotZero, Value::Integer(number)) => *number != 0,
            (Test::Filled, Value::List(nodes)) => !nodes.is_empty(),
            (Test::Filled, Value::Table(table)) => !table.is_empty(),
            (Test::Filled, Value::Text(_)) => true,
            _ => false,
        }
    }
}

/// Goes through the rules.
struct Found<'a> {
    configuration: &'a Configuration,
    granted: Vec<Granted>,
}

impl RuleVisitor for Found<'_> {
    fn rule<R: Configured>(&mut self) {
        let base = self.configuration.root().get(R::SECTION).and_then(Node::as_table).cloned();
        let tables = base.into_iter().chain(self.configuration.tables_of_pools(R::SECTION));
        let is_off = |table: &Table| matches!(table.get("off").map(|node| &node.value), Some(Value::Boolean(true)));
        for table in tables.filter(|table| !is_off(table)) {
            self.granted.extend(self.configuration.granted(R::SECTION, R::GRANTS, &table));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants;
    use crate::{Chains, ConfigError};

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Probe {}

    impl Configured for Probe {
        const SECTION: &'static str = "probe";
        const GRANTS: &'static [Grant] = &[
            grants::READ,
            grants::ACKNOWLEDGE.inline(),
            grants::SIGN_OUT.when(&[When::is("policy", "out")]),
            grants::FIND_USER.when(&[When::set("since"), When::on("at").by_default()]),
            grants::PUBLISH.when(&[When::lists("events", "a").by_default()]),
            grants::SEND.when(&[When::not_zero("days")]),
            grants::PUT_FILES.when(&[When::filled("groups")]),
        ];

        fn attach(self, _: &mut Chains) -> Result<(), ConfigError> {
            Ok(())
        }
    }

    fn granted(text: &str) -> Vec<Grant> {
        let configuration = Configuration::parse("triggers.toml", text).unwrap();
        configuration.grants::<(Probe,)>().into_iter().map(|granted| granted.grant.when(&[])).collect()
    }

    #[test]
    fn what_depends_on_a_setting_is_granted_where_it_is_set() {
        use crate::grants::{ACKNOWLEDGE, FIND_USER, PUBLISH, PUT_FILES, READ, SEND, SIGN_OUT};
        assert_eq!(granted(""), []);
        assert_eq!(granted("[probe]\n"), [READ, ACKNOWLEDGE, PUBLISH]);
        assert_eq!(granted("[probe]\noff = true\n"), []);
        assert_eq!(granted("[probe]\ndelivery = \"deferred\"\n"), [READ, PUBLISH]);
        assert_eq!(granted("[services]\ndelivery = \"deferred\"\n[probe]\n"), [READ, PUBLISH]);
        let own = "[services]\ndelivery = \"deferred\"\n[probe]\ndelivery = \"inline\"\n";
        assert_eq!(granted(own), [READ, ACKNOWLEDGE, PUBLISH]);
        let all = "policy = \"out\"\nsince = 2026-01-01\nevents = [\"b\", \"a\"]\ndays = 7\ngroups = [\"x\"]\n";
        let expected = [READ, ACKNOWLEDGE, SIGN_OUT, FIND_USER, PUBLISH, SEND, PUT_FILES];
        assert_eq!(granted(&format!("[probe]\n{all}")), expected);
        let none = "policy = \"in\"\nsince = 2026-01-01\nat = false\nevents = [\"b\"]\ndays = 0\ngroups = []\n";
        assert_eq!(granted(&format!("[probe]\n{none}")), [READ, ACKNOWLEDGE]);
    }

    #[test]
    fn a_pool_of_its_own_is_granted_what_its_tables_merge_to() {
        let pools =
            "[probe]\noff = true\nfrom = \"a@acme.example\"\n[pools.eu_A.probe]\noff = false\npolicy = \"out\"\n";
        let configuration = Configuration::parse("triggers.toml", pools).unwrap();
        let found = configuration.grants::<(Probe,)>();
        assert!(
            found.iter().all(|granted| granted.section == "probe" && granted.text("from") == Some("a@acme.example"))
        );
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_program_without_rules_is_granted_what_it_needs_without_a_table() {
        const GRANTS: &[Grant] = &[grants::READ, grants::SEND.when(&[When::filled("administrators")])];
        let count = |text| Configuration::parse("triggers.toml", text).unwrap().grants_of("links", GRANTS).len();
        assert_eq!((count(""), count("[links]\nadministrators = [\"a@b.example\"]\n")), (1, 2));
    }
}
