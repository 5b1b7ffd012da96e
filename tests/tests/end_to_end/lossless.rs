//! Promise 1 on the real binaries: whatever Cognito sends comes back to the letter, but for what a rule set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use cognito_triggers_tests::Outcome;
use serde_json::Value;

use crate::kit::{House, Watched, sample};

/// Rules that are on and have nothing against the cast of the samples.
const OPEN_HOUSE: &str = r#"
    [domain-allow-list]
    deny = ["nobody.example.net"]

    [access-code]
    self-sign-up = false

    [unique-nickname]
    policy = "assign"
"#;

/// Odd events that a rule has something against, rightly, and what the user reads then: nobody can say who they are about.
const NAMELESS: &[(&str, &str)] = &[
    ("attribute-empty-string", MISSING),
    ("attributes-empty", MISSING),
    ("attributes-missing", MISSING),
    ("attributes-null", MISSING),
    ("email-absent", MISSING),
    ("pool-phone-only", MISSING),
    ("request-null", MISSING),
    // Its address is `<email>`.
    ("example-cognito-event-userpools-presignup", UNREADABLE),
];

/// Odd nicknames likewise: one cannot tell them from others by sight.
const UNUSUAL: &[(&str, &str)] =
    &[("names-emoji-and-right-to-left", INVISIBLE), ("names-with-escaped-surrogates", INVISIBLE)];

const MISSING: &str = "Please sign up with an e-mail address";
const UNREADABLE: &str = "This e-mail address cannot be read, please check its spelling";
const INVISIBLE: &str = "Please choose a nickname without invisible or unusual characters";

/// Every sample, every odd shape, every public fixture, by the name of its file.
fn everything() -> BTreeMap<String, String> {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let (samples, variations, fixtures) = (files(&events), files(&events.join("variations")), fixtures());
    let counts = (samples.len(), variations.len(), fixtures.len());
    assert!(counts.0 >= 46 && counts.1 >= 90 && counts.2 >= 22, "only {counts:?} events");
    let mut all = BTreeMap::new();
    for path in samples.into_iter().chain(variations).chain(fixtures) {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(all.insert(name, text).is_none(), "two events of one name: {}", path.display());
    }
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

/// The user pool events `aws_lambda_events` is tested with, wherever cargo keeps that crate.
fn fixtures() -> Vec<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--all-features", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "aws_lambda_events").unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let mut fixtures = files(&manifest.with_file_name("src").join("fixtures"));
    fixtures.retain(|path| path.to_string_lossy().contains("cognito-event-userpools"));
    fixtures
}

/// Sends everything, and tells what did not come back to the letter.
fn changed(function: &Watched) -> BTreeMap<String, String> {
    let mut changed = BTreeMap::new();
    for (name, text) in everything() {
        let outcome = function.invoke_text(text.as_str()).outcome;
        // The blank after the event is no part of it.
        if outcome != Outcome::Answer(text.trim_ascii().as_bytes().to_vec()) {
            let told = match outcome {
                Outcome::Error { error_type, error_message, .. } if error_type == "Denied" => error_message,
                other => format!("{other:?}"),
            };
            changed.insert(name, told);
        }
    }
    changed
}

#[track_caller]
fn is_lossless(function: &Watched, refused: &[(&str, &str)]) {
    let expected: BTreeMap<_, _> =
        refused.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert_eq!(changed(function), expected);
    let faults: Vec<_> = function.lines().into_iter().filter(|line| line.get("fault").is_some()).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_event_comes_back_from_the_pool_to_the_letter() {
    is_lossless(&House::new().function("pool", OPEN_HOUSE), &[NAMELESS, UNUSUAL].concat());
}

#[test]
fn every_event_comes_back_from_the_domain_allow_list_to_the_letter() {
    is_lossless(&House::new().function("domain-allow-list", OPEN_HOUSE), NAMELESS);
}

#[test]
fn every_event_comes_back_from_the_access_code_to_the_letter() {
    is_lossless(&House::new().function("access-code", OPEN_HOUSE), &[]);
}

#[test]
fn every_event_comes_back_from_the_unique_nickname_to_the_letter() {
    is_lossless(&House::new().function("unique-nickname", OPEN_HOUSE), UNUSUAL);
}

#[test]
fn only_the_key_a_rule_set_is_another_one() {
    let function = House::new().bare_function("troubled", "[trouble]\ndoes = \"verify\"", &[]);
    for name in ["PreSignUp_SignUp", "PreSignUp_AdminCreateUser", "PreSignUp_ExternalProvider"] {
        let event = sample(name);
        let answer = event.trim_ascii().replace(r#""autoVerifyEmail": false"#, r#""autoVerifyEmail": true"#);
        assert_ne!(answer, event.trim_ascii(), "{name}");
        assert_eq!(function.invoke_text(event).outcome, Outcome::Answer(answer.into_bytes()), "{name}");
    }
    let unusual = r#""validationData": null, "odd": [1e400, -0, 0.10, 123456789012345678901234567890, "\ud800"]"#;
    let event = sample("PreSignUp_SignUp").replace(r#""validationData": null"#, unusual);
    assert!(event.contains("1e400"));
    let answer = event.trim_ascii().replace(r#""autoVerifyEmail": false"#, r#""autoVerifyEmail": true"#);
    assert_eq!(function.invoke_text(event).outcome, Outcome::Answer(answer.into_bytes()));
}
