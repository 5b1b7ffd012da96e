//! What a rule is and what it may answer.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::{Act, Event, Fault, Gate, Keys, Trigger, Visit, Wants};

/// A verdict, or an accident.
pub type Answer<T> = Result<Verdict<T>, Fault>;

/// One capability, for one trigger. Implement it for every trigger the rule needs, and attach it to each in
/// [`Configured::attach`](crate::Configured::attach).
///
/// A rule may run more than once for one event: Cognito retries, and a chain whose state moved runs again. So it has no
/// effect outside its visit; what it wants done it stages there.
///
/// ```
/// use cognito_triggers::prelude::*;
///
/// struct AdultsOnly;
///
/// impl Rule<PreSignUp> for AdultsOnly {
///     async fn apply(&self, event: &Event<PreSignUp>, visit: &mut Visit<PreSignUp>) -> Answer<PreSignUp> {
///         match event.attributes().birthdate() {
///             Some(date) if date.year() <= 2000 => Ok(Verdict::Continue),
///             _ => Ok(Verdict::deny("Please come back when you are older")),
///         }
///     }
/// }
///
/// let event = Event::<PreSignUp>::sample().with("birthdate", "2020-02-29");
/// assert_eq!(Trial::of(AdultsOnly).sees(event), denied("Please come back when you are older"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a rule for the trigger `{T}`",
    label = "this rule does not implement `Rule<{T}>`",
    note = "write `impl Rule<{T}> for {Self} {{ async fn apply(&self, event: &Event<{T}>, visit: &mut Visit<{T}>) -> Answer<{T}> {{ .. }} }}`",
    note = "a plain function is a rule too: `fn(&Event<{T}>, &mut Visit<{T}>) -> Answer<{T}>`"
)]
pub trait Rule<T: Trigger>: Send + Sync + 'static {
    /// Decides about one event.
    fn apply(&self, event: &Event<T>, visit: &mut Visit<T>) -> impl Future<Output = Answer<T>> + Send;

    /// Names what this rule will ask of the ledger beyond the member and the switches, so that the one read of the chain
    /// brings it along. Must be cheap.
    fn wants(&self, event: &Event<T>, keys: &Keys, wants: &mut Wants) {
        let _ = (event, keys, wants);
    }
}

impl<T, F> Rule<T> for F
where
    T: Trigger,
    F: Fn(&Event<T>, &mut Visit<T>) -> Answer<T> + Send + Sync + 'static,
{
    async fn apply(&self, event: &Event<T>, visit: &mut Visit<T>) -> Answer<T> {
        self(event, visit)
    }
}

/// What a rule decided.
#[must_use = "a verdict has to be returned to take effect"]
pub enum Verdict<T: Trigger> {
    /// Nothing against it: the next rule is asked.
    Continue,
    /// No. The first denial of a chain wins. Made by [`Verdict::deny`], which only gates have.
    Deny(Denial<T>),
}

impl<T: Gate> Verdict<T> {
    /// Refuses, with the text the user reads.
    ///
    /// Write a full sentence without its full stop: Cognito adds one. The text is shown word for word after the words
    /// `<Trigger> failed with error`, so it must hold nothing that is not meant for the user.
    pub fn deny(message: impl Into<Cow<'static, str>>) -> Self {
        let mut message = message.into();
        let trimmed = message.trim().trim_end_matches('.');
        if trimmed.len() != message.len() || trimmed.contains(char::is_control) {
            message = trimmed.replace(char::is_control, " ").into();
        }
        Self::Deny(Denial { refused: Refused { message, acts: Vec::new() }, trigger: PhantomData })
    }

    /// Refuses, and does something in the directory before the answer. If that fails, the attempt is refused as after a fault.
    /// Nothing else takes effect of an attempt that is refused.
    pub fn deny_and(message: impl Into<Cow<'static, str>>, act: Act) -> Self {
        match Self::deny(message) {
            Self::Deny(Denial { refused: Refused { message, .. }, trigger }) => {
                Self::Deny(Denial { refused: Refused { message, acts: vec![act] }, trigger })
            }
            other => other,
        }
    }
}

/// A refusal and its text.
pub struct Denial<T> {
    refused: Refused,
    trigger: PhantomData<fn() -> T>,
}

/// The same, whatever was refused.
pub(crate) struct Refused {
    pub(crate) message: Cow<'static, str>,
    pub(crate) acts: Vec<Act>,
}

impl<T: Trigger> Verdict<T> {
    /// What was refused, if it was.
    pub(crate) fn refused(self) -> Option<Refused> {
        match self {
            Self::Continue => None,
            Self::Deny(denial) => Some(denial.refused),
        }
    }

    pub(crate) fn of(refused: Option<Refused>) -> Self {
        refused.map_or(Self::Continue, |refused| Self::Deny(Denial { refused, trigger: PhantomData }))
    }
}

impl<T> Denial<T> {
    /// What the user reads.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.refused.message
    }

    /// What it carries.
    #[must_use]
    pub fn acts(&self) -> &[Act] {
        &self.refused.acts
    }
}

impl<T: Trigger> PartialEq for Verdict<T> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Continue, Self::Continue) => true,
            (Self::Deny(one), Self::Deny(two)) => one.message() == two.message(),
            _ => false,
        }
    }
}

impl<T: Trigger> fmt::Debug for Verdict<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continue => formatter.write_str("Continue"),
            Self::Deny(denial) => write!(formatter, "Deny({:?})", denial.message()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PreSignUp;

    #[test]
    fn the_closing_full_stop_is_left_to_cognito() {
        let Verdict::Deny(denial) = Verdict::<PreSignUp>::deny("Please wait.\n") else { panic!("not denied") };
        assert_eq!(denial.message(), "Please wait");
    }
}
