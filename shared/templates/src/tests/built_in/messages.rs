//! The built-in templates of messages that Cognito sends, as Cognito gets them.

use std::fmt::Write as _;

use cognito_triggers::message::{
    Composed, MessageTemplate, Occasion, Order, Outcome, Placeholders, compose, sample_users,
};

use super::super::*;

const LOCALES: [&str; 7] = ["en", "de", "fr", "es", "pl", "ja", "ar"];
/// A page this long is no burden; Cognito takes 20,000 characters.
const LONGEST_PAGE: usize = 9_000;

/// Every template with what it is for.
fn uses() -> Vec<(&'static str, Occasion)> {
    use Occasion::{
        AdminCreateUser, Authentication, ForgotPassword, ResendCode, SignUp, UpdateUserAttribute, VerifyUserAttribute,
    };
    let own = [
        ("verification", SignUp),
        ("verification", ResendCode),
        ("invitation", AdminCreateUser),
        ("forgotten-password", ForgotPassword),
        ("attribute-change", UpdateUserAttribute),
        ("attribute-change", VerifyUserAttribute),
        ("mfa", Authentication),
    ];
    own.into_iter().chain(Occasion::ALL.map(|occasion| ("birthday", occasion))).collect()
}

fn order(occasion: Occasion, by_link: bool, locale: &str, user: Value, sender: &str) -> Order {
    Order {
        occasion,
        placeholders: Placeholders::sample(occasion),
        by_link,
        email: true,
        sms: true,
        locales: vec![locale.to_owned()],
        context: context(json!({
            "user": user, "pool": "eu-central-1_Example01", "client": "web", "zone": "", "birthday": true,
            "sender": { "name": sender, "address": "hello@acme.example" },
        })),
    }
}

/// Subject, page and SMS, if Cognito takes all of them, and whether they had to be mended for that.
fn said(place: &Place, template: &str, order: &Order) -> ([String; 3], bool) {
    let name = MessageTemplate { folder: None, name: template.to_owned() };
    let composed = compose(place.templates.as_ref(), &name, order).unwrap();
    match composed {
        Composed {
            locale,
            email: Outcome::Ready { words: (subject, page), mended: one },
            sms: Outcome::Ready { words: sms, mended: other },
        } => {
            assert_eq!([locale], *order.locales, "{template} is in every language");
            ([subject, page, sms], one || other)
        }
        other => panic!("{template}, {}: {other:?}", order.occasion),
    }
}

/// Every template for all it is for, by code and by link, in all languages.
fn all(mut look: impl FnMut(&str, Occasion, bool, &str)) {
    for (template, occasion) in uses() {
        for by_link in [false, true].into_iter().take(1 + usize::from(occasion.may_be_by_link())) {
            for locale in LOCALES {
                look(template, occasion, by_link, locale);
            }
        }
    }
}

#[test]
fn cognito_takes_every_message_to_every_user() {
    let place = Place::with(&[]);
    all(|template, occasion, by_link, locale| {
        for sample in sample_users() {
            for sender in ["", "Acme & Söhne"] {
                let user = Value::Object(sample.attributes.clone());
                let ([subject, page, sms], mended) =
                    said(&place, template, &order(occasion, by_link, locale, user, sender));
                let place = format!("{template} for {occasion} in {locale} to {}", sample.about);
                assert!(page.len() <= LONGEST_PAGE, "{place}: {} bytes", page.len());
                assert!(!page.contains("<script") && !subject.contains("evil") && !sms.contains("evil"), "{place}");
                assert!(subject.chars().count() <= 80, "{place}: {subject}");
                assert!(sms.encode_utf16().count() <= 120, "{place}: {sms}");
                assert!(!mended || sample.about == "written from right to left", "{place}: {page}");
            }
        }
    });
}

#[test]
fn a_message_has_a_code_or_a_link_and_never_both() {
    let place = Place::with(&[]);
    all(|template, occasion, by_link, locale| {
        let user = json!({ "given_name": "Anna", "email": "anna@example.com" });
        let ([_, page, sms], _) = said(&place, template, &order(occasion, by_link, locale, user, "Acme"));
        let times = |text: &str, what: &str| text.matches(what).count();
        let is_invitation = occasion == Occasion::AdminCreateUser;
        assert_eq!(times(&page, "{####}"), usize::from(!by_link), "{template} {occasion} {locale}");
        assert_eq!(times(&page, "{##Click Here##}"), usize::from(by_link), "{template} {occasion} {locale}");
        assert_eq!(times(&page, "{username}"), usize::from(is_invitation), "{template} {occasion} {locale}");
        assert_eq!((times(&sms, "{####}"), times(&sms, "{username}")), (1, usize::from(is_invitation)));
        // Cognito makes `<a href=..>` of it, which can stand in no attribute.
        assert!(!by_link || page.contains(">{##Click Here##}</p>"), "{page}");
    });
}

#[test]
fn a_page_stands_for_itself() {
    let place = Place::with(&[]);
    all(|template, occasion, by_link, locale| {
        let user = json!({ "given_name": "Zoë & \"Co\"", "email": "zoë&co@example.com" });
        let ([_, page, _], _) = said(&place, template, &order(occasion, by_link, locale, user, "Acme"));
        let dir = if locale == "ar" { "rtl" } else { "ltr" };
        assert!(page.contains(&format!("<html lang=\"{locale}\" dir=\"{dir}\">")), "{page}");
        for afar in ["http:", "https:", "url(", "<img", "<link", "@import"] {
            assert!(!page.contains(afar), "nothing from afar: {afar}");
        }
        assert!(page.contains("<bdi>Zoë &amp; &quot;Co&quot;</bdi>"), "{page}");
        assert!(page.contains("style=\"") && page.contains("prefers-color-scheme: dark"), "{page}");
        assert!(!page.contains("words.") && !page.contains("{%") && !page.contains("{{"), "{page}");
    });
}

/// Anybody can type anything into a form and have it sent to somebody else. A message says nothing of it but what to call
/// the user.
#[test]
fn a_message_says_nothing_of_the_user_but_the_name() {
    let place = Place::with(&[]);
    let user: Map<String, Value> = cognito_triggers::STANDARD_ATTRIBUTES
        .iter()
        .chain(&["custom:plan"])
        .filter(|name| !name.ends_with("_verified") && !["given_name", "locale"].contains(name))
        .map(|name| ((*name).to_owned(), format!("typed {name}").into()))
        .collect();
    all(|template, occasion, by_link, locale| {
        let mut user = user.clone();
        user.insert("given_name".to_owned(), "Anna".into());
        let ([subject, page, sms], _) = said(&place, template, &order(occasion, by_link, locale, user.into(), "Acme"));
        for part in [&subject, &page, &sms] {
            assert!(!part.contains("typed"), "{template} {occasion} {locale}: {part}");
        }
        assert!(!sms.contains("Anna"), "an SMS has no room for names: {sms}");
    });
}

#[test]
fn every_message_in_every_language() {
    let place = Place::with(&[]);
    let mut written: BTreeMap<String, String> = BTreeMap::new();
    all(|template, occasion, by_link, locale| {
        // These say the same as the one before.
        if matches!(occasion, Occasion::ResendCode | Occasion::VerifyUserAttribute) {
            return;
        }
        let anna = json!({ "given_name": "Anna", "email": "anna@example.com" });
        for (user, sender) in [(anna, "Acme"), (json!({}), "")] {
            let ([subject, page, sms], _) = said(&place, template, &order(occasion, by_link, locale, user, sender));
            let (how, text) = (if by_link { " by link" } else { "" }, crate::text::from_html(&page));
            let all = written.entry(template.to_owned()).or_default();
            let _ = write!(all, "==== {locale}, {occasion}{how}: {subject}\n\n{text}\nSMS: {sms}\n\n");
        }
    });
    for (template, all) in written {
        insta::assert_snapshot!(template, all);
    }
}

#[test]
fn what_says_the_same_is_the_same() {
    use Occasion::{ResendCode, SignUp, UpdateUserAttribute, VerifyUserAttribute};
    let place = Place::with(&[]);
    for (template, one, other) in [
        ("verification", SignUp, ResendCode),
        ("attribute-change", UpdateUserAttribute, VerifyUserAttribute),
        ("birthday", SignUp, ResendCode),
        ("birthday", UpdateUserAttribute, VerifyUserAttribute),
    ] {
        let said = |occasion| said(&place, template, &order(occasion, false, "en", json!({}), "Acme")).0;
        assert_eq!(said(one), said(other), "{template}");
    }
}
