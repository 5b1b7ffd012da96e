//! The function with a ledger in memory, and events of CloudTrail that were made up: what is documented of them, and no more.

use std::io;
use std::sync::Mutex;

use async_trait::async_trait;
use cognito_triggers::ledger::{
    Change, CommitId, Committed, DeliveryId, HeldName, Ledger, LedgerAdmin, MemberChange, MemoryLedger, SessionId,
    Wants,
};
use cognito_triggers::{FaultKind, Keys, StoppedClock};
use cognito_triggers_lambda::Measures;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::*;

const POOL: &str = "eu-central-1_Example01";
const OTHER_POOL: &str = "eu-central-1_Globex";
const ANNA: &str = "0a1b2c3d-0000-4000-8000-00000000a77a";
const BELA: &str = "0a1b2c3d-0000-4000-8000-00000000be1a";
const WEB: &str = "1example23456789";

/// Operations that end every session of a user and leave the user be.
const SIGN_OUTS: [&str; 3] = ["GlobalSignOut", "AdminUserGlobalSignOut", "AdminDisableUser"];
const DELETIONS: [&str; 2] = ["DeleteUser", "AdminDeleteUser"];

struct Office {
    job: SessionRelease,
    ledger: Arc<MemoryLedger>,
    clock: Arc<StoppedClock>,
}

impl Office {
    fn new() -> Self {
        let (ledger, clock) = (Arc::new(MemoryLedger::default()), Arc::new(StoppedClock::default()));
        let services = Services {
            ledger: Arc::clone(&ledger) as Arc<dyn Ledger>,
            keys: Keys::from_root(&[7; 32]),
            ..Services::none(Arc::clone(&clock) as Arc<dyn Clock>)
        };
        Self { job: SessionRelease::new(services), ledger, clock }
    }

    fn with_pools(self, pools: &[&str]) -> Self {
        Self { job: self.job.with_pools(pools.iter().map(ToString::to_string).collect()), ..self }
    }

    /// Changes a member as a rule would.
    async fn change(&self, pool: &str, sub: &str, change: impl Fn(&mut Member)) {
        self.change_with(pool, sub, BTreeMap::new(), change).await;
    }

    async fn change_with(
        &self,
        pool: &str,
        sub: &str,
        names: BTreeMap<NameKey, NameChange>,
        change: impl Fn(&mut Member),
    ) {
        let member = self.member(pool, sub).await.unwrap_or_default();
        let (expected, id, now) = (member.version, CommitId::random().unwrap(), self.clock.now());
        let mut changed = member;
        change(&mut changed);
        let member = Some(changed.sealed(expected, id.clone(), now));
        let change = Change {
            id,
            now,
            pool: pool.into(),
            member: Some(MemberChange { sub: sub.into(), expected, member }),
            names,
            invitations: BTreeMap::new(),
            deliveries: Vec::new(),
        };
        assert_eq!(self.ledger.commit(&change).await.unwrap(), Committed::Done);
    }

    /// A session that has its tokens.
    async fn signs_in(&self, pool: &str, sub: &str) -> SessionId {
        let (now, until) = (self.clock.now(), self.clock.now() + SignedDuration::from_hours(720));
        self.change(pool, sub, |member| {
            member.sessions.reserve(WEB, now, now + SignedDuration::from_mins(5)).unwrap();
            assert!(member.sessions.keep(WEB, now, until).is_some());
        })
        .await;
        let member = self.member(pool, sub).await.unwrap();
        member.sessions.live(now, None).last().unwrap().id.clone()
    }

    async fn holds(&self, pool: &str, sub: &str, name: &str) {
        let keys: Vec<_> = ["fold", "skeleton"].iter().map(|form| format!("{form}:{name}")).collect();
        let hold = || NameChange::Hold { owner: Owner::user(sub), instead_of: Vec::new(), until: None, note: None };
        let names = keys.iter().map(|key| (name_key(pool, key), hold())).collect();
        let held = HeldName { asked: name.into(), held: name.into(), keys };
        self.change_with(pool, sub, names, |member| {
            member.names.insert("nickname".into(), held.clone());
        })
        .await;
    }

    async fn holder(&self, pool: &str, name: &str) -> Option<Owner> {
        let key = name_key(pool, &format!("fold:{name}"));
        let wants = Wants { pool: pool.into(), names: [key.clone()].into(), ..Wants::default() };
        self.ledger.read(&wants).await.unwrap().names.get(&key).map(|holding| holding.owner.clone())
    }

    async fn member(&self, pool: &str, sub: &str) -> Option<Member> {
        let wants = Wants { pool: pool.into(), sub: Some(sub.into()), ..Wants::default() };
        self.ledger.read(&wants).await.unwrap().member
    }

    async fn sessions(&self, sub: &str) -> usize {
        let member = self.member(POOL, sub).await;
        member.map_or(0, |member| member.sessions.live(self.clock.now(), None).count())
    }

    async fn gets(&self, event: &Value) -> Finished {
        self.job.carry_out(event.to_string().as_bytes()).await.unwrap()
    }

    async fn refuses(&self, event: &str) -> String {
        let fault = self.job.carry_out(event.as_bytes()).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Malformed);
        fault.causes()
    }

    /// A record of an operation on Anna that ended now.
    fn record(&self, name: &str) -> Value {
        record(name, ANNA, self.clock.now())
    }

    fn pass(&self, seconds: i64) {
        self.clock.pass(SignedDuration::from_secs(seconds));
    }
}

fn name_key(pool: &str, key: &str) -> NameKey {
    NameKey { pool: pool.into(), namespace: "nickname".into(), key: key.into() }
}

/// "`additionalEventData.sub` as user" (developer guide); "Amazon Cognito obscures some private fields with the value
/// `HIDDEN_DUE_TO_SECURITY_REASONS`".
fn record(name: &str, sub: &str, at: Timestamp) -> Value {
    let time = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let by_token = !name.starts_with("Admin");
    let request = if by_token {
        json!({ "accessToken": "HIDDEN_DUE_TO_SECURITY_REASONS" })
    } else {
        json!({ "userPoolId": POOL, "username": "HIDDEN_DUE_TO_SECURITY_REASONS" })
    };
    let mut more = json!({ "sub": sub });
    if by_token {
        more["userPoolId"] = json!(POOL);
    }
    json!({
        "version": "0",
        "id": "00000000-0000-4000-8000-0000000e7e27",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.cognito-idp",
        "account": "123456789012",
        "time": time,
        "region": "eu-central-1",
        "resources": [],
        "detail": {
            "eventVersion": "1.08",
            "userIdentity": { "type": "Unknown", "principalId": "Anonymous" },
            "eventTime": time,
            "eventSource": "cognito-idp.amazonaws.com",
            "eventName": name,
            "awsRegion": "eu-central-1",
            "requestParameters": request,
            "responseElements": null,
            "additionalEventData": more,
            "eventID": "5e551042-0000-4000-8000-00000000000e",
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "eventCategory": "Management",
        },
    })
}

fn with(mut record: Value, place: &str, value: Value) -> Value {
    let (parent, key) = place.rsplit_once('/').unwrap();
    record.pointer_mut(parent).unwrap()[key] = value;
    record
}

fn without(mut record: Value, place: &str) -> Value {
    let (parent, key) = place.rsplit_once('/').unwrap();
    record.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
    record
}

fn release(pool: &str, sub: &str, session: &str) -> Value {
    json!({ "release": { "pool": pool, "sub": sub, "session": session } })
}

fn answer(finished: &Finished) -> Value {
    serde_json::from_str(&finished.answer().unwrap()).unwrap()
}

fn tally(sessions: usize, names: usize, members: usize, passwords: usize) -> Outcome {
    Outcome::Done(Tally { sessions, names, members, passwords })
}

#[tokio::test]
async fn a_sign_out_ends_what_was_kept_before_and_nothing_that_came_later() {
    for name in SIGN_OUTS {
        let office = Office::new();
        office.signs_in(POOL, ANNA).await;
        office.signs_in(POOL, ANNA).await;
        office.signs_in(POOL, BELA).await;
        office.pass(60);
        let record = office.record(name);
        office.pass(60);
        office.signs_in(POOL, ANNA).await;
        // CloudTrail "typically delivers logs within an average of about 5 minutes".
        office.pass(300);
        assert_eq!(office.gets(&record).await.outcome, tally(2, 0, 0, 0), "{name}");
        assert_eq!((office.sessions(ANNA).await, office.sessions(BELA).await), (1, 1), "{name}");

        // EventBridge may deliver twice, and late.
        office.pass(3600);
        let again = office.gets(&record).await;
        assert_eq!((again.outcome, again.outcome.as_str()), (tally(0, 0, 0, 0), "nothing"), "{name}");
        assert_eq!(office.sessions(ANNA).await, 1, "{name}");
    }
}

#[tokio::test]
async fn what_is_only_reserved_stays() {
    let office = Office::new();
    let now = office.clock.now();
    let until = now + SignedDuration::from_mins(5);
    office.change(POOL, ANNA, |member| drop(member.sessions.reserve(WEB, now, until).unwrap())).await;
    office.pass(60);
    assert_eq!(office.gets(&office.record("AdminUserGlobalSignOut")).await.outcome, tally(0, 0, 0, 0));
    assert_eq!(office.sessions(ANNA).await, 1);
}

/// `eventTime` has no fractions: a session that was kept in the same second may be older than the sign-out, or younger.
#[tokio::test]
async fn within_one_second_a_place_too_many_is_counted_rather_than_one_too_few() {
    let office = Office::new();
    office.clock.pass(SignedDuration::from_millis(200));
    office.signs_in(POOL, ANNA).await;
    office.clock.pass(SignedDuration::from_millis(500));
    let record = office.record("GlobalSignOut");
    office.clock.pass(SignedDuration::from_millis(100));
    let later = office.signs_in(POOL, ANNA).await;
    office.gets(&record).await;
    let member = office.member(POOL, ANNA).await.unwrap();
    assert!(member.sessions.live(office.clock.now(), None).any(|session| session.id == later));
}

#[tokio::test]
async fn a_clock_that_is_ahead_ends_nothing_that_is_yet_to_come() {
    let office = Office::new();
    let ahead = record("GlobalSignOut", ANNA, office.clock.now() + SignedDuration::from_hours(1));
    office.gets(&ahead).await;
    office.signs_in(POOL, ANNA).await;
    office.gets(&ahead).await;
    assert_eq!(office.sessions(ANNA).await, 1);
    let password = record("ChangePassword", ANNA, office.clock.now() + SignedDuration::from_hours(1));
    office.gets(&password).await;
    assert_eq!(office.member(POOL, ANNA).await.unwrap().password.chosen, Some(office.clock.now()));
}

#[tokio::test]
async fn a_deletion_frees_the_names_and_forgets_the_member() {
    for name in DELETIONS {
        let office = Office::new();
        office.signs_in(POOL, ANNA).await;
        office.holds(POOL, ANNA, "dragonfly").await;
        office.holds(POOL, BELA, "grasshopper").await;
        office.pass(60);
        let deletion = office.record(name);
        assert_eq!(office.gets(&deletion).await.outcome, tally(1, 1, 1, 0), "{name}");
        assert_eq!((office.member(POOL, ANNA).await, office.holder(POOL, "dragonfly").await), (None, None), "{name}");
        assert_eq!(office.holder(POOL, "grasshopper").await, Some(Owner::user(BELA)), "{name}");

        // The name is Bela's now. The same record once more takes it from nobody.
        office.holds(POOL, BELA, "dragonfly").await;
        assert_eq!(office.gets(&deletion).await.outcome, tally(0, 0, 0, 0), "{name}");
        assert_eq!(office.holder(POOL, "dragonfly").await, Some(Owner::user(BELA)), "{name}");
        assert_eq!(office.gets(&office.record("AdminUserGlobalSignOut")).await.outcome, tally(0, 0, 0, 0));
        assert!(office.member(POOL, ANNA).await.is_none(), "a sign-out makes nobody a member");
    }
}

#[tokio::test]
async fn a_name_somebody_else_holds_by_now_is_not_freed() {
    let office = Office::new();
    office.holds(POOL, ANNA, "dragonfly").await;
    // An operator gave it to Bela by hand.
    let key = name_key(POOL, "fold:dragonfly");
    let own = Owner::user(ANNA);
    let hold = NameChange::Hold { owner: Owner::user(BELA), instead_of: vec![own], until: None, note: None };
    office.change_with(POOL, BELA, [(key, hold)].into(), |_| ()).await;
    assert_eq!(office.gets(&office.record("AdminDeleteUser")).await.outcome, tally(0, 1, 1, 0));
    assert_eq!(office.holder(POOL, "dragonfly").await, Some(Owner::user(BELA)));
}

#[tokio::test]
async fn a_new_password_sets_the_clock_and_an_old_record_never_sets_it_back() {
    for name in ["ChangePassword", "ConfirmForgotPassword"] {
        let office = Office::new();
        let earlier = office.record(name);
        office.pass(600);
        let later = office.record(name);
        office.change(POOL, ANNA, |member| member.password.warning = Some(Timestamp::UNIX_EPOCH)).await;
        assert_eq!(office.gets(&later).await.outcome, tally(0, 0, 0, 1), "{name}");
        assert_eq!(office.gets(&earlier).await.outcome, tally(0, 0, 0, 0), "{name}");
        assert_eq!(office.gets(&later).await.outcome, tally(0, 0, 0, 0), "{name}");
        let password = office.member(POOL, ANNA).await.unwrap().password;
        assert_eq!((password.chosen, password.warning), (Some(office.clock.now()), None), "{name}");
    }
}

#[tokio::test]
async fn a_password_an_administrator_sets_counts_if_it_is_permanent() {
    let set = |office: &Office, permanent: Value| {
        with(office.record("AdminSetUserPassword"), "/detail/requestParameters/permanent", permanent)
    };
    for permanent in [json!(true), json!("true"), json!("HIDDEN_DUE_TO_SECURITY_REASONS")] {
        let office = Office::new();
        assert_eq!(office.gets(&set(&office, permanent)).await.outcome, tally(0, 0, 0, 1));
        assert!(office.member(POOL, ANNA).await.unwrap().password.chosen.is_some());
    }
    let office = Office::new();
    for record in [
        set(&office, json!(false)),
        set(&office, json!("false")),
        set(&office, json!(null)),
        office.record("AdminSetUserPassword"),
    ] {
        assert_eq!(office.gets(&record).await.outcome, Outcome::Ignored("the password is a temporary one"));
    }
    assert!(office.member(POOL, ANNA).await.is_none());
}

#[tokio::test]
async fn what_did_not_happen_or_is_of_no_concern_changes_nothing() {
    let office = Office::new();
    office.signs_in(POOL, ANNA).await;
    office.pass(60);
    let sign_out = || office.record("GlobalSignOut");
    let no_concern = Outcome::Ignored("it is of no concern");
    let unknown_session = Outcome::Ignored("it does not tell which session was ended");
    let failed = Outcome::Ignored("it did not succeed");
    let not_ours = Outcome::Ignored("it is not of Cognito's user pools");
    for (record, expected) in [
        (with(sign_out(), "/detail/errorCode", json!("NotAuthorizedException")), failed),
        (with(office.record("AdminDeleteUser"), "/detail/errorMessage", json!("User does not exist.")), failed),
        (office.record("RevokeToken"), unknown_session),
        (office.record("AdminRevokeUserSession"), unknown_session),
        (office.record("AdminResetUserPassword"), Outcome::Ignored("no password was chosen")),
        (office.record("InitiateAuth"), no_concern),
        (with(sign_out(), "/detail-type", json!("AWS Service Event via CloudTrail")), tally(1, 0, 0, 0)),
        (with(sign_out(), "/detail-type", json!("Scheduled Event")), Outcome::Ignored("it is not of CloudTrail")),
        (with(sign_out(), "/detail/eventName", json!("Logout")), no_concern),
        // IAM has operations of the same name.
        (with(office.record("DeleteUser"), "/detail/eventSource", json!("iam.amazonaws.com")), not_ours),
        (with(office.record("ChangePassword"), "/detail/eventSource", json!("iam.amazonaws.com")), not_ours),
        (without(sign_out(), "/detail/eventSource"), not_ours),
    ] {
        assert_eq!(office.gets(&record).await.outcome, expected, "{record}");
    }
    assert!(office.member(POOL, ANNA).await.unwrap().password.is_empty());
}

/// "errorCode": "" stands in the documented example of a success.
#[tokio::test]
async fn an_error_that_is_empty_is_none() {
    let office = Office::new();
    office.signs_in(POOL, ANNA).await;
    office.pass(60);
    let mut record = office.record("GlobalSignOut");
    for place in ["/detail/errorCode", "/detail/errorMessage"] {
        record = with(record, place, json!(""));
    }
    assert_eq!(office.gets(&with(record, "/detail/errorCode", json!(null))).await.outcome, tally(1, 0, 0, 0));
}

#[tokio::test]
async fn the_pool_is_read_wherever_it_may_stand() {
    let bare = |office: &Office| without(office.record("GlobalSignOut"), "/detail/additionalEventData/userPoolId");
    let arn = format!("arn:aws:cognito-idp:eu-central-1:123456789012:userpool/{POOL}");
    for (place, value) in [
        ("/detail/requestParameters/userPoolId", json!(POOL)),
        ("/detail/additionalEventData/userPoolId", json!(POOL)),
        ("/detail/resources", json!([{ "accountId": "123456789012" }, { "ARN": arn }])),
        ("/detail/resources", json!([{ "arn": arn, "type": "AWS::Cognito::UserPool" }])),
    ] {
        let office = Office::new();
        office.signs_in(POOL, ANNA).await;
        office.pass(60);
        assert_eq!(office.gets(&with(bare(&office), place, value)).await.outcome, tally(1, 0, 0, 0), "{place}");
    }
    let office = Office::new();
    let wrong = with(bare(&office), "/detail/requestParameters", json!({ "userPoolId": "not a pool" }));
    assert!(matches!(office.gets(&wrong).await.outcome, Outcome::Unclear(why) if why.contains("TRIGGERS_POOLS")));
}

#[tokio::test]
async fn a_record_without_a_pool_is_about_one_of_those_that_are_named() {
    let office = Office::new().with_pools(&[OTHER_POOL, POOL]);
    let bare = |name: &str| without(office.record(name), "/detail/additionalEventData/userPoolId");
    office.signs_in(POOL, ANNA).await;
    office.signs_in(OTHER_POOL, BELA).await;
    office.pass(60);
    let finished = office.gets(&bare("GlobalSignOut")).await;
    assert_eq!((finished.outcome, finished.pool.as_deref()), (tally(1, 0, 0, 0), Some(POOL)));
    assert_eq!(office.gets(&bare("ChangePassword")).await.outcome, tally(0, 0, 0, 1));
    assert!(office.member(OTHER_POOL, ANNA).await.is_none(), "nobody is made a member of the wrong pool");

    // Of a user no pool knows it is not known whose password it is.
    let unknown = with(bare("ChangePassword"), "/detail/additionalEventData/sub", json!("5e"));
    assert_eq!(office.gets(&unknown).await.outcome, tally(0, 0, 0, 0));
    // Where there is only one, it is.
    let alone = Office::new().with_pools(&[POOL]);
    assert_eq!(alone.gets(&unknown).await.outcome, tally(0, 0, 0, 1));
    // A pool that is named goes before those.
    assert_eq!(office.gets(&office.record("AdminDeleteUser")).await.pool.as_deref(), Some(POOL));
}

#[tokio::test]
async fn a_record_that_does_not_say_of_whom_or_when_is_told_and_is_no_error() {
    let office = Office::new();
    let deletion = || office.record("AdminDeleteUser");
    let nobody = Outcome::Unclear("it names no user: its `sub` is missing");
    let named =
        with(without(deletion(), "/detail/additionalEventData/sub"), "/detail/requestParameters/username", json!(ANNA));
    for (record, expected) in [
        // A user name is no `sub`, even if it looks like one: everybody may choose one that does.
        (named, nobody),
        (with(deletion(), "/detail/additionalEventData", json!(null)), nobody),
        (with(deletion(), "/detail/additionalEventData/sub", json!("HIDDEN_DUE_TO_SECURITY_REASONS")), nobody),
        (with(deletion(), "/detail/additionalEventData/sub", json!(7)), nobody),
        (with(deletion(), "/detail/additionalEventData/sub", json!("a b")), nobody),
        (with(deletion(), "/detail/eventTime", json!("yesterday")), Outcome::Unclear("it bears no time")),
    ] {
        assert_eq!(office.gets(&record).await.outcome, expected, "{record}");
    }
    // The envelope bears the same time.
    office.signs_in(POOL, ANNA).await;
    office.pass(60);
    assert_eq!(office.gets(&without(deletion(), "/detail/eventTime")).await.outcome, tally(1, 0, 1, 0));
}

#[tokio::test]
async fn a_backend_gives_a_session_back_once() {
    let office = Office::new();
    let (first, second) = (office.signs_in(POOL, ANNA).await, office.signs_in(POOL, ANNA).await);
    let wish = release(POOL, ANNA, first.as_str());
    assert_eq!(answer(&office.gets(&wish).await), json!({ "released": true }));
    assert_eq!(answer(&office.gets(&wish).await), json!({ "released": false }));
    let left = office.member(POOL, ANNA).await.unwrap();
    let left: Vec<_> = left.sessions.live(office.clock.now(), None).map(|session| session.id.clone()).collect();
    assert_eq!(left, std::slice::from_ref(&second));
    // Of somebody else, and of a user nobody knows.
    for sub in [BELA, "5e"] {
        assert_eq!(answer(&office.gets(&release(POOL, sub, second.as_str())).await), json!({ "released": false }));
    }
    assert_eq!(office.sessions(ANNA).await, 1);
    assert!(office.member(POOL, "5e").await.is_none());
}

#[tokio::test]
async fn what_is_no_event_of_this_function_is_an_error_that_says_so() {
    let office = Office::new();
    let id = "A".repeat(26);
    let of = |pool: &str, sub: &str, session: &str| release(pool, sub, session).to_string();
    for (event, told) in [
        ("{".to_owned(), "the event is not JSON"),
        ("{}".to_owned(), "neither an event of EventBridge nor"),
        ("[]".to_owned(), "neither an event of EventBridge nor"),
        (json!({ "detail-type": "AWS API Call via CloudTrail" }).to_string(), "neither an event of EventBridge nor"),
        (json!({ "release": null }).to_string(), "an object of three texts"),
        (json!({ "release": { "pool": POOL, "sub": ANNA } }).to_string(), "an object of three texts"),
        (
            json!({ "release": { "pool": POOL, "sub": ANNA, "session": id, "x": 1 } }).to_string(),
            "an object of three texts",
        ),
        (of("pool", ANNA, &id), "`release.pool` is not"),
        (of("eu#1_x", ANNA, &id), "`release.pool` is not"),
        (of(POOL, "", &id), "`release.sub` is not"),
        (of(POOL, "anna eve", &id), "`release.sub` is not"),
        (of(POOL, ANNA, "short"), "`release.session` is not"),
        (of(POOL, ANNA, &"a".repeat(26)), "`release.session` is not"),
    ] {
        let text = office.refuses(&event).await;
        assert!(text.contains(told), "{event}: {text}");
    }
}

/// A ledger nobody can reach.
struct Gone;

#[async_trait]
impl Ledger for Gone {
    async fn read(&self, _: &Wants) -> Result<Reading, Fault> {
        Err(Fault::new("the table is gone"))
    }

    async fn commit(&self, _: &Change) -> Result<Committed, Fault> {
        Err(Fault::new("the table is gone"))
    }

    async fn acknowledge(&self, _: &[DeliveryId]) -> Result<(), Fault> {
        Err(Fault::new("the table is gone"))
    }
}

#[tokio::test]
async fn a_ledger_that_cannot_be_reached_is_an_error_so_that_the_event_comes_again() {
    let clock = Arc::new(StoppedClock::default());
    let services = Services { ledger: Arc::new(Gone), ..Services::none(Arc::clone(&clock) as Arc<dyn Clock>) };
    let job = SessionRelease::new(services);
    let wish = release(POOL, ANNA, &"A".repeat(26));
    for event in [record("GlobalSignOut", ANNA, clock.now()), record("AdminDeleteUser", ANNA, clock.now()), wish] {
        assert_eq!(job.carry_out(event.to_string().as_bytes()).await.unwrap_err().causes(), "the table is gone");
    }
    // What asks for nothing does not need it.
    assert!(job.carry_out(record("RevokeToken", ANNA, clock.now()).to_string().as_bytes()).await.is_ok());
}

#[tokio::test]
async fn sign_ins_and_records_at_the_same_time_lose_nothing() {
    let office = Arc::new(Office::new());
    for _ in 0..8 {
        office.signs_in(POOL, ANNA).await;
    }
    office.pass(60);
    let records = (0..4).map(|_| office.record("GlobalSignOut"));
    let ended = futures_of(&office, records.collect()).await;
    assert_eq!((ended, office.sessions(ANNA).await), (8, 0), "each session is ended once");
}

/// How many sessions the records ended together, each handled on a thread of its own.
async fn futures_of(office: &Arc<Office>, records: Vec<Value>) -> usize {
    std::thread::scope(|scope| {
        let handled: Vec<_> = records
            .iter()
            .map(|record| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(office.gets(record)).outcome.tally().sessions
                })
            })
            .collect();
        handled.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[tokio::test]
async fn an_event_is_one_line_and_says_nothing_of_the_user() {
    let office = Office::new();
    office.signs_in(POOL, ANNA).await;
    office.pass(60);
    let log = Log::default();
    let _guard = log.install();
    let call = |body: String| {
        let office = &office;
        async move {
            let deadline = office.clock.now() + SignedDuration::from_secs(60);
            let call = Invocation { body: body.as_bytes(), request_id: "3f2a9c10", deadline };
            office.job.run(call, true).await.unwrap()
        }
    };
    let done = call(office.record("GlobalSignOut").to_string()).await;
    let user = Keys::from_root(&[7; 32]).log_name(POOL, ANNA);
    assert!(user.is_some());
    let mut lines = log.lines();
    for volatile in ["timestamp", "duration_ms"] {
        lines[0].as_object_mut().unwrap().remove(volatile);
    }
    assert_eq!(
        lines,
        [json!({
            "level": "INFO", "target": "release", "message": "release", "trigger": "trail", "event": "GlobalSignOut",
            "event_id": "5e551042-0000-4000-8000-00000000000e", "pool": POOL, "user": user, "outcome": "done", "sessions": 1,
            "names": 0, "members": 0, "passwords": 0, "request_id": "3f2a9c10", "cold_start": true,
        })]
    );
    let all = |ended, unclear| {
        let all = Measures::default().count("SessionsEnded", ended).count("NamesFreed", 0).count("MembersForgotten", 0);
        vec![all.count("PasswordsNoted", 0).count("Unclear", unclear)]
    };
    assert_eq!(done.measures, all(1, 0));
    let expected = json!({
        "event": "GlobalSignOut", "outcome": "done", "why": null,
        "changed": { "sessions": 1, "names": 0, "members": 0, "passwords": 0 },
    });
    assert_eq!(serde_json::from_str::<Value>(&done.answer).unwrap(), expected);

    let odd = with(office.record("GlobalSignOut"), "/detail/eventName", json!(format!("anna@example.com {ANNA}")));
    call(odd.to_string()).await;
    let nobody = with(office.record("DeleteUser"), "/detail/additionalEventData/sub", json!(null));
    let nobody = with(nobody, "/detail/requestParameters/username", json!("anna"));
    assert_eq!(call(nobody.to_string()).await.measures, all(0, 1));
    let lines = log.lines();
    assert_eq!((&lines[2]["level"], &lines[2]["outcome"]), (&json!("WARN"), &json!("unclear")));
    call(release(POOL, ANNA, &"A".repeat(26)).to_string()).await;
    assert_eq!(log.lines()[3]["trigger"], "backend");
    assert!(!log.text().contains("anna") && !log.text().contains(ANNA), "{}", log.text());
}

async fn opened(text: &str, variables: &[(&str, &str)]) -> Result<SessionRelease, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("triggers.toml");
    std::fs::write(&file, text).unwrap();
    let own = ("TRIGGERS_CONFIG", file.to_str().unwrap());
    let environment: Environment = variables.iter().copied().chain([own]).collect();
    let opened = SessionRelease::open(&environment, &Adapters::none(), Arc::new(StoppedClock::default())).await;
    opened.map(|(job, _)| job).map_err(|ConfigErrors(errors)| errors.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn what_is_missing_or_wrong_in_the_settings_is_told() {
    let told = async |text: &str, variables: &[(&str, &str)]| opened(text, variables).await.err().unwrap();
    assert_eq!(
        told("[session-limit]\nmax = 3\n", &[]).await,
        "services: this function needs a ledger; add `ledger = \"dynamodb:<table>\"` under [services] or set TRIGGERS_LEDGER"
    );
    let wrong = told("[services]\nledger = \"sqlite:a\"", &[("TRIGGERS_POOLS", "eu-central-1_A, globex")]).await;
    assert_eq!(
        wrong,
        "TRIGGERS_POOLS: `globex` is not the id of a user pool; write ids such as `eu-central-1_AbCdEfGhI` with commas between them"
    );
    let environment: Environment = [("TRIGGERS_POOLS", " eu-central-1_A,,us-east-1_B ")].into_iter().collect();
    assert_eq!(pools(&environment).unwrap(), ["eu-central-1_A", "us-east-1_B"]);
    assert!(pools(&Environment::default()).unwrap().is_empty());
}

#[tokio::test]
async fn members_of_a_pool_that_is_not_named_stay_as_they_are() {
    let office = Office::new();
    office.signs_in(POOL, ANNA).await;
    office.signs_in(OTHER_POOL, ANNA).await;
    office.pass(60);
    office.gets(&office.record("AdminDeleteUser")).await;
    let left = office.ledger.members(OTHER_POOL, None).await.unwrap().members;
    assert_eq!((left.len(), office.ledger.members(POOL, None).await.unwrap().members.len()), (1, 0));
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

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
