//! The templates that are built in.

mod messages;
mod words;

use super::*;

const LOCALES: [&str; 7] = ["en", "de", "fr", "es", "pl", "ja", "ar"];

fn newcomers(count: usize) -> Vec<Map<String, Value>> {
    let newcomer = |nth: usize| {
        context(json!({
            "user": { "sub": format!("sub-{nth}"), "email": format!("<b>{nth}@example.com"), "name": format!("<i>User {nth}") },
            "user_name": format!("user-name-{nth}"),
            "pool": "eu-central-1_<Example>",
            "at": "2026-01-31T12:34:56Z",
            "met": if nth.is_multiple_of(2) { "confirmed" } else { "signed-in" },
        }))
    };
    (0..count).map(newcomer).collect()
}

#[test]
fn every_language_of_every_template_greets_everybody() {
    let place = Place::with(&[]);
    let users = [json!({ "sub": "s" }), json!({ "given_name": "Zoë <b>", "email": "zoë&co@example.com" })];
    for (template, locale, user) in ["welcome-email", "admin-notice"]
        .iter()
        .flat_map(|it| LOCALES.map(|locale| (it, locale)))
        .flat_map(|(template, locale)| users.iter().map(move |user| (template, locale, user)))
    {
        let mut mail = mail(template, user.clone());
        mail.locales = vec![locale.into()];
        mail.context.insert("at".into(), "2026-01-31T12:34:56Z".into());
        mail.context.insert("met".into(), "confirmed".into());
        let seen = seen(&place.send(&mail).unwrap());
        let dir = if locale == "ar" { "rtl" } else { "ltr" };
        assert!(seen.html.contains(&format!("<html lang=\"{locale}\" dir=\"{dir}\">")));
        assert!(
            !seen.html.contains("<b>") && !seen.html.contains("http:") && !seen.html.contains("https:"),
            "nothing from afar"
        );
        assert!(!seen.text.contains("\n\n\n") && !seen.text.contains('{'), "{:?}", seen.text);
        if template == &"welcome-email" {
            assert!(seen.subject.contains("Acme"), "{}", seen.subject);
            assert_eq!(seen.text.contains("zoë&co@example.com"), user.get("email").is_some());
        }
    }
}

#[test]
fn a_welcome_reads_well_with_a_name_and_without() {
    let place = Place::with(&[]);
    let text = |user: Value| seen(&place.send(&mail("welcome-email", user)).unwrap()).text;
    let rest = "If you did not open an account, please reply to this mail and we will look into it.";
    assert_eq!(text(json!({})), format!("Hello,\n\nYour account is ready.\n\n{rest}"));
    let anna = json!({ "given_name": "Anna", "email": "anna@example.com" });
    let known = "Your account is ready. It belongs to the address anna@example.com.";
    assert_eq!(text(anna), format!("Hello Anna,\n\n{known}\n\n{rest}"));
}

#[test]
fn a_notice_lists_whom_it_stands_for() {
    let place = Place::with(&[]);
    let send = |count: usize| seen(&place.send_all(&mail("admin-notice", json!({})), &newcomers(count)).unwrap());
    let one = send(1);
    assert_eq!(one.subject, "New user: <i>User 0");
    let expected = "New user\n\n<i>User 0\n<b>0@example.com\nuser-name-0\nConfirmed, 2026-01-31 12:34 UTC\n\n\
        User pool: eu-central-1_<Example>";
    assert_eq!(one.text, expected);
    assert!(!one.html.contains("<i>") && !one.html.contains("<b>") && one.html.contains("&lt;i&gt;User 0"));
    let two = send(2);
    assert_eq!(two.subject, "2 new users");
    assert!(two.text.contains("First seen at a sign-in, 2026-01-31 12:34 UTC"));
    let hundred = send(100);
    assert!(hundred.text.contains("User 99") && !hundred.text.contains("more"));
    let many = send(400);
    assert_eq!(many.subject, "400 new users");
    for part in [&many.text, &many.html] {
        assert!(part.contains("User 99") && !part.contains("User 100") && part.contains("and 300 more"));
    }
}

#[test]
fn a_notice_says_as_much_of_the_name_as_is_known() {
    let place = Place::with(&[]);
    let subject = |user: Value| {
        let mut mail = mail("admin-notice", user);
        mail.context.insert("at".into(), "2026-01-31T12:34:56Z".into());
        mail.context.insert("met".into(), "confirmed".into());
        let seen = seen(&place.send(&mail).unwrap());
        let called = seen.subject.trim_start_matches("New user: ").to_owned();
        assert!(seen.text.starts_with(&format!("New user\n\n{called}\n")), "{}", seen.text);
        called
    };
    let anna = json!({ "given_name": "Anna", "family_name": "Schmidt", "nickname": "anni", "sub": "s" });
    assert_eq!(subject(anna), "Anna Schmidt");
    assert_eq!(subject(json!({ "family_name": "Schmidt", "sub": "s" })), "Schmidt");
    assert_eq!(subject(json!({ "name": "Anna S.", "given_name": "Anna", "sub": "s" })), "Anna S.");
    assert_eq!(subject(json!({ "nickname": "anni", "email": "anna@example.com", "sub": "s" })), "anni");
    assert_eq!(subject(json!({ "email": "anna@example.com", "sub": "s" })), "anna@example.com");
    assert_eq!(subject(json!({ "sub": "s" })), "s");
}

#[test]
fn a_folder_of_the_same_name_takes_the_place_of_one_that_is_built_in() {
    let place =
        Place::with(&[("templates/welcome-email/it.subject", "Ciao"), ("templates/welcome-email/it.txt", "Ciao")]);
    assert_eq!(
        seen(&place.send(&mail("welcome-email", json!({}))).unwrap()).subject,
        "Ciao",
        "as a whole, in all languages"
    );
}
