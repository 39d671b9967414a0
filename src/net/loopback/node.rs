//! A node's sockets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::bindings::{Endpoint, Place};
use super::{Shared, callmanager, lock};
use crate::cluster::{HttpAnswer, NodeId, Service, TlsIdentity};
use crate::event::{Event, Kind};
use crate::net::http;
use crate::net::tftp;
use crate::net::tls::{Identity, ServerTls, TlsOptions};
use crate::net::tvs::{self, ServeConfig, ServeEvent};
use crate::tftp::{FileError, FileSource, ServerConfig};
use crate::time::Time;
use crate::tvs::{CertificateSource, Found};

/// A service that runs until it is told to stop.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) stop: oneshot::Sender<()>,
    pub(super) task: JoinHandle<()>,
}

impl Running {
    async fn end(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// The sockets of one node. Ports stay the same over a restart.
#[derive(Debug, Default)]
pub(super) struct NodeSockets {
    tftp: Option<Running>,
    tvs: Option<Running>,
    http: Option<Running>,
    https: Option<Running>,
    callmanager: Vec<Running>,
    callmanager_at: Vec<SocketAddr>,
    tftp_at: Option<SocketAddr>,
    tvs_at: Option<SocketAddr>,
    http_at: Option<SocketAddr>,
    https_at: Option<SocketAddr>,
    /// The certificate that the running TVS presents.
    tvs_certificate: Option<Arc<[u8]>>,
    /// The certificate that the running HTTPS presents.
    https_certificate: Option<Arc<[u8]>>,
}

impl NodeSockets {
    /// Opens and closes sockets so that they follow the lab.
    pub(super) async fn follow(&mut self, id: NodeId, shared: &Arc<Shared>) -> io::Result<()> {
        let (wants_tftp, wants_tvs, wants_callmanager, identity) = {
            let lab = shared.lab();
            let up = |service| lab.serves(id, service);
            let callmanager = shared.opens_callmanager && up(Service::CallManager);
            let identity = lab.tvs_identity(id);
            (up(Service::Tftp), up(Service::Tvs), callmanager, identity)
        };
        if !wants_tftp && let Some(running) = self.tftp.take() {
            running.end().await;
        }
        if wants_tftp && self.tftp.is_none() {
            self.start_tftp(id, shared).await?;
        }
        self.follow_http(wants_tftp, id, shared).await?;
        self.follow_callmanager(wants_callmanager, id, shared).await;
        let certificate = identity.as_ref().map(|i| Arc::clone(&i.certificate));
        let stale = self.tvs_certificate != certificate;
        if (!wants_tvs || stale)
            && let Some(running) = self.tvs.take()
        {
            running.end().await;
        }
        if wants_tvs
            && self.tvs.is_none()
            && let Some(identity) = identity
        {
            self.start_tvs(id, identity, shared)?;
            self.tvs_certificate = certificate;
        }
        Ok(())
    }

    async fn follow_callmanager(&mut self, wants: bool, id: NodeId, shared: &Arc<Shared>) {
        if !wants {
            for running in self.callmanager.drain(..) {
                running.end().await;
            }
        } else if self.callmanager.is_empty() {
            let (running, at) = callmanager::start(&self.callmanager_at, id, shared);
            if let Some(first) = at.first() {
                lock(&shared.directory).callmanager.insert(id, *first);
                self.callmanager_at = at;
            }
            self.callmanager = running;
        }
    }

    /// HTTP and HTTPS are parts of the TFTP service.
    async fn follow_http(
        &mut self,
        wants: bool,
        id: NodeId,
        shared: &Arc<Shared>,
    ) -> io::Result<()> {
        if !wants && let Some(running) = self.http.take() {
            running.end().await;
        }
        if wants && self.http.is_none() {
            let (running, at) = start_http(self.http_at, None, id, shared)?;
            self.http = Some(running);
            self.http_at = Some(at);
            lock(&shared.directory).http.insert(id, at);
        }
        let identity = shared.lab().https_identity(id);
        let certificate = identity.as_ref().map(|i| Arc::clone(&i.certificate));
        if self.https_certificate != certificate
            && let Some(running) = self.https.take()
        {
            running.end().await;
        }
        if self.https.is_none()
            && let Some(identity) = identity
        {
            let (running, at) = start_http(self.https_at, Some(identity), id, shared)?;
            self.https = Some(running);
            self.https_at = Some(at);
            lock(&shared.directory).https.insert(id, at);
        }
        self.https_certificate = certificate;
        Ok(())
    }

    /// Ends what runs.
    pub(super) async fn close(&mut self) {
        for running in self.callmanager.drain(..) {
            running.end().await;
        }
        for running in [
            self.tftp.take(),
            self.http.take(),
            self.https.take(),
            self.tvs.take(),
        ]
        .into_iter()
        .flatten()
        {
            running.end().await;
        }
    }

    async fn start_tftp(&mut self, id: NodeId, shared: &Arc<Shared>) -> io::Result<()> {
        let socket = bind_udp(self.tftp_at, id, shared).await?;
        let address = socket.local_addr()?;
        self.tftp_at = Some(address);
        lock(&shared.directory).tftp.insert(id, address);
        let (stop, stopped) = oneshot::channel();
        let files = Arc::new(Node {
            id,
            shared: Arc::clone(shared),
        });
        let told = Arc::clone(shared);
        let observer = Arc::new(move |_, event| tell_tftp(&told, id, event));
        let clock = shared.clock;
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            let config = ServerConfig::default();
            // Receiving on a loopback socket ends only when the system takes it away.
            let _ = tftp::serve(socket, files, config, clock, observer, stopped).await;
        });
        self.tftp = Some(Running { stop, task });
        Ok(())
    }

    fn start_tvs(
        &mut self,
        id: NodeId,
        lab_identity: TlsIdentity,
        shared: &Arc<Shared>,
    ) -> io::Result<()> {
        let listener = bind_tcp(Endpoint::Tvs, self.tvs_at, id, shared)?;
        let address = listener.local_addr()?;
        self.tvs_at = Some(address);
        lock(&shared.directory).tvs.insert(id, address);
        let identity = Identity {
            certificate: lab_identity.certificate.to_vec(),
            key: lab_identity.key.to_vec(),
        };
        let tls = ServerTls::new(&identity, true, TlsOptions::default())
            .map_err(|e| io::Error::other(format!("TVS of node {}: {e}", shared.lab().name(id))))?;
        let settings = shared.lab().tvs_settings();
        let config = ServeConfig {
            tls,
            settings,
            limits: tvs::Limits::default(),
            close_notify: false,
            clock: shared.clock,
        };
        let (stop, stopped) = oneshot::channel();
        let source = Arc::new(Node {
            id,
            shared: Arc::clone(shared),
        });
        let told = Arc::clone(shared);
        let observer = Arc::new(move |event| tell_tvs(&told, id, &event));
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            tvs::serve(listener, config, source, observer, stopped).await;
        });
        self.tvs = Some(Running { stop, task });
        Ok(())
    }
}

/// Starts HTTP, or with an identity HTTPS.
fn start_http(
    before: Option<SocketAddr>,
    identity: Option<TlsIdentity>,
    id: NodeId,
    shared: &Arc<Shared>,
) -> io::Result<(Running, SocketAddr)> {
    let is_tls = identity.is_some();
    let endpoint = if is_tls {
        Endpoint::Https
    } else {
        Endpoint::Http
    };
    let listener = bind_tcp(endpoint, before, id, shared)?;
    let address = listener.local_addr()?;
    let tls = identity.map(|own| {
        let identity = Identity {
            certificate: own.certificate.to_vec(),
            key: own.key.to_vec(),
        };
        ServerTls::new(&identity, false, TlsOptions::default())
            .map_err(|e| io::Error::other(format!("HTTPS of node {}: {e}", shared.lab().name(id))))
    });
    let tls = tls.transpose()?;
    let files = Arc::new(HttpNode {
        id,
        is_tls,
        shared: Arc::clone(shared),
    });
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        http::serve(listener, tls, files, http::Limits::default(), stopped).await;
    });
    Ok((Running { stop, task }, address))
}

/// A node as its HTTP or HTTPS service sees it.
struct HttpNode {
    id: NodeId,
    is_tls: bool,
    shared: Arc<Shared>,
}

impl http::Files for HttpNode {
    fn get(&self, path: &str) -> HttpAnswer {
        self.shared.lab().http(self.id, path, self.is_tls)
    }

    fn told(&self, event: http::ServerEvent) {
        use http::ServerEvent as E;
        let (path, peer, result) = match event {
            E::Answered { peer, path, answer } => (path, peer, answer.to_string()),
            E::HandshakeFailed { peer, failure } => {
                let why = failure.map_or_else(|| "too slow".to_owned(), |f| f.to_string());
                (String::new(), peer, format!("handshake failed: {why}"))
            }
            E::AcceptFailed(_) => return,
        };
        let transport = if self.is_tls { "https" } else { "http" };
        let served = Kind::Served {
            file: path.trim_start_matches('/').escape_debug().to_string(),
            client: peer.to_string(),
            transport: transport.into(),
            result,
        };
        tell(&self.shared, self.id, served);
    }
}

/// Binds to where the service was before, else where the lab's ports say.
async fn bind_udp(
    before: Option<SocketAddr>,
    id: NodeId,
    shared: &Shared,
) -> io::Result<UdpSocket> {
    let place = Place::of(Endpoint::Tftp, id, before, shared);
    let mut bound = UdpSocket::bind(place.first).await;
    if let Err(e) = &bound
        && let Some(fallback) = place.fallback_for(e)
    {
        bound = UdpSocket::bind(fallback).await;
    }
    bound.map_err(|e| place.error(e))
}

fn bind_tcp(
    endpoint: Endpoint,
    before: Option<SocketAddr>,
    id: NodeId,
    shared: &Shared,
) -> io::Result<tokio::net::TcpListener> {
    const BACKLOG: u16 = 1_024;
    let place = Place::of(endpoint, id, before, shared);
    let mut bound = tvs::bind(place.first, BACKLOG);
    if let Err(e) = &bound
        && let Some(fallback) = place.fallback_for(e)
    {
        bound = tvs::bind(fallback, BACKLOG);
    }
    bound.map_err(|e| place.error(e))
}

/// A node as its services see it.
struct Node {
    id: NodeId,
    shared: Arc<Shared>,
}

impl FileSource for Node {
    fn open(&self, name: &str) -> Result<Arc<[u8]>, FileError> {
        self.shared.lab().open(self.id, name)
    }
}

impl CertificateSource for Node {
    fn query(&self, subject: &[u8], issuer: &[u8], serial: &[u8], _now: Time) -> Option<Found> {
        self.shared.lab().query(self.id, subject, issuer, serial)
    }

    fn verify(&self, certificate: &[u8], _now: Time) -> Option<Found> {
        self.shared.lab().verify(self.id, certificate)
    }
}

fn tell(shared: &Shared, id: NodeId, kind: Kind) {
    let actor = shared.lab().name(id).to_owned();
    shared.tell(Event {
        at: shared.now(),
        actor,
        kind,
    });
}

fn tell_tftp(shared: &Shared, id: NodeId, event: tftp::ServerEvent) {
    use tftp::ServerEvent as E;
    let name = |file: &[u8]| file.escape_ascii().to_string();
    let (file, from, result) = match event {
        E::Started { .. } => return,
        E::Refused {
            from, asked, text, ..
        } => (asked.map(|a| name(&a.file)).unwrap_or_default(), from, text),
        E::Ended {
            from,
            asked,
            delivery,
            ..
        } => (name(&asked.file), from, delivery.to_string()),
        E::Failed { from, asked, error } => (name(&asked.file), from, error.to_string()),
    };
    tell(
        shared,
        id,
        Kind::Served {
            file,
            client: from.to_string(),
            transport: "tftp".into(),
            result,
        },
    );
}

fn tell_tvs(shared: &Shared, id: NodeId, event: &ServeEvent) {
    let (peer, result) = match event {
        ServeEvent::Connected { .. } | ServeEvent::AcceptFailed(_) => return,
        ServeEvent::HandshakeFailed { peer, failure } => {
            (peer, format!("handshake failed: {failure:?}"))
        }
        ServeEvent::Exchange { peer, event } => (peer, event.to_string()),
        ServeEvent::Broken { peer, failure } => (peer, format!("broken: {failure}")),
        ServeEvent::GaveWay { peer, stage } => (peer, format!("gave way at {stage:?}")),
    };
    tell(
        shared,
        id,
        Kind::TvsServed {
            client: peer.to_string(),
            result,
        },
    );
}
