//! What Cognito says to users in mails and SMS: from a template to words that Cognito takes.
//!
//! Cognito asks the trigger CustomMessage for the words of a message, puts the code in, and sends it. It takes no words it
//! does not like: a placeholder that is missing, a character too many, a zero-width joiner in somebody's name, and the user's
//! call fails, so that he never gets his code. [`compose`] fills a template and answers what Cognito takes, or says why it
//! would not; whatever is not there leaves the pool's own words in place.

mod age;
mod compose;
mod limits;
mod samples;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::trigger::{CustomMessage, CustomMessageRequest};
use crate::{Event, TriggerSource};

pub use compose::{Composed, Outcome, compose};
pub use limits::{Part, Refusal, mended, refusals};
pub use samples::{SampleUser, sample_users};

/// What a message is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// Somebody signed up and has to confirm the address: `CustomMessage_SignUp`.
    SignUp,
    /// The same once more: `CustomMessage_ResendCode`.
    ResendCode,
    /// An administrator created a user, who is invited with a temporary password: `CustomMessage_AdminCreateUser`.
    AdminCreateUser,
    /// Somebody forgot the password: `CustomMessage_ForgotPassword`.
    ForgotPassword,
    /// An address or a phone number was changed: `CustomMessage_UpdateUserAttribute`.
    UpdateUserAttribute,
    /// An address or a phone number is to be confirmed: `CustomMessage_VerifyUserAttribute`.
    VerifyUserAttribute,
    /// A sign-in asks for a second factor: `CustomMessage_Authentication`.
    Authentication,
}

impl Occasion {
    /// All of them, in the order in which a user meets them.
    pub const ALL: [Self; 7] = [
        Self::SignUp,
        Self::ResendCode,
        Self::AdminCreateUser,
        Self::ForgotPassword,
        Self::UpdateUserAttribute,
        Self::VerifyUserAttribute,
        Self::Authentication,
    ];

    /// What a source is sent for; `None` for one that is newer than this crate.
    #[must_use]
    pub fn of(source: &TriggerSource) -> Option<Self> {
        Self::ALL.into_iter().find(|occasion| occasion.source() == *source)
    }

    /// The trigger source.
    #[must_use]
    pub const fn source(self) -> TriggerSource {
        match self {
            Self::SignUp => TriggerSource::CustomMessageSignUp,
            Self::ResendCode => TriggerSource::CustomMessageResendCode,
            Self::AdminCreateUser => TriggerSource::CustomMessageAdminCreateUser,
            Self::ForgotPassword => TriggerSource::CustomMessageForgotPassword,
            Self::UpdateUserAttribute => TriggerSource::CustomMessageUpdateUserAttribute,
            Self::VerifyUserAttribute => TriggerSource::CustomMessageVerifyUserAttribute,
            Self::Authentication => TriggerSource::CustomMessageAuthentication,
        }
    }

    /// The name in settings and templates, e.g. `sign-up`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign-up",
            Self::ResendCode => "resend-code",
            Self::AdminCreateUser => "admin-create-user",
            Self::ForgotPassword => "forgot-password",
            Self::UpdateUserAttribute => "update-user-attribute",
            Self::VerifyUserAttribute => "verify-user-attribute",
            Self::Authentication => "authentication",
        }
    }

    /// Whether a pool that verifies by link sends a link for it instead of a code
    /// (`VerificationMessageTemplate`: "Verification by link" is offered for sign-up).
    #[must_use]
    pub const fn may_be_by_link(self) -> bool {
        matches!(self, Self::SignUp | Self::ResendCode)
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What Cognito replaces when it sends a message, as the event names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placeholders {
    /// What becomes the code, or the temporary password: `{####}`.
    pub code: Option<String>,
    /// What becomes the user name, for a user an administrator created: `{username}`.
    pub user_name: Option<String>,
    /// What becomes a link, where the pool verifies by link: `{##Click Here##}`.
    pub link: Option<String>,
}

impl Placeholders {
    /// Those of an event. What is empty is none.
    #[must_use]
    pub fn of(event: &Event<CustomMessage>) -> Self {
        let CustomMessageRequest { code_parameter, username_parameter, link_parameter, .. } = &event.request;
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        Self { code: filled(code_parameter), user_name: filled(username_parameter), link: filled(link_parameter) }
    }

    /// Those Cognito was seen to use for this occasion, for samples only: what it uses is in its event.
    #[must_use]
    pub fn sample(occasion: Occasion) -> Self {
        Self {
            code: Some("{####}".to_owned()),
            user_name: (occasion == Occasion::AdminCreateUser).then(|| "{username}".to_owned()),
            link: Some("{##Click Here##}".to_owned()),
        }
    }
}

/// Where the template of a message is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageTemplate {
    /// The folder of templates, beside the configuration; that of the services if there is none.
    pub folder: Option<String>,
    /// The name of the template, which is that of its folder.
    pub name: String,
}

impl FromStr for MessageTemplate {
    type Err = std::convert::Infallible;

    /// The template of this name in the folder of the services.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(Self { folder: None, name: name.to_owned() })
    }
}

/// What a message is to be made for.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// What it is sent for.
    pub occasion: Occasion,
    /// What Cognito replaces.
    pub placeholders: Placeholders,
    /// Whether the pool verifies by link.
    pub by_link: bool,
    /// Whether words for a mail are wanted.
    pub email: bool,
    /// Whether words for an SMS are wanted.
    pub sms: bool,
    /// The languages wanted, the best first.
    pub locales: Vec<String>,
    /// What the template is filled with beside the placeholders: `user` with the attributes by name, `pool`, `client`, and
    /// what else the rule knows.
    pub context: Map<String, Value>,
}

/// A template that was filled: what it says, before anybody asked whether Cognito takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The language.
    pub locale: String,
    /// The subject of the mail.
    pub subject: Option<String>,
    /// The mail.
    pub email: Option<Body>,
    /// The SMS.
    pub sms: Option<String>,
}

/// The body of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A page.
    Html(String),
    /// Plain text. Cognito sends every mail as a page, so it becomes one, with its line breaks.
    Text(String),
}
