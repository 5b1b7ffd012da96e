use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cognito_triggers::ledger::{
    Change, CommitId, Condition, Delivery, DeliveryId, Fate, Lease, LeaseId, LedgerAdmin, Outbox as _, Owner, Task,
};
use cognito_triggers::{Clock, Keys, Ledger, StoppedClock, UserStatus, Wants};
use cognito_triggers_embedded::{LocalDirectory, NewUser, SqliteLedger};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;

mod application_key;
mod maintenance;
mod members;

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

/// Deliveries of every state; the clock stands still.
struct Post {
    bench: Bench,
    now: Timestamp,
}

const ANNA: &str = "11111111-2222-4333-8444-555555555555";

impl Post {
    fn new() -> Self {
        let bench = Bench::new();
        Self { now: bench.clock.now(), bench }
    }

    async fn stage(&self, key: &str, task: Value) -> DeliveryId {
        let id = DeliveryId { pool: POOL.into(), sub: ANNA.into(), key: key.into() };
        let task: Task = serde_json::from_value(task).unwrap();
        let mut delivery = Delivery::new(id.clone(), task, self.now);
        delivery.only_if = Some(Condition::CreatedSince { user_name: "anna".into(), since: self.now });
        let change = Change {
            id: CommitId::random().unwrap(),
            now: self.now,
            pool: POOL.into(),
            member: None,
            names: BTreeMap::new(),
            invitations: BTreeMap::new(),
            deliveries: vec![delivery],
        };
        self.bench.ledger().commit(&change).await.unwrap();
        id
    }

    async fn mail(&self, key: &str) -> DeliveryId {
        let context = serde_json::json!({"user": {"email": "anna@example.com", "name": "Anna\u{1b}[31m"}});
        let mail = serde_json::json!({
            "kind": "mail", "template": "welcome-email", "to": ["Anna <anna@example.com>"], "context": context,
        });
        self.stage(key, mail).await
    }

    /// Takes a delivery up as a courier does.
    async fn lease(&self, id: &DeliveryId) -> LeaseId {
        let until = self.now + SignedDuration::from_mins(2);
        let lease = Lease { id: LeaseId::random().unwrap(), now: self.now, until };
        assert_eq!(self.bench.ledger().lease(std::slice::from_ref(id), &lease).await.unwrap().len(), 1);
        lease.id
    }

    async fn settle(&self, id: &DeliveryId, fate: Fate) {
        let lease = self.lease(id).await;
        assert!(self.bench.ledger().settle(id, &lease, &fate).await.unwrap());
    }

    async fn park(&self, key: &str, reason: &str) -> DeliveryId {
        let id = self.mail(key).await;
        self.settle(&id, Fate::Parked { at: self.now, attempts: 1, fault: reason.into() }).await;
        id
    }

    async fn wait(&self, key: &str) -> DeliveryId {
        let id =
            self.stage(key, serde_json::json!({"kind": "files", "from": {"folder": "provision"}, "to": "u/"})).await;
        let (due, since) = (self.now + SignedDuration::from_hours(1), Some(self.now));
        let fate = Fate::Later { due, attempts: 7, failing_since: since, fault: "the disk is full".into() };
        self.settle(&id, fate).await;
        id
    }

    /// The keys `list` shows and their states.
    async fn list(&self, arguments: &[&str]) -> BTreeMap<String, String> {
        let (code, out, err) = self.bench.run(&[&["outbox", "list", "--json"], arguments].concat()).await;
        assert_eq!((code, err.as_str()), (0, ""));
        let listed: Vec<Value> = serde_json::from_str(&out).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        listed.iter().map(|one| (text(&one["key"]), text(&one["state"]))).collect()
    }
}

fn states<const N: usize>(states: [(&str, &str); N]) -> BTreeMap<String, String> {
    states.into_iter().map(|(key, state)| (key.to_owned(), state.to_owned())).collect()
}

#[tokio::test]
async fn the_outbox_is_listed_with_state_and_reason_and_nothing_of_the_user() {
    let post = Post::new();
    post.bench.ledger();
    let (code, out, err) = post.bench.run(&["outbox", "list"]).await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "eu-central-1_Example01 has nothing in its outbox\n"));

    post.park("welcome-email", &format!("the address is refused: {}", "x".repeat(100))).await;
    post.wait("s3-provisioning").await;
    post.mail("admin-notice").await;
    let busy = post.mail("user-events/user.confirmed").await;
    post.lease(&busy).await;
    let (code, table, err) = post.bench.run(&["outbox", "list"]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    let row = |key: &str| table.lines().find(|line| line.contains(key)).unwrap_or_default();
    assert!(table.starts_with("STATE (UTC)"), "{table}");
    assert!(row("welcome-email").starts_with("parked since 2026-01-01 12:00"), "{table}");
    assert!(row("welcome-email").ends_with("x…") && row("welcome-email").contains("the address is refused"), "{table}");
    assert!(row("s3-provisioning").starts_with("waiting until 2026-01-01 13:00"), "{table}");
    assert!(row("s3-provisioning").contains("7") && row("s3-provisioning").contains("the disk is full"), "{table}");
    assert!(row("admin-notice").starts_with("due since 2026-01-01 12:00"), "{table}");
    assert!(row("user-events").starts_with("in progress until 2026-01-01 12:02"), "{table}");
    assert!(table.lines().skip(1).all(|line| line.contains(ANNA)) && !table.contains("example.com"), "{table}");

    let (parked, waiting) = (("welcome-email", "parked"), ("s3-provisioning", "waiting"));
    let (due, taken) = (("admin-notice", "due"), ("user-events/user.confirmed", "in progress"));
    assert_eq!(post.list(&[]).await, states([parked, waiting, due, taken]));
    assert_eq!(post.list(&["--parked"]).await, states([parked]));
    assert_eq!(post.list(&["--waiting"]).await, states([waiting]));
    assert_eq!(post.list(&["--due"]).await, states([due, taken]));
    assert_eq!(post.list(&["--due", "--parked"]).await, states([parked, due, taken]));
    assert_eq!(post.list(&["--rule", "user-events"]).await, states([taken]));
    let (_, _, err) = post.bench.run(&["outbox", "list", "--rule", "win-back"]).await;
    assert_eq!(err, "eu-central-1_Example01 has nothing of that kind in its outbox\n");
}

#[tokio::test]
async fn what_a_delivery_is_filled_with_is_shown_only_when_asked_for() {
    let post = Post::new();
    post.park("welcome-email", "the address is refused").await;
    let show = ["outbox", "show", "--sub", ANNA, "--key", "welcome-email"];
    let (code, out, err) = post.bench.run(&show).await;
    assert_eq!(code, 0, "{err}");
    for told in [
        "the mail welcome-email",
        "parked since 2026-01-01 12:00 UTC",
        "1 in vain",
        "the address is refused",
        "created at 2026-01-01 12:00 UTC or later",
        &Keys::parse(KEY).unwrap().log_name(POOL, ANNA).unwrap(),
    ] {
        assert!(out.contains(told), "{told} is missing:\n{out}");
    }
    assert!(!out.contains("anna") && err.contains("--reveal"), "{out}{err}");
    let (_, out, err) = post.bench.run(&[&show[..], &["--reveal"]].concat()).await;
    assert!(out.contains("anna@example.com") && !out.contains('\u{1b}') && err.is_empty(), "{out}{err}");

    let (_, out, _) = post.bench.run(&[&show[..], &["--json"]].concat()).await;
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["state"], &told["task"]), (&"parked".into(), &Value::Null));
    let (_, out, _) = post.bench.run(&[&show[..], &["--json", "--reveal"]].concat()).await;
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["task"]["to"][0], "\"Anna\" <anna@example.com>");

    let (code, out, err) = post.bench.run(&["outbox", "show", "--sub", ANNA, "--key", "win-back"]).await;
    assert!((code, out.as_str()) == (1, "") && err.contains("has no such delivery"), "{err}");
}

#[tokio::test]
async fn what_is_parked_is_tried_again_when_the_operator_says_so() {
    let post = Post::new();
    for key in ["welcome-email", "admin-notice", "user-events/a", "user-events/b"] {
        post.park(key, "refused").await;
    }
    post.wait("s3-provisioning").await;
    let (code, out, err) = post.bench.run(&["outbox", "redrive", "--all-parked", "--rule", "user-events"]).await;
    assert_eq!((code, out.as_str()), (0, "2 of 2 are due now, and the next courier tries them\n"), "{err}");
    let redriven = states([("user-events/a", "due"), ("user-events/b", "due")]);
    assert_eq!(post.list(&["--due"]).await, redriven);
    let (code, out, err) = post.bench.run(&["outbox", "redrive", "--all-parked"]).await;
    assert_eq!((code, out.as_str()), (0, "2 of 2 are due now, and the next courier tries them\n"), "{err}");
    assert_eq!(post.list(&["--parked"]).await, states([]));
    assert_eq!(post.list(&["--waiting"]).await, states([("s3-provisioning", "waiting")]), "it was not parked");
    let (code, out, err) = post.bench.run(&["outbox", "redrive", "--all-parked"]).await;
    assert!((code, out.as_str()) == (0, "") && err.contains("nothing of that kind that is parked"), "{err}");

    let one = ["outbox", "redrive", "--sub", ANNA, "--key", "s3-provisioning"];
    assert_eq!(post.bench.run(&one).await.0, 0);
    let all = post.bench.ledger().deliveries(POOL).await.unwrap();
    let files = all.iter().find(|delivery| delivery.id.key == "s3-provisioning").unwrap();
    assert_eq!((files.due, files.attempts, files.failing_since), (post.now, 0, None));
    post.lease(&files.id).await;
    let (code, _, err) = post.bench.run(&one).await;
    assert!(code == 1 && err.contains("a courier works on it until 2026-01-01 12:02 UTC at the latest"), "{err}");
    for wrong in
        [&["redrive"][..], &["redrive", "--sub", ANNA], &["redrive", "--all-parked", "--sub", "x", "--key", "y"]]
    {
        assert_eq!(post.bench.run(&[&["outbox"], wrong].concat()).await.0, 1, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_delivery_is_given_up_only_by_who_says_so_twice() {
    let post = Post::new();
    post.park("welcome-email", "refused").await;
    let drop = ["outbox", "drop", "--sub", ANNA, "--key", "welcome-email"];
    let (code, _, err) = post.bench.run(&drop).await;
    assert!(code == 1 && err.contains("gives up the mail welcome-email for good") && err.contains("--yes"), "{err}");
    assert_eq!(post.list(&[]).await.len(), 1);
    let busy = post.mail("admin-notice").await;
    post.lease(&busy).await;
    let (code, _, err) = post.bench.run(&["outbox", "drop", "--sub", ANNA, "--key", "admin-notice", "--yes"]).await;
    assert!(code == 1 && err.contains("a courier works on it"), "{err}");
    let (code, out, _) = post.bench.run(&[&drop[..], &["--yes"]].concat()).await;
    assert_eq!((code, out.as_str()), (0, "the mail welcome-email is given up\n"));
    assert_eq!(post.list(&[]).await, states([("admin-notice", "in progress")]));
    assert_eq!(post.bench.run(&[&drop[..], &["--yes"]].concat()).await.0, 1, "it is gone");
}
