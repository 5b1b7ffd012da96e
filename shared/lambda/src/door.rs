//! One event, from the bytes Lambda hands over to the bytes it gets back. Whatever happens in between, there is an answer.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use cognito_triggers::report::Report;
use cognito_triggers::{Dispatcher, Fault, FaultKind, Handled, Invocation, Refusal};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;
use tracing_subscriber::fmt::MakeWriter;

use crate::decision::Decision;
use crate::metrics::Metrics;
use crate::panics::{self, Current};
use crate::runtime::{Answers, Call};

/// What must be left of Lambda's own time for the answer to be on its way.
const MARGIN: SignedDuration = SignedDuration::from_millis(150);

/// How long after the deadline the answer is given without the dispatcher. Shorter than [`MARGIN`].
const GRACE: Duration = Duration::from_millis(100);

/// What stands between the Runtime API and the dispatcher.
pub(crate) struct Door<W> {
    dispatcher: Dispatcher,
    budget: Duration,
    current: Current,
    metrics: Option<Metrics<W>>,
    warm: Cell<bool>,
}

impl<W> Door<W> {
    pub(crate) fn new(dispatcher: Dispatcher, budget: Duration, current: Current, metrics: Option<Metrics<W>>) -> Self {
        Self { dispatcher, budget, current, metrics, warm: Cell::new(false) }
    }
}

impl<W> Answers for Door<W>
where
    W: for<'writer> MakeWriter<'writer>,
{
    /// The answer is the dispatcher's, byte for byte but for white space before and after it.
    ///
    /// # Errors
    ///
    /// What the user reads instead of going on: a denial, or the sentence for faults.
    async fn answer(&self, call: Call<'_>) -> Result<Box<RawValue>, Refusal> {
        let started = Instant::now();
        let cold_start = !self.warm.replace(true);
        let now = self.dispatcher.services().clock.now();
        let deadline = deadline(now, call.deadline_ms, self.budget);
        let _held = self.current.hold(call.body.clone());

        let invocation = Invocation { body: &call.body, request_id: call.request_id, deadline };
        let handled = self.handle(invocation, now).await;
        let (answer, report) = self.printed(handled, invocation);

        let took = started.elapsed();
        Decision { report: &report, request_id: call.request_id, took, cold_start }.log(&call.body);
        if let Some(metrics) = &self.metrics {
            metrics.write(&report, now, took, cold_start);
        }
        answer
    }
}

impl<W> Door<W> {
    /// The dispatcher's answer, or the one for its absence.
    async fn handle(&self, invocation: Invocation<'_>, now: Timestamp) -> Handled {
        let left = Duration::try_from(invocation.deadline.duration_since(now)).unwrap_or_default();
        let work = AssertUnwindSafe(self.dispatcher.handle(invocation)).catch_unwind();
        let fault = match tokio::time::timeout(left + GRACE, work).await {
            Ok(Ok(handled)) => return handled,
            Ok(Err(panic)) => {
                Fault::of(FaultKind::Panic, format!("panicked outside of a rule: {}", panics::text(panic.as_ref())))
            }
            Err(_) => Fault::of(FaultKind::Timeout, "the time for the answer was long up"),
        };
        self.dispatcher.give_up(invocation, fault)
    }

    /// The answer as the Runtime API takes it. Were it not JSON, Cognito would tell the user so: it is a fault then.
    fn printed(&self, handled: Handled, invocation: Invocation<'_>) -> (Result<Box<RawValue>, Refusal>, Report) {
        match handled.answer.map(RawValue::from_string) {
            Ok(Ok(answer)) => (Ok(answer), handled.report),
            Err(refusal) => (Err(refusal), handled.report),
            Ok(Err(_)) => {
                let excused = self.dispatcher.give_up(invocation, Fault::new("the answer that was built is not JSON"));
                // This one is the event itself, which has been read as JSON.
                (excused.answer.map(|event| RawValue::from_string(event).unwrap_or_default()), excused.report)
            }
        }
    }
}

/// The smaller of what Lambda and what the budget allows.
fn deadline(now: Timestamp, lambdas_ms: u64, budget: Duration) -> Timestamp {
    let ours = now.saturating_add(budget).unwrap_or(Timestamp::MAX);
    let lambdas = i64::try_from(lambdas_ms).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    match lambdas {
        // Lambda does not hand over an event whose time is up; `cargo lambda watch` sends ten minutes past 1970.
        Some(lambdas) if lambdas > now => ours.min(lambdas.saturating_sub(MARGIN).unwrap_or(lambdas)),
        _ => ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;
    use crate::capture::Capture;
    use bytes::Bytes;
    use cognito_triggers::prelude::*;
    use cognito_triggers::{Clock, Services, StoppedClock};
    use futures_util::future::BoxFuture;
    use serde_json::{Value, json};
    use std::collections::HashMap;
    use std::sync::Arc;

    /// What the sample events say of their user.
    const PERSONAL: &[&str] = &["anna", "Anna", "example.com", "SECRET-CODE-42"];

    /// What the rule of these tests does.
    #[derive(Clone, Copy)]
    enum Does {
        Verify,
        Deny,
        Fault,
        Panic,
        Wait,
    }

    impl Does {
        async fn with(self, email: &str) -> Result<bool, Fault> {
            match self {
                Self::Verify => Ok(true),
                Self::Deny => Ok(false),
                Self::Fault => Err(Fault::service("the ledger is gone", format!("no item for {email}"))),
                Self::Panic => panic!("did not expect {email}"),
                Self::Wait => {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    Ok(true)
                }
            }
        }
    }

    impl Rule<PreSignUp> for Does {
        async fn apply(&self, event: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
            let email = event.attribute("email").unwrap_or_default();
            visit.response.auto_verify_email = Some(true);
            Ok(if self.with(email).await? {
                Verdict::Continue
            } else {
                Verdict::deny(format!("{email} is not welcome"))
            })
        }
    }

    impl Rule<PostConfirmation> for Does {
        async fn apply(
            &self,
            event: &Event<PostConfirmation>,
            _: &mut Visit<PostConfirmation>,
        ) -> Answer<PostConfirmation> {
            self.with(event.attribute("email").unwrap_or_default()).await.map(|_| Verdict::Continue)
        }
    }

    /// A service that panics.
    struct Restless;

    impl Clock for Restless {
        fn now(&self) -> Timestamp {
            SystemClock.now()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            panic!("no sleep for anna@example.com")
        }
    }

    /// One call and everything that came of it.
    struct Tried {
        answer: Result<String, Refusal>,
        log: Value,
        metrics: Value,
    }

    fn dispatcher(does: Does, clock: Arc<dyn Clock>) -> Dispatcher {
        let mut chains = Chains::default();
        chains.attach(does).to::<PreSignUp>().to::<PostConfirmation>().done().unwrap();
        Dispatcher::new(chains, HashMap::new(), Services::in_memory(clock))
    }

    async fn tried(dispatcher: Dispatcher, body: impl Into<Bytes>) -> Tried {
        let (log, metrics) = (Capture::default(), Capture::default());
        let _guard = log.install();
        let written = Some(Metrics::new("sign-up".into(), metrics.clone()));
        let door = Door::new(dispatcher, Duration::from_secs(4), Current::default(), written);
        let call = Call { body: body.into(), request_id: "3f2a9c10-8d1b", deadline_ms: 0 };
        let answer = door.answer(call).await.map(|answer| answer.get().to_owned());

        let text = log.text() + &metrics.text();
        assert!(PERSONAL.iter().all(|word| !text.contains(word)), "{text}");
        let (mut log, mut metrics) = (log.json(), metrics.json());
        assert_eq!((log.len(), metrics.len()), (1, 1), "{text}");
        Tried { answer, log: log.remove(0), metrics: metrics.remove(0) }
    }

    async fn sign_up(does: Does) -> Tried {
        tried(dispatcher(does, Arc::new(SystemClock)), event()).await
    }

    fn event() -> String {
        let event = Event::<PreSignUp>::sample();
        event.with_value(&["request", "validationData", "code"], "SECRET-CODE-42").raw().to_owned()
    }

    impl Tried {
        #[track_caller]
        fn is_the_sentence(&self, kind: &str, cause: &str) {
            let refusal = self.answer.as_ref().unwrap_err();
            assert_eq!(refusal.kind, "Fault");
            let sentence = "Something went wrong on our side, please try again later (reference 3f2a9c10)";
            assert_eq!(refusal.message, sentence);
            self.has_the_cause(kind, cause);
        }

        #[track_caller]
        fn has_the_cause(&self, kind: &str, cause: &str) {
            assert_eq!((&self.log["level"], &self.log["message"]), (&json!("WARN"), &json!("decision")));
            assert_eq!((&self.log["outcome"], &self.log["fault_kind"]), (&json!("faulted"), &json!(kind)));
            assert_eq!((&self.log["fault"], &self.log["reference"]), (&json!(cause), &json!("3f2a9c10")));
            assert_eq!(self.metrics["Faults"], 1);
        }
    }

    #[tokio::test]
    async fn who_passes_gets_the_event_back_with_what_was_set() {
        let tried = sign_up(Does::Verify).await;
        let mut expected: Value = serde_json::from_str(&event()).unwrap();
        expected["response"]["autoVerifyEmail"] = json!(true);
        assert_eq!(serde_json::from_str::<Value>(&tried.answer.unwrap()).unwrap(), expected);
        assert_eq!((&tried.log["level"], &tried.log["outcome"]), (&json!("INFO"), &json!("passed")));
        assert_eq!((&tried.log["trigger"], &tried.log["source"]), (&json!("PreSignUp"), &json!("PreSignUp_SignUp")));
        assert_eq!(tried.log["user"].as_str().unwrap().len(), 12);
        assert_eq!((&tried.metrics["Faults"], &tried.metrics["Denials"]), (&json!(0), &json!(0)));
    }

    #[tokio::test]
    async fn nothing_of_an_event_is_printed_anew() {
        let body =
            "{\"triggerSource\":\"Unheard_Of\" ,\n \"n\":1.50e+0,\"long\":12345678901234567890123,\"x\":\"\\u00e4\"}";
        let tried = tried(dispatcher(Does::Deny, Arc::new(SystemClock)), body).await;
        assert_eq!(tried.answer.unwrap(), body);
        assert_eq!(tried.log["outcome"], "echoed");
    }

    #[tokio::test]
    async fn a_denial_is_told_word_for_word_and_not_logged() {
        let tried = sign_up(Does::Deny).await;
        let told = Refusal { kind: "Denied", message: "anna@example.com is not welcome".into() };
        assert_eq!(tried.answer.unwrap_err(), told);
        assert_eq!((&tried.log["level"], &tried.log["outcome"]), (&json!("INFO"), &json!("denied")));
        assert_eq!(tried.log.get("fault"), None);
        assert_eq!((&tried.metrics["Denials"], &tried.metrics["Faults"]), (&json!(1), &json!(0)));
    }

    #[tokio::test]
    async fn a_fault_is_the_sentence_and_its_causes_are_logged() {
        sign_up(Does::Fault).await.is_the_sentence("service", "the ledger is gone: no item for …");
    }

    #[tokio::test]
    async fn a_panic_of_a_rule_is_a_fault() {
        sign_up(Does::Panic).await.is_the_sentence("panic", "panicked: did not expect …");
    }

    #[tokio::test]
    async fn a_panic_outside_of_a_rule_is_a_fault() {
        let restless = dispatcher(Does::Verify, Arc::new(Restless));
        tried(restless, event()).await.is_the_sentence("panic", "panicked outside of a rule: no sleep for …");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rule_that_takes_too_long_is_a_fault_at_the_deadline() {
        let started = tokio::time::Instant::now();
        sign_up(Does::Wait).await.is_the_sentence("timeout", "the time for the answer was up");
        assert!((3990..=4010).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_never_wakes_anybody_does_not_hold_up_the_answer() {
        let started = tokio::time::Instant::now();
        let stopped = dispatcher(Does::Wait, Arc::new(StoppedClock::default()));
        tried(stopped, event()).await.is_the_sentence("timeout", "the time for the answer was long up");
        assert!((4090..=4110).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn what_is_not_json_is_a_fault() {
        let cases: [(&[u8], &str); 4] = [
            (b"", "the event is not a JSON object (line 1, column 0)"),
            (b"{\"userName\": \"anna\"", "the event is not a JSON object (line 1, column 19)"),
            (b"{} anna", "the event is not a JSON object (line 1, column 4)"),
            (b"{\"userName\": \"\xff\"}", "the event is not UTF-8"),
        ];
        for (body, cause) in cases {
            let tried = tried(dispatcher(Does::Verify, Arc::new(SystemClock)), body).await;
            tried.is_the_sentence("malformed", cause);
            assert_eq!(tried.log["source"], "");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_confirmed_already_reads_no_error() {
        let event = Event::<PostConfirmation>::sample().raw().to_owned();
        for (does, kind, cause) in [
            (Does::Fault, "service", "the ledger is gone: no item for …"),
            (Does::Panic, "panic", "panicked: did not expect …"),
            (Does::Wait, "timeout", "the time for the answer was up"),
        ] {
            let tried = tried(dispatcher(does, Arc::new(SystemClock)), event.clone()).await;
            assert_eq!(tried.answer.as_deref(), Ok(event.trim()));
            tried.has_the_cause(kind, cause);
        }
        let tried = tried(dispatcher(Does::Verify, Arc::new(Restless)), event.clone()).await;
        assert_eq!(tried.answer.as_deref(), Ok(event.trim()));
        tried.has_the_cause("panic", "panicked outside of a rule: no sleep for …");
    }

    #[tokio::test]
    async fn a_broken_configuration_is_a_fault_of_every_event() {
        let error = ConfigError::new("`exmaple.com` is no domain").at("domain-allow-list.allow[0]");
        let broken = || Dispatcher::broken(&error, Services::none(Arc::new(SystemClock)));
        let cause = "domain-allow-list.allow[0]: `exmaple.com` is no domain";
        tried(broken(), event()).await.is_the_sentence("configuration", cause);

        let confirmed = Event::<PostConfirmation>::sample().raw().to_owned();
        let tried = tried(broken(), confirmed.clone()).await;
        assert_eq!(tried.answer.as_deref(), Ok(confirmed.trim()));
        tried.has_the_cause("configuration", cause);
    }

    #[tokio::test]
    async fn only_the_first_event_is_a_cold_start_and_metrics_can_be_off() {
        let log = Capture::default();
        let _guard = log.install();
        let dispatcher = dispatcher(Does::Verify, Arc::new(SystemClock));
        let door: Door<Capture> = Door::new(dispatcher, Duration::from_secs(4), Current::default(), None);
        for _ in 0..2 {
            door.answer(Call { body: event().into(), request_id: "1", deadline_ms: 0 }).await.unwrap();
        }
        let cold: Vec<_> = log.json().iter().map(|line| line["cold_start"].clone()).collect();
        assert_eq!(cold, [true, false]);
    }

    #[test]
    fn the_deadline_is_the_sooner_of_lambdas_and_ours() {
        let now = Timestamp::constant(1_767_268_800, 0);
        let left = |lambdas_ms: i64, budget_ms: u64| {
            let lambdas = u64::try_from(now.as_millisecond() + lambdas_ms).unwrap();
            deadline(now, lambdas, Duration::from_millis(budget_ms)).as_millisecond() - now.as_millisecond()
        };
        assert_eq!(left(15_000, 4000), 4000);
        assert_eq!(left(3000, 4000), 2850);
        assert_eq!(left(4100, 4000), 3950);
        // Hardly any time is no reason for taking more.
        assert_eq!(left(100, 4000), -50);
        // What lies in the past is no deadline, nor is what no calendar has.
        assert_eq!(left(-1, 4000), 4000);
        assert_eq!(deadline(now, u64::MAX, Duration::from_secs(4)).as_millisecond() - now.as_millisecond(), 4000);
        assert_eq!(deadline(now, 600_000, Duration::from_secs(4)).as_millisecond() - now.as_millisecond(), 4000);
    }
}
