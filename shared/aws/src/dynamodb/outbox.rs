//! The courier's view of the table: what is due is found through the index and leased one by one, each by a conditional write.
//!
//! The index hears of a write some milliseconds late, so what it says is due may have been leased since. It is only where to
//! look; who gets a delivery is decided by the condition.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, Select};
use cognito_triggers::ledger::{Backlog, CommitId, Delivery, DeliveryId, Fate, Lease, LeaseId, Outbox};
use cognito_triggers::{Fault, random};
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::items::attribute::{ATTEMPTS, CALL, DUE, FAILING, FAULT, LEASE, PARKED, SHARD};
use super::items::{self, Item, number, text, time};
use super::keys::{Key, PARKED_SHARD, SHARDS};
use super::patience::Patience;
use super::{AT_ONCE, DynamoLedger, commit, table};
use crate::error::{code, fault};

/// The fewest deliveries a query asks for: they cost the same as one.
const FEWEST: usize = 8;
/// The most a query asks for, so that a page stays far below the megabyte at which DynamoDB cuts it.
const MOST: usize = 1_000;
/// How many unreadable ones a call passes over before it is content with what it has.
const MOST_UNREADABLE: usize = 200;

#[async_trait]
impl Outbox for DynamoLedger {
    async fn lease_due(&self, lease: &Lease, most: usize) -> Result<Vec<Delivery>, Fault> {
        let call = CommitId::random()?;
        let mut shards: Vec<_> = (0..SHARDS).map(Place::beginning).collect();
        // Usually all shards have about as many. Where they have not, or others were quicker, further pages follow.
        let share = (most / usize::from(SHARDS) * 2).clamp(FEWEST, MOST);
        let mut leased = Leased::default();
        // Where something fails, going on would only make the same fail for everything that is due.
        while leased.len() < most && leased.may_go_on() && !shards.is_empty() {
            let queries: Vec<_> = shards.into_iter().map(|place| self.due(place, lease.now, share)).collect();
            let pages: Vec<_> = stream::iter(queries).buffer_unordered(AT_ONCE).collect().await;
            let (mut due, mut more) = (Vec::new(), Vec::new());
            for page in pages {
                match page {
                    Ok((found, next)) => {
                        due.extend(found);
                        more.extend(next);
                    }
                    Err(fault) => leased.note(fault),
                }
            }
            shards = more;
            due.sort_by_key(|found: &Found| found.due);
            let mut due = due.into_iter();
            loop {
                let mut next: Vec<_> = due.by_ref().take(most.saturating_sub(leased.len())).collect();
                if next.is_empty() {
                    break;
                }
                // Couriers who ask at once find the same ones; beginning at different ones, each gets a share.
                let start = usize::try_from(random::number()?)? % next.len();
                next.rotate_left(start);
                self.lease_each(next, lease, &call, &mut leased).await;
                if !leased.may_go_on() {
                    break;
                }
            }
        }
        leased.result()
    }

    async fn lease(&self, deliveries: &[DeliveryId], lease: &Lease) -> Result<Vec<Delivery>, Fault> {
        let call = CommitId::random()?;
        // One that is named twice is leased once, or it would be worked on twice.
        let keys: BTreeSet<_> = deliveries.iter().map(Key::delivery).collect();
        let found: Vec<_> = keys.into_iter().map(|key| Found { key, due: None }).collect();
        let mut leased = Leased::default();
        self.lease_each(found, lease, &call, &mut leased).await;
        leased.result()
    }

    async fn settle(&self, delivery: &DeliveryId, lease: &LeaseId, fate: &Fate) -> Result<bool, Fault> {
        let key = Key::delivery(delivery);
        let mut step = Step::when("#lease = :holder").value(":holder", text(lease.as_str())).remove(LEASE);
        match fate {
            Fate::Later { due, attempts, failing_since, fault } => {
                step = step.set(DUE, time(*due)).set(SHARD, number(key.shard())).remove(PARKED);
                step = step.set(ATTEMPTS, number(attempts)).set(FAULT, text(fault));
                step = match failing_since {
                    Some(since) => step.set(FAILING, time(*since)),
                    None => step.remove(FAILING),
                };
            }
            Fate::Waiting { due } => step = step.set(DUE, time(*due)),
            Fate::Parked { at, attempts, fault } => {
                step = step.set(DUE, time(*at)).set(SHARD, number(PARKED_SHARD)).set(PARKED, time(*at));
                step = step.set(ATTEMPTS, number(attempts)).set(FAULT, text(fault));
            }
        }
        Ok(self.step(&key, &CommitId::random()?, step).await?.is_some())
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog, Fault> {
        let counts: Vec<_> = (0..=PARKED_SHARD).map(|shard| self.count(shard, now)).collect();
        let counts: Vec<_> = stream::iter(counts).buffered(AT_ONCE).collect().await;
        let mut backlog = Backlog::default();
        for (shard, count) in (0..=PARKED_SHARD).zip(counts) {
            let (count, oldest) = count?;
            if shard == PARKED_SHARD {
                backlog.parked = count;
                continue;
            }
            backlog.due += count;
            backlog.oldest = backlog.oldest.into_iter().chain(oldest).min();
        }
        Ok(backlog)
    }
}

/// Makes a delivery due at once and forgets its tries, unless somebody works on it.
pub(super) async fn redrive(ledger: &DynamoLedger, delivery: &DeliveryId, now: Timestamp) -> Result<bool, Fault> {
    let key = Key::delivery(delivery);
    // What does not exist is not due either, whatever its lease.
    let step = Step::when("attribute_exists(#shard) AND (attribute_not_exists(#lease) OR #due <= :due)")
        .set(DUE, time(now))
        .set(SHARD, number(key.shard()))
        .set(ATTEMPTS, number(0))
        .remove(LEASE)
        .remove(FAILING)
        .remove(PARKED);
    Ok(ledger.step(&key, &CommitId::random()?, step).await?.is_some())
}

/// What one call has leased so far.
#[derive(Default)]
struct Leased {
    /// With the time since when each was due.
    deliveries: Vec<(Option<Timestamp>, Delivery)>,
    fault: Option<Fault>,
    /// How many could not be read, and why the first could not.
    unreadable: (usize, Option<Fault>),
}

impl Leased {
    fn len(&self) -> usize {
        self.deliveries.len()
    }

    fn note(&mut self, fault: Fault) {
        tracing::warn!(cause = fault.causes(), "a delivery could not be leased");
        self.fault.get_or_insert(fault);
    }

    /// One that a newer version wrote, perhaps. It stays for whoever can read it, and is leased meanwhile, so that it does not
    /// stand before the others at every call.
    fn note_unreadable(&mut self, fault: Fault) {
        tracing::warn!(cause = fault.causes(), "a delivery is left to a version that can read it");
        self.unreadable.0 += 1;
        self.unreadable.1.get_or_insert(fault);
    }

    fn may_go_on(&self) -> bool {
        self.fault.is_none() && self.unreadable.0 < MOST_UNREADABLE
    }

    /// What was leased is to be worked on, even if others could not be.
    fn result(mut self) -> Result<Vec<Delivery>, Fault> {
        match self.fault.or(self.unreadable.1) {
            Some(fault) if self.deliveries.is_empty() => Err(fault),
            _ => {
                self.deliveries.sort_by_key(|(due, _)| *due);
                Ok(self.deliveries.into_iter().map(|(_, delivery)| delivery).collect())
            }
        }
    }
}

/// From where on a shard is read.
struct Place {
    shard: u8,
    after: Option<Item>,
}

impl Place {
    const fn beginning(shard: u8) -> Self {
        Self { shard, after: None }
    }
}

/// A delivery as the index knows it.
struct Found {
    key: Key,
    due: Option<Timestamp>,
}

impl DynamoLedger {
    /// The next that are due in one shard, the oldest first, and where to go on if there may be more.
    async fn due(&self, place: Place, now: Timestamp, most: usize) -> Result<(Vec<Found>, Option<Place>), Fault> {
        let query = self.client.query().table_name(&self.table).index_name(table::INDEX);
        let answer = query
            .key_condition_expression("#shard = :shard AND #due <= :now")
            .expression_attribute_names("#shard", SHARD)
            .expression_attribute_names("#due", DUE)
            .expression_attribute_values(":shard", number(place.shard))
            .expression_attribute_values(":now", time(now))
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .set_exclusive_start_key(place.after)
            .send()
            .await
            .map_err(|error| fault("DynamoDB Query", error))?;
        let found = answer.items.unwrap_or_default();
        let found = found.iter().filter_map(|item| Some(Found { key: Key::of(item)?, due: items::read_due(item) }));
        let after = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((found.collect(), after.map(|after| Place { shard: place.shard, after: Some(after) })))
    }

    /// Leases these side by side, as far as they are there and due.
    async fn lease_each(&self, found: Vec<Found>, lease: &Lease, call: &CommitId, leased: &mut Leased) {
        let each: Vec<_> = found.iter().map(|found| self.lease_one(&found.key, lease, call)).collect();
        let each: Vec<_> = stream::iter(each).buffered(AT_ONCE).collect().await;
        for (found, one) in found.into_iter().zip(each) {
            match one {
                Ok(None) => {}
                Ok(Some(Ok(delivery))) => leased.deliveries.push((found.due, delivery)),
                Ok(Some(Err(unreadable))) => leased.note_unreadable(unreadable),
                Err(fault) => leased.note(fault),
            }
        }
    }

    async fn lease_one(
        &self,
        key: &Key,
        lease: &Lease,
        call: &CommitId,
    ) -> Result<Option<Result<Delivery, Fault>>, Fault> {
        let step = Step::when("attribute_not_exists(#parked) AND #due <= :now")
            .asks(PARKED)
            .value(":now", time(lease.now))
            .set(DUE, time(lease.until))
            .set(LEASE, text(lease.id.as_str()));
        Ok(self.step(key, call, step).await?.as_ref().map(items::read_delivery))
    }

    /// Takes one step with one delivery and answers it as it is then; `None` if the condition did not hold.
    ///
    /// The step bears the name of the call, by which one whose answer was lost is known when it is repeated.
    async fn step(&self, key: &Key, call: &CommitId, step: Step) -> Result<Option<Item>, Fault> {
        let step = step.set(CALL, text(call.as_str()));
        let expression = step.expression();
        let mut patience = Patience::new("DynamoDB UpdateItem", self.limits.busy);
        loop {
            let update = self.client.update_item().table_name(&self.table).set_key(Some(key.attributes()));
            let update = update
                .update_expression(&expression)
                .condition_expression(step.condition)
                .set_expression_attribute_names(Some(step.names.clone()))
                .set_expression_attribute_values(Some(step.values.clone()))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            let error = match update.send().await {
                Ok(answer) => return Ok(Some(answer.attributes.unwrap_or_default())),
                Err(error) => error,
            };
            if let SdkError::ServiceError(answer) = &error
                && let UpdateItemError::ConditionalCheckFailedException(failed) = answer.err()
            {
                return Ok(failed.item.clone().filter(|item| items::is_of_call(item, call)));
            }
            if !commit::is_busy(code(&error)) {
                return Err(fault("DynamoDB UpdateItem", error));
            }
            patience.pause().await?;
        }
    }

    /// How many deliveries of a shard are due, or in that of the parked ones how many there are; and since when the oldest is.
    async fn count(&self, shard: u8, now: Timestamp) -> Result<(usize, Option<Timestamp>), Fault> {
        let (mut count, mut oldest, mut after) = (0, None, None);
        loop {
            let query = self.client.query().table_name(&self.table).index_name(table::INDEX);
            let mut query =
                query.expression_attribute_names("#shard", SHARD).expression_attribute_values(":shard", number(shard));
            query = match shard {
                PARKED_SHARD => query.key_condition_expression("#shard = :shard"),
                _ => query
                    .key_condition_expression("#shard = :shard AND #due <= :now")
                    .expression_attribute_names("#due", DUE)
                    .expression_attribute_values(":now", time(now)),
            };
            // Of the first page the oldest is wanted too.
            query = match (&after, shard) {
                (None, 0..SHARDS) => query.projection_expression("#due"),
                _ => query.select(Select::Count),
            };
            let query = query.set_exclusive_start_key(after);
            let answer = query.send().await.map_err(|error| fault("DynamoDB Query", error))?;
            count += usize::try_from(answer.count).unwrap_or(0);
            oldest = oldest.or_else(|| items::read_due(answer.items.as_ref()?.first()?));
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() {
                return Ok((count, oldest));
            }
        }
    }
}

/// One conditional write of one delivery. `#x` stands for the attribute `x`, `:x` for what it is set to.
struct Step {
    condition: &'static str,
    set: Vec<String>,
    remove: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Step {
    fn when(condition: &'static str) -> Self {
        Self { condition, set: Vec::new(), remove: Vec::new(), names: HashMap::new(), values: HashMap::new() }
    }

    /// Names an attribute that stands in the condition alone: DynamoDB refuses names that are missing or not used.
    fn asks(mut self, name: &str) -> Self {
        self.names.insert(format!("#{name}"), name.to_owned());
        self
    }

    /// A value that stands in the condition alone.
    fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.set.push(format!("#{name} = :{name}"));
        self.asks(name).value(&format!(":{name}"), value)
    }

    fn remove(mut self, name: &str) -> Self {
        self.remove.push(format!("#{name}"));
        self.asks(name)
    }

    fn expression(&self) -> String {
        let set = format!("SET {}", self.set.join(", "));
        if self.remove.is_empty() { set } else { format!("{set} REMOVE {}", self.remove.join(", ")) }
    }
}
