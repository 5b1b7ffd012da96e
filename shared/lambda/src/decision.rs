//! The one line the log has for every event.

use std::fmt::Write;
use std::time::Duration;

use cognito_triggers::FaultKind;
use cognito_triggers::report::{Report, StepVerdict};

use crate::scrub::scrub;

/// What came from outside is not written at any length.
const LONGEST: usize = 128;

/// One event, decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision<'a> {
    /// What happened.
    pub(crate) report: &'a Report,
    /// Lambda's id of the call.
    pub(crate) request_id: &'a str,
    /// How long it took.
    pub(crate) took: Duration,
    /// Whether it was the first of this process.
    pub(crate) cold_start: bool,
}

impl Decision<'_> {
    /// Writes the line: at `info`, or at `warn` if anything went wrong, whether or not the user noticed.
    ///
    /// `event` is the raw event: nothing it says of the user is in the line.
    pub(crate) fn log(&self, event: &[u8]) {
        let Self { report, request_id, took, cold_start } = *self;
        let kind = fault_kind(report);
        macro_rules! line {
            ($level:ident, $fault:expr) => {
                tracing::$level!(
                    target: "decision",
                    trigger = report.trigger,
                    source = short(&report.source),
                    pool = short(&report.pool),
                    client = report.client.as_deref().map(short),
                    user = report.user.as_deref(),
                    rules = rules(report),
                    attempts = report.attempts,
                    ledger_reads = report.calls.reads,
                    ledger_writes = report.calls.writes,
                    deliveries_staged = report.deliveries.staged,
                    deliveries_done = report.deliveries.done,
                    outcome = report.outcome.as_str(),
                    rule = report.rule,
                    fault_kind = kind.map(FaultKind::as_str),
                    fault = $fault,
                    reference = report.reference,
                    request_id,
                    duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                    cold_start,
                    "decision"
                )
            };
        }
        match kind {
            Some(_) => line!(warn, scrub(&faults(report), event)),
            None => line!(info, None::<&str>),
        }
    }
}

/// What sort of accident there was, if there was one: what the event ended with, else the first that was passed over.
pub(crate) fn fault_kind(report: &Report) -> Option<FaultKind> {
    let ended = report.fault.as_ref().map(|(kind, _)| *kind);
    ended.or_else(|| passed_over(report).next().map(|(_, kind, _)| kind))
}

/// The faults of rules that did not end the event, with rule and text.
pub(crate) fn passed_over(report: &Report) -> impl Iterator<Item = (&'static str, FaultKind, &str)> {
    report.steps.iter().filter_map(|step| match &step.verdict {
        StepVerdict::Fault(kind, text) if report.rule != Some(step.rule) => Some((step.rule, *kind, text.as_str())),
        _ => None,
    })
}

/// Every fault, in the order of the chain.
fn faults(report: &Report) -> String {
    let mut faults: Vec<_> = passed_over(report).map(|(rule, _, text)| format!("{rule}: {text}")).collect();
    faults.extend(report.fault.as_ref().map(|(_, text)| text.clone()));
    faults.join("; ")
}

/// `domain-allow-list continue 12µs, access-code deny 40µs`
fn rules(report: &Report) -> String {
    let mut rules = String::with_capacity(40 * report.steps.len());
    for step in &report.steps {
        let separator = if rules.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(rules, "{separator}{} {} {}µs", step.rule, step.verdict.as_str(), step.micros);
    }
    rules
}

fn short(text: &str) -> &str {
    text.char_indices().nth(LONGEST).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;
    use cognito_triggers::Calls;
    use cognito_triggers::Counts;
    use cognito_triggers::report::{DeliveryCount, Outcome, Step};
    use serde_json::{Value, json};

    pub(crate) fn report() -> Report {
        Report {
            trigger: Some("PreSignUp"),
            source: "PreSignUp_SignUp".into(),
            pool: "eu-central-1_Example01".into(),
            client: Some("1example23456789".into()),
            user: Some("ABCDEFGHIJKL".into()),
            steps: vec![
                Step { rule: "domain-allow-list", verdict: StepVerdict::Continue, micros: 12 },
                Step { rule: "access-code", verdict: StepVerdict::Deny, micros: 40 },
            ],
            attempts: 1,
            calls: Calls { reads: 1, writes: 0, acknowledgements: 0 },
            deliveries: DeliveryCount { staged: 2, done: 1 },
            counts: Counts::default(),
            outcome: Outcome::Denied,
            rule: Some("access-code"),
            fault: None,
            reference: "01234567".into(),
        }
    }

    fn line(report: &Report, event: &str) -> Value {
        let capture = Capture::default();
        let _guard = capture.install();
        let took = Duration::from_micros(1234);
        Decision { report, request_id: "0123-4567", took, cold_start: true }.log(event.as_bytes());
        capture.json().remove(0)
    }

    #[test]
    fn a_decision_says_everything_but_who() {
        let mut line = line(&report(), "{}");
        line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert_eq!(
            line,
            json!({
                "level": "INFO", "target": "decision", "message": "decision",
                "trigger": "PreSignUp", "source": "PreSignUp_SignUp", "pool": "eu-central-1_Example01",
                "client": "1example23456789", "user": "ABCDEFGHIJKL",
                "rules": "domain-allow-list continue 12µs, access-code deny 40µs", "attempts": 1,
                "ledger_reads": 1, "ledger_writes": 0, "deliveries_staged": 2, "deliveries_done": 1,
                "outcome": "denied", "rule": "access-code",
                "reference": "01234567", "request_id": "0123-4567", "duration_us": 1234, "cold_start": true,
            })
        );
    }

    #[test]
    fn a_fault_is_a_warning_with_its_causes_told_once() {
        let fault = (FaultKind::Service, "ledger: no answer for anna@example.com".to_owned());
        let mut report = report();
        report.outcome = Outcome::Faulted;
        report.steps[1].verdict = StepVerdict::Fault(fault.0, fault.1.clone());
        report.fault = Some(fault);
        let line = line(&report, r#"{"request":{"userAttributes":{"email":"anna@example.com"}}}"#);
        assert_eq!((&line["level"], &line["fault_kind"]), (&json!("WARN"), &json!("service")));
        assert_eq!(line["fault"], "ledger: no answer for …");
        assert_eq!(line["rules"], "domain-allow-list continue 12µs, access-code fault 40µs");
    }

    #[test]
    fn a_fault_that_was_passed_over_is_a_warning_too() {
        let mut report = report();
        report.outcome = Outcome::Passed;
        report.rule = None;
        report.steps[0].verdict = StepVerdict::Fault(FaultKind::Rule, "no luck, anna-lena".into());
        report.fault = Some((FaultKind::Service, "acknowledging deliveries: cut".into()));
        let line = line(&report, r#"{"userName":"anna-lena"}"#);
        assert_eq!(
            (&line["level"], &line["outcome"], &line["fault_kind"]),
            (&json!("WARN"), &json!("passed"), &json!("service"))
        );
        assert_eq!(line["fault"], "domain-allow-list: no luck, …; acknowledging deliveries: cut");
    }

    #[test]
    fn an_event_that_could_not_be_read_has_no_trigger_and_no_user() {
        let mut report = report();
        report.trigger = None;
        report.user = None;
        report.client = None;
        report.source = "ä".repeat(200);
        let line = line(&report, "");
        for absent in ["trigger", "user", "client", "fault", "fault_kind"] {
            assert!(line.get(absent).is_none(), "{absent}");
        }
        assert_eq!(line["source"], "ä".repeat(128));
    }
}
