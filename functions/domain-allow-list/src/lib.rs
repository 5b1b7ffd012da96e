//! Who may sign up, by the domain of the e-mail address.
//!
//! ```toml
//! [domain-allow-list]
//! allow   = ["example.com", "*.example.org"]
//! deny    = ["contractors.example.org", "*.contractors.example.org"]
//! message = "Please sign up with your company address"
//! ```
//!
//! [`domains`] says what a pattern is. The address is the attribute `email`; where there is none, the user name if it is an
//! address. It is parsed as a whole, so neither `evilexample.com` nor `example.com.evil.org` nor `x@example.com@evil.org`
//! passes for `example.com`.
//!
//! What it does not do: prove that the address is the user's own. That is what Cognito's confirmation code is for, so do not
//! confirm users automatically by other means.

use cognito_triggers::prelude::*;
use cognito_triggers::{EmailAddress, TriggerSource};
use domains::{Decision, Patterns};
use schemars::JsonSchema;
use serde::Deserialize;

pub mod domains;
mod suffixes;

/// The settings, and the rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DomainAllowList {
    /// Domains that may sign up. Without this list everything may that is not denied.
    #[serde(default)]
    allow: Option<Patterns>,
    /// Domains that may not, even if they are allowed.
    #[serde(default)]
    deny: Patterns,
    /// What a refused user reads.
    #[serde(default = "closed")]
    message: String,
    /// Whether a user name that is an address counts where there is no `email`. Switch it off where users choose their names:
    /// nobody proves to own an address that is only a name.
    #[serde(default = "yes")]
    user_name: bool,
    /// Whether users who sign up themselves are checked.
    #[serde(default = "yes")]
    self_sign_up: bool,
    /// Whether users an administrator creates are checked.
    #[serde(default = "yes")]
    admin_created: bool,
    /// Whether users of other providers are checked at their first sign-in.
    #[serde(default = "yes")]
    federated: bool,
    /// Whether everybody is checked again at each sign-in: users can change their address later.
    #[serde(default)]
    at_sign_in: bool,
}

fn closed() -> String {
    "Sign-up is not open to this e-mail address".into()
}

const fn yes() -> bool {
    true
}

const UNREADABLE: &str = "This e-mail address cannot be read, please check its spelling";
const MISSING: &str = "Please sign up with an e-mail address";

impl Configured for DomainAllowList {
    const SECTION: &'static str = "domain-allow-list";
    const TRIGGERS: &'static [&'static str] = &[PreSignUp::NAME, PostAuthentication::NAME];

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        if self.allow.as_ref().is_some_and(Patterns::is_empty) {
            return Err(ConfigError::new("an empty list lets nobody in")
                .at("allow")
                .remedy("name domains, or leave the key out to allow what is not denied"));
        }
        if self.allow.is_none() && self.deny.is_empty() {
            return Err(ConfigError::new("neither `allow` nor `deny` names a domain")
                .remedy("write e.g. allow = [\"example.com\"], or remove the table"));
        }
        let at_sign_in = self.at_sign_in;
        let attach = chains.attach(self).to::<PreSignUp>();
        if at_sign_in { attach.to::<PostAuthentication>().done() } else { attach.done() }
    }
}

impl Rule<PreSignUp> for DomainAllowList {
    async fn apply(&self, event: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
        let checked = match event.source {
            TriggerSource::PreSignUpAdminCreateUser => self.admin_created,
            TriggerSource::PreSignUpExternalProvider => self.federated,
            // A source that is new to us is checked like somebody who signs up.
            _ => self.self_sign_up,
        };
        Ok(if checked { self.judge(event) } else { Verdict::Continue })
    }
}

impl Rule<PostAuthentication> for DomainAllowList {
    async fn apply(
        &self,
        event: &Event<PostAuthentication>,
        _: &mut Visit<PostAuthentication>,
    ) -> Answer<PostAuthentication> {
        Ok(self.judge(event))
    }
}

impl DomainAllowList {
    fn judge<T: Gate>(&self, event: &Event<T>) -> Verdict<T> {
        let Some(address) = self.address(event) else { return Verdict::deny(MISSING) };
        let Ok(address) = address else { return Verdict::deny(UNREADABLE) };
        match domains::decide(self.allow.as_ref().unwrap_or(&Patterns::default()), &self.deny, address.domain()) {
            Decision::Allowed => Verdict::Continue,
            Decision::Denied | Decision::Unlisted => Verdict::deny(self.message.clone()),
            Decision::Unreadable => Verdict::deny(UNREADABLE),
        }
    }

    /// The address of the user: the attribute, else the user name where people sign in with one. A federated user's name is made
    /// by the other provider (`ADFS_anna@example.com`) and proves nothing.
    fn address<T: Trigger>(&self, event: &Event<T>) -> Option<Result<EmailAddress, cognito_triggers::NotAnAddress>> {
        let federated =
            event.source == TriggerSource::PreSignUpExternalProvider || !event.attributes().identities().is_empty();
        event.attributes().email().or_else(|| {
            let is_address = self.user_name && !federated && event.user_name.contains('@');
            is_address.then(|| event.user_name.parse())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: &[&str], deny: &[&str]) -> DomainAllowList {
        let patterns = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Patterns>();
        DomainAllowList {
            allow: (!allow.is_empty()).then(|| patterns(allow)),
            deny: patterns(deny),
            message: closed(),
            user_name: true,
            self_sign_up: true,
            admin_created: true,
            federated: true,
            at_sign_in: false,
        }
    }

    fn sign_up(email: &str) -> Event<PreSignUp> {
        Event::<PreSignUp>::sample().with("email", email)
    }

    fn passes(rule: DomainAllowList, email: &str) -> bool {
        Trial::of(rule).sees(sign_up(email)) == Verdict::Continue
    }

    #[test]
    fn the_domain_gets_in_however_it_is_written() {
        for email in [
            "anna@example.com",
            "Anna+news@EXAMPLE.com",
            "\"a b\"@example.com",
            "anna@example.com.",
            " anna@example.com",
        ] {
            assert!(passes(rule(&["example.com"], &[]), email), "{email}");
        }
        for email in ["anna@bücher.example", "anna@XN--BCHER-KVA.example"] {
            assert!(passes(rule(&["bücher.example"], &[]), email), "{email}");
        }
    }

    #[test]
    fn nothing_that_only_looks_like_it_does() {
        let strangers = [
            "anna@evilexample.com",
            "anna@example.com.evil.org",
            "anna@sub.example.com",
            "anna@example.co",
            "anna@exаmple.com", // a Cyrillic а
            "anna@example.com@evil.org",
            "\"anna@example.com\"@evil.org",
            "anna@evil.org\u{0}@example.com",
            "Anna <anna@example.com>",
            "anna@evil.org,anna@example.com",
            "anna@evil.org anna@example.com",
            "anna@[192.0.2.1]",
            "anna@",
            "@example.com",
            "anna",
            "",
        ];
        for email in strangers {
            assert!(!passes(rule(&["example.com"], &[]), email), "{email}");
        }
    }

    #[test]
    fn deny_wins_over_allow() {
        let list = || rule(&["*.example.org"], &["contractors.example.org"]);
        assert!(passes(list(), "anna@staff.example.org"));
        assert!(!passes(list(), "anna@contractors.example.org"));
        assert!(!passes(list(), "anna@example.org"));
    }

    #[test]
    fn without_an_allow_list_everything_passes_that_is_not_denied() {
        assert!(passes(rule(&[], &["example.net"]), "anna@example.com"));
        assert!(!passes(rule(&[], &["example.net"]), "anna@example.net"));
    }

    #[test]
    fn the_user_reads_what_to_do() {
        let trial = Trial::of(rule(&["example.com"], &[]));
        assert_eq!(trial.sees(sign_up("anna@")), denied(UNREADABLE));
        assert_eq!(trial.sees(sign_up("anna@example.net")), denied("Sign-up is not open to this e-mail address"));
        let nameless = Event::<PreSignUp>::sample().with("email", serde_json::Value::Null);
        assert_eq!(trial.sees(nameless), denied(MISSING));
    }

    #[test]
    fn the_user_name_counts_only_where_it_is_an_address_of_the_user() {
        let trial = Trial::of(rule(&["example.com"], &[]));
        let named = |source: &TriggerSource, name: &str| {
            Event::<PreSignUp>::sample_of(source).with("email", serde_json::Value::Null).with_value(&["userName"], name)
        };
        let own = named(&TriggerSource::PreSignUpSignUp, "anna@example.com");
        assert_eq!(trial.sees(own), Verdict::Continue);
        let strict = Trial::of(DomainAllowList { user_name: false, ..rule(&["example.com"], &[]) });
        assert_eq!(strict.sees(named(&TriggerSource::PreSignUpSignUp, "anna@example.com")), denied(MISSING));
        // "userName = <Provider>_<idpUserId>": made by the other provider.
        let others = named(&TriggerSource::PreSignUpExternalProvider, "ADFS_anna@example.com");
        assert_eq!(trial.sees(others), denied(MISSING));
    }

    #[test]
    fn every_way_into_the_pool_can_be_left_open() {
        let ways = [
            (TriggerSource::PreSignUpSignUp, DomainAllowList { self_sign_up: false, ..rule(&["example.com"], &[]) }),
            (
                TriggerSource::PreSignUpAdminCreateUser,
                DomainAllowList { admin_created: false, ..rule(&["example.com"], &[]) },
            ),
            (
                TriggerSource::PreSignUpExternalProvider,
                DomainAllowList { federated: false, ..rule(&["example.com"], &[]) },
            ),
        ];
        for (source, open) in ways {
            let event = || Event::<PreSignUp>::sample_of(&source).with("email", "bela@example.net");
            assert_eq!(Trial::of(open).sees(event()), Verdict::Continue, "{source}");
            assert_ne!(Trial::of(rule(&["example.com"], &[])).sees(event()), Verdict::Continue, "{source}");
        }
    }

    #[test]
    fn an_address_changed_later_is_noticed_at_sign_in() {
        let trial = Trial::of(DomainAllowList { at_sign_in: true, ..rule(&["example.com"], &[]) });
        let sign_in = |email: &str| Event::<PostAuthentication>::sample().with("email", email);
        assert_eq!(trial.sees(sign_in("anna@example.com")), Verdict::Continue);
        assert_eq!(trial.sees(sign_in("anna@example.net")), denied("Sign-up is not open to this e-mail address"));
    }

    #[test]
    fn it_asks_no_service() {
        let seen = Trial::of(rule(&["example.com"], &[])).handles(&sign_up("anna@example.com"));
        assert_eq!(seen.calls, cognito_triggers::Calls::default());
    }
}
