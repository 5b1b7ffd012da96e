//! Promise 2 on the real binaries: whatever goes wrong, the user reads one fixed sentence and the log has the cause. Every
//! function here is watched: not a word of an event, a key or a code may be in its log.

use std::fs;
use std::time::{Duration, Instant};

use cognito_triggers::ledger::LedgerAdmin;
use cognito_triggers_embedded::SqliteLedger;
use cognito_triggers_tests::{Outcome, binary};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::kit::{House, KEY, POOL, Watched, confirmed, event, masked, sample, set, sign_up, signed_in};
use crate::ledger::block_on;

/// A sign-up and a confirmation by somebody whose values are long enough to be found in a log.
fn arrival() -> (String, String) {
    let mut arrival = sign_up("marguerite", "Butterfly");
    set(&mut arrival, "given_name", json!("Marguerite-Sophie"));
    set(&mut arrival, "phone_number", json!("+4915112345678"));
    set(&mut arrival, "/request/validationData", json!({"accessCode": "Sesam-open-up-77"}));
    let confirmed = confirmed("marguerite", "Butterfly", "0c000000-0000-4000-8000-0000000000c1");
    (arrival.to_string(), confirmed.to_string())
}

#[test]
fn what_is_no_event_is_masked_and_the_function_goes_on() {
    let function = House::new().function("pool", "[domain-allow-list]\ndeny = [\"nobody.example.net\"]\n");
    let (arrival, _) = arrival();
    function.keeps_to_itself("marguerite");
    let broken = [
        (b"".to_vec(), "not a JSON object"),
        (b" \n".to_vec(), "not a JSON object"),
        (b"null".to_vec(), "not a JSON object"),
        (b"[]".to_vec(), "not a JSON object"),
        (b"\"marguerite\"".to_vec(), "not a JSON object"),
        (arrival.as_bytes()[..arrival.len() - 1].to_vec(), "not a JSON object"),
        (format!("{arrival}{arrival}").into_bytes(), "not a JSON object"),
        (arrival.replace(':', "=").into_bytes(), "not a JSON object"),
        (arrival.replace("Butterfly", "\u{1}").into_bytes(), "not a JSON object"),
        ([arrival.as_bytes(), b"\xff"].concat(), "not UTF-8"),
        (
            arrival
                .replace("Butterfly", "?")
                .into_bytes()
                .into_iter()
                .map(|b| if b == b'?' { 0xfe } else { b })
                .collect(),
            "not UTF-8",
        ),
        ([b"\xef\xbb\xbf", arrival.as_bytes()].concat(), "not a JSON object"),
    ];
    for (body, cause) in broken {
        function.masks(body, cause);
        // Between two accidents it works as ever.
        assert_eq!(function.invoke_text(arrival.as_str()).outcome, Outcome::Answer(arrival.clone().into_bytes()));
    }
}

#[test]
fn five_megabytes_are_no_trouble_and_the_log_stays_short() {
    let function = House::new().function("pool", "[domain-allow-list]\ndeny = [\"nobody.example.net\"]\n");
    let mut large = sign_up("marguerite", "Butterfly");
    set(&mut large, "custom:essay", json!("Rosalinda ".repeat(500_000)));
    let text = large.to_string();
    assert!(text.len() > 5_000_000);
    assert_eq!(function.invoke_text(text.as_str()).outcome, Outcome::Answer(text.clone().into_bytes()));
    function.masks(&text.as_bytes()[..text.len() - 1], "not a JSON object");
    function.masks(vec![b'['; 5_000_000], "not a JSON object");
    function.masks(vec![0xff; 5_000_000], "not UTF-8");
    for line in function.process().logs() {
        assert!(line.len() < 8_000, "a line of {} bytes", line.len());
        assert!(!line.contains("Rosalinda"));
    }
}

/// The three ways a rule goes wrong: what it does, and what the log must know.
const TROUBLES: [(&str, &str); 3] =
    [("panic", "panicked"), ("fail", "the oracle is silent"), ("hang", "the time for the answer was up")];

#[test]
fn a_rule_that_panics_fails_or_hangs_is_masked_and_the_function_goes_on() {
    let (arrival, confirmation) = arrival();
    std::thread::scope(|scope| {
        for (does, cause) in TROUBLES {
            let (arrival, confirmation) = (&arrival, &confirmation);
            scope.spawn(move || {
                let configuration = format!("[trouble]\ndoes = \"{does}\"");
                let function = House::new().bare_function("troubled", &configuration, &[("TRIGGERS_BUDGET_MS", "500")]);
                let process = function.process().pid();
                for _ in 0..3 {
                    function.masks(arrival.as_str(), cause);
                    // PostConfirmation: "the user is actually confirmed" whatever it answers.
                    function.forgives(confirmation, cause);
                }
                assert_eq!(function.process().pid(), process);
            });
        }
    });
}

#[test]
fn what_a_panic_prints_is_a_line_of_the_log_with_its_place() {
    let function = House::new().bare_function("troubled", "[trouble]\ndoes = \"panic\"", &[]);
    function.masks(arrival().0, "panicked");
    let lines = function.lines();
    let line = lines.iter().find(|line| line["target"] == "panic").unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(line["location"].as_str().unwrap().contains("troubled.rs:"), "{line}");
    assert!(line["reason"].as_str().unwrap().starts_with("did not expect …"), "{line}");
}

#[test]
fn a_rule_whose_faults_do_not_count_lets_everybody_on() {
    let (arrival, _) = arrival();
    for (does, cause) in [("panic", "panicked"), ("fail", "the oracle is silent")] {
        let configuration = format!("[trouble]\ndoes = \"{does}\"\non-fault = \"continue\"");
        House::new().bare_function("troubled", &configuration, &[]).forgives(&arrival, cause);
    }
}

#[test]
fn the_answer_is_there_before_lambda_or_cognito_give_up() {
    let (arrival, confirmation) = arrival();
    // The harness kills what has not answered by the deadline, as Lambda does: an answer at all is one in time.
    let hangs = House::new().bare_function("troubled", "[trouble]\ndoes = \"hang\"", &[]);
    let cognitos = hangs.invoke_with(arrival.as_str(), Duration::from_secs(5));
    hangs.masked(&cognitos, "the time for the answer was up");
    assert!(cognitos.took > Duration::from_secs(3), "it was to have its whole budget: {cognitos:?}");
    // A function may have been given less than Cognito waits.
    let lambdas = hangs.invoke_with(arrival.as_str(), Duration::from_secs(1));
    hangs.masked(&lambdas, "the time for the answer was up");
    assert!(lambdas.took < cognitos.took);
    let forgiven = hangs.invoke_with(confirmation.as_str(), Duration::from_secs(1));
    assert_eq!(forgiven.outcome, Outcome::Answer(confirmation.into_bytes()));
}

#[test]
fn a_service_that_panics_fails_or_hangs_is_masked_and_forgiven_after_confirmation() {
    let (arrival, confirmation) = arrival();
    let sign_in = signed_in("marguerite", "Butterfly", "0c000000-0000-4000-8000-0000000000c1").to_string();
    std::thread::scope(|scope| {
        for (does, cause) in TROUBLES {
            let (arrival, confirmation, sign_in) = (&arrival, &confirmation, &sign_in);
            scope.spawn(move || {
                let configuration = format!(
                    "[services]\nledger = \"trouble:{does}\"\ndirectory = \"trouble:{does}\"\n\
                     [access-code]\nself-sign-up = false\n[unique-nickname]\n"
                );
                let function = House::new().bare_function("troubled", &configuration, &[("TRIGGERS_BUDGET_MS", "500")]);
                function.masks(arrival.as_str(), if does == "panic" { "panic" } else { cause });
                function.forgives(confirmation, cause);
                // Upkeep of names must not cost anybody a sign-in.
                if does != "hang" {
                    function.forgives(sign_in, cause);
                }
            });
        }
    });
}

#[test]
fn a_service_that_panics_while_it_is_opened_is_masked() {
    let (arrival, confirmation) = arrival();
    let configuration = "[services]\nledger = \"trouble:panic-at-start\"\n[access-code]\n";
    let function = House::new().bare_function("troubled", configuration, &[]);
    function.masks(arrival, "setting up the rules or the services panicked");
    function.forgives(&confirmation, "panicked");
    assert!(function.said().contains("the oracle did not open"), "{}", function.said());
}

/// Configurations that cannot be used, and what the log must name.
const WRONG: &[(&str, &str)] = &[
    ("", "no rule of this program is switched on"),
    ("[domain-allow-list", ".toml:1: the table is not closed"),
    ("[domain-allow-list]\nallow = [\"example.com\"]\nalow = [\"example.com\"]\n", "did you mean `allow`?"),
    ("[domain-allow-lst]\nallow = [\"example.com\"]\n", "did you mean `domain-allow-list`?"),
    ("[domain-allow-list]\nallow = \"example.com\"\n", "put it in brackets"),
    ("[domain-allow-list]\nallow = []\n", "an empty list lets nobody in"),
    ("[domain-allow-list]\nallow = [\"exa mple.com\"]\n", "domain-allow-list.allow"),
    ("[access-code]\ncodes = [{ env = \"NOT_SET\" }]\ninvitations = false\n", "NOT_SET"),
    ("[access-code]\ncodes = \"Geheimes-Wort-99\"\n", "access-code.codes"),
    ("[access-code]\ncodes = [7, \"Geheimes-Wort-99\"]\n", "access-code.codes"),
    ("[access-code]\n", "ledger"),
    ("[services]\nledger = \"postgres:x\"\n[access-code]\n", "no ledger called `postgres`"),
    ("[services]\nledgr = \"sqlite:x\"\n[domain-allow-list]\nallow = [\"example.com\"]\n", "did you mean `ledger`?"),
    ("[unique-nickname]\npolicy = \"refuse\"\n", "unique-nickname.policy"),
    ("[unique-nickname]\nreservation-minutes = 0\n", "reservation-minutes"),
    ("[pools.\"eu-central-1_Example01\".domain-allow-list]\nallow = 7\n", "eu-central-1_Example01"),
];

#[test]
fn a_wrong_configuration_is_masked_and_the_log_says_what_is_wrong_and_where() {
    let (arrival, confirmation) = arrival();
    for (configuration, cause) in WRONG {
        let house = House::new();
        let function = house.bare_function("pool", configuration, &[]);
        function.keeps_to_itself("Geheimes-Wort-99");
        let outcome = function.invoke_text(arrival.as_str()).outcome;
        masked(&outcome, &(configuration, function.said()));
        let lines = function.lines();
        let told: Vec<_> = lines.iter().filter(|line| line["target"] == "configuration").collect();
        assert!(!told.is_empty() && told.iter().all(|line| line["level"] == "ERROR"), "{configuration}: {lines:#?}");
        let text = told.iter().map(|line| line["message"].as_str().unwrap()).collect::<Vec<_>>().join("\n");
        assert!(text.contains(cause), "{configuration}: the log does not say {cause:?} but {text}");
        function.forgives(&confirmation, "");
    }
}

/// Variables that cannot be used, and what the log must name.
const VARIABLES: &[(&str, &str, &str)] = &[
    ("TRIGGERS_KEY", "", "TRIGGERS_KEY"),
    ("TRIGGERS_KEY", "c2hvcnQtYnV0LXNlY3JldA==", "fewer than 32"),
    ("TRIGGERS_KEY", "this is not a key, but it may be a secret", "neither hexadecimal nor Base64"),
    ("TRIGGERS_BUDGET_MS", "5000", "TRIGGERS_BUDGET_MS"),
    ("TRIGGERS_LEDGER", "nonsense", "TRIGGERS_LEDGER"),
    ("TRIGGERS_CONFIG", "/nowhere/triggers.toml", "/nowhere/triggers.toml"),
    // In a real Lambda what is kept on the machine is gone with it.
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand", "forgets everything in a Lambda"),
];

#[test]
fn a_wrong_or_missing_variable_is_masked_and_the_log_names_it() {
    let (arrival, confirmation) = arrival();
    for (name, value, cause) in VARIABLES {
        let function = House::new().function_with("pool", "[access-code]\n[unique-nickname]\n", &[(name, value)]);
        function.masks(arrival.as_str(), cause);
        function.forgives(&confirmation, cause);
    }
}

#[test]
fn a_function_without_any_configuration_says_where_it_looked() {
    let house = House::new();
    // The working directory of the harness is the folder of the binaries, where no configuration is.
    let function = Watched::start(&binary("domain-allow-list"), &[("TRIGGERS_KEY", KEY)]);
    function.masks(arrival().0, "triggers.toml");
    drop(house);
}

#[test]
fn a_ledger_that_cannot_be_made_is_masked() {
    let (arrival, confirmation) = arrival();
    let house = House::new();
    fs::write(house.path().join("plain-file"), "").unwrap();
    fs::write(house.path().join("no-database"), "not a database, but longer than its header would be: ".repeat(9))
        .unwrap();
    let theirs = house.path().join("theirs.db");
    Connection::open(&theirs).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let places = [
        ("plain-file/pool.db", "plain-file"),
        (".", "cannot open"),
        ("no-database", "is no SQLite database"),
        ("theirs.db", "another program's database"),
    ];
    for (place, cause) in places {
        let address = format!("sqlite:{}", house.path().join(place).display());
        let environment = [("TRIGGERS_LEDGER", address.as_str())];
        let function = house.function_with("access-code", "[access-code]\n", &environment);
        function.masks(arrival.as_str(), cause);
        function.forgives(&confirmation, cause);
    }
    assert_eq!(Connection::open(&theirs).unwrap().execute("INSERT INTO theirs VALUES (1)", []).unwrap(), 1);
}

#[test]
fn a_ledger_locked_by_another_program_is_masked_in_time_and_works_again_afterwards() {
    let (arrival, _) = arrival();
    let house = House::new();
    let function = house.function_with("unique-nickname", "[unique-nickname]\n", &[("TRIGGERS_BUDGET_MS", "600")]);
    function.lets_pass(&sign_up("berta", "Dragonfly"));
    let other = Connection::open(house.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let invocation = function.invoke_text(arrival.as_str());
    function.masked(&invocation, "the time for the answer was up");
    assert!(invocation.took < Duration::from_secs(5));
    other.execute_batch("ROLLBACK").unwrap();
    // The call that was given up may still be waiting for the lock; nobody else has to wait for it for long.
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let again = function.invoke_text(arrival.as_str()).outcome;
        if again == Outcome::Answer(arrival.clone().into_bytes()) {
            break;
        }
        masked(&again, &function.said());
        assert!(Instant::now() < patience, "it does not recover: {}", function.said());
    }
    function.refusal(&sign_up("caesar", "Butterfly"));
}

#[test]
fn a_ledger_damaged_while_it_is_used_is_masked() {
    let (arrival, confirmation) = arrival();
    let house = House::new();
    let function = house.function("unique-nickname", "[unique-nickname]\n");
    function.lets_pass(&sign_up("berta", "Dragonfly"));
    let other = Connection::open(house.file()).unwrap();
    other.execute_batch("DROP TABLE names").unwrap();
    function.masks(arrival.as_str(), "names");
    function.forgives(&confirmation, "names");
}

#[test]
fn a_ledger_whose_file_was_removed_lets_nobody_pass_for_somebody_else() {
    let house = House::new();
    let function = house.function("unique-nickname", "[unique-nickname]\n");
    function.lets_pass(&sign_up("berta", "Dragonfly"));
    for entry in fs::read_dir(house.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("pool.db") {
            fs::remove_file(path).unwrap();
        }
    }
    // The process still holds the file that has no name any more, or notices: what it must not do is let a namesake in.
    let outcome = function.invoke(&sign_up("caesar", "Dragonfly")).outcome;
    match &outcome {
        Outcome::Error { error_type, .. } if error_type == "Denied" => {}
        other => {
            masked(other, &function.said());
        }
    }
}

#[test]
fn a_delivery_that_fails_stays_due_and_the_log_has_the_cause_without_the_name() {
    let house = House::new();
    let function = house.function("unique-nickname", "[unique-nickname]\npolicy = \"assign\"\n");
    // The variation of a long name is a shortened one, and that of an unusual one is written in usual letters: neither is a
    // value of the event.
    let long = format!("{}Maximiliana-The", "Maximiliana-Theresia-".repeat(4));
    let names = [long, "Ｐenelope  Ｐimpernel\u{200d}".to_owned()];
    for (number, name) in names.iter().enumerate() {
        let sub = |number: usize| format!("0d000000-0000-4000-8000-00000000000{number}");
        function.lets_pass(&confirmed(&format!("first{number}"), name, &sub(2 * number)));
        // Nobody of that name is in the directory.
        let second = confirmed(&format!("second{number}"), name, &sub(2 * number + 1)).to_string();
        function.forgives(&second, "has no such user");
        for secret in ["maximiliana", "penelope", "pimpernel"] {
            function.keeps_to_itself(secret);
        }
    }
    let ledger = SqliteLedger::open(&house.file()).unwrap();
    assert_eq!(block_on(ledger.deliveries(POOL)).unwrap().len(), names.len());
}

#[test]
fn a_denial_is_no_fault_and_says_nothing_of_the_user_in_the_log() {
    let house = House::new();
    let tables = "[domain-allow-list]\nallow = [\"example.com\"]\n[unique-nickname]\n";
    let function = house.function_with("pool", tables, &[("TRIGGERS_LOG", "debug")]);
    function.lets_pass(&sign_up("berta", "Dragonfly"));
    function.refusal(&sign_up("marguerite", "Dragonfly"));
    function.refusal(&event("PreSignUp_SignUp", &[("email", "marguerite@evil.example.net")]));
    let decisions: Vec<Value> = function.lines().into_iter().filter(|line| line["message"] == "decision").collect();
    let outcomes: Vec<_> = decisions.iter().map(|line| (line["level"].clone(), line["outcome"].clone())).collect();
    let told = |outcome: &str| (json!("INFO"), json!(outcome));
    assert_eq!(outcomes, [told("passed"), told("denied"), told("denied")]);
}

#[test]
fn a_function_outside_of_lambda_says_so_and_ends() {
    let house = House::new();
    let function = house.function_with("pool", "[access-code]\n", &[("AWS_LAMBDA_RUNTIME_API", "")]);
    assert_eq!(function.invoke_text(sample("PreSignUp_SignUp")).outcome, Outcome::Died);
    assert!(function.said().contains("`AWS_LAMBDA_RUNTIME_API` is not set"), "{}", function.said());
}
