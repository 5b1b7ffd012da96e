//! The rule: who is refused at which gate, by what, and who gets in all the same.

use cognito_triggers::ledger::{Downtime, Switches};
use cognito_triggers::prelude::*;
use cognito_triggers::{Attributes, Envelope, Gate, Page, TriggerSource};
use jiff::Timestamp;

use crate::Maintenance;
use crate::sentence::Wording;

/// What is known of somebody's groups at a gate.
pub(crate) enum Groups<'a> {
    /// The event tells them.
    Told(&'a [String]),
    /// The ledger remembers those of the last token.
    Remembered,
    /// There are none: there is no user yet.
    None,
    /// Nothing, but the next gates will know: nobody who may be exempt can be refused here.
    Later,
}

/// A gate as this rule sees it.
pub(crate) trait Entrance: Gate {
    fn groups(request: &Self::Request) -> Groups<'_>;
}

macro_rules! entrances {
    ($($trigger:ty: |$request:pat_param| $groups:expr;)*) => {$(
        impl Entrance for $trigger {
            fn groups($request: &Self::Request) -> Groups<'_> {
                $groups
            }
        }
    )*};
}

entrances! {
    PreSignUp: |_| Groups::None;
    UserMigration: |_| Groups::None;
    // "every federated sign-in, new and returning, before create/update": PreSignUp, or PreAuthentication and PostAuthentication,
    // follow.
    InboundFederation: |_| Groups::Later;
    PreAuthentication: |_| Groups::Remembered;
    PostAuthentication: |_| Groups::Remembered;
    PreTokenGenerationV1: |request| Groups::Told(&<Self as TokenTrigger>::groups(request).groups_to_override);
    PreTokenGenerationV2: |request| Groups::Told(&<Self as TokenTrigger>::groups(request).groups_to_override);
    PreTokenGenerationV3: |request| Groups::Told(&<Self as TokenTrigger>::groups(request).groups_to_override);
}

impl<T: Entrance> Rule<T> for Maintenance {
    async fn apply(&self, event: &Event<T>, visit: &mut Visit<T>) -> Answer<T> {
        let (groups, now) = (T::groups(&event.request), visit.now);
        let closed = self.closed_to(event, event.attributes(), groups, &mut visit.ledger, now).await?;
        Ok(closed.map_or(Verdict::Continue, Verdict::deny))
    }
}

impl Maintenance {
    /// What somebody reads who is refused. It is the same at every gate, and built once for all of them.
    async fn closed_to(
        &self,
        envelope: &Envelope,
        attributes: &Attributes,
        groups: Groups<'_>,
        ledger: &mut Page,
        now: Timestamp,
    ) -> Result<Option<String>, Fault> {
        let is_later = matches!(groups, Groups::Later) && !self.exempt_groups.is_empty();
        if is_later || !self.closes(&envelope.source) || self.exempts(envelope) {
            return Ok(None);
        }
        let Some(wording) = self.closed(envelope, ledger, now).await? else { return Ok(None) };
        if self.exempts_group(groups, ledger).await? {
            return Ok(None);
        }
        Ok(Some(wording.sentence(self, attributes)))
    }

    /// Whether anybody is refused who comes for this.
    fn closes(&self, source: &TriggerSource) -> bool {
        match source {
            TriggerSource::PreSignUpAdminCreateUser => self.admin_created,
            TriggerSource::UserMigrationForgotPassword => self.forgotten_password,
            TriggerSource::TokenGenerationHostedAuth
            | TriggerSource::TokenGenerationNewPasswordChallenge
            | TriggerSource::TokenGenerationAuthenticateDevice => true,
            // A refresh, tokens between machines, or what may be a sign-in that has just passed PostAuthentication.
            source if source.prefix() == TOKENS => self.refresh,
            _ => true,
        }
    }

    /// Whether somebody gets in by the app client or the user name.
    fn exempts(&self, envelope: &Envelope) -> bool {
        let of = |client: &String| self.exempt_clients.contains(client);
        if envelope.caller.client_id.as_ref().is_some_and(of) {
            return true;
        }
        // Whoever signs up may choose a name that nobody has yet.
        let is_chosen = envelope.source == TriggerSource::PreSignUpSignUp;
        !is_chosen && self.exempt_users.contains(&envelope.user_name)
    }

    /// What closes, if anything does. A window is seen without the ledger.
    async fn closed(&self, envelope: &Envelope, ledger: &mut Page, now: Timestamp) -> Result<Option<Wording>, Fault> {
        let client = envelope.caller.client_id.as_deref();
        let on = self.windows.iter().filter(|window| window.is_on(now, client));
        // Of several the last to end speaks: nobody gets in before.
        if let Some(window) = on.max_by_key(|window| window.until()) {
            return Ok(Some(Wording::of_window(window)));
        }
        if !self.switch {
            return Ok(None);
        }
        let switches = ledger.recent_switches(now).await?;
        Ok(switched(switches, now, client).map(Wording::of_switch))
    }

    /// Whether somebody gets in by a group. Costs a read only where groups have to be remembered.
    async fn exempts_group(&self, groups: Groups<'_>, ledger: &mut Page) -> Result<bool, Fault> {
        let exempt = &self.exempt_groups;
        if exempt.is_empty() {
            return Ok(false);
        }
        let has = |groups: &[String]| groups.iter().any(|group| exempt.contains(group));
        Ok(match groups {
            Groups::Told(groups) => has(groups),
            // Of a user nobody has an empty member is read: it takes as long.
            Groups::Remembered => has(&ledger.member().await?.groups),
            Groups::None | Groups::Later => false,
        })
    }
}

/// What sources of token generation begin with.
const TOKENS: &str = "TokenGeneration";

/// What is switched on and not over, for this app client or for all. Since when does not count: the clock of whoever switched it
/// may be ahead of ours.
fn switched<'a>(switches: &'a Switches, now: Timestamp, client: Option<&str>) -> Option<&'a Downtime> {
    let for_all = switches.maintenance.get(Switches::EVERY_CLIENT);
    let for_one = client.and_then(|client| switches.maintenance.get(client));
    let on = [for_all, for_one].into_iter().flatten();
    let on = on.filter(|downtime| downtime.until.is_none_or(|until| now < until));
    on.max_by_key(|downtime| downtime.until.unwrap_or(Timestamp::MAX))
}

/// Notes the groups a token is made with, for the gates that are told none. Attached only where groups are exempt.
pub(crate) struct Scribe;

impl<T: TokenTrigger> Rule<T> for Scribe {
    async fn apply(&self, event: &Event<T>, visit: &mut Visit<T>) -> Answer<T> {
        // Tokens between machines are nobody's.
        if event.sub().is_some() {
            visit.ledger.member().await?.note_groups(&T::groups(&event.request).groups_to_override);
        }
        Ok(Verdict::Continue)
    }
}
