//! The TFTP drivers on real sockets, loopback only.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use trustline::net::clock::Clock;
use trustline::net::tftp::{ServerEvent, get, get_from, serve};
use trustline::tftp::{
    ClientConfig, ClientEvent, Delivery, Outcome, RequestOptions, Retransmission, ServerConfig,
};
use trustline::wire::tftp::ErrorCode;

const SIZES: [usize; 7] = [0, 1, 511, 512, 513, 6_702, 1 << 20];

struct Running {
    address: SocketAddr,
    events: Arc<Mutex<Vec<ServerEvent>>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start(config: ServerConfig) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let files: BTreeMap<_, _> = SIZES
            .iter()
            .map(|size| (format!("{size}"), Arc::from(content(*size))))
            .collect();
        let events = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel::<()>();
        let seen = Arc::clone(&events);
        let observer = Arc::new(move |_, event| seen.lock().unwrap().push(event));
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve(
                socket,
                Arc::new(files),
                config,
                Clock::start(),
                observer,
                stopped,
            )
            .await
        });
        Self {
            address,
            events,
            stop: Some(stop),
            task,
        }
    }

    /// Waits for an event, which the server may tell a little later than the client learns it.
    async fn wait_for(&self, wanted: impl Fn(&ServerEvent) -> bool) -> ServerEvent {
        for _ in 0..2_000 {
            if let Some(event) = self
                .events
                .lock()
                .unwrap()
                .iter()
                .find(|event| wanted(event))
            {
                return event.clone();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("not among {:?}", self.events.lock().unwrap());
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

fn options(blksize: Option<u16>, windowsize: Option<u16>) -> ClientConfig {
    let options = RequestOptions {
        blksize,
        windowsize,
        ..RequestOptions::default()
    };
    ClientConfig {
        options,
        ..ClientConfig::default()
    }
}

async fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 70_000];
    let received = timeout(Duration::from_secs(5), socket.recv_from(&mut buffer)).await;
    let (length, from) = received.expect("an answer within five seconds").unwrap();
    (buffer[..length].to_vec(), from)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_arrive_whole() {
    let server = Running::start(ServerConfig::default()).await;
    for config in [
        options(None, None),
        options(Some(1_428), Some(8)),
        options(Some(65_464), Some(2)),
    ] {
        for size in SIZES {
            let name = format!("{size}");
            let outcome = get(name.as_bytes(), server.address, config).await.unwrap();
            assert!(
                outcome == Outcome::Done(content(size)),
                "{size} with {:?}",
                config.options
            );
        }
    }
    let missing = get(b"missing", server.address, options(None, None))
        .await
        .unwrap();
    assert!(missing.is_not_found());
    let refused = server
        .wait_for(|event| matches!(event, ServerEvent::Refused { .. }))
        .await;
    let ServerEvent::Refused {
        asked: Some(asked),
        code,
        ..
    } = refused
    else {
        panic!()
    };
    assert_eq!(
        (asked.file.as_slice(), code),
        (&b"missing"[..], ErrorCode::NOT_FOUND)
    );
}

#[tokio::test]
async fn the_observer_is_told_from_start_to_end() {
    let server = Running::start(ServerConfig::default()).await;
    let config = options(Some(1_000), Some(2));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = socket.local_addr().unwrap();
    let mut seen = Vec::new();
    let clock = Clock::start();
    let outcome = get_from(
        socket,
        b"6702",
        server.address,
        config,
        clock,
        |_, event| seen.push(event),
    );
    assert_eq!(outcome.await.unwrap(), Outcome::Done(content(6_702)));
    let [ClientEvent::Answered { from, negotiated }] = seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!((negotiated.blksize, negotiated.windowsize), (1_000, 2));
    assert_ne!(from, server.address, "a transfer has a port of its own");
    assert_eq!(from.ip(), server.address.ip());
    let ended = server
        .wait_for(|event| matches!(event, ServerEvent::Ended { .. }))
        .await;
    let ServerEvent::Ended {
        from,
        asked,
        delivery,
        retransmissions,
    } = ended
    else {
        panic!()
    };
    assert_eq!((from, &asked.file[..]), (client, &b"6702"[..]));
    assert_eq!((delivery, retransmissions), (Delivery::Delivered, 0));
    let started = server.events.lock().unwrap()[0].clone();
    assert_eq!(
        started,
        ServerEvent::Started {
            from: client,
            asked,
            negotiated,
            bytes: 6_702
        }
    );
}

/// By hand: a repeated request, a stranger, a repeated acknowledgement.
#[tokio::test]
async fn a_transfer_is_not_disturbed() {
    let server = Running::start(ServerConfig::default()).await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let request = b"\0\x01513\0octet\0";
    client.send_to(request, server.address).await.unwrap();
    let (first, transfer) = receive(&client).await;
    assert!(first.starts_with(&[0, 3, 0, 1]));
    client.send_to(request, server.address).await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(&[0, 4, 0, 1], transfer).await.unwrap();
    let (error, from) = receive(&stranger).await;
    assert!(from == transfer && error.starts_with(&[0, 5, 0, 5]));
    for _ in 0..3 {
        client.send_to(&[0, 4, 0, 1], transfer).await.unwrap();
    }
    assert_eq!(
        receive(&client).await,
        ([&[0, 3, 0, 2][..], &content(513)[512..]].concat(), transfer)
    );
    client.send_to(&[0, 4, 0, 2], transfer).await.unwrap();
    server
        .wait_for(|event| matches!(event, ServerEvent::Ended { .. }))
        .await;
    // Neither the repeated request nor the repeated acknowledgements brought anything.
    assert!(client.try_recv_from(&mut [0; 600]).is_err());
    assert_eq!(server.events.lock().unwrap().len(), 2);

    // A second transfer to the same port of ours does not come from the port that this client
    // spoke to last.
    client.send_to(request, server.address).await.unwrap();
    let (_, again) = receive(&client).await;
    assert_ne!(again, transfer);
}

/// A client that gives up and starts anew from its port is served, once its first transfer has been
/// answered.
#[tokio::test]
async fn the_same_request_later_is_a_new_one() {
    let server = Running::start(ServerConfig::default()).await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let request = b"\0\x01513\0octet\0";
    client.send_to(request, server.address).await.unwrap();
    let (_, transfer) = receive(&client).await;
    client.send_to(&[0, 4, 0, 1], transfer).await.unwrap();
    assert!(receive(&client).await.0.starts_with(&[0, 3, 0, 2]));
    client.send_to(request, server.address).await.unwrap();
    let (first, again) = receive(&client).await;
    assert!(first.starts_with(&[0, 3, 0, 1]) && again != transfer);
}

#[tokio::test]
async fn one_too_many_is_told_and_a_slot_comes_back() {
    let config = ServerConfig {
        max_transfers: 2,
        retransmission: Retransmission {
            first: Duration::from_millis(50),
            min: Duration::from_millis(50),
            max: Duration::from_millis(50),
            retries: 3,
        },
        ..ServerConfig::default()
    };
    let server = Running::start(config).await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client
            .send_to(b"\0\x01513\0octet\0", server.address)
            .await
            .unwrap();
        receive(&client).await;
        silent.push(client);
    }
    let busy = get(b"1", server.address, options(None, None))
        .await
        .unwrap();
    let text = b"Server busy, try later".to_vec();
    assert_eq!(
        busy,
        Outcome::Refused {
            code: ErrorCode::NOT_DEFINED,
            text
        }
    );
    server
        .wait_for(|event| {
            let given_up = Delivery::TimedOut {
                acknowledged: 0,
                blocks: 2,
            };
            matches!(event, ServerEvent::Ended { delivery, .. } if *delivery == given_up)
        })
        .await;
    let served = get(b"1", server.address, options(None, None))
        .await
        .unwrap();
    assert_eq!(served, Outcome::Done(content(1)));
}

#[tokio::test]
async fn stopping_ends_transfers_at_once() {
    let mut server = Running::start(ServerConfig::default()).await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client
        .send_to(b"\0\x01513\0octet\0", server.address)
        .await
        .unwrap();
    let (_, transfer) = receive(&client).await;
    server.stop.take().unwrap().send(()).unwrap();
    timeout(Duration::from_secs(5), server.task)
        .await
        .expect("it stops")
        .unwrap()
        .unwrap();
    // Aborted tasks drop their sockets soon: both ports are free.
    for port in [transfer, server.address] {
        let mut free = false;
        for _ in 0..500 {
            free = UdpSocket::bind(port).await.is_ok();
            if free {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(free, "{port} is still in use");
    }
}

/// A server of four lines that repeats its only block: who dallies acknowledges it again, after
/// the outcome was returned.
#[tokio::test]
async fn the_client_dallies() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let config = ClientConfig {
        dally: Duration::from_secs(5),
        ..options(None, None)
    };
    let download = tokio::spawn(get(b"f", address, config));
    let (request, client) = receive(&server).await;
    assert_eq!(request, b"\0\x01f\0octet\0");
    server.send_to(b"\0\x03\0\x01last", client).await.unwrap();
    assert_eq!(receive(&server).await.0, [0, 4, 0, 1]);
    assert_eq!(
        download.await.unwrap().unwrap(),
        Outcome::Done(b"last".to_vec())
    );
    server.send_to(b"\0\x03\0\x01last", client).await.unwrap();
    assert_eq!(receive(&server).await, (vec![0, 4, 0, 1], client));
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let quick = Retransmission {
        first: Duration::from_millis(20),
        min: Duration::from_millis(20),
        max: Duration::from_millis(40),
        retries: 2,
    };
    let config = ClientConfig {
        retransmission: quick,
        ..options(None, None)
    };
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut attempts = Vec::new();
    let address = silent.local_addr().unwrap();
    let outcome = get_from(socket, b"f", address, config, Clock::start(), |_, event| {
        attempts.push(event);
    });
    assert_eq!(outcome.await.unwrap(), Outcome::TimedOut);
    let again = |attempt| ClientEvent::Retransmitted { attempt };
    assert_eq!(attempts, [again(1), again(2)]);
    let mut asked = 0;
    while silent.try_recv_from(&mut [0; 600]).is_ok() {
        asked += 1;
    }
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn rubbish_at_the_request_port_leaves_it_serving() {
    let server = Running::start(ServerConfig::default()).await;
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut rng = trustline::rng::Rng::new(3);
    for length in (0..2_000_usize).chain([65_000]) {
        let mut bytes = vec![0; length];
        rng.fill(&mut bytes);
        if length % 3 == 0 && length > 2 {
            bytes[..2].copy_from_slice(&[0, 1 + (length % 6) as u8]);
        }
        let _ = sender.send_to(&bytes, server.address).await;
        if length % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let outcome = get(b"6702", server.address, options(None, None))
        .await
        .unwrap();
    assert_eq!(outcome, Outcome::Done(content(6_702)));
}
