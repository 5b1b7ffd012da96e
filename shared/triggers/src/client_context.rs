//! Where a user signs in from, as the application says it: the IP address and the browser, signed.
//!
//! "PreAuthentication carries no IP, user agent or device key", and neither does any other trigger. An application that knows
//! them can pass them along in `clientMetadata`; but so can whoever talks to Cognito directly, and would say what is harmless.
//! So the application signs what it says, for one pool, one app client and a few minutes, with a key that the client does not
//! have. What is not signed, not for this sign-in, or too old counts as not said.
//!
//! The text is `<payload>.<signature>` under [`ClientContext::KEY`]: the payload is Base64url of a JSON object, the signature
//! Base64url of HMAC-SHA256 over the payload as it stands there, under the key that `poolctl application-key` prints.

use std::fmt;
use std::net::IpAddr;

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::{Event, Keys, Trigger};

/// Where a user signs in from. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientContext {
    /// The user's IP address as the application saw it.
    pub ip: IpAddr,
    /// What the browser calls itself, at most [`LONGEST_USER_AGENT`](Self::LONGEST_USER_AGENT) characters; empty if that was
    /// not said. The browser can call itself anything: it is signed that it did, not that it is so.
    pub user_agent: String,
}

/// What an application signs. What else it adds is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    /// The pool's id.
    pool: String,
    /// The app client's id.
    client: String,
    /// The user's name in the pool, where the application knows it.
    user: Option<String>,
    /// When it was signed, in seconds since 1970.
    time: i64,
    ip: IpAddr,
    user_agent: Option<String>,
}

/// How old a signature may be. Somebody who is asked for a password, a code and another code takes minutes.
const OLDEST: SignedDuration = SignedDuration::from_mins(5);

/// How far the application's clock may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// The most bytes that are looked at.
const LONGEST: usize = 4096;

impl ClientContext {
    /// The key of `clientMetadata` the text stands under.
    pub const KEY: &str = "triggers-context";

    /// The most characters of a user agent that are kept.
    pub const LONGEST_USER_AGENT: usize = 300;

    /// What the application says of this event, if it is the application that says it: signed under a key in force, for the
    /// pool, the app client and, if a user is named, the user of the event, within the last five minutes. A clock that is a
    /// minute ahead is forgiven.
    ///
    /// Of the metadata of a sign-in, "clientMetadata from InitiateAuth never arrives; from RespondToAuthChallenge it arrives":
    /// it works where there is a challenge to respond to (`USER_SRP_AUTH`, `CUSTOM_AUTH`, `USER_AUTH`, any MFA), and neither
    /// for a bare `USER_PASSWORD_AUTH` nor for managed login.
    #[must_use]
    pub fn of<T: Trigger>(event: &Event<T>, keys: &Keys, now: Timestamp) -> Option<Self> {
        let text = event.client_metadata().find(Self::KEY).filter(|text| text.len() <= LONGEST)?;
        let (payload, signature) = text.split_once('.')?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        if !keys.is_of_application(payload.as_bytes(), &signature) {
            return None;
        }
        let payload: Payload = serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?).ok()?;
        let client = event.caller.client_id.as_deref().filter(|client| !client.is_empty())?;
        let is_for_this = payload.pool == event.user_pool_id
            && payload.client == client
            && payload.user.is_none_or(|user| user == event.user_name);
        let age = now.duration_since(Timestamp::from_second(payload.time).ok()?);
        let is_fresh = age <= OLDEST && age >= -AHEAD;
        (is_for_this && is_fresh).then(|| Self {
            // A server that listens on both sees `::ffff:192.0.2.1`.
            ip: payload.ip.to_canonical(),
            user_agent: printable(&payload.user_agent.unwrap_or_default()),
        })
    }
}

impl fmt::Debug for ClientContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientContext").finish_non_exhaustive()
    }
}

/// Letters, digits, the signs of ASCII and single spaces: nothing that turns the text around or hides in it.
fn printable(text: &str) -> String {
    let plain = |it: char| if it.is_ascii_graphic() || it.is_alphanumeric() { it } else { ' ' };
    let text: String = text.chars().map(plain).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(ClientContext::LONGEST_USER_AGENT).collect()
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use serde_json::{Value, json};
    use sha2::Sha256;

    use super::*;
    use crate::{PostAuthentication, PreAuthentication};

    const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);

    fn keys() -> Keys {
        Keys::from_root(&[7; 32])
    }

    fn payload() -> Value {
        json!({
            "pool": "eu-central-1_Example01", "client": "1example23456789", "time": NOW.as_second(),
            "ip": "203.0.113.7", "userAgent": "Acme/7 (iPhone)",
        })
    }

    fn signed_with(keys: &Keys, payload: &Value) -> String {
        let key = data_encoding::BASE64.decode(keys.application_key().unwrap().as_bytes()).unwrap();
        let text = BASE64URL_NOPAD.encode(payload.to_string().as_bytes());
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(&text);
        format!("{text}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
    }

    fn event(text: &str) -> Event<PostAuthentication> {
        Event::sample().with_value(&["request", "clientMetadata", ClientContext::KEY], text)
    }

    fn read(payload: &Value) -> Option<ClientContext> {
        ClientContext::of(&event(&signed_with(&keys(), payload)), &keys(), NOW)
    }

    fn with(key: &str, value: impl Into<Value>) -> Value {
        let mut payload = payload();
        payload[key] = value.into();
        payload
    }

    #[test]
    fn what_the_application_signed_is_believed() {
        let context = read(&payload()).unwrap();
        assert_eq!((context.ip.to_string().as_str(), context.user_agent.as_str()), ("203.0.113.7", "Acme/7 (iPhone)"));
        assert_eq!(format!("{context:?}"), "ClientContext { .. }");
        assert!(read(&with("user", "anna")).is_some());
        assert!(read(&with("something", "new")).is_some());
        assert_eq!(read(&with("userAgent", Value::Null)).unwrap().user_agent, "");
    }

    /// Made with `openssl dgst -sha256 -mac HMAC` and Python's `hmac`, from a root key of 32 bytes 07: HKDF-SHA256 without salt,
    /// `cognito-triggers/v1/application` as info, 32 bytes.
    #[test]
    fn a_text_that_others_signed_is_read() {
        let text = "eyJwb29sIjogImV1LWNlbnRyYWwtMV9FeGFtcGxlMDEiLCAiY2xpZW50IjogIjFleGFtcGxlMjM0NTY3ODkiLCAidXNlciI6ICJhbm5hIiwgInRpbWUiOiAxNzY3MjY4NzQwLCAiaXAiOiAiMjAwMTpkYjg6OjciLCAidXNlckFnZW50IjogIkZpcmVmb3ggw7wifQ.vUX7HbKztAwTIJbff-xUcpmfSNYXHp6tlgKuhbcYk0Q";
        assert_eq!(keys().application_key().unwrap(), "h/L//uEF7K8ioOC/BIPq6wkdgR99QkJ817tmnTNyp9U=");
        let context = ClientContext::of(&event(text), &keys(), NOW).unwrap();
        assert_eq!((context.ip.to_string().as_str(), context.user_agent.as_str()), ("2001:db8::7", "Firefox ü"));
    }

    #[test]
    fn what_is_for_another_sign_in_or_from_somebody_else_is_not() {
        for other in [
            with("pool", "eu-central-1_Globex"),
            with("client", "2example23456789"),
            with("user", "bela"),
            with("ip", "not an address"),
            with("time", "now"),
            with("pool", Value::Null),
            json!([]),
            json!({}),
        ] {
            assert_eq!(read(&other), None, "{other}");
        }
        let strangers = signed_with(&Keys::from_root(&[8; 32]), &payload());
        assert_eq!(ClientContext::of(&event(&strangers), &keys(), NOW), None);
        assert_eq!(ClientContext::of(&event(&signed_with(&keys(), &payload())), &Keys::default(), NOW), None);
        // The event names no app client: none was signed for.
        let nobodys =
            event(&signed_with(&keys(), &with("client", ""))).with_value(&["callerContext", "clientId"], Value::Null);
        assert_eq!(ClientContext::of(&nobodys, &keys(), NOW), None);
    }

    #[test]
    fn what_was_changed_or_is_not_signed_is_not() {
        let good = signed_with(&keys(), &payload());
        let (text, signature) = good.split_once('.').unwrap();
        let forged = BASE64URL_NOPAD.encode(with("ip", "198.51.100.1").to_string().as_bytes());
        let cut = signature.get(..signature.len() - 2).unwrap();
        for wrong in [
            text.to_owned(),
            format!("{text}."),
            format!("{text}.{cut}"),
            format!("{forged}.{signature}"),
            format!("{text}.{signature}="),
            format!("{text}.{signature}.{signature}"),
            String::new(),
            ".".into(),
            "\u{0}\u{202e}".into(),
            signed_with(&keys(), &with("userAgent", "x".repeat(4000))),
        ] {
            assert_eq!(ClientContext::of(&event(&wrong), &keys(), NOW), None, "{wrong}");
        }
        assert_eq!(ClientContext::of(&Event::<PostAuthentication>::sample(), &keys(), NOW), None);
    }

    #[test]
    fn a_signature_serves_for_minutes() {
        let at = |seconds: i64| read(&with("time", NOW.as_second() + seconds)).is_some();
        assert_eq!([-301, -300, 0, 60, 61].map(at), [false, true, true, true, false]);
        for odd in [i64::MAX, i64::MIN, NOW.as_millisecond()] {
            assert!(read(&with("time", odd)).is_none(), "{odd}");
        }
    }

    #[test]
    fn the_previous_key_serves_until_it_is_removed() {
        let hex = |byte: u8| format!("{byte:02x}").repeat(32);
        let text = signed_with(&Keys::parse(&hex(1)).unwrap(), &payload());
        let both = Keys::parse(&format!("{},{}", hex(2), hex(1))).unwrap();
        assert!(ClientContext::of(&event(&text), &both, NOW).is_some());
        assert!(ClientContext::of(&event(&text), &Keys::parse(&hex(2)).unwrap(), NOW).is_none());
    }

    /// "InitiateAuth / AdminInitiateAuth: ClientMetadata param arrives as validationData in PreAuthentication"; what is read is
    /// what arrives as `clientMetadata`.
    #[test]
    fn only_client_metadata_is_read() {
        let path = ["request", "validationData", ClientContext::KEY];
        let event = Event::<PreAuthentication>::sample().with_value(&path, signed_with(&keys(), &payload()));
        assert_eq!(ClientContext::of(&event, &keys(), NOW), None);
    }

    #[test]
    fn a_browser_cannot_write_what_it_likes() {
        let agent = |text: &str| read(&with("userAgent", text)).unwrap().user_agent;
        assert_eq!(agent("Mozilla/5.0\r\n (X11;\tLinux)\u{0}\u{202e}\u{200b}gpj"), "Mozilla/5.0 (X11; Linux) gpj");
        assert_eq!(agent("Acme für Ελλάδα"), "Acme für Ελλάδα");
        assert_eq!(agent(&"x".repeat(2000)).len(), ClientContext::LONGEST_USER_AGENT);
    }

    #[test]
    fn an_address_is_written_in_its_usual_form() {
        let ip = |text: &str| read(&with("ip", text)).unwrap().ip.to_string();
        assert_eq!(ip("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(ip("2001:0DB8:0:0:0:0:0:7"), "2001:db8::7");
    }
}
