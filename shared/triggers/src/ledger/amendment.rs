//! Changes of one member that no event brings: a job that heard of something, an operator, a link in a mail.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Change, CommitId, Committed, Delivery, DeliveryId, Ledger, Member, MemberChange, NameChange, NameKey, Reading,
    Task, Wants,
};
use crate::{Fault, FaultKind};

/// Changes one member outside of a visit: reads it, asks what is to become of it, and writes that, again if it has moved
/// meanwhile. `None` leaves it as it is. Answers whether anything was written. `ask` may be asked several times, so it does
/// nothing but answer.
///
/// # Errors
///
/// If the ledger cannot be reached, or the member moves without end.
pub async fn amend(
    ledger: &dyn Ledger,
    pool: &str,
    sub: &str,
    now: Timestamp,
    ask: impl Fn(&Reading) -> Option<Amendment>,
) -> Result<bool, Fault> {
    let wants = Wants { pool: pool.to_owned(), sub: Some(sub.to_owned()), ..Wants::default() };
    for _ in 0..AMENDMENTS {
        let reading = ledger.read(&wants).await?;
        let Some(Amendment { member, names, deliveries }) = ask(&reading) else { return Ok(false) };
        let expected = reading.member.as_ref().map_or(0, |member| member.version);
        let id = CommitId::random()?;
        let member = member.map(|member| member.sealed(expected, id.clone(), now));
        let deliver = |(key, task, due)| {
            let id = DeliveryId { pool: pool.to_owned(), sub: sub.to_owned(), key };
            Delivery { due, ..Delivery::new(id, task, now) }
        };
        let change = Change {
            id,
            now,
            pool: pool.to_owned(),
            member: Some(MemberChange { sub: sub.to_owned(), expected, member }),
            names,
            invitations: BTreeMap::new(),
            deliveries: deliveries.into_iter().map(deliver).collect(),
        };
        if ledger.commit(&change).await? == Committed::Done {
            return Ok(true);
        }
    }
    Err(Fault::of(FaultKind::Contention, "the member moved again and again while it was to be changed"))
}

/// What is to become of a member, and what goes with it, in one change.
#[derive(Clone, Debug, Default)]
pub struct Amendment {
    /// The member; `None`: it is to be forgotten.
    pub member: Option<Member>,
    /// Names given back.
    pub names: BTreeMap<NameKey, NameChange>,
    /// What is to be done outside: key, task, and when it is due. One that is stored already under its key is left as it is.
    pub deliveries: Vec<(String, Task, Timestamp)>,
}

/// How often a member that moves is asked for again.
const AMENDMENTS: usize = 20;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::FutureExt;
    use jiff::SignedDuration;

    use super::*;
    use crate::ledger::{LedgerAdmin, MemoryLedger, Owner};

    const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);

    /// Before each of the first commits somebody else changes the member, whose count then grows.
    #[derive(Default)]
    struct Restless {
        ledger: MemoryLedger,
        moves: AtomicUsize,
        reads: AtomicUsize,
        commits: AtomicUsize,
    }

    fn counted(member: Option<&Member>) -> u64 {
        member.map_or(0, |member| member.sign_ins.count)
    }

    fn one_more(member: Option<&Member>) -> Member {
        let mut member = member.cloned().unwrap_or_default();
        member.sign_ins.count += 1;
        member
    }

    #[async_trait]
    impl Ledger for Restless {
        async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.ledger.read(wants).await
        }

        async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
            self.commits.fetch_add(1, Ordering::Relaxed);
            let left = self.moves.load(Ordering::Relaxed);
            if left > 0 {
                self.moves.store(left - 1, Ordering::Relaxed);
                amend(&self.ledger, &change.pool, "anna", change.now, |reading| {
                    let member = Some(one_more(reading.member.as_ref()));
                    Some(Amendment { member, ..Amendment::default() })
                })
                .await?;
            }
            self.ledger.commit(change).await
        }

        async fn acknowledge(&self, _: &[DeliveryId]) -> Result<(), Fault> {
            Ok(())
        }
    }

    impl Restless {
        fn moving(moves: usize) -> Self {
            Self { moves: AtomicUsize::new(moves), ..Self::default() }
        }

        fn member(&self) -> Option<Member> {
            let wants = Wants { pool: "p".into(), sub: Some("anna".into()), ..Wants::default() };
            self.ledger.read(&wants).now_or_never().unwrap().unwrap().member
        }

        fn amend(&self, ask: impl Fn(&Reading) -> Option<Amendment>) -> Result<bool, Fault> {
            amend(self, "p", "anna", NOW, ask).now_or_never().expect("memory never waits")
        }

        fn calls(&self) -> (usize, usize) {
            (self.reads.load(Ordering::Relaxed), self.commits.load(Ordering::Relaxed))
        }
    }

    fn counting(reading: &Reading) -> Option<Amendment> {
        Some(Amendment { member: Some(one_more(reading.member.as_ref())), ..Amendment::default() })
    }

    #[test]
    fn who_was_not_known_is_made() {
        let ledger = Restless::default();
        assert!(ledger.amend(counting).unwrap());
        let member = ledger.member().unwrap();
        assert_eq!((counted(Some(&member)), member.version), (1, 1));
        assert_eq!(ledger.calls(), (1, 1));
    }

    #[test]
    fn a_member_that_moved_is_asked_for_again() {
        let ledger = Restless::moving(3);
        let asked = Mutex::new(Vec::new());
        let amended = ledger.amend(|reading| {
            asked.lock().unwrap().push(counted(reading.member.as_ref()));
            counting(reading)
        });
        assert!(amended.unwrap());
        assert_eq!(*asked.lock().unwrap(), [0, 1, 2, 3]);
        assert_eq!(counted(ledger.member().as_ref()), 4, "an increment was lost");
        assert_eq!(ledger.calls(), (4, 4));
    }

    #[test]
    fn what_is_to_stay_as_it_is_is_not_written() {
        let ledger = Restless::default();
        ledger.amend(counting).unwrap();
        let before = ledger.member();
        assert!(!ledger.amend(|_| None).unwrap());
        assert_eq!((ledger.member(), ledger.calls()), (before, (2, 1)));
        // Nor if that turns out only after it has moved.
        let moved = Restless::moving(1);
        let once = |reading: &Reading| if reading.member.is_none() { counting(reading) } else { None };
        assert!(!moved.amend(once).unwrap());
        assert_eq!(counted(moved.member().as_ref()), 1, "only the other's change is there");
    }

    #[test]
    fn who_moves_without_end_is_a_fault_in_the_end() {
        let ledger = Restless::moving(usize::MAX);
        let fault = ledger.amend(counting).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Contention);
        assert_eq!(ledger.calls(), (AMENDMENTS, AMENDMENTS));
    }

    #[test]
    fn a_member_is_forgotten_with_what_goes_along_or_not_at_all() {
        let ledger = Restless::default();
        let name = NameKey { pool: "p".into(), namespace: "nickname".into(), key: "ann".into() };
        let hold = NameChange::Hold { owner: Owner::user("anna"), instead_of: Vec::new(), until: None, note: None };
        let taking = |reading: &Reading| {
            let names = [(name.clone(), hold.clone())].into();
            counting(reading).map(|amendment| Amendment { names, ..amendment })
        };
        assert!(ledger.amend(taking).unwrap());
        let holding = || {
            let wants = Wants { pool: "p".into(), names: [name.clone()].into(), ..Wants::default() };
            ledger.ledger.read(&wants).now_or_never().unwrap().unwrap().names.remove(&name)
        };
        assert!(holding().is_some());
        ledger.moves.store(1, Ordering::Relaxed);
        let task = Task::UpdateAttributes { user_name: "anna".into(), attributes: BTreeMap::new() };
        let due = NOW + SignedDuration::from_hours(1);
        let forgetting = |_: &Reading| {
            let release = NameChange::Release { owners: vec![Owner::user("anna")] };
            let names = [(name.clone(), release)].into();
            Some(Amendment { member: None, names, deliveries: vec![("farewell/mail".into(), task.clone(), due)] })
        };
        assert!(ledger.amend(forgetting).unwrap());
        assert_eq!((ledger.member(), holding()), (None, None));
        let stored = ledger.ledger.deliveries("p").now_or_never().unwrap().unwrap();
        let [delivery] = stored.as_slice() else { panic!("{stored:?}") };
        assert_eq!((delivery.id.sub.as_str(), delivery.due, delivery.staged), ("anna", due, NOW));
        assert!(delivery.lease.is_none());
        // Who is gone can be forgotten again, and what is stored already is left as it is.
        assert!(ledger.amend(forgetting).unwrap());
        assert_eq!(ledger.ledger.deliveries("p").now_or_never().unwrap().unwrap(), stored);
    }
}
