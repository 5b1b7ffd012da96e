//! What must have happened before Cognito hears an answer: not left to the courier, who could come too late or undo what came
//! after.

use jiff::Timestamp;

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
    rule: Option<(&'static str, OnFault)>,
}

impl Acts {
    /// Stages one. The same act wanted by several rules is done once.
    pub fn stage(&mut self, act: Act) {
        let (rule, on_fault) = self.rule.unwrap_or(("", OnFault::Deny));
        self.staged.push((act, rule, on_fault));
    }

    pub(crate) fn set_rule(&mut self, rule: &'static str, on_fault: OnFault) {
        self.rule = Some((rule, on_fault));
    }

    pub(crate) fn count(&self) -> usize {
        self.staged.len()
    }

    /// Does what is staged. The first fault that is not passed over is answered with its rule; of those that are, the first.
    pub(crate) async fn carry_out(
        &self,
        pool: &str,
        services: &Services,
        deadline: Timestamp,
    ) -> Result<Option<Fault>, (&'static str, Fault)> {
        let mut passed_over = None;
        let mut done: Vec<&Act> = Vec::new();
        for (act, rule, on_fault) in &self.staged {
            if done.contains(&act) {
                continue;
            }
            match perform(act, pool, services, deadline).await {
                Ok(()) => done.push(act),
                Err(fault) if *on_fault == OnFault::Continue => {
                    passed_over.get_or_insert(fault);
                }
                Err(fault) => return Err((rule, fault)),
            }
        }
        Ok(passed_over)
    }
}

/// Does one, in the time that is left.
pub(crate) async fn perform(act: &Act, pool: &str, services: &Services, deadline: Timestamp) -> Result<(), Fault> {
    let directory = services.directory.as_ref();
    let work = async {
        match act {
            Act::SignOut { user_name } => directory.sign_out(pool, user_name).await,
            Act::RequireNewPassword { user_name } => {
                directory.require_new_password(pool, user_name).await.map(|_| ())
            }
        }
    };
    let late = || Err(Fault::of(FaultKind::Timeout, "the time for the answer was up before the directory had answered"));
    in_time(services.clock.as_ref(), deadline, work).await.unwrap_or_else(late)
}
