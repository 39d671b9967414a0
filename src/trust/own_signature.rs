//! Whether a list is whole in itself: its signature holds by a SAST record that it carries. That
//! is not trust, for anyone can sign a list of his own; it is what can be said of a list when
//! nothing else is known, and what a phone without lists can ask for.

use std::fmt;

use thiserror::Error;

use super::certificate::{Certificate, CertificateError};
use super::installed::InForce;
use super::signature::{Policy, SignatureCheck, SignatureFault};
use crate::wire::header::same_serial;
use crate::wire::{Record, Role, TrustList};

/// A record whose fields contradict its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("record {}: {field}", record + 1)]
pub struct RecordFault {
    /// Index of the record, from 0. [`TrustList::record_offset`] gives its place.
    pub record: usize,
    /// What is wrong.
    pub field: RecordField,
}

/// What contradicts the certificate of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordField {
    /// The certificate itself does not load.
    Certificate(CertificateError),
    /// SERIALNUMBER is another number than the certificate's.
    SerialNumber,
    /// PUBLICKEY is another key than the certificate's.
    PublicKey,
}

impl fmt::Display for RecordField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => write!(f, "the certificate does not load: {error}"),
            Self::SerialNumber => f.write_str("SERIALNUMBER is not that of the certificate"),
            Self::PublicKey => f.write_str("PUBLICKEY is not that of the certificate"),
        }
    }
}

/// Why a list's own signature does not hold. Records count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OwnSignatureFault {
    /// The list has no record that may sign a list.
    #[error("the list has no SAST record")]
    NoSast,
    /// No record has the issuer and serial number that the header names.
    #[error("no record of the list has the signer's issuer and serial number")]
    SignerNotInList,
    /// The signer is in the list, in another role.
    #[error("the signer, record {}, has the role {role}, expected SAST", record + 1)]
    SignerHasOtherRole {
        /// The signer's record.
        record: usize,
        /// Its role.
        role: Role,
    },
    /// The signer's record holds no certificate.
    #[error("the signer, record {}, has no certificate", record + 1)]
    SignerWithoutCertificate {
        /// The signer's record.
        record: usize,
    },
    /// Two SAST records of one issuer and serial number hold different certificates.
    #[error(
        "the signer is ambiguous: records {} and {} have its issuer and serial number, \
         and different certificates",
        first + 1,
        second + 1
    )]
    Ambiguous {
        /// One record.
        first: usize,
        /// The other.
        second: usize,
    },
    /// A record contradicts its certificate.
    #[error("record {}: {field}", record + 1)]
    RecordMismatch {
        /// The record.
        record: usize,
        /// What is wrong.
        field: RecordField,
    },
    /// The signature does not hold by the signer's certificate.
    #[error("{fault} (signer: record {})", record + 1)]
    Signature {
        /// The signer's record.
        record: usize,
        /// Why not.
        fault: SignatureFault,
    },
}

impl From<RecordFault> for OwnSignatureFault {
    fn from(fault: RecordFault) -> Self {
        Self::RecordMismatch {
            record: fault.record,
            field: fault.field,
        }
    }
}

/// Checks the signature of `list` by a SAST record of its own, found by issuer text and serial
/// number. `file` is what `list` was read from. Gives the index of the signer's record.
///
/// # Errors
/// The first reason against it: the signer cannot be told, a record contradicts its certificate,
/// or the signature does not hold.
pub fn check_list(
    list: &TrustList<&[u8]>,
    file: &[u8],
    policy: &Policy,
    check: &mut SignatureCheck,
) -> Result<usize, OwnSignatureFault> {
    let (record, der) = signer(list)?;
    check_records(list)?;
    let certificate = Certificate::parse(der).map_err(|error| RecordFault {
        record,
        field: RecordField::Certificate(error),
    })?;
    let header = &list.header;
    check
        .verify(
            policy,
            header.digest(),
            &certificate,
            file,
            header.signature_span(),
            header.signature(),
        )
        .map_err(|fault| OwnSignatureFault::Signature { record, fault })?;
    Ok(record)
}

/// Checks that every record which holds a certificate agrees with it: the certificate loads, and
/// SERIALNUMBER and PUBLICKEY, where the record has them, are the certificate's. Without this a
/// record could claim one signer's serial number and carry another's key.
///
/// # Errors
/// The first record that does not.
pub fn check_records<B: AsRef<[u8]>>(list: &TrustList<B>) -> Result<(), RecordFault> {
    for (record, fields) in list.records.iter().enumerate() {
        let Some(der) = fields.certificate() else {
            continue;
        };
        check_record(fields, der).map_err(|field| RecordFault { record, field })?;
    }
    Ok(())
}

/// [`check_records`] for a new list. A record that an installed list holds just so was checked
/// when that list was read, and in a usual new list that is nearly every one.
///
/// # Errors
/// The first record that does not agree.
pub(super) fn check_new_records(
    list: &TrustList<&[u8]>,
    installed: &InForce<'_>,
) -> Result<(), RecordFault> {
    for (record, fields) in list.records.iter().enumerate() {
        let Some(der) = fields.certificate() else {
            continue;
        };
        if !installed.iter().any(|l| l.holds_checked(fields, der)) {
            check_record(fields, der).map_err(|field| RecordFault { record, field })?;
        }
    }
    Ok(())
}

fn check_record<B: AsRef<[u8]>>(record: &Record<B>, der: &[u8]) -> Result<(), RecordField> {
    let certificate = Certificate::parse(der).map_err(RecordField::Certificate)?;
    check_against(record, &certificate)
}

/// Checks that a record agrees with its certificate.
pub(super) fn check_against<B: AsRef<[u8]>>(
    record: &Record<B>,
    certificate: &Certificate<'_>,
) -> Result<(), RecordField> {
    if record
        .serial()
        .is_some_and(|serial| !same_serial(serial, certificate.serial))
    {
        return Err(RecordField::SerialNumber);
    }
    if record
        .public_key()
        .is_some_and(|key| certificate.public_key.list_form() != Some(key))
    {
        return Err(RecordField::PublicKey);
    }
    Ok(())
}

/// The record of the signer, and its certificate.
fn signer<'l>(list: &'l TrustList<&[u8]>) -> Result<(usize, &'l [u8]), OwnSignatureFault> {
    let mut has_sast = false;
    let mut found: Option<(usize, Option<&'l [u8]>)> = None;
    let mut other_role = None;
    for (record, fields) in list.records.iter().enumerate() {
        let role = fields.role();
        has_sast |= role.signs_lists();
        let named = fields.issuer() == list.header.issuer_name()
            && fields
                .serial()
                .is_some_and(|serial| same_serial(serial, list.header.serial()));
        if !named {
            continue;
        }
        if !role.signs_lists() {
            other_role.get_or_insert(OwnSignatureFault::SignerHasOtherRole { record, role });
            continue;
        }
        let certificate = fields.certificate();
        match found {
            Some((first, Some(der))) if certificate.is_some_and(|other| other != der) => {
                return Err(OwnSignatureFault::Ambiguous {
                    first,
                    second: record,
                });
            }
            Some((_, Some(_))) => {}
            _ if found.is_none() || certificate.is_some() => found = Some((record, certificate)),
            _ => {}
        }
    }
    match found {
        Some((record, Some(der))) => Ok((record, der)),
        Some((record, None)) => Err(OwnSignatureFault::SignerWithoutCertificate { record }),
        None if !has_sast => Err(other_role.unwrap_or(OwnSignatureFault::NoSast)),
        None => Err(other_role.unwrap_or(OwnSignatureFault::SignerNotInList)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::installed::InstalledList;
    use super::*;
    use crate::wire::element::{find_mut, record_tag as tag};
    use crate::wire::{ListKind, Strictness};

    const LIST: &[u8] = include_bytes!("../../testdata/vectors/tool/itl-a-v10-sha1.tlv");
    const OTHER: &[u8] = include_bytes!("../../testdata/vectors/keys/a-tvs.der");

    /// The verdict on the list after a change to its records, which the signature never survives.
    fn verdict(change: impl Fn(&mut Vec<Record<Vec<u8>>>)) -> OwnSignatureFault {
        let list = TrustList::parse(LIST, &Strictness::default()).unwrap();
        let mut list = list.to_owned();
        change(&mut list.records);
        let bytes = list.emit().unwrap();
        let list = TrustList::parse(&bytes, &Strictness::default()).unwrap();
        let policy = Policy::default();
        check_list(&list, &bytes, &policy, &mut SignatureCheck::new()).unwrap_err()
    }

    fn set(record: &mut Record<Vec<u8>>, tag: u8, value: &[u8]) {
        *find_mut(&mut record.elements, tag).unwrap() = value.to_vec();
    }

    fn remove(record: &mut Record<Vec<u8>>, tag: u8) {
        record.elements.retain(|e| e.tag != tag);
    }

    #[test]
    fn a_list_holds_by_its_own_record() {
        let list = TrustList::parse(LIST, &Strictness::default()).unwrap();
        let mut check = SignatureCheck::new();
        let policy = Policy::default();
        assert_eq!(check_list(&list, LIST, &policy, &mut check), Ok(0));
        assert_eq!(check_records(&list), Ok(()));
        let mut other = LIST.to_vec();
        other[LIST.len() - 1] ^= 1;
        let fault = OwnSignatureFault::Signature {
            record: 0,
            fault: SignatureFault::Mismatch,
        };
        assert_eq!(check_list(&list, &other, &policy, &mut check), Err(fault));
    }

    #[test]
    fn a_signer_that_cannot_be_told_is_named() {
        use OwnSignatureFault as Fault;
        assert_eq!(verdict(Vec::clear), Fault::NoSast);
        assert_eq!(verdict(|r| drop(r.remove(0))), Fault::NoSast);
        let issuer = |r: &mut Vec<Record<_>>| set(&mut r[0], tag::ISSUER_NAME, b"CN=x\0");
        assert_eq!(verdict(issuer), Fault::SignerNotInList);
        let serial = |r: &mut Vec<Record<_>>| set(&mut r[0], tag::SERIAL_NUMBER, &[1]);
        assert_eq!(verdict(serial), Fault::SignerNotInList);
        let role = |r: &mut Vec<Record<_>>| set(&mut r[0], tag::FUNCTION, &[0, 3]);
        let other_role = Fault::SignerHasOtherRole {
            record: 0,
            role: Role::Tftp,
        };
        assert_eq!(verdict(role), other_role);
        let bare = |r: &mut Vec<Record<_>>| remove(&mut r[0], tag::CERTIFICATE);
        let without = Fault::SignerWithoutCertificate { record: 0 };
        assert_eq!(verdict(bare), without);
    }

    #[test]
    fn twins_are_ambiguous_only_with_different_certificates() {
        use OwnSignatureFault as Fault;
        let mismatch = Fault::Signature {
            record: 0,
            fault: SignatureFault::Mismatch,
        };
        let twin = |r: &mut Vec<Record<_>>| r.push(r[0].clone());
        assert_eq!(verdict(twin), mismatch);
        let ambiguous = |r: &mut Vec<Record<_>>| {
            r.push(r[0].clone());
            set(&mut r[4], tag::CERTIFICATE, OTHER);
        };
        let fault = Fault::Ambiguous {
            first: 0,
            second: 4,
        };
        assert_eq!(verdict(ambiguous), fault);
        // A twin without a certificate says nothing; the one with it counts, in either order.
        let bare_first = |r: &mut Vec<Record<_>>| {
            r.insert(0, r[0].clone());
            remove(&mut r[0], tag::CERTIFICATE);
        };
        let second = Fault::Signature {
            record: 1,
            fault: SignatureFault::Mismatch,
        };
        assert_eq!(verdict(bare_first), second);
        let bare_last = |r: &mut Vec<Record<_>>| {
            r.push(r[0].clone());
            remove(&mut r[4], tag::CERTIFICATE);
        };
        assert_eq!(verdict(bare_last), mismatch);
        // Three, the last one different.
        let third = |r: &mut Vec<Record<_>>| {
            r.push(r[0].clone());
            r.push(r[0].clone());
            set(&mut r[5], tag::CERTIFICATE, OTHER);
        };
        let fault = Fault::Ambiguous {
            first: 0,
            second: 5,
        };
        assert_eq!(verdict(third), fault);
    }

    /// What [`check_new_records`] says of the list with the changed records, while a list with the
    /// other change is installed.
    fn beside(
        installed: impl Fn(&mut Vec<Record<Vec<u8>>>),
        new: impl Fn(&mut Vec<Record<Vec<u8>>>),
    ) -> Result<(), RecordFault> {
        fn changed(change: impl Fn(&mut Vec<Record<Vec<u8>>>)) -> Vec<u8> {
            let list = TrustList::parse(LIST, &Strictness::default()).unwrap();
            let mut list = list.to_owned();
            change(&mut list.records);
            list.emit().unwrap()
        }
        let installed = changed(installed);
        let installed = InstalledList::parse(ListKind::Itl, installed.into()).unwrap();
        let new = changed(new);
        let in_force = InForce {
            ctl: None,
            itl: Some(&installed),
        };
        let new = TrustList::parse(&new, &Strictness::default()).unwrap();
        let verdict = check_new_records(&new, &in_force);
        // Installed or not, the records are judged alike.
        assert_eq!(verdict, check_records(&new));
        verdict
    }

    #[test]
    fn what_is_installed_vouches_for_equal_records_alone() {
        let same = |_: &mut Vec<Record<Vec<u8>>>| {};
        assert_eq!(beside(same, same), Ok(()));
        assert_eq!(beside(Vec::clear, same), Ok(()));
        let fault = |record, field| Err(RecordFault { record, field });
        let serial = |r: &mut Vec<Record<_>>| set(&mut r[1], tag::SERIAL_NUMBER, &[1]);
        let key = |r: &mut Vec<Record<_>>| set(&mut r[2], tag::PUBLIC_KEY, &[1]);
        let damaged = |r: &mut Vec<Record<_>>| set(&mut r[3], tag::CERTIFICATE, &[0x30]);
        let swapped = |r: &mut Vec<Record<_>>| set(&mut r[0], tag::CERTIFICATE, OTHER);
        assert_eq!(beside(same, serial), fault(1, RecordField::SerialNumber));
        assert_eq!(beside(same, key), fault(2, RecordField::PublicKey));
        // The other certificate is installed too, in the record that it belongs to.
        assert_eq!(beside(same, swapped), fault(0, RecordField::SerialNumber));
        assert!(beside(same, damaged).is_err());
        // A record that does not agree vouches for nothing, not even for itself.
        assert_eq!(beside(serial, serial), fault(1, RecordField::SerialNumber));
        assert_eq!(beside(key, key), fault(2, RecordField::PublicKey));
        assert!(beside(damaged, damaged).is_err());
        assert_eq!(beside(serial, same), Ok(()));
        // What a record does not say cannot contradict.
        let quiet = |r: &mut Vec<Record<_>>| {
            remove(&mut r[1], tag::PUBLIC_KEY);
            remove(&mut r[2], tag::SERIAL_NUMBER);
        };
        assert_eq!(beside(same, quiet), Ok(()));
        assert_eq!(beside(quiet, same), Ok(()));
        assert_eq!(beside(quiet, key), fault(2, RecordField::PublicKey));
    }

    #[test]
    fn every_record_agrees_with_its_certificate() {
        let mismatch = |record, field| OwnSignatureFault::RecordMismatch { record, field };
        for record in 0..4 {
            let key = |r: &mut Vec<Record<_>>| set(&mut r[record], tag::PUBLIC_KEY, &[1]);
            assert_eq!(verdict(key), mismatch(record, RecordField::PublicKey));
            let damaged = |r: &mut Vec<Record<_>>| set(&mut r[record], tag::CERTIFICATE, &[0x30]);
            let OwnSignatureFault::RecordMismatch {
                record: found,
                field: RecordField::Certificate(error),
            } = verdict(damaged)
            else {
                panic!("record {record}");
            };
            assert_eq!((found, error.offset), (record, 0));
        }
        let serial = |r: &mut Vec<Record<_>>| set(&mut r[3], tag::SERIAL_NUMBER, &[1]);
        assert_eq!(verdict(serial), mismatch(3, RecordField::SerialNumber));
        // What a record does not say cannot contradict; a zero in front changes no number.
        let quiet = |r: &mut Vec<Record<_>>| {
            remove(&mut r[1], tag::PUBLIC_KEY);
            remove(&mut r[2], tag::SERIAL_NUMBER);
            let serial = r[3].serial().unwrap().to_vec();
            set(&mut r[3], tag::SERIAL_NUMBER, &[&[0], &serial[..]].concat());
            remove(&mut r[3], tag::CERTIFICATE);
        };
        assert!(matches!(
            verdict(quiet),
            OwnSignatureFault::Signature { record: 0, .. }
        ));
        let text = mismatch(2, RecordField::PublicKey).to_string();
        assert_eq!(text, "record 3: PUBLICKEY is not that of the certificate");
    }
}
