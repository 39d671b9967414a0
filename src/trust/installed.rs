//! The lists that a phone holds.

use std::fmt;
use std::sync::Arc;

use super::certificate::{Certificate, CertificateError, Dates, PublicKey};
use super::own_signature::check_against;
use super::rules::{CtlSearchedIn, ItlSearchedIn, Settings};
use super::search::SignerId;
use crate::wire::header::serial_number;
use crate::wire::{ListKind, Record, Role, Strictness, TrustList, WireError};

/// A list as it is installed. Phones that hold the same list share it, so a copy is cheap. What every decision needs of
/// it is worked out once, when it is read; so nothing but `is_new` may change afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledList {
    /// Which list.
    pub kind: ListKind,
    /// The file's bytes.
    pub bytes: Arc<[u8]>,
    /// What it says.
    pub list: Arc<TrustList<Vec<u8>>>,
    /// True if it was installed in this boot.
    pub is_new: bool,
    /// The records that hold a certificate, in the file's order.
    signers: Arc<[InstalledSigner]>,
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
        let signers = list.records.iter().enumerate();
        let signers = signers.filter_map(|(i, record)| InstalledSigner::of(i, record));
        Ok(Self {
            kind,
            bytes,
            signers: signers.collect(),
            list: Arc::new(list),
            is_new: false,
        })
    }

    /// For messages: `installed ITL`, `new CTL`.
    pub fn label(&self) -> String {
        self.name().to_string()
    }

    /// [`Self::label`], as it is kept in a decision.
    pub(super) fn name(&self) -> ListLabel {
        ListLabel {
            kind: self.kind,
            is_new: self.is_new,
        }
    }

    /// The records that hold a certificate.
    pub(super) fn signers(&self) -> &[InstalledSigner] {
        &self.signers
    }

    /// The certificate of one of them.
    pub(super) fn certificate_of(&self, signer: &InstalledSigner) -> Option<&[u8]> {
        self.list.records.get(signer.record)?.certificate()
    }

    /// True if a record has this certificate and the serial number and key of `record`, and agrees
    /// with the certificate.
    pub(super) fn holds_checked(&self, record: &Record<&[u8]>, certificate: &[u8]) -> bool {
        let is_same = |own: &Record<Vec<u8>>| {
            own.certificate() == Some(certificate)
                && own.serial() == record.serial()
                && own.public_key() == record.public_key()
        };
        let checked = self.signers.iter().filter(|s| s.agrees);
        checked
            .filter_map(|s| self.list.records.get(s.record))
            .any(is_same)
    }

    /// True if a record has such a role and a certificate.
    pub(super) fn has_signer_with(&self, wanted: impl Fn(Role) -> bool) -> bool {
        self.signers.iter().any(|s| wanted(s.role))
    }
}

impl fmt::Display for InstalledList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} records)", self.name(), self.list.records.len())
    }
}

/// What a list is called in a sentence: `installed ITL`, `new CTL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLabel {
    /// Which list.
    pub kind: ListKind,
    /// True if it was installed in this boot.
    pub is_new: bool,
}

impl ListLabel {
    /// The label's text.
    pub fn as_str(self) -> &'static str {
        match (self.is_new, self.kind) {
            (false, ListKind::Ctl) => "installed CTL",
            (false, ListKind::Itl) => "installed ITL",
            (true, ListKind::Ctl) => "new CTL",
            (true, ListKind::Itl) => "new ITL",
        }
    }
}

impl fmt::Display for ListLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record with a certificate, as a search for a signer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InstalledSigner {
    /// Index of the record, from 0.
    pub(super) record: usize,
    /// Who it is, by the record's own fields; none if it lacks issuer or serial number.
    pub(super) id: Option<Arc<SignerId>>,
    pub(super) role: Role,
    /// What a signature is checked by.
    pub(super) key: Result<SignerKey, CertificateError>,
    /// True if the record's fields agree with its certificate.
    agrees: bool,
}

impl InstalledSigner {
    fn of(index: usize, record: &Record<Vec<u8>>) -> Option<Self> {
        let certificate = record.certificate()?;
        let id = match (record.issuer(), record.serial()) {
            (Some(issuer), Some(serial)) => Some(Arc::new(SignerId {
                subject: record.subject().unwrap_or_default().to_vec(),
                issuer: issuer.to_vec(),
                serial: serial_number(serial).to_vec(),
            })),
            _ => None,
        };
        let certificate = Certificate::parse(certificate);
        Some(Self {
            record: index,
            id,
            role: record.role(),
            agrees: certificate.is_ok_and(|c| check_against(record, &c).is_ok()),
            key: certificate.map(|c| SignerKey::of(&c)),
        })
    }
}

/// What a decision wants of a signer's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignerKey {
    pub(super) dates: Dates,
    /// PKCS#1 and the modulus's bits; none for a key that is not RSA.
    rsa: Option<(Box<[u8]>, usize)>,
}

impl SignerKey {
    pub(super) fn of(certificate: &Certificate<'_>) -> Self {
        Self {
            dates: Dates::of(certificate),
            rsa: match certificate.public_key {
                PublicKey::Rsa { pkcs1, bits } => Some((pkcs1.into(), bits)),
                _ => None,
            },
        }
    }

    pub(super) fn public_key(&self) -> PublicKey<'_> {
        match &self.rsa {
            Some((pkcs1, bits)) => PublicKey::Rsa { pkcs1, bits: *bits },
            None => PublicKey::Other,
        }
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
        self.iter().collect()
    }

    /// [`Self::all`], without a place of its own.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a InstalledList> + use<'a> {
        self.ctl.into_iter().chain(self.itl)
    }

    /// Those of the lists in which the signer of a new list of `kind` is looked for.
    pub fn searched_for(&self, kind: ListKind, s: &Settings) -> Self {
        let ctl_alone = match kind {
            ListKind::Ctl => s.word::<CtlSearchedIn>() == CtlSearchedIn::CtlFirst,
            ListKind::Itl => s.word::<ItlSearchedIn>() == ItlSearchedIn::Ctl,
        };
        Self {
            ctl: self.ctl,
            itl: self.itl.filter(|_| self.ctl.is_none() || !ctl_alone),
        }
    }

    /// True if the ITL is the empty one of a rollback and no CTL with TFTP certificates stands
    /// beside it.
    pub fn is_prepared_for_rollback(&self) -> bool {
        let signs_files = |list: &InstalledList| list.has_signer_with(Role::signs_files);
        self.has_blank_itl() && !self.ctl.is_some_and(signs_files)
    }

    /// True if the ITL is the empty one of a rollback: without a TFTP and a TVS certificate.
    pub fn has_blank_itl(&self) -> bool {
        self.itl
            .is_some_and(|l| !l.has_signer_with(|role| role.signs_files() || role == Role::Tvs))
    }

    /// The list that holds this certificate as one of a file server: with a role that signs files.
    pub fn file_server(&self, certificate: &[u8]) -> Option<&'a InstalledList> {
        self.iter().find(|list| {
            let mut all = list.signers().iter().filter(|s| s.role.signs_files());
            all.any(|s| list.certificate_of(s) == Some(certificate))
        })
    }

    /// The certificates of the TVS records, with the list that holds each.
    pub fn tvs_certificates(&self) -> Vec<(&'a InstalledList, &'a [u8])> {
        let of = |l: &'a InstalledList| {
            let tvs = l.list.records.iter().filter(|r| r.role() == Role::Tvs);
            tvs.filter_map(move |r| Some((l, r.certificate()?)))
        };
        self.iter().flat_map(of).collect()
    }
}
