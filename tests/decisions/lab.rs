//! What the decisions are tested with: the vectors, and lists and signed files built and signed
//! here, so that each differs from a good one in one thing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use ring::digest;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use trustline::time::Time;
use trustline::trust::certificate::{Certificate, name_text};
use trustline::trust::installed::InstalledList;
use trustline::trust::rules::{self, Settings};
use trustline::trust::search::SignerId;
use trustline::trust::vouch::Vouch;
use trustline::wire::element::{Element, header_tag, record_tag};
use trustline::wire::header::{serial_number, with_nul};
use trustline::wire::{Digest, Header, ListKind, Record, Role};

/// 2026-01-15T12:00:00Z, when the vectors were signed.
pub(crate) const SIGNED_AT: u32 = 1_768_478_400;
/// The phones' clock, 2027-01-01: the usual certificates are from November 2026 to 2046.
pub(crate) const NOW: u64 = 1_798_761_600;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/vectors")
}

/// The bytes of a file under `testdata/vectors`.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The certificate of a lab signer.
pub(crate) fn certificate(name: &str) -> Vec<u8> {
    vector(&format!("keys/{name}.der"))
}

fn private_key(name: &str) -> Option<RsaPrivateKey> {
    let pem = vector(&format!("keys/{name}.pem"));
    match PrivateKeyDer::from_pem_slice(&pem).ok()? {
        PrivateKeyDer::Pkcs1(der) => RsaPrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).ok(),
        PrivateKeyDer::Pkcs8(der) => RsaPrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).ok(),
        _ => None,
    }
}

/// The public keys of all lab certificates, by certificate. They come from the private keys, so
/// nothing that is tested here has read them.
pub(crate) fn public_keys() -> &'static BTreeMap<Vec<u8>, RsaPublicKey> {
    static KEYS: OnceLock<BTreeMap<Vec<u8>, RsaPublicKey>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let entries = std::fs::read_dir(folder().join("keys")).unwrap();
        let names = entries.map(|e| e.unwrap().path());
        names
            .filter(|path| path.extension().is_some_and(|e| e == "pem"))
            .filter_map(|path| {
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                Some((certificate(&name), RsaPublicKey::from(private_key(&name)?)))
            })
            .collect()
    })
}

/// PKCS#1 v1.5 over `message`, and the message's hash, by the code that a header has for it.
pub(crate) fn scheme(digest: u8, message: &[u8]) -> Option<(Pkcs1v15Sign, Vec<u8>)> {
    let (algorithm, prefix): (_, &[u8]) = match digest {
        1 => (
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        ),
        2 => (
            &digest::SHA256,
            b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
        ),
        3 => (
            &digest::SHA512,
            b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
        ),
        _ => return None,
    };
    let hash = digest::digest(algorithm, message).as_ref().to_vec();
    let scheme = Pkcs1v15Sign {
        hash_len: Some(hash.len()),
        prefix: prefix.into(),
    };
    Some((scheme, hash))
}

/// A record of `role` with the certificate `name`, as the open tools write it.
pub(crate) fn record(role: Role, name: &str) -> Record<Vec<u8>> {
    let der = certificate(name);
    let c = Certificate::parse(&der).unwrap();
    let elements = vec![
        Element::value(
            record_tag::SUBJECT_NAME,
            with_nul(name_text(c.subject, ',')),
        ),
        Element::value(record_tag::FUNCTION, role.code().to_be_bytes()),
        Element::value(record_tag::ISSUER_NAME, with_nul(name_text(c.issuer, ','))),
        Element::value(record_tag::SERIAL_NUMBER, serial_number(c.serial)),
        Element::value(record_tag::PUBLIC_KEY, c.public_key.list_form().unwrap()),
        Element::value(record_tag::CERTIFICATE, der.clone()),
    ];
    Record { elements }
}

/// A record of `role` without a certificate: the 33 bytes of Cisco 118892.
pub(crate) fn bare_record(role: Role) -> Record<Vec<u8>> {
    let elements = vec![
        Element::value(record_tag::DNS_NAME, with_nul("10.48.47.153")),
        Element::value(record_tag::FUNCTION, role.code().to_be_bytes()),
        Element::value(record_tag::IP_ADDRESS, [10, 48, 47, 153]),
    ];
    Record { elements }
}

/// What is signed, and how.
pub(crate) struct Draft {
    version: [u8; 2],
    file_name: Option<String>,
    digest: Digest,
    body: Vec<u8>,
}

impl Draft {
    /// A list with these records.
    pub(crate) fn list(kind: ListKind, records: &[Record<Vec<u8>>]) -> Self {
        let list = trustline::wire::TrustList {
            header: Header { elements: vec![] },
            records: records.to_vec(),
            trailing: vec![],
        };
        Self {
            version: [1, 2],
            file_name: Some(kind.file_name().to_owned()),
            digest: Digest::Sha512,
            body: list.emit().unwrap(),
        }
    }

    /// A signed file with this content.
    pub(crate) fn file(name: &str, content: &[u8]) -> Self {
        Self {
            version: [1, 0],
            file_name: Some(name.to_owned()),
            digest: Digest::Sha512,
            body: content.to_vec(),
        }
    }

    /// With other bytes after the header.
    pub(crate) fn body(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.body);
        self
    }

    /// With no name inside.
    pub(crate) fn nameless(mut self) -> Self {
        self.file_name = None;
        self
    }

    /// The file's bytes, signed by `signer` in its own name.
    pub(crate) fn sign(self, signer: &str) -> Vec<u8> {
        let der = certificate(signer);
        let c = Certificate::parse(&der).unwrap();
        let key = private_key(signer).unwrap();
        let size = rsa::traits::PublicKeyParts::size(&key);
        let mut elements = vec![
            Element::value(header_tag::VERSION, self.version),
            Element::value(header_tag::HEADER_LENGTH, [0, 0]),
            Element::container(
                header_tag::SIGNER_ID,
                vec![
                    Element::value(header_tag::SIGNER_NAME, with_nul(name_text(c.subject, ','))),
                    Element::value(header_tag::SERIAL_NUMBER, serial_number(c.serial)),
                    Element::value(header_tag::CA_NAME, with_nul(name_text(c.issuer, ','))),
                ],
            ),
            Element::container(
                header_tag::SIGNATURE_INFO,
                vec![Element::value(
                    header_tag::DIGEST_ALGORITHM,
                    [self.digest.code()],
                )],
            ),
            Element::value(header_tag::SIGNATURE, vec![0; size]),
        ];
        if let Some(name) = &self.file_name {
            elements.push(Element::value(header_tag::FILE_NAME, with_nul(name)));
        }
        elements.push(Element::value(
            header_tag::TIMESTAMP,
            SIGNED_AT.to_be_bytes(),
        ));
        let mut header = Header { elements };
        let mut bytes = Vec::new();
        header.emit(&mut bytes).unwrap();
        bytes.extend_from_slice(&self.body);
        bytes.drain(header.signature_span());
        let (scheme, hash) = scheme(self.digest.code(), &bytes).unwrap();
        header.set_signature(key.sign(scheme, &hash).unwrap());
        let mut bytes = Vec::new();
        header.emit(&mut bytes).unwrap();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A file by name: a vector, or one of `lab/`.
pub(crate) fn file(name: &str) -> Vec<u8> {
    use ListKind::{Ctl, Itl};
    let sast = || record(Role::Sast, "a-sast");
    let capf = || record(Role::Capf, "a-capf");
    let tvs = || record(Role::Tvs, "a-tvs");
    let ccm_tftp = || record(Role::CcmTftp, "a-ccmtftp");
    let Some(name) = name.strip_prefix("lab/") else {
        return vector(name);
    };
    let draft = match name {
        // What a prepared rollback leaves, in both shapes of `cluster.blank_itl`.
        "itl-blank" => Draft::list(Itl, &[sast(), capf()]),
        "itl-blank-empty-records" => {
            let empty = [bare_record(Role::Tftp), bare_record(Role::Tvs)];
            Draft::list(Itl, &[&[sast(), capf()][..], &empty].concat())
        }
        // A cluster that went back to non-secure (Cisco 118892).
        "ctl-non-secure" => Draft::list(Ctl, &[sast(), capf(), bare_record(Role::CcmTftp)]),
        "itl-without-sast" => Draft::list(Itl, &[ccm_tftp(), tvs()]),
        "itl-without-records" => Draft::list(Itl, &[]),
        // One certificate, two records: the CallManager of an ITL before 12.0.
        "itl-callmanager" => Draft::list(Itl, &[sast(), record(Role::Tftp, "a-sast"), tvs()]),
        "itl-tftp" => Draft::list(Itl, &[sast(), record(Role::Tftp, "a-tftp"), tvs()]),
        "itl-roles" => Draft::list(
            Itl,
            &[
                sast(),
                record(Role::Ccm, "a-ccm"),
                record(Role::AppServer, "a-app"),
                ccm_tftp(),
            ],
        ),
        "itl-twice-the-same" => Draft::list(Itl, &[sast(), sast(), ccm_tftp(), tvs()]),
        "itl-signer-without-certificate" => {
            let mut signer = sast();
            signer.elements.retain(|e| e.tag != record_tag::CERTIFICATE);
            Draft::list(Itl, &[signer, ccm_tftp(), tvs()])
        }
        "itl-damaged-record" => {
            Draft::list(Itl, &[sast(), ccm_tftp(), tvs()]).body(|b| b.truncate(b.len() - 10))
        }
        "itl-serial-lies" => {
            let mut liar = record(Role::Sast, "b-sast");
            for e in &mut liar.elements {
                if e.tag == record_tag::SERIAL_NUMBER {
                    *e = sast().elements[3].clone();
                }
            }
            Draft::list(Itl, &[liar, ccm_tftp()])
        }
        "config-without-name" => Draft::file("", b"<device/>").nameless(),
        _ => panic!("no lab file {name}"),
    };
    match name {
        "config-without-name" => draft.sign("a-tftp"),
        _ => draft.sign("a-sast"),
    }
}

/// [`file`], built once: signing is slow.
pub(crate) fn file_once(name: &str) -> Vec<u8> {
    static FILES: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut files = FILES.lock().unwrap();
    files
        .entry(name.to_owned())
        .or_insert_with(|| file(name))
        .clone()
}

/// An installed list by file name; a `new:` before it: installed in this boot. Empty: none.
pub(crate) fn installed(kind: ListKind, name: &str) -> Option<InstalledList> {
    let (is_new, name) = match name.strip_prefix("new:") {
        Some(name) => (true, name),
        None => (false, name),
    };
    if name.is_empty() {
        return None;
    }
    let mut list = InstalledList::parse(kind, Arc::from(file_once(name))).unwrap();
    list.is_new = is_new;
    Some(list)
}

/// `b-sast: SAST TFTP`: TVS vouches for the certificate with these roles.
pub(crate) fn vouch(text: &str) -> Vouch {
    let (name, roles) = text.split_once(':').unwrap();
    let der = certificate(name);
    let c = Certificate::parse(&der).unwrap();
    let roles = roles.split_whitespace().map(|role| match role {
        "SAST" => Role::Sast,
        "CCM+TFTP" => Role::CcmTftp,
        "TFTP" => Role::Tftp,
        "CCM" => Role::Ccm,
        other => panic!("no role {other}"),
    });
    Vouch {
        signer: SignerId {
            subject: name_text(c.subject, ',').into_bytes(),
            issuer: name_text(c.issuer, ',').into_bytes(),
            serial: serial_number(c.serial).to_vec(),
        },
        roles: roles.collect(),
        certificate: der.into(),
        ttl_secs: 86_400,
        expires: Time::from_millis(86_400_000),
        server: "src-pub:2445".into(),
    }
}

/// Settings that differ from the defaults in these: `trust.wrong_role = refuse`.
pub(crate) fn settings(changes: &[&str]) -> Settings {
    let mut settings = Settings::default();
    for change in changes {
        let (name, value) = change.split_once(" = ").unwrap();
        let rule = rules::find(name).unwrap_or_else(|| panic!("no rule {name}"));
        settings.choose(rule, rule.parse(value).unwrap());
    }
    settings
}
