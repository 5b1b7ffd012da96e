//! The users of a pool, through the API an administrator has.
//!
//! Calls are limited for the whole account and region. AdminUpdateUserAttributes shares 25 a second with the other calls that
//! update users (category UserUpdate, which AWS does not raise), and one user takes 10 writes a second; ListUsers has a quota
//! of its own. What is over is refused with TooManyRequestsException and tried again, as often as the limits allow.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, UserStatusType, UserType};
use cognito_triggers::services::{Opening, User, UserPage};
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
        let (why, outlook) = match code(&error) {
            Some("UserNotFoundException") => ("the pool has no such user", Outlook::Permanent),
            Some("AliasExistsException") => ("another user has this alias", Outlook::Permanent),
            Some("InvalidParameterException") => ("the pool takes no such value", Outlook::Permanent),
            Some("TooManyRequestsException") => ("over the quota for updating users", Outlook::Throttled),
            _ => return Err(fault(operation, error)),
        };
        Err(fault_because(operation, why, error).with_outlook(outlook))
    }

    async fn find(&self, pool: &str, user_name: &str) -> Result<Option<User>, Fault> {
        let operation = "Cognito AdminGetUser";
        let answer = match self.client.admin_get_user().user_pool_id(pool).username(user_name).send().await {
            Ok(answer) => answer,
            Err(error) => {
                return match code(&error) {
                    Some("UserNotFoundException") => Ok(None),
                    Some("TooManyRequestsException") => {
                        let why = "over the quota for reading users";
                        Err(fault_because(operation, why, error).with_outlook(Outlook::Throttled))
                    }
                    _ => Err(fault(operation, error)),
                };
            }
        };
        let found = UserType::builder()
            .username(answer.username)
            .set_attributes(answer.user_attributes)
            .set_user_create_date(answer.user_create_date)
            .set_user_status(answer.user_status);
        Ok(Some(user(found.build())))
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
        created: user
            .user_create_date
            .and_then(|date| Timestamp::new(date.secs(), i32::try_from(date.subsec_nanos()).ok()?).ok())
            .unwrap_or_default(),
    }
}
