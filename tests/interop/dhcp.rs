//! DHCP against dnsmasq and busybox's udhcpc, each on a segment of its own.

#![allow(
    clippy::disallowed_methods,
    reason = "real programs take real time and real files"
)]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use trustline::dhcp::{ClientConfig, ClientEvent, Lease, Mac, Scope, Server, ServerConfig};
use trustline::net::clock::Clock;
use trustline::net::dhcp::{Answering, Link, Running, serve, server_socket, shared};
use trustline::rng::Rng;

use crate::segment::{INTERFACE, Segment, inside};
use crate::support::{self, Running as Child, Unavailable};

/// Longer than anything here takes: dnsmasq looks for 3 s whether an address is free.
const LIMIT: Duration = Duration::from_secs(30);

const MAC: Mac = Mac([0, 0x11, 0x22, 0x33, 0x44, 1]);

/// None, and a line that says so, if this needs root.
fn segment() -> Option<Segment> {
    match Segment::new() {
        Ok(segment) => Some(segment),
        Err(Unavailable::NeedsRoot(name)) => {
            println!("skipped: needs root: {name}");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

fn dnsmasq(segment: &Segment, folder: &Path, option_150: &str) -> Child {
    let program = support::program("dnsmasq").expect("dnsmasq is not installed: run .ci/packages");
    let mut command = segment.command(&segment.theirs, program.to_str().unwrap());
    command
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--pid-file=",
        ])
        .args(["--port=0", "--user=root", "--log-facility=-", "--no-ping"])
        .args(["--dhcp-authoritative", "--bind-interfaces"])
        .arg(format!("--interface={INTERFACE}"))
        .arg("--dhcp-range=10.99.1.100,10.99.1.110,255.255.255.0,10m")
        .arg(format!("--dhcp-option=150,{option_150}"))
        .arg("--dhcp-option=66,tftp.lab")
        .arg(format!(
            "--dhcp-leasefile={}",
            folder.join("leases").display()
        ));
    Child::start(&mut command).unwrap()
}

/// A phone on our end of the segment.
fn with_phone(holds_address: bool, look: impl AsyncFnOnce(&mut Running)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = ClientConfig {
            holds_address,
            ..ClientConfig::of_phone(MAC, "SEP001122334401", "CP-8861")
        };
        let link = Link::on_interface(INTERFACE).unwrap();
        let mut phone = Running::start(link, config, Rng::new(1), Clock::start());
        look(&mut phone).await;
    });
}

/// Goes on until there is a new lease or a renewed one.
async fn lease(phone: &mut Running) -> Lease {
    loop {
        let event = tokio::time::timeout(LIMIT, phone.next_event()).await;
        let (_, event) = event.unwrap().unwrap().expect("nobody answers");
        println!("trustline phone: {event:?}");
        if let ClientEvent::Bound(lease) | ClientEvent::Renewed(lease) = event {
            return *lease;
        }
    }
}

#[test]
#[ignore = "needs root and dnsmasq"]
fn our_phone_takes_both_servers_of_option_150_from_dnsmasq() {
    if inside().is_some() {
        return with_phone(false, async |phone| {
            let lease = lease(phone).await;
            assert_eq!(lease.server, Ipv4Addr::new(10, 99, 1, 1));
            assert_eq!(lease.address.octets()[..3], [10, 99, 1]);
            let both = [Ipv4Addr::new(10, 99, 1, 1), Ipv4Addr::new(10, 99, 1, 2)];
            assert_eq!(lease.option_150, both);
            // It came with a NUL.
            assert_eq!(lease.option_66.as_deref(), Some("tftp.lab"));
            assert_eq!(lease.siaddr, Some(lease.server));
            assert_eq!((lease.lease_secs, lease.renew_secs), (600, 300));
            assert!(lease.remarks.is_empty());
        });
    }
    let Some(segment) = segment() else { return };
    segment.address(&segment.theirs, "10.99.1.1/24").unwrap();
    let folder = TempDir::new().unwrap();
    let _server = dnsmasq(&segment, folder.path(), "10.99.1.1,10.99.1.2");
    segment.run_inside(
        "dhcp::our_phone_takes_both_servers_of_option_150_from_dnsmasq",
        "phone",
    );
}

#[test]
#[ignore = "needs root and dnsmasq"]
fn a_changed_option_150_of_dnsmasq_arrives_with_the_renewal() {
    let first = Ipv4Addr::new(10, 99, 1, 1);
    let second = Ipv4Addr::new(10, 99, 2, 2);
    if let Some(folder) = inside() {
        // With the address on the interface, and without.
        for (round, holds_address) in [false, true].into_iter().enumerate() {
            with_phone(holds_address, async |phone| {
                let lease_before = lease(phone).await;
                assert_eq!(lease_before.option_150, [first]);
                let asked = Path::new(&folder).join(format!("change-{round}"));
                std::fs::write(&asked, lease_before.address.to_string()).unwrap();
                wait_for(&Path::new(&folder).join(format!("changed-{round}")));
                phone.client().renew(Clock::start().now());
                let renewed = lease(phone).await;
                assert_eq!(renewed.address, lease_before.address);
                assert_eq!(renewed.option_150, [second]);
            });
            std::fs::write(Path::new(&folder).join(format!("over-{round}")), "").unwrap();
            wait_for(&Path::new(&folder).join(format!("back-{round}")));
        }
        return;
    }
    let Some(segment) = segment() else { return };
    segment.address(&segment.theirs, "10.99.1.1/24").unwrap();
    let folder = TempDir::new().unwrap();
    let place = folder.path().to_owned();
    thread::scope(|scope| {
        let operator = scope.spawn(|| {
            let mut server = dnsmasq(&segment, &place, "10.99.1.1");
            for round in 0..2 {
                let asked = place.join(format!("change-{round}"));
                wait_for(&asked);
                if round == 1 {
                    let address = std::fs::read_to_string(&asked).unwrap();
                    segment
                        .address(&segment.ours, &format!("{address}/24"))
                        .unwrap();
                }
                drop(server);
                server = dnsmasq(&segment, &place, "10.99.2.2");
                thread::sleep(Duration::from_millis(300));
                std::fs::write(place.join(format!("changed-{round}")), "").unwrap();
                wait_for(&place.join(format!("over-{round}")));
                drop(server);
                server = dnsmasq(&segment, &place, "10.99.1.1");
                thread::sleep(Duration::from_millis(300));
                std::fs::write(place.join(format!("back-{round}")), "").unwrap();
            }
        });
        segment.run_inside(
            "dhcp::a_changed_option_150_of_dnsmasq_arrives_with_the_renewal",
            place.to_str().unwrap(),
        );
        operator.join().unwrap();
    });
}

/// Waits for a file that has been written whole: they are a line at most.
fn wait_for(file: &Path) {
    let deadline = Instant::now() + LIMIT;
    while !file.exists() {
        assert!(Instant::now() < deadline, "{} never came", file.display());
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(20));
}

#[test]
#[ignore = "needs root and busybox"]
fn udhcpc_takes_option_150_from_our_server() {
    if let Some(folder) = inside() {
        return serve_until(&Path::new(&folder).join("over"), Path::new(&folder));
    }
    let Some(segment) = segment() else { return };
    segment.address(&segment.ours, "10.99.1.1/24").unwrap();
    let busybox = support::program("busybox").expect("busybox is not installed: run .ci/packages");
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("script");
    let taken = folder.path().join("taken");
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = bound ] && env >{0}.new && mv {0}.new {0}\nexit 0\n",
        taken.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (told, said) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_for(&folder.path().join("ready"));
            let mut command = segment.command(&segment.theirs, busybox.to_str().unwrap());
            command
                .args(["udhcpc", "-f", "-q", "-n", "-t", "5", "-i", INTERFACE])
                .args(["-O", "150", "-O", "tftp", "-O", "router", "-s"])
                .arg(&script);
            told.send(support::run(&mut command, LIMIT)).unwrap();
            std::fs::write(folder.path().join("over"), "").unwrap();
        });
        segment.run_inside(
            "dhcp::udhcpc_takes_option_150_from_our_server",
            folder.path().to_str().unwrap(),
        );
    });
    let output = said.recv().unwrap().unwrap();
    println!("udhcpc: {}", String::from_utf8_lossy(&output.stderr).trim());
    let taken = std::fs::read_to_string(taken).unwrap();
    let has = |line: &str| taken.lines().any(|l| l == line);
    for line in [
        "opt150=0a6301010a630102",
        "tftp=tftp.lab",
        "ip=10.99.1.100",
        "subnet=255.255.255.0",
        "router=10.99.1.254",
        "serverid=10.99.1.1",
        "lease=600",
    ] {
        assert!(has(line), "{line} is not in\n{taken}");
    }
}

/// Our server on the segment, until a file comes.
fn serve_until(over: &Path, folder: &Path) {
    let config = ServerConfig {
        address: Ipv4Addr::new(10, 99, 1, 1),
        mask: Ipv4Addr::new(255, 255, 255, 0),
        pool: (Ipv4Addr::new(10, 99, 1, 100), Ipv4Addr::new(10, 99, 1, 110)),
        lease_secs: 600,
        scope: Scope {
            option_150: vec![Ipv4Addr::new(10, 99, 1, 1), Ipv4Addr::new(10, 99, 1, 2)],
            option_66: Some("tftp.lab".into()),
            routers: vec![Ipv4Addr::new(10, 99, 1, 254)],
            ..Scope::default()
        },
        answers: BTreeMap::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let socket = server_socket(INTERFACE).unwrap();
        std::fs::write(folder.join("ready"), "").unwrap();
        let observer = Box::new(|_, from, event| println!("trustline server: {from} {event:?}"));
        let shutdown = async {
            let deadline = Instant::now() + LIMIT;
            while !over.exists() && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let server = shared(Server::new(config).unwrap());
        let clock = Clock::start();
        serve(
            socket,
            server,
            Answering::Segment,
            clock,
            observer,
            shutdown,
        )
        .await
        .unwrap();
    });
    assert!(over.exists(), "udhcpc never ended");
}
