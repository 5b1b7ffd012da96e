//! The operator's hand: what has to be done to a pool's memory and cannot be done by a trigger.
//!
//! [`run`] is the program. It works on the ledger and the directory that `triggers.toml` or the environment name, on AWS or on
//! this machine, and never changes a profile.

mod application_key;
mod command;
mod invitations;
mod maintenance;
mod members;
mod names;
mod open;
mod outbox;
mod table;
mod when;
mod world;

pub use command::run;
pub use world::{Out, Quiet, World};
