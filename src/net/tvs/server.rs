//! A node's end on a real socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::slots::{Slot, Slots, Stage};
use crate::net::clock::Clock;
use crate::net::tls::{ServerTls, TlsFailure, TlsInfo};
use crate::tvs::{CertificateSource, ServerEvent, ServerExchange, ServerSettings};

/// What one client may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. Each needs a file descriptor and about 20 KB.
    pub slots: usize,
    /// For the TLS handshake.
    pub handshake_within: Duration,
    /// When slots are short, a connection that has said nothing for so long gives way. A crowd
    /// that says nothing is let through at `slots` in such a time: with 1,024 and 100 ms, a good
    /// client that comes after five thousand bad ones waits for 0.4 s.
    pub grace: Duration,
    /// The same for a connection that has said hello, or has done its handshake and not asked.
    pub patience: Duration,
    /// After an answer: for the client to take it and close.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slots: 1024,
            handshake_within: Duration::from_secs(10),
            grace: Duration::from_millis(100),
            patience: Duration::from_millis(300),
            linger: Duration::from_secs(1),
        }
    }
}

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Its certificate, and whether it asks for the phone's.
    pub tls: ServerTls,
    /// How it answers.
    pub settings: ServerSettings,
    /// What one client may cost.
    pub limits: Limits,
    /// End with a `close_notify`. Real servers end without.
    pub close_notify: bool,
    /// The world's time.
    pub clock: Clock,
}

/// What a server reports, as it happens.
pub type Observed = Arc<dyn Fn(ServeEvent) + Send + Sync>;

/// A listener at `addr` with a queue for `backlog` connections. A short queue is what makes `tvsd`
/// lose clients: above it their connections seem up and stay mute for seconds.
///
/// # Errors
/// The address is taken or not this machine's.
pub fn bind(addr: SocketAddr, backlog: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // As tokio does: a port is free again at once, except on Windows, where this means sharing.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(i32::from(backlog))?;
    TcpListener::from_std(socket.into())
}

/// Answers on `listener` until `shutdown` is ready; then it stops listening and cuts what is still
/// open.
pub async fn serve(
    listener: TcpListener,
    config: ServeConfig,
    source: Arc<dyn CertificateSource>,
    observer: Observed,
    shutdown: impl Future<Output = ()>,
) {
    let limits = config.limits;
    let slots = Slots::new(limits.slots, limits.grace, limits.patience);
    let server = Arc::new(Server {
        config,
        source,
        observer,
    });
    let mut tasks = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut id = 0;
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            // Finished connections are let go of, so that the set does not grow.
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                server.report(ServeEvent::AcceptFailed(error.kind()));
                // Out of descriptors, most likely: as if slots were short.
                let _ = timeout(ACCEPT_PAUSE, slots.relieve()).await;
                continue;
            }
        };
        let slot = tokio::select! {
            () = &mut shutdown => break,
            slot = slots.admit(id) => slot,
        };
        id += 1;
        tasks.spawn(Arc::clone(&server).connection(stream, peer, slot));
    }
    drop(listener);
    tasks.shutdown().await;
}

/// Longest wait after a failed accept, so that it is neither a busy loop nor an end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Bytes that are taken and thrown away while a client is expected to close.
const DRAIN_LIMIT: usize = 64 * 1024;

struct Server {
    config: ServeConfig,
    source: Arc<dyn CertificateSource>,
    observer: Observed,
}

impl Server {
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, slot: Slot) {
        let mut work = std::pin::pin!(self.work(stream, peer, &slot));
        loop {
            tokio::select! {
                // First, so that what has arrived counts.
                biased;
                () = &mut work => return,
                () = slot.ousted() => {
                    if slot.gives_way() {
                        return self.report(ServeEvent::GaveWay { peer, stage: slot.stage() });
                    }
                }
            }
        }
    }

    async fn work(&self, stream: TcpStream, peer: SocketAddr, slot: &Slot) {
        // Every write is a whole flight or message; waiting for more only costs time. A socket
        // that refuses works all the same.
        let _ = stream.set_nodelay(true);
        let handshake = timeout(self.config.limits.handshake_within, async {
            let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            slot.reached(Stage::Handshake);
            hello.into_stream(self.config.tls.config()).await
        });
        let failure = match handshake.await {
            Ok(Ok(stream)) => {
                slot.reached(Stage::Asking);
                let tls = TlsInfo::of(stream.get_ref().1);
                self.report(ServeEvent::Connected { peer, tls });
                return self.exchange(stream, peer, slot).await;
            }
            Ok(Err(error)) => HandshakeFailure::Tls(TlsFailure::of(&error)),
            Err(_) => HandshakeFailure::Deadline(slot.stage()),
        };
        self.report(ServeEvent::HandshakeFailed { peer, failure });
    }

    async fn exchange(&self, mut stream: TlsStream<TcpStream>, peer: SocketAddr, slot: &Slot) {
        let ServeConfig {
            clock,
            settings,
            limits,
            close_notify,
            ..
        } = &self.config;
        let mut exchange = ServerExchange::new(*settings, clock.now());
        let mut buffer = [0; 2048];
        while let Some(deadline) = exchange.next_timeout() {
            match timeout_at(clock.instant(deadline), stream.read(&mut buffer)).await {
                Err(_) => exchange.handle_timeout(clock.now()),
                Ok(Ok(0)) => exchange.handle_end(clock.now()),
                Ok(Ok(n)) => exchange.handle_bytes(&buffer[..n], &*self.source, clock.now()),
                Ok(Err(error)) => match TlsFailure::of(&error) {
                    TlsFailure::Closed(_) => exchange.handle_end(clock.now()),
                    failure => {
                        return self.report(ServeEvent::Broken { peer, failure });
                    }
                },
            }
        }
        slot.reached(Stage::Leaving);
        while let Some(event) = exchange.poll_event() {
            self.report(ServeEvent::Exchange { peer, event });
        }
        let farewell = async {
            if let Some(answer) = exchange.poll_transmit() {
                stream.write_all(&answer).await?;
                stream.flush().await?;
            }
            let mut tcp = if *close_notify {
                stream.shutdown().await?;
                stream.into_inner().0
            } else {
                let (mut tcp, _) = stream.into_inner();
                tcp.shutdown().await?;
                tcp
            };
            drain(&mut tcp).await
        };
        // A client that does not take its answer or does not close is cut: the answer was its own
        // concern.
        let _: Result<io::Result<()>, _> =
            timeout_at(Instant::now() + limits.linger, farewell).await;
    }

    fn report(&self, event: ServeEvent) {
        (self.observer)(event);
    }
}

/// Reads until the client closes. A socket that is closed with unread bytes resets the connection,
/// and the reset can overtake the answer.
async fn drain(tcp: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 2048];
    let mut left = DRAIN_LIMIT;
    while left > 0 {
        match tcp.read(&mut buffer).await? {
            0 => break,
            n => left = left.saturating_sub(n),
        }
    }
    Ok(())
}

/// What happens at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServeEvent {
    /// A handshake is done. The client's certificate, if it presented one, is in `tls`; nobody
    /// vouches for it.
    Connected {
        /// The client.
        peer: SocketAddr,
        /// What was negotiated.
        tls: TlsInfo,
    },
    /// A client was asked to complete a handshake, and did not.
    HandshakeFailed {
        /// The client.
        peer: SocketAddr,
        /// Why.
        failure: HandshakeFailure,
    },
    /// What the exchange says: a question, an answer, a refusal.
    Exchange {
        /// The client.
        peer: SocketAddr,
        /// What happened.
        event: ServerEvent,
    },
    /// TLS broke after the handshake.
    Broken {
        /// The client.
        peer: SocketAddr,
        /// Why.
        failure: TlsFailure,
    },
    /// Slots were short, and this connection had made no progress.
    GaveWay {
        /// The client.
        peer: SocketAddr,
        /// How far it had come.
        stage: Stage,
    },
    /// The system gave no connection, for want of descriptors or memory.
    AcceptFailed(io::ErrorKind),
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// It took too long, and had come to this stage.
    Deadline(Stage),
    /// TLS failed.
    Tls(TlsFailure),
}
