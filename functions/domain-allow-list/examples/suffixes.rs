//! Prints `src/suffixes.txt` as the version of `psl` in Cargo.lock has the list:
//!
//!     cargo run --package domain-allow-list --example suffixes > suffixes.txt && mv suffixes.txt functions/domain-allow-list/src/

#![allow(clippy::print_stdout, clippy::expect_used, reason = "it prints a table, for whoever updates it")]

use std::path::Path;
use std::process::Command;

use domain_allow_list::domains::ascii;

fn main() {
    let cargo = env!("CARGO");
    let output = Command::new(cargo).args(["metadata", "--format-version", "1"]).output().expect("cargo metadata");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata.get("packages").and_then(serde_json::Value::as_array).expect("packages");
    let psl = packages.iter().find(|package| package["name"] == "psl").expect("psl is in Cargo.lock");
    let manifest = Path::new(psl["manifest_path"].as_str().expect("a path"));
    let rules =
        std::fs::read_to_string(manifest.with_file_name("data").join("rules.txt")).expect("data/rules.txt of psl");

    let mut lines: Vec<_> = rules.lines().filter(|rule| !rule.is_empty()).map(line).collect();
    lines.sort();
    println!(
        "# The Public Suffix List, https://publicsuffix.org (Mozilla Public License 2.0), as psl {} has it.",
        psl["version"].as_str().expect("a version")
    );
    println!("# Made by `cargo run --package domain-allow-list --example suffixes`; see suffixes.rs.");
    lines.iter().for_each(|line| println!("{line}"));
}

/// A rule with its labels from the right, in the spelling of domains.
fn line(rule: &str) -> String {
    let (sign, rule) = match rule.strip_prefix("*.") {
        Some(rule) => (".*", rule),
        None => ("", rule),
    };
    let (exception, rule) = match rule.strip_prefix('!') {
        Some(rule) => ("!", rule),
        None => ("", rule),
    };
    let rule = ascii(rule).expect("a suffix is a domain");
    let (first, above) = rule.split_once('.').unwrap_or((&rule, ""));
    let above: String = above.rsplit('.').filter(|label| !label.is_empty()).map(|label| format!("{label}.")).collect();
    format!("{above}{exception}{first}{sign}")
}
