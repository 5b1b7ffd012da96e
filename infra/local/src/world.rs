//! What the commands read and write: handed in, so that tests can look.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use cognito_triggers::Environment;
use cognito_triggers::config::ConfigErrors;

use crate::paint::Paint;

/// Everything outside of the program.
pub struct World<'a> {
    /// The standard output.
    pub out: &'a mut dyn Write,
    /// The standard error.
    pub err: &'a mut dyn Write,
    /// The standard input.
    pub input: &'a mut dyn Read,
    /// The environment variables.
    pub variables: BTreeMap<String, String>,
    /// Whether the output may hold colours.
    pub colours: bool,
    /// Whether the error output may.
    pub error_colours: bool,
}

/// Whether colours are wanted: on a terminal that has them, unless `NO_COLOR` is set (<https://no-color.org>).
#[must_use]
pub fn colours(variables: &BTreeMap<String, String>, terminal: bool) -> bool {
    let refused = variables.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    terminal && !refused && variables.get("TERM").is_none_or(|term| term != "dumb")
}

/// A writer whose reader may go away: what is written after that goes nowhere, and is no error.
#[derive(Debug)]
pub struct Quiet<W>(pub W);

impl<W: Write> Write for Quiet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

impl World<'_> {
    /// The variables as the configuration takes them.
    pub(crate) fn environment(&self) -> Environment {
        self.variables.clone().into_iter().collect()
    }

    pub(crate) fn paint(&self) -> Paint {
        Paint(self.colours)
    }

    pub(crate) fn error_paint(&self) -> Paint {
        Paint(self.error_colours)
    }
}

/// Why a command could not do its work, in words for whoever called it. May have several lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem(pub(crate) String);

impl Problem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self(format!("the output cannot be written: {error}"))
    }
}

impl From<ConfigErrors> for Problem {
    fn from(errors: ConfigErrors) -> Self {
        Self(errors.to_string())
    }
}

impl From<cognito_triggers::ConfigError> for Problem {
    fn from(error: cognito_triggers::ConfigError) -> Self {
        Self(error.to_string())
    }
}

impl From<cognito_triggers::Fault> for Problem {
    fn from(fault: cognito_triggers::Fault) -> Self {
        Self(fault.causes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let with = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        assert!(colours(&BTreeMap::new(), true));
        assert!(colours(&with("NO_COLOR", ""), true));
        assert!(!colours(&with("NO_COLOR", "1"), true));
        assert!(!colours(&with("TERM", "dumb"), true));
        assert!(!colours(&BTreeMap::new(), false));
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(ErrorKind::BrokenPipe.into())
            }
        }
        let mut quiet = Quiet(Closed);
        quiet.write_all(b"something").unwrap();
        quiet.flush().unwrap();
    }
}
