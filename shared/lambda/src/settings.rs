//! What the environment says about serving.

use std::time::Duration;

use cognito_triggers::{ConfigError, Environment};
use tracing_subscriber::filter::LevelFilter;

/// Cognito waits 5 s, a cold start included: "must respond within 5 seconds" (Cognito developer guide, "Customizing user pool
/// workflows with Lambda triggers"). This leaves one second for everything that is not ours.
const BUDGET: Duration = Duration::from_secs(4);

/// What [`BUDGET`] may be set to, in milliseconds.
const BUDGETS: std::ops::RangeInclusive<u64> = 100..=4900;

/// How to serve.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What is logged.
    pub(crate) level: LevelFilter,
    /// Whether metrics are written.
    pub(crate) metrics: bool,
    /// How long an answer may take.
    pub(crate) budget: Duration,
    /// The function's name.
    pub(crate) function: String,
    /// What could not be understood and is not worth refusing anybody for: the default is in force.
    pub(crate) doubts: Vec<ConfigError>,
}

impl Settings {
    /// Reads them, and says what is wrong with what decides about users.
    pub(crate) fn read(environment: &Environment) -> (Self, Option<ConfigError>) {
        let mut doubts = Vec::new();
        let level = level(environment).unwrap_or_else(|doubt| {
            doubts.push(doubt);
            LevelFilter::INFO
        });
        let metrics = metrics(environment).unwrap_or_else(|doubt| {
            doubts.push(doubt);
            true
        });
        let (budget, error) = match budget(environment) {
            Ok(budget) => (budget, None),
            Err(error) => (BUDGET, Some(error)),
        };
        let function = environment.find("AWS_LAMBDA_FUNCTION_NAME").unwrap_or("unknown").to_owned();
        (Self { level, metrics, budget, function, doubts }, error)
    }
}

fn level(environment: &Environment) -> Result<LevelFilter, ConfigError> {
    let Some(name) = environment.find("TRIGGERS_LOG") else {
        // What the function's logging configuration says (Lambda developer guide, "Log-level filtering").
        let lambdas = environment.find("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default();
        return Ok(match lambdas.to_ascii_lowercase().as_str() {
            "fatal" | "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "debug" | "trace" => LevelFilter::DEBUG,
            _ => LevelFilter::INFO,
        });
    };
    match name.to_ascii_lowercase().as_str() {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        // No `trace`: at that level libraries write down what they send and receive.
        _ => Err(ConfigError::new(format!("there is no level `{name}`, so `info` is in force"))
            .at("TRIGGERS_LOG")
            .remedy("use `error`, `warn`, `info` or `debug`")),
    }
}

fn metrics(environment: &Environment) -> Result<bool, ConfigError> {
    match environment.find("TRIGGERS_METRICS").unwrap_or("on") {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(ConfigError::new(format!("`{other}` is neither `on` nor `off`, so metrics are on"))
            .at("TRIGGERS_METRICS")
            .remedy("use `on` or `off`")),
    }
}

fn budget(environment: &Environment) -> Result<Duration, ConfigError> {
    let Some(text) = environment.find("TRIGGERS_BUDGET_MS") else { return Ok(BUDGET) };
    match text.parse() {
        Ok(millis) if BUDGETS.contains(&millis) => Ok(Duration::from_millis(millis)),
        _ => Err(ConfigError::new(format!("`{text}` is not a number of milliseconds Cognito would wait"))
            .at("TRIGGERS_BUDGET_MS")
            .remedy(format!("use a whole number from {} to {}, e.g. 4000", BUDGETS.start(), BUDGETS.end()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Settings, Option<ConfigError>) {
        Settings::read(&variables.iter().copied().collect())
    }

    #[test]
    fn without_any_variable_the_defaults_are_in_force() {
        let (settings, error) = read(&[]);
        assert_eq!((settings.level, settings.metrics, settings.budget), (LevelFilter::INFO, true, BUDGET));
        assert!(error.is_none() && settings.doubts.is_empty());
    }

    #[test]
    fn a_budget_is_a_number_within_cognitos_patience() {
        for (text, millis) in [("100", 100), ("4900", 4900)] {
            let (settings, error) = read(&[("TRIGGERS_BUDGET_MS", text)]);
            assert_eq!((settings.budget.as_millis(), error), (millis, None));
        }
        for text in ["99", "4901", "4s", "-1", "1e3"] {
            let (settings, error) = read(&[("TRIGGERS_BUDGET_MS", text)]);
            assert_eq!(settings.budget, BUDGET);
            assert_eq!(
                error.unwrap().to_string(),
                format!(
                    "TRIGGERS_BUDGET_MS: `{text}` is not a number of milliseconds Cognito would wait; use a whole number \
                     from 100 to 4900, e.g. 4000"
                )
            );
        }
    }

    #[test]
    fn a_level_that_is_none_is_doubted_and_refuses_nobody() {
        let (settings, error) = read(&[("TRIGGERS_LOG", "trace"), ("TRIGGERS_METRICS", "no")]);
        assert_eq!((settings.level, settings.metrics, error), (LevelFilter::INFO, true, None));
        assert_eq!(settings.doubts.len(), 2);
    }

    #[test]
    fn our_own_level_goes_before_lambdas() {
        assert_eq!(read(&[("AWS_LAMBDA_LOG_LEVEL", "WARN")]).0.level, LevelFilter::WARN);
        assert_eq!(read(&[("AWS_LAMBDA_LOG_LEVEL", "TRACE")]).0.level, LevelFilter::DEBUG);
        assert_eq!(read(&[("AWS_LAMBDA_LOG_LEVEL", "WARN"), ("TRIGGERS_LOG", "DEBUG")]).0.level, LevelFilter::DEBUG);
        assert!(!read(&[("TRIGGERS_METRICS", "off")]).0.metrics);
    }
}
