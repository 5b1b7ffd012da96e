//! From a template to the words of one message.

use serde_json::{Map, Value};

use super::{Body, MessageTemplate, Order, Part, Placeholders, Refusal, Words, mended, refusals};
use crate::Fault;
use crate::services::Templates;

/// To how many characters what a user chose is cut, one after the other, until the message fits: as it is, then shorter, then
/// left out.
const LENGTHS: [Option<usize>; 4] = [None, Some(40), Some(16), Some(0)];

/// What is not cut: it says something else then, or templates decide by it.
const WHOLE: [&str; 10] = [
    "birthdate",
    "email",
    "email_verified",
    "locale",
    "phone_number",
    "phone_number_verified",
    "sub",
    "updated_at",
    "zoneinfo",
    "gender",
];

/// What is cut. Whatever else there is may be what a template decides by, such as a plan: it is kept, or in the end left out if it is
/// long.
const NAMES: [&str; 7] =
    ["address", "family_name", "given_name", "middle_name", "name", "nickname", "preferred_username"];

/// The most characters of what is short.
const SHORT: usize = 16;

/// What leads somewhere else when it is cut, so that it is whole or not there.
const LINKS: [&str; 3] = ["picture", "profile", "website"];

/// The words of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// The language.
    pub locale: String,
    /// Subject and mail, which go together.
    pub email: Outcome<(String, String)>,
    /// The SMS.
    pub sms: Outcome<String>,
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It was not wanted, or the template has none: Cognito says it in the pool's own words.
    Absent,
    /// Cognito takes it.
    Ready {
        /// The words.
        words: T,
        /// Whether something had to be dropped or shortened.
        mended: bool,
    },
    /// Cognito would not take it, and it cannot be mended.
    Refused(Vec<(Part, Refusal)>),
}

/// Fills a template so that Cognito takes what comes of it.
///
/// What is too long is filled again with less of what the user chose, each part with as much as it has room for. In attributes,
/// braces are written as parentheses: somebody who is called `{####}` is not to be sent his own code as his name.
///
/// # Errors
///
/// If there is no such template, or it asks for something it is not given.
pub fn compose(templates: &dyn Templates, template: &MessageTemplate, order: &Order) -> Result<Composed, Fault> {
    let mut composed = Composed { locale: String::new(), email: Outcome::Absent, sms: Outcome::Absent };
    let (mut email, mut sms) = (order.email, order.sms);
    for length in LENGTHS {
        if !email && !sms {
            break;
        }
        let shortened = length.is_some();
        let words = match templates.message(template, &order.locales, &context(order, length)) {
            Ok(words) => words,
            // It was filled before, and what came of that stays.
            Err(_) if shortened => continue,
            Err(fault) => return Err(fault),
        };
        if email {
            composed.email = mail(&words, order, shortened);
            email = may_do_with_less(&composed.email);
        }
        if sms {
            composed.sms = text_message(&words, order, shortened);
            sms = may_do_with_less(&composed.sms);
        }
        composed.locale = words.locale;
    }
    Ok(composed)
}

fn mail(words: &Words, order: &Order, shortened: bool) -> Outcome<(String, String)> {
    let (Some(subject), Some(body)) = (&words.subject, &words.email) else { return Outcome::Absent };
    let page = match body {
        Body::Html(page) => page.clone(),
        Body::Text(text) => page_of(text),
    };
    let (subject, subject_lost) = mended(Part::Subject, subject, order.occasion);
    let (page, page_lost) = mended(Part::Email, &page, order.occasion);
    let wrong = all_refusals([(Part::Subject, &subject), (Part::Email, &page)], order);
    if wrong.is_empty() {
        Outcome::Ready { words: (subject, page), mended: shortened || subject_lost || page_lost }
    } else {
        Outcome::Refused(wrong)
    }
}

fn text_message(words: &Words, order: &Order, shortened: bool) -> Outcome<String> {
    let Some(text) = &words.sms else { return Outcome::Absent };
    let (text, lost) = mended(Part::Sms, text, order.occasion);
    let wrong = all_refusals([(Part::Sms, &text)], order);
    if wrong.is_empty() { Outcome::Ready { words: text, mended: shortened || lost } } else { Outcome::Refused(wrong) }
}

fn all_refusals<const N: usize>(parts: [(Part, &String); N], order: &Order) -> Vec<(Part, Refusal)> {
    let of = |(part, text): (Part, &String)| {
        let wrong = refusals(part, text, order.occasion, order.by_link, &order.placeholders);
        wrong.into_iter().map(move |refusal| (part, refusal))
    };
    parts.into_iter().flat_map(of).collect()
}

/// Whether less of what the user chose could help: with what is too long, and with a subject of which nothing is left, since a
/// template may say something else to who has no name.
fn may_do_with_less<T>(outcome: &Outcome<T>) -> bool {
    let length = |(_, refusal): &(Part, Refusal)| matches!(refusal, Refusal::Length { .. });
    matches!(outcome, Outcome::Refused(wrong) if wrong.iter().any(length))
}

/// What a template is filled with.
fn context(order: &Order, length: Option<usize>) -> Map<String, Value> {
    let mut context = order.context.clone();
    if let Some(Value::Object(user)) = context.get_mut("user") {
        for (name, value) in user.iter_mut() {
            if let Value::String(text) = value {
                let plain = without_placeholders(text, &order.placeholders);
                *text = match length {
                    Some(most) if LINKS.contains(&name.as_str()) && plain.chars().count() > most => String::new(),
                    Some(most) if NAMES.contains(&name.as_str()) => cut(&plain, most),
                    Some(0) if !WHOLE.contains(&name.as_str()) && !is_short(&plain) => String::new(),
                    _ => plain,
                };
            }
        }
    }
    let by_link = order.by_link && order.occasion.may_be_by_link();
    let link = order.placeholders.link.as_deref().filter(|_| by_link);
    let placeholders = [
        ("code", order.placeholders.code.as_deref()),
        ("username", order.placeholders.user_name.as_deref()),
        ("link", link),
        ("occasion", Some(order.occasion.as_str())),
    ];
    for (name, value) in placeholders {
        context.insert(name.to_owned(), value.unwrap_or_default().into());
    }
    context
}

fn is_short(text: &str) -> bool {
    text.chars().count() <= SHORT
}

/// The same without anything that Cognito would replace.
fn without_placeholders(text: &str, placeholders: &Placeholders) -> String {
    let mut plain = text.replace('{', "(").replace('}', ")");
    // All that were ever seen have braces; should one come without, it goes until nothing is left to be put together to one.
    let Placeholders { code, user_name, link } = placeholders;
    for placeholder in [code, user_name, link].into_iter().flatten().filter(|it| !it.is_empty()) {
        while plain.contains(placeholder.as_str()) {
            plain = plain.replace(placeholder.as_str(), "");
        }
    }
    plain
}

/// The same with at most so many characters, between words if there is a gap.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most).collect();
    let whole = kept.rfind(' ').filter(|gap| *gap * 2 >= kept.len());
    whole.and_then(|gap| kept.get(..gap)).unwrap_or(&kept).trim_end().to_owned()
}

/// Plain text as a page.
fn page_of(text: &str) -> String {
    let mut page = String::with_capacity(text.len());
    for character in text.trim_end().chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\n' => page.push_str("<br>\n"),
            '\r' => {}
            other => page.push(other),
        }
    }
    page
}
