//! Points in time as operators write them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

/// Reads a time in the future: a span from now on (`7d`, `12h`, `2w`; a day has 24 hours), a day, which is its start in UTC
/// (`2027-01-31`), or a time with its offset (`2027-01-31T12:00:00Z`).
pub(crate) fn future(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let help = "write e.g. 7d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z";
    let time = match text.parse::<Timestamp>().ok().or_else(|| start_of_day(text)) {
        Some(time) => time,
        None if text.contains(':') && text.parse::<DateTime>().is_ok() => {
            return Err(format!("`{text}` has no offset from UTC; write e.g. {text}Z"));
        }
        None => {
            let span: Span = text.parse().map_err(|_| format!("`{text}` is no time; {help}"))?;
            let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
            duration
                .and_then(|duration| now.checked_add(duration))
                .map_err(|_| format!("`{text}` is out of range; {help}"))?
        }
    };
    if time <= now {
        return Err(format!("`{text}` is over already; {help}"));
    }
    Ok(time)
}

/// The start of a day in UTC. Read by its form: jiff takes a date and a time for a date too.
fn start_of_day(text: &str) -> Option<Timestamp> {
    let date = Date::strptime("%Y-%m-%d", text).ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A time to the minute, in UTC.
pub(crate) fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_times_are_read() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("7d", "2026-01-08T12:00:00Z"),
            ("2w", "2026-01-15T12:00:00Z"),
            ("90m", "2026-01-01T13:30:00Z"),
            ("1d 12h", "2026-01-03T00:00:00Z"),
            ("2030-01-01", "2030-01-01T00:00:00Z"),
            ("2026-02-01T00:00:00+01:00", "2026-01-31T23:00:00Z"),
        ] {
            assert_eq!(future(text, now), Ok(expected.parse().unwrap()), "{text}");
        }
        for text in
            ["", "7", "soon", "-7d", "2020-01-01T00:00:00Z", "2026-01-01", "2027-02-30", "2027-01", "1mo", "99999999y"]
        {
            assert!(future(text, now).is_err(), "{text}");
        }
        let error = future("2027-01-01T12:00", now).unwrap_err();
        assert_eq!(error, "`2027-01-01T12:00` has no offset from UTC; write e.g. 2027-01-01T12:00Z");
        assert_eq!(shown(now), "2026-01-01 12:00");
    }
}
