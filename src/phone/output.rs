//! What a phone wants its driver to do.

use std::net::SocketAddr;
use std::sync::Arc;

use super::flash::FlashOperation;
use crate::event::Event;

/// What the machine wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a datagram. A transfer has a socket of its own.
    Datagram {
        /// The transfer.
        transfer: u32,
        /// Where to.
        to: SocketAddr,
        /// The datagram.
        payload: Vec<u8>,
    },
    /// The transfer's socket is no longer needed.
    CloseTransfer {
        /// The transfer.
        transfer: u32,
    },
    /// Open a connection for one file over HTTP; answer with [`Phone::handle_http`](super::Phone::handle_http). A driver that
    /// cannot tell in time need not: the phone has a deadline of its own.
    HttpOpen {
        /// Number of the request, different from that of every transfer.
        request: u32,
        /// Where to.
        to: SocketAddr,
        /// True if TLS is to come up first. Whatever certificate the server has is right, as long
        /// as it holds its key: the phone judges it.
        tls: bool,
    },
    /// Ask for a file on a connection that is up.
    HttpGet {
        /// Number of the request.
        request: u32,
        /// The path, from its first slash.
        path: String,
        /// Largest body that is taken, in bytes.
        max_bytes: usize,
    },
    /// Close the connection of a request, whatever it is at. Nothing is to be said of it any more.
    HttpClose {
        /// Number of the request.
        request: u32,
    },
    /// Open a TLS connection to a TVS. Only a certificate among `pins` is right.
    TvsConnect {
        /// Number of the connection.
        connection: u32,
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// Certificates that the server may have, DER.
        pins: Vec<Arc<[u8]>>,
    },
    /// Write to a TVS connection.
    TvsWrite {
        /// Number of the connection.
        connection: u32,
        /// Bytes, to be written in one piece.
        bytes: Vec<u8>,
    },
    /// Close a TVS connection.
    TvsClose {
        /// Number of the connection.
        connection: u32,
    },
    /// Change the flash. Operations are to be carried out in order, before what follows.
    Flash {
        /// Number of the operation in this boot, from 1.
        number: u32,
        /// The operation.
        operation: FlashOperation,
    },
    /// Register with a CallManager; answer with [`Phone::handle_registered`](super::Phone::handle_registered).
    Register {
        /// Host name or address.
        host: String,
        /// The LSC that it shows, DER; none for a phone without one, or without TLS.
        lsc: Option<Arc<[u8]>>,
    },
    /// Something to tell.
    Event(Box<Event>),
}
