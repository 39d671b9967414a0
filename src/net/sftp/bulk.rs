//! Bulk certificate management over an SFTP directory: its operations, its results, its faults.

use super::client::connect;
use super::directory::SftpDirectory;
use super::fault::SftpFault;
use super::key::HostKey;
use super::settings::SftpSettings;
use crate::cluster::bulk::directory::{DirectoryFault, DirectoryOperation, DirectoryResult};
use crate::cluster::bulk::{Run, p12};

/// A server whose directory was opened for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The key that it has shown.
    pub host_key: HostKey,
    /// How many files the directory held at the first look; 0 where the run did not look.
    pub files_before: usize,
}

impl Reached {
    /// Opens the directory, carries out the run to its end, and says goodbye.
    ///
    /// # Errors
    /// The directory could not be opened; nothing of the run was done.
    pub async fn carry_out(settings: &SftpSettings, run: &mut Run) -> Result<Self, SftpFault> {
        let mut directory = connect(settings).await?;
        let mut files_before = None;
        while let Some(operation) = run.poll_operation() {
            let result = directory.perform(operation).await;
            if let (None, DirectoryResult::Listed(files)) = (files_before, &result) {
                files_before = Some(files.len());
            }
            run.handle_result(result);
        }
        let host_key = directory.host_key().clone();
        directory.close().await;
        Ok(Self {
            host_key,
            files_before: files_before.unwrap_or(0),
        })
    }
}

impl SftpDirectory {
    /// Carries out a run to its end.
    pub async fn carry_out(&mut self, run: &mut Run) {
        while let Some(operation) = run.poll_operation() {
            let result = self.perform(operation).await;
            run.handle_result(result);
        }
    }

    /// Carries out one operation.
    pub async fn perform(&mut self, operation: DirectoryOperation) -> DirectoryResult {
        let changes = !matches!(
            operation,
            DirectoryOperation::List | DirectoryOperation::Read { .. }
        );
        let result = match operation {
            DirectoryOperation::List => self.list().await.map(DirectoryResult::Listed),
            // A byte above what is of use tells that a file is too large.
            DirectoryOperation::Read { name } => {
                let read = self.read_up_to(&name, p12::MAX_BYTES as u64 + 1).await;
                read.map(DirectoryResult::Read)
            }
            DirectoryOperation::Write { name, bytes } => done(self.write(&name, &bytes).await),
            DirectoryOperation::Rename { from, to } => done(self.rename(&from, &to).await),
            DirectoryOperation::Remove { name } => done(self.remove(&name).await),
        };
        result.unwrap_or_else(|fault| {
            DirectoryResult::Failed(match fault {
                SftpFault::PermissionDenied { .. } if changes => DirectoryFault::ReadOnly,
                fault => fault.into(),
            })
        })
    }
}

fn done(result: Result<(), SftpFault>) -> Result<DirectoryResult, SftpFault> {
    result.map(|()| DirectoryResult::Done)
}

impl From<SftpFault> for DirectoryFault {
    fn from(fault: SftpFault) -> Self {
        match fault {
            SftpFault::Unreachable { address, why } => {
                Self::Unreachable(format!("{address}: {why}"))
            }
            SftpFault::NoAnswer { doing, within } => {
                Self::Unreachable(format!("no answer within {within:?} while {doing}"))
            }
            SftpFault::HostKeyChanged {
                expected, found, ..
            } => Self::HostKeyChanged {
                expected: expected.to_string(),
                found: found.to_string(),
            },
            SftpFault::LoginRefused { .. } => Self::LoginRefused,
            SftpFault::NoDirectory { .. } => Self::NoDirectory,
            SftpFault::NoSuchFile { .. } => Self::NoFile,
            SftpFault::ReadOnly { .. } => Self::ReadOnly,
            SftpFault::DiskFull { .. } => Self::DiskFull,
            SftpFault::Cut { .. } => Self::Cut,
            SftpFault::LoginKey(_)
            | SftpFault::Exists { .. }
            | SftpFault::PermissionDenied { .. }
            | SftpFault::Failed { .. }
            | SftpFault::TooLarge { .. }
            | SftpFault::BadName { .. }
            | SftpFault::Protocol(_) => Self::Other(fault.to_string()),
        }
    }
}
