//! What one message says in the end, put together from one template or two, and what went wrong on the way.

use cognito_triggers::message::{Composed, Outcome, Part, Refusal};
use cognito_triggers::{Answer, CustomMessage, Fault, FaultKind, Verdict, Visit};

/// Counted for every mail or SMS that went out with something of the user's dropped or shortened.
const MENDED: &str = "MessagesMended";
/// Counted for every mail or SMS that has a template, and went out in the pool's own words because of it.
const LEFT: &str = "MessagesLeftToCognito";

/// The most reasons one fault tells.
const MOST_TOLD: usize = 5;

/// What is known of the answer so far.
#[derive(Default)]
pub(crate) struct Wording {
    mail: Fate<(String, String)>,
    sms: Fate<String>,
    faults: Vec<Fault>,
    /// Whether the last template could not even be filled.
    is_unfilled: bool,
}

/// What became of one part.
#[derive(Default)]
enum Fate<T> {
    /// No template has it.
    #[default]
    Absent,
    Given {
        words: T,
        mended: bool,
    },
    Refused,
}

impl Wording {
    pub(crate) const fn has_mail(&self) -> bool {
        matches!(self.mail, Fate::Given { .. })
    }

    pub(crate) const fn has_sms(&self) -> bool {
        matches!(self.sms, Fate::Given { .. })
    }

    #[cfg(test)]
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Takes what came of a template, for the parts that were still asked for.
    pub(crate) fn take(&mut self, template: &str, composed: Result<Composed, Fault>) {
        self.is_unfilled = composed.is_err();
        match composed {
            Err(fault) => self.faults.push(fault),
            Ok(Composed { locale, email, sms }) => {
                let refused = [self.mail.take(email), self.sms.take(sms)];
                let refused = refused.iter().filter(|refusals| !refusals.is_empty());
                self.faults.extend(refused.map(|refusals| refused_by_cognito(template, &locale, refusals)));
            }
        }
    }

    /// Answers with what there is. It is a fault only if there is nothing.
    pub(crate) fn give(self, visit: &mut Visit<CustomMessage>, wanted: [bool; 2]) -> Answer<CustomMessage> {
        let given = [self.has_mail(), self.has_sms()];
        if self.is_unfilled && given == [false; 2] {
            return Err(together(self.faults));
        }
        let refused = [matches!(self.mail, Fate::Refused), matches!(self.sms, Fate::Refused)];
        for ((wanted, given), refused) in wanted.into_iter().zip(given).zip(refused) {
            if refused || wanted && !given && self.is_unfilled {
                visit.counts.one(LEFT);
            }
        }
        for fault in self.faults {
            visit.mishaps.note(fault);
        }
        if let Fate::Given { words: (subject, page), mended } = self.mail {
            visit.response.email_subject = Some(subject);
            visit.response.email_message = Some(page);
            if mended {
                visit.counts.one(MENDED);
            }
        }
        if let Fate::Given { words, mended } = self.sms {
            visit.response.sms_message = Some(words);
            if mended {
                visit.counts.one(MENDED);
            }
        }
        Ok(Verdict::Continue)
    }
}

/// What is wrong with a part, for whoever wrote the template. Nothing of the user is in it but the codes of characters.
fn refused_by_cognito(template: &str, locale: &str, refusals: &[(Part, Refusal)]) -> Fault {
    let each = |(part, refusal): &(Part, Refusal)| format!("{}: {refusal}; {}", part.as_str(), refusal.remedy());
    let told: Vec<_> = refusals.iter().take(MOST_TOLD).map(each).collect();
    let more = match refusals.len().saturating_sub(MOST_TOLD) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let text =
        format!("Cognito would not take what the template `{template}` says in `{locale}`: {}{more}", told.join(", "));
    Fault::of(FaultKind::Configuration, text)
}

/// One fault of several, the last one first: it is that of the usual template.
fn together(mut faults: Vec<Fault>) -> Fault {
    let Some(last) = faults.pop() else { return Fault::new("no template was tried") };
    if faults.is_empty() {
        return last;
    }
    let all: Vec<_> = std::iter::once(&last).chain(&faults).map(Fault::causes).collect();
    Fault::of(last.kind(), all.join("; before that: "))
}

impl<T> Fate<T> {
    /// Takes what came of this part, and hands back why Cognito would refuse it.
    fn take(&mut self, outcome: Outcome<T>) -> Vec<(Part, Refusal)> {
        match outcome {
            Outcome::Absent => {}
            Outcome::Ready { words, mended } => *self = Self::Given { words, mended },
            Outcome::Refused(refusals) => {
                *self = Self::Refused;
                return refusals;
            }
        }
        Vec::new()
    }
}
