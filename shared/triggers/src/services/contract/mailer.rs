//! What every mailer promises.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{CROWD, clauses};
use crate::services::{Message, Sender};
use crate::{Mailbox, Mailer};

type Case = super::Case<dyn Mailer, dyn Letterbox>;

/// Looks at what the mailer sent.
#[async_trait]
pub trait Letterbox: Send + Sync + 'static {
    /// Whom the mailer's address names.
    fn sender(&self) -> Sender;

    /// Another address the service lets this mailer send from.
    fn another(&self) -> Mailbox;

    /// Every mail with this mark in its raw text, in any order. Where mails take their time to arrive it waits until there are
    /// so many, or no more can be expected.
    async fn received(&self, mark: &str, at_least: usize) -> Vec<Received>;
}

/// A mail at the other end.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// Who it is from, by the envelope if the service keeps one.
    pub from: String,
    /// Who got it, in any order.
    pub recipients: Vec<String>,
    /// Headers and body. Where the service adds headers of its own, the witness takes them off.
    pub raw: Vec<u8>,
}

clauses! {
    dyn Mailer, dyn Letterbox;
    once:
        the_sender_is_whom_the_address_names
        a_message_arrives_byte_for_byte
        it_reaches_exactly_its_recipients
        it_is_from_whom_the_message_says
        text_beyond_ascii_survives
        lines_that_mean_something_to_mail_servers_survive
        the_longest_lines_survive
        an_empty_body_survives
        a_large_message_survives
        a_message_without_tags_is_sent
        two_messages_alike_are_two
    ;
    rounds:
        of_many_at_once_all_arrive
    ;
}

impl Case {
    /// A message that is found by the case's mark. The headers say what the envelope does, as those of every mail we write.
    fn message(&self, recipients: &[String], headers: &str, body: &[u8]) -> Message {
        self.message_from(self.witness.sender().from.address(), recipients, headers, body)
    }

    fn message_from(&self, from: &str, recipients: &[String], headers: &str, body: &[u8]) -> Message {
        let to = recipients.join(",\r\n ");
        let mut raw = format!(
            "From: {from}\r\nTo: {to}\r\nSubject: A trial\r\nMessage-ID: <{}@trial.example>\r\n\
             Date: Fri, 1 Jan 2100 00:00:00 +0000\r\nMIME-Version: 1.0\r\n{headers}\r\n",
            self.mark
        )
        .into_bytes();
        raw.extend_from_slice(body);
        let tags = BTreeMap::from([("rule".to_owned(), "trial".to_owned())]);
        Message { from: from.to_owned(), recipients: recipients.to_vec(), raw, tags }
    }

    async fn send(&self, message: &Message) {
        self.service().send(message).await.expect("a message was not sent");
    }

    /// Sends one message and compares what arrives.
    async fn arrives(&self, message: &Message) {
        self.send(message).await;
        let received = self.witness.received(&self.mark, 1).await;
        assert_eq!(received.len(), 1, "one mail was sent, so many arrived");
        self.compare(message, &received[0]);
    }

    fn compare(&self, sent: &Message, received: &Received) {
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).chars().take(2_000).collect::<String>();
        assert!(
            received.raw == sent.raw,
            "other bytes arrived: {} were sent,\n{:?}\n{} arrived,\n{:?}",
            sent.raw.len(),
            text(&sent.raw),
            received.raw.len(),
            text(&received.raw)
        );
        assert_eq!(sorted(&received.recipients), sorted(&sent.recipients), "it reached others");
        assert_eq!(received.from, sent.from, "it came from another");
    }
}

const PLAIN: &str = "Content-Type: text/plain; charset=utf-8\r\n";
const EIGHT_BIT: &str = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";

fn sorted(addresses: &[String]) -> Vec<&String> {
    let mut sorted: Vec<_> = addresses.iter().collect();
    sorted.sort();
    sorted
}

fn anna() -> Vec<String> {
    vec!["anna@recipient.example".into()]
}

async fn the_sender_is_whom_the_address_names(case: Case) {
    for client in &case.clients {
        let (sender, expected) = (client.sender(), case.witness.sender());
        // Mailboxes hide their names and addresses when they are printed.
        assert_eq!(sender.from.to_string(), expected.from.to_string());
        let texts = |mailboxes: &[Mailbox]| mailboxes.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&sender.reply_to), texts(&expected.reply_to));
    }
}

async fn a_message_arrives_byte_for_byte(case: Case) {
    let headers = "X-Folded: one\r\n two\r\n\tthree\r\nX-Empty: \r\nx-ODD-case:no space\r\n\
                   Content-Type: multipart/alternative; boundary=\"=_b\"\r\n";
    let body = b"preamble\r\n--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe=\r\n, trailing =20\r\n\r\n\
        --=_b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        PHA+SGk8L3A+\r\n\r\n--=_b--\r\n";
    case.arrives(&case.message(&anna(), headers, body)).await;
}

async fn it_reaches_exactly_its_recipients(case: Case) {
    let many: Vec<String> = (0..50).map(|number| format!("user-{number}@recipient.example")).collect();
    let odd = ["o'brien+tag@recipient.example".to_owned(), "a_b-c.d=e@xn--bcher-kva.example".to_owned()];
    for recipients in [&many[..1], &many[..2], &odd, &many] {
        let fresh =
            Case { mark: format!("{}x{}", case.mark, recipients.len() + recipients[0].len() * 100), ..case.clone() };
        fresh.arrives(&fresh.message(recipients, PLAIN, b"Hello\r\n")).await;
    }
}

async fn it_is_from_whom_the_message_says(case: Case) {
    let another = case.witness.another();
    assert_ne!(another.address(), case.witness.sender().from.address(), "the witness names the same address twice");
    case.arrives(&case.message_from(another.address(), &anna(), PLAIN, b"Hello\r\n")).await;
}

async fn text_beyond_ascii_survives(case: Case) {
    let body = "Grüße, 日本語, \u{1f600}, \u{202e}rtl, e\u{301}\r\n".as_bytes();
    case.arrives(&case.message(&anna(), EIGHT_BIT, body)).await;
}

/// A dot alone ends a mail in SMTP, `From ` begins one in a mailbox file.
async fn lines_that_mean_something_to_mail_servers_survive(case: Case) {
    let body =
        b".\r\n..\r\n.hidden\r\nFrom the start\r\n>From here\r\n\r\nQUIT\r\n \r\ntrailing blanks  \t\r\n\r\n\r\n";
    case.arrives(&case.message(&anna(), PLAIN, body)).await;
}

/// "Each line of characters MUST be no more than 998 characters [...] excluding the CRLF" (RFC 5322, 2.1.1).
async fn the_longest_lines_survive(case: Case) {
    let body = format!("{}\r\n{}\r\n", "x".repeat(998), "y z".repeat(332));
    case.arrives(&case.message(&anna(), PLAIN, body.as_bytes())).await;
}

async fn an_empty_body_survives(case: Case) {
    case.arrives(&case.message(&anna(), PLAIN, b"")).await;
}

async fn a_large_message_survives(case: Case) {
    let body = format!("{}\r\n", "0123456789abcde".repeat(5)).repeat(14_000);
    assert!(body.len() > 1_000_000);
    case.arrives(&case.message(&anna(), PLAIN, body.as_bytes())).await;
}

async fn a_message_without_tags_is_sent(case: Case) {
    let message = case.message(&anna(), PLAIN, b"Hello\r\n");
    case.arrives(&Message { tags: BTreeMap::new(), ..message }).await;
}

/// Whether a mail was sent before is the courier's business.
async fn two_messages_alike_are_two(case: Case) {
    let message = case.message(&anna(), PLAIN, b"Hello\r\n");
    case.send(&message).await;
    case.send(&message).await;
    let received = case.witness.received(&case.mark, 2).await;
    assert_eq!(received.len(), 2, "two mails were sent, so many arrived");
    received.iter().for_each(|received| case.compare(&message, received));
}

async fn of_many_at_once_all_arrive(case: Case) {
    let sent = case
        .at_once(CROWD, |number, case| async move {
            let to = [format!("user-{number}@recipient.example")];
            let body = format!("{number}\r\n").repeat(500 * number);
            let message = case.message(&to, PLAIN, body.as_bytes());
            case.send(&message).await;
            message
        })
        .await;
    let received = case.witness.received(&case.mark, CROWD).await;
    assert_eq!(received.len(), CROWD, "{CROWD} mails were sent, so many arrived");
    for message in sent {
        let found = received.iter().find(|received| received.recipients == message.recipients);
        case.compare(&message, found.expect("a mail reached nobody"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::tests::{complaint, holds};
    use super::*;
    use crate::Fault;
    use crate::services::contract;

    #[derive(Clone, Copy, PartialEq)]
    enum Flaw {
        None,
        IgnoresTheAddress,
        UnixLines,
        CopiesTheSender,
        DropsRecipients,
        SendsAsItself,
        SevenBits,
        EatsDots,
        WrapsLines,
        AddsALine,
        Cuts,
        WantsTags,
        SendsOnce,
        KeepsTheLast,
    }

    /// A post office in memory, more or less careful.
    struct Office(Flaw, Sender, Mutex<Vec<Received>>);

    #[async_trait]
    impl Mailer for Office {
        fn sender(&self) -> &Sender {
            &self.1
        }

        async fn send(&self, message: &Message) -> Result<(), Fault> {
            let Message { mut from, mut recipients, mut raw, tags } = message.clone();
            let replaced = |raw: &[u8], what: &str, with: &str| {
                let text: String = raw.iter().map(|&byte| char::from(byte)).collect();
                text.replace(what, with).chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
            };
            match self.0 {
                Flaw::UnixLines => raw = replaced(&raw, "\r\n", "\n"),
                Flaw::CopiesTheSender => recipients.push(from.clone()),
                Flaw::DropsRecipients => recipients.truncate(10),
                Flaw::SendsAsItself => from = self.1.from.address().into(),
                Flaw::SevenBits => raw.iter_mut().for_each(|byte| *byte &= 0x7f),
                Flaw::EatsDots => raw = replaced(&raw, "\r\n..", "\r\n."),
                Flaw::WrapsLines => raw = replaced(&raw, &"x".repeat(900), &format!("{}\r\n", "x".repeat(900))),
                Flaw::AddsALine if raw.ends_with(b"\r\n\r\n") => raw.extend_from_slice(b"\r\n"),
                Flaw::Cuts => raw.truncate(1 << 16),
                Flaw::WantsTags if tags.is_empty() => return Err(Fault::new("no tags")),
                _ => {}
            }
            let received = Received { from, recipients, raw };
            let mut all = self.2.lock().unwrap();
            match self.0 {
                Flaw::SendsOnce if all.contains(&received) => {}
                Flaw::KeepsTheLast => *all = vec![received],
                _ => all.push(received),
            }
            Ok(())
        }
    }

    #[async_trait]
    impl Letterbox for Office {
        fn sender(&self) -> Sender {
            let from = "Acme <hello@acme.example>".parse().unwrap();
            Sender { from, reply_to: vec!["help@acme.example".parse().unwrap()] }
        }

        fn another(&self) -> Mailbox {
            "other@acme.example".parse().unwrap()
        }

        async fn received(&self, mark: &str, _: usize) -> Vec<Received> {
            let all = self.2.lock().unwrap();
            let marked = |received: &&Received| String::from_utf8_lossy(&received.raw).contains(mark);
            all.iter().filter(marked).cloned().collect()
        }
    }

    fn suite(flaw: Flaw) -> contract::Suite<dyn Mailer, dyn Letterbox> {
        let from = "Acme <hello@acme.example>".parse().unwrap();
        let reply_to = ["help@acme.example".parse().unwrap()];
        let kept = if flaw == Flaw::IgnoresTheAddress { 0 } else { 1 };
        let office = Arc::new(Office(flaw, Sender { from, reply_to: reply_to[..kept].to_vec() }, Mutex::default()));
        contract::mailer(office.clone(), office)
    }

    #[test]
    fn a_careful_mailer_keeps_the_contract() {
        holds(&suite(Flaw::None));
    }

    #[test]
    fn every_flaw_is_noticed_and_named() {
        for (flaw, clause) in [
            (Flaw::IgnoresTheAddress, "the_sender_is_whom_the_address_names"),
            (Flaw::UnixLines, "a_message_arrives_byte_for_byte"),
            (Flaw::CopiesTheSender, "it_reaches_exactly_its_recipients"),
            (Flaw::DropsRecipients, "it_reaches_exactly_its_recipients"),
            (Flaw::SendsAsItself, "it_is_from_whom_the_message_says"),
            (Flaw::SevenBits, "text_beyond_ascii_survives"),
            (Flaw::EatsDots, "lines_that_mean_something_to_mail_servers_survive"),
            (Flaw::WrapsLines, "the_longest_lines_survive"),
            (Flaw::AddsALine, "an_empty_body_survives"),
            (Flaw::Cuts, "a_large_message_survives"),
            (Flaw::WantsTags, "a_message_without_tags_is_sent"),
            (Flaw::SendsOnce, "two_messages_alike_are_two"),
            (Flaw::KeepsTheLast, "of_many_at_once_all_arrive"),
        ] {
            let text = complaint(&suite(flaw), clause);
            assert!(text.starts_with(&format!("the mailer breaks 1 of 1 clauses\n\n{clause} (round 1 of ")), "{text}");
        }
    }

    #[test]
    #[should_panic(expected = "no clause is called `nonsense`")]
    fn a_clause_that_does_not_exist_cannot_be_left_out() {
        let _ = suite(Flaw::None).except("nonsense", "it is known");
    }

    #[test]
    fn a_clause_that_is_left_out_is_not_tried() {
        let suite = suite(Flaw::SendsOnce).except("two_messages_alike_are_two", "it counts mails once");
        holds(&suite);
    }
}
