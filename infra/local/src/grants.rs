//! `cargo local grants`: what every function's role may need of AWS, as the functions say it themselves. Whatever makes policies
//! for deploying them is made from this, or compared with it.

use std::collections::BTreeMap;

use cognito_triggers::config::{Configured, RuleSet, RuleVisitor};
use cognito_triggers::grants::{self, Caller, Grant, Resource};
use serde::Serialize;

use crate::functions::Function;
use crate::world::{Problem, World};

/// A function without rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    /// Its table, which may be missing.
    pub(crate) section: &'static str,
    pub(crate) grants: &'static [Grant],
}

/// Every function without rules, and `poolctl`, which an operator runs.
pub(crate) const JOBS: [Job; 4] = [
    Job { name: "courier", section: "courier", grants: courier::GRANTS },
    Job { name: "links", section: links::Settings::SECTION, grants: links::GRANTS },
    Job { name: "session-release", section: "session-release", grants: session_release::GRANTS },
    Job { name: "poolctl", section: "poolctl", grants: grants::OPERATOR },
];

pub(crate) fn run(world: &mut World<'_>) -> Result<u8, Problem> {
    let text = Catalogue::new().text().map_err(|error| Problem::new(error.to_string()))?;
    world.out.write_all(text.as_bytes())?;
    Ok(0)
}

/// All of it, in an order that does not change.
#[derive(Serialize)]
struct Catalogue {
    resources: BTreeMap<Resource, Place>,
    triggers: BTreeMap<&'static str, &'static [&'static str]>,
    rules: BTreeMap<&'static str, &'static [Grant]>,
    functions: BTreeMap<&'static str, Vec<Needed>>,
}

/// Which service of `[services]` a resource is of. It is needed only if the address there begins with `scheme`.
#[derive(Serialize)]
struct Place {
    service: &'static str,
    scheme: &'static str,
}

/// A grant of a function's role.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Needed {
    /// Whose table its conditions are about; none if it is the function itself that always needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    actions: &'static [&'static str],
    resource: Resource,
    at: &'static [&'static str],
    when: &'static [grants::When],
}

impl Needed {
    fn of(rule: Option<&'static str>, grant: &Grant) -> Self {
        Self { rule, actions: grant.actions, resource: grant.on, at: grant.at, when: grant.when }
    }
}

impl Catalogue {
    /// As JSON with a line for each grant, so that a difference is one that can be read.
    fn text(&self) -> Result<String, serde_json::Error> {
        let resources = self.resources.iter().map(|(resource, place)| {
            Ok(format!("    {}: {}", serde_json::to_string(resource)?, serde_json::to_string(place)?))
        });
        let resources = resources.collect::<Result<Vec<_>, serde_json::Error>>()?.join(",\n");
        let triggers = self.triggers.iter().map(|(name, triggers)| {
            Ok(format!("    {}: {}", serde_json::to_string(name)?, serde_json::to_string(triggers)?))
        });
        let triggers = triggers.collect::<Result<Vec<_>, serde_json::Error>>()?.join(",\n");
        let rules = lists(self.rules.iter().map(|(name, grants)| (*name, *grants)))?;
        let functions = lists(self.functions.iter().map(|(name, needed)| (*name, needed.as_slice())))?;
        Ok(format!(
            "{{\n  \"resources\": {{\n{resources}\n  }},\n  \"triggers\": {{\n{triggers}\n  }},\n  \
             \"rules\": {{\n{rules}\n  }},\n  \"functions\": {{\n{functions}\n  }}\n}}\n"
        ))
    }

    fn new() -> Self {
        let Declared { triggers, rules } = Declared::of::<pool::Rules>();
        let of_function = |names: &[&'static str]| {
            let of_rule = |name: &&'static str| rules.get(name).into_iter().flat_map(|grants| grants.iter());
            let own = names.iter().flat_map(|name| of_rule(name).map(|grant| (*name, grant)));
            own.filter(|(_, grant)| grant.by == Caller::Function)
                .map(|(name, grant)| Needed::of(Some(name), grant))
                .collect::<Vec<_>>()
        };
        let all: Vec<_> = rules.keys().copied().collect();
        let mut functions: BTreeMap<_, _> = Function::ALL
            .iter()
            .map(|function| match function {
                Function::Pool => (function.name(), of_function(&all)),
                rule => (rule.name(), of_function(&[rule.name()])),
            })
            .collect();
        for job in JOBS {
            functions.insert(
                job.name,
                job.grants.iter().filter(|grant| job.calls(grant)).map(|it| Needed::of(None, it)).collect(),
            );
        }
        let staged = rules.iter().map(|(name, grants)| (*name, *grants)).chain(JOBS.map(|job| (job.name, job.grants)));
        let staged = staged.filter(|(name, _)| *name != COURIER).flat_map(|(name, grants)| {
            grants.iter().filter(|grant| grant.by == Caller::Courier).map(move |grant| Needed::of(Some(name), grant))
        });
        functions.entry(COURIER).or_default().extend(staged);
        let resources = Resource::ALL.iter().map(|resource| {
            let (service, scheme) = resource.service();
            (*resource, Place { service, scheme })
        });
        Self { resources: resources.collect(), triggers, rules, functions }
    }
}

/// Each name with its list, an element a line.
fn lists<'a, T: Serialize + 'a>(all: impl Iterator<Item = (&'a str, &'a [T])>) -> Result<String, serde_json::Error> {
    let mut lists = Vec::new();
    for (name, list) in all {
        let lines = list.iter().map(|it| Ok(format!("      {}", serde_json::to_string(it)?)));
        let lines = lines.collect::<Result<Vec<_>, serde_json::Error>>()?.join(",\n");
        let lines = if lines.is_empty() { "[]".to_owned() } else { format!("[\n{lines}\n    ]") };
        lists.push(format!("    {}: {lines}", serde_json::to_string(name)?));
    }
    Ok(lists.join(",\n"))
}

/// The name of the function that carries out what others stage.
pub(crate) const COURIER: &str = "courier";

impl Job {
    /// Whether it is this job itself that makes the calls.
    pub(crate) fn calls(&self, grant: &Grant) -> bool {
        (grant.by == Caller::Courier) == (self.name == COURIER)
    }
}

/// What each rule of a set declares.
#[derive(Default)]
struct Declared {
    triggers: BTreeMap<&'static str, &'static [&'static str]>,
    rules: BTreeMap<&'static str, &'static [Grant]>,
}

impl Declared {
    fn of<R: RuleSet>() -> Self {
        let mut declared = Self::default();
        R::each(&mut declared);
        declared
    }
}

impl RuleVisitor for Declared {
    fn rule<R: Configured>(&mut self) {
        self.triggers.insert(R::SECTION, R::TRIGGERS);
        self.rules.insert(R::SECTION, R::GRANTS);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cognito_triggers::Environment;
    use cognito_triggers::config::Configuration;
    use cognito_triggers::grants::INLINE;
    use serde_json::Value;

    use super::*;

    /// The keys without which a rule's table is refused.
    const LEAST: [(&str, &str); 6] = [
        ("domain-allow-list", "allow = [\"example.com\"]"),
        ("s3-provisioning", "files = \"provision/\""),
        ("admin-notice", "to = \"ops@acme.example\""),
        ("session-limit", "max = 3"),
        ("password-age", "max-days = 90"),
        ("win-back", "after-days = 30"),
    ];

    /// Every value that this may be, as TOML has it, where there are so few that they can be named.
    fn choices(schema: &Value, whole: &Value) -> Vec<String> {
        if let Some(name) = schema["$ref"].as_str() {
            return choices(&whole["$defs"][name.trim_start_matches("#/$defs/")], whole);
        }
        let of = |key: &str| schema[key].as_array().into_iter().flatten();
        let is = |name: &str| schema["type"] == name || of("type").any(|of| of == name);
        if is("boolean") {
            return vec!["true".into(), "false".into()];
        }
        if is("array") {
            return choices(&schema["items"], whole).iter().map(|value| format!("[{value}]")).collect();
        }
        let named = of("enum").chain(schema.get("const")).filter(|value| value.is_string()).map(Value::to_string);
        named.chain(of("oneOf").chain(of("anyOf")).flat_map(|one| choices(one, whole))).collect()
    }

    /// The triggers a rule is attached to; none if its table is refused.
    fn attached(section: &str, table: &str) -> BTreeSet<&'static str> {
        let configuration = Configuration::parse("triggers.toml", &format!("[{section}]\n{table}")).unwrap();
        let Ok((chains, _)) = configuration.chains::<pool::Rules>(&Environment::default()) else { return [].into() };
        chains.overview().into_iter().map(|(trigger, _)| trigger).collect()
    }

    #[test]
    fn a_rule_names_the_triggers_that_some_setting_attaches_it_to_and_no_others() {
        let schema = cognito_triggers::config::schema::<pool::Rules>();
        for (section, triggers) in Catalogue::new().triggers {
            let least = LEAST.iter().find(|(name, _)| *name == section).map_or("", |(_, table)| table);
            let usual = attached(section, least);
            assert!(!usual.is_empty(), "[{section}] takes more than `{least}`");
            let mut met = usual;
            for (key, value) in schema["properties"][section]["properties"].as_object().unwrap() {
                for value in choices(value, &schema).iter().filter(|_| !least.starts_with(key)) {
                    met.extend(attached(section, &format!("{least}\n{key} = {value}\n")));
                }
            }
            assert_eq!(met, triggers.iter().copied().collect(), "[{section}]");
        }
    }

    #[test]
    fn what_is_needed_at_some_triggers_names_those_of_its_rule() {
        for (rule, grants) in &Catalogue::new().rules {
            let triggers = Catalogue::new().triggers[rule];
            for grant in *grants {
                assert!(grant.at.iter().all(|trigger| triggers.contains(trigger)), "{rule}: {grant:?}");
                assert!(grant.by == Caller::Function || grant.at.is_empty(), "no trigger calls the courier: {grant:?}");
                // "No other trigger delivers inline": docs/courier.md.
                let is_inline = grant.when.contains(&INLINE);
                assert!(!is_inline || grant.at == ["PostConfirmation"], "{rule}: {grant:?}");
            }
        }
    }

    #[test]
    fn every_function_is_named_and_the_pool_has_what_all_rules_have() {
        let all = Catalogue::new();
        for name in Function::ALL.iter().map(|it| it.name()).chain(JOBS.map(|job| job.name)) {
            assert!(all.functions.contains_key(name), "{name}");
        }
        let alone = |name: &&&str| **name != "pool" && JOBS.iter().all(|job| job.name != **name);
        let mut union: Vec<_> = all.functions.keys().filter(alone).flat_map(|name| &all.functions[name]).collect();
        union.sort();
        let mut pool: Vec<_> = all.functions["pool"].iter().collect();
        pool.sort();
        assert!(pool == union);
        assert!(all.functions["domain-allow-list"].is_empty() && all.functions["templated-message"].is_empty());
    }

    #[test]
    fn what_is_committed_is_what_the_functions_say() {
        let printed = Catalogue::new().text().unwrap();
        let read: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(read, serde_json::to_value(Catalogue::new()).unwrap());
        assert_eq!(include_str!("../../grants.json"), printed, "run `make schema`");
    }
}
