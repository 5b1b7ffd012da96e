//! Any bytes may arrive as an event. Whatever they are, the answer is the event with nothing but `response` changed, or a
//! sentence a user may read.

#![no_main]

use std::sync::{Arc, LazyLock};

use access_code::AccessCode;
use cognito_triggers::config::Configuration;
use cognito_triggers::{Dispatcher, Environment, Invocation, Services, StoppedClock};
use domain_allow_list::DomainAllowList;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use unique_nickname::UniqueNickname;

const CONFIGURATION: &str = r#"
    [domain-allow-list]
    allow = ["example.com", "*.example.org"]
    at-sign-in = true
    [access-code]
    codes = ["open sesame"]
    [unique-nickname]
    policy = "assign"
"#;

/// How what a user can read begins.
const SENTENCES: [&str; 4] = [
    "Something went wrong on our side, please try again later (reference FUZZ)",
    "Sign-up is not open to this e-mail address",
    "Please ",
    "This ",
];

static DISPATCHER: LazyLock<Dispatcher> = LazyLock::new(|| {
    let configuration = Configuration::parse("triggers.toml", CONFIGURATION).unwrap();
    let (base, pools) =
        configuration.chains::<(DomainAllowList, AccessCode, UniqueNickname)>(&Environment::default()).unwrap();
    Dispatcher::new(base, pools, Services::in_memory(Arc::new(StoppedClock::default())))
});

fuzz_target!(|bytes: &[u8]| {
    let deadline = jiff::Timestamp::MAX;
    let invocation = Invocation { body: bytes, request_id: "FUZZ", deadline };
    let handled = futures_executor::block_on(DISPATCHER.handle(invocation));
    match handled.answer {
        Ok(answer) => assert_eq!(without_response(answer.as_bytes()), without_response(bytes)),
        Err(refusal) => {
            assert!(SENTENCES.iter().any(|sentence| refusal.message.starts_with(sentence)), "{}", refusal.message);
        }
    }
});

/// The members of an event but its `response`, where they can be compared: some texts that are JSON are not for `Value`.
fn without_response(text: &[u8]) -> Option<Map<String, Value>> {
    let mut event: Map<String, Value> = serde_json::from_slice(text).ok()?;
    event.remove("response");
    Some(event)
}
