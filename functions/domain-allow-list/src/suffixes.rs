//! Where a registration ends: the [public suffix list](https://publicsuffix.org) of the build.
//!
//! The crate `psl` has the list as code, which is a quarter of a function that has it, and zipped several times what the list takes
//! as a text. So `suffixes.txt` is that text, made from the data of `psl` by `cargo run --package domain-allow-list
//! --example suffixes`. Tests ask `psl` for every suffix, and notice when it has a newer list.

use std::cmp::Ordering;

/// The rules of the list, sorted: one a line, its labels from the right, `uk.co`. The last may be `*`, or `!` and the label that is an
/// exception to that. Lines with `#` come before all others.
const RULES: &str = include_str!("suffixes.txt");

/// What somebody registered: the public suffix that `domain` ends with, and one label more. `None` if it is such a suffix itself.
///
/// `domain` is in the form of [`ascii`](crate::domains::ascii). A last label that is not in the list counts as a suffix, as the list's
/// own description has it.
pub(crate) fn registrable(domain: &str) -> Option<&str> {
    // What has been looked at of the domain's end, as the list has it, and how long the suffix is.
    let (mut seen, mut suffix) = (String::with_capacity(domain.len()), 0);
    for label in domain.rsplit('.') {
        if seen.is_empty() {
            suffix = label.len();
            seen.push_str(label);
            continue;
        }
        if is_listed(&format!("{seen}.!{label}")) {
            // An exception can be registered: what is above it is the suffix.
            suffix = seen.len();
            break;
        }
        let is_any = is_listed(&format!("{seen}.*"));
        seen.push('.');
        seen.push_str(label);
        if is_any || is_listed(&seen) {
            suffix = seen.len();
        }
    }
    let before = domain.get(..domain.len().checked_sub(suffix + 1)?)?;
    let label = before.rsplit('.').next()?;
    domain.get(before.len() - label.len()..)
}

/// Whether a line of the list is this.
fn is_listed(rule: &str) -> bool {
    let mut lines = RULES;
    while !lines.is_empty() {
        let middle = lines.len() / 2;
        let begin = lines.get(..middle).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let Some((line, after)) = lines.get(begin..).and_then(|lines| lines.split_once('\n')) else { return false };
        match line.cmp(rule) {
            Ordering::Equal => return true,
            Ordering::Less => lines = after,
            Ordering::Greater => lines = lines.get(..begin).unwrap_or_default(),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rules, their labels from the right.
    fn rules() -> impl Iterator<Item = &'static str> {
        RULES.lines().filter(|line| !line.starts_with('#'))
    }

    fn from_the_right(labels: &str) -> String {
        labels.rsplit('.').collect::<Vec<_>>().join(".")
    }

    /// `psl` forgets a `*` for a label that has rules of its own below: it knows `*.run.app` and `*.mtls.run.app`, and takes
    /// `mtls.run.app` for registered.
    fn forgets(domain: &str) -> bool {
        let rule = from_the_right(domain);
        let any = rule.rsplit_once('.').map(|(above, _)| format!("{above}.*"));
        !is_listed(&rule) && any.is_some_and(|any| is_listed(&any)) && is_listed(&format!("{rule}.*"))
    }

    #[track_caller]
    fn is_as_psl_has_it(domain: &str) {
        if forgets(domain) {
            assert_eq!(registrable(domain), None, "{domain}");
        } else {
            assert_eq!(registrable(domain), psl::domain_str(domain), "{domain}");
        }
    }

    #[test]
    fn every_suffix_ends_where_psl_has_it_end() {
        for rule in rules() {
            let rule = from_the_right(&rule.replace('!', "").replace('*', "any"));
            for front in ["", "a.", "b.a.", "x", "c.x"] {
                is_as_psl_has_it(&format!("{front}{rule}"));
            }
            for parent in rule.match_indices('.').filter_map(|(at, _)| rule.get(at + 1..)) {
                is_as_psl_has_it(parent);
            }
        }
    }

    #[test]
    fn a_star_counts_beside_rules_that_are_longer() {
        assert_eq!(registrable("mtls.run.app"), None);
        assert_eq!(registrable("a.mtls.run.app"), None);
        assert_eq!(registrable("b.a.mtls.run.app"), Some("b.a.mtls.run.app"));
        assert_eq!(registrable("b.other.run.app"), Some("b.other.run.app"));
        assert!(rules().filter(|rule| forgets(&from_the_right(rule.trim_end_matches(".*")))).count() < 50);
    }

    #[test]
    fn the_list_is_the_one_of_psl() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, after) = lock.split_once("name = \"psl\"\nversion = \"").expect("psl is in Cargo.lock");
        let version = after.split('"').next().expect("a version");
        assert!(
            RULES.lines().next().is_some_and(|line| line.contains(&format!("as psl {version} has it"))),
            "psl is {version} now: run `cargo run --package domain-allow-list --example suffixes`, see there"
        );
        assert!(rules().is_sorted(), "a line out of order is not found");
        assert!(rules().count() > 10_000);
    }

    proptest! {
        #[test]
        fn whatever_the_domain_the_answer_is_that_of_psl(labels in prop::collection::vec("[a-z]{1,4}|com|uk|co|jp|city|kawasaki|ck|www|xn--55qx5d|cn", 1..6)) {
            is_as_psl_has_it(&labels.join("."));
        }
    }
}
