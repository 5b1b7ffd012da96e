//! The mail that says when a password expires.

use cognito_triggers::ledger::{Condition, Mail};
use cognito_triggers::mailing;
use cognito_triggers::prelude::*;
use cognito_triggers::services::sample_contexts;
use cognito_triggers::{Attributes, Mailbox};
use cognito_triggers_moments::Zone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::PasswordAge;

/// The key of the delivery.
const KEY: &str = "password-age/warning";

impl PasswordAge {
    /// Sees to it that one warning stands for a password that expires then, and no other: none if it does not, if none is wanted
    /// or if there is no address to write to.
    ///
    /// What was staged before is not taken back. It lapses when it is due, because the member remembers which one counts.
    pub(crate) async fn warn<T: Trigger>(
        &self,
        event: &Event<T>,
        visit: &mut Visit<T>,
        expires: Option<Timestamp>,
    ) -> Result<(), Fault> {
        // Without a `sub` nothing is remembered.
        if event.sub().is_none() {
            return Ok(());
        }
        let to = mailing::verified_mailbox(event.attributes());
        let wanted = expires.zip(to).filter(|_| self.warn_days > 0);
        let wanted = wanted.map(|(expires, to)| (expires, self.warns_at(expires, &to), to));
        let now = visit.now;
        let member = visit.ledger.member().await?;
        if member.password.warning == wanted.as_ref().map(|(_, warning, _)| *warning) {
            return Ok(());
        }
        // Within one millisecond, or if a clock went back, the ledger would take it for what was staged last. Then it waits for
        // the next sign-in, and what was staged lapses all the same.
        let wanted = wanted.filter(|_| member.marks.get(KEY).is_none_or(|last| *last < now));
        member.password.warning = wanted.as_ref().map(|(_, warning, _)| *warning);
        let Some((expires, warning, to)) = wanted else { return Ok(()) };
        let user_name = event.user_name.clone();
        visit
            .deliveries
            .stage(KEY, Task::Mail(self.mail(event, to, expires)))
            .due(warning.max(now))
            .only_if(Condition::WarningStands { user_name, warning })
            .again_after(SignedDuration::ZERO);
        Ok(())
    }

    /// When a warning is due, told apart by its address: one that goes to another is another one, so that what was staged for
    /// the former address lapses. That takes less than a millisecond, which is what times are exact to.
    fn warns_at(&self, expires: Timestamp, to: &Mailbox) -> Timestamp {
        let days = SignedDuration::from_hours(24 * i64::from(self.warn_days));
        let apart = SignedDuration::from_nanos(i64::from(fingerprint(to.address()) % 1_000_000));
        expires.saturating_sub(days).and_then(|due| due.saturating_add(apart)).unwrap_or(expires)
    }

    fn mail<T: Trigger>(&self, event: &Event<T>, to: Mailbox, expires: Timestamp) -> Mail {
        let attributes = event.attributes();
        Mail {
            from: self.from.clone(),
            reply_to: self.reply_to.to_vec(),
            locales: self.locale.after_own(attributes),
            context: with_times(mailing::context_of(event), expires, &self.zone_of(attributes)),
            ..Mail::new(self.template.to_string(), vec![to])
        }
    }

    /// The user's zone, else that of the settings, else none.
    fn zone_of(&self, attributes: &Attributes) -> String {
        Zone::of_user(attributes.find("zoneinfo"), self.zone.as_ref()).map_or_else(String::new, |zone| zone.to_string())
    }
}

/// What the template may be filled with.
pub(crate) fn samples() -> Vec<Map<String, Value>> {
    let expires = Timestamp::constant(1_767_268_800, 0);
    let zones = ["Europe/Vienna", ""].into_iter().cycle();
    sample_contexts().into_iter().zip(zones).map(|(context, zone)| with_times(context, expires, zone)).collect()
}

fn with_times(mut context: Map<String, Value>, expires: Timestamp, zone: &str) -> Map<String, Value> {
    context.insert("expires".into(), expires.to_string().into());
    context.insert("zone".into(), zone.into());
    context
}

/// FNV-1a, 32 bits: the same in every build, which the hashes of the standard library do not promise.
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
