//! The real clock, as the machines see it.

use std::time::Duration;

use tokio::time::Instant;

use crate::time::Time;

/// Counts from its start. Copies count from the same start, so that all parts of one world share
/// one time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The time since the start.
    pub fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// The moment of `time` for tokio's timers; one that is too far away is put off to 30 years
    /// from the start.
    pub fn instant(&self, time: Time) -> Instant {
        let far = Duration::from_secs(30 * 365 * 24 * 3_600);
        self.start + Duration::from_micros(time.as_micros()).min(far)
    }

    /// Waits until `time`.
    pub async fn sleep_until(&self, time: Time) {
        tokio::time::sleep_until(self.instant(time)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_counts_and_wakes() {
        let clock = Clock::start();
        let copy = clock;
        let wake = clock.now() + Duration::from_millis(5);
        clock.sleep_until(wake).await;
        assert!(copy.now() >= wake);
        // Far away, but no overflow.
        assert!(clock.instant(Time::NEVER) > clock.instant(wake));
    }
}
