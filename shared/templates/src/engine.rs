//! MiniJinja as it is set up here, and what its errors mean to those who wrote the template.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fmt::Write as _;

use cognito_triggers::config::ConfigError;
use cognito_triggers::{Fault, FaultKind};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Template, UndefinedBehavior};

use crate::context::{self, Scope};
use crate::moments::NotATime;

/// The steps one filling may take: a notice of the largest digest takes some ten thousand.
const FUEL: u64 = 1_000_000;
/// How deep templates may include each other.
const DEPTH: usize = 50;
/// The most of an expression that is quoted.
const LONGEST_QUOTE: usize = 80;
/// The most errors one fault tells.
const MOST_ERRORS: usize = 3;

/// Where templates come from, for those who read what is wrong with them, and what is defined in them.
pub(crate) trait Places {
    /// File and line of a line of the template of this name; of all of it if the name is empty.
    fn place(&self, name: &str, line: usize) -> (String, usize);

    /// What they are filled with.
    fn scope(&self) -> Scope;
}

/// An engine without templates. Whatever is undefined is refused.
pub(crate) fn engine() -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_recursion_limit(DEPTH);
    engine.set_fuel(Some(FUEL));
    // Without it, errors do not know their lines and names.
    engine.set_debug(true);
    engine
}

/// Files go out as they were written: with the line break they end with.
pub(crate) fn keep_line_breaks(engine: &mut Environment<'static>) {
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        engine.set_syntax(syntax);
    }
}

/// Lines that hold nothing but a tag leave no line behind, as is best in plain text.
pub(crate) fn trim_lines(engine: &mut Environment<'static>) {
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        engine.set_syntax(syntax);
    }
}

/// What is wrong, for those who wrote the template.
pub(crate) fn wrong(error: &Error, places: &dyn Places) -> ConfigError {
    let error = innermost(error);
    let quote = quoted(error);
    let detail = error.detail().unwrap_or_default();
    let (problem, remedy) = match error.kind() {
        _ if undefined(error).is_some() || error.kind() == ErrorKind::UndefinedError => {
            // What is put together is named by dots, which tell nobody anything.
            let name = undefined(error).filter(|name| !name.contains("..."));
            let name = name.or(quote.as_deref()).unwrap_or("something");
            let place = error.name().map(|name| places.place(name, error.line().unwrap_or(1)));
            return unknown(name, places.scope(), place);
        }
        ErrorKind::SyntaxError => (
            format!("this cannot be read as a template: {detail}"),
            "close every `{{` and `{%`, and write `{{ '{{' }}` where braces are meant".to_owned(),
        ),
        ErrorKind::TemplateNotFound => (
            format!("it includes a file that is not there: {detail}"),
            "include files of the same folder, or of `_shared/`".to_owned(),
        ),
        ErrorKind::InvalidOperation if detail.contains("recursion") => (
            "it includes itself, directly or through another file".to_owned(),
            "leave one of these `{% include %}` or `{% extends %}` out".to_owned(),
        ),
        ErrorKind::OutOfFuel => {
            (format!("filling it takes more than {FUEL} steps"), "look for a loop that does not end soon".to_owned())
        }
        _ if is_not_a_time(error) => (
            format!("what `{}` is given is not a time", quote.as_deref().unwrap_or("the filter")),
            "give it one in RFC 3339, as the rules do: `{{ at|moment(zone) }}`".to_owned(),
        ),
        kind => {
            let mut problem = quote.as_deref().map_or_else(String::new, |quote| format!("`{quote}`: "));
            let _ = write!(problem, "{kind}");
            if is_about_the_template(kind) && !detail.is_empty() {
                let _ = write!(problem, ": {detail}");
            }
            (problem, "see the list of filters and functions of MiniJinja".to_owned())
        }
    };
    let error_at = ConfigError::new(problem).remedy(remedy);
    match error.name().map(|name| places.place(name, error.line().unwrap_or(1))) {
        Some((file, line)) => error_at.placed(&file, line),
        None => error_at,
    }
}

/// A name that is not defined, with the one that was probably meant.
pub(crate) fn unknown(name: &str, scope: Scope, place: Option<(String, usize)>) -> ConfigError {
    let remedy = context::meant(name, scope).map_or_else(
        || "see docs/templates.md for what is; or ask `is defined` before".to_owned(),
        |meant| format!("did you mean `{meant}`?"),
    );
    let error = ConfigError::new(format!("`{name}` is not defined")).remedy(remedy);
    match place {
        Some((file, line)) => error.placed(&file, line),
        None => error,
    }
}

/// Attributes no user can have, wherever they stand: also where no sample leads. In these templates, as far as they compile.
pub(crate) fn unknown_attributes(
    engine: &Environment<'static>,
    names: &[&str],
    places: &dyn Places,
) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for &name in names {
        let Ok(template) = engine.get_template(name) else { continue };
        for asked in asked(&template) {
            let attribute = asked.strip_prefix("user.").and_then(|rest| rest.split('.').next());
            if attribute.is_none_or(context::is_attribute) {
                continue;
            }
            let line = line_of(&asked, template.source());
            errors.push(unknown(&asked, places.scope(), Some(places.place(name, line))));
        }
    }
    in_order(errors)
}

/// In the order of files and lines.
pub(crate) fn in_order(mut errors: Vec<ConfigError>) -> Vec<ConfigError> {
    errors.sort_by(|one, other| one.place().cmp(&other.place()));
    errors
}

/// What a template asks for, in order: `name`, `user.email`, `words.greeting`.
pub(crate) fn asked(template: &Template<'_, '_>) -> Vec<String> {
    let mut asked: Vec<_> = template.undeclared_variables(true).into_iter().collect();
    asked.sort();
    asked
}

/// The line in which an expression stands first.
pub(crate) fn line_of(expression: &str, source: &str) -> usize {
    source.lines().position(|line| line.contains(expression)).map_or(1, |line| line + 1)
}

/// Whether it says that this is not defined, which was looked for somewhere by its name.
pub(crate) fn is_about(error: &Error, name: &str) -> bool {
    let error = innermost(error);
    undefined(error).is_some_and(|expression| {
        // `words.greeting`, or `words[name]`, as which an error has all that was put together.
        expression.ends_with(']') || expression.rsplit('.').next() == Some(name)
    })
}

/// The name of the template an error is in, and the line.
pub(crate) fn stands_in(error: &Error) -> Option<(&str, usize)> {
    let error = innermost(error);
    Some((error.name()?, error.line().unwrap_or(1)))
}

/// What failed with a real user, for the log: nothing of the user's is in it.
pub(crate) fn failed(error: &Error, places: &dyn Places) -> Fault {
    let error = innermost(error);
    let mut text = match error.name().map(|name| places.place(name, error.line().unwrap_or(1))) {
        Some((file, line)) => format!("{file}:{line}: "),
        None => String::new(),
    };
    // The text of the template tells nothing of the user. The detail of an error might.
    if let Some(quote) = undefined(error).map(str::to_owned).or_else(|| quoted(error)) {
        let _ = write!(text, "`{quote}`: ");
    }
    let _ = write!(text, "{}; the template cannot be filled for this user: see docs/templates.md", error.kind());
    Fault::of(FaultKind::Configuration, text)
}

/// A template, or folder of files, that is refused as a whole.
pub(crate) fn refused(what: &str, name: &str, errors: &[ConfigError]) -> Fault {
    let mut text = format!("the {what} `{name}` is refused");
    for error in errors.iter().take(MOST_ERRORS) {
        let _ = write!(text, ": {error}");
    }
    if errors.len() > MOST_ERRORS {
        let _ = write!(text, ": and {} more", errors.len() - MOST_ERRORS);
    }
    Fault::of(FaultKind::Configuration, text)
}

/// Several samples find the same: each is told once, in order.
pub(crate) fn each_once(errors: Vec<ConfigError>) -> Vec<ConfigError> {
    let mut told = BTreeSet::new();
    errors.into_iter().filter(|error| told.insert(error.to_string())).collect()
}

/// Whether a text was to be worded that is no time.
fn is_not_a_time(error: &Error) -> bool {
    error.source().is_some_and(|source| source.is::<NotATime>())
}

/// Whether the detail of such an error is about the template. That of others may quote a value, and at the first use of a
/// template some values are those of a user.
const fn is_about_the_template(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::UnknownBlock
            | ErrorKind::TooManyArguments
            | ErrorKind::MissingArgument
            | ErrorKind::BadEscape
    )
}

/// Errors in included files are wrapped into those of the files that include them.
fn innermost(error: &Error) -> &Error {
    let mut innermost = error;
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<Error>() {
            innermost = error;
        }
        source = error.source();
    }
    innermost
}

/// The name that is not defined, if that is why.
fn undefined(error: &Error) -> Option<&str> {
    let (before, _) = error.detail()?.split_once("` is undefined")?;
    before.rsplit_once('`').map(|(_, name)| name)
}

/// The expression that failed, as it is written.
fn quoted(error: &Error) -> Option<String> {
    let quote = error.template_source()?.get(error.range()?)?.trim();
    let fits = !quote.is_empty() && quote.len() <= LONGEST_QUOTE && !quote.contains('\n');
    fits.then(|| quote.to_owned())
}
