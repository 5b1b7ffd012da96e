//! Signing up: before a user is created, and after the user is confirmed.

use serde::{Deserialize, Serialize};

use super::{Gate, Trigger};
use crate::attributes::{Attributes, Metadata, UserStatus};
use crate::{Event, TriggerSource, lenient};

/// Before a user is created: by signing up, by an administrator, or by a first federated sign-in.
///
/// There is no `sub` yet, and the attributes cannot be changed here
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-sign-up.html>).
pub struct PreSignUp;

impl Trigger for PreSignUp {
    const NAME: &'static str = "PreSignUp";
    const KNOWS_USER: bool = false;
    type Request = PreSignUpRequest;
    type Response = PreSignUpResponse;
}

impl Gate for PreSignUp {}

/// What Cognito asks before a user is created.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreSignUpRequest {
    /// The attributes the user is to have.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// What the client passed as `ValidationData`.
    #[serde(deserialize_with = "lenient::field")]
    pub validation_data: Metadata,
    /// What the client passed as `ClientMetadata`.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
}

request!(PreSignUpRequest: user_attributes, client_metadata, validation_data);

/// What may be answered. Ignored for users created by an administrator.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreSignUpResponse {
    /// Confirms the user at once: nobody proves to own the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_confirm_user: Option<bool>,
    /// Marks `email` as verified. Signing up fails if there is no such attribute; where it is an alias, the alias moves to
    /// the new user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_verify_email: Option<bool>,
    /// Marks `phone_number` as verified; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_verify_phone: Option<bool>,
}

/// After a user confirmed the account, or a new password after forgetting the old one.
///
/// Not fired for users an administrator created. An error here reaches the user although the confirmation stands, so a
/// fault is answered with the unchanged event
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-confirmation.html>).
pub struct PostConfirmation;

impl Trigger for PostConfirmation {
    const NAME: &'static str = "PostConfirmation";
    const FORGIVING: bool = true;
    const DELIVERS: bool = true;
    type Request = PostConfirmationRequest;
    type Response = PostConfirmationResponse;
}

/// What Cognito tells once a user is confirmed.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostConfirmationRequest {
    /// The user's attributes.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// What the client passed when it confirmed; at `SignUp` for users confirmed at once.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
}

request!(PostConfirmationRequest: user_attributes, client_metadata);

impl Event<PostConfirmation> {
    /// Whether this is a sign-in as well: the first of somebody through another provider, for which PostAuthentication is
    /// "not fired" ("First sign-in: InboundFederation -> PreSignUp_ExternalProvider -> PostConfirmation_ConfirmSignUp ->
    /// TokenGeneration_HostedAuth").
    #[must_use]
    pub fn is_federated_sign_in(&self) -> bool {
        self.source == TriggerSource::PostConfirmationConfirmSignUp
            && self.attributes().user_status() == Some(UserStatus::ExternalProvider)
    }
}

/// Cognito reads nothing from the answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PostConfirmationResponse {}
