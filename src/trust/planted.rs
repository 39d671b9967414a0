//! Deliberate defects, to prove that exploration finds what it is there to find. Each switches one
//! check off. They exist in builds with the feature `planted-defects` alone, which no release has.

/// A check that is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Defect {
    /// The ITL is judged by the lists from before the CTL of the same boot.
    ItlAfterNewCtl,
    /// A signer may have any role, in a list and in a TVS answer.
    RoleCheck,
    /// A kept TVS answer never runs out.
    CacheLife,
    /// A list is written over the installed one, not beside it.
    AtomicReplace,
    /// After a download that failed the phone never asks for a file again.
    Retry,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ItlAfterNewCtl,
        Self::RoleCheck,
        Self::CacheLife,
        Self::AtomicReplace,
        Self::Retry,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ItlAfterNewCtl => "itl-after-new-ctl",
            Self::RoleCheck => "role-check",
            Self::CacheLife => "cache-life",
            Self::AtomicReplace => "atomic-replace",
            Self::Retry => "retry",
        }
    }

    /// The defect of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|defect| defect.name() == name)
    }
}
