//! What a user chose cannot make the mail anything else.

use proptest::prelude::*;

use super::*;

/// A template that shows attributes in every place there is.
fn showing() -> Place {
    Place::with(&[
        ("templates/x/en.subject", "New: {{ user.given_name }} {{ user.name }}."),
        (
            "templates/x/en.html",
            "<p title=\"{{ user.given_name }}\">[{{ user.given_name }}|{{ user.custom.plan }}|{{ name }}]</p>",
        ),
        ("templates/x/en.txt", "[{{ user.given_name }}|{{ user.custom.plan }}|{{ name }}]"),
    ])
}

/// Sends to somebody who is called like that, and looks whether it is still the same mail.
fn sent(place: &Place, given_name: &str, plan: &str) -> Seen {
    let mut mail = mail("x", json!({ "given_name": given_name, "name": given_name, "custom:plan": plan }));
    let address = "anna@example.com".parse().unwrap();
    mail.to = vec![cognito_triggers::Mailbox::new(given_name, &address), "ops@acme.example".parse().unwrap()];
    let message = place.send(&mail).unwrap();
    let seen = seen(&message);
    assert_eq!(seen.headers, HEADERS);
    assert_eq!(header_names(&message.raw), HEADERS);
    let addresses: Vec<_> = seen.to.iter().map(|(_, address)| address.as_str()).collect();
    assert_eq!(addresses, ["anna@example.com", "ops@acme.example"]);
    assert_eq!(message.recipients, ["anna@example.com", "ops@acme.example"]);
    assert_eq!(seen.kinds, ["multipart/alternative", "text/plain", "text/html"]);
    assert!(!seen.subject.contains(char::is_control));
    assert!(seen.subject.chars().count() <= 150);
    // One paragraph, and nothing that was not in the template.
    let inner = seen.html.strip_prefix("<p title=\"").and_then(|rest| rest.trim_end().strip_suffix("]</p>")).unwrap();
    let (title, rest) = inner.split_once("\">[").unwrap();
    assert!(!title.contains(['<', '>', '"']) && !rest.contains(['<', '>', '"']), "{inner}");
    for part in [&seen.text, &seen.html] {
        assert!(!part.trim_end().contains(|it: char| it.is_control() || it == '\u{202e}'), "{part:?}");
    }
    seen
}

#[test]
fn nothing_a_user_is_called_makes_a_header_or_a_recipient() {
    let place = showing();
    let long = "x".repeat(10_000);
    let words = "word ".repeat(2_000);
    let hostile = [
        "Anna\r\nBcc: x@evil.example",
        "Anna\nBcc: x@evil.example\n\n<h1>hi",
        "Anna\r\n\r\n--boundary\r\nContent-Type: text/html\r\n\r\n<b>",
        "Anna\u{0}\u{1}\u{7f}",
        "Anna\u{2028}Bcc: x@evil.example\u{2029}\u{85}y",
        "\u{202e}gnp.exe\u{2066}",
        "\"Anna\" <x@evil.example>",
        "Anna\" <x@evil.example>, \"",
        "Anna\\\" <x@evil.example>, \\",
        "a@evil.example, b@evil.example;",
        "group: a@evil.example, b@evil.example;",
        "(comment) <x@evil.example>",
        "=?utf-8?Q?=0D=0ABcc:_x@evil.example?=",
        "=?utf-8?B?DQpCY2M6IHhAZXZpbC5leGFtcGxl?= é",
        "{{ user }}{% raw %}",
        "<script>alert(1)</script>",
        "' onmouseover='alert(1)",
        "🧑‍🚀 الاسم الكامل Ünï",
        &long,
        &words,
    ];
    for name in hostile {
        let seen = sent(&place, name, name);
        assert!(seen.subject.starts_with("New: "), "{}", seen.subject);
    }
    let seen = sent(&place, "=?utf-8?Q?=0D=0ABcc:_x@evil.example?=", "");
    assert!(seen.subject.contains("Q?=0D=0ABcc"), "it is shown as it was written: {}", seen.subject);
    let seen = sent(&place, "Anna\r\nBcc: x@evil.example", "");
    assert_eq!(seen.subject, "New: Anna Bcc: x@evil.example Anna Bcc: x@evil.example.");
}

#[test]
fn a_part_cannot_be_ended_from_within() {
    let place = showing();
    let mail = |name: &str| mail("x", json!({ "given_name": name }));
    // Even one who knows how the boundary of this mail is made cannot have a text that holds its own.
    let raw = String::from_utf8(place.send(&mail("Anna")).unwrap().raw).unwrap();
    let boundary = raw.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let seen = seen(&place.send(&mail(&format!("\r\n--{boundary}--\r\n"))).unwrap());
    assert_eq!(seen.kinds.len(), 3);
    assert!(seen.text.contains(&boundary));
}

#[test]
fn a_greeting_uses_what_is_a_name_and_nothing_else() {
    let called = |user: Value| context::of(&context(json!({ "user": user })))["name"].to_string();
    assert_eq!(called(json!({ "given_name": " Anna\n", "name": "Anna Example" })), "Anna");
    assert_eq!(
        called(json!({ "given_name": "", "name": "Dr. Anna van der Ex-Ample, J.R." })),
        "Dr. Anna van der Ex-Ample, J.R."
    );
    assert_eq!(called(json!({ "nickname": "🧑‍🚀", "preferred_username": "anna" })), "🧑‍🚀");
    assert_eq!(called(json!({ "preferred_username": "anna" })), "anna");
    let links =
        ["You won, see https://evil.example", "evil.example", "www.evil.example", "a@evil.example", "evil.example/x"];
    for link in links {
        assert_eq!(called(json!({ "given_name": link, "nickname": "anna" })), "anna", "{link}");
    }
    assert_eq!(called(json!({ "given_name": "x".repeat(61) })), "");
    assert_eq!(called(json!({})), "");
    assert_eq!(called(json!(null)), "");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_stays_a_text(
        name in "(\\PC|[\r\n\t\0\u{85}\u{2028}\u{202e}<>\"'&,;:@=?\\\\{}%]|=\\?utf-8\\?[QB]\\?|--|[a-z ]){0,80}",
        plan in any::<String>(),
    ) {
        thread_local!(static PLACE: Place = showing());
        PLACE.with(|place| sent(place, &name, &plan));
    }
}
