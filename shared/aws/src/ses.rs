//! Mails through Amazon SES: one `SendRawEmail` (the API of 2010-12-01) each, with the message as it was written.
//!
//! # The address
//!
//! `ses:` and the sender: `ses:hello@acme.example` or `ses:Acme <hello@acme.example>`. Behind it may stand options, as in a
//! link: `ses:Acme <hello@acme.example>?configuration-set=acme&reply-to=help@acme.example`.
//!
//! - `configuration-set`: how SES counts and reports these mails; once.
//! - `reply-to`: where answers go; as often as there are addresses.
//!
//! `%`, `&` and `#` in a value are written `%25`, `%26` and `%23`.
//!
//! # What it costs
//!
//! One request a mail; SES charges every recipient. Nothing is done at start: the client is made and the connection is opened
//! for the first mail, so that a start that sends none does not wait for it.
//!
//! # What becomes of errors
//!
//! | SES says | outlook |
//! |---|---|
//! | too many a second, or a day | throttled |
//! | something is wrong with this message (`InvalidParameterValue`) | permanent |
//! | the sender is not verified, the account is in the sandbox, sending is paused, there is no such configuration set, the role may not | transient, kind `configuration`: somebody can mend it within three days, and every mail goes out |
//! | anything else, or nothing | transient |
//!
//! SES quotes addresses in its messages; none of them reaches a log. A call is repeated within one delivery only if SES has not
//! accepted it for certain, see `once.rs`.
//!
//! # Limits
//!
//! Of SES, in its words (SES API reference, `SendRawEmail`; developer guide, "Service quotas"): 50 recipients; 10 MB, if the quota
//! was not raised; lines of 1,000 characters; local parts of addresses in 7-bit ASCII. In the sandbox 200 mails a day, one a
//! second, to verified recipients only. Tags count only with a configuration set; their names and values are ASCII letters,
//! digits, `_` and `-`, at most 256 of them.
//!
//! # What a role needs
//!
//! `ses:SendRawEmail` on the identity of the sender and, if one is named, on the configuration set.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ses::Client;
use aws_sdk_ses::error::ProvideErrorMetadata;
use aws_sdk_ses::operation::send_raw_email::SendRawEmailError;
use aws_sdk_ses::primitives::Blob;
use aws_sdk_ses::types::{MessageTag, RawMessage};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_types::SdkConfig;
use cognito_triggers::services::{Mailer, Message, Opening, Sender};
use cognito_triggers::{Adapter, ConfigError, Environment, Fault, FaultKind, Mailbox, Outlook};
use percent_encoding::percent_decode_str;

use crate::client::{self, Connections, Limits};
use crate::error::{code, fault, fault_because, is_throttling, misconfigured};
use crate::once::OnlyIfNotAccepted;

/// Mails through Amazon SES: `ses:<sender>`.
pub const MAILER: Adapter<dyn Mailer> = Adapter {
    scheme: "ses",
    example: "ses:Acme <hello@acme.example>",
    embedded: false,
    open: |Opening { address, environment }| {
        Box::pin(async move { Ok(Arc::new(SesMailer::open(&address, &environment, SENDING)?) as Arc<dyn Mailer>) })
    },
};

/// As for a courier, but an attempt may take long: one that is given up may have been accepted. What is sent inline ends with the
/// time for the answer all the same.
const SENDING: Limits = Limits { attempt: Duration::from_secs(10), ..Limits::COURIER };

/// Mails through Amazon SES.
#[derive(Debug)]
pub struct SesMailer {
    sender: Sender,
    configuration_set: Option<String>,
    settings: SdkConfig,
    client: OnceLock<Client>,
}

const OPERATION: &str = "SES SendRawEmail";
/// The most recipients SES takes (API reference, `SendRawEmail`).
const MOST_RECIPIENTS: usize = 50;
/// The most characters of a tag's name or value (API reference, `MessageTag`).
const LONGEST_TAG: usize = 256;
/// The most characters of the name of a configuration set (API reference, `ConfigurationSet`).
const LONGEST_SET: usize = 64;

impl SesMailer {
    /// Sends from this sender, written as in the module's documentation. Region and credentials come from the environment, as
    /// Lambda sets them; `AWS_ENDPOINT_URL_SES` or `AWS_ENDPOINT_URL` point to another SES. Nothing is called yet.
    ///
    /// # Errors
    ///
    /// If the sender is no mailbox, an option is not known or wrong, or region or credentials are missing.
    pub fn open(address: &str, environment: &Environment, limits: Limits) -> Result<Self, ConfigError> {
        let (from, options) = split(address)?;
        let mut reply_to = Vec::new();
        let mut configuration_set = None;
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| ConfigError::new(format!("the option `{name}` of the mailer is not UTF-8")))?;
            match name {
                "reply-to" => reply_to.push(mailbox(&value)?),
                "configuration-set" if configuration_set.is_some() => {
                    return Err(ConfigError::new("the mailer has two configuration sets").remedy("name one"));
                }
                "configuration-set" if is_configuration_set(&value) => configuration_set = Some(value.into_owned()),
                "configuration-set" => {
                    return Err(ConfigError::new(format!("`{value}` cannot be the name of a configuration set"))
                        .remedy("it has 1 to 64 ASCII letters, digits, `_` or `-`"));
                }
                _ => {
                    return Err(ConfigError::new(format!("the mailer has no option `{name}`"))
                        .remedy("it takes `configuration-set` and `reply-to`, as in `ses:Acme <hello@acme.example>?configuration-set=acme&reply-to=help@acme.example`"));
                }
            }
        }
        let settings = client::settings("SES", environment, &limits, Connections::Fresh)?;
        Ok(Self { sender: Sender { from, reply_to }, configuration_set, settings, client: OnceLock::new() })
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let config = aws_sdk_ses::config::Builder::from(&self.settings).retry_classifier(OnlyIfNotAccepted);
            Client::from_conf(config.build())
        })
    }

    /// What became of a message, as a fault.
    fn refused(&self, message: &Message, error: SdkError<SendRawEmailError, HttpResponse>) -> Fault {
        let Some(answer) = error.as_service_error() else { return fault(OPERATION, error) };
        // Read here and never repeated: it may quote addresses.
        let said = answer.message().unwrap_or_default();
        let code = code(&error).unwrap_or_default();
        let code = code.strip_suffix("Exception").unwrap_or(code);
        let mend = |why: String| misconfigured(OPERATION, why, &error);
        // "Maximum sending rate exceeded" and "Daily message quota exceeded": developer guide, "Errors related to the sending
        // quotas". Which code they come with differs between interfaces.
        if is_throttling(code)
            || is_throttling(answer.code().unwrap_or_default())
            || said.contains("sending rate exceeded")
            || said.contains("message quota exceeded")
        {
            let why = "over the sending quota of the account; ask SES for a higher one if this goes on";
            return fault_because(OPERATION, why, error).with_outlook(Outlook::Throttled);
        }
        let region = self.settings.region().map_or("this region", |region| region.as_ref());
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        match code {
            // What stands before SES takes no more than a certain size either.
            _ if status == Some(413) => {
                fault_because(OPERATION, "SES will not take this message: it is too big", error)
                    .with_outlook(Outlook::Permanent)
            }
            "InvalidParameterValue" | "InvalidParameterCombination" | "ValidationError" => {
                let why =
                    "SES will not take this message: an address is not valid, it is too big, or a header is wrong";
                fault_because(OPERATION, why, error).with_outlook(Outlook::Permanent)
            }
            "MessageRejected" if said.contains("not verified") => {
                let domain = message.from.rsplit_once('@').map_or("", |(_, domain)| domain);
                // The message lists who failed.
                if said.to_ascii_lowercase().contains(&message.from.to_ascii_lowercase()) {
                    mend(format!(
                        "the sender at `{domain}` is not verified in {region}: verify the domain or the address there, or \
                         send from another"
                    ))
                } else {
                    mend(format!(
                        "the account is in the SES sandbox of {region} and a recipient is not verified: ask for production \
                         access"
                    ))
                }
            }
            "MessageRejected" if said.contains("paused") || said.contains("suspended") => {
                mend("sending is paused for this account: see the reputation dashboard of SES".into())
            }
            "AccountSendingPaused" => {
                mend("sending is paused for this account: see the reputation dashboard of SES".into())
            }
            "ConfigurationSetSendingPaused" => mend(format!("sending is paused for {}: switch it on", self.set())),
            "ConfigurationSetDoesNotExist" => mend(format!(
                "there is no {} in {region}: create it, or leave it out of the mailer's address",
                self.set()
            )),
            "MailFromDomainNotVerified" => mend(
                "the MX record of the sender's MAIL FROM domain is missing: add it, or let SES fall back to its own"
                    .into(),
            ),
            "AccessDenied" => mend(format!(
                "the role may not send from this sender: allow `ses:SendRawEmail` on its identity{}",
                if self.configuration_set.is_some() { " and on the configuration set" } else { "" }
            )),
            "MessageRejected" => fault_because(OPERATION, "SES rejected the message", error),
            _ => fault(OPERATION, error),
        }
    }

    fn set(&self) -> String {
        let name = self.configuration_set.as_deref();
        name.map_or_else(|| "configuration set of that name".into(), |name| format!("configuration set `{name}`"))
    }
}

#[async_trait]
impl Mailer for SesMailer {
    fn sender(&self) -> &Sender {
        &self.sender
    }

    async fn send(&self, message: &Message) -> Result<(), Fault> {
        let recipients = message.recipients.len();
        if recipients == 0 || recipients > MOST_RECIPIENTS {
            let why = format!("a mail has 1 to {MOST_RECIPIENTS} recipients, and this one has {recipients}");
            return Err(Fault::of(FaultKind::Service, why).with_outlook(Outlook::Permanent));
        }
        let mut tags = Vec::with_capacity(message.tags.len());
        for (name, value) in &message.tags {
            let (name, value) = (tag(name), tag(value));
            if !name.is_empty() && !value.is_empty() {
                tags.push(MessageTag::builder().name(name).value(value).build()?);
            }
        }
        let call = self
            .client()
            .send_raw_email()
            .source(&message.from)
            .set_destinations(Some(message.recipients.clone()))
            .raw_message(RawMessage::builder().data(Blob::new(message.raw.as_slice())).build()?)
            .set_configuration_set_name(self.configuration_set.clone())
            .set_tags((!tags.is_empty()).then_some(tags));
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refused(message, error)),
        }
    }
}

/// The sender, and what stands behind the `?` that ends it. A name may hold one of its own; an address may not, since a sender
/// that is missing would then be read out of the options.
fn split(address: &str) -> Result<(Mailbox, &str), ConfigError> {
    let mut ends = address.match_indices('?').filter_map(|(end, _)| address.split_at_checked(end));
    if let Some(split) = ends.find_map(|(from, rest)| Some((from.parse().ok()?, rest.strip_prefix('?')?))) {
        return Ok(split);
    }
    let from = mailbox(address)?;
    if from.address().contains('?') { Err(no_mailbox(address)) } else { Ok((from, "")) }
}

fn mailbox(text: &str) -> Result<Mailbox, ConfigError> {
    text.parse().map_err(|_| no_mailbox(text))
}

fn no_mailbox(text: &str) -> ConfigError {
    let problem = if text.trim().is_empty() {
        "the mailer has no sender".to_owned()
    } else {
        format!("`{text}` is not a mailbox")
    };
    ConfigError::new(problem)
        .remedy("write `ses:hello@acme.example` or `ses:Acme <hello@acme.example>`, with an address SES has verified")
}

fn is_configuration_set(name: &str) -> bool {
    (1..=LONGEST_SET).contains(&name.len()) && name.bytes().all(is_plain)
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// A mail is not to fail because of what it is counted by.
fn tag(text: &str) -> String {
    let plain = |character: char| if character.is_ascii() && is_plain(character as u8) { character } else { '-' };
    text.chars().map(plain).take(LONGEST_TAG).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(address: &str) -> Result<SesMailer, ConfigError> {
        let environment =
            [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        SesMailer::open(address, &environment.into_iter().collect(), SENDING)
    }

    fn opened(address: &str) -> (String, Vec<String>, Option<String>) {
        let mailer = open(address).unwrap();
        let reply_to = mailer.sender.reply_to.iter().map(ToString::to_string).collect();
        (mailer.sender.from.to_string(), reply_to, mailer.configuration_set)
    }

    #[test]
    fn an_address_is_a_sender_and_options() {
        assert_eq!(opened("hello@acme.example"), ("hello@acme.example".into(), vec![], None));
        assert_eq!(opened("Acme <hello@acme.example>").0, "\"Acme\" <hello@acme.example>");
        let all = "Acme <hello@acme.example>?configuration-set=acme_1&reply-to=help+me@acme.example&reply-to=R%26D <rd@acme.example>";
        let reply_to = vec!["help+me@acme.example".into(), "\"R&D\" <rd@acme.example>".into()];
        assert_eq!(opened(all), ("\"Acme\" <hello@acme.example>".into(), reply_to, Some("acme_1".into())));
        assert_eq!(opened("hello@acme.example?configuration-set=acme").2, Some("acme".into()));
    }

    #[test]
    fn a_question_in_a_name_begins_no_options() {
        assert_eq!(opened("Who? Us! <hello@acme.example>?reply-to=a@b.example").0, "\"Who? Us!\" <hello@acme.example>");
        assert_eq!(opened("me@acme.example?").0, "me@acme.example");
        assert_eq!(opened("hello@bücher.example").0, "hello@xn--bcher-kva.example");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_to_do() {
        let error = |address| open(address).unwrap_err().to_string();
        for bad in [
            "Acme",
            "Acme <hello>",
            "<>",
            "acme.example",
            "Acme <a@b.example> c",
            "?reply-to=a@b.example",
            "Acme?reply-to=a@b.example",
        ] {
            let error = error(bad);
            assert!(error.contains(bad) && error.contains("write `ses:hello@acme.example`"), "{error}");
        }
        assert!(error("").starts_with("the mailer has no sender; write"), "{}", error(""));
        let unknown = error("a@b.example?replyto=c@d.example");
        assert!(unknown.contains("no option `replyto`") && unknown.contains("`reply-to`"), "{unknown}");
        assert!(error("a@b.example?reply-to=nobody").contains("`nobody` is not a mailbox"));
        assert!(error("a@b.example?configuration-set=a b").contains("`a b` cannot be the name"));
        assert!(error("a@b.example?configuration-set=").contains("cannot be the name"));
        assert!(error("a@b.example?configuration-set=a&configuration-set=b").contains("two configuration sets"));
        assert!(error("a@b.example?reply-to=%ff").contains("not UTF-8"));
        let environment = Environment::default();
        assert!(SesMailer::open("a@b.example", &environment, SENDING).unwrap_err().to_string().contains("AWS_REGION"));
    }

    #[test]
    fn what_a_mail_is_counted_by_is_made_fit() {
        assert_eq!(tag("welcome-email_2"), "welcome-email_2");
        assert_eq!(tag("süß:neu"), "s---neu");
        assert_eq!(tag(&"x".repeat(300)).len(), LONGEST_TAG);
    }
}
