//! What is listed of members, in which form, and what is not.

use std::io::{self, Write};

use cognito_triggers::ledger::{Amendment, ClientSignIns, HeldName, Member, PasswordAge, SignIns, amend};

use super::*;
use crate::{Out, Quiet};

/// Has the pool remember these.
async fn remember(bench: &Bench, members: impl IntoIterator<Item = (String, Member)>) {
    let ledger = bench.ledger();
    for (sub, member) in members {
        let ask = |_: &_| Some(Amendment { member: Some(member.clone()), ..Amendment::default() });
        assert!(amend(&ledger, POOL, &sub, bench.clock.now(), ask).await.unwrap());
    }
}

/// Anna, of whom everything is known, at a time that begins with the clock.
fn anna(bench: &Bench) -> Member {
    let now = bench.clock.now();
    let ago = |hours: i64| Some(now - SignedDuration::from_hours(hours));
    let at = |count, first, last| ClientSignIns { count, first: ago(first), last: ago(last) };
    let clients = [("app".to_owned(), at(2, 40, 30)), ("web".to_owned(), at(5, 48, 1))];
    let mut member = Member {
        last_sign_in: ago(0),
        sign_ins: SignIns { count: 7, first: ago(48), last: ago(1), clients: clients.into(), ..SignIns::default() },
        password: PasswordAge { chosen: ago(72), ..PasswordAge::default() },
        groups: vec!["=admins".into(), "staff".into()],
        unsubscribed: [("win-back".to_owned(), now)].into(),
        ..Member::default()
    };
    let name = HeldName { asked: "Anna".into(), held: "-Anna, \"7\"".into(), keys: Vec::new() };
    member.names.insert("nickname".into(), name);
    let sessions = &mut member.sessions;
    sessions.begin("web", now, now + SignedDuration::from_hours(1)).unwrap();
    sessions.reserve("tv", now, now + SignedDuration::from_hours(1)).unwrap();
    member
}

async fn told(bench: &Bench, arguments: &[&str]) -> String {
    let (code, out, err) = bench.run(&[&["members"], arguments].concat()).await;
    assert_eq!((code, err.as_str()), (0, ""));
    out
}

fn read(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn a_member_is_a_row_of_csv_that_no_spreadsheet_runs() {
    let bench = Bench::new();
    remember(&bench, [("anna-sub".to_owned(), anna(&bench))]).await;
    let [header, row] = read(&told(&bench, &["--csv"]).await).try_into().unwrap();
    let columns =
        ["sub", "first_sign_in", "last_sign_in", "sign_ins", "sessions", "password_chosen", "groups", "unsubscribed"];
    assert_eq!(header, columns);
    let (first, last, password) = ("2025-12-30T12:00:00Z", "2026-01-01T12:00:00Z", "2025-12-29T12:00:00Z");
    assert_eq!(row, ["anna-sub", first, last, "7", "2", password, "'=admins staff", "win-back"]);
    bench.clock.0.pass(SignedDuration::from_hours(2));
    assert_eq!(read(&told(&bench, &["--csv"]).await)[1][4], "0", "sessions that lapsed are not live");
}

#[tokio::test]
async fn names_are_shown_only_where_they_are_asked_for() {
    let bench = Bench::new();
    remember(&bench, [("a".to_owned(), anna(&bench))]).await;
    for form in [&[][..], &["--csv"], &["--json"], &["--csv", "--per-client"]] {
        assert!(!told(&bench, form).await.contains("Anna"), "{form:?}");
    }
    let rows = read(&told(&bench, &["--csv", "--names"]).await);
    assert_eq!((rows[0][8].as_str(), rows[1][8].as_str()), ("names", "nickname: -Anna, \"7\""));
    let json: Vec<Value> = serde_json::from_str(&told(&bench, &["--json", "--names"]).await).unwrap();
    assert_eq!(json[0]["names"]["nickname"], "-Anna, \"7\"");
    assert!(told(&bench, &["--names"]).await.contains("nickname: -Anna"));
    assert_eq!(bench.run(&["members", "--names", "--per-client"]).await.0, 1);
}

#[tokio::test]
async fn with_clients_there_is_a_row_for_each() {
    let bench = Bench::new();
    remember(&bench, [("a".to_owned(), anna(&bench)), ("b".to_owned(), Member::default())]).await;
    let rows = read(&told(&bench, &["--csv", "--per-client"]).await);
    assert_eq!(rows[0], ["sub", "client", "first_sign_in", "last_sign_in", "sign_ins", "sessions"]);
    let expected = [
        ["a", "app", "2025-12-30T20:00:00Z", "2025-12-31T06:00:00Z", "2", "0"],
        // A session is known, and nothing was counted there.
        ["a", "tv", "", "", "0", "1"],
        ["a", "web", "2025-12-30T12:00:00Z", "2026-01-01T11:00:00Z", "5", "1"],
    ];
    assert_eq!(rows[1..], expected);
    let json: Vec<Value> = serde_json::from_str(&told(&bench, &["--json", "--per-client"]).await).unwrap();
    assert_eq!(
        (&json[2]["client"], &json[2]["sign_ins"], &json[1]["last_sign_in"]),
        (&"web".into(), &5.into(), &Value::Null)
    );
}

#[tokio::test]
async fn json_says_the_same_and_is_whole_whatever_there_is() {
    let bench = Bench::new();
    bench.ledger();
    assert_eq!(serde_json::from_str::<Vec<Value>>(&told(&bench, &["--json"]).await).unwrap(), [] as [Value; 0]);
    remember(&bench, [("a".to_owned(), anna(&bench)), ("b".to_owned(), Member::default())]).await;
    let json: Vec<Value> = serde_json::from_str(&told(&bench, &["--json"]).await).unwrap();
    let expected = serde_json::json!([
        {
            "sub": "a", "first_sign_in": "2025-12-30T12:00:00Z", "last_sign_in": "2026-01-01T12:00:00Z", "sign_ins": 7,
            "sessions": 2, "password_chosen": "2025-12-29T12:00:00Z", "groups": ["=admins", "staff"],
            "unsubscribed": ["win-back"],
        },
        {
            "sub": "b", "first_sign_in": null, "last_sign_in": null, "sign_ins": 0, "sessions": 0, "password_chosen": null,
            "groups": [], "unsubscribed": [],
        },
    ]);
    assert_eq!(Value::from(json), expected);
}

#[tokio::test]
async fn people_get_a_table_in_which_nothing_has_an_effect() {
    let bench = Bench::new();
    let hostile = Member { groups: vec!["\u{1b}[31mred".into()], ..anna(&bench) };
    remember(&bench, [("0a1b2c3d-0000-4000-8000-00000000a77a".to_owned(), hostile)]).await;
    let table = told(&bench, &[]).await;
    let [heading, row] = table.lines().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(heading.find("SIGN-INS"), row.find("7         2"), "{table}");
    assert!(heading.starts_with("SUB   ") && heading.ends_with("UNSUBSCRIBED"), "{table}");
    assert!(row.contains("2025-12-30 12:00  2026-01-01 12:00") && !row.contains('\u{1b}'), "{table}");
}

#[tokio::test]
async fn a_pool_without_members_says_so() {
    let bench = Bench::new();
    bench.ledger();
    let (code, out, err) = bench.run(&["members"]).await;
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(err.starts_with("eu-central-1_Example01 has no members: "), "{err}");
    assert_eq!(told(&bench, &["--csv"]).await.lines().count(), 1, "programs get a header");
    let (code, _, err) = bench.run(&["members", "--csv", "--json"]).await;
    assert!(code == 1 && err.contains("cannot be used with"), "{err}");
}

/// More than stand on a page.
const MANY: usize = 450;

async fn many(bench: &Bench) {
    let member = |number: usize| {
        let sign_ins = SignIns { count: number as u64, ..SignIns::default() };
        (format!("{number:04}"), Member { sign_ins, ..Member::default() })
    };
    remember(bench, (0..MANY).map(member)).await;
    // Those of others are not listed.
    let stranger = |_: &_| Some(Amendment { member: Some(Member::default()), ..Amendment::default() });
    assert!(amend(&bench.ledger(), "eu-central-1_Other", "x", bench.clock.now(), stranger).await.unwrap());
}

#[tokio::test]
async fn every_member_of_every_page_is_there_once() {
    let bench = Bench::new();
    many(&bench).await;
    let rows = read(&told(&bench, &["--csv"]).await);
    let subs: std::collections::BTreeSet<_> = rows[1..].iter().map(|row| row[0].clone()).collect();
    assert_eq!((rows.len(), subs.len()), (MANY + 1, MANY));
    assert!(rows[1..].iter().all(|row| row[0].parse::<u64>() == row[3].parse::<u64>()));
    let json: Vec<Value> = serde_json::from_str(&told(&bench, &["--json"]).await).unwrap();
    assert_eq!(json.len(), MANY);
}

/// A pipe whose reader wants this many bytes.
struct Pipe {
    wants: usize,
    read: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.read.len() >= self.wants {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.read.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts what is written after the reader has gone.
struct Watched {
    quiet: Quiet<Pipe>,
    in_vain: usize,
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.in_vain += usize::from(self.quiet.is_gone());
        self.quiet.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.quiet.flush()
    }
}

impl Out for Watched {
    fn is_gone(&self) -> bool {
        self.quiet.is_gone()
    }
}

#[tokio::test]
async fn when_the_reader_has_gone_it_ends_quietly_and_reads_no_further_page() {
    let bench = Bench::new();
    many(&bench).await;
    let mut err = Vec::new();
    let mut out = Watched { quiet: Quiet::new(Pipe { wants: 500, read: Vec::new() }), in_vain: 0 };
    let world = World {
        out: &mut out,
        err: &mut err,
        watched: false,
        variables: BTreeMap::new(),
        clock: Arc::clone(&bench.clock) as Arc<dyn Clock>,
    };
    let ledger = format!("--ledger=sqlite:{}", bench.file.display());
    let arguments = ["poolctl", &ledger, "--pool", POOL, "members", "--csv"];
    let code = run(arguments.iter().map(OsString::from), world).await;
    assert_eq!((code, err.len()), (0, 0));
    assert!((1..200).contains(&out.in_vain), "{} writes: the rest of the page, and no other", out.in_vain);
}

#[tokio::test]
async fn a_member_that_cannot_be_read_is_said_and_so_is_where_the_list_ends() {
    let bench = Bench::new();
    many(&bench).await;
    let file = rusqlite::Connection::open(&bench.file).unwrap();
    let broken = "UPDATE members SET data = '{\"groups\": 7}' WHERE sub = '0300'";
    assert_eq!(file.execute(broken, ()).unwrap(), 1);
    let (code, out, err) = bench.run(&["members", "--csv"]).await;
    assert_eq!((code, read(&out).len()), (1, 201), "the pages before it are there");
    assert!(err.starts_with("error: ") && err.contains("member"), "{err}");
    assert!(err.trim_end().ends_with("the list is not complete, it ends after 200 members"), "{err}");
}
