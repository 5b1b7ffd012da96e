//! Why the courier is called: to sweep, or because the table's stream tells of new deliveries.

use std::collections::BTreeMap;

use aws_lambda_events::dynamodb::EventRecord;
use cognito_triggers::ledger::{Delivery, DeliveryId, Task};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What the event source of a record is for a stream of DynamoDB.
const DYNAMODB: &str = "aws:dynamodb";

/// What the sort key of a delivery begins with.
const DELIVERY: &str = "D#";

/// Why the courier is called.
#[derive(Debug)]
pub enum Occasion {
    /// To carry out what is due. Whatever is no stream asks for that: an event of EventBridge, a payload somebody chose for
    /// a schedule, `{}` by hand, nothing at all.
    Schedule,
    /// To be told of new items by the stream of the ledger's table.
    Stream(Records),
}

/// What the records of a stream tell.
#[derive(Debug, Default)]
pub struct Records {
    /// How many there were.
    pub all: usize,
    /// New deliveries, due or not.
    pub new: Vec<Delivery>,
    /// Why records could not be read, and how many of them for that reason. The next sweep finds what they told of.
    pub unread: BTreeMap<String, usize>,
}

impl Occasion {
    /// Why an event calls.
    #[must_use]
    pub fn of(event: &[u8]) -> Self {
        match serde_json::from_slice::<Stream<'_>>(event) {
            Ok(stream) if stream.records.iter().all(|record| is_of_dynamodb(record)) => {
                Self::Stream(Records::read(&stream.records))
            }
            _ => Self::Schedule,
        }
    }

    /// The name in logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Stream(_) => "stream",
        }
    }
}

impl Records {
    fn read(records: &[&RawValue]) -> Self {
        let mut read = Self { all: records.len(), ..Self::default() };
        for record in records {
            match new_delivery(record) {
                Ok(delivery) => read.new.extend(delivery),
                Err(why) => *read.unread.entry(why).or_default() += 1,
            }
        }
        read
    }

    /// The new deliveries that are due. What is carried out inline is not: it is when that went wrong.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<DeliveryId> {
        self.new.iter().filter(|delivery| delivery.is_due(now)).map(|delivery| delivery.id.clone()).collect()
    }

    /// What the deliveries say of users, as JSON: none of it belongs into a log.
    #[must_use]
    pub fn personal(&self) -> Value {
        self.new.iter().map(personal).collect()
    }
}

/// Records one by one: one that cannot be read must not keep the others from being read.
#[derive(Deserialize)]
struct Stream<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    #[serde(alias = "EventSource")]
    event_source: Option<String>,
}

/// Other services (SQS, SNS, S3) call what they send `Records` too, and each record names the service. One that names none is
/// read, to say what is wrong with it.
fn is_of_dynamodb(record: &RawValue) -> bool {
    let source = serde_json::from_str::<Source>(record.get()).ok().and_then(|source| source.event_source);
    source.is_none_or(|source| source == DYNAMODB)
}

/// What a record tells of: a new delivery, or something that is none of ours.
fn new_delivery(record: &RawValue) -> Result<Option<Delivery>, String> {
    // serde's own messages quote values.
    let at = |error: serde_json::Error| format!("it is not a record of DynamoDB at column {}", error.column());
    let record: EventRecord = serde_json::from_str(record.get()).map_err(at)?;
    let Keys { sk } = serde_dynamo::from_item(record.change.keys).map_err(|_| "its key has no `sk`".to_owned())?;
    if record.event_name != "INSERT" || !sk.starts_with(DELIVERY) {
        return Ok(None);
    }
    if record.change.new_image.is_empty() {
        return Err("it holds no new image: let the stream's view type be NEW_IMAGE".into());
    }
    let no_data = |_| "its new image has no `data`".to_owned();
    let Image { data } = serde_dynamo::from_item(record.change.new_image).map_err(no_data)?;
    let unknown = |error: serde_json::Error| format!("its data is not a delivery at column {}", error.column());
    serde_json::from_str(&data).map(Some).map_err(unknown)
}

/// The key of an item of the ledger's table, as far as it tells deliveries from others.
#[derive(Deserialize)]
struct Keys {
    sk: String,
}

/// A delivery as the ledger's table holds it: all that was staged is JSON in one attribute. What became of it stands in other
/// attributes, and of a new one nothing has.
#[derive(Deserialize)]
struct Image {
    data: String,
}

fn personal(delivery: &Delivery) -> Value {
    let task = match &delivery.task {
        Task::UpdateAttributes { user_name, attributes } => json!([user_name, attributes]),
        Task::Mail(mail) => {
            let names: Vec<_> = mail.to.iter().map(|mailbox| (mailbox.name(), mailbox.address())).collect();
            json!([names, mail.context])
        }
        Task::Files(files) => json!(files.context),
        Task::Publish(event) => json!([event.id, event.detail]),
        _ => Value::Null,
    };
    json!([delivery.id.sub, delivery.only_if, task])
}
