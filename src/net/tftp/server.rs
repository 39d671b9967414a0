//! A server on a real socket.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::{Alarm, Woken};
use crate::net::clock::Clock;
use crate::tftp::{
    Answer, Asked, Delivery, FileSource, Negotiated, Refusal, Server, ServerConfig, Transfer,
};
use crate::time::Time;
use crate::wire::tftp::{self as wire, ErrorCode};

/// Told of everything that a server does, from any of its tasks.
pub type Observer = Arc<dyn Fn(Time, ServerEvent) + Send + Sync>;

/// What a server did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A request got an ERROR.
    Refused {
        /// Who asked.
        from: SocketAddr,
        /// What, if it could be read.
        asked: Option<Arc<Asked>>,
        /// The error's code.
        code: ErrorCode,
        /// The error's text.
        text: String,
    },
    /// A transfer has begun.
    Started {
        /// Who asked.
        from: SocketAddr,
        /// What.
        asked: Arc<Asked>,
        /// What holds for the transfer.
        negotiated: Negotiated,
        /// Bytes that will travel.
        bytes: usize,
    },
    /// A transfer is over.
    Ended {
        /// Who asked.
        from: SocketAddr,
        /// What.
        asked: Arc<Asked>,
        /// How it ended.
        delivery: Delivery,
        /// How often a window was repeated.
        retransmissions: u32,
    },
    /// A transfer was given up because its socket failed.
    Failed {
        /// Who asked.
        from: SocketAddr,
        /// What.
        asked: Arc<Asked>,
        /// What the system says.
        error: io::ErrorKind,
    },
}

/// Answers requests at `socket` until `shutdown` is ready; then transfers under way end at once, as
/// when a service is stopped.
///
/// Each transfer has a port of its own on the socket's address (RFC 1350 section 4). Bind the
/// socket to one address: with an unspecified one the system chooses from which address a transfer
/// answers, and a client may not recognise it. `files` is asked on the server's own task.
///
/// # Errors
/// Receiving failed on `socket`.
pub async fn serve(
    socket: UdpSocket,
    files: Arc<dyn FileSource + Send + Sync>,
    config: ServerConfig,
    clock: Clock,
    observer: Observer,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let shared = Arc::new(Shared {
        ip: socket.local_addr()?.ip(),
        clock,
        observer,
        server: Mutex::new(Server::new(config)),
        idle: Mutex::new(VecDeque::new()),
    });
    // Dropping the set, at the end, ends the transfers.
    let mut transfers = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    // Longer than any request that is allowed, so that a longer one is seen to be too long.
    let mut buffer = [0; wire::MAX_REQUEST + 1];
    loop {
        let received = tokio::select! {
            biased;
            () = &mut shutdown => return Ok(()),
            received = socket.recv_from(&mut buffer) => received,
        };
        let (length, from) = match received {
            Ok(received) => received,
            // Windows tells on this socket that an earlier answer reached no one.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
            Err(error) => return Err(error),
        };
        while transfers.try_join_next().is_some() {}
        let now = clock.now();
        let answer = shared
            .server()
            .handle_request(now, from, &buffer[..length], &*files);
        match answer {
            Answer::Transfer(transfer) => match shared.transfer_socket(from).await {
                Ok(own) => {
                    (shared.observer)(
                        now,
                        ServerEvent::Started {
                            from,
                            asked: Arc::clone(transfer.asked()),
                            negotiated: transfer.negotiated(),
                            bytes: transfer.size(),
                        },
                    );
                    transfers.spawn(run(Arc::clone(&shared), own, transfer));
                }
                // Out of sockets: say so, as with any other limit.
                Err(_) => {
                    let refusal = shared.server().handle_unserved(&transfer);
                    refuse(&shared, &socket, from, refusal).await;
                }
            },
            Answer::Refused(refusal) => refuse(&shared, &socket, from, refusal).await,
            Answer::Ignored(_) => {}
        }
    }
}

struct Shared {
    ip: IpAddr,
    clock: Clock,
    observer: Observer,
    server: Mutex<Server>,
    /// Sockets of transfers that are over, the longest idle first, each with its last client.
    /// Making and closing one for each transfer costs a tenth of a short download.
    idle: Mutex<VecDeque<(UdpSocket, SocketAddr)>>,
}

/// Idle sockets that are kept. More would only hold file descriptors after a rush.
const MAX_IDLE: usize = 64;

impl Shared {
    /// A panic of the observer or of the file source leaves the table whole.
    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A port for a transfer to `client`. What is still under way to a port from its earlier
    /// transfer comes from a stranger now, and is answered as such; so it must not be one that this
    /// very client spoke to last.
    async fn transfer_socket(&self, client: SocketAddr) -> io::Result<UdpSocket> {
        let idle = {
            let mut idle = self.idle();
            let fit = idle.iter().position(|(_, last)| *last != client);
            fit.and_then(|fit| idle.remove(fit))
        };
        match idle {
            Some((socket, _)) => Ok(socket),
            None => UdpSocket::bind((self.ip, 0)).await,
        }
    }

    fn release(&self, socket: UdpSocket, client: SocketAddr) {
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push_back((socket, client));
        }
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<(UdpSocket, SocketAddr)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn refuse(shared: &Shared, socket: &UdpSocket, from: SocketAddr, refusal: Refusal) {
    let Refusal {
        transmit,
        asked,
        code,
        text,
        malformed: _,
    } = refusal;
    // An error is sent once, and may be lost.
    let _ = socket.send_to(&transmit.payload, transmit.to).await;
    (shared.observer)(
        shared.clock.now(),
        ServerEvent::Refused {
            from,
            asked,
            code,
            text,
        },
    );
}

/// Drives one transfer to its end.
async fn run(shared: Arc<Shared>, socket: UdpSocket, mut transfer: Box<Transfer>) {
    let clock = shared.clock;
    let result = drive(&shared, &socket, &mut transfer).await;
    shared.server().handle_ended(transfer.id());
    let (from, asked) = (transfer.peer(), Arc::clone(transfer.asked()));
    if result.is_ok() {
        shared.release(socket, from);
    }
    let event = match (result, transfer.outcome()) {
        (Ok(()), Some(delivery)) => ServerEvent::Ended {
            from,
            asked,
            delivery: delivery.clone(),
            retransmissions: transfer.retransmissions(),
        },
        (Ok(()), None) => return,
        (Err(error), _) => ServerEvent::Failed {
            from,
            asked,
            error: error.kind(),
        },
    };
    (shared.observer)(clock.now(), event);
}

async fn drive(shared: &Shared, socket: &UdpSocket, transfer: &mut Transfer) -> io::Result<()> {
    let clock = shared.clock;
    let mut alarm = Alarm::new(clock, transfer.next_timeout().unwrap_or(Time::ZERO));
    // Clients send acknowledgements and errors.
    let mut buffer = [0; wire::MAX_REQUEST + 1];
    let mut told = false;
    loop {
        while let Some(transmit) = transfer.poll_transmit() {
            // What cannot be sent is lost, and repeated in time.
            let _ = socket.send_to(&transmit.payload, transmit.to).await;
        }
        let Some(wake) = transfer.next_timeout() else {
            return Ok(());
        };
        match alarm.receive(socket, &mut buffer, wake).await? {
            Woken::Datagram(length, from) => {
                transfer.handle_datagram(clock.now(), from, &buffer[..length]);
                if !told && transfer.is_answered() {
                    told = true;
                    shared.server().handle_answered(transfer.id());
                }
            }
            Woken::Timeout => transfer.handle_timeout(clock.now()),
        }
    }
}
