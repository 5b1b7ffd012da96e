//! Templates as they are once they are packaged: what is shown must be what is sent.
//!
//! `cargo local package` puts the CSS of templates into their elements. Here the same is done to a copy, which is read in the
//! place of what somebody is writing; whatever is said about it names the files as they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cognito_triggers::services::TemplateUse;
use cognito_triggers::{ConfigError, Templates};
use tempfile::TempDir;

/// The most files that are copied, how deep, and how large one may be: more is no template, and is refused where it stands.
const MOST: usize = 20_000;
const DEPTH: usize = 8;
const LARGEST: u64 = 1_000_001;

/// Templates as they are written, and as they are sent.
pub(super) struct Packaged {
    written: Arc<dyn Templates>,
    pub(super) templates: Arc<dyn Templates>,
    /// Folders of the copy, and whose copy they are: the deepest first.
    places: Vec<(String, String)>,
    /// What keeps CSS from being put into its elements, as `file:line: problem; remedy`.
    unstyled: Vec<(String, usize, String)>,
    _copy: Option<TempDir>,
}

/// Opens templates as `cargo local package` would leave them. `folders` are those of messages, below `base`.
pub(super) fn as_packaged<'a>(base: &Path, templates: &Path, folders: impl Iterator<Item = &'a str>) -> Packaged {
    let written = cognito_triggers_templates::open(base, templates);
    let unpacked = |written: Arc<dyn Templates>| Packaged {
        templates: Arc::clone(&written),
        written,
        places: Vec::new(),
        unstyled: Vec::new(),
        _copy: None,
    };
    // Without a place for the copy, templates are shown as they are written.
    let Ok(copy) = tempfile::tempdir() else { return unpacked(written) };
    let mut copied = vec![(copy.path().join("templates"), templates.to_owned())];
    for folder in folders {
        // What leads elsewhere is refused by whoever reads it.
        if Path::new(folder).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            copied.push((copy.path().join("base").join(folder), base.join(folder)));
        }
    }
    let mut unstyled = Vec::new();
    for (to, from) in &copied {
        let mut files = BTreeMap::new();
        read(from, &mut PathBuf::new(), DEPTH, &mut files);
        let Ok(told) = write(to, files) else { return unpacked(written) };
        unstyled.extend(told.into_iter().map(|error| {
            let text = format!("{}; {}", error.problem, error.remedy);
            (from.join(&error.file).display().to_string(), error.line, text)
        }));
    }
    let templates = cognito_triggers_templates::open(&copy.path().join("base"), &copy.path().join("templates"));
    copied.push((copy.path().join("base"), base.to_owned()));
    let places = copied.iter().map(|(to, from)| (to.display().to_string(), from.display().to_string())).collect();
    Packaged { written, templates, places, unstyled, _copy: Some(copy) }
}

impl Packaged {
    /// Everything that is wrong with a template.
    pub(super) fn check(&self, used: &TemplateUse) -> Vec<ConfigError> {
        let errors = self.templates.check(used);
        if errors.is_empty() {
            return errors;
        }
        // The lines that matter are those of the files as they are written. Some of it only CSS in its elements brings about.
        let written = self.written.check(used);
        if written.is_empty() { errors } else { written }
    }

    /// What keeps the CSS of a folder out of its elements: file, line and what it is.
    pub(super) fn unstyled(&self, folder: &Path) -> impl Iterator<Item = &(String, usize, String)> {
        self.unstyled.iter().filter(move |(file, ..)| Path::new(file).starts_with(folder))
    }

    /// What was said about the copy, with the paths of the files as they are.
    pub(super) fn original(&self, text: &str) -> String {
        self.places.iter().fold(text.to_owned(), |text, (copy, place)| text.replace(copy, place))
    }
}

/// The files of a folder that may be of a template, or are shared by several, by their names below it. What cannot be read is missed by whoever reads it.
fn read(from: &Path, below: &mut PathBuf, depth: usize, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(from.join(&*below)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let path = entry.path();
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if name.to_string_lossy().starts_with('.') || files.len() >= MOST {
            continue;
        }
        below.push(&name);
        if metadata.is_dir() && depth > 0 {
            read(from, below, depth - 1, files);
        } else if metadata.is_file() && (below.starts_with("_shared") || is_part(&path)) {
            // One that is too large need not be read whole to be refused.
            let bytes =
                if metadata.len() < LARGEST { fs::read(&path).ok() } else { Some(vec![b' '; LARGEST as usize]) };
            files.extend(below.to_str().zip(bytes).map(|(name, bytes)| (name.replace('\\', "/"), bytes)));
        }
        below.pop();
    }
}

fn is_part(path: &Path) -> bool {
    let kind = path.extension().and_then(|kind| kind.to_str()).map(str::to_ascii_lowercase);
    matches!(kind.as_deref(), Some("html" | "txt" | "subject" | "sms" | "toml"))
}

/// Writes files with their CSS in its elements, as far as that is possible, and answers what it is not for.
fn write(to: &Path, files: BTreeMap<String, Vec<u8>>) -> std::io::Result<Vec<cognito_triggers_inlining::Error>> {
    if files.is_empty() {
        // A folder that is not there must not be there in the copy either.
        return Ok(Vec::new());
    }
    let mut pages = BTreeMap::new();
    let mut others = BTreeMap::new();
    for (name, bytes) in files {
        match String::from_utf8(bytes) {
            Ok(text) if name.ends_with(".html") => drop(pages.insert(name, text)),
            Ok(text) => drop(others.insert(name, text.into_bytes())),
            Err(error) => drop(others.insert(name, error.into_bytes())),
        }
    }
    let mut wrong = Vec::new();
    loop {
        match cognito_triggers_inlining::inline(&pages) {
            Ok(inlined) => {
                others.extend(inlined.into_iter().map(|(name, text)| (name, text.into_bytes())));
                break;
            }
            // A template that cannot be read leaves the others what they are.
            Err(error) => {
                let folder = error.file.split_once('/').map_or("", |(folder, _)| folder).to_owned();
                let is_of = |name: &String| name.split_once('/').is_some_and(|(of, _)| of == folder);
                let all = folder.is_empty() || folder == "_shared";
                let (left, kept): (BTreeMap<_, _>, _) = pages.into_iter().partition(|(name, _)| all || is_of(name));
                let stuck = left.is_empty();
                others.extend(left.into_iter().map(|(name, text)| (name, text.into_bytes())));
                pages = kept;
                wrong.push(error);
                if stuck {
                    others.extend(std::mem::take(&mut pages).into_iter().map(|(name, text)| (name, text.into_bytes())));
                    break;
                }
            }
        }
    }
    for (name, bytes) in others {
        let path = to.join(name);
        path.parent().map(fs::create_dir_all).transpose()?;
        fs::write(path, bytes)?;
    }
    Ok(wrong)
}
