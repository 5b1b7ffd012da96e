//! What mail programs are told about unsubscribing.

use cognito_triggers::{FaultKind, Outlook};
use mail_parser::HeaderValue;

use super::*;

fn place() -> Place {
    Place::with(&[("templates/x/en.subject", "x"), ("templates/x/en.txt", "{{ links.unsubscribe }}")])
}

fn with(url: &str) -> Mail {
    let mut mail = mail("x", json!({}));
    mail.unsubscribe = Some("unsubscribe".into());
    mail.context.insert("links".into(), json!({ "unsubscribe": url }));
    mail
}

/// A URL of so many characters.
fn url(length: usize) -> String {
    let start = "https://abcdefghijklmnopqrstuvwxyz.lambda-url.eu-central-1.on.aws/?t=";
    let token = "AZaz09-_.".chars().cycle().take(length - start.len());
    start.chars().chain(token).collect()
}

#[test]
fn a_mail_says_how_to_unsubscribe_with_one_click() {
    let place = place();
    for url in ["https://links.acme.example/?t=a.b", &url(300), &url(900)] {
        let message = place.send(&with(url)).unwrap();
        // "The List-Unsubscribe header field needs to have one HTTPS URI" and "the List-Unsubscribe-Post header MUST contain
        // the single key/value pair List-Unsubscribe=One-Click" (RFC 8058, section 3.1).
        let text = String::from_utf8(message.raw.clone()).unwrap();
        let expected =
            format!("\r\nList-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
        assert!(text.contains(&expected), "each on one line, whatever its length: {text}");
        header_lines(&message.raw);
        let parsed = MessageParser::default().parse(&message.raw).unwrap();
        let HeaderValue::Address(list) = parsed.list_unsubscribe() else { panic!("{:?}", parsed.list_unsubscribe()) };
        assert_eq!(list.first().unwrap().address(), Some(url));
        let post = parsed.header("List-Unsubscribe-Post").unwrap();
        assert_eq!(post.as_text(), Some("List-Unsubscribe=One-Click"));
        assert_eq!(seen(&message).text.trim_end(), url, "whole in the text as well");
    }
}

#[test]
fn other_mails_say_nothing_of_it() {
    let place = place();
    let mail = Mail { unsubscribe: None, ..with("https://links.acme.example/?t=a.b") };
    let names = header_names(&place.send(&mail).unwrap().raw);
    assert!(!names.iter().any(|name| name.starts_with("List-")), "{names:?}");
}

#[test]
fn nothing_is_sent_without_the_link_that_was_promised() {
    let place = place();
    let refused = |mail: &Mail| {
        let fault = place.send(mail).unwrap_err();
        assert_eq!((fault.outlook(), fault.kind()), (Outlook::Permanent, FaultKind::Configuration));
        fault.to_string()
    };
    let mut without = with("x");
    for links in [json!({}), json!({ "not_me": "https://a.example" }), json!({ "unsubscribe": 7 }), Value::Null] {
        without.context.insert("links".into(), links);
        assert_eq!(refused(&without), "the mail has no link `unsubscribe` to unsubscribe with");
    }
    without.context.remove("links");
    assert_eq!(refused(&without), "the mail has no link `unsubscribe` to unsubscribe with");
    for odd in [
        "",
        "https://a.example/ x",
        "https://a.example/\r\nBcc: x@evil.example",
        "https://a.example/>,<mailto:x@evil.example",
        "https://bücher.example/",
        &url(901),
    ] {
        let fault = refused(&with(odd));
        assert_eq!(fault, "the link `unsubscribe` cannot stand in a header: use a plain URL of at most 900 characters");
    }
}
