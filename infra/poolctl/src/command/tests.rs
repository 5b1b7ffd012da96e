use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cognito_triggers::ledger::{LedgerAdmin, Owner};
use cognito_triggers::{Clock, Keys, Ledger, StoppedClock, UserStatus, Wants};
use cognito_triggers_embedded::{LocalDirectory, NewUser, SqliteLedger};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;

const POOL: &str = "eu-central-1_Example01";
const KEY: &str = "0000000000000000000000000000000000000000000000000000000000000007";

/// A clock that does not wait.
struct Hasty(StoppedClock);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep(&self, time: std::time::Duration) -> BoxFuture<'static, ()> {
        // The dispatcher's deadline is a sleep too, which must not be over before the work is done.
        if time > std::time::Duration::from_secs(30) {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(()))
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    file: PathBuf,
    clock: Arc<Hasty>,
    key: Option<&'static str>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pool.db");
        Self { _folder: folder, file, clock: Arc::new(Hasty(StoppedClock::default())), key: Some(KEY) }
    }

    async fn run(&self, arguments: &[&str]) -> (u8, String, String) {
        let addresses =
            [format!("--ledger=sqlite:{}", self.file.display()), format!("--directory=local:{}", self.file.display())];
        let place = ["poolctl", &addresses[0], &addresses[1], "--pool", POOL];
        self.run_bare(&[&place, arguments].concat()).await
    }

    async fn run_bare(&self, arguments: &[&str]) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let world = World {
            out: &mut out,
            err: &mut err,
            watched: false,
            variables: self.key.map(|key| ("TRIGGERS_KEY".to_owned(), key.to_owned())).into_iter().collect(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
        };
        let code = run(arguments.iter().map(OsString::from), world).await;
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn ledger(&self) -> SqliteLedger {
        SqliteLedger::open(&self.file).unwrap()
    }

    async fn list(&self) -> Vec<Value> {
        let (code, out, err) = self.run(&["invitations", "list", "--json"]).await;
        assert_eq!((code, err.as_str()), (0, ""));
        serde_json::from_str(&out).unwrap()
    }
}

#[tokio::test]
async fn a_code_is_shown_once_and_stored_as_a_hash() {
    let bench = Bench::new();
    let (code, out, err) =
        bench.run(&["invitations", "create", "--maximum", "3", "--expires", "7d", "--note", "booth"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("lets 3 users in until 2026-01-08 12:00 UTC"), "{err}");
    let secret = out.trim();
    let all = bench.ledger().invitations(POOL).await.unwrap();
    let keys = Keys::parse(KEY).unwrap();
    assert_eq!(all[0].0, keys.invitation(POOL, &access_code::normal(secret).unwrap())[0]);

    let list = bench.list().await;
    assert_eq!(list[0]["state"], "open");
    assert_eq!((&list[0]["maximum"], &list[0]["note"]), (&3.into(), &"booth".into()));
    let (_, table, _) = bench.run(&["invitations", "list"]).await;
    assert!(table.contains("open") && table.contains("0 of 3") && table.contains("2026-01-08 12:00"), "{table}");
    let database = std::fs::read(&bench.file).unwrap();
    for spelling in [secret.to_owned(), secret.replace('-', "")] {
        assert!(!table.contains(&spelling));
        assert!(!database.windows(spelling.len()).any(|bytes| bytes == spelling.as_bytes()), "the code is in the file");
    }
    bench.clock.0.pass(SignedDuration::from_hours(24 * 8));
    assert_eq!(bench.list().await[0]["state"], "expired");
}

#[tokio::test]
async fn many_are_made_at_once() {
    let bench = Bench::new();
    let (code, out, _) = bench.run(&["invitations", "create", "--count", "5", "--json"]).await;
    assert_eq!(code, 0);
    let codes: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let different: std::collections::BTreeSet<_> = codes.iter().map(|made| made["code"].as_str().unwrap()).collect();
    assert_eq!((codes.len(), different.len(), bench.list().await.len()), (5, 5, 5));
}

#[tokio::test]
async fn without_the_root_key_no_invitation_is_made() {
    let bench = Bench { key: None, ..Bench::new() };
    let (code, out, err) = bench.run(&["invitations", "create"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("error: TRIGGERS_KEY is not set; set it to the root key of the functions"), "{err}");
    assert!(!bench.file.exists());
    let wrong = Bench { key: Some("short"), ..Bench::new() };
    let (code, _, err) = wrong.run(&["invitations", "create"]).await;
    assert!(code == 1 && err.starts_with("error: TRIGGERS_KEY: ") && !err.contains("short"), "{err}");
}

#[tokio::test]
async fn an_invitation_is_taken_back_by_hash_or_code() {
    let bench = Bench::new();
    let (_, out, _) = bench.run(&["invitations", "create", "--count", "2"]).await;
    let codes: Vec<&str> = out.lines().collect();
    let (code, told, err) = bench.run(&["invitations", "revoke", &codes[0].to_lowercase()]).await;
    assert_eq!(code, 0, "{err}");
    let states = |list: &[Value]| list.iter().filter(|one| one["state"] == "revoked").count();
    let list = bench.list().await;
    assert_eq!(states(&list), 1);
    let revoked = list.iter().find(|one| one["state"] == "revoked").unwrap();
    assert!(told.starts_with(revoked["hash"].as_str().unwrap()));

    let other = list.iter().find(|one| one["state"] == "open").unwrap()["hash"].as_str().unwrap();
    for _ in 0..2 {
        assert_eq!(bench.run(&["invitations", "revoke", other]).await.0, 0, "it is repeatable");
    }
    assert_eq!(states(&bench.list().await), 2);
    let (code, _, err) = bench.run(&["invitations", "revoke", "ABCDEFGH234"]).await;
    assert!(code == 1 && err.contains("has no such invitation; see"), "{err}");
    assert_eq!(bench.run(&["invitations", "revoke", "A"]).await.0, 1);
}

struct Town {
    bench: Bench,
    directory: LocalDirectory,
}

impl Town {
    fn new() -> Self {
        let bench = Bench::new();
        Self { directory: LocalDirectory::open(&bench.file).unwrap(), bench }
    }

    /// A user created on this day of January.
    async fn settle(&self, name: &str, nickname: &str, day: u8, status: UserStatus) -> String {
        let attributes = [("nickname", nickname.to_owned()), ("email", format!("{name}@example.com"))];
        let user = NewUser {
            user_name: name.into(),
            attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            status,
            created: format!("2025-01-{day:02}T00:00:00Z").parse().unwrap(),
        };
        self.directory.create(POOL, user).await.unwrap().unwrap().sub
    }

    async fn owner(&self, name: &str) -> Option<Owner> {
        let names = unique_nickname::name_keys(POOL, "nickname", name).unwrap();
        let wants = Wants { pool: POOL.into(), names, ..Wants::default() };
        let owners: std::collections::BTreeSet<_> =
            self.bench.ledger().read(&wants).await.unwrap().names.into_values().map(|holding| holding.owner).collect();
        assert!(owners.len() < 2, "one name, several owners");
        owners.into_iter().next()
    }

    async fn nicknames(&self) -> BTreeMap<String, String> {
        let users = self.directory.list(POOL).await.unwrap();
        users.into_iter().map(|user| (user.user_name, user.attributes["nickname"].clone())).collect()
    }
}

#[tokio::test]
async fn who_was_first_keeps_the_name_and_no_profile_changes() {
    let town = Town::new();
    town.settle("late", "ANNA", 20, UserStatus::Confirmed).await;
    let first = town.settle("early", "Anna", 10, UserStatus::Confirmed).await;
    town.settle("never", "Anna", 1, UserStatus::Unconfirmed).await;
    let other = town.settle("other", "Bela", 5, UserStatus::ExternalProvider).await;
    town.settle("odd", "\u{7}", 6, UserStatus::Confirmed).await;
    let before = town.nicknames().await;

    let rehearsal = town.bench.run(&["names", "backfill", "--dry-run"]).await;
    assert_eq!(town.owner("Anna").await, None, "a rehearsal writes nothing");
    let (code, table, err) = town.bench.run(&["names", "backfill"]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(rehearsal.1, table, "the rehearsal told something else");
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    let cells: Vec<_> = lines[1].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells, ["ANNA", "late", "2025-01-20 00:00", "early", "Anna", "2025-01-10 00:00"]);
    assert!(err.contains("2 held now, 0 held before, 1 clash, 1 cannot be held"), "{err}");
    assert_eq!(town.owner("anna").await, Some(Owner::user(&first)));
    assert_eq!(town.owner("Bela").await, Some(Owner::user(&other)));
    assert_eq!(town.nicknames().await, before);

    let (_, again, err) = town.bench.run(&["names", "backfill"]).await;
    assert_eq!(again, table);
    assert!(err.contains("0 held now, 2 held before, 1 clash"), "{err}");
    let (_, json, _) = town.bench.run(&["names", "backfill", "--json"]).await;
    let clashes: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&clashes[0]["user"], &clashes[0]["held_by"]["user"]), (&"late".into(), &"early".into()));
}

#[tokio::test]
async fn an_interrupted_run_is_taken_up_again() {
    let town = Town::new();
    for number in 0..130 {
        town.settle(&format!("user-{number}"), &format!("name-{number}"), 10, UserStatus::Confirmed).await;
    }
    let database = rusqlite::Connection::open(&town.bench.file).unwrap();
    // From the fiftieth member on the disk is full.
    let tables: Vec<String> = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'member%'")
        .unwrap()
        .query_map((), |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let table = &tables[0];
    database
        .execute(
            &format!(
                "CREATE TRIGGER full BEFORE INSERT ON {table} WHEN (SELECT count(*) FROM {table}) >= 50
                 BEGIN SELECT RAISE(FAIL, 'disk full'); END"
            ),
            (),
        )
        .unwrap();
    let (code, _, err) = town.bench.run(&["names", "backfill"]).await;
    assert!(code == 1 && err.contains("nothing is lost: run it again"), "{err}");
    database.execute("DROP TRIGGER full", ()).unwrap();
    let (code, _, err) = town.bench.run(&["names", "backfill"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("80 held now, 50 held before, 0 clash"), "{err}");
}

#[tokio::test]
async fn another_attribute_is_another_namespace() {
    let town = Town::new();
    town.settle("early", "Anna", 10, UserStatus::Confirmed).await;
    let (code, _, err) = town.bench.run(&["names", "backfill", "--attribute", "preferred_username"]).await;
    assert!(code == 0 && err.contains("0 held now"), "{err}");
    assert_eq!(town.owner("Anna").await, None);
    let (code, _, err) = town.bench.run(&["names", "backfill", "--attribute", "email"]).await;
    assert!(code == 1 && err.starts_with("error: --attribute: `email` is not a name a user chooses"), "{err}");
}

#[tokio::test]
async fn what_is_missing_is_named_with_a_remedy() {
    let bench = Bench::new();
    let list = ["invitations", "list"];
    let (code, _, err) = bench.run_bare(&[&["poolctl", "--pool", POOL], &list[..]].concat()).await;
    assert!(code == 1 && err.starts_with("error: no ledger is named; name it with --ledger"), "{err}");
    let (code, _, err) = bench.run_bare(&[&["poolctl", "--ledger", "sqlite:x"], &list[..]].concat()).await;
    assert!(code == 1 && err.starts_with("error: no pool is named; name it with --pool"), "{err}");
    let (code, _, err) =
        bench.run_bare(&[&["poolctl", "--pool", "Customers", "--ledger", "sqlite:x"], &list[..]].concat()).await;
    assert!(code == 1 && err.contains("is not the id of a user pool"), "{err}");
    let (code, _, err) =
        bench.run_bare(&[&["poolctl", "--pool", POOL, "--ledger", "redis:x"], &list[..]].concat()).await;
    assert!(code == 1 && err.contains("no ledger called `redis`"), "{err}");
    let (code, _, err) =
        bench.run_bare(&[&["poolctl", "--config", "no.toml", "--pool", POOL], &list[..]].concat()).await;
    assert!(code == 1 && err.contains("`no.toml` cannot be read"), "{err}");
    assert_eq!(bench.run_bare(&["poolctl", "--help"]).await.0, 0);
    assert_eq!(bench.run_bare(&["poolctl", "invitations", "create", "--maximum", "0"]).await.0, 1);
}

#[tokio::test]
async fn only_who_makes_the_first_invitation_makes_the_file() {
    let bench = Bench::new();
    let refused =
        format!("error: sqlite:{0}: there is no file `{0}`; name the file of the ledger", bench.file.display());
    for arguments in [
        &["invitations", "list"][..],
        &["invitations", "revoke", "ABCDEFGH"],
        &["names", "backfill", "--dry-run"],
        &["names", "backfill"],
    ] {
        let (code, out, err) = bench.run(arguments).await;
        assert_eq!((code, out.as_str(), bench.file.exists()), (1, "", false), "{arguments:?}");
        assert!(err.starts_with(&refused), "{err}");
    }
    assert_eq!(bench.run(&["invitations", "create"]).await.0, 0);
    assert_eq!(bench.list().await.len(), 1);

    let (ledger, users) = (format!("--ledger=sqlite:{}", bench.file.display()), bench.file.with_file_name("users.db"));
    let directory = format!("--directory=local:{}", users.display());
    let (code, _, err) =
        bench.run_bare(&["poolctl", &ledger, &directory, "--pool", POOL, "names", "backfill", "--dry-run"]).await;
    assert!(code == 1 && err.contains("name the file of the directory") && !users.exists(), "{err}");
}

#[tokio::test]
async fn addresses_come_from_a_configuration_too() {
    let bench = Bench::new();
    let file = bench.file.with_file_name("triggers.toml");
    std::fs::write(&file, format!("[services]\nledger = \"sqlite:{}\"\n", bench.file.display())).unwrap();
    let config = file.display().to_string();
    let (code, _, err) =
        bench.run_bare(&["poolctl", "--config", &config, "--pool", POOL, "invitations", "create"]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(bench.list().await.len(), 1);
}
