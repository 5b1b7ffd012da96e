//! Finds and opens the ledger and the directory.

use std::sync::Arc;

use cognito_triggers::config::Configuration;
use cognito_triggers::ledger::LedgerAdmin;
use cognito_triggers::{ConfigError, Directory, Environment, Keys};

use crate::command::Place;
use crate::world::Problem;

/// What becomes of a file of this machine that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Made,
    Refused,
}

/// Where to look, and what was found there.
pub(crate) struct Opener {
    ledger: Option<String>,
    directory: Option<String>,
    environment: Environment,
    #[cfg_attr(not(feature = "embedded"), expect(dead_code, reason = "only pools of this machine are files"))]
    missing: Missing,
}

impl Opener {
    /// What the arguments say, else the environment, else the configuration.
    pub(crate) fn of(place: &Place, environment: Environment, missing: Missing) -> Result<Self, Problem> {
        let (ledger, directory) = (place.ledger.clone(), place.directory.clone());
        let mut opener = Self { ledger, directory, environment, missing };
        let all = opener.ledger.is_some() && opener.directory.is_some();
        let configuration = match &place.config {
            Some(file) => {
                let name = file.display().to_string();
                let bytes =
                    std::fs::read(file).map_err(|error| Problem::new(format!("`{name}` cannot be read: {error}")))?;
                let text = String::from_utf8(bytes).map_err(|_| Problem::new(format!("`{name}` is not UTF-8")))?;
                Some(Configuration::parse(&name, &text)?)
            }
            // Addresses may all come from elsewhere; if one is missing, it is said what for.
            None if all => None,
            // One that is not there is no mistake, one that cannot be read is.
            None if is_there(&opener.environment) => Some(Configuration::find(&opener.environment)?),
            None => None,
        };
        let configuration = match configuration {
            Some(configuration) => configuration,
            None => Configuration::parse("the environment", "")?,
        };
        if !all {
            let addresses = configuration.services(&opener.environment)?;
            opener.ledger = opener.ledger.or(addresses.ledger);
            opener.directory = opener.directory.or(addresses.directory);
        }
        Ok(opener)
    }

    /// The ledger.
    pub(crate) fn ledger(&self) -> Result<Arc<dyn LedgerAdmin>, Problem> {
        let address =
            self.ledger.as_deref().ok_or_else(|| missing("ledger", "`dynamodb:<table>` or `sqlite:<file>`"))?;
        let (scheme, rest) = address.split_once(':').unwrap_or((address, ""));
        match scheme {
            #[cfg(feature = "embedded")]
            "sqlite" => {
                let file = self.file("ledger", address, rest)?;
                let ledger = cognito_triggers_embedded::SqliteLedger::open(file);
                Ok(Arc::new(ledger.map_err(|error| error.at(address))?))
            }
            #[cfg(feature = "aws")]
            "dynamodb" => {
                let limits = cognito_triggers_aws::Limits::TOOL;
                let ledger = cognito_triggers_aws::DynamoLedger::open(rest, &self.environment, limits);
                Ok(Arc::new(ledger?))
            }
            _ => Err(stranger("ledger", scheme)),
        }
    }

    /// The directory.
    pub(crate) fn directory(&self) -> Result<Arc<dyn Directory>, Problem> {
        let address = self.directory.as_deref().ok_or_else(|| missing("directory", "`cognito` or `local:<file>`"))?;
        let (scheme, rest) = address.split_once(':').unwrap_or((address, ""));
        match scheme {
            #[cfg(feature = "embedded")]
            "local" => {
                let file = self.file("directory", address, rest)?;
                let directory = cognito_triggers_embedded::LocalDirectory::open(file);
                Ok(Arc::new(directory.map_err(|error| error.at(address))?))
            }
            #[cfg(feature = "aws")]
            "cognito" if !rest.is_empty() => Err(Problem::new(format!(
                "`cognito` takes no address, but `{rest}` is given; the pool is named with --pool"
            ))),
            #[cfg(feature = "aws")]
            "cognito" => {
                let limits = cognito_triggers_aws::Limits::TOOL;
                let directory = cognito_triggers_aws::CognitoDirectory::open(&self.environment, limits);
                Ok(Arc::new(directory?))
            }
            _ => Err(stranger("directory", scheme)),
        }
    }

    /// The file of an address. What else can be wrong with it is found when it is opened.
    #[cfg(feature = "embedded")]
    fn file<'a>(&self, service: &str, address: &str, name: &'a str) -> Result<&'a std::path::Path, Problem> {
        let file = std::path::Path::new(name);
        if self.missing == Missing::Made || name.is_empty() || file.try_exists().unwrap_or(true) {
            return Ok(file);
        }
        let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let error = ConfigError::new(format!("there is no file `{}`", whole.display())).at(address);
        Err(error.remedy(format!("name the file of the {service} that the functions use")).into())
    }

    /// The root keys.
    pub(crate) fn keys(&self) -> Result<Keys, Problem> {
        match self.environment.find("TRIGGERS_KEY") {
            Some(text) => Ok(Keys::parse(text).map_err(|error| error.at("TRIGGERS_KEY"))?),
            None => Ok(Keys::default()),
        }
    }
}

/// Whether there is a configuration where functions look for one.
fn is_there(environment: &Environment) -> bool {
    let usual = ["/opt/triggers/triggers.toml", "triggers.toml"];
    environment.find("TRIGGERS_CONFIG").is_some() || usual.iter().any(|file| std::path::Path::new(file).exists())
}

fn missing(service: &str, example: &str) -> Problem {
    let variable = format!("TRIGGERS_{}", service.to_uppercase());
    let error = ConfigError::new(format!("no {service} is named"));
    Problem::from(error.remedy(format!(
        "name it with --{service}, e.g. {example}, with {variable}, or under [services] of the file --config names"
    )))
}

fn stranger(service: &str, scheme: &str) -> Problem {
    let built = [(cfg!(feature = "aws"), ["dynamodb", "cognito"]), (cfg!(feature = "embedded"), ["sqlite", "local"])];
    let of_kind = |[ledger, directory]: [&'static str; 2]| if service == "ledger" { ledger } else { directory };
    let known: Vec<_> =
        built.into_iter().filter(|(has, _)| *has).map(|(_, names)| format!("`{}`", of_kind(names))).collect();
    Problem::new(format!("this program has no {service} called `{scheme}`; it was built for {}", known.join(" and ")))
}
