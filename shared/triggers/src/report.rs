//! What happened to one event, for the decision line, the metrics and `cargo local`.

use crate::FaultKind;
use crate::visit::{Calls, Counts};

/// One rule asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule's table in `triggers.toml`.
    pub rule: &'static str,
    /// What it answered.
    pub verdict: StepVerdict,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// What a rule answered, as far as the log is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepVerdict {
    /// Nothing against it.
    Continue,
    /// Refused.
    Deny,
    /// Failed, with the chain of causes, which may hold personal data.
    Fault(FaultKind, String),
}

impl StepVerdict {
    /// The name in logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Deny => "deny",
            Self::Fault(..) => "fault",
        }
    }
}

/// How one event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No rule is attached to its source; it went back as it came.
    Echoed,
    /// Every rule agreed.
    Passed,
    /// A rule refused.
    Denied,
    /// Something went wrong.
    Faulted,
}

impl Outcome {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Echoed => "echoed",
            Self::Passed => "passed",
            Self::Denied => "denied",
            Self::Faulted => "faulted",
        }
    }
}

/// What happened to one event.
#[derive(Clone, Debug)]
pub struct Report {
    /// The trigger, if a rule is attached to it.
    pub trigger: Option<&'static str>,
    /// `triggerSource`.
    pub source: String,
    /// `userPoolId`.
    pub pool: String,
    /// The app client, where the event names one.
    pub client: Option<String>,
    /// The user as a keyed hash, if there is a key.
    pub user: Option<String>,
    /// The rules of the last attempt, in the order they were asked.
    pub steps: Vec<Step>,
    /// How often the chain ran.
    pub attempts: u32,
    /// How often the ledger was called.
    pub calls: Calls,
    /// Deliveries staged, and how many of them were carried out.
    pub deliveries: DeliveryCount,
    /// What rules counted, if the event passed.
    pub counts: Counts,
    /// How it ended.
    pub outcome: Outcome,
    /// The rule that refused or failed.
    pub rule: Option<&'static str>,
    /// What went wrong, with the chain of causes.
    pub fault: Option<(FaultKind, String)>,
    /// What stands in the sentence a user reads after a fault.
    pub reference: String,
}

/// Deliveries of one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCount {
    /// Stored with the decision.
    pub staged: usize,
    /// Carried out before the answer.
    pub done: usize,
}

impl Report {
    /// Adds what went wrong beside what did already; the kind is that of the first.
    pub(crate) fn note(&mut self, kind: FaultKind, text: String) {
        match &mut self.fault {
            Some((_, before)) => {
                before.push_str("; ");
                before.push_str(&text);
            }
            None => self.fault = Some((kind, text)),
        }
    }

    pub(crate) fn new(reference: String) -> Self {
        Self {
            trigger: None,
            source: String::new(),
            pool: String::new(),
            client: None,
            user: None,
            steps: Vec::new(),
            attempts: 0,
            calls: Calls::default(),
            deliveries: DeliveryCount::default(),
            counts: Counts::default(),
            outcome: Outcome::Echoed,
            rule: None,
            fault: None,
            reference,
        }
    }
}
