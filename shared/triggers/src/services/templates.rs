//! What mails and files are made from.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::config::ConfigError;
use crate::ledger::{DeliveryId, Mail};
use crate::message::{MessageTemplate, Order, Words};
use crate::services::{Message, Object, Sender};
use crate::{Fault, FaultKind};

/// Templates and what is made of them.
///
/// Each is read when it is first used, and refused as a whole if any of its files is wrong.
pub trait Templates: Send + Sync + 'static {
    /// Writes a mail, dated `now`. `entries` are the contexts of all mails it stands for: one, unless it is a digest.
    ///
    /// # Errors
    ///
    /// If there is no such template, or it asks for something it is not given.
    fn mail(
        &self,
        id: &DeliveryId,
        mail: &Mail,
        entries: &[Map<String, Value>],
        sender: &Sender,
        now: Timestamp,
    ) -> Result<Message, Fault>;

    /// The files of a folder with what they are filled with: name below the folder, and content.
    ///
    /// # Errors
    ///
    /// If there is no such folder, or a file asks for something it is not given.
    fn files(&self, folder: &str, context: &Map<String, Value>) -> Result<Vec<(String, Object)>, Fault>;

    /// Fills the template of a message. The context holds `code`, `username`, `link` and `occasion` besides what the rule knows,
    /// and an empty `user` if there is none.
    ///
    /// # Errors
    ///
    /// If there is no such template, or it asks for something it is not given; without one of its own, always.
    fn message(
        &self,
        template: &MessageTemplate,
        locales: &[String],
        context: &Map<String, Value>,
    ) -> Result<Words, Fault> {
        let _ = (locales, context);
        let problem = format!("the template `{}` is not there: these templates are not for messages", template.name);
        Err(Fault::of(FaultKind::Configuration, problem))
    }

    /// The languages of a template, whatever it is for.
    ///
    /// # Errors
    ///
    /// If there is no such template, or it cannot be read; without an implementation of its own, always.
    fn languages(&self, template: &MessageTemplate) -> Result<Vec<String>, Fault> {
        let problem = format!("the languages of the template `{}` are not known", template.name);
        Err(Fault::of(FaultKind::Configuration, problem))
    }

    /// Fills everything that is used with samples, to find what is wrong before a user waits for it.
    fn check(&self, used: &TemplateUse) -> Vec<ConfigError>;
}

/// What a rule uses, so that it can be checked before the first user comes.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplateUse {
    /// A mail.
    Mail {
        /// The folder of the template.
        template: String,
        /// What it may be filled with.
        samples: Vec<Map<String, Value>>,
    },
    /// A message that Cognito sends.
    Message {
        /// The template.
        template: MessageTemplate,
        /// What it may be asked for. Every language is tried with each, whatever it wants.
        orders: Vec<Order>,
    },
    /// A folder of files.
    Files {
        /// The folder.
        folder: String,
        /// What they may be filled with.
        samples: Vec<Map<String, Value>>,
    },
}

/// Contexts to try templates with: users who told nothing, users who told everything, and users who mean harm.
#[must_use]
pub fn sample_contexts() -> Vec<Map<String, Value>> {
    let context = |told: &[(&str, &str)]| {
        let mut user = Map::new();
        user.extend(told.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
        let mut context = Map::new();
        context.insert("user".into(), user.into());
        context.insert("pool".into(), "eu-central-1_Example01".into());
        context.insert("client".into(), "1example23456789".into());
        context
    };
    let sub = "11111111-2222-4333-8444-555555555555";
    let hostile = "<script>alert(1)</script>{{ user }}{% raw %}\r\nBcc: x@evil.example\u{202e}\u{0}";
    let endless = "x".repeat(2048);
    vec![
        context(&[("sub", sub)]),
        context(&[
            ("sub", sub),
            ("email", "anna@example.com"),
            ("email_verified", "true"),
            ("name", "Anna Example"),
            ("given_name", "Anna"),
            ("family_name", "Example"),
            ("nickname", "anna"),
            ("preferred_username", "anna"),
            ("locale", "de-AT"),
            ("zoneinfo", "Europe/Vienna"),
            ("birthdate", "1990-02-28"),
            ("phone_number", "+4912345"),
            ("custom:plan", "pro"),
        ]),
        context(&[
            ("sub", sub),
            ("email", "anna@xn--bcher-kva.example"),
            ("name", "الاسم الكامل"),
            ("given_name", hostile),
            ("family_name", &endless),
            ("nickname", "🧑‍🚀"),
            ("locale", hostile),
            ("custom:plan", hostile),
        ]),
    ]
}
