//! Who gets in, what is remembered of it, and what it costs: through the dispatcher, as deployed, with a ledger in memory.

use std::collections::BTreeMap as Map;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cognito_triggers::config::Configuration;
use cognito_triggers::ledger::{Member, Session, Wants};
use cognito_triggers::services::{NewPassword, User, UserPage};
use cognito_triggers::{Calls, Clock, Directory, Dispatcher, Environment, Invocation, Services, StoppedClock};
use serde_json::{Value, json};

use super::*;

const ANNA: &str = "0a1b2c3d-0000-4000-8000-00000000a77a";
const POOL: &str = "eu-central-1_Example01";
const APP: &str = "1example23456789";

const TOO_MANY: &str = "You are signed in on too many devices. Please sign out on one of them first";
const JUST_NOW: &str = "You have just signed in somewhere else. Please try again in a few minutes";

const READ: Calls = Calls { reads: 1, writes: 0, acknowledgements: 0 };
const READ_AND_WRITTEN: Calls = Calls { reads: 1, writes: 1, acknowledgements: 0 };
const NONE: Calls = Calls { reads: 0, writes: 0, acknowledgements: 0 };

/// Signs people out, unless it is told to fail.
#[derive(Default)]
struct Porter {
    signed_out: Mutex<Vec<String>>,
    fails: AtomicBool,
    calls: AtomicUsize,
}

#[async_trait]
impl Directory for Porter {
    async fn sign_out(&self, pool: &str, user_name: &str) -> Result<(), Fault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) {
            return Err(Fault::new("on purpose"));
        }
        assert_eq!(pool, POOL);
        self.signed_out.lock().unwrap().push(user_name.to_owned());
        Ok(())
    }

    async fn update_attributes(&self, _: &str, _: &str, _: &Map<String, String>) -> Result<(), Fault> {
        unreachable!()
    }

    async fn find(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        unreachable!()
    }

    async fn find_sub(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        unreachable!()
    }

    async fn require_new_password(&self, _: &str, _: &str) -> Result<NewPassword, Fault> {
        unreachable!()
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        unreachable!()
    }
}

struct House {
    dispatcher: Dispatcher,
    clock: Arc<StoppedClock>,
    porter: Arc<Porter>,
}

/// What came of one event.
struct Seen {
    answer: Result<Value, String>,
    calls: Calls,
    fault: Option<String>,
}

impl House {
    fn new(settings: &str) -> Self {
        let configuration = Configuration::parse("triggers.toml", &format!("[session-limit]\n{settings}")).unwrap();
        let (base, pools) = configuration.chains::<(SessionLimit,)>(&Environment::default()).unwrap();
        let (clock, porter) = (Arc::new(StoppedClock::default()), Arc::<Porter>::default());
        let services = Services::in_memory(Arc::clone(&clock) as Arc<dyn Clock>);
        let services = Services { directory: Arc::clone(&porter) as Arc<dyn Directory>, ..services };
        Self { dispatcher: Dispatcher::new(base, pools, services), clock, porter }
    }

    fn sees<T: Trigger>(&self, event: &Event<T>) -> Seen {
        let deadline = self.clock.now() + SignedDuration::from_secs(4);
        let request_id = "0badc0de-0000-4000-8000-000000000000";
        let handled = ready(self.dispatcher.handle(Invocation { body: event.raw().as_bytes(), request_id, deadline }));
        let answer = handled.answer.map(|text| serde_json::from_str(&text).unwrap()).map_err(|refusal| refusal.message);
        let fault = handled.report.fault.map(|(_, causes)| causes);
        Seen { answer, calls: handled.report.calls, fault }
    }

    /// What was answered; an accident fails the test.
    #[track_caller]
    fn answers<T: Trigger>(&self, event: &Event<T>) -> Result<Value, String> {
        let seen = self.sees(event);
        assert_eq!(seen.fault, None);
        seen.answer
    }

    #[track_caller]
    fn passes<T: Trigger>(&self, event: &Event<T>) {
        let answer = self.answers(event).unwrap();
        assert_eq!(answer, serde_json::from_str::<Value>(event.raw()).unwrap());
    }

    #[track_caller]
    fn refuses<T: Trigger>(&self, event: &Event<T>, message: &str) {
        let before = self.member(ANNA);
        assert_eq!(self.answers(event).unwrap_err(), message);
        assert_eq!(self.member(ANNA), before, "a denial leaves something behind");
    }

    /// A whole sign-in.
    #[track_caller]
    fn signs_in(&self) {
        self.passes(&signed_in());
        self.passes(&tokens());
    }

    fn pass(&self, span: SignedDuration) {
        self.clock.pass(span);
    }

    fn member(&self, sub: &str) -> Member {
        let wants = Wants { pool: POOL.into(), sub: Some(sub.into()), ..Wants::default() };
        ready(self.dispatcher.services().ledger.read(&wants)).unwrap().member.unwrap_or_default()
    }

    fn live(&self) -> Vec<Session> {
        self.member(ANNA).sessions.live(self.clock.now(), None).cloned().collect()
    }

    fn states(&self) -> Vec<SessionState> {
        self.live().iter().map(|session| session.state).collect()
    }
}

fn ready<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

fn signed_in() -> Event<PostAuthentication> {
    Event::sample()
}

fn tokens() -> Event<PreTokenGenerationV1> {
    Event::sample_of(&TriggerSource::TokenGenerationAuthentication)
}

fn renewed() -> Event<PreTokenGenerationV1> {
    Event::sample_of(&TriggerSource::TokenGenerationRefreshTokens)
}

fn at<T: Trigger>(event: Event<T>, client: &str) -> Event<T> {
    event.with_value(&["callerContext", "clientId"], client)
}

fn of_groups(event: Event<PreTokenGenerationV1>, groups: &[&str]) -> Event<PreTokenGenerationV1> {
    event.with_value(&["request", "groupConfiguration", "groupsToOverride"], json!(groups))
}

/// The claim `session` of the ID token.
fn claim(answer: &Value) -> Option<String> {
    let claims = &answer["response"]["claimsOverrideDetails"]["claimsToAddOrOverride"];
    claims["session"].as_str().map(str::to_owned)
}

const fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

#[test]
fn a_sign_in_reserves_a_place_and_its_tokens_keep_it_until_the_refresh_token_has_lapsed() {
    let house = House::new("max = 1");
    house.passes(&signed_in());
    assert_eq!(house.states(), [SessionState::Reserved]);
    assert_eq!(house.live()[0].until, house.clock.now() + minutes(5));
    house.passes(&tokens());
    assert_eq!(house.states(), [SessionState::Kept]);
    let validity = SignedDuration::from_hours(30 * 24);
    assert_eq!(house.live()[0].until, house.clock.now() + validity + minutes(5));
    house.pass(validity);
    house.refuses(&signed_in(), TOO_MANY);
    house.pass(minutes(5));
    house.signs_in();
}

#[test]
fn one_more_than_the_limit_is_refused() {
    let house = House::new("max = 3\nmessage = \"Three are enough.\"");
    for _ in 0..3 {
        house.signs_in();
    }
    house.refuses(&signed_in(), "Three are enough");
    assert_eq!(house.states(), [SessionState::Kept; 3]);
}

#[test]
fn a_sign_in_costs_one_read_and_one_write_and_so_do_its_tokens() {
    let house = House::new("max = 1");
    assert_eq!(house.sees(&signed_in()).calls, READ_AND_WRITTEN);
    assert_eq!(house.sees(&signed_in()).calls, READ, "a refusal");
    assert_eq!(house.sees(&tokens()).calls, READ_AND_WRITTEN);
    assert_eq!(house.sees(&tokens()).calls, READ, "called again");
}

#[test]
fn a_sign_in_that_comes_to_nothing_gives_its_place_back() {
    let house = House::new("max = 1\nreservation-minutes = 2");
    house.passes(&signed_in());
    house.pass(minutes(2) - SignedDuration::from_millis(1));
    house.refuses(&signed_in(), TOO_MANY);
    house.pass(SignedDuration::from_millis(1));
    house.signs_in();
}

#[test]
fn an_event_seen_twice_counts_twice_until_the_reservation_lapses() {
    // "may retry ... If all retry attempts fail, the function times out"
    let house = House::new("max = 2");
    house.passes(&signed_in());
    house.passes(&signed_in());
    house.passes(&tokens());
    house.refuses(&signed_in(), TOO_MANY);
    house.pass(minutes(5));
    assert_eq!(house.states(), [SessionState::Kept]);
    house.signs_in();
}

#[test]
fn tokens_made_twice_for_one_sign_in_keep_one_place() {
    let house = House::new("max = 2");
    house.signs_in();
    house.passes(&tokens());
    assert_eq!(house.states(), [SessionState::Kept]);
}

#[test]
fn tokens_keep_a_place_of_their_own_app_client() {
    let house = House::new("max = 3");
    house.passes(&at(signed_in(), "web"));
    house.passes(&at(signed_in(), "phone"));
    house.passes(&at(tokens(), "phone"));
    let live = house.live();
    let shown: Vec<_> = live.iter().map(|session| (session.client.as_str(), session.state)).collect();
    assert_eq!(shown, [("web", SessionState::Reserved), ("phone", SessionState::Kept)]);
}

#[test]
fn where_the_client_is_not_known_a_place_stands_for_any() {
    // "`callerContext.clientId` null on AdminConfirmSignUp/console confirm"
    let house = House::new("max = 2");
    house.passes(&signed_in().with_value(&["callerContext", "clientId"], Value::Null));
    assert_eq!(house.live()[0].client, "");
    house.passes(&tokens());
    assert_eq!(house.states(), [SessionState::Kept]);
    house.passes(&signed_in());
    house.passes(&tokens().with_value(&["callerContext"], Value::Null));
    assert_eq!(house.states(), [SessionState::Kept; 2]);
}

#[test]
fn sessions_may_be_counted_at_each_app_client() {
    let house = House::new("max = 1\nper = \"client\"");
    for client in ["web", "phone"] {
        house.passes(&at(signed_in(), client));
        house.passes(&at(tokens(), client));
        house.refuses(&at(signed_in(), client), TOO_MANY);
    }
    assert_eq!(house.states(), [SessionState::Kept; 2]);
}

#[test]
fn however_many_app_clients_there_are_the_sessions_of_one_user_fit_into_one_item() {
    // "The maximum item size in DynamoDB is 400 KB": beyond it nothing of the user could be written any more.
    let house = House::new("max = 100\nper = \"client\"");
    let client = |number: usize| format!("{number:026}");
    for number in 0..places::MOST {
        house.passes(&at(signed_in(), &client(number / 100)));
        house.passes(&at(tokens(), &client(number / 100)));
    }
    house.refuses(&at(signed_in(), &client(99)), TOO_MANY);
    assert!(serde_json::to_vec(&house.member(ANNA)).unwrap().len() < 300_000);
}

#[test]
fn an_exempt_app_client_is_neither_limited_nor_counted_and_costs_nothing() {
    let house = House::new(&format!("max = 1\nexempt-clients = [\"{APP}\"]\nclaim = \"session\"\nearly = true"));
    for _ in 0..3 {
        assert_eq!(house.sees(&Event::<PreAuthentication>::sample()).calls, NONE);
        assert_eq!(house.sees(&signed_in()).calls, NONE);
        assert_eq!(house.sees(&tokens()).calls, NONE);
        assert_eq!(house.sees(&renewed()).calls, NONE);
    }
    assert_eq!(house.states(), []);
}

#[test]
fn refresh_tokens_live_as_long_as_is_said_for_their_app_client() {
    let settings = "max = 9\nrefresh-token-days = 2\n\
        [session-limit.clients.short]\nrefresh-token-minutes = 60\n[session-limit.clients.usual]";
    let house = House::new(settings);
    for (client, validity) in [("short", minutes(60)), ("usual", minutes(2880)), ("unnamed", minutes(2880))] {
        house.passes(&at(signed_in(), client));
        house.passes(&at(tokens(), client));
        let live = house.live();
        assert_eq!(live.last().unwrap().until, house.clock.now() + validity + minutes(5), "{client}");
    }
}

#[test]
fn renewing_tokens_counts_nothing_lengthens_nothing_and_asks_nobody() {
    // "Refresh runs PreTokenGeneration; REFRESH_TOKEN_AUTH -> TokenGeneration_RefreshTokens"
    let house = House::new("max = 2");
    house.signs_in();
    house.passes(&signed_in());
    let before = house.live();
    house.pass(minutes(1));
    let seen = house.sees(&renewed());
    assert_eq!((seen.calls, seen.answer.is_ok()), (NONE, true));
    assert_eq!(house.live(), before);
}

#[test]
fn renewing_tokens_with_a_claim_or_with_groups_costs_one_read() {
    for settings in ["max = 2\nclaim = \"session\"", "max = 2\nmax-by-group = { editors = 3 }"] {
        let house = House::new(settings);
        house.answers(&signed_in()).unwrap();
        house.answers(&tokens()).unwrap();
        assert_eq!(house.sees(&renewed()).calls, READ, "{settings}");
    }
}

#[test]
fn tokens_renewed_as_if_for_a_sign_in_leave_the_sessions_as_they_are() {
    // "`GetTokensFromRefreshToken` -> `TokenGeneration_Authentication` (not _RefreshTokens)"
    let house = House::new("max = 2");
    house.signs_in();
    let before = house.live();
    house.pass(minutes(1));
    assert_eq!(house.sees(&tokens()).calls, READ);
    assert_eq!(house.live(), before);
}

#[test]
fn tokens_renewed_in_the_midst_of_a_sign_in_keep_its_place_and_it_is_counted_all_the_same() {
    let house = House::new("max = 2");
    house.signs_in();
    house.passes(&signed_in());
    house.passes(&tokens());
    // What comes now are the tokens of the sign-in itself.
    house.passes(&tokens());
    assert_eq!(house.states(), [SessionState::Kept; 2]);
    house.refuses(&signed_in(), TOO_MANY);
}

#[test]
fn tokens_between_machines_have_nothing_to_do_with_it() {
    let house = House::new("max = 1\nclaim = \"session\"\nmax-by-group = { editors = 3 }");
    let event = Event::<PreTokenGenerationV3>::sample_of(&TriggerSource::TokenGenerationClientCredentials);
    let seen = house.sees(&event);
    assert_eq!((seen.calls, seen.answer.is_ok()), (NONE, true));
}

#[test]
fn tokens_of_every_version_and_source_of_a_sign_in_keep_its_place() {
    let sources = [
        TriggerSource::TokenGenerationHostedAuth,
        TriggerSource::TokenGenerationAuthentication,
        TriggerSource::TokenGenerationNewPasswordChallenge,
        TriggerSource::TokenGenerationAuthenticateDevice,
        TriggerSource::from("TokenGeneration_SomethingNew"),
    ];
    for source in sources {
        let house = House::new("max = 3");
        for _ in 0..3 {
            house.passes(&signed_in());
        }
        house.answers(&of_anna(Event::<PreTokenGenerationV1>::sample_of(&source))).unwrap();
        house.answers(&of_anna(Event::<PreTokenGenerationV2>::sample_of(&source))).unwrap();
        house.answers(&of_anna(Event::<PreTokenGenerationV3>::sample_of(&source))).unwrap();
        assert_eq!(house.states(), [SessionState::Kept; 3], "{source}");
    }
}

#[test]
fn whoever_an_administrator_created_is_counted_from_the_new_password_on() {
    // "Not fired for admin-created users, nor when they complete FORCE_CHANGE_PASSWORD": there is no PostConfirmation.
    let house = House::new("max = 1");
    house.passes(&signed_in().with("cognito:user_status", "FORCE_CHANGE_PASSWORD"));
    house.passes(&Event::<PreTokenGenerationV1>::sample_of(&TriggerSource::TokenGenerationNewPasswordChallenge));
    assert_eq!(house.states(), [SessionState::Kept]);
    house.refuses(&signed_in(), TOO_MANY);
}

#[test]
fn custom_authentication_ends_in_the_same_two_events() {
    // "clientMetadata from RespondToAuthChallenge ... arrives in Define/Verify/PreToken"; whatever stands in it is no session.
    let house = House::new("max = 1\nclaim = \"session\"");
    let metadata = ["request", "clientMetadata"];
    house.passes(&signed_in().with_value(&metadata, json!({"session_id": "of my own"})));
    let answer = house.answers(&tokens().with_value(&metadata, json!({"session_id": "of my own"}))).unwrap();
    assert_eq!(claim(&answer).as_deref(), Some(house.live()[0].id.as_str()));
    house.refuses(&signed_in(), TOO_MANY);
}

/// The samples of federated users are about somebody else.
fn of_anna<T: Trigger>(event: Event<T>) -> Event<T> {
    at(event.with("sub", ANNA), APP)
}

fn federated<T: Trigger>(event: Event<T>) -> Event<T> {
    event.with("cognito:user_status", "EXTERNAL_PROVIDER").with_value(&["userName"], "google_1095")
}

fn hosted() -> Event<PreTokenGenerationV1> {
    federated(of_anna(Event::sample_of(&TriggerSource::TokenGenerationHostedAuth)))
}

#[test]
fn a_first_federated_sign_in_is_counted_at_the_confirmation() {
    // "First sign-in: InboundFederation -> PreSignUp_ExternalProvider -> PostConfirmation_ConfirmSignUp ->
    // TokenGeneration_HostedAuth. Later: ... -> PostAuthentication -> TokenGeneration_HostedAuth."
    let house = House::new("max = 1");
    let first = federated(Event::<PostConfirmation>::sample());
    assert_eq!(house.sees(&first).calls, READ_AND_WRITTEN);
    assert_eq!(house.sees(&first).calls, READ, "called again it takes no second place");
    house.passes(&hosted());
    assert_eq!(house.states(), [SessionState::Kept]);
    house.refuses(&federated(signed_in()), TOO_MANY);
}

#[test]
fn a_confirmation_that_is_no_sign_in_is_not_counted() {
    let house = House::new("max = 1");
    let forgotten = Event::<PostConfirmation>::sample_of(&TriggerSource::PostConfirmationConfirmForgotPassword);
    for event in [Event::<PostConfirmation>::sample(), federated(forgotten)] {
        assert_eq!(house.sees(&event).calls, NONE);
    }
    assert_eq!(house.states(), []);
}

#[test]
fn a_user_created_anew_under_an_old_name_starts_with_nothing() {
    let house = House::new("max = 1");
    house.signs_in();
    let again = "9f8e7d6c-0000-4000-8000-00000000b0b0";
    house.passes(&signed_in().with("sub", again));
    house.passes(&tokens().with("sub", again));
    assert_eq!(house.member(again).sessions.live(house.clock.now(), None).count(), 1);
    assert_eq!(house.states(), [SessionState::Kept], "what the user of before had");
}

#[test]
fn an_event_that_does_not_say_who_it_is_about_lets_nobody_in() {
    let house = House::new("max = 1\nclaim = \"session\"\nmax-by-group = { a = 2 }");
    for attributes in [json!({}), Value::Null, json!({"sub": ""})] {
        let path = ["request", "userAttributes"];
        for seen in [
            house.sees(&signed_in().with_value(&path, attributes.clone())),
            house.sees(&tokens().with_value(&path, attributes.clone())),
        ] {
            assert!(seen.fault.unwrap().starts_with("the event bears no `sub`"), "{attributes}");
            assert!(seen.answer.is_err());
        }
        // Tokens that are renewed were let in before; after a confirmation nobody can be kept out.
        house.passes(&renewed().with_value(&path, attributes.clone()));
        house.passes(&Event::<PostConfirmation>::sample().with_value(&path, attributes));
    }
}

#[test]
fn a_fault_keeps_people_out_of_a_sign_in_and_of_nothing_else() {
    let down = |settings: &str| {
        let house = House::new(settings);
        let services = Services::none(Arc::clone(&house.clock) as Arc<dyn Clock>);
        let configuration = Configuration::parse("triggers.toml", &format!("[session-limit]\n{settings}")).unwrap();
        let (base, pools) = configuration.chains::<(SessionLimit,)>(&Environment::default()).unwrap();
        House { dispatcher: Dispatcher::new(base, pools, services), ..house }
    };
    let settings = "max = 1\nclaim = \"session\"\nearly = true";
    let house = down(settings);
    assert!(house.sees(&signed_in()).answer.is_err());
    assert!(house.sees(&tokens()).answer.is_err());
    assert!(house.sees(&Event::<PreAuthentication>::sample()).answer.is_err());
    assert!(house.sees(&renewed()).answer.is_ok(), "a claim that cannot be looked up");
    assert!(house.sees(&federated(Event::<PostConfirmation>::sample())).answer.is_ok());
    let house = down(&format!("{settings}\non-fault = \"continue\""));
    assert!(house.sees(&signed_in()).answer.is_ok());
    assert!(house.sees(&tokens()).answer.is_ok());
}

#[test]
fn a_clock_that_goes_back_and_forth_forgets_no_session() {
    let house = House::new("max = 2");
    house.signs_in();
    house.pass(minutes(-600));
    house.signs_in();
    house.refuses(&signed_in(), TOO_MANY);
    house.pass(minutes(1200));
    house.refuses(&signed_in(), TOO_MANY);
    house.pass(minutes(-600));
    house.refuses(&signed_in(), TOO_MANY);
    assert_eq!(house.states(), [SessionState::Kept; 2]);
}

#[test]
fn a_clock_that_went_back_does_not_keep_people_from_signing_others_out() {
    let house = House::new("max = 1\npolicy = \"sign-out-others\"");
    house.signs_in();
    house.pass(minutes(-600));
    house.signs_in();
    assert_eq!(house.states(), [SessionState::Kept]);
}

#[test]
fn signing_in_once_more_signs_out_everywhere_else() {
    let house = House::new("max = 2\npolicy = \"sign-out-others\"");
    house.signs_in();
    house.signs_in();
    assert!(house.porter.signed_out.lock().unwrap().is_empty(), "there was a place");
    house.pass(minutes(1));
    let seen = house.sees(&signed_in());
    assert_eq!((seen.calls, seen.answer.is_ok()), (READ_AND_WRITTEN, true));
    assert_eq!(*house.porter.signed_out.lock().unwrap(), ["anna"]);
    house.passes(&tokens());
    assert_eq!(house.states(), [SessionState::Kept]);
    house.signs_in();
    assert_eq!(house.porter.calls.load(Ordering::Relaxed), 1, "there is a place again");
}

#[test]
fn who_cannot_be_signed_out_elsewhere_does_not_get_in_and_nothing_is_written() {
    let house = House::new("max = 1\npolicy = \"sign-out-others\"");
    house.signs_in();
    house.pass(minutes(1));
    house.porter.fails.store(true, Ordering::Relaxed);
    let before = house.member(ANNA);
    let seen = house.sees(&signed_in());
    assert!(seen.answer.is_err());
    assert_eq!((seen.fault.as_deref(), seen.calls), (Some("on purpose"), READ));
    assert_eq!(house.member(ANNA), before);
    house.porter.fails.store(false, Ordering::Relaxed);
    house.signs_in();
    assert_eq!(house.states(), [SessionState::Kept]);
}

#[test]
fn who_gets_in_although_signing_out_failed_leaves_the_others_counted() {
    let house = House::new("max = 1\npolicy = \"sign-out-others\"\non-fault = \"continue\"");
    house.signs_in();
    house.pass(minutes(1));
    house.porter.fails.store(true, Ordering::Relaxed);
    let before = house.member(ANNA);
    assert!(house.sees(&signed_in()).answer.is_ok());
    assert_eq!(house.member(ANNA), before);
}

#[test]
fn sign_ins_whose_tokens_are_just_being_made_cannot_be_signed_out() {
    let house = House::new("max = 1\npolicy = \"sign-out-others\"");
    house.passes(&signed_in());
    house.refuses(&signed_in(), JUST_NOW);
    house.passes(&tokens());
    house.pass(UNDER_WAY - SignedDuration::from_millis(1));
    house.refuses(&signed_in(), JUST_NOW);
    assert_eq!(house.porter.calls.load(Ordering::Relaxed), 0);
    house.pass(SignedDuration::from_millis(1));
    house.signs_in();
    assert_eq!(house.porter.calls.load(Ordering::Relaxed), 1);
}

#[test]
fn places_kept_at_the_sign_in_need_no_tokens() {
    let house = House::new("max = 1\nkeep = \"at-sign-in\"");
    house.passes(&signed_in());
    assert_eq!(house.states(), [SessionState::Kept]);
    assert_eq!(house.live()[0].until, house.clock.now() + SignedDuration::from_hours(30 * 24) + minutes(5));
    assert_eq!(house.sees(&tokens()).calls, NONE);
    house.pass(minutes(60));
    house.refuses(&signed_in(), TOO_MANY);
    let house = House::new("max = 1\nkeep = \"at-sign-in\"\npolicy = \"sign-out-others\"");
    house.passes(&signed_in());
    house.refuses(&signed_in(), JUST_NOW);
    house.pass(UNDER_WAY);
    house.passes(&signed_in());
    assert_eq!((house.states().len(), house.porter.calls.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn the_groups_of_the_last_token_say_how_many_sessions_there_may_be() {
    let house = House::new("max = 1\nmax-by-group = { silver = 2, gold = 3 }");
    house.passes(&signed_in());
    house.passes(&of_groups(tokens(), &["editors"]));
    house.refuses(&signed_in(), TOO_MANY);
    // The largest of those that are named.
    assert_eq!(house.sees(&of_groups(renewed(), &["gold", "editors", "silver"])).calls, READ_AND_WRITTEN);
    assert_eq!(house.sees(&of_groups(renewed(), &["silver", "gold", "editors"])).calls, READ, "in another order");
    for _ in 0..2 {
        house.passes(&signed_in());
        house.passes(&of_groups(tokens(), &["gold"]));
    }
    house.refuses(&signed_in(), TOO_MANY);
    // Whoever leaves the group keeps the sessions there are.
    house.passes(&of_groups(renewed(), &[]));
    assert_eq!(house.states(), [SessionState::Kept; 3]);
    house.refuses(&signed_in(), TOO_MANY);
}

#[test]
fn a_group_may_have_fewer() {
    let house = House::new("max = 2\nmax-by-group = { trial = 1 }");
    house.passes(&signed_in());
    house.passes(&of_groups(tokens(), &["trial"]));
    house.refuses(&signed_in(), TOO_MANY);
}

#[test]
fn groups_are_noted_only_where_they_count() {
    let house = House::new("max = 2");
    house.signs_in();
    assert!(house.member(ANNA).groups.is_empty());
}

#[test]
fn the_tokens_carry_the_id_of_their_session() {
    let house = House::new("max = 3\nclaim = \"session\"");
    house.passes(&signed_in());
    let first = claim(&house.answers(&tokens()).unwrap()).unwrap();
    assert_eq!(first, house.live()[0].id.as_str());
    assert_eq!(claim(&house.answers(&renewed()).unwrap()).as_deref(), Some(first.as_str()), "the only one");
    house.passes(&signed_in());
    assert_eq!(claim(&house.answers(&renewed()).unwrap()).as_deref(), Some(first.as_str()), "the only one with tokens");
    let second = claim(&house.answers(&tokens()).unwrap()).unwrap();
    assert_ne!(first, second);
    assert_eq!(claim(&house.answers(&renewed()).unwrap()), None, "one of two");
    assert_eq!(claim(&house.answers(&tokens()).unwrap()), None, "the same, renewed the other way");
    for (said, told) in [(first.as_str(), Some(first.as_str())), (second.as_str(), Some(second.as_str())), ("x", None)]
    {
        let metadata = json!({"session_id": said});
        for event in [renewed(), tokens()] {
            let event = event.with_value(&["request", "clientMetadata"], metadata.clone());
            assert_eq!(claim(&house.answers(&event).unwrap()).as_deref(), told);
        }
    }
    // At another client the user has another one.
    assert_eq!(claim(&house.answers(&at(renewed(), "other")).unwrap()), None);
    let stolen = renewed().with_value(&["request", "clientMetadata"], json!({"session_id": first}));
    assert_eq!(claim(&house.answers(&at(stolen, "other")).unwrap()), None);
}

#[test]
fn the_claim_is_in_both_tokens_where_the_trigger_can_set_it_there() {
    let house = House::new("max = 3\nclaim = \"session\"");
    house.passes(&signed_in());
    let answer = house.answers(&Event::<PreTokenGenerationV2>::sample()).unwrap();
    let id = house.live()[0].id.clone();
    for token in ["idTokenGeneration", "accessTokenGeneration"] {
        let details = &answer["response"]["claimsAndScopeOverrideDetails"];
        assert_eq!(details[token]["claimsToAddOrOverride"]["session"], id.as_str());
        assert!(details["groupOverrideDetails"].is_null(), "groups that are named are replaced");
    }
}

#[test]
fn tokens_for_which_nothing_was_reserved_are_made_without_a_claim() {
    let house = House::new("max = 3\nclaim = \"session\"");
    house.passes(&signed_in());
    house.answers(&hosted()).unwrap();
    // Managed login makes tokens for whoever has its cookie, without a PostAuthentication: whose these are nobody can tell.
    assert_eq!(claim(&house.answers(&hosted()).unwrap()), None);
    assert_eq!(house.states(), [SessionState::Kept]);
}

#[test]
fn before_the_password_nothing_is_refused_unless_that_is_wished() {
    let house = House::new("max = 1");
    house.signs_in();
    assert_eq!(house.sees(&Event::<PreAuthentication>::sample()).calls, NONE);
    let house = House::new("max = 1\nearly = true");
    house.passes(&Event::<PreAuthentication>::sample());
    house.signs_in();
    house.refuses(&Event::<PreAuthentication>::sample(), TOO_MANY);
    assert_eq!(house.sees(&Event::<PreAuthentication>::sample()).calls, READ);
}

#[test]
fn a_name_nobody_has_costs_the_same_read_and_is_never_refused() {
    // "With PreventUserExistenceErrors, triggers DO run for unknown users (userNotFound=true)"
    let house = House::new("max = 1\nearly = true");
    let nobody = Event::<PreAuthentication>::sample()
        .with_value(&["request"], json!({"userAttributes": {}, "validationData": null, "userNotFound": true}));
    assert_eq!(house.sees(&nobody).calls, READ);
    house.passes(&nobody);
    assert_eq!(house.member(ANNA), Member::default());
}

/// The error of a table, without its place.
#[track_caller]
fn wrong(settings: &str) -> String {
    let configuration = Configuration::parse("triggers.toml", &format!("[session-limit]\n{settings}")).unwrap();
    let Err(errors) = configuration.chains::<(SessionLimit,)>(&Environment::default()) else {
        panic!("nothing is wrong with {settings}")
    };
    let [error] = &errors.0[..] else { panic!("{errors}") };
    error.to_string().splitn(3, ':').last().unwrap().trim().to_owned()
}

#[test]
fn every_value_is_checked() {
    for (settings, error) in [
        ("", "session-limit: the key `max` is missing"),
        ("max = 0", "session-limit.max: the number is out of range; use a whole number from 1 to 100"),
        ("max = 101", "session-limit.max: the number is out of range; use a whole number from 1 to 100"),
        (
            "max = 1\nmax-by-group = { gold = 0 }",
            "session-limit.max-by-group.gold: the number is out of range; use a whole number from 1 to 100",
        ),
        (
            "max = 1\nreservation-minutes = 0",
            "session-limit.reservation-minutes: the number is out of range; use a whole number from 1 to 60",
        ),
        (
            "max = 1\nreservation-minutes = 61",
            "session-limit.reservation-minutes: the number is out of range; use a whole number from 1 to 60",
        ),
        (
            "max = 1\nrefresh-token-days = 0",
            "session-limit.refresh-token-days: the number is out of range; use a whole number from 1 to 3650",
        ),
        (
            "max = 1\nrefresh-token-days = 3651",
            "session-limit.refresh-token-days: the number is out of range; use a whole number from 1 to 3650",
        ),
        (
            "max = 1\nrefresh-token-minutes = 59",
            "session-limit.refresh-token-minutes: the number is out of range; use a whole number from 60 to 5256000",
        ),
        (
            "max = 1\nclients = { a = { refresh-token-minutes = 5256001 } }",
            "session-limit.clients.a.refresh-token-minutes: the number is out of range; use a whole number from 60 to 5256000",
        ),
        (
            "max = 1\nclaim = \"email\"",
            "session-limit.claim: the claim `email` says something else already, and whoever reads it would take the id for \
             that; choose a name of your own, e.g. `session_id`",
        ),
        (
            "max = 1\nrefresh-token-days = 1\nrefresh-token-minutes = 1440",
            "session-limit.refresh-token-minutes: the same is said in days and in minutes; leave one of the two out",
        ),
        (
            "max = 1\nexempt-clients = [\"web app\"]",
            "session-limit.exempt-clients: `web app` is not the id of an app client; write the id, e.g. `1example23456789`, not \
             the name",
        ),
        (
            "max = 1\nclients = { web-app = { refresh-token-days = 1 } }",
            "session-limit.clients: `web-app` is not the id of an app client; write the id, e.g. `1example23456789`, not the name",
        ),
        (
            "max = 1\nexempt-clients = [\"a+b\"]\nclients = { \"a+b\" = { refresh-token-days = 1 } }",
            "session-limit.clients.\"a+b\": the app client is exempt, so the lifetime of its tokens makes no difference; \
             leave it out here or under exempt-clients",
        ),
        (
            "max = 1\nclaim = \"cognito:groups\"",
            "session-limit.claim: Cognito keeps the claim `cognito:groups` to itself; choose a name of your own, e.g. \
             `session_id`",
        ),
        (
            "max = 1\nclaim = \"a b\"",
            "session-limit.claim: this is no name of a claim; choose a name of your own, e.g. `session_id`",
        ),
        ("max = 1\nmessage = \" \"", "session-limit.message: the text is empty; leave it out for the usual one"),
        (
            "max = 1\nwait-message = \"\"",
            "session-limit.wait-message: the text is empty; leave it out for the usual one",
        ),
        (
            "max = 1\nearly = true\npolicy = \"sign-out-others\"",
            "session-limit.early: nobody is refused early who could be signed out elsewhere instead; leave it out, or set \
             policy = \"deny\"",
        ),
        (
            "max = 1\nkeep = \"at-sign-in\"\nclaim = \"session\"",
            "session-limit.claim: a claim can be set only where tokens are made; attach the function to PreTokenGeneration \
             and set keep = \"with-tokens\"",
        ),
        (
            "max = 1\nkeep = \"at-sign-in\"\nmax-by-group = { gold = 2 }",
            "session-limit.max-by-group: groups are known only where tokens are made; attach the function to \
             PreTokenGeneration and set keep = \"with-tokens\"",
        ),
    ] {
        assert!(wrong(settings).starts_with(error), "{settings}\n{}", wrong(settings));
    }
    for settings in
        ["max = 100\nreservation-minutes = 60\nrefresh-token-days = 3650", "max = 1\nrefresh-token-minutes = 60"]
    {
        House::new(settings);
    }
}

#[test]
fn it_asks_for_what_it_needs_and_is_attached_where_it_has_something_to_do() {
    let bound = |settings: &str| {
        let configuration = Configuration::parse("triggers.toml", &format!("[session-limit]\n{settings}")).unwrap();
        let (base, _) = configuration.chains::<(SessionLimit,)>(&Environment::default()).unwrap();
        let needs: Vec<_> = base.needs().iter().map(|(need, _)| *need).collect();
        let mut triggers: Vec<_> = base.overview().into_iter().map(|(trigger, rules)| (trigger, rules.len())).collect();
        triggers.dedup();
        (needs, triggers)
    };
    let signing_in = [("PostAuthentication", 1), ("PostConfirmation", 1)];
    let with = |more: &[(&'static str, usize)]| [&signing_in[..], more].concat();
    assert_eq!(bound("max = 1"), (vec![Need::Ledger], with(&[("PreTokenGeneration", 1)])));
    assert_eq!(
        bound("max = 1\npolicy = \"sign-out-others\"\nclaim = \"session\""),
        (vec![Need::Ledger, Need::Directory], with(&[("PreTokenGeneration", 2)]))
    );
    assert_eq!(
        bound("max = 1\nkeep = \"at-sign-in\"\nearly = true"),
        (vec![Need::Ledger], with(&[("PreAuthentication", 1)]))
    );
}
