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

    /// The same by the user's `sub`, which unlike the name never changes. May hear of a new user some seconds late.
    ///
    /// # Errors
    ///
    /// If there is no such pool or the service cannot be reached.
    async fn find_sub(&self, pool: &str, sub: &str) -> Result<Option<User>, Fault>;

    /// Ends every session the user has: no refresh token works any more. Tokens that were issued live until they expire. A user
    /// who is nowhere signed in stays so.
    ///
    /// # Errors
    ///
    /// If there is no such user or the service cannot be reached.
    async fn sign_out(&self, pool: &str, user_name: &str) -> Result<(), Fault>;

    /// Makes the old password useless, so that a new one has to be chosen, with a code the pool sends. Where one has to be chosen
    /// already nothing more is done: no second code is sent, as far as one call can see what another does.
    ///
    /// # Errors
    ///
    /// If there is no such user, the user is disabled or has no verified address or number to send a code to, or the service
    /// cannot be reached.
    async fn require_new_password(&self, pool: &str, user_name: &str) -> Result<NewPassword, Fault>;

    /// One page of the pool's users, in no particular order.
    ///
    /// # Errors
    ///
    /// If there is no such pool or the service cannot be reached.
    async fn users(&self, pool: &str, page: Option<String>) -> Result<UserPage, Fault>;
}

/// What came of requiring a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewPassword {
    /// The user has to choose one at the next sign-in.
    Required,
    /// The user has none that counts in this pool: somebody not confirmed yet, or who signs in at another provider only. Nothing
    /// was done.
    None,
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
    /// Whether the user is confirmed, or signs in at another provider. Whoever has to choose a new password stays confirmed.
    pub confirmed: bool,
    /// Whether the user may sign in: an administrator can disable a user.
    pub enabled: bool,
    /// When the user was created.
    pub created: Timestamp,
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("User").field("confirmed", &self.confirmed).finish_non_exhaustive()
    }
}
