//! The header that trust lists (`.tlv`) and signed files (`.sgn`, `.enc.sgn`) share.
//!
//! Sources: `show ctl` of Cisco 118892 and 118893 (names, numbers, lengths), the open tools'
//! files (order, padding, what the signature covers).

use std::ops::Range;

use super::element::{self, Body, Element, Grammar, find, header_tag as tag, size_of_all};
use super::{Reader, WireError, WireErrorKind};

/// How a reader treats what no source settles. Each field is a setting (`trustline rules`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strictness {
    /// `list.unknown_elements`: refuse elements whose tag the format does not know.
    pub refuse_unknown: bool,
    /// `list.duplicate_elements`: refuse an element that stands twice; else the last one counts.
    pub refuse_duplicates: bool,
    /// `list.missing_elements`: refuse a header without signer name, issuer name, file name or
    /// timestamp, and a record without subject, issuer, serial or certificate.
    pub refuse_missing: bool,
    /// `list.signer_container`: refuse signer elements outside their container.
    pub require_containers: bool,
    /// `list.trailing_bytes`: refuse bytes after the last record.
    pub refuse_trailing: bool,
    /// `list.name_encoding`: refuse names that are not UTF-8.
    pub refuse_odd_names: bool,
    /// `list.version`: refuse a list whose version is neither 1.1 nor 1.2. Those are what lists
    /// and the phones' logs name; an 8861 reads a 1.2 although it "knows only upto 1.1".
    pub refuse_version: bool,
}

/// What phones are seen to do, and the tolerant choice where nothing is known.
impl Default for Strictness {
    fn default() -> Self {
        Self {
            refuse_unknown: false,
            refuse_duplicates: true,
            refuse_missing: false,
            require_containers: false,
            refuse_trailing: false,
            refuse_odd_names: false,
            refuse_version: false,
        }
    }
}

/// The digest algorithm of a signature, by its code in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// 1.
    Sha1,
    /// 2: defined, and taken by no reader that a source shows.
    Sha256,
    /// 3.
    Sha512,
    /// A code that no source names.
    Other(u8),
}

impl Digest {
    /// The digest with this code.
    pub fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Sha1,
            2 => Self::Sha256,
            3 => Self::Sha512,
            other => Self::Other(other),
        }
    }

    /// The code on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Sha1 => 1,
            Self::Sha256 => 2,
            Self::Sha512 => 3,
            Self::Other(code) => code,
        }
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sha1 => f.write_str("SHA-1"),
            Self::Sha256 => f.write_str("SHA-256"),
            Self::Sha512 => f.write_str("SHA-512"),
            Self::Other(code) => write!(f, "digest {code}"),
        }
    }
}

/// A header: its elements in the file's order, version and header length first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<B> {
    /// The elements. The value of the header length is computed when the header is written.
    pub elements: Vec<Element<B>>,
}

impl<B: AsRef<[u8]>> Header<B> {
    /// Version: major, minor. CTL and ITL 1.2, `.sgn` 1.0, `.enc.sgn` 2.0.
    pub fn version(&self) -> (u8, u8) {
        pair(find(&self.elements, tag::VERSION)).unwrap_or((0, 0))
    }

    /// Signer version, where the file has one.
    pub fn signer_version(&self) -> Option<(u8, u8)> {
        pair(find(&self.elements, tag::SIGNER_VERSION))
    }

    /// Subject name of the signer, without its NUL; opaque bytes.
    pub fn signer_name(&self) -> Option<&[u8]> {
        find(&self.elements, tag::SIGNER_NAME).map(without_nul)
    }

    /// Issuer name of the signer, without its NUL; opaque bytes.
    pub fn issuer_name(&self) -> Option<&[u8]> {
        find(&self.elements, tag::CA_NAME).map(without_nul)
    }

    /// Subject name, issuer name and serial number of the signer, as [`Self::signer_name`],
    /// [`Self::issuer_name`] and [`Self::serial`] give them, empty where the header lacks one.
    pub fn signer(&self) -> [&[u8]; 3] {
        let wanted = [tag::SIGNER_NAME, tag::CA_NAME, tag::SERIAL_NUMBER];
        let [subject, issuer, serial] =
            element::find_each(&self.elements, wanted).map(Option::unwrap_or_default);
        [without_nul(subject), without_nul(issuer), serial]
    }

    /// Serial number of the signer, raw. Compare with [`same_serial`].
    pub fn serial(&self) -> &[u8] {
        find(&self.elements, tag::SERIAL_NUMBER).unwrap_or_default()
    }

    /// Digest of the signature.
    pub fn digest(&self) -> Digest {
        Digest::from_code(byte(find(&self.elements, tag::DIGEST_ALGORITHM)).unwrap_or(0))
    }

    /// Code of the modulus size. Readers ignore it; the key says its size.
    pub fn modulus_code(&self) -> Option<u8> {
        byte(find(&self.elements, tag::SIGNATURE_MODULUS))
    }

    /// The signature: the element that [`Self::signature_span`] cuts out.
    pub fn signature(&self) -> &[u8] {
        let last = self.elements.iter().rev().find(|e| e.tag == tag::SIGNATURE);
        match last.map(|e| &e.body) {
            Some(Body::Value(value)) => value.as_ref(),
            _ => &[],
        }
    }

    /// File name, without its NUL.
    pub fn file_name(&self) -> Option<&[u8]> {
        find(&self.elements, tag::FILE_NAME).map(without_nul)
    }

    /// Unix time of signing.
    pub fn timestamp(&self) -> Option<u32> {
        find(&self.elements, tag::TIMESTAMP)
            .and_then(|v| Some(u32::from_be_bytes(v.try_into().ok()?)))
    }

    /// Bytes of the header, which is the value of its second element.
    #[inline]
    pub fn length(&self) -> usize {
        size_of_all(&self.elements)
    }

    /// Where the signature element stands in the file. The signature covers the file without it.
    pub fn signature_span(&self) -> Range<usize> {
        let mut at = 0;
        let mut span = 0..0;
        for e in &self.elements {
            let end = at + e.size();
            if e.tag == tag::SIGNATURE {
                span = at..end;
            }
            at = end;
        }
        span
    }

    /// Offset of the element with `tag`, for messages.
    pub fn offset_of(&self, tag: u8) -> Option<usize> {
        element::offset_of(&self.elements, tag)
    }

    /// The same, with bytes of its own.
    pub fn to_owned(&self) -> Header<Vec<u8>> {
        Header {
            elements: self.elements.iter().map(Element::to_owned).collect(),
        }
    }

    /// Appends the header to `out`.
    ///
    /// # Errors
    /// [`WireErrorKind::TooLarge`] if an element or the header is longer than a length field says.
    pub fn emit(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let length = self.length();
        let Ok(field) = u16::try_from(length) else {
            let kind = WireErrorKind::TooLarge {
                limit: usize::from(u16::MAX),
                actual: length,
            };
            return Err(WireError::new(out.len(), "header", kind));
        };
        for e in &self.elements {
            if e.tag == tag::HEADER_LENGTH && matches!(e.body, Body::Value(_)) {
                Element::<[u8; 2]>::value(tag::HEADER_LENGTH, field.to_be_bytes()).emit(out)?;
            } else {
                e.emit(out)?;
            }
        }
        Ok(())
    }
}

impl Header<Vec<u8>> {
    /// Replaces the signature, at its place in the header. A header without one stays as it is.
    pub fn set_signature(&mut self, signature: Vec<u8>) {
        let last = self
            .elements
            .iter_mut()
            .rev()
            .find(|e| e.tag == tag::SIGNATURE);
        if let Some(element) = last {
            element.body = Body::Value(signature);
        }
    }
}

const NAMES: [&str; 29] = [
    "element 0",
    "Version",
    "HeaderLength",
    "SIGNERID",
    "SIGNERNAME",
    "SERIALNUMBER",
    "CANAME",
    "SIGNATUREINFO",
    "DIGESTALGORITHM",
    "SIGNATUREALGOINFO",
    "SIGNATUREALGORITHM",
    "SIGNATUREMODULUS",
    "SIGNATURE",
    "padding",
    "FILENAME",
    "TIMESTAMP",
    "encryption information",
    "body cipher",
    "body algorithm",
    "body IV",
    "body padding",
    "key wrap",
    "key algorithm",
    "key bits",
    "key format",
    "wrapped key",
    "plain digest algorithm",
    "plain digest",
    "signer version",
];

/// The field's name of a header element.
pub fn header_element_name(tag: u8) -> &'static str {
    NAMES
        .get(usize::from(tag))
        .copied()
        .unwrap_or("unknown element")
}

/// Which of the two formats a header belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    TrustList,
    SignedFile,
}

const LIST: Grammar = Grammar {
    name: header_element_name,
    is_container: |t| matches!(t, 3 | 7 | 9),
};

const SIGNED: Grammar = Grammar {
    name: header_element_name,
    is_container: |t| matches!(t, 3 | 7 | 9 | 16 | 17 | 21),
};

impl Format {
    fn grammar(self) -> &'static Grammar {
        match self {
            Self::TrustList => &LIST,
            Self::SignedFile => &SIGNED,
        }
    }

    /// The tags that the format knows: of a list 1 to 15 and 28, of a signed file 1 to 28.
    fn known(self) -> Tags {
        match self {
            Self::TrustList => 0x1000_fffe,
            Self::SignedFile => 0x1fff_fffe,
        }
    }
}

/// Reads the header at the start of `bytes` as far as it can. The number of its bytes is given
/// beside it, or the first fault after what was read before it.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    format: Format,
    strictness: &Strictness,
) -> (Header<&'a [u8]>, Result<usize, WireError>) {
    let mut header = Header {
        elements: Vec::with_capacity(10),
    };
    let result = read_into(&mut header, bytes, format, strictness);
    (header, result)
}

fn read_into<'a>(
    header: &mut Header<&'a [u8]>,
    bytes: &'a [u8],
    format: Format,
    strictness: &Strictness,
) -> Result<usize, WireError> {
    let mut start = Reader::new(bytes);
    let version = fixed(&mut start, tag::VERSION)?;
    header.elements.push(version);
    if format == Format::TrustList && strictness.refuse_version {
        let (major, minor) = header.version();
        let wrong = match (major, minor) {
            (1, 1..=2) => None,
            (1, _) => Some((4, "minor version 1 or 2", minor)),
            _ => Some((3, "major version 1", major)),
        };
        if let Some((at, expected, actual)) = wrong {
            let kind = WireErrorKind::Value {
                expected,
                actual: u64::from(actual),
            };
            return Err(WireError::new(at, header_element_name(tag::VERSION), kind));
        }
    }
    let at = start.offset() + 3;
    let length = fixed(&mut start, tag::HEADER_LENGTH)?;
    let declared = match &length.body {
        Body::Value([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    header.elements.push(length);
    let first_two = start.offset();
    if declared < first_two {
        let kind = WireErrorKind::Value {
            expected: "a header length past the first two elements",
            actual: declared as u64,
        };
        return Err(WireError::new(
            at,
            header_element_name(tag::HEADER_LENGTH),
            kind,
        ));
    }
    if declared > bytes.len() {
        let kind = WireErrorKind::Overrun {
            length: declared,
            left: bytes.len(),
            container: "the file",
        };
        return Err(WireError::new(
            at,
            header_element_name(tag::HEADER_LENGTH),
            kind,
        ));
    }
    let mut reader = Reader::at(&bytes[first_two..declared], first_two);
    let mut seen = set_of(&[tag::VERSION, tag::HEADER_LENGTH]);
    while !reader.is_empty() {
        let at = reader.offset();
        let elements = &mut header.elements;
        element::read(&mut reader, elements, "the header", format.grammar(), 0)?;
        let checked = elements.last().map_or(Ok(()), |element| {
            check(element, at, false, format, strictness, &mut seen)
        });
        if checked.is_err() {
            elements.pop();
            return checked.map(|()| 0);
        }
    }
    required(header, seen, format, strictness)?;
    Ok(declared)
}

fn fixed<'a>(reader: &mut Reader<'a>, expected: u8) -> Result<Element<&'a [u8]>, WireError> {
    let name = header_element_name(expected);
    let at = reader.offset();
    let found = reader.u8(name)?;
    if found != expected {
        return Err(WireError::new(
            at,
            name,
            WireErrorKind::Tag {
                expected,
                actual: found,
            },
        ));
    }
    let length = usize::from(reader.u16(name)?);
    if length != 2 {
        let kind = WireErrorKind::Length {
            expected: 2,
            actual: length,
        };
        return Err(WireError::new(at, name, kind));
    }
    Ok(Element::value(found, reader.take(2, name)?))
}

/// A set of tags, one bit each. Every tag that a format knows is under 32.
type Tags = u32;

const fn set_of(list: &[u8]) -> Tags {
    let mut set = 0;
    let mut i = 0;
    while i < list.len() {
        set |= 1 << list[i];
        i += 1;
    }
    set
}

/// Elements that usually stand in a container.
const BELONGS_INSIDE: Tags = set_of(&[
    tag::SIGNER_NAME,
    tag::SERIAL_NUMBER,
    tag::CA_NAME,
    tag::DIGEST_ALGORITHM,
    tag::SIGNATURE_ALGORITHM_INFO,
    tag::SIGNATURE_ALGORITHM,
    tag::SIGNATURE_MODULUS,
    tag::BODY_CIPHER,
    tag::BODY_ALGORITHM,
    tag::BODY_IV,
    tag::BODY_PADDING,
    tag::KEY_WRAP,
    tag::KEY_ALGORITHM,
    tag::KEY_BITS,
    tag::KEY_FORMAT,
    tag::WRAPPED_KEY,
]);

/// Elements that hold a name.
const IS_NAME: Tags = set_of(&[tag::SIGNER_NAME, tag::CA_NAME, tag::FILE_NAME]);

/// Bytes of the elements that have a fixed size.
const fn fixed_size(t: u8) -> Option<usize> {
    Some(match t {
        tag::VERSION | tag::HEADER_LENGTH | tag::SIGNER_VERSION => 2,
        tag::DIGEST_ALGORITHM | tag::SIGNATURE_ALGORITHM | tag::SIGNATURE_MODULUS => 1,
        tag::BODY_ALGORITHM | tag::KEY_ALGORITHM | tag::KEY_FORMAT => 1,
        tag::PLAIN_DIGEST_ALGORITHM => 1,
        tag::BODY_PADDING | tag::KEY_BITS => 2,
        tag::TIMESTAMP => 4,
        tag::BODY_IV => 16,
        _ => return None,
    })
}

fn check(
    element: &Element<&[u8]>,
    at: usize,
    nested: bool,
    format: Format,
    strictness: &Strictness,
    seen: &mut Tags,
) -> Result<(), WireError> {
    let t = element.tag;
    let fail = |kind| Err(WireError::new(at, header_element_name(t), kind));
    if matches!(element.body, Body::Padding(_)) {
        return Ok(());
    }
    let bit = 1_u32.checked_shl(u32::from(t)).unwrap_or(0) & format.known();
    if bit == 0 {
        return if strictness.refuse_unknown {
            fail(WireErrorKind::Unknown { tag: t })
        } else {
            Ok(())
        };
    }
    // A second version or header length means that the header has swallowed a record.
    let swallowed = matches!(t, tag::VERSION | tag::HEADER_LENGTH);
    let twice = *seen & bit != 0;
    *seen |= bit;
    if twice && (swallowed || strictness.refuse_duplicates) {
        return fail(WireErrorKind::Duplicate { tag: t });
    }
    if bit & BELONGS_INSIDE != 0 && !nested && strictness.require_containers {
        return fail(WireErrorKind::Value {
            expected: "this element inside its container",
            actual: u64::from(t),
        });
    }
    match &element.body {
        Body::Value(value) => {
            let actual = value.len();
            if let Some(expected) = fixed_size(t).filter(|&n| n != actual) {
                return fail(WireErrorKind::Length { expected, actual });
            }
            let must_be_text = bit & IS_NAME != 0 && strictness.refuse_odd_names;
            if must_be_text && std::str::from_utf8(value).is_err() {
                return fail(WireErrorKind::Value {
                    expected: "a name in UTF-8",
                    actual: actual as u64,
                });
            }
        }
        Body::Elements(inner) => {
            let mut inner_at = at + 3;
            for child in inner {
                check(child, inner_at, true, format, strictness, seen)?;
                inner_at += child.size();
            }
        }
        Body::Padding(_) => {}
    }
    Ok(())
}

fn required(
    header: &Header<&[u8]>,
    seen: Tags,
    format: Format,
    strictness: &Strictness,
) -> Result<(), WireError> {
    let always: &[u8] = &[tag::SERIAL_NUMBER, tag::DIGEST_ALGORITHM, tag::SIGNATURE];
    let usual: &[u8] = &[
        tag::SIGNER_NAME,
        tag::CA_NAME,
        tag::FILE_NAME,
        tag::TIMESTAMP,
    ];
    let encrypted: &[u8] = &[
        tag::BODY_IV,
        tag::WRAPPED_KEY,
        tag::BODY_PADDING,
        tag::PLAIN_DIGEST,
        tag::PLAIN_DIGEST_ALGORITHM,
    ];
    let is_encrypted = format == Format::SignedFile && seen & set_of(&[tag::ENCRYPTION_INFO]) != 0;
    let groups = [
        (true, always),
        (strictness.refuse_missing, usual),
        (is_encrypted, encrypted),
    ];
    let missing = |t| {
        let name = header_element_name(t);
        let at = header.length();
        Err(WireError::new(at, name, WireErrorKind::Missing))
    };
    for (applies, tags) in groups {
        if let Some(&t) = tags.iter().find(|&&t| applies && seen & set_of(&[t]) == 0) {
            return missing(t);
        }
    }
    // A signature inside a container would be part of what it signs.
    if !header.elements.iter().any(|e| e.tag == tag::SIGNATURE) {
        return missing(tag::SIGNATURE);
    }
    Ok(())
}

/// A name without the NUL that ends it on the wire.
pub fn without_nul(value: &[u8]) -> &[u8] {
    value.strip_suffix(&[0]).unwrap_or(value)
}

/// A name with the NUL that ends it on the wire.
pub fn with_nul(name: impl AsRef<[u8]>) -> Vec<u8> {
    let mut value = name.as_ref().to_vec();
    value.push(0);
    value
}

/// A serial number without leading zero bytes. Makers differ: the open tools write the minimal
/// unsigned form, DER has a leading 00 where the top bit is set.
pub fn serial_number(raw: &[u8]) -> &[u8] {
    let zeros = raw.iter().take_while(|&&b| b == 0).count();
    &raw[zeros..]
}

/// True if two serials are the same number.
pub fn same_serial(a: &[u8], b: &[u8]) -> bool {
    serial_number(a) == serial_number(b)
}

fn pair(value: Option<&[u8]>) -> Option<(u8, u8)> {
    match value {
        Some([a, b]) => Some((*a, *b)),
        _ => None,
    }
}

fn byte(value: Option<&[u8]>) -> Option<u8> {
    match value {
        Some([a]) => Some(*a),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
