//! Promise 6: what was recorded with a decision is delivered, whatever fails and whoever dies, and doubled only where nobody
//! could know that it had been delivered. Through real processes: on the services of this machine, which fail by themselves, and
//! on those of AWS, with a proxy on the wire that refuses, keeps silent and cuts connections.
//!
//! `TRIGGERS_CONFIRMATIONS` says how many users are confirmed under faults; 100 unless told otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cognito_triggers::Environment;
use cognito_triggers::ledger::{Delivery, LedgerAdmin};
use cognito_triggers_aws::{DynamoLedger, Limits};
use cognito_triggers_embedded::SqliteLedger;
use cognito_triggers_tests::{Function, Invocation, Outcome, binary};
use data_encoding::BASE64;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Builder;

use crate::kit::{KEY, POOL, confirmed, signed_in};
use crate::ministack::Ministack;
use crate::proxy::{Proxy, Trouble as Disturbed};

/// How many pools and couriers work at once.
const POOLS: usize = 4;
const COURIERS: usize = 2;
/// What befalls the services of a process, and the process.
#[derive(Clone, Copy, PartialEq)]
struct Trouble {
    /// How many of a hundred calls of a service fail.
    percent: u32,
    /// At how many of a thousand calls the process dies.
    deaths: u32,
}

const ONE_IN_FIVE: Trouble = Trouble { percent: 20, deaths: 20 };
const DEATHS: Trouble = Trouble { percent: 0, deaths: 20 };
const CALM: Trouble = Trouble { percent: 0, deaths: 0 };

/// The files every user gets, and what they say.
const FILES: [(&str, &str); 3] =
    [("readme.txt", "Hello {{ name }}"), ("data/empty.json", "{}"), ("data/{{ sub }}.txt", "{{ sub }}")];
/// By how much the courier is ahead of the time after each round: more than any pause or lease lasts.
const AHEAD: u64 = 5 * 3_600;

#[expect(clippy::disallowed_methods, reason = "how long to try is said by whoever starts the tests")]
fn confirmations() -> usize {
    let text = std::env::var("TRIGGERS_CONFIRMATIONS").unwrap_or_else(|_| "100".into());
    text.parse().unwrap_or_else(|_| panic!("TRIGGERS_CONFIRMATIONS is no number: {text}"))
}

/// A folder with everything: the configuration, the ledger, and what was delivered.
struct Scene {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
    courier_rounds: AtomicUsize,
}

impl Scene {
    fn new() -> Self {
        Self::with("")
    }

    /// On the services of this machine, with more tables.
    fn with(tables: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let services = format!(
            r#"
            ledger = "sqlite:{at}/pool.db"
            mailer = "folder:{at}/mail"
            bucket = "folder:{at}/files"
            publisher = "file:{at}/events.jsonl"
            "#
        );
        Self::on(folder, &services, tables, Vec::new())
    }

    fn on(folder: TempDir, services: &str, tables: &str, environment: Vec<(&'static str, String)>) -> Self {
        for (name, text) in FILES {
            let path = folder.path().join("provision").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let text = format!(
            r#"
            [services]
            {services}
            [welcome-email]
            [admin-notice]
            to = ["ops@acme.example"]
            [s3-provisioning]
            files = "provision"
            [user-events]
            events = ["user.confirmed"]
            {tables}
            "#
        );
        std::fs::write(folder.path().join("triggers.toml"), text).unwrap();
        Self { folder, environment, courier_rounds: AtomicUsize::new(1) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, role: &str, trouble: Trouble, more: &[(&str, &str)]) -> Function {
        let (config, witness) = (self.path("triggers.toml"), self.path("witness"));
        let (percent, deaths) = (trouble.percent.to_string(), trouble.deaths.to_string());
        let mut environment = vec![
            ("BATTERED_AS", role),
            ("BATTERED_PERCENT", percent.as_str()),
            ("BATTERED_DEATHS", deaths.as_str()),
            ("BATTERED_WITNESS", witness.to_str().unwrap()),
            ("TRIGGERS_CONFIG", config.to_str().unwrap()),
            ("TRIGGERS_KEY", KEY),
            // Whatever hangs is given up after this.
            ("TRIGGERS_BUDGET_MS", "1500"),
        ];
        environment.extend(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        environment.extend(more);
        Function::start(&binary("battered"), &environment)
    }

    /// Lets couriers sweep once when everybody else is done, each ahead of the time by as much as all rounds before took.
    fn couriers(&self, how_many: usize, trouble: Trouble) {
        let round = self.courier_rounds.fetch_add(1, Ordering::Relaxed);
        self.couriers_ahead(AHEAD * round as u64, how_many, trouble);
    }

    fn couriers_ahead(&self, seconds: u64, how_many: usize, trouble: Trouble) {
        let ahead = seconds.to_string();
        std::thread::scope(|scope| {
            for _ in 0..how_many {
                scope.spawn(|| {
                    let courier = self.start("courier", trouble, &[("BATTERED_LATER", &ahead)]);
                    // It may die, or fail to read the ledger: another round will come.
                    let ended = courier.invoke_with("{}", Duration::from_secs(40));
                    if trouble == CALM {
                        assert!(
                            matches!(ended.outcome, Outcome::Answer(_)),
                            "{ended:?}\n{}",
                            courier.logs().join("\n")
                        );
                    }
                });
            }
        });
    }

    fn outbox(&self) -> Vec<Delivery> {
        let ledger = SqliteLedger::open(&self.path("pool.db")).unwrap();
        ledger.deliveries(POOL).now_or_never().expect("it blocks rather than waits").unwrap()
    }

    /// Lets a courier sweep until nothing is left. Nothing may be parked.
    fn drain(&self) {
        for _ in 0..8 {
            self.couriers(1, CALM);
            if self.outbox().is_empty() {
                return;
            }
        }
        let left: Vec<_> = self.outbox().into_iter().map(|it| (it.id.key, it.attempts, it.parked, it.fault)).collect();
        panic!("something is left: {left:?}");
    }

    /// What the processes said.
    fn witnessed(&self) -> Account {
        let mut account = Account::default();
        for line in std::fs::read_to_string(self.path("witness")).unwrap_or_default().lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["belongs", thing, delivery] => {
                    account.owners.insert(thing.to_owned(), delivery.to_owned());
                }
                ["excuse", delivery, _] => *account.excuses.entry(delivery.to_owned()).or_default() += 1,
                _ => panic!("a torn line of the account: {line}"),
            }
        }
        account
    }

    /// What was delivered on this machine, and what the processes said of it.
    fn account(&self) -> Account {
        let mut account = self.witnessed();
        let things = mails(&self.path("mail")).into_iter().chain(events(&self.path("events.jsonl")));
        for thing in things {
            let owner = account.owners.get(&thing).unwrap_or_else(|| panic!("{thing} belongs to no delivery"));
            *account.copies.entry(owner.clone()).or_default() += 1;
        }
        account
    }

    /// Every user has every file with what belongs in it, and there are no others.
    fn check_files(&self, users: usize) {
        let folder = self.path("files").join("users");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), users);
        for user in 0..users {
            let sub = sub(user);
            let expected: BTreeMap<_, _> = FILES
                .iter()
                .map(|(name, text)| {
                    let fill = |text: &str| text.replace("{{ sub }}", &sub).replace("{{ name }}", "Anna");
                    (fill(name), fill(text))
                })
                .collect();
            assert_eq!(files(&folder.join(&sub)), expected);
        }
    }
}

/// What was delivered how often, and how often nobody could know.
#[derive(Default)]
struct Account {
    /// The delivery a mail or an event belongs to.
    owners: BTreeMap<String, String>,
    copies: BTreeMap<String, usize>,
    excuses: BTreeMap<String, usize>,
}

impl Account {
    /// Every user has two mails and an event; whatever came twice has an excuse for it.
    #[expect(clippy::print_stdout, reason = "`make soak` shows what it has measured")]
    fn check(&self, users: usize) {
        let mut doubled = 0;
        for user in 0..users {
            for rule in ["welcome-email", "admin-notice", "user-events"] {
                let name = format!("{}|{rule}", sub(user));
                let copies = self.copies.get(&name).copied().unwrap_or_default();
                let excuses = self.excuses.get(&name).copied().unwrap_or_default();
                assert!(copies >= 1, "lost: {name}");
                assert!(copies <= 1 + excuses, "{name}: {copies} copies and {excuses} excuses");
                doubled += copies - 1;
            }
        }
        assert_eq!(self.copies.len(), users * 3, "something was sent that nobody expects");
        println!("{users} users, {} things delivered, {doubled} doubled", users * 3);
    }
}

fn sub(user: usize) -> String {
    format!("5ub00000-0000-4000-8000-{user:012}")
}

fn confirmation(user: usize) -> Value {
    confirmed(&format!("user{user}"), "Anni", &sub(user))
}

fn sign_in(user: usize) -> Value {
    signed_in(&format!("user{user}"), "Anni", &sub(user))
}

/// The `Message-ID`s of the mails in a folder.
fn mails(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mails =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|it| it == "eml"));
    mails.map(|path| id_of_mail(&std::fs::read_to_string(&path).unwrap())).collect()
}

fn id_of_mail(text: &str) -> String {
    let id = text.lines().find_map(|line| line.strip_prefix("Message-ID:"));
    id.unwrap_or_else(|| panic!("half a mail: {text}")).trim().to_owned()
}

/// The ids of the events in a file.
fn events(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a torn line"));
    lines.map(|event| event["detail"]["id"].as_str().expect("an event without an id").to_owned()).collect()
}

/// Files below a folder with what is in them, without the content types that are kept beside them.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|kind| kind != "type") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// As Cognito does: it calls again if there is no answer, three times at most.
fn call(pool: &Function, event: &Value) -> Option<Invocation> {
    for _ in 0..3 {
        // It answers long before. A process that is killed from outside could not say what it had not noted.
        let invocation = pool.invoke_with(event.to_string(), Duration::from_secs(60));
        if matches!(invocation.outcome, Outcome::Answer(_)) {
            return Some(invocation);
        }
        assert_eq!(invocation.outcome, Outcome::Died);
        pool.restart();
    }
    None
}

/// Confirms users while everything fails and dies, and lets the faults stop.
fn confirm_under(trouble: Trouble, scene: &Scene, users: usize, calm: impl FnOnce()) {
    std::thread::scope(|scope| {
        for number in 0..POOLS {
            scope.spawn(move || {
                let pool = scene.start("pool", trouble, &[]);
                for user in (number..users).step_by(POOLS) {
                    // The user is confirmed, whatever becomes of the event, and signs in now and then.
                    call(&pool, &confirmation(user));
                    for _ in 0..2 {
                        call(&pool, &sign_in(user));
                    }
                }
            });
        }
        // Not ahead of the time: what a pool has leased is not due yet.
        for _ in 0..3 {
            scene.couriers_ahead(0, COURIERS, trouble);
        }
    });
    for _ in 0..3 {
        scene.couriers(COURIERS, trouble);
    }
    // Who was confirmed while the ledger was down is met at the next sign-in.
    calm();
    let pool = scene.start("pool", CALM, &[]);
    for user in 0..users {
        let invocation = pool.invoke(sign_in(user).to_string());
        assert!(matches!(invocation.outcome, Outcome::Answer(_)), "{invocation:?}");
    }
}

#[test]
fn under_faults_and_deaths_every_user_gets_everything_and_nothing_twice_without_need() {
    let (scene, users) = (Scene::new(), confirmations());
    confirm_under(ONE_IN_FIVE, &scene, users, || {});
    scene.drain();
    scene.check_files(users);
    let account = scene.account();
    account.check(users);
    assert!(account.excuses.len() > users / 20, "hardly anything went wrong: {:?}", account.excuses.len());
}

/// The operations of AWS that are in trouble on the wire.
const OPERATIONS: [&str; 11] = [
    "BatchGetItem",
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "Query",
    "PutObject",
    "SendRawEmail",
    "PutEvents",
];

/// Announces trouble for one request in five of every operation. Silence is rare: each is waited for until it times out.
fn make_trouble(proxy: &Proxy) {
    for _ in 0..TROUBLES {
        for operation in OPERATIONS {
            let dice = cognito_triggers::random::number().unwrap() % 1_000;
            let trouble = match dice {
                0..40 => Disturbed::Answered(500, String::new()),
                40..80 => Disturbed::Answered(503, String::new()),
                80..120 => Disturbed::Cut,
                120..196 => Disturbed::LostAnswer,
                196..200 => Disturbed::Silence,
                _ => Disturbed::None,
            };
            proxy.make(operation, trouble);
        }
    }
}

/// More requests of one operation than are made.
const TROUBLES: usize = 800;

#[test]
fn the_same_holds_on_aws_when_the_wire_is_in_trouble_and_processes_die() {
    const USERS: usize = 40;
    let ministack = Ministack::shared();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let proxy = runtime.block_on(Proxy::before(ministack.address()));
    let name = format!("lost-{}", cognito_triggers::random::number().unwrap());
    let environment = |endpoint: String| {
        vec![
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_ENDPOINT_URL", endpoint),
        ]
    };
    let undisturbed: Environment = environment(ministack.endpoint()).into_iter().collect();
    let ledger = DynamoLedger::open(&name, &undisturbed, Limits::TOOL).unwrap();
    runtime.block_on(ledger.create_table()).unwrap();
    ministack.query("ses", "Action=VerifyDomainIdentity&Domain=acme.example").unwrap();
    ministack.make_bucket(&name);
    let services = format!(
        r#"
        ledger = "dynamodb:{name}"
        mailer = "ses:Acme <hello@acme.example>"
        bucket = "s3:{name}"
        publisher = "eventbridge:default"
        "#
    );
    let scene = Scene::on(tempfile::tempdir().unwrap(), &services, "", environment(proxy.endpoint()));
    make_trouble(&proxy);
    confirm_under(DEATHS, &scene, USERS, || {
        for operation in OPERATIONS {
            while proxy.forget(operation) {}
        }
    });
    let left = || runtime.block_on(ledger.deliveries(POOL)).unwrap();
    for _ in 0..8 {
        scene.couriers(1, CALM);
        if left().is_empty() {
            break;
        }
    }
    assert_eq!(left(), []);

    // What AWS has, by what it was asked and answered.
    let mut account = scene.witnessed();
    let mut lost = 0;
    for exchange in proxy.exchanges() {
        let things = match exchange.operation.as_str() {
            _ if !exchange.answer.starts_with("HTTP/1.1 200") => continue,
            "SendRawEmail" => vec![id_of_mail(&mail_in(&exchange.body))],
            "PutEvents" => ids_of_events(&exchange.body),
            _ => continue,
        };
        for thing in things {
            let owner = account.owners[&thing].clone();
            lost += usize::from(exchange.is_lost);
            if exchange.is_lost {
                *account.excuses.entry(owner.clone()).or_default() += 1;
            }
            *account.copies.entry(owner).or_default() += 1;
        }
    }
    assert!(lost > 0, "no answer was lost");
    account.check(USERS);
    let listing = ministack.get(&format!("/{name}?list-type=2&max-keys=1000")).unwrap();
    let keys: BTreeSet<_> =
        listing.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    let expected: BTreeSet<_> = (0..USERS)
        .flat_map(|user| {
            FILES.map(|(file, _)| format!("users/{}/{}", sub(user), file.replace("{{ sub }}", &sub(user))))
        })
        .collect();
    assert_eq!(keys, expected);
}

/// The message in a request of the older protocol.
fn mail_in(body: &[u8]) -> String {
    let form = std::str::from_utf8(body).unwrap();
    let data = form.split('&').find_map(|field| field.strip_prefix("RawMessage.Data=")).unwrap();
    let data = data.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    String::from_utf8(BASE64.decode(data.as_bytes()).unwrap()).unwrap()
}

fn ids_of_events(body: &[u8]) -> Vec<String> {
    let request: Value = serde_json::from_slice(body).unwrap();
    let entries = request["Entries"].as_array().unwrap().iter();
    let details = entries.map(|entry| serde_json::from_str::<Value>(entry["Detail"].as_str().unwrap()).unwrap());
    details.map(|detail| detail["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_mail_service_that_is_down_blocks_no_confirmation_and_every_mail_goes_out_when_it_is_back() {
    const USERS: usize = 30;
    let scene = Scene::new();
    let pool = scene.start("pool", CALM, &[("BATTERED_DOWN", "mailer")]);
    for user in 0..USERS {
        let event = confirmation(user).to_string();
        assert_eq!(pool.invoke(event.clone()).outcome, Outcome::Answer(event.into_bytes()));
    }
    let said = pool.logs().join("\n");
    assert!(said.contains("a delivery of welcome-email: it is down"), "{said}");
    assert_eq!(mails(&scene.path("mail")), Vec::<String>::new());
    scene.check_files(USERS);
    let left = scene.outbox();
    assert_eq!(left.len(), USERS * 2);
    // Still down: nothing is lost and nothing parked.
    let courier = scene.start("courier", CALM, &[("BATTERED_DOWN", "mailer"), ("BATTERED_LATER", "60")]);
    assert!(matches!(courier.invoke_with("{}", Duration::from_secs(60)).outcome, Outcome::Answer(_)));
    let left = scene.outbox();
    assert!(left.len() == USERS * 2 && left.iter().all(|it| it.attempts >= 1 && it.parked.is_none()));
    scene.drain();
    let account = scene.account();
    account.check(USERS);
    assert!(account.copies.values().all(|copies| *copies == 1), "{:?}", account.copies);
}

#[test]
fn an_event_that_comes_three_times_at_once_sends_everything_once() {
    const USERS: usize = 12;
    let scene = Scene::new();
    let pools: Vec<_> = (0..3).map(|_| scene.start("pool", CALM, &[])).collect();
    for pool in &pools {
        assert!(pool.wait_until_idle());
    }
    for user in 0..USERS {
        let start = Barrier::new(pools.len());
        std::thread::scope(|scope| {
            for pool in &pools {
                let start = &start;
                scope.spawn(move || {
                    let event = confirmation(user).to_string();
                    start.wait();
                    assert_eq!(pool.invoke(event.clone()).outcome, Outcome::Answer(event.into_bytes()));
                });
            }
        });
    }
    assert_eq!(scene.outbox(), []);
    scene.check_files(USERS);
    let account = scene.account();
    account.check(USERS);
    assert!(account.copies.values().all(|copies| *copies == 1), "{:?}", account.copies);
}

#[test]
fn a_confirmation_costs_one_read_one_write_and_one_acknowledgement_whatever_the_number_of_rules() {
    let scene = Scene::with("[unique-nickname]\n[domain-allow-list]\nallow = [\"example.com\"]");
    let text = std::fs::read_to_string(scene.path("triggers.toml")).unwrap();
    let directory = format!("[services]\n directory = \"local:{}\"", scene.path("pool.db").display());
    std::fs::write(scene.path("triggers.toml"), text.replace("[services]", &directory)).unwrap();
    let pool = scene.start("pool", CALM, &[]);
    let event = confirmation(0).to_string();
    assert_eq!(pool.invoke(event.clone()).outcome, Outcome::Answer(event.into_bytes()));
    let decision = decision(&pool);
    let counts = ["ledger_reads", "ledger_writes", "deliveries_staged", "deliveries_done"];
    assert_eq!(counts.map(|count| decision[count].clone()), [json!(1), json!(1), json!(4), json!(4)], "{decision}");
    assert_eq!(decision["level"], "INFO");
}

#[test]
fn a_hundred_files_are_put_within_one_confirmation() {
    let scene = Scene::new();
    for number in FILES.len()..100 {
        std::fs::write(scene.path(&format!("provision/{number}.txt")), format!("{{{{ name }}}}, {number}")).unwrap();
    }
    let pool = scene.start("pool", CALM, &[]);
    let event = confirmation(0).to_string();
    assert_eq!(pool.invoke(event.clone()).outcome, Outcome::Answer(event.into_bytes()));
    assert_eq!(decision(&pool)["deliveries_done"], 4);
    let put = files(&scene.path("files").join("users").join(sub(0)));
    assert_eq!((put.len(), put["99.txt"].as_str()), (100, "Anna, 99"));
}

/// The mistakes of an operator: what the log says, and that the user does not notice.
#[test]
fn a_mistake_in_what_only_deliveries_need_is_told_and_bothers_nobody() {
    let scene = Scene::new();
    let text = std::fs::read_to_string(scene.path("triggers.toml")).unwrap();
    let occupied = scene.path("occupied");
    std::fs::write(&occupied, "").unwrap();
    std::fs::create_dir_all(scene.path("templates/greeting")).unwrap();
    std::fs::write(scene.path("templates/greeting/en.subject"), "Hello").unwrap();
    std::fs::write(scene.path("templates/greeting/en.html"), "<p>Dear\n{{ user.gvien_name }}</p>").unwrap();
    let mistakes = [
        ("[welcome-email]", "[welcome-email]\ntemplate = \"greeting\"".to_owned(), "gvien_name"),
        ("mailer = \"folder:", "mailer = \"ses:Acme <hello>\" #".to_owned(), "mailbox"),
        ("bucket = \"folder:", format!("bucket = \"folder:{}\" #", occupied.display()), "occupied"),
        ("publisher = \"file:", format!("publisher = \"file:{}/x/y\" #", occupied.display()), "occupied"),
    ];
    for (number, (right, wrong, told)) in mistakes.into_iter().enumerate() {
        std::fs::write(scene.path("triggers.toml"), text.replacen(right, &wrong, 1)).unwrap();
        let pool = scene.start("pool", CALM, &[]);
        let sign_up = crate::kit::sign_up("anna", "Anni").to_string();
        assert_eq!(pool.invoke(sign_up.clone()).outcome, Outcome::Answer(sign_up.into_bytes()));
        let event = confirmation(number).to_string();
        assert_eq!(pool.invoke(event.clone()).outcome, Outcome::Answer(event.into_bytes()), "{told}");
        let decision = decision(&pool);
        let fault = decision["fault"].as_str().unwrap_or_default();
        assert!(fault.contains(told), "the decision line does not say {told:?}: {decision}");
        let said = pool.logs();
        let at_start = said.iter().find(|line| line.contains("\"configuration\"") && line.contains(told));
        assert!(at_start.is_some_and(|line| line.contains("ERROR")), "nothing at start: {}", said.join("\n"));
    }
    // Mended, nothing has been lost.
    std::fs::write(scene.path("triggers.toml"), &text).unwrap();
    std::fs::write(scene.path("templates/greeting/en.html"), "<p>Dear\n{{ user.given_name }}</p>").unwrap();
    scene.drain();
    scene.check_files(4);
    scene.account().check(4);
}

#[test]
fn a_rule_whose_table_is_wrong_is_left_out_and_makes_up_for_it_at_the_next_sign_in() {
    let scene = Scene::new();
    let text = std::fs::read_to_string(scene.path("triggers.toml")).unwrap();
    let wrong = text.replace("[welcome-email]", "[welcome-email]\nfrom = \"Acme <hello>\"");
    std::fs::write(scene.path("triggers.toml"), wrong).unwrap();
    let pool = scene.start("pool", CALM, &[]);
    for event in [crate::kit::sign_up("anna", "Anni"), confirmation(0), sign_in(0)] {
        let event = event.to_string();
        assert_eq!(pool.invoke(event.clone()).outcome, Outcome::Answer(event.into_bytes()));
    }
    let said = pool.logs();
    let told = said.iter().any(|line| line.contains("ERROR") && line.contains("welcome-email.from"));
    assert!(told, "{}", said.join("\n"));
    assert_eq!(mails(&scene.path("mail")).len(), 1, "the notice");

    std::fs::write(scene.path("triggers.toml"), &text).unwrap();
    let pool = scene.start("pool", CALM, &[]);
    assert!(matches!(pool.invoke(sign_in(0).to_string()).outcome, Outcome::Answer(_)));
    scene.drain();
    scene.account().check(1);
}

fn decision(pool: &Function) -> Value {
    let lines = pool.logs();
    let line = lines.iter().rfind(|line| line.contains("\"message\":\"decision\"")).expect("no decision line");
    serde_json::from_str(line).unwrap()
}
