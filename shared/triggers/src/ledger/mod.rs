//! What the pool remembers, and the one read and one write it is reached by.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Fault;

mod amendment;
mod change;
#[cfg(feature = "contract")]
pub mod contract;
mod delivery;
mod invitation;
mod member;
mod memory;
mod name;
mod outbox;
mod session;

pub use amendment::*;
pub use change::*;
pub use delivery::*;
pub use invitation::*;
pub use member::*;
pub use memory::MemoryLedger;
pub use name::*;
pub use outbox::*;
pub use session::*;

/// Where members, names, invitations, switches and deliveries are kept.
///
/// Every adapter passes the same suite, `ledger::contract`.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Reads everything that is wanted in one strongly consistent call.
    ///
    /// Expiry is the reader's business: a lapsed name or use is returned as it stands.
    ///
    /// # Errors
    ///
    /// If the service cannot be reached or answers nonsense.
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault>;

    /// Writes a change as a whole or not at all.
    ///
    /// Repeating a change that was applied (same [`CommitId`]) answers [`Committed::Done`] and changes nothing, so an
    /// adapter may repeat a call whose answer was lost.
    ///
    /// # Errors
    ///
    /// If the service cannot be reached; whether the change was applied is then unknown.
    async fn commit(&self, change: &Change) -> Result<Committed, Fault>;

    /// Removes deliveries that were carried out. One that is gone already is no error.
    ///
    /// # Errors
    ///
    /// If the service cannot be reached; the deliveries are then carried out again.
    async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault>;
}

/// The operator's view of the ledger: what no trigger needs while it answers.
#[async_trait]
pub trait LedgerAdmin: Ledger {
    /// Stores a new invitation. `false` if one with this hash exists.
    async fn create_invitation(&self, key: &InvitationKey, invitation: &Invitation) -> Result<bool, Fault>;

    /// Every invitation of a pool with its hash, oldest first.
    async fn invitations(&self, pool: &str) -> Result<Vec<(InvitationKey, Invitation)>, Fault>;

    /// Every delivery of a pool that has not been carried out, parked ones included, the earliest due first.
    async fn deliveries(&self, pool: &str) -> Result<Vec<Delivery>, Fault>;

    /// Makes a delivery due at once and its tries forgotten, whether it is parked or waits. `false` if it is not there, or
    /// somebody works on it: its lease ends after `now`.
    async fn redrive(&self, delivery: &DeliveryId, now: Timestamp) -> Result<bool, Fault>;

    /// One page of a pool's members, in no particular order. A member that is written meanwhile may be missing or be there as
    /// it was; none comes twice.
    async fn members(&self, pool: &str, page: Option<String>) -> Result<MemberPage, Fault>;

    /// Writes the switches of a pool, if they are still what was read: version `expected`, 0 if there were none. The new version
    /// is `expected + 1`, whatever `switches` says. `false` if they have moved.
    async fn switch(&self, pool: &str, expected: u64, switches: &Switches) -> Result<bool, Fault>;
}

/// One page of members.
#[derive(Clone, Debug, Default)]
pub struct MemberPage {
    /// The members, each with the user's `sub`.
    pub members: Vec<(String, Member)>,
    /// What to ask with for the next page; `None` after the last. A page may be empty and not the last.
    pub next: Option<String>,
}

/// What one read is to bring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The pool's id; its switches always come along.
    pub pool: String,
    /// The user whose member is wanted.
    pub sub: Option<String>,
    /// Invitations, by the hash of their code.
    pub invitations: BTreeSet<InvitationKey>,
    /// Names: who holds them.
    pub names: BTreeSet<NameKey>,
}

impl Wants {
    /// Whether a read of `self` answers `other` too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.pool == other.pool
            && (other.sub.is_none() || self.sub == other.sub)
            && self.invitations.is_superset(&other.invitations)
            && self.names.is_superset(&other.names)
    }
}

/// What one read brought. What does not exist is missing from the maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The member, if there is one.
    pub member: Option<Member>,
    /// What takes effect at once.
    pub switches: Switches,
    /// The invitations found.
    pub invitations: BTreeMap<InvitationKey, Invitation>,
    /// The names found, lapsed ones included.
    pub names: BTreeMap<NameKey, Holding>,
}
