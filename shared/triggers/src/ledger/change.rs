//! One change: everything that one event writes, together or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Delivery, Holding, Invitation, InvitationKey, Member, NameKey, Owner};
use crate::{Fault, random};

/// Names one change: 128 random bits. A repeated change bears the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitId(String);

impl CommitId {
    /// A new one.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub fn random() -> Result<Self, Fault> {
        Ok(Self(BASE32_NOPAD.encode(&random::bytes::<16>()?)))
    }

    /// The text as it is stored: 26 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Everything that one event writes. At most [`Change::MOST`] items.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name.
    pub id: CommitId,
    /// The time it was decided at: what lapsed before is free.
    pub now: Timestamp,
    /// The pool's id.
    pub pool: String,
    /// The member's new state.
    pub member: Option<MemberChange>,
    /// Names taken and given back. No key twice.
    pub names: BTreeMap<NameKey, NameChange>,
    /// Invitations in their new state, or uses consumed.
    pub invitations: BTreeMap<InvitationKey, InvitationChange>,
    /// Deliveries to be stored. One with an id that is stored already is left as it is.
    pub deliveries: Vec<Delivery>,
}

impl Change {
    /// The most items of one change: as many as one transaction of DynamoDB takes ("up to 100 unique items", DynamoDB API
    /// reference, TransactWriteItems).
    pub const MOST: usize = 100;

    /// How many items it writes.
    #[must_use]
    pub fn items(&self) -> usize {
        usize::from(self.member.is_some()) + self.names.len() + self.invitations.len() + self.deliveries.len()
    }

    /// Every ledger asks this first, so that no store takes what another refuses.
    ///
    /// # Errors
    ///
    /// If it is more than can be written together.
    pub fn fits(&self) -> Result<(), Fault> {
        let (items, most) = (self.items(), Self::MOST);
        if items > most {
            return Err(Fault::new(format!(
                "one event wants to write {items} items, and at most {most} can be written together: \
                 hold fewer names or stage fewer deliveries"
            )));
        }
        Ok(())
    }
}

/// A member to be written or forgotten, if it is still the version that was read.
#[derive(Clone, Debug)]
pub struct MemberChange {
    /// Whose.
    pub sub: String,
    /// The version that was read; 0 for a member that did not exist.
    pub expected: u64,
    /// The new state; its version is `expected + 1` and it bears the change's id. `None`: it is to be forgotten. One that is
    /// gone already is no hindrance to that.
    pub member: Option<Member>,
}

impl MemberChange {
    /// Whether it can be written over what is stored. For ledgers that read and write under one lock; others state it as a
    /// condition.
    #[must_use]
    pub fn fits(&self, stored: Option<&Member>) -> bool {
        match stored {
            None => self.expected == 0 || self.member.is_none(),
            Some(stored) => stored.version == self.expected,
        }
    }
}

/// What happens to a name.
#[derive(Clone, Debug)]
pub enum NameChange {
    /// Held from now on: if it is free, has lapsed, or is held by `owner` or one of `instead_of`.
    ///
    /// A live reservation by the same owner is not made longer by holding it again with an `until`.
    Hold {
        /// The new holder.
        owner: Owner,
        /// Earlier names of the same person, whose hold this takes over.
        instead_of: Vec<Owner>,
        /// Until when; `None` for good.
        until: Option<Timestamp>,
        /// Noted beside it.
        note: Option<String>,
    },
    /// Given back, if it is held by one of these; otherwise nothing happens.
    Release {
        /// Who may give it back.
        owners: Vec<Owner>,
    },
}

/// What a [`NameChange`] comes to, given who holds the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameEffect {
    /// Somebody else holds it: the change as a whole is refused.
    Taken,
    /// It stays as it is.
    Stays,
    /// It is held like this from now on.
    Held(Holding),
    /// It is free from now on.
    Freed,
}

impl NameChange {
    /// What it comes to at `now`, where `stored` is how the name is held, lapsed or not. For ledgers that read and write under
    /// one lock; others state it as conditions.
    #[must_use]
    pub fn effect(&self, stored: Option<&Holding>, now: Timestamp) -> NameEffect {
        match self {
            Self::Hold { owner, instead_of, until, note } => {
                if let Some(stored) = stored.filter(|stored| stored.is_live(now)) {
                    if stored.owner == *owner && until.is_some() {
                        return NameEffect::Stays;
                    }
                    if stored.owner != *owner && !instead_of.contains(&stored.owner) {
                        return NameEffect::Taken;
                    }
                }
                NameEffect::Held(Holding { owner: owner.clone(), until: *until, note: note.clone() })
            }
            Self::Release { owners } => match stored {
                Some(stored) if owners.contains(&stored.owner) => NameEffect::Freed,
                _ => NameEffect::Stays,
            },
        }
    }
}

/// What happens to an invitation.
#[derive(Clone, Debug)]
pub enum InvitationChange {
    /// Written, if it is still version `expected`; the new state's version is `expected + 1`.
    Put {
        /// The version that was read.
        expected: u64,
        /// The new state.
        invitation: Invitation,
    },
    /// [`Invitation::consume`] is applied to whatever is stored. One that is gone or has nothing left does not fail the
    /// change: the user is confirmed already.
    Consume {
        /// Whose reservation it was: hashes under the current and the previous key.
        applicants: Vec<Owner>,
        /// The user.
        user: Owner,
    },
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there is one of it at a time, and it is not kept")]
pub enum Committed {
    /// It was written, now or by an earlier try.
    Done,
    /// Nothing was written: the state had moved.
    Moved(Moved),
}

/// What stands in the way of a change, as far as it is known. What is not mentioned is as it was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moved {
    /// The member as it is now; `Some(None)` if it is gone.
    pub member: Option<Option<Member>>,
    /// The invitations as they are now; `None` if gone.
    pub invitations: BTreeMap<InvitationKey, Option<Invitation>>,
    /// Names held by somebody else.
    pub taken: BTreeSet<NameKey>,
}
