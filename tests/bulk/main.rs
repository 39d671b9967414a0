//! Bulk certificate management from outside: two clusters, one directory in memory.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod files;
mod import;
mod lab;
mod order;
mod peers;
mod types;
