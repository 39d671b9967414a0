//! Two trust lists by what they mean: who signed them, which certificates they hold and for which
//! roles. A signature that does not hold makes a phone refuse the list. Order of records and dates of
//! signing mean nothing to a phone and only show as a remark.

mod human;
mod json;

pub use human::human;
pub use json::{SCHEMA_VERSION, json};

use std::collections::BTreeSet;

use crate::trust::certificate::{Certificate, escape_for_terminal, name_text};
use crate::trust::own_signature::{OwnSignatureFault, check_list};
use crate::trust::search::SignerId;
use crate::trust::signature::{Policy, SignatureCheck, digest_of};
use crate::wire::header::{Header, same_serial, serial_number};
use crate::wire::{Digest, ListKind, Record, Role, TrustList};

/// One of the two lists.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The file's name, as it was given.
    pub name: &'a str,
    /// CTL or ITL.
    pub kind: ListKind,
    /// The list.
    pub list: &'a TrustList<&'a [u8]>,
    /// What [`OwnSignature::of`] says of the list.
    pub own: OwnSignature,
}

/// Whether a list's signature holds by the signer's certificate, where the list holds that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnSignature {
    /// It holds.
    Holds,
    /// It does not, for this reason, or the list contradicts itself.
    Fails(OwnSignatureFault),
    /// The list does not hold its signer as a SAST with a certificate.
    NotChecked,
}

impl OwnSignature {
    /// Checks the signature of `list`, which was read from `file`. What only some firmware refuses
    /// (SHA-256, short keys) is no fault: two lists are compared for all phones.
    pub fn of(list: &TrustList<&[u8]>, file: &[u8]) -> Self {
        use OwnSignatureFault as Fault;

        let any_firmware = Policy {
            min_rsa_bits: 512,
            accept_sha256: true,
            accept_sha512: true,
        };
        match check_list(list, file, &any_firmware, &mut SignatureCheck::new()) {
            Ok(_) => Self::Holds,
            Err(
                Fault::NoSast
                | Fault::SignerNotInList
                | Fault::SignerHasOtherRole { .. }
                | Fault::SignerWithoutCertificate { .. },
            ) => Self::NotChecked,
            Err(
                fault @ (Fault::Ambiguous { .. }
                | Fault::RecordMismatch { .. }
                | Fault::Signature { .. }),
            ) => Self::Fails(fault),
        }
    }

    /// True if phones refuse the list for it.
    pub fn fails(self) -> bool {
        matches!(self, Self::Fails(_))
    }
}

/// A certificate of a list with all the roles that the list gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Subject, for people; of the record where it has no certificate that can be read.
    pub subject: String,
    /// Issuer, likewise.
    pub issuer: String,
    /// Serial number without leading zeros.
    pub serial: Vec<u8>,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// Its key, such as `RSA 2048`; none without a readable certificate.
    pub key: Option<String>,
    /// Last second of validity, since 1970; none without a readable certificate.
    pub not_after: Option<i64>,
    /// SHA-256 of the certificate; none for a record without one.
    pub sha256: Option<Vec<u8>>,
    /// True if the record's serial number is not that of its certificate. Phones find a signer by
    /// the record's.
    pub misnamed: bool,
    identity: Identity,
}

/// What makes two records speak of one certificate: its bytes, and the names by which phones find
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    /// The certificate's bytes, if the record has one.
    certificate: Option<Vec<u8>>,
    /// The record's issuer.
    issuer: Option<Vec<u8>>,
    /// The record's serial number, without leading zeros.
    serial: Option<Vec<u8>>,
}

impl Identity {
    fn of(record: &Record<&[u8]>) -> Self {
        Self {
            certificate: record.certificate().map(<[u8]>::to_vec),
            issuer: record.issuer().map(<[u8]>::to_vec),
            serial: record.serial().map(|s| serial_number(s).to_vec()),
        }
    }

    /// True if both records name one issuer and serial number.
    fn has_names_of(&self, other: &Self) -> bool {
        self.issuer.is_some()
            && self.serial.is_some()
            && self.issuer == other.issuer
            && self.serial == other.serial
    }
}

/// How a certificate took another one's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// It has a serial number of its own: it was made anew.
    MadeAnew,
    /// It has the issuer and serial number of the other, and other bytes, which no authority gives
    /// out twice.
    OtherBytes,
    /// It is the same certificate; its record names another issuer or serial number.
    OtherNames,
}

impl Held {
    /// How `self` stands in the place of `before`.
    pub fn replaces(&self, before: &Self) -> Replacement {
        let (old, new) = (&before.identity, &self.identity);
        let same_names =
            new.has_names_of(old) || (self.issuer == before.issuer && self.serial == before.serial);
        if new.certificate.is_some() && new.certificate == old.certificate {
            Replacement::OtherNames
        } else if same_names {
            Replacement::OtherBytes
        } else {
            Replacement::MadeAnew
        }
    }
}

/// What became of a certificate from the first list to the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the second list has it.
    Added(Held),
    /// Only the first list has it.
    Removed(Held),
    /// Another one of the same subject, or of the same issuer and serial number, stands for the
    /// same roles. [`Held::replaces`] says how.
    Replaced {
        /// In the first list.
        before: Held,
        /// In the second.
        after: Held,
    },
    /// Both have it, for other roles.
    Roles {
        /// As the second list has it.
        held: Held,
        /// Roles of the second list alone.
        gained: Vec<Role>,
        /// Roles of the first list alone.
        lost: Vec<Role>,
    },
}

/// Who signed a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Subject, issuer and serial number, for people.
    pub text: String,
    /// Digest of the signature.
    pub digest: Digest,
    /// True if the list itself holds the signer's certificate with the role that signs lists.
    pub in_list: bool,
    /// Whether the list's signature holds by it.
    pub own: OwnSignature,
}

/// What differs between two lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Names and kinds of the two files.
    pub sides: [(String, ListKind); 2],
    /// Who signed the two.
    pub signers: [Signer; 2],
    /// True if another certificate signed the second.
    pub signer_changed: bool,
    /// True if the format's or the signer's version is another one. The signer's decides whether a
    /// phone asks for its configuration over HTTPS.
    pub version_changed: bool,
    /// Versions of format and signer, for people.
    pub versions: [String; 2],
    /// Certificates, in the order of the first list, then what the second adds.
    pub changes: Vec<Change>,
    /// How many certificates both hold for the same roles.
    pub same: usize,
    /// What a phone does not look at: the same records in another order, another date.
    pub remarks: Vec<&'static str>,
    /// What the changes come to for a phone that holds the first list.
    pub consequences: Vec<String>,
}

impl Difference {
    /// Compares two lists.
    pub fn between(a: Side<'_>, b: Side<'_>) -> Self {
        let (before, after) = (certificates(a.list), certificates(b.list));
        let signers = [signer(a), signer(b)];
        let [id_a, id_b] = [&a.list.header, &b.list.header];
        let signer_changed = id_a.signer_name() != id_b.signer_name()
            || id_a.issuer_name() != id_b.issuer_name()
            || !same_serial(id_a.serial(), id_b.serial())
            || id_a.digest() != id_b.digest();
        let versions = [version(id_a), version(id_b)];
        let (changes, same) = changes(before, after);
        let mut difference = Self {
            sides: [(a.name.to_owned(), a.kind), (b.name.to_owned(), b.kind)],
            signer_changed,
            version_changed: versions[0] != versions[1],
            versions,
            signers,
            changes,
            same,
            remarks: Vec::new(),
            consequences: Vec::new(),
        };
        difference.remarks = difference.remarks(a, b);
        difference.consequences = difference.consequences(a.list, b);
        difference
    }

    /// True if the lists mean the same to a phone.
    pub fn is_none(&self) -> bool {
        let same_kind = self.sides[0].1 == self.sides[1].1;
        same_kind
            && self.signers[0].own.fails() == self.signers[1].own.fails()
            && !self.signer_changed
            && !self.version_changed
            && self.changes.is_empty()
    }

    /// True if phones refuse both lists, for their own signatures do not hold.
    pub fn both_refused(&self) -> bool {
        self.signers.iter().all(|s| s.own.fails())
    }

    fn remarks(&self, a: Side<'_>, b: Side<'_>) -> Vec<&'static str> {
        let mut remarks = Vec::new();
        if a.kind != b.kind {
            remarks.push("one file is a CTL, the other an ITL: a phone keeps them side by side");
        }
        if a.list.header.timestamp() != b.list.header.timestamp() {
            remarks.push("signed at another time");
        }
        if self.changes.is_empty() && a.list.records != b.list.records {
            remarks.push("the records differ in order or in fields that phones do not use");
        }
        remarks
    }

    fn consequences(&self, before: &TrustList<&[u8]>, b: Side<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        for (signer, (name, _)) in self.signers.iter().zip(&self.sides) {
            if let OwnSignature::Fails(why) = signer.own {
                let name = escape_for_terminal(name.as_bytes());
                texts.push(format!(
                    "own signature of {name}: does not hold: {why}: phones refuse it (`trustline \
                     inspect {name}` says more)"
                ));
            }
        }
        let held = certificates(before);
        let knows_signer = signer_record(before, &b.list.header).is_some();
        let kind = b.kind;
        if !knows_signer {
            texts.push(format!(
                "a phone that holds the first list alone does not know the second one's signer: it \
                 takes the {kind} only if a TVS of the first list vouches for that signer \
                 (`trustline inspect {second} --trust {first}` judges it)",
                first = escape_for_terminal(self.sides[0].0.as_bytes()),
                second = escape_for_terminal(b.name.as_bytes()),
            ));
        }
        let second = certificates(b.list);
        let has_tvs = |all: &[Held]| all.iter().any(|h| h.roles.contains(&Role::Tvs));
        if has_tvs(&held) && !has_tvs(&second) {
            texts.push(
                "the second list names no TVS: a phone that holds it can ask nobody about a signer \
                 that it does not know"
                    .to_owned(),
            );
        }
        if b.kind == ListKind::Itl
            && b.list.is_empty_for_rollback()
            && !before.is_empty_for_rollback()
        {
            texts.push(
                "the second list is the empty one of a rollback: with it a phone that holds no CTL \
                 takes any list; one that holds a CTL is left without TVS, and takes only what its \
                 CTL vouches for (trust.rollback_with_ctl)"
                    .to_owned(),
            );
        }
        let signs = |h: &Held| h.roles.iter().any(|r| r.signs_lists());
        let lost = self.changes.iter().any(|change| match change {
            Change::Removed(held) => signs(held),
            Change::Replaced { before, .. } => signs(before),
            Change::Roles { lost, .. } => lost.iter().any(|r| r.signs_lists()),
            Change::Added(_) => false,
        });
        if lost {
            texts.push(
                "lists signed by a SAST that is gone are no longer known to a phone that holds the \
                 second list, such as those of a backup that is restored"
                    .to_owned(),
            );
        }
        texts
    }
}

/// The certificates of a list, in its order, each once with all its roles.
fn certificates(list: &TrustList<&[u8]>) -> Vec<Held> {
    let mut all: Vec<Held> = Vec::with_capacity(list.records.len());
    for record in &list.records {
        let held = held(record);
        match all.iter_mut().find(|h| h.identity == held.identity) {
            Some(known) => known.roles.extend(held.roles),
            None => all.push(held),
        }
    }
    all
}

fn held(record: &Record<&[u8]>) -> Held {
    let text = |name: Option<&[u8]>| name.map_or_else(|| "-".to_owned(), escape_for_terminal);
    let roles = BTreeSet::from([record.role()]);
    let raw_serial = record.serial().unwrap_or_default();
    let Some(der) = record.certificate() else {
        return Held {
            subject: text(record.subject().or_else(|| record.dns_name())),
            issuer: text(record.issuer()),
            serial: serial_number(raw_serial).to_vec(),
            roles,
            key: None,
            not_after: None,
            sha256: None,
            misnamed: false,
            identity: Identity::of(record),
        };
    };
    let readable = Certificate::parse(der).ok();
    Held {
        subject: match &readable {
            Some(c) => escape_for_terminal(name_text(c.subject, ',').as_bytes()),
            None => text(record.subject().or_else(|| record.dns_name())),
        },
        issuer: match &readable {
            Some(c) => escape_for_terminal(name_text(c.issuer, ',').as_bytes()),
            None => text(record.issuer()),
        },
        serial: serial_number(readable.as_ref().map_or(raw_serial, |c| c.serial)).to_vec(),
        roles,
        key: readable.as_ref().map(|c| c.public_key.to_string()),
        not_after: readable.as_ref().map(|c| c.not_after),
        sha256: digest_of(Digest::Sha256, der),
        misnamed: match (&readable, record.serial()) {
            (Some(c), Some(serial)) => !same_serial(serial, c.serial),
            _ => false,
        },
        identity: Identity::of(record),
    }
}

/// Pairs what both lists hold; gives what differs, and how many are the same.
fn changes(before: Vec<Held>, mut after: Vec<Held>) -> (Vec<Change>, usize) {
    let mut changes = Vec::new();
    let mut same = 0;
    let mut gone = Vec::new();
    for old in before {
        let Some(n) = after.iter().position(|new| new.identity == old.identity) else {
            gone.push(old);
            continue;
        };
        let new = after.remove(n);
        if new.roles == old.roles {
            same += 1;
        } else {
            changes.push(Change::Roles {
                gained: new.roles.difference(&old.roles).copied().collect(),
                lost: old.roles.difference(&new.roles).copied().collect(),
                held: new,
            });
        }
    }
    for old in gone {
        let successor = |new: &Held| {
            let same = new.subject == old.subject || new.identity.has_names_of(&old.identity);
            same && new.roles == old.roles
        };
        match after.iter().position(successor) {
            Some(n) => changes.push(Change::Replaced {
                before: old,
                after: after.remove(n),
            }),
            None => changes.push(Change::Removed(old)),
        }
    }
    changes.extend(after.into_iter().map(Change::Added));
    (changes, same)
}

fn signer(side: Side<'_>) -> Signer {
    let list = side.list;
    Signer {
        own: side.own,
        text: SignerId::of(&list.header).to_string(),
        digest: list.header.digest(),
        in_list: signer_record(list, &list.header).is_some(),
    }
}

/// The record of a list that signs lists and is the certificate that a header names.
fn signer_record<'l, 'a>(
    list: &'l TrustList<&'a [u8]>,
    header: &Header<&[u8]>,
) -> Option<&'l Record<&'a [u8]>> {
    list.records
        .iter()
        .find(|r| r.role().signs_lists() && super::show::names_signer(r, header))
}

fn version(header: &Header<&[u8]>) -> String {
    let (major, minor) = header.version();
    match header.signer_version() {
        Some((a, b)) => format!("format {major}.{minor}, signer {a}.{b}"),
        None => format!("format {major}.{minor}"),
    }
}
