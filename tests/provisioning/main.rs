//! The multiplatform phone: every sentence of the guide that asks for it, every rule of the facts.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod certificates;
#[cfg(feature = "provisioning")]
mod command;
mod machine;
mod scenarios;
mod seed;
mod verify;
mod world;
