//! Passwords that have to be changed now and then.
//!
//! ```toml
//! [password-age]
//! max-days   = 90
//! grace-days = 14        # for passwords whose age nobody knows
//! warn-days  = 7         # a mail so many days before; 0 for none
//! action     = "reset"   # or "deny": only refuse
//! ```
//!
//! Cognito knows no maximum age: "Passwords for local users in Amazon Cognito user pools don't automatically expire. As a best
//! practice, log the time, date, and metadata of user password resets in an external system. With an external log of password
//! age, your application or a Lambda trigger can look up a user's password age and require a reset after a given period"
//! (developer guide, "Adding user pool password requirements"). The log is the member, see [`ledger::PasswordAge`]; what moves
//! its clock is in `docs/password-age.md`. A password whose age nobody knows counts from the first sign-in that was seen.
//!
//! The check that binds comes after the password was proven, in PostAuthentication: there nobody else can learn from a refusal
//! whose password is old, or have it reset.
//!
//! What it does not do: tell a sign-in with a password from one without, which no event does; or touch who is signed in already:
//! tokens are renewed whatever the age.

use std::collections::BTreeSet;

use cognito_triggers::config::{check_clients, within};
use cognito_triggers::grants::{self, Grant, When};
use cognito_triggers::mailing::{Locale, Mailboxes, TemplateName};
use cognito_triggers::prelude::*;
use cognito_triggers::services::TemplateUse;
use cognito_triggers::{Act, Mailbox, TriggerSource, UserStatus, ledger};
use cognito_triggers_moments::Zone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod warning;

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PasswordAge {
    /// How many days a password lasts, 1 to 3650.
    max_days: u16,
    /// How many days a user has whose password is of unknown age, from the first sign-in that was seen, 0 to 3650. With 0 no such
    /// password gets in.
    #[serde(default = "two_weeks")]
    grace_days: u16,
    /// How many days before it expires a mail says so, fewer than `max-days`. 0 sends none.
    #[serde(default = "a_week")]
    warn_days: u16,
    /// What is done with an expired password, once it was proven.
    #[serde(default)]
    action: Action,
    /// What a user reads whose password expired. Left out, a sentence that says what to do.
    #[serde(default)]
    message: Option<String>,
    /// Whether an expired password is refused before it was proven as well, in `PreAuthentication`. Anybody who knows a name can
    /// then find out whether its password expired. Not together with a reset.
    #[serde(default)]
    early: bool,
    /// Users with a password in the pool who may sign in at another provider as well: no event tells which of the two they did.
    #[serde(default)]
    linked_users: LinkedUsers,
    /// App clients where the age of passwords makes no difference, by their ids: those where users sign in without one.
    #[serde(default)]
    exempt_clients: BTreeSet<String>,
    /// The template of the warning, named by its folder.
    #[serde(default = "password_warning")]
    template: TemplateName,
    /// Who the warning is from. Left out, whom the mailer names.
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
}

/// What is done with an expired password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Action {
    /// The sign-in is refused.
    #[default]
    Deny,
    /// The same, and the password is made useless: the pool sends a code with which a new one can be chosen.
    Reset,
}

/// What the age of a password means to users who may sign in elsewhere as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum LinkedUsers {
    /// The same as to everybody, wherever they signed in.
    #[default]
    Check,
    /// Nothing.
    Exempt,
}

const fn two_weeks() -> u16 {
    14
}

const fn a_week() -> u16 {
    7
}

fn password_warning() -> TemplateName {
    // Its name is one.
    "password-warning".parse().unwrap_or_else(|_| TemplateName::of_rule::<PasswordAge>())
}

/// The longest a password or a grace may last, in days.
const LONGEST: u16 = 3650;

/// What comes again within this time is taken for the same choice of a password: Cognito may call several times for one.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);

const RESET: &[When] = &[When::is("action", "reset")];
const WARNED: &[When] = &[When::not_zero("warn-days").by_default()];

impl Configured for PasswordAge {
    const SECTION: &'static str = "password-age";
    const TRIGGERS: &'static [&'static str] =
        &[PostConfirmation::NAME, PreAuthentication::NAME, PostAuthentication::NAME, PreTokenGenerationV1::NAME];
    const GRANTS: &'static [Grant] = &[
        grants::READ,
        grants::WRITE.at(grants::PROVEN),
        grants::RESET_PASSWORD.at(&[PostAuthentication::NAME]).when(RESET),
        grants::READ.by_courier().when(WARNED),
        grants::FIND_USER.by_courier().when(WARNED),
        grants::SEND.by_courier().when(WARNED),
        grants::SEND_WITH_SET.by_courier().when(WARNED),
    ];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        self.check()?;
        chains.need(Need::Ledger);
        if self.warn_days > 0 {
            // The courier asks the directory whether the user is still there and may sign in.
            chains.need(Need::Mailer).need(Need::Directory);
            chains.uses(TemplateUse::Mail { template: self.template.to_string(), samples: warning::samples() });
        }
        if self.action == Action::Reset {
            chains.need(Need::Directory);
        }
        let at_tokens = NewPassword(self.clone());
        let before = self.early.then(|| Early(self.clone()));
        chains.attach(self).to::<PostConfirmation>().to::<PostAuthentication>().done()?;
        if let Some(before) = before {
            chains.attach(before).to::<PreAuthentication>().done()?;
        }
        // The new password is chosen already: tokens withheld because that could not be noted would help nobody.
        let attach = chains.attach(at_tokens).beside::<PreTokenGenerationV1>().beside::<PreTokenGenerationV2>();
        attach.beside::<PreTokenGenerationV3>().done()
    }
}

impl Rule<PostAuthentication> for PasswordAge {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        visit: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        if self.passes_over(event) {
            return Ok(Verdict::Continue);
        }
        let now = visit.now;
        let password = &mut visit.ledger.member().await?.password;
        if password.chosen.is_none() && password.first_seen.is_none() {
            password.first_seen = Some(now);
        }
        let expires = self.expires(password);
        if expires.is_some_and(|expires| expires <= now) {
            let message = self.message();
            return Ok(match self.action {
                Action::Deny => Verdict::deny(message),
                Action::Reset => {
                    Verdict::deny_and(message, Act::RequireNewPassword { user_name: event.user_name.clone() })
                }
            });
        }
        self.warn(event, visit, expires).await?;
        Ok(Verdict::Continue)
    }
}

impl Rule<PostConfirmation> for PasswordAge {
    async fn apply(
        &self,
        event: &Event<PostConfirmation>,
        visit: &mut Visit<PostConfirmation>,
    ) -> Answer<PostConfirmation> {
        let chosen = match event.source {
            TriggerSource::PostConfirmationConfirmForgotPassword => true,
            // The first sign-in at another provider comes by here too.
            TriggerSource::PostConfirmationConfirmSignUp => !event.is_federated_sign_in(),
            _ => false,
        };
        if chosen {
            self.is_chosen(event, visit).await?;
        }
        Ok(Verdict::Continue)
    }
}

/// The rule where tokens are made: the only trigger that tells of a temporary password that was replaced.
struct NewPassword(PasswordAge);

impl<T: TokenTrigger> Rule<T> for NewPassword {
    async fn apply(&self, event: &Event<T>, visit: &mut Visit<T>) -> Answer<T> {
        // Tokens are made all the time. Nothing else costs a call of the ledger here.
        if event.source == TriggerSource::TokenGenerationNewPasswordChallenge {
            self.0.is_chosen(event, visit).await?;
        }
        Ok(Verdict::Continue)
    }
}

/// The rule before the password is proven. It writes nothing: a stranger gets here too.
struct Early(PasswordAge);

impl Rule<PreAuthentication> for Early {
    async fn apply(
        &self,
        event: &Event<PreAuthentication>,
        visit: &mut Visit<PreAuthentication>,
    ) -> Answer<PreAuthentication> {
        let Self(rule) = self;
        if rule.passes_over(event) {
            return Ok(Verdict::Continue);
        }
        let now = visit.now;
        let expires = rule.expires(&visit.ledger.member().await?.password);
        if expires.is_some_and(|expires| expires <= now) {
            return Ok(Verdict::deny(rule.message()));
        }
        Ok(Verdict::Continue)
    }
}

impl PasswordAge {
    /// Whether the age of a password makes no difference to this sign-in.
    fn passes_over<T: Trigger>(&self, event: &Event<T>) -> bool {
        let is_exempt = |client: &String| self.exempt_clients.contains(client);
        let uses_no_old_password = match event.attributes().user_status() {
            Some(UserStatus::ExternalProvider) => true,
            // "RESET_REQUIRED - User is confirmed, but the user must request a code and reset their password before they can sign
            // in. FORCE_CHANGE_PASSWORD - The user is confirmed and the user can sign in using a temporary password, but on first
            // sign-in, the user must change their password to a new value before doing anything else" (API reference,
            // `UserType`). So the old one is replaced in this sign-in, of which the tokens tell only later, or was not used.
            Some(UserStatus::ForceChangePassword | UserStatus::ResetRequired) => true,
            _ => false,
        };
        uses_no_old_password || event.caller.client_id.as_ref().is_some_and(is_exempt) || self.exempts_as_linked(event)
    }

    fn exempts_as_linked<T: Trigger>(&self, event: &Event<T>) -> bool {
        self.linked_users == LinkedUsers::Exempt && !event.attributes().identities().is_empty()
    }

    /// When a password expires; `None` if nothing is known of it.
    fn expires(&self, password: &ledger::PasswordAge) -> Option<Timestamp> {
        let chosen = password.chosen;
        // News of a choice may come late, and must not lock out who was promised a grace meanwhile.
        let first_seen = password.first_seen.filter(|seen| chosen.is_none_or(|chosen| chosen < *seen));
        let lasts = chosen.map(|chosen| days_after(chosen, self.max_days));
        lasts.max(first_seen.map(|seen| days_after(seen, self.grace_days)))
    }

    /// Notes that the user has just chosen a password.
    async fn is_chosen<T: Trigger>(&self, event: &Event<T>, visit: &mut Visit<T>) -> Result<(), Fault> {
        let now = visit.now;
        let password = &mut visit.ledger.member().await?.password;
        if password.chosen.is_none_or(|chosen| now.duration_since(chosen) >= AGAIN) {
            password.is_chosen(now);
        }
        let expires = self.expires(password).filter(|_| !self.exempts_as_linked(event));
        self.warn(event, visit, expires).await
    }

    /// What a user reads whose password expired.
    fn message(&self) -> String {
        let own = self.message.as_deref();
        own.unwrap_or(match self.action {
            Action::Deny => "Your password has expired, please choose a new one with \"Forgot password\"",
            Action::Reset => "Your password has expired, please choose a new one with the code you have been sent",
        })
        .to_owned()
    }

    fn check(&self) -> Result<(), ConfigError> {
        within("max-days", self.max_days, 1..=LONGEST)?;
        within("grace-days", self.grace_days, 0..=LONGEST)?;
        if self.warn_days >= self.max_days {
            let problem = format!("{} days before it expires a password is not chosen yet", self.warn_days);
            let remedy = format!("it lasts {} days: write fewer, or 0 for no mail", self.max_days);
            return Err(ConfigError::new(problem).at("warn-days").remedy(remedy));
        }
        if self.early && self.action == Action::Reset {
            return Err(ConfigError::new("what is refused before the password is proven is never reset after it")
                .at("early")
                .remedy("leave it out, or use `action = \"deny\"`"));
        }
        if self.message.as_ref().is_some_and(|message| message.trim().is_empty()) {
            return Err(ConfigError::new("this says nothing")
                .at("message")
                .remedy("write a sentence that says what to do, or leave the key out"));
        }
        check_clients("exempt-clients", &self.exempt_clients)
    }
}

/// So many days of 24 hours later.
fn days_after(time: Timestamp, days: u16) -> Timestamp {
    time.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
