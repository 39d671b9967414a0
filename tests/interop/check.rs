//! `trustline check` against clusters at the ports of real ones, against lists that dnsmasq serves,
//! and against a TVS of old TLS that openssl plays. What needs real ports runs in a network namespace
//! of its own.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real programs take real time and real files"
)]

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};

use tempfile::TempDir;

use crate::golden::command;
use crate::peer::{files_at, s_server_with};
use crate::phone_lab::{DEVICE, Lab, said, stdout, text};
use crate::segment::{Segment, inside};
use crate::served::Served;
use crate::support::{dnsmasq, is_root};

const SCENARIO: &str = "testdata/scenarios/suite/follows.toml";

/// The clusters of the scenario at real ports, after some of its steps.
struct RealPorts {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    _served: Served,
}

impl RealPorts {
    /// None, and a line that says so, if this needs root.
    fn after(steps: &str) -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(180);
        if !is_root() {
            println!("skipped: needs root: port 69");
            return None;
        }
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address = || Ipv4Addr::new(127, 64 | high, low, NEXT.fetch_add(1, Ordering::Relaxed));
        let (source, destination) = (address(), address());
        let mut serve: Command = command(&["serve", SCENARIO, "--ports", "real", "--steps", steps]);
        for (node, address) in [("src-pub", source), ("dst-pub", destination)] {
            serve.arg("--bind").arg(format!("{node}={address}"));
        }
        Some(Self {
            source,
            destination,
            _served: Served::start_with_orders(&mut serve),
        })
    }

    fn check(&self, to: Ipv4Addr, more: &[&str]) -> Output {
        let (from, to) = (format!("tftp://{}", self.source), format!("tftp://{to}"));
        let mut args = vec!["check", "--from", &from, "--to", &to, "--rate", "200"];
        args.extend(["--device", DEVICE]);
        args.extend(more);
        command(&args).output().unwrap()
    }
}

/// True inside the network namespace that the test of this name runs once more in; outside it does
/// that, or says why it cannot.
fn is_in_namespace(test: &str) -> bool {
    if inside().is_some() {
        return true;
    }
    match Segment::new() {
        Ok(segment) => segment.run_inside(&format!("check::{test}"), "real ports"),
        Err(why) => println!("skipped: {why}"),
    }
    false
}

/// No port is said: all are those of real clusters.
#[test]
#[ignore = "needs root"]
fn check_looks_at_the_ports_of_real_clusters() {
    if !is_in_namespace("check_looks_at_the_ports_of_real_clusters") {
        return;
    }
    for (steps, code, expected) in [("none", 1, "stranded"), ("all", 0, "follows through TVS")] {
        let Some(clusters) = RealPorts::after(steps) else {
            return;
        };
        let output = clusters.check(clusters.destination, &[]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(stdout(&output).contains(expected), "{}", said(&output));
        // Nodes are called as their lists call them.
        let answers = "src-pub: TFTP answers, HTTP answers, TVS answers, CallManager answers";
        let told: Vec<_> = stdout(&output)
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let told = told.join(" ").replace("src-pub of src-pub", "src-pub");
        assert!(told.contains(answers), "{}", said(&output));
    }
}

/// The destination's lists and configurations come from dnsmasq, which has no HTTP and knows nothing
/// else; its TVS and CallManager are ours.
#[test]
#[ignore = "needs root and the Debian packages of .ci/packages"]
fn check_reads_lists_that_dnsmasq_serves() {
    if !is_in_namespace("check_reads_lists_that_dnsmasq_serves") {
        return;
    }
    let Some(clusters) = RealPorts::after("all") else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let record = dir.path().join("record");
    let output = clusters.check(clusters.destination, &["--record", text(&record)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let root = dir.path().join("tftp");
    fs::create_dir(&root).unwrap();
    let mut copied = 0;
    for node in fs::read_dir(record.join("to")).unwrap() {
        copied += copy_files(&node.unwrap().path().join("tftp"), &root);
    }
    assert!(copied >= 3, "a list and the phone's configurations");
    let server = match dnsmasq(&root) {
        Ok(server) => server,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let std::net::IpAddr::V4(at) = server.address.ip() else {
        panic!("{}", server.address)
    };
    let output = clusters.check(at, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        stdout(&output).contains("follows through TVS"),
        "{}",
        said(&output)
    );
    // A list that is gone is an answer; a server that is gone is none.
    drop(server);
    let output = clusters.check(at, &["--timeout", "1"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        stdout(&output).contains("does not answer"),
        "{}",
        said(&output)
    );
}

/// Copies the files of a folder, if it is one.
fn copy_files(from: &Path, to: &Path) -> usize {
    let Ok(entries) = fs::read_dir(from) else {
        return 0;
    };
    let mut copied = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        copied += 1;
    }
    copied
}

/// Its TVS has TLS 1.0 alone: without the feature it is not known what it says, and that is named.
#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn check_names_what_a_tvs_of_old_tls_needs() {
    let lab = Lab::of("non-secure-migration");
    let identity = {
        let clusters = lab.rehearsed.lab();
        let node = clusters.host("src-pub").unwrap();
        clusters.tvs_identity(node).unwrap()
    };
    let put = |name: &str, bytes: &[u8]| {
        let path = lab.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let certificate = put("tvs.der", &identity.certificate);
    let key = put("tvs.p8", &identity.key);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let oldest = ["-tls1", "-cipher", "AES256-SHA@SECLEVEL=0"];
    let files = files_at(&certificate, &key);
    let (_peer, _stdin, tvs) = runtime.block_on(s_server_with(&files, &oldest));
    let (ready, tvs) = (lab.ready(), tvs.to_string());
    let mut args = vec![
        "check",
        "--from",
        "tftp://src-pub",
        "--to",
        "tftp://dst-pub",
    ];
    args.extend(["--lab", text(&ready), "--rate", "500", "--device", DEVICE]);
    args.extend(["--tvs", &tvs, "--timeout", "2"]);
    let output = command(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let expected = match cfg!(feature = "legacy-tls") {
        // It was asked, and nobody types an answer.
        true => "no whole answer within 2 s",
        false => "--features legacy-tls",
    };
    let told: String = stdout(&output)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(told.contains(expected), "{}", said(&output));
    assert!(told.contains("unknown"), "{}", said(&output));
}
