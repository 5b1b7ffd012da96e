//! What comes of it: the rule's deliveries carried out with the templates and the bucket of this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cognito_triggers::services::{Bucket, Object};
use cognito_triggers::{Services, courier};
use cognito_triggers_embedded::FolderBucket;
use tempfile::TempDir;

use super::*;

const LOGO: &[u8] = b"\x89PNG\r\n\x1a\n\x00\xff{{ user.email }}";
/// Somebody who would like to be elsewhere, in HTML as in the bucket.
const HOSTILE: &str = "../../../<script>alert('{{ pool }}')</script>\" & co";

/// The folder of a configuration and a bucket, in a folder of their own.
struct House {
    root: TempDir,
    bucket: FolderBucket,
}

impl House {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let bucket = FolderBucket::open(&root.path().join("bucket")).unwrap();
        let house = Self { root, bucket };
        house.ship("welcome.html", b"<p title=\"{{ user.given_name }}\">Hello {{ user.given_name }}</p>\n");
        house.ship("notes/{{ sub }}.txt", b"For {{ user.given_name }} in {{ pool }}\n");
        house.ship("profile.json", b"{ \"name\": {{ user.given_name }}, \"plan\": {{ user[\"custom:plan\"] }} }\n");
        house.ship("logo.png", LOGO);
        house
    }

    fn ship(&self, name: &str, body: &[u8]) {
        let path = self.config().join("provision").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, body).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.root.path().join("config")
    }

    fn services(&self, services: Services) -> Services {
        let templates = cognito_triggers_templates::open(&self.config(), &self.config().join("templates"));
        Services { bucket: Arc::new(self.bucket.clone()), templates, ..services }
    }

    /// Carries out what is staged for this event, and whatever else was staged; answers how much that was.
    async fn deliver(&self, rule: &Trial<Onboard<Provision>>, event: &Event<PostConfirmation>) -> usize {
        let seen = rule.handles(event);
        assert_eq!(seen.verdict.unwrap(), Verdict::Continue);
        for delivery in &seen.deliveries {
            courier::deliver(delivery, rule.services()).await.unwrap();
        }
        seen.deliveries.len()
    }

    fn rule(&self, text: &str) -> Trial<Onboard<Provision>> {
        rule(text).with(|services| self.services(services))
    }

    async fn keys(&self) -> Vec<String> {
        self.bucket.list("", 1000).await.unwrap()
    }

    async fn object(&self, key: &str) -> (String, String) {
        let Object { content_type, body } = self.bucket.object(key).await.unwrap().unwrap();
        (content_type, String::from_utf8_lossy(&body).into_owned())
    }

    /// Everything on the disk.
    fn disk(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        walk(self.root.path(), &mut files);
        files
    }
}

fn walk(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

/// A key of Anna's.
fn key(name: &str) -> String {
    format!("users/{ANNA}/{name}")
}

fn text(content_type: &str, body: &str) -> (String, String) {
    (content_type.to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_user_finds_every_file_filled_and_of_its_kind() {
    let house = House::new();
    assert_eq!(house.deliver(&house.rule("files = 'provision/'"), &confirmed().with("custom:plan", "pro")).await, 1);
    let note = format!("notes/{ANNA}.txt");
    assert_eq!(house.keys().await, [key("logo.png"), key(&note), key("profile.json"), key("welcome.html")]);
    let html = "<p title=\"Anna\">Hello Anna</p>\n";
    assert_eq!(house.object(&key("welcome.html")).await, text("text/html; charset=utf-8", html));
    let note = house.object(&key(&note)).await;
    assert_eq!(note, text("text/plain; charset=utf-8", "For Anna in eu-central-1_Example01\n"));
    let (content_type, profile) = house.object(&key("profile.json")).await;
    assert!(content_type.starts_with("application/json"), "{content_type}");
    assert_eq!(serde_json::from_str::<Value>(&profile).unwrap(), json!({ "name": "Anna", "plan": "pro" }));
    let logo = house.bucket.object(&key("logo.png")).await.unwrap().unwrap();
    assert_eq!((logo.content_type.as_str(), logo.body.as_slice()), ("image/png", LOGO));
}

#[tokio::test]
async fn a_second_run_changes_nothing() {
    let house = House::new();
    let rule = house.rule("files = 'provision/'");
    assert_eq!(house.deliver(&rule, &confirmed()).await, 1);
    fs::write(house.bucket.path(&key("welcome.html")), "the user's own").unwrap();
    let before = house.disk();
    // A retry of Cognito stages nothing.
    assert_eq!(house.deliver(&rule, &confirmed()).await, 0);
    // A ledger that was restored from a copy does, and so does a courier whose acknowledgement got lost.
    assert_eq!(house.deliver(&house.rule("files = 'provision/'"), &confirmed().with("given_name", "Bea")).await, 1);
    assert_eq!(house.disk(), before);
}

#[tokio::test]
async fn a_file_that_is_missing_is_put_beside_those_that_are_there() {
    let house = House::new();
    house.deliver(&house.rule("files = 'provision/'"), &confirmed()).await;
    // As if it had broken off before this one.
    fs::remove_file(house.bucket.path(&key("logo.png"))).unwrap();
    house.deliver(&house.rule("files = 'provision/'"), &confirmed()).await;
    assert_eq!(house.keys().await.len(), 4);
}

#[tokio::test]
async fn no_name_leads_out_or_becomes_markup() {
    let house = House::new();
    let event = ["given_name", "name", "nickname", "preferred_username", "custom:plan"]
        .into_iter()
        .fold(confirmed().with_value(&["userName"], HOSTILE), |event, name| event.with(name, HOSTILE));
    assert_eq!(house.deliver(&house.rule("files = 'provision/'"), &event).await, 1);
    assert!(house.keys().await.iter().all(|key| key.starts_with(&self::key(""))));
    let outside = |path: &&PathBuf| {
        !path.starts_with(house.bucket.folder().join(format!("users/{ANNA}")))
            && !path.starts_with(house.config().join("provision"))
            && !path.ends_with(".lock")
    };
    assert_eq!(house.disk().keys().filter(outside).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
    let (_, html) = house.object(&key("welcome.html")).await;
    assert!(!html.contains("<script") && html.matches('"').count() == 2, "{html}");
    assert!(html.contains("{{ pool }}"), "what a user typed was taken for a placeholder: {html}");
    let (_, profile) = house.object(&key("profile.json")).await;
    assert_eq!(serde_json::from_str::<Value>(&profile).unwrap()["name"], HOSTILE);
}

#[tokio::test]
async fn two_users_have_their_own() {
    let house = House::new();
    let rule = house.rule("files = 'provision/'\nprefix = '{{ pool }}/{{ sub }}/'");
    house.deliver(&rule, &confirmed()).await;
    house.deliver(&rule, &confirmed().with("sub", "another").with("given_name", "Bea")).await;
    assert_eq!(house.keys().await.len(), 8);
    let (_, html) = house.object("eu-central-1_Example01/another/welcome.html").await;
    assert_eq!(html, "<p title=\"Bea\">Hello Bea</p>\n");
}

#[tokio::test]
async fn what_is_copied_keeps_its_kind_and_is_not_filled() {
    let house = House::new();
    let of = |content_type: &str, body: &[u8]| Object { content_type: content_type.into(), body: body.into() };
    for (key, object) in [
        ("templates/new-user/a.html", of("text/html", b"{{ user.given_name }}")),
        ("templates/new-user/deep/b", of("application/x-own", &[0xff])),
        ("templates/new-user-2/c", of("text/plain", b"of another set")),
    ] {
        house.bucket.put_new(key, &object).await.unwrap();
    }
    let rule = || house.rule("copy-from = 'templates/new-user/'");
    assert_eq!(house.deliver(&rule(), &confirmed()).await, 1);
    let before = house.disk();
    assert_eq!(house.deliver(&rule(), &confirmed()).await, 1);
    assert_eq!(house.disk(), before);
    assert_eq!(house.bucket.list("users/", 10).await.unwrap(), [key("a.html"), key("deep/b")]);
    assert_eq!(house.object(&key("a.html")).await, text("text/html", "{{ user.given_name }}"));
    let copy = house.bucket.object(&key("deep/b")).await.unwrap().unwrap();
    assert_eq!(copy, of("application/x-own", &[0xff]));
}

#[tokio::test]
async fn what_is_not_named_is_empty_in_files() {
    let house = House::new();
    house.deliver(&house.rule("files = 'provision/'\nattributes = ['locale']"), &confirmed()).await;
    assert_eq!(house.object(&key("welcome.html")).await.1, "<p title=\"\">Hello </p>\n");
}

#[test]
fn a_misspelt_placeholder_is_found_before_the_first_user_comes() {
    let house = House::new();
    let complaints = || {
        let mut chains = Chains::default();
        settings("files = 'provision/'").attach(&mut chains).unwrap();
        let templates = cognito_triggers_templates::open(&house.config(), &house.config().join("templates"));
        let wrong = chains.templates().iter().flat_map(|(used, _)| templates.check(used));
        wrong.map(|error| error.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(complaints(), [""; 0]);
    house.ship("letter.txt", b"Dear {{ user.given_nam }}");
    let complaints = complaints();
    assert!(complaints.len() == 1 && complaints[0].contains("letter.txt:1"), "{complaints:?}");
}
