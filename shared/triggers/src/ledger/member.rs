//! What the pool remembers of one confirmed user, and what it can switch at once.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{CommitId, Sessions};

/// What the pool remembers of one user. Fields written by a newer version are kept in `other`, its own and those of
/// `sign_ins` and `password`; those of a session, a name or a client are not, so what is new stands beside them.
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
    /// The groups as of the last token. Set them with [`note_groups`](Self::note_groups).
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
    /// What a newer version wrote.
    #[serde(flatten)]
    pub other: Map<String, Value>,
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
    /// What a newer version wrote.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl PasswordAge {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes that a password was chosen, which makes every warning of the one before pointless. What happened before the last
    /// time is no news: messages may arrive in any order.
    pub fn is_chosen(&mut self, at: Timestamp) {
        if self.chosen.is_none_or(|chosen| chosen < at) {
            self.chosen = Some(at);
            self.warning = None;
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

    /// Notes the groups of a token, for the events that are told none. The same in another order are no news, so that nothing has
    /// to be written.
    pub fn note_groups(&mut self, groups: &[String]) {
        let has_all = |one: &[String], other: &[String]| other.iter().all(|group| one.contains(group));
        if !(has_all(&self.groups, groups) && has_all(groups, &self.groups)) {
            self.groups = groups.to_vec();
        }
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
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "downtimes")]
    pub maintenance: BTreeMap<String, Downtime>,
    /// What a newer version wrote.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Switches {
    /// What stands for all app clients.
    pub const EVERY_CLIENT: &str = "*";
}

/// Reads what others than this program may have written: docs/maintenance.md says how. Every read of the ledger brings the
/// switches, so that an error here would be one of every rule, and of the operator who wants to put it right. What cannot be
/// understood closes until it is switched off: whoever wrote it wanted that.
fn downtimes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Downtime>, D::Error> {
    let written = match Value::deserialize(deserializer)? {
        Value::Object(written) => written,
        Value::Null | Value::Bool(false) => return Ok(BTreeMap::new()),
        other => {
            let mut written = Map::new();
            written.insert(Switches::EVERY_CLIENT.to_owned(), other);
            written
        }
    };
    let mut downtimes = BTreeMap::new();
    for (key, value) in written {
        if !matches!(value, Value::Null | Value::Bool(false)) {
            downtimes.insert(key, Downtime::read(value));
        }
    }
    Ok(downtimes)
}

/// Maintenance that was switched on. Fields written by a newer version are kept.
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
    /// What a newer version wrote.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Downtime {
    /// From a time on, until it is switched off, with the text of the configuration.
    #[must_use]
    pub fn since(since: Timestamp) -> Self {
        Self { since, until: None, messages: BTreeMap::new(), other: Map::new() }
    }

    /// As much as can be understood.
    fn read(value: Value) -> Self {
        fn field<V: DeserializeOwned + Default>(fields: &mut Map<String, Value>, name: &str) -> V {
            fields.remove(name).and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
        }
        let Value::Object(mut fields) = value else { return Self::since(Timestamp::UNIX_EPOCH) };
        Self {
            since: field(&mut fields, "since"),
            until: field(&mut fields, "until"),
            messages: field(&mut fields, "messages"),
            other: fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_groups_in_another_order_are_no_news() {
        let groups = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut member = Member::default();
        for (told, noted) in [
            (groups(&["gold", "operators"]), groups(&["gold", "operators"])),
            (groups(&["operators", "gold"]), groups(&["gold", "operators"])),
            (groups(&["gold"]), groups(&["gold"])),
            (groups(&["operators", "gold"]), groups(&["operators", "gold"])),
            (groups(&[]), groups(&[])),
        ] {
            member.note_groups(&told);
            assert_eq!(member.groups, noted, "{told:?}");
        }
    }

    #[test]
    fn what_cannot_be_understood_of_the_switches_closes_and_is_no_error() {
        let read = |maintenance: &str| {
            let text = format!(r#"{{"version": 7, "maintenance": {maintenance}, "newer": 1}}"#);
            let switches: Switches = serde_json::from_str(&text).unwrap();
            assert_eq!((switches.version, &switches.other["newer"]), (7, &Value::from(1)));
            switches.maintenance
        };
        let closed = |key: &str| BTreeMap::from([(key.to_owned(), Downtime::since(Timestamp::UNIX_EPOCH))]);
        for odd in
            ["{}", "true", "1", r#""x""#, r#"{"since": "yesterday", "until": "2026-11-22T12:00", "messages": 5}"#]
        {
            assert_eq!(read(&format!(r#"{{"web": {odd}}}"#)), closed("web"), "{odd}");
        }
        for odd in ["true", "[]", r#""on""#] {
            assert_eq!(read(odd), closed("*"), "{odd}");
        }
        for open in ["null", "false", "{}", r#"{"*": null}"#, r#"{"*": false}"#] {
            assert_eq!(read(open), BTreeMap::new(), "{open}");
        }
        let told = r#"{"since": "2026-11-22T10:00:00Z", "until": "2026-11-22T12:00:00Z", "messages": {"": "Back"}, "by": "x"}"#;
        let all = read(&format!(r#"{{"*": {told}, "web": []}}"#));
        assert_eq!(serde_json::to_value(&all["*"]).unwrap(), serde_json::from_str::<Value>(told).unwrap());
        assert!(all.contains_key("web"), "one that is odd takes nothing from the other");
    }

    #[test]
    fn a_password_grows_no_older_by_late_news_and_its_warnings_end_with_it() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut password = PasswordAge { first_seen: Some(at(5)), warning: Some(at(50)), ..PasswordAge::default() };
        password.is_chosen(at(20));
        assert_eq!((password.chosen, password.warning, password.first_seen), (Some(at(20)), None, Some(at(5))));
        password.warning = Some(at(60));
        for late in [19, 20] {
            password.is_chosen(at(late));
            assert_eq!((password.chosen, password.warning), (Some(at(20)), Some(at(60))), "{late}");
        }
    }
}
