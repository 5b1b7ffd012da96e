//! Signing in: before the password is checked, and after everything was proven.

use serde::{Deserialize, Serialize};

use super::{Gate, Trigger};
use crate::attributes::{Attributes, Metadata};
use crate::lenient;

/// When somebody begins to sign in, before the password is checked: a stranger with a wrong password gets here too, so
/// nothing may be counted or locked, and a refusal tells everybody who asks.
///
/// Not fired for a name nobody has, unless the pool hides which users exist; nor when a session is renewed, nor at the
/// first federated sign-in. There is no address, device or browser in it: only `validationData`, which a client can fill as
/// it likes (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-authentication.html>).
pub struct PreAuthentication;

impl Trigger for PreAuthentication {
    const NAME: &'static str = "PreAuthentication";
    type Request = PreAuthenticationRequest;
    type Response = PreAuthenticationResponse;
}

impl Gate for PreAuthentication {}

/// What Cognito asks when somebody begins to sign in.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreAuthenticationRequest {
    /// The user's attributes.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// The `ClientMetadata` of `InitiateAuth` and `AdminInitiateAuth`, which arrives under this name. Empty for federated
    /// users.
    #[serde(deserialize_with = "lenient::field")]
    pub validation_data: Metadata,
    /// Nobody has this name. Only sent where the pool has `PreventUserExistenceErrors` enabled; absent is `false`.
    #[serde(deserialize_with = "lenient::field")]
    pub user_not_found: bool,
}

request!(PreAuthenticationRequest: user_attributes, validation_data);

/// Cognito reads nothing from the answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PreAuthenticationResponse {}

/// After a user proved who they are, before tokens are made: the place to refuse where nobody else can probe it.
///
/// Not fired at the first federated sign-in, where [`PostConfirmation`](super::PostConfirmation) fires instead. An attribute
/// changed here shows from the next sign-in on
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-authentication.html>).
pub struct PostAuthentication;

impl Trigger for PostAuthentication {
    const NAME: &'static str = "PostAuthentication";
    type Request = PostAuthenticationRequest;
    type Response = PostAuthenticationResponse;
}

impl Gate for PostAuthentication {}

/// What Cognito tells once a user signed in.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostAuthenticationRequest {
    /// The user's attributes.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// Whether the device is new to the pool. Only known where the pool remembers devices.
    #[serde(deserialize_with = "lenient::field")]
    pub new_device_used: Option<bool>,
    /// The `ClientMetadata` of `RespondToAuthChallenge`; that of `InitiateAuth` never arrives.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
}

request!(PostAuthenticationRequest: user_attributes, client_metadata);

/// Cognito reads nothing from the answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PostAuthenticationResponse {}
