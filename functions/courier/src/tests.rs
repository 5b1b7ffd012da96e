//! The courier with a ledger in memory and a publisher that writes down what it is given.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use cognito_triggers::ledger::{
    Backlog, Change, CommitId, Committed, Delivery, DeliveryId, Fate, Lease, LeaseId, Ledger, MemoryLedger, Outbox,
    Reading, Task, UserEvent, Wants,
};
use cognito_triggers::{Publisher, Services, StoppedClock};
use cognito_triggers_lambda::Measures;
use serde_json::{Map, Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::*;

const POOL: &str = "eu-central-1_Example01";

/// Accepts what it is given, unless the event's name says otherwise.
#[derive(Default)]
struct Press(Mutex<Vec<String>>);

#[async_trait]
impl Publisher for Press {
    async fn publish(&self, _: &str, event: &UserEvent) -> Result<(), Fault> {
        let who = event.detail.get("email").map_or_else(String::new, Value::to_string);
        let fault = |outlook| {
            let text = format!("the bus refused {} of {who}", event.name);
            Err(Fault::service("the publisher did not take it", text).with_outlook(outlook))
        };
        match event.name.as_str() {
            "user.delayed" => fault(Outlook::Transient),
            "user.held-up" => fault(Outlook::Throttled),
            "user.refused" => fault(Outlook::Permanent),
            "user.cursed" => panic!("no luck"),
            numbered if numbered.starts_with("odd.") => fault(Outlook::Transient),
            _ => {
                self.0.lock().unwrap().push(event.id.clone());
                Ok(())
            }
        }
    }
}

/// A ledger nobody can reach.
struct Gone;

#[async_trait]
impl Ledger for Gone {
    async fn read(&self, _: &Wants) -> Result<Reading, Fault> {
        Err(Fault::new("the table is gone"))
    }

    async fn commit(&self, _: &Change) -> Result<Committed, Fault> {
        Err(Fault::new("the table is gone"))
    }

    async fn acknowledge(&self, _: &[DeliveryId]) -> Result<(), Fault> {
        Err(Fault::new("the table is gone"))
    }
}

#[async_trait]
impl Outbox for Gone {
    async fn lease_due(&self, _: &Lease, _: usize) -> Result<Vec<Delivery>, Fault> {
        Err(Fault::new("the table is gone"))
    }

    async fn lease(&self, _: &[DeliveryId], _: &Lease) -> Result<Vec<Delivery>, Fault> {
        Err(Fault::new("the table is gone"))
    }

    async fn settle(&self, _: &DeliveryId, _: &LeaseId, _: &Fate) -> Result<bool, Fault> {
        Err(Fault::new("the table is gone"))
    }

    async fn backlog(&self, _: Timestamp) -> Result<Backlog, Fault> {
        Err(Fault::new("the table is gone"))
    }
}

/// A courier and the world around it.
struct Office {
    job: CourierJob,
    ledger: Arc<MemoryLedger>,
    press: Arc<Press>,
    clock: Arc<StoppedClock>,
}

impl Office {
    /// One whose ledger holds these deliveries.
    async fn with(deliveries: &[Delivery]) -> Self {
        let ledger = Arc::new(MemoryLedger::default());
        let office = Self::over(Arc::clone(&ledger) as Arc<dyn Outbox>, ledger);
        let change = Change {
            id: CommitId::random().unwrap(),
            now: office.clock.now(),
            pool: POOL.into(),
            member: None,
            names: Default::default(),
            invitations: Default::default(),
            deliveries: deliveries.to_vec(),
        };
        assert_eq!(office.ledger.commit(&change).await.unwrap(), Committed::Done);
        office
    }

    fn over(outbox: Arc<dyn Outbox>, ledger: Arc<MemoryLedger>) -> Self {
        let (press, clock) = (Arc::new(Press::default()), Arc::new(StoppedClock::default()));
        let services = Services {
            publisher: Arc::clone(&press) as Arc<dyn Publisher>,
            ..Services::none(Arc::clone(&clock) as Arc<dyn Clock>)
        };
        let job = CourierJob::new(Courier::new(outbox, services), Arc::clone(&clock) as Arc<dyn Clock>);
        Self { job, ledger, press, clock }
    }

    fn in_a_minute(&self) -> Timestamp {
        self.clock.now() + SignedDuration::from_secs(60)
    }

    async fn gets(&self, event: &Value) -> Finished {
        self.job.carry_out(event.to_string().as_bytes(), self.in_a_minute()).await
    }

    fn published(&self) -> Vec<String> {
        let mut published = self.press.0.lock().unwrap().clone();
        published.sort();
        published
    }
}

fn now() -> Timestamp {
    StoppedClock::default().now()
}

/// A delivery of a rule for Anna that publishes an event of this name.
fn delivery(rule: &str, name: &str) -> Delivery {
    let detail: Map<String, Value> = [("email".to_owned(), json!("anna@example.com"))].into_iter().collect();
    let event = UserEvent { id: format!("{rule} {name}"), name: name.into(), time: now(), detail };
    let id = DeliveryId { pool: POOL.into(), sub: "11111111-2222".into(), key: format!("{rule}/{name}") };
    Delivery::new(id, Task::Publish(event), now())
}

fn image(delivery: &Delivery) -> Value {
    let sk = format!("D#{}", delivery.id.key);
    json!({
        "pk": {"S": format!("U#{POOL}#{}", delivery.id.sub)}, "sk": {"S": sk}, "shard": {"N": "7"},
        "due": {"N": "1767268800"}, "attempts": {"N": "0"}, "commit": {"S": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
        "data": {"S": serde_json::to_string(delivery).unwrap()},
    })
}

/// A record as Lambda hands it over (Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB").
fn record(name: &str, image: &Value) -> Value {
    let mut change = json!({
        "ApproximateCreationDateTime": 1_767_268_800.0, "Keys": {"pk": image["pk"], "sk": image["sk"]},
        "SequenceNumber": "4421584500000000017450439091", "SizeBytes": 26, "StreamViewType": "NEW_IMAGE",
    });
    if name != "REMOVE" {
        change["NewImage"] = image.clone();
    }
    json!({
        "eventID": "c4ca4238a0b923820dcc509a6f75849b", "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1", "dynamodb": change,
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:123456789012:table/cognito-triggers/stream/2026-01-01T00:00:00.000",
    })
}

fn stream(records: &[Value]) -> Value {
    json!({ "Records": records })
}

const DONE: &str = r#"{"batchItemFailures":[]}"#;

#[tokio::test]
async fn whatever_is_no_stream_asks_for_a_sweep() {
    let schedules = [
        // EventBridge user guide, "Schedules": what a rule sends.
        json!({
            "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
            "source": "aws.events", "account": "123456789012", "time": "2026-01-01T12:00:00Z", "region": "eu-central-1",
            "resources": ["arn:aws:events:eu-central-1:123456789012:rule/courier"], "detail": {},
        }),
        // EventBridge Scheduler without a payload of one's own.
        json!({
            "version": "0", "id": "27dfe6c8-0ff3-4a63-a3dc-5d1bb4f5a4a4", "detail-type": "Scheduled Event",
            "source": "aws.scheduler", "account": "123456789012", "time": "2026-01-01T12:00:00Z", "region": "eu-central-1",
            "resources": ["arn:aws:scheduler:eu-central-1:123456789012:schedule/default/courier"], "detail": "{}",
        }),
        json!({}),
        json!(null),
        json!("sweep"),
        json!({ "Records": "none" }),
        json!({ "Records": [{ "messageId": "059f36b4", "body": "{}", "eventSource": "aws:sqs" }] }),
        json!({ "Records": [{ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Message": "{}"} }] }),
    ];
    for event in schedules {
        let office = Office::with(&[delivery("user-events", "user.confirmed")]).await;
        let finished = office.gets(&event).await;
        assert_eq!(finished.occasion.as_str(), "schedule", "{event}");
        assert_eq!(office.published(), ["user-events user.confirmed"], "{event}");
    }
    let office = Office::with(&[delivery("user-events", "user.confirmed")]).await;
    office.job.carry_out(b"", office.in_a_minute()).await;
    assert_eq!(office.published().len(), 1, "nothing at all");
}

#[tokio::test]
async fn a_sweep_answers_with_its_counts() {
    let mut parked = delivery("user-events", "user.parked");
    parked.parked = Some(now());
    let mut waiting = delivery("user-events", "user.waiting");
    waiting.due = now() + SignedDuration::from_secs(30);
    let office = Office::with(&[
        delivery("user-events", "user.confirmed"),
        delivery("user-events", "user.signed_in"),
        delivery("sign-in-alert", "user.alerted"),
        delivery("sign-in-alert", "user.delayed"),
        delivery("user-events", "user.refused"),
        parked,
        waiting,
    ])
    .await;
    let finished = office.gets(&json!({})).await;
    let answer: Value = serde_json::from_str(&finished.answer().unwrap()).unwrap();
    assert_eq!(
        answer,
        json!({
            "delivered": 3, "rules": {"sign-in-alert": 1, "user-events": 2}, "lapsed": 0, "put-off": 0, "retried": 1,
            "throttled": 0, "parked": 1, "faults": 0, "backlog": {"due": 0, "oldest": null, "oldest-seconds": 0, "parked": 2},
        })
    );
}

#[tokio::test]
async fn what_is_left_has_an_age() {
    let office = Office::with(&[delivery("user-events", "user.confirmed")]).await;
    office.clock.pass(SignedDuration::from_mins(7));
    // No time for a try: nothing is begun.
    let finished = office.job.carry_out(b"{}", office.clock.now() + SignedDuration::from_secs(10)).await;
    let left = finished.record().backlog.unwrap();
    assert_eq!((left.due, left.oldest, left.oldest_seconds), (1, Some(now()), 420));
    assert!(office.published().is_empty());
}

#[tokio::test]
async fn a_time_out_that_leaves_no_time_for_a_try_is_told() {
    let office = Office::with(&[delivery("user-events", "user.confirmed")]).await;
    let finished = office.job.carry_out(b"{}", office.clock.now() + SignedDuration::from_secs(24)).await;
    assert_eq!(finished.record().faults, 1);
    let why =
        "nothing was tried: a try takes up to 20 s and there were 20 s; set the function's time-out to 60 s or more";
    assert_eq!(finished.round.failures[0].fault, why);

    let finished = office.job.carry_out(b"{}", office.clock.now() + SignedDuration::from_secs(25)).await;
    assert_eq!((finished.record().faults, finished.record().delivered), (0, 1));
}

#[tokio::test]
async fn a_stream_brings_new_deliveries_that_are_due_and_only_these_are_taken() {
    let (due, other) = (delivery("user-events", "user.confirmed"), delivery("user-events", "user.signed_in"));
    let mut inline = delivery("welcome-email", "user.greeted");
    inline.due = now() + SignedDuration::from_secs(30);
    let office = Office::with(&[due.clone(), other, inline.clone()]).await;
    let finished = office.gets(&stream(&[record("INSERT", &image(&due)), record("INSERT", &image(&inline))])).await;
    assert_eq!(office.published(), ["user-events user.confirmed"]);
    assert_eq!(finished.answer().unwrap(), DONE);
    assert_eq!(finished.occasion.as_str(), "stream");
    assert!(finished.round.backlog.is_none(), "counting what is left is for sweeps");
    let Occasion::Stream(records) = &finished.occasion else { panic!("no stream") };
    assert_eq!(
        (records.new.len(), records.due(now())),
        (2, vec![due.id.clone()]),
        "the ledger is not even asked for the other"
    );

    // The same records again: the delivery is gone.
    let again = office.gets(&stream(&[record("INSERT", &image(&due))])).await;
    assert_eq!((again.record().delivered, office.published().len()), (0, 1));
}

#[tokio::test]
async fn a_stream_tells_of_much_that_is_no_new_delivery() {
    let due = delivery("user-events", "user.confirmed");
    let office = Office::with(std::slice::from_ref(&due)).await;
    let member = json!({"pk": {"S": "U#p#s"}, "sk": {"S": "M"}, "version": {"N": "3"}, "data": {"S": "{}"}});
    let name = json!({"pk": {"S": "N#p#nickname#anna"}, "sk": {"S": "C"}, "owner": {"S": "u"}});
    let invitation = json!({"pk": {"S": "I#p"}, "sk": {"S": "I#h"}, "uses": {"M": {"a": {"NULL": true}}}});
    let of_others = [
        record("INSERT", &member),
        record("MODIFY", &member),
        record("REMOVE", &name),
        record("INSERT", &name),
        record("INSERT", &invitation),
        record("MODIFY", &image(&due)),
        record("REMOVE", &image(&due)),
    ];
    let finished = office.gets(&stream(&of_others)).await;
    let Occasion::Stream(records) = &finished.occasion else { panic!("no stream") };
    assert_eq!((records.all, records.new.len(), records.unread.len()), (7, 0, 0), "{records:?}");
    assert_eq!((office.published().len(), finished.answer().unwrap().as_str()), (0, DONE));

    let finished = office.gets(&stream(&[])).await;
    assert_eq!((finished.occasion.as_str(), finished.answer().unwrap().as_str()), ("stream", DONE));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_left_to_the_sweep_and_keeps_no_other_back() {
    let due = delivery("user-events", "user.confirmed");
    let left = delivery("user-events", "user.signed_in");
    let office = Office::with(&[due.clone(), left.clone()]).await;
    let mut keys_only = record("INSERT", &image(&left));
    keys_only["dynamodb"].as_object_mut().unwrap().remove("NewImage");
    let (mut garbled, mut bare) = (image(&left), image(&left));
    garbled["data"]["S"] = json!("{\"id\":\"anna@example.com\"}");
    bare.as_object_mut().unwrap().remove("data");
    let event = stream(&[
        json!("anna@example.com"),
        json!({ "eventName": "INSERT" }),
        keys_only,
        record("INSERT", &garbled),
        record("INSERT", &bare),
        record("INSERT", &json!({"pk": {"S": "U#p#s"}, "sk": {"N": "1"}})),
        record("INSERT", &image(&due)),
    ]);
    let log = Log::default();
    let _guard = log.install();
    let finished = office.gets(&event).await;
    finished.log("3f2a9c10", Duration::from_millis(12), false);
    assert_eq!(
        (office.published().as_slice(), finished.answer().unwrap().as_str()),
        (&["user-events user.confirmed".to_owned()][..], DONE)
    );

    let lines = log.lines();
    let unread: Vec<_> =
        lines.iter().filter(|line| line["message"] == "a record of the stream could not be read").collect();
    let times: u64 = unread.iter().map(|line| line["times"].as_u64().unwrap()).sum();
    assert_eq!(times, 6, "{lines:?}");
    assert!(
        unread.iter().any(|line| line["fault"] == "it holds no new image: let the stream's view type be NEW_IMAGE")
    );
    let line = lines.last().unwrap();
    assert_eq!((&line["level"], &line["records"], &line["records_unread"]), (&json!("WARN"), &json!(7), &json!(6)));

    office.gets(&json!({})).await;
    assert_eq!(office.published(), ["user-events user.confirmed", "user-events user.signed_in"]);
}

#[tokio::test]
async fn a_round_is_one_line() {
    let office =
        Office::with(&[delivery("user-events", "user.confirmed"), delivery("sign-in-alert", "user.alerted")]).await;
    let log = Log::default();
    let _guard = log.install();
    office.gets(&json!({})).await.log("3f2a9c10", Duration::from_millis(1234), true);
    let mut lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].as_object_mut().unwrap().remove("timestamp");
    assert_eq!(
        lines[0],
        json!({
            "level": "INFO", "target": "round", "message": "round", "trigger": "schedule", "delivered": 2,
            "rules": "sign-in-alert 1, user-events 1", "lapsed": 0, "put_off": 0, "retried": 0, "throttled": 0, "parked": 0,
            "faults": 0, "backlog_due": 0, "backlog_oldest_s": 0, "backlog_parked": 0, "request_id": "3f2a9c10", "duration_ms": 1234,
            "cold_start": true,
        })
    );
}

#[test]
fn what_was_put_off_is_counted_and_is_no_failure() {
    let round = Round { put_off: 2, lapsed: 1, ..Round::default() };
    let finished = Finished { occasion: Occasion::Schedule, round, called: now(), ended: now() };
    let answer: Value = serde_json::from_str(&finished.answer().unwrap()).unwrap();
    assert_eq!((&answer["put-off"], &answer["lapsed"], &answer["retried"]), (&json!(2), &json!(1), &json!(0)));
    let log = Log::default();
    let _guard = log.install();
    finished.log("3f2a9c10", Duration::from_millis(1), false);
    let lines = log.lines();
    assert_eq!((&lines[0]["level"], &lines[0]["put_off"]), (&json!("INFO"), &json!(2)));
}

#[tokio::test]
async fn each_sort_of_failure_is_a_line_with_its_number_and_nothing_of_the_user() {
    let mut deliveries = vec![
        delivery("user-events", "user.refused"),
        delivery("user-events", "user.cursed"),
        delivery("sign-in-alert", "user.delayed"),
    ];
    let twin = delivery("sign-in-alert", "user.delayed");
    deliveries.push(Delivery { id: DeliveryId { sub: "33333333-4444".into(), ..twin.id.clone() }, ..twin });
    let office = Office::with(&deliveries).await;
    let log = Log::default();
    let _guard = log.install();
    let records: Vec<_> = deliveries.iter().map(|delivery| record("INSERT", &image(delivery))).collect();
    let finished = office.gets(&stream(&records)).await;
    finished.log("3f2a9c10", Duration::from_millis(1), false);
    assert!(!log.text().contains("anna"), "{}", log.text());

    let lines = log.lines();
    let sorts: Vec<_> = lines
        .iter()
        .filter(|line| line["message"] == "a delivery failed")
        .map(|line| {
            ["rule", "fault_kind", "outlook", "fate", "fault"].map(|key| line[key].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        sorts,
        [
            [
                "sign-in-alert",
                "service",
                "transient",
                "later",
                "the publisher did not take it: the bus refused user.delayed of \"…\""
            ],
            ["user-events", "panic", "transient", "later", "panicked: no luck"],
            [
                "user-events",
                "service",
                "permanent",
                "parked",
                "the publisher did not take it: the bus refused user.refused of \"…\""
            ],
        ]
    );
    assert_eq!((&lines[0]["times"], &lines[0]["level"]), (&json!(2), &json!("WARN")));
    let line = lines.last().unwrap();
    assert_eq!((&line["retried"], &line["parked"], &line["level"]), (&json!(3), &json!(1), &json!("WARN")));
}

#[tokio::test]
async fn a_round_in_which_everything_fails_in_its_own_way_is_not_a_flood() {
    let deliveries: Vec<_> = (0..30).map(|number| delivery("user-events", &format!("odd.{number}"))).collect();
    let office = Office::with(&deliveries).await;
    let log = Log::default();
    let _guard = log.install();
    office.gets(&json!({})).await.log("3f2a9c10", Duration::from_millis(1), false);
    let lines = log.lines();
    assert!(!log.text().contains("anna"), "a sweep knows no user, but an address when it sees one");
    assert_eq!(lines.len(), 22, "twenty sorts, one line for the rest, one for the round");
    assert_eq!(
        (&lines[20]["message"], &lines[20]["sorts"], &lines[20]["times"]),
        (&json!("further failures"), &json!(10), &json!(10))
    );
}

#[tokio::test]
async fn metrics_tell_what_was_done_and_after_a_sweep_what_is_left() {
    let due = delivery("user-events", "user.confirmed");
    let office = Office::with(&[
        due.clone(),
        delivery("user-events", "user.delayed"),
        delivery("user-events", "user.refused"),
        delivery("welcome-email", "user.held-up"),
    ])
    .await;
    let counts = |delivered, retried, throttled, parked, faults| {
        let counts = Measures::default().count("Delivered", delivered).count("Retried", retried);
        counts.count("Throttled", throttled).count("Parked", parked).count("Faults", faults)
    };
    let swept = office.gets(&json!({})).await.measures();
    let left = |counts: Measures, parked| {
        counts.count("BacklogDue", 0).count("BacklogParked", parked).seconds("OldestDueSeconds", 0)
    };
    let of_rule = Measures::default().by("rule", "user-events").count("Delivered", 1);
    assert_eq!(swept, [left(counts(1, 1, 1, 1, 0), 1), of_rule]);
    let streamed = office.gets(&stream(&[record("INSERT", &image(&due))])).await.measures();
    assert_eq!(streamed, [counts(0, 0, 0, 0, 0)]);
}

#[tokio::test]
async fn a_ledger_that_cannot_be_reached_is_told_and_holds_up_no_stream() {
    let office = Office::over(Arc::new(Gone), Arc::new(MemoryLedger::default()));
    let log = Log::default();
    let _guard = log.install();
    let swept = office.gets(&json!({})).await;
    swept.log("3f2a9c10", Duration::from_millis(1), false);
    let lines = log.lines();
    assert_eq!((&lines[0]["message"], &lines[0]["fault"]), (&json!("the courier failed"), &json!("the table is gone")));
    assert_eq!((&lines[0]["times"], lines[0].get("rule")), (&json!(2), None));
    assert_eq!((swept.record().faults, swept.record().backlog), (2, None), "neither leased nor counted");
    let due = delivery("user-events", "user.confirmed");
    let streamed = office.gets(&stream(&[record("INSERT", &image(&due))])).await;
    assert_eq!((streamed.record().faults, streamed.answer().unwrap().as_str()), (1, DONE));
}

#[tokio::test]
async fn lambda_gets_the_answer_and_the_metrics() {
    let office = Office::with(&[delivery("user-events", "user.confirmed")]).await;
    let call = Invocation { body: b"{}", request_id: "3f2a9c10", deadline: office.in_a_minute() };
    let done = office.job.run(call, true).await.unwrap();
    assert!(done.answer.starts_with(r#"{"delivered":1,"#), "{}", done.answer);
    assert_eq!(done.measures.len(), 2);
}

#[tokio::test]
async fn a_courier_without_a_ledger_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("triggers.toml");
    std::fs::write(&file, "[welcome-email]\n").unwrap();
    let environment: Environment = [("TRIGGERS_CONFIG", file.to_str().unwrap())].into_iter().collect();
    let clock = Arc::new(StoppedClock::default());
    let opened = CourierJob::open(&environment, &Adapters::none(), clock).await;
    let ConfigErrors(errors) = opened.err().unwrap();
    let expected = "services: the courier needs a ledger; add `ledger = \"dynamodb:<table>\"` under [services] or set TRIGGERS_LEDGER";
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

/// Where these tests let the log be written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn install(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(self.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
