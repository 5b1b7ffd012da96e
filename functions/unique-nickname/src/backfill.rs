//! Names from before the rule was switched on, held for the users who bear them: what `poolctl names backfill` does.

use cognito_triggers::ledger::Owner;
use cognito_triggers::prelude::*;
use cognito_triggers::{Held, Hold};

use crate::{Policy, UniqueNickname};

/// Holds the name that a user's profile shows, for that user and for good, or denies if it is somebody else's. It changes no
/// profile, and does nothing where it was done before.
///
/// It is a rule for [`PostAuthentication`], though nobody signs in: that event names a user who exists, and can be denied.
#[derive(Debug)]
pub struct Backfill(UniqueNickname);

impl Backfill {
    /// For the names in this attribute.
    ///
    /// # Errors
    ///
    /// If it holds something else than a name a user chooses, e.g. `email`.
    pub fn of(attribute: impl Into<String>) -> Result<Self, ConfigError> {
        let rule = UniqueNickname {
            policy: Policy::Reject,
            attribute: attribute.into(),
            required: false,
            reservation_minutes: 60,
            at_sign_in: false,
        };
        rule.is_of_a_name()?;
        Ok(Self(rule))
    }
}

impl Rule<PostAuthentication> for Backfill {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        visit: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        let (Some(sub), Some(wish)) = (event.sub(), self.0.wish(event)) else { return Ok(Verdict::Continue) };
        let known = visit.ledger.member().await?.names.get(&self.0.attribute);
        if known.is_some_and(|known| known.held == wish) {
            return Ok(Verdict::Continue);
        }
        let Ok(keys) = self.0.keys(event, wish) else {
            return Ok(Verdict::deny("This name cannot be held"));
        };
        let instead_of = self.0.own_reservations(event, visit).await?;
        let hold = Hold { keys: &keys, owner: Owner::user(sub), instead_of, until: None, note: None };
        if visit.names.hold(&hold) == Held::Taken {
            return Ok(Verdict::deny("This name is held by somebody else"));
        }
        self.0.keep(event, visit, wish, wish, keys).await?;
        Ok(Verdict::Continue)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn user(sub: &str, nickname: &str) -> Event<PostAuthentication> {
        let address = format!("{sub}@example.com");
        Event::<PostAuthentication>::sample().with("sub", sub).with("nickname", nickname).with("email", address)
    }

    #[test]
    fn a_name_is_held_for_the_first_and_denied_to_the_next() {
        let trial = Trial::of(Backfill::of("nickname").unwrap());
        let first = trial.handles(&user("1", "Anna"));
        assert_eq!((first.verdict.unwrap(), first.calls.writes, first.deliveries.len()), (Verdict::Continue, 1, 0));
        let next = trial.handles(&user("2", "ANNA"));
        assert_eq!(next.verdict.unwrap(), denied("This name is held by somebody else"));
        assert!(next.deliveries.is_empty(), "a profile would be changed");
    }

    #[test]
    fn what_was_done_is_not_done_again() {
        let trial = Trial::of(Backfill::of("nickname").unwrap());
        assert_eq!(trial.sees(user("1", "Anna")), Verdict::Continue);
        trial.pass(SignedDuration::from_hours(24));
        let again = trial.handles(&user("1", "Anna"));
        assert_eq!((again.verdict.unwrap(), again.calls.reads, again.calls.writes), (Verdict::Continue, 1, 0));
    }

    #[test]
    fn who_has_no_name_is_passed_over() {
        let trial = Trial::of(Backfill::of("nickname").unwrap());
        let seen = trial.handles(&user("1", " "));
        assert_eq!((seen.verdict.unwrap(), seen.calls.writes), (Verdict::Continue, 0));
        assert_eq!(trial.sees(user("1", "\u{7}")), denied("This name cannot be held"));
    }

    #[test]
    fn an_attribute_that_is_no_name_is_refused() {
        let error = Backfill::of("email").unwrap_err().to_string();
        assert!(error.starts_with("attribute: `email` is not a name a user chooses; name e.g."), "{error}");
    }

    #[test]
    fn the_rule_itself_then_holds_the_name_too() {
        let backfill = Trial::of(Backfill::of("nickname").unwrap());
        assert_eq!(backfill.sees(user("1", "Anna")), Verdict::Continue);
        let rule: UniqueNickname = toml::from_str("policy = \"assign\"").unwrap();
        let services = backfill.services().clone();
        let seen = Trial::of(rule).with(|_| services).handles(&user("1", "Anna"));
        assert_eq!((seen.verdict.unwrap(), seen.calls.writes, seen.deliveries.len()), (Verdict::Continue, 0, 0));
    }
}
