//! The least a Rust Lambda can be: `lambda_runtime` and nothing else, answering with what it was sent. It is what our
//! functions are measured against, and what the harness of the end to end tests is tried on.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(echo)).await
}

async fn echo(event: LambdaEvent<Value>) -> Result<Value, Error> {
    Ok(event.payload)
}
