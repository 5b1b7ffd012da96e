//! The rules of one trigger, run in order until one refuses, and the commit of what they wanted.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::acts;
use crate::ledger::{Committed, Delivery, Wants};
use crate::report::{Step, StepVerdict};
use crate::rule::Denial;
use crate::visit::{Calls, Counts, Deliveries, DeliveryMode, Glimpses, Mishaps, Names, Page, Visit};
use crate::{Acts, Answer, Event, Fault, FaultKind, Keys, OnFault, Rule, Services, Trigger, Verdict};

/// What a commit may take: one that cannot finish before the deadline is not begun.
const COMMIT: SignedDuration = SignedDuration::from_millis(200);

/// The rules attached to one trigger, cheap ones first.
pub(crate) struct Chain<T: Trigger> {
    links: Vec<Link<T>>,
    glimpses: Glimpses,
}

struct Link<T: Trigger> {
    name: &'static str,
    on_fault: OnFault,
    asks_ledger: bool,
    delivery: DeliveryMode,
    rule: Arc<dyn BoxedRule<T>>,
}

/// How a rule stands in a chain, beside what it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) on_fault: OnFault,
    pub(crate) asks_ledger: bool,
    pub(crate) delivery: DeliveryMode,
}

/// [`Rule`] with its future in a box, so that rules of different types stand in one list.
trait BoxedRule<T: Trigger>: Send + Sync {
    fn apply<'a>(&'a self, event: &'a Event<T>, visit: &'a mut Visit<T>) -> BoxFuture<'a, Answer<T>>;
    fn wants(&self, event: &Event<T>, keys: &Keys, wants: &mut Wants);
}

impl<T: Trigger, R: Rule<T>> BoxedRule<T> for R {
    fn apply<'a>(&'a self, event: &'a Event<T>, visit: &'a mut Visit<T>) -> BoxFuture<'a, Answer<T>> {
        Box::pin(Rule::apply(self, event, visit))
    }

    fn wants(&self, event: &Event<T>, keys: &Keys, wants: &mut Wants) {
        Rule::wants(self, event, keys, wants);
    }
}

/// How a chain ended.
pub(crate) enum End<T: Trigger> {
    /// Every rule agreed, and everything they wanted is written.
    Passed(Passed<T>),
    /// A rule refused.
    Denied { rule: &'static str, denial: Denial<T> },
    /// Something went wrong.
    Faulted { rule: Option<&'static str>, fault: Fault },
}

/// What all rules agreed to.
pub(crate) struct Passed<T: Trigger> {
    pub(crate) response: T::Response,
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

impl<T: Trigger> Chain<T> {
    pub(crate) fn new() -> Self {
        Self { links: Vec::new(), glimpses: Glimpses::default() }
    }

    pub(crate) fn add<R: Rule<T>>(&mut self, place: Place, rule: Arc<R>) {
        let Place { name, on_fault, asks_ledger, delivery } = place;
        self.links.push(Link { name, on_fault, asks_ledger, delivery, rule });
        self.links.sort_by_key(|link| link.asks_ledger);
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.links.iter().map(|link| link.name)
    }

    /// Whether every fault is passed over, so that one at the commit has to be, too.
    pub(crate) fn binds_nobody(&self) -> bool {
        self.links.iter().all(|link| link.on_fault == OnFault::Continue)
    }

    /// Runs until everybody agreed and the commit is done, somebody refused, or the time is up. Dropping the future at any
    /// point leaves nothing half written.
    pub(crate) async fn run(
        &self,
        event: &Event<T>,
        services: &Services,
        deadline: Timestamp,
        trace: &mut Trace,
    ) -> End<T> {
        let wants = match self.wants(event, &services.keys) {
            Ok(wants) => wants,
            Err((rule, fault)) => return End::Faulted { rule: Some(rule), fault },
        };
        let (ledger, glimpses) = (Arc::clone(&services.ledger), Arc::clone(&self.glimpses));
        let came = services.clock.now();
        let mut page = Page::new(ledger, wants, glimpses, came);
        let mut taken = std::collections::BTreeSet::new();
        let (visit, deliveries) = loop {
            trace.attempts += 1;
            trace.steps.clear();
            let mut visit = Visit {
                response: T::Response::default(),
                ledger: page,
                names: Names::knowing(std::mem::take(&mut taken)),
                deliveries: Deliveries::default(),
                acts: Acts::default(),
                counts: Counts::default(),
                mishaps: Mishaps::default(),
                keys: services.keys.clone(),
                templates: Arc::clone(&services.templates),
                // One look at the clock is enough for most events.
                now: if trace.attempts == 1 { came } else { services.clock.now() },
                deadline,
            };
            let mut binding = false;
            let stopped = self.ask(event, &mut visit, trace, &mut binding).await;
            trace.calls = visit.ledger.calls;
            match stopped {
                Some(End::Denied { rule, denial }) if !denial.acts().is_empty() => {
                    return match Box::pin(act_on(&denial, event, services, deadline)).await {
                        Ok(()) => End::Denied { rule, denial },
                        Err(fault) => End::Faulted { rule: Some(rule), fault },
                    };
                }
                Some(end) => return end,
                None => {}
            }
            // What was done first and cannot be committed in time was done for nothing.
            let in_time = deadline.saturating_sub(COMMIT).unwrap_or(deadline);
            if visit.acts.come_first()
                && let Err((rule, on_fault, fault)) =
                    Box::pin(visit.acts.carry_out_first(&event.user_pool_id, services, in_time)).await
            {
                return match on_fault {
                    OnFault::Deny => End::Faulted { rule: Some(rule), fault },
                    OnFault::Continue => Self::uncommitted(fault, binding, visit, trace),
                };
            }
            let change = visit.change().await;
            trace.calls = visit.ledger.calls;
            let change = match change {
                Ok(None) => break (visit, Vec::new()),
                Ok(Some(change)) => change,
                Err(fault) => return Self::uncommitted(fault, binding, visit, trace),
            };
            let needed = if visit.acts.follow() { COMMIT + acts::ACT } else { COMMIT };
            if deadline.duration_since(services.clock.now()) < needed {
                let kind = if trace.attempts > 1 { FaultKind::Contention } else { FaultKind::Timeout };
                let fault = Fault::of(kind, format!("no time left to commit at attempt {}", trace.attempts));
                return Self::uncommitted(fault, binding, visit, trace);
            }
            trace.calls.writes += 1;
            visit.ledger.calls.writes += 1;
            match services.ledger.commit(&change).await {
                Ok(Committed::Done) => break (visit, change.deliveries),
                Ok(Committed::Moved(moved)) => {
                    taken = visit.names.taken;
                    taken.extend(moved.taken.iter().cloned());
                    page = visit.ledger.refreshed(moved);
                }
                Err(fault) => return Self::uncommitted(fault, binding, visit, trace),
            }
        };
        // What has to be done before the answer. What was committed stays. Boxed, as everything that happens rarely: what may be
        // waited for takes its room in the future of every event, which is moved about.
        if visit.acts.follow() {
            match Box::pin(visit.acts.carry_out(&event.user_pool_id, services, deadline)).await {
                Ok(passed_over) => trace.passed_over = passed_over,
                Err((rule, fault)) => return End::Faulted { rule: Some(rule), fault },
            }
        }
        End::Passed(Passed { response: visit.response, deliveries, counts: visit.counts })
    }

    /// What a fault at the commit means: what a rule that binds wanted written is not, so nobody gets past; upkeep that was not
    /// written costs nobody anything.
    fn uncommitted(fault: Fault, binding: bool, visit: Visit<T>, trace: &mut Trace) -> End<T> {
        if binding {
            return End::Faulted { rule: None, fault };
        }
        trace.passed_over = Some(fault);
        End::Passed(Passed { response: visit.response, deliveries: Vec::new(), counts: Counts::default() })
    }

    fn wants(&self, event: &Event<T>, keys: &Keys) -> Result<Wants, (&'static str, Fault)> {
        let sub = if T::KNOWS_USER { event.sub().map(str::to_owned) } else { None };
        let mut wants = Wants { pool: event.user_pool_id.clone(), sub, ..Wants::default() };
        for link in &self.links {
            let before = wants.clone();
            let named = std::panic::catch_unwind(AssertUnwindSafe(|| link.rule.wants(event, keys, &mut wants)));
            match (named, link.on_fault) {
                (Ok(()), _) => {}
                // It may still find its way with a read of its own.
                (Err(_), OnFault::Continue) => wants = before,
                (Err(payload), OnFault::Deny) => return Err((link.name, panicked(payload.as_ref()))),
            }
        }
        Ok(wants)
    }

    /// Asks every rule once. Answers an end if it is one already, and otherwise whether a rule whose faults are not passed over
    /// wants something written.
    async fn ask(
        &self,
        event: &Event<T>,
        visit: &mut Visit<T>,
        trace: &mut Trace,
        binding: &mut bool,
    ) -> Option<End<T>> {
        let mixed = self.links.iter().any(|link| link.on_fault == OnFault::Continue);
        *binding = !mixed;
        trace.steps.reserve(self.links.len());
        for link in &self.links {
            // A rule whose fault is passed over must leave nothing behind.
            let before = mixed.then(|| visit.clone());
            let staged = visit.deliveries.count();
            visit.deliveries.set_mode(link.delivery);
            visit.acts.set_rule(link.name, link.on_fault);
            let started = Instant::now();
            // Called within the future: a rule that is no `async fn` may panic before it has made its own.
            let asked = async { link.rule.apply(event, visit).await };
            let answer = AssertUnwindSafe(asked).catch_unwind().await;
            let answer = answer.unwrap_or_else(|payload| Err(panicked(payload.as_ref())));
            // Of a denial nothing is stored.
            let answer = match answer {
                Ok(Verdict::Continue) => visit.deliveries.fit(staged).map(|()| Verdict::Continue),
                other => other,
            };
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            let mut step = |verdict| trace.steps.push(Step { rule: link.name, verdict, micros });
            match answer {
                Ok(Verdict::Continue) => {
                    step(StepVerdict::Continue);
                    // The time of a mishap is in that of the rule.
                    trace.steps.extend(visit.mishaps.take().map(|fault| {
                        let verdict = StepVerdict::Fault(fault.kind(), fault.causes());
                        Step { rule: link.name, verdict, micros: 0 }
                    }));
                    let binds = link.on_fault == OnFault::Deny;
                    *binding |= binds && before.is_some_and(|before| visit.wants_more_than(&before));
                }
                Ok(Verdict::Deny(denial)) => {
                    step(StepVerdict::Deny);
                    return Some(End::Denied { rule: link.name, denial });
                }
                Err(fault) => match before.filter(|_| link.on_fault == OnFault::Continue) {
                    Some(before) => {
                        step(StepVerdict::Fault(fault.kind(), fault.causes()));
                        let Visit { ledger, .. } = std::mem::replace(visit, before);
                        let before = std::mem::replace(&mut visit.ledger, ledger);
                        visit.ledger.undo(before);
                    }
                    None => {
                        step(StepVerdict::Fault(fault.kind(), fault.causes()));
                        return Some(End::Faulted { rule: Some(link.name), fault });
                    }
                },
            }
        }
        None
    }
}

/// Does what a denial carries.
async fn act_on<T: Trigger>(
    denial: &Denial<T>,
    event: &Event<T>,
    services: &Services,
    deadline: Timestamp,
) -> Result<(), Fault> {
    for act in denial.acts() {
        acts::perform(act, &event.user_pool_id, services, deadline).await?;
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
