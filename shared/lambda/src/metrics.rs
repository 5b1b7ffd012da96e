//! Metrics, as lines CloudWatch makes metrics of.
//!
//! Embedded metric format: a line of JSON whose `_aws` member names those of its members that are metrics and dimensions.
//! Writing JSON to the standard output is all it takes in a Lambda
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::borrow::Cow;
use std::io::Write;
use std::time::Duration;

use cognito_triggers::Counts;
use cognito_triggers::report::{Outcome, Report};
use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::decision::{fault_kind, passed_over};

const NAMESPACE: &str = "CognitoTriggers";

/// Writes one line for every event.
#[derive(Debug)]
pub(crate) struct Metrics<W> {
    function: String,
    writer: W,
}

impl<W> Metrics<W>
where
    W: for<'writer> MakeWriter<'writer>,
{
    /// For a function, to a writer.
    pub(crate) fn new(function: String, writer: W) -> Self {
        Self { function, writer }
    }

    /// Writes the metrics of one event.
    pub(crate) fn write(&self, report: &Report, now: Timestamp, took: Duration, cold_start: bool) {
        self.write_line(&Line::new(&self.function, report, now, took, cold_start));
    }

    /// Writes what a job has measured, a line each.
    pub(crate) fn write_measures(&self, measures: &[Measures], now: Timestamp) {
        for measures in measures.iter().filter(|measures| measures.can_be_written()) {
            self.write_line(&measures.line(&self.function, now));
        }
    }

    /// In one call, so that lines never run into each other.
    fn write_line(&self, line: &impl Serialize) {
        let mut text = Vec::with_capacity(768);
        if serde_json::to_writer(&mut text, line).is_err() {
            return;
        }
        text.push(b'\n');
        // Nobody is refused because a metric could not be written.
        let _ = self.writer.make_writer().write_all(&text);
    }
}

/// What a [`Job`](crate::Job) has measured, for the function and, with [`by`](Self::by), for one value of a further dimension.
///
/// ```
/// use cognito_triggers_lambda::Measures;
///
/// let all = Measures::default().count("Delivered", 3).seconds("OldestDueSeconds", 40);
/// let mails = Measures::default().by("rule", "welcome-email").count("Delivered", 2);
/// # let _ = (all, mails);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    dimension: Option<(&'static str, String)>,
    values: Vec<(Definition, u64)>,
}

impl Measures {
    /// Names the further dimension and its value. What CloudWatch would not take as one is not written.
    #[must_use]
    pub fn by(mut self, dimension: &'static str, value: impl Into<String>) -> Self {
        self.dimension = Some((dimension, value.into()));
        self
    }

    /// With a number of things.
    #[must_use]
    pub fn count(self, name: &'static str, value: usize) -> Self {
        self.with(Definition { name, unit: "Count" }, u64::try_from(value).unwrap_or(u64::MAX))
    }

    /// With a time in seconds.
    #[must_use]
    pub fn seconds(self, name: &'static str, value: u64) -> Self {
        self.with(Definition { name, unit: "Seconds" }, value)
    }

    fn with(mut self, definition: Definition, value: u64) -> Self {
        self.values.push((definition, value));
        self
    }

    /// "The value of the dimension. Dimension values must contain only ASCII characters and must include at least one
    /// non-whitespace character", at most 1,024 of them (CloudWatch API reference, "Dimension").
    fn can_be_written(&self) -> bool {
        let is_taken = |value: &str| value.is_ascii() && !value.trim().is_empty() && value.len() <= 1024;
        !self.values.is_empty() && self.dimension.as_ref().is_none_or(|(_, value)| is_taken(value))
    }

    fn line(&self, function: &str, now: Timestamp) -> Value {
        let dimensions: Vec<_> =
            std::iter::once("function").chain(self.dimension.as_ref().map(|(name, _)| *name)).collect();
        let definitions: Vec<_> = self.values.iter().map(|(definition, _)| definition).collect();
        let mut line = json!({
            "_aws": {
                "Timestamp": now.as_millisecond(),
                "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": definitions }],
            },
            "function": function,
        });
        if let Some(line) = line.as_object_mut() {
            line.extend(self.dimension.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
            line.extend(self.values.iter().map(|(definition, value)| (definition.name.to_owned(), json!(value))));
        }
        line
    }
}

/// The line: first what is what, then the values.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Line<'a> {
    #[serde(rename = "_aws")]
    metadata: Metadata,
    #[serde(rename = "function")]
    function: &'a str,
    // "The root node MUST contain all members defined by the references": a set without its member is left out above.
    #[serde(rename = "trigger", skip_serializing_if = "Option::is_none")]
    trigger: Option<&'static str>,
    #[serde(rename = "rule", skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    invocations: u8,
    denials: u8,
    faults: u8,
    /// In milliseconds.
    duration: f64,
    cold_starts: u8,
    /// What rules counted, each under its own name.
    #[serde(flatten, serialize_with = "counted_values")]
    counts: &'a Counts,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    /// In milliseconds since 1970.
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: &'static [&'static [&'static str]],
    metrics: Cow<'static, [Definition]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: &'static str,
}

const DENIALS: Definition = Definition { name: "Denials", unit: "Count" };
const FAULTS: Definition = Definition { name: "Faults", unit: "Count" };
const ALL: &[Definition] = &[
    Definition { name: "Invocations", unit: "Count" },
    DENIALS,
    FAULTS,
    Definition { name: "Duration", unit: "Milliseconds" },
    Definition { name: "ColdStarts", unit: "Count" },
];

impl<'a> Line<'a> {
    fn new(function: &'a str, report: &'a Report, now: Timestamp, took: Duration, cold_start: bool) -> Self {
        let denied = report.outcome == Outcome::Denied;
        let faulted = fault_kind(report).is_some();
        let rule = report.rule.or_else(|| passed_over(report).next().map(|(rule, _, _)| rule));
        let dimensions: &[&[&str]] = match report.trigger {
            Some(_) => &[&["function"], &["function", "trigger"]],
            None => &[&["function"]],
        };
        let mut directives = vec![Directive { namespace: NAMESPACE, dimensions, metrics: ALL.into() }];
        let counted: Vec<_> = counted(&report.counts).map(|(name, _)| Definition { name, unit: "Count" }).collect();
        if !counted.is_empty() {
            directives.push(Directive { namespace: NAMESPACE, dimensions, metrics: counted.into() });
        }
        // By rule only what a rule did: each further metric of a rule would cost, and say nothing.
        if rule.is_some() && (denied || faulted) {
            let metrics: &[Definition] = if denied { &[DENIALS] } else { &[FAULTS] };
            let dimensions = &[&["function", "rule"] as &[_]];
            directives.push(Directive { namespace: NAMESPACE, dimensions, metrics: metrics.into() });
        }
        Self {
            metadata: Metadata { timestamp: now.as_millisecond(), cloud_watch_metrics: directives },
            function,
            trigger: report.trigger,
            rule,
            invocations: 1,
            denials: denied.into(),
            faults: faulted.into(),
            // From whole microseconds, so that it prints with three digits; an hour of them is more than there is.
            duration: f64::from(u32::try_from(took.as_micros()).unwrap_or(u32::MAX)) / 1000.0,
            cold_starts: cold_start.into(),
            counts: &report.counts,
        }
    }
}

/// What else stands in the line.
const TAKEN: [&str; 4] = ["_aws", "function", "trigger", "rule"];
/// The most metrics of one directive (specification, "MetricDirective object").
const MOST_COUNTS: usize = 100;

/// What rules counted, as far as it can stand in the line: under a name that nothing else there has and CloudWatch takes, of 1
/// to 255 characters (CloudWatch API reference, "MetricDatum").
fn counted(counts: &Counts) -> impl Iterator<Item = (&'static str, u64)> {
    let is_plain = |name: &str| name.is_ascii() && !name.trim().is_empty() && name.len() <= 255;
    let is_free = |name: &str| !TAKEN.contains(&name) && ALL.iter().all(|definition| definition.name != name);
    counts.iter().filter(move |(name, _)| is_plain(name) && is_free(name)).take(MOST_COUNTS)
}

fn counted_values<S: Serializer>(counts: &Counts, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (name, count) in counted(counts) {
        map.serialize_entry(name, &count)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;
    use cognito_triggers::report::{DeliveryCount, Step, StepVerdict};
    use cognito_triggers::{Calls, Counts, FaultKind};

    fn report(outcome: Outcome, rule: Option<&'static str>) -> Report {
        Report {
            trigger: Some("PreSignUp"),
            source: "PreSignUp_SignUp".into(),
            pool: "eu-central-1_Example01".into(),
            client: None,
            user: None,
            steps: Vec::new(),
            attempts: 1,
            calls: Calls::default(),
            deliveries: DeliveryCount::default(),
            counts: Counts::default(),
            outcome,
            rule,
            fault: None,
            reference: "01234567".into(),
        }
    }

    fn line(report: &Report) -> Value {
        let capture = Capture::default();
        let metrics = Metrics::new("sign-up".into(), capture.clone());
        metrics.write(report, Timestamp::constant(1_767_268_800, 0), Duration::from_micros(1500), true);
        let line = capture.json().remove(0);
        conforms(&line);
        line
    }

    /// The rules of the specification, in its order.
    fn conforms(line: &Value) {
        let metadata = &line["_aws"];
        assert!(metadata["Timestamp"].is_i64());
        for directive in metadata["CloudWatchMetrics"].as_array().unwrap() {
            let members: Vec<_> = directive.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["Dimensions", "Metrics", "Namespace"], "no further members");
            assert!((1..=255).contains(&directive["Namespace"].as_str().unwrap().len()));
            let sets = directive["Dimensions"].as_array().unwrap();
            assert!(!sets.is_empty());
            for set in sets.iter().map(|set| set.as_array().unwrap()) {
                assert!(set.len() <= 9);
                for dimension in set {
                    // Values of dimensions are ASCII, not blank and at most 1,024 long (API reference, "Dimension").
                    let value = line[dimension.as_str().unwrap()].as_str().unwrap();
                    assert!(value.is_ascii() && !value.trim().is_empty() && value.len() <= 1024);
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                assert!(line[metric["Name"].as_str().unwrap()].is_number());
                assert!(["Count", "Milliseconds", "Seconds"].contains(&metric["Unit"].as_str().unwrap()));
            }
        }
    }

    fn by_rule(line: &Value) -> Option<&Value> {
        line["_aws"]["CloudWatchMetrics"].get(1)
    }

    #[test]
    fn an_event_is_counted_for_the_function_and_for_the_trigger() {
        let line = line(&report(Outcome::Passed, None));
        let names = ["Invocations", "Denials", "Faults", "Duration", "ColdStarts"];
        assert_eq!(names.map(|name| line[name].clone()), [json!(1), json!(0), json!(0), json!(1.5), json!(1)]);
        assert_eq!((&line["function"], &line["trigger"]), (&json!("sign-up"), &json!("PreSignUp")));
        assert_eq!(line["_aws"]["Timestamp"], 1_767_268_800_000_i64);
        let all = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(all["Namespace"], "CognitoTriggers");
        assert_eq!(all["Dimensions"], json!([["function"], ["function", "trigger"]]));
        assert_eq!(all["Metrics"][3], json!({"Name": "Duration", "Unit": "Milliseconds"}));
        assert_eq!(by_rule(&line), None);
    }

    #[test]
    fn a_denial_is_counted_for_its_rule() {
        let line = line(&report(Outcome::Denied, Some("access-code")));
        assert_eq!((&line["Denials"], &line["Faults"], &line["rule"]), (&json!(1), &json!(0), &json!("access-code")));
        let by_rule = by_rule(&line).unwrap();
        assert_eq!(by_rule["Dimensions"], json!([["function", "rule"]]));
        assert_eq!(by_rule["Metrics"], json!([{"Name": "Denials", "Unit": "Count"}]));
    }

    #[test]
    fn a_fault_is_counted_even_where_it_was_passed_over() {
        let mut passed = report(Outcome::Passed, None);
        passed.steps =
            vec![Step { rule: "win-back", verdict: StepVerdict::Fault(FaultKind::Rule, "no".into()), micros: 1 }];
        let line = line(&passed);
        assert_eq!((&line["Faults"], &line["rule"]), (&json!(1), &json!("win-back")));
        assert_eq!(by_rule(&line).unwrap()["Metrics"], json!([{"Name": "Faults", "Unit": "Count"}]));
    }

    #[test]
    fn an_event_without_a_trigger_names_none() {
        let mut unread = report(Outcome::Faulted, None);
        unread.trigger = None;
        unread.fault = Some((FaultKind::Malformed, "not JSON".into()));
        let line = line(&unread);
        assert!(line.get("trigger").is_none());
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["function"]]));
        assert_eq!(line["Faults"], 1);
    }

    fn counting(names: &[&'static str]) -> Report {
        let mut report = report(Outcome::Passed, None);
        names.iter().for_each(|name| report.counts.one(name));
        report
    }

    #[test]
    fn what_rules_counted_are_metrics_of_the_same_line() {
        let line = line(&counting(&["SignIns", "FirstSignIns", "SignIns"]));
        assert_eq!((&line["SignIns"], &line["FirstSignIns"]), (&json!(2), &json!(1)));
        let [all, counted] = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().as_slice() else { panic!("{line}") };
        assert_eq!((&counted["Namespace"], &counted["Dimensions"]), (&all["Namespace"], &all["Dimensions"]));
        assert_eq!(counted["Dimensions"], json!([["function"], ["function", "trigger"]]));
        let names = [json!({"Name": "FirstSignIns", "Unit": "Count"}), json!({"Name": "SignIns", "Unit": "Count"})];
        assert_eq!(counted["Metrics"], json!(names));
        assert_eq!(line["Invocations"], 1, "the others are there as ever");
    }

    #[test]
    fn where_nothing_was_counted_the_line_says_nothing_of_it() {
        let line = line(&report(Outcome::Passed, None));
        let members: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let usual = ["ColdStarts", "Denials", "Duration", "Faults", "Invocations", "_aws", "function", "trigger"];
        assert_eq!(members, usual);
        assert_eq!(line["_aws"]["CloudWatchMetrics"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_count_replaces_nothing_in_the_line_and_none_is_written_that_cloudwatch_would_not_take() {
        let long: &'static str = "x".repeat(256).leak();
        let line = line(&counting(&["Denials", "function", "rule", "_aws", "", " ", "Grüße", long, "Fine"]));
        assert_eq!((&line["Denials"], &line["function"], &line["Fine"]), (&json!(0), &json!("sign-up"), &json!(1)));
        assert_eq!(line["_aws"]["CloudWatchMetrics"][1]["Metrics"].as_array().unwrap().len(), 1);
        let text = {
            let capture = Capture::default();
            let counting = counting(&["Denials", "Fine"]);
            Metrics::new("x".into(), capture.clone()).write(&counting, Timestamp::UNIX_EPOCH, Duration::ZERO, false);
            capture.text()
        };
        assert_eq!(text.matches("\"Denials\":").count(), 1, "{text}");
    }

    #[test]
    fn a_directive_has_no_more_metrics_than_it_may() {
        let names: Vec<&'static str> = (0..150).map(|nth| &*format!("Count{nth:03}").leak()).collect();
        let line = line(&counting(&names));
        assert_eq!(line["_aws"]["CloudWatchMetrics"][1]["Metrics"].as_array().unwrap().len(), MOST_COUNTS);
    }

    fn measured(measures: &[Measures]) -> Vec<Value> {
        let capture = Capture::default();
        let now = Timestamp::constant(1_767_268_800, 0);
        Metrics::new("courier".into(), capture.clone()).write_measures(measures, now);
        capture.json().into_iter().inspect(conforms).collect()
    }

    #[test]
    fn what_a_job_measured_is_a_line_for_each_dimension() {
        let lines = measured(&[
            Measures::default().count("Delivered", 3).seconds("OldestDueSeconds", 40),
            Measures::default().by("rule", "welcome-email").count("Delivered", 2),
        ]);
        assert_eq!((&lines[0]["Delivered"], &lines[0]["OldestDueSeconds"]), (&json!(3), &json!(40)));
        let all = &lines[0]["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&all["Namespace"], &all["Dimensions"]), (&json!("CognitoTriggers"), &json!([["function"]])));
        assert_eq!(all["Metrics"][1], json!({"Name": "OldestDueSeconds", "Unit": "Seconds"}));
        assert_eq!((&lines[1]["rule"], &lines[1]["Delivered"]), (&json!("welcome-email"), &json!(2)));
        assert_eq!(lines[1]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["function", "rule"]]));
    }

    #[test]
    fn what_cloudwatch_would_not_take_is_not_written() {
        let named = |rule: &str| Measures::default().by("rule", rule).count("Delivered", 1);
        let long = "x".repeat(1025);
        assert_eq!(
            measured(&[named(""), named(" "), named("grüße"), named(&long), Measures::default()]),
            [] as [Value; 0]
        );
    }
}
