//! The Lambda for the triggers PostConfirmation and PostAuthentication.
cognito_triggers_lambda::function!((admin_notice::AdminNotice,), ledger: LEDGER, mailer: MAILER; templates: cognito_triggers_templates::open);
