//! What rules that send mails take in their tables: mailboxes, templates, languages.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Attributes, Configured, EmailAddress, Event, Mailbox, Trigger};

/// The most recipients a mail may have: SES refuses more.
pub const MOST_RECIPIENTS: usize = 50;

/// One mailbox or a list of them, each address once; at most [`MOST_RECIPIENTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailboxes(Vec<Mailbox>);

/// The name of a template, which is that of its folder: letters, digits, `-` and `_`, at most 64, no `_` in front.
///
/// ```
/// use cognito_triggers::mailing::TemplateName;
///
/// assert!("welcome-email".parse::<TemplateName>().is_ok());
/// assert!("../welcome-email".parse::<TemplateName>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TemplateName(String);

/// A language, perhaps with a country or a script: `en`, `de-AT`, `zh-Hant-TW`. Written with `-`; read with `_` as well.
///
/// ```
/// use cognito_triggers::mailing::Locale;
///
/// assert_eq!("de_AT".parse::<Locale>()?.as_str(), "de-AT");
/// # Ok::<(), cognito_triggers::mailing::NotALocale>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Locale(String);

/// What was given cannot be the name of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the name of a template: write that of its folder, of letters, digits, `-` and `_`, e.g. `welcome-email`"
)]
pub struct NotATemplateName;

/// What was given is not a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a language: write e.g. `en` or `de-AT`")]
pub struct NotALocale;

/// The most characters the name of a template may have.
const LONGEST_NAME: usize = 64;

/// The most characters a language may have (RFC 5646, section 4.4.1).
const LONGEST_LOCALE: usize = 35;

/// Where a user may be written to: the address, if the user has proven to own it, with the user's name.
///
/// Whatever else stands in a profile may be somebody else's: a form that mails to whom a stranger names is soon used to annoy.
#[must_use]
pub fn verified_mailbox(attributes: &Attributes) -> Option<Mailbox> {
    let address = attributes.email()?.ok()?;
    (attributes.find("email_verified") == Some("true")).then(|| named_mailbox(attributes, &address))
}

/// An address with what the user is called, as far as that is known.
#[must_use]
pub fn named_mailbox(attributes: &Attributes, address: &EmailAddress) -> Mailbox {
    let find = |name| attributes.find(name).map(str::trim).filter(|name| !name.is_empty());
    let parts = || ["given_name", "family_name"].into_iter().filter_map(find).collect::<Vec<_>>().join(" ");
    Mailbox::new(&find("name").map_or_else(parts, str::to_owned), address)
}

/// What templates are filled with, of the user an event is about: `user` with the attributes
/// [of the person](Attributes::of_person) by name, [cut](Attributes::cut_to_fit) if they are enormous, `pool` and `client`.
#[must_use]
pub fn context_of<T: Trigger>(event: &Event<T>) -> Map<String, Value> {
    context(&event.user_pool_id, event.caller.client_id.as_deref(), event.attributes())
}

pub(crate) fn context(pool: &str, client: Option<&str>, attributes: &Attributes) -> Map<String, Value> {
    let attributes = attributes.of_person().cut_to_fit();
    let mut user = Map::new();
    user.extend(attributes.iter().map(|(name, value)| (name.to_owned(), value.into())));
    let mut context = Map::new();
    context.insert("user".into(), user.into());
    context.insert("pool".into(), pool.into());
    context.insert("client".into(), client.unwrap_or_default().into());
    context
}

impl Deref for Mailboxes {
    type Target = [Mailbox];

    fn deref(&self) -> &[Mailbox] {
        &self.0
    }
}

impl FromIterator<Mailbox> for Mailboxes {
    /// The first of several mailboxes with one address counts.
    fn from_iter<I: IntoIterator<Item = Mailbox>>(mailboxes: I) -> Self {
        let mut all: Vec<Mailbox> = Vec::new();
        for mailbox in mailboxes {
            if all.iter().all(|known| known.address() != mailbox.address()) {
                all.push(mailbox);
            }
        }
        Self(all)
    }
}

impl<'de> Deserialize<'de> for Mailboxes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Mailboxes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a mailbox or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Mailboxes, E> {
                Ok(Mailboxes(vec![text.parse().map_err(E::custom)?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Mailboxes, A::Error> {
                let mut all = Vec::new();
                while let Some(mailbox) = list.next_element()? {
                    all.push(mailbox);
                }
                let mailboxes: Mailboxes = all.into_iter().collect();
                if mailboxes.len() > MOST_RECIPIENTS {
                    let problem = format!("these are {} mailboxes: at most {MOST_RECIPIENTS} are", mailboxes.len());
                    return Err(A::Error::custom(format!("{problem} possible, so write to a mailing list")));
                }
                Ok(mailboxes)
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}

impl JsonSchema for Mailboxes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Mailboxes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mailbox = generator.subschema_for::<Mailbox>();
        json_schema!({ "anyOf": [mailbox, { "type": "array", "items": mailbox, "maxItems": MOST_RECIPIENTS }] })
    }
}

impl TemplateName {
    /// The template that has the name of a rule's table.
    #[must_use]
    pub fn of_rule<R: Configured>() -> Self {
        Self(R::SECTION.to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TemplateName {
    type Err = NotATemplateName;

    fn from_str(text: &str) -> Result<Self, NotATemplateName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        // What begins with `_` holds what templates share.
        let is_name = (1..=LONGEST_NAME).contains(&text.len()) && !text.starts_with('_') && text.bytes().all(plain);
        if is_name { Ok(Self(text.to_owned())) } else { Err(NotATemplateName) }
    }
}

impl Default for Locale {
    /// English.
    fn default() -> Self {
        Self("en".into())
    }
}

impl Locale {
    /// The language, as it is written in BCP 47.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The languages to look for in a mail to a user, the best first: the user's own, then this one.
    #[must_use]
    pub fn after_own(&self, attributes: &Attributes) -> Vec<String> {
        let own = Self::of_user(attributes).filter(|own| own != self);
        own.iter().chain([self]).map(ToString::to_string).collect()
    }

    /// The language of a user, if the attribute `locale` names one. Users and other providers write what they like there: of
    /// `de_AT.UTF-8` and `de-AT,de;q=0.9` the first language counts, and what is none does not.
    #[must_use]
    pub fn of_user(attributes: &Attributes) -> Option<Self> {
        let locale = attributes.locale()?;
        locale.split([',', ';', '.', '@']).next()?.trim().parse().ok()
    }
}

impl FromStr for Locale {
    type Err = NotALocale;

    fn from_str(text: &str) -> Result<Self, NotALocale> {
        let text = text.replace('_', "-");
        let mut parts = text.split('-');
        let is_language = parts
            .next()
            .is_some_and(|part| (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let is_more =
            |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if text.len() <= LONGEST_LOCALE && is_language && parts.all(is_more) { Ok(Self(text)) } else { Err(NotALocale) }
    }
}

/// Reads a text as what it stands for.
macro_rules! from_text {
    ($type:ident, $expected:literal, $pattern:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        formatter.write_str($expected)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

from_text!(TemplateName, "the name of a template", "^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$");
from_text!(Locale, "a language such as `en` or `de-AT`", "^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$");

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mailboxes(value: serde_json::Value) -> Result<Vec<String>, String> {
        let read: Result<Mailboxes, _> = serde_json::from_value(value);
        read.map(|all| all.iter().map(ToString::to_string).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn one_mailbox_or_a_list_each_address_once() {
        assert_eq!(mailboxes(json!("ops@acme.example")).unwrap(), ["ops@acme.example"]);
        let twice = json!(["Ops <ops@acme.example>", "eve@acme.example", "ops@ACME.example"]);
        assert_eq!(mailboxes(twice).unwrap(), ["\"Ops\" <ops@acme.example>", "eve@acme.example"]);
        assert!(mailboxes(json!([])).unwrap().is_empty());
        assert!(mailboxes(json!("ops")).unwrap_err().starts_with("this is not a mailbox"));
        assert!(mailboxes(json!(["ops@acme.example", "ops"])).unwrap_err().starts_with("this is not a mailbox"));
        assert!(mailboxes(json!(7)).unwrap_err().contains("expected a mailbox or a list of them"));
    }

    #[test]
    fn no_more_mailboxes_than_a_mail_may_have() {
        let many = |count: usize| json!((0..count).map(|nth| format!("a{nth}@acme.example")).collect::<Vec<_>>());
        assert_eq!(mailboxes(many(50)).unwrap().len(), 50);
        assert_eq!(
            mailboxes(many(51)).unwrap_err(),
            "these are 51 mailboxes: at most 50 are possible, so write to a mailing list"
        );
    }

    #[test]
    fn a_template_is_named_by_a_folder_and_by_no_path() {
        for name in ["welcome-email", "Welcome_2", "x", &"x".repeat(64)] {
            assert_eq!(name.parse::<TemplateName>().unwrap().as_str(), name);
        }
        for other in ["", ".", "..", "a/b", "a\\b", "a.b", " a", "ä", "a\0", "_shared", &"x".repeat(65)] {
            assert_eq!(other.parse::<TemplateName>(), Err(NotATemplateName), "{other:?}");
        }
    }

    #[test]
    fn a_language_is_read_in_either_spelling() {
        for (text, read) in [("en", "en"), ("de_AT", "de-AT"), ("zh-Hant-TW", "zh-Hant-TW"), ("es-419", "es-419")] {
            assert_eq!(text.parse::<Locale>().unwrap().as_str(), read);
        }
        for other in ["", "e", "4", "de-", "-de", "de--AT", "de AT", "de-A", "../en", "German", "dé", "en-abcdefghi"] {
            assert_eq!(other.parse::<Locale>(), Err(NotALocale), "{other:?}");
        }
        assert!(format!("en{}", "-abcdefgh".repeat(4)).parse::<Locale>().is_err(), "too long");
    }

    #[test]
    fn a_user_is_written_to_at_a_proven_address_only() {
        let to = |attributes: &[(&str, &str)]| {
            verified_mailbox(&attributes.iter().copied().collect()).map(|mailbox| mailbox.to_string())
        };
        let (email, proven) = (("email", "anna@example.com"), ("email_verified", "true"));
        assert_eq!(to(&[email, proven]).as_deref(), Some("anna@example.com"));
        for verified in ["false", "", "no", "TRUE", " true"] {
            assert_eq!(to(&[email, ("email_verified", verified)]), None, "{verified:?}");
        }
        assert_eq!(to(&[email]), None);
        assert_eq!(to(&[proven]), None);
        for email in ["", " ", "anna", "a@b.example, eve@evil.example", "a@b.example\r\nBcc: eve@evil.example"] {
            assert_eq!(to(&[("email", email), proven]), None, "{email:?}");
        }
    }

    #[test]
    fn a_user_is_called_by_the_name_or_by_its_parts() {
        let address = "anna@example.com".parse().unwrap();
        let called = |attributes: &[(&str, &str)]| {
            named_mailbox(&attributes.iter().copied().collect(), &address).name().map(str::to_owned)
        };
        let parts = [("given_name", "Anna"), ("family_name", "Schmidt")];
        assert_eq!(called(&[("name", "Dr. Anna"), parts[0], parts[1]]).as_deref(), Some("Dr. Anna"));
        assert_eq!(called(&[("name", "  "), parts[0], parts[1]]).as_deref(), Some("Anna Schmidt"));
        assert_eq!(called(&parts[1..]).as_deref(), Some("Schmidt"));
        assert_eq!(called(&[]), None);
    }

    #[test]
    fn what_a_user_calls_a_language_is_taken_if_it_is_one() {
        let of = |text: &str| Locale::of_user(&Attributes::from_iter([("locale", text)])).map(|it| it.to_string());
        for text in ["de-AT", "de_AT", "de_AT.UTF-8", "de_AT@euro", "de-AT,de;q=0.9", " de-AT "] {
            assert_eq!(of(text).as_deref(), Some("de-AT"), "{text}");
        }
        for text in ["", "*", "../../etc/passwd", "<script>", "German (Austria)", "\u{202e}ed"] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(Locale::of_user(Attributes::none()), None);
    }

    #[test]
    fn the_language_of_the_user_goes_before_that_of_the_settings() {
        let to = |own: &str| "fr".parse::<Locale>().unwrap().after_own(&Attributes::from_iter([("locale", own)]));
        assert_eq!(to("de_AT"), ["de-AT", "fr"]);
        assert_eq!(to("fr"), ["fr"]);
        assert_eq!(to("<b>"), ["fr"]);
    }

    #[test]
    fn templates_get_what_is_of_the_person_and_where_the_event_came_from() {
        let event = Event::<crate::PostAuthentication>::sample();
        let context = context_of(&event);
        assert_eq!(context["pool"], "eu-central-1_Example01");
        assert_eq!(context["client"], "1example23456789");
        assert_eq!(context["user"]["given_name"], "Anna");
        assert_eq!(context["user"].get("cognito:user_status"), None);
        let nobody = event.with_value(&["callerContext", "clientId"], serde_json::Value::Null);
        assert_eq!(context_of(&nobody)["client"], "");
    }
}
