//! Promise 5 for sessions: of many sign-ins of one user at once exactly as many get in as may, each keeps a place, and what is
//! counted is what got in. On each ledger, and through real processes on one file.

/// Run more often by `make soak`, like all races; see `races.rs`.
mod races {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Barrier};

    use cognito_triggers::ledger::{Amendment, Ledger, Member, SessionState, Wants, amend};
    use cognito_triggers::{Dispatcher, UserStatus};
    use cognito_triggers_embedded::{LocalDirectory, NewUser, SqliteLedger};
    use cognito_triggers_tests::Outcome;
    use jiff::{SignedDuration, Timestamp};
    use serde_json::{Value, json};
    use tokio::task::JoinSet;

    use crate::kit::{House, event, set};
    use crate::ledger::{block_on, now};
    use crate::ministack::Ministack;
    use crate::races::{RUNTIME, TASKS, on_dynamodb, on_sqlite, rounds};
    use crate::world::{PLENTY, handle, judged};

    const TOO_MANY: &str = "You are signed in on too many devices. Please sign out on one of them first";
    const JUST_NOW: &str = "You have just signed in somewhere else. Please try again in a few minutes";

    /// The limits that are raced for, each in a pool of its own.
    const LIMITS: [usize; 5] = [1, 2, 3, 4, 5];

    fn tables(policy: &str) -> String {
        let pool = |max: &usize| format!("[pools.\"{}\".session-limit]\nmax = {max}\n", pool(*max));
        let pools: String = LIMITS.iter().map(pool).collect();
        format!("[sign-in-count]\n[session-limit]\nmax = 9\npolicy = \"{policy}\"\nclaim = \"session\"\n{pools}")
    }

    fn pool(max: usize) -> String {
        format!("eu-central-1_Limit{max}")
    }

    /// Another user for each round.
    fn sub(round: usize) -> String {
        format!("{round:08x}-0000-4000-8000-00000000a77a")
    }

    /// A sign-in: what is asked after the password, and what is asked before there are tokens. Some are at one app client, some
    /// at another.
    fn sign_in(max: usize, round: usize, number: usize) -> [Value; 2] {
        ["PostAuthentication_Authentication", "TokenGeneration_Authentication"].map(|name| {
            let sub = sub(round);
            let mut event = event(name, &[("/userName", &sub), ("sub", &sub), ("email", "anna@example.com")]);
            set(&mut event, "/userPoolId", json!(pool(max)));
            set(&mut event, "/callerContext/clientId", json!(format!("app{}", number % 2)));
            event
        })
    }

    /// The id of the session in the answer.
    fn claim(answer: &str) -> String {
        let answer: Value = serde_json::from_str(answer).unwrap();
        let claims = &answer["response"]["claimsOverrideDetails"]["claimsToAddOrOverride"];
        claims["session"].as_str().unwrap_or_else(|| panic!("no claim: {answer}")).to_owned()
    }

    /// Everybody signs in at once, and those let in have tokens made; what each came to.
    async fn all_at_once(dispatchers: &[Arc<Dispatcher>], max: usize, round: usize) -> Vec<Result<String, String>> {
        let start = Arc::new(tokio::sync::Barrier::new(TASKS));
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            let dispatcher = Arc::clone(&dispatchers[number % dispatchers.len()]);
            let start = Arc::clone(&start);
            tasks.spawn(async move {
                let [proven, tokens] = sign_in(max, round, number);
                start.wait().await;
                judged(handle(&dispatcher, &proven, PLENTY).await)?;
                let made = handle(&dispatcher, &tokens, PLENTY).await;
                let id = made.answer.as_ref().map(|answer| claim(answer)).map_err(|refusal| refusal.message.clone());
                judged(made).map(|()| id.unwrap())
            });
        }
        tasks.join_all().await
    }

    async fn member(ledger: &dyn Ledger, max: usize, round: usize) -> Member {
        let wants = Wants { pool: pool(max), sub: Some(sub(round)), ..Wants::default() };
        ledger.read(&wants).await.unwrap().member.unwrap()
    }

    /// As many got in as may, all others read why not, and what is remembered is what happened.
    fn exactly_as_many_as_may(results: &[Result<String, String>], member: &Member, max: usize, message: &str) {
        assert_eq!(results.len(), TASKS);
        let told: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok().cloned()).collect();
        assert_eq!(told.len(), max, "{results:?}");
        for text in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(text, message);
        }
        let told: BTreeSet<_> = told.into_iter().collect();
        let kept = member.sessions.live(now(), None).filter(|session| session.state == SessionState::Kept);
        let kept: BTreeSet<_> = kept.map(|session| session.id.to_string()).collect();
        assert_eq!(told, kept, "the tokens and the ledger name different sessions");
        assert_eq!(member.sessions.live(now(), None).count(), max, "a place is taken by nobody");
        assert_eq!(member.sign_ins.count, max as u64);
    }

    async fn raced(dispatchers: &[Arc<Dispatcher>], ledger: &dyn Ledger, rounds: usize) {
        for round in 0..rounds {
            let max = LIMITS[round % LIMITS.len()];
            let results = all_at_once(dispatchers, max, round).await;
            exactly_as_many_as_may(&results, &member(ledger, max, round).await, max, TOO_MANY);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_64_sign_ins_at_once_on_sqlite_exactly_as_many_get_in_as_may() {
        let house = House::new();
        let dispatchers = on_sqlite(&house, &tables("deny")).await;
        raced(&dispatchers, &SqliteLedger::open(&house.file()).unwrap(), rounds() * LIMITS.len()).await;
    }

    #[test]
    fn of_64_sign_ins_at_once_on_dynamodb_exactly_as_many_get_in_as_may() {
        let (ministack, house) = (Ministack::shared(), House::new());
        RUNTIME.block_on(async {
            let (dispatchers, ledger) = on_dynamodb(&ministack, &house, &tables("deny")).await;
            raced(&dispatchers, &ledger, rounds()).await;
        });
    }

    /// All places are taken since long ago. Whoever is first signs out all of those, and then there is room for as many as may.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_64_sign_ins_at_once_that_sign_out_others_exactly_as_many_get_in_as_may() {
        let house = House::new();
        let dispatchers = on_sqlite(&house, &tables("sign-out-others")).await;
        let ledger = SqliteLedger::open(&house.file()).unwrap();
        let directory = LocalDirectory::open(&house.file()).unwrap();
        for round in 0..rounds() {
            let max = LIMITS[round % LIMITS.len()];
            let new = NewUser {
                user_name: sub(round),
                attributes: [("email".to_owned(), format!("user{round}@example.com"))].into(),
                status: UserStatus::Confirmed,
                created: Timestamp::UNIX_EPOCH,
            };
            assert_eq!(directory.create(&pool(max), new).await.unwrap().unwrap().sub, sub(round));
            let signed_in = now() - SignedDuration::from_hours(1);
            let earlier = |_: &cognito_triggers::ledger::Reading| {
                let mut member = Member::default();
                for _ in 0..max {
                    member.sessions.begin("app0", signed_in, now() + SignedDuration::from_hours(1)).unwrap();
                }
                Some(Amendment { member: Some(member), ..Amendment::default() })
            };
            amend(&ledger, &pool(max), &sub(round), now(), earlier).await.unwrap();
            let results = all_at_once(&dispatchers, max, round).await;
            exactly_as_many_as_may(&results, &member(&ledger, max, round).await, max, JUST_NOW);
            let user = directory.list(&pool(max)).await.unwrap().into_iter().find(|user| user.sub == sub(round));
            assert!(user.unwrap().sign_outs > 0, "nobody was signed out");
        }
    }

    /// Eight processes as they are deployed. Whoever was not held up by others read once and wrote once at most.
    #[test]
    fn of_64_sign_ins_at_once_in_eight_processes_on_one_file_exactly_as_many_get_in_as_may() {
        const PROCESSES: usize = 8;
        let house = House::new();
        let functions: Vec<_> = (0..PROCESSES).map(|_| house.function("pool", &tables("deny"))).collect();
        let ledger = SqliteLedger::open(&house.file()).unwrap();
        for round in 0..rounds() {
            let max = LIMITS[round % LIMITS.len()];
            let start = Barrier::new(PROCESSES);
            let results = std::thread::scope(|scope| {
                let run = |process: usize| {
                    let (function, start) = (&functions[process], &start);
                    move || {
                        start.wait();
                        let own = (process..TASKS).step_by(PROCESSES);
                        let signs_in = |number: usize| {
                            let [proven, tokens] = sign_in(max, round, number);
                            match function.invoke(&proven).outcome {
                                Outcome::Answer(_) => {}
                                Outcome::Error { error_type, error_message, .. } if error_type == "Denied" => {
                                    return Err(error_message);
                                }
                                other => panic!("round {round}: {other:?}\n{}", function.said()),
                            }
                            match function.invoke(&tokens).outcome {
                                Outcome::Answer(answer) => Ok(claim(&String::from_utf8(answer).unwrap())),
                                other => panic!("round {round}: {other:?}\n{}", function.said()),
                            }
                        };
                        own.map(signs_in).collect::<Vec<_>>()
                    }
                };
                let threads: Vec<_> = (0..PROCESSES).map(|process| scope.spawn(run(process))).collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            exactly_as_many_as_may(&results, &block_on(member(&ledger, max, round)), max, TOO_MANY);
        }
        let lines = functions.iter().flat_map(|function| function.lines());
        let decisions: Vec<_> = lines.filter(|line| line["message"] == "decision").collect();
        assert!(decisions.len() > rounds() * TASKS, "{}", decisions.len());
        for line in decisions {
            let count = |name: &str| line[name].as_u64().unwrap();
            let (reads, writes, attempts) = (count("ledger_reads"), count("ledger_writes"), count("attempts"));
            // Somebody who was quicker says what is there now: that costs no read.
            assert_eq!(reads, 1, "{line}");
            let expected = if line["outcome"] == "denied" { attempts - 1 } else { attempts };
            assert_eq!(writes, expected, "{line}");
        }
    }
}
