//! Acts on the signed links of mails: unsubscribes, and takes back a sign-in. A Lambda behind a function URL.
//!
//! Opening a link does nothing but ask, because scanners of mails open every link: what it is for is done when the page's
//! button is pressed, or by the mail program's own unsubscribe button (RFC 8058). A link says what it is for, for whom and
//! until when, and is signed ([`cognito_triggers::links`]); whoever has it may act, so it is mailed to the user alone. Nothing a
//! page says depends on whether there is such a user.
//!
//! docs/links.md says how to set it up and what it does not protect from.

mod act;
mod page;
mod request;
mod settings;
mod words;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cognito_triggers::config::{ConfigErrors, Configuration, Tables};
use cognito_triggers::courier::in_time;
use cognito_triggers::grants::{self, Grant, When};
use cognito_triggers::links::{Link, LinkPurpose, Unusable};
use cognito_triggers::{Adapters, Clock, ConfigError, Environment, Fault, FaultKind, Invocation, Services};
use cognito_triggers_lambda::{Done, Job, Measures, scrub};
use jiff::Timestamp;
use serde_json::json;

pub use page::Response;
pub use request::{Method, Request};
pub use settings::Settings;

use page::Page;
use words::Language;

/// What the function calls of AWS, and the courier for it where administrators are told.
pub const GRANTS: &[Grant] = &[
    grants::READ,
    grants::WRITE,
    grants::ACKNOWLEDGE,
    grants::FIND_SUB,
    grants::RESET_PASSWORD,
    grants::SIGN_OUT,
    grants::SEND.by_courier().when(TOLD),
    grants::SEND_WITH_SET.by_courier().when(TOLD),
];

const TOLD: &[When] = &[When::filled("administrators")];

/// Answers requests until Lambda ends the process, with these services: the whole `main` of the function.
#[must_use]
pub fn serve(adapters: Adapters) -> ExitCode {
    cognito_triggers_lambda::serve_job::<LinksJob>(adapters)
}

/// What the function does for each request.
pub struct LinksJob {
    services: Services,
    settings: Tables<Settings>,
}

/// What came of one request.
pub struct Answered {
    /// The page.
    pub response: Response,
    /// What was done.
    pub outcome: Outcome,
    /// The link, if it is one of ours and can be used.
    pub link: Option<Link>,
    /// Why it could not be done; nothing of it is on the page.
    pub fault: Option<Fault>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user was asked.
    Asked,
    /// It was done.
    Done,
    /// It had been done before.
    Already,
    /// There is no such user any more, so there is nothing to be done. The page is that of [`Done`](Self::Done).
    Gone,
    /// The link is none of ours, or was changed.
    Unknown,
    /// The link's time is up.
    Expired,
    /// The request's method means nothing here.
    Refused,
    /// It could not be done, or not all of it.
    Failed,
}

impl Outcome {
    /// Its name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Done => "done",
            Self::Already => "already",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl LinksJob {
    /// One that works with these services: ledger, directory, the time, the root key.
    #[must_use]
    pub const fn new(services: Services, settings: Tables<Settings>) -> Self {
        Self { services, settings }
    }

    /// Answers a request, by `deadline` at the latest.
    pub async fn answer(&self, request: &Request, deadline: Timestamp) -> Answered {
        let (token, confirmed) = match (&request.method, request.form_token.as_deref(), request.query_token.as_deref())
        {
            (Method::Other, ..) => return self.refused(request, Outcome::Refused),
            (Method::Get, _, query) => (query, false),
            // What the page's own form sent, rather than what a mail program posts to the link.
            (Method::Post, Some(form), _) => (Some(form), true),
            (Method::Post, None, query) => (query, false),
        };
        let token = token.unwrap_or_default();
        let link = match Link::read(token, &self.services.keys, self.services.clock.now()) {
            Ok(link) => link,
            Err(Unusable::Unknown) => return self.refused(request, Outcome::Unknown),
            Err(Unusable::Expired) => return self.refused(request, Outcome::Expired),
        };
        // Unsubscribing takes one click (RFC 8058): a POST to the link is enough. Signing somebody out everywhere is not done
        // before the question was answered.
        let is_wanted = request.method == Method::Post && (confirmed || link.purpose == LinkPurpose::Unsubscribe);
        let (outcome, fault) = match is_wanted {
            false => (Outcome::Asked, None),
            true => match self.in_time(deadline, self.act(&link)).await {
                Ok(outcome) => (outcome, None),
                Err(fault) => (Outcome::Failed, Some(fault)),
            },
        };
        let settings = self.settings.of(&link.pool);
        let page = match outcome {
            Outcome::Asked => Page::Ask(link.purpose),
            Outcome::Failed => Page::Failed(link.purpose),
            _ => Page::Done(link.purpose),
        };
        let response = page.response(self.language(request, settings), settings, Some(token));
        Answered { response, outcome, link: Some(link), fault }
    }

    /// A page for what cannot be acted upon. No pool is known, so it is in nobody's name but everybody's.
    fn refused(&self, request: &Request, outcome: Outcome) -> Answered {
        let page = match outcome {
            Outcome::Expired => Page::Expired,
            Outcome::Refused => Page::Refused,
            _ => Page::Unknown,
        };
        let settings = self.settings.base();
        let response = page.response(self.language(request, settings), settings, None);
        Answered { response, outcome, link: None, fault: None }
    }

    fn language(&self, request: &Request, settings: &Settings) -> Language {
        Language::accepted(&request.accept_language).unwrap_or_else(|| Language::of(settings.locale.as_str()))
    }

    async fn in_time<T>(&self, deadline: Timestamp, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let late = || Err(Fault::of(FaultKind::Timeout, "the time was up before everything was done"));
        in_time(self.services.clock.as_ref(), deadline, work).await.unwrap_or_else(late)
    }
}

impl Answered {
    /// One line, with nothing of the user.
    fn log(&self, request: &Request, call: &Invocation<'_>, took: Duration, cold_start: bool) {
        if let Some(fault) = &self.fault {
            tracing::error!(
                target: "link",
                fault_kind = fault.kind().as_str(),
                fault = scrub(&fault.causes(), self.secrets(request).as_bytes()),
                request_id = call.request_id,
                "a link could not be acted upon"
            );
        }
        tracing::info!(
            target: "link",
            method = request.method.as_str(),
            purpose = self.purpose(),
            outcome = self.outcome.as_str(),
            status = self.response.status,
            pool = self.link.as_ref().map(|link| link.pool.as_str()),
            request_id = call.request_id,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            cold_start,
            "link"
        );
    }

    fn purpose(&self) -> Option<&'static str> {
        self.link.as_ref().map(|link| match link.purpose {
            LinkPurpose::Unsubscribe => "unsubscribe",
            LinkPurpose::NotMe => "not-me",
            _ => "other",
        })
    }

    /// What must not be in a log: who the link is for, and the link itself.
    fn secrets(&self, request: &Request) -> String {
        let sub = self.link.as_ref().map(|link| link.sub.as_str());
        json!({ "request": [sub, request.form_token, request.query_token] }).to_string()
    }

    fn measures(&self) -> Vec<Measures> {
        let is = |outcome: Outcome| usize::from(self.outcome == outcome);
        let done = |purpose| usize::from(self.outcome == Outcome::Done && self.purpose() == Some(purpose));
        let refused = is(Outcome::Unknown) + is(Outcome::Expired) + is(Outcome::Refused);
        vec![
            Measures::default()
                .count("Asked", is(Outcome::Asked))
                .count("Unsubscribed", done("unsubscribe"))
                .count("NotMe", done("not-me"))
                .count("Refused", refused)
                .count("Faults", is(Outcome::Failed)),
        ]
    }
}

impl Job for LinksJob {
    async fn open(
        environment: &Environment,
        adapters: &Adapters,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<ConfigError>), ConfigErrors> {
        let configuration = Configuration::find(environment)?;
        let mut errors = Vec::new();
        let settings = configuration.tables::<Settings>(Settings::SECTION).unwrap_or_else(|wrong| {
            errors.extend(wrong.0);
            Tables::default()
        });
        if environment.find("TRIGGERS_KEY").is_none() {
            let error = ConfigError::new("links cannot be read without the root key").at("TRIGGERS_KEY");
            errors.push(error.remedy("set it to what the functions that send mails have"));
        }
        let opened = configuration.open_services(environment, adapters, clock).await;
        let (services, mut doubts) = match opened {
            Ok(opened) if errors.is_empty() => opened,
            Ok(_) => return Err(ConfigErrors(errors)),
            Err(wrong) => {
                errors.extend(wrong.0);
                return Err(ConfigErrors(errors));
            }
        };
        if configuration.services(environment)?.directory.is_none() {
            let doubt = ConfigError::new("without a directory nobody can be signed out: links `this was not me` fail");
            doubts.push(doubt.at("services").remedy("add `directory = \"cognito\"` or set TRIGGERS_DIRECTORY"));
        }
        Ok((Self::new(services, settings), doubts))
    }

    /// Whatever somebody requests, there is a page for it: the call itself never fails.
    async fn run(&self, call: Invocation<'_>, cold_start: bool) -> Result<Done, Fault> {
        let started = Instant::now();
        let request = Request::of(call.body);
        let answered = self.answer(&request, call.deadline).await;
        answered.log(&request, &call, started.elapsed(), cold_start);
        Ok(Done { answer: answered.response.to_json(), measures: answered.measures() })
    }
}

#[cfg(test)]
mod tests;
