//! The text of a `<style>` element: its rules, and what of them can stand in an attribute.

use std::ops::Range;

/// What a style sheet is made of.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) items: Vec<Item>,
}

/// A piece of a style sheet, with its place in the text.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) range: Range<usize>,
    pub(crate) kind: ItemKind,
}

/// What it is.
#[derive(Debug)]
pub(crate) enum ItemKind {
    Comment,
    /// `@media`, `@font-face`.
    AtRule,
    Rule(Rule),
    /// What cannot be read. It is kept.
    Other,
}

/// A rule with its selectors.
#[derive(Debug)]
pub(crate) struct Rule {
    /// As they are written, each with what can be matched, if it can.
    pub(crate) selectors: Vec<(String, Option<Selector>)>,
    /// From the brace on, as it is written.
    pub(crate) block: Range<usize>,
    /// Empty if they cannot stand in an attribute.
    pub(crate) declarations: Vec<Declaration>,
}

/// `color: red !important`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    pub(crate) property: String,
    pub(crate) value: String,
    pub(crate) is_important: bool,
}

/// A selector that says the same of an element wherever it stands among its neighbours.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    /// Ancestors first; the last is what it is about.
    pub(crate) compounds: Vec<Compound>,
    pub(crate) specificity: [usize; 3],
    /// The same for elements whose names begin with `x-`.
    pub(crate) renamed: String,
}

/// What a selector asks of one element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compound {
    pub(crate) name: Option<String>,
    pub(crate) classes: Vec<String>,
    pub(crate) ids: Vec<String>,
    /// The names of attributes.
    pub(crate) attributes: Vec<String>,
}

impl Sheet {
    pub(crate) fn of(css: &str) -> Self {
        let bytes = css.as_bytes();
        let (mut items, mut at) = (Vec::new(), 0);
        while let Some(&byte) = bytes.get(at) {
            let rest = css.get(at..).unwrap_or_default();
            let start = at;
            if byte.is_ascii_whitespace() {
                at += 1;
                continue;
            }
            let kind = if rest.starts_with("/*") {
                at = past_comment(css, at);
                ItemKind::Comment
            } else if let Some(sign) = ["<!--", "-->"].into_iter().find(|sign| rest.starts_with(sign)) {
                // Browsers pass over them.
                at += sign.len();
                ItemKind::Other
            } else if byte == b'@' {
                at = until(css, at, b"{;").map_or(css.len(), |end| match bytes.get(end) {
                    Some(b'{') => past_block(css, end).unwrap_or(css.len()),
                    _ => end + 1,
                });
                ItemKind::AtRule
            } else {
                let block = until(css, at, b"{").and_then(|open| Some(open..past_block(css, open)?));
                at = block.as_ref().map_or(css.len(), |block| block.end);
                block.map_or(ItemKind::Other, |block| ItemKind::Rule(rule(css, start, block)))
            };
            items.push(Item { range: start..at, kind });
        }
        Self { items }
    }
}

fn rule(css: &str, start: usize, block: Range<usize>) -> Rule {
    let prelude = css.get(start..block.start).unwrap_or_default();
    let inner = css.get(block.start + 1..block.end.saturating_sub(1)).unwrap_or_default();
    let selectors =
        split(prelude, b',').into_iter().map(|text| (text.trim().to_owned(), Selector::of(text.trim()))).collect();
    Rule { selectors, block, declarations: declarations(inner).unwrap_or_default() }
}

/// The declarations of a block or of an attribute; `None` if there is something else among them.
fn declarations(block: &str) -> Option<Vec<Declaration>> {
    if block.contains(['{', '}', '<', '\\']) {
        return None;
    }
    let mut declarations = Vec::new();
    for text in split(&without_comments(block), b';') {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let (property, value) = text.split_once(':')?;
        let property = property.trim();
        let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
        if property.is_empty() || !property.chars().all(is_name) || value.trim().is_empty() {
            return None;
        }
        let property = if property.starts_with("--") { property.to_owned() } else { property.to_ascii_lowercase() };
        let (value, is_important) = importance(value);
        declarations.push(Declaration { property, value: on_one_line(value), is_important });
    }
    Some(declarations)
}

/// A value without `!important`, and whether it was there.
pub(crate) fn importance(value: &str) -> (&str, bool) {
    let value = value.trim();
    let before = value.len().checked_sub("important".len()).and_then(|at| value.split_at_checked(at));
    match before {
        Some((before, word)) if word.eq_ignore_ascii_case("important") => {
            before.trim_end().strip_suffix('!').map_or((value, false), |value| (value.trim_end(), true))
        }
        _ => (value, false),
    }
}

/// The properties that are set with `!important` anywhere in a text, however deep.
pub(crate) fn important_properties(css: &str) -> impl Iterator<Item = String> {
    let css = without_comments(css);
    let pieces: Vec<_> = css.split(['{', '}', ';']).filter(|piece| importance(piece).1).map(str::to_owned).collect();
    pieces.into_iter().filter_map(|piece| {
        let (property, _) = piece.split_once(':')?;
        Some(property.trim().to_ascii_lowercase())
    })
}

impl Selector {
    /// Reads one. What depends on neighbours or on the state of an element is none: rows that are repeated have other neighbours
    /// than those that are written, and no attribute knows of a state.
    fn of(text: &str) -> Option<Self> {
        let mut compounds = vec![Compound::default()];
        let (mut specificity, mut renamed) = ([0; 3], String::new());
        let (mut is_begun, mut may_combine) = (false, false);
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let after = rest.get(character.len_utf8()..).unwrap_or_default();
            if character.is_whitespace() || character == '>' {
                let blank = rest.trim_start();
                let (sign, next) = blank.strip_prefix('>').map_or((" ", blank), |next| (" > ", next.trim_start()));
                if !is_begun || next.is_empty() {
                    return None;
                }
                renamed.push_str(sign);
                compounds.push(Compound::default());
                (is_begun, may_combine, rest) = (false, false, next);
                continue;
            }
            let compound = compounds.last_mut()?;
            let name = identifier(after);
            match character {
                '.' | '#' => {
                    let (list, weight) =
                        if character == '.' { (&mut compound.classes, 1) } else { (&mut compound.ids, 0) };
                    list.push(Some(name).filter(|it| !it.is_empty())?.to_owned());
                    add_one(&mut specificity, weight);
                    renamed.push(character);
                    renamed.push_str(name);
                    rest = after.get(name.len()..)?;
                }
                '[' => {
                    let end = until(after, 0, b"]")?;
                    let inner = after.get(..end)?;
                    let attribute = identifier(inner.trim_start()).to_ascii_lowercase();
                    // What is changed here cannot be asked for.
                    if attribute.is_empty() || attribute == "style" || attribute.starts_with("data-inlining") {
                        return None;
                    }
                    compound.attributes.push(attribute);
                    add_one(&mut specificity, 1);
                    renamed.push('[');
                    renamed.push_str(inner);
                    renamed.push(']');
                    rest = after.get(end + 1..)?;
                }
                '*' if !is_begun => {
                    renamed.push('*');
                    rest = after;
                }
                _ if !may_combine => {
                    let name = Some(identifier(rest)).filter(|name| !name.is_empty())?;
                    compound.name = Some(name.to_ascii_lowercase());
                    add_one(&mut specificity, 2);
                    renamed.push_str("x-");
                    renamed.push_str(&name.to_ascii_lowercase());
                    rest = rest.get(name.len()..)?;
                }
                _ => return None,
            }
            (is_begun, may_combine) = (true, true);
        }
        is_begun.then_some(Self { compounds, specificity, renamed })
    }

    /// What it is about.
    pub(crate) fn subject(&self) -> Option<&Compound> {
        self.compounds.last()
    }

    /// What it asks of ancestors.
    pub(crate) fn ancestors(&self) -> &[Compound] {
        self.compounds.split_last().map_or(&[], |(_, ancestors)| ancestors)
    }
}

fn add_one(specificity: &mut [usize; 3], weight: usize) {
    if let Some(count) = specificity.get_mut(weight) {
        *count += 1;
    }
}

fn identifier(text: &str) -> &str {
    let end = text.find(|it: char| !(it.is_alphanumeric() || matches!(it, '-' | '_'))).unwrap_or(text.len());
    text.get(..end).filter(|name| !name.starts_with(|it: char| it.is_ascii_digit())).unwrap_or_default()
}

/// The next of these bytes, past comments, texts and brackets.
fn until(css: &str, from: usize, what: &[u8]) -> Option<usize> {
    let bytes = css.as_bytes();
    let (mut at, mut depth) = (from, 0_usize);
    loop {
        let byte = *bytes.get(at)?;
        if depth == 0 && what.contains(&byte) {
            return Some(at);
        }
        match byte {
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = past_comment(css, at);
                continue;
            }
            b'"' | b'\'' => at = past_text(bytes, at)?,
            b'\\' => at += 1,
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
}

/// The quote that ends a text.
fn past_text(bytes: &[u8], from: usize) -> Option<usize> {
    let quote = *bytes.get(from)?;
    let mut at = from + 1;
    loop {
        match *bytes.get(at)? {
            b'\\' => at += 1,
            byte if byte == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

fn past_comment(css: &str, from: usize) -> usize {
    css.get(from + 2..).and_then(|rest| rest.find("*/")).map_or(css.len(), |end| from + 2 + end + 2)
}

/// The place behind a block in braces, and what is nested in it.
fn past_block(css: &str, open: usize) -> Option<usize> {
    let (mut at, mut depth) = (open, 0_usize);
    loop {
        at = until(css, at, b"{}")?;
        if css.as_bytes().get(at) == Some(&b'{') {
            depth += 1;
        } else {
            depth = depth.checked_sub(1)?;
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The parts between separators that stand in no text and no brackets.
pub(crate) fn split(css: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut at) = (Vec::new(), 0);
    while let Some(end) = until(css, at, &[separator]) {
        parts.extend(css.get(at..end));
        at = end + 1;
    }
    parts.extend(css.get(at..));
    parts
}

fn without_comments(css: &str) -> String {
    let (mut text, mut at) = (String::new(), 0);
    while let Some(start) = css.get(at..).and_then(|rest| rest.find("/*")) {
        text.push_str(css.get(at..at + start).unwrap_or_default());
        at = past_comment(css, at + start);
    }
    text.push_str(css.get(at..).unwrap_or_default());
    text
}

/// Blanks outside of quotes as one space each.
fn on_one_line(value: &str) -> String {
    let (mut text, mut quote) = (String::new(), None);
    for character in value.trim().chars() {
        if quote.is_none() && character.is_whitespace() {
            if !text.ends_with(' ') {
                text.push(' ');
            }
            continue;
        }
        match quote {
            Some(open) if open == character => quote = None,
            None if matches!(character, '"' | '\'') => quote = Some(character),
            _ => {}
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_read_or_left_alone() {
        let read = |text| Selector::of(text).map(|it| (it.renamed, it.specificity));
        assert_eq!(read("td.a.b#c").unwrap(), ("x-td.a.b#c".to_owned(), [1, 2, 1]));
        assert_eq!(
            read(".card  >  P a[href^=\"x > y\"]").unwrap(),
            (".card > x-p x-a[href^=\"x > y\"]".to_owned(), [0, 2, 2])
        );
        assert_eq!(read("*").unwrap(), ("*".to_owned(), [0, 0, 0]));
        assert_eq!(read("a[class~=x]").unwrap().0, "x-a[class~=x]");
        for text in [
            "a:hover", ":root", "tr + tr", "p ~ p", "p::after", "", "> p", "p >", "a.b*", "v\\:rect", ".a/**/.b", ".9",
            "a[style]", "&.b", "a..b",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_sheet_is_read_with_all_that_can_be_in_it() {
        let css = "<!-- /* a { } */ p, .a:hover{color:red;;background:url(a;b) ! IMPORTANT}@import url('x;y');\n@media x { a { b: c } }\n.n { &.m { color: red } } .q { content: \"}\" } --> .open {";
        let sheet = Sheet::of(css);
        let told: Vec<_> = sheet
            .items
            .iter()
            .map(|item| match &item.kind {
                ItemKind::Comment => "comment".to_owned(),
                ItemKind::AtRule => "at".to_owned(),
                ItemKind::Other => "other".to_owned(),
                ItemKind::Rule(rule) => format!("{} {}", rule.selectors.len(), rule.declarations.len()),
            })
            .collect();
        assert_eq!(told, ["other", "comment", "2 2", "at", "at", "1 0", "1 0", "other", "other"]);
        let ItemKind::Rule(rule) = &sheet.items[2].kind else { panic!() };
        let second = Declaration { property: "background".into(), value: "url(a;b)".into(), is_important: true };
        assert_eq!(rule.declarations[1], second);
        assert_eq!(css[sheet.items[8].range.clone()].trim(), ".open {");
    }

    #[test]
    fn what_is_important_is_found_in_every_depth() {
        let css = "@media x { .a { color: red; padding-left: 0 ! important } .b { Border: 0 !important; } }";
        assert_eq!(important_properties(css).collect::<Vec<_>>(), ["padding-left", "border"]);
        assert_eq!(importance("x!important"), ("x", true));
        assert_eq!(importance("unimportant"), ("unimportant", false));
    }
}
