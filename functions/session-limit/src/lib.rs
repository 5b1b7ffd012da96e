//! At most so many sessions of one user at a time.
//!
//! ```toml
//! [session-limit]
//! max          = 3
//! max-by-group = { gold = 10 }
//! policy       = "deny"          # or "sign-out-others"
//! claim        = "session_id"    # in the tokens, so that the backend can end the session at sign-out
//! ```
//!
//! A session is a refresh token and what is made from it. A sign-in reserves a place in PostAuthentication, after the password,
//! in the one conditional write of the event, so that the limit holds however many sign in at once. PreTokenGeneration, which
//! follows at once, keeps the place until the refresh token will have lapsed. `places.rs` decides, the ledger's
//! [`Sessions`] remember, and `model.rs` tries both in every order of events.
//!
//! A call that Cognito repeats looks like a second sign-in, so it counts as one until its reservation lapses. Nobody hears of a
//! sign-out; the function `session-release` is for that. `docs/sessions.md` says what else cannot be known.
//!
//! What it does not do: end access tokens. They live until they expire, whatever becomes of the session.

use std::collections::{BTreeMap, BTreeSet};

use cognito_triggers::config::{check_clients, within};
use cognito_triggers::grants::{self, Grant, When};
use cognito_triggers::ledger::{SessionId, SessionState, Sessions};
use cognito_triggers::prelude::*;
use cognito_triggers::{Act, Envelope, STANDARD_ATTRIBUTES, TokenTrigger, Tokens, TriggerSource, is_protected_claim};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

mod places;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use places::{Admission, Keep, Per, Policy, SignIn, Terms};

/// The settings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SessionLimit {
    /// How many sessions a user may have at a time, 1 to 100.
    max: u32,
    /// How many users of a group may have instead, 1 to 100. Of several groups that are named here, the largest counts. Groups
    /// are those of the user's last token.
    #[serde(default)]
    max_by_group: BTreeMap<String, u32>,
    /// What is counted together: all sessions of a user, or those at each app client.
    #[serde(default)]
    per: Per,
    /// What happens to a sign-in beyond the limit: it is refused, or the user is signed out everywhere else.
    #[serde(default)]
    policy: Policy,
    /// When a session counts for good: when tokens are made, or at the sign-in, for pools that do not call the function when
    /// tokens are made.
    #[serde(default)]
    keep: Keep,
    /// How long a sign-in counts that came to nothing, in minutes: 1 to 60.
    #[serde(default = "five")]
    reservation_minutes: u32,
    /// How long refresh tokens live, in days, as it is set for the app clients: 1 to 3650. Left out, 30, as in Cognito.
    #[serde(default)]
    refresh_token_days: Option<u32>,
    /// The same in minutes instead: 60 to 5256000.
    #[serde(default)]
    refresh_token_minutes: Option<u32>,
    /// What is different at an app client, by its id.
    #[serde(default)]
    clients: BTreeMap<String, Client>,
    /// App clients at which sessions are neither limited nor counted, by their ids.
    #[serde(default)]
    exempt_clients: BTreeSet<String>,
    /// Whether a sign-in beyond the limit is refused before the password as well, in `PreAuthentication`, which saves the user
    /// typing codes in vain. Anybody who knows a user's name can then find out whether that user is signed in as often as may
    /// be, without the password. Not together with signing others out.
    #[serde(default)]
    early: bool,
    /// The claim that carries the session's id, in the ID token and, from version 2 of the trigger on, in the access token.
    /// Left out, there is none.
    #[serde(default)]
    claim: Option<String>,
    /// What a user reads who is signed in as often as may be.
    #[serde(default = "too_many")]
    message: String,
    /// What a user reads who cannot be signed out elsewhere just now, because of sign-ins of the last minutes.
    #[serde(default = "just_now")]
    wait_message: String,
}

/// What is different at one app client.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Client {
    /// How long its refresh tokens live, in days: 1 to 3650.
    #[serde(default)]
    refresh_token_days: Option<u32>,
    /// The same in minutes instead: 60 to 5256000.
    #[serde(default)]
    refresh_token_minutes: Option<u32>,
}

const fn five() -> u32 {
    5
}

fn too_many() -> String {
    "You are signed in on too many devices. Please sign out on one of them first".into()
}

fn just_now() -> String {
    "You have just signed in somewhere else. Please try again in a few minutes".into()
}

/// "Refresh validity 60 min..10 years, default 30 days": in minutes.
const VALIDITIES: std::ops::RangeInclusive<u32> = 60..=5_256_000;
const USUAL_VALIDITY: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long tokens may be under way once their place is kept: Cognito waits 5 s for an answer, and "may retry". It called three
/// times before it ceased to say how often; this is twice as long.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(30);

/// Under which key of `clientMetadata` an application that renews tokens may say which session they are of.
const SAID: &str = "session_id";

impl Configured for SessionLimit {
    const SECTION: &'static str = "session-limit";
    const TRIGGERS: &'static [&'static str] =
        &[PostConfirmation::NAME, PreAuthentication::NAME, PostAuthentication::NAME, PreTokenGenerationV1::NAME];
    const GRANTS: &'static [Grant] = &[
        grants::READ,
        grants::WRITE.at(grants::PROVEN),
        grants::SIGN_OUT.at(&[PostAuthentication::NAME]).when(&[When::is("policy", "sign-out-others")]),
    ];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        self.check()?;
        let limit = Limit::of(self)?;
        chains.need(Need::Ledger);
        if limit.terms.policy == Policy::SignOutOthers {
            chains.need(Need::Directory);
        }
        let (early, at_tokens, at_refresh) = (limit.early(), limit.at_tokens(), limit.at_refresh());
        // A user who is confirmed is in, whatever can be counted.
        chains.attach(limit).to::<PostAuthentication>().beside::<PostConfirmation>().done()?;
        if let Some(early) = early {
            chains.attach(early).to::<PreAuthentication>().done()?;
        }
        if let Some(at_tokens) = at_tokens {
            let attach = chains.attach(at_tokens).to::<PreTokenGenerationV1>().to::<PreTokenGenerationV2>();
            attach.to::<PreTokenGenerationV3>().done()?;
        }
        if let Some(at_refresh) = at_refresh {
            // Nobody is signed out because a claim could not be looked up.
            let attach = chains.attach(at_refresh).beside::<PreTokenGenerationV1>().beside::<PreTokenGenerationV2>();
            attach.beside::<PreTokenGenerationV3>().done()?;
        }
        Ok(())
    }
}

impl SessionLimit {
    /// Checks every value and what goes together.
    fn check(&self) -> Result<(), ConfigError> {
        within("max", self.max, 1..=100)?;
        for (group, max) in &self.max_by_group {
            within(&format!("max-by-group.{}", key(group)), *max, 1..=100)?;
        }
        within("reservation-minutes", self.reservation_minutes, 1..=60)?;
        check_clients("clients", self.clients.keys())?;
        check_clients("exempt-clients", &self.exempt_clients)?;
        if let Some(client) = self.exempt_clients.iter().find(|client| self.clients.contains_key(*client)) {
            return Err(ConfigError::new(
                "the app client is exempt, so the lifetime of its tokens makes no difference",
            )
            .at(format!("clients.{}", key(client)))
            .remedy("leave it out here or under exempt-clients"));
        }
        for (name, text) in [("message", &self.message), ("wait-message", &self.wait_message)] {
            if text.trim().is_empty() {
                return Err(ConfigError::new("the text is empty").at(name).remedy("leave it out for the usual one"));
            }
        }
        if self.early && self.policy == Policy::SignOutOthers {
            return Err(ConfigError::new("nobody is refused early who could be signed out elsewhere instead")
                .at("early")
                .remedy("leave it out, or set policy = \"deny\""));
        }
        self.check_claim()?;
        self.check_keep()
    }

    fn check_claim(&self) -> Result<(), ConfigError> {
        let Some(claim) = &self.claim else { return Ok(()) };
        let problem = if is_protected_claim(claim) {
            format!("Cognito keeps the claim `{claim}` to itself")
        } else if STANDARD_ATTRIBUTES.contains(&claim.as_str()) || claim.starts_with("custom:") || claim == "scope" {
            format!("the claim `{claim}` says something else already, and whoever reads it would take the id for that")
        } else if claim.is_empty() || claim.contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
            "this is no name of a claim".to_owned()
        } else {
            return Ok(());
        };
        Err(ConfigError::new(problem).at("claim").remedy("choose a name of your own, e.g. `session_id`"))
    }

    /// What is only known where tokens are made cannot be had without it.
    fn check_keep(&self) -> Result<(), ConfigError> {
        if self.keep == Keep::WithTokens {
            return Ok(());
        }
        let needs = |what: &str, path: &str| {
            let error = ConfigError::new(format!("{what} only where tokens are made")).at(path);
            Err(error.remedy("attach the function to PreTokenGeneration and set keep = \"with-tokens\""))
        };
        if self.claim.is_some() {
            return needs("a claim can be set", "claim");
        }
        if !self.max_by_group.is_empty() {
            return needs("groups are known", "max-by-group");
        }
        Ok(())
    }
}

/// How long refresh tokens live, if that is said.
fn validity(days: Option<u32>, minutes: Option<u32>) -> Result<Option<SignedDuration>, ConfigError> {
    let minutes = match (days, minutes) {
        (Some(_), Some(_)) => {
            let error = ConfigError::new("the same is said in days and in minutes").at("refresh-token-minutes");
            return Err(error.remedy("leave one of the two out"));
        }
        (Some(days), None) => {
            within("refresh-token-days", days, 1..=3650)?;
            Some(days.saturating_mul(24 * 60))
        }
        (None, minutes) => minutes,
    };
    let Some(minutes) = minutes else { return Ok(None) };
    within("refresh-token-minutes", minutes, VALIDITIES)?;
    Ok(Some(SignedDuration::from_mins(minutes.into())))
}

/// A key of a table as it is written in TOML.
fn key(name: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { format!("\"{name}\"") }
}

/// The rule at a sign-in.
#[derive(Clone)]
struct Limit {
    settings: SessionLimit,
    terms: Terms,
    validity: SignedDuration,
    validities: BTreeMap<String, SignedDuration>,
}

/// The rule before the password.
struct Early(Limit);

/// The rule where tokens are made for a sign-in.
struct AtTokens(Limit);

/// The rule where tokens are renewed: it tells the session's id again and notes the groups. Nothing is counted.
struct AtRefresh(Limit);

impl Rule<PostAuthentication> for Limit {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        visit: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        if self.is_exempt(event) {
            return Ok(Verdict::Continue);
        }
        if event.sub().is_none() {
            return Err(Fault::new("the event bears no `sub`, so nobody can tell whose session it would be"));
        }
        let now = visit.now;
        let member = visit.ledger.member().await?;
        let max = self.max(&member.groups);
        match self.terms.admit(&mut member.sessions, self.sign_in(event, now, max)?)? {
            Admission::Free => {}
            Admission::OnceSignedOut => {
                // Before the commit: what is given back there is free only once this is done.
                visit.acts.stage_first(Act::SignOut { user_name: event.user_name.clone() });
            }
            Admission::Full => return Ok(Verdict::deny(self.settings.message.clone())),
            Admission::Busy => return Ok(Verdict::deny(self.settings.wait_message.clone())),
        }
        Ok(Verdict::Continue)
    }
}

impl Rule<PostConfirmation> for Limit {
    /// A first sign-in through another provider has no PostAuthentication. A user who has just come to be has no session, so what
    /// is there is of this very event, called again.
    async fn apply(
        &self,
        event: &Event<PostConfirmation>,
        visit: &mut Visit<PostConfirmation>,
    ) -> Answer<PostConfirmation> {
        if !event.is_federated_sign_in() || event.sub().is_none() || self.is_exempt(event) {
            return Ok(Verdict::Continue);
        }
        let now = visit.now;
        let member = visit.ledger.member().await?;
        if member.sessions.live(now, None).next().is_none() {
            self.terms.take(&mut member.sessions, self.sign_in(event, now, 1)?)?;
        }
        Ok(Verdict::Continue)
    }
}

impl Rule<PreAuthentication> for Early {
    /// Looks, and takes nothing: a stranger with a wrong password gets here too. Somebody nobody knows has no session, which
    /// costs the same one read to find out.
    async fn apply(
        &self,
        event: &Event<PreAuthentication>,
        visit: &mut Visit<PreAuthentication>,
    ) -> Answer<PreAuthentication> {
        let Self(limit) = self;
        if limit.is_exempt(event) {
            return Ok(Verdict::Continue);
        }
        let now = visit.now;
        let member = visit.ledger.member().await?;
        let max = limit.max(&member.groups);
        if limit.terms.is_full(&member.sessions, client(event), now, max) {
            return Ok(Verdict::deny(limit.settings.message.clone()));
        }
        Ok(Verdict::Continue)
    }
}

impl<T: TokenTrigger> Rule<T> for AtTokens {
    async fn apply(&self, event: &Event<T>, visit: &mut Visit<T>) -> Answer<T> {
        let Self(limit) = self;
        let counts = match event.source {
            TriggerSource::TokenGenerationRefreshTokens | TriggerSource::TokenGenerationClientCredentials => false,
            _ => !limit.is_exempt(event),
        };
        if !counts {
            return Ok(Verdict::Continue);
        }
        if event.sub().is_none() {
            return Err(Fault::new("the event bears no `sub`, so nobody can tell whose place is to be kept"));
        }
        limit.note_groups(event, visit).await?;
        let now = visit.now;
        let client = client(event);
        let until = limit.terms.kept_until(now, limit.validity(client));
        let sessions = &mut visit.ledger.member().await?.sessions;
        let kept = sessions.keep(client, now, until);
        // "`GetTokensFromRefreshToken` -> `TokenGeneration_Authentication`": this may be no sign-in at all.
        let ambiguous = event.source == TriggerSource::TokenGenerationAuthentication;
        let told = if ambiguous { limit.said(event, sessions, now) } else { None };
        let alone = || if ambiguous { only(sessions, client, now) } else { None };
        let id = told.or(kept).or_else(alone);
        limit.claim::<T>(&mut visit.response, id);
        Ok(Verdict::Continue)
    }
}

impl<T: TokenTrigger> Rule<T> for AtRefresh {
    async fn apply(&self, event: &Event<T>, visit: &mut Visit<T>) -> Answer<T> {
        let Self(limit) = self;
        let renews = event.source == TriggerSource::TokenGenerationRefreshTokens && event.sub().is_some();
        if !renews || limit.is_exempt(event) {
            return Ok(Verdict::Continue);
        }
        limit.note_groups(event, visit).await?;
        if limit.settings.claim.is_some() {
            let now = visit.now;
            let sessions = &visit.ledger.member().await?.sessions;
            let id = limit.said(event, sessions, now).or_else(|| only(sessions, client(event), now));
            limit.claim::<T>(&mut visit.response, id);
        }
        Ok(Verdict::Continue)
    }
}

impl Limit {
    fn of(settings: SessionLimit) -> Result<Self, ConfigError> {
        let usual = validity(settings.refresh_token_days, settings.refresh_token_minutes)?.unwrap_or(USUAL_VALIDITY);
        let mut validities = BTreeMap::new();
        for (id, client) in &settings.clients {
            let of_client = validity(client.refresh_token_days, client.refresh_token_minutes);
            let of_client = of_client.map_err(|error| error.within(&format!("clients.{}", key(id))))?;
            validities.insert(id.clone(), of_client.unwrap_or(usual));
        }
        let terms = Terms {
            per: settings.per,
            policy: settings.policy,
            keep: settings.keep,
            reservation: SignedDuration::from_mins(settings.reservation_minutes.into()),
            under_way: UNDER_WAY,
        };
        Ok(Self { settings, terms, validity: usual, validities })
    }

    fn early(&self) -> Option<Early> {
        self.settings.early.then(|| Early(self.clone()))
    }

    fn at_tokens(&self) -> Option<AtTokens> {
        (self.terms.keep == Keep::WithTokens).then(|| AtTokens(self.clone()))
    }

    fn at_refresh(&self) -> Option<AtRefresh> {
        let has_upkeep = self.settings.claim.is_some() || !self.settings.max_by_group.is_empty();
        has_upkeep.then(|| AtRefresh(self.clone()))
    }

    fn is_exempt(&self, envelope: &Envelope) -> bool {
        self.settings.exempt_clients.contains(client(envelope))
    }

    /// How many sessions somebody of these groups may have.
    fn max(&self, groups: &[String]) -> usize {
        let by_group = groups.iter().filter_map(|group| self.settings.max_by_group.get(group)).max();
        usize::try_from(*by_group.unwrap_or(&self.settings.max)).unwrap_or(usize::MAX)
    }

    fn validity(&self, client: &str) -> SignedDuration {
        *self.validities.get(client).unwrap_or(&self.validity)
    }

    fn sign_in<'a>(&self, envelope: &'a Envelope, now: Timestamp, max: usize) -> Result<SignIn<'a>, Fault> {
        let client = client(envelope);
        Ok(SignIn { id: SessionId::random()?, client, now, max, validity: self.validity(client) })
    }

    /// Notes the groups for the next sign-in, if the limit depends on them: in no other event are they told.
    async fn note_groups<T: TokenTrigger>(&self, event: &Event<T>, visit: &mut Visit<T>) -> Result<(), Fault> {
        if !self.settings.max_by_group.is_empty() {
            visit.ledger.member().await?.note_groups(&T::groups(&event.request).groups_to_override);
        }
        Ok(())
    }

    /// The session the application says these tokens are of, if the user has it at this client.
    fn said<T: TokenTrigger>(&self, event: &Event<T>, sessions: &Sessions, now: Timestamp) -> Option<SessionId> {
        let said = event.client_metadata().find(SAID)?;
        with_tokens(sessions, client(event), now).find(|id| id.as_str() == said).cloned()
    }

    fn claim<T: TokenTrigger>(&self, response: &mut T::Response, id: Option<SessionId>) {
        if let (Some(claim), Some(id)) = (&self.settings.claim, id) {
            T::add_claim(response, Tokens::Both, claim, id.as_str());
        }
    }
}

/// The app client; empty if the event names none.
fn client(envelope: &Envelope) -> &str {
    envelope.caller.client_id.as_deref().unwrap_or_default()
}

/// The sessions of a client that have tokens.
fn with_tokens<'a>(sessions: &'a Sessions, client: &'a str, now: Timestamp) -> impl Iterator<Item = &'a SessionId> {
    let kept = sessions.live(now, Some(client)).filter(|session| session.state == SessionState::Kept);
    kept.map(|session| &session.id)
}

/// The session of a client that has tokens, if there is only one.
fn only(sessions: &Sessions, client: &str, now: Timestamp) -> Option<SessionId> {
    let mut found = with_tokens(sessions, client, now);
    let first = found.next()?;
    found.next().is_none().then(|| first.clone())
}
