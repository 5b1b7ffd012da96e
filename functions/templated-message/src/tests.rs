//! Which template is taken for whom, and what the settings may be. What becomes of it is in `tests/said.rs`.

use std::collections::BTreeSet;

use cognito_triggers::config::{Configuration, schema};
use cognito_triggers::services::TemplateUse;
use cognito_triggers::{Clock, Environment, Services, StoppedClock};

use super::*;

mod built_in;
mod promises;
mod said;

type Rules = (TemplatedMessage,);

fn rule(settings: &str) -> TemplatedMessage {
    toml::from_str(settings).unwrap_or_else(|error| panic!("{settings}: {error}"))
}

fn sign_up() -> Event<CustomMessage> {
    event(Occasion::SignUp)
}

fn event(occasion: Occasion) -> Event<CustomMessage> {
    Event::sample_of(&occasion.source())
}

/// When `StoppedClock` starts: 2026-01-01T12:00:00Z.
fn now() -> Timestamp {
    StoppedClock::default().now()
}

/// Which variant is taken: `-` for the usual template.
fn taken_at(settings: &str, event: &Event<CustomMessage>, now: Timestamp) -> String {
    let rule = rule(settings);
    let occasion = Occasion::of(&event.source).unwrap();
    let zone = Zone::of_user(event.attribute("zoneinfo"), rule.zone.as_ref());
    let case = rule.case(event, occasion, zone.as_ref(), now);
    rule.variant(&case).unwrap_or("-").to_owned()
}

fn taken(settings: &str, event: &Event<CustomMessage>) -> String {
    taken_at(settings, event, now())
}

/// Whether a variant with these conditions is taken.
fn fits(conditions: &str, event: &Event<CustomMessage>) -> bool {
    taken(&format!("[[variants]]\ntemplate = \"it\"\n{conditions}"), event) == "it"
}

#[test]
fn every_occasion_has_a_usual_template() {
    let usual = |settings: &str| {
        let rule = rule(settings);
        Occasion::ALL.map(|occasion| rule.occasions.template(occasion).unwrap_or("-").to_owned())
    };
    assert_eq!(
        usual(""),
        [
            "verification",
            "verification",
            "invitation",
            "forgotten-password",
            "attribute-change",
            "attribute-change",
            "mfa"
        ]
    );
    let others = Occasion::ALL.map(|occasion| format!("{occasion} = \"for-{occasion}\"\n")).concat();
    let expected = Occasion::ALL.map(|occasion| format!("for-{occasion}"));
    assert_eq!(usual(&format!("[occasions]\n{others}")), expected);
    assert_eq!(usual("[occasions]\nauthentication = false\nsign-up = \"welcome\"")[..2], ["welcome", "verification"]);
    assert_eq!(usual("[occasions]\nauthentication = false")[6], "-");
}

#[test]
fn the_first_variant_whose_conditions_all_hold_is_taken() {
    let settings = "
        [[variants]]
        template = \"one\"
        locale = \"de\"
        occasion = \"authentication\"
        [[variants]]
        template = \"two\"
        locale = \"de\"
        [[variants]]
        template = \"three\"
        locale = [\"de\", \"fr\"]
    ";
    assert_eq!(taken(settings, &event(Occasion::Authentication)), "one");
    assert_eq!(taken(settings, &sign_up()), "two");
    assert_eq!(taken(settings, &sign_up().with("locale", "fr-FR")), "three");
    assert_eq!(taken(settings, &sign_up().with("locale", "es")), "-");
}

#[test]
fn a_variant_may_be_for_some_occasions() {
    for (conditions, expected) in [
        ("occasion = \"resend-code\"", &[Occasion::ResendCode][..]),
        ("occasion = [\"sign-up\", \"resend-code\"]", &[Occasion::SignUp, Occasion::ResendCode]),
    ] {
        for occasion in Occasion::ALL {
            assert_eq!(fits(conditions, &event(occasion)), expected.contains(&occasion), "{occasion}");
        }
    }
}

#[test]
fn a_variant_may_be_for_the_domain_of_the_address() {
    let fits = |domains: &str, email: &str| fits(&format!("email-domain = {domains}"), &sign_up().with("email", email));
    assert!(fits("\"example.com\"", "Anna+x@EXAMPLE.com."));
    assert!(!fits("\"example.com\"", "anna@evilexample.com"));
    assert!(!fits("\"example.com\"", "anna@mail.example.com") && fits("\"*.example.com\"", "anna@mail.example.com"));
    assert!(fits("[\"example.org\", \"bücher.example\"]", "anna@xn--bcher-kva.example"));
    for none in ["", " ", "anna", "anna@", "@example.com", "x@evil.org,anna@example.com", "Anna <anna@example.com>"] {
        assert!(!fits("[\"example.com\", \"*.com\"]", none), "{none:?}");
    }
    let nobody = sign_up().with("email", Value::Null);
    assert!(!super::tests::fits("email-domain = [\"example.com\", \"*.com\"]", &nobody));
}

#[test]
fn a_variant_may_be_for_a_birthday_or_for_every_other_day() {
    let born = |date: &str| sign_up().with("birthdate", date);
    assert!(fits("birthday = true", &born("1990-01-01")) && !fits("birthday = false", &born("1990-01-01")));
    assert!(fits("birthday = true", &born("0000-01-01")), "a year that is left out");
    for other in ["1990-01-02", "1990", "", "1990-02-30", "01-01"] {
        assert!(!fits("birthday = true", &born(other)) && fits("birthday = false", &born(other)), "{other:?}");
    }
    assert!(!fits("birthday = true", &sign_up()) && fits("birthday = false", &sign_up()), "not known");
}

#[test]
fn a_birthday_is_where_the_user_is() {
    let taken = |zone: &str, zoneinfo: &str, birthdate: &str, now: &str| {
        let settings = format!("{zone}\n[[variants]]\ntemplate = \"it\"\nbirthday = true");
        let event = sign_up().with("zoneinfo", zoneinfo).with("birthdate", birthdate);
        taken_at(&settings, &event, now.parse().unwrap()) == "it"
    };
    // It is 31 December in Honolulu while it is 2 January on Christmas Island.
    let now = "2026-01-01T10:30:00Z";
    assert!(taken("", "Pacific/Kiritimati", "1990-01-02", now) && !taken("", "Pacific/Kiritimati", "1990-01-01", now));
    assert!(taken("", "Pacific/Pago_Pago", "1990-12-31", now) && !taken("", "Pacific/Pago_Pago", "1990-01-01", now));
    assert!(taken("", "Europe/Berlin", "1990-01-01", now) && taken("", "", "1990-01-01", now));
    // Without a zone of the user's own, or with nonsense, it is that of the settings, else UTC.
    let zone = "zone = \"Pacific/Kiritimati\"";
    for zoneinfo in ["", "Mars/Base", "../../etc/localtime"] {
        assert!(taken(zone, zoneinfo, "1990-01-02", now), "{zoneinfo}");
        assert!(taken("", zoneinfo, "1990-01-01", now), "{zoneinfo}");
    }
    assert!(taken(zone, "Europe/Berlin", "1990-01-01", now), "the user's own goes first");
    // 29 February is celebrated on 28 February, and that is where the user is, too.
    assert!(taken("", "Pacific/Kiritimati", "1992-02-29", "2026-02-27T11:00:00Z"));
    assert!(taken("", "Pacific/Kiritimati", "1992-02-29", "2028-02-28T11:00:00Z"));
    assert!(!taken("", "Pacific/Kiritimati", "1992-02-29", "2028-02-28T09:00:00Z"));
}

#[test]
fn a_variant_may_be_for_a_language_and_all_its_kinds() {
    let fits = |wanted: &str, own: &str| fits(&format!("locale = {wanted}"), &sign_up().with("locale", own));
    for own in ["de", "de-AT", "de_AT", "DE-at", "de_AT.UTF-8"] {
        assert!(fits("\"de\"", own), "{own}");
    }
    assert!(fits("\"de-AT\"", "de_at") && fits("\"de-AT\"", "de-AT-1996"));
    assert!(
        !fits("\"de-AT\"", "de") && !fits("\"de-AT\"", "de-DE") && !fits("\"de\"", "den") && !fits("\"den\"", "de")
    );
    assert!(fits("[\"fr\", \"de\"]", "de") && !fits("[\"fr\", \"es\"]", "de"));
}

#[test]
fn whose_language_is_not_known_has_that_of_the_settings() {
    for own in [Value::Null, "".into(), "../de".into()] {
        let event = sign_up().with("locale", own);
        assert_eq!(taken("locale = \"fr-CA\"\n[[variants]]\ntemplate = \"it\"\nlocale = \"fr\"", &event), "it");
        assert_eq!(taken("[[variants]]\ntemplate = \"it\"\nlocale = \"fr\"", &event), "-");
    }
}

#[test]
fn a_variant_may_be_for_an_app_client() {
    assert!(fits("client = \"1example23456789\"", &sign_up()));
    assert!(fits("client = [\"other\", \"1example23456789\"]", &sign_up()));
    assert!(!fits("client = \"other\"", &sign_up()) && !fits("client = \"1EXAMPLE23456789\"", &sign_up()));
    let nobody = sign_up().with_value(&["callerContext", "clientId"], Value::Null);
    assert!(!fits("client = \"1example23456789\"", &nobody));
    assert!(fits("client = \"CLIENT_ID_NOT_APPLICABLE\"", &event(Occasion::AdminCreateUser)));
}

#[test]
fn a_variant_may_be_for_the_exact_text_of_attributes() {
    let pro = sign_up().with("custom:plan", "pro").with("email_verified", true).with("custom:level", "3");
    for held in [
        "\"custom:plan\" = \"pro\"",
        "\"custom:plan\" = [\"free\", \"pro\"]",
        "email_verified = true",
        "email_verified = \"true\"",
        "\"custom:level\" = 3",
        "\"custom:level\" = [1, 2, 3]",
        "\"custom:other\" = \"\"",
        "\"custom:plan\" = \"pro\", email_verified = true, given_name = \"Anna\"",
    ] {
        assert!(fits(&format!("attribute = {{ {held} }}"), &pro), "{held}");
    }
    for other in [
        "\"custom:plan\" = \"Pro\"",
        "\"custom:plan\" = \"pr\"",
        "\"custom:plan\" = \"\"",
        "\"custom:plan\" = \"pro\", given_name = \"Bea\"",
        "email_verified = false",
        "\"custom:other\" = \"x\"",
    ] {
        assert!(!fits(&format!("attribute = {{ {other} }}"), &pro), "{other}");
    }
}

#[test]
fn what_a_client_passes_along_decides_nothing() {
    let event = sign_up().with_value(&["request", "clientMetadata", "custom:plan"], "pro");
    assert!(!fits("attribute = { \"custom:plan\" = \"pro\" }", &event));
}

fn chains(table: &str) -> Chains {
    let configuration = Configuration::parse("triggers.toml", &format!("[templated-message]\n{table}")).unwrap();
    configuration.chains::<Rules>(&Environment::default()).unwrap_or_else(|error| panic!("{error}")).0
}

/// The templates a table uses, each with what it is asked for.
fn used(table: &str) -> Vec<(MessageTemplate, Vec<Order>)> {
    let of = |(used, section): &(TemplateUse, &str)| match used {
        TemplateUse::Message { template, orders } => {
            assert_eq!(*section, "templated-message");
            (template.clone(), orders.clone())
        }
        other => panic!("{other:?}"),
    };
    chains(table).templates().iter().map(of).collect()
}

fn named(used: &[(MessageTemplate, Vec<Order>)]) -> Vec<&str> {
    used.iter().map(|(template, _)| template.name.as_str()).collect()
}

#[test]
fn it_is_attached_where_messages_are_worded_and_needs_no_service() {
    let chains = chains("");
    assert_eq!(chains.overview(), [("CustomMessage", vec!["templated-message"])]);
    assert_eq!(chains.needs(), []);
}

#[test]
fn every_template_that_may_be_taken_is_tried() {
    let usual = ["attribute-change", "forgotten-password", "invitation", "mfa", "verification"];
    assert_eq!(named(&used("")), usual);
    let with_variant = used("[[templated-message.variants]]\ntemplate = \"party\"\nbirthday = true");
    assert!(named(&with_variant).contains(&"party"));
    // A variant of an occasion that is left to Cognito is never taken.
    let never = "[templated-message.occasions]\nauthentication = false\n[[templated-message.variants]]\ntemplate = \"party\"\noccasion = \"authentication\"";
    assert_eq!(named(&used(never)), ["attribute-change", "forgotten-password", "invitation", "verification"]);
    let all = used("templates = \"messages/\"");
    assert!(all.iter().all(|(template, _)| template.folder.as_deref() == Some("messages")));
    assert!(used("").iter().all(|(template, _)| template.folder.is_none()));
}

#[test]
fn a_template_is_tried_for_its_occasions_with_every_user_and_a_birthday() {
    let users = cognito_triggers::message::sample_users().len();
    let cases = |table: &str, name: &str| {
        let (_, orders) = used(table).into_iter().find(|(template, _)| template.name == name).unwrap();
        let occasions: BTreeSet<_> = orders.iter().map(|order| order.occasion).collect();
        let birthdays = orders.iter().filter(|order| order.context["birthday"] == true).count();
        (occasions.into_iter().collect::<Vec<_>>(), orders.len(), birthdays)
    };
    assert_eq!(cases("", "mfa"), (vec![Occasion::Authentication], users + 1, 1));
    let both = vec![Occasion::SignUp, Occasion::ResendCode];
    assert_eq!(cases("", "verification"), (both.clone(), 2 * (users + 1), 2));
    let table = |more: &str| format!("[[templated-message.variants]]\ntemplate = \"it\"\n{more}");
    let occasions = "occasion = [\"sign-up\", \"resend-code\"]\n";
    assert_eq!(cases(&table(&format!("{occasions}birthday = true")), "it"), (both.clone(), 2 * users, 2 * users));
    assert_eq!(cases(&table(&format!("{occasions}birthday = false")), "it"), (both, 2 * users, 0));
    assert_eq!(cases(&table("locale = \"de\""), "it").0, Occasion::ALL);
    // Taken for two reasons it is still one template.
    let twice = "[[templated-message.variants]]\ntemplate = \"mfa\"\nbirthday = true\noccasion = [\"sign-up\", \"authentication\"]";
    assert_eq!(cases(twice, "mfa"), (vec![Occasion::SignUp, Occasion::Authentication], users + users + 1, users + 1));
}

#[test]
fn a_sample_is_ordered_as_the_settings_say() {
    let orders = |table: &str| used(table).into_iter().flat_map(|(_, orders)| orders).collect::<Vec<_>>();
    for order in orders("name = \"Acme\"\nlocale = \"fr\"\nsms = false\nverify-by = \"link\"") {
        assert!(order.by_link && order.email && !order.sms);
        assert_eq!(order.locales, ["fr"]);
        assert_eq!(order.placeholders, Placeholders::sample(order.occasion));
        assert_eq!(order.context["sender"], json!({ "name": "Acme", "address": "" }));
        let keys: Vec<_> = order.context.keys().map(String::as_str).collect();
        assert_eq!(keys, ["birthday", "client", "pool", "sender", "user", "zone"]);
    }
    for order in orders("email = false") {
        assert!(!order.by_link && !order.email && order.sms);
        assert_eq!(order.context["sender"]["name"], "");
    }
    let zones: BTreeSet<_> =
        orders("").iter().map(|order| order.context["zone"].as_str().unwrap().to_owned()).collect();
    assert!(zones.contains("") && zones.contains("Asia/Tokyo"), "{zones:?}");
}

/// What is said of a table that begins in the second line.
fn complaint(table: &str) -> String {
    let checked = Configuration::parse("triggers.toml", &format!("[templated-message]\n{table}"))
        .and_then(|configuration| configuration.check::<Rules>(Some(&Environment::default())));
    checked.map_or_else(|errors| errors.to_string(), |_| String::new())
}

fn complaint_about_variant(keys: &str) -> String {
    complaint(&format!("[[templated-message.variants]]\ntemplate = \"it\"\n{keys}"))
}

#[test]
fn what_is_wrong_with_a_setting_is_said_where_it_stands() {
    let folder = "this is not a folder beside the configuration; write it as `messages/`, with neither `.` nor `..` and nothing before it";
    for path in ["", "/", "/etc", "..", "../x", "a/../b", "./a", "a//b", "C:/x", "a\\\\b", "a/ .. /b"] {
        let told = complaint(&format!("templates = \"{path}\""));
        assert_eq!(told, format!("triggers.toml:2: templated-message.templates: {folder}"), "{path}");
    }
    let name = "this cannot be the name of a sender; write one of 1 to 60 characters on one line, without braces";
    for wrong in ["", "  ", "a\\nb", "{####}", "a}", &"x".repeat(61)] {
        let told = complaint(&format!("name = \"{wrong}\""));
        assert_eq!(told, format!("triggers.toml:2: templated-message.name: {name}"), "{wrong}");
    }
    let everything = Occasion::ALL.map(|occasion| format!("{occasion} = false\n")).concat();
    for (table, expected) in [
        (
            "email = false\nsms = false".to_owned(),
            "triggers.toml:3: templated-message.sms: neither mails nor SMS are to get words; set `email` or `sms` to true, or remove the table",
        ),
        (
            "zone = \"Mars/Base\"".to_owned(),
            "triggers.toml:2: templated-message.zone: there is no such time zone; write its name in the tz database, e.g. `Europe/Vienna` or `UTC`",
        ),
        (
            "locale = \"German\"".to_owned(),
            "triggers.toml:2: templated-message.locale: this is not a language: write e.g. `en` or `de-AT`",
        ),
        (
            "verify-by = \"links\"".to_owned(),
            "triggers.toml:2: templated-message.verify-by: there is no such choice; did you mean `link`?",
        ),
        (
            "email = \"no\"".to_owned(),
            "triggers.toml:2: templated-message.email: expected `true` or `false`, found a string; write it without quotes",
        ),
        (
            "variant = []".to_owned(),
            "triggers.toml:2: templated-message.variant: there is no such key; did you mean `variants`?",
        ),
        (
            format!("[templated-message.occasions]\n{everything}"),
            "triggers.toml:2: templated-message.occasions: every occasion is left to Cognito's own words; name a template for one of them, or remove the table `[templated-message]`",
        ),
        (
            "[templated-message.occasions]\nsignup = \"x\"".to_owned(),
            "triggers.toml:3: templated-message.occasions.signup: there is no such key; did you mean `sign-up`?",
        ),
        (
            "[templated-message.occasions]\nsign-up = true".to_owned(),
            "triggers.toml:3: templated-message.occasions.sign-up: `true` names no template: write its name, or `false` for Cognito's own words",
        ),
        (
            "[templated-message.occasions]\nsign-up = 7".to_owned(),
            "triggers.toml:3: templated-message.occasions.sign-up: expected the name of a template, or `false`, found an integer",
        ),
        (
            "[templated-message.occasions]\nsign-up = \"../x\"".to_owned(),
            "triggers.toml:3: templated-message.occasions.sign-up: this is not the name of a template: write that of its folder, of letters, digits, `-` and `_`, e.g. `welcome-email`",
        ),
    ] {
        assert_eq!(complaint(&table), expected);
    }
}

#[test]
fn what_is_wrong_with_a_variant_is_said_where_it_stands() {
    for (keys, expected) in [
        (
            "",
            ":2: templated-message.variants[0]: this variant has no condition, so that none behind it would ever be taken; add one, e.g. `birthday = true`, or name the template under `occasions`",
        ),
        (
            "attribute = {}",
            ":2: templated-message.variants[0]: this variant has no condition, so that none behind it would ever be taken; add one, e.g. `birthday = true`, or name the template under `occasions`",
        ),
        (
            "birthday = \"yes\"",
            ":4: templated-message.variants[0].birthday: expected `true` or `false`, found a string; write it without quotes",
        ),
        (
            "occasion = \"signup\"",
            ":4: templated-message.variants[0].occasion: there is no such choice; did you mean `sign-up`?",
        ),
        (
            "occasion = [\"sign-up\", \"later\"]",
            ":4: templated-message.variants[0].occasion[1]: there is no such choice; use `sign-up`, `resend-code`, `admin-create-user`, `forgot-password`, `update-user-attribute`, `verify-user-attribute` or `authentication`",
        ),
        (
            "occasion = []",
            ":4: templated-message.variants[0].occasion: nobody is meant by an empty list: name at least one, or remove the key",
        ),
        (
            "occasion = { a = 1 }",
            ":4: templated-message.variants[0].occasion: expected one or an array of several, found a table",
        ),
        (
            "email-domain = \"@example.com\"",
            ":4: templated-message.variants[0].email-domain: `@example.com` is not a domain: write `example.com` for that one alone, or `*.example.com` for all below it",
        ),
        (
            "email-domain = [\"example.com\",\n\"com\"]",
            ":5: templated-message.variants[0].email-domain[1]: `com` is not a domain: write `example.com` for that one alone, or `*.example.com` for all below it",
        ),
        (
            "locale = \"*\"",
            ":4: templated-message.variants[0].locale: this is not a language: write e.g. `en` or `de-AT`",
        ),
        (
            "client = \"web app\"",
            ":4: templated-message.variants[0].client: `web app` is not the id of an app client; write the id, e.g. `1example23456789`, not the name",
        ),
        (
            "attribute = { plan = \"pro\" }",
            ":4: templated-message.variants[0].attribute.plan: users have no such attribute: write one that every pool has, e.g. `email`, or one of the pool's own behind `custom:`, e.g. `custom:plan`",
        ),
        (
            "attribute = { \"custom:x\" = 1.5 }",
            ":4: templated-message.variants[0].attribute.\"custom:x\": expected one or an array of several, found a number with a fraction",
        ),
        (
            "attribute = { \"custom:x\" = [[]] }",
            ":4: templated-message.variants[0].attribute.\"custom:x\"[0]: expected the text of an attribute, found an array",
        ),
        (
            "birthdays = true",
            ":4: templated-message.variants[0].birthdays: there is no such key; did you mean `birthday`?",
        ),
    ] {
        assert_eq!(complaint_about_variant(keys), format!("triggers.toml{expected}"), "{keys}");
    }
    assert!(complaint("[[templated-message.variants]]\nbirthday = true").contains("the key `template` is missing"));
}

#[test]
fn a_variant_behind_one_with_the_same_conditions_is_refused() {
    let two = |one: &str, other: &str| {
        complaint_about_variant(&format!("{one}\n[[templated-message.variants]]\ntemplate = \"other\"\n{other}"))
    };
    for (one, other) in [
        ("birthday = true", "birthday = true"),
        ("locale = [\"de\", \"fr\"]", "locale = [\"fr\", \"de\", \"fr\"]"),
        ("occasion = \"sign-up\"", "occasion = [\"sign-up\"]"),
        ("email-domain = \"bücher.example\"", "email-domain = \"XN--bcher-kva.example.\""),
        ("attribute = { email_verified = true }", "attribute = { email_verified = \"true\" }"),
    ] {
        let expected = "templated-message.variants[1]: this variant asks for the same as variants[0], and is never taken; remove one of them, or change a condition";
        assert_eq!(two(one, other), format!("triggers.toml:5: {expected}"));
    }
    for (one, other) in [
        ("birthday = true", "birthday = false"),
        ("birthday = true", "birthday = true\nlocale = \"de\""),
        ("locale = \"de\"", "locale = \"de-AT\""),
        ("attribute = { name = \"x\" }", "attribute = { nickname = \"x\" }"),
    ] {
        assert_eq!(two(one, other), "");
    }
}

#[test]
fn what_makes_sense_is_taken() {
    let whole = "templates = \"messages/ours\"\nname = \"Acme 🎉\"\nlocale = \"de_AT\"\nzone = \"Europe/Vienna\"\nsms = false\nverify-by = \"link\"\non-fault = \"deny\"
        [templated-message.occasions]
        authentication = false
        [[templated-message.variants]]
        template = \"never\"
        occasion = \"authentication\"
        [[templated-message.variants]]
        template = \"party\"
        occasion = [\"sign-up\", \"resend-code\"]
        email-domain = [\"example.com\", \"*.example.com\"]
        birthday = true
        locale = [\"de\", \"fr\"]
        client = [\"1example23456789\"]
        attribute = { \"custom:plan\" = [\"pro\", \"gold\"], email_verified = true }";
    for table in ["", "email = false", whole] {
        assert_eq!(complaint(table), "");
    }
}

#[test]
fn a_pool_may_say_otherwise() {
    let text = "[templated-message]\n[templated-message.occasions]\nauthentication = false\nsign-up = \"a\"\n[pools.\"eu-central-1_Globex\".templated-message.occasions]\nsign-up = \"b\"\nauthentication = \"mfa\"";
    let configuration = Configuration::parse("triggers.toml", text).unwrap();
    let (base, pools) = configuration.chains::<Rules>(&Environment::default()).unwrap();
    let names = |chains: &Chains| {
        let name = |(used, _): &(TemplateUse, &str)| match used {
            TemplateUse::Message { template, .. } => template.name.clone(),
            other => panic!("{other:?}"),
        };
        chains.templates().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&base), ["a", "attribute-change", "forgotten-password", "invitation", "verification"]);
    let globex = names(&pools["eu-central-1_Globex"]);
    assert_eq!(globex, ["attribute-change", "b", "forgotten-password", "invitation", "mfa", "verification"]);
}

#[test]
fn the_schema_knows_every_key() {
    let schema = schema::<Rules>().to_string();
    for key in ["templates", "verify-by", "admin-create-user", "email-domain", "EmailSendingAccount", "29 February"] {
        assert!(schema.contains(key), "{key}");
    }
}

#[test]
fn the_table_of_the_documentation_is_one() {
    let text = include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("//!"));
    let text: Vec<_> = text.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let table = text.join("\n").split("```toml").nth(1).unwrap().split("```").next().unwrap().to_owned();
    let checked = Configuration::parse("triggers.toml", &table).unwrap().check::<Rules>(Some(&Environment::default()));
    assert!(checked.is_ok(), "{checked:?}");
}
