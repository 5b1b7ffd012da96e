//! What the pool remembers of one confirmed user, and what it can switch at once.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CommitId, Sessions};

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
    /// Where the user is signed in.
    #[serde(skip_serializing_if = "Sessions::is_empty")]
    pub sessions: Sessions,
    /// The last sign-in that was let in. Set it with [`signed_in`](Self::signed_in); that before this event is in
    /// [`Page::last_sign_in`](crate::Page::last_sign_in).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sign_in: Option<Timestamp>,
    /// Sign-ins that were let in.
    #[serde(skip_serializing_if = "SignIns::is_empty")]
    pub sign_ins: SignIns,
    /// The age of the password.
    #[serde(skip_serializing_if = "PasswordAge::is_empty")]
    pub password: PasswordAge,
    /// The groups as of the last token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The mails the user does not want any more, by the name of their list, and since when.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unsubscribed: BTreeMap<String, Timestamp>,
    /// What a newer version wrote.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Sign-ins that were let in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SignIns {
    /// How many.
    pub count: u64,
    /// The first that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// The last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// The same for each app client, by its id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clients: BTreeMap<String, ClientSignIns>,
}

/// Sign-ins at one app client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ClientSignIns {
    /// How many.
    pub count: u64,
    /// The first that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// The last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
}

impl SignIns {
    /// Whether none was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is known of the age of a password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct PasswordAge {
    /// When it was chosen, where that was heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Timestamp>,
    /// When the age was first asked for: it counts from here where nothing else is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Timestamp>,
    /// When the warning is due that counts: any other that was staged has become pointless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<Timestamp>,
}

impl PasswordAge {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes that a password was chosen. What happened before the last time is no news: messages may arrive in any order.
    pub fn is_chosen(&mut self, at: Timestamp) {
        if self.chosen.is_none_or(|chosen| chosen < at) {
            self.chosen = Some(at);
        }
    }
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
    /// Notes a sign-in that is let in. A clock that went back makes no sign-in older.
    pub fn signed_in(&mut self, now: Timestamp) {
        self.last_sign_in = self.last_sign_in.max(Some(now));
    }

    /// Whether the user wants the mails of this list.
    #[must_use]
    pub fn wants_mail_of(&self, list: &str) -> bool {
        !self.unsubscribed.contains_key(list)
    }

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
    /// How often they were written; 0 before the first time.
    pub version: u64,
    /// Maintenance that was switched on: of one app client by its id, of the whole pool as [`Switches::EVERY_CLIENT`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub maintenance: BTreeMap<String, Downtime>,
    /// What a newer version wrote.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Switches {
    /// What stands for all app clients.
    pub const EVERY_CLIENT: &str = "*";
}

/// Maintenance that was switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Downtime {
    /// Since when.
    pub since: Timestamp,
    /// Until when at the latest; otherwise until it is switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What users read, instead of what the configuration says; by language, the empty one for all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub messages: BTreeMap<String, String>,
}
