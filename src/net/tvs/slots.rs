//! A bounded number of connections, of which the least promising gives way.
//!
//! Deadlines alone would let a thousand silent clients fill every slot for seconds. So when slots
//! are short, a connection that has made no progress for a while leaves: first those that have
//! their answer and only linger, then those that have not even said hello, then those inside the
//! handshake, last those that are up and have not asked; the oldest first. Progress is a stage
//! reached, not bytes, so dribbling does not help. A connection younger than the grace period never
//! leaves: a good client needs milliseconds, and a crowd that connects at once must not push it out
//! before it could speak.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has its answer, or none is due, and the client has not closed yet.
    Leaving,
    /// No whole ClientHello yet.
    Silent,
    /// Inside the handshake.
    Handshake,
    /// TLS is up, no whole request yet.
    Asking,
}

/// The slots of one server.
#[derive(Debug)]
pub(super) struct Slots {
    capacity: usize,
    grace: Duration,
    open: Mutex<BTreeMap<u64, Entry>>,
    /// Wakes [`Slots::admit`], which has one caller.
    freed: Notify,
}

#[derive(Debug)]
struct Entry {
    stage: Stage,
    /// When the stage was reached.
    since: Instant,
    /// Told to leave.
    ousted: bool,
    oust: Arc<Notify>,
}

impl Slots {
    pub(super) fn new(capacity: usize, grace: Duration) -> Arc<Self> {
        Arc::new(Self {
            capacity: capacity.max(1),
            grace,
            open: Mutex::new(BTreeMap::new()),
            freed: Notify::new(),
        })
    }

    /// A slot for connection number `id`, a number that only grows. If none is free, the least
    /// promising connection is told to leave, or the next to outlive its grace is waited for. Only
    /// one caller at a time.
    pub(super) async fn admit(self: &Arc<Self>, id: u64) -> Slot {
        loop {
            let look_again = {
                let mut open = self.lock();
                if open.len() < self.capacity {
                    let oust = Arc::new(Notify::new());
                    let entry = Entry {
                        stage: Stage::Silent,
                        since: Instant::now(),
                        ousted: false,
                        oust: Arc::clone(&oust),
                    };
                    open.insert(id, entry);
                    return Slot {
                        slots: Arc::clone(self),
                        id,
                        oust,
                    };
                }
                self.make_room(&mut open)
            };
            // Either a slot is freed first, or it is time to look for another one.
            let _ = timeout_at(look_again, self.freed.notified()).await;
        }
    }

    /// Tells one connection to leave. Returns when to look again should no slot be freed.
    fn make_room(&self, open: &mut BTreeMap<u64, Entry>) -> Instant {
        let now = Instant::now();
        if open.values().any(|entry| entry.ousted) {
            return now + self.grace;
        }
        let grown = open
            .iter_mut()
            .filter(|(_, entry)| entry.since + self.grace <= now);
        let weakest = grown.min_by_key(|(id, entry)| (entry.stage, **id));
        if let Some((_, entry)) = weakest {
            entry.ousted = true;
            entry.oust.notify_one();
            return now + self.grace;
        }
        let oldest = open.values().map(|entry| entry.since).min();
        oldest.unwrap_or(now) + self.grace
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        // Nothing that holds the lock can leave the map half changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one connection; free again when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    oust: Arc<Notify>,
}

impl Slot {
    /// The connection has come further.
    pub(super) fn reached(&self, stage: Stage) {
        if let Some(entry) = self.slots.lock().get_mut(&self.id) {
            entry.stage = stage;
            entry.since = Instant::now();
        }
    }

    /// The stage that the connection has reached.
    pub(super) fn stage(&self) -> Stage {
        self.slots
            .lock()
            .get(&self.id)
            .map_or(Stage::Leaving, |entry| entry.stage)
    }

    /// Waits until the connection is told to leave.
    pub(super) async fn ousted(&self) {
        self.oust.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().remove(&self.id);
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_millis(20);

    /// The slot that is told to leave first, if any is within the grace period and a bit.
    async fn first_ousted(slots: &[(&'static str, Slot)]) -> Option<&'static str> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        for (name, slot) in slots {
            if timeout_at(Instant::now() + Duration::from_millis(1), slot.ousted())
                .await
                .is_ok()
            {
                return Some(name);
            }
        }
        None
    }

    #[tokio::test]
    async fn the_least_promising_gives_way() {
        let slots = Slots::new(5, GRACE);
        let mut held = Vec::new();
        let stages = [
            ("asking", Some(Stage::Asking)),
            ("handshake", Some(Stage::Handshake)),
            ("silent", None),
            ("younger silent", None),
            ("leaving", Some(Stage::Leaving)),
        ];
        for (id, (name, stage)) in stages.into_iter().enumerate() {
            let slot = slots.admit(id as u64).await;
            stage.into_iter().for_each(|stage| slot.reached(stage));
            held.push((name, slot));
        }
        tokio::time::sleep(GRACE).await;
        let mut order = Vec::new();
        for id in 5..10 {
            let admitted = tokio::spawn({
                let slots = Arc::clone(&slots);
                async move { slots.admit(id).await }
            });
            let name = first_ousted(&held).await.unwrap();
            assert!(
                !admitted.is_finished(),
                "the slot is not free before it is given back"
            );
            held.retain(|(other, _)| *other != name);
            order.push(name);
            // Younger than the grace period, so no candidate for the next round.
            let slot = admitted.await.unwrap();
            slot.reached(Stage::Asking);
            held.push(("new", slot));
        }
        assert_eq!(
            order,
            ["leaving", "silent", "younger silent", "handshake", "asking"]
        );
    }

    #[tokio::test]
    async fn nobody_leaves_within_the_grace_period() {
        let slots = Slots::new(1, Duration::from_secs(60));
        let first = slots.admit(0).await;
        let second = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.admit(1).await }
        });
        tokio::time::sleep(GRACE).await;
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap();
        assert!(slots.lock().is_empty());
    }
}
