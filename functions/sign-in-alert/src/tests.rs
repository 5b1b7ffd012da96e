//! Who is told of which sign-in, how often, what the mail says, and what leaves none.

use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use cognito_triggers::config::{Configuration, schema};
use cognito_triggers::ledger::{
    Change, Committed, Delivery, DeliveryId, Ledger, LedgerAdmin, MemoryLedger, Reading, Wants,
};
use cognito_triggers::{Calls, Clock, Dispatcher, Environment, FaultKind, Invocation, Keys, Services, StoppedClock};
use futures_util::FutureExt;
use jiff::Timestamp;
use serde_json::json;

use super::*;

mod written;

type Rules = (SignInAlert,);

const POOL: &str = "eu-central-1_Example01";
const CLIENT: &str = "1example23456789";

fn rule(settings: &str) -> SignInAlert {
    toml::from_str(settings).unwrap()
}

fn pool(settings: &str) -> Trial<SignInAlert> {
    Trial::of(rule(settings))
}

fn sign_in() -> Event<PostAuthentication> {
    Event::sample()
}

fn at_new_device(new: impl Into<Value>) -> Event<PostAuthentication> {
    sign_in().with_value(&["request", "newDeviceUsed"], new)
}

/// What one sign-in stages; the rule never refuses.
fn staged(trial: &Trial<SignInAlert>, event: &Event<PostAuthentication>) -> Vec<Delivery> {
    let seen = trial.handles(event);
    assert_eq!(seen.verdict.unwrap(), Verdict::Continue);
    seen.deliveries
}

fn is_told(trial: &Trial<SignInAlert>, event: &Event<PostAuthentication>) -> bool {
    let staged = staged(trial, event);
    assert!(staged.len() < 2);
    staged.len() == 1
}

fn mail(settings: &str, event: &Event<PostAuthentication>) -> Mail {
    let [delivery] = staged(&pool(settings), event).try_into().unwrap();
    match delivery.task {
        Task::Mail(mail) => mail,
        other => panic!("{other:?}"),
    }
}

fn context(settings: &str, event: &Event<PostAuthentication>) -> Map<String, Value> {
    mail(settings, event).context
}

fn complaint(table: &str) -> String {
    let text = format!("[services]\nledger = \"sqlite:x\"\nmailer = \"folder:x\"\n[sign-in-alert]\n{table}");
    let checked = Configuration::parse("triggers.toml", &text)
        .and_then(|configuration| configuration.check::<Rules>(Some(&Environment::default())));
    checked.map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn a_sign_in_is_told_with_what_is_known_of_it() {
    let settings = format!("clients = {{ \"{CLIENT}\" = \"Acme for iPhone\" }}");
    let [delivery] = staged(&pool(&settings), &sign_in()).try_into().unwrap();
    assert_eq!((delivery.id.rule(), delivery.only_if), ("sign-in-alert", None));
    assert_eq!((delivery.lease, delivery.due), (None, delivery.staged), "the courier's, at once");
    let Task::Mail(mail) = delivery.task else { panic!("no mail") };
    assert_eq!(mail.to[0].to_string(), "\"Anna Schmidt\" <anna@example.com>");
    assert_eq!((mail.to.len(), mail.template.as_str()), (1, "sign-in-alert"));
    assert_eq!((mail.from, mail.reply_to, mail.digest), (None, Vec::new(), None));
    assert_eq!(mail.locales, ["de-DE", "en"]);
    assert_eq!((mail.links.len(), mail.unsubscribe), (0, None), "an alert is nothing to unsubscribe from");
    let user = mail.context["user"].as_object().unwrap();
    assert_eq!((&user["nickname"], user.get("cognito:user_status")), (&json!("Anni"), None));
    let mut context = mail.context.clone();
    context.remove("user");
    assert_eq!(
        Value::Object(context),
        json!({
            "pool": POOL, "client": CLIENT, "client_name": "Acme for iPhone", "at": "2026-01-01T12:00:00Z",
            "zone": "Europe/Berlin", "new_device": false, "ip": "", "user_agent": "",
        })
    );
}

#[test]
fn a_sign_in_that_is_told_costs_one_read_and_one_write_and_others_less() {
    let calls = |settings: &str, event: &Event<PostAuthentication>| {
        let Calls { reads, writes, .. } = pool(settings).handles(event).calls;
        (reads, writes)
    };
    assert_eq!(calls("", &sign_in()), (1, 1));
    assert_eq!(calls("when = \"new-device\"", &at_new_device(true)), (1, 1));
    assert_eq!(calls("when = \"new-device\"", &at_new_device(false)), (0, 0));
    assert_eq!(calls("when = \"after-absence\"", &sign_in()), (1, 1), "every sign-in is noted");
    assert_eq!(calls(&format!("exempt-clients = [\"{CLIENT}\"]"), &sign_in()), (0, 0));
    assert_eq!(calls("", &sign_in().with("email_verified", "false")), (0, 0));
    let pool = pool("");
    staged(&pool, &sign_in());
    assert_eq!(pool.handles(&sign_in()).calls.writes, 0, "what is told already");
}

/// Cognito "may retry ... If all retry attempts fail, the function times out"; "events carry no unique id".
#[test]
fn what_looks_like_a_repeated_call_is_told_once() {
    let pool = pool("");
    let told: Vec<_> = [0, 2, 27, 1, 29, 1]
        .map(|seconds| {
            pool.pass(SignedDuration::from_secs(seconds));
            is_told(&pool, &sign_in())
        })
        .into();
    assert_eq!(told, [true, false, false, true, false, true]);
    assert!(is_told(&pool, &sign_in().with("sub", "sub-of-bela")), "somebody else is somebody else");
}

#[test]
fn no_more_than_one_mail_in_the_span() {
    let pool = pool("at-most-once-per-hours = 24");
    let hours = |hours: i64| {
        pool.pass(SignedDuration::from_hours(hours));
        is_told(&pool, &sign_in())
    };
    assert_eq!([0, 1, 22, 1, 23, 1].map(hours), [true, false, false, true, false, true]);
}

/// "newDeviceUsed only set if remembered devices = Always / User Opt-In"; "absent = parse error" elsewhere, `false` here.
#[test]
fn only_a_device_that_is_said_to_be_new_is_new() {
    let new_device = |event: &Event<PostAuthentication>| is_told(&pool("when = \"new-device\""), event);
    assert!(new_device(&at_new_device(true)));
    assert!(!new_device(&at_new_device(false)));
    assert!(!new_device(&at_new_device(Value::Null)));
    assert!(!new_device(&sign_in().with_value(&["request"], json!({ "userAttributes": attributes() }))));
    assert_eq!(context("when = \"new-device\"", &at_new_device(true))["new_device"], true);
    assert_eq!(context("", &at_new_device(true))["new_device"], true);
}

fn attributes() -> Value {
    let event: Value = serde_json::from_str(sign_in().raw()).unwrap();
    event["request"]["userAttributes"].clone()
}

#[test]
fn a_return_after_an_absence_is_told() {
    let pool = pool("when = \"after-absence\"\nabsent-days = 10");
    let days = |days: i64| {
        pool.pass(SignedDuration::from_hours(24 * days));
        is_told(&pool, &sign_in())
    };
    assert!(!days(0), "who was never seen was not absent as far as anybody knows");
    assert_eq!([9, 10, 9, 365, 0].map(days), [false, true, false, true, false]);
}

#[test]
fn a_sign_in_that_is_not_told_ends_an_absence_too() {
    let settings = format!("when = \"after-absence\"\nexempt-clients = [\"{CLIENT}\"]");
    let pool = pool(&settings);
    let elsewhere = || sign_in().with_value(&["callerContext", "clientId"], "2example23456789");
    let days = |days: i64| pool.pass(SignedDuration::from_hours(24 * days));
    assert!(!is_told(&pool, &elsewhere()));
    days(20);
    assert!(!is_told(&pool, &sign_in()));
    days(20);
    assert!(!is_told(&pool, &elsewhere()), "the exempt client was forgotten");
    days(30);
    assert!(!is_told(&pool, &sign_in()), "it is exempt after an absence, too");
    days(30);
    assert!(is_told(&pool, &elsewhere()));
}

#[test]
fn a_clock_that_goes_back_makes_nobody_absent_and_no_sign_in_older() {
    let pool = pool("when = \"after-absence\"");
    let days = |days: i64| {
        pool.pass(SignedDuration::from_hours(24 * days));
        is_told(&pool, &sign_in())
    };
    assert_eq!([0, 5, -40, 41, 29, 30].map(days), [false, false, false, false, false, true]);
    // Of one that goes back by the milliseconds between two machines nothing is told twice.
    let pool = super::tests::pool("");
    assert!(is_told(&pool, &sign_in()));
    pool.pass(SignedDuration::from_millis(-3));
    assert!(!is_told(&pool, &sign_in()));
}

/// "a deleted user who signs up again under the old name has a new `sub`".
#[test]
fn a_user_created_anew_is_another_one() {
    let pool = pool("when = \"after-absence\"\nat-most-once-per-hours = 8760");
    let days = |days: i64| pool.pass(SignedDuration::from_hours(24 * days));
    staged(&pool, &sign_in());
    days(40);
    assert!(is_told(&pool, &sign_in()));
    let again = || sign_in().with("sub", "0a1b2c3d-0000-4000-8000-00000000beef");
    assert!(!is_told(&pool, &again()), "the new one was never seen");
    days(40);
    assert!(is_told(&pool, &again()), "the old one's mail counts for the new one");
}

/// "Cognito itself marks the address of a federated user as not verified, unless the provider's word for it is mapped."
#[test]
fn only_an_address_that_is_proven_is_written_to() {
    for verified in [json!("false"), json!(""), json!("TRUE?"), Value::Null] {
        assert!(!is_told(&pool(""), &sign_in().with("email_verified", verified.clone())), "{verified}");
    }
    let federated = sign_in().with("cognito:user_status", "EXTERNAL_PROVIDER").with_value(&["userName"], "google_1095");
    assert!(!is_told(&pool(""), &federated.with("email_verified", "false")));
    let mapped = sign_in().with("cognito:user_status", "EXTERNAL_PROVIDER").with("email_verified", "true");
    assert!(is_told(&pool(""), &mapped));
    let pool = pool("at-most-once-per-hours = 24");
    assert!(!is_told(&pool, &sign_in().with("email_verified", "false")));
    assert!(is_told(&pool, &sign_in()), "it was marked without a mail");
}

#[test]
fn what_is_missing_or_odd_is_no_fault() {
    for email in [json!(""), json!("anna"), json!("anna@example.com\r\nBcc: eve@evil.example"), Value::Null] {
        assert!(!is_told(&pool(""), &sign_in().with("email", email.clone())), "{email}");
    }
    assert!(!is_told(&pool(""), &sign_in().with("sub", Value::Null)));
    for when in ["always", "new-device", "after-absence"] {
        let settings = format!("when = \"{when}\"");
        for request in [json!(null), json!({}), json!({ "userAttributes": null, "clientMetadata": 7 }), json!([])] {
            assert!(!is_told(&pool(&settings), &sign_in().with_value(&["request"], request)));
        }
    }
    let nobodys = sign_in().with_value(&["callerContext"], Value::Null);
    let context = context("", &nobodys);
    assert_eq!((&context["client"], &context["client_name"]), (&json!(""), &json!("")));
}

/// "Not fired on first federated sign-in": that one is a confirmation, and this rule is not attached there. With custom
/// authentication it fires as with a password, and "when session renews" it does not.
#[test]
fn it_is_asked_when_everything_was_proven_and_nowhere_else() {
    let (chains, _) = chains("[sign-in-alert]");
    assert_eq!(chains.overview().iter().map(|(trigger, _)| *trigger).collect::<Vec<_>>(), ["PostAuthentication"]);
}

#[test]
fn times_are_told_in_the_users_zone_else_in_the_pools() {
    let zone = |settings: &str, own: Value| context(settings, &sign_in().with("zoneinfo", own))["zone"].clone();
    let vienna = "zone = \"Europe/Vienna\"";
    assert_eq!(zone(vienna, json!("America/New_York")), "America/New_York");
    for none in [json!(""), json!("Mars/Olympus"), json!("../../etc/passwd"), json!("<b>"), Value::Null] {
        assert_eq!(zone(vienna, none.clone()), "Europe/Vienna", "{none}");
        assert_eq!(zone("", none.clone()), "", "{none}");
    }
}

#[test]
fn the_link_not_me_is_there_if_its_days_are_configured() {
    let wish = mail("not-me-link-days = 7", &sign_in()).links.remove("not_me").unwrap();
    assert_eq!(wish, LinkWish { purpose: LinkPurpose::NotMe, about: String::new(), days: 7 });
    let needs = |text: &str| chains(text).0.needs().iter().map(|(need, _)| *need).collect::<Vec<_>>();
    assert_eq!(needs("[sign-in-alert]"), [Need::Ledger, Need::Mailer]);
    assert_eq!(needs("[sign-in-alert]\nnot-me-link-days = 7"), [Need::Ledger, Need::Mailer, Need::Links, Need::Key]);
}

/// What an application signed, `seconds` before the trial's clock starts.
fn signed(root: u8, seconds: i64, ip: &str) -> Event<PostAuthentication> {
    let key = Keys::from_root(&[root; 32]).application_key().unwrap();
    let time = StoppedClock::default().now().as_second() - seconds;
    let said = json!({ "pool": POOL, "client": CLIENT, "user": "anna", "ip": ip, "userAgent": "Acme/7", "time": time });
    let script = "import base64, hmac, sys\nkey, said = sys.argv[1:]\nenc = lambda it: base64.urlsafe_b64encode(it).rstrip(b'=')\n\
        text = enc(said.encode())\nmac = hmac.new(base64.b64decode(key), text, 'sha256').digest()\nprint((text + b'.' + enc(mac)).decode())";
    let text = printed(Command::new("python3").args(["-c", script, &key, &said.to_string()]));
    sign_in().with_value(&["request", "clientMetadata", "triggers-context"], text)
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Where from, as the mail says it.
fn from(event: &Event<PostAuthentication>) -> (String, String) {
    let context = context("", event);
    let text = |key: &str| context[key].as_str().unwrap().to_owned();
    (text("ip"), text("user_agent"))
}

#[test]
fn where_from_is_told_if_the_application_signed_it_and_unknown_otherwise() {
    let known = ("203.0.113.7".to_owned(), "Acme/7".to_owned());
    let unknown = (String::new(), String::new());
    assert_eq!(from(&signed(7, 0, "203.0.113.7")), known);
    assert_eq!(from(&signed(7, 299, "203.0.113.7")), known);
    assert_eq!(from(&signed(7, 301, "203.0.113.7")), unknown, "old");
    assert_eq!(from(&signed(8, 0, "203.0.113.7")), unknown, "forged");
    assert_eq!(from(&signed(7, 0, "<b>here</b>")), unknown, "no address");
    assert_eq!(from(&sign_in()), unknown, "missing");
    let plain =
        sign_in().with_value(&["request", "clientMetadata"], json!({ "ip": "203.0.113.7", "userAgent": "Acme/7" }));
    assert_eq!(from(&plain), unknown, "not signed");
    let anothers = signed(7, 0, "203.0.113.7").with_value(&["userName"], "bela");
    assert_eq!(from(&anothers), unknown, "another user's");
    let without_key = Trial::of(rule("")).with(|services| Services { keys: Keys::default(), ..services });
    let [delivery] = staged(&without_key, &signed(7, 0, "203.0.113.7")).try_into().unwrap();
    let Task::Mail(mail) = delivery.task else { panic!("no mail") };
    assert_eq!(mail.context["ip"], "", "without a key nothing can be believed");
}

/// A block of the documentation, without its indentation.
fn documented(language: &str) -> String {
    let text = include_str!("../../../docs/sign-in-alert.md");
    let block = text.split(&format!("```{language}\n")).nth(1).unwrap().split("```").next().unwrap();
    block.lines().map(|line| line.strip_prefix("   ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// What the documentation's code makes, run as it stands there, with the trial's time.
fn made_as_documented(language: &str, user: &str) -> Event<PostAuthentication> {
    let key = Keys::from_root(&[7; 32]).application_key().unwrap();
    let agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0 \u{fc}";
    let (mut command, script) = match language {
        "js" => {
            let call = "const [key, user, userAgent] = process.argv.slice(1);\nDate.now = () => 1767268800000;\n\
                console.log(JSON.stringify(triggersContext(key, { pool: \"eu-central-1_Example01\", \
                client: \"1example23456789\", user: user || undefined, ip: \"203.0.113.7\", userAgent })));";
            (Command::new("node"), ["-e".to_owned(), format!("{}\n{call}", documented("js"))])
        }
        _ => {
            let call = "import sys\nkey, user, agent = sys.argv[1:]\ntime.time = lambda: 1767268800.9\n\
                print(json.dumps(triggers_context(key, \"eu-central-1_Example01\", \"1example23456789\", \
                \"203.0.113.7\", agent, user or None)))";
            (Command::new("python3"), ["-c".to_owned(), format!("{}\n{call}", documented("python"))])
        }
    };
    let metadata: Value = serde_json::from_str(&printed(command.args(script).args([&key, user, agent]))).unwrap();
    sign_in().with_value(&["request", "clientMetadata"], metadata)
}

#[test]
fn the_code_of_the_documentation_signs_what_is_believed() {
    // Node is not among what this repository asks for; Python is.
    let has_node = Command::new("node").arg("--version").output().is_ok();
    for language in ["python", "js"].iter().filter(|language| **language == "python" || has_node) {
        for user in ["anna", ""] {
            let (ip, agent) = from(&made_as_documented(language, user));
            assert_eq!(
                (ip.as_str(), agent.as_str()),
                ("203.0.113.7", "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0 \u{fc}")
            );
        }
        assert_eq!(from(&made_as_documented(language, "bela")).0, "", "{language}");
    }
}

/// Refuses everybody, after having asked the ledger: so it is asked after the alert.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bouncer {}

impl Configured for Bouncer {
    const SECTION: &'static str = "bouncer";

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        chains.need(Need::Ledger).attach(self).to::<PostAuthentication>().done()
    }
}

impl Rule<PostAuthentication> for Bouncer {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        _: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        let is_let_in = event.user_name == "bela";
        Ok(if is_let_in { Verdict::Continue } else { Verdict::deny("Not tonight") })
    }
}

fn chains(text: &str) -> (Chains, std::collections::HashMap<String, Chains>) {
    Configuration::parse("triggers.toml", text).unwrap().chains::<Rules>(&Environment::default()).unwrap()
}

fn dispatcher<R: cognito_triggers::RuleSet>(text: &str, ledger: Arc<dyn Ledger>) -> Dispatcher {
    let configuration = Configuration::parse("triggers.toml", text).unwrap();
    let (base, pools) = configuration.chains::<R>(&Environment::default()).unwrap();
    Dispatcher::new(base, pools, Services { ledger, ..Services::in_memory(Arc::new(StoppedClock::default())) })
}

fn handled(dispatcher: &Dispatcher, event: &Event<PostAuthentication>) -> cognito_triggers::Handled {
    let deadline = StoppedClock::default().now() + SignedDuration::from_secs(4);
    let invocation = Invocation { body: event.raw().as_bytes(), request_id: "3f2a9c10", deadline };
    dispatcher.handle(invocation).now_or_never().unwrap()
}

#[test]
fn a_sign_in_that_is_refused_leaves_no_alert_whoever_is_asked_first() {
    for when in ["always", "after-absence"] {
        let text = format!("[sign-in-alert]\nwhen = \"{when}\"\n[bouncer]\n");
        let ledger = Arc::new(MemoryLedger::default());
        let first = dispatcher::<(SignInAlert, Bouncer)>(&text, Arc::clone(&ledger) as Arc<dyn Ledger>);
        let last = dispatcher::<(Bouncer, SignInAlert)>(&text, Arc::clone(&ledger) as Arc<dyn Ledger>);
        for house in [first, last] {
            let handled = handled(&house, &sign_in());
            assert_eq!(handled.answer.unwrap_err().message, "Not tonight");
            assert_eq!(handled.report.calls.writes, 0);
        }
        assert!(ledger.deliveries(POOL).now_or_never().unwrap().unwrap().is_empty());
        assert!(ledger.members(POOL, None).now_or_never().unwrap().unwrap().members.is_empty(), "{when}");
        let house = dispatcher::<(SignInAlert, Bouncer)>(&text, Arc::clone(&ledger) as Arc<dyn Ledger>);
        let admitted = handled(&house, &sign_in().with_value(&["userName"], "bela"));
        assert!(admitted.answer.is_ok());
        let told = ledger.deliveries(POOL).now_or_never().unwrap().unwrap().len();
        assert_eq!(told, usize::from(when == "always"));
    }
}

/// A ledger that is down.
struct Down;

#[async_trait]
impl Ledger for Down {
    async fn read(&self, _: &Wants) -> Result<Reading, Fault> {
        Err(Fault::of(FaultKind::Service, "the table is gone"))
    }

    async fn commit(&self, _: &Change) -> Result<Committed, Fault> {
        Err(Fault::of(FaultKind::Service, "the table is gone"))
    }

    async fn acknowledge(&self, _: &[DeliveryId]) -> Result<(), Fault> {
        Ok(())
    }
}

#[test]
fn a_fault_costs_nobody_a_sign_in() {
    for when in ["always", "after-absence"] {
        let house = dispatcher::<Rules>(&format!("[sign-in-alert]\nwhen = \"{when}\"\n"), Arc::new(Down));
        let handled = handled(&house, &sign_in());
        assert_eq!(handled.answer.unwrap(), sign_in().raw(), "{when}");
    }
}

#[test]
fn sender_answers_template_and_language_are_as_configured() {
    let settings = r#"
        template = "somebody-came"
        from     = "Acme <hello@acme.example>"
        reply-to = ["Help <help@acme.example>", "sales@acme.example"]
        locale   = "fr"
    "#;
    let mail = mail(settings, &sign_in().with("locale", "de_AT"));
    assert_eq!((mail.template.as_str(), mail.reply_to.len()), ("somebody-came", 2));
    assert_eq!(mail.from.unwrap().to_string(), "\"Acme\" <hello@acme.example>");
    assert_eq!(mail.locales, ["de-AT", "fr"]);
}

#[test]
fn its_template_is_tried_with_what_is_known_and_with_what_is_not() {
    let samples = |settings: &str| {
        let (chains, _) = chains(&format!("[sign-in-alert]\n{settings}"));
        match chains.templates() {
            [(TemplateUse::Mail { template, samples }, "sign-in-alert")] if template == "sign-in-alert" => {
                samples.clone()
            }
            other => panic!("{other:?}"),
        }
    };
    let real: Vec<String> = context("", &sign_in()).keys().cloned().collect();
    let plain = samples("");
    assert!(plain.len() > 3 && plain.iter().all(|sample| sample.keys().eq(&real)), "a sample lacks what a mail has");
    assert!(samples("not-me-link-days = 7").iter().all(|sample| sample["links"]["not_me"].is_string()));
}

#[test]
fn what_is_wrong_with_a_setting_is_said_where_it_stands() {
    let wrong = [
        ("when = \"sometimes\"", "when: there is no such choice; use `always`, `new-device` or `after-absence`"),
        (
            "when = \"after-absence\"\nabsent-days = 0",
            "absent-days: the number is out of range; use a whole number from 1 to 3650",
        ),
        (
            "absent-days = 7",
            "absent-days: this has no effect, since nothing asks for an absence; remove it, or write `when = \"after-absence\"`",
        ),
        (
            "at-most-once-per-hours = 9000",
            "at-most-once-per-hours: the number is out of range; use a whole number from 0 to 8760",
        ),
        ("not-me-link-days = 91", "not-me-link-days: the number is out of range; use a whole number from 1 to 90"),
        (
            "clients = { \"Acme\" = \"Acme\", \"Acme for iPhone\" = \"Acme\" }",
            "clients: `Acme for iPhone` is not the id of an app client; write the id, e.g. `1example23456789`, not the name",
        ),
        (
            "exempt-clients = [\"\"]",
            "exempt-clients: `` is not the id of an app client; write the id, e.g. `1example23456789`, not the name",
        ),
        (
            "zone = \"Vienna\"",
            "zone: there is no such time zone; write its name in the tz database, e.g. `Europe/Vienna` or `UTC`",
        ),
        ("not-me = true", "not-me: there is no such key; did you mean `not-me-link-days`?"),
    ];
    for (table, text) in wrong {
        let line = 4 + table.lines().count();
        assert_eq!(complaint(table), format!("triggers.toml:{line}: sign-in-alert.{text}"), "{table}");
    }
    assert_eq!(complaint(""), "");
    let lacking = complaint("not-me-link-days = 7");
    assert!(
        lacking.contains("needs to know where links in mails lead") && lacking.contains("needs a root key"),
        "{lacking}"
    );
}

#[test]
fn the_schema_describes_every_key() {
    let schema = schema::<Rules>();
    let keys = schema["properties"]["sign-in-alert"]["properties"].as_object().unwrap();
    assert!(keys.iter().all(|(_, key)| key["description"].is_string()), "{keys:?}");
    assert_eq!(keys.len(), 11 + 3);
}

#[test]
fn the_time_of_the_mail_is_that_of_the_sign_in() {
    let at: Timestamp = context("", &sign_in())["at"].as_str().unwrap().parse().unwrap();
    assert_eq!(at, StoppedClock::default().now());
}
