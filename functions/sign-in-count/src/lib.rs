//! How often and when each user signed in.
//!
//! ```toml
//! [sign-in-count]
//! per-client = true        # for each app client besides
//! ```
//!
//! Cognito counts nothing of this: no attribute says how often a user signed in, or when last. It is counted after everything
//! was proven and every gate agreed, in the one write of the event, so that under any race the count grows by one for each
//! sign-in that was let in. `poolctl members` lists what was counted; the metrics `SignIns` and `FirstSignIns` add it up.
//!
//! "Not fired on first federated sign-in" (Cognito developer guide, "Post authentication Lambda trigger"): that one is counted
//! where the user is confirmed.
//!
//! What it does not do: count tokens that are refreshed, or tell a call that Cognito repeats from another sign-in. Events bear no
//! id; `once-per-seconds` takes those that follow each other closely for one.

use std::collections::BTreeMap;

use cognito_triggers::grants::{self, Grant};
use cognito_triggers::ledger::{ClientSignIns, SignIns};
use cognito_triggers::prelude::*;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignInCount {
    /// Whether sign-ins are also counted for each app client. Of one user the 50 clients used last are kept.
    #[serde(default = "yes")]
    per_client: bool,
    /// What comes sooner after a sign-in of the same user, at the same app client if these are counted, is taken for the same
    /// one, in seconds: 0 to 3600. With 0 every event counts, one that Cognito repeats as well.
    #[serde(default)]
    once_per_seconds: u32,
}

const fn yes() -> bool {
    true
}

/// How many app clients are kept of one user: a member is written at every sign-in, and what it holds is paid for.
pub const MOST_CLIENTS: usize = 50;

/// The metric that counts sign-ins.
pub const SIGN_INS: &str = "SignIns";
/// The metric that counts those that were the first of their user.
pub const FIRST_SIGN_INS: &str = "FirstSignIns";

impl Configured for SignInCount {
    const SECTION: &'static str = "sign-in-count";
    const ON_FAULT: OnFault = OnFault::Continue;
    const TRIGGERS: &'static [&'static str] = &[PostConfirmation::NAME, PostAuthentication::NAME];
    const GRANTS: &'static [Grant] = &[grants::READ, grants::WRITE];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        if self.once_per_seconds > 3600 {
            return Err(ConfigError::new("repetitions come within 3600 seconds")
                .at("once-per-seconds")
                .remedy("use 0, with which every event counts, to 3600"));
        }
        chains.need(Need::Ledger);
        chains.attach(self).to::<PostAuthentication>().to::<PostConfirmation>().done()
    }
}

impl Rule<PostAuthentication> for SignInCount {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        visit: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        self.count(event, visit).await?;
        Ok(Verdict::Continue)
    }
}

impl Rule<PostConfirmation> for SignInCount {
    async fn apply(
        &self,
        event: &Event<PostConfirmation>,
        visit: &mut Visit<PostConfirmation>,
    ) -> Answer<PostConfirmation> {
        // Who is confirmed otherwise, or forgot a password, has yet to sign in.
        if event.is_federated_sign_in() {
            self.count(event, visit).await?;
        }
        Ok(Verdict::Continue)
    }
}

impl SignInCount {
    /// Counts a sign-in of whoever the event names.
    async fn count<T: Trigger>(&self, event: &Event<T>, visit: &mut Visit<T>) -> Result<(), Fault> {
        if event.sub().is_none() {
            return Ok(());
        }
        let now = visit.now;
        let client = event.caller.client_id.as_deref().unwrap_or_default();
        let member = visit.ledger.member().await?;
        member.signed_in(now);
        let sign_ins = &mut member.sign_ins;
        if self.is_the_same(sign_ins, client, now) {
            return Ok(());
        }
        let is_first = sign_ins.count == 0;
        let SignIns { count, first, last, clients, .. } = sign_ins;
        add(count, first, last, now);
        if self.per_client {
            let ClientSignIns { count, first, last } = clients.entry(client.to_owned()).or_default();
            add(count, first, last, now);
            drop_longest_unused(clients, client);
        }
        visit.counts.one(SIGN_INS);
        if is_first {
            visit.counts.one(FIRST_SIGN_INS);
        }
        Ok(())
    }

    /// Whether this is taken for a sign-in that was counted already.
    fn is_the_same(&self, sign_ins: &SignIns, client: &str, now: Timestamp) -> bool {
        let span = SignedDuration::from_secs(self.once_per_seconds.into());
        let last = if self.per_client { sign_ins.clients.get(client).and_then(|it| it.last) } else { sign_ins.last };
        // To either side: where the clock went back far, what is counted by it is another sign-in.
        last.is_some_and(|last| now.duration_since(last).abs() < span)
    }
}

/// One more. A clock that went back makes the first earlier, and the last no earlier.
fn add(count: &mut u64, first: &mut Option<Timestamp>, last: &mut Option<Timestamp>, now: Timestamp) {
    *count = count.saturating_add(1);
    *first = Some(first.map_or(now, |first| first.min(now)));
    *last = (*last).max(Some(now));
}

/// Makes room, but keeps the client that was just used.
fn drop_longest_unused(clients: &mut BTreeMap<String, ClientSignIns>, used: &str) {
    while clients.len() > MOST_CLIENTS {
        let others = clients.iter().filter(|(client, _)| client.as_str() != used);
        let Some(oldest) = others.min_by_key(|(_, sign_ins)| sign_ins.last).map(|(client, _)| client.clone()) else {
            return;
        };
        clients.remove(&oldest);
    }
}

#[cfg(test)]
mod tests;
