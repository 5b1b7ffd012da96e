//! `cargo local package`: what a Lambda layer needs, with the CSS of templates in their elements.
//!
//! Nothing is written before everything was checked, and what was written is checked again before it takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use cognito_triggers::config::Configuration;
use cognito_triggers::services::TemplateUse;
use cognito_triggers::{Chains, Environment};
use cognito_triggers_inlining::{Inlined, Kept, inline_and_tell};
use tempfile::TempDir;

use crate::check::{self, CheckArguments, configuration_of, name_variables};
use crate::functions::{Bound, Function};
use crate::paint::counted;
use crate::table::table;
use crate::world::{Problem, World};

/// What is in a folder that was written here, so that it may be replaced.
const MARKER: &str = ".cognito-triggers-package";
const MARKER_TEXT: &str = "Written by `cargo local package`, which replaces this folder as a whole.\n";
/// The folder in the layer: functions look for the file at /opt/triggers/triggers.toml.
const INNER: &str = "triggers";
const CONFIGURATION: &str = "triggers.toml";
/// Would have templates looked for elsewhere than the file says.
const ELSEWHERE: &str = "TRIGGERS_TEMPLATES";
/// The folder that templates share.
const SHARED: &str = "_shared";
/// What the parts of a template end with.
const PARTS: [&str; 5] = ["html", "sms", "subject", "toml", "txt"];
/// How deep folders may lie in each other.
const DEPTH: usize = 16;

/// What is to be packaged.
#[derive(Args, Debug)]
pub(crate) struct PackageArguments {
    /// The file; without it the one a function would take: TRIGGERS_CONFIG, else triggers.toml
    file: Option<PathBuf>,
    /// The folder of the layer. It is made, or replaced if it was made by this command
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// Files by their place below the folder of the configuration.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What is written, and what is told of it.
#[derive(Default)]
struct Package {
    files: Files,
    /// Pages: their place, and their size before and after.
    sizes: Vec<(String, usize, usize)>,
    kept: Vec<Kept>,
}

pub(crate) fn run(arguments: &PackageArguments, world: &mut World<'_>) -> Result<u8, Problem> {
    let mut variables = world.variables.clone();
    variables.remove(ELSEWHERE);
    checked(arguments.file.as_deref(), &variables)?;
    let configuration = configuration_of(arguments.file.as_deref(), &variables.clone().into_iter().collect())?;
    let package = gather(&configuration, &variables, &arguments.to)?;
    put(&arguments.to, &package.files, |file| checked(Some(file), &variables))?;
    tell(&arguments.to, &package, world)
}

/// Refuses what `cargo local check` refuses.
fn checked(file: Option<&Path>, variables: &BTreeMap<String, String>) -> Result<(), Problem> {
    let mut world = World {
        out: &mut io::sink(),
        err: &mut io::sink(),
        input: &mut io::empty(),
        variables: variables.clone(),
        colours: false,
        error_colours: false,
    };
    check::run(&CheckArguments::of(file), &mut world).map(drop)
}

/// Reads everything that is to be packaged.
fn gather(configuration: &Configuration, variables: &BTreeMap<String, String>, to: &Path) -> Result<Package, Problem> {
    let beside = configuration.folder();
    let text = read(Path::new(configuration.file()))?;
    let mut package = Package::default();
    let mut folders = Vec::new();
    let templates = configuration.templates_folder(&Environment::default());
    let templates = templates.strip_prefix(beside).ok().and_then(below).ok_or_else(|| {
        let file = configuration.file();
        Problem::new(format!(
            "{file}: services.templates leads out of the folder of the file; name one below it, e.g. `templates`"
        ))
    })?;
    folders.push((templates, true));
    for used in uses(configuration, &String::from_utf8_lossy(&text), variables)? {
        match used {
            TemplateUse::Message { template, .. } => {
                folders.extend(template.folder.as_deref().map(Path::new).and_then(below).map(|folder| (folder, true)));
            }
            TemplateUse::Files { folder, .. } => {
                folders.extend(below(Path::new(&folder)).map(|folder| (folder, false)))
            }
            TemplateUse::Mail { .. } => {}
        }
    }
    package.files.insert(PathBuf::from(CONFIGURATION), text);
    let done: BTreeSet<_> = folders.into_iter().collect();
    for (folder, is_of_templates) in &done {
        let root = beside.join(folder);
        if real(to).starts_with(real(&root)) && root.is_dir() {
            let (to, root) = (to.display(), root.display());
            return Err(Problem::new(format!("{to} is in {root}, which is packaged; name another folder with --to")));
        }
        let files = if *is_of_templates { package.of_templates(&root, folder)? } else { of_files(&root)? };
        for (name, bytes) in files {
            let place = folder.join(name);
            if let Some(other) = package.files.insert(place.clone(), bytes.clone()).filter(|other| *other != bytes) {
                let sizes = format!("{} and {} bytes", other.len(), bytes.len());
                let place = place.display();
                return Err(Problem::new(format!(
                    "{place} is a template and a file for users, which differ ({sizes}); keep them in different folders"
                )));
            }
        }
    }
    Ok(package)
}

/// What the rules of the file use, in all pools.
fn uses(
    configuration: &Configuration,
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<TemplateUse>, Problem> {
    let mut variables = variables.clone();
    name_variables(&toml::Value::Table(text.parse().unwrap_or_default()), &mut variables);
    let (base, pools) = Bound::new(configuration, Function::Pool).chains(&variables.into_iter().collect())?;
    let all = std::iter::once(&base).chain(pools.values());
    Ok(all.flat_map(Chains::templates).map(|(used, _)| used.clone()).collect())
}

/// A path as it is below a folder; `None` if it leads out of it.
fn below(path: &Path) -> Option<PathBuf> {
    let mut below = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => below.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(below)
}

/// Where a path really is, however much of it is there.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut there = path.as_path();
    while let Some(parent) = there.parent() {
        if let Ok(real) = there.canonicalize() {
            return path.strip_prefix(there).map_or_else(|_| real.clone(), |rest| real.join(rest));
        }
        there = parent;
    }
    path
}

impl Package {
    /// The files of a folder of templates as they are to be packaged.
    fn of_templates(&mut self, root: &Path, folder: &Path) -> Result<Files, Problem> {
        let (mut pages, mut others) = (BTreeMap::new(), Files::new());
        for (name, path) in template_files(root)? {
            match String::from_utf8(read(&path)?) {
                Ok(text) => drop(pages.insert(name, text)),
                Err(error) => drop(others.insert(PathBuf::from(name), error.into_bytes())),
            }
        }
        let place = |name: &str| folder.join(name).display().to_string();
        let Inlined { files, kept } = inline_and_tell(&pages).map_err(|error| {
            let file = root.join(&error.file);
            Problem::new(format!("{}:{}: {}; {}", file.display(), error.line, error.problem, error.remedy))
        })?;
        for (name, text) in files {
            if has_kind(&name, "html") {
                let before = pages.get(&name).map_or(0, String::len);
                self.sizes.push((place(&name), before, text.len()));
            }
            others.insert(PathBuf::from(name), text.into_bytes());
        }
        self.kept.extend(kept.into_iter().map(|kept| Kept { file: place(&kept.file), ..kept }));
        Ok(others)
    }
}

/// The files that templates are read from, by name: parts of templates, and whatever they share.
fn template_files(root: &Path) -> Result<BTreeMap<String, PathBuf>, Problem> {
    let mut files = BTreeMap::new();
    if !root.exists() {
        return Ok(files);
    }
    for (name, path) in entries(root)? {
        if name == SHARED {
            walk(&path, &format!("{name}/"), 0, &mut files)?;
        } else if path.is_dir() {
            let parts = entries(&path)?
                .into_iter()
                .filter(|(file, path)| path.is_file() && PARTS.iter().any(|kind| has_kind(file, kind)));
            files.extend(parts.map(|(file, path)| (format!("{name}/{file}"), path)));
        }
    }
    // What leads out of the shared folder is not read from there either.
    let shared = real(&root.join(SHARED));
    files.retain(|name, path| !name.starts_with(&format!("{SHARED}/")) || real(path).starts_with(&shared));
    Ok(files)
}

/// The files that users get, as they are.
fn of_files(root: &Path) -> Result<Files, Problem> {
    let mut files = BTreeMap::new();
    walk(root, "", 0, &mut files)?;
    files.into_iter().map(|(name, path)| Ok((PathBuf::from(name), read(&path)?))).collect()
}

fn walk(folder: &Path, prefix: &str, depth: usize, files: &mut BTreeMap<String, PathBuf>) -> Result<(), Problem> {
    if depth > DEPTH {
        let folder = folder.display();
        return Err(Problem::new(format!("{folder}: folders lie more than {DEPTH} deep; look for a link to itself")));
    }
    for (name, path) in entries(folder)? {
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            walk(&path, &format!("{name}/"), depth + 1, files)?;
        } else if path.is_file() {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// What is in a folder. Hidden files and an editor's copies are nobody's wish.
fn entries(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Problem> {
    let unreadable = |error: io::Error| Problem::new(format!("{} cannot be read: {error}", folder.display()));
    let mut entries = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            let path = path.display();
            return Err(Problem::new(format!("{path}: the name of a file is not UTF-8; rename it")));
        };
        if !name.starts_with('.') && !name.ends_with('~') {
            entries.insert(name.to_owned(), path);
        }
    }
    Ok(entries)
}

fn has_kind(file: &str, kind: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, own)| own.eq_ignore_ascii_case(kind))
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    fs::read(path).map_err(|error| Problem::new(format!("{} cannot be read: {error}", path.display())))
}

/// Writes all of it in the place of what is there, or nothing.
fn put(to: &Path, files: &Files, is_right: impl Fn(&Path) -> Result<(), Problem>) -> Result<(), Problem> {
    let unwritable = |error: io::Error| Problem::new(format!("{} cannot be written: {error}", to.display()));
    let target = real(to);
    let is_there = is_replaceable(to, &target)?;
    let parent = target.parent().ok_or_else(|| Problem::new("--to names no folder; name one that can be made"))?;
    fs::create_dir_all(parent).map_err(unwritable)?;
    // Beside it, so that it can be moved; it goes with all that is in it.
    let beside = tempfile::Builder::new().prefix(".package-").tempdir_in(parent).map_err(unwritable)?;
    let fresh = beside.path().join("fresh");
    for (place, bytes) in files {
        let file = fresh.join(INNER).join(place);
        fs::create_dir_all(file.parent().unwrap_or(&fresh)).map_err(unwritable)?;
        fs::write(&file, bytes).map_err(unwritable)?;
    }
    fs::write(fresh.join(MARKER), MARKER_TEXT).map_err(unwritable)?;
    is_right(&fresh.join(INNER).join(CONFIGURATION)).map_err(|Problem(text)| {
        let fresh = fresh.join(INNER).display().to_string();
        let text = text.replace(&format!("{fresh}/"), "").replace(&fresh, ".");
        Problem::new(format!("what was packaged is not in order, and nothing was written\n{text}"))
    })?;
    exchange(&beside, &fresh, &target, is_there).map_err(unwritable)
}

fn exchange(beside: &TempDir, fresh: &Path, target: &Path, is_there: bool) -> io::Result<()> {
    let old = beside.path().join("old");
    if is_there {
        fs::rename(target, &old)?;
    }
    fs::rename(fresh, target).inspect_err(|_| {
        if is_there {
            // What was there goes back. If that fails as well, the first error is the one to tell.
            let _ = fs::rename(&old, target);
        }
    })
}

/// Whether there is a folder, which may be replaced.
fn is_replaceable(to: &Path, target: &Path) -> Result<bool, Problem> {
    let shown = to.display();
    match fs::read_dir(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if target.is_dir() => Err(Problem::new(format!("{shown} cannot be read: {error}"))),
        Err(_) => Err(Problem::new(format!("{shown} is a file; name a folder with --to"))),
        Ok(entries) => {
            let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            // Only what a package is made of: whatever somebody put beside it would be lost.
            let is_package =
                names.iter().any(|name| name == MARKER) && names.iter().all(|name| name == MARKER || name == INNER);
            if names.is_empty() || is_package {
                return Ok(true);
            }
            Err(Problem::new(format!(
                "{shown} holds files that `cargo local package` did not write; name another folder with --to, or empty it"
            )))
        }
    }
}

fn tell(to: &Path, package: &Package, world: &mut World<'_>) -> Result<u8, Problem> {
    let paint = world.paint();
    let files = counted(package.files.len(), "file", "files");
    writeln!(world.out, "{} {} holds {files} for a Lambda layer", paint.green("✓"), to.display())?;
    for file in package.files.keys() {
        writeln!(world.out, "  {INNER}/{}", file.display())?;
    }
    let changed: Vec<_> = package.sizes.iter().filter(|(_, before, after)| *before > 0 || *after > 0).collect();
    if !changed.is_empty() {
        let rows: Vec<_> = changed
            .iter()
            .map(|(file, before, after)| vec![file.clone(), before.to_string(), after.to_string()])
            .collect();
        writeln!(world.out)?;
        for line in table(&["page", "bytes", "with CSS in its elements"], &rows, paint) {
            writeln!(world.out, "{line}")?;
        }
    }
    if !package.kept.is_empty() {
        writeln!(world.out, "\n{}", paint.bold("stays in <style>, where it needs !important to win"))?;
    }
    for Kept { file, line, what, why } in &package.kept {
        let why = why.map(|why| paint.dim(&format!("  {why}"))).unwrap_or_default();
        writeln!(world.out, "  {file}:{line}  {what}{why}")?;
    }
    writeln!(
        world.out,
        "\nnext: deploy the stack; without one, pack what is in {} into a zip file and publish it as a layer",
        to.display()
    )?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use crate::command::tests::local;

    const CONFIG: &str = "[services]\nledger = \"dynamodb:prod\"\nmailer = \"ses:Acme <hello@acme.example>\"\nbucket = \"s3:acme\"\ntemplates = \"./mails\"\n\
        [welcome-email]\nonboard-since = 2026-01-31\n[s3-provisioning]\nfiles = \"provision/\"\nonboard-since = 2026-01-31\n";

    /// A project, with all that is not to be packaged.
    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("triggers.toml", CONFIG),
            ("mails/welcome-email/en.subject", "Hello {{ name or 'you' }}"),
            (
                "mails/welcome-email/en.html",
                "{% extends '_shared/layout.html' %}{% block b %}<p class=\"red\">{{ name }}</p>{% endblock %}",
            ),
            ("mails/welcome-email/en.html~", "x"),
            ("mails/welcome-email/.en.html.swp", "x"),
            ("mails/welcome-email/notes.md", "x"),
            (
                "mails/_shared/layout.html",
                "<style>\n.red { color: red }\n.red:hover { color: blue }\n</style>{% block b %}{% endblock %}",
            ),
            ("mails/_shared/deep/logo.svg", "<svg/>"),
            ("mails/README.md", "x"),
            ("provision/a.txt", "Hello {{ name }}"),
            ("provision/deep/{{ sub }}.html", "<style>p { color: red }</style><p>"),
            ("provision/.hidden", "x"),
            ("unrelated.txt", "x"),
        ] {
            write(&folder.path().join(name), text);
        }
        folder
    }

    fn write(file: &Path, text: &str) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn all(folder: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut open = vec![folder.to_owned()];
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(next).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(folder).unwrap().display().to_string();
                    found.insert(name, fs::read_to_string(path).unwrap());
                }
            }
        }
        found
    }

    async fn package(project: &Path, to: &Path) -> (u8, String, String) {
        let file = project.join("triggers.toml").display().to_string();
        local(&project.join(".pool"), &["package", &file, "--to", &to.display().to_string()], "").await
    }

    #[tokio::test]
    async fn what_a_layer_needs_is_written_and_told() {
        let project = project();
        let to = project.path().join("build/layer");
        let (code, out, err) = package(project.path(), &to).await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let files = all(&to);
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                ".cognito-triggers-package",
                "triggers/mails/_shared/deep/logo.svg",
                "triggers/mails/_shared/layout.html",
                "triggers/mails/welcome-email/en.html",
                "triggers/mails/welcome-email/en.subject",
                "triggers/provision/a.txt",
                "triggers/provision/deep/{{ sub }}.html",
                "triggers/triggers.toml",
            ]
        );
        assert_eq!(files["triggers/triggers.toml"], CONFIG);
        assert!(
            files["triggers/mails/welcome-email/en.html"]
                .contains("<p class=\"red\" style=\"color:red\">{{ name }}</p>")
        );
        assert!(files["triggers/mails/_shared/layout.html"].contains("<style>\n.red:hover { color: blue }\n</style>"));
        assert_eq!(files["triggers/provision/deep/{{ sub }}.html"], "<style>p { color: red }</style><p>");
        let out = out.replace(&project.path().display().to_string(), "…");
        assert!(out.starts_with("✓ …/build/layer holds 7 files for a Lambda layer\n"), "{out}");
        assert!(out.contains("\nmails/welcome-email/en.html  91     109\n"), "{out}");
        assert!(out.contains("\n  mails/_shared/layout.html:3  .red:hover\n"), "{out}");
        // Nothing is left beside it, and it can be packaged once more.
        assert_eq!(fs::read_dir(project.path().join("build")).unwrap().count(), 1);
        fs::remove_file(project.path().join("mails/_shared/deep/logo.svg")).unwrap();
        assert_eq!(package(project.path(), &to).await.0, 0);
        assert_eq!((all(&to).len(), fs::read_dir(project.path().join("build")).unwrap().count()), (7, 1));
        // The package is a project itself, and comes out as it is.
        let again = project.path().join("again");
        assert_eq!(package(&to.join("triggers"), &again).await.0, 0);
        assert_eq!(all(&again), all(&to));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_function_may_read_what_is_written() {
        let project = project();
        let to = project.path().join("layer");
        assert_eq!(package(project.path(), &to).await.0, 0);
        let own = project.path().join("own");
        fs::create_dir(&own).unwrap();
        let mode = |path: &Path| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
        assert_eq!(mode(&to), mode(&own));
    }

    #[tokio::test]
    async fn what_check_refuses_is_refused_in_its_words_and_nothing_is_written() {
        let project = project();
        let file = project.path().join("mails/welcome-email/en.html");
        for (text, problem) in [
            (
                "<p>\n{{ user.gvien_name }}",
                "en.html:2: `user.gvien_name` is not defined; did you mean `user.given_name`?",
            ),
            ("<p>\n<!-- never closed", "en.html:2: this comment is not closed; close it with `-->`"),
        ] {
            write(&file, text);
            let (code, out, err) = package(project.path(), &project.path().join("build/layer")).await;
            assert_eq!((code, out.as_str()), (1, ""));
            assert!(err.contains(&format!("mails/welcome-email/{problem}")), "{err}");
            assert!(!project.path().join("build").exists());
        }
        write(&project.path().join("triggers.toml"), "[services]\nmailr = \"x\"\n");
        assert!(package(project.path(), &project.path().join("build")).await.2.contains("mailr"));
    }

    #[tokio::test]
    async fn a_folder_that_was_not_written_here_is_left_alone() {
        let project = project();
        for to in [".", "mails", "mails/welcome-email", "unrelated.txt"] {
            let to = project.path().join(to);
            let before = all(project.path());
            let (code, _, err) = package(project.path(), &to).await;
            assert_eq!(code, 1, "{}", to.display());
            assert!(err.contains("--to"), "{err}");
            assert_eq!(all(project.path()), before);
        }
        let (_, _, err) = package(project.path(), &project.path().join("mails/new")).await;
        assert!(err.contains("which is packaged; name another folder with --to"), "{err}");
        let empty = project.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert_eq!(package(project.path(), &empty).await.0, 0);
    }

    #[tokio::test]
    async fn templates_of_a_rule_of_its_own_are_packaged_too() {
        let project = project();
        let config = "[services]\nledger = \"dynamodb:prod\"\n[templated-message]\ntemplates = \"messages/\"\n[templated-message.occasions]\nsign-up = \"hello\"\n";
        write(&project.path().join("triggers.toml"), config);
        write(&project.path().join("messages/hello/en.subject"), "Hello");
        write(&project.path().join("messages/hello/en.html"), "<style>b { color: red }</style><b>{{ code }}</b>");
        let to = project.path().join("layer");
        let (code, out, err) = package(project.path(), &to).await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let page = "<style></style><b style=\"color:red\">{{ code }}</b>";
        assert_eq!(all(&to)["triggers/messages/hello/en.html"], page);
    }

    #[tokio::test]
    async fn templates_elsewhere_cannot_be_packaged() {
        let project = project();
        for place in ["../mails", "/opt/mails"] {
            write(
                &project.path().join("triggers.toml"),
                &format!("[services]\ntemplates = \"{place}\"\n[domain-allow-list]\nallow = [\"example.com\"]\n"),
            );
            let (code, _, err) = package(project.path(), &project.path().join("layer")).await;
            assert_eq!(code, 1);
            assert!(err.contains("services.templates leads out of the folder of the file"), "{err}");
        }
    }
}
