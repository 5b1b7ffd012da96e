//! Every rule calls of AWS what it declares, no more and no less: each alone, at each trigger and for what it leaves to the
//! courier, on the services of AWS behind proxies that note what goes over the wire. There is a function for each trigger, as
//! `TRIGGERS_ONLY` makes it, with a proxy of its own: what it asks for is what its role has to allow. Opening services asks for
//! nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cognito_triggers::config::{Configuration, Granted};
use cognito_triggers::grants::{self, Caller, Grant, Resource};
use cognito_triggers::ledger::{Invitation, LedgerAdmin};
use cognito_triggers::links::{Link, LinkPurpose};
use cognito_triggers::{Adapters, Chains, Clock, Dispatcher, Environment, Keys, PostAuthentication, TRIGGER_NAMES};
use cognito_triggers_aws::{BUCKET, DIRECTORY, DynamoLedger, LEDGER, Limits, MAILER, OUTBOX, PUBLISHER};
use cognito_triggers_lambda::SystemClock;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use unique_nickname::Backfill;

use crate::grants::{Actions, asked, granted};
use crate::kit::{KEY, event, set};
use crate::ministack::Ministack;
use crate::proxy::Proxy;
use crate::races::RUNTIME;
use crate::released::record;
use crate::world::{PLENTY, handle, judged};

/// A clock that is put forward.
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(time)
    }
}

/// A pool of ministack's with one user, and the proxies before it: one for the function of each trigger, one for the courier.
struct Stage {
    pool: String,
    sub: String,
    services: String,
    ledger: DynamoLedger,
    functions: BTreeMap<&'static str, Proxy>,
    couriers: Proxy,
    clock: Arc<Ahead>,
    folder: tempfile::TempDir,
}

/// A code as invitations have it.
const CODE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

/// Whoever these are about is no user of the pool yet, or nobody.
const TELLS_NOBODY: [&str; 4] = [
    "UserMigration_Authentication",
    "UserMigration_ForgotPassword",
    "InboundFederation_ExternalProvider",
    "TokenGeneration_ClientCredentials",
];

/// Tokens as they are made for somebody, in all versions.
const TOKENS: [&str; 9] = [
    "TokenGeneration_Authentication",
    "TokenGeneration_Authentication.v2",
    "TokenGeneration_Authentication.v3",
    "TokenGeneration_HostedAuth",
    "TokenGeneration_HostedAuth.v2",
    "TokenGeneration_AuthenticateDevice",
    "TokenGeneration_RefreshTokens",
    "TokenGeneration_RefreshTokens.v2",
    "TokenGeneration_RefreshTokens.v3",
];

/// Which trigger a source is of, as `TRIGGERS_ONLY` names it.
fn trigger_of(source: &str) -> &str {
    match source.split('_').next().unwrap() {
        "TokenGeneration" => "PreTokenGeneration",
        trigger => trigger,
    }
}

impl Stage {
    async fn set(ministack: &Ministack) -> Self {
        let name = format!("granted-{}", cognito_triggers::random::number().unwrap());
        let ledger = DynamoLedger::open(&name, &environment(&ministack.endpoint(), &[]), Limits::TOOL).unwrap();
        ledger.create_table().await.unwrap();
        ministack.query("ses", "Action=VerifyDomainIdentity&Domain=acme.example").unwrap();
        ministack.make_bucket(&name);
        put(ministack, &format!("/{name}/templates/hello.txt"));
        let made = cognito(ministack, "CreateUserPool", &json!({ "PoolName": "test" }));
        let pool = made["UserPool"]["Id"].as_str().unwrap().to_owned();
        let attribute = |name: &str, value: &str| json!({ "Name": name, "Value": value });
        let attributes = [attribute("email", "anna@example.com"), attribute("email_verified", "true")];
        let user = json!({ "UserPoolId": pool, "Username": "anna", "UserAttributes": attributes });
        let made = cognito(ministack, "AdminCreateUser", &user);
        let attributes = made["User"]["Attributes"].as_array().unwrap().iter();
        let sub = attributes.filter(|it| it["Name"] == "sub").find_map(|it| it["Value"].as_str()).unwrap().to_owned();
        let password =
            json!({ "UserPoolId": pool, "Username": "anna", "Password": "Secret-Password-1", "Permanent": true });
        cognito(ministack, "AdminSetUserPassword", &password);
        let services = format!(
            "[services]\nledger = \"dynamodb:{name}\"\ndirectory = \"cognito\"\nbucket = \"s3:{name}\"\n\
             mailer = \"ses:Acme <hello@acme.example>?configuration-set=acme\"\npublisher = \"eventbridge:default\"\n\
             links = \"https://links.example/\"\n"
        );
        let mut functions = BTreeMap::new();
        for trigger in TRIGGER_NAMES {
            functions.insert(trigger, Proxy::before(ministack.address()).await);
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("provision")).unwrap();
        std::fs::write(folder.path().join("provision/hello.txt"), "Hello\n").unwrap();
        Self {
            pool,
            sub,
            services,
            ledger,
            functions,
            couriers: Proxy::before(ministack.address()).await,
            clock: Arc::new(Ahead(AtomicI64::new(0))),
            folder,
        }
    }

    fn configuration(&self, tables: &str) -> Configuration {
        let file = self.folder.path().join("triggers.toml");
        Configuration::parse(&file.display().to_string(), &format!("{}{tables}", self.services)).unwrap()
    }

    fn adapters() -> Adapters {
        let adapters = Adapters::none().ledger(LEDGER).outbox(OUTBOX).directory(DIRECTORY).mailer(MAILER);
        adapters.bucket(BUCKET).publisher(PUBLISHER).templates(cognito_triggers_templates::open)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    /// The function of each trigger.
    async fn functions(&self, configuration: &Configuration) -> BTreeMap<&'static str, Dispatcher> {
        let mut functions = BTreeMap::new();
        for (trigger, proxy) in &self.functions {
            let environment = environment(&proxy.endpoint(), &[("TRIGGERS_ONLY", trigger)]);
            let opened = configuration.open::<pool::Rules>(&environment, &Self::adapters(), self.clock()).await;
            let opened = opened.unwrap_or_else(|errors| panic!("{errors}"));
            assert!(opened.doubts().is_empty(), "{:?}", opened.doubts());
            functions.insert(*trigger, opened);
        }
        functions
    }

    fn of_anna(&self, name: &str, nickname: &str) -> Value {
        self.of(name, "anna", &self.sub, nickname)
    }

    /// The sample of this name, for somebody of this pool.
    fn of(&self, name: &str, user: &str, sub: &str, nickname: &str) -> Value {
        let email = format!("{user}@example.com");
        let mut event = event(name, &[]);
        set(&mut event, "/userPoolId", json!(self.pool));
        if TELLS_NOBODY.contains(&name) {
            return event;
        }
        let values = [("/userName", user), ("email", &email), ("email_verified", "true"), ("nickname", nickname)];
        for (path, value) in values {
            set(&mut event, path, json!(value));
        }
        match name.starts_with("PreSignUp") {
            true => set(&mut event, "/request/validationData", json!({ "accessCode": CODE })),
            false => set(&mut event, "sub", json!(sub)),
        }
        event
    }

    /// Everything that can happen to a user, and then for a year the courier.
    async fn play(&self, tables: &str) {
        let configuration = self.configuration(tables);
        let keys = Keys::parse(KEY).unwrap();
        let invitation = Invitation {
            version: 1,
            maximum: 9,
            expires: None,
            revoked: false,
            note: None,
            created: self.clock.now(),
            uses: [].into(),
        };
        for key in keys.invitation(&self.pool, CODE) {
            self.ledger.create_invitation(&key, &invitation).await.unwrap();
        }
        let functions = self.functions(&configuration).await;
        // Cognito asks twice where an answer was late or lost; what was reserved must then still be so.
        let happens = async |event: &Value| {
            for _ in 0..2 {
                let source = event["triggerSource"].as_str().unwrap();
                let handled = handle(&functions[trigger_of(source)], event, PLENTY).await;
                assert!(handled.report.fault.is_none(), "{tables}: {source}: {:?}", handled.report);
            }
        };
        let see = async |name: &str, nickname: &str| happens(&self.of_anna(name, nickname)).await;
        see("PreSignUp_SignUp", "Anni").await;
        happens(&self.of("PreSignUp_ExternalProvider", "bela", "bela", "Bela")).await;
        happens(&self.of("PreSignUp_AdminCreateUser", "frieda", "frieda", "Frieda")).await;
        for name in TELLS_NOBODY {
            happens(&self.of_anna(name, "")).await;
        }
        // In between she asks for a name that somebody else has: only one rule minds.
        happens(&self.of("PostConfirmation_ConfirmSignUp", "berta", "berta", "Taken")).await;
        see("PostConfirmation_ConfirmSignUp", "Taken").await;
        // And changes it before she forgets her password, so that the one before is free.
        see("PostConfirmation_ConfirmForgotPassword", "Anke").await;
        // Emma asks for the taken name, too, when she signs up: she may be told another.
        happens(&self.of("PreSignUp_SignUp", "emma", "emma", "Taken")).await;
        // Carla is confirmed when her place has lapsed and Dora came for it.
        happens(&self.of("PreSignUp_SignUp", "carla", "carla", "Carla")).await;
        self.clock.0.store(2 * HOUR, Ordering::SeqCst);
        for (name, user) in [("PreSignUp_SignUp", "dora"), ("PostConfirmation_ConfirmSignUp", "carla")] {
            happens(&self.of(name, user, user, user)).await;
        }
        // Bela comes from another provider, and signs in by being confirmed.
        let mut federated = self.of("PostConfirmation_ConfirmSignUp", "bela", "bela", "Bela");
        set(&mut federated, "cognito:user_status", json!("EXTERNAL_PROVIDER"));
        happens(&federated).await;
        // Frieda was made by an administrator, is never confirmed, and replaces the password she was given.
        for name in ["PostAuthentication_Authentication", "TokenGeneration_NewPasswordChallenge"] {
            happens(&self.of(name, "frieda", "frieda", "Frieda")).await;
        }
        for day in [0, 40, 41, 200] {
            self.clock.0.store(day * DAY + 3 * HOUR, Ordering::SeqCst);
            let nickname = if day == 0 { "Anni" } else { "Taken" };
            see("PreAuthentication_Authentication", nickname).await;
            see("PostAuthentication_Authentication", nickname).await;
            for name in TOKENS {
                see(name, nickname).await;
            }
            self.sweep(&configuration).await;
            see("PostAuthentication_Authentication", "Taken").await;
        }
        for days in [260, 400] {
            self.clock.0.store(days * DAY, Ordering::SeqCst);
            self.sweep(&configuration).await;
        }
    }

    async fn sweep(&self, configuration: &Configuration) {
        let environment = environment(&self.couriers.endpoint(), &[]);
        let opened = configuration.open_courier(&environment, &Self::adapters(), self.clock()).await;
        let (courier, doubts) = opened.unwrap_or_else(|errors| panic!("{errors}"));
        assert!(doubts.is_empty(), "{doubts:?}");
        let round = courier.sweep(self.clock.now() + SignedDuration::from_secs(300)).await;
        assert!(round.failures.is_empty(), "{:?}", round.failures);
    }
}

/// What rules' functions and the courier may do, and did.
#[track_caller]
fn compared(stage: &Stage, tables: &str, unmet: &[&str]) {
    let configuration = stage.configuration(tables);
    let (base, pools) = configuration.chains::<pool::Rules>(&Environment::default()).unwrap();
    let mut all = Vec::new();
    for (trigger, proxy) in &stage.functions {
        let needed = configuration.grants_at::<pool::Rules>(&[trigger], &base, &pools);
        let needed: Vec<_> = needed.iter().map(|it| it.grant).collect();
        let exchanges = proxy.exchanges();
        same(&format!("the function at {trigger}"), tables, &granted(&[&needed]), &asked(&exchanges), unmet);
        all.extend(exchanges);
    }
    let needed = configuration.grants::<pool::Rules>();
    let by = |caller: Caller| {
        let of_caller = |it: &&Granted| it.grant.by == caller;
        let all: Vec<_> = needed.iter().filter(of_caller).map(|it| it.grant).collect();
        granted(&[&all])
    };
    let outbox = granted(&[grants::OUTBOX]);
    let couriers: Actions = by(Caller::Courier).union(&outbox).cloned().collect();
    same("the function", tables, &by(Caller::Function), &asked(&all), unmet);
    same("the courier", tables, &couriers, &asked(&stage.couriers.exchanges()), unmet);
}

#[track_caller]
fn same(who: &str, tables: &str, granted: &Actions, asked: &Actions, unmet: &[&str]) {
    let more: Vec<_> = asked.difference(granted).collect();
    assert!(more.is_empty(), "{who} asked for more than is granted by {tables}: {more:?}");
    let is_excused = |it: &&(Resource, String)| unmet.contains(&format!("{who}: {}", it.1).as_str());
    let less: Vec<_> = granted.difference(asked).filter(|it| !is_excused(it)).collect();
    assert!(less.is_empty(), "{who} is granted more than it asked for by {tables}: {less:?}");
    let excused: Vec<_> = asked.iter().filter(is_excused).collect();
    assert!(excused.is_empty(), "{who} needs no excuse for what it did ask for with {tables}: {excused:?}");
}

fn holds(cases: &[(&str, &[&str])]) {
    let ministack = Ministack::shared();
    for (tables, unmet) in cases {
        let stage = RUNTIME.block_on(async {
            let stage = Stage::set(&ministack).await;
            stage.play(tables).await;
            stage
        });
        compared(&stage, tables, unmet);
    }
}

#[test]
fn gates_ask_for_what_they_declare() {
    holds(&[
        ("[domain-allow-list]\nallow = [\"example.com\"]\nat-sign-in = true\n", COURIER_IDLE),
        ("[access-code]\n", COURIER_IDLE),
        ("[access-code]\nadmin-created = true\nfederated = true\n", COURIER_IDLE),
        ("[access-code]\ncodes = [\"ABCDEFGHIJKLMNOPQRSTUVWXYZ\"]\ninvitations = false\n", COURIER_IDLE),
        ("[maintenance]\n", COURIER_IDLE),
        ("[maintenance]\nexempt-groups = [\"staff\"]\n", REFUSES_NO_INBOUND),
        (&format!("[maintenance]\n{CLOSED}"), COURIER_IDLE),
        (&format!("[maintenance]\nexempt-groups = [\"editors\"]\n{CLOSED}"), COURIER_IDLE),
        ("[unique-nickname]\n", &[]),
        ("[unique-nickname]\nat-sign-in = false\n", COURIER_EARLY),
        ("[unique-nickname]\npolicy = \"assign\"\ndelivery = \"deferred\"\n", &[]),
    ]);
}

#[test]
fn what_watches_sign_ins_asks_for_what_it_declares() {
    holds(&[
        ("[session-limit]\nmax = 1\npolicy = \"sign-out-others\"\n", COURIER_IDLE),
        ("[session-limit]\nmax = 1\n", COURIER_IDLE),
        ("[session-limit]\nmax = 1\nearly = true\nkeep = \"at-sign-in\"\n", COURIER_IDLE),
        ("[session-limit]\nmax = 1\nclaim = \"session_id\"\nmax-by-group = { staff = 2 }\n", COURIER_IDLE),
        ("[password-age]\nmax-days = 90\nearly = true\n", &[]),
        ("[password-age]\nmax-days = 90\naction = \"reset\"\n", &[]),
        ("[password-age]\nmax-days = 90\nwarn-days = 0\n", COURIER_IDLE),
        ("[sign-in-count]\n", COURIER_IDLE),
    ]);
}

#[test]
fn what_delivers_asks_for_what_it_declares() {
    holds(&[
        ("[welcome-email]\n", &[]),
        ("[welcome-email]\nat-sign-in = false\n", COURIER_EARLY),
        ("[welcome-email]\ndelivery = \"deferred\"\n", &[]),
        ("[welcome-email]\ndelivery = \"deferred\"\nonboard-since = 2020-01-01\n", &[]),
        ("[admin-notice]\nto = \"ops@acme.example\"\n", &[]),
        ("[admin-notice]\nto = \"ops@acme.example\"\ndigest = \"day\"\n", &[]),
        ("[s3-provisioning]\nfiles = \"provision/\"\n", &[]),
        ("[s3-provisioning]\ncopy-from = \"templates/\"\n", &[]),
        ("[s3-provisioning]\ncopy-from = \"templates/\"\ndelivery = \"deferred\"\n", &[]),
        ("[user-events]\n", &[]),
        ("[user-events]\ndelivery = \"deferred\"\n", &[]),
        ("[sign-in-alert]\nwhen = \"always\"\n", &[]),
        ("[win-back]\nafter-days = 30\n", &[]),
    ]);
}

/// What is no rule, tried with what it is there for.
#[test]
fn functions_without_rules_ask_for_what_they_declare() {
    let ministack = Ministack::shared();
    RUNTIME.block_on(async {
        let stage = Stage::set(&ministack).await;
        stage.play("[unique-nickname]\n[session-limit]\nmax = 3\n").await;
        let (of_links, of_release) =
            (Proxy::before(ministack.address()).await, Proxy::before(ministack.address()).await);
        let configuration = stage.configuration("[links]\nadministrators = [\"ops@acme.example\"]\n");
        let adapters = Adapters::none().ledger(LEDGER).directory(DIRECTORY);
        let services = async |proxy: &Proxy| {
            let opened =
                configuration.open_services(&environment(&proxy.endpoint(), &[]), &adapters, stage.clock()).await;
            opened.unwrap_or_else(|errors| panic!("{errors}")).0
        };

        let deadline = stage.clock.now() + PLENTY;
        let job = links::LinksJob::new(services(&of_links).await, configuration.tables("links").unwrap());
        for (purpose, about) in [(LinkPurpose::Unsubscribe, "win-back"), (LinkPurpose::NotMe, "")] {
            let (pool, sub) = (stage.pool.clone(), stage.sub.clone());
            let link = Link { purpose, about: about.into(), pool, sub, expires: deadline };
            let form_token = Some(link.token(&Keys::parse(KEY).unwrap()).unwrap());
            let request = links::Request { method: links::Method::Post, form_token, ..links::Request::default() };
            let answered = job.answer(&request, deadline).await;
            assert_eq!(answered.outcome, links::Outcome::Done, "{purpose:?}: {:?}", answered.fault);
        }
        did("links", links::GRANTS, &of_links);

        let job = session_release::SessionRelease::new(services(&of_release).await);
        for operation in ["ChangePassword", "AdminUserGlobalSignOut", "AdminDeleteUser"] {
            let mut record = record(operation, &stage.sub);
            set(&mut record, "/detail/requestParameters/userPoolId", json!(stage.pool));
            set(&mut record, "/detail/eventTime", json!(stage.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
            job.carry_out(record.to_string().as_bytes()).await.unwrap();
        }
        did("session-release", session_release::GRANTS, &of_release);
    });
}

/// `poolctl names backfill`, which meets somebody twice, the second time by another name.
#[test]
fn an_operator_may_hold_a_name_and_give_the_one_before_back() {
    let ministack = Ministack::shared();
    RUNTIME.block_on(async {
        let stage = Stage::set(&ministack).await;
        let proxy = Proxy::before(ministack.address()).await;
        let configuration = stage.configuration("");
        let adapters = Adapters::none().ledger(LEDGER);
        let opened = configuration.open_services(&environment(&proxy.endpoint(), &[]), &adapters, stage.clock()).await;
        let (services, _) = opened.unwrap_or_else(|errors| panic!("{errors}"));
        let mut chains = Chains::default();
        chains.attach(Backfill::of("nickname").unwrap()).to::<PostAuthentication>().done().unwrap();
        let rule = Dispatcher::new(chains, HashMap::new(), services);
        for nickname in ["Anni", "Anke"] {
            let event = stage.of_anna("PostAuthentication_Authentication", nickname);
            judged(handle(&rule, &event, PLENTY).await).unwrap();
        }
        let (may, did) = (granted(&[grants::OPERATOR]), asked(&proxy.exchanges()));
        assert_eq!(did.difference(&may).collect::<Vec<_>>(), Vec::<&(Resource, String)>::new());
        assert!(did.contains(&(Resource::LedgerTable, "dynamodb:DeleteItem".to_owned())), "{did:?}");
    });
}

/// What the function itself may do is what it did.
#[track_caller]
fn did(who: &str, declared: &[Grant], proxy: &Proxy) {
    let own: Vec<_> = declared.iter().filter(|grant| grant.by == Caller::Function).copied().collect();
    assert_eq!(asked(&proxy.exchanges()), granted(&[&own]), "{who}");
}

/// The pool is closed all the time, by its configuration alone.
const CLOSED: &str =
    "switch = false\nwindows = [{ from = 2020-01-01T00:00:00Z, until = 2099-01-01T00:00:00Z }]\nadmin-created = true\n";

/// Nothing is ever staged.
const COURIER_IDLE: &[&str] = &["the courier: dynamodb:UpdateItem", "the courier: dynamodb:BatchWriteItem"];

/// The same, and InboundFederation looks at no switch: who is exempt is known only later. Without `exempt-groups` it does look, and
/// a grant can only depend on what is set.
const REFUSES_NO_INBOUND: &[&str] = &[
    "the courier: dynamodb:UpdateItem",
    "the courier: dynamodb:BatchWriteItem",
    "the function at InboundFederation: dynamodb:BatchGetItem",
];

/// All was carried out with the event.
const COURIER_EARLY: &[&str] = &[
    "the courier: dynamodb:UpdateItem",
    "the courier: dynamodb:BatchWriteItem",
    "the courier: ses:SendRawEmail",
    "the courier: cognito-idp:AdminUpdateUserAttributes",
];

fn environment(endpoint: &str, more: &[(&str, &str)]) -> Environment {
    let usual = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("TRIGGERS_KEY", KEY),
    ];
    usual.iter().chain(more).copied().collect()
}

/// Calls Cognito as the pool's owner would.
#[track_caller]
fn cognito(ministack: &Ministack, operation: &str, body: &Value) -> Value {
    let credential = "AWS4-HMAC-SHA256 Credential=test/20300101/eu-central-1/cognito-idp/aws4_request";
    let head = format!(
        "POST / HTTP/1.0\r\nhost: localhost\r\nauthorization: {credential}, SignedHeaders=host, Signature=0\r\n\
         content-type: application/x-amz-json-1.1\r\nx-amz-target: AWSCognitoIdentityProviderService.{operation}\r\n"
    );
    serde_json::from_str(&answer(ministack, &head, &body.to_string())).unwrap()
}

fn put(ministack: &Ministack, path: &str) {
    answer(ministack, &format!("PUT {path} HTTP/1.0\r\nhost: localhost\r\n"), "Hello\n");
}

#[track_caller]
fn answer(ministack: &Ministack, head: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(ministack.address()).unwrap();
    let length = body.len();
    connection.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200"), "{answer}");
    body.to_owned()
}

#[test]
fn every_rule_is_tried() {
    let source = include_str!("permissions.rs");
    let rules: BTreeSet<_> = cognito_triggers::config::KNOWN_SECTIONS.iter().copied().collect();
    // It calls nothing.
    let untried = rules.iter().filter(|rule| !source.contains(&format!("\"[{rule}]\\n"))).copied();
    assert_eq!(untried.collect::<Vec<_>>(), ["templated-message"]);
}
