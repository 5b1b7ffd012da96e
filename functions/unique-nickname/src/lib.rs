//! One user per nickname.
//!
//! ```toml
//! [unique-nickname]
//! policy = "reject"    # or "assign"
//! ```
//!
//! Cognito keeps no nickname unique: two users may have the same, in the same instant. Here a name is held in the ledger, by one
//! conditional write, under every form in which it could be mistaken for another ([`name`]). With `reject`, who asks for a
//! name that is held is refused and told a variation that is free; with `assign` the sign-up passes, and after confirmation
//! the user is given the variation.
//!
//! A name is reserved when somebody signs up and held for good once the user is confirmed; a sign-up that is never confirmed
//! frees it again. Users of other providers cannot choose another name there, so they are always assigned one. A name that a
//! user changes later in the profile passes no gate; it is put right at the next sign-in, by the same rules as `assign`.
//!
//! What it does not do: free the name of a user who is deleted, or know names from before it was switched on. For those there
//! is `poolctl names backfill`.

use std::collections::BTreeSet;

use cognito_triggers::grants::{self, Grant, When};
use cognito_triggers::ledger::{HeldName, Member, NameKey, Owner};
use cognito_triggers::prelude::*;
use cognito_triggers::{Attributes, Envelope, Held, Hold, Keys, TriggerSource, Wants, random};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

mod backfill;
pub mod name;

pub use backfill::Backfill;

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UniqueNickname {
    /// What happens to somebody who asks for a name that is held.
    #[serde(default)]
    policy: Policy,
    /// The attribute that is kept unique.
    #[serde(default = "nickname")]
    attribute: String,
    /// Whether a sign-up without a name is refused.
    #[serde(default)]
    required: bool,
    /// How long a name is kept for somebody who signed up and is not confirmed yet, in minutes: 1 to 43200 (30 days).
    #[serde(default = "an_hour")]
    reservation_minutes: u32,
    /// Whether a name changed in the profile is put right at the next sign-in. Costs one read of the ledger per sign-in.
    #[serde(default = "yes")]
    at_sign_in: bool,
}

/// What happens to somebody who asks for a name that is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The sign-up is refused, and a free variation is suggested.
    #[default]
    Reject,
    /// The sign-up passes, and the user is given a variation after confirmation.
    Assign,
}

fn nickname() -> String {
    "nickname".into()
}

const fn an_hour() -> u32 {
    60
}

const fn yes() -> bool {
    true
}

/// The keys under which a name is held in a pool, for the attribute that is kept unique there.
///
/// # Errors
///
/// If nobody can hold that name, with a sentence for the user.
pub fn name_keys(pool: &str, attribute: &str, name: &str) -> Result<BTreeSet<NameKey>, name::Unusable> {
    let key = |key| NameKey { pool: pool.to_owned(), namespace: attribute.to_owned(), key };
    Ok(name::keys(name)?.into_iter().map(key).collect())
}

/// How many variations are looked up before one is suggested.
const CANDIDATES: u32 = 4;

/// How many digits the number of a variation has at first; more after tries in vain.
const DIGITS: u32 = 4;

/// Where a user has the name for good, and what was held before is given back.
const SETTLED: &[&str] = &[PostConfirmation::NAME, PostAuthentication::NAME];

/// Who signs up is told a variation, which has to be free.
const SUGGESTS: &[When] = &[When::is("policy", "reject").by_default()];

impl Configured for UniqueNickname {
    const SECTION: &'static str = "unique-nickname";
    const TRIGGERS: &'static [&'static str] = &[PreSignUp::NAME, PostConfirmation::NAME, PostAuthentication::NAME];
    const GRANTS: &'static [Grant] = &[
        grants::READ.at(SETTLED),
        grants::READ.at(&[PreSignUp::NAME]).when(SUGGESTS),
        grants::HOLD.at(&[PreSignUp::NAME]),
        grants::WRITE.at(SETTLED),
        // Who comes to PostConfirmation by a forgotten password may have changed the name in the profile meanwhile.
        grants::REMOVE.at(SETTLED),
        grants::UPDATE_USER.inline(),
        grants::ACKNOWLEDGE.inline(),
        grants::UPDATE_USER.by_courier(),
    ];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        if !(1..=43_200).contains(&self.reservation_minutes) {
            return Err(ConfigError::new("a reservation lasts 1 to 43200 minutes").at("reservation-minutes"));
        }
        self.is_of_a_name()?;
        chains.need(Need::Ledger).need(Need::Key).need(Need::Directory);
        let at_sign_in = self.at_sign_in;
        let attach = chains.attach(self).to::<PreSignUp>().to::<PostConfirmation>();
        if at_sign_in { attach.beside::<PostAuthentication>().done() } else { attach.done() }
    }
}

impl Rule<PreSignUp> for UniqueNickname {
    async fn apply(&self, event: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        // Attributes cannot be changed here ("attribute edits in request are not persisted", amplify-backend#1665), and a user
        // of another provider cannot choose another name there.
        let may_refuse = event.source != TriggerSource::PreSignUpExternalProvider;
        let Some(wish) = self.wish(event) else {
            let refused = self.required && may_refuse;
            return Ok(if refused { Verdict::deny("Please choose a nickname") } else { Verdict::Continue });
        };
        let keys = match self.keys(event, wish) {
            Ok(keys) => keys,
            Err(unusable) if may_refuse => return Ok(Verdict::deny(unusable.to_string())),
            Err(_) => return Ok(Verdict::Continue),
        };
        let mut owners = visit.keys.applicant(event, event.attributes()).into_iter();
        let Some(owner) = owners.next() else {
            return Err(Fault::new("there is no root key to tell applicants apart"));
        };
        let until = visit.now.checked_add(SignedDuration::from_mins(self.reservation_minutes.into()))?;
        let note = visit.keys.user_name(event).into_iter().next().map(|name| name.to_string());
        let hold = Hold { keys: &keys, owner, instead_of: owners.collect(), until: Some(until), note };
        if visit.names.hold(&hold) == Held::Ours || !may_refuse || self.policy == Policy::Assign {
            return Ok(Verdict::Continue);
        }
        Ok(Verdict::deny(match self.free_variation(event, visit, wish).await? {
            Some(variation) => format!("This nickname is taken. A free one is {variation}"),
            None => "This nickname is taken, please choose another one".into(),
        }))
    }
}

impl Rule<PostConfirmation> for UniqueNickname {
    async fn apply(
        &self,
        event: &Event<PostConfirmation>,
        visit: &mut Visit<PostConfirmation>,
    ) -> Answer<PostConfirmation> {
        let applicants = self.own_reservations(event, visit).await?;
        self.settle(event, visit, applicants).await?;
        Ok(Verdict::Continue)
    }

    fn wants(&self, event: &Event<PostConfirmation>, _: &Keys, wants: &mut Wants) {
        self.want_names(event, wants);
    }
}

impl Rule<PostAuthentication> for UniqueNickname {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        visit: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        let applicants = self.own_reservations(event, visit).await?;
        self.settle(event, visit, applicants).await?;
        Ok(Verdict::Continue)
    }

    fn wants(&self, event: &Event<PostAuthentication>, _: &Keys, wants: &mut Wants) {
        self.want_names(event, wants);
    }
}

/// Whether the address by which applicants are told apart is known to be this user's.
fn is_proven(attributes: &Attributes) -> bool {
    let verified = |name| attributes.find(name) == Some("true");
    match (attributes.email(), attributes.phone_number()) {
        (Some(Ok(_)), _) => verified("email_verified"),
        (_, Some(_)) => verified("phone_number_verified"),
        _ => true,
    }
}

impl UniqueNickname {
    /// Refuses attributes that are no name.
    fn is_of_a_name(&self) -> Result<(), ConfigError> {
        if matches!(self.attribute.as_str(), "" | "sub" | "email" | "phone_number") {
            return Err(ConfigError::new(format!("`{}` is not a name a user chooses", self.attribute))
                .at("attribute")
                .remedy("name e.g. `nickname`, `preferred_username` or `custom:handle`"));
        }
        Ok(())
    }

    /// The name a user has or asks for.
    fn wish<'a, T: Trigger>(&self, event: &'a Event<T>) -> Option<&'a str> {
        event.attribute(&self.attribute).filter(|name| !name.trim().is_empty())
    }

    fn keys(&self, envelope: &Envelope, wish: &str) -> Result<BTreeSet<NameKey>, name::Unusable> {
        name_keys(&envelope.user_pool_id, &self.attribute, wish)
    }

    fn key(&self, envelope: &Envelope, key: String) -> NameKey {
        NameKey { pool: envelope.user_pool_id.clone(), namespace: self.attribute.clone(), key }
    }

    /// A variation nobody holds, found with one read.
    async fn free_variation<T: Trigger>(
        &self,
        envelope: &Envelope,
        visit: &mut Visit<T>,
        wish: &str,
    ) -> Result<Option<String>, Fault> {
        let mut candidates = Vec::new();
        for more in 0..CANDIDATES {
            let variation = name::variation(wish, DIGITS.saturating_add(more / 2), random::number()?);
            if let Ok(keys) = self.keys(envelope, &variation) {
                candidates.push((variation, keys));
            }
        }
        let all = candidates.iter().flat_map(|(_, keys)| keys).cloned().collect();
        let held = visit.ledger.held(&all, visit.now).await?;
        Ok(candidates.into_iter().find(|(_, keys)| keys.is_disjoint(&held)).map(|(variation, _)| variation))
    }

    /// What [`own_reservations`](Self::own_reservations) will read.
    fn want_names<T: Trigger>(&self, event: &Event<T>, wants: &mut Wants) {
        if let Some(wish) = self.wish(event).filter(|_| !is_proven(event.attributes())) {
            wants.names.extend(self.keys(event, wish).unwrap_or_default());
        }
    }

    /// As whom this user may have reserved the name, to take that over. Everybody can put somebody else's address into the
    /// profile and be confirmed by telephone or by an administrator, so one that is not proven counts only if the name was
    /// reserved for the same user name.
    async fn own_reservations<T: Trigger>(&self, event: &Event<T>, visit: &mut Visit<T>) -> Result<Vec<Owner>, Fault> {
        let applicants = visit.keys.applicant(event, event.attributes());
        if is_proven(event.attributes()) {
            return Ok(applicants);
        }
        let Some(keys) = self.wish(event).and_then(|wish| self.keys(event, wish).ok()) else { return Ok(Vec::new()) };
        let own_names = visit.keys.user_name(event);
        for key in &keys {
            let note = visit.ledger.holding(key).await?.and_then(|holding| holding.note.as_deref());
            if !own_names.iter().any(|name| note == Some(name.as_str())) {
                return Ok(Vec::new());
            }
        }
        Ok(applicants)
    }

    /// Gives a user who exists the name the profile shows, or a variation of it, and the profile that variation. What is
    /// reserved for one of the applicants is the user's.
    async fn settle<T: Trigger>(
        &self,
        event: &Event<T>,
        visit: &mut Visit<T>,
        applicants: Vec<Owner>,
    ) -> Result<(), Fault> {
        let Some(sub) = event.sub() else { return Ok(()) };
        let user = Owner::user(sub);
        let known = visit.ledger.member().await?.names.get(&self.attribute).cloned();
        let Some(wish) = self.wish(event) else {
            self.give_up(event, visit, known, &user).await?;
            return Ok(());
        };
        if known.as_ref().is_some_and(|known| known.held == wish) {
            return Ok(());
        }
        let hold = |keys: &BTreeSet<NameKey>, visit: &mut Visit<T>| {
            visit.names.hold(&Hold {
                keys,
                owner: user.clone(),
                instead_of: applicants.clone(),
                until: None,
                note: None,
            })
        };
        if let Ok(keys) = self.keys(event, wish)
            && hold(&keys, visit) == Held::Ours
        {
            return self.keep(event, visit, wish, wish, keys).await;
        }
        // The wish is somebody else's, or cannot be held. Who has a variation of it already keeps that one.
        if let Some(known) = known.filter(|known| known.asked == wish) {
            return self.show(event, visit, &known.held).await;
        }
        // The wish was taken under three keys at most; from then on every key in vain is one of a variation.
        let tries = u32::try_from(visit.names.tries() / 4).unwrap_or(u32::MAX);
        let variation = name::variation(wish, DIGITS.saturating_add(tries), random::number()?);
        let keys = self.keys(event, &variation).map_err(|unusable| Fault::new(unusable.to_string()))?;
        if hold(&keys, visit) == Held::Taken {
            return Err(Fault::new("no variation of the name is free"));
        }
        self.keep(event, visit, wish, &variation, keys).await?;
        self.show(event, visit, &variation).await
    }

    /// Notes what the user holds from now on, and gives back what the user held before.
    async fn keep<T: Trigger>(
        &self,
        event: &Event<T>,
        visit: &mut Visit<T>,
        asked: &str,
        held: &str,
        keys: BTreeSet<NameKey>,
    ) -> Result<(), Fault> {
        let user = Owner::user(event.sub().unwrap_or_default());
        let name = HeldName {
            asked: asked.to_owned(),
            held: held.to_owned(),
            keys: keys.into_iter().map(|key| key.key).collect(),
        };
        let before = visit.ledger.member().await?.names.insert(self.attribute.clone(), name);
        self.release(event, visit, before, &user);
        Ok(())
    }

    /// Frees the name of a user who has none any more.
    async fn give_up<T: Trigger>(
        &self,
        event: &Event<T>,
        visit: &mut Visit<T>,
        known: Option<HeldName>,
        user: &Owner,
    ) -> Result<(), Fault> {
        if known.is_some() {
            let member: &mut Member = visit.ledger.member().await?;
            member.names.remove(&self.attribute);
            self.release(event, visit, known, user);
        }
        Ok(())
    }

    /// Gives back the keys as they were stored: those of the same name may differ with another version of Unicode.
    fn release<T: Trigger>(&self, event: &Event<T>, visit: &mut Visit<T>, before: Option<HeldName>, user: &Owner) {
        let keys = before.into_iter().flat_map(|name| name.keys).map(|key| self.key(event, key));
        visit.names.release(keys, std::slice::from_ref(user));
    }

    /// Has the profile show the name that is held. At most once a day for one name, should the profile keep another.
    async fn show<T: Trigger>(&self, event: &Event<T>, visit: &mut Visit<T>, held: &str) -> Result<(), Fault> {
        let day = visit.now.as_second() / 86_400;
        // The key is printed where the name itself must not be.
        let name = visit.keys.log_name(&event.user_pool_id, held).unwrap_or_default();
        let attributes = [(self.attribute.clone(), held.to_owned())].into();
        let task = Task::UpdateAttributes { user_name: event.user_name.clone(), attributes };
        visit.deliveries.stage(format!("unique-nickname/{name}/{day}"), task);
        // What was shown on days gone by need not be remembered.
        let now = visit.now;
        let is_old = |at: &Timestamp| now.duration_since(*at) > SignedDuration::from_hours(48);
        let marks = &mut visit.ledger.member().await?.marks;
        marks.retain(|key, at| !(key.starts_with("unique-nickname/") && is_old(at)));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
