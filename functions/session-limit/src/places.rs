//! Whether there is a place for a sign-in. Nothing here knows of events or calls anything, so that `model.rs` can try it in
//! every order things may happen in.

use cognito_triggers::Fault;
use cognito_triggers::ledger::{SessionId, SessionState, Sessions};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

/// What is counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Per {
    /// All sessions of a user.
    #[default]
    User,
    /// Those at one app client.
    Client,
}

/// What happens to a sign-in for which there is no place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Policy {
    /// It is refused.
    #[default]
    Deny,
    /// The user is signed out everywhere else.
    SignOutOthers,
}

/// When a place is kept for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Keep {
    /// When tokens are made.
    #[default]
    WithTokens,
    /// At once: for pools that do not call the function when tokens are made.
    AtSignIn,
}

/// How places are given out.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) per: Per,
    pub(crate) policy: Policy,
    pub(crate) keep: Keep,
    /// How long a place is reserved.
    pub(crate) reservation: SignedDuration,
    /// How long tokens may be under way once their place is kept.
    pub(crate) under_way: SignedDuration,
}

/// The most sessions of one user at all app clients together. They stand in one item, of which "the maximum item size in
/// DynamoDB is 400 KB" (developer guide, "Quotas"), and a session takes some 150 bytes.
pub(crate) const MOST: usize = 1000;

/// One sign-in.
#[derive(Clone, Debug)]
pub(crate) struct SignIn<'a> {
    /// The name of its place, if it gets one.
    pub(crate) id: SessionId,
    /// The app client; empty if it is not known.
    pub(crate) client: &'a str,
    /// When.
    pub(crate) now: Timestamp,
    /// How many sessions this user may have.
    pub(crate) max: usize,
    /// How long a refresh token of the client lives.
    pub(crate) validity: SignedDuration,
}

/// Whether there is a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// There is, and it is taken.
    Free,
    /// There is, and it is taken, once the user is signed out everywhere. What was noted may be written only then.
    OnceSignedOut,
    /// All are taken.
    Full,
    /// All are taken, and by sign-ins so recent that signing out might miss their tokens.
    Busy,
}

impl Terms {
    /// Takes a place if there is one.
    pub(crate) fn admit(&self, sessions: &mut Sessions, sign_in: SignIn<'_>) -> Result<Admission, Fault> {
        if !self.is_full(sessions, sign_in.client, sign_in.now, sign_in.max) {
            self.take(sessions, sign_in)?;
            return Ok(Admission::Free);
        }
        if self.policy == Policy::Deny {
            return Ok(Admission::Full);
        }
        let mut left = sessions.clone();
        // Cognito signs out of every app client or of none.
        left.end_settled(sign_in.now, self.under_way);
        if self.is_full(&left, sign_in.client, sign_in.now, sign_in.max) {
            return Ok(Admission::Busy);
        }
        self.take(&mut left, sign_in)?;
        *sessions = left;
        Ok(Admission::OnceSignedOut)
    }

    /// Whether all places are taken: those that are counted together, or all there can be of one user.
    pub(crate) fn is_full(&self, sessions: &Sessions, client: &str, now: Timestamp, max: usize) -> bool {
        let client = (self.per == Per::Client).then_some(client);
        sessions.live(now, client).count() >= max || sessions.live(now, None).count() >= MOST
    }

    /// Takes a place whether or not there is one.
    pub(crate) fn take(&self, sessions: &mut Sessions, sign_in: SignIn<'_>) -> Result<(), Fault> {
        let SignIn { id, client, now, validity, .. } = sign_in;
        let (state, until) = match self.keep {
            Keep::WithTokens => (SessionState::Reserved, after(now, self.reservation)),
            Keep::AtSignIn => (SessionState::Kept, self.kept_until(now, validity)),
        };
        sessions.take(id, state, client, now, until).map(|_| ())
    }

    /// Until when a place that is kept now has to be. A refresh token lives from the moment it is made, which is later: by as
    /// long as a place may wait for its tokens, if tokens of another sign-in were made for this place and the other way round.
    pub(crate) fn kept_until(&self, now: Timestamp, validity: SignedDuration) -> Timestamp {
        after(after(now, validity), self.reservation)
    }
}

fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}
