//! The Lambda for the triggers PreSignUp and PostConfirmation.
cognito_triggers_lambda::function!((access_code::AccessCode,), ledger: LEDGER);
