//! Settings that must not stand in a file.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::ConfigError;
use crate::Environment;

/// A secret: written out, or `{ env = "NAME" }`, the name of an environment variable that holds it.
#[derive(Clone, JsonSchema)]
#[schemars(untagged)]
pub enum Secret {
    /// The secret itself. Whoever can read the file knows it.
    Text(String),
    /// Where it is.
    Variable(Variable),
}

/// `{ env = "NAME" }`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// The name of an environment variable.
    env: String,
}

impl Secret {
    /// The secret.
    ///
    /// # Errors
    ///
    /// If the variable it names is not set, or it is empty.
    pub fn reveal<'a>(&'a self, environment: &'a Environment) -> Result<&'a str, ConfigError> {
        match self {
            Self::Text(text) if text.trim().is_empty() => {
                Err(ConfigError::new("the secret is empty").remedy("write one, or name a variable: { env = \"NAME\" }"))
            }
            Self::Text(text) => Ok(text),
            Self::Variable(Variable { env }) => environment.find(env).ok_or_else(|| {
                ConfigError::new(format!("the environment variable `{env}` is not set"))
                    .remedy("set it where the function runs")
                    .elsewhere()
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

/// Takes either form. Written out, since the error of a derived one would not say what a secret looks like.
struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Secret;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a secret, which is a string or `{ env = \"NAME\" }`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
        Variable::deserialize(MapAccessDeserializer::new(map)).map(Secret::Variable)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("Secret(..)"),
            Self::Variable(Variable { env }) => write!(formatter, "Secret(${env})"),
        }
    }
}
