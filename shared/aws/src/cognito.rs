//! The users of a pool, through the API an administrator has.
//!
//! Calls are limited for the whole account and region (developer guide, "Quotas"): what updates users shares 25 a second that AWS
//! does not raise (category UserUpdate), what recovers accounts 30 (UserAccountRecovery), AdminGetUser has 120 (UserRead),
//! ListUsers a quota of its own, and one user takes 10 reads and 10 writes a second. What is over is refused with
//! TooManyRequestsException and tried again, as often as the limits allow.
//!
//! | what is asked | calls | category | who needs it |
//! |---|---|---|---|
//! | `update_attributes` | AdminUpdateUserAttributes | UserUpdate | who delivers changes of attributes |
//! | `find` | AdminGetUser | UserRead | the courier, for conditions |
//! | `find_sub` | ListUsers with a filter on `sub`; may lag behind by some seconds | of its own | `links`, `session-release` |
//! | `sign_out` | AdminUserGlobalSignOut | UserUpdate | `session-limit` that signs others out, `links` |
//! | `require_new_password` | AdminGetUser, then AdminResetUserPassword | UserRead, UserAccountRecovery | `password-age` that resets, `links` |
//! | `users` | ListUsers | of its own | the operator |
//!
//! A role needs `cognito-idp:<call>` on the pool for each. `sign_out` is called within the time of an answer: with
//! [`Limits::EVENT`] it has ended, retries included, within 1.9 s, and what the deadline leaves is the most it gets.
//!
//! AdminResetUserPassword works only where the pool's account recovery sends a code by mail or SMS, and runs the CustomMessage
//! trigger. A user who has to choose a new password already is left alone; whether Cognito would send another code is UNSURE.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::http::HttpResponse;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::operation::RequestId;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, UserStatusType, UserType};
use cognito_triggers::services::{NewPassword, Opening, User, UserPage};
use cognito_triggers::{Adapter, ConfigError, Directory, Environment, Fault, FaultKind, Outlook};
use jiff::Timestamp;

use crate::client::{self, Connections, Limits};
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

/// The users of Cognito user pools, all pools of one region.
///
/// No connection is opened in advance: there is no call that costs no quota and needs no pool.
#[derive(Clone, Debug)]
pub struct CognitoDirectory {
    client: Client,
}

/// How many users one page holds: the most ListUsers gives.
const PAGE: i32 = 60;

/// How many pages a search may take. There is one user at most, but that a page is never empty is not promised.
const EMPTY_PAGES: usize = 5;

/// Why nobody is made to choose a new password.
const NO_CONTACT: &str = "the user has no verified address or number for a code";

impl CognitoDirectory {
    /// The pools of the region and account the environment names, as Lambda sets it; `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER`
    /// or `AWS_ENDPOINT_URL` point elsewhere. Nothing is called yet.
    ///
    /// # Errors
    ///
    /// If region or credentials are missing.
    pub fn open(environment: &Environment, limits: Limits) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(&client::settings(
                "COGNITO_IDENTITY_PROVIDER",
                environment,
                &limits,
                Connections::Kept,
            )?),
        })
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
        if sub.is_empty() || sub.contains(['"', '\\']) {
            return Ok(None);
        }
        let mut page = None;
        for _ in 0..EMPTY_PAGES {
            let call = self.client.list_users().user_pool_id(pool).filter(format!("sub = \"{sub}\""));
            let answer = call.set_pagination_token(page).send().await;
            let answer =
                answer.map_err(|error| refused("Cognito ListUsers", "over the quota for listing users", error))?;
            let mut users = answer.users.unwrap_or_default().into_iter().map(user);
            // Nobody is to be acted upon because a filter was read in another way.
            if let Some(found) = users.find(|user| user.attributes.find("sub") == Some(sub)) {
                return Ok(Some(found));
            }
            page = answer.pagination_token;
            if page.is_none() {
                return Ok(None);
            }
        }
        Err(Fault::of(FaultKind::Service, "Cognito ListUsers gave one empty page after the other"))
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
        let found = answer.map_err(|error| refused(operation, "over the quota for reading users", error))?;
        match &found.user_status {
            Some(UserStatusType::ResetRequired | UserStatusType::ForceChangePassword) => {
                return Ok(NewPassword::Required);
            }
            Some(UserStatusType::Confirmed | UserStatusType::Compromised) => {}
            _ => return Ok(NewPassword::None),
        }
        let in_vain = |why: &'static str| {
            let fault = Fault::of(FaultKind::Service, format!("Cognito AdminResetUserPassword was not called: {why}"));
            Err(fault.with_outlook(Outlook::Permanent))
        };
        // "You need to use admin-enable-user before admin-reset-user-password" (amazon-cognito-identity-js#373).
        if !found.enabled {
            return in_vain("the user is disabled");
        }
        // Whoever has to choose a password and can be sent no code is locked out for good. That Cognito always refuses this is
        // UNSURE, so it is not left to it.
        if !has_verified_contact(found.user_attributes()) {
            return in_vain(NO_CONTACT);
        }
        let operation = "Cognito AdminResetUserPassword";
        let error = match self.client.admin_reset_user_password().user_pool_id(pool).username(user_name).send().await {
            Ok(_) => return Ok(NewPassword::Required),
            Err(error) => error,
        };
        // The role's own lack of a permission is an AccessDeniedException.
        let why = match code(&error) {
            Some("InvalidParameterException") => NO_CONTACT,
            Some("NotAuthorizedException") => "the user is disabled, or the pool lets nobody recover an account",
            _ => return Err(refused(operation, "over the quota for resetting passwords", error)),
        };
        Err(fault_because(operation, why, error).with_outlook(Outlook::Permanent))
    }

    async fn users(&self, pool: &str, page: Option<String>) -> Result<UserPage, Fault> {
        let call = self.client.list_users().user_pool_id(pool).limit(PAGE).set_pagination_token(page);
        let answer = call.send().await;
        let answer = answer.map_err(|error| refused("Cognito ListUsers", "over the quota for listing users", error))?;
        Ok(UserPage {
            users: answer.users.unwrap_or_default().into_iter().map(user).collect(),
            next: answer.pagination_token,
        })
    }
}

/// Whether there is somewhere a code can be sent to.
fn has_verified_contact(attributes: &[AttributeType]) -> bool {
    let find = |name: &str| attributes.iter().find(|it| it.name() == name).and_then(AttributeType::value);
    let is_verified = |name, mark| find(name).is_some() && find(mark).is_some_and(|it| it.eq_ignore_ascii_case("true"));
    is_verified("email", "email_verified") || is_verified("phone_number", "phone_number_verified")
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
