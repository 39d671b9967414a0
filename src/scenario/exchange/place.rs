//! Where a cluster's page exchanges its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::super::model::{Action, Scenario, SftpServer};

/// SSH's port.
const SSH_PORT: u16 = 22;
/// What a form for the lab's own server says where the scenario says nothing.
const LAB_USER: &str = "bulk";
const LAB_PASSWORD: &str = "trustline";
const LAB_DIRECTORY: &str = "/bulk";

/// A form that is filled in whole.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Host and port; `None` is the lab's own server.
    pub(super) server: Option<(String, u16)>,
    pub(super) user: String,
    pub(super) password: String,
    /// As the server knows it.
    pub(super) directory: String,
    /// The fingerprint that the server must have.
    pub(super) host_key: Option<String>,
}

impl Place {
    pub(super) fn of(form: &SftpServer) -> Self {
        let server = form.host.as_ref().map(|host| {
            let port = form.port.as_ref().map_or(SSH_PORT, |port| port.value);
            (host.value.clone(), port)
        });
        // Another server's own: the scenario was read only with user and password for it, and the
        // empty directory is the user's home.
        let directory = if server.is_some() { "" } else { LAB_DIRECTORY };
        let or = |given: &Option<String>, default: &str| {
            given.clone().unwrap_or_else(|| default.to_owned())
        };
        Self {
            server,
            user: or(&form.user, LAB_USER),
            password: or(&form.password, LAB_PASSWORD),
            directory: or(&form.directory, directory),
            host_key: form.host_key.as_ref().map(|key| key.value.clone()),
        }
    }

    /// The directory without a second way to write it: `/bulk`. It is the same directory for all
    /// users, as the lab's own server has it.
    pub(super) fn path(&self) -> String {
        let mut path = Vec::new();
        for component in self.directory.split('/') {
            match component {
                "" | "." => {}
                ".." => {
                    path.pop();
                }
                name => path.push(name),
            }
        }
        format!("/{}", path.join("/"))
    }

    /// For events: without the password.
    pub(super) fn url(&self, host: &str, port: u16) -> String {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let directory = self.directory.trim_start_matches('/');
        format!("sftp://{}@{host}:{port}/{directory}", self.user)
    }
}

/// Without the password.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self
            .server
            .as_ref()
            .map_or(("lab", 0), |(host, port)| (host.as_str(), *port));
        f.write_str(&self.url(host, port))
    }
}

/// What the lab's own server has: an account for each user that a form names, with the password of
/// the first form that does, and each directory. So a later form with another password is wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct LabServer {
    /// Passwords, by user.
    pub(super) accounts: BTreeMap<String, String>,
    /// By [`Place::path`].
    pub(super) directories: BTreeSet<String>,
}

impl LabServer {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let default = scenario.sftp.clone();
        let from_steps = scenario.steps.iter().filter_map(|s| match &s.action {
            Action::BulkSftp { server, .. } => Some(resolved(server, scenario)),
            _ => None,
        });
        let mut server = Self::default();
        for form in default.into_iter().chain(from_steps) {
            let place = Place::of(&form);
            if place.server.is_none() {
                server.directories.insert(place.path());
                server.accounts.entry(place.user).or_insert(place.password);
            }
        }
        server
    }
}

/// A step's form, with what it leaves out.
pub(super) fn resolved(form: &SftpServer, scenario: &Scenario) -> SftpServer {
    match &scenario.sftp {
        Some(default) => form.or(default),
        None => form.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_path_however_it_is_written() {
        for (given, path) in [
            ("", "/"),
            ("bulk", "/bulk"),
            ("/bulk/", "/bulk"),
            ("./a//b/../c", "/a/c"),
            ("../..", "/"),
        ] {
            let form = SftpServer {
                directory: Some(given.to_owned()),
                ..SftpServer::default()
            };
            assert_eq!(Place::of(&form).path(), path);
        }
    }

    #[test]
    fn nothing_shows_the_password() {
        let form = SftpServer {
            password: Some("secret".to_owned()),
            ..SftpServer::default()
        };
        let place = Place::of(&form);
        assert_eq!(format!("{place:?}"), "sftp://bulk@lab:0/bulk");
        assert_eq!(place.url("::1", 22), "sftp://bulk@[::1]:22/bulk");
    }
}
