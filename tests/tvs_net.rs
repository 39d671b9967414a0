//! TVS over TLS on loopback: both of trustline's ends, good and bad.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests on real sockets"
)]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use trustline::net::clock::Clock;
use trustline::net::tls::{
    ClientTls, Identity, ServerTls, SetupError, TlsFailure, TlsOptions, TlsVersions,
};
use trustline::net::tvs::{
    AskError, Deadlines, HandshakeFailure, Limits, Phase, ServeConfig, ServeEvent, Stage, ask,
    bind, connect, serve,
};
use trustline::time::Time;
use trustline::tvs::{
    CertificateSource, ClientSettings, ExchangeError, Found, Miss, RefuseReason, ServerEvent,
    ServerSettings,
};
use trustline::wire::tvs::{Answer, Request};

macro_rules! identity {
    ($name:literal) => {
        Identity {
            certificate: include_bytes!(concat!("../testdata/tvs/", $name, ".der")).to_vec(),
            key: include_bytes!(concat!("../testdata/tvs/", $name, ".p8")).to_vec(),
        }
    };
}

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const VERSIONS: [TlsVersions; 2] = [TlsVersions::Only12, TlsVersions::Only13];

fn only(versions: TlsVersions) -> TlsOptions {
    TlsOptions {
        versions,
        legacy: false,
    }
}

const LEGACY: TlsOptions = TlsOptions {
    versions: TlsVersions::Both,
    legacy: true,
};

/// Knows the serial 7 of `CN=b`.
struct Store;

impl CertificateSource for Store {
    fn query(&self, _: &[u8], issuer: &[u8], serial: &[u8], _: Time) -> Option<Found> {
        (issuer == b"CN=b" && serial == [7]).then(|| Found {
            certificate: vec![0x30; 1451],
            roles: vec![0, 3],
            ttl_secs: 86_400,
        })
    }

    fn verify(&self, _: &[u8], _: Time) -> Option<Found> {
        None
    }
}

fn query(serial: u8) -> Request {
    Request::Query {
        device: b"CP-8861-SEP001122334455".to_vec(),
        subject: b"CN=a".to_vec(),
        issuer: b"CN=b".to_vec(),
        serial: vec![serial],
    }
}

fn found() -> Answer {
    Answer {
        status: 0,
        certificate: Some(vec![0x30; 1451]),
        roles: Some(vec![0, 3]),
        ttl_secs: Some(86_400),
    }
}

/// A server that runs in the test's process until it is stopped.
struct Server {
    addr: SocketAddr,
    events: Arc<Mutex<Vec<ServeEvent>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    fn start(config: ServeConfig) -> Self {
        let listener = bind(LOOPBACK, 4096).unwrap();
        let addr = listener.local_addr().unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        let (stop, stopped) = oneshot::channel::<()>();
        let observer = Arc::new(move |event| log.lock().unwrap().push(event));
        let task = tokio::spawn(serve(listener, config, Arc::new(Store), observer, async {
            let _ = stopped.await;
        }));
        Self {
            addr,
            events,
            stop,
            task,
        }
    }

    async fn stop(self) -> Vec<ServeEvent> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// Waits until the server has reported `wanted`.
    async fn reports(&self, wanted: impl Fn(&ServeEvent) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(10);
        while !self.events.lock().unwrap().iter().any(&wanted) {
            assert!(
                Instant::now() < give_up,
                "reported {:?}",
                self.events.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn config(identity: &Identity, options: TlsOptions) -> ServeConfig {
    ServeConfig {
        tls: ServerTls::new(identity, true, options).unwrap(),
        settings: ServerSettings::default(),
        limits: Limits::default(),
        close_notify: false,
        clock: Clock::start(),
    }
}

async fn ask_it(addr: SocketAddr, tls: &ClientTls, serial: u8) -> Result<Answer, AskError> {
    let settings = ClientSettings::default();
    let asked = ask(
        addr,
        tls,
        &query(serial),
        1001,
        settings,
        Deadlines::default(),
    )
    .await;
    asked.map(|(answer, _)| answer)
}

fn pinned(identity: &Identity) -> ClientTls {
    ClientTls::new(
        vec![identity.certificate.clone()],
        None,
        TlsOptions::default(),
    )
    .unwrap()
}

#[tokio::test]
async fn a_question_is_answered_with_and_without_close_notify() {
    let identity = identity!("a-tvs");
    for versions in VERSIONS {
        for close_notify in [false, true] {
            let server = Server::start(ServeConfig {
                close_notify,
                ..config(&identity, only(versions))
            });
            let pins = vec![identity!("b-tvs").certificate, identity.certificate.clone()];
            let tls = ClientTls::new(pins, None, TlsOptions::default()).unwrap();
            let connection = connect(server.addr, &tls, Deadlines::default())
                .await
                .unwrap();
            let info = connection.info().clone();
            assert_eq!(info.peer_certificate.as_ref(), Some(&identity.certificate));
            let expected = match versions {
                TlsVersions::Only12 => ("TLS 1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
                _ => ("TLS 1.3", "TLS13_AES_256_GCM_SHA384"),
            };
            assert_eq!((info.version, info.suite), expected);
            let answer = connection
                .ask(&query(7), 1001, ClientSettings::default())
                .await;
            assert_eq!(answer.unwrap(), found());
            assert_eq!(
                ask_it(server.addr, &tls, 8).await.unwrap(),
                Answer::unknown()
            );
            let events = server.stop().await;
            let asked = ServerEvent::Asked {
                session: 1001,
                request: query(7),
            };
            assert!(events.iter().any(
                |event| matches!(event, ServeEvent::Exchange { event, .. } if *event == asked)
            ));
        }
    }
}

#[tokio::test]
async fn odd_certificates_are_pinned_like_any_other() {
    let v1 = Identity {
        certificate: include_bytes!("../testdata/tvs/v1.der").to_vec(),
        key: identity!("a-tvs2").key,
    };
    for identity in [
        v1,
        identity!("s-negative"),
        identity!("v-expired"),
        identity!("d-lsc-ec"),
    ] {
        for versions in VERSIONS {
            let server = Server::start(config(&identity, only(versions)));
            let answer = ask_it(server.addr, &pinned(&identity), 7).await;
            assert_eq!(answer.unwrap(), found());
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_and_named() {
    let server = Server::start(config(&identity!("b-tvs"), TlsOptions::default()));
    let error = ask_it(server.addr, &pinned(&identity!("a-tvs")), 7)
        .await
        .unwrap_err();
    let presented = identity!("b-tvs").certificate;
    assert_eq!(error, AskError::Tls(TlsFailure::NotPinned { presented }));
    assert_eq!(
        error.to_string(),
        "the server's certificate (890 bytes) is not in the list"
    );
    server
        .reports(|event| {
            let name = "CertificateUnknown".to_owned();
            let alert = TlsFailure::Alert { code: 46, name };
            matches!(event, ServeEvent::HandshakeFailed { failure, .. }
                if *failure == HandshakeFailure::Tls(alert.clone()))
        })
        .await;
    server.stop().await;
}

#[tokio::test]
async fn the_pinned_certificate_with_another_key_is_refused() {
    let impostors = [
        ("a-tvs2", identity!("a-tvs2").key),
        ("EC", identity!("d-lsc-ec").key),
    ];
    for (name, key) in impostors {
        let certificate = identity!("a-tvs").certificate;
        let impostor = Identity {
            certificate: certificate.clone(),
            key,
        };
        for versions in VERSIONS {
            let server = Server::start(config(&impostor, only(versions)));
            let error = ask_it(server.addr, &pinned(&identity!("a-tvs")), 7)
                .await
                .unwrap_err();
            let presented = certificate.clone();
            let expected = AskError::Tls(TlsFailure::WrongKey { presented });
            assert_eq!(error, expected, "key of {name}, {versions:?}");
            let events = server.stop().await;
            let served = |event: &ServeEvent| matches!(event, ServeEvent::Exchange { .. });
            assert!(
                !events.iter().any(served),
                "no question was sent: {events:?}"
            );
        }
    }
}

#[tokio::test]
async fn rsa_1024_needs_the_legacy_mode_at_the_asking_end() {
    let old = identity!("a-sast-1024");
    assert!(matches!(
        ServerTls::new(&old, true, only(TlsVersions::Both)),
        Err(SetupError::Key(_))
    ));
    let contradiction = TlsOptions {
        versions: TlsVersions::Only13,
        legacy: true,
    };
    assert!(matches!(
        ServerTls::new(&old, true, contradiction),
        Err(SetupError::LegacyNeeds12)
    ));

    let server = Server::start(config(&old, LEGACY));
    let pins = || vec![old.certificate.clone()];
    let strict = ClientTls::new(pins(), None, TlsOptions::default()).unwrap();
    let refused = ask_it(server.addr, &strict, 7).await.unwrap_err();
    let presented = old.certificate.clone();
    assert_eq!(refused, AskError::Tls(TlsFailure::WrongKey { presented }));

    let lsc = identity!("d-lsc-1024");
    let legacy = ClientTls::new(pins(), Some(&lsc), LEGACY).unwrap();
    let connection = connect(server.addr, &legacy, Deadlines::default())
        .await
        .unwrap();
    assert_eq!(connection.info().version, "TLS 1.2");
    let answer = connection
        .ask(&query(7), 1, ClientSettings::default())
        .await;
    assert_eq!(answer.unwrap(), found());
    server
        .reports(|event| presented_by(event) == Some(&lsc.certificate))
        .await;
    server.stop().await;

    // The legacy mode still demands the right key.
    let impostor = Identity {
        key: lsc.key,
        ..old.clone()
    };
    let server = Server::start(config(&impostor, LEGACY));
    let legacy = ClientTls::new(pins(), None, LEGACY).unwrap();
    let refused = ask_it(server.addr, &legacy, 7).await.unwrap_err();
    assert!(
        matches!(refused, AskError::Tls(TlsFailure::WrongKey { .. })),
        "{refused:?}"
    );
    server.stop().await;
}

fn presented_by(event: &ServeEvent) -> Option<&Vec<u8>> {
    match event {
        ServeEvent::Connected { tls, .. } => tls.peer_certificate.as_ref(),
        _ => None,
    }
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_reported_and_not_required() {
    for versions in VERSIONS {
        let server = Server::start(config(&identity!("a-tvs"), only(versions)));
        let pins = || vec![identity!("a-tvs").certificate];
        for lsc in [identity!("d-lsc"), identity!("d-lsc-ec")] {
            let tls = ClientTls::new(pins(), Some(&lsc), TlsOptions::default()).unwrap();
            assert_eq!(ask_it(server.addr, &tls, 7).await.unwrap(), found());
            server
                .reports(|event| presented_by(event) == Some(&lsc.certificate))
                .await;
        }
        let subject = |event: &ServeEvent| match event {
            ServeEvent::Connected { tls, .. } => tls.peer_subject().map(<[u8]>::to_vec),
            _ => None,
        };
        server
            .reports(|event| {
                subject(event).is_some_and(|s| s.windows(15).any(|w| w == b"SEP001122334455"))
            })
            .await;
        // Who presents a certificate must hold its key.
        let liar = Identity {
            key: identity!("d-lsc").key,
            ..identity!("s-negative")
        };
        let tls = ClientTls::new(pins(), Some(&liar), TlsOptions::default()).unwrap();
        let error = ask_it(server.addr, &tls, 7).await.unwrap_err();
        assert!(
            matches!(error, AskError::Tls(TlsFailure::Alert { .. })),
            "{error:?}"
        );
        assert_eq!(
            ask_it(server.addr, &pinned(&identity!("a-tvs")), 7)
                .await
                .unwrap(),
            found()
        );
        server.reports(|event| matches!(event, ServeEvent::Connected { tls, .. } if tls.peer_certificate.is_none())).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn failures_before_tls_are_told_apart() {
    let tls = pinned(&identity!("a-tvs"));
    let short = Duration::from_millis(50);

    let closed = TcpListener::bind(LOOPBACK)
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = ask_it(closed, &tls, 7).await.unwrap_err();
    assert_eq!(error, AskError::Connect(ErrorKind::ConnectionRefused));

    let mute = TcpListener::bind(LOOPBACK).await.unwrap();
    let addr = mute.local_addr().unwrap();
    for deadlines in [
        Deadlines {
            handshake: short,
            ..Deadlines::default()
        },
        Deadlines {
            total: short,
            ..Deadlines::default()
        },
    ] {
        let start = Instant::now();
        let error = connect(addr, &tls, deadlines).await.unwrap_err();
        assert_eq!(error, AskError::Timeout(Phase::Handshake));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    let rude = TcpListener::bind(LOOPBACK).await.unwrap();
    let addr = rude.local_addr().unwrap();
    let task = tokio::spawn(async move {
        drop(rude.accept().await);
        let (mut stream, _) = rude.accept().await.unwrap();
        stream.write_all(b"220 mail ready\r\n").await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let error = ask_it(addr, &tls, 7).await.unwrap_err();
    assert!(
        matches!(error, AskError::Tls(TlsFailure::Closed(_))),
        "{error:?}"
    );
    let error = ask_it(addr, &tls, 7).await.unwrap_err();
    assert!(
        matches!(error, AskError::Tls(TlsFailure::Protocol(_))),
        "{error:?}"
    );
    task.await.unwrap();

    let server = Server::start(config(&identity!("a-tvs"), only(TlsVersions::Only12)));
    let pins = vec![identity!("a-tvs").certificate];
    let newer = ClientTls::new(pins, None, only(TlsVersions::Only13)).unwrap();
    let error = ask_it(server.addr, &newer, 7).await.unwrap_err();
    let name = "ProtocolVersion".to_owned();
    assert_eq!(error, AskError::Tls(TlsFailure::Alert { code: 70, name }));
    server.stop().await;
}

/// A TLS server that answers with the given pieces, with a pause between them, and then stays or
/// closes.
async fn scripted(
    pieces: Vec<Vec<u8>>,
    pause: Duration,
    stay: bool,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let tls = ServerTls::new(&identity!("a-tvs"), false, TlsOptions::default()).unwrap();
    let task = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(tls.config());
        let mut stream = acceptor.accept(tcp).await.unwrap();
        let mut request = [0; 1024];
        let n = stream.read(&mut request).await.unwrap();
        assert_eq!(request[..3], [0x57, 1, 3], "{n} bytes in one record");
        for piece in pieces {
            if stream
                .write_all(&piece)
                .await
                .and(stream.flush().await)
                .is_err()
            {
                return;
            }
            tokio::time::sleep(pause).await;
        }
        if stay {
            let _ = stream.read(&mut request).await;
        }
    });
    (addr, task)
}

fn reply(session: u32) -> Vec<u8> {
    use trustline::wire::tvs::{Command, Message, Tags};
    let tags = Tags::default();
    Message::from_answer(&found(), Command::QueryResponse, session, &tags)
        .emit()
        .unwrap()
}

#[tokio::test]
async fn answers_in_pieces_cut_off_late_and_to_others() {
    let tls = pinned(&identity!("a-tvs"));
    let pause = Duration::from_millis(1);

    let single = reply(1001).chunks(16).map(<[u8]>::to_vec).collect();
    let (addr, task) = scripted(single, Duration::ZERO, true).await;
    assert_eq!(
        ask_it(addr, &tls, 7).await.unwrap(),
        found(),
        "does not wait for the close"
    );
    task.await.unwrap();

    let (addr, task) = scripted(vec![reply(1001)[..700].to_vec()], pause, false).await;
    let error = ask_it(addr, &tls, 7).await.unwrap_err();
    let received = reply(1001)[..700].to_vec();
    let missing = reply(1001).len() - 700;
    assert_eq!(
        error,
        AskError::Exchange(ExchangeError::Closed { received, missing })
    );
    task.await.unwrap();

    let (addr, task) = scripted(vec![reply(1002)], pause, true).await;
    let error = ask_it(addr, &tls, 7).await.unwrap_err();
    let expected = ExchangeError::Session {
        sent: 1001,
        received: 1002,
    };
    assert_eq!(error, AskError::Exchange(expected));
    task.await.unwrap();

    let dribble = reply(1001).chunks(1).map(<[u8]>::to_vec).collect();
    let (addr, task) = scripted(dribble, Duration::from_millis(5), true).await;
    let settings = ClientSettings {
        answer_within: Duration::from_millis(60),
        ..ClientSettings::default()
    };
    let asked = ask(addr, &tls, &query(7), 1001, settings, Deadlines::default()).await;
    let Err(AskError::Exchange(ExchangeError::Deadline { received })) = asked else {
        panic!("{asked:?}");
    };
    assert!(reply(1001).starts_with(&received));
    task.await.unwrap();
}

#[tokio::test]
async fn bad_clients_are_closed_without_a_word_and_reported() {
    let identity = identity!("a-tvs");
    let short = Duration::from_millis(400);
    let mut config = config(&identity, TlsOptions::default());
    config.settings.miss = Miss::Close;
    config.settings.request_within = short;
    config.limits.handshake_within = short;
    let server = Server::start(config);
    let tls = pinned(&identity);
    let refused = |wanted: fn(&RefuseReason) -> bool| {
        move |event: &ServeEvent| {
            matches!(event, ServeEvent::Exchange { event: ServerEvent::Refused(reason), .. }
                if wanted(reason))
        }
    };

    let error = ask_it(server.addr, &tls, 8).await.unwrap_err();
    let closed = ExchangeError::Closed {
        received: Vec::new(),
        missing: 10,
    };
    assert_eq!(error, AskError::Exchange(closed));
    server
        .reports(refused(|reason| *reason == RefuseReason::Unknown))
        .await;

    let speak = async |bytes: &[u8]| {
        let tcp = TcpStream::connect(server.addr).await.unwrap();
        let name = rustls::pki_types::ServerName::IpAddress(server.addr.ip().into());
        let connector = tokio_rustls::TlsConnector::from(tls.config());
        let mut stream = connector.connect(name, tcp).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "not a byte");
    };
    speak(b"GET / HTTP/1.0\r\n\r\n").await;
    server
        .reports(refused(|reason| {
            matches!(reason, RefuseReason::Malformed(_))
        }))
        .await;
    speak(&[0x57, 1]).await;
    server
        .reports(refused(|reason| {
            matches!(reason, RefuseReason::Deadline { .. })
        }))
        .await;

    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    assert_eq!(
        silent.read(&mut [0; 1]).await.unwrap_or(0),
        0,
        "closed at the deadline"
    );
    let late = HandshakeFailure::Deadline(Stage::Silent);
    server
        .reports(|event| {
            matches!(event, ServeEvent::HandshakeFailed { failure, .. } if *failure == late)
        })
        .await;
    let mut rubbish = TcpStream::connect(server.addr).await.unwrap();
    rubbish.write_all(b"220 mail ready\r\n").await.unwrap();
    let _ = rubbish.read_to_end(&mut Vec::new()).await;
    server
        .reports(|event| {
            matches!(
                event,
                ServeEvent::HandshakeFailed {
                    failure: HandshakeFailure::Tls(TlsFailure::Protocol(_)),
                    ..
                }
            )
        })
        .await;
    assert_eq!(ask_it(server.addr, &tls, 7).await.unwrap(), found());
    server.stop().await;
}

#[tokio::test]
async fn a_stopped_server_cuts_its_connections() {
    let server = Server::start(config(&identity!("a-tvs"), TlsOptions::default()));
    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    let addr = server.addr;
    let tls = pinned(&identity!("a-tvs"));
    assert_eq!(ask_it(addr, &tls, 7).await.unwrap(), found());
    server.stop().await;
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
    let error = ask_it(addr, &tls, 7).await.unwrap_err();
    assert_eq!(error, AskError::Connect(ErrorKind::ConnectionRefused));
}
