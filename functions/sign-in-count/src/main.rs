//! The Lambda for the rule `sign-in-count`.
cognito_triggers_lambda::function!((sign_in_count::SignInCount,), ledger: LEDGER);
