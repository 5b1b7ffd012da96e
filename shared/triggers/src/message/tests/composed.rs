//! From a template to words: what is shortened, what is kept, and which parts go together.

use super::*;

/// Templates that say what a function says.
struct Said<F>(F);

impl<F> Templates for Said<F>
where
    F: Fn(&[String], &Map<String, Value>) -> Result<Words, Fault> + Send + Sync + 'static,
{
    fn mail(
        &self,
        _: &DeliveryId,
        _: &Mail,
        _: &[Map<String, Value>],
        _: &Sender,
        _: Timestamp,
    ) -> Result<Message, Fault> {
        Err(Fault::new("these are for messages"))
    }

    fn files(&self, _: &str, _: &Map<String, Value>) -> Result<Vec<(String, Object)>, Fault> {
        Err(Fault::new("these are for messages"))
    }

    fn message(&self, _: &MessageTemplate, locales: &[String], context: &Map<String, Value>) -> Result<Words, Fault> {
        (self.0)(locales, context)
    }

    fn check(&self, _: &TemplateUse) -> Vec<ConfigError> {
        Vec::new()
    }
}

fn order(user: Value) -> Order {
    Order {
        occasion: Occasion::SignUp,
        placeholders: there(Occasion::SignUp),
        by_link: false,
        email: true,
        sms: true,
        locales: vec!["de".into()],
        context: Map::from_iter([("user".to_owned(), user)]),
    }
}

fn try_compose<F>(order: &Order, said: F) -> Result<Composed, Fault>
where
    F: Fn(&[String], &Map<String, Value>) -> Result<Words, Fault> + Send + Sync + 'static,
{
    compose(&Said(said), &"verification".parse().unwrap(), order)
}

fn composed(order: &Order, said: impl Fn(&Map<String, Value>) -> Words + Send + Sync + 'static) -> Composed {
    try_compose(order, move |_, context| Ok(said(context))).unwrap()
}

/// One of the user's attributes as a template would have it.
fn of_user(context: &Map<String, Value>, name: &str) -> String {
    context["user"].get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn text(context: &Map<String, Value>, name: &str) -> String {
    context[name].as_str().unwrap().to_owned()
}

/// A mail and an SMS with a name and a code.
fn greeting(context: &Map<String, Value>) -> Words {
    let (name, code) = (of_user(context, "given_name"), text(context, "code"));
    Words {
        locale: "de".into(),
        subject: Some(format!("Hello {name}")),
        email: Some(Body::Html(format!("<p>{name}, {code}</p>"))),
        sms: Some(format!("{name}: {code}")),
    }
}

fn ready<T>(words: T) -> Outcome<T> {
    Outcome::Ready { words, mended: false }
}

#[test]
fn a_template_is_filled_with_what_the_event_names_and_what_the_order_knows() {
    let said = |locales: &[String], context: &Map<String, Value>| {
        assert_eq!(locales, ["de"]);
        let parts = ["occasion", "code", "username", "link"].map(|name| text(context, name));
        assert_eq!(parts, ["sign-up", "{####}", "", ""]);
        assert_eq!(of_user(context, "given_name"), "Anna");
        Ok(greeting(context))
    };
    let composed = try_compose(&order(json!({ "given_name": "Anna" })), said).unwrap();
    assert_eq!(composed.locale, "de");
    assert_eq!(composed.email, ready(("Hello Anna".to_owned(), "<p>Anna, {####}</p>".to_owned())));
    assert_eq!(composed.sms, ready("Anna: {####}".to_owned()));
}

#[test]
fn a_link_is_there_only_where_the_pool_sends_one() {
    for occasion in Occasion::ALL {
        for by_link in [true, false] {
            let order = Order { occasion, by_link, placeholders: there(occasion), ..order(json!({})) };
            let expected = if by_link && occasion.may_be_by_link() { "{##Click Here##}" } else { "" };
            composed(&order, move |context| {
                assert_eq!(text(context, "link"), expected, "{occasion}");
                Words::default()
            });
        }
    }
}

#[test]
fn nothing_is_made_that_is_not_wanted_or_that_the_template_has_not() {
    let user = || json!({ "given_name": "Anna" });
    let only_sms = composed(&Order { email: false, ..order(user()) }, greeting);
    assert!(only_sms.email == Outcome::Absent && only_sms.sms != Outcome::Absent);
    let only_mail = composed(&Order { sms: false, ..order(user()) }, greeting);
    assert!(only_mail.sms == Outcome::Absent && only_mail.email != Outcome::Absent);
    let neither = Order { email: false, sms: false, ..order(user()) };
    let composed_of = try_compose(&neither, |_, _| Err(Fault::new("nobody asks"))).unwrap();
    assert_eq!((composed_of.email, composed_of.sms), (Outcome::Absent, Outcome::Absent));
    let without_subject = composed(&order(user()), |context| Words { subject: None, ..greeting(context) });
    assert_eq!(without_subject.email, Outcome::Absent);
    let without_sms = composed(&order(user()), |context| Words { sms: None, ..greeting(context) });
    assert_eq!(without_sms.sms, Outcome::Absent);
}

/// The names a template was filled with, one after the other.
fn names_tried(user: Value, sms: impl Fn(&str) -> String + Send + Sync + 'static) -> (Vec<String>, Composed) {
    let tried = std::sync::Arc::new(Mutex::new(Vec::new()));
    let noted = std::sync::Arc::clone(&tried);
    let composed = composed(&Order { email: false, ..order(user) }, move |context| {
        let name = of_user(context, "given_name");
        noted.lock().unwrap().push(name.clone());
        Words { sms: Some(sms(&name)), ..Words::default() }
    });
    let tried = tried.lock().unwrap().clone();
    (tried, composed)
}

#[test]
fn a_name_that_is_too_long_is_shortened_until_it_fits() {
    let name = "Maximiliane ".repeat(20);
    let (tried, at_40) = names_tried(json!({ "given_name": name }), |name| format!("{name}: {{####}}"));
    assert_eq!(tried[1..], ["Maximiliane Maximiliane Maximiliane"]);
    let words = "Maximiliane Maximiliane Maximiliane: {####}".to_owned();
    assert_eq!(at_40.sms, Outcome::Ready { words, mended: true });

    let (tried, at_16) =
        names_tried(json!({ "given_name": "x".repeat(200) }), |name| format!("{name:.>20}{name:.>100}{{####}}"));
    assert_eq!(tried.iter().map(String::len).collect::<Vec<_>>(), [200, 40, 16], "{:?}", at_16.sms);

    let (tried, without) = names_tried(json!({ "given_name": name }), |name| format!("{}{{####}}", name.repeat(20)));
    assert_eq!(tried.last().map(String::as_str), Some(""));
    assert_eq!((tried.len(), without.sms), (4, Outcome::Ready { words: "{####}".into(), mended: true }));
}

#[test]
fn what_is_too_long_without_any_name_is_refused_with_its_length() {
    let (tried, composed) =
        names_tried(json!({ "given_name": "Anna" }), |name| format!("{name}{}{{####}}", "x".repeat(140)));
    assert_eq!(tried, ["Anna", "Anna", "Anna", ""]);
    assert_eq!(composed.sms, Outcome::Refused(vec![(Part::Sms, Refusal::Length { characters: 146, bounds: 6..=140 })]));
}

#[test]
fn what_says_something_else_when_it_is_cut_is_never_cut() {
    let email = format!("{}@example.com", "a".repeat(60));
    let whole = [
        "birthdate",
        "email",
        "email_verified",
        "locale",
        "phone_number",
        "phone_number_verified",
        "sub",
        "updated_at",
        "zoneinfo",
        "gender",
    ];
    let mut user: Map<String, Value> = whole.iter().map(|name| ((*name).to_owned(), email.clone().into())).collect();
    user.insert("nickname".into(), "x".repeat(200).into());
    let words = composed(&Order { email: false, ..order(user.into()) }, move |context| {
        for name in whole {
            assert_eq!(of_user(context, name), email);
        }
        Words { sms: Some(format!("{} {{####}} {email}", of_user(context, "nickname"))), ..Words::default() }
    });
    assert!(matches!(words.sms, Outcome::Ready { mended: true, .. }), "{words:?}");
}

#[test]
fn an_address_on_the_web_is_whole_or_not_there() {
    let long = format!("https://example.com/{}", "a".repeat(200));
    let user =
        json!({ "picture": long, "profile": "https://a.example/", "website": long, "given_name": "x".repeat(200) });
    let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
    let noted = std::sync::Arc::clone(&seen);
    composed(&Order { email: false, ..order(user) }, move |context| {
        let all = ["picture", "profile", "website"].map(|name| of_user(context, name).len());
        noted.lock().unwrap().push(all);
        Words { sms: Some(format!("{}{{####}}", "x".repeat(140))), ..Words::default() }
    });
    assert_eq!(*seen.lock().unwrap(), [[220, 18, 220], [0, 18, 0], [0, 0, 0], [0, 0, 0]]);
}

#[test]
fn each_part_keeps_the_longest_names_it_can_have() {
    let composed = composed(&order(json!({ "given_name": "x".repeat(100) })), |context| Words {
        sms: Some(format!(
            "{}{} {}",
            of_user(context, "given_name"),
            of_user(context, "given_name"),
            text(context, "code")
        )),
        ..greeting(context)
    });
    let Outcome::Ready { words: (subject, _), mended: false } = composed.email else { panic!("{:?}", composed.email) };
    assert_eq!(subject, format!("Hello {}", "x".repeat(100)));
    assert_eq!(composed.sms, Outcome::Ready { words: format!("{} {{####}}", "x".repeat(80)), mended: true });
}

#[test]
fn a_mail_may_be_refused_where_the_sms_is_fine_and_the_other_way_round() {
    let user = || json!({ "given_name": "Anna" });
    let without = |context: &Map<String, Value>| Body::Html(format!("<p>{}</p>", of_user(context, "given_name")));
    let no_mail = composed(&order(user()), move |context| Words { email: Some(without(context)), ..greeting(context) });
    assert_eq!(no_mail.email, Outcome::Refused(vec![(Part::Email, Refusal::Lacks("code"))]));
    assert_eq!(no_mail.sms, ready("Anna: {####}".to_owned()));
    let no_sms = composed(&order(user()), |context| Words { sms: Some("no code".into()), ..greeting(context) });
    assert_eq!(no_sms.sms, Outcome::Refused(vec![(Part::Sms, Refusal::Lacks("code"))]));
    assert!(matches!(no_sms.email, Outcome::Ready { .. }));
}

#[test]
fn a_mail_without_a_subject_that_says_anything_is_refused_as_a_whole() {
    let user = json!({ "given_name": "\u{200b}" });
    let words =
        composed(&order(user), |context| Words { subject: Some(of_user(context, "given_name")), ..greeting(context) });
    let empty = Refusal::Length { characters: 0, bounds: 1..=140 };
    assert_eq!(words.email, Outcome::Refused(vec![(Part::Subject, empty)]));
}

#[test]
fn nobody_is_called_by_a_placeholder() {
    let user = json!({ "given_name": "{####}", "family_name": "{username}{##Click Here##}" });
    let words = composed(&order(user), |context| {
        assert_eq!(of_user(context, "family_name"), "(username)(##Click Here##)");
        greeting(context)
    });
    assert_eq!(words.sms, ready("(####): {####}".to_owned()));
}

#[test]
fn a_placeholder_without_braces_is_no_name_either() {
    let placeholders =
        Placeholders { code: Some("[####]".into()), link: Some(String::new()), ..Placeholders::default() };
    let user = json!({ "given_name": "[##[####]##]", "custom:x": "%[####]" });
    let words = composed(&Order { placeholders, ..order(user) }, |context| {
        assert_eq!(of_user(context, "custom:x"), "%");
        greeting(context)
    });
    assert_eq!(words.sms, ready(": [####]".to_owned()));
}

#[test]
fn that_something_was_lost_is_known() {
    let words = composed(&order(json!({ "given_name": "An\u{200d}na\u{1}" })), greeting);
    let mail = ("Hello Anna".to_owned(), "<p>An&#8205;na, {####}</p>".to_owned());
    assert_eq!(words.email, Outcome::Ready { words: mail, mended: true });
    assert_eq!(words.sms, Outcome::Ready { words: "Anna: {####}".into(), mended: true });
}

#[test]
fn plain_text_becomes_a_page_with_its_lines() {
    let said = |context: &Map<String, Value>| Words {
        email: Some(Body::Text(format!(
            "Hello <{}> & \"you\",\r\n\nyour code: {}\n\n",
            of_user(context, "given_name"),
            text(context, "code")
        ))),
        ..greeting(context)
    };
    let words = composed(&order(json!({ "given_name": "<b>🎉</b>" })), said);
    let Outcome::Ready { words: (_, page), .. } = words.email else { panic!("{:?}", words.email) };
    assert_eq!(page, "Hello &lt;&lt;b&gt;&#127881;&lt;/b&gt;&gt; &amp; &quot;you&quot;,<br>\n<br>\nyour code: {####}");
}

#[test]
fn an_invitation_by_sms_may_have_lines() {
    let occasion = Occasion::AdminCreateUser;
    let order = Order { occasion, placeholders: there(occasion), ..order(json!({})) };
    let words = composed(&order, |context| Words {
        sms: Some(format!("User: {}\nPassword: {}\n", text(context, "username"), text(context, "code"))),
        ..Words::default()
    });
    assert_eq!(words.sms, ready("User: {username}\nPassword: {####}".to_owned()));
}

#[test]
fn a_template_that_cannot_be_filled_is_a_fault() {
    let fault =
        try_compose(&order(json!({})), |_, _| Err(Fault::of(FaultKind::Configuration, "there is no such template")));
    assert_eq!(fault.unwrap_err().causes(), "there is no such template");
}

#[test]
fn what_fits_already_is_kept_where_a_shorter_name_makes_the_template_fail() {
    let said = |_: &[String], context: &Map<String, Value>| {
        if of_user(context, "given_name").len() < 100 {
            return Err(Fault::new("the hundredth letter is not there"));
        }
        Ok(greeting(context))
    };
    let words = try_compose(&order(json!({ "given_name": "x".repeat(134) })), said).unwrap();
    assert!(matches!(words.email, Outcome::Ready { mended: false, .. }), "{words:?}");
    let (characters, bounds) = (142, 6..=140);
    assert_eq!(words.sms, Outcome::Refused(vec![(Part::Sms, Refusal::Length { characters, bounds })]));
}

#[test]
fn a_library_that_has_no_messages_says_so() {
    let services = crate::Services::none(std::sync::Arc::<crate::StoppedClock>::default());
    let fault = compose(services.templates.as_ref(), &"verification".parse().unwrap(), &order(json!({}))).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Configuration);
    assert!(fault.causes().contains("template"), "{fault}");
}

proptest! {
    /// Whatever a user is called, what is ready passes, and the code stands where the template has it and nowhere else.
    #[test]
    fn what_is_ready_is_what_cognito_takes(name in "(?s).{0,60}|[{}#]{0,12}|\\PC{100,300}") {
        let words = composed(&order(json!({ "given_name": name })), greeting);
        let placeholders = there(Occasion::SignUp);
        let passes = |part, text: &str| refusals(part, text, Occasion::SignUp, false, &placeholders).is_empty();
        match &words.email {
            Outcome::Ready { words: (subject, page), .. } => {
                prop_assert!(passes(Part::Subject, subject) && passes(Part::Email, page));
                prop_assert_eq!((subject.matches("{####}").count(), page.matches("{####}").count()), (0, 1));
            }
            other => prop_assert!(false, "{:?}", other),
        }
        match &words.sms {
            Outcome::Ready { words, .. } => {
                prop_assert!(passes(Part::Sms, words));
                prop_assert_eq!(words.matches("{####}").count(), 1);
            }
            // Of the shortest SMS a name leaves nothing but the code, which is enough.
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
