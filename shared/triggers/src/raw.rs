//! The raw JSON of an event, split just far enough to change it in place.
//!
//! Cognito refuses an answer that lost something it sent. So nothing is parsed and printed again: an object is read as a
//! list of members whose values stay text, and what a rule set is written over the text it replaces.

use std::borrow::Cow;
use std::fmt;

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
        serde_json::from_str(self.find(name)?.get()).ok()
    }
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

/// Writes `response` over the member of that name: objects are merged, everything else is replaced, all other text stays
/// byte for byte. With nothing to write the text comes back as it was.
pub(crate) fn with_response(event: &str, response: &Value) -> Result<String, serde_json::Error> {
    if response.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(event.to_owned());
    }
    let members = Members::parse(event)?;
    let mut out = String::with_capacity(event.len() + 256);
    match members.find("response") {
        Some(raw) => {
            let (before, after) = around(event, raw.get());
            out.push_str(before);
            merge(raw.get(), response, &mut out);
            out.push_str(after);
        }
        None => {
            let body = event.trim_end().strip_suffix('}').unwrap_or(event).trim_end();
            out.push_str(body);
            out.push_str(if members.0.is_empty() { "\"response\":" } else { ",\"response\":" });
            out.push_str(&response.to_string());
            out.push('}');
        }
    }
    Ok(out)
}

/// The text before and after `part`, which is a slice of `whole`.
fn around<'a>(whole: &'a str, part: &str) -> (&'a str, &'a str) {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    let (before, rest) = whole.split_at(start);
    (before, rest.split_at(part.len()).1)
}

fn merge(original: &str, patch: &Value, out: &mut String) {
    let (Value::Object(patch), Ok(members)) = (patch, Members::parse(original)) else {
        out.push_str(&patch.to_string());
        return;
    };
    let mut separator = '{';
    let mut member = |name: &str, out: &mut String| {
        out.push(separator);
        separator = ',';
        out.push_str(&Value::from(name).to_string());
        out.push(':');
    };
    for (name, value) in &members.0 {
        member(name, out);
        match patch.get(name.as_ref()) {
            Some(change) => merge(value.get(), change, out),
            None => out.push_str(value.get()),
        }
    }
    for (name, change) in patch {
        if members.find(name).is_none() {
            member(name, out);
            out.push_str(&change.to_string());
        }
    }
    if separator == '{' {
        out.push('{');
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(event: &str, response: Value) -> String {
        with_response(event, &response).unwrap()
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
}
