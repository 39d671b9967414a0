//! Signed files (`.sgn`) and encrypted ones (`.enc.sgn`): a header, then the file itself.

use super::WireError;
use super::element::{find, header_tag as tag};
use super::header::{self, Digest, Format, Header, Strictness};

/// A signed file. `SignedFile<&[u8]>` looks into the bytes that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedFile<B> {
    /// The header.
    pub header: Header<B>,
    /// The file; of an encrypted one, the cipher text.
    pub body: B,
}

/// How the body of an encrypted file is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encryption<'a> {
    /// Initialisation vector of AES-128-CBC.
    pub iv: [u8; 16],
    /// How many 0x0D bytes end the plain text: 1 to 16.
    pub padding: u16,
    /// The body's key, wrapped with the phone's RSA key (PKCS#1 v1.5).
    pub wrapped_key: &'a [u8],
    /// Digest algorithm over the plain text.
    pub plain_digest_algorithm: Digest,
    /// Digest of the plain text.
    pub plain_digest: &'a [u8],
}

impl<'a> SignedFile<&'a [u8]> {
    /// Reads a signed file without copying.
    ///
    /// # Errors
    /// The first place where the bytes are not a signed file.
    pub fn parse(bytes: &'a [u8], strictness: &Strictness) -> Result<Self, WireError> {
        let (file, fault) = Self::parse_partial(bytes, strictness);
        match fault {
            None => Ok(file),
            Some(fault) => Err(fault),
        }
    }

    /// Reads as much of a signed file as there is, for showing a damaged one.
    pub fn parse_partial(bytes: &'a [u8], strictness: &Strictness) -> (Self, Option<WireError>) {
        let (header, result) = header::read(bytes, Format::SignedFile, strictness);
        let body = if result.is_ok() {
            &bytes[header.length()..]
        } else {
            &[]
        };
        (Self { header, body }, result.err())
    }
}

impl<B: AsRef<[u8]>> SignedFile<B> {
    /// How the body is encrypted; none for a plain signed file.
    pub fn encryption(&self) -> Option<Encryption<'_>> {
        let e = &self.header.elements;
        let iv = find(e, tag::BODY_IV)?.try_into().ok()?;
        let padding = find(e, tag::BODY_PADDING)?.try_into().ok()?;
        let digest = find(e, tag::PLAIN_DIGEST_ALGORITHM)?.first().copied()?;
        Some(Encryption {
            iv,
            padding: u16::from_be_bytes(padding),
            wrapped_key: find(e, tag::WRAPPED_KEY)?,
            plain_digest_algorithm: Digest::from_code(digest),
            plain_digest: find(e, tag::PLAIN_DIGEST)?,
        })
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.header.length() + self.body.as_ref().len()
    }

    /// The same, with bytes of its own.
    pub fn to_owned(&self) -> SignedFile<Vec<u8>> {
        SignedFile {
            header: self.header.to_owned(),
            body: self.body.as_ref().to_vec(),
        }
    }

    /// The file's bytes. Lengths are computed; the signature is written as it stands.
    ///
    /// # Errors
    /// [`super::WireErrorKind::TooLarge`] if something is longer than its length field can say.
    pub fn emit(&self) -> Result<Vec<u8>, WireError> {
        let mut out = Vec::with_capacity(self.size());
        self.header.emit(&mut out)?;
        out.extend_from_slice(self.body.as_ref());
        Ok(out)
    }
}
