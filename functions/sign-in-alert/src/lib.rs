//! A mail that somebody signed in.
//!
//! ```toml
//! [sign-in-alert]
//! when             = "new-device"   # or "always", "after-absence"
//! not-me-link-days = 7              # with a link "this was not me"
//! clients          = { "1example23456789" = "Acme for iPhone" }
//! ```
//!
//! The mail says when that was, in the user's zone, at which application, and from which address and browser, where the
//! application passes them along signed ([`ClientContext`]). It is recorded in the same write as the sign-in, so that one that
//! another rule refuses leaves none, and sent by the courier.
//!
//! It goes to addresses the user has proven to own. Cognito tells of no sign-in by an id, and may call again for the same one:
//! two within half a minute are told as one.
//!
//! What it does not do: tell of the first sign-in through another provider (that is a confirmation, "PostAuthentication is not
//! fired on first federated sign-in"), of renewed tokens, or of attempts that failed.

use std::collections::{BTreeMap, BTreeSet};

use cognito_triggers::ClientContext;
use cognito_triggers::Mailbox;
use cognito_triggers::config::{check_clients, within};
use cognito_triggers::grants::{self, Grant};
use cognito_triggers::ledger::Mail;
use cognito_triggers::links::{LinkPurpose, LinkWish};
use cognito_triggers::mailing::{Locale, Mailboxes, TemplateName, context_of, verified_mailbox};
use cognito_triggers::prelude::*;
use cognito_triggers::services::{TemplateUse, sample_contexts};
use cognito_triggers_moments::Zone;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignInAlert {
    /// Which sign-ins are told.
    #[serde(default)]
    when: When,
    /// How many days without a sign-in are an absence, 1 to 3650. Only for `when = "after-absence"`.
    #[serde(default)]
    absent_days: Option<u16>,
    /// After a mail no other is sent for so many hours, at most 8760. With 0 every sign-in is told, but for two within 30
    /// seconds, which look like one.
    #[serde(default)]
    at_most_once_per_hours: u16,
    /// What app clients are called, by their ids.
    #[serde(default)]
    clients: BTreeMap<String, String>,
    /// App clients, by their ids, where sign-ins are not told.
    #[serde(default)]
    exempt_clients: BTreeSet<String>,
    /// For how many days the link "this was not me" works, 1 to 90. Left out, the mail has none. Needs `links` under
    /// `[services]`, the function `links`, and the root key.
    #[serde(default)]
    not_me_link_days: Option<u16>,
    /// The template, named by its folder.
    #[serde(default = "TemplateName::of_rule::<SignInAlert>")]
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
    /// The time zone of users whose own is not known, e.g. `Europe/Vienna`. Left out, UTC.
    #[serde(default)]
    zone: Option<Zone>,
}

/// Which sign-ins are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum When {
    /// All.
    #[default]
    Always,
    /// Those from a device the pool does not know. Only for pools that remember devices ("Always" or "User opt-in").
    NewDevice,
    /// Those after an absence.
    AfterAbsence,
}

/// How many days are an absence unless the settings say otherwise.
const ABSENT_DAYS: u16 = 30;

/// Within this time a sign-in looks like a call that Cognito repeats for the one before.
const REPEATED: SignedDuration = SignedDuration::from_secs(30);

impl Configured for SignInAlert {
    const SECTION: &'static str = "sign-in-alert";
    const ON_FAULT: OnFault = OnFault::Continue;
    const TRIGGERS: &'static [&'static str] = &[PostAuthentication::NAME];
    const GRANTS: &'static [Grant] =
        &[grants::READ, grants::WRITE, grants::SEND.by_courier(), grants::SEND_WITH_SET.by_courier()];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        self.check()?;
        chains.need(Need::Ledger).need(Need::Mailer);
        if self.not_me_link_days.is_some() {
            chains.need(Need::Links).need(Need::Key);
        }
        chains.uses(TemplateUse::Mail { template: self.template.to_string(), samples: self.samples() });
        chains.attach(self).to::<PostAuthentication>().done()
    }
}

impl Rule<PostAuthentication> for SignInAlert {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        visit: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        if event.sub().is_none() || !self.is_to_be_told(event, visit).await? {
            return Ok(Verdict::Continue);
        }
        let client = event.caller.client_id.as_deref().unwrap_or_default();
        if self.exempt_clients.contains(client) {
            return Ok(Verdict::Continue);
        }
        // No address, or none to be written to: nothing is marked, so that the next sign-in is told as soon as there is one.
        let Some(to) = verified_mailbox(event.attributes()) else { return Ok(Verdict::Continue) };
        let span = SignedDuration::from_hours(self.at_most_once_per_hours.into()).max(REPEATED);
        let mail = self.mail(to, event, visit);
        visit.deliveries.stage(Self::SECTION, Task::Mail(mail)).again_after(span);
        Ok(Verdict::Continue)
    }
}

impl SignInAlert {
    fn check(&self) -> Result<(), ConfigError> {
        self.absent_days.map_or(Ok(()), |days| within("absent-days", days, 1..=3650))?;
        within("at-most-once-per-hours", self.at_most_once_per_hours, 0..=8760)?;
        self.not_me_link_days.map_or(Ok(()), |days| within("not-me-link-days", days, 1..=90))?;
        if self.absent_days.is_some() && self.when != When::AfterAbsence {
            return Err(ConfigError::new("this has no effect, since nothing asks for an absence")
                .at("absent-days")
                .remedy("remove it, or write `when = \"after-absence\"`"));
        }
        check_clients("clients", self.clients.keys())?;
        check_clients("exempt-clients", &self.exempt_clients)
    }

    /// Whether this sign-in is one of those the settings want told. Notes it where that has to be known the next time.
    async fn is_to_be_told(
        &self,
        event: &Event<PostAuthentication>,
        visit: &mut Visit<PostAuthentication>,
    ) -> Result<bool, Fault> {
        match self.when {
            When::Always => Ok(true),
            // "newDeviceUsed only set if remembered devices = Always / User Opt-In": without it no device is new.
            When::NewDevice => Ok(event.request.new_device_used == Some(true)),
            When::AfterAbsence => {
                let now = visit.now;
                visit.ledger.member().await?.signed_in(now);
                let last = visit.ledger.last_sign_in().await?;
                let days = self.absent_days.unwrap_or(ABSENT_DAYS);
                let absent = SignedDuration::from_hours(24 * i64::from(days));
                // Who was never seen was not absent as far as anybody knows.
                Ok(last.is_some_and(|last| now.duration_since(last) >= absent))
            }
        }
    }

    fn mail(&self, to: Mailbox, event: &Event<PostAuthentication>, visit: &Visit<PostAuthentication>) -> Mail {
        Mail {
            from: self.from.clone(),
            reply_to: self.reply_to.to_vec(),
            locales: self.locale.after_own(event.attributes()),
            context: self.context(event, visit),
            links: self.links(),
            ..Mail::new(self.template.to_string(), vec![to])
        }
    }

    fn links(&self) -> BTreeMap<String, LinkWish> {
        let mut links = BTreeMap::new();
        if let Some(days) = self.not_me_link_days {
            links.insert("not_me".to_owned(), LinkWish { purpose: LinkPurpose::NotMe, about: String::new(), days });
        }
        links
    }

    fn context(&self, event: &Event<PostAuthentication>, visit: &Visit<PostAuthentication>) -> Map<String, Value> {
        let client = event.caller.client_id.as_deref().unwrap_or_default();
        let client_name = self.clients.get(client).map_or("", String::as_str);
        let zone = Zone::of_user(event.attribute("zoneinfo"), self.zone.as_ref());
        let from = ClientContext::of(event, &visit.keys, visit.now);
        let (ip, user_agent) = from.map_or_else(Default::default, |from| (from.ip.to_string(), from.user_agent));
        let told = Told {
            client_name,
            at: &visit.now.to_string(),
            zone: &zone.map_or_else(String::new, |zone| zone.to_string()),
            new_device: event.request.new_device_used == Some(true),
            ip: &ip,
            user_agent: &user_agent,
        };
        told.beside(context_of(event))
    }

    /// What the template is tried with: a sign-in of which everything is known, and one of which nothing is.
    fn samples(&self) -> Vec<Map<String, Value>> {
        let unknown = Told { at: "2026-01-01T12:00:00Z", ..Told::default() };
        let known = Told {
            client_name: "Acme <b>",
            zone: "Europe/Vienna",
            new_device: true,
            ip: "203.0.113.7",
            user_agent: "Mozilla/5.0 <b>",
            ..unknown
        };
        let mut links = Map::new();
        links.insert("not_me".into(), "https://links.acme.example/?t=1.2".into());
        let mut samples = Vec::new();
        for context in sample_contexts() {
            for told in [known, unknown] {
                let mut sample = told.beside(context.clone());
                if self.not_me_link_days.is_some() {
                    sample.insert("links".into(), links.clone().into());
                }
                samples.push(sample);
            }
        }
        samples
    }
}

/// What templates are told of a sign-in.
#[derive(Clone, Copy, Default)]
struct Told<'a> {
    client_name: &'a str,
    at: &'a str,
    zone: &'a str,
    new_device: bool,
    ip: &'a str,
    user_agent: &'a str,
}

impl Told<'_> {
    /// This beside what they are told of the user.
    fn beside(self, mut context: Map<String, Value>) -> Map<String, Value> {
        let Self { client_name, at, zone, new_device, ip, user_agent } = self;
        let texts = [("client_name", client_name), ("at", at), ("zone", zone), ("ip", ip), ("user_agent", user_agent)];
        context.extend(texts.map(|(name, text)| (name.to_owned(), text.into())));
        context.insert("new_device".to_owned(), new_device.into());
        context
    }
}

#[cfg(test)]
mod tests;
