//! The clock every layer reads through.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds from 1970-01-01 to 2000-01-01, PostgreSQL's epoch.
const POSTGRES_EPOCH_SECONDS: i64 = 946_684_800;

/// Source of wall-clock and monotonic time.
pub trait Clock: Send + Sync {
    /// Microseconds since 2000-01-01 00:00:00 UTC, PostgreSQL's timestamp.
    fn timestamp_us(&self) -> i64;

    /// Time since some fixed moment; never goes back.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock.
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub fn new() -> SystemClock {
        SystemClock { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn timestamp_us(&self) -> i64 {
        let unix_us = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_micros() as i64,
            Err(before) => -(before.duration().as_micros() as i64),
        };
        unix_us - POSTGRES_EPOCH_SECONDS * 1_000_000
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
