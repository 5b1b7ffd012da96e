//! One template of a mail: a folder with files for each language.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use cognito_triggers::config::ConfigError;
use cognito_triggers::{Fault, Mailbox};
use minijinja::{AutoEscape, Environment, Error, ErrorKind};
use serde_json::{Map, Value as Json};

use crate::context::{self, Value};
use crate::locale::Locale;
use crate::{browser, builtin, engine, moments, text};

/// The folder beside the templates with what they have in common.
const SHARED: &str = "_shared/";
/// The largest file of a template, in bytes.
const LARGEST: u64 = 1_000_000;
/// The longest subject. Mail programs show some 70 characters, on a phone half of that.
const LONGEST_SUBJECT: usize = 150;

/// A template that was read.
pub(crate) struct Template {
    /// Where it is, for messages.
    place: String,
    templates: PathBuf,
    engine: Environment<'static>,
    locales: Vec<Locale>,
    parts: BTreeMap<Locale, Parts>,
}

/// The files of one language, by name.
#[derive(Default)]
struct Parts {
    subject: Option<String>,
    html: Option<String>,
    text: Option<String>,
}

/// What is filled.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) locale: String,
    /// One line.
    pub(crate) subject: String,
    pub(crate) html: Option<String>,
    pub(crate) text: String,
}

impl Template {
    /// Reads the folder of a template, or what is built in under this name.
    ///
    /// # Errors
    ///
    /// Everything that can be seen to be wrong without filling it.
    pub(crate) fn load(templates: &Path, name: &str) -> Result<Self, Vec<ConfigError>> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.starts_with('_') || !name.bytes().all(is_plain) {
            let error = ConfigError::new("this cannot be the name of a template");
            return Err(vec![error.remedy("use letters, digits, `-` and `_`, e.g. `welcome-email`")]);
        }
        let folder = templates.join(name);
        let (place, files) = match read(&folder)? {
            Some(files) => (folder.display().to_string(), files),
            None => match builtin::find(name) {
                Some(files) => (format!("built-in {name}"), files),
                None => return Err(vec![missing(name, &folder)]),
            },
        };
        Self::compile(place, templates, files)
    }

    fn compile(place: String, templates: &Path, files: Vec<(String, String)>) -> Result<Self, Vec<ConfigError>> {
        let mut engine = engine::engine();
        engine::trim_lines(&mut engine);
        moments::add_filters(&mut engine);
        browser::add_filter(&mut engine);
        engine.set_auto_escape_callback(escaping);
        let folder = templates.to_owned();
        engine.set_loader(move |name| shared(&folder, name));
        let mut template =
            Self { place, templates: templates.to_owned(), engine, locales: Vec::new(), parts: BTreeMap::new() };
        let mut errors = Vec::new();
        for (file, source) in files {
            errors.extend(template.sort(&file).err());
            if let Err(error) = template.engine.add_template_owned(file.clone(), source) {
                errors.push(engine::wrong(&error, |file| template.place(file)));
            }
        }
        errors.extend(template.incomplete());
        errors.extend(engine::unknown_attributes(&template.engine, |file| template.place(file)));
        template.locales = template.parts.keys().cloned().collect();
        if errors.is_empty() { Ok(template) } else { Err(errors) }
    }

    /// Finds out what a file is: a part of a language, or something to be included.
    fn sort(&mut self, file: &str) -> Result<(), ConfigError> {
        let Some((stem, kind)) = file.rsplit_once('.') else { return Ok(()) };
        if stem.starts_with('_') {
            return Ok(());
        }
        let kind = kind.to_ascii_lowercase();
        let Some(locale) = Locale::parse(stem) else {
            if kind != "subject" {
                return Ok(());
            }
            let error = ConfigError::new(format!("`{stem}` is not a language"));
            return Err(error.remedy("name it like `en.subject` or `de-AT.subject`").placed(&self.place(file), 1));
        };
        let parts = self.parts.entry(locale.clone()).or_default();
        let part = match kind.as_str() {
            "subject" => &mut parts.subject,
            "html" => &mut parts.html,
            _ => &mut parts.text,
        };
        match part.replace(file.to_owned()) {
            None => Ok(()),
            Some(other) => Err(ConfigError::new(format!("`{other}` is the same language, {locale}"))
                .remedy("keep one of both")
                .placed(&self.place(file), 1)),
        }
    }

    /// Languages that lack a part.
    fn incomplete(&self) -> Vec<ConfigError> {
        if self.parts.is_empty() {
            let error = ConfigError::new("the template has no language").placed(&self.place, 1);
            return vec![error.remedy("add `en.subject` and `en.html`")];
        }
        let mut errors = Vec::new();
        for (locale, parts) in &self.parts {
            let there = parts.html.as_ref().or(parts.text.as_ref());
            match (&parts.subject, there) {
                (Some(_), Some(_)) => {}
                (None, other) => {
                    let error = ConfigError::new(format!("the language {locale} has no subject"))
                        .remedy(format!("add `{locale}.subject`, or begin the name with `_` if it is to be included"));
                    errors.push(error.placed(&self.place(other.map_or("", String::as_str)), 1));
                }
                (Some(subject), None) => {
                    let error = ConfigError::new(format!("the language {locale} has a subject and no text"));
                    let error = error.remedy(format!("add `{locale}.html` or `{locale}.txt`"));
                    errors.push(error.placed(&self.place(subject), 1));
                }
            }
        }
        errors
    }

    /// Fills every file with every sample, with all of them at once, and with every link.
    pub(crate) fn prove(&self, samples: &[Map<String, Json>]) -> Vec<ConfigError> {
        let sender = |name: &str| sender_value(Value::from(name), Value::from("hello@acme.example"));
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
        for (locale, parts) in &self.parts {
            for file in [&parts.subject, &parts.html, &parts.text].into_iter().flatten() {
                let is_subject = parts.subject.as_ref() == Some(file);
                let wrong = contexts.iter().find_map(|context| match self.render(file, locale, locale, context) {
                    Err(error) => Some(engine::wrong(&error, |file| self.place(file))),
                    Ok(text) if is_subject && text::one_line(&text).is_empty() => Some(
                        ConfigError::new("the subject is empty for at least one user")
                            .remedy("write what is true of everybody, e.g. `Hello {{ name or 'there' }}`")
                            .placed(&self.place(file), 1),
                    ),
                    Ok(_) => None,
                });
                errors.extend(wrong);
            }
        }
        errors
    }

    /// Fills the language that suits.
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
        let none = || Fault::new("a template without languages was not refused");
        let locale = Locale::choose(wanted, &self.locales).ok_or_else(none)?;
        let parts = self.parts.get(locale).ok_or_else(none)?;
        let spoken = locale.as_wanted(wanted);
        let name = text::one_line(from.name().unwrap_or_default());
        let context = values(entries, &sender_value(Value::from(name), Value::from(from.address())));
        let filled = |file: &Option<String>| -> Result<Option<String>, Fault> {
            let Some(file) = file else { return Ok(None) };
            let text = self.render(file, locale, &spoken, &context);
            Ok(Some(text.map_err(|error| engine::failed(&error, |file| self.place(file)))?))
        };
        let subject = filled(&parts.subject)?.unwrap_or_default();
        let html = filled(&parts.html)?.map(|html| text::body(&html));
        let text = match filled(&parts.text)? {
            Some(text) => text::body(&text),
            None => text::from_html(html.as_deref().unwrap_or_default()),
        };
        let subject = text::cut(&text::one_line(&subject), LONGEST_SUBJECT);
        Ok(Letter { locale: locale.to_string(), subject, html, text })
    }

    /// `spoken` is the language that times are worded in.
    fn render(
        &self,
        file: &str,
        locale: &Locale,
        spoken: &Locale,
        context: &BTreeMap<String, Value>,
    ) -> Result<String, Error> {
        let mut context = context.clone();
        context.insert(moments::LANGUAGE.to_owned(), Value::from(spoken.to_string()));
        context.insert("locale".to_owned(), Value::from(locale.to_string()));
        context.insert("dir".to_owned(), Value::from(locale.direction()));
        self.engine.get_template(file)?.render(Value::from_pairs(context))
    }

    /// The path of a file, for messages.
    fn place(&self, file: &str) -> String {
        if file.is_empty() {
            return self.place.clone();
        }
        let shared = file.starts_with(SHARED).then(|| self.templates.display().to_string());
        format!("{}/{file}", shared.as_deref().unwrap_or(&self.place))
    }
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

fn sender_value(name: Value, address: Value) -> Value {
    Value::from_pairs([("name", name), ("address", address)])
}

/// HTML is escaped, by the name of the file; plain text and subjects are not.
fn escaping(file: &str) -> AutoEscape {
    match file.rsplit_once('.') {
        Some((_, kind)) if kind.eq_ignore_ascii_case("html") => AutoEscape::Html,
        _ => AutoEscape::None,
    }
}

/// A file of the folder that templates share; nothing that lies elsewhere.
fn shared(templates: &Path, name: &str) -> Result<Option<String>, Error> {
    let is_inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !name.starts_with(SHARED) || !is_inside {
        return Ok(None);
    }
    let (Ok(root), Ok(path)) = (templates.join(SHARED).canonicalize(), templates.join(name).canonicalize()) else {
        return Ok(None);
    };
    if !path.starts_with(root) {
        return Ok(None);
    }
    let unreadable = |error: io::Error| Error::new(ErrorKind::InvalidOperation, format!("cannot read it: {error}"));
    if fs::metadata(&path).map_err(unreadable)?.len() > LARGEST {
        return Err(Error::new(ErrorKind::InvalidOperation, "the file is larger than a megabyte"));
    }
    fs::read_to_string(path).map(Some).map_err(unreadable)
}

/// The files of a template's folder that matter, by name; `None` if there is no such folder.
fn read(folder: &Path) -> Result<Option<Vec<(String, String)>>, Vec<ConfigError>> {
    let place = folder.display().to_string();
    let unreadable = |place: &str, error: &io::Error| {
        let error = ConfigError::new(format!("cannot read it: {error}"));
        error.remedy("ship it with the function, readable and in UTF-8").placed(place, 1)
    };
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(vec![unreadable(&place, &error)]),
    };
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for entry in listing {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                errors.push(unreadable(&place, &error));
                continue;
            }
        };
        let Some(file) = path.file_name().and_then(|file| file.to_str()).filter(|file| is_part(file)) else { continue };
        let place = format!("{place}/{file}");
        match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => continue,
            Ok(metadata) if metadata.len() > LARGEST => {
                errors.push(ConfigError::new("the file is larger than a megabyte").placed(&place, 1));
                continue;
            }
            _ => {}
        }
        match fs::read_to_string(&path) {
            Ok(source) => files.push((file.to_owned(), source)),
            Err(error) => errors.push(unreadable(&place, &error)),
        }
    }
    // The order of a folder is the file system's; messages should come in the same one everywhere.
    files.sort();
    if errors.is_empty() { Ok(Some(files)) } else { Err(errors) }
}

/// Whether a file belongs to a template, by its name. Hidden files and an editor's copies do not.
fn is_part(file: &str) -> bool {
    let kind = file.rsplit_once('.').map(|(_, kind)| kind.to_ascii_lowercase());
    !file.starts_with('.') && matches!(kind.as_deref(), Some("html" | "txt" | "subject"))
}

fn missing(name: &str, folder: &Path) -> ConfigError {
    let built_in = builtin::names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    ConfigError::new(format!("there is no template `{name}`"))
        .remedy(format!("put `en.subject` and `en.html` into {}; built in are {built_in}", folder.display()))
}
