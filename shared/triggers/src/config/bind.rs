//! Binds the tables of the file to the rules of a program: finds, merges, reads and attaches them, and collects what is wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::file::{Configuration, SERVICES};
use super::settings::{self, Misfit, either, nearest};
use super::tree::{Node, Table, Value};
use super::{ConfigError, Configured, KNOWN_SECTIONS, OnFault, RuleSet, RuleVisitor};
use crate::dispatcher::{Only, Section};
use crate::trigger::TRIGGER_NAMES;
use crate::{Chains, DeliveryMode, Environment, Need};

/// What a check found out about a configuration without an error.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The rules that are switched on for every pool without settings of its own.
    pub rules: Vec<&'static str>,
    /// The rules that are switched on for pools with settings of their own.
    pub pools: BTreeMap<String, Vec<&'static str>>,
    /// What has to be set where the program runs, as far as it is known that it is not set here.
    pub warnings: Vec<ConfigError>,
}

/// The chains, and everything that is wrong.
#[derive(Default)]
pub(super) struct Bound {
    pub(super) base: Chains,
    pub(super) pools: HashMap<String, Chains>,
    pub(super) checked: Checked,
    pub(super) errors: Vec<ConfigError>,
}

/// Binds everything.
pub(super) fn bind<R: RuleSet>(configuration: &Configuration, environment: &Environment) -> Bound {
    let mut names = Names(Vec::new());
    R::each(&mut names);
    let Names(names) = names;
    let mut bound = Bound { errors: strangers(configuration, &names), ..Bound::default() };
    let only = match only(environment) {
        Ok(only) => only,
        Err(error) => {
            bound.errors.push(error);
            return bound;
        }
    };

    let mut binding = Binding::of(configuration, environment, &only, None);
    R::each(&mut binding);
    let mut any = binding.found;
    bound.base = binding.chains;
    bound.checked.rules = binding.on;
    bound.errors.append(&mut binding.errors);
    for (pool, node) in configuration.pools() {
        let Some(tables) = node.as_table().filter(|tables| names.iter().any(|name| tables.contains_key(*name))) else {
            continue;
        };
        any = true;
        let mut binding = Binding::of(configuration, environment, &only, Some((pool, tables)));
        R::each(&mut binding);
        bound.pools.insert(pool.clone(), binding.chains);
        bound.checked.pools.insert(pool.clone(), binding.on);
        bound.errors.append(&mut binding.errors);
    }
    if !any && bound.errors.is_empty() {
        let tables: Vec<_> = names.iter().map(|name| format!("[{name}]")).collect();
        let tables: Vec<_> = tables.iter().map(String::as_str).collect();
        let error = ConfigError::new("no rule of this program is switched on")
            .remedy(format!("add a table: {}", either(&tables)));
        bound.errors.push(error.placed(configuration.file(), 1));
    }
    bound
}

/// The triggers a function is for: those that `TRIGGERS_ONLY` names, all if it is not set.
fn only(environment: &Environment) -> Result<Option<Only>, ConfigError> {
    let Some(text) = environment.find("TRIGGERS_ONLY") else { return Ok(None) };
    let mut only = BTreeSet::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let known = TRIGGER_NAMES.iter().find(|known| known.eq_ignore_ascii_case(name)).ok_or_else(|| {
            ConfigError::new(format!("there is no trigger `{name}`"))
                .at("TRIGGERS_ONLY")
                .remedy(format!("write names with commas between them: {}", either(&TRIGGER_NAMES)))
        })?;
        only.insert(*known);
    }
    if only.is_empty() {
        let error = ConfigError::new("no trigger is named").at("TRIGGERS_ONLY");
        return Err(error.remedy("write e.g. `PreSignUp,PostConfirmation`, or leave it out for all"));
    }
    Ok(Some(Arc::new(only)))
}

/// The tables of a program's rules.
struct Names(Vec<&'static str>);

impl RuleVisitor for Names {
    fn rule<R: Configured>(&mut self) {
        self.0.push(R::SECTION);
    }
}

/// Attaches one rule after the other, for every pool or for one.
struct Binding<'a> {
    configuration: &'a Configuration,
    environment: &'a Environment,
    pool: Option<(&'a str, &'a Table)>,
    chains: Chains,
    found: bool,
    on: Vec<&'static str>,
    errors: Vec<ConfigError>,
}

/// A rule's table, merged and without the keys every rule has.
struct Prepared {
    settings: Node,
    on: bool,
    on_fault: OnFault,
    delivery: DeliveryMode,
}

/// What attaches a rule that was read.
type Attaching = Box<dyn FnOnce(&mut Chains) -> Result<(), ConfigError>>;

impl RuleVisitor for Binding<'_> {
    fn rule<R: Configured>(&mut self) {
        self.rule_of(R::SECTION, R::ON_FAULT, |settings| {
            let rule: R = settings::read(settings)?;
            Ok(Box::new(|chains| rule.attach(chains)))
        });
    }
}

impl Binding<'_> {
    /// Attaches the rule of a table, or notes what is wrong with it. Nothing here knows the type of the rule, or it would be
    /// built for each of them.
    fn rule_of(&mut self, section: &'static str, usual: OnFault, read: fn(&Node) -> Result<Attaching, Misfit>) {
        let before = self.errors.len();
        let on_fault = self.bind(section, usual, read).unwrap_or(usual);
        // Nobody is kept out because of a greeting: such a rule is left out, and what is wrong is said.
        if (usual, on_fault) == (OnFault::Continue, OnFault::Continue) {
            let wrong = self.errors.split_off(before);
            self.errors.extend(wrong.into_iter().map(ConfigError::dispensable));
        }
    }

    /// Answers what its faults do, as far as that can be read.
    fn bind(
        &mut self,
        section: &'static str,
        usual: OnFault,
        read: fn(&Node) -> Result<Attaching, Misfit>,
    ) -> Option<OnFault> {
        let prepared = self.prepare(section, usual)?;
        match read(&prepared.settings) {
            Ok(attach) if prepared.on => {
                self.begin(section, &prepared, usual);
                if let Err(error) = attach(&mut self.chains) {
                    self.refuse(section, &prepared, error);
                }
                self.chains.end();
            }
            Ok(_) => {}
            Err(misfit) => self.misfit(section, &prepared, misfit),
        }
        Some(prepared.on_fault)
    }
}

impl<'a> Binding<'a> {
    fn of(
        configuration: &'a Configuration,
        environment: &'a Environment,
        only: &Option<Only>,
        pool: Option<(&'a str, &'a Table)>,
    ) -> Self {
        let (chains, on, errors) = (Chains::for_only(only.clone()), Vec::new(), Vec::new());
        Self { configuration, environment, pool, chains, found: false, on, errors }
    }

    fn prepare(&mut self, section: &'static str, on_fault: OnFault) -> Option<Prepared> {
        let base = self.configuration.root().get(section);
        let own = self.pool.and_then(|(_, tables)| tables.get(section));
        let mut settings = match (base, own) {
            (Some(base), Some(own)) => base.under(own),
            (Some(table), None) | (None, Some(table)) => table.clone(),
            (None, None) => return None,
        };
        self.found = true;
        let kind = settings.kind();
        let (line, of_pool) = (settings.line, settings.of_pool);
        let Value::Table(table) = &mut settings.value else {
            let path = self.path(section, of_pool);
            let error = ConfigError::new(format!("expected a table, found {kind}")).at(&path);
            self.errors.push(error.remedy(format!("write `[{path}]`")).placed(self.configuration.file(), line));
            return None;
        };
        let (off, on_fault_key, delivery) = (table.remove("off"), table.remove("on-fault"), table.remove("delivery"));
        let off = off.map_or(Some(false), |node| self.switch(section, &node))?;
        let on_fault = on_fault_key.map_or(Some(on_fault), |node| self.on_fault(section, &node))?;
        let usual = self.configuration.delivery();
        let delivery = delivery.map_or(Some(usual), |node| self.delivery(section, &node))?;
        Some(Prepared { settings, on: !off, on_fault, delivery })
    }

    fn switch(&mut self, section: &str, node: &Node) -> Option<bool> {
        match node.value {
            Value::Boolean(off) => Some(off),
            _ => {
                let problem = format!("expected `true` or `false`, found {}", node.kind());
                self.common(section, "off", node, ConfigError::new(problem))
            }
        }
    }

    fn on_fault(&mut self, section: &str, node: &Node) -> Option<OnFault> {
        match &node.value {
            Value::Text(text) if text == "deny" => Some(OnFault::Deny),
            Value::Text(text) if text == "continue" => Some(OnFault::Continue),
            Value::Text(_) => self.common(section, "on-fault", node, ConfigError::new("there is no such choice")),
            _ => {
                let problem = format!("expected a string, found {}", node.kind());
                self.common(section, "on-fault", node, ConfigError::new(problem))
            }
        }
    }

    fn delivery(&mut self, section: &str, node: &Node) -> Option<DeliveryMode> {
        match delivery_mode(node) {
            Ok(mode) => Some(mode),
            Err(error) => self.common(section, "delivery", node, error),
        }
    }

    /// Notes what is wrong with a key every rule has.
    fn common<T>(&mut self, section: &str, key: &str, node: &Node, error: ConfigError) -> Option<T> {
        let remedy = match key {
            "off" => "write `off = true` to switch the rule off",
            "delivery" => DELIVERY_REMEDY,
            _ => "use `deny` or `continue`",
        };
        let error = error.at(key).within(&self.path(section, node.of_pool)).remedy(remedy);
        self.errors.push(error.placed(self.configuration.file(), node.line));
        None
    }

    fn begin(&mut self, name: &'static str, prepared: &Prepared, default: OnFault) {
        self.on.push(name);
        let environment = self.environment.clone();
        let Prepared { on_fault, delivery, .. } = *prepared;
        let is_dispensable = (default, on_fault) == (OnFault::Continue, OnFault::Continue);
        self.chains.begin(Section { on_fault, delivery, is_dispensable, ..Section::of(name, environment) });
    }

    /// Notes what the rule itself found wrong.
    fn refuse(&mut self, section: &str, prepared: &Prepared, error: ConfigError) {
        let node = prepared.settings.nearest(error.path());
        let error = error.within(&self.path(section, node.of_pool));
        self.errors.push(error.placed(self.configuration.file(), node.line));
    }

    /// Notes that the table does not fit the rule. What is switched off may be unfinished.
    fn misfit(&mut self, section: &str, prepared: &Prepared, misfit: Misfit) {
        if !prepared.on && misfit.is_missing() {
            return;
        }
        let line = misfit.line();
        let path = self.path(section, misfit.of_pool());
        self.errors.push(misfit.into_error().within(&path).placed(self.configuration.file(), line));
    }

    fn path(&self, section: &str, of_pool: bool) -> String {
        match self.pool {
            Some((pool, _)) if of_pool => format!("{}.{section}", pool_path(pool)),
            _ => section.to_owned(),
        }
    }
}

impl Bound {
    /// What the attached rules need and is neither configured nor set, with the table of the rule that needs it.
    pub(super) fn unmet(&self, configuration: &Configuration, met: impl Fn(Need) -> bool) -> Vec<ConfigError> {
        let base = self.base.needs().iter().map(|need| (None, &self.base, need));
        let pools = self.pools.iter();
        let pools = pools.flat_map(|(pool, chains)| chains.needs().iter().map(move |need| (Some(pool), chains, need)));
        let mut errors = Vec::new();
        for (pool, chains, (need, section)) in base.chain(pools).filter(|(_, _, (need, _))| !met(*need)) {
            let own = pool.and_then(|pool| configuration.pool_table(pool)?.get(*section));
            let (path, node) = match (pool, own) {
                (Some(pool), Some(own)) => (format!("{}.{section}", pool_path(pool)), Some(own)),
                _ => ((*section).to_owned(), configuration.root().get(*section)),
            };
            let error = missing(*need).at(path).elsewhere();
            let error = if chains.can_do_without(section) { error.dispensable() } else { error };
            errors.push(error.placed(configuration.file(), node.map_or(1, |node| node.line)));
        }
        errors
    }

    /// Whether a rule of any pool needs this.
    pub(super) fn needs(&self, need: Need) -> bool {
        let needs = |chains: &Chains| chains.needs().iter().any(|(needed, _)| *needed == need);
        needs(&self.base) || self.pools.values().any(needs)
    }

    /// Whether a rule of any pool needs this that people wait for.
    pub(super) fn cannot_do_without(&self, need: Need) -> bool {
        let cannot = |chains: &Chains| {
            chains.needs().iter().any(|(needed, section)| *needed == need && !chains.can_do_without(section))
        };
        cannot(&self.base) || self.pools.values().any(cannot)
    }
}

fn missing(need: Need) -> ConfigError {
    match need {
        Need::Ledger => ConfigError::new("needs a ledger")
            .remedy("add `ledger = \"dynamodb:<table>\"` under [services] or set TRIGGERS_LEDGER"),
        Need::Directory => ConfigError::new("needs a directory")
            .remedy("add `directory = \"cognito\"` under [services] or set TRIGGERS_DIRECTORY"),
        Need::Mailer => ConfigError::new("needs a mailer")
            .remedy("add `mailer = \"ses:Acme <hello@acme.example>\"` under [services] or set TRIGGERS_MAILER"),
        Need::Bucket => ConfigError::new("needs a bucket")
            .remedy("add `bucket = \"s3:<bucket>\"` under [services] or set TRIGGERS_BUCKET"),
        Need::Publisher => ConfigError::new("needs a publisher")
            .remedy("add `publisher = \"eventbridge:<bus>\"` under [services] or set TRIGGERS_PUBLISHER"),
        Need::Links => ConfigError::new("needs to know where links in mails lead").remedy(
            "add `links = \"https://...\"` under [services], the URL of the function `links`, or set TRIGGERS_LINKS",
        ),
        Need::Key => ConfigError::new("needs a root key")
            .remedy("make one with `openssl rand -base64 32` and set TRIGGERS_KEY to it where the function runs"),
    }
}

pub(super) const DELIVERY_REMEDY: &str = "use `inline` or `deferred`";

/// When deliveries are carried out, as it is written.
pub(super) fn delivery_mode(node: &Node) -> Result<DeliveryMode, ConfigError> {
    match &node.value {
        Value::Text(text) if text == "inline" => Ok(DeliveryMode::Inline),
        Value::Text(text) if text == "deferred" => Ok(DeliveryMode::Deferred),
        Value::Text(_) => Err(ConfigError::new("there is no such choice")),
        _ => Err(ConfigError::new(format!("expected a string, found {}", node.kind()))),
    }
}

/// What stands in the file and belongs to no rule.
fn strangers(configuration: &Configuration, names: &[&'static str]) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut known: Vec<&str> = names.to_vec();
    known.extend(KNOWN_SECTIONS.iter().filter(|name| !names.contains(*name)));
    let example = names.first().copied().unwrap_or("domain-allow-list");
    let placed = |error: ConfigError, node: &Node| error.placed(configuration.file(), node.line);

    for (key, node) in configuration.root() {
        if known.contains(&key.as_str()) || ["services", "pools", "$schema"].contains(&key.as_str()) {
            continue;
        }
        let error = ConfigError::new("").at(super::tree::key_name(key));
        let error = if node.as_table().is_none() && SERVICES.iter().any(|service| service.key == key) {
            error.problem("this stands outside any table").remedy("write it under `[services]`")
        } else if node.as_table().is_some() || matches!(node.value, Value::List(_)) {
            unknown(error, key, &known, &["services", "pools"])
        } else {
            error
                .problem("this stands outside any table")
                .remedy(format!("write it under the table of a rule, e.g. `[{example}]`"))
        };
        errors.push(placed(error, node));
    }

    let Some(pools) = configuration.root().get("pools") else { return errors };
    if pools.as_table().is_none() {
        let error = ConfigError::new(format!("expected a table, found {}", pools.kind())).at("pools");
        errors.push(placed(error.remedy("write `[pools.\"<user pool id>\".<rule>]`"), pools));
    }
    for (pool, node) in configuration.pools() {
        let path = pool_path(pool);
        if !is_pool_id(pool) {
            let error = ConfigError::new("this is not the id of a user pool").at(&path);
            errors.push(placed(error.remedy("write the id, not the name or the ARN: `eu-central-1_AbC123xyz`"), node));
        }
        let Some(tables) = node.as_table() else {
            let error = ConfigError::new(format!("expected a table, found {}", node.kind())).at(&path);
            errors.push(placed(error.remedy(format!("write `[{path}.<rule>]`")), node));
            continue;
        };
        for (key, node) in tables.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let error = ConfigError::new("").at(super::tree::key_name(key)).within(&path);
            let error = if key == "services" {
                error.problem("all pools share the services").remedy("move it to `[services]`")
            } else if node.as_table().is_some() {
                unknown(error, key, &known, &[])
            } else {
                error
                    .problem("this stands outside the table of a rule")
                    .remedy(format!("write it under a rule, e.g. `[{path}.{example}]`"))
            };
            errors.push(placed(error, node));
        }
    }
    errors
}

/// A table of a name nobody knows; `others` are names that may have been meant and are no rules.
fn unknown(error: ConfigError, key: &str, rules: &[&str], others: &[&str]) -> ConfigError {
    let error = error.problem("there is no rule of this name");
    match nearest(key, rules.iter().chain(others).copied()) {
        Some(near) => error.remedy(format!("did you mean `{near}`?")),
        None => error.remedy(format!("use {}", either(rules))),
    }
}

pub(super) fn pool_path(pool: &str) -> String {
    format!("pools.{pool:?}")
}

/// Cognito API reference, `UserPoolId`: 1 to 55 characters, pattern `[\w-]+_[0-9a-zA-Z]+`.
fn is_pool_id(text: &str) -> bool {
    let Some((region, id)) = text.rsplit_once('_') else { return false };
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() <= 55
        && !region.is_empty()
        && region.bytes().all(word)
        && !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
