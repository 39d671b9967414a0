//! A bounded cursor over bytes that knows its offset in the whole.

use super::{WireError, WireErrorKind};

/// Reads big-endian fields from a slice. Errors carry the offset from the start of the whole file,
/// also in a child reader.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader over the whole of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// A reader over `bytes`, which start at `offset` of the whole.
    #[inline]
    pub fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self {
            left: bytes,
            offset,
        }
    }

    /// Offset of the next byte from the start of the whole.
    #[inline]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes that are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// True when nothing is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// All that is left, which stays.
    #[inline]
    pub fn ahead(&self) -> &'a [u8] {
        self.left
    }

    /// The next byte, which stays.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.left.first().copied()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`WireErrorKind::Truncated`] if fewer are left.
    #[inline]
    pub fn take(&mut self, n: usize, element: &'static str) -> Result<&'a [u8], WireError> {
        match self.left.split_at_checked(n) {
            Some((slice, left)) => {
                self.left = left;
                self.offset += n;
                Ok(slice)
            }
            None => Err(WireError::new(
                self.offset,
                element,
                WireErrorKind::Truncated {
                    needed: n,
                    left: self.left(),
                },
            )),
        }
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`WireErrorKind::Truncated`] if none is left.
    #[inline]
    pub fn u8(&mut self, element: &'static str) -> Result<u8, WireError> {
        Ok(self.take(1, element)?[0])
    }

    /// The next two bytes as a number.
    ///
    /// # Errors
    /// [`WireErrorKind::Truncated`] if fewer are left.
    #[inline]
    pub fn u16(&mut self, element: &'static str) -> Result<u16, WireError> {
        let b = self.take(2, element)?;
        Ok(u16::from_be_bytes([b[0], b[1]]))
    }

    /// The next four bytes as a number.
    ///
    /// # Errors
    /// [`WireErrorKind::Truncated`] if fewer are left.
    pub fn u32(&mut self, element: &'static str) -> Result<u32, WireError> {
        let b = self.take(4, element)?;
        Ok(u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = std::mem::take(&mut self.left);
        self.offset += rest.len();
        rest
    }

    /// A reader over the next `n` bytes, which this one skips.
    ///
    /// # Errors
    /// [`WireErrorKind::Truncated`] if fewer are left.
    pub fn child(&mut self, n: usize, element: &'static str) -> Result<Self, WireError> {
        let base = self.offset();
        Ok(Self::at(self.take(n, element)?, base))
    }
}
