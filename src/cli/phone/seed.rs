//! What is put into a flash before its phone starts: lists and a configuration of the cluster that
//! the phone comes from.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::flash::FlashFolder;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::inspect;
use crate::cli::world::shown;
use crate::phone::Flash;
use crate::phone::flash::{CONFIG, FlashOperation, replace};
use crate::report::inspect::list_kind_of;
use crate::report::text::hex_dump;
use crate::trust::installed::InstalledList;
use crate::wire::phone_config::PhoneConfig;
use crate::wire::{ListKind, SignedFile, Strictness};

/// What is to be put there.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    /// Files by their names in flash.
    pub(super) files: Vec<(&'static str, Arc<[u8]>)>,
    /// What the user should know of them.
    pub(super) note: Option<String>,
}

/// Reads what is to be put there.
///
/// # Errors
/// A file cannot be opened, or no phone would hold it.
pub(super) fn read(lists: &[PathBuf], config: Option<&Path>) -> Result<Seeds, Failure> {
    let mut seeds = Seeds::default();
    for path in lists {
        let (kind, bytes) = list(path)?;
        if seeds
            .files
            .iter()
            .any(|(name, _)| *name == kind.file_name())
        {
            let text = format!(
                "--installed {} is a second {kind}; a phone holds one CTL and one ITL at most",
                shown(path)
            );
            return Err(Failure::new(ExitCode::Usage, text));
        }
        seeds.files.push((kind.file_name(), bytes));
    }
    if let Some(path) = config {
        let (bytes, config) = configuration(path)?;
        seeds.files.push((CONFIG, bytes));
        seeds.note = config.tvs.is_empty().then(|| {
            format!(
                "--config {} names no TVS server: the phone can ask nobody about a signer that it \
                 does not know",
                shown(path)
            )
        });
    }
    Ok(seeds)
}

/// Puts the seeds into the flash, if it is empty or has begun to take these very seeds. A flash
/// that has them already goes on as it is. What was there before goes last, so that a full disk
/// changes nothing.
///
/// # Errors
/// It holds something else, and `force` does not say to erase that; or it cannot be written.
pub(super) fn plant(folder: &FlashFolder, seeds: &Seeds, force: bool) -> Result<bool, Failure> {
    let seeds = &seeds.files;
    if seeds.is_empty() {
        return Ok(false);
    }
    let flash = folder.read()?;
    let unfinished = flash.unfinished();
    let held: Vec<_> = flash
        .files()
        .filter(|(name, _)| !unfinished.iter().any(|u| u == name))
        .collect();
    let has = |name: &str, bytes: &[u8]| flash.get(name).is_some_and(|b| b[..] == *bytes);
    if seeds.iter().all(|(name, bytes)| has(name, bytes)) {
        return Ok(false);
    }
    let is_seed = |name: &str, bytes: &[u8]| {
        let seed = seeds.iter().find(|(n, _)| *n == name);
        seed.is_some_and(|(_, seed)| seed[..] == *bytes)
    };
    let other = held.iter().find(|(name, bytes)| !is_seed(name, bytes));
    if let Some((name, _)) = other
        && !force
    {
        let text = format!(
            "the flash in {} holds another {name} than --installed and --config say: leave them \
             out to go on with what it holds, or erase it with --force-seed",
            folder.shown()
        );
        return Err(Failure::new(ExitCode::Usage, text));
    }
    let Planting { writes, changes } = Planting::of(seeds, &flash);
    if let Err(error) = carry_out(folder, &writes) {
        for operation in &writes {
            let file = operation.file().to_owned();
            // It may never have come to be; the next boot removes what is left.
            let _ = folder.carry_out(&FlashOperation::Remove { file });
        }
        return Err(folder.cannot_write(&error));
    }
    carry_out(folder, &changes).map_err(|error| {
        let text = format!(
            "cannot change the flash in {}: {error}; it may hold some of what it held before and \
             some of the new: seed it again with --force-seed",
            folder.shown()
        );
        Failure::new(ExitCode::Unreachable, text)
    })?;
    Ok(true)
}

/// How seeds come into a flash.
struct Planting {
    /// First the files beside those that they replace: nothing has changed by then.
    writes: Vec<FlashOperation>,
    /// Then they take their places, and what else was there goes.
    changes: Vec<FlashOperation>,
}

impl Planting {
    fn of(seeds: &[(&'static str, Arc<[u8]>)], flash: &Flash) -> Self {
        let (mut writes, mut changes) = (Vec::new(), Vec::new());
        for (name, bytes) in seeds {
            let [write, rename] = replace(name, Arc::clone(bytes));
            writes.push(write);
            changes.push(rename);
        }
        let is_written = |name: &str| writes.iter().any(|w| w.file() == name);
        let others = flash
            .files()
            .filter(|(name, _)| !is_written(name) && !seeds.iter().any(|(n, _)| n == name));
        changes.extend(others.map(|(name, _)| FlashOperation::Remove { file: name.into() }));
        Self { writes, changes }
    }
}

fn carry_out(folder: &FlashFolder, operations: &[FlashOperation]) -> io::Result<()> {
    operations.iter().try_for_each(|o| folder.carry_out(o))
}

fn list(path: &Path) -> Result<(ListKind, Arc<[u8]>), Failure> {
    let bytes = inspect::read(path)?;
    let kind = list_kind_of(&path.to_string_lossy(), &bytes);
    let bytes: Arc<[u8]> = bytes.into();
    InstalledList::parse(kind, Arc::clone(&bytes)).map_err(|fault| {
        let dump = hex_dump(&bytes, fault.offset);
        let text = format!(
            "--installed {} is not a list that a phone can hold: {fault}\n{}",
            shown(path),
            dump.trim_end()
        );
        Failure::new(ExitCode::Usage, text)
    })?;
    Ok((kind, bytes))
}

/// The configuration as a phone keeps it: whole, and without the signature that it was checked by.
fn configuration(path: &Path) -> Result<(Arc<[u8]>, PhoneConfig), Failure> {
    let bytes = inspect::read(path)?;
    let wrong = |why: &str| {
        let text = format!("--config {} {why}", shown(path));
        Failure::new(ExitCode::Usage, text)
    };
    let (xml, config) = match PhoneConfig::parse(&bytes) {
        Ok(config) => (&bytes[..], config),
        Err(plain) => match SignedFile::parse(&bytes, &Strictness::default()) {
            Ok(file) if file.encryption().is_some() => {
                let why = "is encrypted; give the signed or the plain one \
                           (`trustline inspect --device-key` shows what an encrypted one holds)";
                return Err(wrong(why));
            }
            Ok(file) => {
                let config = PhoneConfig::parse(file.body);
                let config = config
                    .map_err(|e| wrong(&format!("is signed, and is no configuration: {e}")))?;
                (file.body, config)
            }
            Err(_) => return Err(wrong(&format!("is no configuration: {plain}"))),
        },
    };
    if !config.full_config {
        return Err(wrong(
            "is not the whole configuration: the cluster offers that encrypted, as \
             SEP<MAC>.cnf.xml.enc.sgn, and this file stands beside it (fullConfig is false). A \
             phone keeps the whole one; give it as plain XML, or clear TFTP Encrypted Config in \
             the phone's security profile, apply that, and fetch the file again",
        ));
    }
    Ok((xml.into(), config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds() -> Vec<(&'static str, Arc<[u8]>)> {
        let bytes: Arc<[u8]> = b"new"[..].into();
        vec![
            (ListKind::Itl.file_name(), Arc::clone(&bytes)),
            (CONFIG, bytes),
        ]
    }

    /// As far as a flash is filled beside the old files, and no further, nothing has changed.
    #[test]
    fn a_flash_keeps_what_it_holds_until_all_of_the_seeds_are_written() {
        let mut flash = Flash::default();
        let old: [&str; 3] = [
            ListKind::Ctl.file_name(),
            ListKind::Itl.file_name(),
            crate::phone::flash::STATE,
        ];
        for name in old {
            flash.put(name, b"old"[..].into());
        }
        let Planting { writes, changes } = Planting::of(&seeds(), &flash);
        assert_eq!(writes.len(), 2);
        for operation in &writes {
            flash.apply(operation);
            for name in old {
                assert_eq!(flash.get(name).map(|b| &b[..]), Some(&b"old"[..]), "{name}");
            }
        }
        for operation in &changes {
            flash.apply(operation);
        }
        let held: Vec<_> = flash.files().map(|(name, _)| name.to_owned()).collect();
        let seeds: Vec<_> = seeds().iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(held, seeds);
    }

    #[test]
    fn what_was_begun_is_not_left_behind() {
        let mut flash = Flash::default();
        for name in ["CTLFile.tlv.new", "config.xml.new"] {
            flash.put(name, b"torn"[..].into());
        }
        let Planting { writes, changes } = Planting::of(&seeds(), &flash);
        for operation in writes.iter().chain(&changes) {
            flash.apply(operation);
        }
        assert!(flash.unfinished().is_empty());
    }

    #[test]
    fn the_companion_of_an_encrypted_configuration_is_no_seed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("SEP001122334401.cnf.xml");
        std::fs::write(&path, PhoneConfig::default().emit_companion()).unwrap();
        let failure = read(&[], Some(&path)).unwrap_err();
        assert_eq!(failure.code, ExitCode::Usage);
        let text = failure.text;
        assert!(text.contains("is not the whole configuration"), "{text}");
        // The default configuration names no TVS, and that is said.
        std::fs::write(&path, PhoneConfig::default().emit_default()).unwrap();
        let seeds = read(&[], Some(&path)).unwrap();
        let note = seeds.note.unwrap();
        assert!(note.contains("names no TVS server"), "{note}");
    }
}
