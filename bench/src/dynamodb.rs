//! DynamoDB as a function meets it, on this machine: HTTP over TLS 1.3 with certificates alike in kind to those of AWS. It
//! answers at once and keeps nothing, so that what is measured is the function and not the service: every table is empty, and
//! every write succeeds. What it was sent it keeps, to be looked through when the clock has stopped.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Map, Value, json};

/// A server. It ends with the process.
pub struct Dynamodb {
    port: u16,
    roots: PathBuf,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// A request it was sent.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method and the path, as in `POST /`.
    pub line: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Dynamodb {
    /// Serves on a free port of this machine, with the `chain.pem` and the `key.pem` of this folder.
    ///
    /// # Errors
    /// If they cannot be read, or there is no port to be had.
    pub fn start(folder: &Path) -> Result<Self, String> {
        let config = Arc::new(config(folder).map_err(|error| format!("no TLS from {}: {error}", folder.display()))?);
        let calls = Arc::default();
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("no port: {error}"))?;
        let port = first.local_addr().map_err(|error| format!("no port: {error}"))?.port();
        // `localhost` may mean either.
        let second = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok();
        for listener in [Some(first), second].into_iter().flatten() {
            let (config, calls) = (Arc::clone(&config), Arc::clone(&calls));
            std::thread::spawn(move || {
                for socket in listener.incoming().flatten() {
                    let (config, calls) = (Arc::clone(&config), Arc::clone(&calls));
                    // A client that goes away is none of the server's concern; one that was not answered says so itself.
                    std::thread::spawn(move || serve(socket, config, &calls));
                }
            });
        }
        Ok(Self { port, roots: folder.join("roots.pem"), calls })
    }

    /// What a client finds in its environment besides region and credentials.
    #[must_use]
    pub fn environment(&self) -> [(String, String); 2] {
        [
            ("AWS_ENDPOINT_URL_DYNAMODB".into(), format!("https://localhost:{}", self.port)),
            ("SSL_CERT_FILE".into(), self.roots.display().to_string()),
        ]
    }

    /// The requests since the last time, in their order.
    #[must_use]
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Call {
    /// The header of this name, in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(this, value)| (this == name).then_some(value.as_str()))
    }

    /// The operation, as in `PutItem`.
    #[must_use]
    pub fn operation(&self) -> &str {
        self.header("x-amz-target").and_then(|target| target.strip_prefix("DynamoDB_20120810.")).unwrap_or_default()
    }

    /// The body; null if it is no JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn read(stream: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let mut call = Self { line, headers: Vec::new(), body: Vec::new() };
        loop {
            let mut header = String::new();
            stream.read_line(&mut header)?;
            match header.trim_end().split_once(':') {
                Some((name, value)) => call.headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => break,
            }
        }
        let length = call.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        stream.take(length).read_to_end(&mut call.body)?;
        Ok(Some(call))
    }

    fn answer(&self) -> Option<String> {
        match self.operation() {
            "BatchGetItem" => {
                let json = self.json();
                let asked = json.get("RequestItems")?.as_object()?;
                let found: Map<_, _> = asked.keys().map(|table| (table.clone(), json!([]))).collect();
                Some(json!({ "Responses": found, "UnprocessedKeys": {} }).to_string())
            }
            "PutItem" => Some("{}".into()),
            _ => None,
        }
    }
}

fn config(folder: &Path) -> Result<ServerConfig, Box<dyn std::error::Error>> {
    let chain = CertificateDer::pem_file_iter(folder.join("chain.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // No start has met the server before: a ticket is only something to read.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn serve(socket: TcpStream, config: Arc<ServerConfig>, calls: &Mutex<Vec<Call>>) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(session, socket));
    while let Some(call) = Call::read(&mut stream)? {
        let (status, body) = match call.answer() {
            Some(body) => ("200 OK", body),
            None => ("400 Bad Request", r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#.into()),
        };
        calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        let answer = format!(
            "HTTP/1.1 {status}\r\nserver: Server\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\
             connection: keep-alive\r\nx-amzn-requestid: 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEF\r\n\r\n{body}",
            body.len()
        );
        let stream = stream.get_mut();
        stream.write_all(answer.as_bytes())?;
        stream.flush()?;
    }
    Err(ErrorKind::UnexpectedEof.into())
}
