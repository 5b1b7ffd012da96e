//! What an event tells, and its JSON Schema.

use std::collections::BTreeMap;

use cognito_triggers::Fault;
use cognito_triggers::ledger::UserEvent;
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Something that happened to a user of the pool. Within a version fields may be added; none is changed or taken away.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "An event about a user")]
pub struct Detail {
    /// The version of this form.
    pub version: Version,
    /// The same whenever the same event is told again: by it a repetition can be told.
    pub id: String,
    /// When it happened.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// The id of the user pool.
    pub pool: String,
    /// The app client, where it is known. An administrator's call has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub client: Option<String>,
    /// The user.
    pub user: User,
    /// What happened.
    #[serde(flatten)]
    pub happened: Happened,
}

/// The version of the form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Version {
    /// The first.
    #[default]
    #[serde(rename = "1")]
    One,
}

/// Whom it happened to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct User {
    /// The user's `sub`, which never changes.
    pub sub: String,
    /// The attributes that are told, as far as the user has them.
    pub attributes: BTreeMap<String, String>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "name")]
pub enum Happened {
    /// The user is in: told once for every user.
    #[serde(rename = "user.confirmed")]
    Confirmed {
        /// How the user was met.
        met: Met,
    },
    /// The user signed in. Renewing tokens is no sign-in.
    #[serde(rename = "user.signed_in")]
    SignedIn {
        /// Whether the device is new. Only there where the pool remembers devices.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "bool")]
        new_device: Option<bool>,
    },
    /// The user chose another password.
    #[serde(rename = "user.password_changed")]
    PasswordChanged {
        /// Why.
        reason: Reason,
    },
}

/// How a user who is in was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Met {
    /// By being confirmed, or by the first sign-in through another provider.
    Confirmation,
    /// At a sign-in, never having been heard of before.
    SignIn,
}

/// Why a user chose another password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The old one was forgotten, or had to be reset.
    ForgotPassword,
    /// The old one was a temporary one.
    TemporaryPassword,
}

/// The names of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
pub enum EventName {
    /// A user is in: told once for every user.
    #[serde(rename = "user.confirmed")]
    Confirmed,
    /// A user signed in. Costs a read and a write of the ledger per sign-in.
    #[serde(rename = "user.signed_in")]
    SignedIn,
    /// A user replaced a forgotten or a temporary password.
    #[serde(rename = "user.password_changed")]
    PasswordChanged,
}

impl EventName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Confirmed, Self::SignedIn, Self::PasswordChanged];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "user.confirmed",
            Self::SignedIn => "user.signed_in",
            Self::PasswordChanged => "user.password_changed",
        }
    }
}

impl Happened {
    /// The name of the event.
    #[must_use]
    pub const fn name(self) -> EventName {
        match self {
            Self::Confirmed { .. } => EventName::Confirmed,
            Self::SignedIn { .. } => EventName::SignedIn,
            Self::PasswordChanged { .. } => EventName::PasswordChanged,
        }
    }
}

impl Detail {
    /// The event to be published.
    ///
    /// # Errors
    ///
    /// If it cannot be written as a JSON object.
    pub fn into_event(self) -> Result<UserEvent, Fault> {
        let (id, name, time) = (self.id.clone(), self.happened.name().as_str().to_owned(), self.time);
        match serde_json::to_value(self)? {
            Value::Object(detail) => Ok(UserEvent { id, name, time, detail }),
            _ => Err(Fault::new("an event is no JSON object")),
        }
    }
}

/// The id of what happened to a user, once for ever or at a time: 128 bits that whoever works it out anew finds the same.
#[must_use]
pub fn id(pool: &str, sub: &str, name: EventName, at: Option<Timestamp>) -> String {
    let mut hash = Sha256::new();
    let millis = at.map(|time| time.as_millisecond().to_string());
    for part in [pool, sub, name.as_str(), millis.as_deref().unwrap_or_default()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    BASE32_NOPAD.encode(hash.finalize().split_at(16).0)
}

/// The JSON Schema (draft 2020-12) of [`Detail`], as it stands in `docs/user-event.schema.json`.
#[must_use]
pub fn schema() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Detail>().to_value()
}
