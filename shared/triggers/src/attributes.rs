//! A user's attributes, and the maps an application may pass along.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::EmailAddress;
use crate::email::NotAnAddress;
use crate::raw::text;

/// The attributes of a user as text.
///
/// Cognito sends strings, its documents sometimes booleans: whatever is not a string is kept as its JSON text, `null` is
/// absent. `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, String>);

/// A map of strings a client passed along: `clientMetadata`, `validationData`. Read like [`Attributes`].
pub type Metadata = Attributes;

/// The name of an attribute as an operator writes it: one that every pool has, or one of the pool's own, `custom:plan`.
///
/// A name that no user can have would be silent for ever: an attribute that is missing looks like one that nobody filled.
///
/// ```
/// use cognito_triggers::AttributeName;
///
/// assert!("custom:plan".parse::<AttributeName>().is_ok());
/// let wrong = "mail".parse::<AttributeName>().unwrap_err();
/// assert_eq!(wrong.to_string(), "users have no such attribute: did you mean `email`?");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeName(String);

/// What was given is not the name of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("users have no such attribute: {remedy}")]
pub struct NotAnAttribute {
    remedy: Cow<'static, str>,
}

/// Where a user stands, `cognito:user_status`. Open: what is not known here is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserStatus {
    /// Signed up, not confirmed.
    Unconfirmed,
    /// Confirmed.
    Confirmed,
    /// Signs in at another provider.
    ExternalProvider,
    /// Created by an administrator and never signed in.
    ForceChangePassword,
    /// Has to choose a new password.
    ResetRequired,
    /// Another one.
    Other(String),
}

/// One entry of the attribute `identities`: an account at another provider.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    /// The user's name there.
    #[serde(deserialize_with = "crate::lenient::field")]
    pub user_id: String,
    /// The provider's name in the pool.
    #[serde(deserialize_with = "crate::lenient::field")]
    pub provider_name: String,
    /// `OIDC`, `SAML`, `Google`, ...
    #[serde(deserialize_with = "crate::lenient::field")]
    pub provider_type: String,
    /// Who issued it, where the provider has one.
    #[serde(deserialize_with = "crate::lenient::field")]
    pub issuer: Option<String>,
    /// Whether this is the account the user was created with.
    #[serde(deserialize_with = "crate::lenient::field")]
    pub primary: bool,
    /// When it was linked, in milliseconds since 1970.
    #[serde(deserialize_with = "crate::lenient::field")]
    pub date_created: Option<i64>,
}

impl Attributes {
    /// No attributes.
    #[must_use]
    pub fn none() -> &'static Self {
        static NONE: Attributes = Attributes(BTreeMap::new());
        &NONE
    }

    /// One attribute by its name in the pool.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `email`, parsed; the error says that there is one which is no address.
    #[must_use]
    pub fn email(&self) -> Option<Result<EmailAddress, NotAnAddress>> {
        self.filled("email").map(str::parse)
    }

    /// `phone_number`, if it has the form Cognito requires: `+` and up to 15 digits (E.164).
    #[must_use]
    pub fn phone_number(&self) -> Option<&str> {
        self.filled("phone_number").filter(|number| {
            let digits = number.strip_prefix('+').unwrap_or_default();
            (1..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
        })
    }

    /// `nickname`.
    #[must_use]
    pub fn nickname(&self) -> Option<&str> {
        self.filled("nickname")
    }

    /// `birthdate`, if it is a date written `YYYY-MM-DD`.
    #[must_use]
    pub fn birthdate(&self) -> Option<Date> {
        self.filled("birthdate")?.parse().ok()
    }

    /// `locale`, e.g. `de-AT`, with `_` written as `-`.
    #[must_use]
    pub fn locale(&self) -> Option<String> {
        self.filled("locale").map(|locale| locale.replace('_', "-"))
    }

    /// A custom attribute by its short name: `custom("plan")` is `custom:plan`.
    #[must_use]
    pub fn custom(&self, name: &str) -> Option<&str> {
        self.find(&format!("custom:{name}"))
    }

    /// `cognito:user_status`.
    #[must_use]
    pub fn user_status(&self) -> Option<UserStatus> {
        Some(match self.filled("cognito:user_status")? {
            "UNCONFIRMED" => UserStatus::Unconfirmed,
            "CONFIRMED" => UserStatus::Confirmed,
            "EXTERNAL_PROVIDER" => UserStatus::ExternalProvider,
            "FORCE_CHANGE_PASSWORD" => UserStatus::ForceChangePassword,
            "RESET_REQUIRED" => UserStatus::ResetRequired,
            other => UserStatus::Other(other.to_owned()),
        })
    }

    /// `identities`; empty where there are none.
    #[must_use]
    pub fn identities(&self) -> Vec<Identity> {
        self.filled("identities").and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default()
    }

    /// The same without what is about the account rather than the person: `identities`, the accounts at other providers, and
    /// what begins with `cognito:`.
    #[must_use]
    pub fn of_person(&self) -> Self {
        self.iter().filter(|(name, _)| !is_of_account(name)).collect()
    }

    /// The same, if all of it takes at most [`Attributes::MOST`] bytes as JSON; otherwise with the longest values cut.
    ///
    /// What a rule stages is stored in one item with it, and an item of DynamoDB has at most 400 KB. A user may have 70
    /// attributes of 2,048 characters, more than that, and whoever filled them all would otherwise keep everything from being
    /// written that this event wants written. Nobody with an honest profile gets near.
    #[must_use]
    pub fn cut_to_fit(&self) -> Self {
        let size = |(name, value): (&String, &String)| json_size(name) + json_size(value);
        if self.0.iter().map(size).sum::<usize>() <= Self::MOST {
            return self.clone();
        }
        let share = Self::MOST / self.0.len().max(1);
        let cut =
            |(name, value): (&String, &String)| (name.clone(), cut_to(value, share.saturating_sub(json_size(name))));
        self.0.iter().map(cut).collect()
    }

    /// The most bytes of attributes that are stored with a delivery.
    pub const MOST: usize = 100_000;

    fn filled(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|value| !value.trim().is_empty())
    }
}

/// The standard attributes of a user pool (OpenID Connect Core, section 5.1; Cognito developer guide, "User pool attributes"),
/// in the order of the alphabet.
pub const STANDARD_ATTRIBUTES: [&str; 20] = [
    "address",
    "birthdate",
    "email",
    "email_verified",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "phone_number_verified",
    "picture",
    "preferred_username",
    "profile",
    "sub",
    "updated_at",
    "website",
    "zoneinfo",
];

/// What Cognito tells of an account beside them.
const OF_ACCOUNT: [&str; 2] = ["cognito:user_status", "identities"];

/// What every pool has.
fn of_every_pool() -> impl Iterator<Item = &'static str> {
    STANDARD_ATTRIBUTES.into_iter().chain(OF_ACCOUNT)
}

/// What the names of a pool's own attributes begin with; the second ones only an administrator can write.
const OWN: [&str; 2] = ["custom:", "dev:custom:"];

impl AttributeName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is about the account rather than the person, see [`Attributes::of_person`].
    #[must_use]
    pub fn is_of_account(&self) -> bool {
        is_of_account(&self.0)
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// So that a set of them can be asked for a name.
impl Borrow<str> for AttributeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for AttributeName {
    type Err = NotAnAttribute;

    fn from_str(text: &str) -> Result<Self, NotAnAttribute> {
        let own = OWN.iter().find_map(|prefix| text.strip_prefix(prefix));
        let is_plain =
            |name: &str| !name.is_empty() && !name.contains(|it: char| it.is_whitespace() || it.is_control());
        if of_every_pool().any(|name| name == text) || own.is_some_and(is_plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(NotAnAttribute { remedy: remedy(text) })
    }
}

/// What to write instead of this. What was written is not quoted.
fn remedy(text: &str) -> Cow<'static, str> {
    let text = text.trim().to_lowercase();
    if text.starts_with("custom") || text.starts_with("dev:") {
        return "write an attribute of the pool's own as the pool has it, with colons and without spaces, e.g. `custom:plan`"
            .into();
    }
    let text = text.replace(['-', ' ', '.'], "_");
    let nearest = of_every_pool()
        .map(|known| (strsim::jaro_winkler(&text, known), known))
        .filter(|(likeness, _)| *likeness > 0.82)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match nearest {
        Some((_, known)) => format!("did you mean `{known}`?").into(),
        None => {
            "write one that every pool has, e.g. `email`, or one of the pool's own behind `custom:`, e.g. `custom:plan`"
                .into()
        }
    }
}

impl<'de> Deserialize<'de> for AttributeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for AttributeName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AttributeName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// `identities` and what begins with `cognito:`.
fn is_of_account(name: &str) -> bool {
    name == "identities" || name.starts_with("cognito:")
}

/// How many bytes a text takes as JSON.
fn json_size(text: &str) -> usize {
    text.chars().map(json_size_of).sum::<usize>() + 2
}

fn json_size_of(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        '\u{0}'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

/// As much of the text as takes at most so many bytes as JSON.
fn cut_to(text: &str, most: usize) -> String {
    let mut size = 2;
    let fits = |character: &char| {
        size += json_size_of(*character);
        size <= most
    };
    text.chars().take_while(fits).collect()
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        // Not `collect()`: that sorts first, with a sort of its own for every kind of iterator.
        let mut attributes = BTreeMap::new();
        attributes.extend(pairs.into_iter().map(|(name, value)| (name.into(), value.into())));
        Self(attributes)
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Attributes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut attributes = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    match text(value) {
                        Some(text) => attributes.insert(name, text),
                        // Of attributes with one name the last counts, as everywhere.
                        None => attributes.remove(&name),
                    };
                }
                Ok(Attributes(attributes))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scalar_is_text_and_null_is_absent() {
        let attributes: Attributes = serde_json::from_str(
            r#"{"email_verified": true, "n": 123456789012345678901234567890, "gone": null, "list": [1, 2], "s": "\u00e4"}"#,
        )
        .unwrap();
        let all: Vec<_> = attributes.iter().collect();
        assert_eq!(
            all,
            [("email_verified", "true"), ("list", "[1, 2]"), ("n", "123456789012345678901234567890"), ("s", "ä")]
        );
    }

    #[test]
    fn typed_attributes_are_absent_rather_than_wrong() {
        let attributes = Attributes::from_iter([
            ("birthdate", "1900-02-29"),
            ("phone_number", "0049 123"),
            ("locale", "de_AT"),
            ("custom:plan", "gold"),
            ("email", " "),
            ("identities", r#"[{"userId": "7", "providerName": "Google", "issuer": null, "dateCreated": "1"}]"#),
            ("cognito:user_status", "SOMETHING_NEW"),
        ]);
        assert_eq!(attributes.birthdate(), None);
        assert_eq!(attributes.phone_number(), None);
        assert_eq!(attributes.locale().as_deref(), Some("de-AT"));
        assert_eq!(attributes.custom("plan"), Some("gold"));
        assert_eq!(attributes.email(), None);
        assert_eq!(attributes.identities()[0].provider_name, "Google");
        assert_eq!(attributes.user_status(), Some(UserStatus::Other("SOMETHING_NEW".into())));
    }

    fn named(text: &str) -> Result<AttributeName, String> {
        serde_json::from_value(text.into()).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn what_a_user_can_have_is_the_name_of_an_attribute() {
        for name in of_every_pool().chain(["custom:plan", "dev:custom:Plan", "custom:größe.1/2", "custom:custom:x"]) {
            assert_eq!(named(name).map(|name| name.to_string()).as_deref(), Ok(name));
        }
    }

    #[test]
    fn what_no_user_can_have_is_refused_with_what_to_write() {
        let meant = |name: &str| format!("users have no such attribute: did you mean `{name}`?");
        for (wrong, near) in [
            ("mail", "email"),
            ("Email", "email"),
            (" email", "email"),
            ("e-mail", "email"),
            ("emial", "email"),
            ("givenName", "given_name"),
            ("given-name", "given_name"),
            ("phone", "phone_number"),
            ("cognito:status", "cognito:user_status"),
            ("identity", "identities"),
            ("birthday", "birthdate"),
        ] {
            assert_eq!(named(wrong), Err(meant(near)), "{wrong}");
        }
        for wrong in ["", " ", "plan", "xyz"] {
            let expected = "users have no such attribute: write one that every pool has, e.g. `email`, or one of the pool's own behind `custom:`, e.g. `custom:plan`";
            assert_eq!(named(wrong), Err(expected.into()), "{wrong}");
        }
        for wrong in ["custom:", "custom: plan", "custom.plan", "Custom:plan", "custom_plan", "dev:plan", "custom:a\n"]
        {
            let expected = "users have no such attribute: write an attribute of the pool's own as the pool has it, with colons and without spaces, e.g. `custom:plan`";
            assert_eq!(named(wrong), Err(expected.into()), "{wrong}");
        }
        assert!(serde_json::from_str::<AttributeName>("7").is_err());
    }

    #[test]
    fn who_fills_every_attribute_still_fits_into_an_item() {
        for letter in ["x", "\u{1}", "🧑", "\"", "é"] {
            let mut filled: Attributes =
                (0..70).map(|number| (format!("custom:{number}"), letter.repeat(2_048))).collect();
            filled.0.insert("email".into(), "anna@example.com".into());
            let cut = filled.cut_to_fit();
            assert!(serde_json::to_string(&cut.0).unwrap().len() <= Attributes::MOST + 71 * 2 + 2);
            assert_eq!(cut.find("email"), Some("anna@example.com"));
            assert_eq!(cut.0.len(), 71, "a name that is missing would be undefined in templates");
            assert!(
                cut.custom("3").unwrap().chars().count() > 200
                    && filled.custom("3").unwrap() != cut.custom("3").unwrap()
            );
        }
        let honest: Attributes = (0..40).map(|number| (number.to_string(), "é".repeat(1_000))).collect();
        assert_eq!(honest.cut_to_fit(), honest);
    }
}
