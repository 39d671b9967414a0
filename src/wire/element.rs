//! Elements: tag (1 byte), length (2 bytes, big-endian), value; and padding, tag 13, one byte
//! without a length. Containers hold elements. Trust lists and signed files are made of them.

use super::{Reader, WireError, WireErrorKind};

/// Header elements, by the number that `show ctl` prints under BYTEPOS.
pub mod header_tag {
    /// Version, two bytes: major, minor.
    pub const VERSION: u8 = 1;
    /// Header length, u16, from the file's first byte to the end of the padding, signature included.
    pub const HEADER_LENGTH: u8 = 2;
    /// Signer information, a container.
    pub const SIGNER_ID: u8 = 3;
    /// Signer's subject name, ends with a NUL.
    pub const SIGNER_NAME: u8 = 4;
    /// Signer's serial number, raw.
    pub const SERIAL_NUMBER: u8 = 5;
    /// Signer's issuer name, ends with a NUL.
    pub const CA_NAME: u8 = 6;
    /// Signature information, a container.
    pub const SIGNATURE_INFO: u8 = 7;
    /// Digest algorithm, one byte.
    pub const DIGEST_ALGORITHM: u8 = 8;
    /// Signature algorithm information, a container.
    pub const SIGNATURE_ALGORITHM_INFO: u8 = 9;
    /// Signature algorithm, one byte, 0 is RSA.
    pub const SIGNATURE_ALGORITHM: u8 = 10;
    /// Modulus code, one byte: 0, 1, 2, 3 for 64, 128, 256, 512 bytes.
    pub const SIGNATURE_MODULUS: u8 = 11;
    /// Signature.
    pub const SIGNATURE: u8 = 12;
    /// Padding, one byte each, without a length.
    pub const PADDING: u8 = 13;
    /// File name, ends with a NUL.
    pub const FILE_NAME: u8 = 14;
    /// Unix time, u32.
    pub const TIMESTAMP: u8 = 15;
    /// Encryption information, a container (`.enc.sgn`).
    pub const ENCRYPTION_INFO: u8 = 16;
    /// Container of the body's cipher.
    pub const BODY_CIPHER: u8 = 17;
    /// One byte, 0: AES-128-CBC.
    pub const BODY_ALGORITHM: u8 = 18;
    /// Initialisation vector, 16 bytes.
    pub const BODY_IV: u8 = 19;
    /// How many padding bytes end the plain text, u16.
    pub const BODY_PADDING: u8 = 20;
    /// Container of the wrapped key.
    pub const KEY_WRAP: u8 = 21;
    /// One byte, 0: RSAES-PKCS1-v1_5.
    pub const KEY_ALGORITHM: u8 = 22;
    /// Bits of the wrapped key, u16.
    pub const KEY_BITS: u8 = 23;
    /// One byte, 1.
    pub const KEY_FORMAT: u8 = 24;
    /// The wrapped key.
    pub const WRAPPED_KEY: u8 = 25;
    /// Digest algorithm of the plain text, one byte.
    pub const PLAIN_DIGEST_ALGORITHM: u8 = 26;
    /// Digest of the plain text.
    pub const PLAIN_DIGEST: u8 = 27;
    /// Signer version, two bytes; 1.1 announces HTTPS with EC certificates.
    pub const SIGNER_VERSION: u8 = 28;
}

/// Record elements of a trust list.
pub mod record_tag {
    /// Record length, u16, its own five bytes included.
    pub const RECORD_LENGTH: u8 = 1;
    /// Host name, ends with a NUL.
    pub const DNS_NAME: u8 = 2;
    /// Subject name, ends with a NUL.
    pub const SUBJECT_NAME: u8 = 3;
    /// Role, u16.
    pub const FUNCTION: u8 = 4;
    /// Issuer name, ends with a NUL.
    pub const ISSUER_NAME: u8 = 5;
    /// Serial number, raw.
    pub const SERIAL_NUMBER: u8 = 6;
    /// Public key: PKCS#1 for RSA, uncompressed point for EC.
    pub const PUBLIC_KEY: u8 = 7;
    /// The certificate's own signature.
    pub const SIGNATURE: u8 = 8;
    /// Certificate, DER.
    pub const CERTIFICATE: u8 = 9;
    /// IPv4 address, four bytes.
    pub const IP_ADDRESS: u8 = 10;
    /// Certificate hash.
    pub const CERTIFICATE_HASH: u8 = 11;
    /// Algorithm of the certificate hash, one byte.
    pub const HASH_ALGORITHM: u8 = 12;
}

/// One element. `B` is `&[u8]` in what was read, `Vec<u8>` in what is owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element<B> {
    /// The tag.
    pub tag: u8,
    /// What it holds.
    pub body: Body<B>,
}

/// What an element holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<B> {
    /// Bytes.
    Value(B),
    /// Elements; the length on the wire is their sum.
    Elements(Vec<Element<B>>),
    /// This many padding bytes in a row.
    Padding(usize),
}

impl<B: AsRef<[u8]>> Element<B> {
    /// An element that holds bytes.
    pub fn value(tag: u8, value: impl Into<B>) -> Self {
        Self {
            tag,
            body: Body::Value(value.into()),
        }
    }

    /// An element that holds elements.
    pub fn container(tag: u8, elements: Vec<Self>) -> Self {
        Self {
            tag,
            body: Body::Elements(elements),
        }
    }

    /// `n` padding bytes.
    pub fn padding(n: usize) -> Self {
        Self {
            tag: header_tag::PADDING,
            body: Body::Padding(n),
        }
    }

    /// Bytes on the wire.
    pub fn size(&self) -> usize {
        match &self.body {
            Body::Value(v) => 3 + v.as_ref().len(),
            Body::Elements(e) => 3 + size_of_all(e),
            Body::Padding(n) => *n,
        }
    }

    /// The same, with bytes of its own.
    pub fn to_owned(&self) -> Element<Vec<u8>> {
        Element {
            tag: self.tag,
            body: match &self.body {
                Body::Value(v) => Body::Value(v.as_ref().to_vec()),
                Body::Elements(e) => Body::Elements(e.iter().map(Self::to_owned).collect()),
                Body::Padding(n) => Body::Padding(*n),
            },
        }
    }

    /// Appends the element to `out`. Lengths of containers are computed here.
    ///
    /// # Errors
    /// [`WireErrorKind::TooLarge`] if a value is longer than its length field can say.
    pub fn emit(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        if let Body::Padding(n) = self.body {
            out.resize(out.len() + n, header_tag::PADDING);
            return Ok(());
        }
        let length = self.size() - 3;
        let Ok(field) = u16::try_from(length) else {
            return Err(WireError::new(
                out.len(),
                "element",
                WireErrorKind::TooLarge {
                    limit: usize::from(u16::MAX),
                    actual: length,
                },
            ));
        };
        out.push(self.tag);
        out.extend_from_slice(&field.to_be_bytes());
        match &self.body {
            Body::Value(v) => out.extend_from_slice(v.as_ref()),
            Body::Elements(elements) => {
                for element in elements {
                    element.emit(out)?;
                }
            }
            Body::Padding(_) => {}
        }
        Ok(())
    }
}

/// Bytes of `elements` on the wire.
pub fn size_of_all<B: AsRef<[u8]>>(elements: &[Element<B>]) -> usize {
    elements.iter().map(Element::size).sum()
}

/// The value of the last element with `tag`, searched through containers.
#[inline]
pub fn find<B: AsRef<[u8]>>(elements: &[Element<B>], tag: u8) -> Option<&[u8]> {
    // A loop and no `find_map`, whose closure would be called for every element.
    for e in elements.iter().rev() {
        match &e.body {
            Body::Value(v) if e.tag == tag => return Some(v.as_ref()),
            Body::Elements(inner) => {
                if let Some(value) = find_inside(inner, tag) {
                    return Some(value);
                }
            }
            _ => {}
        }
    }
    None
}

/// The values of the last elements with each of `tags`, searched through containers in one walk.
pub(crate) fn find_each<B: AsRef<[u8]>, const N: usize>(
    elements: &[Element<B>],
    tags: [u8; N],
) -> [Option<&[u8]>; N] {
    let mut found = [None; N];
    find_each_into(elements, tags, &mut found);
    found
}

fn find_each_into<'e, B: AsRef<[u8]>, const N: usize>(
    elements: &'e [Element<B>],
    tags: [u8; N],
    found: &mut [Option<&'e [u8]>; N],
) {
    for e in elements {
        match &e.body {
            Body::Value(v) => {
                for (tag, found) in tags.iter().zip(&mut *found) {
                    if e.tag == *tag {
                        *found = Some(v.as_ref());
                    }
                }
            }
            Body::Elements(inner) => find_each_into(inner, tags, found),
            Body::Padding(_) => {}
        }
    }
}

fn find_inside<B: AsRef<[u8]>>(container: &[Element<B>], tag: u8) -> Option<&[u8]> {
    find(container, tag)
}

/// The value of the last element with `tag`, to change it.
pub fn find_mut(elements: &mut [Element<Vec<u8>>], tag: u8) -> Option<&mut Vec<u8>> {
    elements.iter_mut().rev().find_map(|e| match &mut e.body {
        Body::Value(v) if e.tag == tag => Some(v),
        Body::Elements(inner) => find_mut(inner, tag),
        _ => None,
    })
}

/// Offset of the last element with `tag` from the start of `elements`, searched through
/// containers.
pub fn offset_of<B: AsRef<[u8]>>(elements: &[Element<B>], tag: u8) -> Option<usize> {
    let mut at = 0;
    let mut found = None;
    for element in elements {
        if element.tag == tag && !matches!(element.body, Body::Padding(_)) {
            found = Some(at);
        } else if let Body::Elements(inner) = &element.body {
            found = offset_of(inner, tag).map(|o| at + 3 + o).or(found);
        }
        at += element.size();
    }
    found
}

/// What is special about the elements of one format.
pub(super) struct Grammar {
    /// The field's name of a tag.
    pub(super) name: fn(u8) -> &'static str,
    /// Whether the element holds elements.
    pub(super) is_container: fn(u8) -> bool,
}

/// Reads one element from `reader` and appends it to `elements`. `container` names what it stands
/// in, for errors.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    elements: &mut Vec<Element<&'a [u8]>>,
    container: &'static str,
    grammar: &Grammar,
    depth: u8,
) -> Result<(), WireError> {
    if depth == 0 && reader.peek() == Some(header_tag::PADDING) {
        let ahead = reader.ahead().iter();
        let n = ahead.take_while(|&&b| b == header_tag::PADDING).count();
        reader.take(n, "padding")?;
        elements.push(Element::padding(n));
        return Ok(());
    }
    let at = reader.offset();
    let (tag, value) = read_value(reader, container, grammar.name)?;
    // The deepest container of any format stands at depth 1; deeper ones stay bytes, so that no
    // input makes this recurse further.
    if depth <= 1 && (grammar.is_container)(tag) {
        let mut reader = Reader::at(value, at + 3);
        let mut inner = Vec::with_capacity(3);
        while !reader.is_empty() {
            let container = (grammar.name)(tag);
            read(&mut reader, &mut inner, container, grammar, depth + 1)?;
        }
        elements.push(Element::container(tag, inner));
    } else {
        elements.push(Element::value(tag, value));
    }
    Ok(())
}

/// Reads tag, length and value of one element that is not padding.
#[inline]
pub(super) fn read_value<'a>(
    reader: &mut Reader<'a>,
    container: &'static str,
    name: fn(u8) -> &'static str,
) -> Result<(u8, &'a [u8]), WireError> {
    if let &[tag, high, low, ref ahead @ ..] = reader.ahead()
        && let Some(value) = ahead.get(..usize::from(u16::from_be_bytes([high, low])))
    {
        reader.take(3 + value.len(), container)?;
        return Ok((tag, value));
    }
    Err(cut_off(*reader, container, name))
}

/// Why there is no whole element ahead.
#[cold]
fn cut_off(
    mut reader: Reader<'_>,
    container: &'static str,
    name: fn(u8) -> &'static str,
) -> WireError {
    let at = reader.offset();
    let head = reader
        .u8(container)
        .and_then(|tag| Ok((tag, reader.u16(name(tag))?)));
    match head {
        Ok((tag, length)) => {
            let kind = WireErrorKind::Overrun {
                length: usize::from(length),
                left: reader.left(),
                container,
            };
            WireError::new(at, name(tag), kind)
        }
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grammar with the containers of a signed file.
    const GRAMMAR: Grammar = Grammar {
        name: |_| "element",
        is_container: |t| matches!(t, 3 | 16 | 17),
    };

    fn read_all(bytes: &[u8]) -> Result<Vec<Element<&[u8]>>, WireError> {
        let mut reader = Reader::new(bytes);
        let mut elements = Vec::new();
        while !reader.is_empty() {
            read(&mut reader, &mut elements, "the test", &GRAMMAR, 0)?;
        }
        Ok(elements)
    }

    fn emit_all<B: AsRef<[u8]>>(elements: &[Element<B>]) -> Vec<u8> {
        let mut out = Vec::new();
        for element in elements {
            element.emit(&mut out).unwrap();
        }
        out
    }

    #[test]
    fn elements_are_built_and_taken_apart() {
        let built: Vec<Element<Vec<u8>>> = vec![
            Element::container(
                16,
                vec![Element::container(17, vec![Element::value(18, [7])])],
            ),
            Element::value(4, *b"CN=x\0"),
            Element::value(5, []),
            Element::padding(2),
        ];
        let bytes = emit_all(&built);
        let expected = [
            &[16, 0, 7, 17, 0, 4, 18, 0, 1, 7][..],
            b"\x04\x00\x05CN=x\x00",
            &[5, 0, 0, 13, 13],
        ]
        .concat();
        assert_eq!(bytes, expected);
        let read = read_all(&bytes).unwrap();
        let owned: Vec<_> = read.iter().map(Element::to_owned).collect();
        assert_eq!(owned, built);
        assert_eq!(size_of_all(&read), bytes.len());
        assert_eq!(find(&read, 18), Some(&[7][..]));
        assert_eq!(offset_of(&read, 18), Some(6));
        assert_eq!(offset_of(&read, 4), Some(10));
        assert_eq!((find(&read, 9), offset_of(&read, 9)), (None, None));
    }

    #[test]
    fn the_last_of_two_is_found() {
        let mut elements: Vec<Element<Vec<u8>>> = vec![
            Element::value(4, [1]),
            Element::container(3, vec![Element::value(4, [2])]),
        ];
        assert_eq!(find(&elements, 4), Some(&[2][..]));
        assert_eq!(offset_of(&elements, 4), Some(7));
        *find_mut(&mut elements, 4).unwrap() = vec![3, 3];
        assert_eq!(emit_all(&elements), [4, 0, 1, 1, 3, 0, 5, 4, 0, 2, 3, 3]);
    }

    #[test]
    fn impossible_lengths_name_their_place() {
        let cases: [(&[u8], usize, WireErrorKind); 5] = [
            (&[4], 1, WireErrorKind::Truncated { needed: 2, left: 0 }),
            (&[4, 0], 1, WireErrorKind::Truncated { needed: 2, left: 1 }),
            (
                &[4, 0, 2, 1],
                0,
                WireErrorKind::Overrun {
                    length: 2,
                    left: 1,
                    container: "the test",
                },
            ),
            (
                &[4, 0xff, 0xff],
                0,
                WireErrorKind::Overrun {
                    length: 65_535,
                    left: 0,
                    container: "the test",
                },
            ),
            // An element inside a container may not leave it, even if the file goes on.
            (
                &[3, 0, 4, 4, 0, 2, 1, 1],
                3,
                WireErrorKind::Overrun {
                    length: 2,
                    left: 1,
                    container: "element",
                },
            ),
        ];
        for (bytes, offset, kind) in cases {
            let error = read_all(bytes).unwrap_err();
            assert_eq!((error.offset, error.kind), (offset, kind), "{bytes:?}");
        }
    }

    #[test]
    fn a_value_longer_than_its_length_field_is_not_written() {
        let too_long: Element<Vec<u8>> = Element::value(4, vec![0; 65_536]);
        let kind = WireErrorKind::TooLarge {
            limit: 65_535,
            actual: 65_536,
        };
        assert_eq!(too_long.emit(&mut Vec::new()).unwrap_err().kind, kind);
        let half = || Element::value(4, vec![0; 40_000]);
        let container: Element<Vec<u8>> = Element::container(3, vec![half(), half()]);
        assert!(container.emit(&mut Vec::new()).is_err());
        let longest: Element<Vec<u8>> = Element::value(4, vec![0; 65_535]);
        assert!(longest.emit(&mut Vec::new()).is_ok());
    }

    #[test]
    fn containers_in_containers_stay_shallow() {
        // As deep as the length field allows; read without going deeper than two.
        let mut bytes = Vec::new();
        while bytes.len() + 3 <= 65_535 {
            let left = u16::try_from(65_535 - bytes.len() - 3).unwrap();
            bytes.push(3);
            bytes.extend_from_slice(&left.to_be_bytes());
        }
        let elements = read_all(&bytes).unwrap();
        let Body::Elements(inner) = &elements[0].body else {
            panic!("{elements:?}");
        };
        let Body::Elements(innermost) = &inner[0].body else {
            panic!("{inner:?}");
        };
        assert!(matches!(innermost[0].body, Body::Value(v) if v.len() > 65_000));
        assert_eq!(emit_all(&elements), bytes);
    }

    #[test]
    fn padding_is_a_lone_byte_only_at_the_outermost_level() {
        let elements = read_all(&[13, 13, 3, 0, 4, 13, 0, 1, 9, 13]).unwrap();
        assert_eq!(elements[0].body, Body::Padding(2));
        let inner = Body::Value(&[9][..]);
        assert!(matches!(&elements[1].body, Body::Elements(e) if e[0].body == inner));
        assert_eq!(elements[2].body, Body::Padding(1));
    }
}
