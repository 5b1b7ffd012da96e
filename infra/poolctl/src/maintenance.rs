//! The switch of the rule `maintenance`: closes the pool or one app client at once, and opens it again.

use std::collections::BTreeMap;

use clap::Args;
use cognito_triggers::Wants;
use cognito_triggers::config::is_client_id;
use cognito_triggers::ledger::{Downtime, LedgerAdmin, Switches};
use cognito_triggers::mailing::Locale;
use jiff::{Span, Timestamp};
use maintenance::Text;
use serde::Serialize;

use crate::open::Opener;
use crate::table::{shown, table};
use crate::when;
use crate::world::{Problem, World};

/// What is closed, until when, and what users read.
#[derive(Args, Debug)]
pub(crate) struct OnArguments {
    #[command(flatten)]
    whom: Whom,

    /// When it opens again by itself: a day or a time, e.g. 2027-01-31T12:00:00Z; without it not before `off`
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// After how long it opens again by itself, e.g. 90m, 2h or 1d
    #[arg(long = "for", value_name = "SPAN", conflicts_with = "until")]
    span: Option<String>,

    /// What users read, instead of what triggers.toml says: `{until}` stands for the end, and what stands in [ ] is left out if
    /// there is none
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,

    /// The same for users of one language, e.g. "de=Wir arbeiten daran[ bis {until}]"; may stand several times
    #[arg(long, value_name = "LANGUAGE=TEXT")]
    message_for: Vec<String>,
}

/// What is opened.
#[derive(Args, Debug)]
pub(crate) struct OffArguments {
    #[command(flatten)]
    whom: Whom,
}

/// Everybody, or whoever comes by one app client.
#[derive(Args, Debug)]
struct Whom {
    /// One app client, by its id; without it the whole pool
    #[arg(long, value_name = "ID")]
    client: Option<String>,
}

/// How often switches that move are read again.
const TRIES: usize = 20;

/// How much of a text stands in the table.
const LONGEST_TEXT: usize = 60;

/// Something that is closed, as it is told about.
#[derive(Serialize)]
struct Listed<'a> {
    /// The app client; the whole pool if there is none.
    client: Option<&'a str>,
    state: &'static str,
    since: Timestamp,
    until: Option<Timestamp>,
    /// By language; the empty one for all others.
    messages: &'a BTreeMap<String, String>,
}

pub(crate) async fn on(
    opener: &Opener,
    pool: &str,
    arguments: &OnArguments,
    world: &mut World<'_>,
) -> Result<(), Problem> {
    let now = world.clock.now();
    let key = arguments.whom.key()?;
    let until = arguments.end(now)?;
    let messages = arguments.messages(until)?;
    let close = |switches: &mut Switches| {
        // Who is closed already and stays so is closed since then.
        let before = switches.maintenance.get(&key).filter(|before| is_on(before, now)).cloned();
        let before = before.unwrap_or_else(|| Downtime::since(now));
        switches.maintenance.insert(key.clone(), Downtime { until, messages: messages.clone(), ..before });
        true
    };
    change(&*opener.ledger()?, pool, close).await?;
    let end = match until {
        Some(until) => format!("until {} UTC", when::shown(until)),
        None => "until `poolctl maintenance off`".to_owned(),
    };
    writeln!(world.out, "{} is closed {end}", arguments.whom.name(pool))?;
    writeln!(
        world.err,
        "every function with the rule `maintenance` obeys within 10 seconds; tokens that were made stay good"
    )?;
    Ok(())
}

pub(crate) async fn off(
    opener: &Opener,
    pool: &str,
    arguments: &OffArguments,
    world: &mut World<'_>,
) -> Result<(), Problem> {
    let now = world.clock.now();
    let key = arguments.whom.key()?;
    let open = |switches: &mut Switches| switches.maintenance.remove(&key).is_some();
    let (switches, was_closed) = change(&*opener.ledger()?, pool, open).await?;
    let name = arguments.whom.name(pool);
    if was_closed {
        writeln!(world.out, "{name} is open again, everywhere within 10 seconds")?;
    } else {
        writeln!(world.err, "{name} was not closed by the switch; nothing has changed")?;
    }
    for (key, _) in switches.maintenance.iter().filter(|(_, downtime)| is_on(downtime, now)) {
        let client = client(key).map(str::to_owned);
        let option = client.as_deref().map(|client| format!(" --client {}", shown(client))).unwrap_or_default();
        let name = Whom { client }.name(pool);
        writeln!(world.err, "{name} is still closed; `poolctl maintenance off{option}` opens it")?;
    }
    Ok(())
}

pub(crate) async fn status(opener: &Opener, pool: &str, json: bool, world: &mut World<'_>) -> Result<(), Problem> {
    let now = world.clock.now();
    let switches = read(&*opener.ledger()?, pool).await?;
    let all = listed(&switches, now);
    if json {
        writeln!(world.out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(());
    }
    if all.is_empty() {
        writeln!(world.err, "{pool} is not closed by the switch; windows in triggers.toml are not looked at")?;
        return Ok(());
    }
    let row = |one: &Listed<'_>| {
        vec![
            shown(one.client.unwrap_or("all")),
            one.state.to_owned(),
            when::shown(one.since),
            one.until.map_or_else(|| "off".to_owned(), when::shown),
            texts(one.messages),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    write!(world.out, "{}", table(&["CLIENT", "STATE", "SINCE (UTC)", "UNTIL (UTC)", "TEXT"], &rows))?;
    Ok(())
}

impl Whom {
    /// What stands for it in the switches.
    fn key(&self) -> Result<String, Problem> {
        match &self.client {
            None => Ok(Switches::EVERY_CLIENT.to_owned()),
            Some(client) if is_client_id(client) => Ok(client.clone()),
            Some(client) => Err(Problem::new(format!(
                "--client: `{client}` is not the id of an app client; write the id, e.g. 1example23456789, not the name"
            ))),
        }
    }

    fn name(&self, pool: &str) -> String {
        match &self.client {
            None => pool.to_owned(),
            Some(client) => format!("the app client {} of {pool}", shown(client)),
        }
    }
}

impl OnArguments {
    fn end(&self, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
        if let Some(span) = self.span.as_deref().filter(|span| span.parse::<Span>().is_err()) {
            return Err(Problem::new(format!("--for: `{span}` is no span of time; write e.g. 90m, 2h or 1d")));
        }
        let named = self.until.iter().map(|text| ("--until", text)).chain(self.span.iter().map(|text| ("--for", text)));
        let mut ends = named
            .map(|(option, text)| when::future(text, now).map_err(|error| Problem::new(format!("{option}: {error}"))));
        ends.next().transpose()
    }

    /// The texts by language, none of which anybody could read badly.
    fn messages(&self, until: Option<Timestamp>) -> Result<BTreeMap<String, String>, Problem> {
        let mut messages = BTreeMap::new();
        if let Some(text) = &self.message {
            messages.insert(String::new(), checked("--message", text, until)?);
        }
        for argument in &self.message_for {
            let wrong = |what: &str| Problem::new(format!("--message-for: {what}"));
            let (language, text) = argument
                .split_once('=')
                .ok_or_else(|| wrong("there is no language before the text; write e.g. \"de=Wir arbeiten daran\""))?;
            let language: Locale = language.trim().parse().map_err(|error| wrong(&format!("`{language}`: {error}")))?;
            let text = checked("--message-for", text, until)?;
            if messages.insert(language.as_str().to_owned(), text).is_some() {
                return Err(wrong(&format!("there are two texts for `{}`; write one", language.as_str())));
            }
        }
        Ok(messages)
    }
}

fn checked(option: &str, text: &str, until: Option<Timestamp>) -> Result<String, Problem> {
    let parsed: Text = text.parse().map_err(|error| Problem::new(format!("{option}: {error}")))?;
    if until.is_none() && parsed.needs_end() {
        return Err(Problem::new(format!(
            "{option}: the text names the end, and there is none; say when with --until or --for, or put what names it in \
             square brackets, e.g. \"We are closed[ until {{until}}]\""
        )));
    }
    Ok(text.to_owned())
}

async fn read(ledger: &dyn LedgerAdmin, pool: &str) -> Result<Switches, Problem> {
    let wants = Wants { pool: pool.to_owned(), ..Wants::default() };
    Ok(ledger.read(&wants).await?.switches)
}

/// Changes the switches, again if somebody else was quicker. `edit` says whether there is anything to write. Answers what stands
/// there now, and whether it was written.
async fn change(
    ledger: &dyn LedgerAdmin,
    pool: &str,
    edit: impl Fn(&mut Switches) -> bool,
) -> Result<(Switches, bool), Problem> {
    for _ in 0..TRIES {
        let mut switches = read(ledger, pool).await?;
        let expected = switches.version;
        if !edit(&mut switches) {
            return Ok((switches, false));
        }
        if ledger.switch(pool, expected, &switches).await? {
            return Ok((switches, true));
        }
    }
    Err(Problem::new("the switches moved again and again while they were to be written; run it again"))
}

fn listed(switches: &Switches, now: Timestamp) -> Vec<Listed<'_>> {
    let mut all = Vec::with_capacity(switches.maintenance.len());
    for (key, downtime) in &switches.maintenance {
        let Downtime { since, until, messages, .. } = downtime;
        let state = if is_on(downtime, now) { "closed" } else { "over" };
        all.push(Listed { client: client(key), state, since: *since, until: *until, messages });
    }
    all
}

/// As the rule sees it: since when does not count.
fn is_on(downtime: &Downtime, now: Timestamp) -> bool {
    downtime.until.is_none_or(|until| now < until)
}

/// The app client a key stands for; none for all of them.
fn client(key: &str) -> Option<&str> {
    (key != Switches::EVERY_CLIENT).then_some(key)
}

/// The text for most users, and in which languages there are others.
fn texts(messages: &BTreeMap<String, String>) -> String {
    let languages: Vec<_> = messages.keys().filter(|language| !language.is_empty()).map(|it| shown(it)).collect();
    let mut text = messages.get("").map_or_else(|| "as in triggers.toml".to_owned(), |text| shown(text));
    if text.chars().count() > LONGEST_TEXT {
        text = text.chars().take(LONGEST_TEXT - 1).chain(['\u{2026}']).collect();
    }
    match languages.is_empty() {
        true => text,
        false => format!("{text} (others: {})", languages.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use cognito_triggers::ledger::MemoryLedger;
    use futures_util::FutureExt;

    use super::*;

    const POOL: &str = "eu-central-1_Example01";

    fn close(switches: &mut Switches, client: &str) {
        let downtime = Downtime::since(Timestamp::UNIX_EPOCH);
        switches.maintenance.insert(client.to_owned(), downtime);
    }

    #[test]
    fn who_was_slower_writes_over_what_the_quicker_one_wrote_and_loses_nothing_of_it() {
        let (ledger, tries) = (MemoryLedger::default(), Cell::new(0));
        let edit = |switches: &mut Switches| {
            tries.set(tries.get() + 1);
            if tries.get() <= 2 {
                // Between our reading and our writing somebody else writes.
                let mut theirs = switches.clone();
                close(&mut theirs, &format!("other{}", tries.get()));
                let version = theirs.version;
                assert!(ledger.switch(POOL, version, &theirs).now_or_never().unwrap().unwrap());
            }
            close(switches, "ours");
            true
        };
        let (switches, written) = change(&ledger, POOL, edit).now_or_never().unwrap().unwrap();
        assert!(written && tries.get() == 3);
        assert_eq!(switches.maintenance.keys().collect::<Vec<_>>(), ["other1", "other2", "ours"]);
        let stored = read(&ledger, POOL).now_or_never().unwrap().unwrap();
        assert_eq!((stored.maintenance, stored.version), (switches.maintenance, 3));
    }

    #[test]
    fn switches_that_move_without_end_are_given_up() {
        let ledger = MemoryLedger::default();
        let edit = |switches: &mut Switches| {
            let moved = ledger.switch(POOL, switches.version, switches).now_or_never().unwrap();
            assert!(moved.unwrap());
            true
        };
        let problem = change(&ledger, POOL, edit).now_or_never().unwrap().unwrap_err();
        assert!(problem.to_string().ends_with("run it again"), "{problem}");
        assert_eq!(read(&ledger, POOL).now_or_never().unwrap().unwrap().version, TRIES as u64);
    }
}
