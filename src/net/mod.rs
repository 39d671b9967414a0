//! The driver on real sockets: tokio, UDP, TCP and TLS. It holds no protocol rule.

pub mod clock;
pub mod dhcp;
pub mod http;
pub mod look;
pub mod loopback;
pub mod orders;
pub mod phone;
pub mod provisioning;
pub mod real;
#[cfg(feature = "sftp")]
pub mod sftp;
pub mod tftp;
pub mod tls;
pub mod tvs;
