//! What a start has to do of DynamoDB, so that nobody is measured at less: one read and one write, signed, and the same for all.

use serde_json::Value;

use crate::dynamodb::Call;
use crate::signature::verify;

/// One read of items and one write of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// The body of the read.
    pub read: Value,
    /// The body of the write.
    pub write: Value,
}

impl Work {
    /// What these calls come to, each signed with `secret`.
    ///
    /// # Errors
    /// If they are not one consistent read, then one write; the message says what they are.
    pub fn of(calls: &[Call], secret: &str) -> Result<Self, String> {
        for call in calls {
            verify(call, secret).map_err(|error| format!("{} is not signed: {error}", call.operation()))?;
        }
        let bodies: Vec<_> = calls.iter().map(|call| (call.operation(), call.json())).collect();
        match bodies.as_slice() {
            [("BatchGetItem", read), ("PutItem", write)] if is_consistent(read) => {
                Ok(Self { read: read.clone(), write: write.clone() })
            }
            _ => {
                let names: Vec<_> = calls.iter().map(Call::operation).collect();
                Err(format!("not one consistent read and one write, but {names:?}"))
            }
        }
    }

    /// Whether the other asks for the same but for what is new every time: ids and times, which are of about one length.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        alike(&self.read, &other.read) && alike(&self.write, &other.write)
    }
}

fn is_consistent(read: &Value) -> bool {
    let tables = read.get("RequestItems").and_then(Value::as_object);
    let consistent = |keys: &Value| keys.get("ConsistentRead").and_then(Value::as_bool).unwrap_or_default();
    tables.is_some_and(|tables| tables.values().all(consistent))
}

/// How much longer a text may be than its like: a time ends in up to three digits, and there are seven of them.
const LEEWAY: usize = 32;

fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| alike(value, other)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::String(one), Value::String(other)) => one.len().abs_diff(other.len()) <= LEEWAY,
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::tests::{SECRET, signed};

    const LAX_READ: &str = r#"{"RequestItems":{"t":{"Keys":[],"ConsistentRead":false}}}"#;
    const READ: &str = r#"{"RequestItems":{"t":{"Keys":[],"ConsistentRead":true}}}"#;
    const WRITE: &str = r#"{"TableName":"t","Item":{"pk":{"S":"one"},"version":{"N":"1"}}}"#;

    fn work(calls: &[(&str, &str)]) -> Result<Work, String> {
        let calls: Vec<_> = calls.iter().map(|(operation, body)| signed(operation, body)).collect();
        Work::of(&calls, SECRET)
    }

    #[test]
    fn one_read_and_one_write_are_the_work() {
        let plain = work(&[("BatchGetItem", READ), ("PutItem", WRITE)]).unwrap();
        assert_eq!(plain.write.pointer("/Item/version/N"), Some(&"1".into()));
    }

    #[test]
    fn less_or_more_or_anything_else_is_not() {
        let (lax, read, write) = (("BatchGetItem", LAX_READ), ("BatchGetItem", READ), ("PutItem", WRITE));
        let others: [&[_]; 7] = [
            &[],
            &[read],
            &[lax, write],
            &[lax, read, write],
            &[write, read],
            &[read, read, write],
            &[read, ("DeleteItem", WRITE)],
        ];
        for calls in others {
            assert!(work(calls).is_err(), "{calls:?}");
        }
    }

    #[test]
    fn a_call_that_is_not_signed_is_no_work() {
        let mut calls = [signed("BatchGetItem", READ), signed("PutItem", WRITE)];
        assert!(Work::of(&calls, SECRET).is_ok());
        calls[1].headers.retain(|(name, _)| name != "authorization");
        assert!(Work::of(&calls, SECRET).unwrap_err().starts_with("PutItem is not signed"));
    }

    #[test]
    fn work_is_alike_if_only_its_texts_differ() {
        let work = |write: &str| work(&[("BatchGetItem", READ), ("PutItem", write)]).unwrap();
        let same = work(&WRITE.replace("one", "two"));
        let another_key = work(&WRITE.replace("pk", "id"));
        let more = work(&WRITE.replace(r#""version""#, r#""more":{"N":"1"},"version""#));
        let longer = work(&WRITE.replace("one", &"o".repeat(80)));
        let one = work(WRITE);
        assert!(one.is_alike(&same));
        for other in [another_key, more, longer] {
            assert!(!one.is_alike(&other), "{other:?}");
        }
    }
}
