//! What holds whatever a user put into a profile. Cognito's checks are stated here once more, as its API describes them and in
//! another language, so that a mistake in ours is not made twice.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;

use super::said::{Folder, words};
use super::*;

/// `\s` as Java reads it; what stands for every other character; and what does not end a line.
const BLANK: &str = r"\t\n\x0B\x0C\r ";
const CLASS: &str = r"\p{L}\p{M}\p{S}\p{N}\p{P}";
const IN_LINE: &str = r"[^\n\r\u{85}\u{2028}\u{2029}]*";

/// `EmailVerificationSubjectType`.
static SUBJECT: LazyLock<Regex> = LazyLock::new(|| whole(&format!("[{CLASS}{BLANK}]+")));
/// `EmailVerificationMessageType`.
static MAIL: LazyLock<Regex> = LazyLock::new(|| whole(&format!(r"[{CLASS}{BLANK}*]*\{{####\}}[{CLASS}{BLANK}*]*")));
/// `EmailVerificationMessageByLinkType`, with the link as the event names it.
static BY_LINK: LazyLock<Regex> =
    LazyLock::new(|| whole(&format!(r"[{CLASS}{BLANK}*]*\{{##[{CLASS}{BLANK}*]*##\}}[{CLASS}{BLANK}*]*")));
/// `SmsVerificationMessageType`.
static SMS: LazyLock<Regex> = LazyLock::new(|| whole(&format!(r"{IN_LINE}\{{####\}}{IN_LINE}")));
/// What Unicode 16 has no character for: the tables of another version may.
static UNASSIGNED: LazyLock<Regex> = LazyLock::new(|| whole(r"\p{Cn}"));

fn whole(pattern: &str) -> Regex {
    Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap()
}

/// Whether Cognito takes an answer: every part that is there.
pub(super) fn is_taken(occasion: Occasion, by_link: bool, [subject, mail, sms]: &[Option<String>; 3]) -> bool {
    let invited = occasion == Occasion::AdminCreateUser;
    let within = |text: &str, fewest: usize, most: usize| {
        // Java's length is that of UTF-16.
        (fewest..=most).contains(&text.encode_utf16().count()) && text.chars().count() >= fewest
    };
    let has_name = |text: &str| !invited || text.contains("{username}");
    let mail_pattern =
        if by_link && matches!(occasion, Occasion::SignUp | Occasion::ResendCode) { &BY_LINK } else { &MAIL };
    subject.is_some() == mail.is_some()
        && subject.as_ref().is_none_or(|it| within(it, 1, 140) && SUBJECT.is_match(it))
        && mail.as_ref().is_none_or(|it| within(it, 6, 20_000) && mail_pattern.is_match(it) && has_name(it))
        && sms.as_ref().is_none_or(|it| {
            let is_one_line = SMS.is_match(it) || invited && it.contains("{####}");
            within(it, 6, 140) && is_one_line && has_name(it)
        })
}

#[test]
fn the_checks_of_this_file_refuse_what_cognito_refuses() {
    let mail = |subject: &str, mail: &str| [Some(subject.to_owned()), Some(mail.to_owned()), None];
    let sms = |text: &str| [None, None, Some(text.to_owned())];
    let taken = |parts| is_taken(Occasion::SignUp, false, &parts);
    assert!(taken(mail("Hello", "<p>{####}</p>")) && taken(sms("{####}")) && taken([None, None, None]));
    for wrong in ["", "a\u{200d}b", "a\u{a0}b", "\u{0}", &"x".repeat(141), &"🎉".repeat(71)] {
        assert!(!taken(mail(wrong, "{####}")), "{wrong:?}");
    }
    for wrong in
        ["Hello there", "{####}\u{200d}", "{####}\u{e000}", "{ ####}", &format!("{{####}}{}", "x".repeat(20_000))]
    {
        assert!(!taken(mail("Hello", wrong)), "{wrong:?}");
    }
    for wrong in ["Hello there", "a\n{####}", "{####}\u{2028}", &format!("{{####}}{}", "x".repeat(135))] {
        assert!(!taken(sms(wrong)), "{wrong:?}");
    }
    assert!(!is_taken(Occasion::AdminCreateUser, false, &sms("{####}")));
    assert!(is_taken(Occasion::AdminCreateUser, false, &sms("{username}\n{####}")));
    assert!(!is_taken(Occasion::SignUp, true, &mail("Hello", "Hello there")));
    assert!(is_taken(Occasion::SignUp, true, &mail("Hello", "{##Click Here##}")));
    assert!(!taken([Some("Hello".into()), None, None]));
}

/// Everything a template might show of a user.
const SHOWN: [&str; 12] = [
    "address",
    "email",
    "family_name",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "preferred_username",
    "zoneinfo",
    "custom:plan",
];

/// One character of any kind.
fn character() -> impl Strategy<Value = char> {
    let any = any::<char>().prop_map(|it| {
        let is_noncharacter = u32::from(it) & 0xfffe == 0xfffe || matches!(it, '\u{fdd0}'..='\u{fdef}');
        // Which are assigned depends on the version of Unicode. This one never was.
        if UNASSIGNED.is_match(it.encode_utf8(&mut [0; 4])) && !is_noncharacter { '\u{378}' } else { it }
    });
    let signs = select("<>\"'&;/\\{}#%=`()[]|$*:.@ \t".chars().collect::<Vec<_>>());
    // Controls, line breaks, joiners, what turns the direction of writing, private use, marks within the library.
    let odd = select(
        "\0\u{1}\u{8}\u{b}\u{1b}\u{7f}\u{85}\u{9f}\r\n\u{ad}\u{61c}\u{200b}\u{200c}\u{200d}\u{200e}\u{202e}\u{2028}\u{2029}\u{2066}\u{2069}\u{feff}\u{fdd0}\u{fdd1}\u{ffff}\u{e000}\u{f8ff}\u{f0000}\u{10ffff}\u{e0001}\u{e0041}\u{a0}\u{3000}\u{301}\u{fe0f}🧑🚀🇩🇪雪ليא"
            .chars()
            .collect::<Vec<_>>(),
    );
    prop_oneof![3 => any, 3 => signs, 3 => odd, 2 => proptest::char::range('a', 'z')]
}

/// What somebody may put into an attribute, of which Cognito keeps 2048 characters.
fn value() -> impl Strategy<Value = String> {
    let text = || prop::collection::vec(character(), 0..30).prop_map(String::from_iter);
    let tricks = select(vec![
        "{####}",
        "{username}",
        "{##Click Here##}",
        "{##",
        "##}",
        "{",
        "####}",
        "{{ code }}",
        "{% raw %}",
        "{{ user.sub }}",
        "<script>alert(1)</script>",
        "</p>",
        "\" onmouseover=\"x",
        "' x='",
        "<!--",
        "]]>",
        "&#123;####&#125;",
        "&lt;b&gt;",
        "\r\nBcc: x@evil.example",
        "javascript:alert(1)",
        "<bdi>",
        "</bdi>",
        "</style>",
        "\u{fdd0}",
        "\u{202e}",
        "Anna",
        "Ludwig van Beethoven",
        "https://evil.example/win",
    ]);
    let mixed =
        prop::collection::vec(prop_oneof![text(), tricks.prop_map(str::to_owned)], 1..4).prop_map(|it| it.concat());
    let long = (character(), 30_usize..2048).prop_map(|(it, count)| String::from_iter(std::iter::repeat_n(it, count)));
    let words = prop::collection::vec("[A-Za-zäöü]{1,14}", 1..60).prop_map(|words| words.join(" "));
    prop_oneof![3 => text(), 4 => mixed, 1 => long, 1 => words]
}

/// Values for all attributes that are shown.
pub(super) fn values() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let some = prop::collection::vec(value(), SHOWN.len());
    some.prop_map(|values| SHOWN.into_iter().zip(values).collect())
}

pub(super) fn with_all(event: Event<CustomMessage>, values: &[(&'static str, String)]) -> Event<CustomMessage> {
    values.iter().fold(event, |event, (name, value)| event.with(name, value.as_str()))
}

/// What markup a page has: its signs in order, but for those that set a name apart.
pub(super) fn markup(page: &str) -> String {
    let page = page.replace("<bdi>", "").replace("</bdi>", "");
    static TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new("<[^>]*>?").unwrap());
    let tags: Vec<_> = TAG.find_iter(&page).map(|tag| shape(tag.as_str())).collect();
    format!("{} {}", tags.concat(), page.matches(['<', '>', '"']).count())
}

/// A tag without what stands between its quotes.
fn shape(tag: &str) -> String {
    tag.split('"').step_by(2).collect::<Vec<_>>().join("\"")
}

pub(super) fn count(text: Option<&String>, placeholder: &str) -> usize {
    text.map_or(0, |text| text.matches(placeholder).count())
}

/// A template that shows everything everywhere.
fn gossip() -> &'static Folder {
    static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
        let all: String = SHOWN.map(|name| format!("{{{{ user[\"{name}\"] }}}} ")).concat();
        let html = format!(
            "<p title=\"{{{{ user.nickname }}}}\">{{{{ name }}}} {{{{ words.greeting }}}} {all}<b>{{{{ code }}}}</b>{{% if username %}}<i>{{{{ username }}}}</i>{{% endif %}}</p><a href=\"https://acme.example/?mail={{{{ user.email|urlencode }}}}\">x</a>"
        );
        let sms = "{{ user.given_name }} {{ code }}{{ user.nickname }} {{ username }} {{ user.family_name }}";
        Folder::new()
            .with(
                "gossip",
                &[
                    ("each.subject", "{{ user.given_name }} {{ user.nickname }}: your code"),
                    ("each.html", &html),
                    ("each.sms", sms),
                    ("en.toml", "greeting = \"Hello {{ name }} & {{ user.family_name }}{{ user.nickname }}\""),
                ],
            )
            .with(
                "whisper",
                &[
                    ("en.subject", "Hello {{ name }}"),
                    ("en.txt", &format!("Hello {{{{ name }}}},\n\n{all}\n\n{{{{ code }}}} {{{{ username }}}}\n")),
                ],
            )
    });
    &FOLDER
}

const BOTH: [&str; 2] = ["gossip", "whisper"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_users_put_into_their_profiles_cognito_takes_the_answer(
        values in values(),
        occasion in select(Occasion::ALL.to_vec()),
        template in select(BOTH.to_vec()),
    ) {
        static TRIALS: LazyLock<[Trial<TemplatedMessage>; 2]> =
            LazyLock::new(|| BOTH.map(|template| gossip().trial(&format!("[occasions]\n{}", every(template)))));
        let trial = &TRIALS[usize::from(template == "whisper")];
        let seen = trial.handles(&with_all(event(occasion), &values));
        let words = words(&seen);
        prop_assert!(is_taken(occasion, false, &words), "{:?}", words);
        let [subject, mail, sms] = &words;
        // Names are left out of an SMS if need be. A page may have too many whole attributes, which is told.
        prop_assert!(sms.is_some() || template == "whisper");
        let is_long = values.iter().any(|(_, value)| value.chars().count() > 100);
        prop_assert!(mail.is_some() || is_long && !seen.mishaps.is_empty(), "{:?}", seen.mishaps);
        for placeholder in ["{####}", "{username}", "{##Click Here##}"] {
            let expected = match placeholder {
                "{####}" => 1,
                "{username}" => usize::from(occasion == Occasion::AdminCreateUser),
                _ => 0,
            };
            prop_assert_eq!(count(subject.as_ref(), placeholder), 0);
            for part in [mail, sms].into_iter().flatten() {
                prop_assert_eq!(count(Some(part), placeholder), expected, "{} in {}", placeholder, part);
            }
        }
        if let Some(subject) = subject {
            let breaks_the_line = |it: char| it.is_control() || matches!(it, '\u{2028}' | '\u{2029}' | '\u{202e}');
            prop_assert!(!subject.contains(breaks_the_line));
        }
        if let Some(mail) = mail {
            let turns = |it: u32| mail.contains(&format!("&#{it};")) || char::from_u32(it).is_some_and(|it| mail.contains(it));
            prop_assert!(!(0x202a..=0x202e).chain(0x2066..=0x2069).any(turns), "{:?}", mail);
            let harmless = trial.handles(&event(occasion));
            let [_, harmless, _] = super::said::words(&harmless);
            prop_assert_eq!(markup(mail), markup(&harmless.unwrap()), "{}", mail);
        }
    }
}

fn every(template: &str) -> String {
    Occasion::ALL.map(|occasion| format!("{occasion} = \"{template}\"\n")).concat()
}

#[test]
fn the_markup_of_a_page_is_told_apart() {
    assert_eq!(markup("<p title=\"x\">a</p>"), markup("<p title=\"<bdi>y\"><bdi>b</bdi></p>"));
    for other in
        ["<p title=\"x\">a<b></p>", "<p title=\"x\" y=\"\">a</p>", "<p title=\"x\">a\"</p>", "<p title=\"x\">a</p><"]
    {
        assert_ne!(markup("<p title=\"x\">a</p>"), markup(other), "{other}");
    }
}
