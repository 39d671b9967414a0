//! The lab left running: its events as they come, until somebody wants something of it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::event::Event;
use crate::net::orders::{Ears, Order, Orders};

use super::Loopback;

/// Events that may wait for somebody to take them. Strangers cause them, so without a limit a lab
/// whose output nobody reads would grow; a boot of the lab's own phones never comes near it.
const MOST_WAITING: usize = 100_000;

/// How many events wait.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: AtomicUsize,
    lost: AtomicU64,
}

impl Backlog {
    /// True if one more may wait; it counts then, else it is lost.
    pub(super) fn admits(&self) -> bool {
        let admitted = self.waiting.fetch_add(1, Ordering::Relaxed) < MOST_WAITING;
        if !admitted {
            self.leave();
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// One was taken.
    pub(super) fn leave(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Loopback {
    /// Events that were lost because nobody took those before them.
    pub fn lost_events(&self) -> u64 {
        self.shared.backlog.lost.load(Ordering::Relaxed)
    }

    /// Listens to the process's signals and to its stdin from now on. `at_once` is called with the
    /// number of a signal after the first: it ends the process.
    pub fn orders(&self, at_once: fn(i32)) -> Orders {
        let _inside = self.runtime.enter();
        let ears = Ears {
            lines: true,
            hang_up: false,
        };
        Orders::listen(ears, at_once)
    }

    /// Tells what happens until there is an order.
    pub fn listen(&mut self, orders: &mut Orders, events: &mut dyn FnMut(Event)) -> Order {
        let Self {
            runtime,
            shared,
            received,
            ..
        } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    // A crowd of clients does not keep the lab from its orders.
                    biased;
                    order = orders.next() => return order,
                    Some(event) = received.recv() => {
                        shared.backlog.leave();
                        events(event);
                    }
                }
            }
        })
    }

    /// Closes all sockets, and tells what had happened until then.
    pub fn close(&mut self, events: &mut dyn FnMut(Event)) {
        for sockets in self.nodes.values_mut() {
            self.runtime.block_on(sockets.close());
        }
        while let Ok(event) = self.received.try_recv() {
            self.shared.backlog.leave();
            events(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_lost_and_counted() {
        let backlog = Backlog::default();
        for _ in 0..MOST_WAITING {
            assert!(backlog.admits());
        }
        assert!(!backlog.admits() && !backlog.admits());
        assert_eq!(backlog.lost.load(Ordering::Relaxed), 2);
        backlog.leave();
        assert!(backlog.admits());
        assert!(!backlog.admits());
    }
}
