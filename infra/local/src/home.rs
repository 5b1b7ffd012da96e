//! The folder where the local pool keeps its things, `.pool/`.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use cognito_triggers::{Keys, random};

use crate::world::Problem;

/// Where it is unless said otherwise.
pub(crate) const DEFAULT_FOLDER: &str = ".pool";

/// The folder. It is made when something is written.
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The root key of this machine, made at first use: 32 random bytes in hexadecimal, for the owner's eyes only.
    pub(crate) fn key(&self) -> Result<String, Problem> {
        let file = self.file("key");
        match fs::read_to_string(&file) {
            Ok(text) => {
                let text = text.trim().to_owned();
                let wrong = |error| Problem::new(format!("{}: {error}, or remove the file", file.display()));
                return Keys::parse(&text).map(|_| text).map_err(wrong);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Problem::new(format!("{} cannot be read: {error}", file.display()))),
        }
        let text = random::bytes::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.make(&self.0)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&file).and_then(|mut file| writeln!(file, "{text}")) {
            Ok(()) => Ok(text),
            // Somebody else made it at the same moment.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.key(),
            Err(error) => Err(unwritable(&file, &error)),
        }
    }

    /// An empty folder for the tour. Only what the tour itself writes is removed.
    pub(crate) fn fresh_tour(&self) -> Result<PathBuf, Problem> {
        let folder = self.file("tour");
        self.make(&folder)?;
        let gone = |place: &Path, removed: io::Result<()>| match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(place, &error)),
            _ => Ok(()),
        };
        for name in ["pool.db", "pool.db-wal", "pool.db-shm", "pool.db-journal", "triggers.toml", "events.jsonl"] {
            let file = folder.join(name);
            gone(&file, fs::remove_file(&file))?;
        }
        for name in ["mail", "mail.away", "files", "provision"] {
            let place = folder.join(name);
            // A tour that was interrupted may have left a file in the place of a folder.
            let removed = if place.is_dir() { fs::remove_dir_all(&place) } else { fs::remove_file(&place) };
            gone(&place, removed)?;
        }
        Ok(folder)
    }

    pub(crate) fn write(&self, file: &Path, text: &str) -> Result<(), Problem> {
        if let Some(folder) = file.parent() {
            self.make(folder)?;
        }
        fs::write(file, text).map_err(|error| unwritable(file, &error))
    }

    fn make(&self, folder: &Path) -> Result<(), Problem> {
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))
    }
}

fn unwritable(place: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("{} cannot be written: {error}; name another folder with --folder", place.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(&folder.path().join("deep/.pool"));
        let key = home.key().unwrap();
        assert_eq!((home.key().unwrap(), key.len()), (key.clone(), 64));
        assert!(Keys::parse(&key).is_ok());
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(home.file("key")).unwrap().permissions());
            assert_eq!(mode & 0o077, 0);
        }
    }

    #[test]
    fn a_tour_starts_afresh_and_leaves_other_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let tour = home.fresh_tour().unwrap();
        for name in ["pool.db", "mail/1.eml", "files/users/1/a.txt", "mine.json"] {
            home.write(&tour.join(name), "x").unwrap();
        }
        home.fresh_tour().unwrap();
        assert!(!tour.join("mail").exists() && !tour.join("files").exists());
        assert_eq!((tour.join("pool.db").exists(), tour.join("mine.json").exists()), (false, true));
    }

    #[test]
    fn a_spoilt_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        home.write(&home.file("key"), "short").unwrap();
        let Problem(text) = home.key().unwrap_err();
        assert!(text.contains("key: ") && text.ends_with("or remove the file"), "{text}");
    }
}
