//! Events as EventBridge gets them from CloudTrail: what is documented of them, and where it is not, what is harder to read.

use cognito_triggers::Fault;
use cognito_triggers_embedded::new_user_name;
use jiff::Timestamp;
use serde_json::{Value, json};

/// What Cognito writes for user names, passwords and tokens.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// The event of an operation on a user that ended at this time.
///
/// "`additionalEventData.sub` as user" (developer guide); the pool stands where the request has it. An operation that is
/// authorised by an access token has none, and whether its record names the pool is not documented: here it does not.
///
/// # Errors
///
/// If the system has no randomness to give.
pub(super) fn record(pool: &str, operation: &str, sub: &str, at: Timestamp) -> Result<Value, Fault> {
    // "The date and time the request was completed" has no fractions.
    let time = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (identity, request) = if operation.starts_with("Admin") {
        let request = json!({ "userPoolId": pool, "username": HIDDEN });
        (json!({ "type": "AssumedRole", "accountId": "123456789012" }), request)
    } else {
        (json!({ "type": "Unknown", "principalId": "Anonymous" }), json!({ "accessToken": HIDDEN }))
    };
    let region = pool.split_once('_').map_or(pool, |(region, _)| region);
    Ok(json!({
        "version": "0",
        "id": new_user_name()?,
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.cognito-idp",
        "account": "123456789012",
        "time": time,
        "region": region,
        "resources": [],
        "detail": {
            "eventVersion": "1.08",
            "userIdentity": identity,
            "eventTime": time,
            "eventSource": "cognito-idp.amazonaws.com",
            "eventName": operation,
            "awsRegion": region,
            "sourceIPAddress": "192.0.2.1",
            "userAgent": "aws-sdk-unknown-unknown",
            "requestParameters": request,
            "responseElements": null,
            "additionalEventData": { "sub": sub },
            "requestID": new_user_name()?,
            "eventID": new_user_name()?,
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": "123456789012",
            "eventCategory": "Management",
        },
    }))
}
