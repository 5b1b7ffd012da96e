//! How long a function takes from `exec` to its first answer, and the memory it takes for that, beside the least a Rust
//! Lambda can be (`echo`, from the same folder, so of the same profile). Rounds are interleaved, so that whatever slows
//! the machine slows all alike.
//!
//! `cold-start target/release/domain-allow-list --env TRIGGERS_CONFIG=$PWD/triggers.toml --event event.json --check 1.15`
//!
//! With `--tls` there is a DynamoDB, and each function has to read once and write once: it is compared with others that make
//! the same calls, see `bench/reference`.

use clap::Parser;
use cognito_triggers_bench::{Dynamodb, Work, median};
use cognito_triggers_tests::{Function, Outcome, binary};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Rounds that only warm the page cache.
const WARM_UP: usize = 5;

/// What signs the calls to the DynamoDB on this machine.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// About as long as the session token of a Lambda, which is a part of every request and of every signature.
const TOKEN_LENGTH: usize = 1000;

/// Cold start and peak memory of functions, beside a bare echo or another reference.
#[derive(Parser)]
struct Arguments {
    /// Binaries of functions
    binaries: Vec<PathBuf>,
    /// Rounds that count
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// A file with the event to send [default: a small JSON object]
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// What the functions find in their environment besides what Lambda sets; may be repeated
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = key_and_value)]
    environment: Vec<(String, String)>,
    /// What the others are compared with [default: the echo beside this program]
    #[arg(long, value_name = "BINARY")]
    reference: Option<PathBuf>,
    /// A program that does the same with the defaults of the SDK
    #[arg(long, value_name = "BINARY", requires = "tls")]
    defaults: Option<PathBuf>,
    /// Serve DynamoDB over TLS with the certificates in this folder; whoever does not read once and write once is not measured
    #[arg(long, value_name = "FOLDER")]
    tls: Option<PathBuf>,
    /// Measure nothing, but write into this folder what the first function sends to DynamoDB
    #[arg(long, value_name = "FOLDER", requires = "tls")]
    record: Option<PathBuf>,
    /// Fail if a cold start is more than this many times the reference's
    #[arg(long, value_name = "RATIO")]
    check: Option<f64>,
    /// Fail if the cold start with the SDK's defaults is less than this many times a function's
    #[arg(long, value_name = "RATIO", requires = "defaults")]
    check_defaults: Option<f64>,
    /// Fail if a function ever holds more than this many KiB
    #[arg(long, value_name = "KIB")]
    check_memory: Option<u64>,
}

/// A program to be measured.
struct Contestant {
    name: String,
    role: Role,
    copy: PathBuf,
    starts: Vec<Start>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Reference,
    Function,
    Defaults,
}

/// One round of one program.
struct Start {
    took: Duration,
    peak_kb: u64,
    /// How long its threads were running.
    cpu: Duration,
    /// How often it called DynamoDB.
    calls: usize,
}

impl Start {
    fn ms(&self) -> f64 {
        self.took.as_secs_f64() * 1000.0
    }
}

/// What is shown of one program.
struct Row {
    name: String,
    role: Role,
    /// The median.
    ms: f64,
    /// The median of what each round gave.
    ratio: f64,
    /// How many times its time the SDK's defaults took, as the median of what each round gave.
    of_defaults: Option<f64>,
    size_kb: u64,
    peak_kb: u64,
    /// The median.
    cpu_ms: f64,
    /// The most of all rounds.
    calls: usize,
}

#[allow(clippy::print_stdout, clippy::print_stderr)] // The table is what this is for.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(rows) => {
            print!("{}", table(&rows));
            let failures = failures(&rows, &arguments);
            failures.iter().for_each(|failure| eprintln!("{failure}"));
            if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A row for the reference, which comes first, for each binary, and for the SDK's defaults.
fn measure(arguments: &Arguments) -> Result<Vec<Row>, String> {
    let event = match &arguments.event {
        Some(path) => std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?,
        None => br#"{"triggerSource":"PreSignUp_SignUp"}"#.to_vec(),
    };
    let mut house = House::open(arguments, event)?;
    if let Some(record) = &arguments.record {
        let path = arguments.binaries.first().ok_or("there is no function to be recorded")?;
        return house.record(path, record).map(|()| Vec::new());
    }
    // Copies, all written alike: how a file was written decides how it lies in the page cache, and that is worth 5 %.
    let folder = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
    let reference = arguments.reference.clone().unwrap_or_else(|| binary("echo"));
    let functions = arguments.binaries.iter().map(|path| (path, Role::Function));
    let defaults = arguments.defaults.iter().map(|path| (path, Role::Defaults));
    let mut contestants = Vec::new();
    for (number, (path, role)) in
        [(&reference, Role::Reference)].into_iter().chain(functions).chain(defaults).enumerate()
    {
        let copy = folder.path().join(number.to_string());
        std::fs::copy(path, &copy).map_err(|error| format!("cannot copy {}: {error}", path.display()))?;
        contestants.push(Contestant { name: name(path), role, copy, starts: Vec::new() });
    }

    let rounds = WARM_UP + usize::try_from(arguments.rounds).unwrap_or(usize::MAX - WARM_UP);
    for round in 0..rounds {
        // Who comes first in a round has a slower start; let it be each in turn.
        contestants.reverse();
        for contestant in &mut contestants {
            let start = house.start(&contestant.name, &contestant.copy)?;
            if round >= WARM_UP {
                contestant.starts.push(start);
            }
        }
    }
    if rounds % 2 == 1 {
        contestants.reverse();
    }

    let times = |role| {
        let contestants = contestants.iter().filter(move |contestant| contestant.role == role).take(1);
        contestants.flat_map(|contestant| &contestant.starts).map(Start::ms).collect::<Vec<_>>()
    };
    let (reference, defaults) = (times(Role::Reference), times(Role::Defaults));
    contestants.iter().map(|contestant| contestant.row(&reference, &defaults)).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What all programs find when they start.
struct House {
    environment: Vec<(String, String)>,
    event: Vec<u8>,
    dynamodb: Option<Dynamodb>,
    /// What the first program read and wrote, which all others have to do as well.
    work: Option<Work>,
}

impl House {
    fn open(arguments: &Arguments, event: Vec<u8>) -> Result<Self, String> {
        let dynamodb = arguments.tls.as_deref().map(Dynamodb::start).transpose()?;
        let mut environment = arguments.environment.clone();
        if let Some(dynamodb) = &dynamodb {
            let token = "token".repeat(TOKEN_LENGTH / 5);
            let credentials = [
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", SECRET),
                ("AWS_SESSION_TOKEN", &token),
            ];
            environment.extend(credentials.map(|(key, value)| (key.to_owned(), value.to_owned())));
            environment.extend(dynamodb.environment());
        }
        Ok(Self { environment, event, dynamodb, work: None })
    }

    fn start(&mut self, name: &str, binary: &Path) -> Result<Start, String> {
        let environment: Vec<_> = self.environment.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let function = Function::start(binary, &environment);
        let asked = Instant::now();
        let invocation = function.invoke(self.event.as_slice());
        let took = asked - function.started() + invocation.took;
        match invocation.outcome {
            // Only an answer counts: an error could be a fault, which is quicker than the work.
            Outcome::Answer(_) if function.wait_until_idle() => {}
            other => return Err(format!("{name} did not answer: {other:?}\n{}", function.logs().join("\n"))),
        }
        let peak_kb = function.peak_rss_kb();
        let cpu = cpu(function.pid());
        let Some(dynamodb) = &self.dynamodb else { return Ok(Start { took, peak_kb, cpu, calls: 0 }) };
        let calls = dynamodb.take_calls();
        let work = Work::of(&calls, SECRET)
            .map_err(|error| format!("{name} does something else: {error}\n{}", function.logs().join("\n")))?;
        let expected = self.work.get_or_insert_with(|| work.clone());
        if !work.is_alike(expected) {
            return Err(format!("{name} makes other calls than the program before it: {work:?}, not {expected:?}"));
        }
        Ok(Start { took, peak_kb, cpu, calls: calls.len() })
    }

    fn record(&mut self, path: &Path, folder: &Path) -> Result<(), String> {
        self.start(&name(path), path)?;
        let Some(Work { read, write }) = &self.work else { return Ok(()) };
        for (operation, body) in [("BatchGetItem", read), ("PutItem", write)] {
            let path = folder.join(operation).with_extension("json");
            std::fs::write(&path, body.to_string())
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(())
    }
}

/// How long the threads of this process have been running so far, of those that are still there.
fn cpu(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

impl Contestant {
    fn row(&self, reference: &[f64], defaults: &[f64]) -> Result<Row, String> {
        let took: Vec<f64> = self.starts.iter().map(Start::ms).collect();
        // Within a round all met the same machine: the median of its ratios is steadier than the ratio of medians.
        let ratios = took.iter().zip(reference).map(|(took, reference)| took / reference).collect();
        let of_defaults: Vec<_> = took.iter().zip(defaults).map(|(took, defaults)| defaults / took).collect();
        let size = std::fs::metadata(&self.copy).map_err(|error| format!("cannot measure {}: {error}", self.name))?;
        Ok(Row {
            name: self.name.clone(),
            role: self.role,
            ms: median(took),
            ratio: median(ratios),
            of_defaults: (!of_defaults.is_empty()).then(|| median(of_defaults)),
            size_kb: size.len() / 1024,
            peak_kb: self.starts.iter().map(|start| start.peak_kb).max().unwrap_or_default(),
            cpu_ms: median(self.starts.iter().map(|start| start.cpu.as_secs_f64() * 1000.0).collect()),
            calls: self.starts.iter().map(|start| start.calls).max().unwrap_or_default(),
        })
    }
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default().max("function".len());
    let mut table =
        format!("{:<width$}  {:>10}  {:>7}  {:>10}  {:>10}", "function", "median ms", "ratio", "size KiB", "peak KiB");
    // Where there is a server, its work is in the time as well, and not in this.
    let called = rows.iter().any(|row| row.calls > 0);
    table += if called { "  cpu ms  calls\n" } else { "\n" };
    for Row { name, ms, ratio, size_kb, peak_kb, cpu_ms, calls, .. } in rows {
        table += &format!("{name:<width$}  {ms:>10.2}  {ratio:>6.2}x  {size_kb:>10}  {peak_kb:>10}");
        table += &if called { format!("  {cpu_ms:>6.2}  {calls:>5}\n") } else { "\n".into() };
    }
    for Row { name, of_defaults, .. } in rows.iter().filter(|row| row.role == Role::Function) {
        if let Some(times) = of_defaults {
            table += &format!("the SDK's defaults take {times:.2} times {name}\n");
        }
    }
    table
}

fn failures(rows: &[Row], arguments: &Arguments) -> Vec<String> {
    let mut failures = Vec::new();
    let reference = rows.first().map(|row| row.name.as_str()).unwrap_or_default();
    for Row { name, ratio, of_defaults, peak_kb, .. } in rows.iter().filter(|row| row.role == Role::Function) {
        if let Some(bound) = arguments.check.filter(|bound| ratio > bound) {
            failures.push(format!("{name}: its cold start is {ratio:.2} times that of {reference}, more than {bound}"));
        }
        if let (Some(times), Some(bound)) = (of_defaults, arguments.check_defaults)
            && *times < bound
        {
            failures
                .push(format!("{name}: the SDK's defaults take {times:.2} times its cold start, less than {bound}"));
        }
        if let Some(bound) = arguments.check_memory.filter(|bound| peak_kb > bound) {
            failures.push(format!("{name}: its memory peaks at {peak_kb} KiB, more than {bound} KiB"));
        }
    }
    failures
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("give it as KEY=VALUE".into()),
    }
}
