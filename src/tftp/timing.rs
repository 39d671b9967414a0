//! When to send again: measured round trips, doubling, and an end.

use std::time::Duration;

use crate::time::Time;

/// How often and for how long an end repeats itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmission {
    /// Wait before the first retransmission while no round trip has been measured. Measured ones
    /// only shorten it.
    pub first: Duration,
    /// The wait never adapts below this.
    pub min: Duration,
    /// The wait doubles with each retransmission up to this.
    pub max: Duration,
    /// Retransmissions without any progress before the transfer is given up.
    pub retries: u32,
}

impl Retransmission {
    /// The wait before retransmission `attempt` (the first is 1) while nothing was measured.
    pub fn wait(&self, attempt: u32) -> Duration {
        self.backed_off(self.first, attempt)
    }

    fn backed_off(&self, base: Duration, attempt: u32) -> Duration {
        let doubled = 1_u32
            .checked_shl(attempt.saturating_sub(1))
            .map_or(Duration::MAX, |factor| base.saturating_mul(factor));
        // A `max` below `first` still lets the first wait be what it says.
        doubled.min(self.max.max(base))
    }
}

/// The retransmission timer of one end.
#[derive(Clone, Debug)]
pub(super) struct Timer {
    config: Retransmission,
    /// Agreed by the `timeout` option: then neither measured nor doubled.
    agreed: Option<Duration>,
    /// Smoothed round trip and its deviation (Jacobson), in that order.
    measured: Option<(Duration, Duration)>,
    /// Retransmissions since the last progress.
    attempts: u32,
    sent: Time,
    due: Time,
}

impl Timer {
    /// A timer for what is sent at `now`.
    pub(super) fn new(config: Retransmission, now: Time) -> Self {
        let mut timer = Self {
            config,
            agreed: None,
            measured: None,
            attempts: 0,
            sent: now,
            due: Time::NEVER,
        };
        timer.arm(now);
        timer
    }

    /// From now on wait this long, as both ends agreed.
    pub(super) fn agree(&mut self, wait: Duration) {
        self.agreed = Some(wait);
    }

    /// The peer answered what was sent last, and something new goes out at `now`.
    pub(super) fn progress(&mut self, now: Time) {
        // After a retransmission nobody knows which sending was answered (Karn).
        if self.attempts == 0 {
            let trip = now.since(self.sent);
            self.measured = Some(match self.measured {
                None => (trip, trip / 2),
                Some((smooth, deviation)) => {
                    let error = smooth.abs_diff(trip);
                    ((smooth * 7 + trip) / 8, (deviation * 3 + error) / 4)
                }
            });
        }
        self.attempts = 0;
        self.arm(now);
    }

    /// Starts anew for something else, as if nothing had been sent before.
    pub(super) fn restart(&mut self, now: Time) {
        self.attempts = 0;
        self.arm(now);
    }

    /// The time has come: the number of the retransmission that is now due, or None when there
    /// were enough.
    pub(super) fn expire(&mut self, now: Time) -> Option<u32> {
        if self.attempts >= self.config.retries {
            return None;
        }
        self.attempts += 1;
        self.arm(now);
        Some(self.attempts)
    }

    /// When [`Self::expire`] should be called.
    pub(super) fn due(&self) -> Time {
        self.due
    }

    fn arm(&mut self, now: Time) {
        let wait = self.agreed.unwrap_or_else(|| {
            let base = match self.measured {
                None => self.config.first,
                Some((smooth, deviation)) => (smooth + deviation * 4)
                    .max(self.config.min)
                    .min(self.config.first),
            };
            self.config.backed_off(base, self.attempts + 1)
        });
        self.sent = now;
        self.due = now + wait;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Retransmission = Retransmission {
        first: Duration::from_millis(500),
        min: Duration::from_millis(100),
        max: Duration::from_secs(3),
        retries: 5,
    };

    #[test]
    fn waits_double_up_to_the_cap_and_end() {
        let mut timer = Timer::new(CONFIG, Time::ZERO);
        let mut at = Vec::new();
        loop {
            at.push(timer.due().as_micros() / 1_000);
            if timer.expire(timer.due()).is_none() {
                break;
            }
        }
        assert_eq!(at, [500, 1_500, 3_500, 6_500, 9_500, 12_500]);
        assert_eq!(CONFIG.wait(1), CONFIG.first);
        assert_eq!(CONFIG.wait(u32::MAX), CONFIG.max);
    }

    #[test]
    fn waits_adapt_to_the_round_trip() {
        let mut timer = Timer::new(CONFIG, Time::ZERO);
        let mut now = Time::ZERO;
        for _ in 0..50 {
            now += Duration::from_millis(40);
            timer.progress(now);
        }
        // 40 ms without deviation: the floor holds.
        assert_eq!(timer.due() - now, CONFIG.min);
        for _ in 0..50 {
            now += Duration::from_millis(400);
            timer.progress(now);
        }
        let wait = timer.due() - now;
        assert!(
            wait > Duration::from_millis(390) && wait <= CONFIG.first,
            "{wait:?}"
        );
    }

    #[test]
    fn a_retransmitted_packet_is_not_measured() {
        let mut timer = Timer::new(CONFIG, Time::ZERO);
        timer.expire(Time::from_millis(500));
        timer.progress(Time::from_millis(501));
        assert_eq!(timer.due(), Time::from_millis(1_001));
    }

    #[test]
    fn an_agreed_wait_neither_adapts_nor_doubles() {
        let mut timer = Timer::new(CONFIG, Time::ZERO);
        timer.agree(Duration::from_secs(6));
        timer.progress(Time::ZERO);
        timer.expire(Time::from_millis(6_000));
        assert_eq!(timer.due(), Time::from_millis(12_000));
    }
}
