//! What users read while nobody gets in: a sentence that may name the end, and that reads well where none is known.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// A sentence for users. `{until}` stands for the end, and what stands in square brackets is left out where there is none.
///
/// ```
/// use maintenance::Text;
///
/// let text: Text = "We are closed[ until {until}], please come back later".parse()?;
/// assert_eq!(text.sentence(Some("22:00")).unwrap(), "We are closed until 22:00, please come back later");
/// assert_eq!(text.sentence(None).unwrap(), "We are closed, please come back later");
/// assert!("We are closed until {untill}".parse::<Text>().is_err());
/// # Ok::<(), maintenance::NotAText>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Vec<Piece>);

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    what: What,
    /// Whether it stands in brackets.
    only_with_end: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Words(Cow<'static, str>),
    End,
}

/// What was given cannot be shown to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAText {
    /// There is nothing to read.
    #[error("the text is empty: write a sentence, or leave it out for the usual one")]
    Empty,
    /// It has more characters than [`Text::LONGEST`].
    #[error("the text is longer than {} characters: write a shorter one", Text::LONGEST)]
    TooLong,
    /// It holds a line break or the like.
    #[error("the text holds a line break or another control character: write it in one line")]
    Control,
    /// It holds braces that stand for nothing.
    #[error("there is no such placeholder: in braces there can only be `{{until}}`, for the end")]
    Placeholder,
    /// Its brackets do not fit.
    #[error(
        "square brackets hold what is left out where there is no end: close each, put none into another, and put \
         `{{until}}` into each"
    )]
    Brackets,
    /// All of it stands in brackets.
    #[error(
        "nothing is left of the text where there is no end: write a sentence, and only what names the end in brackets"
    )]
    NothingLeft,
}

impl Text {
    /// The most characters it may have, as it is written.
    pub const LONGEST: usize = 500;

    /// What is to be read, with the end in words if there is one. `None`: the text cannot do without an end.
    #[must_use]
    pub fn sentence(&self, end: Option<&str>) -> Option<String> {
        let mut sentence = String::new();
        for piece in self.0.iter().filter(|piece| end.is_some() || !piece.only_with_end) {
            sentence.push_str(match &piece.what {
                What::Words(words) => words,
                What::End => end?,
            });
        }
        // Leaving something out may leave two blanks behind.
        Some(sentence.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Whether it can only be read where there is an end.
    #[must_use]
    pub fn needs_end(&self) -> bool {
        self.0.iter().any(|piece| piece.what == What::End && !piece.only_with_end)
    }
}

/// What is read where nobody wrote anything else.
impl Default for Text {
    fn default() -> Self {
        let words = |words| What::Words(Cow::Borrowed(words));
        let piece = |what, only_with_end| Piece { what, only_with_end };
        Self(vec![
            piece(words("We are down for maintenance"), false),
            piece(words(" until "), true),
            piece(What::End, true),
            piece(words(", please come back later"), false),
        ])
    }
}

impl FromStr for Text {
    type Err = NotAText;

    fn from_str(text: &str) -> Result<Self, NotAText> {
        if text.trim().is_empty() {
            return Err(NotAText::Empty);
        }
        if text.chars().count() > Self::LONGEST {
            return Err(NotAText::TooLong);
        }
        if text.contains(char::is_control) {
            return Err(NotAText::Control);
        }
        let parsed = parse(text)?;
        match parsed.sentence(None) {
            Some(without) if !without.contains(char::is_alphanumeric) => Err(NotAText::NothingLeft),
            _ => Ok(parsed),
        }
    }
}

fn parse(text: &str) -> Result<Text, NotAText> {
    let mut pieces = Vec::new();
    let (mut within, mut named) = (false, false);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (taken, after) = match next {
            '{' => {
                let after = rest.strip_prefix("{until}").ok_or(NotAText::Placeholder)?;
                named = true;
                (Some(What::End), after)
            }
            '}' => return Err(NotAText::Placeholder),
            '[' if within => return Err(NotAText::Brackets),
            ']' if !(within && named) => return Err(NotAText::Brackets),
            '[' | ']' => {
                (within, named) = (next == '[', false);
                (None, rest.split_at(1).1)
            }
            _ => {
                let (words, after) = rest.split_at(rest.find(['{', '}', '[', ']']).unwrap_or(rest.len()));
                (Some(What::Words(words.to_owned().into())), after)
            }
        };
        pieces.extend(taken.map(|what| Piece { what, only_with_end: within }));
        rest = after;
    }
    if within { Err(NotAText::Brackets) } else { Ok(Text(pieces)) }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": Self::LONGEST })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        text.parse().unwrap()
    }

    #[test]
    fn the_end_stands_where_it_is_named() {
        let both = |written: &str| (text(written).sentence(Some("22:00")), text(written).sentence(None));
        let some = |words: &str| Some(words.to_owned());
        assert_eq!(both("We are closed"), (some("We are closed"), some("We are closed")));
        assert_eq!(both("Back at {until}, not before {until}"), (some("Back at 22:00, not before 22:00"), None));
        assert_eq!(both("Closed[ until {until}]!"), (some("Closed until 22:00!"), some("Closed!")));
        assert_eq!(
            both("Back [at {until}] or so[ ({until})]"),
            (some("Back at 22:00 or so (22:00)"), some("Back or so"))
        );
        assert_eq!(both("Wir \u{f6}ffnen[ {until}]"), (some("Wir \u{f6}ffnen 22:00"), some("Wir \u{f6}ffnen")));
        assert_eq!(both("Closed[ until {until}] as of {until}"), (some("Closed until 22:00 as of 22:00"), None));
    }

    #[test]
    fn what_would_read_badly_is_refused() {
        for (written, error) in [
            ("", NotAText::Empty),
            ("  ", NotAText::Empty),
            ("Closed until {untill}", NotAText::Placeholder),
            ("Closed until {Until}", NotAText::Placeholder),
            ("Closed until { until }", NotAText::Placeholder),
            ("Closed until {{until}}", NotAText::Placeholder),
            ("Closed until {until", NotAText::Placeholder),
            ("Closed until until}", NotAText::Placeholder),
            ("Closed {}", NotAText::Placeholder),
            ("Closed [for a while]", NotAText::Brackets),
            ("Closed {until} [for a while]", NotAText::Brackets),
            ("Closed [until {until}", NotAText::Brackets),
            ("Closed until {until}]", NotAText::Brackets),
            ("Closed [until [{until}]]", NotAText::Brackets),
            ("[Closed until {until}]", NotAText::NothingLeft),
            ("[Closed until {until}].", NotAText::NothingLeft),
            ("Closed\nuntil {until}", NotAText::Control),
            ("Closed\u{1b}[31m", NotAText::Control),
        ] {
            assert_eq!(written.parse::<Text>(), Err(error), "{written:?}");
        }
        assert_eq!("\u{e4}".repeat(501).parse::<Text>(), Err(NotAText::TooLong));
        assert!("\u{e4}".repeat(500).parse::<Text>().is_ok());
    }

    #[test]
    fn only_what_stands_outside_of_brackets_needs_an_end() {
        assert!(text("Back at {until}").needs_end());
        assert!(text("Closed[ until {until}], back at {until}").needs_end());
        assert!(!text("Closed[ until {until}]").needs_end());
        assert!(!text("Closed").needs_end());
    }

    #[test]
    fn the_usual_text_can_be_written_and_is_printable_ascii() {
        let usual = Text::default();
        assert_eq!(text("We are down for maintenance[ until {until}], please come back later").0, usual.0);
        for sentence in [usual.sentence(None).unwrap(), usual.sentence(Some("22:00")).unwrap()] {
            assert!(sentence.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && !sentence.ends_with('.'));
        }
    }

    #[test]
    fn an_error_says_what_to_write_and_quotes_nothing() {
        let error = serde_json::from_value::<Text>("Closed until {untill}".into()).unwrap_err().to_string();
        assert_eq!(error, "there is no such placeholder: in braces there can only be `{until}`, for the end");
    }
}
