//! SFTP, both ends: the directory of bulk certificate management on a real server, and the lab's
//! own server.
//!
//! The client speaks version 3 of the protocol, as OpenSSH does, and needs of a server no more than
//! that. Every call ends: by its answer, by a fault in plain words, or by its deadline. The server
//! keeps its files in memory ([`Tree`]), so that a rehearsal leaves nothing behind, and has a limit
//! for whatever a client may cost.

mod bulk;
mod client;
mod directory;
mod fault;
mod files;
mod key;
mod link;
mod server;
mod session;
mod settings;
mod tree;

pub use bulk::Reached;
pub use client::connect;
pub use directory::SftpDirectory;

pub use crate::cluster::bulk::directory::Listed;
pub use fault::{Doing, SftpFault, Unreachable};
pub use key::{AuthorizedKey, Fingerprint, HostKey, KeyError, PinnedKey, ServerKey};
pub use server::{
    Account, Faults, Observed, ServeConfig, ServeEvent, ServeLimits, SharedFaults, SharedTree,
    Writes, serve,
};
pub use settings::{Deadlines, HostKeyPolicy, Login, Offer, SftpSettings, SizeLimits};
pub use tree::{Stat, Tree, TreeFault, TreeLimits, TreePath};
