//! `names backfill`: holds the names of users who were there before the rule was.
//!
//! Every user is brought before the same rule as at a sign-in, except that a name that is taken is reported and no profile is
//! changed. Users who were done before cost one read, so that after an interruption it is simply run again.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use clap::Args;
use cognito_triggers::ledger::{Holding, LedgerAdmin, NameKey, Owner};
use cognito_triggers::report::Outcome;
use cognito_triggers::services::User;
use cognito_triggers::{
    Chains, Directory, Dispatcher, Fault, Handled, Invocation, Keys, Ledger, PostAuthentication, Services, Wants,
    random,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use unique_nickname::{Backfill, name_keys};

use crate::open::Opener;
use crate::table::{shown, table};
use crate::when;
use crate::world::{Problem, World};

/// What is to be held.
#[derive(Args, Debug)]
pub(crate) struct BackfillArguments {
    /// Shows what would happen, and writes nothing
    #[arg(long)]
    dry_run: bool,

    /// The attribute that is kept unique
    #[arg(long, value_name = "NAME", default_value = "nickname")]
    attribute: String,

    /// The most pages of 60 users asked of the directory in a second
    ///
    /// ListUsers has a quota for the whole account, which sign-ins need too.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pages_per_second: u32,

    /// Prints the clashes as JSON
    #[arg(long)]
    json: bool,
}

/// How often a page or a user is tried before it is given up.
const TRIES: u32 = 6;

/// The first pause after a failure; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// How long one user may take.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// How often progress is shown when nobody watches, in users.
const STRIDE: usize = 1_000;

/// A user with a name.
struct Person {
    user: User,
    sub: String,
    name: String,
}

/// Two users with one name.
#[derive(Serialize)]
struct Clash {
    name: String,
    user: String,
    sub: String,
    created: Timestamp,
    held_by: Holder,
}

#[derive(Serialize)]
struct Holder {
    /// The user name; none for a sign-up that is not confirmed yet, and for a user who is not in the directory any more.
    user: Option<String>,
    sub: Option<String>,
    name: Option<String>,
    created: Option<Timestamp>,
    /// For a sign-up that is not confirmed yet: until when.
    reserved_until: Option<Timestamp>,
}

/// What became of everybody.
#[derive(Default)]
struct Tally {
    held: usize,
    before: usize,
    clashes: Vec<Clash>,
    unusable: Vec<(String, String)>,
}

pub(crate) async fn backfill(
    opener: &Opener,
    pool: &str,
    arguments: &BackfillArguments,
    world: &mut World<'_>,
) -> Result<(), Problem> {
    let attribute = arguments.attribute.as_str();
    let rule = Backfill::of(attribute).map_err(|error| Problem::new(format!("--{error}")))?;
    let (ledger, directory, keys) = (opener.ledger()?, opener.directory()?, opener.keys()?);
    let all = everybody(&*directory, pool, arguments, world).await?;
    let count = all.len();
    let mut people: Vec<_> = all.into_iter().filter_map(|user| person(user, &arguments.attribute)).collect();
    // Who was first keeps the name. The ledger has the last word: what it holds already stays where it is.
    people.sort_by(|one, other| (one.user.created, &one.sub).cmp(&(other.user.created, &other.sub)));
    progress(world, &format!("{count} users, {} of them confirmed and with a name", people.len()), true)?;

    let by_sub: HashMap<&str, &Person> = people.iter().map(|person| (person.sub.as_str(), person)).collect();
    let mut tally = Tally::default();
    if arguments.dry_run {
        rehearse(attribute, &*ledger, pool, &people, &by_sub, world, &mut tally).await?;
    } else {
        let claims = Claims::new(rule, Arc::clone(&ledger), keys, world)?;
        for (number, person) in people.iter().enumerate() {
            let Ok(wanted) = name_keys(pool, attribute, &person.name) else {
                tally.unusable.push((person.name.clone(), person.user.user_name.clone()));
                continue;
            };
            match claims.claim(pool, person, world).await? {
                Claimed::Now => tally.held += 1,
                Claimed::Before => tally.before += 1,
                Claimed::Taken => {
                    let wants = Wants { pool: pool.to_owned(), names: wanted, ..Wants::default() };
                    let names = ledger.read(&wants).await?.names;
                    tally.clashes.push(clash(person, foreign(&names, person, world.clock.now()), &by_sub));
                }
            }
            counted(world, number + 1, people.len())?;
        }
    }
    report(&tally, arguments, world)
}

/// Every user of the pool, no faster than the quota allows.
async fn everybody(
    directory: &dyn Directory,
    pool: &str,
    arguments: &BackfillArguments,
    world: &mut World<'_>,
) -> Result<Vec<User>, Problem> {
    let stride = Duration::from_secs(1) / arguments.pages_per_second;
    let (mut all, mut page) = (Vec::new(), None);
    loop {
        let mut tries = 0;
        let found = loop {
            match directory.users(pool, page.clone()).await {
                Ok(found) => break found,
                Err(fault) => wait_or_give_up(fault, &mut tries, world).await?,
            }
        };
        all.extend(found.users);
        progress(world, &format!("{} users read", all.len()), false)?;
        page = found.next;
        if page.is_none() {
            return Ok(all);
        }
        world.clock.sleep(stride).await;
    }
}

fn person(user: User, attribute: &str) -> Option<Person> {
    let text = |name: &str| user.attributes.find(name).filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let (sub, name) = (text("sub")?, text(attribute)?);
    user.confirmed.then_some(Person { user, sub, name })
}

/// What became of one name.
enum Claimed {
    Now,
    Before,
    Taken,
}

/// Brings users before the rule, with everything that belongs to it: the read, the write, the repetition if the state moved.
struct Claims {
    dispatcher: Dispatcher,
}

impl Claims {
    fn new(rule: Backfill, ledger: Arc<dyn LedgerAdmin>, keys: Keys, world: &World<'_>) -> Result<Self, Problem> {
        let mut chains = Chains::default();
        chains.attach(rule).to::<PostAuthentication>().done()?;
        let ledger: Arc<dyn Ledger> = ledger;
        let services = Services { ledger, keys, ..Services::none(Arc::clone(&world.clock)) };
        Ok(Self { dispatcher: Dispatcher::new(chains, HashMap::new(), services) })
    }

    async fn claim(&self, pool: &str, person: &Person, world: &mut World<'_>) -> Result<Claimed, Problem> {
        let attributes: BTreeMap<&str, &str> = person.user.attributes.iter().collect();
        let event = json!({
            "version": "1",
            "triggerSource": "PostAuthentication_Authentication",
            "userPoolId": pool,
            "userName": person.user.user_name,
            "callerContext": {},
            "request": { "userAttributes": attributes },
            "response": {},
        });
        let event = event.to_string();
        let mut tries = 0;
        loop {
            let request_id = format!("{:032x}", u128::from_be_bytes(random::bytes()?));
            let deadline = world.clock.now().checked_add(PATIENCE).map_err(|error| Problem::new(error.to_string()))?;
            let invocation = Invocation { body: event.as_bytes(), request_id: &request_id, deadline };
            let Handled { report, .. } = self.dispatcher.handle(invocation).await;
            match (report.outcome, report.fault) {
                (Outcome::Denied, _) => return Ok(Claimed::Taken),
                (Outcome::Faulted, fault) => {
                    let (kind, causes) =
                        fault.unwrap_or((cognito_triggers::FaultKind::Rule, "without a reason".into()));
                    wait_or_give_up(Fault::of(kind, causes), &mut tries, world).await?;
                }
                _ if report.calls.writes > 0 => return Ok(Claimed::Now),
                _ => return Ok(Claimed::Before),
            }
        }
    }
}

/// What would happen, found by reading alone.
async fn rehearse(
    attribute: &str,
    ledger: &dyn LedgerAdmin,
    pool: &str,
    people: &[Person],
    by_sub: &HashMap<&str, &Person>,
    world: &mut World<'_>,
    tally: &mut Tally,
) -> Result<(), Problem> {
    let mut claimed: HashMap<NameKey, &Person> = HashMap::new();
    for (number, person) in people.iter().enumerate() {
        let Ok(keys) = name_keys(pool, attribute, &person.name) else {
            tally.unusable.push((person.name.clone(), person.user.user_name.clone()));
            continue;
        };
        let wants = Wants { pool: pool.to_owned(), names: keys.clone(), ..Wants::default() };
        let mut tries = 0;
        let names = loop {
            match ledger.read(&wants).await {
                Ok(reading) => break reading.names,
                Err(fault) => wait_or_give_up(fault, &mut tries, world).await?,
            }
        };
        let now = world.clock.now();
        let own = Owner::user(&person.sub);
        if let Some(holding) = foreign(&names, person, now) {
            tally.clashes.push(clash(person, Some(holding), by_sub));
        } else if let Some(first) = keys.iter().find_map(|key| claimed.get(key)) {
            let holding = Holding { owner: Owner::user(&first.sub), until: None, note: None };
            tally.clashes.push(clash(person, Some(&holding), by_sub));
        } else if keys.iter().all(|key| names.get(key).is_some_and(|holding| holding.owner == own)) {
            tally.before += 1;
        } else {
            tally.held += 1;
            claimed.extend(keys.into_iter().map(|key| (key, person)));
        }
        counted(world, number + 1, people.len())?;
    }
    Ok(())
}

/// Who holds one of the names, if it is not the person.
fn foreign<'a>(names: &'a BTreeMap<NameKey, Holding>, person: &Person, now: Timestamp) -> Option<&'a Holding> {
    let own = Owner::user(&person.sub);
    names.values().find(|holding| holding.is_live(now) && holding.owner != own)
}

fn clash(person: &Person, holding: Option<&Holding>, by_sub: &HashMap<&str, &Person>) -> Clash {
    let sub = holding.and_then(|holding| holding.owner.as_str().strip_prefix("U#"));
    let holder = sub.and_then(|sub| by_sub.get(sub));
    Clash {
        name: person.name.clone(),
        user: person.user.user_name.clone(),
        sub: person.sub.clone(),
        created: person.user.created,
        held_by: Holder {
            user: holder.map(|holder| holder.user.user_name.clone()),
            sub: sub.map(str::to_owned),
            name: holder.map(|holder| holder.name.clone()),
            created: holder.map(|holder| holder.user.created),
            reserved_until: holding.and_then(|holding| holding.until),
        },
    }
}

/// Waits longer and longer, and gives up in the end.
async fn wait_or_give_up(fault: Fault, tries: &mut u32, world: &mut World<'_>) -> Result<(), Problem> {
    *tries += 1;
    if *tries >= TRIES {
        progress(world, "", true)?;
        return Err(Problem::new(format!(
            "{}; nothing is lost: run it again, what is done is passed over",
            fault.causes()
        )));
    }
    world.clock.sleep(PAUSE * 2_u32.pow(*tries - 1)).await;
    Ok(())
}

fn report(tally: &Tally, arguments: &BackfillArguments, world: &mut World<'_>) -> Result<(), Problem> {
    progress(world, "", true)?;
    if arguments.json {
        writeln!(world.out, "{}", serde_json::to_string_pretty(&tally.clashes)?)?;
    } else if !tally.clashes.is_empty() {
        let rows: Vec<_> = tally.clashes.iter().map(row).collect();
        let heading = ["NAME", "USER", "CREATED (UTC)", "HELD BY", "AS", "CREATED (UTC)"];
        write!(world.out, "{}", table(&heading, &rows))?;
    }
    world.out.flush()?;
    for (name, user) in &tally.unusable {
        writeln!(world.err, "cannot be held: {} of {}", shown(name), shown(user))?;
    }
    let (verb, be) = if arguments.dry_run { ("would be held", "would clash") } else { ("held now", "clash") };
    let (held, before, clashes, unusable) = (tally.held, tally.before, tally.clashes.len(), tally.unusable.len());
    writeln!(world.err, "{held} {verb}, {before} held before, {clashes} {be}, {unusable} cannot be held")?;
    if clashes > 0 {
        writeln!(
            world.err,
            "who clashes keeps the profile as it is, and is given a variation at the next sign-in if `at-sign-in` is on"
        )?;
    }
    Ok(())
}

fn row(clash: &Clash) -> Vec<String> {
    let Holder { user, sub, name, created, reserved_until } = &clash.held_by;
    let holder = match (user, sub, reserved_until) {
        (Some(user), _, _) => shown(user),
        (None, Some(sub), _) => format!("{} (not in the directory)", shown(sub)),
        (None, None, Some(until)) => format!("a sign-up, until {}", when::shown(*until)),
        (None, None, None) => "somebody who let go of it meanwhile".to_owned(),
    };
    vec![
        shown(&clash.name),
        shown(&clash.user),
        when::shown(clash.created),
        holder,
        shown(name.as_deref().unwrap_or_default()),
        created.map(when::shown).unwrap_or_default(),
    ]
}

fn counted(world: &mut World<'_>, number: usize, all: usize) -> Result<(), Problem> {
    if world.watched || number.is_multiple_of(STRIDE) {
        progress(world, &format!("{number} of {all} names"), !world.watched)?;
    }
    Ok(())
}

/// Progress in place for who watches, else only what is to stay.
fn progress(world: &mut World<'_>, text: &str, stays: bool) -> Result<(), Problem> {
    match (world.watched, stays) {
        (true, true) if text.is_empty() => write!(world.err, "\r\u{1b}[K")?,
        (true, true) => writeln!(world.err, "\r\u{1b}[K{text}")?,
        (true, false) => write!(world.err, "\r\u{1b}[K{text}")?,
        (false, true) if !text.is_empty() => writeln!(world.err, "{text}")?,
        (false, _) => {}
    }
    Ok(world.err.flush()?)
}
