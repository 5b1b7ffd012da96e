//! The files of templates, as they are read from folders.

use std::fs;
use std::io;
use std::path::{Component, Path};

use cognito_triggers::config::ConfigError;
use minijinja::{Error, ErrorKind};

use crate::builtin;
use crate::folders;

/// The folder beside the templates with what they have in common.
pub(crate) const SHARED: &str = "_shared/";
/// The largest file of a template, in bytes.
const LARGEST: u64 = 1_000_000;

/// The files of a template's folder that matter, by name; `None` if there is no such folder.
pub(crate) fn read(folder: &Path) -> Result<Option<Vec<(String, String)>>, Vec<ConfigError>> {
    read_some(folder, is_part)
}

/// The words that are for all templates of a folder, by file.
pub(crate) fn shared_words(templates: &Path) -> Result<Vec<(String, String)>, Vec<ConfigError>> {
    let folder = templates.join(SHARED);
    let Some(files) = read_some(&folder, |file| is_part(file) && kind(file).as_deref() == Some("toml"))? else {
        return Ok(Vec::new());
    };
    // Like pages that are shared, they are not a way to read what lies elsewhere.
    let root = folder.canonicalize().ok();
    let leads_out = |file: &str| {
        let path = folder.join(file).canonicalize().ok();
        !path.zip(root.as_ref()).is_some_and(|(path, root)| path.starts_with(root))
    };
    let outside: Vec<_> = files
        .iter()
        .filter(|(file, _)| leads_out(file))
        .map(|(file, _)| folders::outside().placed(&format!("{}/{file}", folders::shown(&folder)), 1))
        .collect();
    if outside.is_empty() { Ok(files) } else { Err(outside) }
}

/// A file of the folder that templates share; nothing that lies elsewhere.
pub(crate) fn shared(templates: &Path, name: &str) -> Result<Option<String>, Error> {
    let is_inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !name.starts_with(SHARED) || !is_inside {
        return Ok(None);
    }
    let (Ok(root), Ok(path)) = (templates.join(SHARED).canonicalize(), templates.join(name).canonicalize()) else {
        return Ok(None);
    };
    if !path.starts_with(root) {
        return Ok(None);
    }
    let unreadable = |error: io::Error| Error::new(ErrorKind::InvalidOperation, format!("cannot read it: {error}"));
    if fs::metadata(&path).map_err(unreadable)?.len() > LARGEST {
        return Err(Error::new(ErrorKind::InvalidOperation, "the file is larger than a megabyte"));
    }
    fs::read_to_string(path).map(Some).map_err(unreadable)
}

/// What is said of a template that is not there.
pub(crate) fn missing(name: &str, folder: &Path) -> ConfigError {
    let built_in = builtin::names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    ConfigError::new(format!("there is no template `{name}`"))
        .remedy(format!("put `en.subject` and `en.html` into {}; built in are {built_in}", folder.display()))
}

fn read_some(
    folder: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Option<Vec<(String, String)>>, Vec<ConfigError>> {
    let place = folders::shown(folder);
    let unreadable = |place: &str, error: &io::Error| {
        let error = ConfigError::new(format!("cannot read it: {error}"));
        error.remedy("ship it with the function, readable and in UTF-8").placed(place, 1)
    };
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(vec![unreadable(&place, &error)]),
    };
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for entry in listing {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                errors.push(unreadable(&place, &error));
                continue;
            }
        };
        let Some(file) = path.file_name().and_then(|file| file.to_str()).filter(|file| is_wanted(file)) else {
            continue;
        };
        let place = format!("{place}/{file}");
        match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => continue,
            Ok(metadata) if metadata.len() > LARGEST => {
                errors.push(ConfigError::new("the file is larger than a megabyte").placed(&place, 1));
                continue;
            }
            _ => {}
        }
        match fs::read_to_string(&path) {
            Ok(source) => files.push((file.to_owned(), source)),
            Err(error) => errors.push(unreadable(&place, &error)),
        }
    }
    // The order of a folder is the file system's; messages should come in the same one everywhere.
    files.sort_unstable();
    if errors.is_empty() { Ok(Some(files)) } else { Err(errors) }
}

/// Whether a file belongs to a template, by its name. Hidden files and an editor's copies do not.
fn is_part(file: &str) -> bool {
    let is_known = matches!(kind(file).as_deref(), Some("html" | "txt" | "subject" | "sms" | "toml"));
    is_known && !file.starts_with('.')
}

fn kind(file: &str) -> Option<String> {
    file.rsplit_once('.').map(|(_, kind)| kind.to_ascii_lowercase())
}
