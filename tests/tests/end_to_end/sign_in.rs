//! What a sign-in costs with every rule of the house on, and what is left behind when it is refused: the real binary of `pool`,
//! looked at through its decision line and its file.

use std::fs;
use std::path::Path;

use cognito_triggers::UserStatus;
use cognito_triggers::ledger::{Ledger, Member, Wants};
use cognito_triggers_embedded::{LocalDirectory, NewUser, SqliteLedger};
use cognito_triggers_tests::Outcome;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kit::{House, POOL, Watched, event, set, signed_in};
use crate::ledger::{block_on, dump};

/// Every rule there is. What is early is switched on, although it is off by default.
const EVERY_RULE: &str = r#"
[maintenance]
exempt-groups = ["operators"]

[domain-allow-list]
allow = ["example.com"]
at-sign-in = true

[access-code]
codes = ["open-house-2026"]

[unique-nickname]

[password-age]
max-days = 90
early = true

[session-limit]
max = 2
max-by-group = { gold = 5 }
early = true
claim = "session_id"

[s3-provisioning]
files = "provision/"

[welcome-email]

[admin-notice]
to = "ops@acme.example"

[user-events]

[sign-in-count]

[sign-in-alert]
when = "always"

[win-back]
after-days = 60
"#;

const SUB: &str = "11111111-2222-4333-8444-555555555555";

struct Scene {
    house: House,
    pool: Watched,
}

impl Scene {
    fn new(tables: &str) -> Self {
        let house = House::new();
        let folder = house.path().to_owned();
        fs::create_dir_all(folder.join("provision")).unwrap();
        fs::write(folder.join("provision/hello.txt"), "Hello").unwrap();
        let directory = LocalDirectory::open(&house.file()).unwrap();
        let anna = NewUser {
            user_name: SUB.into(),
            attributes: [("email", "anna@example.com"), ("email_verified", "true")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            status: UserStatus::Confirmed,
            created: Timestamp::UNIX_EPOCH,
        };
        block_on(directory.create(POOL, anna)).unwrap().unwrap();
        let pool = house.bare_function("pool", &format!("{}{tables}", services(&folder)), &[]);
        Self { house, pool }
    }

    /// The decision about an event that is let in or refused as said.
    #[track_caller]
    fn decides(&self, event: &Value, refused: Option<&str>) -> Value {
        let outcome = self.pool.invoke(event).outcome;
        match (&outcome, refused) {
            (Outcome::Answer(_), None) => {}
            (Outcome::Error { error_message, .. }, Some(text)) => assert_eq!(error_message, text),
            _ => panic!("{outcome:?}\n{}", self.pool.said()),
        }
        let decision = self.pool.lines().into_iter().rfind(|line| line["message"] == "decision").unwrap();
        assert_eq!(decision["fault"], Value::Null, "{decision}");
        decision
    }

    fn member(&self) -> Option<Member> {
        let ledger = SqliteLedger::open(&self.house.file()).unwrap();
        let wants = Wants { pool: POOL.into(), sub: Some(SUB.into()), ..Wants::default() };
        block_on(ledger.read(&wants)).unwrap().member
    }

    fn everything(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        dump(&self.house.file(), &["members", "names", "deliveries", "invitations", "switches", "users"])
    }
}

fn services(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"[services]
ledger    = "sqlite:{folder}/pool.db"
directory = "local:{folder}/pool.db"
mailer    = "folder:{folder}/mail?from=Acme <hello@acme.example>"
bucket    = "folder:{folder}/files"
publisher = "file:{folder}/events.jsonl"
links     = "https://links.acme.example/"
"#
    )
}

/// Before the password.
fn arrives(who: &str, sub: Option<&str>) -> Value {
    let mut event = event("PreAuthentication_Authentication", &[("/userName", who)]);
    match sub {
        Some(sub) => {
            for (name, value) in [("sub", sub), ("email", "anna@example.com"), ("cognito:user_status", "CONFIRMED")] {
                set(&mut event, name, json!(value));
            }
        }
        None => {
            set(&mut event, "/request/userAttributes", json!({}));
            set(&mut event, "/request/userNotFound", json!(true));
        }
    }
    event
}

/// After it.
fn proves() -> Value {
    let mut event = signed_in(SUB, "Anni", SUB);
    for (name, value) in
        [("email", "anna@example.com"), ("email_verified", "true"), ("cognito:user_status", "CONFIRMED")]
    {
        set(&mut event, name, json!(value));
    }
    event
}

fn tokens(source: &str, groups: &[&str]) -> Value {
    let values = [("/userName", SUB), ("sub", SUB), ("email", "anna@example.com")];
    let mut event = event("TokenGeneration_Authentication.v2", &values);
    set(&mut event, "/triggerSource", json!(source));
    set(&mut event, "/request/groupConfiguration/groupsToOverride", json!(groups));
    event
}

fn calls(decision: &Value) -> (u64, u64) {
    let count = |name: &str| decision[name].as_u64().unwrap_or_else(|| panic!("{decision}"));
    (count("ledger_reads"), count("ledger_writes"))
}

const FULL: &str = "You are signed in on too many devices. Please sign out on one of them first";

#[test]
fn with_every_rule_on_a_sign_in_reads_once_before_the_password_and_reads_and_writes_once_after_it() {
    let scene = Scene::new(EVERY_RULE);
    for visit in 0..2 {
        let before = scene.everything();
        let early = scene.decides(&arrives(SUB, Some(SUB)), None);
        assert_eq!(calls(&early), (1, 0), "{early}");
        assert_eq!(scene.everything(), before, "PreAuthentication wrote something");
        let late = scene.decides(&proves(), None);
        assert_eq!(calls(&late), (1, 1), "{late}");
        let made = scene.decides(&tokens("TokenGeneration_Authentication", &["silver"]), None);
        assert_eq!(calls(&made), (1, 1), "visit {visit}: {made}");
    }
    let refreshed = scene.decides(&tokens("TokenGeneration_RefreshTokens", &["silver"]), None);
    assert!(calls(&refreshed) <= (1, 0), "{refreshed}");
    let member = scene.member().unwrap();
    assert_eq!((member.sign_ins.count, member.groups), (2, vec!["silver".to_owned()]));
    assert_eq!(member.sessions.live(crate::ledger::now(), None).count(), 2);
}

#[test]
fn a_sign_in_that_is_refused_leaves_no_trace() {
    let scene = Scene::new(EVERY_RULE);
    for _ in 0..2 {
        scene.decides(&proves(), None);
        scene.decides(&tokens("TokenGeneration_Authentication", &[]), None);
    }
    let before = scene.everything();
    let late = scene.decides(&proves(), Some(FULL));
    assert_eq!((late["outcome"].as_str(), calls(&late)), (Some("denied"), (1, 0)), "{late}");
    let early = scene.decides(&arrives(SUB, Some(SUB)), Some(FULL));
    assert_eq!(calls(&early), (1, 0), "{early}");
    assert_eq!(scene.everything(), before);
}

/// "PreAuthentication: not fired for unknown user unless PreventUserExistenceErrors=ENABLED (then userNotFound)".
#[test]
fn somebody_who_does_not_exist_is_treated_like_somebody_who_does() {
    let scene = Scene::new(EVERY_RULE);
    let before = scene.everything();
    let known = scene.decides(&arrives(SUB, Some(SUB)), None);
    let unknown = scene.decides(&arrives("nobody", None), None);
    assert_eq!(scene.everything(), before);
    let look = |decision: &Value| {
        let rules = decision["rules"].as_str().unwrap().to_owned();
        // The rules asked, without how long each took.
        let asked: Vec<_> = rules.split(", ").filter_map(|rule| Some(rule.rsplit_once(' ')?.0.to_owned())).collect();
        (asked, decision["outcome"].clone(), calls(decision))
    };
    assert_eq!(look(&known), look(&unknown));
}
