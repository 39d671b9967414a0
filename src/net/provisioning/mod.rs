//! Provisioning over HTTPS on real sockets, both ends.

#[cfg(feature = "provisioning")]
pub mod client;
#[cfg(feature = "provisioning")]
pub mod dns;
#[cfg(feature = "provisioning")]
pub mod lab;
pub mod server;
pub mod tls;
