//! Mails, messages and files made from templates.
//!
//! A template is a folder `templates/<name>/` with one file per language and part: `en.subject`, `en.html`, `en.txt`, `en.sms`,
//! `de-AT.html`; or with parts for every language, `each.html`, and the words of each, `en.toml`. It is written for [MiniJinja](https://docs.rs/minijinja). What users are called and whatever else they chose
//! is escaped in HTML, cannot stand in a header other than as text, and cannot add a recipient. `docs/templates.md` is the page
//! for those who write templates.
//!
//! Nothing is read before the first use. Then all languages of a template are compiled and filled with samples, among them
//! users who told nothing and users who mean harm; if one file is wrong, the template is refused as a whole, with file, line
//! and what to mend. A mail in a language nobody tested is no longer a surprise then. Messages that are built in are tried by the
//! tests, and only the language that is asked for is compiled: a user waits for them while a function starts.
//!
//! ```
//! use cognito_triggers::Mailbox;
//! use cognito_triggers::ledger::{DeliveryId, Mail};
//! use cognito_triggers::services::Sender;
//! use serde_json::json;
//!
//! let folder = tempfile::tempdir()?;
//! let hello = folder.path().join("templates/hello");
//! std::fs::create_dir_all(&hello)?;
//! std::fs::write(hello.join("en.subject"), "Hello {{ name or 'there' }}")?;
//! std::fs::write(hello.join("en.html"), "<p>Your plan is {{ user.custom.plan or 'free' }}.</p>")?;
//!
//! let templates = cognito_triggers_templates::open(folder.path(), &folder.path().join("templates"));
//! let id = DeliveryId { pool: "eu-central-1_Example01".into(), sub: "1111".into(), key: "welcome-email/x".into() };
//! let mail = Mail {
//!     locales: vec!["de".into()],
//!     context: json!({ "user": { "given_name": "Anna" } }).as_object().cloned().unwrap_or_default(),
//!     ..Mail::new("hello", vec!["anna@example.com".parse()?])
//! };
//! let sender = Sender { from: "Acme <hello@acme.example>".parse::<Mailbox>()?, reply_to: Vec::new() };
//! let message = templates.mail(&id, &mail, std::slice::from_ref(&mail.context), &sender, jiff::Timestamp::UNIX_EPOCH)?;
//! let text = String::from_utf8(message.raw)?;
//! assert!(text.contains("Subject: Hello Anna\r\n"));
//! assert!(text.contains("<p>Your plan is free.</p>"));
//! # Ok::<(), cognito_triggers::Fault>(())
//! ```

mod browser;
mod builtin;
mod context;
mod engine;
mod examination;
mod files;
mod filling;
mod folders;
mod glossary;
mod isolation;
mod language;
mod locale;
mod mail;
mod moments;
mod proof;
mod reading;
mod template;
mod text;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cognito_triggers::config::ConfigError;
use cognito_triggers::ledger::{DeliveryId, Mail};
use cognito_triggers::message::{MessageTemplate, Order, Words};
use cognito_triggers::services::{Message, Object, Sender, TemplateUse, sample_contexts};
use cognito_triggers::{Fault, FaultKind, Templates};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::context::Scope;
use crate::files::FileSet;
use crate::template::Template;

#[cfg(any(test, feature = "starters"))]
pub use crate::builtin::{starter, starters};

/// Templates in this folder, and folders of files below `base`. Nothing is read yet, and neither need exist: the templates of
/// the rules that send mails are built in, and a folder of the same name takes the place of one.
#[must_use]
pub fn open(base: &Path, templates: &Path) -> Arc<dyn Templates> {
    let messages = Messages::new(base, templates);
    Arc::new(Library { messages, mails: Cache::default(), sets: Cache::default() })
}

/// The same for a function that fills messages and nothing else: what writes mails and files is not linked to it.
#[must_use]
pub fn open_for_messages(base: &Path, templates: &Path) -> Arc<dyn Templates> {
    Arc::new(Messages::new(base, templates))
}

struct Library {
    messages: Messages,
    mails: Cache<Template>,
    sets: Cache<FileSet>,
}

/// Templates of messages.
struct Messages {
    base: PathBuf,
    folder: PathBuf,
    known: Cache<Template>,
}

impl Templates for Library {
    fn mail(
        &self,
        id: &DeliveryId,
        mail: &Mail,
        entries: &[Map<String, Value>],
        sender: &Sender,
        now: Timestamp,
    ) -> Result<Message, Fault> {
        let entries = if entries.is_empty() { std::slice::from_ref(&mail.context) } else { entries };
        let name = &mail.template;
        let template = self.mails.find_or(name, || self.template(name, &samples_like(entries.first())));
        let template = template.map_err(|errors| engine::refused("template", name, &errors))?;
        let from = mail.from.as_ref().unwrap_or(&sender.from);
        let letter = template.fill(&mail.locales, entries, from)?;
        let unsubscribe = mail.unsubscribe.as_deref().map(|name| mail::unsubscribe(name, entries)).transpose()?;
        mail::write(id, mail, &letter, unsubscribe, sender, now)
    }

    fn files(&self, folder: &str, context: &Map<String, Value>) -> Result<Vec<(String, Object)>, Fault> {
        let set = self.sets.find_or(folder, || self.file_set(folder, &samples_like(Some(context))));
        set.map_err(|errors| engine::refused("folder", folder, &errors))?.fill(context)
    }

    fn message(
        &self,
        template: &MessageTemplate,
        locales: &[String],
        context: &Map<String, Value>,
    ) -> Result<Words, Fault> {
        self.messages.message(template, locales, context)
    }

    fn languages(&self, template: &MessageTemplate) -> Result<Vec<String>, Fault> {
        self.messages.languages(template)
    }

    fn check(&self, used: &TemplateUse) -> Vec<ConfigError> {
        let errors = match used {
            // What is built in is tried by the tests; a start must not pay for that.
            TemplateUse::Mail { template, .. } if is_built_in(&self.messages.folder, template) => Vec::new(),
            TemplateUse::Mail { template, samples } => {
                self.mails.checked(template, || self.template(template, samples), |it| it.prove(samples))
            }
            TemplateUse::Message { .. } => return self.messages.check(used),
            TemplateUse::Files { folder, samples } => {
                self.sets.checked(folder, || self.file_set(folder, samples), |it| it.prove(samples))
            }
        };
        engine::each_once(errors)
    }
}

impl Library {
    /// Reads a template and fills it with samples.
    fn template(&self, name: &str, samples: &[Map<String, Value>]) -> Result<Arc<Template>, Vec<ConfigError>> {
        let template = Template::load(&self.messages.folder, name, Scope::Mail)?;
        none(template.prove(samples)).map(|()| Arc::new(template))
    }

    /// Reads a folder of files and fills it with samples.
    fn file_set(&self, folder: &str, samples: &[Map<String, Value>]) -> Result<Arc<FileSet>, Vec<ConfigError>> {
        let set = FileSet::load(&self.messages.base, folder)?;
        none(set.prove(samples)).map(|()| Arc::new(set))
    }
}

impl Templates for Messages {
    fn mail(
        &self,
        _: &DeliveryId,
        mail: &Mail,
        _: &[Map<String, Value>],
        _: &Sender,
        _: Timestamp,
    ) -> Result<Message, Fault> {
        Err(Fault::of(FaultKind::Configuration, only_messages("template", &mail.template)))
    }

    fn files(&self, folder: &str, _: &Map<String, Value>) -> Result<Vec<(String, Object)>, Fault> {
        Err(Fault::of(FaultKind::Configuration, only_messages("folder", folder)))
    }

    fn message(
        &self,
        template: &MessageTemplate,
        locales: &[String],
        context: &Map<String, Value>,
    ) -> Result<Words, Fault> {
        let found = self.known.find_or(&key(template), || self.of_use(template, context));
        found.map_err(|errors| engine::refused("template", &template.name, &errors))?.message(locales, context)
    }

    fn languages(&self, template: &MessageTemplate) -> Result<Vec<String>, Fault> {
        let found = match self.known.find(&key(template)) {
            Some(known) => Ok(known),
            // A mail is as good: it has all that a message must have.
            None => self.template(template),
        };
        Ok(found.map_err(|errors| engine::refused("template", &template.name, &errors))?.languages())
    }

    fn check(&self, used: &TemplateUse) -> Vec<ConfigError> {
        let (template, orders) = match used {
            TemplateUse::Message { template, orders } => (template, orders),
            TemplateUse::Mail { template, .. } => return vec![ConfigError::new(only_messages("template", template))],
            TemplateUse::Files { folder, .. } => return vec![ConfigError::new(only_messages("folder", folder))],
        };
        let errors = match self.folder_of(template) {
            Err(error) => vec![error],
            Ok(folder) if is_built_in(&folder, &template.name) => {
                // Whether it can stand for something else is asked of whoever wants it to.
                let strange = |order: &&Order| !builtin::is_for(&template.name, order.occasion);
                let strange: Vec<_> = orders.iter().filter(strange).cloned().collect();
                if strange.is_empty() {
                    return Vec::new();
                }
                self.template(template).map_or_else(|errors| errors, |it| proof::of(&it, &strange))
            }
            Ok(_) => self.known.checked(
                &key(template),
                || {
                    let loaded = self.template(template)?;
                    none(proof::of(&loaded, orders)).map(|()| loaded)
                },
                |it| proof::of(it, orders),
            ),
        };
        engine::each_once(errors)
    }
}

impl Messages {
    fn new(base: &Path, templates: &Path) -> Self {
        Self { base: base.to_owned(), folder: templates.to_owned(), known: Cache::default() }
    }

    /// Reads a template.
    fn template(&self, template: &MessageTemplate) -> Result<Arc<Template>, Vec<ConfigError>> {
        let folder = self.folder_of(template).map_err(|error| vec![error])?;
        Template::load(&folder, &template.name, Scope::Message).map(Arc::new)
    }

    /// The same at its first use: unless it is built in, it is tried like this.
    fn of_use(
        &self,
        template: &MessageTemplate,
        context: &Map<String, Value>,
    ) -> Result<Arc<Template>, Vec<ConfigError>> {
        let loaded = self.template(template)?;
        if loaded.is_built_in() {
            return Ok(loaded);
        }
        none(proof::of_use(&loaded, context)).map(|()| loaded)
    }

    /// The folder a template is in.
    fn folder_of(&self, template: &MessageTemplate) -> Result<PathBuf, ConfigError> {
        let Some(folder) = &template.folder else { return Ok(self.folder.clone()) };
        // What has a place of its own is about that, anything else about the key.
        let keyed = |error: ConfigError| if error.place().is_none() { error.at("templates") } else { error };
        folders::below(&self.base, folder, "templates/").map_err(keyed)?;
        Ok(self.base.join(folder))
    }
}

/// What is asked of a function that has none of it.
fn only_messages(what: &str, name: &str) -> String {
    format!("the {what} `{name}` is not there: this function fills messages and nothing else")
}

/// Whether a name stands for what is built in: nobody has put a folder of that name in its place.
fn is_built_in(folder: &Path, name: &str) -> bool {
    builtin::find(name).is_some() && !folder.join(name).exists()
}

/// What the template of a message is kept under.
fn key(template: &MessageTemplate) -> String {
    match &template.folder {
        Some(folder) => format!("{folder}/\0{}", template.name),
        None => template.name.clone(),
    }
}

fn none(errors: Vec<ConfigError>) -> Result<(), Vec<ConfigError>> {
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The samples, each with what this context has beside its user: the values of the rule.
fn samples_like(context: Option<&Map<String, Value>>) -> Vec<Map<String, Value>> {
    let own = context.into_iter().flatten();
    let mut samples = sample_contexts();
    for (name, value) in own {
        for sample in &mut samples {
            if !sample.contains_key(name) {
                sample.insert(name.clone(), value.clone());
            }
        }
    }
    samples
}

/// What was read and found right, for ever. What was wrong is read again: somebody may have mended it.
struct Cache<T>(Mutex<BTreeMap<String, Arc<T>>>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Cache<T> {
    fn find(&self, name: &str) -> Option<Arc<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn find_or(
        &self,
        name: &str,
        load: impl FnOnce() -> Result<Arc<T>, Vec<ConfigError>>,
    ) -> Result<Arc<T>, Vec<ConfigError>> {
        if let Some(known) = self.find(name) {
            return Ok(known);
        }
        // Not under the lock: reading may take a while, and reading twice does no harm.
        let loaded = load()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::clone(&loaded));
        Ok(loaded)
    }

    /// What is wrong: with what is read now, or, if it was found right before, with these samples.
    fn checked(
        &self,
        name: &str,
        load: impl FnOnce() -> Result<Arc<T>, Vec<ConfigError>>,
        prove: impl FnOnce(&Arc<T>) -> Vec<ConfigError>,
    ) -> Vec<ConfigError> {
        match self.find(name) {
            Some(known) => prove(&known),
            None => self.find_or(name, load).err().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
