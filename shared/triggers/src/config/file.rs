//! Reading `triggers.toml`: finding it, its services, and the dispatcher that comes of it.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::bind::{Bound, Checked, DELIVERY_REMEDY, bind, delivery_mode};
use super::error::in_order;
use super::settings::{either, nearest};
use super::tree::{self, Node, Table, Value};
use super::{ConfigError, ConfigErrors, RuleSet};
use crate::{Chains, DeliveryMode, Environment, Keys, Need};

/// Where the file is looked for if `TRIGGERS_CONFIG` does not say: a Lambda layer, then the working directory.
const PLACES: [&str; 2] = ["/opt/triggers/triggers.toml", "triggers.toml"];

/// A key of `[services]`.
pub(super) struct Service {
    pub(super) key: &'static str,
    /// The environment variable that overrides it.
    pub(super) variable: &'static str,
    /// What an address looks like.
    pub(super) example: &'static str,
    /// What it is for, for editors.
    pub(super) purpose: &'static str,
}

/// The keys of `[services]`.
pub(super) const SERVICES: [Service; 6] = [
    Service {
        key: "ledger",
        variable: "TRIGGERS_LEDGER",
        example: "`dynamodb:<table>` or `sqlite:<file>`",
        purpose: "What the pool remembers",
    },
    Service {
        key: "mailer",
        variable: "TRIGGERS_MAILER",
        example: "`ses:<sender>` or `folder:<folder>`",
        purpose: "Who sends mails",
    },
    Service {
        key: "bucket",
        variable: "TRIGGERS_BUCKET",
        example: "`s3:<bucket>` or `folder:<folder>`",
        purpose: "Where users' files are",
    },
    Service {
        key: "directory",
        variable: "TRIGGERS_DIRECTORY",
        example: "`cognito` or `local:<file>`",
        purpose: "The pool's users, as an administrator reaches them",
    },
    Service {
        key: "publisher",
        variable: "TRIGGERS_PUBLISHER",
        example: "`eventbridge:<bus>` or `file:<file>`",
        purpose: "Where events about users go",
    },
    Service {
        key: "links",
        variable: "TRIGGERS_LINKS",
        example: "`https://<URL of the function links>/`",
        purpose: "Where links in mails lead",
    },
];

/// A configuration file, read and not yet bound to a program's rules. `Debug` shows no values.
#[derive(Clone, Debug)]
pub struct Configuration {
    file: String,
    root: Table,
}

/// Where the services are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceAddresses {
    /// `dynamodb:<table>` or `sqlite:<file>`; `TRIGGERS_LEDGER`.
    pub ledger: Option<String>,
    /// `ses:<sender>` or `folder:<folder>`; `TRIGGERS_MAILER`.
    pub mailer: Option<String>,
    /// `s3:<bucket>` or `folder:<folder>`; `TRIGGERS_BUCKET`.
    pub bucket: Option<String>,
    /// `cognito` or `local:<file>`; `TRIGGERS_DIRECTORY`.
    pub directory: Option<String>,
    /// `eventbridge:<bus>` or `file:<file>`; `TRIGGERS_PUBLISHER`.
    pub publisher: Option<String>,
    /// `https://...`; `TRIGGERS_LINKS`.
    pub links: Option<String>,
}

impl Configuration {
    /// Reads the file at `TRIGGERS_CONFIG`, else `/opt/triggers/triggers.toml`, else `triggers.toml` in the working directory.
    ///
    /// # Errors
    ///
    /// If there is none, it cannot be read, or it is not TOML.
    pub fn find(environment: &Environment) -> Result<Self, ConfigErrors> {
        find(environment, &PLACES)
    }

    /// Reads a text; `file` is its name in messages.
    ///
    /// # Errors
    ///
    /// If it is not TOML. Whether its tables fit a program's rules turns out when they are bound: only then it is known which
    /// rules there are.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigErrors> {
        Ok(Self { file: file.to_owned(), root: tree::read(file, text)? })
    }

    /// The name of the file, as messages have it: the path it was read from.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Where the services are, with what the environment says instead.
    ///
    /// # Errors
    ///
    /// If `[services]` holds a key that is none, or what is no address. Whether an adapter takes the address turns out when it
    /// is opened.
    pub fn services(&self, environment: &Environment) -> Result<ServiceAddresses, ConfigErrors> {
        let mut errors = Vec::new();
        let addresses = self.addresses(environment, &mut errors);
        ConfigErrors::check(errors)?;
        Ok(addresses)
    }

    /// Binds the tables to the rules: the chains for every pool, and those of pools with settings of their own.
    ///
    /// # Errors
    ///
    /// If a table is unknown, does not fit its rule or is refused by it, or no rule is switched on: everything that is wrong.
    pub fn chains<R: RuleSet>(
        &self,
        environment: &Environment,
    ) -> Result<(Chains, HashMap<String, Chains>), ConfigErrors> {
        let bound = bind::<R>(self, environment);
        ConfigErrors::check(bound.errors)?;
        Ok((bound.base, bound.pools))
    }

    /// Everything [`Configuration::open`] looks at, except that no service is opened.
    ///
    /// Without an environment the file alone is judged: what it leaves to environment variables (secrets, the root key,
    /// addresses) is a warning then, since it may well be set where the program runs. A rule with such a warning is checked up
    /// to there.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub fn check<R: RuleSet>(&self, environment: Option<&Environment>) -> Result<Checked, ConfigErrors> {
        let empty = Environment::default();
        self.checked(bind::<R>(self, environment.unwrap_or(&empty)), environment)
    }

    /// The tables.
    pub(super) fn root(&self) -> &Table {
        &self.root
    }

    /// The pools with settings of their own.
    pub(super) fn pools(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.root.get("pools").and_then(Node::as_table).into_iter().flatten()
    }

    pub(super) fn pool_table(&self, pool: &str) -> Option<&Table> {
        self.root.get("pools")?.as_table()?.get(pool)?.as_table()
    }

    fn checked(&self, mut bound: Bound, environment: Option<&Environment>) -> Result<Checked, ConfigErrors> {
        let empty = Environment::default();
        self.prepared(&mut bound, environment.unwrap_or(&empty));
        let mut checked = bound.checked;
        let mut errors = bound.errors;
        if environment.is_none() {
            (checked.warnings, errors) = errors.into_iter().partition(ConfigError::is_elsewhere);
        }
        in_order(&mut checked.warnings);
        ConfigErrors::check(errors)?;
        Ok(checked)
    }

    /// What the services are opened with; adds to the errors what is wrong or missing there.
    pub(super) fn prepared(&self, bound: &mut Bound, environment: &Environment) -> (ServiceAddresses, Keys) {
        let addresses = self.addresses(environment, &mut bound.errors);
        let mut keys = Keys::default();
        if let Some(text) = environment.find("TRIGGERS_KEY") {
            match Keys::parse(text) {
                Ok(parsed) => keys = parsed,
                Err(error) => bound.errors.push(error.at("TRIGGERS_KEY")),
            }
        }
        // A wrong address or key is an error already: only what is not there at all counts as missing.
        let unmet = bound.unmet(self, |need| match need {
            Need::Ledger => self.has_service("ledger") || environment.find("TRIGGERS_LEDGER").is_some(),
            Need::Directory => self.has_service("directory") || environment.find("TRIGGERS_DIRECTORY").is_some(),
            Need::Mailer => self.has_service("mailer") || environment.find("TRIGGERS_MAILER").is_some(),
            Need::Bucket => self.has_service("bucket") || environment.find("TRIGGERS_BUCKET").is_some(),
            Need::Publisher => self.has_service("publisher") || environment.find("TRIGGERS_PUBLISHER").is_some(),
            Need::Links => self.has_service("links") || environment.find("TRIGGERS_LINKS").is_some(),
            Need::Key => environment.find("TRIGGERS_KEY").is_some(),
        });
        bound.errors.extend(unmet);
        (addresses, keys)
    }

    fn has_service(&self, key: &str) -> bool {
        self.service(key).is_some()
    }

    pub(super) fn service(&self, key: &str) -> Option<&Node> {
        self.root.get("services")?.as_table()?.get(key)
    }

    pub(super) fn addresses(&self, environment: &Environment, errors: &mut Vec<ConfigError>) -> ServiceAddresses {
        self.check_service_keys(errors);
        let mut find = |service: &Service| {
            let written = match self.service(service.key) {
                Some(node) => self.written_address(service, node, errors),
                None => None,
            };
            let Some(address) = environment.find(service.variable) else { return written };
            if !is_address(service, address) {
                errors.push(no_address(service).at(service.variable));
                return None;
            }
            Some(address.to_owned())
        };
        let [ledger, mailer, bucket, directory, publisher, links] = SERVICES.each_ref().map(&mut find);
        ServiceAddresses { ledger, mailer, bucket, directory, publisher, links }
    }

    fn check_service_keys(&self, errors: &mut Vec<ConfigError>) {
        let Some(node) = self.root.get("services") else { return };
        let Some(table) = node.as_table() else {
            let error = ConfigError::new(format!("expected a table, found {}", node.kind()));
            errors.push(error.at("services").remedy("write `[services]`").placed(&self.file, node.line));
            return;
        };
        let mut known: Vec<_> = SERVICES.iter().map(|service| service.key).collect();
        known.extend(["templates", "delivery"]);
        self.check_other_keys(table, errors);
        for (key, node) in table.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let remedy = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use {}", either(&known)),
            };
            let error = ConfigError::new("there is no such service").at(tree::key_name(key)).within("services");
            errors.push(error.remedy(remedy).placed(&self.file, node.line));
        }
    }

    fn check_other_keys(&self, table: &Table, errors: &mut Vec<ConfigError>) {
        let mut note = |key: &str, node: &Node, error: ConfigError| {
            errors.push(error.at(key).within("services").placed(&self.file, node.line));
        };
        if let Some(node) = table.get("delivery")
            && let Err(error) = delivery_mode(node)
        {
            note("delivery", node, error.remedy(DELIVERY_REMEDY));
        }
        if let Some(node) = table.get("templates")
            && !matches!(&node.value, Value::Text(path) if !path.trim().is_empty())
        {
            note("templates", node, ConfigError::new("this is not a folder").remedy("write it as `templates/`"));
        }
    }

    /// When deliveries are carried out unless a rule's table says otherwise.
    pub(super) fn delivery(&self) -> DeliveryMode {
        self.service("delivery").and_then(|node| delivery_mode(node).ok()).unwrap_or_default()
    }

    /// The folder the file is in: below it stand the folders it names.
    #[must_use]
    pub fn folder(&self) -> &Path {
        Path::new(&self.file).parent().unwrap_or(Path::new(""))
    }

    /// The folder of templates: `TRIGGERS_TEMPLATES`, else what `[services] templates` says, else `templates`; the latter two
    /// beside the file.
    #[must_use]
    pub fn templates_folder(&self, environment: &Environment) -> PathBuf {
        let written = self.service("templates").and_then(|node| match &node.value {
            Value::Text(path) => Some(path.as_str()),
            _ => None,
        });
        match environment.find("TRIGGERS_TEMPLATES") {
            Some(path) => PathBuf::from(path),
            None => self.folder().join(written.unwrap_or("templates")),
        }
    }

    fn written_address(&self, service: &Service, node: &Node, errors: &mut Vec<ConfigError>) -> Option<String> {
        let error = match &node.value {
            Value::Text(text) if is_address(service, text) => return Some(text.clone()),
            Value::Text(_) => no_address(service),
            _ => ConfigError::new(format!("expected a string, found {}", node.kind()))
                .remedy(format!("write it as {}", service.example)),
        };
        errors.push(error.at(service.key).within("services").placed(&self.file, node.line));
        None
    }

    /// The same error with the place the address of a service came from: a variable, or a line of the file. `key` is the
    /// service's name under `[services]`; so the path of the error begins.
    #[must_use]
    pub fn service_error(&self, key: &str, error: ConfigError, environment: &Environment) -> ConfigError {
        let variable = SERVICES.iter().find(|service| service.key == key).map(|service| service.variable);
        match (variable.filter(|variable| environment.find(variable).is_some()), self.service(key)) {
            (Some(variable), _) => error.at(variable),
            (None, Some(node)) => error.within("services").placed(&self.file, node.line),
            (None, None) => error.within("services"),
        }
    }
}

/// Reads the first of the places that has a file.
pub(super) fn find(environment: &Environment, places: &[&str]) -> Result<Configuration, ConfigErrors> {
    let named = environment.find("TRIGGERS_CONFIG");
    let places = named.as_ref().map_or(places, std::slice::from_ref);
    for place in places {
        match fs::read(place) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|error| not_text(place, &error))?;
                return Configuration::parse(place, &text);
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => {
                let error = ConfigError::new(format!("`{place}` cannot be read: {error}"));
                let error = error.remedy("let the program read it, or name another file with TRIGGERS_CONFIG");
                return Err(error.into());
            }
        }
    }
    let error = match named {
        Some(place) => ConfigError::new(format!("there is no file `{place}`"))
            .at("TRIGGERS_CONFIG")
            .remedy("name the configuration's path, or unset it"),
        None => ConfigError::new(format!("there is no configuration at {}", either(places)))
            .remedy("put `triggers.toml` there, or name its path with TRIGGERS_CONFIG"),
    };
    Err(error.into())
}

fn not_text(place: &str, error: &std::string::FromUtf8Error) -> ConfigError {
    let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
    let line = before.filter(|byte| **byte == b'\n').count() + 1;
    ConfigError::new("the file is not UTF-8").remedy("save it as UTF-8").placed(place, line)
}

/// Whether this could be an address: `scheme:rest`, or where there is only one of a kind the scheme alone.
fn is_address(service: &Service, text: &str) -> bool {
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) => (scheme, !rest.trim().is_empty()),
        None => (text, service.key == "directory"),
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    rest && scheme.starts_with(|first: char| first.is_ascii_lowercase()) && scheme.bytes().all(plain)
}

fn no_address(service: &Service) -> ConfigError {
    ConfigError::new(format!("this is not the address of a {}", service.key))
        .remedy(format!("write it as {}", service.example))
}
