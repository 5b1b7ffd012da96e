//! A ministack of our own on a free port.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A running ministack. It ends when it is dropped, a panicking test included.
pub(crate) struct Ministack {
    process: Child,
    address: SocketAddr,
}

/// The one all tests share as long as any of them runs.
static RUNNING: Mutex<Weak<Ministack>> = Mutex::new(Weak::new());

/// How long it may take to start; half a second is usual.
const PATIENCE: Duration = Duration::from_secs(30);

impl Ministack {
    /// The running one, or a new one.
    pub(crate) fn shared() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ministack) = running.upgrade() {
            return ministack;
        }
        let ministack = Arc::new(Self::start());
        *running = Arc::downgrade(&ministack);
        ministack
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn start() -> Self {
        let program = tools().join("ministack-1.5.33/bin/ministack");
        assert!(program.exists(), "{} is missing: run `make tools`", program.display());
        // Between finding a free port and taking it somebody else may be quicker.
        for _ in 0..3 {
            if let Some(ministack) = Self::try_start(&program) {
                return ministack;
            }
        }
        panic!("ministack does not start; its log is {}", log().display());
    }

    fn try_start(program: &Path) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = File::create(log()).unwrap();
        let process = Command::new(program)
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", address.port().to_string())
            .env("IOT_MTLS_ENABLED", "0")
            .env("SERVICES", "dynamodb,cognito-idp,ses,s3,events,sqs")
            .env("LOG_LEVEL", "WARNING")
            .env("TMPDIR", env!("CARGO_TARGET_TMPDIR"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut ministack = Self { process, address };
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if ministack.process.try_wait().unwrap().is_some() {
                return None;
            }
            if ministack.is_ready() {
                return Some(ministack);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    fn is_ready(&self) -> bool {
        self.get("/_ministack/health").is_some_and(|answer| answer.contains("\"dynamodb\""))
    }

    /// What a path answers that no service has: what ministack knows of its own.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        self.ask(&format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n"))
    }

    /// Makes a bucket.
    #[allow(dead_code, reason = "for tests that have no client")]
    pub(crate) fn make_bucket(&self, name: &str) {
        let body = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                    <LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>";
        let length = body.len();
        let head = format!("PUT /{name} HTTP/1.0\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
        self.ask(&format!("{head}{body}")).unwrap();
    }

    /// Calls an operation of a service we have no client for.
    pub(crate) fn query(&self, service: &str, form: &str) -> Option<String> {
        let credential = format!("AWS4-HMAC-SHA256 Credential=test/20300101/eu-central-1/{service}/aws4_request");
        self.ask(&format!(
            "POST / HTTP/1.0\r\nhost: localhost\r\nauthorization: {credential}, SignedHeaders=host, Signature=0\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        ))
    }

    fn ask(&self, request: &str) -> Option<String> {
        let mut connection = TcpStream::connect(self.address).ok()?;
        connection.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        assert!(head.contains(" 200"), "{request}: {answer}");
        Some(body.to_owned())
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        // It keeps nothing that would have to be put away.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("ministack.log")
}

/// Where `make tools` puts what tests need.
#[allow(clippy::disallowed_methods, reason = "a test is told by its environment where the tools are")]
fn tools() -> PathBuf {
    if let Some(tools) = std::env::var_os("TRIGGERS_TOOLS").filter(|tools| !tools.is_empty()) {
        return tools.into();
    }
    let home = std::env::var_os("HOME").expect("neither TRIGGERS_TOOLS nor HOME is set");
    Path::new(&home).join(".cache/cognito-triggers/tools")
}
