//! When nobody gets in: windows as the configuration names them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cognito_triggers::ConfigError;
use cognito_triggers::config::check_clients;
use cognito_triggers::mailing::Locale;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::Text;

/// A time at which nobody gets in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Window {
    /// From when on, that moment included: a time with its offset, e.g. 2026-12-24T22:00:00+01:00.
    from: Moment,
    /// Until when, that moment not included: a time with its offset.
    until: Moment,
    /// What users read, instead of the table's own text.
    #[serde(default)]
    pub(crate) message: Option<Text>,
    /// The same for users of other languages, e.g. `{ de = ".." }`.
    #[serde(default)]
    pub(crate) messages: BTreeMap<Locale, Text>,
    /// The app clients it is for, by their ids. Left out, it is for the whole pool.
    #[serde(default)]
    clients: Option<BTreeSet<String>>,
}

impl Window {
    /// Whether nobody gets in now by this app client, if it is one.
    pub(crate) fn is_on(&self, now: Timestamp, client: Option<&str>) -> bool {
        let concerns = |clients: &BTreeSet<String>| client.is_some_and(|client| clients.contains(client));
        self.from.0 <= now && now < self.until.0 && self.clients.as_ref().is_none_or(concerns)
    }

    /// When it is over.
    pub(crate) fn until(&self) -> Timestamp {
        self.until.0
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.until.0 <= self.from.0 {
            return Err(ConfigError::new("the window ends before it begins")
                .at("until")
                .remedy("write a time that is later than `from`"));
        }
        if self.clients.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(ConfigError::new("an empty list closes nothing")
                .at("clients")
                .remedy("name app clients, or leave the key out for the whole pool"));
        }
        check_clients("clients", self.clients.iter().flatten())
    }
}

/// A time with its offset (RFC 3339), with or without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment(Timestamp);

/// What it looks like, for messages.
const EXAMPLE: &str = "2026-12-24T22:00:00+01:00";

fn parse(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    // Jiff reads a date as a time too, midnight. Neither says where.
    let is_local = text.parse::<DateTime>().is_ok() || text.parse::<Date>().is_ok();
    Err(match is_local {
        true => format!("the time has no offset from UTC, so it is another one elsewhere; write e.g. {EXAMPLE}"),
        false => format!("expected a time with its offset; write e.g. {EXAMPLE}"),
    })
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl Visitor<'_> for Written {
            type Value = Moment;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "a time with its offset such as {EXAMPLE}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
                parse(text).map(Moment).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Written)
    }
}

impl JsonSchema for Moment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_says_its_offset() {
        let read = |text: &str| parse(text).map(|time| time.to_string());
        for text in ["2026-12-24T22:00:00+01:00", "2026-12-24 22:00:00+01:00", "2026-12-24T21:00:00Z"] {
            assert_eq!(read(text).unwrap(), "2026-12-24T21:00:00Z", "{text}");
        }
        for local in ["2026-12-24T22:00:00", "2026-12-24 22:00", "2026-12-24"] {
            assert!(read(local).unwrap_err().starts_with("the time has no offset from UTC"), "{local}");
        }
        for other in ["", "tonight", "22:00", "24.12.2026", "2026-13-24T22:00:00Z", "2026-12-24T22:00:00 CET"] {
            assert!(read(other).unwrap_err().starts_with("expected a time with its offset"), "{other}");
        }
    }
}
