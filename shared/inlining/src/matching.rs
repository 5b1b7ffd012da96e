//! Which selectors match which elements. css-inline decides.
//!
//! It gets a copy of the file's elements in which each stands under a name of its own (`x-td` for `td`): HTML parsers drop a `<td>`
//! that stands in no table, and a template may well begin with one. Each selector comes with one custom property, and an element
//! that has it afterwards was matched. Colours and sizes are not given to it: which of several counts is decided here, in the
//! order in which they were written, since `padding` and `padding-left` undo each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use css_inline::CSSInliner;

use crate::file::File;

use crate::markup::Markup;
use crate::shape::{Element, Shape};
use crate::sheet::Selector;

/// The name of an element of which nothing is known.
const ANY: &str = "x-unknown";
/// The attribute that numbers the copies.
const NUMBER: &str = "data-inlining";

/// The selectors that match, by element and shape.
pub(crate) type Matches = BTreeMap<(usize, usize), BTreeSet<usize>>;

/// Matches selectors, each with its number.
///
/// # Errors
///
/// If css-inline fails, in its words.
pub(crate) fn matches<'a>(
    file: &File<'_>,
    selectors: impl Iterator<Item = (usize, &'a Selector)>,
) -> Result<Matches, String> {
    let mut css = String::new();
    for (number, selector) in selectors {
        let _ = writeln!(css, "{} {{ --r{number}: 1 }}", selector.renamed);
    }
    if css.is_empty() || file.elements.is_empty() {
        return Ok(Matches::new());
    }
    let copy = copy(&file.elements);
    let inliner = CSSInliner::options().load_remote_stylesheets(false).build();
    let answer = inliner.inline_fragment(&copy, &css).map_err(|error| error.to_string())?;
    read(&answer).ok_or_else(|| "the copy came back in an unknown form".to_owned())
}

/// The elements as a document of their own.
fn copy(elements: &[Element]) -> String {
    let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (at, element) in elements.iter().enumerate() {
        children.entry(element.parent).or_default().push(at);
    }
    let mut text = String::new();
    // What is to be opened, and what is to be closed.
    let below = |parent: Option<usize>| children.get(&parent).into_iter().flatten().rev().map(|child| Ok(*child));
    let mut steps: Vec<Result<usize, String>> = below(None).collect();
    while let Some(step) = steps.pop() {
        let at = match step {
            Ok(at) => at,
            Err(closing) => {
                text.push_str(&closing);
                continue;
            }
        };
        let Some(element) = elements.get(at) else { continue };
        if element.is_seen {
            for (number, shape) in element.shapes.iter().enumerate() {
                let name = open(&mut text, Some(shape), Some((at, number)));
                let _ = write!(text, "</{name}>");
            }
        }
        // What stands in it stands in what it is in any case.
        let name = open(&mut text, element.in_any_case(), None);
        steps.push(Err(format!("</{name}>")));
        steps.extend(below(Some(at)));
    }
    text
}

/// Writes a start tag and answers its name.
fn open(text: &mut String, shape: Option<&Shape>, number: Option<(usize, usize)>) -> String {
    let own = shape
        .and_then(|shape| shape.name.as_deref())
        .filter(|name| name.bytes().all(|it| it.is_ascii_graphic() && it != b'<'));
    let name = own.map_or_else(|| ANY.to_owned(), |name| format!("x-{name}"));
    let _ = write!(text, "<{name}");
    if let Some((element, shape)) = number {
        let _ = write!(text, " {NUMBER}=\"{element}.{shape}\"");
    }
    for (name, value) in shape.into_iter().flat_map(|shape| &shape.attributes) {
        let is_plain =
            name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b':' | b'@' | b'.'));
        if is_plain && !name.is_empty() && !name.starts_with(NUMBER) && name != "style" && name != "data-css-inline" {
            // A masked word is one that nobody asks for.
            let value =
                value.replace('"', "&quot;").replace(|it: char| it.is_control() && !it.is_whitespace(), "\u{e000}");
            let _ = write!(text, " {name}=\"{value}\"");
        }
    }
    text.push('>');
    name
}

fn read(answer: &str) -> Option<Matches> {
    let markup = Markup::of(answer.as_bytes()).ok()?;
    let mut matches = Matches::new();
    for tag in &markup.tags {
        let value = |name: &str| {
            let attribute = tag.attributes.iter().find(|attribute| attribute.name == name)?;
            answer.get(attribute.value.clone()?)
        };
        let (Some(number), Some(style)) = (value(NUMBER), value("style")) else { continue };
        let (element, shape) = number.split_once('.')?;
        let matched = matches.entry((element.parse().ok()?, shape.parse().ok()?)).or_default();
        for property in style.split(';').filter_map(|declaration| declaration.split_once(':')) {
            matched.extend(property.0.trim().strip_prefix("--r").and_then(|number| number.parse::<usize>().ok()));
        }
    }
    Some(matches)
}
