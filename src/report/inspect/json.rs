//! An inspection as JSON: serial numbers in upper hex without separators, offsets in bytes from
//! the file's start, digests in lower hex, moments in seconds since 1970 and as text of RFC 3339.

use serde::{Serialize, Serializer};

use super::{
    Bag, Content, Inspection, NotACertificate, Outcome, PhoneRuling, own_signature_code, pkcs12,
};
use crate::cluster::bulk::{KnownBy, LeftOut};
use crate::report::advice::advice;
use crate::report::show::{RECORDS_SHOWN, TRAILING_SHOWN};
use crate::report::text::{hex, rfc3339};
use crate::trust::certificate::{Certificate, CertificateError, escape_for_terminal, name_text};
use crate::trust::rules::{Basis, rule};
use crate::trust::search::hex as upper_hex;
use crate::trust::signature::digest_of;
use crate::wire::element::{Body, Element};
use crate::wire::header::{Header, header_element_name};
use crate::wire::trust_list::record_element_name;
use crate::wire::{Digest, ListKind, Record, TrustList, WireError};

/// Version of the document's form. It grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    files: &'a [Entry],
}

/// One file's part of the document.
pub struct Entry(Part);

enum Part {
    Inspected(Box<File>),
    NotOpened(NotOpened),
}

#[derive(Serialize)]
struct NotOpened {
    name: String,
    outcome: &'static str,
    error: String,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Part::Inspected(file) => file.serialize(serializer),
            Part::NotOpened(file) => file.serialize(serializer),
        }
    }
}

/// The document over all files.
pub fn document(files: &[Entry]) -> String {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        files,
    };
    // These types have no map with keys that are no text: nothing here can fail.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// A file that could not be looked at.
pub fn file_error(name: &str, error: &str) -> Entry {
    Entry(Part::NotOpened(NotOpened {
        name: name.to_owned(),
        outcome: "not-opened",
        error: error.to_owned(),
    }))
}

#[derive(Serialize)]
struct File {
    name: String,
    outcome: &'static str,
    size: usize,
    md5: String,
    sha1: String,
    sha256: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<HeaderFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_count: Option<usize>,
    /// At most the first [`RECORDS_SHOWN`] of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<RecordFacts>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trailing: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_signature: Option<OwnSignature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<BodyFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificates: Option<Vec<CertificateFacts>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pkcs12: Option<Pkcs12Facts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<Damage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ruling: Option<RulingFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct HeaderFacts {
    version: String,
    length: usize,
    signer_version: Option<String>,
    signer: Signer,
    digest: String,
    modulus_code: Option<u8>,
    signature: Place,
    file_name: Option<String>,
    timestamp: Option<u32>,
    timestamp_text: Option<String>,
    elements: Vec<ElementFacts>,
}

#[derive(Serialize)]
struct Signer {
    subject: Option<String>,
    issuer: Option<String>,
    serial: String,
}

#[derive(Serialize)]
struct Place {
    offset: usize,
    length: usize,
}

#[derive(Serialize)]
struct ElementFacts {
    offset: usize,
    tag: u8,
    name: &'static str,
    /// Bytes of the value; of padding, how many.
    length: usize,
    /// The value of an element that no source names.
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

#[derive(Serialize)]
struct RecordFacts {
    offset: usize,
    length: usize,
    role: String,
    role_code: u16,
    dns_name: Option<String>,
    subject: Option<String>,
    issuer: Option<String>,
    serial: Option<String>,
    ip_address: Option<String>,
    certificate: Option<CertificateFacts>,
    elements: Vec<ElementFacts>,
}

#[derive(Serialize)]
struct Pkcs12Facts {
    has_mac: bool,
    private_keys: usize,
    warnings: Vec<String>,
}

/// What a bulk import would do with a certificate.
#[derive(Serialize)]
struct ImportFacts {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_known_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_basis: Option<String>,
    stores: Vec<&'static str>,
    stores_basis: String,
    stores_source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
    is_expired: bool,
}

#[derive(Serialize)]
struct CertificateFacts {
    #[serde(skip_serializing_if = "Option::is_none")]
    friendly_name: Option<String>,
    size: usize,
    sha1: String,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<CertificateDamage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<ImportFacts>,
}

#[derive(Serialize)]
struct CertificateDamage {
    /// From the certificate's start.
    offset: usize,
    field: &'static str,
    expected: &'static str,
}

impl From<CertificateError> for CertificateDamage {
    fn from(e: CertificateError) -> Self {
        Self {
            offset: e.offset,
            field: e.field,
            expected: e.expected,
        }
    }
}

#[derive(Serialize)]
struct OwnSignature {
    holds: bool,
    /// The signer's record, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct BodyFacts {
    offset: usize,
    size: usize,
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    plain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plain_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decrypt_error: Option<String>,
}

#[derive(Serialize)]
struct Bytes {
    offset: usize,
    length: usize,
    /// At most the first [`TRAILING_SHOWN`] of them.
    hex: String,
}

#[derive(Serialize)]
struct Damage {
    /// From the file's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    element: &'static str,
    text: String,
}

#[derive(Serialize)]
struct RulingFacts {
    ruling: &'static str,
    text: String,
    accepted: bool,
    holds: String,
    reasons: Vec<ReasonFacts>,
    basis: String,
    rests_on: Vec<SupportFacts>,
    /// What the phone's log remarks on, and goes on.
    remarks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'static str>,
}

#[derive(Serialize)]
struct ReasonFacts {
    code: &'static str,
    text: String,
    evidence: Option<String>,
}

#[derive(Serialize)]
struct SupportFacts {
    rule: &'static str,
    basis: String,
    value: String,
    other: String,
    then: &'static str,
}

impl Inspection<'_> {
    /// This file's part of the document.
    pub fn json(&self) -> Entry {
        let mut file = File {
            name: self.name.clone(),
            outcome: match self.outcome() {
                Outcome::Good => "good",
                Outcome::Negative => "negative",
                Outcome::Damaged => "damaged",
            },
            size: self.bytes.len(),
            md5: hex(&self.sums.md5),
            sha1: hex(&self.sums.sha1),
            sha256: hex(&self.sums.sha256),
            kind: "certificate",
            header: None,
            record_count: None,
            records: None,
            trailing: None,
            own_signature: None,
            body: None,
            certificates: None,
            pkcs12: None,
            damage: None,
            ruling: self.ruling.as_ref().map(ruling),
            hint: self.hint,
            notes: self.notes.clone(),
        };
        match &self.content {
            Content::List {
                kind,
                list,
                own,
                damage,
            } => {
                file.kind = match kind {
                    ListKind::Ctl => "ctl",
                    ListKind::Itl => "itl",
                };
                file.header = header(&list.header);
                file.record_count = Some(list.records.len());
                file.records = Some(records(list));
                file.trailing = trailing(list);
                file.own_signature = own.as_ref().map(|own| OwnSignature {
                    holds: own.is_ok(),
                    record: own.ok().map(|r| r + 1),
                    code: own.err().map(|why| own_signature_code(&why).as_str()),
                    reason: own.err().map(|why| why.to_string()),
                });
                file.damage = damage.as_ref().map(wire_damage);
            }
            Content::SignedFile {
                file: signed,
                plain,
                damage,
            } => {
                let encrypted = signed.encryption().is_some();
                file.kind = if encrypted {
                    "encrypted-file"
                } else {
                    "signed-file"
                };
                file.header = header(&signed.header);
                file.damage = damage.as_ref().map(wire_damage);
                file.body = damage.is_none().then(|| {
                    let text = plain.as_ref().and_then(|p| p.as_ref().ok());
                    let utf8 = text.and_then(|p| String::from_utf8(p.clone()).ok());
                    BodyFacts {
                        offset: signed.header.length(),
                        size: signed.body.len(),
                        encrypted,
                        plain_hex: text.filter(|_| utf8.is_none()).map(|p| hex(p)),
                        plain: utf8,
                        decrypt_error: plain
                            .as_ref()
                            .and_then(|p| p.as_ref().err().map(ToString::to_string)),
                    }
                });
            }
            Content::Certificates(all) => {
                file.certificates = Some(all.iter().map(|der| certificate(der)).collect());
            }
            Content::NotACertificate(why) => file.damage = Some(no_certificate(*why)),
            Content::Pkcs12(Ok(contents)) => {
                file.kind = "pkcs12";
                file.certificates = Some(contents.bags.iter().map(bag).collect());
                file.pkcs12 = Some(Pkcs12Facts {
                    has_mac: contents.has_mac,
                    private_keys: contents.keys,
                    warnings: contents.warnings(),
                });
            }
            Content::Pkcs12(Err(error)) => {
                file.kind = "pkcs12";
                file.hint = file.hint.or_else(|| Some(pkcs12::fix(error)));
                file.damage = Some(Damage {
                    offset: None,
                    element: "PKCS#12",
                    text: error.to_string(),
                });
            }
        }
        Entry(Part::Inspected(Box::new(file)))
    }
}

fn wire_damage(fault: &WireError) -> Damage {
    Damage {
        offset: Some(fault.offset),
        element: fault.element,
        text: fault.kind.to_string(),
    }
}

fn no_certificate(why: NotACertificate) -> Damage {
    let (offset, element, text) = match why {
        NotACertificate::Der { error, in_pem } => (
            (!in_pem).then_some(error.offset),
            error.field,
            format!("expected {}", error.expected),
        ),
        NotACertificate::NoPemSection => (
            None,
            "PEM",
            "no BEGIN CERTIFICATE section that can be read".into(),
        ),
    };
    Damage {
        offset,
        element,
        text,
    }
}

/// None for a header of which nothing could be read.
fn header(header: &Header<&[u8]>) -> Option<HeaderFacts> {
    if header.elements.is_empty() {
        return None;
    }
    let version = |(major, minor): (u8, u8)| format!("{major}.{minor}");
    let span = header.signature_span();
    Some(HeaderFacts {
        version: version(header.version()),
        length: header.length(),
        signer_version: header.signer_version().map(version),
        signer: Signer {
            subject: header.signer_name().map(escape_for_terminal),
            issuer: header.issuer_name().map(escape_for_terminal),
            serial: upper_hex(header.serial()),
        },
        digest: header.digest().to_string(),
        modulus_code: header.modulus_code(),
        signature: Place {
            offset: span.start,
            length: span.len(),
        },
        file_name: header.file_name().map(escape_for_terminal),
        timestamp: header.timestamp(),
        timestamp_text: header.timestamp().and_then(|t| rfc3339(i64::from(t))),
        elements: {
            let mut all = Vec::new();
            elements(&header.elements, 0, header_element_name, &mut all);
            all
        },
    })
}

fn elements(
    of: &[Element<&[u8]>],
    start: usize,
    name: fn(u8) -> &'static str,
    out: &mut Vec<ElementFacts>,
) {
    let mut offset = start;
    for e in of {
        let name_of = name(e.tag);
        let (length, inner, value): (_, &[_], _) = match &e.body {
            Body::Padding(n) => (*n, &[], None),
            Body::Elements(inner) => (e.size() - 3, inner, None),
            Body::Value(v) => {
                let unknown = name_of == "unknown element" || e.tag == 0;
                (v.len(), &[], unknown.then(|| hex(v)))
            }
        };
        out.push(ElementFacts {
            offset,
            tag: e.tag,
            name: name_of,
            length,
            hex: value,
        });
        elements(inner, offset + 3, name, out);
        offset += e.size();
    }
}

fn records(list: &TrustList<&[u8]>) -> Vec<RecordFacts> {
    let mut offset = list.header.length();
    let mut all = Vec::new();
    for r in list.records.iter().take(RECORDS_SHOWN) {
        all.push(record(r, offset));
        offset += r.size();
    }
    all
}

fn record(r: &Record<&[u8]>, offset: usize) -> RecordFacts {
    let mut facts = RecordFacts {
        offset,
        length: r.size(),
        role: r.role().to_string(),
        role_code: r.role().code(),
        dns_name: r.dns_name().map(escape_for_terminal),
        subject: r.subject().map(escape_for_terminal),
        issuer: r.issuer().map(escape_for_terminal),
        serial: r.serial().map(upper_hex),
        ip_address: r
            .ip_address()
            .map(|a| std::net::Ipv4Addr::from(a).to_string()),
        certificate: r.certificate().map(certificate),
        elements: Vec::new(),
    };
    // The record length stands first, five bytes.
    elements(
        &r.elements,
        offset + 5,
        record_element_name,
        &mut facts.elements,
    );
    facts
}

fn trailing(list: &TrustList<&[u8]>) -> Option<Bytes> {
    (!list.trailing.is_empty()).then(|| Bytes {
        offset: list.size() - list.trailing.len(),
        length: list.trailing.len(),
        hex: hex(&list.trailing[..list.trailing.len().min(TRAILING_SHOWN)]),
    })
}

fn certificate(der: &[u8]) -> CertificateFacts {
    let parsed = Certificate::parse(der);
    let c = parsed.as_ref().ok();
    CertificateFacts {
        size: der.len(),
        sha1: hex(&digest_of(Digest::Sha1, der).unwrap_or_default()),
        sha256: hex(&digest_of(Digest::Sha256, der).unwrap_or_default()),
        subject: c.map(|c| name_text(c.subject, ';')),
        issuer: c.map(|c| name_text(c.issuer, ';')),
        serial: c.map(|c| upper_hex(c.serial)),
        not_before: c.map(|c| c.not_before),
        not_before_text: c.and_then(|c| rfc3339(c.not_before)),
        not_after: c.map(|c| c.not_after),
        not_after_text: c.and_then(|c| rfc3339(c.not_after)),
        key: c.map(|c| c.public_key.to_string()),
        error: parsed.err().map(Into::into),
        friendly_name: None,
        import: None,
    }
}

fn bag(bag: &Bag) -> CertificateFacts {
    let import = bag.import.as_ref().ok().map(|import| {
        let known = import.kind.as_ref().ok();
        let stores = import.stores().iter().map(|s| s.name()).collect::<Vec<_>>();
        let left_out = match &import.kind {
            Ok((kind, _)) if stores.is_empty() => Some(LeftOut::NotImported(*kind).to_string()),
            Ok(_) => None,
            Err(why) => Some(why.to_string()),
        };
        ImportFacts {
            kind: known.map(|(kind, _)| kind.name()),
            kind_known_by: known.map(|(_, by)| match by {
                KnownBy::FriendlyName => "friendly-name",
                KnownBy::Subject => "subject",
                KnownBy::File => "file-name",
            }),
            kind_basis: known.map(|(_, by)| pkcs12::basis_of(*by).to_string()),
            stores,
            stores_basis: Basis::Documented.to_string(),
            stores_source: pkcs12::STORES_SOURCE,
            left_out,
            is_expired: import.is_expired,
        }
    });
    let name = bag.friendly_name.as_deref();
    CertificateFacts {
        friendly_name: name.map(|n| escape_for_terminal(n.as_bytes())),
        import,
        ..certificate(&bag.der)
    }
}

fn ruling(r: &PhoneRuling) -> RulingFacts {
    RulingFacts {
        ruling: r.word(),
        text: r.sentence(),
        accepted: r.is_taken(),
        holds: r.holds.clone(),
        reasons: r
            .decision
            .reasons
            .iter()
            .map(|r| ReasonFacts {
                code: r.code.as_str(),
                text: r.text(),
                evidence: r.evidence(),
            })
            .collect(),
        basis: r.basis().to_string(),
        rests_on: r
            .rests_on
            .iter()
            .map(|s| SupportFacts {
                rule: rule(s.key).name,
                basis: s.basis.to_string(),
                value: s.value.clone(),
                other: s.other.clone(),
                then: s.then,
            })
            .collect(),
        remarks: r.decision.note.iter().map(ToString::to_string).collect(),
        fix: r.decisive().and_then(advice),
    }
}
