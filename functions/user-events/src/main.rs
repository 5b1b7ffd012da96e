//! The Lambda for the triggers PostConfirmation, PostAuthentication and PreTokenGeneration.
cognito_triggers_lambda::function!((user_events::UserEvents,), ledger: LEDGER, publisher: PUBLISHER);
