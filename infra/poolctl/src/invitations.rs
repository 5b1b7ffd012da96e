//! Invitations: made, listed, taken back.

use std::collections::{BTreeMap, BTreeSet};

use access_code::{new_code, normal};
use clap::Args;
use cognito_triggers::ledger::{Change, CommitId, Committed, Invitation, InvitationChange, InvitationKey, LedgerAdmin};
use jiff::Timestamp;
use serde::Serialize;

use crate::open::Opener;
use crate::table::{shown, table};
use crate::when;
use crate::world::{Problem, World};

/// What kind of invitation is to be made.
#[derive(Args, Debug)]
pub(crate) struct CreateArguments {
    /// How many users one lets in
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(Invitation::MOST)))]
    maximum: u32,

    /// Until when: a span such as 7d or 12h, the start of a day in UTC such as 2027-01-31, or a time such as
    /// 2027-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,

    /// How many to make
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    count: u32,

    /// What it is for, to be told apart in the list; never a code
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// How much of a hash is shown: 40 bits tell apart any number of invitations a pool has.
const SHOWN: usize = 8;

/// The longest note, in bytes: it stands in an item of the ledger.
const LONGEST_NOTE: usize = 256;

/// How often taking one back is tried while others use it.
const TRIES: usize = 10;

#[derive(Serialize)]
struct Made {
    code: String,
    hash: String,
    maximum: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

#[derive(Serialize)]
struct Listed {
    hash: String,
    used: usize,
    reserved: usize,
    maximum: u32,
    created: Timestamp,
    expires: Option<Timestamp>,
    note: Option<String>,
    state: &'static str,
}

pub(crate) async fn create(
    opener: &Opener,
    pool: &str,
    arguments: &CreateArguments,
    world: &mut World<'_>,
) -> Result<(), Problem> {
    let keys = opener.keys()?;
    if keys.is_empty() {
        return Err(Problem::new(
            "TRIGGERS_KEY is not set; set it to the root key of the functions, since they find an invitation by a hash \
             that is made with it (for a local pool: TRIGGERS_KEY=$(cat .pool/key))",
        ));
    }
    let now = world.clock.now();
    let expires = arguments.expires.as_deref().map(|text| when::future(text, now)).transpose();
    let expires = expires.map_err(|error| Problem::new(format!("--expires: {error}")))?;
    if arguments.note.as_ref().is_some_and(|note| note.len() > LONGEST_NOTE) {
        return Err(Problem::new(format!("--note: the text is longer than {LONGEST_NOTE} bytes; write a shorter one")));
    }
    let ledger = opener.ledger()?;
    for _ in 0..arguments.count {
        let code = new_code()?;
        let key = normal(&code).and_then(|code| keys.invitation(pool, &code).into_iter().next());
        let key = key.ok_or_else(|| Problem::new("a code was made that is none"))?;
        let invitation = Invitation {
            maximum: arguments.maximum,
            created: now,
            expires,
            note: arguments.note.clone(),
            revoked: false,
            uses: BTreeMap::new(),
            version: 1,
        };
        if !ledger.create_invitation(&key, &invitation).await? {
            return Err(Problem::new("the ledger has an invitation of this hash already; run it again"));
        }
        // Each at once: what was stored has been shown, whatever comes next.
        if arguments.json {
            let made = Made { code, hash: prefix(&key), maximum: arguments.maximum, expires };
            writeln!(world.out, "{}", serde_json::to_string(&made)?)?;
        } else {
            writeln!(world.out, "{code}")?;
        }
        world.out.flush()?;
    }
    if !arguments.json {
        let each = match arguments.maximum {
            1 => "lets one user in".to_owned(),
            most => format!("lets {most} users in"),
        };
        let until = expires.map(|time| format!(" until {} UTC", when::shown(time))).unwrap_or_default();
        writeln!(
            world.err,
            "each code {each}{until}; it is stored only as a hash, so this is the only time it is shown"
        )?;
    }
    Ok(())
}

pub(crate) async fn list(opener: &Opener, pool: &str, json: bool, world: &mut World<'_>) -> Result<(), Problem> {
    let now = world.clock.now();
    let all = opener.ledger()?.invitations(pool).await?;
    let all: Vec<Listed> = all.iter().map(|(key, invitation)| listed(key, invitation, now)).collect();
    if json {
        writeln!(world.out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(());
    }
    if all.is_empty() {
        writeln!(world.err, "{pool} has no invitations; make one with `poolctl invitations create`")?;
        return Ok(());
    }
    let row = |one: &Listed| {
        vec![
            one.hash.clone(),
            one.state.to_owned(),
            format!("{} of {}", one.used, one.maximum),
            one.reserved.to_string(),
            one.expires.map_or_else(|| "never".to_owned(), when::shown),
            shown(one.note.as_deref().unwrap_or_default()),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    write!(world.out, "{}", table(&["HASH", "STATE", "USED", "RESERVED", "EXPIRES (UTC)", "NOTE"], &rows))?;
    Ok(())
}

pub(crate) async fn revoke(opener: &Opener, pool: &str, which: &str, world: &mut World<'_>) -> Result<(), Problem> {
    let ledger = opener.ledger()?;
    let (key, mut invitation) = find(opener, &*ledger, pool, which).await?;
    for _ in 0..TRIES {
        if invitation.revoked {
            writeln!(world.out, "{} lets nobody in any more", prefix(&key))?;
            return Ok(());
        }
        let expected = invitation.version;
        let put = Invitation { revoked: true, version: expected.saturating_add(1), ..invitation.clone() };
        let change = Change {
            id: CommitId::random()?,
            now: world.clock.now(),
            pool: pool.to_owned(),
            member: None,
            names: BTreeMap::new(),
            invitations: BTreeMap::from([(key.clone(), InvitationChange::Put { expected, invitation: put.clone() })]),
            deliveries: Vec::new(),
        };
        invitation = match ledger.commit(&change).await? {
            Committed::Done => put,
            // Somebody used it meanwhile.
            Committed::Moved(mut moved) => match moved.invitations.remove(&key) {
                Some(Some(now)) => now,
                Some(None) => return Err(Problem::new("the invitation is gone")),
                None => find(opener, &*ledger, pool, &key.hash).await?.1,
            },
        };
    }
    Err(Problem::new("the invitation is used too often at the moment; run it again"))
}

/// The one invitation with this code, or whose hash begins so.
async fn find(
    opener: &Opener,
    ledger: &dyn LedgerAdmin,
    pool: &str,
    which: &str,
) -> Result<(InvitationKey, Invitation), Problem> {
    let which = which.trim();
    // A hash has as many characters as a code: it is taken for either.
    let mut hashes: BTreeSet<String> = BTreeSet::new();
    if let Some(code) = normal(which) {
        hashes.extend(opener.keys()?.invitation(pool, &code).into_iter().map(|key| key.hash));
    }
    let beginning = which.to_ascii_uppercase();
    if beginning.len() < 4 {
        return Err(Problem::new("name at least 4 characters of the hash, as `poolctl invitations list` shows it"));
    }
    let fits = |hash: &str| hash.starts_with(&beginning) || hashes.contains(hash);
    let mut found = ledger.invitations(pool).await?;
    found.retain(|(key, _)| fits(&key.hash));
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => {
            Err(Problem::new(format!("{} invitations begin so; name more of the hash", found.len() + 1)))
        }
        (None, _) => {
            let hint = if normal(which).is_some() && opener.keys()?.is_empty() {
                "to find it by its code, set TRIGGERS_KEY"
            } else {
                "see `poolctl invitations list`"
            };
            Err(Problem::new(format!("{pool} has no such invitation; {hint}")))
        }
    }
}

fn listed(key: &InvitationKey, invitation: &Invitation, now: Timestamp) -> Listed {
    let (used, reserved) = invitation.counts(now);
    let maximum = invitation.maximum;
    let state = if invitation.revoked {
        "revoked"
    } else if invitation.expires.is_some_and(|expires| expires <= now) {
        "expired"
    } else if used >= maximum as usize {
        "used up"
    } else if used + reserved >= maximum as usize {
        "reserved"
    } else {
        "open"
    };
    let Invitation { created, expires, note, .. } = invitation.clone();
    Listed { hash: prefix(key), used, reserved, maximum, created, expires, note, state }
}

fn prefix(key: &InvitationKey) -> String {
    key.hash.chars().take(SHOWN).collect()
}
