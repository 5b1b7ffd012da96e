//! What the mails are made from.

use std::collections::BTreeMap;

use cognito_triggers::ledger::Mail;
use cognito_triggers::links::{LinkPurpose, LinkWish};
use cognito_triggers::mailing::{TemplateName, context_of};
use cognito_triggers::services::sample_contexts;
use cognito_triggers::{Event, Mailbox, Trigger};
use cognito_triggers_moments::Zone;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::WinBack;

/// The name of the link, for templates and for `List-Unsubscribe`.
const UNSUBSCRIBE: &str = "unsubscribe";

impl WinBack {
    /// A mail to a user who was absent from `last` until `now`, as far as that is known.
    pub(crate) fn mail<T: Trigger>(
        &self,
        template: &TemplateName,
        to: Mailbox,
        event: &Event<T>,
        last: Timestamp,
        now: Timestamp,
    ) -> Mail {
        let mut context = context_of(event);
        context.extend(absence(last, now, &self.zone_of(event)));
        let wish = LinkWish { purpose: LinkPurpose::Unsubscribe, about: self.list.clone(), days: self.link_days };
        let mut links = BTreeMap::new();
        links.insert(UNSUBSCRIBE.to_owned(), wish);
        Mail {
            from: self.from.clone(),
            reply_to: self.reply_to.to_vec(),
            locales: self.locale.after_own(event.attributes()),
            context,
            links,
            unsubscribe: Some(UNSUBSCRIBE.to_owned()),
            ..Mail::new(template.to_string(), vec![to])
        }
    }

    /// The zone of the user, else that of the settings, else empty.
    pub(crate) fn zone_of<T: Trigger>(&self, event: &Event<T>) -> String {
        let zone = Zone::of_user(event.attribute("zoneinfo"), self.zone.as_ref());
        zone.map_or_else(String::new, |zone| zone.to_string())
    }
}

fn absence(last: Timestamp, now: Timestamp, zone: &str) -> [(String, Value); 3] {
    let days = now.duration_since(last).as_hours() / 24;
    [("last".into(), last.to_string().into()), ("days".into(), days.into()), ("zone".into(), zone.into())]
}

/// What the templates are tried with.
pub(crate) fn samples() -> Vec<Map<String, Value>> {
    let (last, now) = (Timestamp::constant(1_767_268_800, 0), Timestamp::constant(1_775_044_800, 0));
    let links = json!({ UNSUBSCRIBE: "https://links.acme.example/?t=1.2" });
    let with = |zone: &'static str| {
        let links = links.clone();
        move |mut sample: Map<String, Value>| {
            sample.extend(absence(last, now, zone));
            sample.insert("links".to_owned(), links.clone());
            sample
        }
    };
    let zoned = sample_contexts().into_iter().map(with("Europe/Vienna"));
    zoned.chain(sample_contexts().into_iter().map(with(""))).collect()
}
