//! How long a call is repeated that AWS is too busy to serve: a little, since a user is waiting.

use std::time::Duration;

use cognito_triggers::{Fault, FaultKind, random};
use tokio::time::Instant;

/// The most the first pause takes, in milliseconds; every other may take twice the one before.
const FIRST: u64 = 20;
/// The most any pause takes, in milliseconds.
const LONGEST: u64 = 200;

/// Pauses of random length, longer and longer, until the time is up.
pub(super) struct Patience {
    what: &'static str,
    limit: Duration,
    until: Instant,
    most: u64,
}

impl Patience {
    pub(super) fn new(what: &'static str, limit: Duration) -> Self {
        Self { what, limit, until: Instant::now() + limit, most: FIRST }
    }

    /// Waits before the next try.
    ///
    /// # Errors
    ///
    /// If the time is up.
    pub(super) async fn pause(&mut self) -> Result<(), Fault> {
        // Random all the way down to nothing: those who met once should not meet again.
        let millis = u64::from(random::number()?) % self.most;
        let next = Instant::now() + Duration::from_millis(millis);
        self.most = (self.most * 2).min(LONGEST);
        if next > self.until {
            return Err(self.over());
        }
        tokio::time::sleep_until(next).await;
        Ok(())
    }

    /// Goes on at once.
    ///
    /// # Errors
    ///
    /// If the time is up.
    pub(super) fn go_on(&self) -> Result<(), Fault> {
        if Instant::now() > self.until { Err(self.over()) } else { Ok(()) }
    }

    fn over(&self) -> Fault {
        Fault::of(FaultKind::Contention, format!("{} found the table too busy for {:?}", self.what, self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn patience_ends_in_time() {
        const LIMIT: Duration = Duration::from_millis(1_500);
        let started = Instant::now();
        let mut patience = Patience::new("a call", LIMIT);
        let mut tries = 0;
        let fault = loop {
            tries += 1;
            match patience.pause().await {
                Ok(()) => {}
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault.kind(), FaultKind::Contention);
        assert!(started.elapsed() <= LIMIT);
        assert!((8..=200).contains(&tries), "{tries}");
        assert!(fault.causes().contains("a call"), "{fault}");
    }
}
