//! The gallery as a browser sees it: asked over HTTP, with real templates in a folder.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use cognito_triggers::message::sample_users;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::command::tests::{configured, local};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// A gallery on a free port. It ends with the test.
struct Running {
    address: SocketAddr,
    task: JoinHandle<()>,
    folder: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    async fn built_in() -> Self {
        Self::of(Source::BuiltIn, tempfile::tempdir().unwrap()).await
    }

    /// Of a configuration, with these files of templates beside it.
    async fn with(configuration: &str, files: &[(&str, &str)]) -> Self {
        let (folder, file) = configured(configuration);
        for (path, text) in files {
            write(&folder, path, text);
        }
        Self::of(Source::File(Some(file.into())), folder).await
    }

    async fn of(source: Source, folder: TempDir) -> Self {
        let listener = bind(0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let project = Project::new(source, Default::default());
        let gallery = Arc::new(Gallery::new(project, address.port()));
        Self { address, task: tokio::spawn(server::serve(listener, gallery)), folder }
    }

    /// Status, head and body of an answer to a request that is written as it is given, but for its length.
    async fn send(&self, head: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!("{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}", self.address), "").await
    }

    async fn list(&self) -> Value {
        let (status, _, body) = self.get("/api/list").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn post(&self, body: &Value) -> (u16, String) {
        let head = format!("POST /api/render HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json", self.address);
        let (status, _, body) = self.send(&head, &body.to_string()).await;
        (status, body)
    }

    /// What a message looks like, in one language or in all.
    async fn views(&self, message: &Value, locale: Option<&str>, user: &Value) -> Vec<Value> {
        let wanted = json!({ "message": message, "locale": locale, "user": user, "examples": true });
        let (status, body) = self.post(&wanted).await;
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["views"].as_array().unwrap().clone()
    }

    async fn preview(&self, view: &Value, scheme: &str) -> String {
        let name = view["html"]["preview"].as_str().unwrap();
        let (status, head, page) = self.get(&format!("/preview/{name}?scheme={scheme}")).await;
        assert_eq!(status, 200);
        assert!(
            head.contains("content-security-policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
            "{head}"
        );
        assert!(head.contains("; sandbox"), "{head}");
        page
    }
}

fn write(folder: &TempDir, path: &str, text: &str) {
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn user(about: &str) -> Value {
    let found = sample_users().into_iter().find(|user| user.about == about);
    Value::Object(found.unwrap().attributes)
}

fn items(list: &Value) -> &Vec<Value> {
    list["items"].as_array().unwrap()
}

fn item<'a>(list: &'a Value, id: &str) -> &'a Value {
    items(list).iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("{id} in {list}"))
}

const MESSAGES: &str = "[templated-message]\n[templated-message.occasions]\nsign-up = \"hello\"\n";
const HELLO: [(&str, &str); 5] = [
    ("templates/hello/en.subject", "Hello {{ name or 'there' }}"),
    ("templates/hello/en.html", "<style>.big { color: red }</style><p class=\"big\">Your code is {{ code }}</p>"),
    ("templates/hello/en.sms", "{{ code }} is your code, or {{ code }}"),
    ("templates/hello/de.subject", "Hallo"),
    ("templates/hello/de.html", "<p>Ihr Code ist {{ code }}</p>"),
];

#[tokio::test]
async fn everything_that_is_built_in_is_shown_in_every_language_without_a_problem() {
    let gallery = Running::built_in().await;
    let list = gallery.list().await;
    assert_eq!((&list["builtIn"], &list["problems"]), (&json!(true), &json!([])));
    let names: Vec<_> = items(&list).iter().map(|item| item["template"].as_str().unwrap()).collect();
    for name in [
        "welcome-email",
        "admin-notice",
        "sign-in-alert",
        "not-me-notice",
        "password-warning",
        "win-back",
        "win-back-absent",
        "verification",
        "invitation",
        "forgotten-password",
        "attribute-change",
        "mfa",
        "birthday",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    for item in items(&list) {
        let id = &item["id"];
        assert_eq!(item["problems"], json!([]), "{id}");
        let languages = item["languages"].as_array().unwrap();
        assert!(languages.len() >= 4, "{id}: {languages:?}");
        let views = gallery.views(id, None, &user("somebody")).await;
        assert_eq!(views.iter().map(|view| &view["locale"]).collect::<Vec<_>>(), languages.iter().collect::<Vec<_>>());
        for view in &views {
            assert_eq!(view["problems"], json!([]), "{id} {}", view["locale"]);
            assert!(!view["subject"]["text"].as_str().unwrap().is_empty(), "{id} {view}");
            assert!(gallery.preview(view, "light").await.contains("</html>"), "{id}");
            if item["kind"] == "mail" {
                assert!(!view["text"].as_str().unwrap().is_empty(), "{id} {view}");
                assert!(view["size"].as_u64().unwrap() > view["html"]["length"].as_u64().unwrap() / 2, "{id} {view}");
            } else {
                assert!(view["sms"]["length"].as_u64().unwrap() <= 140, "{id} {view}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_means_harm_is_shown_as_text() {
    let gallery = Running::built_in().await;
    let list = gallery.list().await;
    for item in items(&list) {
        let view = &gallery.views(&item["id"], Some("en"), &user("means harm")).await[0];
        let errors =
            view["problems"].as_array().unwrap().iter().filter(|problem| problem["severity"] == "error").count();
        assert_eq!(errors, 0, "{} {view}", item["id"]);
        for scheme in ["light", "dark"] {
            let page = gallery.preview(view, scheme).await;
            assert!(!page.contains("<script"), "{} {page}", item["id"]);
        }
        let headers = view["headers"].to_string();
        assert!(!headers.contains("Bcc"), "{headers}");
    }
}

#[tokio::test]
async fn a_message_is_what_cognito_gets_with_its_css_in_its_elements() {
    let gallery = Running::with(MESSAGES, &HELLO).await;
    let list = gallery.list().await;
    let hello = item(&list, "message/hello/sign-up");
    assert_eq!((&hello["languages"], &hello["problems"]), (&json!(["de", "en"]), &json!([])));
    let view = &gallery.views(&hello["id"], Some("en"), &json!({ "given_name": "Zoë" })).await[0];
    assert_eq!(view["subject"], json!({ "text": "Hello Zoë", "length": 9, "most": 140 }));
    assert_eq!(view["sms"]["text"], "123456 is your code, or 123456");
    assert_eq!((&view["sms"]["count"]["encoding"], &view["sms"]["count"]["segments"]), (&json!("GSM-7"), &json!(1)));
    let page = gallery.preview(view, "light").await;
    assert!(
        page.contains("style=\"color:red\">Your code is 123456</p>")
            || page.contains("style=\"color: red\">Your code is 123456</p>"),
        "{page}"
    );

    let (status, body) = gallery.post(&json!({ "message": hello["id"], "locale": "en", "user": {} })).await;
    let raw: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &raw["views"][0]["sms"]["text"]), (200, &json!("{####} is your code, or {####}")));
    assert_eq!(raw["views"][0]["subject"]["text"], "Hello there");
}

#[tokio::test]
async fn what_is_wrong_is_told_beside_its_message_and_the_others_go_on() {
    let broken = ("templates/welcome-email/de.html", "<p>\n{{ user.gvien_name }}</p>");
    let whole = [("templates/welcome-email/en.subject", "Hi"), ("templates/welcome-email/en.html", "<p>Hi</p>")];
    let files: Vec<_> = whole.into_iter().chain([("templates/welcome-email/de.subject", "Hi"), broken]).collect();
    let gallery = Running::with("[welcome-email]\n[admin-notice]\nto = \"ops@acme.example\"\n", &files).await;
    let list = gallery.list().await;
    let welcome = item(&list, "mail/welcome-email");
    assert_eq!(welcome["languages"], json!(["de", "en"]));
    let problem = &welcome["problems"][0];
    assert_eq!((&problem["locale"], &problem["part"], &problem["line"]), (&json!("de"), &json!("html"), &json!(2)));
    let file = gallery.folder.path().join(broken.0);
    assert_eq!(problem["file"], file.display().to_string());
    assert!(problem["text"].as_str().unwrap().contains("did you mean `user.given_name`?"), "{problem}");
    let views = gallery.views(&welcome["id"], None, &json!({})).await;
    assert_eq!((&views[0]["problems"][0], &views[0]["html"]), (problem, &json!(null)));

    let notice = items(&list).iter().find(|item| item["template"] == "admin-notice").unwrap();
    assert_eq!(gallery.views(&notice["id"], Some("en"), &json!({})).await[0]["problems"], json!([]));
}

#[tokio::test]
async fn what_cognito_would_refuse_is_told_with_a_remedy() {
    let files = [("templates/hello/en.subject", "Hello"), ("templates/hello/en.html", "<p>There is no code here</p>")];
    let gallery = Running::with(MESSAGES, &files).await;
    let list = gallery.list().await;
    let hello = item(&list, "message/hello/sign-up");
    assert!(hello["problems"].to_string().contains("`{{ code }}`"), "{hello}");
}

#[tokio::test]
async fn a_mail_is_taken_apart_as_it_goes_out() {
    let configuration = "[services]\nmailer = \"folder:mail?from=Acme <hello@acme.example>\"\n[win-back]\nafter-days = 60\n\
        from = \"Shop <shop@acme.example>\"\n[admin-notice]\nto = [\"Ops <ops@acme.example>\", \"eve@acme.example\"]\n";
    let gallery = Running::with(configuration, &[]).await;
    let list = gallery.list().await;
    let view = &gallery.views(&item(&list, "mail/win-back")["id"], Some("en"), &user("somebody")).await[0];
    let header = |name: &str| {
        let headers = view["headers"].as_array().unwrap();
        headers.iter().find(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned())
    };
    assert_eq!(header("From").as_deref(), Some("Shop <shop@acme.example>"));
    assert_eq!(header("To").as_deref(), Some("anna@example.com"));
    assert_eq!(header("Content-Language").as_deref(), Some("en"));
    assert!(header("List-Unsubscribe").unwrap().contains("https://links.acme.example/"), "{view}");
    assert_eq!(header("List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
    assert_eq!(view["html"]["unit"], "bytes");
    let notice = items(&list).iter().find(|item| item["template"] == "admin-notice").unwrap();
    let view = &gallery.views(&notice["id"], Some("en"), &user("somebody")).await[0];
    assert_eq!(view["headers"][1], json!(["To", "Ops <ops@acme.example>, eve@acme.example"]));
}

#[tokio::test]
async fn a_birthday_is_listed_where_it_makes_a_difference() {
    let configuration = format!("{MESSAGES}[[templated-message.variants]]\nbirthday = true\ntemplate = \"wish\"\n");
    let mut files = HELLO.to_vec();
    files.extend([
        ("templates/wish/en.subject", "Happy birthday"),
        ("templates/wish/en.html", "<p>Happy birthday! Your code is {{ code }}{{ username }}</p>"),
    ]);
    let gallery = Running::with(&configuration, &files).await;
    let list = gallery.list().await;
    item(&list, "message/hello/sign-up");
    item(&list, "message/wish/sign-up/birthday");
    assert!(items(&list).iter().all(|item| item["id"] != "message/hello/sign-up/birthday"), "{list}");
}

#[tokio::test]
async fn pools_with_settings_of_their_own_are_told_apart() {
    let configuration = "[welcome-email]\n[pools.\"eu-central-1_Globex\".welcome-email]\ntemplate = \"globex\"\n";
    let files = [("templates/globex/en.subject", "Globex"), ("templates/globex/en.html", "<p>Globex</p>")];
    let gallery = Running::with(configuration, &files).await;
    let list = gallery.list().await;
    assert_eq!(item(&list, "mail/welcome-email")["pools"], json!([]));
    assert_eq!(item(&list, "mail/globex")["pools"], json!(["eu-central-1_Globex"]));
}

/// The next version the server tells of.
async fn next_version(stream: &mut TcpStream, seen: &mut String) -> String {
    let mut buffer = [0; 4096];
    loop {
        if let Some((_, rest)) = seen.split_once("event: version\ndata: ")
            && let Some((line, rest)) = rest.split_once("\n\n")
        {
            let version = line.split(' ').next().unwrap().to_owned();
            *seen = rest.to_owned();
            return version;
        }
        let read = timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(read, 0, "{seen}");
        seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

#[tokio::test]
async fn the_page_hears_of_a_file_that_was_saved() {
    let gallery = Running::with(MESSAGES, &HELLO).await;
    let before = gallery.list().await;
    let mut events = TcpStream::connect(gallery.address).await.unwrap();
    let request = format!("GET /api/events HTTP/1.1\r\nHost: {}\r\n\r\n", gallery.address);
    events.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while next_version(&mut events, &mut seen).await != before["version"] {}

    // What is saved may be seen when it is half written, too: then it is told of twice.
    write(&gallery.folder, "templates/hello/en.subject", "Good morning, {{ name or 'there' }}");
    loop {
        let version = next_version(&mut events, &mut seen).await;
        let view = &gallery.views(&json!("message/hello/sign-up"), Some("en"), &json!({})).await[0];
        if view["subject"]["text"] == "Good morning, there" {
            assert_ne!(before["version"], version);
            break;
        }
    }

    // A configuration that is wrong for a while is told of on the page, and the gallery goes on.
    write(&gallery.folder, "triggers.toml", "[templated-message");
    loop {
        next_version(&mut events, &mut seen).await;
        let broken = gallery.list().await;
        if broken["problems"].to_string().contains("triggers.toml:1") {
            assert!(items(&broken).is_empty(), "{broken}");
            break;
        }
    }
    write(&gallery.folder, "triggers.toml", MESSAGES);
    while items(&gallery.list().await).is_empty() {
        next_version(&mut events, &mut seen).await;
    }
}

#[tokio::test]
async fn only_pages_of_this_server_are_answered() {
    let gallery = Running::built_in().await;
    let port = gallery.address.port();
    for own in ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"] {
        let (status, head, _) = gallery.send(&format!("GET / HTTP/1.1\r\nHost: {own}:{port}"), "").await;
        assert_eq!(status, 200, "{own}");
        assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff") && head.contains("cache-control: no-store"), "{head}");
        assert!(head.contains("referrer-policy: no-referrer"), "{head}");
    }
    let other_port = port.wrapping_add(1);
    for head in [
        "GET / HTTP/1.0".to_owned(),
        "GET / HTTP/1.1\r\nHost: evil.example".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: evil.example:{port}"),
        format!("GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example:{port}"),
        format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{other_port}"),
        "GET / HTTP/1.1\r\nHost: 127.0.0.1".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example"),
        format!("GET http://evil.example:{port}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}"),
        format!("GET /api/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://evil.example"),
        format!("GET /api/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: null"),
    ] {
        let (status, _, body) = gallery.send(&head, "").await;
        assert_eq!(status, 403, "{head}: {body}");
    }
}

#[tokio::test]
async fn nothing_else_is_done_than_what_the_page_asks_for() {
    let gallery = Running::built_in().await;
    let host = format!("HTTP/1.1\r\nHost: {}", gallery.address);
    let json = "Content-Type: application/json";
    for (head, body, expected) in [
        (format!("PUT / {host}"), String::new(), 405),
        (format!("DELETE /api/render {host}"), String::new(), 405),
        (format!("POST / {host}\r\n{json}"), String::new(), 404),
        (format!("GET /api/render {host}"), String::new(), 404),
        (format!("GET /../Cargo.toml {host}"), String::new(), 404),
        (format!("GET /preview/0000 {host}"), String::new(), 404),
        (format!("POST /api/render {host}"), "{}".to_owned(), 415),
        (format!("POST /api/render {host}\r\n{json}"), "{}".to_owned(), 400),
        (format!("POST /api/render {host}\r\n{json}"), " ".repeat(300_000), 413),
        (format!("POST /api/render {host}\r\n{json}"), json!({ "message": "none", "user": {} }).to_string(), 404),
    ] {
        assert_eq!(gallery.send(&head, &body).await.0, expected, "{head}");
    }
    for path in ["/", "/page.css", "/page.js", "/views.js", "/elements.js"] {
        let (status, _, text) = gallery.get(path).await;
        assert_eq!(status, 200, "{path}");
        // Nothing is fetched from elsewhere.
        let outside = ["http://", "https://", "//cdn"]
            .iter()
            .flat_map(|start| text.match_indices(start))
            .map(|(at, _)| &text[at..]);
        let outside: Vec<_> = outside.filter(|link| !link.starts_with("http://www.w3.org/2000/svg")).collect();
        assert!(outside.is_empty(), "{path}: {outside:?}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_a_remedy() {
    let taken = bind(0).await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = local(folder.path(), &["gallery", "--port", &port], "").await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains(&format!("port {port} is taken")) && err.contains("--port 0"), "{err}");
}

#[tokio::test]
async fn a_configuration_that_is_wrong_from_the_beginning_ends_it() {
    let (folder, file) = configured("[welcome-mail]\n");
    let (code, out, err) = local(folder.path(), &["gallery", &file, "--port", "0"], "").await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("did you mean"), "{err}");
    let (code, _, err) = local(folder.path(), &["gallery", "nowhere.toml", "--port", "0"], "").await;
    assert!(code == 1 && err.contains("there is no file `nowhere.toml`"), "{err}");
}
