//! Exploration finds each deliberate defect and names the law that it breaks, within 1,000 worlds
//! from each of three numbers on, and finds nothing in the same worlds without a defect.
//!
//! All of it takes minutes in a release build, so it runs by hand: `just planted-defects`. What runs
//! with every change is the one world of each thousand that shows a defect first, and what the
//! command says of a broken law.

#![allow(
    clippy::disallowed_methods,
    reason = "starts the program and reads what it wrote"
)]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use trustline::scenario::explore::{FindingKind, Judged, check, check_planted, generate};
use trustline::scenario::invariants::Law;
use trustline::trust::planted::Defect;

/// The law that names each defect, and the first world of each thousand that shows it. Another
/// generator makes other worlds: `just planted-defects` prints the numbers.
const FOUND: [(Defect, Law, [u64; 3]); 5] = [
    (Defect::ItlAfterNewCtl, Law::TvsNotNeeded, [5, 1_003, 2_009]),
    (Defect::RoleCheck, Law::AnswerInRole, [28, 1_002, 2_002]),
    (Defect::CacheLife, Law::AnswerInTime, [413, 1_078, 2_253]),
    (Defect::AtomicReplace, Law::ListsWhole, [3, 1_130, 2_034]),
    (Defect::Retry, Law::MigratesAfterFaults, [26, 1_064, 2_089]),
];

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

#[test]
fn every_defect_is_found_where_it_was_found_first() {
    assert_eq!(FOUND.map(|(defect, ..)| defect), Defect::ALL);
    for (defect, law, worlds) in FOUND {
        for world in worlds {
            let text = generate(world).to_toml();
            let name = defect.name();
            assert!(
                check_planted(&text, defect).shows(FindingKind::Broken(law)),
                "world {world} no longer shows {name} as {law}: if the generator has changed, \
                 `just planted-defects` says which world does"
            );
            let judged = check(&text);
            assert!(
                judged.findings.is_empty(),
                "without a defect: {:?}\nrepeat with: trustline rehearse --explore 1 --seed {world}",
                judged.findings
            );
        }
    }
}

/// Exit code, JSON, JUnit and the line of a folder agree on a run that breaks a law and nothing else.
#[test]
fn a_broken_law_is_told_everywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenarios/laws");
    let junit = std::env::temp_dir().join(format!("trustline-laws-{}.xml", std::process::id()));
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trustline"));
        command.arg("rehearse").arg(&folder).args(more);
        let out = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (out.status.code(), text(out.stdout), text(out.stderr))
    };
    assert_eq!(run(&[]).0, Some(0), "without a defect the scenario holds");

    let law = Law::MigratesAfterFaults.name();
    let plant = ["--plant", Defect::Retry.name()];
    let (code, line, error) = run(&plant);
    assert_eq!(code, Some(70));
    assert!(line.contains("1 of 1 expectations hold"), "{line}");
    assert!(line.starts_with("BUG"), "{line}");
    let first = line.lines().next().unwrap();
    assert!(first.contains(law), "{first}");
    assert!(line.contains("0 of 1 scenarios as expected"), "{line}");
    assert!(error.contains("a bug of trustline"), "{error}");
    assert!(error.contains("--plant retry"), "{error}");

    let path = junit.to_str().unwrap();
    let (code, json, _) = run(&[&plant[..], &["--format", "json", "--junit", path]].concat());
    assert_eq!(code, Some(70));
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    let scenario = &document["scenarios"][0];
    assert_eq!(scenario["holds"], false);
    assert_eq!(scenario["broken_laws"][0]["law"], law);
    let xml = std::fs::read_to_string(&junit).unwrap();
    let _ = std::fs::remove_file(&junit);
    assert!(xml.contains("errors=\"1\""), "{xml}");
    assert!(xml.contains("type=\"bug\"") && xml.contains(law), "{xml}");
}

fn is_found(defect: Defect) {
    let (_, law, _) = FOUND.into_iter().find(|(of, ..)| *of == defect).unwrap();
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
    is_found(Defect::ItlAfterNewCtl);
}

#[test]
#[ignore = "minutes; run by `just planted-defects`"]
fn a_signer_without_its_role_is_found() {
    is_found(Defect::RoleCheck);
}

#[test]
#[ignore = "minutes; run by `just planted-defects`"]
fn an_answer_past_its_life_is_found() {
    is_found(Defect::CacheLife);
}

#[test]
#[ignore = "minutes; run by `just planted-defects`"]
fn a_list_written_in_place_is_found() {
    is_found(Defect::AtomicReplace);
}

#[test]
#[ignore = "minutes; run by `just planted-defects`"]
fn a_phone_that_gives_up_is_found() {
    is_found(Defect::Retry);
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
