//! The courier of this machine: what an event left to be done is done right after it, and told about.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cognito_triggers::config::{Configuration, ServiceAddresses};
use cognito_triggers::courier::Courier;
use cognito_triggers::ledger::{Delivery, DeliveryId, LedgerAdmin, Standing};
use cognito_triggers::{Adapters, Clock, ConfigError, Dispatcher, Environment};
use cognito_triggers_embedded::{BUCKET, DIRECTORY, LEDGER, MAILER, OUTBOX, PUBLISHER, SqliteLedger};
use jiff::{SignedDuration, Timestamp};

use crate::account;
use crate::paint::{Paint, counted};
use crate::witness::{Seen, Witness};
use crate::world::Problem;

/// Every service of this machine.
pub(crate) fn adapters() -> Adapters {
    Adapters::none()
        .ledger(LEDGER)
        .outbox(OUTBOX)
        .directory(DIRECTORY)
        .mailer(MAILER)
        .bucket(BUCKET)
        .publisher(PUBLISHER)
        .templates(cognito_triggers_templates::open)
}

/// How long a sweep may take. One begins no delivery that could not be tried in full.
const SWEEP: SignedDuration = SignedDuration::from_secs(60);

/// The courier, the outbox it works on, and who sees what it does.
pub(crate) struct Post {
    courier: Courier,
    ledger: SqliteLedger,
    witness: Witness,
    places: Places,
    clock: Arc<dyn Clock>,
    /// What was in the outbox when it was last looked at.
    known: Mutex<BTreeMap<DeliveryId, Delivery>>,
}

/// Where the services put things.
struct Places {
    mails: Option<PathBuf>,
    files: Option<PathBuf>,
    events: Option<PathBuf>,
}

/// What a sweep did.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// What was carried out.
    pub(crate) seen: Vec<Seen>,
    /// How many deliveries had become pointless.
    pub(crate) lapsed: usize,
    /// What is new in the outbox, or failed.
    pub(crate) left: Vec<Delivery>,
    /// What kept the courier itself from its work.
    pub(crate) trouble: Vec<String>,
}

impl Post {
    /// The courier for this configuration, whose ledger has to be one of this machine, and what it will not be able to do.
    pub(crate) async fn open(
        configuration: &Configuration,
        environment: &Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<ConfigError>), Problem> {
        let addresses = configuration.services(environment)?;
        let (courier, doubts) = configuration.open_courier(environment, &adapters(), Arc::clone(&clock)).await?;
        let database = addresses.ledger.as_deref().and_then(|address| address.strip_prefix("sqlite:"));
        let ledger = SqliteLedger::open(Path::new(database.unwrap_or_default()))?;
        let witness = Witness::default();
        let courier = courier.map_services(|services| witness.watch(services));
        let places = Places::of(&addresses);
        let post = Self { courier, ledger, witness, places, clock, known: Mutex::default() };
        post.look().await?;
        Ok((post, doubts))
    }

    /// The dispatcher, so that what it delivers is seen as well.
    pub(crate) fn watch(&self, dispatcher: Dispatcher) -> Dispatcher {
        dispatcher.map_services(|services| self.witness.watch(services))
    }

    /// What was carried out since the last time.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.witness.take()
    }

    /// Carries out what is due.
    pub(crate) async fn sweep(&self) -> News {
        let round = self.courier.sweep(self.now().saturating_add(SWEEP).unwrap_or(Timestamp::MAX)).await;
        let own = round.failures.into_iter().filter(|failure| failure.rule.is_none());
        let mut trouble: Vec<_> = own.map(|failure| failure.fault).collect();
        let left = self.look().await.unwrap_or_else(|problem| {
            trouble.push(problem.to_string());
            Vec::new()
        });
        News { seen: self.seen(), lapsed: round.lapsed, left, trouble }
    }

    /// Looks into the outbox, and answers what is new or has changed there since the last time.
    async fn look(&self) -> Result<Vec<Delivery>, Problem> {
        let now: BTreeMap<_, _> = self.outbox().await?.into_iter().map(|it| (it.id.clone(), it)).collect();
        let before = std::mem::replace(&mut *self.known.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
        Ok(now.into_values().filter(|delivery| before.get(&delivery.id) != Some(delivery)).collect())
    }

    /// Everything that is not carried out yet, by pool, the earliest due first, parked ones last.
    pub(crate) async fn outbox(&self) -> Result<Vec<Delivery>, Problem> {
        let mut all = Vec::new();
        for pool in self.ledger.pools_with_deliveries().await? {
            let mut of_pool = self.ledger.deliveries(&pool).await?;
            of_pool.sort_by_key(|delivery| (delivery.parked.is_some(), delivery.due));
            all.append(&mut of_pool);
        }
        Ok(all)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What was carried out, in lines a person can read.
    pub(crate) fn tell(&self, seen: &[Seen], indent: usize, paint: Paint) -> Vec<String> {
        let mut lines = Vec::new();
        let mut say = |name: &str, text: &str| {
            lines.extend(account::beside(name, text, indent, |text| paint.green(text)));
        };
        let at = |place: &Option<PathBuf>| place.as_ref().map(|place| place.display().to_string()).unwrap_or_default();
        // They are carried out side by side; what belongs together is told together.
        let mut seen: Vec<_> = seen.iter().collect();
        seen.sort();
        let (mut first, mut there) = (true, 0);
        for one in seen {
            match one {
                Seen::Mail { to, subject, raw } => {
                    say("mail", &format!("to {}: {}", to.join(", "), plain(subject)));
                    say("", &self.places.mail(raw).display().to_string());
                }
                Seen::File { existed: false, key } => {
                    if std::mem::take(&mut first) {
                        say("files", &format!("in {}", at(&self.places.files)));
                    }
                    say("", &plain(key));
                }
                Seen::File { existed: true, .. } => there += 1,
                Seen::Event { name } => say("event", &format!("{name}, in {}", at(&self.places.events))),
                Seen::Profile { user_name, attributes } => {
                    for (name, value) in attributes {
                        say("profile", &format!("{name} of {} is {} now", plain(user_name), plain(value)));
                    }
                }
            }
        }
        if there > 0 {
            say("files", &format!("{there} were there already"));
        }
        lines
    }

    /// What a sweep left undone, in lines a person can read.
    pub(crate) fn tell_left(&self, news: &News, indent: usize, paint: Paint) -> Vec<String> {
        let mut lines = Vec::new();
        let mut say = |name: &str, text: &str| {
            lines.extend(account::beside(name, text, indent, |text| paint.yellow(text)));
        };
        if news.lapsed > 0 {
            say("lapsed", &format!("{}: what it was to depend on does not hold (any more)", news.lapsed));
        }
        for delivery in &news.left {
            match left(delivery, self.now()) {
                // Here nobody else works on it: the function that staged it has tried.
                ("in progress", text) => say("not delivered", &text),
                (name, text) => say(name, &text),
            }
        }
        for trouble in &news.trouble {
            say("the courier", &plain(trouble));
        }
        lines
    }
}

/// How much was carried out: `2 mails, 3 files, 1 event`.
pub(crate) fn tally(seen: &[Seen]) -> String {
    let count = |one: &str, many: &str, kind: fn(&Seen) -> bool| {
        let number = seen.iter().filter(|seen| kind(seen)).count();
        (number > 0).then(|| counted(number, one, many))
    };
    let parts = [
        count("mail", "mails", |seen| matches!(seen, Seen::Mail { .. })),
        count("file", "files", |seen| matches!(seen, Seen::File { existed: false, .. })),
        count("event", "events", |seen| matches!(seen, Seen::Event { .. })),
        count("change of a profile", "changes of profiles", |seen| matches!(seen, Seen::Profile { .. })),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

impl Places {
    /// The file of a mail: of those in the folder the one that holds it.
    fn mail(&self, raw: &[u8]) -> PathBuf {
        let folder = self.mails.clone().unwrap_or_default();
        let files = fs::read_dir(&folder).into_iter().flatten().flatten().map(|file| file.path());
        let mut mails: Vec<_> = files.filter(|file| file.extension().is_some_and(|it| it == "eml")).collect();
        // The names begin with the time: the latest is most likely the one.
        mails.sort_unstable_by(|one, other| other.cmp(one));
        let holds = |file: &PathBuf| fs::read(file).is_ok_and(|bytes| bytes.ends_with(raw));
        mails.into_iter().find(holds).unwrap_or(folder)
    }

    fn of(addresses: &ServiceAddresses) -> Self {
        let place = |address: &Option<String>, scheme| Some(PathBuf::from(address.as_deref()?.strip_prefix(scheme)?));
        let mails = addresses.mailer.as_deref().and_then(|address| address.strip_prefix("folder:"));
        Self {
            // Behind its folder may stand options.
            mails: mails.map(|rest| PathBuf::from(rest.split_once('?').map_or(rest, |(folder, _)| folder))),
            files: place(&addresses.bucket, "folder:"),
            events: place(&addresses.publisher, "file:"),
        }
    }
}

/// A delivery that is not carried out: how it stands, and what it is.
pub(crate) fn left(delivery: &Delivery, now: Timestamp) -> (&'static str, String) {
    let (mut what, key) = (plain(&delivery.task.gist()), plain(&delivery.id.key));
    if !what.contains(&key) {
        what = format!("{what} ({key})");
    }
    let reason = delivery.fault.as_deref().map(|fault| format!(": {}", plain(fault))).unwrap_or_default();
    match delivery.standing(now) {
        Standing::Due => ("due", format!("{what}{reason}")),
        Standing::Waiting { until } if reason.is_empty() => {
            ("waits", format!("{what}, to go out {}", when(until, now)))
        }
        Standing::Waiting { until } => ("waits", format!("{what}{reason}; tried again {}", when(until, now))),
        Standing::InProgress { until } => ("in progress", format!("{what}{reason}; tried again {}", when(until, now))),
        Standing::Parked { .. } => {
            let tries = account::times(delivery.attempts);
            ("parked", format!("{what}{reason}; tried {tries}, and again only once it is redriven"))
        }
    }
}

/// Text from users or services as it may be shown in a terminal: control characters would have an effect there.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn when(until: Timestamp, now: Timestamp) -> String {
    let left = until.duration_since(now);
    if left < SignedDuration::from_hours(1) {
        return format!("in {:#}", SignedDuration::from_secs(left.as_secs().max(1)));
    }
    format!("at {} UTC", until.strftime("%Y-%m-%d %H:%M"))
}
