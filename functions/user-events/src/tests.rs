//! What is told, how often, and nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use boon::{Compiler, Schemas};
use cognito_triggers::config::Configuration;
use cognito_triggers::ledger::{Condition, Delivery};
use cognito_triggers::{Calls, Environment, Services, courier};
use cognito_triggers_embedded::FilePublisher;
use serde_json::{Value, json};

use super::*;

const ANNA: &str = "0a1b2c3d-0000-4000-8000-00000000a77a";
const POOL: &str = "eu-central-1_Example01";

fn rule(text: &str) -> UserEvents {
    toml::from_str(text).unwrap()
}

fn trial(text: &str) -> Trial<UserEvents> {
    Trial::of(rule(text))
}

fn confirmed() -> Event<PostConfirmation> {
    Event::sample()
}

fn forgotten() -> Event<PostConfirmation> {
    Event::sample_of(&TriggerSource::PostConfirmationConfirmForgotPassword)
}

fn signed_in() -> Event<PostAuthentication> {
    Event::sample()
}

/// What is told when this is staged. Whatever it is, it is as the schema says.
fn told(deliveries: &[Delivery]) -> Vec<Value> {
    let each = |delivery: &Delivery| {
        let Task::Publish(event) = &delivery.task else { panic!("{:?}", delivery.task) };
        assert_eq!(delivery.id.rule(), "user-events");
        let detail = Value::Object(event.detail.clone());
        assert_eq!(detail["id"], event.id);
        assert_eq!(detail["name"], event.name);
        assert_eq!(detail["time"], event.time.to_string());
        assert_eq!(misfit(&detail), None);
        detail
    };
    deliveries.iter().map(each).collect()
}

fn tells<T: Trigger, R: Rule<T>>(trial: &Trial<R>, event: &Event<T>) -> Vec<Value> {
    let seen = trial.handles(event);
    assert_eq!(seen.verdict.unwrap(), Verdict::Continue);
    told(&seen.deliveries)
}

fn names<T: Trigger, R: Rule<T>>(trial: &Trial<R>, event: &Event<T>) -> Vec<String> {
    tells(trial, event).iter().map(|detail| detail["name"].as_str().unwrap().to_owned()).collect()
}

/// Why this is not as a schema says.
fn misfit_of(schema: Value, detail: &Value) -> Option<String> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.enable_format_assertions();
    compiler.add_resource("user-event.json", schema).unwrap();
    let index = compiler.compile("user-event.json", &mut schemas).unwrap();
    schemas.validate(detail, index).err().map(|error| error.to_string())
}

/// Why this is not as the schema says, if that permitted nothing it does not name.
fn misfit(detail: &Value) -> Option<String> {
    let mut schema = detail::schema();
    schema["unevaluatedProperties"] = false.into();
    misfit_of(schema, detail)
}

fn complaint(table: &str) -> String {
    let services = "[services]\nledger = \"dynamodb:t\"\npublisher = \"eventbridge:b\"\n";
    let text = format!("{services}[user-events]\n{table}");
    let here = Environment::default();
    let checked = Configuration::parse("triggers.toml", &text).and_then(|it| it.check::<(UserEvents,)>(Some(&here)));
    checked.map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn a_confirmation_is_told_with_what_was_named() {
    let trial = trial("attributes = ['email', 'locale', 'custom:plan']");
    let seen = trial.handles(&confirmed());
    assert_eq!(seen.calls, Calls { reads: 1, writes: 1, acknowledgements: 0 });
    assert_eq!(
        told(&seen.deliveries),
        [json!({
            "version": "1",
            "id": detail::id(POOL, ANNA, EventName::Confirmed, None),
            "name": "user.confirmed",
            "time": "2026-01-01T12:00:00Z",
            "pool": POOL,
            "client": "1example23456789",
            "user": { "sub": ANNA, "attributes": { "email": "anna@example.com", "locale": "de-DE" } },
            "met": "confirmation",
        })]
    );
}

#[test]
fn nothing_of_the_user_is_told_that_was_not_named() {
    let events = [
        told(&trial("").handles(&confirmed()).deliveries),
        told(&trial("").handles(&forgotten()).deliveries),
        told(&trial("").handles(&signed_in()).deliveries),
    ];
    for detail in events.concat() {
        assert_eq!(detail["user"], json!({ "sub": ANNA, "attributes": {} }));
        let text = detail.to_string().replace(ANNA, "").to_lowercase();
        for secret in ["anna", "schmidt", "anni", "example.com", "berlin"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[test]
fn three_confirmations_are_told_once_ever() {
    let trial = trial("events = ['user.confirmed']");
    let told = || names(&trial, &confirmed()).len() + names(&trial, &signed_in()).len();
    assert_eq!([told(), told(), told()], [1, 0, 0]);
    trial.pass(SignedDuration::from_hours(24 * 3650));
    assert_eq!(told(), 0);
}

#[test]
fn the_same_confirmation_has_the_same_id_wherever_it_is_worked_out() {
    let id = |event: &Event<PostConfirmation>| tells(&trial(""), event)[0]["id"].clone();
    let later = trial("");
    later.pass(SignedDuration::from_secs(2));
    assert_eq!(tells(&later, &confirmed())[0]["id"], id(&confirmed()));
    assert_ne!(id(&confirmed().with("sub", "another")), id(&confirmed()));
    // Worked out independently: SHA-256 over each part behind its length in 8 bytes, the first 16 bytes in Base32.
    assert_eq!(id(&confirmed()), "2NORUHIWUEA64NUB6W3KMJ7MEU");
}

#[test]
fn a_forgotten_password_is_a_change_of_the_password_and_no_confirmation() {
    // "PostConfirmation: ConfirmSignUp, AdminConfirmSignUp, ...; ConfirmForgotPassword" (one trigger, two sources)
    let trial = trial("");
    let told = tells(&trial, &forgotten());
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["name"], &told[0]["reason"]), (&json!("user.password_changed"), &json!("forgot_password")));
    assert_eq!(names(&trial, &forgotten()), [""; 0], "Cognito called again");
    trial.pass(SignedDuration::from_secs(30));
    assert_eq!(names(&trial, &forgotten()), ["user.password_changed"]);
    assert_eq!(names(&trial, &confirmed()), ["user.confirmed"]);
}

#[test]
fn who_was_never_confirmed_is_met_at_a_sign_in() {
    // "Not fired for admin-created users, nor when they complete FORCE_CHANGE_PASSWORD"
    let trial = trial("");
    let told = tells(&trial, &signed_in());
    assert_eq!(told.len(), 2);
    assert_eq!((&told[0]["name"], &told[0]["met"]), (&json!("user.confirmed"), &json!("sign_in")));
    assert_eq!((&told[1]["name"], &told[1]["new_device"]), (&json!("user.signed_in"), &json!(false)));
    assert_eq!(names(&self::trial("at-sign-in = false"), &signed_in()), ["user.signed_in"]);
}

#[test]
fn old_users_are_not_confirmed_now_if_it_is_said_since_when_users_are_new() {
    let trial = trial("onboard-since = '2026-01-01'");
    let seen = trial.handles(&signed_in());
    let since = "2026-01-01T00:00:00Z".parse().unwrap();
    let conditions: Vec<_> = seen.deliveries.iter().map(|delivery| delivery.only_if.clone()).collect();
    assert_eq!(conditions, [Some(Condition::CreatedSince { user_name: "anna".into(), since }), None]);
}

#[test]
fn a_sign_in_is_told_once_within_the_span_and_again_after_it() {
    let trial = trial("events = ['user.signed_in']\nonce-per-seconds = 10");
    let mut ids = BTreeSet::new();
    for (pause, expected) in [(0, 1), (1, 0), (8, 0), (1, 1), (9, 0), (1, 1)] {
        trial.pass(SignedDuration::from_secs(pause));
        let told = tells(&trial, &signed_in());
        assert_eq!(told.len(), expected);
        ids.extend(told.into_iter().map(|detail| detail["id"].to_string()));
    }
    assert_eq!(ids.len(), 3);
    let stored: BTreeSet<_> = (0..2)
        .flat_map(|_| {
            trial.pass(SignedDuration::from_secs(10));
            trial.handles(&signed_in()).deliveries
        })
        .map(|delivery| delivery.id.key)
        .collect();
    assert_eq!(stored.len(), 2, "one takes the place of the other");
}

#[test]
fn the_first_sign_in_through_another_provider_is_one() {
    // PostAuthentication: "Not fired on first federated sign-in"
    let event = confirmed().with("cognito:user_status", "EXTERNAL_PROVIDER");
    assert_eq!(names(&trial(""), &event), ["user.confirmed", "user.signed_in"]);
    assert_eq!(names(&trial("events = ['user.signed_in']"), &event), ["user.signed_in"]);
    assert_eq!(names(&trial("events = ['user.signed_in']"), &confirmed()), [""; 0]);
}

#[test]
fn the_device_is_new_or_not_only_where_that_is_known() {
    // "newDeviceUsed only set if remembered devices = Always / User Opt-In"
    let device = |event: &Event<PostAuthentication>| {
        tells(&trial("events = ['user.signed_in']"), event)[0].get("new_device").cloned()
    };
    let with = |value: Value| signed_in().with_value(&["request", "newDeviceUsed"], value);
    assert_eq!(device(&with(true.into())), Some(true.into()));
    assert_eq!(device(&with(false.into())), Some(false.into()));
    assert_eq!(device(&with(Value::Null)), None);
}

#[test]
fn an_administrators_confirmation_names_no_client() {
    let event = confirmed().with_value(&["callerContext", "clientId"], Value::Null);
    assert!(tells(&trial(""), &event)[0].get("client").is_none());
}

fn only_new_passwords_at<T: TokenTrigger>() {
    let trial = Trial::of(NewPassword(rule("")));
    let sources = TriggerSource::ALL.iter().filter(|source| source.prefix() == "TokenGeneration");
    for source in sources {
        let seen = trial.handles(&Event::<T>::sample_of(source));
        if *source == TriggerSource::TokenGenerationNewPasswordChallenge {
            let told = told(&seen.deliveries);
            assert_eq!(told.len(), 1);
            assert_eq!(told[0]["name"], "user.password_changed");
            assert_eq!(told[0]["reason"], "temporary_password");
        } else {
            assert!(seen.deliveries.is_empty(), "{source}");
            assert_eq!(seen.calls, Calls::default(), "{source} costs a call of the ledger");
        }
        // The tokens are as they would have been.
        let event = Event::<T>::sample_of(source);
        assert_eq!(seen.answer.unwrap(), serde_json::from_str::<Value>(event.raw()).unwrap());
    }
}

#[test]
fn at_tokens_only_a_temporary_password_that_was_replaced_is_told() {
    // "TokenGeneration_NewPasswordChallenge (temporary -> permanent)"
    only_new_passwords_at::<PreTokenGenerationV1>();
    only_new_passwords_at::<PreTokenGenerationV2>();
    only_new_passwords_at::<PreTokenGenerationV3>();
}

#[tokio::test]
async fn what_is_published_again_has_the_same_id() {
    let folder = tempfile::tempdir().unwrap();
    let publisher = FilePublisher::open(&folder.path().join("events.jsonl")).unwrap();
    let services = |services| Services { publisher: Arc::new(publisher.clone()), ..services };
    let trial = trial("attributes = ['email']").with(services);
    let staged = trial.handles(&signed_in()).deliveries;
    // The second time as if the acknowledgement had got lost.
    for delivery in staged.iter().chain(&staged) {
        courier::deliver(delivery, trial.services()).await.unwrap();
    }
    let lines = std::fs::read_to_string(publisher.file()).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<_> = lines.iter().map(|line| line["detail"]["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), &ids[..2]), (4, &ids[2..]));
    assert_ne!(ids[0], ids[1]);
    let outer: BTreeSet<_> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(outer.len(), 4, "by the outer id no repetition can be told, on AWS nor here");
    for line in &lines {
        assert_eq!(line["detail-type"], line["detail"]["name"]);
        assert_eq!(misfit(&line["detail"]), None);
    }
}

#[test]
fn machines_are_no_users() {
    let event = Event::<PreTokenGenerationV3>::sample_of(&TriggerSource::TokenGenerationClientCredentials)
        .with_value(&["triggerSource"], TriggerSource::TokenGenerationNewPasswordChallenge.as_str());
    assert!(event.sub().is_none());
    assert!(Trial::of(NewPassword(rule(""))).handles(&event).deliveries.is_empty());
}

#[test]
fn only_what_is_asked_for_is_attached_and_told() {
    let attached = |text: &str| {
        let mut chains = Chains::default();
        rule(text).attach(&mut chains).unwrap();
        let needs: Vec<_> = chains.needs().iter().map(|(need, _)| *need).collect();
        (chains.overview().into_iter().map(|(trigger, _)| trigger).collect::<Vec<_>>().join(" "), needs)
    };
    let tokens = "PreTokenGeneration PreTokenGeneration PreTokenGeneration";
    let (triggers, needs) = attached("");
    assert_eq!(triggers, format!("PostAuthentication PostConfirmation {tokens}"));
    assert_eq!(needs, [Need::Ledger, Need::Publisher]);
    assert_eq!(attached("events = ['user.confirmed']").0, "PostAuthentication PostConfirmation");
    assert_eq!(attached("events = ['user.confirmed']\nat-sign-in = false").0, "PostConfirmation");
    assert_eq!(attached("events = ['user.signed_in']").0, "PostAuthentication PostConfirmation");
    assert_eq!(attached("events = ['user.password_changed']").0, format!("PostConfirmation {tokens}"));
    let since = "onboard-since = '2026-01-01'";
    assert_eq!(attached(since).1, [Need::Ledger, Need::Publisher, Need::Directory]);
    assert_eq!(attached(&format!("events = ['user.signed_in']\n{since}")).1, [Need::Ledger, Need::Publisher]);

    let password = trial("events = ['user.password_changed']");
    assert_eq!(names(&password, &confirmed()), [""; 0]);
    assert_eq!(names(&password, &signed_in()), [""; 0]);
    assert_eq!(names(&trial("events = ['user.confirmed']"), &forgotten()), [""; 0]);
}

#[test]
fn names_are_spelt_in_one_way_everywhere() {
    for name in EventName::ALL {
        let read: UserEvents = rule(&format!("events = ['{}']", name.as_str()));
        assert_eq!(read.events, BTreeSet::from([name]));
    }
    let schema = schemars::schema_for!(UserEvents).to_value().to_string();
    assert!(EventName::ALL.iter().all(|name| schema.contains(name.as_str())));
}

#[test]
fn every_wrong_setting_is_explained() {
    let wrong = [
        (
            "events = []",
            "triggers.toml:5: user-events.events: an empty list tells nothing; name events, or leave the key out to be told all",
        ),
        (
            "events = [\"user.signed-in\"]",
            "triggers.toml:5: user-events.events[0]: there is no such choice; did you mean `user.signed_in`?",
        ),
        (
            "once-per-seconds = 0",
            "triggers.toml:5: user-events.once-per-seconds: repetitions come within 1 to 3600 seconds",
        ),
        (
            "once-per-seconds = 3601",
            "triggers.toml:5: user-events.once-per-seconds: repetitions come within 1 to 3600 seconds",
        ),
        (
            "attributes = [\"locale\", \"mail\"]",
            "triggers.toml:5: user-events.attributes[1]: users have no such attribute: did you mean `email`?",
        ),
        (
            "attributes = [\"plan\"]",
            "triggers.toml:5: user-events.attributes[0]: users have no such attribute: write one that every pool has, e.g. `email`, or one of the pool's own behind `custom:`, e.g. `custom:plan`",
        ),
        ("attribute = []", "triggers.toml:5: user-events.attribute: there is no such key; did you mean `attributes`?"),
    ];
    for (table, expected) in wrong {
        assert_eq!(complaint(table), expected);
    }
    assert!(complaint("onboard-since = 2026-01-31").contains("user-events: needs a directory"));
    assert_eq!(complaint("events = [\"user.confirmed\"]\nonce-per-seconds = 3600"), "");
}

fn schema_file() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/user-event.schema.json").into()
}

#[test]
fn the_schema_in_the_documents_is_what_events_are() {
    let file = std::fs::read_to_string(schema_file()).unwrap();
    let written: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(written, detail::schema(), "run `cargo test -p user-events write_the_schema -- --ignored`");
}

#[test]
#[ignore = "writes docs/user-event.schema.json anew"]
fn write_the_schema() {
    std::fs::write(schema_file(), format!("{:#}\n", detail::schema())).unwrap();
}

#[test]
fn the_schema_refuses_what_is_no_event() {
    let right = tells(&trial(""), &confirmed()).remove(0);
    let without = |key: &str| {
        let mut detail = right.clone();
        detail.as_object_mut().unwrap().remove(key);
        detail
    };
    let with = |key: &str, value: Value| {
        let mut detail = right.clone();
        detail[key] = value;
        detail
    };
    for key in ["version", "id", "name", "time", "pool", "user", "met"] {
        assert!(misfit(&without(key)).is_some(), "without {key}");
    }
    assert_eq!(misfit(&without("client")), None);
    for (key, value) in [
        ("version", json!("2")),
        ("version", json!(1)),
        ("name", json!("user.deleted")),
        ("name", json!("user.password_changed")),
        ("time", json!("yesterday")),
        ("user", json!({ "sub": ANNA })),
        ("user", json!({ "sub": ANNA, "attributes": { "n": 1 } })),
        ("client", Value::Null),
        ("email", json!("anna@example.com")),
    ] {
        assert!(misfit(&with(key, value.clone())).is_some(), "{key} = {value}");
    }
    // For consumers it is open, so that fields can be added.
    assert_eq!(misfit_of(detail::schema(), &with("more", json!(1))), None);
}

/// An item of the ledger has at most 400 KB, and an event of the bus 256 KB.
#[test]
fn who_fills_every_attribute_is_told_of_all_the_same() {
    let names: Vec<_> = (0..50).map(|number| format!("custom:{number}")).collect();
    let table = format!("attributes = {names:?}");
    let full = "🧑".repeat(2_048);
    let event = names.iter().fold(signed_in(), |event, name| event.with(name, full.as_str()));
    let seen = trial(&table).handles(&event);
    assert_eq!(told(&seen.deliveries).len(), 2);
    for delivery in &seen.deliveries {
        let size = serde_json::to_string(delivery).unwrap().len();
        assert!((50_000..110_000).contains(&size), "{size}");
    }
}
