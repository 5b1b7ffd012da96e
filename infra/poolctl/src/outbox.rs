//! The outbox: what rules wanted done outside and is not done yet, looked at and put right.
//!
//! What is shown of a delivery tells what it is and how it fares. What it is filled with tells about a person, and is shown
//! only where `show --reveal` asks for it.

use clap::Args;
use cognito_triggers::ledger::{Condition, Delivery, DeliveryId, LedgerAdmin, Standing, Task};
use jiff::Timestamp;
use serde::Serialize;

use crate::open::Opener;
use crate::table::{shown, table};
use crate::when;
use crate::world::{Problem, World};

/// Which deliveries are listed.
#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Those that are parked: nobody tries them until they are redriven
    #[arg(long)]
    parked: bool,

    /// Those that are due, or that a courier works on
    #[arg(long)]
    due: bool,

    /// Those that are tried later
    #[arg(long)]
    waiting: bool,

    /// Those of one rule, e.g. welcome-email
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,

    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// One delivery.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// The `sub` of the user, as `list` shows it
    #[arg(long, value_name = "SUB")]
    sub: String,

    /// Its key, as `list` shows it
    #[arg(long, value_name = "KEY")]
    key: String,
}

/// What is shown.
#[derive(Args, Debug)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    one: One,

    /// Shows what it is filled with, too: addresses, names and whatever else the rule put there
    #[arg(long)]
    reveal: bool,

    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// What is tried anew.
#[derive(Args, Debug)]
pub(crate) struct RedriveArguments {
    /// Every delivery that is parked
    #[arg(long, required_unless_present_all = ["sub", "key"], conflicts_with_all = ["sub", "key"])]
    all_parked: bool,

    /// Of these only what one rule staged, e.g. welcome-email
    #[arg(long, value_name = "NAME", requires = "all_parked")]
    rule: Option<String>,

    /// The `sub` of the user, as `list` shows it
    #[arg(long, value_name = "SUB", requires = "key")]
    sub: Option<String>,

    /// The key of the delivery, as `list` shows it
    #[arg(long, value_name = "KEY", requires = "sub")]
    key: Option<String>,
}

/// What is given up.
#[derive(Args, Debug)]
pub(crate) struct DropArguments {
    #[command(flatten)]
    one: One,

    /// Says that it is meant
    #[arg(long)]
    yes: bool,
}

/// How much of a reason stands in the list.
const LONGEST_REASON: usize = 60;

/// A delivery as it is told about.
#[derive(Serialize)]
struct Listed<'a> {
    sub: &'a str,
    key: &'a str,
    rule: &'a str,
    kind: &'static str,
    what: String,
    state: &'static str,
    staged: Timestamp,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parked: Option<Timestamp>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// The same with what is told of one alone.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    listed: Listed<'a>,
    /// The user as the log names them.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only_if: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a Task>,
}

pub(crate) async fn list(
    opener: &Opener,
    pool: &str,
    arguments: &ListArguments,
    world: &mut World<'_>,
) -> Result<(), Problem> {
    let now = world.clock.now();
    let mut all = opener.ledger()?.deliveries(pool).await?;
    let stored = all.len();
    all.retain(|delivery| arguments.wants(delivery, now));
    if arguments.json {
        let listed: Vec<_> = all.iter().map(|delivery| listed(delivery, now)).collect();
        writeln!(world.out, "{}", serde_json::to_string_pretty(&listed)?)?;
        return Ok(());
    }
    if all.is_empty() {
        let such = if stored == 0 { "nothing" } else { "nothing of that kind" };
        writeln!(world.err, "{pool} has {such} in its outbox")?;
        return Ok(());
    }
    let row = |delivery: &Delivery| {
        vec![
            state(delivery, now),
            delivery.task.kind().to_owned(),
            shown(&delivery.id.sub),
            shown(&delivery.id.key),
            delivery.attempts.to_string(),
            short(delivery.fault.as_deref().unwrap_or_default()),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    write!(world.out, "{}", table(&["STATE (UTC)", "KIND", "SUB", "KEY", "TRIES", "REASON"], &rows))?;
    Ok(())
}

impl ListArguments {
    fn wants(&self, delivery: &Delivery, now: Timestamp) -> bool {
        let all = !(self.parked || self.due || self.waiting);
        let of_state = match delivery.standing(now) {
            Standing::Parked { .. } => self.parked,
            Standing::Due | Standing::InProgress { .. } => self.due,
            Standing::Waiting { .. } => self.waiting,
        };
        (all || of_state) && self.rule.as_deref().is_none_or(|rule| delivery.id.rule() == rule)
    }
}

pub(crate) async fn show(
    opener: &Opener,
    pool: &str,
    arguments: &ShowArguments,
    world: &mut World<'_>,
) -> Result<(), Problem> {
    let now = world.clock.now();
    let delivery = find(&*opener.ledger()?, &arguments.one.id(pool)).await?;
    let told = Told {
        listed: listed(&delivery, now),
        log_name: opener.keys()?.log_name(pool, &delivery.id.sub),
        only_if: delivery.only_if.as_ref().map(condition),
        task: arguments.reveal.then_some(&delivery.task),
    };
    if arguments.json {
        writeln!(world.out, "{}", serde_json::to_string_pretty(&told)?)?;
        return Ok(());
    }
    let Listed { sub, key, what, attempts, failing_since, reason, .. } = told.listed;
    let mut lines = vec![("sub", shown(sub))];
    lines.extend(told.log_name.map(|name| ("in logs", name)));
    lines.extend([("key", shown(key)), ("what", shown(&what))]);
    lines.extend(told.only_if.map(|condition| ("only if", condition)));
    lines.extend([("staged", utc(delivery.staged)), ("state", format!("{} UTC", state(&delivery, now)))]);
    if attempts > 0 {
        let since = failing_since.map(|since| format!(", since {}", utc(since))).unwrap_or_default();
        lines.push(("tries", format!("{attempts} in vain{since}")));
    }
    lines.extend(reason.map(|reason| ("reason", shown(reason))));
    for (name, text) in lines {
        writeln!(world.out, "{name:9}{text}")?;
    }
    match told.task {
        // JSON escapes control characters itself.
        Some(task) => writeln!(world.out, "filled with\n{}", serde_json::to_string_pretty(task)?)?,
        None => writeln!(world.err, "what it is filled with tells about a person; --reveal shows it")?,
    }
    Ok(())
}

pub(crate) async fn redrive(
    opener: &Opener,
    pool: &str,
    arguments: &RedriveArguments,
    world: &mut World<'_>,
) -> Result<(), Problem> {
    let (now, ledger) = (world.clock.now(), opener.ledger()?);
    if let (Some(sub), Some(key)) = (&arguments.sub, &arguments.key) {
        let delivery = idle(&*ledger, &One { sub: sub.clone(), key: key.clone() }.id(pool), now).await?;
        if !ledger.redrive(&delivery.id, now).await? {
            return Err(Problem::new("a courier has just taken it up; see `poolctl outbox list`"));
        }
        writeln!(world.out, "it is due now, and the next courier tries it")?;
        return Ok(());
    }
    let mut parked = ledger.deliveries(pool).await?;
    parked.retain(|it| it.parked.is_some() && arguments.rule.as_deref().is_none_or(|rule| it.id.rule() == rule));
    let (all, mut done) = (parked.len(), 0);
    for delivery in parked {
        let redriven = ledger.redrive(&delivery.id, now).await.map_err(|fault| {
            Problem::new(format!("{}; {done} of {all} are due now, run it again for the others", fault.causes()))
        })?;
        done += usize::from(redriven);
    }
    match all {
        0 => writeln!(world.err, "{pool} has nothing of that kind that is parked")?,
        _ => writeln!(world.out, "{done} of {all} are due now, and the next courier tries them")?,
    }
    Ok(())
}

pub(crate) async fn drop(
    opener: &Opener,
    pool: &str,
    arguments: &DropArguments,
    world: &mut World<'_>,
) -> Result<(), Problem> {
    let ledger = opener.ledger()?;
    let delivery = idle(&*ledger, &arguments.one.id(pool), world.clock.now()).await?;
    let what = shown(&delivery.task.gist());
    if !arguments.yes {
        return Err(Problem::new(format!(
            "this gives up {what} for good: it is never delivered, and not staged again; say so with --yes"
        )));
    }
    ledger.acknowledge(std::slice::from_ref(&delivery.id)).await?;
    writeln!(world.out, "{what} is given up")?;
    Ok(())
}

impl One {
    fn id(&self, pool: &str) -> DeliveryId {
        DeliveryId { pool: pool.to_owned(), sub: self.sub.clone(), key: self.key.clone() }
    }
}

async fn find(ledger: &dyn LedgerAdmin, id: &DeliveryId) -> Result<Delivery, Problem> {
    let all = ledger.deliveries(&id.pool).await?;
    all.into_iter().find(|delivery| delivery.id == *id).ok_or_else(|| {
        let gone = "has no such delivery; it may have been carried out meanwhile, see `poolctl outbox list`";
        Problem::new(format!("{} {gone}", id.pool))
    })
}

/// One that nobody works on.
async fn idle(ledger: &dyn LedgerAdmin, id: &DeliveryId, now: Timestamp) -> Result<Delivery, Problem> {
    let delivery = find(ledger, id).await?;
    match delivery.standing(now) {
        Standing::InProgress { until } => {
            Err(Problem::new(format!("a courier works on it until {} at the latest; try again then", utc(until))))
        }
        _ => Ok(delivery),
    }
}

fn listed(delivery: &Delivery, now: Timestamp) -> Listed<'_> {
    Listed {
        sub: &delivery.id.sub,
        key: &delivery.id.key,
        rule: delivery.id.rule(),
        kind: delivery.task.kind(),
        what: delivery.task.gist(),
        state: delivery.standing(now).as_str(),
        staged: delivery.staged,
        due: delivery.parked.is_none().then_some(delivery.due),
        parked: delivery.parked,
        attempts: delivery.attempts,
        failing_since: delivery.failing_since,
        reason: delivery.fault.as_deref(),
    }
}

fn state(delivery: &Delivery, now: Timestamp) -> String {
    let standing = delivery.standing(now);
    let name = standing.as_str();
    match standing {
        Standing::Due => format!("{name} since {}", when::shown(delivery.due)),
        Standing::Parked { since } => format!("{name} since {}", when::shown(since)),
        Standing::Waiting { until } | Standing::InProgress { until } => format!("{name} until {}", when::shown(until)),
    }
}

fn condition(condition: &Condition) -> String {
    match condition {
        Condition::CreatedSince { since, .. } => format!("the user was created at {} or later", utc(*since)),
        Condition::Subscribed { list, .. } => format!("the user still wants the mails of `{list}`"),
        Condition::Absent { list, seconds, .. } => {
            let days = seconds / (24 * 3600);
            format!("the user has not signed in for {days} days and still wants the mails of `{list}`")
        }
        Condition::WarningStands { warning, .. } => {
            format!("the password is still the one whose warning was due at {}", utc(*warning))
        }
        _ => "a condition holds that this program does not know".to_owned(),
    }
}

fn utc(time: Timestamp) -> String {
    format!("{} UTC", when::shown(time))
}

fn short(reason: &str) -> String {
    let reason = shown(reason);
    if reason.chars().count() <= LONGEST_REASON {
        return reason;
    }
    let beginning: String = reason.chars().take(LONGEST_REASON - 1).collect();
    format!("{}…", beginning.trim_end())
}
