//! What items hold, and how they are read back. Nothing of an item is quoted when it cannot be read.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use aws_sdk_dynamodb::types::AttributeValue;
use cognito_triggers::ledger::{
    CommitId, Delivery, Holding, Invitation, InvitationKey, LeaseId, Member, Owner, Switches,
};
use cognito_triggers::{Fault, FaultKind};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys::{self, Key, PARKED_SHARD};

pub(super) type Item = HashMap<String, AttributeValue>;

/// The attributes of items, beside `pk` and `sk`.
pub(super) mod attribute {
    /// How often a member or an invitation was written.
    pub(in crate::dynamodb) const VERSION: &str = "version";
    /// Everything that no condition asks for, as JSON.
    pub(in crate::dynamodb) const DATA: &str = "data";
    /// The commit that wrote the item last.
    pub(in crate::dynamodb) const COMMIT: &str = "commit";
    /// Who holds a name.
    pub(in crate::dynamodb) const OWNER: &str = "owner";
    /// Until when, in seconds since 1970 with their fraction; missing if for good.
    pub(in crate::dynamodb) const UNTIL: &str = "until";
    /// What the holder noted.
    pub(in crate::dynamodb) const NOTE: &str = "note";
    /// Who used an invitation: a map from owner to the time its reservation lapses, NULL once the user is confirmed.
    pub(in crate::dynamodb) const USES: &str = "uses";
    /// The hash of an invitation's code, as the key escapes it.
    pub(in crate::dynamodb) const HASH: &str = "hash";
    /// When a delivery is due, in seconds since 1970 with their fraction.
    pub(in crate::dynamodb) const DUE: &str = "due";
    /// Which part of the index a delivery stands in.
    pub(in crate::dynamodb) const SHARD: &str = "shard";
    /// Who works on a delivery, or worked on it last.
    pub(in crate::dynamodb) const LEASE: &str = "lease";
    /// How often a delivery was tried in vain.
    pub(in crate::dynamodb) const ATTEMPTS: &str = "attempts";
    /// When a try that counts failed for the first time, as a time.
    pub(in crate::dynamodb) const FAILING: &str = "failing";
    /// Why the last try failed.
    pub(in crate::dynamodb) const FAULT: &str = "fault";
    /// Since when a delivery is parked, as a time.
    pub(in crate::dynamodb) const PARKED: &str = "parked";
    /// The call that leased, settled or redrove a delivery last.
    pub(in crate::dynamodb) const CALL: &str = "call";
    /// The `sub` of a member whose key holds only its hash.
    pub(in crate::dynamodb) const SUB: &str = "sub";
    /// From when on DynamoDB may remove the item, in seconds since 1970.
    pub(in crate::dynamodb) const TTL: &str = "ttl";
}

use attribute::{
    ATTEMPTS, CALL, COMMIT, DATA, DUE, FAILING, FAULT, HASH, LEASE, NOTE, OWNER, PARKED, SHARD, SUB, TTL, UNTIL, USES,
    VERSION,
};

/// How long a lapsed reservation stays before DynamoDB may remove it. Whether it has lapsed is always a condition, so this only
/// has to be later than any clock could think the reservation alive.
const CLEANED_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A time as a number that compares right and loses nothing.
pub(super) fn time(time: Timestamp) -> AttributeValue {
    let nanoseconds = time.as_nanosecond();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let nanoseconds = nanoseconds.unsigned_abs();
    let mut digits = format!("{sign}{}", nanoseconds / SECOND);
    if !nanoseconds.is_multiple_of(SECOND) {
        let _ = write!(digits, ".{:09}", nanoseconds % SECOND);
    }
    AttributeValue::N(digits)
}

const SECOND: u128 = 1_000_000_000;

pub(super) fn member(key: &Key, sub: &str, member: &Member) -> Result<Item, Fault> {
    let mut item = key.attributes();
    if keys::is_hashed(sub) {
        item.insert(SUB.into(), text(sub));
    }
    item.insert(VERSION.into(), number(member.version));
    item.insert(DATA.into(), text(json(member)?));
    Ok(item)
}

/// Whose member this is; `None` if it is none of this pool's.
pub(super) fn read_sub(item: &Item, pool: &str) -> Option<String> {
    let key = Key::of(item)?;
    let beside = || key.pk.starts_with(&keys::users(pool)).then(|| find_text(item, SUB).map(str::to_owned)).flatten();
    keys::sub(&key, pool).or_else(beside)
}

pub(super) fn read_member(item: &Item) -> Result<Member, Fault> {
    parse("member", item)
}

pub(super) fn switches(key: &Key, switches: &Switches, commit: &CommitId) -> Result<Item, Fault> {
    let mut item = key.attributes();
    item.insert(VERSION.into(), number(switches.version));
    item.insert(COMMIT.into(), text(commit.as_str()));
    item.insert(DATA.into(), text(json(switches)?));
    Ok(item)
}

pub(super) fn read_switches(item: &Item) -> Result<Switches, Fault> {
    parse("switches", item)
}

pub(super) fn holding(key: &Key, holding: &Holding, commit: &CommitId) -> Item {
    let mut item = key.attributes();
    item.insert(OWNER.into(), text(holding.owner.as_str()));
    item.insert(COMMIT.into(), text(commit.as_str()));
    if let Some(until) = holding.until {
        item.insert(UNTIL.into(), time(until));
        let cleaned_up = until.saturating_add(CLEANED_UP_AFTER).unwrap_or(Timestamp::MAX);
        item.insert(TTL.into(), number(cleaned_up.as_second()));
    }
    if let Some(note) = &holding.note {
        item.insert(NOTE.into(), text(note));
    }
    item
}

pub(super) fn read_holding(item: &Item) -> Result<Holding, Fault> {
    let owner = find_text(item, OWNER).ok_or_else(|| unreadable("name", "it has no owner"))?;
    let until = match item.get(UNTIL) {
        None => None,
        Some(until) => Some(read_time(until).ok_or_else(|| unreadable("name", "`until` is no time"))?),
    };
    Ok(Holding { owner: Owner::stored(owner), until, note: find_text(item, NOTE).map(str::to_owned) })
}

/// The uses stand apart from the rest, so that one can be consumed without reading the invitation first.
pub(super) fn invitation(key: &InvitationKey, invitation: &Invitation, commit: &CommitId) -> Result<Item, Fault> {
    let rest = Invitation { uses: BTreeMap::new(), ..invitation.clone() };
    let until = |until: &Option<Timestamp>| until.map_or(AttributeValue::Null(true), time);
    let uses = invitation.uses.iter().map(|(owner, reserved)| (owner.as_str().to_owned(), until(reserved)));
    let mut item = Key::invitation(key).attributes();
    item.insert(HASH.into(), text(&key.hash));
    item.insert(VERSION.into(), number(invitation.version));
    item.insert(COMMIT.into(), text(commit.as_str()));
    item.insert(USES.into(), AttributeValue::M(uses.collect()));
    item.insert(DATA.into(), text(json(&rest)?));
    Ok(item)
}

pub(super) fn read_invitation(item: &Item) -> Result<Invitation, Fault> {
    let mut invitation: Invitation = parse("invitation", item)?;
    let version = item.get(VERSION).and_then(|version| version.as_n().ok()?.parse().ok());
    invitation.version = version.ok_or_else(|| unreadable("invitation", "`version` is no number"))?;
    let uses = item.get(USES).and_then(|uses| uses.as_m().ok());
    let uses = uses.ok_or_else(|| unreadable("invitation", "`uses` is no map"))?;
    for (owner, reserved) in uses {
        let reserved = match reserved {
            AttributeValue::Null(_) => None,
            reserved => {
                Some(read_time(reserved).ok_or_else(|| unreadable("invitation", "a use is reserved until no time"))?)
            }
        };
        invitation.uses.insert(Owner::stored(owner), reserved);
    }
    Ok(invitation)
}

pub(super) fn read_hash(item: &Item) -> Result<String, Fault> {
    find_text(item, HASH).map(str::to_owned).ok_or_else(|| unreadable("invitation", "it has no hash"))
}

/// What becomes of a delivery stands apart from what it is, so that the one is changed without reading the other. The data alone
/// is the delivery as it was staged, `due` included: all that a reader of new items in the table's stream needs.
pub(super) fn delivery(key: &Key, delivery: &Delivery, commit: &CommitId) -> Result<Item, Fault> {
    let Delivery { lease, attempts, failing_since, fault, parked, .. } = delivery;
    let mut item = key.attributes();
    item.insert(SHARD.into(), number(if parked.is_some() { PARKED_SHARD } else { key.shard() }));
    item.insert(DUE.into(), time(delivery.due));
    item.insert(ATTEMPTS.into(), number(attempts));
    let optional = [
        (LEASE, lease.as_ref().map(|lease| text(lease.as_str()))),
        (FAILING, failing_since.map(time)),
        (FAULT, fault.as_ref().map(text)),
        (PARKED, parked.map(time)),
    ];
    item.extend(optional.into_iter().filter_map(|(name, value)| Some((name.into(), value?))));
    item.insert(COMMIT.into(), text(commit.as_str()));
    item.insert(DATA.into(), text(json(&untried(delivery.clone()))?));
    Ok(item)
}

pub(super) fn read_delivery(item: &Item) -> Result<Delivery, Fault> {
    let delivery: Delivery = parse("delivery", item)?;
    let wrong = |what: &str| unreadable("delivery", &format!("`{what}` is not what was expected"));
    let attempts = match item.get(ATTEMPTS) {
        None => 0,
        Some(attempts) => attempts.as_n().ok().and_then(|it| it.parse().ok()).ok_or_else(|| wrong(ATTEMPTS))?,
    };
    let time = |name| item.get(name).map(|value| read_time(value).ok_or_else(|| wrong(name))).transpose();
    Ok(Delivery {
        due: time(DUE)?.ok_or_else(|| wrong(DUE))?,
        lease: find_text(item, LEASE).map(LeaseId::stored),
        attempts,
        failing_since: time(FAILING)?,
        fault: find_text(item, FAULT).map(str::to_owned),
        parked: time(PARKED)?,
        ..delivery
    })
}

/// The part of a delivery that stays as it is.
fn untried(delivery: Delivery) -> Delivery {
    Delivery { lease: None, attempts: 0, failing_since: None, fault: None, parked: None, ..delivery }
}

/// When a delivery is due, as the index knows it.
pub(super) fn read_due(item: &Item) -> Option<Timestamp> {
    read_time(item.get(DUE)?)
}

/// Whether this call was the last to change what becomes of a delivery.
pub(super) fn is_of_call(item: &Item, call: &CommitId) -> bool {
    find_text(item, CALL) == Some(call.as_str())
}

/// Whether this commit wrote the item last.
pub(super) fn bears(item: &Item, commit: &CommitId) -> bool {
    find_text(item, COMMIT) == Some(commit.as_str())
}

fn find_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn read_time(value: &AttributeValue) -> Option<Timestamp> {
    parse_time(value.as_n().ok()?)
}

/// A time from the digits of a number.
pub(super) fn parse_time(digits: &str) -> Option<Timestamp> {
    let (negative, digits) = digits.strip_prefix('-').map_or((false, digits), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > 9 {
        return None;
    }
    let seconds: i128 = whole.parse().ok()?;
    let nanoseconds: i128 = format!("{fraction:0<9}").parse().ok()?;
    let time = seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)?;
    Timestamp::from_nanosecond(if negative { -time } else { time }).ok()
}

fn json(value: &impl Serialize) -> Result<String, Fault> {
    Ok(serde_json::to_string(value)?)
}

fn parse<T: DeserializeOwned>(what: &str, item: &Item) -> Result<T, Fault> {
    let data = find_text(item, DATA).ok_or_else(|| unreadable(what, "it has no data"))?;
    serde_json::from_str(data).map_err(|error| {
        // serde's own message quotes the value.
        unreadable(what, &format!("its data is not what was expected at column {}", error.column()))
    })
}

fn unreadable(what: &str, why: &str) -> Fault {
    Fault::of(FaultKind::Service, format!("the ledger holds an item ({what}) that cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(value: &AttributeValue) -> &str {
        value.as_n().unwrap()
    }

    #[test]
    fn times_come_back_to_the_nanosecond() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2026-11-22T10:00:00Z",
            "2026-11-22T10:00:00.5Z",
            "2026-11-22T10:00:00.000000001Z",
            "1969-12-31T23:59:59.25Z",
            "9999-12-30T22:00:00.999999999Z",
        ] {
            let expected: Timestamp = text.parse().unwrap();
            assert_eq!(read_time(&time(expected)), Some(expected), "{text}");
        }
    }

    #[test]
    fn times_are_read_as_dynamodb_prints_them() {
        // It drops closing zeros.
        let read = |digits: &str| read_time(&AttributeValue::N(digits.into())).unwrap().to_string();
        assert_eq!(read("1.5"), "1970-01-01T00:00:01.5Z");
        assert_eq!(read("-0.5"), "1969-12-31T23:59:59.5Z");
        assert_eq!(digits(&time("1970-01-01T00:00:01.5Z".parse().unwrap())), "1.500000000");
        assert_eq!(read_time(&AttributeValue::N("1E+3".into())), None);
        assert_eq!(read_time(&AttributeValue::N("1.0000000001".into())), None);
    }

    #[test]
    fn a_reservation_is_cleaned_up_long_after_it_lapsed() {
        let until: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let key = Key::member("pool", "sub");
        let commit = CommitId::random().unwrap();
        let held = Holding { owner: Owner::user("a"), until: Some(until), note: None };
        let item = holding(&key, &held, &commit);
        assert_eq!(digits(&item["ttl"]).parse::<i64>().unwrap(), until.as_second() + 24 * 3600);
        let for_good = holding(&key, &Holding { until: None, ..held }, &commit);
        assert!(!for_good.contains_key("ttl"), "DynamoDB would remove a name that is held for good");
    }

    #[test]
    fn what_cannot_be_read_is_not_quoted() {
        let mut item = Item::new();
        item.insert(DATA.into(), text(r#"{"version":"anna@example.com"}"#));
        let fault = read_member(&item).unwrap_err().causes();
        assert!(fault.contains("member") && !fault.contains("anna"), "{fault}");
    }
}
