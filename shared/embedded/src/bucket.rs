//! A bucket as a folder: an object is a file at the path its key says.
//!
//! `users/1/welcome.html` is `.pool/files/users/1/welcome.html`; what a disk does not take is written otherwise, see `key.rs`.
//! The content type stands in a hidden file beside it, `.welcome.html.type`. A file somebody put there by hand has none, and
//! then its name tells.
//!
//! An object appears whole, with its type, or not at all: the type is written first, the file is moved into its place last, and
//! one writer at a time does so, under a lock that ends with its process.
//!
//! # What it does not do
//!
//! A name is a file or a folder: where S3 keeps `a` and `a/b` side by side, the second is refused. Disks that do not tell
//! capital letters from small ones take `A` for `a`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use cognito_triggers::services::{Bucket, Object, Placed};
use cognito_triggers::{Adapter, ConfigError, Fault, FaultKind, Outlook};

use crate::disk::{self, Unfinished};
use crate::key::{self, Part};

/// `folder:<folder>`.
pub const BUCKET: Adapter<dyn Bucket> = Adapter {
    scheme: "folder",
    example: EXAMPLE,
    embedded: true,
    open: |opening| {
        Box::pin(async move { Ok(Arc::new(FolderBucket::open(Path::new(&opening.address))?) as Arc<dyn Bucket>) })
    },
};

const EXAMPLE: &str = "folder:.pool/files";

/// [`BUCKET`], for those who prefer a call.
#[must_use]
pub fn bucket_adapter() -> Adapter<dyn Bucket> {
    BUCKET
}

/// A folder objects are put into. Any number of processes may use the same one.
#[derive(Clone, Debug)]
pub struct FolderBucket(Arc<Path>);

impl FolderBucket {
    /// Opens a folder; it is made if need be.
    ///
    /// # Errors
    ///
    /// Names the folder and what to do, if it cannot be made or written.
    pub fn open(folder: &Path) -> Result<Self, ConfigError> {
        disk::open_folder(folder, EXAMPLE).map(|folder| Self(folder.into()))
    }

    /// The folder, as an absolute path.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Where the object with this key is, or would be: always inside the folder.
    #[must_use]
    pub fn path(&self, key: &str) -> PathBuf {
        self.0.join(key::path(key))
    }

    /// The object with this key.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub async fn object(&self, key: &str) -> Result<Option<Object>, Fault> {
        let path = self.path(key);
        disk::blocking(move || read(&path)).await
    }

    async fn place(&self, key: &str, object: Object) -> Result<Placed, Fault> {
        usable(key)?;
        let (folder, path) = (Arc::clone(&self.0), self.path(key));
        disk::blocking(move || place(&folder, &path, &object)).await
    }
}

#[async_trait]
impl Bucket for FolderBucket {
    async fn put_new(&self, key: &str, object: &Object) -> Result<Placed, Fault> {
        self.place(key, object.clone()).await
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<Placed, Fault> {
        usable(from)?;
        match self.object(from).await? {
            Some(object) => self.place(to, object).await,
            // Somebody may put it there yet: tried again.
            None => Err(Fault::of(
                FaultKind::Service,
                format!("there is nothing to copy at that key in `{}`", self.0.display()),
            )),
        }
    }

    async fn list(&self, prefix: &str, most: usize) -> Result<Vec<String>, Fault> {
        let (folder, prefix) = (Arc::clone(&self.0), prefix.to_owned());
        disk::blocking(move || {
            let mut keys = BTreeSet::new();
            if most > 0 {
                let listed = collect(&folder, &folder, "", &prefix, &mut keys);
                listed.map_err(|error| Fault::service(format!("cannot read `{}`", folder.display()), error))?;
            }
            Ok(keys.into_iter().take(most).collect())
        })
        .await
    }
}

/// A refusal for good. It does not name the key: rules may let a user's own text into one.
fn refused(why: &'static str) -> Fault {
    Fault::of(FaultKind::Service, why).with_outlook(Outlook::Permanent)
}

fn usable(key: &str) -> Result<(), Fault> {
    match key.len() {
        0 => Err(refused("a file has no key")),
        1..=key::LONGEST => Ok(()),
        _ => Err(refused("the key of a file is longer than 1024 bytes")),
    }
}

fn read(path: &Path) -> Result<Option<Object>, Fault> {
    let body = match fs::read(path) {
        Ok(body) => body,
        Err(error) if is_nothing(&error) => return Ok(None),
        Err(error) => return Err(Fault::service("cannot read a file of the bucket", error)),
    };
    // It stood there before the file did, and neither ever changes.
    let content_type = match fs::read_to_string(type_path(path)) {
        Ok(content_type) => content_type,
        Err(error) if is_nothing(&error) => mime_guess::from_path(path).first_or_octet_stream().to_string(),
        Err(error) => return Err(Fault::service("cannot read the content type of a file of the bucket", error)),
    };
    Ok(Some(Object { content_type, body }))
}

/// Whether there is no file, whatever there is instead.
fn is_nothing(error: &io::Error) -> bool {
    use ErrorKind::{InvalidFilename, IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory | InvalidFilename)
}

/// The hidden file beside a file.
fn type_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".type");
    path.with_file_name(name)
}

fn place(folder: &Path, path: &Path, object: &Object) -> Result<Placed, Fault> {
    let parent = path.parent().unwrap_or(folder);
    let failed = |error: io::Error| {
        let remedy = "make the folder writable and mind the room on its disk";
        Fault::service(format!("cannot write a file into `{}`; {remedy}", folder.display()), error)
    };
    if let Some(placed) = present(path)? {
        return Ok(placed);
    }
    let body = Unfinished::write(folder, &object.body).map_err(failed)?;
    let content_type = Unfinished::write(folder, object.content_type.as_bytes()).map_err(failed)?;
    disk::make_folder(parent).map_err(|error| match error.kind() {
        ErrorKind::InvalidFilename => refused("the key of a file is too long for this disk"),
        _ if below_a_file(folder, parent) => {
            refused("the key of a file lies below that of another file, which a disk cannot hold")
        }
        _ => failed(error),
    })?;

    let lock = disk::owners_only().write(true).create(true).truncate(false).open(folder.join(".lock"));
    let lock = lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(failed)?;
    let placed = match present(path)? {
        Some(placed) => placed,
        None => {
            // A type without a file is of one who died here: it is overwritten.
            content_type.put(&type_path(path)).and_then(|()| body.put(path)).map_err(failed)?;
            Placed::Created
        }
    };
    drop(lock);
    Ok(placed)
}

/// Whether something is there already; a folder is in the way for good.
fn present(path: &Path) -> Result<Option<Placed>, Fault> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(refused("the key of a file is the beginning of those of others, which a disk cannot hold"))
        }
        Ok(_) => Ok(Some(Placed::Existed)),
        Err(error) if is_nothing(&error) => Ok(None),
        Err(error) => Err(Fault::service("cannot look for a file of the bucket", error)),
    }
}

fn below_a_file(folder: &Path, path: &Path) -> bool {
    path.ancestors().take_while(|path| *path != folder).any(Path::is_file)
}

/// Gathers the keys below a folder that begin like this. What we did not write, such as hidden files, has no key.
fn collect(root: &Path, folder: &Path, above: &str, prefix: &str, keys: &mut BTreeSet<String>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if is_nothing(&error) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let (said, goes_on) = match key::part(name) {
            Part::Whole(said) => (said, false),
            Part::Begun(said) => (said, true),
        };
        let mut key = format!("{above}{said}");
        let path = entry.path();
        // Follows what somebody linked here.
        let Ok(found) = fs::metadata(&path) else { continue };
        if found.is_dir() {
            if !goes_on {
                key.push('/');
            }
            if key.starts_with(prefix) || prefix.starts_with(&key) {
                collect(root, &path, &key, prefix, keys)?;
            }
        } else if key.starts_with(prefix) && path.strip_prefix(root).is_ok_and(|path| key::is_path_of(path, &key)) {
            keys.insert(key);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use cognito_triggers::services::contract::{self, Shelf};
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;

    fn on_tokio(task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async move { task.await.unwrap() })
    }

    struct Witness(FolderBucket);

    #[async_trait]
    impl Shelf for Witness {
        async fn object(&self, key: &str) -> Option<Object> {
            self.0.object(key).await.unwrap()
        }
    }

    fn bucket() -> (tempfile::TempDir, FolderBucket) {
        let folder = tempfile::tempdir().unwrap();
        let bucket = FolderBucket::open(&folder.path().join("files")).unwrap();
        (folder, bucket)
    }

    fn text(body: &str) -> Object {
        Object { content_type: "text/plain; charset=utf-8".into(), body: body.into() }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn it_keeps_the_contract() {
        let (folder, bucket) = bucket();
        let second = Arc::new(FolderBucket::open(bucket.folder()).unwrap());
        let witness = Arc::new(Witness(bucket.clone()));
        contract::bucket(Arc::new(bucket), witness).client(second).spawn(on_tokio).holds().await;
        let outside: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(outside, ["files"], "a key led out of the folder");
    }

    #[test]
    fn it_works_without_a_runtime() {
        let (_folder, bucket) = bucket();
        let placed = bucket.put_new("a", &text("a")).now_or_never().expect("it blocks rather than waits");
        assert_eq!(placed.unwrap(), Placed::Created);
        assert_eq!(bucket.list("", 9).now_or_never().unwrap().unwrap(), ["a"]);
    }

    #[tokio::test]
    async fn an_object_is_a_file_where_its_key_says() {
        let (_folder, bucket) = bucket();
        bucket.put_new("users/1/welcome.html", &text("Hello")).await.unwrap();
        assert_eq!(fs::read_to_string(bucket.folder().join("users/1/welcome.html")).unwrap(), "Hello");
        let beside = bucket.folder().join("users/1/.welcome.html.type");
        assert_eq!(fs::read_to_string(beside).unwrap(), "text/plain; charset=utf-8");
    }

    #[tokio::test]
    async fn files_put_there_by_hand_are_objects() {
        let (_folder, bucket) = bucket();
        let templates = bucket.folder().join("templates");
        fs::create_dir(&templates).unwrap();
        for name in ["guide.pdf", "50% off.html", ".DS_Store", "data"] {
            fs::write(templates.join(name), name).unwrap();
        }
        let keys = ["templates/50% off.html", "templates/data", "templates/guide.pdf"];
        assert_eq!(bucket.list("templates/", 9).await.unwrap(), keys);
        for (key, content_type) in keys.iter().zip(["text/html", "application/octet-stream", "application/pdf"]) {
            let copy = key.replace("templates", "users/1");
            assert_eq!(bucket.copy_new(key, &copy).await.unwrap(), Placed::Created);
            assert_eq!(bucket.object(&copy).await.unwrap().unwrap().content_type, content_type);
        }
    }

    #[tokio::test]
    async fn what_one_left_who_died_between_type_and_file_is_in_nobodys_way() {
        let (_folder, bucket) = bucket();
        fs::create_dir(bucket.folder().join("a")).unwrap();
        fs::write(bucket.folder().join("a/.b.txt.type"), "image/png").unwrap();
        fs::write(bucket.folder().join(".unfinished-1"), "half").unwrap();
        assert_eq!(bucket.list("", 9).await.unwrap(), Vec::<String>::new());
        assert_eq!(bucket.put_new("a/b.txt", &text("whole")).await.unwrap(), Placed::Created);
        assert_eq!(bucket.object("a/b.txt").await.unwrap(), Some(text("whole")));
        // A type that was left for `c` does not keep `c/d` out.
        fs::write(bucket.folder().join(".c.type"), "image/png").unwrap();
        assert_eq!(bucket.put_new("c/d", &text("x")).await.unwrap(), Placed::Created);
    }

    #[test]
    fn of_many_threads_without_a_runtime_one_creates() {
        let (_folder, bucket) = bucket();
        for round in 0..20 {
            let key = format!("{round}/a");
            let created = thread::scope(|scope| {
                let put = |number: usize| {
                    let (bucket, key) = (FolderBucket::open(bucket.folder()).unwrap(), key.clone());
                    scope.spawn(move || {
                        bucket.put_new(&key, &text(&number.to_string())).now_or_never().unwrap().unwrap()
                    })
                };
                let threads: Vec<_> = (0..8).map(put).collect();
                threads.into_iter().filter_map(|it| (it.join().unwrap() == Placed::Created).then_some(())).count()
            });
            assert_eq!(created, 1);
        }
    }

    #[tokio::test]
    async fn a_folder_that_was_removed_is_made_again() {
        let (_folder, bucket) = bucket();
        fs::remove_dir_all(bucket.folder()).unwrap();
        assert_eq!(bucket.list("", 9).await.unwrap(), Vec::<String>::new());
        assert_eq!(bucket.put_new("a/b", &text("x")).await.unwrap(), Placed::Created);
        assert_eq!(bucket.list("", 9).await.unwrap(), ["a/b"]);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_any_more_is_a_fault_that_says_so() {
        let (_folder, bucket) = bucket();
        fs::remove_dir_all(bucket.folder()).unwrap();
        fs::write(bucket.folder(), "in the way").unwrap();
        let fault = bucket.put_new("anna", &text("x")).await.unwrap_err();
        let expected = format!("cannot write a file into `{}`; make the folder writable", bucket.folder().display());
        assert!(fault.causes().starts_with(&expected), "{fault}");
        assert!(!fault.causes().contains("anna"), "{fault}");
        assert_eq!(fault.outlook(), Outlook::Transient, "it can be mended");
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let refusal = FolderBucket::open(&file).unwrap_err().to_string();
        assert!(refusal.starts_with("cannot make the folder `"), "{refusal}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_can_read_the_files() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, bucket) = bucket();
        bucket.put_new("a/b", &text("x")).await.unwrap();
        for path in ["", ".lock", "a", "a/b", "a/.b.type"] {
            let mode = bucket.folder().join(path).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{path}");
        }
    }
}
