//! Makes the table of built-in templates of the folder `src/builtin`: each with what it includes, the words it needs and no others,
//! and with its CSS in the elements.
//!
//! - `_*.html` and `_*.txt` are shared by all templates. One gets those that it extends or includes.
//! - `<template>/` holds the files of one.
//! - `words/<language>.toml` holds the words of all: a table for each template, and `[each]` for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use toml::Spanned;

/// Where the templates are.
const FOLDER: &str = "src/builtin";
/// The folder with the words of all templates.
const WORDS: &str = "words";
/// The table of words for all templates.
const EACH: &str = "each";

/// Files by name.
type Files = BTreeMap<String, String>;
/// The words of a language: tables, and in them keys and values with their places.
type Tables = BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, Spanned<String>>>;

/// The words of a language.
struct Language {
    name: String,
    source: String,
    tables: Tables,
}

#[allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={FOLDER}");
    match make() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("cargo::error={problem}");
            ExitCode::FAILURE
        }
    }
}

fn make() -> Result<(), String> {
    #[allow(clippy::disallowed_methods, reason = "cargo says so where to write to")]
    let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; build with cargo")?;
    let (shared, templates) = read()?;
    let languages = languages(&templates)?;
    let inlined = inlined(&shared, &templates)?;
    let (mut table, mut starters) = (String::new(), String::new());
    for (name, own) in &templates {
        let mut written: Files = Files::new();
        let mut built: Files = Files::new();
        for file in needed(&shared, name, own)? {
            let path = path(name, own, &file);
            let source = own.get(&file).or_else(|| shared.get(&file)).cloned().unwrap_or_default();
            built.insert(file.clone(), inlined.get(&path).cloned().unwrap_or_else(|| source.clone()));
            written.insert(file, source);
        }
        let asked = asked(name, own, &written)?;
        // A folder of one language at a time has its words in its own files.
        for language in languages.iter().filter(|_| own.keys().any(|file| file.starts_with("each."))) {
            if language.tables.keys().any(|table| table.get_ref() == name) {
                let file = format!("{}.toml", language.name);
                built.insert(file.clone(), language.words(name, asked.as_ref(), false));
                written.insert(file, language.words(name, asked.as_ref(), true));
            }
        }
        let about = languages.iter().find(|language| language.name == "en").and_then(|it| it.about(name));
        let _ = writeln!(table, "    ({name:?}, &{:?}),", pairs(&built));
        let _ = writeln!(starters, "    ({name:?}, {:?}, &{:?}),", about.unwrap_or_default(), pairs(&written));
    }
    let text = format!(
        "/// Names and contents.\n\
         type Files = &'static [(&'static str, &'static str)];\n\
         /// The templates by name, with their files.\n\
         pub(crate) const TEMPLATES: &[(&str, Files)] = &[\n{table}];\n\
         /// The same as they were written, and what each is for.\n\
         #[cfg(any(test, feature = \"starters\"))]\n\
         pub(crate) const STARTERS: &[(&str, &str, Files)] = &[\n{starters}];\n"
    );
    let path = Path::new(&out).join("builtin.rs");
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn pairs(files: &Files) -> Vec<(&str, &str)> {
    files.iter().map(|(name, source)| (name.as_str(), source.as_str())).collect()
}

/// The files that are shared, and the templates with their own.
fn read() -> Result<(Files, BTreeMap<String, Files>), String> {
    let (mut shared, mut templates) = (Files::new(), BTreeMap::new());
    for (name, path) in entries(Path::new(FOLDER))? {
        if path.is_dir() {
            if name != WORDS {
                templates.insert(name, with_parts_marked(files(&path)?));
            }
        } else {
            shared.insert(name, text(&path)?);
        }
    }
    Ok((with_parts_marked(shared), templates))
}

/// The files of a folder, parts named with an underscore: what is neither a language nor `each` is one, marked or not.
fn with_parts_marked(files: Files) -> Files {
    let is_marked = |name: &str| name.starts_with('_') || name.starts_with("each.") || is_language(name);
    let (mut marked, others): (Files, Files) = files.into_iter().partition(|(name, _)| is_marked(name));
    for (name, source) in others {
        marked.entry(format!("_{name}")).or_insert(source);
    }
    marked
}

/// `en.html`, `pt-BR.subject`.
fn is_language(file: &str) -> bool {
    let language = file.split(['.', '-']).next().unwrap_or_default();
    matches!(language.len(), 2 | 3) && language.bytes().all(|it| it.is_ascii_lowercase())
}

fn files(folder: &Path) -> Result<Files, String> {
    entries(folder)?.into_iter().map(|(name, path)| Ok((name, text(&path)?))).collect()
}

/// What is in a folder, without hidden files and an editor's copies.
fn entries(folder: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut entries = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !name.starts_with('.') && !name.ends_with('~') {
            entries.insert(name, path);
        }
    }
    Ok(entries)
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}; save it as UTF-8", path.display()))
}

/// All files with their CSS in the elements. A layout is one for all templates, so all are looked at together.
fn inlined(shared: &Files, templates: &BTreeMap<String, Files>) -> Result<Files, String> {
    let mut all = shared.clone();
    for (name, own) in templates {
        all.extend(own.iter().map(|(file, source)| (format!("{name}/{file}"), source.clone())));
    }
    cognito_triggers_inlining::inline(&all).map_err(|error| format!("{FOLDER}/{error}"))
}

/// Where a file of a template is: in its folder, or shared.
fn path(name: &str, own: &Files, file: &str) -> String {
    if own.contains_key(file) { format!("{name}/{file}") } else { file.to_owned() }
}

/// The files of a template, with those that are shared and that it comes to.
fn needed(shared: &Files, name: &str, own: &Files) -> Result<BTreeSet<String>, String> {
    let mut needed = BTreeSet::new();
    let mut open: Vec<String> = own.keys().cloned().collect();
    while let Some(file) = open.pop() {
        let Some(source) = own.get(&file).or_else(|| shared.get(&file)) else { continue };
        if needed.insert(file.clone()) {
            let named = cognito_triggers_inlining::references(&path(name, own, &file), source);
            let named = named.map_err(|error| format!("{FOLDER}/{error}"))?;
            open.extend(named.unwrap_or_else(|| shared.keys().cloned().collect()));
        }
    }
    Ok(needed)
}

/// The words that files ask for; `None` if they may ask for any.
fn asked(name: &str, own: &Files, files: &Files) -> Result<Option<BTreeSet<String>>, String> {
    let mut asked = BTreeSet::new();
    for (file, source) in files {
        let expressions = cognito_triggers_inlining::expressions(&path(name, own, file), source);
        for expression in expressions.map_err(|error| format!("{FOLDER}/{error}"))? {
            for (before, after) in around(&expression, "words") {
                let is_name = |it: char| it.is_alphanumeric() || it == '_';
                if before.ends_with(is_name) || after.starts_with(is_name) {
                    continue;
                }
                let quoted = after.strip_prefix("[\"").or_else(|| after.strip_prefix("['"));
                let Some(word) = after.strip_prefix('.').or(quoted) else { return Ok(None) };
                asked.insert(word.chars().take_while(|it| is_name(*it)).collect());
            }
        }
    }
    Ok(Some(asked))
}

/// What stands before and behind each place of a word.
fn around<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.match_indices(word).filter_map(move |(at, _)| Some((text.get(..at)?, text.get(at + word.len()..)?)))
}

/// The words of every language.
fn languages(templates: &BTreeMap<String, Files>) -> Result<Vec<Language>, String> {
    let folder = Path::new(FOLDER).join(WORDS);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut languages = Vec::new();
    for (file, source) in files(&folder)? {
        let Some(name) = file.strip_suffix(".toml").filter(|_| is_language(&file)) else {
            return Err(format!("{}/{file}: this is no language; name it like `en.toml`", folder.display()));
        };
        let line = |at: usize| source.get(..at).unwrap_or_default().lines().count().max(1);
        let place = |at: usize| format!("{}/{file}:{}", folder.display(), line(at));
        let tables: Tables = toml::from_str(&source).map_err(|error| {
            format!("{}: {}", place(error.span().map_or(0, |span| span.end)), error.message().replace('\n', " "))
        })?;
        let unknown = tables.keys().find(|table| table.get_ref() != EACH && !templates.contains_key(table.get_ref()));
        if let Some(table) = unknown {
            let place = place(table.span().end);
            return Err(format!(
                "{place}: there is no template `{}`; add its folder, or remove the table",
                table.get_ref()
            ));
        }
        languages.push(Language { name: name.to_owned(), source, tables });
    }
    Ok(languages)
}

impl Language {
    /// The words of one template: its own, and those for all that it asks for and has none of its own for.
    fn words(&self, template: &str, asked: Option<&BTreeSet<String>>, with_comments: bool) -> String {
        let table = |name: &str| self.tables.iter().find(|(table, _)| table.get_ref() == name);
        let own = table(template).map(|(_, words)| words);
        let is_own = |word: &str| own.is_some_and(|own| own.keys().any(|key| key.get_ref() == word));
        let is_asked = |word: &str| asked.is_none_or(|asked| asked.contains(word));
        let mut text = String::new();
        for (name, (header, words)) in [EACH, template].into_iter().filter_map(|name| Some((name, table(name)?))) {
            let mut words: Vec<_> = words.iter().collect();
            words.sort_by_key(|(key, _)| key.span().start);
            let mut last = header.span().end;
            for (key, value) in words {
                let before = self.source.get(last..key.span().start).unwrap_or_default();
                last = value.span().end;
                let word = key.get_ref().as_str();
                if name == EACH && (is_own(word) || !is_asked(word)) {
                    continue;
                }
                if with_comments {
                    for comment in before.lines().map(str::trim).filter(|line| line.starts_with('#')) {
                        let _ = writeln!(text, "{comment}");
                    }
                    let _ = writeln!(text, "{}", self.source.get(key.span().start..last).unwrap_or_default());
                } else {
                    let _ = writeln!(text, "{word} = {}", toml::Value::String(value.get_ref().clone()));
                }
            }
        }
        text
    }

    /// What a template is for: the comment before its table.
    fn about(&self, template: &str) -> Option<String> {
        let (header, _) = self.tables.iter().find(|(table, _)| table.get_ref() == template)?;
        let lines: Vec<_> = self.source.get(..header.span().start)?.lines().collect();
        let (_, before) = lines.split_last()?;
        let comment = before.iter().rev().map_while(|line| line.trim().strip_prefix('#')).map(str::trim);
        let mut comment: Vec<_> = comment.collect();
        comment.reverse();
        Some(comment.join(" "))
    }
}
