//! A user pool on this machine, and the commands to try rules with: `cargo local`.
//!
//! [`LocalPool`] behaves towards triggers as Cognito does. [`run`] is the program: the guided tour, `event`, `invoke`, `outbox`,
//! `members`, `sessions`, `check`, `gallery`, `starter`, `package`, `policy`, `grants` and `schema`. It needs neither an account nor a network, and names no SDK.

mod account;
mod check;
mod command;
mod event;
mod functions;
mod gallery;
mod grants;
mod home;
mod invoke;
mod json;
mod members;
mod outbox;
mod package;
mod paint;
mod policy;
mod pool;
mod post;
mod sessions;
mod starter;
mod table;
mod tour;
mod witness;
mod world;

pub use command::run;
pub use pool::{
    Applicant, Credentials, Done, Federated, LocalPool, Login, PoolSettings, Refused, SignedIn, Step, TokenVersion,
};
pub use world::{Quiet, World, colours};
