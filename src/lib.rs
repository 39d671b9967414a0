//! trustline is the trust client of a Cisco IP phone's firmware, as software, with the two CUCM
//! clusters around it. It answers one question before a migration weekend: which phones will
//! follow, which will be stranded, and why.
//!
//! # Layers
//!
//! | Layer | Modules | Holds |
//! |---|---|---|
//! | 0 | [`wire`], [`time`], [`rng`], [`event`] | bytes to types and back; values that all layers use |
//! | 1 | [`trust`] | decisions: who may sign what, is this list trusted, why |
//! | 2 | [`tftp`], [`tvs`], [`dhcp`], [`provisioning`] | protocol machines, both ends, without IO |
//! | 3 | [`phone`], [`cluster`] | the phone's firmware; a cluster's nodes, stores and publishing |
//! | 4 | [`sim`], [`net`] | two drivers of the same machines: virtual time, and real sockets |
//! | 5 | [`scenario`], [`check`], [`report`] | what a user does with it |
//! | 6 | [`cli`] | arguments, exit codes, text |
//!
//! A module uses its own layer or a lower one; `tests/layering.rs` enforces it. Layers 0 to 3 know
//! no socket, no clock, no file and no global randomness: time is an argument, chance is a seeded
//! generator.

pub mod event;
pub mod rng;
pub mod time;
pub mod wire;

pub mod trust;

pub mod dhcp;
pub mod provisioning;
pub mod tftp;
pub mod tvs;

pub mod cluster;
pub mod phone;

#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the driver on real sockets and the real clock"
)]
pub mod net;
pub mod sim;

pub mod check;
pub mod report;
pub mod scenario;

#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "reads files and writes to the terminal"
)]
pub mod cli;
