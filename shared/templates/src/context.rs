//! What templates are filled with.
//!
//! A user who lacks an attribute must not make a mail fail, and a template with a misspelt one must. So every attribute a user
//! can have is defined, empty if need be, and nothing else is.

use std::collections::BTreeMap;
use std::sync::Arc;

use cognito_triggers::STANDARD_ATTRIBUTES;
use minijinja::value::{Enumerator, Object, Serde};
use serde_json::{Map, Value as Json};

pub(crate) use minijinja::Value;

use crate::isolation::is_mark;
use crate::text;

/// What a custom attribute begins with.
const CUSTOM: &str = "custom:";
/// The longest name a user is called by.
const LONGEST_NAME: usize = 60;
/// What is defined beside the user in a mail.
const OF_MAILS: [&str; 12] =
    ["client", "count", "dir", "entries", "links", "locale", "name", "pool", "sender", "sub", "user", "words"];
/// The same in a message that Cognito sends.
const OF_MESSAGES: [&str; 15] = [
    "birthday", "client", "code", "dir", "link", "locale", "name", "occasion", "pool", "sender", "sub", "user",
    "username", "words", "zone",
];
/// The same in a file.
const OF_FILES: [&str; 5] = ["client", "name", "pool", "sub", "user"];
/// What of a message is text, and empty where it is not known.
const TEXTS: [&str; 7] = ["client", "code", "link", "occasion", "pool", "username", "zone"];
/// The links that are defined in every mail, and empty where it has none.
const LINKS: [&str; 2] = ["not_me", "unsubscribe"];

/// What is filled, which decides what it is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A mail of ours.
    Mail,
    /// A message that Cognito sends.
    Message,
    /// A file.
    Files,
}

/// The values of one context: `user` as an object, what to call the user as `name`, the user's `sub`, and the rule's own.
pub(crate) fn of(context: &Map<String, Json>) -> BTreeMap<String, Value> {
    let user = User::of(context.get("user"));
    let mut values = BTreeMap::new();
    values.insert("name".to_owned(), Value::from(user.called()));
    values.insert("sub".to_owned(), Value::from(user.text("sub")));
    for (name, value) in context {
        let value = match value {
            // What is chosen by a user is one line, wherever it comes from.
            Json::String(text) => Value::from(text::one_line(text)),
            other => Value::from(Serde(without_marks(other))),
        };
        values.insert(name.clone(), value);
    }
    values.insert("user".to_owned(), Value::from_object(user));
    values
}

/// The same for a mail: with its links by name.
pub(crate) fn of_mail(context: &Map<String, Json>) -> BTreeMap<String, Value> {
    let mut links = BTreeMap::new();
    links.extend(LINKS.map(|name| (name.to_owned(), Value::from(""))));
    for (name, url) in context.get("links").and_then(Json::as_object).into_iter().flatten() {
        links.insert(name.clone(), link(url.as_str().unwrap_or_default()));
    }
    let mut values = of(context);
    values.insert("links".to_owned(), Value::from_pairs(links));
    values
}

/// The same for a message: with who sends it, and everything that is always defined.
pub(crate) fn of_message(context: &Map<String, Json>) -> BTreeMap<String, Value> {
    let mut values = of(context);
    for name in TEXTS {
        values.entry(name.to_owned()).or_insert_with(|| Value::from(""));
    }
    values.entry("birthday".to_owned()).or_insert_with(|| Value::from(false));
    let known = context.get("sender");
    let text = |name: &str| {
        let text = known.and_then(|sender| sender.get(name)?.as_str()).unwrap_or_default();
        Value::from(text::one_line(text))
    };
    values.insert("sender".to_owned(), sender(text("name"), text("address")));
    values
}

/// Who sends it.
pub(crate) fn sender(name: Value, address: Value) -> Value {
    let mut sender = BTreeMap::new();
    sender.insert("name".to_owned(), name);
    sender.insert("address".to_owned(), address);
    Value::from_pairs(sender)
}

/// The same without the marks of names that are set apart: whatever a user chose is not to hold them.
fn without_marks(value: &Json) -> Json {
    match value {
        Json::String(text) => Json::String(text.replace(is_mark, "")),
        Json::Array(values) => values.iter().map(without_marks).collect(),
        Json::Object(values) => {
            let mut without = Map::new();
            without.extend(values.iter().map(|(name, value)| (name.clone(), without_marks(value))));
            Json::Object(without)
        }
        other => other.clone(),
    }
}

/// A context with every link that is always defined, as it is where there are links.
pub(crate) fn with_all_links(context: &Map<String, Json>) -> Map<String, Json> {
    let mut links = Map::new();
    links.extend(LINKS.map(|name| (name.to_owned(), Json::from("https://links.acme.example/?t=a-b_c.d"))));
    let mut context = context.clone();
    context.insert("links".to_owned(), links.into());
    context
}

/// A URL. Most have nothing that would have to be escaped in HTML, and filters of mail distrust links that are written as
/// entities where they need not be.
fn link(url: &str) -> Value {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?=%".contains(&byte);
    if url.bytes().all(harmless) { Value::from_safe_string(url.to_owned()) } else { Value::from(text::one_line(url)) }
}

/// What was probably meant by the last name of this expression.
pub(crate) fn meant(expression: &str, scope: Scope) -> Option<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let (before, name) = expression.rsplit_once('.').unwrap_or(("", expression));
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let others: &[&'static str] = match scope {
        Scope::Mail => &OF_MAILS,
        Scope::Message => &OF_MESSAGES,
        Scope::Files => &OF_FILES,
    };
    let nearest = |known: &[&'static str]| nearest(name, known.iter().copied());
    match before.rsplit('.').next() {
        Some("user") => nearest(&STANDARD_ATTRIBUTES).map(|best| format!("{before}.{best}")),
        Some("links") => nearest(&LINKS).map(|best| format!("{before}.{best}")),
        // An attribute that was written without its user.
        Some("") if STANDARD_ATTRIBUTES.contains(&name) => Some(format!("user.{name}")),
        Some("") => nearest(others).map(str::to_owned),
        _ => None,
    }
}

/// The known name that is most like this one, if it is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(name, known);
    let best = known.max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(best) > 0.82 && best != name).then_some(best)
}

/// Whether a user can have this attribute.
pub(crate) fn is_attribute(name: &str) -> bool {
    name == "custom" || name.starts_with(CUSTOM) || STANDARD_ATTRIBUTES.contains(&name)
}

/// A user's attributes by name.
#[derive(Debug)]
struct User(BTreeMap<String, String>);

impl User {
    fn of(attributes: Option<&Json>) -> Self {
        let attributes = attributes.and_then(Json::as_object).into_iter().flatten();
        let text = |value: &Json| match value {
            Json::Null => String::new(),
            Json::String(text) => text::one_line(text),
            other => text::one_line(&other.to_string()),
        };
        let mut known = BTreeMap::new();
        known.extend(attributes.map(|(name, value)| (name.clone(), text(value))));
        Self(known)
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn value(&self, name: &str) -> Value {
        match self.text(name) {
            // Cognito's attributes are text, and the text `false` would be taken for true.
            text if name.ends_with("_verified") && text.eq_ignore_ascii_case("true") => Value::from(true),
            text if name.ends_with("_verified") && text.eq_ignore_ascii_case("false") => Value::from(false),
            text => Value::from(text),
        }
    }

    /// What to call the user. A greeting is read by somebody who trusts the sender, so what looks like more than a name is
    /// none: whoever fills in a form could have it say something else to somebody else.
    fn called(&self) -> &str {
        ["given_name", "name", "nickname", "preferred_username"]
            .into_iter()
            .map(|name| self.text(name).trim())
            .find(|name| !name.is_empty() && name.chars().count() <= LONGEST_NAME && !looks_like_a_link(name))
            .unwrap_or_default()
    }
}

/// What a browser takes for a dot within the name of a host (UTS 46), and what looks like one.
const DOTS: [char; 5] = ['.', '\u{3002}', '\u{FF0E}', '\u{FF61}', '\u{2024}'];

/// Whether a mail program might make a link of it: a host's name, an address of digits, or anything with a path or a scheme.
fn looks_like_a_link(text: &str) -> bool {
    let is_inner_dot = |(at, _): (usize, &str)| {
        let (before, after) = text.split_at_checked(at).unwrap_or_default();
        let letters = after.chars().skip(1).take_while(|character| character.is_alphanumeric()).count();
        let is_number = after.chars().nth(1).is_some_and(|character| character.is_ascii_digit());
        before.ends_with(char::is_alphanumeric) && (letters > 1 || is_number)
    };
    text.contains(['/', '\\', '@', ':', '<', '>']) || text.match_indices(DOTS).any(is_inner_dot)
}

impl Object for User {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == "custom" {
            return Some(Value::from_object(Custom(Arc::clone(self))));
        }
        is_attribute(key).then(|| self.value(key))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.0.keys().filter(|name| is_attribute(name) && *name != "custom");
        Enumerator::Values(names.map(|name| Value::from(name.as_str())).collect())
    }
}

/// A user's custom attributes by name, without `custom:`.
#[derive(Debug)]
struct Custom(Arc<User>);

impl Object for Custom {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(self.0.value(&format!("{CUSTOM}{}", key.as_str()?)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.0.0.keys().filter_map(|name| name.strip_prefix(CUSTOM));
        Enumerator::Values(names.map(Value::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_link() {
        for name in [
            "Anna",
            "J. R. R. Tolkien",
            "J.R.R. Tolkien",
            "Dr. Anna Schmidt",
            "O’Neil",
            "アンナ。",
            "王小明",
            "Anna II.",
        ] {
            assert!(!looks_like_a_link(name), "{name}");
        }
        for link in [
            "evil.example",
            "win at evil.example now",
            "evil．com",
            "evil。example",
            "evil․com",
            "evil｡com",
            "evil.c0m",
            "1.2.3.4",
            "//evil",
            "mailto:x",
            "x@y",
        ] {
            assert!(looks_like_a_link(link), "{link}");
        }
    }
}
