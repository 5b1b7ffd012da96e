//! JSON as text that is changed in place: the order of keys, long numbers and escapes stay as they were.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Writes `value` at a path. Objects that are missing on the way are made; an index names an element of an array, or the one
/// after the last.
pub(crate) fn set(text: &str, path: &[String], value: &str) -> Result<String, String> {
    let Some((key, rest)) = path.split_first() else { return Ok(value.to_owned()) };
    if let Ok(elements) = serde_json::from_str::<Vec<Box<RawValue>>>(text) {
        let count = elements.len();
        let index: usize = key.parse().map_err(|_| format!("`{key}` is no index, and there is an array of {count}"))?;
        if index > count {
            return Err(format!("there is no element {index} in an array of {count}"));
        }
        let mut texts: Vec<String> = elements.iter().map(|element| element.get().to_owned()).collect();
        let before = texts.get(index).map_or("null", String::as_str);
        let after = set(before, rest, value)?;
        match texts.get_mut(index) {
            Some(element) => *element = after,
            None => texts.push(after),
        }
        return Ok(format!("[{}]", texts.join(",")));
    }
    // What is neither an array nor an object becomes an object.
    let mut members: Vec<(String, String)> = members(text).unwrap_or_default();
    match members.iter_mut().rev().find(|(name, _)| name == key) {
        Some((_, member)) => *member = set(member, rest, value)?,
        None => members.push((key.clone(), set("null", rest, value)?)),
    }
    Ok(object(&members))
}

/// Removes what stands at a path; `None` if nothing does.
pub(crate) fn unset(text: &str, path: &[String]) -> Option<String> {
    let (key, rest) = path.split_first()?;
    let mut members = members(text)?;
    let at = members.iter().rposition(|(name, _)| name == key)?;
    if rest.is_empty() {
        members.remove(at);
    } else {
        let (_, member) = members.get_mut(at)?;
        *member = unset(member, rest)?;
    }
    Some(object(&members))
}

/// The same JSON with a line for every value. The text has to be JSON.
pub(crate) fn pretty(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let mut letters = text.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    while let Some(letter) = letters.next() {
        if quoted {
            out.push(letter);
            quoted = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            '{' | '[' => {
                while letters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                out.push(letter);
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                quoted = true;
                out.push('"');
            }
            letter if letter.is_ascii_whitespace() => {}
            letter => out.push(letter),
        }
    }
    out
}

/// A path of keys: dots between them; `\.` is a dot and `\\` a backslash within a key.
pub(crate) fn path(text: &str) -> Result<Vec<String>, String> {
    let mut keys = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '.' => {
                keys.push(String::new());
                continue;
            }
            '\\' => match letters.next() {
                Some(next @ ('.' | '\\')) => next,
                _ => return Err("a `\\` stands before a `.` or another `\\`".into()),
            },
            letter => letter,
        };
        if let Some(key) = keys.last_mut() {
            key.push(letter);
        }
    }
    if keys.iter().any(String::is_empty) {
        return Err("a key is empty".into());
    }
    Ok(keys)
}

fn object(members: &[(String, String)]) -> String {
    let member = |(name, value): &(String, String)| format!("{}:{value}", serde_json::Value::from(name.as_str()));
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
}

/// The members of an object in their order; `None` if it is none.
fn members(text: &str) -> Option<Vec<(String, String)>> {
    struct Members(Vec<(String, String)>);
    impl<'de> Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Each;
            impl<'de> Visitor<'de> for Each {
                type Value = Members;

                fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    formatter.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                    let mut members = Vec::new();
                    while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                        members.push((name, value.get().to_owned()));
                    }
                    Ok(Members(members))
                }
            }
            deserializer.deserialize_map(Each)
        }
    }
    serde_json::from_str(text).ok().map(|Members(members)| members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str, at: &str, value: &str) -> String {
        set(text, &path(at).unwrap(), value).unwrap()
    }

    #[test]
    fn only_what_is_named_changes() {
        let text = r#"{"z":123456789012345678901234567890,"a":{"x":[1,2.50],"y":"\u00e4"}}"#;
        assert_eq!(put(text, "a.y", "true"), r#"{"z":123456789012345678901234567890,"a":{"x":[1,2.50],"y":true}}"#);
        assert_eq!(put(text, "a.x.1", "3"), r#"{"z":123456789012345678901234567890,"a":{"x":[1,3],"y":"\u00e4"}}"#);
        assert_eq!(put("{}", r"a.custom:b.c\.d\\e", "1"), r#"{"a":{"custom:b":{"c.d\\e":1}}}"#);
        assert_eq!(put(r#"{"a":null}"#, "a.b", "1"), r#"{"a":{"b":1}}"#);
        assert_eq!(put(r#"{"a":[]}"#, "a.0.b", "1"), r#"{"a":[{"b":1}]}"#);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        assert_eq!(path("a..b"), Err("a key is empty".into()));
        assert!(path("a\\b").is_err() && path("").is_err());
        assert_eq!(set("[1]", &path("2").unwrap(), "1"), Err("there is no element 2 in an array of 1".into()));
        assert_eq!(set("[1]", &path("x").unwrap(), "1"), Err("`x` is no index, and there is an array of 1".into()));
    }

    #[test]
    fn what_is_removed_is_gone() {
        let text = r#"{"a":{"x":1,"y":2},"b":3}"#;
        assert_eq!(unset(text, &path("a.x").unwrap()).unwrap(), r#"{"a":{"y":2},"b":3}"#);
        assert_eq!(unset(text, &path("a.q").unwrap()), None);
        assert_eq!(unset(text, &path("b.q").unwrap()), None);
    }

    #[test]
    fn pretty_text_is_the_same_json() {
        let text = r#"{"a":[1,{"b":"x\"{,:\\"}],"c":{},"d":[ ],"n":1.0e5}"#;
        let pretty = pretty(text);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&pretty), read(text));
        assert_eq!(
            pretty,
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x\\\"{,:\\\\\"\n    }\n  ],\n  \"c\": {},\n  \"d\": [],\n  \"n\": 1.0e5\n}"
        );
    }
}
