//! A folder, its recording, and both as one side: one answer, by any choice of the rules.

use std::fs;
use std::process::Output;

use trustline::cli::check::files::{read_folder, write_folder};

use crate::golden::run;
use crate::said;

const FOLDERS: [&str; 2] = ["testdata/check/old", "testdata/check/new"];
const DATE: &str = "2020-03-01T10:00:00Z";

/// The two choices of both rules by which answers of TVS are concluded.
const RULES: [[&str; 4]; 4] = [
    [
        "--set",
        "tvs.restart_needed=no",
        "--set",
        "tvs.roles_of_store=by-store",
    ],
    [
        "--set",
        "tvs.restart_needed=yes",
        "--set",
        "tvs.roles_of_store=by-store",
    ],
    [
        "--set",
        "tvs.restart_needed=no",
        "--set",
        "tvs.roles_of_store=callmanager-trust-gives-both",
    ],
    [
        "--set",
        "tvs.restart_needed=yes",
        "--set",
        "tvs.roles_of_store=callmanager-trust-gives-both",
    ],
];

fn check(from: &[&str], to: &[&str], more: &[&str]) -> Output {
    let mut args = vec!["check", "--format", "json", "--date", DATE];
    for input in from {
        args.extend(["--from", *input]);
    }
    for input in to {
        args.extend(["--to", *input]);
    }
    args.extend(more);
    run(&args)
}

#[test]
fn a_recording_of_folders_answers_as_they_do() {
    let dir = tempfile::tempdir().unwrap();
    let [old, new] = FOLDERS;
    let (mut unknown, mut follow) = (0, 0);
    for (number, recorded_by) in RULES.iter().enumerate() {
        let record = dir.path().join(number.to_string());
        let mut args = recorded_by.to_vec();
        args.extend(["--record", record.to_str().unwrap()]);
        check(&[old], &[new], &args);
        let (from, to) = (record.join("from"), record.join("to"));
        let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
        for rules in &RULES {
            let first = check(&[old], &[new], rules);
            let answer: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
            let fate = &answer["groups"][0]["fate"];
            match fate.as_str().unwrap() {
                "unknown" => unknown += 1,
                "follows-through-tvs" => {
                    follow += 1;
                    let rests_on = answer["groups"][0]["rests_on"].to_string();
                    assert!(rests_on.contains("tvs.restart_needed"), "{rests_on}");
                    let notes = answer["notes"].to_string();
                    assert!(notes.contains("nobody asked TVS"), "{notes}");
                }
                other => panic!("{other}: {}", said(&first)),
            }
            let is_unknown = rules.contains(&"tvs.restart_needed=yes");
            assert_eq!(fate == "unknown", is_unknown, "{}", said(&first));
            let again = check(&[from], &[to], rules);
            let beside = check(&[old, from], &[to, new], rules);
            for (what, other) in [("recording", again), ("both", beside)] {
                let place = format!("{what} of {recorded_by:?} by {rules:?}");
                assert_eq!(other.status.code(), first.status.code(), "{place}");
                assert_eq!(
                    String::from_utf8_lossy(&other.stdout),
                    String::from_utf8_lossy(&first.stdout),
                    "{place}"
                );
            }
        }
    }
    assert!(unknown > 0 && follow > 0, "{unknown} {follow}");
}

/// A cluster and its clone: what both have a node for is told once, by whoever looks.
#[test]
fn namesakes_are_told_and_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (clone, record) = (dir.path().join("clone"), dir.path().join("record"));
    let files = read_folder(FOLDERS[0].as_ref()).unwrap().files;
    write_folder(&clone, &files).unwrap();
    let record_to = ["--record", record.to_str().unwrap()];
    let first = check(&FOLDERS[..1], &[clone.to_str().unwrap()], &record_to);
    let (from, to) = (record.join("from"), record.join("to"));
    let again = check(&[from.to_str().unwrap()], &[to.to_str().unwrap()], &[]);
    for output in [&first, &again] {
        assert_eq!(output.status.code(), Some(3), "{}", said(output));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        // A phone with the list that both serve asks nobody; another asks a TVS, and nobody knows whose.
        let groups = answer["groups"].as_array().unwrap();
        let fates: Vec<_> = groups.iter().map(|g| g["fate"].as_str().unwrap()).collect();
        assert_eq!(fates, ["unknown", "follows-directly"], "{}", said(output));
        let notes = answer["notes"].to_string();
        let told = notes.matches("both clusters call a node src-pub").count();
        assert_eq!(told, 1, "{notes}");
        assert_eq!(answer["failures"].as_array().unwrap().len(), 0);
    }
}

/// What a recording notes comes from outside, and no terminal obeys it, whether there is an answer or
/// none.
#[test]
fn notes_of_a_recording_reach_the_terminal_without_their_escapes() {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("record");
    check(
        &FOLDERS[..1],
        &FOLDERS[1..],
        &["--record", record.to_str().unwrap()],
    );
    let (from, to) = (record.join("from"), record.join("to"));
    let cluster = from.join("cluster.json");
    let text = fs::read(&cluster).unwrap();
    let mut read: serde_json::Value = serde_json::from_slice(&text).unwrap();
    read["notes"] = serde_json::json!(["a \u{1b}[31mred\u{1b}]0;title\u{7} note"]);
    fs::write(&cluster, read.to_string()).unwrap();
    let inputs = [
        "check",
        "--from",
        from.to_str().unwrap(),
        "--to",
        to.to_str().unwrap(),
        "--date",
        DATE,
    ];
    let answered = run(&inputs);
    let refused = run(&[&inputs[..], &["--option-150", "nosuch"]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    for output in [answered, refused] {
        let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let control = both.iter().find(|b| b.is_ascii_control() && **b != b'\n');
        assert_eq!(control, None, "{}", said(&output));
        assert!(said(&output).contains("31mred"), "{}", said(&output));
    }
}
