//! The services against a server that speaks AWS's protocols: a real ministack, started here and ended with the last test, and
//! where the network has to fail a proxy before it.

// Only tests are in here, and what helps them: whatever goes wrong is to end the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cognito;
mod dynamodb;
mod eventbridge;
mod grants;
mod http;
mod ministack;
mod proxy;
mod s3;
mod ses;

use std::sync::{LazyLock, PoisonError, RwLock};

use cognito_triggers::Environment;
use tokio::runtime::{Builder, Runtime};

/// One runtime for all tests: the clients share connections, and a connection ends with the runtime it was opened on.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// Held by every test, for itself alone by the one that keeps the server busy.
static TURN: RwLock<()> = RwLock::new(());

fn run<T: Send + 'static>(test: impl Future<Output = T> + Send + 'static) -> T {
    let _turn = TURN.read().unwrap_or_else(PoisonError::into_inner);
    on_runtime(test)
}

fn run_alone<T: Send + 'static>(test: impl Future<Output = T> + Send + 'static) -> T {
    let _turn = TURN.write().unwrap_or_else(PoisonError::into_inner);
    on_runtime(test)
}

fn on_runtime<T: Send + 'static>(test: impl Future<Output = T> + Send + 'static) -> T {
    // A task, so that the test itself runs on the runtime's threads. Its panic is the test's.
    match RUNTIME.block_on(RUNTIME.spawn(test)) {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// An environment whose AWS is at this address.
fn environment(endpoint: &str) -> Environment {
    [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", endpoint),
    ]
    .into_iter()
    .collect()
}
