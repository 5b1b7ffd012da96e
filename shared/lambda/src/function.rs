//! The `main` of a function, which is the same for all but for its rules and services.

/// Makes the `main` of a function out of its rules and the services they need.
///
/// A service is opened by the adapter for AWS (feature `aws` of the function's package) or by the one for this machine (feature
/// `embedded`), whichever the configuration names. What is not named here is not linked.
///
/// ```ignore
/// cognito_triggers_lambda::function!((UniqueNickname,), ledger: LEDGER, directory: DIRECTORY);
/// ```
#[macro_export]
macro_rules! function {
    ($rules:ty $(, $service:ident: $adapter:ident)*) => {
        fn main() -> ::std::process::ExitCode {
            let adapters = $crate::Adapters::none();
            $(
                #[cfg(feature = "aws")]
                let adapters = adapters.$service(cognito_triggers_aws::$adapter);
                #[cfg(feature = "embedded")]
                let adapters = adapters.$service(cognito_triggers_embedded::$adapter);
            )*
            $crate::serve::<$rules>(adapters)
        }
    };
}
