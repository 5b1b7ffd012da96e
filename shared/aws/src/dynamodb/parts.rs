//! The parts of a change, one an item: what each writes, under which condition, and what a failed condition means.
//!
//! Some wishes can turn out to be fulfilled already, e.g. a reservation that is renewed while it lives. Such a part is sent in
//! another [`Form`] then, with the rest of the change as it was.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use cognito_triggers::Fault;
use cognito_triggers::ledger::{
    Change, CommitId, Delivery, Holding, Invitation, InvitationChange, InvitationKey, MemberChange, Moved, NameChange,
    NameKey, Owner,
};
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::items::attribute::{COMMIT, OWNER, UNTIL, USES, VERSION};
use super::items::{self, Item, number, text, time};
use super::keys::{Key, PK};

/// One item's part of a change.
pub(super) struct Part<'a> {
    key: Key,
    wish: Wish<'a>,
    form: Form,
}

enum Wish<'a> {
    Member(&'a MemberChange),
    Hold {
        name: &'a NameKey,
        owner: &'a Owner,
        instead_of: &'a [Owner],
        until: Option<Timestamp>,
        note: Option<&'a str>,
    },
    Release(&'a [Owner]),
    Put {
        key: &'a InvitationKey,
        expected: u64,
        invitation: &'a Invitation,
    },
    Consume {
        key: &'a InvitationKey,
        applicants: &'a [Owner],
        user: &'a Owner,
    },
    Deliver(&'a Delivery),
}

/// How a part is sent.
#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// As it was first thought.
    First,
    /// A live hold of the same owner: nothing is written, but it must still be so when the rest is.
    HeldAlready,
    /// An invitation whose use had to be counted: its new state, written over the version before.
    Counted(Invitation),
    /// Not at all: there is nothing left to do.
    Nothing,
}

/// What a failed condition means.
pub(super) enum Meaning {
    /// The whole change was applied by an earlier try.
    Applied,
    /// Something stands in the way.
    InTheWay(Box<Moved>),
    /// The part was put into another form; the change can be sent again.
    Adjusted,
}

/// The parts of a change, the member first. No item twice.
pub(super) fn parts(change: &Change) -> Vec<Part<'_>> {
    let mut parts = BTreeMap::new();
    let mut add = |key: Key, wish| {
        parts.entry(key.clone()).or_insert(Part { key, wish, form: Form::First });
    };
    if let Some(member) = &change.member {
        add(Key::member(&change.pool, &member.sub), Wish::Member(member));
    }
    for (name, wish) in &change.names {
        let wish = match wish {
            NameChange::Hold { owner, instead_of, until, note } => {
                Wish::Hold { name, owner, instead_of, until: *until, note: note.as_deref() }
            }
            NameChange::Release { owners } if owners.is_empty() => continue,
            NameChange::Release { owners } => Wish::Release(owners),
        };
        add(Key::name(name), wish);
    }
    for (key, wish) in &change.invitations {
        let wish = match wish {
            InvitationChange::Put { expected, invitation } => Wish::Put { key, expected: *expected, invitation },
            InvitationChange::Consume { applicants, user } => Wish::Consume { key, applicants, user },
        };
        add(Key::invitation(key), wish);
    }
    for delivery in &change.deliveries {
        add(Key::delivery(&delivery.id), Wish::Deliver(delivery));
    }
    parts.into_values().collect()
}

/// What makes DynamoDB recognise a call that is repeated: the change's own name as long as every part has its first form, and
/// one that tells the forms afterwards, since a token may not be used for two different calls.
pub(super) fn token(id: &CommitId, parts: &[Part<'_>]) -> String {
    if parts.iter().all(|part| part.form == Form::First) {
        return id.to_string();
    }
    let mut forms = Sha256::new();
    for part in parts {
        match &part.form {
            Form::First => forms.update([0]),
            Form::HeldAlready => forms.update([1]),
            Form::Nothing => forms.update([2]),
            Form::Counted(invitation) => {
                forms.update([3]);
                forms.update(invitation.version.to_be_bytes());
            }
        }
    }
    // 26 + 1 + 8 of the 36 characters a token may have.
    let hash = BASE32_NOPAD.encode(forms.finalize().split_at(5).0);
    format!("{id}-{hash}")
}

impl<'a> Part<'a> {
    /// Whether there is anything to send.
    pub(super) fn is_sent(&self) -> bool {
        self.form != Form::Nothing
    }

    /// The member, if that is what this part writes.
    pub(super) fn member(&self) -> Option<&'a MemberChange> {
        match self.wish {
            Wish::Member(member) => Some(member),
            _ => None,
        }
    }

    /// This part as DynamoDB takes it.
    pub(super) fn write(&self, table: &str, change: &Change) -> Result<TransactWriteItem, Fault> {
        let id = &change.id;
        match (&self.wish, &self.form) {
            (Wish::Member(member), _) => self.put_member(table, member),
            (Wish::Hold { owner, .. }, Form::HeldAlready) => self.check_held(table, owner, change.now),
            (Wish::Hold { owner, instead_of, until, note, .. }, _) => {
                let holding = Holding { owner: (*owner).clone(), until: *until, note: note.map(str::to_owned) };
                let item = items::holding(&self.key, &holding, id);
                // A live reservation of one's own is not renewed.
                let own = until.is_none().then_some(*owner);
                let previous = instead_of.iter().filter(|previous| previous != owner);
                let owners: Vec<_> = own.into_iter().chain(previous).collect();
                put_hold(table, item, &owners, change.now)
            }
            (Wish::Release(owners), _) => self.delete_held(table, owners),
            (Wish::Put { key, expected, invitation }, _) => {
                put_version(table, items::invitation(key, invitation, id)?, *expected)
            }
            (Wish::Consume { key, .. }, Form::Counted(invitation)) => {
                let expected = invitation.version.saturating_sub(1);
                put_version(table, items::invitation(key, invitation, id)?, expected)
            }
            (Wish::Consume { applicants, user, .. }, _) => self.turn_use(table, applicants, user, id),
            (Wish::Deliver(delivery), _) => {
                let item = items::delivery(&self.key, delivery, id)?;
                put(table, item, "attribute_not_exists(#pk)", names(&[("#pk", PK)]), None)
            }
        }
    }

    /// What it means that the condition failed, with the item as it is.
    pub(super) fn refused(&mut self, old: Option<&Item>, change: &Change) -> Result<Meaning, Fault> {
        if old.is_some_and(|old| items::bears(old, &change.id)) {
            return Ok(Meaning::Applied);
        }
        let form = match &self.wish {
            Wish::Member(_) => {
                let member = old.map(items::read_member).transpose()?;
                if member.as_ref().is_some_and(|member| member.bears(&change.id)) {
                    return Ok(Meaning::Applied);
                }
                return Ok(Meaning::InTheWay(Box::new(Moved { member: Some(member), ..Moved::default() })));
            }
            Wish::Put { key, .. } => {
                let invitation = old.map(items::read_invitation).transpose()?;
                let invitations = [((*key).clone(), invitation)].into();
                return Ok(Meaning::InTheWay(Box::new(Moved { invitations, ..Moved::default() })));
            }
            Wish::Hold { name, owner, instead_of, until, .. } => {
                match old.map(items::read_holding).transpose()?.filter(|held| held.is_live(change.now)) {
                    Some(held) if held.owner == **owner && until.is_some() => Form::HeldAlready,
                    Some(held) if held.owner != **owner && !instead_of.contains(&held.owner) => {
                        return Ok(Meaning::InTheWay(Box::new(Moved {
                            taken: [(*name).clone()].into(),
                            ..Moved::default()
                        })));
                    }
                    // Free after all: what was held already when this was sent last has been given back since.
                    _ => Form::First,
                }
            }
            Wish::Consume { applicants, user, .. } => match old.map(items::read_invitation).transpose()? {
                Some(mut invitation) if !invitation.uses.contains_key(*user) => {
                    invitation.version = invitation.version.saturating_add(1);
                    invitation.consume(applicants, user, change.now);
                    Form::Counted(invitation)
                }
                _ => Form::Nothing,
            },
            // Somebody else's name, or a delivery that is stored already.
            Wish::Release(_) | Wish::Deliver(_) => Form::Nothing,
        };
        self.form = form;
        Ok(Meaning::Adjusted)
    }

    fn put_member(&self, table: &str, change: &MemberChange) -> Result<TransactWriteItem, Fault> {
        match &change.member {
            Some(member) => put_version(table, items::member(&self.key, &change.sub, member)?, change.expected),
            None => self.delete_version(table, change.expected),
        }
    }

    /// Removed if it is still this version, or gone already.
    fn delete_version(&self, table: &str, expected: u64) -> Result<TransactWriteItem, Fault> {
        let condition = "attribute_not_exists(#pk) OR #version = :expected";
        let values = values(vec![(":expected", number(expected))]);
        self.delete(table, condition, names(&[("#pk", PK), ("#version", VERSION)]), values)
    }

    fn check_held(&self, table: &str, owner: &Owner, now: Timestamp) -> Result<TransactWriteItem, Fault> {
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(self.key.attributes()))
            .condition_expression("#owner = :owner AND (attribute_not_exists(#until) OR #until > :now)")
            .set_expression_attribute_names(Some(names(&[("#owner", OWNER), ("#until", UNTIL)])))
            .set_expression_attribute_values(Some(values(vec![(":owner", text(owner.as_str())), (":now", time(now))])))
            .return_values_on_condition_check_failure(OLD);
        Ok(TransactWriteItem::builder().condition_check(check.build()?).build())
    }

    fn delete_held(&self, table: &str, owners: &[Owner]) -> Result<TransactWriteItem, Fault> {
        let (list, values) = listed(&owners.iter().collect::<Vec<_>>());
        let condition = format!("attribute_not_exists(#pk) OR #owner IN ({list})");
        self.delete(table, &condition, names(&[("#pk", PK), ("#owner", OWNER)]), values)
    }

    fn delete(&self, table: &str, condition: &str, names: Names, values: Item) -> Result<TransactWriteItem, Fault> {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(self.key.attributes()))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(OLD);
        Ok(TransactWriteItem::builder().delete(delete.build()?).build())
    }

    /// Turns the applicant's use into the user's without knowing the invitation: possible while the applicant has one. In all
    /// other cases the condition fails and brings the invitation along.
    fn turn_use(
        &self,
        table: &str,
        applicants: &[Owner],
        user: &Owner,
        id: &CommitId,
    ) -> Result<TransactWriteItem, Fault> {
        let mut names = names(&[("#version", VERSION), ("#commit", COMMIT), ("#uses", USES), ("#user", user.as_str())]);
        let good = AttributeValue::Null(true);
        let values = values(vec![(":commit", text(id.as_str())), (":good", good), (":one", number(1))]);
        let mut there = Vec::new();
        let mut removed = Vec::new();
        // DynamoDB refuses an expression that names one path twice.
        let mut named = BTreeSet::new();
        let others = applicants.iter().filter(|applicant| *applicant != user && named.insert(*applicant));
        for (index, applicant) in others.enumerate() {
            names.insert(format!("#a{index}"), applicant.as_str().to_owned());
            there.push(format!("attribute_exists(#uses.#a{index})"));
            removed.push(format!("#uses.#a{index}"));
        }
        let mut expression = "SET #uses.#user = :good, #version = #version + :one, #commit = :commit".to_owned();
        let mut condition = "attribute_exists(#nowhere)".to_owned();
        if there.is_empty() {
            names.insert("#nowhere".to_owned(), "nowhere".to_owned());
        } else {
            expression = format!("{expression} REMOVE {}", removed.join(", "));
            condition = format!("attribute_not_exists(#uses.#user) AND ({})", there.join(" OR "));
        }
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(self.key.attributes()))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(OLD);
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }
}

const OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// Written if it is still this version; 0: if it does not exist.
fn put_version(table: &str, item: Item, expected: u64) -> Result<TransactWriteItem, Fault> {
    if expected == 0 {
        return put(table, item, "attribute_not_exists(#pk)", names(&[("#pk", PK)]), None);
    }
    let values = values(vec![(":expected", number(expected))]);
    put(table, item, "#version = :expected", names(&[("#version", VERSION)]), Some(values))
}

/// Written if the name is free, has lapsed, or is held by one of these.
fn put_hold(table: &str, item: Item, owners: &[&Owner], now: Timestamp) -> Result<TransactWriteItem, Fault> {
    let mut condition = "attribute_not_exists(#pk) OR #until <= :now".to_owned();
    let mut names = names(&[("#pk", PK), ("#until", UNTIL)]);
    let (list, mut values) = listed(owners);
    if !values.is_empty() {
        condition = format!("{condition} OR #owner IN ({list})");
        names.insert("#owner".to_owned(), OWNER.to_owned());
    }
    values.insert(":now".to_owned(), time(now));
    put(table, item, &condition, names, Some(values))
}

/// What the names of an expression stand for.
type Names = HashMap<String, String>;

/// Writes an item if the condition holds.
fn put(
    table: &str,
    item: Item,
    condition: &str,
    names: Names,
    values: Option<Item>,
) -> Result<TransactWriteItem, Fault> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression(condition)
        .set_expression_attribute_names(Some(names))
        .set_expression_attribute_values(values)
        .return_values_on_condition_check_failure(OLD);
    Ok(TransactWriteItem::builder().put(put.build()?).build())
}

// All at once: adding them to an expression one by one is a page of code for each.
fn names(names: &[(&str, &str)]) -> Names {
    names.iter().map(|(name, stands_for)| ((*name).to_owned(), (*stands_for).to_owned())).collect()
}

fn values(values: Vec<(&str, AttributeValue)>) -> Item {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Owners as the operands of `IN`.
fn listed(owners: &[&Owner]) -> (String, Item) {
    let (mut names, mut values) = (Vec::new(), Item::new());
    for (index, owner) in owners.iter().enumerate() {
        let name = format!(":o{index}");
        values.insert(name.clone(), text(owner.as_str()));
        names.push(name);
    }
    (names.join(", "), values)
}
