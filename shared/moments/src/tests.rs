//! What it says, and that it is what the Unicode CLDR says.

use std::collections::BTreeMap;

use icu_datetime::DateTimeFormatter;
use icu_datetime::fieldsets::{YMD, YMDT};
use icu_datetime::input;
use icu_datetime::options::TimePrecision;
use icu_locale_core::Locale;
use jiff::Zoned;
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use super::*;
use crate::zone::ABBREVIATIONS;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn zone(name: &str) -> Zone {
    Zone::of(name).unwrap_or_else(|| panic!("{name} is a zone"))
}

/// The same as CLDR has it; a plain space where it has one that keeps words together.
fn cldr(there: &Zoned, tag: &str, with_time: bool) -> String {
    // Where `en` alone means the United States to CLDR, it is the world's here.
    let locale: Locale = if tag == "en" { "en-GB" } else { tag }.parse().unwrap();
    let [month, day, hour, minute] =
        [there.month(), there.day(), there.hour(), there.minute()].map(|it| u8::try_from(it).unwrap());
    let date = input::Date::try_new_iso(i32::from(there.year()), month, day).unwrap();
    let time = input::Time::try_new(hour, minute, 0, 0).unwrap();
    let text = if with_time {
        let fields = YMDT::long().with_time_precision(TimePrecision::Minute);
        DateTimeFormatter::try_new(locale.into(), fields).unwrap().format(&input::DateTime { date, time }).to_string()
    } else {
        DateTimeFormatter::try_new(locale.into(), YMD::long()).unwrap().format(&date).to_string()
    };
    text.replace(['\u{202f}', '\u{a0}'], " ")
}

#[test]
fn each_language_has_its_own_words() {
    let time = at("2026-12-24T21:00:00Z");
    let vienna = zone("Europe/Vienna");
    for (language, words) in [
        ("en", "24 December 2026 at 22:00 CET"),
        ("en-GB", "24 December 2026 at 22:00 CET"),
        ("en-US", "December 24, 2026 at 10:00 PM CET"),
        ("de", "24. Dezember 2026 um 22:00 MEZ"),
        ("de-CH", "24. Dezember 2026 um 22:00 MEZ"),
        ("fr", "24 décembre 2026 à 22:00 CET"),
        ("es", "24 de diciembre de 2026 a las 22:00 CET"),
        ("it", "24 dicembre 2026 alle ore 22:00 CET"),
        ("nl", "24 december 2026 om 22:00 CET"),
        ("pl", "24 grudnia 2026, 22:00 CET"),
        ("pt-BR", "24 de dezembro de 2026 às 22:00 CET"),
        ("ja", "2026年12月24日 22:00 CET"),
        ("ar", "24 ديسمبر 2026 في 10:00 م CET"),
        ("ar-EG", "24 ديسمبر 2026 في 10:00 م CET"),
    ] {
        assert_eq!(in_words(time, &vienna, language), words, "{language}");
    }
}

#[test]
fn every_month_and_hour_is_written_as_in_the_cldr() {
    for tag in language::tags() {
        for month in 1..=12 {
            for (day, hour, minute) in [(1, 0, 0), (2, 1, 5), (9, 9, 59), (11, 11, 11), (24, 12, 0), (28, 23, 30)] {
                let time = at(&format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z"));
                let there = Zone::utc().at(time);
                let (mut date, mut both) = (cldr(&there, tag, false), cldr(&there, tag, true));
                // In these CLDR knows no exception: the first of a month is an ordinal, and one o'clock is singular.
                let first = |text: &str| match tag {
                    "fr" if day == 1 => text.replacen("1 ", "1er ", 1),
                    "it" if day == 1 => text.replacen("1 ", "1º ", 1),
                    _ => text.to_owned(),
                };
                (date, both) = (first(&date), first(&both));
                both = match tag {
                    "es" if hour == 1 => both.replace(" a las ", " a la "),
                    "pt" if hour == 1 => both.replace(" às ", " à "),
                    // It joins them with a mere space, so that year and hour look like one number.
                    "pl" => both.replace("2026 ", "2026, "),
                    _ => both,
                };
                assert_eq!(date_in_words(time, &Zone::utc(), tag), date, "{tag}");
                assert_eq!(in_words(time, &Zone::utc(), tag), format!("{both} UTC"), "{tag}");
            }
        }
    }
}

#[test]
fn a_country_matters_where_it_writes_otherwise() {
    let january = at("2026-01-31T12:00:00Z");
    let date = |language| date_in_words(january, &Zone::utc(), language);
    assert_eq!(["de-AT", "DE_at", "de-Latn-AT"].map(date), ["31. Jänner 2026"; 3]);
    assert_eq!(["de", "de-DE", "de-Latn"].map(date), ["31. Januar 2026"; 3]);
    assert_eq!(["en-US", "EN_us"].map(date), ["January 31, 2026"; 2]);
    assert_eq!(["en-AU", "en-Latn", "en"].map(date), ["31 January 2026"; 3]);
}

#[test]
fn an_unknown_language_is_english() {
    for language in ["", "-", "x", "tlh", "zh-Hant-TW", "../de", "<b>", "d", "dee", "\u{202e}ed", "english"] {
        assert_eq!(date_in_words(at("2026-01-31T12:00:00Z"), &Zone::utc(), language), "31 January 2026", "{language}");
    }
}

#[test]
fn a_zone_has_the_name_readers_know_or_its_difference_from_utc() {
    let label = |name: &str, time: &str, language: &str| {
        let words = in_words(at(time), &zone(name), language);
        words.rsplit(' ').next().unwrap().to_owned()
    };
    let (winter, summer) = ("2026-01-15T12:00:00Z", "2026-07-15T12:00:00Z");
    for (name, winter_label, summer_label) in [
        ("UTC", "UTC", "UTC"),
        ("Europe/Vienna", "CET", "CEST"),
        ("Europe/London", "GMT", "BST"),
        ("America/New_York", "EST", "EDT"),
        ("America/Chicago", "CST", "CDT"),
        ("America/Havana", "UTC-5", "UTC-4"),
        ("Asia/Shanghai", "UTC+8", "UTC+8"),
        ("Asia/Manila", "UTC+8", "UTC+8"),
        ("Asia/Kolkata", "IST", "IST"),
        ("Asia/Jerusalem", "UTC+2", "UTC+3"),
        ("Europe/Dublin", "GMT", "UTC+1"),
        ("Asia/Kathmandu", "UTC+5:45", "UTC+5:45"),
        ("America/Sao_Paulo", "UTC-3", "UTC-3"),
        ("America/St_Johns", "NST", "NDT"),
        ("Pacific/Marquesas", "UTC-9:30", "UTC-9:30"),
        ("Antarctica/Troll", "UTC", "UTC+2"),
        ("Etc/GMT+5", "UTC-5", "UTC-5"),
        ("europe/vienna", "CET", "CEST"),
    ] {
        assert_eq!((label(name, winter, "en"), label(name, summer, "en")), (winter_label.into(), summer_label.into()));
    }
    assert_eq!(["Europe/Vienna", "Europe/Athens"].map(|name| label(name, winter, "de")), ["MEZ", "OEZ"]);
    assert_eq!(["Europe/Vienna", "Europe/London"].map(|name| label(name, summer, "de-AT")), ["MESZ", "BST"]);
}

#[test]
fn no_label_means_two_things_and_none_is_idle() {
    let mut offsets: BTreeMap<String, i32> = BTreeMap::new();
    for name in TimeZoneDatabase::bundled().available() {
        let Some(zone) = Zone::of(name.as_str()) else { continue };
        for time in ["2026-01-15T12:00:00Z", "2026-07-15T12:00:00Z"] {
            let there = zone.at(at(time));
            let minutes = there.offset().seconds() / 60;
            let label = zone::label(&there, Language::of("en"));
            assert_eq!(*offsets.entry(label.clone()).or_insert(minutes), minutes, "{label} in {name:?}");
        }
    }
    for (abbreviation, _) in ABBREVIATIONS {
        assert!(offsets.contains_key(abbreviation), "no zone has {abbreviation}");
    }
}

#[test]
fn the_clock_changes_with_the_season() {
    let vienna = zone("Europe/Vienna");
    let words = |time| in_words(at(time), &vienna, "en");
    assert_eq!(words("2026-10-25T00:59:59Z"), "25 October 2026 at 02:59 CEST");
    assert_eq!(words("2026-10-25T01:00:00Z"), "25 October 2026 at 02:00 CET");
    assert_eq!(words("2026-12-31T23:30:00Z"), "1 January 2027 at 00:30 CET");
    assert_eq!(date_in_words(at("2026-12-31T23:30:00Z"), &vienna, "en"), "1 January 2027");
}

#[test]
fn a_name_is_never_a_path() {
    for name in [
        "",
        ".",
        "..",
        "/",
        "../../etc/passwd",
        "../zoneinfo/Europe/Vienna",
        "/etc/localtime",
        "/usr/share/zoneinfo/Europe/Vienna",
        "localtime",
        "posixrules",
        "right/Europe/Vienna",
        "posix/Europe/Vienna",
        "tzdata.zi",
        "Europe",
        "Europe/",
        "Europe/Vienna/",
        "Europe/Vienna\0",
        " Europe/Vienna",
        "Europe\\Vienna",
        "Etc/Unknown",
        "CET-1CEST",
        "+01:00",
        "<b>",
    ] {
        assert!(Zone::of(name).is_none(), "{name:?}");
    }
    assert!(Zone::of(&"Europe/Vienna".repeat(1_000_000)).is_none());
}

proptest! {
    #[test]
    fn any_time_in_any_zone_and_language_has_words(
        seconds in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
        name in "[A-Za-z/_+0-9.\\\\\\x00 -]{0,40}|.{0,20}",
        tag in "[a-z]{2}([-_][A-Za-z]{2,4}){0,2}|.{0,20}",
        nth in 0_usize..700,
    ) {
        let known = TimeZoneDatabase::bundled().available().nth(nth).and_then(|name| Zone::of(name.as_str()));
        let time = Timestamp::from_second(seconds).unwrap();
        for zone in [Zone::of(&name), known, Some(Zone::utc())].into_iter().flatten() {
            for tag in language::tags().map(str::to_owned).chain([tag.clone()]) {
                let words = in_words(time, &zone, &tag);
                prop_assert!(words.starts_with(&date_in_words(time, &zone, &tag)));
                let left_open = words.contains(['{', '}', '\n']);
                prop_assert!(!left_open && words.contains(':'), "{}", words);
            }
        }
    }

    #[test]
    fn the_ends_of_time_are_no_exception(nth in 0_usize..700) {
        let zone = TimeZoneDatabase::bundled().available().nth(nth).and_then(|name| Zone::of(name.as_str()));
        for time in [Timestamp::MIN, Timestamp::MAX] {
            prop_assert!(!in_words(time, &zone.clone().unwrap_or_else(Zone::utc), "en").is_empty());
        }
    }
}

#[test]
fn a_zone_is_named_as_the_tz_database_has_it_and_refused_by_any_other_name() {
    let read = |name: &str| serde_json::from_value::<Zone>(name.into()).map(|zone| zone.to_string());
    for (name, own) in [("Europe/Vienna", "Europe/Vienna"), ("europe/vienna", "Europe/Vienna"), ("UTC", "UTC")] {
        assert_eq!(read(name).unwrap(), own);
    }
    for other in ["", "Vienna", "Mars/Base", "+02:00", "../../etc/localtime"] {
        assert!(read(other).unwrap_err().to_string().starts_with("there is no such time zone; write"), "{other}");
    }
}

#[test]
fn a_users_own_zone_counts_if_it_is_one() {
    let paris = zone("Europe/Paris");
    let name = |own, other| Zone::of_user(own, other).map(|zone| zone.to_string());
    for own in [None, Some(""), Some("home"), Some("Etc/Unknown")] {
        assert_eq!(name(own, Some(&paris)).as_deref(), Some("Europe/Paris"), "{own:?}");
        assert_eq!(name(own, None), None, "{own:?}");
    }
    assert_eq!(name(Some(" Asia/Tokyo "), Some(&paris)).as_deref(), Some("Asia/Tokyo"));
}
