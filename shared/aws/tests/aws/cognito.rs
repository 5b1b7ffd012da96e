//! The directory against ministack's Cognito.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cognitoidentityprovider::types::AttributeType;
use cognito_triggers::services::contract::{self, Registry};
use cognito_triggers::services::{Opening, User};
use cognito_triggers::{Directory, Environment};
use cognito_triggers_aws::{CognitoDirectory, DIRECTORY, Limits};
use serde_json::json;

use crate::ministack::Ministack;
use crate::proxy::{Proxy, Trouble};
use crate::{environment, run};

/// The pool's owner.
struct Owner(Client);

impl Owner {
    fn of(ministack: &Ministack) -> Self {
        let config = aws_sdk_cognitoidentityprovider::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(ministack.endpoint())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self(Client::from_conf(config))
    }
}

#[async_trait]
impl Registry for Owner {
    async fn pool(&self) -> String {
        let made = self.0.create_user_pool().pool_name("test").send().await.unwrap();
        made.user_pool.unwrap().id.unwrap()
    }

    async fn create(
        &self,
        pool: &str,
        user_name: &str,
        attributes: &BTreeMap<String, String>,
        confirmed: bool,
    ) -> String {
        let mut call = self.0.admin_create_user().user_pool_id(pool).username(user_name);
        for (name, value) in attributes {
            call = call.user_attributes(AttributeType::builder().name(name).value(value).build().unwrap());
        }
        let user = call.send().await.unwrap().user.unwrap();
        if confirmed {
            let confirm = self.0.admin_set_user_password().user_pool_id(pool).username(user_name);
            confirm.password("Secret-Password-1").permanent(true).send().await.unwrap();
        }
        let sub = user.attributes.unwrap().into_iter().find(|attribute| attribute.name == "sub");
        sub.unwrap().value.unwrap()
    }
}

/// Makes a pool with these users, the first of them confirmed.
async fn pool(ministack: &Ministack, users: &[&str]) -> String {
    let owner = Owner::of(ministack);
    let pool = owner.pool().await;
    for (number, user) in users.iter().enumerate() {
        let email = [("email".to_owned(), format!("{user}@example.com"))].into();
        owner.create(&pool, user, &email, number == 0).await;
    }
    pool
}

#[test]
fn the_contract_holds() {
    let ministack = Ministack::shared();
    run(async move {
        let open = || Arc::new(CognitoDirectory::open(&environment(&ministack.endpoint()), Limits::TOOL).unwrap());
        let suite = contract::directory(open(), Arc::new(Owner::of(&ministack))).client(open()).spawn(|task| {
            let task = tokio::spawn(task);
            Box::pin(async move { task.await.unwrap() })
        });
        suite.holds().await;
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
