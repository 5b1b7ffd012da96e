//! Settings that are one thing or a list of them, as in `locale = "de"` and `locale = ["de", "fr"]`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, SeqAccess, Visitor};

/// One or more, never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOrMore<T>(BTreeSet<T>);

impl<T> OneOrMore<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

impl<'de, T: Deserialize<'de> + Ord> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Ord> Visitor<'de> for Either<T> {
            type Value = OneOrMore<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("one or an array of several")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMore<T>, E> {
                T::deserialize(text.into_deserializer()).map(one)
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<OneOrMore<T>, E> {
                T::deserialize(truth.into_deserializer()).map(one)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<OneOrMore<T>, E> {
                T::deserialize(number.into_deserializer()).map(one)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore<T>, A::Error> {
                let mut all = BTreeSet::new();
                while let Some(next) = list.next_element()? {
                    all.insert(next);
                }
                if all.is_empty() {
                    return Err(A::Error::custom(
                        "nobody is meant by an empty list: name at least one, or remove the key",
                    ));
                }
                Ok(OneOrMore(all))
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

fn one<T: Ord>(value: T) -> OneOrMore<T> {
    OneOrMore(BTreeSet::from([value]))
}

impl<T: JsonSchema> JsonSchema for OneOrMore<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMore{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}
