//! Where events about users go.

use async_trait::async_trait;

use crate::Fault;
use crate::ledger::UserEvent;

/// Hands events to whoever listens.
///
/// Every adapter passes the same suite, `services::contract`.
#[async_trait]
pub trait Publisher: Send + Sync + 'static {
    /// Publishes an event of a pool. Done means that the service has accepted it.
    ///
    /// # Errors
    ///
    /// If the service refuses it or cannot be reached.
    async fn publish(&self, pool: &str, event: &UserEvent) -> Result<(), Fault>;
}
