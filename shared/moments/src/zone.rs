//! Time zones, by the names users have them in.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use crate::language::Language;

/// A time zone by its name in the tz database, which is how it prints and how it stands in a configuration.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

/// What was given is not the name of a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such time zone; write its name in the tz database, e.g. `Europe/Vienna` or `UTC`")]
pub struct NotAZone;

impl Zone {
    /// The zone of this name, e.g. `Europe/Vienna`, as users have it in their attribute `zoneinfo`. `None` if there is none.
    ///
    /// Anybody may have chosen the name. It is looked up in the database that is part of the program and nowhere else: a name
    /// is never a path.
    ///
    /// ```
    /// use cognito_triggers_moments::Zone;
    ///
    /// assert!(Zone::of("Europe/Vienna").is_some());
    /// assert!(Zone::of("../../etc/localtime").is_none());
    /// ```
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown()).map(Self)
    }

    /// The zone a user has in the attribute `zoneinfo`, if that names one, else this other one.
    #[must_use]
    pub fn of_user(zoneinfo: Option<&str>, otherwise: Option<&Self>) -> Option<Self> {
        zoneinfo.map(str::trim).and_then(Self::of).or_else(|| otherwise.cloned())
    }

    /// UTC.
    #[must_use]
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Which day it is there.
    #[must_use]
    pub fn date_at(&self, time: Timestamp) -> Date {
        self.at(time).date()
    }

    pub(crate) fn at(&self, time: Timestamp) -> Zoned {
        time.to_zoned(self.0.clone())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl FromStr for Zone {
    type Err = NotAZone;

    fn from_str(name: &str) -> Result<Self, NotAZone> {
        Self::of(name).ok_or(NotAZone)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Zone {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Zone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Abbreviations, each with the one difference from UTC, in minutes, at which it is written. `CST` is another thing in Shanghai
/// and in Havana, and `IST` in Dublin and in Jerusalem; there the difference itself is.
pub(crate) const ABBREVIATIONS: [(&str, i32); 34] = [
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 60),
    ("BST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("AKST", -540),
    ("AKDT", -480),
    ("HST", -600),
    ("NST", -210),
    ("NDT", -150),
    ("IST", 330),
    ("SAST", 120),
    ("EAT", 180),
    ("JST", 540),
    ("KST", 540),
    ("AWST", 480),
    ("ACST", 570),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
];

/// What the zone is called at this time: its abbreviation if readers know it, else the difference from UTC, e.g. `UTC-3`.
pub(crate) fn label(there: &Zoned, language: &Language) -> String {
    let offset = there.time_zone().to_offset_info(there.timestamp());
    let minutes = offset.offset().seconds() / 60;
    let known = |(abbreviation, at): &&(&str, i32)| *abbreviation == offset.abbreviation() && *at == minutes;
    match ABBREVIATIONS.iter().find(known) {
        Some((abbreviation, _)) => language.zone(abbreviation).to_owned(),
        None => difference(offset.offset()),
    }
}

/// `UTC`, `UTC-3` or `UTC+5:45`.
fn difference(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    match (minutes.abs() / 60, minutes.abs() % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}
