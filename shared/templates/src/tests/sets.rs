//! Folders of files.

use cognito_triggers::FaultKind;

use super::*;

fn files(place: &Place, user: Value) -> Vec<(String, String, String)> {
    let context = context(json!({ "user": user, "pool": "eu_1" }));
    let files = place.templates.files("provision/", &context).unwrap();
    let text = |object: &Object| String::from_utf8_lossy(&object.body).into_owned();
    files.iter().map(|(name, object)| (name.clone(), object.content_type.clone(), text(object))).collect()
}

fn check(place: &Place) -> Vec<String> {
    let used = TemplateUse::Files { folder: "provision/".into(), samples: sample_contexts() };
    place.told(&place.templates.check(&used))
}

#[test]
fn files_are_filled_by_their_kind_and_come_in_order() {
    let place = Place::with(&[
        ("provision/page.html", "<b>{{ user.given_name }}</b>\n"),
        ("provision/a/data.json", "{\"name\": {{ user.given_name }}, \"plan\": {{ user.custom.plan }}}"),
        ("provision/a/{{ sub }}-{{ pool }}.md", "# {{ user.given_name }}\n"),
        ("provision/plain.css", "a { color: red }\n"),
        ("provision/picture.svg", "<svg><title>{{ user.given_name }}</title></svg>"),
        ("provision/run.js", "const name = {{ user.given_name }};\n"),
        ("provision/notes.txt", "{ not a template }\r\n"),
        ("provision/data.unknown", "{{ left as it is"),
        ("provision/.DS_Store", "{{ x"),
        ("provision/page.html~", "{{ x"),
        ("provision/.git/config", "x"),
    ]);
    place.write("provision/b.png", b"\x89PNG{{ x");
    place.write("provision/latin.txt", b"Gr\xfc\xdfe {{ x");
    let found = files(&place, json!({ "sub": "s-1", "given_name": "</script>\"A" }));
    let expected = [
        ("a/data.json", "application/json; charset=utf-8", "{\"name\": \"</script>\\\"A\", \"plan\": \"\"}"),
        ("a/s-1-eu_1.md", "text/markdown; charset=utf-8", "# </script>\"A\n"),
        ("b.png", "image/png", "\u{fffd}PNG{{ x"),
        ("data.unknown", "application/octet-stream", "{{ left as it is"),
        ("latin.txt", "text/plain", "Gr\u{fffd}\u{fffd}e {{ x"),
        ("notes.txt", "text/plain; charset=utf-8", "{ not a template }\r\n"),
        ("page.html", "text/html; charset=utf-8", "<b>&lt;&#x2f;script&gt;&quot;A</b>\n"),
        ("picture.svg", "image/svg+xml; charset=utf-8", "<svg><title>&lt;&#x2f;script&gt;&quot;A</title></svg>"),
        ("plain.css", "text/css; charset=utf-8", "a { color: red }\n"),
        ("run.js", "text/javascript; charset=utf-8", "const name = \"</script>\\\"A\";\n"),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(name, kind, text)| ((*name).into(), (*kind).into(), (*text).into())).collect();
    assert_eq!(found, expected);
    assert_eq!(check(&place), [""; 0]);
}

#[test]
fn a_name_holds_nothing_a_user_chose() {
    for name in
        ["{{ user.given_name }}.txt", "{{ name }}.txt", "a{% if user %}b{% endif %}.txt", "{{ user is defined }}.txt"]
    {
        let place = Place::with(&[(&format!("provision/{name}"), "x")]);
        let told = check(&place);
        assert!(told[0].contains("the name of a file cannot hold `"), "{told:?}");
        assert!(told[0].starts_with(&format!("provision/{name}:1: ")), "{told:?}");
    }
}

#[test]
fn a_name_comes_to_a_key_or_is_refused() {
    let place = Place::with(&[("provision/{{ pool }}/x.txt", "x")]);
    for (pool, problem) in [
        ("", "an empty part"),
        ("..", "an empty part, `.` or `..`"),
        ("a/../b", "`..`"),
        ("/a", "an empty part"),
        ("a\\b", "a backslash"),
        (&"x".repeat(900), "longer than 800 bytes"),
    ] {
        let context = context(json!({ "user": { "sub": "s" }, "pool": pool }));
        let fault = place.templates.files("provision", &context).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Configuration);
        assert!(fault.to_string().contains(problem), "{fault}");
    }
}

#[test]
fn two_files_cannot_become_one() {
    let place = Place::with(&[("provision/{{ sub }}.txt", "x"), ("provision/{{ sub }}{{ '' }}.txt", "y")]);
    assert!(check(&place)[0].contains("another file gets the same name"));
}

#[test]
fn a_folder_lies_below_that_of_the_configuration() {
    let place = Place::with(&[("sub/provision/a.txt", "x"), ("other/b.txt", "x")]);
    let templates = open(&place.path("sub"), &place.path("templates"));
    let told = |folder: &str| {
        let used = TemplateUse::Files { folder: folder.into(), samples: sample_contexts() };
        place.told(&templates.check(&used)).join("\n")
    };
    for folder in ["", "..", "../other", "provision/../../other", "/etc"] {
        assert!(told(folder).contains("is not a folder below that of the configuration"), "{folder}: {}", told(folder));
    }
    assert_eq!(told("nowhere/"), "there is no folder `nowhere/`; ship it with the function, at sub/nowhere");
    assert_eq!(told("./provision"), "");
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(place.path("other"), place.path("sub/linked")).unwrap();
        symlink(place.path("other/b.txt"), place.path("sub/provision/b.txt")).unwrap();
        symlink(place.path("sub/provision/a.txt"), place.path("sub/provision/c.txt")).unwrap();
        assert!(told("linked").contains("leads out of the folder"), "{}", told("linked"));
        let templates = open(&place.path("sub"), &place.path("templates"));
        let fault = templates.files("provision", &context(json!({}))).unwrap_err();
        assert!(fault.to_string().contains("b.txt:1: this leads out of the folder"), "{fault}");
        fs::remove_file(place.path("sub/provision/b.txt")).unwrap();
        assert_eq!(templates.files("provision", &context(json!({}))).unwrap().len(), 2, "a link within is fine");
        symlink(place.path("sub/provision"), place.path("sub/provision/loop")).unwrap();
        let templates = open(&place.path("sub"), &place.path("templates"));
        assert!(templates.files("provision", &context(json!({}))).unwrap_err().to_string().contains("deep"));
    }
}

#[test]
fn a_folder_has_a_hundred_files_and_none_is_huge() {
    let place = Place::with(&[]);
    fs::create_dir_all(place.path("provision")).unwrap();
    let nothing = "provision:1: there is no file in this folder; put the files there that every user is to get; hidden ones, and copies whose names end with `~`, do not count";
    assert_eq!(check(&place), [nothing]);
    for hidden in [".gitkeep", ".git/config", "page.html~", "empty/.gitkeep"] {
        place.write(&format!("provision/{hidden}"), "x");
        assert_eq!(check(&place), [nothing], "{hidden}");
    }
    for nth in 0..100 {
        place.write(&format!("provision/{nth}.txt"), "x");
    }
    assert_eq!(files(&place, json!({})).len(), 100);
    place.write("provision/100.txt", "x");
    let place = Place { templates: open(place.folder.path(), &place.path("templates")), folder: place.folder };
    assert_eq!(check(&place), ["provision:1: these are more than 100 files; ship fewer, or pack them into one"]);
    let place = Place::with(&[]);
    place.write("provision/large.bin", vec![0; 5_000_001]);
    assert!(check(&place)[0].starts_with("provision/large.bin:1: this is too large"));
}

#[test]
fn what_a_file_asks_for_must_be_there() {
    let place = Place::with(&[("provision/a.txt", "\n{{ user.emial }}"), ("provision/b.html", "{% if %}")]);
    let told = check(&place);
    assert!(told[0].starts_with("provision/b.html:1: this cannot be read as a template"), "{told:?}");
    place.write("provision/b.html", "x");
    assert_eq!(check(&place), ["provision/a.txt:2: `user.emial` is not defined; did you mean `user.email`?"]);
    place.write("provision/a.txt", "{{ user.email }}");
    assert_eq!(files(&place, json!({ "email": "a@b.example" }))[0].2, "a@b.example", "mended");
}
