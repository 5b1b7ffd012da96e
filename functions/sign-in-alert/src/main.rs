//! The Lambda for the rule `sign-in-alert`.
cognito_triggers_lambda::function!((sign_in_alert::SignInAlert,), ledger: LEDGER, mailer: MAILER; templates: cognito_triggers_templates::open);
