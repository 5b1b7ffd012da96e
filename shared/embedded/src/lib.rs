//! The services of cognito-triggers on this machine: a pool that remembers without an AWS account.
//!
//! | service | adapter | address | what it is |
//! |---|---|---|---|
//! | ledger | [`LEDGER`] | `sqlite:.pool/pool.db` | [`SqliteLedger`], one file, several processes |
//! | directory | [`DIRECTORY`] | `local:.pool/pool.db` | [`LocalDirectory`], the users of local pools, in the same file |
//!
//! A real Lambda refuses both: its disk is gone with the next cold start.

mod directory;
mod sqlite;
mod store;

pub use directory::{DIRECTORY, LocalDirectory, LocalUser, NewUser, directory_adapter, new_user_name};
pub use sqlite::{LEDGER, OUTBOX, SqliteLedger, ledger_adapter};
