//! The parts of a change, one an item: what each writes, under which condition, and what a failed condition means.
//!
//! Some wishes can turn out to be fulfilled already, e.g. a reservation that is renewed while it lives. Such a part is sent in
//! another [`Form`] then, with the rest of the change as it was.

use std::collections::{BTreeMap, BTreeSet};

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
                self.put_hold(table, item, own.into_iter().chain(previous), change.now)
            }
            (Wish::Release(owners), _) => self.delete_held(table, owners),
            (Wish::Put { key, expected, invitation }, _) => {
                self.put_version(table, items::invitation(key, invitation, id)?, *expected)
            }
            (Wish::Consume { key, .. }, Form::Counted(invitation)) => {
                let expected = invitation.version.saturating_sub(1);
                self.put_version(table, items::invitation(key, invitation, id)?, expected)
            }
            (Wish::Consume { applicants, user, .. }, _) => self.turn_use(table, applicants, user, id),
            (Wish::Deliver(delivery), _) => {
                let put = Put::builder().condition_expression("attribute_not_exists(#pk)");
                let put = put
                    .expression_attribute_names("#pk", PK)
                    .table_name(table)
                    .return_values_on_condition_check_failure(OLD);
                let put = put.set_item(Some(items::delivery(&self.key, delivery, id)?));
                Ok(TransactWriteItem::builder().put(put.build()?).build())
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
            Some(member) => self.put_version(table, items::member(&self.key, &change.sub, member)?, change.expected),
            None => self.delete_version(table, change.expected),
        }
    }

    /// Removed if it is still this version, or gone already.
    fn delete_version(&self, table: &str, expected: u64) -> Result<TransactWriteItem, Fault> {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(self.key.attributes()))
            .condition_expression("attribute_not_exists(#pk) OR #version = :expected")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":expected", number(expected))
            .return_values_on_condition_check_failure(OLD);
        Ok(TransactWriteItem::builder().delete(delete.build()?).build())
    }

    /// Written if it is still this version; 0: if it does not exist.
    fn put_version(&self, table: &str, item: Item, expected: u64) -> Result<TransactWriteItem, Fault> {
        let put = Put::builder().table_name(table).set_item(Some(item)).return_values_on_condition_check_failure(OLD);
        let put = match expected {
            0 => put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK),
            _ => put
                .condition_expression("#version = :expected")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":expected", number(expected)),
        };
        Ok(TransactWriteItem::builder().put(put.build()?).build())
    }

    /// Written if the name is free, has lapsed, or is held by one of these.
    fn put_hold<'o>(
        &self,
        table: &str,
        item: Item,
        owners: impl Iterator<Item = &'o Owner>,
        now: Timestamp,
    ) -> Result<TransactWriteItem, Fault> {
        let mut condition = "attribute_not_exists(#pk) OR #until <= :now".to_owned();
        let mut put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#until", UNTIL)
            .expression_attribute_values(":now", time(now))
            .return_values_on_condition_check_failure(OLD);
        let (list, values) = listed(owners);
        if !values.is_empty() {
            condition = format!("{condition} OR #owner IN ({list})");
            put = put.expression_attribute_names("#owner", OWNER);
        }
        for (name, value) in values {
            put = put.expression_attribute_values(name, value);
        }
        Ok(TransactWriteItem::builder().put(put.condition_expression(condition).build()?).build())
    }

    fn check_held(&self, table: &str, owner: &Owner, now: Timestamp) -> Result<TransactWriteItem, Fault> {
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(self.key.attributes()))
            .condition_expression("#owner = :owner AND (attribute_not_exists(#until) OR #until > :now)")
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_names("#until", UNTIL)
            .expression_attribute_values(":owner", text(owner.as_str()))
            .expression_attribute_values(":now", time(now))
            .return_values_on_condition_check_failure(OLD);
        Ok(TransactWriteItem::builder().condition_check(check.build()?).build())
    }

    fn delete_held(&self, table: &str, owners: &[Owner]) -> Result<TransactWriteItem, Fault> {
        let (list, values) = listed(owners.iter());
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(self.key.attributes()))
            .condition_expression(format!("attribute_not_exists(#pk) OR #owner IN ({list})"))
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#owner", OWNER)
            .set_expression_attribute_values(Some(values.into_iter().collect()))
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
        let mut update = Update::builder()
            .table_name(table)
            .set_key(Some(self.key.attributes()))
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_names("#commit", COMMIT)
            .expression_attribute_names("#uses", USES)
            .expression_attribute_names("#user", user.as_str())
            .expression_attribute_values(":commit", text(id.as_str()))
            .expression_attribute_values(":good", AttributeValue::Null(true))
            .expression_attribute_values(":one", number(1))
            .return_values_on_condition_check_failure(OLD);
        let mut there = Vec::new();
        let mut removed = Vec::new();
        // DynamoDB refuses an expression that names one path twice.
        let applicants: BTreeSet<_> = applicants.iter().filter(|applicant| *applicant != user).collect();
        for (index, applicant) in applicants.into_iter().enumerate() {
            update = update.expression_attribute_names(format!("#a{index}"), applicant.as_str());
            there.push(format!("attribute_exists(#uses.#a{index})"));
            removed.push(format!("#uses.#a{index}"));
        }
        let set = "SET #uses.#user = :good, #version = #version + :one, #commit = :commit";
        let update = match there.is_empty() {
            true => update
                .update_expression(set)
                .condition_expression("attribute_exists(#nowhere)")
                .expression_attribute_names("#nowhere", "nowhere"),
            false => update
                .update_expression(format!("{set} REMOVE {}", removed.join(", ")))
                .condition_expression(format!("attribute_not_exists(#uses.#user) AND ({})", there.join(" OR "))),
        };
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }
}

const OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// Owners as the operands of `IN`.
fn listed<'o>(owners: impl Iterator<Item = &'o Owner>) -> (String, Vec<(String, AttributeValue)>) {
    let values: Vec<_> =
        owners.enumerate().map(|(index, owner)| (format!(":o{index}"), text(owner.as_str()))).collect();
    let names: Vec<_> = values.iter().map(|(name, _)| name.as_str()).collect();
    (names.join(", "), values)
}
