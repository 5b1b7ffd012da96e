//! Promise 4 and what a denial leaves, for sets of rules that have to do with a sign-in: whatever comes at whichever trigger,
//! and however often, costs one read and one write at most, nothing is written before the password, and nothing when somebody
//! is refused. In one process and in memory, for there are many events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use cognito_triggers::config::Configuration;
use cognito_triggers::ledger::{
    Change, Committed, DeliveryId, Downtime, Ledger, LedgerAdmin, MemoryLedger, Reading, Switches, Wants,
};
use cognito_triggers::services::{NewPassword, User, UserPage};
use cognito_triggers::{
    Clock, Directory, Dispatcher, Environment, Fault, Handled, Invocation, Services, StoppedClock, TriggerSource,
    sample,
};
use futures_util::FutureExt;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::kit::POOL;

const SERVICES: &str = r#"[services]
ledger    = "dynamodb:table"
directory = "cognito"
mailer    = "ses:?from=hello@acme.example"
publisher = "eventbridge:bus"
links     = "https://links.acme.example/"
"#;

/// The rules around a sign-in, each with settings that make it work as much as it can. Where there are two lines, either.
const TABLES: &[(&str, &[&str])] = &[
    ("maintenance", &["exempt-groups = [\"operators\"]", "refresh = true\nadmin-created = true"]),
    ("domain-allow-list", &["allow = [\"example.com\"]\nat-sign-in = true"]),
    ("unique-nickname", &[""]),
    (
        "password-age",
        &["max-days = 90\nearly = true", "max-days = 1\nwarn-days = 0\ngrace-days = 0\naction = \"reset\""],
    ),
    (
        "session-limit",
        &[
            "max = 2\nmax-by-group = { gold = 5 }\nearly = true\nclaim = \"session_id\"",
            "max = 1\npolicy = \"sign-out-others\"\nper = \"client\"\nclaim = \"session_id\"",
        ],
    ),
    ("user-events", &[""]),
    ("sign-in-count", &[""]),
    ("sign-in-alert", &["when = \"always\"\nnot-me-link-days = 2", "when = \"always\"\non-fault = \"deny\""]),
    ("win-back", &["after-days = 60"]),
    ("welcome-email", &[""]),
];

/// Counts what really reaches the ledger.
#[derive(Default)]
struct Counting {
    ledger: MemoryLedger,
    reads: AtomicU32,
    writes: AtomicU32,
    changes: AtomicU32,
}

#[async_trait]
impl Ledger for Counting {
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.ledger.read(wants).await
    }

    async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let committed = self.ledger.commit(change).await?;
        self.changes.fetch_add(u32::from(committed == Committed::Done), Ordering::Relaxed);
        Ok(committed)
    }

    async fn acknowledge(&self, done: &[DeliveryId]) -> Result<(), Fault> {
        self.ledger.acknowledge(done).await
    }
}

/// Does as it is told.
struct Willing;

#[async_trait]
impl Directory for Willing {
    async fn update_attributes(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<(), Fault> {
        Ok(())
    }

    async fn find(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        Ok(None)
    }

    async fn find_sub(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        Ok(None)
    }

    async fn sign_out(&self, _: &str, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    async fn require_new_password(&self, _: &str, _: &str) -> Result<NewPassword, Fault> {
        Ok(NewPassword::Required)
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        Err(Fault::new("nobody asks"))
    }
}

/// Every event there is a sample of, and those of users who are special, all twice.
fn events() -> Vec<Value> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let mut events = Vec::new();
    for source in TriggerSource::ALL {
        for version in ["1", "2", "3"] {
            events.extend(sample(source, Some(version)).map(read));
        }
    }
    let with = |event: &Value, place: &str, value: Value| {
        let mut event = event.clone();
        *event.pointer_mut(place).unwrap() = value;
        event
    };
    let special: Vec<_> = events
        .iter()
        .filter(|event| event["request"]["userAttributes"].is_object())
        .flat_map(|event| {
            let attributes = "/request/userAttributes";
            let differing = |name: &str, value: &str| {
                let mut own = event.pointer(attributes).unwrap().clone();
                own[name] = json!(value);
                with(event, attributes, own)
            };
            let mut unknown = with(event, attributes, json!({}));
            unknown["request"]["userNotFound"] = json!(true);
            [
                differing("cognito:user_status", "EXTERNAL_PROVIDER"),
                differing("nickname", "Somebody else"),
                differing("email", "anna@elsewhere.example"),
                unknown,
                with(event, "/callerContext/clientId", Value::Null),
            ]
        })
        .collect();
    events.extend(special);
    let twice = events.clone();
    events.extend(twice);
    events
}

/// Sets of rules from nearly none to all, with the first of their settings and with the last.
fn configurations() -> impl Iterator<Item = String> {
    (2..2_u32 << TABLES.len()).step_by(37).map(|number| {
        let on = TABLES.iter().enumerate().filter(|(bit, _)| number & (2 << bit) != 0);
        let line = |lines: &[&'static str]| lines[(lines.len() - 1) * (number & 1) as usize];
        on.map(|(_, (name, lines))| format!("[{name}]\n{}\n", line(lines))).collect()
    })
}

#[test]
fn whatever_rules_are_on_an_event_reads_once_and_writes_once_and_a_refusal_writes_nothing() {
    let events = events();
    let mut denials = BTreeMap::<_, u32>::new();
    for text in configurations() {
        let configuration = Configuration::parse("triggers.toml", &format!("{SERVICES}{text}")).unwrap();
        let (base, pools) = configuration.chains::<pool::Rules>(&Environment::default()).unwrap();
        let (clock, ledger) = (Arc::new(StoppedClock::default()), Arc::<Counting>::default());
        let services = Services {
            ledger: Arc::clone(&ledger) as Arc<dyn Ledger>,
            directory: Arc::new(Willing),
            ..Services::in_memory(Arc::clone(&clock) as Arc<dyn Clock>)
        };
        let dispatcher = Dispatcher::new(base, pools, services);
        for (number, event) in events.iter().enumerate() {
            if number == events.len() / 2 {
                // From here on one of two applications is closed.
                let maintenance = [("1example23456789".to_owned(), Downtime::since(clock.now()))].into();
                let switches = Switches { maintenance, ..Switches::default() };
                assert!(ledger.ledger.switch(POOL, 0, &switches).now_or_never().unwrap().unwrap());
            }
            clock.pass(if number % 40 == 39 {
                SignedDuration::from_hours(30)
            } else {
                SignedDuration::from_millis(300)
            });
            let body = event.to_string();
            let deadline = clock.now() + SignedDuration::from_secs(4);
            let call = Invocation { body: body.as_bytes(), request_id: "0badc0de", deadline };
            let Handled { answer, report } = dispatcher.handle(call).now_or_never().unwrap();
            let [reads, writes, changes] =
                [&ledger.reads, &ledger.writes, &ledger.changes].map(|count| count.swap(0, Ordering::Relaxed));
            let told = || format!("{text}{event}\n{answer:?}\n{report:?}");
            assert_eq!((report.calls.reads, report.calls.writes), (reads, writes), "{}", told());
            let attempts = report.attempts.max(1);
            assert!(reads <= attempts && writes <= attempts && changes <= 1, "{}", told());
            let source = event["triggerSource"].as_str().unwrap();
            // Another attempt is only made of what somebody else was quicker with, here a name that is held.
            assert!(attempts == 1 || text.contains("[unique-nickname]"), "{}", told());
            if source.starts_with("PreAuthentication") || answer.is_err() {
                assert_eq!(changes, 0, "{}", told());
            }
            if source.starts_with("PreAuthentication") {
                assert_eq!(writes, 0, "{}", told());
            }
            if let Err(refusal) = &answer
                && refusal.kind == "Denied"
            {
                *denials.entry(report.rule.unwrap()).or_default() += 1;
            }
        }
    }
    // It would show nothing if nobody had been refused.
    let refused: Vec<_> = denials.into_keys().collect();
    assert_eq!(refused, ["domain-allow-list", "maintenance", "password-age", "session-limit", "unique-nickname"]);
}
