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
//! # Functions that Cognito does not call
//!
//! The whole body of such a `main` is [`serve_job`]: a [`Job`] is opened once and gets every event as it came. It has the
//! function's whole time, logs what it likes, says what it has measured ([`Measures`]), and may fail: nobody but the operator
//! reads it. Panics and jobs that take too long are logged and answered with a short error.
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
mod job;
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
pub use job::{Done, Job};
pub use metrics::Measures;
pub use scrub::scrub;

use door::Door;
use job::Desk;
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
    let Some(Process { environment, settings, error, current }) = Process::begin() else { return ExitCode::FAILURE };
    until_lambda_ends_it(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let dispatcher = open::<R>(&environment, &adapters, clock, error).await;
        let metrics = settings.metrics.then(|| Metrics::new(settings.function, io::stdout));
        runtime::run(Door::new(dispatcher, settings.budget, current, metrics)).await
    })
}

/// Does a job for every event, until Lambda ends the process: the whole `main` of a function that Cognito does not call, such
/// as the courier.
///
/// A configuration that cannot be used does not end it: the reasons are logged, one line each, and every call fails with a
/// short error. `TRIGGERS_BUDGET_MS` does not apply, as nobody waits for the answer; the time is the function's own.
///
/// Returns only if there is no Runtime API, or it can no longer be talked to.
#[must_use]
pub fn serve_job<J: Job>(adapters: Adapters) -> ExitCode {
    let Some(Process { environment, settings, current, .. }) = Process::begin() else { return ExitCode::FAILURE };
    until_lambda_ends_it(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let job = open_job::<J>(&environment, &adapters, Arc::clone(&clock)).await;
        let metrics = settings.metrics.then(|| Metrics::new(settings.function, io::stdout));
        runtime::run(Desk::new(job, clock, current, metrics)).await
    })
}

/// A process that Lambda started.
struct Process {
    environment: Environment,
    settings: Settings,
    /// What is wrong with the settings.
    error: Option<ConfigError>,
    current: Current,
}

impl Process {
    /// Reads the settings and sets up the log. `None` if Lambda did not start it, which is logged.
    fn begin() -> Option<Self> {
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
            return None;
        }
        Some(Self { environment, settings, error, current })
    }
}

/// Runs what answers events. It ends only if something is wrong, or in tests.
fn until_lambda_ends_it(work: impl Future<Output = Result<(), lambda_runtime::Error>>) -> ExitCode {
    let ended = catch_unwind(AssertUnwindSafe(|| {
        // Not `build()`: it links tokio's multi-threaded runtime too, and with that libm, which costs a twentieth of a cold
        // start. See docs/benchmarks.md.
        let tokio = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        tokio.block_on(work)
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
        configuration.open::<R>(environment, adapters, Arc::clone(&clock)).await
    };
    match in_time(opening).await {
        Ok(dispatcher) => {
            log_each(dispatcher.doubts());
            dispatcher
        }
        Err(errors) => broken(&errors, clock),
    }
}

/// The job of the configuration, or none if that cannot be used.
async fn open_job<J: Job>(environment: &Environment, adapters: &Adapters, clock: Arc<dyn Clock>) -> Option<J> {
    match in_time(J::open(environment, adapters, clock)).await {
        Ok((job, doubts)) => {
            log_each(&doubts);
            Some(job)
        }
        Err(ConfigErrors(errors)) => {
            log_each(&errors);
            None
        }
    }
}

/// Opens services before Lambda gives up on the start, with a panic for an error.
async fn in_time<T>(opening: impl Future<Output = Result<T, ConfigErrors>>) -> Result<T, ConfigErrors> {
    match tokio::time::timeout(OPENING, AssertUnwindSafe(opening).catch_unwind()).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(_)) => Err(ConfigError::new("setting up the rules or the services panicked").into()),
        Err(_) => Err(ConfigError::new(format!("the services were not opened within {} s", OPENING.as_secs())).into()),
    }
}

fn log_each(errors: &[ConfigError]) {
    for error in errors {
        tracing::error!(target: "configuration", "{error}");
    }
}

/// Logs what is wrong and lets every event be answered with a fault.
fn broken(ConfigErrors(errors): &ConfigErrors, clock: Arc<dyn Clock>) -> Dispatcher {
    log_each(errors);
    let unknown = ConfigError::new("the configuration cannot be used");
    Dispatcher::broken(errors.first().unwrap_or(&unknown), Services::none(clock))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;
    use cognito_triggers::report::Outcome;
    use cognito_triggers::{Fault, Invocation};

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

    /// What becomes of a job that is opened.
    enum Opens<const HOW: u8> {}

    const BADLY: u8 = 0;
    const NEVER: u8 = 1;
    const WITH_A_BANG: u8 = 2;

    impl<const HOW: u8> Job for Opens<HOW> {
        async fn open(
            _: &Environment,
            _: &Adapters,
            _: Arc<dyn Clock>,
        ) -> Result<(Self, Vec<ConfigError>), ConfigErrors> {
            match HOW {
                BADLY => Err(ConfigErrors(vec![ConfigError::new("no ledger"), ConfigError::new("no key")])),
                NEVER => std::future::pending().await,
                _ => panic!("bang"),
            }
        }

        async fn run(&self, _: Invocation<'_>, _: bool) -> Result<Done, Fault> {
            match *self {}
        }
    }

    struct Doubtful;

    impl Job for Doubtful {
        async fn open(
            _: &Environment,
            _: &Adapters,
            _: Arc<dyn Clock>,
        ) -> Result<(Self, Vec<ConfigError>), ConfigErrors> {
            Ok((Self, vec![ConfigError::new("no such folder").at("services.mailer")]))
        }

        async fn run(&self, _: Invocation<'_>, _: bool) -> Result<Done, Fault> {
            Ok(Done::default())
        }
    }

    /// Whether a job was opened, and the errors of the log.
    async fn opened<J: Job>() -> (bool, Vec<String>) {
        let capture = Capture::default();
        let _guard = capture.install();
        let job = open_job::<J>(&Environment::default(), &Adapters::none(), Arc::new(SystemClock)).await;
        let errors = capture.json().into_iter().filter(|line| line["level"] == "ERROR");
        (job.is_some(), errors.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_cannot_be_opened_is_none_and_says_why() {
        assert_eq!(opened::<Opens<BADLY>>().await, (false, vec!["no ledger".into(), "no key".into()]));
        assert_eq!(opened::<Opens<NEVER>>().await, (false, vec!["the services were not opened within 9 s".into()]));
        let panicked = vec!["setting up the rules or the services panicked".to_owned()];
        assert_eq!(opened::<Opens<WITH_A_BANG>>().await, (false, panicked));
    }

    #[tokio::test]
    async fn a_doubt_is_an_error_of_the_log_and_stops_no_job() {
        assert_eq!(opened::<Doubtful>().await, (true, vec!["services.mailer: no such folder".into()]));
    }
}
