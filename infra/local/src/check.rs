//! `cargo local check`: everything that is wrong with a configuration, or what it does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use cognito_triggers::config::{ConfigErrors, Configuration};
use cognito_triggers::links::Links;
use cognito_triggers::services::TemplateUse;
use cognito_triggers::{Chains, ConfigError, Environment, Mailbox, NotAMailbox};
use links::Settings;

use crate::functions::{Bound, Function};
use crate::paint::{Paint, WIDTH, wrap};
use crate::world::{Problem, World};

/// What is to be checked.
#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    /// The file; without it the one a function would take: TRIGGERS_CONFIG, else triggers.toml
    file: Option<PathBuf>,
}

impl CheckArguments {
    pub(crate) fn of(file: Option<&Path>) -> Self {
        Self { file: file.map(Path::to_owned) }
    }
}

/// In which order triggers run, as far as they do after each other.
const ORDER: [&str; 12] = [
    "InboundFederation",
    "PreSignUp",
    "PostConfirmation",
    "UserMigration",
    "PreAuthentication",
    "DefineAuthChallenge",
    "CreateAuthChallenge",
    "VerifyAuthChallengeResponse",
    "PostAuthentication",
    "PreTokenGeneration",
    "CustomMessage",
    "CustomEmailSender",
];

/// The kinds of each service there are, on AWS and on this machine, and how they are written.
const KINDS: [(&str, [&str; 2], &str); 5] = [
    ("ledger", ["dynamodb", "sqlite"], "`dynamodb:<table>` or `sqlite:<file>`"),
    ("directory", ["cognito", "local"], "`cognito` or `local:<file>`"),
    ("mailer", ["ses", "folder"], "`ses:<sender>` or `folder:<folder>`"),
    ("bucket", ["s3", "folder"], "`s3:<bucket>` or `folder:<folder>`"),
    ("publisher", ["eventbridge", "file"], "`eventbridge:<bus>` or `file:<file>`"),
];

/// The name of a variable that is not set, so that a rule that only wants it to be there can be shown.
const PLACEHOLDER: &str = "set-where-it-runs";

pub(crate) fn run(arguments: &CheckArguments, world: &mut World<'_>) -> Result<u8, Problem> {
    let configuration = configuration(arguments.file.as_deref(), world)?;
    let bound = Bound::new(&configuration, Function::Pool);
    // The file alone is judged: what the environment has to add may be set where it runs.
    let (checked, tables) = match (bound.check(None), configuration.tables::<Settings>(Settings::SECTION)) {
        (Ok(checked), Ok(tables)) => (checked, tables),
        (checked, tables) => {
            let wrong = [checked.err(), tables.err()].into_iter().flatten().flat_map(|errors| errors.0);
            let mut wrong: Vec<_> = wrong.collect();
            wrong.sort_by_key(|error| error.place().map_or(usize::MAX, |(_, line)| line));
            return Err(ConfigErrors(wrong).into());
        }
    };
    let nothing = Environment::default();
    let services = configuration.services(&nothing)?;
    let text = fs::read_to_string(configuration.file()).unwrap_or_default();
    let file: toml::Table = text.parse().unwrap_or_default();
    let mut variables = world.variables.clone();
    name_variables(&toml::Value::Table(file.clone()), &mut variables);
    let variables: Environment = variables.into_iter().collect();
    let (base, pools) = bound.chains(&variables)?;
    let mut errors = bound.check_templates(&variables);
    if let Err(error) = sender(services.mailer.as_deref().unwrap_or_default()) {
        errors.push(configuration.service_error("mailer", error, &nothing));
    }
    if let Some(Err(error)) = services.links.as_deref().map(Links::to) {
        errors.push(configuration.service_error("links", error.at("links"), &nothing));
    }
    let folder = configuration.templates_folder(&variables);
    let notice = std::iter::once(tables.base()).chain(pools_named(&file).map(|pool| tables.of(pool)));
    let notice = notice.filter_map(Settings::uses).next();
    let templates = cognito_triggers_templates::open(configuration.folder(), &folder);
    errors.extend(notice.iter().flat_map(|notice| templates.check(notice)));
    if !errors.is_empty() {
        return Err(ConfigErrors(errors).into());
    }

    let paint = world.paint();
    writeln!(world.out, "{} {} is in order", paint.green("✓"), configuration.file())?;
    if base.overview().is_empty() {
        section(world, "every pool")?;
        writeln!(world.out, "  {}", paint.dim("no rule"))?;
    } else {
        section(world, "every pool")?;
        overview(world, &base, paint)?;
    }
    let pools: BTreeMap<_, _> = pools.into_iter().collect();
    for (pool, chains) in &pools {
        section(world, &format!("pool {pool}"))?;
        if chains.overview() == base.overview() {
            writeln!(world.out, "  {}", paint.dim("the same rules"))?;
        } else if chains.overview().is_empty() {
            writeln!(world.out, "  {}", paint.dim("no rule"))?;
        } else {
            overview(world, chains, paint)?;
        }
        let own: Vec<_> = own_tables(&file, pool).collect();
        writeln!(world.out, "  {:30}{}", "settings of its own", own.join(", "))?;
    }
    section(world, "services")?;
    let services = [
        ("ledger", services.ledger),
        ("directory", services.directory),
        ("mailer", services.mailer),
        ("bucket", services.bucket),
        ("publisher", services.publisher),
        ("links", services.links),
    ];
    let mut doubts = Vec::new();
    let mut none = true;
    for (name, address) in services.into_iter().filter_map(|(name, address)| Some((name, address?))) {
        none = false;
        writeln!(world.out, "  {name:30}{address}")?;
        if let Err(error) = kind(name, &address) {
            doubts.push(configuration.service_error(name, error, &nothing).to_string());
        }
    }
    if none {
        writeln!(world.out, "  {}", paint.dim("none"))?;
    }
    let all = std::iter::once(&base).chain(pools.values());
    let used: Vec<_> = all.flat_map(Chains::templates).map(|(used, _)| used).chain(&notice).collect();
    show_used(&used, &folder, configuration.folder(), world)?;
    if !folder.is_dir() && file.get("services").is_some_and(|services| services.get("templates").is_some()) {
        let folder = folder.display();
        doubts.push(format!("services.templates: there is no folder `{folder}`; make it, or use what is built in"));
    }
    doubts.extend(unused(&used, &folder));
    if !doubts.is_empty() {
        section(world, "worth a look")?;
        for doubt in doubts {
            writeln!(world.out, "  {} {doubt}", paint.yellow("!"))?;
        }
    }
    if !checked.warnings.is_empty() {
        section(world, "to be set where it runs")?;
        for warning in checked.warnings {
            writeln!(world.out, "  {} {warning}", paint.yellow("!"))?;
        }
    }
    Ok(0)
}

/// The file that was named, or the one a function would take.
pub(crate) fn configuration(file: Option<&Path>, world: &World<'_>) -> Result<Configuration, Problem> {
    configuration_of(file, &world.environment())
}

/// The same with these variables.
pub(crate) fn configuration_of(file: Option<&Path>, environment: &Environment) -> Result<Configuration, Problem> {
    let Some(file) = file else {
        return Ok(Configuration::find(environment)?);
    };
    let name = file.display();
    let bytes = fs::read(file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Problem::new(format!("there is no file `{name}`; name the path of a triggers.toml")),
        _ if file.is_dir() => Problem::new(format!("`{name}` is a folder; name the triggers.toml in it")),
        _ => Problem::new(format!("`{name}` cannot be read: {error}")),
    })?;
    let text =
        String::from_utf8(bytes).map_err(|_| Problem::new(format!("`{name}` is not UTF-8; save it as UTF-8")))?;
    Ok(Configuration::parse(&name.to_string(), &text)?)
}

/// Whether mails are from somebody, as far as that can be said without the service.
fn sender(mailer: &str) -> Result<(), ConfigError> {
    match ses_sender(mailer) {
        Some(Err(error)) => Err(ConfigError::new(error.to_string()).at("mailer")),
        Some(Ok(_)) => Ok(()),
        None => folder_mailboxes(mailer).map_err(|error| ConfigError::new(error.to_string()).at("mailer")),
    }
}

/// Whether what a mailer on this machine names are mailboxes: `folder:.pool/mail?from=Acme <hello@acme.example>`.
fn folder_mailboxes(mailer: &str) -> Result<(), NotAMailbox> {
    let options = mailer.strip_prefix("folder:").and_then(|folder| folder.split_once('?')).map_or("", |(_, it)| it);
    let mut values = options.split('&').filter_map(|option| option.split_once('=')).map(|(_, value)| value);
    // What is written as in a link is left to the mailer itself.
    values.try_for_each(|value| if value.contains('%') { Ok(()) } else { value.parse::<Mailbox>().map(drop) })
}

/// Whether there is a service of this kind. A function of one's own may have another, so it is no error.
fn kind(service: &str, address: &str) -> Result<(), ConfigError> {
    let scheme = address.split_once(':').map_or(address, |(scheme, _)| scheme);
    match KINDS.iter().find(|(known, ..)| *known == service) {
        Some((_, kinds, examples)) if !kinds.contains(&scheme) => {
            Err(ConfigError::new(format!("the functions of this repository have no {service} called `{scheme}`"))
                .at(service)
                .remedy(format!("write it as {examples}, unless your own function has it")))
        }
        _ => Ok(()),
    }
}

/// Says which templates are used and where they are: a folder with a slip in its name leaves what is built in in place.
fn show_used(used: &[&TemplateUse], folder: &Path, beside: &Path, world: &mut World<'_>) -> Result<(), Problem> {
    let place = |used: &&TemplateUse| match used {
        TemplateUse::Mail { template, .. } => {
            let own = folder.join(template);
            (template.clone(), if own.is_dir() { own.display().to_string() } else { "built in".to_owned() })
        }
        TemplateUse::Message { template, .. } => {
            let own =
                template.folder.as_ref().map_or_else(|| folder.to_owned(), |own| beside.join(own)).join(&template.name);
            (template.name.clone(), if own.is_dir() { own.display().to_string() } else { "built in".to_owned() })
        }
        TemplateUse::Files { folder, .. } => (folder.clone(), beside.join(folder).display().to_string()),
    };
    let places: BTreeSet<_> = used.iter().map(place).collect();
    if !places.is_empty() {
        section(world, "templates and files")?;
    }
    for (name, place) in places {
        writeln!(world.out, "  {name:30}{place}")?;
    }
    Ok(())
}

/// Folders of templates that no rule uses. What they share is not one.
fn unused(used: &[&TemplateUse], folder: &Path) -> Vec<String> {
    let is_used = |name: &str| {
        used.iter().any(|used| match used {
            TemplateUse::Mail { template, .. } => template == name,
            TemplateUse::Message { template, .. } => template.folder.is_none() && template.name == name,
            TemplateUse::Files { .. } => false,
        })
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let names: BTreeSet<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let unused = names.iter().filter(|name| !name.starts_with(['_', '.']) && !is_used(name));
    let doubt = |name| format!("{}: no rule uses this template; mind its spelling", folder.join(name).display());
    unused.map(doubt).collect()
}

/// The sender of a mailer on AWS, and the options behind it; `None` if it is another mailer. A name may hold a `?` as well.
pub(crate) fn ses_sender(mailer: &str) -> Option<Result<(Mailbox, &str), NotAMailbox>> {
    let address = mailer.strip_prefix("ses:")?;
    let splits = address.match_indices('?').filter_map(|(at, _)| address.split_at_checked(at));
    let mut with_options = splits.filter_map(|(sender, rest)| Some((sender.parse().ok()?, rest.strip_prefix('?')?)));
    let whole = || address.parse().map(|sender| (sender, ""));
    Some(with_options.next_back().map_or_else(whole, Ok))
}

fn section(world: &mut World<'_>, title: &str) -> Result<(), Problem> {
    let title = world.paint().bold(title);
    Ok(writeln!(world.out, "\n{title}")?)
}

fn overview(world: &mut World<'_>, chains: &Chains, paint: Paint) -> Result<(), Problem> {
    let mut triggers = chains.overview();
    triggers.sort_by_key(|(trigger, _)| ORDER.iter().position(|name| name == trigger).unwrap_or(ORDER.len()));
    // Token generation is attached once for each version of its events.
    triggers.dedup();
    for (trigger, mut rules) in triggers {
        // A rule may have several parts at one trigger.
        rules.dedup();
        for (index, line) in wrap(&rules.join(" → "), WIDTH - 32).into_iter().enumerate() {
            let trigger = if index == 0 { trigger } else { "" };
            writeln!(world.out, "  {trigger:30}{}", line.replace('→', &paint.dim("→")))?;
        }
    }
    Ok(())
}

/// The pools with settings of their own, whatever rules these are of.
pub(crate) fn pools_named(file: &toml::Table) -> impl Iterator<Item = &str> {
    let pools = file.get("pools").and_then(toml::Value::as_table);
    pools.into_iter().flatten().map(|(name, _)| name.as_str())
}

fn own_tables<'a>(file: &'a toml::Table, pool: &str) -> impl Iterator<Item = &'a str> {
    let tables = file.get("pools").and_then(|pools| pools.get(pool)).and_then(toml::Value::as_table);
    tables.into_iter().flatten().map(|(name, _)| name.as_str())
}

/// Gives every variable the file names a value, unless it has one: for the overview only.
pub(crate) fn name_variables(value: &toml::Value, variables: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            if let (1, Some(toml::Value::String(name))) = (table.len(), table.get("env")) {
                variables.entry(name.clone()).or_insert_with(|| PLACEHOLDER.to_owned());
            }
            table.values().for_each(|value| name_variables(value, variables));
        }
        toml::Value::Array(values) => values.iter().for_each(|value| name_variables(value, variables)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_told_from_the_options_behind_it() {
        let split = |mailer| ses_sender(mailer).map(|split| split.map(|(sender, rest)| (sender.to_string(), rest)));
        let acme = r#""Acme" <hello@acme.example>"#.to_owned();
        assert_eq!(split("ses:Acme <hello@acme.example>"), Some(Ok((acme.clone(), ""))));
        let options = "configuration-set=acme&reply-to=help@acme.example";
        let mailer = format!("ses:Acme <hello@acme.example>?{options}");
        assert_eq!(split(&mailer), Some(Ok((acme, options))));
        let asked = r#""Questions?" <hello@acme.example>"#.to_owned();
        assert_eq!(
            split("ses:Questions? <hello@acme.example>?reply-to=a@b.example"),
            Some(Ok((asked, "reply-to=a@b.example")))
        );
        assert_eq!(split("ses:Acme <hello>"), Some(Err(NotAMailbox)));
        assert_eq!(split("folder:.pool/mail"), None);
    }
}
