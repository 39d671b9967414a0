//! SFTP on loopback: trustline's client and server against each other, and each against peers that
//! do not behave.

#![cfg(feature = "sftp")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests on real sockets"
)]

mod bulk;
mod clusters;
mod crowd;
mod exchange;
mod faults;
mod hostile;
mod lab;
mod rehearsal;
