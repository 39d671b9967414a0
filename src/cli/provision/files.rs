//! The files of an authority: certificates that everybody may read, keys that nobody else may.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use der::pem::{LineEnding, encode_string};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::world::{cannot_open, read_up_to, shown};
use crate::provisioning::authority::not_a_servers;
use crate::trust::certificate::{Certificate, escape_for_terminal, name_text};

/// Bytes of a file with certificates or a key. A bundle of all public roots has 220 KB.
pub(super) const MAX_FILE: u64 = 1024 * 1024;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// Everybody, as the umask allows.
    Public,
    /// Its owner alone: mode 0600.
    Secret,
}

/// What is done where the file is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing<'a> {
    /// It stays, and nothing is written.
    Keep,
    /// It gives way if it is the certificate of the server with this subject (a DER Name), as one
    /// that is renewed is.
    ReplaceCertificateOf(&'a [u8]),
}

/// The DER in PEM.
pub(super) fn pem(label: &'static str, der: &[u8]) -> Result<String, Failure> {
    encode_string(label, LineEnding::LF, der)
        .map_err(|e| Failure::new(ExitCode::Bug, format!("cannot write PEM: {e}")))
}

/// Writes a file whole or not at all: it appears under its name when it is complete.
pub(super) fn write(
    path: &Path,
    bytes: &[u8],
    secrecy: Secrecy,
    existing: Existing<'_>,
) -> Result<(), Failure> {
    let cannot = |e: io::Error| {
        let text = format!("cannot write {}: {e}", shown(path));
        Failure::new(ExitCode::Unreachable, text)
    };
    if let Existing::ReplaceCertificateOf(subject) = existing
        && let Some(what) = what_must_stay(path, subject).map_err(cannot)?
    {
        let text = format!(
            "{} is there and {what}, so it is left alone: name another file with --out",
            shown(path)
        );
        return Err(Failure::new(ExitCode::Unreachable, text));
    }
    let unfinished = unfinished(path);
    let _ = fs::remove_file(&unfinished);
    let written = write_to(&unfinished, bytes, secrecy).and_then(|()| match existing {
        Existing::ReplaceCertificateOf(_) => fs::rename(&unfinished, path),
        // A second name is refused where there is a file; a rename would replace it.
        Existing::Keep => fs::hard_link(&unfinished, path),
    });
    if written.is_err() || existing == Existing::Keep {
        let _ = fs::remove_file(&unfinished);
    }
    written.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => already(path),
        _ => cannot(e),
    })
}

/// A file is in the way.
pub(super) fn already(path: &Path) -> Failure {
    let text = format!(
        "{} is there already and is left alone: name another place, or take it away first",
        shown(path)
    );
    Failure::new(ExitCode::Unreachable, text)
}

fn write_to(path: &Path, bytes: &[u8], secrecy: Secrecy) -> io::Result<()> {
    let mut file = create(path, secrecy)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn create(path: &Path, secrecy: Secrecy) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let mode = match secrecy {
        Secrecy::Public => 0o644,
        Secrecy::Secret => 0o600,
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(path)
}

/// Here the folder decides who may read.
#[cfg(not(unix))]
fn create(path: &Path, _secrecy: Secrecy) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// A name beside the file that no other process uses.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

/// What is in a file that would be lost if it gave way to a certificate with this subject; none
/// where nothing is, or there is no file.
fn what_must_stay(path: &Path, subject: &[u8]) -> io::Result<Option<String>> {
    let must_stay = |what: &str| Ok(Some(what.to_owned()));
    let bytes = match read_up_to(path, MAX_FILE + 1) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    if bytes.len() as u64 > MAX_FILE {
        return must_stay("is larger than any certificate");
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let Some(all) = certificates(&bytes) else {
        return must_stay("is no certificate");
    };
    let [one] = all.as_slice() else {
        return must_stay("holds more certificates than one");
    };
    if !is_alone(&bytes, one) {
        return must_stay("holds more than a certificate");
    }
    // It was read a moment ago.
    let Ok(read) = Certificate::parse(one) else {
        return must_stay("is no certificate");
    };
    if let Some(what) = not_a_servers(&read) {
        return must_stay(what);
    }
    let (theirs, ours) = (name_text(read.subject, ','), name_text(subject, ','));
    Ok((theirs != ours).then(|| {
        let theirs = escape_for_terminal(theirs.as_bytes());
        format!("is the certificate of another server ({theirs})")
    }))
}

/// True of a file that holds this certificate and nothing else. Readers of PEM pass over what they
/// do not look for, so that a private key beside it would go unseen.
fn is_alone(file: &[u8], certificate: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    const END: &[u8] = b"-----END CERTIFICATE-----";
    if file == certificate {
        return true;
    }
    let file = file.trim_ascii();
    let body = file
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.strip_suffix(END));
    body.is_some_and(|body| !body.contains(&b'-'))
}

/// Makes a folder and those above it; a new one is its owner's alone.
pub(super) fn make_folder(dir: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| {
        let text = format!("cannot make the folder {}: {e}", shown(dir));
        Failure::new(ExitCode::Unreachable, text)
    })
}

/// The whole file, of [`MAX_FILE`] bytes at most.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read_up_to(path, MAX_FILE + 1).map_err(|e| cannot_open(path, &e))?;
    if bytes.len() as u64 > MAX_FILE {
        let text = format!("{}: more than {MAX_FILE} bytes", shown(path));
        return Err(Failure::new(ExitCode::Usage, text));
    }
    Ok(bytes)
}

/// The certificates in a file, PEM or one in DER, in order; none where one of them cannot be read,
/// or there is none. Text and PEM of other kinds, such as the key of a server, are passed over.
pub(super) fn certificates(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let all: Vec<Vec<u8>> = if Certificate::parse(bytes).is_ok() {
        vec![bytes.to_vec()]
    } else {
        let sections = CertificateDer::pem_slice_iter(bytes);
        let all: Result<Vec<_>, _> = sections.map(|s| s.map(|der| der.to_vec())).collect();
        all.ok()?
    };
    let are_read = all.iter().all(|der| Certificate::parse(der).is_ok());
    (are_read && !all.is_empty()).then_some(all)
}

/// The certificates in a file, of which there must be one at least.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    certificates(&read(path)?).ok_or_else(|| {
        let text = format!(
            "{}: expected certificates, in PEM or one in DER",
            shown(path)
        );
        Failure::new(ExitCode::Usage, text)
    })
}
