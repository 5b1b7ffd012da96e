//! The events that are measured, and a pool that answers them: opened from a `triggers.toml`, as in production.

use std::sync::Arc;

use cognito_triggers::config::Configuration;
use cognito_triggers::prelude::*;
use cognito_triggers::{Adapters, Clock, Dispatcher, Environment, Handled, Invocation};
use cognito_triggers_lambda::SystemClock;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::Runtime;

/// A root key, as `TRIGGERS_KEY` holds one. With it, users appear in the log as a keyed hash.
pub const ROOT_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The sample of somebody signing up, with the access code, printed without blanks as Cognito prints it.
#[must_use]
pub fn sign_up() -> String {
    Event::<PreSignUp>::sample()
        .with_value(&["request", "validationData", "accessCode"], "open-sesame-2041")
        .raw()
        .to_owned()
}

/// The same with 50 attributes: as many custom attributes as a pool may well have.
#[must_use]
pub fn large() -> String {
    let event = Event::<PreSignUp>::parse(sign_up()).unwrap_or_else(|_| Event::sample());
    let missing = 50 - event.attributes().iter().count();
    let add = |event: Event<PreSignUp>, number| {
        event.with(&format!("custom:attribute{number}"), format!("a value of some length, number {number}"))
    };
    (0..missing).fold(event, add).raw().to_owned()
}

/// The sample of a code that is to be sent to somebody who signed up, printed without blanks as Cognito prints it.
#[must_use]
pub fn code() -> String {
    Event::<CustomMessage>::sample().with_value(&["userName"], "anna").raw().to_owned()
}

/// What handling is compared with: the event read into a [`Value`] and printed again.
#[must_use]
pub fn parse_and_print(event: &[u8]) -> String {
    serde_json::from_slice::<Value>(event).map(|value| value.to_string()).unwrap_or_default()
}

/// A rule that is a plain function, and sets a key of the response.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VerifyEmail {}

impl Configured for VerifyEmail {
    const SECTION: &'static str = "verify-email";

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        chains.attach(verify_email).to::<PreSignUp>().done()
    }
}

fn verify_email(event: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
    visit.response.auto_verify_email = event.attribute("email").map(|_| true);
    Ok(Verdict::Continue)
}

/// As many rules as one likes that have nothing against it: what a rule costs before it does anything.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Agree {
    rules: u32,
}

impl Configured for Agree {
    const SECTION: &'static str = "agree";

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        (0..self.rules).try_for_each(|_| chains.attach(agree).to::<PreSignUp>().done())
    }
}

fn agree(_: &Event<PreSignUp>, _: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
    Ok(Verdict::Continue)
}

/// A rule of another trigger, so that a sign-up meets none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Elsewhere {}

impl Configured for Elsewhere {
    const SECTION: &'static str = "elsewhere";

    fn attach(self, chains: &mut Chains) -> Result<(), ConfigError> {
        chains.attach(elsewhere).to::<PostConfirmation>().done()
    }
}

fn elsewhere(_: &Event<PostConfirmation>, _: &mut Visit<PostConfirmation>) -> Answer<PostConfirmation> {
    Ok(Verdict::Continue)
}

type Rules = (
    domain_allow_list::DomainAllowList,
    access_code::AccessCode,
    templated_message::TemplatedMessage,
    VerifyEmail,
    Agree,
    Elsewhere,
);

/// A dispatcher, and the runtime it answers in.
pub struct Pool {
    dispatcher: Dispatcher,
    runtime: Runtime,
}

impl Pool {
    /// Opens a configuration with these environment variables.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong.
    pub fn open(configuration: &str, variables: &[(&str, &str)]) -> Result<Self, String> {
        let environment: Environment = variables.iter().copied().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let configuration =
            Configuration::parse("triggers.toml", configuration).map_err(|errors| errors.to_string())?;
        let adapters = Adapters::none().templates(cognito_triggers_templates::open);
        let opening = configuration.open::<Rules>(&environment, &adapters, Arc::new(SystemClock));
        let dispatcher = runtime.block_on(opening).map_err(|errors| errors.to_string())?;
        Ok(Self { dispatcher, runtime })
    }

    /// Three rules without the ledger: two of ours and a plain function.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong.
    pub fn of_three_rules(variables: &[(&str, &str)]) -> Result<Self, String> {
        let configuration = r#"
            [domain-allow-list]
            allow = ["example.com", "*.example.org"]
            deny  = ["contractors.example.org"]

            [access-code]
            codes       = ["open-sesame-2041"]
            invitations = false

            [verify-email]
        "#;
        Self::open(configuration, variables)
    }

    /// The words of messages, from the templates that are built in.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong.
    pub fn of_messages() -> Result<Self, String> {
        Self::open("[templated-message]\nname = \"Acme\"", &[])
    }

    /// So many rules with nothing against it.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong.
    pub fn of_agreeing(rules: u32, on_fault: &str) -> Result<Self, String> {
        Self::open(&format!("[agree]\nrules = {rules}\non-fault = \"{on_fault}\"\n[elsewhere]"), &[])
    }

    /// Handles an event so many times, as the Lambda does: bytes to bytes.
    pub fn handle(&self, event: &[u8], times: u32) {
        self.runtime.block_on(async {
            for _ in 0..times {
                std::hint::black_box(self.answer(event).await);
            }
        });
    }

    /// What comes back.
    ///
    /// # Errors
    ///
    /// What the user reads if it was refused.
    pub fn try_once(&self, event: &[u8]) -> Result<String, String> {
        self.runtime.block_on(self.answer(event)).answer.map_err(|refusal| refusal.message)
    }

    async fn answer(&self, event: &[u8]) -> Handled {
        let deadline = SystemClock.now().checked_add(SignedDuration::from_secs(4)).unwrap_or(Timestamp::MAX);
        let request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";
        self.dispatcher.handle(Invocation { body: event, request_id, deadline }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_a_sign_up_that_passes() {
        let pool = Pool::of_three_rules(&[("TRIGGERS_KEY", ROOT_KEY)]).unwrap();
        for event in [sign_up(), large()] {
            let answer = pool.try_once(event.as_bytes()).unwrap();
            assert!(answer.contains(r#""autoVerifyEmail":true"#), "{answer}");
        }
        let stranger = sign_up().replace("open-sesame-2041", "open-sesame-1999");
        assert_eq!(pool.try_once(stranger.as_bytes()), Err("This access code is not valid".into()));
        let stranger = sign_up().replace("example.com", "example.net");
        assert_eq!(pool.try_once(stranger.as_bytes()), Err("Sign-up is not open to this e-mail address".into()));
    }

    #[test]
    fn what_is_measured_is_a_message_with_words() {
        let answer = Pool::of_messages().unwrap().try_once(code().as_bytes()).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        for part in ["emailSubject", "emailMessage", "smsMessage"] {
            assert!(answer["response"][part].as_str().is_some_and(|text| text.len() > 10), "{answer}");
        }
    }

    #[test]
    fn the_large_event_has_fifty_attributes() {
        assert_eq!(Event::<PreSignUp>::parse(large()).unwrap().attributes().iter().count(), 50);
    }
}
