//! How old this node's data may be, without asking anyone.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Moments remembered: at the interval of heartbeats, more than a minute.
const MOMENTS_MAX: usize = 1024;

/// Moments at which the leader said what it had committed.
#[derive(Default)]
pub(super) struct Freshness(Mutex<VecDeque<(u64, Instant)>>);

impl Freshness {
    /// The leader had committed the entries up to one, just now.
    pub(super) fn heard(&self, committed: u64) {
        let mut moments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match moments.back_mut() {
            Some((last, moment)) if *last == committed => *moment = now,
            _ => moments.push_back((committed, now)),
        }
        if moments.len() > MOMENTS_MAX {
            moments.pop_front();
        }
    }

    /// How long ago everything was here that was committed then; `None` if that was never so.
    pub(super) fn age(&self, applied: u64) -> Option<Duration> {
        let mut moments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while moments.len() > 1 && moments[1].0 <= applied {
            moments.pop_front();
        }
        moments.front().filter(|(committed, _)| *committed <= applied).map(|(_, moment)| moment.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_age_counts_from_the_last_moment_that_is_applied() {
        let freshness = Freshness::default();
        assert_eq!(freshness.age(5), None);
        freshness.heard(5);
        tokio::time::advance(Duration::from_secs(1)).await;
        freshness.heard(5);
        tokio::time::advance(Duration::from_secs(2)).await;
        freshness.heard(7);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(freshness.age(4), None);
        assert_eq!(freshness.age(5), Some(Duration::from_secs(5)));
        assert_eq!(freshness.age(7), Some(Duration::from_secs(3)));
    }
}
