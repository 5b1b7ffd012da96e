//! `poolctl`: the program around [`poolctl::run`].

use std::io::{self, BufWriter, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use cognito_triggers_lambda::SystemClock;
use poolctl::{Quiet, World, run};

fn main() -> ExitCode {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let (out, err) = (io::stdout(), io::stderr());
    let world = World {
        watched: err.is_terminal(),
        variables: variables.collect(),
        out: &mut Quiet::new(BufWriter::new(out.lock())),
        err: &mut Quiet::new(err.lock()),
        clock: Arc::new(SystemClock),
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => ExitCode::from(runtime.block_on(run(std::env::args_os(), world))),
        Err(error) => {
            complain(&format!("no runtime can be started: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stderr, reason = "this is a program, and nothing else is left to say it with")]
fn complain(text: &str) {
    eprintln!("error: {text}");
}
