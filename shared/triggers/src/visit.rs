//! One invocation's working space: what the rules of a chain share and build up together.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::ledger::{
    Change, CommitId, Condition, Delivery, DeliveryId, Holding, Invitation, InvitationChange, InvitationKey, LeaseId,
    Ledger, Member, MemberChange, Moved, NameChange, NameKey, Owner, Reading, Switches, Task, Wants,
};
use crate::{Acts, Fault, Keys, Services, Templates, Trigger};

/// What a rule works with. Nothing in it takes effect before the chain is through and the commit is done.
pub struct Visit<T: Trigger> {
    /// The keys of `response` to be set; those left unset stay as Cognito sent them.
    pub response: T::Response,
    /// What the pool remembers.
    pub ledger: Page,
    /// Names to be held or given back.
    pub names: Names,
    /// What is to be done outside.
    pub deliveries: Deliveries,
    /// What is to be done before the answer.
    pub acts: Acts,
    /// What is to be counted, as metrics, if the event passes.
    pub counts: Counts,
    /// What went wrong and costs nobody anything.
    pub mishaps: Mishaps,
    /// Keyed hashes.
    pub keys: Keys,
    /// What messages are made from.
    pub templates: Arc<dyn Templates>,
    /// The time this event is judged at.
    pub now: Timestamp,
    /// When the answer has to be on its way.
    pub deadline: Timestamp,
}

impl<T: Trigger> Visit<T> {
    /// An empty one.
    pub(crate) fn new(ledger: Page, names: Names, services: &Services, now: Timestamp, deadline: Timestamp) -> Self {
        Self {
            response: T::Response::default(),
            ledger,
            names,
            deliveries: Deliveries::default(),
            acts: Acts::default(),
            counts: Counts::default(),
            mishaps: Mishaps::default(),
            keys: services.keys.clone(),
            templates: Arc::clone(&services.templates),
            now,
            deadline,
        }
    }
}

impl<T: Trigger> Clone for Visit<T> {
    fn clone(&self) -> Self {
        Self {
            response: self.response.clone(),
            ledger: self.ledger.clone(),
            names: self.names.clone(),
            deliveries: self.deliveries.clone(),
            acts: self.acts.clone(),
            counts: self.counts.clone(),
            mishaps: self.mishaps.clone(),
            keys: self.keys.clone(),
            templates: Arc::clone(&self.templates),
            now: self.now,
            deadline: self.deadline,
        }
    }
}

/// A visit whose trigger is not known: a chain is compiled once and not once for each trigger, of which a pool has a dozen.
pub(crate) trait AnyVisit: Any + Send + Sync {
    fn desk(&mut self) -> Desk<'_>;
    fn copy(&self) -> Box<dyn AnyVisit>;
}

/// What of a visit is the same for every trigger, as far as a chain needs it.
pub(crate) struct Desk<'a> {
    pub(crate) ledger: &'a mut Page,
    pub(crate) names: &'a mut Names,
    pub(crate) deliveries: &'a mut Deliveries,
    pub(crate) acts: &'a mut Acts,
    pub(crate) counts: &'a mut Counts,
    pub(crate) mishaps: &'a mut Mishaps,
    now: Timestamp,
    /// Its name, and whether it delivers.
    trigger: (&'static str, bool),
}

impl<T: Trigger> AnyVisit for Visit<T> {
    fn desk(&mut self) -> Desk<'_> {
        Desk {
            ledger: &mut self.ledger,
            names: &mut self.names,
            deliveries: &mut self.deliveries,
            acts: &mut self.acts,
            counts: &mut self.counts,
            mishaps: &mut self.mishaps,
            now: self.now,
            trigger: (T::NAME, T::DELIVERS),
        }
    }

    fn copy(&self) -> Box<dyn AnyVisit> {
        Box::new(self.clone())
    }
}

/// What rules count, for the metrics: names as CloudWatch shows them, e.g. `SignIns`. It is counted if the event passes and what
/// its rules wanted is written: of a fault at the commit that is passed over nothing is counted, as nothing is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Counts one more.
    pub fn one(&mut self, name: &'static str) {
        let count = self.0.entry(name).or_default();
        *count = count.saturating_add(1);
    }

    /// What was counted, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(name, count)| (*name, *count))
    }
}

/// What went wrong within a rule that goes on all the same: each is logged and counted like the fault of a rule that is passed
/// over, but what the rule did stays.
#[derive(Clone, Debug, Default)]
pub struct Mishaps(Vec<Arc<Fault>>);

impl Mishaps {
    /// Notes one.
    pub fn note(&mut self, fault: Fault) {
        self.0.push(Arc::new(fault));
    }

    pub(crate) fn take(&mut self) -> impl Iterator<Item = Arc<Fault>> + use<> {
        std::mem::take(&mut self.0).into_iter()
    }
}

/// The switches as they were read last, for every pool: what is asked for them alone need not call the ledger every time.
pub(crate) type Glimpses = Arc<Mutex<BTreeMap<String, (Timestamp, Switches)>>>;

/// How old a glimpse of the switches may be: what is switched takes effect within this time.
const GLIMPSE: SignedDuration = SignedDuration::from_secs(5);

/// How often the ledger was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Reads.
    pub reads: u32,
    /// Writes, refused ones included.
    pub writes: u32,
    /// Acknowledgements of deliveries.
    pub acknowledgements: u32,
}

/// What the pool remembers, read once, on first need, for all rules of the chain.
#[derive(Clone)]
pub struct Page {
    ledger: Arc<dyn Ledger>,
    wants: Wants,
    read: Option<Wants>,
    reading: Arc<Reading>,
    member: Arc<Member>,
    invitations: BTreeMap<InvitationKey, Invitation>,
    consumed: BTreeMap<InvitationKey, InvitationChange>,
    glimpses: Glimpses,
    /// When this event came: nothing was read before.
    came: Timestamp,
    pub(crate) calls: Calls,
}

/// What is known before anything is read. Shared, because a visit is made for every event, and moved about.
static NOTHING: LazyLock<(Arc<Reading>, Arc<Member>)> = LazyLock::new(Default::default);

impl Page {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, wants: Wants, glimpses: Glimpses, came: Timestamp) -> Self {
        Self {
            ledger,
            wants,
            read: None,
            reading: Arc::clone(&NOTHING.0),
            member: Arc::clone(&NOTHING.1),
            invitations: BTreeMap::new(),
            consumed: BTreeMap::new(),
            glimpses,
            came,
            calls: Calls::default(),
        }
    }

    /// What is remembered of the user, to be changed in place. Where the event names no user who exists, an empty member
    /// that is kept nowhere.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn member(&mut self) -> Result<&mut Member, Fault> {
        self.load().await?;
        Ok(Arc::make_mut(&mut self.member))
    }

    /// What takes effect at once in the whole pool.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn switches(&mut self) -> Result<&Switches, Fault> {
        self.load().await?;
        Ok(&self.reading.switches)
    }

    /// The same for a rule that needs nothing else of the ledger: as they were at most 5 s ago, so that most events need no
    /// call for them.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn recent_switches(&mut self, now: Timestamp) -> Result<&Switches, Fault> {
        if self.read.is_none()
            && let Some(switches) = self.glimpse(now)
        {
            Arc::make_mut(&mut self.reading).switches = switches;
            return Ok(&self.reading.switches);
        }
        self.load().await?;
        // It was read after the event had come, perhaps in an earlier run of the chain.
        let seen = (self.came, self.reading.switches.clone());
        self.glimpses.lock().unwrap_or_else(PoisonError::into_inner).insert(self.wants.pool.clone(), seen);
        Ok(&self.reading.switches)
    }

    fn glimpse(&self, now: Timestamp) -> Option<Switches> {
        let glimpses = self.glimpses.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, switches) = glimpses.get(&self.wants.pool)?;
        // A clock that went back makes nothing young.
        (*seen <= now && now.duration_since(*seen) < GLIMPSE).then(|| switches.clone())
    }

    /// The last sign-in before this event, whatever rules noted of this one.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn last_sign_in(&mut self) -> Result<Option<Timestamp>, Fault> {
        self.load().await?;
        Ok(self.reading.member.as_ref().and_then(|member| member.last_sign_in))
    }

    /// An invitation, to be changed in place. Name it in [`Rule::wants`](crate::Rule::wants), or this costs a read of its own.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn invitation(&mut self, key: &InvitationKey) -> Result<Option<&mut Invitation>, Fault> {
        self.wants.invitations.insert(key.clone());
        self.load().await?;
        Ok(self.invitations.get_mut(key))
    }

    /// Who holds a name. Name it in [`Rule::wants`](crate::Rule::wants), or this costs a read of its own.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn holding(&mut self, key: &NameKey) -> Result<Option<&Holding>, Fault> {
        self.wants.names.insert(key.clone());
        self.load().await?;
        Ok(self.reading.names.get(key))
    }

    /// Which of these names are held by anybody, in one read.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn held(&mut self, keys: &BTreeSet<NameKey>, now: Timestamp) -> Result<BTreeSet<NameKey>, Fault> {
        self.wants.names.extend(keys.iter().cloned());
        self.load().await?;
        let live = |key: &&NameKey| self.reading.names.get(*key).is_some_and(|holding| holding.is_live(now));
        Ok(keys.iter().filter(live).cloned().collect())
    }

    /// Turns an applicant's use of an invitation into the user's own, whatever state the invitation is in by then.
    pub fn consume_invitation(&mut self, key: InvitationKey, applicants: Vec<Owner>, user: Owner) {
        self.consumed.insert(key, InvitationChange::Consume { applicants, user });
    }

    async fn load(&mut self) -> Result<(), Fault> {
        if self.read.as_ref().is_some_and(|read| read.covers(&self.wants)) {
            return Ok(());
        }
        let first = self.read.is_none();
        // A later read brings only what is missing: what rules changed already must not be overwritten.
        let wants = if first { self.wants.clone() } else { self.missing() };
        self.calls.reads += 1;
        let reading = self.ledger.read(&wants).await?;
        if first {
            self.member = Arc::new(reading.member.clone().unwrap_or_default());
            self.invitations = reading.invitations.clone();
            self.reading = Arc::new(reading);
        } else {
            self.invitations.extend(reading.invitations.clone());
            let known = Arc::make_mut(&mut self.reading);
            known.names.extend(reading.names);
            known.invitations.extend(reading.invitations);
        }
        self.read = Some(self.wants.clone());
        Ok(())
    }

    fn missing(&self) -> Wants {
        let had = self.read.clone().unwrap_or_default();
        Wants {
            pool: self.wants.pool.clone(),
            sub: None,
            invitations: &self.wants.invitations - &had.invitations,
            names: &self.wants.names - &had.names,
        }
    }

    /// The page for another run of the chain: the state as it was read, what moved put in, nothing changed.
    pub(crate) fn refreshed(mut self, moved: Moved) -> Self {
        let known = Arc::make_mut(&mut self.reading);
        if let Some(member) = moved.member {
            known.member = member;
        }
        for (key, invitation) in moved.invitations {
            match invitation {
                Some(invitation) => known.invitations.insert(key, invitation),
                None => known.invitations.remove(&key),
            };
        }
        self.member = Arc::new(known.member.clone().unwrap_or_default());
        self.invitations = known.invitations.clone();
        self.consumed.clear();
        self
    }

    /// Undoes what a rule changed. What it read is kept: it need not be read again.
    pub(crate) fn undo(&mut self, before: &mut Self) {
        self.member = match before.read {
            Some(_) => Arc::clone(&before.member),
            None => Arc::new(self.reading.member.clone().unwrap_or_default()),
        };
        self.invitations = self.reading.invitations.clone();
        self.invitations.append(&mut before.invitations);
        self.consumed = std::mem::take(&mut before.consumed);
    }

    /// What was changed of the state that was read: for comparing before and after a rule.
    fn changes(&self) -> (Option<&Member>, Vec<(&InvitationKey, &Invitation)>, usize) {
        let member = (self.reading.member.as_ref().unwrap_or(&NOTHING.1) != &*self.member).then_some(&*self.member);
        let differs =
            |(key, invitation): &(&InvitationKey, &Invitation)| self.reading.invitations.get(*key) != Some(*invitation);
        (member, self.invitations.iter().filter(differs).collect(), self.consumed.len())
    }

    fn changed_member(&self, marks: &BTreeMap<String, Timestamp>) -> Option<Member> {
        self.wants.sub.as_ref()?;
        let before = self.reading.member.as_ref().unwrap_or(&NOTHING.1);
        if *before == *self.member && marks.is_empty() {
            return None;
        }
        let mut member = Member::clone(&self.member);
        member.marks.extend(marks.iter().map(|(key, at)| (key.clone(), *at)));
        Some(member)
    }
}

/// Names to be held or given back by this event.
///
/// A name that is held here is ours until the commit says it is taken; then the chain runs again, and the same call hears
/// [`Held::Taken`].
#[derive(Clone, Default)]
pub struct Names {
    changes: BTreeMap<NameKey, NameChange>,
    pub(crate) taken: BTreeSet<NameKey>,
}

/// What became of a wish to hold a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Ours, if nobody is quicker.
    Ours,
    /// Somebody else's.
    Taken,
}

/// A wish to hold a name under all of its keys, or none.
#[derive(Clone, Debug)]
pub struct Hold<'a> {
    /// The keys.
    pub keys: &'a BTreeSet<NameKey>,
    /// The holder.
    pub owner: Owner,
    /// Earlier names of the same person, whose hold is taken over.
    pub instead_of: Vec<Owner>,
    /// Until when; `None` for good.
    pub until: Option<Timestamp>,
    /// Noted beside it.
    pub note: Option<String>,
}

impl Names {
    /// For another run of the chain, with what the commit said is taken.
    pub(crate) fn knowing(taken: BTreeSet<NameKey>) -> Self {
        Self { taken, ..Self::default() }
    }

    /// Stages a hold, unless it is known to be in vain.
    pub fn hold(&mut self, hold: &Hold<'_>) -> Held {
        if hold.keys.iter().any(|key| self.taken.contains(key)) {
            return Held::Taken;
        }
        for key in hold.keys {
            let change = NameChange::Hold {
                owner: hold.owner.clone(),
                instead_of: hold.instead_of.clone(),
                until: hold.until,
                note: hold.note.clone(),
            };
            self.changes.insert(key.clone(), change);
        }
        Held::Ours
    }

    /// How many keys turned out to be taken so far; grows with every run of the chain that wanted one in vain.
    #[must_use]
    pub fn tries(&self) -> usize {
        self.taken.len()
    }

    /// Stages giving names back, as far as one of `owners` holds them. A name held by the same event stays held.
    pub fn release(&mut self, keys: impl IntoIterator<Item = NameKey>, owners: &[Owner]) {
        for key in keys {
            self.changes.entry(key).or_insert_with(|| NameChange::Release { owners: owners.to_vec() });
        }
    }
}

/// What is to be done outside once the commit is done.
#[derive(Clone, Default)]
pub struct Deliveries {
    staged: Vec<Staged>,
    mode: DeliveryMode,
}

/// A delivery as a rule wants it.
#[derive(Clone)]
pub struct Staged {
    key: String,
    task: Task,
    only_if: Option<Condition>,
    due: Option<Timestamp>,
    again_after: Option<SignedDuration>,
    mode: DeliveryMode,
}

/// When deliveries are carried out. `delivery` in a rule's table, or under `[services]` for all rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// After PostConfirmation at once, in the time that is left; otherwise, and what was not done then, by the courier.
    #[default]
    Inline,
    /// By the courier.
    Deferred,
}

impl Deliveries {
    /// Stages one. The key names rule and purpose (`welcome-email`, `unique-nickname/assign`): it is the same at every retry.
    /// A delivery whose key the member is marked with is not staged again, ever, unless [`Staged::again_after`] says so.
    pub fn stage(&mut self, key: impl Into<String>, task: Task) -> &mut Staged {
        let staged = Staged { key: key.into(), task, only_if: None, due: None, again_after: None, mode: self.mode };
        self.staged.push(staged);
        let last = self.staged.len() - 1;
        // What was just pushed is there.
        #[allow(clippy::indexing_slicing)]
        &mut self.staged[last]
    }

    pub(crate) fn set_mode(&mut self, mode: DeliveryMode) {
        self.mode = mode;
    }

    pub(crate) fn count(&self) -> usize {
        self.staged.len()
    }

    /// Whether what was staged after the first so many can be stored. One that cannot would keep everything from being written
    /// that the event wants written, so it is a fault of the rule that staged it.
    pub(crate) fn fit(&self, after: usize) -> Result<(), Fault> {
        for staged in self.staged.iter().skip(after) {
            let size = serde_json::to_vec(&staged.task)?.len();
            if size > LARGEST {
                return Err(Fault::new(format!(
                    "it stages a delivery of {size} bytes, and at most {LARGEST} can be stored: leave out what is not needed"
                )));
            }
        }
        Ok(())
    }
}

impl Staged {
    /// Carried out by the courier, not before this time.
    pub fn due(&mut self, at: Timestamp) -> &mut Self {
        self.due = Some(at);
        self
    }

    /// Carried out by the courier, and only if this holds then.
    pub fn only_if(&mut self, condition: Condition) -> &mut Self {
        self.only_if = Some(condition);
        self
    }

    /// Staged again for an event that comes this much later than the last one it was staged for. What comes sooner is taken
    /// for the same event, called again: a retry of Cognito and another event look alike. After a time of zero it is staged for
    /// every event; of two in the same millisecond the first is stored.
    pub fn again_after(&mut self, time: SignedDuration) -> &mut Self {
        self.again_after = Some(time);
        self
    }

    /// Whether it was staged already, as far as this mark tells.
    fn is_done(&self, mark: Option<&Timestamp>, now: Timestamp) -> bool {
        match (mark, self.again_after) {
            (None, _) => false,
            (Some(_), None) => true,
            // A clock that went back must not keep anything from being staged until it has caught up.
            (Some(at), Some(span)) => now.duration_since(*at).abs() < span,
        }
    }

    /// Its name among the user's deliveries: one that is staged repeatedly has another each time.
    fn stored_key(&self, now: Timestamp) -> String {
        match self.again_after {
            Some(_) => format!("{}/{}", self.key, now.as_millisecond()),
            None => self.key.clone(),
        }
    }
}

/// The most bytes a task may have as JSON: "The maximum item size in DynamoDB is 400 KB" (developer guide, "Quotas"), and there
/// is more in an item than the task.
const LARGEST: usize = 350_000;

/// How long a delivery that is carried out inline is left to that: then it is due for everybody.
const LEASE: SignedDuration = SignedDuration::from_secs(30);

impl Desk<'_> {
    /// Whether anything more is to be written than at an earlier moment of the same visit.
    pub(crate) fn wants_more_than(&self, before: &Self) -> bool {
        self.names.changes.len() != before.names.changes.len()
            || self.deliveries.staged.len() != before.deliveries.staged.len()
            || self.acts.count() != before.acts.count()
            || self.ledger.changes() != before.ledger.changes()
    }

    /// Everything this visit wants written, if there is anything.
    ///
    /// What was staged is marked at the member, so that the member is read now if no rule asked for it.
    pub(crate) async fn change(&mut self) -> Result<Option<Change>, Fault> {
        if !self.deliveries.staged.is_empty() && self.ledger.wants.sub.is_some() {
            self.ledger.load().await?;
        }
        self.changes()
    }

    fn changes(&self) -> Result<Option<Change>, Fault> {
        let (trigger, delivers) = self.trigger;
        let known = self.ledger.reading.member.as_ref();
        let sub = self.ledger.wants.sub.as_deref();
        let id = CommitId::random()?;
        let mut marks = BTreeMap::new();
        let mut deliveries = Vec::new();
        for staged in &self.deliveries.staged {
            let key = &staged.key;
            let Some(sub) = sub else {
                return Err(Fault::new(format!("`{key}` cannot be staged: {trigger} knows no user yet")));
            };
            if staged.is_done(known.and_then(|member| member.marks.get(key)), self.now) || marks.contains_key(key) {
                continue;
            }
            marks.insert(key.clone(), self.now);
            // Whether a condition holds is asked of the directory, for which there is no time within the answer.
            let at_once = staged.due.is_none() && staged.only_if.is_none();
            let inline = delivers && staged.mode == DeliveryMode::Inline && at_once;
            let due = if inline { self.now.checked_add(LEASE)? } else { staged.due.unwrap_or(self.now) };
            let pool = self.ledger.wants.pool.clone();
            let id_of = DeliveryId { pool, sub: sub.to_owned(), key: staged.stored_key(self.now) };
            deliveries.push(Delivery {
                only_if: staged.only_if.clone(),
                due,
                lease: inline.then(|| LeaseId::from(&id)),
                ..Delivery::new(id_of, staged.task.clone(), self.now)
            });
        }
        let member = self.ledger.changed_member(&marks);
        let mut invitations = self.ledger.consumed.clone();
        for (key, invitation) in &self.ledger.invitations {
            let before = self.ledger.reading.invitations.get(key);
            if before != Some(invitation) {
                let expected = before.map_or(0, |before| before.version);
                let mut invitation = Invitation { version: expected.saturating_add(1), ..invitation.clone() };
                // There is one change per invitation: what is written holds what was consumed as well.
                if let Some(InvitationChange::Consume { applicants, user }) = self.ledger.consumed.get(key) {
                    invitation.consume(applicants, user, self.now);
                }
                invitations.insert(key.clone(), InvitationChange::Put { expected, invitation });
            }
        }
        if member.is_none() && invitations.is_empty() && deliveries.is_empty() && self.names.changes.is_empty() {
            return Ok(None);
        }
        let expected = known.map_or(0, |member| member.version);
        Ok(Some(Change {
            now: self.now,
            pool: self.ledger.wants.pool.clone(),
            member: member.zip(sub).map(|(member, sub)| MemberChange {
                sub: sub.to_owned(),
                expected,
                member: Some(member.sealed(expected, id.clone(), self.now)),
            }),
            names: self.names.changes.clone(),
            invitations,
            deliveries,
            id,
        }))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;
    use crate::ledger::{Committed, LedgerAdmin, MemoryLedger};
    use crate::{PostConfirmation, PreSignUp};

    const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);

    /// Memory never waits.
    fn now<F: Future>(future: F) -> F::Output {
        future.now_or_never().expect("it waits")
    }

    fn visit<T: Trigger>(ledger: &Arc<MemoryLedger>) -> Visit<T> {
        let sub = T::KNOWS_USER.then(|| "anna".to_owned());
        let wants = Wants { pool: "p".into(), sub, ..Wants::default() };
        let page = Page::new(Arc::clone(ledger) as Arc<dyn Ledger>, wants, Glimpses::default(), NOW);
        let services = Services::none(Arc::<crate::StoppedClock>::default());
        Visit::new(page, Names::default(), &services, NOW, NOW + SignedDuration::from_secs(4))
    }

    fn change<T: Trigger>(visit: &mut Visit<T>) -> Option<Change> {
        now(visit.desk().change()).unwrap()
    }

    fn commit(ledger: &MemoryLedger, change: &Change) -> Committed {
        now(ledger.commit(change)).unwrap()
    }

    fn set(member: &mut Member, value: u64) {
        member.other.insert("count".into(), json!(value));
    }

    fn task() -> Task {
        Task::UpdateAttributes { user_name: "anna".into(), attributes: BTreeMap::new() }
    }

    fn name(key: &str) -> NameKey {
        NameKey { pool: "p".into(), namespace: "nickname".into(), key: key.into() }
    }

    fn code(ledger: &MemoryLedger, hash: &str, maximum: u32) -> InvitationKey {
        let key = InvitationKey { pool: "p".into(), hash: hash.into() };
        let uses = BTreeMap::new();
        let invitation =
            Invitation { maximum, created: NOW, expires: None, note: None, revoked: false, uses, version: 1 };
        assert!(now(ledger.create_invitation(&key, &invitation)).unwrap());
        key
    }

    #[test]
    fn who_asks_for_nothing_costs_no_read_and_writes_nothing() {
        let mut visit = visit::<PostConfirmation>(&Arc::default());
        assert!(change(&mut visit).is_none());
        assert_eq!(visit.ledger.calls, Calls::default());
    }

    #[test]
    fn one_read_serves_all_who_ask() {
        let ledger = Arc::<MemoryLedger>::default();
        let key = code(&ledger, "h", 1);
        let mut visit = visit::<PostConfirmation>(&ledger);
        visit.ledger.wants.invitations.insert(key.clone());
        visit.ledger.wants.names.insert(name("anna"));
        now(visit.ledger.member()).unwrap();
        now(visit.ledger.switches()).unwrap();
        assert!(now(visit.ledger.invitation(&key)).unwrap().is_some());
        assert!(now(visit.ledger.holding(&name("anna"))).unwrap().is_none());
        assert_eq!(now(visit.ledger.held(&[name("anna")].into(), NOW)).unwrap(), BTreeSet::new());
        now(visit.ledger.member()).unwrap();
        assert_eq!(visit.ledger.calls.reads, 1);
    }

    #[test]
    fn what_was_not_named_costs_a_read_and_leaves_changes_alone() {
        let ledger = Arc::<MemoryLedger>::default();
        let (first, second) = (code(&ledger, "first", 1), code(&ledger, "second", 1));
        let mut visit = visit::<PostConfirmation>(&ledger);
        visit.ledger.wants.invitations.insert(first.clone());
        set(now(visit.ledger.member()).unwrap(), 7);
        now(visit.ledger.invitation(&first)).unwrap().unwrap().revoked = true;
        assert!(now(visit.ledger.invitation(&second)).unwrap().is_some());
        assert_eq!(visit.ledger.calls.reads, 2);
        assert!(now(visit.ledger.invitation(&first)).unwrap().unwrap().revoked);
        assert_eq!(now(visit.ledger.member()).unwrap().other.get("count"), Some(&json!(7)));
        assert_eq!(visit.ledger.calls.reads, 2);
    }

    #[test]
    fn a_member_who_was_only_looked_at_is_not_written() {
        let mut visit = visit::<PostConfirmation>(&Arc::default());
        now(visit.ledger.member()).unwrap();
        assert!(change(&mut visit).is_none());
    }

    #[test]
    fn a_changed_member_is_written_at_its_version() {
        let ledger = Arc::<MemoryLedger>::default();
        for version in 0..3 {
            let mut visit = visit::<PostConfirmation>(&ledger);
            set(now(visit.ledger.member()).unwrap(), version);
            let change = change(&mut visit).unwrap();
            let member = change.member.as_ref().unwrap();
            assert_eq!((member.expected, member.member.as_ref().unwrap().version), (version, version + 1));
            assert!(member.member.as_ref().unwrap().bears(&change.id));
            assert_eq!(commit(&ledger, &change), Committed::Done);
        }
    }

    #[test]
    fn a_stranger_touches_no_member() {
        let mut visit = visit::<PreSignUp>(&Arc::default());
        set(now(visit.ledger.member()).unwrap(), 7);
        assert!(change(&mut visit).is_none());
        visit.deliveries.stage("rule/purpose", task());
        let fault = now(visit.desk().change()).unwrap_err();
        assert_eq!(fault.causes(), "`rule/purpose` cannot be staged: PreSignUp knows no user yet");
    }

    #[test]
    fn a_mark_keeps_a_delivery_from_being_staged_twice() {
        let ledger = Arc::<MemoryLedger>::default();
        let mut first = visit::<PostConfirmation>(&ledger);
        // By two rules, or by one that is attached twice.
        first.deliveries.stage("rule/purpose", task());
        first.deliveries.stage("rule/purpose", task());
        let staged = change(&mut first).unwrap();
        assert_eq!(first.ledger.calls.reads, 1, "the marks were not looked up");
        assert_eq!(staged.deliveries.len(), 1);
        assert_eq!(staged.deliveries[0].due, NOW + LEASE);
        assert_eq!(
            staged.member.as_ref().unwrap().member.as_ref().unwrap().marks,
            [("rule/purpose".to_owned(), NOW)].into()
        );
        assert_eq!(commit(&ledger, &staged), Committed::Done);
        now(ledger.acknowledge(&[staged.deliveries[0].id.clone()])).unwrap();
        let mut retry = visit::<PostConfirmation>(&ledger);
        retry.deliveries.stage("rule/purpose", task());
        assert!(change(&mut retry).is_none(), "the retry sends again");
        retry.deliveries.stage("rule/other", task());
        let staged = change(&mut retry).unwrap();
        assert_eq!(
            staged.deliveries.iter().map(|delivery| delivery.id.key.as_str()).collect::<Vec<_>>(),
            ["rule/other"]
        );
        assert_eq!(staged.member.unwrap().member.unwrap().marks.len(), 2);
    }

    #[test]
    fn another_run_begins_with_the_fresh_state_and_without_a_read() {
        let ledger = Arc::<MemoryLedger>::default();
        let (changed, gone) = (code(&ledger, "changed", 1), code(&ledger, "gone", 1));
        let mut visit = visit::<PostConfirmation>(&ledger);
        visit.ledger.wants.invitations.extend([changed.clone(), gone.clone()]);
        set(now(visit.ledger.member()).unwrap(), 7);
        let mut fresh = now(visit.ledger.invitation(&changed)).unwrap().unwrap().clone();
        now(visit.ledger.invitation(&gone)).unwrap().unwrap().revoked = true;
        visit.ledger.consume_invitation(gone.clone(), Vec::new(), Owner::user("anna"));
        fresh.version = 2;
        let mut member = Member { version: 5, ..Member::default() };
        set(&mut member, 1);
        let moved = Moved {
            member: Some(Some(member.clone())),
            invitations: [(changed.clone(), Some(fresh.clone())), (gone.clone(), None)].into(),
            taken: BTreeSet::new(),
        };
        visit.ledger = visit.ledger.refreshed(moved);
        assert!(change(&mut visit).is_none(), "something of the first run is left");
        assert_eq!(*now(visit.ledger.member()).unwrap(), member);
        assert_eq!(now(visit.ledger.invitation(&changed)).unwrap(), Some(&mut fresh));
        assert_eq!(now(visit.ledger.invitation(&gone)).unwrap(), None);
        assert_eq!(visit.ledger.calls.reads, 1);
        set(now(visit.ledger.member()).unwrap(), 2);
        assert_eq!(change(&mut visit).unwrap().member.unwrap().expected, 5);
    }

    #[test]
    fn an_invitation_is_put_at_its_version_with_what_was_consumed() {
        let ledger = Arc::<MemoryLedger>::default();
        let key = code(&ledger, "h", 3);
        let mut visit = visit::<PostConfirmation>(&ledger);
        let user = Owner::user("anna");
        visit.ledger.consume_invitation(key.clone(), Vec::new(), user.clone());
        let alone = change(&mut visit).unwrap();
        assert!(matches!(alone.invitations[&key], InvitationChange::Consume { .. }));
        assert_eq!(visit.ledger.calls.reads, 0);
        now(visit.ledger.invitation(&key)).unwrap().unwrap().note = Some("noted".into());
        assert_eq!(commit(&ledger, &change(&mut visit).unwrap()), Committed::Done);
        let stored = now(ledger.invitations("p")).unwrap().remove(0).1;
        assert_eq!((stored.version, stored.note.as_deref()), (2, Some("noted")));
        assert_eq!(stored.uses, [(user, None)].into());
    }

    #[test]
    fn a_name_of_the_same_event_stays_held() {
        let mut names = Names::knowing([name("taken")].into());
        let keys = [name("a"), name("b")].into();
        let hold = Hold { keys: &keys, owner: Owner::user("anna"), instead_of: Vec::new(), until: None, note: None };
        names.release([name("a"), name("c")], &[Owner::user("anna")]);
        assert_eq!(names.hold(&hold), Held::Ours);
        names.release([name("b")], &[Owner::user("anna")]);
        let held = |key: &NameKey| matches!(names.changes[key], NameChange::Hold { .. });
        assert!(held(&name("a")) && held(&name("b")) && !held(&name("c")));
        let mut names = Names::knowing([name("b")].into());
        assert_eq!(names.hold(&hold), Held::Taken);
        assert!(names.changes.is_empty(), "held in part");
    }

    #[test]
    fn what_may_be_staged_again_is_staged_once_within_its_span() {
        let ledger = Arc::<MemoryLedger>::default();
        let task = Task::UpdateAttributes { user_name: "anna".into(), attributes: BTreeMap::new() };
        let mut keys = Vec::new();
        for seconds in [0, 5, 29, 30, 59, 100] {
            let mut visit = visit::<PostConfirmation>(&ledger);
            visit.now = NOW + SignedDuration::from_secs(seconds);
            visit.deliveries.stage("events/signed-in", task.clone()).again_after(SignedDuration::from_secs(30));
            if let Some(change) = change(&mut visit) {
                keys.extend(change.deliveries.iter().map(|delivery| delivery.id.key.clone()));
                assert_eq!(commit(&ledger, &change), Committed::Done);
            }
        }
        let of = |seconds: i64| format!("events/signed-in/{}", (NOW.as_second() + seconds) * 1_000);
        assert_eq!(keys, [of(0), of(30), of(100)]);
        let member =
            now(ledger.read(&Wants { pool: "p".into(), sub: Some("anna".into()), ..Wants::default() })).unwrap();
        assert_eq!(member.member.unwrap().marks.len(), 1, "marks do not grow");
    }

    #[test]
    fn after_no_time_at_all_it_is_staged_for_every_event_under_a_key_of_its_own() {
        let ledger = Arc::<MemoryLedger>::default();
        let stage = |seconds: i64, span: SignedDuration| {
            let mut visit = visit::<PostConfirmation>(&ledger);
            visit.now = NOW + SignedDuration::from_secs(seconds);
            visit.deliveries.stage("win-back/absent", task()).again_after(span);
            // By two rules, or by one that is attached twice.
            visit.deliveries.stage("win-back/absent", task()).again_after(span);
            let change = change(&mut visit)?;
            assert_eq!(commit(&ledger, &change), Committed::Done);
            let [delivery] = change.deliveries.as_slice() else { panic!("{:?}", change.deliveries) };
            let marks = change.member.unwrap().member.unwrap().marks;
            assert_eq!(marks, [("win-back/absent".to_owned(), delivery.staged)].into(), "the time of the last");
            assert_eq!(delivery.staged, visit.now);
            Some(delivery.id.key.clone())
        };
        // The third comes from a clock that is behind: it is an event as well.
        let keys = [0, 5, 3, 3_600, 60].map(|seconds| stage(seconds, SignedDuration::ZERO).expect("it was not staged"));
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        // What may be staged again after a time is not kept from it by a clock that was wrong for once, nor doubled by one that
        // is a little behind.
        let hour = SignedDuration::from_hours(1);
        assert!(stage(1_000_000, hour).is_some());
        assert_eq!(stage(1_000_000 - 5, hour), None);
        assert!(stage(1_000, hour).is_some());
    }

    #[test]
    fn the_last_sign_in_is_the_one_before_this_event() {
        let ledger = Arc::<MemoryLedger>::default();
        let at = |hours| NOW + SignedDuration::from_hours(hours);
        for (hours, expected) in [(0, None), (5, Some(at(0))), (9, Some(at(5)))] {
            let mut visit = visit::<PostConfirmation>(&ledger);
            assert_eq!(now(visit.ledger.last_sign_in()).unwrap(), expected);
            now(visit.ledger.member()).unwrap().signed_in(at(hours));
            assert_eq!(now(visit.ledger.last_sign_in()).unwrap(), expected, "a rule has noted this one");
            assert_eq!(visit.ledger.calls.reads, 1);
            assert_eq!(commit(&ledger, &change(&mut visit).unwrap()), Committed::Done);
        }
        // Where the member has moved it is the one before the other event, or that one's own.
        let mut visit = visit::<PostConfirmation>(&ledger);
        now(visit.ledger.member()).unwrap().signed_in(at(12));
        let mut member = Member { version: 9, ..Member::default() };
        member.signed_in(at(11));
        visit.ledger = visit.ledger.refreshed(Moved { member: Some(Some(member)), ..Moved::default() });
        assert_eq!(now(visit.ledger.last_sign_in()).unwrap(), Some(at(11)));
        // A clock that is behind takes nothing back.
        now(visit.ledger.member()).unwrap().signed_in(at(3));
        assert_eq!(now(visit.ledger.member()).unwrap().last_sign_in, Some(at(11)));
    }

    #[test]
    fn acts_and_counts_alone_write_nothing_but_acts_bind() {
        let mut visit = visit::<PostConfirmation>(&Arc::default());
        let mut before = visit.clone();
        visit.counts.one("SignIns");
        assert!(!visit.desk().wants_more_than(&before.desk()));
        visit.acts.stage(crate::Act::SignOut { user_name: "anna".into() });
        assert!(visit.desk().wants_more_than(&before.desk()));
        assert!(change(&mut visit).is_none());
        assert_eq!(visit.ledger.calls, Calls::default());
    }

    #[test]
    fn only_what_is_due_at_once_without_a_condition_and_not_deferred_is_born_leased() {
        let ledger = Arc::<MemoryLedger>::default();
        let task = Task::UpdateAttributes { user_name: "anna".into(), attributes: BTreeMap::new() };
        let mut visit = visit::<PostConfirmation>(&ledger);
        visit.deliveries.stage("inline", task.clone());
        visit.deliveries.stage("later", task.clone()).due(NOW + SignedDuration::from_hours(1));
        let condition = Condition::CreatedSince { user_name: "anna".into(), since: NOW };
        visit.deliveries.stage("asks first", task.clone()).only_if(condition);
        visit.deliveries.set_mode(DeliveryMode::Deferred);
        visit.deliveries.stage("deferred", task);
        let change = change(&mut visit).unwrap();
        let [inline, later, asks_first, deferred] = &change.deliveries[..] else { panic!() };
        assert_eq!((&inline.lease, inline.due), (&Some(LeaseId::from(&change.id)), NOW + LEASE));
        assert_eq!((&later.lease, later.due), (&None, NOW + SignedDuration::from_hours(1)));
        assert_eq!((&deferred.lease, deferred.due), (&None, NOW));
        assert_eq!((&asks_first.lease, asks_first.due), (&None, NOW), "inline nobody would ask");
    }
}
