//! What is done once for every user who is in: a greeting, a set of files, a notice.
//!
//! A user is in once confirmed. But not everybody passes there: PostConfirmation is "not fired for admin-created users" (Cognito
//! developer guide, "Post confirmation Lambda trigger"), and whoever was confirmed while the ledger was down has not been heard
//! of. These are met at their first completed sign-in. A forgotten password comes by PostConfirmation too, and makes nobody new.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::ledger::{Condition, Task};
pub use crate::since::Since;
use crate::{
    Answer, Attributes, Chains, ConfigError, Event, Fault, Need, PostAuthentication, PostConfirmation, Rule, Trigger,
    TriggerSource, Verdict, Visit,
};

/// A rule that does something once for every user. [`attach`] attaches it.
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
    /// What templates are filled with: `user` with the attributes [of the person](Attributes::of_person) by name,
    /// [cut](Attributes::cut_to_fit) if they are enormous, `pool` and `client`. No template may ask for more, and what is stored
    /// lies in the ledger until it is delivered.
    #[must_use]
    pub fn context(&self) -> Map<String, Value> {
        crate::mailing::context(self.pool, self.client, self.attributes)
    }
}

/// Attaches a rule to [`PostConfirmation`] and, if newcomers are met at a sign-in too, beside to [`PostAuthentication`]; asks for
/// a directory if that has to say who is new.
///
/// # Errors
///
/// If another trigger claims the same source.
pub fn attach<R: Onboards>(rule: R, at_sign_in: bool, chains: &mut Chains) -> Result<(), ConfigError> {
    if at_sign_in && rule.onboard_since().is_some() {
        chains.need(Need::Directory);
    }
    let attach = chains.attach(Onboard(rule)).to::<PostConfirmation>();
    if at_sign_in { attach.beside::<PostAuthentication>().done() } else { attach.done() }
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

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::ledger::UserEvent;
    use crate::trial::Trial;

    struct Greets {
        since: Option<Timestamp>,
    }

    impl Onboards for Greets {
        const KEY: &'static str = "greets";

        fn onboard_since(&self) -> Option<Timestamp> {
            self.since
        }

        fn onboard(&self, newcomer: &Newcomer<'_>) -> Result<Option<Onboarding>, Fault> {
            let detail = newcomer.context();
            let event = UserEvent { id: "1".into(), name: format!("{:?}", newcomer.met), time: newcomer.now, detail };
            Ok(Some(Task::Publish(event).into()))
        }
    }

    fn trial(since: Option<Timestamp>) -> Trial<Onboard<Greets>> {
        Trial::of(Onboard(Greets { since }))
    }

    fn confirmation() -> Event<PostConfirmation> {
        Event::<PostConfirmation>::sample().with("sub", "anna")
    }

    fn sign_in() -> Event<PostAuthentication> {
        Event::<PostAuthentication>::sample().with("sub", "anna")
    }

    #[test]
    fn a_user_is_met_once_and_for_ever() {
        let trial = trial(None);
        let first = trial.handles(&confirmation());
        assert_eq!(first.deliveries.len(), 1);
        assert!(first.deliveries[0].lease.is_some(), "it is carried out inline");
        assert_eq!((first.calls.reads, first.calls.writes), (1, 1));
        for _ in 0..3 {
            trial.pass(SignedDuration::from_hours(24 * 400));
            assert_eq!(trial.handles(&confirmation()).deliveries, []);
            let later = trial.handles(&sign_in());
            assert_eq!((later.deliveries.len(), later.calls.reads, later.calls.writes), (0, 1, 0));
        }
    }

    /// "PostConfirmation_ConfirmForgotPassword" (Cognito developer guide, "Post confirmation Lambda trigger").
    #[test]
    fn a_forgotten_password_makes_nobody_new() {
        let trial = trial(None);
        let forgot = confirmation().with_value(&["triggerSource"], "PostConfirmation_ConfirmForgotPassword");
        assert_eq!(trial.handles(&forgot).deliveries, []);
        // Somebody created by an administrator who forgot the password before the first sign-in is met there.
        assert_eq!(trial.handles(&sign_in()).deliveries.len(), 1);
    }

    #[test]
    fn who_was_never_confirmed_is_met_at_the_first_sign_in_if_new_enough() {
        let since = Timestamp::UNIX_EPOCH;
        let seen = trial(Some(since)).handles(&sign_in());
        let [delivery] = &seen.deliveries[..] else { panic!("{:?}", seen.deliveries) };
        let user_name = sign_in().user_name.clone();
        assert_eq!(delivery.only_if, Some(Condition::CreatedSince { user_name, since }));
        assert!(delivery.lease.is_none() && delivery.due == delivery.staged, "the courier carries it out");
        let Task::Publish(event) = &delivery.task else { panic!() };
        assert_eq!(event.name, "SignedIn");
        assert_eq!(trial(Some(since)).handles(&confirmation()).deliveries[0].only_if, None);
    }

    #[test]
    fn nothing_is_kept_that_no_template_may_ask_for() {
        let event = confirmation()
            .with("identities", "[{\"userId\": \"7\"}]")
            .with("cognito:user_status", "EXTERNAL_PROVIDER")
            .with("cognito:email_alias", "anna@example.com")
            .with("custom:plan", "gold");
        let seen = trial(None).handles(&event);
        let Task::Publish(UserEvent { detail, .. }) = &seen.deliveries[0].task else { panic!() };
        let user = detail["user"].as_object().unwrap();
        assert_eq!((&user["sub"], &user["custom:plan"]), (&"anna".into(), &"gold".into()));
        let expected: Vec<_> = event.attributes().iter().map(|(name, _)| name).collect();
        let (account, person): (Vec<&str>, Vec<&str>) =
            expected.into_iter().partition(|name| name.starts_with("cognito:") || *name == "identities");
        assert_eq!(account, ["cognito:email_alias", "cognito:user_status", "identities"]);
        assert_eq!(user.keys().collect::<Vec<_>>(), person);
    }

    #[test]
    fn at_a_sign_in_it_is_attached_beside_and_may_need_a_directory() {
        let attached = |since, at_sign_in| {
            let mut chains = Chains::default();
            attach(Greets { since }, at_sign_in, &mut chains).unwrap();
            let triggers: Vec<_> = chains.overview().into_iter().map(|(trigger, _)| trigger).collect();
            (triggers.join(" "), chains.needs().iter().any(|(need, _)| *need == Need::Directory))
        };
        let (since, both) = (Some(Timestamp::UNIX_EPOCH), "PostAuthentication PostConfirmation".to_owned());
        assert_eq!(attached(since, true), (both.clone(), true));
        assert_eq!(attached(None, true), (both, false));
        assert_eq!(attached(since, false), ("PostConfirmation".into(), false));
    }

    #[test]
    fn who_has_no_sub_is_nobody() {
        assert_eq!(trial(None).handles(&confirmation().with("sub", "")).deliveries, []);
    }
}
