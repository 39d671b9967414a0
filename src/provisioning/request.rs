//! Certificate signing requests (PKCS#10, RFC 2986), as `openssl req` makes them.
//!
//! Nothing of a request is re-encoded: the authority signs its subject and its key byte for byte, so
//! that a common name with a slash, the order of the parts and the kinds of strings come through.

use der::asn1::ObjectIdentifier;
use thiserror::Error;

use super::device::{Device, NoDevice};
use super::extension::{BOOLEAN, OCTET_STRING};
use super::signed::{Algorithm, Hash, MAX_RSA_BITS, SignatureFault, SignaturePolicy, Signed};
use super::usage::address;
use crate::trust::certificate::{
    Certificate, CertificateError, Der, PublicKey, attributes, der_tag, escape_for_terminal,
    name_text, public_key_of,
};

/// Bytes of a request, PEM or DER. `openssl req -text` with a key of 16,384 bits makes 20 KB.
pub const MAX_REQUEST: usize = 64 * 1024;

/// A request, as a view of its DER.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Subject: a DER Name.
    pub subject: &'a [u8],
    /// SubjectPublicKeyInfo, DER.
    pub spki: &'a [u8],
    /// The key in it.
    pub public_key: PublicKey<'a>,
    /// The alternative names that it asks for: a DER GeneralNames.
    pub alternative_names: Option<&'a [u8]>,
    signed: Signed<'a>,
}

/// What a file is that is not a request that can be signed: what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// It holds a private key.
    #[error(
        "it holds a private key ({0}); nothing of it was used. Keep that file secret, send it to \
         nobody, and give the request instead: the file that `openssl req -out` wrote"
    )]
    PrivateKey(String),
    /// It holds something else in PEM.
    #[error(
        "it holds a {0} in PEM, expected a CERTIFICATE REQUEST: give the file that \
         `openssl req -new -out` wrote"
    )]
    Kind(String),
    /// It is a certificate in DER.
    #[error(
        "it is a certificate, expected a request for one: give the file that `openssl req -new -out` \
         wrote"
    )]
    Certificate,
    /// It is empty.
    #[error("it is empty: `openssl req -new -out` may have been broken off; make it again")]
    Empty,
    /// It is larger than any request.
    #[error("it has more than {MAX_REQUEST} bytes, so it is no request: give the right file")]
    TooLarge,
    /// Its PEM has no end, or is not base64.
    #[error("its PEM is damaged: {0}; copy the file again, with its BEGIN and END lines")]
    Pem(&'static str),
    /// Something stands behind it.
    #[error("{what} after the request; give a file with one request and nothing behind it")]
    Trailing {
        /// What stands there.
        what: String,
    },
    /// It is neither PEM nor a request in DER.
    #[error(
        "not a request: offset {offset}: {field}: expected {expected}; make it with \
         `openssl req -new -out provserver.csr`"
    )]
    Malformed {
        /// Bytes from the start of the DER.
        offset: usize,
        /// The field that was being read.
        field: &'static str,
        /// What the format wants there.
        expected: &'static str,
    },
    /// It is not signed with the key that it holds.
    #[error(
        "its signature is not made with the key in it ({0}): it was changed after it was made, or \
         nobody holds that key; make it again with `openssl req -new`"
    )]
    Signature(SignatureFault),
    /// Its key is smaller than the authority signs.
    #[error(
        "its RSA key has {bits} bits, and --min-rsa asks for {min}: make a larger key with \
         `openssl req -new -newkey rsa:{min} -out provserver.csr`, or allow this one with \
         --min-rsa {bits}"
    )]
    KeyTooSmall {
        /// Bits of the modulus.
        bits: usize,
        /// The bound.
        min: usize,
    },
    /// Its key is larger than anybody here uses.
    #[error("its RSA key has {0} bits, more than the {MAX_RSA_BITS} that can be used")]
    KeyTooLarge(usize),
    /// Its key is neither RSA nor EC.
    #[error("its key is neither RSA nor EC: make an RSA key, which every phone takes")]
    KeyKind,
    /// Its subject has no common name.
    #[error(
        "its subject ({0}) has no common name (CN), and phones compare nothing else: make it again \
         and answer `Common Name` with the server's full host name"
    )]
    NoCommonName(String),
    /// Its subject is a phone's: servers would take whoever has the certificate for that phone.
    #[error(
        "its subject ({0}) is a phone's, and requests are signed for servers: make it again with the \
         server's own subject, or make a phone's certificate with `trustline provision ca device`"
    )]
    Phone(String),
    /// A phone could not find a host in its common name.
    #[error(
        "its common name ({name}) {what}: make it again with the server's full host name, such as \
         sprov.callme.com, alone or followed by / and more"
    )]
    CommonName {
        /// The common name.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl From<CertificateError> for RequestError {
    fn from(e: CertificateError) -> Self {
        Self::Malformed {
            offset: e.offset,
            field: e.field,
            expected: e.expected,
        }
    }
}

/// The DER of the one request in a file, PEM or DER. Whoever reads the file need not read more than
/// [`MAX_REQUEST`] and one byte.
///
/// # Errors
/// The file holds something else, or more.
pub fn der_of_file(file: &[u8]) -> Result<Vec<u8>, RequestError> {
    if file.len() > MAX_REQUEST {
        return Err(RequestError::TooLarge);
    }
    let sections = Sections::of(file);
    // Before anything else: whoever gave a key away must hear that, whatever else is wrong.
    if let Some(label) = sections.labels.iter().find(|l| l.ends_with("PRIVATE KEY")) {
        return Err(RequestError::PrivateKey(label.clone()));
    }
    if let Some(label) = sections.labels.first() {
        if !matches!(
            label.as_str(),
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST"
        ) {
            return Err(RequestError::Kind(label.clone()));
        }
        return sections.first(file);
    }
    if file.iter().all(u8::is_ascii_whitespace) {
        return Err(RequestError::Empty);
    }
    if is_private_key(file) {
        return Err(RequestError::PrivateKey("DER".into()));
    }
    Ok(file.to_vec())
}

impl<'a> Request<'a> {
    /// Reads a request, which must fill `der` exactly.
    ///
    /// # Errors
    /// The first place where the bytes are not a request.
    pub fn parse(der: &'a [u8]) -> Result<Self, RequestError> {
        let signed = match Signed::parse(der) {
            Ok(signed) => signed,
            Err(e) => return Err(trailing(der).unwrap_or_else(|| e.into())),
        };
        if Certificate::parse(der).is_ok() {
            return Err(RequestError::Certificate);
        }
        Self::of(signed).map_err(|e| {
            // What is signed stands behind the outer tag and length.
            let outer = Der::new(der).any("request").map_or(0, |o| o.content.len());
            RequestError::Malformed {
                offset: e.offset + (der.len() - outer),
                field: e.field,
                expected: e.expected,
            }
        })
    }

    fn of(signed: Signed<'a>) -> Result<Self, CertificateError> {
        let mut content = Der::new(signed.content);
        let field = "certificationRequestInfo";
        let mut info = content.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
        info.take(der_tag::INTEGER, "version", "an INTEGER")?;
        check_name(info)?;
        let subject = info.take(der_tag::SEQUENCE, "subject", "a Name")?.whole;
        let mut key = info;
        let spki = info
            .take(der_tag::SEQUENCE, "subjectPublicKeyInfo", "a SEQUENCE")?
            .whole;
        let public_key = public_key_of(&mut key)?;
        // RFC 2986 wants the attributes there, if empty; some makers leave them out.
        let alternative_names = match info.is_empty() {
            true => None,
            false => {
                let attributes = info.constructed(ATTRIBUTES, "attributes", "a SET OF, tag 0")?;
                alternative_names(attributes)?
            }
        };
        info.end("attributes")?;
        Ok(Self {
            subject,
            spki,
            public_key,
            alternative_names,
            signed,
        })
    }

    /// Whether the authority may sign it: it is signed with its own key, the key is large enough,
    /// its common name is text with something that may be a host, and it is not a phone.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn check(&self, min_rsa_bits: usize) -> Result<(), RequestError> {
        match self.public_key {
            PublicKey::Rsa { bits, .. } if bits > MAX_RSA_BITS => {
                return Err(RequestError::KeyTooLarge(bits));
            }
            PublicKey::Rsa { .. } | PublicKey::Ec { .. } => {}
            PublicKey::Other => return Err(RequestError::KeyKind),
        }
        // MD5 too: the signature only proves that the asker holds the key, and what the authority
        // makes has a signature of its own.
        let any = SignaturePolicy {
            min_rsa_bits: 0,
            weakest: Hash::Md5,
        };
        let signature = self.signed.verify(self.public_key, &any);
        signature.map_err(RequestError::Signature)?;
        match self.public_key {
            PublicKey::Rsa { bits, .. } if bits < min_rsa_bits => {
                let min = min_rsa_bits;
                return Err(RequestError::KeyTooSmall { bits, min });
            }
            _ => {}
        }
        self.check_common_names()?;
        let phone = Device::of_subject(self.subject, None);
        match phone {
            Ok(_) | Err(NoDevice::Agent { .. } | NoDevice::Another { .. }) => {
                let subject = name_text(self.subject, ',');
                Err(RequestError::Phone(escape_for_terminal(subject.as_bytes())))
            }
            Err(_) => Ok(()),
        }
    }

    fn check_common_names(&self) -> Result<(), RequestError> {
        let names = self.common_names();
        if names.is_empty() {
            return Err(RequestError::NoCommonName(name_text(self.subject, ',')));
        }
        for name in names {
            let what = match &name {
                None => "is no text",
                Some(name) if name.trim().is_empty() => "is empty",
                Some(name) if name.chars().any(char::is_control) => "has control characters",
                Some(name) if name.starts_with('/') => "has no host name before its /",
                Some(_) => continue,
            };
            let name = escape_for_terminal(name.unwrap_or_default().as_bytes());
            return Err(RequestError::CommonName { name, what });
        }
        Ok(())
    }

    /// The common names, in order; none for one that is no text.
    pub fn common_names(&self) -> Vec<Option<String>> {
        const CN: &[u8] = &[0x55, 4, 3];
        let named = attributes(self.subject).filter(|a| a.oid == CN);
        named.map(|a| a.text()).collect()
    }

    /// The alternative names, each with its kind, such as `DNS:sprov.callme.com`; they are the
    /// asker's, so nothing in them is trusted to be printable.
    pub fn alternative_name_texts(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut outer = Der::new(self.alternative_names.unwrap_or_default());
        let names = outer.constructed(der_tag::SEQUENCE, "subjectAltName", "a SEQUENCE");
        let Ok(mut names) = names else {
            return all;
        };
        // They were read once already.
        while let Some(name) = names.peek().and_then(|_| names.any("subjectAltName").ok()) {
            let text = || escape_for_terminal(name.content);
            all.push(match name.tag {
                0x81 => format!("email:{}", text()),
                0x82 => format!("DNS:{}", text()),
                0x86 => format!("URI:{}", text()),
                0x87 => match address(name.content) {
                    Some(address) => format!("IP:{address}"),
                    None => "IP of a length that no address has".to_owned(),
                },
                tag => format!("another kind, of tag {tag:#04x}"),
            });
        }
        all
    }

    /// The hash of its own signature, where it has one that is known.
    pub fn hash(&self) -> Option<Hash> {
        match self.signed.algorithm {
            Algorithm::Rsa(hash) | Algorithm::Ecdsa(hash) => Some(hash),
            Algorithm::Other(_) => None,
        }
    }
}

/// Explicit tag 0 of the attributes (RFC 2986, 4.1).
const ATTRIBUTES: u8 = 0xa0;

/// What stands behind the first element, if that is what is wrong.
fn trailing(der: &[u8]) -> Option<RequestError> {
    let mut outer = Der::new(der);
    outer
        .take(der_tag::SEQUENCE, "request", "a SEQUENCE")
        .ok()?;
    let more = outer.left().len();
    (more > 0).then(|| RequestError::Trailing {
        what: format!("{more} more bytes"),
    })
}

/// A Name is copied into the certificate, so the one that comes next must be one to its end.
fn check_name(mut outer: Der<'_>) -> Result<(), CertificateError> {
    let field = "subject";
    let mut rdns = outer.constructed(der_tag::SEQUENCE, field, "a Name")?;
    while !rdns.is_empty() {
        let mut rdn = rdns.constructed(der_tag::SET, field, "a SET")?;
        if rdn.is_empty() {
            return Err(rdn.fail(field, "a part of the name"));
        }
        while !rdn.is_empty() {
            let mut pair = rdn.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
            let oid = pair.take(der_tag::OID, field, "an OBJECT IDENTIFIER")?;
            if ObjectIdentifier::from_bytes(oid.content).is_err() {
                return Err(pair.fail(field, "an OBJECT IDENTIFIER before this"));
            }
            pair.any(field)?;
            pair.end(field)?;
        }
    }
    Ok(())
}

/// The value of subjectAltName in the extensionRequest among these attributes (RFC 2985, 5.4.2).
fn alternative_names(mut attributes: Der<'_>) -> Result<Option<&[u8]>, CertificateError> {
    /// 1.2.840.113549.1.9.14
    const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
    /// 2.5.29.17
    const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
    let field = "attributes";
    let mut found = None;
    while !attributes.is_empty() {
        let mut attribute = attributes.constructed(der_tag::SEQUENCE, field, "an attribute")?;
        let oid = attribute.take(der_tag::OID, field, "an OBJECT IDENTIFIER")?;
        let mut values = attribute.constructed(der_tag::SET, field, "a SET of values")?;
        attribute.end(field)?;
        if oid.content != EXTENSION_REQUEST {
            continue;
        }
        let mut extensions = values.constructed(der_tag::SEQUENCE, field, "extensions")?;
        while !extensions.is_empty() {
            let mut one = extensions.constructed(der_tag::SEQUENCE, field, "an extension")?;
            let oid = one.take(der_tag::OID, field, "an OBJECT IDENTIFIER")?;
            if one.peek() == Some(BOOLEAN) {
                one.any(field)?;
            }
            let value = one.constructed(OCTET_STRING, field, "an OCTET STRING")?;
            one.end(field)?;
            if oid.content != ALTERNATIVE_NAMES {
                continue;
            }
            check_general_names(value)?;
            if found.replace(value.left()).is_some() {
                return Err(one.fail(field, "the alternative names once"));
            }
        }
    }
    Ok(found)
}

/// These are copied too.
fn check_general_names(mut outer: Der<'_>) -> Result<(), CertificateError> {
    let field = "subjectAltName";
    let mut names = outer.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
    outer.end(field)?;
    if names.is_empty() {
        return Err(names.fail(field, "a name"));
    }
    while !names.is_empty() {
        names.any(field)?;
    }
    Ok(())
}

/// True of a private key in DER: PKCS#1, PKCS#8, encrypted PKCS#8 and SEC1 begin so that nothing
/// that is public does.
fn is_private_key(der: &[u8]) -> bool {
    let mut outer = Der::new(der);
    let Ok(mut parts) = outer.constructed(der_tag::SEQUENCE, "key", "a SEQUENCE") else {
        return false;
    };
    match (parts.any("key"), parts.any("key")) {
        (Ok(first), Ok(second)) => match (first.tag, second.tag) {
            // A version of 0 or 1, then an algorithm (PKCS#8), a modulus, or the key (SEC1).
            (der_tag::INTEGER, der_tag::SEQUENCE | der_tag::INTEGER | OCTET_STRING) => {
                matches!(first.content, [0 | 1])
            }
            (der_tag::SEQUENCE, OCTET_STRING) => true,
            _ => false,
        },
        _ => false,
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// The sections of a PEM file.
struct Sections {
    /// What each says it is, in order.
    labels: Vec<String>,
}

impl Sections {
    /// Looks for the lines that begin a section, whole or not.
    fn of(file: &[u8]) -> Self {
        let lines = file.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
        let begins = lines.filter_map(|line| line.strip_prefix(BEGIN));
        let labels = begins.map(|label| {
            let label = label.strip_suffix(DASHES).unwrap_or(label);
            escape_for_terminal(&label[..label.len().min(64)])
        });
        Self {
            labels: labels.collect(),
        }
    }

    /// The content of the first section, which must be the last thing in the file. Text may stand
    /// before it, as `openssl req -text` writes it.
    fn first(&self, file: &[u8]) -> Result<Vec<u8>, RequestError> {
        let mut body = Vec::new();
        let mut inside = false;
        let mut lines = file.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
        let ended = lines.by_ref().any(|line| {
            if inside && line.starts_with(END) {
                return true;
            }
            if inside {
                body.extend(line.iter().filter(|b| !b.is_ascii_whitespace()));
            }
            inside |= line.starts_with(BEGIN);
            false
        });
        if !ended {
            return Err(RequestError::Pem("it has no END line"));
        }
        if lines.any(|line| !line.is_empty()) {
            let what = match self.labels.get(1) {
                Some(label) => format!("a {label} stands"),
                None => "more text stands".to_owned(),
            };
            return Err(RequestError::Trailing { what });
        }
        decode(&body).ok_or(RequestError::Pem("what is in it is not base64"))
    }
}

/// Base64 without line ends.
fn decode(body: &[u8]) -> Option<Vec<u8>> {
    // The decoder wants lines of 64; makers of requests differ.
    let mut pem = b"-----BEGIN X-----\n".to_vec();
    for line in body.chunks(64) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(b"-----END X-----\n");
    der::pem::decode_vec(&pem).ok().map(|(_, der)| der)
}
