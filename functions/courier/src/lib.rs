//! Carries out deliveries that an earlier invocation could not: the courier as a Lambda.
//!
//! It is called in two ways. On a schedule it sweeps up whatever is due: that is the truth, and all that has to work. By the
//! stream of the ledger's table it is told of new deliveries: that only makes them faster, so whatever goes wrong there is
//! left to the sweep, and the stream is never held up. docs/courier.md says how to set up both, and what is guaranteed.

mod occasion;
mod record;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use aws_lambda_events::streams::DynamoDbEventResponse;
use cognito_triggers::config::{ConfigErrors, Configuration};
use cognito_triggers::courier::{Courier, Failure, Round, TRY};
use cognito_triggers::grants::{self, Grant};
use cognito_triggers::{Adapters, Clock, ConfigError, Environment, Fault, FaultKind, Invocation, Outlook};
use cognito_triggers_lambda::{Done, Job};
use jiff::{SignedDuration, Timestamp};

pub use occasion::{Occasion, Records};
pub use record::Record;

/// What is kept of the time for noting what became of the last tries, and for counting what is left.
const SETTLING: SignedDuration = SignedDuration::from_secs(4);

/// What the courier calls of AWS whatever there is to deliver. What a delivery takes, the rule says that stages it.
pub const GRANTS: &[Grant] = grants::OUTBOX;

/// Answers events until Lambda ends the process, with these services: the whole `main` of the courier.
#[must_use]
pub fn serve(adapters: Adapters) -> ExitCode {
    cognito_triggers_lambda::serve_job::<CourierJob>(adapters)
}

/// What the courier does for each event.
pub struct CourierJob {
    courier: Courier,
    clock: Arc<dyn Clock>,
}

/// What came of one event.
pub struct Finished {
    /// Why the courier was called.
    pub occasion: Occasion,
    /// What it did.
    pub round: Round,
    /// The time it was called.
    pub called: Timestamp,
    /// The time it had ended.
    pub ended: Timestamp,
}

impl CourierJob {
    /// One that works with this courier.
    #[must_use]
    pub fn new(courier: Courier, clock: Arc<dyn Clock>) -> Self {
        Self { courier, clock }
    }

    /// Does what the event asks for. No try is begun that cannot end before `deadline`.
    pub async fn carry_out(&self, event: &[u8], deadline: Timestamp) -> Finished {
        let called = self.clock.now();
        let until = deadline.saturating_sub(SETTLING).unwrap_or(deadline);
        let occasion = Occasion::of(event);
        let mut round = match &occasion {
            Occasion::Schedule => self.courier.sweep(until).await,
            Occasion::Stream(records) => self.courier.take(&records.due(called), until).await,
        };
        if called.saturating_add(TRY).unwrap_or(Timestamp::MAX) >= until {
            round.failures.push(too_short(until.duration_since(called)));
        }
        Finished { occasion, round, called, ended: self.clock.now() }
    }
}

/// A function that has no time for a single try would go on doing nothing, and nobody would know.
fn too_short(left: SignedDuration) -> Failure {
    let (tried, left) = (TRY.as_secs(), left.as_secs().max(0));
    Failure {
        rule: None,
        kind: FaultKind::Timeout,
        outlook: Outlook::Transient,
        fault: format!(
            "nothing was tried: a try takes up to {tried} s and there were {left} s; set the function's time-out to 60 s or more"
        ),
        fate: "due again",
    }
}

impl Finished {
    /// What the caller is answered: the counts of a sweep, and to a stream that every record is done with.
    ///
    /// # Errors
    ///
    /// None that could be provoked: it is made of numbers and names of rules.
    pub fn answer(&self) -> Result<String, Fault> {
        Ok(match &self.occasion {
            Occasion::Schedule => serde_json::to_string(&self.record())?,
            // An empty list: "complete success" (Lambda developer guide, "Configuring partial batch response with DynamoDB
            // and Lambda"). A record that is reported would hold up its whole shard.
            Occasion::Stream(_) => serde_json::to_string(&DynamoDbEventResponse::default())?,
        })
    }
}

impl Job for CourierJob {
    async fn open(
        environment: &Environment,
        adapters: &Adapters,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<ConfigError>), ConfigErrors> {
        let configuration = Configuration::find(environment)?;
        let (courier, doubts) = configuration.open_courier(environment, adapters, Arc::clone(&clock)).await?;
        Ok((Self::new(courier, clock), doubts))
    }

    async fn run(&self, call: Invocation<'_>, cold_start: bool) -> Result<Done, Fault> {
        let started = Instant::now();
        let finished = self.carry_out(call.body, call.deadline).await;
        finished.log(call.request_id, started.elapsed(), cold_start);
        Ok(Done { answer: finished.answer()?, measures: finished.measures() })
    }
}

#[cfg(test)]
mod tests;
