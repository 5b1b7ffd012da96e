//! Times in words: the filters `moment` and `day`.
//!
//! Mails are filled with times as RFC 3339 has them. A filter words them in the language of the mail and in the zone it is
//! given, so that no template has to.

use std::error::Error as StdError;
use std::fmt;

use cognito_triggers_moments::{Zone, date_in_words, in_words};
use jiff::Timestamp;
use minijinja::value::{Rest, Value};
use minijinja::{Environment, Error, ErrorKind, State};

/// What the language of the words is found under: no template can name it, and so none can change it.
pub(crate) const LANGUAGE: &str = "language of times";

/// A text that was to be worded is no time.
#[derive(Debug)]
pub(crate) struct NotATime;

/// Lets templates word times.
pub(crate) fn add_filters(engine: &mut Environment<'static>) {
    engine.add_filter("moment", |state: &State<'_, '_>, time: Value, zone: Rest<Value>| {
        worded(state, &time, &zone, in_words)
    });
    engine.add_filter("day", |state: &State<'_, '_>, time: Value, zone: Rest<Value>| {
        worded(state, &time, &zone, date_in_words)
    });
}

fn worded(
    state: &State<'_, '_>,
    time: &Value,
    zone: &[Value],
    words: fn(Timestamp, &Zone, &str) -> String,
) -> Result<String, Error> {
    let zone = match zone {
        [] => Zone::utc(),
        [zone] if zone.is_undefined() => return Err(ErrorKind::UndefinedError.into()),
        // Users may have any text there, and none.
        [zone] => zone.as_str().and_then(Zone::of).unwrap_or_else(Zone::utc),
        _ => return Err(ErrorKind::TooManyArguments.into()),
    };
    if time.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let time: Option<Timestamp> = time.as_str().and_then(|time| time.parse().ok());
    let time = time.ok_or_else(|| Error::from(ErrorKind::InvalidOperation).with_source(NotATime))?;
    let language = state.lookup(LANGUAGE);
    Ok(words(time, &zone, language.as_ref().and_then(Value::as_str).unwrap_or_default()))
}

impl fmt::Display for NotATime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this is not a time")
    }
}

impl StdError for NotATime {}
