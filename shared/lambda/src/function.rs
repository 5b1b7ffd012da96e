//! The `main` of a function, which is the same for all but for its rules and services.

/// Makes the `main` of a function out of its rules and the services they need.
///
/// A service is opened by the adapter for AWS (feature `aws` of the function's package) or by the one for this machine (feature
/// `embedded`), whichever the configuration names. What is not named here is not linked.
///
/// ```ignore
/// cognito_triggers_lambda::function!((UniqueNickname,), ledger: LEDGER, directory: DIRECTORY);
/// cognito_triggers_lambda::function!((WelcomeEmail,), ledger: LEDGER, mailer: MAILER; templates: cognito_triggers_templates::open);
/// ```
#[macro_export]
macro_rules! function {
    ($rules:ty $(, $service:ident: $adapter:ident)* $(; templates: $templates:path)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::serve::<$rules>($crate::adapters!($($service: $adapter),* $(; templates: $templates)?))
        }
    };
}

/// The adapters of the services a function needs, as in [`function!`](crate::function).
#[macro_export]
macro_rules! adapters {
    ($($service:ident: $adapter:ident),* $(; templates: $templates:path)?) => {{
        let adapters = $crate::Adapters::none();
        $(
            #[cfg(feature = "aws")]
            let adapters = adapters.$service(cognito_triggers_aws::$adapter);
            #[cfg(feature = "embedded")]
            let adapters = adapters.$service(cognito_triggers_embedded::$adapter);
        )*
        $(let adapters = adapters.templates($templates);)?
        adapters
    }};
}
