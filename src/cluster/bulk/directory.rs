//! What the page wants of the directory that the clusters share, and what can come of it.
//!
//! A driver carries operations out in the order in which they are asked for, one at a time, and
//! gives them its own deadline. File names are single components; a driver joins them to the
//! directory of the page's SFTP settings.

use std::fmt;

use thiserror::Error;

/// One operation.
#[derive(Clone, PartialEq, Eq)]
pub enum DirectoryOperation {
    /// The names and sizes of the regular files.
    List,
    /// A file's bytes. More than [`MAX_BYTES`](super::p12::MAX_BYTES) and one are of no use to the
    /// page, so a driver may stop there.
    Read {
        /// The file.
        name: String,
    },
    /// Writes a file anew, in place of one with that name.
    Write {
        /// The file.
        name: String,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Gives a file another name, which is free (in SFTP version 3 a rename onto a file fails).
    Rename {
        /// The name it has.
        from: String,
        /// The name it gets.
        to: String,
    },
    /// Removes a file.
    Remove {
        /// The file.
        name: String,
    },
}

/// In words, as in "failed to ...".
impl fmt::Display for DirectoryOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("list the directory"),
            Self::Read { name } => write!(f, "read {name}"),
            Self::Write { name, bytes } => write!(f, "write {name}, {} bytes", bytes.len()),
            Self::Rename { from, to } => write!(f, "rename {from} to {to}"),
            Self::Remove { name } => write!(f, "remove {name}"),
        }
    }
}

/// Without the bytes.
impl fmt::Debug for DirectoryOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectoryOperation({self})")
    }
}

/// A file in the directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its size in bytes, as the server says; not to be relied on.
    pub bytes: u64,
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryResult {
    /// Of a list.
    Listed(Vec<Listed>),
    /// Of a read.
    Read(Vec<u8>),
    /// Of any other that was done.
    Done,
    /// It was not done, or only in part.
    Failed(DirectoryFault),
}

/// Why an operation was not done, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DirectoryFault {
    /// No connection to the server.
    #[error(
        "the SFTP server cannot be reached: {0}; check that it runs, and host and port of the page's SFTP settings"
    )]
    Unreachable(String),
    /// The server shows another key than before.
    #[error(
        "the SFTP server's host key has changed: {expected} was known, {found} is shown; somebody may be in between: ask who runs the server, and pin the new key only if it was given one"
    )]
    HostKeyChanged {
        /// Fingerprint of the key that was known.
        expected: String,
        /// Fingerprint of the key that is shown.
        found: String,
    },
    /// Wrong user, password or key.
    #[error(
        "the SFTP server refused the login; check user and password of the page's SFTP settings"
    )]
    LoginRefused,
    /// The directory is not there.
    #[error(
        "the directory does not exist on the SFTP server; make it there, or correct it in the page's SFTP settings"
    )]
    NoDirectory,
    /// The file is not there.
    #[error("the file does not exist any more; do the same again")]
    NoFile,
    /// Nothing can be written.
    #[error("the directory is read-only for this user; let the user write there")]
    ReadOnly,
    /// No space is left.
    #[error("the SFTP server's disk is full; make room there, then do the same again")]
    DiskFull,
    /// The connection broke during the operation.
    #[error("the connection was cut; do the same again")]
    Cut,
    /// Anything else, in the server's words.
    #[error("{0}")]
    Other(String),
}

impl DirectoryFault {
    /// True if there is no connection any more on which another operation could be tried.
    pub fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::HostKeyChanged { .. } | Self::LoginRefused | Self::Cut
        )
    }
}
