//! Block numbers: 16 bits on the wire, counted on without end here.

/// The largest window that either end uses. With more than half of all block numbers under way,
/// a late block could not be told from a coming one.
pub const MAX_WINDOWSIZE: u16 = 32_767;

/// The number that follows 65535. RFC 1350 does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollover {
    /// 0: what tftpd-hpa, atftpd and dnsmasq do.
    Zero,
    /// 1: what some older servers do, as 0 stands for "no block yet".
    One,
}

impl Rollover {
    /// The number on the wire of block `index`; the first block has index 1, and 0 is what an
    /// acknowledgement says before it.
    pub(super) fn number(self, index: u64) -> u16 {
        let number = match (self, index) {
            (Self::Zero, _) => index & 0xffff,
            (Self::One, 0) => 0,
            (Self::One, _) => (index - 1) % 65_535 + 1,
        };
        // Both arms stay below 65,536.
        number as u16
    }

    /// How many blocks after block `index` the number `block` comes, going forward round the
    /// numbers; 0 for block `index` itself. None if no block has this number.
    pub(super) fn ahead(self, block: u16, index: u64) -> Option<u64> {
        let (block, from) = (u64::from(block), u64::from(self.number(index)));
        match self {
            Self::Zero => Some((block + 65_536 - from) % 65_536),
            Self::One if block == 0 => (index == 0).then_some(0),
            Self::One => Some((block + 65_535 - from) % 65_535),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_roll_over() {
        let indices = [0, 1, 65_535, 65_536, 65_537, 131_070, 131_071, 131_072];
        let zero: Vec<_> = indices.iter().map(|i| Rollover::Zero.number(*i)).collect();
        let one: Vec<_> = indices.iter().map(|i| Rollover::One.number(*i)).collect();
        assert_eq!(zero, [0, 1, 65_535, 0, 1, 65_534, 65_535, 0]);
        assert_eq!(one, [0, 1, 65_535, 1, 2, 65_535, 1, 2]);
    }

    #[test]
    fn distance_inverts_number() {
        for rollover in [Rollover::Zero, Rollover::One] {
            for index in [1, 2, 700, 65_534, 65_535, 65_536, 131_070, 1 << 40] {
                for ahead in [0, 1, 7, 32_766] {
                    let block = rollover.number(index + ahead);
                    assert_eq!(
                        rollover.ahead(block, index),
                        Some(ahead),
                        "{rollover:?} {index}"
                    );
                }
            }
        }
        assert_eq!(Rollover::One.ahead(0, 5), None);
        assert_eq!(Rollover::One.ahead(0, 0), Some(0));
        assert_eq!(Rollover::One.ahead(1, 0), Some(1));
    }
}
