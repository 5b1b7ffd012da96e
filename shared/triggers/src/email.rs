//! E-mail addresses, as far as a rule may rely on them.

use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress as Parsed, Options};

/// An address that was parsed: one local part, one domain, the domain in its ASCII form (lower case, `xn--` labels, no
/// trailing dot).
///
/// Display names, comments and IP literals are not addresses here. The local part is kept as it was written: only the
/// receiving server knows whether case or a `+tag` matter.
///
/// ```
/// use cognito_triggers::EmailAddress;
///
/// let address: EmailAddress = "Anna+news@Bücher.Example".parse().unwrap();
/// assert_eq!(address.local_part(), "Anna+news");
/// assert_eq!(address.domain(), "xn--bcher-kva.example");
/// assert!("anna@example.com@evil.org".parse::<EmailAddress>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    local_part: String,
    domain: String,
}

/// What was given is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct NotAnAddress;

impl EmailAddress {
    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    /// What stands after the `@`, in ASCII form.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl FromStr for EmailAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let text = text.trim();
        let text = text.strip_suffix('.').unwrap_or(text);
        let options = Options::default().without_display_text().without_domain_literal();
        let parsed = Parsed::parse_with_options(text, options).map_err(|_| NotAnAddress)?;
        let domain = idna::domain_to_ascii_cow(parsed.domain().as_bytes(), idna::AsciiDenyList::STD3)
            .map_err(|_| NotAnAddress)?;
        let domain = domain.strip_suffix('.').unwrap_or(&domain);
        if domain.is_empty()
            || domain.len() > 253
            || domain.split('.').any(|label| label.is_empty() || label.len() > 63)
        {
            return Err(NotAnAddress);
        }
        Ok(Self { local_part: parsed.local_part().to_owned(), domain: domain.to_owned() })
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.local_part, self.domain)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EmailAddress(@{})", self.domain)
    }
}
