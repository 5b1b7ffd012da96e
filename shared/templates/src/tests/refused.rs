//! Templates that are wrong, and what is said about them.

use cognito_triggers::{FaultKind, Outlook};

use super::*;

#[test]
fn everything_wrong_is_told_at_once_with_file_line_and_remedy() {
    let place = Place::with(&[
        ("templates/x/en.subject", "Hello {{ user.gvien_name }}"),
        ("templates/x/en.html", "<p>\n{{ given_name }}</p>"),
        ("templates/x/en.txt", "{% if user.zoneinfo == 'nobody is here' %}\n\n{{ user.nicknam }}{% endif %}"),
        ("templates/x/de.html", "{{ user.email"),
        ("templates/x/fr.subject", "Bonjour"),
        ("templates/x/german.subject", "Hallo"),
    ]);
    assert_eq!(
        place.check("x"),
        [
            "templates/x/de.html:1: this cannot be read as a template: unexpected end of input, expected end of variable \
             block; close every `{{` and `{%`, and write `{{ '{{' }}` where braces are meant",
            "templates/x/german.subject:1: `german` is not a language; name it like `en.subject` or `de-AT.subject`",
            "templates/x/de.html:1: the language de has no subject; add `de.subject`, or begin the name with `_` if it is to \
             be included",
            "templates/x/fr.subject:1: the language fr has a subject and no text; add `fr.html` or `fr.txt`",
            "templates/x/en.subject:1: `user.gvien_name` is not defined; did you mean `user.given_name`?",
            "templates/x/en.txt:3: `user.nicknam` is not defined; did you mean `user.nickname`?",
        ]
    );
    for file in ["de.html", "fr.subject", "german.subject"] {
        fs::remove_file(place.path(&format!("templates/x/{file}"))).unwrap();
    }
    place.write("templates/x/en.subject", "Hello");
    place.write("templates/x/en.txt", "Hello {{ client.x.y }} {{ entries[7].user.sub }}");
    assert_eq!(
        place.check("x"),
        [
            "templates/x/en.html:2: `given_name` is not defined; did you mean `user.given_name`?",
            "templates/x/en.txt:1: `client.x` is not defined; see docs/templates.md for what is; or ask `is defined` before",
        ]
    );
}

#[test]
fn a_template_that_was_mended_is_read_again_and_one_that_was_right_is_not() {
    let place = Place::with(&[("templates/x/en.subject", "Hello"), ("templates/x/en.txt", "{{ plan }}")]);
    let mail = mail("x", json!({ "email": "anna@example.com" }));
    let fault = place.send(&mail).unwrap_err();
    assert_eq!((fault.kind(), fault.outlook()), (FaultKind::Configuration, Outlook::Transient));
    assert_eq!(
        place.short(&fault.to_string()),
        "the template `x` is refused: templates/x/en.txt:1: `plan` is not defined; see docs/templates.md for what is; or \
         ask `is defined` before"
    );
    place.write("templates/x/en.txt", "mended");
    assert_eq!(seen(&place.send(&mail).unwrap()).text, "mended");
    place.write("templates/x/en.txt", "changed");
    assert_eq!(seen(&place.send(&mail).unwrap()).text, "mended", "it was read once");
}

#[test]
fn one_wrong_language_refuses_all() {
    let place = Place::with(&[
        ("templates/x/en.subject", "Hello"),
        ("templates/x/en.txt", "x"),
        ("templates/x/de.subject", "Hallo"),
        ("templates/x/de.txt", "{{ oops }}"),
    ]);
    let fault = place.send(&mail("x", json!({}))).unwrap_err();
    assert!(place.short(&fault.to_string()).starts_with("the template `x` is refused: templates/x/de.txt:1: `oops`"));
}

#[test]
fn the_values_of_a_rule_are_known_when_a_template_is_proven() {
    let place = Place::with(&[("templates/x/en.subject", "x"), ("templates/x/en.txt", "{{ at }}")]);
    let mut mail = mail("x", json!({}));
    mail.context.insert("at".into(), "now".into());
    assert_eq!(seen(&place.send(&mail).unwrap()).text, "now");
    // Proven with one rule's values, and then asked by another that has none.
    mail.context.remove("at");
    let fault = place.send(&mail).unwrap_err();
    assert_eq!(
        place.short(&fault.to_string()),
        "templates/x/en.txt:1: `at`: undefined value; the template cannot be filled for this user: see docs/templates.md"
    );
}

#[test]
fn a_fault_tells_nothing_of_the_user() {
    let place = Place::with(&[
        ("templates/x/en.subject", "x"),
        (
            "templates/x/en.txt",
            "{% if user.birthdate == '1815-12-10' %}{{ (user.given_name ~ user.email) * -1 }}{% endif %}",
        ),
    ]);
    assert_eq!(place.check("x"), [""; 0], "no sample gets there");
    let user = json!({ "birthdate": "1815-12-10", "given_name": "Ada", "email": "ada@example.com" });
    let fault = place.send(&mail("x", user)).unwrap_err().to_string();
    assert!(fault.contains("en.txt:1: `") && !fault.contains("Ada") && !fault.contains("ada@"), "{fault}");
}

#[test]
fn nor_does_one_at_the_first_use_which_tries_the_values_of_the_rule() {
    let place = Place::with(&[
        ("templates/x/en.subject", "x"),
        ("templates/x/en.txt", "{{ user_name|int }}{{ 1 + user_name }}"),
    ]);
    let mut mail = mail("x", json!({}));
    mail.context.insert("user_name".into(), "ada-lovelace".into());
    let fault = place.send(&mail).unwrap_err().to_string();
    assert!(fault.contains("en.txt:1: `") && !fault.contains("lovelace"), "{fault}");
}

#[test]
fn a_template_that_is_not_there_is_told_with_those_that_are() {
    let place = Place::with(&[]);
    let built_in = builtin::names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    assert!(built_in.contains("`win-back-absent`"));
    assert_eq!(
        place.check("x"),
        [format!("there is no template `x`; put `en.subject` and `en.html` into templates/x; built in are {built_in}")]
    );
    for name in ["", "..", "a/b", "_shared", "a\\b", "a.b"] {
        assert_eq!(
            place.check(name)[0],
            "this cannot be the name of a template; use letters, digits, `-` and `_`, e.g. `welcome-email`"
        );
    }
    place.write("templates/empty/README.md", "x");
    assert_eq!(
        place.check("empty"),
        ["templates/empty:1: the template has no language; add `en.subject` and `en.html`"]
    );
}

#[test]
fn parts_are_shared_within_the_folder_and_beside_it_and_nowhere_else() {
    let place = Place::with(&[
        (
            "templates/_shared/layout.html",
            "<main>{% block content %}{% endblock %}</main>{% include '_shared/deep/foot.html' %}",
        ),
        ("templates/_shared/deep/foot.html", "<i>{{ name }}</i>"),
        ("templates/x/en.subject", "{% include '_subject.txt' %}"),
        ("templates/x/_subject.txt", "Hello {{ name }}"),
        ("templates/x/en.html", "{% extends '_shared/layout.html' %}{% block content %}{{ user.email }}{% endblock %}"),
        ("templates/other/en.html", "other"),
        ("secret.txt", "secret"),
    ]);
    let seen = seen(&place.send(&mail("x", json!({ "given_name": "A&B", "email": "a@b.example" }))).unwrap());
    assert_eq!((seen.subject.as_str(), seen.html.as_str()), ("Hello A&B", "<main>a@b.example</main><i>A&amp;B</i>"));

    #[cfg(unix)]
    std::os::unix::fs::symlink(place.path("secret.txt"), place.path("templates/_shared/link.txt")).unwrap();
    for path in [
        "../secret.txt",
        "_shared/../../secret.txt",
        "_shared/link.txt",
        "../other/en.html",
        "other/en.html",
        "/etc/hostname",
    ] {
        place.write("templates/y/en.subject", "x");
        place.write("templates/y/en.txt", format!("\n{{% include '{path}' %}}"));
        let told = place.check("y");
        assert!(told[0].starts_with("templates/y/en.txt:2: it includes a file that is not there"), "{told:?}");
    }
    // An error in a shared file is placed there.
    place.write("templates/_shared/deep/foot.html", "\n{{ oops }}");
    place.write("templates/z/en.subject", "x");
    place.write("templates/z/en.html", "{% include '_shared/deep/foot.html' %}");
    assert!(place.check("z")[0].starts_with("templates/_shared/deep/foot.html:2: `oops` is not defined"));
}

#[test]
fn a_template_that_runs_for_ever_is_stopped() {
    let place = Place::with(&[
        ("templates/x/en.subject", "x"),
        ("templates/x/en.txt", "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"),
        ("templates/y/en.subject", "x"),
        ("templates/y/en.txt", "{% include 'en.txt' %}"),
    ]);
    assert!(place.check("x")[0].contains("filling it takes more than 1000000 steps"));
    assert_eq!(place.check("y").len(), 1);
}

#[test]
fn a_subject_must_say_something_to_everybody() {
    let place = Place::with(&[("templates/x/en.subject", "{{ user.given_name }}\n"), ("templates/x/en.txt", "x")]);
    assert!(place.check("x")[0].starts_with("templates/x/en.subject:1: the subject is empty for at least one user"));
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let place = Place::with(&[
        ("templates/x/en.subject", "x"),
        ("templates/x/.DS_Store", "x"),
        ("templates/x/en.html~", "{{ x"),
    ]);
    place.write("templates/x/en.txt", b"Gr\xfc\xdfe");
    place.write("templates/x/de.txt", "x".repeat(1_000_001));
    let told = place.check("x");
    assert_eq!(told[0], "templates/x/de.txt:1: the file is larger than a megabyte");
    assert!(told[1].starts_with("templates/x/en.txt:1: cannot read it: "), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[test]
fn opening_reads_nothing() {
    let place = Place::with(&[("templates/x/en.txt", "{{")]);
    let _ = open(&place.path("nowhere"), &place.path("templates"));
    let _ = open(Path::new(""), Path::new(""));
}
