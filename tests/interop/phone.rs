//! `trustline phone` against TFTP servers that nobody here wrote: they serve what trustline's clusters
//! published, and TVS is ours.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real programs take real time and real files"
)]

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::phone_lab::{DEVICE, Lab, said, stdout};
use crate::support::{TftpServer, Unavailable};

type Start = fn(&Path) -> Result<TftpServer, Unavailable>;

/// The rehearsed clusters, and a foreign server with the files of a node of the destination.
struct Bench {
    lab: Lab,
    server: TftpServer,
    _folder: TempDir,
}

impl Bench {
    /// None, and a line that says so, if this needs root. Without `named_lists` the folder has the
    /// lists under their general names alone.
    fn of(scenario: &str, start: Start, named_lists: bool) -> Option<Self> {
        let lab = Lab::of(scenario);
        let folder = TempDir::new().unwrap();
        let readable = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        readable(folder.path(), 0o755);
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            readable(&path, 0o644);
        };
        let files = {
            let mut clusters = lab.rehearsed.lab();
            clusters.cluster_mut(1).unwrap().published("dst-pub")
        };
        for (name, bytes) in &files {
            put(name, bytes);
            let (list, ending) = name.split_at(3);
            if named_lists && ending == "File.tlv" {
                put(&format!("{list}{DEVICE}.tlv"), bytes);
            }
        }
        match start(folder.path()) {
            Ok(server) => Some(Self {
                lab,
                server,
                _folder: folder,
            }),
            Err(Unavailable::NeedsRoot(name)) => {
                println!("skipped: needs root: {name}");
                None
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// The server as an engineer would name it: without the port where it is 69.
    fn tftp(&self) -> String {
        match self.server.address.port() {
            69 => self.server.address.ip().to_string(),
            _ => self.server.address.to_string(),
        }
    }

    fn pilot(&self, more: &[&str]) -> Output {
        let mut args = more.to_vec();
        let tftp = self.tftp();
        args.extend(["--tftp", &tftp, "--once"]);
        let output = self.lab.run_seeded(&args);
        println!("{}:\n{}", self.server.name, said(&output));
        output
    }

    fn holds_what_was_served(&self, file: &str) {
        let held = self.lab.held(file).unwrap();
        let clusters = self.lab.rehearsed.lab();
        assert!(clusters.clusters()[1].owner_of(&held).is_some(), "{file}");
    }
}

/// A phone of a secure cluster finds the CTL and the ITL that are named after it.
fn secure(start: Start) {
    let Some(bench) = Bench::of("secure-migration", start, true) else {
        return;
    };
    let output = bench.pilot(&[]);
    assert_eq!(output.status.code(), Some(0));
    bench.holds_what_was_served("CTLFile.tlv");
    bench.holds_what_was_served("ITLFile.tlv");
    assert!(stdout(&output).contains("follows these servers"));
}

/// Each server says "not found" in its own way, and the phone goes on to `ITLFile.tlv`.
fn general_names(start: Start) {
    let Some(bench) = Bench::of("non-secure-migration", start, false) else {
        return;
    };
    let output = bench.pilot(&[]);
    assert_eq!(output.status.code(), Some(0));
    let told = stdout(&output);
    let missing = format!("ITL{DEVICE}.tlv  not found");
    assert!(told.contains(&missing), "{missing}");
    assert!(told.contains("ITLFile.tlv  7,240 bytes"));
    bench.holds_what_was_served("ITLFile.tlv");
}

/// The first server is mute: the phone comes to the second, and asks it for every file.
fn second_server(start: Start) {
    let Some(bench) = Bench::of("non-secure-migration", start, true) else {
        return;
    };
    let mute = UdpSocket::bind("127.0.0.2:0").unwrap();
    let mute = mute.local_addr().unwrap().to_string();
    let quick = ["--set", "tftp.retries=0", "--set", "tftp.timeout_ms=200"];
    let output = bench.pilot(&[&["--tftp", &mute], &quick[..]].concat());
    assert_eq!(output.status.code(), Some(0));
    bench.holds_what_was_served("ITLFile.tlv");
}

macro_rules! against {
    ($($server:ident),+) => { $(
        mod $server {
            use crate::support::$server as start;

            #[test]
            #[ignore = "needs the Debian packages of .ci/packages"]
            fn a_phone_of_a_secure_cluster_follows() {
                super::secure(start);
            }

            #[test]
            #[ignore = "needs the Debian packages of .ci/packages"]
            fn a_phone_goes_on_to_the_general_names() {
                super::general_names(start);
            }

            #[test]
            #[ignore = "needs the Debian packages of .ci/packages"]
            fn a_phone_comes_to_the_second_server() {
                super::second_server(start);
            }
        }
    )+ };
}

against!(tftpd_hpa, atftpd, dnsmasq);
