//! How long a function takes from `exec` to its first answer, and the memory it takes for that, beside the least a Rust
//! Lambda can be (`echo`, from the same folder, so of the same profile). Rounds are interleaved, so that whatever slows
//! the machine slows all alike.
//!
//! `cold-start target/release/domain-allow-list --env TRIGGERS_CONFIG=$PWD/triggers.toml --event event.json --check 1.15`

use clap::Parser;
use cognito_triggers_bench::median;
use cognito_triggers_tests::{Function, Outcome, binary};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Rounds that only warm the page cache.
const WARM_UP: usize = 5;

/// Cold start and peak memory of functions, beside a bare echo.
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
    /// Fail if a cold start is more than this many times the echo's
    #[arg(long, value_name = "RATIO")]
    check: Option<f64>,
    /// Fail if a function ever holds more than this many KiB
    #[arg(long, value_name = "KIB")]
    check_memory: Option<u64>,
}

/// A function to be measured.
struct Contestant {
    name: String,
    copy: PathBuf,
    starts: Vec<Start>,
}

/// One round of one function.
struct Start {
    took: Duration,
    peak_kb: u64,
}

impl Start {
    fn ms(&self) -> f64 {
        self.took.as_secs_f64() * 1000.0
    }
}

/// What is shown of one function.
struct Row {
    name: String,
    /// The median.
    ms: f64,
    /// The median of what each round gave.
    ratio: f64,
    size_kb: u64,
    peak_kb: u64,
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

/// A row for the echo, which comes first, and for each binary.
fn measure(arguments: &Arguments) -> Result<Vec<Row>, String> {
    let event = match &arguments.event {
        Some(path) => std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?,
        None => br#"{"triggerSource":"PreSignUp_SignUp"}"#.to_vec(),
    };
    let environment: Vec<_> = arguments.environment.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    // Copies, all written alike: how a file was written decides how it lies in the page cache, and that is worth 5 %.
    let folder = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
    let mut contestants = Vec::new();
    for (number, path) in std::iter::once(&binary("echo")).chain(&arguments.binaries).enumerate() {
        let copy = folder.path().join(number.to_string());
        std::fs::copy(path, &copy).map_err(|error| format!("cannot copy {}: {error}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        contestants.push(Contestant { name, copy, starts: Vec::new() });
    }

    let rounds = WARM_UP + usize::try_from(arguments.rounds).unwrap_or(usize::MAX - WARM_UP);
    for round in 0..rounds {
        // Who comes first in a round has a slower start; let it be each in turn.
        contestants.reverse();
        for contestant in &mut contestants {
            let start = contestant.start(&environment, &event)?;
            if round >= WARM_UP {
                contestant.starts.push(start);
            }
        }
    }
    if rounds % 2 == 1 {
        contestants.reverse();
    }

    let reference: Vec<f64> = contestants.iter().take(1).flat_map(|echo| &echo.starts).map(Start::ms).collect();
    contestants.iter().map(|contestant| contestant.row(&reference)).collect()
}

impl Contestant {
    fn start(&self, environment: &[(&str, &str)], event: &[u8]) -> Result<Start, String> {
        let function = Function::start(&self.copy, environment);
        let asked = Instant::now();
        let invocation = function.invoke(event);
        let took = asked - function.started() + invocation.took;
        match invocation.outcome {
            // Only an answer counts: an error could be a fault, which is quicker than the work.
            Outcome::Answer(_) if function.wait_until_idle() => Ok(Start { took, peak_kb: function.peak_rss_kb() }),
            other => Err(format!("{} did not answer: {other:?}\n{}", self.name, function.logs().join("\n"))),
        }
    }

    fn row(&self, reference: &[f64]) -> Result<Row, String> {
        let took: Vec<f64> = self.starts.iter().map(Start::ms).collect();
        // Within a round all met the same machine: the median of its ratios is steadier than the ratio of medians.
        let ratios = took.iter().zip(reference).map(|(took, reference)| took / reference).collect();
        let size = std::fs::metadata(&self.copy).map_err(|error| format!("cannot measure {}: {error}", self.name))?;
        Ok(Row {
            name: self.name.clone(),
            ms: median(took),
            ratio: median(ratios),
            size_kb: size.len() / 1024,
            peak_kb: self.starts.iter().map(|start| start.peak_kb).max().unwrap_or_default(),
        })
    }
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default().max("function".len());
    let mut table = format!(
        "{:<width$}  {:>10}  {:>7}  {:>10}  {:>10}\n",
        "function", "median ms", "ratio", "size KiB", "peak KiB"
    );
    for Row { name, ms, ratio, size_kb, peak_kb } in rows {
        table += &format!("{name:<width$}  {ms:>10.2}  {ratio:>6.2}x  {size_kb:>10}  {peak_kb:>10}\n");
    }
    table
}

fn failures(rows: &[Row], arguments: &Arguments) -> Vec<String> {
    let mut failures = Vec::new();
    for Row { name, ratio, peak_kb, .. } in rows.iter().skip(1) {
        if let Some(bound) = arguments.check.filter(|bound| ratio > bound) {
            failures.push(format!("{name}: its cold start is {ratio:.2} times the echo's, more than {bound}"));
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
