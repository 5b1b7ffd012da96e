//! `triggers.toml`: one table a rule, one table of services, and what a pool wants otherwise.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Chains, Grant};

mod bind;
mod clients;
mod error;
mod file;
mod granted;
mod open;
mod schema;
mod secret;
mod settings;
mod tables;
mod tree;

#[cfg(test)]
mod tests;

pub use bind::Checked;
pub use clients::{check_clients, is_client_id};
pub use error::{ConfigError, ConfigErrors, within};
pub use file::{Configuration, ServiceAddresses};
pub use granted::Granted;
pub use schema::{schema, schema_with};
pub use secret::Secret;
pub use tables::Tables;

/// The tables of the rules of this workspace, and of its functions that have none (`links`).
///
/// One file serves all Lambdas of a pool, so that a program meets tables of rules it does not hold. Those named here it skips;
/// any other it takes for a misspelt one and refuses, because a gate that is off by a spelling mistake lets everybody in.
pub const KNOWN_SECTIONS: &[&str] = &[
    "access-code",
    "admin-notice",
    "domain-allow-list",
    "links",
    "maintenance",
    "password-age",
    "s3-provisioning",
    "session-limit",
    "sign-in-alert",
    "sign-in-count",
    "templated-message",
    "unique-nickname",
    "user-events",
    "welcome-email",
    "win-back",
];

/// A rule's settings, which are the rule itself.
///
/// ```
/// use cognito_triggers::prelude::*;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct CompanyOnly {
///     /// The only domain that gets in.
///     domain: String,
/// }
/// # impl Rule<PreSignUp> for CompanyOnly {
/// #     async fn apply(&self, _: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> { Ok(Verdict::Continue) }
/// # }
///
/// impl Configured for CompanyOnly {
///     const SECTION: &'static str = "company-only";
///
///     fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
///         chains.attach(self).to::<PreSignUp>().done()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be configured",
    note = "derive `serde::Deserialize` and `schemars::JsonSchema` for its settings, and implement `cognito_triggers::Configured` to name its table and its triggers"
)]
pub trait Configured: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Its table in `triggers.toml`.
    const SECTION: &'static str;
    /// What a fault of it does, unless the table says `on-fault`.
    const ON_FAULT: OnFault = OnFault::Deny;
    /// The triggers it may be attached to, by their [names](crate::Trigger::NAME), whatever its settings say. What is made for all
    /// settings alike goes by it, such as a role for one trigger; a rule that needs nothing of AWS may leave it out.
    const TRIGGERS: &'static [&'static str] = &[];
    /// What it calls of AWS within its events, and what the courier calls for it: see [`grants`](crate::grants).
    const GRANTS: &'static [Grant] = &[];

    /// Checks the settings and attaches the rule to its triggers.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense. Name the key relative to the table: the file, the line and the table are added. Never quote
    /// a secret; the same goes for the error text of a `Deserialize` written by hand.
    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError>;
}

/// What a fault of a rule does. `on-fault` in the rule's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFault {
    /// The user reads the fixed sentence. For gates: who cannot be checked does not get in.
    #[default]
    Deny,
    /// The rule counts as if it were not there. For counts, alerts and messages.
    Continue,
}

impl fmt::Display for OnFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Deny => "deny",
            Self::Continue => "continue",
        })
    }
}

/// The rules of one program: a tuple of [`Configured`] types, e.g. `(DomainAllowList, AccessCode)`. Of rules that cost the
/// same, the earlier one is asked first.
pub trait RuleSet {
    /// Shows every rule to a visitor.
    fn each(visitor: &mut impl RuleVisitor);
}

/// Does something with every rule of a set.
pub trait RuleVisitor {
    /// Is called once for every rule.
    fn rule<R: Configured>(&mut self);
}

macro_rules! rule_sets {
    ($($rule:ident)*) => {
        rule_sets!(@ $($rule)*);
    };
    (@ $first:ident $($rest:ident)*) => {
        impl<$first: Configured, $($rest: Configured),*> RuleSet for ($first, $($rest,)*) {
            fn each(visitor: &mut impl RuleVisitor) {
                visitor.rule::<$first>();
                $(visitor.rule::<$rest>();)*
            }
        }
        rule_sets!(@ $($rest)*);
    };
    (@) => {};
}
rule_sets!(A B C D E F G H I J K L M N O P Q R S T U V W X);
