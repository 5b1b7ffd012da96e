//! What the role of a function has to be allowed on AWS, as each rule says it beside its code.
//!
//! Plain data, and no AWS: the policies of the templates that deploy functions are made from it or tested against it, so that
//! they cannot drift from what rules do. `cargo local grants` prints all of it, `cargo local policy` the policy of one role for
//! one configuration.
//!
//! The constants are what a piece of an adapter's work is allowed by; a rule names those it has done, and adds at which triggers,
//! when and by whom. A function that is for one trigger alone (`TRIGGERS_ONLY`) then has a role with less:
//!
//! ```
//! use cognito_triggers::grants::{self, Caller, Grant, When};
//! use cognito_triggers::prelude::*;
//!
//! /// Reads members wherever it is asked, writes them once a sign-in is proven, and resets passwords there if its table says so.
//! const GRANTS: &[Grant] = &[
//!     grants::READ,
//!     grants::WRITE.at(&[PostAuthentication::NAME]),
//!     grants::RESET_PASSWORD.at(&[PostAuthentication::NAME]).when(&[When::is("action", "reset")]),
//! ];
//! # assert_eq!(GRANTS[2].by, Caller::Function);
//! # assert!(GRANTS[0].is_at(PreAuthentication::NAME) && !GRANTS[1].is_at(PreAuthentication::NAME));
//! ```

use serde::Serialize;

use crate::trigger::{PostAuthentication, PostConfirmation, PreTokenGenerationV1, Trigger};

/// Actions that a role is allowed on one kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Grant {
    /// The actions, as IAM names them. None holds a wildcard.
    pub actions: &'static [&'static str],
    /// What they are allowed on.
    #[serde(rename = "resource")]
    pub on: Resource,
    /// Whose role needs it.
    pub by: Caller,
    /// At which triggers the rule may do it, by their [names](crate::Trigger::NAME); empty: at all it is asked at. Nothing to the
    /// courier, which no trigger calls.
    pub at: &'static [&'static str],
    /// What has to be set for it to be needed, all of it; empty: always.
    pub when: &'static [When],
}

/// A kind of resource, and what it is in the terms of `[services]`. It is only needed where that service is one of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Resource {
    /// The table of the ledger: `arn:aws:dynamodb:<region>:<account>:table/<table>`.
    LedgerTable,
    /// The index `due` of that table: `arn:aws:dynamodb:<region>:<account>:table/<table>/index/due`.
    LedgerIndex,
    /// The user pool: `arn:aws:cognito-idp:<region>:<account>:userpool/<id>`.
    UserPool,
    /// The identity mails are sent from: `arn:aws:ses:<region>:<account>:identity/<address or domain>`.
    SenderIdentity,
    /// The configuration set mails are sent with, if the mailer names one:
    /// `arn:aws:ses:<region>:<account>:configuration-set/<name>`.
    ConfigurationSet,
    /// The objects users get: `arn:aws:s3:::<bucket>/<what their keys begin with>*`.
    UserObjects,
    /// The objects users get copies of: `arn:aws:s3:::<bucket>/<what their keys begin with>*`.
    TemplateObjects,
    /// The bucket itself: `arn:aws:s3:::<bucket>`.
    Bucket,
    /// The event bus: `arn:aws:events:<region>:<account>:event-bus/<bus>`.
    EventBus,
}

/// Whose role needs a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Caller {
    /// The function with the rule, within the event.
    Function,
    /// The courier, which carries out what the rule staged.
    Courier,
}

/// A key of the rule's own table that has to be set in some way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct When {
    /// The key.
    pub key: &'static str,
    /// How.
    pub test: Test,
    /// Whether a table without the key counts as one with it.
    pub by_default: bool,
}

/// How a key has to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Test {
    /// It is there.
    Set,
    /// It is `true`.
    On,
    /// It is this text.
    Is(&'static str),
    /// It is a list with this text.
    Lists(&'static str),
    /// It is a number other than 0.
    NotZero,
    /// It is a list or table that is not empty, or a text.
    Filled,
}

impl When {
    /// The key is there.
    #[must_use]
    pub const fn set(key: &'static str) -> Self {
        Self { key, test: Test::Set, by_default: false }
    }

    /// The key is `true`, which is not its default.
    #[must_use]
    pub const fn on(key: &'static str) -> Self {
        Self { key, test: Test::On, by_default: false }
    }

    /// The key has this value, which is not its default.
    #[must_use]
    pub const fn is(key: &'static str, value: &'static str) -> Self {
        Self { key, test: Test::Is(value), by_default: false }
    }

    /// The key is a list with this text.
    #[must_use]
    pub const fn lists(key: &'static str, text: &'static str) -> Self {
        Self { key, test: Test::Lists(text), by_default: false }
    }

    /// The key is a number other than 0.
    #[must_use]
    pub const fn not_zero(key: &'static str) -> Self {
        Self { key, test: Test::NotZero, by_default: false }
    }

    /// The key holds something.
    #[must_use]
    pub const fn filled(key: &'static str) -> Self {
        Self { key, test: Test::Filled, by_default: false }
    }

    /// The same where leaving the key out means that.
    #[must_use]
    pub const fn by_default(self) -> Self {
        Self { by_default: true, ..self }
    }
}

/// Where a user has proven to be who they say they are, or was confirmed. A stranger gets as far as PreAuthentication by naming
/// somebody: rules look there, and write nothing.
pub const PROVEN: &[&str] = &[PostConfirmation::NAME, PostAuthentication::NAME, PreTokenGenerationV1::NAME];

/// What a rule stages after PostConfirmation is carried out before that is answered: `delivery` in its table, else under
/// `[services]`.
pub const INLINE: When = When::is("delivery", "inline").by_default();

const WITHIN_THE_EVENT: &[When] = &[INLINE];

/// No other trigger has deliveries carried out before it is answered: [`Trigger::DELIVERS`].
const DELIVERS: &[&str] = &[PostConfirmation::NAME];

impl Grant {
    /// The function itself may do this.
    #[must_use]
    pub const fn of(on: Resource, actions: &'static [&'static str]) -> Self {
        Self { actions, on, by: Caller::Function, at: &[], when: &[] }
    }

    /// The same, only needed if all of this is set.
    #[must_use]
    pub const fn when(self, when: &'static [When]) -> Self {
        Self { when, ..self }
    }

    /// The same, only needed at these triggers.
    #[must_use]
    pub const fn at(self, at: &'static [&'static str]) -> Self {
        Self { at, ..self }
    }

    /// Whether it is needed at this trigger, if the rule is asked there.
    #[must_use]
    pub fn is_at(&self, trigger: &str) -> bool {
        self.at.is_empty() || self.at.contains(&trigger)
    }

    /// The same for the courier.
    #[must_use]
    pub const fn by_courier(self) -> Self {
        Self { by: Caller::Courier, ..self }
    }

    /// The same for a function that carries it out before PostConfirmation is answered, unless it is left to the courier.
    #[must_use]
    pub const fn inline(self) -> Self {
        self.when(WITHIN_THE_EVENT).at(DELIVERS)
    }
}

/// Reading the ledger: all of it but lists.
pub const READ: Grant = Grant::of(Resource::LedgerTable, &["dynamodb:BatchGetItem"]);

/// Writing members, and with them deliveries and names that are held for good.
pub const WRITE: Grant = Grant::of(Resource::LedgerTable, &["dynamodb:PutItem"]);

/// Reserving names, and renewing that. Those held for good take what members take, [`WRITE`].
pub const HOLD: Grant = Grant::of(Resource::LedgerTable, &["dynamodb:ConditionCheckItem", "dynamodb:PutItem"]);

/// Reserving uses of invitations.
pub const RESERVATIONS: Grant = Grant::of(Resource::LedgerTable, &["dynamodb:PutItem"]);

/// Consuming them, whatever became of the reservation.
pub const INVITATIONS: Grant = Grant::of(Resource::LedgerTable, &["dynamodb:PutItem", "dynamodb:UpdateItem"]);

/// Giving names back, and removing members.
pub const REMOVE: Grant = Grant::of(Resource::LedgerTable, &["dynamodb:DeleteItem"]);

/// Noting in the ledger that deliveries are done.
pub const ACKNOWLEDGE: Grant = Grant::of(Resource::LedgerTable, &["dynamodb:BatchWriteItem"]);

/// Leasing deliveries and noting what became of them.
pub const LEASE: Grant = Grant::of(Resource::LedgerTable, &["dynamodb:UpdateItem"]);

/// Finding deliveries that are due, and counting what is left.
pub const FIND_DUE: Grant = Grant::of(Resource::LedgerIndex, &["dynamodb:Query"]);

/// Asking for a user by name.
pub const FIND_USER: Grant = Grant::of(Resource::UserPool, &["cognito-idp:AdminGetUser"]);

/// Asking when a user was created whom a rule met at a sign-in: what `onboard-since` takes of the courier.
pub const FIND_NEWCOMER: Grant = FIND_USER.by_courier().when(WHO_IS_NEW);

const WHO_IS_NEW: &[When] = &[When::set("onboard-since"), When::on("at-sign-in").by_default()];

/// Asking for a user by `sub`.
pub const FIND_SUB: Grant = Grant::of(Resource::UserPool, &["cognito-idp:ListUsers"]);

/// Changing the attributes of users.
pub const UPDATE_USER: Grant = Grant::of(Resource::UserPool, &["cognito-idp:AdminUpdateUserAttributes"]);

/// Signing users out everywhere.
pub const SIGN_OUT: Grant = Grant::of(Resource::UserPool, &["cognito-idp:AdminUserGlobalSignOut"]);

/// Having users choose a new password.
pub const RESET_PASSWORD: Grant =
    Grant::of(Resource::UserPool, &["cognito-idp:AdminGetUser", "cognito-idp:AdminResetUserPassword"]);

/// Sending mails.
pub const SEND: Grant = Grant::of(Resource::SenderIdentity, &["ses:SendRawEmail"]);

/// Sending them with a configuration set.
pub const SEND_WITH_SET: Grant = Grant::of(Resource::ConfigurationSet, &["ses:SendRawEmail"]);

/// Putting users' files.
pub const PUT_FILES: Grant = Grant::of(Resource::UserObjects, &["s3:PutObject"]);

/// Reading what is to be copied.
pub const READ_FILES: Grant = Grant::of(Resource::TemplateObjects, &["s3:GetObject"]);

/// Listing what is to be copied.
pub const LIST_FILES: Grant = Grant::of(Resource::Bucket, &["s3:ListBucket"]);

/// Publishing events, and making sure that there is such a bus.
pub const PUBLISH: Grant = Grant::of(Resource::EventBus, &["events:DescribeEventBus", "events:PutEvents"]);

/// What the ledger is used for within events: reading, writing, names, invitations, removing, and acknowledging.
pub const LEDGER: &[Grant] = &[READ, WRITE, HOLD, RESERVATIONS, INVITATIONS, REMOVE, ACKNOWLEDGE];

/// What the courier needs of the outbox, whatever is delivered.
pub const OUTBOX: &[Grant] = &[LEASE.by_courier(), ACKNOWLEDGE.by_courier(), FIND_DUE.by_courier()];

/// What the directory is used for.
pub const DIRECTORY: &[Grant] = &[FIND_USER, FIND_SUB, UPDATE_USER, SIGN_OUT, RESET_PASSWORD];

/// What mails take.
pub const MAILER: &[Grant] = &[SEND, SEND_WITH_SET];

/// What files take, copies included.
pub const BUCKET: &[Grant] = &[PUT_FILES, READ_FILES, LIST_FILES];

/// What events take.
pub const PUBLISHER: &[Grant] = &[PUBLISH];

/// What an operator with `poolctl` needs on the table, its index and the pool.
pub const OPERATOR: &[Grant] = &[
    READ,
    WRITE,
    HOLD,
    INVITATIONS,
    REMOVE,
    ACKNOWLEDGE,
    Grant::of(Resource::LedgerTable, &["dynamodb:Query", "dynamodb:Scan"]),
    FIND_DUE,
    FIND_SUB,
];

impl Resource {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::LedgerTable,
        Self::LedgerIndex,
        Self::UserPool,
        Self::SenderIdentity,
        Self::ConfigurationSet,
        Self::UserObjects,
        Self::TemplateObjects,
        Self::Bucket,
        Self::EventBus,
    ];

    /// The key of `[services]` that names it, and how an address of AWS begins there.
    #[must_use]
    pub const fn service(self) -> (&'static str, &'static str) {
        match self {
            Self::LedgerTable | Self::LedgerIndex => ("ledger", "dynamodb"),
            Self::UserPool => ("directory", "cognito"),
            Self::SenderIdentity | Self::ConfigurationSet => ("mailer", "ses"),
            Self::UserObjects | Self::TemplateObjects | Self::Bucket => ("bucket", "s3"),
            Self::EventBus => ("publisher", "eventbridge"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::{
        CustomMessage, InboundFederation, PreAuthentication, PreSignUp, PreTokenGenerationV2, PreTokenGenerationV3,
        UserMigration,
    };

    #[test]
    fn no_action_holds_a_wildcard_and_each_is_of_its_resources_service() {
        let all = [LEDGER, OUTBOX, DIRECTORY, MAILER, BUCKET, PUBLISHER, OPERATOR].concat();
        for grant in &all {
            let prefix = match grant.on.service().0 {
                "ledger" => "dynamodb:",
                "directory" => "cognito-idp:",
                "mailer" => "ses:",
                "bucket" => "s3:",
                _ => "events:",
            };
            assert!(
                grant.actions.iter().all(|action| action.starts_with(prefix) && !action.contains('*')),
                "{grant:?}"
            );
            assert!(grant.actions.is_sorted(), "{grant:?}");
        }
        let granted = |resource: &&Resource| all.iter().any(|grant| grant.on == **resource);
        assert!(Resource::ALL.iter().all(|resource| granted(&resource)));
    }

    #[test]
    fn a_grant_is_written_as_it_is_meant() {
        let grant = RESET_PASSWORD.when(&[When { key: "action", test: Test::Is("reset"), by_default: false }]);
        let expected = serde_json::json!({
            "actions": ["cognito-idp:AdminGetUser", "cognito-idp:AdminResetUserPassword"],
            "resource": "user-pool",
            "by": "function",
            "at": [],
            "when": [{ "key": "action", "test": { "is": "reset" }, "by-default": false }],
        });
        assert_eq!(serde_json::to_value(grant).unwrap(), expected);
        let inline = serde_json::to_value(SEND.inline()).unwrap();
        assert_eq!(
            inline["when"][0],
            serde_json::json!({ "key": "delivery", "test": { "is": "inline" }, "by-default": true })
        );
        assert_eq!(inline["at"], serde_json::json!(["PostConfirmation"]));
        assert_eq!(serde_json::to_value(SEND.by_courier()).unwrap()["by"], "courier");
    }

    #[test]
    fn what_is_named_for_some_triggers_is_not_for_others() {
        assert!(READ.is_at("PreSignUp") && READ.at(&["PreSignUp"]).is_at("PreSignUp"));
        assert!(!READ.at(&["PreSignUp"]).is_at("PostConfirmation"));
        assert!(SEND.inline().is_at("PostConfirmation") && !SEND.inline().is_at("PostAuthentication"));
    }

    #[test]
    fn deliveries_are_carried_out_before_the_answer_of_one_trigger_alone() {
        fn of<T: Trigger>() -> Option<&'static str> {
            T::DELIVERS.then_some(T::NAME)
        }
        let all = [
            of::<PreSignUp>(),
            of::<PostConfirmation>(),
            of::<PreAuthentication>(),
            of::<PostAuthentication>(),
            of::<CustomMessage>(),
            of::<PreTokenGenerationV1>(),
            of::<PreTokenGenerationV2>(),
            of::<PreTokenGenerationV3>(),
            of::<UserMigration>(),
            of::<InboundFederation>(),
        ];
        assert_eq!(all.into_iter().flatten().collect::<Vec<_>>(), DELIVERS);
    }
}
