//! Mails and files as they come out, read back by an independent reader.

mod built_in;
mod hostile;
mod mails;
mod messages;
mod moments;
mod refused;
mod sets;
mod sign_ins;
mod unsubscribe;
mod words;

use std::fs;
use std::path::PathBuf;

use mail_parser::{MessageParser, MimeHeaders};
use serde_json::json;
use tempfile::TempDir;

use super::*;

/// A folder with a configuration's templates and files.
struct Place {
    folder: TempDir,
    templates: Arc<dyn Templates>,
}

impl Place {
    /// With these files.
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let templates = open(folder.path(), &folder.path().join("templates"));
        let place = Self { folder, templates };
        for (path, text) in files {
            place.write(path, text);
        }
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn send(&self, mail: &Mail) -> Result<Message, Fault> {
        self.send_all(mail, std::slice::from_ref(&mail.context))
    }

    fn send_all(&self, mail: &Mail, entries: &[Map<String, Value>]) -> Result<Message, Fault> {
        self.templates.mail(&id(), mail, entries, &sender(), now())
    }

    fn check(&self, template: &str) -> Vec<String> {
        let used = TemplateUse::Mail { template: template.into(), samples: sample_contexts() };
        self.told(&self.templates.check(&used))
    }

    /// Errors as they are printed, without the path of the folder.
    fn told(&self, errors: &[ConfigError]) -> Vec<String> {
        errors.iter().map(|error| self.short(&error.to_string())).collect()
    }

    fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

fn id() -> DeliveryId {
    DeliveryId { pool: "eu-central-1_Example01".into(), sub: "1111".into(), key: "welcome-email/anna".into() }
}

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn sender() -> Sender {
    Sender { from: "Acme <hello@acme.example>".parse().unwrap(), reply_to: Vec::new() }
}

fn context(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A mail to Anna.
fn mail(template: &str, user: Value) -> Mail {
    Mail {
        locales: vec!["en".into()],
        context: context(json!({ "user": user, "pool": "eu-central-1_Example01", "client": "web" })),
        ..Mail::new(template, vec!["anna@example.com".parse().unwrap()])
    }
}

/// A mail as another program reads it.
#[derive(Debug, PartialEq)]
struct Seen {
    headers: Vec<String>,
    subject: String,
    from: Vec<(Option<String>, String)>,
    to: Vec<(Option<String>, String)>,
    kinds: Vec<String>,
    text: String,
    html: String,
}

fn seen(message: &Message) -> Seen {
    let parsed = MessageParser::default().parse(&message.raw).unwrap();
    let mailboxes = |list: Option<&mail_parser::Address<'_>>| {
        let list = list.unwrap().as_list().expect("no group");
        list.iter().map(|it| (it.name().map(str::to_owned), it.address().unwrap().to_owned())).collect()
    };
    let kind = |part: &mail_parser::MessagePart<'_>| {
        let kind = part.content_type().unwrap();
        format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())
    };
    Seen {
        headers: parsed.headers().iter().map(|header| header.name().to_owned()).collect(),
        subject: parsed.subject().unwrap_or_default().to_owned(),
        from: mailboxes(parsed.from()),
        to: mailboxes(parsed.to()),
        kinds: parsed.parts.iter().map(kind).collect(),
        text: parsed.body_text(0).unwrap().replace("\r\n", "\n"),
        html: parsed.body_html(0).unwrap().replace("\r\n", "\n"),
    }
}

/// The lines of the header block, continued ones joined; the bytes themselves are checked on the way.
fn header_lines(raw: &[u8]) -> Vec<String> {
    let end = raw.windows(4).position(|it| it == b"\r\n\r\n").expect("an empty line");
    let block = std::str::from_utf8(&raw[..end]).unwrap();
    assert!(block.is_ascii());
    let mut lines: Vec<String> = Vec::new();
    for line in block.split("\r\n") {
        assert!(!line.contains(|it: char| it.is_control() && it != '\t'), "{line:?}");
        assert!(line.len() <= 998, "RFC 5322, section 2.1.1");
        match line.strip_prefix([' ', '\t']) {
            Some(more) => lines.last_mut().unwrap().push_str(more),
            None => lines.push(line.to_owned()),
        }
    }
    lines
}

const HEADERS: [&str; 9] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Language",
    "MIME-Version",
    "Content-Type",
];

fn header_names(raw: &[u8]) -> Vec<String> {
    header_lines(raw).iter().map(|line| line.split_once(": ").unwrap().0.to_owned()).collect()
}
