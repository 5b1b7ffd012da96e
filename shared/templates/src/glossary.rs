//! The files that hold the words of a template's languages, and which language takes its words from which.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use cognito_triggers::config::ConfigError;
use toml::de::{DeTable, DeValue};

use crate::locale::Locale;
use crate::words::{Word, Words};

/// Between a file of words and a word of it, in the name of the word's template: no file is called so.
const WITHIN: char = '\0';

/// All files of words of a template.
#[derive(Default)]
pub(crate) struct Glossary(Vec<WordFile>);

/// One file of words.
pub(crate) struct WordFile {
    /// Its name, as the template knows it: `pl.toml`, `_shared/pl.toml`.
    pub(crate) name: String,
    /// Its path, for messages.
    pub(crate) place: String,
    pub(crate) locale: Locale,
    /// Whether it is for all templates.
    pub(crate) is_shared: bool,
    pub(crate) source: String,
    /// Read when a language needs it: few of a template's languages are ever asked for.
    read: OnceLock<Read>,
}

/// What stands in a file of words.
pub(crate) struct Read {
    words: Words,
    errors: Vec<ConfigError>,
}

impl Glossary {
    pub(crate) fn new(files: Vec<WordFile>) -> Self {
        Self(files)
    }

    /// The text of a word, by the name of its template.
    pub(crate) fn source(&self, template: &str) -> Option<&str> {
        self.find(template).map(|(_, word)| word.source.as_str())
    }

    /// File and line of a line of a word.
    pub(crate) fn place(&self, template: &str, line: usize) -> Option<(String, usize)> {
        let (file, word) = self.find(template)?;
        Some((file.place.clone(), file.line_of(&word.span, line)))
    }

    fn find(&self, template: &str) -> Option<(&WordFile, &Word)> {
        let (file, key) = template.split_once(WITHIN)?;
        let file = self.0.iter().find(|it| it.name == file)?;
        Some((file, file.read().words.get(key)?))
    }

    /// The words of a language: its own, those of the language it is a dialect of, those for all templates.
    pub(crate) fn of(&self, locale: &Locale) -> Words {
        let mut words = Words::new();
        for file in self.chain(locale) {
            for (key, word) in &file.read().words {
                words.entry(key.clone()).or_insert_with(|| Arc::clone(word));
            }
        }
        words
    }

    /// The names of words that are for all templates and that none of the template's own files has, in this language.
    pub(crate) fn shared(&self, locale: &Locale) -> BTreeSet<String> {
        let (shared, own): (Vec<_>, Vec<_>) = self.chain(locale).partition(|file| file.is_shared);
        let names = |files: Vec<&WordFile>| -> BTreeSet<String> {
            files.into_iter().flat_map(|file| file.read().words.keys().cloned()).collect()
        };
        let own = names(own);
        names(shared).into_iter().filter(|name| !own.contains(name)).collect()
    }

    /// What is wrong with the files a language takes its words from.
    pub(crate) fn errors(&self, locale: &Locale) -> Vec<ConfigError> {
        self.chain(locale).flat_map(|file| file.read().errors.clone()).collect()
    }

    /// The file of a language itself.
    pub(crate) fn file(&self, locale: &Locale) -> Option<&WordFile> {
        self.0.iter().find(|file| !file.is_shared && file.locale == *locale)
    }

    /// The files a language takes its words from, the first to look into first.
    fn chain(&self, locale: &Locale) -> impl Iterator<Item = &WordFile> {
        let locales: Vec<_> = std::iter::once(locale.clone()).chain(locale.less()).collect();
        let wanted = [false, true].into_iter().flat_map(move |is_shared| {
            let locales = locales.clone();
            locales.into_iter().map(move |locale| (is_shared, locale))
        });
        wanted.filter_map(|(is_shared, locale)| {
            self.0.iter().find(|file| file.is_shared == is_shared && file.locale == locale)
        })
    }
}

impl WordFile {
    /// One of a template.
    pub(crate) fn new(name: String, place: String, locale: Locale, source: String) -> Self {
        Self { name, place, locale, is_shared: false, source, read: OnceLock::new() }
    }

    /// The same for all templates.
    pub(crate) fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    fn read(&self) -> &Read {
        self.read.get_or_init(|| Read::of(self))
    }

    /// The line of the file in which a line of a word stands.
    fn line_of(&self, span: &Range<usize>, line: usize) -> usize {
        let written = self.source.get(span.clone()).unwrap_or_default();
        // The line break behind the opening quotes is not part of the text.
        let begins_below = [r#"""""#, "'''"].iter().any(|quotes| {
            written.strip_prefix(quotes).is_some_and(|rest| rest.starts_with('\n') || rest.starts_with("\r\n"))
        });
        let first = self.line_at(span.start) + usize::from(begins_below);
        (first + line.saturating_sub(1)).min(self.line_at(span.end))
    }

    /// The line an offset is in, counted from 1.
    fn line_at(&self, offset: usize) -> usize {
        let before = self.source.as_bytes().get(..offset).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

impl Read {
    fn of(file: &WordFile) -> Self {
        let mut read = Self { words: Words::new(), errors: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(&file.source);
        // What comes first is the cause, the rest mostly follows from it.
        let start = |error: &&toml::de::Error| error.span().map_or(usize::MAX, |span| span.start);
        if let Some(error) = errors.iter().rev().min_by_key(start) {
            let span = error.span().unwrap_or_default();
            let found = file.source.get(span.clone()).unwrap_or_default();
            read.errors.push(not_toml(error.message(), found).placed(&file.place, file.line_at(span.start)));
            return read;
        }
        for (key, value) in table.into_inner() {
            let (key_span, span) = (key.span(), value.span());
            let at = || file.line_at(key_span.start);
            let key = key.into_inner().into_owned();
            if let Some(problem) = unfit(&key) {
                read.errors.push(problem.placed(&file.place, at()));
                continue;
            }
            let DeValue::String(text) = value.into_inner() else {
                let error = ConfigError::new(format!("the word `{key}` is not a text"));
                let remedy = format!("write one word a line, its text in double quotes: `{key} = \"...\"`");
                read.errors.push(error.remedy(remedy).placed(&file.place, at()));
                continue;
            };
            let template = format!("{}{WITHIN}{key}", file.name);
            read.words.insert(key, Arc::new(Word::new(template, span, &text)));
        }
        read
    }
}

/// Why this cannot be the name of a word.
fn unfit(key: &str) -> Option<ConfigError> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let fits = !key.is_empty() && key.bytes().all(is_fit);
    (!fits).then(|| {
        let error = ConfigError::new(format!("{key:?} cannot be the name of a word"));
        error.remedy("use letters, digits and `_`, e.g. `greeting`")
    })
}

/// What the parser found wrong, for somebody who translates and does not know its grammar; `found` is the text it is about.
fn not_toml(message: &str, found: &str) -> ConfigError {
    match message.split_once(", expected ").map_or(message, |(what, _)| what) {
        "duplicate key" => ConfigError::new(format!("the word `{found}` is given twice")).remedy("keep one of them"),
        "string values must be quoted" => {
            ConfigError::new("a text is not in quotes").remedy("put it in double quotes: `greeting = \"Hello\"`")
        }
        "invalid basic string" | "invalid literal string" if found.is_empty() => {
            ConfigError::new("the closing quote of a text is missing")
                .remedy("add it; a text of several lines stands between `\"\"\"` and `\"\"\"`")
        }
        "missing escaped value" => {
            ConfigError::new("a backslash stands before what it cannot stand before").remedy("write two of them")
        }
        "unexpected key or value" => ConfigError::new("the line goes on after its text has ended")
            .remedy("write one word a line, and `\\\"` for a double quote within a text"),
        _ => ConfigError::new(format!("this is not TOML: {message}"))
            .remedy("write one word a line: `greeting = \"Hello\"`"),
    }
}
