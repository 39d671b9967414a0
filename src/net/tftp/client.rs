//! Downloads over a real socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;

use super::{Alarm, Woken};
use crate::net::clock::Clock;
use crate::tftp::{Client, ClientConfig, ClientEvent, Outcome};
use crate::time::Time;

/// Downloads `file` from `server` (its request port), from a free port of this machine.
///
/// # Errors
/// The socket cannot be had or used. Everything that a server does, or does not do, is an
/// [`Outcome`].
pub async fn get(file: &[u8], server: SocketAddr, config: ClientConfig) -> io::Result<Outcome> {
    get_watched(file, server, config, |_| {}).await
}

/// As [`get`], telling `observer` what happens on the way.
///
/// # Errors
/// As [`get`].
pub async fn get_watched(
    file: &[u8],
    server: SocketAddr,
    config: ClientConfig,
    mut observer: impl FnMut(ClientEvent),
) -> io::Result<Outcome> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    get_from(socket, file, server, config, Clock::start(), |_, event| {
        observer(event);
    })
    .await
}

/// As [`get`], from this socket and with `clock`, telling `observer` what happens on the way.
///
/// The outcome is returned as soon as it is known. If the configuration says to dally, a task of
/// its own keeps the socket for that long.
///
/// # Errors
/// The socket failed: receiving did, or sending did and no answer ever came.
pub async fn get_from(
    socket: UdpSocket,
    file: &[u8],
    server: SocketAddr,
    config: ClientConfig,
    clock: Clock,
    mut observer: impl FnMut(Time, ClientEvent),
) -> io::Result<Outcome> {
    let mut client = Client::get(file, server, config, clock.now());
    let mut buffer = vec![0; client.max_datagram() + 1];
    let mut alarm = Alarm::new(clock, client.next_timeout().unwrap_or(Time::ZERO));
    let mut send_error = None;
    loop {
        if let Err(error) = send_all(&socket, &mut client).await {
            send_error = Some(error);
        }
        while let Some(event) = client.poll_event() {
            observer(clock.now(), event);
        }
        let outcome = client.poll_outcome();
        // A datagram that could not be sent is a lost one, unless that is all there was.
        if outcome == Some(Outcome::TimedOut)
            && let Some(error) = send_error
        {
            return Err(error);
        }
        if let Some(outcome) = outcome {
            if client.next_timeout().is_some() {
                tokio::spawn(dally(socket, client, buffer, alarm));
            }
            return Ok(outcome);
        }
        let Some(wake) = client.next_timeout() else {
            return Ok(Outcome::TimedOut);
        };
        match alarm.receive(&socket, &mut buffer, wake).await? {
            Woken::Datagram(length, from) => {
                send_error = None;
                client.handle_datagram(clock.now(), from, &buffer[..length]);
            }
            Woken::Timeout => client.handle_timeout(clock.now()),
        }
    }
}

/// Repeats the last acknowledgement as long as the machine wants to.
async fn dally(socket: UdpSocket, mut client: Client, mut buffer: Vec<u8>, mut alarm: Alarm) {
    while let Some(wake) = client.next_timeout() {
        match alarm.receive(&socket, &mut buffer, wake).await {
            Ok(Woken::Datagram(length, from)) => {
                client.handle_datagram(alarm.clock.now(), from, &buffer[..length]);
            }
            Ok(Woken::Timeout) => client.handle_timeout(alarm.clock.now()),
            Err(_) => return,
        }
        while client.poll_event().is_some() {}
        if send_all(&socket, &mut client).await.is_err() {
            return;
        }
    }
}

async fn send_all(socket: &UdpSocket, client: &mut Client) -> io::Result<()> {
    let mut result = Ok(());
    while let Some(transmit) = client.poll_transmit() {
        if let Err(error) = socket.send_to(&transmit.payload, transmit.to).await {
            result = Err(error);
        }
    }
    result
}
