//! TFTP, both ends, as machines without IO: [`Client`] downloads one file, [`Server`] judges
//! requests, and a [`Transfer`] sends one file.
//!
//! All have one shape. `handle_*` takes what happened, with the time; then the caller polls until
//! nothing comes: `poll_transmit` for datagrams to send, `poll_event` for what is worth telling;
//! and `next_timeout` says when to call `handle_timeout`. A caller that polls after each `handle_*`
//! bounds every queue: a call adds at most a few entries.
//!
//! Rules kept that common servers and clients break: no DATA is repeated because of a repeated ACK
//! (the Sorcerer's Apprentice, RFC 1123 section 4.2.3.1), a datagram from a stranger is answered
//! with ERROR 5 and disturbs nothing (RFC 1350 section 4), an acknowledgement of a block that was
//! never sent is ignored, and time-outs adapt and back off (RFC 1123 section 4.2.3.2).

mod blocks;
mod client;
mod server;
mod timing;
mod transfer;

use std::net::SocketAddr;

use crate::wire::tftp::{self as wire, ErrorCode, Packet};

pub use blocks::{MAX_WINDOWSIZE, Rollover};
pub use client::{Client, ClientConfig, ClientEvent, Outcome, ProtocolError, RequestOptions};
pub use server::{
    Answer, Asked, FileError, FileSource, Ignored, OptionLimits, Refusal, Server, ServerConfig,
};
pub use timing::Retransmission;
pub use transfer::{Delivery, Transfer, TransferId};

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where it goes.
    pub to: SocketAddr,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// What both ends agreed on for one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Bytes in a block.
    pub blksize: u16,
    /// Blocks before an acknowledgement.
    pub windowsize: u16,
    /// Seconds before a retransmission, if agreed.
    pub timeout_secs: Option<u8>,
    /// Bytes in the file, if the server said.
    pub tsize: Option<u64>,
}

impl Negotiated {
    /// What holds when no option was acknowledged.
    pub const DEFAULT: Self = Self {
        blksize: wire::DEFAULT_BLKSIZE,
        windowsize: 1,
        timeout_secs: None,
        tsize: None,
    };
}

/// Address and port are the same. The other parts of an IPv6 socket address (flow, scope) may
/// differ between what a caller wrote and what a socket reports.
fn same_end(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.ip() == b.ip()
}

/// The answer to a datagram from outside the transfer, if it gets one.
fn answer_to_stranger(stranger: SocketAddr, datagram: &[u8]) -> Option<Transmit> {
    let answered = datagram.len() >= wire::MIN_PACKET && !wire::is_error(datagram);
    answered.then(|| Transmit {
        to: stranger,
        payload: wire::error_packet(ErrorCode::UNKNOWN_TRANSFER, "Unknown transfer ID"),
    })
}

fn ack(to: SocketAddr, block: u16) -> Transmit {
    Transmit {
        to,
        payload: Packet::Ack { block }.to_bytes(),
    }
}
