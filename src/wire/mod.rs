//! Layer 0: bytes to types and back. No IO, no clock, no randomness, no cryptography.
//!
//! Every format has one law: what was parsed is written back byte for byte, and every error says
//! at which offset, which element, and what was expected.

pub mod tftp;
pub mod tvs;

mod error;
mod reader;

pub use error::{WireError, WireErrorKind};
pub use reader::Reader;
