//! The network itself around a phone: servers that nobody here wrote, or a lab that another process
//! of trustline runs.
//!
//! Names are the system resolver's, ports the well-known ones and those of the configuration,
//! unless someone said otherwise: a server may be given with a port, which option 150 cannot
//! carry, and a lab says where the ports of its nodes are.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::Deserialize;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::dhcp::Link;
use super::phone::{Place, Surroundings};
use super::tvs::TvsTls;
use crate::cluster::Registration;
use crate::event::Event;
use crate::phone::{FlashOperation, HTTP_PORT, HTTPS_PORT};
use crate::time::Time;

/// The request port of TFTP.
pub const TFTP_PORT: u16 = 69;

/// A node of a lab that runs elsewhere, as that lab names it when it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LabNode {
    /// The node's name, which configurations use.
    pub node: String,
    /// Its address in the lab, which option 150 uses.
    pub address: Ipv4Addr,
    /// Where its TFTP takes requests.
    #[serde(default)]
    pub tftp: Option<SocketAddr>,
    /// Where its files are over HTTP.
    #[serde(default)]
    pub http: Option<SocketAddr>,
    /// The same over HTTPS.
    #[serde(default)]
    pub https: Option<SocketAddr>,
    /// Where its TVS listens.
    #[serde(default)]
    pub tvs: Option<SocketAddr>,
    /// Where its CallManager takes connections.
    #[serde(default)]
    pub callmanager: Option<SocketAddr>,
}

impl LabNode {
    /// True if a configuration means this node by `host`.
    pub fn is(&self, host: &str) -> bool {
        self.node.eq_ignore_ascii_case(host) || host.parse() == Ok(self.address)
    }
}

/// Where servers are, as far as their addresses and well-known ports do not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Ports of TFTP servers other than 69.
    pub tftp_ports: BTreeMap<Ipv4Addr, u16>,
    /// The nodes of a lab; none for real servers.
    pub lab: Vec<LabNode>,
}

impl Addresses {
    /// The lab's node of this name or address.
    pub fn node(&self, host: &str) -> Option<&LabNode> {
        self.lab.iter().find(|n| n.is(host))
    }

    /// The socket of the TFTP server with this address.
    fn tftp(&self, server: Ipv4Addr) -> Option<SocketAddr> {
        let port = self.tftp_ports.get(&server).copied();
        match (port, self.lab.iter().find(|n| n.address == server)) {
            (None, Some(node)) => node.tftp,
            (port, _) => Some((server, port.unwrap_or(TFTP_PORT)).into()),
        }
    }

    /// The socket of HTTP, or of HTTPS, of the TFTP server with this address.
    fn http(&self, server: Ipv4Addr, is_tls: bool) -> Option<SocketAddr> {
        let port = if is_tls { HTTPS_PORT } else { HTTP_PORT };
        match self.lab.iter().find(|n| n.address == server) {
            Some(node) if is_tls => node.https,
            Some(node) => node.http,
            None => Some((server, port).into()),
        }
    }

    fn tvs(&self, host: &str, port: u16) -> Place {
        match self.node(host) {
            Some(node) => node.tvs.map_or(Place::Unknown, Place::At),
            None => Place::Resolve(host.to_owned(), port),
        }
    }
}

/// How a flash operation is carried out where it lasts.
pub type Keep = Box<dyn FnMut(&FlashOperation) -> io::Result<()> + Send>;

/// What a phone on the network has around it.
pub struct Outside {
    addresses: Addresses,
    dhcp: Option<Arc<Link>>,
    tvs_tls: TvsTls,
    clock: Clock,
    events: mpsc::UnboundedSender<Event>,
    keep: Mutex<Keep>,
    failed: Mutex<Option<io::Error>>,
    heard: AtomicBool,
}

impl Outside {
    /// Surroundings whose clock starts now. Leases come over `dhcp`; TVS outside a lab are spoken
    /// to with `tvs_tls`. What the phone tells goes to `events`, what it writes to `keep`.
    pub fn new(
        addresses: Addresses,
        dhcp: Option<Link>,
        tvs_tls: TvsTls,
        events: mpsc::UnboundedSender<Event>,
        keep: Keep,
    ) -> Self {
        Self {
            addresses,
            dhcp: dhcp.map(Arc::new),
            tvs_tls,
            clock: Clock::start(),
            events,
            keep: Mutex::new(keep),
            failed: Mutex::new(None),
            heard: AtomicBool::new(false),
        }
    }

    /// True if a server has sent anything since this was asked last.
    pub fn take_heard(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed)
    }

    /// Why the last flash operation could not be carried out.
    pub fn take_failure(&self) -> Option<io::Error> {
        lock(&self.failed).take()
    }
}

impl Surroundings for Outside {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn instant(&self, at: Time) -> tokio::time::Instant {
        self.clock.instant(at)
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more when the phone is being switched off.
        let _ = self.events.send(event);
    }

    fn own_address(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    }

    fn tftp(&self, server: IpAddr) -> Option<SocketAddr> {
        match server {
            IpAddr::V4(v4) => self.addresses.tftp(v4),
            IpAddr::V6(_) => None,
        }
    }

    fn http(&self, server: IpAddr, is_tls: bool) -> Option<SocketAddr> {
        match server {
            IpAddr::V4(v4) => self.addresses.http(v4, is_tls),
            IpAddr::V6(_) => None,
        }
    }

    fn tvs(&self, host: &str, port: u16) -> Place {
        self.addresses.tvs(host, port)
    }

    fn dhcp(&self) -> Option<Arc<Link>> {
        self.dhcp.clone()
    }

    fn resolve(&self, host: &str) -> Place {
        match self.addresses.node(host) {
            // As option 150 would have it; where the node really is, comes later.
            Some(node) => Place::At((node.address, 0).into()),
            None => Place::Resolve(host.to_owned(), 0),
        }
    }

    fn tls_stand_in(&self, _host: &str) -> Option<&'static str> {
        None
    }

    fn tvs_tls(&self, host: &str) -> TvsTls {
        match self.addresses.node(host) {
            // A lab's TVS is rustls, whatever TLS it stands in for.
            Some(_) => TvsTls::Modern,
            None => self.tvs_tls,
        }
    }

    fn register(&self, _host: &str, _device: &str, _lsc: Option<&[u8]>) -> Registration {
        Registration::NotTried
    }

    fn heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    fn keep(&self, operation: &FlashOperation) -> io::Result<()> {
        let mut keep = lock(&self.keep);
        keep(operation).map_err(|error| {
            let kind = error.kind();
            *lock(&self.failed) = Some(error);
            kind.into()
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere must not hide behind a second one here.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Addresses {
        let node = LabNode {
            node: "dst-pub".into(),
            address: [127, 1, 2, 1].into(),
            tftp: Some(([127, 0, 0, 1], 4_001).into()),
            http: Some(([127, 0, 0, 1], 4_002).into()),
            https: None,
            tvs: None,
            callmanager: None,
        };
        Addresses {
            tftp_ports: BTreeMap::from([([10, 0, 0, 5].into(), 6_969)]),
            lab: vec![node],
        }
    }

    #[test]
    fn ports_are_the_well_known_ones_unless_someone_says_otherwise() {
        let a = addresses();
        let at = |ip: [u8; 4]| a.tftp(ip.into()).map(|s| s.to_string());
        assert_eq!(at([10, 0, 0, 5]).as_deref(), Some("10.0.0.5:6969"));
        assert_eq!(at([10, 0, 0, 6]).as_deref(), Some("10.0.0.6:69"));
        assert_eq!(at([127, 1, 2, 1]).as_deref(), Some("127.0.0.1:4001"));
        let http = |ip: [u8; 4], tls| a.http(ip.into(), tls).map(|s| s.to_string());
        assert_eq!(http([10, 0, 0, 5], false).as_deref(), Some("10.0.0.5:6970"));
        assert_eq!(http([10, 0, 0, 5], true).as_deref(), Some("10.0.0.5:6971"));
        assert_eq!(
            http([127, 1, 2, 1], false).as_deref(),
            Some("127.0.0.1:4002")
        );
        assert_eq!(http([127, 1, 2, 1], true), None, "the lab says where");
    }

    #[test]
    fn a_host_is_the_labs_before_it_is_the_resolvers() {
        let a = addresses();
        // The lab knows the node, and it runs no TVS: nobody else is asked.
        assert_eq!(a.tvs("DST-PUB", 2_445), Place::Unknown);
        assert_eq!(a.tvs("127.1.2.1", 2_445), Place::Unknown);
        let elsewhere = Place::Resolve("src-pub".into(), 2_446);
        assert_eq!(a.tvs("src-pub", 2_446), elsewhere);
    }

    #[tokio::test]
    async fn a_name_of_the_system_resolves_and_an_impossible_one_says_so() {
        let local = Place::Resolve("localhost".into(), 2_445).socket().await;
        assert_eq!(local.unwrap().port(), 2_445);
        let none = Place::Resolve("no such host.invalid".into(), 2_445);
        let error = none.socket().await.unwrap_err();
        assert!(error.contains("does not resolve"), "{error}");
    }
}
