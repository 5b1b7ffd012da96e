//! Promise 9: a stranger who signs up a thousand times, in anybody's name, and never confirms, gains nothing: no member is
//! touched, and nothing is held longer than the reservation.

use std::sync::Arc;

use cognito_triggers::{Clock, Directory, Dispatcher, StoppedClock};
use cognito_triggers_embedded::{LocalDirectory, SqliteLedger};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::kit::{House, confirmed, set, sign_up, signed_in};
use crate::ledger::{dump, lapses, names};
use crate::world::{PLENTY, dispatcher, handle, judged};

const SUB: &str = "0b000000-0000-4000-8000-00000000be1a";

const HOUR: SignedDuration = SignedDuration::from_mins(60);

struct World {
    house: House,
    clock: Arc<StoppedClock>,
    dispatcher: Arc<Dispatcher>,
}

impl World {
    /// A pool in which berta is confirmed and is called Dragonfly.
    async fn new(tables: &str) -> Self {
        let house = House::new();
        let clock = Arc::new(StoppedClock::default());
        let ledger = Arc::new(SqliteLedger::open(&house.file()).unwrap());
        let directory: Arc<dyn Directory> = Arc::new(LocalDirectory::open(&house.file()).unwrap());
        let dispatcher = dispatcher(tables, ledger, directory, Arc::clone(&clock) as Arc<dyn Clock>);
        let world = Self { house, clock, dispatcher };
        assert_eq!(world.sends(confirmed("berta", "Dragonfly", SUB)).await, Ok(()));
        world
    }

    async fn sends(&self, event: Value) -> Result<(), String> {
        judged(handle(&self.dispatcher, &event, PLENTY).await)
    }

    async fn sends_all(&self, events: Vec<Value>) -> Vec<Result<(), String>> {
        let mut results = Vec::new();
        for some in events.chunks(50) {
            results.extend(join_all(some.iter().map(|event| self.sends(event.clone()))).await);
        }
        results
    }

    /// All that is kept for good.
    fn kept(&self) -> Vec<String> {
        dump(&self.house.file(), &["members", "deliveries", "users", "invitations"])
    }

    fn bertas(&self) -> Vec<(String, String, String)> {
        names(&self.house.file()).into_iter().filter(|(_, _, owner)| owner.contains(SUB)).collect()
    }
}

/// A thousand sign-ups: strangers' own names and addresses, the victim's user name, her address in any case, her nickname and
/// its look-alikes, and all of it at once. Every one under another user name, as where addresses are user names.
fn a_thousand() -> Vec<Value> {
    let event = |number: usize| {
        let mut event = sign_up(&format!("stranger{number}"), &format!("Ladybird {number}"));
        match number % 8 {
            0 => set(&mut event, "/userName", json!("berta")),
            1 => set(&mut event, "email", json!("berta@example.com")),
            2 => set(&mut event, "email", json!("BERTA@EXAMPLE.COM")),
            3 => set(&mut event, "nickname", json!("dragonfly")),
            4 => set(&mut event, "nickname", json!("Dragоnfly")),
            5 => {
                set(&mut event, "/userName", json!(format!("{number:08x}-0000-4000-8000-000000000000")));
                set(&mut event, "email", json!("berta@example.com"));
                set(&mut event, "nickname", json!("Dragonfly"));
            }
            // A client can put anything into its request; a `sub` in it is nobody's.
            6 => set(&mut event, "sub", json!(SUB)),
            _ => {}
        }
        event
    };
    (0..1000).map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_unconfirmed_sign_ups_hold_nothing_longer_than_the_reservation_and_touch_no_member() {
    let world = World::new("[unique-nickname]\n").await;
    let (kept, bertas) = (world.kept(), world.bertas());
    let began = world.clock.now();

    let results = world.sends_all(a_thousand()).await;
    let refused = results.iter().filter(|result| result.is_err()).count();
    assert_eq!(refused, 3 * 125, "her name is refused in each of its three guises, and nothing else is");
    assert_eq!(world.kept(), kept);
    assert_eq!(world.bertas(), bertas);
    for until in lapses(&world.house.file()).into_iter().flatten() {
        assert!(until <= began + HOUR, "{until}");
    }

    // Insisting just before a reservation lapses does not make it last longer.
    world.clock.pass(SignedDuration::from_mins(59));
    world.sends_all(a_thousand()).await;
    assert_eq!(world.kept(), kept);
    // Meanwhile the victim signs in as ever.
    assert_eq!(world.sends(signed_in("berta", "Dragonfly", SUB)).await, Ok(()));
    assert_eq!((world.kept(), world.bertas()), (kept, bertas.clone()));

    world.clock.pass(SignedDuration::from_mins(2));
    let honest = (0..1000)
        .filter(|number| !matches!(number % 8, 3..=5))
        .step_by(7)
        .map(|number| sign_up(&format!("honest{number}"), &format!("Ladybird {number}")));
    let results = world.sends_all(honest.collect()).await;
    assert!(results.len() > 50 && results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(world.bertas(), bertas);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_sign_ups_without_a_valid_code_write_nothing_at_all() {
    let world = World::new("[access-code]\n[unique-nickname]\n").await;
    let everything =
        || dump(&world.house.file(), &["members", "names", "deliveries", "users", "invitations", "commits"]);
    let before = everything();
    let mut events = a_thousand();
    for (number, event) in events.iter_mut().enumerate() {
        if number % 2 == 0 {
            set(event, "/request/validationData", json!({"accessCode": access_code::new_code().unwrap()}));
        }
    }
    let results = world.sends_all(events).await;
    assert!(results.iter().all(Result::is_err));
    assert_eq!(everything(), before);
}
