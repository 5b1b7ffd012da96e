//! What the adapters send is what `grants` says they are allowed, no more and no less: every contract is kept through a proxy,
//! and what went over the wire is read as IAM reads it.

use std::collections::BTreeSet;

use cognito_triggers::grants::{Grant, Resource};
use serde_json::Value;

use crate::proxy::Exchange;

/// Actions, and on what.
pub(crate) type Actions = BTreeSet<(Resource, String)>;

/// What is granted by these.
pub(crate) fn granted(grants: &[&[Grant]]) -> Actions {
    let grants = grants.iter().flat_map(|grants| grants.iter());
    grants.flat_map(|grant| grant.actions.iter().map(|action| (grant.on, (*action).to_owned()))).collect()
}

/// What IAM asks of whoever sends these.
pub(crate) fn asked(exchanges: &[Exchange]) -> Actions {
    exchanges.iter().flat_map(asked_of).collect()
}

fn asked_of(exchange: &Exchange) -> Vec<(Resource, String)> {
    let operation = exchange.operation.as_str();
    let head = exchange.head.to_ascii_lowercase();
    let target = head.lines().find_map(|line| line.strip_prefix("x-amz-target:")).unwrap_or_default().trim().to_owned();
    match target.split('.').next().unwrap_or_default() {
        "dynamodb_20120810" => dynamodb(operation, &exchange.body),
        "awscognitoidentityproviderservice" => vec![(Resource::UserPool, format!("cognito-idp:{operation}"))],
        "awsevents" => vec![(Resource::EventBus, format!("events:{operation}"))],
        "" => match operation {
            "SendRawEmail" => {
                let send = |on| (on, "ses:SendRawEmail".to_owned());
                let has_set = String::from_utf8_lossy(&exchange.body).contains("ConfigurationSetName=");
                let set = has_set.then(|| send(Resource::ConfigurationSet));
                std::iter::once(send(Resource::SenderIdentity)).chain(set).collect()
            }
            "PutObject" => vec![(Resource::UserObjects, "s3:PutObject".to_owned())],
            // "You must have read access to the source object and write access to the destination" (API reference, `CopyObject`).
            "CopyObject" => vec![
                (Resource::UserObjects, "s3:PutObject".to_owned()),
                (Resource::TemplateObjects, "s3:GetObject".to_owned()),
            ],
            "ListObjectsV2" => vec![(Resource::Bucket, "s3:ListBucket".to_owned())],
            // Only an S3 elsewhere is asked first, see the adapter.
            "HeadObject" => Vec::new(),
            other => panic!("{other} is no call that is known here:\n{head}"),
        },
        other => panic!("{other} is no service that is known here"),
    }
}

/// "Permissions for Put, Update, Delete, and Get actions are governed by the permissions used for the underlying PutItem,
/// UpdateItem, DeleteItem, and GetItem operations" (developer guide, "Using IAM with DynamoDB transactions").
fn dynamodb(operation: &str, body: &[u8]) -> Vec<(Resource, String)> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let on = match body.get("IndexName") {
        Some(_) => Resource::LedgerIndex,
        None => Resource::LedgerTable,
    };
    let action = |name: &str| (on, format!("dynamodb:{name}"));
    match operation {
        "TransactWriteItems" => {
            let items = body["TransactItems"].as_array().unwrap().iter();
            let names = items.flat_map(|item| item.as_object().unwrap().keys());
            names.map(|name| action(&format!("{name}Item"))).collect()
        }
        operation => vec![action(operation)],
    }
}
