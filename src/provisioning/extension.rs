//! The extensions of a certificate, as they stand in it (RFC 5280, 4.2).

use super::signed::Signed;
use crate::trust::certificate::{Certificate, CertificateError, Der, der_tag};

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
/// Explicit tags 0 and 3 of a TBSCertificate.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// One extension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extension<'a> {
    /// Content of its OBJECT IDENTIFIER.
    pub(super) oid: &'a [u8],
    /// Who does not understand it must not use the certificate.
    pub(super) is_critical: bool,
    /// What it says: DER, not read yet.
    pub(super) value: &'a [u8],
}

/// True of a certificate that names no version, which means version 1.
///
/// # Errors
/// What is no certificate.
pub(super) fn is_version_1(certificate: &Certificate<'_>) -> Result<bool, CertificateError> {
    let field = "version";
    let content = Signed::parse(certificate.der)?.content;
    let tbs = Der::new(content).constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
    Ok(tbs.peek() != Some(VERSION))
}

/// All of them, in their order; none in a certificate of version 1.
///
/// # Errors
/// What is no list of extensions.
pub(super) fn extensions<'a>(
    certificate: &Certificate<'a>,
) -> Result<Vec<Extension<'a>>, CertificateError> {
    let field = "extensions";
    let content = Signed::parse(certificate.der)?.content;
    let mut tbs = Der::new(content).constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
    let mut found = Vec::new();
    while !tbs.is_empty() {
        let element = tbs.any(field)?;
        if element.tag != EXTENSIONS {
            continue;
        }
        let mut all = Der::new(element.content);
        let mut all = all.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
        while !all.is_empty() {
            let mut one = all.constructed(der_tag::SEQUENCE, field, "an Extension")?;
            let oid = one
                .take(der_tag::OID, field, "an OBJECT IDENTIFIER")?
                .content;
            let mut is_critical = false;
            if one.peek() == Some(BOOLEAN) {
                let flag = one.take(BOOLEAN, field, "a BOOLEAN")?;
                is_critical = flag.content.iter().any(|&b| b != 0);
            }
            let value = one.take(OCTET_STRING, field, "an OCTET STRING")?.content;
            found.push(Extension {
                oid,
                is_critical,
                value,
            });
        }
    }
    Ok(found)
}
