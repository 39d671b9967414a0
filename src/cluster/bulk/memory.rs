//! A directory in memory, as well behaved or as faulty as it is told to be.

use std::collections::BTreeMap;

use super::directory::{DirectoryFault, DirectoryOperation, DirectoryResult, Listed};
use super::run::Run;

/// A directory in memory. It behaves as an SFTP server of version 3 does: a rename onto a file that
/// exists fails.
#[derive(Clone, Debug, Default)]
pub struct MemoryDirectory {
    files: BTreeMap<String, Vec<u8>>,
    executed: u64,
    standing: Option<DirectoryFault>,
    scripted: Option<(u64, DirectoryFault)>,
    capacity: Option<u64>,
    read_only: bool,
}

impl MemoryDirectory {
    /// An empty directory without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The files, by name.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// The files, for keeps.
    pub fn into_files(self) -> BTreeMap<String, Vec<u8>> {
        self.files
    }

    /// Puts a file there, as somebody else would.
    pub fn put(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.files.insert(name.into(), bytes);
    }

    /// Removes a file, as somebody else would.
    pub fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        self.files.remove(name)
    }

    /// How many operations were asked for so far.
    pub fn executed(&self) -> u64 {
        self.executed
    }

    /// The `nth` operation from now, counted from 0, fails like this. A write that is
    /// [cut](DirectoryFault::Cut) or finds the disk full leaves the first half of its bytes. A fault
    /// that ends the connection stays until [`MemoryDirectory::reconnect`].
    pub fn fail_at(&mut self, nth: u64, fault: DirectoryFault) {
        self.scripted = Some((self.executed.saturating_add(nth), fault));
    }

    /// Ends all faults of the connection.
    pub fn reconnect(&mut self) {
        self.standing = None;
        self.scripted = None;
    }

    /// Whether anything can be written.
    pub fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// How many bytes all files may have together; None for no limit.
    pub fn set_capacity(&mut self, bytes: Option<u64>) {
        self.capacity = bytes;
    }

    /// Carries out one operation.
    pub fn execute(&mut self, operation: DirectoryOperation) -> DirectoryResult {
        let number = self.executed;
        self.executed += 1;
        if let Some(fault) = &self.standing {
            return DirectoryResult::Failed(fault.clone());
        }
        if self.scripted.as_ref().is_some_and(|(at, _)| *at == number)
            && let Some((_, fault)) = self.scripted.take()
        {
            let leaves_half = matches!(fault, DirectoryFault::Cut | DirectoryFault::DiskFull);
            if let DirectoryOperation::Write { name, mut bytes } = operation
                && leaves_half
            {
                bytes.truncate(bytes.len() / 2);
                self.files.insert(name, bytes);
            }
            if fault.ends_connection() {
                self.standing = Some(fault.clone());
            }
            return DirectoryResult::Failed(fault);
        }
        self.attempt(operation)
            .unwrap_or_else(DirectoryResult::Failed)
    }

    /// Carries out a run to its end.
    pub fn carry_out(&mut self, run: &mut Run) {
        while let Some(operation) = run.poll_operation() {
            let result = self.execute(operation);
            run.handle_result(result);
        }
    }

    fn attempt(
        &mut self,
        operation: DirectoryOperation,
    ) -> Result<DirectoryResult, DirectoryFault> {
        if self.read_only
            && !matches!(
                operation,
                DirectoryOperation::List | DirectoryOperation::Read { .. }
            )
        {
            return Err(DirectoryFault::ReadOnly);
        }
        match operation {
            DirectoryOperation::List => Ok(DirectoryResult::Listed(
                self.files
                    .iter()
                    .map(|(name, bytes)| Listed {
                        name: name.clone(),
                        bytes: size(bytes),
                    })
                    .collect(),
            )),
            DirectoryOperation::Read { name } => {
                let bytes = self.files.get(&name).ok_or(DirectoryFault::NoFile)?;
                Ok(DirectoryResult::Read(bytes.clone()))
            }
            DirectoryOperation::Write { name, mut bytes } => {
                self.files.remove(&name);
                let used: u64 = self.files.values().map(|b| size(b)).sum();
                let free = self.capacity.map(|c| c.saturating_sub(used));
                let is_full = free.is_some_and(|free| free < size(&bytes));
                if let Some(free) = free {
                    bytes.truncate(usize::try_from(free).unwrap_or(usize::MAX));
                }
                self.files.insert(name, bytes);
                if is_full {
                    return Err(DirectoryFault::DiskFull);
                }
                Ok(DirectoryResult::Done)
            }
            DirectoryOperation::Rename { from, to } => {
                if self.files.contains_key(&to) {
                    return Err(DirectoryFault::Other(format!("{to} exists")));
                }
                let bytes = self.files.remove(&from).ok_or(DirectoryFault::NoFile)?;
                self.files.insert(to, bytes);
                Ok(DirectoryResult::Done)
            }
            DirectoryOperation::Remove { name } => {
                self.files.remove(&name).ok_or(DirectoryFault::NoFile)?;
                Ok(DirectoryResult::Done)
            }
        }
    }
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
