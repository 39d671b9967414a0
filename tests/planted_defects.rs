//! Exploration finds each deliberate defect and names the law that it breaks, within 1,000 worlds
//! from each of three numbers on, and finds nothing in the same worlds without a defect.
//!
//! It takes minutes in a release build, so it runs by hand: `just planted-defects`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use trustline::scenario::explore::{FindingKind, Judged, check, check_planted, generate};
use trustline::scenario::invariants::Law;
use trustline::trust::planted::Defect;

/// The first of each 1,000 worlds.
const STARTS: [u64; 3] = [1, 1_001, 2_001];
const WORLDS: u64 = 1_000;

/// Runs the worlds on all cores until `wanted` is found; gives how many worlds show each kind.
fn explore(
    start: u64,
    run: impl Fn(&str) -> Judged + Sync,
    wanted: Option<FindingKind>,
) -> BTreeMap<FindingKind, u64> {
    let next = AtomicU64::new(start);
    let found = Mutex::new(BTreeMap::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let world = next.fetch_add(1, Ordering::Relaxed);
                    if world >= start + WORLDS {
                        return;
                    }
                    let judged = run(&generate(world).to_toml());
                    let mut found = found.lock().unwrap_or_else(|e| e.into_inner());
                    for kind in judged.kinds() {
                        found.entry(kind).or_insert(world);
                    }
                    if wanted.is_some_and(|kind| found.contains_key(&kind)) {
                        return;
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(|e| e.into_inner())
}

fn is_found(defect: Defect, law: Law) {
    for start in STARTS {
        let wanted = FindingKind::Broken(law);
        let found = explore(start, |text| check_planted(text, defect), Some(wanted));
        let name = defect.name();
        let world = found.get(&wanted);
        assert!(
            world.is_some(),
            "{name} was not found as {law} in worlds {start} on; repeat with: trustline rehearse \
             --explore {WORLDS} --seed {start} --plant {name}; found: {found:?}"
        );
        println!("{name}: world {world:?} breaks {law}");
    }
}

#[test]
#[ignore = "minutes; run by `just planted-defects`"]
fn the_itl_judged_by_the_old_ctl_is_found() {
    is_found(Defect::ItlAfterNewCtl, Law::TvsNotNeeded);
}

#[test]
#[ignore = "minutes; run by `just planted-defects`"]
fn a_signer_without_its_role_is_found() {
    is_found(Defect::RoleCheck, Law::AnswerInRole);
}

#[test]
#[ignore = "minutes; run by `just planted-defects`"]
fn an_answer_past_its_life_is_found() {
    is_found(Defect::CacheLife, Law::AnswerInTime);
}

#[test]
#[ignore = "minutes; run by `just planted-defects`"]
fn a_list_written_in_place_is_found() {
    is_found(Defect::AtomicReplace, Law::ListsWhole);
}

#[test]
#[ignore = "minutes; run by `just planted-defects`"]
fn the_same_worlds_without_a_defect_raise_no_alarm() {
    for start in STARTS {
        let found = explore(start, check, None);
        assert!(
            found.is_empty(),
            "repeat with: trustline rehearse --explore {WORLDS} --seed {start}; found: {found:?}"
        );
    }
}
