//! TFTP over UDP: drives the machines of [`crate::tftp`].

mod client;
mod server;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::net::UdpSocket;
use tokio::time::Sleep;

use super::clock::Clock;
use crate::time::Time;

pub use client::{get, get_from, get_watched};
pub use server::{Observer, ServerEvent, serve};

/// What a wait ended with.
enum Woken {
    /// This many bytes from there.
    Datagram(usize, SocketAddr),
    /// The time came, or a little earlier.
    Timeout,
}

/// A timer that is set anew only when it has to ring earlier than it will. In a transfer that goes
/// well the wake-up time moves on with each datagram, and the timer never has to be touched.
struct Alarm {
    clock: Clock,
    sleep: Pin<Box<Sleep>>,
    at: Time,
}

impl Alarm {
    fn new(clock: Clock, at: Time) -> Self {
        Self {
            clock,
            sleep: Box::pin(tokio::time::sleep_until(clock.instant(at))),
            at,
        }
    }

    /// Waits for a datagram, until `wake` or somewhat less: the machines do not mind being looked
    /// at too early.
    async fn receive(
        &mut self,
        socket: &UdpSocket,
        buffer: &mut [u8],
        wake: Time,
    ) -> io::Result<Woken> {
        if wake < self.at || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(self.clock.instant(wake));
            self.at = wake;
        }
        tokio::select! {
            biased;
            received = socket.recv_from(buffer) => match received {
                Ok((length, from)) => Ok(Woken::Datagram(length, from)),
                // Windows tells on this socket that an earlier datagram reached no one.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    Ok(Woken::Timeout)
                }
                Err(error) => Err(error),
            },
            () = &mut self.sleep => Ok(Woken::Timeout),
        }
    }
}
