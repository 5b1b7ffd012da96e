//! When something is, in the words and the zone of a user.
//!
//! A mail that says `2026-12-24T21:00:00Z` leaves the reader to count. This says it as the reader would: day and clock of the
//! reader's own zone, in the reader's language, and which zone that is, so that nobody has to guess.
//!
//! ```
//! use cognito_triggers_moments::{Zone, date_in_words, in_words};
//!
//! let time = "2026-12-24T21:00:00Z".parse()?;
//! let vienna = Zone::of("Europe/Vienna").unwrap_or_else(Zone::utc);
//! assert_eq!(in_words(time, &vienna, "en"), "24 December 2026 at 22:00 CET");
//! assert_eq!(in_words(time, &vienna, "de"), "24. Dezember 2026 um 22:00 MEZ");
//! assert_eq!(in_words(time, &Zone::utc(), "en-US"), "December 24, 2026 at 9:00 PM UTC");
//! assert_eq!(date_in_words(time, &vienna, "fr"), "24 décembre 2026");
//! # Ok::<(), jiff::Error>(())
//! ```
//!
//! Spoken are English (`en`, and `en-US` with the month first and a clock of twelve hours), German (with the January of
//! `de-AT`), French, Spanish, Italian, Dutch, Polish, Portuguese, Japanese and Arabic. Everything else is English. The words are
//! those of the Unicode CLDR, and tests compare them with it; why they are not taken from a library is told in
//! `docs/adr/0014-how-times-are-worded.md`.
//!
//! What it does not do: other calendars than the Gregorian and other digits than 0 to 9, seconds, days of the week, and lengths of
//! time.

mod language;
mod zone;

use jiff::Timestamp;

use crate::language::Language;
pub use crate::zone::{NotAZone, Zone};

/// Date, time and zone, in this language (BCP 47), or in English if it is not spoken here.
#[must_use]
pub fn in_words(time: Timestamp, zone: &Zone, language: &str) -> String {
    let language = Language::of(language);
    let there = zone.at(time);
    format!("{} {}", language.date_and_time(there.datetime()), zone::label(&there, language))
}

/// The date alone, in this language (BCP 47), or in English if it is not spoken here. The zone decides which day it is.
#[must_use]
pub fn date_in_words(time: Timestamp, zone: &Zone, language: &str) -> String {
    Language::of(language).date(zone.at(time).date())
}

#[cfg(test)]
mod tests;
