//! Finding a signer among the records of the lists.

use std::fmt::{self, Write as _};

use super::certificate::{Certificate, escape_for_terminal, same_name};
use super::installed::InstalledList;
use super::rules::{Settings, SignerMatch};
use crate::event::SignerFacts;
use crate::wire::header::{Header, same_serial, serial_number};
use crate::wire::{Record, Role};

/// A signer as a header names it. Names are opaque bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignerId {
    /// Subject name.
    pub subject: Vec<u8>,
    /// Issuer name.
    pub issuer: Vec<u8>,
    /// Serial number without leading zeros.
    pub serial: Vec<u8>,
}

impl SignerId {
    /// The signer that a header names.
    pub fn of<B: AsRef<[u8]>>(header: &Header<B>) -> Self {
        Self {
            subject: header.signer_name().unwrap_or_default().to_vec(),
            issuer: header.issuer_name().unwrap_or_default().to_vec(),
            serial: serial_number(header.serial()).to_vec(),
        }
    }

    /// For an event.
    pub fn facts(&self) -> SignerFacts {
        SignerFacts {
            subject: escape_for_terminal(&self.subject),
            issuer: escape_for_terminal(&self.issuer),
            serial: hex(&self.serial),
        }
    }
}

/// `CN=src-pub 4F:2A:..:91`: the name's first part, and the serial's ends.
impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.subject.split(|b| matches!(b, b';' | b',')).next();
        let first = escape_for_terminal(first.unwrap_or_default());
        write!(f, "{first} {}", short_serial(&self.serial))
    }
}

/// A serial number in upper hex, without separators.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

/// A serial number for a line of text: `4F:2A:..:91`, or the whole where it is short.
pub fn short_serial(serial: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let (shown, cut) = match *serial {
        [a, b, .., z] if serial.len() > 4 => (&[a, b, z][..], true),
        _ => (serial, false),
    };
    let mut text = String::with_capacity(shown.len() * 3 + 3);
    for (i, byte) in shown.iter().enumerate() {
        if i > 0 {
            text.push(':');
        }
        if cut && i == 2 {
            text.push_str("..:");
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0xf)]));
    }
    text
}

/// What a search came to.
#[derive(Debug)]
pub enum Match<'a> {
    /// One certificate with a role that may sign.
    Found {
        /// The certificate.
        certificate: &'a [u8],
        /// The list.
        list: &'a InstalledList,
        /// The record, from 0.
        record: usize,
        /// Its role.
        role: Role,
    },
    /// Two different certificates that may both sign.
    Ambiguous {
        /// The list.
        list: &'a InstalledList,
    },
    /// The signer is there, with a role that may not sign.
    OtherRole {
        /// The list.
        list: &'a InstalledList,
        /// The role.
        role: Role,
    },
    /// No record has this signer.
    Nowhere,
}

/// Looks for `signer` in `lists`, in order; the first list that has it with a fitting role counts.
pub fn find<'a>(
    signer: &SignerId,
    lists: &[&'a InstalledList],
    allows: impl Fn(Role) -> bool,
    settings: &Settings,
) -> Match<'a> {
    let by = settings.word::<SignerMatch>();
    let mut other = None;
    for &list in lists {
        let mut found: Option<(&[u8], usize, Role)> = None;
        for (i, record) in list.list.records.iter().enumerate() {
            let Some(certificate) = record.certificate() else {
                continue;
            };
            if !is_signer(signer, record, certificate, by) {
                continue;
            }
            let role = record.role();
            if !allows(role) {
                other.get_or_insert((list, role));
                continue;
            }
            match found {
                Some((first, ..)) if first != certificate => return Match::Ambiguous { list },
                Some(_) => {}
                None => found = Some((certificate, i, role)),
            }
        }
        if let Some((certificate, record, role)) = found {
            return Match::Found {
                certificate,
                list,
                record,
                role,
            };
        }
    }
    other.map_or(Match::Nowhere, |(list, role)| Match::OtherRole {
        list,
        role,
    })
}

fn is_signer(
    signer: &SignerId,
    record: &Record<Vec<u8>>,
    certificate: &[u8],
    by: SignerMatch,
) -> bool {
    match by {
        SignerMatch::IssuerBytes => {
            record
                .serial()
                .is_some_and(|s| same_serial(s, &signer.serial))
                && record.issuer() == Some(&signer.issuer[..])
        }
        SignerMatch::Certificate => Certificate::parse(certificate).is_ok_and(|c| {
            same_serial(c.serial, &signer.serial) && same_name(&signer.issuer, c.issuer)
        }),
    }
}

/// What was searched, for a sentence: `installed CTL (4 records) and installed ITL (5 records)`.
pub fn describe(lists: &[&InstalledList]) -> String {
    match lists {
        [] => "no installed list".into(),
        [one] => one.to_string(),
        [first, rest @ ..] => rest.iter().fold(first.to_string(), |mut text, list| {
            // Writing to a String cannot fail.
            let _ = write!(text, " and {list}");
            text
        }),
    }
}
