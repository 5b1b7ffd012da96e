//! The users of a pool, as an administrator reaches them.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Fault;

/// The users of a pool, as an administrator reaches them.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Sets attributes of a user. Setting what is set already changes nothing.
    ///
    /// # Errors
    ///
    /// If there is no such user, the pool refuses the values, or the service cannot be reached.
    async fn update_attributes(
        &self,
        pool: &str,
        user_name: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Fault>;

    /// One user; `None` if there is none of this name.
    ///
    /// # Errors
    ///
    /// If there is no such pool or the service cannot be reached.
    async fn find(&self, pool: &str, user_name: &str) -> Result<Option<User>, Fault>;

    /// One page of the pool's users, in no particular order.
    ///
    /// # Errors
    ///
    /// If there is no such pool or the service cannot be reached.
    async fn users(&self, pool: &str, page: Option<String>) -> Result<UserPage, Fault>;
}

/// One page of users.
#[derive(Clone, Debug, Default)]
pub struct UserPage {
    /// The users.
    pub users: Vec<User>,
    /// What to ask with for the next page; `None` after the last.
    pub next: Option<String>,
}

/// A user as the directory lists it. `Debug` shows nothing of the user.
#[derive(Clone, Default)]
pub struct User {
    /// The user's name in the pool.
    pub user_name: String,
    /// The attributes, `sub` among them.
    pub attributes: crate::Attributes,
    /// Whether the user is confirmed, or signs in at another provider.
    pub confirmed: bool,
    /// When the user was created.
    pub created: Timestamp,
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("User").field("confirmed", &self.confirmed).finish_non_exhaustive()
    }
}
