//! `trustline provision resync --once`, where no server comes into it.

use std::process::Command;

use crate::world::ROOT;

/// The exit code and stdout of a phone with this parameter.
#[allow(clippy::disallowed_methods, reason = "a root for the command")]
fn resync(parameter: &str, format: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root.crt");
    std::fs::write(&root, ROOT.self_signed()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_trustline"))
        .args(["provision", "resync", "--once", "--mac", "000e08abcdef"])
        .args(["--date", "2026-03-01T09:00:00Z", "--dns", "127.0.0.1:9"])
        .args(["--profile-rule", "https://127.0.0.1:9/a", "--ca"])
        .arg(&root)
        .args(["--format", format, "--parameter", parameter])
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), stdout)
}

#[test]
fn what_is_switched_off_names_no_rule() {
    let (code, text) = resync("Provision_Enable=No", "human");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("refused\n  provisioning-off  "), "{text}");
    assert!(!text.contains("Profile_Rule"), "{text}");
    let (code, text) = resync("Provision_Enable=No", "json");
    let last = text.lines().last().unwrap();
    assert!(last.contains("\"provisioning-off\""), "{code:?} {text}");
    assert!(!last.contains("\"class\""), "{last}");
}

#[test]
fn a_trigger_that_cannot_be_read_is_the_users_to_mend() {
    let (code, text) = resync("Resync_Trigger_1=1 = 2", "human");
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("nothing-to-do: no server was asked"),
        "{text}"
    );
    let (code, text) = resync("Resync_Trigger_1=1 =", "human");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("Resync_Trigger_1: "), "{text}");
}
