//! A phone on sockets: carries out what the machine wants, and feeds it what happens.
//!
//! The machine speaks in the addresses that option 150 and its configuration give it, and in
//! well-known ports. Where those really are, and what else surrounds a phone, a [`Surroundings`]
//! says: the lab's directory ([`super::loopback`]), or the network itself ([`super::real`]).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::cluster::Registration;
use crate::dhcp::{MAX_MESSAGE, Transmit};
use crate::event::{Event, Kind};
use crate::net::dhcp::Link;
use crate::net::http;
use crate::net::tls::{ClientTls, Identity, TlsFailure, TlsOptions};
use crate::net::tvs::{AskError, Deadlines, DialError, TvsTls, dial};
use crate::phone::power::{BootEnd, Booted, Booting, Cut};
use crate::phone::{
    ConnectFailure, DeviceIdentity, FlashOperation, HttpFailure, HttpInput, Output, Phone, TvsInput,
};
use crate::time::Time;

/// What a phone on sockets has around it.
pub trait Surroundings: Send + Sync + 'static {
    /// The time, as the machine counts it.
    fn now(&self) -> Time;

    /// When the real clock shows this time.
    fn instant(&self, at: Time) -> tokio::time::Instant;

    /// Takes what the phone tells.
    fn tell(&self, event: Event);

    /// The address that the phone's datagrams leave from.
    fn own_address(&self) -> IpAddr;

    /// The real socket of the TFTP server with this address; none where nobody can be.
    fn tftp(&self, server: IpAddr) -> Option<SocketAddr>;

    /// The real socket of HTTP, or of HTTPS, of the TFTP server with this address; none where
    /// nobody listens.
    fn http(&self, server: IpAddr, is_tls: bool) -> Option<SocketAddr>;

    /// Where the TVS of a configuration is.
    fn tvs(&self, host: &str, port: u16) -> Place;

    /// Where the phone takes a lease; none where nobody gives one.
    fn dhcp(&self) -> Option<Arc<Link>> {
        None
    }

    /// Where the host of option 66 is; its port is of no meaning.
    fn resolve(&self, host: &str) -> Place {
        Place::Resolve(host.to_owned(), 0)
    }

    /// The TLS that the TVS of this host really speaks, where rustls cannot: it stands in.
    fn tls_stand_in(&self, host: &str) -> Option<&'static str>;

    /// The TLS that the TVS of this host is spoken to with.
    fn tvs_tls(&self, host: &str) -> TvsTls {
        let _ = host;
        TvsTls::Modern
    }

    /// What a CallManager says to the phone; `lsc` is the certificate that it shows, DER.
    fn register(&self, host: &str, device: &str, lsc: Option<&[u8]>) -> Registration;

    /// Something came from a server of files, whatever it was.
    fn heard(&self) {}

    /// Carries a flash operation out where it lasts, before the phone goes on.
    ///
    /// # Errors
    /// It could not be carried out: the phone stops there.
    fn keep(&self, operation: &FlashOperation) -> io::Result<()> {
        let _ = operation;
        Ok(())
    }
}

/// How the failure of a name begins, after the name.
pub const DOES_NOT_RESOLVE: &str = "does not resolve";

/// Where a host of the configuration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this socket.
    At(SocketAddr),
    /// Where the system's resolver says.
    Resolve(String, u16),
    /// Nowhere.
    Unknown,
}

impl Place {
    /// The socket; of several addresses of a name the first of IPv4, as phones have it, else the
    /// first.
    pub(super) async fn socket(self) -> Result<SocketAddr, String> {
        match self {
            Self::At(at) => Ok(at),
            Self::Unknown => Err("no such host".into()),
            Self::Resolve(host, port) => {
                let found = tokio::net::lookup_host((host.as_str(), port)).await;
                let all: Vec<_> = found
                    .map_err(|e| format!("{host} {DOES_NOT_RESOLVE}: {e}"))?
                    .collect();
                let first = all.iter().find(|a| a.is_ipv4()).or_else(|| all.first());
                first
                    .copied()
                    .ok_or_else(|| format!("{host} resolves to no address"))
            }
        }
    }
}

/// What reaches the phone.
enum Input {
    Datagram {
        transfer: u32,
        from: SocketAddr,
        bytes: Vec<u8>,
        /// Its place in the queue.
        _room: OwnedSemaphorePermit,
    },
    Tvs {
        connection: u32,
        input: TvsInput,
    },
    Dhcp {
        bytes: Vec<u8>,
        /// Its place in the queue.
        _room: OwnedSemaphorePermit,
    },
    Resolved {
        host: String,
        address: Option<Ipv4Addr>,
    },
    Http {
        request: u32,
        input: HttpInput,
    },
}

/// Datagrams that wait for the phone; what comes faster waits in the socket, which has an end.
const MAX_WAITING: usize = 64;

/// Bytes that a TVS connection brings at most. An answer has less than 64 KB, and the phone closes
/// the connection when it has it.
const MAX_TVS_BYTES: usize = 256 * 1024;

/// A transfer's socket, and the node that it talks to.
struct Transfer {
    socket: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

/// The socket for DHCP.
struct Dhcp {
    link: Arc<Link>,
    reader: JoinHandle<()>,
}

/// A TVS connection.
struct Connection {
    writes: mpsc::UnboundedSender<Vec<u8>>,
    task: JoinHandle<()>,
}

/// An HTTP request.
struct Request {
    /// Takes the path and the largest body, once.
    ask: Option<oneshot::Sender<(String, usize)>>,
    task: JoinHandle<()>,
}

struct Runner<S> {
    shared: Arc<S>,
    inputs: mpsc::UnboundedSender<Input>,
    room: Arc<Semaphore>,
    transfers: BTreeMap<u32, Transfer>,
    /// The socket for DHCP.
    dhcp: Option<Dhcp>,
    connections: BTreeMap<u32, Connection>,
    requests: BTreeMap<u32, Request>,
    identity: Option<DeviceIdentity>,
}

impl<S> Drop for Runner<S> {
    fn drop(&mut self) {
        for t in self.transfers.values() {
            t.reader.abort();
        }
        if let Some(dhcp) = &self.dhcp {
            dhcp.reader.abort();
        }
        for c in self.connections.values() {
            c.task.abort();
        }
        for r in self.requests.values() {
            r.task.abort();
        }
    }
}

/// Runs one boot, for `longest` at most. Dropped on its way it is a power cut between two flash
/// operations.
pub async fn run<S: Surroundings>(booting: Booting, shared: Arc<S>, longest: Duration) -> Booted {
    let Booting {
        setup,
        mut flash,
        cut,
    } = booting;
    let device = setup.identity.device.clone();
    let identity = setup.identity.certificate.clone();
    let (inputs, mut received) = mpsc::unbounded_channel();
    let mut runner = Runner {
        shared: Arc::clone(&shared),
        inputs,
        room: Arc::new(Semaphore::new(MAX_WAITING)),
        transfers: BTreeMap::new(),
        dhcp: None,
        connections: BTreeMap::new(),
        requests: BTreeMap::new(),
        identity,
    };
    let overdue = shared.now() + longest;
    let mut phone = Phone::boot(setup, &flash, shared.now());
    let end = 'boot: loop {
        while let Some(output) = phone.poll_output() {
            match output {
                Output::Flash { number, operation } => {
                    let text = Cut::carry_out(cut.as_ref(), &mut flash, number, &operation);
                    if let Some(text) = text {
                        let kind = Kind::PowerCut { text };
                        shared.tell(Event {
                            at: shared.now(),
                            actor: device.clone(),
                            kind,
                        });
                        break 'boot BootEnd::PowerCut;
                    }
                    if shared.keep(&operation).is_err() {
                        break 'boot BootEnd::FlashFailed;
                    }
                }
                Output::Register { host, lsc } => {
                    let answer = shared.register(&host, &device, lsc.as_deref());
                    phone.handle_registered(shared.now(), answer);
                }
                Output::Event(event) => shared.tell(*event),
                other => runner.carry_out(other).await,
            }
        }
        if phone.is_over() {
            break BootEnd::Done;
        }
        if shared.now() >= overdue {
            break BootEnd::Overdue;
        }
        let wake = phone.next_timeout().unwrap_or(overdue).min(overdue);
        tokio::select! {
            Some(input) = received.recv() => match input {
                Input::Datagram { transfer, from, bytes, _room } => {
                    shared.heard();
                    phone.handle_datagram(shared.now(), transfer, from, &bytes);
                }
                Input::Tvs { connection, input } => {
                    phone.handle_tvs(shared.now(), connection, input);
                }
                Input::Resolved { host, address } => {
                    phone.handle_resolved(shared.now(), &host, address);
                }
                Input::Dhcp { bytes, _room } => phone.handle_dhcp(shared.now(), &bytes),
                Input::Http { request, input } => {
                    if !matches!(input, HttpInput::Failed(_)) {
                        shared.heard();
                    }
                    phone.handle_http(shared.now(), request, input);
                }
            },
            () = tokio::time::sleep_until(shared.instant(wake)) => {
                phone.handle_timeout(shared.now());
            }
        }
    };
    let (used, felt) = (phone.settings().used(), phone.settings().felt());
    Booted {
        flash,
        used,
        felt,
        end,
        lease: phone.lease_times(),
        restarts: phone.restarts(),
    }
}

impl<S: Surroundings> Runner<S> {
    async fn carry_out(&mut self, output: Output) {
        match output {
            Output::Datagram {
                transfer,
                to,
                payload,
            } => self.send(transfer, to, payload).await,
            Output::Dhcp { to, payload } => self.ask_dhcp(Transmit { to, payload }).await,
            Output::Resolve { host } => self.resolve(host),
            Output::CloseTransfer { transfer } => {
                if let Some(t) = self.transfers.remove(&transfer) {
                    t.reader.abort();
                }
            }
            Output::TvsConnect {
                connection,
                host,
                port,
                pins,
            } => {
                self.connect(connection, &host, port, pins);
            }
            Output::TvsWrite { connection, bytes } => {
                if let Some(c) = self.connections.get(&connection) {
                    // A connection that has ended says so by itself.
                    let _ = c.writes.send(bytes);
                }
            }
            Output::TvsClose { connection } => {
                // Dropping the sender lets the task close the connection.
                self.connections.remove(&connection);
            }
            Output::HttpOpen { request, to, tls } => self.open_http(request, to, tls),
            Output::HttpGet {
                request,
                path,
                max_bytes,
            } => {
                if let Some(r) = self.requests.get_mut(&request)
                    && let Some(ask) = r.ask.take()
                {
                    // A connection that has ended says so by itself.
                    let _ = ask.send((path, max_bytes));
                }
            }
            Output::HttpClose { request } => {
                if let Some(r) = self.requests.remove(&request) {
                    r.task.abort();
                }
            }
            Output::Flash { .. } | Output::Register { .. } | Output::Event(_) => {}
        }
    }

    /// Sends a datagram to DHCP servers.
    async fn ask_dhcp(&mut self, transmit: Transmit) {
        if self.dhcp.is_none() {
            // Without one it is a network that loses every packet: the phone's own time runs out.
            let Some(link) = self.shared.dhcp() else {
                return;
            };
            let (reading, inputs) = (Arc::clone(&link), self.inputs.clone());
            let room = Arc::clone(&self.room);
            let reader = tokio::spawn(async move {
                // One byte more than is read, so that a longer datagram is seen to be too long.
                let mut buffer = [0; MAX_MESSAGE + 1];
                while let Ok(length) = reading.receive(&mut buffer).await {
                    let bytes = buffer[..length].to_vec();
                    let Ok(room) = Arc::clone(&room).acquire_owned().await else {
                        return;
                    };
                    if inputs.send(Input::Dhcp { bytes, _room: room }).is_err() {
                        return;
                    }
                }
            });
            self.dhcp = Some(Dhcp { link, reader });
        }
        if let Some(dhcp) = &self.dhcp {
            dhcp.link.send(&transmit).await;
        }
    }

    fn resolve(&self, host: String) {
        let place = self.shared.resolve(&host);
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let address = match place.socket().await {
                Ok(SocketAddr::V4(at)) => Some(*at.ip()),
                Ok(SocketAddr::V6(_)) | Err(_) => None,
            };
            // A phone that is gone needs no answer.
            let _ = inputs.send(Input::Resolved { host, address });
        });
    }

    async fn send(&mut self, transfer: u32, to: SocketAddr, payload: Vec<u8>) {
        const TFTP_PORT: u16 = 69;
        let Some(at) = self.shared.tftp(to.ip()) else {
            return;
        };
        if !self.transfers.contains_key(&transfer) {
            let Ok(socket) = UdpSocket::bind((self.shared.own_address(), 0)).await else {
                // As a network that loses every packet: the phone's own time runs out.
                return;
            };
            let socket = Arc::new(socket);
            let inputs = self.inputs.clone();
            let reading = Arc::clone(&socket);
            let server = (at.ip(), to.ip());
            let room = Arc::clone(&self.room);
            let reader =
                tokio::spawn(async move { read(reading, transfer, server, inputs, room).await });
            self.transfers.insert(transfer, Transfer { socket, reader });
        }
        let real = match to.port() {
            TFTP_PORT => at,
            // A transfer's own port is the real one, on the address where the node really is.
            port => SocketAddr::new(at.ip(), port),
        };
        if let Some(t) = self.transfers.get(&transfer) {
            // UDP: what cannot be sent is lost.
            let _ = t.socket.send_to(&payload, real).await;
        }
    }

    fn open_http(&mut self, request: u32, to: SocketAddr, is_tls: bool) {
        let (ask, asked) = oneshot::channel();
        let inputs = self.inputs.clone();
        let address = self.shared.http(to.ip(), is_tls);
        let task = tokio::spawn(async move {
            let told = inputs.clone();
            let tell = move |input| {
                let _ = told.send(Input::Http { request, input });
            };
            let Some(address) = address else {
                let text = "connection refused".into();
                return tell(HttpInput::Failed(HttpFailure::Refused(text)));
            };
            if let Err(why) = fetch(address, is_tls, asked, &tell).await {
                tell(HttpInput::Failed(why));
            }
        });
        let ask = Some(ask);
        self.requests.insert(request, Request { ask, task });
    }

    fn connect(&mut self, connection: u32, host: &str, port: u16, pins: Vec<Arc<[u8]>>) {
        let (writes, wanted) = mpsc::unbounded_channel();
        let inputs = self.inputs.clone();
        let place = self.shared.tvs(host, port);
        let tls = (self.shared.tvs_tls(host), self.shared.tls_stand_in(host));
        let identity = self.identity.clone();
        let task = tokio::spawn(async move {
            let told = inputs.clone();
            let tell = move |input| {
                let _ = told.send(Input::Tvs { connection, input });
            };
            let address = match place.socket().await {
                Ok(address) => address,
                Err(why) => return tell(TvsInput::Failed(ConnectFailure::Refused(why))),
            };
            talk(address, &pins, identity, tls, wanted, &tell).await;
        });
        self.connections
            .insert(connection, Connection { writes, task });
    }
}

/// Hands on what comes to a transfer's socket, under the address by which the machine knows the server.
async fn read(
    socket: Arc<UdpSocket>,
    transfer: u32,
    (real, logical): (IpAddr, IpAddr),
    inputs: mpsc::UnboundedSender<Input>,
    room: Arc<Semaphore>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok((n, from)) = socket.recv_from(&mut buffer).await {
        let Ok(room) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        // A stranger keeps its address: what to do with one is the machine's to know.
        let from = match from.ip() == real {
            true => SocketAddr::new(logical, from.port()),
            false => from,
        };
        let bytes = buffer[..n].to_vec();
        if inputs
            .send(Input::Datagram {
                transfer,
                from,
                bytes,
                _room: room,
            })
            .is_err()
        {
            return;
        }
    }
}

/// Opens a connection, passes bytes both ways, and closes it when nobody writes any more.
async fn talk(
    address: SocketAddr,
    pins: &[Arc<[u8]>],
    identity: Option<DeviceIdentity>,
    (choice, stand_in): (TvsTls, Option<&str>),
    mut wanted: mpsc::UnboundedReceiver<Vec<u8>>,
    tell: &(impl Fn(TvsInput) + Sync),
) {
    let identity = identity.map(|i| Identity {
        certificate: i.certificate.to_vec(),
        key: i.key.to_vec(),
    });
    let pins = pins.iter().map(|p| p.to_vec()).collect();
    // The phone has deadlines of its own, up to a minute each by its rules; these only keep a socket
    // from staying for ever.
    let deadlines = Deadlines {
        connect: Duration::from_secs(120),
        handshake: Duration::from_secs(120),
        total: Duration::from_secs(300),
    };
    let dialled = match dial(address, pins, identity.as_ref(), choice, deadlines).await {
        Ok(dialled) => dialled,
        Err(error) => return tell(TvsInput::Failed(failure(error))),
    };
    let open = dialled.connection;
    let info = open.info().clone();
    let (version, suite) = (info.version, info.suite);
    let tls = match (stand_in, dialled.because) {
        (Some(old), _) => format!("{version} {suite}, stands in for {old}"),
        (None, Some(because)) => format!("{version} {suite} of OpenSSL, {because}"),
        (None, None) => format!("{version} {suite}"),
    };
    let certificate = info.peer_certificate.unwrap_or_default();
    tell(TvsInput::Connected { certificate, tls });
    let mut stream = open.into_stream();
    let mut buffer = vec![0; 4_096];
    let mut brought = 0;
    loop {
        tokio::select! {
            write = wanted.recv() => match write {
                None => break,
                Some(bytes) => {
                    // A server that closed has said so; reading tells.
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.flush().await;
                }
            },
            read = stream.read(&mut buffer) => match read {
                Ok(n) if n > 0 && brought < MAX_TVS_BYTES => {
                    brought += n;
                    tell(TvsInput::Bytes(buffer[..n].to_vec()));
                }
                // Real servers end without a close_notify, which is an error to rustls.
                Ok(_) | Err(_) => {
                    tell(TvsInput::Closed);
                    break;
                }
            },
        }
    }
    let _ = stream.shutdown().await;
}

/// The phone has a deadline of its own, up to a minute by its rules; this only keeps a socket from
/// staying for ever.
const HTTP_WITHIN: Duration = Duration::from_secs(120);

/// Opens a connection, and asks for a file over it when the phone says so.
async fn fetch(
    address: SocketAddr,
    is_tls: bool,
    asked: oneshot::Receiver<(String, usize)>,
    tell: &(impl Fn(HttpInput) + Sync),
) -> Result<(), HttpFailure> {
    let tls = is_tls.then(|| ClientTls::any(None, TlsOptions::default()));
    let tls = tls
        .transpose()
        .map_err(|e| HttpFailure::Tls(e.to_string()))?;
    let connection = http::connect(address, tls.as_ref(), HTTP_WITHIN).await?;
    let info = connection.tls().cloned();
    let suite = info
        .as_ref()
        .map(|info| format!("{} {}", info.version, info.suite));
    tell(HttpInput::Connected {
        certificate: info.and_then(|info| info.peer_certificate),
        tls: suite,
    });
    // The phone closes a connection that it asks for nothing over.
    let Ok((path, max_bytes)) = asked.await else {
        return Ok(());
    };
    let answer = connection.get(&path, max_bytes, HTTP_WITHIN).await?;
    tell(HttpInput::Answer {
        status: answer.status,
        reason: answer.reason,
        body: answer.body,
    });
    Ok(())
}

fn failure(error: DialError) -> ConnectFailure {
    match error {
        DialError::Failed(AskError::Connect(kind)) => ConnectFailure::Refused(kind.to_string()),
        DialError::Failed(AskError::Timeout(_)) => ConnectFailure::TimedOut,
        DialError::Failed(AskError::Tls(TlsFailure::NotPinned { presented })) => {
            ConnectFailure::NotPinned { presented }
        }
        other => ConnectFailure::Tls(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends without end fills neither the queue nor the memory, and is heard again
    /// once the phone has looked.
    #[tokio::test]
    async fn datagrams_that_nobody_takes_wait_in_the_socket() {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let at = socket.local_addr().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (inputs, mut received) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(MAX_WAITING));
        let server = (at.ip(), IpAddr::from([10, 0, 0, 5]));
        let reader = tokio::spawn(read(socket, 7, server, inputs, room));
        for n in 0..2 * MAX_WAITING {
            sender.send_to(&[n as u8], at).await.unwrap();
            // The reader has its turn.
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(received.len(), MAX_WAITING);
        for n in 0..2 * MAX_WAITING {
            let Some(Input::Datagram { from, bytes, .. }) = received.recv().await else {
                panic!("the reader has ended");
            };
            assert_eq!(bytes, [n as u8]);
            assert_eq!(from.ip(), server.1, "the machine knows it by this address");
        }
        reader.abort();
    }
}
