//! The Lambda for the rule `password-age`.
cognito_triggers_lambda::function!((password_age::PasswordAge,), ledger: LEDGER, directory: DIRECTORY);
