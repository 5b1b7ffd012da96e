//! One template of a mail or a message: a folder with files for each language.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cognito_triggers::config::ConfigError;
use minijinja::{AutoEscape, Environment};

use crate::context::Scope;
use crate::engine::{self, Places};
use crate::glossary::{Glossary, WordFile};
use crate::language::{self, Languages, Part, Parts, Role};
use crate::locale::Locale;
use crate::reading::SHARED;
use crate::words::Words;
use crate::{browser, builtin, folders, isolation, moments, reading};

/// A template that was read.
pub(crate) struct Template {
    /// Where it is, for messages.
    pub(crate) place: String,
    templates: PathBuf,
    scope: Scope,
    is_built_in: bool,
    pub(crate) engine: Environment<'static>,
    /// What is compiled: all but the words.
    pub(crate) files: Arc<BTreeMap<String, String>>,
    pub(crate) glossary: Arc<Glossary>,
    pub(crate) locales: Vec<Locale>,
    pub(crate) languages: BTreeMap<Locale, Language>,
}

/// One language.
#[derive(Default)]
pub(crate) struct Language {
    pub(crate) parts: Parts,
    pub(crate) words: OnceLock<Words>,
}

impl Template {
    /// Reads the folder of a template, or what is built in under this name.
    ///
    /// # Errors
    ///
    /// Everything that can be seen to be wrong without filling it; of what is built in, what can be seen at a glance.
    pub(crate) fn load(templates: &Path, name: &str, scope: Scope) -> Result<Self, Vec<ConfigError>> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.starts_with('_') || !name.bytes().all(is_plain) {
            let error = ConfigError::new("this cannot be the name of a template");
            return Err(vec![error.remedy("use letters, digits, `-` and `_`, e.g. `welcome-email`")]);
        }
        let folder = templates.join(name);
        let (template, errors) = if let Some(files) = reading::read(&folder)? {
            let place = folder.display().to_string();
            let shared = reading::shared_words(templates)?;
            let (template, wrong) = Self::sorted(place, templates, scope, files, shared);
            let errors = template.examined(wrong);
            (template, errors)
        } else if let Some(files) = builtin::find(name) {
            // What it is the tests try: it is compiled when it is used, language by language.
            let (mut template, wrong) = Self::sorted(format!("built-in {name}"), templates, scope, files, Vec::new());
            template.is_built_in = true;
            (template, wrong)
        } else {
            return Err(vec![reading::missing(name, &folder)]);
        };
        if errors.is_empty() { Ok(template) } else { Err(engine::each_once(errors)) }
    }

    /// A template of these files, of which nothing is compiled yet, and what is wrong with their names.
    fn sorted(
        place: String,
        templates: &Path,
        scope: Scope,
        files: Vec<(String, String)>,
        shared: Vec<(String, String)>,
    ) -> (Self, Vec<ConfigError>) {
        let mut errors = Vec::new();
        let (mut languages, mut pages, mut words) = (Languages::default(), BTreeMap::new(), Vec::new());
        for (name, source) in files {
            let path = format!("{place}/{name}");
            match languages.sort(&name) {
                Ok(Role::Words(locale)) => {
                    words.push(WordFile::new(name, path, locale, source));
                    continue;
                }
                Ok(Role::Part | Role::Other) => {}
                Err(error) => {
                    errors.push(error.placed(&path, 1));
                    continue;
                }
            }
            pages.insert(name, source);
        }
        let mut in_common = BTreeMap::new();
        for (name, source) in shared {
            let path = format!("{}/{SHARED}{name}", folders::shown(templates));
            match language::words_of(name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem)) {
                Ok(locale) => match in_common.insert(locale.clone(), name.clone()) {
                    None => words.push(WordFile::new(format!("{SHARED}{name}"), path, locale, source).shared()),
                    Some(other) => errors.push(language::twice(&other, Some(&locale)).placed(&path, 1)),
                },
                Err(error) => errors.push(error.placed(&path, 1)),
            }
        }
        let mut all = languages.all();
        if scope == Scope::Message {
            for parts in all.values_mut().filter(|parts| parts.contains_key(&Part::Html)) {
                parts.remove(&Part::Text);
            }
        }
        let locales = all.keys().cloned().collect();
        let mut spoken = BTreeMap::new();
        spoken.extend(all.into_iter().map(|(locale, parts)| (locale, Language::of(parts))));
        let (files, glossary) = (Arc::new(pages), Arc::new(Glossary::new(words)));
        let template = Self {
            place,
            templates: templates.to_owned(),
            scope,
            is_built_in: false,
            engine: engine_of(templates, &files, &glossary),
            files,
            glossary,
            locales,
            languages: spoken,
        };
        let incomplete = languages.incomplete(scope);
        errors.extend(incomplete.into_iter().map(|(file, error)| error.placed(&template.place(&file, 1).0, 1)));
        (template, errors)
    }

    /// Whether it comes with this library.
    pub(crate) fn is_built_in(&self) -> bool {
        self.is_built_in
    }

    /// Its languages, in the order of the alphabet.
    pub(crate) fn languages(&self) -> Vec<String> {
        self.locales.iter().map(ToString::to_string).collect()
    }

    /// Limits the words of a language to these.
    pub(crate) fn keep_words(&self, locale: &Locale, is_kept: impl Fn(&str) -> bool) {
        let Some(language) = self.languages.get(locale) else { return };
        language.words.get_or_init(|| {
            let mut words = self.glossary.of(locale);
            words.retain(|name, _| is_kept(name));
            words
        });
    }

    /// Whether a language has a part.
    pub(crate) fn has(&self, locale: &Locale, part: Part) -> bool {
        self.languages.get(locale).is_some_and(|language| language.parts.contains_key(&part))
    }

    /// The path of a part.
    pub(crate) fn place_of(&self, locale: &Locale, part: Part) -> String {
        let file = self.languages.get(locale).and_then(|language| language.parts.get(&part));
        self.place(file.map_or("", String::as_str), 1).0
    }
}

impl Places for Template {
    fn place(&self, name: &str, line: usize) -> (String, usize) {
        if let Some(place) = self.glossary.place(name, line) {
            return place;
        }
        if name.is_empty() {
            return (self.place.clone(), line);
        }
        let is_shared = name.starts_with(SHARED) && !self.files.contains_key(name);
        let folder = if is_shared { folders::shown(&self.templates) } else { self.place.clone() };
        (format!("{folder}/{name}"), line)
    }

    fn scope(&self) -> Scope {
        self.scope
    }
}

impl Language {
    fn of(parts: Parts) -> Self {
        Self { parts, words: OnceLock::new() }
    }
}

/// An engine that compiles a template's files and words when they are asked for.
fn engine_of(
    templates: &Path,
    files: &Arc<BTreeMap<String, String>>,
    glossary: &Arc<Glossary>,
) -> Environment<'static> {
    let mut engine = engine::engine();
    engine::trim_lines(&mut engine);
    moments::add_filters(&mut engine);
    browser::add_filter(&mut engine);
    isolation::add_formatter(&mut engine);
    engine.set_auto_escape_callback(escaping);
    let (folder, files, glossary) = (templates.to_owned(), Arc::clone(files), Arc::clone(glossary));
    engine.set_loader(move |name| match files.get(name).map(String::as_str).or_else(|| glossary.source(name)) {
        Some(source) => Ok(Some(source.to_owned())),
        None => reading::shared(&folder, name),
    });
    engine
}

/// HTML is escaped, by the name of the file; plain text, subjects, SMS and words are not.
fn escaping(file: &str) -> AutoEscape {
    match file.rsplit_once('.') {
        Some((_, kind)) if kind.eq_ignore_ascii_case("html") => AutoEscape::Html,
        _ => AutoEscape::None,
    }
}
