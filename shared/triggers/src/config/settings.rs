//! From the tree to a rule's own type, with errors in our words.
//!
//! The texts serde makes quote the value that did not fit, and what does not fit may be a secret. So this is a deserializer
//! with an error type of its own, which knows the key and the line and never the value.

use std::borrow::Cow;
use std::collections::btree_map;
use std::fmt;
use std::slice;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::ConfigError;
use super::tree::{Node, Table, Value, key_name};

/// Reads a rule from its table. It is known to be one: what reads it from anything else is not even built.
pub(super) fn read<R: DeserializeOwned>(settings: &Node) -> Result<R, Misfit> {
    let Some(table) = settings.as_table() else { return Err(Misfit::new("expected a table").in_node(settings)) };
    R::deserialize(Whole(table)).map_err(|misfit| misfit.in_node(settings))
}

/// A whole table: like its node, but nothing else than a table.
struct Whole<'de>(&'de Table);

impl<'de> Deserializer<'de> for Whole<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_map(Entries::of(self.0))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        MapAccessDeserializer::new(Entries::of(self.0)).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// Keys every rule's table may have beside the rule's own.
pub(super) const COMMON_KEYS: [&str; 3] = ["delivery", "off", "on-fault"];

/// Why a table does not fit a rule.
#[derive(Debug)]
pub(super) struct Misfit(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problem: String,
    remedy: Option<String>,
    /// Relative to the table.
    path: String,
    depth: usize,
    line: usize,
    of_pool: bool,
    unknown: Option<(String, &'static [&'static str])>,
    missing: bool,
}

impl Misfit {
    fn new(problem: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            problem: problem.into(),
            remedy: None,
            path: String::new(),
            depth: 0,
            line: 0,
            of_pool: false,
            unknown: None,
            missing: false,
        }))
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// What is neither one of these names nor a table.
    #[cold]
    fn no_choice(node: &Node, variants: &[&str]) -> Self {
        Self::new(format!("expected a string, found {}", node.kind())).remedy(format!("use {}", either(variants)))
    }

    /// Notes where it happened, unless that is known more closely.
    fn in_node(mut self, node: &Node) -> Self {
        if self.0.line == 0 {
            self.0.line = node.line;
            self.0.of_pool = node.of_pool;
        }
        self
    }

    /// The same one step further out: puts a key or an index in front of the path. Apart from the readers of all the types there
    /// are, which are small without it.
    #[cold]
    #[inline(never)]
    fn below(self, node: &Node, step: Step<'_>) -> Self {
        match step {
            Step::Key(key) => self.in_node(node).after(&key_name(key)),
            Step::Index(index) => self.in_node(node).after(&format!("[{index}]")),
        }
    }

    fn after(mut self, step: &str) -> Self {
        let dot = if self.0.path.is_empty() || self.0.path.starts_with('[') { "" } else { "." };
        self.0.path = format!("{step}{dot}{}", self.0.path);
        self.0.depth += 1;
        self
    }

    /// Its line, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.0.line
    }

    /// Whether it is about a value that stands under `[pools]`.
    pub(super) fn of_pool(&self) -> bool {
        self.0.of_pool
    }

    /// Whether all that is wrong is that a key is missing.
    pub(super) fn is_missing(&self) -> bool {
        self.0.missing
    }

    /// The error, with a path relative to the table.
    pub(super) fn into_error(self) -> ConfigError {
        self.into_error_beside(&COMMON_KEYS)
    }

    /// The same for a table of no rule, which has no keys beside its own.
    pub(super) fn into_error_of_no_rule(self) -> ConfigError {
        self.into_error_beside(&[])
    }

    fn into_error_beside(self, common: &[&'static str]) -> ConfigError {
        let Inner { problem, mut remedy, path, depth, unknown, .. } = *self.0;
        if let Some((key, known)) = unknown {
            let mut known = known.to_vec();
            if depth == 1 {
                known.extend(common);
            }
            remedy = Some(match nearest(&key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "remove it; the table takes none".to_owned(),
                None => format!("use {}", either(&known)),
            });
        }
        let error = ConfigError::new(problem).at(path);
        match remedy {
            Some(remedy) => error.remedy(remedy),
            None => error,
        }
    }
}

/// What leads from a value to one within it.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// The name that was probably meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase().replace('_', "-");
    known
        .map(|known| (strsim::jaro_winkler(&name, &known.replace('_', "-")), known))
        .filter(|(likeness, _)| *likeness > 0.82)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

/// `a`, `b` or `c`.
pub(super) fn either(names: &[&str]) -> String {
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            text.push_str(if index + 1 == names.len() { " or " } else { ", " });
        }
        text.push('`');
        text.push_str(name);
        text.push('`');
    }
    text
}

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.problem)
    }
}

impl std::error::Error for Misfit {}

impl Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        if message.starts_with("data did not match any variant of untagged enum") {
            return Self::new("this has none of the forms it may have");
        }
        Self::new(message)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = found_kind(&found);
        let expected = expected.to_string();
        let expected = plain(&expected);
        let misfit = Self::new(format!("expected {expected}, found {found}"));
        if expected.starts_with("an array") && found != "a table" {
            misfit.remedy("put it in brackets: `[...]`")
        } else if expected == "a string" && found != "an array" && found != "a table" {
            misfit.remedy("put it in quotes")
        } else if found == "a string" && (expected.contains("number") || expected == "`true` or `false`") {
            misfit.remedy("write it without quotes")
        } else {
            misfit
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let expected = plain(&expected);
        match found {
            Unexpected::Signed(_) | Unexpected::Unsigned(_) | Unexpected::Float(_) => {
                Self::new("the number is out of range").remedy(format!("use {expected}"))
            }
            _ => Self::new(format!("expected {expected}")),
        }
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        Self::new(format!("expected {}, found {length} elements", plain(&expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let misfit = Self::new("there is no such choice");
        match nearest(variant, expected.iter().copied()) {
            Some(near) => misfit.remedy(format!("did you mean `{near}`?")),
            None => misfit.remedy(format!("use {}", either(expected))),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut misfit = Self::new("there is no such key");
        misfit.0.unknown = Some((field.to_owned(), expected));
        misfit
    }

    fn missing_field(field: &'static str) -> Self {
        let mut misfit = Self::new(format!("the key `{field}` is missing"));
        misfit.0.missing = true;
        misfit.remedy(format!("add `{field} = ...`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("the key `{field}` is given twice"))
    }
}

/// What a visitor was shown, without what it says.
fn found_kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Seq => "an array",
        Unexpected::Map => "a table",
        Unexpected::Str(_) | Unexpected::Char(_) | Unexpected::Bytes(_) => "a string",
        _ => "something else",
    }
}

/// serde's words for what it expected, in the words of TOML.
fn plain(expected: &str) -> Cow<'_, str> {
    let plain = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a sequence" => "an array",
        "a map" => "a table",
        "string or map" | "a borrowed string" => "a string",
        "a character" => "a single character",
        _ => {
            if let Some(number) = expected.strip_prefix("a nonzero ") {
                return match number.starts_with('u') {
                    true => "a whole number from 1".into(),
                    false => "a whole number other than 0".into(),
                };
            }
            if let Some(size) = expected.strip_prefix("a tuple of size ") {
                return format!("an array of {size}").into();
            }
            if expected.starts_with("struct ") || expected.starts_with("internally tagged enum ") {
                return "a table".into();
            }
            if expected.starts_with("enum ") {
                return "a string".into();
            }
            expected
        }
    };
    plain.into()
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let fit = match &self.value {
            Value::Text(text) | Value::Time(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Fraction(number) => visitor.visit_f64(*number),
            Value::Boolean(boolean) => visitor.visit_bool(*boolean),
            Value::List(nodes) => visitor.visit_seq(Elements { nodes: nodes.iter(), index: 0 }),
            Value::Table(table) => visitor.visit_map(Entries::of(table)),
        };
        fit.map_err(|misfit| misfit.in_node(self))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let fit = match &self.value {
            Value::Text(text) => {
                let variant: BorrowedStrDeserializer<'de, Misfit> = BorrowedStrDeserializer::new(text);
                visitor.visit_enum(variant)
            }
            Value::Table(table) => visitor.visit_enum(MapAccessDeserializer::new(Entries::of(table))),
            _ => Err(Misfit::no_choice(self, variants)),
        };
        fit.map_err(|misfit| misfit.in_node(self))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Misfit> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Elements<'de> {
    nodes: slice::Iter<'de, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Misfit;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        let Some(node) = self.nodes.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(node).map(Some).map_err(|misfit| misfit.below(node, Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.nodes.len())
    }
}

struct Entries<'de> {
    entries: btree_map::Iter<'de, String, Node>,
    current: Option<(&'de String, &'de Node)>,
}

impl<'de> Entries<'de> {
    fn of(table: &'de Table) -> Self {
        Self { entries: table.iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Misfit;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.current = Some((key, node));
        let name: BorrowedStrDeserializer<'de, Misfit> = BorrowedStrDeserializer::new(key);
        seed.deserialize(name).map(Some).map_err(|misfit| misfit.below(node, Step::Key(key)))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Misfit> {
        let Some((key, node)) = self.current.take() else {
            return Err(Misfit::new("a value was asked for before its key"));
        };
        seed.deserialize(node).map_err(|misfit| misfit.below(node, Step::Key(key)))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::config::tree;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Plain {
        days: u8,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Around(Plain);

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    enum Choice {
        After(Plain),
    }

    fn read<R: DeserializeOwned>(text: &str) -> Result<R, String> {
        let table = tree::read("triggers.toml", text).unwrap();
        super::read(&Node { value: Value::Table(table), line: 0, of_pool: false }).map_err(|misfit| misfit.to_string())
    }

    #[test]
    fn a_rule_may_be_a_type_around_another_or_a_choice() {
        assert_eq!(read("days = 7"), Ok(Plain { days: 7 }));
        assert_eq!(read("days = 7"), Ok(Around(Plain { days: 7 })));
        assert_eq!(read("after = { days = 7 }"), Ok(Choice::After(Plain { days: 7 })));
        assert_eq!(read::<Around>("days = 256").unwrap_err(), "the number is out of range");
        assert_eq!(read::<Vec<u8>>("days = 7").unwrap_err(), "expected an array, found a table");
    }
}
