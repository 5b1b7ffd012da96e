//! What is counted, how often, and what is not.

use std::sync::Arc;

use cognito_triggers::config::{Configuration, schema};
use cognito_triggers::ledger::{Ledger, LedgerAdmin, Member, MemoryLedger};
use cognito_triggers::report::Outcome;
use cognito_triggers::{
    Calls, Clock, Dispatcher, Environment, Handled, Invocation, Seen, Services, StoppedClock, TriggerSource, Wants,
};
use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;

const POOL: &str = "eu-central-1_Example01";
const SUB: &str = "0a1b2c3d-0000-4000-8000-00000000a77a";

fn trial(settings: &str) -> Trial<SignInCount> {
    Trial::of(toml::from_str(settings).unwrap())
}

fn sign_in() -> Event<PostAuthentication> {
    Event::sample()
}

fn sign_in_at(client: &str) -> Event<PostAuthentication> {
    sign_in().with_value(&["callerContext", "clientId"], client)
}

fn confirmed() -> Event<PostConfirmation> {
    Event::sample()
}

fn now<F: Future>(future: F) -> F::Output {
    future.now_or_never().expect("it waits")
}

fn member_of(ledger: &dyn Ledger) -> Option<Member> {
    let wants = Wants { pool: POOL.into(), sub: Some(SUB.into()), ..Wants::default() };
    now(ledger.read(&wants)).unwrap().member
}

fn sign_ins(trial: &Trial<SignInCount>) -> SignIns {
    member_of(trial.services().ledger.as_ref()).map(|member| member.sign_ins).unwrap_or_default()
}

fn counted<T: Trigger>(seen: &Seen<T>) -> Vec<(&'static str, u64)> {
    seen.counts.iter().collect()
}

fn time(trial: &Trial<SignInCount>) -> Timestamp {
    trial.services().clock.now()
}

#[test]
fn a_sign_in_is_counted_with_its_time_and_its_client() {
    let trial = trial("");
    let first = time(&trial);
    let seen = trial.handles(&sign_in());
    assert_eq!(seen.verdict.as_ref().unwrap(), &Verdict::Continue);
    assert_eq!(counted(&seen), [("FirstSignIns", 1), ("SignIns", 1)]);
    trial.pass(SignedDuration::from_hours(1));
    let last = time(&trial);
    assert_eq!(counted(&trial.handles(&sign_in_at("other"))), [("SignIns", 1)]);
    let SignIns { count, clients, .. } = sign_ins(&trial);
    assert_eq!((count, sign_ins(&trial).first, sign_ins(&trial).last), (2, Some(first), Some(last)));
    let once = |at| ClientSignIns { count: 1, first: Some(at), last: Some(at) };
    assert_eq!(clients, [("1example23456789".into(), once(first)), ("other".into(), once(last))].into());
    assert_eq!(member_of(trial.services().ledger.as_ref()).unwrap().last_sign_in, Some(last));
}

#[test]
fn counting_costs_one_read_and_one_write() {
    let trial = trial("");
    for _ in 0..2 {
        let seen = trial.handles(&sign_in());
        assert_eq!(seen.calls, Calls { reads: 1, writes: 1, acknowledgements: 0 });
        assert_eq!(seen.deliveries, []);
    }
    assert_eq!(trial.handles(&confirmed()).calls, Calls::default(), "a confirmation asks nothing");
}

/// "Not fired on first federated sign-in" (Cognito developer guide, "Post authentication Lambda trigger"): PostConfirmation is.
#[test]
fn the_first_sign_in_through_another_provider_is_counted_at_the_confirmation() {
    let trial = trial("");
    let federated = || confirmed().with("cognito:user_status", "EXTERNAL_PROVIDER");
    assert_eq!(counted(&trial.handles(&federated())), [("FirstSignIns", 1), ("SignIns", 1)]);
    assert_eq!(sign_ins(&trial).count, 1);
    let later = sign_in().with("cognito:user_status", "EXTERNAL_PROVIDER");
    assert_eq!(counted(&trial.handles(&later)), [("SignIns", 1)]);
    let forgot = federated().with_value(&["triggerSource"], "PostConfirmation_ConfirmForgotPassword");
    assert_eq!(counted(&trial.handles(&forgot)), []);
    assert_eq!(sign_ins(&trial).count, 2);
}

#[test]
fn who_is_confirmed_has_yet_to_sign_in() {
    let trial = trial("");
    for source in [TriggerSource::PostConfirmationConfirmSignUp, TriggerSource::PostConfirmationConfirmForgotPassword] {
        assert_eq!(counted(&trial.handles(&Event::<PostConfirmation>::sample_of(&source))), []);
    }
    assert_eq!(member_of(trial.services().ledger.as_ref()), None);
    assert_eq!(counted(&trial.handles(&sign_in())), [("FirstSignIns", 1), ("SignIns", 1)]);
}

#[test]
fn who_has_no_sub_is_nobody() {
    let trial = trial("");
    for sub in [serde_json::Value::Null, "".into()] {
        let seen = trial.handles(&sign_in().with("sub", sub));
        assert_eq!((counted(&seen), seen.calls), (vec![], Calls::default()));
    }
}

#[test]
fn a_client_that_is_not_named_is_counted_as_such() {
    let trial = trial("");
    trial.handles(&sign_in().with_value(&["callerContext", "clientId"], serde_json::Value::Null));
    assert_eq!(sign_ins(&trial).clients[""].count, 1);
}

#[test]
fn a_user_who_is_created_anew_under_an_old_name_begins_at_one() {
    let trial = trial("");
    trial.handles(&sign_in());
    let anew = sign_in().with("sub", "another");
    assert_eq!(counted(&trial.handles(&anew)), [("FirstSignIns", 1), ("SignIns", 1)]);
    assert_eq!(sign_ins(&trial).count, 1);
}

/// Cognito "may retry" (Cognito developer guide, "Customizing user pool workflows with Lambda triggers"), and its events bear no
/// id.
#[test]
fn a_repeated_call_counts_as_another_sign_in_unless_a_span_takes_them_for_one() {
    let every = trial("");
    assert_eq!([(); 3].map(|()| counted(&every.handles(&sign_in())).len()), [2, 1, 1]);
    assert_eq!(sign_ins(&every).count, 3);

    let once = trial("once-per-seconds = 30");
    assert_eq!([(); 3].map(|()| counted(&once.handles(&sign_in())).len()), [2, 0, 0]);
    let first = time(&once);
    once.pass(SignedDuration::from_secs(29));
    once.handles(&sign_in());
    assert_eq!((sign_ins(&once).count, sign_ins(&once).last), (1, Some(first)));
    // From the one that was counted on: however often a user comes, it is counted again after the span.
    once.pass(SignedDuration::from_secs(1));
    once.handles(&sign_in());
    assert_eq!(sign_ins(&once).count, 2);
}

#[test]
fn sign_ins_at_two_clients_are_two_however_close() {
    let trial = trial("once-per-seconds = 30");
    for client in ["web", "app", "web", "app"] {
        trial.handles(&sign_in_at(client));
    }
    assert_eq!(sign_ins(&trial).count, 2);
    let blind = Trial::<SignInCount>::of(toml::from_str("once-per-seconds = 30\nper-client = false").unwrap());
    for client in ["web", "app"] {
        blind.handles(&sign_in_at(client));
    }
    assert_eq!((sign_ins(&blind).count, sign_ins(&blind).clients.len()), (1, 0));
}

#[test]
fn without_clients_those_counted_before_stay() {
    let with = trial("");
    with.handles(&sign_in_at("web"));
    let ledger = Arc::clone(&with.services().ledger);
    let without = trial("per-client = false").with(|services| Services { ledger, ..services });
    without.handles(&sign_in_at("web"));
    let sign_ins = sign_ins(&without);
    assert_eq!((sign_ins.count, sign_ins.clients["web"].count), (2, 1));
}

#[test]
fn of_too_many_clients_the_longest_unused_is_forgotten() {
    let trial = trial("");
    let sign_in = |client: usize| {
        trial.pass(SignedDuration::from_secs(1));
        trial.handles(&sign_in_at(&format!("c{client:02}")));
    };
    (0..MOST_CLIENTS).for_each(sign_in);
    // The first one is used again, so that the second is the oldest.
    sign_in(0);
    sign_in(MOST_CLIENTS);
    let SignIns { count, clients, .. } = sign_ins(&trial);
    assert_eq!((count, clients.len()), (52, MOST_CLIENTS));
    assert!(clients.contains_key("c00") && clients.contains_key("c50") && !clients.contains_key("c01"));
}

#[test]
fn the_client_in_use_is_kept_even_if_the_clock_went_back() {
    let (clock, ledger) = (Arc::new(StoppedClock::default()), Arc::new(MemoryLedger::default()));
    let on = |clock: &Arc<StoppedClock>| {
        let (clock, ledger) = (Arc::clone(clock), Arc::clone(&ledger));
        trial("").with(|services| Services { clock, ledger, ..services })
    };
    clock.pass(SignedDuration::from_hours(24));
    for client in 0..MOST_CLIENTS {
        on(&clock).handles(&sign_in_at(&format!("c{client:02}")));
    }
    let earlier = Arc::new(StoppedClock::default());
    on(&earlier).handles(&sign_in_at("new"));
    let member = member_of(ledger.as_ref()).unwrap();
    assert_eq!((member.sign_ins.clients.len(), member.sign_ins.clients["new"].count), (MOST_CLIENTS, 1));
    assert_eq!((member.sign_ins.first, member.sign_ins.last), (Some(earlier.now()), Some(clock.now())));
    assert_eq!(member.last_sign_in, Some(clock.now()), "no sign-in gets older");
}

#[test]
fn a_clock_that_went_back_does_not_stop_the_counting() {
    let clocks = [SignedDuration::from_hours(24), SignedDuration::ZERO, SignedDuration::from_secs(10)];
    let ledger = Arc::new(MemoryLedger::default());
    let counts = clocks.map(|ahead| {
        let clock = Arc::new(StoppedClock::default());
        clock.pass(ahead);
        let ledger = Arc::clone(&ledger);
        let trial = trial("once-per-seconds = 30").with(|services| Services { clock, ledger, ..services });
        trial.handles(&sign_in());
        sign_ins(&trial).count
    });
    assert_eq!(counts, [1, 2, 3], "the last time stays at the later day, so nothing is near it");
}

type Rules = (SignInCount,);

fn dispatcher(text: &str, ledger: &Arc<MemoryLedger>, clock: &Arc<StoppedClock>) -> Dispatcher {
    let configuration = Configuration::parse("triggers.toml", text).unwrap();
    let (base, pools) = configuration.chains::<Rules>(&Environment::default()).unwrap();
    let ledger = Arc::clone(ledger) as Arc<dyn Ledger>;
    let services = Services { ledger, ..Services::in_memory(Arc::clone(clock) as Arc<dyn Clock>) };
    Dispatcher::new(base, pools, services)
}

fn hears<T: Trigger>(dispatcher: &Dispatcher, clock: &StoppedClock, event: &Event<T>) -> Handled {
    let deadline = clock.now() + SignedDuration::from_secs(4);
    now(dispatcher.handle(Invocation { body: event.raw().as_bytes(), request_id: "1", deadline }))
}

#[test]
fn what_was_counted_is_in_the_report_and_the_event_goes_back_as_it_came() {
    let (ledger, clock) = (Arc::new(MemoryLedger::default()), Arc::new(StoppedClock::default()));
    let handled = hears(&dispatcher("[sign-in-count]", &ledger, &clock), &clock, &sign_in());
    assert_eq!(handled.answer.as_deref(), Ok(sign_in().raw()));
    assert_eq!(handled.report.counts.iter().collect::<Vec<_>>(), [("FirstSignIns", 1), ("SignIns", 1)]);
}

#[test]
fn a_ledger_that_is_down_costs_nobody_a_sign_in_and_counts_nothing() {
    let clock = Arc::new(StoppedClock::default());
    let configuration = |text| Configuration::parse("triggers.toml", text).unwrap();
    for (text, outcome) in [
        ("[sign-in-count]", Outcome::Passed),
        // Where counts are what is billed, nobody gets in uncounted.
        ("[sign-in-count]\non-fault = \"deny\"", Outcome::Faulted),
    ] {
        let (base, pools) = configuration(text).chains::<Rules>(&Environment::default()).unwrap();
        let down = Dispatcher::new(base, pools, Services::none(Arc::clone(&clock) as Arc<dyn Clock>));
        let report = hears(&down, &clock, &sign_in()).report;
        assert_eq!((report.outcome, report.counts.iter().count()), (outcome, 0), "{text}");
    }
}

/// A gate that shuts after the counting, e.g. a limit of sessions.
#[derive(serde::Deserialize, JsonSchema)]
struct Shut {}

impl Configured for Shut {
    const SECTION: &'static str = "shut";

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        chains.need(Need::Ledger);
        chains.attach(self).to::<PostAuthentication>().done()
    }
}

impl Rule<PostAuthentication> for Shut {
    async fn apply(
        &self,
        _: &Event<PostAuthentication>,
        _: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        Ok(Verdict::deny("We are closed"))
    }
}

#[test]
fn a_sign_in_that_is_refused_leaves_no_trace() {
    let (ledger, clock) = (Arc::new(MemoryLedger::default()), Arc::new(StoppedClock::default()));
    let configuration = Configuration::parse("triggers.toml", "[sign-in-count]\n[shut]").unwrap();
    let (base, pools) = configuration.chains::<(SignInCount, Shut)>(&Environment::default()).unwrap();
    let services = Services {
        ledger: Arc::clone(&ledger) as Arc<dyn Ledger>,
        ..Services::in_memory(Arc::clone(&clock) as Arc<dyn Clock>)
    };
    let handled = hears(&Dispatcher::new(base, pools, services), &clock, &sign_in());
    assert_eq!(handled.report.steps.len(), 2, "it was counted before it was refused");
    assert_eq!((handled.report.outcome, handled.report.counts.iter().count()), (Outcome::Denied, 0));
    assert_eq!(member_of(ledger.as_ref()), None);
}

#[test]
fn counts_equal_successes_under_any_race() {
    const THREADS: usize = 8;
    const EACH: usize = 25;
    let (ledger, clock) = (Arc::new(MemoryLedger::default()), Arc::new(StoppedClock::default()));
    let dispatcher = dispatcher("[sign-in-count]", &ledger, &clock);
    let (successes, counted, first) = std::thread::scope(|scope| {
        let racer = |number: usize| {
            let (dispatcher, clock) = (&dispatcher, &clock);
            scope.spawn(move || {
                let mut totals = (0, 0, 0);
                for _ in 0..EACH {
                    let handled = hears(dispatcher, clock, &sign_in_at(&format!("c{}", number % 3)));
                    totals.0 += u64::from(handled.answer.is_ok());
                    for (name, count) in handled.report.counts.iter() {
                        if name == SIGN_INS { totals.1 += count } else { totals.2 += count }
                    }
                }
                totals
            })
        };
        let racers: Vec<_> = (0..THREADS).map(racer).collect();
        racers
            .into_iter()
            .map(|racer| racer.join().unwrap())
            .fold((0, 0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1, sum.2 + it.2))
    });
    let member = now(ledger.members(POOL, None)).unwrap().members.remove(0).1;
    let per_client: u64 = member.sign_ins.clients.values().map(|it| it.count).sum();
    let all = u64::try_from(THREADS * EACH).unwrap();
    assert_eq!((successes, counted, member.sign_ins.count, per_client, first), (all, all, all, all, 1));
}

#[test]
fn it_is_attached_where_users_sign_in_and_needs_a_ledger() {
    let configuration = Configuration::parse("triggers.toml", "[sign-in-count]").unwrap();
    let (chains, _) = configuration.chains::<Rules>(&Environment::default()).unwrap();
    let triggers: Vec<_> = chains.overview().into_iter().map(|(trigger, _)| trigger).collect();
    assert_eq!(triggers, ["PostAuthentication", "PostConfirmation"]);
    assert_eq!(chains.needs().iter().map(|(need, _)| *need).collect::<Vec<_>>(), [Need::Ledger]);
}

#[test]
fn what_is_wrong_with_a_setting_is_said_where_it_stands() {
    let complaint = |table: &str| {
        let text = format!("[services]\nledger = \"sqlite:x\"\n[sign-in-count]\n{table}");
        let checked = Configuration::parse("triggers.toml", &text)
            .and_then(|configuration| configuration.check::<Rules>(Some(&Environment::default())));
        checked.map_or_else(|errors| errors.to_string(), |_| String::new())
    };
    for (table, text) in [
        (
            "once-per-seconds = 3601",
            "once-per-seconds: repetitions come within 3600 seconds; use 0, with which every event counts, to 3600",
        ),
        (
            "once-per-seconds = -1",
            "once-per-seconds: the number is out of range; use a whole number from 0 to 4294967295",
        ),
        ("per-client = \"no\"", "per-client: expected `true` or `false`, found a string; write it without quotes"),
        ("per-clients = true", "per-clients: there is no such key; did you mean `per-client`?"),
    ] {
        assert_eq!(complaint(table), format!("triggers.toml:4: sign-in-count.{text}"));
    }
    for fine in ["", "once-per-seconds = 3600", "per-client = false"] {
        assert_eq!(complaint(fine), "");
    }
}

#[test]
fn every_key_is_in_the_schema() {
    let schema = schema::<Rules>();
    let keys = &schema["properties"]["sign-in-count"]["properties"];
    for (key, default) in [("per-client", true.into()), ("once-per-seconds", serde_json::Value::from(0))] {
        assert!(keys[key]["description"].is_string(), "{key}");
        assert_eq!(keys[key]["default"], default);
    }
    assert_eq!(keys["on-fault"]["default"], "continue");
}

proptest! {
    /// Whatever the clock does and wherever users sign in: one count for each, and times that bound them all.
    #[test]
    fn first_and_last_are_the_bounds_of_all_that_was_counted(steps in prop::collection::vec((0_u8..5, 0_u32..100_000), 1..60)) {
        let rule: SignInCount = toml::from_str("").unwrap();
        let ledger = Arc::new(MemoryLedger::default());
        for (client, ahead) in &steps {
            let clock = Arc::new(StoppedClock::default());
            clock.pass(SignedDuration::from_secs((*ahead).into()));
            let shared = Arc::clone(&ledger);
            let trial = Trial::of(rule.clone()).with(|services| Services { ledger: shared, clock, ..services });
            trial.handles(&sign_in_at(&client.to_string()));
        }
        let SignIns { count, first, last, clients, .. } = member_of(ledger.as_ref()).unwrap().sign_ins;
        let at = |ahead: u32| StoppedClock::default().now() + SignedDuration::from_secs(ahead.into());
        let times = || steps.iter().map(|(_, ahead)| at(*ahead));
        prop_assert_eq!((count, first, last), (steps.len() as u64, times().min(), times().max()));
        prop_assert_eq!(clients.values().map(|it| it.count).sum::<u64>(), count);
        prop_assert_eq!(clients.values().filter_map(|it| it.first).min(), first);
    }
}
