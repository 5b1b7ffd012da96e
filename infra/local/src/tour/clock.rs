//! The clock of the tour, which can be put on: what takes minutes in AWS need not take them here.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cognito_triggers::Clock;
use cognito_triggers_lambda::SystemClock;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

/// The time of this machine, and some minutes more.
#[derive(Default)]
pub(super) struct TourClock {
    ahead: AtomicI64,
}

impl TourClock {
    /// Lets time pass.
    pub(super) fn pass(&self, time: SignedDuration) {
        self.ahead.fetch_add(time.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for TourClock {
    fn now(&self) -> Timestamp {
        let (now, ahead) = (SystemClock.now(), SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed)));
        now.saturating_add(ahead).unwrap_or(now)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(time)
    }
}
