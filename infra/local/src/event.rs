//! `cargo local event`: a realistic event of every source, to be changed and given to `invoke`.

use clap::Args;
use cognito_triggers::{TriggerSource, sample};
use serde_json::Value;

use crate::json;
use crate::world::{Problem, World};

/// What is to be printed.
#[derive(Args, Debug)]
pub(crate) struct EventArguments {
    /// The trigger source, e.g. PreSignUp_SignUp; upper and lower case are the same
    #[arg(required_unless_present = "list")]
    source: Option<String>,

    /// Sets a value, e.g. request.userAttributes.email=anna@example.com
    ///
    /// The value is JSON if it reads as JSON (true, 7, null, '["a"]', '"7"' for the text 7), else text. Keys are separated by
    /// dots; a dot within a key is written \., a backslash \\, and custom:plan is an ordinary key. A number is the place in
    /// an array. Missing objects are made.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,

    /// Removes a value
    #[arg(long, value_name = "PATH")]
    unset: Vec<String>,

    /// The version of the event, for token generation: 1, 2 or 3
    #[arg(long, value_name = "1|2|3")]
    version: Option<String>,

    /// Lists every source
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(arguments: &EventArguments, world: &mut World<'_>) -> Result<u8, Problem> {
    if arguments.list {
        return list(world);
    }
    let text = arguments.source.as_deref().unwrap_or_default();
    let source = find(text)?;
    let mut event = sampled(source, arguments.version.as_deref())?.trim_end().to_owned();
    let changes = !(arguments.set.is_empty() && arguments.unset.is_empty());
    for set in &arguments.set {
        let Some((path, value)) = set.split_once('=') else {
            return Err(Problem::new(format!("--set {set}: a value is missing; write --set {set}=<value>")));
        };
        let place = json::path(path).map_err(|error| Problem::new(format!("--set {set}: {error}")))?;
        event = json::set(&event, &place, &value_text(value))
            .map_err(|error| Problem::new(format!("--set {set}: {error}")))?;
    }
    for path in &arguments.unset {
        let place = json::path(path).map_err(|error| Problem::new(format!("--unset {path}: {error}")))?;
        event = json::unset(&event, &place)
            .ok_or_else(|| Problem::new(format!("--unset {path}: there is no such value in this event")))?;
    }
    let event = if changes { json::pretty(&event) } else { event };
    writeln!(world.out, "{event}")?;
    Ok(0)
}

/// The text of a value as JSON.
fn value_text(value: &str) -> String {
    match serde_json::from_str::<&serde_json::value::RawValue>(value) {
        Ok(_) => value.trim().to_owned(),
        Err(_) => Value::from(value).to_string(),
    }
}

/// The versions there are samples of.
fn versions(source: &TriggerSource) -> Vec<&'static str> {
    ["1", "2", "3"].into_iter().filter(|version| sample(source, Some(version)).is_some()).collect()
}

fn sampled(source: &TriggerSource, version: Option<&str>) -> Result<&'static str, Problem> {
    let version = version.map(|version| version.trim_start_matches(['v', 'V']).trim_end_matches("_0"));
    sample(source, version).ok_or_else(|| {
        let known = versions(source).join(" or ");
        let version = version.unwrap_or_default();
        Problem::new(format!("there is no event of {source} in version {version}; use --version {known}"))
    })
}

fn find(text: &str) -> Result<&'static TriggerSource, Problem> {
    let all = TriggerSource::ALL;
    if let Some(source) = all.iter().find(|source| source.as_str().eq_ignore_ascii_case(text)) {
        return Ok(source);
    }
    let wanted = text.to_ascii_lowercase();
    // The name of a trigger alone: its sources are what was meant.
    let alias = if wanted == "pretokengeneration" { "tokengeneration" } else { &wanted };
    let of_trigger: Vec<_> = all.iter().filter(|source| source.prefix().eq_ignore_ascii_case(alias)).collect();
    let mut near: Vec<_> = if of_trigger.is_empty() {
        let likeness = |source: &&TriggerSource| strsim::jaro_winkler(&wanted, &source.as_str().to_ascii_lowercase());
        let mut near: Vec<_> = all.iter().map(|source| (likeness(&source), source)).collect();
        near.retain(|(likeness, _)| *likeness > 0.8);
        near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        near.into_iter().map(|(_, source)| source).take(3).collect()
    } else {
        of_trigger
    };
    near.dedup();
    let problem = format!("there is no trigger source `{text}`");
    Err(Problem::new(match near.as_slice() {
        [] => format!("{problem}; `cargo local event --list` names them all"),
        near => {
            let near: Vec<_> = near.iter().map(|source| format!("\n  {source}")).collect();
            format!("{problem}; did you mean{}", near.concat())
        }
    }))
}

fn list(world: &mut World<'_>) -> Result<u8, Problem> {
    let paint = world.paint();
    let mut trigger = "";
    for source in TriggerSource::ALL {
        if source.prefix() != trigger && !trigger.is_empty() {
            writeln!(world.out)?;
        }
        trigger = source.prefix();
        let versions = versions(source);
        if versions == ["1"] {
            writeln!(world.out, "{source}")?;
        } else {
            let text = format!("--version {}", versions.join(" | "));
            writeln!(world.out, "{:44}{}", source.as_str(), paint.dim(&text))?;
        }
    }
    Ok(0)
}
