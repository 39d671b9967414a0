//! TVS answers a second over loopback against bare rustls handshakes of the same shape: connect,
//! full handshake, close. Both ends run in this process, resumption is off at both, and the two
//! cases alternate, because this kind of machine drifts by a quarter from minute to minute.
//!
//! `cargo bench --bench tvs`

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on should stop"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "measures real time"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use trustline::net::clock::Clock;
use trustline::net::tls::{ClientTls, Identity, ServerTls, TlsOptions, TlsVersions};
use trustline::net::tvs::{Deadlines, Limits, ServeConfig, ask, bind, serve};
use trustline::time::Time;
use trustline::tvs::{CertificateSource, ClientSettings, Found, ServerSettings};
use trustline::wire::tvs::{Request, STATUS_FOUND};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(1_500);
const GOAL: f64 = 0.8;

/// Vouches for everything, with a certificate of the recorded size.
struct Store;

impl CertificateSource for Store {
    fn query(&self, _: &[u8], _: &[u8], _: &[u8], _: Time) -> Option<Found> {
        Some(Found {
            certificate: vec![0x30; 1451],
            roles: vec![0, 3],
            ttl_secs: 86_400,
        })
    }

    fn verify(&self, _: &[u8], _: Time) -> Option<Found> {
        None
    }
}

#[derive(Clone, Copy)]
enum Case {
    Bare,
    Tvs,
}

/// The servers of one TLS version, and what a client needs to reach them.
struct Lab {
    tls: ClientTls,
    bare: SocketAddr,
    tvs: SocketAddr,
}

impl Lab {
    fn start(versions: TlsVersions) -> Self {
        let identity = Identity {
            certificate: include_bytes!("../testdata/tvs/a-tvs.der").to_vec(),
            key: include_bytes!("../testdata/tvs/a-tvs.p8").to_vec(),
        };
        let options = TlsOptions {
            versions,
            legacy: false,
        };
        let server = ServerTls::new(&identity, false, options).unwrap();
        let pins = vec![identity.certificate];
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));

        let listener = bind(loopback, 4096).unwrap();
        let bare = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(server.config());
        tokio::spawn(async move {
            loop {
                let Ok((tcp, _)) = listener.accept().await else {
                    continue;
                };
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let _ = tcp.set_nodelay(true);
                    let Ok(mut stream) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let _ = stream.read(&mut [0; 16]).await;
                });
            }
        });

        let listener = bind(loopback, 4096).unwrap();
        let tvs = listener.local_addr().unwrap();
        let config = ServeConfig {
            tls: server,
            settings: ServerSettings::default(),
            limits: Limits::default(),
            close_notify: false,
            clock: Clock::start(),
        };
        let never = std::future::pending();
        tokio::spawn(serve(
            listener,
            config,
            Arc::new(Store),
            Arc::new(|_| ()),
            never,
        ));
        Self {
            tls: ClientTls::new(pins, None, options).unwrap(),
            bare,
            tvs,
        }
    }

    async fn once(&self, case: Case) -> bool {
        match case {
            Case::Bare => {
                let Ok(tcp) = TcpStream::connect(self.bare).await else {
                    return false;
                };
                let _ = tcp.set_nodelay(true);
                let name = ServerName::IpAddress(self.bare.ip().into());
                let connector = TlsConnector::from(self.tls.config());
                let Ok(mut stream) = connector.connect(name, tcp).await else {
                    return false;
                };
                stream.shutdown().await.is_ok()
            }
            Case::Tvs => {
                let request = Request::Query {
                    device: b"CP-8861-SEP001122334455".to_vec(),
                    subject: b"CN=ucm11pub.stormin.local;OU=IST;O=Stormin;C=AU".to_vec(),
                    issuer: b"CN=stormin-WIN2012-CA".to_vec(),
                    serial: vec![0x24; 19],
                };
                let (settings, deadlines) = (ClientSettings::default(), Deadlines::default());
                let asked = ask(self.tvs, &self.tls, &request, 1001, settings, deadlines).await;
                asked.is_ok_and(|(answer, _)| answer.status == STATUS_FOUND)
            }
        }
    }

    /// Runs one round. Returns exchanges a second, those that failed, and the longest one.
    async fn round(self: &Arc<Self>, case: Case, clients: usize) -> Round {
        let failed = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        let tasks: Vec<_> = (0..clients)
            .map(|_| {
                let (lab, failed) = (Arc::clone(self), Arc::clone(&failed));
                tokio::spawn(async move {
                    let (mut served, mut longest) = (0, Duration::ZERO);
                    while start.elapsed() < ROUND {
                        let began = Instant::now();
                        match lab.once(case).await {
                            true => served += 1,
                            false => _ = failed.fetch_add(1, Ordering::Relaxed),
                        }
                        longest = longest.max(began.elapsed());
                    }
                    (served, longest)
                })
            })
            .collect();
        let (mut served, mut longest, mut left_out) = (0, Duration::ZERO, 0);
        for task in tasks {
            let (one, slowest) = task.await.unwrap();
            served += one;
            longest = longest.max(slowest);
            left_out += usize::from(one == 0);
        }
        let rate = served as f64 / start.elapsed().as_secs_f64();
        Round {
            rate,
            failed: failed.load(Ordering::Relaxed),
            left_out,
            longest,
        }
    }
}

struct Round {
    /// Exchanges a second.
    rate: f64,
    /// Exchanges that failed.
    failed: usize,
    /// Clients that were never served.
    left_out: usize,
    /// The slowest exchange.
    longest: Duration,
}

fn middle(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[values.len() - 1])
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    println!("exchanges a second, {ROUNDS} rounds each, alternating: median (max)");
    println!("TLS   clients  bare handshake   TVS answer       ratio   slowest  unserved");
    for versions in [TlsVersions::Only12, TlsVersions::Only13] {
        let lab = Arc::new(Lab::start(versions));
        for clients in [64, 256] {
            let (mut bare, mut tvs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            let (mut unserved, mut slowest) = (0, Duration::ZERO);
            // The first pair warms up.
            for round in 0..=ROUNDS {
                let b = lab.round(Case::Bare, clients).await;
                let t = lab.round(Case::Tvs, clients).await;
                unserved += t.failed + t.left_out;
                slowest = slowest.max(t.longest);
                if round > 0 {
                    bare.push(b.rate);
                    tvs.push(t.rate);
                    ratios.push(t.rate / b.rate);
                }
            }
            let version = match versions {
                TlsVersions::Only12 => "1.2",
                _ => "1.3",
            };
            let ((b, b_max), (t, t_max), (ratio, _)) = (middle(bare), middle(tvs), middle(ratios));
            let verdict = if ratio >= GOAL && unserved == 0 {
                ""
            } else {
                "  below the goal"
            };
            println!(
                "{version}   {clients:7}  {b:6.0} ({b_max:6.0})  {t:6.0} ({t_max:6.0})  {ratio:6.2}  {:5.0} ms  {unserved:8}{verdict}",
                slowest.as_secs_f64() * 1e3
            );
        }
    }
}
