//! Deliveries: what a rule wants done outside, recorded in the same write as the decision.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::LeaseId;
use crate::Mailbox;
use crate::links::LinkWish;

/// Names a delivery within everything that is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeliveryId {
    /// The pool's id.
    pub pool: String,
    /// The user's `sub`.
    pub sub: String,
    /// The rule and the purpose, e.g. `unique-nickname/assign`: the same for every retry of one event.
    pub key: String,
}

impl DeliveryId {
    /// The rule that staged it. Behind the rule's name a key may hold what the user is called.
    #[must_use]
    pub fn rule(&self) -> &str {
        self.key.split('/').next().unwrap_or_default()
    }
}

/// One thing to be done outside, at least once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// What is to be done.
    pub task: Task,
    /// What must hold when it is carried out; otherwise it lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if: Option<Condition>,
    /// When it was staged.
    pub staged: Timestamp,
    /// When it is to be tried next. While somebody works on it, when the lease ends.
    pub due: Timestamp,
    /// Who works on it, or worked on it last. One that is carried out inline is born leased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseId>,
    /// How often it was tried in vain; throttled tries do not count.
    #[serde(default)]
    pub attempts: u32,
    /// When a try that counts failed for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Since when it is parked: nobody tries it any more, until an operator says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Timestamp>,
}

impl Delivery {
    /// One that was staged at this time, is due at once and that nobody works on.
    #[must_use]
    pub const fn new(id: DeliveryId, task: Task, staged: Timestamp) -> Self {
        let (only_if, lease, fault) = (None, None, None);
        Self { id, task, only_if, staged, due: staged, lease, attempts: 0, failing_since: None, fault, parked: None }
    }

    /// Whether it is to be tried at this time.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.parked.is_none() && self.due <= now
    }

    /// Whether somebody holds a lease on it at this time.
    #[must_use]
    pub fn is_worked_on(&self, now: Timestamp) -> bool {
        self.lease.is_some() && self.due > now
    }

    /// Where it stands at this time.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        match self.parked {
            Some(since) => Standing::Parked { since },
            None if self.due <= now => Standing::Due,
            None if self.lease.is_some() => Standing::InProgress { until: self.due },
            None => Standing::Waiting { until: self.due },
        }
    }

    /// What it is once an operator wants it tried anew.
    #[must_use]
    pub fn redriven(self, now: Timestamp) -> Self {
        Self { due: now, attempts: 0, failing_since: None, lease: None, parked: None, ..self }
    }
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is to be tried, and nobody works on it.
    Due,
    /// It is to be tried later.
    Waiting {
        /// When.
        until: Timestamp,
    },
    /// Somebody works on it.
    InProgress {
        /// When it is due again if that comes to nothing.
        until: Timestamp,
    },
    /// Nobody tries it any more until an operator says so.
    Parked {
        /// Since when.
        since: Timestamp,
    },
}

impl Standing {
    /// Its name in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Waiting { .. } => "waiting",
            Self::InProgress { .. } => "in progress",
            Self::Parked { .. } => "parked",
        }
    }
}

/// What must hold when a delivery is carried out. Asked then, because asking in the sign-in would cost a call of the directory.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum Condition {
    /// The user exists and was created at this time or later.
    CreatedSince {
        /// The user's name in the pool.
        user_name: String,
        /// The time.
        since: Timestamp,
    },
    /// The user exists, is not disabled, has the address the mail is for and has proven to own it (`email_verified`), and wants
    /// the mails of this list.
    Subscribed {
        /// The user's name in the pool.
        user_name: String,
        /// The list.
        list: String,
    },
    /// The same, and the user has not signed in for so long. After a sign-in it is not due before the time has passed anew. The
    /// mail is filled with `last`, the time of the last sign-in, or of the staging where there was none, and with `days`, the
    /// whole days since.
    Absent {
        /// The user's name in the pool.
        user_name: String,
        /// The list.
        list: String,
        /// The mark of the member that has to be as old as the delivery: of several that were staged only the last counts.
        mark: String,
        /// For how long, in seconds.
        seconds: i64,
    },
    /// The warning of the password's age that counts is that of this time, see [`PasswordAge`](super::PasswordAge), and the
    /// user is not disabled, has the address the mail is for and has proven to own it.
    WarningStands {
        /// The user's name in the pool.
        user_name: String,
        /// The time.
        warning: Timestamp,
    },
}

/// What is to be done.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// Sets attributes of the user through the directory.
    UpdateAttributes {
        /// The user's name in the pool.
        user_name: String,
        /// The attributes and their new values.
        attributes: BTreeMap<String, String>,
    },
    /// Sends a mail through the mailer.
    Mail(Mail),
    /// Puts a set of files into the bucket: those that are not there yet.
    Files(Files),
    /// Hands an event to the publisher.
    Publish(UserEvent),
}

impl Task {
    /// Its name in lists and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::UpdateAttributes { .. } => "update-attributes",
            Self::Mail(_) => "mail",
            Self::Files(_) => "files",
            Self::Publish(_) => "publish",
        }
    }

    /// What is to be done, for an operator; nothing of the user.
    #[must_use]
    pub fn gist(&self) -> String {
        match self {
            Self::UpdateAttributes { attributes, .. } => {
                let names: Vec<_> = attributes.keys().map(String::as_str).collect();
                format!("set {}", names.join(", "))
            }
            Self::Mail(Mail { template, digest: Some(_), .. }) => format!("an entry of the mail {template}"),
            Self::Mail(Mail { template, .. }) => format!("the mail {template}"),
            Self::Files(Files { from: FileSource::Folder(folder), .. }) => format!("the files of {folder}"),
            Self::Files(Files { from: FileSource::Prefix(prefix), .. }) => format!("copies of {prefix}"),
            Self::Publish(event) => format!("the event {}", event.name),
        }
    }
}

/// A mail to be written from a template.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mail {
    /// The folder of the template, e.g. `welcome-email`.
    pub template: String,
    /// Who gets it: at least one, at most 50 (the most SES takes).
    pub to: Vec<Mailbox>,
    /// Who it is from; otherwise whom the mailer names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Mailbox>,
    /// Where answers go; otherwise where the mailer says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_to: Vec<Mailbox>,
    /// The languages to look for, the best first, e.g. `de-AT`, `en`.
    #[serde(default)]
    pub locales: Vec<String>,
    /// What the template is filled with. `user` is taken for the user's attributes by name.
    #[serde(default)]
    pub context: Map<String, Value>,
    /// Mails of one pool to the same recipients with the same digest become one: their contexts are the `entries` of the
    /// context the template is filled with. A mail without one is a single entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Links the mail has: made when it is sent, and `links.<name>` for the template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, LinkWish>,
    /// The name of the link that unsubscribes with one click, told to mail programs (`List-Unsubscribe`, RFC 8058).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<String>,
}

impl Mail {
    /// A mail from whom the mailer names, in no language in particular, filled with nothing.
    #[must_use]
    pub fn new(template: impl Into<String>, to: Vec<Mailbox>) -> Self {
        let (template, context) = (template.into(), Map::new());
        let (from, reply_to, locales, digest) = (None, Vec::new(), Vec::new(), None);
        let (links, unsubscribe) = (BTreeMap::new(), None);
        Self { template, to, from, reply_to, locales, context, digest, links, unsubscribe }
    }
}

/// Files to be put into the bucket.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Files {
    /// Where they come from.
    pub from: FileSource,
    /// What their keys begin with, e.g. `users/<sub>/`.
    pub to: String,
    /// What text files and names are filled with, as in a [`Mail`].
    #[serde(default)]
    pub context: Map<String, Value>,
}

/// Where a set of files comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileSource {
    /// A folder beside the configuration, shipped with the function.
    Folder(String),
    /// Objects of the same bucket whose keys begin like this, copied there.
    Prefix(String),
}

/// An event about a user.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UserEvent {
    /// The same whenever the same event is published again: by it a consumer tells a repetition.
    pub id: String,
    /// What happened, e.g. `user.confirmed`.
    pub name: String,
    /// When.
    pub time: Timestamp,
    /// What is told, as JSON.
    pub detail: Map<String, Value>,
}

impl fmt::Debug for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreatedSince { since, .. } => formatter.debug_tuple("CreatedSince").field(since).finish(),
            Self::Subscribed { list, .. } => formatter.debug_tuple("Subscribed").field(list).finish(),
            Self::Absent { list, .. } => formatter.debug_tuple("Absent").field(list).finish(),
            Self::WarningStands { warning, .. } => formatter.debug_tuple("WarningStands").field(warning).finish(),
        }
    }
}

impl fmt::Debug for Task {
    /// What is to be done and nothing of the user.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpdateAttributes { attributes, .. } => {
                formatter.debug_tuple("UpdateAttributes").field(&attributes.keys()).finish()
            }
            Self::Mail(mail) => mail.fmt(formatter),
            Self::Files(files) => files.fmt(formatter),
            Self::Publish(event) => event.fmt(formatter),
        }
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Mail").field(&self.template).finish()
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Files").field(&self.from).finish()
    }
}

impl fmt::Debug for UserEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("UserEvent").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);

    fn delivery(task: Value) -> Delivery {
        let id = DeliveryId { pool: "p".into(), sub: "anna".into(), key: "welcome-email".into() };
        Delivery::new(id, serde_json::from_value(task).unwrap(), NOW)
    }

    #[test]
    fn a_delivery_stands_where_due_lease_and_parking_put_it() {
        let (later, lease) = (NOW + SignedDuration::from_mins(1), Some(LeaseId::stored("l")));
        let fresh = delivery(json!({ "kind": "mail", "template": "t", "to": [] }));
        let waiting = Delivery { due: later, ..fresh.clone() };
        let taken = Delivery { lease, ..waiting.clone() };
        let parked = Delivery { parked: Some(NOW), ..taken.clone() };
        assert_eq!(fresh.standing(NOW), Standing::Due);
        assert_eq!(waiting.standing(NOW), Standing::Waiting { until: later });
        assert_eq!(taken.standing(NOW), Standing::InProgress { until: later });
        assert_eq!(taken.standing(later), Standing::Due, "the lease has ended");
        assert_eq!(parked.standing(later), Standing::Parked { since: NOW });
    }

    #[test]
    fn the_gist_and_the_debug_output_tell_nothing_of_the_user() {
        let mail =
            json!({ "kind": "mail", "template": "t", "to": ["anna@example.com"], "context": { "name": "Anna" } });
        let mut entry = mail.clone();
        entry["digest"] = "2026-01-01".into();
        let files =
            |from: Value| json!({ "kind": "files", "from": from, "to": "users/anna/", "context": { "name": "Anna" } });
        let event =
            json!({ "kind": "publish", "id": "1", "name": "user.confirmed", "time": NOW, "detail": { "a": "Anna" } });
        let attributes =
            json!({ "kind": "update-attributes", "user-name": "anna", "attributes": { "nickname": "Anna" } });
        for (task, gist) in [
            (mail, "the mail t"),
            (entry, "an entry of the mail t"),
            (files(json!({ "folder": "provision" })), "the files of provision"),
            (files(json!({ "prefix": "templates/" })), "copies of templates/"),
            (event, "the event user.confirmed"),
            (attributes, "set nickname"),
        ] {
            let task = delivery(task).task;
            assert_eq!(task.gist(), gist);
            let debug = format!("{task:?}").to_lowercase();
            assert!(!debug.contains("anna"), "{debug}");
        }
    }
}
