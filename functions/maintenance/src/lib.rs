//! Closes the pool, or one application, for a while.
//!
//! ```toml
//! [maintenance]
//! message       = "We are working on it[ and will be back by {until}]"
//! messages      = { de = "Wir arbeiten daran[, bis {until}]" }
//! zone          = "Europe/Vienna"
//! exempt-groups = ["operators"]
//! windows       = [{ from = "2026-12-24T22:00:00+01:00", until = "2026-12-25T02:00:00+01:00", message = "We are back at two" }]
//! ```
//!
//! There are two ways to close: windows in the configuration, and a switch in the ledger that `poolctl maintenance on` turns
//! and that every function obeys within ten seconds. Both are for the whole pool or for app clients, so that one application
//! can be taken out. Whoever comes meanwhile is refused at every gate, with a sentence that may name the end in the user's
//! language and zone.
//!
//! | trigger | who is refused |
//! |---|---|
//! | PreSignUp | who signs up, and who comes from another provider for the first time; with `admin-created` also whom an administrator creates |
//! | PreAuthentication, PostAuthentication | everybody, in the second those whose sign-in was under way |
//! | UserMigration | who signs in; with `forgotten-password` also who forgot the password |
//! | InboundFederation | everybody; nobody if there are `exempt-groups`, as groups are not known yet |
//! | PreTokenGeneration | who signs in, as far as the source tells; with `refresh` all others, and tokens between machines |
//!
//! `TokenGeneration_Authentication` is a sign-in or a refresh (`GetTokensFromRefreshToken`), and nobody can tell which. A sign-in
//! has just passed PostAuthentication, so it is taken for a refresh.
//!
//! What it does not do: end sessions. Tokens that were made stay good until they expire, and without `refresh` they can be
//! renewed.

use std::collections::{BTreeMap, BTreeSet};

use cognito_triggers::config::check_clients;
use cognito_triggers::grants::{self, Grant, When};
use cognito_triggers::mailing::Locale;
use cognito_triggers::prelude::*;
use cognito_triggers_moments::Zone;
use schemars::JsonSchema;
use serde::Deserialize;

mod gate;
mod sentence;
mod text;
mod window;

#[cfg(test)]
mod tests;

pub use text::{NotAText, Text};
pub use window::Window;

use gate::Scribe;

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Maintenance {
    /// When nobody gets in.
    #[serde(default)]
    windows: Vec<Window>,
    /// Whether `poolctl maintenance on` closes, too, at once. Needs a ledger.
    #[serde(default = "yes")]
    switch: bool,
    /// What users read who have no text in their language. `{until}` stands for the end, and what stands in square brackets is
    /// left out where there is none.
    #[serde(default)]
    message: Option<Text>,
    /// The same for users of other languages, by the attribute `locale`, e.g. `{ de = ".." }`.
    #[serde(default)]
    messages: BTreeMap<Locale, Text>,
    /// The language of every `message`, and of users whose attribute `locale` names none.
    #[serde(default)]
    locale: Locale,
    /// The zone of times for users whose attribute `zoneinfo` names none, e.g. `Europe/Vienna`. Left out, it is UTC.
    #[serde(default)]
    zone: Option<Zone>,
    /// Who gets in all the same, by their groups as of the last token. Needs a ledger.
    #[serde(default)]
    exempt_groups: BTreeSet<String>,
    /// The app clients by which everybody gets in all the same, by their ids.
    #[serde(default)]
    exempt_clients: BTreeSet<String>,
    /// Who gets in all the same, by the user names as the pool has them.
    #[serde(default)]
    exempt_users: BTreeSet<String>,
    /// Whether nobody gets tokens by a refresh either, and no machine gets any.
    #[serde(default)]
    refresh: bool,
    /// Whether administrators cannot create users either.
    #[serde(default)]
    admin_created: bool,
    /// Whether those are refused, too, who forgot their password before they were migrated. Users of the pool cannot be, so this
    /// tells strangers who is none yet.
    #[serde(default)]
    forgotten_password: bool,
}

const fn yes() -> bool {
    true
}

const SWITCH: &[When] = &[When::on("switch").by_default()];
const GROUPS: &[When] = &[When::filled("exempt-groups")];

/// Where groups are remembered, and where they are noted.
const OF_USERS: &[&str] = &[PreAuthentication::NAME, PostAuthentication::NAME, PreTokenGenerationV1::NAME];

impl Configured for Maintenance {
    const SECTION: &'static str = "maintenance";
    const TRIGGERS: &'static [&'static str] = &[
        PreSignUp::NAME,
        PreAuthentication::NAME,
        PostAuthentication::NAME,
        PreTokenGenerationV1::NAME,
        UserMigration::NAME,
        InboundFederation::NAME,
    ];
    const GRANTS: &'static [Grant] = &[
        // With `exempt-groups` InboundFederation looks at no switch, as it refuses nobody; a grant cannot say so.
        grants::READ.when(SWITCH),
        grants::READ.at(OF_USERS).when(GROUPS),
        // No other trigger tells what is to be remembered.
        grants::WRITE.at(&[PreTokenGenerationV1::NAME]).when(GROUPS),
    ];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        self.check()?;
        let by_groups = !self.exempt_groups.is_empty();
        if self.switch || by_groups {
            chains.need(Need::Ledger);
        }
        let attach = chains.attach(self).to::<PreSignUp>().to::<PreAuthentication>().to::<PostAuthentication>();
        let attach = attach.to::<UserMigration>().to::<InboundFederation>();
        attach.to::<PreTokenGenerationV1>().to::<PreTokenGenerationV2>().to::<PreTokenGenerationV3>().done()?;
        if !by_groups {
            return Ok(());
        }
        let attach = chains.attach(Scribe).beside::<PreTokenGenerationV1>().beside::<PreTokenGenerationV2>();
        attach.beside::<PreTokenGenerationV3>().done()
    }
}

impl Maintenance {
    /// Refuses what makes no sense.
    fn check(&self) -> Result<(), ConfigError> {
        if !self.switch && self.windows.is_empty() {
            return Err(ConfigError::new("without the switch and without windows it never closes")
                .remedy("name windows, or set switch = true"));
        }
        for (index, window) in self.windows.iter().enumerate() {
            window.check().map_err(|error| error.within(&format!("windows[{index}]")))?;
        }
        // A window has an end. The switch need not.
        if self.switch {
            let all = self.messages.iter().map(|(locale, text)| (format!("messages.{}", locale.as_str()), text));
            let mut all = all.chain(self.message.iter().map(|text| ("message".to_owned(), text)));
            if let Some((key, _)) = all.find(|(_, text)| text.needs_end()) {
                return Err(ConfigError::new("the text names an end, and the switch may be on without one")
                    .at(key)
                    .remedy("put what names it in square brackets, e.g. `We are closed[ until {until}]`"));
            }
        }
        let nobody = |names: &BTreeSet<String>| names.iter().any(|name| name.trim().is_empty());
        for (key, names) in [("exempt-groups", &self.exempt_groups), ("exempt-users", &self.exempt_users)] {
            if nobody(names) {
                return Err(ConfigError::new("a name is empty").at(key).remedy("remove it"));
            }
        }
        check_clients("exempt-clients", &self.exempt_clients)
    }
}
