//! What stands where a service is not configured, or could not be opened: every call is a fault that says what to mend.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Bucket, Directory, Mailer, Message, NewPassword, Object, Placed, Publisher, Sender, TemplateUse, Templates, User,
    UserPage,
};
use crate::config::ConfigError;
use crate::ledger::{Change, Committed, DeliveryId, Ledger, Mail, Reading, UserEvent, Wants};
use crate::message::{MessageTemplate, Words};
use crate::{Fault, FaultKind, Mailbox};

/// Stands where there is no service.
pub(crate) struct Absent {
    why: Option<String>,
    sender: Sender,
}

impl Absent {
    /// None is configured.
    pub(crate) fn unconfigured() -> Self {
        Self::because(None)
    }

    /// It could not be opened.
    pub(crate) fn broken(error: &ConfigError) -> Self {
        Self::because(Some(error.to_string()))
    }

    fn because(why: Option<String>) -> Self {
        Self { why, sender: Sender { from: Mailbox::nobody(), reply_to: Vec::new() } }
    }

    fn fault(&self, service: &str) -> Fault {
        let why = self.why.clone();
        let none = || format!("no {service} is configured: add `{service} = \"...\"` under [services]");
        Fault::of(FaultKind::Configuration, why.unwrap_or_else(none))
    }
}

#[async_trait]
impl Ledger for Absent {
    async fn read(&self, _: &Wants) -> Result<Reading, Fault> {
        Err(self.fault("ledger"))
    }

    async fn commit(&self, _: &Change) -> Result<Committed, Fault> {
        Err(self.fault("ledger"))
    }

    async fn acknowledge(&self, _: &[DeliveryId]) -> Result<(), Fault> {
        Err(self.fault("ledger"))
    }
}

#[async_trait]
impl Directory for Absent {
    async fn update_attributes(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<(), Fault> {
        Err(self.fault("directory"))
    }

    async fn find(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        Err(self.fault("directory"))
    }

    async fn find_sub(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        Err(self.fault("directory"))
    }

    async fn sign_out(&self, _: &str, _: &str) -> Result<(), Fault> {
        Err(self.fault("directory"))
    }

    async fn require_new_password(&self, _: &str, _: &str) -> Result<NewPassword, Fault> {
        Err(self.fault("directory"))
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        Err(self.fault("directory"))
    }
}

#[async_trait]
impl Mailer for Absent {
    fn sender(&self) -> &Sender {
        &self.sender
    }

    async fn send(&self, _: &Message) -> Result<(), Fault> {
        Err(self.fault("mailer"))
    }
}

#[async_trait]
impl Bucket for Absent {
    async fn put_new(&self, _: &str, _: &Object) -> Result<Placed, Fault> {
        Err(self.fault("bucket"))
    }

    async fn copy_new(&self, _: &str, _: &str) -> Result<Placed, Fault> {
        Err(self.fault("bucket"))
    }

    async fn list(&self, _: &str, _: usize) -> Result<Vec<String>, Fault> {
        Err(self.fault("bucket"))
    }
}

#[async_trait]
impl Publisher for Absent {
    async fn publish(&self, _: &str, _: &UserEvent) -> Result<(), Fault> {
        Err(self.fault("publisher"))
    }
}

impl Templates for Absent {
    fn mail(
        &self,
        _: &DeliveryId,
        _: &Mail,
        _: &[Map<String, Value>],
        _: &Sender,
        _: Timestamp,
    ) -> Result<Message, Fault> {
        Err(self.missing())
    }

    fn files(&self, _: &str, _: &Map<String, Value>) -> Result<Vec<(String, Object)>, Fault> {
        Err(self.missing())
    }

    fn message(&self, _: &MessageTemplate, _: &[String], _: &Map<String, Value>) -> Result<Words, Fault> {
        Err(self.missing())
    }

    fn check(&self, _: &TemplateUse) -> Vec<ConfigError> {
        Vec::new()
    }
}

impl Absent {
    fn missing(&self) -> Fault {
        Fault::of(FaultKind::Configuration, "this program was built without templates; name them in `function!`")
    }
}
