//! Calls that must not be made twice by chance: a mail that was accepted and is sent again is two mails.
//!
//! The SDK repeats a call whenever that may help. Here it repeats only what the service cannot have accepted: the connection
//! could not be made, or the service answered that it did not do it. Where no answer came (a time-out, a connection that was
//! cut), nobody knows; the call fails at once, the delivery stays due, and the courier repeats it once, half a minute later.

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

use crate::connection::could_not_connect;

/// Forbids to repeat a call whose outcome is unknown.
#[derive(Debug)]
pub(crate) struct OnlyIfNotAccepted;

impl ClassifyRetry for OnlyIfNotAccepted {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let unknown = match error.as_connector_error() {
            Some(error) => !could_not_connect(error),
            None => error.is_timeout_error() || error.is_response_error() || is_a_gateways(context),
        };
        if unknown { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "only if not accepted"
    }
}

/// What stands between us and the service did not hear from it (502, 504): the service may have.
fn is_a_gateways(context: &InterceptorContext) -> bool {
    context.response().is_some_and(|response| matches!(response.status().as_u16(), 502 | 504))
}
