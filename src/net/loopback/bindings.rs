//! Which addresses and ports the services of nodes have.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use thiserror::Error;

use super::{Loopback, Shared, lock};
use crate::cluster::NodeId;
use crate::phone::{HTTP_PORT, HTTPS_PORT};

/// Which ports the nodes of a lab have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// Free ones of the node's address. A node whose loopback address the system does not have
    /// shares 127.0.0.1 with the others.
    #[default]
    High,
    /// Those of real clusters, on the node's own address.
    Real,
}

impl Ports {
    /// For people and for JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Real => "real",
        }
    }
}

/// What of a node a client reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Files over UDP.
    Tftp,
    /// Files over HTTP.
    Http,
    /// Files over HTTPS.
    Https,
    /// Questions over TLS.
    Tvs,
}

impl Endpoint {
    /// Its port in a real cluster (CUCM port usage).
    pub fn real_port(self) -> u16 {
        match self {
            Self::Tftp => 69,
            Self::Http => HTTP_PORT,
            Self::Https => HTTPS_PORT,
            Self::Tvs => 2_445,
        }
    }

    /// `UDP` or `TCP`.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Tftp => "UDP",
            Self::Http | Self::Https | Self::Tvs => "TCP",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tftp => "TFTP",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tvs => "TVS",
        })
    }
}

/// A socket of a node that cannot be had. An [`io::Error`] of the lab's carries it.
#[derive(Debug, Error)]
#[error("{endpoint} of {node} cannot have {address}: {source}")]
pub struct BindError {
    /// The node's name.
    pub node: String,
    /// What of the node.
    pub endpoint: Endpoint,
    /// Which address and port; port 0 is any free one.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

/// Where the services of a node really are; none for what it does not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeAddresses {
    /// TFTP.
    pub tftp: Option<SocketAddr>,
    /// HTTP.
    pub http: Option<SocketAddr>,
    /// HTTPS.
    pub https: Option<SocketAddr>,
    /// TVS.
    pub tvs: Option<SocketAddr>,
    /// CallManager: connections are taken and closed.
    pub callmanager: Option<SocketAddr>,
}

/// Where a socket is to be.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) first: SocketAddr,
    fallback: Option<SocketAddr>,
    endpoint: Endpoint,
    node: String,
}

impl Place {
    /// Where the socket was `before`, else where the lab's ports say.
    pub(super) fn of(
        endpoint: Endpoint,
        id: NodeId,
        before: Option<SocketAddr>,
        shared: &Shared,
    ) -> Self {
        let lab = shared.lab();
        let own = lab.address(id);
        let (first, fallback) = match (before, shared.ports) {
            (Some(before), _) => (before, None),
            (None, Ports::Real) => (at(own, endpoint.real_port()), None),
            (None, Ports::High) => {
                let common = own.is_loopback().then(|| at(Ipv4Addr::LOCALHOST, 0));
                (at(own, 0), common)
            }
        };
        Self {
            first,
            fallback,
            endpoint,
            node: lab.name(id).to_owned(),
        }
    }

    /// Where to go if the first place failed so.
    pub(super) fn fallback_for(&self, error: &io::Error) -> Option<SocketAddr> {
        self.fallback
            .filter(|_| error.kind() == io::ErrorKind::AddrNotAvailable)
    }

    pub(super) fn error(self, source: io::Error) -> io::Error {
        let kind = source.kind();
        let error = BindError {
            node: self.node,
            endpoint: self.endpoint,
            address: self.first,
            source,
        };
        io::Error::new(kind, error)
    }
}

fn at(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(address), port)
}

impl Loopback {
    /// Where the services of a node really are, or were when they last ran.
    pub fn addresses(&self, id: NodeId) -> NodeAddresses {
        let directory = lock(&self.shared.directory);
        NodeAddresses {
            tftp: directory.tftp.get(&id).copied(),
            http: directory.http.get(&id).copied(),
            https: directory.https.get(&id).copied(),
            tvs: directory.tvs.get(&id).copied(),
            callmanager: directory.callmanager.get(&id).copied(),
        }
    }
}
