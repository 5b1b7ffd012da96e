//! Mails to users who were away for long, and to those who still are.
//!
//! ```toml
//! [win-back]
//! after-days = 60
//! from       = "Acme <hello@acme.example>"
//! ```
//!
//! | mail | when | how often |
//! |---|---|---|
//! | `win-back` | the user signs in after so many days without a sign-in | once for every absence |
//! | `win-back-absent` | so many days have passed since the last sign-in, or since the user was confirmed | once for every absence |
//!
//! Both have a link that unsubscribes with one click, and nobody gets them who did, who is disabled or deleted, or whose address
//! is not proven. That is asked when they are sent, by the courier.
//!
//! The second mail is one delivery that waits. A sign-in does not touch it: it only notes its time in the member, which a
//! sign-in writes anyway. When the delivery comes due, the courier finds the later sign-in and puts it off
//! ([`Condition::Absent`]; docs/adr/0013-a-delivery-is-put-off-by-its-condition.md). Only where the one that waits would say
//! something wrong, because address, language or settings have changed, a sign-in stages another, and the old one lapses.
//!
//! What it does not do: write to users who have not signed in since the rule is on; write again to somebody who stays away.

use cognito_triggers::config::within;
use cognito_triggers::grants::{self, Grant};
use cognito_triggers::ledger::{Condition, Mail, Member};
use cognito_triggers::mailing::{Locale, Mailboxes, TemplateName, verified_mailbox};
use cognito_triggers::prelude::*;
use cognito_triggers::services::TemplateUse;
use cognito_triggers::{Keys, Mailbox, TriggerSource};
use cognito_triggers_moments::Zone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

mod mails;

#[cfg(test)]
mod tests;

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WinBack {
    /// How many days without a sign-in are an absence, 7 to 1000.
    after_days: u16,
    /// Whether users who return get a mail. With neither this nor `absent` the rule only notes sign-ins, so that what waits still
    /// lapses: the way to end it.
    #[serde(default = "yes")]
    returned: bool,
    /// Whether users who are still absent get one.
    #[serde(default = "yes")]
    absent: bool,
    /// The name of these mails among those a user can unsubscribe from: letters, digits, `-` and `_`, at most 64.
    #[serde(default = "own_list")]
    list: String,
    /// The template for users who return, named by its folder.
    #[serde(default = "TemplateName::of_rule::<WinBack>")]
    template: TemplateName,
    /// The template for users who are still absent, named by its folder.
    #[serde(default = "absent_template")]
    absent_template: TemplateName,
    /// Who the mails are from. Left out, whom the mailer names.
    #[serde(default)]
    from: Option<Mailbox>,
    /// Where answers go, one mailbox or several. Left out, where the mailer says.
    #[serde(default)]
    reply_to: Mailboxes,
    /// The language of users whose own is not known, or not among those of the template.
    #[serde(default)]
    locale: Locale,
    /// The time zone of users whose attribute `zoneinfo` names none, by its name in the tz database. Left out, UTC.
    #[serde(default)]
    zone: Option<Zone>,
    /// For how many days after a mail was sent its link to unsubscribe works, 30 to 3650.
    #[serde(default = "half_a_year")]
    link_days: u16,
}

const fn yes() -> bool {
    true
}

fn own_list() -> String {
    WinBack::SECTION.to_owned()
}

fn absent_template() -> TemplateName {
    // Its name is one.
    "win-back-absent".parse().unwrap_or_else(|_| TemplateName::of_rule::<WinBack>())
}

const fn half_a_year() -> u16 {
    180
}

/// The key of the mail to users who return.
const RETURNED: &str = "win-back/returned";
/// What the key of the mail to users who are absent begins with. Behind it stands what the mail depends on, as a fingerprint.
const ABSENT: &str = "win-back/absent";

impl Configured for WinBack {
    const SECTION: &'static str = "win-back";
    const ON_FAULT: OnFault = OnFault::Continue;
    const TRIGGERS: &'static [&'static str] = &[PostConfirmation::NAME, PostAuthentication::NAME];
    const GRANTS: &'static [Grant] = &[
        grants::READ,
        grants::WRITE,
        grants::READ.by_courier(),
        grants::FIND_USER.by_courier(),
        grants::SEND.by_courier(),
        grants::SEND_WITH_SET.by_courier(),
    ];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        self.check()?;
        // The courier asks the directory whether the user is still there and may sign in.
        chains.need(Need::Ledger).need(Need::Mailer).need(Need::Directory).need(Need::Links).need(Need::Key);
        for template in self.templates() {
            chains.uses(TemplateUse::Mail { template: template.to_string(), samples: mails::samples() });
        }
        chains.attach(self).to::<PostAuthentication>().to::<PostConfirmation>().done()
    }
}

impl Rule<PostAuthentication> for WinBack {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        visit: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        self.meet(event, visit, Met::SignedIn).await?;
        Ok(Verdict::Continue)
    }
}

impl Rule<PostConfirmation> for WinBack {
    async fn apply(
        &self,
        event: &Event<PostConfirmation>,
        visit: &mut Visit<PostConfirmation>,
    ) -> Answer<PostConfirmation> {
        // A new password is no sign-in; the one that follows it is.
        if event.source == TriggerSource::PostConfirmationConfirmSignUp {
            let met = if event.is_federated_sign_in() { Met::SignedIn } else { Met::Confirmed };
            self.meet(event, visit, met).await?;
        }
        Ok(Verdict::Continue)
    }
}

/// How a user was met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    SignedIn,
    Confirmed,
}

impl WinBack {
    fn check(&self) -> Result<(), ConfigError> {
        within("after-days", self.after_days, 7..=1000)?;
        within("link-days", self.link_days, 30..=3650)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=64).contains(&self.list.len()) || !self.list.bytes().all(is_plain) {
            return Err(ConfigError::new("this cannot be the name of a list")
                .at("list")
                .remedy("write letters, digits, `-` and `_`, at most 64, e.g. `win-back`"));
        }
        Ok(())
    }

    fn templates(&self) -> impl Iterator<Item = &TemplateName> {
        let returned = self.returned.then_some(&self.template);
        returned.into_iter().chain(self.absent.then_some(&self.absent_template))
    }

    /// What is an absence.
    fn span(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.after_days))
    }

    async fn meet<T: Trigger>(&self, event: &Event<T>, visit: &mut Visit<T>, met: Met) -> Result<(), Fault> {
        if event.sub().is_none() {
            return Ok(());
        }
        let now = visit.now;
        let before = visit.ledger.last_sign_in().await?;
        let member = visit.ledger.member().await?;
        if met == Met::SignedIn {
            member.signed_in(now);
        }
        let to = verified_mailbox(event.attributes()).filter(|_| member.wants_mail_of(&self.list));
        let mark = to.as_ref().filter(|_| self.absent).map(|to| self.mark(event, to, &visit.keys));
        // What waits for another address, or for somebody who wants no mail, lapses without its mark.
        member.marks.retain(|key, _| !is_of_absent(key) || mark.as_ref() == Some(key));
        let waits = mark.as_ref().is_some_and(|mark| self.waits(mark, member, before, now));

        let Some(to) = to else { return Ok(()) };
        if let Some(last) = before.filter(|last| now.duration_since(*last) >= self.span()).filter(|_| self.returned) {
            let mail = self.mail(&self.template, to.clone(), event, last, now);
            let only_if = Condition::Subscribed { user_name: event.user_name.clone(), list: self.list.clone() };
            // Whatever comes again for the same return finds the sign-in noted, and so no absence.
            visit.deliveries.stage(RETURNED, Task::Mail(mail)).only_if(only_if).again_after(SignedDuration::ZERO);
        }
        if let Some(mark) = mark.filter(|_| !waits) {
            let mail = self.mail(&self.absent_template, to, event, now, now.checked_add(self.span())?);
            self.stage_absent(event, visit, mark, mail)?;
        }
        Ok(())
    }

    fn stage_absent<T: Trigger>(
        &self,
        event: &Event<T>,
        visit: &mut Visit<T>,
        mark: String,
        mail: Mail,
    ) -> Result<(), Fault> {
        let only_if = Condition::Absent {
            user_name: event.user_name.clone(),
            list: self.list.clone(),
            mark: mark.clone(),
            seconds: self.span().as_secs(),
        };
        let due = visit.now.checked_add(self.span())?;
        let staged = visit.deliveries.stage(mark, Task::Mail(mail));
        staged.due(due).only_if(only_if).again_after(SignedDuration::ZERO);
        Ok(())
    }

    /// Whether the mail of this mark is staged and cannot have been sent: an absence that was long enough has not been since.
    fn waits(&self, mark: &str, member: &Member, before: Option<Timestamp>, now: Timestamp) -> bool {
        let staged = member.marks.get(mark).copied();
        staged.is_some() && staged.max(before).is_some_and(|since| now.duration_since(since) < self.span())
    }

    /// The key of the mail to an absent user: another one where the mail that waits would go to somebody else, at another time,
    /// or in other words. What else changes in a profile, or with a template, is no reason to stage anew.
    fn mark<T: Trigger>(&self, event: &Event<T>, to: &Mailbox, keys: &Keys) -> String {
        let locales = self.locale.after_own(event.attributes()).join(",");
        let from = self.from.as_ref().map(ToString::to_string).unwrap_or_default();
        let reply_to: Vec<_> = self.reply_to.iter().map(ToString::to_string).collect();
        let parts = [
            &self.after_days.to_string(),
            &self.link_days.to_string(),
            &self.list,
            self.absent_template.as_str(),
            &from,
            &reply_to.join(","),
            &event.user_name,
            &to.to_string(),
            &locales,
            &self.zone_of(event),
        ];
        // Without a root key the rule is not attached.
        format!("{ABSENT}/{}", keys.fingerprint(&parts).unwrap_or_default())
    }
}

/// Whether a mark is one of the mails to absent users.
fn is_of_absent(mark: &str) -> bool {
    mark.strip_prefix(ABSENT).is_some_and(|rest| rest.starts_with('/'))
}
