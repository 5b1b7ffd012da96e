//! The house in which functions are tried: a Lambda Runtime API on this machine and the means to run a function's
//! binary under it as AWS would, so that the tests meet what will be deployed and not a part of it.
//!
//! ```no_run
//! use cognito_triggers_tests::{Function, binary};
//!
//! let function = Function::start(&binary("domain-allow-list"), &[("TRIGGERS_CONFIG", "/opt/triggers/triggers.toml")]);
//! let answer = function.invoke(r#"{"triggerSource":"PreSignUp_SignUp"}"#).json();
//! ```
// A harness ends a test by panicking, with a message that says what it could not do.
#![allow(clippy::panic, clippy::expect_used)]

mod function;
mod runtime_api;

pub use function::{Function, binary};
pub use runtime_api::{Invocation, Outcome, RuntimeApi, START_LIMIT, USUAL_DEADLINE};
