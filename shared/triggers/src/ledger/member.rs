//! What the pool remembers of one confirmed user, and what it can switch at once.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::CommitId;

/// What the pool remembers of one user. Fields written by a newer version are kept in `other`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Member {
    /// How often it was written; 0 before the first time. Kept by the framework.
    pub version: u64,
    /// The commits of the last minute, so that a repeated one is recognised. Kept by the framework.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<PastCommit>,
    /// Names held by this user, by namespace, e.g. `nickname`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, HeldName>,
    /// Deliveries that were staged already, by key, and when: what keeps a retry from sending twice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, Timestamp>,
    /// What a newer version wrote.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A commit this member bears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastCommit {
    /// Which.
    pub id: CommitId,
    /// When.
    pub at: Timestamp,
}

/// A name as it was asked for and as it is held. `Debug` tells only whether these are the same.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldName {
    /// What the user asked for.
    pub asked: String,
    /// What the user got: the same, or a variation.
    pub held: String,
    /// The keys under which it is held.
    pub keys: Vec<String>,
}

impl fmt::Debug for HeldName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.asked == self.held { "HeldName(as asked)" } else { "HeldName(a variation)" })
    }
}

/// How long a commit is remembered: longer than any retry of one call can take.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(60);

impl Member {
    /// Whether this commit has been applied to it.
    #[must_use]
    pub fn bears(&self, id: &CommitId) -> bool {
        self.commits.iter().any(|commit| commit.id == *id)
    }

    /// The next version, bearing the commit that writes it. What a [`MemberChange`](super::MemberChange) wants.
    #[must_use]
    pub fn sealed(mut self, expected: u64, id: CommitId, at: Timestamp) -> Self {
        self.version = expected.saturating_add(1);
        self.commits.retain(|commit| at.duration_since(commit.at) < REMEMBERED);
        self.commits.push(PastCommit { id, at });
        self
    }
}

/// What takes effect at once in the whole pool. Fields written by a newer version are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Switches {
    /// What a newer version wrote.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}
