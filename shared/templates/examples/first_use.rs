//! What the first use of a template costs, and every other: `cargo run -p cognito-triggers-templates --release --example
//! first_use`.

use std::path::Path;
use std::time::{Duration, Instant};

use cognito_triggers::ledger::{DeliveryId, Mail};
use cognito_triggers::message::{MessageTemplate, sample_users};
use cognito_triggers::services::{Sender, sample_contexts};
use cognito_triggers::{Fault, Templates};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// How often each is measured.
const TIMES: usize = 200;

fn main() -> Result<(), Fault> {
    for template in ["welcome-email", "admin-notice"] {
        measure(template, |templates| {
            let mail = mail(template)?;
            let sender = Sender { from: "Acme <hello@acme.example>".parse()?, reply_to: Vec::new() };
            let id = DeliveryId { pool: "p".into(), sub: "s".into(), key: "welcome-email/x".into() };
            let entries = std::slice::from_ref(&mail.context);
            let start = Instant::now();
            templates.mail(&id, &mail, entries, &sender, Timestamp::UNIX_EPOCH)?;
            Ok(start.elapsed())
        })?;
    }
    // A user waits for this one.
    let template = MessageTemplate { folder: None, name: "verification".to_owned() };
    let (locales, context) = (["de-AT".to_owned(), "en".to_owned()], message());
    measure(&template.name, |templates| {
        let start = Instant::now();
        templates.message(&template, &locales, &context)?;
        Ok(start.elapsed())
    })
}

#[allow(clippy::print_stdout, reason = "it prints what it measured")]
fn measure(name: &str, fill: impl Fn(&dyn Templates) -> Result<Duration, Fault>) -> Result<(), Fault> {
    let (mut opening, mut first, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let start = Instant::now();
        let templates = cognito_triggers_templates::open(Path::new("."), Path::new("none"));
        opening.push(start.elapsed());
        for times in [&mut first, &mut other] {
            times.push(fill(templates.as_ref())?);
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    let [opening, first, other] = [&mut opening, &mut first, &mut other].map(median);
    println!("{name}: opening {opening:?}, first use {first:?}, every other {other:?} (medians of {TIMES})");
    Ok(())
}

fn mail(template: &str) -> Result<Mail, Fault> {
    let mut context = sample_contexts().into_iter().nth(1).unwrap_or_default();
    context.insert("at".into(), "2026-01-31T12:00:00Z".into());
    context.insert("met".into(), "confirmed".into());
    let to = vec!["anna@example.com".parse()?];
    Ok(Mail { locales: vec!["de-AT".into(), "en".into()], context, ..Mail::new(template, to) })
}

/// What a template of a message is filled with, when somebody signs up.
fn message() -> Map<String, Value> {
    let user = sample_users().into_iter().next().map(|user| user.attributes);
    let context = json!({
        "user": user, "pool": "eu-central-1_Example01", "client": "web", "zone": "Europe/Vienna", "birthday": false,
        "sender": { "name": "Acme", "address": "" }, "code": "{####}", "username": "", "link": "", "occasion": "sign-up",
    });
    context.as_object().cloned().unwrap_or_default()
}
