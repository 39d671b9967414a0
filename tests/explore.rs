//! Exploration from end to end: worlds without a finding, the same twice, and what the command line
//! says of them.

#![allow(
    clippy::disallowed_methods,
    reason = "starts the program and reads what it wrote"
)]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::fs;
use std::process::{Command, Output};

use trustline::scenario::explore::{check, generate};

/// Scenarios that failed once, with what is expected of them.
const EXPLORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/scenarios/explored");

/// Worlds of which no source says what to expect.
const UNDECIDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/scenarios/undecided");

fn trustline(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trustline"))
        .args(args)
        .output()
        .unwrap()
}

/// Few, because a debug build is slow; thousands are explored by `just explore`.
#[test]
fn worlds_show_nothing() {
    let mut decided = 0;
    for world in 1..=40 {
        let judged = check(&generate(world).to_toml());
        assert!(
            judged.findings.is_empty(),
            "{:?}\nrepeat with: trustline rehearse --explore 1 --seed {world}",
            judged.findings
        );
        decided += usize::from(judged.unsupported.is_none());
    }
    assert!(decided >= 15, "the model decides {decided} of 40 worlds");
}

/// Worlds over which run and model once disagreed, and which no source decides: a power cut between
/// the write of a configuration and its acceptance, after a list was lost; a certificate of the
/// cluster's own that a TVS has not loaded; a setting for refused configurations where one is not
/// found; the list of one node beside the configuration of another; a CTL that was lost, and with it
/// what would have kept the ITL out.
#[test]
fn worlds_that_disagreed_show_nothing() {
    for name in [
        "configuration-not-found",
        "cut-behind-configuration",
        "cut-behind-configuration-again",
        "lost-ctl",
        "own-certificate-not-loaded",
        "own-signer-not-loaded",
        "second-node-lost",
    ] {
        let path = format!("{UNDECIDED}/{name}.toml");
        let judged = check(&fs::read_to_string(path).unwrap());
        assert!(judged.findings.is_empty(), "{:?}", judged.findings);
        assert!(
            judged.unsupported.is_some(),
            "{name} is decided: no source decides it"
        );
    }
}

#[test]
fn the_same_worlds_give_the_same_document() {
    let run = |jobs: &str| {
        let args = [
            "rehearse",
            "--explore",
            "6",
            "--seed",
            "300",
            "--format",
            "json",
            "--jobs",
            jobs,
        ];
        trustline(&args)
    };
    let (one, two) = (run("1"), run("2"));
    assert_eq!(one.status.code(), Some(0), "{one:?}");
    assert_eq!(one.stdout, two.stdout);
    let document: serde_json::Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(document["worlds"], 6);
    assert_eq!(document["first_world"], 300);
    assert_eq!(document["findings"], serde_json::json!([]));
}

#[test]
fn the_summary_counts_and_arguments_that_mean_nothing_are_refused() {
    let out = trustline(&["rehearse", "--explore", "2"]);
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(0));
    assert!(
        text.contains("2 of 2 worlds without a finding (worlds 1 to 2, "),
        "{text}"
    );
    for args in [
        &["rehearse", "--explore", "2", "scenarios"][..],
        &["rehearse", "--explore", "0"],
        &["rehearse", "--failures", "x", "scenarios"],
        &[
            "rehearse",
            "--explore",
            "2",
            "--seed",
            "18446744073709551615",
        ],
    ] {
        assert_eq!(trustline(args).status.code(), Some(2), "{args:?}");
    }
}

/// What exploration found and what was mended, one scenario each.
#[test]
fn what_was_found_stays_mended() {
    let out = trustline(&["rehearse", EXPLORED]);
    let text = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{text}");
}
