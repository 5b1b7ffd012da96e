//! The mailer against ministack's SES: the contract every mailer keeps, what SES is told, and what becomes of a mail when the
//! network or the service fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ses::Client;
use aws_sdk_ses::config::{BehaviorVersion, Credentials, Region};
use cognito_triggers::grants;
use cognito_triggers::services::contract::{self, Letterbox, Received};
use cognito_triggers::services::{Message, Opening, Sender};
use cognito_triggers::{Fault, FaultKind, Mailbox, Mailer, Outlook, random};
use cognito_triggers_aws::{Limits, MAILER, SesMailer};
use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::grants::{asked, granted};
use crate::http::http;
use crate::ministack::Ministack;
use crate::proxy::{Exchange, Proxy, Trouble};
use crate::{environment, run};

const ADDRESS: &str = "Acme <hello@acme.example>?configuration-set=acme&reply-to=help@acme.example";
const SEND: &str = "SendRawEmail";

/// Lets a domain send, as its owner would.
async fn verify(ministack: &Ministack, domain: &str) {
    let config = aws_sdk_ses::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(ministack.endpoint())
        .http_client(http())
        .build();
    Client::from_conf(config).verify_domain_identity().domain(domain).send().await.unwrap();
}

/// A mailer behind a proxy. Where a test does not ask how long something takes, it has time.
async fn proxied(ministack: &Ministack, limits: Limits) -> (SesMailer, Proxy) {
    verify(ministack, "acme.example").await;
    let proxy = Proxy::before(ministack.address()).await;
    (SesMailer::open(ADDRESS, &environment(&proxy.endpoint()), limits).unwrap(), proxy)
}

/// The same mailer, which does not wait long for an answer.
fn hasty(proxy: &Proxy) -> SesMailer {
    let mut limits = Limits::COURIER;
    limits.attempt = Duration::from_millis(1_500);
    SesMailer::open(ADDRESS, &environment(&proxy.endpoint()), limits).unwrap()
}

/// A message that is found by its mark.
fn message(mark: &str) -> Message {
    Message {
        from: "hello@acme.example".into(),
        recipients: vec!["anna@recipient.example".into()],
        raw: format!("From: hello@acme.example\r\nSubject: {mark}\r\n\r\nHello\r\n").into_bytes(),
        tags: BTreeMap::new(),
    }
}

fn mark() -> String {
    format!("mark-{}", random::number().unwrap())
}

/// How many mails with this subject SES has accepted.
fn accepted(ministack: &Ministack, mark: &str) -> usize {
    let all = ministack.get("/_ministack/ses/messages").unwrap();
    let all: Value = serde_json::from_str(&all).unwrap();
    let of_all_accounts = all["messages"].as_object().unwrap().values();
    of_all_accounts.flat_map(|mails| mails.as_array().unwrap()).filter(|mail| mail["Subject"] == mark).count()
}

/// The fields of a request in the older protocol.
fn form(exchange: &Exchange) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(&exchange.body).unwrap();
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().unwrap().into_owned();
    text.split('&').filter_map(|field| field.split_once('=')).map(|(name, it)| (decoded(name), decoded(it))).collect()
}

/// What SES was given and has accepted, as the proxy saw it: SES tells nobody the bytes of a mail.
struct Wire {
    ministack: Arc<Ministack>,
    proxy: Proxy,
}

#[async_trait]
impl Letterbox for Wire {
    fn sender(&self) -> Sender {
        let reply_to = vec!["help@acme.example".parse().unwrap()];
        Sender { from: "Acme <hello@acme.example>".parse().unwrap(), reply_to }
    }

    fn another(&self) -> Mailbox {
        "news@acme.example".parse().unwrap()
    }

    async fn received(&self, mark: &str, _: usize) -> Vec<Received> {
        let known = self.ministack.get("/_ministack/ses/messages").unwrap();
        let mut received = Vec::new();
        for exchange in self.proxy.exchanges().iter().filter(|exchange| exchange.operation == SEND) {
            let mut fields = form(exchange);
            let raw = BASE64.decode(fields["RawMessage.Data"].as_bytes()).unwrap();
            if !String::from_utf8_lossy(&raw).contains(mark) {
                continue;
            }
            let id = exchange.answer.split_once("<MessageId>").and_then(|(_, rest)| rest.split_once("</MessageId>"));
            let (id, _) = id.unwrap_or_else(|| panic!("SES has not accepted it: {}", exchange.answer));
            assert!(known.contains(id), "SES does not know the mail it has accepted");
            received.push(Received {
                from: fields.remove("Source").unwrap(),
                recipients: fields
                    .into_iter()
                    .filter_map(|(name, value)| name.starts_with("Destinations.").then_some(value))
                    .collect(),
                raw,
            });
        }
        received
    }
}

#[test]
fn the_contract_holds() {
    let ministack = Ministack::shared();
    run(async move {
        verify(&ministack, "acme.example").await;
        let proxy = Proxy::before(ministack.address()).await;
        let open = async || {
            let opening = Opening { address: ADDRESS.into(), environment: environment(&proxy.endpoint()) };
            (MAILER.open)(opening).await.unwrap()
        };
        let witness = Arc::new(Wire { ministack: Arc::clone(&ministack), proxy: proxy.clone() });
        let suite = contract::mailer(open().await, witness).client(open().await).spawn(|task| {
            let task = tokio::spawn(task);
            Box::pin(async move { task.await.unwrap() })
        });
        suite.holds().await;
        assert_eq!(asked(&proxy.exchanges()), granted(&[grants::MAILER]));
    });
}

#[test]
fn ses_is_told_whom_to_send_it_to_and_what_to_count_it_by() {
    let ministack = Ministack::shared();
    run(async move {
        let (mailer, proxy) = proxied(&ministack, Limits::COURIER).await;
        let mark = mark();
        let mut message = message(&mark);
        message.recipients = vec!["anna@recipient.example".into(), "bea@xn--bcher-kva.example".into()];
        message.tags = [("rule", "welcome-email"), ("pool", "eu-central-1_Test"), ("odd", "a:b")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        mailer.send(&message).await.unwrap();
        let exchange = &proxy.exchanges()[0];
        let mut fields = form(exchange);
        fields.remove("RawMessage.Data").unwrap();
        let expected = [
            ("Action", "SendRawEmail"),
            ("Version", "2010-12-01"),
            ("ConfigurationSetName", "acme"),
            ("Destinations.member.1", "anna@recipient.example"),
            ("Destinations.member.2", "bea@xn--bcher-kva.example"),
            ("Source", "hello@acme.example"),
            ("Tags.member.1.Name", "odd"),
            ("Tags.member.1.Value", "a-b"),
            ("Tags.member.2.Name", "pool"),
            ("Tags.member.2.Value", "eu-central-1_Test"),
            ("Tags.member.3.Name", "rule"),
            ("Tags.member.3.Value", "welcome-email"),
        ];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(accepted(&ministack, &mark), 1);
    });
}

#[test]
fn ses_reads_a_mail_as_a_mail_program_would() {
    let ministack = Ministack::shared();
    run(async move {
        let (mailer, proxy) = proxied(&ministack, Limits::COURIER).await;
        let mark = mark();
        let bytes: Vec<u8> = (0..=255).cycle().take(2_000).collect();
        let attachment = BASE64.encode(&bytes);
        let mut message = message(&mark);
        message.raw = format!(
            "From: hello@acme.example\r\nTo: anna@recipient.example\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= {mark}\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n\
             Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>日本語</p>\r\n--=_b\r\n\
             Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n{attachment}\r\n--=_b--\r\n"
        )
        .into_bytes();
        mailer.send(&message).await.unwrap();
        let all: Value = serde_json::from_str(&ministack.get("/_ministack/ses/messages").unwrap()).unwrap();
        let mails = all["messages"].as_object().unwrap().values().flat_map(|mails| mails.as_array().unwrap());
        let subject = format!("Grüße {mark}");
        let mail = mails.into_iter().find(|mail| mail["Subject"] == subject.as_str()).expect("it was not accepted");
        assert_eq!(mail["BodyHtml"].as_str().unwrap().trim(), "<p>日本語</p>");
        assert_eq!(mail["Source"], "hello@acme.example");
        let raw = BASE64.decode(form(&proxy.exchanges()[0])["RawMessage.Data"].as_bytes()).unwrap();
        assert_eq!(raw, message.raw);
    });
}

#[test]
fn a_sender_who_is_not_verified_is_a_mistake_somebody_can_mend() {
    let ministack = Ministack::shared();
    run(async move {
        let endpoint = ministack.endpoint();
        let mailer = SesMailer::open("hello@strangers.example", &environment(&endpoint), Limits::COURIER).unwrap();
        let mut message = message(&mark());
        message.from = "hello@strangers.example".into();
        let fault = mailer.send(&message).await.unwrap_err();
        assert_eq!((fault.kind(), fault.outlook()), (FaultKind::Configuration, Outlook::Transient));
        let text = fault.causes();
        assert!(
            text.starts_with(
                "SES SendRawEmail failed: the sender at `strangers.example` is not verified in eu-central-1: verify"
            ),
            "{text}"
        );
        assert!(text.contains("MessageRejected (request "), "{text}");
        assert!(!text.contains('@'), "{text}");
    });
}

fn refusal(status: u16, code: &str, said: &str) -> Trouble {
    Trouble::Answered(
        status,
        format!(
            "<ErrorResponse xmlns=\"http://ses.amazonaws.com/doc/2010-12-01/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{said}</Message></Error><RequestId>a-request</RequestId></ErrorResponse>"
        ),
    )
}

async fn fault_after(mailer: &SesMailer, proxy: &Proxy, troubles: impl IntoIterator<Item = Trouble>) -> (Fault, usize) {
    proxy.requests();
    troubles.into_iter().for_each(|trouble| proxy.make(SEND, trouble));
    let fault = mailer.send(&message(&mark())).await.unwrap_err();
    (fault, proxy.requests().len())
}

#[test]
fn what_ses_refuses_is_judged_and_quotes_nobody() {
    let ministack = Ministack::shared();
    run(async move {
        let (mailer, proxy) = proxied(&ministack, Limits::COURIER).await;
        let (setup, service) = (FaultKind::Configuration, FaultKind::Service);
        let (transient, permanent) = (Outlook::Transient, Outlook::Permanent);
        let unverified =
            "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: ";
        let sender = format!("{unverified}Hello@acme.example, anna@recipient.example");
        let sandbox = format!("{unverified}anna@recipient.example");
        for (code, said, kind, outlook, why) in [
            (
                "MessageRejected",
                sender.as_str(),
                setup,
                transient,
                "the sender at `acme.example` is not verified in eu-",
            ),
            ("MessageRejected", &sandbox, setup, transient, "sandbox of eu-central-1"),
            ("MessageRejected", "Sending paused for this account.", setup, transient, "paused for this account"),
            (
                "MessageRejected",
                "Address anna@recipient.example is odd",
                service,
                transient,
                "SES rejected the message",
            ),
            ("MailFromDomainNotVerifiedException", "anna@", setup, transient, "MX record"),
            ("MailFromDomainNotVerified", "anna@", setup, transient, "MX record"),
            ("ConfigurationSetDoesNotExist", "anna@", setup, transient, "there is no configuration set `acme` in eu-"),
            (
                "ConfigurationSetDoesNotExistException",
                "anna@",
                setup,
                transient,
                "there is no configuration set `acme`",
            ),
            ("ConfigurationSetSendingPausedException", "", setup, transient, "paused for configuration set `acme`"),
            ("AccountSendingPausedException", "", setup, transient, "paused for this account"),
            ("AccessDenied", "not authorized on anna@recipient.example", setup, transient, "allow `ses:SendRawEmail`"),
            ("InvalidParameterValue", "Missing final anna@domain", service, permanent, "will not take this message"),
            ("ValidationError", "anna@ is too long", service, permanent, "will not take this message"),
            ("SignatureDoesNotMatch", "anna@", service, transient, "SignatureDoesNotMatch"),
        ] {
            let (fault, requests) = fault_after(&mailer, &proxy, [refusal(400, code, said)]).await;
            let text = fault.causes();
            assert_eq!((fault.kind(), fault.outlook()), (kind, outlook), "{code}, {said}: {text}");
            assert!(text.starts_with("SES SendRawEmail failed") && text.contains(why), "{text}");
            assert!(text.contains(code), "{text}");
            assert!(!text.contains('@') && !text.contains("anna"), "{text}");
            assert_eq!(requests, 1, "{code}: repeating does not help");
        }
        let (fault, requests) = fault_after(&mailer, &proxy, [Trouble::Answered(413, "too large".into())]).await;
        assert_eq!((fault.outlook(), requests), (permanent, 1), "{fault}");
    });
}

#[test]
fn what_is_over_a_quota_costs_no_attempt() {
    let ministack = Ministack::shared();
    run(async move {
        let (mailer, proxy) = proxied(&ministack, Limits::COURIER).await;
        let attempts = Limits::COURIER.attempts as usize;
        for (code, said, expected) in [
            ("Throttling", "Maximum sending rate exceeded.", attempts),
            ("ThrottlingException", "Rate exceeded", attempts),
            ("Throttling", "Daily message quota exceeded.", attempts),
            ("ServiceLimit", "Maximum sending rate exceeded.", 1),
        ] {
            let all = (0..attempts).map(|_| refusal(400, code, said));
            let (fault, requests) = fault_after(&mailer, &proxy, all).await;
            assert_eq!((fault.outlook(), requests), (Outlook::Throttled, expected), "{code}: {fault}");
            assert!(fault.causes().contains("over the sending quota of the account"), "{fault}");
            // What is left over is for nobody else.
            while proxy.forget(SEND) {}
        }
        // Once there is room again it goes out.
        proxy.make(SEND, refusal(400, "Throttling", "Maximum sending rate exceeded."));
        let mark = mark();
        mailer.send(&message(&mark)).await.unwrap();
        assert_eq!(accepted(&ministack, &mark), 1);
    });
}

#[test]
fn a_mail_that_was_refused_for_certain_is_tried_again_at_once() {
    let ministack = Ministack::shared();
    run(async move {
        let (mailer, proxy) = proxied(&ministack, Limits::COURIER).await;
        for status in [500, 503] {
            let mark = mark();
            proxy.requests();
            proxy.make(SEND, refusal(status, "InternalFailure", "anna@recipient.example"));
            mailer.send(&message(&mark)).await.unwrap();
            assert_eq!(proxy.requests(), [SEND; 2]);
            assert_eq!(accepted(&ministack, &mark), 1);
        }
        let all = (0..Limits::COURIER.attempts).map(|_| refusal(503, "ServiceUnavailable", "anna@recipient.example"));
        let (fault, requests) = fault_after(&mailer, &proxy, all).await;
        assert_eq!((fault.kind(), fault.outlook()), (FaultKind::Service, Outlook::Transient));
        assert_eq!(requests, Limits::COURIER.attempts as usize);
        assert!(!fault.causes().contains("anna"), "{fault}");
    });
}

/// "Twice only where it could not be learnt that the service had accepted it": and then not by the SDK, within a blink.
#[test]
fn a_mail_whose_acceptance_is_unknown_is_left_to_the_courier() {
    let ministack = Ministack::shared();
    run(async move {
        let (mailer, proxy) = proxied(&ministack, Limits::COURIER).await;
        let hasty = hasty(&proxy);
        for (trouble, arrives) in [
            (Trouble::LostAnswer, 1),
            (Trouble::Cut, 0),
            (Trouble::Silence, 0),
            (refusal(502, "BadGateway", ""), 0),
            (Trouble::Answered(504, String::new()), 0),
            (Trouble::Answered(200, "<Send".into()), 0),
        ] {
            let mark = mark();
            proxy.requests();
            proxy.make(SEND, trouble.clone());
            let mailer = if matches!(trouble, Trouble::Silence) { &hasty } else { &mailer };
            let fault = mailer.send(&message(&mark)).await.expect_err(&format!("{trouble:?}"));
            assert_eq!(
                (fault.kind(), fault.outlook()),
                (FaultKind::Service, Outlook::Transient),
                "{trouble:?}: {fault}"
            );
            assert_eq!(proxy.requests(), [SEND], "{trouble:?} was repeated");
            assert_eq!(accepted(&ministack, &mark), arrives, "{trouble:?}");
            assert!(!fault.causes().contains("recipient.example"), "{fault}");
        }
        // The next one finds a connection that works.
        mailer.send(&message(&mark())).await.unwrap();
    });
}

#[test]
fn a_connection_that_cannot_be_made_is_tried_again() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("https://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            // Nobody ever says hello.
            while let Ok((connection, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(connection);
            }
        });
        let mailer = SesMailer::open("hello@acme.example", &environment(&endpoint), Limits::COURIER).unwrap();
        let fault = mailer.send(&message(&mark())).await.unwrap_err();
        assert_eq!(fault.outlook(), Outlook::Transient);
        assert_eq!(connections.load(Ordering::SeqCst), Limits::COURIER.attempts as usize, "{fault}");
    });
}

#[test]
fn a_mail_to_nobody_or_to_too_many_is_refused_for_good() {
    let ministack = Ministack::shared();
    run(async move {
        let (mailer, proxy) = proxied(&ministack, Limits::COURIER).await;
        for count in [0, 51] {
            let mut message = message(&mark());
            message.recipients = (0..count).map(|number| format!("user-{number}@recipient.example")).collect();
            let fault = mailer.send(&message).await.unwrap_err();
            assert_eq!(fault.outlook(), Outlook::Permanent);
            assert!(!fault.causes().contains('@'), "{fault}");
        }
        assert!(proxy.requests().is_empty());
    });
}

#[test]
fn opening_a_mailer_calls_nobody() {
    let ministack = Ministack::shared();
    run(async move {
        let proxy = Proxy::before(ministack.address()).await;
        let opening = Opening { address: ADDRESS.into(), environment: environment(&proxy.endpoint()) };
        let mailer = (MAILER.open)(opening).await.unwrap();
        assert_eq!(mailer.sender().from.address(), "hello@acme.example");
        assert_eq!(proxy.connections(), 0);
        let opening = Opening { address: "Acme".into(), environment: environment(&proxy.endpoint()) };
        assert!((MAILER.open)(opening).await.err().unwrap().to_string().contains("`Acme` is not a mailbox"));
    });
}

/// What cannot be understood may quote anything.
#[test]
fn an_answer_that_cannot_be_read_is_not_quoted() {
    let ministack = Ministack::shared();
    run(async move {
        let (mailer, proxy) = proxied(&ministack, Limits::TOOL).await;
        for status in [200, 400, 502] {
            proxy.make(SEND, Trouble::Answered(status, "<Send to=anna@recipient.example".into()));
            let fault = mailer.send(&message(&mark())).await.unwrap_err();
            assert!(fault.causes().starts_with("SES SendRawEmail failed: "), "{fault}");
            assert!(!fault.causes().contains("anna"), "{status}: {fault}");
        }
    });
}
