//! Links of mails: made by whoever sends the mail, at the time it is sent, and stored nowhere.

use super::*;
use crate::Keys;
use crate::links::{Link, LinkPurpose, LinkWish, Links, Unusable};

const PAGE: &str = "https://links.acme.example";

fn keys() -> Keys {
    Keys::from_root(&[9; 32])
}

fn links() -> Links {
    Links::to(PAGE).unwrap()
}

/// A mail with two links, each for another number of days.
fn with_links() -> Task {
    let wish = |purpose, about: &str, days| LinkWish { purpose, about: about.into(), days };
    Task::Mail(Mail {
        context: json!({ "to": "anna" }).as_object().unwrap().clone(),
        links: [
            ("not_me".to_owned(), wish(LinkPurpose::NotMe, "2026-01-01T12:00:00Z", 7)),
            ("unsubscribe".to_owned(), wish(LinkPurpose::Unsubscribe, "sign-in-alert", 365)),
        ]
        .into(),
        unsubscribe: Some("unsubscribe".into()),
        ..Mail::new("sign-in-alert", vec!["anna@example.com".parse().unwrap()])
    })
}

fn configured(keys: Keys, links: Links) -> Bench {
    let mut bench = bench(|_| Ok(()));
    bench.courier.services = Services { keys, links, ..bench.courier.services };
    bench
}

/// What the template of each mail was filled with.
fn entries(bench: &Bench) -> Vec<Vec<Value>> {
    bench.world.sent.lock().unwrap().iter().map(|it| serde_json::from_slice(&it.raw).unwrap()).collect()
}

fn read(entry: &Value, name: &str, now: Timestamp) -> Result<Link, Unusable> {
    let url = entry["links"][name].as_str().unwrap_or_else(|| panic!("{entry} has no link {name}"));
    let token = url.strip_prefix(PAGE).and_then(|rest| rest.strip_prefix("/?t=")).expect("it leads elsewhere");
    Link::read(token, &keys(), now)
}

#[test]
fn links_are_made_when_the_mail_is_sent_and_not_stored() {
    let bench = configured(keys(), links());
    bench.stage(vec![bench.delivery("anna", with_links())]);
    let stored = serde_json::to_string(&bench.left()).unwrap();
    assert!(!stored.contains(PAGE) && !stored.contains("?t="), "{stored}");
    // It waits for some days; the link does not grow old meanwhile.
    bench.pass(SignedDuration::from_hours(100));
    let sent = bench.time();
    assert_eq!(bench.sweep().done(), 1);
    let [entry] = &entries(&bench)[0][..] else { panic!("not one entry") };
    assert_eq!(entry["to"], "anna", "the rest of the context is missing");
    let link = |purpose, about: &str, days: i64| Link {
        purpose,
        about: about.into(),
        pool: "p".into(),
        sub: "anna".into(),
        expires: sent + SignedDuration::from_hours(24_i64 * days),
    };
    let not_me = link(LinkPurpose::NotMe, "2026-01-01T12:00:00Z", 7);
    assert_eq!(read(entry, "not_me", sent), Ok(not_me.clone()));
    assert_eq!(read(entry, "unsubscribe", sent), Ok(link(LinkPurpose::Unsubscribe, "sign-in-alert", 365)));
    assert_eq!(read(entry, "not_me", not_me.expires), Err(Unusable::Expired));
}

#[test]
fn links_of_a_mail_that_is_tried_again_are_those_of_the_last_try() {
    let mut bench = bench(|number| if number == 0 { fails(Outlook::Transient) } else { Ok(()) });
    bench.courier.services = Services { keys: keys(), links: links(), ..bench.courier.services };
    bench.stage(vec![bench.delivery("anna", with_links())]);
    assert_eq!(bench.sweep().retried, 1);
    bench.pass(SignedDuration::from_hours(10));
    let sent = bench.time();
    assert_eq!(bench.sweep().done(), 1);
    assert_eq!(
        read(&entries(&bench)[0][0], "not_me", sent).unwrap().expires,
        sent + SignedDuration::from_hours(7 * 24)
    );
}

#[test]
fn a_mail_without_links_needs_neither_key_nor_page() {
    let bench = configured(Keys::default(), Links::default());
    bench.stage_mail("anna");
    assert_eq!(bench.sweep().done(), 1);
    assert_eq!(entries(&bench)[0][0].get("links"), None);
}

#[test]
fn where_a_key_or_the_page_is_missing_the_mail_waits_until_somebody_mends_it() {
    for (keys_there, links_there, expected) in [
        (Keys::default(), links(), "there is no root key to sign a link with: set TRIGGERS_KEY"),
        (
            keys(),
            Links::default(),
            "nothing says where links lead: add `links = \"https://...\"` under [services] or set TRIGGERS_LINKS",
        ),
    ] {
        let mut bench = configured(keys_there, links_there);
        bench.stage(vec![bench.delivery("anna", with_links())]);
        bench.stage_mail("bea");
        let round = bench.sweep();
        assert_eq!((round.retried, round.parked, round.done()), (1, 0, 1), "others have no part in it");
        let failure = &round.failures[0];
        assert_eq!((failure.kind, failure.fault.as_str(), failure.fate), (FaultKind::Configuration, expected, "later"));
        let [waits] = &bench.left()[..] else { panic!("it is gone") };
        assert_eq!((waits.fault.as_deref(), waits.parked), (Some(expected), None));
        bench.courier.services = Services { keys: keys(), links: links(), ..bench.courier.services };
        bench.pass(SignedDuration::from_hours(1));
        assert_eq!(bench.sweep().done(), 1);
        assert!(read(&entries(&bench)[1][0], "not_me", bench.time()).is_ok());
    }
}

/// Administrators hear of many users in one mail; a link in it can only be about one of them.
#[test]
fn entries_of_a_digest_share_no_link() {
    let bench = configured(keys(), links());
    let Task::Mail(mail) = with_links() else { panic!() };
    let task = Task::Mail(Mail { digest: Some("day/1".into()), ..mail });
    let subs = ["anna", "bea"];
    bench.stage(subs.iter().map(|sub| bench.delivery(sub, task.clone())).collect());
    assert_eq!(bench.sweep().done(), 2);
    let mut about: Vec<String> =
        entries(&bench).iter().flatten().map(|entry| read(entry, "unsubscribe", bench.time()).unwrap().sub).collect();
    about.sort();
    assert_eq!(about, subs);
}
