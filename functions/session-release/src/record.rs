//! What is written down of an event: a line of the log, metrics, and the answer.

use std::time::Duration;

use cognito_triggers::Fault;
use cognito_triggers_lambda::Measures;
use serde::Serialize;
use serde_json::json;

use crate::{Occasion, Trail};

/// What came of one event.
#[derive(Debug)]
pub struct Finished {
    /// Why the function was called.
    pub occasion: Occasion,
    /// What came of it.
    pub outcome: Outcome,
    /// The pool, where it is known.
    pub pool: Option<String>,
    /// The user as logs have them, where there is a root key.
    pub user: Option<String>,
}

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was acted upon. If that changed nothing, it had been before, or the ledger does not know the user.
    Done(Tally),
    /// It asks for nothing, and why.
    Ignored(&'static str),
    /// It does not say of whom or when, and trying again would not help.
    Unclear(&'static str),
}

/// What was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Sessions that were ended.
    pub sessions: usize,
    /// Names that are free again.
    pub names: usize,
    /// Members that were forgotten.
    pub members: usize,
    /// Passwords whose age was noted.
    pub passwords: usize,
}

impl Outcome {
    /// The name in logs and answers.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done(tally) if *tally == Tally::default() => "nothing",
            Self::Done(_) => "done",
            Self::Ignored(_) => "ignored",
            Self::Unclear(_) => "unclear",
        }
    }

    /// Why nothing was done.
    #[must_use]
    pub const fn why(&self) -> Option<&'static str> {
        match self {
            Self::Done(_) => None,
            Self::Ignored(why) | Self::Unclear(why) => Some(why),
        }
    }

    /// What was changed.
    #[must_use]
    pub fn tally(&self) -> Tally {
        match self {
            Self::Done(tally) => *tally,
            _ => Tally::default(),
        }
    }
}

impl Finished {
    /// An event nothing was done for.
    pub(crate) fn left(outcome: Outcome, occasion: Occasion) -> Self {
        Self { occasion, outcome, pool: None, user: None }
    }

    /// What the caller is answered: a backend whether the session was there, EventBridge (which does not read it) what was done.
    ///
    /// # Errors
    ///
    /// None that could be provoked.
    pub fn answer(&self) -> Result<String, Fault> {
        let tally = self.outcome.tally();
        let answer = match self.occasion {
            Occasion::Wish(_) => json!({ "released": tally.sessions > 0 }),
            Occasion::Trail(_) => json!({
                "event": self.occasion.name(),
                "outcome": self.outcome.as_str(),
                "why": self.outcome.why(),
                "changed": tally,
            }),
        };
        Ok(serde_json::to_string(&answer)?)
    }

    /// Writes the line of the event: at `info`, or at `warn` if it was not clear.
    pub fn log(&self, request_id: &str, took: Duration, cold_start: bool) {
        let Tally { sessions, names, members, passwords } = self.outcome.tally();
        let event_id = match &self.occasion {
            Occasion::Trail(Trail { id, .. }) => id.as_deref(),
            Occasion::Wish(_) => None,
        };
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "release",
                    trigger = match self.occasion { Occasion::Trail(_) => "trail", Occasion::Wish(_) => "backend" },
                    event = self.occasion.name(),
                    event_id,
                    pool = self.pool.as_deref(),
                    user = self.user.as_deref(),
                    outcome = self.outcome.as_str(),
                    why = self.outcome.why(),
                    sessions,
                    names,
                    members,
                    passwords,
                    request_id,
                    duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                    cold_start,
                    "release"
                )
            };
        }
        if matches!(self.outcome, Outcome::Unclear(_)) { line!(warn) } else { line!(info) }
    }

    /// The metrics.
    #[must_use]
    pub fn measures(&self) -> Vec<Measures> {
        let Tally { sessions, names, members, passwords } = self.outcome.tally();
        let all = Measures::default()
            .count("SessionsEnded", sessions)
            .count("NamesFreed", names)
            .count("MembersForgotten", members)
            .count("PasswordsNoted", passwords)
            .count("Unclear", usize::from(matches!(self.outcome, Outcome::Unclear(_))));
        vec![all]
    }
}
