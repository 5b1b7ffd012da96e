//! Which files make a page together, and which `<style>` elements count for it.
//!
//! A page is a file that is filled by itself with all it extends and includes. A rule is put into an element only if it counts on
//! every page the element is on; else the page of one language would change that of another.

use std::collections::{BTreeMap, BTreeSet};

use crate::file::File;

/// The folder whose files are named with it, from wherever.
const SHARED: &str = "_shared/";

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Whether each of its files is there whenever the page is.
    pub(crate) files: BTreeMap<usize, bool>,
    /// Its `<style>` elements as the browser comes to them: file and number.
    pub(crate) styles: Vec<(usize, usize)>,
}

impl Page {
    /// Whether a `<style>` element counts for it, and certainly so.
    pub(crate) fn has(&self, file: usize, style: usize) -> Option<bool> {
        self.styles.contains(&(file, style)).then(|| self.files.get(&file).copied().unwrap_or_default())
    }
}

/// All pages. Every file is on one at least.
pub(crate) fn of(files: &[File<'_>]) -> Vec<Page> {
    let names: BTreeMap<&str, usize> = files.iter().enumerate().map(|(at, file)| (file.name, at)).collect();
    let mut pages = Vec::new();
    let mut reached = BTreeSet::new();
    let is_part = |name: &str| name.starts_with('_') || name.contains("/_");
    let (parts, roots): (Vec<usize>, Vec<usize>) =
        (0..files.len()).partition(|at| files.get(*at).is_none_or(|it| is_part(it.name)));
    for root in roots {
        let page = page(files, &names, root);
        reached.extend(page.files.keys().copied());
        pages.push(page);
    }
    // What nobody uses is a page of its own.
    for part in parts {
        if !reached.contains(&part) {
            let page = page(files, &names, part);
            reached.extend(page.files.keys().copied());
            pages.push(page);
        }
    }
    pages
}

fn page(files: &[File<'_>], names: &BTreeMap<&str, usize>, root: usize) -> Page {
    let folder = files.get(root).and_then(|root| root.name.rsplit_once('/')).map_or("", |(folder, _)| folder);
    let mut walk = Walk { files, names, folder, page: Page::default() };
    walk.visit(root, true);
    let Walk { mut page, .. } = walk;
    page.styles.retain(|(file, style)| !is_replaced(files, &page.files, *file, *style));
    page
}

struct Walk<'a> {
    files: &'a [File<'a>],
    names: &'a BTreeMap<&'a str, usize>,
    folder: &'a str,
    page: Page,
}

impl Walk<'_> {
    fn visit(&mut self, at: usize, is_certain: bool) {
        let known = self.page.files.get(&at).copied();
        if known.is_some_and(|known| known || !is_certain) {
            return;
        }
        self.page.files.insert(at, is_certain);
        let Some(file) = self.files.get(at) else { return };
        // The page that is extended begins; then everything comes in the order of the file.
        let mut steps: Vec<(usize, Step)> =
            file.styles.iter().enumerate().map(|(number, style)| (style.text.start, Step::Style(number))).collect();
        for (piece, named) in file.jinja.references() {
            let is_certain = is_certain && file.jinja.is_certain(piece.range.start) && named.is_some();
            let place = if piece.word() == "extends" { 0 } else { piece.range.start };
            for other in self.named(named) {
                steps.push((place, Step::File(other, is_certain)));
            }
        }
        steps.sort_by_key(|(place, _)| *place);
        for (_, step) in steps {
            match step {
                Step::Style(number) => {
                    if !self.page.styles.contains(&(at, number)) {
                        self.page.styles.push((at, number));
                    }
                }
                Step::File(other, is_certain) => self.visit(other, is_certain),
            }
        }
    }

    /// The files of these names; all of them if the names are made at run time.
    fn named(&self, names: Option<Vec<String>>) -> Vec<usize> {
        let Some(names) = names else { return (0..self.files.len()).collect() };
        names.iter().filter_map(|name| self.find(name)).collect()
    }

    fn find(&self, name: &str) -> Option<usize> {
        let own = format!("{}/{name}", self.folder);
        let own = if self.folder.is_empty() || name.starts_with(SHARED) { name } else { own.as_str() };
        // What lies beside all folders is for all of them.
        self.names.get(own).or_else(|| self.names.get(name)).copied()
    }
}

enum Step {
    Style(usize),
    File(usize, bool),
}

/// Whether a `<style>` stands in a block that another file of the page fills with something else.
fn is_replaced(files: &[File<'_>], page: &BTreeMap<usize, bool>, file: usize, style: usize) -> bool {
    let Some(own) = files.get(file) else { return false };
    let Some(place) = own.styles.get(style).map(|style| style.text.start) else { return false };
    let around = own.jinja.blocks().filter(|(_, block)| block.range.contains(&place)).map(|(name, _)| name);
    let extends_another = own.jinja.references().any(|(piece, _)| piece.word() == "extends");
    let mut others = page.keys().filter(|other| **other != file).filter_map(|other| files.get(*other));
    let names: Vec<_> = around.collect();
    !extends_another
        && others.any(|other| {
            other.jinja.blocks().any(|(name, block)| {
                let keeps = other.jinja.within(&block.range).iter().any(|piece| piece.inner.starts_with("super("));
                names.contains(&name) && !keeps
            })
        })
}
