//! Every rule of the house in this process: for what a test wants to do to the services or to the clock, and for many events
//! at once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cognito_triggers::config::Configuration;
use cognito_triggers::{
    Clock, Directory, Dispatcher, Environment, Fault, FaultKind, Handled, Invocation, Keys, Ledger, Refusal, Services,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;

use crate::kit::KEY;

/// The rules with these tables and services.
pub(crate) fn dispatcher(
    tables: &str,
    ledger: Arc<dyn Ledger>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
) -> Arc<Dispatcher> {
    let configuration = Configuration::parse("triggers.toml", tables).unwrap();
    let (base, pools) = configuration.chains::<pool::Rules>(&Environment::default()).unwrap();
    let services = Services { ledger, directory, keys: Keys::parse(KEY).unwrap(), ..Services::none(clock) };
    Arc::new(Dispatcher::new(base, pools, services))
}

/// Handles one event as `serve` does, a panic of a service included.
pub(crate) async fn handle(dispatcher: &Dispatcher, event: &Value, budget: SignedDuration) -> Handled {
    let body = event.to_string();
    let deadline = dispatcher.services().clock.now() + budget;
    let invocation = Invocation { body: body.as_bytes(), request_id: "0badc0de-0000-4000-8000-000000000000", deadline };
    match AssertUnwindSafe(dispatcher.handle(invocation)).catch_unwind().await {
        Ok(handled) => handled,
        Err(_) => dispatcher.give_up(invocation, Fault::of(FaultKind::Panic, "panicked outside of a rule")),
    }
}

/// Handles one event with all the time it wants: an accident fails the test. `Err` with what a refused user reads.
#[track_caller]
pub(crate) fn judged(handled: Handled) -> Result<(), String> {
    assert!(handled.report.fault.is_none(), "{:?}", handled.report);
    match handled.answer {
        Ok(_) => Ok(()),
        Err(Refusal { kind: "Denied", message }) => Err(message),
        Err(refusal) => panic!("{refusal:?}"),
    }
}

/// More time than any test takes.
pub(crate) const PLENTY: SignedDuration = SignedDuration::from_secs(120);

/// A clock that goes by tokio's: in a paused runtime it stands still until everybody waits, and then leaps.
pub(crate) struct LeapingClock(Instant);

impl LeapingClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for LeapingClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp::constant(1_767_268_800, 0) + SignedDuration::from_millis(passed)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}
