//! A client on a real socket.

use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

use super::open::{OpenError, client_socket};
use crate::dhcp::{Client, ClientConfig, ClientEvent, MAX_MESSAGE, SERVER_PORT, Transmit};
use crate::net::clock::Clock;
use crate::rng::Rng;
use crate::time::Time;

/// Where a client's messages go.
#[derive(Debug)]
pub struct Link {
    socket: UdpSocket,
    /// All go to this server, whatever the machine says.
    server: Option<SocketAddr>,
}

impl Link {
    /// The segment of an interface. What is sent to all is broadcast there.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn on_interface(name: &str) -> Result<Self, OpenError> {
        let socket = client_socket(name)?;
        Ok(Self {
            socket,
            server: None,
        })
    }

    /// One server at one address, as on loopback: there is no broadcast.
    pub fn to_server(socket: UdpSocket, server: SocketAddr) -> Self {
        Self {
            socket,
            server: Some(server),
        }
    }

    async fn send(&self, transmit: &Transmit) {
        let segment = SocketAddr::from((transmit.to, SERVER_PORT));
        let to = self.server.unwrap_or(segment);
        // What cannot be sent is lost, and repeated in time; the link may just be coming up.
        let _ = self.socket.send_to(&transmit.payload, to).await;
    }
}

/// A client at work.
#[derive(Debug)]
pub struct Running {
    link: Link,
    client: Client,
    clock: Clock,
    buffer: Vec<u8>,
}

impl Running {
    /// Starts a client.
    pub fn start(link: Link, config: ClientConfig, rng: Rng, clock: Clock) -> Self {
        Self {
            link,
            client: Client::new(config, rng, clock.now()),
            clock,
            // One byte more than is read, so that a longer datagram is seen to be too long.
            buffer: vec![0; MAX_MESSAGE + 1],
        }
    }

    /// The machine, to look at it or to tell it what to do.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Goes on to the next event. None when the client is over: nobody answered, or the lease was
    /// given back. May be dropped at any time and called again.
    ///
    /// # Errors
    /// Receiving failed: the interface is gone, say.
    pub async fn next_event(&mut self) -> io::Result<Option<(Time, ClientEvent)>> {
        loop {
            while let Some(transmit) = self.client.poll_transmit() {
                self.link.send(&transmit).await;
            }
            if let Some(event) = self.client.poll_event() {
                return Ok(Some((self.clock.now(), event)));
            }
            if self.client.is_over() {
                return Ok(None);
            }
            let wake = self.client.next_timeout().unwrap_or(Time::NEVER);
            tokio::select! {
                biased;
                received = self.link.socket.recv_from(&mut self.buffer) => {
                    let (length, from) = match received {
                        Ok(received) => received,
                        // An earlier datagram reached no one: a server that is not there yet.
                        Err(error) if is_unreachable(&error) => continue,
                        Err(error) => return Err(error),
                    };
                    if self.link.server.is_none_or(|server| server == from) {
                        let datagram = &self.buffer[..length];
                        self.client.handle_datagram(self.clock.now(), datagram);
                    }
                }
                () = self.clock.sleep_until(wake) => {
                    self.client.handle_timeout(self.clock.now());
                }
            }
        }
    }
}

pub(super) fn is_unreachable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
