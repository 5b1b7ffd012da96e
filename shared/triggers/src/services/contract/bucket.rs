//! What every bucket promises.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{CROWD, clauses, refused_for_good};
use crate::services::{Object, Placed};
use crate::{Bucket, Fault};

type Case = super::Case<dyn Bucket, dyn Shelf>;

/// Looks at what the bucket stored.
#[async_trait]
pub trait Shelf: Send + Sync + 'static {
    /// What is stored under a key.
    async fn object(&self, key: &str) -> Option<Object>;
}

clauses! {
    dyn Bucket, dyn Shelf;
    once:
        nothing_is_there_at_first
        an_object_is_stored_as_it_is
        an_empty_object_is_an_object
        a_large_object_is_stored_whole
        every_content_type_is_kept
        what_is_there_is_left_as_it_was
        a_repetition_changes_nothing
        odd_keys_work
        keys_that_differ_are_different_objects
        the_longest_keys_work
        hostile_keys_are_kept_apart_or_refused
        impossible_keys_are_refused
        a_key_below_another_is_kept_apart_or_refused
        a_copy_has_the_bytes_and_the_content_type
        a_copy_leaves_what_it_was_made_of
        a_copy_overwrites_nothing
        odd_keys_are_copied
        there_has_to_be_something_to_copy
        keys_are_listed_in_order
        keys_are_listed_by_what_they_begin_with
        no_more_keys_are_listed_than_wanted
        a_long_list_comes_whole
    ;
    rounds:
        of_many_who_put_one_creates
        of_many_who_put_and_copy_one_creates
        many_objects_are_stored_at_once
        nobody_sees_half_an_object
    ;
}

impl Case {
    /// A key within what is this case's own.
    fn key(&self, name: &str) -> String {
        format!("trial-{}/{name}", self.mark)
    }

    async fn put(&self, key: &str, object: &Object) -> Placed {
        self.service().put_new(key, object).await.unwrap_or_else(|fault| panic!("`{key}` was not stored: {fault}"))
    }

    async fn created(&self, key: &str, object: &Object) {
        assert_eq!(self.put(key, object).await, Placed::Created, "`{key}`");
    }

    async fn copy(&self, from: &str, to: &str) -> Placed {
        let copied = self.service().copy_new(from, to).await;
        copied.unwrap_or_else(|fault| panic!("`{from}` was not copied to `{to}`: {fault}"))
    }

    async fn holds(&self, key: &str, object: &Object) {
        let found = self.witness.object(key).await;
        assert!(found.is_some(), "nothing is stored under `{key}`");
        // `Debug` of an object shows its kind and size alone.
        assert!(found.as_ref() == Some(object), "`{key}`: {object:?} was stored, {found:?} is there");
    }

    async fn list(&self, prefix: &str, most: usize) -> Vec<String> {
        self.service().list(prefix, most).await.expect("a list faulted")
    }

    async fn all(&self) -> Vec<String> {
        self.list(&self.key(""), usize::MAX).await
    }
}

fn text(body: &str) -> Object {
    Object { content_type: "text/plain; charset=utf-8".into(), body: body.into() }
}

fn html(body: &str) -> Object {
    Object { content_type: "text/html; charset=utf-8".into(), body: body.into() }
}

/// Keys that S3 takes and that mean something to file systems, URLs or shells.
const ODD: &[&str] = &[
    "a b",
    " ab ",
    "a+b",
    "a%20b",
    "a%2Fb",
    "a%",
    "100%.txt",
    "a..b",
    "..a",
    "a..",
    "...",
    ".hidden",
    "dot.",
    "a&b=c?d#e;f",
    "'quoted' \"twice\"",
    "<tag>{{ name }}",
    "*?[x]|~$HOME`id`!",
    "a:b@c,d",
    "C:drive",
    "CON",
    "nul.txt",
    "Grüße/日本語/\u{1f600}.txt",
    "e\u{301}",
    "UPPER.TXT",
    "-rf",
    "deep/er/and/deep/er/still",
];

/// Keys that S3 takes and that could lead out of a folder, or to somebody else's object.
const HOSTILE: &[&str] = &[
    "..",
    ".",
    "../out",
    "../../../../../../tmp/out",
    "a/../b",
    "a/./b",
    "a/..",
    "a//b",
    "//a",
    "a/",
    "a///",
    "a\\..\\..\\b",
    "..\\out",
    "a\nb",
    "a\r\nX-Header: b",
    "a\tb",
    "a\u{1}b",
    "a\u{7f}b",
    "a\u{0}b",
    "\u{202e}b",
    "\u{feff}",
    "~/a",
    "%2e%2e/out",
    "%2E%2E%2Fout",
    "%00",
];

async fn nothing_is_there_at_first(case: Case) {
    assert_eq!(case.all().await, Vec::<String>::new());
    assert!(case.witness.object(&case.key("a")).await.is_none());
}

async fn an_object_is_stored_as_it_is(case: Case) {
    let key = case.key("a.bin");
    let body: Vec<u8> = (0..=255).cycle().take(5_000).chain(*b"\r\n\n\r\x00").collect();
    let object = Object { content_type: "application/octet-stream".into(), body };
    case.created(&key, &object).await;
    case.holds(&key, &object).await;
    assert_eq!(case.all().await, [key]);
}

async fn an_empty_object_is_an_object(case: Case) {
    let key = case.key("empty.txt");
    case.created(&key, &text("")).await;
    case.holds(&key, &text("")).await;
    assert_eq!(case.put(&key, &text("more")).await, Placed::Existed);
    case.holds(&key, &text("")).await;
    assert_eq!(case.all().await, [key]);
}

async fn a_large_object_is_stored_whole(case: Case) {
    let key = case.key("large.txt");
    let object = text(&"0123456789".repeat(300_001));
    case.created(&key, &object).await;
    case.holds(&key, &object).await;
}

async fn every_content_type_is_kept(case: Case) {
    let types =
        ["text/html; charset=utf-8", "application/vnd.api+json", "image/svg+xml", "multipart/mixed; boundary=\"a b\""];
    for (number, content_type) in types.into_iter().enumerate() {
        let key = case.key(&format!("{number}.txt"));
        let object = Object { content_type: content_type.into(), ..text("x") };
        case.created(&key, &object).await;
        case.holds(&key, &object).await;
    }
}

async fn what_is_there_is_left_as_it_was(case: Case) {
    let key = case.key("a");
    case.created(&key, &text("first")).await;
    assert_eq!(case.put(&key, &html("second")).await, Placed::Existed);
    case.holds(&key, &text("first")).await;
}

/// The courier comes again when it could not note that it was done.
async fn a_repetition_changes_nothing(case: Case) {
    let key = case.key("a");
    case.created(&key, &text("same")).await;
    for _ in 0..3 {
        assert_eq!(case.put(&key, &text("same")).await, Placed::Existed);
    }
    case.holds(&key, &text("same")).await;
    assert_eq!(case.all().await, [key]);
}

async fn odd_keys_work(case: Case) {
    for name in ODD {
        case.created(&case.key(name), &text(name)).await;
    }
    for name in ODD {
        case.holds(&case.key(name), &text(name)).await;
        assert_eq!(case.put(&case.key(name), &html("again")).await, Placed::Existed, "`{name}`");
    }
    let expected: BTreeSet<_> = ODD.iter().map(|name| case.key(name)).collect();
    assert_eq!(case.all().await, Vec::from_iter(expected));
}

async fn keys_that_differ_are_different_objects(case: Case) {
    let names =
        ["a b", "a+b", "a%20b", "a%2520b", "a/b", "a%2Fb", "a%2fb", "a\u{301}b", "\u{e1}b", "a.b", "a.b.", "a b "];
    for name in names {
        case.created(&case.key(name), &text(name)).await;
    }
    for name in names {
        case.holds(&case.key(name), &text(name)).await;
    }
}

/// "The object key name is a sequence of Unicode characters with UTF-8 encoding of up to 1,024 bytes long" (S3 user guide).
async fn the_longest_keys_work(case: Case) {
    let room = 1_024 - case.key("").len();
    let one = "k".repeat(room);
    let parts = "0123456789/".repeat(room / 11) + &"z".repeat(room % 11);
    let wide = "ü".repeat(room / 2) + &"x".repeat(room % 2);
    // Alike for longer than a file may be called.
    let twin = format!("{}l", "k".repeat(room - 1));
    let shorter = "k".repeat(room - 1);
    let names = [one, parts, wide, twin, shorter];
    for name in &names {
        case.created(&case.key(name), &text(name)).await;
    }
    for name in &names {
        case.holds(&case.key(name), &text(name)).await;
    }
    let expected: BTreeSet<_> = names.iter().map(|name| case.key(name)).collect();
    assert_eq!(case.all().await, Vec::from_iter(expected));
    case.copy(&case.key(&names[0]), &case.key("copy")).await;
    case.holds(&case.key("copy"), &text(&names[0])).await;
}

async fn hostile_keys_are_kept_apart_or_refused(case: Case) {
    let bystanders = ["b", "out", "a/b", "a/out"].map(|name| case.key(name));
    for key in &bystanders {
        case.created(key, &text("bystander")).await;
    }
    let mut stored = BTreeSet::from_iter(bystanders.clone());
    for name in HOSTILE {
        let key = case.key(name);
        match case.service().put_new(&key, &text(name)).await {
            Ok(placed) => {
                assert_eq!(placed, Placed::Created, "{name:?} was taken for another key");
                case.holds(&key, &text(name)).await;
                assert_eq!(case.put(&key, &html("again")).await, Placed::Existed, "{name:?}");
                stored.insert(key);
            }
            Err(fault) => refused_for_good(&fault, &format!("{name:?}")),
        }
    }
    for name in HOSTILE {
        let key = case.key(name);
        match case.service().copy_new(&bystanders[0], &key).await {
            Ok(placed) => {
                assert_eq!((placed, stored.contains(&key)), (Placed::Existed, true), "{name:?} was copied to");
            }
            Err(fault) => {
                assert!(!stored.contains(&key), "{name:?} is stored and cannot be copied to: {fault}");
                refused_for_good(&fault, &format!("a copy to {name:?}"));
            }
        }
    }
    for key in &bystanders {
        case.holds(key, &text("bystander")).await;
    }
    assert_eq!(case.all().await, Vec::from_iter(stored));
}

async fn impossible_keys_are_refused(case: Case) {
    case.created(&case.key("a"), &text("a")).await;
    for key in [String::new(), case.key(&"k".repeat(1_025 - case.key("").len()))] {
        let what = format!("a key of {} bytes", key.len());
        let put = case.service().put_new(&key, &text("x")).await;
        refused_for_good(&put.expect_err(&what), &what);
        let copied = case.service().copy_new(&case.key("a"), &key).await;
        refused_for_good(&copied.expect_err(&what), &what);
    }
    assert_eq!(case.all().await, [case.key("a")]);
}

/// In S3 both stand side by side; on a disk a name is a file or a folder.
async fn a_key_below_another_is_kept_apart_or_refused(case: Case) {
    for (first, second) in [("one", "one/two"), ("three/four", "three"), ("five/six/seven", "five/six")] {
        let (first, second) = (case.key(first), case.key(second));
        case.created(&first, &text("first")).await;
        match case.service().put_new(&second, &html("second")).await {
            Ok(placed) => {
                assert_eq!(placed, Placed::Created, "`{second}` was taken for `{first}`");
                case.holds(&second, &html("second")).await;
            }
            Err(fault) => refused_for_good(&fault, &format!("`{second}` beside `{first}`")),
        }
        case.holds(&first, &text("first")).await;
    }
}

async fn a_copy_has_the_bytes_and_the_content_type(case: Case) {
    let (from, to) = (case.key("templates/a.html"), case.key("users/1/a.bin"));
    let object = Object { body: (0..=255).collect(), ..html("") };
    case.created(&from, &object).await;
    assert_eq!(case.copy(&from, &to).await, Placed::Created);
    case.holds(&to, &object).await;
    assert_eq!(case.all().await, [from, to]);
}

async fn a_copy_leaves_what_it_was_made_of(case: Case) {
    let (from, to, other) = (case.key("a"), case.key("b"), case.key("c"));
    case.created(&from, &html("x")).await;
    case.copy(&from, &to).await;
    case.copy(&to, &other).await;
    for key in [&from, &to, &other] {
        case.holds(key, &html("x")).await;
    }
}

async fn a_copy_overwrites_nothing(case: Case) {
    let (from, to) = (case.key("a"), case.key("b"));
    case.created(&from, &html("new")).await;
    case.created(&to, &text("old")).await;
    assert_eq!(case.copy(&from, &to).await, Placed::Existed);
    case.holds(&to, &text("old")).await;
    let third = case.key("c");
    assert_eq!(case.copy(&from, &third).await, Placed::Created);
    assert_eq!(case.copy(&from, &third).await, Placed::Existed);
    case.holds(&third, &html("new")).await;
}

async fn odd_keys_are_copied(case: Case) {
    // What a key that is read wrongly would find instead.
    for name in ["a", "b", "ab", "a-b"] {
        case.created(&case.key(name), &text("another")).await;
    }
    for name in ODD {
        let (from, to) = (case.key(&format!("from/{name}")), case.key(&format!("to/{name}")));
        case.created(&from, &html(name)).await;
        assert_eq!(case.copy(&from, &to).await, Placed::Created, "`{name}`");
        case.holds(&to, &html(name)).await;
    }
}

async fn there_has_to_be_something_to_copy(case: Case) {
    let (from, to) = (case.key("a"), case.key("b"));
    let copied: Result<Placed, Fault> = case.service().copy_new(&from, &to).await;
    let fault = copied.expect_err("a copy was made of nothing");
    assert!(!fault.causes().trim().is_empty(), "refused without a word");
    assert!(case.witness.object(&to).await.is_none(), "a copy of nothing is there");
    assert_eq!(case.all().await, Vec::<String>::new());
    // Once it is there it is copied.
    case.created(&from, &text("x")).await;
    assert_eq!(case.copy(&from, &to).await, Placed::Created);
}

/// "List results are always returned in UTF-8 binary order" (S3, ListObjectsV2).
async fn keys_are_listed_in_order(case: Case) {
    let mut keys =
        ["b", "a/z", "a/b/c", "a-b", "a.b", "a0", "B", "ä", "\u{ffee}", "\u{1f600}", "a b", "a/b0", "10", "9"]
            .map(|name| case.key(name));
    for key in &keys {
        case.created(key, &text("x")).await;
    }
    keys.sort();
    assert_eq!(case.all().await, keys);
    for most in 1..=keys.len() {
        assert_eq!(case.list(&case.key(""), most).await, keys[..most], "the first {most}");
    }
}

async fn keys_are_listed_by_what_they_begin_with(case: Case) {
    let names = ["one/a", "one/b/c", "one more/a", "one%20more", "on", "two/a", "zwölf/a", "zwo/a", "two/a.txt"];
    for name in names {
        case.created(&case.key(name), &text("x")).await;
    }
    for (prefix, found) in [
        ("one/", vec!["one/a", "one/b/c"]),
        ("one", vec!["one more/a", "one%20more", "one/a", "one/b/c"]),
        ("one ", vec!["one more/a"]),
        ("one%", vec!["one%20more"]),
        ("one/b", vec!["one/b/c"]),
        ("on", vec!["on", "one more/a", "one%20more", "one/a", "one/b/c"]),
        ("two/a", vec!["two/a", "two/a.txt"]),
        ("two/a/", vec![]),
        ("zwö", vec!["zwölf/a"]),
        ("three", vec![]),
        ("O", vec![]),
        ("../", vec![]),
        ("one/../two", vec![]),
    ] {
        let expected: Vec<_> = found.iter().map(|name| case.key(name)).collect();
        assert_eq!(case.list(&case.key(prefix), 100).await, expected, "what begins with `{prefix}`");
    }
}

async fn no_more_keys_are_listed_than_wanted(case: Case) {
    let keys = ["a", "b", "c"].map(|name| case.key(name));
    for key in &keys {
        case.created(key, &text("x")).await;
    }
    for most in [0, 1, 2, 3, 4, 2_000, usize::MAX] {
        assert_eq!(case.list(&case.key(""), most).await, keys[..most.min(3)], "{most} are wanted");
    }
}

/// "Returns some or all (up to 1,000) of the objects in a bucket with each request" (S3, ListObjectsV2).
async fn a_long_list_comes_whole(case: Case) {
    const MANY: usize = 1_040;
    let name = |number: usize| format!("{}/{number:04}", number % 3);
    case.at_once(CROWD, |task, case| async move {
        for number in (task..MANY).step_by(CROWD) {
            case.created(&case.key(&name(number)), &text("")).await;
        }
    })
    .await;
    let mut expected: Vec<_> = (0..MANY).map(|number| case.key(&name(number))).collect();
    expected.sort();
    assert_eq!(case.all().await, expected);
    for most in [999, 1_000, 1_001] {
        assert_eq!(case.list(&case.key(""), most).await, expected[..most], "{most} are wanted");
    }
}

async fn of_many_who_put_one_creates(case: Case) {
    let key = case.key("folder/that/is/new/a");
    let object = |number: usize| Object {
        content_type: format!("text/x-{number}"),
        body: number.to_string().repeat(10_000 + number).into(),
    };
    let wanted = key.clone();
    let placed = case
        .at_once(CROWD, |number, case| {
            let key = wanted.clone();
            async move { case.put(&key, &object(number)).await }
        })
        .await;
    let winners: Vec<_> = (0..CROWD).filter(|number| placed[*number] == Placed::Created).collect();
    assert_eq!(winners.len(), 1, "so many created it: {winners:?}");
    case.holds(&key, &object(winners[0])).await;
    assert_eq!(case.all().await, [key]);
}

async fn of_many_who_put_and_copy_one_creates(case: Case) {
    let from = case.key("from");
    case.created(&from, &html("copied")).await;
    let placed = case
        .at_once(CROWD, |number, case| async move {
            let to = case.key("to/a");
            if number % 2 == 0 { case.copy(&case.key("from"), &to).await } else { case.put(&to, &text("put")).await }
        })
        .await;
    let winners: Vec<_> = (0..CROWD).filter(|number| placed[*number] == Placed::Created).collect();
    assert_eq!(winners.len(), 1, "so many created it: {winners:?}");
    let expected = if winners[0] % 2 == 0 { html("copied") } else { text("put") };
    case.holds(&case.key("to/a"), &expected).await;
}

async fn many_objects_are_stored_at_once(case: Case) {
    let key = |case: &Case, number: usize| case.key(&format!("users/{}/{number}", number % 4));
    case.at_once(CROWD, |number, case| async move {
        case.created(&key(&case, number), &text(&number.to_string())).await;
    })
    .await;
    for number in 0..CROWD {
        case.holds(&key(&case, number), &text(&number.to_string())).await;
    }
    assert_eq!(case.all().await.len(), CROWD);
}

async fn nobody_sees_half_an_object(case: Case) {
    let whole = html(&"0123456789".repeat(200_000));
    let object = whole.clone();
    case.at_once(4, |number, case| {
        let object = object.clone();
        async move {
            if number == 0 {
                case.created(&case.key("a"), &object).await;
                return;
            }
            for _ in 0..20 {
                let listed = case.all().await;
                let seen = case.witness.object(&case.key("a")).await;
                assert!(seen.is_some() || listed.is_empty(), "it was listed before it was there");
                assert!(seen.is_none_or(|seen| seen == object), "half an object was seen");
            }
        }
    })
    .await;
    case.holds(&case.key("a"), &whole).await;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::super::tests::{complaint, holds, yield_once};
    use super::*;
    use crate::services::contract;
    use crate::{FaultKind, Outlook};

    #[derive(Clone, Copy, PartialEq)]
    enum Flaw {
        None,
        Overwrites,
        SaysCreated,
        ForgetsTypes,
        GuessesTypes,
        DropsNothing,
        Cuts,
        DecodesKeys,
        ResolvesKeys,
        ShortensKeys,
        RefusesForNow,
        TakesEveryKey,
        CopiesBytesAlone,
        CopiesOver,
        MovesInstead,
        CopiesNothing,
        CopiesDecoded,
        ListsBackwards,
        ListsFolders,
        ListsTooMuch,
        ListsAPage,
        StoresTwoSteps,
        LooksFirst,
        LosesSome,
    }

    /// A bucket in memory, more or less careful.
    struct Cupboard(Flaw, Mutex<BTreeMap<String, Object>>);

    impl Cupboard {
        fn is(&self, flaw: Flaw) -> bool {
            self.0 == flaw
        }

        fn key(&self, key: &str) -> Result<String, Fault> {
            let outlook = if self.is(Flaw::RefusesForNow) { Outlook::Transient } else { Outlook::Permanent };
            let refuse = |why| Err(Fault::of(FaultKind::Service, why).with_outlook(outlook));
            if (key.is_empty() || key.len() > 1_024) && !self.is(Flaw::TakesEveryKey) {
                return refuse("the key cannot be used");
            }
            Ok(match self.0 {
                Flaw::DecodesKeys => key.replace("%20", " ").replace('+', " "),
                Flaw::ResolvesKeys => key.replace("a/../", "").replace("/./", "/").replace("//", "/"),
                Flaw::ShortensKeys => key.chars().take(255).collect(),
                _ => key.to_owned(),
            })
        }
    }

    #[async_trait]
    impl Bucket for Cupboard {
        async fn put_new(&self, key: &str, object: &Object) -> Result<Placed, Fault> {
            let key = self.key(key)?;
            let mut object = object.clone();
            match self.0 {
                Flaw::ForgetsTypes => object.content_type = "application/octet-stream".into(),
                Flaw::GuessesTypes if key.ends_with(".txt") => object.content_type = text("").content_type,
                Flaw::DropsNothing if object.body.is_empty() => return Ok(Placed::Created),
                Flaw::Cuts => object.body.truncate(1 << 20),
                Flaw::LosesSome if key.ends_with('7') => return Ok(Placed::Created),
                _ => {}
            }
            if self.is(Flaw::LooksFirst) {
                let there = self.1.lock().unwrap().contains_key(&key);
                yield_once().await;
                if !there {
                    self.1.lock().unwrap().insert(key, object);
                }
                return Ok(if there { Placed::Existed } else { Placed::Created });
            }
            if self.is(Flaw::StoresTwoSteps) {
                let half = Object { body: object.body[..object.body.len() / 2].to_vec(), ..object.clone() };
                self.1.lock().unwrap().insert(key.clone(), half);
                yield_once().await;
                self.1.lock().unwrap().insert(key, object);
                return Ok(Placed::Created);
            }
            let mut all = self.1.lock().unwrap();
            if all.contains_key(&key) && !self.is(Flaw::Overwrites) {
                return Ok(if self.is(Flaw::SaysCreated) { Placed::Created } else { Placed::Existed });
            }
            let before = all.insert(key, object);
            Ok(if before.is_some() { Placed::Existed } else { Placed::Created })
        }

        async fn copy_new(&self, from: &str, to: &str) -> Result<Placed, Fault> {
            let (mut from, to) = (self.key(from)?, self.key(to)?);
            if self.is(Flaw::CopiesDecoded) {
                from = from.replace("%20", " ");
            }
            let mut all = self.1.lock().unwrap();
            if all.contains_key(&to) && !self.is(Flaw::CopiesOver) {
                return Ok(Placed::Existed);
            }
            let Some(mut object) = all.get(&from).cloned() else {
                if self.is(Flaw::CopiesNothing) {
                    return Ok(Placed::Created);
                }
                return Err(Fault::of(FaultKind::Service, "there is nothing to copy"));
            };
            if self.is(Flaw::CopiesBytesAlone) {
                object.content_type = "binary/octet-stream".into();
            }
            if self.is(Flaw::MovesInstead) {
                all.remove(&from);
            }
            let before = all.insert(to, object);
            Ok(if before.is_some() { Placed::Existed } else { Placed::Created })
        }

        async fn list(&self, prefix: &str, most: usize) -> Result<Vec<String>, Fault> {
            let all = self.1.lock().unwrap();
            let begins = |key: &&String| match self.0 {
                Flaw::ListsFolders => {
                    key.starts_with(prefix)
                        && (prefix.ends_with('/') || key.as_bytes().get(prefix.len()) == Some(&b'/'))
                }
                _ => key.starts_with(prefix),
            };
            let mut keys: Vec<_> = all.keys().filter(begins).cloned().collect();
            match self.0 {
                Flaw::ListsBackwards => keys.sort_by_key(|key| key.to_lowercase()),
                Flaw::ListsAPage => keys.truncate(1_000),
                _ => {}
            }
            keys.truncate(if self.is(Flaw::ListsTooMuch) { most.max(1) } else { most });
            Ok(keys)
        }
    }

    #[async_trait]
    impl Shelf for Cupboard {
        async fn object(&self, key: &str) -> Option<Object> {
            self.1.lock().unwrap().get(&self.key(key).ok()?).cloned()
        }
    }

    fn suite(flaw: Flaw) -> contract::Suite<dyn Bucket, dyn Shelf> {
        let cupboard = Arc::new(Cupboard(flaw, Mutex::default()));
        contract::bucket(cupboard.clone(), cupboard)
    }

    #[test]
    fn a_careful_bucket_keeps_the_contract() {
        holds(&suite(Flaw::None));
    }

    #[test]
    fn every_flaw_is_noticed_and_named() {
        for (flaw, clause) in [
            (Flaw::Overwrites, "what_is_there_is_left_as_it_was"),
            (Flaw::SaysCreated, "a_repetition_changes_nothing"),
            (Flaw::ForgetsTypes, "a_copy_has_the_bytes_and_the_content_type"),
            (Flaw::GuessesTypes, "every_content_type_is_kept"),
            (Flaw::DropsNothing, "an_empty_object_is_an_object"),
            (Flaw::Cuts, "a_large_object_is_stored_whole"),
            (Flaw::DecodesKeys, "odd_keys_work"),
            (Flaw::DecodesKeys, "keys_that_differ_are_different_objects"),
            (Flaw::ResolvesKeys, "hostile_keys_are_kept_apart_or_refused"),
            (Flaw::ShortensKeys, "the_longest_keys_work"),
            (Flaw::RefusesForNow, "impossible_keys_are_refused"),
            (Flaw::TakesEveryKey, "impossible_keys_are_refused"),
            (Flaw::CopiesBytesAlone, "a_copy_has_the_bytes_and_the_content_type"),
            (Flaw::CopiesOver, "a_copy_overwrites_nothing"),
            (Flaw::MovesInstead, "a_copy_leaves_what_it_was_made_of"),
            (Flaw::CopiesNothing, "there_has_to_be_something_to_copy"),
            (Flaw::CopiesDecoded, "odd_keys_are_copied"),
            (Flaw::ListsBackwards, "keys_are_listed_in_order"),
            (Flaw::ListsFolders, "keys_are_listed_by_what_they_begin_with"),
            (Flaw::ListsTooMuch, "no_more_keys_are_listed_than_wanted"),
            (Flaw::ListsAPage, "a_long_list_comes_whole"),
            (Flaw::StoresTwoSteps, "nobody_sees_half_an_object"),
            (Flaw::LooksFirst, "of_many_who_put_one_creates"),
            (Flaw::LosesSome, "many_objects_are_stored_at_once"),
        ] {
            let text = complaint(&suite(flaw), clause);
            assert!(text.starts_with(&format!("the bucket breaks 1 of 1 clauses\n\n{clause} (round 1 of ")), "{text}");
        }
    }
}
