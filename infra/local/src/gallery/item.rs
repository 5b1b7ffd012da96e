//! What there is to be shown of what rules use: one item for each mail and message in each of its variants.

use cognito_triggers::message::{self, MessageTemplate, Occasion, Order};
use cognito_triggers::services::TemplateUse;
use cognito_triggers::{Environment, Mailbox, Templates};
use serde::Serialize;
use serde_json::{Map, Value};

use super::trouble::Trouble;

/// How many users a digest is shown with.
const DIGEST: usize = 3;

/// One mail or message in one variant, in all its languages.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) id: String,
    /// `mail` or `message`.
    pub(super) kind: &'static str,
    /// The name of the template.
    pub(super) template: String,
    pub(super) occasion: Option<Occasion>,
    /// What tells it from others of the same template; empty if nothing does.
    pub(super) variant: String,
    /// The table of the rule it is for.
    pub(super) rule: String,
    /// The pools it is for; none means every pool.
    pub(super) pools: Vec<String>,
    /// The folder it is in; `None` if it is built in.
    pub(super) folder: Option<String>,
    pub(super) languages: Vec<String>,
    pub(super) problems: Vec<Trouble>,
    #[serde(skip)]
    pub(super) at: MessageTemplate,
    #[serde(skip)]
    pub(super) made: Made,
}

/// What it is made from.
pub(super) enum Made {
    /// What the rule knows, of each user it stands for, and what its table says of mailboxes.
    Mail { entries: Vec<Map<String, Value>>, mailboxes: Mailboxes },
    /// What the rule asks for.
    Message(Box<Order>),
}

/// Whom a rule's table names.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Mailboxes {
    /// Who it is from, unless it is whom the mailer names.
    pub(super) from: Option<Mailbox>,
    /// Who gets it, unless it is the user.
    pub(super) to: Vec<Mailbox>,
    pub(super) reply_to: Vec<Mailbox>,
}

/// What the rules of a configuration use.
pub(super) struct Used {
    pub(super) file: toml::Table,
    pub(super) variables: Environment,
    pub(super) used: Vec<(Option<String>, TemplateUse, &'static str)>,
}

impl Used {
    /// The folders of messages.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        self.used.iter().filter_map(|(_, used, _)| match used {
            TemplateUse::Message { template, .. } => template.folder.as_deref(),
            _ => None,
        })
    }

    /// What a rule's table says, of the pool if it has one of its own.
    fn setting(&self, section: &str, pool: Option<&str>, key: &str) -> Option<&toml::Value> {
        let of_pool = pool.and_then(|pool| self.file.get("pools")?.get(pool)?.get(section));
        // A pool's own keys go before those of all, one by one.
        of_pool.and_then(|own| own.get(key)).or_else(|| self.file.get(section)?.get(key))
    }

    /// The mailboxes a setting names: one or a list.
    fn mailboxes(&self, section: &str, pool: Option<&str>, key: &str) -> Vec<Mailbox> {
        let named = match self.setting(section, pool, key) {
            Some(toml::Value::Array(all)) => all.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        named.iter().filter_map(|mailbox| mailbox.as_str()?.parse().ok()).collect()
    }

    /// What there is to be shown of one use.
    pub(super) fn items(&self, used: &TemplateUse, section: &str, pool: Option<&str>) -> Vec<Item> {
        let pools: Vec<String> = pool.into_iter().map(str::to_owned).collect();
        let item = |at: &MessageTemplate, kind: &'static str, occasion: Option<Occasion>, variant: String, made| {
            let slug = |text: &str| {
                let plain: String = text.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).collect();
                plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
            };
            let parts = [kind, at.name.as_str(), occasion.map_or("", Occasion::as_str), &slug(&variant)];
            let id = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
            let (template, rule, pools, at) = (at.name.clone(), section.to_owned(), pools.clone(), at.clone());
            let (folder, languages, problems) = (None, Vec::new(), Vec::new());
            Item { id, kind, template, occasion, variant, rule, pools, folder, languages, problems, at, made }
        };
        match used {
            TemplateUse::Files { .. } => Vec::new(),
            TemplateUse::Message { template, orders } => {
                let mut seen: Vec<(Occasion, bool, bool)> = Vec::new();
                let mut items = Vec::new();
                for order in orders {
                    let birthday = order.context.get("birthday") == Some(&Value::Bool(true));
                    let by_link = order.by_link && order.occasion.may_be_by_link();
                    if seen.contains(&(order.occasion, birthday, by_link)) {
                        continue;
                    }
                    seen.push((order.occasion, birthday, by_link));
                    let variant = [("birthday", birthday), ("by link", by_link)].into_iter().filter(|(_, it)| *it);
                    let variant = variant.map(|(name, _)| name).collect::<Vec<_>>().join(", ");
                    let made = Made::Message(Box::new(order.clone()));
                    items.push(item(template, "message", Some(order.occasion), variant, made));
                }
                items
            }
            TemplateUse::Mail { template, samples } => {
                let at = MessageTemplate { folder: None, name: template.clone() };
                let named = |key| self.mailboxes(section, pool, key);
                let administrators = named("to").into_iter().chain(named("administrators"));
                let from = named("from").into_iter().next();
                let mailboxes = Mailboxes { from, to: administrators.collect(), reply_to: named("reply-to") };
                let known: Vec<_> = kinds(samples);
                let mut items = Vec::new();
                for known in &known {
                    let entries = vec![known.clone()];
                    let variant = told_apart(known, &kinds(samples));
                    items.push(item(&at, "mail", None, variant, Made::Mail { entries, mailboxes: mailboxes.clone() }));
                }
                let digest = self.setting(section, pool, "digest").and_then(toml::Value::as_str);
                if digest.is_some_and(|digest| digest != "off") {
                    let entries = known.iter().cycle().take(DIGEST).cloned().collect();
                    items.push(item(&at, "mail", None, "digest".to_owned(), Made::Mail { entries, mailboxes }));
                }
                items
            }
        }
    }
}

impl Item {
    /// Whether it is for a birthday and says what it says on any other day: rules ask for both, whatever the template makes of it.
    pub(super) fn is_any_day(&self, all: &[Self], templates: &dyn Templates) -> bool {
        let Made::Message(order) = &self.made else { return false };
        if order.context.get("birthday") != Some(&Value::Bool(true)) {
            return false;
        }
        let is_other = |other: &&Self| {
            let plain =
                |it: &Order| it.context.get("birthday") != Some(&Value::Bool(true)) && it.by_link == order.by_link;
            other.at == self.at
                && other.pools == self.pools
                && other.occasion == self.occasion
                && matches!(&other.made, Made::Message(it) if plain(it))
        };
        let Some(Made::Message(other)) = all.iter().find(is_other).map(|other| &other.made) else { return false };
        let says = |order: &Order, locale: &String| {
            let locales = vec![locale.clone()];
            let mut context = order.context.clone();
            context.insert("user".to_owned(), Value::Object(Map::new()));
            message::compose(templates, &self.at, &Order { locales, context, email: true, sms: true, ..order.clone() })
                .ok()
        };
        // One that cannot be filled is left where it is, for whoever is just mending it.
        let same = |locale: &String| says(order, locale).is_some_and(|words| Some(words) == says(other, locale));
        !self.languages.is_empty() && self.languages.iter().all(same)
    }

    /// Whether it shows the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let made = match (&self.made, &other.made) {
            (Made::Mail { entries, mailboxes }, Made::Mail { entries: others, mailboxes: other }) => {
                entries == others && mailboxes == other
            }
            (Made::Message(order), Made::Message(other)) => order == other,
            _ => false,
        };
        made && self.at == other.at
            && self.kind == other.kind
            && self.occasion == other.occasion
            && self.variant == other.variant
    }
}

/// The kinds of what a rule knows, without the users they are tried with.
fn kinds(samples: &[Map<String, Value>]) -> Vec<Map<String, Value>> {
    let mut kinds: Vec<Map<String, Value>> = Vec::new();
    for sample in samples {
        let mut kind = sample.clone();
        kind.remove("user");
        // Whoever is chosen to look at has a zone or none.
        kind.entry("zone").and_modify(|zone| *zone = "".into());
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// What tells a kind from the others, in words: what is true or false before all else.
fn told_apart(kind: &Map<String, Value>, all: &[Map<String, Value>]) -> String {
    let differs = |key: &&String| all.iter().any(|other| other.get(key.as_str()) != kind.get(key.as_str()));
    let keys: Vec<&String> = kind.keys().filter(differs).collect();
    let flags: Vec<_> = keys.iter().filter(|key| kind.get(key.as_str()).is_some_and(Value::is_boolean)).collect();
    let texts: Vec<_> = keys.iter().filter(|key| kind.get(key.as_str()).is_some_and(Value::is_string)).collect();
    let worded = |key: &&&String| {
        let name = key.replace('_', " ");
        match kind.get(key.as_str()) {
            Some(Value::Bool(true)) => format!("{name}: yes"),
            Some(Value::Bool(false)) => format!("{name}: no"),
            Some(Value::String(text)) if text.is_empty() => format!("no {name}"),
            Some(Value::String(text)) => format!("{name}: {text}"),
            _ => name,
        }
    };
    let told = if flags.is_empty() { texts } else { flags };
    told.iter().take(2).copied().map(|key| worded(&key)).collect::<Vec<_>>().join(", ")
}
