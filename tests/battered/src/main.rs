//! The pool's function and the courier with services that fail at random, as networks and services do: for the tests of what
//! is never lost and when it is doubled. Everything else is what is deployed: the rules, the dispatcher, the courier.
//!
//! | variable | what it says |
//! |---|---|
//! | `BATTERED_AS` | `pool` or `courier` |
//! | `BATTERED_PERCENT` | how many of a hundred calls of a service fail, 0 to 100 |
//! | `BATTERED_DEATHS` | at how many of a thousand calls of a service the process dies a little later |
//! | `BATTERED_WITNESS` | the file in which it is told what had to be doubled, and why |
//! | `BATTERED_LATER` | by how many seconds the courier is ahead of its time, so that pauses need not be waited for |
//! | `BATTERED_DOWN` | `mailer`: every call of it fails |

mod chaos;
mod services;

use std::process::ExitCode;

use cognito_triggers::Adapters;

fn main() -> ExitCode {
    let adapters = Adapters::none()
        .ledger(services::LEDGER)
        .ledger(services::DYNAMODB)
        .outbox(services::OUTBOX)
        .outbox(services::DYNAMODB_OUTBOX)
        .directory(services::DIRECTORY)
        .directory(cognito_triggers_aws::DIRECTORY)
        .mailer(services::MAILER)
        .mailer(services::SES)
        .bucket(services::BUCKET)
        .bucket(services::S3)
        .publisher(services::PUBLISHER)
        .publisher(services::EVENTBRIDGE)
        .templates(services::templates);
    if chaos::setting("BATTERED_AS").as_deref() == Some("courier") {
        return courier::serve(adapters);
    }
    cognito_triggers_lambda::serve::<pool::Rules>(adapters)
}
