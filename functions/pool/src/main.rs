//! The Lambda for every trigger of a user pool.
cognito_triggers_lambda::function!(pool::Rules, ledger: LEDGER, directory: DIRECTORY);
