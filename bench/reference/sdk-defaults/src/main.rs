//! What the SDK's documentation shows: `lambda_runtime`, `aws-config` and the client of DynamoDB, all with their default
//! features, the client made in `main`. For an event it makes the calls that `sign-in-count` makes: one read of the member and
//! the switches, one write of the member. It decides nothing: it writes what was recorded there.

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use lambda_runtime::{Error, LambdaEvent, service_fn, tracing};
use serde_json::Value;
use std::collections::HashMap;

const TABLE: &str = "cognito-triggers";

/// A write of `sign-in-count`, as `cold-start --record` wrote it down.
const RECORDED: &str = include_str!("../../blocking/requests/PutItem.json");

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let client = Client::new(&config);
    lambda_runtime::run(service_fn(|event| count(&client, event))).await
}

async fn count(client: &Client, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let event = event.payload;
    let text = |pointer| event.pointer(pointer).and_then(Value::as_str).ok_or(format!("the event has no {pointer}"));
    let (pool, sub) = (text("/userPoolId")?, text("/request/userAttributes/sub")?);
    let member = key(format!("U#{pool}#{sub}"), "M");
    let keys = KeysAndAttributes::builder().keys(key(format!("K#{pool}"), "K")).keys(member.clone());
    let keys = keys.consistent_read(true).build()?;
    client.batch_get_item().request_items(TABLE, keys).send().await?;

    let recorded: Value = serde_json::from_str(RECORDED)?;
    let data = recorded.pointer("/Item/data/S").and_then(Value::as_str).ok_or("nothing is recorded")?;
    client
        .put_item()
        .table_name(TABLE)
        .set_item(Some(member))
        .item("version", AttributeValue::N("1".into()))
        .item("data", AttributeValue::S(data.into()))
        .condition_expression("attribute_not_exists(#pk)")
        .expression_attribute_names("#pk", "pk")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await?;
    Ok(event)
}

fn key(pk: String, sk: &str) -> HashMap<String, AttributeValue> {
    [("pk".into(), AttributeValue::S(pk)), ("sk".into(), AttributeValue::S(sk.into()))].into()
}
