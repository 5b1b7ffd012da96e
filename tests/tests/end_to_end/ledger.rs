//! A look into the ledger's file from outside, as another program would.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

/// Runs a future to its end on a thread of its own kind: for the few calls a test makes itself.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Every row of these tables, as text.
#[track_caller]
pub(crate) fn dump(file: &Path, tables: &[&str]) -> Vec<String> {
    let connection = open(file);
    let mut rows = Vec::new();
    for table in tables {
        let columns = connection.prepare(&format!("SELECT * FROM {table}")).unwrap().column_count();
        let order = (1..=columns).map(|column| column.to_string()).collect::<Vec<_>>().join(", ");
        let mut select = connection.prepare(&format!("SELECT * FROM {table} ORDER BY {order}")).unwrap();
        let found = select.query_map([], |row| (0..columns).map(|column| row.get::<_, Value>(column)).collect());
        let found: Vec<Vec<Value>> = found.unwrap().collect::<Result<_, _>>().unwrap();
        rows.extend(found.into_iter().map(|row| format!("{table}: {row:?}")));
    }
    rows
}

/// When every name that is held lapses.
pub(crate) fn lapses(file: &Path) -> Vec<Option<Timestamp>> {
    let connection = open(file);
    let mut select = connection.prepare("SELECT lapses FROM names").unwrap();
    let rows = select.query_map([], |row| row.get::<_, Option<i64>>(0)).unwrap();
    rows.map(|row| row.unwrap().map(|millis| Timestamp::from_millisecond(millis).unwrap())).collect()
}

/// The time of this machine, to compare with what a process of its own wrote.
#[expect(clippy::disallowed_methods, reason = "compared with the clock of another process")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

fn open(file: &Path) -> Connection {
    Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// Every name that is held: namespace, key and owner.
pub(crate) fn names(file: &Path) -> Vec<(String, String, String)> {
    let connection = open(file);
    let mut select = connection.prepare("SELECT namespace, key, data FROM names").unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))).unwrap();
    let names = rows.map(|row| {
        let (namespace, key, data): (String, String, String) = row.unwrap();
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        (namespace, key, data["owner"].as_str().unwrap().to_owned())
    });
    names.collect()
}
