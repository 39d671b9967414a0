//! Trust verification service machines, both ends, without IO.
//!
//! One question travels over one connection: the client writes a request, the server answers and
//! closes. TLS lies below and belongs to the driver; what the answer means for a trust list belongs
//! to the phone.

mod client;
mod server;

pub use client::{ClientSettings, Exchange, ExchangeError};
pub use server::{
    CertificateSource, Found, Miss, RefuseReason, ServerEvent, ServerExchange, ServerSettings,
};
