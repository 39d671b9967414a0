//! Where the servers of live nodes are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cli::check::inputs::Target;
use crate::net::real::LabNode;
use crate::phone::HTTPS_PORT;
use crate::trust::certificate::escape_for_terminal;

/// Where a node's servers are; none for one that a lab says nobody runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The address that option 150 names.
    pub(super) address: Ipv4Addr,
    /// TFTP.
    pub(super) tftp: Option<SocketAddr>,
    /// HTTP.
    pub(super) http: Option<SocketAddr>,
    /// HTTPS.
    pub(super) https: Option<SocketAddr>,
}

/// How names become addresses.
#[derive(Debug)]
pub(super) struct Places {
    /// The nodes of a lab, which come before all others.
    pub(super) lab: Vec<LabNode>,
    /// The longest that the resolver may take.
    pub(super) within: Duration,
    /// What was resolved already, by the name in small letters.
    pub(super) resolved: BTreeMap<String, Result<Ipv4Addr, String>>,
}

impl Places {
    /// Resolves all these names side by side, so that together they take no longer than one.
    pub(super) async fn resolve_all(&mut self, hosts: impl IntoIterator<Item = String>) {
        let hosts: BTreeSet<_> = hosts.into_iter().map(|h| h.to_ascii_lowercase()).collect();
        let within = self.within;
        let mut tasks = JoinSet::new();
        for host in hosts {
            let is_name = self.of_lab(&host).is_none() && host.parse::<Ipv4Addr>().is_err();
            if is_name && !self.resolved.contains_key(&host) {
                tasks.spawn(async move {
                    let found = looked_up(&host, within).await;
                    (host, found)
                });
            }
        }
        while let Some(done) = tasks.join_next().await {
            self.resolved.extend(super::finished(done));
        }
    }

    /// The lab's node that a host means.
    pub(super) fn of_lab(&self, host: &str) -> Option<&LabNode> {
        self.lab.iter().find(|n| n.is(host))
    }

    /// Name and place of a node to look at.
    ///
    /// # Errors
    /// Its name does not resolve.
    pub(super) async fn of(&self, target: &Target) -> Result<(String, Place), String> {
        if let Some(node) = self.of_lab(&target.host) {
            let place = Place {
                address: node.address,
                tftp: node.tftp,
                http: node.http,
                https: node.https,
            };
            return Ok((node.node.clone(), place));
        }
        let address = self.resolve(&target.host).await?;
        let at = |port: u16| Some(SocketAddr::from((address, port)));
        let place = Place {
            address,
            tftp: at(target.tftp_port),
            http: at(target.http_port),
            https: at(HTTPS_PORT),
        };
        Ok((target.host.clone(), place))
    }

    /// The address of a host, as this machine resolves it.
    ///
    /// # Errors
    /// It does not, or not in time, or to no IPv4 address.
    pub(super) async fn resolve(&self, host: &str) -> Result<Ipv4Addr, String> {
        if let Some(node) = self.of_lab(host) {
            return Ok(node.address);
        }
        if let Ok(address) = host.parse() {
            return Ok(address);
        }
        match self.resolved.get(&host.to_ascii_lowercase()) {
            Some(found) => found.clone(),
            None => looked_up(host, self.within).await,
        }
    }
}

async fn looked_up(host: &str, within: Duration) -> Result<Ipv4Addr, String> {
    let shown = escape_for_terminal(host.as_bytes());
    let found = timeout(within, lookup_host((host, 0))).await;
    let mut found = match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(format!("{shown} does not resolve here: {error}")),
        Err(_) => return Err(format!("{shown} does not resolve here in time")),
    };
    let v4 = found.find_map(|a| match a.ip() {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    });
    v4.ok_or_else(|| format!("{shown} has no IPv4 address here"))
}
