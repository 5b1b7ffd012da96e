//! Files as they are written for others to read: whole or not at all, by their owner only, and off the runtime.
//!
//! Nothing waits for the disk itself: a set of a hundred files would take a second. What was written survives the end of the
//! process, but the last seconds before a power failure may be lost.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cognito_triggers::{ConfigError, Fault, random};

/// What a file is called until it is whole: nobody reads names that begin with a dot.
const UNFINISHED: &str = ".unfinished-";

/// How long a file may be unfinished before it is taken for one whose writer died.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Runs what blocks: inside a runtime on a thread made for that, else here.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Fault> + Send + 'static,
{
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => match runtime.spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => Err(Fault::service("the call ended early", error)),
        },
        Err(_) => work(),
    }
}

/// The absolute path of a folder; it is made if need be, and tried by writing.
///
/// # Errors
///
/// Names the folder and what to do, if it cannot be made or written.
pub(crate) fn open_folder(path: &Path, example: &str) -> Result<PathBuf, ConfigError> {
    if path.as_os_str().is_empty() {
        return Err(
            ConfigError::new("no folder is named").remedy(format!("write one after the colon, e.g. `{example}`"))
        );
    }
    let path = std::path::absolute(path).map_err(|error| cannot("name the folder", path, &error))?;
    make_folder(&path).map_err(|error| {
        cannot("make the folder", &path, &error).remedy("name one where no file is in the way and that can be made")
    })?;
    // Whether it can be written only writing tells: rights are not all that may stand in the way.
    let tried = Unfinished::write(&path, b"").map(drop);
    tried.map_err(|error| {
        cannot("write into the folder", &path, &error).remedy("make it writable for this user, or name another")
    })?;
    remove_abandoned(&path);
    Ok(path)
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// How files are opened that are made if need be.
pub(crate) fn owners_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// What could not be done with which path.
pub(crate) fn cannot(what: &str, path: &Path, error: &io::Error) -> ConfigError {
    ConfigError::new(format!("cannot {what} `{}`: {error}", path.display()))
}

/// A file that is whole, but not yet where it is looked for. Dropped, it is removed.
pub(crate) struct Unfinished(Option<PathBuf>);

impl Unfinished {
    /// Writes it into a folder of the same disk as where it will be put. The folder is made again if somebody removed it.
    pub(crate) fn write(folder: &Path, content: &[u8]) -> io::Result<Self> {
        let path = folder.join(format!("{UNFINISHED}{}", unique().map_err(|fault| io::Error::other(fault.causes()))?));
        let mut options = owners_only();
        options.write(true).create_new(true);
        let mut file = match options.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_folder(folder)?;
                options.open(&path)?
            }
            opened => opened?,
        };
        let unfinished = Self(Some(path));
        file.write_all(content)?;
        Ok(unfinished)
    }

    /// Puts it where it is looked for, in the place of what may be there.
    pub(crate) fn put(mut self, target: &Path) -> io::Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        fs::rename(path, target)?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // If it stays it is in nobody's way, and is removed when the folder is opened an hour later.
            let _ = fs::remove_file(path);
        }
    }
}

/// A text nobody else has made, here or in another process.
pub(crate) fn unique() -> Result<String, Fault> {
    Ok(format!("{:016x}", u64::from_be_bytes(random::bytes()?)))
}

/// What processes left behind that died while they wrote.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_ours = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(UNFINISHED));
        let age = entry.metadata().and_then(|it| it.modified()).ok().and_then(|at| at.elapsed().ok());
        if is_ours(&entry.file_name()) && age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_with_all_above_it_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = open_folder(&folder.path().join("one/two"), "folder:x").unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "trying it left something behind");
        #[cfg(unix)]
        for made in [&path, path.parent().unwrap()] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_refused_with_what_to_do() {
        let refusal = |path: &Path| open_folder(path, "folder:.pool/mail").unwrap_err().to_string();
        let unnamed = refusal(Path::new(""));
        assert_eq!(unnamed, "no folder is named; write one after the colon, e.g. `folder:.pool/mail`");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "kept").unwrap();
        for path in [file.clone(), file.join("below")] {
            let refusal = refusal(&path);
            assert!(refusal.starts_with(&format!("cannot make the folder `{}`: ", path.display())), "{refusal}");
            assert!(refusal.contains("; name one where no file is in the way"), "{refusal}");
        }
        assert_eq!(fs::read_to_string(file).unwrap(), "kept");
    }

    /// Nobody can make files in `/proc`, whoever runs the tests.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_cannot_be_written_is_refused_with_what_to_do() {
        let refusal = open_folder(Path::new("/proc"), "folder:.pool/mail").unwrap_err().to_string();
        assert!(refusal.starts_with("cannot write into the folder `/proc`: "), "{refusal}");
        assert!(refusal.ends_with("; make it writable for this user, or name another"), "{refusal}");
    }

    #[test]
    fn what_the_dead_left_behind_is_removed_and_what_is_being_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, hours: u64| {
            let path = folder.path().join(name);
            let at = fs::metadata(folder.path()).unwrap().modified().unwrap() - Duration::from_secs(3_600 * hours);
            fs::File::create(&path).unwrap().set_modified(at).unwrap();
            path
        };
        let (old, new, foreign) = (file(".unfinished-1", 2), file(".unfinished-2", 0), file("letter.eml", 2));
        open_folder(folder.path(), "folder:x").unwrap();
        assert_eq!((old.exists(), new.exists(), foreign.exists()), (false, true, true));
    }

    #[test]
    fn a_file_appears_whole_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        Unfinished::write(folder.path(), b"content").unwrap().put(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"content");
        drop(Unfinished::write(folder.path(), b"never put").unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "what was not put was left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
