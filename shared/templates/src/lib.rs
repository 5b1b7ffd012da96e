//! Mails and files made from templates.
//!
//! A template is a folder `templates/<name>/` with one file per language and part: `en.subject`, `en.html`, `en.txt`,
//! `de-AT.html`. It is written for [MiniJinja](https://docs.rs/minijinja). What users are called and whatever else they chose
//! is escaped in HTML, cannot stand in a header other than as text, and cannot add a recipient. `docs/templates.md` is the page
//! for those who write templates.
//!
//! Nothing is read before the first use. Then all languages of a template are compiled and filled with samples, among them
//! users who told nothing and users who mean harm; if one file is wrong, the template is refused as a whole, with file, line
//! and what to mend. A mail in a language nobody tested is no longer a surprise then.
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
mod files;
mod locale;
mod mail;
mod moments;
mod template;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cognito_triggers::config::ConfigError;
use cognito_triggers::ledger::{DeliveryId, Mail};
use cognito_triggers::services::{Message, Object, Sender, TemplateUse, sample_contexts};
use cognito_triggers::{Fault, Templates};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::files::FileSet;
use crate::template::Template;

/// Templates in this folder, and folders of files below `base`. Nothing is read yet, and neither need exist: the templates of
/// the rules that send mails are built in, and a folder of the same name takes the place of one.
#[must_use]
pub fn open(base: &Path, templates: &Path) -> Arc<dyn Templates> {
    Arc::new(Library {
        base: base.to_owned(),
        folder: templates.to_owned(),
        mails: Cache::default(),
        sets: Cache::default(),
    })
}

struct Library {
    base: PathBuf,
    folder: PathBuf,
    mails: Cache<Template>,
    sets: Cache<FileSet>,
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

    fn check(&self, used: &TemplateUse) -> Vec<ConfigError> {
        let errors = match used {
            // What is built in was tried when it was built; a start must not pay for that.
            TemplateUse::Mail { template, .. }
                if builtin::find(template).is_some() && !self.folder.join(template).exists() =>
            {
                Vec::new()
            }
            TemplateUse::Mail { template, samples } => {
                self.mails.checked(template, || self.template(template, samples), |it| it.prove(samples))
            }
            TemplateUse::Files { folder, samples } => {
                self.sets.checked(folder, || self.file_set(folder, samples), |it| it.prove(samples))
            }
        };
        engine::each_once(errors)
    }
}

impl Library {
    /// Reads a template and fills it with samples.
    fn template(&self, name: &str, samples: &[Map<String, Value>]) -> Result<Template, Vec<ConfigError>> {
        let template = Template::load(&self.folder, name)?;
        none(template.prove(samples)).map(|()| template)
    }

    /// Reads a folder of files and fills it with samples.
    fn file_set(&self, folder: &str, samples: &[Map<String, Value>]) -> Result<FileSet, Vec<ConfigError>> {
        let set = FileSet::load(&self.base, folder)?;
        none(set.prove(samples)).map(|()| set)
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
        load: impl FnOnce() -> Result<T, Vec<ConfigError>>,
    ) -> Result<Arc<T>, Vec<ConfigError>> {
        if let Some(known) = self.find(name) {
            return Ok(known);
        }
        // Not under the lock: reading may take a while, and reading twice does no harm.
        let loaded = Arc::new(load()?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::clone(&loaded));
        Ok(loaded)
    }

    /// What is wrong: with what is read now, or, if it was found right before, with these samples.
    fn checked(
        &self,
        name: &str,
        load: impl FnOnce() -> Result<T, Vec<ConfigError>>,
        prove: impl FnOnce(&T) -> Vec<ConfigError>,
    ) -> Vec<ConfigError> {
        match self.find(name) {
            Some(known) => prove(&known),
            None => self.find_or(name, load).err().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
