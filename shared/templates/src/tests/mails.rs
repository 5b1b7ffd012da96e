//! What a mail is made of.

use cognito_triggers::{FaultKind, Outlook};

use super::*;

#[test]
fn a_mail_has_both_parts_and_the_headers_of_a_mail() {
    let place = Place::with(&[
        ("templates/hello/en.subject", "Hello {{ name or 'there' }}\n"),
        ("templates/hello/en.html", "<p>Plan &amp; price: {{ user.custom.plan }}</p>\n"),
        ("templates/hello/en.txt", "Plan: {{ user['custom:plan'] }}\n"),
    ]);
    let mail = mail("hello", json!({ "given_name": "Zoë", "custom:plan": "pro <1>" }));
    let message = place.send(&mail).unwrap();
    let seen = seen(&message);
    assert_eq!(seen.headers, HEADERS);
    assert_eq!(header_names(&message.raw), HEADERS);
    assert_eq!(seen.subject, "Hello Zoë");
    assert_eq!(seen.from, [(Some("Acme".into()), "hello@acme.example".into())]);
    assert_eq!(seen.to, [(None, "anna@example.com".into())]);
    assert_eq!(seen.kinds, ["multipart/alternative", "text/plain", "text/html"]);
    assert_eq!((seen.text.trim(), seen.html.trim()), ("Plan: pro <1>", "<p>Plan &amp; price: pro &lt;1&gt;</p>"));
    assert_eq!((message.from.as_str(), message.recipients), ("hello@acme.example", vec!["anna@example.com".into()]));
    let tags: Vec<_> = message.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(tags, [("rule", "welcome-email"), ("template", "hello")]);
    let lines = header_lines(&message.raw);
    for line in ["Date: Sat, 31 Jan 2026 12:00:00 +0000", "Auto-Submitted: auto-generated", "Content-Language: en"] {
        assert!(lines.iter().any(|it| it == line), "{line}");
    }
}

#[test]
fn a_text_is_derived_from_the_page_where_none_is_written() {
    let place = Place::with(&[
        ("templates/hello/en.subject", "Hello"),
        ("templates/hello/en.html", "<p>Hi {{ name }}, <a href=\"https://acme.example/start\">begin here</a>.</p>"),
    ]);
    let seen = seen(&place.send(&mail("hello", json!({ "given_name": "A & B" }))).unwrap());
    assert_eq!(seen.text, "Hi A & B, begin here (https://acme.example/start).\n");
}

#[test]
fn a_mail_may_be_plain_text_alone() {
    let place = Place::with(&[
        ("templates/x/en.subject", "Hello"),
        ("templates/x/en.txt", "Hi\n{% if name %}\n<{{ name }}>\n{% endif %}\nBye\n"),
    ]);
    let seen = seen(&place.send(&mail("x", json!({ "given_name": "Zoë" }))).unwrap());
    assert_eq!((seen.kinds, seen.text.as_str()), (vec!["text/plain".to_owned()], "Hi\n<Zoë>\nBye"));
}

#[test]
fn the_same_mail_has_the_same_bytes_and_another_delivery_another_id() {
    let place = Place::with(&[]);
    let mail = mail("welcome-email", json!({ "given_name": "Anna", "email": "anna@example.com" }));
    let first = place.send(&mail).unwrap();
    assert!(place.send(&mail).unwrap() == first);
    let message_id = |message: &Message| {
        header_lines(&message.raw).into_iter().find(|line| line.starts_with("Message-ID: ")).unwrap()
    };
    let line = message_id(&first);
    assert!(line.ends_with("@acme.example>") && !line.contains("1111") && !line.contains("anna"), "{line}");
    for other in [
        DeliveryId { sub: "2".into(), ..id() },
        DeliveryId { pool: "p".into(), ..id() },
        DeliveryId { key: "k".into(), ..id() },
    ] {
        let entries = std::slice::from_ref(&mail.context);
        let message = place.templates.mail(&other, &mail, entries, &sender(), now()).unwrap();
        assert_ne!(message_id(&message), line);
    }
}

#[test]
fn the_rule_may_name_the_sender_and_where_answers_go() {
    let place = Place::with(&[
        ("templates/x/en.subject", "{{ sender.name }} {{ sender.address }}"),
        ("templates/x/en.txt", "x"),
    ]);
    let sender = Sender { reply_to: vec!["help@acme.example".parse().unwrap()], ..sender() };
    let mut mail = mail("x", json!({}));
    let send = |mail: &Mail| {
        let message = place.templates.mail(&id(), mail, &[], &sender, now()).unwrap();
        let reply_to = header_lines(&message.raw).into_iter().find(|line| line.starts_with("Reply-To")).unwrap();
        (message.from.clone(), seen(&message).subject, reply_to)
    };
    let told = |from: &str, subject: &str, reply_to: &str| (from.into(), subject.into(), reply_to.into());
    assert_eq!(send(&mail), told("hello@acme.example", "Acme hello@acme.example", "Reply-To: <help@acme.example>"));
    mail.from = Some("Globex <a@globex.example>".parse().unwrap());
    mail.reply_to = vec!["b@globex.example".parse().unwrap(), "\"C, D\" <c@globex.example>".parse().unwrap()];
    let expected = told(
        "a@globex.example",
        "Globex a@globex.example",
        "Reply-To: <b@globex.example>, \"C, D\" <c@globex.example>",
    );
    assert_eq!(send(&mail), expected);
}

#[test]
fn names_and_domains_of_the_world_come_out_right() {
    let place = Place::with(&[]);
    let mut mail = mail("welcome-email", json!({}));
    mail.to = vec![
        "Zoë Müller <zoe@bücher.example>".parse().unwrap(),
        "الاسم <a@example.com>".parse().unwrap(),
        "\"Acme, \\\"Inc.\\\" (x)\" <b@example.com>".parse().unwrap(),
    ];
    let message = place.send(&mail).unwrap();
    let expected: Vec<(Option<String>, String)> = vec![
        (Some("Zoë Müller".into()), "zoe@xn--bcher-kva.example".into()),
        (Some("الاسم".into()), "a@example.com".into()),
        (Some("Acme, \"Inc.\" (x)".into()), "b@example.com".into()),
    ];
    assert_eq!(seen(&message).to, expected);
    assert_eq!(message.recipients, ["zoe@xn--bcher-kva.example", "a@example.com", "b@example.com"]);
}

#[test]
fn the_language_is_the_nearest_and_told_to_the_template_and_the_reader() {
    let place = Place::with(&[
        ("templates/x/en.subject", "{{ locale }} {{ dir }}"),
        ("templates/x/en.txt", "x"),
        ("templates/x/AR_eg.subject", "{{ locale }} {{ dir }}"),
        ("templates/x/AR_eg.txt", "x"),
        ("templates/x/de-DE.subject", "{{ locale }} {{ dir }}"),
        ("templates/x/de-DE.txt", "x"),
    ]);
    let told = |locales: &[&str]| {
        let locales = locales.iter().map(|&it| it.to_owned()).collect();
        let message = place.send(&Mail { locales, ..mail("x", json!({})) }).unwrap();
        let language = header_lines(&message.raw)
            .into_iter()
            .find_map(|it| it.strip_prefix("Content-Language: ").map(str::to_owned));
        (seen(&message).subject, language.unwrap())
    };
    assert_eq!(told(&["de-AT", "en"]), ("de-DE ltr".into(), "de-DE".into()));
    assert_eq!(told(&["ar-EG"]), ("ar-EG rtl".into(), "ar-EG".into()));
    assert_eq!(told(&["<b>", "fr"]), ("en ltr".into(), "en".into()));
}

#[test]
fn a_digest_has_the_values_of_every_entry() {
    let place = Place::with(&[
        ("templates/x/en.subject", "{{ count }}: {{ user.email }}"),
        (
            "templates/x/en.txt",
            "{% for entry in entries %}{{ entry.user.email }}={{ entry.name }}={{ entry.at }};{% endfor %}",
        ),
    ]);
    let entry = |email: &str, at: &str| context(json!({ "user": { "email": email, "name": "N" }, "at": at }));
    let entries = [entry("a@x.example", "1"), entry("b@x.example", "2")];
    let seen = seen(&place.send_all(&mail("x", json!({})), &entries).unwrap());
    assert_eq!((seen.subject.as_str(), seen.text.as_str()), ("2: a@x.example", "a@x.example=N=1;b@x.example=N=2;"));
}

#[test]
fn what_no_service_takes_is_refused_for_good() {
    let place = Place::with(&[("templates/x/en.subject", "x"), ("templates/x/en.txt", "{{ big|default('') }}")]);
    let refused = |mail: &Mail| {
        let fault = place.send(mail).unwrap_err();
        assert_eq!((fault.outlook(), fault.kind()), (Outlook::Permanent, FaultKind::Configuration));
        assert!(!fault.to_string().contains("example"), "no address in a log: {fault}");
        fault.to_string()
    };
    let small = mail("x", json!({}));
    let to = |count: usize| (0..count).map(|nth| format!("a{nth}@example.com").parse().unwrap()).collect();
    assert!(place.send(&Mail { to: to(50), ..small.clone() }).is_ok());
    assert_eq!(refused(&Mail { to: to(51), ..small.clone() }), "the mail has 51 recipients: a mail takes 1 to 50");
    assert_eq!(refused(&Mail { to: to(0), ..small.clone() }), "the mail has 0 recipients: a mail takes 1 to 50");
    let mut large = small.clone();
    large.context.insert("big".into(), "x ".repeat(5_000_000).into());
    assert!(refused(&large).ends_with("bytes: a mail takes 10000000"));
    for odd in ["zoë@example.com", "\"a,b\"@example.com"] {
        let Ok(odd) = odd.parse() else { panic!("{odd} is a mailbox") };
        assert_eq!(
            refused(&Mail { to: vec![odd], ..small.clone() }),
            "an address of the mail has characters no mail service takes"
        );
    }
}
