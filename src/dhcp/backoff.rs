//! When a question goes out again.

use std::time::Duration;

use crate::rng::Rng;

/// Waits between sendings of one question. RFC 2131 section 4.1: doubled from 4 s up to 64 s, each
/// up to one second longer or shorter by chance, so that phones that start together do not stay
/// together. How often a phone asks is not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// How much a wait may differ, either way.
    pub jitter: Duration,
    /// How often a question goes out in all, at least once.
    pub tries: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(4),
            max: Duration::from_secs(64),
            jitter: Duration::from_secs(1),
            tries: 4,
        }
    }
}

impl Backoff {
    /// The wait after sending number `attempt` (the first is 1).
    pub fn wait(&self, attempt: u32, rng: &mut Rng) -> Duration {
        let doubled = 1_u32
            .checked_shl(attempt.saturating_sub(1))
            .map_or(self.max, |factor| self.first.saturating_mul(factor));
        // A `max` below `first` still lets the first wait be what it says.
        let base = doubled.min(self.max.max(self.first));
        let micros = u64::try_from(self.jitter.as_micros()).unwrap_or(u64::MAX);
        let by = Duration::from_micros(rng.below(micros.saturating_mul(2).saturating_add(1)));
        base.saturating_add(by).saturating_sub(self.jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds() {
        let backoff = Backoff::default();
        let mut rng = Rng::new(1);
        for (attempt, seconds) in [(1, 4), (2, 8), (3, 16), (5, 64), (6, 64), (u32::MAX, 64)] {
            let base = Duration::from_secs(seconds);
            let waits: Vec<_> = (0..50).map(|_| backoff.wait(attempt, &mut rng)).collect();
            assert!(waits.iter().all(|w| w.abs_diff(base) <= backoff.jitter));
            assert!(waits.iter().any(|w| *w < base) && waits.iter().any(|w| *w > base));
        }
        let none = Backoff {
            jitter: Duration::ZERO,
            max: Duration::ZERO,
            ..backoff
        };
        assert_eq!(none.wait(1, &mut rng), backoff.first);
        assert_eq!(none.wait(9, &mut rng), backoff.first);
    }
}
