//! What an element may turn out to be: Jinja in a tag can give it one class or another.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::jinja::{Construct, Jinja, Kind, NOTHING, TAG, UNKNOWN, literals};
use crate::markup::{self, Attribute, Tag};
use crate::sheet::Compound;

/// The most forms of one element.
const MOST_SHAPES: usize = 16;
/// Elements that are not seen.
const UNSEEN: [&str; 8] = ["base", "head", "link", "meta", "script", "style", "template", "title"];

/// An element of a file.
#[derive(Debug)]
pub(crate) struct Element {
    /// Its tag; `None` if it was not written, as `<tbody>` often is not.
    pub(crate) tag: Option<usize>,
    pub(crate) parent: Option<usize>,
    /// What it may be, one of them at a time.
    pub(crate) shapes: Vec<Shape>,
    /// When it is what.
    pub(crate) choice: Choice,
    /// Whether it is around what stands in it whatever Jinja decides.
    pub(crate) is_certain: bool,
    /// Whether it is to stay as it is.
    pub(crate) is_left_alone: bool,
    /// Whether it can be seen, so that rules are of interest to it.
    pub(crate) is_seen: bool,
}

/// One form of an element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// `None` if Jinja makes it.
    pub(crate) name: Option<String>,
    pub(crate) classes: Words,
    pub(crate) ids: Words,
    /// Names and values; a value may hold what is masked.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Attributes it may have besides.
    pub(crate) perhaps: Vec<String>,
    /// Whether it may have any attribute.
    pub(crate) is_open: bool,
    /// What was decided for it.
    pub(crate) decided: Vec<Decision>,
}

/// A decision of Jinja: the tags that begin the branches, without a last `else`, and which branch it is.
pub(crate) type Decision = (Vec<String>, usize);

/// Words that are known, and the beginnings and ends of those that are not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    pub(crate) known: Vec<String>,
    unknown: Vec<(String, String)>,
}

/// Which shape it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Shape(usize),
    /// Tags of Jinja with what holds behind each.
    If(Vec<(String, Self)>),
}

impl Words {
    fn of(text: &str) -> Self {
        let mut words = Self::default();
        for word in text.split_ascii_whitespace() {
            let is_masked = |it: char| it == char::from(UNKNOWN) || it == char::from(TAG);
            match (word.split_once(is_masked), word.rsplit_once(is_masked)) {
                (Some((start, _)), Some((_, end))) => words.unknown.push((start.to_owned(), end.to_owned())),
                _ => words.known.push(word.to_owned()),
            }
        }
        words
    }

    fn has(&self, word: &String) -> bool {
        self.known.contains(word)
    }

    fn may_have(&self, word: &str) -> bool {
        self.unknown.iter().any(|(start, end)| word.starts_with(start.as_str()) && word.ends_with(end.as_str()))
    }
}

impl Shape {
    /// Whether a selector may be about it, as far as one element can tell.
    pub(crate) fn may_be(&self, compound: &Compound) -> bool {
        let named = |name: &String| self.name.as_ref().is_none_or(|own| own == name);
        compound.name.as_ref().is_none_or(named)
            && compound.classes.iter().all(|word| self.classes.has(word) || self.classes.may_have(word) || self.is_open)
            && compound.ids.iter().all(|word| self.ids.has(word) || self.ids.may_have(word) || self.is_open)
            && compound
                .attributes
                .iter()
                .all(|name| self.attributes.contains_key(name) || self.perhaps.contains(name) || self.is_open)
    }

    /// Whether that would depend on something nobody knows yet.
    pub(crate) fn is_unknown_to(&self, compound: &Compound) -> bool {
        let is_masked = |value: &String| value.contains([char::from(UNKNOWN), char::from(TAG)]);
        compound.name.is_some() && self.name.is_none()
            || compound.classes.iter().any(|word| !self.classes.has(word))
            || compound.ids.iter().any(|word| !self.ids.has(word))
            || compound.attributes.iter().any(|name| self.attributes.get(name).is_none_or(is_masked))
    }
}

impl Element {
    /// What it is in any case, for selectors that ask for it as an ancestor.
    pub(crate) fn in_any_case(&self) -> Option<&Shape> {
        match self.shapes.as_slice() {
            [shape] if self.is_certain => Some(shape),
            _ => None,
        }
    }
}

/// The elements of a file, each behind the one it stands in.
pub(crate) fn elements(source: &str, jinja: &Jinja, tags: &[Tag]) -> Vec<Element> {
    let mut tree = Tree { jinja, elements: Vec::new(), starts: Vec::new(), open: Vec::new(), saved: Vec::new() };
    let mut pieces = jinja.pieces.iter().peekable();
    for (at, tag) in tags.iter().enumerate() {
        while let Some(piece) = pieces.next_if(|piece| piece.range.end <= tag.range.start) {
            if piece.kind == Kind::Tag {
                tree.turn(piece.word());
            }
        }
        if tag.is_end {
            tree.end(&tag.name, tag.range.start);
        } else {
            tree.start(at, tag, element(source, jinja, at, tag));
        }
        // Jinja within the tag decides on the tag alone.
        while pieces.next_if(|piece| piece.range.end <= tag.range.end).is_some() {}
    }
    tree.close(0, usize::MAX);
    tree.elements
}

struct Tree<'a> {
    jinja: &'a Jinja,
    elements: Vec<Element>,
    /// Where each element begins.
    starts: Vec<usize>,
    open: Vec<usize>,
    /// For each `{% if %}` what was open before it and behind its first branch.
    saved: Vec<(Vec<usize>, Option<Vec<usize>>)>,
}

impl Tree<'_> {
    /// Branches are alternatives: each begins where the first began.
    fn turn(&mut self, word: &str) {
        match word {
            "if" | "for" => self.saved.push((self.open.clone(), None)),
            "else" | "elif" => {
                if let Some((before, after)) = self.saved.last_mut() {
                    let first = std::mem::replace(&mut self.open, before.clone());
                    after.get_or_insert(first);
                }
            }
            "endif" | "endfor" => {
                if let Some((_, Some(after))) = self.saved.pop() {
                    self.open = after;
                }
            }
            _ => {}
        }
    }

    fn start(&mut self, at: usize, tag: &Tag, element: Element) {
        let place = tag.range.start;
        match tag.name.as_str() {
            "li" => self.imply(&["li"], &["ul", "ol"], place),
            "dt" | "dd" => self.imply(&["dt", "dd"], &["dl"], place),
            "option" => self.imply(&["option"], &["select"], place),
            "td" | "th" => self.imply(&["td", "th"], &["table", "tr"], place),
            "tr" => self.imply(&["tr"], &["table"], place),
            "tbody" | "thead" | "tfoot" => self.imply(&["tbody", "thead", "tfoot"], &["table"], place),
            name if ENDS_PARAGRAPHS.contains(&name) => {
                self.imply(&["p"], &["td", "th", "table", "button", "caption"], place)
            }
            _ => {}
        }
        if tag.name == "tr" && self.open.last().is_some_and(|top| self.name(*top) == Some("table")) {
            let shape = Shape { name: Some("tbody".to_owned()), ..Shape::default() };
            self.push(Element { tag: None, shapes: vec![shape], is_seen: false, ..element_of(at) }, place, false);
        }
        self.push(element, place, tag.is_void);
    }

    fn push(&mut self, element: Element, place: usize, is_void: bool) {
        let number = self.elements.len();
        self.elements.push(Element { parent: self.open.last().copied(), ..element });
        self.starts.push(place);
        if !is_void {
            self.open.push(number);
        }
    }

    /// Ends one of these that is open, with what is open in it, if none of the others is in between.
    fn imply(&mut self, names: &[&str], limits: &[&str], place: usize) {
        let is_limit = |open: &&usize| self.name(**open).is_some_and(|name| limits.contains(&name));
        let within = self.open.iter().rposition(|open| is_limit(&open)).map_or(0, |limit| limit + 1);
        let of_these = |open: &usize| self.name(*open).is_some_and(|name| names.contains(&name));
        let found = self.open.iter().rposition(of_these).filter(|level| *level >= within);
        if let Some(level) = found {
            self.close(level, place);
        }
    }

    fn end(&mut self, name: &str, place: usize) {
        let is_same = |open: &usize| {
            self.name(*open) == Some(name) || self.name(*open).is_none() && name.contains(char::from(UNKNOWN))
        };
        if let Some(level) = self.open.iter().rposition(is_same) {
            self.close(level, place);
        }
    }

    /// Ends everything from this level on.
    fn close(&mut self, level: usize, place: usize) {
        for closed in self.open.split_off(level.min(self.open.len())) {
            let start = self.starts.get(closed).copied().unwrap_or_default();
            // What Jinja may leave out at the start and not at the end, or the other way round, is around nothing for certain.
            let is_same = self.jinja.path(start) == self.jinja.path(place);
            if let Some(element) = self.elements.get_mut(closed) {
                element.is_certain &= is_same;
            }
        }
    }

    fn name(&self, element: usize) -> Option<&str> {
        self.elements.get(element)?.shapes.first()?.name.as_deref()
    }
}

/// What ends an open paragraph.
const ENDS_PARAGRAPHS: [&str; 30] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "div",
    "dl",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

fn element_of(tag: usize) -> Element {
    Element {
        tag: Some(tag),
        parent: None,
        shapes: Vec::new(),
        choice: Choice::Shape(0),
        is_certain: true,
        is_left_alone: false,
        is_seen: true,
    }
}

fn element(source: &str, jinja: &Jinja, at: usize, tag: &Tag) -> Element {
    let path = jinja.path(tag.range.start);
    let is_split = |range: &Range<usize>| jinja.path(range.start) != jinja.path(range.end);
    let broken = is_split(&tag.range) || tag.attributes.iter().any(|attribute| is_split(&attribute.range));
    let styles: Vec<_> = tag.attributes.iter().filter(|attribute| attribute.name == "style").collect();
    // Which of several counts depends on Jinja, or is the browser's to say.
    let hard = styles.len() > 1 || styles.iter().any(|style| jinja.path(style.range.start) != path);
    let marked = |attribute: &Attribute| {
        attribute.name == "data-css-inline"
            && attribute.value.clone().and_then(|value| source.get(value)).is_some_and(|value| value.trim() == "ignore")
    };
    let mut grower = Grower { source, jinja, tag, shapes: Vec::new() };
    let candidates = grower.candidates(&tag.range);
    let mut choice = grower.grow(&candidates, &Vec::new());
    let is_too_much = grower.shapes.len() > MOST_SHAPES;
    if is_too_much {
        grower.shapes = vec![grower.shape(&Vec::new())];
        choice = Choice::Shape(0);
    }
    let is_repeated = |attribute: &Attribute| {
        let inner = jinja.path(attribute.range.start).get(path.len()..).unwrap_or_default();
        let constructs = inner.iter().filter_map(|(construct, _)| jinja.constructs.get(*construct));
        matches!(attribute.name.as_str(), "class" | "id") && constructs.into_iter().any(|it| it.word != "if")
    };
    if broken || is_too_much || tag.attributes.iter().any(is_repeated) {
        grower.shapes.iter_mut().for_each(|shape| shape.is_open = true);
    }
    Element {
        is_certain: !broken,
        is_left_alone: broken || hard || tag.attributes.iter().any(marked),
        is_seen: !UNSEEN.contains(&tag.name.as_str()),
        shapes: grower.shapes,
        choice,
        ..element_of(at)
    }
}

/// Something in a tag that decides which classes there are.
#[derive(Clone, Debug)]
enum Candidate<'a> {
    /// An `{% if %}`.
    If(usize, &'a Construct),
    /// `{{ 'this' if it else 'that' }}`: its place and its condition.
    Either(usize, String),
}

/// Decisions that were taken: the place of the candidate, and what was decided.
type Decisions = Vec<(usize, Decision)>;

struct Grower<'a> {
    source: &'a str,
    jinja: &'a Jinja,
    tag: &'a Tag,
    shapes: Vec<Shape>,
}

impl<'a> Grower<'a> {
    /// What decides on classes within a range, as far as nothing else in that range decides on it.
    fn candidates(&self, range: &Range<usize>) -> Vec<Candidate<'a>> {
        let named = self.tag.attributes.iter().filter(|attribute| attribute.name == "class" || attribute.name == "id");
        let named: Vec<_> = named.collect();
        let matters =
            |piece: &Range<usize>| named.iter().any(|it| it.range.start < piece.end && piece.start < it.range.end);
        let mut candidates = Vec::new();
        let mut at = range.start;
        for piece in self.jinja.within(range) {
            if piece.range.start < at || !matches!(piece.kind, Kind::Tag | Kind::Expression) {
                continue;
            }
            let construct =
                self.jinja.constructs.iter().enumerate().find(|(_, it)| it.range.start == piece.range.start);
            if let Some((number, construct)) = construct {
                at = construct.range.end;
                if construct.word == "if" && construct.range.end <= range.end && matters(&construct.range) {
                    candidates.push(Candidate::If(number, construct));
                }
            } else if piece.kind == Kind::Expression && matters(&piece.range) {
                candidates
                    .extend(either(&piece.inner).map(|(condition, _)| Candidate::Either(piece.range.start, condition)));
            }
        }
        candidates
    }

    fn grow(&mut self, candidates: &[Candidate<'a>], decided: &Decisions) -> Choice {
        let Some((first, others)) = candidates.split_first().filter(|_| self.shapes.len() <= MOST_SHAPES) else {
            self.shapes.push(self.shape(decided));
            return Choice::Shape(self.shapes.len() - 1);
        };
        let with = |place: usize, tags: &[String], branch: usize| {
            decided.iter().cloned().chain([(place, (tags.to_vec(), branch))]).collect()
        };
        match first {
            Candidate::Either(place, condition) => {
                let tags = [format!("if {condition}")];
                Choice::If(vec![
                    (format!("{{% if {condition} %}}"), self.grow(others, &with(*place, &tags, 0))),
                    ("{% else %}".to_owned(), self.grow(others, &with(*place, &tags, 1))),
                ])
            }
            Candidate::If(number, construct) => {
                let tags = tags(self.jinja, construct);
                let mut choices = Vec::new();
                let mut has_else = false;
                for (branch, piece) in construct.branches.iter().enumerate() {
                    let Some(piece) = self.jinja.pieces.get(*piece) else { continue };
                    has_else |= piece.word() == "else";
                    let mut inner =
                        self.branch(*number, branch).map(|range| self.candidates(&range)).unwrap_or_default();
                    inner.extend_from_slice(others);
                    let text = self.source.get(piece.range.clone()).unwrap_or_default().to_owned();
                    choices.push((text, self.grow(&inner, &with(construct.range.start, &tags, branch))));
                }
                if !has_else {
                    let branch = construct.branches.len();
                    choices.push((
                        "{% else %}".to_owned(),
                        self.grow(others, &with(construct.range.start, &tags, branch)),
                    ));
                }
                Choice::If(choices)
            }
        }
    }

    fn branch(&self, construct: usize, branch: usize) -> Option<Range<usize>> {
        branch_of(self.jinja, self.jinja.constructs.get(construct)?, branch)
    }

    /// The element if this was decided.
    fn shape(&self, decided: &Decisions) -> Shape {
        let name = &self.tag.name;
        let attributes_at = self.tag.range.start + 1 + name.len();
        let mut text = Vec::new();
        self.expand(attributes_at..self.tag.range.end, decided, &mut text);
        // Where Jinja holds the end of the tag back.
        text.extend_from_slice(b">");
        let (attributes, _) = markup::attributes(&text, 0).unwrap_or_default();
        let mut shape = Shape {
            name: (!name.contains(char::from(UNKNOWN))).then(|| name.clone()),
            decided: decided.iter().map(|(_, decision)| decision.clone()).collect(),
            ..Shape::default()
        };
        for attribute in attributes {
            let value = attribute.value.and_then(|value| text.get(value)).unwrap_or_default();
            let value = String::from_utf8_lossy(value).into_owned();
            match attribute.name.as_str() {
                "class" if !shape.attributes.contains_key("class") => shape.classes = Words::of(&value),
                "id" if !shape.attributes.contains_key("id") => shape.ids = Words::of(&value),
                _ => {}
            }
            if attribute.name.contains(char::from(UNKNOWN)) {
                shape.is_open = true;
            } else {
                shape.attributes.entry(attribute.name).or_insert(value);
            }
        }
        for attribute in &self.tag.attributes {
            if attribute.name.contains(char::from(UNKNOWN)) {
                shape.is_open = true;
            } else if !shape.attributes.contains_key(&attribute.name)
                && !matches!(attribute.name.as_str(), "class" | "id")
            {
                shape.perhaps.push(attribute.name.clone());
            }
        }
        shape
    }

    /// The text of a range as it is if this was decided, with the rest masked.
    fn expand(&self, range: Range<usize>, decided: &Decisions, text: &mut Vec<u8>) {
        let mut at = range.start;
        for piece in self.jinja.within(&range) {
            if piece.range.start < at {
                continue;
            }
            text.extend_from_slice(self.source.as_bytes().get(at..piece.range.start).unwrap_or_default());
            at = piece.range.end;
            let branch = decided.iter().find(|(place, _)| *place == piece.range.start).map(|(_, (_, branch))| *branch);
            match piece.kind {
                Kind::Comment => {}
                Kind::Expression => match branch.and_then(|branch| Some((branch, either(&piece.inner)?.1))) {
                    Some((0, [text_then, _])) => text.extend_from_slice(text_then.as_bytes()),
                    Some((_, [_, text_else])) => text.extend_from_slice(text_else.as_bytes()),
                    None => text.push(UNKNOWN),
                },
                Kind::Tag => {
                    let construct = self.jinja.constructs.iter().position(|it| it.range.start == piece.range.start);
                    let Some((number, construct)) = construct.and_then(|it| Some((it, self.jinja.constructs.get(it)?)))
                    else {
                        continue;
                    };
                    at = construct.range.end.min(range.end);
                    match branch {
                        Some(branch) => {
                            if let Some(range) = self.branch(number, branch) {
                                self.expand(range, decided, text);
                            }
                        }
                        None => text.push(TAG),
                    }
                }
            }
        }
        text.extend_from_slice(self.source.as_bytes().get(at..range.end).unwrap_or_default());
        text.retain(|byte| *byte != NOTHING);
    }
}

/// What stands in a branch.
pub(crate) fn branch_of(jinja: &Jinja, construct: &Construct, branch: usize) -> Option<Range<usize>> {
    let start = jinja.pieces.get(*construct.branches.get(branch)?)?.range.end;
    let end = construct.branches.get(branch + 1).copied().unwrap_or(construct.end);
    Some(start..jinja.pieces.get(end)?.range.start)
}

/// The tags that begin the branches of a construct, without a last `else`.
pub(crate) fn tags(jinja: &Jinja, construct: &Construct) -> Vec<String> {
    let pieces = construct.branches.iter().filter_map(|piece| jinja.pieces.get(*piece));
    pieces.filter(|piece| piece.word() != "else").map(|piece| piece.inner.clone()).collect()
}

/// Reads `'this' if it else 'that'`.
fn either(expression: &str) -> Option<(String, [String; 2])> {
    let (first, rest) = split_at_word(expression, " if ")?;
    let (condition, second) = split_at_word(rest, " else ").unwrap_or((rest, "''"));
    let text = |text: &str| {
        let (texts, others) = literals(text.trim());
        let [text] = texts.as_slice() else { return None };
        let is_plain = others.is_empty() && !text.contains(['{', '}', '<', '>', '"', '\'', '&', '=']);
        is_plain.then(|| text.clone())
    };
    let nested = split_at_word(condition, " if ").is_some();
    (!nested && !condition.trim().is_empty()).then_some(())?;
    Some((condition.trim().to_owned(), [text(first)?, text(second)?]))
}

/// Splits at the first such word that stands in no text and no brackets.
fn split_at_word<'a>(expression: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let (mut quote, mut depth) = (None, 0_usize);
    for (at, character) in expression.char_indices() {
        match (quote, character) {
            (Some(open), it) if open == it => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ if depth == 0 && expression.get(at..).is_some_and(|rest| rest.starts_with(word)) => {
                return Some((expression.get(..at)?, expression.get(at + word.len()..)?));
            }
            _ => {}
        }
    }
    None
}
