//! Certificates out of files, and the nodes whose they are.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::said::{common_name, find_node};
use super::{Draft, Options, Problems};
use crate::cluster::bulk::p12::{self, P12Error};
use crate::cluster::bulk::{EntryName, Unit, identify};
use crate::cluster::{CertificateKind, PublicCertificate};
use crate::trust::certificate::escape_for_terminal;

/// The most certificates in one PEM file.
const MAX_IN_FILE: usize = 100;

/// A certificate that a file has.
#[derive(Clone, Debug)]
pub(super) struct Loose {
    /// The file, for sentences.
    pub(super) path: String,
    /// What it is for, as far as names tell.
    pub(super) kind: Option<CertificateKind>,
    /// The node that an export names.
    pub(super) node: Option<String>,
    /// True if its place says that it is the node's own.
    pub(super) is_own: bool,
    /// The certificate.
    pub(super) certificate: Arc<PublicCertificate>,
}

/// The certificates in a file, PEM or DER.
///
/// # Errors
/// A sentence: what is wrong with it.
pub fn certificates_of(bytes: &[u8]) -> Result<Vec<Arc<PublicCertificate>>, String> {
    let read = |der: &[u8]| {
        let read = PublicCertificate::from_der(der).map(Arc::new);
        read.map_err(|e| format!("not a certificate: {e}"))
    };
    if bytes.first() == Some(&0x30) {
        return Ok(vec![read(bytes)?]);
    }
    let mut all = Vec::new();
    for section in CertificateDer::pem_slice_iter(bytes) {
        let der = section.map_err(|_| "no certificate in PEM that can be read".to_owned())?;
        if all.len() >= MAX_IN_FILE {
            return Err(format!("more than {MAX_IN_FILE} certificates"));
        }
        all.push(read(&der)?);
    }
    if all.is_empty() {
        return Err("no certificate in PEM or DER".into());
    }
    Ok(all)
}

/// True of a name that a file with certificates has.
pub(super) fn is_certificate(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".pem", ".cer", ".crt", ".der"]
        .iter()
        .any(|end| lower.ends_with(end))
}

/// True of a name that a PKCS#12 file has.
pub(super) fn is_p12(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.ends_with(".p12") || lower.ends_with(".pfx")
}

/// The certificates of a file that says by its name what they are for.
///
/// # Errors
/// A sentence: what is wrong with it.
pub(super) fn loose(
    name: &str,
    path: &str,
    bytes: &[u8],
    is_own: bool,
) -> Result<Vec<Loose>, String> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let make = |certificate: Arc<PublicCertificate>| Loose {
        path: path.to_owned(),
        kind: kind_of(stem, None, &certificate, None),
        node: None,
        is_own,
        certificate,
    };
    Ok(certificates_of(bytes)?.into_iter().map(make).collect())
}

/// The certificates of a bulk export.
///
/// # Errors
/// A sentence: what is wrong with it.
pub(super) fn exported(
    name: &str,
    path: &str,
    bytes: &[u8],
    passwords: &[String],
) -> Result<Vec<Loose>, String> {
    let mut opened = Err(P12Error::WrongPassword);
    for password in passwords {
        opened = p12::open(bytes, password);
        if !matches!(opened, Err(P12Error::WrongPassword | P12Error::Damaged(_))) {
            break;
        }
    }
    let contents = opened.map_err(|e| match e {
        P12Error::WrongPassword => format!("{e}; give the right one"),
        other => other.to_string(),
    })?;
    let unit = Unit::of_file(name);
    let mut all = Vec::new();
    for entry in contents.entries {
        let certificate = PublicCertificate::from_der(&entry.der)
            .map_err(|e| format!("holds something that is no certificate: {e}"))?;
        let alias = entry.alias.as_deref();
        all.push(Loose {
            path: path.to_owned(),
            kind: kind_of("", alias, &certificate, unit),
            node: alias.and_then(EntryName::parse).map(|n| n.node),
            is_own: false,
            certificate: Arc::new(certificate),
        });
    }
    Ok(all)
}

/// What a certificate is for: by the file's name where it is CUCM's, by what an export or the subject
/// says, or by a part of the file's name.
fn kind_of(
    stem: &str,
    alias: Option<&str>,
    certificate: &PublicCertificate,
    unit: Option<Unit>,
) -> Option<CertificateKind> {
    if let Some(kind) = CertificateKind::from_name(stem) {
        return Some(kind);
    }
    if let Ok((kind, _)) = identify(alias, certificate, unit) {
        return Some(kind);
    }
    let lower = stem.to_ascii_lowercase();
    // The longer names hold the shorter ones.
    let mut kinds = CertificateKind::OF_NODE;
    kinds.sort_by_key(|k| std::cmp::Reverse(k.name().len()));
    let is_part = |kind: &CertificateKind| {
        let name = kind.name().to_ascii_lowercase();
        let mut at = lower.match_indices(&name);
        at.any(|(start, _)| {
            let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
            let before = lower[..start].chars().next_back();
            let after = lower[start + name.len()..].chars().next();
            is_edge(before) && is_edge(after)
        })
    };
    kinds.into_iter().find(is_part)
}

/// The nodes that certificates are from, where no other file names any.
pub(super) fn make_nodes(drafts: &mut Vec<Draft>, pool: &[Loose], options: &Options<'_>) {
    for loose in pool {
        let is_callmanager = loose.kind == Some(CertificateKind::CallManager);
        let host = || host_of(&loose.certificate).filter(|_| is_callmanager);
        let Some(node) = &loose.node.clone().or_else(host) else {
            continue;
        };
        let is_consolidated = loose.path.contains("consolidated");
        let is_known = drafts.iter().any(|d| d.node.is_host(node));
        if !is_consolidated && !is_known && drafts.len() < super::MAX_NODES {
            drafts.push(super::node::nothing_of(node, options));
        }
    }
}

/// Gives certificates to the nodes whose they are. One whose name is that of no node may be another
/// cluster's, kept here to be imported: taken for an own one it would make TVS vouch for it.
pub(super) fn attach(drafts: &mut [Draft], pool: &mut Vec<Loose>, problems: &mut Problems) {
    for draft in drafts.iter_mut() {
        let (own, others): (Vec<_>, Vec<_>) = draft.loose.drain(..).partition(|l| l.is_own);
        for loose in own {
            draft.own(loose.kind, &loose.certificate);
        }
        pool.extend(others);
    }
    for loose in pool.drain(..) {
        let host = loose.node.clone().or_else(|| host_of(&loose.certificate));
        let at = host.as_deref().and_then(|h| find_node(drafts, h));
        match at.and_then(|at| drafts.get_mut(at)) {
            Some(draft) => draft.own(loose.kind, &loose.certificate),
            None => problems.note(format!(
                "{}: {} is not counted as a certificate of this cluster, since none of its nodes is \
                 called so; if it is one, put it into NODE/certificates, and if it was imported, \
                 into stores/STORE",
                loose.path,
                escape_for_terminal(loose.certificate.subject_text.as_bytes()),
            )),
        }
    }
}

/// The host in a subject.
fn host_of(certificate: &PublicCertificate) -> Option<String> {
    let name = common_name(certificate.subject_text.as_bytes())?;
    Some(said_host(&name).to_owned())
}

/// A common name without what CUCM puts around the host: `ITLRECOVERY_src-pub`, `src-pub-EC`.
pub(super) fn said_host(common_name: &str) -> &str {
    let name = common_name
        .strip_prefix("ITLRECOVERY_")
        .unwrap_or(common_name);
    name.strip_suffix("-EC").unwrap_or(name)
}

impl Draft {
    /// Notes an own certificate.
    pub(super) fn own(
        &mut self,
        kind: Option<CertificateKind>,
        certificate: &Arc<PublicCertificate>,
    ) {
        let kind = kind.map_or("", CertificateKind::name);
        let held = &mut self.node.certificates;
        let is_same = |(k, c): &(String, Arc<PublicCertificate>)| {
            c.der == certificate.der && (k == kind || kind.is_empty())
        };
        if !held.iter().any(is_same) {
            held.push((kind.to_owned(), Arc::clone(certificate)));
        }
    }
}
