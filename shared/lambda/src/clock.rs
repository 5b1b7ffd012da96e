//! The time of this machine.

use std::time::Duration;

use cognito_triggers::Clock;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// The system's clock, with tokio's timers for waiting: [`sleep`](Clock::sleep) has to be called within a tokio runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is where the time comes from")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_tells_milliseconds_and_waits() {
        let started = tokio::time::Instant::now();
        SystemClock.sleep(Duration::from_secs(7)).await;
        assert_eq!(started.elapsed().as_secs(), 7);
        assert_eq!(SystemClock.now().subsec_nanosecond() % 1_000_000, 0);
    }
}
