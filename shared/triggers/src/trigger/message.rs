//! Messages to users: their wording while Cognito sends them, or the whole sending.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Trigger;
use crate::attributes::{Attributes, Metadata};
use crate::lenient;

/// Before Cognito sends a mail or an SMS: chooses its words.
///
/// Cognito puts the code in afterwards, where the words hold the placeholder from the request; the code itself is never
/// seen here. A fault is answered with the unchanged event, so that the pool's own words go out: a plain message is worth
/// more than none (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-message.html>).
pub struct CustomMessage;

impl Trigger for CustomMessage {
    const NAME: &'static str = "CustomMessage";
    const FORGIVING: bool = true;
    type Request = CustomMessageRequest;
    type Response = CustomMessageResponse;
}

/// What Cognito asks before it sends a message.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomMessageRequest {
    /// The user's attributes.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// The placeholder of the code, `{####}`. For a user an administrator created it stands for the temporary password.
    #[serde(deserialize_with = "lenient::field")]
    pub code_parameter: Option<String>,
    /// The placeholder of the user name, `{username}`; only for a user an administrator created.
    #[serde(deserialize_with = "lenient::field")]
    pub username_parameter: Option<String>,
    /// The placeholder of the link, `{##Click Here##}`, where the pool verifies by link.
    #[serde(deserialize_with = "lenient::field")]
    pub link_parameter: Option<String>,
    /// What the client passed to the call that sends the message; never that of `InitiateAuth`.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
}

request!(CustomMessageRequest: user_attributes, client_metadata);

/// The words. Letters, marks, numbers, punctuation, symbols and blanks only: a zero-width joiner makes the client's call
/// fail. Needs the placeholder; for a user an administrator created also that of the name, or the pool's own words are
/// sent. `Debug` shows which were set.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomMessageResponse {
    /// 6 to 140 characters; on one line but for invitations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_message: Option<String>,
    /// 6 to 20 000 characters, may be HTML. Refused by Cognito unless the pool sends through SES
    /// (`EmailSendingAccount` is `DEVELOPER`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_message: Option<String>,
    /// 1 to 140 characters; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_subject: Option<String>,
}

impl fmt::Debug for CustomMessageResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &Option<String>| text.as_ref().map(|_| "..");
        formatter
            .debug_struct("CustomMessageResponse")
            .field("sms_message", &shown(&self.sms_message))
            .field("email_message", &shown(&self.email_message))
            .field("email_subject", &shown(&self.email_subject))
            .finish()
    }
}

/// Sends a mail instead of Cognito.
///
/// Called asynchronously: the user was answered already, and nothing is read from the answer. An error makes Lambda call
/// again, so a message may go out twice. Needs `KMSKeyID` in the pool's `LambdaConfig`
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-email-sender.html>).
pub struct CustomEmailSender;

impl Trigger for CustomEmailSender {
    const NAME: &'static str = "CustomEmailSender";
    type Request = CustomSenderRequest;
    type Response = CustomSenderResponse;
}

/// Sends an SMS instead of Cognito; everything else as for [`CustomEmailSender`]
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sms-sender.html>).
pub struct CustomSmsSender;

impl Trigger for CustomSmsSender {
    const NAME: &'static str = "CustomSMSSender";
    // The developer guide has both; events were only seen with the first.
    const SOURCES: &'static [&'static str] = &["CustomSMSSender", "CustomSmsSender"];
    type Request = CustomSenderRequest;
    type Response = CustomSenderResponse;
}

/// What is to be sent. Holds a code: there is no `Debug`.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomSenderRequest {
    /// `type`: `customEmailSenderRequestV1` or `customSMSSenderRequestV1`.
    #[serde(rename = "type", deserialize_with = "lenient::field")]
    pub request_type: String,
    /// The code or temporary password, encrypted under the pool's key with the AWS Encryption SDK, in base64. What comes
    /// out is HTML-escaped (`&lt;`, `&gt;`). Absent where there is none to send, as in a warning.
    #[serde(deserialize_with = "lenient::field")]
    pub code: Option<String>,
    /// The user's attributes.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// What the client passed at `SignUp`, `ForgotPassword` or `RespondToAuthChallenge`.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
}

request!(CustomSenderRequest: user_attributes, client_metadata);

/// Nobody reads the answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CustomSenderResponse {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_of_a_message_hides_its_words() {
        let response = CustomMessageResponse { email_subject: Some("Hello Anna".into()), ..Default::default() };
        let shown = format!("{response:?}");
        assert!(shown.contains(r#"email_subject: Some("..")"#) && !shown.contains("Anna"), "{shown}");
    }
}
