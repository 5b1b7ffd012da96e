//! The directory against ministack's Cognito.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cognitoidentityprovider::types::{AttributeType, AuthFlowType, ExplicitAuthFlowsType, UserStatusType};
use cognito_triggers::grants;
use cognito_triggers::services::contract::{self, Registry};
use cognito_triggers::services::{NewPassword, Opening, User};
use cognito_triggers::{Directory, Environment, Outlook};
use cognito_triggers_aws::{CognitoDirectory, DIRECTORY, Limits};
use serde_json::json;

use crate::grants::{asked, granted};
use crate::http::http;
use crate::ministack::Ministack;
use crate::proxy::{Proxy, Trouble};
use crate::{environment, run};

/// The pool's owner.
struct Owner {
    client: Client,
    /// The app client of each pool in which somebody signed up or in.
    apps: Mutex<BTreeMap<String, String>>,
}

/// What everybody signs in with.
const PASSWORD: &str = "Secret-Password-1";

impl Owner {
    fn of(ministack: &Ministack) -> Self {
        let config = aws_sdk_cognitoidentityprovider::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(ministack.endpoint())
            .http_client(http())
            .build();
        Self { client: Client::from_conf(config), apps: Mutex::default() }
    }

    async fn app(&self, pool: &str) -> String {
        if let Some(app) = self.apps.lock().unwrap().get(pool) {
            return app.clone();
        }
        let call = self.client.create_user_pool_client().user_pool_id(pool).client_name("test");
        let call = call.explicit_auth_flows(ExplicitAuthFlowsType::AllowAdminUserPasswordAuth);
        let made = call.explicit_auth_flows(ExplicitAuthFlowsType::AllowRefreshTokenAuth).send().await.unwrap();
        let app = made.user_pool_client.unwrap().client_id.unwrap();
        self.apps.lock().unwrap().insert(pool.to_owned(), app.clone());
        app
    }

    async fn status(&self, pool: &str, user_name: &str) -> Option<UserStatusType> {
        self.client.admin_get_user().user_pool_id(pool).username(user_name).send().await.unwrap().user_status
    }
}

fn attributes(pairs: &BTreeMap<String, String>) -> Vec<AttributeType> {
    pairs.iter().map(|(name, value)| AttributeType::builder().name(name).value(value).build().unwrap()).collect()
}

#[async_trait]
impl Registry for Owner {
    async fn pool(&self) -> String {
        let made = self.client.create_user_pool().pool_name("test").send().await.unwrap();
        made.user_pool.unwrap().id.unwrap()
    }

    async fn create(&self, pool: &str, user_name: &str, pairs: &BTreeMap<String, String>, confirmed: bool) -> String {
        if confirmed {
            let sub = self.invite(pool, user_name, pairs).await;
            let confirm = self.client.admin_set_user_password().user_pool_id(pool).username(user_name);
            confirm.password(PASSWORD).permanent(true).send().await.unwrap();
            return sub;
        }
        let call = self.client.sign_up().client_id(self.app(pool).await).username(user_name).password(PASSWORD);
        call.set_user_attributes(Some(attributes(pairs))).send().await.unwrap().user_sub
    }

    async fn invite(&self, pool: &str, user_name: &str, pairs: &BTreeMap<String, String>) -> String {
        let call = self.client.admin_create_user().user_pool_id(pool).username(user_name);
        let user = call.set_user_attributes(Some(attributes(pairs))).send().await.unwrap().user.unwrap();
        let sub = user.attributes.unwrap().into_iter().find(|attribute| attribute.name == "sub");
        sub.unwrap().value.unwrap()
    }

    async fn federate(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> String {
        panic!("ministack makes such a user only where a browser signs in through another provider")
    }

    async fn disable(&self, pool: &str, user_name: &str) {
        self.client.admin_disable_user().user_pool_id(pool).username(user_name).send().await.unwrap();
    }

    async fn sign_in(&self, pool: &str, user_name: &str) -> String {
        let call = self.client.admin_initiate_auth().user_pool_id(pool).client_id(self.app(pool).await);
        let call = call.auth_flow(AuthFlowType::AdminUserPasswordAuth).auth_parameters("USERNAME", user_name);
        let answer = call.auth_parameters("PASSWORD", PASSWORD).send().await.unwrap();
        // It notes whole seconds, so that of what began in the second of a sign-out it thinks that it came later.
        tokio::time::sleep(Duration::from_millis(1_010)).await;
        answer.authentication_result.unwrap().refresh_token.unwrap()
    }

    async fn goes_on(&self, pool: &str, _: &str, session: &str) -> bool {
        let call = self.client.admin_initiate_auth().user_pool_id(pool).client_id(self.app(pool).await);
        let call = call.auth_flow(AuthFlowType::RefreshTokenAuth).auth_parameters("REFRESH_TOKEN", session);
        call.send().await.is_ok()
    }

    async fn must_choose(&self, pool: &str, user_name: &str) -> bool {
        let status = self.status(pool, user_name).await;
        matches!(status, Some(UserStatusType::ResetRequired | UserStatusType::ForceChangePassword))
    }
}

/// Makes a pool with these users, the first of them confirmed.
async fn pool(ministack: &Ministack, users: &[&str]) -> String {
    let owner = Owner::of(ministack);
    let pool = owner.pool().await;
    for (number, user) in users.iter().enumerate() {
        let email = [("email".to_owned(), format!("{user}@example.com"))].into();
        match number {
            0 => owner.create(&pool, user, &email, true).await,
            _ => owner.invite(&pool, user, &email).await,
        };
    }
    pool
}

#[test]
fn the_contract_holds() {
    let ministack = Ministack::shared();
    run(async move {
        let proxy = Proxy::before(ministack.address()).await;
        let open = || Arc::new(CognitoDirectory::open(&environment(&proxy.endpoint()), Limits::TOOL).unwrap());
        let suite = contract::directory(open(), Arc::new(Owner::of(&ministack))).client(open()).spawn(|task| {
            let task = tokio::spawn(task);
            Box::pin(async move { task.await.unwrap() })
        });
        let suite = suite.except(
            "who_signs_in_elsewhere_has_none_to_lose",
            "ministack makes no such user through its API; tried below with Cognito's answer",
        );
        suite.holds().await;
        assert_eq!(asked(&proxy.exchanges()), granted(&[grants::DIRECTORY]));
    });
}

async fn everybody(directory: &CognitoDirectory, pool: &str) -> BTreeMap<String, User> {
    let mut users = BTreeMap::new();
    let mut page = None;
    loop {
        let answer = directory.users(pool, page).await.unwrap();
        users.extend(answer.users.into_iter().map(|user| (user.user_name.clone(), user)));
        page = answer.next;
        if page.is_none() {
            return users;
        }
    }
}

#[test]
fn attributes_are_updated_and_listed() {
    let ministack = Ministack::shared();
    run(async move {
        let pool = pool(&ministack, &["anna", "bea"]).await;
        let directory = CognitoDirectory::open(&environment(&ministack.endpoint()), Limits::TOOL).unwrap();
        let attributes = [("nickname".to_owned(), "Änne".to_owned()), ("locale".to_owned(), "de".to_owned())].into();
        directory.update_attributes(&pool, "anna", &attributes).await.unwrap();
        directory.update_attributes(&pool, "anna", &attributes).await.unwrap();
        let users = everybody(&directory, &pool).await;
        let anna = &users["anna"];
        assert_eq!(anna.attributes.find("nickname"), Some("Änne"));
        assert_eq!(anna.attributes.find("locale"), Some("de"));
        assert_eq!(anna.attributes.find("email"), Some("anna@example.com"));
        assert!(anna.attributes.find("sub").is_some());
        assert!(anna.confirmed, "a password that was set for good confirms");
        assert!(!users["bea"].confirmed, "created by an administrator, never signed in");
        assert!(anna.created > "2020-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(users["bea"].attributes.find("nickname"), None);
    });
}

#[test]
fn users_come_in_pages() {
    let ministack = Ministack::shared();
    run(async move {
        let names: Vec<_> = (0..130).map(|number| format!("user-{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let pool = pool(&ministack, &names).await;
        let proxy = Proxy::before(ministack.address()).await;
        let directory = CognitoDirectory::open(&environment(&proxy.endpoint()), Limits::TOOL).unwrap();
        let users: BTreeSet<_> = everybody(&directory, &pool).await.into_keys().collect();
        assert_eq!(users, names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(proxy.requests(), ["ListUsers"; 3]);
    });
}

#[test]
fn refusals_say_why_and_name_nobody() {
    let ministack = Ministack::shared();
    run(async move {
        let pool = pool(&ministack, &["anna"]).await;
        let proxy = Proxy::before(ministack.address()).await;
        let directory = CognitoDirectory::open(&environment(&proxy.endpoint()), Limits::TOOL).unwrap();
        let attributes: BTreeMap<_, _> = [("nickname".to_owned(), "Secret Name".to_owned())].into();
        let fault =
            async |user: &str| directory.update_attributes(&pool, user, &attributes).await.unwrap_err().causes();
        let unknown = fault("zoe@example.com").await;
        assert!(
            unknown.starts_with("Cognito AdminUpdateUserAttributes failed: the pool has no such user"),
            "{unknown}"
        );
        assert!(unknown.contains("UserNotFoundException"), "{unknown}");
        proxy.requests();
        for (code, why) in [
            ("AliasExistsException", "another user has this alias"),
            ("InvalidParameterException", "InvalidParameterException"),
        ] {
            proxy.make(
                "AdminUpdateUserAttributes",
                Trouble::Refused(json!({ "__type": code, "message": "Secret Name of zoe@example.com" })),
            );
            let fault = fault("zoe@example.com").await;
            assert!(fault.contains(why), "{fault}");
            assert!(!fault.contains("zoe") && !fault.contains("Secret"), "{fault}");
            assert_eq!(proxy.requests(), ["AdminUpdateUserAttributes"], "repeating does not help");
        }
        assert!(!unknown.contains("zoe"), "{unknown}");
    });
}

#[test]
fn a_throttled_call_is_tried_again() {
    let ministack = Ministack::shared();
    run(async move {
        let pool = pool(&ministack, &["anna"]).await;
        let proxy = Proxy::before(ministack.address()).await;
        let directory = CognitoDirectory::open(&environment(&proxy.endpoint()), Limits::TOOL).unwrap();
        let throttled = || Trouble::Refused(json!({ "__type": "TooManyRequestsException", "message": "slow down" }));
        for _ in 1..Limits::TOOL.attempts {
            proxy.make("AdminUpdateUserAttributes", throttled());
        }
        directory.update_attributes(&pool, "anna", &BTreeMap::new()).await.unwrap();
        assert_eq!(proxy.requests().len(), Limits::TOOL.attempts as usize);
        for _ in 0..Limits::TOOL.attempts {
            proxy.make("AdminUpdateUserAttributes", throttled());
        }
        let fault = directory.update_attributes(&pool, "anna", &BTreeMap::new()).await.unwrap_err().causes();
        assert!(fault.contains("over the quota for updating users"), "{fault}");
        assert_eq!(proxy.requests().len(), Limits::TOOL.attempts as usize);
    });
}

/// What AdminGetUser answers of somebody in this state, who has a verified address.
fn somebody(status: &str) -> Trouble {
    let attribute = |name: &str, value: &str| json!({ "Name": name, "Value": value });
    let attributes = [attribute("sub", "s"), attribute("email", "a@example.com"), attribute("email_verified", "true")];
    let user = json!({ "Username": "anna", "Enabled": true, "UserStatus": status, "UserAttributes": attributes });
    Trouble::Answered(200, user.to_string())
}

#[test]
fn a_new_password_is_required_in_two_calls_and_in_one_where_there_is_nothing_to_do() {
    let ministack = Ministack::shared();
    run(async move {
        let owner = Owner::of(&ministack);
        let pool = owner.pool().await;
        let email = [("email", "anna@example.com"), ("email_verified", "true")];
        let email = email.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        owner.create(&pool, "anna", &email, true).await;
        let proxy = Proxy::before(ministack.address()).await;
        let directory = CognitoDirectory::open(&environment(&proxy.endpoint()), Limits::TOOL).unwrap();
        let require = async || directory.require_new_password(&pool, "anna").await;
        for (status, expected) in [
            ("EXTERNAL_PROVIDER", NewPassword::None),
            ("UNCONFIRMED", NewPassword::None),
            ("ARCHIVED", NewPassword::None),
            ("UNKNOWN", NewPassword::None),
            ("OF_NEXT_YEAR", NewPassword::None),
            ("RESET_REQUIRED", NewPassword::Required),
            ("FORCE_CHANGE_PASSWORD", NewPassword::Required),
        ] {
            proxy.make("AdminGetUser", somebody(status));
            assert_eq!(require().await.unwrap(), expected, "{status}");
            assert_eq!(proxy.requests(), ["AdminGetUser"], "{status}: a code was sent");
            assert!(!owner.must_choose(&pool, "anna").await);
        }
        proxy.make("AdminGetUser", somebody("COMPROMISED"));
        assert_eq!(require().await.unwrap(), NewPassword::Required);
        assert_eq!(proxy.requests(), ["AdminGetUser", "AdminResetUserPassword"]);
        assert_eq!(owner.status(&pool, "anna").await, Some(UserStatusType::ResetRequired));
        // Asked again, no second code is sent.
        assert_eq!(require().await.unwrap(), NewPassword::Required);
        assert_eq!(proxy.requests(), ["AdminGetUser"]);
    });
}

#[test]
fn what_cognito_says_against_a_new_password_is_final_and_names_nobody() {
    let ministack = Ministack::shared();
    run(async move {
        let proxy = Proxy::before(ministack.address()).await;
        let directory = CognitoDirectory::open(&environment(&proxy.endpoint()), Limits::TOOL).unwrap();
        for (code, why, outlook) in [
            ("InvalidParameterException", "no verified address or number", Outlook::Permanent),
            ("NotAuthorizedException", "the user is disabled", Outlook::Permanent),
            ("UserNotFoundException", "the pool has no such user", Outlook::Permanent),
            ("TooManyRequestsException", "over the quota for resetting passwords", Outlook::Throttled),
            ("AccessDeniedException", "AccessDeniedException", Outlook::Transient),
            ("CodeDeliveryFailureException", "CodeDeliveryFailureException", Outlook::Transient),
        ] {
            proxy.make("AdminGetUser", somebody("CONFIRMED"));
            let refusal = json!({ "__type": code, "message": "it is said" });
            for _ in 0..Limits::TOOL.attempts {
                proxy.make("AdminResetUserPassword", Trouble::Refused(refusal.clone()));
            }
            let fault = directory.require_new_password("p", "zoe@example.com").await.unwrap_err();
            let text = fault.causes();
            assert!(text.starts_with("Cognito AdminResetUserPassword failed") && text.contains(why), "{text}");
            assert_eq!(fault.outlook(), outlook, "{text}");
            assert!(!text.contains("zoe"), "{text}");
            while proxy.forget("AdminResetUserPassword") {}
        }
    });
}

/// Within the 4 s of an answer, a call that hangs included.
#[test]
fn signing_out_is_one_call_that_ends_in_time() {
    let ministack = Ministack::shared();
    run(async move {
        let pool = pool(&ministack, &["anna"]).await;
        let proxy = Proxy::before(ministack.address()).await;
        let directory = CognitoDirectory::open(&environment(&proxy.endpoint()), Limits::EVENT).unwrap();
        directory.sign_out(&pool, "anna").await.unwrap();
        assert_eq!(proxy.requests(), ["AdminUserGlobalSignOut"]);
        // Doing it again does no harm, so an answer that was lost is asked for again.
        proxy.make("AdminUserGlobalSignOut", Trouble::LostAnswer);
        directory.sign_out(&pool, "anna").await.unwrap();
        assert_eq!(proxy.requests(), ["AdminUserGlobalSignOut"; 2]);
        for _ in 0..Limits::EVENT.attempts {
            proxy.make("AdminUserGlobalSignOut", Trouble::Silence);
        }
        let started = Instant::now();
        let fault = directory.sign_out(&pool, "anna").await.unwrap_err();
        assert!(started.elapsed() < Duration::from_millis(2_500), "{:?}", started.elapsed());
        assert!(fault.causes().contains("AdminUserGlobalSignOut") && !fault.causes().contains("anna"), "{fault}");
    });
}

#[test]
fn a_search_goes_on_behind_an_empty_page_and_believes_no_filter() {
    let ministack = Ministack::shared();
    run(async move {
        let owner = Owner::of(&ministack);
        let pool = owner.pool().await;
        let anna = owner.create(&pool, "anna", &BTreeMap::new(), true).await;
        owner.create(&pool, "bea", &BTreeMap::new(), true).await;
        let proxy = Proxy::before(ministack.address()).await;
        let directory = CognitoDirectory::open(&environment(&proxy.endpoint()), Limits::TOOL).unwrap();
        let page = |users: serde_json::Value, token: &str| {
            Trouble::Answered(200, json!({ "Users": users, "PaginationToken": token }).to_string())
        };
        proxy.make("ListUsers", page(json!([]), "0"));
        let found = directory.find_sub(&pool, &anna).await.unwrap();
        assert_eq!(found.map(|user| user.user_name).as_deref(), Some("anna"));
        assert_eq!(proxy.requests(), ["ListUsers"; 2]);
        // Somebody else's entry is nobody's.
        let stranger = json!([{ "Username": "bea", "Attributes": [{ "Name": "sub", "Value": "another" }] }]);
        proxy.make("ListUsers", Trouble::Answered(200, json!({ "Users": stranger }).to_string()));
        assert!(directory.find_sub(&pool, &anna).await.unwrap().is_none());
        for number in 0..20 {
            proxy.make("ListUsers", page(json!([]), &number.to_string()));
        }
        proxy.requests();
        let fault = directory.find_sub(&pool, &anna).await.unwrap_err().causes();
        assert!(fault.contains("one empty page after the other"), "{fault}");
        assert!(proxy.requests().len() < 10);
    });
}

#[test]
fn the_adapter_takes_no_address() {
    run(async {
        let open = |address: &str, environment: Environment| {
            (DIRECTORY.open)(Opening { address: address.to_owned(), environment })
        };
        let error = open("eu-central-1_Pool", environment("http://localhost:1")).await.err().unwrap().to_string();
        assert!(error.contains("takes no address") && error.contains("directory = \"cognito\""), "{error}");
        assert!(open("", environment("http://localhost:1")).await.is_ok());
        assert!(open("", Environment::default()).await.err().unwrap().to_string().contains("AWS_REGION"));
    });
}
