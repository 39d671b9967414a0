//! The phone alone, between a hostile network and a hostile TVS: it never panics, always ends its
//! boot within a bounded time, and never installs what was not trusted.
//!
//! [`bench::Bench`] plays an honest network; each test meddles with what comes back.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

mod bench;
mod cache;
mod configs;
mod downloads;
mod http;
mod leases;
mod moments;
mod tvs;
