//! The ledger in one DynamoDB table.
//!
//! # The table
//!
//! On-demand capacity; partition key `pk` and sort key `sk`, both strings; time to live on `ttl`; one global secondary index
//! `due` (partition key `shard`, sort key `due`, both numbers, keys only), in which nothing but deliveries stands.
//! [`DynamoLedger::create_table`] makes exactly that, and whatever else makes it has to match.
//!
//! | item | `pk`, `sk` | attributes |
//! |---|---|---|
//! | member | `U#pool#sub`, `M` | `version`, `data`; `sub` where the key holds only its hash |
//! | delivery | `U#pool#sub`, `D#key` | `shard`, `due`, `attempts`, `lease`, `failing`, `fault`, `parked`, `call`, `commit`, `data` |
//! | name | `N#pool#namespace#key`, `C` | `owner`, `until`, `note`, `commit`, `ttl` |
//! | invitation | `I#pool`, `I#hash` | `version`, `uses`, `hash`, `commit`, `data` |
//! | switches | `K#pool`, `K` | `version`, `commit`, `data` |
//!
//! In keys `#` is written `%23` and `%` is written `%25`; a part of more than 512 bytes is replaced by `%%` and its SHA-256.
//! `data` is JSON. Times are seconds since 1970 with their fraction. `ttl` only cleans up, a day after a reservation has
//! lapsed: that it has lapsed is a condition of every write. `commit` names the change that wrote the item last, which is how
//! a repeated call whose answer was lost is recognised; a member keeps the commits of its last minute in its data.
//!
//! What a delivery is stands in its `data` and stays as it is. What becomes of it stands beside it: `due`, and as long as
//! somebody works on it that is when the lease ends; who that is (`lease`, a random text); `attempts`; since when tries have
//! failed (`failing`) and why (`fault`); since when it is `parked`; and the `call` that changed any of this last, by which it
//! is recognised when its answer was lost. `shard` is 0 to 15 by the hash of the key, and 16 while the delivery is parked.
//!
//! # What it costs
//!
//! - A read: one strongly consistent BatchGetItem, one more for every 100 items.
//! - A change of a member alone: one PutItem. Any other: one TransactWriteItems, which counts every item twice. A wish that is
//!   fulfilled already (a live reservation renewed, a name of somebody else's given back, a delivery stored before) makes
//!   DynamoDB refuse the whole; the rest is then sent again, in a second call.
//! - Listing a pool's invitations: one query over just these, a call for each MB. All invitations of a pool share a
//!   partition key for that; DynamoDB splits a partition that gets hot.
//! - Listing a pool's deliveries: the whole index, whatever the pool, and then the pool's own deliveries. The index lags behind
//!   the table by some milliseconds.
//! - Looking for what is due: 16 small queries of the index, side by side; one more for each shard in which there was not
//!   enough. Each delivery that is found: one UpdateItem that leases it, if nobody was quicker, and one write more when it is
//!   done (BatchWriteItem) or put off (UpdateItem). As `due` is a key of the index, each of these writes counts there too.
//! - Judging whether a delivery is still wanted, where that depends on the member: one BatchGetItem.
//! - Listing a pool's members: a strongly consistent scan of the whole table, whatever the pool, since an index of members would
//!   cost every sign-in a write: a call and 256 read units for each MB. A page holds what was found in one MB, which may be
//!   nothing. For reports and for operators, not for anything that is asked often.
//! - Writing the switches: one PutItem. That they are read costs nothing, since they come with every read, or where nothing else
//!   is wanted one BatchGetItem in 5 s for each process.
//! - Counting what is left: 17 queries of the index, a call for each MB of keys (about 5,000 deliveries).
//!
//! # What a role needs
//!
//! [`grants`](cognito_triggers::grants) says it, for each piece of this work, and every rule which of them it has done;
//! docs/permissions.md explains. A transaction has no permission of its own: what it puts, updates, deletes and checks has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, KeysAndAttributes, WriteRequest};
use aws_types::endpoint_config::AccountIdEndpointMode;
use cognito_triggers::ledger::{
    Change, Committed, Delivery, DeliveryId, Invitation, InvitationKey, Ledger, LedgerAdmin, MemberPage, NameKey,
    Outbox, Reading, Switches, Wants,
};
use cognito_triggers::services::Opening;
use cognito_triggers::{Adapter, ConfigError, Environment, Fault};
use futures_util::stream::StreamExt;
use jiff::Timestamp;

use crate::client::{self, Connections, Limits};
use crate::error::fault;
use crate::names;
use crate::trust::Trust;

mod admin;
mod commit;
mod items;
mod keys;
mod outbox;
mod parts;
mod patience;
mod table;

use items::Item;
use keys::{Key, PARKED_SHARD, PK};
use patience::Patience;

/// The ledger in a DynamoDB table: `dynamodb:<table>`, by name or ARN.
pub const LEDGER: Adapter<dyn Ledger> = Adapter {
    scheme: "dynamodb",
    example: "dynamodb:cognito-triggers",
    embedded: false,
    open: |Opening { address, environment }| {
        Box::pin(async move {
            // A table that is given by ARN is at an endpoint of its account.
            if let Some(host) = client::host_of_dynamodb(&environment).filter(|_| !address.starts_with("arn:")) {
                names::ask_ahead(&host);
            }
            let ledger = DynamoLedger::open(&address, &environment, Limits::EVENT)?;
            ledger.open_connection(&environment).await;
            Ok(Arc::new(ledger) as Arc<dyn Ledger>)
        })
    },
};

/// The same table as the courier works with it. Nothing is called at the start: the courier has the time.
pub const OUTBOX: Adapter<dyn Outbox> = Adapter {
    scheme: LEDGER.scheme,
    example: LEDGER.example,
    embedded: false,
    open: |Opening { address, environment }| {
        Box::pin(async move {
            let ledger = DynamoLedger::open(&address, &environment, Limits::COURIER)?;
            Ok(Arc::new(ledger) as Arc<dyn Outbox>)
        })
    },
};

/// The ledger in a DynamoDB table.
#[derive(Clone, Debug)]
pub struct DynamoLedger {
    client: Client,
    table: String,
    limits: Limits,
}

/// How many items one BatchGetItem takes.
const GETS: usize = 100;

/// How many calls are made side by side, where many are to be made.
const AT_ONCE: usize = 8;

/// How many items one BatchWriteItem takes.
const WRITES: usize = 25;

impl DynamoLedger {
    /// A ledger in this table, named or by ARN. Region and credentials come from the environment, as Lambda sets them;
    /// `AWS_ENDPOINT_URL_DYNAMODB` or `AWS_ENDPOINT_URL` point to another DynamoDB. Nothing is called yet.
    ///
    /// # Errors
    ///
    /// If there can be no table of this name, or region or credentials are missing.
    pub fn open(table: &str, environment: &Environment, limits: Limits) -> Result<Self, ConfigError> {
        if !is_table(table) {
            return Err(ConfigError::new(format!("`{table}` cannot be the name of a DynamoDB table")).remedy(
                "name it as in `dynamodb:cognito-triggers`: 3 to 255 letters, digits, `_`, `-` or `.`, or an ARN",
            ));
        }
        let client = Client::new(&client::settings("DYNAMODB", environment, &limits, Connections::Kept)?);
        Ok(Self { client, table: table.to_owned(), limits })
    }

    async fn open_connection(&self, environment: &Environment) {
        if let Some(endpoint) = self.endpoint(environment).await {
            let trust = Trust::of(client::endpoint("DYNAMODB", environment), environment);
            client::open_ahead(&endpoint, trust, &self.limits).await;
        }
    }

    /// Where the client finds the table: told by the SDK's own rules, from what a call would tell them.
    async fn endpoint(&self, environment: &Environment) -> Option<String> {
        let params = Params::builder()
            .set_region(self.client.config().region().map(ToString::to_string))
            .set_endpoint(client::endpoint("DYNAMODB", environment).map(str::to_owned))
            .set_use_fips(Some(client::is_on("AWS_USE_FIPS_ENDPOINT", environment)))
            .set_use_dual_stack(Some(client::is_on("AWS_USE_DUALSTACK_ENDPOINT", environment)))
            .set_account_id_endpoint_mode(Some(AccountIdEndpointMode::default().to_string()))
            .set_resource_arn(Some(self.table.clone()))
            .build();
        let endpoint = DefaultResolver::new().resolve_endpoint(&params.ok()?).await.ok()?;
        Some(endpoint.url().to_owned())
    }

    /// Makes the table, if there is none, and waits until it can be used, at most a minute.
    ///
    /// # Errors
    ///
    /// If the service refuses, cannot be reached, or takes longer.
    pub async fn create_table(&self) -> Result<(), Fault> {
        table::create(&self.client, &self.table).await
    }

    fn keys(&self, keys: Vec<Item>, consistent: bool) -> Result<KeysAndAttributes, Fault> {
        Ok(KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(consistent).build()?)
    }

    /// Reads items, 100 a call. What DynamoDB leaves over is asked for again. What does not exist is missing.
    async fn items(&self, keys: impl IntoIterator<Item = Key>) -> Result<BTreeMap<Key, Item>, Fault> {
        let mut left: Vec<Item> = keys.into_iter().map(|key| key.attributes()).collect();
        let mut found = BTreeMap::new();
        let mut patience = Patience::new("DynamoDB BatchGetItem", self.limits.busy);
        while !left.is_empty() {
            let now = left.split_off(left.len().saturating_sub(GETS));
            let call = self.client.batch_get_item().request_items(&self.table, self.keys(now, true)?);
            let answer = call.send().await.map_err(|error| fault("DynamoDB BatchGetItem", error))?;
            for item in answer.responses.into_iter().flat_map(|mut tables| tables.remove(&self.table)).flatten() {
                if let Some(key) = Key::of(&item) {
                    found.insert(key, item);
                }
            }
            let unprocessed = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
            if let Some(unprocessed) = unprocessed.filter(|unprocessed| !unprocessed.keys.is_empty()) {
                left.extend(unprocessed.keys);
                patience.pause().await?;
            }
        }
        Ok(found)
    }

    /// Every item of a query over the table or its index.
    async fn query(&self, index: Option<&str>, name: &str, value: AttributeValue) -> Result<Vec<Item>, Fault> {
        let query = self.client.query().table_name(&self.table).set_index_name(index.map(str::to_owned));
        let query = query
            // An index can only be asked for what it has heard of so far.
            .consistent_read(index.is_none())
            .key_condition_expression("#name = :value")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value);
        let mut items = Vec::new();
        let mut pages = query.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(|error| fault("DynamoDB Query", error))?);
        }
        Ok(items)
    }
}

/// What an item that was read is.
enum Wanted<'a> {
    Member,
    Switches,
    Invitation(&'a InvitationKey),
    Name(&'a NameKey),
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn read(&self, wants: &Wants) -> Result<Reading, Fault> {
        let mut wanted = BTreeMap::new();
        wanted.insert(Key::switches(&wants.pool), Wanted::Switches);
        if let Some(sub) = &wants.sub {
            wanted.insert(Key::member(&wants.pool, sub), Wanted::Member);
        }
        wanted.extend(wants.invitations.iter().map(|key| (Key::invitation(key), Wanted::Invitation(key))));
        wanted.extend(wants.names.iter().map(|key| (Key::name(key), Wanted::Name(key))));
        let mut reading = Reading::default();
        for (key, item) in self.items(wanted.keys().cloned()).await? {
            match wanted.get(&key) {
                Some(Wanted::Member) => reading.member = Some(items::read_member(&item)?),
                Some(Wanted::Switches) => reading.switches = items::read_switches(&item)?,
                Some(Wanted::Invitation(key)) => {
                    reading.invitations.insert((*key).clone(), items::read_invitation(&item)?);
                }
                Some(Wanted::Name(key)) => {
                    reading.names.insert((*key).clone(), items::read_holding(&item)?);
                }
                None => {}
            }
        }
        Ok(reading)
    }

    async fn commit(&self, change: &Change) -> Result<Committed, Fault> {
        commit::commit(self, change).await
    }

    async fn acknowledge(&self, deliveries: &[DeliveryId]) -> Result<(), Fault> {
        // DynamoDB refuses a batch that names one item twice.
        let keys: BTreeSet<_> = deliveries.iter().map(Key::delivery).collect();
        let mut left = Vec::with_capacity(keys.len());
        for key in keys {
            let delete = DeleteRequest::builder().set_key(Some(key.attributes())).build()?;
            left.push(WriteRequest::builder().delete_request(delete).build());
        }
        let mut patience = Patience::new("DynamoDB BatchWriteItem", self.limits.busy);
        while !left.is_empty() {
            let now = left.split_off(left.len().saturating_sub(WRITES));
            let call = self.client.batch_write_item().request_items(&self.table, now);
            let answer = call.send().await.map_err(|error| fault("DynamoDB BatchWriteItem", error))?;
            let unprocessed = answer.unprocessed_items.and_then(|mut tables| tables.remove(&self.table));
            if let Some(unprocessed) = unprocessed.filter(|unprocessed| !unprocessed.is_empty()) {
                left.extend(unprocessed);
                patience.pause().await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl LedgerAdmin for DynamoLedger {
    async fn create_invitation(&self, key: &InvitationKey, invitation: &Invitation) -> Result<bool, Fault> {
        commit::create_invitation(self, key, invitation).await
    }

    async fn invitations(&self, pool: &str) -> Result<Vec<(InvitationKey, Invitation)>, Fault> {
        let items = self.query(None, PK, AttributeValue::S(keys::invitations(pool))).await?;
        let mut invitations = Vec::with_capacity(items.len());
        for item in items {
            let key = InvitationKey { pool: pool.to_owned(), hash: items::read_hash(&item)? };
            invitations.push((key, items::read_invitation(&item)?));
        }
        invitations.sort_by_key(|(_, invitation)| invitation.created);
        Ok(invitations)
    }

    async fn deliveries(&self, pool: &str) -> Result<Vec<Delivery>, Fault> {
        let of_pool = keys::users(pool);
        let of_shard = |shard| self.query(Some(table::INDEX), items::attribute::SHARD, items::number(shard));
        let queries: Vec<_> = (0..=PARKED_SHARD).map(of_shard).collect();
        let mut shards = futures_util::stream::iter(queries).buffer_unordered(AT_ONCE);
        let mut keys = BTreeSet::new();
        while let Some(items) = shards.next().await {
            keys.extend(items?.iter().filter_map(Key::of).filter(|key| key.pk.starts_with(&of_pool)));
        }
        let items = self.items(keys).await?;
        let mut deliveries = items.values().map(items::read_delivery).collect::<Result<Vec<_>, _>>()?;
        deliveries.sort_by_key(|delivery| delivery.due);
        Ok(deliveries)
    }

    async fn redrive(&self, delivery: &DeliveryId, now: Timestamp) -> Result<bool, Fault> {
        outbox::redrive(self, delivery, now).await
    }

    async fn members(&self, pool: &str, page: Option<String>) -> Result<MemberPage, Fault> {
        admin::members(self, pool, page).await
    }

    async fn switch(&self, pool: &str, expected: u64, switches: &Switches) -> Result<bool, Fault> {
        admin::switch(self, pool, expected, switches).await
    }
}

/// Whether there can be a table of this name.
fn is_table(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let name = match text.starts_with("arn:") {
        true => text.rsplit_once(":table/").map_or("", |(_, name)| name),
        false => text,
    };
    (3..=255).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_smithy_runtime_api::client::http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

    use super::*;

    /// Writes down where requests would go, and lets none through.
    #[derive(Clone, Debug, Default)]
    struct Addresses(Arc<Mutex<Vec<String>>>);

    impl HttpConnector for Addresses {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            self.0.lock().unwrap().push(request.uri().trim_end_matches('/').to_owned());
            HttpConnectorFuture::ready(Err(ConnectorError::user("nowhere".into())))
        }
    }

    impl HttpClient for Addresses {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    #[tokio::test]
    async fn the_connection_is_opened_to_where_calls_go() {
        let arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/cognito-triggers";
        let known = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        for (table, variable, expected) in [
            ("cognito-triggers", None, "https://dynamodb.eu-central-1.amazonaws.com"),
            (arn, None, "https://123456789012.ddb.eu-central-1.amazonaws.com"),
            ("cognito-triggers", Some(("AWS_REGION", "cn-north-1")), "https://dynamodb.cn-north-1.amazonaws.com.cn"),
            (
                "cognito-triggers",
                Some(("AWS_USE_FIPS_ENDPOINT", "true")),
                "https://dynamodb-fips.eu-central-1.amazonaws.com",
            ),
            ("cognito-triggers", Some(("AWS_USE_DUALSTACK_ENDPOINT", "true")), "https://dynamodb.eu-central-1.api.aws"),
            ("cognito-triggers", Some(("AWS_ENDPOINT_URL", "http://localhost:4566")), "http://localhost:4566"),
        ] {
            let environment = known.into_iter().chain(variable).collect();
            let mut ledger = DynamoLedger::open(table, &environment, Limits::EVENT).unwrap();
            assert_eq!(ledger.endpoint(&environment).await.as_deref(), Some(expected));
            let asked = Addresses::default();
            let config = ledger.client.config().to_builder().http_client(asked.clone()).build();
            ledger.client = Client::from_conf(config);
            ledger.items([Key::switches("p")]).await.unwrap_err();
            assert_eq!(*asked.0.lock().unwrap(), [expected]);
        }
    }

    #[test]
    fn a_table_is_named_or_given_by_arn() {
        assert!(is_table("cognito-triggers"));
        assert!(is_table("arn:aws:dynamodb:eu-central-1:123456789012:table/cognito-triggers"));
        for wrong in ["", "ab", "cognito triggers", "table/x", "arn:aws:s3:::bucket", &"x".repeat(256)] {
            assert!(!is_table(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_table_says_what_to_write() {
        let error = DynamoLedger::open("", &Environment::default(), Limits::EVENT).unwrap_err().to_string();
        assert!(error.starts_with("`` cannot be the name of a DynamoDB table; name it as in `dynamodb:"), "{error}");
    }
}
