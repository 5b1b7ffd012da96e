//! Where a user's files go: what their keys begin with.

use std::borrow::Cow;
use std::str::FromStr;

use cognito_triggers::Fault;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// What the keys of a user's files begin with: a text with the placeholders `{{ sub }}` and `{{ pool }}`.
///
/// Two users never share a key: `{{ sub }}` is always there, neither a `sub` nor an id of a pool holds a `/`, and between two
/// `/` stands at most one of them. What a user chose has no place here, as it can be chosen by another user too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Sub,
    Pool,
}

/// The most bytes of a prefix as it is written. A key of S3 has at most 1,024 bytes, and names of files need room.
const LONGEST: usize = 256;
/// The most bytes of what stands for a placeholder.
const LONGEST_NAME: usize = 128;

impl Prefix {
    /// What the keys of this user's files begin with.
    ///
    /// # Errors
    ///
    /// If the `sub` or the pool's id cannot stand in a key. "Treat `sub` as opaque": it is no UUID by any promise, so that its
    /// form is nobody's business but here.
    pub fn of(&self, pool: &str, sub: &str) -> Result<String, Fault> {
        let mut text = String::new();
        for part in &self.0 {
            text.push_str(match part {
                Part::Text(text) => text,
                Part::Sub => name("sub", sub)?,
                Part::Pool => name("pool id", pool)?,
            });
        }
        Ok(text)
    }

    /// What the keys of all users begin with.
    #[must_use]
    pub fn common(&self) -> &str {
        match self.0.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }
}

/// A name as one step of a path.
fn name<'a>(what: &str, name: &'a str) -> Result<&'a str, Fault> {
    let fits = !matches!(name, "" | "." | "..")
        && name.len() <= LONGEST_NAME
        && !name.contains(|letter: char| matches!(letter, '/' | '\\') || letter.is_control());
    if !fits {
        // It is not quoted: it may be anything.
        return Err(Fault::new(format!("the {what} cannot be part of a key in the bucket")));
    }
    Ok(name)
}

impl FromStr for Prefix {
    type Err = Cow<'static, str>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('/') {
            return Err("a prefix does not begin with `/`; remove it".into());
        }
        if !text.ends_with('/') {
            return Err("a prefix ends with `/`; add it".into());
        }
        if text.len() > LONGEST {
            return Err(format!("a prefix has at most {LONGEST} bytes; write a shorter one").into());
        }
        let mut parts = Vec::new();
        for segment in text.split_inclusive('/') {
            parse_segment(segment, &mut parts)?;
        }
        if !parts.contains(&Part::Sub) {
            return Err("without `{{ sub }}` all users would share their files; write e.g. `users/{{ sub }}/`".into());
        }
        Ok(Self(parts))
    }
}

/// Reads what stands up to a `/`, with the `/`.
fn parse_segment(segment: &str, parts: &mut Vec<Part>) -> Result<(), Cow<'static, str>> {
    if matches!(segment, "/" | "./" | "../") {
        return Err("an empty step, `.` or `..` leads nowhere in a bucket; leave it out".into());
    }
    let Some((before, rest)) = segment.split_once("{{") else { return push_text(segment, parts) };
    let Some((placeholder, after)) = rest.split_once("}}") else {
        return Err("a placeholder is not closed; add `}}`".into());
    };
    push_text(before, parts)?;
    parts.push(match placeholder.trim() {
        "sub" => Part::Sub,
        "pool" => Part::Pool,
        _ => {
            return Err("there is no such placeholder; use `{{ sub }}` or `{{ pool }}`, since users can choose \
                        everything else"
                .into());
        }
    });
    if after.contains("{{") {
        return Err("two placeholders run into each other; put a `/` between them".into());
    }
    push_text(after, parts)
}

fn push_text(text: &str, parts: &mut Vec<Part>) -> Result<(), Cow<'static, str>> {
    if text.contains(|letter: char| matches!(letter, '{' | '}' | '\\') || letter.is_control()) {
        return Err("braces, backslashes and control characters cannot stand in a prefix; \
                    placeholders are written `{{ sub }}`"
            .into());
    }
    match parts.last_mut() {
        Some(Part::Text(last)) => last.push_str(text),
        _ if text.is_empty() => {}
        _ => parts.push(Part::Text(text.to_owned())),
    }
    Ok(())
}

impl TryFrom<String> for Prefix {
    type Error = Cow<'static, str>;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self(vec![Part::Text("users/".into()), Part::Sub, Part::Text("/".into())])
    }
}

impl JsonSchema for Prefix {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Prefix".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[^/].*\{\{ *sub *\}\}.*/$|^\{\{ *sub *\}\}.*/$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(prefix: &str, sub: &str) -> String {
        prefix.parse::<Prefix>().unwrap().of("eu-central-1_Example01", sub).unwrap()
    }

    #[test]
    fn placeholders_are_filled() {
        assert_eq!(of("users/{{ sub }}/", "s-1"), "users/s-1/");
        assert_eq!(of("{{sub}}/", "s-1"), "s-1/");
        assert_eq!(of("a b/{{  pool  }}/user-{{ sub }}.d/x/", "s"), "a b/eu-central-1_Example01/user-s.d/x/");
        assert_eq!(Prefix::default(), "users/{{ sub }}/".parse().unwrap());
    }

    #[test]
    fn what_is_common_to_all_users_ends_where_they_differ() {
        let common = |prefix: &str| prefix.parse::<Prefix>().unwrap().common().to_owned();
        assert_eq!(common("users/{{ sub }}/"), "users/");
        assert_eq!(common("a/b/user-{{ sub }}/"), "a/b/user-");
        assert_eq!(common("{{ pool }}/{{ sub }}/"), "");
    }

    #[test]
    fn a_prefix_under_which_users_could_meet_is_refused() {
        for (prefix, start) in [
            ("", "a prefix ends with `/`"),
            ("users/{{ sub }}", "a prefix ends with `/`"),
            ("/users/{{ sub }}/", "a prefix does not begin with `/`"),
            ("users/", "without `{{ sub }}` all users would share"),
            ("users/{{ pool }}/", "without `{{ sub }}` all users would share"),
            ("users/{{ user.nickname }}/{{ sub }}/", "there is no such placeholder"),
            ("users/{{ sub | upper }}/", "there is no such placeholder"),
            ("users/{{ }}/", "there is no such placeholder"),
            ("users/{{ sub }/", "a placeholder is not closed"),
            ("users/{{ sub/", "a placeholder is not closed"),
            ("users/{ sub }/{{ sub }}/", "braces, backslashes"),
            ("users/{{{ sub }}}/", "there is no such placeholder"),
            ("users/{{ sub }}}/", "braces, backslashes"),
            ("users\\{{ sub }}/", "braces, backslashes"),
            ("users/{{ sub }}\n/", "braces, backslashes"),
            ("users/{{ sub }}{{ pool }}/", "two placeholders run into each other"),
            ("users/{{ sub }}-{{ pool }}/", "two placeholders run into each other"),
            ("users/../{{ sub }}/", "an empty step"),
            ("users/./{{ sub }}/", "an empty step"),
            ("users//{{ sub }}/", "an empty step"),
        ] {
            let error = prefix.parse::<Prefix>().unwrap_err();
            assert!(error.starts_with(start), "{prefix}: {error}");
        }
        assert!(format!("{}{{{{ sub }}}}/", "a".repeat(300)).parse::<Prefix>().is_err());
    }

    #[test]
    fn a_sub_is_opaque_but_stays_one_step_of_the_path() {
        for sub in ["0a1b2c3d-0000-4000-8000-00000000a77a", "google-oauth2|1", "ä b", "...", "{{ pool }}"] {
            assert_eq!(of("users/{{ sub }}/", sub), format!("users/{sub}/"));
        }
        let long = "x".repeat(LONGEST_NAME + 1);
        for sub in ["", ".", "..", "a/b", "../a", "a\\b", "a\nb", "a\0", "\u{7f}", &long] {
            let fault = Prefix::default().of("p", sub).unwrap_err();
            assert_eq!(fault.causes(), "the sub cannot be part of a key in the bucket");
        }
        let prefix: Prefix = "{{ pool }}/{{ sub }}/".parse().unwrap();
        assert_eq!(prefix.of("a/b", "s").unwrap_err().causes(), "the pool id cannot be part of a key in the bucket");
    }
}
