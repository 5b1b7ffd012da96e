//! Ends sessions when users sign out, are disabled or deleted: what Cognito has no trigger for.
//!
//! It is called in two ways. EventBridge hands it CloudTrail's records of what was done to a user: a sign-out ends what began
//! before it, a deletion also frees the user's names and forgets the member, a new password sets the clock of `password-age`.
//! And the application's backend invokes it when a user signs out, with the id of the session from the token. docs/session-release.md
//! says how to set up both.
//!
//! Records come late, twice, and in any order. So each only ever takes back what is older than itself, and one that says
//! nothing of whom it is about is counted and left, because trying again would not help.

mod occasion;
mod record;
mod trail;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use cognito_triggers::config::{ConfigErrors, Configuration};
use cognito_triggers::grants::{self, Grant};
use cognito_triggers::ledger::{Amendment, Member, NameChange, NameKey, Owner, Reading, amend};
use cognito_triggers::{Adapters, Clock, ConfigError, Environment, Fault, Invocation, Services};
use cognito_triggers_lambda::{Done, Job};
use jiff::Timestamp;

pub use occasion::{Occasion, Wish};
pub use record::{Finished, Outcome, Tally};
pub use trail::{Deed, News, Trail, What};

/// The environment variable with the pools a record may be about that names none: their ids with commas between them.
const POOLS: &str = "TRIGGERS_POOLS";

/// What the function calls of AWS.
pub const GRANTS: &[Grant] = &[grants::READ, grants::WRITE, grants::REMOVE];

/// Answers events until Lambda ends the process, with these services: the whole `main` of the function.
#[must_use]
pub fn serve(adapters: Adapters) -> ExitCode {
    cognito_triggers_lambda::serve_job::<SessionRelease>(adapters)
}

/// What is done for each event.
pub struct SessionRelease {
    services: Services,
    pools: Vec<String>,
}

impl SessionRelease {
    /// One that works with the ledger of these services.
    #[must_use]
    pub fn new(services: Services) -> Self {
        Self { services, pools: Vec::new() }
    }

    /// The same, and a record that names no pool is taken to be about one of these.
    #[must_use]
    pub fn with_pools(self, pools: Vec<String>) -> Self {
        Self { pools, ..self }
    }

    /// Does what the event asks for.
    ///
    /// # Errors
    ///
    /// If the event is none of those this function takes, or the ledger cannot be reached.
    pub async fn carry_out(&self, event: &[u8]) -> Result<Finished, Fault> {
        let occasion = Occasion::of(event)?;
        match &occasion {
            Occasion::Wish(wish) => {
                let outcome = self.release(wish).await?;
                let user = self.services.keys.log_name(&wish.pool, &wish.sub);
                let pool = Some(wish.pool.clone());
                Ok(Finished { occasion, outcome, pool, user })
            }
            Occasion::Trail(Trail { news: News::Ignored(why), .. }) => {
                Ok(Finished::left(Outcome::Ignored(why), occasion))
            }
            Occasion::Trail(Trail { news: News::Unclear(why), .. }) => {
                Ok(Finished::left(Outcome::Unclear(why), occasion))
            }
            Occasion::Trail(Trail { news: News::Deed(deed), .. }) => {
                let Some((pool, outcome)) = self.act(deed).await? else {
                    let why = "it names no pool: set TRIGGERS_POOLS to the pools it may be about";
                    return Ok(Finished::left(Outcome::Unclear(why), occasion));
                };
                let user = self.services.keys.log_name(&pool, &deed.sub);
                Ok(Finished { outcome, pool: Some(pool), user, occasion })
            }
        }
    }

    /// Gives one session back.
    async fn release(&self, wish: &Wish) -> Result<Outcome, Fault> {
        let ended = |reading: &Reading| {
            let mut member = reading.member.clone()?;
            member.sessions.end(&wish.session).then(|| Amendment { member: Some(member), ..Amendment::default() })
        };
        let now = self.services.clock.now();
        let released = amend(self.services.ledger.as_ref(), &wish.pool, &wish.sub, now, ended).await?;
        Ok(Outcome::Done(Tally { sessions: usize::from(released), ..Tally::default() }))
    }

    /// Does what a record tells of, in the pool it names, or in the one of those it may be about that knows the user: a `sub`
    /// is nobody else's in another pool. Answers the pool; `None` if there is none to look in.
    async fn act(&self, deed: &Deed) -> Result<Option<(String, Outcome)>, Fault> {
        let pools = deed.pool.as_ref().map_or(self.pools.as_slice(), std::slice::from_ref);
        // Where several pools are possible, nobody is made a member of the wrong one.
        let sure = pools.len() == 1;
        let mut found = None;
        for pool in pools {
            let tally = self.act_in(pool, deed, sure).await?;
            let done = tally != Tally::default();
            if done || found.is_none() {
                found = Some((pool.clone(), Outcome::Done(tally)));
            }
            if done {
                break;
            }
        }
        Ok(found)
    }

    async fn act_in(&self, pool: &str, deed: &Deed, sure: bool) -> Result<Tally, Fault> {
        let now = self.services.clock.now();
        // A clock that is ahead of ours ends nothing that is yet to come.
        let at = deed.at.min(now);
        let tally = Cell::new(Tally::default());
        let ask = |reading: &Reading| {
            let (done, amendment) = match deed.what {
                What::SignOut => signed_out(reading, at),
                What::Deletion => deleted(reading, pool, &deed.sub),
                What::NewPassword => password_chosen(reading, at, sure),
            }?;
            tally.set(done);
            Some(amendment)
        };
        let changed = amend(self.services.ledger.as_ref(), pool, &deed.sub, now, ask).await?;
        Ok(if changed { tally.get() } else { Tally::default() })
    }
}

/// What was kept before the sign-out is at an end.
fn signed_out(reading: &Reading, at: Timestamp) -> Option<(Tally, Amendment)> {
    let mut member = reading.member.clone()?;
    let sessions = member.sessions.end_kept_before(at);
    let amendment = Amendment { member: Some(member), ..Amendment::default() };
    (sessions > 0).then_some((Tally { sessions, ..Tally::default() }, amendment))
}

/// The names are free and the member is forgotten, whenever the record comes: no `sub` is given twice.
fn deleted(reading: &Reading, pool: &str, sub: &str) -> Option<(Tally, Amendment)> {
    let member = reading.member.as_ref()?;
    let release = || NameChange::Release { owners: vec![Owner::user(sub)] };
    let mut names = BTreeMap::new();
    for (namespace, name) in &member.names {
        for key in &name.keys {
            let key = NameKey { pool: pool.to_owned(), namespace: namespace.clone(), key: key.clone() };
            names.insert(key, release());
        }
    }
    let mut sessions = member.sessions.clone();
    let sessions = sessions.end_kept_before(Timestamp::MAX);
    let tally = Tally { sessions, names: member.names.len(), members: 1, passwords: 0 };
    Some((tally, Amendment { member: None, names, deliveries: Vec::new() }))
}

/// The clock of the password is set, unless it is set to something newer. A warning that the old one will expire is pointless.
fn password_chosen(reading: &Reading, at: Timestamp, sure: bool) -> Option<(Tally, Amendment)> {
    let mut member = match &reading.member {
        Some(member) => member.clone(),
        None if sure => Member::default(),
        None => return None,
    };
    let before = member.password.clone();
    member.password.is_chosen(at);
    if member.password == before {
        return None;
    }
    Some((Tally { passwords: 1, ..Tally::default() }, Amendment { member: Some(member), ..Amendment::default() }))
}

impl Job for SessionRelease {
    async fn open(
        environment: &Environment,
        adapters: &Adapters,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<ConfigError>), ConfigErrors> {
        let configuration = Configuration::find(environment)?;
        let pools = pools(environment)?;
        let (services, doubts) = configuration.open_services(environment, adapters, clock).await?;
        Ok((Self { services, pools }, doubts))
    }

    async fn run(&self, call: Invocation<'_>, cold_start: bool) -> Result<Done, Fault> {
        let started = Instant::now();
        let finished = self.carry_out(call.body).await?;
        finished.log(call.request_id, started.elapsed(), cold_start);
        Ok(Done { answer: finished.answer()?, measures: finished.measures() })
    }
}

/// The pools the environment names.
fn pools(environment: &Environment) -> Result<Vec<String>, ConfigError> {
    let named = environment.find(POOLS).unwrap_or_default();
    let pools: Vec<_> = named.split(',').map(str::trim).filter(|pool| !pool.is_empty()).collect();
    if let Some(wrong) = pools.iter().find(|pool| !is_pool(pool)) {
        let error = ConfigError::new(format!("`{wrong}` is not the id of a user pool"));
        return Err(error.at(POOLS).remedy("write ids such as `eu-central-1_AbCdEfGhI` with commas between them"));
    }
    Ok(pools.into_iter().map(str::to_owned).collect())
}

/// "[\w-]+_[0-9a-zA-Z]+", at most 55 characters (API reference, UserPoolIdType).
pub(crate) fn is_pool(text: &str) -> bool {
    let Some((region, id)) = text.rsplit_once('_') else { return false };
    let of_region = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() <= 55
        && !region.is_empty()
        && !id.is_empty()
        && region.bytes().all(of_region)
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// It looks like a UUID, and is not to be checked as one (developer guide, "User attributes"): whatever can be a key.
pub(crate) fn is_sub(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
