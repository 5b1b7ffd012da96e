//! Links in mails that do something: signed, for one purpose, for a time, and without an address in them.
//!
//! A link is made when its mail is sent, by whoever sends it, and acted upon by `functions/links`. What it says is signed with a
//! key of its own, so that nobody can make one for somebody else, for another purpose or for longer. It names the user by the
//! `sub`, which tells a stranger nothing.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::{Fault, FaultKind, Keys};

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LinkPurpose {
    /// No more mails of one list.
    Unsubscribe,
    /// Somebody else signed in: signs out everywhere, has a new password chosen, tells the administrators.
    NotMe,
}

impl LinkPurpose {
    const ALL: [Self; 2] = [Self::Unsubscribe, Self::NotMe];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribe => "unsubscribe",
            Self::NotMe => "not-me",
        }
    }
}

/// A link a mail is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinkWish {
    /// What it is for.
    pub purpose: LinkPurpose,
    /// What it is about: the list to be unsubscribed from, or what else the purpose needs to know. Nothing of the user.
    #[serde(default)]
    pub about: String,
    /// For how long after the mail was sent it works, in days.
    pub days: u16,
}

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is for.
    pub purpose: LinkPurpose,
    /// What it is about.
    pub about: String,
    /// The pool's id.
    pub pool: String,
    /// The user's `sub`.
    pub sub: String,
    /// Until when it works.
    pub expires: Timestamp,
}

/// Why a link is not acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is not one of ours, or was changed.
    Unknown,
    /// Its time is up.
    Expired,
}

/// Where links lead.
#[derive(Clone, Debug, Default)]
pub struct Links(Option<String>);

impl Links {
    /// They lead to this page, e.g. the URL of the function `links`.
    ///
    /// # Errors
    ///
    /// If this is no `https://` URL without a query. `http://` is taken for this machine only.
    pub fn to(url: &str) -> Result<Self, ConfigError> {
        let is_local = |rest: &str| {
            let host = rest.split(['/', ':']).next().unwrap_or_default();
            host == "localhost" || host == "127.0.0.1"
        };
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://").filter(|rest| is_local(rest)));
        let plain = |rest: &&str| {
            rest.bytes().all(|byte| byte.is_ascii_graphic() && !br#"?#"'<>\"#.contains(&byte))
                && rest.starts_with(|first: char| first.is_ascii_alphanumeric())
        };
        if rest.filter(plain).is_none() {
            return Err(ConfigError::new("this is not an address links can lead to")
                .remedy("write an `https://` URL without a query, e.g. the URL of the function `links`"));
        }
        Ok(Self(Some(url.trim_end_matches('/').to_owned())))
    }

    /// The URL of a link.
    ///
    /// # Errors
    ///
    /// If no place is configured, or there is no root key.
    pub fn url(&self, link: &Link, keys: &Keys) -> Result<String, Fault> {
        let Some(base) = &self.0 else {
            let remedy = "add `links = \"https://...\"` under [services] or set TRIGGERS_LINKS";
            return Err(Fault::of(FaultKind::Configuration, format!("nothing says where links lead: {remedy}")));
        };
        Ok(format!("{base}/?t={}", link.token(keys)?))
    }
}

impl Link {
    /// The signed text.
    ///
    /// # Errors
    ///
    /// If there is no root key.
    pub fn token(&self, keys: &Keys) -> Result<String, Fault> {
        let text = self.text();
        let seal = keys.seal_link(&text).ok_or_else(|| {
            Fault::of(FaultKind::Configuration, "there is no root key to sign a link with: set TRIGGERS_KEY")
        })?;
        Ok(format!("{}.{seal}", BASE64URL_NOPAD.encode(text.as_bytes())))
    }

    /// Reads what [`token`](Self::token) wrote.
    ///
    /// # Errors
    ///
    /// If it is not to be acted upon.
    pub fn read(token: &str, keys: &Keys, now: Timestamp) -> Result<Self, Unusable> {
        let (text, seal) = token.split_once('.').ok_or(Unusable::Unknown)?;
        let text = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| Unusable::Unknown)?;
        let text = String::from_utf8(text).map_err(|_| Unusable::Unknown)?;
        if !keys.is_sealed_link(&text, seal) {
            return Err(Unusable::Unknown);
        }
        let link = Self::parse(&text).ok_or(Unusable::Unknown)?;
        if link.expires <= now { Err(Unusable::Expired) } else { Ok(link) }
    }

    /// A line for each part; none of them has a line break in it.
    fn text(&self) -> String {
        let parts = [
            VERSION,
            self.purpose.as_str(),
            &self.expires.as_second().to_string(),
            &plain(&self.pool),
            &plain(&self.sub),
            &plain(&self.about),
        ];
        parts.join("\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split('\n').collect();
        let [version, purpose, expires, pool, sub, about] = parts.as_slice() else { return None };
        let purpose =
            LinkPurpose::ALL.into_iter().find(|it| it.as_str() == *purpose).filter(|_| *version == VERSION)?;
        let expires = Timestamp::from_second(expires.parse().ok()?).ok()?;
        let [pool, sub, about] = [pool, sub, about].map(|part| (*part).to_owned());
        Some(Self { purpose, about, pool, sub, expires })
    }
}

const VERSION: &str = "1";

fn plain(part: &str) -> String {
    part.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);

    fn keys() -> Keys {
        Keys::from_root(&[7; 32])
    }

    proptest! {
        #[test]
        fn a_link_says_what_it_was_made_for_whatever_that_is(
            not_me: bool, pool in "(?s).{0,60}", sub in "(?s).{0,60}", about in "(?s).{0,60}", seconds in 1_i64..200_000_000_000,
        ) {
            let purpose = if not_me { LinkPurpose::NotMe } else { LinkPurpose::Unsubscribe };
            let expires = NOW + SignedDuration::from_secs(seconds);
            let token = Link { purpose, about: about.clone(), pool: pool.clone(), sub: sub.clone(), expires }.token(&keys()).unwrap();
            let [pool, sub, about] = [pool, sub, about].map(|part| part.replace('\n', " "));
            prop_assert_eq!(Link::read(&token, &keys(), NOW), Ok(Link { purpose, about, pool, sub, expires }));
        }

        #[test]
        fn no_other_text_is_a_link(at in 0_usize..1000, put in "[A-Za-z0-9_.=+/ -]|\\PC{0,9}", cut in 0_usize..3) {
            let token = link().token(&keys()).unwrap();
            let at = at % token.len();
            let end = token.len().min(at + cut);
            let changed = [&token[..at], &put, &token[end..]].concat();
            prop_assume!(changed != token);
            prop_assert_eq!(Link::read(&changed, &keys(), NOW), Err(Unusable::Unknown));
            prop_assert_eq!(Link::read(&put, &keys(), NOW), Err(Unusable::Unknown));
        }
    }

    fn link() -> Link {
        Link {
            purpose: LinkPurpose::Unsubscribe,
            about: "win-back".into(),
            pool: "eu-central-1_Example01".into(),
            sub: "11111111-2222-4333-8444-555555555555".into(),
            expires: NOW + SignedDuration::from_hours(24),
        }
    }

    #[test]
    fn a_link_says_what_it_was_made_for_until_its_time_is_up() {
        let token = link().token(&keys()).unwrap();
        assert_eq!(Link::read(&token, &keys(), NOW), Ok(link()));
        assert_eq!(Link::read(&token, &keys(), link().expires), Err(Unusable::Expired));
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{token}");
    }

    #[test]
    fn a_link_under_the_previous_key_works_on() {
        let hex = |byte: u8| format!("{byte:02x}").repeat(32);
        let token = link().token(&Keys::parse(&hex(1)).unwrap()).unwrap();
        let both = Keys::parse(&format!("{},{}", hex(2), hex(1))).unwrap();
        assert_eq!(Link::read(&token, &both, NOW), Ok(link()));
        assert_eq!(Link::read(&token, &Keys::parse(&hex(2)).unwrap(), NOW), Err(Unusable::Unknown));
        assert_eq!(Link::read(&token, &Keys::default(), NOW), Err(Unusable::Unknown));
    }

    #[test]
    fn nobody_makes_or_changes_one() {
        let token = link().token(&keys()).unwrap();
        let (_, seal) = token.split_once('.').unwrap();
        let other = Link { purpose: LinkPurpose::NotMe, ..link() };
        let forged = format!("{}.{seal}", BASE64URL_NOPAD.encode(other.text().as_bytes()));
        let cut = token.get(..token.len() - 1).unwrap();
        let short = token.get(..token.len() - 8).unwrap();
        for wrong in ["", ".", "a.b", cut, short, &forged, &format!("{token}A"), &token.replace('.', "")] {
            assert_eq!(Link::read(wrong, &keys(), NOW), Err(Unusable::Unknown), "{wrong}");
        }
    }

    #[test]
    fn no_part_runs_into_another() {
        let sneaky = Link { sub: "a\nb".into(), ..link() };
        let read = Link::read(&sneaky.token(&keys()).unwrap(), &keys(), NOW).unwrap();
        assert_eq!((read.sub.as_str(), read.about.as_str()), ("a b", "win-back"));
    }

    #[test]
    fn a_link_leads_to_a_page_of_ours() {
        let url = |base: &str| Links::to(base).map(|links| links.url(&link(), &keys()).unwrap());
        assert!(
            url("https://abc.lambda-url.eu-central-1.on.aws/")
                .unwrap()
                .starts_with("https://abc.lambda-url.eu-central-1.on.aws/?t=")
        );
        assert!(url("https://acme.example/mail/links").unwrap().starts_with("https://acme.example/mail/links/?t="));
        assert!(url("http://127.0.0.1:9000").is_ok() && url("http://localhost").is_ok());
        for wrong in [
            "",
            "acme.example",
            "http://acme.example",
            "http://localhost.evil.example",
            "https://",
            "https://a b",
            "https://a.example/?x=1",
            "https://a.example/#x",
            "javascript:alert(1)",
            "https://a.example/\"onclick=",
            "https:///x",
        ] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        assert!(Links::default().url(&link(), &keys()).unwrap_err().causes().contains("TRIGGERS_LINKS"));
    }
}
