//! The templates that are built in, as users get them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use cognito_triggers::message::Outcome;
use proptest::prelude::*;
use proptest::sample::select;

use super::promises::{count, is_taken, markup, values, with_all};
use super::said::words;
use super::*;

/// The languages there are words for.
const LANGUAGES: [&str; 7] = ["en", "de", "fr", "es", "pl", "ja", "ar"];

/// The template for birthdays instead of those for what is asked for often.
const BIRTHDAY: &str = "[[variants]]\ntemplate = \"birthday\"\noccasion = [\"sign-up\", \"resend-code\", \"authentication\"]\nbirthday = true";

fn trial(settings: &str) -> Trial<TemplatedMessage> {
    let nowhere = Path::new("/nowhere");
    let templates = cognito_triggers_templates::open(nowhere, nowhere);
    Trial::of(rule(settings)).with(|services| Services { templates, ..services })
}

#[test]
fn every_occasion_is_worded_in_every_language_without_a_mishap() {
    let by_link = format!("verify-by = \"link\"\n{BIRTHDAY}");
    for settings in ["", "name = \"Acme\"", "verify-by = \"link\"", BIRTHDAY, &by_link] {
        let trial = trial(settings);
        for occasion in Occasion::ALL {
            for language in LANGUAGES {
                let seen = trial.handles(&celebrating(event(occasion), language));
                let words = words(&seen);
                assert!(words.iter().all(Option::is_some), "{occasion} {language}: {words:?} {:?}", seen.mishaps);
                assert!(is_taken(occasion, settings.contains("link"), &words), "{occasion} {language}: {words:?}");
                assert_eq!((seen.mishaps, seen.counts.iter().count()), (vec![], 0), "{occasion} {language}");
            }
        }
    }
}

#[test]
fn nothing_is_wrong_with_the_templates_that_are_built_in() {
    let nowhere = Path::new("/nowhere");
    let templates = cognito_triggers_templates::open(nowhere, nowhere);
    for settings in ["", "verify-by = \"link\"", BIRTHDAY] {
        for used in rule(settings).uses() {
            assert_eq!(templates.check(&used).iter().map(ToString::to_string).collect::<Vec<_>>(), [] as [&str; 0]);
        }
    }
}

/// Every sample, composed: what the check of a start would find, whether or not it looks at what is built in.
#[test]
fn every_sample_comes_out_whole() {
    let nowhere = Path::new("/nowhere");
    let templates = cognito_triggers_templates::open(nowhere, nowhere);
    for settings in ["name = \"Acme\"", "verify-by = \"link\"", BIRTHDAY] {
        for used in rule(settings).uses() {
            let TemplateUse::Message { template, orders } = used else { panic!("{used:?}") };
            for language in LANGUAGES {
                for order in &orders {
                    let order = Order { locales: vec![language.to_owned()], ..order.clone() };
                    let composed = compose(templates.as_ref(), &template, &order).unwrap();
                    let is_ready = matches!(composed.email, Outcome::Ready { .. })
                        && matches!(composed.sms, Outcome::Ready { .. });
                    assert!(is_ready, "{} {} {language}: {composed:?}", template.name, order.occasion);
                }
            }
        }
    }
}

/// A pool that verifies by code, and one by link, with every template there is. Shared, as templates are read once.
fn pool(by_link: bool) -> &'static Trial<TemplatedMessage> {
    static POOLS: LazyLock<[Trial<TemplatedMessage>; 2]> = LazyLock::new(|| {
        ["code", "link"].map(|verify_by| trial(&format!("name = \"Acme\"\nverify-by = \"{verify_by}\"\n{BIRTHDAY}")))
    });
    let [by_code, with_link] = &*POOLS;
    if by_link { with_link } else { by_code }
}

/// Somebody in this language, on a birthday.
fn celebrating(event: Event<CustomMessage>, language: &str) -> Event<CustomMessage> {
    event.with("locale", language).with("birthdate", "1990-01-01")
}

/// What is alike for all users.
#[derive(Debug)]
struct Frame {
    /// The markup of the pages for users who told more or less.
    pages: BTreeSet<String>,
    /// How often each placeholder stands in subject, mail and SMS.
    placeholders: [[usize; 3]; 3],
}

fn placeholders(words: &[Option<String>; 3]) -> [[usize; 3]; 3] {
    let of = |part: &Option<String>| ["{####}", "{username}", "{##Click Here##}"].map(|it| count(part.as_ref(), it));
    let [subject, mail, sms] = words;
    [of(subject), of(mail), of(sms)]
}

/// The frame of a message, from users who mean no harm.
fn frame(occasion: Occasion, language: &'static str, by_link: bool) -> Arc<Frame> {
    type Frames = BTreeMap<(Occasion, &'static str, bool), Arc<Frame>>;
    static FRAMES: Mutex<Frames> = Mutex::new(BTreeMap::new());
    let make = || {
        let told = |which: usize, bit: usize, text: &'static str| if which & bit == 0 { "" } else { text };
        let user = |which: usize| {
            let event = ["name", "nickname", "preferred_username"]
                .into_iter()
                .fold(event(occasion), |it, name| it.with(name, ""));
            let event =
                event.with("given_name", told(which, 1, "Anna")).with("email", told(which, 2, "anna@example.com"));
            celebrating(event.with("phone_number", told(which, 4, "+491700000000")), language)
        };
        let all = (0..8).map(|which| words(&pool(by_link).handles(&user(which)))).collect::<Vec<_>>();
        let pages = all.iter().map(|[_, page, _]| markup(page.as_ref().unwrap())).collect();
        Arc::new(Frame { pages, placeholders: placeholders(&all[7]) })
    };
    Arc::clone(FRAMES.lock().unwrap().entry((occasion, language, by_link)).or_insert_with(make))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_users_put_into_their_profiles_they_get_their_codes(
        values in values(),
        occasion in select(Occasion::ALL.to_vec()),
        language in select(LANGUAGES.to_vec()),
        by_link in any::<bool>(),
    ) {
        let seen = pool(by_link).handles(&celebrating(with_all(event(occasion), &values), language));
        let said = words(&seen);
        prop_assert!(said.iter().all(Option::is_some), "{:?} {:?}", said, seen.mishaps);
        prop_assert!(is_taken(occasion, by_link, &said), "{:?}", said);
        let [Some(subject), Some(mail), _] = &said else { unreachable!() };
        prop_assert!(!subject.contains(char::is_control));
        let frame = frame(occasion, language, by_link);
        prop_assert!(frame.pages.contains(&markup(mail)), "{}", mail);
        prop_assert_eq!(placeholders(&said), frame.placeholders);
    }
}
