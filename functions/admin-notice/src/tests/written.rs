//! What administrators really get: the rule, the dispatcher, the courier and the template that is built in, together. Only the
//! last step, to the mail service, is watched instead of done.

use std::path::Path;
use std::sync::{Arc, Mutex};

use cognito_triggers::courier::{Courier, Round};
use cognito_triggers::ledger::MemoryLedger;
use cognito_triggers::services::{Message, Sender};
use cognito_triggers::{Clock, Dispatcher, Invocation, Mailer, Services, StoppedClock};
use futures_util::FutureExt;
use mail_parser::MessageParser;

use super::*;

/// Keeps every message it accepts.
struct Tray {
    sender: Sender,
    messages: Mutex<Vec<Message>>,
}

#[async_trait::async_trait]
impl Mailer for Tray {
    fn sender(&self) -> &Sender {
        &self.sender
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        self.messages.lock().unwrap().push(message.clone());
        Ok(())
    }
}

/// Everything but Lambda and AWS.
struct House {
    dispatcher: Dispatcher,
    courier: Courier,
    tray: Arc<Tray>,
    clock: Arc<StoppedClock>,
}

impl House {
    fn of(text: &str) -> Self {
        let configuration = Configuration::parse("triggers.toml", text).unwrap();
        let (base, pools) = configuration.chains::<Rules>(&Environment::default()).unwrap();
        let sender = Sender { from: "Acme <hello@acme.example>".parse().unwrap(), reply_to: Vec::new() };
        let tray = Arc::new(Tray { sender, messages: Mutex::default() });
        let (clock, ledger) = (Arc::new(StoppedClock::default()), Arc::new(MemoryLedger::default()));
        let nowhere = Path::new("/nowhere");
        let services = Services {
            ledger: Arc::<MemoryLedger>::clone(&ledger),
            mailer: Arc::<Tray>::clone(&tray),
            templates: cognito_triggers_templates::open(nowhere, nowhere),
            ..Services::in_memory(Arc::<StoppedClock>::clone(&clock))
        };
        let courier = Courier::new(ledger, services.clone());
        Self { dispatcher: Dispatcher::new(base, pools, services), courier, tray, clock }
    }

    fn hears<T: Trigger>(&self, event: &Event<T>) {
        let deadline = self.clock.now() + SignedDuration::from_secs(4);
        let invocation = Invocation { body: event.raw().as_bytes(), request_id: "1", deadline };
        let handled = self.dispatcher.handle(invocation).now_or_never().unwrap();
        assert_eq!(handled.report.fault, None);
        assert_eq!(handled.answer.as_deref(), Ok(event.raw()));
    }

    fn sweeps(&self) -> Round {
        self.courier.sweep(self.clock.now() + SignedDuration::from_mins(1)).now_or_never().unwrap()
    }

    fn sent(&self) -> Vec<Message> {
        std::mem::take(&mut *self.tray.messages.lock().unwrap())
    }
}

/// The bodies as HTML and as text.
fn bodies(message: &Message) -> [String; 2] {
    let mail = MessageParser::default().parse(&message.raw).unwrap();
    [mail.body_html(0).unwrap().into_owned(), mail.body_text(0).unwrap().into_owned()]
}

#[test]
fn administrators_know_who_is_new_when_the_confirmation_is_answered() {
    let house = House::of("[admin-notice]\nto = [\"Ops <ops@acme.example>\", \"boss@acme.example\"]");
    for _ in 0..3 {
        house.hears(&confirmed().with_value(&["userName"], "anna-the-first"));
    }
    let [message] = house.sent().try_into().unwrap();
    assert_eq!(message.recipients, ["ops@acme.example", "boss@acme.example"]);
    for body in bodies(&message) {
        for told in ["Anna", "anna@example.com", "anna-the-first", "eu-central-1_Example01", "2026-01-01"] {
            assert!(body.contains(told), "no {told} in {body}");
        }
    }
}

#[test]
fn a_day_makes_one_mail() {
    let house = House::of("[admin-notice]\nto = \"ops@acme.example\"\ndigest = \"day\"");
    let names = ["anna", "bela", "carla", "dana"];
    for who in names {
        house.hears(&somebody(who).with("email", format!("{who}@example.com")));
        house.clock.pass(SignedDuration::from_hours(2));
        house.sweeps();
        assert_eq!(house.sent(), [], "the day is not over");
    }
    house.clock.pass(SignedDuration::from_hours(4) + SignedDuration::from_secs(60));
    assert_eq!(house.sweeps().delivered["admin-notice"], 4);
    let [message] = house.sent().try_into().unwrap();
    for body in bodies(&message) {
        for who in names {
            assert_eq!(body.matches(&format!("{who}@example.com")).count(), 1, "{who} in {body}");
        }
    }
    house.sweeps();
    assert_eq!(house.sent(), []);
}

#[test]
fn pools_have_digests_of_their_own() {
    let house = House::of(
        r#"
        [admin-notice]
        to     = "ops@acme.example"
        digest = "hour"
        [pools."eu-central-1_Globex".admin-notice]
        to     = "ops@globex.example"
        "#,
    );
    for pool in ["eu-central-1_Globex", "eu-central-1_Initech", "eu-central-1_Example01"] {
        for who in ["anna", "bela"] {
            house.hears(&somebody(who).with_value(&["userPoolId"], pool));
        }
    }
    house.clock.pass(SignedDuration::from_mins(61));
    house.sweeps();
    let mut sent: Vec<_> = house.sent().into_iter().map(|message| message.recipients.concat()).collect();
    sent.sort_unstable();
    assert_eq!(sent, ["ops@acme.example", "ops@acme.example", "ops@globex.example"]);
}

#[test]
fn a_user_who_means_harm_writes_nothing_but_an_entry() {
    let house = House::of("[admin-notice]\nto = \"ops@acme.example\"");
    let hostile = "</td><img src=x>{{ user }}\r\nBcc: eve@evil.example\r\n\r\nBuy!";
    let event = confirmed().with("name", hostile).with("given_name", hostile).with("email", hostile);
    house.hears(&event.with_value(&["userName"], hostile));
    let [message] = house.sent().try_into().unwrap();
    assert_eq!(message.recipients, ["ops@acme.example"]);
    let mail = MessageParser::default().parse(&message.raw).unwrap();
    assert!(mail.bcc().is_none() && mail.cc().is_none());
    assert!(!mail.subject().unwrap().contains(char::is_control));
    assert!(!mail.body_html(0).unwrap().contains("<img src=x>"));
}
