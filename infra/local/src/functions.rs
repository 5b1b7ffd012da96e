//! The functions of the house by name: which rules each has.

use std::collections::HashMap;
use std::sync::Arc;

use cognito_triggers::config::{Checked, ConfigErrors, Configuration};
use cognito_triggers::{Adapters, Chains, Clock, ConfigError, Dispatcher, Environment};

/// Names every function once: its variant, its package, its rules.
macro_rules! functions {
    ($($(#[$about:meta])* $function:ident = $name:literal: $rules:ty,)*) => {
        /// A function, i.e. a package under `functions/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Function {
            $($(#[$about])* $function,)*
        }

        impl Function {
            pub(crate) const ALL: &[Self] = &[$(Self::$function,)*];

            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$function => $name,)*
                }
            }
        }

        impl Bound<'_> {
            pub(crate) fn chains(&self, environment: &Environment) -> Result<PoolChains, ConfigErrors> {
                match self.function {
                    $(Function::$function => self.configuration.chains::<$rules>(environment),)*
                }
            }

            pub(crate) fn check(&self, environment: Option<&Environment>) -> Result<Checked, ConfigErrors> {
                match self.function {
                    $(Function::$function => self.configuration.check::<$rules>(environment),)*
                }
            }

            /// What is wrong with the templates.
            pub(crate) fn check_templates(&self, environment: &Environment) -> Vec<ConfigError> {
                let open = cognito_triggers_templates::open;
                match self.function {
                    $(Function::$function => self.configuration.check_templates::<$rules>(environment, open),)*
                }
            }

            pub(crate) async fn open(
                &self,
                environment: &Environment,
                adapters: &Adapters,
                clock: Arc<dyn Clock>,
            ) -> Result<Dispatcher, ConfigErrors> {
                match self.function {
                    $(Function::$function => self.configuration.open::<$rules>(environment, adapters, clock).await,)*
                }
            }
        }
    };
}

functions! {
    /// Every rule.
    Pool = "pool": pool::Rules,
    AccessCode = "access-code": (access_code::AccessCode,),
    AdminNotice = "admin-notice": (admin_notice::AdminNotice,),
    DomainAllowList = "domain-allow-list": (domain_allow_list::DomainAllowList,),
    Maintenance = "maintenance": (maintenance::Maintenance,),
    PasswordAge = "password-age": (password_age::PasswordAge,),
    S3Provisioning = "s3-provisioning": (s3_provisioning::S3Provisioning,),
    SessionLimit = "session-limit": (session_limit::SessionLimit,),
    SignInAlert = "sign-in-alert": (sign_in_alert::SignInAlert,),
    SignInCount = "sign-in-count": (sign_in_count::SignInCount,),
    TemplatedMessage = "templated-message": (templated_message::TemplatedMessage,),
    UniqueNickname = "unique-nickname": (unique_nickname::UniqueNickname,),
    UserEvents = "user-events": (user_events::UserEvents,),
    WelcomeEmail = "welcome-email": (welcome_email::WelcomeEmail,),
    WinBack = "win-back": (win_back::WinBack,),
}

/// A configuration with the rules of one function.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'a> {
    configuration: &'a Configuration,
    function: Function,
}

/// The chains for every pool, and those of pools with settings of their own.
type PoolChains = (Chains, HashMap<String, Chains>);

impl<'a> Bound<'a> {
    pub(crate) const fn new(configuration: &'a Configuration, function: Function) -> Self {
        Self { configuration, function }
    }
}
