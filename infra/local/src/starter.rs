//! `cargo local starter`: the built-in templates as they were written, to be changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use cognito_triggers_templates::{starter, starters};

use crate::paint::{WIDTH, counted, wrap};
use crate::world::{Problem, World};

/// How alike names have to be for one to be meant.
const ALIKE: f64 = 0.8;

/// Which templates to begin with.
#[derive(Args, Debug)]
pub(crate) struct StarterArguments {
    /// The names of built-in templates; without any, all are listed
    names: Vec<String>,
    /// The folder of templates
    #[arg(long, value_name = "FOLDER", default_value = "templates")]
    to: PathBuf,
}

pub(crate) fn run(arguments: &StarterArguments, world: &mut World<'_>) -> Result<u8, Problem> {
    if arguments.names.is_empty() {
        return list(world);
    }
    let mut templates = Vec::new();
    for name in &arguments.names {
        let files = starter(name).ok_or_else(|| unknown(name))?;
        let folder = arguments.to.join(name);
        if fs::symlink_metadata(&folder).is_ok() {
            let folder = folder.display();
            return Err(Problem::new(format!(
                "{folder} is there already; move it away, or name another folder with --to"
            )));
        }
        if templates.iter().all(|(known, _)| *known != folder) {
            templates.push((folder, files));
        }
    }
    write(&arguments.to, &templates)?;
    let paint = world.paint();
    for (folder, files) in &templates {
        let number = counted(files.len(), "file", "files");
        writeln!(world.out, "{} {} has {number}", paint.green("✓"), folder.display())?;
        for (file, _) in files {
            writeln!(world.out, "  {file}")?;
        }
    }
    for line in [
        "",
        "A folder takes the place of what is built in as a whole. The words are in the files that end with .toml, one for each \
         language; remove the languages you do not need.",
        "",
        "next:",
        "  cargo local gallery    shows what becomes of it, and again whenever you save",
        "  cargo local check      says what is wrong with it",
        "  cargo local package    makes a Lambda layer of it",
    ] {
        let lines = if line.starts_with(' ') { vec![line.to_owned()] } else { wrap(line, WIDTH) };
        for line in lines {
            writeln!(world.out, "{line}")?;
        }
    }
    Ok(0)
}

fn list(world: &mut World<'_>) -> Result<u8, Problem> {
    let paint = world.paint();
    let width = starters().map(|(name, _)| name.len()).max().unwrap_or_default() + 2;
    for (name, about) in starters() {
        let mut lines = wrap(about, WIDTH.saturating_sub(width)).into_iter();
        let first = lines.next().unwrap_or_default();
        writeln!(world.out, "{}", format!("{}{first}", paint.bold(&format!("{name:width$}"))).trim_end())?;
        for line in lines {
            writeln!(world.out, "{:width$}{line}", "")?;
        }
    }
    writeln!(world.out, "\ncargo local starter <NAME> copies one into templates/<NAME>/, for you to change")?;
    Ok(0)
}

fn unknown(name: &str) -> Problem {
    let likeness = |known: &str| strsim::jaro_winkler(name, known);
    let nearest = starters().map(|(known, _)| known).max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let remedy = match nearest.filter(|nearest| likeness(nearest) > ALIKE) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "`cargo local starter` lists them all".to_owned(),
    };
    Problem::new(format!("there is no built-in template `{name}`; {remedy}"))
}

/// Writes all of them, or none.
fn write(to: &Path, templates: &[(PathBuf, Vec<(String, String)>)]) -> Result<(), Problem> {
    let unwritable = |error: io::Error| Problem::new(format!("{} cannot be written: {error}", to.display()));
    fs::create_dir_all(to).map_err(unwritable)?;
    let beside = tempfile::Builder::new().prefix(".starter-").tempdir_in(to).map_err(unwritable)?;
    let fresh = |number: usize| beside.path().join(number.to_string());
    for (number, (_, files)) in templates.iter().enumerate() {
        fs::create_dir(fresh(number)).map_err(unwritable)?;
        for (file, source) in files {
            fs::write(fresh(number).join(file), source).map_err(unwritable)?;
        }
    }
    for (number, (folder, _)) in templates.iter().enumerate() {
        fs::rename(fresh(number), folder).map_err(unwritable)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cognito_triggers_templates::starters;

    use crate::command::tests::local;

    #[tokio::test]
    async fn every_template_is_listed_with_what_it_is_for() {
        let folder = tempfile::tempdir().unwrap();
        let (code, out, err) = local(folder.path(), &["starter"], "").await;
        assert_eq!((code, err.as_str()), (0, ""));
        for (name, about) in starters() {
            let line = out.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
            assert!(!about.is_empty() && line.contains(about.split(' ').next().unwrap()), "{line}");
        }
        assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    }

    #[tokio::test]
    async fn a_copy_can_be_used_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("templates").display().to_string();
        let (code, out, err) =
            local(folder.path(), &["starter", "welcome-email", "sign-in-alert", "--to", &to], "").await;
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(
            out.contains("welcome-email has ")
                && out.contains("\n  _layout.html\n")
                && out.contains("cargo local gallery"),
            "{out}"
        );
        assert!(!out.contains("footer"), "only what it needs: {out}");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
        let config = folder.path().join("triggers.toml");
        fs::write(&config, "[services]\nledger = \"dynamodb:prod\"\nmailer = \"ses:Acme <hello@acme.example>\"\n[welcome-email]\nonboard-since = 2026-01-31\n[sign-in-alert]\n").unwrap();
        let config = config.display().to_string();
        let (code, out, err) = local(folder.path(), &["check", &config], "").await;
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.contains(&format!("{to}/welcome-email")), "{out}");
        let layer = folder.path().join("layer").display().to_string();
        let (code, _, err) = local(folder.path(), &["package", &config, "--to", &layer], "").await;
        assert_eq!((code, err.as_str()), (0, ""));
    }

    #[tokio::test]
    async fn nothing_is_overwritten_and_nothing_is_begun() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().display().to_string();
        fs::create_dir(folder.path().join("win-back")).unwrap();
        let (code, _, err) = local(folder.path(), &["starter", "welcome-email", "win-back", "--to", &to], "").await;
        assert_eq!(code, 1);
        assert!(err.ends_with("win-back is there already; move it away, or name another folder with --to\n"), "{err}");
        let (code, _, err) = local(folder.path(), &["starter", "welcome-email", "welcome-mail", "--to", &to], "").await;
        assert_eq!(
            (code, err.as_str()),
            (1, "error: there is no built-in template `welcome-mail`; did you mean `welcome-email`?\n")
        );
        let (_, _, err) = local(folder.path(), &["starter", "zzz", "--to", &to], "").await;
        assert!(err.contains("`cargo local starter` lists them all"), "{err}");
        assert!(!folder.path().join("welcome-email").exists());
    }
}
