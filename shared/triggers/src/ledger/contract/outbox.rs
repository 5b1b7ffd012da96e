//! What every outbox promises the couriers: a delivery is worked on by one of them at a time, and none is ever lost.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Case, Clause, clauses, counting};
use crate::Mailbox;
use crate::ledger::{
    Backlog, Condition, Delivery, DeliveryId, Fate, FileSource, Files, Lease, LeaseId, Mail, Task, UserEvent,
};
use crate::links::{LinkPurpose, LinkWish};

clauses! {
    once:
        what_is_due_is_leased
        what_is_due_later_is_not_leased
        the_oldest_are_leased_before_the_newest
        no_more_are_leased_than_asked_for
        three_hundred_are_all_leased
        a_lease_that_ended_is_free_again
        an_old_lease_settles_nothing
        a_delivery_is_put_off
        a_delivery_that_was_not_due_waits
        what_waits_may_wait_again
        every_settlement_replaces_the_one_before
        a_parked_delivery_is_never_leased
        a_parked_delivery_is_redriven
        a_waiting_delivery_is_redriven
        what_is_worked_on_is_not_redriven
        what_is_not_there_is_not_redriven
        what_is_leased_or_parked_can_be_acknowledged
        what_is_gone_is_not_settled
        of_those_named_the_due_ones_are_leased
        what_is_born_leased_waits_for_its_lease
        what_is_left_is_counted
        a_leased_delivery_is_not_stored_anew
        a_parked_delivery_is_not_stored_anew
        every_kind_of_delivery_is_leased_as_it_was_stored
        the_state_of_a_delivery_is_stored_with_it
        deliveries_of_two_pools_do_not_meet;
    rounds:
        a_due_delivery_is_leased_once
        a_named_delivery_is_leased_once
        a_late_settlement_and_a_new_lease_do_not_mix
        a_delivery_is_redriven_or_settled;
}

/// When these clauses take place: 1 January 1900.
const THEN: Timestamp = Timestamp::constant(-2_208_988_800, 0);

/// So many couriers ask at once.
const COURIERS: usize = 12;

fn at(seconds: i64) -> Timestamp {
    THEN + SignedDuration::from_secs(seconds)
}

/// A new lease, taken at this time for a minute.
fn lease(seconds: i64) -> Lease {
    Lease { id: LeaseId::random().unwrap(), now: at(seconds), until: at(seconds + 60) }
}

fn later(due: i64, attempts: u32, failing_since: Option<i64>) -> Fate {
    let fault = format!("it failed {attempts} times, äh");
    Fate::Later { due: at(due), attempts, failing_since: failing_since.map(at), fault }
}

fn parked(seconds: i64) -> Fate {
    Fate::Parked { at: at(seconds), attempts: 7, fault: "no such address".into() }
}

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id.clone()).collect()
}

fn keys(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.id.key.as_str()).collect()
}

/// What somebody has who took the lease.
fn leased(delivery: &Delivery, lease: &Lease) -> Delivery {
    Delivery { lease: Some(lease.id.clone()), due: lease.until, ..delivery.clone() }
}

impl Case {
    /// A delivery that was staged at the beginning and is due so many seconds later.
    fn due(&self, key: &str, seconds: i64) -> Delivery {
        let id = DeliveryId { pool: self.pool.clone(), sub: "anna".into(), key: key.into() };
        let event = UserEvent { id: key.into(), name: "user.confirmed".into(), time: THEN, detail: Default::default() };
        Delivery { due: at(seconds), ..Delivery::new(id, Task::Publish(event), THEN) }
    }

    /// Stores them.
    async fn stage(&self, deliveries: &[Delivery]) {
        for some in deliveries.chunks(90) {
            let change = some.iter().cloned().fold(self.change(), |change, delivery| change.deliver(delivery));
            self.done(&change).await;
        }
    }

    /// Stores one and leases it.
    async fn stage_leased(&self, key: &str, lease: &Lease) -> Delivery {
        let delivery = self.due(key, 0);
        self.stage(std::slice::from_ref(&delivery)).await;
        assert_eq!(self.lease(&[&delivery], lease).await, [leased(&delivery, lease)]);
        leased(&delivery, lease)
    }

    async fn lease(&self, deliveries: &[&Delivery], lease: &Lease) -> Vec<Delivery> {
        let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.id.clone()).collect();
        self.ledger().lease(&ids, lease).await.expect("a lease faulted")
    }

    /// What is leased of this clause's own.
    async fn lease_due(&self, lease: &Lease, most: usize) -> Vec<Delivery> {
        let mut leased = self.ledger().lease_due(lease, most).await.expect("a lease faulted");
        leased.retain(|delivery| delivery.id.pool == self.pool);
        leased
    }

    async fn settle(&self, delivery: &Delivery, lease: &Lease, fate: &Fate) -> bool {
        self.ledger().settle(&delivery.id, &lease.id, fate).await.expect("settling faulted")
    }

    async fn redrive(&self, delivery: &Delivery, seconds: i64) -> bool {
        self.ledger().redrive(&delivery.id, at(seconds)).await.expect("redriving faulted")
    }

    async fn backlog(&self, seconds: i64) -> Backlog {
        self.ledger().backlog(at(seconds)).await.expect("the backlog could not be counted")
    }
}

async fn what_is_due_is_leased(case: Case) {
    let (older, newer) = (case.due("older", 0), case.due("newer", 5));
    case.stage(&[newer.clone(), older.clone()]).await;
    let (lease, another) = (lease(10), lease(10));
    let expected = [leased(&older, &lease), leased(&newer, &lease)];
    let mut found = case.lease_due(&lease, 10).await;
    // What is due about as long may come in any order.
    found.sort_by_key(|delivery| delivery.id.key == "newer");
    assert_eq!(found, expected);
    assert_eq!(case.lease_due(&lease, 10).await, [], "the same courier got them twice");
    assert_eq!(case.lease_due(&another, 10).await, [], "two couriers got them");
    let mut stored = case.deliveries().await;
    stored.sort_by_key(|delivery| delivery.id.key == "newer");
    assert_eq!(stored, expected);
}

async fn what_is_due_later_is_not_leased(case: Case) {
    let due =
        |key, milliseconds| Delivery { due: at(10) + SignedDuration::from_millis(milliseconds), ..case.due(key, 0) };
    let (now, later) = (due("now", 0), due("later", 1));
    case.stage(&[now.clone(), later.clone()]).await;
    assert_eq!(case.lease_due(&lease(9), 10).await, []);
    assert_eq!(case.lease(&[&now, &later], &lease(9)).await, []);
    assert_eq!(keys(&case.lease_due(&lease(10), 10).await), ["now"]);
    assert_eq!(case.lease(&[&later], &lease(10)).await, []);
    assert!(case.deliveries().await.contains(&later));
}

/// About in the order they are due: it is only the order of what is due about as long that is free.
async fn the_oldest_are_leased_before_the_newest(case: Case) {
    let deliveries: Vec<_> = (0..200).map(|number| case.due(&format!("{number}"), (number * 77) % 200)).collect();
    case.stage(&deliveries).await;
    let leased = case.lease_due(&lease(1_000), 40).await;
    let due: BTreeMap<_, _> = deliveries.iter().map(|delivery| (&delivery.id, delivery.due)).collect();
    let newest = leased.iter().map(|delivery| due[&delivery.id]).max();
    assert!(
        newest.is_some_and(|newest| newest < at(120)),
        "of 200 the 40 oldest were wanted, and got one of {newest:?}"
    );
}

async fn no_more_are_leased_than_asked_for(case: Case) {
    let deliveries: Vec<_> = (0..12).map(|number| case.due(&format!("{number}"), 0)).collect();
    case.stage(&deliveries).await;
    let mut left: BTreeSet<_> = ids(&deliveries).into_iter().collect();
    for (most, expected) in [(0, 0), (1, 1), (5, 5), (10, 6), (10, 0)] {
        let leased = case.ledger().lease_due(&lease(10), most).await.unwrap();
        assert!(leased.len() <= most, "{} were leased, not {most}", leased.len());
        let mine = ids(&leased).into_iter().filter(|id| left.remove(id)).count();
        assert_eq!(mine, expected, "of those due, at most {most} at a time");
    }
}

async fn three_hundred_are_all_leased(case: Case) {
    let deliveries: Vec<_> = (0..300).map(|number| case.due(&format!("{number}"), number % 7)).collect();
    case.stage(&deliveries).await;
    let mut left: BTreeSet<_> = ids(&deliveries).into_iter().collect();
    let lease = lease(10);
    loop {
        let leased = case.lease_due(&lease, 40).await;
        if leased.is_empty() {
            break;
        }
        for delivery in leased {
            assert!(left.remove(&delivery.id), "{:?} was leased twice", delivery.id);
        }
    }
    assert_eq!(left.len(), 0, "these were not leased: {left:?}");
}

async fn a_lease_that_ended_is_free_again(case: Case) {
    let (first, second, third) = (lease(0), lease(60), lease(120));
    let delivery = case.stage_leased("k", &first).await;
    assert_eq!(case.lease_due(&lease(59), 10).await, []);
    assert_eq!(case.lease(&[&delivery], &lease(59)).await, []);
    assert_eq!(case.lease_due(&second, 10).await, [leased(&delivery, &second)]);
    assert_eq!(case.lease(&[&delivery], &third).await, [leased(&delivery, &third)]);
}

async fn an_old_lease_settles_nothing(case: Case) {
    let (first, second) = (lease(0), lease(60));
    let delivery = case.stage_leased("k", &first).await;
    case.lease_due(&second, 10).await;
    for fate in [later(999, 1, Some(0)), parked(61)] {
        assert!(!case.settle(&delivery, &first, &fate).await, "the lease had been taken over");
        assert_eq!(case.deliveries().await, [leased(&delivery, &second)]);
    }
    assert!(case.settle(&delivery, &second, &later(999, 1, Some(0))).await);
    // Settled once, it is nobody's any more.
    assert!(!case.settle(&delivery, &second, &parked(61)).await);
    assert_eq!(case.deliveries().await, [later(999, 1, Some(0)).of(delivery)]);
}

async fn a_delivery_is_put_off(case: Case) {
    let first = lease(0);
    let delivery = case.stage_leased("k", &first).await;
    let fate = later(90, 1, Some(0));
    assert!(case.settle(&delivery, &first, &fate).await);
    let expected = Delivery {
        due: at(90),
        attempts: 1,
        failing_since: Some(at(0)),
        fault: Some("it failed 1 times, äh".into()),
        lease: None,
        ..delivery
    };
    assert_eq!(case.deliveries().await, std::slice::from_ref(&expected));
    assert_eq!(case.lease_due(&lease(89), 10).await, []);
    let second = lease(90);
    assert_eq!(case.lease_due(&second, 10).await, [leased(&expected, &second)]);
}

/// It was asked whether it is wanted, and it is not yet: nothing was tried, so nothing failed.
async fn a_delivery_that_was_not_due_waits(case: Case) {
    let first = lease(0);
    let delivery = case.stage_leased("k", &first).await;
    // It has failed before.
    assert!(case.settle(&delivery, &first, &later(30, 4, Some(2))).await);
    let failed = later(30, 4, Some(2)).of(delivery);
    let (second, stranger) = (lease(30), lease(30));
    assert_eq!(case.lease(&[&failed], &second).await.len(), 1);
    let waiting = Fate::Waiting { due: at(5_000) };
    assert!(!case.settle(&failed, &stranger, &waiting).await, "somebody else works on it");
    assert!(case.settle(&failed, &second, &waiting).await);
    let expected = Delivery { due: at(5_000), lease: None, ..failed.clone() };
    assert_eq!((expected.attempts, expected.failing_since), (4, Some(at(2))));
    assert_eq!(case.deliveries().await, std::slice::from_ref(&expected));
    for seconds in [31, 4_999] {
        assert_eq!(case.lease_due(&lease(seconds), 10).await, [], "it is due at {seconds}");
        assert_eq!(case.lease(&[&expected], &lease(seconds)).await, []);
    }
    assert!(!case.settle(&expected, &second, &parked(32)).await, "its lease is free");
    let third = lease(5_000);
    assert_eq!(case.lease_due(&third, 10).await, [leased(&expected, &third)]);
    case.ledger().acknowledge(std::slice::from_ref(&expected.id)).await.unwrap();
    assert!(!case.settle(&expected, &third, &waiting).await);
    assert_eq!(case.deliveries().await, [], "what was carried out came back");
}

/// Earlier or later, and an operator need not wait for it.
async fn what_waits_may_wait_again(case: Case) {
    let before = case.backlog(300).await;
    let mut delivery = case.due("k", 0);
    case.stage(std::slice::from_ref(&delivery)).await;
    for (seconds, due) in [(0, 100), (100, 9_000)] {
        let lease = lease(seconds);
        assert_eq!(case.lease_due(&lease, 10).await, [leased(&delivery, &lease)]);
        let waiting = Fate::Waiting { due: at(due) };
        assert!(case.settle(&delivery, &lease, &waiting).await);
        delivery = waiting.of(delivery);
        assert_eq!(case.deliveries().await, std::slice::from_ref(&delivery));
    }
    assert_eq!(case.backlog(300).await, before, "what waits is not due");
    assert!(case.redrive(&delivery, 200).await, "nobody works on it");
    let lease = lease(300);
    assert_eq!(case.lease_due(&lease, 10).await, [leased(&delivery.redriven(at(200)), &lease)]);
}

async fn every_settlement_replaces_the_one_before(case: Case) {
    let mut delivery = case.due("k", 0);
    case.stage(std::slice::from_ref(&delivery)).await;
    let fates = [later(100, 1, Some(3)), later(200, 2, Some(3)), later(300, 2, None), later(250, 0, Some(9))];
    for (fate, seconds) in fates.iter().zip([0, 100, 200, 300]) {
        let lease = lease(seconds);
        assert_eq!(case.lease(&[&delivery], &lease).await, [leased(&delivery, &lease)]);
        assert!(case.settle(&delivery, &lease, fate).await);
        delivery = fate.of(delivery);
        assert_eq!(case.deliveries().await, std::slice::from_ref(&delivery));
    }
}

async fn a_parked_delivery_is_never_leased(case: Case) {
    let before = case.backlog(1_000_000).await;
    let first = lease(0);
    let delivery = case.stage_leased("k", &first).await;
    assert!(case.settle(&delivery, &first, &parked(20)).await);
    let expected = Delivery {
        due: at(20),
        attempts: 7,
        fault: Some("no such address".into()),
        lease: None,
        parked: Some(at(20)),
        ..delivery.clone()
    };
    assert_eq!(case.deliveries().await, [expected], "a parked delivery is still to be seen");
    for seconds in [20, 1_000_000] {
        assert_eq!(case.lease_due(&lease(seconds), 10).await, []);
        assert_eq!(case.lease(&[&delivery], &lease(seconds)).await, []);
    }
    assert_eq!(case.backlog(1_000_000).await, Backlog { parked: before.parked + 1, ..before });
}

async fn a_parked_delivery_is_redriven(case: Case) {
    let before = case.backlog(500).await;
    let first = lease(0);
    let mut delivery = case.stage_leased("k", &first).await;
    // What it went through before it was parked is forgotten too.
    assert!(case.settle(&delivery, &first, &later(100, 3, Some(9))).await);
    delivery = later(100, 3, Some(9)).of(delivery);
    let second = lease(100);
    assert_eq!(case.lease_due(&second, 10).await.len(), 1);
    assert!(case.settle(&delivery, &second, &parked(120)).await);
    delivery = parked(120).of(delivery);
    assert!(case.redrive(&delivery, 500).await);
    let expected = Delivery { due: at(500), attempts: 0, failing_since: None, parked: None, ..delivery };
    assert_eq!(expected.fault.as_deref(), Some("no such address"), "why it was parked is still of interest");
    assert_eq!(case.deliveries().await, std::slice::from_ref(&expected));
    assert_eq!(
        case.backlog(500).await,
        Backlog { due: before.due + 1, oldest: before.oldest.or(Some(at(500))), ..before }
    );
    let third = lease(500);
    assert_eq!(case.lease_due(&third, 10).await, [leased(&expected, &third)]);
    assert!(case.settle(&expected, &third, &parked(510)).await);
    assert!(case.redrive(&expected, 520).await, "it can be parked and redriven again");
    assert_eq!(case.lease_due(&lease(520), 10).await.len(), 1);
}

async fn a_waiting_delivery_is_redriven(case: Case) {
    let waiting =
        Delivery { attempts: 4, failing_since: Some(at(1)), fault: Some("down".into()), ..case.due("k", 900) };
    case.stage(std::slice::from_ref(&waiting)).await;
    assert!(case.redrive(&waiting, 10).await);
    let expected = Delivery { due: at(10), attempts: 0, failing_since: None, ..waiting };
    assert_eq!(case.deliveries().await, std::slice::from_ref(&expected));
    let lease = lease(10);
    assert_eq!(case.lease_due(&lease, 10).await, [leased(&expected, &lease)]);
}

async fn what_is_worked_on_is_not_redriven(case: Case) {
    let delivery = case.stage_leased("k", &lease(0)).await;
    for seconds in [0, 59] {
        assert!(!case.redrive(&delivery, seconds).await, "somebody works on it");
        assert_eq!(case.deliveries().await, std::slice::from_ref(&delivery));
    }
    assert!(case.redrive(&delivery, 60).await, "its lease has ended");
    assert_eq!(case.deliveries().await, [Delivery { due: at(60), lease: None, ..delivery }]);
}

async fn what_is_not_there_is_not_redriven(case: Case) {
    case.done(&case.change().write("anna", 0, &counting(1))).await;
    let delivery = case.due("k", 0);
    assert!(!case.redrive(&delivery, 10).await);
    let done = case.stage_leased("done", &lease(0)).await;
    case.ledger().acknowledge(&ids(std::slice::from_ref(&done))).await.unwrap();
    assert!(!case.redrive(&done, 1_000).await);
    assert_eq!(case.deliveries().await, []);
}

async fn what_is_leased_or_parked_can_be_acknowledged(case: Case) {
    let before = case.backlog(1_000).await;
    let held = lease(0);
    let leased = case.stage_leased("leased", &held).await;
    let stopped = case.stage_leased("parked", &held).await;
    assert!(case.settle(&stopped, &held, &parked(10)).await);
    case.ledger().acknowledge(&ids(&[leased.clone(), stopped])).await.unwrap();
    assert_eq!(case.deliveries().await, []);
    assert_eq!(case.backlog(1_000).await, before);
    assert_eq!(case.lease_due(&lease(1_000), 10).await, []);
    assert_eq!(case.lease(&[&leased], &lease(1_000)).await, []);
}

async fn what_is_gone_is_not_settled(case: Case) {
    let held = lease(0);
    let delivery = case.stage_leased("k", &held).await;
    case.ledger().acknowledge(std::slice::from_ref(&delivery.id)).await.unwrap();
    assert!(!case.settle(&delivery, &held, &later(100, 1, None)).await);
    assert!(!case.settle(&delivery, &held, &parked(100)).await);
    assert_eq!(case.deliveries().await, [], "what was carried out came back");
}

async fn of_those_named_the_due_ones_are_leased(case: Case) {
    let held = lease(0);
    let taken = case.stage_leased("taken", &held).await;
    let stopped = case.stage_leased("parked", &held).await;
    assert!(case.settle(&stopped, &held, &parked(5)).await);
    let (one, two, later, unnamed) =
        (case.due("one", 0), case.due("two", 10), case.due("later", 11), case.due("unnamed", 0));
    case.stage(&[one.clone(), two.clone(), later.clone(), unnamed.clone()]).await;
    let missing = case.due("missing", 0);
    let lease = lease(10);
    let mut found = case.lease(&[&two, &taken, &stopped, &one, &later, &missing, &one], &lease).await;
    found.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(found, [leased(&one, &lease), leased(&two, &lease)]);
    assert_eq!(case.lease(&[], &lease).await, []);
    let stored = case.deliveries().await;
    assert_eq!(stored.len(), 6, "{stored:?}");
    for untouched in [&taken, &later, &unnamed] {
        assert!(stored.contains(untouched), "{untouched:?}");
    }
}

/// So is stored what the function that staged it carries out itself.
async fn what_is_born_leased_waits_for_its_lease(case: Case) {
    let born = lease(0);
    let delivery = leased(&case.due("k", 0), &born);
    case.stage(std::slice::from_ref(&delivery)).await;
    assert_eq!(case.deliveries().await, std::slice::from_ref(&delivery));
    assert_eq!(case.lease_due(&lease(59), 10).await, []);
    assert_eq!(case.lease(&[&delivery], &lease(59)).await, []);
    assert!(!case.redrive(&delivery, 59).await);
    let courier = lease(60);
    assert_eq!(case.lease_due(&courier, 10).await, [leased(&delivery, &courier)]);
    assert!(!case.settle(&delivery, &born, &parked(61)).await);
}

async fn what_is_left_is_counted(case: Case) {
    let (early, before) = (case.backlog(4).await, case.backlog(100).await);
    let millis = SignedDuration::from_millis(250);
    let oldest = Delivery { due: at(5) + millis, ..case.due("oldest", 0) };
    let more: Vec<_> = (0..20).map(|number| case.due(&format!("{number}"), 10 + number)).collect();
    case.stage(&[&[oldest.clone(), case.due("at once", 100), case.due("not yet", 101)], more.as_slice()].concat())
        .await;
    let expected = Backlog { due: before.due + 22, oldest: before.oldest.or(Some(oldest.due)), parked: before.parked };
    assert_eq!(case.backlog(100).await, expected);
    assert_eq!(case.backlog(4).await, early);
    // What somebody works on is not due, what is parked is neither.
    let held = lease(50);
    assert_eq!(case.lease(&[&more[0], &more[1], &more[2]], &held).await.len(), 3);
    assert!(case.settle(&more[1], &held, &parked(60)).await);
    assert!(case.settle(&more[2], &held, &later(70, 1, Some(60))).await);
    assert_eq!(case.backlog(100).await, Backlog { due: expected.due - 2, parked: expected.parked + 1, ..expected });
    // Its lease has ended; and "not yet" is due.
    assert_eq!(case.backlog(110).await, Backlog { due: expected.due, parked: expected.parked + 1, ..expected });
}

async fn a_leased_delivery_is_not_stored_anew(case: Case) {
    let held = lease(0);
    let delivery = case.stage_leased("k", &held).await;
    let again = case.change().write("anna", 0, &counting(1)).deliver(case.due("k", 0)).deliver(case.due("new", 500));
    case.done(&again).await;
    assert_eq!(case.deliveries().await, [delivery.clone(), case.due("new", 500)]);
    assert!(case.member("anna").await.is_some(), "the rest of the change is missing");
    assert_eq!(case.lease_due(&lease(10), 10).await, []);
    assert!(case.settle(&delivery, &held, &later(90, 1, None)).await, "it lost its lease");
}

async fn a_parked_delivery_is_not_stored_anew(case: Case) {
    let held = lease(0);
    let delivery = case.stage_leased("k", &held).await;
    assert!(case.settle(&delivery, &held, &parked(10)).await);
    case.done(&case.change().deliver(case.due("k", 0))).await;
    assert_eq!(case.deliveries().await, [parked(10).of(delivery)]);
    assert_eq!(case.lease_due(&lease(100), 10).await, []);
}

fn everything(case: &Case) -> Vec<Delivery> {
    let mailbox = |text: &str| text.parse::<Mailbox>().unwrap();
    let context = json!({
        "user": { "name": "Änne \u{1f600}", "quote": "\"\\\n\u{0}", "empty": "" },
        "numbers": [0, -1, 0.5, 1e300, u64::MAX, i64::MIN], "nothing": null, "nested": [[{}], true],
    });
    let context = context.as_object().unwrap().clone();
    let full = Mail {
        template: "welcome-email".into(),
        to: vec![mailbox("Änne Müller <anna@example.com>"), mailbox("bea@example.com")],
        from: Some(mailbox("Acme <hello@acme.example>")),
        reply_to: vec![mailbox("help@acme.example")],
        locales: vec!["de-AT".into(), "en".into()],
        context: context.clone(),
        digest: Some("2100-01-01T00".into()),
        links: [("stop".to_owned(), LinkWish { purpose: LinkPurpose::Unsubscribe, about: "news".into(), days: 7 })]
            .into(),
        unsubscribe: Some("stop".into()),
    };
    let plain = Mail {
        from: None,
        reply_to: Vec::new(),
        locales: Vec::new(),
        context: Default::default(),
        digest: None,
        links: Default::default(),
        unsubscribe: None,
        ..full.clone()
    };
    let files = |from| Task::Files(Files { from, to: "users/anna/".into(), context: context.clone() });
    let attributes: BTreeMap<_, _> = [("nickname", "Änne \u{1f600}"), ("custom:empty", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let time = at(0) + SignedDuration::from_nanos(123_456_789);
    let event = UserEvent { id: "e-1".into(), name: "user.confirmed".into(), time, detail: context.clone() };
    let tasks = [
        Task::UpdateAttributes { user_name: "anna@example.com".into(), attributes },
        Task::Mail(full),
        Task::Mail(plain),
        files(FileSource::Folder("provision/".into())),
        files(FileSource::Prefix("template/".into())),
        Task::Publish(event),
    ];
    let condition = |number| {
        let (user_name, list) = (format!("änna-{number}"), "win-back".to_owned());
        match number % 5 {
            0 => None,
            1 => Some(Condition::CreatedSince { user_name, since: time }),
            2 => Some(Condition::Subscribed { user_name, list }),
            3 => Some(Condition::Absent { user_name, list, mark: "win-back/absent".into(), seconds: i64::MAX }),
            _ => Some(Condition::WarningStands { user_name, warning: time }),
        }
    };
    let delivery = |(number, task)| {
        let id = DeliveryId { pool: case.pool.clone(), sub: "sub".into(), key: format!("rule/{number}/Änne #%") };
        Delivery {
            only_if: condition(number),
            due: at(10) + SignedDuration::from_millis(number),
            ..Delivery::new(id, task, time)
        }
    };
    (0..).zip(tasks).map(delivery).collect()
}

async fn every_kind_of_delivery_is_leased_as_it_was_stored(case: Case) {
    let stored = everything(&case);
    case.stage(&stored).await;
    assert_eq!(case.deliveries().await, stored);
    let sorted = |mut deliveries: Vec<Delivery>| {
        deliveries.sort_by(|one, other| one.id.cmp(&other.id));
        deliveries
    };
    let by_name = lease(20);
    let all: Vec<_> = stored.iter().collect();
    let expected: Vec<_> = stored.iter().map(|delivery| leased(delivery, &by_name)).collect();
    assert_eq!(sorted(case.lease(&all, &by_name).await), expected);
    let by_time = lease(80);
    let expected: Vec<_> = stored.iter().map(|delivery| leased(delivery, &by_time)).collect();
    assert_eq!(sorted(case.lease_due(&by_time, 100).await), expected);
    for delivery in &stored {
        assert!(case.settle(delivery, &by_time, &later(200, 1, Some(85))).await);
    }
    let expected: Vec<_> = stored.into_iter().map(|delivery| later(200, 1, Some(85)).of(delivery)).collect();
    assert_eq!(sorted(case.deliveries().await), expected);
}

async fn the_state_of_a_delivery_is_stored_with_it(case: Case) {
    let born = lease(0);
    let tried = Delivery {
        lease: Some(born.id.clone()),
        attempts: 3,
        failing_since: Some(at(-100) + SignedDuration::from_nanos(1)),
        fault: Some("Ä \"quoted\" fault".into()),
        ..case.due("tried", 30)
    };
    let stopped = Delivery { parked: Some(at(7)), ..Delivery { id: case.due("parked", 0).id, ..tried.clone() } };
    let fresh = case.due("fresh", 50);
    let before = case.backlog(100).await;
    case.stage(&[fresh.clone(), tried.clone(), stopped.clone()]).await;
    let stored = case.deliveries().await;
    assert_eq!(stored.len(), 3);
    for expected in [&fresh, &tried, &stopped] {
        assert!(stored.contains(expected), "{expected:?} became one of {stored:?}");
    }
    assert_eq!(
        case.backlog(100).await,
        Backlog { due: before.due + 2, oldest: before.oldest.or(Some(at(30))), parked: before.parked + 1 }
    );
    let courier = lease(100);
    let mut found = case.lease_due(&courier, 10).await;
    found.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(found, [leased(&fresh, &courier), leased(&tried, &courier)]);
}

async fn deliveries_of_two_pools_do_not_meet(case: Case) {
    // The name of one begins with that of the other.
    let other = Case { pool: format!("{}_x", case.pool), ..case.clone() };
    let (mine, theirs) = (case.due("k", 0), other.due("k", 0));
    case.stage(std::slice::from_ref(&mine)).await;
    other.stage(std::slice::from_ref(&theirs)).await;
    let first = lease(10);
    assert_eq!(case.lease(&[&mine], &first).await, [leased(&mine, &first)]);
    assert_eq!(other.deliveries().await, std::slice::from_ref(&theirs));
    // A courier works for all pools.
    let second = lease(70);
    let both: BTreeSet<_> = ids(&case.ledger().lease_due(&second, 100).await.unwrap()).into_iter().collect();
    assert!(both.contains(&mine.id) && both.contains(&theirs.id), "{both:?}");
    assert!(case.settle(&mine, &second, &parked(80)).await);
    assert_eq!(other.deliveries().await, [leased(&theirs, &second)]);
    case.ledger().acknowledge(&[mine.id]).await.unwrap();
    assert_eq!(case.deliveries().await, []);
    assert_eq!(other.deliveries().await.len(), 1);
    other.put_away().await;
}

async fn a_due_delivery_is_leased_once(case: Case) {
    let deliveries: Vec<_> = (0..40).map(|number| case.due(&format!("{number}"), number)).collect();
    case.stage(&deliveries).await;
    let shares = case
        .at_once(COURIERS, |_, case| async move {
            let lease = lease(100);
            let mut share = Vec::new();
            loop {
                let leased = case.lease_due(&lease, 10).await;
                assert!(leased.iter().all(|delivery| delivery.lease.as_ref() == Some(&lease.id)));
                if leased.is_empty() {
                    return (lease, share);
                }
                share.extend(ids(&leased));
            }
        })
        .await;
    let mut holders = BTreeMap::new();
    for (lease, share) in shares {
        for id in share {
            let before = holders.insert(id.clone(), lease.id.clone());
            assert_eq!(before, None, "{id:?} was leased by two couriers, or twice by one");
        }
    }
    assert_eq!(holders.len(), 40, "some were leased by nobody");
    for stored in case.deliveries().await {
        assert_eq!(stored.lease.as_ref(), holders.get(&stored.id), "who thinks to have it is not who has it");
    }
}

async fn a_named_delivery_is_leased_once(case: Case) {
    let deliveries: Vec<_> = (0..8).map(|number| case.due(&format!("{number}"), 0)).collect();
    case.stage(&deliveries).await;
    let named = ids(&deliveries);
    let shares = case
        .at_once(COURIERS, |_, case| {
            let named = named.clone();
            async move { case.ledger().lease(&named, &lease(10)).await.expect("a lease faulted") }
        })
        .await;
    let mut all: Vec<_> = shares.iter().flat_map(|share| ids(share)).collect();
    all.sort();
    assert_eq!(all, named, "each by one");
}

/// The one who had it settles it just as the next one takes it over: one of the two comes too late, and knows.
async fn a_late_settlement_and_a_new_lease_do_not_mix(case: Case) {
    let (old, new) = (lease(0), lease(60));
    let mut deliveries = Vec::new();
    for number in 0..6 {
        deliveries.push(case.stage_leased(&format!("{number}"), &old).await);
    }
    let ends = case
        .at_once(deliveries.len() * 2, |number, case| {
            let (delivery, old, new) = (deliveries[number / 2].clone(), old.clone(), new.clone());
            async move {
                match number % 2 {
                    0 => case.settle(&delivery, &old, &later(900, 1, Some(50))).await,
                    _ => !case.lease(&[&delivery], &new).await.is_empty(),
                }
            }
        })
        .await;
    let stored = case.deliveries().await;
    for (delivery, ends) in deliveries.into_iter().zip(ends.chunks(2)) {
        let expected = match ends {
            [true, false] => later(900, 1, Some(50)).of(delivery),
            [false, true] => leased(&delivery, &new),
            _ => panic!("settled and leased: {ends:?}"),
        };
        assert!(stored.contains(&expected), "{expected:?} is not among {stored:?}");
    }
}

/// An operator and a courier at once: what the courier works on is left to it.
async fn a_delivery_is_redriven_or_settled(case: Case) {
    let held = lease(0);
    let delivery = case.stage_leased("k", &held).await;
    let ends = case
        .at_once(8, |number, case| {
            let (delivery, held) = (delivery.clone(), held.clone());
            async move {
                match number {
                    0 => case.settle(&delivery, &held, &parked(30)).await,
                    _ => case.redrive(&delivery, 30).await,
                }
            }
        })
        .await;
    assert!(ends[0], "an operator took a delivery away from who worked on it");
    let stopped = parked(30).of(delivery);
    let expected = if ends[1..].contains(&true) { stopped.redriven(at(30)) } else { stopped };
    assert_eq!(case.deliveries().await, [expected]);
}
