//! The Lambda for the rule `session-limit`.
cognito_triggers_lambda::function!((session_limit::SessionLimit,), ledger: LEDGER, directory: DIRECTORY);
