//! When a phone resyncs.
//!
//! Source: Cisco's 7832 and 8832 guides (resync parameters, configurable schedules). The machine
//! knows no clock: the time, and the wall clock for `Resync_At`, are arguments.

use std::time::Duration;

use thiserror::Error;

use super::settings::Settings;
use crate::rng::Rng;
use crate::time::{Time, UnixSeconds};

/// Parts of a list of delays, at most. The default of the retry delay has 12.
const MAX_PARTS: usize = 64;

/// `Resync_Error_Retry_Delay`, from a minute to a day.
pub const DEFAULT_RETRY: &str = "60,120,240,480,960,1920,3840,7680,15360,30720,61440,86400";

/// Seconds of `Resync_At_Random_Delay`, at least.
const MIN_AT_DELAY: u32 = 600;

const DAY: u64 = 24 * 3_600;

/// A list of delays in seconds: `600`, `600,1200,300`, `2400+30`. `a+b` is a and a random part up
/// to b; the last part repeats for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delays(Vec<(u32, u32)>);

/// A text that is no list of delays.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no delay: expected seconds such as 3600, 600,1200 or 2400+30")]
pub struct DelayError(String);

impl Delays {
    /// Reads a list; an empty text is none.
    ///
    /// # Errors
    /// The text is no list.
    pub fn parse(text: &str) -> Result<Self, DelayError> {
        let fail = || DelayError(text.to_owned());
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let number = |text: &str| {
            let text = text.trim();
            let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| text.parse::<u32>().ok())?
        };
        let parts: Option<Vec<_>> = text
            .split(',')
            .take(MAX_PARTS + 1)
            .map(|part| match part.split_once('+') {
                Some((base, spread)) => Some((number(base)?, number(spread)?)),
                None => Some((number(part)?, 0)),
            })
            .collect();
        match parts {
            Some(parts) if parts.len() <= MAX_PARTS => Ok(Self(parts)),
            _ => Err(fail()),
        }
    }

    /// The delay number `index` (from 0), its random part drawn; none if it is 0 or the list is
    /// empty.
    pub fn nth(&self, index: usize, rng: &mut Rng) -> Option<Duration> {
        let &(base, spread) = self.0.get(index).or_else(|| self.0.last())?;
        let drawn = rng.below(u64::from(spread) + 1);
        let seconds = u64::from(base) + drawn;
        (base > 0 || spread > 0).then(|| Duration::from_secs(seconds))
    }

    fn is_zero(&self, index: usize) -> bool {
        matches!(self.0.get(index).or_else(|| self.0.last()), Some((0, 0)))
    }
}

/// A time of day, `hhmm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay {
    minutes: u32,
}

impl TimeOfDay {
    /// Reads four digits; none for what is no time of day, which the phone ignores.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != 4 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (hours, minutes): (u32, u32) = (text[..2].parse().ok()?, text[2..].parse().ok()?);
        (hours < 24 && minutes < 60).then_some(Self {
            minutes: hours * 60 + minutes,
        })
    }
}

/// The parameters that decide when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// `Provision_Enable`: without it, nothing resyncs, whoever asks.
    pub enabled: bool,
    /// `Resync_On_Reset`.
    pub on_reset: bool,
    /// `Resync_Random_Delay`, in units of `provision.random_delay_unit_secs`.
    pub random_delay: u32,
    /// `Resync_Periodic`.
    pub periodic: Delays,
    /// `Resync_Error_Retry_Delay`.
    pub retry: Delays,
    /// `Resync_At__HHmm_`, in UTC; where it is set, the periodic delay is ignored.
    pub at: Option<TimeOfDay>,
    /// `Resync_At_Random_Delay`, in seconds.
    pub at_random_delay: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            enabled: true,
            on_reset: true,
            random_delay: 2,
            periodic: Delays(vec![(3_600, 0)]),
            retry: Delays::parse(DEFAULT_RETRY).unwrap_or_default(),
            at: None,
            at_random_delay: MIN_AT_DELAY,
        }
    }
}

/// Why a resync starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asked for it.
    Explicit,
    /// The phone was switched on, or reset.
    PowerUp,
    /// The periodic delay, or the time of day.
    Periodic,
    /// A failure before.
    Retry,
}

impl Cause {
    /// What the macro `$PRVST` says.
    pub fn number(self) -> i8 {
        match self {
            Self::Explicit => -1,
            Self::PowerUp => 0,
            Self::Periodic => 1,
            Self::Retry => 2,
        }
    }

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Explicit => "asked for",
            Self::PowerUp => "power-up",
            Self::Periodic => "periodic",
            Self::Retry => "retry",
        }
    }
}

/// Says when the next resync starts. Whoever drives it runs the resync and tells how it ended.
#[derive(Clone, Debug)]
pub struct Schedule {
    timing: Timing,
    unit: Duration,
    retry_at_once: bool,
    idle_looks_again: bool,
    rng: Rng,
    next: Option<(Time, Cause)>,
    /// When the last resync ended that was one.
    last: Option<Time>,
    /// Periodic resyncs since the first success.
    periods: usize,
    /// Failures since the last success.
    failures: usize,
    has_succeeded: bool,
}

impl Schedule {
    /// A phone that is switched off. `rng` draws the random delays.
    pub fn new(timing: Timing, settings: &Settings, rng: Rng) -> Self {
        Self {
            timing,
            unit: settings.random_delay_unit,
            retry_at_once: settings.retry_at_once,
            idle_looks_again: settings.idle_looks_again,
            rng,
            next: None,
            last: None,
            periods: 0,
            failures: 0,
            has_succeeded: false,
        }
    }

    /// A profile has changed the parameters: they count from the next delay on.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// The phone is switched on: a resync comes within the random delay.
    pub fn handle_power_up(&mut self, now: Time) {
        (self.periods, self.failures, self.has_succeeded) = (0, 0, false);
        (self.next, self.last) = (None, None);
        if self.timing.enabled && self.timing.on_reset {
            let most = self.unit.as_micros() as u64 * u64::from(self.timing.random_delay);
            let drawn = Duration::from_micros(self.rng.below(most.saturating_add(1)));
            self.next = Some((now + drawn, Cause::PowerUp));
        }
    }

    /// Somebody asks for a resync now. False if provisioning is switched off.
    pub fn handle_request(&mut self, now: Time) -> bool {
        if self.timing.enabled {
            self.next = Some((now, Cause::Explicit));
        }
        self.timing.enabled
    }

    /// A resync has ended at `now`, well or not. `wall` is the phone's clock.
    pub fn handle_end(&mut self, succeeded: bool, now: Time, wall: UnixSeconds) {
        self.next = None;
        self.last = Some(now);
        if !self.timing.enabled {
            return;
        }
        let retry = if succeeded {
            self.failures = 0;
            None
        } else {
            self.failures += 1;
            self.retry(now)
        };
        self.has_succeeded |= succeeded;
        // The timer runs from the first success on.
        self.plan(retry, self.has_succeeded, now, wall);
    }

    /// A resync has ended at `now` that asked no server: no trigger was true, or no rule applies. It
    /// is no success, which would start the period, and no failure of its own; a failure before it is
    /// still tried again. Triggers change with time, so the phone looks again a period later, or,
    /// with `provision.idle` at `sleeps`, after a success alone.
    pub fn handle_idle(&mut self, now: Time, wall: UnixSeconds) {
        self.next = None;
        if !self.timing.enabled {
            return;
        }
        let retry = match self.failures > 0 && self.idle_looks_again {
            true => {
                self.failures += 1;
                // Nobody was asked, so nothing took time: at once would be without end.
                self.retry(now).filter(|&at| at > now)
            }
            false => None,
        };
        let has_period = self.has_succeeded || self.idle_looks_again;
        self.plan(retry, has_period, now, wall);
    }

    /// Since when the last resync is over, for `$PRVTMR`; zero if there was none. One that asked no
    /// server does not count: a trigger such as `$PRVTMR ge 7200` would never be true.
    pub fn since_last(&self, now: Time) -> Duration {
        self.last.map_or(Duration::ZERO, |last| now - last)
    }

    /// When the failure that was counted last is tried again.
    fn retry(&mut self, now: Time) -> Option<Time> {
        let index = self.failures.saturating_sub(1);
        match self.timing.retry.nth(index, &mut self.rng) {
            Some(delay) => Some(now + delay),
            None if self.retry_at_once && self.timing.retry.is_zero(index) => Some(now),
            None => None,
        }
    }

    fn plan(&mut self, retry: Option<Time>, has_period: bool, now: Time, wall: UnixSeconds) {
        // A failure's retries take the period's place.
        let regular = self.regular(has_period && retry.is_none(), now, wall);
        self.next = match (retry, regular) {
            (Some(retry), Some(regular)) if regular < retry => Some((regular, Cause::Periodic)),
            (Some(retry), _) => Some((retry, Cause::Retry)),
            (None, regular) => regular.map(|at| (at, Cause::Periodic)),
        };
    }

    /// When the next resync comes that no failure causes.
    fn regular(&mut self, has_period: bool, now: Time, wall: UnixSeconds) -> Option<Time> {
        if let Some(at) = self.timing.at {
            return Some(now + self.until(at, wall));
        }
        if !has_period {
            return None;
        }
        let delay = self.timing.periodic.nth(self.periods, &mut self.rng)?;
        self.periods += 1;
        Some(now + delay)
    }

    /// From `wall` to the next start at a time of day: the random part is in whole minutes.
    fn until(&mut self, at: TimeOfDay, wall: UnixSeconds) -> Duration {
        let most = self.timing.at_random_delay.max(MIN_AT_DELAY);
        let drawn = self.rng.below(u64::from(most) + 1).div_ceil(60) * 60;
        let start = u64::from(at.minutes) * 60;
        let today = wall % DAY;
        let wait = match start > today {
            true => start - today,
            false => start + DAY - today,
        };
        Duration::from_secs(wait + drawn)
    }

    /// When [`Self::poll`] has something; none if nothing is planned.
    pub fn next_timeout(&self) -> Option<Time> {
        self.next.map(|(at, _)| at)
    }

    /// Why a resync is due now, if one is. It is given out once.
    pub fn poll(&mut self, now: Time) -> Option<Cause> {
        let (_, cause) = self.next.take_if(|(at, _)| *at <= now)?;
        Some(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: UnixSeconds = 1_583_053_200; // 2020-03-01T09:00:00Z

    fn schedule(change: impl FnOnce(&mut Timing)) -> Schedule {
        let mut timing = Timing::default();
        change(&mut timing);
        Schedule::new(timing, &Settings::default(), Rng::new(1))
    }

    fn seconds(schedule: &Schedule) -> Option<u64> {
        schedule.next_timeout().map(|t| t.as_micros() / 1_000_000)
    }

    /// Ends resyncs as told, at the moment they were due, and gives the delays that follow.
    fn delays(schedule: &mut Schedule, ends: &[bool]) -> Vec<Option<u64>> {
        let mut now = Time::ZERO;
        let mut found = Vec::new();
        for &succeeded in ends {
            schedule.handle_end(succeeded, now, WALL);
            let next = schedule.next_timeout();
            found.push(next.map(|next| (next - now).as_secs()));
            now = next.unwrap_or(now);
        }
        found
    }

    #[test]
    fn lists_are_read() {
        let mut rng = Rng::new(1);
        let list = Delays::parse(" 600, 1200 ,300").unwrap();
        let all: Vec<_> = (0..5)
            .map(|i| list.nth(i, &mut rng).unwrap().as_secs())
            .collect();
        assert_eq!(all, [600, 1200, 300, 300, 300]);
        let range = Delays::parse("2400+30").unwrap();
        let drawn: Vec<_> = (0..200)
            .map(|i| range.nth(i, &mut rng).unwrap().as_secs())
            .collect();
        assert!(drawn.iter().all(|s| (2400..=2430).contains(s)));
        assert!(drawn.contains(&2400) && drawn.contains(&2430));
        for none in ["", " ", "0", "0,0"] {
            assert_eq!(Delays::parse(none).unwrap().nth(0, &mut rng), None);
        }
        for bad in [
            "x",
            "1,",
            ",1",
            "1+",
            "+1",
            "-1",
            "1.5",
            "4294967296",
            "1++2",
            &"1,".repeat(70),
        ] {
            assert!(Delays::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn power_up_waits_a_random_while() {
        let mut seen = Vec::new();
        for seed in 0..50 {
            let timing = Timing::default();
            let mut one = Schedule::new(timing, &Settings::default(), Rng::new(seed));
            one.handle_power_up(Time::ZERO);
            let at = one.next_timeout().unwrap();
            assert!(at <= Time::from_millis(40_000));
            assert_eq!(one.poll(at), Some(Cause::PowerUp));
            assert_eq!(one.poll(at), None);
            seen.push(at);
        }
        assert!(seen.iter().any(|t| *t > Time::from_millis(30_000)));
        let mut none = schedule(|t| t.on_reset = false);
        none.handle_power_up(Time::ZERO);
        assert_eq!(none.next_timeout(), None);
        assert!(none.handle_request(Time::ZERO));
        let mut disabled = schedule(|t| t.enabled = false);
        disabled.handle_power_up(Time::ZERO);
        assert!(!disabled.handle_request(Time::ZERO));
        assert_eq!(disabled.next_timeout(), None);
    }

    #[test]
    fn failures_back_off_and_start_anew_after_a_success() {
        let mut one = schedule(|_| {});
        let found = delays(&mut one, &[false, false, false, true, false]);
        assert_eq!(
            found,
            [Some(60), Some(120), Some(240), Some(3600), Some(60)]
        );
        let found = delays(&mut one, &[false; 14]);
        assert_eq!(found[12..], [Some(86400), Some(86400)]);
    }

    #[test]
    fn the_periodic_timer_starts_with_the_first_success() {
        let mut one = schedule(|t| {
            t.retry = Delays::parse("0").unwrap();
            t.periodic = Delays::parse("600,1200").unwrap();
        });
        let found = delays(&mut one, &[false, true, true, true, false]);
        assert_eq!(found, [None, Some(600), Some(1200), Some(1200), Some(1200)]);
        let mut off = schedule(|t| t.periodic = Delays::parse("0").unwrap());
        assert_eq!(delays(&mut off, &[true]), [None]);
    }

    #[test]
    fn what_had_nothing_to_do_strands_no_phone() {
        // At power-up no trigger is true: they change with time.
        let mut one = schedule(|_| {});
        one.handle_idle(Time::ZERO, WALL);
        assert_eq!(seconds(&one), Some(3600));
        assert_eq!(
            one.poll(Time::from_millis(3_600_000)),
            Some(Cause::Periodic)
        );
        // A failure is tried again, whatever the triggers say in between.
        let mut failed = schedule(|_| {});
        failed.handle_end(false, Time::ZERO, WALL);
        failed.handle_idle(Time::ZERO, WALL);
        assert_eq!(seconds(&failed), Some(120));
        assert_eq!(failed.poll(Time::from_millis(120_000)), Some(Cause::Retry));
        failed.handle_end(true, Time::ZERO, WALL);
        failed.handle_idle(Time::ZERO, WALL);
        assert_eq!(
            seconds(&failed),
            Some(3600),
            "the success ended the retries"
        );
        // The other choice: it looks again after a success alone.
        let mut settings = Settings::default();
        settings.set("provision.idle", "sleeps").unwrap();
        let mut sleeps = Schedule::new(Timing::default(), &settings, Rng::new(1));
        sleeps.handle_idle(Time::ZERO, WALL);
        assert_eq!(sleeps.next_timeout(), None);
        sleeps.handle_end(true, Time::ZERO, WALL);
        sleeps.handle_idle(Time::ZERO, WALL);
        assert_eq!(seconds(&sleeps), Some(3600));
        let mut off = schedule(|t| t.at = TimeOfDay::parse("0930"));
        off.handle_idle(Time::ZERO, WALL);
        assert_eq!(
            off.poll(Time::from_millis(3_600_000)),
            Some(Cause::Periodic)
        );
        off.set_timing(Timing {
            enabled: false,
            ..Timing::default()
        });
        off.handle_idle(Time::ZERO, WALL);
        assert_eq!(off.next_timeout(), None);
    }

    #[test]
    fn the_time_since_the_last_resync_runs_on_where_nothing_was_asked() {
        let at = |secs: u64| Time::from_millis(secs * 1_000);
        let mut one = schedule(|_| {});
        assert_eq!(one.since_last(at(50)), Duration::ZERO);
        one.handle_end(true, at(100), WALL);
        one.handle_idle(at(3_700), WALL);
        assert_eq!(one.since_last(at(7_300)), Duration::from_secs(7_200));
        one.handle_end(false, at(7_300), WALL);
        assert_eq!(one.since_last(at(7_310)), Duration::from_secs(10));
        one.handle_power_up(at(8_000));
        assert_eq!(one.since_last(at(8_010)), Duration::ZERO);
    }

    #[test]
    fn a_retry_delay_of_0_is_a_setting() {
        let mut settings = Settings::default();
        settings.set("provision.retry_delay_0", "at-once").unwrap();
        let timing = Timing {
            retry: Delays::parse("0").unwrap(),
            ..Timing::default()
        };
        let mut one = Schedule::new(timing, &settings, Rng::new(1));
        one.handle_end(false, Time::ZERO, WALL);
        assert_eq!(one.poll(Time::ZERO), Some(Cause::Retry));
        // A resync that asked nobody took no time: at once after it would be for ever.
        for now in [Time::ZERO, Time::from_millis(1)] {
            one.handle_idle(now, WALL);
            assert!(one.next_timeout() > Some(now), "{:?}", one.next_timeout());
            assert_eq!(one.poll(now), None);
        }
    }

    #[test]
    fn the_time_of_day_goes_before_the_period() {
        let mut one = schedule(|t| {
            t.at = TimeOfDay::parse("0930");
            t.at_random_delay = 0;
        });
        for _ in 0..50 {
            one.handle_end(true, Time::ZERO, WALL);
            // The random delay is 600 s at least, in whole minutes.
            let at = seconds(&one).unwrap();
            assert!(
                (1_800..=2_400).contains(&at) && at.is_multiple_of(60),
                "{at}"
            );
        }
        one.handle_end(true, Time::ZERO, WALL + 1_800);
        assert!(seconds(&one).unwrap() >= DAY);
        // A retry may come before.
        one.handle_end(false, Time::ZERO, WALL);
        assert_eq!(one.poll(Time::from_millis(60_000)), Some(Cause::Retry));
        for bad in ["", "930", "2400", "0960", "09:30", "-930", "+930"] {
            assert_eq!(TimeOfDay::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn causes_have_their_numbers() {
        use Cause::{Explicit, Periodic, PowerUp, Retry};
        let all = [Explicit, PowerUp, Periodic, Retry].map(Cause::number);
        assert_eq!(all, [-1, 0, 1, 2]);
    }
}
