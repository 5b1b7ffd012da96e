//! The same as `words` with ICU4X, in the smallest form there is: the Gregorian calendar only, no names of zones.

use std::error::Error;

use icu_calendar::Gregorian;
use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::YMDT;
use icu_datetime::input::{Date, DateTime, Time};
use icu_datetime::options::TimePrecision;
use icu_locale_core::Locale;
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

#[allow(clippy::print_stdout, reason = "it prints what it words")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().unwrap_or_default();
    let (time, zone, language): (Timestamp, _, Locale) =
        (next().parse()?, TimeZoneDatabase::bundled().get(&next())?, next().parse()?);
    let there = time.to_zoned(zone);
    let date = Date::try_new_gregorian(there.year().into(), there.month().try_into()?, there.day().try_into()?)?;
    let time = Time::try_new(there.hour().try_into()?, there.minute().try_into()?, 0, 0)?;
    let fields = YMDT::long().with_time_precision(TimePrecision::Minute);
    let formatter = FixedCalendarDateTimeFormatter::<Gregorian, _>::try_new(language.into(), fields)?;
    println!("{}", formatter.format(&DateTime { date, time }));
    Ok(())
}
