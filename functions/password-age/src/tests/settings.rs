//! What may stand in the table, and what the rule asks for.

use std::collections::HashMap;

use cognito_triggers::{Dispatcher, Invocation};

use super::*;

type Rules = (PasswordAge,);

fn complaint(table: &str) -> String {
    let text = format!(
        "[services]\nledger = \"sqlite:x\"\nmailer = \"folder:x\"\ndirectory = \"local:x\"\n[password-age]\n{table}"
    );
    let checked = Configuration::parse("triggers.toml", &text)
        .and_then(|configuration| configuration.check::<Rules>(Some(&Environment::default())));
    checked.map_or_else(|errors| errors.to_string(), |_| String::new())
}

fn chains(table: &str) -> Chains {
    let text = format!("[password-age]\n{table}");
    let configuration = Configuration::parse("triggers.toml", &text).unwrap();
    configuration.chains::<Rules>(&Environment::default()).unwrap().0
}

#[test]
fn it_is_attached_where_passwords_are_chosen_and_used_and_asks_for_what_it_needs() {
    let triggers = |table: &str| {
        let overview = chains(table).overview();
        overview.into_iter().map(|(trigger, _)| trigger).collect::<Vec<_>>().join(" ")
    };
    let tokens = "PreTokenGeneration PreTokenGeneration PreTokenGeneration";
    assert_eq!(triggers("max-days = 90"), format!("PostAuthentication PostConfirmation {tokens}"));
    assert_eq!(
        triggers("max-days = 90\nearly = true"),
        format!("PostAuthentication PostConfirmation PreAuthentication {tokens}")
    );
    let needs = |table: &str| chains(table).needs().iter().map(|(need, _)| *need).collect::<Vec<_>>();
    assert_eq!(needs("max-days = 90"), [Need::Ledger, Need::Mailer, Need::Directory]);
    assert_eq!(needs("max-days = 90\nwarn-days = 0"), [Need::Ledger]);
    assert_eq!(needs("max-days = 90\nwarn-days = 0\naction = \"reset\""), [Need::Ledger, Need::Directory]);
}

#[test]
fn a_ledger_that_is_down_lets_nobody_in_but_withholds_no_token_of_a_new_password() {
    let clock = Arc::new(StoppedClock::default());
    let deadline = clock.now() + SignedDuration::from_secs(4);
    let chains = chains("max-days = 90\nearly = true");
    let dispatcher = Dispatcher::new(chains, HashMap::new(), Services::none(clock));
    let passes = |text: &str| {
        let invocation = Invocation { body: text.as_bytes(), request_id: "1", deadline };
        dispatcher.handle(invocation).now_or_never().unwrap().answer.is_ok()
    };
    assert!(!passes(sign_in().raw()) && !passes(begun().raw()));
    let source = TriggerSource::TokenGenerationNewPasswordChallenge;
    assert!(passes(Event::<PreTokenGenerationV1>::sample_of(&source).raw()));
    assert!(passes(confirmed().raw()), "who is confirmed is confirmed");
}

#[test]
fn its_template_is_tried_with_samples_that_have_the_times() {
    let chains = chains("max-days = 90");
    let [(TemplateUse::Mail { template, samples }, "password-age")] = chains.templates() else {
        panic!("{:?}", chains.templates());
    };
    assert_eq!(template, "password-warning");
    assert!(samples.len() > 2);
    for sample in samples {
        assert!(sample.contains_key("user") && sample["expires"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }
    let zones: BTreeSet<_> = samples.iter().map(|sample| sample["zone"].as_str().unwrap()).collect();
    assert_eq!(zones, ["", "Europe/Vienna"].into());
    assert_eq!(self::chains("max-days = 90\nwarn-days = 0").templates(), []);
}

#[test]
fn what_is_wrong_with_a_setting_is_said_where_it_stands() {
    let wrong = [
        ("max-days = 0", "6: password-age.max-days: the number is out of range; use a whole number from 1 to 3650"),
        ("max-days = 3651", "6: password-age.max-days: the number is out of range; use a whole number from 1 to 3650"),
        ("max-days = -1", "6: password-age.max-days: the number is out of range; use a whole number from 0 to 65535"),
        (
            "max-days = \"90\"",
            "6: password-age.max-days: expected a whole number from 0 to 65535, found a string; write it without quotes",
        ),
        (
            "max-days = 90\ngrace-days = 3651",
            "7: password-age.grace-days: the number is out of range; use a whole number from 0 to 3650",
        ),
        (
            "max-days = 90\nwarn-days = 90",
            "7: password-age.warn-days: 90 days before it expires a password is not chosen yet; it lasts 90 days: write fewer, \
             or 0 for no mail",
        ),
        (
            "max-days = 7",
            "5: password-age.warn-days: 7 days before it expires a password is not chosen yet; it lasts 7 days: write fewer, \
             or 0 for no mail",
        ),
        ("max-days = 90\naction = \"rest\"", "7: password-age.action: there is no such choice; did you mean `reset`?"),
        (
            "max-days = 90\nearly = true\naction = \"reset\"",
            "7: password-age.early: what is refused before the password is proven is never reset after it; leave it out, or use \
             `action = \"deny\"`",
        ),
        (
            "max-days = 90\nmessage = \" \"",
            "7: password-age.message: this says nothing; write a sentence that says what to do, or leave the key out",
        ),
        (
            "max-days = 90\nlinked-users = \"deny\"",
            "7: password-age.linked-users: there is no such choice; use `check` or `exempt`",
        ),
        (
            "max-days = 90\nexempt-clients = [\"a\", \" \"]",
            "7: password-age.exempt-clients: ` ` is not the id of an app client; write the id, e.g. `1example23456789`, not the name",
        ),
        (
            "max-days = 90\nzone = \"Europe/Wien\"",
            "7: password-age.zone: there is no such time zone; write its name in the tz database, e.g. `Europe/Vienna` or `UTC`",
        ),
        ("max-age = 90", "6: password-age.max-age: there is no such key; did you mean `max-days`?"),
    ];
    for (table, text) in wrong {
        assert_eq!(complaint(table), format!("triggers.toml:{text}"), "{table}");
    }
    assert!(complaint("").contains("the key `max-days` is missing"));
    assert_eq!(complaint("max-days = 90"), "");
    assert_eq!(complaint("max-days = 1\nwarn-days = 0"), "");
    assert_eq!(complaint("max-days = 3650\nwarn-days = 3649\ngrace-days = 3650\nzone = \"Europe/Vienna\""), "");
}

#[test]
fn every_key_is_in_the_schema() {
    let schema = schema::<Rules>();
    let table = schema["properties"]["password-age"]["properties"].as_object().unwrap();
    let own: BTreeSet<_> = table.keys().map(String::as_str).collect();
    let keys = [
        "max-days",
        "grace-days",
        "warn-days",
        "action",
        "message",
        "early",
        "linked-users",
        "exempt-clients",
        "template",
        "from",
        "reply-to",
        "locale",
        "zone",
    ];
    for key in keys {
        assert!(own.contains(key) && table[key].get("description").is_some(), "{key}");
    }
    assert_eq!((&table["grace-days"]["default"], &table["warn-days"]["default"]), (&json!(14), &json!(7)));
    assert_eq!((&table["action"]["default"], &table["linked-users"]["default"]), (&json!("deny"), &json!("check")));
    assert_eq!(table["template"]["default"], "password-warning");
}
