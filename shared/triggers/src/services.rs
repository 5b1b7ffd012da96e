//! What is outside: the services rules and deliveries rely on, and how one is chosen by its address.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::config::ConfigError;
use crate::ledger::{Ledger, MemoryLedger};
use crate::{Fault, FaultKind, Keys};

/// The time.
pub trait Clock: Send + Sync + 'static {
    /// Now, to the millisecond.
    fn now(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
}

/// The users of a pool, as an administrator reaches them.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Sets attributes of a user. Setting what is set already changes nothing.
    ///
    /// # Errors
    ///
    /// If there is no such user, the pool refuses the values, or the service cannot be reached.
    async fn update_attributes(
        &self,
        pool: &str,
        user_name: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Fault>;

    /// One page of the pool's users, in no particular order.
    ///
    /// # Errors
    ///
    /// If there is no such pool or the service cannot be reached.
    async fn users(&self, pool: &str, page: Option<String>) -> Result<UserPage, Fault>;
}

/// One page of users.
#[derive(Clone, Debug, Default)]
pub struct UserPage {
    /// The users.
    pub users: Vec<User>,
    /// What to ask with for the next page; `None` after the last.
    pub next: Option<String>,
}

/// A user as the directory lists it. `Debug` shows nothing of the user.
#[derive(Clone, Default)]
pub struct User {
    /// The user's name in the pool.
    pub user_name: String,
    /// The attributes, `sub` among them.
    pub attributes: crate::Attributes,
    /// Whether the user is confirmed, or signs in at another provider.
    pub confirmed: bool,
    /// When the user was created.
    pub created: Timestamp,
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("User").field("confirmed", &self.confirmed).finish_non_exhaustive()
    }
}

/// The services in force.
#[derive(Clone)]
pub struct Services {
    /// What the pool remembers.
    pub ledger: Arc<dyn Ledger>,
    /// The pool's users.
    pub directory: Arc<dyn Directory>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The root key and what is derived from it.
    pub keys: Keys,
}

impl Services {
    /// Services that only tell the time: whatever else is asked is a fault that says what is missing.
    #[must_use]
    pub fn none(clock: Arc<dyn Clock>) -> Self {
        Self { ledger: Arc::new(Absent), directory: Arc::new(Absent), clock, keys: Keys::default() }
    }

    /// Services in memory, for tests: the ledger forgets everything when it is dropped.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        let keys = Keys::from_root(&[7; 32]);
        Self { ledger: Arc::new(MemoryLedger::default()), keys, ..Self::none(clock) }
    }
}

/// Stands where no service is configured.
struct Absent;

fn absent(service: &str) -> Fault {
    Fault::of(
        FaultKind::Configuration,
        format!("no {service} is configured: add `{service} = \"...\"` under [services]"),
    )
}

#[async_trait]
impl Ledger for Absent {
    async fn read(&self, _: &crate::Wants) -> Result<crate::ledger::Reading, Fault> {
        Err(absent("ledger"))
    }

    async fn commit(&self, _: &crate::ledger::Change) -> Result<crate::ledger::Committed, Fault> {
        Err(absent("ledger"))
    }

    async fn acknowledge(&self, _: &[crate::ledger::DeliveryId]) -> Result<(), Fault> {
        Err(absent("ledger"))
    }
}

#[async_trait]
impl Directory for Absent {
    async fn update_attributes(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<(), Fault> {
        Err(absent("directory"))
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        Err(absent("directory"))
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
        Self(Arc::new(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()))
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
    pub(crate) directories: Vec<Adapter<dyn Directory>>,
}

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

    /// With one more kind of directory.
    #[must_use]
    pub fn directory(mut self, adapter: Adapter<dyn Directory>) -> Self {
        self.directories.push(adapter);
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
        let known: Vec<_> = adapters.iter().map(|adapter| format!("`{}`", adapter.example)).collect();
        let known = if known.is_empty() { "it takes none".into() } else { known.join(" or ") };
        return Err(ConfigError::new(format!("this program has no {service} called `{scheme}`"))
            .at(service)
            .remedy(format!("it was built for {known}")));
    };
    if adapter.embedded && environment.is_lambda() {
        return Err(ConfigError::new(format!(
            "a {service} on this machine (`{scheme}`) forgets everything in a Lambda"
        ))
        .at(service)
        .remedy("use the AWS service there, e.g. `dynamodb:<table>` for the ledger"));
    }
    (adapter.open)(Opening { address: rest.to_owned(), environment: environment.clone() })
        .await
        .map_err(|error| error.within(service))
}
