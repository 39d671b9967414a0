//! The folder of a flash: what is put into it, and who may use it.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::lab::{Lab, said, stderr, stdout, text};

const TO: [&str; 3] = ["--tftp", "dst-pub", "--once"];

#[test]
fn a_folder_of_something_else_is_refused_and_stays() {
    let lab = Lab::of("non-secure-migration");
    fs::create_dir(lab.flash()).unwrap();
    fs::write(lab.flash().join("thesis.txt"), "x").unwrap();
    let output = lab.run_seeded(&TO);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(stderr(&output).contains("holds something else (thesis.txt)"));
    assert_eq!(fs::read_dir(lab.flash()).unwrap().count(), 1);
}

#[test]
fn the_flash_of_another_phone_is_refused() {
    let lab = Lab::of("non-secure-migration");
    assert_eq!(lab.run(&TO).status.code(), Some(0));
    let (flash, ready) = (lab.flash(), lab.ready());
    let mut args = vec!["phone", "--mac", "001122334402", "--model", "CP-8861"];
    args.extend(["--flash", text(&flash), "--lab", text(&ready)]);
    args.extend(TO);
    let output = crate::golden::run(&args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(stderr(&output).contains("is the flash of SEP001122334401, not of SEP001122334402"));
}

#[test]
fn two_processes_do_not_share_a_flash() {
    let lab = Lab::of("non-secure-migration");
    // It waits for an order that does not come while stdin is open.
    let mut first = lab
        .command(&["--tftp", "dst-pub"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while lab.held("state.json").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let second = lab.run(&TO);
    assert_eq!(second.status.code(), Some(3), "{}", said(&second));
    assert!(stderr(&second).contains("another phone is running on the flash"));
    drop(
        first
            .stdin
            .take()
            .map(|mut stdin| stdin.write_all(b"quit\n")),
    );
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(lab.run(&TO).status.code(), Some(0));
}

#[test]
fn seeds_do_not_replace_what_the_phone_has_come_to_hold() {
    let lab = Lab::of("non-secure-migration");
    let first = lab.run_seeded(&TO);
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    assert!(stderr(&first).contains("put ITLFile.tlv, config.xml into"));
    let held = lab.held("ITLFile.tlv");

    let again = lab.run_seeded(&TO);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert!(stderr(&again).contains("--force-seed"), "{}", said(&again));
    assert_eq!(lab.held("ITLFile.tlv"), held);

    let forced = lab.run_seeded(&[&TO[..], &["--force-seed"]].concat());
    assert_eq!(forced.status.code(), Some(0), "{}", said(&forced));
    // The source's list again, and the way to the destination's once more.
    assert!(stdout(&forced).contains("TVS src-pub:2445 knows the signer"));
}

#[test]
fn the_same_seeds_go_on_where_they_were() {
    let lab = Lab::of("certificates-not-imported");
    for _ in 0..2 {
        // It refuses what it is offered, so it holds the seeds still.
        let output = lab.run_seeded(&TO);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    }
}

#[test]
fn a_seeding_that_was_cut_short_is_taken_up() {
    let lab = Lab::of("non-secure-migration");
    fs::create_dir(lab.flash()).unwrap();
    let itl = fs::read(lab.before("ITLFile.tlv").unwrap()).unwrap();
    fs::write(lab.flash().join("ITLFile.tlv"), &itl).unwrap();
    fs::write(lab.flash().join("config.xml.new"), "<dev").unwrap();
    let output = lab.run_seeded(&TO);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(stdout(&output).contains("TVS src-pub:2445 knows the signer"));
}

#[test]
fn what_no_phone_holds_is_no_seed() {
    let lab = Lab::of("non-secure-migration");
    let itl = lab.before("ITLFile.tlv").unwrap();
    let config = lab.before("config.xml").unwrap();
    for (args, code, expected) in [
        (
            &["--installed", config.as_str()][..],
            2,
            "is not a list that a phone can hold",
        ),
        (&["--installed", &itl, &itl], 2, "is a second ITL"),
        (&["--config", &itl], 2, "is no configuration"),
        (&["--installed", "no-such.tlv"], 3, "cannot open"),
    ] {
        let output = lab.run(&[args, &TO[..]].concat());
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(stderr(&output).contains(expected), "{}", said(&output));
    }
    assert!(!lab.flash().exists());
}
