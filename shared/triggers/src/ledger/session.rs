//! The sessions of one user: how a place is reserved, kept and given back, so that no more than the limit are ever alive.
//!
//! Nothing in Cognito's events names a session. What there is: PostAuthentication, once everything was proven, and right after
//! it PreTokenGeneration, once there will be tokens; a call may be repeated, its answer may be lost, and two sign-ins of one
//! user at one app client look alike. So a sign-in **reserves** a place that is counted at once and lapses within minutes, and
//! token generation **keeps** one of the client's reserved places, whichever: they stand for each other. A place that is
//! reserved or kept is counted until it lapses or is given back.
//!
//! A place is given back too early if tokens are made for it afterwards. Signing a user out everywhere ends the tokens there
//! are, not those Cognito is just about to make for a place kept a moment ago. So a sign-in that signed the user out gives back
//! what is **settled**: places kept long enough ago that their tokens were there to be ended. `docs/adr/0012-sessions.md` says
//! why nothing less will do.

use data_encoding::BASE32_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Fault, random};

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
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// Everything was proven; tokens may follow.
    Reserved,
    /// Tokens were made, or are just being made.
    Kept,
}

impl Session {
    /// Whether it may be one of this app client: it is, or the client of either is not known.
    #[must_use]
    pub fn may_be_of(&self, client: &str) -> bool {
        self.client == client || self.client.is_empty() || client.is_empty()
    }

    /// Whether its tokens were there by now for sure, if any were made: it was kept, and longer ago than this. Clocks may
    /// differ by as much.
    #[must_use]
    pub fn is_settled(&self, now: Timestamp, after: SignedDuration) -> bool {
        self.state == SessionState::Kept && now.duration_since(self.begun).abs() >= after
    }
}

/// The sessions of one user, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sessions(Vec<Session>);

impl Sessions {
    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that count at this time, at one client or at all. What may be of that client counts there.
    pub fn live(&self, now: Timestamp, client: Option<&str>) -> impl Iterator<Item = &Session> {
        self.0.iter().filter(move |it| it.until > now && client.is_none_or(|client| it.may_be_of(client)))
    }

    /// Takes a place until it lapses, counted from now on.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub fn reserve(&mut self, client: &str, now: Timestamp, until: Timestamp) -> Result<SessionId, Fault> {
        self.take(SessionId::random()?, SessionState::Reserved, client, now, until)
    }

    /// Takes a place that needs no tokens to be kept.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub fn begin(&mut self, client: &str, now: Timestamp, until: Timestamp) -> Result<SessionId, Fault> {
        self.take(SessionId::random()?, SessionState::Kept, client, now, until)
    }

    /// Takes a place under this name.
    ///
    /// # Errors
    ///
    /// If there is one of this name already.
    pub fn take(
        &mut self,
        id: SessionId,
        state: SessionState,
        client: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<SessionId, Fault> {
        self.forget_lapsed(now);
        if self.0.iter().any(|session| session.id == id) {
            return Err(Fault::new("two sessions were given one name"));
        }
        self.0.push(Session { id: id.clone(), client: client.to_owned(), state, begun: now, until });
        Ok(id)
    }

    /// Keeps the oldest place this client reserved until `until`. `None` if it reserved none: tokens are refreshed, or made where
    /// no limit holds.
    pub fn keep(&mut self, client: &str, now: Timestamp, until: Timestamp) -> Option<SessionId> {
        let waits = |session: &Session| session.state == SessionState::Reserved && session.until > now;
        let of_client = self.0.iter().position(|session| waits(session) && session.client == client);
        let found = of_client.or_else(|| self.0.iter().position(|it| waits(it) && it.may_be_of(client)))?;
        let kept = self.0.get_mut(found)?;
        kept.state = SessionState::Kept;
        kept.begun = now;
        kept.until = until;
        let id = kept.id.clone();
        self.forget_lapsed(now);
        Some(id)
    }

    /// Gives back every place that is [settled](Session::is_settled): for whoever has signed the user out everywhere since
    /// this was read. Answers how many.
    pub fn end_settled(&mut self, now: Timestamp, after: SignedDuration) -> usize {
        self.give_back(|session| session.is_settled(now, after))
    }

    /// Gives one back. `false` if it is not there.
    pub fn end(&mut self, id: &SessionId) -> bool {
        self.give_back(|session| session.id == *id) > 0
    }

    /// Gives back all that were kept before this time. What is only reserved lapses by itself, or gets its tokens after that
    /// time. Answers how many.
    ///
    /// A place kept in the very moment before is given back as well, though its tokens may be made after that time: somebody
    /// who signs in and out again within seconds must get the place back.
    pub fn end_kept_before(&mut self, time: Timestamp) -> usize {
        self.give_back(|session| session.state == SessionState::Kept && session.begun < time)
    }

    fn give_back(&mut self, is_over: impl Fn(&Session) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|session| !is_over(session));
        before - self.0.len()
    }

    fn forget_lapsed(&mut self, now: Timestamp) {
        self.give_back(|session| session.until <= now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);
    const HALF_A_MINUTE: SignedDuration = SignedDuration::from_secs(30);

    fn at(seconds: i64) -> Timestamp {
        NOW + SignedDuration::from_secs(seconds)
    }

    fn live(sessions: &Sessions, now: Timestamp) -> Vec<(&str, SessionState)> {
        sessions.live(now, None).map(|session| (session.client.as_str(), session.state)).collect()
    }

    #[test]
    fn a_place_counts_from_its_reservation_until_it_lapses_and_is_kept_once() {
        let mut sessions = Sessions::default();
        let reserved = sessions.reserve("app", NOW, at(300)).unwrap();
        assert_eq!(live(&sessions, at(299)), [("app", SessionState::Reserved)]);
        assert_eq!(live(&sessions, at(300)), []);
        assert_eq!(sessions.keep("app", at(10), at(9_000)), Some(reserved));
        assert_eq!(sessions.keep("app", at(10), at(9_000)), None, "kept twice");
        assert_eq!(live(&sessions, at(8_999)), [("app", SessionState::Kept)]);
        assert_eq!(live(&sessions, at(9_000)), []);
    }

    #[test]
    fn a_reservation_that_lapsed_is_not_kept() {
        let mut sessions = Sessions::default();
        sessions.reserve("app", NOW, at(300)).unwrap();
        assert_eq!(sessions.keep("app", at(300), at(9_000)), None);
    }

    #[test]
    fn the_oldest_place_of_the_client_is_kept_before_one_that_may_be_of_it() {
        let mut sessions = Sessions::default();
        let nameless = sessions.reserve("", NOW, at(300)).unwrap();
        let other = sessions.reserve("other", at(1), at(300)).unwrap();
        let first = sessions.reserve("app", at(2), at(300)).unwrap();
        let second = sessions.reserve("app", at(3), at(300)).unwrap();
        let kept: Vec<_> = (0..4).map(|_| sessions.keep("app", at(5), at(9_000))).collect();
        assert_eq!(kept, [Some(first), Some(second), Some(nameless), None]);
        assert_eq!(sessions.keep("", at(5), at(9_000)), Some(other), "tokens of nobody's client");
    }

    #[test]
    fn at_one_client_counts_what_may_be_of_it() {
        let mut sessions = Sessions::default();
        for client in ["app", "other", ""] {
            sessions.begin(client, NOW, at(300)).unwrap();
        }
        let count = |client| sessions.live(NOW, client).count();
        assert_eq!((count(None), count(Some("app")), count(Some("third")), count(Some(""))), (3, 2, 1, 3));
    }

    #[test]
    fn what_is_given_back_is_gone_and_giving_back_again_does_nothing() {
        let mut sessions = Sessions::default();
        let id = sessions.begin("app", NOW, at(300)).unwrap();
        assert!(sessions.end(&id));
        assert!(!sessions.end(&id));
        assert!(sessions.is_empty());
    }

    #[test]
    fn a_sign_out_everywhere_ends_what_was_kept_before_and_no_reservation() {
        let mut sessions = Sessions::default();
        sessions.begin("old", NOW, at(9_000)).unwrap();
        sessions.reserve("waits", NOW, at(300)).unwrap();
        sessions.begin("new", at(20), at(9_000)).unwrap();
        assert_eq!(sessions.end_kept_before(at(20)), 1);
        assert_eq!(live(&sessions, at(20)), [("waits", SessionState::Reserved), ("new", SessionState::Kept)]);
        assert_eq!(sessions.end_kept_before(at(20)), 0, "a message that comes twice");
    }

    #[test]
    fn only_what_was_kept_a_while_ago_is_settled_by_whichever_clock() {
        let mut sessions = Sessions::default();
        sessions.begin("settled", NOW, at(9_000)).unwrap();
        sessions.reserve("waits", NOW, at(300)).unwrap();
        sessions.begin("fresh", at(1), at(9_000)).unwrap();
        sessions.begin("a little ahead", at(59), at(9_000)).unwrap();
        sessions.begin("far ahead", at(60), at(9_000)).unwrap();
        assert_eq!(sessions.end_settled(at(30), HALF_A_MINUTE), 2);
        let left: Vec<_> = live(&sessions, at(30)).into_iter().map(|(client, _)| client).collect();
        assert_eq!(left, ["waits", "fresh", "a little ahead"]);
    }

    #[test]
    fn a_name_is_given_once() {
        let mut sessions = Sessions::default();
        let take = |sessions: &mut Sessions, now| {
            sessions.take(SessionId::stored("one"), SessionState::Reserved, "app", now, at(300))
        };
        assert!(take(&mut sessions, NOW).is_ok());
        assert!(take(&mut sessions, NOW).is_err());
        assert!(take(&mut sessions, at(300)).is_ok(), "it has lapsed");
    }

    #[test]
    fn sessions_read_back() {
        let mut sessions = Sessions::default();
        sessions.begin("app", NOW, at(300)).unwrap();
        sessions.reserve("", NOW, at(300)).unwrap();
        let text = serde_json::to_string(&sessions).unwrap();
        assert_eq!(serde_json::from_str::<Sessions>(&text).unwrap(), sessions);
    }
}
