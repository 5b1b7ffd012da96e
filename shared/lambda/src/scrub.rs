//! Takes out of a text whatever the event says of a user.
//!
//! The text of a fault is written by whoever failed: a rule, a service, a library. It may quote what it was given. None of
//! them can be trusted not to, so everything that stands in the event is struck out before the text is logged.

use std::collections::{HashMap, HashSet};

/// The longest text that is logged, in characters.
const LONGEST: usize = 1000;

/// Of a longer text no more than this is looked at, in characters.
const LONGEST_READ: usize = 16_000;

/// Stands where something was struck out.
const GAP: char = '…';

/// The fewest characters that are struck out: less says nothing of anybody and stands everywhere.
const SHORTEST: usize = 3;

/// Members of the event that say nothing of a user.
const HARMLESS: &[&str] = &["version", "triggerSource", "region", "userPoolId", "callerContext"];

/// Values that say nothing of a user, and would blot the text.
const BORING: &[&str] = &[
    "true",
    "false",
    "null",
    "none",
    "unconfirmed",
    "confirmed",
    "external_provider",
    "reset_required",
    "force_change_password",
];

/// The text without anything the event says of its user, e-mail addresses and phone numbers; at most 1,000 characters.
///
/// Struck out is every value of at least three characters outside of the event's outer shell, in small or capital letters,
/// plain or as quoted in JSON or Rust; of an e-mail address also what stands before the `@`. It costs what it costs: there
/// are only faults to be scrubbed.
#[must_use]
pub fn scrub(text: &str, event: &[u8]) -> String {
    let secrets = Secrets::of(&String::from_utf8_lossy(event));
    let mut chars: Vec<char> = text.chars().take(LONGEST_READ).collect();
    let mut struck = secrets.hits(&chars);
    if chars.len() == LONGEST_READ {
        // A value may stand across the cut.
        let from = LONGEST_READ.saturating_sub(secrets.longest);
        struck.iter_mut().skip(from).for_each(|struck| *struck = true);
    }
    let mut changed = strike(&mut chars, &struck);
    if chars.len() > LONGEST {
        chars.truncate(LONGEST - 1);
        chars.push(GAP);
        changed = true;
    }
    // What is left and right of a gap may now read, with the gap, as another value. Every round makes the text shorter.
    while changed {
        let struck = secrets.hits(&chars);
        changed = strike(&mut chars, &struck);
    }
    chars.into_iter().collect()
}

/// Puts a gap in the place of each run of struck characters; whether there was any.
fn strike(chars: &mut Vec<char>, struck: &[bool]) -> bool {
    let mut kept = Vec::with_capacity(chars.len());
    let mut within = false;
    for (char, struck) in chars.iter().zip(struck) {
        match (*struck, within) {
            (true, false) => kept.push(GAP),
            (true, true) => {}
            (false, _) => kept.push(*char),
        }
        within = *struck;
    }
    let changed = kept.len() != chars.len();
    *chars = kept;
    changed
}

/// What must not be written, in small letters, by its first three characters.
#[derive(Default)]
struct Secrets {
    by_start: HashMap<[char; SHORTEST], HashSet<Vec<char>>>,
    longest: usize,
}

impl Secrets {
    fn of(event: &str) -> Self {
        let mut secrets = Self::default();
        each_value(event, HARMLESS, &mut |value| secrets.add_value(value, 0));
        secrets
    }

    /// One value as it stands in the JSON, without its quotation marks.
    fn add_value(&mut self, raw: &str, depth: u8) {
        self.add(raw);
        let plain = serde_json::from_str::<String>(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.to_owned());
        // A value may be megabytes long, and what is done to it below takes many times that.
        let short = beginning(&plain);
        self.add(short);
        self.add(&short.escape_debug().to_string());
        let json = serde_json::Value::from(short).to_string();
        self.add(json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json));
        if let Some((local, _)) = plain.split_once('@') {
            self.add(local);
        }
        // `identities` is a list written as JSON in a string.
        if depth < 3 && plain.trim_start().starts_with(['{', '[']) {
            each_value(&plain, &[], &mut |value| self.add_value(value, depth + 1));
        }
    }

    fn add(&mut self, value: &str) {
        for value in [value, value.trim()].map(beginning) {
            if value.chars().count() < SHORTEST || BORING.contains(&value.to_lowercase().as_str()) {
                continue;
            }
            // No text that is looked at holds more of it.
            let folded: Vec<char> = value.chars().flat_map(char::to_lowercase).take(LONGEST_READ).collect();
            if let Some(start) = folded.first_chunk::<SHORTEST>() {
                self.longest = self.longest.max(folded.len());
                self.by_start.entry(*start).or_default().insert(folded);
            }
        }
    }

    /// Which characters of a text belong to something that must not be written.
    fn hits(&self, text: &[char]) -> Vec<bool> {
        let mut struck = vec![false; text.len()];
        // One capital letter can be several small ones: each remembers where it comes from.
        let (folded, origin): (Vec<char>, Vec<usize>) = text
            .iter()
            .enumerate()
            .flat_map(|(index, char)| char.to_lowercase().map(move |small| (small, index)))
            .unzip();
        let mut mark = |from: usize, length: usize| {
            for index in origin.iter().skip(from).take(length) {
                if let Some(struck) = struck.get_mut(*index) {
                    *struck = true;
                }
            }
        };
        for from in 0..folded.len() {
            let rest = folded.get(from..).unwrap_or_default();
            let known = rest.first_chunk::<SHORTEST>().and_then(|start| self.by_start.get(start));
            for value in known.into_iter().flatten().filter(|value| rest.starts_with(value)) {
                mark(from, value.len());
            }
            if let Some((before, after)) = address_at(&folded, from) {
                mark(from - before, before + 1 + after);
            }
            if let Some(length) = phone_number_at(rest) {
                mark(from, length);
            }
        }
        struck
    }
}

/// As much of a value as can stand in a text that is looked at.
fn beginning(value: &str) -> &str {
    value.char_indices().nth(LONGEST_READ).and_then(|(end, _)| value.get(..end)).unwrap_or(value)
}

/// How many characters of an e-mail address stand before and after the `@` here.
fn address_at(text: &[char], at: usize) -> Option<(usize, usize)> {
    if text.get(at) != Some(&'@') {
        return None;
    }
    let apart = |char: &&char| !char.is_whitespace() && !"\"'`<>()[]{},;:=\\/…@".contains(**char);
    let before = text.iter().take(at).rev().take_while(apart).count();
    let after = text.iter().skip(at + 1).take_while(apart).count();
    (before > 0 && after > 0).then_some((before, after))
}

/// How long the phone number is that begins here: a plus sign and seven digits at least, as Cognito writes them.
fn phone_number_at(text: &[char]) -> Option<usize> {
    let (plus, digits) = text.split_first()?;
    let digits = digits.iter().take_while(|char| char.is_ascii_digit()).count();
    (*plus == '+' && digits >= 7).then_some(digits + 1)
}

/// Shows every string and number of a JSON text as it stands there, except those under the outermost members named.
///
/// Not a parser: it has to find them in text that is broken, nested too deep, or has a name twice.
fn each_value(text: &str, except: &[&str], show: &mut impl FnMut(&str)) {
    let (mut depth, mut member) = (0_usize, "");
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let token = match first {
            '"' => string(rest),
            '0'..='9' | '-' => scalar(rest),
            '{' | '[' => {
                depth += 1;
                ""
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                ""
            }
            _ => "",
        };
        let quotes = if first == '"' { 1 } else { 0 };
        let end = (quotes + token.len()).max(first.len_utf8());
        let after = rest.get(end..).unwrap_or_default();
        let after = if quotes == 1 { after.strip_prefix('"').unwrap_or(after) } else { after };
        let names = quotes == 1 && after.trim_start().starts_with(':');
        if names && depth == 1 {
            member = token;
        }
        if !token.is_empty() && !names && !except.contains(&member) {
            show(token);
        }
        rest = after;
    }
}

/// The inside of the string that begins here.
fn string(text: &str) -> &str {
    let inside = text.get(1..).unwrap_or_default();
    let mut escaped = false;
    let end = inside.char_indices().find(|(_, char)| {
        let ends = *char == '"' && !escaped;
        escaped = *char == '\\' && !escaped;
        ends
    });
    end.and_then(|(end, _)| inside.get(..end)).unwrap_or(inside)
}

/// The number that begins here.
fn scalar(text: &str) -> &str {
    let end = text.find(|char: char| !char.is_ascii_alphanumeric() && !"+-.".contains(char)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const EVENT: &str = r#"{
        "version": "1", "triggerSource": "PreSignUp_SignUp", "region": "eu-central-1",
        "userPoolId": "eu-central-1_Example01", "userName": "5a1d2c3b-0000-4000-8000-1234567890ab",
        "callerContext": {"awsSdkVersion": "aws-sdk-3", "clientId": "1example23456789"},
        "request": {
            "userAttributes": {
                "email": "Anna.Lena@example.com", "name": "Zo\u00eb \"Z\" K\u00f6hler", "birthdate": "2001-02-03",
                "email_verified": "true", "cognito:user_status": "CONFIRMED", "custom:number": 4917000001, "initial": "Zo",
                "identities": "[{\"userId\":\"109531\",\"providerName\":\"Google\"}]"
            },
            "validationData": {"code": "SECRET-CODE-42"}, "clientMetadata": null,
            "password": "tr0ub4dor&3", "challengeAnswer": {"deep": ["within-a-list"]}
        },
        "response": {"x": null}
    }"#;

    fn scrubbed(text: &str) -> String {
        scrub(text, EVENT.as_bytes())
    }

    #[test]
    fn what_the_event_says_of_the_user_is_struck_out() {
        assert_eq!(scrubbed("no entry 5a1d2c3b-0000-4000-8000-1234567890ab"), "no entry …");
        assert_eq!(scrubbed("bad code `SECRET-CODE-42` and tr0ub4dor&3"), "bad code `…` and …");
        assert_eq!(scrubbed("born 2001-02-03, 4917000001, within-a-list"), "born …, …, …");
    }

    #[test]
    fn letters_may_be_small_or_capital_and_quotes_escaped() {
        assert_eq!(scrubbed("ANNA.lena@EXAMPLE.com, secret-code-42"), "…, …");
        assert_eq!(scrubbed("no user anna.lena here"), "no user … here");
        assert_eq!(scrubbed(&format!("{:?}", "Zoë \"Z\" Köhler")), "\"…\"");
        assert_eq!(scrubbed(r#"bad name Zo\u00eb \"Z\" K\u00f6hler"#), "bad name …");
    }

    #[test]
    fn values_within_a_value_are_struck_out() {
        assert_eq!(scrubbed("no user 109531 at Google"), "no user … at …");
    }

    #[test]
    fn what_helps_to_find_the_cause_stays() {
        let text =
            "PreSignUp_SignUp in eu-central-1_Example01 for 1example23456789: email_verified is true, CONFIRMED, Zo";
        assert_eq!(scrubbed(text), text);
    }

    #[test]
    fn addresses_and_numbers_of_others_are_struck_out() {
        assert_eq!(scrubbed("cc: <bert@müller.example>, tel:+491700000001."), "cc: <…>, tel:….");
        assert_eq!(scrubbed("2 @ 3, +12 and @rest"), "2 @ 3, +12 and @rest");
    }

    #[test]
    fn overlapping_values_leave_nothing_between_them() {
        assert_eq!(scrub("xabcdex", br#"{"a":"abc","b":"cde"}"#), "x…x");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let cut = scrub(&"ä".repeat(5000), b"{}");
        assert_eq!((cut.chars().count(), cut.ends_with("ä…")), (1000, true));
        let value = "v".repeat(2000);
        let event = json!({"request": {"v": value}}).to_string();
        // Across both cuts.
        for before in [990, 15_500] {
            let cut = scrub(&format!("{}{value}", " ".repeat(before)), event.as_bytes());
            assert!(!cut.contains("vv"), "{before}");
        }
    }

    #[test]
    fn an_event_that_is_broken_is_read_as_far_as_it_goes() {
        assert_eq!(scrub("with hunter2 and hunter3", br#"{"request": {"password": "hunter2"#), "with … and hunter3");
        assert_eq!(scrub("with hunter2", b"\xff{\"a\":\"hunter2\"}"), "with …");
        let deep = format!("{}\"hunter2\"", r#"{"a":["#.repeat(10_000));
        assert_eq!(scrub("with hunter2", deep.as_bytes()), "with …");
        assert_eq!(scrub("with hunter2", br#"{"userName":"hunter2","userName":"x"}"#), "with …");
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,12}",
            "[a-cA-C@.…\" \\\\{}\\[\\]:]{3,6}",
            "[a-z]{2,8}@[a-z]{2,8}\\.example",
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn no_value_of_three_characters_survives(
            values in proptest::collection::vec(value(), 1..8),
            words in proptest::collection::vec(("\\PC{0,6}", any::<prop::sample::Index>(), 0..4_u8), 0..30),
        ) {
            let named = |(index, value): (usize, &String)| (format!("k{index}"), json!(value));
            let attributes: serde_json::Map<_, _> = values.iter().enumerate().map(named).collect();
            let event = json!({
                "triggerSource": "PreSignUp_SignUp", "userName": values[0],
                "request": {"userAttributes": attributes, "clientMetadata": {"deep": [values]}},
            });
            let text: String = words.iter().map(|(word, index, how)| {
                let value = index.get(&values);
                match how {
                    0 => format!("{word}{value}"),
                    1 => format!("{word} {value:?}"),
                    2 => format!("{word}: {}", json!(value)),
                    _ => format!("{word}{}", value.to_uppercase()),
                }
            }).collect();
            let scrubbed = scrub(&text, event.to_string().as_bytes());
            prop_assert!(scrubbed.chars().count() <= LONGEST);
            for value in values.iter().filter(|value| value.chars().count() >= SHORTEST) {
                prop_assert!(BORING.contains(&value.to_lowercase().as_str()) || !scrubbed.contains(value.as_str()));
            }
        }
    }
}
