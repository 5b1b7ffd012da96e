//! Words within a page: escaped as a whole, with the user's name set apart.
//!
//! A name that runs the other way would turn the sentence around it (Unicode Standard Annex 9), and HTML has `<bdi>` for that.
//! Words are plain text, so the name is marked while they are filled, with two noncharacters (The Unicode Standard, section 23.7:
//! "reserved for internal use"); the marks become tags when the rest has been escaped. They are taken out of whatever is filled in
//! beforehand, so that nobody can bring a tag.

use minijinja::value::Value;
use minijinja::{Environment, Error, State, escape_formatter};

/// What the name to set apart is found under: no template can name it.
pub(crate) const NAME: &str = "name to set apart";
const OPEN: char = '\u{FDD0}';
const CLOSE: char = '\u{FDD1}';

/// Whether it is a mark.
pub(crate) const fn is_mark(character: char) -> bool {
    matches!(character, OPEN | CLOSE)
}

/// Lets words mark the name.
pub(crate) fn add_formatter(engine: &mut Environment<'static>) {
    engine.set_formatter(|out, state, value| {
        if !is_name(state, value) {
            return escape_formatter(out, state, value);
        }
        let mut marked = String::from(OPEN);
        marked.push_str(value.as_str().unwrap_or_default());
        marked.push(CLOSE);
        out.write_str(&marked).map_err(Error::from)
    });
}

/// The name as it is filled into the words of a page, with which it is told from a text that happens to be the same.
pub(crate) fn name(name: &str) -> Value {
    if name.is_empty() { Value::from("") } else { Value::from_safe_string(name.to_owned()) }
}

fn is_name(state: &State<'_, '_>, value: &Value) -> bool {
    // Words alone know a name to set apart.
    value.is_safe() && state.lookup(NAME).is_some_and(|name| name.as_str() == value.as_str())
}

/// A filled word as it stands in a page. Slashes stay: mail programs distrust links that are written as entities.
pub(crate) fn page(text: &str) -> String {
    let mut page = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#x27;"),
            OPEN => page.push_str("<bdi>"),
            CLOSE => page.push_str("</bdi>"),
            other => page.push(other),
        }
    }
    page
}
