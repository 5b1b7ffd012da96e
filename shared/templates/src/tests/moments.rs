//! Times and links in templates.

use super::*;

const FILES: [(&str, &str); 4] = [
    ("templates/x/en.subject", "{{ at|day(zone) }}"),
    (
        "templates/x/en.html",
        "<p>{{ at | moment(zone) }}</p>{% if links.not_me %}<a href='{{ links.not_me }}'>no</a>{% endif %}",
    ),
    ("templates/x/en.txt", "{{ at|moment }} / {{ at|moment(user.zoneinfo) }}\n{{ links.not_me }}"),
    ("templates/x/README", ""),
];

fn timed(at: Value, zone: Value) -> Mail {
    let mut mail = mail("x", json!({ "zoneinfo": "Asia/Tokyo" }));
    mail.context.extend(context(json!({ "at": at, "zone": zone })));
    mail
}

/// What is said of `en.txt` with this text, where the rule gives `at` and `zone`.
fn refusal(text: &str) -> Vec<String> {
    let place = Place::with(&FILES);
    place.write("templates/x/en.txt", text);
    let own = context(json!({ "at": "2026-12-24T23:30:00Z", "zone": "" }));
    let samples = sample_contexts().into_iter().map(|sample| sample.into_iter().chain(own.clone()).collect()).collect();
    place.told(&place.templates.check(&TemplateUse::Mail { template: "x".into(), samples }))
}

#[test]
fn a_time_is_worded_in_the_zone_it_is_given() {
    let place = Place::with(&FILES);
    let seen = seen(&place.send(&timed("2026-12-24T23:30:00Z".into(), "Europe/Vienna".into())).unwrap());
    assert_eq!(seen.subject, "25 December 2026");
    assert_eq!(seen.html, "<p>25 December 2026 at 00:30 CET</p>");
    assert_eq!(seen.text.trim_end(), "24 December 2026 at 23:30 UTC / 25 December 2026 at 08:30 JST");
}

#[test]
fn the_page_for_those_who_write_templates_is_right() {
    let page = include_str!("../../../../docs/templates.md");
    let (_, examples) = page.split_once("Filters word times").unwrap();
    let examples: Vec<_> = examples.split("```").nth(1).unwrap().lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(examples.len(), 4);
    let mut mail = timed("2026-12-24T21:00:00Z".into(), "Europe/Vienna".into());
    let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";
    mail.context.insert("user_agent".into(), agent.into());
    for example in examples {
        let (template, words) = example.split_once("}} ").unwrap();
        let template = format!("{template}}}}}");
        let place = Place::with(&[("templates/x/en.subject", &template), ("templates/x/en.txt", &template)]);
        assert_eq!(seen(&place.send(&mail).unwrap()).text.trim_end(), words.trim(), "{template}");
    }
}

#[test]
fn an_unknown_zone_is_utc() {
    let place = Place::with(&FILES);
    for zone in [
        "".into(),
        "Mars/Phobos".into(),
        "../../etc/localtime".into(),
        "a\u{0}b".into(),
        Value::Null,
        json!(7),
        json!({}),
    ] {
        let seen = seen(&place.send(&timed("2026-12-24T23:30:00Z".into(), zone)).unwrap());
        assert_eq!(
            (seen.subject.as_str(), seen.html.as_str()),
            ("24 December 2026", "<p>24 December 2026 at 23:30 UTC</p>")
        );
    }
}

#[test]
fn the_language_is_that_of_the_file_and_nothing_else() {
    let macros = "{% macro when(at) %}{{ at|moment }}{% endmacro %}{{ when(at) }};{% set locale = 'ja' %}{{ at|day }}";
    let imported = "{% from '_m.txt' import when %}{{ when(at) }}";
    let place = Place::with(&[
        ("templates/x/fr.subject", "{{ at|day }}"),
        ("templates/x/fr.txt", macros),
        ("templates/x/de.subject", "{% include '_s.txt' %}"),
        ("templates/x/_s.txt", "{{ at|day }}"),
        ("templates/x/_m.txt", "{% macro when(at) %}{{ at|moment }}{% endmacro %}"),
        ("templates/x/de.txt", imported),
    ]);
    let told = |locales: &[&str]| {
        let mut mail = timed("2027-01-01T09:00:00Z".into(), "".into());
        mail.locales = locales.iter().map(|&it| it.to_owned()).collect();
        let seen = seen(&place.send(&mail).unwrap());
        (seen.subject, seen.text.trim_end().to_owned())
    };
    assert_eq!(told(&["fr"]), ("1er janvier 2027".into(), "1er janvier 2027 à 09:00 UTC;1er janvier 2027".into()));
    assert_eq!(told(&["de-AT"]), ("1. Jänner 2027".into(), "1. Jänner 2027 um 09:00 UTC".into()));
}

#[test]
fn what_is_no_time_is_refused_and_not_told() {
    let place = Place::with(&FILES);
    for at in [
        "".into(),
        "tomorrow".into(),
        "2026-13-01T00:00:00Z".into(),
        "2026-12-24".into(),
        Value::Null,
        json!(1_767_268_800),
    ] {
        let fault = place.send(&timed(at, "".into())).unwrap_err().to_string();
        assert!(fault.contains("`moment` is given is not a time; give it one in RFC 3339"), "{fault}");
        assert!(!fault.contains("tomorrow"), "{fault}");
    }
    let told = refusal("\n{{ name|moment }}");
    assert_eq!(
        told,
        ["templates/x/en.txt:2: what `moment` is given is not a time; give it one in RFC 3339, as the rules do: \
          `{{ at|moment(zone) }}`"]
    );
}

#[test]
fn a_misspelt_name_is_told_though_a_filter_would_take_it() {
    for text in
        ["{{ at|moment(zoen) }}", "{{ att|moment }}", "{{ at|moment(user.zoneifno) }}", "{{ at|moment(zone, zone) }}"]
    {
        assert_eq!(refusal(text).len(), 1, "{text}");
    }
    assert_eq!(
        refusal("{{ at|moment(user.zoneifno) }}"),
        ["templates/x/en.txt:1: `user.zoneifno` is not defined; did you mean `user.zoneinfo`?"]
    );
    assert!(refusal("{{ at|moment(zoen) }}")[0].starts_with("templates/x/en.txt:1: `moment(zoen)` is not defined"));
    assert_eq!(
        refusal("{{ links.not_mee }}"),
        ["templates/x/en.txt:1: `links.not_mee` is not defined; did you mean `links.not_me`?"]
    );
}

#[test]
fn a_link_is_as_it_is_and_empty_where_there_is_none() {
    let place = Place::with(&FILES);
    let mut mail = timed("2026-12-24T23:30:00Z".into(), "".into());
    let sent = |mail: &Mail| seen(&place.send(mail).unwrap());
    assert!(!sent(&mail).html.contains("<a"));
    mail.context.insert("links".into(), json!({}));
    assert!(!sent(&mail).html.contains("<a"));
    let url = "https://links.acme.example/a/?t=A-b_c.D";
    mail.context.insert("links".into(), json!({ "not_me": url, "other": "x" }));
    assert!(sent(&mail).html.ends_with(&format!("<a href='{url}'>no</a>")));
    assert!(sent(&mail).text.trim_end().ends_with(&format!("\n{url}")));
    // No link of ours has such characters; if one had, it would stay inside its attribute.
    mail.context.insert("links".into(), json!({ "not_me": "https://a.example/'onclick='x&<b>\r\n" }));
    assert!(
        sent(&mail)
            .html
            .ends_with("<a href='https:&#x2f;&#x2f;a.example&#x2f;&#x27;onclick=&#x27;x&amp;&lt;b&gt;'>no</a>")
    );
}

#[test]
fn a_template_is_tried_with_links_and_without() {
    assert_eq!(
        refusal("{% if links.unsubscribe %}{{ linsk }}{% endif %}"),
        ["templates/x/en.txt:1: `linsk` is not defined; did you mean `links`?"]
    );
    assert_eq!(
        refusal("{% if not links.unsubscribe %}{{ linsk }}{% endif %}"),
        ["templates/x/en.txt:1: `linsk` is not defined; did you mean `links`?"]
    );
}
