//! The services, each behind the chaos.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cognito_triggers::ledger::{
    Backlog, Change, Committed, Delivery, DeliveryId, Fate, Lease, LeaseId, Mail, Outbox, Reading, Task, UserEvent,
};
use cognito_triggers::services::{
    Message, NewPassword, Object, OpenTemplates, Placed, Sender, TemplateUse, Templates, User, UserPage,
};
use cognito_triggers::{Adapter, Bucket, ConfigError, Directory, Fault, Ledger, Mailer, Publisher, Wants};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::chaos::{chaos, setting};

/// An adapter whose services are battered.
macro_rules! battered {
    ($name:ident, $service:ident, $inner:path) => {
        pub(crate) const $name: Adapter<dyn $service> = Adapter {
            scheme: $inner.scheme,
            example: $inner.example,
            embedded: false,
            open: |opening| {
                Box::pin(async move {
                    let inner = ($inner.open)(opening).await?;
                    Ok(Arc::new(Battered(inner)) as Arc<dyn $service>)
                })
            },
        };
    };
}

battered!(LEDGER, Ledger, cognito_triggers_embedded::LEDGER);
battered!(OUTBOX, Outbox, cognito_triggers_embedded::OUTBOX);
battered!(DIRECTORY, Directory, cognito_triggers_embedded::DIRECTORY);
battered!(MAILER, Mailer, cognito_triggers_embedded::MAILER);
battered!(BUCKET, Bucket, cognito_triggers_embedded::BUCKET);
battered!(PUBLISHER, Publisher, cognito_triggers_embedded::PUBLISHER);
battered!(DYNAMODB, Ledger, cognito_triggers_aws::LEDGER);
battered!(DYNAMODB_OUTBOX, Outbox, cognito_triggers_aws::OUTBOX);
battered!(SES, Mailer, cognito_triggers_aws::MAILER);
battered!(S3, Bucket, cognito_triggers_aws::BUCKET);
battered!(EVENTBRIDGE, Publisher, cognito_triggers_aws::PUBLISHER);

/// Templates that tell which delivery a message belongs to.
pub(crate) fn templates(base: &Path, folder: &Path) -> Arc<dyn Templates> {
    const OPEN: OpenTemplates = cognito_triggers_templates::open;
    Arc::new(Battered(OPEN(base, folder)))
}

struct Battered<S: ?Sized>(Arc<S>);

#[async_trait]
impl Ledger for Battered<dyn Ledger> {
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
        chaos().call("ledger", self.0.read(wants)).await
    }

    async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
        note(&change.deliveries);
        chaos().call("ledger", self.0.commit(change)).await
    }

    async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault> {
        chaos().acknowledge(deliveries, self.0.acknowledge(deliveries)).await
    }
}

#[async_trait]
impl Ledger for Battered<dyn Outbox> {
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
        chaos().call("ledger", self.0.read(wants)).await
    }

    async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
        chaos().call("ledger", self.0.commit(change)).await
    }

    async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault> {
        chaos().acknowledge(deliveries, self.0.acknowledge(deliveries)).await
    }
}

#[async_trait]
impl Outbox for Battered<dyn Outbox> {
    async fn lease_due(&self, lease: &Lease, most: usize) -> Result<Vec<Delivery>, Fault> {
        let leased = chaos().call("ledger", self.0.lease_due(&later(lease)?, most)).await?;
        note(&leased);
        Ok(leased)
    }

    async fn lease(&self, deliveries: &[DeliveryId], lease: &Lease) -> Result<Vec<Delivery>, Fault> {
        let leased = chaos().call("ledger", self.0.lease(deliveries, &later(lease)?)).await?;
        note(&leased);
        Ok(leased)
    }

    async fn settle(&self, delivery: &DeliveryId, lease: &LeaseId, fate: &Fate) -> Result<bool, Fault> {
        chaos().call("ledger", self.0.settle(delivery, lease, fate)).await
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog, Fault> {
        chaos().call("ledger", self.0.backlog(now)).await
    }
}

#[async_trait]
impl Directory for Battered<dyn Directory> {
    async fn update_attributes(&self, pool: &str, user: &str, values: &BTreeMap<String, String>) -> Result<(), Fault> {
        chaos().call("directory", self.0.update_attributes(pool, user, values)).await
    }

    async fn find(&self, pool: &str, user: &str) -> Result<Option<User>, Fault> {
        chaos().call("directory", self.0.find(pool, user)).await
    }

    async fn find_sub(&self, pool: &str, sub: &str) -> Result<Option<User>, Fault> {
        chaos().call("directory", self.0.find_sub(pool, sub)).await
    }

    async fn sign_out(&self, pool: &str, user: &str) -> Result<(), Fault> {
        chaos().call("directory", self.0.sign_out(pool, user)).await
    }

    async fn require_new_password(&self, pool: &str, user: &str) -> Result<NewPassword, Fault> {
        chaos().call("directory", self.0.require_new_password(pool, user)).await
    }

    async fn users(&self, pool: &str, page: Option<String>) -> Result<UserPage, Fault> {
        chaos().call("directory", self.0.users(pool, page)).await
    }
}

#[async_trait]
impl Mailer for Battered<dyn Mailer> {
    fn sender(&self) -> &Sender {
        self.0.sender()
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        chaos().send("mailer", &message_id(message), self.0.send(message)).await
    }
}

#[async_trait]
impl Bucket for Battered<dyn Bucket> {
    async fn put_new(&self, key: &str, object: &Object) -> Result<Placed, Fault> {
        chaos().call("bucket", self.0.put_new(key, object)).await
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<Placed, Fault> {
        chaos().call("bucket", self.0.copy_new(from, to)).await
    }

    async fn list(&self, prefix: &str, most: usize) -> Result<Vec<String>, Fault> {
        chaos().call("bucket", self.0.list(prefix, most)).await
    }
}

#[async_trait]
impl Publisher for Battered<dyn Publisher> {
    async fn publish(&self, pool: &str, event: &UserEvent) -> Result<(), Fault> {
        chaos().send("publisher", &event.id, self.0.publish(pool, event)).await
    }
}

impl Templates for Battered<dyn Templates> {
    fn mail(
        &self,
        id: &DeliveryId,
        mail: &Mail,
        entries: &[Map<String, Value>],
        sender: &Sender,
        now: Timestamp,
    ) -> Result<Message, Fault> {
        let message = self.0.mail(id, mail, entries, sender, now)?;
        chaos().belongs(&message_id(&message), id);
        Ok(message)
    }

    fn files(&self, folder: &str, context: &Map<String, Value>) -> Result<Vec<(String, Object)>, Fault> {
        self.0.files(folder, context)
    }

    fn check(&self, used: &TemplateUse) -> Vec<ConfigError> {
        self.0.check(used)
    }
}

/// Notes which delivery an event belongs to.
fn note(deliveries: &[Delivery]) {
    for delivery in deliveries {
        if let Task::Publish(event) = &delivery.task {
            chaos().belongs(&event.id, &delivery.id);
        }
    }
}

/// The `Message-ID` of a mail.
fn message_id(message: &Message) -> String {
    let head = String::from_utf8_lossy(&message.raw);
    let id = head.lines().find_map(|line| line.strip_prefix("Message-ID:"));
    id.unwrap_or_default().trim().to_owned()
}

/// A lease as somebody takes it who is ahead of the time.
fn later(lease: &Lease) -> Result<Lease, Fault> {
    let seconds = setting("BATTERED_LATER").and_then(|text| text.parse().ok()).unwrap_or(0);
    let ahead = SignedDuration::from_secs(seconds);
    Ok(Lease { id: lease.id.clone(), now: lease.now.checked_add(ahead)?, until: lease.until.checked_add(ahead)? })
}
