//! `cargo local invoke`: one event through the real handler of a function, with the services of this machine.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use cognito_triggers::config::{ConfigErrors, Configuration};
use cognito_triggers::report::{Outcome, Report};
use cognito_triggers::{Chains, Clock, ConfigError, Environment, Handled, Invocation, Need, random};
use cognito_triggers_lambda::SystemClock;
use jiff::SignedDuration;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::check::{configuration, ses_sender};
use crate::functions::{Bound, Function};
use crate::home::Home;
use crate::pool::{changed, refusal_text};
use crate::post::{Post, adapters};
use crate::world::{Problem, World};
use crate::{account, json as text};

/// What is to be run.
#[derive(Args, Debug)]
pub(crate) struct InvokeArguments {
    /// The function: the name of its package
    #[arg(value_name = "FUNCTION", value_parser = function)]
    function: Function,

    /// The file with the event, or - for the standard input
    event: PathBuf,

    /// The configuration; without it the one the function would take: TRIGGERS_CONFIG, else triggers.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Prints the answer with a line for every value
    #[arg(long)]
    pretty: bool,
}

/// As long as the function itself takes.
const BUDGET: SignedDuration = SignedDuration::from_secs(4);

/// Functions that no user pool calls.
const OTHERS: [&str; 3] = ["courier", "links", "session-release"];

pub(crate) async fn run(arguments: &InvokeArguments, home: &Home, world: &mut World<'_>) -> Result<u8, Problem> {
    let function = arguments.function;
    let event = event(&arguments.event, world)?;
    let configuration = configuration(arguments.config.as_deref(), world)?;
    let bound = Bound::new(&configuration, function);
    let needed = needs(&bound, &world.environment())?;
    let notes = substitute(&configuration, &needed, home, world)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let environment = world.environment();
    let mut dispatcher = bound.open(&environment, &adapters(), Arc::clone(&clock)).await.map_err(here)?;
    for doubt in dispatcher.doubts() {
        let word = world.error_paint().yellow("warning:");
        writeln!(world.err, "{word} {doubt}")?;
    }
    // Whoever asks no ledger stages nothing.
    let post = match needed.contains(&Need::Ledger) {
        true => Some(Post::open(&configuration, &environment, Arc::clone(&clock)).await?.0),
        false => None,
    };
    if let Some(post) = &post {
        dispatcher = post.watch(dispatcher);
    }

    let request_id = format!("{:032x}", u128::from_be_bytes(random::bytes()?));
    let deadline = clock.now().checked_add(BUDGET).map_err(|error| Problem::new(error.to_string()))?;
    let invocation = Invocation { body: event.as_bytes(), request_id: &request_id, deadline };
    let handled = dispatcher.handle(invocation).await;

    let answer = match &handled.answer {
        Ok(answer) => answer.clone(),
        Err(refusal) => json!({ "errorType": refusal.kind, "errorMessage": refusal.message }).to_string(),
    };
    let answer = if arguments.pretty { text::pretty(&answer) } else { answer };
    writeln!(world.out, "{}", answer.trim_end())?;
    world.out.flush()?;
    let heading = (function, configuration.file(), &*notes);
    tell(&event, &handled, heading, post.as_ref(), world)?;
    if let Some(post) = &post {
        let paint = world.error_paint();
        let news = post.sweep().await;
        let (done, left) = (post.tell(&news.seen, 2, paint), post.tell_left(&news, 2, paint));
        let heading = (!done.is_empty()).then(|| paint.dim("then the courier delivers"));
        for line in heading.into_iter().chain(done).chain(left) {
            writeln!(world.err, "  {line}")?;
        }
    }
    Ok(match handled.report.outcome {
        Outcome::Echoed | Outcome::Passed => 0,
        Outcome::Denied => 2,
        Outcome::Faulted => 3,
    })
}

fn function(text: &str) -> Result<Function, String> {
    let wanted = text.to_ascii_lowercase().replace('_', "-");
    if let Some(function) = Function::ALL.iter().find(|function| function.name() == wanted) {
        return Ok(*function);
    }
    if OTHERS.contains(&wanted.as_str()) {
        return Err(format!("`{wanted}` answers no trigger; docs/local-lambda.md says how to run it here"));
    }
    let likeness = |function: &Function| strsim::jaro_winkler(&wanted, function.name());
    let near = Function::ALL.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    Err(match near.filter(|near| likeness(near) > 0.8) {
        Some(near) => format!("there is no such function; did you mean `{}`?", near.name()),
        None => {
            let names: Vec<_> = Function::ALL.iter().map(|function| function.name()).collect();
            format!("there is no such function; there are {}", names.join(", "))
        }
    })
}

/// The event's text, which has to be a JSON object.
fn event(file: &Path, world: &mut World<'_>) -> Result<String, Problem> {
    let (name, read) = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = world.input.read_to_end(&mut bytes).map(|_| bytes);
        ("the standard input".to_owned(), read)
    } else {
        (file.display().to_string(), fs::read(file))
    };
    let bytes = read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Problem::new(format!(
            "there is no file `{name}`; make one with `cargo local event PreSignUp_SignUp > {name}`"
        )),
        _ if file.is_dir() => Problem::new(format!("`{name}` is a folder; name a file with an event")),
        _ => Problem::new(format!("{name} cannot be read: {error}")),
    })?;
    let text = String::from_utf8(bytes).map_err(|_| Problem::new(format!("{name} is not UTF-8")))?;
    if text.trim().is_empty() {
        return Err(Problem::new(format!(
            "{name} is empty; an event is a JSON object, see `cargo local event --list`"
        )));
    }
    // No more than the function asks for: how deep it is nested, or how large a number is, does not matter to it.
    match serde_json::from_str::<&RawValue>(&text).map(|value| value.get().starts_with('{')) {
        Ok(true) => Ok(text),
        Ok(false) => Err(Problem::new(format!("{name}: an event is a JSON object, and this is something else"))),
        Err(error) => {
            Err(Problem::new(format!("{name}:{}:{}: this is not JSON: {error}", error.line(), error.column())))
        }
    }
}

/// What is missing where the function runs is missing here and now.
fn here(ConfigErrors(errors): ConfigErrors) -> Problem {
    let here = |error: ConfigError| match error.to_string().ends_with("; set it where the function runs") {
        true => error.remedy("set it and try again"),
        false => error,
    };
    ConfigErrors(errors.into_iter().map(here).collect()).into()
}

/// Puts services of this machine in the place of those that are not on it, and says so of those the rules need. Only what
/// they need is made; beside, a courier needs whatever is configured, since others may have staged something.
pub(crate) fn substitute(
    configuration: &Configuration,
    needed: &[Need],
    home: &Home,
    world: &mut World<'_>,
) -> Result<Vec<String>, Problem> {
    let environment = world.environment();
    let addresses = configuration.services(&environment).map_err(here)?;
    let (courier, mut notes) = (needed.contains(&Need::Ledger), Vec::new());
    for (need, variable, name, scheme, file, address) in [
        (Need::Ledger, "TRIGGERS_LEDGER", "ledger", "sqlite", "pool.db", addresses.ledger),
        (Need::Directory, "TRIGGERS_DIRECTORY", "directory", "local", "pool.db", addresses.directory),
        (Need::Mailer, "TRIGGERS_MAILER", "mailer", "folder", "mail", addresses.mailer),
        (Need::Bucket, "TRIGGERS_BUCKET", "bucket", "folder", "files", addresses.bucket),
        (Need::Publisher, "TRIGGERS_PUBLISHER", "publisher", "file", "events.jsonl", addresses.publisher),
    ] {
        let here = address.as_deref().is_some_and(|address| address.starts_with(&format!("{scheme}:")));
        let is_needed = needed.contains(&need);
        if here || !(is_needed || courier && address.is_some()) {
            continue;
        }
        let local = format!("{scheme}:{}{}", home.file(file).display(), sender(address.as_deref().unwrap_or_default()));
        if is_needed {
            let why = address.map_or_else(|| format!("no {name} is configured"), |address| format!("not {address}"));
            notes.push(format!("{local} ({why})"));
        }
        world.variables.insert(variable.to_owned(), local);
    }
    if needed.contains(&Need::Key) && environment.find("TRIGGERS_KEY").is_none() {
        world.variables.insert("TRIGGERS_KEY".to_owned(), home.key()?);
        notes.push(format!("the key in {} (TRIGGERS_KEY is not set)", home.file("key").display()));
    }
    Ok(notes)
}

/// What keeps the sender of a mailer on AWS when a folder takes its place.
fn sender(mailer: &str) -> String {
    let Some(Ok((from, options))) = ses_sender(mailer) else { return String::new() };
    let from = from.to_string().replace('%', "%25").replace('&', "%26").replace('#', "%23");
    let reply_to = options.split('&').filter(|option| option.starts_with("reply-to="));
    std::iter::once(format!("?from={from}")).chain(reply_to.map(str::to_owned)).collect::<Vec<_>>().join("&")
}

/// What the rules of any pool need.
pub(crate) fn needs(bound: &Bound<'_>, environment: &Environment) -> Result<Vec<Need>, Problem> {
    let (base, pools) = bound.chains(environment).map_err(here)?;
    Ok(std::iter::once(&base).chain(pools.values()).flat_map(Chains::needs).map(|(need, _)| *need).collect())
}

fn tell(
    event: &str,
    handled: &Handled,
    (function, file, notes): (Function, &str, &[String]),
    post: Option<&Post>,
    world: &mut World<'_>,
) -> Result<(), Problem> {
    let paint = world.error_paint();
    let report = &handled.report;
    let source = if report.source.is_empty() { "an event without a triggerSource" } else { &report.source };
    let mut lines = vec![format!("{}  {}", paint.bold(source), paint.dim(&format!("{} with {file}", function.name())))];
    for note in notes {
        lines.push(paint.dim(&format!("  using {note}")));
    }
    lines.extend(account::rules(report, paint).into_iter().map(|line| format!("  {line}")));
    if let Some(post) = post {
        lines.extend(post.tell(&post.seen(), 2, paint).into_iter().map(|line| format!("  {line}")));
    }
    if let Ok(answer) = &handled.answer {
        for (path, value) in changed(&with_response(event), &with_response(answer)) {
            lines.extend(beside("sets", &format!("{path} = {value}"), |text| text.to_owned()));
        }
    }
    if let Some((kind, causes)) = &report.fault {
        lines.extend(beside("the log has", &format!("{}: {causes}", kind.as_str()), |text| paint.yellow(text)));
    }
    lines.push(verdict(handled, report, paint));
    if let Err(refusal) = &handled.answer {
        let message = refusal_text(&report.source, refusal);
        lines.extend(beside("the user reads", &message, |text| paint.red(text)));
    }
    for line in lines {
        writeln!(world.err, "{line}")?;
    }
    Ok(())
}

/// The response alone, in its event: what else there is may be nested too deep to be read.
fn with_response(event: &str) -> Value {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(event).unwrap_or_default();
    let response = members.get("response").and_then(|response| serde_json::from_str(response.get()).ok());
    json!({ "response": response.unwrap_or(Value::Null) })
}

fn beside(name: &str, text: &str, colour: impl Fn(&str) -> String) -> Vec<String> {
    account::beside(name, text, 2, colour).into_iter().map(|line| format!("  {line}")).collect()
}

fn verdict(handled: &Handled, report: &Report, paint: crate::paint::Paint) -> String {
    let word = match report.outcome {
        Outcome::Echoed => paint.dim("echoed"),
        Outcome::Passed => paint.green("passed"),
        Outcome::Denied => paint.red("denied"),
        Outcome::Faulted => paint.yellow("faulted"),
    };
    match (report.outcome, report.rule, handled.answer.is_ok()) {
        (Outcome::Denied, Some(rule), _) => format!("  {word} by {rule}"),
        (Outcome::Faulted, _, true) => format!("  {word}, and Cognito goes on: this trigger must not fail"),
        _ => format!("  {word}"),
    }
}
