//! The tags of a file, as a browser would find them. Jinja was masked before, so that nothing in it looks like one.

use std::ops::Range;

use crate::Wrong;
use crate::jinja::{NOTHING, TAG, UNKNOWN};

/// Elements whose text is not searched for tags.
const RAW: [&str; 8] = ["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"];
/// Elements without an end.
const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// A tag.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) range: Range<usize>,
    /// In small letters. May hold what is masked.
    pub(crate) name: String,
    pub(crate) is_end: bool,
    /// Whether nothing can stand in the element.
    pub(crate) is_void: bool,
    pub(crate) attributes: Vec<Attribute>,
}

/// An attribute.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    /// In small letters. May hold what is masked.
    pub(crate) name: String,
    pub(crate) range: Range<usize>,
    /// The value without its quotes.
    pub(crate) value: Option<Range<usize>>,
    pub(crate) quote: Option<u8>,
}

/// What was found in a file.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    pub(crate) tags: Vec<Tag>,
    /// The `<style>` elements: which tag begins it, and where its text is.
    pub(crate) styles: Vec<(usize, Range<usize>)>,
    /// What stands in conditional comments, for Outlook.
    pub(crate) in_comments: Vec<Tag>,
}

impl Markup {
    /// Finds all tags.
    ///
    /// # Errors
    ///
    /// If a tag, comment or `<style>` is not closed.
    pub(crate) fn of(masked: &[u8]) -> Result<Self, Wrong> {
        let mut markup = Self::default();
        markup.scan(masked, 0, masked.len())?;
        Ok(markup)
    }

    fn scan(&mut self, text: &[u8], from: usize, to: usize) -> Result<(), Wrong> {
        let text = text.get(..to).unwrap_or(text);
        let mut at = from;
        while let Some(start) = find(text, at, b"<") {
            let next = text.get(start + 1).copied().unwrap_or_default();
            if text.get(start..).is_some_and(|rest| rest.starts_with(b"<!--")) {
                let Some(end) = find(text, start + 2, b"-->") else {
                    return Err(Wrong::at(start, "this comment is not closed", "close it with `-->`"));
                };
                self.comment(text, start, end);
                at = end + 3;
            } else if next == b'!' || next == b'?' {
                at = find(text, start, b">").map_or(text.len(), |end| end + 1);
            } else if next.is_ascii_alphabetic() || next == UNKNOWN {
                at = self.start_tag(text, start)?;
            } else if next == b'/' && text.get(start + 2).is_some_and(|it| it.is_ascii_alphabetic() || *it == UNKNOWN) {
                let tag = tag(text, start, start + 2)?;
                at = tag.range.end;
                self.tags.push(Tag { is_end: true, ..tag });
            } else {
                at = start + 1;
            }
        }
        Ok(())
    }

    /// What Outlook sees in `<!--[if mso]>..<![endif]-->`. It is not changed, so what is wrong in it does not matter.
    fn comment(&mut self, text: &[u8], start: usize, end: usize) {
        let inside = start + 4..end;
        if text.get(inside.clone()).is_some_and(|it| it.trim_ascii_start().starts_with(b"[if")) {
            let mut inner = Self::default();
            let begin = find(text, inside.start, b"]>").filter(|it| *it < end).map_or(end, |it| it + 2);
            let _ = inner.scan(text, begin, end);
            self.in_comments.append(&mut inner.tags);
        }
    }

    fn start_tag(&mut self, text: &[u8], start: usize) -> Result<usize, Wrong> {
        let tag = tag(text, start, start + 1)?;
        let (name, end) = (tag.name.clone(), tag.range.end);
        self.tags.push(tag);
        if !RAW.contains(&name.as_str()) {
            return Ok(end);
        }
        let Some(closing) = end_of_raw(text, end, &name) else {
            let remedy = format!("close it with `</{name}>`");
            return Err(Wrong::at(start, format!("this <{name}> is not closed"), remedy));
        };
        if name == "style" {
            self.styles.push((self.tags.len() - 1, end..closing));
        }
        Ok(closing)
    }
}

/// Reads a tag whose name begins at `name_at`.
fn tag(text: &[u8], start: usize, name_at: usize) -> Result<Tag, Wrong> {
    let ends_name = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | TAG | NOTHING);
    let name_end = name_at + length(text, name_at, |byte| !ends_name(byte));
    let name = lower(text, name_at..name_end);
    let Some((attributes, end)) = attributes(text, name_end) else {
        let shown: String = name.chars().filter(|it| !it.is_control()).collect();
        return Err(Wrong::at(
            start,
            format!("the tag <{shown} is not closed"),
            "close it with `>`, and its quotes with quotes",
        ));
    };
    let closes_itself = text.get(..end.saturating_sub(1)).is_some_and(|text| text.ends_with(b"/"));
    let is_foreign = name.contains(':') || ["path", "circle", "rect", "line"].contains(&name.as_str());
    let is_void = VOID.contains(&name.as_str()) || closes_itself && is_foreign;
    Ok(Tag { range: start..end, name, is_end: false, is_void, attributes })
}

/// Reads attributes up to the end of the tag, and where that is.
pub(crate) fn attributes(text: &[u8], from: usize) -> Option<(Vec<Attribute>, usize)> {
    let mut attributes = Vec::new();
    let mut at = from;
    loop {
        at += length(text, at, |byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | TAG | NOTHING));
        let start = at;
        match text.get(at)? {
            b'>' => return Some((attributes, at + 1)),
            // A stray `=` begins a name.
            b'=' => at += 1,
            _ => {}
        }
        at +=
            length(text, at, |byte| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>' | b'=' | TAG | NOTHING));
        let name = lower(text, start..at);
        let mut range = start..at;
        let equals = at + length(text, at, |byte| byte.is_ascii_whitespace());
        let (mut value, mut quote) = (None, None);
        if text.get(equals) == Some(&b'=') {
            let begin = equals + 1 + length(text, equals + 1, |byte| byte.is_ascii_whitespace());
            match text.get(begin)? {
                it @ (b'"' | b'\'') => {
                    let end = begin + 1 + length(text, begin + 1, |byte| byte != *it);
                    text.get(end)?;
                    quote = Some(*it);
                    value = Some(begin + 1..end);
                    at = end + 1;
                }
                _ => {
                    let end = begin + length(text, begin, |byte| !byte.is_ascii_whitespace() && byte != b'>');
                    value = Some(begin..end);
                    at = end;
                }
            }
            range.end = at;
        }
        attributes.push(Attribute { name, range, value, quote });
    }
}

/// Where the text of a raw element ends.
fn end_of_raw(text: &[u8], from: usize, name: &str) -> Option<usize> {
    let mut at = from;
    loop {
        let start = find(text, at, b"</")?;
        let after = start + 2 + name.len();
        let is_same = text.get(start + 2..after).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()));
        if is_same && text.get(after).is_none_or(|it| it.is_ascii_whitespace() || matches!(it, b'>' | b'/')) {
            return Some(start);
        }
        at = start + 2;
    }
}

fn find(text: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    Some(from + text.get(from..)?.windows(what.len()).position(|window| window == what)?)
}

fn length(text: &[u8], from: usize, holds: impl Fn(u8) -> bool) -> usize {
    text.get(from..).unwrap_or_default().iter().take_while(|byte| holds(**byte)).count()
}

fn lower(text: &[u8], range: Range<usize>) -> String {
    String::from_utf8_lossy(text.get(range).unwrap_or_default()).to_ascii_lowercase()
}
