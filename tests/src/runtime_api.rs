//! The Lambda Runtime API as a small server of this machine. A function cannot tell it from the one in AWS: it asks for
//! its next invocation, is told the deadline, and reports an answer or an error.
//!
//! Kept from the real one: one invocation at a time, a limit for starting up apart from the time of an invocation,
//! answers of 6 MB at most, no answer to an invocation that is over. Left out: extensions, streamed answers as a
//! stream, SnapStart. Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

/// How long a function may take until it asks for its first invocation. Lambda allows the same before it starts anew.
pub const START_LIMIT: Duration = Duration::from_secs(10);

/// The time one invocation gets unless told otherwise: what Cognito waits for a trigger.
pub const USUAL_DEADLINE: Duration = Duration::from_secs(5);

/// The largest answer Lambda takes: 6 MB and some bytes.
const LARGEST_ANSWER: usize = 6_291_556;

/// After a function's process has ended, how long the last it sent may take to be read.
const LAST_WORDS: Duration = Duration::from_millis(500);

const PREFIX: &str = "/2018-06-01/runtime/";

/// A Runtime API for one function, served until it is dropped.
pub struct RuntimeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    turn: Mutex<()>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

/// One invocation that is over.
#[derive(Debug)]
pub struct Invocation {
    /// What came of it.
    pub outcome: Outcome,
    /// From the moment it was asked for until its outcome was known; includes the start of a function that is still
    /// starting.
    pub took: Duration,
}

/// What came of an invocation.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function's answer, byte for byte.
    Answer(Vec<u8>),
    /// The function reported an error: Cognito shows `error_message` to the user.
    Error {
        /// The kind, as the caller sees it.
        error_type: String,
        /// The text, as the caller sees it.
        error_message: String,
        /// The whole report, byte for byte.
        raw: Vec<u8>,
    },
    /// The function reported that it could not start. It stays so: every later invocation ends the same way.
    InitError {
        /// The kind, as the caller sees it.
        error_type: String,
        /// The text, as the caller sees it.
        error_message: String,
        /// The whole report, byte for byte.
        raw: Vec<u8>,
    },
    /// No answer before the deadline, or no sign of life within [`START_LIMIT`].
    TimedOut,
    /// The function's process ended without an answer.
    Died,
}

impl RuntimeApi {
    /// Serves on a free port of this machine.
    ///
    /// # Panics
    /// If there is no free port or no thread to be had.
    #[must_use]
    pub fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().build().expect("an event loop can be made");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port of 127.0.0.1 is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel();
        let server = std::thread::Builder::new()
            .name("runtime-api".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || runtime.block_on(serve(listener, shared, stopped))
            })
            .expect("a thread can be started");
        Self { address, shared, turn: Mutex::default(), stop: Some(stop), server: Some(server) }
    }

    /// Where it is served; the function reads it, without `http://`, from `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends `body` to the function with the [`USUAL_DEADLINE`] and waits for the outcome.
    pub fn invoke(&self, body: impl Into<Vec<u8>>) -> Invocation {
        self.invoke_with(body, USUAL_DEADLINE)
    }

    /// Sends `body` to the function and waits for the outcome, at most `deadline` from when the function took it.
    /// Callers on other threads wait for their turn: an environment of Lambda runs one invocation at a time.
    pub fn invoke_with(&self, body: impl Into<Vec<u8>>, deadline: Duration) -> Invocation {
        let body = Bytes::from(body.into());
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Instant::now();
        let mut state = self.shared.lock();
        state.number += 1;
        state.stage = Stage::Waiting { body, deadline };
        self.shared.asked.notify_waiters();
        loop {
            let now = Instant::now();
            let over = match &state.stage {
                Stage::Over { outcome, at } => Ok((outcome.clone(), *at)),
                Stage::Waiting { .. } | Stage::Running { .. } if state.init_error.is_some() => {
                    Ok((state.init_error.clone().unwrap_or(Outcome::Died), now))
                }
                stage => {
                    let until = match stage {
                        Stage::Running { until } => *until,
                        _ => asked + START_LIMIT,
                    };
                    match state.ended {
                        Some(ended) if state.connections == 0 || now >= ended + LAST_WORDS => Ok((Outcome::Died, now)),
                        _ if now >= until => Ok((Outcome::TimedOut, now)),
                        Some(ended) => Err(until.min(ended + LAST_WORDS)),
                        None => Err(until),
                    }
                }
            };
            match over {
                Ok((outcome, at)) => {
                    state.stage = Stage::Idle;
                    return Invocation { outcome, took: at.saturating_duration_since(asked) };
                }
                Err(until) => {
                    let rest = until.saturating_duration_since(now);
                    let woken = self.shared.changed.wait_timeout(state, rest);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// Tells that the function's process has ended: what is running now, and all that comes later, has
    /// [died](Outcome::Died) unless it was answered before.
    pub fn process_ended(&self) {
        self.shared.lock().ended.get_or_insert_with(Instant::now);
        self.shared.changed.notify_all();
        self.shared.asked.notify_waiters();
    }

    /// Waits until the function asks for its next invocation, at most [`START_LIMIT`]; `false` if it does not.
    #[must_use]
    pub fn wait_until_idle(&self) -> bool {
        let state = self.shared.lock();
        let busy = |state: &mut State| state.pollers == 0 && state.ended.is_none();
        let woken = self.shared.changed.wait_timeout_while(state, START_LIMIT, busy);
        woken.unwrap_or_else(PoisonError::into_inner).0.pollers > 0
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

impl Invocation {
    /// The answer as JSON.
    ///
    /// # Panics
    /// If the function did not answer, or not with JSON; the message says what it did instead.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        match &self.outcome {
            Outcome::Answer(answer) => match serde_json::from_slice(answer) {
                Ok(value) => value,
                Err(error) => panic!("the answer is not JSON ({error}): {:?}", self.outcome),
            },
            other => panic!("no answer: {other:?}"),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(body) => f.debug_tuple("Answer").field(&String::from_utf8_lossy(body)).finish(),
            Self::Error { raw, .. } => f.debug_tuple("Error").field(&String::from_utf8_lossy(raw)).finish(),
            Self::InitError { raw, .. } => f.debug_tuple("InitError").field(&String::from_utf8_lossy(raw)).finish(),
            Self::TimedOut => f.write_str("TimedOut"),
            Self::Died => f.write_str("Died"),
        }
    }
}

/// What the server's thread and the threads that invoke have in common.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something an invoking thread may wait for has happened.
    changed: Condvar,
    /// An invocation waits to be fetched.
    asked: Notify,
}

#[derive(Default)]
struct State {
    /// The invocation now dealt with; its request id is made of it.
    number: u64,
    stage: Stage,
    init_error: Option<Outcome>,
    /// When the function's process was found to have ended.
    ended: Option<Instant>,
    connections: usize,
    /// Requests for the next invocation that are being held: more than none means the function is idle.
    pollers: usize,
}

#[derive(Default)]
enum Stage {
    #[default]
    Idle,
    Waiting {
        body: Bytes,
        deadline: Duration,
    },
    Running {
        until: Instant,
    },
    Over {
        outcome: Outcome,
        at: Instant,
    },
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }
}

/// Counts something in the state for as long as it lives, also when the future holding it is dropped half-way.
struct Counted<'a> {
    shared: &'a Shared,
    of: fn(&mut State) -> &mut usize,
}

impl<'a> Counted<'a> {
    fn new(shared: &'a Shared, of: fn(&mut State) -> &mut usize) -> Self {
        shared.change(|state| *of(state) += 1);
        Self { shared, of }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.shared.change(|state| *(self.of)(state) -= 1);
    }
}

/// Ends when told to stop; the connections end with the event loop that this runs in.
async fn serve(listener: TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let _connection = Counted::new(&shared, |state| &mut state.connections);
                let service = service_fn(|request| async { Ok::<_, Infallible>(respond(&shared, request).await) });
                // A function that dies cuts its connections; that is no failure of the server's.
                // A connection closed on one side is read to its end: what a dying process had sent still counts.
                let mut http = hyper::server::conn::http1::Builder::new();
                let _ = http.half_close(true).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let _ = stopped.await;
    accepting.abort();
}

async fn respond(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Some(path) = head.uri.path().strip_prefix(PREFIX) else {
        return refused(StatusCode::NOT_FOUND, "InvalidPath", "this is a Lambda Runtime API of version 2018-06-01");
    };
    let parts: Vec<&str> = path.split('/').collect();
    match (&head.method, parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(shared).await,
        (&Method::POST, ["init", "error"]) => match whole(body).await {
            Ok(raw) => {
                let (error_type, error_message) = report(&head.headers, &raw);
                let outcome = Outcome::InitError { error_type, error_message, raw: raw.into() };
                shared.change(|state| state.init_error = Some(outcome));
                accepted()
            }
            Err(response) => response,
        },
        (&Method::POST, ["invocation", id, what @ ("response" | "error")]) => match whole(body).await {
            Ok(raw) if *what == "response" => finish(shared, id, Outcome::Answer(raw.into())),
            Ok(raw) => {
                let (error_type, error_message) = report(&head.headers, &raw);
                finish(shared, id, Outcome::Error { error_type, error_message, raw: raw.into() })
            }
            Err(response) => {
                if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    finish(shared, id, too_large());
                }
                response
            }
        },
        _ => refused(StatusCode::NOT_FOUND, "InvalidPath", "no such resource of the Runtime API"),
    }
}

/// Holds the request until there is an invocation; the time of the invocation runs from here.
async fn next(shared: &Shared) -> Response<Full<Bytes>> {
    let _poller = Counted::new(shared, |state| &mut state.pollers);
    loop {
        // Made before the look: a wake-up between the look and the wait is not missed.
        let asked = shared.asked.notified();
        if let Some((number, body, deadline)) = shared.change(State::take) {
            return event(number, body, deadline);
        }
        if shared.lock().ended.is_some() {
            return refused(StatusCode::GONE, "Ended", "the process that asked has ended");
        }
        asked.await;
    }
}

impl State {
    fn take(&mut self) -> Option<(u64, Bytes, Duration)> {
        if self.ended.is_some() {
            return None;
        }
        let Stage::Waiting { body, deadline } = &mut self.stage else { return None };
        let (body, deadline) = (std::mem::take(body), *deadline);
        self.stage = Stage::Running { until: Instant::now() + deadline };
        Some((self.number, body, deadline))
    }
}

/// "Lambda-Runtime-Deadline-Ms – The date that the function times out in Unix time milliseconds."
#[allow(clippy::disallowed_methods)] // Here the time is not read but told: this is the other side of the wire.
fn event(number: u64, body: Bytes, deadline: Duration) -> Response<Full<Bytes>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let trace = format!("Root=1-{:08x}-{number:024x};Parent={number:016x};Sampled=0", now.as_secs());
    Response::builder()
        .header("Content-Type", "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", request_id(number))
        .header("Lambda-Runtime-Deadline-Ms", (now + deadline).as_millis().to_string())
        .header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:function")
        .header("Lambda-Runtime-Trace-Id", trace)
        .body(Full::new(body))
        .expect("these headers are valid")
}

/// Unique among the functions of one test run, in the shape Lambda's have.
fn request_id(number: u64) -> String {
    format!("{:08x}-0000-4000-8000-{number:012x}", std::process::id())
}

fn finish(shared: &Shared, id: &str, outcome: Outcome) -> Response<Full<Bytes>> {
    let known = shared.change(|state| {
        let running = matches!(state.stage, Stage::Running { .. }) && id == request_id(state.number);
        if running {
            state.stage = Stage::Over { outcome, at: Instant::now() };
        }
        running
    });
    if known {
        accepted()
    } else {
        refused(StatusCode::BAD_REQUEST, "InvalidRequestID", "no invocation of this id is running")
    }
}

async fn whole(body: Incoming) -> Result<Bytes, Response<Full<Bytes>>> {
    match Limited::new(body, LARGEST_ANSWER).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "exceeded maximum allowed payload size (6291556 bytes)",
        )),
        Err(_) => Err(refused(StatusCode::BAD_REQUEST, "InvalidBody", "the body ended early")),
    }
}

fn too_large() -> Outcome {
    let (error_type, error_message) = ("Function.ResponseSizeTooLarge", "response payload size exceeded 6291556 bytes");
    let raw = json!({ "errorType": error_type, "errorMessage": error_message }).to_string().into_bytes();
    Outcome::Error { error_type: error_type.into(), error_message: error_message.into(), raw }
}

/// The kind and the text of a reported error: from the body, the kind else from the header.
fn report(headers: &HeaderMap, raw: &[u8]) -> (String, String) {
    let body: Value = serde_json::from_slice(raw).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let header = || headers.get("Lambda-Runtime-Function-Error-Type")?.to_str().ok().map(str::to_owned);
    (text("errorType").or_else(header).unwrap_or_default(), text("errorMessage").unwrap_or_default())
}

fn accepted() -> Response<Full<Bytes>> {
    answer(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    answer(status, &json!({ "errorType": kind, "errorMessage": message }))
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert("Content-Type", hyper::header::HeaderValue::from_static("application/json"));
    response
}
