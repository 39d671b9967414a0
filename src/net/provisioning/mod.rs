//! Provisioning over HTTPS on real sockets, both ends.

#[cfg(feature = "provisioning")]
pub mod client;
#[cfg(feature = "provisioning")]
pub mod dns;
pub mod server;
