//! The services of cognito-triggers on AWS. The only crate that names an SDK: what others see are the adapters
//! [`LEDGER`], [`OUTBOX`], [`DIRECTORY`], [`MAILER`], [`BUCKET`] and [`PUBLISHER`], which a program lists, and their types for
//! the operator's tools.
//!
//! ```
//! use cognito_triggers::Adapters;
//!
//! let adapters = Adapters::none().ledger(cognito_triggers_aws::LEDGER).directory(cognito_triggers_aws::DIRECTORY);
//! # let _ = adapters;
//! ```
//!
//! Each service is a feature (`dynamodb`, `cognito`, `ses`, `s3`, `eventbridge`; all by default), so that a function compiles
//! and links only the clients it needs. Nothing is read from profiles or asked of an instance's metadata: region and
//! credentials come from the environment, where Lambda puts them.
//!
//! The ledger opens its connection at start, TLS and all, since every event waits for it; nothing is called yet. What only
//! deliveries need opens none: its client is made for the first delivery, so that no start is slower for mails it does not send.

#[cfg(any(feature = "cognito", feature = "dynamodb", feature = "eventbridge", feature = "s3", feature = "ses"))]
mod client;
#[cfg(feature = "cognito")]
mod cognito;
#[cfg(any(feature = "cognito", feature = "dynamodb", feature = "eventbridge", feature = "s3", feature = "ses"))]
mod connection;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(any(feature = "cognito", feature = "dynamodb", feature = "eventbridge", feature = "s3", feature = "ses"))]
mod error;
#[cfg(feature = "eventbridge")]
mod eventbridge;
#[cfg(any(feature = "cognito", feature = "dynamodb", feature = "eventbridge", feature = "s3", feature = "ses"))]
mod names;
#[cfg(any(feature = "eventbridge", feature = "ses"))]
mod once;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "ses")]
mod ses;
#[cfg(any(feature = "cognito", feature = "dynamodb", feature = "eventbridge", feature = "s3", feature = "ses"))]
mod trust;

#[cfg(any(feature = "cognito", feature = "dynamodb", feature = "eventbridge", feature = "s3", feature = "ses"))]
pub use client::Limits;
#[cfg(feature = "cognito")]
pub use cognito::{CognitoDirectory, DIRECTORY};
#[cfg(feature = "dynamodb")]
pub use dynamodb::{DynamoLedger, LEDGER, OUTBOX};
#[cfg(feature = "eventbridge")]
pub use eventbridge::{EventBridgePublisher, PUBLISHER};
#[cfg(feature = "s3")]
pub use s3::{BUCKET, S3Bucket};
#[cfg(feature = "ses")]
pub use ses::{MAILER, SesMailer};
