//! Words apart from pages, and pages for every language.

use super::*;

/// A mail in two languages, made of one page.
const HELLO: [(&str, &str); 5] = [
    ("templates/x/each.subject", "{{ words.subject }}"),
    ("templates/x/each.html", "<p>{{ words.greeting }}</p>\n<p>{{ words.firm }}</p>"),
    ("templates/x/each.txt", "{{ words.greeting }}\n{{ words.firm }}"),
    (
        "templates/x/en.toml",
        "subject = \"Welcome\"\ngreeting = \"Hello{% if name %} {{ name }}{% endif %},\"\nfirm = \"R&D <3 'you'/\\\"me\\\"\"\n",
    ),
    (
        "templates/x/ar.toml",
        "subject = \"أهلا\"\ngreeting = \"مرحبا{% if name %} {{ name }}{% endif %}،\"\nfirm = \"قسم\"\n",
    ),
];

fn sent(place: &Place, locale: &str, user: Value) -> Seen {
    let mut mail = mail("x", user);
    mail.locales = vec![locale.into()];
    seen(&place.send(&mail).unwrap())
}

/// What is said of one more file beside those of [`HELLO`].
fn refusal(file: &str, text: &str) -> Vec<String> {
    let place = Place::with(&HELLO);
    place.write(&format!("templates/{file}"), text);
    place.check("x")
}

#[test]
fn one_page_speaks_every_language_that_has_words() {
    let place = Place::with(&HELLO);
    assert_eq!(place.check("x"), [""; 0]);
    let anna = || json!({ "given_name": "Anna <b>&" });
    // A name with an angle bracket is none.
    let english = sent(&place, "en", json!({ "given_name": "Anna & Bo" }));
    assert_eq!(english.subject, "Welcome");
    assert_eq!(english.text.trim_end(), "Hello Anna & Bo,\nR&D <3 'you'/\"me\"");
    assert_eq!(
        english.html.trim_end(),
        "<p>Hello <bdi>Anna &amp; Bo</bdi>,</p>\n<p>R&amp;D &lt;3 &#x27;you&#x27;/&quot;me&quot;</p>"
    );
    assert_eq!(sent(&place, "en", anna()).html.lines().next(), Some("<p>Hello,</p>"), "an empty name is no name");
    let arabic = sent(&place, "ar-EG", json!({ "given_name": "Anna" }));
    assert!(arabic.html.starts_with("<p>مرحبا <bdi>Anna</bdi>،</p>"), "{}", arabic.html);
    assert_eq!(arabic.subject, "أهلا");
    assert_eq!(sent(&place, "it", json!({})).subject, "Welcome", "there is no Italian");
}

#[test]
fn what_a_language_has_of_its_own_goes_before_that_for_each() {
    let place = Place::with(&HELLO);
    place.write("templates/x/en.html", "<h1>{{ words.greeting }}</h1>");
    place.write("templates/x/en-GB.toml", "greeting = \"Good day,\"");
    place.write("templates/x/fr.subject", "Bienvenue");
    place.write("templates/x/fr.html", "<p>Bonjour</p>");
    place.write("templates/x/fr.txt", "Bonjour");
    assert_eq!(place.check("x"), [""; 0], "who asks for no words needs none");
    assert_eq!(sent(&place, "en", json!({})).html.trim_end(), "<h1>Hello,</h1>");
    let british = sent(&place, "en-GB", json!({}));
    assert_eq!((british.subject.as_str(), british.html.trim_end()), ("Welcome", "<h1>Good day,</h1>"));
    assert_eq!(sent(&place, "ar", json!({})).html.trim_end(), "<p>مرحبا،</p>\n<p>قسم</p>");
    assert_eq!(sent(&place, "fr", json!({})).html.trim_end(), "<p>Bonjour</p>");
}

#[test]
fn words_fall_back_to_those_of_the_language_then_to_those_of_all_templates() {
    let place = Place::with(&[
        ("templates/x/each.subject", "{{ words.a }}{{ words.b }}{{ words.c }}{{ words.d }}"),
        ("templates/x/each.txt", "x"),
        ("templates/x/de.toml", "b = 'b'\nc = 'b'"),
        ("templates/x/de-AT.toml", "a = 'a'"),
        ("templates/_shared/de-AT.toml", "a = 'c'\nb = 'c'\nc = 'c'"),
        ("templates/_shared/de.toml", "a = 'd'\nb = 'd'\nc = 'd'\nd = 'd'"),
        // Asked for by nobody here, and not to be filled here.
        ("templates/_shared/fr.toml", "until = '{{ expires|day }}'"),
    ]);
    place.write("templates/_shared/_draft.toml", "= no words");
    assert_eq!(
        place.check("x"),
        ["templates/_shared/_draft.toml:1: `_draft` is not a language; name it like `en.toml` or `de-AT.toml`"]
    );
    fs::remove_file(place.path("templates/_shared/_draft.toml")).unwrap();
    assert_eq!(place.check("x"), [""; 0]);
    assert_eq!(sent(&place, "de-AT", json!({})).subject, "abbd");
    assert_eq!(sent(&place, "de", json!({})).subject, "dbbd");
}

#[test]
fn words_for_all_templates_that_this_one_does_not_ask_for_may_need_what_it_is_not_given() {
    let place = Place::with(&HELLO);
    place.write("templates/_shared/en.toml", "until = '{{ expires|day }}'");
    assert_eq!(place.check("x"), [""; 0]);
    place.write("templates/y/en.subject", "{{ words.until }}");
    place.write("templates/y/en.txt", "x");
    assert!(place.check("y")[0].starts_with("templates/_shared/en.toml:1: `"), "{:?}", place.check("y"));
    let mut mail = mail("y", json!({}));
    mail.context.insert("expires".into(), "2027-01-01T09:00:00Z".into());
    assert_eq!(seen(&place.send(&mail).unwrap()).subject, "1 January 2027");
}

#[test]
fn times_in_words_are_those_of_the_language_and_the_zone() {
    let place = Place::with(&[
        ("templates/x/each.subject", "{{ words.away }}"),
        ("templates/x/each.html", "<p>{{ words.away }}</p>"),
        ("templates/x/de.toml", "away = \"Zuletzt am {{ last|day(zone) }}\""),
        ("templates/x/en.toml", "away = \"Last seen on {{ last|day(zone) }}\""),
    ]);
    let mut mail = mail("x", json!({}));
    mail.context.insert("last".into(), "2026-12-31T23:30:00Z".into());
    mail.context.insert("zone".into(), "Europe/Vienna".into());
    mail.locales = vec!["de-AT".into()];
    let seen = seen(&place.send(&mail).unwrap());
    assert_eq!(seen.subject, "Zuletzt am 1. Jänner 2027");
    assert_eq!(seen.html.trim_end(), "<p>Zuletzt am 1. Jänner 2027</p>");
}

#[test]
fn a_text_of_several_lines_keeps_them_and_its_errors_are_in_the_right_one() {
    let place = Place::with(&[
        ("templates/x/each.subject", "x"),
        ("templates/x/each.txt", "[{{ words.long }}|{{ words.template }}]"),
        (
            "templates/x/en.toml",
            "long = \"\"\"\nOne\nTwo\n\"\"\"\ntemplate = '''\nOne {{ name }}\n{% if name %}\nTwo\n{% endif %}\n'''",
        ),
    ]);
    assert_eq!(place.check("x"), [""; 0]);
    assert_eq!(sent(&place, "en", json!({ "name": "Bo" })).text.trim_end(), "[One\nTwo|One Bo\nTwo]");
    place.write("templates/x/en.toml", "\nlong = \"\"\"\nOne\n{{ nmae }}\"\"\"\ntemplate = \"x\\n\\n{{ oops }}\"");
    let place = Place { templates: open(place.folder.path(), &place.path("templates")), folder: place.folder };
    assert_eq!(
        place.check("x"),
        [
            "templates/x/en.toml:4: `nmae` is not defined; did you mean `name`?",
            "templates/x/en.toml:5: `oops` is not defined; see docs/templates.md for what is; or ask `is defined` before",
        ]
    );
}

#[test]
fn broken_files_of_words_are_told_with_line_and_remedy() {
    let told = |text| refusal("x/pl.toml", text).join("\n");
    for (text, expected) in [
        (
            "subject = \"a\"\ngreeting = Hello",
            "templates/x/pl.toml:2: a text is not in quotes; put it in double quotes: `greeting = \"Hello\"`",
        ),
        (
            "subject = \"a\"\ngreeting = \"Hello\nfirm = \"x\"",
            "templates/x/pl.toml:2: the closing quote of a text is missing; add it; a text of several lines stands between \
             `\"\"\"` and `\"\"\"`",
        ),
        (
            "subject = \"a\"\nsubject = \"b\"",
            "templates/x/pl.toml:2: the word `subject` is given twice; keep one of them",
        ),
        (
            "subject = \"say \"a\"\"",
            "templates/x/pl.toml:1: the line goes on after its text has ended; write one word a line, and `\\\"` for a double \
             quote within a text",
        ),
        (
            "subject = \"50 \\% off\"",
            "templates/x/pl.toml:1: a backslash stands before what it cannot stand before; write two of them",
        ),
        (
            "subject",
            "templates/x/pl.toml:1: this is not TOML: key with no value, expected `=`; write one word a line: `greeting = \"Hello\"`",
        ),
        (
            "\nsubject = 3",
            "templates/x/pl.toml:2: the word `subject` is not a text; write one word a line, its text in double quotes: \
             `subject = \"...\"`",
        ),
        (
            "[mail]\nsubject = \"x\"",
            "templates/x/pl.toml:1: the word `mail` is not a text; write one word a line, its text in double quotes: \
             `mail = \"...\"`",
        ),
        (
            "\"a b\" = \"x\"",
            "templates/x/pl.toml:1: \"a b\" cannot be the name of a word; use letters, digits and `_`, e.g. `greeting`",
        ),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
}

#[test]
fn words_that_cannot_be_filled_are_told_where_they_stand() {
    let told = |text: &str| refusal("x/en.toml", &format!("subject = 'a'\ngreeting = 'b'\nfirm = {text}"));
    for (text, expected) in [
        (
            "'{{ name'",
            "templates/x/en.toml:3: this cannot be read as a template: unexpected end of input, expected end of variable block; \
             close every `{{` and `{%`, and write `{{ '{{' }}` where braces are meant",
        ),
        (
            "'{% if user.zoneinfo == \"nobody\" %}{{ user.gvien_name }}{% endif %}'",
            "templates/x/en.toml:3: `user.gvien_name` is not defined; did you mean `user.given_name`?",
        ),
        ("'{{ nmae }}'", "templates/x/en.toml:3: `nmae` is not defined; did you mean `name`?"),
        (
            "'{{ words.greeting }}!'",
            "templates/x/en.toml:3: `words.greeting`: a word cannot ask for other words; write it out, or put both into the page",
        ),
        (
            "'{{ name|moment }}'",
            "templates/x/en.toml:3: what `moment` is given is not a time; give it one in RFC 3339, as the rules do: \
             `{{ at|moment(zone) }}`",
        ),
    ] {
        assert_eq!(told(text), [expected], "{text}");
    }
}

#[test]
fn a_word_that_a_language_lacks_is_told_with_what_it_is_in_another() {
    assert_eq!(
        refusal("x/pl.toml", "subject = 'Cześć'"),
        [
            "templates/x/pl.toml:1: the word `firm` is missing; line 2 of `each.html` asks for it, and it is \
             `R&D <3 'you'/\"me\"` in en",
            "templates/x/pl.toml:1: the word `greeting` is missing; line 1 of `each.html` asks for it, and it is \
             `Hello{% if name %} {{ name }}{% endif %},` in en",
        ]
    );
    // A page of its own asks for as many words as it likes.
    let place = Place::with(&HELLO);
    place.write("templates/x/pl.toml", "subject = 'Cześć'");
    place.write("templates/x/pl.html", "<p>Cześć</p>");
    place.write("templates/x/pl.txt", "Cześć");
    assert_eq!(place.check("x"), [""; 0]);
    // Nor is what is asked for first.
    place.write(
        "templates/x/pl.txt",
        "{{ words.firm|default('x') }}{% if words.greeting is defined %}{{ words.greeting }}{% endif %}",
    );
    assert_eq!(Place { templates: open(place.folder.path(), &place.path("templates")), ..place }.check("x"), [""; 0]);
}

#[test]
fn words_are_missed_in_what_is_included_and_where_their_names_are_put_together() {
    let files = [
        ("templates/_shared/layout.html", "<main>{% block all %}{% endblock %}</main>\n{{ words.foot }}"),
        ("templates/x/each.subject", "{{ words['subject-' ~ (client and 'client')] }}"),
        (
            "templates/x/each.html",
            "{% extends '_shared/layout.html' %}{% block all %}{% include \"_a.html\" %}{% endblock %}",
        ),
        ("templates/x/_a.html", "\n{% if user.zoneinfo == 'x' %}{{ words.hint }}{% endif %}"),
        ("templates/x/en.toml", "foot = 'Foot'\nhint = 'Hint'\nsubject-client = 'x'"),
        ("templates/x/fr.toml", "foot = 'Pied'\nsubject-client = 'x'"),
        ("templates/x/pl.toml", "hint = 'H'\nsubject-client = 'x'"),
    ];
    let place = Place::with(&files);
    assert_eq!(
        place.check("x"),
        [
            "templates/x/fr.toml:1: the word `hint` is missing; line 2 of `_a.html` asks for it, and it is `Hint` in en",
            "templates/x/pl.toml:1: the word `foot` is missing; line 2 of `_shared/layout.html` asks for it, and it is `Foot` in en",
        ]
    );
    place.write("templates/x/fr.toml", "foot = 'Pied'\nhint = 'h'");
    place.write("templates/x/pl.toml", "hint = 'H'\nfoot = 'F'\nsubject-client = 'x'");
    assert_eq!(
        place.check("x"),
        [
            "templates/x/fr.toml:1: the word `subject-client` is missing; line 1 of `each.subject` asks for it, and it is `x` in en",
        ]
    );
}

#[test]
fn a_word_that_no_language_has_is_told_where_it_is_asked_for() {
    assert_eq!(
        refusal("x/each.html", "<p>\n{{ words.greting }}{{ words.colour }}</p>"),
        [
            "templates/x/each.html:2: there is no word `colour` in any language; add `colour = \"...\"` to the words of every language",
            "templates/x/each.html:2: there is no word `greting` in any language; did you mean `words.greeting`?",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn files_that_are_for_no_language_are_told() {
    assert_eq!(
        refusal("x/each.toml", "a = 'b'"),
        [
            "templates/x/each.toml:1: words are those of one language; name it like `en.toml`; what is the same in every language \
          is written into the page"
        ]
    );
    assert_eq!(
        refusal("_shared/each.toml", "a = 'b'"),
        [
            "templates/_shared/each.toml:1: words are those of one language; name it like `en.toml`; what is the same in every \
          language is written into the page"
        ]
    );
    assert_eq!(
        refusal("x/polish.toml", "a = 'b'"),
        ["templates/x/polish.toml:1: `polish` is not a language; name it like `en.toml` or `de-AT.toml`"]
    );
    assert_eq!(
        refusal("x/short.sms", "a"),
        ["templates/x/short.sms:1: `short` is not a language; name it like `en.sms` or `de-AT.sms`"]
    );
    assert_eq!(
        refusal("x/EN.toml", "a = 'b'")[0],
        "templates/x/en.toml:1: `EN.toml` is the same language, en; keep one of both"
    );
    assert_eq!(
        refusal("_shared/de_AT.toml", "a = 'b'"),
        [""; 0],
        "a file of words may be for a language that this template does not speak"
    );
}

#[test]
fn languages_that_lack_a_part_are_told() {
    let told = |files: &[(&str, &str)]| Place::with(files).check("x");
    assert_eq!(
        told(&[("templates/x/each.subject", "x"), ("templates/x/each.html", "x")]),
        [
            "templates/x:1: the template has no language; add `en.toml`, which holds the words of the language and may be empty"
        ]
    );
    assert_eq!(
        told(&[("templates/x/each.html", "x"), ("templates/x/pl.toml", "")]),
        [
            "templates/x/pl.toml:1: the language pl has no subject; add `pl.subject`, or `each.subject` for all languages"
        ]
    );
    assert_eq!(
        told(&[("templates/x/each.subject", "x"), ("templates/x/pl.toml", "")]),
        ["templates/x/pl.toml:1: the language pl has a subject and no text; add `pl.html` or `pl.txt`"]
    );
    assert_eq!(
        told(&[("templates/x/pl.sms", "x")]),
        ["templates/x/pl.sms:1: the language pl has no subject; add `pl.subject`, or `each.subject` for all languages"],
        "a mail is no SMS"
    );
    assert_eq!(
        told(&[("templates/x/each.subject", "x"), ("templates/x/each.txt", "x"), ("templates/x/pl.toml", "")]),
        [""; 0]
    );
}

#[test]
fn a_name_is_set_apart_and_nothing_else_is() {
    let place = Place::with(&[
        ("templates/x/each.subject", "{{ words.all }}"),
        ("templates/x/each.html", "{{ words.all }}|{{ name }}|{{ words.tag }}"),
        ("templates/x/each.txt", "{{ words.all }}"),
        (
            "templates/x/en.toml",
            "all = \"{{ name }}/{{ name or 'you' }}/{{ user.family_name }}/{{ name|upper }}/{{ name|length }}/{{ name == 'Bo' }}\"\n\
             tag = \"<b>{{ '<i>'|safe }}\u{fdd0}{{ links.not_me }}\"",
        ),
    ]);
    let mut mail = mail("x", json!({ "given_name": "Bo", "family_name": "\u{fdd0}Bo\u{fdd1}<bdi>" }));
    mail.context.insert("links".into(), json!({ "not_me": "https://links.acme.example/?t=a" }));
    mail.context.insert("details".into(), json!({ "deep": ["\u{fdd0}"] }));
    let seen = seen(&place.send(&mail).unwrap());
    assert_eq!(seen.subject, "Bo/Bo/Bo <bdi>/BO/2/True");
    assert_eq!(
        seen.html.trim_end(),
        "<bdi>Bo</bdi>/<bdi>Bo</bdi>/Bo &lt;bdi&gt;/BO/2/True|Bo|&lt;b&gt;&lt;i&gt;https://links.acme.example/?t=a"
    );
}

#[test]
fn shared_words_that_lie_elsewhere_are_not_read() {
    let place = Place::with(&HELLO);
    place.write("secret.toml", "secret = 'x'");
    place.write("templates/_shared/x.html", "");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.path("secret.toml"), place.path("templates/_shared/en.toml")).unwrap();
        assert_eq!(
            place.check("x"),
            ["templates/_shared/en.toml:1: this leads out of the folder of the configuration; put a copy there"]
        );
    }
}
