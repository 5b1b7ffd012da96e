//! The rules of one trigger, run in order until one refuses, and the commit of what they wanted.

use std::any::Any;
use std::future::ready;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use jiff::{SignedDuration, Timestamp};

use crate::acts;
use crate::courier;
use crate::event::AnyEvent;
use crate::ledger::{Committed, Delivery, Wants};
use crate::report::{Report, Step, StepVerdict};
use crate::rule::Refused;
use crate::visit::{AnyVisit, Calls, Counts, DeliveryMode, Glimpses, Names, Page, Visit};
use crate::{Envelope, Event, Fault, FaultKind, Keys, OnFault, Rule, Services, Trigger, Verdict};

/// What a commit may take: one that cannot finish before the deadline is not begun.
const COMMIT: SignedDuration = SignedDuration::from_millis(200);

/// The rules attached to one trigger, cheap ones first.
///
/// Nothing here depends on the trigger's type: of what does, an event, a visit and a rule, a chain sees [`AnyEvent`],
/// [`AnyVisit`] and [`AnyRule`], and so it is compiled once.
pub(crate) struct Chain {
    kind: Kind,
    links: Vec<Link>,
    glimpses: Glimpses,
}

/// What a chain knows of its trigger.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) forgives: bool,
    /// What carries out deliveries before the answer, where the trigger does. Nothing of it is linked where no trigger does.
    pub(crate) deliver: Option<Deliver>,
    knows_user: bool,
    pub(crate) event: fn(Envelope) -> Box<dyn AnyEvent>,
    visit: fn(Page, Names, &Services, Timestamp, Timestamp) -> Box<dyn AnyVisit>,
}

type Deliver = for<'a> fn(&'a [Delivery], &'a Services, Timestamp, &'a mut Report) -> BoxFuture<'a, ()>;

impl Kind {
    const fn of<T: Trigger>() -> Self {
        Self {
            name: T::NAME,
            forgives: T::FORGIVING,
            deliver: if T::DELIVERS {
                Some(|deliveries, services, deadline, report| {
                    Box::pin(courier::carry_out(deliveries, services, deadline, report))
                })
            } else {
                None
            },
            knows_user: T::KNOWS_USER,
            event: |envelope| Box::new(Event::<T>::from(envelope)),
            visit: |page, names, services, now, deadline| {
                Box::new(Visit::<T>::new(page, names, services, now, deadline))
            },
        }
    }
}

struct Link {
    place: Place,
    rule: Arc<dyn AnyRule>,
}

/// How a rule stands in a chain, beside what it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) on_fault: OnFault,
    pub(crate) asks_ledger: bool,
    pub(crate) delivery: DeliveryMode,
}

/// A rule for one trigger, whose types are forgotten, so that all stand in one list.
trait AnyRule: Send + Sync {
    fn apply<'a>(&'a self, event: &'a dyn AnyEvent, visit: &'a mut dyn AnyVisit) -> BoxFuture<'a, Decision>;
    fn wants(&self, event: &dyn AnyEvent, keys: &Keys, wants: &mut Wants);
}

/// What a rule answered: nothing, if it has nothing against it.
type Decision = Result<Option<Refused>, Fault>;

struct Attached<T, R> {
    rule: Arc<R>,
    trigger: PhantomData<fn() -> T>,
}

impl<T: Trigger, R: Rule<T>> AnyRule for Attached<T, R> {
    fn apply<'a>(&'a self, event: &'a dyn AnyEvent, visit: &'a mut dyn AnyVisit) -> BoxFuture<'a, Decision> {
        let event = (event as &dyn Any).downcast_ref::<Event<T>>();
        let visit = (visit as &mut dyn Any).downcast_mut::<Visit<T>>();
        match event.zip(visit) {
            Some((event, visit)) => Box::pin(self.rule.apply(event, visit).map_ok(Verdict::refused)),
            None => Box::pin(ready(Err(Fault::of_another_trigger()))),
        }
    }

    fn wants(&self, event: &dyn AnyEvent, keys: &Keys, wants: &mut Wants) {
        if let Some(event) = (event as &dyn Any).downcast_ref::<Event<T>>() {
            self.rule.wants(event, keys, wants);
        }
    }
}

/// How a chain ended.
pub(crate) enum End {
    /// Every rule agreed, and everything they wanted is written.
    Passed(Passed),
    /// A rule refused.
    Denied { rule: &'static str, refused: Refused },
    /// Something went wrong.
    Faulted { rule: Option<&'static str>, fault: Fault },
}

/// What all rules agreed to.
pub(crate) struct Passed {
    /// With the response.
    pub(crate) visit: Box<dyn AnyVisit>,
    /// What was stored to be done outside.
    pub(crate) deliveries: Vec<Delivery>,
    /// What is to be counted.
    pub(crate) counts: Counts,
}

/// What happened on the way.
#[derive(Default)]
pub(crate) struct Trace {
    /// A fault at the commit that was passed over, since only rules asked for it whose faults are.
    pub(crate) passed_over: Option<Fault>,
    pub(crate) steps: Vec<Step>,
    pub(crate) calls: Calls,
    pub(crate) attempts: u32,
}

impl Chain {
    pub(crate) fn of<T: Trigger>() -> Self {
        Self { kind: Kind::of::<T>(), links: Vec::new(), glimpses: Glimpses::default() }
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Attaches a rule, behind those that cost as much or less. `T` is the trigger of this chain.
    pub(crate) fn add<T: Trigger, R: Rule<T>>(&mut self, place: Place, rule: Arc<R>) {
        self.link(place, Arc::new(Attached { rule, trigger: PhantomData }));
    }

    fn link(&mut self, place: Place, rule: Arc<dyn AnyRule>) {
        let end = self.links.partition_point(|link| link.place.asks_ledger <= place.asks_ledger);
        self.links.insert(end, Link { place, rule });
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.links.iter().map(|link| link.place.name)
    }

    /// Whether a fault is answered with the unchanged event.
    pub(crate) fn forgives(&self) -> bool {
        self.kind.forgives || self.binds_nobody()
    }

    /// Whether every fault is passed over, so that one at the commit has to be, too.
    fn binds_nobody(&self) -> bool {
        self.links.iter().all(|link| link.place.on_fault == OnFault::Continue)
    }

    /// Runs until everybody agreed and the commit is done, somebody refused, or the time is up. Dropping the future at any
    /// point leaves nothing half written.
    pub(crate) async fn run(
        &self,
        event: &dyn AnyEvent,
        services: &Services,
        deadline: Timestamp,
        trace: &mut Trace,
    ) -> End {
        let pool = event.envelope().user_pool_id.as_str();
        let wants = match self.wants(event, &services.keys) {
            Ok(wants) => wants,
            Err((rule, fault)) => return End::Faulted { rule: Some(rule), fault },
        };
        let (ledger, glimpses) = (Arc::clone(&services.ledger), Arc::clone(&self.glimpses));
        let came = services.clock.now();
        let mut page = Page::new(ledger, wants, glimpses, came);
        let mut taken = std::collections::BTreeSet::new();
        let (mut visit, deliveries) = loop {
            trace.attempts += 1;
            trace.steps.clear();
            // One look at the clock is enough for most events.
            let now = if trace.attempts == 1 { came } else { services.clock.now() };
            let names = Names::knowing(std::mem::take(&mut taken));
            let mut visit = (self.kind.visit)(page, names, services, now, deadline);
            let mut binding = false;
            let stopped = self.ask(event, &mut visit, trace, &mut binding).await;
            let mut desk = visit.desk();
            trace.calls = desk.ledger.calls;
            match stopped {
                Some(End::Denied { rule, refused }) if !refused.acts.is_empty() => {
                    return match Box::pin(act_on(&refused, pool, services, deadline)).await {
                        Ok(()) => End::Denied { rule, refused },
                        Err(fault) => End::Faulted { rule: Some(rule), fault },
                    };
                }
                Some(end) => return end,
                None => {}
            }
            // What was done first and cannot be committed in time was done for nothing.
            let in_time = deadline.saturating_sub(COMMIT).unwrap_or(deadline);
            if desk.acts.come_first()
                && let Err((rule, on_fault, fault)) = Box::pin(desk.acts.carry_out_first(pool, services, in_time)).await
            {
                return match on_fault {
                    OnFault::Deny => End::Faulted { rule: Some(rule), fault },
                    OnFault::Continue => Self::uncommitted(fault, binding, visit, trace),
                };
            }
            let change = desk.change().await;
            trace.calls = desk.ledger.calls;
            let change = match change {
                Ok(None) => break (visit, Vec::new()),
                Ok(Some(change)) => change,
                Err(fault) => return Self::uncommitted(fault, binding, visit, trace),
            };
            let needed = if desk.acts.follow() { COMMIT + acts::ACT } else { COMMIT };
            if deadline.duration_since(services.clock.now()) < needed {
                let kind = if trace.attempts > 1 { FaultKind::Contention } else { FaultKind::Timeout };
                let fault = Fault::of(kind, format!("no time left to commit at attempt {}", trace.attempts));
                return Self::uncommitted(fault, binding, visit, trace);
            }
            trace.calls.writes += 1;
            desk.ledger.calls.writes += 1;
            match services.ledger.commit(&change).await {
                Ok(Committed::Done) => break (visit, change.deliveries),
                Ok(Committed::Moved(moved)) => {
                    taken = std::mem::take(&mut desk.names.taken);
                    taken.extend(moved.taken.iter().cloned());
                    page = desk.ledger.clone().refreshed(moved);
                }
                Err(fault) => return Self::uncommitted(fault, binding, visit, trace),
            }
        };
        let desk = visit.desk();
        // What has to be done before the answer. What was committed stays. Boxed, as everything that happens rarely: what may be
        // waited for takes its room in the future of every event, which is moved about.
        if desk.acts.follow() {
            match Box::pin(desk.acts.carry_out(pool, services, deadline)).await {
                Ok(passed_over) => trace.passed_over = passed_over,
                Err((rule, fault)) => return End::Faulted { rule: Some(rule), fault },
            }
        }
        let counts = std::mem::take(desk.counts);
        End::Passed(Passed { visit, deliveries, counts })
    }

    /// What a fault at the commit means: what a rule that binds wanted written is not, so nobody gets past; upkeep that was not
    /// written costs nobody anything.
    fn uncommitted(fault: Fault, binding: bool, visit: Box<dyn AnyVisit>, trace: &mut Trace) -> End {
        if binding {
            return End::Faulted { rule: None, fault };
        }
        trace.passed_over = Some(fault);
        End::Passed(Passed { visit, deliveries: Vec::new(), counts: Counts::default() })
    }

    fn wants(&self, event: &dyn AnyEvent, keys: &Keys) -> Result<Wants, (&'static str, Fault)> {
        let sub = if self.kind.knows_user { event.sub().map(str::to_owned) } else { None };
        let mut wants = Wants { pool: event.envelope().user_pool_id.clone(), sub, ..Wants::default() };
        for link in &self.links {
            let before = wants.clone();
            let named = std::panic::catch_unwind(AssertUnwindSafe(|| link.rule.wants(event, keys, &mut wants)));
            match (named, link.place.on_fault) {
                (Ok(()), _) => {}
                // It may still find its way with a read of its own.
                (Err(_), OnFault::Continue) => wants = before,
                (Err(payload), OnFault::Deny) => return Err((link.place.name, panicked(payload.as_ref()))),
            }
        }
        Ok(wants)
    }

    /// Asks every rule once. Answers an end if it is one already, and otherwise whether a rule whose faults are not passed over
    /// wants something written.
    async fn ask(
        &self,
        event: &dyn AnyEvent,
        visit: &mut Box<dyn AnyVisit>,
        trace: &mut Trace,
        binding: &mut bool,
    ) -> Option<End> {
        let mixed = self.links.iter().any(|link| link.place.on_fault == OnFault::Continue);
        *binding = !mixed;
        trace.steps.reserve(self.links.len());
        for Link { place: Place { name, on_fault, delivery, .. }, rule } in &self.links {
            let (rule_name, on_fault) = (*name, *on_fault);
            // A rule whose fault is passed over must leave nothing behind.
            let before = mixed.then(|| visit.copy());
            let desk = visit.desk();
            let staged = desk.deliveries.count();
            desk.deliveries.set_mode(*delivery);
            desk.acts.set_rule(rule_name, on_fault);
            let started = Instant::now();
            // Called within the future: a rule that is no `async fn` may panic before it has made its own.
            let asked = async { rule.apply(event, visit.as_mut()).await };
            let answer = AssertUnwindSafe(asked).catch_unwind().await;
            let answer = answer.unwrap_or_else(|payload| Err(panicked(payload.as_ref())));
            let desk = visit.desk();
            // Of a denial nothing is stored.
            let answer = match answer {
                Ok(None) => desk.deliveries.fit(staged).map(|()| None),
                other => other,
            };
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            let mut step = |verdict| trace.steps.push(Step { rule: rule_name, verdict, micros });
            match answer {
                Ok(None) => {
                    step(StepVerdict::Continue);
                    // The time of a mishap is in that of the rule.
                    trace.steps.extend(desk.mishaps.take().map(|fault| {
                        let verdict = StepVerdict::Fault(fault.kind(), fault.causes());
                        Step { rule: rule_name, verdict, micros: 0 }
                    }));
                    let binds = on_fault == OnFault::Deny;
                    *binding |= binds && before.is_some_and(|mut before| desk.wants_more_than(&before.desk()));
                }
                Ok(Some(refused)) => {
                    step(StepVerdict::Deny);
                    return Some(End::Denied { rule: rule_name, refused });
                }
                Err(fault) => {
                    step(StepVerdict::Fault(fault.kind(), fault.causes()));
                    match before.filter(|_| on_fault == OnFault::Continue) {
                        Some(before) => {
                            let mut faulted = std::mem::replace(visit, before);
                            let ledger = visit.desk().ledger;
                            // What was read since is kept.
                            std::mem::swap(ledger, faulted.desk().ledger);
                            ledger.undo(faulted.desk().ledger);
                        }
                        None => return Some(End::Faulted { rule: Some(rule_name), fault }),
                    }
                }
            }
        }
        None
    }
}

/// Does what a denial carries.
async fn act_on(refused: &Refused, pool: &str, services: &Services, deadline: Timestamp) -> Result<(), Fault> {
    for act in &refused.acts {
        acts::perform(act, pool, services, deadline).await?;
    }
    Ok(())
}

pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Fault {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message");
    Fault::of(FaultKind::Panic, format!("panicked: {text}"))
}

#[cfg(test)]
mod tests;
