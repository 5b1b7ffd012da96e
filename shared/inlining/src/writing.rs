//! Changes to a file: `style` attributes at its start tags, and `<style>` elements without what is in them now.

use std::ops::Range;

use crate::file::{File, Style};
use crate::jinja::{Kind, TAG, UNKNOWN};
use crate::markup::{Attribute, Tag};
use crate::rules::Rules;
use crate::shape::{self, Choice, Decision, Element};
use crate::sheet::{Declaration, ItemKind, importance, split};

/// The file with its changes.
pub(crate) fn write(number: usize, file: &File<'_>, rules: &Rules<'_>) -> String {
    let mut edits = Vec::new();
    for (at, element) in file.elements.iter().enumerate() {
        let Some(tag) = element.tag.and_then(|tag| file.tags.get(tag)) else { continue };
        if element.is_seen && !element.is_left_alone {
            let lists: Vec<_> = (0..element.shapes.len()).map(|shape| rules.declarations(number, at, shape)).collect();
            edits.extend(attribute(file, tag, element, &lists));
        }
    }
    for (at, style) in file.styles.iter().enumerate() {
        edits.extend(sheet(number, file, at, style, rules).map(|text| (style.text.clone(), text)));
    }
    edits.sort_by_key(|(range, _)| range.start);
    let (mut text, mut at) = (String::with_capacity(file.source.len() * 2), 0);
    for (range, new) in edits {
        text.push_str(file.source.get(at..range.start).unwrap_or_default());
        text.push_str(&new);
        at = range.end;
    }
    text.push_str(file.source.get(at..).unwrap_or_default());
    text
}

/// The `style` attribute of an element, and what it takes the place of.
fn attribute(
    file: &File<'_>,
    tag: &Tag,
    element: &Element,
    lists: &[[Vec<Declaration>; 2]],
) -> Option<(Range<usize>, String)> {
    let own = tag.attributes.iter().find(|attribute| attribute.name == "style");
    let value = own.and_then(|own| own.value.clone());
    let old = value.clone().and_then(|value| file.source.get(value)).unwrap_or_default();
    let quote = own.map_or('"', |own| quote(file, own));
    let leaves: Vec<[String; 2]> = element
        .shapes
        .iter()
        .zip(lists)
        .map(|(shape, [normal, important])| {
            let set = value.as_ref().map(|value| set_already(file, value, &shape.decided)).unwrap_or_default();
            let is_set = |declaration: &Declaration, as_important: bool| {
                set.iter().any(|(property, is_important)| {
                    *property == declaration.property && (*is_important || !as_important)
                })
            };
            let text = |list: &[Declaration], as_important: bool| -> String {
                let missing = list.iter().filter(|declaration| !is_set(declaration, as_important));
                missing.map(|declaration| declaration.written(quote)).collect()
            };
            [text(normal, false), text(important, true)]
        })
        .collect();
    let before = chosen(&element.choice, &|shape| leaves.get(shape).map_or("", |[before, _]| before));
    let after = chosen(&element.choice, &|shape| leaves.get(shape).map_or("", |[_, after]| after));
    if before.is_empty() && after.is_empty() {
        return None;
    }
    let joint = if old.trim().is_empty() || after.is_empty() || is_ended(old) { "" } else { ";" };
    let new = format!("{before}{old}{joint}{after}");
    // The last one needs no end, unless it ends with Jinja.
    let new = new.strip_suffix(';').filter(|_| !old.ends_with(';') || !after.is_empty()).unwrap_or(&new);
    let new = format!("style={quote}{new}{quote}");
    if let Some(own) = own {
        return Some((own.range.clone(), new));
    }
    let place = end(file, tag);
    Some((place..place, format!(" {new}")))
}

/// Whether a value ends with a semicolon of its own: not with that of `&quot;`.
fn is_ended(value: &str) -> bool {
    let Some(before) = value.trim_end().strip_suffix(';') else { return false };
    let word = before.trim_end_matches(|it: char| it.is_ascii_alphanumeric() || it == '#');
    word.len() == before.len() || !word.ends_with('&')
}

/// Where another attribute can stand: before the end of the tag, and before blanks and a slash there.
fn end(file: &File<'_>, tag: &Tag) -> usize {
    let text = file.source.get(..tag.range.end.saturating_sub(1)).unwrap_or_default();
    let last = tag.attributes.last().map_or(tag.range.start, |last| last.range.end);
    let last = file.jinja.within(&tag.range).last().map_or(last, |piece| piece.range.end.max(last));
    let bare = text.trim_end();
    let bare = bare.strip_suffix('/').filter(|bare| bare.len() >= last).map_or(bare, str::trim_end);
    bare.len().max(last)
}

/// The quotes of an attribute that stays as it is.
fn quote(file: &File<'_>, own: &Attribute) -> char {
    let has_quotes = |range: &Range<usize>| {
        let masked = file.jinja.masked(file.source);
        masked.get(range.clone()).is_some_and(|value| value.contains(&b'"'))
    };
    match own.quote {
        Some(b'\'') => '\'',
        None if own.value.as_ref().is_some_and(has_quotes) => '\'',
        _ => '"',
    }
}

/// One text, or one for each branch of Jinja if they differ.
fn chosen<'a>(choice: &Choice, text: &impl Fn(usize) -> &'a str) -> String {
    match choice {
        Choice::Shape(shape) => text(*shape).to_owned(),
        Choice::If(branches) => {
            let texts: Vec<_> = branches.iter().map(|(tag, choice)| (tag, chosen(choice, text))).collect();
            let Some((_, first)) = texts.first() else { return String::new() };
            if texts.iter().all(|(_, text)| text == first) {
                return first.clone();
            }
            let mut all = String::new();
            for (at, (tag, text)) in texts.iter().enumerate() {
                let is_empty_else = at + 1 == texts.len() && text.is_empty() && is_else(tag);
                if !is_empty_else {
                    all.push_str(tag);
                    all.push_str(text);
                }
            }
            all.push_str("{% endif %}");
            all
        }
    }
}

fn is_else(tag: &str) -> bool {
    tag.trim_matches(|it: char| matches!(it, '{' | '%' | '}' | '-' | '+') || it.is_whitespace()) == "else"
}

/// The properties that an attribute sets if this was decided, and whether they are important.
fn set_already(file: &File<'_>, value: &Range<usize>, decided: &[Decision]) -> Vec<(String, bool)> {
    let mut text = Vec::new();
    expand(file, value, decided, &mut text);
    let text = String::from_utf8_lossy(&text).replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
    let masked = [char::from(TAG), char::from(UNKNOWN)];
    split(&text, b';')
        .into_iter()
        .filter_map(|declaration| {
            let (property, value) = declaration.split_once(':')?;
            let property = property.trim().trim_start_matches(char::from(TAG)).trim().to_ascii_lowercase();
            (!property.is_empty() && !property.contains(masked)).then(|| (property, importance(value).1))
        })
        .collect()
}

/// The text of a range if this was decided, with the rest masked.
fn expand(file: &File<'_>, range: &Range<usize>, decided: &[Decision], text: &mut Vec<u8>) {
    let bytes = file.source.as_bytes();
    let mut at = range.start;
    for piece in file.jinja.within(range).iter().filter(|piece| piece.kind != Kind::Comment) {
        if piece.range.start < at {
            continue;
        }
        text.extend_from_slice(bytes.get(at..piece.range.start).unwrap_or_default());
        at = piece.range.end;
        let Some(construct) = file.jinja.constructs.iter().find(|it| it.range.start == piece.range.start) else {
            text.push(UNKNOWN);
            continue;
        };
        at = construct.range.end.min(range.end);
        let tags = shape::tags(&file.jinja, construct);
        match decided.iter().find(|(decided, _)| *decided == tags) {
            Some((_, branch)) => {
                if let Some(branch) = shape::branch_of(&file.jinja, construct, *branch) {
                    expand(file, &branch, decided, text);
                }
            }
            None => text.push(TAG),
        }
    }
    text.extend_from_slice(bytes.get(at..range.end).unwrap_or_default());
}

/// The text of a `<style>` element without what is in elements now, if that changes it.
fn sheet(number: usize, file: &File<'_>, at: usize, style: &Style, rules: &Rules<'_>) -> Option<String> {
    let css = file.source.get(style.text.clone())?;
    let inlined: Vec<Vec<usize>> = (0..style.sheet.items.len()).map(|item| rules.inlined(number, at, item)).collect();
    if style.left_alone.is_some() || inlined.iter().all(Vec::is_empty) {
        return None;
    }
    let mut text = String::new();
    let mut place = 0;
    for (item, gone) in style.sheet.items.iter().zip(&inlined) {
        let blank = css.get(place..item.range.start).unwrap_or_default();
        place = item.range.end;
        let own = css.get(item.range.clone()).unwrap_or_default();
        match &item.kind {
            // It told of rules that are gone.
            ItemKind::Comment => {}
            ItemKind::Rule(rule) if gone.len() == rule.selectors.len() => {}
            ItemKind::Rule(rule) if !gone.is_empty() => {
                let stay = rule
                    .selectors
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| !gone.contains(at))
                    .map(|(_, (text, _))| text.as_str());
                text.push_str(blank);
                text.push_str(&stay.collect::<Vec<_>>().join(", "));
                text.push(' ');
                text.push_str(css.get(rule.block.clone()).unwrap_or_default());
            }
            _ => {
                text.push_str(blank);
                text.push_str(own);
            }
        }
    }
    if text.trim().is_empty() {
        return Some(String::new());
    }
    text.push_str(css.get(place..).unwrap_or_default());
    Some(text)
}

impl Declaration {
    /// As it stands in an attribute with these quotes, with its end.
    fn written(&self, quote: char) -> String {
        let (other, entity) = if quote == '"' { ('\'', "&quot;") } else { ('"', "&#39;") };
        let value = self.value.replace('&', "&amp;");
        let value =
            if value.contains(other) { value.replace(quote, entity) } else { value.replace(quote, &other.to_string()) };
        let important = if self.is_important { "!important" } else { "" };
        format!("{}:{value}{important};", self.property)
    }
}
