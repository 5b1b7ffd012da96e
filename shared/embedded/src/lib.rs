//! The services of cognito-triggers on this machine: a pool that remembers without an AWS account.
//!
//! | service | adapter | address | what it is |
//! |---|---|---|---|
//! | ledger | [`LEDGER`] | `sqlite:.pool/pool.db` | [`SqliteLedger`], one file, several processes |
//! | directory | [`DIRECTORY`] | `local:.pool/pool.db` | [`LocalDirectory`], the users of local pools, in the same file |
//! | mailer | [`MAILER`] | `folder:.pool/mail` | [`FolderMailer`], one `.eml` file a mail, for any mail program |
//! | bucket | [`BUCKET`] | `folder:.pool/files` | [`FolderBucket`], one file an object, at the path its key says |
//! | publisher | [`PUBLISHER`] | `file:.pool/events.jsonl` | [`FilePublisher`], one line of JSON an event, as EventBridge hands it on |
//!
//! Any number of processes may use the same ones. What was answered survives the end of the process at any point, and nobody ever
//! sees half of it; what the ledger and the directory answered survives a power failure too. All files are made with rights for
//! their owner only: they hold what users told us.
//!
//! A real Lambda refuses all of them: its disk is gone with the next cold start.

mod bucket;
mod directory;
mod disk;
mod key;
mod mailer;
mod publisher;
mod sqlite;
mod store;

pub use bucket::{BUCKET, FolderBucket, bucket_adapter};
pub use directory::{DIRECTORY, LocalDirectory, LocalUser, NewUser, directory_adapter, new_user_name};
pub use mailer::{FolderMailer, MAILER, mailer_adapter};
pub use publisher::{FilePublisher, PUBLISHER, publisher_adapter};
pub use sqlite::{LEDGER, OUTBOX, SqliteLedger, ledger_adapter};
