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
        let body = result
            .ok()
            .and_then(|length| bytes.get(length..))
            .unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::WireErrorKind;
    use super::super::element::{Body, Element, size_of_all};
    use super::*;

    fn signed(extra: Vec<Element<Vec<u8>>>, body: Vec<u8>) -> SignedFile<Vec<u8>> {
        let mut elements: Vec<Element<Vec<u8>>> = vec![
            Element::value(tag::VERSION, [2, 0]),
            Element::value(tag::HEADER_LENGTH, [0, 0]),
            Element::value(tag::SERIAL_NUMBER, [1]),
            Element::value(tag::DIGEST_ALGORITHM, [3]),
            Element::value(tag::SIGNATURE, [1, 2, 3]),
        ];
        elements.extend(extra);
        let length = size_of_all(&elements) as u16;
        elements[1].body = Body::Value(length.to_be_bytes().to_vec());
        let header = Header { elements };
        SignedFile { header, body }
    }

    fn encryption(parts: &[u8]) -> Vec<Element<Vec<u8>>> {
        let all: Vec<Element<Vec<u8>>> = vec![
            Element::value(tag::BODY_IV, [7; 16]),
            Element::value(tag::BODY_PADDING, [0, 5]),
            Element::value(tag::WRAPPED_KEY, [9; 128]),
            Element::value(tag::PLAIN_DIGEST_ALGORITHM, [1]),
            Element::value(tag::PLAIN_DIGEST, [8; 20]),
        ];
        let inside = all.into_iter().filter(|e| parts.contains(&e.tag)).collect();
        vec![Element::container(tag::ENCRYPTION_INFO, inside)]
    }

    #[test]
    fn the_encryption_of_a_file_is_read() {
        let file = signed(encryption(&[19, 20, 25, 26, 27]), vec![1; 32]);
        let bytes = file.emit().unwrap();
        let read = SignedFile::parse(&bytes, &Strictness::default()).unwrap();
        assert_eq!(read.to_owned(), file);
        let expected = Encryption {
            iv: [7; 16],
            padding: 5,
            wrapped_key: &[9; 128],
            plain_digest_algorithm: Digest::Sha1,
            plain_digest: &[8; 20],
        };
        assert_eq!(read.encryption(), Some(expected));
        let plain = signed(Vec::new(), vec![1; 32]);
        assert_eq!(plain.encryption(), None);
        assert!(SignedFile::parse(&plain.emit().unwrap(), &Strictness::default()).is_ok());
    }

    #[test]
    fn half_an_encryption_is_refused() {
        let all = [19, 20, 25, 26, 27];
        for missing in all {
            let parts: Vec<u8> = all.into_iter().filter(|&t| t != missing).collect();
            let bytes = signed(encryption(&parts), Vec::new()).emit().unwrap();
            let error = SignedFile::parse(&bytes, &Strictness::default()).unwrap_err();
            assert_eq!(error.kind, WireErrorKind::Missing);
            assert_eq!(error.element, header::header_element_name(missing));
        }
    }

    #[test]
    fn a_damaged_file_shows_what_stands_before_the_damage() {
        let bytes = signed(Vec::new(), vec![1; 8]).emit().unwrap();
        let (file, fault) = SignedFile::parse_partial(&bytes[..20], &Strictness::default());
        assert_eq!(file.header.version(), (2, 0));
        assert!(file.body.is_empty());
        assert_eq!(fault.unwrap().offset, 8);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            name in prop::collection::vec(any::<u8>(), 0..40),
            time: u32,
            padding in 0..8_usize,
            body in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut extra: Vec<Element<Vec<u8>>> = vec![
                Element::value(tag::FILE_NAME, header::with_nul(&name)),
                Element::value(tag::TIMESTAMP, time.to_be_bytes()),
            ];
            if padding > 0 {
                extra.push(Element::padding(padding));
            }
            let file = signed(extra, body);
            let bytes = file.emit().unwrap();
            let read = SignedFile::parse(&bytes, &Strictness::default()).unwrap();
            prop_assert_eq!(read.header.file_name(), Some(name.as_slice()));
            prop_assert_eq!(read.header.timestamp(), Some(time));
            prop_assert_eq!(read.to_owned(), file);
        }
    }
}
