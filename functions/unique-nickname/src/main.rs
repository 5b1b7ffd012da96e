//! The Lambda for the triggers PreSignUp, PostConfirmation and PostAuthentication.
cognito_triggers_lambda::function!((unique_nickname::UniqueNickname,), ledger: LEDGER, directory: DIRECTORY);
