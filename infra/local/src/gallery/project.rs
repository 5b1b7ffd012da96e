//! What there is to be shown: the mails and messages of a configuration, each with its languages and what is wrong with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cognito_triggers::config::{ConfigErrors, Configuration};
use cognito_triggers::message::MessageTemplate;
use cognito_triggers::services::{Sender, TemplateUse};
use cognito_triggers::{Chains, Environment, Mailbox};
use links::Settings;

use super::item::{Item, Used};
use super::packaged::{Packaged, as_packaged};
use super::trouble::{Trouble, look_at};
use super::watched::fingerprint;
use crate::check::{configuration_of, name_variables, pools_named, ses_sender};
use crate::functions::{Bound, Function};
use crate::world::Problem;

/// What is shown where there is no configuration.
const EVERYTHING: &str = include_str!("everything.toml");
/// What that is called in messages. No such folder is looked into.
const BUILT_IN: &str = "built-in/triggers.toml";

/// Where the configuration is.
pub(super) enum Source {
    /// The file, or the one a function would take.
    File(Option<PathBuf>),
    /// Nowhere: all that is built in.
    BuiltIn,
}

/// A configuration that is read again whenever a file of it was saved.
pub(super) struct Project {
    source: Source,
    variables: BTreeMap<String, String>,
    read: Mutex<Option<Arc<Snapshot>>>,
}

/// What a configuration and its templates were when they were read.
pub(super) struct Snapshot {
    /// The same for the same files.
    pub(super) version: String,
    watched: Vec<PathBuf>,
    /// What is wrong with the configuration itself.
    pub(super) problems: Vec<String>,
    pub(super) items: Vec<Item>,
    pub(super) sender: Option<Sender>,
    pub(super) packaged: Packaged,
    looked: Vec<Looked>,
}

/// What was found when a template was looked at. That takes a while, so it is done when it has changed.
#[derive(Clone)]
struct Looked {
    at: MessageTemplate,
    is_mail: bool,
    uses: Vec<TemplateUse>,
    version: String,
    languages: Vec<String>,
    troubles: Vec<Trouble>,
}

impl Project {
    pub(super) fn new(source: Source, variables: BTreeMap<String, String>) -> Self {
        Self { source, variables, read: Mutex::default() }
    }

    pub(super) fn is_built_in(&self) -> bool {
        matches!(self.source, Source::BuiltIn)
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        match &self.source {
            Source::BuiltIn => "all that is built in".to_owned(),
            Source::File(_) => self.file().display().to_string(),
        }
    }

    /// The file to look at for changes.
    fn file(&self) -> PathBuf {
        match &self.source {
            Source::File(Some(file)) => file.clone(),
            _ => {
                let found = Configuration::find(&self.environment());
                let named =
                    || self.variables.get("TRIGGERS_CONFIG").cloned().unwrap_or_else(|| "triggers.toml".to_owned());
                PathBuf::from(found.map_or_else(|_| named(), |found| found.file().to_owned()))
            }
        }
    }

    fn environment(&self) -> Environment {
        self.variables.clone().into_iter().collect()
    }

    /// Reads and binds the configuration, to say at once what is wrong with it.
    pub(super) fn open(&self) -> Result<(), Problem> {
        let configuration = self.configuration()?;
        self.bound(&configuration)?;
        Ok(())
    }

    /// What it is now. Reads again what has changed.
    pub(super) fn now(&self) -> Arc<Snapshot> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.as_ref()
            && fingerprint(&known.watched) == known.version
        {
            return Arc::clone(known);
        }
        let snapshot = Arc::new(self.snapshot(read.as_deref()));
        *read = Some(Arc::clone(&snapshot));
        snapshot
    }

    fn configuration(&self) -> Result<Configuration, Problem> {
        match &self.source {
            Source::BuiltIn => Ok(Configuration::parse(BUILT_IN, EVERYTHING)?),
            Source::File(file) => configuration_of(file.as_deref(), &self.environment()),
        }
    }

    fn snapshot(&self, before: Option<&Snapshot>) -> Snapshot {
        let mut watched = if self.is_built_in() { Vec::new() } else { vec![self.file()] };
        let mut version = fingerprint(&watched);
        let first = version.clone();
        let read = self.configuration().and_then(|it| self.bound(&it).map(|bound| (it, bound)));
        let (configuration, bound) = match read {
            Ok(read) => read,
            Err(problem) => {
                let base = Path::new("");
                let problems = problem.to_string().lines().map(str::to_owned).collect();
                let (items, sender) = (Vec::new(), sender(None));
                let (packaged, looked) = (as_packaged(base, base, std::iter::empty()), Vec::new());
                return Snapshot { version, watched, problems, items, sender, packaged, looked };
            }
        };
        let folder = configuration.templates_folder(&bound.variables);
        let base = configuration.folder();
        if !self.is_built_in() {
            watched.extend(bound.folders().map(|below| base.join(below)).chain([folder.clone()]));
            watched.sort();
            watched.dedup();
            version = fingerprint(&watched);
        }
        let packaged = as_packaged(base, &folder, bound.folders());
        let mut items = Vec::new();
        for (pool, used, section) in &bound.used {
            let found = bound.items(used, section, pool.as_deref());
            for mut item in found {
                if let Some(known) = items.iter_mut().find(|known: &&mut Item| known.is_same(&item)) {
                    known.pools.extend(pool.clone().filter(|_| !known.pools.is_empty()));
                    continue;
                }
                while items.iter().any(|known: &Item| known.id == item.id) {
                    item.id.push('*');
                }
                items.push(item);
            }
        }
        let mut looked: Vec<Looked> = Vec::new();
        for item in &mut items {
            let is_mail = item.kind == "mail";
            let beside = item.at.folder.as_ref().map_or_else(|| folder.clone(), |own| base.join(own));
            let own = beside.join(&item.at.name);
            item.folder = own.is_dir().then(|| own.display().to_string());
            if !looked.iter().any(|known| known.is_mail == is_mail && known.at == item.at) {
                let uses = bound.used.iter().map(|(_, used, _)| used).filter(|used| is_of(used, &item.at, is_mail));
                let uses: Vec<_> = uses.cloned().collect();
                let version = fingerprint(&[own.clone(), beside.join("_shared")]);
                // What nobody has touched is what it was.
                let known = before.and_then(|before| before.looked.iter().find(|it| it.is_still(&version, &uses)));
                looked.push(known.cloned().unwrap_or_else(|| {
                    let (languages, troubles) = look_at(&packaged, &uses, &item.at, &own);
                    Looked { at: item.at.clone(), is_mail, uses, version, languages, troubles }
                }));
            }
            if let Some(known) = looked.iter().find(|known| known.is_mail == is_mail && known.at == item.at) {
                item.languages.clone_from(&known.languages);
                item.problems.clone_from(&known.troubles);
            }
        }
        let same: Vec<bool> = items.iter().map(|item| item.is_any_day(&items, packaged.templates.as_ref())).collect();
        let mut same = same.into_iter();
        items.retain(|_| !same.next().unwrap_or_default());
        let sender =
            sender(configuration.services(&bound.variables).ok().and_then(|services| services.mailer).as_deref());
        // What was saved while this was being made may be in it or not: it is made again.
        let file = if self.is_built_in() { Vec::new() } else { vec![self.file()] };
        if fingerprint(&watched) != version || fingerprint(&file) != first {
            version.push_str(" passing");
            looked.clear();
        }
        Snapshot { version, watched, problems: Vec::new(), items, sender, packaged, looked }
    }

    fn bound(&self, configuration: &Configuration) -> Result<Used, Problem> {
        let text = match &self.source {
            Source::BuiltIn => EVERYTHING.to_owned(),
            Source::File(_) => fs::read_to_string(configuration.file()).unwrap_or_default(),
        };
        let file: toml::Table = text.parse().unwrap_or_default();
        let mut variables = self.variables.clone();
        name_variables(&toml::Value::Table(file.clone()), &mut variables);
        let variables: Environment = variables.into_iter().collect();
        let bound = Bound::new(configuration, Function::Pool).chains(&variables);
        let tables = configuration.tables::<Settings>(Settings::SECTION);
        let ((base, pools), tables) = match (bound, tables) {
            (Ok(bound), Ok(tables)) => (bound, tables),
            (bound, tables) => {
                let wrong = [bound.err(), tables.err()].into_iter().flatten().flat_map(|errors| errors.0);
                return Err(ConfigErrors(wrong.collect()).into());
            }
        };
        let pools: BTreeMap<String, Chains> = pools.into_iter().collect();
        let mut used = Vec::new();
        let all = std::iter::once((None, &base)).chain(pools.iter().map(|(pool, chains)| (Some(pool.clone()), chains)));
        for (pool, chains) in all {
            used.extend(chains.templates().iter().map(|(used, section)| (pool.clone(), used.clone(), *section)));
        }
        let notices = std::iter::once((None, tables.base()))
            .chain(pools_named(&file).map(|pool| (Some(pool.to_owned()), tables.of(pool))));
        used.extend(notices.filter_map(|(pool, settings)| Some((pool, settings.uses()?, Settings::SECTION))));
        Ok(Used { file, variables, used })
    }
}

impl Looked {
    /// Whether it would be found again: the same uses of the same files.
    fn is_still(&self, version: &str, uses: &[TemplateUse]) -> bool {
        self.version == version && self.uses == uses
    }
}

fn is_of(used: &TemplateUse, at: &MessageTemplate, is_mail: bool) -> bool {
    match used {
        TemplateUse::Mail { template, .. } => is_mail && at.folder.is_none() && *template == at.name,
        TemplateUse::Message { template, .. } => !is_mail && template == at,
        TemplateUse::Files { .. } => false,
    }
}

/// Who mails are from: whom the mailer names.
fn sender(mailer: Option<&str>) -> Option<Sender> {
    let named = mailer.and_then(|mailer| match ses_sender(mailer) {
        Some(sender) => sender.ok().map(|(from, options)| (Some(from), options)),
        None => mailer.split_once('?').map(|(_, options)| (None, options)),
    });
    let (from, options) = named.unwrap_or_default();
    let option = |key: &str| {
        let values = options.split('&').filter_map(|option| option.split_once('='));
        values
            .filter(|(name, _)| *name == key)
            .filter_map(|(_, value)| value.parse::<Mailbox>().ok())
            .collect::<Vec<_>>()
    };
    // Somebody has to be it.
    let from =
        from.or_else(|| option("from").into_iter().next()).or_else(|| "Acme <hello@acme.example>".parse().ok())?;
    Some(Sender { from, reply_to: option("reply-to") })
}
