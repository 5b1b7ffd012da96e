//! The words of messages that Cognito sends.

use cognito_triggers::message::{
    Body, MessageTemplate, Occasion, Order, Outcome, Placeholders, Words, compose, sample_users,
};
use proptest::prelude::*;

use super::*;

/// A message in two languages with all that it can have.
const CODE: [(&str, &str); 6] = [
    ("templates/code/each.subject", "{{ words.subject }}{% if sender.name %} - {{ sender.name }}{% endif %}"),
    (
        "templates/code/each.html",
        "<html lang=\"{{ locale }}\" dir=\"{{ dir }}\"><body class=\"{{ user.custom.plan }}\"><p>{{ words.greeting }}</p>\
         <p>{{ words.code }}</p>{% if link %}<p>{{ link }}</p>{% endif %}<p title='{{ name }}'>{{ user.family_name }}</p></body></html>",
    ),
    ("templates/code/each.sms", "{{ words.sms }}\n"),
    ("templates/code/each.txt", "{{ words.greeting }} {{ code }}"),
    (
        "templates/code/en.toml",
        "subject = 'Your <code>'\ngreeting = 'Hello{% if name %} {{ name }}{% endif %}, R&D'\n\
         code = 'It is {{ code }}{% if username %} for {{ username }}{% endif %}'\nsms = '{{ code }} is it{% if username %}, {{ username }}{% endif %}'",
    ),
    (
        "templates/code/ar.toml",
        "subject = 'رمزك'\ngreeting = 'مرحبا{% if name %} {{ name }}{% endif %}'\n\
         code = '{{ code }} {{ username }}'\nsms = '{{ code }} هو الرمز {{ username }}'",
    ),
];

fn template(name: &str) -> MessageTemplate {
    name.parse().unwrap()
}

fn order(occasion: Occasion, user: Value) -> Order {
    Order {
        occasion,
        placeholders: Placeholders::sample(occasion),
        by_link: false,
        email: true,
        sms: true,
        locales: vec!["en".into()],
        context: context(json!({
            "user": user, "pool": "eu-central-1_Example01", "client": "web", "sender": { "name": "Acme", "address": "" },
        })),
    }
}

/// Every sample user for every occasion, as a rule has them checked.
fn orders() -> Vec<Order> {
    let users: Vec<_> = sample_users().into_iter().map(|user| Value::from(user.attributes)).collect();
    Occasion::ALL.into_iter().flat_map(|occasion| users.iter().map(move |user| order(occasion, user.clone()))).collect()
}

impl Place {
    fn say(&self, name: &str, locale: &str, context: Value) -> Result<Words, Fault> {
        let context = super::context(context);
        self.templates.message(&template(name), &[locale.to_owned()], &context)
    }

    fn check_message(&self, template: MessageTemplate, orders: Vec<Order>) -> Vec<String> {
        self.told(&self.templates.check(&TemplateUse::Message { template, orders }))
    }
}

fn page(words: &Words) -> String {
    match words.email.as_ref().unwrap() {
        Body::Html(page) | Body::Text(page) => page.clone(),
    }
}

/// The tags of a page, with their attributes as far as those are not the user's.
fn tags(page: &str) -> Vec<String> {
    let tags = page.split('<').skip(1).map(|tag| tag.split(['>', ' ']).next().unwrap().to_owned());
    tags.filter(|tag| !tag.ends_with("bdi")).collect()
}

#[test]
fn a_message_is_filled_in_the_language_that_suits() {
    let place = Place::with(&CODE);
    let user = json!({ "given_name": "Zoë & Bo", "family_name": "<i>" });
    let context = json!({ "user": user, "code": "{####}", "sender": { "name": "A&B" }, "occasion": "sign-up" });
    let said = place.say("code", "en-US", context.clone()).unwrap();
    assert_eq!((said.locale.as_str(), said.subject.as_deref()), ("en", Some("Your <code> - A&B")));
    assert_eq!(
        page(&said),
        "<html lang=\"en\" dir=\"ltr\"><body class=\"\"><p>Hello <bdi>Zoë &amp; Bo</bdi>, R&amp;D</p><p>It is {####}</p>\
         <p title='Zoë &amp; Bo'>&lt;i&gt;</p></body></html>"
    );
    assert_eq!(said.sms.as_deref(), Some("{####} is it"));
    let arabic = place.say("code", "ar-EG", context).unwrap();
    assert!(page(&arabic).starts_with("<html lang=\"ar\" dir=\"rtl\"><body class=\"\"><p>مرحبا <bdi>Zoë"));
    assert_eq!(arabic.subject.as_deref(), Some("رمزك - A&B"));
}

#[test]
fn everything_a_message_is_filled_with_is_always_defined_and_nothing_of_mails_is() {
    let place = Place::with(&[
        (
            "templates/all/en.subject",
            "{{ name }}|{{ sub }}|{{ pool }}|{{ client }}|{{ occasion }}|{{ code }}|{{ username }}|{{ link }}|{{ sender.name }}|\
             {{ sender.address }}|{{ zone }}|{{ locale }}|{{ dir }}|{{ user.email }}|{{ 'yes' if birthday else 'no' }}",
        ),
        ("templates/all/en.txt", "x"),
        ("templates/mail/en.sms", "{{ links.not_me }}"),
        ("templates/count/en.sms", "{{ count }}"),
    ]);
    assert_eq!(place.say("all", "en", json!({})).unwrap().subject.as_deref(), Some("|||||||||||en|ltr||no"));
    let full = json!({
        "user": { "sub": "s", "name": "N", "email": "e" }, "pool": "p", "client": "c", "occasion": "sign-up", "code": "{####}",
        "username": "{username}", "link": "{##Click Here##}", "sender": { "name": "n\r\n", "address": "a" }, "zone": "z", "birthday": true,
    });
    assert_eq!(
        place.say("all", "en", full).unwrap().subject.as_deref(),
        Some("N|s|p|c|sign-up|{####}|{username}|{##Click Here##}|n|a|z|en|ltr|e|yes")
    );
    for (name, problem) in [("mail", "`links` is not defined"), ("count", "`count` is not defined")] {
        let fault = place.say(name, "en", json!({})).unwrap_err().to_string();
        assert!(fault.contains(problem), "{fault}");
    }
}

#[test]
fn a_message_may_be_a_mail_or_an_sms_alone_and_a_mail_may_be_plain() {
    let place = Place::with(&[
        ("templates/sms/en.sms", "{{ code }} is it"),
        ("templates/mail/en.subject", "Code"),
        ("templates/mail/en.txt", "Your code:\n{{ code }}\n"),
        ("templates/mail/fr.sms", "{{ code }}"),
    ]);
    let said = place.say("sms", "en", json!({ "code": "{####}" })).unwrap();
    assert_eq!((said.subject, said.email, said.sms.as_deref()), (None, None, Some("{####} is it")));
    let said = place.say("mail", "en", json!({ "code": "{####}" })).unwrap();
    assert_eq!((said.email, said.sms), (Some(Body::Text("Your code:\n{####}".into())), None));
    assert_eq!(
        place.check_message(template("sms"), orders()),
        [
            "templates/sms/en.sms:1: in en, for admin-create-user: `{{ username }}` does not stand in it; write `{{ username }}` \
         where it is to stand, for every user"
        ]
    );
    assert_eq!(place.templates.languages(&template("mail")).unwrap(), ["en", "fr"]);

    let told = |files: &[(&str, &str)]| Place::with(files).check_message(template("x"), orders());
    assert_eq!(
        told(&[("templates/x/en.subject", "x"), ("templates/x/en.sms", "{{ code }} {{ username }}")]),
        ["templates/x/en.subject:1: the language en has a subject and no text; add `en.html` or `en.txt`"]
    );
    assert_eq!(
        told(&[("templates/x/en.html", "{{ code }}")]),
        [
            "templates/x/en.html:1: the language en has no subject; add `en.subject`, or begin the name with `_` if it is to be included"
        ]
    );
    assert_eq!(
        told(&[("templates/x/en.toml", "")]),
        [
            "templates/x/en.toml:1: the language en has words, and nothing they stand in; add `each.subject` and `each.html`, or `en.sms`"
        ]
    );
    assert_eq!(
        told(&[("templates/x/_x.html", "")]),
        ["templates/x:1: the template has no language; add `en.subject` and `en.html`, or `en.sms`"]
    );
}

#[test]
fn a_template_that_says_all_that_cognito_asks_for_is_right() {
    let place = Place::with(&CODE);
    assert_eq!(place.check_message(template("code"), orders()), [""; 0]);
    let composed = compose(place.templates.as_ref(), &template("code"), &order(Occasion::SignUp, json!({}))).unwrap();
    assert!(
        matches!(composed.email, Outcome::Ready { .. }) && matches!(composed.sms, Outcome::Ready { .. }),
        "{composed:?}"
    );
    // What was found right is tried with what is asked for later.
    let mut by_link = order(Occasion::SignUp, json!({}));
    by_link.placeholders.link = None;
    by_link.by_link = true;
    assert_eq!(
        place.check_message(template("code"), vec![by_link]),
        [
            "templates/code/each.html:1: in ar and en, for sign-up: the event does not say what stands for `{{ link }}`; a pool that \
          verifies by code names no link: leave out `verify-by = \"link\"`"
        ]
    );
}

#[test]
fn what_cognito_would_not_take_is_told_once_with_the_file() {
    let place = Place::with(&CODE);
    for (file, text) in [
        ("each.html", "<p>{{ words.greeting }}</p>{% if occasion != 'sign-up' %}{{ words.code }}{% endif %}"),
        ("each.sms", "{{ words.sms }}{% for _ in range(15) %}, and so on{% endfor %}"),
        (
            "de.toml",
            "subject = ''\ngreeting = 'Hallo'\ncode = '{{ code }} {{ username }}'\nsms = '{{ code }} {{ username }}'",
        ),
        ("de.subject", "{% if sender.name == 'nobody' %}x{% endif %}"),
        ("fr.sms", "{{ code }} {{ username }}: \u{200d}"),
        ("fr.subject", "x"),
        ("fr.html", "short{{ code }}{{ username }}"),
    ] {
        place.write(&format!("templates/code/{file}"), text);
    }
    assert_eq!(
        place.check_message(template("code"), orders()),
        [
            "templates/code/each.html:1: in ar, de and en, for sign-up: `{{ code }}` does not stand in it; write `{{ code }}` where \
             it is to stand, for every user",
            "templates/code/each.sms:1: in ar, de and en, for sign-up, resend-code, admin-create-user and 4 more: it has 191 \
             characters, and may have 6 to 140; say less, or keep what users chose out of it",
            "templates/code/de.subject:1: in de, for sign-up, resend-code, admin-create-user and 4 more: it has 0 characters, and \
             may have 1 to 140; say a little more",
        ]
    );
}

#[test]
fn everything_that_cannot_be_filled_is_told_at_once() {
    let place = Place::with(&[
        ("templates/code/each.subject", "{{ words[occasion] }}"),
        ("templates/code/each.html", "<p>{{ words.code }}{{ plan }}</p>"),
        ("templates/code/each.txt", "{{ neither_sent_nor_tried }}"),
        ("templates/code/each.sms", "{{ code }}{% if birthday %}{{ oops }}{% endif %}"),
        ("templates/code/en.sms", "{{ cod }}"),
        (
            "templates/code/en.toml",
            "code = '{{ code }}{{ user_name }}'\nsign-up = 'a'\nresend-code = 'b'\nforgot-password = 'c'\nauthentication = 'd'\n\
             admin-create-user = 'e'\nupdate-user-attribute = 'f'\nverify-user-attribute = 'g'",
        ),
        (
            "templates/code/pl.toml",
            "code = '{{ code }}'\nsign-up = 'a'\nresend-code = 'b'\nforgot-password = 'c'\nauthentication = 'd'",
        ),
    ]);
    let mut orders = orders();
    orders[3].context.insert("birthday".into(), true.into());
    let told = place.check_message(template("code"), orders);
    assert_eq!(
        told,
        [
            "templates/code/en.toml:1: `user_name` is not defined; did you mean `username`?",
            "templates/code/each.html:1: `plan` is not defined; see docs/templates.md for what is; or ask `is defined` before",
            "templates/code/en.sms:1: `cod` is not defined; did you mean `code`?",
            "templates/code/each.sms:1: `oops` is not defined; see docs/templates.md for what is; or ask `is defined` before",
            "templates/code/pl.toml:1: the word `admin-create-user` is missing; line 1 of `each.subject` asks for it, and it is `e` \
             in en",
            "templates/code/pl.toml:1: the word `update-user-attribute` is missing; line 1 of `each.subject` asks for it, and it is \
             `f` in en",
            "templates/code/pl.toml:1: the word `verify-user-attribute` is missing; line 1 of `each.subject` asks for it, and it is \
             `g` in en",
        ]
    );
}

#[test]
fn a_template_nobody_checked_is_tried_at_its_first_use() {
    let place = Place::with(&CODE);
    place.write("templates/code/ar.toml", "subject = 'x'\ngreeting = '{{ nmae }}'\ncode = 'x'\nsms = 'x'");
    let context = json!({ "user": { "given_name": "Ada" }, "code": "{####}", "occasion": "sign-up" });
    let fault = place.say("code", "en", context.clone()).unwrap_err();
    assert_eq!(
        place.short(&fault.to_string()),
        "the template `code` is refused: templates/code/ar.toml:2: `nmae` is not defined; did you mean `name`?"
    );
    place.write("templates/code/ar.toml", "subject = 'x'\ngreeting = '{{ name }}'\ncode = 'x'\nsms = 'x'");
    assert!(place.say("code", "en", context).is_ok(), "that a code is missing in Arabic is nothing to an English user");
}

#[test]
fn a_fault_tells_nothing_of_the_user() {
    let place = Place::with(&[(
        "templates/x/en.sms",
        "{% if user.birthdate == '1815-12-10' %}{{ (user.given_name ~ user.email) * -1 }}{% endif %}",
    )]);
    let user = json!({ "birthdate": "1815-12-10", "given_name": "Ada", "email": "ada@example.com" });
    let fault = place.say("x", "en", json!({ "user": user })).unwrap_err().to_string();
    assert!(fault.contains("en.sms:1: `") && !fault.contains("Ada") && !fault.contains("ada@"), "{fault}");
}

#[test]
fn a_folder_of_its_own_lies_below_the_configuration() {
    let place = Place::with(&[("mails/code/en.sms", "{{ code }} {{ username }}"), ("templates/code/en.sms", "other")]);
    let at = |folder: &str| MessageTemplate { folder: Some(folder.into()), name: "code".into() };
    let empty = Map::new();
    let said = |folder| place.templates.message(&at(folder), &["en".into()], &empty);
    assert_eq!(said("mails").unwrap().sms.as_deref(), Some(""));
    assert_eq!(place.say("code", "en", json!({})).unwrap().sms.as_deref(), Some("other"));
    assert_eq!(place.check_message(at("mails/"), orders()), [""; 0]);
    let outside = tempfile::tempdir().unwrap();
    let absolute = outside.path().display().to_string();
    for folder in ["..", "mails/../..", "", &absolute] {
        assert_eq!(
            place.check_message(at(folder), orders()),
            [format!(
                "templates: `{folder}` is not a folder below that of the configuration; write a relative path without `..`, e.g. `templates/`"
            )]
        );
        assert!(said(folder).unwrap_err().to_string().contains("is not a folder below"));
        assert!(place.templates.languages(&at(folder)).is_err());
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outside.path(), place.path("link")).unwrap();
        assert_eq!(
            place.check_message(at("link"), orders()),
            ["link:1: this leads out of the folder of the configuration; put a copy there"]
        );
    }
    let told = place.check_message(at("nowhere"), orders());
    assert!(told[0].starts_with("templates: there is no folder `nowhere`; ship it with the function, at "), "{told:?}");
}

#[test]
fn names_that_are_no_names_are_refused() {
    let place = Place::with(&[]);
    for name in ["", "..", "a/b", "_shared"] {
        let told = place.check_message(template(name), orders());
        assert_eq!(
            told,
            ["this cannot be the name of a template; use letters, digits, `-` and `_`, e.g. `welcome-email`"]
        );
    }
    assert!(place.check_message(template("code"), orders())[0].starts_with("there is no template `code`; put "));
}

#[test]
fn every_built_in_template_is_sound() {
    let nowhere = Path::new("nowhere");
    for name in builtin::names() {
        let loaded = Template::load(nowhere, name, Scope::Message).unwrap();
        assert_eq!(loaded.examined(Vec::new()), [], "{name}");
        // Those of mails are given more than messages are.
        if loaded.locales.iter().all(|locale| loaded.has(locale, language::Part::Sms)) {
            assert_eq!(proof::of_use(&Arc::new(loaded), &Map::new()), [], "{name}");
        }
    }
}

#[test]
fn a_function_that_fills_messages_alone_fills_them_alike_and_has_nothing_else() {
    let place = Place::with(&CODE);
    let alone = open_for_messages(place.folder.path(), &place.path("templates"));
    for name in ["code", "verification"] {
        let (template, order) = (template(name), order(Occasion::SignUp, json!({ "given_name": "Anna" })));
        let filled = compose(&*alone, &template, &order).unwrap();
        assert!(matches!(filled.email, Outcome::Ready { .. }), "{filled:?}");
        assert_eq!(filled, compose(&*place.templates, &template, &order).unwrap());
        assert_eq!(alone.languages(&template).unwrap(), place.templates.languages(&template).unwrap());
        let used = TemplateUse::Message { template, orders: orders() };
        assert_eq!(place.told(&alone.check(&used)), place.told(&place.templates.check(&used)));
    }
    let fault = alone.mail(&id(), &mail("welcome-email", json!({})), &[], &sender(), now()).unwrap_err();
    assert!(fault.to_string().contains("fills messages and nothing else"), "{fault}");
    assert!(alone.files("provision", &Map::new()).is_err());
    let mail = TemplateUse::Mail { template: "welcome-email".into(), samples: sample_contexts() };
    let files = TemplateUse::Files { folder: "provision".into(), samples: sample_contexts() };
    assert_eq!([alone.check(&mail).len(), alone.check(&files).len()], [1, 1]);
}

#[test]
fn nothing_a_user_is_called_makes_markup_or_a_line() {
    let place = Place::with(&CODE);
    let harmless = tags(&page(&place.say("code", "en", json!({ "user": {} })).unwrap()));
    for sample in sample_users() {
        for locale in ["en", "ar"] {
            let said = place.say("code", locale, json!({ "user": sample.attributes, "code": "{####}" })).unwrap();
            assert_eq!(tags(&page(&said)), harmless, "{}", sample.about);
            let lines = [said.subject.unwrap(), said.sms.unwrap()];
            assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_markup_comes_from_an_attribute(
        name in "(\\PC|[\r\n\0\u{85}\u{2028}\u{202e}\u{fdd0}\u{fdd1}\u{e000}<>\"'&;{}%]|</?bdi>|&lt;|[a-z ]){0,60}",
        plan in any::<String>(),
        deep in any::<String>(),
    ) {
        thread_local!(static PLACE: Place = Place::with(&CODE));
        PLACE.with(|place| {
            let harmless = tags(&page(&place.say("code", "en", json!({ "user": { "name": "x" } })).unwrap()));
            let user = json!({ "given_name": name, "nickname": plan, "family_name": name, "custom:plan": plan });
            let said = place.say("code", "en", json!({ "user": user, "code": "{####}", "sender": { "name": deep } })).unwrap();
            let page = page(&said);
            prop_assert_eq!(tags(&page), harmless);
            // One name at most is set apart: in the greeting.
            let (open, close) = (page.matches("<bdi>").count(), page.matches("</bdi>").count());
            prop_assert!(open == close && open <= 1, "{}", page);
            prop_assert!(!page.contains(isolation::is_mark) && !said.subject.unwrap().contains(isolation::is_mark));
            let entity = |text: &str| ["amp;", "lt;", "gt;", "quot;", "#x27;", "#x2f;"].iter().any(|it| text.starts_with(it));
            prop_assert!(page.split('&').skip(1).all(entity), "{}", page);
            Ok(())
        })?;
    }
}

#[test]
fn a_built_in_template_that_is_to_stand_for_something_else_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let library = crate::open(folder.path(), &folder.path().join("templates"));
    let told = |name: &str, occasion: Occasion| {
        let order = Order {
            occasion,
            placeholders: Placeholders::sample(occasion),
            by_link: false,
            email: true,
            sms: true,
            locales: Vec::new(),
            context: Map::new(),
        };
        let used = TemplateUse::Message { template: template(name), orders: vec![order] };
        library.check(&used).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(told("verification", Occasion::SignUp), "");
    assert_eq!(told("verification", Occasion::ForgotPassword), "", "it has the code");
    assert!(told("verification", Occasion::AdminCreateUser).contains("`{{ username }}` does not stand in it"));
    assert_ne!(told("welcome-email", Occasion::SignUp), "");
}
