//! The pages: plain HTML for any browser, with nothing from elsewhere and nothing that runs.

use cognito_triggers::links::LinkPurpose;
use serde_json::{Map, Value, json};

use crate::Settings;
use crate::words::{Language, Purpose, Words};

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// Asks, and has a button that does it.
    Ask(LinkPurpose),
    /// It is done, or there is nothing left to be done.
    Done(LinkPurpose),
    /// It could not be done; with a button to try again.
    Failed(LinkPurpose),
    /// No link of ours.
    Unknown,
    /// A link whose time is up.
    Expired,
    /// Neither GET nor POST.
    Refused,
}

/// What goes back to the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status of HTTP.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The page, in HTML.
    pub body: String,
}

impl Response {
    /// As a function URL takes it (payload format 2.0). `cargo lambda` does not take it without `cookies`.
    pub(crate) fn to_json(&self) -> String {
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let (status, body, cookies) = (self.status, &self.body, [(); 0]);
        json!({ "statusCode": status, "headers": headers, "body": body, "isBase64Encoded": false, "cookies": cookies })
            .to_string()
    }
}

impl Page {
    const fn status(self) -> u16 {
        match self {
            Self::Ask(_) | Self::Done(_) => 200,
            Self::Unknown => 400,
            Self::Refused => 405,
            Self::Expired => 410,
            Self::Failed(_) => 500,
        }
    }

    /// The page in a language. `token` is what its button sends.
    pub(crate) fn response(self, language: Language, settings: &Settings, token: Option<&str>) -> Response {
        let words = language.words();
        let (title, content) = self.content(words, settings, token.unwrap_or_default());
        let mut headers = HEADERS.to_vec();
        if self == Self::Refused {
            headers.push(("allow", "GET, POST"));
        }
        Response { status: self.status(), headers, body: document(words.tag, title, &settings.product_name, &content) }
    }

    fn content(self, words: &'static Words, settings: &Settings, token: &str) -> (&'static str, String) {
        match self {
            Self::Ask(purpose) => {
                let purpose = of(purpose, words);
                let tell = purpose.step_tell.filter(|_| !settings.administrators.is_empty());
                let steps: Vec<_> = purpose.steps.iter().copied().chain(tell).collect();
                let content =
                    [paragraph(purpose.ask_more), list(&steps), form(purpose.button, token), note(purpose.otherwise)];
                (purpose.ask, content.concat())
            }
            Self::Done(purpose) => {
                let purpose = of(purpose, words);
                (purpose.done, purpose.done_more.iter().map(|text| paragraph(text)).collect())
            }
            Self::Failed(_) => (words.failed, paragraph(words.failed_more) + &form(words.again, token)),
            Self::Unknown => (words.unknown, paragraph(words.unknown_more)),
            Self::Expired => (words.expired, paragraph(words.expired_more)),
            Self::Refused => (words.refused, paragraph(words.refused_more)),
        }
    }
}

fn of(purpose: LinkPurpose, words: &'static Words) -> &'static Purpose {
    match purpose {
        LinkPurpose::NotMe => &words.not_me,
        _ => &words.unsubscribe,
    }
}

/// No script, nothing from elsewhere, no other style than ours, no frame around it, no other place for the form; and the link,
/// which is a key, told to nobody, kept by nobody and found by nobody.
const HEADERS: &[(&str, &str)] = &[
    ("content-type", "text/html; charset=utf-8"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'sha256-NDOVtAvA0XgD2x1xrq6rxd2vIl8sZadzpCefHsC1IeU='; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex, nofollow"),
];

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#f4f5f7;--card:#fff;--text:#1c1f24;--soft:#565d68;--line:#dfe2e7;--act:#1457c0;--on-act:#fff}\
@media(prefers-color-scheme:dark){:root{--back:#14161a;--card:#1e2126;--text:#eceef1;--soft:#a9b0bb;--line:#343942;--act:#8fb8ff;--on-act:#0c1a33}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:flex;justify-content:center;align-items:flex-start;padding:12vh 1.25rem 2rem;\
background:var(--back);color:var(--text);font:1.0625rem/1.6 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
main{width:100%;max-width:32rem;padding:2.25rem 2.25rem 2rem;background:var(--card);border:1px solid var(--line);border-radius:14px}\
.name{margin:0 0 1.25rem;color:var(--soft);font-weight:600;overflow-wrap:anywhere}\
h1{margin:0 0 .75rem;font-size:1.6rem;line-height:1.25;text-wrap:balance}\
p{margin:0 0 1rem}main>:last-child{margin-bottom:0}\
ul{margin:0 0 1.25rem;padding-left:1.3rem}li{margin:.3rem 0}\
form{margin:1.5rem 0}\
button{width:100%;padding:.8rem 1.2rem;border:0;border-radius:9px;background:var(--act);color:var(--on-act);\
font:inherit;font-weight:600;cursor:pointer}\
button:hover{filter:brightness(1.08)}\
button:focus-visible{outline:3px solid var(--act);outline-offset:3px}\
.note{color:var(--soft);font-size:.95rem}\
@media(max-width:30rem){body{padding:0;background:var(--card)}main{border:0;border-radius:0;padding:2rem 1.4rem}}";

fn document(language: &str, title: &str, product: &str, content: &str) -> String {
    let (title, product) = (escaped(title), escaped(product));
    let (name, of_product) = match product.is_empty() {
        true => (String::new(), String::new()),
        false => (format!("<p class=\"name\">{product}</p>\n"), format!(" · {product}")),
    };
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex, nofollow\">\n<title>{title}{of_product}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<main>\n{name}<h1>{title}</h1>\n{content}</main>\n</body>\n</html>\n"
    )
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escaped(text))
}

fn note(text: &str) -> String {
    format!("<p class=\"note\">{}</p>\n", escaped(text))
}

fn list(items: &[&str]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| format!("<li>{}</li>\n", escaped(item))).collect();
    format!("<ul>\n{items}</ul>\n")
}

/// Posts to the page's own address, whatever stands in front of it.
fn form(button: &str, token: &str) -> String {
    format!(
        "<form method=\"post\">\n<input type=\"hidden\" name=\"t\" value=\"{}\">\n<button type=\"submit\">{}</button>\n</form>\n",
        escaped(token),
        escaped(button)
    )
}

/// Text that stands for itself in an element or a quoted attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_style_is_the_one_the_header_permits() {
        let hash = BASE64.encode(&Sha256::digest(STYLE));
        let (_, policy) = HEADERS.iter().find(|(name, _)| *name == "content-security-policy").unwrap();
        assert!(policy.contains(&format!("style-src 'sha256-{hash}';")), "write 'sha256-{hash}'");
    }

    #[test]
    fn every_page_is_whole_in_every_language() {
        let settings = Settings { product_name: "Acme & <b>Söhne</b>".into(), ..Settings::default() };
        for language in Language::ALL {
            for purpose in [LinkPurpose::Unsubscribe, LinkPurpose::NotMe] {
                for page in [
                    Page::Ask(purpose),
                    Page::Done(purpose),
                    Page::Failed(purpose),
                    Page::Unknown,
                    Page::Expired,
                    Page::Refused,
                ] {
                    let response = page.response(language, &settings, Some("a.\"><script>"));
                    let html = response.body;
                    assert!(html.starts_with("<!doctype html>\n<html lang=\"") && html.ends_with("</html>\n"));
                    assert!(html.contains(&format!("lang=\"{}\"", language.words().tag)));
                    assert!(html.contains("<p class=\"name\">Acme &amp; &lt;b&gt;Söhne&lt;/b&gt;</p>"));
                    assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("http"), "{html}");
                    assert_eq!(html.matches("<h1>").count(), 1);
                    let asks = matches!(page, Page::Ask(_) | Page::Failed(_));
                    assert_eq!(html.matches("<button").count(), usize::from(asks));
                    for (open, close) in [("<p", "</p>"), ("<ul>", "</ul>"), ("<li>", "</li>"), ("<form", "</form>")] {
                        assert_eq!(html.matches(open).count(), html.matches(close).count(), "{open} in {html}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_page_without_a_name_has_none() {
        let html = Page::Unknown.response(Language::English, &Settings::default(), None).body;
        assert!(html.contains("<title>This link does not work</title>") && !html.contains("class=\"name\""));
    }

    #[test]
    fn administrators_are_mentioned_if_there_are_any() {
        let asks = |administrators: &str| {
            let administrators = serde_json::from_str(administrators).unwrap();
            let settings = Settings { administrators, ..Settings::default() };
            Page::Ask(LinkPurpose::NotMe).response(Language::English, &settings, Some("t")).body
        };
        assert!(asks("[\"ops@acme.example\"]").contains("<li>our administrators are told</li>"));
        assert!(!asks("[]").contains("administrators"));
    }
}
