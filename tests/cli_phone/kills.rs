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
const SEEDING_KILLS: usize = 40;

/// What a seed is made of.
const FILES: [&str; 3] = ["CTLFile.tlv", "ITLFile.tlv", "config.xml"];

/// The phone goes to and fro between two clusters that vouch for each other, so that every boot has
/// something to write.
#[test]
fn its_flash_is_whole_after_200_kills_at_random_moments() {
    let lab = Lab::of("secure-migration");
    let started = Instant::now();
    let first = lab.run_seeded(&["--tftp", "dst-pub", "--once"]);
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    // How long a boot takes changes with what else the machine does: the window follows, so that
    // about every second kill finds the phone on its way.
    let mut window = u64::try_from(started.elapsed().as_micros()).unwrap();

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
        let wait = rng.below(window);
        std::thread::sleep(Duration::from_micros(wait));
        let is_on_its_way = child.try_wait().unwrap().is_none();
        on_its_way += usize::from(is_on_its_way);
        window = match is_on_its_way {
            true => window.saturating_mul(11) / 10,
            false => (window * 9 / 10).max(1_000),
        };
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

    // Nothing is left that boots do not mend. Killed between its lists and its configuration, the
    // phone would ask the TVS of the cluster that it came from, whose certificate its lists have no
    // more: so it goes on first where it was.
    let ctl = lab.held(ListKind::Ctl.file_name()).unwrap();
    let is_at_home = lab.rehearsed.lab().clusters()[0].owner_of(&ctl).is_some();
    let reached = if is_at_home { "src-pub" } else { "dst-pub" };
    for node in [reached, "dst-pub", "src-pub"] {
        lab.serve_files_of(node);
        let last = lab.run(&["--tftp", "dst-pub", "--once"]);
        assert_eq!(last.status.code(), Some(0), "{node}: {}", said(&last));
        check(&lab, node);
    }
    assert_eq!(unfinished(&lab), 0);
}

/// Kills while the flash takes its seeds, an empty one and one that is erased for them by
/// `--force-seed`: no file is ever half there, and the same command comes to its end afterwards.
#[test]
fn a_seeding_that_is_killed_is_mended_by_the_next() {
    let lab = Lab::of("secure-migration");
    let seeds = lab.seeds();
    let seeded = |more: &[&'static str]| {
        let mut args: Vec<&str> = seeds.iter().map(String::as_str).collect();
        args.extend(["--tftp", "dst-pub", "--once"]);
        args.extend(more);
        lab.command(&args)
    };
    let started = Instant::now();
    let first = seeded(&[]).output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    let whole = started.elapsed();

    let seed = 20_261_123;
    let mut rng = Rng::new(seed);
    let (mut while_seeding, mut force) = (0, false);
    for round in 0..SEEDING_KILLS {
        if !force {
            std::fs::remove_dir_all(lab.flash()).unwrap();
        }
        let more: &[_] = if force { &["--force-seed"] } else { &[] };
        let mut child = seeded(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wait = rng.below(u64::try_from(whole.as_micros()).unwrap() / 2);
        std::thread::sleep(Duration::from_micros(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        let place = format!("round {round} of seed {seed}, killed after {wait} us");
        let held = check_what_is_there(&lab, &place);
        while_seeding += usize::from(held < FILES.len());

        let mut again = seeded(more).output().unwrap();
        if again.status.code() == Some(2) && !force {
            // The phone has gone on since: then it had all of its seeds.
            assert_eq!(held, FILES.len(), "{place}: {}", said(&again));
            again = lab.run(&["--tftp", "dst-pub", "--once"]);
        }
        assert_eq!(again.status.code(), Some(0), "{place}: {}", said(&again));
        check(&lab, &place);
        assert_eq!(unfinished(&lab), 0, "{place}");
        force = !force;
    }
    println!("{while_seeding} of {SEEDING_KILLS} with a file still missing");
}

/// Files that were begun and not finished.
fn unfinished(lab: &Lab) -> usize {
    let files = std::fs::read_dir(lab.flash()).unwrap();
    let names = files.map(|e| e.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(".new"))
        .count()
}

/// Every file that is there is a seed or was served, as a whole; gives how many are there.
fn check_what_is_there(lab: &Lab, place: &str) -> usize {
    let served = lab.served();
    let strict = Strictness::default();
    let bodies = served
        .iter()
        .filter_map(|f| SignedFile::parse(f, &strict).ok());
    let bodies: Vec<_> = bodies.map(|f| f.body.to_vec()).collect();
    let held = FILES
        .iter()
        .filter_map(|file| Some((file, lab.held(file)?)));
    let held = held.inspect(|(file, held)| {
        let seed = lab.before(file).map(|path| std::fs::read(path).unwrap());
        let known = seed.as_ref() == Some(held) || served.contains(held) || bodies.contains(held);
        assert!(known, "{file} is neither a seed nor was it served, {place}");
    });
    held.count()
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
