//! What the elements of a message mean.

use super::{Command, STATUS_UNKNOWN};

/// What a phone asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Is this certificate valid, and in which roles? Asked about TLS servers.
    Verify {
        /// `CP-<model>-SEP<MAC>`.
        device: Vec<u8>,
        /// The certificate, DER.
        certificate: Vec<u8>,
    },
    /// Which certificate has this issuer and serial, and in which roles? Asked about signers of
    /// trust lists and configuration files, of which a phone has only the names.
    Query {
        /// `CP-<model>-SEP<MAC>`.
        device: Vec<u8>,
        /// Subject name as the trust list writes it (`CN=...;OU=...`), without the closing NUL.
        subject: Vec<u8>,
        /// Issuer name, in the same way.
        issuer: Vec<u8>,
        /// Serial number, the raw content of the certificate's INTEGER.
        serial: Vec<u8>,
    },
}

impl Request {
    /// The command that asks this.
    pub const fn command(&self) -> Command {
        match self {
            Self::Verify { .. } => Command::VerifyRequest,
            Self::Query { .. } => Command::QueryRequest,
        }
    }

    /// The command of its answer.
    pub const fn response(&self) -> Command {
        match self {
            Self::Verify { .. } => Command::VerifyResponse,
            Self::Query { .. } => Command::QueryResponse,
        }
    }

    /// The device that asks.
    pub fn device(&self) -> &[u8] {
        match self {
            Self::Verify { device, .. } | Self::Query { device, .. } => device,
        }
    }
}

/// What a TVS answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// [`STATUS_FOUND`](super::STATUS_FOUND), or anything else: not known ([`STATUS_UNKNOWN`]).
    pub status: u8,
    /// The certificate, DER: in a positive answer to a query.
    pub certificate: Option<Vec<u8>>,
    /// Role numbers, one byte each as in a trust list.
    pub roles: Option<Vec<u8>>,
    /// How long the answer may be kept, in seconds.
    pub ttl_secs: Option<u32>,
}

impl Answer {
    /// The answer about a certificate that is not known: a status and nothing else, as `tvsd`
    /// writes it.
    pub const fn unknown() -> Self {
        Self {
            status: STATUS_UNKNOWN,
            certificate: None,
            roles: None,
            ttl_secs: None,
        }
    }
}
