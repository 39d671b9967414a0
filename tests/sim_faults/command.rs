//! The command: where a scenario with faults runs, and the samples in `testdata/scenarios/faults`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenarios/faults")
}

fn rehearse(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustline"));
    command
        .args(["rehearse", "--color", "never"])
        .args(arguments);
    command.output().unwrap()
}

#[test]
fn every_sample_holds_by_itself_in_virtual_time() {
    let mut seen = 0;
    for entry in std::fs::read_dir(samples()).unwrap() {
        let path = entry.unwrap().path();
        let done = rehearse(&[path.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(0), "{}\n{text}", path.display());
        assert!(text.contains(", sim"), "{text}");
        seen += 1;
    }
    assert!(seen >= 3);
}

#[test]
fn sockets_are_refused_to_what_they_do_not_have() {
    for (sample, step) in [
        (
            "lossy-links",
            "step `set-link` exists in virtual time alone",
        ),
        (
            "tvs-stops-while-asked",
            "step `stop-service` with `after` exists in virtual time alone",
        ),
    ] {
        let path = samples().join(format!("{sample}.toml"));
        let done = rehearse(&[path.to_str().unwrap(), "--network", "loopback"]);
        assert_eq!(done.status.code(), Some(2));
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(error.contains(step), "{error}");
        assert!(error.contains("--network sim"), "{error}");
        assert!(done.stdout.is_empty(), "nothing was run");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let path = samples().join("lossy-links.toml");
    let path = path.to_str().unwrap();
    let json = |seed| rehearse(&[path, "--format", "json", "--verbose", "--seed", seed]).stdout;
    assert_eq!(json("7"), json("7"));
    assert_ne!(json("7"), json("8"));
}
