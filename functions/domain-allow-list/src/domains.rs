//! Which domains are meant by a line of the configuration, and whether an address's domain is one of them. Kept apart
//! from the rule because every mistake here lets a stranger in: names are compared as DNS compares them, label by
//! label and in one spelling, never as text with a common end.
//!
//! # Patterns
//!
//! | pattern | means |
//! |---|---|
//! | `example.com` | this domain and no other |
//! | `*.example.com` | every sub-domain at any depth, not `example.com` itself |
//! | `registrable:example.co.uk` | the domain somebody registered, with everything below it |
//!
//! `registrable:` asks the [public suffix list](https://publicsuffix.org) where a registration ends. It is therefore
//! narrower than `example.com` and `*.example.com` together where others can register below a domain:
//! `registrable:example.com` stops where the list has, say, `hosting.example.com` as a public suffix. It is refused for
//! what nobody can register (`co.uk`) and for a sub-domain (`mail.example.com`). The list is the one of the build.
//!
//! A public suffix may stand behind `*.`, where it has to be spelled out: `*.edu` and `*.ac.uk` are fair to allow, and
//! `*.xyz` is fair to deny. Nothing here can tell them from `*.com`, which lets nearly everybody in. A single label alone
//! (`edu`) is refused, since no mailbox is meant by it.
//!
//! # What is not done
//!
//! No look-alike is recognised: `xn--exmple-cua.com` is simply another domain than `example.com`. That is what an allow
//! list needs; a deny list cannot keep look-alikes out.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Visitor};

use crate::suffixes;

/// The domain in the one spelling in which domains are compared: lower case, A-labels (`xn--…`), no trailing dot.
///
/// Takes either spelling of an internationalised name, any case, full-width letters, ideographic full stops and one
/// trailing dot (UTS 46, non-transitional: `faß.de` is not `fass.de`). A single label is a domain too (`localhost`).
///
/// `None` is what can be no mail domain: empty labels, labels over 63 and names over 253 characters, anything but
/// letters, digits and inner hyphens (so underscores, spaces, `@`, `*`), malformed `xn--` labels, IP addresses with and
/// without brackets, and names that end in a number, as those are addresses to many programs.
#[must_use]
pub fn ascii(domain: &str) -> Option<String> {
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::VerifyAllowRootDot)
        .ok()?;
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    let last = ascii.rsplit('.').next()?;
    (!is_number(last)).then(|| ascii.to_owned())
}

/// One pattern of a list, in the one spelling; see the module's documentation. Read from a string and printed as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    reach: Reach,
    /// In the form of [`ascii`].
    domain: String,
}

/// Why a text is no pattern. For the author of a configuration: names the text and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a domain pattern: {remedy}")]
pub struct BadPattern {
    pattern: String,
    remedy: Cow<'static, str>,
}

/// Any number of patterns. Finding a domain takes one look-up and one more per label, however many patterns there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(from = "Vec<Pattern>")]
pub struct Patterns {
    exact: HashSet<String>,
    below: HashSet<String>,
    registrable: HashSet<String>,
}

/// What the two lists say of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is in the allow list or that list is empty, and it is not in the deny list.
    Allowed,
    /// It is in the deny list.
    Denied,
    /// There is an allow list, and it is not in it.
    Unlisted,
    /// It is no domain a mailbox can have; see [`ascii`].
    Unreadable,
}

/// Decides about `domain`, in any spelling. `deny` wins over `allow`; an empty `allow` allows what is not denied.
#[must_use]
pub fn decide(allow: &Patterns, deny: &Patterns, domain: &str) -> Decision {
    // Brought into the one spelling here once more, whoever calls: another spelling would slip past a deny list.
    let Some(domain) = ascii(domain) else { return Decision::Unreadable };
    if deny.contains(&domain) {
        return Decision::Denied;
    }
    if allow.is_empty() || allow.contains(&domain) { Decision::Allowed } else { Decision::Unlisted }
}

impl Pattern {
    /// Whether `domain`, in the form of [`ascii`], is meant.
    #[must_use]
    pub fn matches(&self, domain: &str) -> bool {
        match self.reach {
            Reach::Exact => domain == self.domain,
            Reach::Below => parents(domain).any(|parent| parent == self.domain),
            Reach::Registrable => suffixes::registrable(domain) == Some(&self.domain),
        }
    }
}

impl std::str::FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(pattern: &str) -> Result<Self, BadPattern> {
        let bad = |remedy: Cow<'static, str>| BadPattern { pattern: pattern.to_owned(), remedy };
        let (reach, domain) = if let Some(domain) = pattern.strip_prefix(WILDCARD) {
            (Reach::Below, domain)
        } else if let Some(domain) = pattern.strip_prefix(REGISTRABLE) {
            (Reach::Registrable, domain)
        } else {
            (Reach::Exact, pattern)
        };
        let domain = ascii(domain).ok_or_else(|| bad(remedy(domain)))?;

        if reach == Reach::Exact && !domain.contains('.') {
            return Err(bad(format!("write `{WILDCARD}{domain}` for every domain below it").into()));
        }
        if reach == Reach::Registrable {
            let Some(own) = suffixes::registrable(&domain) else {
                return Err(bad(format!(
                    "`{domain}` is a public suffix, which nobody registers; write `{WILDCARD}{domain}` for every domain below it"
                )
                .into()));
            };
            if own != domain {
                return Err(bad(format!(
                    "what is registered is `{own}`; write `{REGISTRABLE}{own}`, or `{domain}` and `{WILDCARD}{domain}`"
                )
                .into()));
            }
        }
        Ok(Self { reach, domain })
    }
}

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(pattern: String) -> Result<Self, BadPattern> {
        pattern.parse()
    }
}

/// By hand, since an error that is born inside the visit is reported at its own line of a long list; one that comes
/// out of `try_from` is reported at the list's first.
impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Pattern;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a domain pattern such as `example.com`, `*.example.com` or `registrable:example.com`")
            }

            fn visit_str<E: serde::de::Error>(self, pattern: &str) -> Result<Pattern, E> {
                pattern.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.reach {
            Reach::Exact => "",
            Reach::Below => WILDCARD,
            Reach::Registrable => REGISTRABLE,
        };
        write!(f, "{prefix}{}", self.domain)
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "DomainPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A domain (`example.com`), every sub-domain of one (`*.example.com`), \
                or all of what somebody registered (`registrable:example.co.uk`)",
            "examples": ["example.com", "*.example.com", "registrable:example.co.uk"],
            // For editors only: what is a domain is decided when the file is read.
            "pattern": r"^(\*\.|registrable:)?[^\s@/:*]+$",
        })
    }
}

impl Patterns {
    /// Whether there is no pattern at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty() && self.registrable.is_empty()
    }

    /// Whether a pattern means `domain`, which is in the form of [`ascii`].
    #[must_use]
    pub fn contains(&self, domain: &str) -> bool {
        self.exact.contains(domain)
            || (!self.below.is_empty() && parents(domain).any(|parent| self.below.contains(parent)))
            || (!self.registrable.is_empty()
                && suffixes::registrable(domain).is_some_and(|own| self.registrable.contains(own)))
    }
}

impl FromIterator<Pattern> for Patterns {
    fn from_iter<I: IntoIterator<Item = Pattern>>(patterns: I) -> Self {
        let mut all = Self::default();
        for Pattern { reach, domain } in patterns {
            match reach {
                Reach::Exact => all.exact.insert(domain),
                Reach::Below => all.below.insert(domain),
                Reach::Registrable => all.registrable.insert(domain),
            };
        }
        all
    }
}

impl From<Vec<Pattern>> for Patterns {
    fn from(patterns: Vec<Pattern>) -> Self {
        patterns.into_iter().collect()
    }
}

impl JsonSchema for Patterns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DomainPatterns".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Pattern>::json_schema(generator)
    }
}

const WILDCARD: &str = "*.";
const REGISTRABLE: &str = "registrable:";

/// How far a pattern reaches from its domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reach {
    Exact,
    Below,
    Registrable,
}

/// The domains above `domain`, nearest first: for `a.b.c` these are `b.c` and `c`.
fn parents(domain: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(domain.split_once('.'), |(_, parent)| parent.split_once('.')).map(|(_, parent)| parent)
}

/// Whether a program may take the label for the end of an IPv4 address, as URLs do: `7`, `0x7f`.
fn is_number(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
        || label.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What to write instead of `domain`, which stands behind the prefix and is no domain.
fn remedy(domain: &str) -> Cow<'static, str> {
    if domain.is_empty() || domain == "*" {
        return "write a domain such as `example.com`; to let every domain in, leave the list out".into();
    }
    if let Some((_, own)) = domain.rsplit_once('@') {
        return match ascii(own) {
            Some(own) => format!("write only what follows the `@`, `{own}`").into(),
            None => "write only what follows the `@`".into(),
        };
    }
    let bare = domain.trim_matches(|c: char| c == '*' || c == '.' || c.is_whitespace());
    if let Some(own) = ascii(bare).filter(|_| bare != domain) {
        return if domain.contains('*') {
            format!("write `*.{own}` for every sub-domain").into()
        } else if domain.starts_with('.') {
            format!("write `*.{own}` for every sub-domain, or `{REGISTRABLE}{own}` for the domain and all below it")
                .into()
        } else {
            format!("write `{own}`").into()
        };
    }
    if domain.contains('*') {
        return "a `*` stands only in front, as `*.`, for every sub-domain".into();
    }
    if domain.parse::<std::net::IpAddr>().is_ok() || domain.starts_with('[') {
        return "write a domain's name, not an address of the network".into();
    }
    "write a domain such as `example.com`, `*.example.com` or `registrable:example.com`, its labels of letters, digits and \
     inner hyphens"
        .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn refusal(text: &str) -> String {
        text.parse::<Pattern>().expect_err(text).to_string()
    }

    fn patterns(texts: &[&str]) -> Patterns {
        texts.iter().map(|text| pattern(text)).collect()
    }

    /// Decided by a list of one; the list and the lone pattern must agree.
    fn lets_in(text: &str, domain: &str) -> bool {
        let listed = decide(&patterns(&[text]), &Patterns::default(), domain) == Decision::Allowed;
        assert_eq!(listed, ascii(domain).is_some_and(|domain| pattern(text).matches(&domain)), "{text} and {domain}");
        listed
    }

    #[test]
    fn a_domain_means_itself_and_no_other() {
        assert!(lets_in("example.com", "example.com"));
        for other in
            ["mail.example.com", "evilexample.com", "example.com.evil.org", "example.co", "com", "example.comm"]
        {
            assert!(!lets_in("example.com", other), "{other}");
        }
    }

    #[test]
    fn a_wildcard_means_every_sub_domain_and_not_the_domain_itself() {
        for inside in ["mail.example.com", "a.b.c.example.com", "evil.org.example.com"] {
            assert!(lets_in("*.example.com", inside), "{inside}");
        }
        for other in
            ["example.com", "evilexample.com", "mail.evilexample.com", "mail.example.com.evil.org", "com", "a.com"]
        {
            assert!(!lets_in("*.example.com", other), "{other}");
        }
    }

    #[test]
    fn a_registrable_domain_means_itself_and_all_below_it() {
        for inside in ["example.co.uk", "mail.example.co.uk", "a.b.example.co.uk"] {
            assert!(lets_in("registrable:example.co.uk", inside), "{inside}");
        }
        for other in ["co.uk", "evilexample.co.uk", "example.co.uk.evil.org", "example.com", "other.co.uk"] {
            assert!(!lets_in("registrable:example.co.uk", other), "{other}");
        }
    }

    #[test]
    fn a_registrable_domain_ends_where_others_can_register_below_it() {
        assert!(lets_in("registrable:github.com", "mail.github.com"));
        // s3.amazonaws.com is in the private part of the public suffix list: what is below it belongs to customers.
        assert!(lets_in("registrable:amazonaws.com", "mail.amazonaws.com"));
        assert!(!lets_in("registrable:amazonaws.com", "evil.s3.amazonaws.com"));
        assert!(lets_in("*.amazonaws.com", "evil.s3.amazonaws.com"));
    }

    #[test]
    fn nothing_that_nobody_registers_can_stand_behind_registrable() {
        for suffix in ["com", "co.uk", "github.io", "公司.cn"] {
            assert!(refusal(&format!("registrable:{suffix}")).contains("is a public suffix"), "{suffix}");
        }
        assert_eq!(
            refusal("registrable:co.uk"),
            "`registrable:co.uk` is not a domain pattern: `co.uk` is a public suffix, which nobody registers; \
             write `*.co.uk` for every domain below it"
        );
        assert_eq!(
            refusal("registrable:mail.example.com"),
            "`registrable:mail.example.com` is not a domain pattern: what is registered is `example.com`; \
             write `registrable:example.com`, or `mail.example.com` and `*.mail.example.com`"
        );
        // An exception of the list, a suffix in Chinese, and a suffix the list does not have.
        for own in ["city.kawasaki.jp", "食狮.公司.cn", "acme.example"] {
            assert!(lets_in(&format!("registrable:{own}"), &format!("mail.{own}")), "{own}");
        }
    }

    #[test]
    fn a_public_suffix_may_stand_behind_a_wildcard_where_it_is_spelled_out() {
        assert!(lets_in("*.edu", "mit.edu"));
        assert!(lets_in("*.ac.uk", "mail.cs.ox.ac.uk"));
        assert!(!lets_in("*.ac.uk", "ac.uk"));
        assert!(!lets_in("*.ac.uk", "evilac.uk"));
    }

    #[test]
    fn case_and_one_trailing_dot_make_no_difference() {
        for text in ["Example.COM", "example.com.", "EXAMPLE.com."] {
            assert_eq!(ascii(text).as_deref(), Some("example.com"));
            assert!(lets_in("eXample.com.", text));
            assert_eq!(pattern(text).to_string(), "example.com");
        }
        assert_eq!(ascii("example.com.."), None);
    }

    #[test]
    fn an_internationalised_domain_is_the_same_in_either_spelling() {
        for one in [
            "bücher.example",
            "xn--bcher-kva.example",
            "BÜCHER.example",
            "XN--BCHER-KVA.EXAMPLE",
            "bu\u{308}cher.example",
        ] {
            for other in ["bücher.example", "xn--bcher-kva.example", "BÜCHER。example．"] {
                assert!(lets_in(one, other), "{one} {other}");
            }
            assert!(lets_in(&format!("*.{one}"), "mail.bücher.example"));
        }
        assert!(!lets_in("fass.de", "faß.de"));
    }

    #[test]
    fn full_width_letters_and_ideographic_full_stops_are_read_as_dns_reads_them() {
        for text in ["ｅｘａｍｐｌｅ.com", "example。com", "example．com", "example｡com。"] {
            assert_eq!(ascii(text).as_deref(), Some("example.com"), "{text}");
        }
    }

    #[test]
    fn look_alikes_are_other_domains() {
        // A Cyrillic а, a Greek ο, a dotless i, and a letter with a dot below.
        for (real, fake) in [
            ("example.com", "ex\u{430}mple.com"),
            ("google.com", "g\u{3BF}\u{3BF}gle.com"),
            ("mail.com", "ma\u{131}l.com"),
            ("example.com", "exampl\u{1EB9}.com"),
        ] {
            assert!(ascii(fake).is_some_and(|ascii| ascii.starts_with("xn--")), "{fake}");
            assert!(!lets_in(real, fake), "{fake}");
            assert!(!lets_in(&format!("*.{real}"), &format!("mail.{fake}")), "{fake}");
        }
    }

    #[test]
    fn what_can_be_no_mail_domain_is_unreadable() {
        let long_label = format!("{}.com", "a".repeat(64));
        let long_name = ["a".repeat(63).as_str(); 4].join(".");
        for text in [
            "",
            ".",
            "..",
            ".example.com",
            "example..com",
            "example.com..",
            "-example.com",
            "example-.com",
            "exam_ple.com",
            "exam ple.com",
            " example.com",
            "example.com\n",
            "example.com\0",
            "example.com@evil.org",
            "example.com/evil.org",
            "example.com:25",
            "example.com%2eevil.org",
            "*.example.com",
            "192.0.2.1",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "2001:db8::1",
            "0x7f.1",
            "example.0x7F",
            "example.123",
            "１９２.0.2.1",
            "xn--.com",
            "xn--a-.com",
            "xn--example-.com",
            "xn--\u{fc}.com",
            "example\u{2100}.com",
            "ex\u{202E}ample.com",
            &long_label,
            &long_name,
        ] {
            assert_eq!(ascii(text), None, "{text:?}");
            assert_eq!(decide(&Patterns::default(), &Patterns::default(), text), Decision::Unreadable, "{text:?}");
            assert!(text.parse::<Pattern>().is_err() || text == "*.example.com", "{text:?}");
        }
        assert_eq!(ascii(&format!("{}.com", "a".repeat(63))).map(|name| name.len()), Some(67));
        assert_eq!(ascii("localhost").as_deref(), Some("localhost"));
        assert_eq!(ascii("1and1.com").as_deref(), Some("1and1.com"));
        assert_eq!(ascii("ab--cd.com").as_deref(), Some("ab--cd.com"));
    }

    #[test]
    fn deny_wins_over_allow() {
        let (allow, deny) =
            (patterns(&["example.com", "*.example.org"]), patterns(&["contractors.example.org", "*.evil.example.org"]));
        let decide = |domain| decide(&allow, &deny, domain);
        assert_eq!(decide("example.com"), Decision::Allowed);
        assert_eq!(decide("mail.example.org"), Decision::Allowed);
        assert_eq!(decide("contractors.example.org"), Decision::Denied);
        assert_eq!(decide("CONTRACTORS.example.org."), Decision::Denied);
        assert_eq!(decide("really.evil.example.org"), Decision::Denied);
        assert_eq!(decide("example.org"), Decision::Unlisted);
        assert_eq!(decide("example.net"), Decision::Unlisted);
    }

    #[test]
    fn without_an_allow_list_everything_not_denied_is_allowed() {
        let deny = patterns(&["throwaway.example", "registrable:mailinator.com", "*.xyz"]);
        let decide = |domain| decide(&Patterns::default(), &deny, domain);
        assert_eq!(decide("example.com"), Decision::Allowed);
        assert_eq!(decide("throwaway.example"), Decision::Denied);
        assert_eq!(decide("x.mailinator.com"), Decision::Denied);
        assert_eq!(decide("anything.xyz"), Decision::Denied);
        assert_eq!(decide("@"), Decision::Unreadable);
    }

    #[test]
    fn a_bad_pattern_is_named_together_with_the_remedy() {
        let of =
            |text: &str| refusal(text).split_once(" is not a domain pattern: ").map(|(_, remedy)| remedy.to_owned());
        for (text, remedy) in [
            ("*example.com", "write `*.example.com` for every sub-domain"),
            ("**.example.com", "write `*.example.com` for every sub-domain"),
            ("*.*.example.com", "write `*.example.com` for every sub-domain"),
            (
                ".example.com",
                "write `*.example.com` for every sub-domain, or `registrable:example.com` for the domain and all below it",
            ),
            ("example.com..", "write `example.com`"),
            (" example.com", "write `example.com`"),
            ("mail.*.example.com", "a `*` stands only in front, as `*.`, for every sub-domain"),
            ("anna@example.com", "write only what follows the `@`, `example.com`"),
            ("@Example.com", "write only what follows the `@`, `example.com`"),
            ("*@example.com", "write only what follows the `@`, `example.com`"),
            ("*", "write a domain such as `example.com`; to let every domain in, leave the list out"),
            ("*.", "write a domain such as `example.com`; to let every domain in, leave the list out"),
            ("", "write a domain such as `example.com`; to let every domain in, leave the list out"),
            ("edu", "write `*.edu` for every domain below it"),
            ("192.0.2.1", "write a domain's name, not an address of the network"),
            ("[IPv6:::1]", "write a domain's name, not an address of the network"),
        ] {
            assert_eq!(of(text).as_deref(), Some(remedy), "{text:?}");
        }
        assert!(
            refusal("https://example.com/")
                .starts_with("`https://example.com/` is not a domain pattern: write a domain such as")
        );
        assert!(refusal("registrable: example.com").ends_with("write `example.com`"));
    }

    #[test]
    fn patterns_are_read_from_a_configuration_and_its_error_says_where() {
        let table: std::collections::BTreeMap<String, Patterns> =
            toml::from_str(r#"allow = ["Example.com", "*.bücher.example", "registrable:example.co.uk"]"#)
                .expect("good");
        assert_eq!(table["allow"], patterns(&["example.com", "*.xn--bcher-kva.example", "registrable:example.co.uk"]));

        let error = toml::from_str::<std::collections::BTreeMap<String, Patterns>>(
            "allow = [\n    \"example.com\",\n    'a.example', \"*example.com\"\n]",
        )
        .expect_err("bad");
        assert!(error.to_string().contains("line 3, column 18"), "{error}");
        assert!(error.to_string().contains("`*example.com` is not a domain pattern: write `*.example.com`"), "{error}");
    }

    #[test]
    fn the_schema_is_a_list_of_strings_for_editors() {
        let schema = schemars::schema_for!(Patterns);
        assert_eq!(schema.get("type").and_then(|kind| kind.as_str()), Some("array"));
        let schema = schemars::schema_for!(Pattern);
        assert_eq!(schema.get("type").and_then(|kind| kind.as_str()), Some("string"));
    }

    #[test]
    fn a_pattern_prints_as_it_is_read() {
        for text in ["example.com", "*.example.com", "registrable:example.co.uk", "*.xn--bcher-kva.example", "*.edu"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(pattern("*.Bücher.example.").to_string(), "*.xn--bcher-kva.example");
    }

    /// A name of two to four labels whose last is no number.
    fn name() -> impl Strategy<Value = String> {
        "([a-z0-9äß]([a-z0-9-]{0,6}[a-z0-9])?[.]){1,3}(com|org|co[.]uk|example)"
            .prop_filter("a domain", |name| ascii(name).is_some())
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, ends in ".{0,8}[.@。*:]{0,3}.{0,8}") {
            for text in [text, ends] {
                for text in [text.clone(), format!("*.{text}"), format!("registrable:{text}")] {
                    match text.parse::<Pattern>() {
                        Ok(pattern) => prop_assert_eq!(pattern.to_string().parse::<Pattern>().expect("what it printed"), pattern),
                        Err(error) => prop_assert!(error.to_string().starts_with(&["`", &text, "`"].concat()), "{}", error),
                    }
                }
                if let Some(domain) = ascii(&text) {
                    prop_assert!(domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'));
                    prop_assert!(domain.len() <= 253 && domain.split('.').all(|label| (1..=63).contains(&label.len())));
                    prop_assert_eq!(ascii(&domain), Some(domain));
                }
            }
        }

        #[test]
        fn nothing_before_or_behind_a_domain_lets_a_stranger_in(name in name(), evil in "[a-z0-9@%/_ -]{1,8}", tail in name()) {
            let listed = patterns(&[&name, &format!("*.{name}")]);
            let is_in = |domain: &str| decide(&listed, &Patterns::default(), domain) == Decision::Allowed;
            for own in [name.clone(), format!("mail.{name}")] {
                prop_assert!(is_in(&own), "{}", own);
            }

            let mut strangers = vec![
                format!("{evil}{name}"), format!("mail.{evil}{name}"), format!("{name}@{tail}"), format!("{name}%00.{tail}"),
            ];
            if !ascii(&tail).expect("a name").ends_with(&ascii(&name).expect("a name")) {
                strangers.extend([format!("{name}.{tail}"), format!("{name}{tail}")]);
            }
            for stranger in strangers {
                prop_assert!(!is_in(&stranger), "{}", stranger);
            }
        }

        #[test]
        fn a_list_decides_as_its_patterns_do_one_by_one(names in prop::collection::vec(name(), 1..6), kinds in prop::collection::vec(0..3_u8, 6), domain in name()) {
            let all: Vec<Pattern> = names.iter().zip(&kinds).map(|(name, kind)| match kind {
                0 => name.parse().expect("exact"),
                1 => format!("*.{name}").parse().expect("below"),
                _ => {
                    let ascii = ascii(name).expect("a name");
                    suffixes::registrable(&ascii).map_or_else(|| name.parse().expect("exact"), |own| format!("{REGISTRABLE}{own}").parse().expect("registrable"))
                }
            }).collect();
            let list: Patterns = all.iter().cloned().collect();
            for domain in names.iter().flat_map(|name| [name.clone(), format!("a.{name}"), format!("a.b.{name}"), format!("a{name}")]).chain([domain]) {
                let domain = ascii(&domain).unwrap_or_default();
                prop_assert_eq!(list.contains(&domain), all.iter().any(|pattern| pattern.matches(&domain)), "{}", domain);
            }
        }
    }
}
