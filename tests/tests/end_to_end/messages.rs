//! The words of messages, through the real binary: every occasion, a template of one's own, one that is wrong, and no call of
//! anybody.

use std::collections::BTreeSet;
use std::fs;

use cognito_triggers_tests::Outcome;
use serde_json::{Value, json};

use crate::kit::{House, Watched, event};

const SOURCES: [&str; 7] = [
    "CustomMessage_SignUp",
    "CustomMessage_ResendCode",
    "CustomMessage_AdminCreateUser",
    "CustomMessage_ForgotPassword",
    "CustomMessage_UpdateUserAttribute",
    "CustomMessage_VerifyUserAttribute",
    "CustomMessage_Authentication",
];

#[track_caller]
fn answered(function: &Watched, event: &Value) -> Value {
    let Outcome::Answer(answer) = function.invoke(event).outcome else { panic!("{}", function.said()) };
    serde_json::from_slice(&answer).unwrap()
}

/// The words of each part.
#[track_caller]
fn words<'a>(answer: &'a Value, part: &str) -> &'a str {
    answer["response"][part].as_str().unwrap_or_else(|| panic!("no {part}: {answer}"))
}

fn decisions(function: &Watched) -> Vec<Value> {
    function.lines().into_iter().filter(|line| line["message"] == "decision").collect()
}

#[test]
fn every_occasion_has_words_in_every_language_and_calls_nobody() {
    let function = House::new().bare_function("templated-message", "[templated-message]\nname = \"Acme\"", &[]);
    for source in SOURCES {
        let mut subjects = Vec::new();
        for locale in ["en", "de", "fr", "es", "pl", "ja", "ar"] {
            let event = event(source, &[("locale", locale)]);
            let mut answer = answered(&function, &event);
            for part in ["emailMessage", "smsMessage"] {
                assert!(words(&answer, part).contains("{####}"), "{source} in {locale}: {answer}");
            }
            let is_invitation = source == "CustomMessage_AdminCreateUser";
            assert_eq!(words(&answer, "emailMessage").contains("{username}"), is_invitation, "{source} in {locale}");
            assert!(words(&answer, "emailMessage").contains(&format!("lang=\"{locale}\"")), "{source} in {locale}");
            subjects.push(words(&answer, "emailSubject").to_owned());
            // Nothing but the three parts has changed.
            answer["response"] = event["response"].clone();
            assert_eq!(answer, event);
        }
        let count = subjects.len();
        subjects.sort();
        subjects.dedup();
        assert_eq!(subjects.len(), count, "two languages of {source} look the same");
    }
    for line in decisions(&function) {
        assert_eq!((&line["ledger_reads"], &line["ledger_writes"]), (&json!(0), &json!(0)), "{line}");
        assert_eq!(line["outcome"], "passed", "{line}");
    }
    assert_eq!(peers(function.process().pid()).len(), 1, "it spoke to others than the Runtime API");
}

/// Whom a process is connected to, by address and port.
fn peers(pid: u32) -> BTreeSet<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let open = open.filter_map(|file| fs::read_link(file.path()).ok()).map(|target| target.display().to_string());
    let sockets: BTreeSet<String> =
        open.filter_map(|target| target.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned)).collect();
    let mut peers = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let columns: Vec<_> = line.split_whitespace().collect();
            if sockets.contains(columns[9]) {
                peers.insert(columns[2].to_owned());
            }
        }
    }
    peers
}

#[test]
fn a_template_of_ones_own_is_filled_for_who_gets_it() {
    let house = House::new();
    let folder = house.path().join("words/hello");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("en.subject"), "Hello {{ name or 'there' }}").unwrap();
    fs::write(folder.join("en.html"), "<p>{{ user.family_name }}: <b>{{ code }}</b></p>").unwrap();
    fs::write(folder.join("en.sms"), "{{ code }} for {{ name or 'you' }}").unwrap();
    let tables = "[templated-message]\ntemplates = \"words/\"\n\
                  [templated-message.occasions]\nsign-up = \"hello\"\nauthentication = false\n";
    let function = house.bare_function("pool", tables, &[]);
    let hostile = "<script>{####}\u{200d}";
    let answer = answered(&function, &event("CustomMessage_SignUp", &[("family_name", hostile)]));
    assert_eq!(words(&answer, "emailSubject"), "Hello Anna");
    assert_eq!(words(&answer, "emailMessage"), "<p>&lt;script&gt;(####)&#8205;: <b>{####}</b></p>");
    assert_eq!(words(&answer, "smsMessage"), "{####} for Anna");
    function.lets_pass(&event("CustomMessage_Authentication", &[]));
}

#[test]
fn what_cannot_be_sent_is_left_to_the_pool_and_said_in_the_log() {
    let house = House::new();
    let folder = house.path().join("templates/verification");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("en.subject"), "Your code").unwrap();
    fs::write(folder.join("en.html"), "<p>Your code is on its way.</p>").unwrap();
    fs::write(folder.join("en.sms"), "{{ code }} is your code").unwrap();
    let function = house.bare_function("templated-message", "[templated-message]\n", &[]);
    // The template is told to be wrong at the start.
    let answer = answered(&function, &event("CustomMessage_SignUp", &[]));
    assert_eq!(answer["response"]["emailMessage"], Value::Null, "{answer}");
    let said = function.said();
    assert!(said.contains("verification/en.html:1"), "{said}");
    assert!(said.contains("`{{ code }}` does not stand in it"), "{said}");
    // The others have their words all the same.
    let answer = answered(&function, &event("CustomMessage_ForgotPassword", &[]));
    assert!(words(&answer, "emailMessage").contains("{####}"));
}
