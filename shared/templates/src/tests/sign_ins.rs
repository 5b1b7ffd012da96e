//! The built-in templates of the rules about sign-ins.

use std::fmt::Write as _;

use super::*;

const LOCALES: [&str; 7] = ["en", "de", "fr", "es", "pl", "ja", "ar"];
const TEMPLATES: [&str; 5] = ["sign-in-alert", "password-warning", "win-back", "win-back-absent", "not-me-notice"];
const LINK: &str = "https://links.acme.example/?t=MQpub3QtbWUKMTc2NzI2ODgwMA.c2VhbC1zZWFs_-";

/// What a rule gives a template: everything it may know, then as little as it may.
fn given(template: &str) -> [Value; 2] {
    let (at, zone) = ("2026-12-24T21:00:00Z", "Europe/Vienna");
    let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";
    match template {
        "sign-in-alert" => [
            json!({ "client_name": "Acme <i> Shop", "at": at, "zone": zone, "new_device": true, "ip": "203.0.113.7",
                "user_agent": agent, "links": { "not_me": LINK } }),
            json!({ "client_name": "", "at": at, "zone": "", "new_device": false, "ip": "", "user_agent": "" }),
        ],
        "password-warning" => [json!({ "expires": at, "zone": zone }), json!({ "expires": at, "zone": "" })],
        "not-me-notice" => [
            json!({ "user": {}, "sub": "sub-of-anna", "user_name": "anna <i>", "at": at, "signed_out": true,
                "new_password": true }),
            json!({ "user": {}, "sub": "sub-of-anna", "user_name": "", "at": at, "signed_out": true,
                "new_password": false }),
        ],
        _ => [
            json!({ "last": at, "days": 97, "zone": zone, "links": { "unsubscribe": LINK } }),
            json!({ "last": at, "days": 1, "zone": "" }),
        ],
    }
}

fn filled(template: &str, locale: &str, user: Value, given: Value) -> Mail {
    let mut mail = mail(template, user);
    mail.locales = vec![locale.into()];
    mail.context.extend(context(given));
    mail
}

#[test]
fn every_mail_in_every_language() {
    let place = Place::with(&[]);
    for template in TEMPLATES {
        let mut all = String::new();
        for locale in LOCALES {
            let [known, unknown] = given(template);
            let anna = json!({ "given_name": "Anna", "email": "anna@example.com" });
            for (user, given) in [(anna, known), (json!({}), unknown)] {
                let seen = seen(&place.send(&filled(template, locale, user, given)).unwrap());
                let _ = write!(all, "==== {locale}: {}\n\n{}\n\n", seen.subject, seen.text.trim_end());
            }
        }
        insta::assert_snapshot!(template, all);
    }
}

#[test]
fn pages_escape_what_users_chose_and_load_nothing_from_afar() {
    let place = Place::with(&[]);
    for (template, locale) in TEMPLATES.into_iter().flat_map(|it| LOCALES.map(|locale| (it, locale))) {
        for given in given(template) {
            let link = given.pointer("/links").and_then(|links| links.as_object()?.values().next()?.as_str());
            let link = link.map(str::to_owned);
            let user = json!({ "given_name": "Zoë <i>", "email": "zoë&co@example.com" });
            let seen = seen(&place.send(&filled(template, locale, user, given)).unwrap());
            let dir = if locale == "ar" { "rtl" } else { "ltr" };
            assert!(seen.html.contains(&format!("<html lang=\"{locale}\" dir=\"{dir}\">")));
            assert!(!seen.html.contains("<i>") && !seen.html.contains("<img") && !seen.html.contains("url("));
            // The one address there is that of the link, as it is.
            let addresses: Vec<_> = seen.html.match_indices("http").collect();
            assert_eq!(addresses.len(), usize::from(link.is_some()), "{template} {locale}");
            if let Some(link) = link {
                assert!(seen.html.contains(&format!("href=\"{link}\"")), "{}", seen.html);
                assert!(seen.text.lines().any(|line| line == link), "on a line of its own: {}", seen.text);
            }
            assert!(!seen.text.contains("\n\n\n") && !seen.text.contains('{'), "{:?}", seen.text);
            assert!(!seen.subject.contains('{') && seen.subject.chars().count() <= 80, "{}", seen.subject);
        }
    }
}

#[test]
fn every_sample_can_be_written_to() {
    let place = Place::with(&[]);
    for (template, sample) in
        TEMPLATES.into_iter().flat_map(|it| sample_contexts().into_iter().map(move |sample| (it, sample)))
    {
        for given in given(template) {
            for locale in LOCALES {
                let mut mail = mail(template, json!({}));
                mail.locales = vec![locale.into()];
                mail.context = sample.clone();
                mail.context.extend(context(given.clone()));
                let seen = seen(&place.send(&mail).unwrap());
                assert!(!seen.html.contains("<script>") && !seen.subject.contains('\n'));
            }
        }
    }
}

#[test]
fn an_alert_says_where_as_far_as_that_is_known() {
    let place = Place::with(&[]);
    let text = |ip: &str, user_agent: &str| {
        let [_, mut given] = given("sign-in-alert");
        (given["ip"], given["user_agent"]) = (ip.into(), user_agent.into());
        seen(&place.send(&filled("sign-in-alert", "en", json!({}), given)).unwrap()).text
    };
    assert!(text("", "").contains("From where: not known\n"));
    assert!(text("2001:db8::1", "").contains("IP address: 2001:db8::1\nBrowser: not known\n"));
    assert!(text("", "Acme/3.2").contains("IP address: not known\nBrowser: Acme/3.2\n"));
}

#[test]
fn times_are_those_of_the_reader() {
    let place = Place::with(&[]);
    let text = |locales: &[&str], zone: &str| {
        let mut mail =
            filled("password-warning", "", json!({}), json!({ "expires": "2027-01-31T21:00:00Z", "zone": zone }));
        mail.locales = locales.iter().map(|&it| it.to_owned()).collect();
        seen(&place.send(&mail).unwrap()).text
    };
    assert!(text(&["de-AT", "en"], "Europe/Vienna").contains("31. Jänner 2027 um 22:00 MEZ"));
    assert!(text(&["en-US"], "America/Chicago").contains("January 31, 2027 at 3:00 PM CST"));
    assert!(text(&["it", "en"], "Nowhere/At_All").contains("31 January 2027 at 21:00 UTC"));
}

/// Names, zones, browsers and whatever else somebody chose, in every mail and every language: one line where there is one, no
/// markup, nothing that turns the text around, and no header of its own.
#[test]
fn whatever_somebody_chose_stays_a_text() {
    let place = Place::with(&[]);
    let long = "W".repeat(2048);
    let hostile = [
        "<script>alert(1)</script><img src=http://evil.example/x>",
        "a\r\nBcc: eve@evil.example\r\n\r\n<b>",
        "\u{202e}gnp.exe\u{2066}",
        "\0\u{1b}[2J",
        "{{ user }}{% for x in 1 %}",
        "\"onmouseover=\"alert(1)",
        long.as_str(),
    ];
    for (template, locale) in TEMPLATES.into_iter().flat_map(|it| LOCALES.map(|locale| (it, locale))) {
        for text in hostile {
            let [mut given, _] = given(template);
            for (name, value) in given.as_object_mut().unwrap() {
                if value.is_string() && !["at", "expires", "last"].contains(&name.as_str()) {
                    *value = text.into();
                }
            }
            let user = json!({ "given_name": text, "name": text, "email": text, "zoneinfo": text, "locale": text });
            let message = place.send(&filled(template, locale, user, given)).unwrap();
            let names = header_names(&message.raw);
            assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("bcc")), "{names:?}");
            let seen = seen(&message);
            assert!(
                !seen.subject.contains(char::is_control) && seen.subject.chars().count() <= 150,
                "{}",
                seen.subject
            );
            for part in [&seen.subject, &seen.text, &seen.html] {
                let odd = |it: char| (it.is_control() && it != '\n' && it != '\r') || "\u{202e}\u{2066}".contains(it);
                assert!(!part.contains(odd), "{template} {locale}: {part:?}");
            }
            for markup in ["<script", "<img", "<b>", "\"onmouseover"] {
                assert!(!seen.html.contains(markup), "{template} {locale}: {markup}");
            }
        }
    }
}
