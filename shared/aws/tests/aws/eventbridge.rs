//! The publisher against ministack's EventBridge, with a rule that hands what arrives to a queue: the contract every publisher
//! keeps, what EventBridge is told, and what happens when the network or the service fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_eventbridge::types::Target;
use cognito_triggers::grants;
use cognito_triggers::ledger::UserEvent;
use cognito_triggers::services::Opening;
use cognito_triggers::services::contract::{self, Audience};
use cognito_triggers::{FaultKind, Outlook, Publisher, random};
use cognito_triggers_aws::{EventBridgePublisher, Limits, PUBLISHER};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::grants::{asked, granted};
use crate::http::http;
use crate::ministack::Ministack;
use crate::proxy::{Proxy, Trouble};
use crate::{environment, run};

const PUT: &str = "PutEvents";
const LOOK: &str = "DescribeEventBus";

/// A new bus with a rule that hands every event of ours to a queue of its own name, as its owner would make it.
async fn bus(ministack: &Ministack) -> String {
    let name = format!("test-{}", random::number().unwrap());
    let config = aws_sdk_eventbridge::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(ministack.endpoint())
        .http_client(http())
        .build();
    let client = Client::from_conf(config);
    ministack.query("sqs", &format!("Action=CreateQueue&Version=2012-11-05&QueueName={name}")).unwrap();
    client.create_event_bus().name(&name).send().await.unwrap();
    let pattern = json!({ "source": ["cognito-triggers"] }).to_string();
    client.put_rule().name("all").event_bus_name(&name).event_pattern(pattern).send().await.unwrap();
    let queue = format!("arn:aws:sqs:eu-central-1:000000000000:{name}");
    let target = Target::builder().id("queue").arn(queue).build().unwrap();
    let put = client.put_targets().rule("all").event_bus_name(&name).targets(target).send().await.unwrap();
    assert_eq!(put.failed_entry_count(), 0);
    name
}

/// A publisher on a new bus behind a proxy.
async fn proxied(ministack: &Arc<Ministack>) -> (EventBridgePublisher, Proxy, Queue) {
    let name = bus(ministack).await;
    let proxy = Proxy::before(ministack.address()).await;
    let mut limits = Limits::COURIER;
    // Long enough for a busy machine, short enough to wait for.
    limits.attempt = Duration::from_secs(2);
    let publisher = EventBridgePublisher::open(&name, &environment(&proxy.endpoint()), limits).unwrap();
    let queue = Queue { ministack: Arc::clone(ministack), name, proxy: proxy.clone() };
    (publisher, proxy, queue)
}

/// What the rule's target got.
struct Queue {
    ministack: Arc<Ministack>,
    name: String,
    proxy: Proxy,
}

impl Queue {
    fn events(&self) -> Vec<Value> {
        let path = "/_ministack/sqs/messages?account=000000000000&region=eu-central-1";
        let all: Value = serde_json::from_str(&self.ministack.get(path).unwrap()).unwrap();
        let queues = all["messages"]["000000000000"]["eu-central-1"].as_object().unwrap();
        let of_ours = queues.iter().filter(|(url, _)| url.ends_with(&format!("/{}", self.name)));
        let messages = of_ours.flat_map(|(_, messages)| messages.as_array().unwrap());
        messages.map(|message| serde_json::from_str(message["Body"].as_str().unwrap()).unwrap()).collect()
    }

    /// As many events as are expected, or what is there after a while.
    async fn arrived(&self, expected: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let events = self.events();
            if events.len() >= expected || begun.elapsed() > Duration::from_secs(5) {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The time an event was given. ministack puts its own there.
    fn time_of(&self, id: &str) -> Timestamp {
        let puts = self.proxy.exchanges();
        let entries = puts.iter().filter(|exchange| exchange.operation == PUT).map(|exchange| {
            let body: Value = serde_json::from_slice(&exchange.body).unwrap();
            body["Entries"][0].clone()
        });
        let of_id = |entry: &Value| {
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            detail["id"] == id
        };
        let entry = entries.into_iter().find(of_id).expect("it was never put");
        Timestamp::new(entry["Time"].as_f64().unwrap() as i64, 0).unwrap()
    }
}

#[async_trait]
impl Audience for Queue {
    async fn published(&self, pool: &str, at_least: usize) -> Vec<UserEvent> {
        let mut events = Vec::new();
        for _ in 0..100 {
            events = self.events().into_iter().filter(|event| event["detail"]["pool"] == pool).collect();
            if events.len() >= at_least {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let user_event = |event: Value| {
            let mut detail = event["detail"].as_object().unwrap().clone();
            detail.remove("pool");
            let id = detail.remove("id").unwrap().as_str().unwrap().to_owned();
            UserEvent { time: self.time_of(&id), id, name: event["detail-type"].as_str().unwrap().into(), detail }
        };
        events.into_iter().map(user_event).collect()
    }
}

fn event(detail: Value) -> UserEvent {
    let Value::Object(detail) = detail else { unreachable!() };
    UserEvent { id: "an-id".into(), name: "user.confirmed".into(), time: Timestamp::constant(4_102_444_800, 0), detail }
}

fn refusal(status: u16, code: &str) -> Trouble {
    Trouble::Answered(status, json!({ "__type": code, "message": "Anna is secret" }).to_string())
}

fn failed(code: &str, said: &str) -> Trouble {
    let entry = json!({ "ErrorCode": code, "ErrorMessage": said });
    Trouble::Answered(200, json!({ "FailedEntryCount": 1, "Entries": [entry] }).to_string())
}

#[test]
fn the_contract_holds() {
    let ministack = Ministack::shared();
    run(async move {
        let (_, proxy, queue) = proxied(&ministack).await;
        let open = async || {
            let opening = Opening { address: queue.name.clone(), environment: environment(&proxy.endpoint()) };
            (PUBLISHER.open)(opening).await.unwrap()
        };
        let (one, another) = (open().await, open().await);
        let suite = contract::publisher(one, Arc::new(queue)).client(another).spawn(|task| {
            let task = tokio::spawn(task);
            Box::pin(async move { task.await.unwrap() })
        });
        suite.holds().await;
        assert_eq!(asked(&proxy.exchanges()), granted(&[grants::PUBLISHER]));
    });
}

#[test]
fn an_event_is_put_with_one_request_once_the_bus_is_known() {
    let ministack = Ministack::shared();
    run(async move {
        let (publisher, proxy, queue) = proxied(&ministack).await;
        assert_eq!(proxy.connections(), 0, "nothing is done before the first event");
        let ours = json!({ "version": "1", "id": "of-the-rule", "pool": "of-the-rule", "user": { "sub": "1" } });
        publisher.publish("eu-central-1_Test", &event(ours.clone())).await.unwrap();
        publisher.publish("eu-central-1_Test", &event(json!({ "version": "1" }))).await.unwrap();
        assert_eq!(proxy.requests(), [LOOK, PUT, PUT]);
        let body: Value = serde_json::from_slice(&proxy.exchanges()[1].body).unwrap();
        let expected = json!({ "Entries": [{
            "Time": 4_102_444_800_i64,
            "Source": "cognito-triggers",
            "DetailType": "user.confirmed",
            "Detail": body["Entries"][0]["Detail"],
            "EventBusName": queue.name,
        }] });
        assert_eq!(body, expected);
        let arrived = queue.arrived(2).await;
        assert_eq!(arrived[0]["detail"], ours, "what the rule told is left as it is");
        assert_eq!(arrived[1]["detail"], json!({ "version": "1", "id": "an-id", "pool": "eu-central-1_Test" }));
        assert_eq!(
            (&arrived[1]["source"], &arrived[1]["detail-type"]),
            (&json!("cognito-triggers"), &json!("user.confirmed"))
        );
    });
}

/// PutEvents reports success for a bus that does not exist, and drops the event (aws/aws-cli#9186).
#[test]
fn a_bus_that_does_not_exist_loses_nothing() {
    let ministack = Ministack::shared();
    run(async move {
        let proxy = Proxy::before(ministack.address()).await;
        let publisher =
            EventBridgePublisher::open("acme-nowhere", &environment(&proxy.endpoint()), Limits::COURIER).unwrap();
        for _ in 0..2 {
            let fault = publisher.publish("pool", &event(json!({}))).await.unwrap_err();
            assert_eq!((fault.kind(), fault.outlook()), (FaultKind::Configuration, Outlook::Transient));
            let expected = "there is no event bus `acme-nowhere` in eu-central-1: create it, or name another";
            assert!(fault.causes().contains(expected), "{fault}");
            assert_eq!(proxy.requests(), [LOOK], "nothing is put, and it is looked for again");
        }
    });
}

#[test]
fn a_role_that_may_not_look_publishes_all_the_same() {
    let ministack = Ministack::shared();
    run(async move {
        let (publisher, proxy, queue) = proxied(&ministack).await;
        proxy.make(LOOK, refusal(400, "AccessDeniedException"));
        publisher.publish("pool", &event(json!({}))).await.unwrap();
        publisher.publish("pool", &event(json!({}))).await.unwrap();
        assert_eq!(proxy.requests(), [LOOK, PUT, PUT]);
        assert_eq!(queue.arrived(2).await.len(), 2);
    });
}

#[test]
fn what_eventbridge_refuses_is_judged_and_quotes_nobody() {
    let ministack = Ministack::shared();
    run(async move {
        let (publisher, proxy, queue) = proxied(&ministack).await;
        publisher.publish("pool", &event(json!({}))).await.unwrap();
        let (setup, service) = (FaultKind::Configuration, FaultKind::Service);
        let attempts = Limits::COURIER.attempts as usize;
        let secret = "Anna is secret";
        let no_bus = "Parameter EventBusName is not valid.";
        for (trouble, kind, outlook, why, requests) in [
            (failed("ThrottlingException", secret), service, Outlook::Throttled, "over the quota", 1),
            (failed("InternalFailure", secret), service, Outlook::Transient, "InternalFailure", 1),
            (failed("MalformedDetail", secret), service, Outlook::Permanent, "will not take this event", 1),
            (failed("InvalidArgument", secret), service, Outlook::Permanent, "will not take this event", 1),
            (failed("InvalidArgument", no_bus), setup, Outlook::Transient, "there is no event bus", 1),
            (failed("AccessDeniedException", secret), setup, Outlook::Transient, "allow `events:PutEvents`", 1),
            (
                failed("NotAuthorizedForSourceException", secret),
                setup,
                Outlook::Transient,
                "allow `events:PutEvents`",
                1,
            ),
            (
                Trouble::Answered(200, json!({ "FailedEntryCount": 1 }).to_string()),
                service,
                Outlook::Transient,
                "failed",
                1,
            ),
            (refusal(400, "ThrottlingException"), service, Outlook::Throttled, "over the quota", attempts),
            (refusal(400, "ValidationException"), service, Outlook::Permanent, "will not take this event", 1),
            (Trouble::Answered(413, "too large".into()), service, Outlook::Permanent, "will not take this event", 1),
            (refusal(400, "AccessDeniedException"), setup, Outlook::Transient, "allow `events:PutEvents`", 1),
            (refusal(400, "ResourceNotFoundException"), setup, Outlook::Transient, "there is no event bus", 1),
            (refusal(500, "InternalException"), service, Outlook::Transient, "InternalException", attempts),
        ] {
            proxy.requests();
            (0..requests).for_each(|_| proxy.make(PUT, trouble.clone()));
            let fault = publisher.publish("pool", &event(json!({ "user": "Anna" }))).await.unwrap_err();
            let text = fault.causes();
            assert_eq!((fault.kind(), fault.outlook()), (kind, outlook), "{trouble:?}: {text}");
            assert!(text.contains(why), "{trouble:?}: {text}");
            assert_eq!(proxy.requests().len(), requests, "{trouble:?}");
            // What is said of the role and the bus is for the operator.
            assert!(!text.contains("Anna") || kind == setup, "{text}");
        }
        assert_eq!(queue.events().len(), 1, "none of these was published");
    });
}

#[test]
fn an_event_whose_acceptance_is_unknown_is_left_to_the_courier() {
    let ministack = Ministack::shared();
    run(async move {
        let (publisher, proxy, queue) = proxied(&ministack).await;
        publisher.publish("pool", &event(json!({}))).await.unwrap();
        let mut expected = 1;
        for (trouble, arrives) in [(Trouble::LostAnswer, 1), (Trouble::Cut, 0), (Trouble::Silence, 0)] {
            proxy.requests();
            proxy.make(PUT, trouble.clone());
            let fault = publisher.publish("pool", &event(json!({}))).await.unwrap_err();
            assert_eq!((fault.kind(), fault.outlook()), (FaultKind::Service, Outlook::Transient), "{trouble:?}");
            assert_eq!(proxy.requests(), [PUT], "{trouble:?} was repeated");
            expected += arrives;
            assert_eq!(queue.arrived(expected).await.len(), expected, "{trouble:?}");
        }
        // What was refused for certain is tried again at once.
        proxy.make(PUT, refusal(500, "InternalException"));
        publisher.publish("pool", &event(json!({}))).await.unwrap();
        assert_eq!(proxy.requests(), [PUT; 2]);
        assert_eq!(queue.arrived(expected + 1).await.len(), expected + 1);
    });
}

/// What has a longer name is accepted and dropped.
#[test]
fn an_event_with_no_name_or_too_long_a_one_is_refused_for_good() {
    let ministack = Ministack::shared();
    run(async move {
        let (publisher, proxy, _) = proxied(&ministack).await;
        for name in [String::new(), "x".repeat(129)] {
            let fault = publisher.publish("pool", &UserEvent { name, ..event(json!({})) }).await.unwrap_err();
            assert_eq!(fault.outlook(), Outlook::Permanent);
        }
        assert!(proxy.requests().is_empty());
    });
}
