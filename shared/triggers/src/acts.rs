//! What must have happened before Cognito hears an answer: not left to the courier, who could come too late or undo what came
//! after.

use jiff::{SignedDuration, Timestamp};

use crate::config::OnFault;
use crate::courier::in_time;
use crate::{Fault, FaultKind, Services};

/// One thing done in the directory before the answer. Doing it again does no harm.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Ends every session the user has, on all devices.
    SignOut {
        /// The user's name in the pool.
        user_name: String,
    },
    /// Makes the user choose a new password, with a code Cognito sends.
    RequireNewPassword {
        /// The user's name in the pool.
        user_name: String,
    },
}

impl std::fmt::Debug for Act {
    /// What is done and nothing of the user.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::SignOut { .. } => "SignOut",
            Self::RequireNewPassword { .. } => "RequireNewPassword",
        })
    }
}

/// What is to be done once the commit is done, before the answer. If it fails, the event has failed, as after any fault of the
/// rule that wanted it.
#[derive(Clone, Default)]
pub struct Acts {
    staged: Vec<(Act, &'static str, OnFault)>,
    first: Vec<(Act, &'static str, OnFault)>,
    rule: Option<(&'static str, OnFault)>,
}

impl Acts {
    /// Stages one. The same act wanted by several rules is done once.
    pub fn stage(&mut self, act: Act) {
        let (rule, on_fault) = self.rule.unwrap_or(("", OnFault::Deny));
        self.staged.push((act, rule, on_fault));
    }

    /// Stages one that is done before the commit, once every rule has agreed: for a rule that writes what is only true once it is
    /// done. If it fails, nothing is written. It is done again if the chain runs again and the rule still wants it, and stays
    /// done if the commit fails after it.
    pub fn stage_first(&mut self, act: Act) {
        let (rule, on_fault) = self.rule.unwrap_or(("", OnFault::Deny));
        self.first.push((act, rule, on_fault));
    }

    pub(crate) fn set_rule(&mut self, rule: &'static str, on_fault: OnFault) {
        self.rule = Some((rule, on_fault));
    }

    pub(crate) fn count(&self) -> usize {
        self.staged.len() + self.first.len()
    }

    /// Whether there is anything to be done before the commit.
    pub(crate) fn come_first(&self) -> bool {
        !self.first.is_empty()
    }

    /// Whether there is anything to be done after the commit.
    pub(crate) fn follow(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Does what has to be done before the commit. A fault is answered with the rule that wanted it and what its faults do: what
    /// was to be written relies on it, so nothing may be.
    pub(crate) async fn carry_out_first(
        &self,
        pool: &str,
        services: &Services,
        deadline: Timestamp,
    ) -> Result<(), (&'static str, OnFault, Fault)> {
        for (position, (act, rule, on_fault)) in self.first.iter().enumerate() {
            if self.first.iter().take(position).any(|(other, ..)| other == act) {
                continue;
            }
            perform(act, pool, services, deadline).await.map_err(|fault| (*rule, *on_fault, fault))?;
        }
        Ok(())
    }

    /// Does what is staged, each act once. The first fault that is not passed over is answered with its rule; of those that are,
    /// the first.
    pub(crate) async fn carry_out(
        &self,
        pool: &str,
        services: &Services,
        deadline: Timestamp,
    ) -> Result<Option<Fault>, (&'static str, Fault)> {
        let mut passed_over = None;
        for (position, (act, ..)) in self.staged.iter().enumerate() {
            let wanted = |(other, ..): &&(Act, &'static str, OnFault)| other == act;
            if self.staged.iter().take(position).any(|staged| wanted(&staged)) {
                continue;
            }
            let Err(fault) = perform(act, pool, services, deadline).await else { continue };
            // Whoever wants it and binds decides what its fault means.
            let mut binding = self.staged.iter().filter(wanted).filter(|(_, _, on_fault)| *on_fault == OnFault::Deny);
            match binding.next() {
                Some((_, rule, _)) => return Err((rule, fault)),
                None => passed_over = passed_over.or(Some(fault)),
            }
        }
        Ok(passed_over)
    }
}

/// What an act may take: one that cannot finish before the deadline is not begun.
pub(crate) const ACT: SignedDuration = SignedDuration::from_millis(200);

/// Does one, in the time that is left.
pub(crate) async fn perform(act: &Act, pool: &str, services: &Services, deadline: Timestamp) -> Result<(), Fault> {
    if deadline.duration_since(services.clock.now()) < ACT {
        return Err(Fault::of(FaultKind::Timeout, "no time left to ask the directory"));
    }
    let directory = services.directory.as_ref();
    let work = async {
        match act {
            Act::SignOut { user_name } => directory.sign_out(pool, user_name).await,
            Act::RequireNewPassword { user_name } => directory.require_new_password(pool, user_name).await.map(|_| ()),
        }
    };
    let late =
        || Err(Fault::of(FaultKind::Timeout, "the time for the answer was up before the directory had answered"));
    in_time(services.clock.as_ref(), deadline, work).await.unwrap_or_else(late)
}
