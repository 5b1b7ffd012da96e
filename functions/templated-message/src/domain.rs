//! Which domains of addresses are meant. Names are compared as DNS compares them, in one spelling and by whole labels:
//! `evilexample.com` is not below `example.com`.

use std::borrow::Cow;
use std::str::FromStr;

use cognito_triggers::EmailAddress;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// `example.com`, that domain alone, or `*.example.com`, all below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Domain {
    below: bool,
    /// In the spelling of [`EmailAddress::domain`].
    name: String,
}

/// What was given is not a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotADomain;

impl Domain {
    /// Whether a domain in the spelling of [`EmailAddress::domain`] is meant.
    pub(crate) fn means(&self, domain: &str) -> bool {
        if !self.below {
            return domain == self.name;
        }
        let label = domain.strip_suffix(&self.name).and_then(|before| before.strip_suffix('.'));
        label.is_some_and(|label| !label.is_empty())
    }
}

impl FromStr for Domain {
    type Err = NotADomain;

    fn from_str(text: &str) -> Result<Self, NotADomain> {
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        // An address is parsed, so that both are spelt alike whatever that takes. What holds more than a domain is refused by
        // it, or does not come out as it went in.
        let is_bare = !name.contains(['@', '"', '(', ')', '<', '>', ',', ';', '*']) && name.trim() == name;
        let address: EmailAddress = format!("postmaster@{name}").parse().map_err(|_| NotADomain)?;
        let name = address.domain().to_owned();
        // No mailbox is at a domain of one label; below one there are many.
        if is_bare && (below || name.contains('.')) { Ok(Self { below, name }) } else { Err(NotADomain) }
    }
}

impl TryFrom<String> for Domain {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = |_| {
            format!(
                "`{text}` is not a domain: write `example.com` for that one alone, or `*.example.com` for all below it"
            )
        };
        text.parse().map_err(refuse)
    }
}

impl JsonSchema for Domain {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Domain".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^(\*\.)?[^\s@*]+$" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a line of the settings means the domain of an address.
    fn means(line: &str, address: &str) -> bool {
        let line: Domain = line.parse().unwrap();
        address.parse::<EmailAddress>().is_ok_and(|address| line.means(address.domain()))
    }

    #[test]
    fn a_domain_is_meant_alone_or_with_a_star_whatever_is_below_it() {
        assert!(means("example.com", "anna@example.com"));
        assert!(!means("example.com", "anna@mail.example.com"));
        assert!(means("*.example.com", "anna@mail.example.com"));
        assert!(means("*.example.com", "anna@a.b.example.com"));
        assert!(!means("*.example.com", "anna@example.com"));
        assert!(means("*.edu", "anna@uni.edu"));
    }

    #[test]
    fn what_only_ends_alike_is_another_domain() {
        for line in ["example.com", "*.example.com"] {
            for address in ["anna@evilexample.com", "anna@example.com.evil.org", "anna@evil-example.com", "anna@e.com"]
            {
                assert!(!means(line, address), "{line} {address}");
            }
        }
    }

    #[test]
    fn every_spelling_of_a_domain_is_that_domain() {
        for line in ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "XN--BCHER-KVA.Example."] {
            for address in ["a@bücher.example", "a@BÜCHER.EXAMPLE", "a@xn--bcher-kva.example", "a@bücher.example."] {
                assert!(means(line, address), "{line} {address}");
            }
        }
        assert!(means("*.Bücher.example", "a@x.xn--bcher-kva.example"));
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            ".",
            "com",
            "@example.com",
            "anna@example.com",
            "*.*.example.com",
            "a*.example.com",
            "*example.com",
            " example.com",
            "example.com ",
            "exa mple.com",
            "example..com",
            ".example.com",
            "[192.0.2.1]",
            "example.com,x.com",
            "example.com/x",
            "exa_mple.com",
            "\"example.com",
            "(x)example.com",
            "example.com(x)",
            "<example.com>",
        ] {
            assert_eq!(text.parse::<Domain>(), Err(NotADomain), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_read_as_something_else(text in "\\PC{0,30}") {
            if let Ok(domain) = text.parse::<Domain>() {
                let again = format!("{}{}", if domain.below { "*." } else { "" }, domain.name);
                prop_assert_eq!(again.parse::<Domain>(), Ok(domain));
            }
        }

        #[test]
        fn a_star_means_what_is_below_by_whole_labels(labels in prop::collection::vec("[a-z]{1,8}", 2..5), front in "[a-z.]{0,8}") {
            let below: Domain = format!("*.{}", labels.join(".")).parse().unwrap();
            let domain = format!("{front}{}", labels.join("."));
            if let Ok(address) = format!("x@{domain}").parse::<EmailAddress>() {
                prop_assert_eq!(below.means(address.domain()), front.ends_with('.'));
            }
        }
    }
}
