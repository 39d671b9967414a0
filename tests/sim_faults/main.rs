//! Faults in the simulated world: each alone, in pairs, and what a witness sees of them.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

mod clocks;
mod command;
mod lab;
mod links;
mod pairs;
mod services;
mod witness;
