//! A phone's flash: files by name, changed by writes that the power may cut.
//!
//! The phone replaces a file in two operations: it writes `NAME.new` whole, then renames it. A
//! write can be torn, a rename cannot. So after a cut at any moment each file is either the old
//! one or the new one.
//!
//! Between two files there is one state that a cut can leave: the new CTL beside the old ITL (the
//! CTL is installed before the ITL is even asked for). What holds then: the next boot finds the CTL
//! equal and changes nothing, the ITL is checked against that CTL, whose cluster signed it, so no
//! TVS is needed; and the old ITL still holds the old TVS certificate, so TVS of the old cluster
//! can be asked all the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::wire::ListKind;

/// Ending of a file that is being written.
const UNFINISHED: &str = ".new";

/// Name of the configuration in flash.
pub const CONFIG: &str = "config.xml";
/// Name of the phone's own notes in flash.
pub const STATE: &str = "state.json";

/// What a phone with a planted defect leaves when a download fails.
#[cfg(feature = "planted-defects")]
pub(super) const GAVE_UP: &str = "gave-up";

/// The files of a flash. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flash {
    files: Arc<BTreeMap<String, Arc<[u8]>>>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlashOperation {
    /// Write a file from its start.
    Write {
        /// The file.
        file: String,
        /// Its bytes.
        bytes: Arc<[u8]>,
    },
    /// Give a file another name, in place of what had it. All or nothing.
    Rename {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// Remove a file.
    Remove {
        /// The file.
        file: String,
    },
}

impl FlashOperation {
    /// For events.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Write { .. } => "write",
            Self::Rename { .. } => "rename",
            Self::Remove { .. } => "remove",
        }
    }

    /// The file that it leaves or removes.
    pub fn file(&self) -> &str {
        match self {
            Self::Write { file, .. } | Self::Remove { file } => file,
            Self::Rename { to, .. } => to,
        }
    }

    /// Bytes that it writes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }
}

/// The operations that put `bytes` in place of `file`.
pub fn replace(file: &str, bytes: Arc<[u8]>) -> [FlashOperation; 2] {
    let unfinished = format!("{file}{UNFINISHED}");
    [
        FlashOperation::Write {
            file: unfinished.clone(),
            bytes,
        },
        FlashOperation::Rename {
            from: unfinished,
            to: file.to_owned(),
        },
    ]
}

/// The same without the detour, so that a cut halves the file: a defect to be found.
#[cfg(feature = "planted-defects")]
pub fn replace_in_place(file: &str, bytes: Arc<[u8]>) -> [FlashOperation; 1] {
    let file = file.to_owned();
    [FlashOperation::Write { file, bytes }]
}

impl Flash {
    /// The file's bytes.
    pub fn get(&self, file: &str) -> Option<&Arc<[u8]>> {
        self.files.get(file)
    }

    /// Puts a file there, as an engineer would before the phone starts.
    pub fn put(&mut self, file: &str, bytes: Arc<[u8]>) {
        self.files_mut().insert(file.to_owned(), bytes);
    }

    fn files_mut(&mut self) -> &mut BTreeMap<String, Arc<[u8]>> {
        Arc::make_mut(&mut self.files)
    }

    /// All files by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        self.files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes))
    }

    /// Files whose writing a power cut ended.
    pub fn unfinished(&self) -> Vec<String> {
        self.files
            .keys()
            .filter(|n| n.ends_with(UNFINISHED))
            .cloned()
            .collect()
    }

    /// Carries an operation out.
    pub fn apply(&mut self, operation: &FlashOperation) {
        match operation {
            FlashOperation::Write { file, bytes } => {
                self.files_mut().insert(file.clone(), Arc::clone(bytes));
            }
            FlashOperation::Rename { from, to } => {
                let files = self.files_mut();
                if let Some(bytes) = files.remove(from) {
                    files.insert(to.clone(), bytes);
                }
            }
            FlashOperation::Remove { file } => {
                self.files_mut().remove(file);
            }
        }
    }

    /// Carries a write out up to its first `kept` bytes, as when the power goes. Other operations
    /// are all or nothing: here, nothing.
    pub fn apply_torn(&mut self, operation: &FlashOperation, kept: usize) {
        if let FlashOperation::Write { file, bytes } = operation {
            let kept = &bytes[..kept.min(bytes.len())];
            self.files_mut().insert(file.clone(), kept.into());
        }
    }

    /// Removes the lists alone, as the phone's own menu does.
    pub fn erase_lists(&mut self) {
        for kind in [ListKind::Ctl, ListKind::Itl] {
            self.files_mut().remove(kind.file_name());
        }
    }

    /// Removes everything, as a factory reset does.
    pub fn erase(&mut self) {
        self.files_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_at_any_moment_leaves_old_or_new() {
        let old: Arc<[u8]> = b"old"[..].into();
        let new: Arc<[u8]> = b"newer"[..].into();
        let operations = replace("ITLFile.tlv", Arc::clone(&new));
        for cut in 0..=operations.len() {
            for torn in 0..=new.len() {
                let mut flash = Flash::default();
                flash.put("ITLFile.tlv", Arc::clone(&old));
                for operation in &operations[..cut] {
                    flash.apply(operation);
                }
                if let Some(operation) = operations.get(cut) {
                    flash.apply_torn(operation, torn);
                }
                let expected = if cut == operations.len() { &new } else { &old };
                assert_eq!(
                    flash.get("ITLFile.tlv"),
                    Some(expected),
                    "cut {cut}, torn {torn}"
                );
            }
        }
    }
}
