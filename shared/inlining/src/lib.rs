//! CSS into the elements it is for: mail programs pass over what stands in a head.
//!
//! [`inline`] puts the rules of `<style>` elements into `style="..."` attributes. What it is given are templates, not pages: `{{ .. }}`,
//! `{% .. %}` and `{# .. #}` stand wherever Jinja may, and the files extend and include each other. So nothing is written back that
//! an HTML parser made of them. Every file stays byte for byte as it is, but for two things: a `style` attribute at a start tag,
//! and the text of a `<style>` element, which loses the rules that are in elements now.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! let files = BTreeMap::from([
//!     ("_layout.html".to_owned(), "<style>.big { font-size: 20px } a:hover { color: red }</style>{% block it %}{% endblock %}".to_owned()),
//!     ("en.html".to_owned(), "{% extends '_layout.html' %}{% block it %}<p class='big'>{{ name }}</p>{% endblock %}".to_owned()),
//! ]);
//! let files = cognito_triggers_inlining::inline(&files)?;
//! assert_eq!(files["en.html"], "{% extends '_layout.html' %}{% block it %}<p class='big' style=\"font-size:20px\">{{ name }}</p>{% endblock %}");
//! assert_eq!(files["_layout.html"], "<style> a:hover { color: red }</style>{% block it %}{% endblock %}");
//! # Ok::<(), cognito_triggers_inlining::Error>(())
//! ```
//!
//! # Which rules
//!
//! A page is a file with all it extends and includes. The rules of a page are for all its elements, in whatever file they stand. A
//! file that is on several pages gets what all of them have.
//!
//! What is asked for around an element (`.card p`) must stand in the same file: it is not known what else a file is put into. Rules
//! by class are what works everywhere.
//!
//! Where Jinja decides on a class, with `{% if %}` or `{{ 'a' if x else 'b' }}`, it decides on the `style` attribute as well. Where it
//! makes a class (`class="{{ kind }}"`), what the class could be stays in the `<style>` element, too.
//!
//! # What stays in the `<style>` element
//!
//! At-rules such as `@media`; selectors with `:`, `+` or `~`; rules that match nothing; rules that may be about something that cannot
//! be changed: an element in `<!--[if mso]>`, one whose `style` attribute Jinja decides on, one marked with
//! `data-css-inline="ignore"`. As everywhere in mails, these need `!important` to win over what is in the elements.
//!
//! A `<style>` element that holds Jinja, that Jinja decides on, that has a `media` of its own or is marked with
//! `data-css-inline="ignore"` is left alone; one with `data-css-inline="keep"` loses nothing.
//!
//! # `!important`
//!
//! It is kept in the attribute, unless a rule that stays sets the same property with `!important`, as those for small screens and
//! dark mode do: that one is to win, and could not. A rule with `!important` is put into all its elements, or into none.

mod file;
mod jinja;
mod markup;
mod matching;
mod pages;
mod rules;
mod shape;
mod sheet;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use crate::file::File;
use crate::jinja::{Jinja, Kind};
use crate::rules::{Fate, Rules};
use crate::sheet::ItemKind;

/// Why a template cannot be read. Prints as `file:line: problem; remedy`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}; {remedy}")]
pub struct Error {
    /// The name of the file, as it was given.
    pub file: String,
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// Templates whose rules are in their elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inlined {
    /// All files by name, changed or not.
    pub files: BTreeMap<String, String>,
    /// What stayed in `<style>` elements, in the order of the files.
    pub kept: Vec<Kept>,
}

/// Something that stayed in a `<style>` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The name of the file.
    pub file: String,
    /// The line in the file as it was given.
    pub line: usize,
    /// What it is about: a selector, or the head of an at-rule.
    pub what: String,
    /// Why it stayed, where that is not plain.
    pub why: Option<&'static str>,
}

/// Puts the rules of `<style>` elements into the elements of all files whose names end with `.html`.
///
/// The files are those of one template, or of several: `welcome/en.html`. A name in an `{% include %}` is that of a file in the
/// folder of the page, or, if there is none, of one beside all folders; one that begins with `_shared/` is for all of them. What was
/// inlined before does not change.
///
/// # Errors
///
/// If a comment, a tag, a `<style>`, a `{{` or a `{%` is not closed.
pub fn inline(files: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
    inline_and_tell(files).map(|inlined| inlined.files)
}

/// The same, and what stayed.
///
/// # Errors
///
/// If a comment, a tag, a `<style>`, a `{{` or a `{%` is not closed.
pub fn inline_and_tell(files: &BTreeMap<String, String>) -> Result<Inlined, Error> {
    let pages = files.iter().filter(|(name, _)| is_page(name));
    let read = pages.map(|(name, source)| File::read(name, source)).collect::<Result<Vec<_>, _>>()?;
    let rules = Rules::of(&read, &pages::of(&read))?;
    let mut written = files.clone();
    for (number, file) in read.iter().enumerate() {
        written.insert(file.name.to_owned(), writing::write(number, file, &rules));
    }
    Ok(Inlined { files: written, kept: kept(&read, &rules) })
}

/// The files that a file extends, includes or imports; `None` if it makes a name at run time, so that it may be any file.
///
/// # Errors
///
/// If a `{{`, `{%` or `{#` is not closed.
pub fn references(file: &str, source: &str) -> Result<Option<BTreeSet<String>>, Error> {
    let jinja = Jinja::of(source).map_err(|wrong| wrong.in_file(file, source))?;
    let named: Option<Vec<_>> = jinja.references().map(|(_, names)| names).collect();
    Ok(named.map(|names| names.into_iter().flatten().collect()))
}

/// What stands between the braces of every `{{ .. }}` and `{% .. %}`.
///
/// # Errors
///
/// If a `{{`, `{%` or `{#` is not closed.
pub fn expressions(file: &str, source: &str) -> Result<Vec<String>, Error> {
    let jinja = Jinja::of(source).map_err(|wrong| wrong.in_file(file, source))?;
    let pieces = jinja.pieces.into_iter().filter(|piece| piece.kind != Kind::Comment);
    Ok(pieces.map(|piece| piece.inner).collect())
}

fn is_page(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, kind)| kind.eq_ignore_ascii_case("html"))
}

fn kept(files: &[File<'_>], rules: &Rules<'_>) -> Vec<Kept> {
    let mut kept = Vec::new();
    for ((file_number, file), (style_number, style), item, it) in rules::items(files) {
        let css = file.source.get(style.text.clone()).unwrap_or_default();
        let line = file.line(style.text.start + it.range.start);
        let mut keep = |what: &str, why| {
            let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
            kept.push(Kept { file: file.name.to_owned(), line, what, why });
        };
        let head = css.get(it.range.clone()).and_then(|text| text.split('{').next()).unwrap_or_default();
        match &it.kind {
            ItemKind::Comment => {}
            ItemKind::AtRule => keep(head, style.left_alone),
            ItemKind::Other => {
                if !matches!(head, "<!--" | "-->") {
                    keep(head, Some("it cannot be read"));
                }
            }
            ItemKind::Rule(rule) => {
                for (place, (text, selector)) in rule.selectors.iter().enumerate() {
                    let mut own = rules.candidates.iter().zip(&rules.fates);
                    let fate = own.find(|(it, _)| {
                        (it.file, it.style, it.item, it.place) == (file_number, style_number, item, place)
                    });
                    match fate {
                        Some((_, Fate::Inlined)) => {}
                        Some((_, Fate::Kept { why, .. })) => keep(text, Some(why)),
                        None if style.left_alone.is_some() => keep(text, style.left_alone),
                        None if selector.is_some() => keep(text, Some("what it sets cannot stand in an attribute")),
                        None => keep(text, None),
                    }
                }
            }
        }
    }
    kept
}

/// What is wrong at a place.
#[derive(Debug)]
pub(crate) struct Wrong {
    at: usize,
    problem: String,
    remedy: String,
}

impl Wrong {
    pub(crate) fn at(at: usize, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { at, problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn in_file(self, file: &str, source: &str) -> Error {
        Error { file: file.to_owned(), line: file::line(source, self.at), problem: self.problem, remedy: self.remedy }
    }
}

#[cfg(test)]
mod tests;
