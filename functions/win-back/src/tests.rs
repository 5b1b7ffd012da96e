//! What is staged for whom, and what the settings may be. What becomes of it is in `tests/lived.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use cognito_triggers::config::{Configuration, schema};
use cognito_triggers::ledger::{Delivery, Ledger, MemoryLedger};
use cognito_triggers::links::LinkPurpose;
use cognito_triggers::{Calls, Clock, Environment, Services, StoppedClock, Wants};
use futures_util::FutureExt;
use serde_json::Value;

use super::*;

mod lived;

type Rules = (WinBack,);

const POOL: &str = "eu-central-1_Example01";
const SUB: &str = "0a1b2c3d-0000-4000-8000-00000000a77a";

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn trial(settings: &str) -> Trial<WinBack> {
    Trial::of(toml::from_str(&format!("after-days = 60\n{settings}")).unwrap())
}

fn sign_in() -> Event<PostAuthentication> {
    Event::sample()
}

fn confirmed() -> Event<PostConfirmation> {
    Event::sample()
}

fn federated() -> Event<PostConfirmation> {
    confirmed().with("cognito:user_status", "EXTERNAL_PROVIDER")
}

/// What one event stages; the rule never refuses.
fn staged<T: Trigger>(trial: &Trial<WinBack>, event: &Event<T>) -> Vec<Delivery>
where
    WinBack: Rule<T>,
{
    let seen = trial.handles(event);
    assert_eq!(seen.verdict.unwrap(), Verdict::Continue);
    assert!(seen.calls.reads <= 1 && seen.calls.writes <= 1);
    seen.deliveries
}

/// The templates of what one event stages.
fn templates<T: Trigger>(trial: &Trial<WinBack>, event: &Event<T>) -> Vec<String>
where
    WinBack: Rule<T>,
{
    staged(trial, event).iter().map(|delivery| mail(delivery).template.clone()).collect()
}

fn mail(delivery: &Delivery) -> &Mail {
    match &delivery.task {
        Task::Mail(mail) => mail,
        other => panic!("{other:?}"),
    }
}

fn member(trial: &Trial<WinBack>) -> Member {
    let wants = Wants { pool: POOL.into(), sub: Some(SUB.into()), ..Wants::default() };
    let reading = trial.services().ledger.read(&wants).now_or_never().unwrap();
    reading.unwrap().member.unwrap_or_default()
}

fn marks(trial: &Trial<WinBack>) -> Vec<String> {
    member(trial).marks.into_keys().collect()
}

#[test]
fn the_first_sign_in_stages_what_a_long_absence_would_bring() {
    let trial = trial("");
    let now = trial.services().clock.now();
    let [delivery] = staged(&trial, &sign_in()).try_into().unwrap();
    assert_eq!((delivery.id.rule(), delivery.staged, delivery.due), ("win-back", now, now + days(60)));
    assert_eq!(delivery.lease, None, "the courier has it");
    let Some(Condition::Absent { user_name, list, mark, seconds }) = &delivery.only_if else { panic!() };
    assert_eq!((user_name.as_str(), list.as_str(), *seconds), ("anna", "win-back", 60 * 24 * 3600));
    assert_eq!(&marks(&trial), std::slice::from_ref(mark));
    assert!(delivery.id.key.starts_with(&format!("{mark}/")) && mark.starts_with("win-back/absent/"));
    assert!(!delivery.id.key.contains('@'), "keys are shown");

    let mail = mail(&delivery);
    assert_eq!((mail.template.as_str(), mail.to.len()), ("win-back-absent", 1));
    assert_eq!(mail.to[0].to_string(), "\"Anna Schmidt\" <anna@example.com>");
    assert_eq!(mail.locales, ["de-DE", "en"]);
    assert_eq!((&mail.context["user"]["nickname"], &mail.context["pool"]), (&"Anni".into(), &POOL.into()));
    assert_eq!((&mail.context["days"], &mail.context["zone"]), (&60.into(), &"Europe/Berlin".into()));
    assert_eq!(mail.unsubscribe.as_deref(), Some("unsubscribe"));
    let wish = &mail.links["unsubscribe"];
    assert_eq!((wish.purpose, wish.about.as_str(), wish.days), (LinkPurpose::Unsubscribe, "win-back", 180));
}

#[test]
fn a_usual_sign_in_writes_the_member_and_nothing_else() {
    let trial = trial("");
    staged(&trial, &sign_in());
    for _ in 0..100 {
        trial.pass(days(1));
        let seen = trial.handles(&sign_in());
        assert_eq!(seen.calls, Calls { reads: 1, writes: 1, acknowledgements: 0 });
        assert_eq!(seen.deliveries, []);
        assert_eq!(member(&trial).last_sign_in, Some(trial.services().clock.now()));
    }
}

#[test]
fn who_returns_gets_a_mail_once_however_often_the_event_comes() {
    let trial = trial("");
    let last = trial.services().clock.now();
    staged(&trial, &sign_in());
    trial.pass(days(60));
    let [returned, absent] = staged(&trial, &sign_in()).try_into().unwrap();
    assert_eq!((returned.id.rule(), returned.due), ("win-back", trial.services().clock.now()));
    let Some(Condition::Subscribed { user_name, list }) = &returned.only_if else { panic!() };
    assert_eq!((user_name.as_str(), list.as_str()), ("anna", "win-back"));
    let context = &mail(&returned).context;
    assert_eq!((&context["last"], &context["days"]), (&last.to_string().into(), &60.into()));
    assert_eq!(mail(&returned).template, "win-back");
    assert!(mail(&returned).links.contains_key("unsubscribe") && mail(&returned).unsubscribe.is_some());
    assert_eq!(mail(&absent).template, "win-back-absent", "the next absence begins");
    for _ in 0..3 {
        trial.pass(SignedDuration::from_secs(5));
        assert_eq!(staged(&trial, &sign_in()), [], "Cognito may call again");
    }
    trial.pass(days(61));
    assert_eq!(templates(&trial, &sign_in()), ["win-back", "win-back-absent"], "once for every absence");
}

#[test]
fn a_day_less_is_no_absence() {
    let trial = trial("");
    staged(&trial, &sign_in());
    trial.pass(days(60) - SignedDuration::from_secs(1));
    assert_eq!(staged(&trial, &sign_in()), []);
}

#[test]
fn either_mail_can_be_left_out() {
    for (settings, first, returns) in [
        ("returned = false", &["win-back-absent"][..], &["win-back-absent"][..]),
        ("absent = false", &[], &["win-back"]),
    ] {
        let trial = trial(settings);
        assert_eq!(templates(&trial, &sign_in()), first);
        trial.pass(days(60));
        assert_eq!(templates(&trial, &sign_in()), returns);
    }
}

/// "Not fired on first federated sign-in" (Cognito developer guide, "Post authentication Lambda trigger").
#[test]
fn a_first_sign_in_through_another_provider_is_one_and_a_confirmation_is_none() {
    let native = trial("");
    assert_eq!(templates(&native, &confirmed()), ["win-back-absent"], "who never comes back gets it, too");
    assert_eq!(member(&native).last_sign_in, None);
    assert_eq!(templates(&native, &confirmed()), [] as [&str; 0], "Cognito may call again");
    // A different event, but the same key: the profile of the sample lacks the zone there.
    let later = sign_in().with("zoneinfo", Value::Null);
    assert_eq!(templates(&native, &later), [] as [&str; 0], "the first sign-in follows");

    let other = trial("");
    assert_eq!(templates(&other, &federated()), ["win-back-absent"]);
    assert!(member(&other).last_sign_in.is_some());
    other.pass(days(90));
    let returns = sign_in().with("cognito:user_status", "EXTERNAL_PROVIDER");
    assert_eq!(templates(&other, &returns), ["win-back", "win-back-absent"]);
}

#[test]
fn who_was_confirmed_long_ago_and_never_came_is_staged_for_anew() {
    let trial = trial("");
    staged(&trial, &confirmed());
    trial.pass(days(60));
    assert_eq!(templates(&trial, &sign_in().with("zoneinfo", Value::Null)), ["win-back-absent"], "it may be sent");
}

/// "PostConfirmation_ConfirmForgotPassword" (Cognito developer guide, "Post confirmation Lambda trigger").
#[test]
fn a_forgotten_password_is_no_sign_in() {
    let trial = trial("");
    let forgot = federated().with_value(&["triggerSource"], "PostConfirmation_ConfirmForgotPassword");
    let seen = trial.handles(&forgot);
    assert_eq!((seen.deliveries, seen.calls), (vec![], Calls::default()));
}

#[test]
fn nobody_is_written_to_without_a_proven_address() {
    for (name, value) in [("email", ""), ("email", "anna"), ("email_verified", "false"), ("email_verified", "")] {
        let trial = trial("");
        assert_eq!(staged(&trial, &sign_in().with(name, value)), []);
        trial.pass(days(100));
        assert_eq!(staged(&trial, &sign_in().with(name, value)), []);
        // The absence that was not told of is over; with an address the next one counts.
        trial.pass(days(1));
        assert_eq!(templates(&trial, &sign_in()), ["win-back-absent"]);
    }
}

#[test]
fn who_has_no_sub_is_nobody() {
    let seen = trial("").handles(&sign_in().with("sub", ""));
    assert_eq!((seen.deliveries, seen.calls), (vec![], Calls::default()));
}

#[test]
fn what_waits_is_staged_anew_where_it_would_say_something_wrong() {
    let changes: [(&str, &str); 6] = [
        ("email", "anna@new.example.com"),
        ("name", "Dr. Anna"),
        ("family_name", "Maier"),
        ("locale", "fr"),
        ("zoneinfo", "Asia/Tokyo"),
        ("email_verified", "false"),
    ];
    for (name, value) in changes {
        let trial = trial("");
        staged(&trial, &sign_in());
        let before = marks(&trial);
        trial.pass(days(1));
        let changed = || sign_in().with(name, value);
        let again = staged(&trial, &changed());
        assert_eq!(again.len(), usize::from(name != "email_verified"), "{name}");
        assert_ne!(marks(&trial), before, "{name}: what waits has lost its mark, and lapses");
        assert_eq!(marks(&trial).len(), again.len(), "and there is no more than one");
        trial.pass(days(1));
        assert_eq!(staged(&trial, &changed()), [], "{name}");
    }
    // What no mail shows, or changes all the time, makes no other one.
    let trial = trial("");
    staged(&trial, &sign_in());
    for (name, value) in [("custom:visits", "7"), ("updated_at", "1767268800"), ("phone_number", "+49123")] {
        assert_eq!(staged(&trial, &sign_in().with(name, value)), [], "{name}");
    }
}

#[test]
fn what_waits_is_staged_anew_after_a_change_of_the_settings() {
    let ledger = Arc::new(MemoryLedger::default());
    let with = |settings: &str| {
        let ledger = Arc::clone(&ledger);
        let rule: WinBack = toml::from_str(settings).unwrap();
        Trial::of(rule).with(|services| Services { ledger, ..services })
    };
    let settings = [
        "after-days = 60",
        "after-days = 30",
        "after-days = 30\nlist = \"news\"",
        "after-days = 30\nlocale = \"fr\"",
        "after-days = 30\nfrom = \"hello@acme.example\"",
        "after-days = 30\nreply-to = \"hello@acme.example\"",
        "after-days = 30\nabsent-template = \"away\"",
        "after-days = 30\nlink-days = 90",
    ];
    for (index, settings) in settings.into_iter().enumerate() {
        let trial = with(settings);
        trial.pass(SignedDuration::from_secs(i64::try_from(index).unwrap()));
        let [delivery] = staged(&trial, &sign_in()).try_into().unwrap();
        assert_eq!(marks(&trial).len(), 1, "{settings}");
        let wait = delivery.due.duration_since(delivery.staged);
        assert_eq!(wait, if index == 0 { days(60) } else { days(30) });
        assert_eq!(staged(&trial, &sign_in()), []);
    }
    let off = with("after-days = 30\nabsent = false");
    assert_eq!(staged(&off, &sign_in()), []);
    assert_eq!(marks(&off), [] as [&str; 0], "what waits lapses once the user signs in");
}

#[test]
fn who_unsubscribed_gets_nothing_staged_and_what_waits_lapses() {
    let trial = trial("");
    staged(&trial, &sign_in());
    unsubscribe(trial.services().ledger.as_ref(), "win-back", trial.services().clock.now());
    trial.pass(days(100));
    assert_eq!(staged(&trial, &sign_in()), []);
    assert_eq!(marks(&trial), [] as [&str; 0]);
    let other = self::trial("");
    staged(&other, &sign_in());
    unsubscribe(other.services().ledger.as_ref(), "newsletter", other.services().clock.now());
    other.pass(days(100));
    assert_eq!(staged(&other, &sign_in()).len(), 2, "that was another list");
}

/// What the function `links` does.
fn unsubscribe(ledger: &dyn Ledger, list: &str, now: Timestamp) {
    use cognito_triggers::ledger::{Amendment, amend};
    let done = amend(ledger, POOL, SUB, now, |reading| {
        let mut member = reading.member.clone()?;
        member.unsubscribed.insert(list.to_owned(), now);
        Some(Amendment { member: Some(member), ..Amendment::default() })
    });
    assert!(done.now_or_never().unwrap().unwrap());
}

#[test]
fn marks_of_other_rules_are_left_alone() {
    let trial = trial("absent = false");
    let others = ["welcome-email", "win-back/absentee", "win-back/returned", "win-backer/absent/x"];
    let now = trial.services().clock.now();
    let done = cognito_triggers::ledger::amend(trial.services().ledger.as_ref(), POOL, SUB, now, |_| {
        let marks = others.iter().map(|mark| ((*mark).to_owned(), now)).collect();
        let member = Some(Member { marks, ..Member::default() });
        Some(cognito_triggers::ledger::Amendment { member, ..Default::default() })
    });
    assert!(done.now_or_never().unwrap().unwrap());
    staged(&trial, &sign_in());
    assert_eq!(marks(&trial).into_iter().collect::<BTreeSet<_>>(), others.map(str::to_owned).into());
}

#[test]
fn a_clock_that_went_back_makes_nobody_absent_and_stages_nothing_twice() {
    let ledger = Arc::new(MemoryLedger::default());
    let at = |ahead: i64| {
        let clock = Arc::new(StoppedClock::default());
        clock.pass(days(ahead));
        let ledger = Arc::clone(&ledger);
        trial("").with(|services| Services { ledger, clock, ..services })
    };
    assert_eq!(templates(&at(400), &sign_in()), ["win-back-absent"]);
    for ahead in [0, 200, 399, 401] {
        assert_eq!(templates(&at(ahead), &sign_in()), [] as [&str; 0], "{ahead}");
    }
    assert_eq!(templates(&at(461), &sign_in()), ["win-back", "win-back-absent"]);
}

#[test]
fn the_zone_is_the_users_if_there_is_such_a_one() {
    for (settings, own, expected) in [
        ("", "Europe/Berlin", "Europe/Berlin"),
        ("zone = \"Europe/Vienna\"", "Asia/Tokyo", "Asia/Tokyo"),
        ("zone = \"Europe/Vienna\"", "Mars/Base", "Europe/Vienna"),
        ("zone = \"Europe/Vienna\"", "", "Europe/Vienna"),
        ("", "<script>", ""),
    ] {
        let [delivery] = staged(&trial(settings), &sign_in().with("zoneinfo", own)).try_into().unwrap();
        assert_eq!(mail(&delivery).context["zone"], expected, "{settings} {own}");
    }
}

#[test]
fn sender_answers_templates_and_links_are_as_configured() {
    let settings = r#"
        template        = "again"
        absent-template = "away"
        from            = "Acme <hello@acme.example>"
        reply-to        = ["help@acme.example", "sales@acme.example"]
        locale          = "fr"
        list            = "reminders"
        link-days       = 365
    "#;
    let trial = trial(settings);
    staged(&trial, &sign_in());
    trial.pass(days(60));
    let both = staged(&trial, &sign_in());
    assert_eq!(both.iter().map(|it| mail(it).template.as_str()).collect::<Vec<_>>(), ["again", "away"]);
    for mail in both.iter().map(mail) {
        assert_eq!(mail.from.as_ref().unwrap().to_string(), "\"Acme\" <hello@acme.example>");
        assert_eq!((mail.reply_to.len(), mail.locales.join(" ")), (2, "de-DE fr".to_owned()));
        assert_eq!((mail.links["unsubscribe"].about.as_str(), mail.links["unsubscribe"].days), ("reminders", 365));
    }
}

#[test]
fn it_is_attached_where_users_sign_in_and_asks_for_what_it_needs() {
    let chains = |text: &str| {
        let configuration = Configuration::parse("triggers.toml", text).unwrap();
        configuration.chains::<Rules>(&Environment::default()).unwrap().0
    };
    let all = chains("[win-back]\nafter-days = 60");
    let triggers: Vec<_> = all.overview().into_iter().map(|(trigger, _)| trigger).collect();
    assert_eq!(triggers, ["PostAuthentication", "PostConfirmation"]);
    let needs: Vec<_> = all.needs().iter().map(|(need, _)| *need).collect();
    assert_eq!(needs, [Need::Ledger, Need::Mailer, Need::Directory, Need::Links, Need::Key]);
    let used = |chains: &Chains| {
        let name = |used: &(TemplateUse, &str)| match &used.0 {
            TemplateUse::Mail { template, samples } => {
                let whole = |it: &serde_json::Map<String, Value>| {
                    ["user", "pool", "client", "last", "days", "zone", "links"].iter().all(|key| it.contains_key(*key))
                };
                assert!(samples.len() > 3 && samples.iter().all(whole));
                template.clone()
            }
            other => panic!("{other:?}"),
        };
        chains.templates().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(used(&all), ["win-back", "win-back-absent"]);
    assert_eq!(used(&chains("[win-back]\nafter-days = 60\nreturned = false")), ["win-back-absent"]);
    assert_eq!(used(&chains("[win-back]\nafter-days = 60\nabsent = false")), ["win-back"]);
}

#[test]
fn the_templates_that_are_built_in_take_what_they_are_given() {
    let nowhere = std::path::Path::new("/nowhere");
    let templates = cognito_triggers_templates::open(nowhere, nowhere);
    for template in ["win-back", "win-back-absent"] {
        let used = TemplateUse::Mail { template: template.into(), samples: mails::samples() };
        assert_eq!(templates.check(&used).iter().map(ToString::to_string).collect::<Vec<_>>(), [] as [String; 0]);
    }
}

fn complaint(table: &str) -> String {
    let services = "[services]\nledger = \"sqlite:x\"\nmailer = \"folder:x\"\ndirectory = \"local:x\"\nlinks = \"https://x.example\"";
    let text = format!("{services}\n[win-back]\n{table}");
    let environment = Environment::default().with("TRIGGERS_KEY", &"07".repeat(32));
    let checked = Configuration::parse("triggers.toml", &text)
        .and_then(|configuration| configuration.check::<Rules>(Some(&environment)));
    checked.map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn what_is_wrong_with_a_setting_is_said_where_it_stands() {
    let ranges = [("after-days", 6, 7, 1000), ("after-days", 1001, 7, 1000)];
    let links = [("link-days", 29, 30, 3650), ("link-days", 3651, 30, 3650)];
    for (key, wrong, from, to) in ranges.into_iter().chain(links) {
        let table =
            if key == "after-days" { format!("{key} = {wrong}") } else { format!("{key} = {wrong}\nafter-days = 9") };
        let expected = format!("win-back.{key}: the number is out of range; use a whole number from {from} to {to}");
        assert_eq!(complaint(&table), format!("triggers.toml:7: {expected}"));
    }
    assert!(complaint("").contains("the key `after-days` is missing"));
    for list in ["", "a b", "a@b", &"x".repeat(65)] {
        let told = complaint(&format!("list = \"{list}\"\nafter-days = 60"));
        assert!(
            told.starts_with("triggers.toml:7: win-back.list: this cannot be the name of a list; write "),
            "{told}"
        );
    }
    let told = complaint("zone = \"Mars/Base\"\nafter-days = 60");
    assert!(told.starts_with("triggers.toml:7: win-back.zone: there is no such time zone; write its name"), "{told}");
    assert!(complaint("after-day = 60").contains("did you mean `after-days`?"));
    for fine in
        ["after-days = 7", "after-days = 1000\nlink-days = 30", "after-days = 60\nzone = \"UTC\"\nlist = \"A_b-1\""]
    {
        assert_eq!(complaint(fine), "");
    }
}

#[test]
fn every_key_is_in_the_schema() {
    let schema = schema::<Rules>();
    let table = schema["properties"]["win-back"]["properties"].as_object().unwrap();
    let keys = [
        "after-days",
        "returned",
        "absent",
        "list",
        "template",
        "absent-template",
        "from",
        "reply-to",
        "locale",
        "zone",
        "link-days",
    ];
    for key in keys {
        assert!(table[key].get("description").is_some(), "{key}");
    }
    let defaults =
        ["list", "template", "absent-template", "link-days", "on-fault"].map(|key| table[key]["default"].clone());
    assert_eq!(
        defaults,
        ["win-back".into(), "win-back".into(), "win-back-absent".into(), Value::from(180), "continue".into()]
    );
}

#[test]
fn nothing_of_a_user_is_in_what_is_logged() {
    let text = format!("{:?}", staged(&trial("from = \"Acme <hello@acme.example>\""), &sign_in()));
    assert!(text.contains("win-back"));
    for private in ["anna", "Schmidt", "Anni", "hello@"] {
        assert!(!text.contains(private), "{text}");
    }
}
