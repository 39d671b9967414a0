//! `trustline serve` at the ports of real clusters: curl, tftp-hpa and atftp fetch over TFTP, curl
//! over HTTP and HTTPS, openssl asks TVS. Each test has loopback addresses of its own.

#![allow(
    clippy::disallowed_methods,
    reason = "real programs take real time and real files"
)]

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use der::DecodePem as _;
use der::Encode as _;
use tempfile::TempDir;
use trustline::trust::search::SignerId;
use trustline::wire::tvs::{Duplicates, Message, Request, Tags};
use trustline::wire::{Role, Strictness, TrustList};
use x509_cert::Certificate;

use crate::served::Served;
use crate::support::{is_root, program, run};

const LIMIT: Duration = Duration::from_secs(40);
const SCENARIO: &str = "testdata/scenarios/suite/follows.toml";
const PHONE: &str = "SEP001122334401";

/// The clusters of the scenario at real ports.
struct RealPorts {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    kept: TempDir,
}

impl RealPorts {
    /// None, and a line that says so, if this needs root.
    fn new() -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(100);
        if !is_root() {
            println!("skipped: needs root: port 69");
            return None;
        }
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address = || Ipv4Addr::new(127, 64 | high, low, NEXT.fetch_add(1, Ordering::Relaxed));
        Some(Self {
            source: address(),
            destination: address(),
            kept: TempDir::new().unwrap(),
        })
    }

    /// The command, run by `wrapper`.
    fn command(&self, wrapper: &[&str]) -> Command {
        let all: Vec<_> = wrapper
            .iter()
            .copied()
            .chain([env!("CARGO_BIN_EXE_trustline")])
            .collect();
        let mut command = Command::new(all[0]);
        command.args(&all[1..]);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.args(["serve", SCENARIO, "--ports", "real", "--bind"]);
        command.arg(format!("src-pub={}", self.source));
        command.arg("--bind");
        command.arg(format!("dst-pub={}", self.destination));
        command
    }

    fn start(&self) -> Served {
        let mut command = self.command(&[]);
        command.arg("--keep").arg(self.kept.path());
        Served::start(&mut command)
    }

    /// What a node served under a name, as the folder has it.
    fn kept(&self, place: &str, name: &str) -> Vec<u8> {
        let tftp = self.kept.path().join("clusters").join(place).join("tftp");
        fs::read(tftp.join(name)).unwrap()
    }
}

/// Fetches a file with a foreign client: over TFTP, or with curl over the transport that it is named
/// after.
fn fetched(client: &str, from: Ipv4Addr, file: &str) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let host = from.to_string();
    let out = folder.path().join("out");
    let name = if client.starts_with("http") {
        "curl"
    } else {
        client
    };
    let mut command = Command::new(program(name).unwrap_or_else(|| panic!("no {name}")));
    let http = ["-sS", "--fail", "--insecure", "-o", "out"];
    match client {
        "http" => command.args(http).arg(format!("http://{host}:6970/{file}")),
        "https" => command
            .args(http)
            .arg(format!("https://{host}:6971/{file}")),
        "curl" => command.args(["-sS", "-o", "out", &format!("tftp://{host}/{file}")]),
        "tftp" => command.args(["-m", "binary", &host, "-c", "get", file, "out"]),
        _ => command.args(["-g", "-r", file, "-l", "out", &host, "69"]),
    };
    let output = run(command.current_dir(folder.path()), LIMIT).unwrap();
    assert!(output.status.success(), "{client} {file}: {output:?}");
    fs::read(Path::new(&out)).unwrap()
}

#[test]
#[ignore = "needs root and the Debian packages of .ci/packages"]
fn serve_gives_the_same_bytes_to_every_client() {
    let Some(lab) = RealPorts::new() else { return };
    let mut served = lab.start();
    assert_eq!(served.ready["ports"], "real");
    assert_eq!(served.at("src-pub", "tftp"), (lab.source, 69).into());
    assert_eq!(served.at("src-pub", "tvs"), (lab.source, 2_445).into());

    assert_eq!(served.at("src-pub", "http"), (lab.source, 6_970).into());
    assert_eq!(
        served.at("dst-pub", "https"),
        (lab.destination, 6_971).into()
    );
    let of_old = served.node("src-pub").get("https");
    assert_eq!(
        of_old, None,
        "10.5.2 has no EC certificate to serve HTTPS with"
    );

    let files = [
        "ITLFile.tlv".to_owned(),
        format!("ITL{PHONE}.tlv"),
        format!("{PHONE}.cnf.xml"),
        format!("{PHONE}.cnf.xml.sgn"),
    ];
    let places = [
        ("source/src-pub", lab.source),
        ("destination/dst-pub", lab.destination),
    ];
    let mut got = Vec::new();
    for client in ["curl", "tftp", "atftp", "http"] {
        for (place, from) in places {
            for file in &files {
                let bytes = fetched(client, from, file);
                println!("{client} <- {from}: {file}, {} bytes", bytes.len());
                got.push((client, place, file, bytes));
            }
        }
    }
    // What HTTPS protects needs no signature.
    let plain = fetched("http", lab.destination, &files[2]);
    let over_https = fetched("https", lab.destination, &files[3]);
    assert!(over_https == plain, "the body is the unsigned file");
    served.signal("TERM");
    let ended = served.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for (client, place, file, bytes) in &got {
        assert!(*bytes == lab.kept(place, file), "{client}: {place}/{file}");
    }

    // Lists and configurations name the nodes' addresses.
    let itl = lab.kept("source/src-pub", "ITLFile.tlv");
    let itl = TrustList::parse(&itl, &Strictness::default()).unwrap();
    let tvs = itl.records.iter().find(|r| r.role() == Role::Tvs).unwrap();
    if let Some(address) = tvs.ip_address() {
        assert_eq!(address, lab.source.octets());
    }
    let config = lab.kept("source/src-pub", &format!("{PHONE}.cnf.xml"));
    let config = String::from_utf8(config).unwrap();
    let member = format!("<port>2445</port>\n<address>{}</address>", lab.source);
    assert!(config.contains(&member), "{config}");
}

#[test]
#[ignore = "needs root and openssl"]
fn serve_answers_s_client_at_port_2445() {
    let Some(lab) = RealPorts::new() else { return };
    let mut served = lab.start();
    let list = fetched("curl", lab.source, "ITLFile.tlv");
    let list = TrustList::parse(&list, &Strictness::default()).unwrap();

    let place = format!("{}:2445", lab.source);
    let mut command = Command::new(program("openssl").unwrap());
    let output = run(command.args(["s_client", "-connect", &place]), LIMIT).unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let start = shown.find("-----BEGIN CERTIFICATE").unwrap();
    let end = shown.find("-----END CERTIFICATE-----").unwrap() + 25;
    let presented = Certificate::from_pem(&shown[start..end]).unwrap();
    let presented = presented.to_der().unwrap();
    let is_it = |r: &&trustline::wire::Record<&[u8]>| r.certificate() == Some(&presented[..]);
    let record = list
        .records
        .iter()
        .find(is_it)
        .expect("a record of the ITL");
    assert_eq!(record.role(), Role::Tvs);

    // It knows its own signer.
    let signer = SignerId::of(&list.header);
    let request = Request::Query {
        device: format!("CP-8861-{PHONE}").into_bytes(),
        subject: signer.subject,
        issuer: signer.issuer,
        serial: signer.serial,
    };
    let question = Message::from_request(&request, 9, &Tags::default())
        .emit()
        .unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("question");
    fs::write(&file, &question).unwrap();
    let script = format!(
        "openssl s_client -quiet -ign_eof -connect {place} < {} 2>/dev/null",
        file.display()
    );
    let output = run(Command::new("sh").args(["-c", &script]), LIMIT).unwrap();
    let answer = output.stdout;
    println!(
        "s_client -> {place}: {} bytes, answer of {}",
        question.len(),
        answer.len()
    );
    let answer = Message::parse(&answer, &Tags::default()).unwrap();
    let answer = answer
        .answer(&Tags::default(), Duplicates::default())
        .unwrap();
    assert_eq!(answer.status, 0);
    served.wait_for(|e| e["kind"] == "tvs-served" && e["actor"] == "src-pub");
    served.signal("TERM");
    assert_eq!(served.ended().code, Some(0));
}

#[test]
#[ignore = "needs root"]
fn serve_says_why_a_real_port_is_not_to_be_had() {
    let Some(lab) = RealPorts::new() else { return };
    let _first = lab.start();
    let taken = run(&mut lab.command(&[]), LIMIT).unwrap();
    let no_right = ["setpriv", "--bounding-set=-net_bind_service"];
    let forbidden = run(&mut lab.command(&no_right), LIMIT).unwrap();
    let start = format!("TFTP of src-pub cannot have {}:69", lab.source);
    for (output, expected) in [
        (taken, "sudo ss -lunp 'sport = :69'"),
        (forbidden, "sudo setcap cap_net_bind_service=+ep"),
    ] {
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8(output.stderr).unwrap();
        println!("{said}");
        assert!(said.contains(&start) && said.contains(expected), "{said}");
    }
}
