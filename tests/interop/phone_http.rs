//! `trustline phone` against nginx at the ports of CUCM, with the files of trustline's clusters; what
//! it does not have over HTTP it may have from dnsmasq over TFTP, and TVS is ours.

#![allow(
    clippy::disallowed_methods,
    reason = "real programs take real time and real files"
)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::phone_lab::{DEVICE, Lab, said, stdout};
use crate::support::{self, Running, TftpServer, Unavailable};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Where the files are over HTTP, over HTTPS, and over TFTP.
const FOLDERS: [&str; 3] = ["http", "https", "tftp"];

/// The rehearsed clusters, and servers of others at one address.
struct Bench {
    lab: Lab,
    folder: TempDir,
    tftp: TftpServer,
    nginx: Option<Running>,
}

impl Bench {
    /// None, and a line that says so, if this needs root.
    fn of(scenario: &str) -> Option<Self> {
        let lab = Lab::of(scenario);
        let folder = TempDir::new().unwrap();
        let open = |path: &Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        open(folder.path());
        for name in FOLDERS {
            fs::create_dir(folder.path().join(name)).unwrap();
            open(&folder.path().join(name));
        }
        let tftp = match support::dnsmasq(&folder.path().join("tftp")) {
            Ok(server) => server,
            Err(Unavailable::NeedsRoot(name)) => {
                println!("skipped: needs root: {name}");
                return None;
            }
            Err(other) => panic!("{other}"),
        };
        Some(Self {
            lab,
            folder,
            tftp,
            nginx: None,
        })
    }

    fn put(&self, folder: &str, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(folder).join(name), bytes).unwrap();
    }

    /// Puts there what the destination's node publishes, the lists under the phone's names.
    fn publish(&self, folder: &str) {
        let files = {
            let mut clusters = self.lab.rehearsed.lab();
            clusters.cluster_mut(1).unwrap().published("dst-pub")
        };
        for (name, bytes) in &files {
            match name.split_at(3) {
                (list, "File.tlv") => self.put(folder, &format!("{list}{DEVICE}.tlv"), bytes),
                _ => self.put(folder, name, bytes),
            }
        }
    }

    /// Puts the unsigned configuration where HTTPS has it: under the signed name.
    fn publish_over_https(&self) {
        let name = format!("{DEVICE}.cnf.xml.sgn");
        let answer = {
            let mut clusters = self.lab.rehearsed.lab();
            let id = clusters.host("dst-pub").unwrap();
            clusters.http(id, &format!("/{name}"), true)
        };
        assert!(answer.body().starts_with(b"<"), "it is the unsigned file");
        self.put("https", &name, answer.body());
    }

    fn at(&self, port: u16) -> SocketAddr {
        (self.tftp.address.ip(), port).into()
    }

    /// Starts nginx on 6970; `more` is added to that server.
    fn start(&mut self, more: &str) {
        let http = self.server(6_970, "", "http", more);
        let at = [self.at(6_970)];
        self.nginx = Some(support::nginx(self.folder.path(), &http, &at).unwrap());
    }

    /// Starts it on 6970 and 6971, there with a certificate and its key, PEM.
    fn start_with_https(&mut self, certificate: &Path, key: &Path) {
        let http = self.server(6_970, "", "http", "");
        let (certificate, key) = (certificate.display(), key.display());
        let tls = format!("ssl_certificate {certificate}; ssl_certificate_key {key};");
        let https = self.server(6_971, "ssl", "https", &tls);
        let at = [self.at(6_970), self.at(6_971)];
        let servers = http + &https;
        self.nginx = Some(support::nginx(self.folder.path(), &servers, &at).unwrap());
    }

    fn server(&self, port: u16, kind: &str, folder: &str, more: &str) -> String {
        let root = self.folder.path().join(folder);
        format!(
            "server {{ listen {} {kind}; root {}; {more} }}\n",
            self.at(port),
            root.display()
        )
    }

    /// A phone of the source moves to nginx; its events. It must follow.
    fn moves(&self) -> Vec<Value> {
        let seeds = self.lab.seeds();
        let mut args: Vec<_> = seeds.iter().map(String::as_str).collect();
        let tftp = self.tftp.address.ip().to_string();
        args.extend(["--tftp", &tftp, "--once", "--format", "json"]);
        let output = support::run(&mut self.lab.command(&args), LIMIT).unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let text = stdout(&output);
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What was asked of nginx, with its answer.
    fn asked(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        let line = |line: &str| {
            let mut parts = line.split('"').skip(1);
            let request = parts.next().unwrap();
            let status = parts.next().unwrap().split_whitespace().next().unwrap();
            format!("{request} {status}")
        };
        log.lines().map(line).collect()
    }
}

/// How each file came that came, in order.
fn came(events: &[Value]) -> Vec<(String, String)> {
    let text = |e: &Value, key: &str| e[key].as_str().unwrap().to_owned();
    events
        .iter()
        .filter(|e| e["kind"] == "downloaded")
        .map(|e| (text(e, "file"), text(e, "transport")))
        .collect()
}

fn has(came: &[(String, String)], file: &str, transport: &str) -> bool {
    came.contains(&(format!("{file}{DEVICE}.tlv"), transport.into()))
        || came.contains(&(file.into(), transport.into()))
}

#[test]
#[ignore = "needs root, nginx and dnsmasq"]
fn lists_and_configuration_come_over_http_and_404_is_missing() {
    let Some(mut bench) = Bench::of("non-secure-migration") else {
        return;
    };
    bench.publish("http");
    bench.start("");
    let events = bench.moves();
    let came = came(&events);
    assert!(has(&came, "ITL", "http"), "{came:?}");
    let config = format!("{DEVICE}.cnf.xml.sgn");
    assert!(has(&came, &config, "http"), "{came:?}");
    assert!(came.iter().all(|(_, transport)| transport == "http"));
    // A cluster without a CTL: 404, and TFTP does not have it either.
    let ctl = format!("CTL{DEVICE}.tlv");
    let failed = events.iter().find(|e| e["kind"] == "http-failed").unwrap();
    assert_eq!(
        (&failed["file"], &failed["status"]),
        (&ctl.into(), &404.into())
    );
    assert_eq!(failed["text"], "404 Not Found");
    assert_eq!(failed["then"], "tftp");
    let asked = bench.asked();
    assert_eq!(asked[0], format!("GET /CTL{DEVICE}.tlv HTTP/1.1 404"));
    assert_eq!(asked[1], format!("GET /ITL{DEVICE}.tlv HTTP/1.1 200"));
    assert_eq!(asked[2], format!("GET /{config} HTTP/1.1 200"));
}

#[test]
#[ignore = "needs root, nginx and dnsmasq"]
fn what_nginx_has_not_now_comes_over_tftp() {
    let Some(mut bench) = Bench::of("secure-migration") else {
        return;
    };
    bench.publish("http");
    bench.publish("tftp");
    bench.start("location ~ ^/CTL { return 503; }");
    let events = bench.moves();
    let came = came(&events);
    assert!(has(&came, "CTL", "tftp"), "{came:?}");
    assert!(has(&came, "ITL", "http"), "{came:?}");
    let failed = events.iter().find(|e| e["kind"] == "http-failed").unwrap();
    assert_eq!(failed["status"], 503);
    assert_eq!(failed["text"], "503 Service Temporarily Unavailable");
}

#[test]
#[ignore = "needs root, nginx and dnsmasq"]
fn the_configuration_comes_over_https_from_the_server_that_the_list_names() {
    let Some(mut bench) = Bench::of("https-record") else {
        return;
    };
    bench.publish("http");
    bench.publish_over_https();
    let identity = {
        let clusters = bench.lab.rehearsed.lab();
        let id = clusters.host("dst-pub").unwrap();
        clusters.https_identity(id).unwrap()
    };
    let pem = |command: &str, name: &str, der: &[u8]| {
        let (from, to) = (format!("{name}.der"), format!("{name}.pem"));
        let [from, to] = [from, to].map(|file| bench.folder.path().join(file));
        fs::write(&from, der).unwrap();
        openssl(
            &[command, "-inform", "DER"],
            &[("-in", &from), ("-out", &to)],
        );
        to
    };
    let certificate = pem("x509", "certificate", &identity.certificate);
    let key = pem("pkey", "key", &identity.key);
    bench.start_with_https(&certificate, &key);
    let events = bench.moves();
    let connected = events.iter().find(|e| e["kind"] == "https-connected");
    assert_eq!(connected.unwrap()["found_in"], "new ITL");
    let config = format!("{DEVICE}.cnf.xml.sgn");
    assert!(has(&came(&events), &config, "https"));
    let accepted = events.iter().find(|e| e["kind"] == "config-accepted");
    assert_eq!(accepted.unwrap()["signer"], Value::Null, "nobody signed it");
    assert!(
        bench
            .asked()
            .contains(&format!("GET /{config} HTTP/1.1 200"))
    );
}

#[test]
#[ignore = "needs root, nginx, dnsmasq and openssl"]
fn a_stranger_serves_no_configuration_over_https() {
    let Some(mut bench) = Bench::of("https-record") else {
        return;
    };
    bench.publish("http");
    bench.publish_over_https();
    let certificate = bench.folder.path().join("stranger.pem");
    let key = bench.folder.path().join("stranger.key");
    let new = ["req", "-x509", "-newkey", "ec", "-nodes", "-days", "30"];
    let about = [
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-subj",
        "/CN=dst-pub",
    ];
    openssl(
        &[&new[..], &about].concat(),
        &[("-out", &certificate), ("-keyout", &key)],
    );
    bench.start_with_https(&certificate, &key);
    let events = bench.moves();
    let connected = events.iter().find(|e| e["kind"] == "https-connected");
    assert_eq!(connected.unwrap()["found_in"], "none");
    let refused = |e: &&Value| e["kind"] == "http-failed" && e["transport"] == "https";
    let refused = events.iter().find(refused).unwrap();
    let text = refused["text"].as_str().unwrap();
    assert!(
        text.starts_with("the HTTPS server is not trusted: "),
        "{text}"
    );
    assert_eq!(refused["then"], "http");
    // The signed file over HTTP is as good as ever; the stranger was not even asked.
    let config = format!("{DEVICE}.cnf.xml.sgn");
    assert!(has(&came(&events), &config, "http"));
    let signed = format!("GET /{config} HTTP/1.1 200");
    assert_eq!(bench.asked().iter().filter(|a| **a == signed).count(), 1);
}

/// `openssl`, run to its end.
fn openssl(arguments: &[&str], files: &[(&str, &Path)]) {
    let mut command = Command::new("openssl");
    command.args(arguments);
    for (flag, file) in files {
        command.arg(flag).arg(file);
    }
    let output = support::run(&mut command, LIMIT).unwrap();
    assert!(output.status.success(), "{}", said(&output));
}
