//! Switches that are asked for alone: how often that costs a call, and how old they may be.

use std::sync::Mutex;

use super::*;
use crate::PreAuthentication;
use crate::ledger::Switches;

/// What rules saw, by the version of the switches.
type Sight = Arc<Mutex<Vec<u64>>>;

struct Watch {
    bench: Bench,
    chain: Chain<PreAuthentication>,
    seen: Sight,
}

fn looks(seen: &Sight) -> Arc<impl Rule<PreAuthentication>> {
    let seen = Arc::clone(seen);
    asks::<PreAuthentication, _>(move |visit| {
        let seen = Arc::clone(&seen);
        Box::pin(async move {
            let switches = visit.ledger.recent_switches(visit.now).await?;
            seen.lock().unwrap().push(switches.version);
            Ok(Verdict::Continue)
        })
    })
}

fn watch() -> Watch {
    let (bench, seen) = (bench(), Sight::default());
    let mut chain = Chain::new();
    chain.push("looks", OnFault::Deny, true, looks(&seen));
    Watch { bench, chain, seen }
}

impl Watch {
    fn switch(&self, expected: u64) {
        let (pool, switches) = (pool(), Switches::default());
        let switched = self.bench.ledger.switch(&pool, expected, &switches);
        assert!(switched.now_or_never().unwrap().unwrap());
    }

    /// Handles an event, and answers which version its rules saw last and how many reads that cost.
    fn event(&self) -> (u64, u32) {
        let (end, trace) = self.bench.run(&self.chain, 4_000);
        assert!(matches!(end, End::Passed(_)));
        assert_eq!(trace.calls.writes, 0);
        (*self.seen.lock().unwrap().last().unwrap(), trace.calls.reads)
    }

    fn pass(&self, millis: i64) {
        self.bench.clock.pass(SignedDuration::from_millis(millis));
    }
}

#[test]
fn switches_cost_one_call_in_five_seconds() {
    let watch = watch();
    let mut calls = 0;
    for _ in 0..100 {
        calls += watch.event().1;
        watch.pass(250);
    }
    // 25 seconds.
    assert_eq!(calls, 5);
}

#[test]
fn what_is_switched_is_seen_within_five_seconds() {
    let watch = watch();
    assert_eq!(watch.event(), (0, 1));
    watch.switch(0);
    watch.pass(4_999);
    assert_eq!(watch.event(), (0, 0));
    watch.pass(1);
    assert_eq!(watch.event(), (1, 1));
    watch.switch(1);
    assert_eq!(watch.event(), (1, 0));
}

#[test]
fn a_clock_that_went_back_makes_nothing_young() {
    let watch = watch();
    assert_eq!(watch.event(), (0, 1));
    watch.switch(0);
    watch.pass(-3_600_000);
    assert_eq!(watch.event(), (1, 1), "it would be believed for an hour");
    assert_eq!(watch.event(), (1, 0), "and from then on it is remembered again");
    watch.pass(3_600_000);
    assert_eq!(watch.event(), (1, 1));
}

#[test]
fn a_page_that_was_read_says_it_without_a_call() {
    let mut watch = watch();
    let reads_first = asks::<PreAuthentication, _>(|visit| {
        Box::pin(async {
            visit.ledger.member().await?;
            Ok(Verdict::Continue)
        })
    });
    let mut chain = Chain::new();
    chain.push("reads", OnFault::Deny, true, reads_first);
    chain.push("looks", OnFault::Deny, true, looks(&watch.seen));
    chain.push("looks again", OnFault::Deny, true, looks(&watch.seen));
    watch.chain = chain;
    assert_eq!(watch.event(), (0, 1));
    watch.switch(0);
    // What was just read is better than what is remembered.
    assert_eq!(watch.event(), (1, 1));
    assert_eq!(*watch.seen.lock().unwrap(), [0, 0, 1, 1]);
}

/// Whoever looked at remembered switches and reads the page later has both as they are now.
#[test]
fn a_page_read_later_replaces_what_was_remembered() {
    let mut watch = watch();
    let seen = Arc::clone(&watch.seen);
    let both = asks::<PreAuthentication, _>(move |visit| {
        let seen = Arc::clone(&seen);
        Box::pin(async move {
            let recent = visit.ledger.recent_switches(visit.now).await?.version;
            let now = visit.ledger.switches().await?.version;
            let recent_again = visit.ledger.recent_switches(visit.now).await?.version;
            seen.lock().unwrap().extend([recent, now, recent_again]);
            Ok(Verdict::Continue)
        })
    });
    let mut chain = Chain::new();
    chain.push("both", OnFault::Deny, true, both);
    watch.chain = chain;
    assert_eq!(watch.event(), (0, 1));
    watch.switch(0);
    assert_eq!(watch.event(), (1, 1));
    assert_eq!(*watch.seen.lock().unwrap(), [0, 0, 0, 0, 1, 1]);
}

/// The chain may run for seconds, and what it read at first is no younger for that.
#[test]
fn switches_are_as_old_as_the_event_that_read_them() {
    let bench = bench();
    let seen = Sight::default();
    let runs = Arc::new(AtomicU32::new(0));
    let clock = Arc::clone(&bench.clock);
    let (counted, noted) = (Arc::clone(&runs), Arc::clone(&seen));
    let slow = asks::<PostAuthentication, _>(move |visit| {
        let (clock, run) = (Arc::clone(&clock), counted.fetch_add(1, Ordering::Relaxed));
        let seen = Arc::clone(&noted);
        Box::pin(async move {
            let version = visit.ledger.recent_switches(visit.now).await?.version;
            seen.lock().unwrap().push(version);
            if run == 0 {
                clock.pass(SignedDuration::from_secs(3));
                visit.ledger.member().await?.version = 7;
                visit.ledger.member().await?.other.insert("x".into(), json!(1));
            }
            Ok(Verdict::Continue)
        })
    });
    let mut chain = Chain::<PostAuthentication>::new();
    chain.push("slow", OnFault::Deny, true, slow);
    let moves_once = Arc::new(MovesOnce(Arc::clone(&bench.ledger), AtomicU32::new(0)));
    let mut services = bench.services.clone();
    services.ledger = moves_once;
    let run = |millis: i64| {
        let mut trace = Trace::default();
        let event = Event::<PostAuthentication>::sample();
        let deadline = bench.clock.now() + SignedDuration::from_millis(millis);
        chain.0.run(&event, &services, deadline, &mut trace).now_or_never().expect("it waits");
        (trace.attempts, trace.calls.reads)
    };
    assert_eq!(run(4_000), (2, 1), "the first run was refused, the second wrote nothing");
    assert!(bench.ledger.switch(&pool(), 0, &Switches::default()).now_or_never().unwrap().unwrap());
    bench.clock.pass(SignedDuration::from_millis(1_999));
    assert_eq!(run(4_000), (1, 0));
    bench.clock.pass(SignedDuration::from_millis(1));
    assert_eq!(run(4_000), (1, 1), "five seconds after the event that read them");
    assert_eq!(*seen.lock().unwrap(), [0, 0, 0, 1]);
}

/// Refuses the first commit.
struct MovesOnce(Arc<MemoryLedger>, AtomicU32);

#[async_trait]
impl Ledger for MovesOnce {
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
        self.0.read(wants).await
    }

    async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
        match self.1.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(Committed::Moved(Moved { member: Some(None), ..Moved::default() })),
            _ => self.0.commit(change).await,
        }
    }

    async fn acknowledge(&self, _: &[DeliveryId]) -> Result<(), Fault> {
        Ok(())
    }
}
