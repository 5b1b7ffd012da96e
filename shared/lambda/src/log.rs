//! Where log lines go and which: JSON, one line each, on the standard output.

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// Libraries whose lower levels write down what they send and receive, by what their targets begin with.
const TALKATIVE: &[&str] = &["aws_", "h2", "hyper", "lambda_runtime", "rustls", "tower"];

/// Prints the error of every answer that is one. An answer is what the user reads, which can be personal.
const NEVER: &str = "lambda_runtime::layers::panic";

/// A subscriber that writes lines of JSON. There is no way to have the level `trace` of other crates.
pub(crate) fn subscriber<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let quiet = level.min(LevelFilter::WARN);
    let targets = Targets::new()
        .with_default(level)
        .with_targets(TALKATIVE.iter().map(|target| (*target, quiet)))
        .with_target(NEVER, LevelFilter::OFF);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_max_level(level)
        // Its own errors would go to the standard error, with the fields.
        .log_internal_errors(false)
        .with_writer(writer)
        .finish()
        .with(targets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;

    fn written(level: LevelFilter, write: impl FnOnce()) -> Vec<serde_json::Value> {
        let capture = Capture::default();
        tracing::subscriber::with_default(subscriber(level, capture.clone()), write);
        capture.json()
    }

    #[test]
    fn a_line_is_flat_json_with_time_level_and_target() {
        let lines = written(LevelFilter::INFO, || tracing::info!(target: "here", answer = 42, "hello"));
        let line = lines[0].as_object().unwrap();
        assert_eq!(line.keys().map(String::as_str).collect::<Vec<_>>().len(), 5, "{line:?}");
        assert_eq!(
            (&line["level"], &line["message"], &line["target"]),
            (&"INFO".into(), &"hello".into(), &"here".into())
        );
        assert_eq!(line["answer"], 42);
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn levels_below_the_one_asked_for_are_not_written() {
        let lines = written(LevelFilter::WARN, || {
            tracing::info!("no");
            tracing::warn!("yes");
        });
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn libraries_say_no_more_than_warnings_and_never_an_answer() {
        let lines = written(LevelFilter::DEBUG, || {
            tracing::trace!(target: "my_rule", "no");
            tracing::debug!(target: "my_rule", "yes");
            tracing::debug!(target: "hyper_util::client", "no");
            tracing::info!(target: "aws_smithy_runtime::client", "no");
            tracing::warn!(target: "aws_smithy_runtime::client", "yes");
            tracing::error!(target: "lambda_runtime::layers::api_client", "yes");
            tracing::error!(target: "lambda_runtime::layers::panic", "no");
        });
        assert!(lines.iter().all(|line| line["message"] == "yes"), "{lines:?}");
        assert_eq!(lines.len(), 3);
    }
}
