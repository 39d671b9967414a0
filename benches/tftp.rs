//! Downloads a second of a 6 KB trust list over TFTP: our server and the Debian ones, one after the
//! other in interleaved rounds, with the same client code.
//!
//! `cargo bench --bench tftp`. The foreign servers come with `.ci/packages` and need root; one that
//! is not there is left out, and said so. Each server, ours too, is a process of its own.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench measures real time, on real files"
)]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use trustline::net::clock::Clock;
use trustline::net::tftp::{get, serve};
use trustline::tftp::{ClientConfig, Outcome, RequestOptions, ServerConfig};

mod common;
#[allow(dead_code, reason = "the interop tests use all of it")]
#[path = "../tests/interop/support.rs"]
mod support;

const SIZE: usize = 6_144;
const CLIENTS: usize = 64;
const ROUNDS: usize = 15;
/// Short, so that what else the machine does meets all servers alike.
const ROUND: Duration = Duration::from_millis(300);
const FILE: &str = "ITLSEP001122334401.tlv";
/// Makes this program be the server of ours.
const SERVE: &str = "--serve";

fn main() -> io::Result<()> {
    if std::env::args().any(|arg| arg == SERVE) {
        return be_server();
    }
    let folder = tempfile::tempdir()?;
    make_readable(folder.path())?;
    std::fs::write(folder.path().join(FILE), content())?;

    let ours = OurServer::start()?;
    let mut servers = vec![("trustline", ours.address)];
    let mut foreign = Vec::new();
    for start in [support::tftpd_hpa, support::atftpd, support::dnsmasq] {
        match start(folder.path()) {
            Ok(server) => foreign.push(server),
            Err(why) => println!("left out: {why}"),
        }
    }
    servers.extend(foreign.iter().map(|server| (server.name, server.address)));

    let row = |blksize, windowsize| RequestOptions {
        blksize,
        windowsize,
        ..Default::default()
    };
    let rows = [
        ("512-byte blocks", row(None, None)),
        ("blksize 1428", row(Some(1_428), None)),
        ("blksize 1428, windowsize 8", row(Some(1_428), Some(8))),
    ];
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut v = vec![common::v_nanos()];
    for (title, options) in rows {
        let mut rates = vec![Vec::new(); servers.len()];
        let mut failed = vec![0; servers.len()];
        for _ in 0..ROUNDS {
            for (index, (_, address)) in servers.iter().enumerate() {
                let round = runtime.block_on(round(*address, options));
                rates[index].push(round.rate);
                failed[index] += round.failed;
            }
        }
        v.push(common::v_nanos());
        println!();
        println!("{SIZE} bytes, {title}, {CLIENTS} clients, {ROUNDS} rounds of {ROUND:?}");
        println!("server       downloads/s median      max   ours/theirs   failed");
        for (index, (name, _)) in servers.iter().enumerate() {
            let max = rates[index].iter().copied().fold(0.0, f64::max);
            // Of the same round each, so that a slow moment of the machine does not count.
            let pairs = rates[0].iter().zip(&rates[index]);
            let ratio = common::median(&mut pairs.map(|(ours, it)| ours / it).collect::<Vec<_>>());
            let median = common::median(&mut rates[index].clone());
            let failed = failed[index];
            println!("{name:<12} {median:>18.0} {max:>8.0} {ratio:>13.2} {failed:>8}");
        }
        let ours = common::median(&mut rates[0]);
        let v = common::median(&mut v.clone());
        println!(
            "one download of ours takes {:.2} V (V = {:.1} us)",
            1e9 / ours / v,
            v / 1e3
        );
    }
    Ok(())
}

struct Round {
    rate: f64,
    failed: usize,
}

/// All clients download again and again for the length of a round.
async fn round(server: SocketAddr, options: RequestOptions) -> Round {
    let config = ClientConfig {
        options,
        dally: Duration::ZERO,
        ..ClientConfig::default()
    };
    let start = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            tokio::spawn(async move {
                let (mut done, mut failed) = (0_usize, 0);
                while start.elapsed() < ROUND {
                    match get(FILE.as_bytes(), server, config).await {
                        Ok(Outcome::Done(bytes)) if bytes.len() == SIZE => done += 1,
                        _ => failed += 1,
                    }
                }
                (done, failed)
            })
        })
        .collect();
    let (mut done, mut failed) = (0, 0);
    for client in clients {
        let (own_done, own_failed) = client.await.unwrap_or((0, 1));
        done += own_done;
        failed += own_failed;
    }
    Round {
        rate: done as f64 / start.elapsed().as_secs_f64(),
        failed,
    }
}

fn content() -> Vec<u8> {
    (0..SIZE).map(|i| (i % 253) as u8).collect()
}

/// The foreign servers read as somebody else.
fn make_readable(folder: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

/// This program once more, as a server. It ends when its input does, so it never outlives us.
struct OurServer {
    child: Child,
    address: SocketAddr,
}

impl OurServer {
    fn start() -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { child, address })
    }
}

impl Drop for OurServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn be_server() -> io::Result<()> {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = stop.send(());
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", socket.local_addr()?);
        let files = BTreeMap::from([(FILE.to_owned(), Arc::from(content()))]);
        let files: Arc<BTreeMap<String, Arc<[u8]>>> = Arc::new(files);
        serve(
            socket,
            files,
            ServerConfig::default(),
            Clock::start(),
            Arc::new(|_, _| {}),
            async {
                let _ = stopped.await;
            },
        )
        .await
    })
}
