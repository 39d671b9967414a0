//! TVS over TLS: a client and a server on real sockets.
//!
//! The machines of [`crate::tvs`] decide; this moves their bytes, holds their deadlines and bounds
//! what a peer can cost.

mod client;
mod dial;
mod server;
mod slots;
mod stream;

#[cfg(feature = "legacy-tls")]
pub use client::connect_legacy;
pub use client::{AskError, Connection, Deadlines, Phase, ask, connect};
pub use dial::{
    ALLOW_LEGACY, DialError, Dialled, LEGACY_BUILT_IN, NO_LEGACY, TLS_TOO_NEW, TvsTls, dial,
};
pub use server::{HandshakeFailure, Limits, Observed, ServeConfig, ServeEvent, bind, serve};
pub use slots::Stage;
pub use stream::ClientStream;
