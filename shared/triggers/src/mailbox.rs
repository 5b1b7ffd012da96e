//! Who a mail is from or to: a name to be shown, and an address.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

use crate::EmailAddress;

/// `hello@acme.example` or `Acme <hello@acme.example>`. What it holds can stand in a header: the name has no control
/// characters, the address is one.
///
/// ```
/// use cognito_triggers::Mailbox;
///
/// let mailbox: Mailbox = "\"Acme, Inc.\" <hello@bücher.example>".parse()?;
/// assert_eq!((mailbox.name(), mailbox.address()), (Some("Acme, Inc."), "hello@xn--bcher-kva.example"));
/// # Ok::<(), cognito_triggers::NotAMailbox>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mailbox {
    name: Option<String>,
    address: String,
}

/// What was given is not a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a mailbox: write `hello@acme.example` or `Acme <hello@acme.example>`")]
pub struct NotAMailbox;

/// The most characters a name to be shown may have; what is longer is cut.
const LONGEST_NAME: usize = 100;

impl Mailbox {
    /// A mailbox with a name to be shown, which may be anything: what cannot stand in a header is left out.
    #[must_use]
    pub fn new(name: &str, address: &EmailAddress) -> Self {
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        let name: String = name.chars().map(plain).take(LONGEST_NAME).collect();
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { name: (!name.is_empty()).then_some(name), address: address.to_string() }
    }

    /// Stands where there is no sender.
    pub(crate) fn nobody() -> Self {
        Self { name: None, address: "nobody@localhost".into() }
    }

    /// The name to be shown.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address, its domain in ASCII.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl FromStr for Mailbox {
    type Err = NotAMailbox;

    fn from_str(text: &str) -> Result<Self, NotAMailbox> {
        let text = text.trim();
        if text.contains(char::is_control) {
            return Err(NotAMailbox);
        }
        let Some(rest) = text.strip_suffix('>') else {
            let address: EmailAddress = text.parse().map_err(|_| NotAMailbox)?;
            return Ok(Self::new("", &address));
        };
        let (name, address) = rest.rsplit_once('<').ok_or(NotAMailbox)?;
        let address: EmailAddress = address.parse().map_err(|_| NotAMailbox)?;
        let name = name.trim();
        let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        let name = quoted.map_or_else(|| name.to_owned(), |name| name.replace("\\\"", "\"").replace("\\\\", "\\"));
        Ok(Self::new(&name, &address))
    }
}

impl fmt::Display for Mailbox {
    /// As it is read back; not fit for a header, where names are encoded.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => {
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                write!(formatter, "\"{name}\" <{}>", self.address)
            }
            None => formatter.write_str(&self.address),
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = self.address.rsplit_once('@').map_or("", |(_, domain)| domain);
        write!(formatter, "Mailbox(@{domain})")
    }
}

impl Serialize for Mailbox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Mailbox {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mailbox".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "`hello@acme.example` or `Acme <hello@acme.example>`" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_reads_back_as_it_was_written_down() {
        for text in ["a@b.example", "Acme <a@b.example>", r#""Ann \"A\" <x>, B" <a@b.example>"#, "Ünï ☃ <a@b.example>"]
        {
            let mailbox: Mailbox = text.parse().unwrap();
            assert_eq!(mailbox.to_string().parse::<Mailbox>().unwrap(), mailbox, "{text}");
        }
    }

    #[test]
    fn what_is_no_mailbox_is_refused() {
        let hostile =
            ["", "acme", "Acme", "<>", "a@b.example>", "A <a@b.example> x", "A\r\nBcc: x@y.example <a@b.example>"];
        for text in hostile {
            assert!(text.parse::<Mailbox>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_name_cannot_begin_a_header_of_its_own() {
        let address = "a@b.example".parse().unwrap();
        let mailbox = Mailbox::new("Anna\r\nBcc: \u{0}x@y.example\u{85}", &address);
        assert_eq!(mailbox.name(), Some("Anna Bcc: x@y.example"));
        assert_eq!(Mailbox::new(" \n ", &address).name(), None);
        assert_eq!(Mailbox::new(&"x".repeat(500), &address).name().unwrap().len(), LONGEST_NAME);
    }
}
