//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::ops::RangeInclusive;

/// One thing that is wrong. Prints as `file:line: key: problem; remedy`, with what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problem: String,
    path: String,
    remedy: Option<String>,
    place: Option<(String, usize)>,
    elsewhere: bool,
    dispensable: bool,
}

/// Refuses a number outside of its limits, in the words in which one that does not fit its type is refused.
///
/// # Errors
///
/// If it is outside, at this key of the table at hand.
pub fn within<N: PartialOrd + fmt::Display>(key: &str, value: N, limits: RangeInclusive<N>) -> Result<(), ConfigError> {
    if limits.contains(&value) {
        return Ok(());
    }
    let remedy = format!("use a whole number from {} to {}", limits.start(), limits.end());
    Err(ConfigError::new("the number is out of range").at(key).remedy(remedy))
}

impl ConfigError {
    /// Names what is wrong: lower case, no full stop. Never quote a secret.
    pub fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            path: String::new(),
            remedy: None,
            place: None,
            elsewhere: false,
            dispensable: false,
        }
    }

    /// Names the key, relative to the table at hand: `allow[2]`.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Names what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same with another problem.
    #[must_use]
    pub(super) fn problem(mut self, problem: impl Into<String>) -> Self {
        self.problem = problem.into();
        self
    }

    /// The same one table further out.
    #[must_use]
    pub fn within(mut self, table: &str) -> Self {
        self.path = match (table, self.path.as_str()) {
            ("", _) => self.path,
            (_, "") => table.to_owned(),
            (_, path) if path.starts_with('[') => format!("{table}{path}"),
            (_, path) => format!("{table}.{path}"),
        };
        self
    }

    /// The same with its file and line, counted from 1.
    #[must_use]
    pub fn placed(mut self, file: &str, line: usize) -> Self {
        self.place.get_or_insert_with(|| (file.to_owned(), line));
        self
    }

    /// The same, marked as about the machine and not about the file: what it asks for may well be set where the program runs.
    #[must_use]
    pub(crate) fn elsewhere(mut self) -> Self {
        self.elsewhere = true;
        self
    }

    /// The same, marked as about a rule that nobody waits for: it is left out, and everything else works.
    #[must_use]
    pub(crate) fn dispensable(mut self) -> Self {
        self.dispensable = true;
        self
    }

    /// Whether it is about a rule that nobody waits for.
    #[must_use]
    pub(crate) fn is_dispensable(&self) -> bool {
        self.dispensable
    }

    /// Whether it is about the machine and not about the file.
    #[must_use]
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// The key, e.g. `domain-allow-list.allow[2]`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// File and line, counted from 1, where they are known.
    #[must_use]
    pub fn place(&self) -> Option<(&str, usize)> {
        self.place.as_ref().map(|(file, line)| (file.as_str(), *line))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = &self.place {
            write!(formatter, "{file}:{line}: ")?;
        }
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.problem)?;
        if let Some(remedy) = &self.remedy {
            write!(formatter, "; {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Everything that is wrong, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl ConfigErrors {
    /// `Ok` if there is none; otherwise each once, in the order of the file, those about no line last.
    pub(crate) fn check(mut errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        in_order(&mut errors);
        Err(Self(errors))
    }
}

/// Each once, in the order of the file, those about no line last.
pub(crate) fn in_order(errors: &mut Vec<ConfigError>) {
    errors.sort_by(|one, other| {
        let key = |error: &ConfigError| error.place.as_ref().map_or(usize::MAX, |(_, line)| *line);
        key(one).cmp(&key(other)).then_with(|| (&one.path, &one.problem).cmp(&(&other.path, &other.problem)))
    });
    errors.dedup();
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}
