//! What happened when the pool called the Lambda, and what came of it for whoever called the pool.

use std::fmt;

use cognito_triggers::Refusal;
use cognito_triggers::report::Report;
use serde_json::Value;

/// One call of the Lambda.
#[derive(Debug)]
pub struct Step {
    /// `triggerSource`.
    pub source: String,
    /// The event as it was sent.
    pub event: String,
    /// What came back: the event, or the refusal.
    pub answer: Result<String, Refusal>,
    /// The rules with verdict and time, the calls of the ledger, the outcome.
    pub report: Report,
    /// What was set in `response`, by dotted path and new value.
    pub set: Vec<(String, Value)>,
    /// How long the whole call took, in microseconds.
    pub micros: u64,
}

/// What an operation of the pool came to, and every call of the Lambda it made on the way.
#[derive(Debug)]
pub struct Done<T> {
    /// The calls, in their order.
    pub steps: Vec<Step>,
    /// The result, or why the pool says no.
    pub result: Result<T, Refused>,
}

/// Why the pool says no, as the API answers and as the user reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The name of the exception.
    pub exception: &'static str,
    /// Its message.
    pub message: String,
}

impl Refused {
    pub(crate) fn new(exception: &'static str, message: impl Into<String>) -> Self {
        Self { exception, message: message.into() }
    }

    pub(crate) fn by(source: &str, refusal: &Refusal) -> Self {
        Self::new("UserLambdaValidationException", refusal_text(source, refusal))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.exception, self.message)
    }
}

/// What the user reads: "[trigger] failed with error [text]" (Cognito developer guide, "Customizing user pool workflows with
/// Lambda triggers") and a full stop (observed in amplify-ui-android#314).
pub(crate) fn refusal_text(source: &str, refusal: &Refusal) -> String {
    let trigger = match source.split_once('_').map_or(source, |(prefix, _)| prefix) {
        "TokenGeneration" => "PreTokenGeneration",
        "" => "The trigger",
        prefix => prefix,
    };
    format!("{trigger} failed with error {}.", refusal.message)
}

/// What differs in `response` between two events, down to the innermost values.
pub(crate) fn changed(before: &Value, after: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    walk("", before.get("response").unwrap_or(&Value::Null), after.get("response").unwrap_or(&Value::Null), &mut found);
    found
}

fn walk(path: &str, before: &Value, after: &Value, found: &mut Vec<(String, Value)>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(_) | Value::Null, Value::Object(after)) if !after.is_empty() => {
            for (key, value) in after {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, before.get(key).unwrap_or(&Value::Null), value, found);
            }
        }
        _ => found.push((path.to_owned(), after.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_set_is_told() {
        let before = json!({"response": {"autoConfirmUser": false, "d": {"keep": 1, "over": 0}}});
        let after = json!({"response": {"autoConfirmUser": true, "d": {"keep": 1, "over": 2}, "new": {"list": [1]}}});
        let expected = [("autoConfirmUser", json!(true)), ("d.over", json!(2)), ("new.list", json!([1]))];
        assert_eq!(changed(&before, &after), expected.map(|(path, value)| (path.to_owned(), value)));
        assert_eq!(changed(&before, &before), []);
    }
}
