//! A template filled: a mail as it is written, a message as Cognito is given it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cognito_triggers::config::ConfigError;
use cognito_triggers::message::{Body, Words as Message};
use cognito_triggers::{Fault, Mailbox};
use minijinja::Error;
use serde_json::{Map, Value as Json};

use crate::context::{self, Value};
use crate::language::Part;
use crate::locale::Locale;
use crate::template::Template;
use crate::words::{self, Form};
use crate::{engine, moments, text};

/// The longest subject of a mail. Mail programs show some 70 characters, on a phone half of that.
const LONGEST_SUBJECT: usize = 150;
/// What a mail is made of.
const OF_MAILS: [Part; 3] = [Part::Subject, Part::Html, Part::Text];
/// What a message is made of. Cognito sends no mail in two forms, so there is no text where there is a page.
const OF_MESSAGES: [Part; 4] = [Part::Subject, Part::Html, Part::Text, Part::Sms];

/// A mail that is filled.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) locale: String,
    /// One line.
    pub(crate) subject: String,
    pub(crate) html: Option<String>,
    pub(crate) text: String,
}

/// A part or a word that could not be filled.
struct Failure {
    /// The part, unless it is a word.
    part: Option<Part>,
    /// The name of its template.
    name: String,
    error: Error,
    /// The word that was asked for in vain.
    missed: Option<String>,
}

impl Template {
    /// Fills every part of a mail with every sample, with all of them at once, and with every link.
    pub(crate) fn prove(&self, samples: &[Map<String, Json>]) -> Vec<ConfigError> {
        let sender = |name: &str| context::sender(Value::from(name), Value::from("hello@acme.example"));
        let (sender, nameless) = (sender("Acme & Söhne"), sender(""));
        let mut contexts = Vec::with_capacity(samples.len() + 2);
        for sample in samples {
            contexts.push(values(std::slice::from_ref(sample), &nameless));
        }
        if samples.len() > 1 {
            contexts.push(values(samples, &sender));
        }
        if let Some(sample) = samples.first() {
            contexts.push(values(&[context::with_all_links(sample)], &nameless));
        }
        let mut errors = Vec::new();
        for locale in &self.locales {
            let (mut told, mut wrong) = (BTreeSet::new(), Vec::new());
            for context in &contexts {
                let (filled, failures) = self.filled(locale, locale, context, &OF_MAILS);
                let failures = failures.iter().filter(|failure| told.insert(failure.name.clone()));
                wrong.extend(failures.map(|failure| (failure.part, self.wrong(failure, locale))));
                if filled.get(&Part::Subject).is_some_and(|subject| text::one_line(subject).is_empty()) {
                    let error = ConfigError::new("the subject is empty for at least one user")
                        .remedy("write what is true of everybody, e.g. `Hello {{ name or 'there' }}`");
                    wrong.push((Some(Part::Subject), error.placed(&self.place_of(locale, Part::Subject), 1)));
                }
            }
            wrong.sort_by_key(|(part, _)| *part);
            errors.extend(wrong.into_iter().map(|(_, error)| error));
        }
        engine::each_once(errors)
    }

    /// Fills the language that suits, of a mail.
    ///
    /// # Errors
    ///
    /// If a file asks for something it is not given.
    pub(crate) fn fill(
        &self,
        wanted: &[String],
        entries: &[Map<String, Json>],
        from: &Mailbox,
    ) -> Result<Letter, Fault> {
        let locale = self.chosen(wanted)?;
        let name = text::one_line(from.name().unwrap_or_default());
        let context = values(entries, &context::sender(Value::from(name), Value::from(from.address())));
        let (mut filled, failures) = self.filled(locale, &locale.as_wanted(wanted), &context, &OF_MAILS);
        self.without(&failures)?;
        let subject = filled.remove(&Part::Subject).unwrap_or_default();
        let html = filled.remove(&Part::Html).map(|html| text::body(&html));
        let text = match filled.remove(&Part::Text) {
            Some(text) => text::body(&text),
            None => text::from_html(html.as_deref().unwrap_or_default()),
        };
        let subject = text::cut(&text::one_line(&subject), LONGEST_SUBJECT);
        Ok(Letter { locale: locale.to_string(), subject, html, text })
    }

    /// Fills the language that suits, of a message.
    ///
    /// # Errors
    ///
    /// If a file asks for something it is not given.
    pub(crate) fn message(&self, wanted: &[String], context: &Map<String, Json>) -> Result<Message, Fault> {
        let locale = self.chosen(wanted)?;
        let context = context::of_message(context);
        let (filled, failures) = self.filled(locale, &locale.as_wanted(wanted), &context, &OF_MESSAGES);
        self.without(&failures)?;
        Ok(message(locale, filled))
    }

    /// The same, to see what is wrong.
    ///
    /// # Errors
    ///
    /// All that is wrong.
    pub(crate) fn tried(&self, wanted: &[String], context: &Map<String, Json>) -> Result<Message, Vec<ConfigError>> {
        let locale = self.chosen(wanted).map_err(|fault| vec![ConfigError::new(fault.to_string())])?;
        let context = context::of_message(context);
        let (filled, failures) = self.filled(locale, &locale.as_wanted(wanted), &context, &OF_MESSAGES);
        if failures.is_empty() {
            return Ok(message(locale, filled));
        }
        Err(failures.iter().map(|failure| self.wrong(failure, locale)).collect())
    }

    fn chosen(&self, wanted: &[String]) -> Result<&Locale, Fault> {
        let none = || Fault::new("a template without languages was not refused");
        Locale::choose(wanted, &self.locales).ok_or_else(none)
    }

    /// Fills the words of a language, then these of its parts. `spoken` is the language that times are worded in.
    fn filled(
        &self,
        locale: &Locale,
        spoken: &Locale,
        context: &BTreeMap<String, Value>,
        asked: &[Part],
    ) -> (BTreeMap<Part, String>, Vec<Failure>) {
        let (mut filled, mut failures) = (BTreeMap::new(), Vec::new());
        let Some(language) = self.languages.get(locale) else { return (filled, failures) };
        let mut context = context.clone();
        context.insert(moments::LANGUAGE.to_owned(), Value::from(spoken.to_string()));
        context.insert("locale".to_owned(), Value::from(locale.to_string()));
        context.insert("dir".to_owned(), Value::from(locale.direction()));
        let words = language.words.get_or_init(|| self.glossary.of(locale));
        for form in [Form::Plain, Form::Page] {
            let parts = asked.iter().filter(|part| (**part == Part::Html) == (form == Form::Page));
            let mut parts = parts.filter_map(|part| Some((*part, language.parts.get(part)?))).peekable();
            if parts.peek().is_none() {
                continue;
            }
            let (words, unfilled) = words::fill(words, &self.engine, &context, form);
            for words::Unfilled { template, error } in unfilled {
                note(&mut failures, Failure { part: None, name: template, error, missed: None });
            }
            let mut context = context.clone();
            context.insert(words::WORDS.to_owned(), Value::from_dyn_object(Arc::clone(&words)));
            let context = Value::from_pairs(context);
            for (part, file) in parts {
                let text = self.engine.get_template(file).and_then(|template| template.render(context.clone()));
                match text {
                    Ok(text) => {
                        filled.insert(part, text);
                    }
                    Err(error) => {
                        let missed = words.missed();
                        note(&mut failures, Failure { part: Some(part), name: file.clone(), error, missed });
                    }
                }
            }
        }
        (filled, failures)
    }

    fn without(&self, failures: &[Failure]) -> Result<(), Fault> {
        failures.first().map_or(Ok(()), |failure| Err(engine::failed(&failure.error, self)))
    }

    /// What is wrong, for those who wrote it.
    fn wrong(&self, failure: &Failure, locale: &Locale) -> ConfigError {
        let Failure { error, missed, .. } = failure;
        match missed.as_deref().filter(|word| engine::is_about(error, word)) {
            Some(word) => {
                let (name, line) = engine::stands_in(error).unwrap_or((&failure.name, 1));
                self.missing_word(locale, word, name, line)
            }
            None => engine::wrong(error, self),
        }
    }
}

/// Adds a failure in the order of the parts.
fn note(failures: &mut Vec<Failure>, failure: Failure) {
    let place = failures.partition_point(|earlier| earlier.part <= failure.part);
    failures.insert(place, failure);
}

/// What a mail is filled with: the first entry's context, and all entries.
fn values(entries: &[Map<String, Json>], sender: &Value) -> BTreeMap<String, Value> {
    let contexts: Vec<_> = entries.iter().map(context::of_mail).collect();
    let mut values = contexts.first().cloned().unwrap_or_else(|| context::of_mail(&Map::new()));
    values.insert("count".to_owned(), Value::from(contexts.len()));
    values.insert("entries".to_owned(), contexts.into_iter().map(Value::from_pairs).collect());
    values.insert("sender".to_owned(), sender.clone());
    values
}

fn message(locale: &Locale, mut filled: BTreeMap<Part, String>) -> Message {
    let page = filled.remove(&Part::Html).map(|page| Body::Html(text::body(&page)));
    let plain = filled.remove(&Part::Text).map(|plain| Body::Text(text::body(&plain)));
    Message {
        locale: locale.to_string(),
        subject: filled.remove(&Part::Subject).map(|subject| text::one_line(&subject)),
        email: page.or(plain),
        sms: filled.remove(&Part::Sms).map(|sms| text::body(&sms).trim().to_owned()),
    }
}
