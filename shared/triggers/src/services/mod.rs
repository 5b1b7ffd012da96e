//! What is outside: the services rules and deliveries rely on, and how one is chosen by its address.

mod absent;
mod bucket;
#[cfg(feature = "contract")]
pub mod contract;
mod directory;
mod mailer;
mod publisher;
mod templates;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::Keys;
use crate::config::ConfigError;
use crate::ledger::{Ledger, MemoryLedger, Outbox};
use crate::links::Links;

pub(crate) use absent::Absent;
pub use bucket::*;
pub use directory::*;
pub use mailer::*;
pub use publisher::*;
pub use templates::*;

/// The time.
pub trait Clock: Send + Sync + 'static {
    /// Now, to the millisecond.
    fn now(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
}

/// The services in force.
#[derive(Clone)]
pub struct Services {
    /// What the pool remembers.
    pub ledger: Arc<dyn Ledger>,
    /// The pool's users.
    pub directory: Arc<dyn Directory>,
    /// Who sends mails.
    pub mailer: Arc<dyn Mailer>,
    /// Where users' files are.
    pub bucket: Arc<dyn Bucket>,
    /// Where events about users go.
    pub publisher: Arc<dyn Publisher>,
    /// What mails and files are made from.
    pub templates: Arc<dyn Templates>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The root key and what is derived from it.
    pub keys: Keys,
    /// Where links in mails lead.
    pub links: Links,
}

impl Services {
    /// Services that only tell the time: whatever else is asked is a fault that says what is missing.
    #[must_use]
    pub fn none(clock: Arc<dyn Clock>) -> Self {
        let absent = Arc::new(Absent::unconfigured());
        Self {
            ledger: Arc::clone(&absent) as Arc<dyn Ledger>,
            directory: Arc::clone(&absent) as Arc<dyn Directory>,
            mailer: Arc::clone(&absent) as Arc<dyn Mailer>,
            bucket: Arc::clone(&absent) as Arc<dyn Bucket>,
            publisher: Arc::clone(&absent) as Arc<dyn Publisher>,
            templates: absent,
            clock,
            keys: Keys::default(),
            links: Links::default(),
        }
    }

    /// Services in memory, for tests: the ledger forgets everything when it is dropped.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        let keys = Keys::from_root(&[7; 32]);
        Self { ledger: Arc::new(MemoryLedger::default()), keys, ..Self::none(clock) }
    }
}

/// The environment variables, read once at start.
#[derive(Clone, Default)]
pub struct Environment(Arc<BTreeMap<String, String>>);

impl Environment {
    /// A variable; an empty one counts as not set.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The same with one variable set.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut variables = (*self.0).clone();
        variables.insert(name.to_owned(), value.to_owned());
        Self(Arc::new(variables))
    }

    /// Whether this is a real Lambda rather than a process that was given a Runtime API on this machine.
    #[must_use]
    pub fn is_lambda(&self) -> bool {
        // Set by Lambda itself for every function (Lambda developer guide, "Defined runtime environment variables").
        self.find("AWS_LAMBDA_INITIALIZATION_TYPE").is_some()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let mut all = BTreeMap::new();
        all.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        Self(Arc::new(all))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Environment({} variables)", self.0.len())
    }
}

/// What an adapter is opened with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What stands after the scheme, e.g. the table of `dynamodb:table`.
    pub address: String,
    /// The environment variables.
    pub environment: Environment,
}

/// Makes a service of one kind, e.g. a ledger from `dynamodb:table`.
pub struct Adapter<S: ?Sized> {
    /// What the address starts with.
    pub scheme: &'static str,
    /// An example of an address, for messages.
    pub example: &'static str,
    /// Whether it keeps its data on this machine: refused in a real Lambda.
    pub embedded: bool,
    /// Opens it. Whatever can be tried again later, such as a connection, is no error here.
    pub open: fn(Opening) -> BoxFuture<'static, Result<Arc<S>, ConfigError>>,
}

impl<S: ?Sized> Clone for Adapter<S> {
    fn clone(&self) -> Self {
        Self { scheme: self.scheme, example: self.example, embedded: self.embedded, open: self.open }
    }
}

/// The adapters a program was built with. Only what is named here is linked.
#[derive(Clone, Default)]
pub struct Adapters {
    pub(crate) ledgers: Vec<Adapter<dyn Ledger>>,
    pub(crate) outboxes: Vec<Adapter<dyn Outbox>>,
    pub(crate) directories: Vec<Adapter<dyn Directory>>,
    pub(crate) mailers: Vec<Adapter<dyn Mailer>>,
    pub(crate) buckets: Vec<Adapter<dyn Bucket>>,
    pub(crate) publishers: Vec<Adapter<dyn Publisher>>,
    pub(crate) templates: Option<OpenTemplates>,
}

/// Opens the templates: first the folder of the configuration, below which folders of files are named, then the folder of
/// templates. Neither need exist.
pub type OpenTemplates = fn(&Path, &Path) -> Arc<dyn Templates>;

impl Adapters {
    /// No adapters: for rules that need no service.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// With one more kind of ledger.
    #[must_use]
    pub fn ledger(mut self, adapter: Adapter<dyn Ledger>) -> Self {
        self.ledgers.push(adapter);
        self
    }

    /// With one more kind of outbox, the view of the ledger a courier works with.
    #[must_use]
    pub fn outbox(mut self, adapter: Adapter<dyn Outbox>) -> Self {
        self.outboxes.push(adapter);
        self
    }

    /// With one more kind of directory.
    #[must_use]
    pub fn directory(mut self, adapter: Adapter<dyn Directory>) -> Self {
        self.directories.push(adapter);
        self
    }

    /// With one more kind of mailer.
    #[must_use]
    pub fn mailer(mut self, adapter: Adapter<dyn Mailer>) -> Self {
        self.mailers.push(adapter);
        self
    }

    /// With one more kind of bucket.
    #[must_use]
    pub fn bucket(mut self, adapter: Adapter<dyn Bucket>) -> Self {
        self.buckets.push(adapter);
        self
    }

    /// With one more kind of publisher.
    #[must_use]
    pub fn publisher(mut self, adapter: Adapter<dyn Publisher>) -> Self {
        self.publishers.push(adapter);
        self
    }

    /// With templates, for mails and files.
    #[must_use]
    pub fn templates(mut self, open: OpenTemplates) -> Self {
        self.templates = Some(open);
        self
    }
}

/// Opens the service an address names.
///
/// # Errors
///
/// If no adapter has that scheme, the adapter keeps its data on this machine and this is a real Lambda, or the adapter
/// refuses the address.
pub(crate) async fn open<S: ?Sized>(
    service: &str,
    address: &str,
    adapters: &[Adapter<S>],
    environment: &Environment,
) -> Result<Arc<S>, ConfigError> {
    let (scheme, rest) = address.split_once(':').unwrap_or((address, ""));
    let Some(adapter) = adapters.iter().find(|adapter| adapter.scheme == scheme) else {
        let examples: Vec<_> = adapters.iter().map(|adapter| adapter.example).collect();
        return Err(without_adapter(service, scheme, &examples));
    };
    if adapter.embedded && environment.is_lambda() {
        return Err(forgetful(service, scheme));
    }
    (adapter.open)(Opening { address: rest.to_owned(), environment: environment.clone() })
        .await
        .map_err(|error| error.within(service))
}

fn without_adapter(service: &str, scheme: &str, examples: &[&str]) -> ConfigError {
    let known: Vec<_> = examples.iter().map(|example| format!("`{example}`")).collect();
    let known = if known.is_empty() { "it takes none".into() } else { known.join(" or ") };
    ConfigError::new(format!("this program has no {service} called `{scheme}`"))
        .at(service)
        .remedy(format!("it was built for {known}"))
}

fn forgetful(service: &str, scheme: &str) -> ConfigError {
    ConfigError::new(format!("a {service} on this machine (`{scheme}`) forgets everything in a Lambda"))
        .at(service)
        .remedy("use the AWS service there, e.g. `dynamodb:<table>` for the ledger")
}
