//! Taking users over from somewhere else, one by one, when they first come.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::challenge::Names;
use super::{Gate, Trigger};
use crate::attributes::{Attributes, Metadata};
use crate::lenient;

/// When somebody nobody knows signs in with a password, or asks for a new one.
///
/// `userName` is what was typed. The password arrives in clear text, so only where the client signs in with
/// `USER_PASSWORD_AUTH` or `ADMIN_USER_PASSWORD_AUTH`; the pool's rules for passwords are not applied to it. Answering nothing is
/// not to migrate: the user stays unknown. Cognito may or may not have created the user when it answers with an error
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-migrate-user.html>).
pub struct UserMigration;

impl Trigger for UserMigration {
    const NAME: &'static str = "UserMigration";
    const KNOWS_USER: bool = false;
    type Request = UserMigrationRequest;
    type Response = UserMigrationResponse;
}

impl Gate for UserMigration {}

/// Who came. Holds the password: there is no `Debug`.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserMigrationRequest {
    /// What was typed, in clear text: never log it. Absent after a forgotten password.
    #[serde(deserialize_with = "lenient::field")]
    pub password: Option<String>,
    /// Sent as `null`: there is no user yet.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// The `ClientMetadata` of `InitiateAuth` and `AdminInitiateAuth`, which arrives under this name.
    #[serde(deserialize_with = "lenient::field")]
    pub validation_data: Metadata,
    /// The `ClientMetadata` of `ForgotPassword` and `AdminRespondToAuthChallenge`.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
}

request!(UserMigrationRequest: user_attributes, client_metadata, validation_data);

/// The user to create. `Debug` shows the attributes' names only.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMigrationResponse {
    /// The user's attributes; required to migrate. Set `email_verified` to `"true"` after a forgotten password, or no code can
    /// be sent. `username` has to equal the event's unless it is one of the aliases, or is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_attributes: Option<BTreeMap<String, String>>,
    /// Whether the user keeps the password just typed. Unset is [`FinalUserStatus::ResetRequired`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_user_status: Option<FinalUserStatus>,
    /// Keeps Cognito from sending its welcome message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_action: Option<MessageAction>,
    /// Where the welcome message goes; unset is by SMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_delivery_mediums: Option<Vec<DeliveryMedium>>,
    /// `true` moves an address or number that somebody else has as an alias to this user; otherwise that is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_alias_creation: Option<bool>,
    /// Requires a code by SMS from now on; the user needs a `phone_number`.
    #[serde(rename = "enableSMSMFA", skip_serializing_if = "Option::is_none")]
    pub enable_sms_mfa: Option<bool>,
}

/// Whether a migrated user keeps the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum FinalUserStatus {
    /// Signs in with the password just typed, now and later.
    Confirmed,
    /// Has to choose a new one.
    ResetRequired,
}

/// What happens to the welcome message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum MessageAction {
    /// It is not sent.
    Suppress,
}

/// A way to reach a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum DeliveryMedium {
    /// By mail.
    Email,
    /// By SMS.
    Sms,
}

impl fmt::Debug for UserMigrationResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UserMigrationResponse")
            .field("user_attributes", &self.user_attributes.as_ref().map(Names))
            .field("final_user_status", &self.final_user_status)
            .field("message_action", &self.message_action)
            .field("desired_delivery_mediums", &self.desired_delivery_mediums)
            .field("force_alias_creation", &self.force_alias_creation)
            .field("enable_sms_mfa", &self.enable_sms_mfa)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_keys_are_spelt_as_cognito_spells_them() {
        let response = UserMigrationResponse {
            user_attributes: Some(BTreeMap::from([("email".into(), "anna@example.com".into())])),
            final_user_status: Some(FinalUserStatus::ResetRequired),
            message_action: Some(MessageAction::Suppress),
            desired_delivery_mediums: Some(vec![DeliveryMedium::Email, DeliveryMedium::Sms]),
            force_alias_creation: Some(false),
            enable_sms_mfa: Some(true),
        };
        assert_eq!(
            serde_json::to_value(&response).unwrap(),
            json!({
                "userAttributes": {"email": "anna@example.com"}, "finalUserStatus": "RESET_REQUIRED",
                "messageAction": "SUPPRESS", "desiredDeliveryMediums": ["EMAIL", "SMS"],
                "forceAliasCreation": false, "enableSMSMFA": true,
            })
        );
        assert!(!format!("{response:?}").contains("anna@"));
        assert_eq!(serde_json::to_value(UserMigrationResponse::default()).unwrap(), json!({}));
    }
}
