//! Clusters of a scenario as inputs.

use crate::golden::run;
use crate::{said, told};

const SCENARIO: &str = "scenarios/non-secure-migration.toml";

fn check(more: &[&str]) -> std::process::Output {
    let (from, to) = (
        format!("{SCENARIO}#source"),
        format!("{SCENARIO}#destination"),
    );
    let mut args = vec!["check", "--from", &from, "--to", &to];
    args.extend(more);
    run(&args)
}

#[test]
fn a_scenario_is_looked_at_before_its_phones_move() {
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        told(&output).contains("follows through TVS"),
        "{}",
        said(&output)
    );
    let output = check(&["--steps", "0"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(told(&output).contains("stranded"), "{}", said(&output));
}

#[test]
fn what_cannot_be_looked_at_is_explained() {
    for (args, code, expected) in [
        (
            &["--from", "scenarios/non-secure-migration.toml#sauce"][..],
            2,
            "it has source and destination",
        ),
        (&["--from", "scenarios/none.toml#a"], 3, "cannot open"),
        (&["--from", "a.toml"], 2, "say which"),
        (&["--from", "ftp://a"], 2, "tftp://HOST"),
    ] {
        let to = format!("{SCENARIO}#destination");
        let mut all = vec!["check", "--to", &to];
        all.extend(args);
        let output = run(&all);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
}

/// One node serves a damaged list; what the other serves over HTTPS, where nothing is signed, is as it
/// should be.
#[test]
fn tftp_is_restarted_where_a_file_is_damaged_alone() {
    let scenario = "scenarios/tftp-restart-mends-list.toml";
    let [from, to] = ["source", "destination"].map(|side| format!("{scenario}#{side}"));
    let output = run(&[
        "check",
        "--from",
        &from,
        "--to",
        &to,
        "--steps",
        "9",
        "--option-150",
        "dst-sub,dst-pub",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = told(&output);
    assert!(
        told.contains("restart TFTP on dst-sub, then reset"),
        "{told}"
    );
    assert!(told.contains("cluster.tftp_start_mends"), "{told}");
}
