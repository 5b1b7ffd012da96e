//! What the tour plays on: a fresh folder, a configuration, a ledger, two pools.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cognito_triggers::config::Configuration;
use cognito_triggers::ledger::{Downtime, Invitation, InvitationKey, LedgerAdmin, Member, Switches, Wants};
use cognito_triggers::{Adapters, Clock, Environment, Fault, Keys, Ledger};
use cognito_triggers_embedded::{LocalDirectory, SqliteLedger};
use jiff::{SignedDuration, Timestamp};
use links::{LinksJob, Request};
use mail_parser::MessageParser;
use serde_json::Value;
use session_release::SessionRelease;

use super::clock::TourClock;
use super::clumsy::AdultsOnly;
use crate::home::Home;
use crate::pool::{LocalPool, PoolSettings};
use crate::post::{Post, adapters};
use crate::world::Problem;

/// The pool of most scenes: the one sample events name.
pub(super) const POOL: &str = "eu-central-1_Example01";

/// A tenant with a setting of its own.
pub(super) const TENANT: &str = "eu-central-1_Globex01";

/// The code everybody may use.
pub(super) const CODE: &str = "open-house-2026";

const CONFIGURATION: &str = r#"[services]
ledger    = "sqlite:{tour}/pool.db"
directory = "local:{tour}/pool.db"
mailer    = "folder:{tour}/mail?from=Acme <hello@acme.example>"
bucket    = "folder:{tour}/files"
publisher = "file:{tour}/events.jsonl"
links     = "https://links.acme.example/"

[maintenance]                   # closed by `poolctl maintenance on`

[domain-allow-list]
allow   = ["example.com", "*.example.org"]
message = "Please sign up with your company address"

[access-code]
codes  = ["open-house-2026"]    # plus counted invitations, held in the ledger

[unique-nickname]
policy = "reject"               # refuse a name that is taken, suggest another

[welcome-email]                 # in the user's language, from a template that is built in

[templated-message]             # the words of the codes Cognito sends, likewise
name = "Acme"

[admin-notice]
to = "ops@acme.example"         # one mail for each; digest = "day" makes one of all

[s3-provisioning]
files = "provision/"            # every user gets a copy of these, filled in

[user-events]
attributes = ["locale"]         # what is told of a user, beside the sub

[session-limit]
max   = 2                       # per user, on whatever devices
claim = "session_id"            # by which the application can give one back

[password-age]
max-days = 90
action   = "reset"              # have a new one chosen, rather than only refuse

[sign-in-count]

[sign-in-alert]
when             = "new-device"
not-me-link-days = 7

[win-back]
after-days = 60

[links]
administrators = "ops@acme.example"

[pools."eu-central-1_Globex01".unique-nickname]
policy = "assign"               # this tenant wants it otherwise: let in, rename
"#;

/// The files every user gets: name below the folder of the configuration, and content.
const PROVISION: [(&str, &str); 2] = [
    ("provision/welcome.txt", "Hello {{ name or 'there' }},\n\nthis folder is yours: {{ sub }}.\n"),
    ("provision/projects/first.md", "# {{ name or 'My' }}: first project\n"),
];

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
    pub(super) post: Post,
    pub(super) clock: Arc<TourClock>,
    pub(super) mails: PathBuf,
    ledger: SqliteLedger,
    keys: Keys,
    release: SessionRelease,
    links: LinksJob,
}

impl Stage {
    pub(super) async fn set(home: &Home) -> Result<Self, Problem> {
        let folder = home.fresh_tour()?;
        let (file, database) = (folder.join("triggers.toml"), folder.join("pool.db"));
        let text = CONFIGURATION.replace("{tour}", &address(&folder)?);
        home.write(&file, &text)?;
        for (name, content) in PROVISION {
            home.write(&folder.join(name), content)?;
        }

        // Nothing of the environment is taken, so that the tour is the same everywhere.
        let key = home.key()?;
        let keys = Keys::parse(&key)?;
        let environment = Environment::from_iter([("TRIGGERS_KEY", key)]);
        let tour_clock = Arc::new(TourClock::default());
        let clock: Arc<dyn Clock> = Arc::clone(&tour_clock) as Arc<dyn Clock>;
        let configuration = Configuration::parse(&file.display().to_string(), &text)?;
        let dispatcher = configuration.open::<pool::Rules>(&environment, &adapters(), Arc::clone(&clock)).await?;
        if let [doubt, ..] = dispatcher.doubts() {
            return Err(doubt.clone().into());
        }
        let (post, _) = Post::open(&configuration, &environment, Arc::clone(&clock)).await?;
        let dispatcher = Arc::new(post.watch(dispatcher));
        let (services, _) = configuration.open_services(&environment, &adapters(), Arc::clone(&clock)).await?;
        let clumsy = Configuration::parse("adults-only", CLUMSY)?;
        let clumsy = clumsy.open::<(AdultsOnly,)>(&environment, &Adapters::none(), Arc::clone(&clock)).await?;

        let directory = LocalDirectory::open(&database)?;
        let pool = |id: &str, dispatcher| LocalPool::new(PoolSettings::of(id), dispatcher, directory.clone());
        Ok(Self {
            pool: pool(POOL, Arc::clone(&dispatcher)),
            tenant: pool(TENANT, dispatcher),
            clumsy: pool(POOL, Arc::new(clumsy)),
            ledger: SqliteLedger::open(&database)?,
            release: SessionRelease::new(services.clone()),
            links: LinksJob::new(services, configuration.tables::<links::Settings>(links::Settings::SECTION)?),
            configuration: text,
            key: home.file("key"),
            file,
            database,
            keys,
            post,
            clock: tour_clock,
            mails: folder.join("mail"),
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

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Hands `session-release` an event, and answers what it answers.
    pub(super) async fn release(&self, event: &Value) -> Result<Value, Problem> {
        let finished = self.release.carry_out(event.to_string().as_bytes()).await?;
        Ok(serde_json::from_str(&finished.answer()?).map_err(Fault::from)?)
    }

    /// What is remembered of a user.
    pub(super) async fn member(&self, sub: &str) -> Result<Member, Problem> {
        let wants = Wants { pool: POOL.into(), sub: Some(sub.to_owned()), ..Wants::default() };
        Ok(self.ledger.read(&wants).await?.member.unwrap_or_default())
    }

    /// Closes the pool, or opens it, as `poolctl maintenance` does.
    pub(super) async fn close(&self, downtime: Option<Downtime>) -> Result<(), Problem> {
        let wants = Wants { pool: POOL.into(), ..Wants::default() };
        let mut switches = self.ledger.read(&wants).await?.switches;
        match downtime {
            Some(downtime) => switches.maintenance.insert(Switches::EVERY_CLIENT.to_owned(), downtime),
            None => switches.maintenance.remove(Switches::EVERY_CLIENT),
        };
        match self.ledger.switch(POOL, switches.version, &switches).await? {
            true => Ok(()),
            false => Err(Problem::new("somebody else is at the switches")),
        }
    }

    /// Requests a page of `links`.
    pub(super) async fn follow(&self, request: &Request) -> String {
        let deadline = self.now().saturating_add(SignedDuration::from_secs(10)).unwrap_or(Timestamp::MAX);
        self.links.answer(request, deadline).await.response.body
    }

    /// What the link in the last mail to this address says.
    pub(super) fn link_in_last_mail(&self, to: &str) -> Option<String> {
        let files = fs::read_dir(&self.mails).into_iter().flatten().flatten().map(|file| file.path());
        let mut mails: Vec<_> = files.filter(|file| file.extension().is_some_and(|it| it == "eml")).collect();
        // Their names begin with the time.
        mails.sort();
        mails.iter().rev().find_map(|file| {
            let raw = fs::read(file).ok()?;
            let mail = MessageParser::default().parse(&raw)?;
            let is_to = mail.to()?.iter().any(|one| one.address() == Some(to));
            let text = mail.body_text(0).filter(|_| is_to)?;
            let (_, rest) = text.split_once("/?t=")?;
            Some(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect())
        })
    }

    /// Takes the folder of the mails away and puts something in its place that takes none, or puts it back.
    pub(super) fn mail_service(&self, works: bool) -> Result<(), Problem> {
        let away = self.mails.with_file_name("mail.away");
        let done = if works {
            fs::remove_file(&self.mails).and_then(|()| fs::rename(&away, &self.mails))
        } else {
            fs::rename(&self.mails, &away).and_then(|()| fs::write(&self.mails, "out of order\n"))
        };
        done.map_err(|error| Problem::new(format!("{} cannot be moved: {error}", self.mails.display())))
    }

    /// How many mails there are.
    pub(super) fn count_mails(&self) -> usize {
        let files = fs::read_dir(&self.mails).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|it| it == "eml")).count()
    }

    /// How many uses of an invitation are used, and how many reserved.
    pub(super) async fn uses(&self, key: &InvitationKey) -> Result<(usize, usize), Problem> {
        let wants = Wants { pool: POOL.into(), invitations: [key.clone()].into(), ..Wants::default() };
        let reading = self.ledger.read(&wants).await?;
        Ok(reading.invitations.get(key).map_or((0, 0), |invitation| invitation.counts(self.clock.now())))
    }
}

/// The path as it can stand in a configuration.
fn address(folder: &Path) -> Result<String, Problem> {
    let text =
        folder.to_str().ok_or_else(|| Problem::new("the folder's name is not Unicode; name another with --folder"))?;
    // Within a TOML string.
    Ok(text.replace('\\', "\\\\").replace('"', "\\\""))
}
