//! What becomes of one event, with a ledger in memory and a clock that stands still.

mod acting;
mod glimpses;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::ledger::{Change, DeliveryId, Ledger, LedgerAdmin, MemoryLedger, Moved, NameKey, Owner, Reading, Task};
use crate::visit::{Held, Hold};
use crate::{Answer, Clock, PostAuthentication, PreSignUp, StoppedClock};

/// A chain of which the compiler knows the trigger, so that no test has to say it with every rule.
struct Chain<T>(super::Chain, PhantomData<T>);

impl<T: Trigger> Chain<T> {
    fn new() -> Self {
        Self(super::Chain::of::<T>(), PhantomData)
    }

    fn push<R: Rule<T>>(&mut self, name: &'static str, on_fault: OnFault, asks_ledger: bool, rule: Arc<R>) {
        self.push_boxed(name, on_fault, asks_ledger, rule);
    }

    fn push_boxed(&mut self, name: &'static str, on_fault: OnFault, asks_ledger: bool, rule: Arc<dyn BoxedRule<T>>) {
        self.0.link(Place { name, on_fault, asks_ledger, delivery: DeliveryMode::Inline }, rule.attached());
    }
}

/// For lists of rules of one trigger.
trait BoxedRule<T: Trigger> {
    fn attached(self: Arc<Self>) -> Arc<dyn AnyRule>;
}

impl<T: Trigger, R: Rule<T>> BoxedRule<T> for R {
    fn attached(self: Arc<Self>) -> Arc<dyn AnyRule> {
        Arc::new(Attached { rule: self, trigger: PhantomData::<fn() -> T> })
    }
}

/// How a test writes a rule that waits.
struct Asks<F>(F);

impl<T: Trigger, F> Rule<T> for Asks<F>
where
    F: for<'a> Fn(&'a mut Visit<T>) -> BoxFuture<'a, Answer<T>> + Send + Sync + 'static,
{
    async fn apply(&self, _: &Event<T>, visit: &mut Visit<T>) -> Answer<T> {
        (self.0)(visit).await
    }
}

fn asks<T: Trigger, F>(ask: F) -> Arc<Asks<F>>
where
    F: for<'a> Fn(&'a mut Visit<T>) -> BoxFuture<'a, Answer<T>> + Send + Sync + 'static,
{
    Arc::new(Asks(ask))
}

struct Bench {
    clock: Arc<StoppedClock>,
    ledger: Arc<MemoryLedger>,
    services: Services,
}

fn bench() -> Bench {
    let clock = Arc::new(StoppedClock::default());
    let ledger = Arc::new(MemoryLedger::default());
    let services = Services::in_memory(Arc::clone(&clock) as Arc<dyn Clock>);
    Bench { clock, services: Services { ledger: Arc::clone(&ledger) as Arc<dyn Ledger>, ..services }, ledger }
}

impl Bench {
    fn run<T: Trigger>(&self, chain: &Chain<T>, millis: i64) -> (End, Trace) {
        let deadline = self.clock.now() + SignedDuration::from_millis(millis);
        let mut trace = Trace::default();
        let event = Event::<T>::sample();
        let end = chain.0.run(&event, &self.services, deadline, &mut trace).now_or_never().expect("it waits");
        (end, trace)
    }
}

fn fault(end: End) -> (Option<&'static str>, FaultKind, String) {
    match end {
        End::Faulted { rule, fault } => (rule, fault.kind(), fault.causes()),
        End::Passed(_) => panic!("it passed"),
        End::Denied { refused, .. } => panic!("it was denied: {}", refused.message),
    }
}

fn response<T: Trigger>(end: End) -> serde_json::Value {
    match end {
        End::Passed(passed) => {
            let visit: Box<dyn Any> = passed.visit;
            serde_json::to_value(visit.downcast::<Visit<T>>().unwrap().response).unwrap()
        }
        End::Faulted { fault, .. } => panic!("{fault:?}"),
        End::Denied { refused, .. } => panic!("it was denied: {}", refused.message),
    }
}

fn pool() -> String {
    Event::<PreSignUp>::sample().user_pool_id.clone()
}

fn name(key: &str) -> NameKey {
    NameKey { pool: pool(), namespace: "nickname".into(), key: key.into() }
}

fn hold<T: Trigger>(visit: &mut Visit<T>, key: &str, owner: &str) -> Held {
    let keys = BTreeSet::from([name(key)]);
    let owner = Owner::stored(owner);
    visit.names.hold(&Hold { keys: &keys, owner, instead_of: Vec::new(), until: None, note: None })
}

fn task() -> Task {
    Task::UpdateAttributes { user_name: "anna".into(), attributes: [("nickname".into(), "x".into())].into() }
}

fn agrees(_: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
    Ok(Verdict::Continue)
}

#[test]
fn the_first_denial_wins_and_writes_nothing() {
    let bench = bench();
    let mut chain = Chain::<PreSignUp>::new();
    chain.push(
        "holds",
        OnFault::Deny,
        false,
        asks::<PreSignUp, _>(|visit| {
            hold(visit, "anna", "anna");
            Box::pin(async { Ok(Verdict::Continue) })
        }),
    );
    let refuses = |text: &'static str| move |_: &Event<PreSignUp>, _: &mut Visit<PreSignUp>| Ok(Verdict::deny(text));
    chain.push("first", OnFault::Deny, false, Arc::new(refuses("No")));
    chain.push("second", OnFault::Deny, false, Arc::new(refuses("Never")));
    let (end, trace) = bench.run(&chain, 4_000);
    let End::Denied { rule, refused } = end else { panic!("it was not denied") };
    assert_eq!((rule, refused.message.as_ref()), ("first", "No"));
    let steps: Vec<_> = trace.steps.iter().map(|step| (step.rule, step.verdict.clone())).collect();
    assert_eq!(steps, [("holds", StepVerdict::Continue), ("first", StepVerdict::Deny)]);
    assert_eq!(trace.calls, Calls::default());
}

#[test]
fn rules_that_ask_the_ledger_are_asked_last() {
    let mut chain = Chain::<PreSignUp>::new();
    for (name, asks_ledger) in [("a", true), ("b", false), ("c", true), ("d", false)] {
        chain.push(name, OnFault::Deny, asks_ledger, Arc::new(agrees));
    }
    assert_eq!(chain.0.names().collect::<Vec<_>>(), ["b", "d", "a", "c"]);
}

#[test]
fn a_fault_that_is_passed_over_leaves_nothing_behind_but_what_was_read() {
    let bench = bench();
    let mut chain = Chain::<PreSignUp>::new();
    chain.push(
        "fails",
        OnFault::Continue,
        true,
        asks::<PreSignUp, _>(|visit| {
            Box::pin(async {
                visit.response.auto_confirm_user = Some(true);
                visit.ledger.switches().await?;
                hold(visit, "anna", "anna");
                Err(Fault::new("on purpose"))
            })
        }),
    );
    chain.push(
        "goes on",
        OnFault::Deny,
        true,
        asks::<PreSignUp, _>(|visit| {
            Box::pin(async {
                visit.response.auto_verify_email = Some(true);
                visit.ledger.switches().await?;
                Ok(Verdict::Continue)
            })
        }),
    );
    let (end, trace) = bench.run(&chain, 4_000);
    assert_eq!(response::<PreSignUp>(end), json!({"autoVerifyEmail": true}));
    assert_eq!(trace.calls, Calls { reads: 1, ..Calls::default() });
    let verdicts: Vec<_> = trace.steps.iter().map(|step| step.verdict.clone()).collect();
    assert_eq!(verdicts, [StepVerdict::Fault(FaultKind::Rule, "on purpose".into()), StepVerdict::Continue]);
}

#[test]
fn a_fault_that_is_passed_over_leaves_what_others_did_to_the_member() {
    let bench = bench();
    let mut chain = Chain::<PostAuthentication>::new();
    let counts = |key: &'static str, fails: bool| {
        asks::<PostAuthentication, _>(move |visit| {
            Box::pin(async move {
                visit.ledger.member().await?.other.insert(key.into(), json!(true));
                visit.deliveries.stage(key, task());
                if fails { Err(Fault::new("on purpose")) } else { Ok(Verdict::Continue) }
            })
        })
    };
    chain.push("first", OnFault::Deny, true, counts("first", false));
    chain.push("fails", OnFault::Continue, true, counts("fails", true));
    chain.push("third", OnFault::Deny, true, counts("third", false));
    let (end, trace) = bench.run(&chain, 4_000);
    let End::Passed(Passed { deliveries, .. }) = end else { panic!("it did not pass") };
    let staged: Vec<_> = deliveries.iter().map(|delivery| delivery.id.key.as_str()).collect();
    assert_eq!(staged, ["first", "third"]);
    let sub = Event::<PostAuthentication>::sample().sub().map(str::to_owned);
    let wants = Wants { pool: pool(), sub, ..Wants::default() };
    let member = bench.ledger.read(&wants).now_or_never().unwrap().unwrap().member.unwrap();
    assert_eq!(member.other.keys().collect::<Vec<_>>(), ["first", "third"]);
    assert_eq!(trace.calls, Calls { reads: 1, writes: 1, acknowledgements: 0 });
}

#[test]
fn a_delivery_that_is_too_big_to_be_stored_is_a_fault_of_its_rule_alone() {
    let bench = bench();
    let mut chain = Chain::<PostAuthentication>::new();
    let stages = |key: &'static str, bytes: usize| {
        asks::<PostAuthentication, _>(move |visit| {
            let attributes = [("custom:x".to_owned(), "x".repeat(bytes))].into();
            visit.deliveries.stage(key, Task::UpdateAttributes { user_name: "anna".into(), attributes });
            Box::pin(async { Ok(Verdict::Continue) })
        })
    };
    chain.push("big", OnFault::Continue, false, stages("big", 349_000));
    chain.push("too big", OnFault::Continue, false, stages("too-big", 400_000));
    chain.push("small", OnFault::Deny, false, stages("small", 10));
    let (end, trace) = bench.run(&chain, 4_000);
    let End::Passed(Passed { deliveries, .. }) = end else { panic!("it did not pass") };
    assert_eq!(deliveries.iter().map(|it| it.id.key.as_str()).collect::<Vec<_>>(), ["big", "small"]);
    let StepVerdict::Fault(_, text) = &trace.steps[1].verdict else { panic!("{:?}", trace.steps) };
    assert!(text.starts_with("it stages a delivery of 4000"), "{text}");
}

#[test]
fn a_fault_that_denies_names_its_rule() {
    let mut chain = Chain::<PreSignUp>::new();
    chain.push(
        "fails",
        OnFault::Deny,
        false,
        asks::<PreSignUp, _>(|_| Box::pin(async { Err(Fault::new("on purpose")) })),
    );
    chain.push("never asked", OnFault::Deny, false, Arc::new(agrees));
    let (end, trace) = bench().run(&chain, 4_000);
    assert_eq!(fault(end), (Some("fails"), FaultKind::Rule, "on purpose".into()));
    assert_eq!(trace.steps.len(), 1);
}

#[test]
fn when_a_name_is_taken_the_chain_runs_again_and_hears_it() {
    let bench = bench();
    let holds = |name: &'static str| {
        asks::<PreSignUp, _>(move |visit| {
            match hold(visit, "anna", name) {
                Held::Ours => visit.response.auto_confirm_user = Some(true),
                Held::Taken => visit.response.auto_verify_email = Some(true),
            }
            hold(visit, &format!("rest of {name}"), name);
            Box::pin(async { Ok(Verdict::Continue) })
        })
    };
    let chain = |name| {
        let mut chain = Chain::<PreSignUp>::new();
        chain.push("holds", OnFault::Deny, true, holds(name));
        chain
    };
    let (end, trace) = bench.run(&chain("bea"), 4_000);
    assert_eq!((response::<PreSignUp>(end), trace.attempts), (json!({"autoConfirmUser": true}), 1));
    let (end, trace) = bench.run(&chain("anna"), 4_000);
    // Nothing of the first run is left in the response.
    assert_eq!((response::<PreSignUp>(end), trace.attempts), (json!({"autoVerifyEmail": true}), 2));
    assert_eq!(trace.steps.len(), 1, "the steps of the first run are told as well");
    assert_eq!(trace.calls, Calls { writes: 2, ..Calls::default() });
    let names = BTreeSet::from([name("anna"), name("rest of anna")]);
    let reading =
        bench.ledger.read(&Wants { pool: pool(), names, ..Wants::default() }).now_or_never().unwrap().unwrap();
    assert_eq!(reading.names[&name("anna")].owner, Owner::stored("bea"));
    assert_eq!(reading.names[&name("rest of anna")].owner, Owner::stored("anna"));
}

/// Somebody else is always quicker, and every call takes a second.
struct Restless(Arc<StoppedClock>, AtomicU32);

#[async_trait]
impl Ledger for Restless {
    async fn read(&self, _: &Wants) -> Result<Reading, Fault> {
        Ok(Reading::default())
    }

    async fn commit(&self, _: &Change) -> Result<Committed, Fault> {
        self.0.pass(SignedDuration::from_secs(1));
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(Committed::Moved(Moved { member: Some(None), ..Moved::default() }))
    }

    async fn acknowledge(&self, _: &[DeliveryId]) -> Result<(), Fault> {
        Ok(())
    }
}

fn one_who_holds() -> Chain<PreSignUp> {
    let mut chain = Chain::<PreSignUp>::new();
    chain.push(
        "holds",
        OnFault::Deny,
        true,
        asks::<PreSignUp, _>(|visit| {
            hold(visit, "anna", "anna");
            Box::pin(async { Ok(Verdict::Continue) })
        }),
    );
    chain
}

#[test]
fn a_state_that_moves_for_ever_ends_with_the_time() {
    let mut bench = bench();
    let ledger = Arc::new(Restless(Arc::clone(&bench.clock), AtomicU32::new(0)));
    bench.services.ledger = Arc::clone(&ledger) as Arc<dyn Ledger>;
    let (end, trace) = bench.run(&one_who_holds(), 4_000);
    assert_eq!(fault(end), (None, FaultKind::Contention, "no time left to commit at attempt 5".into()));
    assert_eq!((trace.attempts, trace.calls.writes, ledger.1.load(Ordering::Relaxed)), (5, 4, 4));
}

#[test]
fn upkeep_that_cannot_be_written_stops_only_who_depends_on_it() {
    let counts = |key: &'static str| {
        asks::<PostAuthentication, _>(move |visit| {
            Box::pin(async move {
                visit.ledger.member().await?.other.insert("count".into(), json!(key));
                Ok(Verdict::Continue)
            })
        })
    };
    let looks = || asks::<PostAuthentication, _>(|_| Box::pin(async { Ok(Verdict::Continue) }));
    let run = |chain: &Chain<PostAuthentication>| {
        let mut bench = bench();
        bench.services.ledger = Arc::new(Restless(Arc::clone(&bench.clock), AtomicU32::new(0)));
        bench.run(chain, 4_000)
    };
    let mut chain = Chain::new();
    chain.push("gate", OnFault::Deny, true, looks());
    chain.push("upkeep", OnFault::Continue, true, counts("upkeep"));
    let (end, trace) = run(&chain);
    assert_eq!(response::<PostAuthentication>(end), json!({}));
    assert_eq!(trace.passed_over.map(|fault| fault.kind()), Some(FaultKind::Contention));
    // Even a change of what upkeep has changed already.
    chain.push("binds", OnFault::Deny, true, counts("binds"));
    assert_eq!(fault(run(&chain).0).1, FaultKind::Contention);
}

#[test]
fn a_commit_that_cannot_finish_in_time_is_not_begun() {
    let bench = bench();
    let (end, trace) = bench.run(&one_who_holds(), 199);
    assert_eq!(fault(end), (None, FaultKind::Timeout, "no time left to commit at attempt 1".into()));
    assert_eq!(trace.calls.writes, 0);
    let (end, _) = bench.run(&one_who_holds(), 200);
    assert_eq!(response::<PreSignUp>(end), json!({}));
    // Where there is nothing to write, nothing is missed.
    let mut chain = Chain::<PreSignUp>::new();
    chain.push("agrees", OnFault::Deny, false, Arc::new(agrees));
    assert_eq!(response::<PreSignUp>(bench.run(&chain, 0).0), json!({}));
}

/// Panics before there is a future to be polled.
struct Eager;

impl Rule<PreSignUp> for Eager {
    #[allow(clippy::manual_async_fn, reason = "this is the point")]
    fn apply(
        &self,
        _: &Event<PreSignUp>,
        visit: &mut Visit<PreSignUp>,
    ) -> impl Future<Output = Answer<PreSignUp>> + Send {
        assert!(visit.deadline == Timestamp::MIN, "eagerly");
        async { Ok(Verdict::Continue) }
    }
}

/// Panics when it is asked what it wants.
struct Wanting;

impl Rule<PreSignUp> for Wanting {
    async fn apply(&self, _: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        visit.response.auto_verify_email = Some(true);
        Ok(Verdict::Continue)
    }

    fn wants(&self, _: &Event<PreSignUp>, _: &crate::Keys, wants: &mut Wants) {
        wants.names.insert(name("anna"));
        panic!("in wanting {}", wants.names.len())
    }
}

#[test]
fn a_panic_is_a_fault_of_its_rule() {
    fn panics(_: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        panic!("at the disco")
    }
    let one = |name, on_fault, rule: Arc<dyn BoxedRule<PreSignUp>>| {
        let mut chain = Chain::new();
        chain.push_boxed(name, on_fault, false, rule);
        chain
    };
    for (rule, text) in [
        (Arc::new(panics) as Arc<dyn BoxedRule<PreSignUp>>, "panicked: at the disco"),
        (Arc::new(Eager), "panicked: eagerly"),
        (Arc::new(Wanting), "panicked: in wanting 1"),
    ] {
        let (end, _) = bench().run(&one("panics", OnFault::Deny, Arc::clone(&rule)), 4_000);
        assert_eq!(fault(end), (Some("panics"), FaultKind::Panic, text.into()));
        assert!(matches!(bench().run(&one("panics", OnFault::Continue, rule), 4_000).0, End::Passed(..)), "{text}");
    }
}

#[test]
fn a_ledger_that_fails_is_a_fault_of_no_rule() {
    let mut bench = bench();
    bench.services = Services::none(Arc::clone(&bench.clock) as Arc<dyn Clock>);
    let (end, trace) = bench.run(&one_who_holds(), 4_000);
    let (rule, kind, _) = fault(end);
    assert_eq!((rule, kind, trace.calls.writes), (None, FaultKind::Configuration, 1));
}

#[test]
fn what_is_staged_without_reading_costs_one_read_and_one_write() {
    let bench = bench();
    let mut chain = Chain::<PostAuthentication>::new();
    chain.push(
        "stages",
        OnFault::Deny,
        false,
        asks::<PostAuthentication, _>(|visit| {
            visit.deliveries.stage("stages/something", task());
            Box::pin(async { Ok(Verdict::Continue) })
        }),
    );
    let (end, trace) = bench.run(&chain, 4_000);
    assert!(matches!(end, End::Passed(Passed { deliveries, .. }) if deliveries.len() == 1));
    assert_eq!(trace.calls, Calls { reads: 1, writes: 1, acknowledgements: 0 });
    let (end, trace) = bench.run(&chain, 4_000);
    assert!(matches!(end, End::Passed(Passed { deliveries, .. }) if deliveries.is_empty()), "a retry staged it again");
    assert_eq!(trace.calls, Calls { reads: 1, ..Calls::default() });
    let stored = bench.ledger.deliveries(&pool()).now_or_never().unwrap().unwrap();
    assert_eq!(stored.len(), 1);
}

#[test]
fn what_rules_took_is_told_in_microseconds() {
    let mut chain = Chain::<PreSignUp>::new();
    chain.push(
        "slow",
        OnFault::Deny,
        false,
        Arc::new(|_: &Event<PreSignUp>, _: &mut Visit<PreSignUp>| {
            std::thread::sleep(Duration::from_millis(5));
            Ok(Verdict::Continue)
        }),
    );
    let (_, trace) = bench().run(&chain, 4_000);
    assert!((5_000..5_000_000).contains(&trace.steps[0].micros), "{}", trace.steps[0].micros);
}
