//! Languages: how they are written, which one suits, and which way it runs.

use std::fmt;

/// A language as it is named by a file, e.g. `de-AT`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Locale(Vec<String>);

/// Languages that are written from right to left (Unicode CLDR, `characterOrder`).
const RIGHT_TO_LEFT: [&str; 14] =
    ["ar", "arc", "ckb", "dv", "fa", "he", "iw", "ji", "ps", "sd", "syr", "ug", "ur", "yi"];
/// Scripts that are.
const RIGHT_TO_LEFT_SCRIPTS: [&str; 6] = ["arab", "hebr", "nkoo", "rohg", "syrc", "thaa"];

impl Locale {
    /// Reads `de`, `de-AT` or `DE_at`: a language of two or three letters, and up to four more parts.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<String> = text.split(['-', '_']).map(str::to_ascii_lowercase).collect();
        let (language, rest) = parts.split_first()?;
        let is_language = (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_part =
            |part: &String| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_language && rest.len() <= 4 && rest.iter().all(is_part)).then_some(Self(parts))
    }

    /// The one that suits best: for each that is wanted, in order, the same, the same with less, then any other of the same
    /// language; then English; then the first.
    pub(crate) fn choose<'a>(wanted: &[String], there: &'a [Self]) -> Option<&'a Self> {
        let english = Self(vec!["en".to_owned()]);
        let wanted = wanted.iter().filter_map(|text| Self::parse(text)).chain([english]);
        wanted.into_iter().find_map(|wanted| wanted.nearest(there)).or(there.first())
    }

    /// The same as the reader speaks it: the first that is wanted of this language, with its country. Words of a template are
    /// those of its file, but a day in January is named otherwise in Austria.
    pub(crate) fn as_wanted(&self, wanted: &[String]) -> Self {
        let same = |other: &Self| other.0.first() == self.0.first();
        wanted.iter().filter_map(|text| Self::parse(text)).find(same).unwrap_or_else(|| self.clone())
    }

    /// The same with less, the longest first: `zh-Hant` and `zh` of `zh-Hant-TW`.
    pub(crate) fn less(&self) -> impl Iterator<Item = Self> + '_ {
        (1..self.0.len()).rev().filter_map(|length| Some(Self(self.0.get(..length)?.to_vec())))
    }

    fn nearest<'a>(&self, there: &'a [Self]) -> Option<&'a Self> {
        let shorter = (1..=self.0.len()).rev().filter_map(|length| self.0.get(..length));
        let same = shorter.into_iter().find_map(|parts| there.iter().find(|locale| locale.0 == parts));
        same.or_else(|| there.iter().find(|locale| locale.0.first() == self.0.first()))
    }

    /// `rtl` or `ltr`, as HTML calls it.
    pub(crate) fn direction(&self) -> &'static str {
        let script =
            self.0.iter().skip(1).find(|part| part.len() == 4 && part.bytes().all(|it| it.is_ascii_lowercase()));
        let is_rtl = match script {
            Some(script) => RIGHT_TO_LEFT_SCRIPTS.contains(&script.as_str()),
            None => self.0.first().is_some_and(|language| RIGHT_TO_LEFT.contains(&language.as_str())),
        };
        if is_rtl { "rtl" } else { "ltr" }
    }
}

impl fmt::Display for Locale {
    /// As BCP 47 recommends it: `de-AT`, `zh-Hant-TW`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            match (index, part.len(), part.split_at_checked(1)) {
                (0, ..) => formatter.write_str(part)?,
                (_, 2, _) => write!(formatter, "-{}", part.to_ascii_uppercase())?,
                (_, 4, Some((first, rest))) => write!(formatter, "-{}{rest}", first.to_ascii_uppercase())?,
                _ => write!(formatter, "-{part}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wanted: &[&str], there: &[&str]) -> String {
        let mut there: Vec<_> = there.iter().map(|text| Locale::parse(text).unwrap()).collect();
        there.sort();
        let wanted: Vec<_> = wanted.iter().map(|&text| text.to_owned()).collect();
        Locale::choose(&wanted, &there).unwrap().to_string()
    }

    #[test]
    fn the_nearest_language_is_chosen() {
        assert_eq!(chosen(&["de-AT", "en"], &["de", "de-AT", "en"]), "de-AT");
        assert_eq!(chosen(&["DE_at", "en"], &["de", "en", "de-DE"]), "de");
        assert_eq!(chosen(&["de-AT", "en"], &["de-DE", "en"]), "de-DE", "a sibling before another language");
        assert_eq!(chosen(&["zh-Hant-TW"], &["zh-Hant", "zh"]), "zh-Hant");
        assert_eq!(chosen(&["it", "fr"], &["de", "en", "fr"]), "fr");
        assert_eq!(chosen(&["it"], &["de", "en", "fr"]), "en");
        assert_eq!(chosen(&["it"], &["de", "en-GB", "fr"]), "en-GB");
        assert_eq!(chosen(&[], &["fr", "de"]), "de", "the first in order");
    }

    #[test]
    fn what_a_dialect_belongs_to_is_known() {
        let less = |text| Locale::parse(text).unwrap().less().map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(less("zh-Hant-TW"), ["zh-Hant", "zh"]);
        assert_eq!(less("de"), [""; 0]);
    }

    #[test]
    fn a_language_is_spoken_as_the_reader_does() {
        let spoken = |wanted: &[&str], chosen: &str| {
            let wanted: Vec<_> = wanted.iter().map(|&text| text.to_owned()).collect();
            Locale::parse(chosen).unwrap().as_wanted(&wanted).to_string()
        };
        assert_eq!(spoken(&["de-AT", "en"], "de"), "de-AT");
        assert_eq!(spoken(&["it", "en-US"], "en"), "en-US");
        assert_eq!(spoken(&["<b>", "it"], "en-GB"), "en-GB");
    }

    #[test]
    fn what_is_no_language_is_passed_over() {
        for text in ["", "-", "d", "deutsch", "de--AT", "<b>", "../en", "de-AT.UTF-8", "\u{202e}de"] {
            assert_eq!(Locale::parse(text), None, "{text}");
            assert_eq!(chosen(&[text, "fr"], &["de", "en", "fr"]), "fr");
        }
    }

    #[test]
    fn the_direction_follows_language_and_script() {
        let direction = |text| Locale::parse(text).unwrap().direction();
        assert_eq!(["ar", "ar-EG", "he", "fa_IR", "ur", "pa-Arab"].map(direction), ["rtl"; 6]);
        assert_eq!(["en", "de-AT", "az", "ur-Latn", "zh-Hant-TW"].map(direction), ["ltr"; 5]);
    }
}
