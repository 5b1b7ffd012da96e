use std::collections::BTreeMap;
use std::path::Path;

use super::*;

async fn tour(folder: &Path) -> (u8, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut world = World {
        out: &mut out,
        err: &mut err,
        input: &mut std::io::empty(),
        variables: BTreeMap::new(),
        colours: false,
        error_colours: false,
    };
    let code = run(&Home::at(folder), &mut world).await.unwrap();
    assert_eq!(err, b"");
    (code, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn everything_goes_as_told_and_reads_well() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = tour(folder.path()).await;
    assert_eq!(code, 0, "{text}");
    let (scenes, ending) = text.split_once("── Your turn").unwrap();
    let place = folder.path().display().to_string();
    insta::assert_snapshot!(normal(scenes, &place));
    for command in
        ["check", "event --list", "invoke pool", "outbox", "members", "sessions"].map(|it| format!("local {it}"))
    {
        assert!(ending.contains(&command), "{ending}");
    }
    assert!(ending.contains("cargo poolctl"), "{ending}");
    for line in text.lines().filter(|line| !line.contains(&place)) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[tokio::test]
async fn it_can_be_taken_again() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(tour(folder.path()).await.0, 0);
    let (code, text) = tour(folder.path()).await;
    assert_eq!(code, 0, "{text}");
}

#[tokio::test]
async fn its_configuration_is_in_order() {
    let folder = tempfile::tempdir().unwrap();
    tour(folder.path()).await;
    let file = folder.path().join("tour/triggers.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let configuration = cognito_triggers::config::Configuration::parse("triggers.toml", &text).unwrap();
    configuration.check::<pool::Rules>(None).unwrap();
}

/// The text with everything that differs from run to run put out.
fn normal(text: &str, folder: &str) -> String {
    let text = text.replace(folder, ".pool");
    let mut out = String::new();
    let (mut cause, mut waits) = (false, false);
    for line in text.lines() {
        let mut line = line.to_owned();
        cause = line.contains("a delivery of ") || cause && !line.is_empty();
        if cause && !line.contains("a delivery of ") {
            continue;
        }
        if let Some((before, _)) = line.split_once(" µs") {
            let name = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
            line = format!("{name:34}# µs");
        }
        if let Some((before, after)) = line.split_once("reference ") {
            line = format!("{before}reference ########{}", after.chars().skip(8).collect::<String>());
        }
        if let Some((before, name)) = line.split_once("/mail/") {
            line = format!(
                "{before}/mail/<time>-{}.eml",
                "#".repeat(name.len() - "20260101T000000.000000000Z-.eml".len())
            );
        }
        if let Some((before, after)) = line.split_once("users/") {
            line = format!("{before}users/<sub>{}", &after[36..]);
        }
        if let Some((before, _)) = line.split_once("; tried again in ") {
            line = format!("{before}; tried again in <seconds>");
        }
        // How its cause is broken into lines depends on where the folder is.
        if let Some((before, _)) = line.split_once("a delivery of ") {
            line = format!("{before}a delivery of <cause>");
        }
        if let Some((before, _)) = line.split_once("session_id of ").filter(|_| line.contains(" = \"")) {
            let (_, token) = line.split_once("session_id of ").unwrap_or_default();
            line = format!("{before}session_id of {} = <id>", token.split(" = ").next().unwrap_or_default());
        }
        // What waits has a time in its name, and goes out at one; a password expires on a day.
        if let Some((before, _)) = line.split_once(" (win-back/").or_else(|| line.split_once(" (password-age/")) {
            line = format!("{before} <when>");
            waits = true;
        } else if std::mem::take(&mut waits) {
            continue;
        }
        for (before, after) in [(" läuft am ", " ab"), (" expires on ", "")] {
            if let Some((start, _)) = line.split_once(before) {
                line = format!("{start}{before}<day>{after}");
            }
        }
        if line.contains(": 128 random bits") {
            let end = line.find(':').unwrap_or_default();
            line = format!("    <code>{}", &line[end..]);
        }
        for name in ["Anna", "Kim", "ＡＮＮＡ", "Аnnа"] {
            if let Some((before, after)) = line.rsplit_once(name) {
                let digits = after.chars().take_while(char::is_ascii_digit).count();
                line = format!("{before}{name}{}{}", "#".repeat(digits), &after[digits..]);
            }
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}
