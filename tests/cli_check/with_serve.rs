//! Live, against the clusters of a scenario that `trustline serve` runs.

use std::path::Path;
use std::process::Output;

use crate::golden::{command, run};
use crate::served::Served;
use crate::{said, stdout};

/// Two clusters with a node each, four steps: trust, TVS restart, option 150, reset.
const SCENARIO: &str = "testdata/scenarios/suite/follows.toml";

/// The clusters after some steps, and a folder with their ready line.
struct Clusters {
    served: Served,
    dir: tempfile::TempDir,
}

impl Clusters {
    fn after(steps: &str) -> Self {
        let args = ["serve", SCENARIO, "--steps", steps];
        let served = Served::start_with_orders(&mut command(&args));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ready.json"), format!("{}\n", served.ready)).unwrap();
        Self { served, dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn check(&self, more: &[&str]) -> Output {
        let lab = self.path("ready.json");
        let mut args = vec![
            "check",
            "--from",
            "tftp://src-pub",
            "--to",
            "tftp://dst-pub",
        ];
        args.extend([
            "--lab",
            &lab,
            "--rate",
            "500",
            "--device",
            "SEP001122334401",
        ]);
        args.extend(more);
        run(&args)
    }
}

#[test]
fn what_is_asked_of_live_clusters_says_who_follows() {
    for (steps, code, expected) in [("none", 1, "stranded"), ("all", 0, "follows through TVS")] {
        let clusters = Clusters::after(steps);
        let output = clusters.check(&[]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(stdout(&output).contains(expected), "{}", said(&output));
        drop(clusters.served);
    }
}

/// Nothing is known of a TVS that was not asked.
#[test]
fn a_tvs_elsewhere_is_asked_there() {
    let clusters = Clusters::after("all");
    // Somebody listens there who is no TVS.
    let http = clusters.served.at("src-pub", "http").to_string();
    let tvs = format!("--tvs={http}");
    let output = clusters.check(&[&tvs, "--timeout", "1"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(stdout(&output).contains("unknown"), "{}", said(&output));
    assert!(said(&output).contains("TVS of"), "{}", said(&output));
    let real = clusters.served.at("src-pub", "tvs").to_string();
    let tvs = format!("--tvs={real}");
    let output = clusters.check(&[&tvs]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_phone_that_the_destination_does_not_know_is_never_good() {
    let clusters = Clusters::after("all");
    let lab = clusters.path("ready.json");
    let mut args = vec![
        "check",
        "--from",
        "tftp://src-pub",
        "--to",
        "tftp://dst-pub",
    ];
    args.extend([
        "--lab",
        &lab,
        "--rate",
        "500",
        "--device",
        "SEP00AA00AA00AA",
    ]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(Path::new(&lab).exists());
}

#[test]
fn servers_of_option_150_are_nodes_or_addresses() {
    let clusters = Clusters::after("all");
    let output = clusters.check(&["--option-150", "dst-pup"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("did you mean dst-pub?"));
    let output = clusters.check(&["--option-150", "10.255.0.1"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(stdout(&output).contains("10.255.0.1"), "{}", said(&output));
}
