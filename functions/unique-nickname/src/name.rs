//! What counts as the same nickname. Two people must not be mistaken for each other, so a nickname is not compared
//! as it was typed: it is held under a small set of keys, and two nicknames clash if they share one of them. A ledger
//! can then keep names apart by exact look-ups alone.
//!
//! # The keys
//!
//! * `f:` the **fold**: what is left when spelling does not matter. The comparison of the PRECIS Nickname profile
//!   (RFC 8266: spaces mapped, trimmed and collapsed; lower case; NFKC), with full case folding added, so that
//!   "STRASSE" is "straße". One key.
//! * `s:` the **look**: what is left when only the appearance matters. The confusable skeleton of Unicode UTS 39,
//!   taken with and without the fold, until nothing changes any more. Up to two keys: the look of the nickname as it
//!   was typed, and the look of its fold. Neither covers the other: lower-casing first loses that a capital i looks
//!   like a small L, not lower-casing loses that "Iris" may be written "irіs" with a Cyrillic і.
//!
//! Both looks share one namespace, because "looks like" and "is the same but for case" may follow each other in
//! either order. The fold has its own: a fold and a look of the same letters mean different things.
//!
//! # What clashes, and what does not
//!
//! Case, width, kind and number of spaces, composed and decomposed letters, joiners and variation selectors
//! never make a difference. Nor does O for 0, l for I, 1 or |, rn for m, one quotation mark or hyphen for another,
//! or a letter of another script that looks the same. The price is a refusal now and then that a person would not
//! have made: "Ian" and "Lan" clash, since "lan" looks like the one and folds to the other.
//!
//! Not caught: names that sound alike or mean the same ("anna", "hanna"); punctuation left out ("o'neil", "oneil");
//! accents left out ("Änna", "Anna"); likenesses that Unicode does not list ("vv" for w, "cl" for d, 5 for S); other
//! orders of the same words; likenesses that only a certain typeface makes.
//!
//! # Keys can change with Unicode
//!
//! The tables grow each year, so a later build may give a nickname other keys. To free a name, free the keys that
//! were stored for it, not those computed today.

use std::fmt;

use precis_profiles::Nickname;
use precis_profiles::precis_core::profile::Rules;
use precis_profiles::precis_core::{DerivedPropertyValue, FreeformClass, StringClass};
use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;

/// The longest nickname that can be held, in Unicode characters, outer spaces not counted. Cognito allows 2,048 in an
/// attribute; nobody reads that long a name, and the keys have to fit into a key of the ledger.
pub const LONGEST: usize = 100;

/// The keys under which a nickname is held; at least two, at most three, sorted and without duplicates.
///
/// `Debug` tells their number only, since a nickname is personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct NameKeys(Vec<String>);

/// Why a nickname cannot be held. `Display` is a sentence for the user, without a closing full stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Nothing that can be seen is left of it.
    #[error("Please choose a nickname")]
    Empty,
    /// It has more than [`LONGEST`] characters, or so many rare ones that its keys would be too long.
    #[error("Please choose a nickname of at most {LONGEST} characters")]
    TooLong,
    /// It has a character that no name needs: a control character, an invisible one, one that turns the direction of
    /// writing, one for private use.
    #[error("Please choose a nickname without invisible or unusual characters")]
    Character,
}

/// The keys under which `nickname` is held.
///
/// More lenient than PRECIS in what can be held. Joiners, variation selectors and tags are ignored, where PRECIS
/// refuses most of them: telephones put them into emoji, and Persian, Indian and Japanese names need them. Characters
/// unknown to PRECIS are let through: its registry ends with Unicode 6.3 of 2013, and most emoji and many Chinese
/// characters are younger. A middle dot may stand anywhere, not only between two small l.
///
/// # Errors
///
/// [`Unusable`], with a sentence for the user.
pub fn keys(nickname: &str) -> Result<NameKeys, Unusable> {
    // Ten times what Cognito lets into an attribute; what follows is dear for long texts.
    if nickname.len() > 20_480 {
        return Err(Unusable::TooLong);
    }
    let name = spaced(nickname)?;
    if name.chars().count() > LONGEST {
        return Err(Unusable::TooLong);
    }
    // Composed before it is judged: an Apple device sends Hangul taken apart, and PRECIS refuses single parts of it.
    let name: String = name.chars().filter(|c| !is_ignored(*c)).nfc().collect();
    if !name.chars().all(is_admitted) {
        return Err(Unusable::Character);
    }

    let fold = fold(&name)?;
    if fold.len() > LONGEST_KEY {
        return Err(Unusable::TooLong);
    }
    let looks = [look(&name)?, look(&fold)?];
    if fold.is_empty() || looks.iter().any(String::is_empty) {
        return Err(Unusable::Empty);
    }

    let mut keys: Vec<String> = looks.iter().map(|look| format!("s:{look}")).collect();
    keys.push(format!("f:{fold}"));
    if keys.iter().any(|key| key.len() > LONGEST_KEY) {
        return Err(Unusable::TooLong);
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(NameKeys(keys))
}

/// A free-looking variation of `nickname`: the name with a random number behind it ("Anni" becomes "Anni4827").
///
/// `digits` is the length of the number, one to nine; let it grow with the tries. `random` picks the number. A name
/// that ends in a digit gets a hyphen in between, to stay recognisable ("anna7" becomes "anna7-4827").
///
/// The variation can always be held and never clashes with `nickname`, whatever that is: characters that make a name
/// unusable are left out, a long one is shortened to stay within [`LONGEST`], and of an empty one only the number is
/// there.
#[must_use]
pub fn variation(nickname: &str, digits: u32, random: u32) -> String {
    // Far more than is kept of it; what follows is dear for long texts.
    let nickname: &str = &nickname.trim().chars().take(4 * LONGEST).collect::<String>();
    let name: String = nickname.nfc().filter(|c| is_ignored(*c) || is_admitted(*c)).collect();
    let name: Vec<char> = name.trim().chars().collect();
    let original = keys(nickname).ok();

    let digits = digits.clamp(1, 9);
    let least = if digits == 1 { 0 } else { 10_u32.pow(digits - 1) };
    let many = 10_u32.pow(digits) - least;
    let room = LONGEST - 1 - digits as usize;

    // The first candidate is nearly always right. The next numbers are for a shortened name whose number looks like
    // the tail that was cut off; of ten in a row at most one does. Shorter names are for those of rare characters,
    // whose keys are too long; by a quarter at a time, since such keys are also dear. The number alone can always be
    // held.
    let lengths = std::iter::successors(Some(name.len().min(room)), |kept| (*kept > 0).then_some(kept * 3 / 4));
    for kept in lengths {
        let name = name.get(..kept).unwrap_or_default();
        for step in 0..10 {
            let candidate = numbered(name, least + (random % many + step) % many);
            let Ok(found) = keys(&candidate) else { break };
            if !original.as_ref().is_some_and(|original| original.clashes_with(&found)) {
                return candidate;
            }
        }
    }
    least.to_string()
}

impl NameKeys {
    /// The keys, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether the two nicknames cannot be held by two people: they share a key.
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        self.0.iter().any(|key| other.0.binary_search(key).is_ok())
    }
}

impl IntoIterator for NameKeys {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for NameKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NameKeys({})", self.0.len())
    }
}

/// The longest key in bytes: a partition key of DynamoDB has 2,048, and the pool's id stands in front. A hundred Hangul
/// syllables, each taken apart into three letters, need 900.
const LONGEST_KEY: usize = 1024;

/// More rounds than any text is known to need; PRECIS itself gives up after three.
const ROUNDS: usize = 8;

/// Repeats `step` until the text stays the same. A text that never does is refused, as PRECIS demands.
fn until_stable(text: String, step: impl Fn(&str) -> Result<String, Unusable>) -> Result<String, Unusable> {
    let mut text = text;
    for _ in 0..ROUNDS {
        let next = step(&text)?;
        if next == text {
            return Ok(text);
        }
        text = next;
    }
    Err(Unusable::Character)
}

/// All spaces mapped to one, none outside. A blank Braille pattern is a space to the eye, though a symbol to Unicode.
fn spaced(text: &str) -> Result<String, Unusable> {
    let text = text.replace('\u{2800}', " ");
    Nickname::new().additional_mapping_rule(text).map(String::from).map_err(|_| Unusable::Character)
}

/// What is left when spelling does not matter.
fn fold(name: &str) -> Result<String, Unusable> {
    let profile = Nickname::new();
    until_stable(name.to_owned(), |text| {
        // Normalised first, so that composed and decomposed letters have the same capitals. To upper case and back is
        // full case folding but for a few letters; the way back is PRECIS's own, which knows no final sigma.
        let text = profile.normalization_rule(text).map_err(|_| Unusable::Character)?;
        let text = profile.case_mapping_rule(text.to_uppercase()).map_err(|_| Unusable::Character)?;
        let text = profile.normalization_rule(text).map_err(|_| Unusable::Character)?;
        spaced(&text)
    })
}

/// What is left when only the appearance matters, in either case.
fn look(text: &str) -> Result<String, Unusable> {
    until_stable(text.to_owned(), |text| fold(&skeleton(text).collect::<String>()))
}

/// Whether `c` may be part of a name: all but what PRECIS disallows everywhere.
fn is_admitted(c: char) -> bool {
    FreeformClass::default().get_value_from_char(c) != DerivedPropertyValue::Disallowed
}

/// Whether `c` only shapes its neighbours: joiners, variation selectors, tags (flags of England or Wales).
fn is_ignored(c: char) -> bool {
    matches!(c,
        '\u{200C}' | '\u{200D}' | '\u{180B}'..='\u{180D}' | '\u{180F}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{E0020}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}

/// The name with the number behind it.
fn numbered(name: &[char], number: u32) -> String {
    let name: String = name.iter().collect();
    let name = name.trim_end();
    let hyphen = if name.ends_with(char::is_numeric) { "-" } else { "" };
    format!("{name}{hyphen}{number}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(nickname: &str) -> NameKeys {
        keys(nickname).unwrap_or_else(|error| panic!("{nickname:?}: {error}"))
    }

    fn clash(one: &str, other: &str) -> bool {
        let (one, other) = (of(one), of(other));
        assert_eq!(one.clashes_with(&other), other.clashes_with(&one), "a clash has no direction");
        one.clashes_with(&other)
    }

    #[track_caller]
    fn all_clash(names: &[&str]) {
        for one in names {
            for other in names {
                assert!(clash(one, other), "{one:?} and {other:?} must clash: {:?} {:?}", of(one).0, of(other).0);
            }
        }
    }

    #[track_caller]
    fn none_clash(names: &[&str]) {
        for (at, one) in names.iter().enumerate() {
            for other in names.iter().skip(at + 1) {
                assert!(!clash(one, other), "{one:?} and {other:?} must not clash");
            }
        }
    }

    #[test]
    fn case_makes_no_difference() {
        all_clash(&["paypal", "PAYPAL", "PayPal"]);
        all_clash(&["straße", "STRASSE", "STRAẞE", "Strasse"]);
        all_clash(&["Οδυσσεύς", "ΟΔΥΣΣΕΎΣ"]);
        all_clash(&["ilker", "ILKER", "Ilker", "ılker"]);
        all_clash(&["Ǆur", "ǆur", "ǅur"]);
    }

    #[test]
    fn width_and_compatibility_forms_make_no_difference() {
        all_clash(&["Anna1", "ａｎｎａ１", "𝐀𝐧𝐧𝐚①"]);
        all_clash(&["アンナ", "ｱﾝﾅ"]);
        all_clash(&["ﬁnn", "finn"]);
    }

    #[test]
    fn spaces_count_once_and_only_inside() {
        all_clash(&[
            "Anna Maria",
            "  anna   maria ",
            "Anna\u{A0}Maria",
            "anna\u{3000}maria\u{2003}",
            "anna\u{2800}maria",
        ]);
        none_clash(&["Anna Maria", "AnnaMaria"]);
    }

    #[test]
    fn composed_and_decomposed_letters_are_the_same() {
        all_clash(&["Änna", "A\u{308}nna", "änna"]);
        all_clash(&["한글", "\u{1112}\u{1161}\u{11AB}\u{1100}\u{1173}\u{11AF}"]);
        // The marks of one letter may come in either order.
        all_clash(&["\u{1FB4}", "\u{3B1}\u{301}\u{345}", "\u{3B1}\u{345}\u{301}"]);
    }

    #[test]
    fn look_alikes_of_other_scripts_are_the_same() {
        all_clash(&["Änna", "Ännа", "ÄNNА"]);
        // The capital М of the Cyrillic one looks like M, whose small form looks like rn.
        all_clash(&["Max", "\u{41C}\u{430}\u{445}", "max", "MAX", "rnax"]);
        all_clash(&["vera", "\u{3BD}era", "VERA"]);
        all_clash(&["BOB", "ВОВ", "bob", "b0b", "B0B"]);
    }

    #[test]
    fn capital_i_small_l_and_one_look_the_same() {
        all_clash(&["paypal", "paypaI", "PaypaI", "paypa1", "paypa|", "PAYPAL"]);
        all_clash(&["Il1", "lI1", "1lI", "lll", "Ill"]);
        all_clash(&["Iris", "iris", "irіs", "IRIS"]);
    }

    #[test]
    fn zero_and_o_look_the_same() {
        all_clash(&["O0", "0O", "oo", "00", "OO"]);
        all_clash(&["I0n", "іon", "ion", "Ion"]);
    }

    #[test]
    fn punctuation_that_looks_the_same_is_the_same() {
        all_clash(&["o'neil", "o’neil", "O`Neil", "oʼneil"]);
        all_clash(&["anna-maria", "anna‐maria", "anna–maria"]);
    }

    #[test]
    fn invisible_characters_are_refused_or_make_no_difference() {
        for name in ["an\u{200B}na", "an\u{AD}na", "\u{FEFF}anna", "an\u{2060}na", "anna\u{3164}", "\u{1160}"] {
            assert_eq!(keys(name), Err(Unusable::Character), "{name:?}");
        }
        all_clash(&["anna", "an\u{200D}na", "an\u{200C}na", "anna\u{FE0F}", "anna\u{E0062}", "an\u{2065}na"]);
    }

    #[test]
    fn characters_that_turn_the_direction_of_writing_are_refused() {
        for name in ["\u{202E}leahcim", "\u{2067}anna\u{2069}", "anna\u{200F}", "anna\u{61C}"] {
            assert_eq!(keys(name), Err(Unusable::Character), "{name:?}");
        }
    }

    #[test]
    fn control_and_private_characters_are_refused() {
        for name in ["an\nna", "anna\0", "an\tna", "anna\u{E000}", "anna\u{FDD0}", "anna\u{2028}"] {
            assert_eq!(keys(name), Err(Unusable::Character), "{name:?}");
        }
    }

    #[test]
    fn different_names_do_not_clash() {
        none_clash(&["anna", "hanna", "anna7", "anna8", "Änna", "ana", "anna.", "Anna Maria", "annamaria", "Анна"]);
        none_clash(&["o'neil", "oneil"]);
        none_clash(&["lan", "ian"]);
        none_clash(&["山田", "山口", "田山"]);
        none_clash(&["محمد", "أحمد"]);
        none_clash(&["👩‍💻", "👨‍💻", "🦀", "🇩🇪", "🇫🇷", "👍🏽", "👍🏿"]);
    }

    /// What the module's documentation owns up to.
    #[test]
    fn some_likenesses_are_not_caught() {
        none_clash(&["vvilma", "wilma"]);
        none_clash(&["clara", "dara"]);
        none_clash(&["5am", "sam"]);
    }

    /// The price of the look being taken in either case.
    #[test]
    fn ian_and_lan_are_a_known_false_alarm() {
        all_clash(&["Ian", "Lan"]);
    }

    #[test]
    fn emoji_and_names_of_every_script_can_be_held() {
        for name in [
            "🤖",
            "👩‍💻",
            "❤️",
            "Anna 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
            "🫨",
            "می‌خواهم",
            "क्‍ष",
            "葛󠄀城",
            "アンナ・マリア",
            "שרה",
            "𠮷野家",
            "ა",
            "l·l",
            "MARCEL·LÍ",
            "ㅋㅋ",
            "𞤀𞤁",
        ] {
            assert!(keys(name).is_ok(), "{name}: {:?}", keys(name));
        }
    }

    #[test]
    fn a_name_of_which_nothing_can_be_seen_is_refused_as_empty() {
        for name in ["", "   ", "\u{A0}\u{3000}", "\u{2800}", "\u{200D}", "\u{FE0F} ", "\u{2065}"] {
            assert_eq!(keys(name), Err(Unusable::Empty), "{name:?}");
        }
    }

    #[test]
    fn a_hundred_characters_are_enough() {
        for character in ["a", "ß", "山", "한", "🤖", "Ǖ"] {
            assert!(keys(&character.repeat(100)).is_ok(), "{character}");
            assert_eq!(keys(&character.repeat(101)), Err(Unusable::TooLong), "{character}");
        }
        assert!(keys(&format!("  {}  ", "a".repeat(100))).is_ok(), "outer spaces do not count");
        assert_eq!(keys(&"ﷺ".repeat(100)), Err(Unusable::TooLong), "one character of eighteen");
    }

    #[test]
    fn a_refusal_is_a_sentence_without_a_closing_full_stop() {
        assert_eq!(Unusable::Empty.to_string(), "Please choose a nickname");
        assert_eq!(Unusable::TooLong.to_string(), "Please choose a nickname of at most 100 characters");
        assert_eq!(Unusable::Character.to_string(), "Please choose a nickname without invisible or unusual characters");
    }

    #[test]
    fn keys_say_of_which_kind_they_are_and_debug_keeps_them_to_itself() {
        let keys = of("Iris");
        assert_eq!(keys.iter().collect::<Vec<_>>(), ["f:iris", "s:iris", "s:lris"]);
        assert_eq!(format!("{keys:?}"), "NameKeys(3)");
        assert_eq!(of("anna").into_iter().collect::<Vec<_>>(), ["f:anna", "s:anna"]);
    }

    /// Over every character there is, alone and in capitals: the foundation under the properties below.
    #[test]
    fn every_character_is_either_refused_or_clashes_with_itself_in_capitals_and_decomposed() {
        for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let others = [c.to_uppercase().collect::<String>(), c.nfd().collect()];
            if others.iter().all(|other| other.chars().eq([c])) {
                continue;
            }
            let Ok(name) = keys(&c.to_string()) else { continue };
            for same in others {
                let Ok(other) = keys(&same) else { panic!("{c:?} can be held, {same:?} cannot") };
                assert!(name.clashes_with(&other), "{c:?} {:x} and {same:?}: {name:?} {other:?}", c as u32);
            }
        }
    }

    #[test]
    fn a_variation_is_the_name_with_a_number_behind() {
        assert_eq!(variation("Anni", 4, 3827), "Anni4827");
        assert_eq!(variation("Anni", 4, 0), "Anni1000");
        assert_eq!(variation("Anni", 1, 7), "Anni7");
        assert_eq!(variation("Anni", 9, 0), "Anni100000000");
        assert_eq!(variation(" Anni  ", 4, 3827), "Anni4827");
        assert_eq!(variation("שרה", 4, 3827), "שרה4827");
        assert_eq!(variation("👩‍💻", 4, 3827), "👩‍💻4827");
    }

    #[test]
    fn a_name_that_ends_in_a_digit_gets_a_hyphen() {
        assert_eq!(variation("anna7", 4, 3827), "anna7-4827");
        assert_eq!(variation("anna٣", 2, 15), "anna٣-25");
        assert_eq!(variation("4827", 4, 3827), "4827-4827");
    }

    #[test]
    fn the_number_of_digits_is_kept_within_bounds() {
        assert_eq!(variation("Anni", 0, 13), "Anni3");
        assert_eq!(variation("Anni", 40, u32::MAX), variation("Anni", 9, u32::MAX));
    }

    #[test]
    fn a_long_name_is_shortened_for_its_number() {
        let long = "n".repeat(100);
        let varied = variation(&long, 4, 3827);
        assert_eq!(varied.chars().count(), 99);
        assert!(varied.ends_with("n4827"));

        // Cut, it would end like the original.
        let unlucky = format!("{}4827", "n".repeat(95));
        assert_eq!(variation(&unlucky, 4, 3827), format!("{}4828", "n".repeat(95)));
    }

    #[test]
    fn a_variation_leaves_out_what_made_the_name_unusable() {
        assert_eq!(variation("an\u{200B}na\n", 4, 3827), "anna4827");
        assert_eq!(variation("", 4, 3827), "4827");
        assert!(variation(&"ﷺ".repeat(99), 4, 3827).starts_with(&"ﷺ".repeat(20)), "only shortened");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(name in any::<String>(), other in any::<String>(), digits: u32, random: u32) {
            if let (Ok(name), Ok(other)) = (keys(&name), keys(&other)) {
                prop_assert!(name.clashes_with(&name));
                prop_assert_eq!(name.clashes_with(&other), other.clashes_with(&name));
                prop_assert!(name.iter().all(|key| key.len() <= LONGEST_KEY));
            }
            prop_assert!(keys(&variation(&name, digits, random)).is_ok());
        }

        #[test]
        fn case_form_and_outer_spaces_never_make_a_difference(name in "\\PC{1,12}") {
            if let Ok(original) = keys(&name) {
                for same in [
                    name.to_uppercase(), name.to_uppercase().to_lowercase(), format!(" {name}\u{3000}"),
                    name.nfc().collect(), name.nfd().collect(),
                ] {
                    prop_assert!(keys(&same).is_ok_and(|same| same.clashes_with(&original)), "{name:?} {same:?}");
                }
            }
        }

        #[test]
        fn what_precis_calls_equal_clashes(name in "[a-zA-ZäÄßſKﬁ①ΣσςİIıі０ ]{1,8}", other in "[a-zA-ZäÄßſKﬁ①ΣσςİIıі０ ]{1,8}") {
            use precis_profiles::precis_core::profile::Profile;
            for other in [other, name.to_lowercase(), name.nfkc().collect()] {
                if let (Ok(one), Ok(two), Ok(true)) = (keys(&name), keys(&other), Nickname::new().compare(&name, &other)) {
                    prop_assert!(one.clashes_with(&two));
                }
            }
        }

        #[test]
        fn a_variation_never_clashes_with_its_original(name in "\\PC{0,12}|[0-9lIO]{1,6}|[0-9lIO]{90,100}|\\PC{90,110}", digits in 1_u32..=9, random: u32) {
            let varied = variation(&name, digits, random);
            prop_assert!(varied.chars().count() <= LONGEST);
            let varied = keys(&varied);
            prop_assert!(varied.is_ok());
            if let (Ok(name), Ok(varied)) = (keys(&name), varied) {
                prop_assert!(!name.clashes_with(&varied));
            }
        }
    }
}
