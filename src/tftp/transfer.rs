//! The machine that sends one file.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::blocks::Rollover;
use super::server::{Asked, ServerConfig};
use super::timing::Timer;
use super::{Negotiated, Transmit, answer_to_stranger, same_end};
use crate::time::Time;
use crate::wire::tftp::{ErrorCode, Packet};

/// Names a transfer to the [`Server`](super::Server) that started it. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransferId(pub(super) u64);

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The client acknowledged the last block.
    Delivered,
    /// The client said no.
    Refused {
        /// The error's code.
        code: ErrorCode,
        /// Its text, as sent. Show it with [`slice::escape_ascii`].
        text: Vec<u8>,
    },
    /// The client fell silent, or the deadline passed. If only the last block is missing, the
    /// client may well have the whole file: its last acknowledgement was lost.
    TimedOut {
        /// Blocks that the client acknowledged.
        acknowledged: u64,
        /// Blocks that the file has.
        blocks: u64,
    },
}

/// For a log.
impl std::fmt::Display for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Delivered => f.write_str("sent"),
            Self::Refused { code, text } => {
                write!(
                    f,
                    "the client refused: error {}, {}",
                    code.0,
                    text.escape_ascii()
                )
            }
            Self::TimedOut {
                acknowledged,
                blocks,
            } => {
                write!(
                    f,
                    "the client fell silent after {acknowledged} of {blocks} blocks"
                )
            }
        }
    }
}

/// Sends one file to one client, from a port of its own.
///
/// After each `handle_*`, poll [`Self::poll_transmit`] until it gives None. It is over when
/// [`Self::outcome`] says so.
#[derive(Debug)]
pub struct Transfer {
    id: TransferId,
    peer: SocketAddr,
    asked: Arc<Asked>,
    body: Arc<[u8]>,
    negotiated: Negotiated,
    rollover: Rollover,
    /// The OACK, as long as the client has not acknowledged it.
    oack: Option<Vec<u8>>,
    oack_due: bool,
    /// Index of the first block that is not acknowledged; the first block has 1.
    base: u64,
    /// Index of the block to send next, up to the end of the window.
    next: u64,
    /// Index after the highest block that was ever sent.
    sent: u64,
    timer: Timer,
    deadline: Time,
    retransmissions: u32,
    answered: bool,
    for_stranger: Option<Transmit>,
    outcome: Option<Delivery>,
}

/// What a request turned into.
pub(super) struct TransferSetup {
    pub(super) id: TransferId,
    pub(super) peer: SocketAddr,
    pub(super) asked: Arc<Asked>,
    pub(super) body: Arc<[u8]>,
    pub(super) negotiated: Negotiated,
    pub(super) oack: Option<Vec<u8>>,
}

impl Transfer {
    pub(super) fn new(setup: TransferSetup, config: &ServerConfig, now: Time) -> Self {
        let TransferSetup {
            id,
            peer,
            asked,
            body,
            negotiated,
            oack,
        } = setup;
        let mut timer = Timer::new(config.retransmission, now);
        if let Some(secs) = negotiated.timeout_secs {
            timer.agree(Duration::from_secs(u64::from(secs)));
            timer.restart(now);
        }
        Self {
            id,
            peer,
            asked,
            body,
            negotiated,
            rollover: config.rollover,
            oack_due: oack.is_some(),
            oack,
            base: 1,
            next: 1,
            sent: 1,
            timer,
            deadline: now + config.deadline,
            retransmissions: 0,
            answered: false,
            for_stranger: None,
            outcome: None,
        }
    }

    /// Takes a datagram that arrived at this transfer's port. Anything may arrive.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        if !same_end(from, self.peer) {
            self.for_stranger = answer_to_stranger(from, datagram);
            return;
        }
        if self.outcome.is_some() {
            return;
        }
        // What cannot be read changes nothing: the client will repeat itself.
        match Packet::parse(datagram) {
            Ok(Packet::Ack { block }) => self.handle_ack(now, block),
            Ok(Packet::Error(error)) => {
                let text = error.text().to_vec();
                self.outcome = Some(Delivery::Refused {
                    code: error.code,
                    text,
                });
            }
            _ => {}
        }
    }

    /// Looks at the time. Too early does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.outcome.is_some() || now < self.timer.due().min(self.deadline) {
            return;
        }
        if now >= self.deadline || self.timer.expire(now).is_none() {
            self.outcome = Some(Delivery::TimedOut {
                acknowledged: self.base - 1,
                blocks: self.blocks(),
            });
            return;
        }
        self.retransmissions += 1;
        self.oack_due = self.oack.is_some();
        self.next = self.base;
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(transmit) = self.for_stranger.take() {
            return Some(transmit);
        }
        if self.outcome.is_some() {
            return None;
        }
        if let Some(oack) = &self.oack {
            let due = std::mem::take(&mut self.oack_due);
            return due.then(|| Transmit {
                to: self.peer,
                payload: oack.clone(),
            });
        }
        let window_end = self.base + u64::from(self.negotiated.windowsize);
        if self.next >= window_end || self.next > self.blocks() {
            return None;
        }
        let blksize = usize::from(self.negotiated.blksize);
        // No more than `body.len()`, as `next` is a block of the file.
        let start = (self.next - 1) as usize * blksize;
        let data = &self.body[start..self.body.len().min(start + blksize)];
        let block = self.rollover.number(self.next);
        self.next += 1;
        self.sent = self.sent.max(self.next);
        Some(Transmit {
            to: self.peer,
            payload: Packet::Data { block, data }.to_bytes(),
        })
    }

    /// When to call [`Self::handle_timeout`]; None when the transfer is over.
    pub fn next_timeout(&self) -> Option<Time> {
        self.outcome
            .is_none()
            .then(|| self.timer.due().min(self.deadline))
    }

    /// How the transfer ended, if it has.
    pub fn outcome(&self) -> Option<&Delivery> {
        self.outcome.as_ref()
    }

    /// Its name at the server.
    pub fn id(&self) -> TransferId {
        self.id
    }

    /// The client's end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What the client asked.
    pub fn asked(&self) -> &Arc<Asked> {
        &self.asked
    }

    /// What holds for this transfer.
    pub fn negotiated(&self) -> Negotiated {
        self.negotiated
    }

    /// Bytes that travel: those of the file, or of its netascii form.
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// How often a window, or the OACK, was repeated.
    pub fn retransmissions(&self) -> u32 {
        self.retransmissions
    }

    /// True once the client has answered; tell it to
    /// [`Server::handle_answered`](super::Server::handle_answered).
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// Blocks of the file; the last one is shorter than the others, at times empty.
    fn blocks(&self) -> u64 {
        (self.body.len() / usize::from(self.negotiated.blksize)) as u64 + 1
    }

    fn handle_ack(&mut self, now: Time, block: u16) {
        if self.oack.is_some() {
            if block == 0 {
                self.oack = None;
                self.answered = true;
                self.timer.progress(now);
            }
            return;
        }
        // Blocks from `base` up to the highest one sent can be acknowledged. Anything else is a
        // repeated or late acknowledgement, which must not make DATA go out again, or names a block
        // that was never sent.
        let Some(ahead) = self.rollover.ahead(block, self.base) else {
            return;
        };
        if self.base + ahead >= self.sent {
            return;
        }
        self.answered = true;
        self.base += ahead + 1;
        self.timer.progress(now);
        // An acknowledgement from inside the window says: go on from there (RFC 7440 section 4).
        self.next = self.base;
        if self.base > self.blocks() {
            self.outcome = Some(Delivery::Delivered);
        }
    }
}

#[cfg(test)]
mod tests;
