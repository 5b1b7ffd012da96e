//! The Runtime API, through `lambda_runtime`.
//!
//! On its own `lambda_runtime` reads the event as JSON and answers with serde's text if it cannot, which the user would read.
//! So the body is taken away before it looks, and it reads `null` instead.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use cognito_triggers::{Environment, Refusal};
use lambda_runtime::tower::Layer;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, LambdaInvocation, Runtime, Service, service_fn};
use serde_json::value::RawValue;

/// What Lambda sets for every function, and `lambda_runtime` panics without.
const REQUIRED: &[&str] = &[
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// The first variable of a Lambda that is not there: this is none.
pub(crate) fn missing(environment: &Environment) -> Option<&'static str> {
    REQUIRED.iter().find(|name| environment.find(name).is_none()).copied()
}

/// One call, as Lambda tells it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The event.
    pub(crate) body: Bytes,
    /// The id of the call.
    pub(crate) request_id: &'a str,
    /// When Lambda will end the process, in milliseconds since 1970.
    pub(crate) deadline_ms: u64,
}

/// Who answers calls.
pub(crate) trait Answers {
    /// Answers one call, and writes down what was done.
    fn answer(&self, call: Call<'_>) -> impl Future<Output = Result<Box<RawValue>, Refusal>>;
}

/// Takes one event after the other until the Runtime API can no longer be talked to.
pub(crate) async fn run(answers: impl Answers) -> Result<(), Error> {
    let answers = Rc::new(answers);
    let body = Rc::new(Cell::new(Bytes::new()));
    let taken = Rc::clone(&body);
    // Not `lambda_runtime::run`: it opens a span for every event, which nobody reads.
    let answer = service_fn(move |event: LambdaEvent<()>| {
        let (answers, body) = (Rc::clone(&answers), taken.take());
        async move {
            let call = Call { body, request_id: &event.context.request_id, deadline_ms: event.context.deadline };
            answers.answer(call).await.map_err(Refused)
        }
    });
    Runtime::new(answer).layer(Bodies(body)).run().await
}

/// Takes the body out of every invocation. Events come one at a time and on one thread, so one place to put it is enough.
struct Bodies(Rc<Cell<Bytes>>);

impl<S> Layer<S> for Bodies {
    type Service = TakesBody<S>;

    fn layer(&self, inner: S) -> TakesBody<S> {
        TakesBody { body: Rc::clone(&self.0), inner }
    }
}

struct TakesBody<S> {
    body: Rc<Cell<Bytes>>,
    inner: S,
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for TakesBody<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> S::Future {
        self.body.set(std::mem::replace(&mut invocation.body, Bytes::from_static(b"null")));
        self.inner.call(invocation)
    }
}

/// What the user reads, on its way to the Runtime API. Its `Debug` form, which `lambda_runtime` logs, is only the kind.
struct Refused(Refusal);

impl fmt::Debug for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.kind)
    }
}

impl From<Refused> for Diagnostic {
    fn from(Refused(refusal): Refused) -> Self {
        Self { error_type: refusal.kind.to_owned(), error_message: refusal.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_a_stable_kind_and_its_text_alone() {
        let refused = Refused(Refusal { kind: "Denied", message: "anna is taken, try anna42".into() });
        assert_eq!(format!("{refused:?}"), "Denied");
        let told = serde_json::to_value(Diagnostic::from(refused)).unwrap();
        assert_eq!(told, serde_json::json!({"errorType": "Denied", "errorMessage": "anna is taken, try anna42"}));
    }

    #[test]
    fn a_process_that_lambda_did_not_start_is_noticed() {
        let all: Environment = REQUIRED.iter().map(|name| (*name, "1")).collect();
        assert_eq!(missing(&all), None);
        let some: Environment = [("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")].into_iter().collect();
        assert_eq!(missing(&some), Some("AWS_LAMBDA_FUNCTION_NAME"));
        assert_eq!(missing(&Environment::default()), Some("AWS_LAMBDA_RUNTIME_API"));
    }
}
