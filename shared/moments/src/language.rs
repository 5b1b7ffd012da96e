//! How dates and times are written in the languages that are spoken here.

use jiff::civil::{Date, DateTime, Time};

/// One language.
#[derive(Debug)]
pub(crate) struct Language {
    /// The language, or the language in a country, as in BCP 47.
    tag: &'static str,
    /// The months in the form that stands in a date, one word each.
    months: &'static str,
    /// A date, with `{day}`, `{month}` and `{year}`.
    date: &'static str,
    /// The same on the first of a month.
    first: &'static str,
    /// What stands between date and time.
    at: &'static str,
    /// The same before one o'clock.
    at_one: &'static str,
    clock: Clock,
    /// Zones with a name of their own in this language: abbreviation and name.
    zones: &'static [(&'static str, &'static str)],
}

/// How the time of a day is written.
#[derive(Debug)]
enum Clock {
    /// `09:05` and `22:05`.
    Padded,
    /// `9:05` and `22:05`.
    Plain,
    /// `9:05` and `10:05`, with what stands behind it before noon and after.
    Twelve(&'static str, &'static str),
}

const ENGLISH: Language = Language {
    tag: "en",
    months: "January February March April May June July August September October November December",
    date: "{day} {month} {year}",
    first: "{day} {month} {year}",
    at: " at ",
    at_one: " at ",
    clock: Clock::Padded,
    zones: &[],
};

const GERMAN: Language = Language {
    tag: "de",
    months: "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    date: "{day}. {month} {year}",
    first: "{day}. {month} {year}",
    at: " um ",
    at_one: " um ",
    clock: Clock::Padded,
    zones: &[("CET", "MEZ"), ("CEST", "MESZ"), ("EET", "OEZ"), ("EEST", "OESZ"), ("WET", "WEZ"), ("WEST", "WESZ")],
};

/// All that are spoken. Each month, joint and clock is that of the Unicode CLDR but where the tests say otherwise.
static LANGUAGES: [Language; 12] = [
    ENGLISH,
    Language {
        tag: "en-US",
        date: "{month} {day}, {year}",
        first: "{month} {day}, {year}",
        clock: Clock::Twelve("AM", "PM"),
        ..ENGLISH
    },
    GERMAN,
    Language {
        tag: "de-AT",
        months: "Jänner Februar März April Mai Juni Juli August September Oktober November Dezember",
        ..GERMAN
    },
    Language {
        tag: "fr",
        months: "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        first: "1er {month} {year}",
        at: " à ",
        at_one: " à ",
        ..ENGLISH
    },
    Language {
        tag: "es",
        months: "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        date: "{day} de {month} de {year}",
        first: "{day} de {month} de {year}",
        at: " a las ",
        at_one: " a la ",
        ..ENGLISH
    },
    Language {
        tag: "it",
        months: "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        first: "1º {month} {year}",
        at: " alle ore ",
        at_one: " alle ore ",
        ..ENGLISH
    },
    Language {
        tag: "nl",
        months: "januari februari maart april mei juni juli augustus september oktober november december",
        at: " om ",
        at_one: " om ",
        ..ENGLISH
    },
    Language {
        tag: "pl",
        months: "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
        at: ", ",
        at_one: ", ",
        ..ENGLISH
    },
    Language {
        tag: "pt",
        months: "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        date: "{day} de {month} de {year}",
        first: "{day} de {month} de {year}",
        at: " às ",
        at_one: " à ",
        ..ENGLISH
    },
    Language {
        tag: "ja",
        months: "1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月",
        date: "{year}年{month}{day}日",
        first: "{year}年{month}{day}日",
        at: " ",
        at_one: " ",
        clock: Clock::Plain,
        ..ENGLISH
    },
    Language {
        tag: "ar",
        months: "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
        at: " في ",
        at_one: " في ",
        clock: Clock::Twelve("ص", "م"),
        ..ENGLISH
    },
];

impl Language {
    /// The language of this name, as in its country if that is known; English if it is not spoken here.
    pub(crate) fn of(tag: &str) -> &'static Self {
        let mut parts = tag.split(['-', '_']);
        let language = parts.next().unwrap_or_default();
        // A script may stand between the two: `de-Latn-AT`.
        let country = parts.find(|part| part.len() == 2);
        let in_country = country.and_then(|country| find(&format!("{language}-{country}")));
        in_country.or_else(|| find(language)).unwrap_or(&ENGLISH)
    }

    /// A date and a time.
    pub(crate) fn date_and_time(&self, at: DateTime) -> String {
        let joint = if at.hour() == 1 { self.at_one } else { self.at };
        format!("{}{joint}{}", self.date(at.date()), self.time(at.time()))
    }

    /// A date.
    pub(crate) fn date(&self, date: Date) -> String {
        let months_before = usize::from(date.month().unsigned_abs()).saturating_sub(1);
        let pattern = if date.day() == 1 { self.first } else { self.date };
        pattern
            .replace("{day}", &date.day().to_string())
            .replace("{month}", self.months.split(' ').nth(months_before).unwrap_or_default())
            .replace("{year}", &date.year().to_string())
    }

    fn time(&self, time: Time) -> String {
        let (hour, minute) = (time.hour(), time.minute());
        match self.clock {
            Clock::Padded => format!("{hour:02}:{minute:02}"),
            Clock::Plain => format!("{hour}:{minute:02}"),
            Clock::Twelve(before_noon, after_noon) => {
                let half = if hour < 12 { before_noon } else { after_noon };
                let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
                format!("{hour}:{minute:02} {half}")
            }
        }
    }

    /// What a zone is called that has this abbreviation in the tz database.
    pub(crate) fn zone(&self, abbreviation: &'static str) -> &'static str {
        self.zones.iter().find(|(known, _)| *known == abbreviation).map_or(abbreviation, |(_, name)| name)
    }
}

fn find(tag: &str) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(tag))
}

/// The tags of all that are spoken.
#[cfg(test)]
pub(crate) fn tags() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().map(|language| language.tag)
}
