//! A proxy that makes trouble on the wire: what a network and a busy service do, and no stand-in does by itself.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What befalls one request.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// Nothing: the trouble is for a later one.
    None,
    /// It is carried out, but the connection is cut before the answer.
    LostAnswer,
    /// The connection is cut before it is passed on.
    Cut,
    /// It is answered with this status and text instead of being carried out.
    Answered(u16, String),
    /// It is never answered.
    Silence,
    /// It is answered with this error instead of being carried out.
    Refused(Value),
    /// It is answered: nothing of it has been done, ask again for everything.
    LeftOver,
}

/// A request that the server answered, and its answer.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) operation: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) answer: String,
    /// Whether the answer was kept from who asked.
    #[allow(dead_code, reason = "for tests that count what nobody could know of")]
    pub(crate) is_lost: bool,
}

/// A proxy before the server at one address. It ends with its runtime.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    connections: usize,
    requests: Vec<String>,
    exchanges: Vec<Exchange>,
    trouble: VecDeque<(&'static str, Trouble)>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                serving.state.lock().unwrap().connections += 1;
                let proxy = serving.clone();
                // A connection that breaks is what this is for.
                tokio::spawn(async move { proxy.serve(client, server).await.ok() });
            }
        });
        proxy
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is to befall the next request for this operation; after it the next trouble announced for it.
    pub(crate) fn make(&self, operation: &'static str, trouble: Trouble) {
        self.state.lock().unwrap().trouble.push_back((operation, trouble));
    }

    /// Takes the next trouble back that was announced for this operation; whether there was one.
    pub(crate) fn forget(&self, operation: &'static str) -> bool {
        self.take(operation).is_some()
    }

    /// The operations asked for since this was called last, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// All requests that the server answered, in order.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.state.lock().unwrap().exchanges.clone()
    }

    async fn serve(&self, mut client: TcpStream, server: SocketAddr) -> std::io::Result<()> {
        let mut server = TcpStream::connect(server).await?;
        loop {
            let request = Message::read(&mut client).await?;
            let operation = request.operation();
            let trouble = self.note(operation);
            match trouble {
                None | Some(Trouble::None) => {
                    server.write_all(&request.bytes).await?;
                    let answer = Message::read_answer(&mut server, operation).await?;
                    self.keep(&request, &answer, false);
                    client.write_all(&answer.bytes).await?;
                }
                Some(Trouble::LostAnswer) => {
                    server.write_all(&request.bytes).await?;
                    self.keep(&request, &Message::read_answer(&mut server, operation).await?, true);
                    return Ok(());
                }
                Some(Trouble::Cut) => return Ok(()),
                Some(Trouble::Answered(status, text)) => {
                    let length = text.len();
                    let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n\r\n");
                    client.write_all(format!("{head}{text}").as_bytes()).await?;
                }
                Some(Trouble::Silence) => std::future::pending().await,
                Some(Trouble::Refused(error)) => client.write_all(&answer(400, &error)).await?,
                Some(Trouble::LeftOver) => {
                    let body: Value = serde_json::from_slice(request.body())?;
                    let left = body["RequestItems"].clone();
                    let name = if operation == "BatchGetItem" { "UnprocessedKeys" } else { "UnprocessedItems" };
                    client.write_all(&answer(200, &json!({ name: left }))).await?;
                }
            }
        }
    }

    fn keep(&self, request: &Message, answer: &Message, is_lost: bool) {
        self.state.lock().unwrap().exchanges.push(Exchange {
            operation: request.operation().to_owned(),
            head: request.head().to_owned(),
            body: request.body().to_vec(),
            answer: String::from_utf8_lossy(&answer.bytes).into_owned(),
            is_lost,
        });
    }

    fn note(&self, operation: &str) -> Option<Trouble> {
        self.state.lock().unwrap().requests.push(operation.to_owned());
        self.take(operation)
    }

    fn take(&self, operation: &str) -> Option<Trouble> {
        let mut state = self.state.lock().unwrap();
        let index = state.trouble.iter().position(|(announced, _)| *announced == operation)?;
        state.trouble.remove(index).map(|(_, trouble)| trouble)
    }
}

fn answer(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} -\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}");
    format!("{head}\r\n\r\n{body}").into_bytes()
}

/// One message of HTTP/1.1 whose length is announced.
struct Message {
    bytes: Vec<u8>,
    head: usize,
}

impl Message {
    async fn read(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Self> {
        Self::read_with(from, true).await
    }

    async fn read_answer(from: &mut (impl AsyncRead + Unpin), operation: &str) -> std::io::Result<Self> {
        // It announces a length all the same.
        Self::read_with(from, operation != "HeadObject").await
    }

    async fn read_with(from: &mut (impl AsyncRead + Unpin), has_body: bool) -> std::io::Result<Self> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(from.read_u8().await?);
        }
        let head = bytes.len();
        let mut message = Self { bytes, head };
        assert!(!has_body || message.header("transfer-encoding").is_none(), "a message of unknown length");
        let length = message.header("content-length").map_or(0, |length| length.parse().unwrap());
        let length: usize = if has_body { length } else { 0 };
        message.bytes.resize(head + length, 0);
        from.read_exact(&mut message.bytes[head..]).await?;
        Ok(message)
    }

    /// What is asked, as AWS calls it: by a header, in the form of the older protocol, or as S3 tells them apart.
    fn operation(&self) -> &str {
        if let Some(target) = self.header("x-amz-target") {
            return target.split('.').nth(1).unwrap_or("?");
        }
        if let Some(form) = std::str::from_utf8(self.body()).ok().and_then(|body| body.strip_prefix("Action=")) {
            return form.split('&').next().unwrap_or("?");
        }
        let line = self.head().lines().next().unwrap_or_default();
        match line.split(' ').next() {
            Some("PUT") if self.header("x-amz-copy-source").is_some() => "CopyObject",
            Some("PUT") => "PutObject",
            Some("HEAD") => "HeadObject",
            Some("GET") if line.contains("list-type=2") => "ListObjectsV2",
            _ => "?",
        }
    }

    fn head(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.head]).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head().lines().filter_map(|line| line.split_once(':'));
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn body(&self) -> &[u8] {
        &self.bytes[self.head..]
    }
}
