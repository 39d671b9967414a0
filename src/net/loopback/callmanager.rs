//! CallManager's ports: connections are taken and closed, so that whoever looks whether it runs sees
//! it. SIP and SCCP are not emulated.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::node::Running;
use super::{Ports, Shared};
use crate::cluster::NodeId;
use crate::net::tvs;

/// The ports that configurations name: SIP over TCP and over TLS (CUCM port usage).
const REAL: [u16; 2] = [5_060, 5_061];
/// Connections that wait to be taken.
const BACKLOG: u16 = 64;

/// Listens for a node, where it did `before` if that is known. A port that cannot be had is left out:
/// nothing else of the lab needs it.
pub(super) fn start(
    before: &[SocketAddr],
    id: NodeId,
    shared: &Shared,
) -> (Vec<Running>, Vec<SocketAddr>) {
    let own = shared.lab().address(id);
    let at = |address: Ipv4Addr, port: u16| SocketAddr::new(IpAddr::V4(address), port);
    let wanted = match (before, shared.ports) {
        ([], Ports::Real) => REAL.map(|port| at(own, port)).to_vec(),
        ([], Ports::High) => vec![at(own, 0)],
        (before, _) => before.to_vec(),
    };
    let mut all = (Vec::new(), Vec::new());
    for address in wanted {
        let mut bound = tvs::bind(address, BACKLOG);
        if bound.is_err() && shared.ports == Ports::High && own.is_loopback() {
            bound = tvs::bind(at(Ipv4Addr::LOCALHOST, address.port()), BACKLOG);
        }
        if let Ok(listener) = bound
            && let Ok(address) = listener.local_addr()
        {
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(serve(listener, stopped));
            all.0.push(Running { stop, task });
            all.1.push(address);
        }
    }
    all
}

async fn serve(listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            // Dropped, which closes it.
            taken = listener.accept() => if taken.is_err() {
                // A system without sockets left has some again in a while.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            },
        }
    }
}
