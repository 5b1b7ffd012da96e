//! What Cognito takes, what is done so that it does, and what is said where that is not possible.

use std::sync::Mutex;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::config::ConfigError;
use crate::ledger::{DeliveryId, Mail};
use crate::services::{Message, Object, Sender, TemplateUse, Templates};
use crate::{Fault, FaultKind};

mod composed;
mod limited;

/// What Cognito was seen to name.
fn there(occasion: Occasion) -> Placeholders {
    Placeholders::sample(occasion)
}

#[test]
fn every_occasion_has_its_source_and_back() {
    for occasion in Occasion::ALL {
        assert_eq!(Occasion::of(&occasion.source()), Some(occasion));
        assert!(occasion.source().as_str().starts_with("CustomMessage_"));
        assert_eq!(serde_json::to_value(occasion).unwrap(), occasion.as_str());
        assert_eq!(occasion.to_string(), occasion.as_str());
    }
    assert_eq!(Occasion::of(&TriggerSource::from("CustomMessage_New")), None);
    assert_eq!(Occasion::of(&TriggerSource::PreSignUpSignUp), None);
}

#[test]
fn placeholders_are_those_of_the_event_and_what_is_empty_is_none() {
    let invited = Event::<CustomMessage>::sample_of(&TriggerSource::CustomMessageAdminCreateUser);
    assert_eq!(Placeholders::of(&invited), there(Occasion::AdminCreateUser));
    let event = Event::<CustomMessage>::sample();
    assert_eq!(Placeholders::of(&event), there(Occasion::SignUp));
    let other =
        event.with_value(&["request", "codeParameter"], "[code]").with_value(&["request", "linkParameter"], " ");
    let placeholders = Placeholders::of(&other);
    assert_eq!((placeholders.code.as_deref(), placeholders.link), (Some("[code]"), None));
}

#[test]
fn sample_users_differ_in_what_templates_trip_over() {
    let users = sample_users();
    let of = |name: &'static str| users.iter().filter_map(move |user| user.attributes.get(name)?.as_str());
    assert!(users.iter().all(|user| user.attributes.contains_key("sub") && user.attributes.contains_key("email")));
    assert!(users.iter().any(|user| user.attributes.len() == 2), "one told nothing");
    assert!(of("nickname").any(|name| name.chars().count() == 2048), "the longest there can be");
    assert!(of("given_name").any(|name| name.contains("</p>") && name.contains("{####}") && name.contains('\u{202e}')));
    assert!(of("locale").any(|locale| locale.starts_with("ar")));
    let about: std::collections::BTreeSet<_> = users.iter().map(|user| user.about).collect();
    assert_eq!(about.len(), users.len());
}
