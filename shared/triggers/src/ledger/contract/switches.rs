//! What every ledger promises of the switches: what was switched is read with the next read, and nobody writes over what he has
//! not seen.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Case, Clause, after, clauses, counting};
use crate::ledger::{Downtime, Switches, Wants};

clauses! {
    once:
        switches_come_back_as_they_were_written
        switches_that_moved_are_not_written
        switches_of_pools_are_separate
        members_and_switches_do_not_meet;
    rounds:
        one_of_many_writes_the_switches;
}

impl Case {
    async fn switches(&self) -> Switches {
        self.read(self.wants()).await.switches
    }

    async fn switch(&self, expected: u64, switches: &Switches) -> bool {
        self.ledger().switch(&self.pool, expected, switches).await.expect("the switches could not be written")
    }
}

fn down(client: &str, message: &str) -> Switches {
    let messages =
        [(String::new(), message.to_owned()), ("de-AT".to_owned(), "Wir sind um zwölf zurück".to_owned())].into();
    let downtime = Downtime { until: Some(after(3_600)), messages, ..Downtime::since(after(0)) };
    Switches { maintenance: [(client.to_owned(), downtime)].into(), ..Switches::default() }
}

async fn switches_come_back_as_they_were_written(case: Case) {
    assert_eq!(case.switches().await, Switches::default());
    let mut first = down(Switches::EVERY_CLIENT, "Back at \u{1f558} \"soon\"\\");
    let open = Downtime::since(after(5));
    first.maintenance.insert("client #1%".into(), open);
    first.other.insert("of-a-newer-version".into(), json!({ "list": [1, 0.5, null], "nested": { "": "" } }));
    // Which version it becomes is not for the caller to say.
    assert!(case.switch(0, &Switches { version: 77, ..first.clone() }).await);
    let stored = case.switches().await;
    assert_eq!(stored, Switches { version: 1, ..first.clone() });
    let mut second = stored.clone();
    second.maintenance.clear();
    assert!(case.switch(1, &second).await);
    assert_eq!(case.switches().await, Switches { version: 2, maintenance: BTreeMap::new(), ..first });
}

async fn switches_that_moved_are_not_written(case: Case) {
    assert!(!case.switch(1, &down("a", "never")).await, "nothing was there that could be version 1");
    assert_eq!(case.switches().await, Switches::default());
    assert!(case.switch(0, &down("a", "one")).await);
    assert!(case.switch(1, &down("a", "two")).await);
    for expected in [0, 1, 3] {
        assert!(!case.switch(expected, &down("a", "stale")).await, "{expected}");
        assert_eq!(case.switches().await, Switches { version: 2, ..down("a", "two") }, "{expected}");
    }
    assert!(case.switch(2, &Switches::default()).await);
    assert_eq!(case.switches().await, Switches { version: 3, ..Switches::default() });
}

async fn switches_of_pools_are_separate(case: Case) {
    let other = Case { pool: format!("{}#x", case.pool), ..case.clone() };
    assert!(case.switch(0, &down("a", "mine")).await);
    assert_eq!(other.switches().await, Switches::default());
    assert!(other.switch(0, &down("a", "theirs")).await);
    assert_eq!(case.switches().await, Switches { version: 1, ..down("a", "mine") });
}

async fn members_and_switches_do_not_meet(case: Case) {
    assert!(case.switch(0, &down("a", "one")).await);
    let change = case.change().write("K", 0, &counting(1));
    case.done(&change).await;
    assert!(case.switch(1, &down("a", "two")).await);
    // One read brings both, the switches as they are now.
    let reading = case.read(Wants { sub: Some("K".into()), ..case.wants() }).await;
    assert_eq!(reading.member, Some(change.sealed_member()));
    assert_eq!(reading.switches, Switches { version: 2, ..down("a", "two") });
}

async fn one_of_many_writes_the_switches(case: Case) {
    const CROWD: usize = 16;
    for version in 0..3 {
        let written = case
            .at_once(CROWD, |number, case| async move { case.switch(version, &down("a", &number.to_string())).await })
            .await;
        let winners: Vec<_> = (0..CROWD).filter(|number| written[*number]).collect();
        assert_eq!(winners.len(), 1, "of those who read version {version} these wrote: {winners:?}");
        let expected = Switches { version: version + 1, ..down("a", &winners[0].to_string()) };
        assert_eq!(case.switches().await, expected);
    }
}
