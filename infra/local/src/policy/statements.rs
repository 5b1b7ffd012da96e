//! Statements of a policy, from what is granted and the addresses of services.

use std::collections::{BTreeMap, BTreeSet};

use cognito_triggers::config::{Configuration, Granted};
use cognito_triggers::grants::Resource;
use cognito_triggers::{ConfigError, Environment, Mailbox};
use s3_provisioning::prefix::Prefix;
use serde::Serialize;
use serde_json::{Value, json};

use super::Role;
use super::arns::{Place, literal};
use crate::check::ses_sender;
use crate::world::Problem;

/// One statement.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    sid: &'static str,
    effect: &'static str,
    action: BTreeSet<&'static str>,
    resource: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

/// What the services of AWS are called, as far as they are needed.
#[derive(Default)]
pub(super) struct Addresses {
    table: String,
    bus: String,
    bucket: String,
    /// Empty, or ends with `/`.
    folder: String,
    sender: String,
    configuration_set: Option<String>,
    /// Services that are needed and are none of AWS.
    elsewhere: BTreeMap<&'static str, String>,
}

impl Addresses {
    /// # Errors
    ///
    /// If a service that is needed is not named, or there can be none of that name.
    pub(super) fn read(
        configuration: &Configuration,
        environment: &Environment,
        granted: &[Granted],
        role: Role,
    ) -> Result<Self, Problem> {
        let services = configuration.services(environment)?;
        let needed: BTreeSet<_> = granted.iter().map(|granted| granted.grant.on.service()).collect();
        let mut addresses = Self::default();
        for (service, scheme) in needed {
            let address = match service {
                "ledger" => &services.ledger,
                "directory" => &services.directory,
                "mailer" => &services.mailer,
                "bucket" => &services.bucket,
                _ => &services.publisher,
            };
            let Some(address) = address else {
                if service == "directory" && matches!(role, Role::Job(_)) {
                    // These work without one, as far as they can.
                    addresses.elsewhere.insert(service, String::new());
                    continue;
                }
                let variable = format!("TRIGGERS_{}", service.to_ascii_uppercase());
                let error = ConfigError::new(format!("`{}` needs a {service}, and none is named", role.name()));
                return Err(error.at("services").remedy(format!("add `{service} = ..` or set {variable}")).into());
            };
            let (kind, name) = address.split_once(':').unwrap_or((address, ""));
            if kind != scheme {
                addresses.elsewhere.insert(service, address.clone());
            } else if let Err(error) = addresses.take(service, name) {
                return Err(configuration.service_error(service, error.at(service), environment).into());
            }
        }
        Ok(addresses)
    }

    /// Takes a name as its adapter would, as far as that matters to an ARN.
    fn take(&mut self, service: &str, name: &str) -> Result<(), ConfigError> {
        let plain = |text: &str, others: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
        };
        let wrong = |what: &str| Err(ConfigError::new(format!("`{name}` cannot be the name of {what}")));
        match service {
            "ledger" if plain(name, b"_-.") || is_arn(name, ":dynamodb:") => self.table = name.to_owned(),
            "ledger" => return wrong("a DynamoDB table"),
            "publisher" if plain(name, b"/._-") || is_arn(name, ":events:") => self.bus = name.to_owned(),
            "publisher" => return wrong("an event bus"),
            "bucket" => {
                let (bucket, folder) = name.split_once('/').unwrap_or((name, ""));
                if !plain(bucket, b"-.") {
                    return wrong("an S3 bucket");
                }
                bucket.clone_into(&mut self.bucket);
                let folder = folder.trim_matches('/');
                self.folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            }
            "mailer" => {
                let address = format!("ses:{name}");
                let Some(Ok((sender, options))) = ses_sender(&address) else { return wrong("a sender") };
                sender.address().clone_into(&mut self.sender);
                let mut sets = options.split('&').filter_map(|option| option.strip_prefix("configuration-set="));
                self.configuration_set = sets.next().map(str::to_owned);
                if self.configuration_set.as_deref().is_some_and(|set| !plain(set, b"_-")) {
                    return wrong("a mailer: its configuration set has 1 to 64 letters, digits, `_` or `-`");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn is_elsewhere(&self, resource: Resource) -> bool {
        self.elsewhere.contains_key(resource.service().0)
    }

    /// What is needed and no permission of AWS.
    pub(super) fn notes(&self) -> Vec<String> {
        let note = |(service, address): (&&str, &String)| match address.as_str() {
            "" => format!("no {service} is named, so nothing is allowed on one"),
            address => format!("the {service} `{address}` is none of AWS, so nothing is allowed for it"),
        };
        self.elsewhere.iter().map(note).collect()
    }
}

/// One statement for each kind of resource.
pub(super) fn of(granted: &[Granted], at: &Addresses, place: &mut Place) -> Result<Vec<Statement>, Problem> {
    let mut statements = Vec::new();
    for resource in Resource::ALL {
        let of_it: Vec<_> = granted.iter().filter(|granted| granted.grant.on == *resource).collect();
        if of_it.is_empty() || at.is_elsewhere(*resource) {
            continue;
        }
        let action = of_it.iter().flat_map(|granted| granted.grant.actions.iter().copied()).collect();
        let Some((sid, resource, condition)) = lay(*resource, &of_it, at, place)? else { continue };
        statements.push(Statement {
            sid,
            effect: "Allow",
            action,
            resource: resource.into_iter().collect(),
            condition,
        });
    }
    Ok(statements)
}

type Laid = (&'static str, Vec<String>, Option<Value>);

/// The resources of a kind, and under what condition; `None` if the configuration has none.
fn lay(resource: Resource, granted: &[&Granted], at: &Addresses, place: &mut Place) -> Result<Option<Laid>, Problem> {
    let from_senders = |senders: &BTreeSet<String>| json!({ "StringEquals": { "ses:FromAddress": senders } });
    Ok(Some(match resource {
        Resource::LedgerTable => ("LedgerTable", vec![table(at, place)], None),
        Resource::LedgerIndex => ("LedgerIndex", vec![format!("{}/index/due", table(at, place))], None),
        Resource::UserPool => ("UserPool", place.pools(), None),
        Resource::SenderIdentity => {
            let senders = senders(granted, at)?;
            let identities = senders.iter().flat_map(|sender| place.identities(sender)).collect();
            ("SenderIdentity", identities, Some(from_senders(&senders)))
        }
        Resource::ConfigurationSet => {
            let Some(set) = &at.configuration_set else { return Ok(None) };
            let arn = place.arn("ses", &format!("configuration-set/{set}"));
            ("ConfigurationSet", vec![arn], Some(from_senders(&senders(granted, at)?)))
        }
        Resource::UserObjects => {
            let keys = |granted: &&Granted| match granted.text("prefix").map(str::parse::<Prefix>) {
                Some(Ok(prefix)) => objects(prefix.common(), at, place),
                // One that is wrong was refused before.
                _ => objects(Prefix::default().common(), at, place),
            };
            ("UserObjects", granted.iter().map(keys).collect(), None)
        }
        Resource::TemplateObjects => {
            let keys = granted.iter().map(|granted| objects(copied(granted), at, place)).collect();
            ("TemplateObjects", keys, None)
        }
        Resource::Bucket => {
            let listed: BTreeSet<_> =
                granted.iter().map(|granted| format!("{}{}", at.folder, copied(granted))).collect();
            let condition = json!({ "StringEquals": { "s3:prefix": listed } });
            ("Bucket", vec![place.bucket_arn(&at.bucket)], Some(condition))
        }
        Resource::EventBus => {
            let arn = if at.bus.starts_with("arn:") {
                at.bus.clone()
            } else {
                place.arn("events", &format!("event-bus/{}", at.bus))
            };
            ("EventBus", vec![arn], None)
        }
        _ => return Err(Problem::new(format!("there is no statement for {resource:?} yet"))),
    }))
}

/// What Lambda writes of the function itself; who makes the function makes the group.
pub(super) fn log(function: &str, place: &mut Place) -> Statement {
    let group = place.arn("logs", &format!("log-group:/aws/lambda/{function}:*"));
    Statement {
        sid: "OwnLog",
        effect: "Allow",
        action: ["logs:CreateLogStream", "logs:PutLogEvents"].into(),
        resource: [group].into(),
        condition: None,
    }
}

fn table(at: &Addresses, place: &mut Place) -> String {
    if at.table.starts_with("arn:") { at.table.clone() } else { place.arn("dynamodb", &format!("table/{}", at.table)) }
}

fn objects(begin_with: &str, at: &Addresses, place: &Place) -> String {
    place.bucket_arn(&format!("{}/{}{}*", at.bucket, literal(&at.folder), literal(begin_with)))
}

fn copied<'a>(granted: &&'a Granted) -> &'a str {
    granted.text("copy-from").unwrap_or_default()
}

/// Who the mails are from: the rule's `from`, else the mailer's sender.
fn senders(granted: &[&Granted], at: &Addresses) -> Result<BTreeSet<String>, Problem> {
    let sender = |granted: &&Granted| match granted.text("from").map(str::parse::<Mailbox>) {
        None => Ok(at.sender.clone()),
        Some(Ok(from)) => Ok(from.address().to_owned()),
        Some(Err(error)) => Err(ConfigError::new(error.to_string()).at(format!("{}.from", granted.section)).into()),
    };
    granted.iter().map(sender).collect()
}

fn is_arn(text: &str, service: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    text.starts_with("arn:") && text.contains(service) && text.bytes().all(plain)
}
