//! What a user really gets: the rule, the dispatcher, the courier and the template that is built in, together. Only the last
//! step, to the mail service, is watched instead of done.

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

#[test]
fn a_greeting_is_in_the_inbox_when_the_confirmation_is_answered() {
    let house = House::of("[welcome-email]");
    house.hears(&confirmed());
    let [message] = house.sent().try_into().unwrap();
    assert_eq!(
        (message.from.as_str(), message.recipients),
        ("hello@acme.example", vec!["anna@example.com".to_owned()])
    );
    let mail = MessageParser::default().parse(&message.raw).unwrap();
    let to = mail.to().unwrap().first().unwrap();
    assert_eq!((to.name(), to.address()), (Some("Anna Schmidt"), Some("anna@example.com")));
    let from = mail.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Acme"), Some("hello@acme.example")));
    assert!(!mail.subject().unwrap().is_empty());
    assert!(mail.body_html(0).unwrap().contains("lang=\"de\""), "in her language");
    for body in [mail.body_html(0).unwrap(), mail.body_text(0).unwrap()] {
        assert!(body.contains("Anna") && !body.contains("{{"), "{body}");
    }
    for _ in 0..2 {
        house.hears(&confirmed());
    }
    house.sweeps();
    assert_eq!(house.sent(), [], "once is enough");
}

#[test]
fn who_is_met_at_a_sign_in_is_written_to_by_the_courier() {
    let house = House::of("[welcome-email]");
    house.hears(&sign_in());
    assert_eq!(house.sent(), [], "a sign-in waits for no mail");
    assert_eq!(house.sweeps().delivered["welcome-email"], 1);
    assert_eq!(house.sent().len(), 1);
}

#[test]
fn each_pool_writes_under_its_own_name_and_in_its_own_language() {
    let house = House::of(
        r#"
        [welcome-email]
        [pools."eu-central-1_Globex".welcome-email]
        from     = "Globex <bonjour@globex.example>"
        reply-to = "aide@globex.example"
        locale   = "fr"
        "#,
    );
    let stranger = || confirmed().with("locale", "tlh");
    house.hears(&stranger());
    house.hears(&stranger().with_value(&["userPoolId"], "eu-central-1_Globex"));
    let [acme, globex] = house.sent().try_into().unwrap();
    assert_eq!((acme.from.as_str(), globex.from.as_str()), ("hello@acme.example", "bonjour@globex.example"));
    let mail = MessageParser::default().parse(&acme.raw).unwrap();
    assert!(mail.body_html(0).unwrap().contains("lang=\"en\""));
    assert!(mail.reply_to().is_none());
    let mail = MessageParser::default().parse(&globex.raw).unwrap();
    assert!(mail.body_html(0).unwrap().contains("lang=\"fr\""));
    assert_eq!(mail.reply_to().unwrap().first().unwrap().address(), Some("aide@globex.example"));
}

#[test]
fn a_user_who_means_harm_changes_nothing_but_the_name() {
    let house = House::of("[welcome-email]\nunverified = true");
    let hostile = "<img src=x>{{ user }}\r\nBcc: eve@evil.example\r\n\r\nBuy!";
    house.hears(&confirmed().with("name", hostile).with("given_name", hostile).with("nickname", hostile));
    let [message] = house.sent().try_into().unwrap();
    assert_eq!(message.recipients, ["anna@example.com"]);
    let mail = MessageParser::default().parse(&message.raw).unwrap();
    assert!(mail.bcc().is_none() && mail.cc().is_none());
    assert_eq!(mail.to().unwrap().iter().count(), 1);
    assert!(!mail.body_html(0).unwrap().contains("<img src=x>"));
}
