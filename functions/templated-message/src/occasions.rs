//! Which template is for which occasion.

use std::borrow::Cow;
use std::fmt;

use cognito_triggers::mailing::TemplateName;
use cognito_triggers::message::Occasion;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// The template of each occasion, named by its folder, or `false` to leave the occasion to Cognito's own words, whatever variants
/// there are.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Occasions {
    /// Somebody signed up and has to confirm the address. Left out, `verification`.
    sign_up: Option<Choice>,
    /// The same once more. Left out, `verification`.
    resend_code: Option<Choice>,
    /// An administrator created a user, who is invited with a temporary password. Left out, `invitation`.
    admin_create_user: Option<Choice>,
    /// Somebody forgot the password. Left out, `forgotten-password`.
    forgot_password: Option<Choice>,
    /// An address or a phone number was changed. Left out, `attribute-change`.
    update_user_attribute: Option<Choice>,
    /// An address or a phone number is to be confirmed. Left out, `attribute-change`.
    verify_user_attribute: Option<Choice>,
    /// A sign-in asks for a second factor. Left out, `mfa`.
    authentication: Option<Choice>,
}

impl Occasions {
    /// The usual template of an occasion; `None` if it is left to Cognito.
    pub(crate) fn template(&self, occasion: Occasion) -> Option<&str> {
        let (choice, usual) = match occasion {
            Occasion::SignUp => (&self.sign_up, "verification"),
            Occasion::ResendCode => (&self.resend_code, "verification"),
            Occasion::AdminCreateUser => (&self.admin_create_user, "invitation"),
            Occasion::ForgotPassword => (&self.forgot_password, "forgotten-password"),
            Occasion::UpdateUserAttribute => (&self.update_user_attribute, "attribute-change"),
            Occasion::VerifyUserAttribute => (&self.verify_user_attribute, "attribute-change"),
            Occasion::Authentication => (&self.authentication, "mfa"),
        };
        match choice {
            None => Some(usual),
            Some(Choice::Template(name)) => Some(name.as_str()),
            Some(Choice::LeftToCognito) => None,
        }
    }
}

/// What stands for an occasion.
#[derive(Clone, Debug)]
enum Choice {
    Template(TemplateName),
    LeftToCognito,
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrFalse;

        impl Visitor<'_> for NameOrFalse {
            type Value = Choice;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a template, or `false`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Choice, E> {
                text.parse().map(Choice::Template).map_err(E::custom)
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Choice, E> {
                if truth {
                    return Err(E::custom(
                        "`true` names no template: write its name, or `false` for Cognito's own words",
                    ));
                }
                Ok(Choice::LeftToCognito)
            }
        }

        deserializer.deserialize_any(NameOrFalse)
    }
}

impl JsonSchema for Choice {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TemplateOrFalse".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<TemplateName>(), { "const": false }] })
    }
}
