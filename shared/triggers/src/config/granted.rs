//! What a configuration has granted: of everything its rules may need of AWS, what they need as their tables are.

use std::collections::HashMap;

use super::tree::{Node, Table, Value};
use super::{Configuration, Configured, RuleSet, RuleVisitor};
use crate::grants::{Caller, Grant, INLINE, Test, When};
use crate::{Chains, DeliveryMode};

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
        let mut found = Found { configuration: self, asked: None, granted: Vec::new() };
        R::each(&mut found);
        found.granted
    }

    /// What a function needs that is for these triggers alone: of the rules that are asked there, as their tables are, what they
    /// do there. `base` and `pools` are the [`chains`](Self::chains) of all triggers.
    #[must_use]
    pub fn grants_at<R: RuleSet>(
        &self,
        triggers: &[&str],
        base: &Chains,
        pools: &HashMap<String, Chains>,
    ) -> Vec<Granted> {
        let asked = Asked { triggers, base, pools };
        let mut found = Found { configuration: self, asked: Some(asked), granted: Vec::new() };
        R::each(&mut found);
        found.granted
    }

    /// The same for a program without rules, whose table may be missing.
    #[must_use]
    pub fn grants_of(&self, section: &'static str, grants: &'static [Grant]) -> Vec<Granted> {
        let base = self.root().get(section).and_then(Node::as_table).cloned();
        let tables = self.tables_of_pools(section).map(|(_, table)| table);
        std::iter::once(base.unwrap_or_default())
            .chain(tables)
            .flat_map(|table| self.granted(section, grants, &table))
            .collect()
    }

    /// The table of each pool that has one of its own, merged over the base.
    fn tables_of_pools(&self, section: &str) -> impl Iterator<Item = (&str, Table)> {
        let base = self.root().get(section);
        self.pools().filter_map(move |(pool, tables)| {
            let own = tables.as_table()?.get(section)?;
            Some((pool.as_str(), base.map_or_else(|| own.clone(), |base| base.under(own)).as_table().cloned()?))
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

/// Some triggers, and what is asked there.
struct Asked<'a> {
    triggers: &'a [&'a str],
    base: &'a Chains,
    pools: &'a HashMap<String, Chains>,
}

impl Asked<'_> {
    /// At which of them a rule is asked with its table for every pool, or with that for one.
    fn of(&self, pool: Option<&str>, section: &str) -> Vec<&'static str> {
        let chains = pool.and_then(|pool| self.pools.get(pool)).unwrap_or(self.base);
        let overview = chains.overview().into_iter();
        let asked = overview.filter(|(trigger, rules)| self.triggers.contains(trigger) && rules.contains(&section));
        asked.map(|(trigger, _)| trigger).collect()
    }
}

/// Goes through the rules.
struct Found<'a> {
    configuration: &'a Configuration,
    /// What is found is at these triggers alone.
    asked: Option<Asked<'a>>,
    granted: Vec<Granted>,
}

impl RuleVisitor for Found<'_> {
    fn rule<R: Configured>(&mut self) {
        let base = self.configuration.root().get(R::SECTION).and_then(Node::as_table).cloned();
        let own = self.configuration.tables_of_pools(R::SECTION).map(|(pool, table)| (Some(pool), table));
        let tables = base.into_iter().map(|table| (None, table)).chain(own);
        let is_off = |table: &Table| matches!(table.get("off").map(|node| &node.value), Some(Value::Boolean(true)));
        for (pool, table) in tables.filter(|(_, table)| !is_off(table)) {
            let mut granted = self.configuration.granted(R::SECTION, R::GRANTS, &table);
            if let Some(asked) = &self.asked {
                let triggers = asked.of(pool, R::SECTION);
                let is_at = |grant: &Grant| triggers.iter().any(|trigger| grant.is_at(trigger));
                granted.retain(|it| it.grant.by == Caller::Function && is_at(&it.grant));
            }
            self.granted.extend(granted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;
    use crate::{Environment, grants};

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
        configuration.grants::<(Probe,)>().into_iter().map(|granted| granted.grant.when(&[]).at(&[])).collect()
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

    /// Is asked at sign-ups, and at sign-ins if it is told to.
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Guard {
        #[serde(default)]
        early: bool,
    }

    impl Rule<PreSignUp> for Guard {
        async fn apply(&self, _: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
            Ok(Verdict::Continue)
        }
    }

    impl Rule<PreAuthentication> for Guard {
        async fn apply(
            &self,
            _: &Event<PreAuthentication>,
            _: &mut Visit<PreAuthentication>,
        ) -> Answer<PreAuthentication> {
            Ok(Verdict::Continue)
        }
    }

    impl Configured for Guard {
        const SECTION: &'static str = "guard";
        const GRANTS: &'static [Grant] = &[
            grants::READ,
            grants::HOLD.at(&[PreSignUp::NAME]),
            grants::SIGN_OUT.at(&[PreAuthentication::NAME]).when(&[When::on("out")]),
            grants::SEND.by_courier(),
        ];

        fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
            let early = self.early;
            let attach = chains.attach(self).to::<PreSignUp>();
            if early { attach.to::<PreAuthentication>().done() } else { attach.done() }
        }
    }

    #[test]
    fn a_trigger_is_granted_what_is_done_there_by_rules_that_are_asked_there() {
        use crate::grants::{HOLD, READ, SIGN_OUT};
        let at = |triggers: &[&str], text: &str| -> Vec<Grant> {
            let configuration = Configuration::parse("triggers.toml", text).unwrap();
            let (base, pools) = configuration.chains::<(Guard,)>(&Environment::default()).unwrap();
            let granted = configuration.grants_at::<(Guard,)>(triggers, &base, &pools);
            granted.into_iter().map(|granted| granted.grant.when(&[]).at(&[])).collect()
        };
        let late = "[guard]\nout = true\n";
        assert_eq!(at(&["PreSignUp"], late), [READ, HOLD]);
        assert_eq!(at(&["PreAuthentication"], late), [], "it is not asked there");
        let early = "[guard]\nout = true\nearly = true\n";
        assert_eq!(at(&["PreAuthentication"], early), [READ, SIGN_OUT]);
        assert_eq!(at(&["PreAuthentication"], "[guard]\nearly = true\n"), [READ]);
        assert_eq!(at(&["PreSignUp", "PreAuthentication"], early), [READ, HOLD, SIGN_OUT]);
        assert_eq!(at(&["PostConfirmation"], early), []);
        let of_one_pool = "[guard]\n[pools.eu_A.guard]\nearly = true\nout = true\n";
        assert_eq!(at(&["PreAuthentication"], of_one_pool), [READ, SIGN_OUT]);
        assert_eq!(at(&["PreSignUp"], "[guard]\noff = true\n[pools.eu_A.guard]\noff = false\n"), [READ, HOLD]);
    }

    #[test]
    fn a_program_without_rules_is_granted_what_it_needs_without_a_table() {
        const GRANTS: &[Grant] = &[grants::READ, grants::SEND.when(&[When::filled("administrators")])];
        let count = |text| Configuration::parse("triggers.toml", text).unwrap().grants_of("links", GRANTS).len();
        assert_eq!((count(""), count("[links]\nadministrators = [\"a@b.example\"]\n")), (1, 2));
    }
}
