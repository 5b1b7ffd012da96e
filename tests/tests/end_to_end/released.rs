//! What Cognito has no trigger for reaches the ledger all the same: the real binary of `session-release`, with the events of
//! EventBridge and the calls of a backend.

use std::time::Duration;

use cognito_triggers::ledger::{Amendment, Ledger, Member, Wants, amend};
use cognito_triggers_embedded::SqliteLedger;
use cognito_triggers_tests::Outcome;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::kit::{House, POOL, Watched, confirmed, sign_up};
use crate::ledger::block_on;

const BERTA: &str = "0b1b2c3d-0000-4000-8000-0000000be27a";

/// "`additionalEventData.sub` as user" (developer guide, "Amazon Cognito logging in AWS CloudTrail").
pub(crate) fn record(operation: &str, sub: &str) -> Value {
    let time = crate::ledger::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let hidden = "HIDDEN_DUE_TO_SECURITY_REASONS";
    json!({
        "version": "0", "source": "aws.cognito-idp", "detail-type": "AWS API Call via CloudTrail", "time": time,
        "detail": {
            "eventSource": "cognito-idp.amazonaws.com", "eventName": operation, "eventTime": time,
            "requestParameters": { "userPoolId": POOL, "username": hidden },
            "additionalEventData": { "sub": sub },
            "eventID": "5e551042-0000-4000-8000-00000000000e", "eventType": "AwsApiCall",
        },
    })
}

fn member(ledger: &SqliteLedger, sub: &str) -> Option<Member> {
    let wants = Wants { pool: POOL.into(), sub: Some(sub.into()), ..Wants::default() };
    block_on(ledger.read(&wants)).unwrap().member
}

fn sweep(function: &Watched, event: &Value) -> Value {
    function.keeps_to_itself(BERTA);
    function.invoke_with(event.to_string(), Duration::from_secs(60)).json()
}

#[test]
fn a_deleted_users_name_is_free_and_the_member_is_forgotten() {
    let house = House::new();
    let nicknames = house.function("unique-nickname", "[unique-nickname]\n");
    nicknames.lets_pass(&sign_up("berta", "Dragonfly"));
    nicknames.lets_pass(&confirmed("berta", "Dragonfly", BERTA));
    nicknames.refusal(&sign_up("caesar", "Dragonfly"));

    let release = house.function("session-release", "");
    let failed = json!("UserNotFoundException");
    let mut refused = record("AdminDeleteUser", BERTA);
    refused["detail"]["errorCode"] = failed;
    assert_eq!(sweep(&release, &refused)["outcome"], "ignored");
    nicknames.refusal(&sign_up("caesar", "Dragonfly"));

    let changed = json!({ "sessions": 0, "names": 1, "members": 1, "passwords": 0 });
    let deletion = record("AdminDeleteUser", BERTA);
    assert_eq!(sweep(&release, &deletion)["changed"], changed);
    assert_eq!(sweep(&release, &deletion)["outcome"], "nothing", "a record may come twice");
    assert!(member(&SqliteLedger::open(&house.file()).unwrap(), BERTA).is_none());
    nicknames.lets_pass(&sign_up("caesar", "Dragonfly"));
}

#[test]
fn sessions_end_by_a_record_and_by_the_backend() {
    let house = House::new();
    let ledger = SqliteLedger::open(&house.file()).unwrap();
    let now = crate::ledger::now();
    let mut berta = Member::default();
    for hours in [3, 2] {
        let since = now - SignedDuration::from_hours(hours);
        berta.sessions.begin("app", since, now + SignedDuration::from_hours(24)).unwrap();
    }
    let ask = |_: &_| Some(Amendment { member: Some(berta.clone()), ..Amendment::default() });
    assert!(block_on(amend(&ledger, POOL, BERTA, now, ask)).unwrap());
    let ids: Vec<_> = berta.sessions.live(now, None).map(|session| session.id.to_string()).collect();
    let live = || member(&ledger, BERTA).unwrap().sessions.live(crate::ledger::now(), None).count();

    let release = house.function("session-release", "");
    let wish = json!({ "release": { "pool": POOL, "sub": BERTA, "session": ids[0] } });
    for released in [true, false] {
        assert_eq!(sweep(&release, &wish), json!({ "released": released }));
        assert_eq!(live(), 1);
    }
    let short = json!({ "release": { "pool": POOL, "sub": BERTA } });
    let Outcome::Error { error_type, error_message, .. } = release.invoke(&short).outcome else { panic!("taken") };
    let said = "the event is not one this function takes; the log says why";
    assert_eq!((error_type.as_str(), error_message.as_str()), ("malformed", said));
    assert!(release.said().contains("`release` is an object of three texts"), "{}", release.said());

    assert_eq!(sweep(&release, &record("AdminUserGlobalSignOut", BERTA))["changed"]["sessions"], 1);
    assert_eq!(live(), 0);
}
