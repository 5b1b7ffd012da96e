//! What Cognito sent: a typed view, with the raw text kept beside it.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::attributes::{Attributes, Metadata};
use crate::raw::Members;
use crate::visit::AnyVisit;
use crate::{Fault, FaultKind, Request, Trigger, TriggerSource, Visit, lenient, raw};

/// The part of an event that every trigger has.
///
/// Reading it is lenient: whatever is missing or of another shape is empty. Only text that is no JSON object is a fault.
pub struct Envelope {
    /// `version`: `"1"`; for token generation `"1"`, `"2"` or `"3"`.
    pub version: String,
    /// `triggerSource`: which trigger, and why.
    pub source: TriggerSource,
    /// `region`: where the pool lives.
    pub region: String,
    /// `userPoolId`.
    pub user_pool_id: String,
    /// `userName`. Where users sign in with an address this is a UUID; empty for tokens between machines.
    pub user_name: String,
    /// `callerContext`.
    pub caller: Caller,
    raw: Arc<str>,
    /// Where `request` and `response` stand in the text, if they do.
    request: Option<Range<usize>>,
    response: Option<Range<usize>>,
}

/// `callerContext`: who called Cognito.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Caller {
    /// The SDK the caller used.
    #[serde(deserialize_with = "lenient::field")]
    pub aws_sdk_version: String,
    /// The app client. Absent when an administrator confirms a user, `CLIENT_ID_NOT_APPLICABLE` when one creates a user.
    #[serde(deserialize_with = "lenient::field")]
    pub client_id: Option<String>,
}

impl Envelope {
    /// Reads the outer shell of an event.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Malformed`] if this is not a JSON object.
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, Fault> {
        let raw: Arc<str> = text.into();
        let members = Members::parse(&raw).map_err(|error| {
            // serde_json's own text can quote the input, which may hold personal data.
            let (line, column) = (error.line(), error.column());
            Fault::of(FaultKind::Malformed, format!("the event is not a JSON object (line {line}, column {column})"))
        })?;
        let text = |name: &str| members.text(name).unwrap_or_default();
        let place = |name: &str| members.find(name).map(|value| raw::place(&raw, value.get()));
        let caller = members.find("callerContext").and_then(|raw| serde_json::from_str(raw.get()).ok());
        let envelope = Self {
            version: text("version"),
            source: TriggerSource::from(text("triggerSource")),
            region: text("region"),
            user_pool_id: text("userPoolId"),
            user_name: text("userName"),
            caller: caller.unwrap_or_default(),
            request: place("request"),
            response: place("response"),
            raw: Arc::default(),
        };
        Ok(Self { raw, ..envelope })
    }

    /// The text as it arrived.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    pub(crate) fn shared_raw(&self) -> Arc<str> {
        Arc::clone(&self.raw)
    }
}

/// One event for the trigger `T`.
///
/// Its `Debug` form shows trigger, source and pool and nothing of the user.
///
/// ```
/// use cognito_triggers::prelude::*;
///
/// let event = Event::<PreSignUp>::parse(
///     r#"{"triggerSource": "PreSignUp_SignUp", "userPoolId": "eu-central-1_Example01", "userName": "anna",
///         "request": {"userAttributes": {"email": "Anna@EXAMPLE.com", "email_verified": true}}}"#,
/// )?;
/// assert_eq!(event.attribute("email_verified"), Some("true"));
/// assert_eq!(event.attributes().email().unwrap()?.domain(), "example.com");
/// # Ok::<(), Fault>(())
/// ```
pub struct Event<T: Trigger> {
    envelope: Envelope,
    /// `request`.
    pub request: T::Request,
}

impl<T: Trigger> std::ops::Deref for Event<T> {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.envelope
    }
}

impl<T: Trigger> Event<T> {
    /// Reads an event as one of the trigger `T`, whatever its source says.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Malformed`] if this is not a JSON object.
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, Fault> {
        Envelope::parse(text).map(Self::from)
    }

    /// The user's attributes; empty where the trigger has none.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        self.request.user_attributes().unwrap_or(Attributes::none())
    }

    /// One attribute by its name in the pool, e.g. `email` or `custom:plan`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes().find(name)
    }

    /// The user's `sub`, the one name that never changes. Absent before the user exists.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        self.attribute("sub").filter(|sub| !sub.is_empty())
    }

    /// `clientMetadata`; empty where the trigger has none. Which calls of an application reach which trigger with it is a
    /// matter of its own: `InitiateAuth`'s never reaches `PostAuthentication`.
    #[must_use]
    pub fn client_metadata(&self) -> &Metadata {
        self.request.client_metadata().unwrap_or(Metadata::none())
    }

    /// `validationData`; empty where the trigger has none.
    #[must_use]
    pub fn validation_data(&self) -> &Metadata {
        self.request.validation_data().unwrap_or(Metadata::none())
    }

    /// The event with the keys of `response` that were set written over it, everything else as it arrived.
    ///
    /// # Errors
    ///
    /// If the response cannot be written as JSON, e.g. a claim that is not a number.
    pub fn answer(&self, response: &T::Response) -> Result<String, Fault> {
        let response = serde_json::to_value(response)?;
        Ok(raw::with_response(self.raw(), self.envelope.response.clone(), &response))
    }

    /// The same event with a value set at a path of dot-separated keys, e.g. `request.newDeviceUsed`. For tests and
    /// trying things out: the text is printed anew.
    #[must_use]
    pub fn with_value(self, path: &[&str], value: impl Into<Value>) -> Self {
        let mut document: Value = serde_json::from_str(self.raw()).unwrap_or_default();
        let mut place = &mut document;
        for key in path {
            if !place.is_object() {
                *place = Value::Object(serde_json::Map::new());
            }
            // Not indexing that can fail: `place` is an object, and a missing key is inserted.
            place = match place {
                Value::Object(map) => map.entry(*key).or_insert(Value::Null),
                _ => return self,
            };
        }
        *place = value.into();
        Self::parse(document.to_string()).unwrap_or(self)
    }

    /// The same event with one user attribute set; see [`with_value`](Self::with_value).
    #[must_use]
    pub fn with(self, attribute: &str, value: impl Into<Value>) -> Self {
        self.with_value(&["request", "userAttributes", attribute], value)
    }
}

/// An event whose trigger is not known, for a [`Chain`](crate::chain::Chain).
pub(crate) trait AnyEvent: Any + Send + Sync {
    fn envelope(&self) -> &Envelope;
    fn sub(&self) -> Option<&str>;
    /// The event with the response of a visit.
    fn answered(&self, visit: &dyn AnyVisit) -> Result<String, Fault>;
}

impl<T: Trigger> AnyEvent for Event<T> {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn sub(&self) -> Option<&str> {
        Event::sub(self)
    }

    fn answered(&self, visit: &dyn AnyVisit) -> Result<String, Fault> {
        let visit = (visit as &dyn Any).downcast_ref::<Visit<T>>().ok_or_else(Fault::of_another_trigger)?;
        self.answer(&visit.response)
    }
}

impl<T: Trigger> From<Envelope> for Event<T> {
    fn from(envelope: Envelope) -> Self {
        let text = envelope.request.clone().and_then(|place| envelope.raw.get(place));
        let request = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Self { envelope, request }
    }
}

impl<T: Trigger> fmt::Debug for Event<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct(T::NAME)
            .field("source", &self.source.as_str())
            .field("pool", &self.user_pool_id)
            .finish_non_exhaustive()
    }
}
