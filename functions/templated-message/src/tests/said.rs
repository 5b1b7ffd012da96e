//! What Cognito is answered, with the real library and templates in a folder.

use std::path::Path;
use std::sync::Arc;

use cognito_triggers::message::{Composed, Outcome, Part, Refusal};
use cognito_triggers::{Calls, Dispatcher, FaultKind, Invocation, Seen};
use futures_util::FutureExt;

use super::*;

/// Templates in a folder of their own.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The same with a template of these files.
    pub(super) fn with(self, template: &str, files: &[(&str, &str)]) -> Self {
        self.with_in("templates", template, files)
    }

    fn with_in(self, folder: &str, template: &str, files: &[(&str, &str)]) -> Self {
        let path = self.0.path().join(folder).join(template);
        std::fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name), text).unwrap();
        }
        self
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn trial(&self, settings: &str) -> Trial<TemplatedMessage> {
        let templates = cognito_triggers_templates::open(self.path(), &self.path().join("templates"));
        Trial::of(rule(settings)).with(|services| Services { templates, ..services })
    }

    fn seen(&self, settings: &str, event: &Event<CustomMessage>) -> Seen<CustomMessage> {
        self.trial(settings).handles(event)
    }

    fn words(&self, settings: &str, event: &Event<CustomMessage>) -> [Option<String>; 3] {
        words(&self.seen(settings, event))
    }
}

/// Subject, mail and SMS of an answer.
pub(super) fn words(seen: &Seen<CustomMessage>) -> [Option<String>; 3] {
    let answer = seen.answer.as_ref().unwrap_or_else(|| panic!("{:?}", seen.verdict));
    ["emailSubject", "emailMessage", "smsMessage"].map(|key| answer["response"][key].as_str().map(str::to_owned))
}

fn some<const N: usize>(words: [&str; N]) -> [Option<String>; N] {
    words.map(|word| Some(word.to_owned()))
}

fn counted(seen: &Seen<CustomMessage>) -> Vec<(&'static str, u64)> {
    seen.counts.iter().collect()
}

/// A verification in English and German that says what it is filled with.
fn plain() -> Folder {
    Folder::new().with(
        "verification",
        &[
            ("en.subject", "Your code"),
            ("en.html", "<p>Hello {{ user.given_name }}, {{ code }}</p>"),
            ("en.sms", "Code {{ code }}"),
            ("de.subject", "Ihr Code"),
            ("de.html", "<p>Guten Tag {{ user.given_name }}, {{ code }}</p>"),
            ("de.sms", "Code {{ code }} für {{ user.given_name }}"),
        ],
    )
}

#[test]
fn a_message_says_what_the_template_says_in_the_language_of_the_user() {
    let seen = plain().seen("", &sign_up());
    assert_eq!(words(&seen), some(["Ihr Code", "<p>Guten Tag Anna, {####}</p>", "Code {####} für Anna"]));
    assert_eq!((counted(&seen), seen.mishaps), (vec![], vec![]));
    for own in [Value::Null, "tlh".into()] {
        let event = sign_up().with("locale", own);
        assert_eq!(plain().words("locale = \"de\"", &event)[0].as_deref(), Some("Ihr Code"));
        assert_eq!(plain().words("", &event)[0].as_deref(), Some("Your code"));
    }
}

#[test]
fn it_asks_no_service() {
    let seen = plain().seen("[[variants]]\ntemplate = \"verification\"\nbirthday = false", &sign_up());
    assert_eq!(seen.calls, Calls::default());
    assert_eq!(seen.deliveries, []);
}

#[test]
fn everything_else_of_the_event_goes_back_as_it_came() {
    let event = sign_up();
    let mut answer = plain().seen("", &event).answer.unwrap();
    let came: Value = serde_json::from_str(event.raw()).unwrap();
    answer["response"] = came["response"].clone();
    assert_eq!(answer, came);
}

#[test]
fn mails_and_sms_can_each_be_left_to_cognito() {
    let [subject, page, sms] = plain().words("email = false", &sign_up());
    assert!(subject.is_none() && page.is_none() && sms.is_some());
    let [subject, page, sms] = plain().words("sms = false", &sign_up());
    assert!(subject.is_some() && page.is_some() && sms.is_none());
}

#[test]
fn an_occasion_can_be_left_to_cognito_whatever_variants_there_are() {
    let settings = "[occasions]\nsign-up = false\n[[variants]]\ntemplate = \"verification\"\nbirthday = false";
    let seen = plain().seen(settings, &sign_up());
    assert_eq!(words(&seen), [const { None }; 3]);
    assert_eq!(seen.mishaps, [] as [&str; 0]);
    assert_ne!(plain().words(settings, &event(Occasion::ResendCode)), [const { None }; 3]);
}

#[test]
fn an_occasion_nobody_knows_is_left_to_cognito() {
    let seen = plain().seen("", &sign_up().with_value(&["triggerSource"], "CustomMessage_New"));
    assert_eq!((words(&seen), seen.mishaps), ([const { None }; 3], vec![]));
}

#[test]
fn templates_know_what_the_rule_knows() {
    let said = "{{ occasion }}|{{ sender.name }}|{{ sender.address }}|{{ birthday }}|{{ zone }}|{{ pool }}|{{ client }}|{{ sub }}|{{ username }}|{{ link }}|{{ code }}";
    let folder = Folder::new().with("verification", &[("en.sms", said)]);
    let event = sign_up().with("birthdate", "1990-01-01").with("zoneinfo", "Europe/Berlin");
    let [_, _, sms] = folder.words("name = \"Acme\"", &event);
    let sub = event.sub().unwrap();
    let expected = format!("sign-up|Acme||True|Europe/Berlin|eu-central-1_Example01|1example23456789|{sub}|||{{####}}");
    assert_eq!(sms.unwrap(), expected);
    let bare = sign_up().with("sub", "s").with("zoneinfo", "nowhere");
    let [_, _, sms] = folder.words("", &bare);
    assert_eq!(sms.unwrap(), "sign-up|||False||eu-central-1_Example01|1example23456789|s|||{####}");
    let [_, _, sms] = folder.words("zone = \"Asia/Tokyo\"", &bare);
    assert!(sms.unwrap().contains("|Asia/Tokyo|"));
}

#[test]
fn a_pool_that_verifies_by_link_sends_the_link_by_mail_and_the_code_by_sms() {
    let page = "<p>{% if link %}{{ link }}{% else %}{{ code }}{% endif %}</p>";
    let files = [("en.subject", "Hello"), ("en.html", page), ("en.sms", "Code {{ code }}")];
    let folder = Folder::new().with("verification", &files).with("mfa", &files);
    let link = "verify-by = \"link\"";
    assert_eq!(folder.words(link, &sign_up()), some(["Hello", "<p>{##Click Here##}</p>", "Code {####}"]));
    assert_eq!(folder.words("", &sign_up()), some(["Hello", "<p>{####}</p>", "Code {####}"]));
    let mfa = event(Occasion::Authentication);
    assert_eq!(folder.words(link, &mfa), some(["Hello", "<p>{####}</p>", "Code {####}"]));
    // A pool that verifies by code after all.
    let seen = folder.seen(link, &sign_up().with_value(&["request", "linkParameter"], Value::Null));
    assert_eq!(words(&seen), [None, None, Some("Code {####}".into())]);
    assert_eq!(
        seen.mishaps,
        [
            "Cognito would not take what the template `verification` says in `en`: the mail: the event does not say what stands for `{{ link }}`; a pool that verifies by code names no link: leave out `verify-by = \"link\"`"
        ]
    );
}

#[test]
fn templates_may_be_in_a_folder_of_the_rule() {
    let folder = plain().with_in("messages/ours", "verification", &[("en.sms", "Ours {{ code }}")]);
    let settings = "templates = \"messages/ours\"";
    assert_eq!(folder.words(settings, &sign_up())[2].as_deref(), Some("Ours {####}"));
    assert_eq!(folder.words("", &sign_up())[0].as_deref(), Some("Ihr Code"));
}

/// `plain`, and a variant of these files for everybody.
fn with_variant(files: &[(&str, &str)]) -> (Folder, &'static str) {
    (plain().with("party", files), "[[variants]]\ntemplate = \"party\"\nbirthday = false")
}

const USUAL: [&str; 3] = ["Ihr Code", "<p>Guten Tag Anna, {####}</p>", "Code {####} für Anna"];

#[test]
fn a_variant_takes_the_place_of_the_usual_template() {
    let files = [("de.subject", "Alles Gute"), ("de.html", "<b>{{ code }}</b>"), ("de.sms", "Party {{ code }}")];
    let (folder, settings) = with_variant(&files);
    assert_eq!(folder.words(settings, &sign_up()), some(["Alles Gute", "<b>{####}</b>", "Party {####}"]));
    assert_eq!(folder.words("", &sign_up()), some(USUAL));
}

#[test]
fn what_a_variant_has_not_is_taken_from_the_usual_template() {
    let (folder, settings) = with_variant(&[("de.sms", "Party {{ code }}")]);
    let seen = folder.seen(settings, &sign_up());
    assert_eq!(words(&seen), some([USUAL[0], USUAL[1], "Party {####}"]));
    assert_eq!((counted(&seen), seen.mishaps), (vec![], vec![]));
}

#[test]
fn a_variant_that_is_not_there_costs_nobody_the_code() {
    let seen = plain().seen("[[variants]]\ntemplate = \"party\"\nbirthday = false", &sign_up());
    assert_eq!(words(&seen), some(USUAL));
    assert_eq!((counted(&seen), seen.mishaps.len()), (vec![], 1));
    assert!(seen.mishaps[0].contains("`party`"), "{:?}", seen.mishaps);
}

#[test]
fn a_variant_that_cognito_would_not_take_costs_nobody_the_code() {
    // Nothing is wrong with it but for this one user.
    let page = "<p>{% if user.nickname != 'Anni' %}{{ code }}{% endif %}</p>";
    let (folder, settings) =
        with_variant(&[("de.subject", "Alles Gute"), ("de.html", page), ("de.sms", "Party {{ code }}")]);
    let seen = folder.seen(settings, &sign_up());
    assert_eq!(words(&seen), some([USUAL[0], USUAL[1], "Party {####}"]));
    assert_eq!(counted(&seen), []);
    assert_eq!(
        seen.mishaps,
        [
            "Cognito would not take what the template `party` says in `de`: the mail: `{{ code }}` does not stand in it; write `{{ code }}` where it is to stand, for every user"
        ]
    );
    assert_eq!(folder.words(settings, &sign_up().with("nickname", "Bea"))[0].as_deref(), Some("Alles Gute"));
}

#[test]
fn what_cognito_would_not_take_is_left_to_it_and_counted() {
    let sms = "{% if user.nickname != 'Anni' %}{{ code }}{% endif %} hello there";
    let folder =
        Folder::new().with("verification", &[("en.subject", "Hi"), ("en.html", "{{ code }}"), ("en.sms", sms)]);
    let seen = folder.seen("", &sign_up());
    assert_eq!(words(&seen), [Some("Hi".into()), Some("{####}".into()), None]);
    assert_eq!((counted(&seen), seen.mishaps.len()), (vec![("MessagesLeftToCognito", 1)], 1));
    let page = "{% if user.nickname != 'Anni' %}{{ code }}{% endif %}<p>hello</p>";
    let neither = Folder::new().with("verification", &[("en.subject", "Hi"), ("en.html", page), ("en.sms", sms)]);
    let seen = neither.seen("", &sign_up());
    assert_eq!(words(&seen), [const { None }; 3]);
    assert_eq!((counted(&seen), seen.mishaps.len()), (vec![("MessagesLeftToCognito", 2)], 2));
}

#[test]
fn what_had_to_be_mended_is_counted() {
    let seen = plain().seen("", &sign_up().with("given_name", "An\u{200d}na".repeat(60)));
    let [_, page, sms] = words(&seen).map(Option::unwrap);
    assert!(page.contains("An&#8205;naAn&#8205;na"), "nothing is lost in a page: {page}");
    assert!(sms.contains("für AnnaAnna") && sms.chars().count() <= 140, "{sms}");
    assert_eq!((counted(&seen), seen.mishaps), (vec![("MessagesMended", 1)], vec![]));
}

#[test]
fn a_usual_template_that_is_wrong_is_a_fault_and_the_event_goes_back_unchanged() {
    let folder = Folder::new().with("verification", &[("en.sms", "{{ user.gvien_name }} {{ code }}")]);
    let fault = folder.seen("", &sign_up()).verdict.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Configuration);
    assert!(fault.causes().contains("`verification`") && fault.causes().contains("gvien_name"), "{fault}");

    let configuration = Configuration::parse("triggers.toml", "[templated-message]\non-fault = \"deny\"").unwrap();
    let (chains, pools) = configuration.chains::<Rules>(&Environment::default()).unwrap();
    let templates = cognito_triggers_templates::open(folder.path(), &folder.path().join("templates"));
    let clock: Arc<dyn Clock> = Arc::new(StoppedClock::default());
    let services = Services { templates, ..Services::in_memory(clock) };
    let event = sign_up();
    let invocation = Invocation { body: event.raw().as_bytes(), request_id: "1", deadline: Timestamp::MAX };
    let handled = Dispatcher::new(chains, pools, services).handle(invocation).now_or_never().unwrap();
    assert_eq!(handled.answer.as_deref(), Ok(event.raw()));
}

#[test]
fn where_variant_and_usual_template_are_wrong_both_are_told() {
    let folder = Folder::new().with("verification", &[("en.sms", "{{ nmae }} {{ code }}")]);
    let seen = folder.seen("[[variants]]\ntemplate = \"party\"\nbirthday = false", &sign_up());
    let told = seen.verdict.unwrap_err().causes();
    let (usual, variant) = told.split_once("; before that: ").unwrap();
    assert!(usual.contains("`verification`") && variant.contains("`party`"), "{told}");
}

#[test]
fn what_a_variant_gave_stays_where_the_usual_template_is_wrong() {
    let folder = Folder::new()
        .with("verification", &[("en.sms", "{{ nmae }} {{ code }}")])
        .with("party", &[("en.subject", "Party"), ("en.html", "<p>{{ code }}</p>")]);
    let seen = folder.seen("[[variants]]\ntemplate = \"party\"\nbirthday = false", &sign_up());
    assert_eq!(words(&seen), [Some("Party".into()), Some("<p>{####}</p>".into()), None]);
    assert_eq!((counted(&seen), seen.mishaps.len()), (vec![("MessagesLeftToCognito", 1)], 1));
}

#[test]
fn nothing_of_the_user_is_told_but_the_codes_of_characters() {
    let secret = "Semiramis";
    let sms = "{% if user.nickname != 'Anni' %}{{ code }}{% endif %} {{ user.family_name }}";
    let html = format!(
        "<p>{{{{ user.family_name }}}} {{{{ user.address }}}}{}</p>",
        "{% if user.nickname != 'Anni' %}{{ code }}{% endif %}"
    );
    let folder = Folder::new()
        .with("verification", &[("en.subject", "{{ user.address }}"), ("en.html", &html), ("en.sms", sms)]);
    let event = sign_up().with("family_name", secret).with("address", format!("{secret}\u{200d}").repeat(50));
    let seen = folder.seen("", &event);
    assert!(!seen.mishaps.is_empty());
    for mishap in &seen.mishaps {
        assert!(!mishap.contains(secret) && !mishap.contains("anna@"), "{mishap}");
    }
}

#[test]
fn a_fault_of_many_reasons_tells_the_first_of_them() {
    let refusals: Vec<_> = ('\u{e000}'..='\u{e006}').map(|it| (Part::Subject, Refusal::Character(it))).collect();
    let mut wording = Wording::default();
    let email = Outcome::Refused(refusals);
    wording.take("x", Ok(Composed { locale: "en".into(), email, sms: Outcome::Absent }));
    let told = wording.faults()[0].causes();
    assert!(told.contains("U+E004") && !told.contains("U+E005") && told.ends_with(", and 2 more"), "{told}");
}

#[test]
fn templates_of_a_folder_are_tried_before_the_first_user_comes() {
    let check = |folder: &Folder| {
        let templates = cognito_triggers_templates::open(folder.path(), &folder.path().join("templates"));
        let used = rule("").uses();
        let verification = used
            .iter()
            .find(|used| matches!(used, TemplateUse::Message { template, .. } if template.name == "verification"));
        templates.check(verification.unwrap()).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(check(&plain()), [] as [&str; 0]);
    let wrong = check(&plain().with("verification", &[("de.sms", "Ihr Code ist da")]));
    assert!(wrong.iter().any(|error| error.contains("de.sms") && error.contains("code")), "{wrong:?}");
}
