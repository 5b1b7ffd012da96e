//! Which templates are used, and what they may be asked for, so that they are tried before the first user waits.
//!
//! All of it is tried at every cold start, for every language of the operator's own templates. So it is kept to what can make a
//! difference: the occasions a template is for, with every sample user, and a birthday with one of them.

use std::collections::{BTreeMap, BTreeSet};

use cognito_triggers::message::{Occasion, Order, Placeholders, SampleUser, sample_users};
use cognito_triggers::services::TemplateUse;
use cognito_triggers_moments::Zone;
use serde_json::{Map, Value};

use crate::{TemplatedMessage, VerifyBy};

impl TemplatedMessage {
    /// Every template that may be taken, with its samples.
    pub(crate) fn uses(&self) -> Vec<TemplateUse> {
        let mut used: BTreeMap<&str, BTreeSet<(Occasion, bool)>> = BTreeMap::new();
        for occasion in Occasion::ALL {
            let Some(usual) = self.occasions.template(occasion) else { continue };
            used.entry(usual).or_default().extend([(occasion, false), (occasion, true)]);
            for variant in self.variants.iter().filter(|variant| variant.may_be_for(occasion)) {
                let birthdays =
                    [false, true].into_iter().filter(|it| variant.birthday.is_none_or(|asked| asked == *it));
                let cases = birthdays.map(|birthday| (occasion, birthday));
                used.entry(variant.template.as_str()).or_default().extend(cases);
            }
        }
        let users = sample_users();
        let each = |(name, cases): (&str, BTreeSet<(Occasion, bool)>)| {
            let orders = cases.iter().flat_map(|(occasion, birthday)| {
                // Who has a birthday at all is the same user as on any other day.
                let seen = *birthday && cases.contains(&(*occasion, false));
                let users = if seen { users.get(..1).unwrap_or_default() } else { users.as_slice() };
                users.iter().map(|user| self.sample(*occasion, *birthday, user))
            });
            TemplateUse::Message { template: self.template(name), orders: orders.collect() }
        };
        used.into_iter().map(each).collect()
    }

    fn sample(&self, occasion: Occasion, birthday: bool, user: &SampleUser) -> Order {
        let zone = Zone::of_user(user.attributes.get("zoneinfo").and_then(Value::as_str), self.zone.as_ref());
        let mut context = Map::new();
        context.insert("user".to_owned(), user.attributes.clone().into());
        context.insert("pool".to_owned(), "eu-central-1_Example01".into());
        context.insert("client".to_owned(), "1example23456789".into());
        Order {
            occasion,
            placeholders: Placeholders::sample(occasion),
            by_link: self.verify_by == VerifyBy::Link,
            email: self.email,
            sms: self.sms,
            locales: vec![self.locale.to_string()],
            context: self.context(context, birthday, zone.as_ref()),
        }
    }
}
