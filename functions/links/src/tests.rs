//! What is asked, what is done, how often, and what strangers get to see.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlResponse;
use cognito_triggers::ledger::{
    Amendment, Change, Committed, Delivery, DeliveryId, Ledger, LedgerAdmin, Member, MemoryLedger, Reading, Task,
    Wants, amend,
};
use cognito_triggers::services::{Directory, NewPassword, User, UserPage};
use cognito_triggers::{Attributes, Keys, StoppedClock};
use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const POOL: &str = "eu-central-1_Example01";
const SUB: &str = "0a1b2c3d-0000-4000-8000-00000000a77a";

/// A pool with one user, anna, whose directory does what it is told to.
#[derive(Default)]
struct House {
    calls: Mutex<Vec<String>>,
    /// What fails or never ends, by the name of the call.
    broken: Mutex<BTreeMap<&'static str, &'static str>>,
    is_empty: Mutex<bool>,
    federated: Mutex<bool>,
    disabled: Mutex<bool>,
}

impl House {
    async fn call(&self, name: &'static str, who: &str) -> Result<(), Fault> {
        self.calls.lock().unwrap().push(format!("{name} {who}"));
        let how = self.broken.lock().unwrap().get(name).copied();
        match how {
            Some("never ends") => std::future::pending().await,
            Some(_) => Err(Fault::of(FaultKind::Service, format!("{name} failed for {who} <anna@example.com>"))),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Directory for House {
    async fn update_attributes(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<(), Fault> {
        unreachable!("profiles are not changed")
    }

    async fn find(&self, _: &str, _: &str) -> Result<Option<User>, Fault> {
        unreachable!("names may have changed hands")
    }

    async fn find_sub(&self, pool: &str, sub: &str) -> Result<Option<User>, Fault> {
        self.call("find", sub).await?;
        let is_there = !*self.is_empty.lock().unwrap() && (pool, sub) == (POOL, SUB);
        let attributes = Attributes::from_iter([("sub", SUB)]);
        let enabled = !*self.disabled.lock().unwrap();
        Ok(is_there.then(|| User { user_name: "anna".into(), attributes, enabled, ..User::default() }))
    }

    async fn sign_out(&self, _: &str, user_name: &str) -> Result<(), Fault> {
        self.call("sign out", user_name).await
    }

    async fn require_new_password(&self, _: &str, user_name: &str) -> Result<NewPassword, Fault> {
        self.call("new password", user_name).await?;
        Ok(if *self.federated.lock().unwrap() { NewPassword::None } else { NewPassword::Required })
    }

    async fn users(&self, _: &str, _: Option<String>) -> Result<UserPage, Fault> {
        unreachable!("nobody is looked for")
    }
}

/// A ledger that fails where it is told to.
struct Flaky {
    ledger: Arc<MemoryLedger>,
    broken: Mutex<Vec<&'static str>>,
}

impl Flaky {
    fn check(&self, name: &'static str) -> Result<(), Fault> {
        match self.broken.lock().unwrap().contains(&name) {
            true => Err(Fault::of(FaultKind::Service, "the table is gone")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Ledger for Flaky {
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
        self.check("read")?;
        self.ledger.read(wants).await
    }

    async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
        self.check("commit")?;
        self.ledger.commit(change).await
    }

    async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault> {
        self.check("acknowledge")?;
        self.ledger.acknowledge(deliveries).await
    }
}

struct Office {
    job: LinksJob,
    clock: Arc<StoppedClock>,
    memory: Arc<MemoryLedger>,
    flaky: Arc<Flaky>,
    house: Arc<House>,
}

fn keys() -> Keys {
    Keys::from_root(&[7; 32])
}

fn settings() -> Settings {
    serde_json::from_value(json!({ "administrators": ["ops@acme.example"], "product-name": "Acme" })).unwrap()
}

impl Office {
    /// With anna, who is signed in once since the day before.
    async fn open() -> Self {
        let office = Self::of(Tables::of_all(settings()));
        let now = office.clock.now();
        let member = || {
            let mut member = Member::default();
            member.marks.insert("sign-in-alert".into(), now);
            let yesterday = now - SignedDuration::from_hours(24);
            member.sessions.begin("1example23456789", yesterday, now + SignedDuration::from_hours(24)).unwrap();
            member
        };
        let ask = |_: &Reading| Some(Amendment { member: Some(member()), ..Amendment::default() });
        amend(office.memory.as_ref(), POOL, SUB, now, ask).await.unwrap();
        office
    }

    fn of(settings: Tables<Settings>) -> Self {
        let (clock, memory, house) =
            (Arc::new(StoppedClock::default()), Arc::new(MemoryLedger::default()), Arc::default());
        let flaky = Arc::new(Flaky { ledger: Arc::clone(&memory), broken: Mutex::default() });
        let services = Services {
            ledger: Arc::clone(&flaky) as Arc<dyn Ledger>,
            directory: Arc::clone(&house) as Arc<dyn Directory>,
            keys: keys(),
            ..Services::none(Arc::clone(&clock) as Arc<dyn Clock>)
        };
        Self { job: LinksJob::new(services, settings), clock, memory, flaky, house }
    }

    fn link(&self, purpose: LinkPurpose) -> Link {
        let about = if purpose == LinkPurpose::Unsubscribe { "win-back" } else { "" };
        let expires = self.clock.now() + SignedDuration::from_hours(24 * 7);
        Link { purpose, about: about.into(), pool: POOL.into(), sub: SUB.into(), expires }
    }

    fn token(&self, purpose: LinkPurpose) -> String {
        self.link(purpose).token(&keys()).unwrap()
    }

    async fn asks(&self, request: Request) -> Answered {
        let deadline = self.clock.now() + SignedDuration::from_secs(9);
        self.job.answer(&request, deadline).await
    }

    async fn opens(&self, token: &str) -> Answered {
        self.asks(Request { method: Method::Get, query_token: Some(token.into()), ..english() }).await
    }

    /// Presses the page's button.
    async fn confirms(&self, token: &str) -> Answered {
        let token = Some(token.to_owned());
        self.asks(Request { method: Method::Post, query_token: token.clone(), form_token: token, ..english() }).await
    }

    /// The mail program's button.
    async fn one_click(&self, token: &str) -> Answered {
        self.asks(Request { method: Method::Post, query_token: Some(token.into()), ..english() }).await
    }

    async fn member(&self) -> Option<Member> {
        let wants = Wants { pool: POOL.into(), sub: Some(SUB.into()), ..Wants::default() };
        self.memory.read(&wants).await.unwrap().member
    }

    async fn notices(&self) -> Vec<Delivery> {
        self.memory.deliveries(POOL).await.unwrap()
    }

    /// What the administrators will read: whether the user was signed out, has to choose a new password, and in how many minutes.
    async fn told(&self) -> Vec<(bool, bool, i64)> {
        let told = |delivery: Delivery| {
            let Task::Mail(mail) = delivery.task else { panic!("no mail") };
            let is = |key: &str| mail.context[key].as_bool().unwrap();
            (is("signed_out"), is("new_password"), delivery.due.duration_since(self.clock.now()).as_mins())
        };
        self.notices().await.into_iter().map(told).collect()
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.house.calls.lock().unwrap())
    }

    fn breaks(&self, what: &'static str, how: &'static str) {
        self.house.broken.lock().unwrap().insert(what, how);
    }

    fn mends(&self) {
        self.house.broken.lock().unwrap().clear();
        self.flaky.broken.lock().unwrap().clear();
    }
}

fn english() -> Request {
    Request { accept_language: "en-GB,en;q=0.9".into(), ..Request::default() }
}

#[track_caller]
fn is(answered: &Answered, outcome: Outcome, status: u16, heading: &str) {
    assert_eq!((answered.outcome, answered.response.status), (outcome, status));
    assert!(answered.response.body.contains(&format!("<h1>{heading}</h1>")), "{}", answered.response.body);
    assert_eq!(answered.fault.is_some(), outcome == Outcome::Failed);
}

/// Scanners of mails open every link: what only looks does nothing.
#[tokio::test]
async fn opening_a_link_asks_and_does_nothing() {
    let office = Office::open().await;
    let before = office.member().await;
    for (purpose, heading) in [(LinkPurpose::Unsubscribe, "Unsubscribe?"), (LinkPurpose::NotMe, "Was that not you?")] {
        let token = office.token(purpose);
        for _ in 0..3 {
            let answered = office.opens(&token).await;
            is(&answered, Outcome::Asked, 200, heading);
            let field = format!("<input type=\"hidden\" name=\"t\" value=\"{token}\">");
            assert!(answered.response.body.contains(&field));
        }
    }
    assert_eq!((office.member().await, office.notices().await.len()), (before, 0));
    assert!(office.calls().is_empty());
}

#[tokio::test]
async fn unsubscribing_is_done_at_once_and_once() {
    let office = Office::open().await;
    let token = office.token(LinkPurpose::Unsubscribe);
    is(&office.confirms(&token).await, Outcome::Done, 200, "You are unsubscribed");
    let member = office.member().await.unwrap();
    assert_eq!(member.unsubscribed, [("win-back".to_owned(), office.clock.now())].into());
    assert!(!member.wants_mail_of("win-back") && member.wants_mail_of("news"));
    office.clock.pass(SignedDuration::from_hours(1));
    is(&office.confirms(&token).await, Outcome::Already, 200, "You are unsubscribed");
    assert_eq!(office.member().await.unwrap(), member, "written again");
    assert!(office.calls().is_empty(), "the directory need not be asked");
}

/// RFC 8058: the mail program posts `List-Unsubscribe=One-Click` to the link, "and MUST NOT include cookies, HTTP
/// authorization, or any other context information".
#[tokio::test]
async fn a_mail_program_unsubscribes_with_one_click() {
    for (kind, body) in [
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--",
        ),
        ("text/plain", ""),
    ] {
        let office = Office::open().await;
        let token = office.token(LinkPurpose::Unsubscribe);
        let request = Request::of(event("POST", Some(&token), Some((kind, body)), false).as_bytes());
        is(&office.asks(request).await, Outcome::Done, 200, "You are unsubscribed");
        assert!(!office.member().await.unwrap().wants_mail_of("win-back"));
    }
}

#[tokio::test]
async fn one_click_signs_nobody_out() {
    let office = Office::open().await;
    is(&office.one_click(&office.token(LinkPurpose::NotMe)).await, Outcome::Asked, 200, "Was that not you?");
    assert!(office.calls().is_empty() && office.notices().await.is_empty());
}

#[tokio::test]
async fn who_did_not_sign_in_is_signed_out_gets_a_new_password_and_administrators_are_told() {
    let office = Office::open().await;
    let token = office.token(LinkPurpose::NotMe);
    is(&office.confirms(&token).await, Outcome::Done, 200, "Your account is secured");
    assert_eq!(office.calls(), [format!("find {SUB}"), "new password anna".into(), "sign out anna".into()]);
    assert!(office.member().await.unwrap().sessions.is_empty());
    assert_eq!(office.told().await, [(true, true, 0)]);

    let [notice] = office.notices().await.try_into().unwrap();
    assert_eq!((notice.id.rule(), notice.id.sub.as_str()), ("links", SUB));
    let Task::Mail(mail) = notice.task else { panic!("no mail") };
    assert_eq!((mail.template.as_str(), mail.to[0].to_string().as_str()), ("not-me-notice", "ops@acme.example"));
    assert_eq!(mail.locales, ["en"]);
    assert_eq!(
        Value::Object(mail.context),
        json!({
            "user": {}, "pool": POOL, "client": "", "sub": SUB, "user_name": "anna", "at": "2026-01-01T12:00:00Z",
            "signed_out": true, "new_password": true,
        })
    );
}

#[tokio::test]
async fn it_is_done_once_for_one_link() {
    let office = Office::open().await;
    let token = office.token(LinkPurpose::NotMe);
    office.confirms(&token).await;
    office.calls();
    office.clock.pass(SignedDuration::from_hours(24));
    is(&office.confirms(&token).await, Outcome::Already, 200, "Your account is secured");
    assert_eq!((office.calls().len(), office.notices().await.len()), (1, 1), "signed out again, or told again");
    let another = office.token(LinkPurpose::NotMe);
    is(&office.confirms(&another).await, Outcome::Done, 200, "Your account is secured");
    assert_eq!(office.told().await.len(), 2);
    office.clock.pass(SignedDuration::from_hours(24 * 6));
    is(&office.confirms(&token).await, Outcome::Expired, 410, "This link is too old");
    let third = office.token(LinkPurpose::NotMe);
    office.confirms(&third).await;
    let marks = office.member().await.unwrap().marks;
    assert_eq!(marks.keys().filter(|key| key.starts_with("links/")).count(), 4, "marks of old links stay: {marks:?}");
    assert!(marks.contains_key("sign-in-alert"), "marks of others are gone");
}

#[tokio::test]
async fn what_fails_is_told_and_can_be_tried_again() {
    for (broken, told, calls) in
        [("find", (false, false, 10), 1), ("new password", (true, false, 10), 3), ("sign out", (false, true, 10), 3)]
    {
        let office = Office::open().await;
        let token = office.token(LinkPurpose::NotMe);
        office.breaks(broken, "fails");
        let answered = office.confirms(&token).await;
        is(&answered, Outcome::Failed, 500, "That did not work");
        assert!(answered.response.body.contains("<button type=\"submit\">Try again</button>"));
        assert_eq!(office.told().await, [told], "{broken}");
        assert_eq!(office.calls().len(), calls, "what fails keeps nothing else from being tried");
        assert_eq!(office.member().await.unwrap().sessions.is_empty(), told.0, "{broken}");
        office.confirms(&token).await;
        assert_eq!(office.told().await, [told], "told twice of one failure");

        office.mends();
        office.clock.pass(SignedDuration::from_mins(3));
        is(&office.confirms(&token).await, Outcome::Done, 200, "Your account is secured");
        assert_eq!(office.told().await, [(true, true, 0)], "the notice that nothing was done is still there");
        assert!(office.member().await.unwrap().sessions.is_empty());
    }
}

#[tokio::test]
async fn whose_try_ends_in_the_middle_is_told_of() {
    let office = Office::open().await;
    let job =
        LinksJob { services: Services { clock: Arc::new(Impatient), ..office.job.services.clone() }, ..office.job };
    let token =
        Some(Link { expires: Impatient.now() + SignedDuration::from_hours(1), ..link() }.token(&keys()).unwrap());
    office.house.broken.lock().unwrap().insert("sign out", "never ends");
    let request = Request { method: Method::Post, form_token: token, ..english() };
    let answered = job.answer(&request, Impatient.now()).await;
    is(&answered, Outcome::Failed, 500, "That did not work");
    assert_eq!(answered.fault.unwrap().kind(), FaultKind::Timeout);
    let notices = office.memory.deliveries(POOL).await.unwrap();
    assert_eq!((notices.len(), notices[0].due), (1, Impatient.now() + SignedDuration::from_mins(10)));
}

fn link() -> Link {
    Office::of(Tables::default()).link(LinkPurpose::NotMe)
}

/// A clock on which every wait is over at once.
struct Impatient;

impl Clock for Impatient {
    fn now(&self) -> Timestamp {
        StoppedClock::default().now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn without_a_ledger_the_user_is_signed_out_all_the_same() {
    let office = Office::open().await;
    let token = office.token(LinkPurpose::NotMe);
    for broken in ["read", "commit"] {
        *office.flaky.broken.lock().unwrap() = vec![broken];
        is(&office.confirms(&token).await, Outcome::Failed, 500, "That did not work");
        assert_eq!(office.calls().len(), 3, "{broken}");
    }
    assert!(office.notices().await.is_empty());
    let unsubscribe = office.token(LinkPurpose::Unsubscribe);
    is(&office.confirms(&unsubscribe).await, Outcome::Failed, 500, "That did not work");
    office.mends();
    is(&office.confirms(&unsubscribe).await, Outcome::Done, 200, "You are unsubscribed");
    // A notice too many is better than none.
    office.breaks("sign out", "fails");
    office.confirms(&token).await;
    office.mends();
    *office.flaky.broken.lock().unwrap() = vec!["acknowledge"];
    is(&office.confirms(&token).await, Outcome::Done, 200, "Your account is secured");
    assert_eq!(office.told().await, [(true, true, 0), (false, true, 10)]);
}

/// "AdminResetUserPassword ... EXTERNAL_PROVIDER": who signs in elsewhere has no password to be changed here.
#[tokio::test]
async fn a_user_without_a_password_is_signed_out() {
    let office = Office::open().await;
    *office.house.federated.lock().unwrap() = true;
    let answered = office.confirms(&office.token(LinkPurpose::NotMe)).await;
    is(&answered, Outcome::Done, 200, "Your account is secured");
    assert_eq!(office.told().await, [(true, false, 0)]);
}

/// "You need to use admin-enable-user before admin-reset-user-password" (amazon-cognito-identity-js#373).
#[tokio::test]
async fn a_user_who_is_disabled_already_is_signed_out() {
    let office = Office::open().await;
    *office.house.disabled.lock().unwrap() = true;
    let answered = office.confirms(&office.token(LinkPurpose::NotMe)).await;
    is(&answered, Outcome::Done, 200, "Your account is secured");
    assert_eq!(office.calls(), [format!("find {SUB}"), "sign out anna".into()]);
    assert_eq!(office.told().await, [(true, false, 0)]);
}

#[tokio::test]
async fn a_user_who_is_gone_gets_the_same_page_and_is_not_remembered_again() {
    let (office, there) = (Office::of(Tables::of_all(settings())), Office::open().await);
    *office.house.is_empty.lock().unwrap() = true;
    for purpose in [LinkPurpose::Unsubscribe, LinkPurpose::NotMe] {
        let token = office.token(purpose);
        let gone = office.confirms(&token).await;
        assert_eq!((gone.outcome, gone.response), (Outcome::Gone, there.confirms(&token).await.response));
    }
    office.breaks("find", "fails");
    is(&office.confirms(&office.token(LinkPurpose::NotMe)).await, Outcome::Failed, 500, "That did not work");
    assert_eq!((office.member().await, office.notices().await.len()), (None, 0));
}

#[tokio::test]
async fn without_administrators_nobody_is_told() {
    let office = Office::of(Tables::default());
    is(&office.confirms(&office.token(LinkPurpose::NotMe)).await, Outcome::Done, 200, "Your account is secured");
    assert!(office.notices().await.is_empty());
}

#[tokio::test]
async fn what_is_no_link_of_ours_says_so_and_no_more() {
    let office = Office::open().await;
    let good = office.token(LinkPurpose::NotMe);
    let (text, seal) = good.split_once('.').unwrap();
    let strangers = office.link(LinkPurpose::NotMe).token(&Keys::from_root(&[8; 32])).unwrap();
    let unsubscribe = office.token(LinkPurpose::Unsubscribe);
    let (other_text, _) = unsubscribe.split_once('.').unwrap();
    let mut seen = Vec::new();
    for wrong in [
        String::new(),
        "<script>alert(1)</script>".into(),
        "\"><img src=x onerror=alert(1)>".into(),
        "a.b".into(),
        text.into(),
        format!("{other_text}.{seal}"),
        format!("{good}x"),
        strangers,
        "\u{0}\u{fffd}\u{202e}".into(),
        "x".repeat(2000),
    ] {
        for answered in [office.opens(&wrong).await, office.confirms(&wrong).await, office.one_click(&wrong).await] {
            is(&answered, Outcome::Unknown, 400, "This link does not work");
            seen.push(answered.response);
        }
    }
    seen.push(office.asks(Request { method: Method::Get, ..english() }).await.response);
    seen.push(office.asks(Request { method: Method::Post, ..english() }).await.response);
    assert!(seen.iter().all(|page| *page == seen[0]), "the page tells wrong links apart");
    assert!(office.calls().is_empty() && office.notices().await.is_empty());
}

#[tokio::test]
async fn a_link_whose_time_is_up_does_nothing() {
    let office = Office::open().await;
    let tokens = [LinkPurpose::NotMe, LinkPurpose::Unsubscribe].map(|purpose| office.token(purpose));
    office.clock.pass(SignedDuration::from_hours(24 * 7));
    for token in tokens {
        for answered in [office.opens(&token).await, office.confirms(&token).await, office.one_click(&token).await] {
            is(&answered, Outcome::Expired, 410, "This link is too old");
        }
    }
    assert!(office.calls().is_empty() && office.member().await.unwrap().unsubscribed.is_empty());
}

#[tokio::test]
async fn other_methods_are_refused() {
    let office = Office::open().await;
    let token = office.token(LinkPurpose::Unsubscribe);
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "<b>", ""] {
        let request = Request::of(event(method, Some(&token), Some(("text/plain", "t=x")), false).as_bytes());
        let answered = office.asks(request).await;
        is(&answered, Outcome::Refused, 405, "This page cannot do that");
        assert!(answered.response.headers.contains(&("allow", "GET, POST")));
    }
    assert!(office.member().await.unwrap().unsubscribed.is_empty());
}

#[tokio::test]
async fn every_page_is_closed_to_everything_else() {
    let office = Office::open().await;
    let token = office.token(LinkPurpose::Unsubscribe);
    let pages = [
        office.opens(&token).await,
        office.confirms(&token).await,
        office.opens("x").await,
        office.asks(Request::default()).await,
    ];
    for Answered { response, .. } in pages {
        let header = |wanted: &str| response.headers.iter().find(|(name, _)| *name == wanted).unwrap().1;
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(
            policy.contains("form-action 'self'")
                && policy.contains("frame-ancestors 'none'")
                && !policy.contains("unsafe")
        );
        assert_eq!((header("referrer-policy"), header("cache-control")), ("no-referrer", "no-store"));
        assert_eq!((header("x-content-type-options"), header("x-frame-options")), ("nosniff", "DENY"));
        assert_eq!(header("x-robots-tag"), "noindex, nofollow");
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn pages_are_in_the_users_language_and_in_the_pools_name() {
    let globex = Settings { product_name: "Globex".into(), locale: "fr".parse().unwrap(), ..Settings::default() };
    let office = Office::of(Tables::of_all(globex));
    let body = async |languages: &str| {
        let token = Some(office.token(LinkPurpose::Unsubscribe));
        let request =
            Request { method: Method::Get, query_token: token, accept_language: languages.into(), ..english() };
        office.asks(request).await.response.body
    };
    assert!(body("de-AT,de;q=0.9,en;q=0.5").await.contains("<h1>Abmelden?</h1>"));
    assert!(body("es").await.contains("<html lang=\"es\">"));
    for other in ["", "ja", "*", "<b>"] {
        assert!(body(other).await.contains("<h1>Se désabonner ?</h1>"), "{other}");
    }
    assert!(body("en").await.contains("<p class=\"name\">Globex</p>"));
}

/// An event as a function URL sends it.
fn event(method: &str, token: Option<&str>, body: Option<(&str, &str)>, encoded: bool) -> String {
    let (kind, body) = body.unwrap_or_default();
    let body = if encoded { BASE64.encode(body.as_bytes()) } else { body.to_owned() };
    let query = token.map(|token| format!("t={token}")).unwrap_or_default();
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": query,
        "headers": {
            "accept-language": "en", "content-type": kind, "host": "abc.lambda-url.eu-central-1.on.aws",
            "user-agent": "Mozilla/5.0", "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https",
        },
        "queryStringParameters": token.map(|token| json!({ "t": token })),
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": "abc.lambda-url.eu-central-1.on.aws", "domainPrefix": "abc",
            "http": { "method": method, "path": "/", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "Mozilla/5.0" },
            "requestId": "e1506fd5", "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:12:00:00 +0000",
            "timeEpoch": 1_767_268_800_000_i64,
        },
        "body": body, "isBase64Encoded": encoded,
    })
    .to_string()
}

#[test]
fn a_request_is_read_whether_its_body_is_encoded_or_not() {
    let form = Some(("application/x-www-form-urlencoded", "a=1&t=abc.def&t=x"));
    for encoded in [false, true] {
        let request = Request::of(event("POST", Some("ghi"), form, encoded).as_bytes());
        assert_eq!(request.method, Method::Post);
        assert_eq!((request.form_token.as_deref(), request.query_token.as_deref()), (Some("abc.def"), Some("ghi")));
        assert_eq!(request.accept_language, "en");
    }
}

#[test]
fn whatever_arrives_is_read_as_something() {
    let huge = "t=x&".repeat(1_000_000);
    let long = format!("t={}", "x".repeat(3_000));
    for (body, encoded) in
        [(huge.as_str(), false), (huge.as_str(), true), (long.as_str(), false), ("t", false), ("&&=&", true)]
    {
        let request = Request::of(event("POST", None, Some(("", body)), encoded).as_bytes());
        assert_eq!((request.method, request.form_token), (Method::Post, None));
    }
    let binary = event("POST", None, Some(("", "x")), true).replace("\"eA==\"", "\"dD3/AAH+\"");
    assert_eq!(Request::of(binary.as_bytes()).form_token, None);
    let not_base64 = event("POST", None, Some(("", "x")), true).replace("\"eA==\"", "\"t=a.b\"");
    assert_eq!(Request::of(not_base64.as_bytes()).form_token, None);
    assert_eq!(Request::of(event("GET", Some(&"x".repeat(3_000)), None, false).as_bytes()).query_token, None);
    for odd in
        ["", "{}", "[]", "null", "\u{0}", "{\"requestContext\":{\"http\":{\"method\":7}}}", "{\"triggerSource\":\"x\"}"]
    {
        assert_eq!(Request::of(odd.as_bytes()), Request::default(), "{odd}");
    }
    assert_eq!(Request::of(&[0xff, 0xfe]), Request::default());
    let header = event("GET", None, None, false).replace("\"en\"", "\"a\\u0000b\\nc\"");
    assert_eq!(Language::accepted(&Request::of(header.as_bytes()).accept_language), None);
}

proptest! {
    /// Whatever stands where, and of whatever kind, only the tokens that were sent are read, and no longer ones than ours.
    #[test]
    fn a_token_is_read_as_it_was_sent_or_not_at_all(
        method in "GET|POST|[A-Za-z]{0,5}", query in "[A-Za-z0-9._-]{0,40}|\\PC{0,40}",
        body in "(t=|&|[A-Za-z0-9._-]|List-Unsubscribe=One-Click|\\PC){0,40}", encoded: bool, other in "\\PC{0,20}",
    ) {
        let mut sent: Value = serde_json::from_str(&event(&method, Some(&query), Some((&other, &body)), encoded)).unwrap();
        let request = Request::of(sent.to_string().as_bytes());
        prop_assert_eq!(request.query_token.as_deref(), Some(query.as_str()));
        let form = body.split('&').find_map(|field| field.strip_prefix("t="));
        prop_assert_eq!(request.form_token.as_deref(), form);
        let keys: Vec<_> = sent.as_object().unwrap().keys().cloned().collect();
        for key in keys {
            for odd in [json!(null), json!(7), json!([]), json!({}), json!(other)] {
                let before = std::mem::replace(&mut sent[&key], odd);
                let request = Request::of(sent.to_string().as_bytes());
                let of_body = (key == "body").then_some(other.as_str());
                let known = [Some(query.as_str()), form, of_body.and_then(|it| it.strip_prefix("t="))];
                prop_assert!(request.query_token.is_none() || known.contains(&request.query_token.as_deref()));
                prop_assert!(request.form_token.is_none() || encoded || known.contains(&request.form_token.as_deref()));
                sent[&key] = before;
            }
        }
        let _ = Request::of(other.as_bytes());
    }
}

/// A proxy or a mail program may send any header, and is served all the same.
#[test]
fn a_header_nobody_asked_for_refuses_nobody() {
    for odd in ["Grüße aus Köln", "\u{202e}", "a\tb", "\u{1}", "a\nb", ""] {
        let mut event: Value = serde_json::from_str(&event("GET", Some("abc"), None, false)).unwrap();
        event["headers"]["x-via"] = odd.into();
        event["headers"]["x odd"] = "1".into();
        let request = Request::of(event.to_string().as_bytes());
        assert_eq!((request.method, request.query_token.as_deref()), (Method::Get, Some("abc")), "{odd:?}");
        assert_eq!(request.accept_language, "en");
    }
}

async fn run(office: &Office, event: &str) -> (Value, Vec<Measures>) {
    let deadline = office.clock.now() + SignedDuration::from_secs(9);
    let call = Invocation { body: event.as_bytes(), request_id: "3f2a9c10", deadline };
    let done = office.job.run(call, true).await.unwrap();
    (serde_json::from_str(&done.answer).unwrap(), done.measures)
}

#[tokio::test]
async fn a_call_is_answered_as_a_function_url_takes_it_and_counted() {
    let office = Office::open().await;
    let token = office.token(LinkPurpose::Unsubscribe);
    let counts = |asked, unsubscribed, not_me, refused, faults| {
        let counts = Measures::default().count("Asked", asked).count("Unsubscribed", unsubscribed);
        vec![counts.count("NotMe", not_me).count("Refused", refused).count("Faults", faults)]
    };
    let (answer, measures) = run(&office, &event("GET", Some(&token), None, false)).await;
    let response: LambdaFunctionUrlResponse = serde_json::from_value(answer.clone()).unwrap();
    assert_eq!((response.status_code, response.is_base64_encoded), (200, false));
    assert_eq!(answer["headers"]["cache-control"], "no-store");
    assert!(answer["body"].as_str().unwrap().starts_with("<!doctype html>"));
    assert_eq!(measures, counts(1, 0, 0, 0, 0));
    assert_eq!(run(&office, &event("POST", Some(&token), None, false)).await.1, counts(0, 1, 0, 0, 0));
    assert_eq!(run(&office, &event("POST", Some(&token), None, false)).await.1, counts(0, 0, 0, 0, 0));
    let form = format!("t={}", office.token(LinkPurpose::NotMe));
    assert_eq!(run(&office, &event("POST", None, Some(("", &form)), true)).await.1, counts(0, 0, 1, 0, 0));
    assert_eq!(run(&office, "no event at all").await.1, counts(0, 0, 0, 1, 0));
    *office.flaky.broken.lock().unwrap() = vec!["read"];
    let (answer, measures) = run(&office, &event("POST", Some(&token), None, false)).await;
    assert_eq!((&answer["statusCode"], measures), (&json!(500), counts(0, 0, 0, 0, 1)));
}

#[tokio::test]
async fn the_log_says_what_was_done_and_nothing_of_the_user() {
    let office = Office::open().await;
    let log = Log::default();
    let _guard = log.install();
    let token = office.token(LinkPurpose::NotMe);
    run(&office, &event("GET", Some(&token), None, false)).await;
    office.breaks("find", "fails");
    let form = format!("t={token}");
    run(&office, &event("POST", Some(&token), Some(("", &form)), true)).await;
    run(&office, &event("BREW", None, None, false)).await;
    let text = log.text();
    for secret in ["anna", SUB, &token, "203.0.113.7", "BREW", "Mozilla"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    for line in &mut lines {
        line.as_object_mut().unwrap().retain(|key, _| !["timestamp", "duration_ms"].contains(&key.as_str()));
    }
    assert_eq!(
        lines[0],
        json!({
            "level": "INFO", "target": "link", "message": "link", "method": "GET", "purpose": "not-me", "outcome": "asked",
            "status": 200, "pool": POOL, "request_id": "3f2a9c10", "cold_start": true,
        })
    );
    assert_eq!((&lines[1]["level"], &lines[1]["fault_kind"]), (&json!("ERROR"), &json!("service")));
    assert_eq!(lines[1]["fault"], "find failed for … <…>");
    assert_eq!((&lines[2]["outcome"], &lines[2]["status"]), (&json!("failed"), &json!(500)));
    assert_eq!(
        (&lines[3]["method"], &lines[3]["outcome"], lines[3].get("pool")),
        (&json!("other"), &json!("refused"), None)
    );
}

/// Opens it with this configuration and a root key, unless there is to be none.
async fn opened(text: &str, key: Option<&str>) -> Result<Vec<String>, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("triggers.toml");
    std::fs::write(&file, text).unwrap();
    let variables = [("TRIGGERS_CONFIG", file.to_str()), ("TRIGGERS_KEY", key)];
    let environment: Environment = variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let adapters = cognito_triggers_lambda::adapters!(ledger: LEDGER, directory: DIRECTORY);
    let opened = LinksJob::open(&environment, &adapters, Arc::new(StoppedClock::default())).await;
    let name = file.display().to_string();
    let texts = |errors: Vec<ConfigError>| {
        errors.iter().map(|error| error.to_string().replace(&name, "triggers.toml")).collect()
    };
    opened.map(|(_, doubts)| texts(doubts)).map_err(|ConfigErrors(errors)| texts(errors))
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[cfg(feature = "embedded")]
#[tokio::test]
async fn it_says_what_it_cannot_work_with() {
    let folder = tempfile::tempdir().unwrap();
    let services = |directory: &str| {
        format!("[services]\nledger = \"sqlite:{}\"\n{directory}", folder.path().join("pool.db").display())
    };
    let local = format!("directory = \"local:{}\"\n", folder.path().join("pool.db").display());
    let whole = format!(
        "{}[links]\nadministrators = [\"ops@acme.example\"]\nproduct-name = \"Acme\"\n[sign-in-alert]\n",
        services(&local)
    );
    assert_eq!(opened(&whole, Some(KEY)).await, Ok(Vec::new()));
    assert_eq!(opened(&services(&local), Some(KEY)).await, Ok(Vec::new()), "the table may be left out");
    let doubt = "services: without a directory nobody can be signed out: links `this was not me` fail; add `directory = \"cognito\"` \
                 or set TRIGGERS_DIRECTORY";
    assert_eq!(opened(&services(""), Some(KEY)).await, Ok(vec![doubt.to_owned()]));
    let key =
        "TRIGGERS_KEY: links cannot be read without the root key; set it to what the functions that send mails have";
    assert_eq!(opened(&whole, None).await, Err(vec![key.to_owned()]));
    let wrong = format!("{}[links]\nadministrators = [\"ops\"]\n", services(&local));
    let mailbox = "triggers.toml:5: links.administrators[0]: this is not a mailbox: write `hello@acme.example` or `Acme <hello@acme.example>`";
    assert_eq!(opened(&wrong, None).await, Err(vec![mailbox.to_owned(), key.to_owned()]));
    let ledger = "services: this function needs a ledger; add `ledger = \"dynamodb:<table>\"` under [services] or set TRIGGERS_LEDGER";
    assert_eq!(
        opened("[links]\nadmins = []", Some(KEY)).await,
        Err(vec![
            "triggers.toml:2: links.admins: there is no such key; did you mean `administrators`?".to_owned(),
            ledger.to_owned(),
        ])
    );
    let name = format!("[links]\nproduct-name = \"{}\"", "x".repeat(61));
    let complaint = "triggers.toml:2: links.product-name: this is not a name: write at most 60 characters in one line";
    assert_eq!(opened(&name, Some(KEY)).await.unwrap_err()[0], complaint);
}

/// Where these tests let the log be written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn install(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(self.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
