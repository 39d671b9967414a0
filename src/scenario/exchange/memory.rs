//! The exchange in memory: where the world has virtual time, or the build no SFTP.

use std::collections::BTreeMap;

use super::super::words::BulkFault;
use super::place::{LabServer, Place};
use crate::cluster::bulk::directory::{DirectoryFault, DirectoryOperation, DirectoryResult};
use crate::cluster::bulk::{MemoryDirectory, Run};

/// The file of somebody else, and what is in it.
pub(super) const FOREIGN: (&str, &[u8]) = ("backup-of-another-system.p12", b"not for this page");

/// The host keys that the lab's own server shows: its own, and after the fault another.
pub(super) const HOST_KEYS: [&str; 2] = [
    "SHA256:Hn/JuDPnWla+gUsSGmLCaBuJbp/u+rzSTjQPnucLWr8",
    "SHA256:u0yUt/9uOe93B/eJ7/RFABvVc9CdMjYgL16qzNprbao",
];

/// A server and a directory of it.
type Where = (Option<(String, u16)>, String);

/// Servers that are not there.
#[derive(Debug)]
pub(super) struct MemoryServers {
    lab: LabServer,
    directories: BTreeMap<Where, MemoryDirectory>,
    /// At the lab's own.
    fault: Option<BulkFault>,
}

impl MemoryServers {
    pub(super) fn new(lab: LabServer) -> Self {
        let own = lab.directories.iter().map(|path| (None, path.clone()));
        Self {
            directories: own.map(|at| (at, MemoryDirectory::new())).collect(),
            lab,
            fault: None,
        }
    }

    /// Carries out a run to its end.
    pub(super) fn carry_out(&mut self, place: &Place, run: &mut Run) {
        let fault = match place.server {
            None => self.fault,
            Some(_) => None,
        };
        let opening = self.opening_fault(place, fault);
        let directory = self.directories.entry(at(place)).or_default();
        directory.reconnect();
        directory.set_read_only(fault == Some(BulkFault::ReadOnly));
        let used = directory.files().values().map(|bytes| bytes.len() as u64);
        let full = (fault == Some(BulkFault::DiskFull)).then(|| used.sum());
        directory.set_capacity(full);
        while let Some(operation) = run.poll_operation() {
            if let Some(fault) = &opening {
                run.handle_result(DirectoryResult::Failed(fault.clone()));
                continue;
            }
            let carries_a_file = matches!(
                operation,
                DirectoryOperation::Read { .. } | DirectoryOperation::Write { .. }
            );
            if carries_a_file && fault == Some(BulkFault::Cut) {
                directory.fail_at(0, DirectoryFault::Cut);
            }
            run.handle_result(directory.execute(operation));
        }
    }

    /// What stands in the way of the directory.
    fn opening_fault(&self, place: &Place, fault: Option<BulkFault>) -> Option<DirectoryFault> {
        if place.server.is_some() {
            return None;
        }
        let is_right = self.lab.accounts.get(&place.user) == Some(&place.password);
        match fault {
            Some(BulkFault::Unreachable) => {
                Some(DirectoryFault::Unreachable("connection refused".to_owned()))
            }
            Some(BulkFault::HostKeyChanged) => Some(DirectoryFault::HostKeyChanged {
                expected: HOST_KEYS[0].to_owned(),
                found: HOST_KEYS[1].to_owned(),
            }),
            Some(BulkFault::WrongPassword) => Some(DirectoryFault::LoginRefused),
            _ if !is_right => Some(DirectoryFault::LoginRefused),
            Some(BulkFault::DirectoryMissing) => Some(DirectoryFault::NoDirectory),
            _ => None,
        }
    }

    /// Something goes wrong at the lab's own server.
    pub(super) fn set_fault(&mut self, fault: BulkFault) {
        self.fault = Some(fault);
        let own = self.directories.iter_mut().filter(|(at, _)| at.0.is_none());
        for (_, directory) in own {
            match fault {
                BulkFault::DamagedFile => {
                    for (name, bytes) in directory.files().clone() {
                        let half = bytes.len() / 2;
                        directory.put(name, bytes[..half].to_vec());
                    }
                }
                BulkFault::ForeignFile => directory.put(FOREIGN.0, FOREIGN.1.to_vec()),
                _ => {}
            }
        }
    }

    /// The names of the files in a directory.
    pub(super) fn names(&self, place: &Place) -> Vec<String> {
        let directory = self.directories.get(&at(place));
        directory.map_or_else(Vec::new, |d| d.files().keys().cloned().collect())
    }

    /// All files, by their path below the folder of a world that holds them.
    pub(super) fn into_files(self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for ((server, directory), held) in self.directories {
            let server = server.map(|(host, port)| format!("/{host}-{port}"));
            let server = server.unwrap_or_default();
            let directory = directory.trim_end_matches('/');
            for (name, bytes) in held.into_files() {
                files.insert(format!("{server}{directory}/{name}"), bytes);
            }
        }
        files
    }
}

fn at(place: &Place) -> Where {
    (place.server.clone(), place.path())
}
