//! A server on a real socket.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;

use super::client::is_unreachable;
use crate::dhcp::{CLIENT_PORT, MAX_MESSAGE, Reply, ReplyTo, SERVER_PORT, Server, ServerEvent};
use crate::net::clock::Clock;
use crate::time::Time;

/// Told of everything that a server does, with the address that asked.
pub type Observer = Box<dyn FnMut(Time, SocketAddr, ServerEvent) + Send>;

/// Where answers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// Where the machine says, at DHCP's ports: on an interface's own segment.
    Segment,
    /// To the address that asked, as on loopback.
    Sender,
}

impl Answering {
    fn address(self, reply: &Reply, from: SocketAddr) -> SocketAddr {
        match (self, reply.to) {
            (Self::Sender, _) => from,
            (Self::Segment, ReplyTo::Broadcast) => {
                SocketAddr::from((std::net::Ipv4Addr::BROADCAST, CLIENT_PORT))
            }
            (Self::Segment, ReplyTo::Client(client)) => SocketAddr::from((client, CLIENT_PORT)),
            (Self::Segment, ReplyTo::Relay(relay)) => SocketAddr::from((relay, SERVER_PORT)),
        }
    }
}

/// A server that others may change while it runs.
pub fn shared(server: Server) -> Arc<Mutex<Server>> {
    Arc::new(Mutex::new(server))
}

/// Answers phones at `socket` until `shutdown` is ready. The options that they get may be changed
/// in `server` meanwhile.
///
/// # Errors
/// Receiving failed on `socket`.
pub async fn serve(
    socket: UdpSocket,
    server: Arc<Mutex<Server>>,
    answering: Answering,
    clock: Clock,
    mut observer: Observer,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut buffer = [0; MAX_MESSAGE + 1];
    loop {
        let received = tokio::select! {
            biased;
            () = &mut shutdown => return Ok(()),
            received = socket.recv_from(&mut buffer) => received,
        };
        let (length, from) = match received {
            Ok(received) => received,
            Err(error) if is_unreachable(&error) => continue,
            Err(error) => return Err(error),
        };
        let now = clock.now();
        let (reply, events) = {
            // A panic elsewhere leaves the machine whole.
            let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
            let reply = server.handle_datagram(now, &buffer[..length]);
            let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
            (reply, events)
        };
        if let Some(reply) = reply {
            // An answer that cannot be sent is lost, and asked for again.
            let to = answering.address(&reply, from);
            let _ = socket.send_to(&reply.payload, to).await;
        }
        for event in events {
            observer(now, from, event);
        }
    }
}
