//! DHCP on real sockets: drives the machines of [`crate::dhcp`].
//!
//! The client takes a lease and tells what is in it. It does not touch the interface: its address,
//! routes and name servers stay as they are.

mod client;
mod open;
mod server;

pub use client::{Link, Running};
pub use open::{OpenError, client_socket, server_socket};
pub use server::{Answering, Observer, serve, shared};
