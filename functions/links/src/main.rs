//! The Lambda behind a function URL that acts on the signed links of mails.
fn main() -> std::process::ExitCode {
    links::serve(cognito_triggers_lambda::adapters!(ledger: LEDGER, directory: DIRECTORY))
}
