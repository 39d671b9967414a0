//! Certificates in PEM files: one certificate a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use der::pem::{LineEnding, encode_string};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{cannot_open, put, read_up_to, shown};
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cluster::{CertificateKind, ClusterSpec, OwnCertificate, PublicCertificate};

/// Bytes of a file with one certificate. Those of a real cluster have 2 KB.
const MAX_PEM: u64 = 64 * 1024;
/// Certificates of a folder: a store of a large cluster has some dozens.
const MAX_FILES: usize = 1_000;

/// Writes a certificate.
///
/// # Errors
/// It cannot be written.
pub fn put_pem(path: &Path, der: &[u8]) -> io::Result<()> {
    let pem = encode_string("CERTIFICATE", LineEnding::LF, der)
        .map_err(|e| io::Error::other(e.to_string()))?;
    put(path, pem.as_bytes())
}

/// The own certificates of a cluster's nodes.
pub(super) fn own(dir: &Path, spec: &ClusterSpec) -> Result<Vec<OwnCertificate>, Failure> {
    let mut all = Vec::new();
    for node in &spec.nodes {
        for path in pem_files(&dir.join(&node.name).join("certificates"))? {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let Some(kind) = CertificateKind::from_name(&stem) else {
                let known = CertificateKind::OF_NODE.map(|k| format!("{}.pem", k.name()));
                let text = format!(
                    "{}: its name does not say what the certificate is for; expected {}",
                    shown(&path),
                    known.join(", ")
                );
                return Err(Failure::new(ExitCode::Usage, text));
            };
            all.push(OwnCertificate {
                node: node.name.clone(),
                kind,
                certificate: read(&path)?,
            });
        }
    }
    Ok(all)
}

/// The `.pem` files of a folder, in the order of their names. Other files are left alone.
pub(super) fn pem_files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| cannot_open(dir, &e))? {
        let path = entry.map_err(|e| cannot_open(dir, &e))?.path();
        if path.extension().is_some_and(|e| e == "pem") {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            let text = format!("{} holds more than {MAX_FILES} certificates", shown(dir));
            return Err(Failure::new(ExitCode::Usage, text));
        }
    }
    files.sort();
    Ok(files)
}

/// The certificate in a file.
pub(super) fn read(path: &Path) -> Result<Arc<PublicCertificate>, Failure> {
    let wrong = |what: String| {
        let text = format!("{}: {what}; put the certificate there again", shown(path));
        Failure::new(ExitCode::Usage, text)
    };
    let pem = read_up_to(path, MAX_PEM + 1).map_err(|e| cannot_open(path, &e))?;
    if pem.len() as u64 > MAX_PEM {
        return Err(wrong(format!("more than {MAX_PEM} bytes")));
    }
    let mut sections = CertificateDer::pem_slice_iter(&pem);
    let der = match (sections.next(), sections.next()) {
        (Some(Ok(der)), None) => der,
        (Some(Ok(_)), Some(_)) => return Err(wrong("more than one section in PEM".into())),
        (Some(Err(_)) | None, _) => {
            return Err(wrong("no certificate in PEM that can be read".into()));
        }
    };
    let certificate = PublicCertificate::from_der(&der);
    let certificate = certificate.map_err(|e| wrong(format!("not a certificate: {e}")))?;
    Ok(Arc::new(certificate))
}
