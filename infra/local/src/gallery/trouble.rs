//! What is wrong with a template, and beside which language and part that is to be shown.

use std::fs;
use std::path::Path;

use cognito_triggers::ConfigError;
use cognito_triggers::mailing::Locale;
use cognito_triggers::message::MessageTemplate;
use cognito_triggers::services::TemplateUse;
use serde::Serialize;

use super::packaged::Packaged;

/// Something to be mended, as far as possible with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Trouble {
    /// `error`: it is not sent so. `warning`: it is, and worth a look.
    pub(super) severity: &'static str,
    /// The language it is about; `None`: all of them.
    pub(super) locale: Option<String>,
    /// `subject`, `html`, `text`, `sms` or `words`; `None`: all of it.
    pub(super) part: Option<&'static str>,
    pub(super) file: Option<String>,
    pub(super) line: Option<usize>,
    pub(super) text: String,
}

/// The languages of a template, and what is wrong with it.
pub(super) fn look_at(
    packaged: &Packaged,
    uses: &[TemplateUse],
    at: &MessageTemplate,
    folder: &Path,
) -> (Vec<String>, Vec<Trouble>) {
    let mut troubles: Vec<Trouble> = Vec::new();
    for error in uses.iter().flat_map(|used| packaged.check(used)) {
        let trouble = trouble(packaged, &error);
        if !troubles.contains(&trouble) {
            troubles.push(trouble);
        }
    }
    // What the templates themselves are refused for is said once.
    if troubles.is_empty() {
        troubles.extend(packaged.unstyled(folder).map(|(file, line, text)| placed(file.clone(), *line, text.clone())));
    }
    // What cannot be read has languages all the same.
    let languages = packaged.templates.languages(at).unwrap_or_else(|_| languages_in(folder));
    (languages, troubles)
}

/// The languages that the files of a folder are named after.
fn languages_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (stem, kind) = name.rsplit_once('.')?;
            part(kind)?;
            stem.parse::<Locale>().ok().map(|locale| locale.to_string())
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The part a kind of file becomes.
fn part(kind: &str) -> Option<&'static str> {
    match kind.to_ascii_lowercase().as_str() {
        "subject" => Some("subject"),
        "html" => Some("html"),
        "txt" => Some("text"),
        "sms" => Some("sms"),
        "toml" => Some("words"),
        _ => None,
    }
}

/// An error of a template as it is shown: beside the language and the part its file is for.
fn trouble(packaged: &Packaged, error: &ConfigError) -> Trouble {
    let text = error.to_string();
    let Some((file, line)) = error.place() else {
        let text = packaged.original(&text);
        return Trouble { severity: "error", locale: None, part: None, file: None, line: None, text };
    };
    let told = text.strip_prefix(&format!("{file}:{line}: ")).unwrap_or(&text);
    placed(packaged.original(file), line, packaged.original(told))
}

/// Something about a file, whose name says for which language and part it is.
fn placed(file: String, line: usize, text: String) -> Trouble {
    let name = file.rsplit(['/', '\\']).next().and_then(|name| name.rsplit_once('.'));
    let part = name.and_then(|(_, kind)| part(kind));
    let locale = name.filter(|_| part.is_some()).and_then(|(stem, _)| stem.parse::<Locale>().ok());
    let locale = locale.map(|locale| locale.to_string());
    Trouble { severity: "error", locale, part, file: Some(file), line: Some(line), text }
}
