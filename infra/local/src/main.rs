//! `cargo local`: the program around [`cognito_triggers_local::run`].

use std::io::{self, BufWriter, IsTerminal};
use std::process::ExitCode;

use cognito_triggers_local::{Quiet, World, colours, run};

fn main() -> ExitCode {
    // A rule that panics is caught and told about where it happened; what the hook would print tells it twice.
    std::panic::set_hook(Box::new(|_| {}));
    match std::panic::catch_unwind(program) {
        Ok(code) => ExitCode::from(code),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied();
            let text =
                text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message");
            complain(&format!("this is a mistake in `cargo local` itself: {text}"));
            ExitCode::FAILURE
        }
    }
}

fn program() -> u8 {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let variables = variables.collect();
    let (out, err) = (io::stdout(), io::stderr());
    let world = World {
        colours: colours(&variables, out.is_terminal()),
        error_colours: colours(&variables, err.is_terminal()),
        variables,
        out: &mut Quiet(BufWriter::new(out.lock())),
        err: &mut Quiet(err.lock()),
        input: &mut io::stdin().lock(),
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(std::env::args_os(), world)),
        Err(error) => {
            complain(&format!("no runtime can be started: {error}"));
            1
        }
    }
}

#[allow(clippy::print_stderr, reason = "this is a program, and nothing else is left to say it with")]
fn complain(text: &str) {
    eprintln!("error: {text}");
}
