//! A phone on sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Shared;
use crate::event::{Event, Kind};
use crate::net::http;
use crate::net::tls::{ClientTls, Identity, TlsFailure, TlsOptions};
use crate::net::tvs::{AskError, Deadlines, connect};
use crate::phone::power::{BootEnd, Booted, Booting, Cut};
use crate::phone::{
    ConnectFailure, DeviceIdentity, HttpFailure, HttpInput, Output, Phone, TvsInput,
};

/// What reaches the phone.
enum Input {
    Datagram {
        transfer: u32,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    Tvs {
        connection: u32,
        input: TvsInput,
    },
    Http {
        request: u32,
        input: HttpInput,
    },
}

/// A transfer's socket, and the node that it talks to.
struct Transfer {
    socket: Arc<UdpSocket>,
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

struct Runner {
    shared: Arc<Shared>,
    inputs: mpsc::UnboundedSender<Input>,
    transfers: BTreeMap<u32, Transfer>,
    connections: BTreeMap<u32, Connection>,
    requests: BTreeMap<u32, Request>,
    identity: Option<DeviceIdentity>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        for t in self.transfers.values() {
            t.reader.abort();
        }
        for c in self.connections.values() {
            c.task.abort();
        }
        for r in self.requests.values() {
            r.task.abort();
        }
    }
}

/// Runs one boot.
pub(super) async fn run(booting: Booting, shared: Arc<Shared>, longest: Duration) -> Booted {
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
        transfers: BTreeMap::new(),
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
                }
                Output::Register { host, lsc } => {
                    let answer = shared.lab().register(&host, &device, lsc.as_deref());
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
                Input::Datagram { transfer, from, bytes } => {
                    phone.handle_datagram(shared.now(), transfer, from, &bytes);
                }
                Input::Tvs { connection, input } => {
                    phone.handle_tvs(shared.now(), connection, input);
                }
                Input::Http { request, input } => {
                    phone.handle_http(shared.now(), request, input);
                }
            },
            () = tokio::time::sleep_until(shared.instant(wake)) => {
                phone.handle_timeout(shared.now());
            }
        }
    };
    let used = phone.settings().used();
    Booted { flash, used, end }
}

impl Runner {
    async fn carry_out(&mut self, output: Output) {
        match output {
            Output::Datagram {
                transfer,
                to,
                payload,
            } => self.send(transfer, to, payload).await,
            Output::CloseTransfer { transfer } => {
                if let Some(t) = self.transfers.remove(&transfer) {
                    t.reader.abort();
                }
            }
            Output::TvsConnect {
                connection,
                host,
                port: _,
                pins,
            } => {
                self.connect(connection, host, pins);
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

    async fn send(&mut self, transfer: u32, to: SocketAddr, payload: Vec<u8>) {
        const TFTP_PORT: u16 = 69;
        if !self.transfers.contains_key(&transfer) {
            let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await else {
                // As a network that loses every packet: the phone's own time runs out.
                return;
            };
            let socket = Arc::new(socket);
            let inputs = self.inputs.clone();
            let reading = Arc::clone(&socket);
            let logical = to.ip();
            let reader =
                tokio::spawn(async move { read(reading, transfer, logical, inputs).await });
            self.transfers.insert(transfer, Transfer { socket, reader });
        }
        let real = match self.shared.tftp(to.ip()) {
            Some(at) if to.port() == TFTP_PORT => at,
            // A transfer's own port is the real one, on the address where the node really is.
            Some(at) => SocketAddr::new(at.ip(), to.port()),
            None => return,
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

    fn connect(&mut self, connection: u32, host: String, pins: Vec<Arc<[u8]>>) {
        let (writes, wanted) = mpsc::unbounded_channel();
        let inputs = self.inputs.clone();
        let address = self.shared.tvs(&host);
        let stand_in = {
            let lab = self.shared.lab();
            lab.host(&host).and_then(|node| lab.tls_stand_in(node))
        };
        let identity = self.identity.clone();
        let task = tokio::spawn(async move {
            let told = inputs.clone();
            let tell = move |input| {
                let _ = told.send(Input::Tvs { connection, input });
            };
            let Some(address) = address else {
                let why = ConnectFailure::Refused("no such host".into());
                return tell(TvsInput::Failed(why));
            };
            talk(address, &pins, identity, stand_in, wanted, &tell).await;
        });
        self.connections
            .insert(connection, Connection { writes, task });
    }
}

async fn read(
    socket: Arc<UdpSocket>,
    transfer: u32,
    logical: IpAddr,
    inputs: mpsc::UnboundedSender<Input>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok((n, from)) = socket.recv_from(&mut buffer).await {
        let from = SocketAddr::new(logical, from.port());
        let bytes = buffer[..n].to_vec();
        if inputs
            .send(Input::Datagram {
                transfer,
                from,
                bytes,
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
    stand_in: Option<&str>,
    mut wanted: mpsc::UnboundedReceiver<Vec<u8>>,
    tell: &(impl Fn(TvsInput) + Sync),
) {
    let identity = identity.map(|i| Identity {
        certificate: i.certificate.to_vec(),
        key: i.key.to_vec(),
    });
    let pins = pins.iter().map(|p| p.to_vec()).collect();
    let tls = match ClientTls::new(pins, identity.as_ref(), TlsOptions::default()) {
        Ok(tls) => tls,
        Err(e) => return tell(TvsInput::Failed(ConnectFailure::Tls(e.to_string()))),
    };
    // The phone has deadlines of its own, up to a minute each by its rules; these only keep a socket
    // from staying for ever.
    let deadlines = Deadlines {
        connect: Duration::from_secs(120),
        handshake: Duration::from_secs(120),
        total: Duration::from_secs(300),
    };
    let open = match connect(address, &tls, deadlines).await {
        Ok(open) => open,
        Err(error) => return tell(TvsInput::Failed(failure(error))),
    };
    let info = open.info().clone();
    let (version, suite) = (info.version, info.suite);
    let tls = match stand_in {
        Some(old) => format!("{version} {suite}, stands in for {old}"),
        None => format!("{version} {suite}"),
    };
    let certificate = info.peer_certificate.unwrap_or_default();
    tell(TvsInput::Connected { certificate, tls });
    let mut stream = open.into_stream();
    let mut buffer = vec![0; 4_096];
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
                Ok(n) if n > 0 => tell(TvsInput::Bytes(buffer[..n].to_vec())),
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

fn failure(error: AskError) -> ConnectFailure {
    match error {
        AskError::Connect(kind) => ConnectFailure::Refused(kind.to_string()),
        AskError::Timeout(_) => ConnectFailure::TimedOut,
        AskError::Tls(TlsFailure::NotPinned { presented }) => {
            ConnectFailure::NotPinned { presented }
        }
        other => ConnectFailure::Tls(other.to_string()),
    }
}
