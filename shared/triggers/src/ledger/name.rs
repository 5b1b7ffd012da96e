//! Names: what may be held by one owner at a time.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One key of a name in one namespace of a pool. A name that can be mistaken for others is held under several. `Debug` shows
/// the namespace only: a name is personal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NameKey {
    /// The pool's id.
    pub pool: String,
    /// What kind of name, e.g. `nickname`.
    pub namespace: String,
    /// The name in the form in which it is compared.
    pub key: String,
}

impl fmt::Debug for NameKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NameKey({})", self.namespace)
    }
}

/// Who holds a name or a use of an invitation.
///
/// Before there is a `sub` that is a keyed hash of the e-mail address, phone number or user name
/// ([`Keys::applicant`](crate::Keys::applicant)), afterwards the `sub`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(String);

impl Owner {
    /// Somebody who signs up, by hash.
    pub(crate) fn applicant(hash: &str) -> Self {
        Self(format!("A#{hash}"))
    }

    /// A user of the pool.
    #[must_use]
    pub fn user(sub: &str) -> Self {
        Self(format!("U#{sub}"))
    }

    /// An owner as it was stored.
    #[must_use]
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A name that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// By whom.
    pub owner: Owner,
    /// Until when; `None` for good.
    pub until: Option<Timestamp>,
    /// What the holder noted beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Holding {
    /// Whether it still holds at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}
