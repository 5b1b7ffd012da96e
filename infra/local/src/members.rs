//! `cargo local members`: what the local ledger remembers of each user.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use cognito_triggers::Clock;
use cognito_triggers::ledger::{LedgerAdmin, Member};
use cognito_triggers_embedded::{LocalDirectory, SqliteLedger};
use cognito_triggers_lambda::SystemClock;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::check::configuration;
use crate::home::Home;
use crate::paint::{Paint, counted};
use crate::table::{beginning, minute, plain, table};
use crate::world::{Problem, World};

/// The pool of the guided tour, and of the events that `cargo local event` prints.
const POOL: &str = "eu-central-1_Example01";

/// Whose members.
#[derive(Args, Debug)]
pub(crate) struct Where {
    /// The configuration whose ledger is looked into; without it that of the guided tour
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The id of the user pool
    #[arg(long, value_name = "ID", default_value = POOL)]
    pool: String,
}

/// What is shown.
#[derive(Args, Debug)]
pub(crate) struct MembersArguments {
    #[command(flatten)]
    place: Where,

    /// Prints everything as JSON
    #[arg(long)]
    json: bool,
}

/// One user the ledger knows.
pub(crate) struct Known {
    pub(crate) sub: String,
    /// The user name; none of somebody who is not in the directory any more.
    pub(crate) user: Option<String>,
    pub(crate) member: Member,
}

impl Where {
    /// Everybody the ledger knows in the pool, whoever signed in last first.
    pub(crate) async fn everybody(&self, home: &Home, world: &World<'_>) -> Result<Vec<Known>, Problem> {
        let file = self.file(home, world)?;
        if !file.is_file() {
            let text = format!(
                "there is no ledger at {} yet; run `cargo local` for the guided tour, or name a",
                file.display()
            );
            return Err(Problem::new(format!("{text} configuration with --config")));
        }
        everybody(&file, &self.pool).await
    }

    fn file(&self, home: &Home, world: &World<'_>) -> Result<PathBuf, Problem> {
        let Some(config) = &self.config else { return Ok(home.file("tour").join("pool.db")) };
        let addresses = configuration(Some(config), world)?.services(&world.environment())?;
        let file = addresses.ledger.as_deref().and_then(|address| address.strip_prefix("sqlite:")).map(PathBuf::from);
        // As `invoke` does: one on AWS is stood in for.
        Ok(file.unwrap_or_else(|| home.file("pool.db")))
    }
}

async fn everybody(file: &Path, pool: &str) -> Result<Vec<Known>, Problem> {
    let (ledger, directory) = (SqliteLedger::open(file)?, LocalDirectory::open(file)?);
    let users = directory.list(pool).await?.into_iter().map(|user| (user.sub, user.user_name));
    let mut users: BTreeMap<String, String> = users.collect();
    let (mut all, mut page) = (Vec::new(), None);
    loop {
        let found = ledger.members(pool, page).await?;
        let known = |(sub, member): (String, Member)| Known { user: users.remove(&sub), sub, member };
        all.extend(found.members.into_iter().map(known));
        page = found.next;
        if page.is_none() {
            break;
        }
    }
    all.sort_by(|one, other| (other.member.last_sign_in, &one.sub).cmp(&(one.member.last_sign_in, &other.sub)));
    Ok(all)
}

pub(crate) async fn run(arguments: &MembersArguments, home: &Home, world: &mut World<'_>) -> Result<u8, Problem> {
    let all = arguments.place.everybody(home, world).await?;
    let now = SystemClock.now();
    if arguments.json {
        let all: Vec<_> = all.iter().map(|known| Shown::of(known, now)).collect();
        let text = serde_json::to_string_pretty(&all).map_err(|error| Problem::new(error.to_string()))?;
        writeln!(world.out, "{text}")?;
        return Ok(0);
    }
    for line in lines(&all, now, world.paint()) {
        writeln!(world.out, "{line}")?;
    }
    Ok(0)
}

const HEADING: [&str; 9] =
    ["USER", "SUB", "FIRST (UTC)", "LAST (UTC)", "SIGN-INS", "SESSIONS", "PASSWORD", "NAMES", "GROUPS"];

fn lines(all: &[Known], now: Timestamp, paint: Paint) -> Vec<String> {
    if all.is_empty() {
        return vec![paint.dim("nobody is remembered in this pool")];
    }
    let row = |known: &Known| {
        let Known { sub, user, member } = known;
        let time = |time: Option<Timestamp>| time.map(minute).unwrap_or_default();
        vec![
            user.as_deref().map_or_else(|| "-".to_owned(), plain),
            beginning(sub),
            time(member.sign_ins.first),
            time(member.last_sign_in),
            member.sign_ins.count.to_string(),
            member.sessions.live(now, None).count().to_string(),
            password(member, now),
            plain(&member.names.values().map(|name| name.held.as_str()).collect::<Vec<_>>().join(", ")),
            plain(&member.groups.join(", ")),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let mut lines = table(&HEADING, &rows, paint);
    lines.push(paint.dim(&counted(all.len(), "member", "members")));
    lines
}

/// How old the password is, or at least is.
fn password(member: &Member, now: Timestamp) -> String {
    let age = |since: Timestamp| match now.duration_since(since).max(SignedDuration::ZERO) {
        age if age < SignedDuration::from_hours(1) => format!("{} min", age.as_mins()),
        age if age < SignedDuration::from_hours(48) => format!("{} h", age.as_hours()),
        age => format!("{} days", age.as_hours() / 24),
    };
    match (member.password.chosen, member.password.first_seen) {
        (Some(chosen), _) => age(chosen),
        (None, Some(seen)) => format!("≥ {}", age(seen)),
        (None, None) => String::new(),
    }
}

/// A member as JSON.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown<'a> {
    sub: &'a str,
    user: Option<&'a str>,
    first_sign_in: Option<Timestamp>,
    last_sign_in: Option<Timestamp>,
    sign_ins: u64,
    sessions: usize,
    password: &'a cognito_triggers::ledger::PasswordAge,
    names: BTreeMap<&'a str, &'a str>,
    groups: &'a [String],
}

impl<'a> Shown<'a> {
    fn of(Known { sub, user, member }: &'a Known, now: Timestamp) -> Self {
        Self {
            sub,
            user: user.as_deref(),
            first_sign_in: member.sign_ins.first,
            last_sign_in: member.last_sign_in,
            sign_ins: member.sign_ins.count,
            sessions: member.sessions.live(now, None).count(),
            password: &member.password,
            names: member.names.iter().map(|(space, name)| (space.as_str(), name.held.as_str())).collect(),
            groups: &member.groups,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use cognito_triggers::UserStatus;
    use cognito_triggers::ledger::{Amendment, ClientSignIns, HeldName, PasswordAge, SignIns, amend};
    use cognito_triggers_embedded::NewUser;
    use serde_json::{Value, json};

    use super::*;
    use crate::command::tests::local;

    pub(crate) const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);
    pub(crate) const ANNA: &str = "0a1b2c3d-0000-4000-8000-00000000a77a";
    pub(crate) const GONE: &str = "5e55100f-0000-4000-8000-00000000be1a";

    pub(crate) fn ago(hours: i64) -> Timestamp {
        NOW - SignedDuration::from_hours(hours)
    }

    /// A file with what happened to Anna and to somebody who is gone.
    pub(crate) async fn remembered(file: &Path) {
        let (ledger, directory) = (SqliteLedger::open(file).unwrap(), LocalDirectory::open(file).unwrap());
        let user_name = "anna\u{1b}".to_owned();
        let anna = NewUser { user_name, attributes: BTreeMap::new(), status: UserStatus::Confirmed, created: ago(9) };
        let sub = directory.create(POOL, anna).await.unwrap().unwrap().sub;
        let mut member = Member {
            sign_ins: SignIns { count: 12, first: Some(ago(1000)), last: Some(ago(2)), ..SignIns::default() },
            password: PasswordAge { chosen: Some(ago(73)), ..PasswordAge::default() },
            groups: vec!["staff".into(), "editors".into()],
            last_sign_in: Some(ago(2)),
            ..Member::default()
        };
        let dragonfly = HeldName { asked: "Dragonfly".into(), held: "Dragonfly".into(), keys: vec!["d".into()] };
        member.names.insert("nickname".into(), dragonfly);
        member.sign_ins.clients.insert("web".into(), ClientSignIns::default());
        let far = NOW + SignedDuration::from_hours(24 * 365 * 200);
        member.sessions.begin("1example23456789", ago(2), far).unwrap();
        member.sessions.reserve("backoffice", ago(1), far).unwrap();
        let unknown = Member {
            password: PasswordAge { first_seen: Some(ago(30)), ..PasswordAge::default() },
            ..Member::default()
        };
        for (sub, member) in [(sub.as_str(), &member), (GONE, &unknown)] {
            let ask = |_: &_| Some(Amendment { member: Some(member.clone()), ..Amendment::default() });
            amend(&ledger, POOL, sub, NOW, ask).await.unwrap();
        }
    }

    /// The same text with Anna's `sub`, which is made anew for each file.
    pub(crate) fn settled(text: &str, sub: &str) -> String {
        text.replace(sub, ANNA).replace(&beginning(sub), &beginning(ANNA))
    }

    #[tokio::test]
    async fn what_is_remembered_is_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pool.db");
        remembered(&file).await;
        let all = everybody(&file, POOL).await.unwrap();
        let text = lines(&all, NOW, Paint(false)).join("\n");
        insta::assert_snapshot!(settled(&text, &all[0].sub));
        assert_eq!(lines(&[], NOW, Paint(false)), ["nobody is remembered in this pool"]);
        assert!(everybody(&file, "eu-central-1_Globex01").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn everything_is_told_as_json() {
        let folder = tempfile::tempdir().unwrap();
        let tour = folder.path().join("tour");
        std::fs::create_dir(&tour).unwrap();
        remembered(&tour.join("pool.db")).await;
        let (code, out, err) = local(folder.path(), &["members", "--json"], "").await;
        assert_eq!((code, err.as_str()), (0, ""));
        let members: Vec<Value> = serde_json::from_str(&out).unwrap();
        let shown = json!({
            "sub": members[0]["sub"], "user": "anna\u{1b}", "first-sign-in": "2025-11-20T20:00:00Z",
            "last-sign-in": "2026-01-01T10:00:00Z", "sign-ins": 12, "sessions": 2,
            "password": { "chosen": "2025-12-29T11:00:00Z" }, "names": { "nickname": "Dragonfly" },
            "groups": ["staff", "editors"],
        });
        assert_eq!(members[0], shown);
        assert_eq!((members.len(), &members[1]["user"], &members[1]["sub"]), (2, &Value::Null, &json!(GONE)));

        let (_, out, _) = local(folder.path(), &["members"], "").await;
        assert!(out.starts_with("USER ") && out.ends_with("2 members\n"), "{out}");
        assert!(!out.contains('\u{1b}'), "{out:?}");
        let (_, out, _) = local(folder.path(), &["members", "--pool", "eu-central-1_Globex01"], "").await;
        assert_eq!(out, "nobody is remembered in this pool\n");
    }

    #[tokio::test]
    async fn without_an_option_it_is_the_pool_of_the_events() {
        let folder = tempfile::tempdir().unwrap();
        let (_, out, _) = local(folder.path(), &["event", "PreSignUp_SignUp"], "").await;
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["userPoolId"], POOL);
    }

    #[tokio::test]
    async fn the_ledger_of_a_configuration_is_looked_into() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("own.db");
        remembered(&database).await;
        let file = folder.path().join("triggers.toml");
        let config = file.display().to_string();
        std::fs::write(&file, format!("[services]\nledger = \"sqlite:{}\"\n", database.display())).unwrap();
        let (code, out, err) = local(folder.path(), &["members", "--config", &config], "").await;
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.contains("Dragonfly"), "{out}");

        // One on AWS is stood in for, as `invoke` does, by a file that is not there yet.
        std::fs::write(&file, "[services]\nledger = \"dynamodb:acme\"\n").unwrap();
        let (code, out, err) = local(folder.path(), &["members", "--config", &config], "").await;
        assert!(code == 1 && out.is_empty() && err.contains("there is no ledger at "), "{err}");
        assert!(!folder.path().join("pool.db").exists(), "looking makes no file");
        let (code, _, err) = local(folder.path(), &["sessions"], "").await;
        assert!(code == 1 && err.contains("run `cargo local` for the guided tour"), "{err}");
    }
}
