//! What a user really gets: the rule, the courier and the template that is built in, together. Only the last step, to the mail
//! service, is watched instead of done.

use std::path::Path;
use std::sync::Mutex;

use cognito_triggers::Mailer;
use cognito_triggers::courier::Courier;
use cognito_triggers::links::{Link, Links};
use cognito_triggers::services::{Message, Sender, Templates};
use mail_parser::MessageParser;

use super::*;

/// Keeps every message it accepts.
struct Tray {
    sender: Sender,
    messages: Mutex<Vec<Message>>,
}

#[async_trait]
impl Mailer for Tray {
    fn sender(&self) -> &Sender {
        &self.sender
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        self.messages.lock().unwrap().push(message.clone());
        Ok(())
    }
}

fn templates() -> Arc<dyn Templates> {
    cognito_triggers_templates::open(Path::new("/nowhere"), Path::new("/nowhere"))
}

/// The plain text of the mail a sign-in leads to, with these settings.
fn written(settings: &str, event: &Event<PostAuthentication>) -> String {
    let sender = Sender { from: "Acme <hello@acme.example>".parse().unwrap(), reply_to: Vec::new() };
    let tray = Arc::new(Tray { sender, messages: Mutex::default() });
    let (clock, ledger) = (Arc::new(StoppedClock::default()), Arc::new(MemoryLedger::default()));
    let services = Services {
        ledger: Arc::clone(&ledger) as Arc<dyn Ledger>,
        mailer: Arc::clone(&tray) as Arc<dyn Mailer>,
        templates: templates(),
        links: Links::to("https://links.acme.example/").unwrap(),
        ..Services::in_memory(Arc::clone(&clock) as Arc<dyn Clock>)
    };
    let trial = pool(settings).with(|_| services.clone());
    assert!(is_told(&trial, event));
    let courier = Courier::new(ledger, services);
    let round = courier.sweep(clock.now() + SignedDuration::from_mins(1)).now_or_never().unwrap();
    assert_eq!(round.delivered.get("sign-in-alert"), Some(&1), "{:?}", round.failures);
    let [message] = tray.messages.lock().unwrap().clone().try_into().unwrap();
    let parsed = MessageParser::default().parse(&message.raw).unwrap();
    assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("anna@example.com"));
    parsed.body_text(0).unwrap().into_owned()
}

#[test]
fn the_mail_says_when_where_and_from_where_and_has_a_link_that_works() {
    let settings = format!("not-me-link-days = 7\nclients = {{ \"{CLIENT}\" = \"Acme for iPhone\" }}");
    let text = written(&settings, &signed(7, 0, "203.0.113.7").with("locale", "en"));
    for part in ["Hello Anna", "Acme for iPhone", "203.0.113.7", "Acme/7", "13:00"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let token = text.split("https://links.acme.example/?t=").nth(1).unwrap().split_whitespace().next().unwrap();
    let now = StoppedClock::default().now();
    let link = Link::read(token, &Keys::from_root(&[7; 32]), now).unwrap();
    let sub = sign_in().sub().unwrap().to_owned();
    assert_eq!((link.purpose, link.pool.as_str(), link.sub), (LinkPurpose::NotMe, POOL, sub));
    assert_eq!(link.expires, now + SignedDuration::from_hours(24 * 7));
}

#[test]
fn what_is_not_known_is_said_to_be_unknown() {
    let text = written("", &sign_in().with("locale", "en"));
    assert!(text.contains("not known") && !text.contains("links.acme.example"), "{text}");
}

#[test]
fn nothing_is_wrong_with_the_template_that_is_built_in() {
    for settings in ["", "not-me-link-days = 7"] {
        let used = TemplateUse::Mail { template: "sign-in-alert".into(), samples: rule(settings).samples() };
        assert_eq!(templates().check(&used), []);
    }
}
