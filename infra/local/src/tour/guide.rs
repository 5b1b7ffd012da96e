//! Prints the tour, and keeps the count of what did not go as told.

use std::fmt::Display;
use std::path::Path;

use cognito_triggers::report::Outcome;

use super::stage::{POOL, Stage};
use crate::account;
use crate::home::DEFAULT_FOLDER;
use crate::paint::{Paint, WIDTH, counted, wrap};
use crate::pool::{Done, Step};
use crate::post::{News, tally};
use crate::witness::Seen;
use crate::world::{Problem, World};

/// The guide.
pub(super) struct Guide<'a, 'b> {
    world: &'a mut World<'b>,
    stage: &'a Stage,
    paint: Paint,
    scene: usize,
    wrong: usize,
}

/// How far scenes are moved in.
const INDENT: usize = 4;

impl<'a, 'b> Guide<'a, 'b> {
    pub(super) fn new(world: &'a mut World<'b>, stage: &'a Stage) -> Self {
        Self { paint: world.paint(), world, stage, scene: 0, wrong: 0 }
    }

    pub(super) fn welcome(&mut self) -> Result<(), Problem> {
        let (paint, stage) = (self.paint, self.stage);
        self.line(paint.bold("cognito-triggers: a guided tour"))?;
        self.line("")?;
        self.paragraph(
            "Amazon Cognito asks a Lambda before and after nearly everything a user does. Here a user pool on this machine \
             asks in its place, and the rules are the real ones: the same code, events and answers as in AWS, with SQLite \
             for DynamoDB, and files for mails, buckets and event buses. This is their configuration:",
        )?;
        self.line("")?;
        self.line(format!("{:INDENT$}{}", "", paint.bold(&stage.file.display().to_string())))?;
        for line in stage.configuration.lines() {
            let (code, comment) = match line.find('#') {
                Some(at) => line.split_at(at),
                None => (line, ""),
            };
            let code = if code.starts_with('[') { paint.cyan(code) } else { code.to_owned() };
            let line = format!("{:INDENT$}{} {code}{}", "", paint.dim("│"), paint.dim(comment));
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    pub(super) fn chapter(&mut self, title: &str) -> Result<(), Problem> {
        let rule = "─".repeat((WIDTH - 4).saturating_sub(title.chars().count()));
        let (title, rule) = (self.paint.bold(title), self.paint.dim(&rule));
        self.line("")?;
        self.line(format!("{} {title} {rule}", self.paint.dim("──")))
    }

    pub(super) fn scene(&mut self, title: &str) -> Result<(), Problem> {
        self.scene += 1;
        let title = self.paint.bold(title);
        self.line("")?;
        self.line(format!("{:>2}  {title}", self.scene))
    }

    /// What is known before: an explanation in a scene.
    pub(super) fn aside(&mut self, text: &str) -> Result<(), Problem> {
        for line in wrap(text, WIDTH - INDENT) {
            let line = self.paint.dim(&line);
            self.line(format!("{:INDENT$}{line}", ""))?;
        }
        Ok(())
    }

    /// A line of code in a scene.
    pub(super) fn code(&mut self, text: &str) -> Result<(), Problem> {
        let text = format!("{} {}", self.paint.dim("│"), self.paint.cyan(text));
        self.line(format!("{:INDENT$}{text}", ""))
    }

    /// The calls of an operation that should pass. What is delivered is counted.
    pub(super) async fn passes<T>(&mut self, who: &str, done: &Done<T>, then: &str) -> Result<(), Problem> {
        self.steps(&done.steps)?;
        let seen = self.stage.post.seen();
        if !seen.is_empty() {
            self.fact("delivered", &tally(&seen), Paint::green)?;
        }
        self.ends(who, done, then)?;
        let news = self.stage.post.sweep().await;
        if !news.seen.is_empty() {
            self.fact("by the courier", &tally(&news.seen), Paint::green)?;
        }
        self.left(&news)
    }

    /// The same in a line a call: for what was shown before.
    pub(super) async fn passes_again<T>(&mut self, who: &str, done: &Done<T>, then: &str) -> Result<(), Problem> {
        for step in &done.steps {
            self.brief(step)?;
        }
        self.stage.post.seen();
        self.ends(who, done, then)?;
        let news = self.stage.post.sweep().await;
        self.told(news.trouble.is_empty(), "the courier was to do its work")
    }

    /// One call in one line.
    fn brief(&mut self, step: &Step) -> Result<(), Problem> {
        let calls = step.report.calls;
        let asked = [
            counted(account::asked(&step.report).count(), "rule", "rules"),
            counted(calls.reads as usize, "read", "reads"),
            counted(calls.writes as usize, "write", "writes"),
        ];
        let text = asked.join(", ");
        let (source, text) = (self.paint.cyan(&format!("{:40}", step.source)), self.paint.dim(&text));
        self.line(format!("{:INDENT$}{source}{text}", ""))
    }

    /// The same as [`passes`](Self::passes) with everything that is delivered, which is answered.
    pub(super) async fn passes_in_full<T>(
        &mut self,
        who: &str,
        done: &Done<T>,
        then: &str,
    ) -> Result<Vec<Seen>, Problem> {
        self.steps(&done.steps)?;
        let mut seen = self.stage.post.seen();
        self.delivered(&seen)?;
        self.ends(who, done, then)?;
        seen.extend(self.courier().await?);
        Ok(seen)
    }

    /// The courier does what is due, as it does every minute in AWS.
    pub(super) async fn courier(&mut self) -> Result<Vec<Seen>, Problem> {
        let news = self.stage.post.sweep().await;
        if !news.seen.is_empty() {
            let courier = self.paint.cyan("courier");
            self.line(format!("{:INDENT$}{courier}", ""))?;
        }
        self.delivered(&news.seen)?;
        self.left(&news)?;
        Ok(news.seen)
    }

    fn ends<T>(&mut self, who: &str, done: &Done<T>, then: &str) -> Result<(), Problem> {
        match &done.result {
            Ok(_) => self.fact(who, then, Paint::green),
            Err(refused) => {
                self.fact(&format!("{who} reads"), &refused.message, Paint::red)?;
                self.told(false, "that was to pass")
            }
        }
    }

    fn delivered(&mut self, seen: &[Seen]) -> Result<(), Problem> {
        let lines = self.stage.post.tell(seen, INDENT + 2, self.paint);
        lines.iter().try_for_each(|line| self.line(format!("{:1$}{line}", "", INDENT + 2)))
    }

    fn left(&mut self, news: &News) -> Result<(), Problem> {
        let lines = self.stage.post.tell_left(news, INDENT + 2, self.paint);
        lines.iter().try_for_each(|line| self.line(format!("{:1$}{line}", "", INDENT + 2)))?;
        self.told(news.trouble.is_empty(), "the courier was to do its work")
    }

    /// The calls of an operation that should be refused with this text, word for word.
    pub(super) fn refused<T>(&mut self, who: &str, done: &Done<T>, text: &str) -> Result<(), Problem> {
        let expected = format!("PreSignUp failed with error {text}.");
        self.refused_so(who, done, |message| message == expected)
    }

    /// The same, with a text that is not known beforehand.
    pub(super) fn refused_so<T>(
        &mut self,
        who: &str,
        done: &Done<T>,
        expected: impl Fn(&str) -> bool,
    ) -> Result<(), Problem> {
        self.steps(&done.steps)?;
        match &done.result {
            Ok(_) => self.told(false, "that was to be refused"),
            Err(refused) => {
                self.fact(&format!("{who} reads"), &refused.message, Paint::red)?;
                self.told(expected(&refused.message), "that was to be refused in other words")
            }
        }
    }

    /// One call.
    pub(super) fn step(&mut self, step: &Step) -> Result<(), Problem> {
        let source = self.paint.cyan(&step.source);
        self.line(format!("{:INDENT$}{source}", ""))?;
        for line in account::rules(&step.report, self.paint) {
            self.line(format!("{:1$}{line}", "", INDENT + 2))?;
        }
        for (path, value) in &step.set {
            let text = match path.split_once(".claimsToAddOrOverride.") {
                Some((path, claim)) => format!("claim {claim} of the {} token", token(path)),
                None => path.clone(),
            };
            let value = match (path.as_str(), value.as_str()) {
                ("emailMessage", Some(page)) => format!("a page of {} characters", page.chars().count()),
                _ => value.to_string(),
            };
            self.fact("sets", &format!("{text} = {value}"), |_, text| text.to_owned())?;
        }
        Ok(())
    }

    /// Something that can be seen now.
    pub(super) fn fact(
        &mut self,
        name: &str,
        text: &str,
        colour: impl Fn(Paint, &str) -> String,
    ) -> Result<(), Problem> {
        let paint = self.paint;
        for line in account::beside(name, text, INDENT + 2, |text| colour(paint, text)) {
            self.line(format!("{:1$}{line}", "", INDENT + 2))?;
        }
        Ok(())
    }

    /// Notes whether something is as it was told.
    pub(super) fn told(&mut self, so: bool, otherwise: &str) -> Result<(), Problem> {
        if so {
            return Ok(());
        }
        self.wrong += 1;
        self.fact("NOT AS TOLD", otherwise, Paint::red)
    }

    pub(super) fn farewell(&mut self) -> Result<u8, Problem> {
        let (paint, stage) = (self.paint, self.stage);
        if self.wrong > 0 {
            let text = format!("{} did not go as told: see NOT AS TOLD above", counted(self.wrong, "thing", "things"));
            self.line("")?;
            self.line(paint.red(&text))?;
            return Ok(1);
        }
        self.chapter("Your turn")?;
        self.line("")?;
        self.paragraph(&format!(
            "All {} scenes went as told. The pool stays as it is until the next tour: its memory and its users are in {}, \
             its mails, for any mail program, in {}, the key its hashes are made with in {}.",
            self.scene,
            stage.database.display(),
            stage.mails.display(),
            stage.key.display(),
        ))?;
        let file = stage.file.display();
        let folder = stage.key.parent().filter(|folder| *folder != Path::new(DEFAULT_FOLDER));
        let folder = folder.map(|folder| format!(" --folder {}", folder.display())).unwrap_or_default();
        let tries = [
            ("what this configuration does", format!("cargo local check {file}")),
            ("the events Cognito can send", "cargo local event --list".to_owned()),
            (
                "an event of your own, through the same rules",
                format!(
                    "cargo local event PreSignUp_SignUp --set request.userAttributes.email=me@evilexample.com \\\n  \
                     | cargo local invoke pool - --config {file}{folder}"
                ),
            ),
            (
                "a confirmation of your own, and what is delivered for it",
                format!(
                    "cargo local event PostConfirmation_ConfirmSignUp \\\n  | cargo local invoke pool - --config {file}{folder}"
                ),
            ),
            ("what is not delivered yet", format!("cargo local outbox --config {file}{folder}")),
            ("what is remembered of each user", format!("cargo local members{folder}")),
            ("where users are signed in", format!("cargo local sessions{folder}")),
            (
                "an invitation for three, as an operator makes it",
                format!(
                    "TRIGGERS_KEY=$(cat {}) cargo poolctl --config {file} \\\n  --pool {POOL} invitations create --maximum 3",
                    stage.key.display(),
                ),
            ),
        ];
        for (what, command) in tries {
            self.line("")?;
            self.line(format!("{:INDENT$}{}", "", paint.dim(&format!("# {what}"))))?;
            for line in command.lines() {
                self.line(format!("{:INDENT$}{}", "", paint.cyan(line)))?;
            }
        }
        self.line("")?;
        self.paragraph("Then change triggers.toml, or write a rule of your own: the README has one in 25 lines.")?;
        Ok(0)
    }

    fn steps(&mut self, steps: &[Step]) -> Result<(), Problem> {
        let (asked, echoed): (Vec<_>, Vec<_>) = steps.iter().partition(|step| step.report.outcome != Outcome::Echoed);
        for step in asked {
            self.step(step)?;
        }
        if !echoed.is_empty() {
            let names: Vec<_> = echoed.iter().map(|step| step.source.as_str()).collect();
            self.fact("no rule for", &names.join(", "), Paint::dim)?;
        }
        Ok(())
    }

    fn paragraph(&mut self, text: &str) -> Result<(), Problem> {
        wrap(text, WIDTH).iter().try_for_each(|line| self.line(line))
    }

    fn line(&mut self, text: impl Display) -> Result<(), Problem> {
        Ok(writeln!(self.world.out, "{text}")?)
    }
}

/// Which token a part of the answer is about.
fn token(path: &str) -> &'static str {
    if path.contains("access") { "access" } else { "ID" }
}
