//! The path a key has below a folder: readable, never outside, and one for each key.
//!
//! A key's segments are folders and a file. What cannot be part of a file's name, or means something to the disk, is written as
//! `%` and two capital hex digits: control characters, `\ : * ? " < > |`, a dot at the beginning (names that begin with one are
//! our own, and `..` is no way out), a dot or blank at the end, and a `%` that could be taken for one of these. As no segment
//! has a `/` in it, `%2F` is free to say two other things: alone it is an empty segment, and at the end of a folder's name it
//! says that the segment was too long for one name and goes on inside.

use std::path::{Component, Path, PathBuf};

/// The most bytes of a key, as in S3 ("up to 1,024 bytes long", S3 user guide).
pub(crate) const LONGEST: usize = 1_024;

/// The most bytes of a name without its mark: disks take 255 bytes or UTF-16 units, and a file beside it has a longer one.
const LONGEST_NAME: usize = 240;

/// Alone an empty segment; at the end the mark of one that goes on.
const SLASH: &str = "%2F";

/// The path of a key, relative to the folder.
pub(crate) fn path(key: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for segment in key.split('/') {
        push(&mut path, segment);
    }
    path
}

fn push(path: &mut PathBuf, segment: &str) {
    if segment.is_empty() {
        path.push(SLASH);
        return;
    }
    let mut name = String::new();
    for (at, character) in segment.char_indices() {
        let rest = segment.get(at + character.len_utf8()..).unwrap_or_default();
        let mut part = written(character, name.is_empty(), rest);
        if name.len() + part.len() > LONGEST_NAME {
            path.push(format!("{name}{SLASH}"));
            name.clear();
            part = written(character, true, rest);
        }
        name.push_str(&part);
    }
    path.push(name);
}

/// A character as it stands in a name, given whether it is the first there and what follows in the segment.
fn written(character: char, first: bool, rest: &str) -> String {
    let means_something = match character {
        '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => true,
        '.' => first || rest.is_empty(),
        ' ' => rest.is_empty(),
        '%' => hex(rest).is_some(),
        _ => character.is_ascii_control(),
    };
    if means_something { format!("%{:02X}", u32::from(character)) } else { character.into() }
}

/// A part of a key, as the names of a folder or file say it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A segment, or the end of one.
    Whole(String),
    /// The beginning of one that goes on in this folder.
    Begun(String),
}

/// What a name stands for. Names we would not write, such as hidden ones, may stand for anything: [`path`] tells.
pub(crate) fn part(name: &str) -> Part {
    match name.strip_suffix(SLASH) {
        Some("") => Part::Whole(String::new()),
        Some(begun) => Part::Begun(read(begun)),
        None => Part::Whole(read(name)),
    }
}

fn read(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        match hex(after) {
            Some(byte) => {
                text.push(char::from(byte));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                text.push('%');
                rest = after;
            }
        }
    }
    text + rest
}

/// The byte two hex digits say.
fn hex(text: &str) -> Option<u8> {
    let digits = text.get(..2)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Whether this is where the key is kept.
pub(crate) fn is_path_of(found: &Path, key: &str) -> bool {
    found.components().all(|component| matches!(component, Component::Normal(_))) && found == path(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a path back.
    fn key(path: &Path) -> String {
        let mut key = String::new();
        let names: Vec<_> = path.iter().map(|name| name.to_str().unwrap()).collect();
        for (at, name) in names.iter().enumerate() {
            match part(name) {
                Part::Whole(part) => {
                    key.push_str(&part);
                    if at + 1 < names.len() {
                        key.push('/');
                    }
                }
                Part::Begun(part) => key.push_str(&part),
            }
        }
        key
    }

    #[test]
    fn plain_keys_are_their_own_paths() {
        for key in ["users/1/Grüße.html", "a b/c+d&e=f", "100%.txt", "50% off", "a..b", "UPPER-lower_~!$'()@,;[]{}#"]
        {
            assert_eq!(path(key), Path::new(key));
        }
    }

    #[test]
    fn what_means_something_to_a_disk_is_written_otherwise() {
        for (key, expected) in [
            ("..", "%2E%2E"),
            ("../a", "%2E%2E/a"),
            ("./a/.b", "%2E/a/%2Eb"),
            ("a./b ", "a%2E/b%20"),
            ("/a//b/", "%2F/a/%2F/b/%2F"),
            ("a\\..\\b", "a%5C..%5Cb"),
            ("C:\u{0}\n\u{7f}", "C%3A%00%0A%7F"),
            ("a%20b%2Fc%2f", "a%2520b%252Fc%252f"),
            ("", "%2F"),
        ] {
            assert_eq!(path(key), Path::new(expected), "{key:?}");
        }
    }

    #[test]
    fn a_long_segment_goes_on_in_a_folder() {
        let long = "k".repeat(600);
        let (begun, end) = (format!("{}%2F", "k".repeat(240)), "k".repeat(120));
        assert_eq!(path(&format!("a/{long}")), Path::new("a").join(&begun).join(begun).join(end));
    }

    #[test]
    fn names_we_did_not_write_are_known() {
        for (found, said) in [("a%20b", "a b"), ("%41", "A"), (".hidden", ".hidden"), ("a.", "a.")] {
            assert_eq!(part(found), Part::Whole(said.into()));
            assert!(!is_path_of(Path::new(found), said), "{found}");
        }
        assert!(is_path_of(Path::new("a b"), "a b"));
    }

    proptest! {
        #[test]
        fn every_key_has_a_path_of_its_own_inside_the_folder(
            tried in prop_oneof![
                any::<String>(),
                r"[./ %a2fF\\:\x00-\x1f]{0,40}",
                r"([.%]|%2|%2F|/|ü| |x){0,300}",
            ]
        ) {
            let path = path(&tried);
            prop_assert!(path.components().all(|component| matches!(component, Component::Normal(_))), "{path:?}");
            for name in path.iter() {
                let name = name.to_str().unwrap();
                prop_assert!(name.len() <= LONGEST_NAME + SLASH.len() && !name.starts_with('.'), "{name:?}");
                prop_assert!(!name.contains(['\\', ':', '\0']) && !name.ends_with(['.', ' ']), "{name:?}");
            }
            prop_assert_eq!(key(&path), tried);
        }
    }
}
