//! TVS over TLS: a client and a server on real sockets.
//!
//! The machines of [`crate::tvs`] decide; this moves their bytes, holds their deadlines and bounds
//! what a peer can cost.

mod client;
mod server;
mod slots;

pub use client::{AskError, Connection, Deadlines, Phase, ask, connect};
pub use server::{HandshakeFailure, Limits, Observed, ServeConfig, ServeEvent, bind, serve};
pub use slots::Stage;

use std::time::{Duration, Instant};

use crate::time::Time;

/// The world's time on the real clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose [`Time::ZERO`] is `start`.
    pub const fn new(start: Instant) -> Self {
        Self { start }
    }

    /// The time now.
    pub fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// The moment on tokio's clock; a moment that never comes is a year away.
    fn instant(&self, time: Time) -> tokio::time::Instant {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        let since = Duration::from_micros(time.as_micros());
        let instant = self.start.checked_add(since);
        instant.unwrap_or_else(|| Instant::now() + YEAR).into()
    }
}
