//! Bulk certificate management over an SFTP directory: its operations, its results, its faults.

use super::directory::SftpDirectory;
use super::fault::SftpFault;
use crate::cluster::bulk::directory::{
    DirectoryFault, DirectoryOperation, DirectoryResult, Listed,
};
use crate::cluster::bulk::{Run, p12};

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
            DirectoryOperation::List => self.list().await.map(|files| {
                let listed = |file: super::Listed| Listed {
                    name: file.name,
                    bytes: file.bytes,
                };
                DirectoryResult::Listed(files.into_iter().map(listed).collect())
            }),
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
