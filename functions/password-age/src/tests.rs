//! When a password expires, for whom, what is done then, and what it costs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cognito_triggers::config::{Configuration, schema};
use cognito_triggers::ledger::{Condition, Delivery, LedgerAdmin, Mail, Member, MemoryLedger, Wants};
use cognito_triggers::services::{NewPassword as Required, User, UserPage};
use cognito_triggers::{Calls, Clock, Directory, Environment, FaultKind, Ledger, Seen, Services, StoppedClock};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending, ready};
use serde_json::json;

use super::*;

mod settings;
mod warned;

const SUB: &str = "0a1b2c3d-0000-4000-8000-00000000a77a";
const POOL: &str = "eu-central-1_Example01";
const EXPIRED: &str = "Your password has expired, please choose a new one with \"Forgot password\"";
const RESET: &str = "Your password has expired, please choose a new one with the code you have been sent";
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A clock that is moved by hand, either way. Short pauses pass at once.
#[derive(Default)]
struct HandClock(StoppedClock);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        if time > Duration::from_secs(1) { Box::pin(pending()) } else { Box::pin(ready(())) }
    }
}

/// The users of the pool, and how often somebody was made to choose a new password.
#[derive(Default)]
struct Users {
    /// The address, if it is another by now.
    moved: Mutex<Option<&'static str>>,
    broken: Mutex<bool>,
    resets: AtomicUsize,
    gone: Mutex<bool>,
    disabled: Mutex<bool>,
}

#[async_trait]
impl Directory for Users {
    async fn update_attributes(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<(), Fault> {
        Err(Fault::service("the directory", "was asked for what this rule never wants"))
    }

    async fn find(&self, _: &str, user_name: &str) -> Result<Option<User>, Fault> {
        if *self.gone.lock().unwrap() {
            return Ok(None);
        }
        let email = self.moved.lock().unwrap().unwrap_or("anna@example.com");
        let attributes = [("sub", SUB), ("email", email), ("email_verified", "true")].into_iter().collect();
        let enabled = !*self.disabled.lock().unwrap();
        Ok(Some(User { user_name: user_name.into(), attributes, enabled, confirmed: true, ..User::default() }))
    }

    async fn find_sub(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        Ok(None)
    }

    async fn sign_out(&self, _: &str, _: &str) -> Result<(), Fault> {
        Err(Fault::service("the directory", "was asked for what this rule never wants"))
    }

    async fn require_new_password(&self, pool: &str, user_name: &str) -> Result<Required, Fault> {
        assert_eq!((pool, user_name), (POOL, "anna"));
        if *self.broken.lock().unwrap() {
            return Err(Fault::service("the directory", "cannot be reached"));
        }
        self.resets.fetch_add(1, Ordering::SeqCst);
        Ok(Required::Required)
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        Ok(UserPage::default())
    }
}

/// A pool with this rule, and the ledger it goes by.
struct Pool {
    rule: PasswordAge,
    services: Services,
    clock: Arc<HandClock>,
    ledger: Arc<MemoryLedger>,
    users: Arc<Users>,
}

fn pool(settings: &str) -> Pool {
    let (clock, ledger, users) = (Arc::<HandClock>::default(), Arc::<MemoryLedger>::default(), Arc::<Users>::default());
    let services = Services {
        ledger: Arc::<MemoryLedger>::clone(&ledger),
        directory: Arc::<Users>::clone(&users),
        ..Services::in_memory(Arc::<HandClock>::clone(&clock))
    };
    Pool { rule: rule(settings), services, clock, ledger, users }
}

fn rule(settings: &str) -> PasswordAge {
    let rule: PasswordAge = toml::from_str(settings).unwrap();
    rule.check().unwrap();
    rule
}

impl Pool {
    fn try_out<T: Trigger, R: Rule<T>>(&self, rule: R, event: &Event<T>) -> Seen<T> {
        Trial::of(rule).with(|_| self.services.clone()).handles(event)
    }

    fn sign_in(&self, event: &Event<PostAuthentication>) -> Seen<PostAuthentication> {
        self.try_out(self.rule.clone(), event)
    }

    fn signs_in(&self) -> Verdict<PostAuthentication> {
        self.sign_in(&sign_in()).verdict.unwrap()
    }

    fn begins(&self, event: &Event<PreAuthentication>) -> Seen<PreAuthentication> {
        self.try_out(Early(self.rule.clone()), event)
    }

    fn confirm(&self, event: &Event<PostConfirmation>) -> Seen<PostConfirmation> {
        self.try_out(self.rule.clone(), event)
    }

    fn token<T: TokenTrigger>(&self, source: &TriggerSource) -> Seen<T> {
        self.try_out(NewPassword(self.rule.clone()), &Event::<T>::sample_of(source))
    }

    fn pass(&self, time: SignedDuration) {
        self.clock.0.pass(time);
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn member_of(&self, sub: &str) -> Option<Member> {
        let wants = Wants { pool: POOL.into(), sub: Some(sub.into()), ..Wants::default() };
        self.ledger.read(&wants).now_or_never().unwrap().unwrap().member
    }

    fn password(&self) -> ledger::PasswordAge {
        self.member_of(SUB).unwrap_or_default().password
    }

    fn staged(&self) -> Vec<Delivery> {
        self.ledger.deliveries(POOL).now_or_never().unwrap().unwrap()
    }
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn sign_in() -> Event<PostAuthentication> {
    Event::sample()
}

fn begun() -> Event<PreAuthentication> {
    Event::sample()
}

fn confirmed() -> Event<PostConfirmation> {
    Event::sample()
}

fn forgotten() -> Event<PostConfirmation> {
    Event::sample_of(&TriggerSource::PostConfirmationConfirmForgotPassword)
}

fn with_status<T: Trigger>(event: Event<T>, status: &str) -> Event<T> {
    event.with("cognito:user_status", status)
}

/// A user with a password in the pool who may sign in at another provider as well.
fn linked<T: Trigger>(event: Event<T>) -> Event<T> {
    event.with(
        "identities",
        "[{\"userId\":\"7\",\"providerName\":\"Google\",\"providerType\":\"Google\",\"primary\":false}]",
    )
}

fn reads(reads: u32, writes: u32) -> Calls {
    Calls { reads, writes, acknowledgements: 0 }
}

#[test]
fn a_password_lasts_from_its_choice_to_the_second() {
    let pool = pool("max-days = 90");
    assert_eq!(pool.confirm(&confirmed()).verdict.unwrap(), Verdict::Continue);
    pool.pass(days(90) - SECOND);
    assert_eq!(pool.signs_in(), Verdict::Continue);
    pool.pass(SECOND);
    assert_eq!(pool.signs_in(), denied(EXPIRED));
    pool.pass(days(4000));
    assert_eq!(pool.signs_in(), denied(EXPIRED));
}

#[test]
fn a_password_of_unknown_age_lasts_for_the_grace_from_the_first_sign_in_that_was_seen() {
    let pool = pool("max-days = 90\ngrace-days = 14");
    pool.pass(days(1000));
    let seen = pool.now();
    assert_eq!(pool.signs_in(), Verdict::Continue, "nobody is locked out for the rule being new");
    assert_eq!((pool.password().first_seen, pool.password().chosen), (Some(seen), None));
    pool.pass(days(14) - SECOND);
    assert_eq!(pool.signs_in(), Verdict::Continue);
    assert_eq!(pool.password().first_seen, Some(seen), "it counts from the first");
    pool.pass(SECOND);
    assert_eq!(pool.signs_in(), denied(EXPIRED));
}

#[test]
fn without_a_grace_no_password_of_unknown_age_gets_in() {
    let pool = pool("max-days = 90\ngrace-days = 0");
    let seen = pool.sign_in(&sign_in());
    assert_eq!((seen.verdict.unwrap(), seen.calls), (denied(EXPIRED), reads(1, 0)));
    assert_eq!(pool.member_of(SUB), None, "a refused sign-in leaves no trace");
    let _ = pool.confirm(&forgotten()).verdict.unwrap();
    assert_eq!(pool.signs_in(), Verdict::Continue);
}

#[test]
fn a_forgotten_password_that_was_confirmed_is_a_new_one() {
    // "PostConfirmation_ConfirmForgotPassword" (Cognito developer guide, "Post confirmation Lambda trigger").
    let pool = pool("max-days = 90");
    let _ = pool.signs_in();
    pool.pass(days(200));
    assert_eq!(pool.signs_in(), denied(EXPIRED));
    let seen = pool.confirm(&forgotten());
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(1, 1)));
    assert_eq!(pool.signs_in(), Verdict::Continue);
    pool.pass(days(90));
    assert_eq!(pool.signs_in(), denied(EXPIRED));
}

#[test]
fn a_temporary_password_that_was_replaced_is_a_new_one_in_every_version_of_the_trigger() {
    // PostConfirmation is "not fired for admin-created users, nor when they complete FORCE_CHANGE_PASSWORD"
    // (amazon-cognito-identity-js#656, amplify-cli#13127): TokenGeneration_NewPasswordChallenge is all there is.
    fn moves_the_clock<T: TokenTrigger>() {
        let pool = pool("max-days = 90");
        let _ = pool.signs_in();
        pool.pass(days(200));
        let seen = pool.token::<T>(&TriggerSource::TokenGenerationNewPasswordChallenge);
        assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(1, 1)));
        assert_eq!(pool.password().chosen, Some(pool.now()));
        assert_eq!(pool.signs_in(), Verdict::Continue);
    }
    moves_the_clock::<PreTokenGenerationV1>();
    moves_the_clock::<PreTokenGenerationV2>();
    moves_the_clock::<PreTokenGenerationV3>();
}

#[test]
fn no_other_token_moves_the_clock_asks_for_the_age_or_costs_a_call() {
    // A refresh is `TokenGeneration_RefreshTokens`, or with `GetTokensFromRefreshToken` `TokenGeneration_Authentication`
    // (Cognito developer guide, "Pre token generation Lambda trigger"): the latter cannot be told from a sign-in.
    fn is_left_alone<T: TokenTrigger>() {
        let pool = pool("max-days = 90");
        let _ = pool.confirm(&confirmed());
        pool.pass(days(200));
        let before = pool.member_of(SUB);
        let sources = TriggerSource::ALL.iter().filter(|source| source.prefix() == "TokenGeneration");
        for source in sources.filter(|source| **source != TriggerSource::TokenGenerationNewPasswordChallenge) {
            let seen = pool.token::<T>(source);
            assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(0, 0)), "{source}");
        }
        assert_eq!(pool.member_of(SUB), before);
    }
    is_left_alone::<PreTokenGenerationV1>();
    is_left_alone::<PreTokenGenerationV2>();
    is_left_alone::<PreTokenGenerationV3>();
}

#[test]
fn a_temporary_password_may_be_replaced_however_old_the_one_before_it_is() {
    // At PostAuthentication the status still says FORCE_CHANGE_PASSWORD, as far as is known; the new password is heard of only
    // after it.
    for (settings, resets) in [("max-days = 90", 0), ("max-days = 90\naction = \"reset\"", 0)] {
        let pool = pool(settings);
        let _ = pool.signs_in();
        pool.pass(days(200));
        let before = pool.member_of(SUB);
        let seen = pool.sign_in(&with_status(sign_in(), "FORCE_CHANGE_PASSWORD"));
        assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(0, 0)));
        assert_eq!(pool.member_of(SUB), before);
        let _ = pool.token::<PreTokenGenerationV1>(&TriggerSource::TokenGenerationNewPasswordChallenge);
        assert_eq!(pool.signs_in(), Verdict::Continue);
        assert_eq!(pool.users.resets.load(Ordering::SeqCst), resets);
    }
    // Should it say CONFIRMED by then, what the sentence names leads on: a confirmed user may choose a password by a code.
    let pool = pool("max-days = 90");
    let _ = pool.signs_in();
    pool.pass(days(200));
    assert_eq!(pool.signs_in(), denied(EXPIRED));
    let _ = pool.confirm(&forgotten());
    assert_eq!(pool.signs_in(), Verdict::Continue);
}

#[test]
fn a_password_that_was_reset_is_not_the_one_somebody_signed_in_with() {
    let pool = pool("max-days = 90\naction = \"reset\"");
    let _ = pool.signs_in();
    pool.pass(days(200));
    let seen = pool.sign_in(&with_status(sign_in(), "RESET_REQUIRED"));
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(0, 0)));
}

#[test]
fn users_of_other_providers_have_no_password_here() {
    // First sign-in: PostConfirmation_ConfirmSignUp. Later: PreAuthentication, PostAuthentication. The status is
    // EXTERNAL_PROVIDER throughout.
    let pool = pool("max-days = 90\ngrace-days = 0\nearly = true");
    let seen = pool.confirm(&with_status(confirmed(), "EXTERNAL_PROVIDER"));
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(0, 0)));
    pool.pass(days(200));
    let seen = pool.begins(&with_status(begun(), "EXTERNAL_PROVIDER"));
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(0, 0)));
    let seen = pool.sign_in(&linked(with_status(sign_in(), "EXTERNAL_PROVIDER")));
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(0, 0)));
    assert_eq!(pool.member_of(SUB), None);
}

#[test]
fn linked_users_are_checked_unless_they_are_exempt() {
    // "When you set a password, the federated user's status changes from EXTERNAL_PROVIDER to CONFIRMED. A user in this state can
    // sign in as a federated user, and initiate authentication flows in the API like a linked native user" (API reference,
    // `AdminSetUserPassword`).
    for (settings, verdict) in [
        ("", denied(EXPIRED)),
        ("linked-users = \"check\"", denied(EXPIRED)),
        ("linked-users = \"exempt\"", Verdict::Continue),
    ] {
        let pool = pool(&format!("max-days = 90\nearly = true\n{settings}"));
        let _ = pool.confirm(&confirmed());
        pool.pass(days(90));
        assert_eq!(pool.sign_in(&linked(sign_in())).verdict.unwrap(), verdict, "{settings}");
        let early = pool.begins(&linked(begun())).verdict.unwrap();
        assert_eq!(early == Verdict::Continue, verdict == Verdict::Continue, "{settings}");
        assert_eq!(pool.signs_in(), denied(EXPIRED), "who is not linked, {settings}");
        // What is no list of accounts makes nobody linked.
        for odd in ["", "[]", "null", "[{]", "{}"] {
            let event = sign_in().with("identities", odd);
            assert_eq!(pool.sign_in(&event).verdict.unwrap(), denied(EXPIRED), "{odd}");
        }
    }
}

#[test]
fn an_exempt_client_is_where_users_sign_in_without_a_password() {
    // No event tells whether custom authentication, a one-time code or a passkey stood in for the password.
    let pool = pool("max-days = 90\nearly = true\nexempt-clients = [\"1example23456789\"]");
    let _ = pool.confirm(&confirmed());
    pool.pass(days(90));
    let seen = pool.sign_in(&sign_in());
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(0, 0)));
    assert_eq!(pool.begins(&begun()).verdict.unwrap(), Verdict::Continue);
    for client in [json!("2other"), json!(""), json!(null)] {
        let elsewhere = sign_in().with_value(&["callerContext", "clientId"], client.clone());
        assert_eq!(pool.sign_in(&elsewhere).verdict.unwrap(), denied(EXPIRED), "{client}");
    }
}

#[test]
fn a_sign_in_within_the_limit_costs_one_read_and_no_write_but_the_first() {
    let pool = pool("max-days = 90");
    assert_eq!(pool.sign_in(&sign_in()).calls, reads(1, 1), "it is seen for the first time");
    for _ in 0..3 {
        pool.pass(days(1));
        assert_eq!(pool.sign_in(&sign_in()).calls, reads(1, 0));
    }
}

#[test]
fn three_calls_for_one_confirmation_are_one_choice() {
    // Cognito "may retry ... If all retry attempts fail, the function times out" (Cognito developer guide, "Customizing user pool
    // workflows with Lambda triggers").
    let pool = pool("max-days = 90");
    let first = pool.now();
    for writes in [1, 0, 0] {
        assert_eq!(pool.confirm(&confirmed()).calls, reads(1, writes));
        pool.pass(SignedDuration::from_secs(5));
    }
    assert_eq!((pool.password().chosen, pool.staged().len()), (Some(first), 1));
    pool.pass(SignedDuration::from_secs(45));
    let _ = pool.confirm(&forgotten());
    assert_eq!(pool.password().chosen, Some(first + SignedDuration::from_mins(1)));
}

#[test]
fn an_expired_password_is_reset_before_the_refusal_is_answered() {
    let pool = pool("max-days = 90\naction = \"reset\"");
    let _ = pool.confirm(&confirmed());
    pool.pass(days(90) - SECOND);
    assert_eq!(pool.signs_in(), Verdict::Continue);
    assert_eq!(pool.users.resets.load(Ordering::SeqCst), 0);
    pool.pass(SECOND);
    let before = pool.member_of(SUB);
    let seen = pool.sign_in(&sign_in());
    assert_eq!((seen.verdict.unwrap(), seen.calls), (denied(RESET), reads(1, 0)));
    assert_eq!(pool.users.resets.load(Ordering::SeqCst), 1);
    // The directory sends no second code where a new password has to be chosen already.
    assert_eq!(pool.signs_in(), denied(RESET));
    assert_eq!(pool.member_of(SUB), before, "a refused sign-in leaves no trace");
    let _ = pool.confirm(&forgotten());
    assert_eq!(pool.signs_in(), Verdict::Continue);
}

#[test]
fn what_cannot_be_reset_does_not_get_in_and_nobody_is_told_of_a_code() {
    let pool = pool("max-days = 90\naction = \"reset\"");
    let _ = pool.confirm(&confirmed());
    pool.pass(days(90));
    *pool.users.broken.lock().unwrap() = true;
    let fault = pool.sign_in(&sign_in()).verdict.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Service);
    *pool.users.broken.lock().unwrap() = false;
    assert_eq!(pool.signs_in(), denied(RESET));
}

#[test]
fn what_a_user_reads_may_be_said_otherwise() {
    let pool = pool("max-days = 1\nwarn-days = 0\ngrace-days = 0\nmessage = \"Bitte waehlen Sie ein neues Passwort.\"");
    assert_eq!(pool.signs_in(), denied("Bitte waehlen Sie ein neues Passwort"));
    for text in [EXPIRED, RESET] {
        assert!(text.is_ascii() && !text.ends_with('.') && !text.contains(char::is_control));
    }
}

#[test]
fn before_the_password_is_proven_one_read_and_nothing_is_written() {
    let pool = pool("max-days = 90\nearly = true");
    let seen = pool.begins(&begun());
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(1, 0)), "of unknown age");
    assert_eq!(pool.member_of(SUB), None, "a stranger starts no clock");
    let _ = pool.confirm(&confirmed());
    pool.pass(days(90) - SECOND);
    assert_eq!(pool.begins(&begun()).verdict.unwrap(), Verdict::Continue);
    pool.pass(SECOND);
    let seen = pool.begins(&begun());
    assert_eq!((seen.verdict.unwrap(), seen.calls), (denied(EXPIRED), reads(1, 0)));
    let temporary = with_status(begun(), "FORCE_CHANGE_PASSWORD");
    assert_eq!(pool.begins(&temporary).verdict.unwrap(), Verdict::Continue);
}

#[test]
fn who_does_not_exist_takes_the_same_path_and_is_never_refused() {
    // "userNotFound": where the pool has `PreventUserExistenceErrors`.
    let pool = pool("max-days = 90\ngrace-days = 0\nearly = true");
    let unknown = begun().with_value(&["request", "userNotFound"], true);
    let nameless = unknown.with_value(&["request", "userAttributes"], json!({}));
    let seen = pool.begins(&nameless);
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(1, 0)));
}

#[test]
fn a_user_created_anew_under_an_old_name_starts_anew() {
    let pool = pool("max-days = 90");
    let _ = pool.confirm(&confirmed());
    pool.pass(days(200));
    assert_eq!(pool.signs_in(), denied(EXPIRED));
    let anew = sign_in().with("sub", "another-sub");
    assert_eq!(pool.sign_in(&anew).verdict.unwrap(), Verdict::Continue);
    assert_eq!(pool.member_of("another-sub").unwrap().password.first_seen, Some(pool.now()));
}

#[test]
fn who_was_created_by_an_administrator_or_moved_here_has_the_grace() {
    // Neither passes PostConfirmation.
    let pool = pool("max-days = 90");
    let seen = pool.sign_in(&with_status(sign_in(), "FORCE_CHANGE_PASSWORD"));
    assert_eq!((seen.verdict.unwrap(), pool.member_of(SUB)), (Verdict::Continue, None));
    assert_eq!(pool.signs_in(), Verdict::Continue);
    assert_eq!(pool.password().first_seen, Some(pool.now()));
}

#[test]
fn missing_attributes_and_unknown_words_make_nobody_exempt() {
    let pool = pool("max-days = 90\nlinked-users = \"exempt\"");
    let _ = pool.confirm(&confirmed());
    pool.pass(days(90));
    for status in [json!(null), json!(""), json!("ARCHIVED"), json!("external_provider"), json!(7)] {
        let event = sign_in().with("cognito:user_status", status.clone());
        assert_eq!(pool.sign_in(&event).verdict.unwrap(), denied(EXPIRED), "{status}");
    }
    let bare = sign_in().with_value(&["request", "userAttributes"], json!({ "sub": SUB }));
    assert_eq!(pool.sign_in(&bare).verdict.unwrap(), denied(EXPIRED));
    // Without a `sub` there is nobody to remember anything of, and it is no fault.
    let nobody = sign_in().with("sub", json!(null));
    let seen = pool.sign_in(&nobody);
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(1, 0)));
    let seen = pool.confirm(&confirmed().with("sub", json!(null)));
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(1, 0)));
}

#[test]
fn a_source_nobody_knows_chooses_no_password() {
    let pool = pool("max-days = 90");
    let seen = pool.confirm(&Event::sample_of(&TriggerSource::from("PostConfirmation_SomethingNew")));
    assert_eq!((seen.verdict.unwrap(), seen.calls), (Verdict::Continue, reads(0, 0)));
}

#[test]
fn a_clock_that_goes_back_makes_nothing_older_and_locks_nobody_out() {
    let pool = pool("max-days = 90\nearly = true");
    pool.pass(days(400));
    let chosen = pool.now();
    let _ = pool.confirm(&forgotten());
    pool.pass(-days(400));
    assert_eq!(pool.signs_in(), Verdict::Continue);
    assert_eq!(pool.begins(&begun()).verdict.unwrap(), Verdict::Continue);
    let _ = pool.confirm(&forgotten());
    assert_eq!(pool.password().chosen, Some(chosen), "it never moves back");
    pool.pass(days(490) - SECOND);
    assert_eq!(pool.signs_in(), Verdict::Continue);
    pool.pass(SECOND);
    assert_eq!(pool.signs_in(), denied(EXPIRED));
}

#[test]
fn news_of_a_choice_that_come_late_take_no_grace_away() {
    // What CloudTrail tells arrives some minutes later, and may be told again.
    let rule = rule("max-days = 90\ngrace-days = 14");
    let at = |day| Timestamp::UNIX_EPOCH + days(day);
    let expires = |chosen: Option<i64>, seen: Option<i64>| {
        let (chosen, first_seen) = (chosen.map(at), seen.map(at));
        rule.expires(&ledger::PasswordAge { chosen, first_seen, ..ledger::PasswordAge::default() })
    };
    assert_eq!(expires(None, None), None);
    assert_eq!(expires(None, Some(1000)), Some(at(1014)));
    assert_eq!(expires(Some(1000), None), Some(at(1090)));
    assert_eq!(expires(Some(1000), Some(1000)), Some(at(1090)));
    assert_eq!(expires(Some(1001), Some(1000)), Some(at(1091)));
    assert_eq!(expires(Some(500), Some(1000)), Some(at(1014)), "it was old already, and is still within the grace");
    assert_eq!(expires(Some(999), Some(1000)), Some(at(1089)));
}

#[test]
fn no_time_is_too_far_away() {
    let rule = rule("max-days = 3650\ngrace-days = 3650");
    let password = ledger::PasswordAge { chosen: Some(Timestamp::MAX), ..ledger::PasswordAge::default() };
    assert_eq!(rule.expires(&password), Some(Timestamp::MAX));
    let password = ledger::PasswordAge { first_seen: Some(Timestamp::MIN), ..ledger::PasswordAge::default() };
    assert!(rule.expires(&password).is_some());
}
