//! The functions of the house by name: which rules each has.

use std::collections::HashMap;
use std::sync::Arc;

use access_code::AccessCode;
use cognito_triggers::config::{Checked, ConfigErrors, Configuration};
use cognito_triggers::{Adapters, Chains, Clock, Dispatcher, Environment};
use domain_allow_list::DomainAllowList;
use unique_nickname::UniqueNickname;

/// A function, i.e. a package under `functions/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// Every rule.
    Pool,
    AccessCode,
    DomainAllowList,
    UniqueNickname,
}

impl Function {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::AccessCode => "access-code",
            Self::DomainAllowList => "domain-allow-list",
            Self::UniqueNickname => "unique-nickname",
        }
    }

    pub(crate) const ALL: [Self; 4] = [Self::Pool, Self::AccessCode, Self::DomainAllowList, Self::UniqueNickname];
}

/// A configuration with the rules of one function.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'a> {
    configuration: &'a Configuration,
    function: Function,
}

/// Calls a method of the configuration with the rules of the function.
macro_rules! bound {
    ($bound:expr, $method:ident($($argument:expr),*)) => {{
        let Bound { configuration, function } = *$bound;
        match function {
            Function::Pool => configuration.$method::<pool::Rules>($($argument),*),
            Function::AccessCode => configuration.$method::<(AccessCode,)>($($argument),*),
            Function::DomainAllowList => configuration.$method::<(DomainAllowList,)>($($argument),*),
            Function::UniqueNickname => configuration.$method::<(UniqueNickname,)>($($argument),*),
        }
    }};
}

/// The chains for every pool, and those of pools with settings of their own.
type PoolChains = (Chains, HashMap<String, Chains>);

impl<'a> Bound<'a> {
    pub(crate) const fn new(configuration: &'a Configuration, function: Function) -> Self {
        Self { configuration, function }
    }

    pub(crate) fn chains(&self, environment: &Environment) -> Result<PoolChains, ConfigErrors> {
        bound!(self, chains(environment))
    }

    pub(crate) fn check(&self, environment: Option<&Environment>) -> Result<Checked, ConfigErrors> {
        bound!(self, check(environment))
    }

    pub(crate) async fn open(
        &self,
        environment: &Environment,
        adapters: &Adapters,
        clock: Arc<dyn Clock>,
    ) -> Result<Dispatcher, ConfigErrors> {
        let Bound { configuration, function } = *self;
        match function {
            Function::Pool => configuration.open::<pool::Rules>(environment, adapters, clock).await,
            Function::AccessCode => configuration.open::<(AccessCode,)>(environment, adapters, clock).await,
            Function::DomainAllowList => configuration.open::<(DomainAllowList,)>(environment, adapters, clock).await,
            Function::UniqueNickname => configuration.open::<(UniqueNickname,)>(environment, adapters, clock).await,
        }
    }
}
