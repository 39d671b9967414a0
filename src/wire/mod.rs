//! Layer 0: bytes to types and back. No IO, no clock, no randomness, no cryptography.
//!
//! Every format has one law: what was parsed is written back byte for byte, and every error says
//! at which offset, which element, and what was expected.

pub(crate) mod der;
pub mod element;
pub mod header;
pub mod phone_config;
pub mod signed_file;
pub mod tftp;
pub mod trust_list;
pub mod tvs;

mod error;
mod reader;
mod role;

pub use error::{WireError, WireErrorKind};
pub use header::{Digest, Header, Strictness};
pub use reader::Reader;
pub use role::{Role, join_roles};
pub use signed_file::{Encryption, SignedFile};
pub use trust_list::{ListKind, Record, TrustList};
