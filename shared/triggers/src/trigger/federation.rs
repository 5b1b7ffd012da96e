//! Signing in at another provider: what it told of the user, and which of that becomes an attribute.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::challenge::Names;
use super::{Gate, Request, Trigger};
use crate::lenient;

/// At every sign-in at another provider, first and later ones, before Cognito creates or updates the user.
///
/// The only trigger that can change attributes. An error fails the sign-in; with which words Cognito wraps the text of a
/// refusal here is not documented, so keep it short and clear by itself
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-inbound-federation.html>).
pub struct InboundFederation;

impl Trigger for InboundFederation {
    const NAME: &'static str = "InboundFederation";
    type Request = InboundFederationRequest;
    type Response = InboundFederationResponse;
}

impl Gate for InboundFederation {}

/// What Cognito learnt from the provider. There are no user attributes yet, hence `event.attributes()` is empty.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InboundFederationRequest {
    /// The provider's name in the pool.
    #[serde(deserialize_with = "lenient::field")]
    pub provider_name: String,
    /// `OIDC`, `SAML`, `Facebook`, `Google`, `SignInWithApple` or `LoginWithAmazon`.
    #[serde(deserialize_with = "lenient::field")]
    pub provider_type: String,
    /// What the provider sent.
    #[serde(deserialize_with = "lenient::field")]
    pub attributes: FederatedAttributes,
}

impl Request for InboundFederationRequest {}

/// What the provider sent: the first three for OpenID Connect and social providers, the last for SAML. Holds the
/// provider's tokens: never log it, and hence there is no `Debug`.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FederatedAttributes {
    /// The answer of the provider's token endpoint.
    #[serde(deserialize_with = "lenient::field")]
    pub token_response: Option<Map<String, Value>>,
    /// The claims of the provider's ID token.
    #[serde(deserialize_with = "lenient::field")]
    pub id_token: Option<Map<String, Value>>,
    /// The answer of the provider's `userinfo` endpoint.
    #[serde(deserialize_with = "lenient::field")]
    pub user_info: Option<Map<String, Value>>,
    /// The attributes of the SAML assertion.
    #[serde(deserialize_with = "lenient::field")]
    pub saml_response: Option<Map<String, Value>>,
}

/// Which attributes the user is to have. `Debug` shows their names only.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboundFederationResponse {
    /// By the provider's names, **all** that are to be kept: whatever is left out is dropped for this sign-in. So start
    /// from a copy of what the provider sent. Unset or empty leaves everything as it is. Values are text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_attributes_to_map: Option<BTreeMap<String, String>>,
}

impl fmt::Debug for InboundFederationResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InboundFederationResponse")
            .field("user_attributes_to_map", &self.user_attributes_to_map.as_ref().map(Names))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    #[test]
    fn what_the_provider_sent_is_read_and_what_is_kept_is_named_in_full() {
        let event = Event::<InboundFederation>::sample();
        let sent = event.request.attributes.user_info.clone().unwrap();
        assert_eq!(
            (event.request.provider_type.as_str(), &sent["email"]),
            ("Google", &Value::from("bela@example.org"))
        );
        assert!(event.request.attributes.saml_response.is_none());

        // "userAttributesToMap (map): ALL attributes to keep; omitted = dropped; {} = no-op"
        let kept = sent.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
        let response = InboundFederationResponse { user_attributes_to_map: Some(kept) };
        let answer: Value = serde_json::from_str(&event.answer(&response).unwrap()).unwrap();
        assert_eq!(answer["response"]["userAttributesToMap"], Value::Object(sent));
        assert!(!format!("{response:?}").contains("bela@"));
        assert_eq!(event.answer(&InboundFederationResponse::default()).unwrap(), event.raw());
    }
}
