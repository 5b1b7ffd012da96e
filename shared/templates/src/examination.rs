//! What can be seen to be wrong with a template without filling it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cognito_triggers::config::ConfigError;

use crate::context;
use crate::engine::{self, Places};
use crate::locale::Locale;
use crate::reading::SHARED;
use crate::template::Template;
use crate::words::WORDS;

/// What a file asks for.
struct Asks {
    /// Words by name, with the first line each is asked for in.
    words: BTreeMap<String, usize>,
    /// Whether it asks for words by a name that is not written down: `words[occasion]`.
    any: bool,
    /// The files it may include or extend.
    files: Vec<String>,
}

impl Template {
    /// Compiles everything, and looks for names that nothing is behind. `wrong` is what is known to be wrong.
    pub(crate) fn examined(&self, wrong: Vec<ConfigError>) -> Vec<ConfigError> {
        let is_sorted = wrong.is_empty();
        let files: Vec<&str> = self.files.keys().map(String::as_str).collect();
        let mut errors = self.uncompiled(files.iter().copied());
        errors.extend(wrong);
        let mut names = files;
        let all: Vec<_> = self.locales.iter().map(|locale| (locale, self.glossary.of(locale))).collect();
        let of_words: BTreeSet<&str> =
            all.iter().flat_map(|(_, words)| words.values().filter_map(|word| word.template())).collect();
        errors.extend(self.locales.iter().flat_map(|locale| self.glossary.errors(locale)));
        errors.extend(self.uncompiled(of_words.iter().copied()));
        errors.extend(of_words.iter().filter_map(|name| self.word_of_words(name)));
        names.extend(&of_words);
        errors.extend(engine::unknown_attributes(&self.engine, &names, self));
        // Where a language has no page, or a page cannot be read, what it asks for is not known.
        if is_sorted {
            errors.extend(self.missing_words());
        }
        engine::each_once(errors)
    }

    fn uncompiled<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<ConfigError> {
        let failed = |name| self.engine.get_template(name).err();
        names.filter_map(failed).map(|error| engine::wrong(&error, self)).collect()
    }

    /// A word that is to be made of other words: they are not filled yet.
    fn word_of_words(&self, name: &str) -> Option<ConfigError> {
        let template = self.engine.get_template(name).ok()?;
        let is_of_words =
            |asked: &String| asked == WORDS || asked.strip_prefix(WORDS).is_some_and(|it| it.starts_with('.'));
        let asked = engine::asked(&template).into_iter().find(is_of_words)?;
        let (file, line) = self.place(name, engine::line_of(&asked, template.source()));
        let error = ConfigError::new(format!("`{asked}`: a word cannot ask for other words"));
        Some(error.remedy("write it out, or put both into the page").placed(&file, line))
    }

    /// Words that a language lacks and its parts ask for. Words for all templates that it does not ask for are left out on the
    /// way: they may well ask for something this template is not given.
    fn missing_words(&self) -> Vec<ConfigError> {
        let mut known: BTreeMap<String, Asks> = BTreeMap::new();
        let mut errors = Vec::new();
        for (locale, language) in &self.languages {
            let (words, is_readable) = (self.glossary.of(locale), self.glossary.errors(locale).is_empty());
            let (mut any, mut asked) = (false, BTreeSet::new());
            let mut files: VecDeque<String> = language.parts.values().cloned().collect();
            let mut seen: BTreeSet<String> = files.iter().cloned().collect();
            while let Some(file) = files.pop_front() {
                let asks = known.entry(file.clone()).or_insert_with(|| self.asks(&file));
                any |= asks.any;
                for (word, line) in &asks.words {
                    if asked.insert(word.clone()) && is_readable && !words.contains_key(word) {
                        errors.push(self.missing_word(locale, word, &file, *line));
                    }
                }
                files.extend(asks.files.iter().filter(|file| seen.insert((*file).clone())).cloned());
            }
            if !any {
                let shared = self.glossary.shared(locale);
                self.keep_words(locale, |word| asked.contains(word) || !shared.contains(word));
            }
        }
        engine::in_order(errors)
    }

    fn asks(&self, file: &str) -> Asks {
        let mut asks = Asks { words: BTreeMap::new(), any: false, files: Vec::new() };
        let Ok(template) = self.engine.get_template(file) else { return asks };
        let source = template.source();
        for name in engine::asked(&template) {
            match name.strip_prefix(WORDS).map(|rest| rest.strip_prefix('.')) {
                Some(None) if name == WORDS => asks.any = true,
                Some(Some(rest)) => {
                    let word = rest.split('.').next().unwrap_or(rest);
                    let expression = format!("{WORDS}.{word}");
                    if !may_be_missing(&expression, source) {
                        asks.words.insert(word.to_owned(), engine::line_of(&expression, source));
                    }
                }
                _ => {}
            }
        }
        // Whatever is in quotes and is the name of a file is taken for one that is included.
        let quoted = source.split(['"', '\'']).filter(|text| {
            *text != file && (self.files.contains_key(*text) || text.starts_with(SHARED) && text.len() > SHARED.len())
        });
        asks.files = quoted.map(str::to_owned).collect();
        asks
    }

    /// What is said of a word that a language lacks, and a line of a file asks for.
    pub(crate) fn missing_word(&self, locale: &Locale, word: &str, file: &str, line: usize) -> ConfigError {
        let (place, _) = self.place(file, line);
        let others = self.locales.iter().filter(|other| *other != locale);
        let there = others.filter_map(|other| Some((other, self.glossary.of(other).get(word).cloned()?)));
        let there: Vec<_> = there.collect();
        // Where no language has it, it is the page that is wrong.
        let Some((other, known)) = there.iter().find(|(other, _)| other.to_string() == "en").or(there.first()) else {
            let all: BTreeSet<String> = self.locales.iter().flat_map(|it| self.glossary.of(it).into_keys()).collect();
            let remedy = match context::nearest(word, all.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{WORDS}.{meant}`?"),
                None => format!("add `{word} = \"...\"` to the words of every language"),
            };
            let error = ConfigError::new(format!("there is no word `{word}` in any language"));
            return error.remedy(remedy).placed(&place, line);
        };
        let own = self.glossary.file(locale).map(|file| file.place.clone());
        let own = own.unwrap_or_else(|| format!("{}/{locale}.toml", self.place));
        let like = match known.quote() {
            Some(quote) => format!("it is `{quote}` in {other}"),
            None => format!("{other} has it"),
        };
        ConfigError::new(format!("the word `{word}` is missing"))
            .remedy(format!("line {line} of `{file}` asks for it, and {like}"))
            .placed(&own, 1)
    }
}

/// Whether a file asks first whether a word is there.
fn may_be_missing(expression: &str, source: &str) -> bool {
    let is_asked = |(at, _): (usize, &str)| {
        let rest = source.get(at + expression.len()..).unwrap_or_default().trim_start();
        let is_test = |name: &str| rest.strip_prefix("is ").is_some_and(|rest| rest.trim_start().starts_with(name));
        let is_filter = |name: &str| rest.strip_prefix('|').is_some_and(|rest| rest.trim_start().starts_with(name));
        ["defined", "not defined", "undefined", "not undefined"].into_iter().any(is_test)
            || ["default", "d("].into_iter().any(is_filter)
    };
    source.match_indices(expression).any(is_asked)
}
