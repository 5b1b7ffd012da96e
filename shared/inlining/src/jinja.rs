//! What of a file is Jinja: where it stands, what it is, and which of its blocks a place lies in.

use std::ops::Range;

use crate::Wrong;

/// In the place of an expression: something nobody knows yet.
pub(crate) const UNKNOWN: u8 = 0x1a;
/// In the place of a tag such as `{% if %}`, byte by byte.
pub(crate) const TAG: u8 = 0x1b;
/// In the place of a comment, and of `{% raw %}`: nothing.
pub(crate) const NOTHING: u8 = 0x1c;

/// What a piece of Jinja is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `{{ .. }}`
    Expression,
    /// `{% .. %}`
    Tag,
    /// `{# .. #}`
    Comment,
}

/// A piece of Jinja.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
    /// What stands between the braces, without blanks and signs for them.
    pub(crate) inner: String,
}

impl Piece {
    /// The first word of a tag: `if`.
    pub(crate) fn word(&self) -> &str {
        self.inner.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').next().unwrap_or_default()
    }

    /// What stands behind the first word.
    pub(crate) fn rest(&self) -> &str {
        self.inner.get(self.word().len()..).unwrap_or_default().trim()
    }
}

/// Something with an end of its own: `{% if %}..{% else %}..{% endif %}`.
#[derive(Debug)]
pub(crate) struct Construct {
    /// The first word: `if`, `for`, `block`.
    pub(crate) word: String,
    /// The pieces that begin its branches, and the one that ends it.
    pub(crate) branches: Vec<usize>,
    pub(crate) end: usize,
    pub(crate) range: Range<usize>,
}

/// Where a place lies: constructs with their branches, the outermost first.
pub(crate) type Path = Vec<(usize, usize)>;

/// The Jinja of a file.
#[derive(Debug, Default)]
pub(crate) struct Jinja {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) constructs: Vec<Construct>,
    /// The path behind each piece.
    paths: Vec<Path>,
}

impl Jinja {
    /// Finds all of it.
    ///
    /// # Errors
    ///
    /// If something is not closed.
    pub(crate) fn of(source: &str) -> Result<Self, Wrong> {
        let mut jinja = Self { pieces: pieces(source)?, ..Self::default() };
        let mut open: Vec<(usize, usize)> = Vec::new();
        for at in 0..jinja.pieces.len() {
            jinja.nest(at, &mut open);
            jinja.paths.push(open.clone());
        }
        // What has no end is the engine's to refuse. Here it reaches to the end of the file.
        Ok(jinja)
    }

    fn nest(&mut self, at: usize, open: &mut Vec<(usize, usize)>) {
        let Some(piece) = self.pieces.get(at).filter(|piece| piece.kind == Kind::Tag) else { return };
        let (word, range) = (piece.word().to_owned(), piece.range.clone());
        let begins = match word.as_str() {
            "if" | "for" | "block" | "with" | "filter" | "macro" | "call" | "autoescape" => true,
            "set" => !assigns(piece.rest()),
            _ => false,
        };
        if begins {
            open.push((self.constructs.len(), 0));
            let range = range.start..usize::MAX;
            self.constructs.push(Construct { word, branches: vec![at], end: usize::MAX, range });
        } else if word == "else" || word == "elif" {
            let innermost = open.last_mut();
            let construct = innermost.as_ref().and_then(|(construct, _)| self.constructs.get_mut(*construct));
            if let (Some((_, branch)), Some(construct)) = (innermost, construct) {
                *branch += 1;
                construct.branches.push(at);
            }
        } else if let Some(ended) = word.strip_prefix("end") {
            let same =
                |(construct, _): &(usize, usize)| self.constructs.get(*construct).is_some_and(|it| it.word == ended);
            let Some(level) = open.iter().rposition(same) else { return };
            if let Some(construct) = open.get(level).and_then(|(construct, _)| self.constructs.get_mut(*construct)) {
                construct.end = at;
                construct.range.end = range.end;
            }
            open.truncate(level);
        }
    }

    /// Where a place lies.
    pub(crate) fn path(&self, at: usize) -> &[(usize, usize)] {
        let before = self.pieces.partition_point(|piece| piece.range.end <= at);
        before.checked_sub(1).and_then(|piece| self.paths.get(piece)).map_or(&[], Vec::as_slice)
    }

    /// Whether what stands at a place is there whenever the file is: it lies in no construct that decides or repeats.
    pub(crate) fn is_certain(&self, at: usize) -> bool {
        let passes = |word: &str| matches!(word, "block" | "with" | "autoescape");
        self.path(at).iter().all(|(construct, _)| self.constructs.get(*construct).is_some_and(|it| passes(&it.word)))
    }

    /// The pieces within a range.
    pub(crate) fn within(&self, range: &Range<usize>) -> &[Piece] {
        let from = self.pieces.partition_point(|piece| piece.range.start < range.start);
        let to = self.pieces.partition_point(|piece| piece.range.end <= range.end);
        self.pieces.get(from..to.max(from)).unwrap_or_default()
    }

    /// The source with other bytes in the place of Jinja: as long as before, and nothing of Jinja looks like HTML any more.
    pub(crate) fn masked(&self, source: &str) -> Vec<u8> {
        let mut masked = source.as_bytes().to_vec();
        for piece in &self.pieces {
            let filler = match piece.kind {
                Kind::Expression => UNKNOWN,
                Kind::Tag if matches!(piece.word(), "raw" | "endraw") => NOTHING,
                Kind::Tag => TAG,
                Kind::Comment => NOTHING,
            };
            if let Some(bytes) = masked.get_mut(piece.range.clone()) {
                bytes.fill(filler);
            }
        }
        masked
    }

    /// The files an `{% extends %}`, `{% include %}` or `{% import %}` names, with its place. `None` stands for any file: the name is
    /// made at run time.
    pub(crate) fn references(&self) -> impl Iterator<Item = (&Piece, Option<Vec<String>>)> {
        let tags = self.pieces.iter().filter(|piece| piece.kind == Kind::Tag);
        tags.filter(|piece| matches!(piece.word(), "extends" | "include" | "import" | "from")).map(|piece| {
            let (names, others) = literals(piece.rest());
            // Besides names there may be brackets, commas, and what is imported as what.
            let made = names.is_empty() || others.contains('~') || others.contains("if ");
            (piece, (!made).then_some(names))
        })
    }

    /// The names of the `{% block %}`s around a place, and whether their own text asks for `super()`.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (&str, &Construct)> {
        let blocks = self.constructs.iter().filter(|construct| construct.word == "block");
        blocks.filter_map(|block| {
            let opening = self.pieces.get(*block.branches.first()?)?;
            Some((opening.rest().split_whitespace().next()?, block))
        })
    }
}

/// Whether a `{% set %}` has no end of its own.
fn assigns(rest: &str) -> bool {
    let name =
        rest.trim_start_matches(|it: char| it.is_alphanumeric() || matches!(it, '_' | '.' | ',' | ' ' | '(' | ')'));
    name.starts_with('=')
}

/// The texts of an expression, and what is left of it.
pub(crate) fn literals(expression: &str) -> (Vec<String>, String) {
    let (mut texts, mut others) = (Vec::new(), String::new());
    let mut characters = expression.chars();
    while let Some(character) = characters.next() {
        if character != '"' && character != '\'' {
            others.push(character);
            continue;
        }
        let mut text = String::new();
        while let Some(next) = characters.next() {
            match next {
                '\\' => text.extend(characters.next()),
                next if next == character => break,
                next => text.push(next),
            }
        }
        texts.push(text);
    }
    (texts, others)
}

/// All Jinja of a text, in order.
fn pieces(source: &str) -> Result<Vec<Piece>, Wrong> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some((start, opening)) = next_opening(source, at) {
        let (kind, end) = match opening {
            b'#' => {
                (Kind::Comment, source.get(start + 2..).and_then(|rest| rest.find("#}")).map(|end| start + 2 + end + 2))
            }
            b'%' => (Kind::Tag, closing(source, start + 2, b"%}")),
            _ => (Kind::Expression, closing(source, start + 2, b"}}")),
        };
        let Some(end) = end else {
            return Err(match kind {
                Kind::Comment => Wrong::at(start, "this comment is not closed", "close it with `#}`"),
                Kind::Tag => Wrong::at(start, "this `{%` is not closed", "close it with `%}`"),
                Kind::Expression => Wrong::at(
                    start,
                    "this `{{` is not closed",
                    "close it with `}}`, or write `{{ '{{' }}` where braces are meant",
                ),
            });
        };
        let inner = source.get(start + 2..end.saturating_sub(2)).unwrap_or_default();
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
        let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner).trim().to_owned();
        let is_raw = kind == Kind::Tag && inner == "raw";
        pieces.push(Piece { range: start..end, kind, inner });
        at = end;
        if is_raw {
            let Some(range) = end_of_raw(source, end) else {
                return Err(Wrong::at(start, "this `{% raw %}` is not closed", "close it with `{% endraw %}`"));
            };
            at = range.end;
            pieces.push(Piece { range, kind: Kind::Tag, inner: "endraw".to_owned() });
        }
    }
    Ok(pieces)
}

/// The next `{{`, `{%` or `{#`, and its second character.
fn next_opening(source: &str, from: usize) -> Option<(usize, u8)> {
    let bytes = source.as_bytes();
    let found = bytes.get(from..)?.windows(2).position(|pair| matches!(pair, [b'{', b'{' | b'%' | b'#']))?;
    Some((from + found, *bytes.get(from + found + 1)?))
}

/// The end of what was opened, past texts and brackets of its own.
fn closing(source: &str, from: usize, closing: &[u8]) -> Option<usize> {
    let bytes = source.as_bytes();
    let (mut at, mut depth) = (from, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        if depth == 0 && bytes.get(at..).is_some_and(|rest| rest.starts_with(closing)) {
            return Some(at + closing.len());
        }
        match byte {
            b'"' | b'\'' => {
                at += 1;
                while let Some(&next) = bytes.get(at).filter(|next| **next != byte) {
                    at += if next == b'\\' { 2 } else { 1 };
                }
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

fn end_of_raw(source: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let start = at + source.get(at..)?.find("{%")?;
        let rest = source.get(start + 2..)?;
        let word = rest.strip_prefix(['-', '+']).unwrap_or(rest).trim_start();
        if let Some(after) = word.strip_prefix("endraw") {
            let after = after.trim_start();
            let after = after.strip_prefix(['-', '+']).unwrap_or(after);
            if let Some(after) = after.strip_prefix("%}") {
                return Some(start..source.len() - after.len());
            }
        }
        at = start + 2;
    }
}
