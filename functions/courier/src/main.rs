//! The Lambda that carries out what an earlier invocation could not.
fn main() -> std::process::ExitCode {
    courier::serve(cognito_triggers_lambda::adapters!(
        outbox: OUTBOX,
        directory: DIRECTORY,
        mailer: MAILER,
        bucket: BUCKET,
        publisher: PUBLISHER;
        templates: cognito_triggers_templates::open
    ))
}
