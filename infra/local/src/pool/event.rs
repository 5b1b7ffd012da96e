//! Events as the pool sends them: the envelope, and what each trigger has in its request and response.

use std::collections::BTreeMap;

use cognito_triggers::{TriggerSource, UserStatus};
use cognito_triggers_embedded::LocalUser;
use serde::Serialize;
use serde_json::{Value, json};

use super::TokenVersion;

/// Strings by name: attributes, client metadata, validation data.
pub(super) type Strings = BTreeMap<String, String>;

/// "`CLIENT_ID_NOT_APPLICABLE` for AdminCreateUser" (captured events).
pub(super) const NO_CLIENT: &str = "CLIENT_ID_NOT_APPLICABLE";

/// An event, its keys in the order Cognito has them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    pub(super) version: &'a str,
    pub(super) trigger_source: &'a str,
    pub(super) region: &'a str,
    pub(super) user_pool_id: &'a str,
    pub(super) user_name: &'a str,
    pub(super) caller_context: Caller<'a>,
    pub(super) request: &'a Value,
    pub(super) response: &'a Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Caller<'a> {
    pub(super) aws_sdk_version: &'a str,
    pub(super) client_id: &'a str,
}

/// What differs from trigger to trigger.
pub(super) struct Call {
    pub(super) source: TriggerSource,
    pub(super) version: &'static str,
    pub(super) client: Option<String>,
    pub(super) user_name: String,
    pub(super) request: Value,
    pub(super) response: Value,
}

impl Call {
    fn new(source: TriggerSource, user_name: &str, request: Value, response: Value) -> Self {
        Self { source, version: "1", client: None, user_name: user_name.to_owned(), request, response }
    }

    /// At this app client, if one is named.
    pub(super) fn at(self, client: Option<&str>) -> Self {
        Self { client: client.map(str::to_owned).or(self.client), ..self }
    }

    /// "`validationData` null (local) or `{}` (federated)", "`clientMetadata` absent" (documented and captured events).
    pub(super) fn pre_sign_up(
        source: TriggerSource,
        user_name: &str,
        attributes: &Strings,
        validation_data: &Strings,
        client_metadata: &Strings,
    ) -> Self {
        let mut attributes = attributes.clone();
        let mut validation = some(validation_data);
        if source == TriggerSource::PreSignUpExternalProvider {
            attributes.insert("cognito:email_alias".into(), String::new());
            attributes.insert("cognito:phone_number_alias".into(), String::new());
            validation = json!(validation_data);
        }
        let mut request = json!({ "userAttributes": attributes, "validationData": validation });
        with_metadata(&mut request, client_metadata);
        let response = json!({ "autoConfirmUser": false, "autoVerifyEmail": false, "autoVerifyPhone": false });
        Self {
            client: (source == TriggerSource::PreSignUpAdminCreateUser).then(|| NO_CLIENT.to_owned()),
            ..Self::new(source, user_name, request, response)
        }
    }

    pub(super) fn post_confirmation(source: TriggerSource, user: &LocalUser, client_metadata: &Strings) -> Self {
        let mut request = json!({ "userAttributes": attributes(user) });
        with_metadata(&mut request, client_metadata);
        Self::new(source, &user.user_name, request, json!({}))
    }

    /// "ClientMetadata param arrives as validationData in PreAuthentication" (API reference, InitiateAuth). Without a user it
    /// is one nobody knows.
    pub(super) fn pre_authentication(user_name: &str, user: Option<&LocalUser>, validation_data: &Strings) -> Self {
        let mut request = match user {
            Some(user) => json!({ "userAttributes": attributes(user), "validationData": some(validation_data) }),
            None => json!({ "userAttributes": {}, "validationData": some(validation_data), "userNotFound": true }),
        };
        if let Some(map) =
            request.as_object_mut().filter(|_| user.is_some_and(|user| user.status == UserStatus::ExternalProvider))
        {
            map.insert("validationData".into(), json!({}));
        }
        Self::new(TriggerSource::PreAuthenticationAuthentication, user_name, request, json!({}))
    }

    /// "InitiateAuth's client metadata: NOT PostAuth"; that of `RespondToAuthChallenge` arrives (API reference).
    pub(super) fn post_authentication(user: &LocalUser, new_device: bool, client_metadata: &Strings) -> Self {
        let mut request = json!({ "userAttributes": attributes(user), "newDeviceUsed": new_device });
        with_metadata(&mut request, client_metadata);
        Self::new(TriggerSource::PostAuthenticationAuthentication, &user.user_name, request, json!({}))
    }

    /// About a user who exists, with a request that has more than the attributes.
    pub(super) fn about(
        source: TriggerSource,
        user: &LocalUser,
        mut request: Value,
        client_metadata: &Strings,
        response: Value,
    ) -> Self {
        if let Some(request) = request.as_object_mut() {
            request.insert("userAttributes".into(), json!(attributes(user)));
        }
        with_metadata(&mut request, client_metadata);
        Self::new(source, &user.user_name, request, response)
    }

    pub(super) fn tokens(
        source: TriggerSource,
        user: &LocalUser,
        groups: &[String],
        version: TokenVersion,
        client_metadata: &Strings,
    ) -> Self {
        let groups = json!({ "groupsToOverride": groups, "iamRolesToOverride": [], "preferredRole": null });
        let mut request = json!({ "userAttributes": attributes(user), "groupConfiguration": groups });
        with_metadata(&mut request, client_metadata);
        let response = match version {
            TokenVersion::V1 => json!({ "claimsOverrideDetails": null }),
            TokenVersion::V2 | TokenVersion::V3 => {
                if let Some(request) = request.as_object_mut() {
                    request.insert("scopes".into(), json!(["aws.cognito.signin.user.admin"]));
                }
                json!({ "claimsAndScopeOverrideDetails": null })
            }
        };
        Self { version: version.as_str(), ..Self::new(source, &user.user_name, request, response) }
    }

    pub(super) fn inbound(user_name: &str, provider: &str, provider_type: &str, attributes: &Strings) -> Self {
        let request = json!({
            "providerName": provider,
            "providerType": provider_type,
            "attributes": { "userInfo": attributes },
        });
        let source = TriggerSource::InboundFederationExternalProvider;
        Self::new(source, user_name, request, json!({ "userAttributesToMap": {} }))
    }
}

/// The attributes of a user who exists, as events have them.
fn attributes(user: &LocalUser) -> Strings {
    let mut attributes = user.attributes.clone();
    let status = match &user.status {
        UserStatus::Unconfirmed => "UNCONFIRMED",
        UserStatus::Confirmed => "CONFIRMED",
        UserStatus::ExternalProvider => "EXTERNAL_PROVIDER",
        UserStatus::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
        UserStatus::ResetRequired => "RESET_REQUIRED",
        UserStatus::Other(other) => other,
        _ => "UNKNOWN",
    };
    attributes.insert("cognito:user_status".into(), status.to_owned());
    attributes
}

fn some(strings: &Strings) -> Value {
    if strings.is_empty() { Value::Null } else { json!(strings) }
}

fn with_metadata(request: &mut Value, client_metadata: &Strings) {
    if let Some(request) = request.as_object_mut().filter(|_| !client_metadata.is_empty()) {
        request.insert("clientMetadata".into(), json!(client_metadata));
    }
}
