//! The Lambda that ends sessions when users sign out, are disabled or deleted.
fn main() -> std::process::ExitCode {
    session_release::serve(cognito_triggers_lambda::adapters!(ledger: LEDGER))
}
