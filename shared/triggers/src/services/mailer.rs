//! Sending mails.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::{Fault, Mailbox};

/// Hands mails to those who carry them.
///
/// Every adapter passes the same suite, `services::contract`.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Who mails are from unless the rule says otherwise.
    fn sender(&self) -> &Sender;

    /// Sends a message. Done means that the service has accepted it.
    ///
    /// # Errors
    ///
    /// If the service refuses it or cannot be reached. The outlook is [`Permanent`](crate::Outlook::Permanent) only if it will
    /// never take this message, and [`Throttled`](crate::Outlook::Throttled) if it has accepted too many.
    async fn send(&self, message: &Message) -> Result<(), Fault>;
}

/// Who mails are from, as the mailer's address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The sender.
    pub from: Mailbox,
    /// Where answers go, if not there.
    pub reply_to: Vec<Mailbox>,
}

/// A mail as it goes out. `Debug` shows its size alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Who it is from: the address alone, its domain in ASCII.
    pub from: String,
    /// Who gets it: addresses alone, their domains in ASCII.
    pub recipients: Vec<String>,
    /// Headers and body, ready to be sent (RFC 5322, lines end with CR LF).
    pub raw: Vec<u8>,
    /// What the mail is counted by, e.g. `rule`. Names and values are ASCII letters, digits, `_` and `-`.
    pub tags: BTreeMap<String, String>,
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Message({} bytes)", self.raw.len())
    }
}
