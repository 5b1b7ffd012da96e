//! A greeting to every new user.
//!
//! ```toml
//! [welcome-email]
//! from          = "Acme <hello@acme.example>"   # otherwise the mailer's sender
//! onboard-since = 2026-01-31                    # in a pool that had users before
//! ```
//!
//! The mail is made from the template `welcome-email`, in the language of the user. It is recorded in the ledger in the same
//! write that marks the user as greeted: once per user for ever, sent after the confirmation at once or by the courier later.
//! Who never passes the confirmation, because an administrator created the user or the ledger was down, is greeted at the
//! first completed sign-in.
//!
//! It goes to addresses the user has proven to own and to no others. A sign-up can be confirmed by telephone or by an
//! administrator while it names somebody else's address, and a form that mails to whom a stranger names is soon used to
//! annoy. Who has no such address yet is not marked, and greeted at the first sign-in with one.
//!
//! What it does not do: greet again after a change of the address, or ask whether a user wants mail.

use cognito_triggers::grants::{self, Grant};
use cognito_triggers::ledger::Mail;
use cognito_triggers::mailing::{self, Locale, Mailboxes, TemplateName};
use cognito_triggers::onboarding::{self, Newcomer, Onboarding, Onboards, Since};
use cognito_triggers::prelude::*;
use cognito_triggers::services::{TemplateUse, sample_contexts};
use cognito_triggers::{Attributes, EmailAddress, Mailbox, UserStatus};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WelcomeEmail {
    /// The template, named by its folder.
    #[serde(default = "TemplateName::of_rule::<WelcomeEmail>")]
    template: TemplateName,
    /// Who the mail is from. Left out, whom the mailer names.
    #[serde(default)]
    from: Option<Mailbox>,
    /// Where answers go, one mailbox or several. Left out, where the mailer says.
    #[serde(default)]
    reply_to: Mailboxes,
    /// The language of users whose own is not known, or not among those of the template.
    #[serde(default)]
    locale: Locale,
    /// Providers, by their names in the pool, whose users' addresses count as proven. Cognito itself marks the address of a
    /// federated user as not verified, unless the provider's word for it is mapped.
    #[serde(default)]
    trusted_providers: Vec<String>,
    /// Whether addresses are written to that nobody has proven to own. Anybody can then have this mail sent to anybody.
    #[serde(default)]
    unverified: bool,
    /// Whether users who were not heard of before are greeted at a sign-in. Costs one read of the ledger per sign-in.
    #[serde(default = "yes")]
    at_sign_in: bool,
    /// Greets at a sign-in only users created at this time or later: a date, in UTC, or a time with its offset. Left out,
    /// everybody who was not heard of before counts as new. Needs a directory.
    #[serde(default)]
    onboard_since: Option<Since>,
}

const fn yes() -> bool {
    true
}

impl Configured for WelcomeEmail {
    const SECTION: &'static str = "welcome-email";
    const ON_FAULT: OnFault = OnFault::Continue;
    const TRIGGERS: &'static [&'static str] = &[PostConfirmation::NAME, PostAuthentication::NAME];
    const GRANTS: &'static [Grant] = &[
        grants::READ,
        grants::WRITE,
        grants::SEND.inline(),
        grants::SEND_WITH_SET.inline(),
        grants::ACKNOWLEDGE.inline(),
        grants::SEND.by_courier(),
        grants::SEND_WITH_SET.by_courier(),
        grants::FIND_NEWCOMER,
    ];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        if let Some(index) = self.trusted_providers.iter().position(|name| name.trim().is_empty()) {
            return Err(ConfigError::new("this names no provider")
                .at(format!("trusted-providers[{index}]"))
                .remedy("write the provider's name in the pool, e.g. `Google`"));
        }
        chains.need(Need::Ledger).need(Need::Mailer);
        chains.uses(TemplateUse::Mail { template: self.template.to_string(), samples: sample_contexts() });
        let at_sign_in = self.at_sign_in;
        onboarding::attach(self, at_sign_in, chains)
    }
}

impl Onboards for WelcomeEmail {
    const KEY: &'static str = Self::SECTION;

    fn onboard_since(&self) -> Option<Timestamp> {
        self.onboard_since.map(|Since(time)| time)
    }

    fn onboard(&self, newcomer: &Newcomer<'_>) -> Result<Option<Onboarding>, Fault> {
        // No address, or none to be written to: nothing is staged, so that a later sign-in may bring one.
        let Some(address) = self.address(newcomer.attributes) else { return Ok(None) };
        let to = vec![mailing::named_mailbox(newcomer.attributes, &address)];
        let mail = Mail {
            from: self.from.clone(),
            reply_to: self.reply_to.to_vec(),
            locales: self.locale.after_own(newcomer.attributes),
            context: newcomer.context(),
            ..Mail::new(self.template.to_string(), to)
        };
        Ok(Some(Task::Mail(mail).into()))
    }
}

impl WelcomeEmail {
    /// The address, if it may be written to.
    fn address(&self, attributes: &Attributes) -> Option<EmailAddress> {
        let address = attributes.email()?.ok()?;
        let may =
            self.unverified || attributes.find("email_verified") == Some("true") || self.is_vouched_for(attributes);
        may.then_some(address)
    }

    /// Whether the address comes from providers that are trusted. "If an email attribute is mapped, the email_verified attribute
    /// changes to unverified by default" (AWS re:Post, "How do I troubleshoot issues with an Amazon Cognito user's
    /// email_verified attribute?").
    ///
    /// Only the address of a user who signs in nowhere else comes from there: one with a password in the pool may have put any
    /// address into the profile, and one with several providers may have it from each of them.
    fn is_vouched_for(&self, attributes: &Attributes) -> bool {
        let identities = attributes.identities();
        attributes.user_status() == Some(UserStatus::ExternalProvider)
            && !identities.is_empty()
            && identities.iter().all(|identity| self.trusted_providers.contains(&identity.provider_name))
    }
}

#[cfg(test)]
mod tests;
