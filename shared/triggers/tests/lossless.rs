//! Promise 1: whatever Cognito sends comes back as it was, with only what a rule set in `response` changed.
//!
//! Over every sample, every odd shape, every public fixture of `aws_lambda_events`, and events nobody thought of. What is
//! compared is text, by a reader of this file's own, so that a fault in the crate's reader cannot hide itself.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests and their helpers")]

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cognito_triggers::prelude::*;
use cognito_triggers::{Envelope, Event, Tokens};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A trigger with one key of its response to set: where it stands, and the JSON text that must be there.
trait Probe: Trigger {
    fn one_key() -> Option<(Self::Response, &'static [&'static str], &'static str)> {
        None
    }
}

macro_rules! probes {
    ($($trigger:ident $(: $path:expr, $json:literal, $edit:expr)?;)*) => {
        $(impl Probe for $trigger {
            $(fn one_key() -> Option<(Self::Response, &'static [&'static str], &'static str)> {
                let mut response = Self::Response::default();
                let edit: fn(&mut Self::Response) = $edit;
                edit(&mut response);
                Some((response, $path, $json))
            })?
        })*

        /// Does it as every trigger there is: an event may be read as any of them.
        fn survives_every_trigger(text: &str) {
            $(survives::<$trigger>(text);)*
        }

        /// The same for the trigger the event is for; how many there are.
        fn triggers_of(envelope: &Envelope) -> usize {
            [$(is_for::<$trigger>(envelope),)*].iter().filter(|is| **is).count()
        }
    };
}

const TOKENS: &[&str] = &["claimsAndScopeOverrideDetails", "idTokenGeneration", "claimsToAddOrOverride", "tier"];

probes! {
    PreSignUp: &["autoVerifyEmail"], "true", |to| to.auto_verify_email = Some(true);
    PostConfirmation;
    PreAuthentication;
    PostAuthentication;
    CustomMessage: &["emailSubject"], "\"Grüezi \\\"Anna\\\"\"", |to| to.email_subject = Some("Grüezi \"Anna\"".into());
    PreTokenGenerationV1: &["claimsOverrideDetails", "claimsToAddOrOverride", "tier"], "\"gold\"",
        |to| assert!(PreTokenGenerationV1::add_claim(to, Tokens::Id, "tier", "gold"));
    PreTokenGenerationV2: TOKENS, "7", |to| assert!(PreTokenGenerationV2::add_claim(to, Tokens::Id, "tier", 7));
    PreTokenGenerationV3: TOKENS, "true", |to| assert!(PreTokenGenerationV3::add_claim(to, Tokens::Id, "tier", true));
    DefineAuthChallenge: &["issueTokens"], "true", |to| to.issue_tokens = Some(true);
    CreateAuthChallenge: &["challengeMetadata"], "\"RIDDLE\"", |to| to.challenge_metadata = Some("RIDDLE".into());
    VerifyAuthChallengeResponse: &["answerCorrect"], "false", |to| to.answer_correct = Some(false);
    UserMigration: &["enableSMSMFA"], "true", |to| to.enable_sms_mfa = Some(true);
    CustomEmailSender;
    CustomSmsSender;
    InboundFederation: &["userAttributesToMap", "email"], "\"bela@example.org\"",
        |to| to.user_attributes_to_map = Some(BTreeMap::from([("email".into(), "bela@example.org".into())]));
}

fn is_for<T: Trigger>(envelope: &Envelope) -> bool {
    T::SOURCES.contains(&envelope.source.prefix()) && T::VERSION.is_none_or(|version| version == envelope.version)
}

fn survives<T: Probe>(text: &str) {
    let event = Event::<T>::parse(text).unwrap();
    assert_eq!(event.answer(&T::Response::default()).unwrap(), text, "{} changed what it had not set", T::NAME);
    let Some((response, path, json)) = T::one_key() else { return };
    let answer = event.answer(&response).unwrap();
    match members(text).unwrap().into_iter().rev().find(|(name, _)| name == "response") {
        Some((_, before)) => {
            let start = before.as_ptr() as usize - text.as_ptr() as usize;
            let (head, tail) = (&text[..start], &text[start + before.len()..]);
            assert!(answer.starts_with(head) && answer.ends_with(tail), "{}: {answer}\nfrom {text}", T::NAME);
            only_changed(before, &answer[head.len()..answer.len() - tail.len()], path, json);
        }
        None => {
            let head = text.trim_end().strip_suffix('}').unwrap().trim_end();
            let comma = if members(text).unwrap().is_empty() { "" } else { "," };
            let added = answer.strip_prefix(&format!("{head}{comma}\"response\":")).unwrap();
            only_changed("{}", added.strip_suffix('}').unwrap(), path, json);
        }
    }
}

/// Every member is the text it was and where it was, but for the one at `path`, which is `json`.
fn only_changed(before: &str, after: &str, path: &[&str], json: &str) {
    let Some((key, rest)) = path.split_first() else { return assert_eq!(after, json) };
    let before = members(before).unwrap_or_default();
    let after = members(after).unwrap();
    let added = usize::from(!before.iter().any(|(name, _)| name == key));
    assert_eq!(after.len(), before.len() + added);
    for (position, (name, value)) in after.iter().enumerate() {
        match before.get(position) {
            Some((was, old)) if was == key => {
                assert_eq!(name, key);
                only_changed(old, value, rest, json);
            }
            Some(old) => assert_eq!((name, value), (&old.0, &old.1)),
            None => {
                assert_eq!(name, key);
                only_changed("{}", value, rest, json);
            }
        }
    }
}

/// The members of an object with their text; `None` if it is not one.
fn members(text: &str) -> Option<Vec<(String, &str)>> {
    struct List<'a>(Vec<(String, &'a str)>);
    impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Each;
            impl<'de> Visitor<'de> for Each {
                type Value = List<'de>;

                fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    formatter.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut list = Vec::new();
                    while let Some(name) = map.next_key()? {
                        list.push((name, map.next_value::<&RawValue>()?.get()));
                    }
                    Ok(List(list))
                }
            }
            deserializer.deserialize_map(Each)
        }
    }
    serde_json::from_str::<List<'_>>(text).ok().map(|list| list.0)
}

fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn samples() -> Vec<(PathBuf, String)> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/events"))
}

fn variations() -> Vec<(PathBuf, String)> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/events/variations"))
}

/// The user pool events `aws_lambda_events` is tested with, wherever cargo keeps that crate.
fn public_fixtures() -> &'static [(PathBuf, String)] {
    static FIXTURES: OnceLock<Vec<(PathBuf, String)>> = OnceLock::new();
    FIXTURES.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--all-features", "--manifest-path"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == "aws_lambda_events").unwrap();
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let mut fixtures = files(&manifest.with_file_name("src").join("fixtures"));
        fixtures.retain(|(path, _)| path.to_string_lossy().contains("cognito-event-userpools"));
        fixtures
    })
}

#[test]
fn every_sample_survives_and_is_for_one_trigger() {
    let samples = samples();
    assert!(samples.len() >= 46, "only {} samples", samples.len());
    for (path, text) in samples {
        survives_every_trigger(&text);
        let envelope = Envelope::parse(text).unwrap();
        // Nothing but its version tells which of three a token generation is.
        assert_eq!(triggers_of(&envelope), 1, "{}", path.display());
    }
}

#[test]
fn every_variation_survives() {
    let variations = variations();
    assert!(variations.len() >= 90, "only {} variations", variations.len());
    for (_, text) in variations {
        survives_every_trigger(&text);
    }
}

#[test]
fn every_public_fixture_survives() {
    let fixtures = public_fixtures();
    assert!(fixtures.len() >= 22, "only {} fixtures", fixtures.len());
    for (path, text) in fixtures {
        survives_every_trigger(text);
        assert_eq!(triggers_of(&Envelope::parse(text.as_str()).unwrap()), 1, "{}", path.display());
    }
}

#[test]
fn no_depth_is_too_deep() {
    let deep = format!("{}1e400{}", "[{\"a\":".repeat(20_000), "}]".repeat(20_000));
    survives_every_trigger(&format!(
        r#"{{"request":{{"userAttributes":{deep},"new":{deep}}},"new":{deep},"response":{deep}}}"#
    ));
}

#[test]
fn of_members_with_one_name_the_last_counts_and_all_stay() {
    survives_every_trigger(
        r#"{"response": {"a": 1}, "request": 7, "response": {"autoVerifyEmail": false, "b": 2}, "request": {}}"#,
    );
    survives_every_trigger(
        r#"{"response": {"autoVerifyEmail": 1, "autoVerifyEmail": null, "issueTokens": {}, "issueTokens": []}}"#,
    );
}

/// JSON text of any kind: numbers no double holds, every string, written with and without escapes, blanks anywhere.
fn json() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("1e400".to_owned()),
        Just("-0.0".to_owned()),
        // Half of a surrogate pair: allowed in JSON, not in Rust.
        Just(r#""\ud800""#.to_owned()),
        number.prop_map(|text| text),
        string(),
    ];
    leaf.prop_recursive(5, 32, 5, |inner| {
        let blank = prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\n\t"), 1 => Just("\r\n  ")];
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..5), blank.clone())
                .prop_map(|(items, blank)| format!("[{blank}{}{blank}]", items.join(&format!("{blank},{blank}")))),
            (prop::collection::vec((string(), inner), 0..5), blank).prop_map(|(pairs, blank)| {
                let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}{blank}:{blank}{value}")).collect();
                format!("{{{blank}{}{blank}}}", pairs.join(&format!("{blank},{blank}")))
            }),
        ]
    })
}

/// A string as JSON text.
fn string() -> impl Strategy<Value = String> {
    let text = prop_oneof![any::<String>(), "[a-z:]{0,12}", Just("cognito:user_status".to_owned())];
    (text, any::<bool>()).prop_map(|(text, escaped)| {
        if !escaped {
            return serde_json::to_string(&text).unwrap();
        }
        let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("\"{units}\"")
    })
}

/// A sample in which some values, typed ones too, are anything, among members nobody knows.
fn event() -> impl Strategy<Value = String> {
    let texts: Vec<String> = samples().into_iter().map(|(_, text)| text).collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), json()), 1..6);
    let added = prop::collection::vec((any::<prop::sample::Index>(), string(), json()), 0..4);
    (prop::sample::select(texts), edits, added, any::<bool>()).prop_map(|(text, edits, added, turned)| {
        let mut nested: Vec<(String, Vec<(String, String)>)> = Vec::new();
        let mut flat: Vec<(String, String)> = Vec::new();
        for (name, value) in members(&text).unwrap() {
            match members(value).filter(|_| matches!(name.as_str(), "request" | "response" | "callerContext")) {
                Some(inner) => {
                    nested.push((name, inner.into_iter().map(|(key, value)| (key, value.to_owned())).collect()))
                }
                None => flat.push((name, value.to_owned())),
            }
        }
        for (index, value) in edits {
            // One of the typed fields: of the envelope, of what it nests, or all that it nests at once.
            let inner: usize = nested.iter().map(|(_, members)| members.len()).sum();
            let mut place = index.index(flat.len() + inner + nested.len());
            if let Some(field) = flat.get_mut(place) {
                field.1 = value;
                continue;
            }
            place -= flat.len();
            if let Some(field) = nested.iter_mut().flat_map(|(_, members)| members).nth(place) {
                field.1 = value;
                continue;
            }
            let (name, _) = nested.remove(place - inner);
            flat.push((name, value));
        }
        let mut all: Vec<String> = flat.iter().map(|(name, value)| format!("{}: {value}", quoted(name))).collect();
        for (name, inner) in nested {
            let mut inner: Vec<String> =
                inner.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
            for (index, name, value) in &added {
                inner.insert(index.index(inner.len() + 1), format!("{name} :{value}"));
            }
            all.push(format!("{}:{{{}\n}}", quoted(&name), inner.join(" ,")));
        }
        for (index, name, value) in &added {
            all.insert(index.index(all.len() + 1), format!("{name}:\t{value}"));
        }
        if turned {
            all.reverse();
        }
        format!(" {{ {} }}\r\n", all.join(",\n"))
    })
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_event_of_any_shape_survives(text in event()) {
        prop_assert!(members(&text).is_some(), "not an event: {text}");
        survives_every_trigger(&text);
    }

    #[test]
    fn an_object_of_any_kind_survives(pairs in prop::collection::vec((string(), json()), 0..6)) {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        survives_every_trigger(&format!("{{{}}}", pairs.join(",")));
    }

    #[test]
    fn what_is_no_object_is_a_fault_that_quotes_nothing(text in json()) {
        prop_assume!(!text.starts_with('{'));
        let fault = Envelope::parse(text.as_str()).err().unwrap().to_string();
        prop_assert!(fault.starts_with("the event is not a JSON object (line"), "{fault}");
    }
}

/// The fixtures of that crate through its own types and back.
#[cfg(feature = "aws_lambda_events")]
mod aws_events {
    use super::*;
    use aws_lambda_events::cognito::*;
    use cognito_triggers::Attributes;
    use cognito_triggers::aws_events::AwsEvent;
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    /// What a handler is given is what that crate reads by itself; a handler that does nothing changes nothing; the way back
    /// reads the same. `false` if the crate cannot read the text.
    fn agrees<T, A>(text: &str) -> bool
    where
        T: Trigger,
        A: AwsEvent<T> + DeserializeOwned + Serialize + PartialEq + fmt::Debug,
        Event<T>: TryFrom<A, Error = Fault>,
    {
        let event = Event::<T>::parse(text).unwrap();
        let given = A::from(&event);
        let Ok(theirs) = serde_json::from_str::<A>(text) else { return false };
        assert_eq!(given, theirs);
        let back = Event::<T>::try_from(theirs).unwrap();
        assert_eq!(back.source, event.source);
        // Where Cognito sends none, that crate has no room for them.
        if T::NAME != "UserMigration" {
            assert_eq!(values(back.attributes()), values(event.attributes()));
        }
        assert_eq!(A::from(&back), given);
        let mut response = T::Response::default();
        given.take_over(&event, &mut response).unwrap();
        if !matches!(T::NAME, "DefineAuthChallenge" | "VerifyAuthChallengeResponse") {
            assert_eq!(event.answer(&response).unwrap(), text);
        }
        true
    }

    /// What is no text is kept as it is written, and that crate may write it with other blanks.
    fn values(attributes: &Attributes) -> BTreeMap<&str, String> {
        let value =
            |text: &str| serde_json::from_str(text).map_or_else(|_| text.to_owned(), |it: Value| it.to_string());
        attributes.iter().map(|(name, text)| (name, value(text))).collect()
    }

    fn read_by_that_crate(text: &str) -> bool {
        let envelope = Envelope::parse(text).unwrap();
        match (envelope.source.prefix(), envelope.version.as_str()) {
            ("PreSignUp", _) => agrees::<PreSignUp, CognitoEventUserPoolsPreSignup>(text),
            ("PostConfirmation", _) => agrees::<PostConfirmation, CognitoEventUserPoolsPostConfirmation>(text),
            ("PreAuthentication", _) => agrees::<PreAuthentication, CognitoEventUserPoolsPreAuthentication>(text),
            ("PostAuthentication", _) => agrees::<PostAuthentication, CognitoEventUserPoolsPostAuthentication>(text),
            ("DefineAuthChallenge", _) => agrees::<DefineAuthChallenge, CognitoEventUserPoolsDefineAuthChallenge>(text),
            ("CreateAuthChallenge", _) => agrees::<CreateAuthChallenge, CognitoEventUserPoolsCreateAuthChallenge>(text),
            ("VerifyAuthChallengeResponse", _) => {
                agrees::<VerifyAuthChallengeResponse, CognitoEventUserPoolsVerifyAuthChallenge>(text)
            }
            ("CustomMessage", _) => agrees::<CustomMessage, CognitoEventUserPoolsCustomMessage>(text),
            ("UserMigration", _) => agrees::<UserMigration, CognitoEventUserPoolsMigrateUser>(text),
            ("TokenGeneration", "3") => agrees::<PreTokenGenerationV3, CognitoEventUserPoolsPreTokenGenV2>(text),
            ("TokenGeneration", "2") => agrees::<PreTokenGenerationV2, CognitoEventUserPoolsPreTokenGenV2>(text),
            // The fixtures of version 2 say version 1; their scopes tell.
            ("TokenGeneration", _) if text.contains("\"scopes\"") => {
                agrees::<PreTokenGenerationV2, CognitoEventUserPoolsPreTokenGenV2>(text)
            }
            ("TokenGeneration", _) => agrees::<PreTokenGenerationV1, CognitoEventUserPoolsPreTokenGen>(text),
            _ => false,
        }
    }

    #[test]
    fn every_public_fixture_is_given_to_a_handler_as_that_crate_reads_it() {
        for (path, text) in public_fixtures() {
            assert!(read_by_that_crate(text), "{}", path.display());
        }
    }

    #[test]
    fn every_sample_that_crate_can_read_is_given_to_a_handler_as_it_reads_it() {
        let read = samples().iter().filter(|(_, text)| read_by_that_crate(text)).count();
        assert!(read >= 25, "only {read} samples were read");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_event_of_any_shape_reaches_a_handler(text in event()) {
            read_by_that_crate(&text);
            let event = Event::<PreTokenGenerationV2>::parse(text).unwrap();
            let theirs = CognitoEventUserPoolsPreTokenGenV2::from(&event);
            prop_assert_eq!(theirs.request.scopes, event.request.scopes);
        }
    }
}
