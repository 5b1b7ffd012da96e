//! A ledger in memory: for tests and tours, and the plainest statement of what every ledger does.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Backlog, Change, Committed, Delivery, DeliveryId, Fate, Holding, Invitation, InvitationChange, InvitationKey,
    Lease, LeaseId, Ledger, LedgerAdmin, Member, MemberPage, Moved, NameEffect, NameKey, Outbox, Reading, Switches,
    Wants,
};
use crate::Fault;

/// Keeps everything until it is dropped.
#[derive(Default)]
pub struct MemoryLedger(Mutex<State>);

#[derive(Default)]
struct State {
    members: BTreeMap<(String, String), Member>,
    names: BTreeMap<NameKey, Holding>,
    invitations: BTreeMap<InvitationKey, Invitation>,
    switches: BTreeMap<String, Switches>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    /// Changes without a member bear no version; their ids are kept instead.
    applied: std::collections::BTreeSet<String>,
}

impl MemoryLedger {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held cannot leave a change half applied: everything is checked before anything is written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
        let state = self.state();
        let member = wants.sub.as_ref().and_then(|sub| state.members.get(&(wants.pool.clone(), sub.clone())));
        let invitations =
            wants.invitations.iter().filter_map(|key| Some((key.clone(), state.invitations.get(key)?.clone())));
        let names = wants.names.iter().filter_map(|key| Some((key.clone(), state.names.get(key)?.clone())));
        Ok(Reading {
            member: member.cloned(),
            switches: state.switches.get(&wants.pool).cloned().unwrap_or_default(),
            invitations: invitations.collect(),
            names: names.collect(),
        })
    }

    async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
        change.fits()?;
        let mut state = self.state();
        if state.applied.contains(change.id.as_str()) {
            return Ok(Committed::Done);
        }
        let moved = state.in_the_way_of(change);
        if moved != Moved::default() {
            return Ok(Committed::Moved(moved));
        }
        state.apply(change);
        Ok(Committed::Done)
    }

    async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault> {
        let mut state = self.state();
        for id in deliveries {
            state.deliveries.remove(id);
        }
        Ok(())
    }
}

impl State {
    fn in_the_way_of(&self, change: &Change) -> Moved {
        let mut moved = Moved::default();
        if let Some(member) = &change.member {
            let stored = self.members.get(&(change.pool.clone(), member.sub.clone()));
            if !member.fits(stored) {
                moved.member = Some(stored.cloned());
            }
        }
        for (key, invitation) in &change.invitations {
            if let InvitationChange::Put { expected, .. } = invitation {
                let stored = self.invitations.get(key);
                if stored.map_or(0, |stored| stored.version) != *expected {
                    moved.invitations.insert(key.clone(), stored.cloned());
                }
            }
        }
        for (key, name) in &change.names {
            if name.effect(self.names.get(key), change.now) == NameEffect::Taken {
                moved.taken.insert(key.clone());
            }
        }
        moved
    }

    fn apply(&mut self, change: &Change) {
        self.applied.insert(change.id.as_str().to_owned());
        if let Some(member) = &change.member {
            let key = (change.pool.clone(), member.sub.clone());
            match &member.member {
                Some(member) => self.members.insert(key, member.clone()),
                None => self.members.remove(&key),
            };
        }
        for (key, invitation) in &change.invitations {
            match invitation {
                InvitationChange::Put { invitation, .. } => {
                    self.invitations.insert(key.clone(), invitation.clone());
                }
                InvitationChange::Consume { applicants, user } => {
                    if let Some(stored) = self.invitations.get_mut(key) {
                        let before = stored.uses.clone();
                        stored.consume(applicants, user, change.now);
                        if stored.uses != before {
                            stored.version = stored.version.saturating_add(1);
                        }
                    }
                }
            }
        }
        for (key, name) in &change.names {
            match name.effect(self.names.get(key), change.now) {
                NameEffect::Held(holding) => {
                    self.names.insert(key.clone(), holding);
                }
                NameEffect::Freed => {
                    self.names.remove(key);
                }
                NameEffect::Stays | NameEffect::Taken => {}
            }
        }
        for delivery in &change.deliveries {
            self.deliveries.entry(delivery.id.clone()).or_insert_with(|| delivery.clone());
        }
    }
}

#[async_trait]
impl LedgerAdmin for MemoryLedger {
    async fn create_invitation(&self, key: &InvitationKey, invitation: &Invitation) -> Result<bool, Fault> {
        let mut state = self.state();
        if state.invitations.contains_key(key) {
            return Ok(false);
        }
        state.invitations.insert(key.clone(), invitation.clone());
        Ok(true)
    }

    async fn invitations(&self, pool: &str) -> Result<Vec<(InvitationKey, Invitation)>, Fault> {
        let state = self.state();
        let of_pool = state.invitations.iter().filter(|(key, _)| key.pool == pool);
        let mut invitations: Vec<_> = of_pool.map(|(key, invitation)| (key.clone(), invitation.clone())).collect();
        invitations.sort_by_key(|(_, invitation)| invitation.created);
        Ok(invitations)
    }

    async fn deliveries(&self, pool: &str) -> Result<Vec<Delivery>, Fault> {
        let state = self.state();
        let mut deliveries: Vec<_> =
            state.deliveries.values().filter(|delivery| delivery.id.pool == pool).cloned().collect();
        deliveries.sort_by_key(|delivery| delivery.due);
        Ok(deliveries)
    }

    async fn redrive(&self, delivery: &DeliveryId, now: Timestamp) -> Result<bool, Fault> {
        let mut state = self.state();
        let Some(stored) = state.deliveries.get_mut(delivery) else { return Ok(false) };
        if stored.is_worked_on(now) {
            return Ok(false);
        }
        *stored = stored.clone().redriven(now);
        Ok(true)
    }

    async fn members(&self, pool: &str, page: Option<String>) -> Result<MemberPage, Fault> {
        let state = self.state();
        let of_pool =
            state.members.iter().filter(|((of, sub), _)| of == pool && page.as_ref().is_none_or(|at| sub > at));
        let members: Vec<_> = of_pool.take(PAGE).map(|((_, sub), member)| (sub.clone(), member.clone())).collect();
        let next = members.last().filter(|_| members.len() == PAGE).map(|(sub, _)| sub.clone());
        Ok(MemberPage { members, next })
    }

    async fn switch(&self, pool: &str, expected: u64, switches: &Switches) -> Result<bool, Fault> {
        let mut state = self.state();
        if state.switches.get(pool).map_or(0, |stored| stored.version) != expected {
            return Ok(false);
        }
        let switches = Switches { version: expected.saturating_add(1), ..switches.clone() };
        state.switches.insert(pool.to_owned(), switches);
        Ok(true)
    }
}

/// How many members stand on a page.
const PAGE: usize = 100;

#[async_trait]
impl Outbox for MemoryLedger {
    async fn lease_due(&self, lease: &Lease, most: usize) -> Result<Vec<Delivery>, Fault> {
        let due = {
            let state = self.state();
            let mut due: Vec<_> = state.deliveries.values().filter(|delivery| delivery.is_due(lease.now)).collect();
            due.sort_by_key(|delivery| delivery.due);
            due.into_iter().take(most).map(|delivery| delivery.id.clone()).collect::<Vec<_>>()
        };
        self.lease(&due, lease).await
    }

    async fn lease(&self, deliveries: &[DeliveryId], lease: &Lease) -> Result<Vec<Delivery>, Fault> {
        let mut state = self.state();
        let mut leased = Vec::new();
        for id in deliveries {
            if let Some(delivery) = state.deliveries.get_mut(id).filter(|delivery| delivery.is_due(lease.now)) {
                delivery.lease = Some(lease.id.clone());
                delivery.due = lease.until;
                leased.push(delivery.clone());
            }
        }
        Ok(leased)
    }

    async fn settle(&self, delivery: &DeliveryId, lease: &LeaseId, fate: &Fate) -> Result<bool, Fault> {
        let mut state = self.state();
        let stored = state.deliveries.get_mut(delivery).filter(|stored| stored.lease.as_ref() == Some(lease));
        let Some(stored) = stored else { return Ok(false) };
        *stored = fate.of(stored.clone());
        Ok(true)
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog, Fault> {
        let state = self.state();
        let due = state.deliveries.values().filter(|delivery| delivery.is_due(now));
        Ok(Backlog {
            due: due.clone().count(),
            oldest: due.map(|delivery| delivery.due).min(),
            parked: state.deliveries.values().filter(|delivery| delivery.parked.is_some()).count(),
        })
    }
}

#[cfg(test)]
#[cfg(feature = "contract")]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::ledger::contract::Contract;

    /// Every task on a thread of its own.
    fn on_a_thread(task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let thread = std::thread::spawn(|| task.now_or_never().expect("memory never waits"));
        Box::pin(async move { thread.join().unwrap() })
    }

    #[test]
    fn it_keeps_the_contract() {
        let contract = Contract::of(Arc::new(MemoryLedger::default())).rounds(5).spawn(on_a_thread);
        contract.holds().now_or_never().expect("memory never waits");
    }
}
