//! What a browser calls itself, in words: the filter `browser`.
//!
//! `User-Agent` names the browsers that came before, too, for the sake of old web sites. What tells them apart is known, and few
//! readers of a mail know it. This is for people to recognise their own; nothing is decided by it.

use minijinja::Environment;
use minijinja::value::Value;

use crate::text;

/// What gives a browser away, in the order in which to ask: most claim to be those below as well.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
/// The same of systems.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];
/// The most of it that is shown where it is not known.
const LONGEST: usize = 80;

/// Lets templates word what a browser calls itself.
pub(crate) fn add_filter(engine: &mut Environment<'static>) {
    engine.add_filter("browser", |agent: &str| Value::from(in_words(agent)));
}

/// `Firefox, Windows`; what it says itself if it is another.
fn in_words(agent: &str) -> String {
    let find =
        |known: &[(&str, &'static str)]| known.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name);
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) if agent.starts_with("Mozilla/") => format!("{browser}, {system}"),
        _ => text::cut(&text::one_line(agent), LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_what_people_call_them() {
        for (agent, name) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox, Windows"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                "Chrome, Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
                 Safari/537.36 Edg/142.0.0.0",
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 \
                 Safari/605.1.15",
                "Safari, Mac",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 \
                 Mobile/15E148 Safari/604.1",
                "Safari, iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile \
                 Safari/537.36",
                "Chrome, Android",
            ),
        ] {
            assert_eq!(in_words(agent), name);
        }
    }

    #[test]
    fn another_is_shown_as_it_calls_itself() {
        for agent in ["", "curl/8.5.0", "Acme/3.2 (iPhone)", "Firefox/145.0", "Mozilla/5.0"] {
            assert_eq!(in_words(agent), agent);
        }
        assert_eq!(in_words("a\r\nb\u{202e}"), "a b");
        assert_eq!(in_words(&"x".repeat(300)).chars().count(), 80);
    }
}
