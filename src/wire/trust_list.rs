//! CTL and ITL files (`.tlv`): a header, then records.

use super::element::{self, Element, Grammar, find, record_tag as tag, size_of_all};
use super::header::{self, Format, Header, Strictness, without_nul};
use super::{Reader, Role, WireError, WireErrorKind};

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListKind {
    /// Certificate trust list: one for a cluster in mixed mode.
    Ctl,
    /// Identity trust list: one for each TFTP node.
    Itl,
}

impl ListKind {
    /// The name inside the file and in the phone's flash.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Ctl => "CTLFile.tlv",
            Self::Itl => "ITLFile.tlv",
        }
    }

    /// The kind that a file's name says, for `CTLFile.tlv`, `ITLSEP001122334455.tlv` and so on.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let base = name
            .rsplit(['/', '\\'])
            .next()
            .unwrap_or(name)
            .to_ascii_uppercase();
        if base.starts_with("CTL") {
            Some(Self::Ctl)
        } else if base.starts_with("ITL") {
            Some(Self::Itl)
        } else {
            None
        }
    }
}

impl std::fmt::Display for ListKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ctl => "CTL",
            Self::Itl => "ITL",
        })
    }
}

/// A trust list. `TrustList<&[u8]>` looks into the bytes that were read and copies no
/// certificate; `TrustList<Vec<u8>>` owns its bytes and can be changed and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustList<B> {
    /// The header.
    pub header: Header<B>,
    /// The records, in the file's order.
    pub records: Vec<Record<B>>,
    /// Bytes after the last record; empty in every list that a source shows.
    pub trailing: B,
}

/// One certificate of a list with its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<B> {
    /// The elements in the file's order, without the record length, which is computed.
    pub elements: Vec<Element<B>>,
}

/// What could be read of a list, and the fault that ended the reading.
#[derive(Clone, Debug)]
pub struct Partial<'a> {
    /// All that stands before the fault.
    pub list: TrustList<&'a [u8]>,
    /// The fault, if there is one.
    pub fault: Option<WireError>,
}

impl<'a> TrustList<&'a [u8]> {
    /// Reads a list without copying.
    ///
    /// # Errors
    /// The first place where the bytes are not a list.
    pub fn parse(bytes: &'a [u8], strictness: &Strictness) -> Result<Self, WireError> {
        let partial = Self::parse_partial(bytes, strictness);
        match partial.fault {
            None => Ok(partial.list),
            Some(fault) => Err(fault),
        }
    }

    /// Reads as much of a list as there is, for showing a damaged one.
    pub fn parse_partial(bytes: &'a [u8], strictness: &Strictness) -> Partial<'a> {
        let (header, result) = header::read(bytes, Format::TrustList, strictness);
        let mut list = Self {
            header,
            records: Vec::with_capacity(8),
            trailing: &[],
        };
        let result = result.and_then(|()| list.read_records(bytes, strictness));
        Partial {
            list,
            fault: result.err(),
        }
    }

    fn read_records(&mut self, bytes: &'a [u8], strictness: &Strictness) -> Result<(), WireError> {
        let start = self.header.length();
        let mut reader = Reader::at(&bytes[start..], start);
        while let Some(next) = reader.peek() {
            if next != tag::RECORD_LENGTH {
                let at = reader.offset();
                self.trailing = reader.rest();
                if strictness.refuse_trailing {
                    let kind = WireErrorKind::Trailing {
                        length: self.trailing.len(),
                    };
                    return Err(WireError::new(at, "records", kind));
                }
                return Ok(());
            }
            self.records.push(read_record(&mut reader, strictness)?);
        }
        Ok(())
    }
}

impl<B: AsRef<[u8]>> TrustList<B> {
    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.header.length()
            + self.records.iter().map(Record::size).sum::<usize>()
            + self.trailing.as_ref().len()
    }

    /// The same, with bytes of its own.
    pub fn to_owned(&self) -> TrustList<Vec<u8>> {
        TrustList {
            header: self.header.to_owned(),
            records: self.records.iter().map(Record::to_owned).collect(),
            trailing: self.trailing.as_ref().to_vec(),
        }
    }

    /// The file's bytes. Header length, container lengths and record lengths are computed; the
    /// signature is written as it stands.
    ///
    /// # Errors
    /// [`WireErrorKind::TooLarge`] if something is longer than its length field can say.
    pub fn emit(&self) -> Result<Vec<u8>, WireError> {
        let mut out = Vec::with_capacity(self.size());
        self.header.emit(&mut out)?;
        for record in &self.records {
            record.emit(&mut out)?;
        }
        out.extend_from_slice(self.trailing.as_ref());
        Ok(out)
    }

    /// Offset of record `index` in the file.
    pub fn record_offset(&self, index: usize) -> usize {
        self.header.length()
            + self
                .records
                .iter()
                .take(index)
                .map(Record::size)
                .sum::<usize>()
    }

    /// True if a record has this role and a certificate.
    pub fn has_certificate_with(&self, wanted: impl Fn(Role) -> bool) -> bool {
        self.records
            .iter()
            .any(|r| wanted(r.role()) && r.certificate().is_some())
    }

    /// True for the "empty" list of a rollback: no certificate for TFTP and none for TVS.
    pub fn is_empty_for_rollback(&self) -> bool {
        !self.has_certificate_with(|role| role.signs_files() || role == Role::Tvs)
    }
}

impl<B: AsRef<[u8]>> Record<B> {
    /// Host name, without its NUL; may be a dotted address, or empty.
    pub fn dns_name(&self) -> Option<&[u8]> {
        find(&self.elements, tag::DNS_NAME).map(without_nul)
    }

    /// Subject name, without its NUL; opaque bytes.
    pub fn subject(&self) -> Option<&[u8]> {
        find(&self.elements, tag::SUBJECT_NAME).map(without_nul)
    }

    /// Issuer name, without its NUL; opaque bytes.
    pub fn issuer(&self) -> Option<&[u8]> {
        find(&self.elements, tag::ISSUER_NAME).map(without_nul)
    }

    /// Serial number, raw.
    pub fn serial(&self) -> Option<&[u8]> {
        find(&self.elements, tag::SERIAL_NUMBER)
    }

    /// Role.
    pub fn role(&self) -> Role {
        match find(&self.elements, tag::FUNCTION) {
            Some([high, low]) => Role::from_code(u16::from_be_bytes([*high, *low])),
            _ => Role::Other(u16::MAX),
        }
    }

    /// Public key: PKCS#1 for RSA, uncompressed point for EC.
    pub fn public_key(&self) -> Option<&[u8]> {
        find(&self.elements, tag::PUBLIC_KEY)
    }

    /// Certificate, DER.
    pub fn certificate(&self) -> Option<&[u8]> {
        find(&self.elements, tag::CERTIFICATE)
    }

    /// IPv4 address.
    pub fn ip_address(&self) -> Option<[u8; 4]> {
        find(&self.elements, tag::IP_ADDRESS).and_then(|v| v.try_into().ok())
    }

    /// Bytes on the wire, record length included.
    pub fn size(&self) -> usize {
        5 + size_of_all(&self.elements)
    }

    /// The same, with bytes of its own.
    pub fn to_owned(&self) -> Record<Vec<u8>> {
        Record {
            elements: self.elements.iter().map(Element::to_owned).collect(),
        }
    }

    fn emit(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let size = self.size();
        let Ok(field) = u16::try_from(size) else {
            let kind = WireErrorKind::TooLarge {
                limit: usize::from(u16::MAX),
                actual: size,
            };
            return Err(WireError::new(out.len(), "record", kind));
        };
        Element::<Vec<u8>>::value(tag::RECORD_LENGTH, field.to_be_bytes()).emit(out)?;
        for e in &self.elements {
            e.emit(out)?;
        }
        Ok(())
    }
}

const NAMES: [&str; 13] = [
    "element 0",
    "RECORDLENGTH",
    "DNSNAME",
    "SUBJECTNAME",
    "FUNCTION",
    "ISSUERNAME",
    "SERIALNUMBER",
    "PUBLICKEY",
    "SIGNATURE",
    "CERTIFICATE",
    "IPADDRESS",
    "certificate hash",
    "hash algorithm",
];

/// The field's name of a record element.
pub fn record_element_name(tag: u8) -> &'static str {
    NAMES
        .get(usize::from(tag))
        .copied()
        .unwrap_or("unknown element")
}

const RECORD: Grammar = Grammar {
    name: record_element_name,
    is_container: |_| false,
    pads: false,
};

fn read_record<'a>(
    reader: &mut Reader<'a>,
    strictness: &Strictness,
) -> Result<Record<&'a [u8]>, WireError> {
    let start = reader.offset();
    let name = record_element_name(tag::RECORD_LENGTH);
    let fail = |at, name, kind| Err(WireError::new(at, name, kind));
    reader.u8(name)?;
    let size_of_length = usize::from(reader.u16(name)?);
    if size_of_length != 2 {
        return fail(
            start,
            name,
            WireErrorKind::Length {
                expected: 2,
                actual: size_of_length,
            },
        );
    }
    let length = usize::from(reader.u16(name)?);
    if length < 5 {
        let kind = WireErrorKind::Value {
            expected: "a record length of 5 or more",
            actual: length as u64,
        };
        return fail(start + 3, name, kind);
    }
    if length - 5 > reader.left() {
        let kind = WireErrorKind::Overrun {
            length,
            left: reader.left() + 5,
            container: "the file",
        };
        return fail(start + 3, name, kind);
    }
    let mut inner = reader.child(length - 5, "record")?;
    // An element has three bytes at least, so that many small records take no more than they are.
    let mut record = Record {
        elements: Vec::with_capacity((inner.left() / 3).min(10)),
    };
    let mut seen = 0_u32;
    while !inner.is_empty() {
        let at = inner.offset();
        let e = element::read(&mut inner, "the record", &RECORD, 0)?;
        let known = matches!(e.tag, 1..=12);
        let t = e.tag;
        if !known && strictness.refuse_unknown {
            return fail(
                at,
                record_element_name(t),
                WireErrorKind::Unknown { tag: t },
            );
        }
        // A record length inside a record is a second one: the first has swallowed a record.
        let twice = known && (t == tag::RECORD_LENGTH || seen & (1 << t) != 0);
        if twice && strictness.refuse_duplicates {
            return fail(
                at,
                record_element_name(t),
                WireErrorKind::Duplicate { tag: t },
            );
        }
        if known {
            seen |= 1 << t;
            check_value(&e, at, strictness)?;
        }
        record.elements.push(e);
    }
    let wanted: &[u8] = if strictness.refuse_missing {
        &[
            tag::FUNCTION,
            tag::SUBJECT_NAME,
            tag::ISSUER_NAME,
            tag::SERIAL_NUMBER,
            tag::CERTIFICATE,
        ]
    } else {
        &[tag::FUNCTION]
    };
    for &t in wanted {
        if seen & (1 << t) == 0 {
            return fail(start, record_element_name(t), WireErrorKind::Missing);
        }
    }
    Ok(record)
}

fn check_value(e: &Element<&[u8]>, at: usize, strictness: &Strictness) -> Result<(), WireError> {
    let element::Body::Value(value) = &e.body else {
        return Ok(());
    };
    let expected = match e.tag {
        tag::FUNCTION => Some(2),
        tag::IP_ADDRESS => Some(4),
        tag::HASH_ALGORITHM => Some(1),
        _ => None,
    };
    let name = record_element_name(e.tag);
    if let Some(expected) = expected.filter(|&n| n != value.len()) {
        let kind = WireErrorKind::Length {
            expected,
            actual: value.len(),
        };
        return Err(WireError::new(at, name, kind));
    }
    let is_name = matches!(e.tag, tag::DNS_NAME | tag::SUBJECT_NAME | tag::ISSUER_NAME);
    if is_name && strictness.refuse_odd_names && std::str::from_utf8(value).is_err() {
        let kind = WireErrorKind::Value {
            expected: "a name in UTF-8",
            actual: value.len() as u64,
        };
        return Err(WireError::new(at, name, kind));
    }
    Ok(())
}
