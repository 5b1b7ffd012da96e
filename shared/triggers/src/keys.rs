//! One root key, and what is derived from it.
//!
//! Every purpose has a key of its own (HKDF-SHA256), so that a hash made for the log tells nothing about a hash made for the
//! ledger.

use std::fmt;
use std::sync::Arc;

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::ConfigError;
use crate::ledger::{InvitationKey, Owner};
use crate::{Attributes, Envelope};

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Users in logs.
    Log,
    /// Owners before there is a `sub`.
    Applicant,
    /// Codes of invitations.
    Code,
    /// Links in mails.
    Link,
    /// What was staged, to tell whether it still fits.
    Content,
}

impl Purpose {
    const ALL: [Self; 5] = [Self::Log, Self::Applicant, Self::Code, Self::Link, Self::Content];

    const fn label(self) -> &'static [u8] {
        match self {
            Self::Log => b"cognito-triggers/v1/log",
            Self::Applicant => b"cognito-triggers/v1/applicant",
            Self::Code => b"cognito-triggers/v1/code",
            Self::Link => b"cognito-triggers/v1/link",
            Self::Content => b"cognito-triggers/v1/content",
        }
    }
}

/// The keys in force: the current root key and, while it is being replaced, the previous one.
///
/// Written as `TRIGGERS_KEY="<new>,<old>"`, each at least 32 bytes in hexadecimal or Base64, as printed by
/// `openssl rand -base64 32`. New hashes are made with the first; what was stored is looked up under both. The old one can go
/// when every reservation made with it has lapsed and the invitations made with it are used up.
#[derive(Clone, Default)]
pub struct Keys(Arc<[Derived]>);

/// The keys derived from one root key.
#[derive(Clone)]
struct Derived {
    /// In the order of [`Purpose::ALL`], each with the first half of its hash done.
    macs: [Hmac<Sha256>; 5],
    /// What applications sign with. It leaves the house, so it is kept as it is given away.
    application: [u8; APPLICATION_BYTES],
}

/// How long the key of applications is.
const APPLICATION_BYTES: usize = 32;

/// How much of a hash makes a link one of ours.
const SEAL_BYTES: usize = 16;

/// The fewest bytes a root key may have.
const ROOT_BYTES: usize = 32;

impl Keys {
    /// Reads one or more root keys, the current one first.
    ///
    /// # Errors
    ///
    /// If one is not hexadecimal or Base64, or shorter than 32 bytes. The text of a key is never quoted.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let keys = text.split(',').map(|key| Derived::from_text(key.trim())).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(keys.into()))
    }

    /// Keys from a root of random or fixed bytes; for tests and the local pool.
    #[must_use]
    pub fn from_root(root: &[u8; ROOT_BYTES]) -> Self {
        Self(Arc::new([Derived::new(root)]))
    }

    /// Whether there is none: nothing can be hashed then, and rules that need a hash refuse to start.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A user as the log may name one: 12 characters, the same for the same user under one key. `None` without a key.
    #[must_use]
    pub fn log_name(&self, pool: &str, user: &str) -> Option<String> {
        let current = self.0.first()?;
        let mut hash = current.hash(Purpose::Log, &[pool, user]);
        hash.truncate(12);
        Some(hash)
    }

    /// Who is signing up, before there is a `sub`: one owner per root key, the current one first.
    ///
    /// It is told by the e-mail address (domain in ASCII form, case ignored), else the phone number, else the user name: where
    /// users sign in with an address, every try has another user name, a new UUID.
    #[must_use]
    pub fn applicant(&self, envelope: &Envelope, attributes: &Attributes) -> Vec<Owner> {
        let contact = contact(envelope, attributes);
        self.owners(&[&envelope.user_pool_id, &contact])
    }

    /// Somebody by user name alone: one owner per root key, the current one first.
    #[must_use]
    pub fn user_name(&self, envelope: &Envelope) -> Vec<Owner> {
        self.owners(&[&envelope.user_pool_id, &format!("name:{}", envelope.user_name)])
    }

    /// Who is signing up, told apart by everything at hand, address, number and user name: for what must be counted exactly
    /// where several users may share an address.
    ///
    /// User names in the form of a UUID are left out, since where users sign in with an address Cognito makes up a new one at
    /// every try. With `chosen_names` they count as well: where users choose their names, somebody may choose such a one.
    #[must_use]
    pub fn exact_applicant(&self, envelope: &Envelope, attributes: &Attributes, chosen_names: bool) -> Vec<Owner> {
        let made_up = !chosen_names && is_uuid(&envelope.user_name);
        let user_name = if made_up { "" } else { &envelope.user_name };
        let phone_number = attributes.phone_number().unwrap_or_default();
        self.owners(&[&envelope.user_pool_id, &contact(envelope, attributes), phone_number, user_name])
    }

    /// The names of an invitation with this code: one per root key, the current one first.
    #[must_use]
    pub fn invitation(&self, pool: &str, code: &str) -> Vec<InvitationKey> {
        let key = |derived: &Derived| InvitationKey {
            pool: pool.to_owned(),
            hash: derived.hash(Purpose::Code, &[pool, code]),
        };
        self.0.iter().map(key).collect()
    }

    /// Tells whether something is still the same without telling what it is: 12 characters, the same for the same parts under one
    /// key. `None` without a key.
    #[must_use]
    pub fn fingerprint(&self, parts: &[&str]) -> Option<String> {
        let mut hash = self.0.first()?.hash(Purpose::Content, parts);
        hash.truncate(12);
        Some(hash)
    }

    /// The key an application signs with what it passes along, in Base64: 32 bytes for HMAC-SHA256. `None` without a root key.
    #[must_use]
    pub fn application_key(&self) -> Option<String> {
        self.0.first().map(|derived| BASE64.encode(&derived.application))
    }

    /// Whether an application signed this text: HMAC-SHA256 under its key, all 32 bytes. Takes as long for a signature that is
    /// nearly right.
    #[must_use]
    pub fn is_of_application(&self, text: &[u8], signature: &[u8]) -> bool {
        self.0.iter().any(|derived| {
            let Ok(mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&derived.application) else { return false };
            mac.chain_update(text).verify_slice(signature).is_ok()
        })
    }

    /// What makes a link one of ours: 22 characters.
    pub(crate) fn seal_link(&self, text: &str) -> Option<String> {
        let hash = self.0.first()?.mac(Purpose::Link, &[text]).finalize().into_bytes();
        Some(BASE64URL_NOPAD.encode(hash.split_at(SEAL_BYTES).0))
    }

    /// Whether it is, in a time that tells nothing.
    pub(crate) fn is_sealed_link(&self, text: &str, seal: &str) -> bool {
        let Ok(seal) = BASE64URL_NOPAD.decode(seal.as_bytes()) else { return false };
        seal.len() == SEAL_BYTES
            && self.0.iter().any(|derived| derived.mac(Purpose::Link, &[text]).verify_truncated_left(&seal).is_ok())
    }

    fn owners(&self, parts: &[&str]) -> Vec<Owner> {
        self.0.iter().map(|derived| Owner::applicant(&derived.hash(Purpose::Applicant, parts))).collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keys({})", self.0.len())
    }
}

impl Derived {
    fn from_text(text: &str) -> Result<Self, ConfigError> {
        let bytes = [&HEXLOWER_PERMISSIVE, &BASE64, &BASE64URL_NOPAD]
            .iter()
            .find_map(|encoding| encoding.decode(text.as_bytes()).ok())
            .ok_or_else(|| {
                ConfigError::new("the root key is neither hexadecimal nor Base64")
                    .remedy("make one with `openssl rand -base64 32`")
            })?;
        if bytes.len() < ROOT_BYTES {
            return Err(ConfigError::new(format!("the root key has {} bytes, fewer than {ROOT_BYTES}", bytes.len()))
                .remedy("make one with `openssl rand -base64 32`"));
        }
        Ok(Self::new(&bytes))
    }

    fn new(root: &[u8]) -> Self {
        let expander = Hkdf::<Sha256>::new(None, root);
        let derive = |purpose: Purpose| {
            let mut key = [0; 64];
            // 64 bytes are within what HKDF-SHA256 can give (8,160), so this cannot fail.
            let _ = expander.expand(purpose.label(), &mut key);
            <Hmac<Sha256> as KeyInit>::new(&key.into())
        };
        let mut application = [0; APPLICATION_BYTES];
        let _ = expander.expand(b"cognito-triggers/v1/application", &mut application);
        Self { macs: Purpose::ALL.map(derive), application }
    }

    /// 26 characters: 128 bits of HMAC-SHA256 over the parts, each preceded by its length.
    fn hash(&self, purpose: Purpose, parts: &[&str]) -> String {
        let mac = self.mac(purpose, parts);
        let hash = mac.finalize().into_bytes();
        BASE32_NOPAD.encode(hash.split_at(16).0)
    }

    fn mac(&self, purpose: Purpose, parts: &[&str]) -> Hmac<Sha256> {
        let [log, applicant, code, link, content] = &self.macs;
        let mut mac = match purpose {
            Purpose::Log => log.clone(),
            Purpose::Applicant => applicant.clone(),
            Purpose::Code => code.clone(),
            Purpose::Link => link.clone(),
            Purpose::Content => content.clone(),
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

fn contact(envelope: &Envelope, attributes: &Attributes) -> String {
    if let Some(Ok(email)) = attributes.email() {
        return format!("email:{}", email.to_string().to_lowercase());
    }
    match attributes.phone_number() {
        Some(number) => format!("phone:{number}"),
        None => format!("name:{}", envelope.user_name),
    }
}

/// Whether this has the form of the user names Cognito makes up itself.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, PreSignUp};

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn keys() -> Keys {
        Keys::parse(HEX).unwrap()
    }

    fn event(user_name: &str, attributes: &[(&str, &str)]) -> Event<PreSignUp> {
        let none = serde_json::Map::new();
        let event = Event::<PreSignUp>::sample().with_value(&["request", "userAttributes"], none);
        let event = event.with_value(&["userName"], user_name);
        attributes.iter().fold(event, |event, (name, value)| event.with(name, *value))
    }

    fn applicant(user_name: &str, attributes: &[(&str, &str)]) -> Owner {
        let event = event(user_name, attributes);
        keys().applicant(&event, event.attributes()).remove(0)
    }

    fn exact(user_name: &str, attributes: &[(&str, &str)]) -> Owner {
        let event = event(user_name, attributes);
        keys().exact_applicant(&event, event.attributes(), false).remove(0)
    }

    #[test]
    fn a_fingerprint_is_the_same_for_the_same_parts_under_one_key_and_no_other() {
        let of = |parts: &[&str]| keys().fingerprint(parts).unwrap();
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_eq!(of(&["a", "b"]).len(), 12);
        let other = Keys::from_root(&[1; 32]).fingerprint(&["a", "b"]).unwrap();
        for differs in [of(&["ab", ""]), of(&["b", "a"]), of(&["a"]), keys().log_name("a", "b").unwrap(), other] {
            assert_ne!(differs, of(&["a", "b"]));
        }
        assert_eq!(Keys::default().fingerprint(&["a"]), None);
    }

    #[test]
    fn a_key_is_the_same_in_hexadecimal_and_base64() {
        let expected = keys().invitation("p", "code");
        for text in [
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        ] {
            assert_eq!(Keys::parse(text).unwrap().invitation("p", "code"), expected, "{text}");
        }
        let root = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(Keys::from_root(&root).invitation("p", "code"), expected);
    }

    /// What is stored today must be found tomorrow. Worked out independently: HKDF-SHA256 without salt over the root,
    /// `cognito-triggers/v1/code` as info, 64 bytes; HMAC-SHA256 over each part behind its length in 8 bytes; the first 16
    /// bytes in Base32.
    #[test]
    fn hashes_stay_what_they_are() {
        let [key] = &keys().invitation("eu-central-1_Example01", "SPRING-2026")[..] else { panic!("not one key") };
        assert_eq!(key.hash, "4E3HYFBLQGYWH5EL2N3CDYIE4M");
        assert_eq!(keys().log_name("eu-central-1_Example01", "anna").unwrap(), "UAKB7KDD27SB");
        let owner = applicant("anna", &[("email", "anna@example.com")]);
        assert_eq!(owner.as_str(), "A#WHRTU3FAOCVT54CR6H4C6MN5WM");
    }

    #[test]
    fn a_key_that_is_short_or_unreadable_is_refused_without_quoting_it() {
        for (text, expected) in [
            ("c2VjcmV0", "the root key has 6 bytes, fewer than 32; make one with `openssl rand -base64 32`"),
            ("", "the root key has 0 bytes, fewer than 32; make one with `openssl rand -base64 32`"),
            ("secret!", "the root key is neither hexadecimal nor Base64; make one with `openssl rand -base64 32`"),
        ] {
            assert_eq!(Keys::parse(text).unwrap_err().to_string(), expected);
            assert!(Keys::parse(&format!("{HEX},{text}")).is_err(), "the second key is not looked at");
        }
    }

    #[test]
    fn while_a_key_is_replaced_both_are_asked_the_new_one_first() {
        let other = "ff".repeat(32);
        let both = Keys::parse(&format!("{other}, {HEX}")).unwrap();
        let event = event("anna", &[("email", "anna@example.com")]);
        let (new, old) = (Keys::parse(&other).unwrap(), keys());
        let of = |keys: &Keys| keys.applicant(&event, event.attributes());
        assert_eq!(of(&both), [of(&new), of(&old)].concat());
        assert_eq!(both.invitation("p", "c"), [new.invitation("p", "c"), old.invitation("p", "c")].concat());
        assert_eq!(both.log_name("p", "anna"), new.log_name("p", "anna"));
    }

    #[test]
    fn every_purpose_pool_and_root_has_hashes_of_its_own() {
        let code = |keys: &Keys, pool| keys.invitation(pool, "anna").remove(0).hash;
        let other = Keys::from_root(&[1; 32]);
        assert!(!code(&keys(), "p").starts_with(&keys().log_name("p", "anna").unwrap()));
        assert_ne!(code(&keys(), "p"), code(&keys(), "q"));
        assert_ne!(code(&keys(), "p"), code(&other, "p"));
        assert_ne!(keys().log_name("p", "anna"), keys().log_name("q", "anna"));
        // Parts are told apart by their lengths, not by what they run together to.
        assert_ne!(
            keys().invitation("ab", "c"),
            keys()
                .invitation("a", "bc")
                .into_iter()
                .map(|key| InvitationKey { pool: "ab".into(), ..key })
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn an_applicant_is_known_by_address_then_number_then_name() {
        let email = ("email", "Anna@Example.com");
        let phone = ("phone_number", "+4912345");
        // "The userName is a UUID where users sign in with an address": another one at every try.
        let one = applicant("11111111-2222-4333-8444-555555555555", &[email, phone]);
        assert_eq!(applicant("99999999-2222-4333-8444-555555555555", &[("email", "anna@example.COM")]), one);
        assert_ne!(applicant("anna", &[("email", "bea@example.com")]), one);
        assert_eq!(applicant("anna", &[phone]), applicant("bea", &[phone, ("email", "no address")]));
        assert_ne!(applicant("anna", &[]), applicant("bea", &[]));
        assert_ne!(applicant("anna@example.com", &[]), one, "a name that looks like an address");
    }

    #[test]
    fn an_address_is_one_whether_its_domain_is_written_in_ascii_or_not() {
        let ascii = applicant("a", &[("email", "anna@xn--bcher-kva.example")]);
        assert_eq!(applicant("a", &[("email", "anna@bücher.example")]), ascii);
    }

    #[test]
    fn exact_applicants_share_an_address_but_not_a_name() {
        let email = [("email", "family@example.com")];
        assert_ne!(exact("anna", &email), exact("bea", &email));
        assert_eq!(exact("anna", &email), exact("anna", &email));
        let uuids = ["11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"];
        assert_eq!(exact(uuids[0], &email), exact(uuids[1], &email));
        assert_ne!(exact("11111111-2222-4333-8444-55555555555g", &email), exact(uuids[1], &email));
        let chosen = |name| {
            let event = event(name, &email);
            keys().exact_applicant(&event, event.attributes(), true)
        };
        assert_ne!(chosen(uuids[0]), chosen(uuids[1]), "somebody chose to be called like that");
        let phones = |number| exact(uuids[0], &[("email", "family@example.com"), ("phone_number", number)]);
        assert_ne!(phones("+491701"), phones("+491702"));
    }

    #[test]
    fn without_a_key_there_is_no_hash() {
        let event = event("anna", &[]);
        let none = Keys::default();
        assert!(none.is_empty() && !keys().is_empty());
        assert_eq!(none.log_name("p", "anna"), None);
        assert_eq!(none.applicant(&event, event.attributes()), []);
        assert_eq!(none.invitation("p", "c"), []);
    }

    /// Worked out independently, as above: 32 bytes with `cognito-triggers/v1/application` as info.
    #[test]
    fn what_an_application_signs_with_its_key_is_known() {
        let key = BASE64.decode(keys().application_key().unwrap().as_bytes()).unwrap();
        assert_eq!(key.len(), 32);
        let sign = |text: &str| {
            let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).unwrap();
            mac.chain_update(text).finalize().into_bytes()
        };
        assert!(keys().is_of_application(b"text", &sign("text")));
        assert!(!keys().is_of_application(b"text", &sign("texT")));
        assert!(!keys().is_of_application(b"text", sign("text").split_at(16).0), "half a signature is none");
        assert!(!keys().is_of_application(b"text", b"") && !Keys::default().is_of_application(b"", b""));
        let both = Keys::parse(&format!("{},{HEX}", "ff".repeat(32))).unwrap();
        assert!(both.is_of_application(b"text", &sign("text")), "signed with the previous key");
    }

    #[test]
    fn the_debug_form_shows_how_many_keys_there_are() {
        assert_eq!(format!("{:?}", keys()), "Keys(1)");
    }
}
