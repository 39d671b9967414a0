//! The driver in virtual time: the same machines as on sockets, in a world whose clock jumps from
//! one happening to the next. Same seed, same events, on any machine.
//!
//! TLS is modelled: the certificate check and the exchange of messages, without the cryptography.

mod link;
mod nodes;
mod phones;
mod planned;
mod tvs;
mod witness;
mod world;

pub use link::{LATENCY, Link, PerMille};
pub use planned::{Act, Planned};
pub use witness::Witness;
pub use world::World;
