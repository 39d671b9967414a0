//! The lists that a phone holds.

use std::fmt;
use std::sync::Arc;

use super::rules::{CtlSearchedIn, ItlSearchedIn, Settings};
use crate::wire::{ListKind, Role, Strictness, TrustList, WireError};

/// A list as it is installed. Phones that hold the same list share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledList {
    /// Which list.
    pub kind: ListKind,
    /// The file's bytes.
    pub bytes: Arc<[u8]>,
    /// What it says.
    pub list: TrustList<Vec<u8>>,
    /// True if it was installed in this boot.
    pub is_new: bool,
}

impl InstalledList {
    /// Reads a list that was accepted before, so only its structure matters.
    ///
    /// # Errors
    /// The first place where the bytes are not a list.
    pub fn parse(kind: ListKind, bytes: Arc<[u8]>) -> Result<Self, WireError> {
        // What was installed under one setting must load under another.
        let tolerant = Strictness {
            refuse_duplicates: false,
            ..Strictness::default()
        };
        let list = TrustList::parse(&bytes, &tolerant)?.to_owned();
        Ok(Self {
            kind,
            bytes,
            list,
            is_new: false,
        })
    }

    /// For messages: `installed ITL`, `new CTL`.
    pub fn label(&self) -> String {
        self.name().to_owned()
    }

    /// [`Self::label`], without a copy.
    pub(super) fn name(&self) -> &'static str {
        match (self.is_new, self.kind) {
            (false, ListKind::Ctl) => "installed CTL",
            (false, ListKind::Itl) => "installed ITL",
            (true, ListKind::Ctl) => "new CTL",
            (true, ListKind::Itl) => "new ITL",
        }
    }
}

impl fmt::Display for InstalledList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} records)", self.name(), self.list.records.len())
    }
}

/// The lists that count for a decision.
#[derive(Clone, Copy, Debug, Default)]
pub struct InForce<'a> {
    /// The CTL.
    pub ctl: Option<&'a InstalledList>,
    /// The ITL.
    pub itl: Option<&'a InstalledList>,
}

impl<'a> InForce<'a> {
    /// The installed list of a kind.
    pub fn installed(&self, kind: ListKind) -> Option<&'a InstalledList> {
        match kind {
            ListKind::Ctl => self.ctl,
            ListKind::Itl => self.itl,
        }
    }

    /// Both lists, CTL first.
    pub fn all(&self) -> Vec<&'a InstalledList> {
        self.ctl.into_iter().chain(self.itl).collect()
    }

    /// The lists in which the signer of a new list of `kind` is looked for, in order.
    pub fn searched_for(&self, kind: ListKind, s: &Settings) -> Vec<&'a InstalledList> {
        let ctl_alone = match kind {
            ListKind::Ctl => s.word::<CtlSearchedIn>() == CtlSearchedIn::CtlFirst,
            ListKind::Itl => s.word::<ItlSearchedIn>() == ItlSearchedIn::Ctl,
        };
        match self.ctl {
            Some(ctl) if ctl_alone => vec![ctl],
            _ => self.all(),
        }
    }

    /// True if the ITL is the empty one of a rollback and no CTL with TFTP certificates stands
    /// beside it.
    pub fn is_prepared_for_rollback(&self) -> bool {
        let ctl_is_empty = self
            .ctl
            .is_none_or(|l| !l.list.has_certificate_with(Role::signs_files));
        self.itl.is_some_and(|l| l.list.is_empty_for_rollback()) && ctl_is_empty
    }

    /// The certificates of the TVS records, with the list that holds each.
    pub fn tvs_certificates(&self) -> Vec<(&'a InstalledList, &'a [u8])> {
        let of = |l: &'a InstalledList| {
            let tvs = l.list.records.iter().filter(|r| r.role() == Role::Tvs);
            tvs.filter_map(move |r| Some((l, r.certificate()?)))
        };
        self.all().into_iter().flat_map(of).collect()
    }
}
