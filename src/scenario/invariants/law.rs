//! The laws by name.

use std::fmt;

use crate::time::Time;

/// What has to hold. The name is stable: reports and scripts give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// An installed list has a signer that was trusted when it was installed.
    SignerTrusted,
    /// The signer of an installed list had a role that signs lists.
    SignerInRole,
    /// The signature of an installed list holds over its bytes.
    SignatureHolds,
    /// A list that was taken without a known signer is marked so in its event, and no other is.
    LeapMarked,
    /// A TVS answer is used within its life time.
    AnswerInTime,
    /// A TVS answer is used for the roles that it gives.
    AnswerInRole,
    /// A TVS answer is used for the certificate that was asked about.
    AnswerForItsCertificate,
    /// A TVS answer is used while the installed lists hold the certificate of the server that gave
    /// it, so while that is one of the phone's own cluster.
    AnswerOfOwnCluster,
    /// A TVS is asked whose certificate the installed lists hold: one of the phone's own cluster.
    ServerInLists,
    /// TVS is not asked where the installed lists suffice.
    TvsNotNeeded,
    /// An installed list is there, and whole, after every flash operation and every power cut.
    ListsWhole,
    /// Nothing but an accepted list, a hand at the phone or a factory reset changes what is installed.
    ListsKept,
    /// A configuration is taken from a signer that the lists or a TVS answer let sign it, and an
    /// unsigned one only by a phone that asks for unsigned ones.
    ConfigurationTrusted,
    /// Every boot ends, within bounded time and events.
    BootEnds,
    /// After faults stop, every phone that the rules let migrate does so within
    /// [`super::TRIES`] boots.
    MigratesAfterFaults,
}

impl Law {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::SignerTrusted,
        Self::SignerInRole,
        Self::SignatureHolds,
        Self::LeapMarked,
        Self::AnswerInTime,
        Self::AnswerInRole,
        Self::AnswerForItsCertificate,
        Self::AnswerOfOwnCluster,
        Self::ServerInLists,
        Self::TvsNotNeeded,
        Self::ListsWhole,
        Self::ListsKept,
        Self::ConfigurationTrusted,
        Self::BootEnds,
        Self::MigratesAfterFaults,
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignerTrusted => "signer-trusted",
            Self::SignerInRole => "signer-in-role",
            Self::SignatureHolds => "signature-holds",
            Self::LeapMarked => "leap-marked",
            Self::AnswerInTime => "tvs-answer-in-time",
            Self::AnswerInRole => "tvs-answer-in-role",
            Self::AnswerForItsCertificate => "tvs-answer-for-its-certificate",
            Self::AnswerOfOwnCluster => "tvs-answer-of-own-cluster",
            Self::ServerInLists => "tvs-server-in-lists",
            Self::TvsNotNeeded => "tvs-not-needed",
            Self::ListsWhole => "lists-whole",
            Self::ListsKept => "lists-kept",
            Self::ConfigurationTrusted => "configuration-trusted",
            Self::BootEnds => "boot-ends",
            Self::MigratesAfterFaults => "migrates-after-faults",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A law that a run broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub law: Law,
    /// When.
    pub at: Time,
    /// The phone.
    pub device: String,
    /// What was seen.
    pub text: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            law,
            at,
            device,
            text,
        } = self;
        write!(f, "{law}: {device} at {at} s: {text}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_kebab_case_and_unique() {
        let names: BTreeSet<_> = Law::ALL.iter().map(|law| law.name()).collect();
        assert_eq!(names.len(), Law::ALL.len());
        let plain = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(names.iter().all(|name| plain(name)));
    }
}
