//! CTL and ITL files (`.tlv`): a header, then records.

use super::element::{self, Body, Element, find, record_tag as tag, size_of_all};
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
    pub const fn file_name(self) -> &'static str {
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
        let result = result.and_then(|start| list.read_records(bytes, start, strictness));
        Partial {
            list,
            fault: result.err(),
        }
    }

    fn read_records(
        &mut self,
        bytes: &'a [u8],
        start: usize,
        strictness: &Strictness,
    ) -> Result<(), WireError> {
        let mut reader = Reader::at(bytes.get(start..).unwrap_or_default(), start);
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

/// Known tags, 1 to 12, one bit each.
const KNOWN: u32 = 0x1ffe;
/// Tags of fixed size.
const FIXED_SIZE: u32 = 1 << tag::FUNCTION | 1 << tag::IP_ADDRESS | 1 << tag::HASH_ALGORITHM;
/// Tags of names.
const IS_NAME: u32 = 1 << tag::DNS_NAME | 1 << tag::SUBJECT_NAME | 1 << tag::ISSUER_NAME;

/// The field's name of a record element.
pub fn record_element_name(tag: u8) -> &'static str {
    NAMES
        .get(usize::from(tag))
        .copied()
        .unwrap_or("unknown element")
}

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
    let checked = match strictness.refuse_odd_names {
        true => FIXED_SIZE | IS_NAME,
        false => FIXED_SIZE,
    };
    let mut seen = 0;
    while !inner.is_empty() {
        let at = inner.offset();
        let (t, value) = element::read_value(&mut inner, "the record", record_element_name)?;
        let bit = 1_u32.checked_shl(u32::from(t)).unwrap_or(0) & KNOWN;
        if bit == 0 || bit & seen != 0 || t == tag::RECORD_LENGTH {
            check_odd(t, bit, at, strictness)?;
        }
        seen |= bit;
        if bit & checked != 0 {
            check_value(t, value, at)?;
        }
        // Extended, not pushed: so the element is built in its place, which a fifth of the parse's
        // time hangs on.
        record
            .elements
            .extend(std::iter::once((t, value)).map(|(tag, value)| Element {
                tag,
                body: Body::Value(value),
            }));
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

/// Refuses an element that is unknown or stands twice, where it is to be refused. `bit` is its bit
/// of [`KNOWN`].
#[cold]
fn check_odd(t: u8, bit: u32, at: usize, strictness: &Strictness) -> Result<(), WireError> {
    // A record length inside a record is a second one: the first has swallowed a record.
    let swallowed = t == tag::RECORD_LENGTH;
    let kind = if bit == 0 && strictness.refuse_unknown {
        WireErrorKind::Unknown { tag: t }
    } else if swallowed || bit != 0 && strictness.refuse_duplicates {
        WireErrorKind::Duplicate { tag: t }
    } else {
        return Ok(());
    };
    Err(WireError::new(at, record_element_name(t), kind))
}

/// Checks an element of fixed size, or a name that has to be text.
#[inline]
fn check_value(t: u8, value: &[u8], at: usize) -> Result<(), WireError> {
    let actual = value.len();
    let expected = match t {
        tag::FUNCTION => Some(2),
        tag::IP_ADDRESS => Some(4),
        tag::HASH_ALGORITHM => Some(1),
        _ => None,
    };
    let kind = match expected {
        Some(expected) if expected != actual => WireErrorKind::Length { expected, actual },
        None if std::str::from_utf8(value).is_err() => WireErrorKind::Value {
            expected: "a name in UTF-8",
            actual: actual as u64,
        },
        _ => return Ok(()),
    };
    Err(WireError::new(at, record_element_name(t), kind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::element::{Body, header_tag};
    use super::*;

    const HEADER: &[u8] = &[
        1, 0, 2, 1, 2, 2, 0, 2, 0, 24, 5, 0, 1, 7, 8, 0, 1, 1, 12, 0, 1, 9, 13, 13,
    ];

    fn list_with(records: &[u8]) -> Vec<u8> {
        [HEADER, records].concat()
    }

    fn fault_of(records: &[u8]) -> WireError {
        TrustList::parse(&list_with(records), &Strictness::default()).unwrap_err()
    }

    #[test]
    fn a_record_is_built_and_taken_apart() {
        let record: Record<Vec<u8>> = Record {
            elements: vec![
                Element::value(tag::DNS_NAME, header::with_nul("cucm1")),
                Element::value(tag::FUNCTION, [0, 21]),
                Element::value(tag::IP_ADDRESS, [10, 0, 0, 1]),
            ],
        };
        let mut bytes = Vec::new();
        record.emit(&mut bytes).unwrap();
        assert_eq!(
            bytes,
            b"\x01\x00\x02\x00\x1a\x02\x00\x06cucm1\x00\x04\x00\x02\x00\x15\x0a\x00\x04\x0a\x00\x00\x01"
        );
        let file = list_with(&bytes);
        let list = TrustList::parse(&file, &Strictness::default()).unwrap();
        let read = &list.records[0];
        assert_eq!(read.dns_name(), Some(&b"cucm1"[..]));
        assert_eq!(read.role(), Role::Tvs);
        assert_eq!(read.ip_address(), Some([10, 0, 0, 1]));
        assert_eq!((read.certificate(), read.serial()), (None, None));
        assert_eq!(read.to_owned(), record);
        assert_eq!(list.record_offset(0), HEADER.len());
        assert_eq!(list.record_offset(1), file.len());
        assert_eq!(list.size(), file.len());
        // No certificate, so it gives no right.
        assert!(list.is_empty_for_rollback());
        assert!(!list.has_certificate_with(|role| role == Role::Tvs));
    }

    #[test]
    fn impossible_lengths_in_a_record_name_their_place() {
        let start = HEADER.len();
        let length = |expected, actual| WireErrorKind::Length { expected, actual };
        let overrun = |length, left, container| WireErrorKind::Overrun {
            length,
            left,
            container,
        };
        let truncated = |needed, left| WireErrorKind::Truncated { needed, left };
        let cases: [(&[u8], usize, WireErrorKind); 13] = [
            (&[1], 1, truncated(2, 0)),
            (&[1, 0, 2, 0], 3, truncated(2, 1)),
            (&[1, 0, 1, 9], 0, length(2, 1)),
            (&[1, 0, 4, 0, 0, 0, 9], 0, length(2, 4)),
            (
                &[1, 0, 2, 0, 4],
                3,
                WireErrorKind::Value {
                    expected: "a record length of 5 or more",
                    actual: 4,
                },
            ),
            (&[1, 0, 2, 0, 5], 0, WireErrorKind::Missing),
            (
                &[1, 0, 2, 0, 11, 4, 0, 2, 0, 0],
                3,
                overrun(11, 10, "the file"),
            ),
            (&[1, 0, 2, 0xff, 0xff], 3, overrun(65_535, 5, "the file")),
            (
                &[1, 0, 2, 0, 9, 4, 0, 2, 0, 0],
                5,
                overrun(2, 1, "the record"),
            ),
            (&[1, 0, 2, 0, 11, 4, 0, 2, 0, 0, 7], 11, truncated(2, 0)),
            (&[1, 0, 2, 0, 9, 4, 0, 1, 0], 5, length(2, 1)),
            (
                &[1, 0, 2, 0, 15, 4, 0, 2, 0, 0, 10, 0, 2, 1, 1],
                10,
                length(4, 2),
            ),
            (
                &[1, 0, 2, 0, 15, 4, 0, 2, 0, 0, 12, 0, 2, 1, 1],
                10,
                length(1, 2),
            ),
        ];
        for (records, offset, kind) in cases {
            let error = fault_of(records);
            let expected = (start + offset, kind);
            assert_eq!((error.offset, error.kind), expected, "{records:?}: {error}");
        }
    }

    #[test]
    fn a_damaged_list_shows_what_stands_before_the_damage() {
        let good = [1, 0, 2, 0, 10, 4, 0, 2, 0, 3];
        let bytes = list_with(&[&good[..], &[1, 0, 2, 0, 4]].concat());
        let partial = TrustList::parse_partial(&bytes, &Strictness::default());
        assert_eq!(partial.list.records.len(), 1);
        assert_eq!(partial.list.records[0].role(), Role::Tftp);
        assert_eq!(partial.fault.unwrap().offset, HEADER.len() + 13);
    }

    #[test]
    fn bytes_after_the_last_record_are_kept_or_refused() {
        let bytes = list_with(&[1, 0, 2, 0, 10, 4, 0, 2, 0, 3, 13, 13]);
        let list = TrustList::parse(&bytes, &Strictness::default()).unwrap();
        assert_eq!(list.trailing, [13, 13]);
        assert_eq!(list.to_owned().emit().unwrap(), bytes);
        let strict = Strictness {
            refuse_trailing: true,
            ..Strictness::default()
        };
        let error = TrustList::parse(&bytes, &strict).unwrap_err();
        assert_eq!(error.kind, WireErrorKind::Trailing { length: 2 });
        assert_eq!(error.offset, HEADER.len() + 10);
    }

    #[test]
    fn kinds_are_told_by_file_name() {
        for (name, kind) in [
            ("CTLFile.tlv", Some(ListKind::Ctl)),
            ("dir/ITLSEP001122334455.tlv", Some(ListKind::Itl)),
            ("c:\\lists\\itlfile.tlv", Some(ListKind::Itl)),
            ("SEP001122334455.cnf.xml.sgn", None),
            ("", None),
        ] {
            assert_eq!(ListKind::of_file_name(name), kind, "{name}");
        }
    }

    fn value(
        tags: impl Strategy<Value = u8>,
        most: usize,
    ) -> impl Strategy<Value = Element<Vec<u8>>> {
        (tags, prop::collection::vec(any::<u8>(), 0..most)).prop_map(|(t, v)| Element::value(t, v))
    }

    /// Any list in the form that a reader gives: neighbouring padding is one element, and the
    /// header length is right.
    fn any_list() -> impl Strategy<Value = TrustList<Vec<u8>>> {
        let signer = prop::collection::vec(value(4..=6_u8, 80), 0..4);
        let unknown = prop::collection::vec(value(29..=255_u8, 20), 0..3);
        let signature = prop::collection::vec(any::<u8>(), 0..600);
        let record = (
            prop::collection::vec(
                prop_oneof![
                    value(Just(2), 40),
                    value(3..=9_u8, 300),
                    value(13..=255_u8, 9)
                ]
                .prop_filter("the role has its size", |e| e.tag != tag::FUNCTION),
                0..8,
            ),
            any::<u16>(),
        )
            .prop_map(|(mut elements, role)| {
                elements.push(Element::value(tag::FUNCTION, role.to_be_bytes()));
                Record { elements }
            });
        let records = prop::collection::vec(record, 0..6);
        (
            any::<[u8; 2]>(),
            signer,
            unknown,
            signature,
            0..70_usize,
            records,
        )
            .prop_map(|(version, signer, unknown, signature, padding, records)| {
                let mut elements: Vec<Element<Vec<u8>>> = vec![
                    Element::value(header_tag::VERSION, version),
                    Element::value(header_tag::HEADER_LENGTH, [0, 0]),
                    Element::container(header_tag::SIGNER_ID, signer),
                    Element::value(header_tag::SERIAL_NUMBER, [1]),
                    Element::value(header_tag::DIGEST_ALGORITHM, [3]),
                    Element::value(header_tag::SIGNATURE, signature),
                ];
                elements.extend(unknown);
                if padding > 0 {
                    elements.push(Element::padding(padding));
                }
                let length = size_of_all(&elements) as u16;
                elements[1].body = Body::Value(length.to_be_bytes().to_vec());
                TrustList {
                    header: Header { elements },
                    records,
                    trailing: Vec::new(),
                }
            })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(list in any_list()) {
            let loose = Strictness { refuse_duplicates: false, ..Strictness::default() };
            let bytes = list.emit().unwrap();
            prop_assert_eq!(bytes.len(), list.size());
            let read = TrustList::parse(&bytes, &loose).unwrap().to_owned();
            prop_assert_eq!(&read, &list);
            prop_assert_eq!(read.emit().unwrap(), bytes);
        }

        #[test]
        fn any_bytes_after_a_header_give_a_list_or_a_place(
            tail in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(2), any::<u8>()], 0..200)
        ) {
            let bytes = list_with(&tail);
            match TrustList::parse(&bytes, &Strictness::default()) {
                Ok(list) => prop_assert_eq!(list.emit().unwrap(), bytes),
                Err(error) => prop_assert!(error.offset <= bytes.len()),
            }
        }
    }
}
