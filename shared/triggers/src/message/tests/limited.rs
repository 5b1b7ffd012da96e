//! The bounds, the characters and the placeholders of the three parts.

use super::*;

/// What Cognito would not take of a sign-up by code, as it is told.
fn told(part: Part, text: &str) -> Vec<String> {
    told_at(Occasion::SignUp, part, text)
}

fn told_at(occasion: Occasion, part: Part, text: &str) -> Vec<String> {
    refusals(part, text, occasion, false, &there(occasion)).iter().map(ToString::to_string).collect()
}

fn mended_text(part: Part, text: &str) -> (String, bool) {
    mended(part, text, Occasion::SignUp)
}

/// `{####}` with so much before it that it has so many characters.
fn code_in(length: usize, filler: char) -> String {
    let rest = length - 6;
    let count = rest / filler.len_utf16();
    format!("{}{}{{####}}", filler.to_string().repeat(count), "x".repeat(rest % filler.len_utf16()))
}

#[test]
fn each_part_has_its_bounds_at_both_ends() {
    assert_eq!(told(Part::Subject, ""), ["it has 0 characters, and may have 1 to 140"]);
    assert!(told(Part::Subject, "x").is_empty());
    assert!(told(Part::Subject, &"x".repeat(140)).is_empty());
    assert_eq!(told(Part::Subject, &"x".repeat(141)), ["it has 141 characters, and may have 1 to 140"]);
    for (part, most) in [(Part::Email, 20_000), (Part::Sms, 140)] {
        assert!(told(part, "{####}").is_empty());
        assert!(told(part, &code_in(most, 'x')).is_empty(), "{part:?}");
        let wrong = format!("it has {} characters, and may have 6 to {most}", most + 1);
        assert_eq!(told(part, &code_in(most + 1, 'x')), [wrong], "{part:?}");
    }
}

#[test]
fn too_little_is_told_where_no_placeholder_makes_it_enough() {
    let short = Placeholders { code: Some("#".into()), ..Placeholders::default() };
    let wrong = refusals(Part::Sms, "abcd#", Occasion::SignUp, false, &short);
    assert_eq!(wrong, [Refusal::Length { characters: 5, bounds: 6..=140 }]);
    assert_eq!(wrong[0].remedy(), "say a little more");
    assert_eq!(refusals(Part::Sms, "abcde#", Occasion::SignUp, false, &short), []);
}

#[test]
fn what_is_beyond_the_basic_plane_counts_twice_towards_the_upper_bound_only() {
    assert!(told(Part::Subject, &"🎉".repeat(70)).is_empty());
    assert_eq!(told(Part::Subject, &"🎉".repeat(71)), ["it has 142 characters, and may have 1 to 140"]);
    assert!(told(Part::Sms, &code_in(140, '🎉')).is_empty());
    assert_eq!(told(Part::Sms, &code_in(141, '🎉')), ["it has 141 characters, and may have 6 to 140"]);
    let short = Placeholders { code: Some("#".into()), ..Placeholders::default() };
    let few = refusals(Part::Sms, "🎉🎉#", Occasion::SignUp, false, &short);
    assert_eq!(few, [Refusal::Length { characters: 3, bounds: 6..=140 }], "six units are three characters");
}

#[test]
fn every_refusal_says_what_is_wrong_and_what_to_do() {
    let bounds = 1..=140;
    let texts = [
        (
            Refusal::Length { characters: 0, bounds: bounds.clone() },
            "it has 0 characters, and may have 1 to 140",
            "say a little more",
        ),
        (
            Refusal::Length { characters: 141, bounds },
            "it has 141 characters, and may have 1 to 140",
            "say less, or keep what users chose out of it",
        ),
        (
            Refusal::Character('\u{200d}'),
            "the character U+200D cannot stand in it",
            "leave it out, or in HTML write it as a character reference such as `&#8205;`",
        ),
        (
            Refusal::Character('\u{1}'),
            "the character U+0001 cannot stand in it",
            "leave it out, or in HTML write it as a character reference such as `&#8205;`",
        ),
        (
            Refusal::Lacks("code"),
            "`{{ code }}` does not stand in it",
            "write `{{ code }}` where it is to stand, for every user",
        ),
        (
            Refusal::Nameless("link"),
            "the event does not say what stands for `{{ link }}`",
            "a pool that verifies by code names no link: leave out `verify-by = \"link\"`",
        ),
        (
            Refusal::Nameless("code"),
            "the event does not say what stands for `{{ code }}`",
            "this is for Cognito to mend: the pool's own words are sent",
        ),
    ];
    for (refusal, problem, remedy) in texts {
        assert_eq!((refusal.to_string().as_str(), refusal.remedy().as_ref()), (problem, remedy));
    }
    let parts = [Part::Subject, Part::Email, Part::Sms].map(Part::as_str);
    assert_eq!(parts, ["the subject", "the mail", "the SMS"]);
}

#[test]
fn each_occasion_needs_its_placeholders_in_mail_and_sms_and_none_in_the_subject() {
    for occasion in Occasion::ALL {
        let lacks: &[&str] = if occasion == Occasion::AdminCreateUser {
            &["`{{ code }}` does not stand in it", "`{{ username }}` does not stand in it"]
        } else {
            &["`{{ code }}` does not stand in it"]
        };
        assert_eq!(told_at(occasion, Part::Email, "<p>Hello</p>"), lacks, "{occasion}");
        assert_eq!(told_at(occasion, Part::Sms, "Hello you"), lacks, "{occasion}");
        assert!(told_at(occasion, Part::Subject, "Hello").is_empty());
        assert!(told_at(occasion, Part::Email, "{username} {####}").is_empty());
    }
    assert_eq!(told_at(Occasion::AdminCreateUser, Part::Email, "{####}").len(), 1);
}

#[test]
fn by_link_a_mail_at_sign_up_needs_the_link_and_nothing_else_does() {
    for occasion in Occasion::ALL {
        let of = |part, text| refusals(part, text, occasion, true, &there(occasion));
        let (with_link, with_code) = ("{##Click Here##}", "{username} {####}");
        if occasion.may_be_by_link() {
            assert_eq!(of(Part::Email, with_link), []);
            assert_eq!(of(Part::Email, with_code), [Refusal::Lacks("link")]);
        } else {
            assert_eq!(of(Part::Email, with_code), []);
            assert!(of(Part::Email, with_link).contains(&Refusal::Lacks("code")), "{occasion}");
        }
        assert_eq!(of(Part::Sms, with_code), [], "an SMS has no link");
    }
}

#[test]
fn what_the_event_does_not_name_is_told_apart_from_what_the_template_lacks() {
    let none = Placeholders::default();
    let of = |occasion, by_link| refusals(Part::Email, "<p>Hello</p>", occasion, by_link, &none);
    assert_eq!(of(Occasion::SignUp, false), [Refusal::Nameless("code")]);
    assert_eq!(of(Occasion::SignUp, true), [Refusal::Nameless("link")]);
    let invited = [Refusal::Nameless("code"), Refusal::Nameless("username")];
    assert_eq!(of(Occasion::AdminCreateUser, false), invited);
}

#[test]
fn characters_that_cannot_stand_in_a_part_are_told_once_each_in_order() {
    let text = "{####}\u{200d}\u{1}\u{200d}\u{e000}\u{a0}\u{202e}";
    let code = |character: &str| format!("the character U+{character} cannot stand in it");
    let wrong = ["0001", "00A0", "200D", "202E", "E000"].map(code);
    assert_eq!(told(Part::Email, text), wrong);
    assert_eq!(told(Part::Subject, text), wrong);
    assert!(told(Part::Sms, text).is_empty(), "of an SMS it is only asked to be one line");
}

#[test]
fn letters_marks_numbers_punctuation_symbols_and_plain_blanks_may_stand_everywhere() {
    let fine = "{####} Grüße, Ελλάδα 雪子 ليلى e\u{301} ½ – „“ € ❤\u{fe0f} 🎉\t\u{b}\u{c}";
    assert!(told(Part::Email, fine).is_empty());
    assert!(told(Part::Subject, fine).is_empty());
    assert!(told(Part::Email, "{####}\r\n").is_empty());
}

#[test]
fn an_sms_is_one_line_but_for_an_invitation() {
    for line_break in ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'] {
        let text = format!("Your code:{line_break}{{####}} {{username}}");
        let wrong = format!("the character U+{:04X} cannot stand in it", u32::from(line_break));
        assert_eq!(told(Part::Sms, &text), [wrong]);
        assert!(told_at(Occasion::AdminCreateUser, Part::Sms, &text).is_empty());
    }
}

#[test]
fn a_subject_becomes_one_line_of_single_blanks() {
    assert_eq!(
        mended_text(Part::Subject, " Hello\r\n\u{a0}Anna\u{3000}\u{2028} \t!\n"),
        ("Hello Anna !".into(), false)
    );
    assert_eq!(mended_text(Part::Subject, "\u{feff}An\u{200d}na\u{202e}\u{0}"), ("Anna".into(), true));
    assert_eq!(mended_text(Part::Subject, "Your code 🎉"), ("Your code 🎉".into(), false));
    assert_eq!(mended_text(Part::Subject, "\u{200b} \u{200b}"), (String::new(), true));
}

#[test]
fn in_a_page_what_cannot_stand_is_written_as_a_reference_and_only_controls_are_lost() {
    assert_eq!(mended_text(Part::Email, "a\u{200d}b"), ("a&#8205;b".into(), false));
    assert_eq!(
        mended_text(Part::Email, "\u{a0}\u{202e}\u{e000}\u{ffff}"),
        ("&#160;&#8238;&#57344;&#65535;".into(), false)
    );
    assert_eq!(mended_text(Part::Email, "🧑\u{200d}🚀 𠮷"), ("&#129489;&#8205;&#128640; &#134071;".into(), false));
    assert_eq!(mended_text(Part::Email, "<p>\r\n\tGrüße\n</p>"), ("<p>\r\n\tGrüße\n</p>".into(), false));
    assert_eq!(mended_text(Part::Email, "a\u{0}\u{1b}\u{7f}\u{85}\u{9f}b"), ("ab".into(), true));
}

#[test]
fn an_sms_loses_its_lines_but_for_an_invitation() {
    assert_eq!(mended_text(Part::Sms, "Your code:\n{####}\n"), ("Your code: {####}".into(), false));
    let lines = "\n Hello \u{a0} Anna,\r\n\r\nyour password:\t{####}\u{200d}\n\n";
    let invited = mended(Part::Sms, lines, Occasion::AdminCreateUser);
    assert_eq!(invited, ("Hello Anna,\n\nyour password: {####}".into(), true));
}

proptest! {
    #[test]
    fn what_was_mended_holds_nothing_that_cannot_stand_and_is_not_mended_twice(
        text in "\\PC{0,40}|(?s).{0,40}",
        part in prop::sample::select(vec![Part::Subject, Part::Email, Part::Sms]),
        occasion in prop::sample::select(Occasion::ALL.to_vec()),
    ) {
        let (once, _) = mended(part, &text, occasion);
        let wrong = refusals(part, &once, occasion, false, &there(occasion));
        let is_character = |refusal: &Refusal| matches!(refusal, Refusal::Character(_));
        prop_assert!(!wrong.iter().any(is_character), "{:?} of {:?}", wrong, once);
        prop_assert_eq!(mended(part, &once, occasion), (once.clone(), false));
        if part == Part::Subject {
            prop_assert!(!once.contains(char::is_control) && once.trim() == once);
        }
    }

    #[test]
    fn what_is_plain_already_is_left_as_it_is(text in "[a-zA-Zäöüß0-9.,!?€{}#-]{1,20}( [a-zA-Z{}#<>/]{1,9}){0,5}") {
        for part in [Part::Subject, Part::Email, Part::Sms] {
            prop_assert_eq!(mended_text(part, &text), (text.clone(), false));
        }
    }
}
