//! What befalls the calls of services, and the account of what could not be learnt.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cognito_triggers::ledger::DeliveryId;
use cognito_triggers::{Fault, FaultKind, random};

/// How long a call takes that times out.
const TIME_OUT: Duration = Duration::from_millis(60);

/// How often an acknowledgement is tried by those who know that it is done: after that it counts as not noted.
const TRIES: u32 = 5;

/// A setting of this binary, from its environment.
#[expect(clippy::disallowed_methods, reason = "a process under test is told by its environment what befalls it")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The chaos of this process.
pub(crate) fn chaos() -> &'static Chaos {
    static CHAOS: OnceLock<Chaos> = OnceLock::new();
    CHAOS.get_or_init(Chaos::new)
}

/// What is done and not yet noted, and what is under way. Deliveries go by `sub|key`.
pub(crate) struct Chaos {
    percent: u32,
    deaths: u32,
    /// Whether a call may hang: nobody waits for the courier, so there adapters time out.
    hangs: bool,
    down: Option<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    witness: Option<File>,
    /// The delivery a message or event belongs to.
    owners: BTreeMap<String, String>,
    /// Deliveries whose service is being called.
    under_way: BTreeSet<String>,
    /// Deliveries a service has accepted and that are not acknowledged.
    accepted: BTreeSet<String>,
    /// How often acknowledging each failed in a row.
    unnoted: BTreeMap<String, u32>,
}

/// What befalls one call.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    None,
    Refused,
    TimedOut,
    AnswerLost,
    TimedOutAfterwards,
    Hangs,
    HangsAfterwards,
}

impl Chaos {
    fn new() -> Self {
        let witness = setting("BATTERED_WITNESS");
        let witness = witness.and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
        let number = |name| setting(name).and_then(|text| text.parse().ok()).unwrap_or_default();
        let (percent, deaths) = (number("BATTERED_PERCENT"), number("BATTERED_DEATHS"));
        let hangs = setting("BATTERED_AS").as_deref() != Some("courier");
        let state = Mutex::new(State { witness, ..State::default() });
        Self { percent, deaths, hangs, down: setting("BATTERED_DOWN"), state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes which delivery a message or an event belongs to.
    pub(crate) fn belongs(&self, thing: &str, delivery: &DeliveryId) {
        let name = name(delivery);
        let mut state = self.state();
        state.tell(&format!("belongs\t{thing}\t{name}"));
        state.owners.insert(thing.to_owned(), name);
    }

    /// A call that changes nothing that could be doubled.
    pub(crate) async fn call<T>(
        &'static self,
        service: &str,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.befall(service, call).await
    }

    /// A call that is doubled if it is made again after it was accepted.
    pub(crate) async fn send(
        &'static self,
        service: &str,
        thing: &str,
        call: impl Future<Output = Result<(), Fault>>,
    ) -> Result<(), Fault> {
        let name = {
            let mut state = self.state();
            let name = state.owners.get(thing).cloned().unwrap_or_default();
            state.under_way.insert(name.clone());
            name
        };
        let on_its_way = UnderWay { chaos: self, name: name.clone(), told: false };
        let mut accepted = false;
        let noticed = async {
            call.await?;
            accepted = true;
            Ok(())
        };
        let result = self.befall(service, noticed).await;
        on_its_way.ends(accepted, result.is_ok());
        result
    }

    /// An acknowledgement.
    pub(crate) async fn acknowledge(
        &'static self,
        deliveries: &[DeliveryId],
        call: impl Future<Output = Result<(), Fault>>,
    ) -> Result<(), Fault> {
        let noting = Noting { chaos: self, names: deliveries.iter().map(name).collect(), over: false };
        let result = self.befall("ledger", call).await;
        noting.ends(result.is_ok());
        result
    }

    async fn befall<T>(&'static self, service: &str, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        if self.down.as_deref() == Some(service) {
            return Err(fault("it is down"));
        }
        self.perhaps_die();
        match self.draw() {
            Trouble::None => call.await,
            Trouble::Refused => Err(fault("refused")),
            Trouble::TimedOut => {
                tokio::time::sleep(TIME_OUT).await;
                Err(fault("timed out"))
            }
            Trouble::AnswerLost => call.await.and(Err(fault("connection reset"))),
            Trouble::TimedOutAfterwards => {
                call.await?;
                tokio::time::sleep(TIME_OUT).await;
                Err(fault("timed out"))
            }
            Trouble::Hangs => std::future::pending().await,
            Trouble::HangsAfterwards => {
                call.await?;
                std::future::pending().await
            }
        }
    }

    fn draw(&self) -> Trouble {
        if dice(100) >= self.percent {
            return Trouble::None;
        }
        match dice(20) {
            0..6 => Trouble::Refused,
            6..9 => Trouble::TimedOut,
            9..14 => Trouble::AnswerLost,
            14..18 => Trouble::TimedOutAfterwards,
            _ if !self.hangs => Trouble::TimedOutAfterwards,
            18 => Trouble::Hangs,
            _ => Trouble::HangsAfterwards,
        }
    }

    /// Now and then the process dies a little later, wherever it is by then.
    fn perhaps_die(&'static self) {
        if dice(1_000) >= self.deaths {
            return;
        }
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(u64::from(dice(4_000))));
            let mut state = self.state();
            let names: BTreeSet<_> = state.under_way.union(&state.accepted).cloned().collect();
            for name in names {
                state.tell(&format!("excuse\t{name}\tthe process died"));
            }
            // With the lock held, so that nothing is accepted after this was written down.
            std::process::abort();
        });
    }
}

impl State {
    fn tell(&mut self, line: &str) {
        if let Some(file) = &mut self.witness {
            // One write a line: several processes write here.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}

/// A call that is under way. If it is given up before it ends, nobody knows what came of it.
struct UnderWay<'a> {
    chaos: &'a Chaos,
    name: String,
    told: bool,
}

impl UnderWay<'_> {
    fn ends(mut self, accepted: bool, learnt: bool) {
        self.told = true;
        let mut state = self.chaos.state();
        state.under_way.remove(&self.name);
        if accepted && learnt {
            state.accepted.insert(self.name.clone());
        } else if accepted {
            state.tell(&format!("excuse\t{}\tthe answer was lost", self.name));
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.told {
            let mut state = self.chaos.state();
            state.under_way.remove(&self.name);
            state.tell(&format!("excuse\t{}\tthe time was up", self.name));
        }
    }
}

/// An acknowledgement that is under way.
struct Noting<'a> {
    chaos: &'a Chaos,
    names: Vec<String>,
    over: bool,
}

impl Noting<'_> {
    fn ends(mut self, noted: bool) {
        self.over = true;
        let mut state = self.chaos.state();
        for name in std::mem::take(&mut self.names) {
            if noted {
                state.accepted.remove(&name);
                state.unnoted.remove(&name);
                continue;
            }
            let tries = state.unnoted.entry(name.clone()).or_default();
            *tries += 1;
            if *tries >= TRIES {
                state.tell(&format!("excuse\t{name}\tit could not be noted"));
            }
        }
    }
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        if !self.over {
            let mut state = self.chaos.state();
            for name in &self.names {
                state.tell(&format!("excuse\t{name}\tthere was no time to note it"));
            }
        }
    }
}

/// What a delivery is called in the account.
fn name(delivery: &DeliveryId) -> String {
    format!("{}|{}", delivery.sub, delivery.key)
}

fn fault(why: &'static str) -> Fault {
    Fault::of(FaultKind::Service, why)
}

/// A random number below `sides`.
fn dice(sides: u32) -> u32 {
    random::number().unwrap_or_default() % sides
}
