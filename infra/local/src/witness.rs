//! Watches the services, so that deliveries can be shown as they happen.
//!
//! Every call goes through to the service unchanged; what it accepted is noted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cognito_triggers::ledger::UserEvent;
use cognito_triggers::services::{
    Bucket, Mailer, Message, NewPassword, Object, Placed, Publisher, Sender, User, UserPage,
};
use cognito_triggers::{Directory, Fault, Services};
use mail_parser::MessageParser;

/// Something a service took.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    /// A mail.
    Mail {
        /// The addresses it went to.
        to: Vec<String>,
        /// Its subject, decoded.
        subject: String,
        /// The headers and body, by which its file is found.
        raw: Vec<u8>,
    },
    /// A file, and whether it was there already.
    File { existed: bool, key: String },
    /// An event about a user.
    Event { name: String },
    /// An attribute of a user.
    Profile { user_name: String, attributes: BTreeMap<String, String> },
}

/// Notes what the services took, in its order.
#[derive(Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<Vec<Seen>>>);

impl Witness {
    /// The services, watched.
    pub(crate) fn watch(&self, services: Services) -> Services {
        let Services { directory, mailer, bucket, publisher, .. } = services.clone();
        Services {
            directory: self.watched(directory),
            mailer: self.watched(mailer),
            bucket: self.watched(bucket),
            publisher: self.watched(publisher),
            ..services
        }
    }

    /// What was noted since the last time.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn watched<S: ?Sized>(&self, service: Arc<S>) -> Arc<Watched<S>> {
        Arc::new(Watched { service, witness: self.clone() })
    }

    fn note(&self, seen: Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }
}

struct Watched<S: ?Sized> {
    service: Arc<S>,
    witness: Witness,
}

#[async_trait]
impl Mailer for Watched<dyn Mailer> {
    fn sender(&self) -> &Sender {
        self.service.sender()
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        self.service.send(message).await?;
        let parsed = MessageParser::new().parse_headers(&message.raw);
        let subject = parsed.as_ref().and_then(|mail| mail.subject()).unwrap_or("(no subject)").to_owned();
        self.witness.note(Seen::Mail { to: message.recipients.clone(), subject, raw: message.raw.clone() });
        Ok(())
    }
}

#[async_trait]
impl Bucket for Watched<dyn Bucket> {
    async fn put_new(&self, key: &str, object: &Object) -> Result<Placed, Fault> {
        let placed = self.service.put_new(key, object).await?;
        self.witness.note(Seen::File { key: key.to_owned(), existed: placed == Placed::Existed });
        Ok(placed)
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<Placed, Fault> {
        let placed = self.service.copy_new(from, to).await?;
        self.witness.note(Seen::File { key: to.to_owned(), existed: placed == Placed::Existed });
        Ok(placed)
    }

    async fn list(&self, prefix: &str, most: usize) -> Result<Vec<String>, Fault> {
        self.service.list(prefix, most).await
    }
}

#[async_trait]
impl Publisher for Watched<dyn Publisher> {
    async fn publish(&self, pool: &str, event: &UserEvent) -> Result<(), Fault> {
        self.service.publish(pool, event).await?;
        self.witness.note(Seen::Event { name: event.name.clone() });
        Ok(())
    }
}

#[async_trait]
impl Directory for Watched<dyn Directory> {
    async fn update_attributes(
        &self,
        pool: &str,
        user_name: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        self.service.update_attributes(pool, user_name, attributes).await?;
        self.witness.note(Seen::Profile { user_name: user_name.to_owned(), attributes: attributes.clone() });
        Ok(())
    }

    async fn find(&self, pool: &str, user_name: &str) -> Result<Option<User>, Fault> {
        self.service.find(pool, user_name).await
    }

    async fn find_sub(&self, pool: &str, sub: &str) -> Result<Option<User>, Fault> {
        self.service.find_sub(pool, sub).await
    }

    async fn sign_out(&self, pool: &str, user_name: &str) -> Result<(), Fault> {
        self.service.sign_out(pool, user_name).await
    }

    async fn require_new_password(&self, pool: &str, user_name: &str) -> Result<NewPassword, Fault> {
        self.service.require_new_password(pool, user_name).await
    }

    async fn users(&self, pool: &str, page: Option<String>) -> Result<UserPage, Fault> {
        self.service.users(pool, page).await
    }
}
