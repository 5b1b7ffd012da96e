//! The sessions of one user: how a place is reserved, kept and given back, so that no more than the limit are ever alive.
//!
//! Nothing in Cognito's events names a session. What there is: PostAuthentication, once everything was proven, and right after
//! it PreTokenGeneration, once there will be tokens; a call may be repeated, its answer may be lost, and two sign-ins of one
//! user at one app client look alike. So a sign-in **reserves** a place that is counted at once and lapses within minutes, and
//! token generation **keeps** one of the client's reserved places, whichever: they stand for each other. A place that is
//! reserved or kept is counted until it lapses, is kept no more, or is given back.
//!
//! A sign-in may also **end the others**: they are marked with its id and counted on, because signing them out may fail. Only
//! when the sign-in is kept, which proves that it did not, they are gone. What was reserved and is ended by another stays
//! behind as a trace, so that its token generation finds that it came too late.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Fault, random};
use data_encoding::BASE32_NOPAD;

/// Names one session: 128 random bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// A new one.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub fn random() -> Result<Self, Fault> {
        Ok(Self(BASE32_NOPAD.encode(&random::bytes::<16>()?)))
    }

    /// One as it is stored or was put into a token.
    #[must_use]
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it is stored: 26 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One place that is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// The app client; empty where the event named none.
    pub client: String,
    /// Whether there are tokens, or will be.
    pub state: SessionState,
    /// When it was reserved; once kept, when it was kept.
    pub begun: Timestamp,
    /// When it lapses.
    pub until: Timestamp,
    /// The sign-in that ends it once it is through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<SessionId>,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// Everything was proven; tokens may follow.
    Reserved,
    /// Tokens were made.
    Kept,
    /// Ended by another sign-in before there were tokens. Not counted: a trace for the token generation that may come yet.
    Ended,
}

impl Session {
    fn is_live(&self, now: Timestamp) -> bool {
        self.until > now && self.state != SessionState::Ended
    }
}

/// The sessions of one user, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sessions(Vec<Session>);

/// What token generation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// A reserved place is kept from now on.
    Kept(SessionId),
    /// The place that was reserved for it is gone, because another sign-in ended it: no tokens may be made.
    Ended,
    /// Nothing was reserved: tokens are refreshed, or made where no limit holds.
    NothingReserved,
}

impl Sessions {
    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that count at this time, at one client or at all.
    pub fn live(&self, now: Timestamp, client: Option<&str>) -> impl Iterator<Item = &Session> {
        self.0.iter().filter(move |it| it.is_live(now) && client.is_none_or(|client| it.client == client))
    }

    /// Takes a place until it lapses, counted from now on.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub fn reserve(&mut self, client: &str, now: Timestamp, until: Timestamp) -> Result<SessionId, Fault> {
        self.take(SessionState::Reserved, client, now, until)
    }

    /// Takes a place that needs no tokens to be kept.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub fn begin(&mut self, client: &str, now: Timestamp, until: Timestamp) -> Result<SessionId, Fault> {
        self.take(SessionState::Kept, client, now, until)
    }

    fn take(
        &mut self,
        state: SessionState,
        client: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<SessionId, Fault> {
        self.forget_lapsed(now);
        let id = SessionId::random()?;
        let client = client.to_owned();
        self.0.push(Session { id: id.clone(), client, state, begun: now, until, ended_by: None });
        Ok(id)
    }

    /// Marks all others as ended once this one is kept. They count until then.
    pub fn end_others(&mut self, by: &SessionId) {
        for session in self.0.iter_mut().filter(|session| session.id != *by) {
            session.ended_by = Some(by.clone());
        }
    }

    /// Keeps the oldest place this client reserved until `until`, and ends the others it was to end.
    pub fn keep(&mut self, client: &str, now: Timestamp, until: Timestamp) -> Keeping {
        // Whose mark counts: a sign-in that came to nothing ends nobody.
        let pending: Vec<SessionId> = self.live(now, None).map(|session| session.id.clone()).collect();
        let is_ended =
            |session: &Session| session.ended_by.as_ref().is_some_and(|by| pending.contains(by) && *by != session.id);
        let of_client = |session: &Session| session.client == client && session.until > now;
        let free = |session: &&mut Session| {
            of_client(session) && session.state == SessionState::Reserved && !is_ended(session)
        };
        let Some(kept) = self.0.iter_mut().find(free) else {
            let came_too_late = |session: &Session| of_client(session) && session.state != SessionState::Kept;
            return if self.0.iter().any(came_too_late) { Keeping::Ended } else { Keeping::NothingReserved };
        };
        kept.state = SessionState::Kept;
        kept.begun = now;
        kept.until = until;
        kept.ended_by = None;
        let id = kept.id.clone();
        self.0.retain(|session| session.ended_by.as_ref() != Some(&id) || session.state != SessionState::Kept);
        for session in self.0.iter_mut().filter(|session| session.ended_by.as_ref() == Some(&id)) {
            session.state = SessionState::Ended;
        }
        self.forget_lapsed(now);
        Keeping::Kept(id)
    }

    /// Gives one back. `false` if it is not there.
    pub fn end(&mut self, id: &SessionId) -> bool {
        let before = self.0.len();
        self.0.retain(|session| session.id != *id || session.state == SessionState::Ended);
        self.0.len() != before
    }

    /// Gives back all that were kept before this time. What is only reserved lapses by itself, or gets its tokens after that
    /// time. Answers how many.
    pub fn end_kept_before(&mut self, time: Timestamp) -> usize {
        let before = self.0.len();
        self.0.retain(|session| session.state != SessionState::Kept || session.begun >= time);
        before - self.0.len()
    }

    fn forget_lapsed(&mut self, now: Timestamp) {
        self.0.retain(|session| session.until > now);
    }
}
