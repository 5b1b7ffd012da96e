//! Why the function is called: a record of CloudTrail, or the application's backend that gives a session back.

use cognito_triggers::ledger::SessionId;
use cognito_triggers::{Fault, FaultKind};
use serde::Deserialize;
use serde_json::Value;

use crate::trail::Trail;
use crate::{is_pool, is_sub};

/// How many characters a session's id has, and which.
const ID: usize = 26;

/// Why the function is called.
#[derive(Debug)]
pub enum Occasion {
    /// EventBridge hands over what CloudTrail recorded.
    Trail(Trail),
    /// A backend gives a session back.
    Wish(Wish),
}

/// The session a backend gives back.
#[derive(Debug)]
pub struct Wish {
    /// The pool's id.
    pub pool: String,
    /// The user's `sub`.
    pub sub: String,
    /// The session.
    pub session: SessionId,
}

impl Occasion {
    /// Why an event calls.
    ///
    /// # Errors
    ///
    /// If it is neither of the two, or what the backend asks for is not complete. The text quotes nothing.
    pub fn of(event: &[u8]) -> Result<Self, Fault> {
        let event: Value = serde_json::from_slice(event).map_err(|_| malformed("the event is not JSON"))?;
        if let Some(wish) = event.get("release") {
            return Ok(Self::Wish(Wish::read(wish)?));
        }
        match Trail::read(&event) {
            Some(trail) => Ok(Self::Trail(trail)),
            None => Err(malformed(
                "this is neither an event of EventBridge nor {\"release\": {\"pool\": ..., \"sub\": ..., \"session\": ...}}",
            )),
        }
    }

    /// What happened, in logs and answers.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Trail(trail) => &trail.name,
            Self::Wish(_) => "release",
        }
    }
}

/// As it is written. A misspelt key is worse than a missing one: the caller thinks it was read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    pool: String,
    sub: String,
    session: String,
}

impl Wish {
    fn read(wish: &Value) -> Result<Self, Fault> {
        let shape = "`release` is an object of three texts: `pool`, `sub` and `session`";
        let Written { pool, sub, session } = Written::deserialize(wish).map_err(|_| malformed(shape))?;
        if !is_pool(&pool) {
            return Err(malformed("`release.pool` is not the id of a user pool"));
        }
        if !is_sub(&sub) {
            return Err(malformed("`release.sub` is not the `sub` of a user"));
        }
        let of_base32 = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
        if session.len() != ID || !session.bytes().all(of_base32) {
            return Err(malformed("`release.session` is not the id of a session, as the token has it"));
        }
        Ok(Self { pool, sub, session: SessionId::stored(session) })
    }
}

fn malformed(text: &'static str) -> Fault {
    Fault::of(FaultKind::Malformed, text)
}
