//! The driver in virtual time: the same machines as on sockets, in a world whose clock jumps from
//! one happening to the next. Same seed, same events, on any machine.
//!
//! TLS is modelled, unless it is asked for: the certificate check and the exchange of messages,
//! without the cryptography. Between a phone and a node lies a [`Link`] with latency and, if it is
//! set, losses and worse; what is planned comes in the middle of a boot.

mod dhcp;
mod http;
mod link;
mod nodes;
mod phones;
mod planned;
pub mod provisioning;
mod session;
mod tls;
mod tvs;
mod witness;
mod world;

pub use link::{LATENCY, Link, PerMille};
pub use planned::{Act, Planned};
pub use witness::Witness;
pub use world::World;
