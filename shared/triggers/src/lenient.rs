//! Reading that never fails: a value of an unexpected shape counts as absent.
//!
//! Cognito adds fields, sends `null` for a map, a list for a string. None of that may turn into an error at sign-in, so
//! every field of a request is read on its own and falls back to its default.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

/// For `#[serde(deserialize_with = "lenient::field")]`, together with `default`.
pub(crate) fn field<'de, D, V>(deserializer: D) -> Result<V, D::Error>
where
    D: Deserializer<'de>,
    V: DeserializeOwned + Default,
{
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}
