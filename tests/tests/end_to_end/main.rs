//! The functions as AWS runs them: real binaries under a Runtime API. One test binary, so that it is linked once.
// Helpers of tests are tests too; the lints leave alone only what bears `#[test]` itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod arrows;
mod cargo_lambda;
mod combinations;
mod deployed;
mod faults;
mod gallery;
// As with what follows, so that both read the wire in one way.
#[path = "../../../shared/aws/tests/aws/grants.rs"]
mod grants;
mod harness;
mod injected;
mod kit;
mod ledger;
mod lossless;
mod messages;
// The one the tests of the services on AWS use, so that both meet the same.
#[path = "../../../shared/aws/tests/aws/ministack.rs"]
mod ministack;
mod never_lost;
mod permissions;
#[path = "../../../shared/aws/tests/aws/proxy.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod proxy;
mod races;
mod released;
mod rules;
mod sessions;
mod sign_in;
mod strangers;
mod world;
