//! The one place that meets the Lambda Runtime API: deadline, masking of errors and panics, logs and metrics.
//!
//! The whole body of a function's `main` is [`serve`]:
//!
//! ```no_run
//! use cognito_triggers::prelude::*;
//! use cognito_triggers::Adapters;
//!
//! # #[derive(serde::Deserialize, schemars::JsonSchema)]
//! # struct CompanyOnly {}
//! # impl Rule<PreSignUp> for CompanyOnly {
//! #     async fn apply(&self, _: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> { Ok(Verdict::Continue) }
//! # }
//! # impl Configured for CompanyOnly {
//! #     const SECTION: &'static str = "company-only";
//! #     fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> { chains.attach(self).to::<PreSignUp>().done() }
//! # }
//! fn main() -> std::process::ExitCode {
//!     cognito_triggers_lambda::serve::<(CompanyOnly,)>(Adapters::none())
//! }
//! ```
//!
//! # Environment variables
//!
//! | variable | values | default |
//! |---|---|---|
//! | `TRIGGERS_BUDGET_MS` | how long an answer may take, 100 to 4900 ms, counted from when the function got the event | `4000` |
//! | `TRIGGERS_LOG` | `error`, `warn`, `info`, `debug` | what `AWS_LAMBDA_LOG_LEVEL` says, else `info` |
//! | `TRIGGERS_METRICS` | `on`, `off` | `on` |
//!
//! Those of the configuration and the services (`TRIGGERS_CONFIG`, `TRIGGERS_KEY`, ...) are described in
//! [`cognito_triggers::config`].
//!
//! # What is written
//!
//! JSON lines on the standard output. For every event one with the message `decision`: trigger, source, pool, client, the
//! user as a keyed hash, the rules with verdict and time, the calls of the ledger, the outcome, and after a fault its causes
//! without anything the event said of the user. It is at level `info`, and at `warn` if anything went wrong. Beside it, one
//! line of metrics in CloudWatch's embedded metric format.
//!
//! # What it cannot do
//!
//! The deadline is kept as long as rules and services give way when they wait. A rule that keeps the processor busy, or
//! blocks the thread, cannot be interrupted: Lambda ends the process at the function's own time-out, and the user reads
//! Lambda's text.

mod clock;
mod decision;
mod door;
mod function;
mod log;
mod metrics;
mod panics;
mod runtime;
mod scrub;
mod settings;

#[cfg(test)]
mod capture;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cognito_triggers::config::{ConfigErrors, Configuration};
use cognito_triggers::{Clock, ConfigError, Dispatcher, Environment, RuleSet, Services};
use futures_util::FutureExt;
use tokio::runtime::{Builder, LocalOptions};

pub use clock::SystemClock;
pub use cognito_triggers::Adapters;

use door::Door;
use metrics::Metrics;
use panics::Current;
use settings::Settings;

/// Opening may take as long as Lambda waits for a function to start (10 s), less what it takes to say so.
const OPENING: Duration = Duration::from_secs(9);

/// Answers events until Lambda ends the process.
///
/// A configuration that cannot be used does not end it: the reasons are logged, one line each, and every event is answered
/// with the sentence for faults, because the user would read the error of a start that failed.
///
/// Returns only if there is no Runtime API, or it can no longer be talked to.
#[must_use]
pub fn serve<R: RuleSet>(adapters: Adapters) -> ExitCode {
    let environment = environment();
    let (settings, error) = Settings::read(&environment);
    // It fails only where somebody set another one before; then that one is in force.
    let _ = tracing::subscriber::set_global_default(log::subscriber(settings.level, io::stdout));
    let current = Current::default();
    panics::install(current.clone());
    for doubt in &settings.doubts {
        tracing::warn!(target: "configuration", "{doubt}");
    }
    if let Some(missing) = runtime::missing(&environment) {
        tracing::error!(
            target: "runtime",
            "this is a function for AWS Lambda and `{missing}` is not set; deploy it, or run it with `cargo lambda watch`"
        );
        return ExitCode::FAILURE;
    }
    let ended = catch_unwind(AssertUnwindSafe(|| {
        // Not `build()`: it links tokio's multi-threaded runtime too, and with that libm, which costs a twentieth of a cold
        // start. See docs/benchmarks.md.
        let tokio = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        tokio.block_on(async {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let dispatcher = open::<R>(&environment, &adapters, clock, error).await;
            let metrics = settings.metrics.then(|| Metrics::new(settings.function, io::stdout));
            runtime::run(Door::new(dispatcher, settings.budget, current, metrics)).await
        })
    }));
    match ended {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => tracing::error!(target: "runtime", "the Runtime API cannot be talked to: {error}"),
        // The hook has said which.
        Err(_) => tracing::error!(target: "runtime", "a panic ended the function"),
    }
    ExitCode::FAILURE
}

/// The environment, read once. What is not Unicode is none of ours.
fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The dispatcher of the configuration, or one that answers every event with a fault.
async fn open<R: RuleSet>(
    environment: &Environment,
    adapters: &Adapters,
    clock: Arc<dyn Clock>,
    error: Option<ConfigError>,
) -> Dispatcher {
    let opening = async {
        if let Some(error) = error {
            return Err(error.into());
        }
        let configuration = Configuration::find(environment)?;
        for warning in configuration.without_effect() {
            tracing::warn!(target: "configuration", "{warning}");
        }
        configuration.open::<R>(environment, adapters, Arc::clone(&clock)).await
    };
    let errors = match tokio::time::timeout(OPENING, AssertUnwindSafe(opening).catch_unwind()).await {
        Ok(Ok(Ok(dispatcher))) => {
            for doubt in dispatcher.doubts() {
                tracing::error!(target: "configuration", "{doubt}");
            }
            return dispatcher;
        }
        Ok(Ok(Err(errors))) => errors,
        Ok(Err(_)) => ConfigError::new("setting up the rules or the services panicked").into(),
        Err(_) => ConfigError::new(format!("the services were not opened within {} s", OPENING.as_secs())).into(),
    };
    broken(&errors, clock)
}

/// Logs what is wrong and lets every event be answered with a fault.
fn broken(ConfigErrors(errors): &ConfigErrors, clock: Arc<dyn Clock>) -> Dispatcher {
    for error in errors {
        tracing::error!(target: "configuration", "{error}");
    }
    let unknown = ConfigError::new("the configuration cannot be used");
    Dispatcher::broken(errors.first().unwrap_or(&unknown), Services::none(clock))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;
    use cognito_triggers::Invocation;
    use cognito_triggers::report::Outcome;

    #[tokio::test]
    async fn every_error_of_a_configuration_is_a_line_and_none_is_an_answer() {
        let capture = Capture::default();
        let _guard = capture.install();
        let errors = ConfigErrors(vec![
            ConfigError::new("an unknown key").at("domain-allow-list.alow").remedy("did you mean `allow`?"),
            ConfigError::new("a second mistake"),
        ]);
        let dispatcher = broken(&errors, Arc::new(SystemClock));
        let lines = capture.json();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["message"], "domain-allow-list.alow: an unknown key; did you mean `allow`?");
        assert_eq!(lines[1]["level"], "ERROR");

        let invocation = Invocation {
            body: br#"{"triggerSource":"PreSignUp_SignUp"}"#,
            request_id: "0123456789",
            deadline: jiff::Timestamp::MAX,
        };
        let handled = dispatcher.handle(invocation).await;
        assert_eq!(handled.report.outcome, Outcome::Faulted);
        let message = handled.answer.unwrap_err().message;
        assert_eq!(message, "Something went wrong on our side, please try again later (reference 01234567)");
    }
}
