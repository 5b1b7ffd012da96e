//! One call of the Lambda in lines a person can read: for the tour and for `invoke`.

use cognito_triggers::report::{Outcome, Report, Step, StepVerdict};

use crate::paint::{Paint, WIDTH, counted, wrap};

/// How wide the column of names is.
const NAMES: usize = 20;

/// How far the lines are moved in at most, by whoever prints them.
const INDENT: usize = 6;

/// The rules with their verdicts and times, and the calls of the ledger.
pub(crate) fn rules(report: &Report, paint: Paint) -> Vec<String> {
    if report.outcome == Outcome::Echoed {
        return vec![paint.dim("no rule here: it goes back as it came")];
    }
    let mut lines = Vec::new();
    for parts in asked(report) {
        // What went wrong within a rule that went on all the same stands behind its verdict.
        let Some(step) = parts.iter().find(|part| part.verdict != StepVerdict::Continue).or(parts.last()) else {
            continue;
        };
        let mark = match step.verdict {
            StepVerdict::Continue => paint.green("✓"),
            StepVerdict::Deny => paint.red("✗"),
            StepVerdict::Fault(..) => paint.yellow("!"),
        };
        let time = paint.dim(&format!("{:>7} µs", parts.iter().map(|part| part.micros).sum::<u64>()));
        lines.push(format!("{mark} {:NAMES$}{time}", step.rule));
        // What stopped the event is told with its end.
        for part in parts.iter().filter(|part| report.rule != Some(part.rule)) {
            if let StepVerdict::Fault(_, causes) = &part.verdict {
                lines.extend(beside("the log has", causes, INDENT, |text| paint.yellow(text)));
            }
        }
    }
    lines.extend(beside("ledger", &ledger(report), INDENT, str::to_owned).iter().map(|line| paint.dim(line)));
    lines
}

/// The rules that were asked, each once: the parts of one rule at a trigger are told as one.
pub(crate) fn asked(report: &Report) -> impl Iterator<Item = &[Step]> {
    report.steps.chunk_by(|one, next| one.rule == next.rule)
}

/// A name and a text beside it, which may take several lines.
pub(crate) fn beside(name: &str, text: &str, indent: usize, colour: impl Fn(&str) -> String) -> Vec<String> {
    let column = NAMES + 2;
    let mut lines = Vec::new();
    for (index, line) in wrap(text, WIDTH - indent - column).iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        lines.push(format!("  {name:NAMES$}{}", colour(line)));
    }
    lines
}

/// How often: `once`, `2 times`.
pub(crate) fn times(number: u32) -> String {
    if number == 1 { "once".into() } else { format!("{number} times") }
}

fn ledger(report: &Report) -> String {
    let calls = report.calls;
    if calls.reads + calls.writes == 0 {
        return "not asked".into();
    }
    let mut parts = Vec::new();
    for (number, one, many) in [(calls.reads, "read", "reads"), (calls.writes, "write", "writes")] {
        if number > 0 {
            parts.push(counted(number as usize, one, many));
        }
    }
    if report.attempts > 1 {
        parts.push(format!("the rules were asked {} times", report.attempts));
    }
    let (staged, done) = (report.deliveries.staged, report.deliveries.done);
    if staged > 0 {
        parts.push(match staged - done.min(staged) {
            0 => format!("{} carried out", counted(done, "delivery", "deliveries")),
            left => format!("{} left to the courier", counted(left, "delivery", "deliveries")),
        });
    }
    parts.join(", ")
}
