//! Why an SFTP call came to nothing.

use std::fmt;
use std::io;
use std::time::Duration;

use thiserror::Error;

use super::key::{Fingerprint, HostKey};

/// Why a call came to nothing, in words for whoever runs the exchange.
///
/// What a server said is quoted with its control characters escaped, and cut after 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SftpFault {
    /// No TCP connection.
    #[error("SFTP server {address} cannot be reached: {why}")]
    Unreachable {
        /// Host and port as they were given.
        address: String,
        /// What stood in the way.
        why: Unreachable,
    },
    /// The server is not the one whose key is pinned. Nothing was sent to it, no password either.
    #[error("the host key of {address} has changed: expected {expected}, found {found}")]
    HostKeyChanged {
        /// Host and port as they were given.
        address: String,
        /// The pinned key.
        expected: Fingerprint,
        /// The key that the server has.
        found: Box<HostKey>,
    },
    /// The server does not take the password or the key.
    #[error("SFTP server refuses the login of {user}{}", Offers(offers))]
    LoginRefused {
        /// Who wanted in.
        user: String,
        /// The ways that the server would take instead, by their SSH names; may be empty.
        offers: Vec<String>,
    },
    /// Our own private key cannot be used. The text says why; no connection was made.
    #[error("the login key cannot be used: {0}")]
    LoginKey(String),
    /// The directory does not exist, or is a file.
    #[error("SFTP server has no directory {directory:?}")]
    NoDirectory {
        /// As it was given.
        directory: String,
    },
    /// There is no such file in the directory.
    #[error("SFTP server has no file {file:?}")]
    NoSuchFile {
        /// Its name.
        file: String,
    },
    /// A rename found its new name taken, which version 3 of the protocol refuses.
    #[error("{file:?} exists already on the SFTP server")]
    Exists {
        /// The name that is taken.
        file: String,
    },
    /// The user may not do that.
    #[error("SFTP server denies permission for {file:?}")]
    PermissionDenied {
        /// The file, or the directory where it is about that.
        file: String,
    },
    /// The server's file system takes no writes.
    #[error("{file:?} cannot be written: the SFTP server's file system is read-only")]
    ReadOnly {
        /// The file.
        file: String,
    },
    /// The server's disk is full. The file is there in part.
    #[error("{file:?} cannot be written whole: the SFTP server's disk is full")]
    DiskFull {
        /// The file.
        file: String,
    },
    /// The server failed and does not say more: version 3 has one code for most failures.
    #[error("SFTP server failed with {file:?}: {said}")]
    Failed {
        /// The file, or the directory where it is about that.
        file: String,
        /// The server's words.
        said: String,
    },
    /// The server was silent for too long. The connection is given up.
    #[error("no answer from the SFTP server within {within:?} while {doing}")]
    NoAnswer {
        /// What was under way.
        doing: Doing,
        /// The deadline.
        within: Duration,
    },
    /// The connection ended in the middle. A file that was being written is there in part.
    #[error("the connection to the SFTP server was cut while {doing}")]
    Cut {
        /// What was under way.
        doing: Doing,
    },
    /// A file, or the number of files, is above the limit.
    #[error("{what} is above the limit of {limit} {unit}")]
    TooLarge {
        /// The file, or the directory.
        what: String,
        /// The limit.
        limit: u64,
        /// What the limit counts: `bytes` or `files`.
        unit: &'static str,
    },
    /// A name that is not a plain file name; it was not sent.
    #[error("{name:?} is not a plain file name")]
    BadName {
        /// The name.
        name: String,
    },
    /// The peer does not speak SSH or SFTP as it should, or has no way in common with us.
    #[error("not a usable SFTP server: {0}")]
    Protocol(String),
}

/// Why there is no TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreachable {
    /// Nothing listens at the port.
    #[error("connection refused")]
    Refused,
    /// Nobody answered in this time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// There is no way to the network or the host.
    #[error("no route to it")]
    NoRoute,
    /// The name has no address.
    #[error("the name is not known")]
    UnknownHost,
    /// Something else that the system says.
    #[error("{0}")]
    Other(io::ErrorKind),
}

impl From<&io::Error> for Unreachable {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::NoRoute,
            kind => Self::Other(kind),
        }
    }
}

/// What was under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// SSH versions and key exchange, up to the check of the host key.
    KeyExchange,
    /// Password or key.
    Login,
    /// Start of the SFTP subsystem, and the look at the directory.
    Opening,
    /// Listing the directory.
    Listing,
    /// Reading this file.
    Reading(String),
    /// Writing this file.
    Writing(String),
    /// Renaming this file.
    Renaming(String),
    /// Removing this file.
    Removing(String),
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyExchange => f.write_str("exchanging keys"),
            Self::Login => f.write_str("logging in"),
            Self::Opening => f.write_str("opening the directory"),
            Self::Listing => f.write_str("listing the directory"),
            Self::Reading(file) => write!(f, "reading {file:?}"),
            Self::Writing(file) => write!(f, "writing {file:?}"),
            Self::Renaming(file) => write!(f, "renaming {file:?}"),
            Self::Removing(file) => write!(f, "removing {file:?}"),
        }
    }
}

struct Offers<'a>(&'a [String]);

impl fmt::Display for Offers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, " (it takes {})", self.0.join(", "))
    }
}

/// A server's words as they may be shown.
pub(super) fn quoted(said: &str) -> String {
    const SHOWN: usize = 200;
    let shown: String = said.chars().take(SHOWN).collect();
    shown.escape_debug().to_string()
}
