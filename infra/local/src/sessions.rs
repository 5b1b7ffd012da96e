//! `cargo local sessions`: where users are signed in, as the local ledger counts it.

use clap::Args;
use cognito_triggers::Clock;
use cognito_triggers::ledger::{Session, SessionState};
use cognito_triggers_lambda::SystemClock;
use jiff::Timestamp;
use serde::Serialize;

use crate::home::Home;
use crate::members::{Known, Where};
use crate::paint::{Paint, counted};
use crate::table::{beginning, minute, plain, table};
use crate::world::{Problem, World};

/// What is shown.
#[derive(Args, Debug)]
pub(crate) struct SessionsArguments {
    #[command(flatten)]
    place: Where,

    /// Only those of the user whose `sub` begins like this
    #[arg(long, value_name = "SUB")]
    sub: Option<String>,

    /// Prints everything as JSON, with whole ids
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &SessionsArguments, home: &Home, world: &mut World<'_>) -> Result<u8, Problem> {
    let mut all = arguments.place.everybody(home, world).await?;
    if let Some(sub) = &arguments.sub {
        all.retain(|known| known.sub.starts_with(sub.as_str()));
        if all.is_empty() {
            return Err(Problem::new(format!("the ledger knows nobody whose sub begins with `{}`", plain(sub))));
        }
    }
    let now = SystemClock.now();
    if arguments.json {
        let all: Vec<_> = live(&all, now).map(|(known, session)| Shown::of(known, session)).collect();
        let text = serde_json::to_string_pretty(&all).map_err(|error| Problem::new(error.to_string()))?;
        writeln!(world.out, "{text}")?;
        return Ok(0);
    }
    for line in lines(&all, now, world.paint()) {
        writeln!(world.out, "{line}")?;
    }
    Ok(0)
}

fn live(all: &[Known], now: Timestamp) -> impl Iterator<Item = (&Known, &Session)> {
    all.iter().flat_map(move |known| known.member.sessions.live(now, None).map(move |session| (known, session)))
}

const HEADING: [&str; 7] = ["USER", "SUB", "SESSION", "CLIENT", "STATE", "SINCE (UTC)", "UNTIL (UTC)"];

fn lines(all: &[Known], now: Timestamp, paint: Paint) -> Vec<String> {
    let row = |(known, session): (&Known, &Session)| {
        vec![
            known.user.as_deref().map_or_else(|| "-".to_owned(), plain),
            beginning(&known.sub),
            beginning(session.id.as_str()),
            plain(&session.client),
            state(session.state).to_owned(),
            minute(session.begun),
            minute(session.until),
        ]
    };
    let rows: Vec<_> = live(all, now).map(row).collect();
    if rows.is_empty() {
        return vec![paint.dim("nobody is signed in, as far as the ledger counts")];
    }
    let users = all.iter().filter(|known| known.member.sessions.live(now, None).next().is_some()).count();
    let mut lines = table(&HEADING, &rows, paint);
    let (sessions, users) = (counted(rows.len(), "session", "sessions"), counted(users, "user", "users"));
    lines.push(paint.dim(&format!("{sessions} of {users}")));
    lines
}

const fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Reserved => "reserved",
        SessionState::Kept => "kept",
    }
}

/// A session as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    sub: &'a str,
    user: Option<&'a str>,
    session: &'a str,
    client: &'a str,
    state: SessionState,
    since: Timestamp,
    until: Timestamp,
}

impl<'a> Shown<'a> {
    fn of(known: &'a Known, session: &'a Session) -> Self {
        Self {
            sub: &known.sub,
            user: known.user.as_deref(),
            session: session.id.as_str(),
            client: &session.client,
            state: session.state,
            since: session.begun,
            until: session.until,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::command::tests::local;
    use crate::members::tests::{ANNA, GONE, NOW, remembered, settled};

    /// A folder in which a tour left something.
    async fn toured() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let tour = folder.path().join("tour");
        std::fs::create_dir(&tour).unwrap();
        remembered(&tour.join("pool.db")).await;
        folder
    }

    #[tokio::test]
    async fn live_sessions_are_a_table() {
        let folder = toured().await;
        let (code, out, err) = local(folder.path(), &["sessions"], "").await;
        assert_eq!((code, err.as_str()), (0, ""));
        let (_, json, _) = local(folder.path(), &["sessions", "--json"], "").await;
        let shown: Vec<Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(shown.len(), 2);
        let mut out = settled(&out, shown[0]["sub"].as_str().unwrap());
        for (session, settled) in shown.iter().zip(["FIRST...", "SECOND.."]) {
            let id = session["session"].as_str().unwrap();
            assert_eq!(id.len(), 26, "the whole id, as `session-release` takes it");
            out = out.replace(&id[..8], settled);
        }
        insta::assert_snapshot!(out);
        let expected = json!({
            "sub": shown[1]["sub"], "user": "anna\u{1b}", "session": shown[1]["session"], "client": "backoffice",
            "state": "reserved", "since": "2026-01-01T11:00:00Z", "until": shown[1]["until"],
        });
        assert_eq!(shown[1], expected);
        assert_ne!(shown[0]["sub"], ANNA, "made anew");
    }

    #[tokio::test]
    async fn those_of_one_user_are_found_by_the_beginning_of_the_sub() {
        let folder = toured().await;
        let sessions = async |sub: &str| local(folder.path(), &["sessions", "--sub", sub], "").await;
        let (code, out, _) = sessions(&GONE[..8]).await;
        assert_eq!((code, out.as_str()), (0, "nobody is signed in, as far as the ledger counts\n"));
        let (_, json, _) = local(folder.path(), &["sessions", "--json"], "").await;
        let shown: Vec<Value> = serde_json::from_str(&json).unwrap();
        let (_, out, _) = sessions(shown[0]["sub"].as_str().unwrap()).await;
        assert!(out.ends_with("2 sessions of 1 user\n"), "{out}");
        let (code, _, err) = sessions("nobody").await;
        assert_eq!((code, err.as_str()), (1, "error: the ledger knows nobody whose sub begins with `nobody`\n"));
    }

    #[tokio::test]
    async fn what_has_lapsed_is_not_shown() {
        let known = |until: i64| {
            let mut member = cognito_triggers::ledger::Member::default();
            let until = NOW + jiff::SignedDuration::from_secs(until);
            member.sessions.begin("web", NOW - jiff::SignedDuration::from_hours(1), until).unwrap();
            Known { sub: ANNA.into(), user: None, member }
        };
        assert_eq!(lines(&[known(1)], NOW, Paint(false)).len(), 3);
        assert_eq!(lines(&[known(0)], NOW, Paint(false)).len(), 1);
    }
}
