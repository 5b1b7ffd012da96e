//! What is written down of a round: a line of the log, a line for each sort of failure, metrics, and the answer to a sweep.

use std::collections::BTreeMap;
use std::time::Duration;

use cognito_triggers::courier::{Failure, Round};
use cognito_triggers::ledger::Backlog;
use cognito_triggers_lambda::{Measures, scrub};
use jiff::Timestamp;
use serde::Serialize;

use crate::{Finished, Occasion};

/// How many sorts of failures have a line of their own: where everything fails, each fails in its own words.
const MOST_LINES: usize = 20;

/// What a round did, in numbers: the answer to a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Deliveries carried out.
    pub delivered: usize,
    /// The same by the rule that staged them.
    pub rules: BTreeMap<String, usize>,
    /// Deliveries that had become pointless.
    pub lapsed: usize,
    /// Deliveries that turned out to be due later.
    #[serde(rename = "put-off")]
    pub put_off: usize,
    /// Deliveries that are tried again later.
    pub retried: usize,
    /// Deliveries that are tried again later because a service had too much to do.
    pub throttled: usize,
    /// Deliveries that were parked.
    pub parked: usize,
    /// How often the courier's own work failed: reading the ledger, or noting there what was done.
    pub faults: usize,
    /// What is left to do; missing if it could not be counted, or nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog: Option<Left>,
}

/// What is left to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Deliveries that are due and that nobody works on.
    pub due: usize,
    /// Since when the oldest of them is due.
    pub oldest: Option<Timestamp>,
    /// The same in seconds; 0 if there is none.
    #[serde(rename = "oldest-seconds")]
    pub oldest_seconds: u64,
    /// Deliveries that are parked.
    pub parked: usize,
}

impl Finished {
    /// What was done, in numbers.
    #[must_use]
    pub fn record(&self) -> Record {
        let Round { delivered, lapsed, retried, throttled, parked, failures, backlog, put_off } = &self.round;
        Record {
            delivered: self.round.done(),
            rules: delivered.clone(),
            lapsed: *lapsed,
            put_off: *put_off,
            retried: *retried,
            throttled: *throttled,
            parked: *parked,
            faults: failures.iter().filter(|failure| is_own(failure)).count(),
            backlog: backlog.as_ref().map(|backlog| Left::at(backlog, self.ended)),
        }
    }

    /// Writes the line of the round, at `info`, or at `warn` if anything failed; before it a line for each sort of failure.
    pub fn log(&self, request_id: &str, took: Duration, cold_start: bool) {
        let empty = crate::Records::default();
        let records = match &self.occasion {
            Occasion::Schedule => &empty,
            Occasion::Stream(records) => records,
        };
        for (why, times) in &records.unread {
            tracing::warn!(target: "round", fault = why, times, fate = "left to the sweep", "a record of the stream could not be read");
        }
        log_failures(&self.round.failures, &records.personal().to_string());

        let record = self.record();
        let left = record.backlog.as_ref();
        let is_stream = matches!(self.occasion, Occasion::Stream(_));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "round",
                    trigger = self.occasion.as_str(),
                    records = is_stream.then_some(records.all),
                    records_new = is_stream.then_some(records.new.len()),
                    records_due = is_stream.then(|| records.due(self.called).len()),
                    records_unread = is_stream.then(|| records.unread.values().sum::<usize>()),
                    delivered = record.delivered,
                    rules = rules(&record.rules),
                    lapsed = record.lapsed,
                    put_off = record.put_off,
                    retried = record.retried,
                    throttled = record.throttled,
                    parked = record.parked,
                    faults = record.faults,
                    backlog_due = left.map(|left| left.due),
                    backlog_oldest_s = left.map(|left| left.oldest_seconds),
                    backlog_parked = left.map(|left| left.parked),
                    request_id,
                    duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                    cold_start,
                    "round"
                )
            };
        }
        if self.round.failures.is_empty() && records.unread.is_empty() { line!(info) } else { line!(warn) }
    }

    /// The metrics: what was done, for the function and by rule, and after a sweep what is left.
    #[must_use]
    pub fn measures(&self) -> Vec<Measures> {
        let record = self.record();
        let mut all = Measures::default()
            .count("Delivered", record.delivered)
            .count("Retried", record.retried)
            .count("Throttled", record.throttled)
            .count("Parked", record.parked)
            .count("Faults", record.faults);
        if let Some(left) = record.backlog {
            all = all
                .count("BacklogDue", left.due)
                .count("BacklogParked", left.parked)
                .seconds("OldestDueSeconds", left.oldest_seconds);
        }
        let by_rule = record
            .rules
            .into_iter()
            .map(|(rule, delivered)| Measures::default().by("rule", rule).count("Delivered", delivered));
        std::iter::once(all).chain(by_rule).collect()
    }
}

impl Left {
    fn at(backlog: &Backlog, now: Timestamp) -> Self {
        let age = |oldest: Timestamp| u64::try_from(now.duration_since(oldest).as_secs()).unwrap_or_default();
        Self {
            due: backlog.due,
            oldest: backlog.oldest,
            oldest_seconds: backlog.oldest.map(age).unwrap_or_default(),
            parked: backlog.parked,
        }
    }
}

/// Whether it is the courier's own work that failed, not a delivery.
fn is_own(failure: &Failure) -> bool {
    failure.fate == "due again"
}

/// A line for each sort of failure with how often it happened; the commonest first, and not more than there is use for.
fn log_failures(failures: &[Failure], personal: &str) {
    let mut sorts: BTreeMap<_, (String, usize)> = BTreeMap::new();
    for failure in failures {
        let Failure { rule, kind, outlook, fault, fate } = failure;
        let fault = scrub(fault, personal.as_bytes()).to_string();
        // What AWS refuses bears the id of its request: the one of the first is enough to ask AWS about.
        let sort = fault.split(" (request ").next().unwrap_or_default().to_owned();
        let sort = (rule.as_deref(), kind.as_str(), outlook.as_str(), sort, *fate);
        sorts.entry(sort).or_insert((fault, 0)).1 += 1;
    }
    let mut sorts: Vec<_> = sorts.into_iter().collect();
    sorts.sort_by_key(|(_, (_, times))| std::cmp::Reverse(*times));
    for ((rule, kind, outlook, _, fate), (fault, times)) in sorts.iter().take(MOST_LINES) {
        let what = if rule.is_some() { "a delivery failed" } else { "the courier failed" };
        tracing::warn!(target: "round", rule, fault_kind = kind, outlook, fault, fate, times, "{what}");
    }
    let rest: usize = sorts.iter().skip(MOST_LINES).map(|(_, (_, times))| times).sum();
    if rest > 0 {
        tracing::warn!(target: "round", sorts = sorts.len().saturating_sub(MOST_LINES), times = rest, "further failures");
    }
}

/// `admin-notice 2, welcome-email 3`
fn rules(rules: &BTreeMap<String, usize>) -> Option<String> {
    let rules: Vec<_> = rules.iter().map(|(rule, delivered)| format!("{rule} {delivered}")).collect();
    (!rules.is_empty()).then(|| rules.join(", "))
}
