//! What a courier's calls cost, and what becomes of deliveries when answers are lost, the table is busy, or the index is late.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use cognito_triggers::ledger::{Backlog, Fate, Lease, LeaseId, Outbox};
use cognito_triggers_aws::OUTBOX;
use sha2::{Digest, Sha256};

use super::*;

fn lease(seconds: i64) -> Lease {
    Lease { id: LeaseId::random().unwrap(), now: after(seconds), until: after(seconds + 60) }
}

fn later() -> Fate {
    Fate::Later { due: after(500), attempts: 1, failing_since: Some(NOW), fault: "down".into() }
}

/// Stores deliveries that are due 30 s later, and answers them.
async fn stage(ledger: &DynamoLedger, keys: &[String]) -> Vec<Delivery> {
    let change = keys.iter().fold(change(), |change, key| with_delivery(change, key));
    assert_eq!(ledger.commit(&change).await.unwrap(), Committed::Done);
    change.deliveries
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k{number}")).collect()
}

fn ids(deliveries: &[Delivery]) -> BTreeSet<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id.clone()).collect()
}

/// How often each operation was asked for since the last time.
fn calls(proxy: &Proxy) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for operation in proxy.requests() {
        *calls.entry(operation).or_default() += 1;
    }
    calls
}

fn called<const N: usize>(calls: [(&str, usize); N]) -> BTreeMap<String, usize> {
    calls.map(|(operation, count)| (operation.to_owned(), count)).into()
}

fn answered(body: &Value) -> Trouble {
    Trouble::Answered(200, body.to_string())
}

#[test]
fn a_courier_asks_for_no_more_than_it_needs() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        assert_eq!(ledger.lease_due(&lease(30), 40).await.unwrap(), []);
        assert_eq!(calls(&proxy), called([("Query", 16)]), "nothing is due");
        let staged = stage(&ledger, &keys(3)).await;
        calls(&proxy);
        assert_eq!(ledger.lease_due(&lease(30), 0).await.unwrap(), []);
        assert_eq!(calls(&proxy), called([]), "nothing is wanted");
        let held = lease(30);
        assert_eq!(ledger.lease_due(&held, 40).await.unwrap().len(), 3);
        assert_eq!(calls(&proxy), called([("Query", 16), ("UpdateItem", 3)]));
        assert!(ledger.settle(&staged[0].id, &held.id, &later()).await.unwrap());
        assert_eq!(calls(&proxy), called([("UpdateItem", 1)]));
        assert!(ledger.redrive(&staged[0].id, after(60)).await.unwrap());
        assert_eq!(calls(&proxy), called([("UpdateItem", 1)]));
        assert_eq!(ledger.lease(&[staged[0].id.clone(), staged[1].id.clone()], &lease(60)).await.unwrap().len(), 1);
        assert_eq!(calls(&proxy), called([("UpdateItem", 2)]));
        assert_eq!(ledger.backlog(after(90)).await.unwrap(), Backlog { due: 2, oldest: Some(after(90)), parked: 0 });
        assert_eq!(calls(&proxy), called([("Query", 17)]));
    });
}

/// Whatever the hashes of the keys come to.
#[test]
fn what_stands_in_one_shard_is_leased_by_one_call() {
    let ministack = Ministack::shared();
    run(async move {
        let (name, _) = table(&ministack).await;
        let proxy = Proxy::before(ministack.address()).await;
        let ledger = DynamoLedger::open(&name, &environment(&proxy.endpoint()), Limits::TOOL).unwrap();
        let shard = |key: &String| Sha256::digest(format!("U#{POOL}#annaD#{key}"))[0] % 16;
        let keys: Vec<_> = keys(2_000).into_iter().filter(|key| shard(key) == 3).take(30).collect();
        let staged = stage(&ledger, &keys).await;
        let items = client(&ministack).scan().table_name(&name).send().await.unwrap().items.unwrap();
        assert_eq!(items.len(), 30);
        for item in items {
            assert_eq!(item["shard"], AttributeValue::N("3".into()), "the test knows the shard of a key no more");
        }
        calls(&proxy);
        let leased = ledger.lease_due(&lease(30), 30).await.unwrap();
        assert_eq!(ids(&leased), ids(&staged));
        let calls = calls(&proxy);
        assert_eq!(calls["UpdateItem"], 30);
        assert!((19..=20).contains(&calls["Query"]), "{calls:?}");
    });
}

#[test]
fn a_step_whose_answer_is_lost_is_taken_once() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        let id = stage(&ledger, &keys(1)).await.remove(0).id;
        let held = lease(30);
        for (step, lose) in ["lease", "settle", "redrive", "lease again", "park"].iter().zip([1, 2, 3, 1, 2]) {
            calls(&proxy);
            for _ in 0..lose {
                proxy.make("UpdateItem", Trouble::LostAnswer);
            }
            let taken = match *step {
                "lease" => ledger.lease_due(&held, 10).await.unwrap().len() == 1,
                "settle" => ledger.settle(&id, &held.id, &later()).await.unwrap(),
                "redrive" => ledger.redrive(&id, after(60)).await.unwrap(),
                "lease again" => {
                    ledger
                        .lease(std::slice::from_ref(&id), &Lease { now: after(60), ..held.clone() })
                        .await
                        .unwrap()
                        .len()
                        == 1
                }
                _ => {
                    let parked = Fate::Parked { at: after(70), attempts: 2, fault: "no such address".into() };
                    ledger.settle(&id, &held.id, &parked).await.unwrap()
                }
            };
            assert!(taken, "{step}: its answer was lost, and with it what was done");
            assert_eq!(calls(&proxy)["UpdateItem"], lose + 1, "{step}");
        }
        let stored = ledger.deliveries(POOL).await.unwrap().remove(0);
        assert_eq!((stored.parked, stored.attempts, stored.lease), (Some(after(70)), 2, None));
    });
}

/// The same lease, in another call: what the courier has already it must not be given again.
#[test]
fn a_courier_is_not_given_twice_what_it_has() {
    let ministack = Ministack::shared();
    run(async move {
        let (name, _) = table(&ministack).await;
        let proxy = Proxy::before(ministack.address()).await;
        let ledger = DynamoLedger::open(&name, &environment(&proxy.endpoint()), Limits::TOOL).unwrap();
        let staged = stage(&ledger, &keys(1)).await;
        let item = client(&ministack).scan().table_name(&name).send().await.unwrap().items.unwrap().remove(0);
        let late = |name: &str| match &item[name] {
            AttributeValue::S(text) => json!({ "S": text }),
            AttributeValue::N(digits) => json!({ "N": digits }),
            other => panic!("{other:?}"),
        };
        let late = json!({ "pk": late("pk"), "sk": late("sk"), "shard": late("shard"), "due": late("due") });
        let held = lease(30);
        assert_eq!(ids(&ledger.lease_due(&held, 10).await.unwrap()), ids(&staged));
        // The index has not heard of it yet.
        for lease in [held, lease(31)] {
            calls(&proxy);
            proxy.make("Query", answered(&json!({ "Items": [late], "Count": 1, "ScannedCount": 1 })));
            assert_eq!(ledger.lease_due(&lease, 10).await.unwrap(), []);
            assert_eq!(calls(&proxy), called([("Query", 16), ("UpdateItem", 1)]));
        }
        // It was carried out, and the index has not heard of that.
        ledger.acknowledge(std::slice::from_ref(&staged[0].id)).await.unwrap();
        proxy.make("Query", answered(&json!({ "Items": [late], "Count": 1, "ScannedCount": 1 })));
        assert_eq!(ledger.lease_due(&lease(1_000), 10).await.unwrap(), []);
        assert_eq!(ledger.deliveries(POOL).await.unwrap(), [], "a lease made a delivery of nothing");
    });
}

#[test]
fn a_busy_table_is_asked_again() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        stage(&ledger, &keys(2)).await;
        for code in ["TransactionConflictException", "ProvisionedThroughputExceededException", "ThrottlingException"] {
            proxy.make("UpdateItem", refused(code));
        }
        proxy.make("Query", refused("ProvisionedThroughputExceededException"));
        assert_eq!(ledger.lease_due(&lease(30), 10).await.unwrap().len(), 2);
    });
}

#[test]
fn what_could_be_leased_is_worked_on_though_something_failed() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        let staged = stage(&ledger, &keys(12)).await;
        proxy.make("UpdateItem", refused("ValidationException"));
        let first = ledger.lease_due(&lease(30), 12).await.unwrap();
        assert_eq!(first.len(), 11);
        proxy.make("UpdateItem", refused("ValidationException"));
        let fault = ledger.lease_due(&lease(30), 12).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Service);
        assert!(fault.causes().contains("DynamoDB UpdateItem failed: ValidationException"), "{fault}");
        assert!(!fault.causes().contains("anna"), "{fault}");
        let second = ledger.lease_due(&lease(30), 12).await.unwrap();
        assert_eq!(ids(&[first, second].concat()), ids(&staged), "each once");

        // The same if part of the index does not answer.
        for _ in 0..15 {
            proxy.make("Query", refused("ValidationException"));
        }
        let some = ledger.lease_due(&lease(90), 12).await;
        assert!(some.as_ref().map_or(true, |some| some.len() < 12), "{some:?}");
        for _ in 0..16 {
            proxy.make("Query", refused("ValidationException"));
        }
        assert!(ledger.lease_due(&lease(90), 12).await.is_err(), "nothing is known, which is not nothing");

        // Where nothing can be leased, not everything that is due is tried.
        stage(&ledger, &keys(90)).await;
        calls(&proxy);
        for _ in 0..5 {
            proxy.make("UpdateItem", refused("AccessDeniedException"));
        }
        assert!(ledger.lease_due(&lease(500), 5).await.is_err());
        assert_eq!(calls(&proxy), called([("Query", 16), ("UpdateItem", 5)]));
    });
}

/// Has deliveries hold what no version knows.
async fn damage(client: &Client, table: &str, keys: &[String]) {
    for key in keys {
        let damage = client.update_item().table_name(table);
        damage
            .key("pk", AttributeValue::S(format!("U#{POOL}#anna")))
            .key("sk", AttributeValue::S(format!("D#{key}")))
            .update_expression("SET #data = :data")
            .expression_attribute_names("#data", "data")
            .expression_attribute_values(":data", AttributeValue::S(r#"{"id":"anna is secret"}"#.into()))
            .send()
            .await
            .unwrap();
    }
}

#[test]
fn a_delivery_that_cannot_be_read_holds_up_no_other() {
    let ministack = Ministack::shared();
    run(async move {
        let (name, ledger) = table(&ministack).await;
        let staged = stage(&ledger, &keys(3)).await;
        damage(&client(&ministack), &name, &["k1".into()]).await;
        let leased = ledger.lease_due(&lease(30), 10).await.unwrap();
        assert_eq!(ids(&leased), ids(&[staged[0].clone(), staged[2].clone()]));
        assert_eq!(ledger.lease_due(&lease(30), 10).await.unwrap(), []);
        let fault = ledger.lease(std::slice::from_ref(&staged[1].id), &lease(90)).await.unwrap_err();
        assert!(fault.causes().contains("(delivery)") && !fault.causes().contains("secret"), "{fault}");
    });
}

#[test]
fn nor_do_many_that_cannot_be_read() {
    let ministack = Ministack::shared();
    run(async move {
        let (name, ledger) = table(&ministack).await;
        let staged = stage(&ledger, &keys(40)).await;
        damage(&client(&ministack), &name, &keys(38)).await;
        let leased = ledger.lease_due(&lease(30), 2).await.unwrap();
        assert_eq!(ids(&leased), ids(&staged[38..]));
        let done: Vec<_> = leased.iter().map(|delivery| delivery.id.clone()).collect();
        ledger.acknowledge(&done).await.unwrap();
        // They are there for whoever can read them.
        assert!(ledger.lease_due(&lease(200), 2).await.unwrap_err().causes().contains("(delivery)"));
        assert_eq!(ledger.backlog(after(400)).await.unwrap().due, 38);
    });
}

#[test]
fn a_backlog_of_more_than_a_page_is_counted_to_its_end() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        // What a page of a megabyte looks like.
        let place = json!({ "pk": { "S": "U#a" }, "sk": { "S": "D#a" }, "shard": { "N": "0" }, "due": { "N": "-1" } });
        let first = json!({ "Items": [{ "due": { "N": "-62.5" } }], "Count": 5_000, "LastEvaluatedKey": place });
        let second = json!({ "Count": 4_000, "LastEvaluatedKey": place });
        let more = [first, second, json!({ "Count": 300 })];
        // Several shards are asked at once: who hears which page does not change the sum.
        for page in more.into_iter().chain(std::iter::repeat_n(json!({ "Count": 0 }), 16)) {
            proxy.make("Query", answered(&page));
        }
        let oldest = Some("1969-12-31T23:58:57.5Z".parse().unwrap());
        assert_eq!(ledger.backlog(after(30)).await.unwrap(), Backlog { due: 9_300, oldest, parked: 0 });
        assert_eq!(calls(&proxy), called([("Query", 19)]));
    });
}

#[test]
fn what_is_parked_stands_apart() {
    let ministack = Ministack::shared();
    run(async move {
        let (name, ledger) = table(&ministack).await;
        let id = stage(&ledger, &keys(1)).await.remove(0).id;
        let held = lease(30);
        ledger.lease(std::slice::from_ref(&id), &held).await.unwrap();
        let client = client(&ministack);
        let item = async || client.scan().table_name(&name).send().await.unwrap().items.unwrap().remove(0);
        let before = item().await;
        let parked = Fate::Parked { at: after(40), attempts: 1, fault: "no such address".into() };
        assert!(ledger.settle(&id, &held.id, &parked).await.unwrap());
        assert_eq!(item().await["shard"], AttributeValue::N("16".into()));
        assert!(ledger.redrive(&id, after(50)).await.unwrap());
        let after = item().await;
        assert_eq!(after["shard"], before["shard"]);
        assert_eq!(after["data"], before["data"], "what a delivery is stays as it was staged");
        for gone in ["lease", "parked", "failing"] {
            assert!(!after.contains_key(gone), "{gone}");
        }
    });
}

#[test]
fn the_outbox_is_the_ledgers_table() {
    let ministack = Ministack::shared();
    run(async move {
        let (name, ledger) = table(&ministack).await;
        let staged = stage(&ledger, &keys(1)).await;
        let open = |address: &str| {
            (OUTBOX.open)(Opening { address: address.to_owned(), environment: environment(&ministack.endpoint()) })
        };
        let outbox = open(&name).await.unwrap();
        assert_eq!(ids(&outbox.lease_due(&lease(30), 10).await.unwrap()), ids(&staged));
        assert!(open("").await.is_err());
    });
}
