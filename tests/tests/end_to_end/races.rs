//! Promise 5: what is one is had by one and what is counted is had that often, however many ask at once. On each ledger, and
//! through real processes on one file. `TRIGGERS_ROUNDS` says how often each race is run; 20 times unless told otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier, LazyLock};

use cognito_triggers::ledger::{Invitation, LedgerAdmin};
use cognito_triggers::{Directory, Dispatcher, Environment, Keys, UserStatus};
use cognito_triggers_aws::{DynamoLedger, Limits};
use cognito_triggers_embedded::{LocalDirectory, NewUser, SqliteLedger};
use cognito_triggers_lambda::SystemClock;
use cognito_triggers_tests::Outcome;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::kit::{House, KEY, POOL, confirmed, set, sign_up};

use crate::ministack::Ministack;
use crate::world::{PLENTY, dispatcher, handle, judged};

/// How many ask at once.
pub(crate) const TASKS: usize = 64;

/// One name, written in ways that are all the same name.
const SPELLINGS: [&str; 4] = ["Dragonfly", "DRAGONFLY", " dragonfly ", "Dragоnfly"];

#[expect(clippy::disallowed_methods, reason = "how long to try is said by whoever starts the tests")]
pub(crate) fn rounds() -> usize {
    let text = std::env::var("TRIGGERS_ROUNDS").unwrap_or_else(|_| "20".into());
    text.parse().unwrap_or_else(|_| panic!("TRIGGERS_ROUNDS is no number: {text}"))
}

/// Several dispatchers on one ledger, as there are several Lambdas, each with connections of its own.
pub(crate) async fn on_sqlite(house: &House, tables: &str) -> Vec<Arc<Dispatcher>> {
    let open = || -> Arc<Dispatcher> {
        let ledger = Arc::new(SqliteLedger::open(&house.file()).unwrap());
        let directory: Arc<dyn Directory> = Arc::new(LocalDirectory::open(&house.file()).unwrap());
        dispatcher(tables, ledger, directory, Arc::new(SystemClock))
    };
    (0..4).map(|_| open()).collect()
}

/// One runtime for all tests on DynamoDB: the clients share connections, and a connection ends with its runtime.
pub(crate) static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap());

pub(crate) async fn on_dynamodb(
    ministack: &Ministack,
    house: &House,
    tables: &str,
) -> (Vec<Arc<Dispatcher>>, DynamoLedger) {
    let environment: Environment = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", ministack.endpoint().as_str()),
    ]
    .into_iter()
    .collect();
    let table = format!("races-{}", cognito_triggers::random::number().unwrap());
    // A tool's patience: what is raced for here is the name, not the time of one server that serves 64 at once.
    let open = || DynamoLedger::open(&table, &environment, Limits::TOOL).unwrap();
    open().create_table().await.unwrap();
    let directory = || Arc::new(LocalDirectory::open(&house.file()).unwrap());
    let dispatchers =
        (0..4).map(|_| dispatcher(tables, Arc::new(open()), directory(), Arc::new(SystemClock))).collect();
    (dispatchers, open())
}

/// Handles all events at once; what each came to, in their order.
async fn all_at_once(dispatchers: &[Arc<Dispatcher>], events: Vec<Value>) -> Vec<Result<(), String>> {
    let start = Arc::new(tokio::sync::Barrier::new(events.len()));
    let mut tasks = JoinSet::new();
    for (number, event) in events.into_iter().enumerate() {
        let dispatcher = Arc::clone(&dispatchers[number % dispatchers.len()]);
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            start.wait().await;
            (number, judged(handle(&dispatcher, &event, PLENTY).await))
        });
    }
    let mut results: Vec<_> = tasks.join_all().await;
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// One claims the name, all others read that it is taken.
fn exactly_one_wins(results: &[Result<(), String>], round: usize) {
    let winners = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(winners, 1, "round {round}: {results:?}");
    for text in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(text.starts_with("This nickname is taken. A free one is "), "round {round}: {text}");
    }
}

/// Everybody asks for one name, in a spelling of theirs.
fn namesakes(round: usize) -> Vec<Value> {
    let event = |number: usize| {
        let mut event = sign_up(&format!("user{round}x{number}"), SPELLINGS[number % SPELLINGS.len()]);
        // A pool for each round: a name that is free again.
        set(&mut event, "/userPoolId", json!(format!("eu-central-1_Round{round}")));
        event
    };
    (0..TASKS).map(event).collect()
}

const REJECT: &str = "[unique-nickname]\npolicy = \"reject\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_who_claim_one_name_at_once_on_sqlite_exactly_one_wins() {
    let house = House::new();
    let dispatchers = on_sqlite(&house, REJECT).await;
    for round in 0..rounds() {
        exactly_one_wins(&all_at_once(&dispatchers, namesakes(round)).await, round);
    }
}

#[test]
fn of_64_who_claim_one_name_at_once_on_dynamodb_exactly_one_wins() {
    let (ministack, house) = (Ministack::shared(), House::new());
    RUNTIME.block_on(async {
        let (dispatchers, _) = on_dynamodb(&ministack, &house, REJECT).await;
        for round in 0..rounds() {
            exactly_one_wins(&all_at_once(&dispatchers, namesakes(round)).await, round);
        }
    });
}

#[test]
fn of_64_who_claim_one_name_at_once_in_eight_processes_on_one_file_exactly_one_wins() {
    const PROCESSES: usize = 8;
    let house = House::new();
    let functions: Vec<_> = (0..PROCESSES).map(|_| house.function("unique-nickname", REJECT)).collect();
    for round in 0..rounds() {
        let events = namesakes(round);
        let start = Barrier::new(PROCESSES);
        let results = std::thread::scope(|scope| {
            let run = |number: usize| {
                let (function, events, start) = (&functions[number], &events, &start);
                move || {
                    start.wait();
                    let own = events.iter().skip(number).step_by(PROCESSES);
                    own.map(|event| match function.invoke(event).outcome {
                        Outcome::Answer(_) => Ok(()),
                        Outcome::Error { error_type, error_message, .. } if error_type == "Denied" => {
                            Err(error_message)
                        }
                        other => panic!("round {round}: {other:?}\n{}", function.said()),
                    })
                    .collect::<Vec<_>>()
                }
            };
            let threads: Vec<_> = (0..PROCESSES).map(|number| scope.spawn(run(number))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(results.len(), TASKS);
        exactly_one_wins(&results, round);
    }
}

/// Sixty-four users, all confirmed under one name: one has it, everybody else a variation of their own, and every profile
/// shows what its user holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_who_are_confirmed_at_once_under_one_name_one_has_it_and_each_other_a_variation() {
    let house = House::new();
    let dispatchers = on_sqlite(&house, "[unique-nickname]\npolicy = \"assign\"\n").await;
    let directory = LocalDirectory::open(&house.file()).unwrap();
    let mut arrivals = Vec::new();
    for number in 0..TASKS {
        let user = format!("user{number}");
        let name = SPELLINGS[number % SPELLINGS.len()];
        let new = NewUser {
            user_name: user.clone(),
            attributes: [("nickname".to_owned(), name.to_owned())].into(),
            status: UserStatus::Confirmed,
            created: Timestamp::UNIX_EPOCH,
        };
        let sub = directory.create(POOL, new).await.unwrap().unwrap().sub;
        arrivals.push(confirmed(&user, name, &sub));
    }
    for _ in 0..2 {
        // The second time is a retry of each: nothing changes.
        let results = all_at_once(&dispatchers, arrivals.clone()).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let shown: Vec<_> =
            directory.list(POOL).await.unwrap().iter().map(|user| user.attributes["nickname"].clone()).collect();
        let unchanged = shown.iter().filter(|name| SPELLINGS.contains(&name.as_str())).count();
        assert_eq!(unchanged, 1, "{shown:?}");
        let keys = |name: &String| unique_nickname::name::keys(name).unwrap();
        for (number, name) in shown.iter().enumerate() {
            let twin = shown[..number].iter().find(|other| keys(other).clashes_with(&keys(name)));
            assert_eq!(twin, None, "two users pass for one another: {shown:?}");
        }
        let held: BTreeSet<_> = crate::ledger::names(&house.file()).into_iter().collect();
        let holders: BTreeSet<_> = held.iter().map(|(_, _, owner)| owner).collect();
        assert_eq!(holders.len(), TASKS, "everybody holds a name: {held:?}");
    }
}

const SEATS: u32 = 5;

/// A code as invitations have it; another one for each round.
fn code(round: usize) -> String {
    format!("{round:026}").chars().map(|digit| char::from(b'A' + digit.to_digit(10).unwrap() as u8)).collect()
}

async fn exactly_as_many_as_invited(dispatchers: &[Arc<Dispatcher>], ledger: &impl LedgerAdmin, rounds: usize) {
    for round in 0..rounds {
        let code = code(round);
        let key = &Keys::parse(KEY).unwrap().invitation(POOL, &code)[0];
        let invitation = Invitation {
            maximum: SEATS,
            created: Timestamp::UNIX_EPOCH,
            expires: None,
            note: None,
            revoked: false,
            uses: BTreeMap::new(),
            version: 1,
        };
        assert!(ledger.create_invitation(key, &invitation).await.unwrap());
        let guest = |number: usize| {
            let user = format!("guest{round}x{number}");
            let mut event = sign_up(&user, &user);
            set(&mut event, "/request/validationData", json!({"accessCode": code}));
            event
        };
        let results = all_at_once(dispatchers, (0..TASKS).map(guest).collect()).await;
        let seated: Vec<_> = (0..TASKS).filter(|number| results[*number].is_ok()).collect();
        assert_eq!(seated.len(), SEATS as usize, "round {round}: {results:?}");
        for text in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(text, "This access code has been used up", "round {round}");
        }
        // All that are in are confirmed at once, and everybody else tries again meanwhile.
        let second = (0..TASKS).map(|number| {
            let user = format!("guest{round}x{number}");
            let sub = format!("{round:08x}-0000-4000-8000-{number:012x}");
            if seated.contains(&number) { confirmed(&user, &user, &sub) } else { guest(number) }
        });
        let results = all_at_once(dispatchers, second.collect()).await;
        let passed: Vec<_> = (0..TASKS).filter(|number| results[*number].is_ok()).collect();
        assert_eq!(passed, seated, "round {round}: {results:?}");
        let stored = ledger.invitations(POOL).await.unwrap();
        let (_, stored) = stored.iter().find(|(found, _)| found == key).unwrap();
        let used: Vec<_> = stored.uses.values().collect();
        assert_eq!(used, vec![&None; SEATS as usize], "round {round}: every seat is taken for good");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_who_use_an_invitation_for_five_at_once_on_sqlite_exactly_five_get_in() {
    let house = House::new();
    let dispatchers = on_sqlite(&house, "[access-code]\n").await;
    let ledger = SqliteLedger::open(&house.file()).unwrap();
    exactly_as_many_as_invited(&dispatchers, &ledger, rounds().div_ceil(4)).await;
}

#[test]
fn of_64_who_use_an_invitation_for_five_at_once_on_dynamodb_exactly_five_get_in() {
    let (ministack, house) = (Ministack::shared(), House::new());
    RUNTIME.block_on(async {
        let (dispatchers, ledger) = on_dynamodb(&ministack, &house, "[access-code]\n").await;
        exactly_as_many_as_invited(&dispatchers, &ledger, rounds().div_ceil(4)).await;
    });
}

/// One process after the other dies in the middle of its claim: what it had asked for is held by nobody or by its applicant,
/// and everybody left can go on.
#[test]
fn a_process_killed_in_the_middle_of_a_claim_leaves_nothing_half_held() {
    let house = House::new();
    let functions: Vec<_> = (0..2).map(|_| house.function("unique-nickname", REJECT)).collect();
    assert!(functions.iter().all(|function| function.process().wait_until_idle()), "{}", functions[0].said());
    for round in 0..rounds() {
        let events = namesakes(round);
        std::thread::scope(|scope| {
            let killed = scope.spawn(|| functions[0].invoke(&events[0]).outcome);
            std::thread::sleep(std::time::Duration::from_micros(400 * (round as u64 % 12)));
            functions[0].process().kill();
            killed.join().unwrap();
        });
        functions[0].process().restart();
        assert!(functions[0].process().wait_until_idle());
        let pool = format!("eu-central-1_Round{round}");
        let held = held_in(&house, &pool);
        assert!(held.is_empty() || held.len() == KEYS, "round {round}: {held:?}");
        // The retry of the same applicant gets the name in either case.
        functions[1].lets_pass(&events[0]);
        assert_eq!(held_in(&house, &pool).len(), KEYS, "round {round}");
        functions[0].refusal(&events[1]);
    }
}

/// Under how many keys the name of these tests is held.
const KEYS: usize = 2;

fn held_in(house: &House, pool: &str) -> Vec<String> {
    let rows = crate::ledger::dump(&house.file(), &["names"]);
    rows.into_iter().filter(|row| row.contains(&format!("\"{pool}\""))).collect()
}

#[test]
fn the_codes_of_these_tests_are_codes() {
    assert_eq!(code(7).len(), 26);
    assert_ne!(code(7), code(8));
    let keys = unique_nickname::name::keys(SPELLINGS[0]).unwrap();
    assert_eq!(keys.iter().count(), KEYS);
    for spelling in SPELLINGS {
        assert!(unique_nickname::name::keys(spelling).unwrap().clashes_with(&keys), "{spelling}");
    }
}
