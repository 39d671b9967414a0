//! Runs side by side on all cores, told in the order of the files whatever ends first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Does `count` pieces of work on `threads` threads; `done` gets each result in the order of the
/// pieces, as soon as all before it are there.
pub(super) fn side_by_side<R: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> R + Sync,
    mut done: impl FnMut(usize, R),
) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..threads.clamp(1, count.max(1)) {
            let sender = sender.clone();
            let (next, work) = (&next, &work);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    // The receiver goes away only when this scope unwinds.
                    if i >= count || sender.send((i, work(i))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (i, result) in results {
            early.insert(i, result);
            while let Some(result) = early.remove(&due) {
                done(due, result);
                due += 1;
            }
        }
    });
}

/// As many threads as there are cores.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_work() {
        for threads in [0, 1, 2, 7, 100] {
            let mut seen = Vec::new();
            // The earlier pieces take longer.
            let work = |i: usize| {
                thread::sleep(Duration::from_millis(20_u64.saturating_sub(i as u64)));
                i * i
            };
            side_by_side(20, threads, work, |i, r| seen.push((i, r)));
            let expected: Vec<_> = (0..20).map(|i| (i, i * i)).collect();
            assert_eq!(seen, expected, "{threads} threads");
        }
        side_by_side(0, 2, |i| i, |_, _| panic!("there is no work"));
    }

    #[test]
    fn work_is_done_at_the_same_time() {
        // Each of two pieces waits for the other.
        let barrier = std::sync::Barrier::new(2);
        let mut ended = 0;
        side_by_side(2, 2, |_| barrier.wait().is_leader(), |_, _| ended += 1);
        assert_eq!(ended, 2);
    }
}
