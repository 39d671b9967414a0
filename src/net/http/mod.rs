//! HTTP/1.1 over TCP and TLS, both ends, with hyper: files for phones.

mod client;
mod path;
mod server;

pub(crate) use client::connect_or_kind;
pub use client::{Answer, Connection, connect};
pub use server::{Asked, Files, Limits, Reply, ServerEvent, Site, serve, serve_site};
