//! What the tests have in common: a folder of one's own with configuration and ledger, a function that is watched for what
//! it writes down, and the events that are sent to it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cognito_triggers_tests::{Function, Invocation, Outcome, USUAL_DEADLINE, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The root key of every test. It must not be in any log.
pub(crate) const KEY: &str = "6f1d2c3b4a5968778695a4b3c2d1e0f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// The pool of the samples.
pub(crate) const POOL: &str = "eu-central-1_Example01";

/// A folder with configurations, a ledger and a directory of local users; gone with the last function in it.
pub(crate) struct House {
    folder: Arc<TempDir>,
    configurations: AtomicUsize,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { folder: Arc::new(tempfile::tempdir().unwrap()), configurations: AtomicUsize::new(0) }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The file of ledger and directory.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("pool.db")
    }

    /// A function with these tables and the services of this house.
    #[track_caller]
    pub(crate) fn function(&self, name: &str, tables: &str) -> Watched {
        self.function_with(name, tables, &[])
    }

    /// The same with environment variables, which win over those of the house.
    #[track_caller]
    pub(crate) fn function_with(&self, name: &str, tables: &str, environment: &[(&str, &str)]) -> Watched {
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
    pub(crate) fn bare_function(&self, name: &str, configuration: &str, environment: &[(&str, &str)]) -> Watched {
        let number = self.configurations.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("{name}.{number}.toml"));
        std::fs::write(&path, configuration).unwrap();
        let path = path.display().to_string();
        let mut variables = vec![("TRIGGERS_CONFIG", path.as_str()), ("TRIGGERS_KEY", KEY)];
        variables.extend(environment);
        Watched::within(&binary(name), &variables, Some(Arc::clone(&self.folder)))
    }
}

/// A function, and everything it must not write down. When it is dropped, every line of its log is looked through.
pub(crate) struct Watched {
    function: Function,
    secrets: Mutex<BTreeSet<String>>,
    _folder: Option<Arc<TempDir>>,
}

impl Watched {
    /// With this environment and nothing else.
    #[track_caller]
    pub(crate) fn start(binary: &Path, environment: &[(&str, &str)]) -> Self {
        Self::within(binary, environment, None)
    }

    #[track_caller]
    fn within(binary: &Path, environment: &[(&str, &str)], folder: Option<Arc<TempDir>>) -> Self {
        // Where the temporary folder is says nothing of anybody; what secrets are called neither.
        let secrets = environment.iter().filter(|(name, _)| ["TRIGGERS_KEY", "SIGN_UP_CODE"].contains(name));
        let secrets = secrets.map(|(_, value)| (*value).to_owned()).filter(|value| !value.is_empty()).collect();
        Self { function: Function::start(binary, environment), secrets: Mutex::new(secrets), _folder: folder }
    }

    /// Something more that must not be written down.
    pub(crate) fn keeps_to_itself(&self, secret: &str) {
        self.secrets().insert(secret.to_owned());
    }

    pub(crate) fn invoke(&self, event: &Value) -> Invocation {
        self.invoke_text(event.to_string())
    }

    pub(crate) fn invoke_text(&self, body: impl Into<Vec<u8>>) -> Invocation {
        self.invoke_with(body, USUAL_DEADLINE)
    }

    pub(crate) fn invoke_with(&self, body: impl Into<Vec<u8>>, deadline: Duration) -> Invocation {
        let body = body.into();
        if let Ok(event) = serde_json::from_slice::<Value>(&body) {
            self.secrets().extend(personal(&event));
        }
        self.function.invoke_with(body, deadline)
    }

    /// The event comes back as it went.
    #[track_caller]
    pub(crate) fn lets_pass(&self, event: &Value) {
        let outcome = self.invoke(event).outcome;
        assert_eq!(outcome, Outcome::Answer(event.to_string().into_bytes()), "{}", self.said());
    }

    /// The user reads this text, to the letter.
    #[track_caller]
    pub(crate) fn refuses(&self, event: &Value, message: &str) {
        assert_eq!(self.refusal(event), message);
    }

    /// What a refused user reads.
    #[track_caller]
    pub(crate) fn refusal(&self, event: &Value) -> String {
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
    pub(crate) fn masks(&self, body: impl Into<Vec<u8>>, cause: &str) {
        let invocation = self.invoke_text(body);
        self.masked(&invocation, cause);
    }

    #[track_caller]
    pub(crate) fn masked(&self, invocation: &Invocation, cause: &str) {
        let reference = masked(&invocation.outcome, &self.said());
        let line = self.decision(&reference);
        assert_eq!((&line["level"], &line["outcome"]), (&json!("WARN"), &json!("faulted")), "{line}");
        let fault = line["fault"].as_str().unwrap();
        assert!(fault.contains(cause), "the log does not say {cause:?} but {fault:?}");
    }

    /// The fault is passed over: the event comes back to the letter, and the log has the cause.
    #[track_caller]
    pub(crate) fn forgives(&self, event: &str, cause: &str) {
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
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &String| match serde_json::from_str::<Value>(line) {
            Ok(value) if value.is_object() => value,
            _ => panic!("a line of the log is not JSON: {line}"),
        };
        self.function.logs().iter().map(parse).collect()
    }

    /// The log as text, for messages.
    pub(crate) fn said(&self) -> String {
        self.function.logs().join("\n")
    }

    /// The process.
    pub(crate) fn process(&self) -> &Function {
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
pub(crate) fn masked(outcome: &Outcome, context: &impl Debug) -> String {
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
pub(crate) fn reference_in(message: &str) -> String {
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
            let escaped = serde_json::to_string(secret).unwrap();
            let hit = holds(&line, secret) || holds(&line, escaped.trim_matches('"'));
            assert!(!hit, "the log tells {secret:?}: {line}");
        }
    }
}

/// Whether a text holds this; something short, such as `email`, as a word of its own.
fn holds(text: &str, secret: &str) -> bool {
    let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let mut found = text.match_indices(secret);
    found.any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + secret.len()..].chars().next());
        secret.len() >= 8 || !is_word(before) && !is_word(after)
    })
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
            // Said of many; the last is also what the log calls a user pool.
            let common = ["true", "false", "none", "null", "confirmed", "unconfirmed", "external_provider", "pool"];
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
pub(crate) fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sample with some of its values set; a path that is not there is made.
#[track_caller]
pub(crate) fn event(name: &str, values: &[(&str, &str)]) -> Value {
    let mut event: Value = serde_json::from_str(&sample(name)).unwrap();
    for (path, value) in values {
        set(&mut event, path, json!(value));
    }
    event
}

/// Sets one value. `email`, `nickname`, `sub` and so on are attributes; `/userName` is a path from the outermost.
pub(crate) fn set(event: &mut Value, path: &str, value: Value) {
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
pub(crate) fn sign_up(user: &str, nickname: &str) -> Value {
    let email = format!("{user}@example.com");
    event("PreSignUp_SignUp", &[("/userName", user), ("email", &email), ("nickname", nickname)])
}

/// The same person, confirmed: from now on there is a `sub`.
#[track_caller]
pub(crate) fn confirmed(user: &str, nickname: &str, sub: &str) -> Value {
    let email = format!("{user}@example.com");
    let values = [("/userName", user), ("email", &email), ("nickname", nickname), ("sub", sub)];
    event("PostConfirmation_ConfirmSignUp", &values)
}

/// The same person signs in.
#[track_caller]
pub(crate) fn signed_in(user: &str, nickname: &str, sub: &str) -> Value {
    let email = format!("{user}@example.com");
    let values = [("/userName", user), ("email", &email), ("nickname", nickname), ("sub", sub)];
    event("PostAuthentication_Authentication", &values)
}

#[test]
fn what_a_log_tells_is_found_whatever_its_letters_and_short_words_only_as_words() {
    let finds = |line: &str, secret: &str| {
        let (lines, secrets) = ([line.to_owned()], BTreeSet::from([secret.to_owned()]));
        std::panic::catch_unwind(|| tells_nothing_of(&lines, &secrets)).is_err()
    };
    assert!(finds("no entry for ANNA@example.com", "anna@example.com"));
    assert!(finds("{\"fault\":\"bad \\\"Zoë\\\" there\"}", "\"Zoë\""));
    assert!(finds("user=anna", "Anna") && finds("xxMarguerite42", "marguerite"));
    assert!(!finds("customemailsender", "email") && !finds("nothing of anybody", "anna"));

    let event = event("PreSignUp_SignUp", &[("custom:code", "Sesam-77"), ("phone_number", "+491234567")]);
    let told = personal(&event);
    for value in ["anna", "anna@example.com", "Schmidt", "Anni", "Sesam-77", "+491234567"] {
        assert!(told.contains(value), "{value} is not watched: {told:?}");
    }
}
