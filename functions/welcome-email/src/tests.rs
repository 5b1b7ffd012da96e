//! Who is greeted, where, how often, and who is not.

use std::collections::BTreeSet;

use cognito_triggers::config::{Configuration, schema};
use cognito_triggers::ledger::{Condition, Delivery};
use cognito_triggers::onboarding::Onboard;
use cognito_triggers::{Calls, Environment, TriggerSource};
use jiff::SignedDuration;
use serde_json::json;

use super::*;

mod written;

type Rules = (WelcomeEmail,);

fn pool(settings: &str) -> Trial<Onboard<WelcomeEmail>> {
    Trial::of(Onboard(toml::from_str(settings).unwrap()))
}

fn confirmed() -> Event<PostConfirmation> {
    Event::sample()
}

fn sign_in() -> Event<PostAuthentication> {
    Event::sample()
}

/// A user of other providers, as the pool describes one whose address is mapped.
fn federated(providers: &[&str]) -> Event<PostConfirmation> {
    let identities: Vec<_> =
        providers.iter().map(|name| json!({ "userId": "7", "providerName": name, "providerType": "OIDC" })).collect();
    confirmed()
        .with("cognito:user_status", "EXTERNAL_PROVIDER")
        .with("email_verified", "false")
        .with("identities", serde_json::Value::from(identities).to_string())
}

/// What one event stages; the rule never refuses.
fn staged<T: Trigger>(trial: &Trial<Onboard<WelcomeEmail>>, event: &Event<T>) -> Vec<Delivery>
where
    Onboard<WelcomeEmail>: Rule<T>,
{
    let seen = trial.handles(event);
    assert_eq!(seen.verdict.unwrap(), Verdict::Continue);
    seen.deliveries
}

fn mails<T: Trigger>(trial: &Trial<Onboard<WelcomeEmail>>, event: &Event<T>) -> Vec<Mail>
where
    Onboard<WelcomeEmail>: Rule<T>,
{
    let mail = |delivery: Delivery| match delivery.task {
        Task::Mail(mail) => mail,
        other => panic!("{other:?}"),
    };
    staged(trial, event).into_iter().map(mail).collect()
}

fn is_greeted(settings: &str, event: &Event<PostConfirmation>) -> bool {
    !staged(&pool(settings), event).is_empty()
}

fn to(mail: &Mail) -> Vec<String> {
    mail.to.iter().map(ToString::to_string).collect()
}

fn complaint(table: &str) -> String {
    let text = format!("[services]\nledger = \"sqlite:x\"\nmailer = \"folder:x\"\n[welcome-email]\n{table}");
    let checked = Configuration::parse("triggers.toml", &text)
        .and_then(|configuration| configuration.check::<Rules>(Some(&Environment::default())));
    checked.map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn a_confirmed_user_is_greeted() {
    let [delivery] = staged(&pool(""), &confirmed()).try_into().unwrap();
    assert_eq!((delivery.id.key.as_str(), delivery.id.rule()), ("welcome-email", "welcome-email"));
    assert_eq!(delivery.only_if, None);
    assert!(delivery.lease.is_some(), "carried out at once");
    let Task::Mail(mail) = delivery.task else { panic!("no mail") };
    assert_eq!(to(&mail), ["\"Anna Schmidt\" <anna@example.com>"]);
    assert_eq!((mail.template.as_str(), mail.digest), ("welcome-email", None));
    assert_eq!((mail.from, mail.reply_to), (None, Vec::new()));
    assert_eq!(mail.locales, ["de-DE", "en"]);
    assert_eq!(mail.context["user"]["nickname"], "Anni");
    assert_eq!(mail.context["pool"], "eu-central-1_Example01");
    assert_eq!(mail.context["client"], "1example23456789");
}

#[test]
fn one_greeting_costs_one_read_and_one_write() {
    let pool = pool("");
    assert_eq!(pool.handles(&confirmed()).calls, Calls { reads: 1, writes: 1, acknowledgements: 0 });
    assert_eq!(pool.handles(&sign_in()).calls, Calls { reads: 1, writes: 0, acknowledgements: 0 });
}

#[test]
fn three_calls_for_one_confirmation_make_one_greeting() {
    // Cognito "may retry ... If all retry attempts fail, the function times out" (Cognito developer guide, "Customizing user pool
    // workflows with Lambda triggers").
    let pool = pool("");
    let counts: Vec<_> = (0..3).map(|_| staged(&pool, &confirmed()).len()).collect();
    assert_eq!(counts, [1, 0, 0]);
}

#[test]
fn once_per_user_ever() {
    let pool = pool("");
    assert_eq!(staged(&pool, &confirmed()).len(), 1);
    pool.pass(SignedDuration::from_hours(24 * 365 * 10));
    assert_eq!(staged(&pool, &sign_in()), []);
    assert_eq!(staged(&pool, &confirmed()), []);
    assert_eq!(staged(&pool, &confirmed().with("email", "anna@example.org")), [], "the address alone is new");
    let other = confirmed().with("sub", "sub-of-bela").with("email", "bela@example.com");
    assert_eq!(staged(&pool, &other).len(), 1, "somebody else is new");
}

#[test]
fn a_forgotten_password_makes_nobody_new() {
    // "Your user pool invokes your post confirmation function on ConfirmSignUp, AdminConfirmSignUp, and ConfirmForgotPassword"
    // (Cognito developer guide, "Post confirmation Lambda trigger").
    let source = TriggerSource::PostConfirmationConfirmForgotPassword;
    let pool = pool("");
    assert_eq!(staged(&pool, &Event::<PostConfirmation>::sample_of(&source)), []);
    assert_eq!(staged(&pool, &sign_in()).len(), 1, "it marked the user");
    assert_eq!(staged(&pool, &Event::<PostConfirmation>::sample_of(&source)), []);
}

#[test]
fn who_was_never_confirmed_is_greeted_at_the_first_sign_in() {
    // "not for user accounts that you create with your administrator credentials" (Cognito developer guide, "Post confirmation
    // Lambda trigger").
    let pool = pool("");
    let [delivery] = staged(&pool, &sign_in()).try_into().unwrap();
    assert_eq!((delivery.lease, delivery.due), (None, delivery.staged), "the courier's, at once");
    assert_eq!(delivery.only_if, None);
    assert_eq!(staged(&pool, &sign_in()), []);
    assert_eq!(staged(&pool, &confirmed()), []);
}

#[test]
fn users_from_before_are_not_greeted_at_a_sign_in() {
    let settings = "onboard-since = \"2026-01-31T09:00:00+01:00\"";
    let [delivery] = staged(&pool(settings), &sign_in()).try_into().unwrap();
    let since = "2026-01-31T08:00:00Z".parse().unwrap();
    assert_eq!(delivery.only_if, Some(Condition::CreatedSince { user_name: "anna".into(), since }));
    // A confirmation is news by itself, and costs no call of the directory.
    let [delivery] = staged(&pool(settings), &confirmed()).try_into().unwrap();
    assert_eq!(delivery.only_if, None);
}

#[test]
fn an_address_that_is_not_proven_is_not_written_to() {
    // A pool that verifies telephones confirms whoever has one, whatever address the profile shows; and who is confirmed by an
    // administrator has proven none.
    for verified in ["false", "", "no", "TRUE?"] {
        let event = confirmed().with("email_verified", verified).with("phone_number_verified", "true");
        assert!(!is_greeted("", &event), "{verified}");
    }
    assert!(!is_greeted("", &confirmed().with("email_verified", serde_json::Value::Null)));
    assert!(is_greeted("", &confirmed().with("email_verified", true)), "samples of the guide have booleans");
    assert!(is_greeted("unverified = true", &confirmed().with("email_verified", "false")));
}

#[test]
fn who_proves_an_address_later_is_greeted_at_the_next_sign_in() {
    let pool = pool("");
    let seen = pool.handles(&confirmed().with("email_verified", "false"));
    assert_eq!((seen.deliveries.len(), seen.calls.writes), (0, 0), "marked without a mail");
    assert_eq!(staged(&pool, &sign_in().with("email", serde_json::Value::Null)), []);
    assert_eq!(staged(&pool, &sign_in()).len(), 1);
}

#[test]
fn what_is_no_address_gets_no_mail_and_is_no_fault() {
    for email in
        ["", " ", "anna", "anna@", "a@b.example, eve@evil.example", "anna@example.com\r\nBcc: eve@evil.example"]
    {
        let pool = pool("unverified = true");
        let seen = pool.handles(&confirmed().with("email", email));
        assert_eq!(seen.verdict.unwrap(), Verdict::Continue, "{email:?}");
        assert_eq!((seen.deliveries.len(), seen.calls.writes), (0, 0), "{email:?}");
    }
}

#[test]
fn users_of_other_providers_are_greeted_if_those_are_trusted() {
    let trusting = "trusted-providers = [\"Google\", \"Acme-SAML\"]";
    assert!(!is_greeted("", &federated(&["Google"])));
    assert!(is_greeted(trusting, &federated(&["Google"])));
    assert!(is_greeted(trusting, &federated(&["Google", "Acme-SAML"])));
    assert!(is_greeted("", &federated(&["Google"]).with("email_verified", "true")), "the provider's word is mapped");
    // The address may be from the other one.
    assert!(!is_greeted(trusting, &federated(&["Google", "Evil"])));
    assert!(!is_greeted(trusting, &federated(&["google"])));
    assert!(!is_greeted(trusting, &federated(&[])));
    // A user of the pool who is linked to a provider can put any address into the profile.
    assert!(!is_greeted(trusting, &federated(&["Google"]).with("cognito:user_status", "CONFIRMED")));
    assert!(!is_greeted(trusting, &confirmed().with("email_verified", "false")));
}

#[test]
fn the_user_is_called_by_the_name_that_is_known() {
    let called = |event: &Event<PostConfirmation>| {
        let [mail] = mails(&pool(""), event).try_into().unwrap();
        mail.to[0].name().map(str::to_owned)
    };
    let nameless = || confirmed().with("given_name", " ").with("family_name", serde_json::Value::Null);
    assert_eq!(called(&confirmed().with("name", "Anna von Schmidt")).as_deref(), Some("Anna von Schmidt"));
    assert_eq!(called(&confirmed().with("name", " ")).as_deref(), Some("Anna Schmidt"));
    assert_eq!(called(&nameless().with("family_name", "Schmidt")).as_deref(), Some("Schmidt"));
    assert_eq!(called(&nameless()), None);
}

#[test]
fn a_name_begins_no_header_and_adds_no_recipient() {
    let hostile = "Anna\" <eve@evil.example>,\r\nBcc: eve@evil.example\r\n\r\n<b>Buy</b>\u{0}";
    let [mail] = mails(&pool(""), &confirmed().with("name", hostile)).try_into().unwrap();
    assert_eq!(mail.to.len(), 1);
    assert_eq!(mail.to[0].address(), "anna@example.com");
    assert!(!mail.to[0].name().unwrap().contains(char::is_control));
    assert_eq!(mail.context["user"]["name"], hostile, "templates escape what they show");
}

#[test]
fn the_domain_of_an_address_is_written_in_ascii() {
    let [mail] = mails(&pool(""), &confirmed().with("email", "Anna@Bücher.example")).try_into().unwrap();
    assert_eq!(mail.to[0].address(), "Anna@xn--bcher-kva.example");
}

#[test]
fn the_language_is_the_users_own_and_then_that_of_the_settings() {
    let locales = |settings: &str, locale: &str| {
        let [mail] = mails(&pool(settings), &confirmed().with("locale", locale)).try_into().unwrap();
        mail.locales
    };
    assert_eq!(locales("", "de_AT"), ["de-AT", "en"]);
    assert_eq!(locales("locale = \"fr\"", "de-AT"), ["de-AT", "fr"]);
    assert_eq!(locales("locale = \"fr\"", "fr"), ["fr"]);
    for none in ["", "../../../etc/passwd", "<b>"] {
        assert_eq!(locales("", none), ["en"], "{none}");
    }
}

#[test]
fn sender_answers_and_template_are_as_configured() {
    let settings = r#"
        template = "hello"
        from     = "Acme <hello@acme.example>"
        reply-to = ["Help <help@acme.example>", "sales@acme.example"]
    "#;
    let [mail] = mails(&pool(settings), &confirmed()).try_into().unwrap();
    assert_eq!(mail.template, "hello");
    assert_eq!(mail.from.unwrap().to_string(), "\"Acme\" <hello@acme.example>");
    assert_eq!(mail.reply_to.len(), 2);
    let [mail] = mails(&pool("reply-to = \"help@acme.example\""), &confirmed()).try_into().unwrap();
    assert_eq!(mail.reply_to[0].to_string(), "help@acme.example");
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
    let (all, _) = chains("[welcome-email]");
    let where_it_is: Vec<_> = all.overview().into_iter().map(|(trigger, _)| trigger).collect();
    assert_eq!(where_it_is, ["PostAuthentication", "PostConfirmation"]);
    assert_eq!(needs(&all), [Need::Ledger, Need::Mailer]);
    let (since, _) = chains("[welcome-email]\nonboard-since = 2026-01-31");
    assert_eq!(needs(&since), [Need::Ledger, Need::Mailer, Need::Directory]);
    let (never, _) = chains("[welcome-email]\nat-sign-in = false\nonboard-since = 2026-01-31T00:00:00Z");
    assert_eq!(never.overview().len(), 1);
    assert_eq!(needs(&never), [Need::Ledger, Need::Mailer]);
}

#[test]
fn its_template_is_tried_with_samples_for_every_pool() {
    let text = "[welcome-email]\n[pools.\"eu-central-1_Globex\".welcome-email]\ntemplate = \"globex-welcome\"";
    let (base, globex) = chains(text);
    let used = |chains: &Chains| match chains.templates() {
        [(TemplateUse::Mail { template, samples }, "welcome-email")] => {
            assert!(samples.len() > 2 && samples.iter().all(|sample| sample.contains_key("user")));
            template.clone()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(used(&base), "welcome-email");
    assert_eq!(used(&globex.unwrap()), "globex-welcome");
}

#[test]
fn what_is_wrong_with_a_setting_is_said_where_it_stands() {
    let wrong = [
        ("from = \"Acme\"", "from: this is not a mailbox: write `hello@acme.example` or `Acme <hello@acme.example>`"),
        ("from = 7", "from: expected a string, found an integer; put it in quotes"),
        (
            "reply-to = [\"a@b.example\", \"b\"]",
            "reply-to[1]: this is not a mailbox: write `hello@acme.example` or `Acme <hello@acme.example>`",
        ),
        ("reply-to = 7", "reply-to: expected a mailbox or a list of them, found an integer"),
        (
            "template = \"../secret\"",
            "template: this is not the name of a template: write that of its folder, of letters, digits, `-` and `_`, e.g. \
             `welcome-email`",
        ),
        ("locale = \"German\u{a0}\"", "locale: this is not a language: write e.g. `en` or `de-AT`"),
        (
            "onboard-since = 2026-01-31T09:00:00",
            "onboard-since: expected a date such as 2026-01-31, or a time with its offset such as 2026-01-31T09:00:00+01:00",
        ),
        ("at-sign-in = \"no\"", "at-sign-in: expected `true` or `false`, found a string; write it without quotes"),
        (
            "trusted-providers = [\"Google\", \" \"]",
            "trusted-providers[1]: this names no provider; write the provider's name in the pool, e.g. `Google`",
        ),
        ("form = \"a@b.example\"", "form: there is no such key; did you mean `from`?"),
    ];
    for (table, text) in wrong {
        assert_eq!(complaint(table), format!("triggers.toml:5: welcome-email.{text}"), "{table}");
    }
    assert_eq!(complaint(""), "");
    assert!(complaint("onboard-since = 2026-01-31").contains("welcome-email: needs a directory"));
}

#[test]
fn every_key_is_in_the_schema() {
    let schema = schema::<Rules>();
    let table = schema["properties"]["welcome-email"]["properties"].as_object().unwrap();
    let own: BTreeSet<_> = table.keys().map(String::as_str).collect();
    let keys =
        ["template", "from", "reply-to", "locale", "trusted-providers", "unverified", "at-sign-in", "onboard-since"];
    for key in keys {
        assert!(own.contains(key) && table[key].get("description").is_some(), "{key}");
    }
    assert_eq!(table["template"]["default"], "welcome-email");
    assert_eq!(table["locale"]["default"], "en");
    assert_eq!(table["on-fault"]["default"], "continue");
}

#[test]
fn nothing_of_a_user_is_in_what_is_logged() {
    let text = format!("{:?}", staged(&pool("from = \"Acme <hello@acme.example>\""), &confirmed()));
    assert!(text.contains("welcome-email"));
    for private in ["anna", "Schmidt", "Anni", "hello@"] {
        assert!(!text.contains(private), "{text}");
    }
}
