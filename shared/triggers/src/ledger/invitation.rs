//! Counted invitations.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Owner;

/// Names an invitation: the pool and the keyed hash of its code. The code itself is stored nowhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InvitationKey {
    /// The pool's id.
    pub pool: String,
    /// The keyed hash of the code.
    pub hash: String,
}

/// A code that lets a limited number of users in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Invitation {
    /// How many users it lets in, 1 to [`Invitation::MOST`].
    pub maximum: u32,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it lets nobody in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// What the operator wrote beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Taken back by the operator.
    #[serde(default)]
    pub revoked: bool,
    /// Who used it, and until when the use is reserved; `None` once the user is confirmed.
    #[serde(default)]
    pub uses: BTreeMap<Owner, Option<Timestamp>>,
    /// How often it was written; 1 when it was made.
    pub version: u64,
}

/// Why an invitation lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has expired.
    Expired,
    /// It was taken back.
    Revoked,
    /// Every use is taken or reserved.
    UsedUp,
}

impl Invitation {
    /// The largest `maximum`: the uses live in one item, and an item holds 400 KB. For more, use a static code.
    pub const MOST: u32 = 1_000;

    /// Reserves a use for `owner` until `until`. A live reservation of the same owner stays as it is: asking again neither
    /// takes a second use nor makes the first last longer.
    ///
    /// # Errors
    ///
    /// Why it lets nobody in.
    pub fn reserve(&mut self, owner: &Owner, now: Timestamp, until: Timestamp) -> Result<(), Refused> {
        if self.revoked {
            return Err(Refused::Revoked);
        }
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(Refused::Expired);
        }
        if self.is_live(owner, now) {
            return Ok(());
        }
        self.uses.retain(|_, reserved| reserved.is_none_or(|until| until > now));
        if self.uses.len() >= self.maximum as usize {
            return Err(Refused::UsedUp);
        }
        self.uses.insert(owner.clone(), Some(until));
        Ok(())
    }

    /// Turns the applicant's use into the user's own, for good. The applicant may go by several hashes while the root key is
    /// being replaced. Repeating it changes nothing.
    ///
    /// The user is confirmed already, so everybody is counted: `false` says that it let in one more than its maximum, because
    /// the reservation had lapsed and everything had been given to others meanwhile.
    pub fn consume(&mut self, applicants: &[Owner], user: &Owner, now: Timestamp) -> bool {
        if self.uses.contains_key(user) {
            return true;
        }
        let before = self.uses.len();
        self.uses.retain(|owner, _| !applicants.contains(owner));
        if self.uses.len() == before {
            self.uses.retain(|_, reserved| reserved.is_none_or(|until| until > now));
        }
        self.uses.insert(user.clone(), None);
        self.uses.len() <= self.maximum as usize
    }

    /// How many uses are taken for good, and how many are reserved at `now`.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> (usize, usize) {
        let used = self.uses.values().filter(|until| until.is_none()).count();
        let reserved = self.uses.values().filter(|until| until.is_some_and(|until| until > now)).count();
        (used, reserved)
    }

    fn is_live(&self, owner: &Owner, now: Timestamp) -> bool {
        self.uses.get(owner).is_some_and(|until| until.is_none_or(|until| until > now))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);

    fn after(seconds: i64) -> Timestamp {
        NOW + SignedDuration::from_secs(seconds)
    }

    fn invitation(maximum: u32) -> Invitation {
        let uses = BTreeMap::new();
        Invitation { maximum, created: NOW, expires: None, note: None, revoked: false, uses, version: 1 }
    }

    fn owner(name: &str) -> Owner {
        Owner::applicant(name)
    }

    #[test]
    fn it_lets_in_as_many_as_it_says() {
        let mut code = invitation(2);
        assert_eq!(code.reserve(&owner("anna"), NOW, after(60)), Ok(()));
        assert_eq!(code.reserve(&owner("bea"), NOW, after(60)), Ok(()));
        assert_eq!(code.reserve(&owner("carl"), NOW, after(60)), Err(Refused::UsedUp));
        assert_eq!(code.counts(NOW), (0, 2));
    }

    #[test]
    fn asking_again_takes_no_second_use_and_lasts_no_longer() {
        let mut code = invitation(1);
        code.reserve(&owner("anna"), NOW, after(60)).unwrap();
        let before = code.clone();
        assert_eq!(code.reserve(&owner("anna"), after(59), after(999)), Ok(()));
        assert_eq!(code, before);
    }

    #[test]
    fn a_lapsed_reservation_is_free_from_its_last_moment_on() {
        let mut code = invitation(1);
        code.reserve(&owner("anna"), NOW, after(60)).unwrap();
        let before = after(60) - SignedDuration::from_millis(1);
        assert_eq!(code.reserve(&owner("bea"), before, after(120)), Err(Refused::UsedUp));
        assert_eq!(code.reserve(&owner("bea"), after(60), after(120)), Ok(()));
        assert_eq!(code.uses, [(owner("bea"), Some(after(120)))].into());
    }

    #[test]
    fn one_that_expired_or_was_taken_back_lets_nobody_in() {
        let mut expired = Invitation { expires: Some(after(60)), ..invitation(1) };
        assert_eq!(expired.reserve(&owner("anna"), after(60), after(99)), Err(Refused::Expired));
        assert_eq!(expired.reserve(&owner("anna"), after(59), after(99)), Ok(()));
        let mut revoked = Invitation { revoked: true, ..invitation(1) };
        assert_eq!(revoked.reserve(&owner("anna"), NOW, after(60)), Err(Refused::Revoked));
        assert_eq!(revoked.uses, BTreeMap::new());
    }

    #[test]
    fn a_reservation_becomes_the_users_own_for_good() {
        let mut code = invitation(1);
        code.reserve(&owner("anna"), NOW, after(60)).unwrap();
        let user = Owner::user("anna");
        assert!(code.consume(&[owner("other hash"), owner("anna")], &user, after(9_999)));
        assert_eq!(code.uses, [(user.clone(), None)].into());
        assert!(code.consume(&[owner("anna")], &user, after(9_999)), "repeating it fails");
        assert_eq!(code.counts(after(9_999)), (1, 0));
    }

    #[test]
    fn reservations_under_both_keys_become_one_use() {
        let mut code = invitation(2);
        code.reserve(&owner("old"), NOW, after(60)).unwrap();
        code.reserve(&owner("new"), NOW, after(60)).unwrap();
        assert!(code.consume(&[owner("new"), owner("old")], &Owner::user("anna"), NOW));
        assert_eq!(code.counts(NOW), (1, 0));
    }

    #[test]
    fn without_a_reservation_a_use_is_taken_if_one_is_left() {
        let mut code = invitation(1);
        code.reserve(&owner("bea"), NOW, after(60)).unwrap();
        let mut full = code.clone();
        assert!(!full.consume(&[owner("anna")], &Owner::user("anna"), after(59)), "who is in is counted");
        assert_eq!(full.counts(after(59)), (1, 1));
        assert!(code.consume(&[owner("anna")], &Owner::user("anna"), after(60)), "the lapsed use is free");
        assert_eq!(code.uses, [(Owner::user("anna"), None)].into());
    }

    #[test]
    fn it_reads_what_was_stored_before_there_was_more_to_it() {
        let stored = r#"{"maximum": 1, "created": "2026-01-01T12:00:00Z", "version": 1}"#;
        assert_eq!(serde_json::from_str::<Invitation>(stored).unwrap(), invitation(1));
    }

    proptest! {
        #[test]
        fn nobody_is_let_in_beyond_its_maximum_and_everybody_who_is_in_is_counted(
            maximum in 1..5_u32,
            steps in prop::collection::vec((0..3_u8, 0..8_u8, 0..40_i64), 0..60),
        ) {
            let (mut code, mut now) = (invitation(maximum), NOW);
            let mut confirmed = std::collections::BTreeSet::new();
            for (step, who, wait) in steps {
                now += SignedDuration::from_secs(wait);
                let applicant = owner(&who.to_string());
                let user = Owner::user(&who.to_string());
                match step {
                    0 | 1 => {
                        let known = code.is_live(&applicant, now);
                        if code.reserve(&applicant, now, now + SignedDuration::from_secs(60)).is_ok() && !known {
                            prop_assert!(code.uses.len() <= maximum as usize);
                        }
                    }
                    _ => {
                        confirmed.insert(who);
                        code.consume(&[applicant], &user, now);
                    }
                }
                prop_assert_eq!(code.counts(now).0, confirmed.len());
            }
        }
    }
}
