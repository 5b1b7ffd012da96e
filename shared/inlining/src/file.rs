//! A file that was read: its Jinja, its elements and its `<style>` elements.

use std::ops::Range;

use crate::jinja::Jinja;
use crate::markup::{Markup, Tag};
use crate::shape::{self, Element};
use crate::sheet::Sheet;
use crate::{Error, Wrong};

/// A file.
#[derive(Debug)]
pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) source: &'a str,
    pub(crate) jinja: Jinja,
    pub(crate) tags: Vec<Tag>,
    pub(crate) in_comments: Vec<Element>,
    pub(crate) elements: Vec<Element>,
    pub(crate) styles: Vec<Style>,
}

/// A `<style>` element.
#[derive(Debug)]
pub(crate) struct Style {
    pub(crate) text: Range<usize>,
    pub(crate) sheet: Sheet,
    /// Why it is left alone, if it is.
    pub(crate) left_alone: Option<&'static str>,
    /// Whether all of it stays, besides being put into elements.
    pub(crate) stays: bool,
}

impl<'a> File<'a> {
    pub(crate) fn read(name: &'a str, source: &'a str) -> Result<Self, Error> {
        Self::parse(name, source).map_err(|wrong| wrong.in_file(name, source))
    }

    fn parse(name: &'a str, source: &'a str) -> Result<Self, Wrong> {
        let jinja = Jinja::of(source)?;
        let masked = jinja.masked(source);
        let markup = Markup::of(&masked)?;
        let styles = markup
            .styles
            .iter()
            .filter_map(|(tag, text)| Some(style(source, &jinja, markup.tags.get(*tag)?, text.clone())));
        let styles = styles.collect();
        let elements = shape::elements(source, &jinja, &markup.tags);
        let in_comments = shape::elements(source, &jinja, &markup.in_comments);
        Ok(Self { name, source, jinja, tags: markup.tags, in_comments, elements, styles })
    }

    /// The line of a place, from 1 on.
    pub(crate) fn line(&self, at: usize) -> usize {
        line(self.source, at)
    }
}

pub(crate) fn line(source: &str, at: usize) -> usize {
    source.as_bytes().get(..at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1
}

fn style(source: &str, jinja: &Jinja, tag: &Tag, text: Range<usize>) -> Style {
    let value = |name: &str| {
        let attribute = tag.attributes.iter().find(|attribute| attribute.name == name)?;
        Some(
            attribute.value.clone().and_then(|value| source.get(value)).unwrap_or_default().trim().to_ascii_lowercase(),
        )
    };
    let has_jinja = !jinja.within(&(tag.range.start..text.end)).is_empty();
    let marked = value("data-css-inline");
    let is_css = value("type").is_none_or(|it| it.is_empty() || it == "text/css");
    let is_for_all = value("media").is_none_or(|it| it.is_empty() || it == "all" || it == "screen");
    let left_alone = if marked.as_deref() == Some("ignore") {
        Some("it is marked with data-css-inline")
    } else if has_jinja {
        Some("Jinja stands in it")
    } else if !jinja.is_certain(text.start) {
        Some("Jinja decides whether it is there")
    } else if !is_css || !is_for_all {
        Some("its media or type says when it counts")
    } else {
        None
    };
    let sheet = Sheet::of(source.get(text.clone()).unwrap_or_default());
    Style { text, sheet, left_alone, stays: marked.as_deref() == Some("keep") }
}
