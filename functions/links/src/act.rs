//! What links do. Each may be done twice, or stop anywhere and be done again.

use std::cell::Cell;

use cognito_triggers::Fault;
use cognito_triggers::ledger::{Amendment, DeliveryId, Mail, Member, Task, amend};
use cognito_triggers::links::{Link, LinkPurpose};
use cognito_triggers::services::NewPassword;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{LinksJob, Outcome, Settings};

/// The template of the mail to the administrators.
pub(crate) const NOTICE: &str = "not-me-notice";

/// How long administrators are not told that something was not finished: the user may try again meanwhile.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// What begins the marks and the deliveries of links that took back a sign-in.
const NOT_ME: &str = "links/not-me";

impl LinksJob {
    pub(crate) async fn act(&self, link: &Link) -> Result<Outcome, Fault> {
        match link.purpose {
            LinkPurpose::Unsubscribe => self.unsubscribe(link).await,
            LinkPurpose::NotMe => self.not_me(link).await,
            _ => Err(Fault::new("this function is older than the link and does not know what it is for")),
        }
    }

    async fn unsubscribe(&self, link: &Link) -> Result<Outcome, Fault> {
        let now = self.services.clock.now();
        let outcome = Cell::new(Outcome::Done);
        amend(self.services.ledger.as_ref(), &link.pool, &link.sub, now, |reading| {
            // Who has been written to is remembered; who is not, was deleted.
            let Some(member) = &reading.member else {
                outcome.set(Outcome::Gone);
                return None;
            };
            if !member.wants_mail_of(&link.about) {
                outcome.set(Outcome::Already);
                return None;
            }
            outcome.set(Outcome::Done);
            let mut member = member.clone();
            member.unsubscribed.insert(link.about.clone(), now);
            Some(Amendment { member: Some(member), ..Amendment::default() })
        })
        .await?;
        Ok(outcome.get())
    }

    /// Has a new password chosen, signs the user out everywhere, and tells the administrators.
    ///
    /// The notice is recorded before anything is done, as one that says that nothing was: it is sent some minutes later,
    /// unless one that knows better takes its place. So the administrators hear of it whatever fails. What fails keeps nothing
    /// else from being tried.
    async fn not_me(&self, link: &Link) -> Result<Outcome, Fault> {
        let (ledger, directory) = (self.services.ledger.as_ref(), self.services.directory.as_ref());
        let found = directory.find_sub(&link.pool, &link.sub).await;
        let (user_name, may_sign_in) = match &found {
            Ok(None) => return Ok(Outcome::Gone),
            Ok(Some(user)) => (user.user_name.clone(), user.enabled),
            Err(_) => (String::new(), true),
        };
        let user_name = user_name.as_str();
        let mut report = Report { link, user_name, signed_out: None, new_password: false, stage: Stage::Begun };
        let recorded = self.record(&report).await;
        found?;
        if matches!(recorded, Ok(false)) {
            return Ok(Outcome::Already);
        }

        // First the password, so that whoever knows the old one cannot come back in between.
        let password = match may_sign_in {
            true => directory.require_new_password(&link.pool, user_name).await,
            // Disabled: nobody comes in with any password, and Cognito resets none.
            false => Ok(NewPassword::None),
        };
        let before = self.services.clock.now();
        let signed_out = directory.sign_out(&link.pool, user_name).await;
        report.signed_out = signed_out.is_ok().then_some(before);
        report.new_password = matches!(password, Ok(NewPassword::Required));
        report.stage = match (&password, &signed_out) {
            (Ok(_), Ok(())) => Stage::Done,
            _ => Stage::InPart,
        };
        let noted = self.record(&report).await;
        if matches!(noted, Ok(true)) {
            let superseded = report.stage.earlier().map(|stage| report.notice_id(stage));
            // One that is not removed is sent: better two notices than none.
            let _ = ledger.acknowledge(&superseded.collect::<Vec<_>>()).await;
        }
        password?;
        signed_out?;
        recorded?;
        noted?;
        Ok(Outcome::Done)
    }

    /// Notes how far it has come, and has the administrators told. `false`: it had been done before.
    async fn record(&self, report: &Report<'_>) -> Result<bool, Fault> {
        let now = self.services.clock.now();
        let settings = self.settings.of(&report.link.pool);
        let done = report.mark(Stage::Done);
        amend(self.services.ledger.as_ref(), &report.link.pool, &report.link.sub, now, |reading| {
            // Of whom neither ledger nor directory know, nothing is remembered from now on either.
            if reading.member.is_none() && report.user_name.is_empty() {
                return None;
            }
            let mut member = reading.member.clone().unwrap_or_default();
            if member.marks.contains_key(&done) {
                return None;
            }
            forget_old_marks(&mut member, now);
            if let Some(before) = report.signed_out {
                member.sessions.end_kept_before(before);
            }
            let key = report.mark(report.stage);
            let is_new = member.marks.insert(key.clone(), now).is_none();
            let deliveries = match is_new && !settings.administrators.is_empty() {
                true => vec![(key, Task::Mail(report.notice(settings, now)), report.due(now))],
                false => Vec::new(),
            };
            Some(Amendment { member: Some(member), deliveries, ..Amendment::default() })
        })
        .await
    }
}

/// How far taking back a sign-in has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begun,
    InPart,
    Done,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::InPart => "in-part",
            Self::Done => "done",
        }
    }

    /// Those whose notices say less.
    fn earlier(self) -> impl Iterator<Item = Self> {
        [Self::Begun, Self::InPart].into_iter().take_while(move |stage| *stage != self)
    }
}

/// What came of it so far.
struct Report<'a> {
    link: &'a Link,
    /// Empty where it is not known.
    user_name: &'a str,
    /// Just before when, if it worked: what was begun later lives.
    signed_out: Option<Timestamp>,
    new_password: bool,
    stage: Stage,
}

impl Report<'_> {
    /// What marks the member, and is the key of the notice. Links of one user that expire in the same second were mailed in the
    /// same second, so that what one of them has done is all the others are for.
    fn mark(&self, stage: Stage) -> String {
        format!("{NOT_ME}/{}/{}", self.link.expires.as_second(), stage.as_str())
    }

    fn notice_id(&self, stage: Stage) -> DeliveryId {
        DeliveryId { pool: self.link.pool.clone(), sub: self.link.sub.clone(), key: self.mark(stage) }
    }

    fn due(&self, now: Timestamp) -> Timestamp {
        match self.stage {
            Stage::Done => now,
            Stage::Begun | Stage::InPart => now.saturating_add(PATIENCE).unwrap_or(now),
        }
    }

    fn notice(&self, settings: &Settings, now: Timestamp) -> Mail {
        Mail {
            from: settings.from.clone(),
            locales: vec![settings.locale.to_string()],
            context: context(json!({
                "user": {},
                "pool": self.link.pool,
                "client": "",
                "sub": self.link.sub,
                "user_name": self.user_name,
                "at": now,
                "signed_out": self.signed_out.is_some(),
                "new_password": self.new_password,
            })),
            ..Mail::new(NOTICE, settings.administrators.to_vec())
        }
    }
}

/// What the notice may be filled with: everything was done, and nothing for a user whose name could not be learnt.
pub(crate) fn samples() -> Vec<Map<String, Value>> {
    let at = Timestamp::constant(1_767_268_800, 0);
    let link = Link {
        purpose: LinkPurpose::NotMe,
        pool: "eu-central-1_Example01".into(),
        sub: "11111111-2222-4333-8444-555555555555".into(),
        about: String::new(),
        expires: at,
    };
    let told = |user_name, signed_out, new_password| {
        let report = Report { link: &link, user_name, signed_out, new_password, stage: Stage::Done };
        report.notice(&Settings::default(), at).context
    };
    vec![told("anna", Some(at), true), told("", None, false)]
}

fn context(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(context) => context,
        _ => Map::new(),
    }
}

/// What marks links that have expired serves nothing any more.
fn forget_old_marks(member: &mut Member, now: Timestamp) {
    member.marks.retain(|key, _| {
        let rest = key.strip_prefix(NOT_ME).and_then(|rest| rest.strip_prefix('/'));
        let expires = rest.and_then(|rest| rest.split('/').next()).and_then(|expires| expires.parse().ok());
        expires.is_none_or(|expires: i64| expires > now.as_second())
    });
}
