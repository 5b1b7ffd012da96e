//! The Lambda for the rule `maintenance`.
cognito_triggers_lambda::function!((maintenance::Maintenance,), ledger: LEDGER);
