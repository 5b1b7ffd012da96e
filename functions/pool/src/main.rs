//! The Lambda for every trigger of a user pool.
cognito_triggers_lambda::function!(
    pool::Rules,
    ledger: LEDGER,
    directory: DIRECTORY,
    mailer: MAILER,
    bucket: BUCKET,
    publisher: PUBLISHER;
    templates: cognito_triggers_templates::open
);
