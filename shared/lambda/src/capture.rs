//! Where tests let the log and the metrics be written.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Keeps every piece that was written, one for each call.
#[derive(Clone, Default)]
pub(crate) struct Capture(Arc<Mutex<Vec<Vec<u8>>>>);

impl Capture {
    /// Lets what this thread logs from now on be written here.
    pub(crate) fn install(&self) -> DefaultGuard {
        tracing::subscriber::set_default(crate::log::subscriber(LevelFilter::DEBUG, self.clone()))
    }

    /// All that was written.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().concat()).unwrap()
    }

    /// The same as JSON, a value a line. Every line has to have been written in one call.
    pub(crate) fn json(&self) -> Vec<Value> {
        let pieces = self.0.lock().unwrap();
        let line = |piece: &Vec<u8>| {
            let text = std::str::from_utf8(piece).unwrap();
            assert!(text.ends_with('\n') && text.lines().count() == 1, "not one line: {text:?}");
            serde_json::from_str(text).unwrap()
        };
        pieces.iter().map(line).collect()
    }
}

impl<'a> MakeWriter<'a> for Capture {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
