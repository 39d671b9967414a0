//! A phone's flash in a folder: the phone's files by their own names, as `rehearse --keep` leaves
//! them in `phones/SEP.../after`, and nothing else.
//!
//! Each operation of the machine is carried out in its order and reaches the disk before the next:
//! a file is written beside the one that it replaces, then renamed. So the process may be killed at
//! any moment, and each file is the old one or the new one.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::inspect::MAX_FILE_BYTES;
use crate::cli::world::{cannot_open, read_up_to, shown};
use crate::phone::flash::{CONFIG, STATE};
use crate::phone::{Flash, FlashOperation};
use crate::wire::ListKind;

/// The files of a flash.
const FILES: [&str; 4] = [
    ListKind::Ctl.file_name(),
    ListKind::Itl.file_name(),
    CONFIG,
    STATE,
];
/// Ending of a file whose writing was cut short.
const UNFINISHED: &str = ".new";

/// The folder, held by this process alone.
#[derive(Debug)]
pub(super) struct FlashFolder {
    dir: PathBuf,
    /// The folder itself, locked while this is alive.
    _lock: Option<File>,
}

impl FlashFolder {
    /// Opens or makes the folder for a device.
    ///
    /// # Errors
    /// It cannot be made or read, holds something else, is another phone's, or another process
    /// has it.
    pub(super) fn open(dir: &Path, device: &str) -> Result<Self, Failure> {
        let shown = shown(dir);
        fs::create_dir_all(dir).map_err(|e| {
            let text = format!("cannot make the folder {shown}: {e}");
            Failure::new(ExitCode::Unreachable, text)
        })?;
        let folder = Self {
            dir: dir.to_owned(),
            _lock: lock(dir)?,
        };
        for entry in fs::read_dir(dir).map_err(|e| cannot_open(dir, &e))? {
            let name = entry.map_err(|e| cannot_open(dir, &e))?.file_name();
            let name = name.to_string_lossy();
            if !is_ours(&name) {
                let text = format!(
                    "{shown} holds something else ({}), so no phone keeps its flash there; name an \
                     empty folder, a new one, or that of a flash: {}",
                    super::clean(&name),
                    FILES.join(", ")
                );
                return Err(Failure::new(ExitCode::Unreachable, text));
            }
        }
        let flash = folder.read()?;
        if let Some(owner) = owner(&flash).filter(|o| o != device) {
            let text = format!(
                "{shown} is the flash of {}, not of {device}: name another folder, or --mac {}",
                super::clean(&owner),
                super::clean(&owner)
            );
            return Err(Failure::new(ExitCode::Unreachable, text));
        }
        Ok(folder)
    }

    /// The folder's path, as it may be printed.
    pub(super) fn shown(&self) -> String {
        shown(&self.dir)
    }

    /// What is in it.
    ///
    /// # Errors
    /// A file cannot be read, or is larger than any that a phone writes.
    pub(super) fn read(&self) -> Result<Flash, Failure> {
        let mut flash = Flash::default();
        for name in FILES {
            for name in [name.to_owned(), format!("{name}{UNFINISHED}")] {
                let path = self.dir.join(&name);
                let bytes = match read_up_to(&path, MAX_FILE_BYTES + 1) {
                    Ok(bytes) => bytes,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    Err(e) => return Err(cannot_open(&path, &e)),
                };
                if bytes.len() as u64 > MAX_FILE_BYTES {
                    let text = format!(
                        "{} has more than {MAX_FILE_BYTES} bytes, which no phone has written",
                        shown(&path)
                    );
                    return Err(Failure::new(ExitCode::Usage, text));
                }
                flash.put(&name, bytes.into());
            }
        }
        Ok(flash)
    }

    /// Carries an operation out; when it returns, the disk has it.
    ///
    /// # Errors
    /// The system refuses, or the file is none of a flash.
    pub(super) fn carry_out(&self, operation: &FlashOperation) -> io::Result<()> {
        let path = |name: &str| match is_ours(name) {
            true => Ok(self.dir.join(name)),
            false => Err(io::Error::other(format!("{name} is no file of a flash"))),
        };
        match operation {
            FlashOperation::Write { file, bytes } => {
                let mut file = File::create(path(file)?)?;
                file.write_all(bytes)?;
                return file.sync_all();
            }
            FlashOperation::Rename { from, to } => fs::rename(path(from)?, path(to)?)?,
            FlashOperation::Remove { file } => match fs::remove_file(path(file)?) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            },
        }
        sync_folder(&self.dir)
    }

    /// A write that failed, as an error of the command.
    pub(super) fn cannot_write(&self, error: &io::Error) -> Failure {
        let text = format!(
            "cannot write the flash in {}: {error}; what it held before is whole",
            self.shown()
        );
        Failure::new(ExitCode::Unreachable, text)
    }
}

fn is_ours(name: &str) -> bool {
    FILES.contains(&name.strip_suffix(UNFINISHED).unwrap_or(name))
}

/// Keeps other processes out until the answer is dropped or the process is gone.
fn lock(dir: &Path) -> Result<Option<File>, Failure> {
    // Where a folder cannot be opened as a file, nobody is kept out.
    let Ok(file) = File::open(dir) else {
        return Ok(None);
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let text = format!(
                "another phone is running on the flash in {}: end it first, or name another folder",
                shown(dir)
            );
            Err(Failure::new(ExitCode::Unreachable, text))
        }
        // Not every file system can lock.
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// The device that the notes in flash name. Notes that cannot be read name nobody: the phone says
/// so when it boots.
fn owner(flash: &Flash) -> Option<String> {
    let notes: serde_json::Value = serde_json::from_slice(flash.get(STATE)?).ok()?;
    Some(notes.get("device")?.as_str()?.to_owned())
}

/// Brings the names of a folder to the disk. Not every system can; the content of the files is
/// there by then.
fn sync_folder(dir: &Path) -> io::Result<()> {
    match File::open(dir) {
        Ok(folder) => match folder.sync_all() {
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        },
        Err(_) if cfg!(windows) => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::flash::replace;

    const DEVICE: &str = "SEP001122334401";

    fn refused(dir: &Path) -> String {
        let failure = FlashFolder::open(dir, DEVICE).unwrap_err();
        assert_eq!(failure.code, ExitCode::Unreachable);
        failure.text
    }

    #[test]
    fn what_is_written_is_there_when_it_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = FlashFolder::open(dir.path(), DEVICE).unwrap();
        for operation in replace(CONFIG, b"<device/>"[..].into()) {
            folder.carry_out(&operation).unwrap();
        }
        let [write, _] = replace(STATE, b"torn"[..].into());
        folder.carry_out(&write).unwrap();
        let flash = folder.read().unwrap();
        assert_eq!(flash.get(CONFIG).map(|b| &b[..]), Some(&b"<device/>"[..]));
        assert_eq!(flash.unfinished(), ["state.json.new"]);
        drop(folder);
        let folder = FlashFolder::open(dir.path(), DEVICE).unwrap();
        let file = CONFIG.to_owned();
        folder.carry_out(&FlashOperation::Remove { file }).unwrap();
        assert!(folder.read().unwrap().get(CONFIG).is_none());
    }

    #[test]
    fn a_folder_of_something_else_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "x").unwrap();
        let text = refused(dir.path());
        assert!(text.contains("holds something else (thesis.txt)"), "{text}");
        let file = dir.path().join("thesis.txt");
        assert!(refused(&file).contains("cannot make the folder"));
    }

    #[test]
    fn two_phones_do_not_share_a_flash() {
        let dir = tempfile::tempdir().unwrap();
        let first = FlashFolder::open(dir.path(), DEVICE).unwrap();
        assert!(refused(dir.path()).contains("another phone is running"));
        drop(first);
        fs::write(dir.path().join(STATE), r#"{"device":"SEP00000000000A"}"#).unwrap();
        let text = refused(dir.path());
        assert!(text.contains("is the flash of SEP00000000000A"), "{text}");
    }

    #[test]
    fn no_operation_leaves_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = FlashFolder::open(dir.path(), DEVICE).unwrap();
        let file = "../CTLFile.tlv".to_owned();
        let bytes = b"x"[..].into();
        assert!(
            folder
                .carry_out(&FlashOperation::Write { file, bytes })
                .is_err()
        );
    }
}
