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
pub fn find<B: AsRef<[u8]>>(elements: &[Element<B>], tag: u8) -> Option<&[u8]> {
    elements.iter().rev().find_map(|e| match &e.body {
        Body::Value(v) if e.tag == tag => Some(v.as_ref()),
        Body::Elements(inner) => find(inner, tag),
        _ => None,
    })
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
    /// Whether tag 13 is padding at the outermost level.
    pub(super) pads: bool,
}

/// Reads one element from `reader`. `container` names what it stands in, for errors.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    container: &'static str,
    grammar: &Grammar,
    depth: u8,
) -> Result<Element<&'a [u8]>, WireError> {
    let name = grammar.name;
    let at = reader.offset();
    let tag = reader.u8(container)?;
    if grammar.pads && depth == 0 && tag == header_tag::PADDING {
        let mut n = 1;
        while reader.peek() == Some(header_tag::PADDING) {
            reader.take(1, "padding")?;
            n += 1;
        }
        return Ok(Element {
            tag,
            body: Body::Padding(n),
        });
    }
    let length = usize::from(reader.u16(name(tag))?);
    if length > reader.left() {
        return Err(WireError::new(
            at,
            name(tag),
            WireErrorKind::Overrun {
                length,
                left: reader.left(),
                container,
            },
        ));
    }
    // The deepest container of any format stands at depth 1; deeper ones stay bytes, so that no
    // input makes this recurse further.
    if depth <= 1 && (grammar.is_container)(tag) {
        let mut inner = reader.child(length, name(tag))?;
        let mut elements = Vec::with_capacity(3);
        while !inner.is_empty() {
            elements.push(read(&mut inner, name(tag), grammar, depth + 1)?);
        }
        return Ok(Element {
            tag,
            body: Body::Elements(elements),
        });
    }
    Ok(Element {
        tag,
        body: Body::Value(reader.take(length, name(tag))?),
    })
}
