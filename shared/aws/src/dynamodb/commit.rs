//! Writes a change: sends its parts together, hears what stood in the way, and sends again what can be sent otherwise.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, Put, TransactWriteItem};
use cognito_triggers::ledger::{Change, CommitId, Committed, Invitation, InvitationChange, InvitationKey, Moved};
use cognito_triggers::{Fault, FaultKind};
use jiff::Timestamp;

use super::DynamoLedger;
use super::items::Item;
use super::parts::{self, Meaning, Part};
use super::patience::Patience;
use crate::error::{code, fault};

/// How many items one transaction takes.
const MOST: usize = 100;

/// How one call ended.
enum Sent {
    /// Everything was written.
    Done,
    /// Nothing was written. For every part that was sent, why.
    Refused(Vec<Obstacle>),
}

/// What kept one part from being written.
enum Obstacle {
    /// Nothing: others did.
    None,
    /// Another transaction has the item in hand, or the table is too busy.
    Busy,
    /// Its condition failed, with the item as it is.
    Condition(Option<Item>),
}

pub(super) async fn commit(ledger: &DynamoLedger, change: &Change) -> Result<Committed, Fault> {
    let mut parts = parts::parts(change);
    if parts.len() > MOST {
        let message = format!("a change of {} items cannot be written: the ledger takes {MOST} at once", parts.len());
        return Err(Fault::new(message));
    }
    let mut patience = Patience::new("DynamoDB TransactWriteItems", ledger.limits.busy);
    loop {
        if !parts.iter().any(Part::is_sent) {
            return Ok(Committed::Done);
        }
        let obstacles = match send(&ledger.client, &ledger.table, change, &parts).await? {
            Sent::Done => return Ok(Committed::Done),
            Sent::Refused(obstacles) => obstacles,
        };
        let mut in_the_way = Moved::default();
        let mut adjusted = false;
        for (part, obstacle) in parts.iter_mut().filter(|part| part.is_sent()).zip(&obstacles) {
            let Obstacle::Condition(old) = obstacle else {
                continue;
            };
            match part.refused(old.as_ref(), change)? {
                Meaning::Applied => return Ok(Committed::Done),
                Meaning::InTheWay(moved) => {
                    in_the_way.member = moved.member.or(in_the_way.member);
                    in_the_way.invitations.extend(moved.invitations);
                    in_the_way.taken.extend(moved.taken);
                }
                Meaning::Adjusted => adjusted = true,
            }
        }
        if in_the_way != Moved::default() {
            return Ok(Committed::Moved(in_the_way));
        }
        match adjusted {
            true => patience.go_on()?,
            false => patience.pause().await?,
        }
    }
}

/// Stores an invitation that does not exist yet. `false` if it does, unless it was this very call that made it.
pub(super) async fn create_invitation(
    ledger: &DynamoLedger,
    key: &InvitationKey,
    invitation: &Invitation,
) -> Result<bool, Fault> {
    let put = InvitationChange::Put { expected: 0, invitation: invitation.clone() };
    let change = Change {
        id: CommitId::random()?,
        // Only names and reservations lapse, and there are none in it.
        now: Timestamp::UNIX_EPOCH,
        pool: key.pool.clone(),
        member: None,
        names: [].into(),
        invitations: [(key.clone(), put)].into(),
        deliveries: Vec::new(),
    };
    Ok(commit(ledger, &change).await? == Committed::Done)
}

async fn send(client: &Client, table: &str, change: &Change, parts: &[Part<'_>]) -> Result<Sent, Fault> {
    let sent: Vec<_> = parts.iter().filter(|part| part.is_sent()).collect();
    if let [part] = sent.as_slice()
        && part.member().is_some()
        && let Some(put) = part.write(table, change)?.put
    {
        return put_alone(client, put).await;
    }
    let writes = sent.iter().map(|part| part.write(table, change)).collect::<Result<Vec<_>, _>>()?;
    transact(client, writes, parts::token(&change.id, parts)).await
}

/// A member alone needs no transaction: it bears the ids of its last commits, by which a repeated call is recognised.
async fn put_alone(client: &Client, put: Put) -> Result<Sent, Fault> {
    let call = client
        .put_item()
        .table_name(put.table_name)
        .set_item(Some(put.item))
        .set_condition_expression(put.condition_expression)
        .set_expression_attribute_names(put.expression_attribute_names)
        .set_expression_attribute_values(put.expression_attribute_values)
        .set_return_values_on_condition_check_failure(put.return_values_on_condition_check_failure);
    let error = match call.send().await {
        Ok(_) => return Ok(Sent::Done),
        Err(error) => error,
    };
    if let SdkError::ServiceError(answer) = &error
        && let PutItemError::ConditionalCheckFailedException(failed) = answer.err()
    {
        return Ok(Sent::Refused(vec![Obstacle::Condition(failed.item.clone())]));
    }
    if is_busy(code(&error)) {
        return Ok(Sent::Refused(vec![Obstacle::Busy]));
    }
    Err(fault("DynamoDB PutItem", error))
}

async fn transact(client: &Client, writes: Vec<TransactWriteItem>, token: String) -> Result<Sent, Fault> {
    let call = client.transact_write_items().set_transact_items(Some(writes)).client_request_token(token);
    let error = match call.send().await {
        Ok(_) => return Ok(Sent::Done),
        Err(error) => error,
    };
    if let SdkError::ServiceError(answer) = &error
        && let TransactWriteItemsError::TransactionCanceledException(cancelled) = answer.err()
    {
        let reasons = cancelled.cancellation_reasons();
        return Ok(Sent::Refused(reasons.iter().map(obstacle).collect::<Result<_, _>>()?));
    }
    if is_busy(code(&error)) {
        return Ok(Sent::Refused(Vec::new()));
    }
    Err(fault("DynamoDB TransactWriteItems", error))
}

fn obstacle(reason: &CancellationReason) -> Result<Obstacle, Fault> {
    match reason.code() {
        None | Some("None") => Ok(Obstacle::None),
        Some("ConditionalCheckFailed") => Ok(Obstacle::Condition(reason.item.clone())),
        reason if is_busy(reason) => Ok(Obstacle::Busy),
        // Its message may quote the item.
        Some(code) => {
            let message = format!("DynamoDB TransactWriteItems failed: {code} for one of the items");
            Err(Fault::of(FaultKind::Service, message))
        }
    }
}

/// Whether the same call may well succeed in a moment. Codes of calls and of reasons: DynamoDB developer guide, "Error handling"
/// and "TransactionCanceledException".
pub(super) fn is_busy(code: Option<&str>) -> bool {
    const BUSY: [&str; 8] = [
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
        "ThrottlingError",
        "ThrottlingException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
    ];
    code.is_some_and(|code| BUSY.contains(&code))
}
