//! An accident: what a rule or a service answers when it could not do its work.
//!
//! A fault is for the log. Its text never reaches a user, who reads one fixed sentence with a reference instead.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// An accident with its causes. Any error becomes one with `?`.
///
/// ```
/// use cognito_triggers::Fault;
///
/// fn port(text: &str) -> Result<u16, Fault> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(port("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub struct Fault {
    kind: FaultKind,
    outlook: Outlook,
    message: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Whether trying again may help. Only the courier asks: it decides what becomes of a delivery that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outlook {
    /// It may go away, by itself or because somebody mends it: tried again for three days.
    #[default]
    Transient,
    /// The service has too much to do: tried again later, as if it had not been tried.
    Throttled,
    /// The service will never take this one: parked for an operator to look at.
    Permanent,
}

impl Outlook {
    /// The name in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Permanent => "permanent",
        }
    }
}

/// What sort of accident it was; stable names for metrics and alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// A rule failed in its own code.
    Rule,
    /// A rule panicked.
    Panic,
    /// A service (ledger, mailer, ...) refused or could not be reached.
    Service,
    /// There was not enough time left.
    Timeout,
    /// The state moved on every attempt until the time was up.
    Contention,
    /// The event was not JSON, or not an object.
    Malformed,
    /// The configuration is wrong, or lacks something.
    Configuration,
}

impl FaultKind {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Panic => "panic",
            Self::Service => "service",
            Self::Timeout => "timeout",
            Self::Contention => "contention",
            Self::Malformed => "malformed",
            Self::Configuration => "configuration",
        }
    }
}

impl Fault {
    /// A fault of a rule's own making.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(FaultKind::Rule, message)
    }

    /// A fault of a given kind.
    pub fn of(kind: FaultKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, outlook: Outlook::Transient, message: message.into(), source: None }
    }

    /// A chain that was given something of another trigger than its own. It is not made to happen.
    pub(crate) fn of_another_trigger() -> Self {
        Self::new("a rule was asked about another trigger than its own")
    }

    /// A service that failed, with what it said.
    pub fn service(message: impl Into<Cow<'static, str>>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let (outlook, source) = (Outlook::Transient, Some(source.into()));
        Self { kind: FaultKind::Service, outlook, message: message.into(), source }
    }

    /// The same, saying whether trying again may help.
    #[must_use]
    pub fn with_outlook(mut self, outlook: Outlook) -> Self {
        self.outlook = outlook;
        self
    }

    /// Whether trying again may help.
    #[must_use]
    pub const fn outlook(&self) -> Outlook {
        self.outlook
    }

    /// What sort of accident it was.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The whole chain of causes, joined by `: `. For the log only.
    #[must_use]
    pub fn causes(&self) -> String {
        let mut text = self.message.to_string();
        let mut source = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = source {
            let cause = error.to_string();
            // Many errors print their source themselves; saying it twice helps nobody.
            if !text.ends_with(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
            source = error.source();
        }
        text
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Fault {
    fn from(error: E) -> Self {
        let message = error.to_string().into();
        Self { kind: FaultKind::Rule, outlook: Outlook::Transient, message, source: Some(Box::new(error)) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.causes())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fault({}: {})", self.kind.as_str(), self.causes())
    }
}
