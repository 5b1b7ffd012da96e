//! What only an operator does: lists members, writes the switches.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use cognito_triggers::Fault;
use cognito_triggers::ledger::{CommitId, MemberPage, Switches};

use super::DynamoLedger;
use super::commit::is_busy;
use super::items::attribute::VERSION;
use super::items::{self, Item, number, text};
use super::keys::{self, Key, PK, SK};
use super::patience::Patience;
use crate::error::{code, fault};

/// One page: of a megabyte of the table that was looked at, the members of the pool, which may be none.
pub(super) async fn members(ledger: &DynamoLedger, pool: &str, page: Option<String>) -> Result<MemberPage, Fault> {
    let answer = scan(ledger, pool, page.as_deref().map(place).transpose()?).await?;
    let mut members = Vec::new();
    for item in answer.items.unwrap_or_default() {
        if let Some(sub) = items::read_sub(&item, pool) {
            members.push((sub, items::read_member(&item)?));
        }
    }
    let next = answer.last_evaluated_key.as_ref().and_then(Key::of).map(|key| token(&key)).transpose()?;
    Ok(MemberPage { members, next })
}

/// There is no index of members: it would cost every sign-in a write more. So this reads the whole table, page by page, and
/// DynamoDB leaves out what is none of the pool's members.
async fn scan(ledger: &DynamoLedger, pool: &str, after: Option<Item>) -> Result<ScanOutput, Fault> {
    let mut patience = Patience::new("DynamoDB Scan", ledger.limits.busy);
    loop {
        let call = ledger
            .client
            .scan()
            .table_name(&ledger.table)
            .consistent_read(true)
            .filter_expression("begins_with(#pk, :users) AND #sk = :member")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":users", text(keys::users(pool)))
            .expression_attribute_values(":member", text(keys::MEMBER))
            .set_exclusive_start_key(after.clone());
        match call.send().await {
            Ok(answer) => return Ok(answer),
            Err(error) if is_busy(code(&error)) => patience.pause().await?,
            Err(error) => return Err(fault("DynamoDB Scan", error)),
        }
    }
}

/// Where a page ended: the last key that was looked at, whatever it belongs to. Keys may hold any character.
fn token(Key { pk, sk }: &Key) -> Result<String, Fault> {
    Ok(serde_json::to_string(&[pk, sk])?)
}

fn place(token: &str) -> Result<Item, Fault> {
    let no_place = |_| Fault::new("this is not where a page of members begins");
    let [pk, sk]: [String; 2] = serde_json::from_str(token).map_err(no_place)?;
    Ok(Key { pk, sk }.attributes())
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
    let item = items::switches(&Key::switches(pool), &switches, &call)?;
    let (condition, name, values) = match expected {
        0 => ("attribute_not_exists(#name)", PK, None),
        _ => ("#name = :expected", VERSION, Some([(":expected".to_owned(), number(expected))].into())),
    };
    let mut patience = Patience::new("DynamoDB PutItem", ledger.limits.busy);
    loop {
        let put = ledger
            .client
            .put_item()
            .table_name(&ledger.table)
            .set_item(Some(item.clone()))
            .condition_expression(condition)
            .expression_attribute_names("#name", name)
            .set_expression_attribute_values(values.clone())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match put.send().await {
            Ok(_) => return Ok(true),
            Err(error) => error,
        };
        if let SdkError::ServiceError(answer) = &error
            && let PutItemError::ConditionalCheckFailedException(failed) = answer.err()
        {
            return Ok(failed.item.as_ref().is_some_and(|item| items::bears(item, &call)));
        }
        if !is_busy(code(&error)) {
            return Err(fault("DynamoDB PutItem", error));
        }
        patience.pause().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_behind_any_key() {
        for (pk, sk) in [("U#p#a", "M"), ("N#p#nickname#a\nb", "C"), ("U#p#x", "D#rule/\n\"\\[,é株"), ("", "")] {
            let key = Key { pk: pk.into(), sk: sk.into() };
            assert_eq!(place(&token(&key).unwrap()).unwrap(), key.attributes());
        }
    }

    #[test]
    fn what_is_no_place_is_refused_without_being_quoted() {
        for wrong in ["", "anna", "[]", "[\"anna\"]", "[1, 2]", "U#p#anna\nM"] {
            let fault = place(wrong).unwrap_err().causes();
            assert_eq!(fault, "this is not where a page of members begins");
        }
    }
}
