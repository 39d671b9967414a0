//! What is wrong with some bytes, and where.

use std::fmt;

use thiserror::Error;

/// Bytes that are not what a format says. It names the place: the offset from the start of the
/// file or message, the element, and what was expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("offset {offset}: {element}: {kind}")]
pub struct WireError {
    /// Bytes from the start of the file or message.
    pub offset: usize,
    /// The element that was being read, in the field's words.
    pub element: &'static str,
    /// What is wrong.
    pub kind: WireErrorKind,
}

impl WireError {
    /// An error at `offset`.
    pub const fn new(offset: usize, element: &'static str, kind: WireErrorKind) -> Self {
        Self {
            offset,
            element,
            kind,
        }
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireErrorKind {
    /// The bytes end too early.
    Truncated {
        /// Bytes that the element needs.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// The element's length field says more than its container holds.
    Overrun {
        /// What the length field says.
        length: usize,
        /// What is left in the container.
        left: usize,
        /// The container.
        container: &'static str,
    },
    /// An element of fixed size has another one.
    Length {
        /// The size that the format gives.
        expected: usize,
        /// The size found.
        actual: usize,
    },
    /// Another element was expected here.
    Tag {
        /// The tag that the format gives.
        expected: u8,
        /// The tag found.
        actual: u8,
    },
    /// An element whose tag the format does not know.
    Unknown {
        /// The tag found.
        tag: u8,
    },
    /// An element stands twice where one is allowed.
    Duplicate {
        /// The tag.
        tag: u8,
    },
    /// An element that must be there is not.
    Missing,
    /// A length or a number that contradicts the rest.
    Value {
        /// What was expected, as a short phrase.
        expected: &'static str,
        /// The value found.
        actual: u64,
    },
    /// Bytes that no element accounts for.
    Trailing {
        /// How many.
        length: usize,
    },
    /// More than a limit allows.
    TooLarge {
        /// The limit.
        limit: usize,
        /// What was found.
        actual: usize,
    },
}

impl fmt::Display for WireErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { needed, left } => {
                write!(f, "needs {needed} bytes, {left} are left")
            }
            Self::Overrun {
                length,
                left,
                container,
            } => {
                write!(
                    f,
                    "length {length} runs past the end of {container}, {left} bytes are left"
                )
            }
            Self::Length { expected, actual } => {
                write!(f, "has {actual} bytes, expected {expected}")
            }
            Self::Tag { expected, actual } => {
                write!(f, "found tag {actual}, expected tag {expected}")
            }
            Self::Unknown { tag } => write!(f, "unknown tag {tag}"),
            Self::Duplicate { tag } => write!(f, "tag {tag} stands twice, expected once"),
            Self::Missing => f.write_str("missing"),
            Self::Value { expected, actual } => write!(f, "found {actual}, expected {expected}"),
            Self::Trailing { length } => write!(f, "{length} bytes that no element accounts for"),
            Self::TooLarge { limit, actual } => write!(f, "{actual}, the limit is {limit}"),
        }
    }
}
