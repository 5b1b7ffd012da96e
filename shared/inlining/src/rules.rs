//! The selectors of all `<style>` elements, and what becomes of each: put into elements, kept, or both.

use std::collections::{BTreeMap, BTreeSet};

use crate::file::File;
use crate::matching::Matches;
use crate::pages::Page;
use crate::shape::Shape;
use crate::sheet::{Compound, Declaration, ItemKind, Selector, important_properties};
use crate::{Error, matching};

/// A selector with its declarations.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) file: usize,
    pub(crate) style: usize,
    pub(crate) item: usize,
    /// Which one of its rule.
    pub(crate) place: usize,
    pub(crate) selector: &'a Selector,
    pub(crate) declarations: &'a [Declaration],
}

/// Why a selector stays in the `<style>` element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is in all elements it is about.
    Inlined,
    /// It stays, and is in the elements that are known as well if `both`.
    Kept { why: &'static str, both: bool },
}

pub(crate) const UNMATCHED: &str = "no element of the templates is matched";
const MARKED: &str = "its <style> is marked with data-css-inline";
const COMMENTED: &str = "it is also about an element in a comment for Outlook";
const LEFT: &str = "it is also about an element whose style Jinja decides on, or that is marked with data-css-inline";
const MADE: &str = "it may also be about an element whose class or name Jinja makes";
const OUTSIDE: &str = "what it asks for around an element may stand in another file";
const ELSEWHERE: &str = "not every page with such an element has this <style>";

/// All of them, and what becomes of them.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) candidates: Vec<Candidate<'a>>,
    pub(crate) fates: Vec<Fate>,
    /// What matched, by file.
    matches: Vec<Matches>,
    /// In which order they count, by file. Those that do not count on all pages of a file are not in it.
    order: Vec<BTreeMap<usize, usize>>,
    /// What something that stays sets with `!important`.
    important: BTreeSet<String>,
}

impl<'a> Rules<'a> {
    pub(crate) fn of(files: &'a [File<'a>], pages: &[Page]) -> Result<Self, Error> {
        let candidates = candidates(files);
        let order: Vec<_> = (0..files.len()).map(|file| order(file, pages, &candidates)).collect();
        let mut matches = Vec::with_capacity(files.len());
        for (file, order) in files.iter().zip(&order) {
            let selectors = order.keys().filter_map(|number| Some((*number, candidates.get(*number)?.selector)));
            let found = matching::matches(file, selectors);
            matches.push(found.map_err(|problem| Error {
                file: file.name.to_owned(),
                line: 1,
                problem: format!("its rules cannot be matched: {problem}"),
                remedy: "simplify the selectors".to_owned(),
            })?);
        }
        let mut rules = Self { candidates, fates: Vec::new(), matches, order, important: BTreeSet::new() };
        rules.fates = (0..rules.candidates.len()).map(|number| rules.fate(files, pages, number)).collect();
        rules.important = rules.important_that_stays(files);
        Ok(rules)
    }

    /// What becomes of one.
    fn fate(&self, files: &[File<'_>], pages: &[Page], number: usize) -> Fate {
        let kept = |why, both| Fate::Kept { why, both };
        let Some(candidate) = self.candidates.get(number) else { return kept(UNMATCHED, false) };
        let both = !candidate.declarations.iter().any(|it| it.is_important);
        let Some(subject) = candidate.selector.subject() else { return kept(UNMATCHED, false) };
        let (mut is_matched, mut why) = (false, None);
        let on_a_page = |file: usize| {
            pages
                .iter()
                .any(|page| page.files.contains_key(&file) && page.has(candidate.file, candidate.style).is_some())
        };
        for (at, file) in files.iter().enumerate().filter(|(at, _)| on_a_page(*at)) {
            let counts = self.order.get(at).is_some_and(|order| order.contains_key(&number));
            if file.in_comments.iter().flat_map(|it| &it.shapes).any(|shape| shape.may_be(subject)) {
                why = why.or(Some(COMMENTED));
            }
            for (element, it) in file.elements.iter().enumerate().filter(|(_, it)| it.is_seen && it.tag.is_some()) {
                for (shape_at, shape) in it.shapes.iter().enumerate().filter(|(_, shape)| shape.may_be(subject)) {
                    let is_certain = self.is_matched(at, element, shape_at, number);
                    let doubt = if !counts {
                        Some(ELSEWHERE)
                    } else if is_certain {
                        it.is_left_alone.then_some(LEFT)
                    } else if shape.is_unknown_to(subject) {
                        Some(MADE)
                    } else {
                        self.may_lie_within(files, pages, at, candidate.selector).then_some(OUTSIDE)
                    };
                    is_matched |= is_certain && !it.is_left_alone;
                    why = why.or(doubt);
                }
            }
        }
        let stays =
            files.get(candidate.file).and_then(|file| file.styles.get(candidate.style)).is_some_and(|it| it.stays);
        match why.or(stays.then_some(MARKED)) {
            _ if !is_matched => kept(why.unwrap_or(UNMATCHED), false),
            Some(why) => kept(why, both),
            None => Fate::Inlined,
        }
    }

    /// Whether an ancestor this selector asks for may be one that is not seen from within the file.
    fn may_lie_within(&self, files: &[File<'_>], pages: &[Page], file: usize, selector: &Selector) -> bool {
        let others: BTreeSet<usize> = pages
            .iter()
            .filter(|page| page.files.contains_key(&file))
            .flat_map(|page| page.files.keys().copied())
            .collect();
        let may_be = |compound: &Compound, shapes: &[Shape]| shapes.iter().any(|shape| shape.may_be(compound));
        selector.ancestors().iter().any(|compound| {
            others.iter().filter_map(|other| Some((*other, files.get(*other)?))).any(|(other, it)| {
                it.elements.iter().any(|element| {
                    let is_known = other == file
                        && element
                            .in_any_case()
                            .is_some_and(|shape| !shape.may_be(compound) || !shape.is_unknown_to(compound));
                    !is_known && may_be(compound, &element.shapes)
                })
            })
        })
    }

    fn is_matched(&self, file: usize, element: usize, shape: usize, number: usize) -> bool {
        self.matches.get(file).and_then(|it| it.get(&(element, shape))).is_some_and(|it| it.contains(&number))
    }

    /// What goes into an element, if it has this shape: what is important apart from the rest, each in the order in which it counts.
    pub(crate) fn declarations(&self, file: usize, element: usize, shape: usize) -> [Vec<Declaration>; 2] {
        let Some(matched) = self.matches.get(file).and_then(|it| it.get(&(element, shape))) else {
            return Default::default();
        };
        let goes = |number: &usize| match self.fates.get(*number) {
            Some(Fate::Inlined) => true,
            Some(Fate::Kept { both, .. }) => *both,
            None => false,
        };
        let order = |number: usize| self.order.get(file).and_then(|order| order.get(&number)).copied();
        let mut matched: Vec<_> = matched
            .iter()
            .copied()
            .filter(goes)
            .filter_map(|number| {
                let candidate = self.candidates.get(number)?;
                Some((candidate.selector.specificity, order(number)?, candidate.declarations))
            })
            .collect();
        matched.sort_by_key(|(specificity, order, _)| (*specificity, *order));
        let mut lists = [Vec::new(), Vec::new()];
        for (at, is_important) in [false, true].into_iter().enumerate() {
            let mut list: Vec<(usize, &Declaration)> = Vec::new();
            for (rule, (_, _, declarations)) in matched.iter().enumerate() {
                for declaration in declarations.iter().filter(|it| it.is_important == is_important) {
                    // Two of one rule are for browsers that know one of them only.
                    list.retain(|(other, it)| *other == rule || it.property != declaration.property);
                    list.push((rule, declaration));
                }
            }
            if let Some(into) = lists.get_mut(at) {
                into.extend(list.into_iter().map(|(_, declaration)| declaration.clone()));
            }
        }
        let [mut normal, mut important] = lists;
        normal.retain(|it| important.iter().all(|other| other.property != it.property));
        for declaration in &mut important {
            declaration.is_important = !self.yields(&declaration.property);
        }
        [normal, important]
    }

    /// Whether something that stays may want to win over this property, as the rules for small screens do.
    fn yields(&self, property: &str) -> bool {
        let is_part = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('-'));
        self.important.iter().any(|it| it == property || is_part(it, property) || is_part(property, it))
    }

    fn important_that_stays(&self, files: &[File<'_>]) -> BTreeSet<String> {
        let mut properties = BTreeSet::new();
        for (file, style, at, item) in items(files) {
            let Some(text) = file.1.source.get(style.1.text.clone()).and_then(|css| css.get(item.range.clone())) else {
                continue;
            };
            let stays = match &item.kind {
                ItemKind::Rule(rule) if style.1.left_alone.is_none() => {
                    rule.selectors.len() > self.inlined(file.0, style.0, at).len()
                }
                ItemKind::Comment => false,
                _ => true,
            };
            if stays {
                properties.extend(important_properties(text));
            }
        }
        properties
    }

    /// Which selectors of a rule need not stay.
    pub(crate) fn inlined(&self, file: usize, style: usize, item: usize) -> Vec<usize> {
        let all = self.candidates.iter().zip(&self.fates);
        let of_rule = all.filter(|(it, _)| (it.file, it.style, it.item) == (file, style, item));
        of_rule.filter(|(_, fate)| **fate == Fate::Inlined).map(|(it, _)| it.place).collect()
    }
}

type Numbered<'a, T> = (usize, &'a T);

/// Every item of every `<style>` element.
pub(crate) fn items<'a>(
    files: &'a [File<'a>],
) -> impl Iterator<Item = (Numbered<'a, File<'a>>, Numbered<'a, crate::file::Style>, usize, &'a crate::sheet::Item)> {
    files.iter().enumerate().flat_map(|file| {
        file.1.styles.iter().enumerate().flat_map(move |style| {
            style.1.sheet.items.iter().enumerate().map(move |(at, item)| (file, style, at, item))
        })
    })
}

fn candidates<'a>(files: &'a [File<'a>]) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for (file, style, item, it) in items(files) {
        let ItemKind::Rule(rule) = &it.kind else { continue };
        if style.1.left_alone.is_some() || rule.declarations.is_empty() {
            continue;
        }
        for (place, (_, selector)) in rule.selectors.iter().enumerate() {
            let Some(selector) = selector else { continue };
            let declarations = rule.declarations.as_slice();
            candidates.push(Candidate { file: file.0, style: style.0, item, place, selector, declarations });
        }
    }
    candidates
}

/// The candidates that count for a file on all its pages, in the order of the first.
fn order(file: usize, pages: &[Page], candidates: &[Candidate<'_>]) -> BTreeMap<usize, usize> {
    let pages: Vec<_> = pages.iter().filter(|page| page.files.contains_key(&file)).collect();
    let Some(first) = pages.first() else { return BTreeMap::new() };
    let counts = |it: &Candidate<'_>| pages.iter().all(|page| page.has(it.file, it.style) == Some(true));
    let place = |it: &Candidate<'_>| first.styles.iter().position(|style| *style == (it.file, it.style));
    let mut counting: Vec<_> = candidates.iter().enumerate().filter(|(_, it)| counts(it)).collect();
    // Within one element they are in order already.
    counting.sort_by_key(|(number, it)| (place(it), *number));
    counting.into_iter().enumerate().map(|(order, (number, _))| (number, order)).collect()
}
