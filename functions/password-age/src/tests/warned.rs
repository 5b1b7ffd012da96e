//! Who is warned, when, and which warnings lapse: with the courier that sends them.

use cognito_triggers::courier::{Courier, Round};
use cognito_triggers::services::{Message, Object, Sender};
use cognito_triggers::{Mailer, Templates};
use serde_json::{Map, Value};

use super::*;

/// Writes down what a template would be filled with, and keeps every message.
struct Tray {
    sender: Sender,
    messages: Mutex<Vec<(Timestamp, Message)>>,
    clock: Arc<HandClock>,
}

#[async_trait]
impl Mailer for Tray {
    fn sender(&self) -> &Sender {
        &self.sender
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        self.messages.lock().unwrap().push((self.clock.now(), message.clone()));
        Ok(())
    }
}

impl Templates for Tray {
    fn mail(
        &self,
        _: &ledger::DeliveryId,
        mail: &Mail,
        entries: &[Map<String, Value>],
        sender: &Sender,
        _: Timestamp,
    ) -> Result<Message, Fault> {
        Ok(Message {
            from: sender.from.address().to_owned(),
            recipients: mail.to.iter().map(|to| to.address().to_owned()).collect(),
            raw: serde_json::to_vec(&entries)?,
            tags: BTreeMap::new(),
        })
    }

    fn files(&self, _: &str, _: &Map<String, Value>) -> Result<Vec<(String, Object)>, Fault> {
        Ok(Vec::new())
    }

    fn check(&self, _: &TemplateUse) -> Vec<ConfigError> {
        Vec::new()
    }
}

/// A pool and its courier.
struct Posted {
    pool: Pool,
    tray: Arc<Tray>,
    courier: Courier,
}

fn posted(settings: &str) -> Posted {
    let mut pool = pool(settings);
    let sender = Sender { from: "Acme <hello@acme.example>".parse().unwrap(), reply_to: Vec::new() };
    let tray = Arc::new(Tray { sender, messages: Mutex::default(), clock: Arc::clone(&pool.clock) });
    let (mailer, templates) = (Arc::<Tray>::clone(&tray), Arc::<Tray>::clone(&tray));
    pool.services = Services { mailer, templates, ..pool.services };
    let courier = Courier::new(Arc::<MemoryLedger>::clone(&pool.ledger), pool.services.clone());
    Posted { pool, tray, courier }
}

impl Posted {
    fn sweep(&self) -> Round {
        let round = self.courier.sweep(self.pool.now() + SignedDuration::from_mins(5)).now_or_never().unwrap();
        assert!(round.failures.is_empty(), "{:?}", round.failures);
        round
    }

    /// Lets days pass with a sweep each, and says on which days how many mails went out and to whom.
    fn days(&self, count: i64) -> Vec<(i64, String)> {
        let from = self.pool.now();
        for _ in 0..count {
            self.pool.pass(days(1));
            let _ = self.sweep();
        }
        let sent = std::mem::take(&mut *self.tray.messages.lock().unwrap());
        sent.into_iter()
            .map(|(at, message)| (at.duration_since(from).as_hours() / 24, message.recipients.join(",")))
            .collect()
    }
}

fn mail(delivery: &Delivery) -> &Mail {
    match &delivery.task {
        Task::Mail(mail) => mail,
        other => panic!("{other:?}"),
    }
}

const ANNA: &str = "anna@example.com";

/// The sub-millisecond part tells addresses apart.
fn to_the_millisecond(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap()
}

#[test]
fn a_warning_is_staged_for_so_many_days_before() {
    let pool =
        pool("max-days = 90\nwarn-days = 7\nfrom = \"Acme <hello@acme.example>\"\nreply-to = \"help@acme.example\"");
    let chosen = pool.now();
    let _ = pool.confirm(&confirmed().with("zoneinfo", "Europe/Berlin"));
    let [delivery] = &pool.staged()[..] else { panic!("{:?}", pool.staged()) };
    assert_eq!(delivery.id.rule(), "password-age");
    assert_eq!(to_the_millisecond(delivery.due), chosen + days(83));
    assert_eq!(delivery.lease, None, "the courier's, even after a confirmation");
    let warning = pool.password().warning.unwrap();
    assert_eq!(delivery.only_if, Some(Condition::WarningStands { user_name: "anna".into(), warning }));
    let mail = mail(delivery);
    assert_eq!(
        (mail.template.as_str(), mail.to[0].to_string().as_str()),
        ("password-warning", "\"Anna Schmidt\" <anna@example.com>")
    );
    assert_eq!(mail.from.as_ref().unwrap().address(), "hello@acme.example");
    assert_eq!(mail.reply_to[0].address(), "help@acme.example");
    assert_eq!(mail.locales, ["de-DE", "en"]);
    let context = &mail.context;
    assert_eq!(context["expires"], (chosen + days(90)).to_string());
    assert_eq!((&context["zone"], &context["pool"]), (&json!("Europe/Berlin"), &json!(POOL)));
    assert_eq!((&context["user"]["nickname"], &context["client"]), (&json!("Anni"), &json!("1example23456789")));
    assert_eq!(context["user"].get("cognito:user_status"), None);
}

#[test]
fn the_zone_is_that_of_the_user_or_of_the_settings_or_none() {
    let zone = |settings: &str, own: Value| {
        let pool = pool(&format!("max-days = 90\n{settings}"));
        let _ = pool.sign_in(&sign_in().with("zoneinfo", own));
        mail(&pool.staged()[0]).context["zone"].clone()
    };
    assert_eq!(zone("", json!("Europe/Vienna")), "Europe/Vienna");
    assert_eq!(zone("zone = \"Europe/Paris\"", json!("Europe/Vienna")), "Europe/Vienna");
    for own in [json!(null), json!(""), json!("Mars/Olympus"), json!("../../../etc/passwd"), json!("<b>")] {
        assert_eq!(zone("zone = \"Europe/Paris\"", own.clone()), "Europe/Paris", "{own}");
        assert_eq!(zone("", own.clone()), "", "{own}");
    }
}

#[test]
fn a_warning_is_sent_once_on_its_day_however_often_the_user_signs_in() {
    let posted = posted("max-days = 90\nwarn-days = 7");
    let _ = posted.pool.confirm(&confirmed());
    for _ in 0..8 {
        assert_eq!(posted.days(10), []);
        assert_eq!(posted.pool.sign_in(&sign_in()).calls, reads(1, 0));
    }
    assert_eq!(
        posted.days(4),
        [(4, ANNA.to_owned())],
        "a few nanoseconds after the day is full, so with the sweep of the next"
    );
    assert_eq!(posted.pool.sign_in(&sign_in()).calls, reads(1, 0), "nothing more is staged");
    assert_eq!(posted.days(20), []);
    assert_eq!(posted.pool.staged(), []);
}

#[test]
fn a_new_password_makes_the_warning_of_the_old_one_lapse() {
    let posted = posted("max-days = 90\nwarn-days = 7");
    let _ = posted.pool.confirm(&confirmed());
    assert_eq!(posted.days(80), []);
    let _ = posted.pool.confirm(&forgotten());
    assert_eq!(posted.pool.staged().len(), 2);
    assert_eq!(posted.days(82), []);
    assert_eq!(posted.pool.staged().len(), 1, "the first has lapsed");
    assert_eq!(posted.days(3), [(2, ANNA.to_owned())]);
}

#[test]
fn a_choice_that_only_the_trail_told_of_makes_it_lapse_too_and_the_next_sign_in_stages_another() {
    let posted = posted("max-days = 90\nwarn-days = 7");
    let _ = posted.pool.confirm(&confirmed());
    assert_eq!(posted.days(80), []);
    let at = posted.pool.now();
    let amended = ledger::amend(posted.pool.ledger.as_ref(), POOL, SUB, at, |reading| {
        let mut member = reading.member.clone()?;
        member.password.is_chosen(at);
        Some(ledger::Amendment { member: Some(member), ..ledger::Amendment::default() })
    });
    amended.now_or_never().unwrap().unwrap();
    assert_eq!(posted.days(10), []);
    assert_eq!((posted.pool.staged().len(), posted.pool.password().warning), (0, None));
    assert_eq!(posted.pool.sign_in(&sign_in()).calls, reads(1, 1));
    assert_eq!(posted.days(80), [(74, ANNA.to_owned())]);
}

#[test]
fn other_settings_make_it_lapse_and_stage_another() {
    let mut posted = posted("max-days = 90\nwarn-days = 7");
    let _ = posted.pool.confirm(&confirmed());
    assert_eq!(posted.days(10), []);
    posted.pool.rule = rule("max-days = 60\nwarn-days = 14");
    assert_eq!(posted.pool.signs_in(), Verdict::Continue);
    assert_eq!(posted.days(80), [(37, ANNA.to_owned())]);
    assert_eq!(posted.pool.staged(), []);
}

#[test]
fn warnings_that_are_not_wanted_any_more_lapse() {
    let mut posted = posted("max-days = 90\nwarn-days = 7");
    let _ = posted.pool.confirm(&confirmed());
    posted.pool.rule = rule("max-days = 90\nwarn-days = 0");
    posted.pool.pass(SECOND);
    assert_eq!(posted.pool.sign_in(&sign_in()).calls, reads(1, 1));
    assert_eq!(posted.pool.sign_in(&sign_in()).calls, reads(1, 0));
    assert_eq!((posted.pool.staged().len(), posted.pool.password().warning), (1, None));
    assert_eq!(posted.days(100), []);
}

#[test]
fn who_has_a_grace_is_warned_before_its_end_or_at_once() {
    let later = posted("max-days = 90\ngrace-days = 14\nwarn-days = 7");
    let _ = later.pool.signs_in();
    assert_eq!(later.days(14), [(8, ANNA.to_owned())]);
    for grace in [7, 3] {
        let at_once = posted(&format!("max-days = 90\ngrace-days = {grace}\nwarn-days = 7"));
        let now = at_once.pool.now();
        let _ = at_once.pool.signs_in();
        let staged = at_once.pool.staged();
        assert_eq!(to_the_millisecond(staged[0].due), now);
        assert_eq!(mail(&staged[0]).context["expires"], (now + days(grace)).to_string());
        assert_eq!(at_once.days(30), [(1, ANNA.to_owned())]);
    }
}

#[test]
fn only_proven_addresses_are_written_to() {
    for (attribute, value) in
        [("email_verified", json!("false")), ("email_verified", json!(null)), ("email", json!(null))]
    {
        let posted = posted("max-days = 90\nwarn-days = 7");
        let event = sign_in().with(attribute, value.clone());
        assert_eq!(posted.pool.sign_in(&event).calls, reads(1, 1), "the clock starts all the same");
        assert_eq!(posted.pool.sign_in(&event).calls, reads(1, 0));
        assert_eq!((posted.pool.staged(), posted.pool.password().warning), (Vec::new(), None), "{attribute} {value}");
        let _ = posted.pool.signs_in();
        assert_eq!(posted.pool.staged().len(), 1, "once it is proven");
    }
}

#[test]
fn a_new_address_gets_the_warning_instead_of_the_former_one() {
    let posted = posted("max-days = 90\nwarn-days = 7");
    let _ = posted.pool.confirm(&confirmed());
    posted.pool.pass(days(1));
    *posted.pool.users.moved.lock().unwrap() = Some("anna@example.org");
    let moved = sign_in().with("email", "anna@example.org");
    assert_eq!(posted.pool.sign_in(&moved).calls, reads(1, 1));
    assert_eq!(posted.pool.sign_in(&moved).calls, reads(1, 0));
    assert_eq!(posted.days(90), [(83, "anna@example.org".to_owned())]);
    // Before that sign-in nobody is warned: the former address may be somebody else's.
    let away = self::posted("max-days = 90\nwarn-days = 7");
    let _ = away.pool.confirm(&confirmed());
    *away.pool.users.moved.lock().unwrap() = Some("anna@example.org");
    assert_eq!(away.days(85), []);
    assert!(away.pool.staged().is_empty(), "it is still there");
    assert_eq!(away.pool.sign_in(&moved).calls, reads(1, 1));
    assert_eq!(away.days(1), [(1, "anna@example.org".to_owned())]);
    // And one that is not proven any more gets none.
    let lost = self::posted("max-days = 90\nwarn-days = 7");
    let _ = lost.pool.confirm(&confirmed());
    let _ = lost.pool.sign_in(&sign_in().with("email_verified", "false"));
    assert_eq!(lost.days(90), []);
}

#[test]
fn who_is_gone_or_disabled_gets_none() {
    let gone = posted("max-days = 90\nwarn-days = 7");
    let _ = gone.pool.confirm(&confirmed());
    *gone.pool.users.gone.lock().unwrap() = true;
    assert_eq!(gone.days(90), []);
    let disabled = posted("max-days = 90\nwarn-days = 7");
    let _ = disabled.pool.confirm(&confirmed());
    *disabled.pool.users.disabled.lock().unwrap() = true;
    assert_eq!(disabled.days(90), []);
}

#[test]
fn linked_users_who_are_exempt_are_not_warned() {
    let exempt = posted("max-days = 90\nwarn-days = 7\nlinked-users = \"exempt\"");
    let _ = exempt.pool.confirm(&linked(forgotten()));
    assert!(exempt.pool.password().chosen.is_some(), "the age is known should they be checked one day");
    assert_eq!((exempt.pool.staged(), exempt.days(90)), (Vec::new(), Vec::new()));
    let checked = posted("max-days = 90\nwarn-days = 7");
    let _ = checked.pool.confirm(&linked(forgotten()));
    assert_eq!(checked.days(90).len(), 1);
}

#[test]
fn a_refused_sign_in_stages_nothing() {
    let posted = posted("max-days = 90\nwarn-days = 7");
    let _ = posted.pool.signs_in();
    assert_eq!(posted.days(14).len(), 1);
    assert_eq!(posted.pool.signs_in(), denied(EXPIRED));
    assert_eq!((posted.pool.staged(), posted.days(30)), (Vec::new(), Vec::new()));
}

#[test]
fn a_clock_that_goes_back_stages_the_warning_later_instead_of_never() {
    let posted = posted("max-days = 90\nwarn-days = 7");
    let _ = posted.pool.signs_in();
    posted.pool.pass(-SECOND);
    let _ = posted.pool.confirm(&forgotten());
    assert_eq!(
        (posted.pool.staged().len(), posted.pool.password().warning),
        (1, None),
        "that of the grace, which lapses"
    );
    posted.pool.pass(SECOND);
    assert_eq!(posted.pool.sign_in(&sign_in()).calls, reads(1, 0), "not within the same millisecond either");
    posted.pool.pass(SECOND);
    let _ = posted.pool.signs_in();
    assert_eq!(posted.days(90), [(83, ANNA.to_owned())]);
}

#[test]
fn a_courier_that_was_away_sends_late_what_still_stands() {
    let posted = posted("max-days = 90\nwarn-days = 7");
    let _ = posted.pool.confirm(&confirmed());
    posted.pool.pass(days(200));
    assert_eq!(posted.days(1), [(1, ANNA.to_owned())]);
}

#[test]
fn nothing_of_a_user_is_in_what_is_logged() {
    let pool = pool("max-days = 90\nfrom = \"Acme <hello@acme.example>\"");
    let _ = pool.signs_in();
    let text = format!("{:?} {:?}", pool.staged(), pool.rule);
    assert!(text.contains("password-age") && text.contains("WarningStands"));
    for private in ["anna", "Schmidt", "Anni", "hello@"] {
        assert!(!text.contains(private), "{text}");
    }
}
