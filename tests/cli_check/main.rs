//! `trustline check` as a process: against clusters that `trustline serve` runs on loopback, against
//! servers that are strange or half dead, and against scenarios.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests start processes, wait and fail by panic"
)]

#[allow(dead_code, reason = "other test files use all of it")]
#[path = "../golden/mod.rs"]
mod golden;
#[allow(dead_code, reason = "other test files use all of it")]
#[path = "../cli_serve/served.rs"]
mod served;

mod emulated;
mod files;
mod readme;
mod recorded;
mod strange;
mod with_serve;

use std::process::Output;

/// Both streams and the exit code, for a message.
fn said(output: &Output) -> String {
    format!("{:?}\n{}{}", output.status, stdout(output), stderr(output))
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What it told, with each break of a line as a space.
fn told(output: &Output) -> String {
    let words: Vec<_> = stdout(output)
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    words.join(" ")
}
