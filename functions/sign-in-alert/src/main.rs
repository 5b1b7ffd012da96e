//! The Lambda for the rule `sign-in-alert`.
cognito_triggers_lambda::function!((sign_in_alert::SignInAlert,), ledger: LEDGER);
