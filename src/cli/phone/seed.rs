//! What is put into a flash before its phone starts: lists and a configuration of the cluster that
//! the phone comes from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::flash::FlashFolder;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::inspect;
use crate::cli::world::shown;
use crate::phone::flash::{CONFIG, FlashOperation, replace};
use crate::report::inspect::list_kind_of;
use crate::report::text::hex_dump;
use crate::trust::installed::InstalledList;
use crate::wire::phone_config::PhoneConfig;
use crate::wire::{ListKind, SignedFile, Strictness};

/// Files by their names in flash.
pub(super) type Seeds = Vec<(&'static str, Arc<[u8]>)>;

/// Reads what is to be put there.
///
/// # Errors
/// A file cannot be opened, or no phone would hold it.
pub(super) fn read(lists: &[PathBuf], config: Option<&Path>) -> Result<Seeds, Failure> {
    let mut seeds = Seeds::new();
    for path in lists {
        let (kind, bytes) = list(path)?;
        if seeds.iter().any(|(name, _)| *name == kind.file_name()) {
            let text = format!(
                "--installed {} is a second {kind}; a phone holds one CTL and one ITL at most",
                shown(path)
            );
            return Err(Failure::new(ExitCode::Usage, text));
        }
        seeds.push((kind.file_name(), bytes));
    }
    if let Some(path) = config {
        seeds.push((CONFIG, configuration(path)?));
    }
    Ok(seeds)
}

/// Puts the seeds into the flash, if it is empty or has begun to take these very seeds. A flash
/// that has them already goes on as it is.
///
/// # Errors
/// It holds something else, and `force` does not say to erase that; or it cannot be written.
pub(super) fn plant(folder: &FlashFolder, seeds: &Seeds, force: bool) -> Result<bool, Failure> {
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
    match other {
        Some((name, _)) if !force => {
            let text = format!(
                "the flash in {} holds another {name} than --installed and --config say: leave \
                 them out to go on with what it holds, or erase it with --force-seed",
                folder.shown()
            );
            return Err(Failure::new(ExitCode::Usage, text));
        }
        Some(_) => {
            let remove = |(name, _): (&str, _)| FlashOperation::Remove { file: name.into() };
            let all: Vec<_> = flash.files().map(remove).collect();
            folder.carry_out_all(&all)?;
        }
        None => {}
    }
    for (name, bytes) in seeds {
        folder.carry_out_all(&replace(name, Arc::clone(bytes)))?;
    }
    Ok(true)
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

/// The configuration as a phone keeps it: without the signature that it was checked by.
fn configuration(path: &Path) -> Result<Arc<[u8]>, Failure> {
    let bytes = inspect::read(path)?;
    let wrong = |why: &str| {
        let text = format!("--config {} {why}", shown(path));
        Failure::new(ExitCode::Usage, text)
    };
    let xml = match PhoneConfig::parse(&bytes) {
        Ok(_) => return Ok(bytes.into()),
        Err(plain) => match SignedFile::parse(&bytes, &Strictness::default()) {
            Ok(file) if file.encryption().is_some() => {
                let why = "is encrypted; give the signed or the plain one \
                           (`trustline inspect --device-key` shows what an encrypted one holds)";
                return Err(wrong(why));
            }
            Ok(file) => file.body,
            Err(_) => return Err(wrong(&format!("is no configuration: {plain}"))),
        },
    };
    match PhoneConfig::parse(xml) {
        Ok(_) => Ok(xml.into()),
        Err(error) => Err(wrong(&format!(
            "is signed, and is no configuration: {error}"
        ))),
    }
}
