//! How fast a node is asked, and until when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The slowest rate, in requests a second: one in a bit more than a quarter of an hour.
const SLOWEST: f64 = 0.001;

/// The turns of all who ask one node. Copies share them.
#[derive(Clone, Debug)]
pub struct Turns {
    apart: Duration,
    next: Arc<Mutex<Instant>>,
    until: Instant,
    taken: Arc<AtomicU64>,
}

impl Turns {
    /// At most `rate` requests a second, for as long as `during`.
    pub fn new(rate: f64, during: Duration) -> Self {
        let now = Instant::now();
        Self {
            apart: Duration::from_secs_f64(1.0 / rate.max(SLOWEST)),
            next: Arc::new(Mutex::new(now)),
            until: now + during,
            taken: Arc::default(),
        }
    }

    /// Waits for its turn. None once the time is over.
    pub async fn take(&self) -> Option<()> {
        let at = {
            let mut next = self.next.lock().await;
            let at = (*next).max(Instant::now());
            if at >= self.until {
                return None;
            }
            *next = at + self.apart;
            at
        };
        tokio::time::sleep_until(at).await;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(())
    }

    /// Turns that were taken.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// The longest that so many requests to a node may take in all: at their rate, and some of them
/// as slow as `each` allows.
pub fn longest(requests: usize, rate: f64, each: Duration) -> Duration {
    // Doors are knocked at side by side, and each service may fail so often before it is left alone.
    const SLOW: u32 = 6;
    // No check asks as often as a number of 32 bits can say.
    let requests = u32::try_from(requests).unwrap_or(u32::MAX);
    let apart = Duration::from_secs_f64(1.0 / rate.max(SLOWEST));
    apart.saturating_mul(requests) + each.saturating_mul(SLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_keep_their_distance_and_end() {
        let turns = Turns::new(50.0, Duration::from_millis(190));
        let start = Instant::now();
        let mut taken = 0;
        while turns.clone().take().await.is_some() {
            taken += 1;
            let earliest = Duration::from_millis(20) * (taken - 1);
            assert!(start.elapsed() >= earliest, "{taken}");
        }
        // A busy machine has fewer in that time, and never more.
        assert!((2..=10).contains(&taken), "{taken}");
        assert_eq!(turns.taken(), u64::from(taken));
    }

    #[test]
    fn the_longest_time_follows_the_rate() {
        let each = Duration::from_secs(2);
        assert_eq!(longest(10, 5.0, each), Duration::from_secs(14));
        assert!(longest(usize::MAX, 0.0, each) > Duration::from_secs(1_000_000));
    }
}
