//! What users really get over months: the rule, the dispatcher, the courier and the ledger together, under a clock that is moved
//! by hand. Only templates, mail service and directory are stood in for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cognito_triggers::courier::{Courier, Round};
use cognito_triggers::ledger::{Amendment, DeliveryId, LedgerAdmin, Outbox, amend};
use cognito_triggers::links::{Link, Links};
use cognito_triggers::services::{Message, NewPassword, Object, Sender, TemplateUse, User, UserPage};
use cognito_triggers::{Attributes, ConfigError, Directory, Dispatcher, Invocation, Mailer, Templates};
use futures_util::future::BoxFuture;
use proptest::prelude::*;
use serde_json::Map;

use super::*;

/// A clock whose short pauses pass at once.
struct Hasty(StoppedClock);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        // Limits of time are waited for too.
        if time > Duration::from_secs(1) { Box::pin(std::future::pending()) } else { Box::pin(std::future::ready(())) }
    }
}

/// A mail that was sent.
#[derive(Clone, Debug, PartialEq)]
struct Sent {
    /// Days since the beginning.
    day: i64,
    template: String,
    to: String,
    context: Map<String, Value>,
    unsubscribes: bool,
}

/// Everything outside.
struct World {
    sender: Sender,
    clock: Arc<Hasty>,
    users: Mutex<BTreeMap<String, User>>,
    written: Mutex<Vec<Sent>>,
    messages: Mutex<Vec<Message>>,
    looked_up: AtomicUsize,
}

#[async_trait]
impl Mailer for World {
    fn sender(&self) -> &Sender {
        &self.sender
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        self.messages.lock().unwrap().push(message.clone());
        Ok(())
    }
}

impl Templates for World {
    fn mail(
        &self,
        _: &DeliveryId,
        mail: &Mail,
        entries: &[Map<String, Value>],
        _: &Sender,
        now: Timestamp,
    ) -> Result<Message, Fault> {
        let [context] = entries else { panic!("no digest") };
        let to = mail.to[0].address().to_owned();
        let link = mail.unsubscribe.as_ref().and_then(|name| context["links"].get(name));
        self.written.lock().unwrap().push(Sent {
            day: day_of(now),
            template: mail.template.clone(),
            to: to.clone(),
            context: context.clone(),
            unsubscribes: link.is_some(),
        });
        Ok(Message { from: String::new(), recipients: vec![to], raw: Vec::new(), tags: BTreeMap::new() })
    }

    fn files(&self, _: &str, _: &Map<String, Value>) -> Result<Vec<(String, Object)>, Fault> {
        Ok(Vec::new())
    }

    fn check(&self, _: &TemplateUse) -> Vec<ConfigError> {
        Vec::new()
    }
}

#[async_trait]
impl Directory for World {
    async fn update_attributes(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<(), Fault> {
        Ok(())
    }

    async fn find(&self, _: &str, user_name: &str) -> Result<Option<User>, Fault> {
        self.looked_up.fetch_add(1, Ordering::SeqCst);
        Ok(self.users.lock().unwrap().get(user_name).cloned())
    }

    async fn find_sub(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        Ok(None)
    }

    async fn sign_out(&self, _: &str, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    async fn require_new_password(&self, _: &str, _: &str) -> Result<NewPassword, Fault> {
        Ok(NewPassword::None)
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        Ok(UserPage::default())
    }
}

fn day_of(time: Timestamp) -> i64 {
    time.duration_since(StoppedClock::default().now()).as_hours() / 24
}

struct House {
    world: Arc<World>,
    ledger: Arc<MemoryLedger>,
    dispatcher: Dispatcher,
    courier: Courier,
    /// What couriers did.
    put_off: usize,
    lapsed: usize,
}

impl House {
    fn of(settings: &str) -> Self {
        Self::with(settings, |world| world)
    }

    /// The same with other templates.
    fn with(settings: &str, templates: impl FnOnce(Arc<World>) -> Arc<dyn Templates>) -> Self {
        let configuration = Configuration::parse("triggers.toml", &format!("[win-back]\n{settings}")).unwrap();
        let (base, pools) = configuration.chains::<Rules>(&Environment::default()).unwrap();
        let clock = Arc::new(Hasty(StoppedClock::default()));
        let sender = Sender { from: "Acme <hello@acme.example>".parse().unwrap(), reply_to: Vec::new() };
        let world = Arc::new(World {
            sender,
            clock: Arc::clone(&clock),
            users: Mutex::default(),
            written: Mutex::default(),
            messages: Mutex::default(),
            looked_up: AtomicUsize::default(),
        });
        let ledger = Arc::new(MemoryLedger::default());
        let services = Services {
            ledger: Arc::clone(&ledger) as Arc<dyn Ledger>,
            directory: Arc::clone(&world) as Arc<dyn Directory>,
            mailer: Arc::clone(&world) as Arc<dyn Mailer>,
            templates: templates(Arc::clone(&world)),
            links: Links::to("https://links.acme.example").unwrap(),
            ..Services::in_memory(clock)
        };
        let courier = Courier::new(Arc::clone(&ledger) as Arc<dyn Outbox>, services.clone());
        let dispatcher = Dispatcher::new(base, pools, services);
        let house = Self { world, ledger, dispatcher, courier, put_off: 0, lapsed: 0 };
        house.settles(SUB, |_| {});
        house
    }

    /// The functions start anew with other settings.
    fn is_configured(&mut self, settings: &str) {
        let configuration = Configuration::parse("triggers.toml", &format!("[win-back]\n{settings}")).unwrap();
        let (base, pools) = configuration.chains::<Rules>(&Environment::default()).unwrap();
        let services = Services {
            ledger: Arc::clone(&self.ledger) as Arc<dyn Ledger>,
            ..Services::in_memory(Arc::clone(&self.world.clock) as Arc<dyn Clock>)
        };
        self.dispatcher = Dispatcher::new(base, pools, services);
    }

    /// There is a user `anna` as the sample describes one, but for this.
    fn settles(&self, sub: &str, change: impl FnOnce(&mut User)) {
        let attributes: Attributes = sign_in().attributes().iter().collect();
        let attributes = attributes.iter().filter(|(name, _)| *name != "sub").chain([("sub", sub)]).collect();
        let mut user = User { user_name: "anna".into(), attributes, confirmed: true, enabled: true, ..User::default() };
        change(&mut user);
        self.world.users.lock().unwrap().insert("anna".into(), user);
    }

    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    fn hears<T: Trigger>(&self, event: &Event<T>) {
        let deadline = self.now() + SignedDuration::from_secs(4);
        let invocation = Invocation { body: event.raw().as_bytes(), request_id: "1", deadline };
        let handled = self.dispatcher.handle(invocation).now_or_never().unwrap();
        assert_eq!(handled.report.fault, None);
        assert_eq!(handled.answer.as_deref(), Ok(event.raw()));
    }

    fn sweeps(&mut self) -> Round {
        let round = self.courier.sweep(self.now() + SignedDuration::from_mins(1)).now_or_never().unwrap();
        assert!(round.failures.is_empty(), "{:?}", round.failures);
        self.put_off += round.put_off;
        self.lapsed += round.lapsed;
        round
    }

    /// Days pass, and the courier comes by on each.
    fn days(&mut self, count: i64) {
        for _ in 0..count {
            self.world.clock.0.pass(days(1));
            self.sweeps();
        }
    }

    /// What was sent since: day and template.
    fn sent(&self) -> Vec<(i64, String)> {
        self.mails().into_iter().map(|sent| (sent.day, sent.template)).collect()
    }

    fn mails(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.world.written.lock().unwrap())
    }

    fn waiting(&self) -> usize {
        self.ledger.deliveries(POOL).now_or_never().unwrap().unwrap().len()
    }
}

fn absent(day: i64) -> (i64, String) {
    (day, "win-back-absent".to_owned())
}

fn returned(day: i64) -> (i64, String) {
    (day, "win-back".to_owned())
}

const NOTHING: [(i64, String); 0] = [];

#[test]
fn who_signs_in_every_day_for_a_year_gets_no_mail_and_keeps_no_courier_busy() {
    let mut house = House::of("after-days = 60");
    for _ in 0..365 {
        house.hears(&sign_in());
        house.days(1);
    }
    assert_eq!(house.sent(), NOTHING);
    assert_eq!((house.waiting(), house.put_off, house.lapsed), (1, 6, 0), "one that waits, put off every 60 days");
    assert_eq!(house.world.looked_up.load(Ordering::SeqCst), 0, "and the directory is not asked");
}

#[test]
fn who_stays_away_gets_one_mail_at_the_right_time_and_no_other() {
    let mut house = House::of("after-days = 60");
    house.hears(&sign_in());
    house.days(45);
    house.hears(&sign_in());
    let last = house.now();
    house.days(59);
    assert_eq!(house.sent(), NOTHING);
    house.days(1);
    let [mail] = house.mails().try_into().unwrap();
    assert_eq!((mail.day, mail.template.as_str(), mail.to.as_str()), (105, "win-back-absent", "anna@example.com"));
    assert_eq!(mail.context["last"], last.to_string(), "the last sign-in, not that at which it was staged");
    assert_eq!(mail.context["days"], 60);
    assert_eq!(mail.context["user"]["given_name"], "Anna");
    assert!(mail.unsubscribes);
    house.days(1_000);
    assert_eq!((house.sent(), house.waiting()), (vec![], 0), "once for every absence");
}

#[test]
fn the_hour_of_the_last_sign_in_is_the_hour_of_the_mail() {
    let mut house = House::of("after-days = 7");
    house.hears(&sign_in());
    house.world.clock.0.pass(SignedDuration::from_mins(90));
    house.hears(&sign_in());
    house.days(6);
    for (minutes, expected) in [(24 * 60 - 91, 0), (1, 0), (90, 1)] {
        house.world.clock.0.pass(SignedDuration::from_mins(minutes));
        assert_eq!(house.sweeps().done(), expected);
    }
}

#[test]
fn the_link_unsubscribes_this_user_from_this_list_for_as_long_as_configured() {
    let mut house = House::of("after-days = 60\nlist = \"reminders\"\nlink-days = 90");
    house.hears(&sign_in());
    house.days(60);
    let [mail] = house.mails().try_into().unwrap();
    let url = mail.context["links"]["unsubscribe"].as_str().unwrap();
    let token = url.strip_prefix("https://links.acme.example/?t=").unwrap();
    let keys = Keys::from_root(&[7; 32]);
    let link = Link::read(token, &keys, house.now()).unwrap();
    assert_eq!((link.purpose, link.about.as_str()), (LinkPurpose::Unsubscribe, "reminders"));
    assert_eq!((link.pool.as_str(), link.sub.as_str()), (POOL, SUB));
    assert_eq!(link.expires, house.now() + days(90), "from the sending on, not from the staging");
}

#[test]
fn who_returns_gets_one_mail_and_the_next_absence_counts_again() {
    let mut house = House::of("after-days = 60");
    house.hears(&sign_in());
    house.days(100);
    assert_eq!(house.sent(), [absent(60)]);
    house.hears(&sign_in());
    house.hears(&sign_in());
    house.sweeps();
    let [mail] = house.mails().try_into().unwrap();
    assert_eq!((mail.template.as_str(), &mail.context["days"]), ("win-back", &100.into()));
    assert!(mail.unsubscribes);
    house.days(59);
    assert_eq!((house.sent(), house.waiting()), (vec![], 1));
    house.days(1);
    assert_eq!(house.sent(), [absent(160)]);
}

#[test]
fn who_returns_before_the_courier_came_by_gets_no_mail_for_the_absent() {
    let mut house = House::of("after-days = 60");
    house.hears(&sign_in());
    // The courier is down.
    house.world.clock.0.pass(days(62));
    house.hears(&sign_in());
    house.sweeps();
    assert_eq!((house.sent(), house.lapsed), (vec![returned(62)], 1));
    house.days(60);
    assert_eq!(house.sent(), [absent(122)], "but at the end of the next absence");
}

#[test]
fn who_never_comes_back_after_the_confirmation_gets_it_too() {
    let mut house = House::of("after-days = 60");
    house.hears(&confirmed());
    house.hears(&confirmed());
    assert_eq!(house.waiting(), 1);
    house.days(60);
    let [mail] = house.mails().try_into().unwrap();
    assert_eq!((mail.day, mail.template.as_str()), (60, "win-back-absent"));
    assert_eq!(mail.context["last"], StoppedClock::default().now().to_string(), "counted from the confirmation");

    let mut house = House::of("after-days = 60");
    house.hears(&confirmed().with("zoneinfo", "Europe/Berlin"));
    house.days(10);
    house.hears(&sign_in());
    assert_eq!(house.waiting(), 1);
    house.days(60);
    assert_eq!(house.sent(), [absent(70)]);
}

#[test]
fn who_unsubscribed_gets_neither_mail() {
    let mut house = House::of("after-days = 60");
    house.hears(&sign_in());
    house.days(30);
    unsubscribe(house.ledger.as_ref(), "win-back", house.now());
    house.days(60);
    assert_eq!((house.sent(), house.waiting()), (vec![], 0));
    house.hears(&sign_in());
    house.days(400);
    assert_eq!(house.sent(), NOTHING);

    // Between the return and the sending.
    let mut house = House::of("after-days = 60\nabsent = false");
    house.hears(&sign_in());
    house.days(60);
    house.hears(&sign_in());
    assert_eq!(house.waiting(), 1);
    unsubscribe(house.ledger.as_ref(), "win-back", house.now());
    house.sweeps();
    assert_eq!((house.sent(), house.lapsed), (vec![], 1));
}

#[test]
fn who_is_disabled_or_deleted_gets_neither_mail() {
    let gone: [fn(&House); 2] =
        [|house| house.settles(SUB, |user| user.enabled = false), |house| house.world.users.lock().unwrap().clear()];
    for leaves in gone {
        let mut house = House::of("after-days = 60");
        house.hears(&sign_in());
        leaves(&house);
        house.days(100);
        assert_eq!((house.sent(), house.waiting()), (vec![], 0));
        house.hears(&sign_in());
        house.sweeps();
        assert_eq!(house.sent(), NOTHING, "a return that was not let in is none either");
    }
}

#[test]
fn who_is_created_anew_under_an_old_name_gets_nothing_for_the_old_one() {
    let mut house = House::of("after-days = 60");
    house.hears(&sign_in());
    house.days(30);
    let anew = "99999999-0000-4000-8000-000000000000";
    house.settles(anew, |_| {});
    house.hears(&sign_in().with("sub", anew));
    house.days(59);
    assert_eq!((house.sent(), house.lapsed), (vec![], 1));
    house.days(1);
    assert_eq!(house.sent(), [absent(90)], "only for the new one");

    // Where the ledger was told of the deletion.
    let mut house = House::of("after-days = 60");
    house.hears(&sign_in());
    let forgotten = amend(house.ledger.as_ref(), POOL, SUB, house.now(), |_| Some(Amendment::default()));
    assert!(forgotten.now_or_never().unwrap().unwrap());
    house.days(100);
    assert_eq!((house.sent(), house.lapsed), (vec![], 1));
}

#[test]
fn a_change_of_the_address_reaches_the_mail_at_the_next_sign_in() {
    let mut house = House::of("after-days = 60");
    house.hears(&sign_in());
    house.days(10);
    house.settles(SUB, |user| {
        let pairs = user.attributes.iter().filter(|(name, _)| *name != "email");
        user.attributes = pairs.chain([("email", "anna@new.example.com")]).collect();
    });
    house.hears(&sign_in().with("email", "anna@new.example.com"));
    assert_eq!(house.waiting(), 2);
    house.days(60);
    let [mail] = house.mails().try_into().unwrap();
    assert_eq!((mail.day, mail.to.as_str()), (70, "anna@new.example.com"));
    assert_eq!((house.lapsed, house.waiting()), (1, 0));
}

#[test]
fn nothing_goes_to_an_address_that_is_the_users_no_more() {
    let mut house = House::of("after-days = 60");
    house.hears(&sign_in());
    // Changed in the profile, and no sign-in since.
    house.settles(SUB, |user| {
        let pairs = user.attributes.iter().filter(|(name, _)| *name != "email");
        user.attributes = pairs.chain([("email", "anna@new.example.com")]).collect();
    });
    house.days(100);
    assert_eq!((house.sent(), house.lapsed), (vec![], 1));
}

#[test]
fn who_keeps_coming_gets_nothing_while_the_rule_is_brought_to_its_end() {
    let mut house = House::of("after-days = 60");
    house.hears(&sign_in());
    house.is_configured("after-days = 60\nreturned = false\nabsent = false");
    house.days(30);
    house.hears(&sign_in());
    house.days(400);
    house.hears(&sign_in());
    house.sweeps();
    assert_eq!((house.sent(), house.waiting(), house.lapsed), (vec![], 0, 1));
}

#[test]
fn a_shorter_time_counts_from_the_next_sign_in_on() {
    let mut house = House::of("after-days = 60");
    house.hears(&sign_in());
    house.is_configured("after-days = 30");
    house.days(1);
    house.hears(&sign_in());
    house.days(60);
    assert_eq!((house.sent(), house.lapsed), (vec![absent(31)], 1));
}

#[test]
fn a_clock_that_goes_back_sends_nothing_early_and_nothing_twice() {
    let mut house = House::of("after-days = 60");
    house.world.clock.0.pass(days(100));
    house.hears(&sign_in());
    house.world.clock.0.pass(days(-100));
    for _ in 0..50 {
        house.hears(&sign_in());
        house.days(1);
    }
    assert_eq!((house.sent(), house.waiting()), (vec![], 1));
    house.days(300);
    assert_eq!(house.sent(), [absent(160)], "counted from the latest time that was seen");
}

/// "The List-Unsubscribe-Post header MUST contain the single key/value pair List-Unsubscribe=One-Click" (RFC 8058, section 3.1).
#[test]
fn the_mails_that_are_built_in_say_what_is_so_and_unsubscribe_with_one_click() {
    let nowhere = std::path::Path::new("/nowhere");
    let mut house = House::with("after-days = 60", |_| cognito_triggers_templates::open(nowhere, nowhere));
    house.hears(&sign_in());
    house.days(60);
    house.hears(&sign_in());
    house.sweeps();
    let [absent, returned] = house.world.messages.lock().unwrap().clone().try_into().unwrap();
    assert_ne!(absent.raw, returned.raw);
    for message in [absent, returned] {
        assert_eq!(message.recipients, ["anna@example.com"]);
        let mail = mail_parser::MessageParser::default().parse(&message.raw).unwrap();
        let header = |name: &str| mail.header_raw(name).unwrap().split_whitespace().collect::<String>();
        let url = header("List-Unsubscribe");
        assert!(url.starts_with("<https://links.acme.example/?t=") && url.ends_with('>'), "{url}");
        assert_eq!(header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
        let (html, text) = (mail.body_html(0).unwrap(), mail.body_text(0).unwrap());
        assert!(html.contains("lang=\"de\"") && html.contains("https://links.acme.example/?t="));
        for body in [html, text] {
            assert!(body.contains("60") && body.contains("1. Januar 2026") && !body.contains("{{"), "{body}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However users come and go: a mail to the absent exactly where a pause is long enough, one to those who return after it, and
    /// never more than one that waits.
    #[test]
    fn every_long_pause_brings_one_mail_of_each_kind_and_no_other(pauses in prop::collection::vec(1_i64..40, 1..25)) {
        let after = 14;
        let mut house = House::of("after-days = 14");
        let (mut expected, mut day) = (Vec::new(), 0);
        for pause in pauses {
            house.hears(&sign_in());
            // The courier comes first on the day of the return.
            house.sweeps();
            if pause >= after {
                expected.push(absent(day + after));
                expected.push(returned(day + pause));
            }
            house.days(pause);
            day += pause;
            prop_assert!(house.waiting() <= 1);
        }
        house.hears(&sign_in());
        house.sweeps();
        prop_assert_eq!(house.sent(), expected);
    }
}
