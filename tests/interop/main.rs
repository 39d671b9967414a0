//! Interop with real servers and clients. They are Debian packages that plain `cargo test` does
//! not need, so every test here is ignored by default: `cargo test --test interop -- --ignored`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "sftp")]
mod bulk_cli;
#[cfg(target_os = "linux")]
mod check;
#[cfg(feature = "sftp")]
#[path = "../sftp_net/clusters.rs"]
mod clusters;
#[cfg(target_os = "linux")]
mod dhcp;
#[allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "the goldens of other test files"
)]
#[path = "../golden/mod.rs"]
mod golden;
mod legacy;
mod peer;
mod phone;
#[cfg(target_os = "linux")]
mod phone_dhcp;
mod phone_http;
#[allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests/cli_phone uses all of it, and allows it"
)]
#[path = "../cli_phone/lab.rs"]
mod phone_lab;
mod provision;
#[cfg(feature = "provisioning")]
mod provision_phone;
#[cfg(feature = "sftp")]
mod rehearse;
#[cfg(target_os = "linux")]
mod segment;
mod serve;
#[allow(dead_code, reason = "tests/cli_serve.rs uses all of it")]
#[path = "../cli_serve/served.rs"]
mod served;
#[cfg(feature = "sftp")]
mod sftp;
mod support;
mod tftp;
mod tvs;
