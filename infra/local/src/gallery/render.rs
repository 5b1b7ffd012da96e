//! One mail or message as a user gets it: made by the code that makes it, and taken apart again.

use std::sync::{Mutex, PoisonError};

use cognito_triggers::ledger::{DeliveryId, Mail};
use cognito_triggers::message::{self, Body, Composed, Occasion, Order, Outcome, Part, Placeholders};
use cognito_triggers::{Fault, Mailbox};
use jiff::Timestamp;
use mail_parser::{HeaderValue, MessageParser};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::item::{Item, Made, Mailboxes};
use super::preview::Previews;
use super::project::Snapshot;
use super::segments::{self, Count};
use super::trouble::Trouble;

/// How many characters of a subject most mail programs show.
const SUBJECT_SHOWN: usize = 70;
/// From how many bytes on Gmail shows the beginning of a mail alone, and from when on that is near.
const CLIPPED: usize = 102 * 1024;
const NEARLY_CLIPPED: usize = 90 * 1024;
/// When what is shown is sent.
const NOW: Timestamp = Timestamp::constant(1_798_113_600, 0);
/// Headers worth a look, as they are written.
const HEADERS: [&str; 7] =
    ["From", "To", "Reply-To", "Content-Language", "Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post"];

/// What is to be shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    /// The item, by its id.
    pub(super) message: String,
    /// The language; without one, all of them.
    pub(super) locale: Option<String>,
    /// The user's attributes, by name.
    pub(super) user: Map<String, Value>,
    /// Whether placeholders are shown with what Cognito might put there.
    #[serde(default)]
    pub(super) examples: bool,
}

/// A mail or message in one language.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    locale: String,
    subject: Option<Line>,
    html: Option<Page>,
    text: Option<String>,
    sms: Option<Sms>,
    headers: Vec<(String, String)>,
    /// Bytes of the whole mail.
    size: Option<usize>,
    problems: Vec<Trouble>,
}

/// A line and how long it may be.
#[derive(Serialize)]
struct Line {
    text: String,
    length: usize,
    most: usize,
}

/// A page, under the name it is kept by.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    preview: String,
    /// Characters as Cognito counts them, or bytes.
    length: usize,
    most: usize,
    unit: &'static str,
    /// How many pictures are fetched from elsewhere, which they are not here.
    pictures: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sms {
    text: String,
    length: usize,
    most: usize,
    count: Count,
}

/// Makes what is wanted.
pub(super) fn views(snapshot: &Snapshot, item: &Item, wanted: &Wanted, previews: &Mutex<Previews>) -> Vec<View> {
    let locales: Vec<String> = match &wanted.locale {
        Some(locale) => vec![locale.clone()],
        None => item.languages.clone(),
    };
    let maker = Maker { snapshot, item, wanted, previews };
    locales.into_iter().map(|locale| maker.view(locale)).collect()
}

/// Subject and page, and the SMS.
type Unfit = (Option<(String, String)>, Option<String>);

struct Maker<'a> {
    snapshot: &'a Snapshot,
    item: &'a Item,
    wanted: &'a Wanted,
    previews: &'a Mutex<Previews>,
}

impl Maker<'_> {
    fn view(&self, locale: String) -> View {
        let made = match &self.item.made {
            Made::Mail { entries, mailboxes } => self.mail(&locale, entries, mailboxes),
            Made::Message(order) => self.message(&locale, order),
        };
        let own = |problem: &&Trouble| problem.locale.as_ref().is_none_or(|of| *of == locale);
        let mut known: Vec<Trouble> = self.item.problems.iter().filter(own).cloned().collect();
        let mut view = made.unwrap_or_else(|fault| {
            // One wrong file refuses the template as a whole: this language may wait for what is wrong with another.
            if known.is_empty() {
                known.clone_from(&self.item.problems);
            }
            // That was found before, with more about it.
            let problems = if known.is_empty() { vec![self.told(&fault)] } else { Vec::new() };
            View { locale: locale.clone(), problems, ..View::default() }
        });
        view.problems.splice(0..0, known);
        view
    }

    fn told(&self, fault: &Fault) -> Trouble {
        error(None, self.snapshot.packaged.original(&fault.causes()))
    }

    fn mail(&self, locale: &str, entries: &[Map<String, Value>], mailboxes: &Mailboxes) -> Result<View, Fault> {
        let user = &self.wanted.user;
        let own = || user.get("email").and_then(Value::as_str).and_then(|address| address.parse::<Mailbox>().ok());
        let to = match mailboxes.to.as_slice() {
            [] => vec![own().map_or_else(|| "anna@example.com".parse(), Ok)?],
            named => named.to_vec(),
        };
        let mut entries: Vec<_> = entries.to_vec();
        let plain = !user.values().any(|value| value.as_str().is_some_and(|text| text.contains('<')));
        for (index, entry) in entries.iter_mut().enumerate() {
            if plain {
                entry.iter_mut().for_each(|(key, value)| make_plausible(key, value, user));
            }
            keep_zone(entry, user);
            // A notice to administrators may know nothing of the user but the name.
            entry.insert("user".to_owned(), if index == 0 { user.clone().into() } else { other(index).into() });
        }
        let context = entries.first().cloned().unwrap_or_default();
        let unsubscribe =
            context.get("links").and_then(|links| links.get("unsubscribe")).map(|_| "unsubscribe".to_owned());
        let mail = Mail {
            from: mailboxes.from.clone(),
            reply_to: mailboxes.reply_to.clone(),
            locales: vec![locale.to_owned()],
            context,
            unsubscribe,
            ..Mail::new(&self.item.template, to)
        };
        let id = DeliveryId {
            pool: "eu-central-1_Example01".into(),
            sub: user.get("sub").and_then(Value::as_str).unwrap_or("0").to_owned(),
            key: format!("{}/gallery", self.item.rule),
        };
        let sender = self.snapshot.sender.as_ref().ok_or_else(|| Fault::new("mails are from nobody"))?;
        let message = self.snapshot.packaged.templates.mail(&id, &mail, &entries, sender, NOW)?;
        let unreadable = || Fault::new("the mail cannot be read back");
        let parsed = MessageParser::default().parse(&message.raw).ok_or_else(unreadable)?;
        let subject = parsed.subject().unwrap_or_default().to_owned();
        // Only a part that is a page is one: the reader makes one of plain text, too.
        let html = parsed.html_bodies().find_map(|part| part.is_text_html().then(|| part.text_contents())?);
        let mut view = View {
            locale: locale.to_owned(),
            text: parsed.body_text(0).map(|text| text.replace("\r\n", "\n")),
            headers: headers(&parsed),
            size: Some(message.raw.len()),
            ..View::default()
        };
        let length = subject.chars().count();
        view.subject = Some(Line { text: subject, length, most: SUBJECT_SHOWN });
        if let Some(html) = html.map(|html| html.replace("\r\n", "\n")) {
            let length = html.len();
            if length >= NEARLY_CLIPPED {
                let text = format!("the page has {length} bytes, and Gmail shows no more than {CLIPPED}; say less");
                view.problems.push(warning(Some("html"), text));
            }
            view.html = Some(self.page(html, length, CLIPPED, "bytes"));
        }
        if view.subject.as_ref().is_some_and(|subject| subject.length > subject.most) {
            let text = format!("most mail programs show no more than {SUBJECT_SHOWN} characters of a subject");
            view.problems.push(warning(Some("subject"), text));
        }
        Ok(view)
    }

    fn message(&self, locale: &str, order: &Order) -> Result<View, Fault> {
        let mut order = order.clone();
        order.locales = vec![locale.to_owned()];
        order.context.insert("user".to_owned(), self.wanted.user.clone().into());
        keep_zone(&mut order.context, &self.wanted.user);
        let templates = self.snapshot.packaged.templates.as_ref();
        let Composed { email, sms, .. } = message::compose(templates, &self.item.at, &order)?;
        let mut view = View { locale: locale.to_owned(), ..View::default() };
        let mut refused = Vec::new();
        let mut mended = Vec::new();
        let mail = match email {
            Outcome::Ready { words, mended: lost } => {
                mended.extend(lost.then_some("html"));
                Some(words)
            }
            Outcome::Refused(wrong) => {
                refused.extend(wrong);
                self.unfit(&order)?.0
            }
            Outcome::Absent => None,
        };
        let sms = match sms {
            Outcome::Ready { words, mended: lost } => {
                mended.extend(lost.then_some("sms"));
                Some(words)
            }
            Outcome::Refused(wrong) => {
                refused.extend(wrong);
                self.unfit(&order)?.1
            }
            Outcome::Absent => None,
        };
        for (part, refusal) in refused {
            view.problems.push(error(Some(part_name(part)), format!("{refusal}; {}", refusal.remedy())));
        }
        for part in mended {
            let text = "something of this user's was dropped or shortened, so that Cognito takes it".to_owned();
            view.problems.push(warning(Some(part), text));
        }
        let (of_subject, of_page, of_sms) =
            (*Part::Subject.bounds().end(), *Part::Email.bounds().end(), *Part::Sms.bounds().end());
        if let Some((subject, page)) = mail {
            let length = Part::length(&subject);
            view.subject = Some(Line { text: self.shown(&subject, &order, false), length, most: of_subject });
            let length = Part::length(&page);
            view.html = Some(self.page(self.shown(&page, &order, true), length, of_page, "characters"));
        }
        if let Some(text) = sms {
            let length = Part::length(&text);
            let text = self.shown(&text, &order, false);
            let count = segments::count(&text);
            view.sms = Some(Sms { text, length, most: of_sms, count });
        }
        if view.html.is_none() && view.sms.is_none() && view.problems.is_empty() {
            let text =
                "the template has neither a mail nor an SMS in this language: Cognito uses the words of the pool";
            view.problems.push(warning(None, text.to_owned()));
        }
        Ok(view)
    }

    /// What the template says although Cognito would not take it.
    fn unfit(&self, order: &Order) -> Result<Unfit, Fault> {
        let mut context = order.context.clone();
        let Placeholders { code, user_name, link } = order.placeholders.clone();
        let link = link.filter(|_| order.by_link && order.occasion.may_be_by_link());
        for (name, placeholder) in [("code", code), ("username", user_name), ("link", link)] {
            context.insert(name.to_owned(), placeholder.unwrap_or_default().into());
        }
        context.insert("occasion".to_owned(), order.occasion.as_str().into());
        let words = self.snapshot.packaged.templates.message(&self.item.at, &order.locales, &context)?;
        let page = words.email.map(|body| match body {
            Body::Html(page) => page,
            Body::Text(text) => format!("<pre>{}</pre>", escaped(&text)),
        });
        Ok((words.subject.zip(page), words.sms))
    }

    /// With what Cognito puts in the places of placeholders, if that is wanted.
    fn shown(&self, text: &str, order: &Order, is_page: bool) -> String {
        if !self.wanted.examples {
            return text.to_owned();
        }
        let mut text = text.to_owned();
        let Placeholders { code, user_name, link } = &order.placeholders;
        if let Some(link) = link {
            let called = link.trim_start_matches("{##").trim_end_matches("##}");
            let url = "https://auth.acme.example/confirmUser?confirmation_code=123456";
            let with = if is_page { format!("<a href=\"{url}\">{}</a>", escaped(called)) } else { url.to_owned() };
            text = text.replace(link, &with);
        }
        if let Some(user_name) = user_name {
            let called =
                ["preferred_username", "email", "sub"].iter().find_map(|key| self.wanted.user.get(*key)?.as_str());
            let called = called.unwrap_or("anna");
            text = text.replace(user_name, &if is_page { escaped(called) } else { called.to_owned() });
        }
        if let Some(code) = code {
            let is_password = order.occasion == Occasion::AdminCreateUser;
            text = text.replace(code, if is_password { "Vq8-mK2p" } else { "123456" });
        }
        text
    }

    fn page(&self, page: String, length: usize, most: usize, unit: &'static str) -> Page {
        let lower = page.to_ascii_lowercase();
        let tags = lower.split("<img").skip(1).filter_map(|tag| tag.split('>').next());
        let pictures = tags.filter(|tag| tag.contains("http:") || tag.contains("https:")).count();
        let preview = self.previews.lock().unwrap_or_else(PoisonError::into_inner).keep(page);
        Page { preview, length, most, unit, pictures }
    }
}

fn error(part: Option<&'static str>, text: String) -> Trouble {
    Trouble { severity: "error", locale: None, part, file: None, line: None, text }
}

fn warning(part: Option<&'static str>, text: String) -> Trouble {
    Trouble { severity: "warning", ..error(part, text) }
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Subject => "subject",
        Part::Email => "html",
        Part::Sms => "sms",
    }
}

/// Samples are there to break templates; who looks at one would rather see what users get.
fn make_plausible(key: &str, value: &mut Value, user: &Map<String, Value>) {
    let text = |key: &str| user.get(key).and_then(Value::as_str);
    let Value::String(known) = value else { return };
    let better = match key {
        "at" if known.starts_with("1970-") => "2026-12-24T11:58:00Z",
        "client_name" if known.contains('<') => "Acme Shop",
        "user_agent" if known.contains('<') => {
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15"
        }
        "user_name" if known.contains('<') => text("preferred_username").or_else(|| text("sub")).unwrap_or("anna"),
        _ => return,
    };
    *value = better.into();
}

/// Times are told in the zone of who is looked at, where a rule tells them at all.
fn keep_zone(context: &mut Map<String, Value>, user: &Map<String, Value>) {
    let is_plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
    if let Some(zone) = context.get_mut("zone") {
        *zone = user.get("zoneinfo").and_then(Value::as_str).filter(is_plain).unwrap_or_default().into();
    }
}

/// Somebody else a digest tells of.
fn other(index: usize) -> Map<String, Value> {
    let others = message::sample_users();
    let plain = others.into_iter().filter(|user| !user.about.contains("harm") && !user.about.contains("long"));
    plain.cycle().nth(index).map(|user| user.attributes).unwrap_or_default()
}

fn headers(message: &mail_parser::Message<'_>) -> Vec<(String, String)> {
    let told = |name: &str| -> Option<String> {
        match message.header(name)? {
            HeaderValue::Address(address) => {
                let told = |one: &mail_parser::Addr<'_>| match (one.name(), one.address()) {
                    (Some(name), Some(address)) => format!("{name} <{address}>"),
                    (_, address) => address.unwrap_or_default().to_owned(),
                };
                Some(address.iter().map(told).collect::<Vec<_>>().join(", "))
            }
            HeaderValue::Text(text) => Some(text.clone().into_owned()),
            HeaderValue::TextList(texts) => Some(texts.join(", ")),
            _ => message.header_raw(name).map(|raw| raw.trim().to_owned()),
        }
    };
    HEADERS.iter().filter_map(|name| Some(((*name).to_owned(), told(name)?))).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
