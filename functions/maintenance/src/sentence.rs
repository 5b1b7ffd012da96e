//! Which text a user reads, and in which language and zone it names the end.

use std::iter;

use cognito_triggers::Attributes;
use cognito_triggers::ledger::Downtime;
use cognito_triggers::mailing::Locale;
use cognito_triggers_moments::{Zone, in_words};
use jiff::Timestamp;

use crate::{Maintenance, Text, Window};

/// What closes: until when, and how that is said this one time.
pub(crate) struct Wording {
    until: Option<Timestamp>,
    own: Texts,
}

/// Texts for users of some languages, and for all others.
struct Texts {
    by_language: Vec<(String, Text)>,
    other: Option<Text>,
}

impl Wording {
    pub(crate) fn of_window(window: &Window) -> Self {
        Self { until: Some(window.until()), own: Texts::of(&window.messages, window.message.clone()) }
    }

    /// Nobody has looked at the texts since somebody put them into the ledger: one that is none is passed over.
    pub(crate) fn of_switch(downtime: &Downtime) -> Self {
        let texts = downtime.messages.iter().filter_map(|(language, text)| Some((language, text.parse().ok()?)));
        let (other, by_language): (Vec<_>, Vec<_>) = texts.partition(|(language, _)| language.is_empty());
        let by_language = by_language.into_iter().map(|(language, text)| (language.replace('_', "-"), text)).collect();
        let other = other.into_iter().map(|(_, text)| text).next();
        Self { until: downtime.until, own: Texts { by_language, other } }
    }

    /// What somebody with these attributes reads: of the texts for this one time, else of the table's, else the usual one.
    pub(crate) fn sentence(&self, settings: &Maintenance, attributes: &Attributes) -> String {
        let theirs = Locale::of_user(attributes).unwrap_or_else(|| settings.locale.clone());
        let zone = Zone::of_user(attributes.find("zoneinfo"), settings.zone.as_ref()).unwrap_or_else(Zone::utc);
        let of_table = Texts::of(&settings.messages, settings.message.clone());
        let usual = Texts { by_language: Vec::new(), other: Some(Text::default()) };
        let english = Locale::default();
        let all = self.own.in_order(&theirs, &settings.locale).chain(of_table.in_order(&theirs, &settings.locale));
        let mut all = all.chain(usual.in_order(&theirs, &english));
        let said = |(text, language): (&Text, &str)| {
            text.sentence(self.until.map(|until| in_words(until, &zone, language)).as_deref())
        };
        all.find_map(said).unwrap_or_default()
    }
}

impl Texts {
    fn of<'a>(by_language: impl IntoIterator<Item = (&'a Locale, &'a Text)>, other: Option<Text>) -> Self {
        let owned = |(language, text): (&Locale, &Text)| (language.as_str().to_owned(), text.clone());
        Self { by_language: by_language.into_iter().map(owned).collect(), other }
    }

    /// The texts for a user in the order of how well they fit, each with the language it is written in, so that a time within
    /// it is not in another.
    fn in_order<'a>(&'a self, theirs: &'a Locale, others: &'a Locale) -> impl Iterator<Item = (&'a Text, &'a str)> {
        let of = |tag: &str| {
            self.by_language.iter().find(|(language, _)| language.eq_ignore_ascii_case(tag)).map(|(_, text)| text)
        };
        let fitting = less_and_less(theirs.as_str()).filter_map(move |tag| Some((of(tag)?, theirs.as_str())));
        let same = primary(theirs).eq_ignore_ascii_case(primary(others));
        let others = if same { theirs.as_str() } else { others.as_str() };
        fitting.chain(self.other.iter().map(move |text| (text, others)))
    }
}

/// `de-AT`, then `de`.
fn less_and_less(tag: &str) -> impl Iterator<Item = &str> {
    iter::successors(Some(tag), |tag| tag.rsplit_once('-').map(|(rest, _)| rest))
}

/// The language of a tag without a country.
fn primary(locale: &Locale) -> &str {
    locale.as_str().split('-').next().unwrap_or_default()
}
