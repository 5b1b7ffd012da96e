//! What the tests have in common: a folder of one's own with configuration and ledger, a function that is watched for what
//! it writes down, and the events that are sent to it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use cognito_triggers_tests::{Function, Invocation, Outcome, USUAL_DEADLINE, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The root key of every test. It must not be in any log.
pub const KEY: &str = "6f1d2c3b4a5968778695a4b3c2d1e0f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// The pool of the samples.
pub const POOL: &str = "eu-central-1_Example01";

/// A folder with a configuration, a ledger and a directory of local users; gone when dropped.
pub struct House {
    folder: TempDir,
}

impl House {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The file of ledger and directory.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("pool.db")
    }

    /// A function with these tables and the services of this house.
    #[track_caller]
    pub fn function(&self, name: &str, tables: &str) -> Watched {
        self.function_with(name, tables, &[])
    }

    /// The same with environment variables, which win over those of the house.
    #[track_caller]
    pub fn function_with(&self, name: &str, tables: &str, environment: &[(&str, &str)]) -> Watched {
        let file = self.file();
        let file = file.display();
        self.bare_function(
            name,
            &format!("[services]\nledger = \"sqlite:{file}\"\ndirectory = \"local:{file}\"\n\n{tables}"),
            environment,
        )
    }

    /// A function with this configuration, to the letter.
    #[track_caller]
    pub fn bare_function(&self, name: &str, configuration: &str, environment: &[(&str, &str)]) -> Watched {
        let path = self.folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, configuration).unwrap();
        let path = path.display().to_string();
        let mut variables = vec![("TRIGGERS_CONFIG", path.as_str()), ("TRIGGERS_KEY", KEY)];
        variables.extend(environment);
        Watched::start(&binary(name), &variables)
    }
}

/// A function, and everything it must not write down. When it is dropped, every line of its log is looked through.
pub struct Watched {
    function: Function,
    secrets: Mutex<BTreeSet<String>>,
}

impl Watched {
    #[track_caller]
    pub fn start(binary: &Path, environment: &[(&str, &str)]) -> Self {
        // Where the temporary folder is says nothing of anybody; what secrets are called neither.
        let secrets = environment.iter().filter(|(name, _)| ["TRIGGERS_KEY", "SIGN_UP_CODE"].contains(name));
        let secrets = secrets.map(|(_, value)| (*value).to_owned()).collect();
        Self { function: Function::start(binary, environment), secrets: Mutex::new(secrets) }
    }

    /// Something more that must not be written down.
    pub fn keeps_to_itself(&self, secret: &str) {
        self.secrets().insert(secret.to_owned());
    }

    pub fn invoke(&self, event: &Value) -> Invocation {
        self.invoke_text(event.to_string())
    }

    pub fn invoke_text(&self, body: impl Into<Vec<u8>>) -> Invocation {
        self.invoke_with(body, USUAL_DEADLINE)
    }

    pub fn invoke_with(&self, body: impl Into<Vec<u8>>, deadline: Duration) -> Invocation {
        let body = body.into();
        if let Ok(event) = serde_json::from_slice::<Value>(&body) {
            self.secrets().extend(personal(&event));
        }
        self.function.invoke_with(body, deadline)
    }

    /// The event comes back as it went.
    #[track_caller]
    pub fn lets_pass(&self, event: &Value) {
        let outcome = self.invoke(event).outcome;
        assert_eq!(outcome, Outcome::Answer(event.to_string().into_bytes()), "{}", self.said());
    }

    /// The user reads this text, to the letter.
    #[track_caller]
    pub fn refuses(&self, event: &Value, message: &str) {
        assert_eq!(self.refusal(event), message);
    }

    /// What a refused user reads.
    #[track_caller]
    pub fn refusal(&self, event: &Value) -> String {
        let outcome = self.invoke(event).outcome;
        let Outcome::Error { error_type, error_message, raw } = outcome else {
            panic!("not refused: {outcome:?}\n{}", self.said())
        };
        assert_eq!(error_type, "Denied", "{error_message}\n{}", self.said());
        let raw: Value = serde_json::from_slice(&raw).unwrap();
        assert_eq!(raw, json!({"errorType": "Denied", "errorMessage": error_message}));
        error_message
    }

    /// The user reads the sentence for faults and not a word more; the log has its reference and a cause with these words.
    #[track_caller]
    pub fn masks(&self, body: impl Into<Vec<u8>>, cause: &str) {
        let invocation = self.invoke_text(body);
        self.masked(&invocation, cause);
    }

    #[track_caller]
    pub fn masked(&self, invocation: &Invocation, cause: &str) {
        let reference = masked(&invocation.outcome, &self.said());
        let line = self.decision(&reference);
        assert_eq!((&line["level"], &line["outcome"]), (&json!("WARN"), &json!("faulted")), "{line}");
        let fault = line["fault"].as_str().unwrap();
        assert!(fault.contains(cause), "the log does not say {cause:?} but {fault:?}");
    }

    /// The fault is passed over: the event comes back to the letter, and the log has the cause.
    #[track_caller]
    pub fn forgives(&self, event: &str, cause: &str) {
        let before = self.lines().len();
        let outcome = self.invoke_text(event).outcome;
        assert_eq!(outcome, Outcome::Answer(event.trim().as_bytes().to_vec()), "{}", self.said());
        let lines = self.lines();
        let new = lines[before..].iter().filter(|line| line["message"] == "decision").collect::<Vec<_>>();
        let [line] = new.as_slice() else { panic!("not one decision: {new:?}") };
        let fault = line["fault"].as_str().unwrap_or_default();
        assert!(fault.contains(cause), "the log does not say {cause:?} but {line}");
    }

    /// The lines of the log, each of which is an object of JSON.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line: &String| match serde_json::from_str::<Value>(line) {
            Ok(value) if value.is_object() => value,
            _ => panic!("a line of the log is not JSON: {line}"),
        };
        self.function.logs().iter().map(parse).collect()
    }

    /// The log as text, for messages.
    pub fn said(&self) -> String {
        self.function.logs().join("\n")
    }

    /// The process.
    pub fn process(&self) -> &Function {
        &self.function
    }

    #[track_caller]
    fn decision(&self, reference: &str) -> Value {
        let lines = self.lines();
        // Events of one process differ in the end of their ids only, and the reference is the beginning.
        let found = lines.iter().rfind(|line| line["message"] == "decision" && line["reference"] == reference);
        found.cloned().unwrap_or_else(|| panic!("no decision of reference {reference} in {lines:?}"))
    }

    fn secrets(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.secrets.lock().unwrap()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.lines();
            tells_nothing_of(&self.function.logs(), &self.secrets());
        }
    }
}

/// The fixed sentence, alone; its reference.
#[track_caller]
pub fn masked(outcome: &Outcome, context: &impl Debug) -> String {
    let Outcome::Error { error_type, error_message, raw } = outcome else {
        panic!("no fault: {outcome:?}\n{context:?}")
    };
    assert_eq!(error_type, "Fault", "{error_message}");
    // Whole, so that no further member tells what this does not.
    let raw: Value = serde_json::from_slice(raw).unwrap();
    assert_eq!(raw, json!({"errorType": "Fault", "errorMessage": error_message}));
    reference_in(error_message)
}

/// The reference in the sentence for faults; whatever else the text is fails.
#[track_caller]
pub fn reference_in(message: &str) -> String {
    let reference = message
        .strip_prefix("Something went wrong on our side, please try again later (reference ")
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or_else(|| panic!("not the sentence for faults: {message}"));
    assert!(reference.len() == 8 && reference.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{message}");
    reference.to_owned()
}

/// No line holds any of these, in small or capital letters.
#[track_caller]
fn tells_nothing_of(lines: &[String], secrets: &BTreeSet<String>) {
    let secrets: Vec<String> = secrets.iter().map(|secret| secret.to_lowercase()).collect();
    for line in lines {
        let line = line.to_lowercase();
        for secret in &secrets {
            let inside = serde_json::to_string(secret).unwrap();
            let hit = line.contains(secret.as_str()) || line.contains(inside.trim_matches('"'));
            assert!(!hit, "the log tells {secret:?}: {line}");
        }
    }
}

/// Whatever an event says of its user, in pieces of four characters at least: less stands everywhere.
fn personal(event: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for member in ["userName", "request"] {
        collect(&event[member], &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let alone = text.trim();
            let common = ["true", "false", "none", "null", "confirmed", "unconfirmed", "external_provider"];
            let digits = alone.bytes().all(|byte| byte.is_ascii_digit());
            let long_enough = alone.chars().count() >= if digits { 7 } else { 4 };
            if long_enough && !common.contains(&alone.to_lowercase().as_str()) {
                found.insert(alone.to_owned());
            }
            if let Some((local, _)) = alone.split_once('@').filter(|(local, _)| local.chars().count() >= 4) {
                found.insert(local.to_owned());
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Object(members) => members.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}

/// The sample of that name in `tests/events`, to the letter.
#[track_caller]
pub fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sample with some of its values set; a path that is not there is made.
#[track_caller]
pub fn event(name: &str, values: &[(&str, &str)]) -> Value {
    let mut event: Value = serde_json::from_str(&sample(name)).unwrap();
    for (path, value) in values {
        set(&mut event, path, json!(value));
    }
    event
}

/// Sets one value. `email`, `nickname`, `sub` and so on are attributes; `/userName` is a path from the outermost.
pub fn set(event: &mut Value, path: &str, value: Value) {
    let path = match path.strip_prefix('/') {
        Some(path) => path.to_owned(),
        None => format!("request/userAttributes/{path}"),
    };
    let mut place = event;
    for step in path.split('/') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[step];
    }
    *place = value;
}

/// Somebody who signs up.
#[track_caller]
pub fn sign_up(user: &str, nickname: &str) -> Value {
    let email = format!("{user}@example.com");
    event("PreSignUp_SignUp", &[("/userName", user), ("email", &email), ("nickname", nickname)])
}

/// The same person, confirmed: from now on there is a `sub`.
#[track_caller]
pub fn confirmed(user: &str, nickname: &str, sub: &str) -> Value {
    let email = format!("{user}@example.com");
    let values = [("/userName", user), ("email", &email), ("nickname", nickname), ("sub", sub)];
    event("PostConfirmation_ConfirmSignUp", &values)
}

/// The same person signs in.
#[track_caller]
pub fn signed_in(user: &str, nickname: &str, sub: &str) -> Value {
    let email = format!("{user}@example.com");
    let values = [("/userName", user), ("email", &email), ("nickname", nickname), ("sub", sub)];
    event("PostAuthentication_Authentication", &values)
}
