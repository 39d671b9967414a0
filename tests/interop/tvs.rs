//! TVS against openssl s_server and s_client, so that both of trustline's ends cannot be wrong
//! together.
//!
//! | Case | Exchanged |
//! |---|---|
//! | our client, `s_server` 1.2 and 1.3, with and without `-verify 1` | QUERY of 153 bytes, scripted answer of 1480, no close |
//! | our client, `s_server` with another certificate | refused, the certificate presented is named |
//! | our client, `s_server` with an RSA-1024 certificate | legacy mode, TLS 1.2 |
//! | our server, `s_client` 1.2 and 1.3, with and without a certificate | QUERY of 153 bytes, answer of 1480, no close_notify |
//! | our server, `s_client` with rubbish | closed without a byte |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests on real sockets"
)]

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ChildStdin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use trustline::net::clock::Clock;
use trustline::net::tls::{ClientTls, Identity, ServerTls, TlsFailure, TlsOptions};
use trustline::net::tvs::{
    AskError, Deadlines, Limits, ServeConfig, ServeEvent, ask, bind, connect, serve,
};
use trustline::time::Time;
use trustline::tvs::{CertificateSource, ClientSettings, Found, ServerSettings};
use trustline::wire::tvs::{Answer, Request};

use crate::peer::{
    PATIENCE, Peer, SESSION, answer_bytes, answer_once_asked, files, lab, query_bytes,
    recorded_answer, recorded_query, s_server,
};

fn client(pin: &str, identity: Option<&Identity>, options: TlsOptions) -> ClientTls {
    ClientTls::new(vec![lab(pin).certificate], identity, options).unwrap()
}

/// Asks the recorded question; the peer answers once it has seen the whole of it.
async fn ask_scripted(
    peer: &Peer,
    stdin: ChildStdin,
    addr: SocketAddr,
    tls: &ClientTls,
) -> (Result<Answer, AskError>, &'static str) {
    let connection = connect(addr, tls, Deadlines::default()).await.unwrap();
    let version = connection.info().version;
    let request = recorded_query();
    let asked = connection.ask(&request, SESSION, ClientSettings::default());
    let script = answer_once_asked(peer, stdin);
    let (answer, _stdin) = tokio::join!(asked, script);
    (answer, version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs openssl"]
async fn our_client_asks_s_server() {
    for (option, expected) in [("-tls1_2", "TLS 1.2"), ("-tls1_3", "TLS 1.3")] {
        for verify in [&[][..], &["-verify", "1"][..]] {
            for lsc in [None, Some(lab("d-lsc"))] {
                let options = [&[option][..], verify].concat();
                let (peer, stdin, addr) = s_server("a-tvs", &options).await;
                let tls = client("a-tvs", lsc.as_ref(), TlsOptions::default());
                let (answer, version) = ask_scripted(&peer, stdin, addr, &tls).await;
                assert_eq!(answer.unwrap(), recorded_answer(), "{options:?}");
                assert_eq!(version, expected);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs openssl"]
async fn our_client_asks_an_s_server_with_an_old_or_odd_certificate() {
    let legacy = TlsOptions {
        legacy: true,
        ..TlsOptions::default()
    };
    let weak = ["-cipher", "ALL:@SECLEVEL=0"];
    let (peer, stdin, addr) = s_server("a-sast-1024", &weak).await;
    let lsc = lab("d-lsc-1024");
    let (answer, version) = ask_scripted(
        &peer,
        stdin,
        addr,
        &client("a-sast-1024", Some(&lsc), legacy),
    )
    .await;
    assert_eq!((answer.unwrap(), version), (recorded_answer(), "TLS 1.2"));

    for name in ["s-negative", "v-expired", "d-lsc-ec"] {
        let (peer, stdin, addr) = s_server(name, &[]).await;
        let tls = client(name, None, TlsOptions::default());
        let (answer, _) = ask_scripted(&peer, stdin, addr, &tls).await;
        assert_eq!(answer.unwrap(), recorded_answer(), "{name}");
    }
}

#[tokio::test]
#[ignore = "needs openssl"]
async fn a_certificate_that_is_not_in_the_list_is_named() {
    for version in ["-tls1_2", "-tls1_3"] {
        let (_peer, _stdin, addr) = s_server("b-tvs", &[version]).await;
        let tls = client("a-tvs", None, TlsOptions::default());
        let (settings, deadlines) = (ClientSettings::default(), Deadlines::default());
        let asked = ask(addr, &tls, &recorded_query(), SESSION, settings, deadlines).await;
        let presented = lab("b-tvs").certificate;
        assert_eq!(
            asked.unwrap_err(),
            AskError::Tls(TlsFailure::NotPinned { presented })
        );
    }
}

/// Knows the certificate of the recording.
struct Store;

impl CertificateSource for Store {
    fn query(&self, subject: &[u8], issuer: &[u8], serial: &[u8], _: Time) -> Option<Found> {
        let asked = Request::Query {
            device: recorded_query().device().to_vec(),
            subject: subject.to_vec(),
            issuer: issuer.to_vec(),
            serial: serial.to_vec(),
        };
        (asked == recorded_query()).then(|| Found {
            certificate: vec![0x30; 1451],
            roles: vec![0, 3],
            ttl_secs: 86_400,
        })
    }

    fn verify(&self, _: &[u8], _: Time) -> Option<Found> {
        None
    }
}

/// What `s_client` prints when it sends `bytes` to our server, and what the server reports.
async fn s_client(bytes: &[u8], options: &[&str], expected: usize) -> (Vec<u8>, Vec<ServeEvent>) {
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 128).unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let config = ServeConfig {
        tls: ServerTls::new(&lab("a-tvs"), true, TlsOptions::default()).unwrap(),
        settings: ServerSettings::default(),
        limits: Limits::default(),
        close_notify: false,
        clock: Clock::start(),
    };
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    let observer = Arc::new(move |event| log.lock().unwrap().push(event));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, config, Arc::new(Store), observer, async {
        let _ = stopped.await;
    }));

    let mut args = vec!["s_client", "-connect", &addr, "-quiet", "-ign_eof"];
    args.extend(options);
    let (mut peer, mut stdin) = Peer::openssl(&args);
    stdin.write_all(bytes).unwrap();
    stdin.flush().unwrap();
    let output = tokio::task::block_in_place(|| peer.wrote(expected));
    // The server closes, so s_client ends by itself although its input is open.
    let give_up = Instant::now() + PATIENCE;
    while peer.child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < give_up, "the connection stays open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(stdin);
    stop.send(()).unwrap();
    server.await.unwrap();
    let events = std::mem::take(&mut *events.lock().unwrap());
    (output, events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs openssl"]
async fn s_client_asks_our_server() {
    let files = files("d-lsc");
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    for version in ["-tls1_2", "-tls1_3"] {
        for with_certificate in [false, true] {
            let mut options = vec![version];
            if with_certificate {
                options.extend(&files);
            }
            let (answer, events) = s_client(&query_bytes(), &options, 1480).await;
            assert_eq!(
                answer,
                answer_bytes(),
                "{version}, certificate: {with_certificate}"
            );
            let presented = events.iter().find_map(|event| match event {
                ServeEvent::Connected { tls, .. } => Some(tls.peer_certificate.clone()),
                _ => None,
            });
            let expected = with_certificate.then(|| lab("d-lsc").certificate);
            assert_eq!(presented, Some(expected));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs openssl"]
async fn rubbish_from_s_client_gets_not_a_byte() {
    let (output, events) = s_client(b"GET / HTTP/1.0\r\n\r\n", &[], 1).await;
    assert_eq!(output, b"");
    assert!(matches!(
        events.last(),
        Some(ServeEvent::Exchange {
            event: trustline::tvs::ServerEvent::Refused(_),
            ..
        })
    ));
}
