//! Who gets which name, and who keeps it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cognito_triggers::ledger::Task;
use cognito_triggers::services::{NewPassword, User, UserPage};
use cognito_triggers::{Calls, Directory, Services};

use super::*;

/// Remembers what it was told to show.
#[derive(Default)]
struct Profiles(Mutex<BTreeMap<String, String>>);

#[async_trait::async_trait]
impl Directory for Profiles {
    async fn update_attributes(&self, _: &str, user: &str, attributes: &BTreeMap<String, String>) -> Result<(), Fault> {
        self.0.lock().unwrap().insert(user.to_owned(), attributes["nickname"].clone());
        Ok(())
    }

    async fn find(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        Ok(None)
    }

    async fn find_sub(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        Ok(None)
    }

    async fn sign_out(&self, _: &str, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    async fn require_new_password(&self, _: &str, _: &str) -> Result<NewPassword, Fault> {
        Ok(NewPassword::None)
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        Ok(UserPage::default())
    }
}

fn pool(settings: &str) -> Trial<UniqueNickname> {
    Trial::of(toml::from_str(settings).unwrap())
        .with(|services| Services { directory: Arc::new(Profiles::default()), ..services })
}

fn sign_up(email: &str, nickname: &str) -> Event<PreSignUp> {
    Event::<PreSignUp>::sample().with("email", email).with("nickname", nickname)
}

fn confirmed(who: &str, nickname: &str) -> Event<PostConfirmation> {
    Event::<PostConfirmation>::sample()
        .with("email", format!("{who}@example.com"))
        .with("sub", format!("sub-of-{who}"))
        .with("nickname", nickname)
        .with_value(&["userName"], who)
}

fn sign_in(who: &str, nickname: &str) -> Event<PostAuthentication> {
    Event::<PostAuthentication>::sample()
        .with("email", format!("{who}@example.com"))
        .with("sub", format!("sub-of-{who}"))
        .with("nickname", nickname)
        .with_value(&["userName"], who)
}

/// The name a user was given instead of the wish, from what was staged for the profile.
fn given<T: Trigger>(trial: &Trial<UniqueNickname>, event: &Event<T>) -> Option<String>
where
    UniqueNickname: Rule<T>,
{
    let seen = trial.handles(event);
    assert_eq!(seen.verdict.unwrap(), Verdict::Continue);
    let [delivery] = seen.deliveries.as_slice() else { return None };
    let Task::UpdateAttributes { user_name, attributes } = &delivery.task else { return None };
    assert_eq!(user_name, &event.user_name);
    Some(attributes["nickname"].clone())
}

fn suggestion(verdict: &Verdict<PreSignUp>) -> String {
    let Verdict::Deny(denial) = verdict else { panic!("not refused") };
    denial.message().strip_prefix("This nickname is taken. A free one is ").unwrap().to_owned()
}

#[test]
fn a_free_name_is_held_with_one_write_and_no_read() {
    let seen = pool("").handles(&sign_up("anna@example.com", "Anni"));
    assert_eq!(seen.verdict.unwrap(), Verdict::Continue);
    assert_eq!(seen.calls, Calls { reads: 0, writes: 1, acknowledgements: 0 });
}

#[test]
fn a_name_that_is_held_is_refused_and_a_free_variation_suggested() {
    let pool = pool("");
    assert_eq!(pool.sees(sign_up("anna@example.com", "Anni")), Verdict::Continue);
    let refused = pool.handles(&sign_up("bela@example.com", "ANNI"));
    assert_eq!((refused.calls.reads, refused.calls.writes), (1, 1));
    let variation = suggestion(&refused.verdict.unwrap());
    assert!(variation.starts_with("ANNI") && variation.len() > 4, "{variation}");
    assert_eq!(pool.sees(sign_up("bela@example.com", &variation)), Verdict::Continue);
}

#[test]
fn look_alikes_are_the_same_name() {
    let pool = pool("");
    assert_eq!(pool.sees(sign_up("anna@example.com", "paypal")), Verdict::Continue);
    for wish in ["PayPal", " paypal ", "раураl", "paypaI", "ｐａｙｐａｌ"] {
        assert_ne!(pool.sees(sign_up("bela@example.com", wish)), Verdict::Continue, "{wish}");
    }
}

#[test]
fn the_same_applicant_may_try_again() {
    let pool = pool("");
    for _ in 0..3 {
        assert_eq!(pool.sees(sign_up("Anna@example.com", "Anni")), Verdict::Continue);
    }
}

#[test]
fn a_sign_up_that_is_never_confirmed_frees_the_name_after_the_reservation() {
    let pool = pool("reservation-minutes = 30");
    for _ in 0..3 {
        assert_eq!(pool.sees(sign_up("anna@example.com", "Anni")), Verdict::Continue);
        pool.pass(SignedDuration::from_mins(9));
    }
    assert_ne!(pool.sees(sign_up("bela@example.com", "Anni")), Verdict::Continue);
    // Asking again did not make it last longer.
    pool.pass(SignedDuration::from_mins(3));
    assert_eq!(pool.sees(sign_up("bela@example.com", "Anni")), Verdict::Continue);
}

#[test]
fn a_confirmed_user_holds_the_name_for_good() {
    let pool = pool("");
    assert_eq!(pool.sees(sign_up("anna@example.com", "Anni")), Verdict::Continue);
    let seen = pool.handles(&confirmed("anna", "Anni"));
    assert_eq!((seen.calls.reads, seen.calls.writes), (1, 1));
    pool.pass(SignedDuration::from_hours(24 * 365));
    assert_ne!(pool.sees(sign_up("bela@example.com", "Anni")), Verdict::Continue);
    // Not even somebody who signs up in her name.
    assert_ne!(pool.sees(sign_up("anna@example.com", "Anni")), Verdict::Continue);
}

#[test]
fn a_retried_confirmation_changes_nothing() {
    let pool = pool("policy = \"assign\"");
    assert_eq!(given(&pool, &confirmed("anna", "Anni")), None);
    let first = given(&pool, &confirmed("bela", "Anni"));
    assert!(first.is_some());
    let again = pool.handles(&confirmed("bela", "Anni"));
    assert_eq!(again.deliveries, [], "the profile was told once already");
    let other = given(&pool, &sign_in("bela", first.as_deref().unwrap()));
    assert_eq!(other, None);
}

#[test]
fn assign_lets_the_sign_up_pass_and_gives_a_variation_after_confirmation() {
    let pool = pool("policy = \"assign\"");
    assert_eq!(pool.sees(sign_up("anna@example.com", "Anni")), Verdict::Continue);
    assert_eq!(pool.sees(sign_up("bela@example.com", "Anni")), Verdict::Continue);
    assert_eq!(given(&pool, &confirmed("anna", "Anni")), None);
    let variation = given(&pool, &confirmed("bela", "Anni")).unwrap();
    assert!(variation.starts_with("Anni") && variation != "Anni", "{variation}");
    assert_ne!(Trial::handles(&pool, &sign_up("carla@example.com", &variation)).calls.writes, 0);
}

#[test]
fn a_reservation_that_lapsed_and_went_to_somebody_else_ends_in_a_variation() {
    let pool = pool("");
    assert_eq!(pool.sees(sign_up("anna@example.com", "Anni")), Verdict::Continue);
    pool.pass(SignedDuration::from_mins(61));
    assert_eq!(pool.sees(sign_up("bela@example.com", "Anni")), Verdict::Continue);
    assert!(given(&pool, &confirmed("anna", "Anni")).is_some());
    assert_eq!(given(&pool, &confirmed("bela", "Anni")), None);
}

#[test]
fn users_of_other_providers_are_assigned_a_name_whatever_the_policy() {
    let pool = pool("required = true");
    assert_eq!(given(&pool, &confirmed("anna", "Anni")), None);
    // "First sign-in: ... PreSignUp_ExternalProvider -> PostConfirmation_ConfirmSignUp": nobody is there to choose again.
    let federated = Event::<PreSignUp>::sample_of(&TriggerSource::PreSignUpExternalProvider);
    assert_eq!(pool.sees(federated.with("nickname", "Anni")), Verdict::Continue);
    let nameless = Event::<PreSignUp>::sample_of(&TriggerSource::PreSignUpExternalProvider);
    assert_eq!(pool.sees(nameless.with("nickname", serde_json::Value::Null)), Verdict::Continue);
    assert!(given(&pool, &confirmed("google_1", "Anni")).is_some());
}

#[test]
fn a_name_changed_in_the_profile_is_put_right_at_the_next_sign_in() {
    let pool = pool("");
    assert_eq!(given(&pool, &confirmed("anna", "Anni")), None);
    assert_eq!(given(&pool, &confirmed("bela", "Bela")), None);
    // To a name that is free: held from now on, and the old one is free.
    assert_eq!(given(&pool, &sign_in("bela", "Bello")), None);
    assert_eq!(pool.sees(sign_up("carla@example.com", "Bela")), Verdict::Continue);
    assert_ne!(pool.sees(sign_up("carla@example.com", "Bello")), Verdict::Continue);
    // To somebody else's: a variation.
    let variation = given(&pool, &sign_in("bela", "Anni")).unwrap();
    assert!(variation.starts_with("Anni") && variation != "Anni");
    // To that one again and again: the variation stays the same, and is shown once a day.
    assert_eq!(given(&pool, &sign_in("bela", "Anni")), None);
    pool.pass(SignedDuration::from_hours(24));
    assert_eq!(given(&pool, &sign_in("bela", "Anni")), Some(variation));
    // Away with it: free again.
    assert_eq!(given(&pool, &sign_in("bela", "")), None);
    assert_eq!(given(&pool, &confirmed("anna", "Anni")), None);
}

#[test]
fn nobody_takes_a_reservation_by_putting_an_address_into_the_profile() {
    let pool = pool("");
    assert_eq!(pool.sees(sign_up("anna@example.com", "Anni")), Verdict::Continue);
    let stranger = |verified: &str| {
        let event = sign_in("eve", "Anni").with("email", "anna@example.com").with("email_verified", verified);
        event.with("phone_number_verified", "true")
    };
    assert!(given(&pool, &stranger("false")).is_some());
    // Nor by being confirmed by telephone, at sign-up or after a forgotten password.
    for source in [TriggerSource::PostConfirmationConfirmSignUp, TriggerSource::PostConfirmationConfirmForgotPassword] {
        let event = Event::<PostConfirmation>::sample_of(&source).with("sub", format!("sub-of-mallory-{source}"));
        let event = event.with("email", "anna@example.com").with("email_verified", "false").with("nickname", "Anni");
        assert!(given(&pool, &event.with_value(&["userName"], "mallory")).is_some(), "{source}");
    }
    assert_eq!(given(&pool, &confirmed("anna", "Anni")), None);
}

#[test]
fn a_user_an_administrator_made_keeps_the_name_that_was_reserved_then() {
    let pool = pool("");
    let created = Event::<PreSignUp>::sample_of(&TriggerSource::PreSignUpAdminCreateUser);
    let created = created.with("email", "fay@example.com").with("nickname", "Fay").with_value(&["userName"], "fay");
    assert_eq!(pool.sees(created), Verdict::Continue);
    let first = sign_in("fay", "Fay").with("email_verified", "false");
    let seen = pool.handles(&first);
    assert_eq!((seen.deliveries, seen.calls.reads, seen.calls.writes), (Vec::new(), 1, 1));
}

#[test]
fn a_user_whose_address_is_not_proven_keeps_the_name_that_was_reserved_under_the_same_user_name() {
    let pool = pool("");
    assert_eq!(pool.sees(sign_up("anna@example.com", "Anni").with_value(&["userName"], "anna")), Verdict::Continue);
    // "email_verified": "false" where an administrator confirms from the console.
    let seen = pool.handles(&confirmed("anna", "Anni").with("email_verified", "false"));
    assert_eq!((seen.deliveries, seen.calls.reads, seen.calls.writes), (Vec::new(), 1, 1));
}

#[test]
fn a_sign_in_that_changes_nothing_costs_one_read() {
    let pool = pool("");
    assert_eq!(given(&pool, &confirmed("anna", "Anni")), None);
    let seen = pool.handles(&sign_in("anna", "Anni"));
    assert_eq!(seen.calls, Calls { reads: 1, writes: 0, acknowledgements: 0 });
}

#[test]
fn users_from_before_the_rule_get_their_name_at_the_next_sign_in() {
    let pool = pool("");
    assert_eq!(given(&pool, &sign_in("anna", "Anni")), None);
    assert_ne!(pool.sees(sign_up("bela@example.com", "Anni")), Verdict::Continue);
}

#[test]
fn names_nobody_can_hold_are_refused_with_a_reason() {
    let pool = pool("required = true");
    assert_eq!(pool.sees(sign_up("anna@example.com", " ")), denied("Please choose a nickname"));
    assert_ne!(pool.sees(sign_up("anna@example.com", &"x".repeat(101))), Verdict::Continue);
    assert_ne!(pool.sees(sign_up("anna@example.com", "An\u{202e}ni")), Verdict::Continue);
}

#[test]
fn a_name_nobody_can_hold_does_not_stop_a_confirmation() {
    let pool = pool("");
    let variation = given(&pool, &confirmed("anna", "An\u{202e}ni")).unwrap();
    assert!(name::keys(&variation).is_ok(), "{variation}");
}

#[test]
fn a_stranger_touches_no_member() {
    let pool = pool("");
    assert_eq!(given(&pool, &confirmed("anna", "Anni")), None);
    // Even if an event said so: "sub" is absent in PreSignUp.
    let event = sign_up("anna@example.com", "Annika").with("sub", "sub-of-anna").with_value(&["userName"], "anna");
    assert_eq!(pool.sees(event), Verdict::Continue);
    assert_eq!(pool.handles(&sign_in("anna", "Anni")).calls.writes, 0);
}
