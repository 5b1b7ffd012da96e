//! Pages of mails for the frames that show them: kept for a while, and told which colour scheme they are in.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The most pages that are kept: those of one message in all its languages, some times over.
const MOST: usize = 400;
/// The most bytes of them.
const MOST_BYTES: usize = 64 << 20;

/// Light or dark, whatever the machine is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// As on paper.
    Light,
    /// As at night.
    Dark,
}

impl Scheme {
    /// What a query asks for.
    pub(super) fn of(query: Option<&str>) -> Self {
        if query.is_some_and(|query| query.split('&').any(|it| it == "scheme=dark")) { Self::Dark } else { Self::Light }
    }
}

/// The pages that were asked for last.
#[derive(Default)]
pub(super) struct Previews {
    pages: VecDeque<(String, String)>,
    bytes: usize,
}

impl Previews {
    /// Keeps a page and answers its name: the same page has the same.
    pub(super) fn keep(&mut self, page: String) -> String {
        let mut hasher = DefaultHasher::new();
        page.hash(&mut hasher);
        let name = format!("{:016x}", hasher.finish());
        if let Some(at) = self.pages.iter().position(|(known, _)| *known == name) {
            // What is asked for again is the last to go.
            self.pages.remove(at).into_iter().for_each(|known| self.pages.push_back(known));
            return name;
        }
        self.bytes += page.len();
        self.pages.push_back((name.clone(), page));
        while self.pages.len() > MOST || (self.bytes > MOST_BYTES && self.pages.len() > 1) {
            if let Some((_, old)) = self.pages.pop_front() {
                self.bytes -= old.len();
            }
        }
        name
    }

    /// A page by its name.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.pages.iter().find(|(known, _)| known == name).map(|(_, page)| page.as_str())
    }
}

/// The page as it is in this scheme. Links lead nowhere.
pub(super) fn shown(page: &str, scheme: Scheme) -> String {
    let (page, asks) = told(page, scheme);
    // A page that does not speak of schemes stays as it is, as in most mail programs.
    let own = match scheme {
        Scheme::Dark if asks => "dark",
        _ => "only light",
    };
    // Frames have no place to open a window in, and are as wide as they are called: without a bar to scroll with.
    let style = format!(":root{{color-scheme:{own}!important;scrollbar-width:none!important}}");
    format!("{page}\n<base target=\"_blank\"><style>{style}</style>\n")
}

/// The page with the answer in the place of `(prefers-color-scheme: dark)`, and whether it says that it can be dark.
fn told(page: &str, scheme: Scheme) -> (String, bool) {
    const QUESTION: &str = "prefers-color-scheme";
    // Lower case of ASCII alone leaves every byte in its place.
    let lower = page.to_ascii_lowercase();
    let mut out = String::with_capacity(page.len() + 64);
    let mut done = 0;
    for (at, _) in lower.match_indices(QUESTION) {
        let (Some(before), Some(behind)) = (lower.get(done..at), lower.get(at + QUESTION.len()..)) else { continue };
        let kept = before.trim_end();
        let Some((asked, _)) = behind.split_once(')') else { continue };
        let wanted = match asked.trim_start().strip_prefix(':').map(str::trim) {
            Some("dark") => Scheme::Dark,
            Some("light") => Scheme::Light,
            _ => continue,
        };
        let Some(kept) = kept.strip_suffix('(') else { continue };
        out.push_str(page.get(done..done + kept.len()).unwrap_or_default());
        // True of every window, or of none.
        out.push_str(if wanted == scheme { "(min-width:0px)" } else { "(max-width:0px)" });
        done = at + QUESTION.len() + asked.len() + 1;
    }
    out.push_str(page.get(done..).unwrap_or_default());
    let asks = lower.match_indices("color-scheme").any(|(at, word)| {
        let behind = lower.get(at + word.len()..).unwrap_or_default();
        let end = behind.find([';', '>', '}', '<']).unwrap_or(behind.len());
        !lower.get(..at).unwrap_or_default().ends_with("prefers-")
            && behind.get(..end).unwrap_or_default().contains("dark")
    });
    (out, asks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_light_or_dark_whatever_the_machine_is_set_to() {
        let page = "<meta name=\"color-scheme\" content=\"light dark\"><style>@media (prefers-color-scheme: dark) { a {} }\
            @media screen and ( Prefers-Color-Scheme :light ) { b {} }</style>é";
        let dark = shown(page, Scheme::Dark);
        assert!(
            dark.contains("@media (min-width:0px) { a {} }@media screen and (max-width:0px) { b {} }</style>é"),
            "{dark}"
        );
        assert!(dark.contains("color-scheme:dark!important"), "{dark}");
        let light = shown(page, Scheme::Light);
        assert!(light.contains("@media (max-width:0px) { a {} }@media screen and (min-width:0px) { b {} }"), "{light}");
        assert!(light.contains("color-scheme:only light!important"), "{light}");
    }

    #[test]
    fn a_page_that_speaks_of_no_scheme_stays_light() {
        for page in [
            "<p>prefers-color-scheme is not for me</p>",
            "",
            "<style>@media (prefers-color-scheme: dark",
            "color-scheme",
        ] {
            let shown = shown(page, Scheme::Dark);
            assert!(shown.starts_with(page) && shown.contains("only light"), "{shown}");
        }
    }

    #[test]
    fn what_was_not_asked_for_lately_is_forgotten() {
        let mut previews = Previews::default();
        let first = previews.keep("first".to_owned());
        let second = previews.keep("second".to_owned());
        assert_eq!(previews.keep("first".to_owned()), first);
        (0..MOST - 1).for_each(|number| drop(previews.keep(number.to_string())));
        assert_eq!((previews.find(&first), previews.find(&second)), (Some("first"), None));
        previews.keep("x".repeat(MOST_BYTES));
        assert_eq!((previews.pages.len(), previews.bytes), (1, MOST_BYTES));
    }
}
