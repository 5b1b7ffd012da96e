//! From the bytes Cognito sent to the bytes it gets back: picks the settings by pool and the chain by source.

use std::any::TypeId;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::chain::{Chain, End, Passed, Place, Trace};
use crate::config::{ConfigError, OnFault};
use crate::courier::in_time;
use crate::report::{Outcome, Report};
use crate::services::TemplateUse;
use crate::visit::DeliveryMode;
use crate::{Envelope, Fault, FaultKind, PostConfirmation, Rule, Services, Trigger};

/// The chains of one pool, one for each trigger that has a rule.
///
/// Rules get themselves in with [`Chains::attach`]; whoever reads the configuration says under which name.
#[derive(Default)]
pub struct Chains {
    chains: HashMap<TypeId, Chain>,
    routes: Vec<Route>,
    section: Section,
    needs: Vec<(Need, &'static str)>,
    templates: Vec<(TemplateUse, &'static str)>,
    dispensable: Vec<&'static str>,
    only: Option<Only>,
    elsewhere: Vec<Elsewhere>,
}

/// The triggers this function is for, where it is not for all.
pub(crate) type Only = Arc<BTreeSet<&'static str>>;

/// Sources that rules are attached to in another function.
struct Elsewhere {
    prefix: &'static str,
    trigger: &'static str,
    forgives: bool,
}

/// Which sources go to which chain.
struct Route {
    prefix: &'static str,
    version: Option<&'static str>,
    chain: TypeId,
}

/// The table that is being attached.
#[derive(Clone, Default)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) on_fault: OnFault,
    pub(crate) asks_ledger: bool,
    pub(crate) delivery: DeliveryMode,
    /// Whether nobody waits for the rule, so that the others work without it.
    pub(crate) is_dispensable: bool,
    pub(crate) environment: crate::Environment,
    /// Whether the rule has been attached to a trigger this function is for.
    pub(crate) attached: bool,
    /// How many needs and templates there were before.
    pub(crate) before: (usize, usize),
}

impl Section {
    pub(crate) fn of(name: &'static str, environment: crate::Environment) -> Self {
        Self { name, environment, ..Self::default() }
    }
}

/// What a rule cannot work without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// A ledger, `[services] ledger`.
    Ledger,
    /// A directory, `[services] directory`.
    Directory,
    /// A root key, `TRIGGERS_KEY`.
    Key,
    /// A mailer, `[services] mailer`.
    Mailer,
    /// A bucket, `[services] bucket`.
    Bucket,
    /// A publisher, `[services] publisher`.
    Publisher,
    /// Where links in mails lead, `[services] links`.
    Links,
}

impl Chains {
    /// Attaches a rule; say to which triggers with [`Attach::to`].
    pub fn attach<R: Send + Sync + 'static>(&mut self, rule: R) -> Attach<'_, R> {
        Attach { rule: Arc::new(rule), chains: self, error: None }
    }

    /// Says what the rule cannot work without, so that a start without it is refused rather than every event.
    pub fn need(&mut self, need: Need) -> &mut Self {
        if need == Need::Ledger {
            self.section.asks_ledger = true;
        }
        let is_for_deliveries = matches!(need, Need::Mailer | Need::Bucket | Need::Publisher);
        let need = (need, self.section.name);
        // Deliveries are carried out after a confirmation, and by the courier.
        let is_elsewhere = is_for_deliveries && !self.is_for(PostConfirmation::NAME);
        if !is_elsewhere && !self.needs.contains(&need) {
            self.needs.push(need);
        }
        self
    }

    /// Says which templates the rule uses, so that they are tried with samples before the first user comes.
    pub fn uses(&mut self, templates: TemplateUse) -> &mut Self {
        self.templates.push((templates, self.section.name));
        self
    }

    /// The templates the attached rules use, and the table of the rule that says so.
    #[must_use]
    pub fn templates(&self) -> &[(TemplateUse, &'static str)] {
        &self.templates
    }

    /// The environment variables, for settings that name one.
    #[must_use]
    pub fn environment(&self) -> &crate::Environment {
        &self.section.environment
    }

    /// For these triggers alone.
    pub(crate) fn for_only(only: Option<Only>) -> Self {
        Self { only, ..Self::default() }
    }

    fn is_for(&self, trigger: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(trigger))
    }

    pub(crate) fn begin(&mut self, section: Section) {
        if section.is_dispensable {
            self.dispensable.push(section.name);
        }
        self.section = Section { attached: false, before: (self.needs.len(), self.templates.len()), ..section };
    }

    /// After a rule has been attached: one that stands in no chain of this function needs nothing here.
    pub(crate) fn end(&mut self) {
        if self.only.is_some() && !self.section.attached {
            let (needs, templates) = self.section.before;
            self.needs.truncate(needs);
            self.templates.truncate(templates);
        }
    }

    /// The trigger of an event whose rules stand in another function, and whether it forgives a fault.
    fn find_elsewhere(&self, envelope: &Envelope) -> Option<(&'static str, bool)> {
        let found = self.elsewhere.iter().find(|it| it.prefix == envelope.source.prefix())?;
        Some((found.trigger, found.forgives))
    }

    /// Whether nobody waits for the rule of this table.
    pub(crate) fn can_do_without(&self, section: &str) -> bool {
        self.dispensable.contains(&section)
    }

    /// What the attached rules cannot work without, and the table of the rule that says so.
    #[must_use]
    pub fn needs(&self) -> &[(Need, &'static str)] {
        &self.needs
    }

    /// Every trigger with a rule, and its rules in the order they are asked.
    #[must_use]
    pub fn overview(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let mut overview: Vec<_> =
            self.chains.values().map(|chain| (chain.kind().name, chain.names().collect())).collect();
        overview.sort_unstable();
        overview
    }

    fn find(&self, envelope: &Envelope) -> Option<&Chain> {
        let fits = |route: &&Route| {
            route.prefix == envelope.source.prefix()
                && route.version.is_none_or(|version| {
                    version == envelope.version || (version == "1" && envelope.version.is_empty())
                })
        };
        let route = self.routes.iter().find(fits)?;
        self.chains.get(&route.chain)
    }

    fn add<T: Trigger, R: Rule<T>>(&mut self, rule: Arc<R>, on_fault: OnFault) -> Result<(), ConfigError> {
        let trigger = TriggerOf { name: T::NAME, sources: T::SOURCES, version: T::VERSION, forgives: T::FORGIVING };
        let Section { name, asks_ledger, delivery, .. } = self.section;
        let (key, place) = (TypeId::of::<T>(), Place { name, on_fault, asks_ledger, delivery });
        if self.route(&trigger, key)? {
            self.chains.entry(key).or_insert_with(Chain::of::<T>).add::<T, R>(place, rule);
        }
        Ok(())
    }

    /// Sees to it that events of a trigger find the chain with this key. Answers whether they do here, and not in another function.
    fn route(&mut self, trigger: &TriggerOf, key: TypeId) -> Result<bool, ConfigError> {
        let TriggerOf { name, sources, version, forgives } = *trigger;
        if !self.is_for(name) {
            self.elsewhere.extend(sources.iter().map(|&prefix| Elsewhere { prefix, trigger: name, forgives }));
            return Ok(false);
        }
        self.section.attached = true;
        if self.chains.contains_key(&key) {
            return Ok(true);
        }
        for &prefix in sources {
            let clash = |route: &Route| {
                route.prefix == prefix && (route.version.is_none() || version.is_none() || route.version == version)
            };
            if self.routes.iter().any(clash) {
                return Err(ConfigError::new(format!("two triggers claim the source `{prefix}_...`"))
                    .remedy(format!("give `{name}` a source or a version of its own")));
            }
            self.routes.push(Route { prefix, version, chain: key });
        }
        Ok(true)
    }
}

/// What a trigger says of itself, for finding its chain.
struct TriggerOf {
    name: &'static str,
    sources: &'static [&'static str],
    version: Option<&'static str>,
    forgives: bool,
}

/// A rule on its way into the chains.
#[must_use = "say to which triggers it is attached, and finish with `done()`"]
pub struct Attach<'a, R> {
    rule: Arc<R>,
    chains: &'a mut Chains,
    error: Option<ConfigError>,
}

impl<R: Send + Sync + 'static> Attach<'_, R> {
    /// Attaches it to the trigger `T`.
    pub fn to<T: Trigger>(self) -> Self
    where
        R: Rule<T>,
    {
        let policy = self.chains.section.on_fault;
        self.add::<T>(policy)
    }

    /// Attaches it to the trigger `T` where its faults are to be passed over, whatever holds elsewhere: for upkeep that must
    /// not cost anybody a sign-in.
    pub fn beside<T: Trigger>(self) -> Self
    where
        R: Rule<T>,
    {
        self.add::<T>(OnFault::Continue)
    }

    fn add<T: Trigger>(mut self, on_fault: OnFault) -> Self
    where
        R: Rule<T>,
    {
        let added = self.chains.add::<T, R>(Arc::clone(&self.rule), on_fault);
        self.error = self.error.or(added.err());
        self
    }

    /// That was all.
    ///
    /// # Errors
    ///
    /// If two triggers claim one source.
    pub fn done(self) -> Result<(), ConfigError> {
        self.error.map_or(Ok(()), Err)
    }
}

/// Why there is no event to send back.
enum Stop {
    Denied(String),
    Faulted(Fault),
}

/// Runs a chain, carries out what may be carried out before the answer, and makes the answer.
async fn run(
    chain: &Chain,
    envelope: Envelope,
    services: &Services,
    deadline: Timestamp,
    report: &mut Report,
) -> Result<String, Stop> {
    let event = (chain.kind().event)(envelope);
    let user = event.sub().unwrap_or(&event.envelope().user_name);
    report.user = services.keys.log_name(&event.envelope().user_pool_id, user);
    let mut trace = Trace::default();
    let running = chain.run(event.as_ref(), services, deadline, &mut trace);
    let end = in_time(services.clock.as_ref(), deadline, running).await;
    let end = end.unwrap_or_else(|| End::Faulted { rule: None, fault: out_of_time() });
    report.steps = trace.steps;
    report.calls = trace.calls;
    report.attempts = trace.attempts;
    match end {
        End::Passed(Passed { visit, deliveries, counts }) => {
            report.outcome = Outcome::Passed;
            report.counts = counts;
            report.deliveries.staged = deliveries.len();
            report.fault = trace.passed_over.map(|fault| (fault.kind(), fault.causes()));
            if let Some(deliver) = chain.kind().deliver {
                deliver(&deliveries, services, deadline, report).await;
            }
            event.answered(visit.as_ref()).map_err(Stop::Faulted)
        }
        End::Denied { rule, refused } => {
            report.rule = Some(rule);
            Err(Stop::Denied(refused.message.into_owned()))
        }
        End::Faulted { rule, fault } => {
            report.rule = rule;
            Err(Stop::Faulted(fault))
        }
    }
}

/// An event of a trigger whose rules this function was told to leave to another: passing it would open a gate.
fn misled(trigger: &str, forgives: bool, envelope: &Envelope, mut report: Report) -> Handled {
    let problem = format!("TRIGGERS_ONLY leaves {trigger} to another function; attach that one to the trigger");
    let refusal = masked(Fault::of(FaultKind::Configuration, problem), &mut report);
    Handled { answer: if forgives { Ok(envelope.raw().to_owned()) } else { Err(refusal) }, report }
}

fn out_of_time() -> Fault {
    Fault::of(FaultKind::Timeout, "the time for the answer was up")
}

/// One call of the Lambda.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    /// What Cognito sent.
    pub body: &'a [u8],
    /// Lambda's id of this call; its beginning becomes the reference of a fault.
    pub request_id: &'a str,
    /// When the answer has to be on its way.
    pub deadline: Timestamp,
}

/// What goes back to Cognito, and what happened.
pub struct Handled {
    /// The event, or what the user reads.
    pub answer: Result<String, Refusal>,
    /// What happened.
    pub report: Report,
}

/// The text a user reads instead of going on. It never holds an internal detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `Denied` or `Fault`: what CloudWatch and callers see as the error's type.
    pub kind: &'static str,
    /// The text, without a closing full stop: Cognito adds one.
    pub message: String,
}

/// Every chain of every pool, with the services.
pub struct Dispatcher {
    base: Chains,
    pools: HashMap<String, Chains>,
    services: Services,
    broken: Option<String>,
    doubts: Vec<ConfigError>,
}

impl Dispatcher {
    /// With chains for pools that have settings of their own, and those for all others.
    #[must_use]
    pub fn new(base: Chains, pools: HashMap<String, Chains>, services: Services) -> Self {
        Self { base, pools, services, broken: None, doubts: Vec::new() }
    }

    /// One that could not start: every event is answered with a fault, so that the user reads a sentence and not how the
    /// configuration is wrong. Confirmed users are let go on.
    #[must_use]
    pub fn broken(error: &ConfigError, services: Services) -> Self {
        let broken = Some(error.to_string());
        Self { base: Chains::default(), pools: HashMap::new(), services, broken, doubts: Vec::new() }
    }

    pub(crate) fn doubting(mut self, doubts: Vec<ConfigError>) -> Self {
        self.doubts = doubts;
        self
    }

    /// What is wrong and keeps only deliveries from being carried out.
    #[must_use]
    pub fn doubts(&self) -> &[ConfigError] {
        &self.doubts
    }

    /// The services in force.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The same with other services, e.g. with those that are there and watched.
    #[must_use]
    pub fn map_services(self, change: impl FnOnce(Services) -> Services) -> Self {
        Self { services: change(self.services), ..self }
    }

    /// The chains for a pool.
    #[must_use]
    pub fn chains(&self, pool: &str) -> &Chains {
        self.pools.get(pool).unwrap_or(&self.base)
    }

    /// Answers one call. Never panics on account of a rule, and never takes longer than the deadline, as far as rules and
    /// services give way when they wait.
    pub async fn handle(&self, invocation: Invocation<'_>) -> Handled {
        let (mut report, envelope) = read(invocation);
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(fault) => {
                let answer = Err(masked(fault, &mut report));
                return Handled { answer, report };
            }
        };
        if let Some(broken) = &self.broken {
            return self.excuse(envelope, report, Fault::of(FaultKind::Configuration, broken.clone()));
        }
        let chains = self.chains(&envelope.user_pool_id);
        let Some(chain) = chains.find(&envelope) else {
            if let Some((trigger, forgives)) = chains.find_elsewhere(&envelope) {
                report.trigger = Some(trigger);
                return misled(trigger, forgives, &envelope, report);
            }
            return Handled { answer: Ok(envelope.raw().to_owned()), report };
        };
        report.trigger = Some(chain.kind().name);
        let raw = envelope.shared_raw();
        let answer = match run(chain, envelope, &self.services, invocation.deadline, &mut report).await {
            Ok(event) => Ok(event),
            Err(Stop::Denied(message)) => {
                report.outcome = Outcome::Denied;
                Err(Refusal { kind: "Denied", message })
            }
            Err(Stop::Faulted(fault)) => {
                let refusal = masked(fault, &mut report);
                if chain.forgives() { Ok(raw.to_string()) } else { Err(refusal) }
            }
        };
        Handled { answer, report }
    }

    /// Answers a call whose handling came to grief outside of any rule, e.g. by a panic of a service: as after every other
    /// fault. For whoever called [`handle`](Self::handle) and got nothing back.
    #[must_use]
    pub fn give_up(&self, invocation: Invocation<'_>, fault: Fault) -> Handled {
        let (mut report, envelope) = read(invocation);
        if let Ok(envelope) = envelope {
            return self.excuse(envelope, report, fault);
        }
        let answer = Err(masked(fault, &mut report));
        Handled { answer, report }
    }

    /// The answer when no chain could decide: the fixed sentence, or the unchanged event where an error would only do harm.
    fn excuse(&self, envelope: Envelope, mut report: Report, fault: Fault) -> Handled {
        let chain = self.chains(&envelope.user_pool_id).find(&envelope);
        report.trigger = chain.map(|chain| chain.kind().name);
        let forgiving = [crate::PostConfirmation::NAME, crate::CustomMessage::NAME];
        let forgives = forgiving.contains(&envelope.source.prefix()) || chain.is_some_and(Chain::forgives);
        let refusal = masked(fault, &mut report);
        let answer = if forgives { Ok(envelope.raw().to_owned()) } else { Err(refusal) };
        Handled { answer, report }
    }
}

/// A report begun, and the outer shell of the event.
fn read(invocation: Invocation<'_>) -> (Report, Result<Envelope, Fault>) {
    let mut report = Report::new(reference(invocation.request_id));
    let envelope = std::str::from_utf8(invocation.body)
        .map_err(|_| Fault::of(FaultKind::Malformed, "the event is not UTF-8"))
        .and_then(Envelope::parse);
    if let Ok(envelope) = &envelope {
        envelope.source.as_str().clone_into(&mut report.source);
        report.pool.clone_from(&envelope.user_pool_id);
        report.client.clone_from(&envelope.caller.client_id);
    }
    (report, envelope)
}

/// Puts the fault into the report and the fixed sentence in its place.
fn masked(fault: Fault, report: &mut Report) -> Refusal {
    report.outcome = Outcome::Faulted;
    report.fault = Some((fault.kind(), fault.causes()));
    Refusal {
        kind: "Fault",
        message: format!("Something went wrong on our side, please try again later (reference {})", report.reference),
    }
}

/// The first 8 letters or digits of the request's id.
fn reference(request_id: &str) -> String {
    request_id.chars().filter(char::is_ascii_alphanumeric).take(8).collect()
}
