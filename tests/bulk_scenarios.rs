//! The scenarios of the bulk exchange, on both drivers: in memory in virtual time, over SFTP with the
//! lab's own server on loopback. Both give the same results, files, certificates and verdicts.
//!
//! Without the Cargo feature `sftp` the exchange is in memory on loopback too, and says so.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use trustline::cluster::bulk::p12;
use trustline::event::{Event, Kind};
use trustline::phone::Pace;
use trustline::scenario::judge::{Fate, fates};
use trustline::scenario::outcome;
use trustline::scenario::run::{Rehearsed, rehearse};
use trustline::scenario::{self, Network, Rules, Scenario};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/scenarios/bulk");

fn load(name: &str) -> Scenario {
    let path = Path::new(FOLDER).join(name).with_extension("toml");
    let text = std::fs::read_to_string(&path).unwrap();
    parse(name, &text)
}

fn parse(name: &str, text: &str) -> Scenario {
    scenario::parse(name, text, &Rules).unwrap_or_else(|errors| {
        let errors = errors.iter().map(ToString::to_string);
        panic!("{}", errors.collect::<String>())
    })
}

struct Run {
    events: Vec<Event>,
    rehearsed: Rehearsed,
    fates: Vec<Fate>,
}

/// One driver: the steps, and what becomes of the phones.
fn run(scenario: &Scenario, network: Network) -> Run {
    let pace = match network {
        Network::Sim => Pace::Real,
        Network::Loopback => Pace::Fast,
    };
    let mut events = Vec::new();
    let mut sink = |e: &Event| events.push(e.clone());
    let rehearsed = rehearse(scenario, network, pace, None, &mut sink).unwrap();
    Run {
        events,
        fates: fates(&rehearsed),
        rehearsed,
    }
}

impl Run {
    /// Actions of the pages: who, what, how it ended, what it said, what the directory then held;
    /// and each certificate that came into a store.
    fn exchange(&self) -> Vec<String> {
        let line = |e: &Event| match &e.kind {
            Kind::Bulk {
                action,
                result,
                text,
                files,
                ..
            } => Some(format!(
                "{} {action} {result}: {} {files:?}",
                e.actor,
                plain(text)
            )),
            Kind::Trusted {
                store,
                certificate,
                result,
            } => Some(format!(
                "{} {store} {} {result}",
                e.actor, certificate.serial
            )),
            _ => None,
        };
        self.events.iter().filter_map(line).collect()
    }

    fn directories(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|e| match &e.kind {
                Kind::Bulk { directory, .. } => Some(directory.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The files left on the server, each as the certificates in it; nothing of one that is cut off.
    fn left(&self) -> BTreeMap<&str, Option<BTreeSet<Vec<u8>>>> {
        let files = self.rehearsed.exchanged.iter();
        files
            .map(|(path, bytes)| {
                let entries = p12::read(bytes, "trustline").ok();
                let ders = entries.map(|e| e.into_iter().map(|e| e.der).collect());
                (path.as_str(), ders)
            })
            .collect()
    }

    fn fates(&self) -> Vec<String> {
        let fate = |f: &Fate| format!("{} {} {:?}", f.device, f.verdict, f.follows);
        self.fates.iter().map(fate).collect()
    }

    /// Steps that did not end as they had to.
    fn failed(&self) -> Vec<&str> {
        let checked = self.rehearsed.checked.iter();
        checked.filter_map(|c| c.failed.as_deref()).collect()
    }
}

/// A text without what differs between sockets and memory: the port of the lab's own server, the
/// kind of a key, which memory has none of, and the size of a file, whose key derivation is shorter
/// in virtual time.
fn plain(text: &str) -> String {
    let text = text.replace(" (ssh-rsa)", "").replace("127.0.0.1:", "");
    let is_kept = |word: &&str| !word.starts_with(|c: char| c.is_ascii_digit());
    text.split_inclusive(' ').filter(is_kept).collect()
}

/// Both drivers, which have to agree.
fn both(scenario: &Scenario) -> [Run; 2] {
    let runs = [Network::Sim, Network::Loopback].map(|network| run(scenario, network));
    let [sim, loopback] = &runs;
    assert_eq!(sim.exchange(), loopback.exchange());
    assert_eq!(sim.left(), loopback.left());
    assert_eq!(sim.fates(), loopback.fates());
    assert!(!sim.directories().is_empty());
    for directory in sim.directories() {
        assert!(directory.ends_with(" in memory"), "{directory}");
    }
    for directory in loopback.directories() {
        if cfg!(feature = "sftp") {
            assert!(directory.starts_with("sftp://"), "{directory}");
            assert!(directory.contains("@127.0.0.1:"), "{directory}");
        } else {
            assert!(directory.ends_with(" in memory; built without the Cargo feature `sftp`"));
        }
    }
    for run in &runs {
        // What is not done changes no store.
        for pair in run.exchange().windows(2) {
            let failed = pair[0].contains(" failed: ") || pair[0].contains(" refused: ");
            assert!(!failed || !pair[1].contains("-trust "), "{pair:?}");
        }
        assert!(!run.rehearsed.unreached);
    }
    runs
}

fn agree(name: &str) {
    let scenario = load(name);
    for run in both(&scenario) {
        let exchange = run.exchange();
        assert_eq!(run.failed(), Vec::<&str>::new(), "{name}: {exchange:#?}");
    }
    let outcome = outcome::run(&scenario, Network::Sim, Pace::Real, &mut |_| {}).unwrap();
    let failed: Vec<_> = outcome
        .checked
        .iter()
        .filter(|c| c.failed.is_some())
        .collect();
    assert!(failed.is_empty(), "{name}: {failed:#?}");
    assert!(!outcome.checked.is_empty(), "{name} expects nothing");
}

macro_rules! scenarios {
    ($($test:ident = $name:literal,)+) => {
        $(
            #[test]
            fn $test() {
                agree($name);
            }
        )+

        const NAMES: &[&str] = &[$($name),+];
    };
}

scenarios! {
    cut = "cut",
    damaged_file = "damaged-file",
    directory_missing = "directory-missing",
    disk_full = "disk-full",
    exchange = "exchange",
    exchange_by_table = "exchange-by-table",
    foreign_file = "foreign-file",
    host_key_changed = "host-key-changed",
    read_only = "read-only",
    two_directories = "two-directories",
    unreachable = "unreachable",
    wrong_password = "wrong-password",
    wrong_password_in_a_form = "wrong-password-in-a-form",
}

/// Scenarios with a test of their own.
const OTHERS: [&str; 2] = ["named-server", "unreachable-unnoticed"];

#[test]
fn every_file_has_a_test() {
    let files: BTreeSet<String> = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let tested = NAMES.iter().chain(&OTHERS).map(ToString::to_string);
    assert_eq!(files, tested.collect());
}

#[test]
fn what_no_step_expects_fails_the_rehearsal() {
    for run in both(&load("unreachable-unnoticed")) {
        let failed = run.failed();
        assert_eq!(failed.len(), 5, "{failed:?}");
        let all = failed
            .iter()
            .all(|f| f.starts_with("failed: ") && f.contains("cannot be reached"));
        assert!(all, "{failed:?}");
    }
}

#[test]
fn virtual_time_connects_to_no_server() {
    let run = run(&load("named-server"), Network::Sim);
    assert_eq!(run.failed(), Vec::<&str>::new());
    let told = "/bulk in memory; virtual time reaches no server";
    assert_eq!(run.directories(), [told; 5]);
    let mut left = run.rehearsed.exchanged.keys();
    assert!(left.all(|path| path.starts_with("/sftp.invalid-2222/bulk/")));
}

#[cfg(feature = "sftp")]
#[test]
fn a_named_server_that_is_not_there_is_told_apart() {
    let run = run(&load("named-server"), Network::Loopback);
    assert!(run.rehearsed.unreached);
    let told = "sftp://migration@sftp.invalid:2222/bulk";
    assert_eq!(run.directories(), [told; 5]);
    assert_eq!(run.failed().len(), 5);
}

#[cfg(feature = "sftp")]
#[test]
fn a_failure_that_is_expected_is_none() {
    let text = std::fs::read_to_string(Path::new(FOLDER).join("named-server.toml")).unwrap();
    let (before, _) = text.split_once("[[step]]").unwrap();
    let step = "[[step]]\ndo = \"bulk-export\"\ncluster = \"source\"\nresult = \"failed\"\n";
    let run = run(
        &parse("expected", &format!("{before}{step}")),
        Network::Loopback,
    );
    assert!(!run.rehearsed.unreached);
    let step = &run.rehearsed.checked[0];
    assert_eq!(step.text, "step 1: export of source failed");
    assert_eq!(step.failed, None);
}
