//! Folders, inventories, and what a check leaves behind.

use std::fs;
use std::path::Path;

use crate::golden::run;
use crate::{said, stderr, stdout, told};

const SCENARIO: &str = "scenarios/non-secure-migration.toml";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Both clusters of the scenario, recorded.
fn recorded(dir: &Path) {
    let (from, to) = (
        format!("{SCENARIO}#source"),
        format!("{SCENARIO}#destination"),
    );
    let output = run(&["check", "--from", &from, "--to", &to, "--record", text(dir)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// What was recorded is checked again with the same end, and never written over.
#[test]
fn a_recording_says_the_same_again() {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("looked-at");
    recorded(&record);
    let (from, to) = (record.join("from"), record.join("to"));
    let date = ["--date", "2020-03-01T09:00:00Z"];
    let mut args = vec!["check", "--from", text(&from), "--to", text(&to)];
    args.extend(date);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        told(&output).contains("follows through TVS"),
        "{}",
        said(&output)
    );
    let again = run(&[
        "check",
        "--from",
        text(&from),
        "--to",
        text(&to),
        "--record",
        text(&record),
    ]);
    assert_eq!(again.status.code(), Some(3), "{}", said(&again));
    assert!(stderr(&again).contains("left alone"), "{}", said(&again));
}

/// With the list of the destination taken away nobody can say who follows.
#[test]
fn what_is_taken_away_is_unknown_and_never_good() {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("looked-at");
    recorded(&record);
    let (from, to) = (record.join("from"), record.join("to"));
    let mut taken = 0;
    for entry in fs::read_dir(&to).unwrap() {
        let tftp = entry.unwrap().path().join("tftp");
        if !tftp.is_dir() {
            continue;
        }
        for file in fs::read_dir(&tftp).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "tlv") {
                fs::remove_file(path).unwrap();
                taken += 1;
            }
        }
    }
    assert!(taken > 0, "the destination has lists");
    let output = run(&["check", "--from", text(&from), "--to", text(&to)]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(told(&output).contains("0 of"), "{}", said(&output));
}

#[test]
fn an_inventory_is_checked_row_by_row() {
    let dir = tempfile::tempdir().unwrap();
    let phones = dir.path().join("phones.csv");
    let (csv, runbook) = (dir.path().join("work.csv"), dir.path().join("move.md"));
    fs::write(
        &phones,
        "device,model,room\nSEP001122334401,CP-8861,12\nnonsense,CP-8861,13\nSEP001122334402,,14\n",
    )
    .unwrap();
    let (from, to) = (
        format!("{SCENARIO}#source"),
        format!("{SCENARIO}#destination"),
    );
    let mut args = vec![
        "check",
        "--from",
        &from,
        "--to",
        &to,
        "--phones",
        text(&phones),
    ];
    args.extend(["--csv", text(&csv), "--runbook", text(&runbook)]);
    let output = run(&args);
    // A row is malformed.
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(stderr(&output).contains("line 3"), "{}", said(&output));
    assert!(
        told(&output).contains("2 of 2 phones follow"),
        "{}",
        said(&output)
    );
    let list = fs::read_to_string(&csv).unwrap();
    assert!(
        list.starts_with("device,verdict,reason,fix,visit_by_hand,room"),
        "{list}"
    );
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(
        fs::read_to_string(&runbook)
            .unwrap()
            .starts_with("# Moving the phones of ")
    );
    // Both give way to newer ones; something else does not.
    assert_eq!(run(&args).status.code(), Some(2));
    fs::write(&csv, "device,model\n").unwrap();
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert_eq!(fs::read_to_string(&csv).unwrap(), "device,model\n");
    assert_eq!(stdout(&output), "", "nothing was checked");
}

#[test]
fn the_folder_of_a_world_names_its_clusters() {
    let dir = tempfile::tempdir().unwrap();
    let world = dir.path().join("world");
    let kept = run(&[
        "rehearse",
        SCENARIO,
        "--network",
        "sim",
        "--keep",
        text(&world),
    ]);
    assert_eq!(kept.status.code(), Some(0), "{}", said(&kept));
    let output = run(&["check", "--from", text(&world), "--to", text(&world)]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        stderr(&output).contains("clusters/source"),
        "{}",
        said(&output)
    );
    let from = world.join("clusters/source");
    let to = world.join("clusters/destination");
    let output = run(&["check", "--from", text(&from), "--to", text(&to)]);
    // Nobody has said whether CallManager runs.
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let nowhere = run(&["check", "--from", "no/such/folder", "--to", text(&to)]);
    assert_eq!(nowhere.status.code(), Some(3), "{}", said(&nowhere));
}

#[test]
fn an_inventory_that_is_none_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let phones = dir.path().join("phones.csv");
    let to = format!("{SCENARIO}#destination");
    for (held, expected) in [
        ("device\n", "no row names a phone"),
        ("a,b\n1,2\n", "device"),
    ] {
        fs::write(&phones, held).unwrap();
        let output = run(&[
            "check",
            "--from",
            &to,
            "--to",
            &to,
            "--phones",
            text(&phones),
        ]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(stderr(&output).contains(expected), "{}", said(&output));
    }
}
