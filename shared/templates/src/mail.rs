//! The mail as it goes out (RFC 5322, MIME).
//!
//! What a user chose reaches the subject and the names that are shown. Both are one line by the time they get here, and are
//! written by the library as encoded words or quoted strings, so that they cannot end a header or name a recipient.

use std::collections::BTreeMap;

use cognito_triggers::ledger::{DeliveryId, Mail};
use cognito_triggers::services::{Message, Sender};
use cognito_triggers::{Fault, FaultKind, Mailbox, Outlook};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::url::URL;
use mail_builder::mime::{BodyPart, MimePart};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::filling::Letter;
use crate::text;

/// The most recipients SES v1 takes (Amazon SES API reference, "SendRawEmail": "Each message can include up to 50 recipient
/// addresses across the To:, CC:, or BCC: lines").
const MOST_RECIPIENTS: usize = 50;
/// The most bytes it takes (the same: "The maximum message size, including attachments, is 10 MB").
const LARGEST: usize = 10_000_000;
/// The most characters of the value of a tag (Amazon SES API reference, "MessageTag": "Contain 256 characters or
/// fewer").
const LONGEST_TAG: usize = 256;
/// The longest URL in a header. A line has at most 998 characters (RFC 5322, section 2.1.1), and this one is never folded:
/// within a URL it cannot be, and before it some mail programs do not look on.
const LONGEST_URL: usize = 900;

/// The link that unsubscribes, by its name.
///
/// # Errors
///
/// If the mail has no such link, or one that cannot stand in a header: without it nothing is sent.
pub(crate) fn unsubscribe<'a>(name: &str, entries: &'a [Map<String, Value>]) -> Result<&'a str, Fault> {
    let links = entries.first().and_then(|entry| entry.get("links"));
    let Some(url) = links.and_then(|links| links.get(name)?.as_str()) else {
        return Err(permanent(format!("the mail has no link `{name}` to unsubscribe with")));
    };
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>');
    if url.is_empty() || url.len() > LONGEST_URL || !url.bytes().all(is_plain) {
        let remedy = format!("use a plain URL of at most {LONGEST_URL} characters");
        return Err(permanent(format!("the link `{name}` cannot stand in a header: {remedy}")));
    }
    Ok(url)
}

/// Puts a mail together.
///
/// # Errors
///
/// If no mail service would take it: it has too many recipients or none, is too large, or an address is none a mail can be
/// sent to.
pub(crate) fn write(
    id: &DeliveryId,
    mail: &Mail,
    letter: &Letter,
    unsubscribe: Option<&str>,
    sender: &Sender,
    now: Timestamp,
) -> Result<Message, Fault> {
    if mail.to.is_empty() || mail.to.len() > MOST_RECIPIENTS {
        let count = mail.to.len();
        return Err(permanent(format!("the mail has {count} recipients: a mail takes 1 to {MOST_RECIPIENTS}")));
    }
    let from = mail.from.as_ref().unwrap_or(&sender.from);
    let reply_to = if mail.reply_to.is_empty() { &sender.reply_to } else { &mail.reply_to };
    let all = mail.to.iter().chain(reply_to).chain([from]);
    if !all.map(Mailbox::address).all(is_sendable) {
        return Err(permanent("an address of the mail has characters no mail service takes".to_owned()));
    }

    let mut message = MessageBuilder::new().from(address(from)).to(addresses(&mail.to));
    if !reply_to.is_empty() {
        message = message.reply_to(addresses(reply_to));
    }
    if let Some(url) = unsubscribe {
        // RFC 8058: who mails out lists says where a single POST unsubscribes.
        message = message
            .header("List-Unsubscribe", URL::new(url))
            .header("List-Unsubscribe-Post", Raw::new("List-Unsubscribe=One-Click"));
    }
    let message = message
        .subject(letter.subject.as_str())
        .date(Date::new(now.as_second()))
        .message_id(message_id(id, from))
        // Vacation notices must not answer (RFC 3834).
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("Content-Language", Raw::new(letter.locale.as_str()))
        .body(body(letter));
    let mut raw = Vec::new();
    message.serialize(&mut raw);
    if raw.len() > LARGEST {
        return Err(permanent(format!("the mail has {} bytes: a mail takes {LARGEST}", raw.len())));
    }
    Ok(Message {
        from: from.address().to_owned(),
        recipients: mail.to.iter().map(|mailbox| mailbox.address().to_owned()).collect(),
        raw,
        tags: tags(id, mail),
    })
}

fn permanent(message: String) -> Fault {
    Fault::of(FaultKind::Configuration, message).with_outlook(Outlook::Permanent)
}

/// Whether an address can stand in a header as it is, and a mail service takes it: an RFC 5322 `dot-atom` before the `@`.
/// SES knows no letters beyond ASCII there (Amazon SES API reference, "SendRawEmail": "Amazon SES does not support the
/// SMTPUTF8 extension").
fn is_sendable(address: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    address.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && local.bytes().all(plain) && !domain.is_empty() && domain.bytes().all(plain)
    })
}

fn address(mailbox: &Mailbox) -> Address<'_> {
    let name = mailbox.name().map(text::one_line).filter(|name| !name.is_empty());
    Address::new_address(name, mailbox.address())
}

fn addresses(mailboxes: &[Mailbox]) -> Address<'_> {
    Address::new_list(mailboxes.iter().map(address).collect())
}

/// The same whenever the same mail is sent again, so that a mailbox can tell; nothing of the user's can be read from it.
fn message_id(id: &DeliveryId, from: &Mailbox) -> String {
    let domain = from.address().rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    format!("{}@{domain}", hash([id.pool.as_str(), &id.sub, &id.key]))
}

fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    let hash = hasher.finalize();
    HEXLOWER.encode(hash.get(..16).unwrap_or(&hash))
}

fn body(letter: &Letter) -> MimePart<'_> {
    let part = |kind: &'static str, text: &str| {
        let kind = ContentType::new(kind).attribute("charset", "utf-8");
        MimePart::new(kind, BodyPart::from(text.to_owned()))
    };
    let plain = part("text/plain", &letter.text);
    let Some(page) = &letter.html else { return plain };
    // Nobody can write a text that holds its own hash, so no text ends its part.
    let boundary = format!("=_{}", hash([letter.text.as_str(), page]));
    let kind = ContentType::new("multipart/alternative").attribute("boundary", boundary);
    MimePart::new(kind, vec![plain, part("text/html", page)])
}

/// What the mail is counted by.
fn tags(id: &DeliveryId, mail: &Mail) -> BTreeMap<String, String> {
    let plain = |text: &str| -> String {
        let is_plain = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        text.chars().filter(is_plain).take(LONGEST_TAG).collect()
    };
    let tags = [("rule", plain(id.rule())), ("template", plain(&mail.template))];
    let filled = tags.into_iter().filter(|(_, value)| !value.is_empty());
    let mut tags = BTreeMap::new();
    tags.extend(filled.map(|(name, value)| (name.to_owned(), value)));
    tags
}
