//! A function's binary, run as Lambda runs it: a process of its own with nothing in its environment but what Lambda and
//! the test put there, its folder as the working directory, one invocation at a time.

use crate::runtime_api::{Invocation, Outcome, RuntimeApi, USUAL_DEADLINE};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A running function. Dropping it ends its process.
pub struct Function {
    binary: PathBuf,
    environment: Vec<(String, String)>,
    // A file and not a pipe: what the function wrote before its answer is there when the answer is.
    logs: File,
    process: Mutex<Arc<Process>>,
}

/// The binary of that name in the folder where cargo put the running test, so built in the same profile.
///
/// # Panics
/// If it is not there: cargo does not build the binaries of other packages before a test.
#[must_use]
#[track_caller]
pub fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("the path of the running test is known");
    // Tests and benchmarks are in `deps/` below the folder of the binaries; a binary is beside the others.
    let folder = this.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).expect("a binary is in a folder");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "no binary `{name}` in {}: build the binaries first, as `make test` does, with \
         `cargo build --workspace --bins --features embedded`, in the same profile as this test",
        folder.display()
    );
    path
}

impl Function {
    /// Starts `binary`. Its environment is empty but for what Lambda sets, an address for the Runtime API, and
    /// `environment`, which wins. It starts up while the caller goes on; the first invocation waits for it.
    ///
    /// # Panics
    /// If the system cannot run it.
    #[must_use]
    #[track_caller]
    pub fn start(binary: &Path, environment: &[(&str, &str)]) -> Self {
        let environment =
            environment.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect::<Vec<_>>();
        let logs = tempfile::tempfile().expect("a file for the logs can be made");
        let process = Mutex::new(Arc::new(Process::start(binary, &environment, &logs)));
        Self { binary: binary.to_owned(), environment, logs, process }
    }

    /// Sends `body` with the five seconds Cognito waits, and waits for the outcome.
    pub fn invoke(&self, body: impl Into<Vec<u8>>) -> Invocation {
        self.invoke_with(body, USUAL_DEADLINE)
    }

    /// Sends `body` and waits for the outcome, at most `deadline` from when the function took it. As in Lambda, a
    /// process that has [timed out](Outcome::TimedOut) is killed; unlike there, none is started in its place: see
    /// [`restart`](Self::restart).
    pub fn invoke_with(&self, body: impl Into<Vec<u8>>, deadline: Duration) -> Invocation {
        let process = self.process();
        let invocation = process.api.invoke_with(body, deadline);
        if invocation.outcome == Outcome::TimedOut {
            process.kill();
        }
        invocation
    }

    /// The lines written to the standard output and the standard error so far, by all processes of this function, in
    /// the order they were written; all that was written before an answer is among them once the answer is.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        let mut bytes = Vec::new();
        let mut block = [0; 16 * 1024];
        loop {
            // Reading at an offset leaves alone the one that the function writes at.
            match self.logs.read_at(&mut block, bytes.len() as u64) {
                Ok(0) => break,
                Ok(read) => bytes.extend(block.iter().take(read)),
                Err(error) => panic!("the logs cannot be read: {error}"),
            }
        }
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    /// The most physical memory the process ever held, in KiB (`VmHWM`), its mapped files included.
    ///
    /// # Panics
    /// If the process has ended, or the system is not Linux.
    #[must_use]
    #[track_caller]
    pub fn peak_rss_kb(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak.unwrap_or_else(|| panic!("{path} names no peak: the process has ended"))
    }

    /// The id of its process, for signals.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process().pid
    }

    /// When its process was started: just before the system was asked to.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.process().started
    }

    /// Waits until it asks for its next invocation, for ten seconds at most; `false` if it does not.
    #[must_use]
    pub fn wait_until_idle(&self) -> bool {
        self.process().api.wait_until_idle()
    }

    /// Kills the process at once, in the middle of whatever it is doing; that invocation has [died](Outcome::Died),
    /// as have all later ones until a [`restart`](Self::restart).
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Ends the process if it is still there and starts a new one: a cold start.
    #[track_caller]
    pub fn restart(&self) {
        self.kill();
        let process = Process::start(&self.binary, &self.environment, &self.logs);
        *lock(&self.process) = Arc::new(process);
    }

    fn process(&self) -> Arc<Process> {
        Arc::clone(&lock(&self.process))
    }
}

struct Process {
    api: Arc<RuntimeApi>,
    pid: u32,
    started: Instant,
    // The watcher must be gone before the child is: until then its id cannot be given to another process.
    child: Mutex<(Child, Option<JoinHandle<()>>)>,
}

impl Process {
    #[track_caller]
    fn start(binary: &Path, environment: &[(String, String)], logs: &File) -> Self {
        let api = Arc::new(RuntimeApi::start());
        let output = || Stdio::from(logs.try_clone().expect("a file can be opened twice"));
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("AWS_LAMBDA_FUNCTION_NAME", binary.file_stem().unwrap_or_default())
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .current_dir(binary.parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output());
        let started = Instant::now();
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", binary.display()));
        let pid = child.id();
        let watcher = std::thread::Builder::new().name("watcher".into()).spawn({
            let api = Arc::clone(&api);
            move || {
                wait_for_end(pid);
                api.process_ended();
            }
        });
        let watcher = watcher.expect("a thread can be started");
        Self { api, pid, started, child: Mutex::new((child, Some(watcher))) }
    }

    fn kill(&self) {
        let (child, watcher) = &mut *lock(&self.child);
        let Some(watcher) = watcher.take() else { return };
        let _ = child.kill();
        let _ = watcher.join();
        let _ = child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns when the process has ended, and leaves it to be reaped, so that its id stays its own.
fn wait_for_end(pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
