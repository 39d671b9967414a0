//! A bounded number of connections, of which the least promising gives way.
//!
//! Deadlines alone would let a thousand silent clients fill every slot for seconds. So when slots
//! are short, a connection that has made no progress for a while leaves: first those that have
//! their answer and only linger, then those that have not even said hello, then those inside the
//! handshake, last those that are up and have not asked; the oldest first. Progress is a stage
//! reached, not bytes, so dribbling does not help. A connection younger than its grace never leaves:
//! a good client needs milliseconds, and a crowd that connects at once must not push it out before
//! it could speak. Nor does one whose bytes were there and only had not been read yet.

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
    /// For a connection that has said nothing.
    grace: Duration,
    /// For one that has said hello.
    patience: Duration,
    open: Mutex<BTreeMap<u64, Entry>>,
    /// Wakes [`Slots::admit`] or [`Slots::relieve`], which have one caller.
    freed: Notify,
}

#[derive(Debug)]
struct Entry {
    stage: Stage,
    /// When the stage was reached.
    since: Instant,
    /// When it was told to leave.
    ousted: Option<Instant>,
    oust: Arc<Notify>,
}

impl Slots {
    pub(super) fn new(capacity: usize, grace: Duration, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            capacity: capacity.max(1),
            grace,
            patience,
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
                        ousted: None,
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

    /// Waits until a connection has gone, which need not be the last one that there is room for:
    /// the system itself is short of something.
    pub(super) async fn relieve(&self) {
        loop {
            let look_again = self.make_room(&mut self.lock());
            if timeout_at(look_again, self.freed.notified()).await.is_ok() {
                return;
            }
        }
    }

    /// Tells one connection to leave. Returns when to look again should no slot be freed.
    fn make_room(&self, open: &mut BTreeMap<u64, Entry>) -> Instant {
        let now = Instant::now();
        let until = |entry: &Entry| match entry.stage {
            Stage::Leaving | Stage::Silent => entry.since + self.grace,
            Stage::Handshake | Stage::Asking => entry.since + self.patience,
        };
        if open.values().any(|entry| entry.ousted.is_some()) {
            return now + self.grace;
        }
        let grown = open.iter_mut().filter(|(_, entry)| until(entry) <= now);
        let weakest = grown.min_by_key(|(id, entry)| (entry.stage, **id));
        if let Some((_, entry)) = weakest {
            entry.ousted = Some(now);
            entry.oust.notify_one();
            return now + self.grace;
        }
        open.values().map(until).min().unwrap_or(now + self.grace)
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

    /// True if a connection that was told to leave has to: not when it has come further since,
    /// because then what was missing was this server's time, not the client's.
    pub(super) fn gives_way(&self) -> bool {
        let mut open = self.slots.lock();
        let Some(entry) = open.get_mut(&self.id) else {
            return true;
        };
        let leaves = entry.ousted.is_none_or(|ousted| entry.since <= ousted);
        if !leaves {
            entry.ousted = None;
            self.slots.freed.notify_one();
        }
        leaves
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
        let slots = Slots::new(5, GRACE, GRACE);
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
        let slots = Slots::new(1, Duration::from_secs(60), GRACE);
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

    #[tokio::test]
    async fn who_has_said_hello_may_take_longer() {
        let slots = Slots::new(2, GRACE, Duration::from_secs(60));
        let hello = slots.admit(0).await;
        hello.reached(Stage::Handshake);
        let silent = slots.admit(1).await;
        let third = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.admit(2).await }
        });
        silent.ousted().await;
        assert!(silent.gives_way());
        drop(silent);
        third.await.unwrap();
    }

    #[tokio::test]
    async fn progress_since_the_call_to_leave_counts() {
        let slots = Slots::new(1, GRACE, GRACE);
        let only = slots.admit(0).await;
        let second = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.admit(1).await }
        });
        only.ousted().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        only.reached(Stage::Handshake);
        assert!(!only.gives_way());
        only.ousted().await;
        assert!(only.gives_way());
        drop(only);
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_system_that_is_short_of_something_is_relieved() {
        let slots = Slots::new(100, GRACE, GRACE);
        let only = slots.admit(0).await;
        let relieved = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.relieve().await }
        });
        only.ousted().await;
        assert!(!relieved.is_finished());
        drop(only);
        relieved.await.unwrap();
    }
}
