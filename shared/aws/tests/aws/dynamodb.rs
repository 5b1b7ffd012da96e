//! The ledger against ministack's DynamoDB: the contract every ledger keeps, what a call costs, and what happens when the network
//! or the service fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use cognito_triggers::grants;
use cognito_triggers::ledger::contract::Contract;
use cognito_triggers::ledger::{
    Change, CommitId, Committed, Delivery, DeliveryId, Invitation, InvitationChange, InvitationKey, Ledger,
    LedgerAdmin, Member, MemberChange, NameChange, NameKey, Owner, PastCommit, Task, Wants,
};
use cognito_triggers::services::Opening;
use cognito_triggers::{FaultKind, random};
use cognito_triggers_aws::{DynamoLedger, LEDGER, Limits};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::grants::{asked, granted};
use crate::http::http;
use crate::ministack::Ministack;
use crate::proxy::{Proxy, Trouble};
use crate::{environment, run, run_alone};

mod admin;
mod outbox;

const POOL: &str = "eu-central-1_Test";
const NOW: Timestamp = Timestamp::constant(4_102_444_800, 0);

fn after(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

/// A new table. Where a test does not ask how long something takes, it has time: the machine may be busy.
async fn table(ministack: &Ministack) -> (String, DynamoLedger) {
    let name = format!("test-{}", random::number().unwrap());
    let ledger = DynamoLedger::open(&name, &environment(&ministack.endpoint()), Limits::TOOL).unwrap();
    ledger.create_table().await.unwrap();
    (name, ledger)
}

/// DynamoDB itself, to look at what is stored.
fn client(ministack: &Ministack) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(ministack.endpoint())
        .http_client(http());
    Client::from_conf(config.build())
}

/// A new table, reached through a proxy, and the proxy.
async fn proxied(ministack: &Ministack, limits: Limits) -> (DynamoLedger, Proxy) {
    let (name, _) = table(ministack).await;
    let proxy = Proxy::before(ministack.address()).await;
    (DynamoLedger::open(&name, &environment(&proxy.endpoint()), limits).unwrap(), proxy)
}

fn change() -> Change {
    Change {
        id: CommitId::random().unwrap(),
        now: NOW,
        pool: POOL.into(),
        member: None,
        names: BTreeMap::new(),
        invitations: BTreeMap::new(),
        deliveries: Vec::new(),
    }
}

fn with_member(mut change: Change, expected: u64) -> Change {
    let commits = vec![PastCommit { id: change.id.clone(), at: change.now }];
    let member = Member { version: expected + 1, commits, ..Member::default() };
    change.member = Some(MemberChange { sub: "anna".into(), expected, member: Some(member) });
    change
}

fn with_name(mut change: Change, key: &str, owner: &Owner, until: Option<Timestamp>) -> Change {
    let hold = NameChange::Hold { owner: owner.clone(), instead_of: Vec::new(), until, note: None };
    change.names.insert(name(key), hold);
    change
}

fn with_delivery(mut change: Change, key: &str) -> Change {
    let id = DeliveryId { pool: POOL.into(), sub: "anna".into(), key: key.into() };
    let task = Task::UpdateAttributes { user_name: "anna".into(), attributes: BTreeMap::new() };
    change.deliveries.push(Delivery { due: after(30), ..Delivery::new(id, task, NOW) });
    change
}

fn name(key: &str) -> NameKey {
    NameKey { pool: POOL.into(), namespace: "nickname".into(), key: key.into() }
}

fn code() -> InvitationKey {
    InvitationKey { pool: POOL.into(), hash: "HASH".into() }
}

async fn member(ledger: &DynamoLedger) -> Option<Member> {
    let wants = Wants { pool: POOL.into(), sub: Some("anna".into()), ..Wants::default() };
    ledger.read(&wants).await.unwrap().member
}

async fn owner(ledger: &DynamoLedger, key: &str) -> Option<Owner> {
    let wants = Wants { pool: POOL.into(), names: [name(key)].into(), ..Wants::default() };
    ledger.read(&wants).await.unwrap().names.remove(&name(key)).map(|holding| holding.owner)
}

fn refused(code: &str) -> Trouble {
    Trouble::Refused(
        json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "anna is secret" }),
    )
}

/// What DynamoDB answers when another transaction has one of the items in hand.
fn conflict() -> Trouble {
    let reasons: Value = json!([{ "Code": "None" }, { "Code": "TransactionConflict", "Message": "in conflict" }]);
    Trouble::Refused(json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    }))
}

#[test]
fn the_contract_holds() {
    let ministack = Ministack::shared();
    run_alone(async move {
        let (name, _) = table(&ministack).await;
        // A crowd of 64 waits for one server written in Python: what is proved here is what is right, not how fast.
        let proxy = Proxy::before(ministack.address()).await;
        let open = || Arc::new(DynamoLedger::open(&name, &environment(&proxy.endpoint()), Limits::TOOL).unwrap());
        let contract = Contract::of(open()).client(open()).spawn(|task| {
            let task = tokio::spawn(task);
            Box::pin(async move { task.await.unwrap() })
        });
        // A round of everything is thousands of calls; the race for a name alone is 64.
        contract.clone().rounds((rounds() / 20).max(1)).holds().await;
        let granted = granted(&[grants::LEDGER, grants::OUTBOX, grants::OPERATOR]);
        assert_eq!(
            asked(&proxy.exchanges()),
            granted.into_iter().filter(|(on, _)| on.service().0 == "ledger").collect()
        );
        contract.rounds(rounds()).only("one_of_many_gets_the_name").await;
    });
}

/// How often what happens at once is tried: as `make` says.
#[allow(clippy::disallowed_methods, reason = "a test is told by its environment how long it may take")]
fn rounds() -> u32 {
    std::env::var("CONTRACT_ROUNDS").map_or(1, |rounds| rounds.parse().expect("CONTRACT_ROUNDS is no number"))
}

#[test]
fn every_call_is_one_request() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        let anna = Owner::user("anna");
        assert_eq!(ledger.commit(&with_member(change(), 0)).await.unwrap(), Committed::Done);
        assert_eq!(proxy.requests(), ["PutItem"], "a member alone");
        let both = with_name(with_member(change(), 1), "anna", &anna, Some(after(60)));
        ledger.commit(&with_delivery(both, "k")).await.unwrap();
        assert_eq!(proxy.requests(), ["TransactWriteItems"], "a member and more");
        let stale = ledger.commit(&with_name(with_member(change(), 0), "bea", &anna, None)).await.unwrap();
        assert!(matches!(stale, Committed::Moved(_)));
        assert_eq!(proxy.requests(), ["TransactWriteItems"], "the refusal brings the fresh state along");
        let wants = Wants {
            pool: POOL.into(),
            sub: Some("anna".into()),
            names: [name("anna"), name("bea")].into(),
            invitations: [code()].into(),
        };
        ledger.read(&wants).await.unwrap();
        assert_eq!(proxy.requests(), ["BatchGetItem"]);
        ledger.acknowledge(&[DeliveryId { pool: POOL.into(), sub: "anna".into(), key: "k".into() }]).await.unwrap();
        assert_eq!(proxy.requests(), ["BatchWriteItem"]);
        // What is fulfilled already costs one more.
        ledger.commit(&with_name(change(), "anna", &anna, Some(after(60)))).await.unwrap();
        assert_eq!(proxy.requests(), ["TransactWriteItems"; 2]);
    });
}

#[test]
fn a_reserved_use_is_consumed_in_one_request() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        let applicant = Owner::stored("A#anna");
        let uses = [(applicant.clone(), Some(after(60)))].into();
        let invitation =
            Invitation { maximum: 1, created: NOW, expires: None, note: None, revoked: false, uses, version: 1 };
        assert!(ledger.create_invitation(&code(), &invitation).await.unwrap());
        proxy.requests();
        let mut change = change();
        let user = Owner::user("anna");
        // One hash twice, and the user among them: DynamoDB refuses paths that overlap.
        let applicants = vec![applicant.clone(), applicant, user.clone()];
        change.invitations.insert(code(), InvitationChange::Consume { applicants, user: user.clone() });
        assert_eq!(ledger.commit(&change).await.unwrap(), Committed::Done);
        assert_eq!(proxy.requests(), ["TransactWriteItems"]);
        let stored = ledger.invitations(POOL).await.unwrap();
        assert_eq!(stored, [(code(), Invitation { uses: [(user, None)].into(), version: 2, ..invitation })]);
    });
}

#[test]
fn a_lost_answer_is_done_once() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        proxy.make("PutItem", Trouble::LostAnswer);
        let first = with_member(change(), 0);
        assert_eq!(ledger.commit(&first).await.unwrap(), Committed::Done);
        assert_eq!(proxy.requests(), ["PutItem"; 2]);
        assert_eq!(member(&ledger).await, first.member.and_then(|change| change.member));
        proxy.requests();

        proxy.make("TransactWriteItems", Trouble::LostAnswer);
        let second = with_delivery(with_name(with_member(change(), 1), "anna", &Owner::user("anna"), None), "k");
        assert_eq!(ledger.commit(&second).await.unwrap(), Committed::Done);
        assert_eq!(proxy.requests(), ["TransactWriteItems"; 2]);
        assert_eq!(member(&ledger).await, second.member.and_then(|change| change.member));
        assert_eq!(ledger.deliveries(POOL).await.unwrap().len(), 1);
        assert_eq!(owner(&ledger, "anna").await, Some(Owner::user("anna")));
    });
}

#[test]
fn a_commit_whose_answers_are_all_lost_is_done_once_when_repeated() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        let anna = Owner::user("anna");
        let changes = [
            ("PutItem", with_member(change(), 0)),
            ("TransactWriteItems", with_name(with_member(change(), 1), "anna", &anna, None)),
            ("TransactWriteItems", with_name(change(), "without a member", &anna, Some(after(60)))),
        ];
        for (operation, change) in &changes {
            for _ in 0..Limits::TOOL.attempts {
                proxy.make(operation, Trouble::LostAnswer);
            }
            proxy.requests();
            let fault = ledger.commit(change).await.unwrap_err();
            assert_eq!(fault.kind(), FaultKind::Service);
            assert_eq!(proxy.requests(), [*operation; Limits::TOOL.attempts as usize]);
            assert_eq!(ledger.commit(change).await.unwrap(), Committed::Done);
        }
        assert_eq!(member(&ledger).await.unwrap().version, 2);
        assert_eq!(owner(&ledger, "without a member").await, Some(anna));
    });
}

#[test]
fn a_lost_answer_after_an_adjustment_is_done_once() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        let anna = Owner::user("anna");
        ledger.commit(&with_name(change(), "anna", &anna, Some(after(60)))).await.unwrap();
        let again = with_name(with_name(change(), "anna", &anna, Some(after(90))), "new", &anna, Some(after(90)));
        proxy.requests();
        // The first try is refused, since the reservation lives already; the second is done, and its answers are lost.
        proxy.make("TransactWriteItems", Trouble::None);
        for _ in 0..Limits::TOOL.attempts {
            proxy.make("TransactWriteItems", Trouble::LostAnswer);
        }
        assert!(ledger.commit(&again).await.is_err());
        assert_eq!(proxy.requests(), ["TransactWriteItems"; 1 + Limits::TOOL.attempts as usize]);
        assert_eq!(ledger.commit(&again).await.unwrap(), Committed::Done);
        assert_eq!(owner(&ledger, "new").await, Some(anna));
    });
}

/// What only DynamoDB's own memory of the token tells: nothing of the first try is left to be seen.
#[test]
fn a_repeated_change_without_a_member_is_known_after_others() {
    let ministack = Ministack::shared();
    run(async move {
        let (_, ledger) = table(&ministack).await;
        let anna = Owner::user("anna");
        let release = |keys: &[&str]| {
            let wish = || NameChange::Release { owners: vec![Owner::user("anna")] };
            Change { names: keys.iter().map(|key| (name(key), wish())).collect(), ..change() }
        };
        let plain = with_name(change(), "plain", &anna, Some(after(60)));
        ledger.commit(&plain).await.unwrap();
        ledger.commit(&release(&["plain"])).await.unwrap();
        assert_eq!(ledger.commit(&plain).await.unwrap(), Committed::Done);
        assert_eq!(owner(&ledger, "plain").await, None, "the repeated change took the name again");

        // The same for one that was adjusted, since it renews a live reservation.
        ledger.commit(&with_name(change(), "kept", &anna, Some(after(60)))).await.unwrap();
        let adjusted = with_name(with_name(change(), "kept", &anna, Some(after(90))), "new", &anna, Some(after(90)));
        ledger.commit(&adjusted).await.unwrap();
        ledger.commit(&release(&["new"])).await.unwrap();
        assert_eq!(ledger.commit(&adjusted).await.unwrap(), Committed::Done);
        assert_eq!(owner(&ledger, "new").await, None, "the repeated change took the name again");
    });
}

#[test]
fn a_conflict_is_tried_again() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        for trouble in [conflict(), refused("TransactionInProgressException"), conflict()] {
            proxy.make("TransactWriteItems", trouble);
        }
        let first = with_name(with_member(change(), 0), "anna", &Owner::user("anna"), None);
        assert_eq!(ledger.commit(&first).await.unwrap(), Committed::Done);
        proxy.make("PutItem", refused("TransactionConflictException"));
        assert_eq!(ledger.commit(&with_member(change(), 1)).await.unwrap(), Committed::Done);
        assert_eq!(member(&ledger).await.unwrap().version, 2);
    });
}

#[test]
fn a_conflict_that_does_not_end_is_a_fault_in_time() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::EVENT).await;
        for _ in 0..1_000 {
            proxy.make("TransactWriteItems", conflict());
        }
        let started = Instant::now();
        let change = with_name(with_member(change(), 0), "anna", &Owner::user("anna"), None);
        let fault = ledger.commit(&change).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Contention);
        assert!(started.elapsed() < Limits::EVENT.busy + Limits::EVENT.operation, "{:?}", started.elapsed());
        assert_eq!(member(&ledger).await, None);
    });
}

#[test]
fn a_throttled_call_is_tried_again() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        proxy.make("PutItem", refused("ProvisionedThroughputExceededException"));
        proxy.make("BatchGetItem", refused("ThrottlingException"));
        assert_eq!(ledger.commit(&with_member(change(), 0)).await.unwrap(), Committed::Done);
        assert_eq!(member(&ledger).await.unwrap().version, 1);
        assert_eq!(proxy.requests(), ["PutItem", "PutItem", "BatchGetItem", "BatchGetItem"]);
    });
}

#[test]
fn what_is_left_over_is_asked_for_again() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        let change =
            (0..30).fold(with_member(change(), 0), |change, number| with_delivery(change, &number.to_string()));
        ledger.commit(&change).await.unwrap();
        proxy.requests();
        proxy.make("BatchGetItem", Trouble::LeftOver);
        assert_eq!(member(&ledger).await.unwrap().version, 1);
        assert_eq!(proxy.requests(), ["BatchGetItem"; 2]);
        proxy.make("BatchWriteItem", Trouble::LeftOver);
        let ids: Vec<_> = change.deliveries.iter().map(|delivery| delivery.id.clone()).collect();
        ledger.acknowledge(&[ids.clone(), ids].concat()).await.unwrap();
        assert!(proxy.requests().len() >= 3, "25 a call");
        assert_eq!(ledger.deliveries(POOL).await.unwrap(), []);
    });
}

#[test]
fn a_server_that_is_silent_is_given_up_in_time() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::EVENT).await;
        proxy.make("PutItem", Trouble::Silence);
        assert_eq!(ledger.commit(&with_member(change(), 0)).await.unwrap(), Committed::Done);
        for _ in 0..3 {
            proxy.make("BatchGetItem", Trouble::Silence);
        }
        let started = Instant::now();
        let fault = ledger.read(&Wants { pool: POOL.into(), ..Wants::default() }).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert!(fault.causes().contains("BatchGetItem"), "{fault}");
    });
}

#[test]
fn faults_name_the_call_and_nobody() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        proxy.make("PutItem", refused("ValidationException"));
        let fault = ledger.commit(&with_member(change(), 0)).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Service);
        assert_eq!(fault.causes(), "DynamoDB PutItem failed: ValidationException");
        let missing = DynamoLedger::open("no-such-table", &environment(&ministack.endpoint()), Limits::EVENT).unwrap();
        let fault = missing.commit(&with_member(change(), 0)).await.unwrap_err().causes();
        assert!(fault.starts_with("DynamoDB PutItem failed: ResourceNotFoundException: "), "{fault}");
        assert!(fault.contains("(request "), "{fault}");
        assert!(!fault.contains("anna"), "{fault}");
    });
}

#[test]
fn opening_connects_and_tolerates_that_it_cannot() {
    let ministack = Ministack::shared();
    run(async move {
        let (name, _) = table(&ministack).await;
        let proxy = Proxy::before(ministack.address()).await;
        let open = |address: &str, endpoint: &str| {
            (LEDGER.open)(Opening { address: address.to_owned(), environment: environment(endpoint) })
        };
        let ledger = open(&name, &proxy.endpoint()).await.unwrap();
        assert_eq!(proxy.requests(), [""; 0], "nothing is called at start");
        while proxy.connections() == 0 {
            tokio::task::yield_now().await;
        }
        ledger.read(&Wants { pool: POOL.into(), ..Wants::default() }).await.unwrap();
        assert_eq!((proxy.requests(), proxy.connections()), (vec!["BatchGetItem".to_owned()], 1));
        let started = Instant::now();
        assert!(open(&name, "http://127.0.0.1:9").await.is_ok());
        // It takes connections, and never says a word of TLS.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(open(&name, &format!("https://{}", silent.local_addr().unwrap())).await.is_ok());
        assert!(started.elapsed() < Duration::from_millis(2_500), "{:?}", started.elapsed());
        assert!(open("", &proxy.endpoint()).await.is_err());
    });
}

#[test]
fn the_table_is_as_documented() {
    let ministack = Ministack::shared();
    run(async move {
        let (name, ledger) = table(&ministack).await;
        ledger.create_table().await.expect("making it again changes nothing");
        let client = client(&ministack);
        let table = client.describe_table().table_name(&name).send().await.unwrap().table.unwrap();
        assert_eq!(table.billing_mode_summary.unwrap().billing_mode.unwrap().as_str(), "PAY_PER_REQUEST");
        let keys: Vec<_> = table.key_schema.unwrap().into_iter().map(|key| key.attribute_name).collect();
        assert_eq!(keys, ["pk", "sk"]);
        let index = &table.global_secondary_indexes.unwrap()[0];
        let keys: Vec<_> = index.key_schema().iter().map(|key| key.attribute_name()).collect();
        assert_eq!((index.index_name(), keys), (Some("due"), vec!["shard", "due"]));
        assert_eq!(index.projection().unwrap().projection_type().unwrap().as_str(), "KEYS_ONLY");
        let answer = client.describe_time_to_live().table_name(&name).send().await.unwrap();
        let description = answer.time_to_live_description.unwrap();
        assert_eq!(description.attribute_name(), Some("ttl"));
        assert_eq!(description.time_to_live_status().unwrap().as_str(), "ENABLED");
    });
}

#[test]
fn the_longest_name_cognito_allows_can_be_held() {
    let ministack = Ministack::shared();
    run(async move {
        let (_, ledger) = table(&ministack).await;
        // Attributes have up to 2,048 characters.
        let long = "🧑".repeat(2_048);
        let anna = Owner::user("anna");
        assert_eq!(ledger.commit(&with_name(change(), &long, &anna, None)).await.unwrap(), Committed::Done);
        assert_eq!(owner(&ledger, &long).await, Some(anna));
        let other = ledger.commit(&with_name(change(), &long, &Owner::user("bea"), None)).await.unwrap();
        assert!(matches!(other, Committed::Moved(moved) if moved.taken == [name(&long)].into()));
    });
}
