//! What is done before the commit, because what is written relies on it.

use super::*;

/// A rule that writes down that somebody was signed out.
fn relying(key: &'static str) -> Arc<impl Rule<PostAuthentication>> {
    asks::<PostAuthentication, _>(move |visit| {
        Box::pin(async move {
            visit.ledger.member().await?.other.insert(key.into(), json!(true));
            visit.acts.stage_first(sign_out());
            visit.counts.one(key);
            Ok(Verdict::Continue)
        })
    })
}

fn denies() -> Arc<impl Rule<PostAuthentication>> {
    asks::<PostAuthentication, _>(|_| Box::pin(async { Ok(Verdict::deny("No")) }))
}

#[test]
fn what_is_relied_on_comes_before_the_commit_and_once() {
    let desk = desk("");
    let chain = chain(vec![("one", OnFault::Deny, relying("one")), ("two", OnFault::Continue, relying("two"))]);
    let (end, trace) = desk.bench.run(&chain, 4_000);
    assert_eq!(counted(&end), [("one", 1), ("two", 1)]);
    assert_eq!(desk.asked(), ["sign-out anna at version 0"]);
    assert_eq!(desk.version(), 1);
    assert_eq!(trace.calls, Calls { reads: 1, writes: 1, acknowledgements: 0 });
}

#[test]
fn nothing_is_written_that_relies_on_what_failed() {
    for (on_fault, passes) in [(OnFault::Deny, false), (OnFault::Continue, true)] {
        let desk = desk("sign-out");
        let (end, trace) = desk.bench.run(&chain(vec![("relies", on_fault, relying("relies"))]), 4_000);
        assert_eq!(matches!(end, End::Passed(_)), passes);
        assert_eq!((desk.asked().len(), desk.version(), trace.calls.writes), (1, 0, 0));
        if passes {
            assert!(counted(&end).is_empty(), "what was not written is counted");
            assert!(trace.passed_over.is_some(), "nobody hears of the fault");
        } else {
            assert_eq!(fault(end).0, Some("relies"));
        }
    }
}

#[test]
fn a_fault_that_is_passed_over_is_none_for_whoever_wants_more_written() {
    let desk = desk("sign-out");
    let chain = chain(vec![
        ("binds", OnFault::Deny, wanting("binds", Vec::new)),
        ("relies", OnFault::Continue, relying("relies")),
    ]);
    assert!(matches!(desk.bench.run(&chain, 4_000).0, End::Faulted { .. }));
    assert_eq!(desk.version(), 0);
}

#[test]
fn nobody_is_signed_out_for_a_sign_in_another_rule_refuses() {
    let desk = desk("");
    let chain = chain(vec![("relies", OnFault::Deny, relying("relies")), ("denies", OnFault::Deny, denies())]);
    assert!(matches!(desk.bench.run(&chain, 4_000).0, End::Denied { .. }));
    assert_eq!((desk.asked().len(), desk.version()), (0, 0));
}

#[test]
fn what_takes_too_long_leaves_no_time_for_the_commit() {
    let desk = slow_desk("", SignedDuration::from_millis(3_900));
    let (end, trace) = desk.bench.run(&chain(vec![("relies", OnFault::Deny, relying("relies"))]), 4_000);
    assert_eq!(fault(end).1, FaultKind::Timeout);
    assert_eq!((desk.asked().len(), desk.version(), trace.calls.writes), (1, 0, 0));
}

/// Signed out for nothing would be who is refused after all, for want of time to write it down.
#[test]
fn nobody_is_signed_out_where_no_time_would_be_left_to_write_it() {
    for (millis, acts) in [(300, 0), (399, 0), (401, 1)] {
        let desk = desk("");
        let (end, _) = desk.bench.run(&chain(vec![("relies", OnFault::Deny, relying("relies"))]), millis);
        assert_eq!(matches!(end, End::Passed(_)), acts == 1, "{millis}");
        assert_eq!((desk.asked().len(), desk.version()), (acts, u64::try_from(acts).unwrap()), "{millis}");
    }
}
