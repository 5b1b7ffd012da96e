//! Carries deliveries out: with the event that staged them, in the time that is left, and later what is left over.
//!
//! # What is guaranteed
//!
//! What a rule staged is stored in the same write as its decision, and is carried out **at least once**. It is carried out
//! twice only where it could not be learnt that the service had accepted it (the process died, the call timed out, the
//! connection was cut), or where that could not be noted in the ledger.
//!
//! What fails is tried again, later and later, for three days ([`PATIENCE`]); then, or if the service says that it will never
//! take it, it is parked with the reason, for an operator to look at. A service that has too much to do costs no try. Nothing
//! is ever dropped, but what has become pointless: a delivery whose [`Condition`] does not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{self, Either};
use futures_util::stream::{self, StreamExt};
use futures_util::{FutureExt, lock};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::chain::panicked;
use crate::ledger::{
    Backlog, Condition, Delivery, DeliveryId, Fate, FileSource, Files, Lease, LeaseId, Ledger, Mail, Member, Outbox,
    Task, Wants,
};
use crate::links::{Link, LinkWish};
use crate::mailing::verified_mailbox;
use crate::report::Report;
use crate::services::{Object, Placed};
use crate::{Attributes, Clock, Fault, FaultKind, Outlook, Services, random};

/// How long a delivery is tried, counted from the first failure that counts.
pub const PATIENCE: SignedDuration = SignedDuration::from_hours(72);
/// How often it is tried in that time at least: a courier that was switched off meanwhile parks nothing.
pub const LEAST_TRIES: u32 = 10;
/// How long one try may take.
pub const TRY: SignedDuration = SignedDuration::from_secs(20);
/// How long a delivery is left to the courier that took it up: longer than a try and its settling take.
pub const LEASE: SignedDuration = SignedDuration::from_secs(120);
/// The pause after the first failure; every other is twice the one before.
pub const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// The most a pause takes where a service has too much to do.
pub const LONGEST_THROTTLED: SignedDuration = SignedDuration::from_mins(15);
/// The most a pause takes.
pub const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(3);

/// How many deliveries are taken up at once: what can be done within a lease.
const BATCH: usize = 40;
/// How many entries one digest has at most.
const MOST_ENTRIES: usize = 400;
/// How long the entries of a digest wait for more of them: less than half of a lease.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(40);
/// What is kept of a lease for noting what became of the last try: until then nobody else may take the delivery up.
const NOTING: SignedDuration = SignedDuration::from_secs(20);
/// How long counting what is left may take beyond the time for the work.
const COUNTING: SignedDuration = SignedDuration::from_secs(2);
/// How many are worked on at once.
const WIDTH: usize = 8;
/// How many files of one user are put at once.
const FILES_AT_ONCE: usize = 16;
/// The most files of one delivery.
const MOST_FILES: usize = 100;
/// The pause between two calls of the directory. Its quota is 25 calls a second for all who change users, and cannot be
/// raised (Cognito developer guide, "Quotas": `UserUpdate`); the courier leaves half of it to others.
const DIRECTORY_PAUSE: Duration = Duration::from_millis(80);
/// What is kept of the time for the answer to acknowledge what was done.
const ACKNOWLEDGING: SignedDuration = SignedDuration::from_millis(400);
/// How often an acknowledgement is tried: what is done and not acknowledged is done twice.
const ACKNOWLEDGEMENTS: u32 = 5;
/// The most characters of a reason that are stored.
const LONGEST_REASON: usize = 500;

/// Carries out what an event staged, side by side, and acknowledges what went through. What did not stays due.
pub(crate) async fn carry_out(deliveries: &[Delivery], services: &Services, deadline: Timestamp, report: &mut Report) {
    let inline: Vec<_> = deliveries.iter().filter(|delivery| delivery.lease.is_some()).collect();
    if inline.is_empty() {
        return;
    }
    let until = deadline.saturating_sub(ACKNOWLEDGING).unwrap_or(deadline);
    let clock = services.clock.as_ref();
    let results = future::join_all(inline.iter().map(async |delivery| {
        let late = || Err(Fault::of(FaultKind::Timeout, "the time for the answer was up"));
        in_time(clock, until, attempt(delivery, services)).await.unwrap_or_else(late)
    }));
    let mut done: Vec<DeliveryId> = Vec::with_capacity(inline.len());
    for (delivery, result) in inline.iter().zip(results.await) {
        match result {
            Ok(()) => done.push(delivery.id.clone()),
            Err(fault) => {
                report.note(fault.kind(), format!("a delivery of {}: {}", delivery.id.rule(), fault.causes()));
            }
        }
    }
    report.deliveries.done = done.len();
    if done.is_empty() {
        return;
    }
    report.calls.acknowledgements += 1;
    let noted = in_time(clock, deadline, acknowledge(services.ledger.as_ref(), &done));
    let late = || Err(Fault::of(FaultKind::Timeout, "the time for the answer was up"));
    if let Err(fault) = noted.await.unwrap_or_else(late) {
        report.note(fault.kind(), format!("acknowledging deliveries: {}", fault.causes()));
    }
}

async fn acknowledge(ledger: &dyn Ledger, done: &[DeliveryId]) -> Result<(), Fault> {
    let mut tries = 1;
    loop {
        match ledger.acknowledge(done).await {
            Err(_) if tries < ACKNOWLEDGEMENTS => tries += 1,
            result => return result,
        }
    }
}

/// Carries out one delivery. Repeating it does no harm, but to send a mail or an event again.
///
/// # Errors
///
/// If the service refuses or cannot be reached.
pub async fn deliver(delivery: &Delivery, services: &Services) -> Result<(), Fault> {
    let id = &delivery.id;
    match &delivery.task {
        Task::UpdateAttributes { user_name, attributes } => {
            services.directory.update_attributes(&id.pool, user_name, attributes).await
        }
        Task::Mail(mail) => send(id, mail, std::slice::from_ref(&mail.context), services).await,
        Task::Files(files) => put(files, services).await,
        Task::Publish(event) => services.publisher.publish(&id.pool, event).await,
    }
}

/// The same, with a panic for a fault.
async fn attempt(delivery: &Delivery, services: &Services) -> Result<(), Fault> {
    unwinding(deliver(delivery, services)).await
}

async fn unwinding<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|payload| Err(panicked(payload.as_ref())))
}

async fn send(id: &DeliveryId, mail: &Mail, entries: &[Map<String, Value>], services: &Services) -> Result<(), Fault> {
    let now = services.clock.now();
    let message = match mail.links.is_empty() {
        true => services.templates.mail(id, mail, entries, services.mailer.sender(), now)?,
        false => {
            let links = Value::Object(links(id, mail, services, now)?);
            let with_links = |entry: &Map<String, Value>| {
                let mut entry = entry.clone();
                entry.insert("links".into(), links.clone());
                entry
            };
            let entries: Vec<_> = entries.iter().map(with_links).collect();
            services.templates.mail(id, mail, &entries, services.mailer.sender(), now)?
        }
    };
    services.mailer.send(&message).await
}

/// The links of a mail, by their names: they work from the time it is sent.
fn links(id: &DeliveryId, mail: &Mail, services: &Services, now: Timestamp) -> Result<Map<String, Value>, Fault> {
    let mut links = Map::new();
    for (name, LinkWish { purpose, about, days }) in &mail.links {
        let expires = now.checked_add(SignedDuration::from_hours(24 * i64::from(*days)))?;
        let (purpose, about, pool, sub) = (*purpose, about.clone(), id.pool.clone(), id.sub.clone());
        let link = Link { purpose, about, pool, sub, expires };
        links.insert(name.clone(), services.links.url(&link, &services.keys)?.into());
    }
    Ok(links)
}

/// Puts every file that is not there yet, several at once.
async fn put(files: &Files, services: &Services) -> Result<(), Fault> {
    let bucket = services.bucket.as_ref();
    let results: Vec<Result<Placed, Fault>> = match &files.from {
        FileSource::Folder(folder) => {
            let objects: Vec<(String, Object)> = services.templates.files(folder, &files.context)?;
            few_enough(objects.len())?;
            let puts = objects.into_iter().map(|(name, object)| {
                let key = format!("{}{name}", files.to);
                async move { bucket.put_new(&key, &object).await }
            });
            stream::iter(puts).buffer_unordered(FILES_AT_ONCE).collect().await
        }
        FileSource::Prefix(prefix) => {
            let mut keys = bucket.list(prefix, MOST_FILES + 2).await?;
            // What the S3 console makes of "create folder" is an object too, and no file.
            keys.retain(|key| !key.ends_with('/'));
            few_enough(keys.len())?;
            if keys.is_empty() {
                return Err(Fault::of(
                    FaultKind::Configuration,
                    format!("the bucket has nothing under `{prefix}`: put the files there that users are to get"),
                ));
            }
            let copies = keys.into_iter().map(|from| {
                let key = format!("{}{}", files.to, from.strip_prefix(prefix.as_str()).unwrap_or(&from));
                async move { bucket.copy_new(&from, &key).await }
            });
            stream::iter(copies).buffer_unordered(FILES_AT_ONCE).collect().await
        }
    };
    most_hopeful(results)
}

/// The fault that leaves most hope, if there is any: a file that will never be taken is a reason to park only if all others
/// are there.
fn most_hopeful(results: Vec<Result<Placed, Fault>>) -> Result<(), Fault> {
    let rank = |fault: &Fault| match fault.outlook() {
        Outlook::Throttled => 0,
        Outlook::Transient => 1,
        Outlook::Permanent => 2,
    };
    results.into_iter().filter_map(Result::err).min_by_key(rank).map_or(Ok(()), Err)
}

fn few_enough(files: usize) -> Result<(), Fault> {
    if files > MOST_FILES {
        return Err(Fault::of(
            FaultKind::Configuration,
            format!("a user would get {files} files, and at most {MOST_FILES} are put at a time: ship fewer"),
        ));
    }
    Ok(())
}

/// Waits for the work until the deadline; `None` if that came first.
pub async fn in_time<F: Future>(clock: &dyn Clock, deadline: Timestamp, work: F) -> Option<F::Output> {
    let left = deadline.duration_since(clock.now());
    let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
    match future::select(std::pin::pin!(work), clock.sleep(left)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// Carries out what is due.
///
/// Any number of couriers may work on one outbox: a delivery is leased before it is tried.
pub struct Courier {
    outbox: Arc<dyn Outbox>,
    services: Services,
}

/// What a courier did.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Deliveries carried out, by the rule that staged them.
    pub delivered: BTreeMap<String, usize>,
    /// Deliveries that had become pointless.
    pub lapsed: usize,
    /// Deliveries that turned out to be due later than was thought when they were staged.
    pub put_off: usize,
    /// Deliveries that are tried again later.
    pub retried: usize,
    /// Deliveries that are tried again later because a service had too much to do.
    pub throttled: usize,
    /// Deliveries that were parked.
    pub parked: usize,
    /// What went wrong.
    pub failures: Vec<Failure>,
    /// What is left to do, if it was asked.
    pub backlog: Option<Backlog>,
}

/// A delivery that failed, or a step of the courier itself.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The rule that staged it; `None` if the courier's own work failed.
    pub rule: Option<String>,
    /// What sort of accident it was.
    pub kind: FaultKind,
    /// Whether trying again may help.
    pub outlook: Outlook,
    /// The chain of causes.
    pub fault: String,
    /// What became of it: `later`, `parked`, or `due again` when its lease ends.
    pub fate: &'static str,
}

impl Round {
    /// How many deliveries were carried out.
    #[must_use]
    pub fn done(&self) -> usize {
        self.delivered.values().sum()
    }

    fn fail(&mut self, rule: Option<&str>, fault: &Fault, fate: &'static str) {
        let (kind, outlook) = (fault.kind(), fault.outlook());
        self.failures.push(Failure { rule: rule.map(str::to_owned), kind, outlook, fault: fault.causes(), fate });
    }
}

/// Deliveries that are one piece of work: one, or all entries of one mail.
struct Unit(Vec<Delivery>);

impl Courier {
    /// One that works on an outbox with these services.
    #[must_use]
    pub fn new(outbox: Arc<dyn Outbox>, services: Services) -> Self {
        Self { outbox, services }
    }

    /// The same with other services, e.g. with those that are there and watched.
    #[must_use]
    pub fn map_services(self, change: impl FnOnce(Services) -> Services) -> Self {
        Self { services: change(self.services), ..self }
    }

    /// Carries out what is due, until nothing is or the time is up, and counts what is left.
    pub async fn sweep(&self, until: Timestamp) -> Round {
        let mut round = Round::default();
        if let Err(fault) = self.clear(until, &mut round).await {
            round.fail(None, &fault, "due again");
        }
        // Counting must not cost what was done its line in the log.
        let clock = self.services.clock.as_ref();
        let end = until.max(clock.now()).saturating_add(COUNTING).unwrap_or(until);
        let late = || Err(Fault::of(FaultKind::Timeout, "there was no time left to count what is left"));
        match in_time(clock, end, self.outbox.backlog(clock.now())).await.unwrap_or_else(late) {
            Ok(backlog) => round.backlog = Some(backlog),
            Err(fault) => round.fail(None, &fault, "due again"),
        }
        round
    }

    async fn clear(&self, until: Timestamp, round: &mut Round) -> Result<(), Fault> {
        let id = LeaseId::random()?;
        // Entries of digests are put aside, so that one mail holds as many as there are.
        let (mut entries, mut since) = (Vec::new(), self.services.clock.now());
        while self.has_time(until) {
            let lease = Self::lease(&id, self.services.clock.now())?;
            let leased = self.outbox.lease_due(&lease, BATCH).await;
            let nothing_more = leased.as_ref().map_or(true, Vec::is_empty);
            if entries.is_empty() {
                since = lease.now;
            }
            let (more, batch): (Vec<_>, Vec<_>) =
                leased.as_ref().map_or(&[][..], Vec::as_slice).iter().cloned().partition(|it| digest(it).is_some());
            entries.extend(more);
            // Nor may entries wait for a slow batch until others take them up.
            let longest = since.saturating_add(LONGEST_WAIT).and_then(|wait| wait.saturating_add(TRY));
            let soon = if entries.is_empty() { until } else { longest.map_or(until, |longest| longest.min(until)) };
            self.work(batch, &id, soon, round).await;
            let waited = self.services.clock.now().duration_since(since);
            if nothing_more || entries.len() >= MOST_ENTRIES || waited > LONGEST_WAIT {
                self.work(std::mem::take(&mut entries), &id, until, round).await;
            }
            leased?;
            if nothing_more {
                break;
            }
        }
        self.work(entries, &id, until, round).await;
        Ok(())
    }

    /// Carries out these deliveries, as far as they are due and nobody works on them.
    pub async fn take(&self, deliveries: &[DeliveryId], until: Timestamp) -> Round {
        let mut round = Round::default();
        for batch in deliveries.chunks(BATCH) {
            if !self.has_time(until) {
                break;
            }
            if let Err(fault) = self.take_batch(batch, until, &mut round).await {
                round.fail(None, &fault, "due again");
            }
        }
        round
    }

    /// Whether a try that is begun now can end in time.
    fn has_time(&self, until: Timestamp) -> bool {
        self.services.clock.now().saturating_add(TRY).is_ok_and(|end| end < until)
    }

    async fn take_batch(&self, batch: &[DeliveryId], until: Timestamp, round: &mut Round) -> Result<(), Fault> {
        let lease = Self::lease(&LeaseId::random()?, self.services.clock.now())?;
        let leased = self.outbox.lease(batch, &lease).await?;
        self.work(leased, &lease.id, until, round).await;
        Ok(())
    }

    fn lease(id: &LeaseId, now: Timestamp) -> Result<Lease, Fault> {
        Ok(Lease { id: id.clone(), now, until: now.checked_add(LEASE)? })
    }

    /// Works on what was leased: mails, files and events side by side, changes of users one after the other.
    async fn work(&self, batch: Vec<Delivery>, lease: &LeaseId, until: Timestamp, round: &mut Round) {
        let (slow, fast): (Vec<_>, Vec<_>) = units(batch).into_iter().partition(Unit::asks_directory);
        let held_up = HeldUp::default();
        let results = lock::Mutex::new(round);
        let one = async |unit: Unit| {
            let mut units = vec![unit];
            while let Some(unit) = units.pop() {
                let outcome = self.try_unit(&unit, &held_up, until).await;
                // A digest may be too big, or one entry of it be what nobody takes: the others are not to be parked with it.
                let for_good = outcome.as_ref().is_err_and(|fault| fault.outlook() == Outlook::Permanent);
                if for_good && unit.0.len() > 1 {
                    units.extend(unit.halves());
                    continue;
                }
                let fates = self.settle(&unit, lease, outcome).await;
                let mut round = results.lock().await;
                fates.into_iter().for_each(|fate| fate.count(&mut round));
            }
        };
        let side_by_side = stream::iter(fast).for_each_concurrent(WIDTH, &one);
        let in_turn = async {
            for unit in slow {
                one(unit).await;
                self.services.clock.sleep(DIRECTORY_PAUSE).await;
            }
        };
        future::join(side_by_side, in_turn).await;
    }

    async fn try_unit(&self, unit: &Unit, held_up: &HeldUp, until: Timestamp) -> Result<Done, Fault> {
        let Some(first) = unit.0.first() else { return Ok(Done::Lapsed) };
        let busy = || Fault::of(FaultKind::Service, "the service has too much to do").with_outlook(Outlook::Throttled);
        if held_up.is(&first.task) {
            return Err(busy());
        }
        // A try that is cut short may have been accepted, and would count as one in vain. One that outlives its lease is made
        // by the next courier as well.
        let lease_ends = unit.0.iter().map(|delivery| delivery.due).min().unwrap_or(until);
        let noted_by = lease_ends.saturating_sub(NOTING).unwrap_or(lease_ends);
        if !self.has_time(until.min(noted_by)) {
            let late = Fault::of(FaultKind::Timeout, "there was no time left to try it");
            return Err(late.with_outlook(Outlook::Throttled));
        }
        let now = self.services.clock.now();
        let end = now.saturating_add(TRY).map_or(until, |end| end.min(until));
        let late = || Err(Fault::of(FaultKind::Timeout, format!("it took longer than {} s", TRY.as_secs())));
        let tried = in_time(self.services.clock.as_ref(), end, unwinding(self.perform(unit))).await;
        let result = tried.unwrap_or_else(late);
        if result.as_ref().is_err_and(|fault| fault.outlook() == Outlook::Throttled) {
            held_up.note(&first.task);
        }
        result
    }

    async fn perform(&self, unit: &Unit) -> Result<Done, Fault> {
        let Some(first) = unit.0.first() else { return Ok(Done::Lapsed) };
        let holding = match self.holding(&unit.0).await? {
            Holding::These(holding) => holding,
            Holding::From(time) => return Ok(Done::NotDue(time)),
        };
        match (&first.task, holding.as_slice()) {
            (_, []) => return Ok(Done::Lapsed),
            (Task::Mail(mail), entries) => {
                let contexts: Vec<_> = entries
                    .iter()
                    .filter_map(|(delivery, facts)| match &delivery.task {
                        Task::Mail(mail) => Some(mail.context.clone().into_iter().chain(facts.clone()).collect()),
                        _ => None,
                    })
                    .collect();
                send(&first.id, mail, &contexts, &self.services).await?;
            }
            _ => deliver(first, &self.services).await?,
        }
        Ok(Done::Delivered)
    }

    /// Those whose conditions hold, or when the only one is due after all.
    async fn holding<'a>(&self, deliveries: &'a [Delivery]) -> Result<Holding<'a>, Fault> {
        let mut holding = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            match self.judge(delivery).await? {
                Judgement::Holds(facts) => holding.push((delivery, facts)),
                Judgement::Fails => {}
                // Such a delivery is a unit of its own.
                Judgement::HoldsFrom(time) => return Ok(Holding::From(time)),
            }
        }
        Ok(Holding::These(holding))
    }

    async fn judge(&self, delivery: &Delivery) -> Result<Judgement, Fault> {
        let id = &delivery.id;
        let Some(condition) = &delivery.only_if else { return Ok(Judgement::of(true)) };
        let directory = self.services.directory.as_ref();
        let mut facts = Map::new();
        let user_name = match condition {
            Condition::CreatedSince { user_name, since } => {
                let user = directory.find(&id.pool, user_name).await?;
                return Ok(Judgement::of(user.is_some_and(|user| user.created >= *since)));
            }
            Condition::Subscribed { user_name, list } => {
                let member = self.member(id).await?;
                if member.is_some_and(|member| !member.wants_mail_of(list)) {
                    return Ok(Judgement::Fails);
                }
                user_name
            }
            Condition::Absent { user_name, list, mark, seconds } => {
                let Some(member) = self.member(id).await? else { return Ok(Judgement::Fails) };
                if !member.wants_mail_of(list) || member.marks.get(mark) != Some(&delivery.staged) {
                    return Ok(Judgement::Fails);
                }
                let last = member.last_sign_in.unwrap_or(delivery.staged);
                let due = last.saturating_add(SignedDuration::from_secs(*seconds)).unwrap_or(Timestamp::MAX);
                let now = self.services.clock.now();
                if due > now {
                    return Ok(Judgement::HoldsFrom(due));
                }
                // When it was staged nobody knew from when on the user would stay away.
                facts.insert("last".into(), last.to_string().into());
                facts.insert("days".into(), (now.duration_since(last).as_hours() / 24).into());
                user_name
            }
            Condition::WarningStands { user_name, warning } => {
                let member = self.member(id).await?;
                if member.is_none_or(|member| member.password.warning != Some(*warning)) {
                    return Ok(Judgement::Fails);
                }
                user_name
            }
        };
        // Asked last: it is what costs a quota. Whoever has another `sub` by now is somebody else under an old name.
        let user = directory.find(&id.pool, user_name).await?;
        let user = user.filter(|user| user.enabled && user.attributes.find("sub") == Some(&id.sub));
        // An address that is the user's no more may be somebody else's, and one that is not proven never was the user's.
        let holds = user.is_some_and(|user| is_to(&delivery.task, &user.attributes));
        Ok(if holds { Judgement::Holds(facts) } else { Judgement::Fails })
    }

    async fn member(&self, id: &DeliveryId) -> Result<Option<Member>, Fault> {
        let wants = Wants { pool: id.pool.clone(), sub: Some(id.sub.clone()), ..Wants::default() };
        Ok(self.outbox.read(&wants).await?.member)
    }

    /// Writes down what became of a unit.
    async fn settle(&self, unit: &Unit, lease: &LeaseId, outcome: Result<Done, Fault>) -> Vec<Settled> {
        let fault = match outcome {
            Ok(Done::NotDue(due)) => return self.put_off(unit, lease, due).await,
            Ok(done) => {
                let ids: Vec<_> = unit.0.iter().map(|delivery| delivery.id.clone()).collect();
                let noted = acknowledge(self.outbox.as_ref(), &ids).await.err();
                let mut settled: Vec<_> = ids.iter().map(|id| Settled::Done(id.rule().to_owned(), done)).collect();
                settled.extend(noted.map(|fault| Settled::Unnoted(None, fault)));
                return settled;
            }
            Err(fault) => Arc::new(fault),
        };
        let mut settled = Vec::with_capacity(unit.0.len());
        for delivery in &unit.0 {
            let fate = fate(delivery, &fault, self.services.clock.now());
            let rule = delivery.id.rule().to_owned();
            settled.push(match self.outbox.settle(&delivery.id, lease, &fate).await {
                Ok(true) => Settled::Failed(rule, Arc::clone(&fault), matches!(fate, Fate::Parked { .. })),
                // Somebody else has it by now: what becomes of it is theirs to say.
                Ok(false) => Settled::Unnoted(Some(rule), Fault::new("the lease had ended before the try did")),
                Err(noted) => Settled::Unnoted(Some(rule), noted),
            });
        }
        settled
    }

    /// Writes down when a unit is due after all.
    async fn put_off(&self, unit: &Unit, lease: &LeaseId, due: Timestamp) -> Vec<Settled> {
        let mut settled = Vec::with_capacity(unit.0.len());
        for delivery in &unit.0 {
            let rule = delivery.id.rule().to_owned();
            settled.push(match self.outbox.settle(&delivery.id, lease, &Fate::Waiting { due }).await {
                Ok(true) => Settled::Done(rule, Done::NotDue(due)),
                Ok(false) => Settled::Unnoted(Some(rule), Fault::new("the lease had ended before the try did")),
                Err(noted) => Settled::Unnoted(Some(rule), noted),
            });
        }
        settled
    }
}

/// How a piece of work ended that did not fail.
#[derive(Clone, Copy)]
enum Done {
    Delivered,
    Lapsed,
    /// It is due later than was thought when it was staged.
    NotDue(Timestamp),
}

/// What is to be said of a condition.
enum Judgement {
    /// What is known only now goes into what a mail is filled with.
    Holds(Map<String, Value>),
    Fails,
    /// Not yet.
    HoldsFrom(Timestamp),
}

impl Judgement {
    fn of(holds: bool) -> Self {
        if holds { Self::Holds(Map::new()) } else { Self::Fails }
    }
}

/// What is to be said of the conditions of a unit.
enum Holding<'a> {
    These(Vec<(&'a Delivery, Map<String, Value>)>),
    From(Timestamp),
}

/// Whether a mail is for the address the user has, and has proven to own. What is no mail is for no address.
fn is_to(task: &Task, attributes: &Attributes) -> bool {
    let Task::Mail(mail) = task else { return true };
    let Some(own) = verified_mailbox(attributes) else { return false };
    mail.to.iter().all(|to| to.address() == own.address())
}

/// What became of one delivery.
enum Settled {
    Done(String, Done),
    Failed(String, Arc<Fault>, bool),
    Unnoted(Option<String>, Fault),
}

impl Settled {
    fn count(self, round: &mut Round) {
        match self {
            Self::Done(rule, Done::Delivered) => *round.delivered.entry(rule).or_default() += 1,
            Self::Done(_, Done::Lapsed) => round.lapsed += 1,
            Self::Done(_, Done::NotDue(_)) => round.put_off += 1,
            Self::Failed(rule, fault, parked) => {
                match fault.outlook() {
                    _ if parked => round.parked += 1,
                    Outlook::Throttled => round.throttled += 1,
                    _ => round.retried += 1,
                }
                round.fail(Some(&rule), &fault, if parked { "parked" } else { "later" });
            }
            Self::Unnoted(rule, fault) => round.fail(rule.as_deref(), &fault, "due again"),
        }
    }
}

/// The kinds of work whose service has too much to do: what is left of them in this batch is not even tried.
#[derive(Default)]
struct HeldUp(Mutex<BTreeSet<&'static str>>);

impl HeldUp {
    fn kinds(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, task: &Task) -> bool {
        self.kinds().contains(task.kind())
    }

    fn note(&self, task: &Task) {
        self.kinds().insert(task.kind());
    }
}

impl Unit {
    fn halves(mut self) -> [Self; 2] {
        let rest = self.0.split_off(self.0.len() / 2);
        [Self(rest), self]
    }

    fn asks_directory(&self) -> bool {
        self.0
            .iter()
            .any(|delivery| delivery.only_if.is_some() || matches!(delivery.task, Task::UpdateAttributes { .. }))
    }
}

/// Puts the entries of one digest together.
fn units(batch: Vec<Delivery>) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::with_capacity(batch.len());
    let mut digests: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for delivery in batch {
        match digest(&delivery) {
            Some(digest) => digests.entry(digest).or_default().push(delivery),
            None => units.push(Unit(vec![delivery])),
        }
    }
    units.extend(digests.into_values().map(Unit));
    units
}

/// What the entries of one digest have in common.
fn digest(delivery: &Delivery) -> Option<String> {
    let Task::Mail(mail) = &delivery.task else { return None };
    // What may be put off is a piece of work of its own.
    if matches!(delivery.only_if, Some(Condition::Absent { .. })) {
        return None;
    }
    // So is what has links: they are about one user.
    if !mail.links.is_empty() {
        return None;
    }
    let digest = mail.digest.as_ref()?;
    let common = (&delivery.id.pool, digest, &mail.template, &mail.to, &mail.from, &mail.reply_to, &mail.locales);
    serde_json::to_string(&common).ok()
}

/// What becomes of a delivery after a fault.
fn fate(delivery: &Delivery, fault: &Fault, now: Timestamp) -> Fate {
    let reason: String = match fault.kind() {
        // Whoever panics may quote what was to be delivered, and the reason is shown to operators.
        FaultKind::Panic => "panicked: the log of the courier has the text".to_owned(),
        _ => fault.causes().chars().take(LONGEST_REASON).collect(),
    };
    let attempts = delivery.attempts.saturating_add(1);
    match fault.outlook() {
        Outlook::Throttled => Fate::Later {
            due: later(now, throttled_pause(now.duration_since(delivery.staged))),
            attempts: delivery.attempts,
            failing_since: delivery.failing_since,
            fault: reason,
        },
        Outlook::Permanent => Fate::Parked { at: now, attempts, fault: reason },
        Outlook::Transient => {
            let since = delivery.failing_since.unwrap_or(now);
            if now.duration_since(since) >= PATIENCE && attempts >= LEAST_TRIES {
                let fault = format!("tried {attempts} times in three days: {reason}");
                return Fate::Parked { at: now, attempts, fault };
            }
            let due = later(now, pause(attempts));
            Fate::Later { due, attempts, failing_since: Some(since), fault: reason }
        }
    }
}

/// The pause where a service has too much to do: a quarter of the time it waits already. A quota of a day is not asked for
/// twice a minute.
fn throttled_pause(waiting: SignedDuration) -> SignedDuration {
    waiting.checked_div(4).unwrap_or(FIRST_PAUSE).clamp(FIRST_PAUSE, LONGEST_THROTTLED)
}

/// The pause after so many tries in vain.
fn pause(attempts: u32) -> SignedDuration {
    let doubled = 2_i32.saturating_pow(attempts.saturating_sub(1).min(20));
    FIRST_PAUSE.checked_mul(doubled).map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
}

/// Between half a pause and one and a half from now: those who failed together should not meet again.
fn later(now: Timestamp, pause: SignedDuration) -> Timestamp {
    let share = i64::from(random::number().unwrap_or_default() % 1_000);
    let millis = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX / 2_000);
    let jittered = SignedDuration::from_millis(millis / 2 + millis / 1_000 * share);
    now.saturating_add(jittered).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
