//! `cargo local policy`: the least a function's role has to be allowed, for one configuration.
//!
//! What the functions declare ([`grants`](crate::grants)) is taken as the tables of the configuration are, and laid on the
//! resources its addresses name: one statement for each kind of resource. The policy is what the code calls, and nothing else.
//! Not in it is what Lambda itself does in the name of the role: writing the log, which `--function-name` adds (or the managed
//! policy `AWSLambdaBasicExecutionRole` has, with more), and reading the stream of the table for the courier, which whatever
//! maps the stream adds. What a key of one's own needs that encrypts a table or a bucket is not in it either.

mod arns;
mod statements;

use std::fs;
use std::path::PathBuf;

use clap::Args;
use cognito_triggers::TRIGGER_NAMES;
use cognito_triggers::config::{Configuration, Granted};
use cognito_triggers::grants::Caller;
use serde::Serialize;

use crate::check::{configuration, name_variables, pools_named};
use crate::functions::{Bound, Function};
use crate::grants::{COURIER, JOBS, Job};
use crate::world::{Problem, World};
use arns::Place;
use statements::{Addresses, Statement};

/// For whom, and where.
#[derive(Args, Debug)]
pub(crate) struct PolicyArguments {
    /// The file; without it the one a function would take: TRIGGERS_CONFIG, else triggers.toml
    file: Option<PathBuf>,
    /// The function, i.e. a package under functions/, or poolctl for whoever runs it
    #[arg(long, value_name = "NAME", default_value = "pool", value_parser = role)]
    function: Role,
    /// The triggers the function is for, as TRIGGERS_ONLY names them, with commas between them; without it all
    #[arg(long, value_name = "TRIGGERS", value_delimiter = ',', value_parser = trigger)]
    only: Vec<&'static str>,
    /// The id of the AWS account, 12 digits
    #[arg(long, value_name = "ID", value_parser = account)]
    account: Option<String>,
    /// The region; without it AWS_REGION
    #[arg(long, value_name = "NAME", value_parser = region)]
    region: Option<String>,
    /// The id of the user pool, as often as there are pools; without it those with tables of their own
    #[arg(long = "pool", value_name = "ID", value_parser = pool_id)]
    pools: Vec<String>,
    /// The identity that is verified in SES; without it the address of each sender and its domain
    #[arg(long = "identity", value_name = "NAME", value_parser = identity)]
    identities: Vec<String>,
    /// What the function is called in Lambda; adds what its log needs
    #[arg(long, value_name = "NAME", value_parser = lambda_name)]
    function_name: Option<String>,
}

/// As IAM takes it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

/// What is no function: who runs it has no log.
const OPERATOR: &str = "poolctl";

/// Whose role it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A function with rules.
    Rules(Function),
    /// One without.
    Job(Job),
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Rules(function) => function.name(),
            Self::Job(job) => job.name,
        }
    }
}

pub(crate) fn run(arguments: &PolicyArguments, world: &mut World<'_>) -> Result<u8, Problem> {
    let configuration = configuration(arguments.file.as_deref(), world)?;
    let environment = world.environment();
    let granted = match arguments.only.as_slice() {
        [] => granted(arguments.function, &configuration)?,
        only => granted_at(only, arguments.function, &configuration, world)?,
    };
    let region = arguments.region.clone().or_else(|| environment.find("AWS_REGION").map(str::to_owned));
    let pools = match arguments.pools.as_slice() {
        [] => of_its_own(&configuration),
        named => named.to_vec(),
    };
    let mut place = Place::new(region, arguments.account.clone(), pools, arguments.identities.clone());
    let addresses = Addresses::read(&configuration, &environment, &granted, arguments.function)?;
    let mut statements = statements::of(&granted, &addresses, &mut place)?;
    let is_empty = statements.is_empty();
    if let Some(name) = &arguments.function_name {
        statements.push(statements::log(name, &mut place));
    }
    let policy = Policy { version: "2012-10-17", statement: statements };
    let text = serde_json::to_string_pretty(&policy).map_err(|error| Problem::new(error.to_string()))?;
    writeln!(world.out, "{text}")?;

    let mut notes = place.notes();
    notes.extend(addresses.notes());
    if is_empty {
        let at =
            if arguments.only.is_empty() { String::new() } else { format!(" at {}", arguments.only.join(" and ")) };
        notes.push(format!("`{}` calls nothing of AWS{at} with this configuration", arguments.function.name()));
    }
    if arguments.function_name.is_none() && arguments.function.name() != OPERATOR {
        notes.push(
            "its log is not in it: name the function with --function-name, or attach AWSLambdaBasicExecutionRole"
                .into(),
        );
    }
    let word = world.error_paint().yellow("note:");
    for note in notes {
        writeln!(world.err, "{word} {note}")?;
    }
    Ok(0)
}

/// What this role needs with this configuration, which has to be in order.
fn granted(role: Role, configuration: &Configuration) -> Result<Vec<Granted>, Problem> {
    let of_rules = || configuration.grants::<pool::Rules>().into_iter();
    Ok(match role {
        Role::Rules(function) => {
            Bound::new(configuration, function).check(None)?;
            let is_its = |section| function == Function::Pool || function.name() == section;
            of_rules().filter(|it| it.grant.by == Caller::Function && is_its(it.section)).collect()
        }
        Role::Job(job) if job.name == COURIER => {
            Bound::new(configuration, Function::Pool).check(None)?;
            configuration.tables::<links::Settings>(links::Settings::SECTION)?;
            let of_jobs = JOBS.into_iter().flat_map(|job| configuration.grants_of(job.section, job.grants));
            of_jobs.chain(of_rules()).filter(|it| it.grant.by == Caller::Courier).collect()
        }
        Role::Job(job) => {
            configuration.tables::<links::Settings>(links::Settings::SECTION)?;
            let own = configuration.grants_of(job.section, job.grants).into_iter();
            own.filter(|it| job.calls(&it.grant)).collect()
        }
    })
}

/// What a function that is for some triggers alone needs with this configuration.
fn granted_at(
    only: &[&str],
    role: Role,
    configuration: &Configuration,
    world: &World<'_>,
) -> Result<Vec<Granted>, Problem> {
    let Role::Rules(function) = role else {
        return Err(Problem::new(format!("`{}` is for no trigger; leave --only out", role.name())));
    };
    let bound = Bound::new(configuration, function);
    bound.check(None)?;
    // Where rules are attached depends on no secret.
    let mut variables = world.variables.clone();
    name_variables(&toml::Value::Table(written(configuration)), &mut variables);
    let (base, pools) = bound.chains(&variables.into_iter().collect())?;
    Ok(configuration.grants_at::<pool::Rules>(only, &base, &pools))
}

/// The file as it is.
fn written(configuration: &Configuration) -> toml::Table {
    fs::read_to_string(configuration.file()).unwrap_or_default().parse().unwrap_or_default()
}

/// The pools with tables of their own.
fn of_its_own(configuration: &Configuration) -> Vec<String> {
    pools_named(&written(configuration)).map(str::to_owned).collect()
}

fn role(text: &str) -> Result<Role, String> {
    let wanted = text.to_ascii_lowercase().replace('_', "-");
    let all: Vec<_> = Function::ALL.iter().copied().map(Role::Rules).chain(JOBS.map(Role::Job)).collect();
    if let Some(role) = all.iter().find(|role| role.name() == wanted) {
        return Ok(*role);
    }
    let names: Vec<_> = all.iter().map(|role| role.name()).collect();
    Err(unknown("function", &wanted, &names))
}

fn trigger(text: &str) -> Result<&'static str, String> {
    let found = TRIGGER_NAMES.iter().find(|name| name.eq_ignore_ascii_case(text.trim()));
    found.copied().ok_or_else(|| unknown("trigger", text, &TRIGGER_NAMES))
}

/// That there is none of this name, and what may have been meant.
fn unknown(what: &str, wanted: &str, names: &[&str]) -> String {
    let likeness = |name: &&&str| strsim::jaro_winkler(&wanted.to_ascii_lowercase(), &name.to_ascii_lowercase());
    let near = names.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match near.filter(|near| likeness(near) > 0.8) {
        Some(near) => format!("there is no such {what}; did you mean `{near}`?"),
        None => format!("there is no such {what}; there are {}", names.join(", ")),
    }
}

/// "Pattern: \\d{12}" (IAM API reference), wherever an account is named.
fn account(text: &str) -> Result<String, String> {
    let fits = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err("this is not the id of an account: it has 12 digits".into()) }
}

fn region(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = text.contains('-') && text.bytes().all(plain);
    if fits { Ok(text.to_owned()) } else { Err("this is not a region; write it as `eu-central-1`".into()) }
}

fn pool_id(text: &str) -> Result<String, String> {
    let (region, id) = text.rsplit_once('_').unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let fits = !region.is_empty()
        && region.bytes().all(plain)
        && !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("this is not the id of a user pool; write it as `eu-central-1_AbC123xyz`".into())
    }
}

/// An address or a domain, in the letters an ARN takes.
fn identity(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"*?$/:".contains(&byte));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("this is no identity; write it as `acme.example` or `hello@acme.example`".into())
    }
}

/// "1 to 64 characters, letters, digits, hyphens and underscores" (Lambda API reference, `FunctionName`).
fn lambda_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
    if fits { Ok(text.to_owned()) } else { Err("a function is named with 1 to 64 letters, digits, `-` or `_`".into()) }
}

#[cfg(test)]
mod tests;
