//! Events about users, for billing and analytics.
//!
//! ```toml
//! [user-events]
//! attributes    = ["email", "locale"]       # nothing else is told of a user, but the sub
//! onboard-since = 2026-01-31                # in a pool that had users before
//! ```
//!
//! | event | when | how often |
//! |---|---|---|
//! | `user.confirmed` | the user is in: confirmed, signed in through another provider for the first time, or met at a sign-in and never heard of before | once for every user |
//! | `user.signed_in` | after everything was proven, before there are tokens | every time |
//! | `user.password_changed` | a forgotten or a temporary password was replaced | every time |
//!
//! [`detail`] says what an event tells. It is recorded in the ledger in the same write as whatever else comes of the sign-in,
//! and published at least once: a consumer that must not count twice goes by its `id`.
//!
//! Cognito may call a function again for one sign-in, and its events bear no id: what comes within `once-per-seconds` after an
//! event of the same user and kind is taken for the same one.
//!
//! What it does not do: tell of a password that was changed with the old one (`ChangePassword`) or set by an administrator, of a
//! sign-out or of a user who is deleted. None of these calls a trigger. Nor can it tell whether tokens were made in the end.

use std::collections::{BTreeMap, BTreeSet};

use cognito_triggers::grants::{self, Grant, When};
use cognito_triggers::onboarding::{self, Newcomer, Onboarding, Onboards, Since};
use cognito_triggers::prelude::*;
use cognito_triggers::{AttributeName, Attributes, TriggerSource, UserStatus};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

pub mod detail;

#[cfg(test)]
mod tests;

use detail::{Detail, EventName, Happened, Met, Reason, User, Version};

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UserEvents {
    /// What is told.
    #[serde(default = "all")]
    events: BTreeSet<EventName>,
    /// The attributes that are told of a user, by their names in the pool, e.g. `email` or `custom:plan`. The `sub` always is,
    /// anything else never.
    #[serde(default)]
    attributes: BTreeSet<AttributeName>,
    /// What comes sooner after an event of the same user and kind is taken for the same one, in seconds: 1 to 3600.
    #[serde(default = "half_a_minute")]
    once_per_seconds: u32,
    /// Whether users who were not heard of before are told as confirmed at a sign-in. Costs one read of the ledger per sign-in.
    #[serde(default = "yes")]
    at_sign_in: bool,
    /// Tells at a sign-in only users created at this time or later as confirmed: a date, in UTC, or a time with its offset. Left
    /// out, everybody who was not heard of before counts as new. Needs a directory.
    #[serde(default)]
    onboard_since: Option<Since>,
}

fn all() -> BTreeSet<EventName> {
    EventName::ALL.into()
}

const fn half_a_minute() -> u32 {
    30
}

const fn yes() -> bool {
    true
}

/// The keys of deliveries. What differs in kind is told apart, however soon it follows.
const SIGNED_IN: &str = "user-events/signed-in";
const FORGOTTEN: &str = "user-events/forgot-password";
const TEMPORARY: &str = "user-events/temporary-password";

/// When a user was created matters only where newcomers are told, and met at a sign-in.
const WHO_IS_NEW: &[When] = &[
    When::set("onboard-since"),
    When::on("at-sign-in").by_default(),
    When::lists("events", "user.confirmed").by_default(),
];

impl Configured for UserEvents {
    const SECTION: &'static str = "user-events";
    const ON_FAULT: OnFault = OnFault::Continue;
    const TRIGGERS: &'static [&'static str] =
        &[PostConfirmation::NAME, PostAuthentication::NAME, PreTokenGenerationV1::NAME];
    const GRANTS: &'static [Grant] = &[
        grants::READ,
        grants::WRITE,
        grants::PUBLISH.inline(),
        grants::ACKNOWLEDGE.inline(),
        grants::PUBLISH.by_courier(),
        grants::FIND_USER.by_courier().when(WHO_IS_NEW),
    ];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        if self.events.is_empty() {
            return Err(ConfigError::new("an empty list tells nothing")
                .at("events")
                .remedy("name events, or leave the key out to be told all"));
        }
        if !(1..=3600).contains(&self.once_per_seconds) {
            return Err(ConfigError::new("repetitions come within 1 to 3600 seconds").at("once-per-seconds"));
        }
        chains.need(Need::Ledger).need(Need::Publisher);
        let meets = self.tells(EventName::Confirmed) && self.at_sign_in;
        if meets && self.onboard_since.is_some() {
            chains.need(Need::Directory);
        }
        let at_sign_in = meets || self.tells(EventName::SignedIn);
        let at_tokens = self.tells(EventName::PasswordChanged).then(|| NewPassword(self.clone()));
        // After confirmation there is something to tell of every kind: see there.
        let attach = chains.attach(self).to::<PostConfirmation>();
        if at_sign_in {
            attach.beside::<PostAuthentication>().done()?
        } else {
            attach.done()?
        }
        let Some(at_tokens) = at_tokens else { return Ok(()) };
        let attach = chains.attach(at_tokens).beside::<PreTokenGenerationV1>().beside::<PreTokenGenerationV2>();
        attach.beside::<PreTokenGenerationV3>().done()
    }
}

impl Rule<PostConfirmation> for UserEvents {
    async fn apply(
        &self,
        event: &Event<PostConfirmation>,
        visit: &mut Visit<PostConfirmation>,
    ) -> Answer<PostConfirmation> {
        if event.source == TriggerSource::PostConfirmationConfirmForgotPassword {
            self.stage(event, visit, FORGOTTEN, Happened::PasswordChanged { reason: Reason::ForgotPassword })?;
            return Ok(Verdict::Continue);
        }
        if self.tells(EventName::Confirmed) {
            onboarding::confirmed(self, event, visit).await?;
        }
        // "Not fired on first federated sign-in": there is no PostAuthentication to come.
        if event.attributes().user_status() == Some(UserStatus::ExternalProvider) {
            self.stage(event, visit, SIGNED_IN, Happened::SignedIn { new_device: None })?;
        }
        Ok(Verdict::Continue)
    }
}

impl Rule<PostAuthentication> for UserEvents {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        visit: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        if self.tells(EventName::Confirmed) && self.at_sign_in {
            onboarding::signed_in(self, event, visit).await?;
        }
        let happened = Happened::SignedIn { new_device: event.request.new_device_used };
        self.stage(event, visit, SIGNED_IN, happened)?;
        Ok(Verdict::Continue)
    }
}

impl Onboards for UserEvents {
    const KEY: &'static str = Self::SECTION;

    fn onboard_since(&self) -> Option<Timestamp> {
        self.onboard_since.map(|Since(time)| time)
    }

    fn onboard(&self, newcomer: &Newcomer<'_>) -> Result<Option<Onboarding>, Fault> {
        let met = match newcomer.met {
            onboarding::Met::Confirmed => Met::Confirmation,
            onboarding::Met::SignedIn => Met::SignIn,
        };
        let &Newcomer { pool, sub, client, attributes, now, .. } = newcomer;
        let detail = Detail {
            version: Version::One,
            id: detail::id(pool, sub, EventName::Confirmed, None),
            time: now,
            pool: pool.to_owned(),
            client: client.map(str::to_owned),
            user: self.user(sub, attributes),
            happened: Happened::Confirmed { met },
        };
        Ok(Some(Task::Publish(detail.into_event()?).into()))
    }
}

/// The rule where tokens are made: the only trigger that tells of a temporary password that was replaced.
struct NewPassword(UserEvents);

impl<T: TokenTrigger> Rule<T> for NewPassword {
    async fn apply(&self, event: &Event<T>, visit: &mut Visit<T>) -> Answer<T> {
        // Tokens are made all the time. Nothing else costs a call of the ledger here.
        if event.source == TriggerSource::TokenGenerationNewPasswordChallenge {
            let happened = Happened::PasswordChanged { reason: Reason::TemporaryPassword };
            self.0.stage(event, visit, TEMPORARY, happened)?;
        }
        Ok(Verdict::Continue)
    }
}

impl UserEvents {
    fn tells(&self, name: EventName) -> bool {
        self.events.contains(&name)
    }

    /// What is told of a user.
    fn user(&self, sub: &str, attributes: &Attributes) -> User {
        let names = self.attributes.iter().map(AttributeName::as_str);
        let told: Attributes = names.filter_map(|name| Some((name, attributes.find(name)?))).collect();
        // Whoever fills every attribute must not escape being counted.
        let told = told.cut_to_fit();
        let mut attributes = BTreeMap::new();
        attributes.extend(told.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        User { sub: sub.to_owned(), attributes }
    }

    /// Stages what may happen to a user again, if it is told.
    fn stage<T: Trigger>(
        &self,
        event: &Event<T>,
        visit: &mut Visit<T>,
        key: &'static str,
        happened: Happened,
    ) -> Result<(), Fault> {
        let Some(sub) = event.sub().filter(|_| self.tells(happened.name())) else { return Ok(()) };
        let detail = Detail {
            version: Version::One,
            id: detail::id(&event.user_pool_id, sub, happened.name(), Some(visit.now)),
            time: visit.now,
            pool: event.user_pool_id.clone(),
            client: event.caller.client_id.clone(),
            user: self.user(sub, event.attributes()),
            happened,
        };
        let span = SignedDuration::from_secs(self.once_per_seconds.into());
        visit.deliveries.stage(key, Task::Publish(detail.into_event()?)).again_after(span);
        Ok(())
    }
}
