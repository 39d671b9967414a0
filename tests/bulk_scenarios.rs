//! The scenarios of the bulk exchange, on both drivers: in memory in virtual time, over SFTP with the
//! lab's own server on loopback. Both give the same results, files, certificates and verdicts.
//!
//! Without the Cargo feature `sftp` the exchange is in memory on loopback too, and says so.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

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
                notes,
                written,
                files,
                ..
            } => Some(format!(
                "{} {action} {result}: {} {notes:?} {written:?} {files:?}",
                e.actor,
                plain(text)
            )),
            Kind::Trusted {
                store,
                certificate,
                result,
                ..
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

/// Two clusters, one phone, and these steps.
fn steps(release: &str, steps: &str) -> Scenario {
    let text = format!(
        r#"
format = 1
name = "steps"
source = "none"
date = 2020-03-01T09:00:00Z
seed = 1
[cluster.source]
release = "10.5.2"
nodes = [{{ name = "a1", services = ["publisher", "tftp", "tvs"] }}]
[cluster.destination]
release = "{release}"
nodes = [
  {{ name = "b1", services = ["publisher", "tftp", "tvs"] }},
  {{ name = "b2", services = ["tftp", "tvs"] }},
]
[[phones]]
count = 1
model = "CP-8861"
cluster = "source"
{steps}"#
    );
    parse("steps", &text)
}

/// What came into which store of whom: by the subject's first part.
fn trusted(run: &Run) -> Vec<String> {
    let line = |e: &Event| match &e.kind {
        Kind::Trusted {
            store, certificate, ..
        } => {
            let subject = certificate.subject.split(';').next().unwrap();
            Some(format!("{store} {subject}"))
        }
        _ => None,
    };
    run.events.iter().filter_map(line).collect()
}

/// Security guide 12.5 and Cisco 214231: the publisher makes the one ITLRecovery and distributes it,
/// so any node's is the publisher's; before 12.5 each has its own.
#[test]
fn a_subscriber_has_the_itlrecovery_of_its_publisher_from_12_5_on() {
    for (release, of_b2) in [("12.5", "b1"), ("11.5.1", "b2")] {
        let upload = r#"[[step]]
do = "upload-certificate"
from = "b2"
certificate = "ITLRecovery"
into = "source"
store = "Phone-SAST-trust"
"#;
        let by_hand = run(&steps(release, upload), Network::Sim);
        let expected = format!("Phone-SAST-trust CN=ITLRECOVERY_{of_b2}");
        assert_eq!(trusted(&by_hand), [expected.as_str()], "{release}");
        let nodes = |nodes: &str| {
            let step = format!(
                r#"[[step]]
do = "trust-certificates"
from = "destination"
into = "source"
certificates = ["ITLRecovery"]
nodes = [{nodes}]
stores = ["Phone-SAST-trust"]
"#
            );
            trusted(&run(&steps(release, &step), Network::Sim))
        };
        assert_eq!(nodes("\"b2\""), [expected.as_str()], "{release}");
        // One that both have comes once.
        let both = if of_b2 == "b1" { 1 } else { 2 };
        assert_eq!(nodes("\"b1\", \"b2\"").len(), both, "{release}");
    }
}

const MOVED: &str = r#"[[step]]
do = "trust-certificates"
from = "destination"
into = "source"
[[step]]
do = "set-option-150"
to = ["b1"]
[[step]]
do = "reset-phones"
"#;
const TFTP_DOWN: &str = r#"[[step]]
do = "stop-service"
cluster = "destination"
service = "tftp"
[[step]]
do = "reset-phones"
"#;

/// Nothing is offered, so nothing is refused (docs/who-migrates.md, V5).
#[test]
fn a_phone_that_finds_no_tftp_node_stays_what_it_was() {
    let fate = |text: &str| {
        let mut run = run(&steps("11.5.1", text), Network::Sim);
        let fate = run.fates.remove(0);
        (fate.verdict.to_string(), fate.reason())
    };
    let failed = Some("download-failed");
    let down = fate(&format!("{MOVED}{TFTP_DOWN}"));
    assert_eq!(down, ("migrated".to_owned(), failed));
    let twice = fate(&format!("{MOVED}{TFTP_DOWN}{TFTP_DOWN}"));
    assert_eq!(twice, ("migrated".to_owned(), failed));
    let at_home = TFTP_DOWN.replace("destination", "source");
    assert_eq!(fate(&at_home), ("unchanged".to_owned(), failed));
    // It never came to trust the destination.
    let (_, untrusted) = MOVED.split_at(MOVED.find("[[step]]\ndo = \"set").unwrap());
    let refused = fate(&format!("{untrusted}{TFTP_DOWN}"));
    assert_eq!(refused.0, "stranded");
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

/// The command on one of the scenarios.
fn command(network: &str, name: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trustline"))
        .args(["rehearse", "--color", "never", "--network", network])
        .args(more)
        .arg(Path::new(FOLDER).join(name).with_extension("toml"))
        .output()
        .unwrap()
}

#[test]
fn a_kept_world_has_the_files_of_the_exchange() {
    let folder = tempfile::TempDir::new().unwrap();
    let keep = folder.path().to_str().unwrap();
    // The second run finds a world, and puts its own in its place.
    for network in ["sim", "loopback"] {
        let output = command(network, "exchange", &["--keep", keep]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let files = std::fs::read_dir(folder.path().join("sftp/bulk")).unwrap();
        let files: Vec<_> = files.map(|e| e.unwrap().path()).collect();
        assert_eq!(files.len(), 20, "{files:?}");
        for file in files {
            let entries = p12::read(&std::fs::read(&file).unwrap(), "trustline");
            assert!(!entries.unwrap().is_empty(), "{}", file.display());
        }
    }
}

#[test]
fn a_step_that_is_not_done_is_in_the_exit_code() {
    let output = command("sim", "unreachable-unnoticed", &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("step 4: export of destination done"),
        "{text}"
    );
    if cfg!(feature = "sftp") {
        let output = command("loopback", "named-server", &[]);
        assert_eq!(output.status.code(), Some(3));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("sftp.invalid:2222: the name is not known"),
            "{text}"
        );
        assert!(!text.contains("weekend-1"), "{text}");
    }
}
