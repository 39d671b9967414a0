//! `trustline bulk` as processes: without a server here, against the lab's own in `cli_bulk/`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests read and write files, and fail by panic"
)]

mod golden;

#[cfg(feature = "sftp")]
#[path = "cli_bulk/exchange.rs"]
mod exchange;
#[cfg(feature = "sftp")]
#[path = "cli_bulk/faults.rs"]
mod faults;
#[path = "cli_bulk/folder.rs"]
mod folder;
#[cfg(feature = "sftp")]
#[allow(dead_code, reason = "tests/sftp_net uses all of it")]
#[path = "sftp_net/lab.rs"]
mod lab;
#[cfg(feature = "sftp")]
#[path = "cli_bulk/session.rs"]
mod session;

use folder::{SCENARIO, World};
use golden::{check, run};

#[test]
fn files_are_shown_with_the_stores_they_would_go_to() {
    let date = "--date 2026-12-01T00:00:00Z";
    let password = "--p12-password-file testdata/bulk/password.txt";
    let p12 = "testdata/vectors/p12";
    check(
        "bulk-show",
        &format!("bulk show {p12}/modern-caname.p12 {password} {date}"),
    );
    check(
        "bulk-show-wrong-password",
        &format!("bulk show {p12}/modern.p12"),
    );
    check(
        "bulk-show-not-p12",
        "bulk show testdata/vectors/keys/a-tvs.der testdata/vectors/hostile/h160-html-404.tlv",
    );
    check("bulk-show-missing", "bulk show no-such.p12");
}

#[test]
fn a_folder_is_made_once_and_never_over_another() {
    let world = World::init();
    let before = world.files();
    let again = run(&["bulk", "init", SCENARIO, world.path()]);
    assert_eq!(again.status.code(), Some(3));
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("holds a world already"), "{said}");
    let output = run(&["bulk", "init", SCENARIO, "src"]);
    assert_eq!(output.status.code(), Some(3));
    let output = run(&["bulk", "init", "Cargo.toml", "target/never-made"]);
    assert_eq!(output.status.code(), Some(2));
    let output = run(&["bulk", "init", "no-such.toml", "target/never-made"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!std::path::Path::new("target/never-made").exists());
    assert_eq!(world.files(), before);
    trustline::cli::keep::prepare(world.dir()).unwrap();
}

#[cfg(not(feature = "sftp"))]
#[test]
fn without_the_feature_the_command_says_so() {
    let line = "bulk list target --cluster a --server sftp://u@localhost/x";
    check("bulk-without-sftp", line);
}
