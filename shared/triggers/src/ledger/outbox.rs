//! The outbox: deliveries that were not carried out with the event that staged them, as the courier works on them.

use std::fmt;

use async_trait::async_trait;
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CommitId, Delivery, DeliveryId, Ledger};
use crate::{Fault, random};

/// The courier's view of the ledger.
///
/// A delivery is worked on under a lease: it is due when the lease ends, so that one whose courier died is taken up by
/// another, and nobody else sees it before.
#[async_trait]
pub trait Outbox: Ledger {
    /// Leases up to `most` deliveries of all pools that are due, about in the order they are due. What is parked is never due.
    ///
    /// # Errors
    ///
    /// If the service cannot be reached. What was leased by then is due again when the lease ends.
    async fn lease_due(&self, lease: &Lease, most: usize) -> Result<Vec<Delivery>, Fault>;

    /// Leases these deliveries, as far as they are there and due.
    ///
    /// # Errors
    ///
    /// If the service cannot be reached.
    async fn lease(&self, deliveries: &[DeliveryId], lease: &Lease) -> Result<Vec<Delivery>, Fault>;

    /// Says what becomes of a delivery that was not carried out. Answers whether the lease still held; otherwise nothing is
    /// changed.
    ///
    /// # Errors
    ///
    /// If the service cannot be reached; the delivery is then due when the lease ends.
    async fn settle(&self, delivery: &DeliveryId, lease: &LeaseId, fate: &Fate) -> Result<bool, Fault>;

    /// What is left to do in all pools.
    ///
    /// # Errors
    ///
    /// If the service cannot be reached.
    async fn backlog(&self, now: Timestamp) -> Result<Backlog, Fault>;
}

/// Names one courier at one try: 128 random bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(String);

impl LeaseId {
    /// A new one.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub fn random() -> Result<Self, Fault> {
        Ok(Self(BASE32_NOPAD.encode(&random::bytes::<16>()?)))
    }

    /// One as it is stored.
    #[must_use]
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&CommitId> for LeaseId {
    /// What is carried out inline is leased by the commit that stores it.
    fn from(commit: &CommitId) -> Self {
        Self(commit.as_str().to_owned())
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A lease to be taken.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Whose.
    pub id: LeaseId,
    /// The time: what is due later is not leased.
    pub now: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// What becomes of a delivery that was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is tried again.
    Later {
        /// When.
        due: Timestamp,
        /// How often it was tried in vain by now.
        attempts: u32,
        /// Since when tries that count have failed.
        failing_since: Option<Timestamp>,
        /// Why it failed.
        fault: String,
    },
    /// It was not due yet after all: nothing was tried.
    Waiting {
        /// When it is due.
        due: Timestamp,
    },
    /// Nobody tries it any more until an operator says so.
    Parked {
        /// The time.
        at: Timestamp,
        /// How often it was tried in vain.
        attempts: u32,
        /// Why it failed.
        fault: String,
    },
}

impl Fate {
    /// What the delivery is after this.
    #[must_use]
    pub fn of(&self, delivery: Delivery) -> Delivery {
        match self.clone() {
            Self::Later { due, attempts, failing_since, fault } => {
                Delivery { due, attempts, failing_since, fault: Some(fault), lease: None, parked: None, ..delivery }
            }
            Self::Waiting { due } => Delivery { due, lease: None, ..delivery },
            Self::Parked { at, attempts, fault } => {
                Delivery { due: at, attempts, fault: Some(fault), lease: None, parked: Some(at), ..delivery }
            }
        }
    }
}

/// What is left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries that are due and that nobody works on.
    pub due: usize,
    /// Since when the oldest of them is due.
    pub oldest: Option<Timestamp>,
    /// Deliveries that are parked.
    pub parked: usize,
}
