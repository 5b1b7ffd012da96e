//! The words of the messages that Cognito sends, from templates: codes, invitations, second factors.
//!
//! ```toml
//! [templated-message]
//! name   = "Acme"               # what the sender is called
//! locale = "en"                 # of users whose own language is not known
//!
//! [templated-message.occasions]
//! authentication = false        # left to Cognito's own words; all others have a template that is built in
//!
//! [[templated-message.variants]]
//! template = "birthday"
//! occasion = "forgot-password"
//! birthday = true
//!
//! [[templated-message.variants]]
//! template     = "partners"
//! email-domain = ["partner.example", "*.partner.example"]
//! ```
//!
//! Cognito asks the trigger CustomMessage before it sends a mail or an SMS. [`Occasion`] says what for, and so which template; a
//! variant goes before it if all of its conditions hold, the first one of the table. [`compose`] fills the template in the user's
//! language and answers what Cognito takes.
//!
//! A message with a code matters more than how it looks. Where a variant fails, or Cognito would refuse what comes of it, the
//! usual template is taken, and where that fails too, the pool's own words. What went wrong is logged and counted; the user's
//! call never fails for it.
//!
//! What it does not do: see codes, links or passwords, which Cognito puts in afterwards; look at groups, which are not in this
//! event; look at `clientMetadata`, where any client may write anything. It needs no service.

use cognito_triggers::mailing::{Locale, context_of};
use cognito_triggers::message::{MessageTemplate, Occasion, Order, Placeholders, compose};
use cognito_triggers::prelude::*;
use cognito_triggers_moments::Zone;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

mod birthday;
mod domain;
mod occasions;
mod one_or_more;
mod uses;
mod variants;
mod wording;

#[cfg(test)]
mod tests;

use occasions::Occasions;
use variants::{Case, Variant};
use wording::Wording;

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TemplatedMessage {
    /// The folder of the templates, beside this file. Left out, that of the services.
    #[serde(default)]
    templates: Option<String>,
    /// What the sender is called in templates, `sender.name`: 1 to 60 characters. Left out, it is empty there.
    #[serde(default)]
    name: Option<String>,
    /// The language of users whose own is not known, or not among those of the template.
    #[serde(default)]
    locale: Locale,
    /// The time zone of users whose attribute `zoneinfo` names none, by its name in the tz database. Left out, UTC.
    #[serde(default)]
    zone: Option<Zone>,
    /// Whether mails get words. Cognito refuses words for a mail, and with them the user's call, unless the pool sends through SES
    /// (`EmailSendingAccount` is `DEVELOPER`): set it to false for a pool that sends with Cognito's own mail.
    #[serde(default = "yes")]
    email: bool,
    /// Whether SMS get words.
    #[serde(default = "yes")]
    sms: bool,
    /// Whether the pool has addresses confirmed at sign-up by a code or by a link, as it is set for the pool
    /// (`VerificationMessageTemplate`, `DefaultEmailOption`).
    #[serde(default)]
    verify_by: VerifyBy,
    /// The usual template of each occasion.
    #[serde(default)]
    occasions: Occasions,
    /// Templates that are taken instead if all of their conditions hold; of several the first.
    #[serde(default)]
    variants: Vec<Variant>,
}

/// What a user who signed up proves an address with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum VerifyBy {
    /// Types a code.
    #[default]
    Code,
    /// Follows a link.
    Link,
}

const fn yes() -> bool {
    true
}

/// The most characters of the sender's name: a subject has room for 140.
const LONGEST_NAME: usize = 60;

impl Configured for TemplatedMessage {
    const SECTION: &'static str = "templated-message";
    const ON_FAULT: OnFault = OnFault::Continue;
    const TRIGGERS: &'static [&'static str] = &[CustomMessage::NAME];

    fn attach(mut self, chains: &mut Chains) -> Result<(), ConfigError> {
        self.templates = self.templates.as_deref().map(folder).transpose()?;
        self.check()?;
        for used in self.uses() {
            chains.uses(used);
        }
        chains.attach(self).to::<CustomMessage>().done()
    }
}

impl Rule<CustomMessage> for TemplatedMessage {
    async fn apply(&self, event: &Event<CustomMessage>, visit: &mut Visit<CustomMessage>) -> Answer<CustomMessage> {
        let Some(occasion) = Occasion::of(&event.source) else { return Ok(Verdict::Continue) };
        let Some(usual) = self.occasions.template(occasion) else { return Ok(Verdict::Continue) };
        let zone = Zone::of_user(event.attribute("zoneinfo"), self.zone.as_ref());
        let case = self.case(event, occasion, zone.as_ref(), visit.now);
        let mut order = Order {
            occasion,
            placeholders: Placeholders::of(event),
            by_link: self.verify_by == VerifyBy::Link,
            email: self.email,
            sms: self.sms,
            locales: self.locale.after_own(event.attributes()),
            context: self.context(context_of(event), case.birthday, zone.as_ref()),
        };
        let mut wording = Wording::default();
        for name in self.variant(&case).into_iter().filter(|variant| *variant != usual).chain([usual]) {
            (order.email, order.sms) = (self.email && !wording.has_mail(), self.sms && !wording.has_sms());
            if order.email || order.sms {
                wording.take(name, compose(visit.templates.as_ref(), &self.template(name), &order));
            }
        }
        wording.give(visit, [self.email, self.sms])
    }
}

impl TemplatedMessage {
    fn check(&self) -> Result<(), ConfigError> {
        if !self.email && !self.sms {
            return Err(ConfigError::new("neither mails nor SMS are to get words")
                .at("sms")
                .remedy("set `email` or `sms` to true, or remove the table"));
        }
        if let Some(name) = &self.name {
            let is_plain = |it: char| !it.is_control() && !matches!(it, '{' | '}');
            let fits = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.trim().is_empty();
            if !fits || !name.chars().all(is_plain) {
                return Err(ConfigError::new("this cannot be the name of a sender")
                    .at("name")
                    .remedy(format!("write one of 1 to {LONGEST_NAME} characters on one line, without braces")));
            }
        }
        if Occasion::ALL.into_iter().all(|occasion| self.occasions.template(occasion).is_none()) {
            return Err(ConfigError::new("every occasion is left to Cognito's own words")
                .at("occasions")
                .remedy("name a template for one of them, or remove the table `[templated-message]`"));
        }
        variants::check(&self.variants)
    }

    fn case<'a>(
        &'a self,
        event: &'a Event<CustomMessage>,
        occasion: Occasion,
        zone: Option<&Zone>,
        now: Timestamp,
    ) -> Case<'a> {
        let attributes = event.attributes();
        let today = zone.map_or_else(|| Zone::utc().date_at(now), |zone| zone.date_at(now));
        Case {
            occasion,
            attributes,
            client: event.caller.client_id.as_deref(),
            locale: Locale::of_user(attributes).unwrap_or_else(|| self.locale.clone()),
            birthday: attributes.birthdate().is_some_and(|born| birthday::is_celebrated(born, today)),
        }
    }

    /// The template that is taken instead of the usual one.
    fn variant(&self, case: &Case<'_>) -> Option<&str> {
        self.variants.iter().find(|variant| variant.fits(case)).map(|variant| variant.template.as_str())
    }

    fn template(&self, name: &str) -> MessageTemplate {
        MessageTemplate { folder: self.templates.clone(), name: name.to_owned() }
    }

    /// What templates are filled with, beside what Cognito replaces.
    fn context(&self, mut context: Map<String, Value>, birthday: bool, zone: Option<&Zone>) -> Map<String, Value> {
        // From which address Cognito sends is a setting of the pool, which is not in the event.
        let sender = json!({ "name": self.name.as_deref().unwrap_or_default(), "address": "" });
        context.insert("sender".to_owned(), sender);
        context.insert("birthday".to_owned(), birthday.into());
        context.insert("zone".to_owned(), zone.map(ToString::to_string).unwrap_or_default().into());
        context
    }
}

/// A folder below that of the configuration, without its closing `/`.
fn folder(text: &str) -> Result<String, ConfigError> {
    let folder = text.strip_suffix('/').unwrap_or(text);
    let leads_elsewhere = |step: &str| matches!(step.trim(), "" | "." | "..");
    if folder.split('/').any(leads_elsewhere) || folder.contains(['\\', ':']) || folder.contains(char::is_control) {
        return Err(ConfigError::new("this is not a folder beside the configuration")
            .at("templates")
            .remedy("write it as `messages/`, with neither `.` nor `..` and nothing before it"));
    }
    Ok(folder.to_owned())
}
