//! `cargo local gallery` in a browser, as whoever writes templates has it: what is looked at there, and how, stands in
//! `tests/browser/gallery.py`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cognito_triggers_tests::binary;
use tempfile::TempDir;

use crate::cargo_lambda::tools;

/// How long a gallery may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gallery of a copy of `tests/browser/project`. Its process ends when it is dropped.
struct Gallery {
    folder: TempDir,
    process: Child,
    url: String,
}

impl Gallery {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&browser().join("project"), folder.path());
        let mut process = Command::new(binary("local"))
            .args(["gallery", "triggers.toml", "--port", "0"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| line.unwrap().split_once(" is at ").map(|(_, url)| url.to_owned()));
        Self { folder, process, url: url.expect("the gallery says where it is") }
    }

    /// The exit code it ends with by itself.
    fn ends(&mut self) -> Option<i32> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the gallery goes on after Ctrl-C");
    }
}

impl Drop for Gallery {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_gallery_shows_what_users_will_get_and_goes_with_what_is_saved() {
    let mut gallery = Gallery::start();
    let looked = Command::new(python())
        .arg(browser().join("gallery.py"))
        .arg(&gallery.url)
        .arg(gallery.folder.path())
        .arg(gallery.process.id().to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [looked.stdout, looked.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    println!("{said}");
    assert!(looked.status.success(), "the gallery is not as it should be:\n{said}");
    assert_eq!(gallery.ends(), Some(0), "Ctrl-C is how it ends");
}

/// Python with Playwright.
fn python() -> PathBuf {
    let requirements = include_str!("../../../tools/playwright.txt");
    let version = requirements.lines().find_map(|line| line.strip_prefix("playwright==")).unwrap();
    let python = tools().join(format!("playwright-{version}/bin/python"));
    assert!(python.is_file(), "{} is missing: run `make tools`", python.display());
    python
}

fn browser() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("browser")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
