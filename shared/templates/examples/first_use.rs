//! What the first use of a template costs, and every other: `cargo run -p cognito-triggers-templates --release --example
//! first_use`.

use std::path::Path;
use std::time::Instant;

use cognito_triggers::Fault;
use cognito_triggers::ledger::{DeliveryId, Mail};
use cognito_triggers::services::{Sender, sample_contexts};
use jiff::Timestamp;

#[allow(clippy::print_stdout, reason = "it prints what it measured")]
fn main() -> Result<(), Fault> {
    for template in ["welcome-email", "admin-notice"] {
        let mut first = Vec::new();
        let mut other = Vec::new();
        let mut opening = Vec::new();
        for _ in 0..200 {
            let start = Instant::now();
            let templates = cognito_triggers_templates::open(Path::new("."), Path::new("none"));
            opening.push(start.elapsed());
            for times in [&mut first, &mut other] {
                let mail = mail(template)?;
                let sender = Sender { from: "Acme <hello@acme.example>".parse()?, reply_to: Vec::new() };
                let id = DeliveryId { pool: "p".into(), sub: "s".into(), key: "welcome-email/x".into() };
                let entries = std::slice::from_ref(&mail.context);
                let start = Instant::now();
                templates.mail(&id, &mail, entries, &sender, Timestamp::UNIX_EPOCH)?;
                times.push(start.elapsed());
            }
        }
        for times in [&mut opening, &mut first, &mut other] {
            times.sort();
        }
        let median = |times: &[std::time::Duration]| times.get(times.len() / 2).copied().unwrap_or_default();
        println!(
            "{template}: opening {:?}, first use {:?}, every other {:?} (medians of 200)",
            median(&opening),
            median(&first),
            median(&other)
        );
    }
    Ok(())
}

fn mail(template: &str) -> Result<Mail, Fault> {
    let mut context = sample_contexts().into_iter().nth(1).unwrap_or_default();
    context.insert("at".into(), "2026-01-31T12:00:00Z".into());
    context.insert("met".into(), "confirmed".into());
    let to = vec!["anna@example.com".parse()?];
    Ok(Mail { locales: vec!["de-AT".into(), "en".into()], context, ..Mail::new(template, to) })
}
