//! The process is killed at random moments, and its flash is whole each time.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use trustline::rng::Rng;
use trustline::trust::installed::InstalledList;
use trustline::wire::phone_config::PhoneConfig;
use trustline::wire::{ListKind, SignedFile, Strictness};

use crate::lab::{Lab, said};

const KILLS: usize = 200;

/// The phone goes to and fro between two clusters that vouch for each other, so that every boot has
/// something to write.
#[test]
fn its_flash_is_whole_after_200_kills_at_random_moments() {
    let lab = Lab::of("secure-migration");
    let started = Instant::now();
    let first = lab.run_seeded(&["--tftp", "dst-pub", "--once"]);
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    let whole = started.elapsed();

    let seed = 20_261_122;
    let mut rng = Rng::new(seed);
    let (mut on_its_way, mut versions) = (0, BTreeSet::new());
    for round in 0..KILLS {
        let node = ["src-pub", "dst-pub"][round / 2 % 2];
        lab.serve_files_of(node);
        let mut child = lab
            .command(&["--tftp", "dst-pub", "--once"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wait = rng.below(u64::try_from(whole.as_micros()).unwrap());
        std::thread::sleep(Duration::from_micros(wait));
        on_its_way += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let place = format!("round {round} of seed {seed}, killed after {wait} us");
        versions.insert(check(&lab, &place));
    }
    println!(
        "{on_its_way} of {KILLS} on their way, {} states of the flash",
        versions.len()
    );
    assert!(on_its_way >= KILLS / 4, "only {on_its_way} on their way");
    assert!(versions.len() >= 2, "the flash never changed");

    // Nothing is left that a boot does not mend.
    lab.serve_files_of("dst-pub");
    let last = lab.run(&["--tftp", "dst-pub", "--once"]);
    assert!(matches!(last.status.code(), Some(0 | 1)), "{}", said(&last));
    check(&lab, "the end");
    let unfinished = std::fs::read_dir(lab.flash()).unwrap();
    let unfinished = unfinished.filter(|e| {
        let name = e.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".new")
    });
    assert_eq!(unfinished.count(), 0);
}

/// Every file of the flash is one that was there at the start or was served, as a whole; gives the
/// lists.
fn check(lab: &Lab, place: &str) -> Vec<Vec<u8>> {
    let before = |file: &str| lab.before(file).map(|path| std::fs::read(path).unwrap());
    let served = lab.served();
    let mut lists = Vec::new();
    for kind in [ListKind::Ctl, ListKind::Itl] {
        let file = kind.file_name();
        let held = lab.held(file);
        let held = held.unwrap_or_else(|| panic!("{file} is gone, {place}"));
        let parsed = InstalledList::parse(kind, Arc::from(&held[..]));
        assert!(parsed.is_ok(), "{file} is damaged, {place}");
        let known = served.contains(&held) || before(file).as_ref() == Some(&held);
        assert!(known, "{file} was never served, {place}");
        lists.push(held);
    }
    let config = lab.held("config.xml");
    let config = config.unwrap_or_else(|| panic!("config.xml is gone, {place}"));
    assert!(PhoneConfig::parse(&config).is_ok(), "config.xml, {place}");
    let strict = Strictness::default();
    let bodies = served
        .iter()
        .filter_map(|f| SignedFile::parse(f, &strict).ok());
    let known = bodies.map(|f| f.body).any(|body| body == config);
    let known = known || before("config.xml") == Some(config);
    assert!(known, "config.xml was never served, {place}");
    if let Some(state) = lab.held("state.json") {
        let state: Result<serde_json::Value, _> = serde_json::from_slice(&state);
        assert!(state.is_ok(), "state.json is damaged, {place}");
    }
    lists
}
