//! What every ledger promises, as a suite that runs against each adapter: rules are written once and must not care where
//! the pool's memory lives.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use cognito_triggers::ledger::{MemoryLedger, contract::Contract};
//! # async fn test() {
//! Contract::of(Arc::new(MemoryLedger::default())).holds().await;
//! # }
//! ```
//!
//! Every clause works in a pool of its own with a random name, so a table that is shared or not empty serves as well as a
//! fresh one. The times lie in the year 2100, where no clean-up by the real clock reaches. What is due is asked of all pools:
//! the clauses about that take place in 1900, when nothing else was due, and put away what they staged. Only one suite at a
//! time can therefore work on a table, and no real courier may.

// This module is a test that adapters of other crates call: it fails by panicking, and says where.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    Change, CommitId, Committed, Delivery, DeliveryId, HeldName, Holding, Invitation, InvitationChange, InvitationKey,
    LedgerAdmin, Member, MemberChange, Moved, NameChange, NameKey, Outbox, Owner, Reading, Switches, Task, Wants,
};

mod members;
mod outbox;
mod switches;

/// Everything a store is asked for: by functions, by operators and by couriers.
pub trait Store: LedgerAdmin + Outbox {}

impl<T: LedgerAdmin + Outbox> Store for T {}

/// The suite, set up for one store.
#[derive(Clone)]
pub struct Contract(Arc<Setup>);

#[derive(Clone)]
struct Setup {
    clients: Vec<Arc<dyn Store>>,
    rounds: u32,
    spawn: Spawn,
}

/// Starts a task and answers what ends with it.
type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync>;

impl Contract {
    /// For a store with one client, tasks interleaved on one thread; as many rounds as the environment variable
    /// `CONTRACT_ROUNDS` says, else one.
    #[must_use]
    pub fn of(ledger: Arc<dyn Store>) -> Self {
        #[allow(clippy::disallowed_methods, reason = "a test's own setting, so that every adapter hears it")]
        let rounds =
            std::env::var("CONTRACT_ROUNDS").map_or(1, |rounds| rounds.parse().expect("CONTRACT_ROUNDS is no number"));
        Self(Arc::new(Setup { clients: vec![ledger], rounds, spawn: Arc::new(|task| task) }))
    }

    /// With one more client of the same store. What happens at once is spread over all of them, and what one wrote is read
    /// by another.
    #[must_use]
    pub fn client(self, ledger: Arc<dyn Store>) -> Self {
        self.with(|setup| setup.clients.push(ledger))
    }

    /// How often each clause about things that happen at once is tried, whatever the environment says.
    #[must_use]
    pub fn rounds(self, rounds: u32) -> Self {
        self.with(|setup| setup.rounds = rounds)
    }

    /// How a task is started, so that several threads take part. With Tokio:
    /// `|task| { let task = tokio::spawn(task); Box::pin(async move { task.await.unwrap() }) }`.
    #[must_use]
    pub fn spawn(
        self,
        spawn: impl Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.with(|setup| setup.spawn = Arc::new(spawn))
    }

    /// Tries every clause.
    ///
    /// # Panics
    ///
    /// If the store breaks some: after all were tried, naming each with what was seen.
    pub async fn holds(&self) {
        self.only("").await;
    }

    /// Tries the clauses whose name contains `part`; for chasing one.
    ///
    /// # Panics
    ///
    /// As [`holds`](Self::holds), and if there is no such clause.
    pub async fn only(&self, part: &str) {
        let (mut tried, mut broken, mut report) = (0, 0, String::new());
        let clauses = CLAUSES.iter().chain(members::CLAUSES).chain(switches::CLAUSES).chain(outbox::CLAUSES);
        for clause in clauses.filter(|clause| clause.name.contains(part)) {
            tried += 1;
            let rounds = if clause.repeats { self.0.rounds } else { 1 };
            for round in 1..=rounds {
                let case = Case::new(Arc::clone(&self.0));
                let tried = AssertUnwindSafe((clause.run)(case.clone())).catch_unwind().await;
                case.put_away().await;
                if let Err(payload) = tried {
                    let text = payload.downcast_ref::<String>().map(String::as_str);
                    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
                    let _ = write!(report, "\n\n{} (round {round} of {rounds}): {text}", clause.name);
                    broken += 1;
                    break;
                }
            }
        }
        assert!(tried > 0, "no clause is called `{part}`");
        assert!(broken == 0, "the ledger breaks {broken} of {tried} clauses{report}");
    }

    fn with(self, set: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Arc::unwrap_or_clone(self.0);
        set(&mut setup);
        Self(Arc::new(setup))
    }
}

struct Clause {
    name: &'static str,
    repeats: bool,
    run: fn(Case) -> BoxFuture<'static, ()>,
}

macro_rules! clauses {
    (once: $($once:ident)*; rounds: $($round:ident)*;) => {
        pub(in crate::ledger::contract) const CLAUSES: &[Clause] = &[
            $(Clause { name: stringify!($once), repeats: false, run: |case| Box::pin($once(case)) },)*
            $(Clause { name: stringify!($round), repeats: true, run: |case| Box::pin($round(case)) },)*
        ];
    };
}

use clauses;

clauses! {
    once:
        nothing_is_there_at_first
        a_member_comes_back_as_it_was_written
        a_long_text_comes_back
        every_script_comes_back_in_keys_and_values
        parts_of_keys_do_not_run_together
        pools_are_separate
        a_stale_member_stops_everything
        a_member_who_exists_is_not_made_anew
        a_member_who_is_gone_is_reported_gone
        everything_in_the_way_is_true
        a_repeated_commit_is_done_once
        a_repeated_commit_is_known_after_others
        a_repeated_commit_without_a_member_is_done_once
        a_repeated_commit_brings_no_delivery_back
        a_free_name_is_held
        a_name_held_by_others_is_taken
        exactly_the_taken_keys_are_named
        a_lapsed_name_is_free
        a_lapsed_name_is_read_as_it_stands
        a_renewed_reservation_lasts_no_longer
        a_reservation_that_lapsed_is_made_anew
        a_name_held_for_good_stays_so
        a_name_is_handed_over
        a_reservation_becomes_permanent
        a_name_of_ones_own_is_released
        releasing_what_others_hold_changes_nothing_else
        holding_and_releasing_go_together
        an_invitation_is_made_once
        invitations_are_listed_from_the_oldest
        an_invitation_is_put_at_its_version
        a_stale_invitation_stops_everything
        an_invitation_that_is_gone_is_reported_gone
        a_reserved_use_is_consumed
        a_use_is_consumed_once
        a_lapsed_reservation_is_consumed
        consuming_never_fails_the_change
        deliveries_are_stored_with_the_change
        a_stored_delivery_is_left_as_it_is
        deliveries_are_acknowledged
        deliveries_are_listed_by_what_is_due
        one_read_brings_everything
        many_names_are_read_at_once
        a_change_of_one_hundred_items_is_done
        a_change_of_more_is_refused;
    rounds:
        one_of_many_gets_the_name
        one_of_many_gets_all_the_keys
        neighbours_share_no_name
        a_lapsed_name_goes_to_one
        an_invitation_lets_in_its_maximum
        uses_are_consumed_at_once
        no_increment_is_lost
        two_members_changed_at_once_do_not_meet
        the_same_commit_at_once_is_done_once;
}

/// One clause's own pool.
#[derive(Clone)]
struct Case {
    setup: Arc<Setup>,
    pool: String,
    turn: Arc<Mutex<usize>>,
}

/// When the clauses take place: 1 January 2100.
const NOW: Timestamp = Timestamp::constant(4_102_444_800, 0);

fn after(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

impl Case {
    fn new(setup: Arc<Setup>) -> Self {
        Self { setup, pool: format!("test_{}", random_text()), turn: Arc::default() }
    }

    /// The clients in turn, so that one reads what another wrote.
    fn ledger(&self) -> Arc<dyn Store> {
        let mut turn = self.turn.lock().unwrap();
        *turn += 1;
        Arc::clone(&self.setup.clients[*turn % self.setup.clients.len()])
    }

    fn key(&self, key: &str) -> NameKey {
        NameKey { pool: self.pool.clone(), namespace: "nickname".into(), key: key.into() }
    }

    fn code(&self, hash: &str) -> InvitationKey {
        InvitationKey { pool: self.pool.clone(), hash: hash.into() }
    }

    fn change(&self) -> Change {
        Change {
            id: CommitId::random().unwrap(),
            now: NOW,
            pool: self.pool.clone(),
            member: None,
            names: BTreeMap::new(),
            invitations: BTreeMap::new(),
            deliveries: Vec::new(),
        }
    }

    async fn commit(&self, change: &Change) -> Committed {
        self.ledger().commit(change).await.expect("a commit faulted")
    }

    async fn done(&self, change: &Change) {
        assert_eq!(self.commit(change).await, Committed::Done);
    }

    async fn moved(&self, change: &Change) -> Moved {
        match self.commit(change).await {
            Committed::Moved(moved) => moved,
            Committed::Done => panic!("the change was done, though something stood in its way"),
        }
    }

    async fn read(&self, wants: Wants) -> Reading {
        self.ledger().read(&wants).await.expect("a read faulted")
    }

    fn wants(&self) -> Wants {
        Wants { pool: self.pool.clone(), ..Wants::default() }
    }

    async fn member(&self, sub: &str) -> Option<Member> {
        self.read(Wants { sub: Some(sub.into()), ..self.wants() }).await.member
    }

    async fn holding(&self, key: &str) -> Option<Holding> {
        let key = self.key(key);
        self.read(Wants { names: [key.clone()].into(), ..self.wants() }).await.names.remove(&key)
    }

    async fn owner(&self, key: &str) -> Option<Owner> {
        self.holding(key).await.map(|holding| holding.owner)
    }

    async fn invitation(&self, hash: &str) -> Option<Invitation> {
        let key = self.code(hash);
        self.read(Wants { invitations: [key.clone()].into(), ..self.wants() }).await.invitations.remove(&key)
    }

    async fn make(&self, hash: &str, invitation: &Invitation) -> InvitationKey {
        let key = self.code(hash);
        assert!(self.ledger().create_invitation(&key, invitation).await.unwrap(), "a new invitation was refused");
        key
    }

    async fn deliveries(&self) -> Vec<Delivery> {
        self.ledger().deliveries(&self.pool).await.expect("the deliveries could not be listed")
    }

    /// Leaves no delivery behind, for other clauses to stumble over. A store that cannot do this much breaks a clause anyway.
    async fn put_away(&self) {
        if let Ok(left) = self.ledger().deliveries(&self.pool).await {
            let ids: Vec<_> = left.into_iter().map(|delivery| delivery.id).collect();
            self.ledger().acknowledge(&ids).await.ok();
        }
    }

    /// Tasks that run at once, each with a client of its own, and what became of each.
    async fn at_once<T, F>(&self, count: usize, task: impl Fn(usize, Self) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let results = Arc::new(Mutex::new(BTreeMap::new()));
        let running: Vec<_> = (0..count)
            .map(|number| {
                let work = task(number, self.clone());
                let results = Arc::clone(&results);
                (self.setup.spawn)(Box::pin(async move {
                    let result = work.await;
                    results.lock().unwrap().insert(number, result);
                }))
            })
            .collect();
        join_all(running).await;
        let results: Vec<T> = std::mem::take(&mut *results.lock().unwrap()).into_values().collect();
        assert_eq!(results.len(), count, "not every task came to its end");
        results
    }
}

/// Changes as a clause writes them down.
impl Change {
    fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    fn hold(self, key: NameKey, owner: &Owner, until: Option<Timestamp>) -> Self {
        self.hand_over(key, owner, until, &[])
    }

    fn hand_over(mut self, key: NameKey, owner: &Owner, until: Option<Timestamp>, instead_of: &[Owner]) -> Self {
        let hold = NameChange::Hold { owner: owner.clone(), instead_of: instead_of.to_vec(), until, note: None };
        self.names.insert(key, hold);
        self
    }

    fn release(mut self, key: NameKey, owners: &[Owner]) -> Self {
        self.names.insert(key, NameChange::Release { owners: owners.to_vec() });
        self
    }

    fn write(mut self, sub: &str, expected: u64, member: &Member) -> Self {
        let member = member.clone().sealed(expected, self.id.clone(), self.now);
        self.member = Some(MemberChange { sub: sub.into(), expected, member: Some(member) });
        self
    }

    fn put(mut self, key: &InvitationKey, invitation: &Invitation) -> Self {
        let expected = invitation.version;
        let invitation = Invitation { version: expected + 1, ..invitation.clone() };
        self.invitations.insert(key.clone(), InvitationChange::Put { expected, invitation });
        self
    }

    fn consume(mut self, key: &InvitationKey, applicants: &[Owner], user: &Owner) -> Self {
        let consume = InvitationChange::Consume { applicants: applicants.to_vec(), user: user.clone() };
        self.invitations.insert(key.clone(), consume);
        self
    }

    fn deliver(mut self, delivery: Delivery) -> Self {
        self.deliveries.push(delivery);
        self
    }

    fn sealed_member(&self) -> Member {
        self.member.clone().unwrap().member.unwrap()
    }
}

fn random_text() -> String {
    CommitId::random().unwrap().as_str().to_lowercase()
}

fn owner(name: &str) -> Owner {
    Owner::stored(format!("A#{name}"))
}

fn counting(count: u64) -> Member {
    Member { other: [("count".to_owned(), json!(count))].into_iter().collect(), ..Member::default() }
}

fn count_of(member: &Member) -> u64 {
    member.other.get("count").and_then(serde_json::Value::as_u64).unwrap_or_default()
}

fn invitation(maximum: u32) -> Invitation {
    Invitation { maximum, created: NOW, expires: None, note: None, revoked: false, uses: BTreeMap::new(), version: 1 }
}

fn delivery(case: &Case, sub: &str, key: &str) -> Delivery {
    let id = DeliveryId { pool: case.pool.clone(), sub: sub.into(), key: key.into() };
    let attributes = [("nickname".to_owned(), "Änne \u{1f600}".to_owned())].into();
    let task = Task::UpdateAttributes { user_name: sub.into(), attributes };
    Delivery { due: after(30), ..Delivery::new(id, task, NOW) }
}

async fn nothing_is_there_at_first(case: Case) {
    let wants = Wants {
        sub: Some("anna".into()),
        names: [case.key("anna")].into(),
        invitations: [case.code("code")].into(),
        ..case.wants()
    };
    let expected = Reading { switches: Switches::default(), ..Reading::default() };
    assert_eq!(case.read(wants).await, expected);
    assert_eq!(case.ledger().invitations(&case.pool).await.unwrap(), []);
    assert_eq!(case.deliveries().await, []);
}

async fn a_member_comes_back_as_it_was_written(case: Case) {
    let text = r#"{
        "names": {"nickname": {"asked": "Anna", "held": "Anna-2", "keys": ["anna-2", "skeleton"]}},
        "marks": {"unique-nickname/assign": "2099-12-31T23:59:59.123Z"},
        "of-a-newer-version": {"list": [1, 2.5, "three", null, true, {}], "empty": "", "nothing": null, "no": []},
        "largest": 18446744073709551615, "smallest": -9223372036854775808, "tenth": 0.1, "far": 1e300
    }"#;
    let member: Member = serde_json::from_str(text).unwrap();
    let first = case.change().write("anna", 0, &member);
    case.done(&first).await;
    let stored = case.member("anna").await.expect("the member is missing");
    assert_eq!(stored, first.sealed_member());
    assert_eq!(stored.version, 1);
    assert_eq!(stored.other, member.other);
    let second = case.change().write("anna", 1, &stored);
    case.done(&second).await;
    assert_eq!(case.member("anna").await, Some(second.sealed_member()));
}

async fn a_long_text_comes_back(case: Case) {
    // An item of DynamoDB holds 400 KB.
    let long = "Änne\u{1f600}\"\\\n\t ".repeat(10_000);
    let member = Member { other: [("long".to_owned(), json!(long))].into_iter().collect(), ..Member::default() };
    case.done(&case.change().write("anna", 0, &member)).await;
    assert_eq!(case.member("anna").await.unwrap().other.get("long"), Some(&json!(long)));
}

async fn every_script_comes_back_in_keys_and_values(case: Case) {
    // The two spellings of `é` are different keys; so are capitals: keys are compared byte by byte.
    let texts = [
        "Straße",
        "e\u{301}",
        "\u{e9}",
        "Иван",
        "иван",
        "株式会社",
        "\u{1f9d1}\u{200d}\u{1f680}",
        "a b",
        "a'b\"c\\%_*?",
        "\u{feff}x",
    ];
    let mut change = case.change();
    for text in texts {
        change.names.insert(
            case.key(text),
            NameChange::Hold {
                owner: Owner::user(text),
                instead_of: Vec::new(),
                until: None,
                note: Some(format!("note of {text}")),
            },
        );
        change = change.deliver(delivery(&case, text, "unique-nickname/assign"));
    }
    let held = HeldName { asked: texts.concat(), held: texts.join("\n"), keys: texts.map(str::to_owned).to_vec() };
    let member = Member { names: [("株".to_owned(), held)].into(), ..Member::default() };
    let change = change.write("sub-é", 0, &member);
    case.done(&change).await;
    for text in texts {
        let expected = Holding { owner: Owner::user(text), until: None, note: Some(format!("note of {text}")) };
        assert_eq!(case.holding(text).await, Some(expected), "{text:?}");
    }
    assert_eq!(case.member("sub-é").await, Some(change.sealed_member()));
    let subs: BTreeSet<_> = case.deliveries().await.into_iter().map(|delivery| delivery.id.sub).collect();
    assert_eq!(subs, texts.map(str::to_owned).into());
}

async fn parts_of_keys_do_not_run_together(case: Case) {
    let key = |namespace: &str, key: &str| NameKey { namespace: namespace.into(), key: key.into(), ..case.key("") };
    let keys = [key("a", "b#c"), key("a#b", "c"), key("a", "b:c"), key("a:b", "c"), key("a", "b/c"), key("a/b", "c")];
    let mut change = case.change();
    for (number, key) in keys.iter().enumerate() {
        change = change.hold(key.clone(), &owner(&number.to_string()), None);
    }
    case.done(&change).await;
    let names = case.read(Wants { names: keys.clone().into(), ..case.wants() }).await.names;
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(names.get(key).map(|holding| &holding.owner), Some(&owner(&number.to_string())), "{key:?}");
    }
    let change = case.change().deliver(delivery(&case, "x#D", "y")).deliver(delivery(&case, "x", "D#y"));
    case.done(&change).await;
    assert_eq!(case.deliveries().await.len(), 2);
}

async fn pools_are_separate(case: Case) {
    let other = Case { pool: format!("{}x", case.pool), ..case.clone() };
    let change = case.change().write("anna", 0, &counting(1)).hold(case.key("anna"), &owner("anna"), None);
    case.done(&change.deliver(delivery(&case, "anna", "k"))).await;
    case.make("code", &invitation(1)).await;
    assert_eq!(other.member("anna").await, None);
    assert_eq!(other.holding("anna").await, None);
    assert_eq!(other.invitation("code").await, None);
    assert_eq!(other.ledger().invitations(&other.pool).await.unwrap(), []);
    assert_eq!(other.deliveries().await, []);
    let change = other.change().write("anna", 0, &counting(2)).hold(other.key("anna"), &owner("bea"), None);
    other.done(&change.deliver(delivery(&other, "anna", "k"))).await;
    other.make("code", &invitation(2)).await;
    assert_eq!(count_of(&case.member("anna").await.unwrap()), 1);
    assert_eq!(case.owner("anna").await, Some(owner("anna")));
    assert_eq!(case.invitation("code").await, Some(invitation(1)));
    other.ledger().acknowledge(&[delivery(&other, "anna", "k").id]).await.unwrap();
    assert_eq!(case.deliveries().await.len(), 1);
}

async fn a_stale_member_stops_everything(case: Case) {
    let code = case.make("code", &invitation(3)).await;
    let other = case.make("other", &invitation(3)).await;
    case.done(&case.change().write("anna", 0, &counting(1)).hold(case.key("old"), &owner("anna"), None)).await;
    let second = case.change().write("anna", 1, &counting(2));
    case.done(&second).await;
    let stale = case
        .change()
        .write("anna", 1, &counting(99))
        .hold(case.key("new"), &owner("anna"), None)
        .release(case.key("old"), &[owner("anna")])
        .put(&code, &Invitation { revoked: true, ..invitation(3) })
        .consume(&other, &[], &owner("anna"))
        .deliver(delivery(&case, "anna", "k"));
    let expected = Moved { member: Some(Some(second.sealed_member())), ..Moved::default() };
    assert_eq!(case.moved(&stale).await, expected);
    assert_eq!(case.member("anna").await, Some(second.sealed_member()));
    assert_eq!(case.holding("new").await, None);
    assert_eq!(case.owner("old").await, Some(owner("anna")));
    assert_eq!(case.invitation("code").await, Some(invitation(3)));
    assert_eq!(case.invitation("other").await.unwrap().uses, BTreeMap::new());
    assert_eq!(case.deliveries().await, []);
}

async fn a_member_who_exists_is_not_made_anew(case: Case) {
    let first = case.change().write("anna", 0, &counting(1));
    case.done(&first).await;
    let moved = case.moved(&case.change().write("anna", 0, &counting(2))).await;
    assert_eq!(moved, Moved { member: Some(Some(first.sealed_member())), ..Moved::default() });
    assert_eq!(case.member("anna").await, Some(first.sealed_member()));
}

async fn a_member_who_is_gone_is_reported_gone(case: Case) {
    let moved = case.moved(&case.change().write("anna", 7, &counting(1))).await;
    assert_eq!(moved, Moved { member: Some(None), ..Moved::default() });
    // The same within a larger change, which other calls may serve.
    let change = case.change().write("anna", 7, &counting(1)).hold(case.key("anna"), &owner("anna"), None);
    assert_eq!(case.moved(&change).await, Moved { member: Some(None), ..Moved::default() });
    assert_eq!(case.member("anna").await, None);
    assert_eq!(case.holding("anna").await, None);
}

/// What is reported may be a part only, but it must be so.
async fn everything_in_the_way_is_true(case: Case) {
    let code = case.make("code", &invitation(3)).await;
    let first = case.change().write("anna", 0, &counting(1)).hold(case.key("bea"), &owner("bea"), None);
    case.done(&first).await;
    case.done(&case.change().put(&code, &invitation(3))).await;
    let change = case
        .change()
        .write("anna", 0, &counting(2))
        .hold(case.key("bea"), &owner("anna"), None)
        .hold(case.key("free"), &owner("anna"), None)
        .put(&code, &invitation(3));
    let moved = case.moved(&change).await;
    assert_ne!(moved, Moved::default(), "nothing is said to be in the way");
    assert!([None, Some(Some(first.sealed_member()))].contains(&moved.member), "{moved:?}");
    let fresh = Invitation { version: 2, ..invitation(3) };
    assert!(moved.invitations.iter().all(|(key, found)| *key == code && *found == Some(fresh.clone())), "{moved:?}");
    assert!(moved.taken.is_subset(&[case.key("bea")].into()), "{moved:?}");
    assert_eq!(case.holding("free").await, None);
}

async fn a_repeated_commit_is_done_once(case: Case) {
    let code = case.make("code", &invitation(3)).await;
    let alone = case.change().write("anna", 0, &counting(1));
    case.done(&alone).await;
    case.done(&alone).await;
    assert_eq!(case.member("anna").await, Some(alone.sealed_member()));
    let mut reserved = invitation(3);
    reserved.reserve(&owner("anna"), NOW, after(60)).unwrap();
    let change = case
        .change()
        .write("anna", 1, &counting(2))
        .hold(case.key("anna"), &Owner::user("anna"), None)
        .put(&code, &reserved)
        .deliver(delivery(&case, "anna", "k"));
    case.done(&change).await;
    case.done(&change).await;
    assert_eq!(case.member("anna").await, Some(change.sealed_member()));
    assert_eq!(case.owner("anna").await, Some(Owner::user("anna")));
    assert_eq!(case.invitation("code").await, Some(Invitation { version: 2, ..reserved }));
    assert_eq!(case.deliveries().await, [delivery(&case, "anna", "k")]);
}

/// The answer was lost, and before the call is repeated somebody else has been there.
async fn a_repeated_commit_is_known_after_others(case: Case) {
    let lost = case.change().write("anna", 0, &counting(1)).hold(case.key("anna"), &owner("anna"), Some(after(60)));
    case.done(&lost).await;
    let later = case.change().write("anna", 1, &Member { commits: lost.sealed_member().commits, ..counting(2) });
    let later = later.release(case.key("anna"), &[owner("anna")]);
    case.done(&later).await;
    case.done(&lost).await;
    assert_eq!(case.member("anna").await, Some(later.sealed_member()));
    assert_eq!(case.holding("anna").await, None, "the repeated commit took the name again");
}

async fn a_repeated_commit_without_a_member_is_done_once(case: Case) {
    let code = case.make("code", &invitation(3)).await;
    let name = case.change().hold(case.key("bea"), &owner("anna"), Some(after(60)));
    case.done(&name).await;
    case.done(&name).await;
    let mut reserved = invitation(3);
    reserved.reserve(&owner("anna"), NOW, after(60)).unwrap();
    let alone = case.change().put(&code, &reserved);
    case.done(&alone).await;
    case.done(&alone).await;
    assert_eq!(case.invitation("code").await, Some(Invitation { version: 2, ..reserved.clone() }));
    let mut twice = Invitation { version: 2, ..reserved };
    twice.reserve(&owner("bea"), NOW, after(60)).unwrap();
    let change = case
        .change()
        .hold(case.key("anna"), &owner("anna"), Some(after(60)))
        .release(case.key("bea"), &[owner("anna")])
        .put(&code, &twice);
    case.done(&change).await;
    case.done(&change).await;
    assert_eq!(case.invitation("code").await, Some(Invitation { version: 3, ..twice }));
    assert_eq!(case.holding("anna").await.unwrap().until, Some(after(60)));
    assert_eq!(case.holding("bea").await, None);
}

async fn a_repeated_commit_brings_no_delivery_back(case: Case) {
    let change = case.change().write("anna", 0, &counting(1)).deliver(delivery(&case, "anna", "k"));
    case.done(&change).await;
    case.ledger().acknowledge(&[delivery(&case, "anna", "k").id]).await.unwrap();
    case.done(&change).await;
    assert_eq!(case.deliveries().await, []);
}

async fn a_free_name_is_held(case: Case) {
    let until = NOW + SignedDuration::from_millis(3_600_123);
    let mut change = case.change();
    let hold = NameChange::Hold {
        owner: owner("anna"),
        instead_of: Vec::new(),
        until: Some(until),
        note: Some("Änne".into()),
    };
    change.names.insert(case.key("anna"), hold);
    case.done(&change).await;
    let expected = Holding { owner: owner("anna"), until: Some(until), note: Some("Änne".into()) };
    assert_eq!(case.holding("anna").await, Some(expected));
}

async fn a_name_held_by_others_is_taken(case: Case) {
    for (key, until) in [("for good", None), ("reserved", Some(after(60)))] {
        case.done(&case.change().hold(case.key(key), &owner("anna"), until)).await;
        for wish in [None, Some(after(120))] {
            let change = case.change().write("bea", 0, &counting(1)).hold(case.key(key), &owner("bea"), wish);
            let expected = Moved { taken: [case.key(key)].into(), ..Moved::default() };
            assert_eq!(case.moved(&change).await, expected, "{key}");
            let alone = case.change().hold(case.key(key), &owner("bea"), wish);
            assert_eq!(case.moved(&alone).await, expected, "{key}");
        }
        assert_eq!(case.holding(key).await.unwrap(), Holding { owner: owner("anna"), until, note: None });
    }
    assert_eq!(case.member("bea").await, None);
}

async fn exactly_the_taken_keys_are_named(case: Case) {
    case.done(&case.change().hold(case.key("2"), &owner("anna"), None).hold(case.key("4"), &owner("anna"), None)).await;
    let mut change = case.change().release(case.key("not held"), &[owner("bea")]);
    for key in ["1", "2", "3", "4", "5"] {
        change = change.hold(case.key(key), &owner("bea"), Some(after(60)));
    }
    let expected = Moved { taken: [case.key("2"), case.key("4")].into(), ..Moved::default() };
    assert_eq!(case.moved(&change).await, expected);
    for key in ["1", "3", "5"] {
        assert_eq!(case.holding(key).await, None, "{key} is held, though the change was refused");
    }
}

async fn a_lapsed_name_is_free(case: Case) {
    for (key, until) in [("for good", None), ("reserved", Some(after(600)))] {
        case.done(&case.change().hold(case.key(key), &owner("anna"), Some(after(60)))).await;
        // It holds to the last moment and is free from the moment it lapses.
        let moment = SignedDuration::from_millis(1);
        let early = case.change().at(after(60) - moment).hold(case.key(key), &owner("bea"), until);
        assert_eq!(case.moved(&early).await.taken, [case.key(key)].into());
        case.done(&case.change().at(after(60)).hold(case.key(key), &owner("bea"), until)).await;
        assert_eq!(case.holding(key).await, Some(Holding { owner: owner("bea"), until, note: None }));
    }
}

async fn a_lapsed_name_is_read_as_it_stands(case: Case) {
    case.done(&case.change().hold(case.key("anna"), &owner("anna"), Some(after(60)))).await;
    case.done(&case.change().at(after(120)).hold(case.key("bea"), &owner("bea"), None)).await;
    let expected = Holding { owner: owner("anna"), until: Some(after(60)), note: None };
    assert_eq!(case.holding("anna").await, Some(expected));
}

async fn a_renewed_reservation_lasts_no_longer(case: Case) {
    // Otherwise whoever asks again and again keeps a name for ever without ever being confirmed.
    case.done(&case.change().hold(case.key("anna"), &owner("anna"), Some(after(60)))).await;
    let again = case.change().at(after(30)).hold(case.key("anna"), &owner("anna"), Some(after(90)));
    case.done(&again.hold(case.key("more"), &owner("anna"), Some(after(90)))).await;
    assert_eq!(case.holding("anna").await.unwrap().until, Some(after(60)));
    assert_eq!(case.holding("more").await.unwrap().until, Some(after(90)), "the rest of the change is missing");
    let alone = case.change().at(after(30)).hold(case.key("anna"), &owner("anna"), Some(after(90)));
    case.done(&alone).await;
    assert_eq!(case.holding("anna").await.unwrap().until, Some(after(60)));
}

async fn a_reservation_that_lapsed_is_made_anew(case: Case) {
    case.done(&case.change().hold(case.key("anna"), &owner("anna"), Some(after(60)))).await;
    case.done(&case.change().at(after(60)).hold(case.key("anna"), &owner("anna"), Some(after(120)))).await;
    assert_eq!(case.holding("anna").await.unwrap().until, Some(after(120)));
}

async fn a_name_held_for_good_stays_so(case: Case) {
    case.done(&case.change().hold(case.key("anna"), &owner("anna"), None)).await;
    case.done(&case.change().hold(case.key("anna"), &owner("anna"), Some(after(60)))).await;
    assert_eq!(case.holding("anna").await.unwrap().until, None);
    case.done(&case.change().at(after(999)).hold(case.key("anna"), &owner("anna"), None)).await;
    let moved = case.moved(&case.change().at(after(9_999_999)).hold(case.key("anna"), &owner("bea"), None)).await;
    assert_eq!(moved.taken, [case.key("anna")].into());
}

async fn a_name_is_handed_over(case: Case) {
    let user = Owner::user("anna");
    let earlier = [owner("under the new key"), owner("under the old key")];
    case.done(&case.change().hold(case.key("a"), &earlier[0], Some(after(60)))).await;
    case.done(&case.change().hold(case.key("b"), &earlier[1], Some(after(60)))).await;
    case.done(&case.change().hold(case.key("c"), &owner("bea"), Some(after(60)))).await;
    let hand_over = |keys: &[&str]| {
        keys.iter().fold(case.change(), |change, key| change.hand_over(case.key(key), &user, None, &earlier))
    };
    assert_eq!(case.moved(&hand_over(&["a", "b", "c"])).await.taken, [case.key("c")].into());
    assert_eq!(case.owner("a").await, Some(earlier[0].clone()));
    case.done(&hand_over(&["a", "b", "free"])).await;
    for key in ["a", "b", "free"] {
        assert_eq!(case.holding(key).await, Some(Holding { owner: user.clone(), until: None, note: None }));
    }
    // Once handed over it is the earlier owner's no longer.
    let moved = case.moved(&case.change().hold(case.key("a"), &earlier[0], Some(after(60)))).await;
    assert_eq!(moved.taken, [case.key("a")].into());
}

async fn a_reservation_becomes_permanent(case: Case) {
    case.done(&case.change().hold(case.key("anna"), &owner("anna"), Some(after(60)))).await;
    case.done(&case.change().hold(case.key("anna"), &owner("anna"), None)).await;
    assert_eq!(case.holding("anna").await.unwrap().until, None);
}

async fn a_name_of_ones_own_is_released(case: Case) {
    let hold =
        case.change().hold(case.key("a"), &owner("anna"), None).hold(case.key("b"), &owner("old"), Some(after(9)));
    case.done(&hold).await;
    let owners = [owner("anna"), owner("old")];
    case.done(&case.change().release(case.key("a"), &owners).release(case.key("b"), &owners)).await;
    assert_eq!(case.holding("a").await, None);
    assert_eq!(case.holding("b").await, None);
    case.done(&case.change().hold(case.key("a"), &owner("bea"), None)).await;
    assert_eq!(case.owner("a").await, Some(owner("bea")));
}

async fn releasing_what_others_hold_changes_nothing_else(case: Case) {
    case.done(&case.change().hold(case.key("bea"), &owner("bea"), None)).await;
    case.done(&case.change().release(case.key("bea"), &[owner("anna")])).await;
    case.done(&case.change().release(case.key("nobody"), &[owner("anna")])).await;
    case.done(&case.change().release(case.key("bea"), &[])).await;
    let change = case
        .change()
        .write("anna", 0, &counting(1))
        .release(case.key("bea"), &[owner("anna")])
        .release(case.key("nobody"), &[owner("anna")])
        .hold(case.key("anna"), &owner("anna"), None)
        .deliver(delivery(&case, "anna", "k"));
    case.done(&change).await;
    assert_eq!(case.owner("bea").await, Some(owner("bea")));
    assert_eq!(case.holding("nobody").await, None);
    assert_eq!(case.owner("anna").await, Some(owner("anna")));
    assert_eq!(case.member("anna").await, Some(change.sealed_member()));
    assert_eq!(case.deliveries().await.len(), 1);
}

async fn holding_and_releasing_go_together(case: Case) {
    let anna = Owner::user("anna");
    case.done(&case.change().hold(case.key("old"), &anna, None).hold(case.key("bea"), &owner("bea"), None)).await;
    let vain = case.change().release(case.key("old"), std::slice::from_ref(&anna)).hold(case.key("bea"), &anna, None);
    assert_eq!(case.moved(&vain).await.taken, [case.key("bea")].into());
    assert_eq!(case.owner("old").await, Some(anna.clone()), "released by a change that was refused");
    case.done(&case.change().release(case.key("old"), std::slice::from_ref(&anna)).hold(case.key("new"), &anna, None))
        .await;
    assert_eq!(case.holding("old").await, None);
    assert_eq!(case.owner("new").await, Some(anna));
}

async fn an_invitation_is_made_once(case: Case) {
    let full = Invitation {
        expires: Some(after(600)),
        note: Some("für Änne \u{1f600}".into()),
        uses: [(owner("anna"), Some(after(60))), (Owner::user("bea"), None)].into(),
        ..invitation(3)
    };
    let key = case.make("code", &full).await;
    assert_eq!(case.invitation("code").await, Some(full.clone()));
    assert!(!case.ledger().create_invitation(&key, &invitation(9)).await.unwrap());
    assert_eq!(case.invitation("code").await, Some(full));
}

async fn invitations_are_listed_from_the_oldest(case: Case) {
    let mut expected = Vec::new();
    for number in 0..30_i64 {
        // In an order that neither the keys nor the time of writing give.
        let invitation = Invitation { created: after((number * 7) % 30), ..invitation(1) };
        let key = case.make(&format!("code-{}", (number * 11) % 30), &invitation).await;
        expected.push((key, invitation));
    }
    expected.sort_by_key(|(_, invitation)| invitation.created);
    assert_eq!(case.ledger().invitations(&case.pool).await.unwrap(), expected);
}

async fn an_invitation_is_put_at_its_version(case: Case) {
    let key = case.make("code", &invitation(3)).await;
    let mut next = invitation(3);
    next.reserve(&owner("anna"), NOW, after(60)).unwrap();
    case.done(&case.change().put(&key, &next)).await;
    let stored = case.invitation("code").await.unwrap();
    assert_eq!(stored, Invitation { version: 2, ..next });
    let revoked = Invitation { revoked: true, ..stored };
    let change =
        case.change().put(&key, &revoked).write("anna", 0, &counting(1)).hold(case.key("a"), &owner("a"), None);
    case.done(&change).await;
    assert_eq!(case.invitation("code").await, Some(Invitation { version: 3, ..revoked }));
}

async fn a_stale_invitation_stops_everything(case: Case) {
    let key = case.make("code", &invitation(3)).await;
    let mut next = invitation(3);
    next.reserve(&owner("anna"), NOW, after(60)).unwrap();
    case.done(&case.change().put(&key, &next)).await;
    let fresh = Invitation { version: 2, ..next };
    let expected = Moved { invitations: [(key.clone(), Some(fresh.clone()))].into(), ..Moved::default() };
    let stale = Invitation { revoked: true, ..invitation(3) };
    assert_eq!(case.moved(&case.change().put(&key, &stale)).await, expected);
    let change = case
        .change()
        .put(&key, &stale)
        .write("anna", 0, &counting(1))
        .hold(case.key("anna"), &owner("anna"), None)
        .deliver(delivery(&case, "anna", "k"));
    assert_eq!(case.moved(&change).await, expected);
    assert_eq!(case.invitation("code").await, Some(fresh));
    assert_eq!(case.member("anna").await, None);
    assert_eq!(case.holding("anna").await, None);
    assert_eq!(case.deliveries().await, []);
}

async fn an_invitation_that_is_gone_is_reported_gone(case: Case) {
    let key = case.code("gone");
    let expected = Moved { invitations: [(key.clone(), None)].into(), ..Moved::default() };
    assert_eq!(case.moved(&case.change().put(&key, &invitation(3))).await, expected);
    assert_eq!(case.invitation("gone").await, None);
}

async fn a_reserved_use_is_consumed(case: Case) {
    let uses = [(owner("anna"), Some(after(60))), (owner("bea"), Some(after(60)))].into();
    let key = case.make("code", &Invitation { uses, ..invitation(2) }).await;
    let user = Owner::user("anna");
    // While the root key is being replaced the reservation may stand under the hash of either.
    let consume = case.change().consume(&key, &[owner("new hash"), owner("anna")], &user);
    case.done(&consume.write("anna", 0, &counting(1))).await;
    let stored = case.invitation("code").await.unwrap();
    assert_eq!(stored.uses, [(user, None), (owner("bea"), Some(after(60)))].into());
    assert!(stored.version > 1, "whoever read it before must not write it over this");
    let stale = case.moved(&case.change().put(&key, &invitation(2))).await;
    assert_eq!(stale.invitations, [(key, Some(stored))].into());
}

async fn a_use_is_consumed_once(case: Case) {
    let key = case.make("code", &invitation(3)).await;
    let user = Owner::user("anna");
    let first = case.change().consume(&key, &[owner("anna")], &user);
    case.done(&first).await;
    case.done(&first).await;
    case.done(&case.change().consume(&key, &[owner("anna")], &user)).await;
    assert_eq!(case.invitation("code").await.unwrap().uses, [(user, None)].into());
}

async fn a_lapsed_reservation_is_consumed(case: Case) {
    let uses = [(owner("anna"), Some(after(60)))].into();
    let key = case.make("code", &Invitation { uses, ..invitation(1) }).await;
    let user = Owner::user("anna");
    case.done(&case.change().at(after(120)).consume(&key, &[owner("anna")], &user)).await;
    assert_eq!(case.invitation("code").await.unwrap().uses, [(user, None)].into());
}

/// The user is confirmed whatever the invitation says by then.
async fn consuming_never_fails_the_change(case: Case) {
    let uses: BTreeMap<_, _> = [(Owner::user("bea"), None)].into();
    let full = case.make("full", &Invitation { uses: uses.clone(), ..invitation(1) }).await;
    let gone = case.code("gone");
    let change = case
        .change()
        .write("anna", 0, &counting(1))
        .hold(case.key("anna"), &Owner::user("anna"), None)
        .consume(&full, &[owner("anna")], &Owner::user("anna"))
        .consume(&gone, &[owner("anna")], &Owner::user("anna"))
        .deliver(delivery(&case, "anna", "k"));
    case.done(&change).await;
    assert_eq!(case.member("anna").await, Some(change.sealed_member()));
    assert_eq!(case.owner("anna").await, Some(Owner::user("anna")));
    assert_eq!(case.deliveries().await.len(), 1);
    let both: BTreeMap<_, _> = uses.into_iter().chain([(Owner::user("anna"), None)]).collect();
    assert_eq!(case.invitation("full").await.unwrap().uses, both, "who is in is counted");
    assert_eq!(case.invitation("gone").await, None, "an invitation appeared from nowhere");
    case.done(&case.change().consume(&gone, &[owner("anna")], &Owner::user("anna"))).await;
    case.done(&case.change().consume(&full, &[owner("anna")], &Owner::user("anna"))).await;
}

async fn deliveries_are_stored_with_the_change(case: Case) {
    let one = Delivery { attempts: 3, due: NOW + SignedDuration::from_millis(1_234), ..delivery(&case, "anna", "one") };
    let two = delivery(&case, "anna", "two");
    let change = case.change().write("anna", 0, &counting(1)).deliver(one.clone()).deliver(two.clone());
    case.done(&change).await;
    assert_eq!(case.deliveries().await, [one, two]);
    assert_eq!(case.member("anna").await, Some(change.sealed_member()), "a delivery was taken for the member");
}

async fn a_stored_delivery_is_left_as_it_is(case: Case) {
    let first = delivery(&case, "anna", "k");
    case.done(&case.change().write("anna", 0, &counting(1)).deliver(first.clone())).await;
    let other = Delivery { attempts: 9, due: after(999), ..delivery(&case, "anna", "k") };
    let more = Delivery { due: after(1_000), ..delivery(&case, "anna", "more") };
    let change = case.change().write("anna", 1, &counting(2)).deliver(other).deliver(more.clone());
    case.done(&change.hold(case.key("anna"), &owner("anna"), None)).await;
    assert_eq!(case.deliveries().await, [first, more]);
    assert_eq!(count_of(&case.member("anna").await.unwrap()), 2, "the rest of the change is missing");
    assert_eq!(case.owner("anna").await, Some(owner("anna")), "the rest of the change is missing");
}

async fn deliveries_are_acknowledged(case: Case) {
    let keys: Vec<_> = (0..30).map(|number| format!("k{number}")).collect();
    let change = keys
        .iter()
        .fold(case.change().write("anna", 0, &counting(1)), |change, key| change.deliver(delivery(&case, "anna", key)));
    case.done(&change).await;
    assert_eq!(case.deliveries().await.len(), 30);
    let ids: Vec<_> = keys.iter().skip(1).map(|key| delivery(&case, "anna", key).id).collect();
    case.ledger().acknowledge(&[]).await.unwrap();
    case.ledger().acknowledge(&ids).await.unwrap();
    assert_eq!(case.deliveries().await, [delivery(&case, "anna", "k0")]);
    case.ledger().acknowledge(&ids).await.unwrap();
    case.ledger().acknowledge(&[delivery(&case, "nobody", "k0").id]).await.unwrap();
    assert_eq!(case.deliveries().await, [delivery(&case, "anna", "k0")]);
    assert_eq!(case.member("anna").await, Some(change.sealed_member()));
}

async fn deliveries_are_listed_by_what_is_due(case: Case) {
    let mut expected = Vec::new();
    for number in 0..20_i64 {
        let due = after(30) + SignedDuration::from_millis((number * 7) % 20);
        let delivery = Delivery { due, ..delivery(&case, &format!("user-{}", (number * 11) % 20), "k") };
        case.done(&case.change().deliver(delivery.clone())).await;
        expected.push(delivery);
    }
    expected.sort_by_key(|delivery| delivery.due);
    assert_eq!(case.deliveries().await, expected);
}

async fn one_read_brings_everything(case: Case) {
    let code = case.make("code", &invitation(3)).await;
    let change = case.change().write("anna", 0, &counting(1)).hold(case.key("anna"), &owner("anna"), None);
    case.done(&change).await;
    let wants = Wants {
        sub: Some("anna".into()),
        invitations: [code.clone(), case.code("none")].into(),
        names: [case.key("anna"), case.key("none")].into(),
        ..case.wants()
    };
    let expected = Reading {
        member: Some(change.sealed_member()),
        switches: Switches::default(),
        invitations: [(code, invitation(3))].into(),
        names: [(case.key("anna"), Holding { owner: owner("anna"), until: None, note: None })].into(),
    };
    assert_eq!(case.read(wants).await, expected);
}

/// More than DynamoDB gives in one call (100 items): that must cost a call, not a name.
async fn many_names_are_read_at_once(case: Case) {
    let keys: Vec<_> = (0..150).map(|number| case.key(&format!("name-{number}"))).collect();
    for part in keys.chunks(75) {
        let change = part.iter().fold(case.change(), |change, key| change.hold(key.clone(), &owner("anna"), None));
        case.done(&change).await;
    }
    let wants = Wants { names: keys.iter().cloned().collect(), ..case.wants() };
    assert_eq!(case.read(wants).await.names.len(), 150);
}

async fn large(case: &Case, names: usize) -> Change {
    let mut change = case.change().write("anna", 0, &counting(1));
    for number in 0..names {
        change = change.hold(case.key(&format!("name-{number}")), &owner("anna"), None);
    }
    for number in 0..10 {
        let key = case.make(&format!("code-{names}-{number}"), &invitation(1)).await;
        change = change.put(&key, &invitation(1));
    }
    for number in 0..30 {
        change = change.deliver(delivery(case, "anna", &format!("k{number}")));
    }
    change
}

async fn a_change_of_one_hundred_items_is_done(case: Case) {
    let change = large(&case, 59).await;
    case.done(&change).await;
    assert_eq!(case.member("anna").await, Some(change.sealed_member()));
    let names = change.names.keys().cloned().collect();
    assert_eq!(case.read(Wants { names, ..case.wants() }).await.names.len(), 59);
    assert_eq!(case.deliveries().await.len(), 30);
    assert!(case.ledger().invitations(&case.pool).await.unwrap().iter().all(|(_, invitation)| invitation.version == 2));
}

async fn a_change_of_more_is_refused(case: Case) {
    let change = large(&case, 60).await;
    let fault = case.ledger().commit(&change).await.expect_err("a change of 101 items was taken");
    assert!(fault.causes().contains("100"), "the fault does not name the limit: {fault}");
    assert_eq!(case.member("anna").await, None);
    assert_eq!(case.holding("name-0").await, None);
    assert_eq!(case.deliveries().await, []);
}

/// How many try at once.
const CROWD: usize = 64;

async fn one_of_many_gets_the_name(case: Case) {
    let ends = case
        .at_once(CROWD, |number, case| async move {
            let until = (number % 2 == 0).then(|| after(60));
            let change = case.change().hold(case.key("anna"), &owner(&number.to_string()), until);
            case.commit(&change).await
        })
        .await;
    let winners: Vec<_> = (0..CROWD).filter(|number| ends[*number] == Committed::Done).collect();
    let lost = Committed::Moved(Moved { taken: [case.key("anna")].into(), ..Moved::default() });
    assert_eq!(winners.len(), 1, "these got the name: {winners:?}");
    assert_eq!(ends.iter().filter(|end| **end == lost).count(), CROWD - 1);
    assert_eq!(case.owner("anna").await, Some(owner(&winners[0].to_string())));
}

async fn one_of_many_gets_all_the_keys(case: Case) {
    let keys = ["fold", "skeleton", "skeleton of the fold"];
    let ends = case
        .at_once(CROWD / 2, |number, case| async move {
            let name = owner(&number.to_string());
            let change = keys.iter().fold(case.change(), |change, key| change.hold(case.key(key), &name, None));
            case.commit(&change.write(&number.to_string(), 0, &counting(1))).await
        })
        .await;
    let winners: Vec<_> = (0..ends.len()).filter(|number| ends[*number] == Committed::Done).collect();
    assert_eq!(winners.len(), 1, "these got the name: {winners:?}");
    for key in keys {
        assert_eq!(case.owner(key).await, Some(owner(&winners[0].to_string())));
    }
    for number in 0..ends.len() {
        let written = case.member(&number.to_string()).await.is_some();
        assert_eq!(written, number == winners[0], "the member of {number}");
    }
}

/// Everybody wants two names in a ring: whoever is done has both, nobody has one.
async fn neighbours_share_no_name(case: Case) {
    const RING: usize = 16;
    let ends = case
        .at_once(RING, |number, case| async move {
            let name = owner(&number.to_string());
            let change = case.change().hold(case.key(&number.to_string()), &name, Some(after(60)));
            case.commit(&change.hold(case.key(&((number + 1) % RING).to_string()), &name, Some(after(60)))).await
        })
        .await;
    let mut expected = BTreeMap::new();
    for (number, end) in ends.iter().enumerate().filter(|(_, end)| **end == Committed::Done) {
        for key in [number, (number + 1) % RING] {
            assert_eq!(expected.insert(key, owner(&number.to_string())), None, "{key} was given twice: {end:?}");
        }
    }
    assert!(!expected.is_empty(), "nobody got a name");
    for key in 0..RING {
        assert_eq!(case.owner(&key.to_string()).await, expected.get(&key).cloned(), "{key}");
    }
}

async fn a_lapsed_name_goes_to_one(case: Case) {
    case.done(&case.change().hold(case.key("anna"), &owner("before"), Some(after(60)))).await;
    let ends = case
        .at_once(CROWD, |number, case| async move {
            let change =
                case.change().at(after(61)).hold(case.key("anna"), &owner(&number.to_string()), Some(after(120)));
            case.commit(&change).await
        })
        .await;
    assert_eq!(ends.iter().filter(|end| **end == Committed::Done).count(), 1);
}

async fn an_invitation_lets_in_its_maximum(case: Case) {
    let key = case.make("code", &invitation(5)).await;
    let let_in = case
        .at_once(CROWD, |number, case| {
            let key = key.clone();
            async move {
                let mut current = case.invitation("code").await.unwrap();
                loop {
                    if current.reserve(&owner(&number.to_string()), NOW, after(60)).is_err() {
                        return false;
                    }
                    let name = case.key(&format!("name-{number}"));
                    let change = case.change().put(&key, &current).hold(name, &owner(&number.to_string()), None);
                    match case.commit(&change).await {
                        Committed::Done => return true,
                        Committed::Moved(moved) => current = fresh(&moved, &key),
                    }
                }
            }
        })
        .await;
    assert_eq!(let_in.iter().filter(|let_in| **let_in).count(), 5);
    let stored = case.invitation("code").await.unwrap();
    assert_eq!(stored.counts(NOW), (0, 5));
    for (number, let_in) in let_in.into_iter().enumerate() {
        assert_eq!(stored.uses.contains_key(&owner(&number.to_string())), let_in);
        assert_eq!(case.holding(&format!("name-{number}")).await.is_some(), let_in);
    }
}

/// The invitation as the ledger says it is now, which saves a read.
fn fresh(moved: &Moved, key: &InvitationKey) -> Invitation {
    moved
        .invitations
        .get(key)
        .cloned()
        .flatten()
        .unwrap_or_else(|| panic!("the fresh invitation is missing: {moved:?}"))
}

async fn uses_are_consumed_at_once(case: Case) {
    let uses = (0..16).map(|number| (owner(&number.to_string()), Some(after(60)))).collect();
    let key = case.make("code", &Invitation { uses, ..invitation(16) }).await;
    case.at_once(16, |number, case| {
        let key = key.clone();
        async move {
            let user = Owner::user(&number.to_string());
            let change = case.change().consume(&key, &[owner(&number.to_string())], &user);
            case.done(&change.write(&number.to_string(), 0, &counting(1))).await;
        }
    })
    .await;
    let expected: BTreeMap<_, _> = (0..16).map(|number| (Owner::user(&number.to_string()), None)).collect();
    assert_eq!(case.invitation("code").await.unwrap().uses, expected);
}

async fn no_increment_is_lost(case: Case) {
    case.at_once(CROWD, |number, case| async move {
        let mut current = case.member("anna").await.unwrap_or_default();
        loop {
            let next = Member { commits: current.commits.clone(), ..counting(count_of(&current) + 1) };
            let mut change = case.change().write("anna", current.version, &next);
            if number % 2 == 0 {
                change = change.hold(case.key(&number.to_string()), &owner("anna"), None);
            }
            match case.commit(&change).await {
                Committed::Done => return,
                Committed::Moved(moved) => {
                    current = moved.member.clone().flatten().unwrap_or_else(|| panic!("no fresh member: {moved:?}"));
                }
            }
        }
    })
    .await;
    let stored = case.member("anna").await.unwrap();
    assert_eq!((count_of(&stored), stored.version), (CROWD as u64, CROWD as u64));
}

async fn two_members_changed_at_once_do_not_meet(case: Case) {
    case.at_once(CROWD, |number, case| async move {
        let sub = number.to_string();
        for version in 0..3 {
            let change = case.change().write(&sub, version, &counting(version)).deliver(delivery(&case, &sub, "k"));
            case.done(&change).await;
        }
    })
    .await;
    assert_eq!(case.deliveries().await.len(), CROWD);
}

/// A call whose answer is late is repeated while the first is still under way.
async fn the_same_commit_at_once_is_done_once(case: Case) {
    let alone = case.change().write("anna", 0, &counting(1));
    let together = case
        .change()
        .write("bea", 0, &counting(1))
        .hold(case.key("bea"), &Owner::user("bea"), None)
        .deliver(delivery(&case, "bea", "k"));
    for change in [&alone, &together] {
        let ends = case
            .at_once(8, |_, case| {
                let change = change.clone();
                async move { case.commit(&change).await }
            })
            .await;
        assert!(ends.iter().all(|end| *end == Committed::Done), "{ends:?}");
    }
    assert_eq!(case.member("anna").await, Some(alone.sealed_member()));
    assert_eq!(case.member("bea").await, Some(together.sealed_member()));
    assert_eq!(case.deliveries().await.len(), 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;
    use crate::ledger::{Backlog, Fate, Lease, LeaseId, Ledger, MemberPage, MemoryLedger, Switches};
    use async_trait::async_trait;

    /// What a careless adapter does wrong.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Flaw {
        ForgetsCommits,
        KeepsDeliveries,
        ReadsThenWrites,
        ProlongsReservations,
        HidesTheMember,
        LosesNotes,
        TakesTooMuch,
        StoresAnew,
        LeasesTwice,
        LeasesEarly,
        LeasesTooMuch,
        LeasesSome,
        LeasesParked,
        LosesConditions,
        SettlesForAnybody,
        ForgetsFailures,
        RedrivesWhatIsWorkedOn,
        CountsWhatIsWorkedOn,
        LosesSessions,
        LosesWhatIsUnknown,
        ForgetsHalf,
        ForgetsOnlyWhoIsThere,
        ForgetsWhoMoved,
        RemembersOld,
        ListsOnePage,
        ListsTwice,
        ListsEveryPool,
        MissesLongSubs,
        NeverEnds,
        SwitchesOverAnything,
        SwitchesToAnyVersion,
        SwitchesEveryPool,
        SwitchesLate,
        ReadsEither,
        WaitsAnew,
        WaitsOn,
    }

    struct Careless(MemoryLedger, Flaw);

    #[async_trait]
    impl Ledger for Careless {
        async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
            let mut reading = self.0.read(wants).await?;
            if self.1 == Flaw::LosesNotes {
                reading.names.values_mut().for_each(|holding| holding.note = None);
            }
            if let Some(member) = &mut reading.member {
                match self.1 {
                    Flaw::LosesSessions => member.sessions = Default::default(),
                    Flaw::LosesWhatIsUnknown => member.other.clear(),
                    _ => {}
                }
            }
            match self.1 {
                Flaw::LosesWhatIsUnknown => reading.switches.other.clear(),
                Flaw::ReadsEither if reading.member.is_some() => reading.switches = Switches::default(),
                Flaw::SwitchesEveryPool => {
                    reading.switches =
                        self.0.read(&Wants { pool: "every pool".into(), ..Wants::default() }).await?.switches;
                }
                _ => {}
            }
            Ok(reading)
        }

        async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
            let mut change = change.clone();
            match self.1 {
                Flaw::ForgetsCommits => change.id = CommitId::random()?,
                Flaw::ReadsThenWrites => {
                    let wants =
                        Wants { sub: change.member.as_ref().map(|member| member.sub.clone()), ..Wants::default() };
                    let read = self.0.read(&Wants { pool: change.pool.clone(), ..wants }).await?;
                    yield_once().await;
                    if let (Some(member), Some(read)) = (&mut change.member, read.member)
                        && read.version == member.expected
                    {
                        member.expected = self
                            .0
                            .read(&Wants {
                                sub: Some(member.sub.clone()),
                                pool: change.pool.clone(),
                                ..Wants::default()
                            })
                            .await?
                            .member
                            .map_or(0, |now| now.version);
                    }
                }
                Flaw::ProlongsReservations => {
                    let release: Vec<_> = change
                        .names
                        .iter()
                        .filter_map(|(key, name)| match name {
                            NameChange::Hold { owner, .. } => {
                                Some((key.clone(), NameChange::Release { owners: vec![owner.clone()] }))
                            }
                            NameChange::Release { .. } => None,
                        })
                        .collect();
                    let names = release.into_iter().collect();
                    let first = Change {
                        id: CommitId::random()?,
                        member: None,
                        names,
                        invitations: BTreeMap::new(),
                        deliveries: Vec::new(),
                        ..change.clone()
                    };
                    self.0.commit(&first).await?;
                }
                Flaw::TakesTooMuch => {
                    let rest = change.deliveries.split_off(change.deliveries.len() / 2);
                    let done = self.0.commit(&change).await?;
                    let second = Change {
                        id: CommitId::random()?,
                        member: None,
                        names: BTreeMap::new(),
                        invitations: BTreeMap::new(),
                        deliveries: rest,
                        ..change
                    };
                    self.0.commit(&second).await?;
                    return Ok(done);
                }
                Flaw::ForgetsHalf if is_forgetting(&change) => change.names.clear(),
                Flaw::ForgetsOnlyWhoIsThere if is_forgetting(&change) && self.stored(&change).await?.is_none() => {
                    return Err(Fault::new("there is no such member"));
                }
                Flaw::ForgetsWhoMoved if is_forgetting(&change) => {
                    let version = self.stored(&change).await?.map_or(0, |member| member.version);
                    if let Some(member) = &mut change.member {
                        member.expected = version;
                    }
                }
                Flaw::RemembersOld if is_forgetting(&change) => {
                    let stored = self.stored(&change).await?;
                    if let (Some(member), Some(stored)) = (&mut change.member, stored) {
                        let emptied = Member { marks: stored.marks, ..Member::default() };
                        member.member = Some(emptied.sealed(member.expected, change.id.clone(), change.now));
                    }
                }
                Flaw::StoresAnew => {
                    let ids: Vec<_> = change.deliveries.iter().map(|delivery| delivery.id.clone()).collect();
                    self.0.acknowledge(&ids).await?;
                }
                _ => {}
            }
            let mut committed = self.0.commit(&change).await?;
            if let (Flaw::HidesTheMember, Committed::Moved(moved)) = (self.1, &mut committed) {
                moved.member = None;
            }
            Ok(committed)
        }

        async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault> {
            if self.1 == Flaw::KeepsDeliveries { Ok(()) } else { self.0.acknowledge(deliveries).await }
        }
    }

    #[async_trait]
    impl LedgerAdmin for Careless {
        async fn create_invitation(&self, key: &InvitationKey, invitation: &Invitation) -> Result<bool, Fault> {
            self.0.create_invitation(key, invitation).await
        }

        async fn invitations(&self, pool: &str) -> Result<Vec<(InvitationKey, Invitation)>, Fault> {
            self.0.invitations(pool).await
        }

        async fn deliveries(&self, pool: &str) -> Result<Vec<Delivery>, Fault> {
            self.0.deliveries(pool).await
        }

        async fn redrive(&self, delivery: &DeliveryId, now: Timestamp) -> Result<bool, Fault> {
            if self.1 == Flaw::RedrivesWhatIsWorkedOn {
                self.free(delivery, now).await?;
            }
            self.0.redrive(delivery, now).await
        }

        async fn members(&self, pool: &str, page: Option<String>) -> Result<MemberPage, Fault> {
            let mut found =
                self.0.members(if self.1 == Flaw::ListsEveryPool { "" } else { pool }, page.clone()).await?;
            match self.1 {
                Flaw::ListsOnePage => found.next = None,
                // The last of a page is the first of the next.
                Flaw::ListsTwice => found.members.extend(found.next.iter().map(|sub| (sub.clone(), Member::default()))),
                Flaw::ListsEveryPool => {
                    for pool in [pool.to_owned(), format!("{pool}x")] {
                        found.members.extend(self.0.members(&pool, page.clone()).await?.members);
                    }
                }
                Flaw::MissesLongSubs => found.members.retain(|(sub, _)| sub.len() < 512),
                Flaw::NeverEnds => found.next = found.next.or(Some(String::new())),
                _ => {}
            }
            Ok(found)
        }

        async fn switch(&self, pool: &str, expected: u64, switches: &Switches) -> Result<bool, Fault> {
            let stored = |pool: &str| Wants { pool: pool.to_owned(), ..Wants::default() };
            match self.1 {
                Flaw::SwitchesOverAnything => {
                    let version = self.0.read(&stored(pool)).await?.switches.version;
                    self.0.switch(pool, version, switches).await
                }
                Flaw::SwitchesToAnyVersion if switches.version > expected => {
                    for version in expected..switches.version {
                        self.0.switch(pool, version, switches).await?;
                    }
                    Ok(true)
                }
                Flaw::SwitchesEveryPool => self.0.switch("every pool", expected, switches).await,
                Flaw::SwitchesLate => {
                    let version = self.0.read(&stored(pool)).await?.switches.version;
                    yield_once().await;
                    if version != expected {
                        return Ok(false);
                    }
                    let version = self.0.read(&stored(pool)).await?.switches.version;
                    self.0.switch(pool, version, switches).await
                }
                _ => self.0.switch(pool, expected, switches).await,
            }
        }
    }

    #[async_trait]
    impl Outbox for Careless {
        async fn lease_due(&self, lease: &Lease, most: usize) -> Result<Vec<Delivery>, Fault> {
            let most = match self.1 {
                Flaw::LeasesTooMuch => most + 1,
                Flaw::LeasesSome => most.min(100_usize.saturating_sub(self.0.backlog(lease.now).await?.due)),
                _ => most,
            };
            let leased = self.0.lease_due(&self.early(lease), most).await?;
            if self.1 == Flaw::LeasesTwice {
                // What was found is given to everybody who asks before the first has noted it.
                for delivery in &leased {
                    self.free(&delivery.id, lease.now).await?;
                }
                yield_once().await;
                let ids: Vec<_> = leased.iter().map(|delivery| delivery.id.clone()).collect();
                self.0.lease(&ids, lease).await?;
            }
            Ok(leased)
        }

        async fn lease(&self, deliveries: &[DeliveryId], lease: &Lease) -> Result<Vec<Delivery>, Fault> {
            if self.1 == Flaw::LeasesParked {
                for id in deliveries {
                    let stored = self.0.deliveries(&id.pool).await?;
                    if stored.iter().any(|delivery| delivery.id == *id && delivery.parked.is_some()) {
                        self.0.redrive(id, lease.now).await?;
                    }
                }
            }
            let mut leased = self.0.lease(deliveries, &self.early(lease)).await?;
            if self.1 == Flaw::LosesConditions {
                leased.iter_mut().for_each(|delivery| delivery.only_if = None);
            }
            Ok(leased)
        }

        async fn settle(&self, delivery: &DeliveryId, lease: &LeaseId, fate: &Fate) -> Result<bool, Fault> {
            let stored = self.0.deliveries(&delivery.pool).await?;
            let stored = stored.iter().find(|stored| stored.id == *delivery).and_then(|stored| stored.lease.clone());
            match (self.1, fate.clone(), stored) {
                (Flaw::SettlesForAnybody, fate, Some(holder)) => self.0.settle(delivery, &holder, &fate).await,
                (Flaw::ForgetsFailures, Fate::Later { due, attempts, fault, .. }, _) => {
                    let fate = Fate::Later { due, attempts, failing_since: None, fault };
                    self.0.settle(delivery, lease, &fate).await
                }
                (Flaw::WaitsAnew, Fate::Waiting { due }, _) => {
                    let fate = Fate::Later { due, attempts: 0, failing_since: None, fault: String::new() };
                    self.0.settle(delivery, lease, &fate).await
                }
                // It is due at another time, and its lease is kept.
                (Flaw::WaitsOn, Fate::Waiting { due }, Some(holder)) if holder == *lease => {
                    self.free(delivery, Timestamp::MIN).await?;
                    let again = Lease { id: lease.clone(), now: Timestamp::MIN, until: due };
                    Ok(!self.0.lease(std::slice::from_ref(delivery), &again).await?.is_empty())
                }
                (_, fate, _) => self.0.settle(delivery, lease, &fate).await,
            }
        }

        async fn backlog(&self, now: Timestamp) -> Result<Backlog, Fault> {
            let ahead = if self.1 == Flaw::CountsWhatIsWorkedOn { 60 } else { 0 };
            self.0.backlog(now + SignedDuration::from_secs(ahead)).await
        }
    }

    fn is_forgetting(change: &Change) -> bool {
        change.member.as_ref().is_some_and(|member| member.member.is_none())
    }

    impl Careless {
        /// The member a change is about, as it is stored.
        async fn stored(&self, change: &Change) -> Result<Option<Member>, Fault> {
            let sub = change.member.as_ref().map(|member| member.sub.clone());
            Ok(self.0.read(&Wants { pool: change.pool.clone(), sub, ..Wants::default() }).await?.member)
        }

        fn early(&self, lease: &Lease) -> Lease {
            let ahead = if self.1 == Flaw::LeasesEarly { 1 } else { 0 };
            Lease { now: lease.now + SignedDuration::from_millis(ahead), ..lease.clone() }
        }

        /// Takes a delivery away from whoever works on it.
        async fn free(&self, id: &DeliveryId, due: Timestamp) -> Result<(), Fault> {
            let stored = self.0.deliveries(&id.pool).await?;
            let Some(stored) = stored.into_iter().find(|stored| stored.id == *id) else { return Ok(()) };
            let Delivery { attempts, failing_since, fault, .. } = stored;
            let fate = Fate::Later { due, attempts, failing_since, fault: fault.unwrap_or_default() };
            if let Some(holder) = stored.lease {
                self.0.settle(id, &holder, &fate).await?;
            }
            Ok(())
        }
    }

    /// Lets the other tasks go first.
    async fn yield_once() {
        let mut yielded = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }

    fn complaint(flaw: Flaw, clause: &str) -> String {
        let contract = Contract::of(Arc::new(Careless(MemoryLedger::default(), flaw))).rounds(1);
        let mut tried = Box::pin(AssertUnwindSafe(contract.only(clause)).catch_unwind());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            if let std::task::Poll::Ready(end) = tried.as_mut().poll(&mut context) {
                let payload = end.expect_err(&format!("{flaw:?} went unnoticed by {clause}"));
                return payload.downcast_ref::<String>().unwrap().clone();
            }
        }
    }

    #[test]
    fn every_flaw_is_noticed_and_named() {
        for (flaw, clause) in [
            (Flaw::ForgetsCommits, "a_repeated_commit_is_done_once"),
            (Flaw::KeepsDeliveries, "deliveries_are_acknowledged"),
            (Flaw::ReadsThenWrites, "no_increment_is_lost"),
            (Flaw::ProlongsReservations, "a_renewed_reservation_lasts_no_longer"),
            (Flaw::HidesTheMember, "a_stale_member_stops_everything"),
            (Flaw::LosesNotes, "a_free_name_is_held"),
            (Flaw::TakesTooMuch, "a_change_of_more_is_refused"),
            (Flaw::StoresAnew, "a_leased_delivery_is_not_stored_anew"),
            (Flaw::StoresAnew, "a_parked_delivery_is_not_stored_anew"),
            (Flaw::LeasesTwice, "a_due_delivery_is_leased_once"),
            (Flaw::LeasesEarly, "what_is_due_later_is_not_leased"),
            (Flaw::LeasesTooMuch, "no_more_are_leased_than_asked_for"),
            (Flaw::LeasesSome, "three_hundred_are_all_leased"),
            (Flaw::LeasesParked, "a_parked_delivery_is_never_leased"),
            (Flaw::LosesConditions, "every_kind_of_delivery_is_leased_as_it_was_stored"),
            (Flaw::SettlesForAnybody, "an_old_lease_settles_nothing"),
            (Flaw::ForgetsFailures, "a_delivery_is_put_off"),
            (Flaw::RedrivesWhatIsWorkedOn, "what_is_worked_on_is_not_redriven"),
            (Flaw::CountsWhatIsWorkedOn, "what_is_left_is_counted"),
            (Flaw::KeepsDeliveries, "what_is_leased_or_parked_can_be_acknowledged"),
            (Flaw::LosesSessions, "everything_that_is_known_of_a_member_comes_back"),
            (Flaw::LosesWhatIsUnknown, "everything_that_is_known_of_a_member_comes_back"),
            (Flaw::ForgetsHalf, "a_member_who_is_forgotten_is_gone"),
            (Flaw::RemembersOld, "a_member_who_is_forgotten_is_gone"),
            (Flaw::ForgetsOnlyWhoIsThere, "forgetting_who_is_gone_is_done"),
            (Flaw::ForgetsWhoMoved, "a_member_who_moved_is_not_forgotten"),
            (Flaw::ForgetsCommits, "a_repeated_forgetting_does_no_harm"),
            (Flaw::RemembersOld, "who_was_forgotten_can_be_known_anew"),
            (Flaw::ListsEveryPool, "a_pool_without_members_has_none_on_any_page"),
            (Flaw::NeverEnds, "a_pool_without_members_has_none_on_any_page"),
            (Flaw::ListsOnePage, "members_are_listed_page_by_page"),
            (Flaw::ListsTwice, "members_are_listed_page_by_page"),
            (Flaw::MissesLongSubs, "members_with_any_sub_are_listed"),
            (Flaw::ForgetsWhoMoved, "one_forgets_and_the_others_hear_of_it"),
            (Flaw::LosesWhatIsUnknown, "switches_come_back_as_they_were_written"),
            (Flaw::SwitchesToAnyVersion, "switches_come_back_as_they_were_written"),
            (Flaw::SwitchesOverAnything, "switches_that_moved_are_not_written"),
            (Flaw::SwitchesEveryPool, "switches_of_pools_are_separate"),
            (Flaw::ReadsEither, "members_and_switches_do_not_meet"),
            (Flaw::SwitchesLate, "one_of_many_writes_the_switches"),
            (Flaw::WaitsAnew, "a_delivery_that_was_not_due_waits"),
            (Flaw::WaitsOn, "a_delivery_that_was_not_due_waits"),
            (Flaw::WaitsOn, "what_waits_may_wait_again"),
        ] {
            let text = complaint(flaw, clause);
            assert!(
                text.starts_with(&format!("the ledger breaks 1 of 1 clauses\n\n{clause} (round 1 of 1): ")),
                "{text}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "no clause is called `nonsense`")]
    fn a_clause_that_does_not_exist_is_no_success() {
        let _ = Contract::of(Arc::new(MemoryLedger::default())).only("nonsense").now_or_never();
    }
}
