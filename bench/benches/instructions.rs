//! How many instructions an event takes from bytes to bytes, beside `serde_json` reading and printing the same event. What
//! is counted, by valgrind, is the same every time and on every machine of one kind, which no clock is.
//!
//! `make bench` installs the runner and runs it. Valgrind offers no SHA instructions, so hashing counts for more here than
//! it takes.
#![allow(missing_docs, reason = "what the macros make has none")]

use std::hint::black_box;

use cognito_triggers_bench::{Pool, ROOT_KEY, large, parse_and_print, sign_up};
use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};

/// A pool that has answered once, so that nothing is counted that only the first event costs.
fn warm(variables: &[(&str, &str)], event: String) -> (Pool, String) {
    let pool = Pool::of_three_rules(variables).unwrap_or_else(|error| unreachable!("{error}"));
    pool.handle(event.as_bytes(), 3);
    (pool, event)
}

fn keyless(event: String) -> (Pool, String) {
    warm(&[], event)
}

fn keyed(event: String) -> (Pool, String) {
    warm(&[("TRIGGERS_KEY", ROOT_KEY)], event)
}

#[library_benchmark]
#[bench::small(keyless(sign_up()))]
#[bench::large(keyless(large()))]
fn three_rules((pool, event): (Pool, String)) -> (Pool, String) {
    pool.handle(event.as_bytes(), 1);
    (pool, event)
}

#[library_benchmark]
#[bench::small(keyed(sign_up()))]
#[bench::large(keyed(large()))]
fn three_rules_and_a_hashed_user((pool, event): (Pool, String)) -> (Pool, String) {
    pool.handle(event.as_bytes(), 1);
    (pool, event)
}

#[library_benchmark]
#[bench::small(keyless(sign_up()))]
#[bench::large(keyless(large()))]
fn parse_and_print_with_serde_json((pool, event): (Pool, String)) -> (Pool, String) {
    black_box(parse_and_print(event.as_bytes()));
    (pool, event)
}

// The reference comes last: each of the others is then printed beside it, with the ratio.
library_benchmark_group!(
    name = handling;
    compare_by_id = true;
    benchmarks = three_rules, three_rules_and_a_hashed_user, parse_and_print_with_serde_json
);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::default().format([EventKind::Ir]));
    library_benchmark_groups = handling
);
