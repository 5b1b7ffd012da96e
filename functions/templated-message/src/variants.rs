//! Templates for some users and occasions instead of the usual ones, and when they are taken.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use cognito_triggers::config::check_clients;
use cognito_triggers::mailing::{Locale, TemplateName};
use cognito_triggers::message::Occasion;
use cognito_triggers::{AttributeName, Attributes, ConfigError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::domain::Domain;
use crate::one_or_more::OneOrMore;

/// A template, and all that has to hold for it to be taken. There is at least one condition.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Variant {
    /// The template, named by its folder. Where it fails, and for a part it has not, the usual template of the occasion is taken.
    pub(crate) template: TemplateName,
    /// What the message is sent for, one or several.
    #[serde(default)]
    occasion: Option<OneOrMore<Occasion>>,
    /// The domain of the user's address, one or several: `example.com` is that domain alone, `*.example.com` all below it. Who
    /// signs up has not proven yet to own the address.
    #[serde(default)]
    email_domain: Option<OneOrMore<Domain>>,
    /// Whether it is the user's birthday today, where the user is: in the zone of the attribute `zoneinfo`, else that of `zone`.
    /// Who was born on 29 February celebrates on 28 February in other years. Whose `birthdate` is not known has none.
    #[serde(default)]
    pub(crate) birthday: Option<bool>,
    /// The language of the user, one or several: `de` means `de-AT` as well, `de-AT` nobody with `de`. Whose own is not known has
    /// that of `locale`.
    #[serde(default)]
    locale: Option<OneOrMore<Locale>>,
    /// The app client, one or several, by id. A user an administrator creates comes from `CLIENT_ID_NOT_APPLICABLE`.
    #[serde(default)]
    client: Option<OneOrMore<String>>,
    /// Attributes of the user by name, each with the exact text it has to be, or a list of such texts. One that the user does not
    /// have is as good as empty.
    #[serde(default)]
    attribute: BTreeMap<AttributeName, OneOrMore<Text>>,
}

/// What is known when a message is to be sent.
pub(crate) struct Case<'a> {
    pub(crate) occasion: Occasion,
    pub(crate) attributes: &'a Attributes,
    pub(crate) client: Option<&'a str>,
    /// The language of the user, else that of the settings.
    pub(crate) locale: Locale,
    pub(crate) birthday: bool,
}

impl Variant {
    /// Whether all conditions hold.
    pub(crate) fn fits(&self, case: &Case<'_>) -> bool {
        let holds = |name: &AttributeName, values: &OneOrMore<Text>| {
            let value = case.attributes.find(name.as_str()).unwrap_or_default();
            values.iter().any(|Text(text)| text == value)
        };
        self.may_be_for(case.occasion)
            && self.birthday.is_none_or(|birthday| birthday == case.birthday)
            && any(self.client.as_ref(), |client| case.client == Some(client.as_str()))
            && any(self.locale.as_ref(), |locale| is_within(case.locale.as_str(), locale.as_str()))
            && self.attribute.iter().all(|(name, values)| holds(name, values))
            && self.email_domain.as_ref().is_none_or(|domains| {
                let Some(Ok(address)) = case.attributes.email() else { return false };
                domains.iter().any(|domain| domain.means(address.domain()))
            })
    }

    /// Whether it can be taken for this occasion at all.
    pub(crate) fn may_be_for(&self, occasion: Occasion) -> bool {
        any(self.occasion.as_ref(), |it| *it == occasion)
    }

    /// All conditions.
    fn conditions(&self) -> impl PartialEq + '_ {
        let Self { template: _, occasion, email_domain, birthday, locale, client, attribute } = self;
        (occasion, email_domain, birthday, locale, client, attribute)
    }

    fn has_conditions(&self) -> bool {
        let Self { template: _, occasion, email_domain, birthday, locale, client, attribute } = self;
        let places =
            [occasion.is_some(), email_domain.is_some(), birthday.is_some(), locale.is_some(), client.is_some()];
        places.contains(&true) || !attribute.is_empty()
    }
}

/// Refuses what makes no sense, each for itself and all together.
pub(crate) fn check(variants: &[Variant]) -> Result<(), ConfigError> {
    for (nth, variant) in variants.iter().enumerate() {
        if !variant.has_conditions() {
            return Err(ConfigError::new("this variant has no condition, so that none behind it would ever be taken")
                .at(format!("variants[{nth}]"))
                .remedy("add one, e.g. `birthday = true`, or name the template under `occasions`"));
        }
        let clients = variant.client.iter().flat_map(OneOrMore::iter);
        check_clients(&format!("variants[{nth}].client"), clients)?;
        if let Some(before) = variants.iter().take(nth).position(|it| it.conditions() == variant.conditions()) {
            return Err(ConfigError::new(format!(
                "this variant asks for the same as variants[{before}], and is never taken"
            ))
            .at(format!("variants[{nth}]"))
            .remedy("remove one of them, or change a condition"));
        }
    }
    Ok(())
}

/// Whether one of these fits; what is not asked for always does.
fn any<T>(asked: Option<&OneOrMore<T>>, fits: impl Fn(&T) -> bool) -> bool {
    asked.is_none_or(|asked| asked.iter().any(fits))
}

/// Whether a language is this one, or one of its kinds.
fn is_within(language: &str, wanted: &str) -> bool {
    let mut parts = language.split('-');
    wanted.split('-').all(|wanted| parts.next().is_some_and(|part| part.eq_ignore_ascii_case(wanted)))
}

/// The text of an attribute. All attributes are text; a boolean or a whole number in the settings means its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl Visitor<'_> for Scalar {
            type Value = Text;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the text of an attribute")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Text, E> {
                Ok(Text(truth.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }

        deserializer.deserialize_any(Scalar)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AttributeText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "boolean", "integer"] })
    }
}
