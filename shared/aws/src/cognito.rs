//! The users of a pool, through the API an administrator has.
//!
//! Calls are limited for the whole account and region. AdminUpdateUserAttributes shares 25 a second with the other calls that
//! update users (category UserUpdate, which AWS does not raise), and one user takes 10 writes a second; ListUsers has a quota
//! of its own. What is over is refused with TooManyRequestsException and tried again, as often as the limits allow.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::http::HttpResponse;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::operation::RequestId;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, UserStatusType, UserType};
use cognito_triggers::services::{NewPassword, Opening, User, UserPage};
use cognito_triggers::{Adapter, ConfigError, Directory, Environment, Fault, Outlook};
use jiff::Timestamp;

use crate::client::{self, Limits};
use crate::error::{code, fault, fault_because};

/// The users of Cognito user pools: `cognito`.
pub const DIRECTORY: Adapter<dyn Directory> = Adapter {
    scheme: "cognito",
    example: "cognito",
    embedded: false,
    open: |Opening { address, environment }| {
        Box::pin(async move {
            if !address.is_empty() {
                return Err(ConfigError::new(format!("`cognito` takes no address, but `{address}` is given"))
                    .remedy("write `directory = \"cognito\"`: every event names its pool"));
            }
            Ok(Arc::new(CognitoDirectory::open(&environment, Limits::EVENT)?) as Arc<dyn Directory>)
        })
    },
};

/// The users of Cognito user pools, all pools of one region. A role needs `cognito-idp:AdminUpdateUserAttributes`, and for the
/// operator `cognito-idp:ListUsers`.
///
/// No connection is opened in advance: there is no call that costs no quota and needs no pool.
#[derive(Clone, Debug)]
pub struct CognitoDirectory {
    client: Client,
}

/// How many users one page holds: the most ListUsers gives.
const PAGE: i32 = 60;

impl CognitoDirectory {
    /// The pools of the region and account the environment names, as Lambda sets it; `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER`
    /// or `AWS_ENDPOINT_URL` point elsewhere. Nothing is called yet.
    ///
    /// # Errors
    ///
    /// If region or credentials are missing.
    pub fn open(environment: &Environment, limits: Limits) -> Result<Self, ConfigError> {
        Ok(Self { client: Client::new(&client::settings("COGNITO_IDENTITY_PROVIDER", environment, &limits)?) })
    }
}

#[async_trait]
impl Directory for CognitoDirectory {
    async fn update_attributes(
        &self,
        pool: &str,
        user_name: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        let mut call = self.client.admin_update_user_attributes().user_pool_id(pool).username(user_name);
        for (name, value) in attributes {
            call = call.user_attributes(AttributeType::builder().name(name).value(value).build()?);
        }
        let operation = "Cognito AdminUpdateUserAttributes";
        let error = match call.send().await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let why = match code(&error) {
            Some("AliasExistsException") => "another user has this alias",
            Some("InvalidParameterException") => "the pool takes no such value",
            _ => return Err(refused(operation, "over the quota for updating users", error)),
        };
        Err(fault_because(operation, why, error).with_outlook(Outlook::Permanent))
    }

    async fn find(&self, pool: &str, user_name: &str) -> Result<Option<User>, Fault> {
        let operation = "Cognito AdminGetUser";
        let answer = match self.client.admin_get_user().user_pool_id(pool).username(user_name).send().await {
            Ok(answer) => answer,
            Err(error) if code(&error) == Some("UserNotFoundException") => return Ok(None),
            Err(error) => return Err(refused(operation, "over the quota for reading users", error)),
        };
        let found = UserType::builder()
            .username(answer.username)
            .set_attributes(answer.user_attributes)
            .set_user_create_date(answer.user_create_date)
            .set_user_status(answer.user_status)
            .enabled(answer.enabled);
        Ok(Some(user(found.build())))
    }

    async fn find_sub(&self, pool: &str, sub: &str) -> Result<Option<User>, Fault> {
        // The value stands in quotes; nothing that could end them is a `sub` of anybody.
        if sub.contains(['"', '\\']) {
            return Ok(None);
        }
        let call = self.client.list_users().user_pool_id(pool).filter(format!("sub = \"{sub}\"")).limit(1);
        let answer = call.send().await.map_err(|error| refused("Cognito ListUsers", "over the quota for listing users", error))?;
        Ok(answer.users.unwrap_or_default().into_iter().next().map(user))
    }

    async fn sign_out(&self, pool: &str, user_name: &str) -> Result<(), Fault> {
        let operation = "Cognito AdminUserGlobalSignOut";
        match self.client.admin_user_global_sign_out().user_pool_id(pool).username(user_name).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(operation, "over the quota for updating users", error)),
        }
    }

    async fn require_new_password(&self, pool: &str, user_name: &str) -> Result<NewPassword, Fault> {
        let operation = "Cognito AdminGetUser";
        let answer = self.client.admin_get_user().user_pool_id(pool).username(user_name).send().await;
        let status = match answer {
            Ok(answer) => answer.user_status,
            Err(error) => return Err(refused(operation, "over the quota for reading users", error)),
        };
        match status {
            Some(UserStatusType::ResetRequired | UserStatusType::ForceChangePassword) => {
                return Ok(NewPassword::Required);
            }
            Some(UserStatusType::Confirmed | UserStatusType::Compromised) => {}
            _ => return Ok(NewPassword::None),
        }
        let operation = "Cognito AdminResetUserPassword";
        match self.client.admin_reset_user_password().user_pool_id(pool).username(user_name).send().await {
            Ok(_) => Ok(NewPassword::Required),
            Err(error) => match code(&error) {
                // "Cannot reset password for the user as there is no registered/verified email or phone_number".
                Some("InvalidParameterException") => {
                    let why = "the user has no verified address or number for a code";
                    Err(fault_because(operation, why, error).with_outlook(Outlook::Permanent))
                }
                _ => Err(refused(operation, "over the quota for resetting passwords", error)),
            },
        }
    }

    async fn users(&self, pool: &str, page: Option<String>) -> Result<UserPage, Fault> {
        let call = self.client.list_users().user_pool_id(pool).limit(PAGE).set_pagination_token(page);
        let answer = call.send().await.map_err(|error| fault("Cognito ListUsers", error))?;
        Ok(UserPage {
            users: answer.users.unwrap_or_default().into_iter().map(user).collect(),
            next: answer.pagination_token,
        })
    }
}

fn user(user: UserType) -> User {
    let attributes = user.attributes.unwrap_or_default().into_iter();
    // CONFIRMED and EXTERNAL_PROVIDER, and those who were confirmed before something happened to their password. Somebody created
    // by an administrator who never signed in (FORCE_CHANGE_PASSWORD) is not confirmed yet.
    let confirmed = matches!(
        user.user_status,
        Some(
            UserStatusType::Confirmed
                | UserStatusType::ExternalProvider
                | UserStatusType::ResetRequired
                | UserStatusType::Compromised
        )
    );
    User {
        user_name: user.username.unwrap_or_default(),
        attributes: attributes.filter_map(|attribute| Some((attribute.name, attribute.value?))).collect(),
        confirmed,
        enabled: user.enabled,
        created: user
            .user_create_date
            .and_then(|date| Timestamp::new(date.secs(), i32::try_from(date.subsec_nanos()).ok()?).ok())
            .unwrap_or_default(),
    }
}

/// The fault of a call about one user, which says so if there is no such user or if it is one call too many.
fn refused<E>(operation: &'static str, over_quota: &'static str, error: SdkError<E, HttpResponse>) -> Fault
where
    E: std::error::Error + ProvideErrorMetadata + RequestId + Send + Sync + 'static,
{
    let (why, outlook) = match code(&error) {
        Some("UserNotFoundException") => ("the pool has no such user", Outlook::Permanent),
        Some("TooManyRequestsException") => (over_quota, Outlook::Throttled),
        _ => return fault(operation, error),
    };
    fault_because(operation, why, error).with_outlook(outlook)
}
