//! A mail to the administrators for every new user: at once, or collected into one mail per hour or day.
//!
//! ```toml
//! [admin-notice]
//! to     = ["ops@acme.example"]
//! digest = "day"                  # or "hour", or "off" for a mail per user
//! ```
//!
//! A notice is recorded in the ledger in the same write that marks the user as announced: once per user for ever. Those of a
//! digest lie there until its hour or day is over; then the courier makes one mail of them. Who never passes the
//! confirmation, because an administrator created the user or the ledger was down, is announced at the first completed
//! sign-in.
//!
//! The notice has the user's attributes, all that the template may ask for, so they are in the ledger until it is sent, and
//! what the template shows is in the mailboxes it goes to. The template that is built in shows name, address, user name, pool
//! and time.
//!
//! What it does not do: count users who sign up and are never confirmed, or judge whom it announces. Names are what somebody
//! typed; the template escapes them.

use cognito_triggers::Mailbox;
use cognito_triggers::grants::{self, Grant, When};
use cognito_triggers::ledger::Mail;
use cognito_triggers::mailing::{Locale, Mailboxes, TemplateName};
use cognito_triggers::onboarding::{self, Met, Newcomer, Onboarding, Onboards, Since};
use cognito_triggers::prelude::*;
use cognito_triggers::services::{TemplateUse, sample_contexts};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdminNotice {
    /// Who is told, one mailbox or up to 50. Everybody sees who else is.
    to: Mailboxes,
    /// Whether users are announced one by one or together.
    #[serde(default)]
    digest: Digest,
    /// The template, named by its folder.
    #[serde(default = "TemplateName::of_rule::<AdminNotice>")]
    template: TemplateName,
    /// Who the mail is from. Left out, whom the mailer names.
    #[serde(default)]
    from: Option<Mailbox>,
    /// Where answers go, one mailbox or several. Left out, where the mailer says.
    #[serde(default)]
    reply_to: Mailboxes,
    /// The language of the mail. The language of the user makes no difference.
    #[serde(default)]
    locale: Locale,
    /// Whether users who were not heard of before are announced at a sign-in. Costs one read of the ledger per sign-in.
    #[serde(default = "yes")]
    at_sign_in: bool,
    /// Announces at a sign-in only users created at this time or later: a date, in UTC, or a time with its offset. Left out,
    /// everybody who was not heard of before counts as new. Needs a directory.
    #[serde(default)]
    onboard_since: Option<Since>,
}

/// Whether users are announced one by one or together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Digest {
    /// One mail for each, at once.
    #[default]
    Off,
    /// One mail for all of an hour, when it is over.
    Hour,
    /// One mail for all of a day in UTC, when it is over.
    Day,
}

const fn yes() -> bool {
    true
}

/// How long after its hour or day a digest is sent: what was staged in the last instant is stored by then, on whichever clock.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// A digest is never sent within the event.
const AT_ONCE: &[When] = &[grants::INLINE, When::is("digest", "off").by_default()];

impl Configured for AdminNotice {
    const SECTION: &'static str = "admin-notice";
    const ON_FAULT: OnFault = OnFault::Continue;
    const TRIGGERS: &'static [&'static str] = &[PostConfirmation::NAME, PostAuthentication::NAME];
    const GRANTS: &'static [Grant] = &[
        grants::READ,
        grants::WRITE,
        grants::SEND.inline().when(AT_ONCE),
        grants::SEND_WITH_SET.inline().when(AT_ONCE),
        grants::ACKNOWLEDGE.inline().when(AT_ONCE),
        grants::SEND.by_courier(),
        grants::SEND_WITH_SET.by_courier(),
        grants::FIND_NEWCOMER,
    ];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        if self.to.is_empty() {
            return Err(ConfigError::new("the notice would go to nobody")
                .at("to")
                .remedy("name a mailbox, e.g. \"ops@acme.example\", or remove the table"));
        }
        chains.need(Need::Ledger).need(Need::Mailer);
        chains.uses(TemplateUse::Mail { template: self.template.to_string(), samples: samples() });
        let at_sign_in = self.at_sign_in;
        onboarding::attach(self, at_sign_in, chains)
    }
}

impl Onboards for AdminNotice {
    const KEY: &'static str = Self::SECTION;

    fn onboard_since(&self) -> Option<Timestamp> {
        self.onboard_since.map(|Since(time)| time)
    }

    fn onboard(&self, newcomer: &Newcomer<'_>) -> Result<Option<Onboarding>, Fault> {
        let (digest, due) = match self.digest.period(newcomer.now)? {
            Some(Period { name, end }) => (Some(name), Some(end.checked_add(MARGIN)?)),
            None => (None, None),
        };
        let mail = Mail {
            from: self.from.clone(),
            reply_to: self.reply_to.to_vec(),
            locales: vec![self.locale.to_string()],
            context: context(newcomer.context(), newcomer.user_name, newcomer.now, newcomer.met),
            digest,
            ..Mail::new(self.template.to_string(), self.to.to_vec())
        };
        Ok(Some(Onboarding { task: Task::Mail(mail), due }))
    }
}

/// An hour or a day, in UTC.
struct Period {
    name: String,
    end: Timestamp,
}

impl Digest {
    /// The one this instant is in.
    fn period(self, now: Timestamp) -> Result<Option<Period>, Fault> {
        let (seconds, format) = match self {
            Self::Off => return Ok(None),
            Self::Hour => (3_600, "hour/%Y-%m-%dT%H"),
            // A day of UTC is this long: it has no daylight saving time, and the clock no leap seconds.
            Self::Day => (86_400, "day/%Y-%m-%d"),
        };
        let begin = now.as_second().div_euclid(seconds).saturating_mul(seconds);
        let end = Timestamp::from_second(begin.saturating_add(seconds))?;
        Ok(Some(Period { name: now.strftime(format).to_string(), end }))
    }
}

/// What one entry of the notice is filled with: that of every newcomer, `user_name`, `at` (to the second, in UTC) and `met`, which
/// is `confirmed` or `signed-in`.
fn context(mut context: Map<String, Value>, user_name: &str, at: Timestamp, met: Met) -> Map<String, Value> {
    let met = match met {
        Met::Confirmed => "confirmed",
        Met::SignedIn => "signed-in",
    };
    context.insert("user_name".into(), user_name.into());
    context.insert("at".into(), at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
    context.insert("met".into(), met.into());
    context
}

/// What the template is tried with.
fn samples() -> Vec<Map<String, Value>> {
    let at = Timestamp::UNIX_EPOCH;
    let met = [Met::Confirmed, Met::SignedIn].into_iter().cycle();
    sample_contexts().into_iter().zip(met).map(|(sample, met)| context(sample, "<anna>\r\n{{ at }}", at, met)).collect()
}

#[cfg(test)]
mod tests;
