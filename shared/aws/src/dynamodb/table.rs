//! The table as it has to be.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification, TimeToLiveStatus,
};
use cognito_triggers::Fault;

use super::items::attribute::{DUE, SHARD, TTL};
use super::keys::{PK, SK};
use crate::error::{code, fault};

/// The sparse index of deliveries.
pub(super) const INDEX: &str = "due";

/// How long a new table may take.
const READY: Duration = Duration::from_secs(60);

pub(super) async fn create(client: &Client, table: &str) -> Result<(), Fault> {
    let index = GlobalSecondaryIndex::builder()
        .index_name(INDEX)
        .key_schema(key(SHARD, KeyType::Hash)?)
        .key_schema(key(DUE, KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    let created = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(defined(PK, ScalarAttributeType::S)?)
        .attribute_definitions(defined(SK, ScalarAttributeType::S)?)
        .attribute_definitions(defined(SHARD, ScalarAttributeType::N)?)
        .attribute_definitions(defined(DUE, ScalarAttributeType::N)?)
        .key_schema(key(PK, KeyType::Hash)?)
        .key_schema(key(SK, KeyType::Range)?)
        .global_secondary_indexes(index.build()?)
        .send()
        .await;
    match created {
        Ok(_) => {}
        // It exists, or is being made by somebody else.
        Err(error) if code(&error) == Some("ResourceInUseException") => {}
        Err(error) => return Err(fault("DynamoDB CreateTable", error)),
    }
    let waiting = client.wait_until_table_exists().table_name(table).wait(READY).await;
    waiting.map_err(|error| Fault::service("the new DynamoDB table did not become ready", error))?;
    clean_up(client, table).await
}

async fn clean_up(client: &Client, table: &str) -> Result<(), Fault> {
    let answer = client.describe_time_to_live().table_name(table).send().await;
    let answer = answer.map_err(|error| fault("DynamoDB DescribeTimeToLive", error))?;
    let status = answer.time_to_live_description.and_then(|description| description.time_to_live_status);
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder().attribute_name(TTL).enabled(true).build()?;
    let call = client.update_time_to_live().table_name(table).time_to_live_specification(specification);
    call.send().await.map(drop).map_err(|error| fault("DynamoDB UpdateTimeToLive", error))
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, Fault> {
    Ok(KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?)
}

fn defined(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, Fault> {
    Ok(AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()?)
}
