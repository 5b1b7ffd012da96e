//! Messages, tried as they will be made: filled for every order, mended, and held to what Cognito takes.

use std::sync::{Arc, Mutex, PoisonError};

use cognito_triggers::config::ConfigError;
use cognito_triggers::ledger::{DeliveryId, Mail};
use cognito_triggers::message::{
    self, MessageTemplate, Occasion, Order, Outcome, Placeholders, Refusal, Words, compose, sample_users,
};
use cognito_triggers::services::{Message, Object, Sender, TemplateUse};
use cognito_triggers::{Fault, Templates};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::engine;
use crate::language::Part;
use crate::template::Template;

/// The most languages and occasions that are named with one problem.
const MOST_NAMES: usize = 3;

/// One problem and where it was met.
struct Found {
    file: String,
    refusal: Refusal,
    locales: Vec<String>,
    occasions: Vec<Occasion>,
}

/// A template in the place of a library, that notes what is wrong with it.
struct Trial {
    template: Arc<Template>,
    errors: Mutex<Vec<ConfigError>>,
}

/// Everything that is wrong with a message in any of its languages, for any of these orders: each once.
pub(crate) fn of(template: &Arc<Template>, orders: &[Order]) -> Vec<ConfigError> {
    let (mut errors, found) = tried(template, orders);
    errors.extend(found.iter().map(Found::told));
    errors
}

/// The same for orders like this one, and only that which would keep it from being filled: what Cognito takes is judged when a
/// message is made.
pub(crate) fn of_use(template: &Arc<Template>, context: &Map<String, Value>) -> Vec<ConfigError> {
    tried(template, &orders_like(context)).0
}

fn tried(template: &Arc<Template>, orders: &[Order]) -> (Vec<ConfigError>, Vec<Found>) {
    let trial = Trial { template: Arc::clone(template), errors: Mutex::default() };
    let name = MessageTemplate { folder: None, name: String::new() };
    let mut found: Vec<Found> = Vec::new();
    for locale in &template.locales {
        for order in orders {
            let order = Order { locales: vec![locale.to_string()], ..order.clone() };
            let Ok(composed) = compose(&trial, &name, &order) else { continue };
            let refused = [refused(&composed.email), refused(&composed.sms)];
            for (part, refusal) in refused.into_iter().flatten() {
                let part = match part {
                    message::Part::Subject => Part::Subject,
                    message::Part::Email if template.has(locale, Part::Html) => Part::Html,
                    message::Part::Email => Part::Text,
                    message::Part::Sms => Part::Sms,
                };
                note(&mut found, template.place_of(locale, part), refusal, locale.to_string(), order.occasion);
            }
        }
    }
    let errors = trial.errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    (engine::each_once(errors), found)
}

fn refused<T>(outcome: &Outcome<T>) -> &[(message::Part, Refusal)] {
    match outcome {
        Outcome::Refused(wrong) => wrong,
        Outcome::Absent | Outcome::Ready { .. } => &[],
    }
}

fn note(found: &mut Vec<Found>, file: String, refusal: &Refusal, locale: String, occasion: Occasion) {
    match found.iter_mut().find(|it| it.file == file && is_same(&it.refusal, refusal)) {
        Some(known) => {
            known.worsen(refusal);
            if !known.locales.contains(&locale) {
                known.locales.push(locale);
            }
            if !known.occasions.contains(&occasion) {
                known.occasions.push(occasion);
            }
        }
        None => {
            let (locales, occasions) = (vec![locale], vec![occasion]);
            found.push(Found { file, refusal: refusal.clone(), locales, occasions });
        }
    }
}

/// Whether the same is to be done about it: by how much a text is too long does not matter.
fn is_same(one: &Refusal, other: &Refusal) -> bool {
    match (one, other) {
        (Refusal::Length { characters: one, bounds }, Refusal::Length { characters: other, .. }) => {
            (one < bounds.start()) == (other < bounds.start())
        }
        _ => one == other,
    }
}

impl Found {
    /// Of several lengths, the longest is told.
    fn worsen(&mut self, refusal: &Refusal) {
        if let (Refusal::Length { characters: known, bounds }, Refusal::Length { characters, .. }) =
            (&mut self.refusal, refusal)
            && *known > *bounds.end()
        {
            *known = (*known).max(*characters);
        }
    }

    fn told(&self) -> ConfigError {
        let occasions: Vec<_> = self.occasions.iter().map(ToString::to_string).collect();
        let problem = format!("in {}, for {}: {}", listed(&self.locales), listed(&occasions), self.refusal);
        ConfigError::new(problem).remedy(self.refusal.remedy()).placed(&self.file, 1)
    }
}

/// `en`, `en and de`, `en, de, fr and 4 more`.
fn listed(names: &[String]) -> String {
    let (named, rest) = names.split_at_checked(MOST_NAMES).unwrap_or((names, &[]));
    match (named, rest) {
        (named, [_, ..]) => format!("{} and {} more", named.join(", "), rest.len()),
        ([before @ .., last], []) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        (named, []) => named.join(", "),
    }
}

/// Orders to try a template with that is used without having been checked: like the one at hand for every sample user, and once
/// for every other occasion.
fn orders_like(context: &Map<String, Value>) -> Vec<Order> {
    let own = context.get("occasion").and_then(Value::as_str);
    let own = Occasion::ALL.into_iter().find(|it| Some(it.as_str()) == own).unwrap_or(Occasion::SignUp);
    let order = |occasion: Occasion, user: Map<String, Value>| {
        let mut context = context.clone();
        context.insert("user".to_owned(), user.into());
        Order {
            occasion,
            placeholders: Placeholders::sample(occasion),
            by_link: false,
            email: true,
            sms: true,
            locales: Vec::new(),
            context,
        }
    };
    let users: Vec<_> = sample_users().into_iter().map(|user| user.attributes).collect();
    let somebody = users.first().cloned().unwrap_or_default();
    let others = Occasion::ALL.into_iter().filter(|occasion| *occasion != own);
    let mut orders: Vec<_> = others.map(|occasion| order(occasion, somebody.clone())).collect();
    for (is_birthday, by_link) in [(true, false), (false, true)] {
        let mut order = Order { by_link, ..order(own, somebody.clone()) };
        order.context.insert("birthday".to_owned(), is_birthday.into());
        orders.push(order);
    }
    orders.extend(users.into_iter().map(|user| order(own, user)));
    orders
}

impl Templates for Trial {
    fn message(&self, _: &MessageTemplate, locales: &[String], context: &Map<String, Value>) -> Result<Words, Fault> {
        self.template.tried(locales, context).map_err(|errors| {
            self.errors.lock().unwrap_or_else(PoisonError::into_inner).extend(errors);
            Fault::new("it is noted")
        })
    }

    fn mail(
        &self,
        _: &DeliveryId,
        _: &Mail,
        _: &[Map<String, Value>],
        _: &Sender,
        _: Timestamp,
    ) -> Result<Message, Fault> {
        Err(Fault::new("only messages are tried like this"))
    }

    fn files(&self, _: &str, _: &Map<String, Value>) -> Result<Vec<(String, Object)>, Fault> {
        Err(Fault::new("only messages are tried like this"))
    }

    fn check(&self, _: &TemplateUse) -> Vec<ConfigError> {
        Vec::new()
    }
}
