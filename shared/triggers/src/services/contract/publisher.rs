//! What every publisher promises.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{CROWD, clauses, refused_for_good};
use crate::Publisher;
use crate::ledger::UserEvent;

type Case = super::Case<dyn Publisher, dyn Audience>;

/// Looks at what the publisher published.
#[async_trait]
pub trait Audience: Send + Sync + 'static {
    /// Every event of a pool that was published, in any order. Where events take their time to arrive it waits until there
    /// are so many, or no more can be expected.
    async fn published(&self, pool: &str, at_least: usize) -> Vec<UserEvent>;
}

clauses! {
    dyn Publisher, dyn Audience;
    once:
        an_event_arrives_whole
        an_event_without_detail_arrives
        every_value_arrives_as_it_is
        large_events_arrive_or_are_refused
        events_of_pools_are_told_apart
        an_event_published_again_bears_its_id
    ;
    rounds:
        of_many_at_once_all_arrive_whole
    ;
}

impl Case {
    fn pool(&self) -> String {
        format!("eu-central-1_{}", self.mark)
    }

    fn event(&self, number: usize, detail: Value) -> UserEvent {
        let Value::Object(detail) = detail else { panic!("a detail is an object") };
        // EventBridge keeps the time to the second.
        let time = Timestamp::constant(4_102_444_800, 0);
        UserEvent { id: format!("{}-{number}", self.mark), name: "user.confirmed".into(), time, detail }
    }

    async fn publish(&self, event: &UserEvent) {
        self.service().publish(&self.pool(), event).await.expect("an event was not published");
    }

    /// Publishes events and compares what arrives.
    async fn arrive(&self, mut events: Vec<UserEvent>) {
        for event in &events {
            self.publish(event).await;
        }
        let mut arrived = self.witness.published(&self.pool(), events.len()).await;
        arrived.sort_by(|one, other| one.id.cmp(&other.id));
        events.sort_by(|one, other| one.id.cmp(&other.id));
        same(&arrived, &events);
    }
}

/// `Debug` of an event shows its name alone.
fn same(arrived: &[UserEvent], sent: &[UserEvent]) {
    let text = |event: &UserEvent| serde_json::to_string(event).unwrap();
    assert_eq!(arrived.iter().map(text).collect::<Vec<_>>(), sent.iter().map(text).collect::<Vec<_>>());
}

async fn an_event_arrives_whole(case: Case) {
    let detail = json!({
        "version": 1,
        "user": { "sub": "1", "attributes": { "email": "anna@example.com", "locale": "de-AT" } },
        "client": { "id": "1example23456789", "name": null },
    });
    let signed_in = UserEvent { name: "user.signed_in".into(), ..case.event(2, json!({ "version": 1 })) };
    case.arrive(vec![case.event(1, detail), signed_in]).await;
}

async fn an_event_without_detail_arrives(case: Case) {
    case.arrive(vec![UserEvent { detail: Map::new(), ..case.event(1, json!({})) }]).await;
}

async fn every_value_arrives_as_it_is(case: Case) {
    let detail = json!({
        "texts": ["", " ", "Grüße, 日本語 \u{1f600}", "\"quoted\" \\ / \u{8}\u{c}\t", "one\ntwo\r\nthree", "\u{2028}\u{2029}\u{85}",
            "\u{0}\u{1f}\u{7f}", "{\"not\": \"parsed\"}", "</script>"],
        "numbers": [0, -1, 9_007_199_254_740_993_i64, i64::MIN, 0.5, -1.25e-7],
        "others": [true, false, null, [], {}, [[]], [{}]],
        "": { " ": { "ключ": { "a.b": { "a/b": 1 } } } },
    });
    case.arrive(vec![case.event(1, detail)]).await;
}

async fn large_events_arrive_or_are_refused(case: Case) {
    case.arrive(vec![case.event(1, json!({ "text": "0123456789".repeat(20_000) }))]).await;
    let huge = case.event(2, json!({ "text": "ü".repeat(2_000_000) }));
    let published = case.service().publish(&case.pool(), &huge).await;
    let mut expected = vec![case.event(1, json!({ "text": "0123456789".repeat(20_000) }))];
    match published {
        Ok(()) => expected.push(huge),
        Err(fault) => refused_for_good(&fault, "an event of four million bytes"),
    }
    let mut arrived = case.witness.published(&case.pool(), expected.len()).await;
    arrived.sort_by(|one, other| one.id.cmp(&other.id));
    assert!(arrived == expected, "{} of {} arrived whole", arrived.len(), expected.len());
    // Nor does it keep the next one out.
    case.publish(&case.event(3, json!({}))).await;
    let next = case.witness.published(&case.pool(), expected.len() + 1).await;
    assert!(next.contains(&case.event(3, json!({}))), "the event after it is lost");
}

async fn events_of_pools_are_told_apart(case: Case) {
    let other = format!("{}Z", case.pool());
    let (ours, theirs) = (case.event(1, json!({ "whose": "ours" })), case.event(2, json!({ "whose": "theirs" })));
    case.publish(&ours).await;
    case.service().publish(&other, &theirs).await.expect("an event was not published");
    same(&case.witness.published(&case.pool(), 1).await, &[ours]);
    same(&case.witness.published(&other, 1).await, &[theirs]);
}

/// By its id a consumer tells that it had an event already.
async fn an_event_published_again_bears_its_id(case: Case) {
    let event = case.event(1, json!({ "version": 1 }));
    case.publish(&event).await;
    case.publish(&event).await;
    let arrived = case.witness.published(&case.pool(), 2).await;
    assert!((1..=2).contains(&arrived.len()), "two were published, {} arrived", arrived.len());
    arrived.into_iter().for_each(|arrived| same(&[arrived], std::slice::from_ref(&event)));
}

async fn of_many_at_once_all_arrive_whole(case: Case) {
    const EACH: usize = 4;
    let event = |case: &Case, task: usize, number: usize| {
        let text = format!("{task}-{number} ").repeat(1 + 1_000 * (task % 4));
        case.event(1_000 + task * EACH + number, json!({ "text": text, "task": task }))
    };
    case.at_once(CROWD, |task, case| async move {
        for number in 0..EACH {
            case.publish(&event(&case, task, number)).await;
        }
    })
    .await;
    let mut arrived = case.witness.published(&case.pool(), CROWD * EACH).await;
    arrived.sort_by(|one, other| one.id.cmp(&other.id));
    let all = (0..CROWD).flat_map(|task| (0..EACH).map(move |number| (task, number)));
    let expected: Vec<_> = all.map(|(task, number)| event(&case, task, number)).collect();
    same(&arrived, &expected);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::tests::{complaint, holds};
    use super::*;
    use crate::Fault;
    use crate::services::contract;

    #[derive(Clone, Copy, PartialEq)]
    enum Flaw {
        None,
        OneName,
        DropsEmpty,
        Floats,
        RefusesForNow,
        OnePool,
        NewIds,
        LosesTheSecond,
    }

    /// A wall in memory, written on with more or less care.
    struct Wall(Flaw, Mutex<Vec<(String, UserEvent)>>);

    #[async_trait]
    impl Publisher for Wall {
        async fn publish(&self, pool: &str, event: &UserEvent) -> Result<(), Fault> {
            let (mut pool, mut event) = (pool.to_owned(), event.clone());
            let mut all = self.1.lock().unwrap();
            match self.0 {
                Flaw::OneName => event.name = "user.confirmed".into(),
                Flaw::DropsEmpty if event.detail.is_empty() => return Ok(()),
                Flaw::Floats => event.detail.values_mut().for_each(floats),
                Flaw::RefusesForNow
                    if event.detail.values().any(|it| it.as_str().is_some_and(|it| it.len() > 1 << 20)) =>
                {
                    return Err(Fault::new("too large"));
                }
                Flaw::OnePool => pool = pool.trim_end_matches('Z').into(),
                Flaw::NewIds => event.id = all.len().to_string(),
                Flaw::LosesTheSecond if all.len() == 1 => return Ok(()),
                _ => {}
            }
            all.push((pool, event));
            Ok(())
        }
    }

    fn floats(value: &mut Value) {
        match value {
            Value::Number(number) => *value = json!(number.as_f64()),
            Value::Array(values) => values.iter_mut().for_each(floats),
            _ => {}
        }
    }

    #[async_trait]
    impl Audience for Wall {
        async fn published(&self, pool: &str, _: usize) -> Vec<UserEvent> {
            let all = self.1.lock().unwrap();
            all.iter().filter(|(of, _)| of == pool).map(|(_, event)| event.clone()).collect()
        }
    }

    fn suite(flaw: Flaw) -> contract::Suite<dyn Publisher, dyn Audience> {
        let wall = Arc::new(Wall(flaw, Mutex::default()));
        contract::publisher(wall.clone(), wall)
    }

    #[test]
    fn a_careful_publisher_keeps_the_contract() {
        holds(&suite(Flaw::None));
    }

    #[test]
    fn every_flaw_is_noticed_and_named() {
        for (flaw, clause) in [
            (Flaw::OneName, "an_event_arrives_whole"),
            (Flaw::DropsEmpty, "an_event_without_detail_arrives"),
            (Flaw::Floats, "every_value_arrives_as_it_is"),
            (Flaw::RefusesForNow, "large_events_arrive_or_are_refused"),
            (Flaw::OnePool, "events_of_pools_are_told_apart"),
            (Flaw::NewIds, "an_event_published_again_bears_its_id"),
            (Flaw::LosesTheSecond, "of_many_at_once_all_arrive_whole"),
        ] {
            let text = complaint(&suite(flaw), clause);
            let expected = format!("the publisher breaks 1 of 1 clauses\n\n{clause} (round 1 of ");
            assert!(text.starts_with(&expected), "{text}");
        }
    }
}
