//! The lab on loopback sockets: each node's TFTP over UDP, HTTP over TCP, HTTPS and TVS over TLS, and phones that use
//! them.
//!
//! A node has its own loopback address where the system has one to give, else its own ports. The
//! machines know only the lab's addresses and the well-known ports; a directory of the lab translates.

mod bindings;
mod callmanager;
mod dhcp;
mod live;
mod node;
#[cfg(feature = "sftp")]
mod sftp;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cluster::{Lab, NodeId, Registration};
use crate::event::Event;
use crate::net::clock::Clock;
use crate::net::dhcp::Link;
use crate::net::phone::{self, Place, Surroundings};
use crate::phone::power::{BootEnd, Booted, Booting, LONGEST_BOOT};
use crate::time::Time;
pub use bindings::{BindError, Endpoint, NodeAddresses, Ports};
use live::Backlog;
use node::NodeSockets;
#[cfg(feature = "sftp")]
pub use sftp::LabSftp;

/// How many phones run at the same time.
const PHONES_AT_ONCE: usize = 64;

/// Where the lab's addresses really are.
#[derive(Debug, Default)]
pub(super) struct Directory {
    tftp: BTreeMap<NodeId, SocketAddr>,
    tvs: BTreeMap<NodeId, SocketAddr>,
    dhcp: Option<SocketAddr>,
    http: BTreeMap<NodeId, SocketAddr>,
    https: BTreeMap<NodeId, SocketAddr>,
    callmanager: BTreeMap<NodeId, SocketAddr>,
}

/// What all parts of the lab share.
#[derive(Debug)]
pub(super) struct Shared {
    lab: Arc<Mutex<Lab>>,
    directory: Mutex<Directory>,
    ports: Ports,
    /// CallManagers take connections, for those who look whether they run.
    opens_callmanager: bool,
    clock: Clock,
    /// Time that steps of the scenario let pass.
    waited: Mutex<Duration>,
    events: mpsc::UnboundedSender<Event>,
    backlog: Backlog,
}

impl Shared {
    fn lab(&self) -> MutexGuard<'_, Lab> {
        lock(&self.lab)
    }

    fn now(&self) -> Time {
        self.clock.now() + *lock(&self.waited)
    }

    /// When the real clock shows a moment of the world.
    fn instant(&self, at: Time) -> tokio::time::Instant {
        let waited = *lock(&self.waited);
        self.clock
            .instant(Time::ZERO + at.since(Time::ZERO + waited))
    }

    fn tell(&self, event: Event) {
        if self.backlog.admits() {
            // Nobody listens any more when the lab is going down.
            let _ = self.events.send(event);
        }
    }
}

impl Surroundings for Shared {
    fn now(&self) -> Time {
        self.now()
    }

    fn instant(&self, at: Time) -> tokio::time::Instant {
        self.instant(at)
    }

    fn tell(&self, event: Event) {
        self.tell(event);
    }

    fn own_address(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }

    fn tftp(&self, server: IpAddr) -> Option<SocketAddr> {
        let IpAddr::V4(v4) = server else { return None };
        let node = self.lab().at(v4)?;
        lock(&self.directory).tftp.get(&node).copied()
    }

    fn http(&self, address: IpAddr, is_tls: bool) -> Option<SocketAddr> {
        let IpAddr::V4(v4) = address else { return None };
        let node = self.lab().at(v4)?;
        let directory = lock(&self.directory);
        let all = if is_tls {
            &directory.https
        } else {
            &directory.http
        };
        all.get(&node).copied()
    }

    fn dhcp(&self) -> Option<Arc<Link>> {
        let server = lock(&self.directory).dhcp?;
        let link = Link::to_server_from(Ipv4Addr::LOCALHOST, server);
        link.ok().map(Arc::new)
    }

    fn resolve(&self, host: &str) -> Place {
        let lab = self.lab();
        let at = lab.host(host).map(|node| lab.address(node));
        at.map_or(Place::Unknown, |at| Place::At((at, 0).into()))
    }

    fn tvs(&self, host: &str, _port: u16) -> Place {
        let node = self.lab().host(host);
        let at = node.and_then(|node| lock(&self.directory).tvs.get(&node).copied());
        at.map_or(Place::Unknown, Place::At)
    }

    fn tls_stand_in(&self, host: &str) -> Option<&'static str> {
        let lab = self.lab();
        lab.host(host).and_then(|node| lab.tls_stand_in(node))
    }

    fn register(&self, host: &str, device: &str, lsc: Option<&[u8]>) -> Registration {
        self.lab().register(host, device, lsc)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere must not hide behind a second one here.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The lab, running.
#[derive(Debug)]
pub struct Loopback {
    runtime: Runtime,
    shared: Arc<Shared>,
    nodes: BTreeMap<NodeId, NodeSockets>,
    received: mpsc::UnboundedReceiver<Event>,
    #[cfg(feature = "sftp")]
    sftp: Option<LabSftp>,
}

impl Loopback {
    /// Opens the sockets of all nodes.
    ///
    /// # Errors
    /// The system gives no sockets or threads.
    pub fn start(lab: Arc<Mutex<Lab>>) -> io::Result<Self> {
        Self::begin(lab, Ports::High, false)
    }

    /// The same, at these ports, for others than the lab's own phones: the ports of CallManager are
    /// open too, where they can be had.
    ///
    /// # Errors
    /// The same; of a socket that cannot be had it is a [`BindError`].
    pub fn start_at(lab: Arc<Mutex<Lab>>, ports: Ports) -> io::Result<Self> {
        Self::begin(lab, ports, true)
    }

    fn begin(lab: Arc<Mutex<Lab>>, ports: Ports, opens_callmanager: bool) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let (events, received) = mpsc::unbounded_channel();
        let clock = {
            let _inside = runtime.enter();
            Clock::start()
        };
        let shared = Arc::new(Shared {
            lab,
            directory: Mutex::default(),
            ports,
            opens_callmanager,
            clock,
            waited: Mutex::default(),
            events,
            backlog: Backlog::default(),
        });
        let dhcp = runtime.block_on(dhcp::start(Arc::clone(&shared)))?;
        lock(&shared.directory).dhcp = Some(dhcp);
        let mut lab = Self {
            runtime,
            shared,
            nodes: BTreeMap::new(),
            received,
            #[cfg(feature = "sftp")]
            sftp: None,
        };
        lab.follow()?;
        Ok(lab)
    }

    /// The lab's clock.
    pub fn now(&self) -> Time {
        self.shared.now()
    }

    /// Lets time pass without waiting for it.
    pub fn wait(&mut self, duration: Duration) {
        *lock(&self.shared.waited) += duration;
    }

    /// Opens and closes sockets so that they follow the lab: services that were stopped or
    /// started, nodes that were switched, a TVS certificate that is new.
    ///
    /// # Errors
    /// A socket cannot be opened; the error names the node.
    pub fn follow(&mut self) -> io::Result<()> {
        let all = self.shared.lab().nodes();
        for id in all {
            let sockets = self.nodes.entry(id).or_default();
            self.runtime.block_on(sockets.follow(id, &self.shared))?;
        }
        Ok(())
    }

    /// Starts these phones together and runs until each boot is over. Events come as they happen.
    pub fn boot(&mut self, phones: Vec<Booting>, events: &mut dyn FnMut(Event)) -> Vec<Booted> {
        let mut results: Vec<Option<Booted>> = phones.iter().map(|_| None).collect();
        let fallbacks: Vec<_> = phones.iter().map(|b| b.flash.clone()).collect();
        let shared = Arc::clone(&self.shared);
        let received = &mut self.received;
        let mut events = |event| {
            shared.backlog.leave();
            events(event);
        };
        self.runtime.block_on(async {
            let mut waiting = phones.into_iter().enumerate();
            let mut running = JoinSet::new();
            let mut start = |running: &mut JoinSet<_>| {
                if let Some((index, booting)) = waiting.next() {
                    let shared = Arc::clone(&shared);
                    running.spawn(async move {
                        (index, phone::run(booting, shared, LONGEST_BOOT).await)
                    });
                }
            };
            for _ in 0..PHONES_AT_ONCE {
                start(&mut running);
            }
            while !running.is_empty() {
                tokio::select! {
                    biased;
                    Some(event) = received.recv() => events(event),
                    Some(ended) = running.join_next() => {
                        match ended {
                            Ok((index, booted)) => results[index] = Some(booted),
                            // A bug must not pass for a phone that did not end.
                            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
                            Err(_) => {}
                        }
                        start(&mut running);
                    }
                }
            }
            // What nodes tell of their last transfer comes a moment after the phone is done.
            while let Ok(Some(event)) =
                tokio::time::timeout(Duration::from_millis(2), received.recv()).await
            {
                events(event);
            }
        });
        let lost = |flash| Booted {
            flash,
            used: Vec::new(),
            felt: Vec::new(),
            end: BootEnd::Overdue,
            lease: None,
            restarts: false,
        };
        results
            .into_iter()
            .zip(fallbacks)
            .map(|(r, flash)| r.unwrap_or_else(|| lost(flash)))
            .collect()
    }
}
