//! What a file is, whether its own signature holds, and what a phone with given lists would do
//! with it.

mod human;
mod json;
mod pkcs12;
mod ruling;

pub use human::human;
pub use json::{Entry, SCHEMA_VERSION, document, file_error};
pub use pkcs12::{Bag, Pkcs12, WouldImport};
pub use ruling::{PhoneRuling, Support};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::show::Checksums;
use crate::cluster::bulk::p12::{self, P12Error};
use crate::phone::profile::Profile;
use crate::time::UnixSeconds;
use crate::trust::certificate::{Certificate, CertificateError};
use crate::trust::decide::{policy, strictness};
use crate::trust::decrypt::{DecryptFault, DeviceKey, decrypt};
use crate::trust::installed::InForce;
use crate::trust::own_signature::{self, OwnSignatureFault};
use crate::trust::reason::Code;
use crate::trust::rules::Settings;
use crate::trust::signature::{SignatureCheck, SignatureFault};
use crate::wire::{ListKind, Role, SignedFile, TrustList, WireError};

/// What a file is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A CTL or ITL.
    List(ListKind),
    /// A signed file, encrypted or not.
    SignedFile,
    /// A certificate, PEM or DER.
    Certificate,
    /// A file of bulk certificate management, PKCS#12.
    Pkcs12,
}

/// What a file is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// The phone's firmware.
    pub profile: &'a Profile,
    /// The rules.
    pub settings: &'a Settings,
    /// The lists that the phone holds, if it is asked what a phone would do.
    pub installed: Option<InForce<'a>>,
    /// The phone's private key, to open encrypted files.
    pub device_key: Option<&'a DeviceKey>,
    /// Passwords that PKCS#12 files are tried with, in this order.
    pub passwords: &'a [String],
    /// The phone's clock.
    pub now: UnixSeconds,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The signature holds, and where a phone was asked for, it takes the file.
    Good,
    /// It does not hold, or the phone does not take it, or the body does not open.
    Negative,
    /// The bytes are not such a file.
    Damaged,
}

/// What was found about one file.
#[derive(Debug)]
pub struct Inspection<'a> {
    /// The file's name, as it was given.
    pub name: String,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its checksums.
    pub sums: Checksums,
    /// What it is.
    pub content: Content<'a>,
    /// What the phone would do.
    pub ruling: Option<PhoneRuling>,
    /// What the file looks like, where it is plainly something else, and what to do then.
    pub hint: Option<&'static str>,
    /// Remarks that change nothing.
    pub notes: Vec<String>,
}

/// What a file is.
#[derive(Debug)]
pub enum Content<'a> {
    /// A trust list.
    List {
        /// Which.
        kind: ListKind,
        /// As much of it as could be read.
        list: TrustList<&'a [u8]>,
        /// Whether its own signature holds, and the signer's record, from 0; none if damaged.
        own: Option<Result<usize, OwnSignatureFault>>,
        /// Where reading ended.
        damage: Option<WireError>,
    },
    /// A signed file.
    SignedFile {
        /// As much of it as could be read.
        file: SignedFile<&'a [u8]>,
        /// What the device key made of its body; none without a key, or for a plain file.
        plain: Option<Result<Vec<u8>, DecryptFault>>,
        /// Where reading ended.
        damage: Option<WireError>,
    },
    /// Certificates, DER each.
    Certificates(Vec<Vec<u8>>),
    /// Bytes that should be a certificate and are not.
    NotACertificate(NotACertificate),
    /// A PKCS#12 file, or why it does not open.
    Pkcs12(Result<Pkcs12, P12Error>),
}

/// Why there is no certificate in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotACertificate {
    /// The DER is damaged. Offsets count from the certificate's start, which is the file's for
    /// DER.
    Der {
        /// Where and what.
        error: CertificateError,
        /// True if the certificate stood in PEM, so that the offset is not the file's.
        in_pem: bool,
    },
    /// PEM without a certificate.
    NoPemSection,
}

impl Inspection<'_> {
    /// What came of it. Of a list both count: that its own signature holds, for else no later list
    /// of its signer could follow without TVS, and that the phone takes it.
    pub fn outcome(&self) -> Outcome {
        let damaged = match &self.content {
            Content::List { damage, .. } | Content::SignedFile { damage, .. } => damage.is_some(),
            Content::Certificates(_) => false,
            Content::NotACertificate(_) => true,
            Content::Pkcs12(file) => file.as_ref().map_or(true, Pkcs12::is_damaged),
        };
        if damaged {
            return Outcome::Damaged;
        }
        let holds = match &self.content {
            Content::List { own, .. } => matches!(own, Some(Ok(_))),
            // Only the lists of a phone say whose certificate signs files.
            Content::SignedFile { plain, .. } => {
                self.ruling.is_some() && !matches!(plain, Some(Err(_)))
            }
            Content::Certificates(_) | Content::NotACertificate(_) | Content::Pkcs12(_) => true,
        };
        let taken = self.ruling.as_ref().is_none_or(PhoneRuling::is_taken);
        if holds && taken {
            Outcome::Good
        } else {
            Outcome::Negative
        }
    }
}

/// Looks at one file. `name` is the path as it was given: its last part says what a phone asked
/// for, and what kind of file it is, unless `kind` does.
pub fn inspect<'a>(
    name: &str,
    bytes: &'a [u8],
    kind: Option<Kind>,
    judge: &Judge<'_>,
) -> Inspection<'a> {
    let kind = kind.unwrap_or_else(|| kind_of(name, bytes));
    let mut notes = Vec::new();
    let mut ruling = None;
    let content = match kind {
        Kind::List(kind) => {
            let content = read_list(kind, bytes, judge.settings);
            if let Content::List {
                list, damage: None, ..
            } = &content
            {
                list_notes(name, kind, list, bytes, judge.settings, &mut notes);
            }
            ruling = PhoneRuling::of_list(kind, bytes, judge);
            content
        }
        Kind::SignedFile => {
            let (file, damage) = SignedFile::parse_partial(bytes, &strictness(judge.settings));
            let plain = match judge.device_key {
                Some(key) if damage.is_none() && file.encryption().is_some() => {
                    Some(decrypt(&file, key))
                }
                _ => None,
            };
            ruling = PhoneRuling::of_file(base_name(name), bytes, judge);
            Content::SignedFile {
                file,
                plain,
                damage,
            }
        }
        Kind::Certificate => read_certificates(bytes),
        Kind::Pkcs12 => {
            let opened = Pkcs12::open(base_name(name), bytes, judge.passwords, judge.now);
            Content::Pkcs12(opened)
        }
    };
    Inspection {
        name: name.to_owned(),
        bytes,
        sums: Checksums::of(bytes),
        content,
        ruling,
        hint: looks_like(kind, bytes),
        notes,
    }
}

/// The reason code of a list's own signature that does not hold.
pub fn own_signature_code(fault: &OwnSignatureFault) -> Code {
    match fault {
        OwnSignatureFault::NoSast => Code::NoSastRecord,
        OwnSignatureFault::SignerNotInList
        | OwnSignatureFault::SignerHasOtherRole { .. }
        | OwnSignatureFault::SignerWithoutCertificate { .. } => Code::OwnSignatureFails,
        OwnSignatureFault::Ambiguous { .. } => Code::SignerAmbiguous,
        OwnSignatureFault::RecordMismatch { .. } => Code::RecordMismatch,
        OwnSignatureFault::Signature { fault, .. } => match fault {
            SignatureFault::DigestUnsupported(_) => Code::DigestUnsupported,
            SignatureFault::KeyTooSmall { .. } => Code::KeyTooSmall,
            SignatureFault::KeyNotRsa | SignatureFault::KeyTooLarge { .. } => Code::KeyUnsupported,
            SignatureFault::WrongLength { .. } | SignatureFault::Mismatch => {
                Code::SignatureMismatch
            }
        },
    }
}

/// The last part of a path, of either kind.
pub fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// What a file is, by its name or else by its content.
pub fn kind_of(name: &str, bytes: &[u8]) -> Kind {
    let base = base_name(name).to_ascii_lowercase();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|s| base.ends_with(s));
    if ends(&[".sgn"]) {
        return Kind::SignedFile;
    }
    if ends(&[".p12", ".pfx"]) {
        return Kind::Pkcs12;
    }
    if ends(&[".pem", ".der", ".crt", ".cer"]) {
        return Kind::Certificate;
    }
    if ends(&[".tlv"]) {
        return Kind::List(list_kind_of(name, bytes));
    }
    if p12::looks_like(bytes) {
        return Kind::Pkcs12;
    }
    if starts_like_pem(bytes) || bytes.first() == Some(&0x30) {
        return Kind::Certificate;
    }
    // What has records, or the name of a list, is a list; its version is that of lists.
    let list = TrustList::parse_partial(bytes, &Default::default()).list;
    let named = own_list_kind(&list).is_some();
    if named || !list.records.is_empty() || ListKind::of_file_name(name).is_some() {
        Kind::List(list_kind_of(name, bytes))
    } else {
        Kind::SignedFile
    }
}

/// Which list, by the file's name, the name inside, or its records.
pub fn list_kind_of(name: &str, bytes: &[u8]) -> ListKind {
    if let Some(kind) = ListKind::of_file_name(name) {
        return kind;
    }
    let list = TrustList::parse_partial(bytes, &Default::default()).list;
    // Every cluster with an ITL has one; a CTL is the rarer file.
    own_list_kind(&list).unwrap_or(ListKind::Itl)
}

fn own_list_kind(list: &TrustList<&[u8]>) -> Option<ListKind> {
    let own_name = list.header.file_name()?;
    [ListKind::Ctl, ListKind::Itl]
        .into_iter()
        .find(|k| k.file_name().as_bytes() == own_name)
}

fn read_list<'a>(kind: ListKind, bytes: &'a [u8], settings: &Settings) -> Content<'a> {
    let partial = TrustList::parse_partial(bytes, &strictness(settings));
    let own = partial.fault.is_none().then(|| {
        own_signature::check_list(
            &partial.list,
            bytes,
            &policy(settings),
            &mut SignatureCheck::new(),
        )
    });
    Content::List {
        kind,
        list: partial.list,
        own,
        damage: partial.fault,
    }
}

fn list_notes(
    name: &str,
    kind: ListKind,
    list: &TrustList<&[u8]>,
    bytes: &[u8],
    settings: &Settings,
    notes: &mut Vec<String>,
) {
    use crate::trust::rules::Key;

    let by_name = ListKind::of_file_name(name);
    match own_list_kind(list) {
        Some(own) if own != kind => notes.push(format!(
            "read as a {kind}, and it names itself {}",
            own.file_name()
        )),
        None if by_name.is_none() => notes.push(format!(
            "read as an {kind}: neither its name nor the name inside tells; --as ctl reads it as \
             a CTL"
        )),
        _ => {}
    }
    let limit = settings.count(Key::ListMaxBytes);
    if bytes.len() as u64 > limit {
        notes.push(format!(
            "{} bytes: phones load lists of at most {limit} (list.max_bytes)",
            bytes.len()
        ));
    }
    // The rollback empties the ITL alone (Cisco 213407).
    let is_signed_by_a_cluster = list.records.iter().any(|r| r.role() == Role::Sast);
    if kind == ListKind::Itl && list.is_empty_for_rollback() && is_signed_by_a_cluster {
        notes.push(
            "no certificate for TFTP and none for TVS: the empty list of a rollback, after which \
             a phone takes any ITL and unsigned configurations"
                .into(),
        );
    }
}

fn starts_like_pem(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"-----BEGIN")
}

fn read_certificates(bytes: &[u8]) -> Content<'static> {
    let in_pem = starts_like_pem(bytes) || bytes.windows(10).any(|w| w == b"-----BEGIN");
    let der: Vec<Vec<u8>> = if in_pem {
        CertificateDer::pem_slice_iter(bytes)
            .filter_map(|c| c.ok().map(|c| c.to_vec()))
            .collect()
    } else {
        vec![bytes.to_vec()]
    };
    if der.is_empty() {
        return Content::NotACertificate(NotACertificate::NoPemSection);
    }
    for certificate in &der {
        if let Err(error) = Certificate::parse(certificate) {
            return Content::NotACertificate(NotACertificate::Der { error, in_pem });
        }
    }
    Content::Certificates(der)
}

/// A guess for a file that is plainly something else.
fn looks_like(kind: Kind, bytes: &[u8]) -> Option<&'static str> {
    let start = bytes.trim_ascii_start();
    let list = || TrustList::parse_partial(bytes, &Default::default()).list;
    let is_list = || !list().records.is_empty();
    match kind {
        _ if bytes.is_empty() => Some(
            "the file is empty; a server without this file may answer so: look whether its \
             TFTP service serves it",
        ),
        Kind::List(_) | Kind::SignedFile if start.starts_with(b"<") => Some(
            "this looks like XML or a web page: an unsigned file, or the error page of a server; \
             fetch the file again, by TFTP or from TCP port 6970",
        ),
        Kind::List(_) | Kind::SignedFile | Kind::Certificate if p12::looks_like(bytes) => {
            Some("this looks like a PKCS#12 file: --as pkcs12")
        }
        Kind::Pkcs12 if starts_like_pem(bytes) || Certificate::parse(bytes).is_ok() => {
            Some("this looks like a certificate: --as certificate")
        }
        Kind::List(_) | Kind::SignedFile
            if starts_like_pem(bytes) || bytes.starts_with(&[0x30, 0x82]) =>
        {
            Some("this looks like a certificate: --as certificate")
        }
        Kind::List(_)
            if list()
                .header
                .file_name()
                .is_some_and(|n| n.ends_with(b".sgn")) =>
        {
            Some("this looks like a signed file: --as sgn")
        }
        Kind::SignedFile if is_list() => Some("this looks like a trust list: --as ctl or --as itl"),
        _ => None,
    }
}
