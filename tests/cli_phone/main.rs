//! `trustline phone` as a process, against servers of ours on loopback.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests read and write files, wait and fail by panic"
)]

mod flash;
#[path = "../golden/mod.rs"]
mod golden;
#[cfg(unix)]
mod kills;
mod lab;
mod pilot;
mod resident;
mod with_serve;
