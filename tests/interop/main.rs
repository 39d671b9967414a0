//! Interop with real servers and clients. They are Debian packages that plain `cargo test` does
//! not need, so every test here is ignored by default: `cargo test --test interop -- --ignored`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "sftp")]
mod bulk_cli;
#[cfg(feature = "sftp")]
#[path = "../sftp_net/clusters.rs"]
mod clusters;
#[cfg(feature = "sftp")]
mod rehearse;
mod serve;
#[allow(dead_code, reason = "tests/cli_serve.rs uses all of it")]
#[path = "../cli_serve/served.rs"]
mod served;
#[cfg(feature = "sftp")]
mod sftp;
mod support;
mod tftp;
mod tvs;
