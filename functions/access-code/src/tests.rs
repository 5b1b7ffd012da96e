//! What gets in, what does not, and what is used up by it.

use cognito_triggers::ledger::{Invitation, LedgerAdmin, MemoryLedger};
use cognito_triggers::{Calls, Environment};
use jiff::Timestamp;
use std::sync::Arc;

use super::*;

struct Door {
    trial: Trial<Gatekeeper>,
    ledger: Arc<MemoryLedger>,
    invitation: String,
}

fn settings(toml: &str) -> AccessCode {
    toml::from_str(toml).unwrap()
}

fn door(settings: AccessCode) -> Door {
    let codes = vec![Sha256::digest("open-sesame").into()];
    let ledger = Arc::new(MemoryLedger::default());
    let trial = Trial::of(Gatekeeper { codes, settings });
    let trial = trial.with(|services| cognito_triggers::Services { ledger: Arc::clone(&ledger) as _, ..services });
    Door { trial, ledger, invitation: String::new() }
}

impl Door {
    fn invitation(&self, maximum: u32) -> String {
        self.invite(maximum, |invitation| invitation)
    }

    fn invite(&self, maximum: u32, adjust: impl FnOnce(Invitation) -> Invitation) -> String {
        let code = new_code().unwrap();
        let pool = Event::<PreSignUp>::sample().user_pool_id.clone();
        let key = self.trial.services().keys.invitation(&pool, &code::normal(&code).unwrap()).remove(0);
        let created = self.trial.services().clock.now();
        let invitation = adjust(Invitation {
            maximum,
            created,
            expires: None,
            note: None,
            revoked: false,
            uses: Default::default(),
            version: 1,
        });
        assert!(ready(self.ledger.create_invitation(&key, &invitation)).unwrap());
        code
    }

    fn counts(&self) -> (usize, usize) {
        let pool = Event::<PreSignUp>::sample().user_pool_id.clone();
        let now = self.trial.services().clock.now();
        ready(self.ledger.invitations(&pool)).unwrap()[0].1.counts(now)
    }

    fn sign_up(&self, email: &str, code: &str) -> Verdict<PreSignUp> {
        self.trial.sees(applicant(email, code))
    }

    fn confirm(&self, email: &str, sub: &str) {
        let event = Event::<PostConfirmation>::sample().with("email", email).with("sub", sub);
        assert_eq!(self.trial.sees(event.with_value(&["userName"], USER_NAME)), Verdict::Continue);
    }
}

/// A name as Cognito makes it up where users sign in with an address.
const USER_NAME: &str = "5ae1c0de-0000-4000-8000-000000000001";

fn applicant(email: &str, code: &str) -> Event<PreSignUp> {
    Event::<PreSignUp>::sample()
        .with_value(&["userName"], USER_NAME)
        .with("email", email)
        .with_value(&["request", "validationData"], serde_json::json!({ "accessCode": code }))
}

/// The ledger in memory is always ready.
fn ready<F: Future>(future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("the ledger in memory waited"),
    }
}

#[test]
fn a_static_code_lets_in_without_asking_the_ledger() {
    let door = door(settings(""));
    let seen = door.trial.handles(&applicant("anna@example.com", " open-sesame "));
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, Calls::default()));
}

#[test]
fn without_the_right_code_nobody_gets_in() {
    let door = door(settings(""));
    let sample = Event::<PreSignUp>::sample;
    assert_eq!(door.trial.sees(sample()), denied("Please enter your access code"));
    for wrong in ["Open-Sesame", "open-sesam", "x", &new_code().unwrap(), &"9".repeat(100_000)] {
        assert_eq!(door.sign_up("anna@example.com", wrong), denied(INVALID), "{}", wrong.len());
    }
}

#[test]
fn the_code_may_come_in_client_metadata() {
    let event = Event::<PreSignUp>::sample()
        .with_value(&["request", "clientMetadata"], serde_json::json!({ "accessCode": "open-sesame" }));
    assert_eq!(door(settings("")).trial.sees(event), Verdict::Continue);
}

#[test]
fn administrators_and_other_providers_need_none_unless_they_should() {
    let open = door(settings(""));
    let strict = door(settings("admin-created = true\nfederated = true"));
    for source in [TriggerSource::PreSignUpAdminCreateUser, TriggerSource::PreSignUpExternalProvider] {
        assert_eq!(open.trial.sees(Event::<PreSignUp>::sample_of(&source)), Verdict::Continue);
        assert_eq!(strict.trial.sees(Event::<PreSignUp>::sample_of(&source)), denied("Please enter your access code"));
    }
}

#[test]
fn an_invitation_lets_in_as_many_as_it_says() {
    let door = door(settings(""));
    let code = door.invitation(2);
    assert_eq!(door.sign_up("anna@example.com", &code), Verdict::Continue);
    assert_eq!(door.sign_up("bela@example.com", &code.to_lowercase()), Verdict::Continue);
    assert_eq!(door.sign_up("carla@example.com", &code), denied(USED_UP));
    assert_eq!(door.counts(), (0, 2));
}

#[test]
fn one_read_and_one_write() {
    let door = door(settings(""));
    let code = door.invitation(1);
    let once = Calls { reads: 1, writes: 1, acknowledgements: 0 };
    assert_eq!(door.trial.handles(&applicant("anna@example.com", &code)).calls, once);
    let confirmed = Event::<PostConfirmation>::sample().with("email", "anna@example.com");
    assert_eq!(door.trial.handles(&confirmed.with_value(&["userName"], USER_NAME)).calls, once);
}

#[test]
fn a_retry_takes_no_second_use_and_lasts_no_longer() {
    let door = door(settings(""));
    let code = door.invitation(1);
    for _ in 0..3 {
        assert_eq!(door.sign_up("anna@example.com", &code), Verdict::Continue);
        assert_eq!(door.counts(), (0, 1));
        door.trial.pass(SignedDuration::from_mins(20));
    }
    // An hour after the first try, twenty minutes after the last.
    assert_eq!(door.sign_up("bela@example.com", &code), Verdict::Continue);
}

#[test]
fn confirming_uses_it_up_for_good_and_only_once() {
    let door = door(settings(""));
    let code = door.invitation(1);
    assert_eq!(door.sign_up("anna@example.com", &code), Verdict::Continue);
    door.confirm("anna@example.com", "sub-of-anna");
    door.confirm("anna@example.com", "sub-of-anna");
    door.trial.pass(SignedDuration::from_hours(24 * 365));
    assert_eq!(door.counts(), (1, 0));
    assert_eq!(door.sign_up("bela@example.com", &code), denied(USED_UP));
}

#[test]
fn somebody_who_never_confirms_uses_nothing_up() {
    let door = door(settings("reservation-minutes = 10"));
    let code = door.invitation(1);
    assert_eq!(door.sign_up("anna@example.com", &code), Verdict::Continue);
    assert_eq!(door.sign_up("bela@example.com", &code), denied(USED_UP));
    door.trial.pass(SignedDuration::from_mins(10));
    assert_eq!(door.sign_up("bela@example.com", &code), Verdict::Continue);
    door.confirm("bela@example.com", "sub-of-bela");
    // Anna confirms late: the user is confirmed whatever the Lambda answers, and so is counted.
    door.confirm("anna@example.com", "sub-of-anna");
    assert_eq!(door.counts(), (2, 0));
}

#[test]
fn a_new_password_uses_nothing_up() {
    let door = door(settings(""));
    let code = door.invitation(1);
    assert_eq!(door.sign_up("anna@example.com", &code), Verdict::Continue);
    // "PostConfirmation_ConfirmForgotPassword": fires for users confirmed long ago.
    let event = Event::<PostConfirmation>::sample_of(&TriggerSource::PostConfirmationConfirmForgotPassword)
        .with("email", "anna@example.com")
        .with_value(&["userName"], USER_NAME);
    assert_eq!(door.trial.handles(&event).calls, Calls::default());
    assert_eq!(door.counts(), (0, 1));
}

#[test]
fn a_second_invitation_takes_the_place_of_the_first() {
    let door = door(settings(""));
    let (first, second) = (door.invitation(1), door.invitation(1));
    assert_eq!(door.sign_up("anna@example.com", &first), Verdict::Continue);
    assert_eq!(door.sign_up("anna@example.com", &second), Verdict::Continue);
    door.confirm("anna@example.com", "sub-of-anna");
    door.trial.pass(SignedDuration::from_hours(2));
    assert_eq!(door.sign_up("bela@example.com", &second), denied(USED_UP));
    assert_eq!(door.sign_up("bela@example.com", &first), Verdict::Continue);
}

#[test]
fn users_with_names_of_their_own_are_counted_one_by_one_though_they_share_an_address() {
    let door = door(settings(""));
    let code = door.invitation(1);
    let named = |name: &str| applicant("family@example.com", &code).with_value(&["userName"], name);
    assert_eq!(door.trial.sees(named("anna")), Verdict::Continue);
    assert_eq!(door.trial.sees(named("bela")), denied(USED_UP));
}

#[test]
fn names_that_look_made_up_share_a_use_unless_users_choose_their_names() {
    let confirm = |door: &Door, number: u32| {
        let name = format!("0000000{number}-0000-4000-8000-000000000000");
        let verdict =
            door.trial.sees(applicant("family@example.com", &door.invitation).with_value(&["userName"], name.as_str()));
        let confirmed = Event::<PostConfirmation>::sample().with("email", "family@example.com");
        let confirmed = confirmed.with("sub", name.as_str()).with_value(&["userName"], name.as_str());
        (verdict, confirmed)
    };
    let mut door = door(settings(""));
    door.invitation = door.invitation(1);
    let (first, second) = (confirm(&door, 1), confirm(&door, 2));
    assert_eq!((first.0, second.0), (Verdict::Continue, Verdict::Continue));
    for confirmed in [first.1, second.1] {
        assert_eq!(door.trial.sees(confirmed), Verdict::Continue);
    }
    assert_eq!(door.counts(), (2, 0), "whoever is in is counted");

    let mut door = self::door(settings("chosen-user-names = true"));
    door.invitation = door.invitation(1);
    assert_eq!(confirm(&door, 1).0, Verdict::Continue);
    assert_eq!(confirm(&door, 2).0, denied(USED_UP));
}

#[test]
fn what_expired_or_was_taken_back_says_so() {
    let door = door(settings(""));
    let expired = door.invite(1, |invitation| Invitation { expires: Some(Timestamp::UNIX_EPOCH), ..invitation });
    let revoked = door.invite(1, |invitation| Invitation { revoked: true, ..invitation });
    assert_eq!(door.sign_up("anna@example.com", &expired), denied(EXPIRED));
    assert_eq!(door.sign_up("anna@example.com", &revoked), denied(INVALID));
}

#[test]
fn a_code_that_names_a_missing_variable_is_refused_at_start() {
    let environment = Environment::from_iter([("OTHER", "x")]);
    let secret: AccessCode = settings("codes = [{ env = \"SIGN_UP_CODE\" }]");
    let error = secret.codes[0].reveal(&environment).unwrap_err();
    assert_eq!(error.to_string(), "the environment variable `SIGN_UP_CODE` is not set; set it where the function runs");
}
