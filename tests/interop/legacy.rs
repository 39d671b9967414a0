//! TVS of old releases, played by openssl s_server: TLS below 1.2, or AES256-SHA alone.
//!
//! | Case | With the feature `legacy-tls` | Without |
//! |---|---|---|
//! | TLS 1.0, 1.1, and 1.2 with AES256-SHA alone, certificate asked or not | QUERY of 153 bytes, scripted answer of 1480 | |
//! | a server with another certificate | refused, the certificate presented is named | |
//! | old and odd certificates | taken if they are in the list | |
//! | a silent, a slow, a closing and a talkative server | the deadline holds, nothing blocks | |
//! | a server that knows nothing of RFC 5746 | is no reason to refuse it | |
//! | `trustline phone`, its TVS at TLS 1.0 | asks, is answered, installs | says what is wanted and how to have it |

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests on real sockets and files"
)]

use std::io::Write;
use std::net::SocketAddr;
use std::process::{ChildStdin, Output};

use trustline::phone::flash::CONFIG;
use trustline::wire::phone_config::{PhoneConfig, TvsServer};
use trustline::wire::tvs::{Answer, Duplicates, HEADER_LEN, Message, Request, Tags};

use crate::peer::{Peer, files_at, s_server_with};
use crate::phone_lab::{DEVICE, Lab, said, stdout, text};

const OLDEST: [&str; 3] = ["-tls1", "-cipher", "AES256-SHA@SECLEVEL=0"];

/// A phone that must ask the TVS of its source, which an `s_server` with that TVS's certificate
/// plays.
struct Pilot {
    lab: Lab,
    peer: Peer,
    stdin: Option<ChildStdin>,
    config: std::path::PathBuf,
    tvs: SocketAddr,
}

impl Pilot {
    fn new(options: &[&str]) -> Self {
        let lab = Lab::of("non-secure-migration");
        let identity = {
            let clusters = lab.rehearsed.lab();
            let node = clusters.host("src-pub").unwrap();
            clusters.tvs_identity(node).unwrap()
        };
        let put = |name: &str, bytes: &[u8]| {
            let path = lab.dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let certificate = put("tvs.der", &identity.certificate);
        let key = put("tvs.p8", &identity.key);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let files = files_at(&certificate, &key);
        let (peer, stdin, tvs) = runtime.block_on(s_server_with(&files, options));
        let held = lab.rehearsed.phones[0].before.get(CONFIG).unwrap().clone();
        let mut config = PhoneConfig::parse(&held).unwrap();
        config.tvs = vec![TvsServer {
            priority: 0,
            host: tvs.ip().to_string(),
            port: tvs.port(),
        }];
        let config = put("config-of-an-old-tvs.xml", config.emit().as_bytes());
        Self {
            lab,
            peer,
            stdin: Some(stdin),
            config,
            tvs,
        }
    }

    /// Runs the phone, and answers its question, if it gets to ask one.
    fn run(&mut self, more: &[&str]) -> Output {
        let itl = self.lab.before("ITLFile.tlv").unwrap();
        let mut args = vec!["--tftp", "dst-pub", "--once", "--installed", &itl];
        args.extend(["--config", text(&self.config)]);
        args.extend(more);
        let mut command = self.lab.command(&args);
        let (peer, stdin, lab) = (&self.peer, self.stdin.take(), &self.lab);
        let phone = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::scope(|scope| {
            let output = scope.spawn(|| phone.wait_with_output().unwrap());
            let stdin = stdin.and_then(|stdin| answer(peer, stdin, lab, || output.is_finished()));
            let output = output.join().unwrap();
            drop(stdin);
            output
        })
    }
}

/// Answers one question as the source's publisher would; none if nobody asked.
fn answer(
    peer: &Peer,
    mut stdin: ChildStdin,
    lab: &Lab,
    is_over: impl Fn() -> bool,
) -> Option<ChildStdin> {
    let mut wanted = HEADER_LEN;
    let asked = loop {
        let seen = peer.has_written();
        if let Some(length) = seen.get(HEADER_LEN - 2..HEADER_LEN) {
            wanted = HEADER_LEN + usize::from(u16::from_be_bytes([length[0], length[1]]));
        }
        if seen.len() >= wanted.max(HEADER_LEN + 1) {
            break seen;
        }
        if is_over() {
            assert_eq!(seen, b"", "half a question");
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    let tags = Tags::default();
    let message = Message::parse(&asked, &tags).unwrap();
    let request = message.request(&tags, Duplicates::Refuse).unwrap();
    let Request::Query {
        device,
        subject,
        issuer,
        serial,
    } = &request
    else {
        panic!("another question: {request:?}");
    };
    assert_eq!(device, format!("CP-8861-{DEVICE}").as_bytes());
    let found = {
        let clusters = lab.rehearsed.lab();
        let node = clusters.host("src-pub").unwrap();
        clusters.query(node, subject, issuer, serial).unwrap()
    };
    let answer = Answer {
        status: 0,
        certificate: Some(found.certificate),
        roles: Some(found.roles),
        ttl_secs: Some(found.ttl_secs),
    };
    let command = trustline::wire::tvs::Command::QueryResponse;
    let bytes = Message::from_answer(&answer, command, message.session, &tags).emit();
    stdin.write_all(&bytes.unwrap()).unwrap();
    stdin.flush().unwrap();
    Some(stdin)
}

/// What the phone says of a TVS that it does not come to terms with.
fn refused(pilot: &mut Pilot, more: &[&str], expected: &[&str]) {
    let output = pilot.run(more);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = stdout(&output);
    for part in expected {
        assert!(told.contains(part), "{part} is not in\n{}", said(&output));
    }
    assert!(told.contains("[tvs-handshake-failed]"), "{told}");
}

/// Servers that speak something that rustls does not, and what the phone says they want.
const TOO_OLD: [(&[&str], &str); 2] = [
    (&OLDEST, "seems to want TLS 1.0 or 1.1"),
    (
        &["-tls1_2", "-cipher", "AES256-SHA"],
        "seems to want a suite without forward secrecy, such as AES256-SHA",
    ),
];

#[cfg(not(feature = "legacy-tls"))]
#[test]
#[ignore = "needs openssl"]
fn without_the_feature_the_phone_says_what_the_server_wants_and_how_to_have_it() {
    for (options, wanted) in TOO_OLD {
        let mut pilot = Pilot::new(options);
        let tvs = pilot.tvs.to_string();
        let expected = [wanted, "--features legacy-tls", &tvs];
        refused(&mut pilot, &[], &expected);
    }
    let mut pilot = Pilot::new(&OLDEST);
    let firmware = ["--profile", "7900", "--legacy-tls", "by-profile"];
    let output = pilot.run(&firmware);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(crate::phone_lab::stderr(&output).contains("--features legacy-tls"));
}

#[cfg(feature = "legacy-tls")]
mod built_in {
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;
    use std::time::{Duration, Instant};

    use tokio::io::AsyncWriteExt;
    use trustline::net::tls::{
        Identity, LegacyTls, LegacyVersions, ServerTls, TlsFailure, TlsOptions,
    };
    use trustline::net::tvs::{
        AskError, Deadlines, DialError, Dialled, Phase, TvsTls, connect_legacy, dial,
    };
    use trustline::tvs::{ClientSettings, ExchangeError};

    use super::{OLDEST, Pilot, SocketAddr, TOO_OLD, Write, refused, said, stdout};
    use crate::peer::{SESSION, answer_once_asked, lab, recorded_answer, recorded_query, s_server};

    /// Short enough for a test that waits for them.
    const SHORT: Deadlines = Deadlines {
        connect: Duration::from_millis(300),
        handshake: Duration::from_millis(300),
        total: Duration::from_millis(900),
    };

    async fn dialled(
        pin: &str,
        addr: SocketAddr,
        identity: Option<&Identity>,
        choice: TvsTls,
    ) -> Result<Dialled, DialError> {
        let pins = vec![lab("d-lsc").certificate, lab(pin).certificate];
        dial(addr, pins, identity, choice, Deadlines::default()).await
    }

    fn client(pin: &str) -> LegacyTls {
        LegacyTls::new(vec![lab(pin).certificate], None, LegacyVersions::UpTo12).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs openssl"]
    async fn a_tvs_with_old_tls_alone_is_asked() {
        for (options, version, suite) in [
            (&OLDEST[..], "TLS 1.0", "AES256-SHA"),
            (
                &["-tls1", "-cipher", "ECDHE-RSA-AES256-SHA@SECLEVEL=0"],
                "TLS 1.0",
                "ECDHE-RSA-AES256-SHA",
            ),
            (
                &["-tls1_1", "-cipher", "AES256-SHA@SECLEVEL=0"],
                "TLS 1.1",
                "AES256-SHA",
            ),
            (
                &["-tls1_2", "-cipher", "AES256-SHA"],
                "TLS 1.2",
                "AES256-SHA",
            ),
        ] {
            for verify in [&[][..], &["-Verify", "1"][..]] {
                let options = [options, verify].concat();
                let lsc = (!verify.is_empty()).then(|| lab("d-lsc"));
                let (peer, stdin, addr) = s_server("a-tvs", &options).await;
                let choice = TvsTls::LegacyIfRefused;
                let dialled = dialled("a-tvs", addr, lsc.as_ref(), choice).await.unwrap();
                assert!(dialled.because.is_some());
                let connection = dialled.connection;
                let info = connection.info();
                assert_eq!((info.version, info.suite), (version, suite));
                assert_eq!(info.peer_certificate, Some(lab("a-tvs").certificate));
                let request = recorded_query();
                let asked = connection.ask(&request, SESSION, ClientSettings::default());
                let script = answer_once_asked(&peer, stdin);
                let (answer, _stdin) = tokio::join!(asked, script);
                assert_eq!(answer.unwrap(), recorded_answer(), "{options:?}");
            }
        }
    }

    #[tokio::test]
    #[ignore = "needs openssl"]
    async fn a_newer_tvs_is_spoken_to_with_newer_tls() {
        let (_peer, _stdin, addr) = s_server("a-tvs", &[]).await;
        let dialled = dialled("a-tvs", addr, None, TvsTls::LegacyIfRefused).await;
        let dialled = dialled.unwrap();
        assert_eq!(dialled.connection.info().version, "TLS 1.3");
        assert_eq!(dialled.because, None);
    }

    #[tokio::test]
    #[ignore = "needs openssl"]
    async fn a_strangers_certificate_is_refused_and_named() {
        let presented = lab("b-tvs").certificate;
        for options in [&OLDEST[..], &["-tls1_2", "-cipher", "AES256-SHA"]] {
            let (_peer, _stdin, addr) = s_server("b-tvs", options).await;
            let refused = dialled("a-tvs", addr, None, TvsTls::LegacyIfRefused).await;
            let Err(DialError::Failed(AskError::Tls(failure))) = refused else {
                panic!("{refused:?}");
            };
            let presented = presented.clone();
            assert_eq!(failure, TlsFailure::NotPinned { presented });
        }
        let none = LegacyTls::new(Vec::new(), None, LegacyVersions::UpTo12).unwrap();
        let (_peer, _stdin, addr) = s_server("b-tvs", &OLDEST).await;
        let refused = connect_legacy(addr, &none, Deadlines::default()).await;
        let failure = TlsFailure::NotPinned { presented };
        assert_eq!(refused.unwrap_err(), AskError::Tls(failure));
    }

    #[tokio::test]
    #[ignore = "needs openssl"]
    async fn a_tvs_that_insists_on_a_certificate_gets_none_and_says_so() {
        let options = [&OLDEST[..], &["-Verify", "1"]].concat();
        let (_peer, _stdin, addr) = s_server("a-tvs", &options).await;
        let refused = dialled("a-tvs", addr, None, TvsTls::LegacyIfRefused).await;
        let Err(DialError::Neither { legacy, .. }) = refused else {
            panic!("{refused:?}");
        };
        let name = "HandshakeFailure".into();
        assert_eq!(legacy, TlsFailure::Alert { code: 40, name });
    }

    #[tokio::test]
    #[ignore = "needs openssl"]
    async fn old_and_odd_certificates_are_taken_if_they_are_in_the_list() {
        let lsc = lab("d-lsc-1024");
        for name in ["a-sast-1024", "s-negative", "v-expired"] {
            let options = [&OLDEST[..], &["-Verify", "1"]].concat();
            let (_peer, _stdin, addr) = s_server(name, &options).await;
            let pins = vec![lab(name).certificate];
            let tls = LegacyTls::new(pins, Some(&lsc), LegacyVersions::UpTo12).unwrap();
            let connection = connect_legacy(addr, &tls, Deadlines::default()).await;
            let connection = connection.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(connection.info().version, "TLS 1.0", "{name}");
        }
    }

    #[tokio::test]
    #[ignore = "needs openssl"]
    async fn the_oldest_firmware_has_tls_1_0_alone() {
        let (_peer, _stdin, addr) = s_server("a-tvs", &OLDEST).await;
        let dialled10 = dialled("a-tvs", addr, None, TvsTls::Firmware10)
            .await
            .unwrap();
        assert_eq!(dialled10.connection.info().version, "TLS 1.0");
        // The second has TLS 1.0, and its security level leaves that no signature.
        for (options, code) in [(&["-tls1_2"][..], 70), (&[], 80)] {
            let (_peer, _stdin, addr) = s_server("a-tvs", options).await;
            let refused = dialled("a-tvs", addr, None, TvsTls::Firmware10).await;
            let Err(DialError::TooNew { refused }) = refused else {
                panic!("{refused:?}");
            };
            let TlsFailure::Alert { code: found, .. } = refused else {
                panic!("{refused}");
            };
            assert_eq!(found, code);
        }
    }

    #[test]
    #[ignore = "runs with the feature alone"]
    fn a_key_that_is_not_the_certificates_is_refused_at_once() {
        let mixed = Identity {
            key: lab("a-tvs").key,
            ..lab("d-lsc")
        };
        let refused = LegacyTls::new(Vec::new(), Some(&mixed), LegacyVersions::UpTo12);
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("private key cannot be used"), "{text}");
    }

    #[tokio::test]
    #[ignore = "runs with the feature alone"]
    async fn a_server_without_the_key_of_its_certificate_is_refused() {
        let imposter = Identity {
            key: lab("b-tvs").key,
            ..lab("a-tvs")
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let tls = ServerTls::new(&imposter, false, TlsOptions::default()).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(tls.config());
        let server = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            acceptor.accept(tcp).await.map(drop).unwrap_err()
        });
        let refused = connect_legacy(addr, &client("a-tvs"), Deadlines::default()).await;
        let presented = lab("a-tvs").certificate;
        let failure = TlsFailure::WrongKey { presented };
        assert_eq!(refused.unwrap_err(), AskError::Tls(failure));
        server.await.unwrap();
    }

    /// On one thread: whatever blocked it would hold the ticks up.
    #[tokio::test]
    #[ignore = "runs with the feature alone"]
    async fn a_silent_or_slow_server_blocks_nobody_and_holds_to_the_deadline() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        for trickles in [false, true] {
            let asked = async {
                let start = Instant::now();
                let refused = connect_legacy(addr, &client("a-tvs"), SHORT).await;
                assert_eq!(refused.unwrap_err(), AskError::Timeout(Phase::Handshake));
                start.elapsed()
            };
            let server = async {
                let (mut tcp, _) = listener.accept().await.unwrap();
                // The beginning of a record that never becomes whole.
                let mut bytes = [0x16, 3, 1, 0x40, 0]
                    .into_iter()
                    .chain(std::iter::repeat(0));
                let mut ticks = 0;
                let end = Instant::now() + SHORT.handshake;
                while Instant::now() < end {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    ticks += 1;
                    if trickles {
                        // A client that gives up closes.
                        let _ = tcp.write_all(&[bytes.next().unwrap()]).await;
                    }
                }
                // Whoever hangs up before the client's deadline resets its connection.
                (ticks, tcp)
            };
            let (took, (ticks, _tcp)) = tokio::join!(asked, server);
            assert!(took >= SHORT.handshake, "{took:?}");
            assert!(took < SHORT.handshake * 4, "{took:?}");
            assert!(ticks > 10, "{ticks}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs openssl"]
    async fn a_server_that_falls_silent_closes_or_talks_on_ends_the_question() {
        let request = recorded_query();
        let ask = |addr| {
            let request = &request;
            async move {
                let deadlines = Deadlines {
                    total: Duration::from_secs(2),
                    ..Deadlines::default()
                };
                let connection = connect_legacy(addr, &client("a-tvs"), deadlines).await;
                let settings = ClientSettings::default();
                connection.unwrap().ask(request, SESSION, settings).await
            }
        };
        let (peer, _stdin, addr) = s_server("a-tvs", &OLDEST).await;
        let silent = ask(addr).await.unwrap_err();
        assert!(
            matches!(silent, AskError::Exchange(ExchangeError::Deadline { .. })),
            "{silent}"
        );
        drop(peer);

        let (peer, _stdin, addr) = s_server("a-tvs", &OLDEST).await;
        let closing = thread::spawn(move || {
            peer.wrote(1);
            drop(peer);
        });
        let closed = ask(addr).await.unwrap_err();
        closing.join().unwrap();
        assert!(
            matches!(closed, AskError::Exchange(ExchangeError::Closed { .. })),
            "{closed}"
        );

        let (peer, mut stdin, addr) = s_server("a-tvs", &OLDEST).await;
        // The server takes this in once it has a client, and no more when that is gone.
        let talking = thread::spawn(move || while stdin.write_all(&[0x57; 65_536]).is_ok() {});
        let start = Instant::now();
        let rubbish = ask(addr).await.unwrap_err();
        assert!(matches!(rubbish, AskError::Exchange(_)), "{rubbish}");
        assert!(start.elapsed() < Duration::from_secs(5));
        drop(peer);
        talking.join().unwrap();
    }

    /// As OpenSSL 0.9.8 and older answer: TLS 1.0 without a single extension.
    #[tokio::test]
    #[ignore = "runs with the feature alone"]
    async fn a_server_without_secure_renegotiation_is_spoken_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            let mut header = [0; 5];
            tcp.read_exact(&mut header).unwrap();
            let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
            tcp.read_exact(&mut hello).unwrap();
            tcp.write_all(&old_hello(&lab("a-tvs").certificate))
                .unwrap();
            let mut answer = [0; 6];
            tcp.read_exact(&mut answer).unwrap();
            answer
        });
        let connecting = connect_legacy(addr, &client("a-tvs"), SHORT).await;
        // Nobody finishes the handshake.
        assert!(connecting.is_err());
        let answer = server.join().unwrap();
        let (handshake, client_key_exchange) = (0x16, 0x10);
        assert_eq!((answer[0], answer[5]), (handshake, client_key_exchange));
    }

    /// ServerHello for AES256-SHA, Certificate and ServerHelloDone in one record of TLS 1.0.
    fn old_hello(certificate: &[u8]) -> Vec<u8> {
        let three = |n: usize| u32::try_from(n).unwrap().to_be_bytes()[1..].to_vec();
        let message = |kind: u8, body: Vec<u8>| [vec![kind], three(body.len()), body].concat();
        let hello = [&[3, 1][..], &[7; 32], &[0], &[0, 0x35], &[0]].concat();
        let chain = [three(certificate.len()), certificate.to_vec()].concat();
        let chain = [three(chain.len()), chain].concat();
        let flight = [
            message(2, hello),
            message(11, chain),
            message(14, Vec::new()),
        ]
        .concat();
        let length = u16::try_from(flight.len()).unwrap().to_be_bytes();
        [&[0x16, 3, 1][..], &length, &flight].concat()
    }

    #[test]
    #[ignore = "needs openssl"]
    fn a_phone_whose_tvs_is_old_asks_is_answered_and_installs() {
        for (options, _) in TOO_OLD {
            let mut pilot = Pilot::new(options);
            let output = pilot.run(&["-v"]);
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            let told = stdout(&output);
            assert!(told.contains("follows these servers"), "{told}");
            assert!(told.contains("AES256-SHA of OpenSSL, after"), "{told}");
            assert!(!told.contains("stands in"), "{told}");
            let held = pilot.lab.held("ITLFile.tlv").unwrap();
            let clusters = pilot.lab.rehearsed.lab();
            let destination = &clusters.clusters()[1];
            assert!(destination.owner_of(&held).is_some());
        }
    }

    #[test]
    #[ignore = "needs openssl"]
    fn a_phone_with_the_oldest_firmware_speaks_its_own_tls() {
        let firmware = ["--profile", "7900", "--legacy-tls", "by-profile", "-v"];
        let mut pilot = Pilot::new(&OLDEST);
        let output = pilot.run(&firmware);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let told = stdout(&output);
        assert!(told.contains("TLS 1.0 AES256-SHA of OpenSSL"), "{told}");
        assert!(!told.contains("stands in"), "{told}");

        let expected = ["firmware speaks TLS 1.0 alone", "set tls min-version"];
        refused(&mut Pilot::new(&["-tls1_2"]), &firmware, &expected);
    }

    #[test]
    #[ignore = "needs openssl"]
    fn a_phone_that_may_not_says_what_would_allow_it() {
        for (options, wanted) in TOO_OLD {
            let mut pilot = Pilot::new(options);
            let tvs = pilot.tvs.to_string();
            let expected = [wanted, "--legacy-tls when-refused", &tvs];
            refused(&mut pilot, &["--legacy-tls", "never"], &expected);
        }
    }
}
