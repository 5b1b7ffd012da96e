//! Functions that something else than Cognito calls: a schedule, a stream. No user reads what goes wrong there, only the
//! operator does, so an error is answered with an error.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cognito_triggers::config::ConfigErrors;
use cognito_triggers::{Clock, ConfigError, Environment, Fault, FaultKind, Invocation, Refusal};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;
use tracing_subscriber::fmt::MakeWriter;

use crate::metrics::{Measures, Metrics};
use crate::panics::{self, Current};
use crate::runtime::{Answers, Call};
use crate::{Adapters, scrub};

/// What must be left of Lambda's own time for the answer to be on its way.
const MARGIN: SignedDuration = SignedDuration::from_millis(500);

/// How long after the deadline a job is given up. Shorter than [`MARGIN`].
const GRACE: Duration = Duration::from_millis(250);

/// The time of a call whose end Lambda does not tell.
const UNTOLD: SignedDuration = SignedDuration::from_secs(60);

/// What a function does that Cognito does not call.
pub trait Job: Sized + 'static {
    /// Opens what it works with, and says what is doubtful but does not keep it from working.
    ///
    /// # Errors
    ///
    /// What keeps it from working. It is logged, and every call fails.
    fn open(
        environment: &Environment,
        adapters: &Adapters,
        clock: Arc<dyn Clock>,
    ) -> impl Future<Output = Result<(Self, Vec<ConfigError>), ConfigErrors>>;

    /// Does what one event asks for. It has to be done by the deadline, which is Lambda's own less what the answer takes;
    /// soon after it the work is dropped.
    ///
    /// # Errors
    ///
    /// If it could not be done: the call has failed, and whoever called tries again or sounds an alarm.
    fn run(&self, call: Invocation<'_>, cold_start: bool) -> impl Future<Output = Result<Done, Fault>>;
}

/// What came of one event.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// The answer, as JSON.
    pub answer: String,
    /// What was measured.
    pub measures: Vec<Measures>,
}

/// What stands between the Runtime API and a job.
pub(crate) struct Desk<J, W> {
    job: Option<J>,
    clock: Arc<dyn Clock>,
    current: Current,
    metrics: Option<Metrics<W>>,
    warm: Cell<bool>,
}

impl<J, W> Desk<J, W> {
    /// For a job; without one, because its configuration cannot be used, every call fails.
    pub(crate) fn new(job: Option<J>, clock: Arc<dyn Clock>, current: Current, metrics: Option<Metrics<W>>) -> Self {
        Self { job, clock, current, metrics, warm: Cell::new(false) }
    }
}

impl<J, W> Answers for Desk<J, W>
where
    J: Job,
    W: for<'writer> MakeWriter<'writer>,
{
    /// # Errors
    ///
    /// The kind of accident and a short text. The causes are in the log.
    async fn answer(&self, call: Call<'_>) -> Result<Box<RawValue>, Refusal> {
        let started = Instant::now();
        let cold_start = !self.warm.replace(true);
        let now = self.clock.now();
        let _held = self.current.hold(call.body.clone());
        let deadline = deadline(now, call.deadline_ms);
        let invocation = Invocation { body: &call.body, request_id: call.request_id, deadline };
        let fault = match self.done(invocation, now, cold_start).await {
            Ok((answer, measures)) => {
                if let Some(metrics) = &self.metrics {
                    metrics.write_measures(&measures, now);
                }
                return Ok(answer);
            }
            Err(fault) => fault,
        };
        let kind = fault.kind().as_str();
        tracing::error!(
            target: "job",
            fault_kind = kind,
            fault = scrub(&fault.causes(), &call.body),
            request_id = call.request_id,
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            cold_start,
            "the call failed"
        );
        Err(Refusal { kind, message: sentence(fault.kind()).to_owned() })
    }
}

impl<J: Job, W> Desk<J, W> {
    async fn done(
        &self,
        call: Invocation<'_>,
        now: Timestamp,
        cold_start: bool,
    ) -> Result<(Box<RawValue>, Vec<Measures>), Fault> {
        let Some(job) = &self.job else {
            return Err(Fault::of(
                FaultKind::Configuration,
                "the configuration cannot be used: see what was logged at the start",
            ));
        };
        let left = Duration::try_from(call.deadline.duration_since(now)).unwrap_or_default();
        let work = AssertUnwindSafe(job.run(call, cold_start)).catch_unwind();
        let done = match tokio::time::timeout(left + GRACE, work).await {
            Ok(Ok(done)) => done?,
            Ok(Err(panic)) => {
                return Err(Fault::of(FaultKind::Panic, format!("panicked: {}", panics::text(panic.as_ref()))));
            }
            Err(_) => return Err(Fault::of(FaultKind::Timeout, "the function's time was up before the work was done")),
        };
        let answer =
            RawValue::from_string(done.answer).map_err(|_| Fault::new("the answer that was built is not JSON"))?;
        Ok((answer, done.measures))
    }
}

/// What the caller is told: nothing that came from outside.
fn sentence(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Configuration => "the configuration cannot be used; the log says why",
        FaultKind::Timeout => "the function's time was up; the log says more",
        FaultKind::Malformed => "the event is not one this function takes; the log says why",
        _ => "the function failed; the log says why",
    }
}

/// When the answer has to be on its way.
fn deadline(now: Timestamp, lambdas_ms: u64) -> Timestamp {
    let lambdas = i64::try_from(lambdas_ms).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    match lambdas {
        // `cargo lambda watch` sends ten minutes past 1970.
        Some(lambdas) if lambdas > now => lambdas.saturating_sub(MARGIN).unwrap_or(lambdas),
        _ => now.saturating_add(UNTOLD).unwrap_or(Timestamp::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;
    use crate::capture::Capture;
    use bytes::Bytes;
    use serde_json::{Value, json};

    /// Does what the event says.
    struct Obedient;

    impl Job for Obedient {
        async fn open(
            _: &Environment,
            _: &Adapters,
            _: Arc<dyn Clock>,
        ) -> Result<(Self, Vec<ConfigError>), ConfigErrors> {
            Ok((Self, Vec::new()))
        }

        async fn run(&self, call: Invocation<'_>, cold_start: bool) -> Result<Done, Fault> {
            let event: Value = serde_json::from_slice(call.body)?;
            match event["do"].as_str().unwrap_or_default() {
                "stumble" => Err(Fault::service("the table is gone", format!("asked by {}", event["who"]))),
                "mistake" => Err(Fault::of(FaultKind::Malformed, "it is no wish")),
                "burst" => panic!("no luck with {}", event["who"]),
                "wait" => {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    Ok(Done::default())
                }
                "babble" => Ok(Done { answer: "anna".into(), measures: Vec::new() }),
                _ => Ok(Done {
                    answer: json!({ "cold": cold_start }).to_string(),
                    measures: vec![Measures::default().count("Delivered", 3)],
                }),
            }
        }
    }

    struct Tried {
        answer: Result<Value, Refusal>,
        log: Vec<Value>,
        metrics: Vec<Value>,
    }

    async fn tried(job: Option<Obedient>, what: &str, lambdas_ms: i64) -> Tried {
        let (log, metrics) = (Capture::default(), Capture::default());
        let _guard = log.install();
        let written = Some(Metrics::new("courier".into(), metrics.clone()));
        let desk = Desk::new(job, Arc::new(SystemClock), Current::default(), written);
        let body = Bytes::from(json!({ "do": what, "who": "anna@example.com" }).to_string());
        let deadline_ms = u64::try_from(SystemClock.now().as_millisecond() + lambdas_ms).unwrap();
        let answer = desk.answer(Call { body, request_id: "3f2a9c10", deadline_ms }).await;
        let answer = answer.map(|answer| serde_json::from_str(answer.get()).unwrap());
        assert!(!(log.text() + &metrics.text()).contains("anna"), "{}", log.text());
        Tried { answer, log: log.json(), metrics: metrics.json() }
    }

    impl Tried {
        #[track_caller]
        fn failed(&self, kind: &'static str, message: &str, cause: &str) {
            assert_eq!(self.answer, Err(Refusal { kind, message: message.into() }));
            let line = self.log.last().unwrap();
            assert_eq!((&line["level"], &line["target"]), (&json!("ERROR"), &json!("job")));
            assert_eq!((&line["fault_kind"], &line["fault"]), (&json!(kind), &json!(cause)));
            assert_eq!(line["request_id"], "3f2a9c10");
            assert!(self.metrics.is_empty());
        }
    }

    #[tokio::test]
    async fn what_was_done_is_answered_and_measured() {
        let tried = tried(Some(Obedient), "work", 60_000).await;
        assert_eq!(tried.answer.unwrap(), json!({"cold": true}));
        assert!(tried.log.is_empty());
        assert_eq!((&tried.metrics[0]["Delivered"], &tried.metrics[0]["function"]), (&json!(3), &json!("courier")));
    }

    #[tokio::test]
    async fn an_accident_is_an_error_whose_causes_are_only_logged() {
        let failed = "the function failed; the log says why";
        tried(Some(Obedient), "stumble", 60_000).await.failed("service", failed, "the table is gone: asked by \"…\"");
        tried(Some(Obedient), "burst", 60_000).await.failed("panic", failed, "panicked: no luck with \"…\"");
        tried(Some(Obedient), "babble", 60_000).await.failed("rule", failed, "the answer that was built is not JSON");
        let mistaken = "the event is not one this function takes; the log says why";
        tried(Some(Obedient), "mistake", 60_000).await.failed("malformed", mistaken, "it is no wish");
    }

    #[tokio::test]
    async fn a_broken_configuration_fails_every_call() {
        tried(None, "work", 60_000).await.failed(
            "configuration",
            "the configuration cannot be used; the log says why",
            "the configuration cannot be used: see what was logged at the start",
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_too_long_is_given_up_before_lambda_ends_the_process() {
        let started = tokio::time::Instant::now();
        tried(Some(Obedient), "wait", 60_000).await.failed(
            "timeout",
            "the function's time was up; the log says more",
            "the function's time was up before the work was done",
        );
        assert!((59_600..60_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    }

    #[test]
    fn the_deadline_is_lambdas_and_a_minute_where_it_tells_none() {
        let now = Timestamp::constant(1_767_268_800, 0);
        let left = |lambdas_ms: u64| deadline(now, lambdas_ms).as_millisecond() - now.as_millisecond();
        let told = u64::try_from(now.as_millisecond()).unwrap() + 900_000;
        assert_eq!(left(told), 899_500);
        assert_eq!((left(600_000), left(u64::MAX), left(0)), (60_000, 60_000, 60_000));
    }
}
