//! Events as lines of a file, in the shape EventBridge hands them on: what reads one reads the other.
//!
//! ```json
//! {"version":"0","id":"…","detail-type":"user.confirmed","source":"cognito-triggers","time":"2026-03-01T10:00:00Z",
//!  "resources":[],"detail":{"…":"…","id":"…","pool":"eu-central-1_Example01","time":"2026-03-01T10:00:00Z"}}
//! ```
//!
//! (On one line.) `detail` is what the rule told, with `id`, `pool` and `time` where it did not tell them itself. Outside of it
//! `id` is another one each time an event is published, and `time` is in whole seconds, as EventBridge has them: by `detail.id`
//! a repetition can be told.
//!
//! Writers take turns under a lock that ends with their process, and each appends a line as a whole. What one who died, or found
//! the disk full, left of a line is removed by the next: nobody was told that it had been published.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cognito_triggers::ledger::UserEvent;
use cognito_triggers::{Adapter, ConfigError, Fault, Publisher, random};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::directory::uuid;
use crate::disk;

/// `file:<file>`.
pub const PUBLISHER: Adapter<dyn Publisher> = Adapter {
    scheme: "file",
    example: EXAMPLE,
    embedded: true,
    open: |opening| {
        Box::pin(async move { Ok(Arc::new(FilePublisher::open(Path::new(&opening.address))?) as Arc<dyn Publisher>) })
    },
};

const EXAMPLE: &str = "file:.pool/events.jsonl";

/// What all events say they come from.
const SOURCE: &str = "cognito-triggers";

/// [`PUBLISHER`], for those who prefer a call.
#[must_use]
pub fn publisher_adapter() -> Adapter<dyn Publisher> {
    PUBLISHER
}

/// A file events are appended to, a line each. Any number of processes may use the same one.
#[derive(Clone, Debug)]
pub struct FilePublisher(Arc<Path>);

impl FilePublisher {
    /// Opens the file; it and its folder are made if need be.
    ///
    /// # Errors
    ///
    /// Names the file and what to do, if it cannot be made or written.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        if path.as_os_str().is_empty() {
            return Err(
                ConfigError::new("no file is named").remedy(format!("write one after the colon, e.g. `{EXAMPLE}`"))
            );
        }
        let path = std::path::absolute(path).map_err(|error| disk::cannot("name", path, &error))?;
        open(&path).map_err(|error| {
            disk::cannot("open", &path, &error)
                .remedy("name a file that can be read and written, in a folder that can be written")
        })?;
        Ok(Self(path.into()))
    }

    /// The file, as an absolute path.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.0
    }
}

#[async_trait]
impl Publisher for FilePublisher {
    async fn publish(&self, pool: &str, event: &UserEvent) -> Result<(), Fault> {
        let mut line = serde_json::to_vec(&Line::of(pool, event, uuid(random::bytes()?)))?;
        line.push(b'\n');
        let path = Arc::clone(&self.0);
        disk::blocking(move || {
            append(&path, &line).map_err(|error| {
                let remedy = "make it writable and mind the room on its disk";
                Fault::service(format!("cannot append an event to `{}`; {remedy}", path.display()), error)
            })
        })
        .await
    }
}

/// An event as EventBridge hands it on.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    version: &'static str,
    id: String,
    detail_type: &'a str,
    source: &'static str,
    time: String,
    resources: [&'static str; 0],
    detail: Map<String, Value>,
}

impl<'a> Line<'a> {
    fn of(pool: &str, event: &'a UserEvent, id: String) -> Self {
        let mut detail = event.detail.clone();
        for (name, value) in [("id", event.id.clone()), ("pool", pool.into()), ("time", event.time.to_string())] {
            detail.entry(name).or_insert(value.into());
        }
        let time = event.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Self { version: "0", id, detail_type: &event.name, source: SOURCE, time, resources: [], detail }
    }
}

/// The file, to be read and appended to; it and its folder are made if need be.
fn open(path: &Path) -> io::Result<File> {
    let mut options = disk::owners_only();
    options.read(true).append(true).create(true);
    match (options.open(path), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == ErrorKind::NotFound => {
            disk::make_folder(folder)?;
            options.open(path)
        }
        (opened, _) => opened,
    }
}

fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = open(path)?;
    file.lock()?;
    mend(&mut file)?;
    let end = file.metadata()?.len();
    let written = file.write_all(line);
    if written.is_err() {
        // If that fails too, the next writer mends it.
        let _ = file.set_len(end);
    }
    written
}

/// Makes the file end with a line: a whole one gets its end, what is left of another is removed.
fn mend(file: &mut File) -> io::Result<()> {
    let end = file.metadata()?.len();
    if end == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(end - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(());
    }
    let mut all = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut all)?;
    let begin = all.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    // Somebody may have written into it with an editor.
    if all.get(begin..).is_some_and(|line| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()) {
        return file.write_all(b"\n");
    }
    file.set_len(u64::try_from(begin).unwrap_or(end))
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use cognito_triggers::services::contract::{self, Audience};
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use serde_json::json;

    use super::*;

    fn on_tokio(task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async move { task.await.unwrap() })
    }

    /// Reads the lines as any other program would.
    struct Reader(FilePublisher);

    fn lines(publisher: &FilePublisher) -> Vec<Value> {
        let text = fs::read_to_string(publisher.file()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[async_trait]
    impl Audience for Reader {
        async fn published(&self, pool: &str, _: usize) -> Vec<UserEvent> {
            let of_the_pool = lines(&self.0).into_iter().filter(|line| line["detail"]["pool"] == pool);
            of_the_pool
                .map(|mut line| {
                    assert_eq!((&line["version"], &line["source"]), (&json!("0"), &json!("cognito-triggers")));
                    assert_ne!(line["id"], line["detail"]["id"], "it would be taken for the one that stays the same");
                    let detail = line["detail"].as_object_mut().unwrap();
                    let (id, time) = (detail.remove("id").unwrap(), detail.remove("time").unwrap());
                    detail.remove("pool");
                    let detail = std::mem::take(detail);
                    let name = line["detail-type"].as_str().unwrap().into();
                    UserEvent {
                        id: id.as_str().unwrap().into(),
                        name,
                        time: time.as_str().unwrap().parse().unwrap(),
                        detail,
                    }
                })
                .collect()
        }
    }

    fn publisher() -> (tempfile::TempDir, FilePublisher) {
        let folder = tempfile::tempdir().unwrap();
        let publisher = FilePublisher::open(&folder.path().join("pool/events.jsonl")).unwrap();
        (folder, publisher)
    }

    fn event(detail: &Value) -> UserEvent {
        UserEvent {
            id: "e-1".into(),
            name: "user.confirmed".into(),
            time: "2026-03-01T10:00:00Z".parse().unwrap(),
            detail: detail.as_object().unwrap().clone(),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn it_keeps_the_contract() {
        let (_folder, publisher) = publisher();
        let second = Arc::new(FilePublisher::open(publisher.file()).unwrap());
        let reader = Arc::new(Reader(publisher.clone()));
        contract::publisher(Arc::new(publisher), reader).client(second).spawn(on_tokio).holds().await;
    }

    #[test]
    fn it_works_without_a_runtime() {
        let (_folder, publisher) = publisher();
        publisher.publish("p", &event(&json!({}))).now_or_never().expect("it blocks rather than waits").unwrap();
        assert_eq!(lines(&publisher).len(), 1);
    }

    #[tokio::test]
    async fn a_line_has_the_shape_eventbridge_hands_on() {
        let (_folder, publisher) = publisher();
        publisher.publish("eu-central-1_A", &event(&json!({ "version": 1, "id": "its own" }))).await.unwrap();
        let written = fs::read_to_string(publisher.file()).unwrap();
        let id = lines(&publisher)[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        let expected = r#"{"version":"0","id":"ID","detail-type":"user.confirmed","source":"cognito-triggers","time":"2026-03-01T10:00:00Z","resources":[],"detail":{"id":"its own","pool":"eu-central-1_A","time":"2026-03-01T10:00:00Z","version":1}}"#;
        assert_eq!(written.replace(&id, "ID"), format!("{expected}\n"));
    }

    #[tokio::test]
    async fn only_the_detail_is_the_same_when_an_event_comes_again() {
        let (_folder, publisher) = publisher();
        let event = UserEvent { time: "2026-03-01T10:00:00.987Z".parse().unwrap(), ..event(&json!({})) };
        publisher.publish("p", &event).await.unwrap();
        publisher.publish("p", &event).await.unwrap();
        let lines = lines(&publisher);
        assert_ne!(lines[0]["id"], lines[1]["id"]);
        assert_eq!(lines[0]["detail"], lines[1]["detail"]);
        assert_eq!(lines[0]["detail"]["id"], "e-1");
        assert_eq!(lines[0]["time"], "2026-03-01T10:00:00Z", "EventBridge keeps it to the second");
        assert_eq!(lines[0]["detail"]["time"], "2026-03-01T10:00:00.987Z");
    }

    #[tokio::test]
    async fn what_is_left_of_a_line_is_removed_and_a_whole_one_is_kept() {
        for (before, kept) in [
            ("{\"one\":1}\n{\"two\":2", 1),
            ("{\"two", 0),
            ("{\"one\":1}\n{\"two\":2}", 2),
            ("{\"one\":1}", 1),
            ("{\"one\":1}\n", 1),
            ("", 0),
        ] {
            let (_folder, publisher) = publisher();
            fs::write(publisher.file(), before).unwrap();
            publisher.publish("p", &event(&json!({}))).await.unwrap();
            assert_eq!(lines(&publisher).len(), kept + 1, "{before:?}");
        }
    }

    #[test]
    fn lines_of_many_writers_do_not_run_together() {
        let (_folder, publisher) = publisher();
        thread::scope(|scope| {
            for writer in 0..8 {
                let publisher = FilePublisher::open(publisher.file()).unwrap();
                let event = event(&json!({ "text": writer.to_string().repeat(100_000) }));
                scope.spawn(move || {
                    (0..8).for_each(|_| publisher.publish("p", &event).now_or_never().unwrap().unwrap())
                });
            }
        });
        assert_eq!(lines(&publisher).len(), 64);
    }

    #[tokio::test]
    async fn a_file_that_was_removed_is_made_again() {
        let (_folder, publisher) = publisher();
        fs::remove_dir_all(publisher.file().parent().unwrap()).unwrap();
        publisher.publish("p", &event(&json!({}))).await.unwrap();
        assert_eq!(lines(&publisher).len(), 1);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_any_more_is_a_fault_that_says_so() {
        let (_folder, publisher) = publisher();
        fs::remove_file(publisher.file()).unwrap();
        fs::create_dir(publisher.file()).unwrap();
        let fault = publisher.publish("p", &event(&json!({ "email": "anna" }))).await.unwrap_err().causes();
        let expected = format!("cannot append an event to `{}`; make it writable", publisher.file().display());
        assert!(fault.starts_with(&expected) && !fault.contains("anna"), "{fault}");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |path: &Path| FilePublisher::open(path).unwrap_err().to_string();
        assert_eq!(
            refusal(Path::new("")),
            "no file is named; write one after the colon, e.g. `file:.pool/events.jsonl`"
        );
        fs::write(folder.path().join("file"), "").unwrap();
        for path in [folder.path().to_owned(), folder.path().join("file/events.jsonl")] {
            let refusal = refusal(&path);
            assert!(refusal.starts_with(&format!("cannot open `{}`: ", path.display())), "{refusal}");
            assert!(
                refusal.ends_with("; name a file that can be read and written, in a folder that can be written"),
                "{refusal}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, publisher) = publisher();
        assert_eq!(publisher.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
