//! What the command says to the shell. Scripts and CI depend on these numbers.

use std::process;

/// The exit codes, all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// 0: as expected.
    Good,
    /// 1: judged, and negative: an expectation failed, not trusted, stranded.
    Negative,
    /// 2: wrong usage, or something that was opened is malformed.
    Usage,
    /// 3: something cannot be opened or reached: a file, a port, a server.
    Unreachable,
    /// 70: a bug of ours (EX_SOFTWARE of sysexits.h).
    Bug,
}

/// The table that `--help` shows.
pub const HELP: &str = "\
Exit codes:
  0   as expected
  1   judged, and negative: an expectation failed, not trusted, stranded
  2   wrong usage, or something that was opened is malformed
  3   something cannot be opened or reached: a file, a port, a server
  70  a bug of trustline
Of several, 70 wins over 2, 2 over 3, 3 over 1, 1 over 0.";

impl ExitCode {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Negative => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Bug => 70,
        }
    }

    /// The one that counts of two: 70 before 2 before 3 before 1 before 0.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if self.rank() >= other.rank() {
            self
        } else {
            other
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Negative => 1,
            Self::Unreachable => 2,
            Self::Usage => 3,
            Self::Bug => 4,
        }
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_counts() {
        use ExitCode::{Bug, Good, Negative, Unreachable, Usage};
        let order = [Good, Negative, Unreachable, Usage, Bug];
        for (i, &a) in order.iter().enumerate() {
            for (j, &b) in order.iter().enumerate() {
                assert_eq!(a.worst(b), order[i.max(j)], "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn the_help_lists_every_code() {
        for code in [0, 1, 2, 3, 70] {
            assert!(HELP.contains(&format!("\n  {code} ")), "{code}");
        }
    }
}
