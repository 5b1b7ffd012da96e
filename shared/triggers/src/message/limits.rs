//! What Cognito takes as the words of a message.
//!
//! The service's API describes them (`EmailVerificationMessageType`, `EmailVerificationSubjectType`,
//! `SmsVerificationMessageType`, `EmailInviteMessageType`, `SmsInviteMessageType`): a mail of 6 to 20,000 letters, marks, symbols,
//! numbers, punctuation and blanks, a subject of 1 to 140 of them, an SMS of 6 to 140 characters on one line. What a trigger
//! answers is held to the same: "1 validation error detected: Value at 'emailBody' failed to satisfy constraint" is what the
//! user's call fails with otherwise.
//!
//! Two things are not documented, and taken for the worse: how characters are counted (as UTF-16 units towards the upper bound), and in
//! which version of Unicode they are looked up. So a page holds what lies beyond the basic plane as references, which are ASCII, and
//! a subject holds of it only what has long been known.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::age::is_long_known;
use super::{Occasion, Placeholders};

/// A part of a message, by the key of the response it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// `emailSubject`.
    Subject,
    /// `emailMessage`, a page.
    Email,
    /// `smsMessage`.
    Sms,
}

/// Why Cognito would not take it. The text names nothing of the user but single characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too few characters, or too many.
    Length {
        /// How many there are.
        characters: usize,
        /// How many there may be.
        bounds: RangeInclusive<usize>,
    },
    /// A character that cannot stand there.
    Character(char),
    /// A placeholder Cognito insists on is not in it.
    Lacks(&'static str),
    /// The event does not say what Cognito would put in.
    Nameless(&'static str),
}

impl Part {
    /// How many characters it may have.
    #[must_use]
    pub const fn bounds(self) -> RangeInclusive<usize> {
        match self {
            Self::Subject => 1..=140,
            Self::Email => 6..=20_000,
            Self::Sms => 6..=140,
        }
    }

    /// How it is called in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "the subject",
            Self::Email => "the mail",
            Self::Sms => "the SMS",
        }
    }

    /// How many characters a text has towards the upper bound: UTF-16 units.
    #[must_use]
    pub fn length(text: &str) -> usize {
        text.chars().map(char::len_utf16).sum()
    }

    /// What Cognito puts into this part, by the names of the templates, and what it is called in the text.
    fn needs(self, occasion: Occasion, by_link: bool, there: &Placeholders) -> Vec<(&'static str, Option<&str>)> {
        let code = ("code", there.code.as_deref());
        match self {
            Self::Subject => Vec::new(),
            _ if occasion == Occasion::AdminCreateUser => vec![code, ("username", there.user_name.as_deref())],
            Self::Email if by_link && occasion.may_be_by_link() => vec![("link", there.link.as_deref())],
            Self::Email | Self::Sms => vec![code],
        }
    }

    fn permits(self, occasion: Occasion, character: char) -> bool {
        match self {
            // Of an SMS nothing is asked but that it is one line; of an invitation not even that.
            Self::Sms if occasion == Occasion::AdminCreateUser => true,
            Self::Sms => !matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'),
            Self::Email => is_blank(character) || is_visible(character),
            Self::Subject => is_blank(character) || is_visible(character) && is_long_known(character),
        }
    }
}

/// Everything Cognito would not take, once each. `by_link`: whether the pool verifies by link.
#[must_use]
pub fn refusals(
    part: Part,
    text: &str,
    occasion: Occasion,
    by_link: bool,
    placeholders: &Placeholders,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (name, placeholder) in part.needs(occasion, by_link, placeholders) {
        match placeholder {
            None => refusals.push(Refusal::Nameless(name)),
            Some(placeholder) if !text.contains(placeholder) => refusals.push(Refusal::Lacks(name)),
            Some(_) => {}
        }
    }
    let bounds = part.bounds();
    // Whatever is counted, it is enough at one end and not too much at the other.
    let (fewest, most) = (text.chars().count(), Part::length(text));
    if fewest < *bounds.start() {
        refusals.push(Refusal::Length { characters: fewest, bounds });
    } else if most > *bounds.end() {
        refusals.push(Refusal::Length { characters: most, bounds });
    }
    let mut forbidden: Vec<char> = text.chars().filter(|character| !part.permits(occasion, *character)).collect();
    forbidden.sort_unstable();
    forbidden.dedup();
    refusals.extend(forbidden.into_iter().map(Refusal::Character));
    refusals
}

/// The same without what Cognito would not take, as far as that is safe, and whether anything was lost by it.
///
/// A page loses nothing but control characters: whatever else cannot stand in it is written as a character reference. In a
/// subject and an SMS what joins or turns letters is dropped, and there is one line of single blanks.
#[must_use]
pub fn mended(part: Part, text: &str, occasion: Occasion) -> (String, bool) {
    match part {
        Part::Email => mended_page(text),
        Part::Sms if occasion == Occasion::AdminCreateUser => mended_lines(text),
        Part::Subject => mended_line(text, is_long_known),
        Part::Sms => mended_line(text, |_| true),
    }
}

fn mended_page(text: &str) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut lost = false;
    for character in text.chars() {
        let is_basic = u32::from(character) <= 0xFFFF && is_long_known(character);
        if is_basic && (is_blank(character) || is_visible(character)) {
            out.push(character);
        } else if character.is_control() {
            lost = true;
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "&#{};", u32::from(character));
        }
    }
    (out, lost)
}

fn mended_lines(text: &str) -> (String, bool) {
    let mut lost = false;
    let lines: Vec<_> = text
        .trim()
        .lines()
        .map(|line| {
            let (line, less) = mended_line(line, |_| true);
            lost |= less;
            line
        })
        .collect();
    (lines.join("\n"), lost)
}

fn mended_line(text: &str, permits: fn(char) -> bool) -> (String, bool) {
    let mut lost = false;
    let plain = |character: char| {
        if character.is_whitespace() {
            return Some(' ');
        }
        let fits = is_visible(character) && permits(character);
        lost |= !fits;
        fits.then_some(character)
    };
    let line: String = text.chars().filter_map(plain).collect();
    (line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "), lost)
}

/// `\s` as Java reads it.
const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

/// `\p{L}\p{M}\p{S}\p{N}\p{P}`.
fn is_visible(character: char) -> bool {
    use GeneralCategoryGroup::{Letter, Mark, Number, Punctuation, Symbol};
    // Most of what is looked at is ASCII.
    if character.is_ascii() {
        return character.is_ascii_graphic();
    }
    matches!(character.general_category_group(), Letter | Mark | Symbol | Number | Punctuation)
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { characters, bounds } => {
                write!(formatter, "it has {characters} characters, and may have {} to {}", bounds.start(), bounds.end())
            }
            Self::Character(character) => {
                write!(formatter, "the character U+{:04X} cannot stand in it", u32::from(*character))
            }
            Self::Lacks(name) => write!(formatter, "`{{{{ {name} }}}}` does not stand in it"),
            Self::Nameless(name) => write!(formatter, "the event does not say what stands for `{{{{ {name} }}}}`"),
        }
    }
}

impl Refusal {
    /// What whoever wrote the template can do about it.
    #[must_use]
    pub fn remedy(&self) -> Cow<'static, str> {
        match self {
            Self::Length { characters, bounds } if characters < bounds.start() => "say a little more".into(),
            Self::Length { .. } => "say less, or keep what users chose out of it".into(),
            Self::Character(_) => "leave it out, or in HTML write it as a character reference such as `&#8205;`".into(),
            Self::Lacks(name) => format!("write `{{{{ {name} }}}}` where it is to stand, for every user").into(),
            Self::Nameless("link") => {
                "a pool that verifies by code names no link: leave out `verify-by = \"link\"`".into()
            }
            Self::Nameless(_) => "this is for Cognito to mend: the pool's own words are sent".into(),
        }
    }
}
