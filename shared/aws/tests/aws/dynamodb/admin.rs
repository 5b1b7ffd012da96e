//! What an operator asks of the table: what it costs, and what happens when the table is busy or an answer is lost.

use cognito_triggers::FaultKind;
use cognito_triggers::ledger::{Downtime, Ledger, LedgerAdmin, Member, MemberChange, Switches, Wants};
use cognito_triggers_aws::Limits;
use serde_json::json;

use super::{NOW, POOL, change, proxied, refused, with_delivery, with_member};
use crate::ministack::Ministack;
use crate::proxy::Trouble;
use crate::run;

/// What DynamoDB says when a table has too much to do.
const BUSY: &str = "ProvisionedThroughputExceededException";

fn down(message: &str) -> Switches {
    let downtime = Downtime { messages: [(String::new(), message.to_owned())].into(), ..Downtime::since(NOW) };
    Switches { maintenance: [(Switches::EVERY_CLIENT.to_owned(), downtime)].into(), ..Switches::default() }
}

async fn switches(ledger: &impl Ledger) -> Switches {
    ledger.read(&Wants { pool: POOL.into(), ..Wants::default() }).await.unwrap().switches
}

#[test]
fn switches_are_written_in_one_request() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        assert!(ledger.switch(POOL, 0, &down("one")).await.unwrap());
        assert!(!ledger.switch(POOL, 0, &down("stale")).await.unwrap());
        assert!(ledger.switch(POOL, 1, &down("two")).await.unwrap());
        assert_eq!(proxy.requests(), ["PutItem"; 3]);
        assert_eq!(switches(&ledger).await, Switches { version: 2, ..down("two") });
    });
}

#[test]
fn switches_whose_answer_was_lost_are_known_to_be_written() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        for (version, message) in [(0, "one"), (1, "two")] {
            proxy.make("PutItem", Trouble::LostAnswer);
            assert!(ledger.switch(POOL, version, &down(message)).await.unwrap(), "{message} was taken for refused");
            assert_eq!(proxy.requests(), ["PutItem"; 2]);
            assert_eq!(switches(&ledger).await, Switches { version: version + 1, ..down(message) });
            proxy.requests();
        }
    });
}

#[test]
fn a_busy_table_is_asked_again_and_given_up_in_time() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        ledger.commit(&with_member(change(), 0)).await.unwrap();
        proxy.requests();
        // More often than a call is attempted.
        for _ in 0..Limits::TOOL.attempts + 3 {
            proxy.make("Scan", refused(BUSY));
            proxy.make("PutItem", refused(BUSY));
        }
        let found = ledger.members(POOL, None).await.unwrap();
        assert_eq!(found.members.iter().map(|(sub, _)| sub.as_str()).collect::<Vec<_>>(), ["anna"]);
        assert!(ledger.switch(POOL, 0, &down("one")).await.unwrap());
        assert_eq!(switches(&ledger).await.version, 1);

        let (ledger, proxy) = proxied(&ministack, Limits::EVENT).await;
        for _ in 0..1_000 {
            proxy.make("Scan", refused(BUSY));
            proxy.make("PutItem", refused(BUSY));
        }
        let started = std::time::Instant::now();
        let faults =
            [ledger.members(POOL, None).await.unwrap_err(), ledger.switch(POOL, 0, &down("x")).await.unwrap_err()];
        for (fault, operation) in faults.iter().zip(["DynamoDB Scan", "DynamoDB PutItem"]) {
            assert_eq!(fault.kind(), FaultKind::Contention);
            assert!(fault.causes().starts_with(operation), "{fault}");
        }
        assert!(started.elapsed() < (Limits::EVENT.busy + Limits::EVENT.operation) * 2, "{:?}", started.elapsed());
        while proxy.forget("PutItem") {}
        assert_eq!(switches(&ledger).await, Switches::default());
    });
}

/// A page is a megabyte of the table, whatever stands in it.
#[test]
fn pages_may_be_empty_and_every_member_comes_once() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        let long = json!("x".repeat(200_000));
        let write = async |pool: &str, sub: &str| {
            let member =
                Member { other: [("long".to_owned(), long.clone())].into_iter().collect(), ..Member::default() };
            let mut change = change();
            let member = member.sealed(0, change.id.clone(), NOW);
            change.pool = pool.into();
            change.member = Some(MemberChange { sub: sub.into(), expected: 0, member: Some(member) });
            ledger.commit(&change).await.unwrap();
        };
        for number in 0..12 {
            write("another pool", &number.to_string()).await;
            write("last pool", &number.to_string()).await;
        }
        for number in 0..3 {
            write(POOL, &format!("{number}#\n\"%")).await;
            ledger.commit(&with_delivery(change(), &format!("\n{number}"))).await.unwrap();
        }
        proxy.requests();
        let (mut subs, mut empty, mut page) = (Vec::new(), 0, None);
        loop {
            let found = ledger.members(POOL, page).await.unwrap();
            empty += usize::from(found.members.is_empty());
            subs.extend(found.members.into_iter().map(|(sub, _)| sub));
            page = found.next;
            if page.is_none() {
                break;
            }
        }
        subs.sort();
        assert_eq!(subs, ["0#\n\"%", "1#\n\"%", "2#\n\"%"]);
        assert!(empty > 0 && proxy.requests().len() >= 5, "this is not what was to be tried");
    });
}

#[test]
fn a_place_that_is_none_is_refused() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        let fault = ledger.members(POOL, Some("anna".into())).await.unwrap_err();
        assert_eq!(fault.causes(), "this is not where a page of members begins");
        assert_eq!(proxy.requests(), Vec::<String>::new());
    });
}

#[test]
fn forgetting_a_member_is_one_request_and_done_once_when_its_answer_is_lost() {
    let ministack = Ministack::shared();
    run(async move {
        let (ledger, proxy) = proxied(&ministack, Limits::TOOL).await;
        ledger.commit(&with_member(change(), 0)).await.unwrap();
        let mut forget = change();
        forget.member = Some(MemberChange { sub: "anna".into(), expected: 1, member: None });
        proxy.requests();
        proxy.make("TransactWriteItems", Trouble::LostAnswer);
        ledger.commit(&forget).await.unwrap();
        assert_eq!(proxy.requests(), ["TransactWriteItems"; 2]);
        assert_eq!(super::member(&ledger).await, None);
        // Somebody who was under way makes the member anew, and the call is repeated once more.
        ledger.commit(&with_member(change(), 0)).await.unwrap();
        ledger.commit(&forget).await.unwrap();
        assert_eq!(super::member(&ledger).await.map(|member| member.version), Some(1));
    });
}
