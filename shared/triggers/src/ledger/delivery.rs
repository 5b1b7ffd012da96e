//! Deliveries: what a rule wants done outside, recorded in the same write as the decision.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Names a delivery within everything that is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeliveryId {
    /// The pool's id.
    pub pool: String,
    /// The user's `sub`.
    pub sub: String,
    /// The rule and the purpose, e.g. `unique-nickname/assign`: the same for every retry of one event.
    pub key: String,
}

/// One thing to be done outside, at least once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// What is to be done.
    pub task: Task,
    /// When it was staged.
    pub staged: Timestamp,
    /// When it is to be tried next. One that is carried out inline is due later: that is its lease.
    pub due: Timestamp,
    /// How often it was tried in vain.
    #[serde(default)]
    pub attempts: u32,
}

/// What is to be done.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// Sets attributes of the user through the directory.
    UpdateAttributes {
        /// The user's name in the pool.
        user_name: String,
        /// The attributes and their new values.
        attributes: BTreeMap<String, String>,
    },
}

impl fmt::Debug for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpdateAttributes { attributes, .. } => {
                formatter.debug_tuple("UpdateAttributes").field(&attributes.keys()).finish()
            }
        }
    }
}
