//! Who may sign up, by an access code or a counted invitation.
//!
//! ```toml
//! [access-code]
//! codes = [{ env = "SIGN_UP_CODE" }]    # codes that let anybody in, any number of times
//! invitations = true                    # counted ones, made with `poolctl invitations create`
//! ```
//!
//! The application sends the code as `accessCode` in `ValidationData` or `ClientMetadata` of `SignUp`.
//!
//! A use of an invitation is reserved when somebody signs up and consumed when the user is confirmed. A reservation lapses, so
//! somebody who never confirms uses nothing up; and it belongs to the applicant, so a retry takes no second one. An applicant
//! is told by e-mail address, phone number and user name; where users sign in with an address, by the addresses alone.
//! Someone who tries again under another user name therefore takes a second use until the first lapses.
//!
//! Nobody is let in beyond the maximum as long as everybody confirms within the reservation. Who confirms later, when
//! everything has been given to others, is in all the same, since after confirmation nobody can be refused; that user is
//! counted, and the list says e.g. `6 of 5`. Where that must not happen, make the reservation longer than a sign-up stays
//! unconfirmed.
//!
//! What it does not do: count tries. An invitation has 128 random bits and cannot be guessed; a static code can, so make it
//! long, and let AWS WAF limit the rate of sign-ups.

use std::collections::BTreeSet;

use cognito_triggers::config::Secret;
use cognito_triggers::grants::{self, Grant, When};
use cognito_triggers::ledger::{InvitationKey, NameKey, Owner, Refused};
use cognito_triggers::prelude::*;
use cognito_triggers::{Attributes, Envelope, Held, Hold, Keys, TriggerSource, Wants};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

mod code;

pub use code::{new_code, normal};

/// The settings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AccessCode {
    /// Codes that let anybody in, any number of times. Upper and lower case differ.
    #[serde(default)]
    codes: Vec<Secret>,
    /// Whether counted invitations are accepted. They are held in the ledger.
    #[serde(default = "yes")]
    invitations: bool,
    /// Under which name the application sends the code.
    #[serde(default = "access_code")]
    field: String,
    /// How long a use is kept for somebody who signed up and is not confirmed yet, in minutes: 1 to 43200 (30 days).
    #[serde(default = "an_hour")]
    reservation_minutes: u32,
    /// Whether users of the pool choose their user names. Set it where they do and several may share an address: then a name
    /// in the form of a UUID, which elsewhere Cognito makes up anew at every try, tells applicants apart as any other does.
    #[serde(default)]
    chosen_user_names: bool,
    /// Whether users who sign up themselves need a code.
    #[serde(default = "yes")]
    self_sign_up: bool,
    /// Whether users an administrator creates need a code.
    #[serde(default)]
    admin_created: bool,
    /// Whether users of other providers need a code at their first sign-in. They have no way to send one in the managed login.
    #[serde(default)]
    federated: bool,
    /// What somebody without a code reads.
    #[serde(default = "needed")]
    message: String,
}

const fn yes() -> bool {
    true
}

const fn an_hour() -> u32 {
    60
}

fn access_code() -> String {
    "accessCode".into()
}

fn needed() -> String {
    "Please enter your access code".into()
}

const INVALID: &str = "This access code is not valid";
const EXPIRED: &str = "This access code has expired";
const USED_UP: &str = "This access code has been used up";

/// The longest text that is looked at: longer than any code, shorter than what would cost time to hash.
const LONGEST: usize = 200;

/// Codes that let anybody in are in the configuration; only invitations are in the ledger.
const INVITATIONS: &[When] = &[When::on("invitations").by_default()];

impl Configured for AccessCode {
    const SECTION: &'static str = "access-code";
    const TRIGGERS: &'static [&'static str] = &[PreSignUp::NAME, PostConfirmation::NAME];
    const GRANTS: &'static [Grant] = &[
        grants::READ.when(INVITATIONS),
        // The use, and the note of whom it is for.
        grants::RESERVATIONS.at(&[PreSignUp::NAME]).when(INVITATIONS),
        grants::HOLD.at(&[PreSignUp::NAME]).when(INVITATIONS),
        grants::INVITATIONS.at(&[PostConfirmation::NAME]).when(INVITATIONS),
    ];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        if self.codes.is_empty() && !self.invitations {
            return Err(ConfigError::new("without codes and without invitations nobody gets in")
                .remedy("name codes, or set invitations = true"));
        }
        if !(1..=43_200).contains(&self.reservation_minutes) {
            return Err(ConfigError::new("a reservation lasts 1 to 43200 minutes").at("reservation-minutes"));
        }
        if self.field.trim().is_empty() {
            return Err(ConfigError::new("the name is empty").at("field").remedy("leave it out for `accessCode`"));
        }
        let mut codes = Vec::with_capacity(self.codes.len());
        for (index, secret) in self.codes.iter().enumerate() {
            let code = secret.reveal(chains.environment()).map_err(|error| error.at(format!("codes[{index}]")))?;
            codes.push(Sha256::digest(code.trim()).into());
        }
        if self.invitations {
            chains.need(Need::Ledger).need(Need::Key);
        }
        let (invitations, gate) = (self.invitations, Gatekeeper { codes, settings: self });
        let attach = chains.attach(gate).to::<PreSignUp>();
        if invitations { attach.to::<PostConfirmation>().done() } else { attach.done() }
    }
}

/// The rule: the settings, with the codes hashed so that all have one length.
struct Gatekeeper {
    settings: AccessCode,
    codes: Vec<[u8; 32]>,
}

impl Rule<PreSignUp> for Gatekeeper {
    fn wants(&self, event: &Event<PreSignUp>, keys: &Keys, wants: &mut Wants) {
        if let Some(code) = self.invitation_code(event) {
            wants.invitations.extend(keys.invitation(&event.user_pool_id, &code));
            wants.names.extend(self.notes(event, event.attributes(), keys).into_iter().map(|(key, _)| key));
        }
    }

    async fn apply(&self, event: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        if !self.is_required(event) {
            return Ok(Verdict::Continue);
        }
        match self.code(event) {
            None => Ok(Verdict::deny(self.settings.message.clone())),
            Some(code) if self.is_static(code) => Ok(Verdict::Continue),
            Some(_) => match self.invitation_code(event) {
                Some(code) => self.reserve(event, visit, &code).await,
                None => Ok(Verdict::deny(INVALID)),
            },
        }
    }
}

impl Rule<PostConfirmation> for Gatekeeper {
    fn wants(&self, event: &Event<PostConfirmation>, keys: &Keys, wants: &mut Wants) {
        if is_first(event) {
            wants.names.extend(self.notes(event, event.attributes(), keys).into_iter().map(|(key, _)| key));
        }
    }

    /// Turns the reservation into a use for good. The code is not in this event, so it was noted beside the reservation.
    async fn apply(
        &self,
        event: &Event<PostConfirmation>,
        visit: &mut Visit<PostConfirmation>,
    ) -> Answer<PostConfirmation> {
        let Some(sub) = event.sub().filter(|_| is_first(event)) else { return Ok(Verdict::Continue) };
        let notes = self.notes(event, event.attributes(), &visit.keys);
        for (key, _) in &notes {
            // The note stays until it lapses: should somebody else be confirmed as the same applicant, that one counts, too.
            let note = visit.ledger.holding(key).await?.and_then(|holding| holding.note.clone());
            if let Some(hash) = note {
                let invitation = InvitationKey { pool: event.user_pool_id.clone(), hash };
                let applicants = notes.iter().map(|(_, applicant)| applicant.clone()).collect();
                visit.ledger.consume_invitation(invitation, applicants, Owner::user(sub));
            }
        }
        Ok(Verdict::Continue)
    }
}

impl Gatekeeper {
    fn is_required(&self, event: &Event<PreSignUp>) -> bool {
        match event.source {
            TriggerSource::PreSignUpAdminCreateUser => self.settings.admin_created,
            TriggerSource::PreSignUpExternalProvider => self.settings.federated,
            _ => self.settings.self_sign_up,
        }
    }

    fn code<'a>(&self, event: &'a Event<PreSignUp>) -> Option<&'a str> {
        let find = |metadata: &'a cognito_triggers::Metadata| metadata.find(&self.settings.field);
        let sent = [find(event.validation_data()), find(event.client_metadata())];
        sent.into_iter().flatten().map(str::trim).find(|code| !code.is_empty())
    }

    /// The code in the spelling of an invitation, if one is needed and it may be one.
    fn invitation_code(&self, event: &Event<PreSignUp>) -> Option<String> {
        if !self.settings.invitations || !self.is_required(event) {
            return None;
        }
        self.code(event).filter(|code| code.len() <= LONGEST && !self.is_static(code)).and_then(code::normal)
    }

    /// Compares with every static code, whichever fits, in a time that depends on neither.
    fn is_static(&self, code: &str) -> bool {
        if code.len() > LONGEST {
            return false;
        }
        let hash: [u8; 32] = Sha256::digest(code).into();
        self.codes.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&hash)).into()
    }

    /// Where it is noted which invitation an applicant used, and the applicant: one per root key.
    fn notes(&self, envelope: &Envelope, attributes: &Attributes, keys: &Keys) -> Vec<(NameKey, Owner)> {
        let note = |applicant: Owner| {
            let key = applicant.as_str().to_owned();
            let pool = envelope.user_pool_id.clone();
            (NameKey { pool, namespace: "invitation-of".into(), key }, applicant)
        };
        let applicants = keys.exact_applicant(envelope, attributes, self.settings.chosen_user_names);
        applicants.into_iter().map(note).collect()
    }

    async fn reserve(&self, event: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>, code: &str) -> Answer<PreSignUp> {
        let now = visit.now;
        let until = now.checked_add(SignedDuration::from_mins(self.settings.reservation_minutes.into()))?;
        let notes = self.notes(event, event.attributes(), &visit.keys);
        let mut earlier = Vec::new();
        for (key, _) in &notes {
            earlier.extend(visit.ledger.holding(key).await?.map(|holding| holding.owner.clone()));
        }
        for key in visit.keys.invitation(&event.user_pool_id, code) {
            let Some(invitation) = visit.ledger.invitation(&key).await? else { continue };
            // While the root key is being replaced, the reservation may stand under the previous hash.
            let known = notes.iter().find(|(_, applicant)| invitation.uses.contains_key(applicant));
            let Some((note, applicant)) = known.or_else(|| notes.first()) else { break };
            if let Err(refused) = invitation.reserve(applicant, now, until) {
                return Ok(Verdict::deny(match refused {
                    Refused::Expired => EXPIRED,
                    Refused::Revoked => INVALID,
                    Refused::UsedUp => USED_UP,
                }));
            }
            let held = visit.names.hold(&Hold {
                keys: &BTreeSet::from([note.clone()]),
                // Its own owner per invitation: a second invitation replaces the note of the first.
                owner: Owner::stored(format!("{applicant}#{}", key.hash)),
                instead_of: earlier,
                until: Some(until),
                note: Some(key.hash),
            });
            return Ok(match held {
                Held::Ours => Verdict::Continue,
                // Somebody signs up with the same address at the same moment; the retry will see who.
                Held::Taken => Verdict::deny(INVALID),
            });
        }
        Ok(Verdict::deny(INVALID))
    }
}

/// Whether a sign-up is being confirmed, not a new password.
fn is_first(event: &Event<PostConfirmation>) -> bool {
    event.source != TriggerSource::PostConfirmationConfirmForgotPassword
}

#[cfg(test)]
mod tests;
