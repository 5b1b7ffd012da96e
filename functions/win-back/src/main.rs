//! The Lambda for the rule `win-back`.
cognito_triggers_lambda::function!((win_back::WinBack,), ledger: LEDGER);
