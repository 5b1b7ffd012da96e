//! The raw JSON of an event, split just far enough to change it in place.
//!
//! Cognito refuses an answer that lost something it sent. So nothing is parsed and printed again: an object is read as a
//! list of members whose values stay text, and what a rule set is written over the text it replaces.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The members of one JSON object in the order they arrived; every value is the text that stood there.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads one object. Anything else, and anything that is not JSON, is an error.
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The value of a member; of members with one name the last counts, as in every common JSON reader.
    pub(crate) fn find(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// A member's text if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let json = self.find(name)?.get();
        match plain(json) {
            Some(text) => Some(text.to_owned()),
            None => serde_json::from_str(json).ok(),
        }
    }
}

/// What stands between the quotes if this is the JSON of a string without an escape, as nearly all are.
fn plain(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'))
}

/// A string's own text, the JSON of everything else, nothing of `null`.
pub(crate) fn text(value: Box<RawValue>) -> Option<String> {
    if plain(value.get()).is_some() {
        // The text is there already: it only has to lose its quotes.
        let mut text = String::from(Box::<str>::from(value));
        text.pop();
        text.remove(0);
        return Some(text);
    }
    match value.get() {
        "null" => None,
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted).ok(),
        other => Some(other.to_owned()),
    }
}

/// Where `part`, which is a slice of `whole`, stands in it.
pub(crate) fn place(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(10);
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// A member's name, borrowed unless it holds an escape.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Key<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a member's name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Either)
    }
}

/// Writes `response` over the value at `place`, which is that of the member of that name: objects are merged, everything
/// else is replaced, all other text stays byte for byte. Without a place the member is added. With nothing to write the text
/// comes back as it was.
pub(crate) fn with_response(event: &str, place: Option<Range<usize>>, response: &Value) -> String {
    if response.as_object().is_none_or(serde_json::Map::is_empty) {
        return event.to_owned();
    }
    let mut out = String::with_capacity(event.len() + 256);
    match place.and_then(|place| split(event, place)) {
        Some((before, original, after)) => {
            out.push_str(before);
            merge(original, response, &mut out);
            out.push_str(after);
        }
        None => {
            open_end(event, &mut out);
            add("response", response, &mut out);
            out.push('}');
        }
    }
    out
}

/// The text before a place, at it, and after it.
fn split(text: &str, place: Range<usize>) -> Option<(&str, &str, &str)> {
    Some((text.get(..place.start)?, text.get(place.clone())?, text.get(place.end..)?))
}

fn merge(original: &str, patch: &Value, out: &mut String) {
    let (Value::Object(patch), Ok(members)) = (patch, Members::parse(original)) else {
        out.push_str(&patch.to_string());
        return;
    };
    let mut rest = original;
    for (name, value) in &members.0 {
        let Some(change) = patch.get(name.as_ref()) else { continue };
        let Some((before, value, after)) = split(rest, place(rest, value.get())) else { continue };
        out.push_str(before);
        merge(value, change, out);
        rest = after;
    }
    let mut new = patch.iter().filter(|(name, _)| members.find(name).is_none()).peekable();
    if new.peek().is_none() {
        out.push_str(rest);
        return;
    }
    open_end(rest, out);
    new.for_each(|(name, value)| add(name, value, out));
    out.push('}');
}

/// Writes the end of an object without its closing brace.
fn open_end(object: &str, out: &mut String) {
    let object = object.trim_end();
    out.push_str(object.strip_suffix('}').unwrap_or(object).trim_end());
}

/// Writes one more member of an object that is not closed yet.
fn add(name: &str, value: &Value, out: &mut String) {
    // Only an object without members ends with its own opening brace: every value ends otherwise.
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(&Value::from(name).to_string());
    out.push(':');
    out.push_str(&value.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(event: &str, response: Value) -> String {
        let place = Members::parse(event).unwrap().find("response").map(|raw| place(event, raw.get()));
        with_response(event, place, &response)
    }

    #[test]
    fn nothing_set_changes_nothing_not_even_a_blank() {
        let event = "{ \"response\" : null , \"long\":123456789012345678901234567890, \"a\":1e400 }\n";
        assert_eq!(set(event, json!({})), event);
    }

    #[test]
    fn only_the_key_that_was_set_changes() {
        let event = r#"{"n":0.10,"response":{"autoConfirmUser":false,"new":[1, 2]},"z":"\ud83d\ude00"}"#;
        assert_eq!(
            set(event, json!({"autoConfirmUser": true})),
            r#"{"n":0.10,"response":{"autoConfirmUser":true,"new":[1, 2]},"z":"\ud83d\ude00"}"#
        );
    }

    #[test]
    fn a_missing_or_odd_response_becomes_an_object() {
        assert_eq!(set(r#"{"a":1}"#, json!({"b": 2})), r#"{"a":1,"response":{"b":2}}"#);
        assert_eq!(set("{}", json!({"b": 2})), r#"{"response":{"b":2}}"#);
        assert_eq!(set(r#"{"response":null,"a":1}"#, json!({"b": 2})), r#"{"response":{"b":2},"a":1}"#);
        assert_eq!(set(r#"{"response":{}}"#, json!({"b": 2})), r#"{"response":{"b":2}}"#);
    }

    #[test]
    fn objects_are_merged_and_lists_replaced() {
        let event = r#"{"response":{"d":{"keep":1,"list":[1],"over":0}}}"#;
        assert_eq!(
            set(event, json!({"d": {"list": [2], "over": {"x": 1}}})),
            r#"{"response":{"d":{"keep":1,"list":[2],"over":{"x":1}}}}"#
        );
    }

    #[test]
    fn what_stays_stays_with_its_blanks() {
        let event = r#"{ "response" : { "a" : 1 , "b" : 2 } , "z" : 3 }"#;
        assert_eq!(set(event, json!({"a": 9})), r#"{ "response" : { "a" : 9 , "b" : 2 } , "z" : 3 }"#);
        assert_eq!(set(event, json!({"c": "{"})), r#"{ "response" : { "a" : 1 , "b" : 2,"c":"{"} , "z" : 3 }"#);
        assert_eq!(set(r#"{"response":{ "a" : "{" }}"#, json!({"b": 1})), r#"{"response":{ "a" : "{","b":1}}"#);
        assert_eq!(set("{ }", json!({"b": 2})), r#"{"response":{"b":2}}"#);
    }

    #[test]
    fn a_member_given_twice_is_written_over_twice() {
        assert_eq!(set(r#"{"response":{"a":1,"a":2}}"#, json!({"a": 3})), r#"{"response":{"a":3,"a":3}}"#);
    }
}
