//! Tries a rule without Lambda, AWS or a configuration file.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::chain::{Chain, End, Passed, Place, Trace};
use crate::config::OnFault;
use crate::event::AnyEvent;
use crate::ledger::Delivery;
use crate::report::{Step, StepVerdict};
use crate::visit::{Calls, Counts, DeliveryMode};
use crate::{Clock, Event, Fault, Gate, Rule, Services, Trigger, Verdict};

/// A rule on trial: what it sees and what it answers, with a ledger in memory and a clock that stands still.
///
/// ```
/// use cognito_triggers::prelude::*;
///
/// fn nobody(_: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
///     Ok(Verdict::deny("We are closed"))
/// }
/// assert_eq!(Trial::of(nobody).sees(Event::<PreSignUp>::sample()), denied("We are closed"));
/// ```
pub struct Trial<R> {
    rule: Arc<R>,
    clock: Arc<StoppedClock>,
    services: Services,
}

/// What a rule answered, and all that came with it.
#[derive(Debug)]
pub struct Seen<T: Trigger> {
    /// The verdict, or the accident.
    pub verdict: Result<Verdict<T>, Fault>,
    /// The event as it would go back to Cognito.
    pub answer: Option<serde_json::Value>,
    /// What was staged.
    pub deliveries: Vec<Delivery>,
    /// What was counted.
    pub counts: Counts,
    /// What was noted to have gone wrong, as it is logged.
    pub mishaps: Vec<String>,
    /// How often the ledger was called.
    pub calls: Calls,
}

impl<R: Send + Sync + 'static> Trial<R> {
    /// Puts a rule on trial.
    pub fn of(rule: R) -> Self {
        let clock = Arc::new(StoppedClock::default());
        Self { rule: Arc::new(rule), services: Services::in_memory(Arc::clone(&clock) as Arc<dyn Clock>), clock }
    }

    /// The same rule with other services. Their clock is the one it goes by.
    #[must_use]
    pub fn with(mut self, services: impl FnOnce(Services) -> Services) -> Self {
        self.services = services(self.services);
        self
    }

    /// The services in force.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Lets time pass.
    pub fn pass(&self, time: SignedDuration) {
        self.clock.pass(time);
    }

    /// The verdict about one event; an accident fails the test.
    ///
    /// # Panics
    ///
    /// If the rule answers with a fault.
    #[allow(clippy::panic, reason = "this is how a test fails")]
    pub fn sees<T: Trigger>(&self, event: Event<T>) -> Verdict<T>
    where
        R: Rule<T>,
    {
        match self.handles(&event).verdict {
            Ok(verdict) => verdict,
            Err(fault) => panic!("{fault:?}"),
        }
    }

    /// Everything about one event. What is staged is stored, and carried out by nobody.
    pub fn handles<T: Trigger>(&self, event: &Event<T>) -> Seen<T>
    where
        R: Rule<T>,
    {
        let mut chain = Chain::of::<T>();
        let (on_fault, delivery) = (OnFault::Deny, DeliveryMode::default());
        chain.add::<T, R>(Place { name: "trial", on_fault, asks_ledger: true, delivery }, Arc::clone(&self.rule));
        let mut trace = Trace::default();
        let deadline = self.services.clock.now().saturating_add(SignedDuration::from_secs(4)).unwrap_or(Timestamp::MAX);
        let end = finish(chain.run(event, &self.services, deadline, &mut trace));
        let mut seen = Seen {
            verdict: Ok(Verdict::Continue),
            answer: None,
            deliveries: Vec::new(),
            counts: Counts::default(),
            mishaps: Vec::new(),
            calls: trace.calls,
        };
        match end {
            End::Passed(Passed { visit, deliveries, counts }) => {
                seen.counts = counts;
                let mishap = |step: Step| match step.verdict {
                    StepVerdict::Fault(_, causes) => Some(causes),
                    StepVerdict::Continue | StepVerdict::Deny => None,
                };
                seen.mishaps = trace.steps.into_iter().filter_map(mishap).collect();
                seen.deliveries = deliveries;
                seen.answer = event.answered(visit.as_ref()).ok().and_then(|text| serde_json::from_str(&text).ok());
            }
            End::Denied { refused, .. } => seen.verdict = Ok(Verdict::of(Some(refused))),
            End::Faulted { fault, .. } => seen.verdict = Err(fault),
        }
        seen
    }
}

/// The verdict a test expects of a rule that refuses.
pub fn denied<T: Gate>(message: &'static str) -> Verdict<T> {
    Verdict::deny(message)
}

/// A clock that moves only when told to; it starts at 2026-01-01T12:00:00Z.
pub struct StoppedClock(Mutex<Timestamp>);

impl StoppedClock {
    /// Lets time pass.
    pub fn pass(&self, time: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(time).unwrap_or(Timestamp::MAX);
    }
}

impl Default for StoppedClock {
    fn default() -> Self {
        Self(Mutex::new(Timestamp::constant(1_767_268_800, 0)))
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Runs a future to its end on this thread. Services in memory never wait, so it is not parked but polled again.
fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}
