//! The words of the built-in templates, language by language.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

/// The languages every built-in template is in.
const LOCALES: [&str; 7] = ["en", "de", "fr", "es", "pl", "ja", "ar"];
/// The words of all templates.
const EACH: &str = "each";
/// The templates of messages that Cognito sends.
const MESSAGES: [&str; 6] = ["verification", "invitation", "forgotten-password", "attribute-change", "mfa", "birthday"];
/// What may stand in an SMS of 160 characters (3GPP TS 23.038, section 6.2.1, without the extension table).
const GSM: &str = "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿\
    abcdefghijklmnopqrstuvwxyzäöñüà";
/// Characters of the category Cf that people put into texts.
const UNSEEN: [RangeInclusive<char>; 5] = [
    '\u{ad}'..='\u{ad}',
    '\u{61c}'..='\u{61c}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
];

type Table = BTreeMap<String, BTreeMap<String, String>>;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/builtin"))
}

fn words(locale: &str) -> Table {
    let path = folder().join(format!("words/{locale}.toml"));
    toml::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .unwrap()
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|it| it.path().is_file());
    entries.map(|it| (it.file_name().into_string().unwrap(), std::fs::read_to_string(it.path()).unwrap())).collect()
}

/// The words a template asks for, itself and in what it includes.
fn asked(template: &str) -> BTreeSet<String> {
    let (own, shared) = (files(&folder().join(template)), files(folder()));
    let mut left: Vec<String> = own.keys().filter(|name| !name.starts_with('_')).cloned().collect();
    let (mut seen, mut asked) = (BTreeSet::new(), BTreeSet::new());
    while let Some(name) = left.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let text = own.get(&name).or_else(|| shared.get(&name)).unwrap_or_else(|| panic!("{template}: {name}"));
        let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
        asked.extend(text.split("words.").skip(1).map(|rest| rest.split(|it| !is_name(it)).next().unwrap().to_owned()));
        let includes = ["{% extends \"", "{% include \""];
        left.extend(
            includes.iter().flat_map(|tag| text.split(tag).skip(1)).map(|it| it.split('"').next().unwrap().to_owned()),
        );
    }
    asked
}

/// What a word says with these names, which templates would fill in.
fn said(word: &str, sender: &str) -> String {
    // Words of SMS decide by nothing but whether the sender is known.
    let (before, after) = word.split_once("{% if sender.name %}").unwrap_or(("", word));
    let (with, after) = after.split_once("{% endif %}").unwrap_or(("", after));
    let text = format!("{before}{}{after}", if sender.is_empty() { "" } else { with });
    text.replace("{{ sender.name }}", sender).replace("{{ code }}", "{####}").replace("{{ username }}", "{username}")
}

#[test]
fn every_language_has_the_same_words() {
    let names = |table: &Table| -> BTreeSet<(String, String)> {
        table.iter().flat_map(|(of, words)| words.keys().map(move |word| (of.clone(), word.clone()))).collect()
    };
    let english = names(&words("en"));
    for locale in LOCALES {
        let there = names(&words(locale));
        let (lacking, unknown): (Vec<_>, Vec<_>) =
            (english.difference(&there).collect(), there.difference(&english).collect());
        assert!(lacking.is_empty() && unknown.is_empty(), "{locale} lacks {lacking:?}, and has {unknown:?} alone");
    }
    let there: BTreeSet<_> = files(&folder().join("words")).into_keys().collect();
    assert_eq!(there, LOCALES.iter().map(|locale| format!("{locale}.toml")).collect());
}

#[test]
fn every_word_is_used_and_every_word_that_is_used_is_there() {
    let words = words("en");
    let mut unused: BTreeSet<_> = words[EACH].keys().cloned().collect();
    for (template, own) in words.iter().filter(|(name, _)| *name != EACH) {
        let asked = asked(template);
        for word in &asked {
            assert!(own.contains_key(word) || words[EACH].contains_key(word), "{template}: {word} is not there");
            assert!(!(own.contains_key(word) && words[EACH].contains_key(word)), "{template}: {word} is there twice");
            unused.remove(word);
        }
        for word in own.keys() {
            assert!(asked.contains(word), "{template}: {word} is not used");
        }
    }
    assert!(unused.is_empty(), "{unused:?}");
}

/// What a word is filled with is the same in every language: a translation that lost the code would lock users out.
#[test]
fn every_language_fills_in_the_same() {
    let filled = |word: &str| -> BTreeSet<String> {
        let expressions = word.split("{{").skip(1).map(|it| it.split("}}").next().unwrap());
        let decisions = word.split("{% if").skip(1).map(|it| it.split("%}").next().unwrap());
        expressions.chain(decisions).map(|it| it.trim().to_owned()).collect()
    };
    let english = words("en");
    for locale in LOCALES {
        for (template, own) in words(locale) {
            for (name, word) in own {
                let (there, wanted) = (filled(&word), filled(&english[&template][&name]));
                let names = |it: &BTreeSet<String>| -> BTreeSet<String> {
                    let known =
                        ["name", "sender.name", "user.email", "code", "username", "last", "expires", "days", "count"];
                    let holds = |known: &&str| it.iter().any(|text| text.split([' ', '|']).any(|part| part == *known));
                    known.iter().filter(|known| holds(known)).map(|known| (*known).to_owned()).collect()
                };
                assert_eq!(names(&there), names(&wanted), "{locale}: {template}.{name}: {word}");
            }
        }
    }
}

/// Cognito takes letters, marks, symbols, numbers, punctuation and plain blanks.
#[test]
fn words_of_messages_hold_no_character_that_cognito_does_not_take() {
    for locale in LOCALES {
        let words = words(locale);
        let shared = ["greeting", "user_name", "temporary_password", "own_password", "secret"];
        let of_messages = MESSAGES.iter().flat_map(|template| words[*template].iter());
        let shared = shared.iter().map(|name| words[EACH].get_key_value(*name).unwrap());
        for (name, word) in of_messages.chain(shared) {
            let is_blank = |it: char| it.is_whitespace() && it != ' ';
            let odd = |it: char| it.is_control() || is_blank(it) || UNSEEN.iter().any(|range| range.contains(&it));
            assert!(!word.contains(odd), "{locale}: {name}: {word:?}");
            assert!(!word.contains(['<', '>']), "{locale}: {name}: words are no HTML");
        }
    }
}

#[test]
fn an_sms_is_one_message_of_a_phone() {
    for locale in LOCALES {
        for (template, own) in words(locale) {
            for (name, word) in own.iter().filter(|(name, _)| name.starts_with("sms")) {
                let place = format!("{locale}: {template}.{name}");
                let units = |text: &str| text.encode_utf16().count();
                let (alone, sent) = (said(word, ""), said(word, "Acme Books"));
                assert!(alone.contains("{####}") && sent.contains("Acme Books"), "{place}: {word}");
                assert_eq!(
                    alone.contains("{username}"),
                    name == "sms_invitation" || template == "invitation",
                    "{place}"
                );
                assert!((6..=90).contains(&units(&alone)), "{place}: {}", units(&alone));
                // In place of the braces come digits, and letters anybody can type.
                let plain = sent.replace(['{', '}'], "");
                let most = if plain.chars().all(|it| GSM.contains(it)) { 140 } else { 70 };
                // An invitation says more.
                let most = if alone.contains("{username}") { 140 } else { most };
                assert!(units(&sent) <= most, "{place}: {} of {most}: {sent}", units(&sent));
                // What stands there is copied, with what touches it.
                for placeholder in ["{####}", "{username}"] {
                    for (before, after) in sent.match_indices(placeholder).map(|(at, it)| sent.split_at(at + it.len()))
                    {
                        let before = before.strip_suffix(placeholder).unwrap();
                        let apart = |it: Option<char>| it.is_none_or(|it| it == ' ' || !(it.is_ascii_graphic()));
                        assert!(apart(before.chars().next_back()) && apart(after.chars().next()), "{place}: {sent}");
                    }
                }
            }
        }
    }
}

/// Who reads a mail on a birthday is to do the same as on any other day.
#[test]
fn a_birthday_asks_for_the_same_in_the_same_words() {
    let same = [
        ("sign_up_code", "verification", "by_code"),
        ("sign_up_link", "verification", "by_link"),
        ("invitation", "invitation", "opened"),
        ("forgotten_password", "forgotten-password", "asked"),
        ("attribute_change", "attribute-change", "given"),
        ("mfa", "mfa", "enter"),
        ("mfa_not_you", "mfa", "not_you"),
    ];
    for locale in LOCALES {
        let words = words(locale);
        for (here, template, there) in same {
            assert_eq!(words["birthday"][here], words[template][there], "{locale}: birthday.{here}");
        }
    }
}

/// The page's title is shown by mail programs as it is, tags and all.
#[test]
fn a_title_holds_no_name() {
    for locale in LOCALES {
        for (template, own) in words(locale).iter().filter(|(name, _)| *name != EACH) {
            let title = &own["title"];
            assert!(!title.contains("{{ name") && !title.contains("user."), "{locale}: {template}: {title}");
        }
    }
}
