//! HTTP and HTTPS on real sockets: client and server against each other, and each against bytes
//! written by hand.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use trustline::cluster::{HttpAnswer, TlsIdentity};
use trustline::net::http::{Answer, Files, Limits, ServerEvent, connect, serve};
use trustline::net::tls::{ClientTls, Identity, ServerTls, TlsOptions};
use trustline::phone::HttpFailure;
use trustline::scenario::run::at_start;
use trustline::scenario::{self, Rules};

const LIMIT: Duration = Duration::from_secs(20);
const LARGEST: usize = 100_000;

/// Serves one file, and notes what it is told.
#[derive(Default)]
struct OneFile {
    told: Mutex<Vec<ServerEvent>>,
}

impl Files for OneFile {
    fn get(&self, path: &str) -> HttpAnswer {
        match path {
            "/file" => HttpAnswer::Found(content()),
            "/closed" => HttpAnswer::Status(503),
            _ => HttpAnswer::Status(404),
        }
    }

    fn told(&self, event: ServerEvent) {
        self.told.lock().unwrap().push(event);
    }
}

fn content() -> Arc<[u8]> {
    (0..LARGEST).map(|i| i as u8).collect()
}

struct Running {
    at: SocketAddr,
    files: Arc<OneFile>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(tls: Option<ServerTls>, limits: Limits) -> Running {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let files = Arc::new(OneFile::default());
    let (stop, stopped) = oneshot::channel();
    let of_server = Arc::clone(&files);
    let task = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        serve(listener, tls, of_server, limits, stopped).await;
    });
    Running {
        at,
        files,
        stop,
        task,
    }
}

async fn get(at: SocketAddr, path: &str, max_bytes: usize) -> Result<Answer, HttpFailure> {
    connect(at, None, LIMIT)
        .await?
        .get(path, max_bytes, LIMIT)
        .await
}

#[tokio::test]
async fn a_file_is_fetched_whole_and_others_have_their_status() {
    let server = start(None, Limits::default()).await;
    let answer = get(server.at, "/file", LARGEST).await.unwrap();
    assert_eq!((answer.status, answer.reason.as_str()), (200, "OK"));
    assert!(answer.body[..] == content()[..]);
    for (path, status, reason) in [
        ("/closed", 503, "Service Unavailable"),
        ("/other", 404, "Not Found"),
    ] {
        let answer = get(server.at, path, LARGEST).await.unwrap();
        assert_eq!((answer.status, answer.reason.as_str()), (status, reason));
        assert!(answer.body.is_empty());
    }
    let too_large = get(server.at, "/file", LARGEST - 1).await;
    let limit = LARGEST - 1;
    assert_eq!(too_large, Err(HttpFailure::TooLarge { limit }));
    let told = server.files.told.lock().unwrap();
    assert_eq!(told.len(), 4);
    assert!(
        matches!(&told[1], ServerEvent::Answered { path, answer: HttpAnswer::Status(503), .. } if path == "/closed")
    );
}

/// Printable names that no path may hold as they are.
#[tokio::test]
async fn odd_names_are_asked_for_as_they_are() {
    let server = start(None, Limits::default()).await;
    let names = ["/Soft Keys.xml", "/<a>", "/a#b", "/a?b", "/100%", "/a%20b"];
    for name in names {
        assert_eq!(get(server.at, name, 10).await.unwrap().status, 404);
    }
    let told = server.files.told.lock().unwrap();
    let asked = told.iter().map(|event| match event {
        ServerEvent::Answered { path, .. } => path.as_str(),
        _ => "",
    });
    assert_eq!(asked.collect::<Vec<_>>(), names);
}

/// A server that answers every connection with these bytes, after it has read something.
async fn by_hand(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 1_024];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(answer).await;
        }
    });
    at
}

#[tokio::test]
async fn odd_servers_are_told_apart() {
    let no_answer = Err(HttpFailure::NoAnswer);
    assert_eq!(get(by_hand(b"").await, "/f", 10).await, no_answer);
    let cut = by_hand(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    assert_eq!(
        get(cut, "/f", 10).await,
        Err(HttpFailure::CutOff { bytes: 4 })
    );
    for rubbish in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"HTTP/1.1 20000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        &[0xff; 64],
    ] {
        let found = get(by_hand(rubbish).await, "/f", 10).await;
        assert!(matches!(found, Err(HttpFailure::Protocol(_))), "{found:?}");
    }
    // Without a length the body goes on to the end, or to the limit.
    let body = by_hand(b"HTTP/1.0 200 Fine\r\n\r\n0123456789").await;
    let answer = get(body, "/f", 10).await.unwrap();
    assert_eq!(
        (answer.reason.as_str(), &answer.body[..]),
        ("Fine", &b"0123456789"[..])
    );
    let found = get(body, "/f", 9).await;
    assert_eq!(found, Err(HttpFailure::TooLarge { limit: 9 }));
    let chunked = by_hand(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nlong\r\n4\r\nlong\r\n0\r\n\r\n",
    )
    .await;
    assert_eq!(get(chunked, "/f", 8).await.unwrap().body, b"longlong");
    let found = get(chunked, "/f", 7).await;
    assert_eq!(found, Err(HttpFailure::TooLarge { limit: 7 }));
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = silent.local_addr().unwrap();
    let soon = Duration::from_millis(50);
    let open = connect(at, None, LIMIT).await.unwrap();
    let found = open.get("/f", 10, soon).await;
    assert_eq!(found, Err(HttpFailure::TimedOut));
    let tls = ClientTls::any(None, TlsOptions::default()).unwrap();
    let found = connect(at, Some(&tls), soon).await;
    assert!(matches!(found, Err(HttpFailure::TimedOut)), "{found:?}");
    drop(silent);
    let found = connect(at, None, LIMIT).await;
    assert!(matches!(found, Err(HttpFailure::Refused(_))), "{found:?}");
    // A server that reads endlessly many header lines stops at its limit.
    let server = start(
        None,
        Limits {
            head_within: soon,
            ..Limits::default()
        },
    )
    .await;
    let mut idle = TcpStream::connect(server.at).await.unwrap();
    let mut rest = Vec::new();
    let began = Instant::now();
    let _ = idle.read_to_end(&mut rest).await;
    // Far below the limit that it has unless it is told.
    assert!(began.elapsed() < Limits::default().head_within / 2);
    let mut flood = TcpStream::connect(server.at).await.unwrap();
    let line = vec![b'x'; 1_024];
    for _ in 0..1_000 {
        if flood.write_all(&line).await.is_err() {
            return;
        }
    }
    panic!("it took a megabyte of a header");
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let server = start(None, Limits::default()).await;
    for (request, expected) in [
        (
            "POST /file HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 405",
        ),
        ("HEAD /file HTTP/1.0\r\n\r\n", "HTTP/1.0 200"),
        ("GET /file?query HTTP/1.0\r\n\r\n", "HTTP/1.0 200"),
        ("GET nonsense\r\n\r\n", "HTTP/1.1 400"),
    ] {
        let mut stream = TcpStream::connect(server.at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer[..answer.len().min(400)]).into_owned();
        assert!(text.starts_with(expected), "{request}: {text}");
        if expected.ends_with("200") {
            let text = text.to_lowercase();
            assert!(
                text.contains(&format!("content-length: {LARGEST}")),
                "{text}"
            );
            assert!(text.contains("cache-control: no-store"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_closes_what_is_open() {
    let server = start(None, Limits::default()).await;
    let mut idle = TcpStream::connect(server.at).await.unwrap();
    assert!(get(server.at, "/file", LARGEST).await.is_ok());
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest).await;
    let found = connect(server.at, None, LIMIT).await;
    assert!(matches!(found, Err(HttpFailure::Refused(_))), "{found:?}");
}

#[tokio::test]
async fn more_clients_than_slots_are_all_served() {
    let few = Limits {
        connections: 2,
        ..Limits::default()
    };
    let server = start(None, few).await;
    let clients = (0..32).map(|_| tokio::spawn(get(server.at, "/file", LARGEST)));
    for client in clients.collect::<Vec<_>>() {
        assert_eq!(client.await.unwrap().unwrap().body.len(), LARGEST);
    }
}

/// The identity of a node's HTTPS: an EC key on P-384.
fn lab_identities() -> Vec<TlsIdentity> {
    let file = format!("{}/scenarios/https-record.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap();
    let scenario = scenario::parse(&file, &text, &Rules).unwrap();
    let started = at_start(&scenario, &mut |_| {}).unwrap();
    let lab = started.lab();
    let all = lab.nodes().into_iter();
    all.map(|id| lab.https_identity(id).unwrap()).collect()
}

#[tokio::test]
async fn over_tls_the_certificate_is_told_and_its_key_is_proven() {
    let [one, two] = &lab_identities()[..] else {
        panic!()
    };
    let server = |certificate: &TlsIdentity, key: &TlsIdentity| {
        let identity = Identity {
            certificate: certificate.certificate.to_vec(),
            key: key.key.to_vec(),
        };
        ServerTls::new(&identity, false, TlsOptions::default()).unwrap()
    };
    let client = ClientTls::any(None, TlsOptions::default()).unwrap();
    let honest = start(Some(server(one, one)), Limits::default()).await;
    let open = connect(honest.at, Some(&client), LIMIT).await.unwrap();
    let presented = open.tls().unwrap().peer_certificate.clone().unwrap();
    assert!(presented[..] == one.certificate[..]);
    let answer = open.get("/file", LARGEST, LIMIT).await.unwrap();
    assert_eq!(answer.body.len(), LARGEST);

    let thief = start(Some(server(one, two)), Limits::default()).await;
    let found = connect(thief.at, Some(&client), LIMIT).await;
    let Err(HttpFailure::Tls(text)) = found else {
        panic!("{found:?}")
    };
    assert!(text.contains("does not hold the key"), "{text}");

    // HTTP at the port of HTTPS, and the other way round.
    let plain = get(honest.at, "/file", LARGEST).await;
    assert!(plain.is_err(), "{plain:?}");
    let http = start(None, Limits::default()).await;
    let found = connect(http.at, Some(&client), LIMIT).await;
    assert!(matches!(found, Err(HttpFailure::Tls(_))), "{found:?}");
}
