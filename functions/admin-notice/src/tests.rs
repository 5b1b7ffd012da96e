//! Who is announced, to whom, when, and how often.

use std::collections::BTreeSet;

use cognito_triggers::config::{Configuration, schema};
use cognito_triggers::ledger::{Condition, Delivery};
use cognito_triggers::onboarding::Onboard;
use cognito_triggers::{Calls, Environment, TriggerSource};

use super::*;

mod written;

type Rules = (AdminNotice,);

fn pool(settings: &str) -> Trial<Onboard<AdminNotice>> {
    Trial::of(Onboard(toml::from_str(&format!("to = [\"ops@acme.example\"]\n{settings}")).unwrap()))
}

fn confirmed() -> Event<PostConfirmation> {
    Event::sample()
}

fn sign_in() -> Event<PostAuthentication> {
    Event::sample()
}

fn somebody(who: &str) -> Event<PostConfirmation> {
    confirmed().with("sub", format!("sub-of-{who}")).with_value(&["userName"], who)
}

/// What one event stages; the rule never refuses.
fn staged<T: Trigger>(trial: &Trial<Onboard<AdminNotice>>, event: &Event<T>) -> Vec<Delivery>
where
    Onboard<AdminNotice>: Rule<T>,
{
    let seen = trial.handles(event);
    assert_eq!(seen.verdict.unwrap(), Verdict::Continue);
    seen.deliveries
}

fn notice<T: Trigger>(trial: &Trial<Onboard<AdminNotice>>, event: &Event<T>) -> (Delivery, Mail)
where
    Onboard<AdminNotice>: Rule<T>,
{
    let [delivery] = staged(trial, event).try_into().unwrap();
    let Task::Mail(mail) = delivery.task.clone() else { panic!("no mail") };
    (delivery, mail)
}

fn complaint(table: &str) -> String {
    let text = format!("[services]\nledger = \"sqlite:x\"\nmailer = \"folder:x\"\n[admin-notice]\n{table}");
    let checked = Configuration::parse("triggers.toml", &text)
        .and_then(|configuration| configuration.check::<Rules>(Some(&Environment::default())));
    checked.map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn a_confirmed_user_is_announced_at_once() {
    let (delivery, mail) = notice(&pool(""), &confirmed());
    assert_eq!(delivery.id.key, "admin-notice");
    assert!(delivery.lease.is_some(), "carried out at once");
    assert_eq!(delivery.only_if, None);
    assert_eq!(mail.to.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ops@acme.example"]);
    assert_eq!((mail.template.as_str(), mail.digest), ("admin-notice", None));
    assert_eq!((mail.from, mail.reply_to), (None, Vec::new()));
    assert_eq!(mail.context["user"]["email"], "anna@example.com");
    assert_eq!(mail.context["user_name"], "anna");
    assert_eq!(mail.context["pool"], "eu-central-1_Example01");
    assert_eq!(mail.context["at"], "2026-01-01T12:00:00Z");
    assert_eq!(mail.context["met"], "confirmed");
}

#[test]
fn the_language_is_that_of_the_administrators() {
    let (_, mail) = notice(&pool("locale = \"fr_CA\""), &confirmed());
    assert_eq!(mail.locales, ["fr-CA"]);
    let (_, mail) = notice(&pool(""), &confirmed());
    assert_eq!(mail.locales, ["en"]);
}

#[test]
fn three_calls_for_one_confirmation_make_one_notice() {
    // Cognito "may retry ... If all retry attempts fail, the function times out" (Cognito developer guide, "Customizing user pool
    // workflows with Lambda triggers").
    for settings in ["", "digest = \"hour\"", "digest = \"day\""] {
        let pool = pool(settings);
        let mut counts = Vec::new();
        for _ in 0..3 {
            counts.push(staged(&pool, &confirmed()).len());
            // A retry may fall into the next hour.
            pool.pass(SignedDuration::from_hours(1));
        }
        assert_eq!(counts, [1, 0, 0], "{settings}");
    }
}

#[test]
fn once_per_user_ever() {
    let pool = pool("");
    assert_eq!(pool.handles(&confirmed()).calls, Calls { reads: 1, writes: 1, acknowledgements: 0 });
    pool.pass(SignedDuration::from_hours(24 * 365 * 10));
    assert_eq!(pool.handles(&sign_in()).calls, Calls { reads: 1, writes: 0, acknowledgements: 0 });
    assert_eq!(staged(&pool, &confirmed()), []);
    assert_eq!(staged(&pool, &somebody("bela")).len(), 1, "somebody else is new");
}

#[test]
fn a_forgotten_password_makes_nobody_new() {
    // "Your user pool invokes your post confirmation function on ConfirmSignUp, AdminConfirmSignUp, and ConfirmForgotPassword"
    // (Cognito developer guide, "Post confirmation Lambda trigger").
    let source = TriggerSource::PostConfirmationConfirmForgotPassword;
    let pool = pool("");
    assert_eq!(staged(&pool, &Event::<PostConfirmation>::sample_of(&source)), []);
    assert_eq!(staged(&pool, &confirmed()).len(), 1, "it marked the user");
}

#[test]
fn who_was_never_confirmed_is_announced_at_the_first_sign_in() {
    // "not for user accounts that you create with your administrator credentials" (Cognito developer guide, "Post confirmation
    // Lambda trigger").
    let pool = pool("");
    let (delivery, mail) = notice(&pool, &sign_in());
    assert_eq!((delivery.lease, delivery.due), (None, delivery.staged), "the courier's, at once");
    assert_eq!(mail.context["met"], "signed-in");
    assert_eq!(staged(&pool, &sign_in()), []);
}

#[test]
fn users_from_before_are_not_announced_at_a_sign_in() {
    for digest in ["", "digest = \"day\""] {
        let settings = format!("onboard-since = \"2026-01-31\"\n{digest}");
        let (delivery, _) = notice(&pool(&settings), &sign_in());
        let since = "2026-01-31T00:00:00Z".parse().unwrap();
        assert_eq!(delivery.only_if, Some(Condition::CreatedSince { user_name: "anna".into(), since }));
        assert_eq!(notice(&pool(&settings), &confirmed()).0.only_if, None);
    }
}

#[test]
fn who_has_no_address_is_announced_too() {
    let event = confirmed().with("email", serde_json::Value::Null).with("given_name", serde_json::Value::Null);
    let (_, mail) = notice(&pool(""), &event);
    assert_eq!(mail.context["user"].get("email"), None);
    assert_eq!(mail.context["user_name"], "anna");
}

#[test]
fn the_users_of_an_hour_share_a_digest_that_is_due_when_it_is_over() {
    let pool = pool("digest = \"hour\"");
    let (first, mail) = notice(&pool, &somebody("anna"));
    assert_eq!(mail.digest.as_deref(), Some("hour/2026-01-01T12"));
    assert_eq!(first.due.to_string(), "2026-01-01T13:01:00Z");
    assert_eq!(first.lease, None, "nobody carries it out before");
    pool.pass(SignedDuration::from_secs(3_599));
    let (last, other) = notice(&pool, &somebody("bela"));
    assert_eq!((other.digest, last.due), (mail.digest, first.due));
    assert_ne!(last.id, first.id);
    pool.pass(SignedDuration::from_secs(1));
    let (next, other) = notice(&pool, &somebody("carla"));
    assert_eq!(other.digest.as_deref(), Some("hour/2026-01-01T13"));
    assert_eq!(next.due.to_string(), "2026-01-01T14:01:00Z");
}

#[test]
fn the_users_of_a_day_share_a_digest_that_is_due_when_it_is_over() {
    let pool = pool("digest = \"day\"");
    let (first, mail) = notice(&pool, &somebody("anna"));
    assert_eq!(mail.digest.as_deref(), Some("day/2026-01-01"));
    assert_eq!(first.due.to_string(), "2026-01-02T00:01:00Z");
    pool.pass(SignedDuration::from_hours(12) - SignedDuration::from_millis(1));
    let (last, other) = notice(&pool, &somebody("bela"));
    assert_eq!((other.digest, last.due), (mail.digest, first.due));
    assert_eq!(other.context["at"], "2026-01-01T23:59:59Z");
    pool.pass(SignedDuration::from_millis(1));
    assert_eq!(notice(&pool, &somebody("carla")).1.digest.as_deref(), Some("day/2026-01-02"));
}

#[test]
fn what_entries_of_a_digest_have_in_common_does_not_depend_on_the_user() {
    let pool = pool("digest = \"hour\"");
    let (_, one) = notice(&pool, &somebody("anna").with("locale", "de-AT"));
    let (_, other) = notice(&pool, &somebody("bela").with("locale", "fr").with("email", "bela@example.com"));
    assert_eq!(Mail { context: other.context.clone(), ..one }, other);
}

#[test]
fn recipients_sender_answers_and_template_are_as_configured() {
    let settings = r#"
        to       = ["Ops <ops@acme.example>", "boss@acme.example"]
        from     = "Acme <hello@acme.example>"
        reply-to = "help@acme.example"
        template = "hear-ye"
    "#;
    let (_, mail) = notice(&Trial::of(Onboard(toml::from_str(settings).unwrap())), &confirmed());
    assert_eq!(
        mail.to.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["\"Ops\" <ops@acme.example>", "boss@acme.example"]
    );
    assert_eq!(mail.from.unwrap().address(), "hello@acme.example");
    assert_eq!(mail.reply_to[0].address(), "help@acme.example");
    assert_eq!(mail.template, "hear-ye");
}

#[test]
fn what_a_user_typed_reaches_the_template_as_it_is_and_nothing_else() {
    let hostile = "</td><script>alert(1)</script>{{ pool }}\r\nBcc: eve@evil.example";
    let event = confirmed().with("name", hostile).with("email", "eve@evil.example").with_value(&["userName"], hostile);
    let (_, mail) = notice(&pool(""), &event);
    assert_eq!((&mail.context["user"]["name"], &mail.context["user_name"]), (&hostile.into(), &hostile.into()));
    let (_, usual) = notice(&pool(""), &confirmed());
    assert_eq!(Mail { context: usual.context.clone(), ..mail }, usual);
}

#[test]
fn what_the_template_is_tried_with_is_what_it_is_filled_with() {
    let (_, mail) = notice(&pool(""), &confirmed());
    let keys = |context: &Map<String, Value>| context.keys().cloned().collect::<BTreeSet<_>>();
    for sample in samples() {
        assert_eq!(keys(&sample), keys(&mail.context));
    }
    let met: BTreeSet<_> = samples().iter().map(|sample| sample["met"].to_string()).collect();
    assert_eq!(met.len(), 2);
}

fn chains(text: &str) -> (Chains, Option<Chains>) {
    let configuration = Configuration::parse("triggers.toml", text).unwrap();
    let (base, mut pools) = configuration.chains::<Rules>(&Environment::default()).unwrap();
    (base, pools.remove("eu-central-1_Globex"))
}

fn needs(chains: &Chains) -> Vec<Need> {
    chains.needs().iter().map(|(need, _)| *need).collect()
}

#[test]
fn it_is_attached_where_users_arrive_and_asks_for_what_it_needs() {
    let (all, _) = chains("[admin-notice]\nto = \"ops@acme.example\"");
    let where_it_is: Vec<_> = all.overview().into_iter().map(|(trigger, _)| trigger).collect();
    assert_eq!(where_it_is, ["PostAuthentication", "PostConfirmation"]);
    assert_eq!(needs(&all), [Need::Ledger, Need::Mailer]);
    let (since, _) = chains("[admin-notice]\nto = \"ops@acme.example\"\nonboard-since = 2026-01-31");
    assert_eq!(needs(&since), [Need::Ledger, Need::Mailer, Need::Directory]);
    let (never, _) =
        chains("[admin-notice]\nto = \"ops@acme.example\"\nat-sign-in = false\nonboard-since = 2026-01-31");
    assert_eq!(never.overview().len(), 1);
    assert_eq!(needs(&never), [Need::Ledger, Need::Mailer]);
}

#[test]
fn a_pool_may_have_a_template_of_its_own() {
    let text = "[admin-notice]\nto = \"ops@acme.example\"\n\
                [pools.\"eu-central-1_Globex\".admin-notice]\ntemplate = \"globex-notice\"";
    let (base, globex) = chains(text);
    let used = |chains: &Chains| match chains.templates() {
        [(TemplateUse::Mail { template, samples: tried }, "admin-notice")] => {
            assert_eq!(*tried, samples());
            template.clone()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(used(&base), "admin-notice");
    assert_eq!(used(&globex.unwrap()), "globex-notice");
}

#[test]
fn what_is_wrong_with_a_setting_is_said_where_it_stands() {
    let wrong = [
        (
            "to = []",
            "to: the notice would go to nobody; name a mailbox, e.g. \"ops@acme.example\", or remove the table",
        ),
        ("to = \"ops\"", "to: this is not a mailbox: write `hello@acme.example` or `Acme <hello@acme.example>`"),
        (
            "to = [\"a@b.example\", \"A\\r\\nBcc: x <a@b.example>\"]",
            "to[1]: this is not a mailbox: write `hello@acme.example` or `Acme <hello@acme.example>`",
        ),
        ("to = 7", "to: expected a mailbox or a list of them, found an integer"),
    ];
    for (table, text) in wrong {
        assert_eq!(complaint(table), format!("triggers.toml:5: admin-notice.{text}"), "{table}");
    }
    let many: Vec<_> = (0..51).map(|nth| format!("\"a{nth}@acme.example\"")).collect();
    assert_eq!(
        complaint(&format!("to = [{}]", many.join(", "))),
        "triggers.toml:5: admin-notice.to: these are 51 mailboxes: at most 50 are possible, so write to a mailing list"
    );
    let wrong = [
        ("digest = \"week\"", "digest: there is no such choice; use `off`, `hour` or `day`"),
        ("digest = true", "digest: expected a string, found a boolean; use `off`, `hour` or `day`"),
        ("from = \"Acme\"", "from: this is not a mailbox: write `hello@acme.example` or `Acme <hello@acme.example>`"),
        (
            "reply-to = \"Acme\"",
            "reply-to: this is not a mailbox: write `hello@acme.example` or `Acme <hello@acme.example>`",
        ),
        ("locale = \"\"", "locale: this is not a language: write e.g. `en` or `de-AT`"),
        (
            "template = \"a/b\"",
            "template: this is not the name of a template: write that of its folder, of letters, digits, `-` and `_`, e.g. \
             `welcome-email`",
        ),
        (
            "onboard-since = \"soon\"",
            "onboard-since: expected a date such as 2026-01-31, or a time with its offset such as 2026-01-31T09:00:00+01:00",
        ),
        ("at-sign-in = 1", "at-sign-in: expected `true` or `false`, found an integer"),
        ("digests = \"day\"", "digests: there is no such key; did you mean `digest`?"),
    ];
    for (table, text) in wrong {
        let table = format!("to = \"ops@acme.example\"\n{table}");
        assert_eq!(complaint(&table), format!("triggers.toml:6: admin-notice.{text}"), "{table}");
    }
    assert_eq!(complaint(""), "triggers.toml:4: admin-notice: the key `to` is missing; add `to = ...`");
    assert_eq!(complaint("to = \"ops@acme.example\""), "");
    let since = complaint("to = \"ops@acme.example\"\nonboard-since = 2026-01-31");
    assert!(since.contains("admin-notice: needs a directory"), "{since}");
}

#[test]
fn every_key_is_in_the_schema() {
    let schema = schema::<Rules>();
    let table = schema["properties"]["admin-notice"]["properties"].as_object().unwrap();
    for key in ["to", "digest", "template", "from", "reply-to", "locale", "at-sign-in", "onboard-since"] {
        assert!(table.get(key).is_some_and(|key| key.get("description").is_some()), "{key}");
    }
    assert_eq!(schema["properties"]["admin-notice"]["required"], serde_json::json!(["to"]));
    assert_eq!(table["template"]["default"], "admin-notice");
    assert_eq!(table["on-fault"]["default"], "continue");
}

#[test]
fn nothing_of_a_user_or_an_administrator_is_in_what_is_logged() {
    let text = format!("{:?}", staged(&pool("digest = \"day\""), &confirmed()));
    assert!(text.contains("admin-notice"));
    for private in ["anna", "Schmidt", "Anni", "ops@"] {
        assert!(!text.contains(private), "{text}");
    }
}
