//! One SQLite file: how it is opened, brought up to date and reached from asynchronous code.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use cognito_triggers::{ConfigError, Fault};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

/// An open file. Clones share one connection; any number of processes may have the same file open.
#[derive(Clone)]
pub(crate) struct Store {
    connection: Arc<Mutex<Connection>>,
    path: Arc<Path>,
}

/// How long one waits for a lock that another process holds. A commit takes about a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);

/// Marks the file as ours, so that another program's database is not written into: "CTRG".
const APPLICATION: i32 = 0x4354_5247;

/// Every step from an empty file to the present tables. Steps are only ever added: `user_version` counts those that were taken.
const STEPS: &[&str] = &[
    r"
    CREATE TABLE members (
        pool TEXT NOT NULL, sub TEXT NOT NULL,
        version INTEGER NOT NULL, data TEXT NOT NULL,
        PRIMARY KEY (pool, sub)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE names (
        pool TEXT NOT NULL, namespace TEXT NOT NULL, key TEXT NOT NULL,
        lapses INTEGER, data TEXT NOT NULL,
        PRIMARY KEY (pool, namespace, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX names_lapses ON names (lapses) WHERE lapses IS NOT NULL;
    CREATE TABLE invitations (
        pool TEXT NOT NULL, hash TEXT NOT NULL,
        version INTEGER NOT NULL, data TEXT NOT NULL,
        PRIMARY KEY (pool, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE switches (
        pool TEXT NOT NULL PRIMARY KEY,
        data TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE deliveries (
        pool TEXT NOT NULL, sub TEXT NOT NULL, key TEXT NOT NULL,
        due INTEGER NOT NULL, data TEXT NOT NULL,
        PRIMARY KEY (pool, sub, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX deliveries_due ON deliveries (pool, due);
    CREATE TABLE commits (
        id TEXT NOT NULL PRIMARY KEY,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX commits_at ON commits (at);
    CREATE TABLE users (
        pool TEXT NOT NULL, sub TEXT NOT NULL,
        user_name TEXT NOT NULL, login TEXT NOT NULL, email TEXT,
        status TEXT NOT NULL, attributes TEXT NOT NULL, created INTEGER NOT NULL,
        PRIMARY KEY (pool, sub),
        UNIQUE (pool, login)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX users_email ON users (pool, email) WHERE email IS NOT NULL;
",
    r"
    DROP INDEX deliveries_due;
    CREATE INDEX deliveries_due ON deliveries (due);
",
    r"
    ALTER TABLE users ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE users ADD COLUMN sign_outs INTEGER NOT NULL DEFAULT 0;
",
];

impl Store {
    /// Opens the file, making it and its folder if need be, and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// Names the file and what to do, if it cannot be made or written, is no database, another program's, or was written by
    /// a newer version.
    pub(crate) fn open(path: &Path) -> Result<Self, ConfigError> {
        if path.as_os_str().is_empty() {
            return Err(ConfigError::new("no file is named").remedy("write one after the colon, e.g. `.pool/pool.db`"));
        }
        // Absolute: messages then say where the file really is, and `:memory:` is a name like any other.
        let path = std::path::absolute(path).map_err(|error| cannot("name", path, &error))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| {
                cannot("make the folder of", &path, &error).remedy("name a file in a folder that can be written")
            })?;
        }
        create(&path).map_err(|error| {
            cannot("open", &path, &error)
                .remedy("name a file that can be read and written, in a folder that can be written")
        })?;
        let connection = connect(&path).map_err(|error| refused(&path, &error))?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: path.into() })
    }

    /// Runs what only reads: all of it sees one state.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    {
        self.run(TransactionBehavior::Deferred, work).await
    }

    /// Runs what writes, alone. It is kept if the work succeeds.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    {
        self.run(TransactionBehavior::Immediate, work).await
    }

    /// SQLite blocks: inside a runtime it does so on a thread made for that.
    async fn run<T, F>(&self, behaviour: TransactionBehavior, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let store = self.clone();
        let blocking = move || store.transact(behaviour, work);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => match runtime.spawn_blocking(blocking).await {
                Ok(done) => done,
                Err(error) => Err(Fault::service(format!("{}: the call ended early", self.path.display()), error)),
            },
            Err(_) => blocking(),
        }
    }

    fn transact<T, F>(&self, behaviour: TransactionBehavior, work: F) -> Result<T, Fault>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    {
        // A panic while it was locked has rolled its transaction back on the way out.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let within = |error: Fault| {
            Fault::service(self.path.display().to_string(), error.causes()).with_outlook(error.outlook())
        };
        let transaction = connection.transaction_with_behavior(behaviour).map_err(|error| within(error.into()))?;
        let done = work(&transaction).map_err(within)?;
        transaction.commit().map_err(|error| within(error.into()))?;
        Ok(done)
    }
}

/// The file, readable by its owner only: it holds what users told us. The files SQLite puts beside it take its mode over.
///
/// One that is there is not opened: closing it again would drop the locks of this process's other connections to it ("POSIX
/// advisory locks canceled by a separate thread doing close()", <https://sqlite.org/howtocorrupt.html>). Another process would
/// then take the file for its own, and what is written after that would be lost.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match path.is_dir() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => Ok(()),
        },
        opened => opened.map(drop),
    }
}

/// Why a file was refused.
enum Unusable {
    Sqlite(rusqlite::Error),
    Foreign,
    Newer(usize),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn connect(path: &Path) -> Result<Connection, Unusable> {
    // No mutex of SQLite's own: ours stands before it. No URI: a file may be called anything.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(32);
    belongs_to_us(&mut connection)?;
    write_ahead(&connection)?;
    // In WAL mode NORMAL may lose the last commits when the power fails; FULL does not. What was acknowledged stays.
    connection.pragma_update(None, "synchronous", "FULL")?;
    upgrade(&mut connection)?;
    Ok(connection)
}

fn belongs_to_us(connection: &mut Connection) -> Result<(), Unusable> {
    // Both in one transaction: between two a process that opens the same new file may have made the tables.
    let file = connection.transaction()?;
    let application: i32 = file.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = file.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == APPLICATION || (application == 0 && tables == 0) { Ok(()) } else { Err(Unusable::Foreign) }
}

/// Readers and one writer at a time do not wait for each other in this mode. The file keeps it.
fn write_ahead(connection: &Connection) -> Result<(), Unusable> {
    let pause = Duration::from_millis(10);
    let mut left = PATIENCE;
    loop {
        // Changing the mode wants the file alone and does not wait for it, so that two who open a new file at once collide.
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && !left.is_zero() => {
                thread::sleep(pause);
                left = left.saturating_sub(pause);
            }
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(()),
        }
    }
}

fn upgrade(connection: &mut Connection) -> Result<(), Unusable> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let taken = usize::try_from(taken).unwrap_or(usize::MAX);
    let Some(missing) = STEPS.get(taken..) else { return Err(Unusable::Newer(taken)) };
    if missing.is_empty() {
        return Ok(());
    }
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", i64::try_from(STEPS.len()).unwrap_or(i64::MAX))?;
    transaction.commit()?;
    Ok(())
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> ConfigError {
    ConfigError::new(format!("cannot {what} `{}`: {error}", path.display()))
}

fn refused(path: &Path, why: &Unusable) -> ConfigError {
    let path = path.display();
    match why {
        Unusable::Newer(taken) => ConfigError::new(format!(
            "`{path}` was written by a newer version (its tables are of step {taken}, this program knows {})",
            STEPS.len()
        ))
        .remedy("use that version, or name another file"),
        Unusable::Foreign => ConfigError::new(format!("`{path}` is another program's database"))
            .remedy("name another file: it is made if it does not exist"),
        Unusable::Sqlite(error) => {
            let (problem, remedy) = match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => {
                    ("is no SQLite database", "name another file: it is made if it does not exist")
                }
                Some(ErrorCode::DatabaseCorrupt) => ("is damaged", "restore it from a copy, or name another file"),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    ("is locked by another program", "end that program, or name another file")
                }
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    ("cannot be written", "make the file and its folder writable, or name another file")
                }
                Some(ErrorCode::DiskFull) => ("does not fit on the disk", "make room, or name a file on another disk"),
                _ => ("cannot be opened", "name another file: it is made if it does not exist"),
            };
            ConfigError::new(format!("`{path}` {problem} ({error})")).remedy(remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        Store::open(path).err().expect("it was opened").to_string()
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool.db");
        let text = "not a database, but longer than the header of one would be: ".repeat(3);
        fs::write(&path, &text).unwrap();
        let refusal = refusal(&path);
        let expected = format!("`{}` is no SQLite database", path.display());
        assert!(refusal.starts_with(&expected) && refusal.contains("name another file"), "{refusal}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn another_programs_database_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        let before = fs::read(&path).unwrap();
        let refusal = refusal(&path);
        assert!(refusal.contains("theirs.db` is another program's database; name another file"), "{refusal}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    /// A ledger and a directory in one file, and another program that looks into it meanwhile.
    #[test]
    fn what_two_services_of_one_process_write_is_not_lost_to_another_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool.db");
        let (first, _second) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
        let counted = || {
            let script = "import sqlite3, sys\nfile = sqlite3.connect(sys.argv[1])\n\
                          print(*file.execute('SELECT count(*) FROM switches').fetchone())\nfile.close()";
            let output = std::process::Command::new("python3").args(["-c", script]).arg(&path).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(counted(), "0");
        let insert = |file: &Transaction<'_>| Ok(file.execute("INSERT INTO switches VALUES ('p', '{}')", ())?);
        first.transact(TransactionBehavior::Immediate, insert).unwrap();
        assert_eq!(counted(), "1");
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool.db");
        Store::open(&path).unwrap();
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
        let refusal = refusal(&path);
        assert!(refusal.contains("was written by a newer version (its tables are of step 999"), "{refusal}");
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let refusal = refusal(&file.join("pool.db"));
        assert!(refusal.starts_with("cannot make the folder of `"), "{refusal}");
        assert!(refusal.ends_with("name a file in a folder that can be written"), "{refusal}");
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = refusal(folder.path());
        assert!(refusal.starts_with("cannot open `"), "{refusal}");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("pool.db")).unwrap();
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
        assert!(files.len() > 1, "the log beside the file is missing");
        for file in files {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
        }
        drop(store);
    }

    #[test]
    fn many_may_make_one_file_at_once() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("pool.db");
            thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| Store::open(&path).map(drop))).collect();
                for thread in threads {
                    thread.join().unwrap().unwrap();
                }
            });
        }
    }

    #[tokio::test]
    async fn a_panic_leaves_nothing_half_written_and_nobody_locked_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("pool.db")).unwrap();
        let panics = store.write::<(), _>(|file| {
            file.execute("INSERT INTO commits VALUES ('a', 1)", [])?;
            panic!("on purpose")
        });
        assert!(panics.await.unwrap_err().causes().contains("the call ended early"));
        let left: i64 = store
            .write(|file| Ok(file.query_row("SELECT count(*) FROM commits", [], |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(left, 0);
    }
}
