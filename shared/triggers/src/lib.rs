//! Rules for the Lambda triggers of Amazon Cognito user pools.
//!
//! A user pool calls one Lambda per trigger and shows its error text to the end user. This crate is what stands between:
//! events as they really arrive ([`Event`]), rules that decide about them ([`Rule`], [`Verdict`], [`Fault`]), what the pool
//! remembers ([`ledger`]), the configuration that composes rules ([`config`]), and the dispatcher that turns bytes into bytes
//! ([`Dispatcher`]). It knows neither AWS nor Lambda: those are adapters.
//!
//! A rule and its test:
//!
//! ```
//! use cognito_triggers::prelude::*;
//!
//! struct CompanyOnly {
//!     domain: String,
//! }
//!
//! impl Rule<PreSignUp> for CompanyOnly {
//!     async fn apply(&self, event: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
//!         match event.attributes().email() {
//!             Some(Ok(email)) if email.domain() == self.domain => {
//!                 visit.response.auto_verify_email = Some(true);
//!                 Ok(Verdict::Continue)
//!             }
//!             _ => Ok(Verdict::deny(format!("Please sign up with your {} address", self.domain))),
//!         }
//!     }
//! }
//!
//! let trial = Trial::of(CompanyOnly { domain: "example.com".into() });
//! let event = Event::<PreSignUp>::sample().with("email", "anna@evilexample.com");
//! assert_eq!(trial.sees(event), denied("Please sign up with your example.com address"));
//! ```

mod acts;
mod attributes;
#[cfg(feature = "aws_lambda_events")]
pub mod aws_events;
mod chain;
mod client_context;
pub mod config;
pub mod courier;
mod dispatcher;
mod email;
mod event;
mod fault;
pub mod grants;
mod keys;
pub mod ledger;
mod lenient;
pub mod links;
mod mailbox;
pub mod mailing;
pub mod message;
pub mod onboarding;
pub mod random;
mod raw;
pub mod report;
mod rule;
mod sample;
pub mod services;
mod since;
mod source;
mod trial;
mod trigger;
mod visit;

pub use acts::{Act, Acts};
pub use attributes::{AttributeName, Attributes, Identity, Metadata, NotAnAttribute, STANDARD_ATTRIBUTES, UserStatus};
pub use client_context::ClientContext;
pub use config::{ConfigError, Configured, OnFault, RuleSet};
pub use dispatcher::{Attach, Chains, Dispatcher, Handled, Invocation, Need, Refusal};
pub use email::{EmailAddress, NotAnAddress};
pub use event::{Caller, Envelope, Event};
pub use fault::{Fault, FaultKind, Outlook};
pub use grants::Grant;
pub use keys::Keys;
pub use ledger::{Ledger, Wants};
pub use mailbox::{Mailbox, NotAMailbox};
pub use rule::{Answer, Denial, Rule, Verdict};
pub use sample::sample;
pub use services::{Adapter, Adapters, Bucket, Clock, Directory, Environment, Mailer, Publisher, Services, Templates};
pub use source::TriggerSource;
pub use trial::{Seen, StoppedClock, Trial, denied};
pub use trigger::*;
pub use visit::{Calls, Counts, Deliveries, DeliveryMode, Held, Hold, Mishaps, Names, Page, Staged, Visit};

/// What a rule needs to be written and tried.
pub mod prelude {
    pub use crate::ledger::Task;
    pub use crate::trigger::*;
    pub use crate::{
        Answer, Chains, ConfigError, Configured, Event, Fault, Need, OnFault, Rule, Trial, Verdict, Visit, denied,
    };
}

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
