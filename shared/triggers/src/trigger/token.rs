//! Making tokens: which claims, groups and scopes they carry.
//!
//! One trigger in three versions, chosen by `LambdaVersion` in the pool's `PreTokenGenerationConfig`. The version is in the
//! event, so each is a type of its own; a rule for all of them is one `impl<T: TokenTrigger> Rule<T>`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::challenge::Names;
use super::{Gate, Request, Trigger};
use crate::attributes::{Attributes, Metadata};
use crate::lenient;

/// Before tokens are made, version 1: the claims of the ID token, as text.
///
/// Fired for every sign-in and every refresh; an error withholds the tokens, of a refresh too. `TokenGeneration_Authentication` is
/// not always a sign-in: `GetTokensFromRefreshToken` has it as well
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html>).
pub struct PreTokenGenerationV1;

/// Version 2: ID token and access token, claims of any shape, and scopes. See [`PreTokenGenerationV1`].
pub struct PreTokenGenerationV2;

/// Version 3: as version 2, and also fired for tokens between machines (`TokenGeneration_ClientCredentials`), which have no
/// user, no attributes and no ID token. See [`PreTokenGenerationV1`].
pub struct PreTokenGenerationV3;

macro_rules! versions {
    ($($trigger:ident = $version:literal: $request:ty, $response:ty;)*) => {$(
        impl Trigger for $trigger {
            const NAME: &'static str = "PreTokenGeneration";
            const SOURCES: &'static [&'static str] = &["TokenGeneration"];
            const VERSION: Option<&'static str> = Some($version);
            type Request = $request;
            type Response = $response;
        }

        impl Gate for $trigger {}
    )*};
}

versions! {
    PreTokenGenerationV1 = "1": PreTokenGenerationV1Request, PreTokenGenerationV1Response;
    PreTokenGenerationV2 = "2": PreTokenGenerationV2Request, PreTokenGenerationV2Response;
    PreTokenGenerationV3 = "3": PreTokenGenerationV3Request, PreTokenGenerationV3Response;
}

/// What all versions of token generation have in common.
///
/// ```
/// use cognito_triggers::prelude::*;
/// use cognito_triggers::{TokenTrigger, Tokens};
///
/// struct Tier;
///
/// impl<T: TokenTrigger> Rule<T> for Tier {
///     async fn apply(&self, event: &Event<T>, visit: &mut Visit<T>) -> Answer<T> {
///         if T::groups(&event.request).groups_to_override.iter().any(|group| group == "gold") {
///             T::add_claim(&mut visit.response, Tokens::Both, "tier", "gold");
///         }
///         Ok(Verdict::Continue)
///     }
/// }
/// ```
pub trait TokenTrigger: Gate {
    /// The user's groups as they would be in the tokens.
    fn groups(request: &Self::Request) -> &GroupConfiguration;

    /// Sets a claim, over one that is there. `false` if some token asked for will not carry it, which is no error:
    ///
    /// - nothing is set if [`is_protected_claim`] or if the value is `null`;
    /// - version 1 knows the ID token only, and text only: numbers, booleans and the rest are written as JSON text, because a
    ///   claim that is a list makes Cognito refuse the whole answer;
    /// - in the ID token `address`, `email_verified`, `phone_number_verified` and `updated_at` cannot be a list or an object.
    fn add_claim(response: &mut Self::Response, tokens: Tokens, name: &str, value: impl Into<Value>) -> bool;

    /// Leaves a claim out; this beats a claim of that name that was set. `false` if some token asked for will carry it:
    /// nothing is left out if [`is_protected_claim`], except for `dev:` attributes, and version 1 knows the ID token only.
    fn suppress_claim(response: &mut Self::Response, tokens: Tokens, name: &str) -> bool;

    /// Puts these groups into the tokens, and no others. Start from a copy of [`groups`](Self::groups): what is empty here is
    /// taken out of the tokens.
    fn set_groups(response: &mut Self::Response, groups: GroupConfiguration);
}

/// The tokens a claim is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// The ID token: who the user is, for the application.
    Id,
    /// The access token: what the user may do, for services.
    Access,
    /// Both.
    Both,
}

impl Tokens {
    fn id(self) -> bool {
        self != Self::Access
    }

    fn access(self) -> bool {
        self != Self::Id
    }
}

/// Whether Cognito keeps this claim to itself: it can be neither set nor left out.
///
/// `aud` counts as one. In an access token it may be set, but only to the event's own client; write it into
/// [`AccessTokenGeneration`] for that. `dev:` attributes cannot be set, but left out.
#[must_use]
pub fn is_protected_claim(name: &str) -> bool {
    // "Immutable: sub, iss, aud(id), exp, iat, nbf, jti, origin_jti, auth_time, token_use, client_id, username, ..., identities,
    // device_key, event_id, version, acr, amr, at_hash, azp, nonce, other cognito:*. dev:* can only be suppressed."
    const PROTECTED: &[&str] = &[
        "acr",
        "amr",
        "at_hash",
        "aud",
        "auth_time",
        "azp",
        "client_id",
        "device_key",
        "event_id",
        "exp",
        "iat",
        "identities",
        "iss",
        "jti",
        "nbf",
        "nonce",
        "origin_jti",
        "sub",
        "token_use",
        "username",
        "version",
    ];
    PROTECTED.contains(&name) || name.starts_with("cognito:") || name.starts_with("dev:")
}

/// What Cognito asks before it makes tokens, version 1.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreTokenGenerationV1Request {
    /// The user's attributes.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// The user's groups.
    #[serde(deserialize_with = "lenient::field")]
    pub group_configuration: GroupConfiguration,
    /// The `ClientMetadata` of `RespondToAuthChallenge` and `GetTokensFromRefreshToken`; that of `InitiateAuth` never arrives.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
}

/// What Cognito asks before it makes tokens, versions 2 and 3.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreTokenGenerationV2Request {
    /// The user's attributes; empty for tokens between machines.
    #[serde(deserialize_with = "lenient::field")]
    pub user_attributes: Attributes,
    /// The user's groups; empty for tokens between machines.
    #[serde(deserialize_with = "lenient::field")]
    pub group_configuration: GroupConfiguration,
    /// The scopes the access token would have.
    #[serde(deserialize_with = "lenient::field")]
    pub scopes: Vec<String>,
    /// As in version 1, and `aws_client_metadata` of the token endpoint for tokens between machines.
    #[serde(deserialize_with = "lenient::field")]
    pub client_metadata: Metadata,
}

/// Version 3 asks what version 2 asks.
pub type PreTokenGenerationV3Request = PreTokenGenerationV2Request;

macro_rules! requests {
    ($($request:ty),*) => {$(
        impl Request for $request {
            fn user_attributes(&self) -> Option<&Attributes> {
                Some(&self.user_attributes)
            }

            fn client_metadata(&self) -> Option<&Metadata> {
                Some(&self.client_metadata)
            }
        }
    )*};
}

requests!(PreTokenGenerationV1Request, PreTokenGenerationV2Request);

/// A user's groups and roles. As an answer it replaces all of them: copy what was asked and change that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupConfiguration {
    /// The groups, claim `cognito:groups`. Empty in an answer removes the claim.
    #[serde(deserialize_with = "lenient::field")]
    pub groups_to_override: Vec<String>,
    /// The roles of those groups, claim `cognito:roles` of the ID token.
    #[serde(deserialize_with = "lenient::field")]
    pub iam_roles_to_override: Vec<String>,
    /// The role of the group with the highest precedence, claim `cognito:preferred_role` of the ID token. Of a list, which one
    /// sample of the developer guide shows, the first counts.
    #[serde(deserialize_with = "first", skip_serializing_if = "Option::is_none")]
    pub preferred_role: Option<String>,
}

/// What may be answered in version 1.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreTokenGenerationV1Response {
    /// What changes in the ID token.
    #[serde(skip_serializing_if = "ClaimsOverrideDetails::is_empty")]
    pub claims_override_details: ClaimsOverrideDetails,
}

/// What changes in the ID token. `Debug` shows the claims' names only.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimsOverrideDetails {
    /// Claims to set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claims_to_add_or_override: BTreeMap<String, String>,
    /// Claims to leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims_to_suppress: Vec<String>,
    /// Groups instead of the user's own; unset leaves them alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_override_details: Option<GroupConfiguration>,
}

/// What may be answered in versions 2 and 3.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreTokenGenerationV2Response {
    /// What changes in the tokens.
    #[serde(skip_serializing_if = "ClaimsAndScopeOverrideDetails::is_empty")]
    pub claims_and_scope_override_details: ClaimsAndScopeOverrideDetails,
}

/// Version 3 understands what version 2 understands.
pub type PreTokenGenerationV3Response = PreTokenGenerationV2Response;

/// What changes in the tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimsAndScopeOverrideDetails {
    /// What changes in the ID token.
    #[serde(skip_serializing_if = "IdTokenGeneration::is_empty")]
    pub id_token_generation: IdTokenGeneration,
    /// What changes in the access token.
    #[serde(skip_serializing_if = "AccessTokenGeneration::is_empty")]
    pub access_token_generation: AccessTokenGeneration,
    /// Groups instead of the user's own; unset leaves them alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_override_details: Option<GroupConfiguration>,
}

/// What changes in the ID token. `Debug` shows the claims' names only.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdTokenGeneration {
    /// Claims to set: text, numbers, booleans, lists, objects.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claims_to_add_or_override: BTreeMap<String, Value>,
    /// Claims to leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims_to_suppress: Vec<String>,
}

/// What changes in the access token. `Debug` shows the claims' names only.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessTokenGeneration {
    /// Claims to set: text, numbers, booleans, lists, objects.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claims_to_add_or_override: BTreeMap<String, Value>,
    /// Claims to leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims_to_suppress: Vec<String>,
    /// Scopes to add, each without a blank.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_to_add: Vec<String>,
    /// Scopes to take away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_to_suppress: Vec<String>,
}

impl ClaimsOverrideDetails {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ClaimsAndScopeOverrideDetails {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl IdTokenGeneration {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AccessTokenGeneration {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl TokenTrigger for PreTokenGenerationV1 {
    fn groups(request: &Self::Request) -> &GroupConfiguration {
        &request.group_configuration
    }

    fn add_claim(response: &mut Self::Response, tokens: Tokens, name: &str, value: impl Into<Value>) -> bool {
        let value = value.into();
        if !tokens.id() || value.is_null() || is_protected_claim(name) {
            return false;
        }
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        response.claims_override_details.claims_to_add_or_override.insert(name.to_owned(), text);
        !tokens.access()
    }

    fn suppress_claim(response: &mut Self::Response, tokens: Tokens, name: &str) -> bool {
        if !tokens.id() || !may_suppress(name) {
            return false;
        }
        include(&mut response.claims_override_details.claims_to_suppress, name);
        !tokens.access()
    }

    fn set_groups(response: &mut Self::Response, groups: GroupConfiguration) {
        response.claims_override_details.group_override_details = Some(groups);
    }
}

macro_rules! both_tokens {
    ($($trigger:ty),*) => {$(
        impl TokenTrigger for $trigger {
            fn groups(request: &Self::Request) -> &GroupConfiguration {
                &request.group_configuration
            }

            fn add_claim(response: &mut Self::Response, tokens: Tokens, name: &str, value: impl Into<Value>) -> bool {
                response.claims_and_scope_override_details.add_claim(tokens, name, value.into())
            }

            fn suppress_claim(response: &mut Self::Response, tokens: Tokens, name: &str) -> bool {
                response.claims_and_scope_override_details.suppress_claim(tokens, name)
            }

            fn set_groups(response: &mut Self::Response, groups: GroupConfiguration) {
                response.claims_and_scope_override_details.group_override_details = Some(groups);
            }
        }
    )*};
}

both_tokens!(PreTokenGenerationV2, PreTokenGenerationV3);

impl ClaimsAndScopeOverrideDetails {
    fn add_claim(&mut self, tokens: Tokens, name: &str, value: Value) -> bool {
        // "Complex values not for phone_number_verified, email_verified, updated_at, address in the ID token"
        const SIMPLE: &[&str] = &["address", "email_verified", "phone_number_verified", "updated_at"];
        if value.is_null() || is_protected_claim(name) {
            return false;
        }
        let fits = !(SIMPLE.contains(&name) && (value.is_array() || value.is_object()));
        if tokens.id() && fits {
            self.id_token_generation.claims_to_add_or_override.insert(name.to_owned(), value.clone());
        }
        if tokens.access() {
            self.access_token_generation.claims_to_add_or_override.insert(name.to_owned(), value);
        }
        fits || !tokens.id()
    }

    fn suppress_claim(&mut self, tokens: Tokens, name: &str) -> bool {
        if !may_suppress(name) {
            return false;
        }
        if tokens.id() {
            include(&mut self.id_token_generation.claims_to_suppress, name);
        }
        if tokens.access() {
            include(&mut self.access_token_generation.claims_to_suppress, name);
        }
        true
    }
}

impl fmt::Debug for ClaimsOverrideDetails {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClaimsOverrideDetails")
            .field("claims_to_add_or_override", &Names(&self.claims_to_add_or_override))
            .field("claims_to_suppress", &self.claims_to_suppress)
            .field("group_override_details", &self.group_override_details)
            .finish()
    }
}

impl fmt::Debug for IdTokenGeneration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IdTokenGeneration")
            .field("claims_to_add_or_override", &Names(&self.claims_to_add_or_override))
            .field("claims_to_suppress", &self.claims_to_suppress)
            .finish()
    }
}

impl fmt::Debug for AccessTokenGeneration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AccessTokenGeneration")
            .field("claims_to_add_or_override", &Names(&self.claims_to_add_or_override))
            .field("claims_to_suppress", &self.claims_to_suppress)
            .field("scopes_to_add", &self.scopes_to_add)
            .field("scopes_to_suppress", &self.scopes_to_suppress)
            .finish()
    }
}

fn may_suppress(name: &str) -> bool {
    name.starts_with("dev:") || !is_protected_claim(name)
}

fn include(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// A text, or the first of a list; an empty one counts as none.
fn first<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = match lenient::field(deserializer)? {
        Value::String(text) => Some(text),
        Value::Array(list) => list.into_iter().next().and_then(|item| item.as_str().map(str::to_owned)),
        _ => None,
    };
    Ok(text.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer<T: TokenTrigger>(edit: impl Fn(&mut T::Response)) -> Value {
        let mut response = T::Response::default();
        edit(&mut response);
        serde_json::to_value(&response).unwrap()
    }

    #[test]
    fn setting_one_claim_never_touches_the_groups() {
        // "groupOverrideDetails empty/null => groups suppressed; copy request.groupConfiguration to keep."
        fn tier<T: TokenTrigger>() -> Value {
            answer::<T>(|response| _ = T::add_claim(response, Tokens::Id, "tier", "gold"))
        }
        assert_eq!(
            tier::<PreTokenGenerationV1>(),
            json!({"claimsOverrideDetails": {"claimsToAddOrOverride": {"tier": "gold"}}})
        );
        let expected = json!({"claimsAndScopeOverrideDetails": {"idTokenGeneration": {"claimsToAddOrOverride": {"tier": "gold"}}}});
        assert_eq!(tier::<PreTokenGenerationV2>(), expected);
        assert_eq!(tier::<PreTokenGenerationV3>(), expected);
    }

    #[test]
    fn nothing_set_writes_nothing() {
        assert_eq!(answer::<PreTokenGenerationV1>(|_| ()), json!({}));
        assert_eq!(answer::<PreTokenGenerationV3>(|_| ()), json!({}));
    }

    #[test]
    fn groups_that_are_set_are_written_in_full() {
        let groups = GroupConfiguration { groups_to_override: vec!["editors".into()], ..Default::default() };
        assert_eq!(
            answer::<PreTokenGenerationV2>(|response| PreTokenGenerationV2::set_groups(response, groups.clone())),
            json!({"claimsAndScopeOverrideDetails": {"groupOverrideDetails": {"groupsToOverride": ["editors"], "iamRolesToOverride": []}}})
        );
    }

    #[test]
    fn version_one_knows_text_in_the_id_token_only() {
        // "V1 claims containing an array -> same error" (the answer is refused as a whole)
        let answer = answer::<PreTokenGenerationV1>(|response| {
            assert!(PreTokenGenerationV1::add_claim(response, Tokens::Id, "list", json!(["a", 1])));
            assert!(!PreTokenGenerationV1::add_claim(response, Tokens::Both, "count", 7));
            assert!(!PreTokenGenerationV1::add_claim(response, Tokens::Access, "lost", "x"));
            assert!(!PreTokenGenerationV1::add_claim(response, Tokens::Id, "null", Value::Null));
        });
        assert_eq!(
            answer["claimsOverrideDetails"]["claimsToAddOrOverride"],
            json!({"list": r#"["a",1]"#, "count": "7"})
        );
    }

    #[test]
    fn claims_cognito_keeps_to_itself_are_left_alone() {
        let mut response = PreTokenGenerationV3Response::default();
        for name in ["sub", "aud", "cognito:groups", "origin_jti", "dev:custom:plan"] {
            assert!(!PreTokenGenerationV3::add_claim(&mut response, Tokens::Both, name, "x"), "{name}");
        }
        assert!(!PreTokenGenerationV3::suppress_claim(&mut response, Tokens::Both, "sub"));
        assert!(response.claims_and_scope_override_details.is_empty());
        assert!(PreTokenGenerationV3::suppress_claim(&mut response, Tokens::Id, "dev:custom:plan"));
        assert!(!is_protected_claim("email") && !is_protected_claim("custom:plan"));
    }

    #[test]
    fn some_claims_of_the_id_token_are_never_a_list() {
        let mut response = PreTokenGenerationV2Response::default();
        assert!(!PreTokenGenerationV2::add_claim(&mut response, Tokens::Both, "address", json!({"city": "Graz"})));
        let details = response.claims_and_scope_override_details;
        assert!(details.id_token_generation.is_empty() && !details.access_token_generation.is_empty());
    }

    #[test]
    fn a_preferred_role_may_be_a_list() {
        let role = |json: Value| serde_json::from_str::<GroupConfiguration>(&json.to_string()).unwrap().preferred_role;
        assert_eq!(role(json!({"preferredRole": ["arn:1", "arn:2"]})).as_deref(), Some("arn:1"));
        assert_eq!(role(json!({"preferredRole": "arn:1"})).as_deref(), Some("arn:1"));
        for odd in [json!([]), json!(null), json!(""), json!([7]), json!({"a": 1})] {
            assert_eq!(role(json!({"preferredRole": odd})), None);
        }
    }

    #[test]
    fn the_debug_form_of_claims_hides_their_values() {
        let mut response = PreTokenGenerationV2Response::default();
        PreTokenGenerationV2::add_claim(&mut response, Tokens::Both, "email", "anna@example.com");
        let shown = format!("{response:?}");
        assert!(shown.contains("email") && !shown.contains("anna@"), "{shown}");
    }
}
