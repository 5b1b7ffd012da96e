//! What is done before the answer: after the commit, once, in time, and never for nothing.

mod first;

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::Act;
use crate::report::Outcome;
use crate::services::{Directory, NewPassword, User, UserPage};

/// Writes down what it is asked, with the time and whether the commit was done by then.
struct Office {
    clock: Arc<StoppedClock>,
    ledger: Arc<MemoryLedger>,
    /// How long a call takes.
    takes: SignedDuration,
    /// Which call fails: `sign-out` or `password`.
    fails: &'static str,
    asked: Mutex<Vec<String>>,
}

impl Office {
    async fn note(&self, what: &str, user_name: &str) -> Result<(), Fault> {
        let member = self.ledger.read(&wants()).await?.member.map_or(0, |member| member.version);
        self.asked.lock().unwrap().push(format!("{what} {user_name} at version {member}"));
        self.clock.pass(self.takes);
        if self.fails == what { Err(Fault::service("the directory", "said no")) } else { Ok(()) }
    }
}

#[async_trait]
impl Directory for Office {
    async fn update_attributes(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<(), Fault> {
        unreachable!("no act")
    }

    async fn find(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        unreachable!("no act")
    }

    async fn find_sub(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        unreachable!("no act")
    }

    async fn sign_out(&self, in_pool: &str, user_name: &str) -> Result<(), Fault> {
        assert_eq!(in_pool, pool());
        self.note("sign-out", user_name).await
    }

    async fn require_new_password(&self, in_pool: &str, user_name: &str) -> Result<NewPassword, Fault> {
        assert_eq!(in_pool, pool());
        self.note("password", user_name).await.map(|()| NewPassword::Required)
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        unreachable!("no act")
    }
}

fn wants() -> Wants {
    let sub = Event::<PostAuthentication>::sample().sub().map(str::to_owned);
    Wants { pool: pool(), sub, ..Wants::default() }
}

struct Desk {
    bench: Bench,
    office: Arc<Office>,
}

fn desk(fails: &'static str) -> Desk {
    slow_desk(fails, SignedDuration::ZERO)
}

fn slow_desk(fails: &'static str, takes: SignedDuration) -> Desk {
    let mut bench = bench();
    let (clock, ledger) = (Arc::clone(&bench.clock), Arc::clone(&bench.ledger));
    let office = Arc::new(Office { clock, ledger, takes, fails, asked: Mutex::default() });
    bench.services.directory = Arc::clone(&office) as Arc<dyn Directory>;
    Desk { bench, office }
}

impl Desk {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.office.asked.lock().unwrap())
    }

    fn version(&self) -> u64 {
        let reading = self.bench.ledger.read(&wants()).now_or_never().unwrap().unwrap();
        reading.member.map_or(0, |member| member.version)
    }
}

fn sign_out() -> Act {
    Act::SignOut { user_name: "anna".into() }
}

fn new_password() -> Act {
    Act::RequireNewPassword { user_name: "anna".into() }
}

/// A rule that writes something down, stages these acts and counts.
fn wanting(key: &'static str, acts: fn() -> Vec<Act>) -> Arc<impl Rule<PostAuthentication>> {
    asks::<PostAuthentication, _>(move |visit| {
        Box::pin(async move {
            visit.ledger.member().await?.other.insert(key.into(), json!(true));
            acts().into_iter().for_each(|act| visit.acts.stage(act));
            visit.counts.one(key);
            Ok(Verdict::Continue)
        })
    })
}

/// The same without writing anything.
fn only_acting(acts: fn() -> Vec<Act>) -> Arc<impl Rule<PostAuthentication>> {
    asks::<PostAuthentication, _>(move |visit| {
        acts().into_iter().for_each(|act| visit.acts.stage(act));
        Box::pin(async { Ok(Verdict::Continue) })
    })
}

fn chain(links: Vec<(&'static str, OnFault, Arc<dyn BoxedRule<PostAuthentication>>)>) -> Chain<PostAuthentication> {
    let mut chain = Chain::new();
    for (name, on_fault, rule) in links {
        chain.push_boxed(name, on_fault, true, rule);
    }
    chain
}

fn counted(end: &End) -> Vec<(&'static str, u64)> {
    match end {
        End::Passed(passed) => passed.counts.iter().collect(),
        _ => panic!("it did not pass"),
    }
}

#[test]
fn acts_come_after_the_commit_and_before_the_answer() {
    let desk = desk("");
    let chain = chain(vec![("acts", OnFault::Deny, wanting("acts", || vec![new_password(), sign_out()]))]);
    let (end, trace) = desk.bench.run(&chain, 4_000);
    assert_eq!(response::<PostAuthentication>(end), json!({}));
    // In the order they were staged.
    assert_eq!(desk.asked(), ["password anna at version 1", "sign-out anna at version 1"]);
    assert_eq!(trace.calls, Calls { reads: 1, writes: 1, acknowledgements: 0 });
}

#[test]
fn who_only_acts_writes_nothing() {
    let desk = desk("");
    let (end, trace) = desk.bench.run(&chain(vec![("acts", OnFault::Deny, only_acting(|| vec![sign_out()]))]), 4_000);
    assert_eq!(response::<PostAuthentication>(end), json!({}));
    assert_eq!(desk.asked(), ["sign-out anna at version 0"]);
    assert_eq!(trace.calls, Calls::default());
}

#[test]
fn what_two_rules_want_is_done_once() {
    let desk = desk("");
    let two = chain(vec![
        ("one", OnFault::Deny, wanting("one", || vec![sign_out(), sign_out()])),
        ("two", OnFault::Continue, wanting("two", || vec![sign_out(), new_password()])),
    ]);
    let (end, _) = desk.bench.run(&two, 4_000);
    assert_eq!(counted(&end), [("one", 1), ("two", 1)]);
    assert_eq!(desk.asked(), ["sign-out anna at version 1", "password anna at version 1"]);
    // Of somebody else it is another act.
    let other = || vec![sign_out(), Act::SignOut { user_name: "bea".into() }];
    desk.bench.run(&chain(vec![("acts", OnFault::Deny, only_acting(other))]), 4_000);
    assert_eq!(desk.asked(), ["sign-out anna at version 1", "sign-out bea at version 1"]);
}

#[test]
fn an_act_that_fails_fails_the_event() {
    let desk = desk("sign-out");
    let acts = || vec![sign_out(), new_password()];
    let (end, trace) = desk.bench.run(&chain(vec![("acts", OnFault::Deny, wanting("acts", acts))]), 4_000);
    assert_eq!(fault(end), (Some("acts"), FaultKind::Service, "the directory: said no".into()));
    assert_eq!(desk.asked(), ["sign-out anna at version 1"], "nothing more is done of an event that failed");
    assert_eq!((desk.version(), trace.calls.writes), (1, 1), "what was committed stays");
}

#[test]
fn a_fault_of_an_act_is_passed_over_where_its_rule_says_so() {
    let desk = desk("sign-out");
    let acts = || vec![sign_out(), new_password()];
    let two = chain(vec![
        ("upkeep", OnFault::Continue, wanting("upkeep", acts)),
        ("gate", OnFault::Deny, wanting("gate", Vec::new)),
    ]);
    let (end, trace) = desk.bench.run(&two, 4_000);
    assert_eq!(counted(&end), [("gate", 1), ("upkeep", 1)]);
    assert_eq!(trace.passed_over.map(|fault| fault.causes()).as_deref(), Some("the directory: said no"));
    assert_eq!(desk.asked(), ["sign-out anna at version 1", "password anna at version 1"]);
}

#[test]
fn of_two_who_want_an_act_the_one_who_binds_decides_what_its_fault_means() {
    for order in [[OnFault::Continue, OnFault::Deny], [OnFault::Deny, OnFault::Continue]] {
        let desk = desk("sign-out");
        let name = |on_fault| if on_fault == OnFault::Deny { "binds" } else { "upkeep" };
        let links = order.map(|on_fault| {
            let rule = only_acting(|| vec![sign_out()]) as Arc<dyn BoxedRule<PostAuthentication>>;
            (name(on_fault), on_fault, rule)
        });
        let (end, _) = desk.bench.run(&chain(links.into()), 4_000);
        assert_eq!(fault(end), (Some("binds"), FaultKind::Service, "the directory: said no".into()));
        assert_eq!(desk.asked().len(), 1, "it was tried twice");
    }
}

#[test]
fn a_commit_that_is_refused_is_followed_by_no_act_before_the_next() {
    let desk = desk("");
    let sub = wants().sub.unwrap();
    let ledger = Arc::clone(&desk.bench.ledger);
    let runs = AtomicU32::new(0);
    let rule = asks::<PostAuthentication, _>(move |visit| {
        let (ledger, sub, run) = (Arc::clone(&ledger), sub.clone(), runs.fetch_add(1, Ordering::Relaxed));
        Box::pin(async move {
            visit.ledger.member().await?.other.insert("x".into(), json!(run));
            visit.acts.stage(sign_out());
            visit.counts.one("SignIns");
            if run == 0 {
                // Somebody else is quicker.
                let amendment = |_: &Reading| {
                    let member = Some(crate::ledger::Member::default());
                    Some(crate::ledger::Amendment { member, ..Default::default() })
                };
                crate::ledger::amend(ledger.as_ref(), &pool(), &sub, visit.now, amendment).await?;
            }
            Ok(Verdict::Continue)
        })
    });
    let (end, trace) = desk.bench.run(&chain(vec![("acts", OnFault::Deny, rule)]), 4_000);
    assert_eq!(counted(&end), [("SignIns", 1)], "counted for a run that came to nothing");
    assert_eq!(desk.asked(), ["sign-out anna at version 2"]);
    assert_eq!(trace.attempts, 2);
}

#[test]
fn upkeep_that_cannot_be_written_acts_and_counts_nothing() {
    let mut desk = desk("");
    desk.bench.services.ledger = Arc::new(Restless(Arc::clone(&desk.bench.clock), AtomicU32::new(0)));
    let (end, trace) =
        desk.bench.run(&chain(vec![("upkeep", OnFault::Continue, wanting("upkeep", || vec![sign_out()]))]), 4_000);
    assert_eq!((counted(&end), desk.asked()), (Vec::new(), Vec::new()));
    assert_eq!(trace.passed_over.map(|fault| fault.kind()), Some(FaultKind::Contention));
    // An act alone binds, too: whoever wants it and is not heard must not be passed over.
    let binding = chain(vec![
        ("upkeep", OnFault::Continue, wanting("upkeep", Vec::new)),
        ("binds", OnFault::Deny, only_acting(|| vec![sign_out()])),
    ]);
    desk.bench.services.ledger = Arc::new(Restless(Arc::clone(&desk.bench.clock), AtomicU32::new(0)));
    let (end, _) = desk.bench.run(&binding, 4_000);
    assert_eq!(fault(end).1, FaultKind::Contention);
    assert_eq!(desk.asked(), Vec::<String>::new());
}

#[test]
fn a_rule_whose_fault_is_passed_over_leaves_no_acts_and_no_counts() {
    let desk = desk("");
    let fails = asks::<PostAuthentication, _>(|visit| {
        visit.acts.stage(new_password());
        visit.counts.one("SignIns");
        visit.counts.one("SignIns");
        Box::pin(async { Err(Fault::new("on purpose")) })
    });
    let links: Vec<(_, _, Arc<dyn BoxedRule<PostAuthentication>>)> = vec![
        ("first", OnFault::Deny, wanting("SignIns", || vec![sign_out()])),
        ("fails", OnFault::Continue, fails),
        ("last", OnFault::Deny, wanting("last", Vec::new)),
    ];
    let (end, _) = desk.bench.run(&chain(links), 4_000);
    assert_eq!(counted(&end), [("SignIns", 1), ("last", 1)]);
    assert_eq!(desk.asked(), ["sign-out anna at version 1"]);
}

#[test]
fn a_denial_does_what_it_carries_and_nothing_else() {
    let denies = || {
        asks::<PostAuthentication, _>(|visit| {
            visit.acts.stage(sign_out());
            visit.counts.one("SignIns");
            Box::pin(async { Ok(Verdict::deny_and("Please choose a new password", new_password())) })
        })
    };
    let desk = desk("");
    let two = chain(vec![
        ("first", OnFault::Deny, wanting("first", || vec![sign_out()])),
        ("denies", OnFault::Deny, denies()),
        ("never asked", OnFault::Deny, wanting("never", Vec::new)),
    ]);
    let (end, trace) = desk.bench.run(&two, 4_000);
    let End::Denied { rule, refused } = end else { panic!("it was not denied") };
    assert_eq!((rule, refused.message.as_ref()), ("denies", "Please choose a new password"));
    assert_eq!(desk.asked(), ["password anna at version 0"]);
    assert_eq!((desk.version(), trace.calls.writes), (0, 0), "a denial wrote something");

    // Otherwise the user would be told of a mail that never comes.
    for on_fault in [OnFault::Deny, OnFault::Continue] {
        let desk = self::desk("password");
        let (end, _) = desk.bench.run(&chain(vec![("denies", on_fault, denies())]), 4_000);
        assert_eq!(fault(end), (Some("denies"), FaultKind::Service, "the directory: said no".into()));
        assert_eq!(desk.version(), 0);
    }
}

#[test]
fn nothing_is_begun_that_cannot_end_before_the_deadline() {
    let acts = || vec![sign_out(), new_password()];
    let run = |takes: i64, budget: i64| {
        let desk = slow_desk("", SignedDuration::from_millis(takes));
        let (end, trace) = desk.bench.run(&chain(vec![("acts", OnFault::Deny, wanting("acts", acts))]), budget);
        let outcome = if matches!(end, End::Passed(_)) { Outcome::Passed } else { Outcome::Faulted };
        (outcome, desk.asked().len(), trace.calls.writes)
    };
    assert_eq!(run(0, 400), (Outcome::Passed, 2, 1));
    // Where there is no time for the act after the commit, there is no commit either: it would count and help nobody.
    assert_eq!(run(0, 399), (Outcome::Faulted, 0, 0));
    // The first took too long for the second to be begun.
    assert_eq!(run(900, 1_000), (Outcome::Faulted, 1, 1));
    // A denial's act neither.
    let desk = desk("");
    let denies = asks::<PostAuthentication, _>(|_| Box::pin(async { Ok(Verdict::deny_and("No", new_password())) }));
    let (end, _) = desk.bench.run(&chain(vec![("denies", OnFault::Deny, denies)]), 199);
    assert_eq!(fault(end), (Some("denies"), FaultKind::Timeout, "no time left to ask the directory".into()));
    assert_eq!(desk.asked(), Vec::<String>::new());
}

/// A directory that does not answer must not keep Cognito waiting.
#[test]
fn an_act_that_hangs_is_given_up_at_the_deadline() {
    struct Waits(Arc<StoppedClock>, Mutex<Vec<Duration>>);
    impl Clock for Waits {
        fn now(&self) -> Timestamp {
            self.0.now()
        }

        fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
            self.1.lock().unwrap().push(time);
            Box::pin(std::future::ready(()))
        }
    }

    struct Hangs;
    #[async_trait]
    impl Directory for Hangs {
        async fn update_attributes(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<(), Fault> {
            unreachable!("no act")
        }

        async fn find(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
            unreachable!("no act")
        }

        async fn find_sub(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
            unreachable!("no act")
        }

        async fn sign_out(&self, _: &str, _: &str) -> Result<(), Fault> {
            std::future::pending().await
        }

        async fn require_new_password(&self, _: &str, _: &str) -> Result<NewPassword, Fault> {
            unreachable!("another act")
        }

        async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
            unreachable!("no act")
        }
    }

    let mut desk = desk("");
    let clock = Arc::new(Waits(Arc::clone(&desk.bench.clock), Mutex::default()));
    desk.bench.services.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    desk.bench.services.directory = Arc::new(Hangs);
    let (end, _) = desk.bench.run(&chain(vec![("acts", OnFault::Deny, only_acting(|| vec![sign_out()]))]), 3_000);
    let (rule, kind, _) = fault(end);
    assert_eq!((rule, kind), (Some("acts"), FaultKind::Timeout));
    assert_eq!(*clock.1.lock().unwrap(), [Duration::from_secs(3)], "waited for longer, or shorter");
}

#[test]
fn what_is_done_is_shown_without_the_user() {
    let acts = [Act::SignOut { user_name: "anna@example.com".into() }, new_password()];
    assert_eq!(format!("{acts:?}"), "[SignOut, RequireNewPassword]");
}
