//! The templates that are built in. `build.rs` makes the table of them of the folder `builtin`.

use cognito_triggers::message::Occasion;

/// The table.
mod table {
    include!(concat!(env!("OUT_DIR"), "/builtin.rs"));
}

/// The files of a template that is built in.
pub(crate) fn find(name: &str) -> Option<Vec<(String, String)>> {
    let (_, files) = table::TEMPLATES.iter().find(|(known, _)| *known == name)?;
    Some(owned(files))
}

/// Whether a message is made for this, so that the tests have tried it.
pub(crate) fn is_for(name: &str, occasion: Occasion) -> bool {
    match name {
        "verification" => matches!(occasion, Occasion::SignUp | Occasion::ResendCode),
        "invitation" => occasion == Occasion::AdminCreateUser,
        "forgotten-password" => occasion == Occasion::ForgotPassword,
        "attribute-change" => matches!(occasion, Occasion::UpdateUserAttribute | Occasion::VerifyUserAttribute),
        "mfa" => occasion == Occasion::Authentication,
        "birthday" => true,
        _ => false,
    }
}

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    table::TEMPLATES.iter().map(|(name, _)| *name)
}

fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(file, source)| ((*file).to_owned(), (*source).to_owned())).collect()
}

/// The files of a built-in template as they were written, by name: with their CSS in `<style>` elements, with their comments, and
/// with what they share with other templates. For those who want to begin with it.
#[cfg(any(test, feature = "starters"))]
#[must_use]
pub fn starter(name: &str) -> Option<Vec<(String, String)>> {
    let (_, _, files) = table::STARTERS.iter().find(|(known, ..)| *known == name)?;
    Some(owned(files))
}

/// The names of the built-in templates, each with a line on what it is for, which may be empty.
#[cfg(any(test, feature = "starters"))]
pub fn starters() -> impl Iterator<Item = (&'static str, &'static str)> {
    table::STARTERS.iter().map(|(name, about, _)| (*name, *about))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn templates() -> impl Iterator<Item = (&'static str, BTreeMap<String, String>)> {
        names().map(|name| (name, find(name).unwrap().into_iter().collect()))
    }

    #[test]
    fn each_has_every_file_it_comes_to_and_no_part_it_does_not() {
        let mut count = 0;
        for (name, files) in templates() {
            let mut referred = BTreeSet::new();
            for (file, source) in &files {
                let named = cognito_triggers_inlining::references(file, source).unwrap().unwrap();
                for other in named {
                    assert!(files.contains_key(&other), "{name}/{file} needs {other}");
                    referred.insert(other);
                }
            }
            for part in files.keys().filter(|file| file.starts_with('_')) {
                assert!(referred.contains(part), "{name} does not need {part}");
            }
            count += files.len();
        }
        assert!(names().count() >= 7 && count > 7 * 4, "{count} files");
        assert!(find("welcome-email").unwrap().iter().any(|(file, _)| file == "_layout.html"));
        assert_eq!(find("words"), None);
    }

    #[test]
    fn what_is_built_in_is_inlined_and_what_is_to_be_changed_is_not() {
        for (name, files) in templates() {
            assert_eq!(cognito_triggers_inlining::inline(&files).unwrap(), files, "{name}");
            let written: BTreeMap<_, _> = starter(name).unwrap().into_iter().collect();
            assert_eq!(written.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>(), "{name}");
            for (file, source) in files.iter().filter(|(file, _)| !file.contains(".html") && !file.ends_with(".toml")) {
                assert_eq!(source, &written[file], "{name}/{file}");
            }
        }
        assert_eq!(starters().map(|(name, _)| name).collect::<Vec<_>>(), names().collect::<Vec<_>>());
        assert_eq!(starter("words"), None);
    }

    #[test]
    fn each_language_has_the_words_it_needs_in_both() {
        for (name, files) in templates() {
            let written: BTreeMap<_, _> = starter(name).unwrap().into_iter().collect();
            for (file, source) in files.iter().filter(|(file, _)| file.ends_with(".toml")) {
                let words: BTreeMap<String, String> = toml::from_str(source).unwrap();
                assert_eq!(toml::from_str::<BTreeMap<String, String>>(&written[file]).unwrap(), words, "{name}/{file}");
                assert!(!words.is_empty() && !source.contains("\n#"), "{name}/{file}");
                let texts: String =
                    files.iter().filter(|(file, _)| !file.ends_with(".toml")).map(|(_, it)| it.as_str()).collect();
                for word in words.keys() {
                    assert!(
                        texts.contains(&format!("words.{word}")) || texts.contains("words["),
                        "{name}/{file}: {word}"
                    );
                }
            }
        }
    }
}
