//! Policies as they are printed.

use std::collections::BTreeSet;

use cognito_triggers::config::Configuration;
use cognito_triggers::grants::{Caller, Grant, Resource};
use cognito_triggers::{Environment, Need};
use serde_json::Value;

use super::*;
use crate::command::tests::{configured, local};

/// Every rule with everything on that a service is needed for.
const EVERYTHING: &str = r#"
    [services]
    ledger    = "dynamodb:cognito-triggers"
    directory = "cognito"
    mailer    = "ses:Acme <hello@acme.example>?configuration-set=acme&reply-to=help@acme.example"
    bucket    = "s3:acme-user-files/pool-a"
    publisher = "eventbridge:acme"
    links     = "https://links.example/"

    [domain-allow-list]
    allow = ["example.com"]
    [access-code]
    [unique-nickname]
    [maintenance]
    exempt-groups = ["staff"]
    [password-age]
    max-days = 90
    action   = "reset"
    [session-limit]
    max    = 3
    policy = "sign-out-others"
    [s3-provisioning]
    copy-from     = "templates/new-user/"
    onboard-since = 2026-01-01
    [welcome-email]
    from          = "news@news.acme.example"
    onboard-since = 2026-01-01
    [admin-notice]
    to            = "ops@acme.example"
    onboard-since = 2026-01-01
    [user-events]
    onboard-since = 2026-01-01
    [sign-in-count]
    [sign-in-alert]
    not-me-link-days = 7
    [win-back]
    after-days = 30
    [templated-message]
    [links]
    administrators = ["ops@acme.example"]
"#;

const AT_HOME: [&str; 6] =
    ["--account", "111122223333", "--region", "eu-central-1", "--pool", "eu-central-1_Example01"];

async fn printed(text: &str, arguments: &[&str]) -> (u8, String, String) {
    let (folder, file) = configured(text);
    let arguments: Vec<_> = ["policy", file.as_str()].iter().chain(arguments).copied().collect();
    let (code, out, err) = local(folder.path(), &arguments, "").await;
    (code, out, err.replace(&file, "triggers.toml"))
}

async fn policy(text: &str, arguments: &[&str]) -> (u8, Value, String) {
    let (code, out, err) = printed(text, arguments).await;
    (code, serde_json::from_str(&out).unwrap_or_default(), err)
}

/// The actions of each statement.
async fn allowed(text: &str, function: &str) -> Vec<String> {
    let (code, policy, err) = policy(text, &[&["--function", function], &AT_HOME[..]].concat()).await;
    assert_eq!(code, 0, "{err}");
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_policy_of_each_function_is_what_it_was() {
    for function in ["pool", "courier", "links", "session-release", "s3-provisioning", "poolctl"] {
        let (code, policy, err) = printed(EVERYTHING, &[&["--function", function], &AT_HOME[..]].concat()).await;
        assert_eq!(code, 0, "{err}");
        insta::assert_snapshot!(format!("policy_{function}"), policy);
    }
}

#[tokio::test]
async fn what_a_setting_does_not_need_is_not_allowed() {
    let services = "[services]\nledger = \"dynamodb:t-t\"\ndirectory = \"cognito\"\nmailer = \"ses:a@b.example\"\n";
    let of = async |table: &str, function: &str| allowed(&format!("{services}{table}"), function).await;
    let session_limit = "[session-limit]\nmax = 3\n";
    assert_eq!(of(session_limit, "session-limit").await, ["dynamodb:BatchGetItem", "dynamodb:PutItem"]);
    let others = format!("{session_limit}policy = \"sign-out-others\"\n");
    assert!(of(&others, "session-limit").await.contains(&"cognito-idp:AdminUserGlobalSignOut".into()));
    let static_codes = "[access-code]\ncodes = [\"abc\"]\ninvitations = false\n";
    assert!(of(static_codes, "access-code").await.is_empty());
    assert_eq!(of("[maintenance]\n", "maintenance").await, ["dynamodb:BatchGetItem"]);
    let inline = of("[welcome-email]\n", "welcome-email").await;
    assert!(inline.contains(&"ses:SendRawEmail".into()) && inline.contains(&"dynamodb:BatchWriteItem".into()));
    let deferred = of("[welcome-email]\ndelivery = \"deferred\"\n", "welcome-email").await;
    assert_eq!(deferred, ["dynamodb:BatchGetItem", "dynamodb:PutItem"]);
    let courier = of("[welcome-email]\ndelivery = \"deferred\"\n", "courier").await;
    let expected = ["dynamodb:BatchWriteItem", "dynamodb:UpdateItem", "dynamodb:Query", "ses:SendRawEmail"];
    assert_eq!(courier, expected);
    let digest = of("[admin-notice]\nto = \"a@b.example\"\ndigest = \"day\"\n", "admin-notice").await;
    assert!(!digest.contains(&"ses:SendRawEmail".into()), "{digest:?}");
    let nothing = of("[domain-allow-list]\nallow = [\"example.com\"]\n", "domain-allow-list").await;
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn a_function_for_some_triggers_is_allowed_what_is_done_there() {
    let at = async |text: &str, function: &str, only: &str| {
        let (code, policy, err) =
            policy(text, &[&["--function", function, "--only", only], &AT_HOME[..]].concat()).await;
        assert_eq!(code, 0, "{err}");
        let statements = policy["Statement"].as_array().unwrap().iter();
        let all = statements.flat_map(|it| it["Action"].as_array().unwrap()).map(|it| it.as_str().unwrap().to_owned());
        all.collect::<Vec<_>>()
    };
    assert_eq!(at(EVERYTHING, "pool", "PreAuthentication").await, ["dynamodb:BatchGetItem"]);
    let reserving = ["dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:PutItem"];
    assert_eq!(at(EVERYTHING, "pool", "presignup").await, reserving);
    assert_eq!(at(EVERYTHING, "unique-nickname", "PreSignUp,PreAuthentication").await, reserving);
    let signed_in = at(EVERYTHING, "pool", "PostAuthentication").await;
    let directory = signed_in.iter().filter(|action| action.starts_with("cognito-idp:")).collect::<Vec<_>>();
    let expected =
        ["cognito-idp:AdminGetUser", "cognito-idp:AdminResetUserPassword", "cognito-idp:AdminUserGlobalSignOut"];
    assert_eq!(directory, expected.iter().collect::<Vec<_>>());
    assert!(!signed_in.iter().any(|action| action.starts_with("ses:") || action.starts_with("s3:")), "{signed_in:?}");
    // The secret is set where it runs. Codes alone are not looked for in the ledger.
    let coded = "[services]\nledger = \"dynamodb:t-t\"\n\
                 [access-code]\ncodes = [{ env = \"SIGN_UP_CODE\" }]\ninvitations = false\n";
    assert!(at(coded, "pool", "PreSignUp").await.is_empty());
}

#[tokio::test]
async fn only_a_function_with_rules_is_for_some_triggers() {
    let of = async |arguments: &[&str]| policy(EVERYTHING, arguments).await;
    let (code, _, err) = of(&["--function", "courier", "--only", "PreSignUp"]).await;
    assert!(code == 1 && err.contains("`courier` is for no trigger; leave --only out"), "{err}");
    let (code, _, err) = of(&["--only", "PreSignup,PostAuthentification"]).await;
    assert!(code == 1 && err.contains("did you mean `PostAuthentication`?"), "{err}");
    let (code, _, err) = of(&["--only", "CustomMessage"]).await;
    assert!(code == 0 && err.contains("`pool` calls nothing of AWS at CustomMessage with this configuration"), "{err}");
}

#[tokio::test]
async fn what_was_not_said_is_noted_and_grants_nothing() {
    let (code, policy, err) = policy(EVERYTHING, &[]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(policy["Statement"][0]["Resource"][0], "arn:aws:dynamodb:REGION:ACCOUNT:table/cognito-triggers");
    for note in ["ACCOUNT stands for", "REGION stands for", "POOL stands for", "its log is not in it"] {
        assert!(err.contains(note), "{note}: {err}");
    }
}

#[tokio::test]
async fn without_a_pool_those_with_tables_of_their_own_are_meant() {
    let own = "[services]\nledger = \"dynamodb:t-t\"\ndirectory = \"cognito\"\n\
               [pools.eu-central-1_A.session-limit]\nmax = 1\npolicy = \"sign-out-others\"\n";
    let (_, policy, _) = policy(own, &AT_HOME[..4]).await;
    assert_eq!(
        policy["Statement"][1]["Resource"][0],
        "arn:aws:cognito-idp:eu-central-1:111122223333:userpool/eu-central-1_A"
    );
}

#[tokio::test]
async fn the_log_is_added_where_the_function_is_named() {
    let (_, policy, err) = policy(EVERYTHING, &[&AT_HOME[..], &["--function-name", "pool-live"]].concat()).await;
    assert_eq!(err, "");
    let log = policy["Statement"].as_array().unwrap().last().unwrap();
    assert_eq!(log["Resource"][0], "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/pool-live:*");
}

#[tokio::test]
async fn an_identity_that_is_named_is_the_only_one() {
    let arguments = [&AT_HOME[..], &["--function", "admin-notice", "--identity", "acme.example"]].concat();
    let (_, policy, _) = policy(EVERYTHING, &arguments).await;
    let sender = policy["Statement"].as_array().unwrap().iter().find(|it| it["Sid"] == "SenderIdentity").unwrap();
    assert_eq!(sender["Resource"], serde_json::json!(["arn:aws:ses:eu-central-1:111122223333:identity/acme.example"]));
    assert_eq!(sender["Condition"]["StringEquals"]["ses:FromAddress"], serde_json::json!(["hello@acme.example"]));
}

#[tokio::test]
async fn services_of_this_machine_are_allowed_nothing() {
    let (code, policy, err) = policy("[services]\nledger = \"sqlite:pool.db\"\n[sign-in-count]\n", &AT_HOME).await;
    assert_eq!((code, policy["Statement"].as_array().map(Vec::len)), (0, Some(0)));
    assert!(err.contains("`sqlite:pool.db` is none of AWS"), "{err}");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let table = "[services]\nledger = \"dynamodb:a b\"\n[sign-in-count]\n";
    for (text, arguments, expected) in [
        (
            "[sign-in-count]\n",
            &[][..],
            "error: services: `pool` needs a ledger, and none is named; add `ledger = ..` or set TRIGGERS_LEDGER\n",
        ),
        (table, &[], "error: triggers.toml:2: services.ledger: `a b` cannot be the name of a DynamoDB table\n"),
        ("[sign-in-cuont]\n", &[], "error: triggers.toml:1: sign-in-cuont: there is no rule of this name"),
        (EVERYTHING, &["--function", "wellcome-email"], "did you mean `welcome-email`?"),
        (EVERYTHING, &["--account", "1111"], "it has 12 digits"),
        (EVERYTHING, &["--pool", "users"], "this is not the id of a user pool"),
    ] {
        let (code, _, err) = policy(text, arguments).await;
        assert!(code == 1 && err.contains(expected), "{err}");
    }
}

/// What stands in a rule's `attach` and what it declares say the same of the services.
#[test]
fn a_rule_that_needs_a_service_declares_what_it_calls_there() {
    let configuration = Configuration::parse("triggers.toml", EVERYTHING).unwrap();
    let (chains, _) = configuration.chains::<pool::Rules>(&Environment::default()).unwrap();
    let service = |need: &Need| match need {
        Need::Ledger => Some("ledger"),
        Need::Directory => Some("directory"),
        Need::Mailer => Some("mailer"),
        Need::Bucket => Some("bucket"),
        Need::Publisher => Some("publisher"),
        _ => None,
    };
    let needed: BTreeSet<_> = chains.needs().iter().filter_map(|(need, rule)| Some((*rule, service(need)?))).collect();
    let granted = configuration.grants::<pool::Rules>();
    let declared: BTreeSet<_> = granted.iter().map(|it| (it.section, it.grant.on.service().0)).collect();
    assert_eq!(needed, declared);
}

#[test]
fn a_delivery_that_is_carried_out_within_the_event_is_the_couriers_too() {
    let configuration = Configuration::parse("triggers.toml", EVERYTHING).unwrap();
    let granted = configuration.grants::<pool::Rules>();
    let delivers = |it: &&Granted| it.grant.when.contains(&cognito_triggers::grants::INLINE);
    let acknowledges = |it: &Granted| it.grant.on == Resource::LedgerTable;
    for inline in granted.iter().filter(delivers).filter(|it| !acknowledges(it)) {
        let same = |it: &Granted| {
            let Grant { actions, on, by, .. } = it.grant;
            it.section == inline.section
                && (actions, on, by) == (inline.grant.actions, inline.grant.on, Caller::Courier)
        };
        assert!(granted.iter().any(same), "{inline:?}");
    }
}
