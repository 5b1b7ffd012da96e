//! What becomes of deliveries, under a clock that is moved by hand.

mod conditions;
mod links;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::ledger::{Change, CommitId, LedgerAdmin, MemoryLedger};
use crate::services::{Directory, Mailer, Message, NewPassword, Sender, TemplateUse, Templates, User, UserPage};
use crate::{ConfigError, Mailbox, StoppedClock};

/// A clock whose sleeps pass at once: they move the time.
struct Hasty(StoppedClock);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep(&self, time: Duration) -> future::BoxFuture<'static, ()> {
        // Limits of time are waited for too; only short pauses pass by themselves.
        if time > Duration::from_secs(1) {
            return Box::pin(future::pending());
        }
        self.0.pass(time.try_into().unwrap());
        Box::pin(future::ready(()))
    }
}

/// What becomes of a mail, by how many were asked for before.
type Postman = Box<dyn FnMut(usize) -> Result<(), Fault> + Send>;

/// Answers as told and remembers what it was asked.
struct World {
    sender: Sender,
    mail: Mutex<Postman>,
    sent: Mutex<Vec<Message>>,
    asked: AtomicUsize,
    updates: Mutex<Vec<Timestamp>>,
    clock: Arc<Hasty>,
    created: Option<Timestamp>,
}

#[async_trait]
impl Mailer for World {
    fn sender(&self) -> &Sender {
        &self.sender
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)(number)?;
        self.sent.lock().unwrap().push(message.clone());
        Ok(())
    }
}

#[async_trait]
impl Directory for World {
    async fn update_attributes(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<(), Fault> {
        self.updates.lock().unwrap().push(self.clock.now());
        Ok(())
    }

    async fn find(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        Ok(self.created.map(|created| User { created, ..User::default() }))
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

impl Templates for World {
    fn mail(
        &self,
        _: &DeliveryId,
        mail: &Mail,
        entries: &[Map<String, Value>],
        sender: &Sender,
        _: Timestamp,
    ) -> Result<Message, Fault> {
        Ok(Message {
            from: sender.from.address().to_owned(),
            recipients: mail.to.iter().map(|to| to.address().to_owned()).collect(),
            raw: serde_json::to_vec(entries)?,
            tags: BTreeMap::new(),
        })
    }

    fn files(&self, _: &str, _: &Map<String, Value>) -> Result<Vec<(String, Object)>, Fault> {
        Ok(Vec::new())
    }

    fn check(&self, _: &TemplateUse) -> Vec<ConfigError> {
        Vec::new()
    }
}

struct Bench {
    world: Arc<World>,
    ledger: Arc<MemoryLedger>,
    courier: Courier,
}

fn now<F: Future>(future: F) -> F::Output {
    future.now_or_never().expect("it waits")
}

fn bench(mail: impl FnMut(usize) -> Result<(), Fault> + Send + 'static) -> Bench {
    bench_with(mail, None)
}

fn bench_with(mail: impl FnMut(usize) -> Result<(), Fault> + Send + 'static, created: Option<Timestamp>) -> Bench {
    let clock = Arc::new(Hasty(StoppedClock::default()));
    let from: Mailbox = "hello@acme.example".parse().unwrap();
    let world = Arc::new(World {
        sender: Sender { from, reply_to: Vec::new() },
        mail: Mutex::new(Box::new(mail)),
        sent: Mutex::default(),
        asked: AtomicUsize::default(),
        updates: Mutex::default(),
        clock: Arc::clone(&clock),
        created,
    });
    let ledger = Arc::new(MemoryLedger::default());
    let services = Services {
        mailer: Arc::clone(&world) as Arc<dyn Mailer>,
        directory: Arc::clone(&world) as Arc<dyn Directory>,
        templates: Arc::clone(&world) as Arc<dyn Templates>,
        ..Services::in_memory(clock)
    };
    let courier = Courier::new(Arc::clone(&ledger) as Arc<dyn Outbox>, services);
    Bench { world, ledger, courier }
}

impl Bench {
    fn time(&self) -> Timestamp {
        self.world.clock.now()
    }

    fn pass(&self, time: SignedDuration) {
        self.world.clock.0.pass(time);
    }

    fn stage(&self, deliveries: Vec<Delivery>) {
        let id = CommitId::random().unwrap();
        let (names, invitations) = (BTreeMap::new(), BTreeMap::new());
        let change = Change { id, now: self.time(), pool: "p".into(), member: None, names, invitations, deliveries };
        now(self.ledger.commit(&change)).unwrap();
    }

    fn delivery(&self, sub: &str, task: Task) -> Delivery {
        let id = DeliveryId { pool: "p".into(), sub: sub.into(), key: "welcome-email".into() };
        Delivery::new(id, task, self.time())
    }

    fn stage_mail(&self, sub: &str) {
        self.stage(vec![self.delivery(sub, mail(sub, None))]);
    }

    fn sweep(&self) -> Round {
        now(self.courier.sweep(self.time() + SignedDuration::from_mins(15)))
    }

    fn left(&self) -> Vec<Delivery> {
        now(self.ledger.deliveries("p")).unwrap()
    }
}

fn mail(to: &str, digest: Option<&str>) -> Task {
    Task::Mail(Mail {
        context: json!({ "to": to }).as_object().unwrap().clone(),
        digest: digest.map(str::to_owned),
        ..Mail::new("welcome-email", vec!["ops@acme.example".parse().unwrap()])
    })
}

fn fails(outlook: Outlook) -> Result<(), Fault> {
    Err(Fault::service("the mailer", "said no").with_outlook(outlook))
}

#[test]
fn what_is_due_is_delivered_once_and_gone() {
    let bench = bench(|_| Ok(()));
    bench.stage_mail("anna");
    bench.stage(vec![Delivery {
        due: bench.time() + SignedDuration::from_hours(1),
        ..bench.delivery("bea", mail("bea", None))
    }]);
    let round = bench.sweep();
    assert_eq!((round.done(), round.backlog.unwrap()), (1, Backlog::default()));
    assert_eq!(round.delivered["welcome-email"], 1);
    assert_eq!(bench.sweep().done(), 0);
    assert_eq!(bench.left().len(), 1);
    bench.pass(SignedDuration::from_hours(1));
    assert_eq!(bench.sweep().done(), 1);
    assert_eq!(bench.world.sent.lock().unwrap().len(), 2);
}

#[test]
fn a_transient_failure_is_tried_for_three_days_and_then_parked_with_its_reason() {
    let bench = bench(|_| fails(Outlook::Transient));
    bench.stage_mail("anna");
    let started = bench.time();
    let (mut tries, mut longest) = (0, SignedDuration::ZERO);
    let parked = loop {
        let before = bench.time();
        let round = bench.sweep();
        tries += 1;
        let [delivery] = &bench.left()[..] else { panic!("it is gone") };
        assert_eq!(delivery.attempts, tries);
        if delivery.parked.is_some() {
            assert_eq!((round.parked, round.failures[0].fate), (1, "parked"));
            assert_eq!(round.backlog.unwrap().parked, 1);
            break delivery.clone();
        }
        assert_eq!((round.retried, round.failures[0].outlook), (1, Outlook::Transient));
        assert!(delivery.due > before && delivery.lease.is_none());
        longest = longest.max(delivery.due.duration_since(before));
        bench.pass(delivery.due.duration_since(bench.time()));
    };
    let lasted = bench.time().duration_since(started);
    assert!((72..=80).contains(&lasted.as_hours()), "{lasted:?}");
    assert!((25..=60).contains(&tries), "{tries}");
    assert!(longest <= SignedDuration::from_mins(270), "{longest:?}");
    let reason = parked.fault.unwrap();
    assert!(reason.starts_with(&format!("tried {tries} times in three days: the mailer")), "{reason}");
    bench.pass(SignedDuration::from_hours(1_000));
    assert_eq!(bench.sweep().failures.len(), 0, "a parked delivery is left alone");
    assert!(now(bench.ledger.redrive(&parked.id, bench.time())).unwrap());
    assert_eq!(bench.sweep().retried, 1);
}

#[test]
fn throttling_costs_no_try_and_holds_back_what_is_left_of_its_kind() {
    let bench = bench(|number| if number < 500 { fails(Outlook::Throttled) } else { Ok(()) });
    for number in 0..30 {
        bench.stage_mail(&format!("user{number}"));
    }
    bench.stage(vec![
        bench.delivery("carl", Task::UpdateAttributes { user_name: "c".into(), attributes: BTreeMap::new() }),
    ]);
    let round = bench.sweep();
    assert_eq!((round.throttled, round.done()), (30, 1));
    assert!(bench.world.asked.load(Ordering::SeqCst) <= WIDTH, "it went on asking");
    assert!(bench.left().iter().all(|delivery| delivery.attempts == 0 && delivery.failing_since.is_none()));
    for _ in 0..5_000 {
        bench.pass(SignedDuration::from_mins(1));
        bench.sweep();
    }
    assert_eq!(bench.left(), [], "three days of throttling lose nothing");
    assert_eq!(bench.world.sent.lock().unwrap().len(), 30);
}

#[test]
fn what_will_never_be_taken_is_parked_at_once_and_keeps_nothing_else_back() {
    let bench = bench(|number| if number == 0 { fails(Outlook::Permanent) } else { Ok(()) });
    bench.stage_mail("anna");
    bench.stage_mail("bea");
    let round = bench.sweep();
    assert_eq!((round.parked, round.done()), (1, 1));
    let [parked] = &bench.left()[..] else { panic!("{:?}", bench.left()) };
    assert_eq!(parked.fault.as_deref(), Some("the mailer: said no"));
    assert_eq!(parked.attempts, 1);
}

#[test]
fn a_panic_of_a_service_is_a_failure_of_one_delivery() {
    let bench = bench(|number| if number == 0 { panic!("ouch") } else { Ok(()) });
    bench.stage_mail("anna");
    bench.stage_mail("bea");
    let round = bench.sweep();
    assert_eq!((round.retried, round.done()), (1, 1));
    assert_eq!(round.failures[0].kind, FaultKind::Panic);
    let [left] = &bench.left()[..] else { panic!() };
    assert!(left.fault.as_ref().is_some_and(|fault| fault.starts_with("panicked") && !fault.contains("ouch")));
}

#[test]
fn entries_of_one_digest_become_one_mail_however_many_batches_they_come_in() {
    let bench = bench(|_| Ok(()));
    let deliveries = |digest: &str, count: usize| -> Vec<Delivery> {
        let task = |number| mail(&format!("user{number}"), Some(digest));
        (0..count).map(|number| bench.delivery(&format!("{digest}{number}"), task(number))).collect()
    };
    for part in deliveries("hour/1", 150).chunks(50) {
        bench.stage(part.to_vec());
    }
    bench.stage(deliveries("hour/2", 3));
    assert_eq!(bench.sweep().done(), 153);
    let sent = bench.world.sent.lock().unwrap();
    let mut entries: Vec<_> =
        sent.iter().map(|it| serde_json::from_slice::<Vec<Value>>(&it.raw).unwrap().len()).collect();
    entries.sort_unstable();
    assert_eq!(entries, [3, 150]);
}

#[test]
fn a_digest_that_fails_fails_for_every_entry() {
    let bench = bench(|number| if number == 0 { fails(Outlook::Transient) } else { Ok(()) });
    bench.stage((0..3).map(|it| bench.delivery(&it.to_string(), mail("x", Some("day/1")))).collect());
    assert_eq!(bench.sweep().retried, 3);
    bench.pass(SignedDuration::from_mins(1));
    assert_eq!(bench.sweep().done(), 3);
}

#[test]
fn what_of_a_digest_is_never_taken_is_parked_without_the_rest() {
    let bench = bench(|_| Ok(()));
    bench.stage((0..20).map(|it| bench.delivery(&it.to_string(), mail(&format!("e{it}e"), Some("day/1")))).collect());
    let refusing = Courier {
        services: Services { mailer: Arc::new(Refusing(Arc::clone(&bench.world))), ..bench.courier.services.clone() },
        outbox: Arc::clone(&bench.ledger) as Arc<dyn Outbox>,
    };
    let round = now(refusing.sweep(bench.time() + SignedDuration::from_mins(15)));
    assert_eq!((round.done(), round.parked, round.retried), (19, 1, 0));
    let [left] = &bench.left()[..] else { panic!() };
    assert_eq!((left.id.sub.as_str(), left.parked.is_some()), ("7", true));
    let sent = bench.world.sent.lock().unwrap();
    let entries: usize = sent.iter().map(|it| serde_json::from_slice::<Vec<Value>>(&it.raw).unwrap().len()).sum();
    assert_eq!(entries, 19, "each once");
    assert!(sent.len() <= 5, "{} mails", sent.len());
}

/// Never takes a mail in which one certain entry is.
struct Refusing(Arc<World>);

#[async_trait]
impl Mailer for Refusing {
    fn sender(&self) -> &Sender {
        self.0.sender()
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        if String::from_utf8_lossy(&message.raw).contains("e7e") {
            return fails(Outlook::Permanent);
        }
        self.0.send(message).await
    }
}

#[test]
fn changes_of_users_come_one_after_the_other_within_the_quota() {
    let bench = bench(|_| Ok(()));
    let task = Task::UpdateAttributes { user_name: "x".into(), attributes: BTreeMap::new() };
    bench.stage((0..40).map(|number| bench.delivery(&number.to_string(), task.clone())).collect());
    assert_eq!(bench.sweep().done(), 40);
    let updates = bench.world.updates.lock().unwrap();
    for window in updates.windows(25) {
        let [first, .., last] = window else { panic!() };
        assert!(last.duration_since(*first) >= SignedDuration::from_secs(1), "more than 25 in a second");
    }
}

#[test]
fn a_delivery_lapses_where_its_condition_does_not_hold() {
    let start = StoppedClock::default().now();
    for (created, expected) in [(None, 0), (Some(start - SignedDuration::from_hours(1)), 0), (Some(start), 1)] {
        let bench = bench_with(|_| Ok(()), created);
        let only_if = Some(Condition::CreatedSince { user_name: "anna".into(), since: start });
        bench.stage(vec![Delivery { only_if, ..bench.delivery("anna", mail("anna", None)) }]);
        let round = bench.sweep();
        assert_eq!((round.done(), round.lapsed), (expected, 1 - expected));
        assert_eq!(bench.left(), []);
    }
}

#[test]
fn deliveries_that_are_named_are_taken_if_they_are_due() {
    let bench = bench(|_| Ok(()));
    bench.stage_mail("anna");
    bench.stage_mail("bea");
    let later = Delivery { due: bench.time() + LEASE, ..bench.delivery("carl", mail("carl", None)) };
    let stranger = DeliveryId { sub: "nobody".into(), ..later.id.clone() };
    let anna = DeliveryId { sub: "anna".into(), ..later.id.clone() };
    bench.stage(vec![later.clone()]);
    let until = bench.time() + SignedDuration::from_mins(1);
    let round = now(bench.courier.take(&[anna.clone(), anna, later.id, stranger], until));
    assert_eq!((round.done(), round.failures.len()), (1, 0));
    assert_eq!(bench.left().len(), 2);
}

/// What is carried out with the event, one of three hanging, until the deadline.
#[test]
fn inline_deliveries_wait_for_none_that_hangs() {
    struct Hangs(Sender);
    #[async_trait]
    impl Mailer for Hangs {
        fn sender(&self) -> &Sender {
            &self.0
        }

        async fn send(&self, message: &Message) -> Result<(), Fault> {
            if message.raw.windows(3).any(|it| it == b"bea") {
                future::pending::<()>().await;
            }
            Ok(())
        }
    }

    /// Long sleeps end when everything else waits: at the second time they are asked.
    struct Patient(StoppedClock);
    impl Clock for Patient {
        fn now(&self) -> Timestamp {
            self.0.now()
        }

        fn sleep(&self, _: Duration) -> future::BoxFuture<'static, ()> {
            let mut asked = 0;
            Box::pin(future::poll_fn(move |context| {
                asked += 1;
                context.waker().wake_by_ref();
                if asked > 3 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            }))
        }
    }

    let bench = bench(|_| Ok(()));
    let lease = Some(LeaseId::stored("commit"));
    let due = bench.time() + SignedDuration::from_secs(30);
    let inline = |sub: &str| Delivery { lease: lease.clone(), due, ..bench.delivery(sub, mail(sub, None)) };
    let deferred = bench.delivery("dora", mail("dora", None));
    let deliveries = vec![inline("anna"), inline("bea"), inline("carl"), deferred];
    bench.stage(deliveries.clone());
    let services = Services {
        mailer: Arc::new(Hangs(bench.world.sender.clone())),
        ledger: Arc::clone(&bench.ledger) as Arc<dyn Ledger>,
        clock: Arc::new(Patient(StoppedClock::default())),
        ..bench.courier.services.clone()
    };
    let mut report = Report::new("ref".into());
    let deadline = bench.time() + SignedDuration::from_secs(4);
    let mut work = Box::pin(carry_out(&deliveries, &services, deadline, &mut report));
    for _ in 0..20 {
        if (&mut work).now_or_never().is_some() {
            break;
        }
    }
    drop(work);
    let left: Vec<_> = bench.left().into_iter().map(|delivery| delivery.id.sub).collect();
    assert_eq!(left, ["dora", "bea"]);
    assert_eq!((report.deliveries.done, report.calls.acknowledgements), (2, 1));
    let (kind, text) = report.fault.unwrap();
    assert_eq!(
        (kind, text.as_str()),
        (FaultKind::Timeout, "a delivery of welcome-email: the time for the answer was up")
    );
}

/// Has every mail take this long, and a rival lease whatever is due at the end of each. Answers whom the rival got.
fn slow_mails_with_a_rival(bench: &Bench, takes: SignedDuration) -> Arc<Mutex<BTreeSet<String>>> {
    let (clock, ledger, got) = (Arc::clone(&bench.world.clock), Arc::clone(&bench.ledger), Arc::default());
    let seen = Arc::<Mutex<BTreeSet<String>>>::clone(&got);
    *bench.world.mail.lock().unwrap() = Box::new(move |_| {
        clock.0.pass(takes);
        let lease = Courier::lease(&LeaseId::random().unwrap(), clock.now()).unwrap();
        let leased = now(ledger.lease_due(&lease, 1_000)).unwrap();
        seen.lock().unwrap().extend(leased.into_iter().map(|delivery| delivery.id.sub));
        Ok(())
    });
    got
}

#[test]
fn nothing_is_tried_that_another_courier_may_have_by_then() {
    // They are asked of the directory first, and so come one after the other.
    let bench = bench_with(|_| Ok(()), Some(Timestamp::UNIX_EPOCH));
    let only_if = Some(Condition::CreatedSince { user_name: "x".into(), since: Timestamp::UNIX_EPOCH });
    let subs = (10..50).map(|number| number.to_string());
    let delivery = |sub: String| Delivery { only_if: only_if.clone(), ..bench.delivery(&sub, mail(&sub, None)) };
    bench.stage(subs.map(delivery).collect());
    let got = slow_mails_with_a_rival(&bench, SignedDuration::from_secs(19));
    let round = bench.sweep();
    let sent = bench.world.sent.lock().unwrap();
    let name = |it: &Message| serde_json::from_slice::<Value>(&it.raw).unwrap()[0]["to"].as_str().unwrap().to_owned();
    let sent: BTreeSet<String> = sent.iter().map(name).collect();
    let both: Vec<_> = sent.intersection(&got.lock().unwrap()).cloned().collect();
    assert_eq!(both, Vec::<String>::new(), "sent while another courier had it");
    assert!(sent.len() >= 4 && round.done() == sent.len());
}

#[test]
fn entries_of_a_digest_do_not_wait_for_slow_mails_until_others_take_them_up() {
    let bench = bench(|_| Ok(()));
    bench.stage((0..3).map(|it| bench.delivery(&format!("d{it}"), mail("x", Some("day/1")))).collect());
    (0..100).for_each(|number| bench.stage_mail(&format!("m{number}")));
    let got = slow_mails_with_a_rival(&bench, SignedDuration::from_secs(15));
    bench.sweep();
    let is_digest = |it: &&Message| serde_json::from_slice::<Vec<Value>>(&it.raw).unwrap().len() == 3;
    assert_eq!(bench.world.sent.lock().unwrap().iter().filter(is_digest).count(), 1);
    assert!(got.lock().unwrap().iter().all(|sub| !sub.starts_with('d')), "another courier had entries as well");
}

#[test]
fn nothing_is_begun_that_cannot_end_in_time() {
    let bench = bench(|_| Ok(()));
    bench.stage_mail("anna");
    let round = now(bench.courier.sweep(bench.time() + TRY));
    assert_eq!((round.done(), round.backlog.unwrap().due), (0, 1));
}

#[test]
fn of_several_files_that_fail_the_one_that_may_still_be_taken_decides() {
    // Whether to park is asked of the least hopeless.
    let fault = |outlook| Err::<Placed, _>(Fault::new("x").with_outlook(outlook));
    for (faults, expected) in [
        (vec![Outlook::Permanent], Outlook::Permanent),
        (vec![Outlook::Permanent, Outlook::Transient], Outlook::Transient),
        (vec![Outlook::Transient, Outlook::Throttled, Outlook::Permanent], Outlook::Throttled),
    ] {
        let results = faults.into_iter().map(fault).chain([Ok(Placed::Created)]);
        assert_eq!(most_hopeful(results.collect()).unwrap_err().outlook(), expected);
    }
}

proptest! {
    #[test]
    fn pauses_grow_and_stay_within_their_bounds(attempts in 1_u32..10_000) {
        prop_assert!(pause(attempts) >= FIRST_PAUSE && pause(attempts) <= LONGEST_PAUSE);
        prop_assert!(pause(attempts + 1) >= pause(attempts));
        let now = Timestamp::UNIX_EPOCH;
        let due = later(now, pause(attempts)).duration_since(now);
        prop_assert!(due.as_millis() * 2 >= pause(attempts).as_millis());
        prop_assert!(due.as_millis() * 2 <= pause(attempts).as_millis() * 3);
    }
}
