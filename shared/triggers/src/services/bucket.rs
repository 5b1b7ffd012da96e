//! Where users' files are.

use std::fmt;

use async_trait::async_trait;

use crate::Fault;

/// Keeps objects under keys.
///
/// Every adapter passes the same suite, `services::contract`.
#[async_trait]
pub trait Bucket: Send + Sync + 'static {
    /// Stores an object, unless there is one with this key already.
    ///
    /// # Errors
    ///
    /// If the key cannot be used, or the service refuses or cannot be reached; whether the object was stored is then unknown.
    async fn put_new(&self, key: &str, object: &Object) -> Result<Placed, Fault>;

    /// Copies an object of this bucket with its content type, unless there is one at the new key already.
    ///
    /// # Errors
    ///
    /// As above, and if there is nothing to copy.
    async fn copy_new(&self, from: &str, to: &str) -> Result<Placed, Fault>;

    /// The keys that begin like this, in order; at most `most`.
    ///
    /// # Errors
    ///
    /// If the service refuses or cannot be reached.
    async fn list(&self, prefix: &str, most: usize) -> Result<Vec<String>, Fault>;
}

/// What is stored. `Debug` shows its kind and size.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// Its content type, e.g. `text/html; charset=utf-8`.
    pub content_type: String,
    /// The bytes.
    pub body: Vec<u8>,
}

/// What became of a wish to store something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It was stored.
    Created,
    /// Something was there already and is left as it was.
    Existed,
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Object({}, {} bytes)", self.content_type, self.body.len())
    }
}
