//! What every mailer, bucket, publisher and directory promises, as suites that run against each adapter: rules and the courier
//! are written once and must not care which service stands behind.
//!
//! What was sent cannot be read back through a service, so each suite takes a witness too, which looks at the other end:
//! [`Letterbox`], [`Shelf`], [`Audience`], [`Registry`].
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use cognito_triggers::Bucket;
//! # use cognito_triggers::services::contract::{self, Shelf};
//! # async fn test(bucket: Arc<dyn Bucket>, shelf: Arc<dyn Shelf>) {
//! contract::bucket(bucket, shelf).holds().await;
//! # }
//! ```
//!
//! Every clause works under a random mark of its own, so a service that is shared or not empty serves as well as a fresh one.

// This module is a test that adapters of other crates call: it fails by panicking, and says where.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bucket;
mod directory;
mod mailer;
mod publisher;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use data_encoding::HEXLOWER;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use crate::{Bucket, Directory, Fault, Mailer, Outlook, Publisher, random};

pub use bucket::Shelf;
pub use directory::Registry;
pub use mailer::{Letterbox, Received};
pub use publisher::Audience;

/// The suite of mailers.
#[must_use]
pub fn mailer(mailer: Arc<dyn Mailer>, letterbox: Arc<dyn Letterbox>) -> Suite<dyn Mailer, dyn Letterbox> {
    Suite::new("mailer", mailer::CLAUSES, mailer, letterbox)
}

/// The suite of buckets.
#[must_use]
pub fn bucket(bucket: Arc<dyn Bucket>, shelf: Arc<dyn Shelf>) -> Suite<dyn Bucket, dyn Shelf> {
    Suite::new("bucket", bucket::CLAUSES, bucket, shelf)
}

/// The suite of publishers.
#[must_use]
pub fn publisher(publisher: Arc<dyn Publisher>, audience: Arc<dyn Audience>) -> Suite<dyn Publisher, dyn Audience> {
    Suite::new("publisher", publisher::CLAUSES, publisher, audience)
}

/// The suite of directories.
#[must_use]
pub fn directory(directory: Arc<dyn Directory>, registry: Arc<dyn Registry>) -> Suite<dyn Directory, dyn Registry> {
    Suite::new("directory", directory::CLAUSES, directory, registry)
}

/// A suite, set up for one service and its witness.
pub struct Suite<S: ?Sized + 'static, W: ?Sized + 'static> {
    kind: &'static str,
    clauses: &'static [Clause<S, W>],
    excepted: BTreeMap<&'static str, &'static str>,
    setup: Setup<S, W>,
}

/// Starts a task and answers what ends with it.
type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync>;

impl<S: ?Sized + 'static, W: ?Sized + 'static> Suite<S, W> {
    fn new(kind: &'static str, clauses: &'static [Clause<S, W>], service: Arc<S>, witness: Arc<W>) -> Self {
        #[allow(clippy::disallowed_methods, reason = "a test's own setting, so that every adapter hears it")]
        let rounds =
            std::env::var("CONTRACT_ROUNDS").map_or(1, |rounds| rounds.parse().expect("CONTRACT_ROUNDS is no number"));
        let setup = Setup { clients: vec![service], witness, rounds, spawn: Arc::new(|task| task) };
        Self { kind, clauses, excepted: BTreeMap::new(), setup }
    }

    /// With one more client of the same service. What is done is spread over all of them.
    #[must_use]
    pub fn client(mut self, service: Arc<S>) -> Self {
        self.setup.clients.push(service);
        self
    }

    /// How often each clause about things that happen at once is tried; otherwise as the environment variable
    /// `CONTRACT_ROUNDS` says, else once.
    #[must_use]
    pub fn rounds(mut self, rounds: u32) -> Self {
        self.setup.rounds = rounds;
        self
    }

    /// How a task is started, so that several threads take part. With Tokio:
    /// `|task| { let task = tokio::spawn(task); Box::pin(async move { task.await.unwrap() }) }`.
    #[must_use]
    pub fn spawn(
        mut self,
        spawn: impl Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.setup.spawn = Arc::new(spawn);
        self
    }

    /// Without one clause: for a stand-in that is known to differ from the service it stands for.
    ///
    /// # Panics
    ///
    /// If there is no clause of this name, or no reason is given.
    #[must_use]
    pub fn except(mut self, clause: &'static str, because: &'static str) -> Self {
        assert!(self.clauses.iter().any(|known| known.name == clause), "no clause is called `{clause}`");
        assert!(!because.is_empty(), "say why `{clause}` is left out");
        self.excepted.insert(clause, because);
        self
    }

    /// Tries every clause.
    ///
    /// # Panics
    ///
    /// If the service breaks some: after all were tried, naming each with what was seen.
    pub async fn holds(&self) {
        self.only("").await;
    }

    /// Tries the clauses whose name contains `part`; for chasing one.
    ///
    /// # Panics
    ///
    /// As [`holds`](Self::holds), and if there is no such clause.
    pub async fn only(&self, part: &str) {
        let (mut tried, mut broken, mut report) = (0, 0, String::new());
        let chosen = |clause: &&Clause<S, W>| clause.name.contains(part) && !self.excepted.contains_key(clause.name);
        for clause in self.clauses.iter().filter(chosen) {
            tried += 1;
            let rounds = if clause.repeats { self.setup.rounds } else { 1 };
            for round in 1..=rounds {
                let tried = AssertUnwindSafe((clause.run)(Case::new(&self.setup)));
                if let Err(payload) = tried.catch_unwind().await {
                    let text = payload.downcast_ref::<String>().map(String::as_str);
                    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
                    let _ = write!(report, "\n\n{} (round {round} of {rounds}): {text}", clause.name);
                    broken += 1;
                    break;
                }
            }
        }
        assert!(tried > 0, "no clause is called `{part}`");
        assert!(broken == 0, "the {} breaks {broken} of {tried} clauses{report}", self.kind);
    }
}

struct Setup<S: ?Sized, W: ?Sized> {
    clients: Vec<Arc<S>>,
    witness: Arc<W>,
    rounds: u32,
    spawn: Spawn,
}

struct Clause<S: ?Sized, W: ?Sized> {
    name: &'static str,
    repeats: bool,
    run: fn(Case<S, W>) -> BoxFuture<'static, ()>,
}

/// Lists the clauses of a suite: those that are tried once, and those about things that happen at once.
macro_rules! clauses {
    ($service:ty, $witness:ty; once: $($once:ident)*; rounds: $($round:ident)*;) => {
        pub(super) const CLAUSES: &[super::Clause<$service, $witness>] = &[
            $(super::Clause { name: stringify!($once), repeats: false, run: |case| Box::pin($once(case)) },)*
            $(super::Clause { name: stringify!($round), repeats: true, run: |case| Box::pin($round(case)) },)*
        ];
    };
}
use clauses;

/// One trial of one clause, with a mark of its own.
struct Case<S: ?Sized, W: ?Sized> {
    clients: Vec<Arc<S>>,
    witness: Arc<W>,
    spawn: Spawn,
    /// Letters and digits, in nobody else's use.
    mark: String,
    turn: Arc<Mutex<usize>>,
}

impl<S: ?Sized, W: ?Sized> Clone for Case<S, W> {
    fn clone(&self) -> Self {
        Self {
            clients: self.clients.clone(),
            witness: Arc::clone(&self.witness),
            spawn: Arc::clone(&self.spawn),
            mark: self.mark.clone(),
            turn: Arc::clone(&self.turn),
        }
    }
}

impl<S: ?Sized + 'static, W: ?Sized + 'static> Case<S, W>
where
    Self: Send,
{
    /// Tasks that run at once, each with a client of its own, and what became of each.
    async fn at_once<T, F>(&self, count: usize, task: impl Fn(usize, Self) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let results = Arc::new(Mutex::new(BTreeMap::new()));
        let running: Vec<_> = (0..count)
            .map(|number| {
                let work = task(number, self.clone());
                let results = Arc::clone(&results);
                (self.spawn)(Box::pin(async move {
                    let result = work.await;
                    results.lock().unwrap().insert(number, result);
                }))
            })
            .collect();
        join_all(running).await;
        let results: Vec<T> = std::mem::take(&mut *results.lock().unwrap()).into_values().collect();
        assert_eq!(results.len(), count, "not every task came to its end");
        results
    }
}

impl<S: ?Sized, W: ?Sized> Case<S, W> {
    fn new(setup: &Setup<S, W>) -> Self {
        Self {
            clients: setup.clients.clone(),
            witness: Arc::clone(&setup.witness),
            spawn: Arc::clone(&setup.spawn),
            mark: HEXLOWER.encode(&random::bytes::<8>().expect("no randomness")),
            turn: Arc::default(),
        }
    }

    /// The clients in turn.
    fn service(&self) -> Arc<S> {
        let mut turn = self.turn.lock().unwrap();
        *turn += 1;
        Arc::clone(&self.clients[*turn % self.clients.len()])
    }
}

/// How many take part where things happen at once.
const CROWD: usize = 16;

/// A refusal that will not change, so that the courier parks the delivery instead of trying for three days.
fn refused_for_good(fault: &Fault, what: &str) {
    assert_eq!(fault.outlook(), Outlook::Permanent, "{what}: refused, but as if trying again could help: {fault}");
    assert!(!fault.causes().trim().is_empty(), "{what}: refused without a word");
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// What a suite says about a service with a flaw.
    pub(super) fn complaint<S: ?Sized + 'static, W: ?Sized + 'static>(suite: &Suite<S, W>, clause: &str) -> String {
        let payload = run(AssertUnwindSafe(suite.only(clause)).catch_unwind()).expect_err("the flaw went unnoticed");
        payload.downcast_ref::<String>().expect("a text").clone()
    }

    /// Tries a whole suite.
    pub(super) fn holds<S: ?Sized + 'static, W: ?Sized + 'static>(suite: &Suite<S, W>) {
        run(suite.holds());
    }

    /// Lets the other tasks go first.
    pub(super) async fn yield_once() {
        let mut yielded = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Runs to the end on this thread. Nothing here waits but for other tasks.
    fn run<T>(work: impl Future<Output = T>) -> T {
        let mut work = Box::pin(work);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(end) = work.as_mut().poll(&mut context) {
                return end;
            }
        }
    }
}
