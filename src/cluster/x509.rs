//! Certificates as CUCM's nodes have them, made for the lab.
//!
//! Subject order, key usages and lifetimes are Cisco's. The flags of CUCM's self-signed
//! certificates stand in no source, so they are assumed to be what the open tools' `mkcert` writes:
//! CA, path length 0.

mod issued;

use std::sync::Arc;

use der::asn1::ObjectIdentifier;
use der::{Tag, TagNumber};

use super::key::{KeyError, PrivateKey, lock};
use crate::rng::Rng;
use crate::time::UnixSeconds;
use crate::trust::certificate::{Certificate, CertificateError, name_text};
use crate::wire::Digest;
use crate::wire::der::{bits, context, extension, node, oid_der, time};

pub(super) use issued::Issued;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateKind {
    /// Signs configuration files, and lists up to 11.5.
    CallManager,
    /// Trust anchor; signs lists from 12.0.
    ItlRecovery,
    /// The trust verification service's TLS certificate.
    Tvs,
    /// Issues phone certificates.
    Capf,
    /// HTTPS services.
    Tomcat,
    /// The companion of CallManager with an EC key, from 11.0 on.
    CallManagerEcdsa,
    /// The companion of tomcat with an EC key, from 11.0 on.
    TomcatEcdsa,
    /// A security token that signs CTLs of releases before 10.0.
    Token,
    /// A phone's locally significant certificate.
    Lsc,
}

impl CertificateKind {
    /// The kinds that a node can have.
    pub const OF_NODE: [Self; 7] = [
        Self::CallManager,
        Self::ItlRecovery,
        Self::Capf,
        Self::Tvs,
        Self::Tomcat,
        Self::CallManagerEcdsa,
        Self::TomcatEcdsa,
    ];

    /// The field's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::CallManager => "CallManager",
            Self::ItlRecovery => "ITLRecovery",
            Self::Tvs => "TVS",
            Self::Capf => "CAPF",
            Self::Tomcat => "tomcat",
            Self::CallManagerEcdsa => "CallManager-ECDSA",
            Self::TomcatEcdsa => "tomcat-ECDSA",
            Self::Token => "eToken",
            Self::Lsc => "LSC",
        }
    }

    /// The kind of a node's certificate with this name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::OF_NODE
            .into_iter()
            .find(|k| k.name().eq_ignore_ascii_case(name))
    }

    /// Bits of `KeyUsage` in DER, first bit highest (Cisco 215534), and unused bits at the end.
    fn key_usage(self) -> (u8, u8) {
        const DIGITAL_SIGNATURE: u8 = 0x80;
        const KEY_ENCIPHERMENT: u8 = 0x20;
        const DATA_ENCIPHERMENT: u8 = 0x10;
        const KEY_CERT_SIGN: u8 = 0x04;
        match self {
            Self::Capf => (DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_CERT_SIGN, 2),
            _ => (DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | DATA_ENCIPHERMENT, 4),
        }
    }
}

impl std::fmt::Display for CertificateKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What lists, stores and TVS need of a certificate; no private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicCertificate {
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// Subject, `CN=..;OU=..;O=..;L=..;ST=..;C=..`.
    pub subject_text: String,
    /// Issuer, in the same form.
    pub issuer_text: String,
    /// Serial number: the content of the DER INTEGER.
    pub serial: Vec<u8>,
    /// Start of validity.
    pub not_before: UnixSeconds,
    /// End of validity.
    pub not_after: UnixSeconds,
    /// Public key as a list's PUBLICKEY has it: for RSA the PKCS#1 `RSAPublicKey` in DER, for an
    /// elliptic curve the point; empty for a key of another kind.
    pub public_key: Vec<u8>,
    /// The certificate's own signature.
    pub signature: Vec<u8>,
}

impl PublicCertificate {
    /// A certificate that somebody else made. Dates before 1970 become 1970.
    ///
    /// # Errors
    /// The first place where the bytes are not a certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let read = Certificate::parse(der)?;
        let seconds = |at: i64| UnixSeconds::try_from(at).unwrap_or(0);
        Ok(Self {
            subject_text: name_text(read.subject, ';'),
            issuer_text: name_text(read.issuer, ';'),
            serial: read.serial.to_vec(),
            not_before: seconds(read.not_before),
            not_after: seconds(read.not_after),
            public_key: read.public_key.list_form().unwrap_or_default().to_vec(),
            signature: read.signature.to_vec(),
            der: der.to_vec(),
        })
    }
}

/// A certificate of the lab with its private key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LabCertificate {
    /// What it is for.
    pub kind: CertificateKind,
    /// Its subject.
    pub subject: Name,
    /// The certificate.
    pub public: Arc<PublicCertificate>,
    /// Its key.
    pub key: Arc<PrivateKey>,
}

/// A distinguished name in the order of CUCM's: CN, OU, O, L, ST, C. The organisation says that
/// this is a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    common_name: String,
    unit: String,
}

const ORGANIZATION: &str = "trustline lab";
const LOCALITY: &str = "Loopback";
const STATE: &str = "Lab";
const COUNTRY: &str = "ZZ";

impl Name {
    /// The name with this CN and OU. Both should need no escape: letters, digits, `-`, `_`, `.`.
    pub fn new(common_name: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            common_name: common_name.into(),
            unit: unit.into(),
        }
    }

    fn parts(&self) -> [(&'static str, ObjectIdentifier, &str); 6] {
        let oid = ObjectIdentifier::new_unwrap;
        [
            ("CN", oid("2.5.4.3"), &self.common_name),
            ("OU", oid("2.5.4.11"), &self.unit),
            ("O", oid("2.5.4.10"), ORGANIZATION),
            ("L", oid("2.5.4.7"), LOCALITY),
            ("ST", oid("2.5.4.8"), STATE),
            ("C", oid("2.5.4.6"), COUNTRY),
        ]
    }

    /// The name as lists and TVS write it: parts joined by `;`, without blanks.
    pub fn text(&self) -> String {
        self.parts()
            .map(|(key, _, value)| format!("{key}={value}"))
            .join(";")
    }

    fn der(&self) -> Vec<u8> {
        let parts = self.parts().map(|(key, oid, value)| {
            let tag = if key == "C" {
                Tag::PrintableString
            } else {
                Tag::Utf8String
            };
            let pair = node(
                Tag::Sequence,
                &[&oid_der(oid), &node(tag, &[value.as_bytes()])],
            );
            node(Tag::Set, &[&pair])
        });
        node(Tag::Sequence, &parts.each_ref().map(Vec::as_slice))
    }
}

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What it is for; decides the key usage.
    pub kind: CertificateKind,
    /// Subject.
    pub subject: Name,
    /// Host name for the subject alternative name.
    pub host: &'a str,
    /// Serial number: positive, without leading zero bytes ([`serial`] makes one).
    pub serial: Vec<u8>,
    /// Start of validity.
    pub not_before: UnixSeconds,
    /// End of validity.
    pub not_after: UnixSeconds,
    /// Digest of the certificate's own signature by an RSA key; a P-384 key signs with SHA-384.
    pub digest: Digest,
}

/// A serial number of `size` bytes (1 to 20), positive, its first byte not zero.
pub fn serial(rng: &mut Rng, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size.clamp(1, 20)];
    rng.fill(&mut bytes);
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    bytes
}

/// A certificate signed with its own key.
///
/// # Errors
/// [`KeyError`] if the key cannot sign with the digest.
pub fn self_signed(
    request: &Request<'_>,
    key: Arc<PrivateKey>,
) -> Result<LabCertificate, KeyError> {
    issue(request, Arc::clone(&key), &request.subject, &key, true)
}

/// A certificate signed with an issuer's key; not a CA itself.
///
/// # Errors
/// [`KeyError`] if the issuer's key cannot sign with the digest.
pub fn issued_by(
    request: &Request<'_>,
    key: Arc<PrivateKey>,
    issuer: &Name,
    issuer_key: &PrivateKey,
) -> Result<LabCertificate, KeyError> {
    issue(request, key, issuer, issuer_key, false)
}

fn issue(
    request: &Request<'_>,
    key: Arc<PrivateKey>,
    issuer: &Name,
    issuer_key: &PrivateKey,
    is_ca: bool,
) -> Result<LabCertificate, KeyError> {
    let kept = lock(&issuer_key.issued).get(request, &key, issuer, is_ca);
    let public = match kept {
        Some(public) => public,
        None => {
            let public = Arc::new(issue_anew(request, &key, issuer, issuer_key, is_ca)?);
            lock(&issuer_key.issued).keep(request, issuer, is_ca, &public);
            public
        }
    };
    Ok(LabCertificate {
        kind: request.kind,
        subject: request.subject.clone(),
        public,
        key,
    })
}

fn issue_anew(
    request: &Request<'_>,
    key: &PrivateKey,
    issuer: &Name,
    issuer_key: &PrivateKey,
    is_ca: bool,
) -> Result<PublicCertificate, KeyError> {
    let algorithm = signature_algorithm(issuer_key, request.digest)?;
    let version = node(context(0), &[&node(Tag::Integer, &[&[2]])]);
    let validity = node(
        Tag::Sequence,
        &[&time(request.not_before), &time(request.not_after)],
    );
    let tbs = node(
        Tag::Sequence,
        &[
            &version,
            &node(Tag::Integer, &[&request.serial]),
            &algorithm,
            &issuer.der(),
            &validity,
            &request.subject.der(),
            key.spki(),
            &node(context(3), &[&extensions(request, is_ca)]),
        ],
    );
    let signature = issuer_key.sign(request.digest, &tbs)?;
    let der = node(Tag::Sequence, &[&tbs, &algorithm, &bits(0, &signature)]);
    Ok(PublicCertificate {
        der,
        subject_text: request.subject.text(),
        issuer_text: issuer.text(),
        serial: request.serial.clone(),
        not_before: request.not_before,
        not_after: request.not_after,
        public_key: key.list_form().to_vec(),
        signature,
    })
}

fn extensions(request: &Request<'_>, is_ca: bool) -> Vec<u8> {
    const TRUE: &[u8] = &[0xff];
    let (mut usage, mut unused) = request.kind.key_usage();
    let mut all = Vec::new();
    if is_ca {
        // keyCertSign belongs to a CA (RFC 5280, 4.2.1.3).
        usage |= 0x04;
        unused = 2;
        let path_length = node(Tag::Integer, &[&[0]]);
        let constraints = node(Tag::Sequence, &[&node(Tag::Boolean, &[TRUE]), &path_length]);
        all.push(extension("2.5.29.19", true, &constraints));
    }
    all.push(extension("2.5.29.15", true, &bits(unused, &[usage])));
    let purposes = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]
        .map(|p| oid_der(ObjectIdentifier::new_unwrap(p)));
    let purposes = node(Tag::Sequence, &[&purposes[0], &purposes[1]]);
    all.push(extension("2.5.29.37", false, &purposes));
    let dns_name = node(
        Tag::ContextSpecific {
            constructed: false,
            number: TagNumber(2),
        },
        &[request.host.as_bytes()],
    );
    let names = node(Tag::Sequence, &[&dns_name]);
    all.push(extension("2.5.29.17", false, &names));
    node(
        Tag::Sequence,
        &all.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    )
}

fn signature_algorithm(key: &PrivateKey, digest: Digest) -> Result<Vec<u8>, KeyError> {
    if key.bits().is_none() {
        // ecdsa-with-SHA384, without parameters (RFC 5758, 3.2).
        let oid = oid_der(ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"));
        return Ok(node(Tag::Sequence, &[&oid]));
    }
    let oid = match digest {
        Digest::Sha1 => "1.2.840.113549.1.1.5",
        Digest::Sha256 => "1.2.840.113549.1.1.11",
        Digest::Sha512 => "1.2.840.113549.1.1.13",
        Digest::Other(_) => return Err(KeyError::Digest(digest)),
    };
    let oid = oid_der(ObjectIdentifier::new_unwrap(oid));
    Ok(node(Tag::Sequence, &[&oid, &node(Tag::Null, &[])]))
}

#[cfg(test)]
mod tests {
    use der::{Decode, Encode};
    use rsa::pkcs1::DecodeRsaPublicKey;
    use x509_cert::certificate::{CertificateInner, Raw};

    use super::*;
    use crate::cluster::key::{KeyBits, KeyPool};

    fn request(kind: CertificateKind, digest: Digest) -> Request<'static> {
        Request {
            kind,
            subject: Name::new("src-pub", "Voice"),
            host: "src-pub",
            serial: serial(&mut Rng::new(1), 16),
            not_before: 1_583_053_200,
            not_after: 1_583_053_200 + 20 * 365 * 86_400,
            digest,
        }
    }

    fn verify(public_key: &[u8], certificate: &PublicCertificate) -> bool {
        let parsed = CertificateInner::<Raw>::from_der(&certificate.der).unwrap();
        let tbs = parsed.tbs_certificate().to_der().unwrap();
        assert_eq!(
            parsed.signature().as_bytes().unwrap(),
            certificate.signature
        );
        let hash = ring::digest::digest(&ring::digest::SHA256, &tbs);
        let key = rsa::RsaPublicKey::from_pkcs1_der(public_key).unwrap();
        let prefix = [
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
            0x01, 0x05, 0x00, 0x04, 0x20,
        ];
        let padding = rsa::Pkcs1v15Sign {
            hash_len: Some(32),
            prefix: prefix.into(),
        };
        key.verify(padding, hash.as_ref(), &certificate.signature)
            .is_ok()
    }

    #[test]
    fn a_self_signed_certificate_is_read_by_others() {
        let key = KeyPool::new(1).take(KeyBits::B2048);
        let made =
            self_signed(&request(CertificateKind::CallManager, Digest::Sha256), key).unwrap();
        let public = &made.public;
        let parsed = CertificateInner::<Raw>::from_der(&public.der).unwrap();
        let tbs = parsed.tbs_certificate();
        assert_eq!(tbs.serial_number().as_bytes(), public.serial);
        assert_eq!(public.serial.len(), 16);
        assert!(public.serial[0] < 0x80 && public.serial[0] != 0);
        assert_eq!(tbs.subject(), tbs.issuer());
        // RFC 4514 prints the parts in reverse.
        assert_eq!(
            tbs.subject().to_string(),
            "C=ZZ,ST=Lab,L=Loopback,O=trustline lab,OU=Voice,CN=src-pub"
        );
        assert_eq!(
            public.subject_text,
            "CN=src-pub;OU=Voice;O=trustline lab;L=Loopback;ST=Lab;C=ZZ"
        );
        assert_eq!(public.issuer_text, public.subject_text);
        assert_eq!(
            tbs.subject_public_key_info().to_der().unwrap(),
            made.key.spki()
        );
        let validity = tbs.validity();
        assert_eq!(
            validity.not_before.to_unix_duration().as_secs(),
            public.not_before
        );
        assert_eq!(
            validity.not_after.to_unix_duration().as_secs(),
            public.not_after
        );
        assert!(verify(&public.public_key, public));
        let end = rustls::pki_types::CertificateDer::from(public.der.as_slice());
        assert!(webpki::EndEntityCert::try_from(&end).is_ok());
        assert_eq!(
            PublicCertificate::from_der(&public.der).as_ref(),
            Ok(&**public)
        );
    }

    #[test]
    fn an_issued_certificate_holds_under_its_issuer() {
        let mut pool = KeyPool::new(1);
        let (issuer_key, key) = (pool.take(KeyBits::B2048), pool.take(KeyBits::B2048));
        let issuer = Name::new("CAPF-0123abcd", "Voice");
        let made = issued_by(
            &request(CertificateKind::Lsc, Digest::Sha256),
            key,
            &issuer,
            &issuer_key,
        )
        .unwrap();
        assert_eq!(made.public.issuer_text, issuer.text());
        assert!(verify(issuer_key.list_form(), &made.public));
        assert!(!verify(&made.public.public_key, &made.public));
    }

    #[test]
    fn far_dates_and_every_digest_are_written() {
        let key = KeyPool::new(1).take(KeyBits::B1024);
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
            let mut far = request(CertificateKind::Capf, digest);
            far.not_before = 2_524_608_000;
            far.not_after = u64::MAX;
            let made = self_signed(&far, Arc::clone(&key)).unwrap();
            let parsed = CertificateInner::<Raw>::from_der(&made.public.der).unwrap();
            let validity = parsed.tbs_certificate().validity();
            assert_eq!(
                validity.not_before.to_unix_duration().as_secs(),
                2_524_608_000
            );
            assert_eq!(
                validity.not_after.to_unix_duration().as_secs(),
                253_402_300_799
            );
        }
        let odd = request(CertificateKind::Capf, Digest::Other(9));
        assert!(self_signed(&odd, key).is_err());
    }

    #[test]
    fn serials_are_positive_and_as_long_as_asked() {
        let mut rng = Rng::new(5);
        for size in [1, 8, 10, 16, 20] {
            for _ in 0..200 {
                let s = serial(&mut rng, size);
                assert_eq!(s.len(), size);
                assert!((0x40..0x80).contains(&s[0]));
            }
        }
        assert_eq!(serial(&mut rng, 0).len(), 1);
        assert_eq!(serial(&mut rng, 99).len(), 20);
    }
}
