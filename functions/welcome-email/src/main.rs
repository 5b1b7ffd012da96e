//! The Lambda for the triggers PostConfirmation and PostAuthentication.
cognito_triggers_lambda::function!((welcome_email::WelcomeEmail,), ledger: LEDGER, mailer: MAILER; templates: cognito_triggers_templates::open);
