//! The DHCP server of the phones' segment: on loopback there is no broadcast, so phones send to it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;

use super::Shared;
use crate::dhcp::MAX_MESSAGE;

/// Opens its socket and answers for as long as the runtime lives.
pub(super) async fn start(shared: Arc<Shared>) -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = socket.local_addr()?;
    tokio::spawn(async move {
        let mut buffer = [0; MAX_MESSAGE + 1];
        loop {
            let (length, from) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                // Windows tells on this socket that an earlier answer reached no one.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
                Err(_) => return,
            };
            let answer = shared.lab().ask_dhcp(shared.now(), &buffer[..length]);
            if let Some(answer) = answer {
                // UDP: what cannot be sent is lost.
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    Ok(address)
}
