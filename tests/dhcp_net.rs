//! DHCP over real sockets on loopback, at high ports: client and server without any rights.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use trustline::dhcp::{
    Backoff, ClientConfig, ClientEvent, Mac, Scope, Server, ServerConfig, ServerEvent,
};
use trustline::net::clock::Clock;
use trustline::net::dhcp::{Answering, Link, Running, serve, shared};
use trustline::rng::Rng;

/// Longer than anything here takes, but for a hang.
const LIMIT: Duration = Duration::from_secs(20);

struct Lab {
    address: SocketAddr,
    server: Arc<Mutex<Server>>,
    events: mpsc::UnboundedReceiver<ServerEvent>,
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Lab {
    async fn start(lease_secs: u32) -> Self {
        let config = ServerConfig {
            address: Ipv4Addr::new(10, 99, 1, 1),
            mask: Ipv4Addr::new(255, 255, 255, 0),
            pool: (Ipv4Addr::new(10, 99, 1, 10), Ipv4Addr::new(10, 99, 1, 250)),
            lease_secs,
            scope: Scope {
                option_150: vec![Ipv4Addr::new(10, 99, 1, 1), Ipv4Addr::new(10, 99, 1, 2)],
                option_66: Some("tftp.lab".into()),
                ..Scope::default()
            },
            answers: BTreeMap::new(),
        };
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = shared(Server::new(config).unwrap());
        let (stop, stopped) = oneshot::channel();
        let (tell, events) = mpsc::unbounded_channel();
        let done = tokio::spawn(serve(
            socket,
            Arc::clone(&server),
            Answering::Sender,
            Clock::start(),
            Box::new(move |_, _, event| drop(tell.send(event))),
            async move { drop(stopped.await) },
        ));
        Self {
            address,
            server,
            events,
            stop,
            done,
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(LIMIT, self.done)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

async fn phone(server: SocketAddr, number: u8) -> Running {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mac = Mac([0, 0x11, 0x22, 0x33, 0x44, number]);
    let device = format!("SEP0011223344{number:02X}");
    let config = ClientConfig {
        backoff: Backoff {
            first: Duration::from_millis(100),
            max: Duration::from_millis(200),
            jitter: Duration::from_millis(10),
            tries: 3,
        },
        ..ClientConfig::of_phone(mac, &device, "CP-8861")
    };
    let link = Link::to_server(socket, server);
    let rng = Rng::stream(1, &device);
    Running::start(link, config, rng, Clock::start())
}

async fn next(running: &mut Running) -> Option<ClientEvent> {
    let event = tokio::time::timeout(LIMIT, running.next_event()).await;
    event.unwrap().unwrap().map(|(_, event)| event)
}

#[tokio::test]
async fn a_lease_is_taken_renewed_and_given_back() {
    let mut lab = Lab::start(3_600).await;
    let mut phone = phone(lab.address, 1).await;
    assert!(matches!(
        next(&mut phone).await,
        Some(ClientEvent::Offered { .. })
    ));
    let Some(ClientEvent::Bound(lease)) = next(&mut phone).await else {
        panic!("no lease");
    };
    assert_eq!(lease.address, Ipv4Addr::new(10, 99, 1, 10));
    assert_eq!(lease.option_150.len(), 2);
    assert_eq!(lease.option_66.as_deref(), Some("tftp.lab"));

    let moved = Scope {
        option_150: vec![Ipv4Addr::new(10, 99, 2, 1)],
        ..Scope::default()
    };
    lab.server.lock().unwrap().set_scope(moved.clone()).unwrap();
    let now = Clock::start().now();
    phone.client().renew(now);
    let Some(ClientEvent::Renewed(lease)) = next(&mut phone).await else {
        panic!("not renewed");
    };
    assert_eq!(lease.option_150, moved.option_150);

    phone.client().release(now);
    assert_eq!(next(&mut phone).await, None);
    let mut events = Vec::new();
    while !matches!(events.last(), Some(ServerEvent::Released { .. })) {
        let event = tokio::time::timeout(LIMIT, lab.events.recv()).await;
        events.push(event.unwrap().unwrap());
    }
    assert_eq!(events.len(), 4);
    lab.stop().await;
}

#[tokio::test]
async fn a_short_lease_is_renewed_by_itself() {
    let lab = Lab::start(2).await;
    let mut phone = phone(lab.address, 1).await;
    while !matches!(next(&mut phone).await, Some(ClientEvent::Renewed(_))) {}
    lab.stop().await;
}

#[tokio::test]
async fn nobody_is_there() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nobody = socket.local_addr().unwrap();
    drop(socket);
    let mut phone = phone(nobody, 1).await;
    let mut events = Vec::new();
    while let Some(event) = next(&mut phone).await {
        events.push(event);
    }
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events.last(), Some(&ClientEvent::NoAnswer));
}

#[tokio::test]
async fn many_phones_and_much_noise() {
    let lab = Lab::start(3_600).await;
    let noise = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut rng = Rng::new(7);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=100 {
        let mut bytes = vec![0; usize::try_from(rng.below(700)).unwrap()];
        rng.fill(&mut bytes);
        noise.send_to(&bytes, lab.address).await.unwrap();
        let mut phone = phone(lab.address, number).await;
        tasks.spawn(async move {
            loop {
                match next(&mut phone).await {
                    Some(ClientEvent::Bound(lease)) => return lease.address,
                    Some(_) => {}
                    None => panic!("phone {number} got nothing"),
                }
            }
        });
    }
    let mut addresses: Vec<_> = tasks.join_all().await;
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 100);
    lab.stop().await;
}
