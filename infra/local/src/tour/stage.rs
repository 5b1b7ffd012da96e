//! What the tour plays on: a fresh folder, a configuration, a ledger, two pools.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cognito_triggers::config::Configuration;
use cognito_triggers::ledger::{Invitation, InvitationKey, LedgerAdmin, Wants};
use cognito_triggers::{Adapters, Clock, Environment, Keys, Ledger};
use cognito_triggers_embedded::{DIRECTORY, LEDGER, LocalDirectory, SqliteLedger};
use cognito_triggers_lambda::SystemClock;

use super::clumsy::AdultsOnly;
use crate::home::Home;
use crate::pool::{LocalPool, PoolSettings};
use crate::world::Problem;

/// The pool of most scenes: the one sample events name.
pub(super) const POOL: &str = "eu-central-1_Example01";

/// A tenant with a setting of its own.
pub(super) const TENANT: &str = "eu-central-1_Globex01";

/// The code everybody may use.
pub(super) const CODE: &str = "open-house-2026";

const CONFIGURATION: &str = r#"[services]
ledger    = "sqlite:{db}"
directory = "local:{db}"

[domain-allow-list]
allow   = ["example.com", "*.example.org"]
message = "Please sign up with your company address"

[access-code]
codes  = ["open-house-2026"]    # plus counted invitations, held in the ledger

[unique-nickname]
policy = "reject"               # refuse a name that is taken, suggest another

[pools."eu-central-1_Globex01".unique-nickname]
policy = "assign"               # this tenant wants it otherwise: let in, rename
"#;

/// The configuration of the rule that fails.
pub(super) const CLUMSY: &str = "[adults-only]\nborn-until = 2008\n";

/// The stage.
pub(super) struct Stage {
    pub(super) file: PathBuf,
    pub(super) configuration: String,
    pub(super) database: PathBuf,
    pub(super) key: PathBuf,
    pub(super) pool: LocalPool,
    pub(super) tenant: LocalPool,
    pub(super) clumsy: LocalPool,
    ledger: SqliteLedger,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

impl Stage {
    pub(super) async fn set(home: &Home) -> Result<Self, Problem> {
        let folder = home.fresh_tour()?;
        let (file, database) = (folder.join("triggers.toml"), folder.join("pool.db"));
        let text = CONFIGURATION.replace("{db}", &address(&database)?);
        home.write(&file, &text)?;

        // Nothing of the environment is taken, so that the tour is the same everywhere.
        let key = home.key()?;
        let keys = Keys::parse(&key)?;
        let environment = Environment::from_iter([("TRIGGERS_KEY", key)]);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let adapters = Adapters::none().ledger(LEDGER).directory(DIRECTORY);
        let configuration = Configuration::parse(&file.display().to_string(), &text)?;
        let dispatcher = configuration.open::<pool::Rules>(&environment, &adapters, Arc::clone(&clock)).await?;
        let dispatcher = Arc::new(dispatcher);
        let clumsy = Configuration::parse("adults-only", CLUMSY)?;
        let clumsy = clumsy.open::<(AdultsOnly,)>(&environment, &Adapters::none(), Arc::clone(&clock)).await?;

        let directory = LocalDirectory::open(&database)?;
        let pool = |id: &str, dispatcher| LocalPool::new(PoolSettings::of(id), dispatcher, directory.clone());
        Ok(Self {
            pool: pool(POOL, Arc::clone(&dispatcher)),
            tenant: pool(TENANT, dispatcher),
            clumsy: pool(POOL, Arc::new(clumsy)),
            ledger: SqliteLedger::open(&database)?,
            configuration: text,
            key: home.file("key"),
            file,
            database,
            keys,
            clock,
        })
    }

    /// Makes an invitation as `poolctl invitations create` does, and answers its code and its name in the ledger.
    pub(super) async fn invite(&self, maximum: u32) -> Result<(String, InvitationKey), Problem> {
        let code = access_code::new_code()?;
        let normal = access_code::normal(&code).unwrap_or_default();
        let key = self.keys.invitation(POOL, &normal).into_iter().next();
        let key = key.ok_or_else(|| Problem::new("there is no root key"))?;
        let invitation = Invitation {
            maximum,
            created: self.clock.now(),
            expires: None,
            note: None,
            revoked: false,
            uses: Default::default(),
            version: 1,
        };
        if !self.ledger.create_invitation(&key, &invitation).await? {
            return Err(Problem::new("the same invitation was made twice"));
        }
        Ok((code, key))
    }

    /// How many uses of an invitation are used, and how many reserved.
    pub(super) async fn uses(&self, key: &InvitationKey) -> Result<(usize, usize), Problem> {
        let wants = Wants { pool: POOL.into(), invitations: [key.clone()].into(), ..Wants::default() };
        let reading = self.ledger.read(&wants).await?;
        Ok(reading.invitations.get(key).map_or((0, 0), |invitation| invitation.counts(self.clock.now())))
    }
}

/// The path as it can stand in a configuration.
fn address(database: &Path) -> Result<String, Problem> {
    let text = database
        .to_str()
        .ok_or_else(|| Problem::new("the folder's name is not Unicode; name another with --folder"))?;
    // Within a TOML string.
    Ok(text.replace('\\', "\\\\").replace('"', "\\\""))
}
