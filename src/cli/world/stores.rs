//! The trust stores of a cluster, as files.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::certificates::{pem_files, put_pem, read};
use super::{cannot_open, safe, shown};
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cluster::bulk::ImportTarget;
use crate::cluster::{PublicCertificate, SavedCluster, TrustStore, Trusted};

const STORES: &str = "stores";
/// While new stores are written.
const NEW: &str = ".stores.new";
/// Between the two renames, and a moment after.
const OLD: &str = ".stores.old";
/// Letters of a serial number in a file's name; a real one has 40 at most.
const SERIAL_LETTERS: usize = 64;

/// Fills the stores of a cluster. A store without a folder is empty.
pub(super) fn load(dir: &Path, cluster: &mut SavedCluster) -> Result<(), Failure> {
    let base = in_force(dir);
    for store in TrustStore::ALL {
        let folder = base.join(store.name());
        match fs::metadata(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(cannot_open(&folder, &e)),
            Ok(_) => {}
        }
        for path in pem_files(&folder)? {
            let trusted = ImportTarget::trust(cluster, store, read(&path)?);
            if let Trusted::Replaced { old: other } | Trusted::DroppedOlder { existing: other } =
                trusted
            {
                let text = format!(
                    "{}: a second certificate for {}, and a trust store has one of a subject; \
                     remove one of the two",
                    shown(&path),
                    other.subject_text
                );
                return Err(Failure::new(ExitCode::Usage, text));
            }
        }
    }
    Ok(())
}

/// The stores that count: the old ones where a replacement stopped between its two renames.
fn in_force(dir: &Path) -> PathBuf {
    let (stores, old) = (dir.join(STORES), dir.join(OLD));
    if !stores.exists() && old.exists() {
        old
    } else {
        stores
    }
}

/// Writes the stores of a cluster into its folder, where none are yet.
///
/// # Errors
/// A file cannot be written.
pub fn put_stores<'a>(
    dir: &Path,
    held: impl Fn(TrustStore) -> &'a [Arc<PublicCertificate>],
) -> io::Result<()> {
    put_all(&dir.join(STORES), held)
}

/// Puts other stores in the place of a cluster's: all of them, or after an error none.
///
/// # Errors
/// They cannot be written; the old ones are as they were.
pub fn replace_stores(dir: &Path, cluster: &SavedCluster) -> io::Result<()> {
    let (stores, new, old) = (dir.join(STORES), dir.join(NEW), dir.join(OLD));
    // What an interrupted replacement left: without stores in place, the old ones count.
    if old.exists() {
        if stores.exists() {
            fs::remove_dir_all(&old)?;
        } else {
            fs::rename(&old, &stores)?;
        }
    }
    remove(&new)?;
    let written = fs::create_dir_all(&new)
        .and_then(|()| put_all(&new, |store| cluster.store(store)))
        .and_then(|()| sync(&new));
    if let Err(e) = written {
        // The first error is the one to tell.
        let _ = remove(&new);
        return Err(e);
    }
    let had_stores = stores.exists();
    if had_stores {
        fs::rename(&stores, &old)?;
    }
    if let Err(e) = fs::rename(&new, &stores) {
        if had_stores {
            fs::rename(&old, &stores)?;
        }
        let _ = remove(&new);
        return Err(e);
    }
    // The new ones count from here on; what is left of the old ones the next replacement removes.
    let _ = remove(&old);
    Ok(())
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn put_all<'a>(
    base: &Path,
    held: impl Fn(TrustStore) -> &'a [Arc<PublicCertificate>],
) -> io::Result<()> {
    for store in TrustStore::ALL {
        let mut taken = BTreeSet::new();
        for certificate in held(store) {
            let name = file_name(certificate, &mut taken);
            put_pem(&base.join(store.name()).join(name), &certificate.der)?;
        }
    }
    Ok(())
}

/// `dst-pub-4D8C...B7.pem`; a number tells apart what has the same name and serial number.
fn file_name(certificate: &PublicCertificate, taken: &mut BTreeSet<String>) -> String {
    let name = certificate.subject_text.split(';').next();
    let name = safe(name.unwrap_or_default().trim_start_matches("CN="));
    let mut serial = crate::trust::search::hex(&certificate.serial);
    serial.truncate(SERIAL_LETTERS);
    let stem = format!("{name}-{serial}");
    let mut file = format!("{stem}.pem");
    let mut number = 2;
    // Some file systems make no difference between cases.
    while !taken.insert(file.to_lowercase()) {
        file = format!("{stem}-{number}.pem");
        number += 1;
    }
    file
}

/// Has everything below a folder on the disk before it is renamed.
fn sync(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            // Some systems want the right to write for this.
            OpenOptions::new().write(true).open(&path)?.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(common_name: &str, unit: &str, serial: &[u8]) -> PublicCertificate {
        PublicCertificate {
            der: vec![0x30, 0],
            subject_text: format!("CN={common_name};OU={unit}"),
            issuer_text: String::new(),
            serial: serial.to_vec(),
            not_before: 0,
            not_after: 0,
            public_key: Vec::new(),
            signature: Vec::new(),
        }
    }

    #[test]
    fn no_two_certificates_get_one_file_and_no_name_leaves_the_folder() {
        let mut taken = BTreeSet::new();
        let mut name = |c: &PublicCertificate| file_name(c, &mut taken);
        assert_eq!(name(&certificate("a", "x", &[1])), "a-01.pem");
        assert_eq!(name(&certificate("a", "y", &[1])), "a-01-2.pem");
        assert_eq!(name(&certificate("A", "z", &[1])), "A-01-3.pem");
        let odd = name(&certificate("../../x\n", "x", &[0xff; 4_000]));
        assert!(odd.starts_with("_.._.._x_-FF") && odd.len() < 160, "{odd}");
        assert!(!odd.contains('/'));
    }
}
