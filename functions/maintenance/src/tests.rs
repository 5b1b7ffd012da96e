//! Who is refused where, when and with which words; what that costs; and how soon the switch is obeyed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use cognito_triggers::config::Configuration;
use cognito_triggers::ledger::{
    Change, CommitId, Committed, DeliveryId, Downtime, LedgerAdmin, Member, MemberChange, MemoryLedger, Reading,
    Switches,
};
use cognito_triggers::{
    Calls, Clock, Dispatcher, Environment, Handled, Invocation, Ledger, Services, StoppedClock, TriggerSource, Wants,
    sample,
};
use cognito_triggers_moments::in_words;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;

const POOL: &str = "eu-central-1_Example01";
const ANNA: &str = "0a1b2c3d-0000-4000-8000-00000000a77a";
const CLIENT: &str = "1example23456789";
const USUAL: &str = "We are down for maintenance, please come back later";

/// A window around the time the clock starts at, 2026-01-01T12:00:00Z.
const OPEN_HOUR: &str = "from = '2026-01-01T12:00:00Z', until = '2026-01-01T13:00:00Z'";

/// A ledger that counts who reads it, and may be out of order.
#[derive(Default)]
struct Counting {
    inner: MemoryLedger,
    reads: AtomicU32,
    broken: AtomicBool,
}

#[async_trait]
impl Ledger for Counting {
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.broken.load(Ordering::Relaxed) {
            return Err(Fault::new("the table is gone"));
        }
        self.inner.read(wants).await
    }

    async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
        self.inner.commit(change).await
    }

    async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault> {
        self.inner.acknowledge(deliveries).await
    }
}

/// One function: everything but Lambda and AWS.
struct House {
    dispatcher: Dispatcher,
    clock: Arc<StoppedClock>,
    ledger: Arc<Counting>,
}

fn read(table: &str) -> Configuration {
    let text = format!("[services]\nledger = 'dynamodb:table'\n[maintenance]\n{table}");
    Configuration::parse("triggers.toml", &text).unwrap()
}

impl House {
    fn of(table: &str) -> Self {
        Self::beside(table, &Arc::default(), &Arc::default())
    }

    /// With the ledger and the clock of others.
    fn beside(table: &str, ledger: &Arc<Counting>, clock: &Arc<StoppedClock>) -> Self {
        let (base, pools) = read(table).chains::<(Maintenance,)>(&Environment::default()).unwrap();
        let (clock, ledger) = (Arc::clone(clock), Arc::clone(ledger));
        let services = Services {
            ledger: Arc::<Counting>::clone(&ledger),
            ..Services::in_memory(Arc::<StoppedClock>::clone(&clock))
        };
        Self { dispatcher: Dispatcher::new(base, pools, services), clock, ledger }
    }

    /// With a window that is on.
    fn closed(table: &str) -> Self {
        Self::of(&format!("{table}\nwindows = [{{ {OPEN_HOUR} }}]"))
    }

    fn handles(&self, event: &Value) -> Handled {
        let body = event.to_string();
        let deadline = self.clock.now() + SignedDuration::from_secs(4);
        self.dispatcher.handle(Invocation { body: body.as_bytes(), request_id: "1", deadline }).now_or_never().unwrap()
    }

    /// What somebody reads who is refused. Who is not gets back what was sent.
    fn says(&self, event: &Value) -> Option<String> {
        let handled = self.handles(event);
        assert_eq!(handled.report.fault, None);
        match handled.answer {
            Ok(answer) => {
                assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), *event);
                None
            }
            Err(refusal) => {
                assert_eq!((refusal.kind, handled.report.rule), ("Denied", Some("maintenance")));
                Some(refusal.message)
            }
        }
    }

    fn refuses(&self, event: &Value) -> bool {
        self.says(event).is_some()
    }

    fn calls(&self, event: &Value) -> Calls {
        self.handles(event).report.calls
    }

    fn reads(&self) -> u32 {
        self.ledger.reads.load(Ordering::Relaxed)
    }

    /// What an operator does.
    fn switch(&self, maintenance: &[(&str, Downtime)]) {
        let wants = Wants { pool: POOL.into(), ..Wants::default() };
        let before = self.ledger.inner.read(&wants).now_or_never().unwrap().unwrap().switches;
        let maintenance =
            maintenance.iter().map(|(client, downtime)| ((*client).to_owned(), downtime.clone())).collect();
        let switches = Switches { maintenance, ..before.clone() };
        assert!(self.ledger.inner.switch(POOL, before.version, &switches).now_or_never().unwrap().unwrap());
    }

    fn member(&self, sub: &str) -> Option<Member> {
        let wants = Wants { pool: POOL.into(), sub: Some(sub.into()), ..Wants::default() };
        self.ledger.inner.read(&wants).now_or_never().unwrap().unwrap().member
    }

    fn remember(&self, sub: &str, groups: &[&str]) {
        let id = CommitId::random().unwrap();
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let member = Member { groups, ..Member::default() }.sealed(0, id.clone(), self.clock.now());
        let change = Change {
            id,
            now: self.clock.now(),
            pool: POOL.into(),
            member: Some(MemberChange { sub: sub.into(), expected: 0, member: Some(member) }),
            names: BTreeMap::new(),
            invitations: BTreeMap::new(),
            deliveries: Vec::new(),
        };
        assert_eq!(self.ledger.inner.commit(&change).now_or_never().unwrap().unwrap(), Committed::Done);
    }
}

fn downtime(until: Option<&str>, messages: &[(&str, &str)]) -> Downtime {
    let messages = messages.iter().map(|(language, text)| ((*language).to_owned(), (*text).to_owned())).collect();
    let since = "2026-01-01T12:00:00Z".parse().unwrap();
    Downtime { until: until.map(|time| time.parse().unwrap()), messages, ..Downtime::since(since) }
}

fn on() -> Downtime {
    downtime(None, &[])
}

fn event(source: &TriggerSource) -> Value {
    event_in(source, None)
}

fn event_in(source: &TriggerSource, version: Option<&str>) -> Value {
    let Some(text) = sample(source, version) else {
        // The other sources of a version differ in nothing but their names.
        let mut event = event_in(&TriggerSource::TokenGenerationAuthentication, version);
        event["triggerSource"] = source.as_str().into();
        return event;
    };
    serde_json::from_str(text).unwrap()
}

fn signs_in() -> Value {
    event(&TriggerSource::PreAuthenticationAuthentication)
}

fn signed_in() -> Value {
    event(&TriggerSource::PostAuthenticationAuthentication)
}

fn by_client(mut event: Value, client: impl Into<Value>) -> Value {
    event["callerContext"]["clientId"] = client.into();
    event
}

fn named(mut event: Value, name: &str) -> Value {
    event["userName"] = name.into();
    event
}

fn with(mut event: Value, attribute: &str, value: impl Into<Value>) -> Value {
    event["request"]["userAttributes"][attribute] = value.into();
    event
}

fn in_groups(mut event: Value, groups: &[&str]) -> Value {
    event["request"]["groupConfiguration"]["groupsToOverride"] = groups.into();
    event
}

fn unknown() -> Value {
    let mut event = signs_in();
    event["request"] = json!({"userAttributes": {}, "validationData": null, "userNotFound": true});
    named(event, "nobody")
}

/// A time in words, as it stands in a sentence.
fn until(time: &str, zone: &str, language: &str) -> String {
    in_words(time.parse().unwrap(), &Zone::of(zone).unwrap(), language).split_whitespace().collect::<Vec<_>>().join(" ")
}

const TOKENS: [&str; 3] = ["1", "2", "3"];

use TriggerSource as Source;

/// Every source of a gate, and whether it is refused where nothing is said about it.
fn gates() -> Vec<(Value, bool)> {
    let mut all = vec![
        (event(&Source::PreSignUpSignUp), true),
        (event(&Source::PreSignUpExternalProvider), true),
        (event(&Source::PreSignUpAdminCreateUser), false),
        (signs_in(), true),
        (signed_in(), true),
        (event(&Source::UserMigrationAuthentication), true),
        (event(&Source::UserMigrationForgotPassword), false),
        (event(&Source::InboundFederationExternalProvider), true),
        (event_in(&Source::TokenGenerationClientCredentials, Some("3")), false),
    ];
    for version in TOKENS.map(Some) {
        all.extend([
            (event_in(&Source::TokenGenerationHostedAuth, version), true),
            (event_in(&Source::TokenGenerationNewPasswordChallenge, version), true),
            (event_in(&Source::TokenGenerationAuthenticateDevice, version), true),
            // "GetTokensFromRefreshToken -> TokenGeneration_Authentication (not _RefreshTokens)"
            (event_in(&Source::TokenGenerationAuthentication, version), false),
            (event_in(&Source::TokenGenerationRefreshTokens, version), false),
            (event_in(&Source::from("TokenGeneration_SomethingNew"), version), false),
        ]);
    }
    all
}

fn name(event: &Value) -> String {
    format!("{} in version {}", event["triggerSource"], event["version"])
}

#[test]
fn everybody_is_refused_at_every_gate_and_nobody_elsewhere() {
    let switched = House::of("");
    switched.switch(&[(Switches::EVERY_CLIENT, on())]);
    for house in [House::closed(""), switched] {
        for (event, refused) in gates() {
            assert_eq!(house.refuses(&event), refused, "{}", name(&event));
        }
        for source in TriggerSource::ALL {
            let gates = ["PreSignUp", "PreAuthentication", "PostAuthentication", "UserMigration", "InboundFederation"];
            if !gates.contains(&source.prefix()) && source.prefix() != "TokenGeneration" {
                assert_eq!(house.says(&event(source)), None, "{source}");
            }
        }
        assert!(house.refuses(&event(&Source::from("PreSignUp_SomethingNew"))));
    }
    for (event, _) in gates() {
        assert_eq!(House::of("").says(&event), None, "{}: it is not closed", name(&event));
    }
}

#[test]
fn whoever_has_nothing_to_do_with_signing_in_is_refused_by_choice() {
    let all = House::closed("refresh = true\nadmin-created = true\nforgotten-password = true");
    for (event, _) in gates() {
        assert!(all.refuses(&event), "{}", name(&event));
    }
    let only = |key: &str, source: &str| {
        let house = House::closed(&format!("{key} = true"));
        for (event, usually) in gates() {
            let chosen = name(&event).contains(source);
            assert_eq!(house.refuses(&event), usually || chosen, "{key}: {}", name(&event));
        }
    };
    only("refresh", "TokenGeneration");
    only("admin-created", "AdminCreateUser");
    only("forgotten-password", "ForgotPassword");
}

#[test]
fn who_is_unknown_is_refused_like_everybody_else() {
    // "With PreventUserExistenceErrors, triggers DO run for unknown users (userNotFound=true)"
    let house = House::closed("");
    let known = |event: Value| with(with(event, "locale", Value::Null), "zoneinfo", Value::Null);
    assert_eq!(house.says(&unknown()), house.says(&known(signs_in())));
    let groups = House::closed("exempt-groups = ['operators']");
    assert!(groups.refuses(&unknown()));
    // Nor does it take longer: each is one read, and nothing is written.
    for event in [unknown(), signs_in()] {
        assert_eq!(groups.calls(&event), Calls { reads: 1, ..Calls::default() });
    }
    assert_eq!(groups.member(ANNA), None);
}

#[test]
fn a_window_begins_with_its_first_moment_and_ends_before_its_last() {
    let house = House::of("windows = [{ from = '2026-01-01T13:00:00+01:00', until = '2026-01-01T15:00:00+02:00' }]");
    let millisecond = SignedDuration::from_millis(1);
    let steps = [
        (-millisecond, false),
        (millisecond, true),
        (SignedDuration::from_mins(60) - millisecond, true),
        (millisecond, false),
        (-millisecond, true),
    ];
    for (step, refused) in steps {
        house.clock.pass(step);
        assert_eq!(house.refuses(&signs_in()), refused, "{}", house.clock.now());
    }
}

#[test]
fn times_are_written_with_or_without_quotes() {
    for window in [
        "{ from = 2026-01-01T12:00:00Z, until = 2026-01-01T13:00:00Z }",
        "{ from = 2026-01-01 13:00:00+01:00, until = '2026-01-01T13:00:00Z' }",
    ] {
        let house = House::of(&format!("windows = [{window}]"));
        assert!(house.refuses(&signs_in()), "{window}");
        house.clock.pass(SignedDuration::from_hours(1));
        assert!(!house.refuses(&signs_in()), "{window}");
    }
}

#[test]
fn of_windows_that_overlap_the_last_to_end_speaks() {
    let house = House::of(
        "windows = [
            { from = '2026-01-01T11:00:00Z', until = '2026-01-01T14:00:00Z', message = 'Back at two' },
            { from = '2026-01-01T12:30:00Z', until = '2026-01-01T13:00:00Z', message = 'Back at one' },
            { from = '2026-01-01T13:00:00Z', until = '2026-01-01T15:00:00Z', message = 'Back at three' },
            { from = '2020-01-01T13:00:00Z', until = '2020-01-01T15:00:00Z', message = 'Long ago' }]",
    );
    let mut heard = Vec::new();
    for _ in 0..7 {
        heard.push(house.says(&signs_in()).unwrap_or_default());
        house.clock.pass(SignedDuration::from_mins(30));
    }
    let (two, three) = ("Back at two", "Back at three");
    assert_eq!(heard, [two, two, three, three, three, three, ""]);
}

#[test]
fn one_application_is_taken_out_and_the_others_stay() {
    let client = format!("clients = ['{CLIENT}'], message = 'The shop is closed'");
    let window = House::of(&format!("windows = [{{ {OPEN_HOUR}, {client} }}]"));
    let switch = House::of("");
    switch.switch(&[(CLIENT, downtime(None, &[("", "The shop is closed")]))]);
    for house in [window, switch] {
        assert_eq!(house.says(&signs_in()).unwrap(), "The shop is closed");
        assert_eq!(house.says(&event(&Source::InboundFederationExternalProvider)).unwrap(), "The shop is closed");
        assert!(!house.refuses(&by_client(signs_in(), "2example34567890")));
        // "callerContext.clientId null on AdminConfirmSignUp/console confirm"
        for nobody in [Value::Null, "".into(), "*".into()] {
            assert!(!house.refuses(&by_client(signs_in(), nobody)));
        }
    }
    // "literal CLIENT_ID_NOT_APPLICABLE for AdminCreateUser"
    let created = event(&Source::PreSignUpAdminCreateUser);
    let house = House::of(&format!("admin-created = true\nwindows = [{{ {OPEN_HOUR}, clients = ['{CLIENT}'] }}]"));
    assert!(!house.refuses(&created));
    house.switch(&[(Switches::EVERY_CLIENT, on())]);
    house.clock.pass(SignedDuration::from_secs(5));
    assert!(house.refuses(&created));
}

#[test]
fn everybody_is_out_who_names_no_client_when_the_whole_pool_is() {
    for house in [House::closed(""), House::of("")] {
        house.switch(&[(Switches::EVERY_CLIENT, on())]);
        assert!(house.refuses(&by_client(signs_in(), Value::Null)));
        assert!(house.refuses(&by_client(signs_in(), "another")));
    }
}

#[test]
fn of_two_switches_the_last_to_end_speaks() {
    let house = House::of("");
    let early = downtime(Some("2026-01-01T13:00:00Z"), &[("", "Back at one")]);
    let late = downtime(Some("2026-01-01T14:00:00Z"), &[("", "Back at two")]);
    let open = downtime(None, &[("", "Back some day")]);
    for (all, one, heard) in [
        (&early, &late, "Back at two"),
        (&late, &early, "Back at two"),
        (&late, &open, "Back some day"),
        (&open, &late, "Back some day"),
    ] {
        house.switch(&[(Switches::EVERY_CLIENT, all.clone()), (CLIENT, one.clone())]);
        house.clock.pass(SignedDuration::from_secs(5));
        assert_eq!(house.says(&signs_in()).unwrap(), heard);
    }
}

#[test]
fn a_switch_ends_by_itself_and_does_not_wait_for_the_clock_of_who_turned_it() {
    let house = House::of("");
    let ahead =
        Downtime { since: "2026-01-01T12:10:00Z".parse().unwrap(), ..downtime(Some("2026-01-01T13:00:00Z"), &[]) };
    house.switch(&[(Switches::EVERY_CLIENT, ahead)]);
    assert!(house.refuses(&signs_in()), "the operator's clock is ten minutes ahead");
    house.clock.pass(SignedDuration::from_hours(1) - SignedDuration::from_millis(1));
    assert!(house.refuses(&signs_in()));
    house.clock.pass(SignedDuration::from_millis(1));
    assert!(!house.refuses(&signs_in()));
}

#[test]
fn the_switch_is_obeyed_by_every_function_within_ten_seconds() {
    let (ledger, clock) = (Arc::default(), Arc::default());
    let functions = [House::beside("", &ledger, &clock), House::beside("", &ledger, &clock)];
    let events = [signs_in(), signed_in(), event(&Source::PreSignUpSignUp)];
    // Events come all the time, so that each function has seen that it is off just before.
    let after = |state: &str, refused: bool| {
        let since = clock.now();
        // Each is asked each time, so that each has looked as late as it could.
        let obey = || {
            let asked = functions.iter().flat_map(|house| events.iter().map(|event| house.refuses(event) == refused));
            asked.filter(|obeys| !obeys).count() == 0
        };
        while !obey() {
            clock.pass(SignedDuration::from_millis(250));
            let seconds = clock.now().duration_since(since).as_secs();
            assert!(seconds < 10, "after ten seconds it is not {state} everywhere");
        }
    };
    for round in 0..3 {
        functions[0].switch(&[(Switches::EVERY_CLIENT, on())]);
        after("on", true);
        clock.pass(SignedDuration::from_millis(700 * round));
        functions[1].switch(&[]);
        after("off", false);
    }
}

#[test]
fn a_trial_of_the_rule_obeys_at_once() {
    let settings: Maintenance = toml::from_str("message = 'Closed[ until {until}]'").unwrap();
    let trial = Trial::of(settings);
    let ledger = Arc::new(MemoryLedger::default());
    let trial = trial.with(|services| Services { ledger: Arc::<MemoryLedger>::clone(&ledger), ..services });
    assert_eq!(trial.sees(Event::<PostAuthentication>::sample()), Verdict::Continue);
    let switches = Switches { maintenance: [("*".to_owned(), on())].into(), ..Switches::default() };
    assert!(ledger.switch(POOL, 0, &switches).now_or_never().unwrap().unwrap());
    assert_eq!(trial.sees(Event::<PostAuthentication>::sample()), denied("Closed"));
    assert_eq!(
        trial.sees(Event::<PreTokenGenerationV2>::sample_of(&Source::TokenGenerationHostedAuth)),
        denied("Closed")
    );
    let seen = trial.handles(&Event::<PreAuthentication>::sample());
    assert_eq!(seen.calls, Calls { reads: 1, ..Calls::default() });
}

#[test]
fn the_ledger_is_asked_once_in_five_seconds() {
    let house = House::of("");
    for _ in 0..20 {
        house.says(&signs_in());
        house.clock.pass(SignedDuration::from_millis(250));
    }
    assert_eq!(house.reads(), 1);
    house.says(&signs_in());
    assert_eq!(house.reads(), 2);
    for millis in [-1, -3_600_000] {
        house.clock.pass(SignedDuration::from_millis(millis));
        house.says(&signs_in());
    }
    assert_eq!(house.reads(), 4, "what was seen later than now is not taken for new");
}

#[test]
fn what_needs_no_ledger_asks_for_none() {
    let cases = [
        (House::closed(""), signs_in()),
        (House::closed("switch = false"), signs_in()),
        (
            House::of("switch = false\nwindows = [{ from = '2030-01-01T00:00:00Z', until = '2031-01-01T00:00:00Z' }]"),
            signs_in(),
        ),
        (House::of(""), event(&Source::TokenGenerationRefreshTokens)),
        (House::of(""), event(&Source::TokenGenerationClientCredentials)),
        (House::of(""), event(&Source::PreSignUpAdminCreateUser)),
        (House::of(&format!("exempt-clients = ['{CLIENT}']")), signs_in()),
        (House::of("exempt-users = ['anna']"), signs_in()),
        (House::closed("exempt-groups = ['operators']"), event(&Source::PreSignUpSignUp)),
        (House::of("exempt-groups = ['operators']"), event(&Source::InboundFederationExternalProvider)),
    ];
    for (house, event) in cases {
        house.ledger.broken.store(true, Ordering::Relaxed);
        assert_eq!(house.calls(&event), Calls::default(), "{}", name(&event));
        house.says(&event);
    }
}

#[test]
fn whether_it_is_closed_and_who_is_exempt_is_one_read() {
    let house = House::of("exempt-groups = ['operators']");
    house.switch(&[(Switches::EVERY_CLIENT, on())]);
    house.remember(ANNA, &["operators"]);
    let one = Calls { reads: 1, ..Calls::default() };
    assert_eq!(house.calls(&signs_in()), one, "the switch and the member");
    assert_eq!(house.calls(&signs_in()), one, "the switch was seen; the member is read");
    assert_eq!(house.calls(&signed_in()), one);
    house.switch(&[]);
    house.clock.pass(SignedDuration::from_secs(5));
    assert_eq!(house.calls(&signs_in()), one);
    assert_eq!(house.calls(&signs_in()), Calls::default(), "it is open: nobody's groups matter");
}

#[test]
fn a_ledger_out_of_order_is_a_fault_that_an_operator_may_pass_over() {
    let refused = |table: &str, event: &Value| {
        let house = House::of(table);
        house.ledger.broken.store(true, Ordering::Relaxed);
        let handled = house.handles(event);
        handled.answer.is_err_and(|refusal| refusal.kind == "Fault" && !refusal.message.contains("table"))
    };
    assert!(refused("", &signs_in()));
    assert!(!refused("on-fault = 'continue'", &signs_in()));
    assert!(!refused("", &event(&Source::TokenGenerationRefreshTokens)), "nobody loses a session");
    assert!(!refused("exempt-groups = ['operators']", &event(&Source::TokenGenerationRefreshTokens)));
}

#[test]
fn operators_get_in_by_their_group_as_of_the_last_token() {
    let house = House::closed("exempt-groups = ['operators', 'testers']");
    let tokens = |source: &Source, version, groups: &[&str]| in_groups(event_in(source, version), groups);
    assert!(house.refuses(&signs_in()) && house.refuses(&signed_in()));

    // A token tells the groups, and they are noted for the gates that are not told.
    let token = tokens(&Source::TokenGenerationRefreshTokens, Some("2"), &["editors", "operators"]);
    assert_eq!(house.calls(&token), Calls { reads: 1, writes: 1, acknowledgements: 0 });
    assert_eq!(house.member(ANNA).unwrap().groups, ["editors", "operators"]);
    assert!(!house.refuses(&signs_in()) && !house.refuses(&signed_in()));

    // Told again, in whatever order, they are not written again.
    let version = house.member(ANNA).unwrap().version;
    for groups in [["editors", "operators"], ["operators", "editors"]] {
        let token = tokens(&Source::TokenGenerationAuthentication, Some("1"), &groups);
        assert_eq!(house.calls(&token), Calls { reads: 1, ..Calls::default() });
    }
    assert_eq!(house.member(ANNA).unwrap().version, version);

    // Where the event tells, the event decides. A token that is refused notes nothing.
    for token_version in TOKENS.map(Some) {
        let hosted = |groups: &[&str]| tokens(&Source::TokenGenerationHostedAuth, token_version, groups);
        assert!(!house.refuses(&hosted(&["testers"])));
        let before = house.member(ANNA);
        assert!(house.refuses(&hosted(&["editors"])) && house.refuses(&hosted(&[])));
        assert_eq!(house.member(ANNA), before);
    }

    house.says(&tokens(&Source::TokenGenerationRefreshTokens, Some("3"), &[]));
    assert_eq!(house.member(ANNA).unwrap().groups, [""; 0]);
    assert!(house.refuses(&signs_in()) && house.refuses(&signed_in()));
}

#[test]
fn groups_are_noted_only_where_groups_are_exempt() {
    let token = in_groups(event(&Source::TokenGenerationRefreshTokens), &["operators"]);
    let house = House::of("exempt-users = ['anna']");
    assert_eq!(house.calls(&token), Calls::default());
    assert_eq!(house.member(ANNA), None);
    let machine = event(&Source::TokenGenerationClientCredentials);
    assert_eq!(House::of("exempt-groups = ['operators']").calls(&machine), Calls::default());
}

#[test]
fn who_comes_from_another_provider_is_judged_once_the_groups_are_known() {
    // "Later: InboundFederation -> PreAuthentication -> PostAuthentication -> TokenGeneration_HostedAuth"
    let federation = event(&Source::InboundFederationExternalProvider);
    let house = House::closed("exempt-groups = ['operators']");
    assert!(!house.refuses(&federation));
    assert!(house.refuses(&event(&Source::PreSignUpExternalProvider)), "a first sign-in");
    assert!(house.refuses(&signs_in()));
    assert!(house.refuses(&event(&Source::TokenGenerationHostedAuth)));
    // There the user's name is known already.
    let house = House::closed("exempt-users = ['Google_100000000000000000001']");
    for event in [federation, event(&Source::PreSignUpExternalProvider), event(&Source::TokenGenerationHostedAuth)] {
        assert!(!house.refuses(&event), "{}", name(&event));
    }
}

#[test]
fn clients_and_users_may_be_exempt() {
    let house = House::closed(&format!("exempt-clients = ['{CLIENT}']\nexempt-users = ['root', 'anna']"));
    for (event, _) in gates() {
        assert!(!house.refuses(&by_client(event, CLIENT)));
    }
    let elsewhere = |event: Value| by_client(event, "2example34567890");
    assert!(!house.refuses(&elsewhere(signs_in())) && !house.refuses(&elsewhere(signed_in())));
    for other in ["Anna", "anna ", "bela", "", ANNA] {
        assert!(house.refuses(&elsewhere(named(signs_in(), other))), "{other:?}");
    }
    assert!(!house.refuses(&elsewhere(named(event(&Source::UserMigrationAuthentication), "root"))));
}

#[test]
fn nobody_signs_up_as_somebody_exempt() {
    let house = House::closed("exempt-users = ['anna']\nadmin-created = true");
    assert!(house.refuses(&event(&Source::PreSignUpSignUp)), "whoever takes the name gets in");
    assert!(!house.refuses(&event(&Source::PreSignUpAdminCreateUser)));
}

#[test]
fn the_end_is_named_in_the_language_and_the_zone_of_the_user() {
    let house = House::closed(
        "message = 'Closed until {until}'\nmessages = { de = 'Geschlossen bis {until}', pt-BR = 'Fechado: {until}' }
         zone = 'America/New_York'\nswitch = false",
    );
    let end = "2026-01-01T13:00:00Z";
    let hears =
        |locale: Value, zone: Value| house.says(&with(with(signs_in(), "locale", locale), "zoneinfo", zone)).unwrap();
    for (locale, zone, heard) in [
        ("de-AT", "Europe/Vienna", format!("Geschlossen bis {}", until(end, "Europe/Vienna", "de-AT"))),
        ("de_AT.UTF-8", "Asia/Kolkata", format!("Geschlossen bis {}", until(end, "Asia/Kolkata", "de-AT"))),
        ("DE", "Europe/Vienna", format!("Geschlossen bis {}", until(end, "Europe/Vienna", "DE"))),
        ("en-GB", "Europe/London", format!("Closed until {}", until(end, "Europe/London", "en-GB"))),
        ("pt_BR", "America/Sao_Paulo", format!("Fechado: {}", until(end, "America/Sao_Paulo", "pt-BR"))),
        // No text in the language: the time is in that of the text.
        ("pt-PT", "Europe/Lisbon", format!("Closed until {}", until(end, "Europe/Lisbon", "en"))),
        ("fr", "Europe/Paris", format!("Closed until {}", until(end, "Europe/Paris", "en"))),
        ("", "", format!("Closed until {}", until(end, "America/New_York", "en"))),
        ("<script>", "Mars/Olympus", format!("Closed until {}", until(end, "America/New_York", "en"))),
        ("de", "../../etc/passwd", format!("Geschlossen bis {}", until(end, "America/New_York", "de"))),
    ] {
        assert_eq!(hears(locale.into(), zone.into()), heard.trim_end_matches('.'), "{locale} {zone}");
    }
    let nothing = hears(Value::Null, Value::Null);
    assert_eq!(nothing, format!("Closed until {}", until(end, "America/New_York", "en")).trim_end_matches('.'));
    // "UserMigration: userAttributes null"; InboundFederation has none at all.
    for source in [Source::UserMigrationAuthentication, Source::InboundFederationExternalProvider] {
        assert_eq!(house.says(&event(&source)).unwrap(), nothing);
    }
    // Three zones are three times.
    let zones = ["Europe/Vienna", "Asia/Kolkata", "America/New_York"].map(|zone| until(end, zone, "en"));
    assert!(zones[1].contains(":30") && zones[0] != zones[1] && zones[0] != zones[2], "{zones:?}");
}

#[test]
fn where_the_table_names_no_zone_and_the_user_neither_it_is_utc() {
    let house = House::closed("message = 'Closed until {until}'\nswitch = false");
    let heard = house.says(&event(&Source::UserMigrationAuthentication)).unwrap();
    assert_eq!(heard, format!("Closed until {}", until("2026-01-01T13:00:00Z", "UTC", "en")).trim_end_matches('.'));
}

#[test]
fn users_without_a_language_have_that_of_the_table() {
    let house =
        House::closed("locale = 'de-CH'\nmessage = 'Zu bis {until}'\nmessages = { en = 'Closed' }\nswitch = false");
    let end = until("2026-01-01T13:00:00Z", "UTC", "de-CH");
    assert_eq!(
        house.says(&event(&Source::UserMigrationAuthentication)).unwrap(),
        format!("Zu bis {end}").trim_end_matches('.')
    );
    assert_eq!(house.says(&with(signs_in(), "locale", "en-US")).unwrap(), "Closed");
    // The text that is built in is English, whatever the table's language is.
    let house = House::closed("locale = 'de'");
    let (heard, end) = (house.says(&unknown()).unwrap(), until("2026-01-01T13:00:00Z", "UTC", "en"));
    assert_eq!(heard, format!("We are down for maintenance until {end}, please come back later"));
}

#[test]
fn the_more_particular_text_goes_before() {
    let house = House::of(&format!(
        "message = 'Closed'\nmessages = {{ de = 'Geschlossen', fr = 'Ferm\u{e9}' }}
         windows = [{{ {OPEN_HOUR}, message = 'Back at two', messages = {{ de = 'Um zwei zur\u{fc}ck' }} }}]"
    ));
    let hears = |house: &House, locale: &str| house.says(&with(signs_in(), "locale", locale)).unwrap();
    let all = |house: &House| ["de-DE", "fr", "en", "xx"].map(|locale| hears(house, locale));
    assert_eq!(all(&house), ["Um zwei zur\u{fc}ck", "Back at two", "Back at two", "Back at two"]);

    house.clock.pass(SignedDuration::from_hours(1));
    house.switch(&[(Switches::EVERY_CLIENT, on())]);
    assert_eq!(all(&house), ["Geschlossen", "Ferm\u{e9}", "Closed", "Closed"]);
    house.switch(&[(Switches::EVERY_CLIENT, downtime(None, &[("de", "Kaputt"), ("en_GB", "Out of order")]))]);
    house.clock.pass(SignedDuration::from_secs(5));
    assert_eq!(all(&house), ["Kaputt", "Ferm\u{e9}", "Closed", "Closed"]);
    assert_eq!(hears(&house, "en-GB"), "Out of order");
    house.switch(&[(Switches::EVERY_CLIENT, downtime(None, &[("de", "Kaputt"), ("", "Broken")]))]);
    house.clock.pass(SignedDuration::from_secs(5));
    assert_eq!(all(&house), ["Kaputt", "Broken", "Broken", "Broken"]);
}

#[test]
fn a_text_in_the_ledger_that_is_none_is_passed_over() {
    let house = House::of("message = 'Closed[ until {until}]'");
    let end = until("2026-01-01T14:00:00Z", "Europe/Berlin", "en");
    for (ends, text, heard) in [
        (None, "Back at {until}", "Closed".to_owned()),
        (None, "Back[ at {until}]", "Back".to_owned()),
        (None, "Back at {untill}", "Closed".to_owned()),
        (None, "", "Closed".to_owned()),
        (None, "Back\nsoon", "Closed".to_owned()),
        (Some("2026-01-01T14:00:00Z"), "Back at {until}", format!("Back at {end}")),
        (Some("2026-01-01T14:00:00Z"), "{{until}}", format!("Closed until {end}")),
    ] {
        house.switch(&[(Switches::EVERY_CLIENT, downtime(ends, &[("", text)]))]);
        house.clock.pass(SignedDuration::from_secs(5));
        let anybody = with(signs_in(), "locale", "en");
        assert_eq!(house.says(&anybody).unwrap(), heard.trim_end_matches('.'), "{text}");
    }
}

#[test]
fn the_usual_text_names_an_end_only_where_there_is_one() {
    let house = House::of("");
    house.switch(&[(Switches::EVERY_CLIENT, on())]);
    assert_eq!(house.says(&unknown()).unwrap(), USUAL);
    let house = House::closed("");
    let end = until("2026-01-01T13:00:00Z", "UTC", "en");
    assert_eq!(
        house.says(&unknown()).unwrap(),
        format!("We are down for maintenance until {end}, please come back later")
    );
}

#[test]
fn summer_time_begins_and_ends_within_a_window() {
    let house = |from: &str, to: &str| {
        let window = format!("from = '{from}', until = '{to}', message = 'Back at {{until}}'");
        let house = House::of(&format!("zone = 'Europe/Vienna'\nwindows = [{{ {window} }}]"));
        house.clock.pass(from.parse::<Timestamp>().unwrap().duration_since(house.clock.now()));
        house
    };
    // 2026-03-29: clocks go from 02:00 to 03:00. Two hours by the clock are one.
    let spring = house("2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00");
    let heard = spring.says(&unknown()).unwrap();
    assert_eq!(heard, format!("Back at {}", until("2026-03-29T01:30:00Z", "Europe/Vienna", "en")));
    assert!(heard.contains("3:30"), "{heard}");
    spring.clock.pass(SignedDuration::from_mins(59));
    assert!(spring.refuses(&unknown()));
    spring.clock.pass(SignedDuration::from_mins(1));
    assert!(!spring.refuses(&unknown()));

    // 2026-10-25: 02:30 comes twice, and the zone's abbreviation tells the two apart.
    let summer = house("2026-10-25T00:00:00Z", "2026-10-25T02:30:00+02:00").says(&unknown()).unwrap();
    let winter = house("2026-10-25T00:00:00Z", "2026-10-25T02:30:00+01:00").says(&unknown()).unwrap();
    assert!(summer.contains("2:30") && winter.contains("2:30") && summer != winter, "{summer} {winter}");
}

#[test]
fn a_denial_writes_nothing() {
    let house = House::closed("exempt-groups = ['operators']");
    for (event, refused) in gates() {
        if refused {
            assert_eq!(house.calls(&event).writes, 0, "{}", name(&event));
        }
    }
    assert_eq!(house.member(ANNA), None);
}

#[test]
fn a_pool_has_its_own_windows() {
    let text = "[services]\nledger = 'dynamodb:table'\n[maintenance]\n[pools.eu-central-1_Example01.maintenance]\nwindows = \
                [{ from = 2026-01-01T12:00:00Z, until = 2026-01-01T13:00:00Z }]";
    let configuration = Configuration::parse("triggers.toml", text).unwrap();
    let (base, pools) = configuration.chains::<(Maintenance,)>(&Environment::default()).unwrap();
    let clock = Arc::<StoppedClock>::default();
    let dispatcher = Dispatcher::new(base, pools, Services::in_memory(Arc::<StoppedClock>::clone(&clock)));
    let house = House { dispatcher, clock, ledger: Arc::default() };
    let mut elsewhere = signs_in();
    elsewhere["userPoolId"] = "eu-central-1_Globex".into();
    assert!(house.refuses(&signs_in()) && !house.refuses(&elsewhere));
}

fn complaint(table: &str) -> String {
    let checked = read(table).check::<(Maintenance,)>(Some(&Environment::default()));
    checked.map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn what_makes_no_sense_is_refused_with_a_remedy() {
    let line = |table: &str, line: usize| {
        let said = complaint(table);
        let place = format!("triggers.toml:{line}: maintenance");
        said.strip_prefix(&place).unwrap_or_else(|| panic!("{table}: {said}")).to_owned()
    };
    let window = |fields: &str| {
        format!("windows = [\n{{ from = 2026-01-01T12:00:00Z, until = 2026-01-01T13:00:00Z }},\n{{ {fields} }}]")
    };
    for (table, at, said) in [
        (
            "switch = false".to_owned(),
            3,
            ": without the switch and without windows it never closes; name windows, or set switch = true",
        ),
        (
            window("from = 2026-01-01T12:00:00, until = 2026-01-01T13:00:00Z"),
            6,
            ".windows[1].from: the time has no offset from UTC, so it is another one elsewhere; write e.g. \
             2026-12-24T22:00:00+01:00",
        ),
        (
            window("from = '2026-01-01T12:00:00Z', until = '2026-01-01'"),
            6,
            ".windows[1].until: the time has no offset from UTC",
        ),
        (
            window("from = 'noon', until = '2026-01-01T13:00:00Z'"),
            6,
            ".windows[1].from: expected a time with its offset; write e.g. ",
        ),
        (window("from = 7, until = 8"), 6, ".windows[1].from: expected a time with its offset such as "),
        (window("from = 2026-01-01T12:00:00Z"), 6, ".windows[1]: the key `until` is missing; "),
        (
            window("from = 2026-01-01T12:00:00Z, until = 2026-01-01T13:00:00+01:00"),
            6,
            ".windows[1].until: the window ends before it begins; write a time that is later than `from`",
        ),
        (
            window("from = 2026-01-01T12:00:00Z, until = 2026-01-01T13:00:00Z, clients = []"),
            6,
            ".windows[1].clients: an empty list closes nothing; ",
        ),
        (
            window("from = 2026-01-01T12:00:00Z, until = 2026-01-01T13:00:00Z, clients = ['the shop']"),
            6,
            ".windows[1].clients: `the shop` is not the id of an app client; write the id, e.g. `1example23456789`, not the name",
        ),
        (
            window("from = 2026-01-01T12:00:00Z, until = 2026-01-01T13:00:00Z, message = 'Back at {untill}'"),
            6,
            ".windows[1].message: there is no such placeholder: in braces there can only be `{until}`, for the end",
        ),
        ("message = 'Back at {end}'".to_owned(), 4, ".message: there is no such placeholder"),
        ("messages = { de = 'Bis {bis}' }".to_owned(), 4, ".messages.de: there is no such placeholder"),
        ("messages = { German = 'Bis bald' }".to_owned(), 4, ".messages"),
        (
            "message = 'Back at {until}'".to_owned(),
            4,
            ".message: the text names an end, and the switch may be on without one; put what names it in square brackets, \
             e.g. `We are closed[ until {until}]`",
        ),
        ("messages = { de-AT = 'Bis {until}' }".to_owned(), 4, ".messages.de-AT: the text names an end"),
        ("zone = 'Europe/Atlantis'".to_owned(), 4, ".zone: there is no such time zone; "),
        ("locale = 'German'".to_owned(), 4, ".locale: "),
        ("exempt-groups = ['']".to_owned(), 4, ".exempt-groups: a name is empty; remove it"),
        ("exempt-users = [' ']".to_owned(), 4, ".exempt-users: a name is empty; remove it"),
        ("exempt-clients = ['*']".to_owned(), 4, ".exempt-clients: `*` is not the id of an app client"),
        ("window = []".to_owned(), 4, ".window: there is no such key; did you mean `windows`?"),
    ] {
        let found = line(&table, at);
        assert!(found.starts_with(said), "{table}\n{found}");
    }
    for fine in [
        String::new(),
        window("from = 2020-01-01T12:00:00Z, until = 2020-01-01T13:00:00Z"),
        window("from = 2026-01-01T12:00:00Z, until = 2026-01-01T13:00:00Z, message = 'Back at {until}'"),
        format!(
            "message = 'Back at {{until}}'\nswitch = false\n{}",
            window("from = 2026-01-01T12:30:00Z, until = 2026-01-01T13:00:00Z")
        ),
    ] {
        assert_eq!(complaint(&fine), "", "{fine}");
    }
}

#[test]
fn it_needs_a_ledger_only_for_the_switch_and_for_groups() {
    let needs = |table: &str| {
        let text = format!("[maintenance]\nwindows = [{{ {OPEN_HOUR} }}]\n{table}");
        let configuration = Configuration::parse("triggers.toml", &text).unwrap();
        let checked = configuration.check::<(Maintenance,)>(Some(&Environment::default()));
        checked.is_err_and(|errors| errors.to_string().contains("needs a ledger"))
    };
    assert!(needs(""));
    assert!(needs("switch = false\nexempt-groups = ['operators']"));
    assert!(!needs("switch = false\nexempt-users = ['anna']"));
}

#[test]
fn nothing_of_the_user_is_in_what_is_read_by_a_stranger() {
    let house = House::closed("exempt-groups = ['operators']\nexempt-users = ['root']");
    for (event, _) in gates() {
        let said = house.says(&event).unwrap_or_default();
        for secret in ["anna", "Anna", "operators", "root", CLIENT, POOL, "example.com"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
