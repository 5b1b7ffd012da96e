//! A time as an operator writes it: `onboard-since`.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A time with its offset (RFC 3339), or a date, which stands for its first instant in UTC. With or without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Since(pub Timestamp);

/// What it looks like, for messages.
const EXAMPLE: &str = "a date such as 2026-01-31, or a time with its offset such as 2026-01-31T09:00:00+01:00";

fn parse(text: &str) -> Option<Timestamp> {
    // Jiff's own parser of dates takes a time without an offset for a date as well.
    if let Ok(date) = Date::strptime("%Y-%m-%d", text) {
        return Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    text.parse().ok()
}

impl<'de> Deserialize<'de> for Since {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Since;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(EXAMPLE)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Since, E> {
                parse(text).map(Since).ok_or_else(|| E::custom(format!("expected {EXAMPLE}")))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl JsonSchema for Since {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Since".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "anyOf": [{ "format": "date" }, { "format": "date-time" }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(text: &str) -> Result<String, String> {
        let parsed: Result<Since, serde_json::Error> = serde_json::from_value(text.into());
        parsed.map(|Since(time)| time.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_date_begins_at_midnight_in_utc_and_a_time_says_its_offset() {
        assert_eq!(since("2026-01-31").unwrap(), "2026-01-31T00:00:00Z");
        assert_eq!(since("2026-01-31T09:00:00+01:00").unwrap(), "2026-01-31T08:00:00Z");
        assert_eq!(since("2026-01-31 09:00:00Z").unwrap(), "2026-01-31T09:00:00Z");
    }

    #[test]
    fn what_could_mean_several_times_is_refused() {
        for text in ["2026-01-31T09:00:00", "2026-02-30", "31.01.2026", "2026-01", "yesterday", ""] {
            assert_eq!(since(text).unwrap_err(), format!("expected {EXAMPLE}"), "{text}");
        }
    }
}
