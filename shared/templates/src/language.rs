//! The languages of a template, and which file is which part of them.

use std::collections::BTreeMap;

use cognito_triggers::config::ConfigError;

use crate::context::Scope;
use crate::locale::Locale;

/// What a file is called that is for every language.
const EACH: &str = "each";

/// What a language is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Subject,
    Html,
    Text,
    Sms,
}

/// The files of one language, by name.
pub(crate) type Parts = BTreeMap<Part, String>;

/// The files of a template as they are named.
#[derive(Default)]
pub(crate) struct Languages {
    own: BTreeMap<Locale, Parts>,
    each: Parts,
    words: BTreeMap<Locale, String>,
}

/// What a file is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A part of one language, or of all.
    Part,
    /// The words of a language.
    Words(Locale),
    /// Something to be included, or nothing of ours.
    Other,
}

impl Part {
    fn of(kind: &str) -> Option<Self> {
        match kind {
            "subject" => Some(Self::Subject),
            "html" => Some(Self::Html),
            "txt" => Some(Self::Text),
            "sms" => Some(Self::Sms),
            _ => None,
        }
    }
}

impl Languages {
    /// Finds out what a file is.
    ///
    /// # Errors
    ///
    /// If it looks like a part and is for no language, or there is such a part already.
    pub(crate) fn sort(&mut self, file: &str) -> Result<Role, ConfigError> {
        let Some((stem, kind)) = file.rsplit_once('.') else { return Ok(Role::Other) };
        if stem.starts_with('_') {
            return Ok(Role::Other);
        }
        let kind = kind.to_ascii_lowercase();
        if kind == "toml" {
            let locale = words_of(stem)?;
            return match self.words.insert(locale.clone(), file.to_owned()) {
                None => Ok(Role::Words(locale)),
                Some(other) => Err(twice(&other, Some(&locale))),
            };
        }
        let Some(part) = Part::of(&kind) else { return Ok(Role::Other) };
        let parts = match Locale::parse(stem) {
            Some(locale) => self.own.entry(locale).or_default(),
            None if stem == EACH => &mut self.each,
            // Pages and texts may be there to be included, whatever they are called.
            None if matches!(part, Part::Html | Part::Text) => return Ok(Role::Other),
            None => {
                let error = ConfigError::new(format!("`{stem}` is not a language"));
                return Err(error.remedy(format!("name it like `en.{kind}` or `de-AT.{kind}`")));
            }
        };
        match parts.insert(part, file.to_owned()) {
            None => Ok(Role::Part),
            Some(other) => Err(twice(&other, Locale::parse(stem).as_ref())),
        }
    }

    /// The parts of every language. What a dialect lacks is that of its language, and what a language lacks is that of each.
    pub(crate) fn all(&self) -> BTreeMap<Locale, Parts> {
        let locales = self.own.keys().chain(self.words.keys());
        let mut all = BTreeMap::new();
        all.extend(locales.map(|locale| (locale.clone(), self.parts(locale))));
        all
    }

    fn parts(&self, locale: &Locale) -> Parts {
        let mut parts = self.own.get(locale).cloned().unwrap_or_default();
        let less: Vec<_> = locale.less().collect();
        for others in less.iter().filter_map(|locale| self.own.get(locale)).chain([&self.each]) {
            for (part, file) in others {
                parts.entry(*part).or_insert_with(|| file.clone());
            }
        }
        parts
    }

    /// Languages that lack a part, each with the file to look at; an empty name is the folder.
    pub(crate) fn incomplete(&self, scope: Scope) -> Vec<(String, ConfigError)> {
        let all = self.all();
        if all.is_empty() {
            let remedy = match scope {
                _ if !self.each.is_empty() => "add `en.toml`, which holds the words of the language and may be empty",
                Scope::Message => "add `en.subject` and `en.html`, or `en.sms`",
                _ => "add `en.subject` and `en.html`",
            };
            return vec![(String::new(), ConfigError::new("the template has no language").remedy(remedy))];
        }
        all.iter().filter_map(|(locale, parts)| self.lacking(locale, parts, scope)).collect()
    }

    fn lacking(&self, locale: &Locale, parts: &Parts, scope: Scope) -> Option<(String, ConfigError)> {
        let body = parts.get(&Part::Html).or(parts.get(&Part::Text));
        let own = self.own.get(locale);
        let own_body = own.and_then(|own| own.get(&Part::Html).or(own.get(&Part::Text)));
        let any = own.and_then(|own| own.values().next()).or(self.words.get(locale));
        match (parts.get(&Part::Subject), body) {
            (Some(_), Some(_)) => None,
            (None, None) if scope == Scope::Message && parts.contains_key(&Part::Sms) => None,
            (None, None) if scope == Scope::Message => {
                let error = ConfigError::new(format!("the language {locale} has words, and nothing they stand in"));
                let remedy = format!("add `each.subject` and `each.html`, or `{locale}.sms`");
                Some((any.cloned().unwrap_or_default(), error.remedy(remedy)))
            }
            (None, _) => {
                let remedy = match own_body {
                    Some(_) => {
                        format!("add `{locale}.subject`, or begin the name with `_` if it is to be included")
                    }
                    None => format!("add `{locale}.subject`, or `each.subject` for all languages"),
                };
                let error = ConfigError::new(format!("the language {locale} has no subject")).remedy(remedy);
                Some((own_body.or(any).cloned().unwrap_or_default(), error))
            }
            (Some(subject), None) => {
                let error = ConfigError::new(format!("the language {locale} has a subject and no text"));
                let file = own.and_then(|own| own.get(&Part::Subject)).or(any).unwrap_or(subject);
                Some((file.clone(), error.remedy(format!("add `{locale}.html` or `{locale}.txt`"))))
            }
        }
    }
}

/// The language a file of words is for.
///
/// # Errors
///
/// If it is for none.
pub(crate) fn words_of(stem: &str) -> Result<Locale, ConfigError> {
    if stem == EACH {
        return Err(ConfigError::new("words are those of one language")
            .remedy("name it like `en.toml`; what is the same in every language is written into the page"));
    }
    Locale::parse(stem).ok_or_else(|| {
        let error = ConfigError::new(format!("`{stem}` is not a language"));
        error.remedy("name it like `en.toml` or `de-AT.toml`")
    })
}

/// What is said of two files for one language, or for all.
pub(crate) fn twice(other: &str, locale: Option<&Locale>) -> ConfigError {
    let problem = match locale {
        Some(locale) => format!("`{other}` is the same language, {locale}"),
        None => format!("`{other}` is for all languages, too"),
    };
    ConfigError::new(problem).remedy("keep one of both")
}
