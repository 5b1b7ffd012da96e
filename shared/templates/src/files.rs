//! A folder of files for each new user.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cognito_triggers::config::ConfigError;
use cognito_triggers::services::Object;
use cognito_triggers::{Fault, FaultKind};
use minijinja::{AutoEscape, Environment, Error};
use serde_json::{Map, Value as Json};

use crate::context::{self, Scope, Value};
use crate::engine::{self, Places};
use crate::folders;

/// The most files of one folder: what one confirmation puts.
const MOST_FILES: usize = 100;
/// The largest file, in bytes.
const LARGEST: u64 = 5_000_000;
/// The most bytes of a folder: they stay in memory.
const LARGEST_FOLDER: u64 = 20_000_000;
/// How deep folders may lie in each other.
const DEPTH: usize = 16;
/// The longest name, in bytes: a key has at most 1,024 (Amazon S3 user guide, "Naming Amazon S3 objects"), and something such
/// as `users/<sub>/` comes before.
const LONGEST_NAME: usize = 800;
/// What a name may be made of: what no user chose.
const OF_NAMES: [&str; 2] = ["pool", "sub"];
/// Behind the name of a file that of the template its name is made from: no file is called so.
const NAME: &str = "\u{0}name";

/// A folder that was read.
pub(crate) struct FileSet {
    /// Where it is, for messages.
    place: String,
    engine: Environment<'static>,
    files: Vec<Source>,
}

struct Source {
    /// Its name below the folder, as it is written; also the name of its template.
    name: String,
    content_type: String,
    has_placeholders: bool,
    /// What it is, unless it is a template.
    bytes: Option<Vec<u8>>,
}

impl FileSet {
    /// Reads a folder below `base`.
    ///
    /// # Errors
    ///
    /// Everything that can be seen to be wrong without filling it.
    pub(crate) fn load(base: &Path, folder: &str) -> Result<Self, Vec<ConfigError>> {
        let (root, found) = find(base, folder).map_err(|error| vec![error])?;
        let place = folders::shown(&base.join(folder));
        let mut engine = engine::engine();
        engine::keep_line_breaks(&mut engine);
        engine.set_auto_escape_callback(escaping);
        let mut set = Self { place, engine, files: Vec::new() };
        let (mut errors, mut size) = (Vec::new(), 0);
        for (name, path) in found {
            let place = format!("{}/{name}", set.place);
            let read = if path.starts_with(&root) { read(&path, &mut size) } else { Err(folders::outside()) };
            let added = read.and_then(|bytes| set.add(name, bytes));
            errors.extend(added.err().map(|error| error.placed(&place, 1)));
        }
        let mut templates: Vec<_> = set.engine.templates().map(|(name, _)| name).collect();
        templates.sort_unstable();
        errors.extend(engine::unknown_attributes(&set.engine, &templates, &set));
        if set.files.is_empty() && errors.is_empty() {
            let error = ConfigError::new("there is no file in this folder").placed(&set.place, 1);
            errors.push(error.remedy(
                "put the files there that every user is to get; hidden ones, and copies whose names end with `~`, do not count",
            ));
        }
        if errors.is_empty() { Ok(set) } else { Err(errors) }
    }

    fn add(&mut self, name: String, bytes: Vec<u8>) -> Result<(), ConfigError> {
        let has_placeholders = is_template(&name);
        if has_placeholders {
            self.add_template(format!("{name}{NAME}"), name.clone())?;
            let template = self.engine.get_template(&format!("{name}{NAME}"));
            let asked = template.map(|template| template.undeclared_variables(false)).unwrap_or_default();
            if let Some(other) = asked.iter().find(|asked| !OF_NAMES.contains(&asked.as_str())) {
                return Err(ConfigError::new(format!("the name of a file cannot hold `{other}`")).remedy(
                    "only `{{ sub }}` and `{{ pool }}` can stand there: whatever else may be chosen by a user",
                ));
            }
        }
        let Kind { mut content_type, is_text } = Kind::of(&name);
        let text =
            if is_text { String::from_utf8(bytes).map_err(std::string::FromUtf8Error::into_bytes) } else { Err(bytes) };
        let bytes = match text {
            Ok(text) => {
                content_type.push_str("; charset=utf-8");
                if is_template(&text) {
                    self.add_template(name.clone(), text)?;
                    None
                } else {
                    Some(text.into_bytes())
                }
            }
            Err(bytes) => Some(bytes),
        };
        self.files.push(Source { name, content_type, has_placeholders, bytes });
        Ok(())
    }

    fn add_template(&mut self, name: String, source: String) -> Result<(), ConfigError> {
        self.engine.add_template_owned(name, source).map_err(|error| engine::wrong(&error, self))
    }

    /// Fills every file with every sample.
    pub(crate) fn prove(&self, samples: &[Map<String, Json>]) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for context in samples.iter().map(context::of) {
            let mut names = BTreeSet::new();
            for file in &self.files {
                let place = self.path(&file.name);
                match self.name(file, &context) {
                    Err(Wrong::Template(error)) => errors.push(engine::wrong(&error, self)),
                    Err(Wrong::Name(problem)) => errors.push(ConfigError::new(problem).placed(&place, 1)),
                    Ok(name) if !names.insert(name.clone()) => {
                        let error = ConfigError::new("another file gets the same name").placed(&place, 1);
                        errors.push(error.remedy("name them so that they differ for every user"));
                    }
                    Ok(_) => {}
                }
                if let Err(error) = self.body(file, &context) {
                    errors.push(engine::wrong(&error, self));
                }
            }
        }
        engine::each_once(errors)
    }

    /// The files of one user, by name.
    ///
    /// # Errors
    ///
    /// If a file asks for something it is not given, or its name comes to nothing that can be a key.
    pub(crate) fn fill(&self, context: &Map<String, Json>) -> Result<Vec<(String, Object)>, Fault> {
        let context = context::of(context);
        let failed = |error: &Error| engine::failed(error, self);
        let mut objects = BTreeMap::new();
        for file in &self.files {
            let name = self.name(file, &context).map_err(|wrong| match wrong {
                Wrong::Template(error) => failed(&error),
                Wrong::Name(problem) => self.fault(file, problem),
            })?;
            let body = self.body(file, &context).map_err(|error| failed(&error))?;
            let object = Object { content_type: file.content_type.clone(), body };
            if objects.insert(name, object).is_some() {
                return Err(self.fault(file, "another file gets the same name"));
            }
        }
        Ok(objects.into_iter().collect())
    }

    fn fault(&self, file: &Source, problem: &str) -> Fault {
        Fault::of(FaultKind::Configuration, format!("{}: {problem}", self.path(&file.name)))
    }

    fn name(&self, file: &Source, context: &BTreeMap<String, Value>) -> Result<String, Wrong> {
        let name = if file.has_placeholders {
            let mut values = BTreeMap::new();
            values.extend(OF_NAMES.iter().filter_map(|&name| Some((name.to_owned(), context.get(name)?.clone()))));
            let template = self.engine.get_template(&format!("{}{NAME}", file.name)).map_err(Wrong::Template)?;
            template.render(Value::from_pairs(values)).map_err(Wrong::Template)?
        } else {
            file.name.clone()
        };
        let is_segment = |segment: &str| !segment.is_empty() && segment != "." && segment != "..";
        match name.as_str() {
            "" => Err(Wrong::Name("the name of the file comes to nothing")),
            name if !name.split('/').all(is_segment) => {
                Err(Wrong::Name("the name of the file has an empty part, `.` or `..`"))
            }
            name if name.contains(|it: char| it.is_control() || it == '\\') => {
                Err(Wrong::Name("the name of the file has a backslash or a control character"))
            }
            name if name.len() > LONGEST_NAME => Err(Wrong::Name("the name of the file is longer than 800 bytes")),
            _ => Ok(name),
        }
    }

    fn body(&self, file: &Source, context: &BTreeMap<String, Value>) -> Result<Vec<u8>, Error> {
        match &file.bytes {
            Some(bytes) => Ok(bytes.clone()),
            None => {
                let template = self.engine.get_template(&file.name)?;
                Ok(template.render(Value::from_pairs(context.clone()))?.into_bytes())
            }
        }
    }

    /// The path of a file, for messages.
    fn path(&self, name: &str) -> String {
        format!("{}/{}", self.place, name.strip_suffix(NAME).unwrap_or(name))
    }
}

impl Places for FileSet {
    fn place(&self, name: &str, line: usize) -> (String, usize) {
        (self.path(name), line)
    }

    fn scope(&self) -> Scope {
        Scope::Files
    }
}

/// What is wrong with the name of a file.
enum Wrong {
    Template(Error),
    Name(&'static str),
}

/// What a file is, by its name.
struct Kind {
    content_type: String,
    is_text: bool,
}

impl Kind {
    fn of(name: &str) -> Self {
        let guess = mime_guess::from_path(name).first_or_octet_stream();
        let content_type = guess.essence_str().to_owned();
        let is_text = guess.type_() == mime_guess::mime::TEXT
            || escaping(name) != AutoEscape::None
            || ["application/toml", "application/x-sh", "application/sql", "application/rtf"]
                .contains(&guess.essence_str());
        Self { content_type, is_text }
    }
}

/// How values are escaped in a file, by its kind. JSON's way is right in scripts and YAML too: a value is written with its
/// quotes.
fn escaping(name: &str) -> AutoEscape {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    let kind = guess.essence_str();
    let suffix = guess.suffix().map(|suffix| suffix.as_str());
    let ends =
        |end: &str| kind.rsplit_once('/').is_some_and(|(_, subtype)| subtype == end || subtype == format!("x-{end}"));
    if ends("html") || ends("xml") || suffix == Some("xml") {
        AutoEscape::Html
    } else if ends("json") || suffix == Some("json") || ends("javascript") || ends("yaml") {
        AutoEscape::Json
    } else {
        AutoEscape::None
    }
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn read(path: &Path, size: &mut u64) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |error: std::io::Error| ConfigError::new(format!("cannot read it: {error}"));
    let length = fs::metadata(path).map_err(unreadable)?.len();
    *size += length;
    if length > LARGEST || *size > LARGEST_FOLDER {
        let most = format!("a file has at most {LARGEST} bytes, a folder {LARGEST_FOLDER}");
        let remedy = "copy large files from a prefix of the bucket instead";
        return Err(ConfigError::new(format!("this is too large: {most}")).remedy(remedy));
    }
    fs::read(path).map_err(unreadable)
}

/// The real path of `base`, and the files of the folder in order: name below the folder, and real path.
fn find(base: &Path, folder: &str) -> Result<(PathBuf, Vec<(String, PathBuf)>), ConfigError> {
    let path = base.join(folder);
    let (base, root) = folders::below(base, folder, "provision/")?;
    let mut files = Vec::new();
    walk(&root, "", 0, &mut files).map_err(|error| match error.place() {
        Some(_) => error,
        None => error.placed(&folders::shown(&path), 1),
    })?;
    files.sort_unstable();
    Ok((base, files))
}

fn walk(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<(String, PathBuf)>) -> Result<(), ConfigError> {
    let unreadable = |error: std::io::Error| {
        let error = ConfigError::new(format!("cannot read it: {error}"));
        error.remedy("ship it readable").placed(&folders::shown(folder), 1)
    };
    if depth > DEPTH {
        return Err(ConfigError::new(format!("folders lie more than {DEPTH} deep")).remedy("look for a link to itself"));
    }
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            return Err(ConfigError::new("the name of a file is not UTF-8").remedy("rename it"));
        };
        // Hidden files and an editor's copies are nobody's wish.
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let path = entry.path().canonicalize().map_err(unreadable)?;
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            walk(&path, &format!("{name}/"), depth + 1, files)?;
        } else {
            files.push((name, path));
        }
        if files.len() > MOST_FILES {
            return Err(ConfigError::new(format!("these are more than {MOST_FILES} files"))
                .remedy("ship fewer, or pack them into one"));
        }
    }
    Ok(())
}
