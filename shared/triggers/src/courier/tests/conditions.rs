//! What must hold when a delivery is carried out: what is asked, of whom, and what becomes of the delivery.

use super::*;
use crate::ledger::{Amendment, Condition, Fate, amend};

const LIST: &str = "win-back";
const MARK: &str = "win-back/absent";

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// The users of a pool by name, and how often they were asked for.
struct People {
    users: Mutex<BTreeMap<String, User>>,
    asked: AtomicUsize,
    fails: bool,
}

#[async_trait]
impl Directory for People {
    async fn update_attributes(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<(), Fault> {
        unreachable!("only asked")
    }

    async fn find(&self, pool: &str, user_name: &str) -> Result<Option<User>, Fault> {
        assert_eq!(pool, "p");
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.fails {
            return Err(Fault::service("the directory", "cannot be reached"));
        }
        Ok(self.users.lock().unwrap().get(user_name).cloned())
    }

    async fn find_sub(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        unreachable!("asked by name")
    }

    async fn sign_out(&self, _: &str, _: &str) -> Result<(), Fault> {
        unreachable!("only asked")
    }

    async fn require_new_password(&self, _: &str, _: &str) -> Result<NewPassword, Fault> {
        unreachable!("only asked")
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        unreachable!("asked one by one")
    }
}

struct Stand {
    bench: Bench,
    people: Arc<People>,
}

/// Anna is there, enabled, and nothing is remembered of her yet.
fn stand() -> Stand {
    stand_with(false)
}

fn stand_with(fails: bool) -> Stand {
    let mut bench = bench(|_| Ok(()));
    let people = Arc::new(People { users: Mutex::default(), asked: AtomicUsize::default(), fails });
    bench.courier.services.directory = Arc::clone(&people) as Arc<dyn Directory>;
    let stand = Stand { bench, people };
    stand.user(|_| {});
    stand
}

impl Stand {
    /// What the pool says of the user called Anna.
    fn user(&self, change: impl FnOnce(&mut User)) {
        let attributes = proven("anna", "anna@example.com");
        let created = Timestamp::UNIX_EPOCH;
        let mut user = User { user_name: "Anna".into(), attributes, confirmed: true, enabled: true, created };
        change(&mut user);
        self.people.users.lock().unwrap().insert("Anna".into(), user);
    }

    fn gone(&self) {
        self.people.users.lock().unwrap().clear();
    }

    fn asked(&self) -> usize {
        self.people.asked.swap(0, Ordering::SeqCst)
    }

    /// What is remembered of Anna.
    fn member(&self, change: impl Fn(&mut Member)) {
        let ledger = self.bench.ledger.as_ref();
        let amendment = |reading: &crate::ledger::Reading| {
            let mut member = reading.member.clone().unwrap_or_default();
            change(&mut member);
            Some(Amendment { member: Some(member), ..Amendment::default() })
        };
        assert!(now(amend(ledger, "p", "anna", self.bench.time(), amendment)).unwrap());
    }

    fn forgotten(&self) {
        let ledger = self.bench.ledger.as_ref();
        assert!(now(amend(ledger, "p", "anna", self.bench.time(), |_| Some(Amendment::default()))).unwrap());
    }

    fn unsubscribes(&self, list: &str) {
        self.member(|member| {
            member.unsubscribed.insert(list.into(), Timestamp::UNIX_EPOCH);
        });
    }

    fn marks(&self, staged: Timestamp) {
        self.member(|member| {
            member.marks.insert(MARK.into(), staged);
        });
    }

    fn stage(&self, key: &str, condition: Condition) -> Delivery {
        let id = DeliveryId { pool: "p".into(), sub: "anna".into(), key: key.into() };
        let delivery = Delivery { only_if: Some(condition), ..Delivery::new(id, to_anna(), self.bench.time()) };
        self.bench.stage(vec![delivery.clone()]);
        delivery
    }

    /// As a rule stages it at every sign-in: a delivery of its own each time, and the mark says which is the last.
    fn signs_in_and_stages(&self) -> Delivery {
        let staged = self.bench.time();
        self.member(|member| {
            member.signed_in(staged);
            member.marks.insert(MARK.into(), staged);
        });
        let id =
            DeliveryId { pool: "p".into(), sub: "anna".into(), key: format!("{MARK}/{}", staged.as_millisecond()) };
        let due = staged + days(60);
        let delivery = Delivery { only_if: Some(absent()), due, ..Delivery::new(id, to_anna(), staged) };
        self.bench.stage(vec![delivery.clone()]);
        delivery
    }

    /// Delivered, lapsed, put off, retried.
    fn sweep(&self) -> [usize; 4] {
        let round = self.bench.sweep();
        [round.done(), round.lapsed, round.put_off, round.retried]
    }
}

/// Who has this address and has proven it.
fn proven(sub: &str, email: &str) -> Attributes {
    [("sub", sub), ("email", email), ("email_verified", "true")].into_iter().collect()
}

fn without(attributes: &Attributes, name: &str) -> Attributes {
    attributes.iter().filter(|(other, _)| *other != name).collect()
}

const DELIVERED: [usize; 4] = [1, 0, 0, 0];
const LAPSED: [usize; 4] = [0, 1, 0, 0];
const PUT_OFF: [usize; 4] = [0, 0, 1, 0];
const NOTHING: [usize; 4] = [0; 4];

fn to_anna() -> Task {
    let context = json!({ "to": "anna" }).as_object().unwrap().clone();
    Task::Mail(Mail { context, ..Mail::new("win-back-absent", vec!["anna@example.com".parse().unwrap()]) })
}

fn subscribed() -> Condition {
    Condition::Subscribed { user_name: "Anna".into(), list: LIST.into() }
}

fn absent() -> Condition {
    let seconds = days(60).as_secs();
    Condition::Absent { user_name: "Anna".into(), list: LIST.into(), mark: MARK.into(), seconds }
}

#[test]
fn who_wants_the_mails_of_a_list_gets_them() {
    let stand = stand();
    stand.stage("nothing is remembered", subscribed());
    assert_eq!(stand.sweep(), DELIVERED);
    stand.unsubscribes("another list");
    stand.stage("another list", subscribed());
    assert_eq!(stand.sweep(), DELIVERED);
    stand.unsubscribes(LIST);
    stand.asked();
    stand.stage("unsubscribed", subscribed());
    assert_eq!((stand.sweep(), stand.asked()), (LAPSED, 0), "what the ledger knows costs no quota");
    stand.member(|member| member.unsubscribed.clear());
    stand.stage("wanted again", subscribed());
    assert_eq!(stand.sweep(), DELIVERED);
}

/// "Never to unsubscribed or disabled users"; and an old name may be somebody else's by now: "`sub` ... never changes", the name
/// may be given anew once its user is deleted.
#[test]
fn who_is_disabled_gone_or_somebody_else_by_now_gets_nothing() {
    let warning = StoppedClock::default().now();
    let conditions = [subscribed(), absent(), Condition::WarningStands { user_name: "Anna".into(), warning }];
    for (number, condition) in conditions.into_iter().enumerate() {
        let known = || {
            let stand = stand();
            stand.member(|member| {
                member.password.warning = Some(warning);
                member.last_sign_in = Some(warning - days(90));
                member.marks.insert(MARK.into(), warning);
            });
            stand.stage(&number.to_string(), condition.clone());
            stand
        };
        let there = known();
        assert_eq!(there.sweep(), DELIVERED, "{condition:?}");
        let disabled = known();
        disabled.user(|user| user.enabled = false);
        assert_eq!(disabled.sweep(), LAPSED, "{condition:?}, disabled");
        let another = known();
        another.user(|user| user.attributes = proven("another anna", "anna@example.com"));
        assert_eq!(another.sweep(), LAPSED, "{condition:?}, somebody else under the old name");
        let nameless = known();
        nameless.user(|user| user.attributes = without(&user.attributes, "sub"));
        assert_eq!(nameless.sweep(), LAPSED, "{condition:?}, without a `sub`");
        let gone = known();
        gone.gone();
        assert_eq!(gone.sweep(), LAPSED, "{condition:?}, gone");
        for stand in [disabled, another, nameless, gone] {
            assert_eq!(stand.bench.world.sent.lock().unwrap().len(), 0);
            assert_eq!(stand.bench.left(), []);
            assert_eq!(stand.asked(), 1);
        }
    }
}

#[test]
fn who_stays_away_is_written_to_once() {
    let stand = stand();
    stand.signs_in_and_stages();
    stand.bench.pass(days(60) - SignedDuration::from_secs(1));
    assert_eq!(stand.sweep(), NOTHING);
    stand.bench.pass(SignedDuration::from_secs(1));
    assert_eq!(stand.sweep(), DELIVERED);
    stand.bench.pass(days(600));
    assert_eq!(stand.sweep(), NOTHING);
}

#[test]
fn the_mail_says_since_when_somebody_is_absent() {
    let stand = stand();
    stand.signs_in_and_stages();
    stand.bench.pass(days(1) + SignedDuration::from_secs(5));
    let last = stand.bench.time();
    stand.member(|member| member.signed_in(last));
    stand.bench.pass(days(59));
    assert_eq!(stand.sweep(), PUT_OFF);
    // The courier comes late.
    stand.bench.pass(days(4));
    assert_eq!(stand.sweep(), DELIVERED);
    let sent = stand.bench.world.sent.lock().unwrap();
    let entries: Value = serde_json::from_slice(&sent[0].raw).unwrap();
    assert_eq!(entries, json!([{ "to": "anna", "last": last.to_string(), "days": 63 }]));
}

/// An address may have become somebody else's while a mail waited.
#[test]
fn what_was_staged_goes_to_no_address_but_the_users() {
    let warning = StoppedClock::default().now();
    for condition in [subscribed(), absent(), Condition::WarningStands { user_name: "Anna".into(), warning }] {
        let unproven = [("sub", "anna"), ("email", "anna@example.com"), ("email_verified", "false")];
        for attributes in [
            proven("anna", "anna@another.example"),
            proven("anna", "no address"),
            without(&proven("anna", "anna@example.com"), "email"),
            without(&proven("anna", "anna@example.com"), "email_verified"),
            unproven.into_iter().collect(),
        ] {
            let stand = stand();
            stand.member(|member| {
                member.password.warning = Some(warning);
                member.last_sign_in = Some(warning - days(90));
                member.marks.insert(MARK.into(), warning);
            });
            stand.stage("k", condition.clone());
            stand.user(|user| user.attributes = attributes);
            assert_eq!(stand.sweep(), LAPSED, "{condition:?}");
        }
    }
}

#[test]
fn a_sign_in_puts_off_what_waits_for_an_absence() {
    let stand = stand();
    let delivery = stand.signs_in_and_stages();
    // This one stages nothing: perhaps its rule is switched off by now, or came by another way.
    stand.bench.pass(days(59));
    let last = stand.bench.time();
    stand.member(|member| member.signed_in(last));
    stand.bench.pass(days(1));
    stand.asked();
    assert_eq!((stand.sweep(), stand.asked()), (PUT_OFF, 0), "nobody need be asked yet");
    let [waits] = &stand.bench.left()[..] else { panic!("it is gone") };
    assert_eq!(*waits, Delivery { due: last + days(60), lease: None, ..delivery });
    stand.bench.pass(days(58));
    assert_eq!(stand.sweep(), NOTHING, "it is not looked at before");
    stand.bench.pass(days(1));
    assert_eq!(stand.sweep(), DELIVERED);
}

#[test]
fn of_several_that_were_staged_only_the_last_counts() {
    let stand = stand();
    for _ in 0..3 {
        stand.signs_in_and_stages();
        stand.bench.pass(days(10));
    }
    assert_eq!(stand.bench.left().len(), 3);
    stand.bench.pass(days(30));
    assert_eq!(stand.sweep(), LAPSED, "superseded by a later one");
    stand.bench.pass(days(10));
    assert_eq!(stand.sweep(), LAPSED);
    stand.bench.pass(days(10));
    assert_eq!(stand.sweep(), DELIVERED);
    assert_eq!(stand.bench.world.sent.lock().unwrap().len(), 1);
}

#[test]
fn who_was_forgotten_or_wants_no_more_is_not_missed() {
    let stand = stand();
    stand.signs_in_and_stages();
    stand.bench.pass(days(60));
    stand.forgotten();
    assert_eq!((stand.sweep(), stand.asked()), (LAPSED, 0));
    stand.signs_in_and_stages();
    stand.unsubscribes(LIST);
    stand.bench.pass(days(60));
    assert_eq!((stand.sweep(), stand.asked()), (LAPSED, 0));
    // The mark of another delivery is not taken for its own.
    stand.signs_in_and_stages();
    stand.member(|member| {
        member.unsubscribed.clear();
        let mark = member.marks.remove(MARK).unwrap();
        member.marks.insert("another".into(), mark);
    });
    stand.bench.pass(days(60));
    assert_eq!((stand.sweep(), stand.asked()), (LAPSED, 0));
}

/// Somebody whose last sign-in nobody noted is absent since it was staged.
#[test]
fn without_a_sign_in_the_absence_begins_where_it_was_staged() {
    let stand = stand();
    let staged = stand.bench.time();
    stand.marks(staged);
    stand.stage("k", absent());
    assert_eq!(stand.sweep(), PUT_OFF);
    assert_eq!(stand.bench.left()[0].due, staged + days(60));
    stand.bench.pass(days(60));
    assert_eq!(stand.sweep(), DELIVERED);
}

#[test]
fn what_was_put_off_keeps_its_attempts() {
    let stand = stand();
    let delivery = stand.signs_in_and_stages();
    stand.bench.pass(days(60));
    // It has failed twice, and before it is tried again Anna is back.
    let lease = Courier::lease(&LeaseId::random().unwrap(), stand.bench.time()).unwrap();
    now(stand.bench.ledger.lease(std::slice::from_ref(&delivery.id), &lease)).unwrap();
    let failing_since = Some(stand.bench.time());
    let later = Fate::Later { due: stand.bench.time(), attempts: 2, failing_since, fault: "no".into() };
    assert!(now(stand.bench.ledger.settle(&delivery.id, &lease.id, &later)).unwrap());
    let back = stand.bench.time();
    stand.member(|member| member.signed_in(back));
    assert_eq!(stand.sweep(), PUT_OFF);
    let [waits] = &stand.bench.left()[..] else { panic!("it is gone") };
    let expected = (2, failing_since, Some("no"), None);
    assert_eq!((waits.attempts, waits.failing_since, waits.fault.as_deref(), waits.lease.clone()), expected);
    assert_eq!(waits.due, back + days(60));
}

#[test]
fn what_another_courier_has_by_now_is_not_put_off() {
    /// By the time it is settled the lease is somebody else's.
    struct Late(Arc<MemoryLedger>);

    #[async_trait]
    impl Ledger for Late {
        async fn read(&self, wants: &Wants) -> Result<crate::ledger::Reading, Fault> {
            self.0.read(wants).await
        }

        async fn commit(&self, change: &Change) -> Result<crate::ledger::Committed, Fault> {
            self.0.commit(change).await
        }

        async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault> {
            self.0.acknowledge(deliveries).await
        }
    }

    #[async_trait]
    impl Outbox for Late {
        async fn lease_due(&self, lease: &Lease, most: usize) -> Result<Vec<Delivery>, Fault> {
            self.0.lease_due(lease, most).await
        }

        async fn lease(&self, deliveries: &[DeliveryId], lease: &Lease) -> Result<Vec<Delivery>, Fault> {
            self.0.lease(deliveries, lease).await
        }

        async fn settle(&self, delivery: &DeliveryId, _: &LeaseId, fate: &Fate) -> Result<bool, Fault> {
            self.0.settle(delivery, &LeaseId::stored("another"), fate).await
        }

        async fn backlog(&self, now: Timestamp) -> Result<Backlog, Fault> {
            self.0.backlog(now).await
        }
    }

    let mut stand = stand();
    stand.bench.courier.outbox = Arc::new(Late(Arc::clone(&stand.bench.ledger)));
    stand.signs_in_and_stages();
    stand.bench.pass(days(60));
    let back = stand.bench.time();
    stand.member(|member| member.signed_in(back));
    let round = stand.bench.sweep();
    assert_eq!((round.put_off, round.done(), round.failures.len()), (0, 0, 1));
    assert_eq!(round.failures[0].fault, "the lease had ended before the try did");
}

#[test]
fn a_warning_that_was_replaced_or_lifted_is_not_sent() {
    let stand = stand();
    let at = stand.bench.time();
    let warning = |warning| Condition::WarningStands { user_name: "Anna".into(), warning };
    stand.stage("nothing is remembered", warning(at));
    assert_eq!((stand.sweep(), stand.asked()), (LAPSED, 0));
    stand.member(|member| member.password.warning = Some(at));
    stand.stage("stands", warning(at));
    assert_eq!((stand.sweep(), stand.asked()), (DELIVERED, 1));
    // A new password was chosen, and its warning is another.
    stand.member(|member| member.password.warning = Some(at + days(90)));
    stand.stage("replaced", warning(at));
    assert_eq!((stand.sweep(), stand.asked()), (LAPSED, 0));
    stand.member(|member| member.password.warning = None);
    stand.stage("lifted", warning(at + days(90)));
    assert_eq!((stand.sweep(), stand.asked()), (LAPSED, 0));
}

#[test]
fn where_nobody_can_be_asked_it_is_tried_again() {
    let stand = stand_with(true);
    stand.stage("k", subscribed());
    assert_eq!(stand.sweep(), [0, 0, 0, 1]);
    let [waits] = &stand.bench.left()[..] else { panic!("it is gone") };
    assert_eq!((waits.attempts, waits.parked), (1, None));
    assert_eq!(stand.bench.world.sent.lock().unwrap().len(), 0);
}

/// Each asks the directory, whose quota is shared.
#[test]
fn those_with_conditions_are_asked_about_one_after_the_other() {
    let stand = stand();
    let before = stand.bench.time();
    for number in 0..30 {
        stand.stage(&number.to_string(), subscribed());
    }
    assert_eq!(stand.sweep(), [30, 0, 0, 0]);
    assert!(stand.bench.time().duration_since(before) >= SignedDuration::from_secs(2), "more than 15 in a second");
}

#[test]
fn entries_of_a_digest_are_judged_one_by_one() {
    let stand = stand();
    let entry = |number: usize, only_if: Option<Condition>| {
        let id = DeliveryId { pool: "p".into(), sub: "anna".into(), key: format!("digest/{number}") };
        let Task::Mail(mail) = mail(&number.to_string(), Some("day/1")) else { panic!("no mail") };
        let mail = Mail { to: vec!["anna@example.com".parse().unwrap()], ..mail };
        Delivery { only_if, ..Delivery::new(id, Task::Mail(mail), stand.bench.time()) }
    };
    let unwanted = Condition::Subscribed { user_name: "nobody".into(), list: LIST.into() };
    let staged = stand.bench.time();
    stand.marks(staged);
    // What waits for an absence is a mail of its own: it may be put off.
    let all = [None, Some(unwanted), Some(subscribed()), Some(absent())];
    stand.bench.stage(all.into_iter().enumerate().map(|(number, only_if)| entry(number, only_if)).collect());
    assert_eq!(stand.sweep(), [3, 0, 1, 0]);
    let sent = stand.bench.world.sent.lock().unwrap();
    let [message] = sent.as_slice() else { panic!("{} mails", sent.len()) };
    let entries: Vec<Value> = serde_json::from_slice(&message.raw).unwrap();
    assert_eq!(entries.iter().map(|entry| entry["to"].as_str().unwrap()).collect::<Vec<_>>(), ["0", "2"]);
}
