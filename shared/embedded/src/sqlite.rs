//! The ledger in one file of this machine: the same items, conditions and answers as in DynamoDB, without an account.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cognito_triggers::ledger::{
    Backlog, Change, Committed, Delivery, DeliveryId, Fate, Holding, Invitation, InvitationChange, InvitationKey,
    Lease, LeaseId, Ledger, LedgerAdmin, Member, MemberPage, Moved, NameEffect, NameKey, Outbox, Reading, Switches,
};
use cognito_triggers::{Adapter, ConfigError, Fault, Wants};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Params, Row, Transaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::Store;

/// `sqlite:<file>`.
pub const LEDGER: Adapter<dyn Ledger> = Adapter {
    scheme: "sqlite",
    example: "sqlite:.pool/pool.db",
    embedded: true,
    open: |opening| {
        Box::pin(async move {
            let ledger = SqliteLedger::open(Path::new(&opening.address))?;
            Ok(Arc::new(ledger) as Arc<dyn Ledger>)
        })
    },
};

/// [`LEDGER`], for those who prefer a call.
#[must_use]
pub fn ledger_adapter() -> Adapter<dyn Ledger> {
    LEDGER
}

/// A ledger in one SQLite file. Any number of processes may use the same one.
///
/// A commit is on the disk when it is answered. Inside a Tokio runtime the blocking work is done on a thread of its own.
#[derive(Clone)]
pub struct SqliteLedger(Store);

/// How long a commit is remembered, counted from the time it was decided at: as long as DynamoDB remembers a token.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);

/// How long a lapsed name is left where it is. Whether it is free is decided by its time alone.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

impl SqliteLedger {
    /// Opens the file; it and its folder are made if need be.
    ///
    /// # Errors
    ///
    /// Names the file and what to do, if it cannot be made or written, is no database, another program's, or was written by
    /// a newer version.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        Store::open(path).map(Self)
    }

    /// The pools that have deliveries which have not been carried out.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn pools_with_deliveries(&self) -> Result<Vec<String>, Fault> {
        self.0
            .read(|file| {
                let mut select = file.prepare_cached("SELECT DISTINCT pool FROM deliveries ORDER BY pool")?;
                let pools = select.query_map((), |row| row.get(0))?;
                Ok(pools.collect::<Result<_, _>>()?)
            })
            .await
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
        let wants = wants.clone();
        self.0.read(move |file| read(file, &wants)).await
    }

    async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
        change.fits()?;
        let change = change.clone();
        self.0
            .write(move |file| {
                if exists(file, "SELECT 1 FROM commits WHERE id = ?1", (change.id.as_str(),))? {
                    return Ok(Committed::Done);
                }
                let moved = in_the_way(file, &change)?;
                if moved != Moved::default() {
                    return Ok(Committed::Moved(moved));
                }
                apply(file, &change)?;
                clean_up(file, &change)?;
                Ok(Committed::Done)
            })
            .await
    }

    async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let deliveries = deliveries.to_vec();
        self.0
            .write(move |file| {
                for id in &deliveries {
                    let delete = "DELETE FROM deliveries WHERE pool = ?1 AND sub = ?2 AND key = ?3";
                    execute(file, delete, (&id.pool, &id.sub, &id.key))?;
                }
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl LedgerAdmin for SqliteLedger {
    async fn create_invitation(&self, key: &InvitationKey, invitation: &Invitation) -> Result<bool, Fault> {
        let (key, invitation) = (key.clone(), invitation.clone());
        self.0
            .write(move |file| {
                if find_invitation(file, &key)?.is_some() {
                    return Ok(false);
                }
                put_invitation(file, &key, &invitation)?;
                Ok(true)
            })
            .await
    }

    async fn invitations(&self, pool: &str) -> Result<Vec<(InvitationKey, Invitation)>, Fault> {
        let pool = pool.to_owned();
        self.0
            .read(move |file| {
                let mut select = file.prepare_cached("SELECT hash, data FROM invitations WHERE pool = ?1")?;
                let rows = select.query_map((&pool,), |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
                let mut invitations = Vec::new();
                for row in rows {
                    let (hash, data) = row?;
                    let key = InvitationKey { pool: pool.clone(), hash };
                    invitations.push((key, parsed::<Invitation>("invitation", &data)?));
                }
                invitations.sort_by_key(|(_, invitation)| invitation.created);
                Ok(invitations)
            })
            .await
    }

    async fn deliveries(&self, pool: &str) -> Result<Vec<Delivery>, Fault> {
        let pool = pool.to_owned();
        self.0
            .read(move |file| {
                let mut select =
                    file.prepare_cached("SELECT data FROM deliveries WHERE pool = ?1 ORDER BY due, sub, key")?;
                let rows = select.query_map((&pool,), |row| row.get::<_, String>(0))?;
                let rows = rows.map(|row| parsed("delivery", &row?));
                let mut deliveries: Vec<Delivery> = rows.collect::<Result<_, Fault>>()?;
                deliveries.sort_by_key(|delivery| delivery.due);
                Ok(deliveries)
            })
            .await
    }

    async fn redrive(&self, delivery: &DeliveryId, now: Timestamp) -> Result<bool, Fault> {
        let id = delivery.clone();
        self.0
            .write(move |file| match find_delivery(file, &id)? {
                Some(stored) if !stored.is_worked_on(now) => {
                    update_delivery(file, &stored.redriven(now))?;
                    Ok(true)
                }
                _ => Ok(false),
            })
            .await
    }

    async fn members(&self, pool: &str, page: Option<String>) -> Result<MemberPage, Fault> {
        let pool = pool.to_owned();
        self.0
            .read(move |file| {
                let select =
                    "SELECT sub, data FROM members WHERE pool = ?1 AND (?2 IS NULL OR sub > ?2) ORDER BY sub LIMIT ?3";
                let mut select = file.prepare_cached(select)?;
                let most = i64::try_from(PAGE)?;
                let rows = select.query_map((&pool, &page, most), |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
                let mut members: Vec<(String, Member)> = Vec::new();
                for row in rows {
                    let (sub, data) = row?;
                    members.push((sub, parsed("member", &data)?));
                }
                let next = members.last().filter(|_| members.len() == PAGE).map(|(sub, _)| sub.clone());
                Ok(MemberPage { members, next })
            })
            .await
    }

    async fn switch(&self, pool: &str, expected: u64, switches: &Switches) -> Result<bool, Fault> {
        let (pool, switches) = (pool.to_owned(), Switches { version: expected.saturating_add(1), ..switches.clone() });
        self.0
            .write(move |file| {
                if find_switches(file, &pool)?.map_or(0, |stored| stored.version) != expected {
                    return Ok(false);
                }
                let upsert = "INSERT OR REPLACE INTO switches (pool, data) VALUES (?1, ?2)";
                execute(file, upsert, (&pool, text(&switches)?))?;
                Ok(true)
            })
            .await
    }
}

/// How many members stand on a page.
const PAGE: usize = 200;

#[async_trait]
impl Outbox for SqliteLedger {
    async fn lease_due(&self, lease: &Lease, most: usize) -> Result<Vec<Delivery>, Fault> {
        let lease = lease.clone();
        self.0
            .write(move |file| {
                let (mut leased, mut unreadable) = (Vec::new(), None);
                loop {
                    let rows = due_rows(file, lease.now, most)?;
                    let mut passed_over = false;
                    for (id, data) in rows {
                        match parsed::<Delivery>("delivery", &data) {
                            Ok(delivery) if delivery.is_due(lease.now) => leased.push(take(file, delivery, &lease)?),
                            Ok(_) => {}
                            Err(fault) => {
                                pass_over(file, &id, &lease)?;
                                unreadable.get_or_insert(fault);
                                passed_over = true;
                            }
                        }
                    }
                    if !leased.is_empty() || !passed_over {
                        break;
                    }
                }
                match unreadable {
                    // What came later stays so: an error would take it back.
                    Some(fault) if leased.is_empty() => Ok(Err(fault)),
                    _ => Ok(Ok(leased)),
                }
            })
            .await?
    }

    async fn lease(&self, deliveries: &[DeliveryId], lease: &Lease) -> Result<Vec<Delivery>, Fault> {
        let (deliveries, lease) = (deliveries.to_vec(), lease.clone());
        self.0
            .write(move |file| {
                let mut leased = Vec::new();
                for id in &deliveries {
                    if let Some(delivery) = find_delivery(file, id)?.filter(|delivery| delivery.is_due(lease.now)) {
                        leased.push(take(file, delivery, &lease)?);
                    }
                }
                Ok(leased)
            })
            .await
    }

    async fn settle(&self, delivery: &DeliveryId, lease: &LeaseId, fate: &Fate) -> Result<bool, Fault> {
        let (id, lease, fate) = (delivery.clone(), lease.clone(), fate.clone());
        self.0
            .write(move |file| match find_delivery(file, &id)? {
                Some(stored) if stored.lease.as_ref() == Some(&lease) => {
                    update_delivery(file, &fate.of(stored))?;
                    Ok(true)
                }
                _ => Ok(false),
            })
            .await
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog, Fault> {
        self.0
            .read(move |file| {
                let select = "SELECT COUNT(*), MIN(due), (SELECT COUNT(*) FROM deliveries WHERE due = ?2) \
                              FROM deliveries WHERE due <= ?1";
                let count =
                    |row: &Row<'_>, column| row.get(column).map(|count: i64| usize::try_from(count).unwrap_or(0));
                let parameters = (now.as_millisecond(), NEVER);
                let (due, oldest, parked) = file
                    .prepare_cached(select)?
                    .query_row(parameters, |row| Ok((count(row, 0)?, row.get::<_, Option<i64>>(1)?, count(row, 2)?)))?;
                let oldest = oldest.map(Timestamp::from_millisecond).transpose()?;
                Ok(Backlog { due, oldest, parked })
            })
            .await
    }
}

/// When a parked delivery is tried.
const NEVER: i64 = i64::MAX;

/// What the index of due deliveries goes by.
fn tried_at(delivery: &Delivery) -> i64 {
    if delivery.parked.is_some() { NEVER } else { delivery.due.as_millisecond() }
}

/// The oldest that are due, as they are stored.
fn due_rows(file: &Transaction<'_>, now: Timestamp, most: usize) -> Result<Vec<(DeliveryId, String)>, Fault> {
    let select = "SELECT pool, sub, key, data FROM deliveries WHERE due <= ?1 ORDER BY due LIMIT ?2";
    let mut select = file.prepare_cached(select)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = select.query_map((now.as_millisecond(), most), |row| {
        Ok((DeliveryId { pool: row.get(0)?, sub: row.get(1)?, key: row.get(2)? }, row.get(3)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Has one come later that cannot be read: a newer version wrote it, perhaps. It stays for whoever can read it, and does not
/// stand before the others at every call.
fn pass_over(file: &Transaction<'_>, id: &DeliveryId, lease: &Lease) -> Result<(), Fault> {
    let later = lease.until.max(lease.now).as_millisecond().saturating_add(1);
    let update = "UPDATE deliveries SET due = ?4 WHERE pool = ?1 AND sub = ?2 AND key = ?3";
    execute(file, update, (&id.pool, &id.sub, &id.key, later))
}

fn take(file: &Transaction<'_>, delivery: Delivery, lease: &Lease) -> Result<Delivery, Fault> {
    let leased = Delivery { lease: Some(lease.id.clone()), due: lease.until, ..delivery };
    update_delivery(file, &leased)?;
    Ok(leased)
}

fn find_delivery(file: &Transaction<'_>, id: &DeliveryId) -> Result<Option<Delivery>, Fault> {
    let select = "SELECT data FROM deliveries WHERE pool = ?1 AND sub = ?2 AND key = ?3";
    find(file, "delivery", select, (&id.pool, &id.sub, &id.key))
}

fn update_delivery(file: &Transaction<'_>, delivery: &Delivery) -> Result<(), Fault> {
    let update = "UPDATE deliveries SET due = ?4, data = ?5 WHERE pool = ?1 AND sub = ?2 AND key = ?3";
    let DeliveryId { pool, sub, key } = &delivery.id;
    execute(file, update, (pool, sub, key, tried_at(delivery), text(delivery)?))
}

/// `sqlite:<file>` as the courier works with it.
pub const OUTBOX: Adapter<dyn Outbox> = Adapter {
    scheme: LEDGER.scheme,
    example: LEDGER.example,
    embedded: true,
    open: |opening| {
        Box::pin(async move {
            let ledger = SqliteLedger::open(Path::new(&opening.address))?;
            Ok(Arc::new(ledger) as Arc<dyn Outbox>)
        })
    },
};

fn read(file: &Transaction<'_>, wants: &Wants) -> Result<Reading, Fault> {
    let mut reading = Reading::default();
    if let Some(sub) = &wants.sub {
        reading.member = find_member(file, &wants.pool, sub)?;
    }
    reading.switches = find_switches(file, &wants.pool)?.unwrap_or_default();
    for key in &wants.invitations {
        if let Some(invitation) = find_invitation(file, key)? {
            reading.invitations.insert(key.clone(), invitation);
        }
    }
    for key in &wants.names {
        if let Some(holding) = find_holding(file, key)? {
            reading.names.insert(key.clone(), holding);
        }
    }
    Ok(reading)
}

/// Everything that has moved, the fresh state with it.
fn in_the_way(file: &Transaction<'_>, change: &Change) -> Result<Moved, Fault> {
    let mut moved = Moved::default();
    if let Some(member) = &change.member {
        let stored = find_member(file, &change.pool, &member.sub)?;
        if !member.fits(stored.as_ref()) {
            moved.member = Some(stored);
        }
    }
    for (key, invitation) in &change.invitations {
        if let InvitationChange::Put { expected, .. } = invitation {
            let stored = find_invitation(file, key)?;
            if stored.as_ref().map_or(0, |stored| stored.version) != *expected {
                moved.invitations.insert(key.clone(), stored);
            }
        }
    }
    for (key, name) in &change.names {
        if name.effect(find_holding(file, key)?.as_ref(), change.now) == NameEffect::Taken {
            moved.taken.insert(key.clone());
        }
    }
    Ok(moved)
}

fn apply(file: &Transaction<'_>, change: &Change) -> Result<(), Fault> {
    execute(file, "INSERT INTO commits (id, at) VALUES (?1, ?2)", (change.id.as_str(), change.now.as_millisecond()))?;
    if let Some(member) = &change.member {
        match &member.member {
            Some(new) => {
                let upsert = "INSERT OR REPLACE INTO members (pool, sub, version, data) VALUES (?1, ?2, ?3, ?4)";
                execute(file, upsert, (&change.pool, &member.sub, number(new.version), text(new)?))?;
            }
            None => {
                execute(file, "DELETE FROM members WHERE pool = ?1 AND sub = ?2", (&change.pool, &member.sub))?;
            }
        }
    }
    for (key, invitation) in &change.invitations {
        match invitation {
            InvitationChange::Put { invitation, .. } => put_invitation(file, key, invitation)?,
            InvitationChange::Consume { applicants, user } => {
                let Some(mut invitation) = find_invitation(file, key)? else { continue };
                let before = invitation.uses.clone();
                invitation.consume(applicants, user, change.now);
                if invitation.uses != before {
                    invitation.version = invitation.version.saturating_add(1);
                    put_invitation(file, key, &invitation)?;
                }
            }
        }
    }
    for (key, name) in &change.names {
        match name.effect(find_holding(file, key)?.as_ref(), change.now) {
            NameEffect::Held(holding) => {
                let upsert =
                    "INSERT OR REPLACE INTO names (pool, namespace, key, lapses, data) VALUES (?1, ?2, ?3, ?4, ?5)";
                let lapses = holding.until.map(Timestamp::as_millisecond);
                execute(file, upsert, (&key.pool, &key.namespace, &key.key, lapses, text(&holding)?))?;
            }
            NameEffect::Freed => {
                let delete = "DELETE FROM names WHERE pool = ?1 AND namespace = ?2 AND key = ?3";
                execute(file, delete, (&key.pool, &key.namespace, &key.key))?;
            }
            NameEffect::Stays | NameEffect::Taken => {}
        }
    }
    for delivery in &change.deliveries {
        let insert = "INSERT OR IGNORE INTO deliveries (pool, sub, key, due, data) VALUES (?1, ?2, ?3, ?4, ?5)";
        let DeliveryId { pool, sub, key } = &delivery.id;
        execute(file, insert, (pool, sub, key, tried_at(delivery), text(delivery)?))?;
    }
    Ok(())
}

/// What DynamoDB does by itself: commits are forgotten, names that lapsed long ago go.
fn clean_up(file: &Transaction<'_>, change: &Change) -> Result<(), Fault> {
    let old = change.now.saturating_sub(REMEMBERED)?.as_millisecond();
    execute(file, "DELETE FROM commits WHERE at < ?1", (old,))?;
    let lapsed = change.now.saturating_sub(KEPT)?.as_millisecond();
    execute(file, "DELETE FROM names WHERE lapses < ?1", (lapsed,))
}

fn find_member(file: &Transaction<'_>, pool: &str, sub: &str) -> Result<Option<Member>, Fault> {
    find(file, "member", "SELECT data FROM members WHERE pool = ?1 AND sub = ?2", (pool, sub))
}

fn find_switches(file: &Transaction<'_>, pool: &str) -> Result<Option<Switches>, Fault> {
    find(file, "switches", "SELECT data FROM switches WHERE pool = ?1", (pool,))
}

fn find_invitation(file: &Transaction<'_>, key: &InvitationKey) -> Result<Option<Invitation>, Fault> {
    let select = "SELECT data FROM invitations WHERE pool = ?1 AND hash = ?2";
    find(file, "invitation", select, (&key.pool, &key.hash))
}

fn put_invitation(file: &Transaction<'_>, key: &InvitationKey, invitation: &Invitation) -> Result<(), Fault> {
    let upsert = "INSERT OR REPLACE INTO invitations (pool, hash, version, data) VALUES (?1, ?2, ?3, ?4)";
    execute(file, upsert, (&key.pool, &key.hash, number(invitation.version), text(invitation)?))
}

fn find_holding(file: &Transaction<'_>, key: &NameKey) -> Result<Option<Holding>, Fault> {
    let select = "SELECT data FROM names WHERE pool = ?1 AND namespace = ?2 AND key = ?3";
    find(file, "name", select, (&key.pool, &key.namespace, &key.key))
}

fn find<T: DeserializeOwned>(
    file: &Transaction<'_>,
    what: &str,
    select: &str,
    key: impl Params,
) -> Result<Option<T>, Fault> {
    let data: Option<String> = file.prepare_cached(select)?.query_row(key, |row| row.get(0)).optional()?;
    data.map(|data| parsed(what, &data)).transpose()
}

fn exists(file: &Transaction<'_>, select: &str, key: impl Params) -> Result<bool, Fault> {
    Ok(file.prepare_cached(select)?.exists(key)?)
}

fn execute(file: &Transaction<'_>, statement: &str, values: impl Params) -> Result<(), Fault> {
    file.prepare_cached(statement)?.execute(values)?;
    Ok(())
}

/// The text of an item is not quoted: it may tell about a person.
fn parsed<T: DeserializeOwned>(what: &str, data: &str) -> Result<T, Fault> {
    serde_json::from_str(data).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Fault::service(format!("a stored {what} cannot be read"), format!("{:?} error at {place}", error.classify()))
    })
}

fn text(item: &impl Serialize) -> Result<String, Fault> {
    Ok(serde_json::to_string(item)?)
}

/// SQLite counts with a sign. The column is for looking at; what counts stands in the data.
fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::process::{Child, Command, Stdio};

    use cognito_triggers::ledger::contract::Contract;
    use cognito_triggers::ledger::{CommitId, MemberChange, NameChange, Owner, Task};
    use cognito_triggers::{Environment, services::Opening};
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;

    fn on_tokio(task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async move { task.await.unwrap() })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn it_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open(&folder.path().join("pool.db")).unwrap();
        Contract::of(Arc::new(ledger)).spawn(on_tokio).holds().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn several_who_open_one_file_keep_the_contract_together() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Arc::new(SqliteLedger::open(&folder.path().join("pool.db")).unwrap());
        Contract::of(open()).client(open()).client(open()).spawn(on_tokio).holds().await;
    }

    #[test]
    fn it_works_without_a_runtime() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open(&folder.path().join("pool.db")).unwrap();
        let reading = ledger.read(&Wants::default()).now_or_never().expect("it blocks rather than waits").unwrap();
        assert_eq!(reading, Reading::default());
    }

    #[tokio::test]
    async fn what_was_committed_is_there_when_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a new").join("folder").join("pool.db");
        let key = InvitationKey { pool: "p".into(), hash: "h".into() };
        let invitation: Invitation =
            serde_json::from_str(r#"{"maximum": 1, "created": "2026-01-01T00:00:00Z", "version": 1}"#).unwrap();
        assert!(SqliteLedger::open(&file).unwrap().create_invitation(&key, &invitation).await.unwrap());
        assert_eq!(SqliteLedger::open(&file).unwrap().invitations("p").await.unwrap(), [(key, invitation)]);
    }

    #[tokio::test]
    async fn damaged_data_is_a_fault_that_names_the_file_and_quotes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pool.db");
        let ledger = SqliteLedger::open(&file).unwrap();
        let other = rusqlite::Connection::open(&file).unwrap();
        other.execute("INSERT INTO members VALUES ('p', 'anna', 1, '{\"version\": \"secret\"}')", []).unwrap();
        let wants = Wants { pool: "p".into(), sub: Some("anna".into()), ..Wants::default() };
        let fault = ledger.read(&wants).await.unwrap_err().causes();
        assert!(fault.contains("pool.db") && fault.contains("a stored member cannot be read"), "{fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }

    #[tokio::test]
    async fn a_delivery_that_cannot_be_read_holds_up_no_other_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pool.db");
        let ledger = SqliteLedger::open(&file).unwrap();
        let other = rusqlite::Connection::open(&file).unwrap();
        let data = r#"{"id": {"pool": "p", "sub": "s", "key": "k"}, "task": {"kind": "hologram", "to": "secret"}}"#;
        for number in 0..5 {
            let row = (format!("s{number}"), NOW.as_millisecond(), data);
            other.execute("INSERT INTO deliveries VALUES ('p', ?1, 'k', ?2, ?3)", row).unwrap();
        }
        let id = DeliveryId { pool: "p".into(), sub: "anna".into(), key: "k".into() };
        let task = Task::UpdateAttributes { user_name: "anna".into(), attributes: BTreeMap::new() };
        let delivery = Delivery::new(id, task, NOW + SignedDuration::from_secs(1));
        let change = Change {
            id: CommitId::random().unwrap(),
            now: NOW,
            pool: "p".into(),
            member: None,
            names: BTreeMap::new(),
            invitations: BTreeMap::new(),
            deliveries: vec![delivery.clone()],
        };
        ledger.commit(&change).await.unwrap();
        let lease = |seconds: i64| {
            let now = NOW + SignedDuration::from_secs(seconds);
            Lease { id: LeaseId::random().unwrap(), now, until: now + SignedDuration::from_secs(120) }
        };
        // They are older, and more than are asked for.
        let leased = ledger.lease_due(&lease(1), 3).await.unwrap();
        assert_eq!(leased.iter().map(|it| &it.id).collect::<Vec<_>>(), [&delivery.id]);
        assert_eq!(ledger.lease_due(&lease(2), 3).await.unwrap(), [], "they stand in front again");
        ledger.acknowledge(std::slice::from_ref(&delivery.id)).await.unwrap();
        let fault = ledger.lease_due(&lease(200), 3).await.unwrap_err().causes();
        assert!(fault.contains("a stored delivery cannot be read") && !fault.contains("secret"), "{fault}");
        let left: i64 = other.query_row("SELECT COUNT(*) FROM deliveries", (), |row| row.get(0)).unwrap();
        assert_eq!(left, 5);
    }

    #[tokio::test]
    async fn the_adapter_opens_what_the_address_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pool.db");
        let opening = |address: String| Opening { address, environment: Environment::default() };
        let ledger = (LEDGER.open)(opening(file.display().to_string())).await.unwrap();
        assert_eq!(ledger.read(&Wants::default()).await.unwrap(), Reading::default());
        assert!(fs::metadata(file).unwrap().is_file());
        let error = (LEDGER.open)(opening(String::new())).await.err().unwrap().to_string();
        assert_eq!(error, "no file is named; write one after the colon, e.g. `.pool/pool.db`");
    }

    const FILE: &str = "SQLITE_LEDGER_TEST_FILE";
    const NOW: Timestamp = Timestamp::constant(4_102_444_800, 0);

    fn name(number: u64) -> NameKey {
        NameKey { pool: "p".into(), namespace: "n".into(), key: number.to_string() }
    }

    fn count_of(member: &Member) -> u64 {
        member.other.get("count").and_then(serde_json::Value::as_u64).unwrap_or_default()
    }

    fn wants() -> Wants {
        Wants { pool: "p".into(), sub: Some("anna".into()), ..Wants::default() }
    }

    /// Counts one further and holds the name of that number, in one change; `false` if somebody else was quicker.
    async fn step(ledger: &SqliteLedger, sub: &str) -> bool {
        let mut member =
            ledger.read(&Wants { sub: Some(sub.into()), ..wants() }).await.unwrap().member.unwrap_or_default();
        let (expected, count) = (member.version, count_of(&member) + 1);
        member.version += 1;
        member.other.insert("count".into(), count.into());
        let hold = NameChange::Hold { owner: Owner::user(sub), instead_of: Vec::new(), until: None, note: None };
        let change = Change {
            id: CommitId::random().unwrap(),
            now: NOW,
            pool: "p".into(),
            member: Some(MemberChange { sub: sub.into(), expected, member: Some(member) }),
            names: [(name(count), hold)].into(),
            invitations: BTreeMap::new(),
            deliveries: Vec::new(),
        };
        ledger.commit(&change).await.unwrap() == Committed::Done
    }

    /// Not a test of its own: what the processes of the tests below do. Without the variable it does nothing.
    #[tokio::test]
    #[allow(clippy::disallowed_methods, reason = "how a test tells its processes what to do")]
    async fn one_process_of_several() {
        let Some(file) = std::env::var_os(FILE) else { return };
        let ledger = SqliteLedger::open(Path::new(&file)).unwrap();
        let mut done = 0;
        while done < 50 {
            done += u32::from(step(&ledger, "anna").await);
        }
    }

    fn process(file: &Path) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let child = command.args(["--exact", "sqlite::tests::one_process_of_several", "--quiet"]).env(FILE, file);
        child.stdout(Stdio::null()).spawn().unwrap()
    }

    async fn count_and_names(file: &Path) -> (u64, u64) {
        let ledger = SqliteLedger::open(file).unwrap();
        let member = ledger.read(&wants()).await.unwrap().member.unwrap_or_default();
        assert_eq!(member.version, count_of(&member));
        let names = (0..=300).map(name).collect();
        let held = ledger.read(&Wants { names, ..wants() }).await.unwrap().names;
        (count_of(&member), held.len() as u64)
    }

    #[tokio::test]
    async fn several_processes_lose_nothing_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pool.db");
        let processes: Vec<_> = (0..4).map(|_| process(&file)).collect();
        for mut process in processes {
            assert!(process.wait().unwrap().success());
        }
        assert_eq!(count_and_names(&file).await, (200, 200));
    }

    #[tokio::test]
    async fn a_process_that_is_killed_leaves_whole_changes_and_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pool.db");
        let ledger = SqliteLedger::open(&file).unwrap();
        let mut before = 0;
        for _ in 0..5 {
            let mut process = process(&file);
            // Killed once it has begun to write, wherever it is then.
            while count_and_names(&file).await.0 == before {
                assert!(process.try_wait().unwrap().is_none_or(|end| end.success()), "the process failed");
            }
            process.kill().unwrap();
            process.wait().unwrap();
            let (count, names) = count_and_names(&file).await;
            assert_eq!(count, names, "half a change was written");
            assert!(step(&ledger, "anna").await, "the file takes no more changes");
            before = count + 1;
        }
    }
}
