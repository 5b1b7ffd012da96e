//! The functions under cargo-lambda, as a developer runs them without an AWS account: its emulator serves the Runtime API, the
//! binaries join it, and `cargo lambda invoke` is told what the user reads. What `docs/local-lambda.md` says is tried here, but
//! for the build, which cargo-lambda leaves to cargo.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kit::{House, Watched, sample, set, sign_up};

/// `cargo lambda watch`, serving its APIs alone. It ends when it is dropped.
struct Emulator {
    process: Child,
    address: SocketAddr,
}

/// How long it may take to start; some tenths of a second are usual.
const PATIENCE: Duration = Duration::from_secs(30);

impl Emulator {
    fn start() -> Self {
        // Between finding a free port and taking it somebody else may be quicker.
        (0..3).find_map(|_| Self::try_start()).expect("`cargo lambda watch` does not start")
    }

    fn try_start() -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = cargo_lambda();
        command.args(["watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--invoke-port"]);
        command.arg(address.port().to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut emulator = Self { process: command.spawn().unwrap(), address };
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if emulator.process.try_wait().unwrap().is_some() {
                return None;
            }
            if TcpStream::connect(address).is_ok() {
                return Some(emulator);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Lets a function join.
    fn runs(&self, house: &House, name: &str, tables: &str) -> Watched {
        let api = format!("http://{}/.rt/{name}", self.address);
        house.function_with(name, tables, &[("AWS_LAMBDA_RUNTIME_API", &api)])
    }

    /// `cargo lambda invoke`; the answer, or what stands where an answer would.
    fn invoke(&self, house: &House, function: &str, event: &str) -> Result<Value, String> {
        let file = house.path().join("event.json");
        std::fs::write(&file, event).unwrap();
        let mut command = cargo_lambda();
        command.args(["invoke", function, "--invoke-address", "127.0.0.1", "--invoke-port"]);
        command.arg(self.address.port().to_string()).arg("--data-file").arg(&file);
        let Output { status, stdout, stderr } = command.output().unwrap();
        if status.success() {
            return Ok(serde_json::from_slice(&stdout).unwrap());
        }
        Err(String::from_utf8(stderr).unwrap())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn cargo_lambda() -> Command {
    let program = tools().join("cargo-lambda-1.9.2/bin/cargo-lambda");
    assert!(program.is_file(), "{} is missing: run `make tools`", program.display());
    let mut command = Command::new(program);
    command.arg("lambda").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
    // Unset, or it would colour and wrap what it prints.
    command.env("NO_COLOR", "1").env("COLUMNS", "200").stdin(Stdio::null());
    command
}

/// Where `make tools` puts what tests need.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment where the tools are")]
pub(crate) fn tools() -> PathBuf {
    if let Some(tools) = std::env::var_os("TRIGGERS_TOOLS").filter(|tools| !tools.is_empty()) {
        return tools.into();
    }
    let home = std::env::var_os("HOME").expect("neither TRIGGERS_TOOLS nor HOME is set");
    Path::new(&home).join(".cache/cognito-triggers/tools")
}

const TABLES: &str = "[domain-allow-list]\nallow = [\"example.com\"]\nmessage = \"Please sign up with your company address\"\n\
                      [access-code]\ncodes = [\"Sesam-open-up-77\"]\ninvitations = false\n\
                      [unique-nickname]\n";

#[test]
fn every_function_answers_cargo_lambda_as_it_answers_lambda() {
    let emulator = Emulator::start();
    let house = House::new();
    let names = ["domain-allow-list", "access-code", "unique-nickname", "pool"];
    let functions = names.map(|name| emulator.runs(&house, name, TABLES));
    let allowed = sample("PreSignUp_SignUp")
        .replace("\"validationData\": null", "\"validationData\": {\"accessCode\": \"Sesam-open-up-77\"}");
    for name in names {
        let answer = emulator.invoke(&house, name, &allowed);
        assert_eq!(answer, Ok(serde_json::from_str::<Value>(&allowed).unwrap()), "{name}");
    }

    let stranger = allowed.replace("anna@example.com", "anna@evil.example.net");
    let mut namesake = sign_up("berta", "ANNI");
    set(&mut namesake, "/request/validationData", serde_json::json!({"accessCode": "Sesam-open-up-77"}));
    let namesake = namesake.to_string();
    let refusals = [
        ("domain-allow-list", &stranger, "Please sign up with your company address"),
        ("access-code", &sample("PreSignUp_SignUp"), "Please enter your access code"),
        ("unique-nickname", &namesake, "This nickname is taken. A free one is ANNI"),
        ("pool", &namesake, "This nickname is taken. A free one is ANNI"),
    ];
    for (name, event, message) in refusals {
        let shown = emulator.invoke(&house, name, event).expect_err(name);
        assert!(shown.contains("Denied") && shown.contains(message), "{name}: {shown}");
    }
    let shown = emulator.invoke(&house, "pool", "{").expect_err("it is no event");
    assert!(shown.contains("Something went wrong on our side") || shown.contains("JSON"), "{shown}");

    for function in &functions {
        for secret in ["Sesam-open-up-77", "anna@", "Schmidt", "berta"] {
            function.keeps_to_itself(secret);
        }
        assert!(function.lines().iter().any(|line| line["message"] == "decision"), "{}", function.said());
    }
}
