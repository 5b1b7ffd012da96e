//! Where an item stands in the table. Parts are escaped, so that nobody who chooses a name chooses somebody else's key.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use cognito_triggers::ledger::{DeliveryId, InvitationKey, NameKey};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The names of the key's attributes.
pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";

/// The key of one item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    pub(super) fn member(pool: &str, sub: &str) -> Self {
        Self { pk: user(pool, sub), sk: MEMBER.into() }
    }

    pub(super) fn delivery(id: &DeliveryId) -> Self {
        Self { pk: user(&id.pool, &id.sub), sk: format!("D#{}", part(&id.key)) }
    }

    pub(super) fn name(key: &NameKey) -> Self {
        Self { pk: format!("N#{}#{}#{}", part(&key.pool), part(&key.namespace), part(&key.key)), sk: "C".into() }
    }

    pub(super) fn invitation(key: &InvitationKey) -> Self {
        Self { pk: invitations(&key.pool), sk: format!("I#{}", part(&key.hash)) }
    }

    pub(super) fn switches(pool: &str) -> Self {
        Self { pk: format!("K#{}", part(pool)), sk: "K".into() }
    }

    /// The key of an item as the service answers it.
    pub(super) fn of(item: &HashMap<String, AttributeValue>) -> Option<Self> {
        let text = |name| item.get(name)?.as_s().ok().cloned();
        Some(Self { pk: text(PK)?, sk: text(SK)? })
    }

    /// The key as the service takes it.
    pub(super) fn attributes(&self) -> HashMap<String, AttributeValue> {
        [(PK, &self.pk), (SK, &self.sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.clone()))).into()
    }

    /// Which sixteenth of the index of due deliveries the item stands in.
    pub(super) fn shard(&self) -> u8 {
        let hash = Sha256::new().chain_update(&self.pk).chain_update(&self.sk).finalize();
        hash.first().map_or(0, |byte| byte % SHARDS)
    }
}

/// The sort key of members.
pub(super) const MEMBER: &str = "M";

/// Into how many parts the index is split: one part alone takes a thousand writes a second.
pub(super) const SHARDS: u8 = 16;

/// The part of the index in which parked deliveries stand, so that they are never found among those that are due.
pub(super) const PARKED_SHARD: u8 = SHARDS;

/// The key under which all invitations of a pool stand, each with a sort key of its own: one query lists them.
pub(super) fn invitations(pool: &str) -> String {
    format!("I#{}", part(pool))
}

/// What the keys of a pool's members and deliveries begin with.
pub(super) fn users(pool: &str) -> String {
    format!("U#{}#", part(pool))
}

/// The `sub` whose item this is. `None` if it is none of this pool's, or if the key holds only the hash of the `sub`.
pub(super) fn sub(key: &Key, pool: &str) -> Option<String> {
    let escaped = key.pk.strip_prefix(&users(pool))?;
    if escaped.starts_with(HASHED) {
        return None;
    }
    Some(escaped.replace("%23", "#").replace("%25", "%"))
}

/// Whether keys hold only the hash of this `sub`.
pub(super) fn is_hashed(sub: &str) -> bool {
    part(sub).starts_with(HASHED)
}

fn user(pool: &str, sub: &str) -> String {
    format!("{}{}", users(pool), part(sub))
}

/// The most bytes a part keeps. Three parts fit into a partition key (2,048 bytes), one into a sort key (1,024 bytes).
const LONGEST: usize = 512;

/// What marks a part that is a hash: no escaped text contains it.
const HASHED: &str = "%%";

/// A part without `#`. A long one is replaced by its hash, marked as one: a nickname may have 2,048 characters, more than a key
/// may have bytes.
fn part(text: &str) -> String {
    let escaped = text.replace('%', "%25").replace('#', "%23");
    if escaped.len() <= LONGEST {
        return escaped;
    }
    format!("{HASHED}{}", HEXLOWER.encode(&Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(namespace: &str, key: &str) -> Key {
        Key::name(&NameKey { pool: "pool".into(), namespace: namespace.into(), key: key.into() })
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        assert_ne!(name("nickname#a", "b"), name("nickname", "a#b"));
        assert_ne!(name("nickname", "a#b"), name("nickname", "a%23b"));
        assert_ne!(Key::member("pool", "a"), Key::member("pool#a", ""));
        assert_eq!(name("nickname", "a#b%").pk, "N#pool#nickname#a%23b%25");
    }

    #[test]
    fn a_sub_is_read_back_from_a_key_unless_it_is_hashed() {
        for sub in ["11111111-2222-4333-8444-555555555555", "a#b", "%23", "%2523", "%", "a%#b\nc", "", "é株"] {
            let key = Key::member("pool#1", sub);
            assert_eq!(super::sub(&key, "pool#1").as_deref(), Some(sub), "{sub:?}");
            assert_eq!(super::sub(&key, "pool"), None, "{sub:?} is none of that pool's");
            assert!(!is_hashed(sub));
        }
        let long = "x".repeat(600);
        assert!(is_hashed(&long) && super::sub(&Key::member("pool", &long), "pool").is_none());
    }

    #[test]
    fn a_long_part_fits_and_keeps_its_identity() {
        let long = "🧑".repeat(2_048);
        let key = name(&long, &long);
        assert!(key.pk.len() <= 2_048);
        assert_eq!(key, name(&long, &long));
        assert_ne!(key, name(&long, &format!("{long}x")));
        assert!(Key::delivery(&DeliveryId { pool: "p".into(), sub: "s".into(), key: long.clone() }).sk.len() <= 1_024);
    }

    #[test]
    fn nobody_can_choose_a_name_that_looks_like_a_hashed_one() {
        let long = "x".repeat(600);
        let hashed = name("nickname", &long).pk;
        let forged = hashed.strip_prefix("N#pool#nickname#").unwrap();
        assert_ne!(name("nickname", forged).pk, hashed);
    }

    #[test]
    fn deliveries_spread_over_all_shards() {
        let shard = |number: u32| {
            Key::delivery(&DeliveryId { pool: "p".into(), sub: number.to_string(), key: "k".into() }).shard()
        };
        let shards: std::collections::BTreeSet<u8> = (0..400).map(shard).collect();
        assert_eq!(shards, (0..SHARDS).collect());
    }
}
