//! What is done once for every user who is in: a greeting, a set of files, a notice.
//!
//! A user is in once confirmed. But not everybody passes there: PostConfirmation is "not fired for admin-created users" (Cognito
//! developer guide, "Post confirmation Lambda trigger"), and whoever was confirmed while the ledger was down has not been heard
//! of. These are met at their first completed sign-in. A forgotten password comes by PostConfirmation too, and makes nobody new.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::ledger::{Condition, Task};
use crate::{
    Answer, Attributes, Event, Fault, Keys, PostAuthentication, PostConfirmation, Rule, Trigger, TriggerSource,
    Verdict, Visit,
};

/// A rule that does something once for every user. Attach it as [`Onboard`] to [`PostConfirmation`] and, beside, to
/// [`PostAuthentication`].
pub trait Onboards: Send + Sync + 'static {
    /// The key of the delivery, which the member is marked with for ever: the rule's table.
    const KEY: &'static str;

    /// Who is met at a sign-in first counts only if created at this time or later. Without one everybody counts: in a pool
    /// that existed before, that is every old user. Needs a directory.
    fn onboard_since(&self) -> Option<Timestamp>;

    /// What is to be done, if anything.
    ///
    /// # Errors
    ///
    /// If it cannot be said.
    fn onboard(&self, newcomer: &Newcomer<'_>) -> Result<Option<Onboarding>, Fault>;
}

/// A user who is in, and new.
pub struct Newcomer<'a> {
    /// The pool's id.
    pub pool: &'a str,
    /// The user's `sub`.
    pub sub: &'a str,
    /// The user's name in the pool.
    pub user_name: &'a str,
    /// The app client, where the event names one.
    pub client: Option<&'a str>,
    /// The user's attributes.
    pub attributes: &'a Attributes,
    /// How the user was met.
    pub met: Met,
    /// Now.
    pub now: Timestamp,
    /// Keyed hashes.
    pub keys: &'a Keys,
}

/// How a newcomer was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// By being confirmed, or by the first sign-in through another provider.
    Confirmed,
    /// At a sign-in, never having been heard of before.
    SignedIn,
}

/// What is done for a newcomer.
#[derive(Clone, Debug, PartialEq)]
pub struct Onboarding {
    /// What.
    pub task: Task,
    /// Not before this time; otherwise at once.
    pub due: Option<Timestamp>,
}

impl From<Task> for Onboarding {
    fn from(task: Task) -> Self {
        Self { task, due: None }
    }
}

impl Newcomer<'_> {
    /// What templates are filled with: `user` with the attributes by name, `pool` and `client`.
    #[must_use]
    pub fn context(&self) -> Map<String, Value> {
        let user: Map<String, Value> =
            self.attributes.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let mut context = Map::new();
        context.insert("user".into(), user.into());
        context.insert("pool".into(), self.pool.into());
        context.insert("client".into(), self.client.unwrap_or_default().into());
        context
    }
}

/// Makes a rule of what is done once for every user.
#[derive(Debug)]
pub struct Onboard<R>(pub R);

impl<R: Onboards> Rule<PostConfirmation> for Onboard<R> {
    async fn apply(
        &self,
        event: &Event<PostConfirmation>,
        visit: &mut Visit<PostConfirmation>,
    ) -> Answer<PostConfirmation> {
        confirmed(&self.0, event, visit).await?;
        Ok(Verdict::Continue)
    }
}

impl<R: Onboards> Rule<PostAuthentication> for Onboard<R> {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        visit: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        signed_in(&self.0, event, visit).await?;
        Ok(Verdict::Continue)
    }
}

/// Does what is to be done for a user who is confirmed. Nothing after a forgotten password.
///
/// # Errors
///
/// If the ledger cannot be read or the rule cannot say what is to be done.
pub async fn confirmed<R: Onboards>(
    rule: &R,
    event: &Event<PostConfirmation>,
    visit: &mut Visit<PostConfirmation>,
) -> Result<(), Fault> {
    if event.source == TriggerSource::PostConfirmationConfirmForgotPassword {
        return Ok(());
    }
    meet(rule, event, visit, Met::Confirmed).await
}

/// The same for a user who signed in.
///
/// # Errors
///
/// As above.
pub async fn signed_in<R: Onboards>(
    rule: &R,
    event: &Event<PostAuthentication>,
    visit: &mut Visit<PostAuthentication>,
) -> Result<(), Fault> {
    meet(rule, event, visit, Met::SignedIn).await
}

async fn meet<R: Onboards, T: Trigger>(
    rule: &R,
    event: &Event<T>,
    visit: &mut Visit<T>,
    met: Met,
) -> Result<(), Fault> {
    let Some(sub) = event.sub() else { return Ok(()) };
    if visit.ledger.member().await?.marks.contains_key(R::KEY) {
        return Ok(());
    }
    let newcomer = Newcomer {
        pool: &event.user_pool_id,
        sub,
        user_name: &event.user_name,
        client: event.caller.client_id.as_deref(),
        attributes: event.attributes(),
        met,
        now: visit.now,
        keys: &visit.keys,
    };
    let Some(Onboarding { task, due }) = rule.onboard(&newcomer)? else { return Ok(()) };
    let staged = visit.deliveries.stage(R::KEY, task);
    if let Some(due) = due {
        staged.due(due);
    }
    if let (Met::SignedIn, Some(since)) = (met, rule.onboard_since()) {
        staged.only_if(Condition::CreatedSince { user_name: event.user_name.clone(), since });
    }
    Ok(())
}
