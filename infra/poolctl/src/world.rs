//! What the commands read and write: handed in, so that tests can look.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use cognito_triggers::config::ConfigErrors;
use cognito_triggers::{Clock, ConfigError, Fault};

/// Everything outside of the program.
pub struct World<'a> {
    /// The standard output: results.
    pub out: &'a mut dyn Out,
    /// The standard error: progress and problems.
    pub err: &'a mut dyn Write,
    /// Whether somebody watches the error output, so that progress can be shown in place.
    pub watched: bool,
    /// The environment variables.
    pub variables: BTreeMap<String, String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Where results go.
pub trait Out: Write {
    /// Whether nobody reads any more, so that what is only read for being shown need not be read.
    fn is_gone(&self) -> bool {
        false
    }
}

impl Out for Vec<u8> {}

/// A writer whose reader may go away: what is written after that goes nowhere, and is no error.
#[derive(Debug)]
pub struct Quiet<W> {
    writer: W,
    is_gone: bool,
}

impl<W> Quiet<W> {
    /// One whose reader is there.
    pub const fn new(writer: W) -> Self {
        Self { writer, is_gone: false }
    }
}

impl<W: Write> Out for Quiet<W> {
    fn is_gone(&self) -> bool {
        self.is_gone
    }
}

impl<W: Write> Write for Quiet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.writer.write(bytes) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_gone = true;
                Ok(bytes.len())
            }
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.writer.flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_gone = true;
                Ok(())
            }
            flushed => flushed,
        }
    }
}

/// Why a command could not do its work, in words for whoever called it.
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

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self(fault.causes())
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}
