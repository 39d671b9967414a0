//! TVS over TLS: a client and a server on real sockets.
//!
//! The machines of [`crate::tvs`] decide; this moves their bytes, holds their deadlines and bounds
//! what a peer can cost.

mod client;
mod server;
mod slots;

pub use client::{AskError, Connection, Deadlines, Phase, ask, connect};
pub use server::{HandshakeFailure, Limits, Observed, ServeConfig, ServeEvent, bind, serve};
pub use slots::Stage;
