//! What a check predicts is what the rehearsal then shows: before each boot of each phone the
//! clusters are looked at from outside, the boot is predicted from that alone, and compared.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the built-in scenarios, and fails where something is amiss"
)]

mod beside;
mod built_in;
mod files;
mod fixed;
mod generated;
mod withheld;
