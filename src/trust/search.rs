//! Finding a signer among the records of the lists.

use std::fmt;
use std::sync::Arc;

use super::certificate::{Certificate, escape_for_terminal, same_name};
use super::installed::{InForce, InstalledList, InstalledSigner, ListLabel};
use super::name::name_text;
use super::rules::{Settings, SignerMatch};
use crate::event::SignerFacts;
use crate::wire::Role;
use crate::wire::header::{Header, same_serial, serial_number};

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
        let [subject, issuer, serial] = header.signer();
        Self {
            subject: subject.to_vec(),
            issuer: issuer.to_vec(),
            serial: serial_number(serial).to_vec(),
        }
    }

    /// The owner of a certificate, with names as lists write them.
    pub fn of_certificate(certificate: &Certificate<'_>) -> Self {
        Self {
            subject: name_text(certificate.subject, ';').into_bytes(),
            issuer: name_text(certificate.issuer, ';').into_bytes(),
            serial: serial_number(certificate.serial).to_vec(),
        }
    }

    /// The signer that a header names; the one of an installed list where they are the same.
    pub(super) fn shared(header: &Header<&[u8]>, lists: &InForce<'_>) -> Arc<Self> {
        let [subject, issuer, serial] = header.signer();
        let serial = serial_number(serial);
        let installed = lists.iter().flat_map(InstalledList::signers);
        installed
            .filter_map(|s| s.id.as_ref())
            .find(|id| id.serial == serial && id.issuer == issuer && id.subject == subject)
            .map_or_else(|| Arc::new(Self::of(header)), Arc::clone)
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

/// What was searched. As text: `installed CTL (4 records) and installed ITL (5 records)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// The CTL and the ITL, each with its number of records.
    lists: [Option<(ListLabel, usize)>; 2],
}

impl Searched {
    /// These lists.
    pub fn of(lists: &InForce<'_>) -> Self {
        let entry = |l: &InstalledList| (l.name(), l.list.records.len());
        Self {
            lists: [lists.ctl.map(entry), lists.itl.map(entry)],
        }
    }
}

impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (list, records) in self.lists.iter().flatten() {
            write!(f, "{between}{list} ({records} records)")?;
            between = " and ";
        }
        if between.is_empty() {
            f.write_str("no installed list")?;
        }
        Ok(())
    }
}

/// Where a signer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundIn {
    /// In this list.
    List(ListLabel),
    /// In no list: a TVS answer vouches for it.
    TvsAnswer,
}

impl FoundIn {
    /// For events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List(label) => label.as_str(),
            Self::TvsAnswer => "TVS answer",
        }
    }
}

/// What a search came to.
#[derive(Debug)]
pub(super) enum Match<'a> {
    /// One certificate with a role that may sign.
    Found {
        signer: &'a InstalledSigner,
        list: &'a InstalledList,
    },
    /// Two different certificates that may both sign.
    Ambiguous { list: &'a InstalledList },
    /// The signer is there, with a role that may not sign.
    OtherRole { list: &'a InstalledList, role: Role },
    /// No record has this signer.
    Nowhere,
}

/// Looks for `signer` in `lists`, CTL first; the first list that has it with a fitting role counts.
pub(super) fn find<'a>(
    signer: &SignerId,
    lists: &InForce<'a>,
    allows: impl Fn(Role) -> bool,
    settings: &Settings,
) -> Match<'a> {
    let by = settings.word::<SignerMatch>();
    let mut other = None;
    for list in lists.iter() {
        let mut found: Option<&InstalledSigner> = None;
        for candidate in list.signers() {
            if !is_signer(signer, candidate, list, by) {
                continue;
            }
            if !allows(candidate.role) {
                other.get_or_insert((list, candidate.role));
                continue;
            }
            match found {
                Some(first) if list.certificate_of(first) != list.certificate_of(candidate) => {
                    return Match::Ambiguous { list };
                }
                Some(_) => {}
                None => found = Some(candidate),
            }
        }
        if let Some(signer) = found {
            return Match::Found { signer, list };
        }
    }
    other.map_or(Match::Nowhere, |(list, role)| Match::OtherRole {
        list,
        role,
    })
}

fn is_signer(
    signer: &SignerId,
    candidate: &InstalledSigner,
    list: &InstalledList,
    by: SignerMatch,
) -> bool {
    match by {
        SignerMatch::IssuerBytes => candidate
            .id
            .as_ref()
            .is_some_and(|id| id.serial == signer.serial && id.issuer == signer.issuer),
        SignerMatch::Certificate => list
            .certificate_of(candidate)
            .and_then(|der| Certificate::parse(der).ok())
            .is_some_and(|c| {
                same_serial(c.serial, &signer.serial) && same_name(&signer.issuer, c.issuer)
            }),
    }
}
