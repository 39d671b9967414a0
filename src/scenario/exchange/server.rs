//! The exchange over SFTP: with the lab's own server, or with one that the scenario names.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use super::super::words::BulkFault;
use super::Carried;
use super::memory::FOREIGN;
use super::place::{LabServer, Place};
use crate::cluster::bulk::Run;
use crate::cluster::bulk::directory::{DirectoryFault, DirectoryResult};
use crate::net::loopback::{LabSftp, Loopback};
use crate::net::sftp::{
    Account, Faults, HostKeyPolicy, KeyError, Login, Offer, PinnedKey, ServeConfig, ServeLimits,
    ServerKey, SftpSettings, SharedFaults, Tree, TreeFault, TreeLimits, TreePath, Writes,
};

/// What is known of the servers.
#[derive(Debug)]
pub(super) struct SftpServers {
    lab: LabServer,
    /// Keys of servers that the scenario names, by host and port, as they were first seen.
    known: BTreeMap<(String, u16), PinnedKey>,
    /// Directories of such servers that were open before, by [`Carried::directory`].
    opened: BTreeSet<String>,
}

impl SftpServers {
    pub(super) fn new(lab: LabServer) -> Self {
        Self {
            lab,
            known: BTreeMap::new(),
            opened: BTreeSet::new(),
        }
    }

    /// Carries out a run to its end, over a connection of its own as the page has one.
    ///
    /// # Errors
    /// The lab's own server cannot be started.
    pub(super) fn carry_out(
        &mut self,
        loopback: &mut Loopback,
        place: &Place,
        run: &mut Run,
    ) -> io::Result<Carried> {
        let (host, port) = self.address(loopback, place)?;
        let mut carried = Carried {
            directory: place.url(&host, port),
            ..Carried::default()
        };
        let login = Login::Password(place.password.clone());
        let mut settings = SftpSettings::new(host, port, &place.user, login, &place.directory);
        // Its keys are asked for as a CUCM does: a server that shows an RSA key to nobody would not
        // serve the weekend either.
        settings.offer = Offer::Cucm;
        let pinned = self.pinned(place)?;
        let is_first_use = pinned.is_none();
        if let Some(pinned) = pinned {
            settings.host_key = HostKeyPolicy::Pinned(pinned);
        }
        let reached = match loopback.exchange(&settings, run) {
            Ok(reached) => reached,
            Err(fault) => {
                carried.not_opened = place.server.is_some();
                let fault = DirectoryFault::from(fault);
                while run.poll_operation().is_some() {
                    run.handle_result(DirectoryResult::Failed(fault.clone()));
                }
                return Ok(carried);
            }
        };
        let Some(server) = &place.server else {
            return Ok(carried);
        };
        if is_first_use {
            let key = reached.host_key;
            carried.notes.push(format!(
                "the host key of {} was not known: {key} is taken, and held for this run",
                settings.address(),
            ));
            let pinned = key.line.parse();
            let pinned = pinned.unwrap_or_else(|_| key.fingerprint.into());
            self.known.insert(server.clone(), pinned);
        }
        if self.opened.insert(carried.directory.clone()) && reached.files_before > 0 {
            carried.notes.push(format!(
                "{} files lay in the directory before this run: an exchange begins with an empty one",
                reached.files_before
            ));
        }
        Ok(carried)
    }

    /// Where a directory is, for events.
    ///
    /// # Errors
    /// The lab's own server cannot be started.
    pub(super) fn url(&self, loopback: &mut Loopback, place: &Place) -> io::Result<String> {
        let (host, port) = self.address(loopback, place)?;
        Ok(place.url(&host, port))
    }

    fn address(&self, loopback: &mut Loopback, place: &Place) -> io::Result<(String, u16)> {
        if let Some(server) = &place.server {
            return Ok(server.clone());
        }
        let address = self.own(loopback)?.address()?;
        Ok((address.ip().to_string(), address.port()))
    }

    /// The key that the server must have; nothing where it is not known yet.
    fn pinned(&self, place: &Place) -> io::Result<Option<PinnedKey>> {
        Ok(match (&place.server, &place.host_key) {
            (None, _) => Some(key(ServerKey::lab())?.host_key().fingerprint.into()),
            // It was looked at when the scenario was read.
            (Some(_), Some(given)) => Some(key(given.parse())?),
            (Some(server), None) => self.known.get(server).cloned(),
        })
    }

    /// Something goes wrong at the lab's own server.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn set_fault(
        &mut self,
        loopback: &mut Loopback,
        fault: BulkFault,
    ) -> io::Result<()> {
        let server = self.own(loopback)?;
        let mut faults = Faults::default();
        let mut host_key = ServerKey::lab();
        {
            let mut tree = server.tree();
            tree.limits = TreeLimits::default();
            match fault {
                BulkFault::Unreachable | BulkFault::Clear => {}
                BulkFault::HostKeyChanged => host_key = ServerKey::lab_other(),
                BulkFault::WrongPassword => faults.no_login = true,
                BulkFault::DirectoryMissing => faults.no_directory = true,
                BulkFault::ReadOnly => faults.writes = Writes::ReadOnly,
                BulkFault::DiskFull => tree.limits.total_bytes = tree.bytes(),
                BulkFault::Cut => faults.cut_after = Some(1),
                BulkFault::DamagedFile => {
                    let files = tree.files().map(|(path, bytes)| {
                        let half = bytes.len() / 2;
                        (path.clone(), bytes[..half].to_vec())
                    });
                    for (path, half) in files.collect::<Vec<_>>() {
                        tree.write(&path, &half, 0).map_err(io::Error::other)?;
                    }
                }
                BulkFault::ForeignFile => {
                    for directory in &self.lab.directories {
                        let path = format!("{directory}/{}", FOREIGN.0);
                        let path = TreePath::parse(&path).map_err(io::Error::other)?;
                        tree.write(&path, FOREIGN.1, 0).map_err(io::Error::other)?;
                    }
                }
            }
        }
        server.set_faults(faults);
        server.set_host_key(key(host_key)?);
        server.set_away(fault == BulkFault::Unreachable);
        Ok(())
    }

    /// The names of the files in a directory of the lab's own server.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn names(&self, loopback: &mut Loopback, place: &Place) -> io::Result<Vec<String>> {
        let path = TreePath::parse(&place.directory).map_err(io::Error::other)?;
        let listed = self.own(loopback)?.tree().list(&path);
        let listed = listed.map_err(io::Error::other)?;
        let files = listed.into_iter().filter(|(_, stat)| !stat.directory);
        Ok(files.map(|(name, _)| name).collect())
    }

    /// All files of the lab's own server, by their path.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn files(&self, loopback: &mut Loopback) -> io::Result<BTreeMap<String, Vec<u8>>> {
        // No form names it, so it was never needed.
        if self.lab.directories.is_empty() {
            return Ok(BTreeMap::new());
        }
        let tree = self.own(loopback)?.tree();
        let files = tree.files();
        Ok(files
            .map(|(at, bytes)| (at.to_string(), bytes.to_vec()))
            .collect())
    }

    /// The lab's own server, which is there from its first use on.
    fn own<'a>(&self, loopback: &'a mut Loopback) -> io::Result<&'a mut LabSftp> {
        loopback.sftp(|| {
            let account = |(name, password): (&String, &String)| Account {
                name: name.clone(),
                password: Some(password.clone()),
                // Nobody but the pages logs in here, and a page has no key.
                keys: Vec::new(),
            };
            let mut tree = Tree::default();
            for directory in &self.lab.directories {
                let mut path = String::new();
                for component in directory.split('/').filter(|c| !c.is_empty()) {
                    path = format!("{path}/{component}");
                    let at = TreePath::parse(&path).map_err(io::Error::other)?;
                    match tree.make_directory(&at, 0) {
                        Ok(()) | Err(TreeFault::Exists) => {}
                        Err(fault) => return Err(io::Error::other(fault)),
                    }
                }
            }
            Ok(ServeConfig {
                accounts: self.lab.accounts.iter().map(account).collect(),
                tree: Arc::new(Mutex::new(tree)),
                host_key: key(ServerKey::lab())?,
                limits: ServeLimits::default(),
                faults: SharedFaults::default(),
            })
        })
    }
}

fn key<T>(result: Result<T, KeyError>) -> io::Result<T> {
    result.map_err(io::Error::other)
}
