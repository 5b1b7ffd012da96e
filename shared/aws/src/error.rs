//! Errors of AWS as faults: what was asked, the code and the request's id, and nothing that may name a user.

use std::fmt;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use cognito_triggers::Fault;
#[cfg(any(feature = "eventbridge", feature = "s3", feature = "ses"))]
use cognito_triggers::FaultKind;

/// Makes a fault of a call that failed. `operation` as AWS spells it, e.g. `DynamoDB PutItem`.
pub(crate) fn fault<E, R>(operation: &'static str, error: SdkError<E, R>) -> Fault
where
    E: std::error::Error + ProvideErrorMetadata + RequestId + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    let refusal = Refusal::of(&error);
    Fault::service(format!("{operation} failed"), refusal)
}

/// The same, saying what the code means for whoever reads the log.
#[cfg(any(feature = "cognito", feature = "eventbridge", feature = "s3", feature = "ses"))]
pub(crate) fn fault_because<E, R>(operation: &'static str, why: &'static str, error: SdkError<E, R>) -> Fault
where
    E: std::error::Error + ProvideErrorMetadata + RequestId + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    let refusal = Refusal::of(&error);
    Fault::service(format!("{operation} failed: {why}"), refusal)
}

/// The same, if it is the set-up that has to be mended: `why` says what is wrong with it and what to do.
#[cfg(any(feature = "eventbridge", feature = "s3", feature = "ses"))]
pub(crate) fn misconfigured<E, R>(operation: &'static str, why: impl fmt::Display, error: &SdkError<E, R>) -> Fault
where
    E: std::error::Error + ProvideErrorMetadata + RequestId + 'static,
    R: fmt::Debug,
{
    let refusal = Refusal::of(error);
    Fault::of(FaultKind::Configuration, format!("{operation} failed: {why}: {refusal}"))
}

/// Codes that say that there was too much to do, as AWS's services spell them.
#[cfg(any(feature = "eventbridge", feature = "s3", feature = "ses"))]
pub(crate) fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "SlowDown"
            | "TooManyRequestsException"
    )
}

/// The code AWS answered with, if it answered at all.
pub(crate) fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// Codes whose messages speak of the account and the set-up, never of an item or a user. The messages of all others may quote
/// a key or an attribute and are left out.
const SETUP: [&str; 8] = [
    "AccessDeniedException",
    "NotAuthorizedException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "UnrecognizedClientException",
    "ResourceNotFoundException",
];

/// What went wrong, as far as a log may know.
#[derive(Debug)]
struct Refusal {
    what: String,
    request: Option<String>,
}

impl Refusal {
    fn of<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + RequestId + 'static,
        R: fmt::Debug,
    {
        let Some(answer) = error.as_service_error() else {
            // The call never got an answer, so there is nothing in it but names of hosts and of our own settings.
            return Self { what: DisplayErrorContext(error).to_string(), request: None };
        };
        let code = answer.code().unwrap_or("an error without a code");
        let what = match answer.message() {
            Some(message) if SETUP.contains(&code) => format!("{code}: {message}"),
            _ => code.to_owned(),
        };
        Self { what, request: answer.request_id().map(str::to_owned) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)?;
        match &self.request {
            Some(request) => write!(formatter, " (request {request})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}
