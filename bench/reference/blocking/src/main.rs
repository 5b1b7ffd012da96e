//! The least a function can be that reads and writes DynamoDB once for an event: one thread, blocking sockets, no runtime, no
//! SDK, its own signing. It sends what `sign-in-count` sends, as recorded, and like it opens its connection before it asks
//! for an event. It decides nothing and reads no answer but its status, so that it is a limit and not a way to do it.

mod http;
mod signature;

use http::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use signature::Signer;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// The calls, as `cold-start --record` wrote them down.
const READ: (&str, &str) = ("DynamoDB_20120810.BatchGetItem", include_str!("../requests/BatchGetItem.json"));
const WRITE: (&str, &str) = ("DynamoDB_20120810.PutItem", include_str!("../requests/PutItem.json"));

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::var("AWS_ENDPOINT_URL_DYNAMODB")?;
    let host = endpoint.strip_prefix("https://").ok_or("the endpoint is not of https")?;
    let signer = Signer::from_environment(host)?;
    let mut dynamodb = connect(host)?;

    let runtime = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let mut lambda = TcpStream::connect(&runtime)?;
    lambda.set_nodelay(true)?;
    let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: {runtime}\r\n\r\n");
    loop {
        let event = exchange(&mut lambda, next.as_bytes())?;
        let id = event.header("lambda-runtime-aws-request-id").ok_or("an event without an id")?;
        for (target, body) in [READ, WRITE] {
            let answer = exchange(&mut dynamodb, &signer.request(target, body)?)?;
            if answer.status() != Some("200") {
                return Err(format!("{target} was refused").into());
            }
        }
        let mut answer = String::with_capacity(256 + event.body.len());
        write!(answer, "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: {runtime}\r\n")?;
        write!(answer, "content-type: application/json\r\ncontent-length: {}\r\n\r\n", event.body.len())?;
        let mut answer = answer.into_bytes();
        answer.extend_from_slice(&event.body);
        exchange(&mut lambda, &answer)?;
    }
}

/// A connection on which the handshake is done. Whom it trusts is in the file that `SSL_CERT_FILE` names, as for the others.
fn connect(host: &str) -> Result<StreamOwned<ClientConnection, TcpStream>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(std::env::var("SSL_CERT_FILE")?)? {
        roots.add(root?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = host.split(':').next().unwrap_or(host).to_owned();
    let mut session = ClientConnection::new(Arc::new(config), ServerName::try_from(name)?)?;
    let mut socket = TcpStream::connect(host)?;
    socket.set_nodelay(true)?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(session, socket))
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> Result<Message, Box<dyn Error>> {
    stream.write_all(request)?;
    stream.flush()?;
    Message::read(stream)
}
