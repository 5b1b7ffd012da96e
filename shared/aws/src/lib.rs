//! The services of cognito-triggers on AWS. The only crate that names an SDK: what others see are the adapters
//! [`LEDGER`] and [`DIRECTORY`], which a program lists, and their types for the operator's tools.
//!
//! ```
//! use cognito_triggers::Adapters;
//!
//! let adapters = Adapters::none().ledger(cognito_triggers_aws::LEDGER).directory(cognito_triggers_aws::DIRECTORY);
//! # let _ = adapters;
//! ```
//!
//! Each service is a feature (`dynamodb`, `cognito`; both by default), so that a function compiles and links only the clients
//! it needs. Nothing is read from profiles or asked of an instance's metadata: region and credentials come from the
//! environment, where Lambda puts them.

#[cfg(any(feature = "cognito", feature = "dynamodb"))]
mod client;
#[cfg(feature = "cognito")]
mod cognito;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(any(feature = "cognito", feature = "dynamodb"))]
mod error;

#[cfg(any(feature = "cognito", feature = "dynamodb"))]
pub use client::Limits;
#[cfg(feature = "cognito")]
pub use cognito::{CognitoDirectory, DIRECTORY};
#[cfg(feature = "dynamodb")]
pub use dynamodb::{DynamoLedger, LEDGER};
