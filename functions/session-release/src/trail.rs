//! What a record of CloudTrail tells: what was done to whom in which pool, and when.
//!
//! Where Cognito puts pool and `sub` is documented by examples only ("To understand the CloudTrail event schema for any
//! operation, generate a request for that operation and review the events that it creates in your trail", Cognito developer
//! guide, "Example Amazon Cognito events"), so every place in which one of them was seen is looked at:
//!
//! - the `sub` is `additionalEventData.sub` ("`additionalEventData.sub` as user", Cognito developer guide, sample queries of
//!   "Amazon Cognito logging in AWS CloudTrail");
//! - the pool is `requestParameters.userPoolId` where the request has one, so for all operations of administrators; elsewhere
//!   `additionalEventData.userPoolId` (seen for endpoints), or the last part of an ARN among `resources`. Operations that are
//!   authorised by an access token (GlobalSignOut, DeleteUser, ChangePassword) have no pool in the request: UNSURE whether
//!   their records name it anywhere, which is what `TRIGGERS_POOLS` is for;
//! - user names and tokens are "HIDDEN_DUE_TO_SECURITY_REASONS", so a user name is never taken for anything.

use jiff::Timestamp;
use serde_json::Value;

use crate::{is_pool, is_sub};

/// The service whose records count. IAM has a `DeleteUser` and a `ChangePassword`, too.
const SERVICE: &str = "cognito-idp.amazonaws.com";

/// What stands for what Cognito does not tell.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// A record.
#[derive(Debug)]
pub struct Trail {
    /// The operation, e.g. `GlobalSignOut`; empty if it is no record.
    pub name: String,
    /// CloudTrail's name for the record: to find it again, and to know a duplicate.
    pub id: Option<String>,
    /// What it tells.
    pub news: News,
}

/// What a record tells.
#[derive(Debug)]
pub enum News {
    /// Something that is to be acted upon.
    Deed(Deed),
    /// Nothing, and why.
    Ignored(&'static str),
    /// Something, but not of whom, or not when.
    Unclear(&'static str),
}

/// What was done to a user.
#[derive(Debug)]
pub struct Deed {
    /// What.
    pub what: What,
    /// In which pool, if the record says so.
    pub pool: Option<String>,
    /// To whom.
    pub sub: String,
    /// When: "the date and time the request was completed" (CloudTrail user guide, record contents). It has no fractions, so
    /// what was kept in the same second is left: a place too many is counted rather than one too few.
    pub at: Timestamp,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Every session was ended.
    SignOut,
    /// The user is gone.
    Deletion,
    /// A password was chosen.
    NewPassword,
}

impl Trail {
    /// Reads an event of EventBridge. `None` if it is none.
    #[must_use]
    pub fn read(event: &Value) -> Option<Self> {
        let kind = text(event, "/detail-type")?;
        let detail = event.get("detail").filter(|detail| detail.is_object())?;
        let name = text(detail, "/eventName").filter(|name| is_harmless(name)).unwrap_or_default().to_owned();
        let id = text(detail, "/eventID").filter(|id| is_harmless(id)).map(str::to_owned);
        let news = match kind {
            "AWS API Call via CloudTrail" | "AWS Service Event via CloudTrail" => tell(event, detail, &name),
            _ => News::Ignored("it is not of CloudTrail"),
        };
        Some(Self { name, id, news })
    }
}

fn tell(event: &Value, detail: &Value, name: &str) -> News {
    if text(detail, "/eventSource") != Some(SERVICE) {
        return News::Ignored("it is not of Cognito's user pools");
    }
    // Also of a success they may be there, and be empty (developer guide, example of `Login_GET`).
    if ["/errorCode", "/errorMessage"].iter().any(|place| has(detail, place)) {
        return News::Ignored("it did not succeed");
    }
    let what = match name {
        "GlobalSignOut" | "AdminUserGlobalSignOut" | "AdminDisableUser" => What::SignOut,
        "DeleteUser" | "AdminDeleteUser" => What::Deletion,
        "ChangePassword" | "ConfirmForgotPassword" => What::NewPassword,
        "AdminSetUserPassword" if is_permanent(detail) => What::NewPassword,
        // The user has to choose another one at the next sign-in, and that is heard of by its trigger.
        "AdminSetUserPassword" => return News::Ignored("the password is a temporary one"),
        "AdminResetUserPassword" => return News::Ignored("no password was chosen"),
        // Which of the places it is about cannot be told, and a revoked token can be revoked again: each time would free one.
        "RevokeToken" | "RevokeUserSession" | "AdminRevokeUserSession" => {
            return News::Ignored("it does not tell which session was ended");
        }
        _ => return News::Ignored("it is of no concern"),
    };
    let Some(sub) = text(detail, "/additionalEventData/sub").filter(|sub| is_sub(sub)) else {
        return News::Unclear("it names no user: its `sub` is missing");
    };
    let at = text(detail, "/eventTime").or_else(|| text(event, "/time"));
    let Some(at) = at.and_then(|time| time.parse().ok()) else { return News::Unclear("it bears no time") };
    News::Deed(Deed { what, pool: pool(detail), sub: sub.to_owned(), at })
}

/// "True if the password is permanent", false where it is not given (API reference, AdminSetUserPassword). What is hidden is
/// taken for a permanent one: after a temporary one the user has to choose another before anything else.
fn is_permanent(detail: &Value) -> bool {
    match detail.pointer("/requestParameters/permanent") {
        Some(Value::Bool(permanent)) => *permanent,
        Some(Value::String(text)) => !text.eq_ignore_ascii_case("false"),
        _ => false,
    }
}

fn pool(detail: &Value) -> Option<String> {
    let named = ["/requestParameters/userPoolId", "/additionalEventData/userPoolId"];
    let named = named.iter().filter_map(|place| text(detail, place));
    let resources = detail.get("resources").and_then(Value::as_array);
    let arns = resources
        .into_iter()
        .flatten()
        .filter_map(|resource| text(resource, "/ARN").or_else(|| text(resource, "/arn")));
    let of_arns = arns.filter_map(|arn| arn.rsplit_once("userpool/").map(|(_, id)| id));
    named.chain(of_arns).find(|pool| is_pool(pool)).map(str::to_owned)
}

/// The text at a place, if there is one that says something.
fn text<'a>(value: &'a Value, place: &str) -> Option<&'a str> {
    value.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty() && *text != HIDDEN)
}

/// Whether something stands at a place that is not empty.
fn has(value: &Value, place: &str) -> bool {
    value.pointer(place).is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
}

/// What can be written into a log as it is: the name of an operation, or an id.
fn is_harmless(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
