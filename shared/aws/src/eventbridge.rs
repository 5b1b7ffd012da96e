//! Events about users on an EventBridge bus: one `PutEvents` each.
//!
//! # The address
//!
//! `eventbridge:acme`, the bus by its name or ARN; `eventbridge:default` is the account's own.
//!
//! # What arrives
//!
//! | field | what |
//! |---|---|
//! | `source` | `cognito-triggers` |
//! | `detail-type` | what happened, e.g. `user.confirmed` |
//! | `time` | when, to the second |
//! | `detail` | what the rule told, with `id` and `pool` where it did not tell them itself |
//!
//! `detail.id` is the same whenever the same event is published again, unlike EventBridge's own `id`: by it a consumer tells a
//! repetition. `docs/publishing.md` shows how a rule of the bus calls a webhook.
//!
//! # What it costs
//!
//! One request an event, and one `DescribeEventBus` for the first event of a process: PutEvents reports success for a bus that
//! does not exist, and drops the event (aws/aws-cli#9186), and a wrong name is not to lose anything. Where the role may not ask
//! for it, the event is published unasked. Nothing is done at start: the client is made and the connection is opened for the
//! first event.
//!
//! # What becomes of errors
//!
//! | EventBridge says | outlook |
//! |---|---|
//! | too many a second | throttled |
//! | something is wrong with this event, or it is too big | permanent |
//! | there is no such bus, or the role or the bus do not allow it | transient, kind `configuration`: it can be mended within three days, and every event arrives |
//! | anything else, or nothing | transient |
//!
//! A call is repeated within one delivery only if EventBridge has not accepted it for certain, see `once.rs`.
//!
//! # Limits
//!
//! Of EventBridge: 1 MB an event (256 KB before January 2026), 128 characters for its name; what has a longer one is accepted and
//! dropped, so it is refused here.
//!
//! # What a role needs
//!
//! `events:PutEvents` and, so that a missing bus is noticed, `events:DescribeEventBus` on the bus.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use aws_smithy_types::DateTime;
use aws_types::SdkConfig;
use cognito_triggers::ledger::UserEvent;
use cognito_triggers::services::{Opening, Publisher};
use cognito_triggers::{Adapter, ConfigError, Environment, Fault, FaultKind, Outlook};

use crate::client::{self, Connections, Limits};
use crate::error::{code, fault, fault_because, is_throttling, misconfigured};
use crate::once::OnlyIfNotAccepted;

/// Events about users on an EventBridge bus: `eventbridge:<bus>`, by name or ARN.
pub const PUBLISHER: Adapter<dyn Publisher> = Adapter {
    scheme: "eventbridge",
    example: "eventbridge:acme",
    embedded: false,
    open: |Opening { address, environment }| {
        Box::pin(async move {
            let publisher = EventBridgePublisher::open(&address, &environment, Limits::COURIER)?;
            Ok(Arc::new(publisher) as Arc<dyn Publisher>)
        })
    },
};

/// Events about users on an EventBridge bus.
#[derive(Debug)]
pub struct EventBridgePublisher {
    bus: String,
    settings: SdkConfig,
    client: OnceLock<Client>,
    /// Whether there is such a bus, or nobody can tell.
    looked: AtomicBool,
}

const OPERATION: &str = "EventBridge PutEvents";
/// What all events say they come from.
const SOURCE: &str = "cognito-triggers";
/// The most characters of an event's name (API reference, `PutEventsRequestEntry`).
const LONGEST_NAME: usize = 128;
/// The most characters of the name of a bus (API reference, `CreateEventBus`).
const LONGEST_BUS: usize = 256;

impl EventBridgePublisher {
    /// A bus, named or by ARN. Region and credentials come from the environment, as Lambda sets them;
    /// `AWS_ENDPOINT_URL_EVENTBRIDGE` or `AWS_ENDPOINT_URL` point to another EventBridge. Nothing is called yet.
    ///
    /// # Errors
    ///
    /// If there can be no bus of this name, or region or credentials are missing.
    pub fn open(bus: &str, environment: &Environment, limits: Limits) -> Result<Self, ConfigError> {
        if !is_bus(bus) {
            return Err(ConfigError::new(format!("`{bus}` cannot be the name of an event bus")).remedy(
                "name it as in `eventbridge:acme`: letters, digits, `_`, `-`, `.` or `/`, or an ARN; `eventbridge:default` is the \
                 account's own",
            ));
        }
        let settings = client::settings("EVENTBRIDGE", environment, &limits, Connections::Fresh)?;
        Ok(Self { bus: bus.to_owned(), settings, client: OnceLock::new(), looked: AtomicBool::new(false) })
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let config = aws_sdk_eventbridge::config::Builder::from(&self.settings).retry_classifier(OnlyIfNotAccepted);
            Client::from_conf(config.build())
        })
    }

    /// Makes sure once that there is such a bus.
    async fn look(&self) -> Result<(), Fault> {
        if self.looked.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.client().describe_event_bus().name(&self.bus).send().await {
            Ok(_) => {}
            Err(error) if code(&error) == Some("ResourceNotFoundException") => {
                return Err(misconfigured("EventBridge DescribeEventBus", self.no_such_bus(), &error));
            }
            Err(error) if error.as_service_error().is_none() => {
                return Err(fault("EventBridge DescribeEventBus", error));
            }
            // It answers, but not that; publishing will tell.
            Err(error) if code(&error) != Some("AccessDeniedException") => return Ok(()),
            Err(_) => tracing::debug!(bus = self.bus, "the role may not look whether the bus exists"),
        }
        self.looked.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn no_such_bus(&self) -> String {
        let region = self.settings.region().map_or("this region", |region| region.as_ref());
        format!("there is no event bus `{}` in {region}: create it, or name another as `publisher`", self.bus)
    }

    fn not_allowed(&self) -> String {
        format!("neither role nor bus may forbid it: allow `events:PutEvents` on the bus `{}`", self.bus)
    }

    /// What became of an event that was not taken, as a fault. EventBridge's message is not repeated: it may quote the event.
    fn failed(&self, entry: &PutEventsResultEntry) -> Fault {
        let code = entry.error_code().unwrap_or("an error without a code");
        let says = |what: &str| entry.error_message().is_some_and(|message| message.contains(what));
        let service = |why: &str| Fault::of(FaultKind::Service, format!("{OPERATION} failed: {why}{code}"));
        let mend = |why: String| Fault::of(FaultKind::Configuration, format!("{OPERATION} failed: {why}: {code}"));
        match code {
            code if is_throttling(code) => {
                service("over the quota for publishing events: ").with_outlook(Outlook::Throttled)
            }
            "ResourceNotFoundException" => mend(self.no_such_bus()),
            "InvalidArgument" | "ValidationException" if says("EventBus") || says("vent bus") => {
                mend(self.no_such_bus())
            }
            "MalformedDetail" | "InvalidArgument" | "ValidationException" => {
                service("EventBridge will not take this event: ").with_outlook(Outlook::Permanent)
            }
            "AccessDeniedException"
            | "InvalidAccountIdException"
            | "NotAuthorizedForSourceException"
            | "NotAuthorizedForDetailTypeException" => mend(self.not_allowed()),
            _ => service(""),
        }
    }
}

#[async_trait]
impl Publisher for EventBridgePublisher {
    async fn publish(&self, pool: &str, event: &UserEvent) -> Result<(), Fault> {
        if event.name.is_empty() || event.name.chars().count() > LONGEST_NAME {
            let why = format!("the name of an event has 1 to {LONGEST_NAME} characters");
            return Err(Fault::of(FaultKind::Service, why).with_outlook(Outlook::Permanent));
        }
        self.look().await?;
        let mut detail = event.detail.clone();
        detail.entry("id").or_insert_with(|| event.id.as_str().into());
        detail.entry("pool").or_insert_with(|| pool.into());
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(SOURCE)
            .detail_type(&event.name)
            .time(DateTime::from_millis(event.time.as_millisecond()))
            .detail(serde_json::to_string(&detail)?);
        let error = match self.client().put_events().entries(entry.build()).send().await {
            Ok(answer) => {
                let failed = answer.entries().iter().find(|entry| entry.error_code().is_some());
                return match failed {
                    Some(entry) => Err(self.failed(entry)),
                    None if answer.failed_entry_count() > 0 => {
                        Err(Fault::of(FaultKind::Service, format!("{OPERATION} failed without a reason")))
                    }
                    None => Ok(()),
                };
            }
            Err(error) => error,
        };
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        Err(match code(&error) {
            Some(code) if is_throttling(code) => {
                let why = "over the quota for publishing events";
                fault_because(OPERATION, why, error).with_outlook(Outlook::Throttled)
            }
            Some("ResourceNotFoundException") => misconfigured(OPERATION, self.no_such_bus(), &error),
            Some("AccessDeniedException") => misconfigured(OPERATION, self.not_allowed(), &error),
            // Too big, by what EventBridge says or by what stands before it, or not what it should be.
            code if code == Some("ValidationException") || status == Some(413) => {
                let why = "EventBridge will not take this event: it is too big, or not JSON";
                fault_because(OPERATION, why, error).with_outlook(Outlook::Permanent)
            }
            _ => fault(OPERATION, error),
        })
    }
}

/// As EventBridge names buses (API reference, `PutEventsRequestEntry`).
fn is_bus(name: &str) -> bool {
    let (name, longest) = match name.strip_prefix("arn:") {
        Some(arn) => match arn.split_once(":event-bus/") {
            Some((place, bus)) if place.split(':').count() == 4 && place.contains(":events:") => (bus, LONGEST_BUS),
            _ => return false,
        },
        None => (name, LONGEST_BUS),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    (1..=longest).contains(&name.len()) && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_is_a_name_or_an_arn() {
        let long = "x".repeat(LONGEST_BUS);
        for good in
            ["acme", "default", "aws.partner/acme.example/1", "arn:aws:events:eu-central-1:123456789012:event-bus/acme"]
        {
            assert!(is_bus(good), "{good}");
        }
        assert!(is_bus(&long));
        let too_long = format!("{long}x");
        for bad in [
            "",
            "a b",
            "acme?x=1",
            "arn:aws:sqs:eu-central-1:123456789012:acme",
            "arn:aws:events:event-bus/x",
            &too_long,
        ] {
            assert!(!is_bus(bad), "{bad}");
        }
        let error =
            EventBridgePublisher::open("a b", &Environment::default(), Limits::COURIER).unwrap_err().to_string();
        assert!(
            error.starts_with("`a b` cannot be the name of an event bus; name it as in `eventbridge:acme`"),
            "{error}"
        );
    }
}
