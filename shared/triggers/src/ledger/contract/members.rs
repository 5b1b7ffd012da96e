//! What every ledger promises of members: what is known of them comes back, they can be listed, and who is forgotten is gone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Case, Clause, after, clauses, count_of, counting, delivery, invitation, owner};
use crate::ledger::{
    Change, ClientSignIns, Committed, HeldName, Member, MemberChange, Moved, Owner, PasswordAge, SignIns,
};

clauses! {
    once:
        everything_that_is_known_of_a_member_comes_back
        a_member_who_is_forgotten_is_gone
        forgetting_who_is_gone_is_done
        a_member_who_moved_is_not_forgotten
        a_repeated_forgetting_does_no_harm
        who_was_forgotten_can_be_known_anew
        a_pool_without_members_has_none_on_any_page
        members_are_listed_page_by_page
        members_with_any_sub_are_listed;
    rounds:
        one_forgets_and_the_others_hear_of_it;
}

/// More than stand on one page of any ledger: with [`wordy`] also more than DynamoDB reads in one call, a megabyte.
const MANY: usize = 230;

impl Change {
    fn forget(mut self, sub: &str, expected: u64) -> Self {
        self.member = Some(MemberChange { sub: sub.into(), expected, member: None });
        self
    }
}

impl Case {
    /// Every member of the pool, page by page, as they were listed.
    async fn listed(&self) -> Vec<(String, Member)> {
        let (mut listed, mut page) = (Vec::new(), None);
        for _ in 0..10_000 {
            let found = self.ledger().members(&self.pool, page).await.expect("the members could not be listed");
            listed.extend(found.members);
            page = found.next;
            if page.is_none() {
                return listed;
            }
        }
        panic!("there is no last page");
    }
}

/// A member whose item takes some room.
fn wordy(count: usize) -> Member {
    let mut member = counting(count as u64);
    member.other.insert("words".into(), json!("word ".repeat(1_600)));
    member
}

fn known() -> Member {
    let seen = |seconds| Some(after(seconds));
    let client = |count| ClientSignIns { count, first: seen(1), last: seen(2) };
    let mut member = Member {
        names: [("nickname".to_owned(), HeldName { asked: "Ä".into(), held: "Ä-2".into(), keys: vec!["ä".into()] })]
            .into(),
        marks: [("sign-in-alert/mail".to_owned(), after(3))].into(),
        last_sign_in: Some("2099-12-31T23:59:59.123456789Z".parse().unwrap()),
        sign_ins: SignIns {
            count: u64::MAX,
            first: seen(-5),
            last: seen(5),
            clients: [("client #1%".to_owned(), client(7)), (String::new(), client(1))].into(),
            other: of_a_newer_version(),
        },
        password: PasswordAge {
            chosen: seen(-100),
            first_seen: seen(-50),
            warning: seen(1_000),
            other: of_a_newer_version(),
        },
        groups: vec!["株".into(), "a b".into(), String::new()],
        unsubscribed: [("win-back".to_owned(), after(9))].into(),
        ..counting(3)
    };
    member.sessions.reserve("app", after(0), after(600)).unwrap();
    member.sessions.begin("other app", after(2), after(60)).unwrap();
    member.sessions.reserve("", after(3), Timestamp::MAX).unwrap();
    member.other = of_a_newer_version();
    member
}

fn of_a_newer_version() -> Map<String, Value> {
    [("of-a-newer-version".to_owned(), json!({ "list": [1, null, "three"], "empty": {} }))].into_iter().collect()
}

async fn everything_that_is_known_of_a_member_comes_back(case: Case) {
    let first = case.change().write("anna", 0, &known());
    case.done(&first).await;
    let stored = case.member("anna").await.expect("the member is missing");
    assert_eq!(stored, first.sealed_member());
    assert_eq!(stored.sessions.live(after(4), None).count(), 3, "the sessions do not count any more");
    // What one rule changes leaves what the others know.
    let mut changed = stored.clone();
    changed.password.warning = None;
    changed.groups.clear();
    let second = case.change().write("anna", 1, &changed);
    case.done(&second).await;
    assert_eq!(case.member("anna").await, Some(second.sealed_member()));
    // A change that is refused brings the same along.
    let stale = case.change().write("anna", 1, &Member::default());
    assert_eq!(case.moved(&stale).await.member, Some(Some(second.sealed_member())));
    assert_eq!(case.listed().await, [("anna".to_owned(), second.sealed_member())]);
}

async fn a_member_who_is_forgotten_is_gone(case: Case) {
    let anna = Owner::user("anna");
    let held = case.change().write("anna", 0, &known()).hold(case.key("old"), &anna, None);
    case.done(&held.hold(case.key("new"), &anna, None).deliver(delivery(&case, "anna", "before"))).await;
    case.done(&case.change().write("bea", 0, &counting(2)).hold(case.key("bea"), &owner("bea"), None)).await;
    let forget = case
        .change()
        .forget("anna", 1)
        .release(case.key("old"), std::slice::from_ref(&anna))
        .release(case.key("new"), std::slice::from_ref(&anna))
        .release(case.key("bea"), std::slice::from_ref(&anna))
        .deliver(delivery(&case, "anna", "farewell"));
    case.done(&forget).await;
    assert_eq!(case.member("anna").await, None);
    assert_eq!((case.holding("old").await, case.holding("new").await), (None, None), "a name is still held");
    assert_eq!(case.owner("bea").await, Some(owner("bea")), "somebody else's name was given back");
    assert_eq!(count_of(&case.member("bea").await.unwrap()), 2);
    let keys: Vec<_> = case.deliveries().await.into_iter().map(|delivery| delivery.id.key).collect();
    assert_eq!(keys, ["before", "farewell"], "what is to be delivered is another matter");
    let listed: Vec<_> = case.listed().await.into_iter().map(|(sub, _)| sub).collect();
    assert_eq!(listed, ["bea"]);
    // Alone, too.
    case.done(&case.change().forget("bea", 1)).await;
    assert_eq!(case.member("bea").await, None);
    assert_eq!(case.owner("bea").await, Some(owner("bea")), "nobody asked for that");
}

async fn forgetting_who_is_gone_is_done(case: Case) {
    let anna = Owner::user("anna");
    case.done(&case.change().hold(case.key("anna"), &anna, None)).await;
    for expected in [0, 7] {
        case.done(&case.change().forget("anna", expected)).await;
        assert_eq!(case.member("anna").await, None);
    }
    case.done(&case.change().forget("anna", 7).release(case.key("anna"), std::slice::from_ref(&anna))).await;
    assert_eq!(case.holding("anna").await, None, "the rest of the change is missing");
    assert_eq!(case.listed().await, []);
}

async fn a_member_who_moved_is_not_forgotten(case: Case) {
    let anna = Owner::user("anna");
    case.done(&case.change().write("anna", 0, &counting(1)).hold(case.key("anna"), &anna, None)).await;
    let second = case.change().write("anna", 1, &known());
    case.done(&second).await;
    let expected = Moved { member: Some(Some(second.sealed_member())), ..Moved::default() };
    for version in [0, 1, 3] {
        assert_eq!(case.moved(&case.change().forget("anna", version)).await, expected, "{version}");
        let more = case
            .change()
            .forget("anna", version)
            .release(case.key("anna"), std::slice::from_ref(&anna))
            .deliver(delivery(&case, "anna", "k"));
        assert_eq!(case.moved(&more).await, expected, "{version}");
    }
    assert_eq!(case.member("anna").await, Some(second.sealed_member()));
    assert_eq!(case.owner("anna").await, Some(anna), "given back by a change that was refused");
    assert_eq!(case.deliveries().await, []);
}

/// The answer was lost, so the call is repeated.
async fn a_repeated_forgetting_does_no_harm(case: Case) {
    let anna = Owner::user("anna");
    case.done(&case.change().write("anna", 0, &counting(1)).hold(case.key("anna"), &anna, None)).await;
    let forget = case.change().forget("anna", 1).release(case.key("anna"), std::slice::from_ref(&anna));
    case.done(&forget).await;
    case.done(&forget).await;
    assert_eq!((case.member("anna").await, case.holding("anna").await), (None, None));
    // Before the call is repeated somebody takes the name, and an event that was under way makes the member anew.
    case.done(&case.change().hold(case.key("anna"), &owner("bea"), None)).await;
    let again = case.change().write("anna", 0, &counting(9));
    case.done(&again).await;
    case.done(&forget).await;
    assert_eq!(case.member("anna").await, Some(again.sealed_member()), "forgotten twice");
    assert_eq!(case.owner("anna").await, Some(owner("bea")));
}

async fn who_was_forgotten_can_be_known_anew(case: Case) {
    case.done(&case.change().write("anna", 0, &known())).await;
    case.done(&case.change().forget("anna", 1)).await;
    let stale = case.change().write("anna", 1, &counting(2));
    assert_eq!(case.moved(&stale).await, Moved { member: Some(None), ..Moved::default() });
    let anew = case.change().write("anna", 0, &counting(5));
    case.done(&anew).await;
    assert_eq!(case.member("anna").await, Some(anew.sealed_member()), "something of the old one is left");
}

async fn a_pool_without_members_has_none_on_any_page(case: Case) {
    let other = Case { pool: format!("{}x", case.pool), ..case.clone() };
    case.done(&case.change().hold(case.key("anna"), &owner("anna"), None).deliver(delivery(&case, "anna", "k"))).await;
    other.done(&other.change().write("anna", 0, &counting(1))).await;
    assert_eq!(case.listed().await, []);
}

async fn members_are_listed_page_by_page(case: Case) {
    // The name of one begins with that of the other, and neither is to be seen in the other's list.
    let other = Case { pool: format!("{}_x", case.pool), ..case.clone() };
    let mut expected = BTreeMap::new();
    for number in 0..MANY {
        // In an order the keys do not give.
        let sub = format!("sub-{}", (number * 77) % MANY);
        let change = case.change().write(&sub, 0, &wordy(number));
        case.done(&change).await;
        expected.insert(sub, change.sealed_member());
    }
    for number in 0..5 {
        let sub = format!("sub-{number}");
        other.done(&other.change().write(&sub, 0, &counting(1))).await;
        let change = case.change().hold(case.key(&sub), &owner(&sub), None);
        case.done(&change.deliver(delivery(&case, &sub, "M")).deliver(delivery(&case, &sub, "k"))).await;
        case.make(&sub, &invitation(1)).await;
    }
    assert!(case.ledger().switch(&case.pool, 0, &Default::default()).await.unwrap());
    let listed = case.listed().await;
    assert_eq!(listed.len(), MANY, "some are missing, or come twice");
    assert!(listed.into_iter().collect::<BTreeMap<_, _>>() == expected, "they are not as they were written");
    assert_eq!(other.listed().await.len(), 5);
    other.put_away().await;
}

async fn members_with_any_sub_are_listed(case: Case) {
    // A `sub` is opaque: nothing says that it is a UUID, or how long it is.
    let long = "long ".repeat(300);
    let subs = ["a#b", "a%23b", "%", "M", "e\u{301}", "\u{e9}", "株", "two\nlines", "\"quoted\\", " ", &long];
    for sub in subs {
        case.done(&case.change().write(sub, 0, &counting(sub.len() as u64))).await;
    }
    let mut listed: Vec<_> = case.listed().await.into_iter().map(|(sub, member)| (sub, count_of(&member))).collect();
    let mut expected: Vec<_> = subs.iter().map(|sub| ((*sub).to_owned(), sub.len() as u64)).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

/// A job forgets a member just as sign-ins of that user are let in: whoever comes later hears what became of the member.
async fn one_forgets_and_the_others_hear_of_it(case: Case) {
    const CROWD: usize = 16;
    let first = case.change().write("anna", 0, &counting(0)).hold(case.key("anna"), &Owner::user("anna"), None);
    case.done(&first).await;
    let ends = case
        .at_once(CROWD, |number, case| async move {
            let change = match number % 2 {
                0 => case.change().write("anna", 1, &counting(number as u64)),
                _ => case.change().forget("anna", 1).release(case.key("anna"), &[Owner::user("anna")]),
            };
            (number, case.commit(&change).await)
        })
        .await;
    let writers: Vec<_> = ends.iter().filter(|(number, end)| number % 2 == 0 && *end == Committed::Done).collect();
    match (case.member("anna").await, writers.as_slice()) {
        (None, []) => {
            assert!(ends.iter().all(|(number, end)| (number % 2 == 1) == (*end == Committed::Done)), "{ends:?}");
            assert_eq!(case.holding("anna").await, None);
        }
        (Some(member), [(writer, _)]) => {
            assert_eq!((count_of(&member), member.version), (*writer as u64, 2));
            assert_eq!(ends.iter().filter(|(_, end)| *end == Committed::Done).count(), 1, "{ends:?}");
            assert_eq!(case.owner("anna").await, Some(Owner::user("anna")));
        }
        (stored, writers) => panic!("{writers:?} wrote, and {stored:?} is stored"),
    }
}
