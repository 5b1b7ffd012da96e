//! What only an operator does: lists members, writes the switches.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use cognito_triggers::Fault;
use cognito_triggers::ledger::{CommitId, MemberPage, Switches};

use super::DynamoLedger;
use super::items::attribute::VERSION;
use super::items::{self, number, text};
use super::keys::{self, Key, PK, SK};
use crate::error::fault;

/// One page of a scan: of a megabyte that was looked at, the members of the pool. There is no index of members, so this reads
/// the whole table, whatever the pool.
pub(super) async fn members(ledger: &DynamoLedger, pool: &str, page: Option<String>) -> Result<MemberPage, Fault> {
    let after = page.map(|page| match page.split_once('\n') {
        Some((pk, sk)) => Ok(Key { pk: pk.to_owned(), sk: sk.to_owned() }.attributes()),
        None => Err(Fault::new("this is not where a page of members begins")),
    });
    let answer = ledger
        .client
        .scan()
        .table_name(&ledger.table)
        .filter_expression("begins_with(#pk, :users) AND #sk = :member")
        .expression_attribute_names("#pk", PK)
        .expression_attribute_names("#sk", SK)
        .expression_attribute_values(":users", text(keys::users(pool)))
        .expression_attribute_values(":member", AttributeValue::S(keys::MEMBER.into()))
        .set_exclusive_start_key(after.transpose()?)
        .send()
        .await
        .map_err(|error| fault("DynamoDB Scan", error))?;
    let mut members = Vec::new();
    for item in answer.items.unwrap_or_default() {
        let Some(sub) = Key::of(&item).and_then(|key| keys::sub(&key, pool)) else { continue };
        members.push((sub, items::read_member(&item)?));
    }
    let next = answer.last_evaluated_key.filter(|key| !key.is_empty()).and_then(|key| Key::of(&key));
    Ok(MemberPage { members, next: next.map(|Key { pk, sk }| format!("{pk}\n{sk}")) })
}

/// Writes the switches over the version that was read. `false` if they have moved, unless it was this very call that moved
/// them.
pub(super) async fn switch(
    ledger: &DynamoLedger,
    pool: &str,
    expected: u64,
    switches: &Switches,
) -> Result<bool, Fault> {
    let call = CommitId::random()?;
    let switches = Switches { version: expected.saturating_add(1), ..switches.clone() };
    let put = ledger.client.put_item().table_name(&ledger.table);
    let put = put
        .set_item(Some(items::switches(&Key::switches(pool), &switches, &call)?))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let put = match expected {
        0 => put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK),
        _ => put
            .condition_expression("#version = :expected")
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":expected", number(expected)),
    };
    match put.send().await {
        Ok(_) => Ok(true),
        Err(SdkError::ServiceError(answer))
            if matches!(answer.err(), PutItemError::ConditionalCheckFailedException(failed)
                if failed.item.as_ref().is_none_or(|item| !items::bears(item, &call))) =>
        {
            Ok(false)
        }
        Err(SdkError::ServiceError(answer))
            if matches!(answer.err(), PutItemError::ConditionalCheckFailedException(_)) =>
        {
            Ok(true)
        }
        Err(error) => Err(fault("DynamoDB PutItem", error)),
    }
}
