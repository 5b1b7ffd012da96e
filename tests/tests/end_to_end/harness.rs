//! The harness itself, tried on the least a function can be: what it reports must be what has happened, or no other
//! test here means anything.

use cognito_triggers_tests::{Function, Outcome, RuntimeApi, binary};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[test]
fn a_function_answers_one_invocation_after_the_other() {
    let echo = echo();
    for number in 0..50 {
        let event = json!({ "number": number, "text": "Zoë \u{1F980}" });
        assert_eq!(echo.invoke(event.to_string()).json(), event);
    }
}

#[test]
fn a_large_event_comes_back_whole() {
    let event = json!({ "text": "x".repeat(3 << 20) });
    assert_eq!(echo().invoke(event.to_string()).json(), event);
}

#[test]
fn callers_on_many_threads_get_each_their_own_answer() {
    let echo = echo();
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let echo = &echo;
            scope.spawn(move || {
                for number in 0..10 {
                    let event = json!([caller, number]);
                    assert_eq!(echo.invoke(event.to_string()).json(), event);
                }
            });
        }
    });
}

#[test]
fn an_error_of_the_function_is_told_with_its_kind_and_text() {
    let echo = echo();
    // Not JSON, so `lambda_runtime` itself reports the error.
    let Outcome::Error { error_type, error_message, raw } = echo.invoke("{").outcome else { panic!("no error") };
    assert!(!error_type.is_empty());
    assert!(error_message.contains("EOF"), "{error_message}");
    assert_eq!(serde_json::from_slice::<Value>(&raw).unwrap()["errorMessage"], error_message);
    assert_eq!(echo.invoke("1").json(), json!(1), "an error does not end the process");
}

#[test]
fn a_process_killed_in_the_middle_has_died() {
    let echo = echo();
    halt(&echo);
    std::thread::scope(|scope| {
        let invocation = scope.spawn(|| echo.invoke_with("1", Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!invocation.is_finished());
        echo.kill();
        let invocation = invocation.join().unwrap();
        assert_eq!(invocation.outcome, Outcome::Died);
        assert!(invocation.took < Duration::from_secs(5), "{invocation:?}");
    });
    assert_eq!(echo.invoke("2").outcome, Outcome::Died, "nobody is left to answer");

    echo.restart();
    assert_eq!(echo.invoke("3").json(), json!(3));
}

#[test]
fn a_process_that_ends_before_it_asks_has_died() {
    let function = Function::start(Path::new("/bin/true"), &[]);
    let invocation = function.invoke("1");
    assert_eq!(invocation.outcome, Outcome::Died);
    assert!(invocation.took < Duration::from_secs(5), "{invocation:?}");
}

#[test]
fn a_process_without_its_environment_says_why_it_died() {
    let function = Function::start(&binary("echo"), &[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much")]);
    assert_eq!(function.invoke("1").outcome, Outcome::Died);
    let logs = function.logs().join("\n");
    assert!(logs.contains("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "{logs}");
}

#[test]
fn no_answer_before_the_deadline_is_a_time_out_and_the_end_of_the_process() {
    let echo = echo();
    halt(&echo);
    let invocation = echo.invoke_with("1", Duration::from_millis(150));
    assert_eq!(invocation.outcome, Outcome::TimedOut);
    assert!(invocation.took >= Duration::from_millis(150), "{invocation:?}");
    assert!(invocation.took < Duration::from_secs(5), "{invocation:?}");
    assert_eq!(echo.invoke("2").outcome, Outcome::Died);
}

#[test]
fn nothing_of_this_environment_reaches_the_function() {
    let function = Function::start(Path::new("/usr/bin/env"), &[("COLOUR", "blue")]);
    assert_eq!(function.invoke("1").outcome, Outcome::Died);
    let mut names: Vec<_> =
        function.logs().iter().map(|line| line.split_once('=').unwrap().0.to_owned()).collect::<Vec<_>>();
    names.sort();
    let expected = [
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_RUNTIME_API",
        "COLOUR",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_peak_of_memory_follows_what_the_function_held() {
    let echo = echo();
    assert_eq!(echo.invoke("1").json(), json!(1));
    let small = echo.peak_rss_kb();
    assert!((500..64 << 10).contains(&small), "{small} KiB");
    // As a tree of values, this takes many times its 2 MB.
    let event = format!("[{}0]", "0,".repeat(1 << 20));
    assert!(echo.invoke(event).json().is_array());
    assert!(echo.peak_rss_kb() > small + (16 << 10), "{} KiB after {small} KiB", echo.peak_rss_kb());
}

#[test]
fn dropping_a_function_ends_its_process() {
    let echo = echo();
    let folder = format!("/proc/{}", echo.pid());
    assert!(Path::new(&folder).exists());
    drop(echo);
    assert!(!Path::new(&folder).exists());
}

#[test]
fn the_deadline_is_told_in_unix_milliseconds() {
    let api = RuntimeApi::start();
    let told = std::thread::scope(|scope| {
        let invocation = scope.spawn(|| api.invoke_with("{}", Duration::from_secs(3)));
        let mut client = Client::of(api.address());
        let next = client.call("GET", "invocation/next", "");
        let id = next.header("lambda-runtime-aws-request-id");
        assert!(next.header("lambda-runtime-invoked-function-arn").starts_with("arn:aws:lambda:"));
        assert!(next.header("lambda-runtime-trace-id").starts_with("Root=1-"));
        assert_eq!(next.body, "{}");
        assert_eq!(client.call("POST", &format!("invocation/{id}/response"), "[]").status, 202);
        assert_eq!(invocation.join().unwrap().outcome, Outcome::Answer(b"[]".to_vec()));
        Duration::from_millis(next.header("lambda-runtime-deadline-ms").parse().unwrap())
    });
    #[expect(clippy::disallowed_methods, reason = "compared with the clock of the wire")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let left = told.checked_sub(now).unwrap();
    assert!((Duration::from_secs(1)..=Duration::from_secs(3)).contains(&left), "{left:?}");
}

#[test]
fn an_answer_to_an_invocation_that_is_over_is_refused() {
    let api = RuntimeApi::start();
    let mut client = Client::of(api.address());
    let id = std::thread::scope(|scope| {
        let invocation = scope.spawn(|| api.invoke_with("1", Duration::from_millis(20)));
        let next = client.call("GET", "invocation/next", "");
        assert_eq!(invocation.join().unwrap().outcome, Outcome::TimedOut);
        next.header("lambda-runtime-aws-request-id").to_owned()
    });
    let late = client.call("POST", &format!("invocation/{id}/response"), "1");
    assert_eq!(late.status, 400);
    assert!(late.body.contains("InvalidRequestID"), "{}", late.body);
}

#[test]
fn a_function_that_cannot_start_tells_so_before_and_after_it_is_asked() {
    let api = RuntimeApi::start();
    let mut client = Client::of(api.address());
    let report = r#"{"errorType":"Config","errorMessage":"no such table"}"#;
    assert_eq!(client.call("POST", "init/error", report).status, 202);
    for _ in 0..2 {
        let Outcome::InitError { error_type, error_message, raw } = api.invoke("1").outcome else { panic!("started") };
        assert_eq!((error_type.as_str(), error_message.as_str()), ("Config", "no such table"));
        assert_eq!(raw, report.as_bytes());
    }
}

#[test]
fn an_answer_over_six_megabytes_is_an_error_as_in_lambda() {
    let echo = echo();
    let outcome = echo.invoke(format!("\"{}\"", "x".repeat(7 << 20))).outcome;
    let Outcome::Error { error_type, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error_type, "Function.ResponseSizeTooLarge");
}

#[test]
fn what_a_dying_process_had_sent_still_counts() {
    for _ in 0..50 {
        let api = RuntimeApi::start();
        std::thread::scope(|scope| {
            let invocation = scope.spawn(|| api.invoke("1"));
            let mut client = Client::of(api.address());
            let next = client.call("GET", "invocation/next", "");
            client.send("POST", &format!("invocation/{}/response", next.header("lambda-runtime-aws-request-id")), "2");
            drop(client);
            api.process_ended();
            assert_eq!(invocation.join().unwrap().outcome, Outcome::Answer(b"2".to_vec()));
        });
    }
}

#[test]
fn a_missing_binary_is_named_with_what_to_do() {
    let message = std::panic::catch_unwind(|| binary("no-such-function")).unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains("no binary `no-such-function`") && message.contains("cargo build"), "{message}");
}

fn echo() -> Function {
    Function::start(&binary("echo"), &[])
}

/// Stops the process while it waits for work: it will be given the next invocation and not answer.
fn halt(function: &Function) {
    assert_eq!(function.invoke("0").json(), json!(0));
    assert!(function.wait_until_idle());
    let pid = Pid::from_raw(function.pid().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    // The signal is only sent; the process stops soon after.
    let status = format!("/proc/{}/status", function.pid());
    let start = Instant::now();
    while !std::fs::read_to_string(&status).unwrap().contains("State:\tT") {
        assert!(start.elapsed() < Duration::from_secs(5), "the process does not stop");
        std::thread::yield_now();
    }
}

/// A function's side of the wire, bare, for what no well-made runtime does. One connection for all calls.
struct Client {
    stream: BufReader<TcpStream>,
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Client {
    fn of(address: SocketAddr) -> Self {
        Self { stream: BufReader::new(TcpStream::connect(address).unwrap()) }
    }

    fn call(&mut self, method: &str, path: &str, body: &str) -> Reply {
        self.send(method, path, body);
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let mut reply = Reply { status, headers, body: String::new() };
        let mut bytes = vec![0; reply.header("content-length").parse().unwrap()];
        self.stream.read_exact(&mut bytes).unwrap();
        reply.body = String::from_utf8(bytes).unwrap();
        reply
    }

    fn send(&mut self, method: &str, path: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
    }
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(found, _)| found == name).unwrap().1
    }
}
