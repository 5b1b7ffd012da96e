//! What the operator switches is what the rule sees.

use cognito_triggers::ledger::{Downtime, Switches};
use serde_json::json;

use super::*;

const CLIENT: &str = "1example23456789";

impl Bench {
    /// One with a ledger that is there.
    fn settled() -> Self {
        let bench = Self::new();
        bench.ledger();
        bench
    }

    async fn switches(&self) -> Switches {
        let wants = Wants { pool: POOL.into(), ..Wants::default() };
        self.ledger().read(&wants).await.unwrap().switches
    }

    async fn done(&self, arguments: &[&str]) -> (String, String) {
        let (code, out, err) = self.run(&[&["maintenance"], arguments].concat()).await;
        assert_eq!(code, 0, "{arguments:?}: {err}");
        (out, err)
    }

    async fn refused(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(&[&["maintenance"], arguments].concat()).await;
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert_eq!(self.switches().await, Switches::default(), "{arguments:?}: something was written");
        err
    }
}

fn closed(since: &str, until: Option<&str>, messages: &[(&str, &str)]) -> Downtime {
    let messages = messages.iter().map(|(language, text)| ((*language).to_owned(), (*text).to_owned())).collect();
    Downtime { until: until.map(|time| time.parse().unwrap()), messages, ..Downtime::since(since.parse().unwrap()) }
}

const NOON: &str = "2026-01-01T12:00:00Z";

#[tokio::test]
async fn a_pool_is_closed_and_opened_again() {
    let bench = Bench::settled();
    let (out, err) = bench.done(&["status"]).await;
    assert_eq!(
        (out.as_str(), err.starts_with("eu-central-1_Example01 is not closed by the switch")),
        ("", true),
        "{err}"
    );

    let (out, err) = bench.done(&["on"]).await;
    assert_eq!(out, "eu-central-1_Example01 is closed until `poolctl maintenance off`\n");
    assert!(err.contains("within 10 seconds") && err.contains("tokens that were made stay good"), "{err}");
    let switches = bench.switches().await;
    assert_eq!(switches.maintenance, [("*".to_owned(), closed(NOON, None, &[]))].into());
    assert_eq!(switches.version, 1);

    let (out, err) = bench.done(&["off"]).await;
    assert_eq!(
        (out.as_str(), err.as_str()),
        ("eu-central-1_Example01 is open again, everywhere within 10 seconds\n", "")
    );
    let (out, err) = bench.done(&["off"]).await;
    assert_eq!(out, "");
    assert_eq!(err, "eu-central-1_Example01 was not closed by the switch; nothing has changed\n");
    assert_eq!(bench.switches().await, Switches { version: 2, ..Switches::default() });
}

#[tokio::test]
async fn one_application_is_taken_out() {
    let bench = Bench::settled();
    let (out, _) = bench.done(&["on", "--client", CLIENT, "--for", "2h"]).await;
    assert_eq!(out, format!("the app client {CLIENT} of {POOL} is closed until 2026-01-01 14:00 UTC\n"));
    bench.done(&["on"]).await;
    assert_eq!(bench.switches().await.maintenance.keys().collect::<Vec<_>>(), ["*", CLIENT]);

    let (out, err) = bench.done(&["off"]).await;
    assert!(out.starts_with("eu-central-1_Example01 is open again"), "{out}");
    assert!(err.contains(&format!("is still closed; `poolctl maintenance off --client {CLIENT}` opens it")), "{err}");
    assert_eq!(bench.switches().await.maintenance.keys().collect::<Vec<_>>(), [CLIENT]);
    bench.clock.0.pass(SignedDuration::from_hours(2));
    let (_, err) = bench.done(&["off"]).await;
    assert!(!err.contains("still closed"), "it is over: {err}");
    let (out, err) = bench.done(&["off", "--client", CLIENT]).await;
    assert!(
        out.starts_with(&format!("the app client {CLIENT} of {POOL} is open again")) && err.is_empty(),
        "{out}{err}"
    );
}

#[tokio::test]
async fn the_end_is_a_time_or_a_span() {
    let bench = Bench::settled();
    let ends = async |option: &str, text: &str| {
        bench.done(&["on", option, text]).await;
        bench.switches().await.maintenance["*"].until.unwrap().to_string()
    };
    assert_eq!(ends("--until", "2026-01-01T14:00:00+01:00").await, "2026-01-01T13:00:00Z");
    assert_eq!(ends("--until", "2026-02-01").await, "2026-02-01T00:00:00Z");
    assert_eq!(ends("--for", "90m").await, "2026-01-01T13:30:00Z");
    assert_eq!(ends("--for", "1d 12h").await, "2026-01-03T00:00:00Z");

    let bench = Bench::settled();
    for (arguments, said) in [
        (&["on", "--for", "2026-02-01"][..], "--for: `2026-02-01` is no span of time; write e.g. 90m, 2h or 1d"),
        (&["on", "--for=-2h"], "--for: `-2h` is over already"),
        (&["on", "--until", "2020-01-01T00:00:00Z"], "--until: `2020-01-01T00:00:00Z` is over already"),
        (&["on", "--until", "2026-02-01T12:00"], "--until: `2026-02-01T12:00` has no offset from UTC"),
        (&["on", "--until", "soon"], "--until: `soon` is no time"),
        (&["on", "--until", "2h", "--for", "2h"], "cannot be used with"),
    ] {
        let err = bench.refused(arguments).await;
        assert!(err.contains(said) && !err.contains("panicked"), "{arguments:?}: {err}");
    }
}

#[tokio::test]
async fn users_read_what_the_operator_wrote() {
    let bench = Bench::settled();
    let german = "de_AT=Wir arbeiten daran[ bis {until}]";
    bench
        .done(&["on", "--message", "Back soon[, by {until}]", "--message-for", german, "--message-for", "fr=a=b"])
        .await;
    let texts = [("", "Back soon[, by {until}]"), ("de-AT", "Wir arbeiten daran[ bis {until}]"), ("fr", "a=b")];
    assert_eq!(bench.switches().await.maintenance["*"], closed(NOON, None, &texts));
    // What was said before is replaced, but not since when it is closed.
    bench.clock.0.pass(SignedDuration::from_mins(5));
    bench.done(&["on", "--for", "1h", "--message", "Back at {until}"]).await;
    let replaced = closed(NOON, Some("2026-01-01T13:05:00Z"), &[("", "Back at {until}")]);
    assert_eq!(bench.switches().await.maintenance["*"], replaced);
    bench.clock.0.pass(SignedDuration::from_hours(1));
    bench.done(&["on"]).await;
    assert_eq!(bench.switches().await.maintenance["*"], closed("2026-01-01T13:05:00Z", None, &[]), "it was over");
}

#[tokio::test]
async fn what_would_read_badly_or_closes_nobody_is_refused_with_a_remedy() {
    let bench = Bench::settled();
    for (arguments, said) in [
        (&["on", "--message", "Back at {untill}"][..], "error: --message: there is no such placeholder"),
        (&["on", "--message", ""], "error: --message: the text is empty"),
        (
            &["on", "--message", "Back at {until}"],
            "error: --message: the text names the end, and there is none; say when with",
        ),
        (&["on", "--message-for", "de=Bis {until}"], "error: --message-for: the text names the end"),
        (&["on", "--message-for", "Wir arbeiten daran"], "error: --message-for: there is no language before the text"),
        (
            &["on", "--message-for", "German=Wir arbeiten daran"],
            "error: --message-for: `German`: this is not a language",
        ),
        (
            &["on", "--message-for", "de=a", "--message-for", "de=b"],
            "error: --message-for: there are two texts for `de`",
        ),
        (&["on", "--client", "the shop"], "error: --client: `the shop` is not the id of an app client; write the id"),
        (&["on", "--client", "*"], "error: --client: `*` is not the id"),
        (&["off", "--client", ""], "error: --client: `` is not the id"),
    ] {
        let err = bench.refused(arguments).await;
        assert!(err.starts_with(said), "{arguments:?}: {err}");
    }
    // Whoever switches in a ledger that is not there has named a wrong one.
    let nowhere = Bench::new();
    for command in ["on", "off", "status"] {
        let (code, _, err) = nowhere.run(&["maintenance", command]).await;
        assert!(code == 1 && err.contains("there is no file") && !nowhere.file.exists(), "{err}");
    }
}

#[tokio::test]
async fn status_tells_what_is_closed_and_what_is_over() {
    let bench = Bench::settled();
    let long = format!("Back soon{}", "!".repeat(100));
    bench.done(&["on", "--message", &long, "--message-for", "de=Bis bald", "--message-for", "fr=Bient\u{f4}t"]).await;
    bench.done(&["on", "--client", CLIENT, "--for", "2h"]).await;
    let (table, err) = bench.done(&["status"]).await;
    let lines: Vec<_> = table.lines().collect();
    assert_eq!((lines.len(), err.as_str()), (3, ""), "{table}");
    assert!(lines[0].starts_with("CLIENT") && lines[0].ends_with("TEXT"), "{table}");
    assert!(lines[1].starts_with("all ") && lines[1].contains("closed  2026-01-01 12:00  off "), "{table}");
    assert!(lines[1].ends_with("!\u{2026} (others: de, fr)"), "{table}");
    assert!(lines[2].starts_with(CLIENT) && lines[2].contains("2026-01-01 14:00  as in triggers.toml"), "{table}");

    bench.clock.0.pass(SignedDuration::from_hours(2));
    let (out, _) = bench.done(&["status", "--json"]).await;
    let told: Value = serde_json::from_str(&out).unwrap();
    let messages = json!({"": long, "de": "Bis bald", "fr": "Bient\u{f4}t"});
    assert_eq!(
        told,
        json!([
            {"client": null, "state": "closed", "since": NOON, "until": null, "messages": messages},
            {"client": CLIENT, "state": "over", "since": NOON, "until": "2026-01-01T14:00:00Z", "messages": {}},
        ])
    );
    let (out, _) = Bench::settled().done(&["status", "--json"]).await;
    assert_eq!(out, "[]\n");
}

#[tokio::test]
async fn a_text_somebody_put_into_the_ledger_has_no_effect_on_the_terminal() {
    let bench = Bench::settled();
    let maintenance =
        [("\u{1b}[31m".to_owned(), closed(NOON, None, &[("", "a\u{1b}[31mb\nc"), ("\u{7}", "x")]))].into();
    let switches = Switches { maintenance, ..Switches::default() };
    assert!(bench.ledger().switch(POOL, 0, &switches).await.unwrap());
    let (table, _) = bench.done(&["status"]).await;
    assert!(table.lines().count() == 2 && !table.contains(['\u{1b}', '\u{7}']), "{table:?}");
    let (_, err) = bench.done(&["off"]).await;
    assert!(err.contains("still closed") && !err.contains('\u{1b}'), "{err:?}");
}

#[tokio::test]
async fn what_a_newer_version_wrote_survives() {
    let bench = Bench::settled();
    let other: serde_json::Map<_, _> = [("read-only".to_owned(), json!({"since": NOON}))].into_iter().collect();
    let switches = Switches { other: other.clone(), ..Switches::default() };
    assert!(bench.ledger().switch(POOL, 0, &switches).await.unwrap());
    bench.done(&["on", "--client", CLIENT]).await;
    assert_eq!(bench.switches().await.other, other);
    bench.done(&["off", "--client", CLIENT]).await;
    assert_eq!(bench.switches().await, Switches { version: 3, other, ..Switches::default() });
}
