//! What a panic prints: one line of the log instead of its message on the standard error.
//!
//! The message of a panic can hold anything, such as the value that was not expected. What the event in hand says of a user
//! is taken out of it.

use std::any::Any;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::scrub::scrub;

/// The event in hand; empty between events. A Lambda has one at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Current(Arc<Mutex<Bytes>>);

impl Current {
    /// Takes an event in hand; let go of when dropped.
    pub(crate) fn hold(&self, event: Bytes) -> Held<'_> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = event;
        Held(self)
    }
}

/// An event in hand.
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a Current);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Bytes::new();
    }
}

/// Puts the log line in the place of what panics print.
pub(crate) fn install(current: Current) {
    std::panic::set_hook(Box::new(move |info| report(info, &current)));
}

/// What a caught panic said.
pub(crate) fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

fn report(info: &PanicHookInfo<'_>, current: &Current) {
    // Not to wait: whoever holds it may be who panics.
    let event = current.0.try_lock().map(|event| event.clone()).unwrap_or_default();
    let reason = scrub(info.payload_as_str().unwrap_or("without a message"), &event);
    let location = info.location().map(ToString::to_string);
    tracing::error!(target: "panic", location = location.as_deref(), reason, "panicked");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;
    use std::panic::{catch_unwind, set_hook, take_hook};
    use std::thread;

    #[test]
    fn a_panic_is_one_line_with_its_place_and_nothing_of_the_user() {
        let capture = Capture::default();
        let _guard = capture.install();
        let current = Current::default();
        let here = thread::current().id();
        // The hook is one for the whole process: panics of tests beside this one stay as they are.
        let usual = Arc::new(take_hook());
        let (hook, others) = (current.clone(), Arc::clone(&usual));
        set_hook(Box::new(move |info| if thread::current().id() == here { report(info, &hook) } else { others(info) }));

        let held = current.hold(Bytes::from_static(br#"{"userName":"anna-lena","request":{"password":"tr0ub4dor"}}"#));
        let caught = catch_unwind(|| panic!("no entry for anna-lena with tr0ub4dor"));
        drop(held);
        let _ = catch_unwind(|| std::panic::panic_any(7));
        set_hook(Box::new(move |info| usual(info)));

        assert_eq!(text(caught.unwrap_err().as_ref()), "no entry for anna-lena with tr0ub4dor");
        let lines = capture.json();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["level"], &lines[0]["target"]), (&"ERROR".into(), &"panic".into()));
        assert_eq!(lines[0]["reason"], "no entry for … with …");
        assert!(lines[0]["location"].as_str().unwrap().contains("panics.rs:"));
        assert_eq!(lines[1]["reason"], "without a message");
        assert!(current.0.lock().unwrap().is_empty());
    }
}
