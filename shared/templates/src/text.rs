//! Plain text: lines that can stand in a header, and what is readable of a page of HTML.

use std::borrow::Cow;

use crate::isolation::is_mark;

/// How wide derived text is.
const WIDTH: usize = 76;

/// The same in one line: control characters, line breaks and what turns the direction of writing are spaces, and there is no
/// more than one space at a time.
pub(crate) fn one_line(text: &str) -> String {
    let plain = |character: char| if is_unfit(character) { ' ' } else { character };
    let text: String = text.chars().map(plain).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The same with at most so many characters: cut between words if there is a gap near the end, and marked as cut.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    let between_words = kept.rfind(' ').filter(|gap| *gap * 4 >= kept.len() * 3);
    let kept = between_words.and_then(|gap| kept.get(..gap)).unwrap_or(&kept);
    format!("{}…", kept.trim_end())
}

/// The same without what no mail may hold: line breaks are line feeds, other control characters are gone.
pub(crate) fn body(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let fit = |character: &char| matches!(character, '\n' | '\t') || !character.is_control();
    text.chars().filter(fit).collect()
}

/// What is readable of a page: links behind what they are called, items of lists marked, lines wrapped.
pub(crate) fn from_html(html: &str) -> String {
    let text = nanohtml2text::html2text(&marked_items(html));
    let mut out = String::with_capacity(text.len() + text.len() / WIDTH);
    let mut gap = true;
    for line in text.lines().map(str::trim) {
        // More than one empty line in a row is none of a reader's business.
        if line.is_empty() && gap {
            continue;
        }
        gap = line.is_empty();
        wrap(line, &mut out);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Breaks a line between words. A word that is too long, such as a link, stays whole.
fn wrap(line: &str, out: &mut String) {
    let mut width = 0;
    for word in line.split(' ') {
        let long = word.chars().count();
        if width > 0 && width + 1 + long > WIDTH {
            out.push('\n');
            width = 0;
        }
        if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += long;
    }
    out.push('\n');
}

/// Sets a mark behind every `<li>`, which would be lost otherwise.
fn marked_items(html: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once("<li").filter(|(_, after)| after.starts_with(['>', ' ', '\n'])) {
        let Some((attributes, behind)) = after.split_once('>') else { break };
        out.push_str(before);
        out.push_str("<li");
        out.push_str(attributes);
        out.push_str(">* ");
        rest = behind;
    }
    if out.is_empty() {
        return Cow::Borrowed(html);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What cannot stand in a line. Marks that turn the direction of writing (Unicode Standard Annex 9) make a text look like
/// another one, and ours are not for users to set.
fn is_unfit(character: char) -> bool {
    character.is_control()
        || is_mark(character)
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(one_line(" a\r\nBcc: b\u{0}\u{2028}c\u{85}\u{202e}d\t e "), "a Bcc: b c d e");
        assert_eq!(one_line("a\u{fdd0}b\u{fdd1}"), "a b", "what names are set apart with is ours");
        assert_eq!(one_line("🧑‍🚀 الاسم"), "🧑‍🚀 الاسم", "what joins letters stays");
    }

    #[test]
    fn what_is_too_long_is_cut_between_words_if_there_is_a_gap() {
        assert_eq!(cut("one two three", 13), "one two three");
        assert_eq!(cut("one two three four", 14), "one two three…");
        assert_eq!(cut("onetwothreefour", 10), "onetwothr…");
        assert_eq!(cut(&"é".repeat(200), 150).chars().count(), 150);
    }

    #[test]
    fn the_text_of_a_page_can_be_read() {
        let html = r#"<!doctype html><html><head><title>No</title><style>p { color: red }</style></head><body>
            <table role="presentation"><tr><td><h1>Welcome, &lt;b&gt; &amp; co</h1>
            <p>This is a <b>rather</b> long paragraph that has to be wrapped, with a
            <a href="https://acme.example/start?x=1&amp;y=2">link to the start page</a> in it.</p>
            <ul><li>One</li><li class="x">Two</li></ul></td></tr></table></body></html>"#;
        let expected = "Welcome, <b> & co\n\nThis is a rather long paragraph that has to be wrapped, with a link to the\n\
            start page (https://acme.example/start?x=1&y=2) in it.\n\n* One\n* Two\n";
        assert_eq!(from_html(html), expected);
    }

    proptest! {
        #[test]
        fn any_page_has_a_text(html in "(<[a-z/!-]{0,6}[^<]{0,9}>?|&[#a-z0-9]{0,6};?|.){0,60}") {
            let text = from_html(&html);
            prop_assert!(text.ends_with('\n'));
        }
    }
}
