//! The binary rehearses the built-in migration with its exchange through OpenSSH's server: a user
//! with a password, in a directory of its own.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real programs take real time and real files"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::sftp::{LIMIT, PASSWORD, Sshd, ThrowAwayUser, lab_text, must, program};
use crate::support;

/// The password of the exchanged files.
const FILES_PASSWORD: &str = "trustline";

/// The built-in migration, its certificates exchanged through this server.
fn scenario(form: &str) -> String {
    let built_in = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/scenarios/non-secure-migration.toml"
    );
    let text = fs::read_to_string(built_in).unwrap();
    let (head, rest) = text.split_once("[cluster.source]").unwrap();
    let mut parts = rest.split("[[step]]");
    let clusters = parts.next().unwrap();
    let exchange = [
        ("export", "destination"),
        ("export", "source"),
        ("consolidate", "source"),
        ("import", "source"),
        ("import", "destination"),
    ]
    .map(|(what, cluster)| format!("[[step]]\ndo = \"bulk-{what}\"\ncluster = \"{cluster}\"\n"));
    let by_other_ways =
        |step: &&str| step.contains("\"trust-certificates\"") || step.contains("\"bulk-");
    let others = parts
        .filter(|step| !by_other_ways(step))
        .map(|step| format!("[[step]]{step}"));
    let steps: String = exchange.into_iter().chain(others).collect();
    format!("{head}sftp = {{ {form} }}\n[cluster.source]{clusters}{steps}")
}

/// Runs the scenario on sockets.
fn rehearse(form: &str, keep: &Path) -> (Output, Value) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("exchange.toml");
    fs::write(&file, scenario(form)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustline"));
    command
        .args([
            "rehearse",
            "--network",
            "loopback",
            "--format",
            "json",
            "--verbose",
        ])
        .arg("--keep")
        .arg(keep)
        .arg(&file);
    let output = support::run(&mut command, LIMIT).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let document = serde_json::from_str(&text);
    let document = document.unwrap_or_else(|error| panic!("{error}: {text}{said}"));
    (output, document)
}

fn events<'a>(document: &'a Value, kind: &str) -> Vec<&'a Value> {
    let events = document["scenarios"][0]["events"].as_array().unwrap();
    events.iter().filter(|e| e["kind"] == kind).collect()
}

/// What each action said, with what stands beside it.
fn texts(document: &Value) -> Vec<String> {
    let bulk = events(document, "bulk");
    let said = |e: &&Value| format!("{} {}", e["text"].as_str().unwrap(), e["notes"]);
    bulk.iter().map(said).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// sshd with a user that has a password, and the user's own directory.
struct Server {
    sshd: Sshd,
    user: ThrowAwayUser,
}

impl Server {
    /// None without leave to make a user.
    fn start() -> Option<Self> {
        if !support::is_root() {
            println!("skipped: needs root, to make a user with a password");
            return None;
        }
        let sshd = Sshd::start("", "");
        let user = ThrowAwayUser::make(&sshd.bulk());
        let server = Self { sshd, user };
        server.make("exchange");
        Some(server)
    }

    /// A directory of the user's.
    fn make(&self, name: &str) {
        let folder = self.sshd.bulk().join(name);
        fs::create_dir(&folder).unwrap();
        must(Command::new("chown").arg(&self.user.0).arg(&folder));
    }

    fn form(&self, password: &str, directory: &str) -> String {
        let (host, port) = (self.sshd.address.ip(), self.sshd.address.port());
        let user = &self.user.0;
        format!(
            "host = \"{host}\", port = {port}, user = \"{user}\", password = \"{password}\", directory = \"{directory}\""
        )
    }
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn phones_migrate_after_an_exchange_through_sshd() {
    let Some(server) = Server::start() else {
        return;
    };
    let keep = TempDir::new().unwrap();
    let form = server.form(PASSWORD, "exchange");
    let (output, document) = rehearse(&form, keep.path());
    assert_eq!(output.status.code(), Some(0), "{document:#}");

    let verdicts = events(&document, "verdict");
    assert_eq!(verdicts.len(), 5);
    assert!(
        verdicts.iter().all(|v| v["verdict"] == "migrated"),
        "{document:#}"
    );
    let url = format!("sftp://{}@{}/exchange", server.user.0, server.sshd.address);
    let actions = events(&document, "bulk");
    assert_eq!(actions.len(), 5);
    assert!(
        actions
            .iter()
            .all(|a| a["directory"] == url && a["result"] == "done")
    );
    // The key of the first connection is told once, and held.
    let told = texts(&document);
    let taken = |text: &&String| text.contains("is taken, and held for this run");
    assert!(taken(&&told[0]), "{told:?}");
    assert_eq!(told.iter().filter(|text| taken(text)).count(), 1);
    assert!(!document.to_string().contains(PASSWORD));

    // The files lie in sshd's directory and nowhere else, whole, and open elsewhere.
    let folder = server.sshd.bulk().join("exchange");
    let files = names(&folder);
    let consolidated = files
        .iter()
        .filter(|name| name.starts_with("consolidated_"));
    assert_eq!((files.len(), consolidated.count()), (20, 6), "{files:?}");
    assert!(files.iter().all(|name| name.ends_with(".p12")), "{files:?}");
    assert!(!keep.path().join("sftp").exists());
    for name in &files {
        let read = must(
            Command::new(program("openssl"))
                .args(["pkcs12", "-nokeys", "-in"])
                .arg(folder.join(name))
                .arg("-passin")
                .arg(format!("pass:{FILES_PASSWORD}")),
        );
        let read = String::from_utf8(read.stdout).unwrap();
        let certificates = read.matches("-----BEGIN CERTIFICATE-----").count();
        // Only the destination's one node has companions with EC keys.
        let is_of_all = name.starts_with("consolidated_") && !name.contains("ecdsa");
        let expected = if is_of_all { 3 } else { 1 };
        assert_eq!(certificates, expected, "{name}");
    }

    // What an earlier exchange left is pointed at.
    let (output, document) = rehearse(&form, keep.path());
    assert_eq!(output.status.code(), Some(1), "{document:#}");
    let told = texts(&document);
    assert!(
        told[0].contains("20 files lay in the directory before"),
        "{told:?}"
    );
    assert!(told[2].contains("is consolidated already"), "{told:?}");
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn a_rehearsal_that_cannot_open_its_directory_says_so() {
    let Some(server) = Server::start() else {
        return;
    };
    let keep = TempDir::new().unwrap();
    let lab_key = "SHA256:Hn/JuDPnWla+gUsSGmLCaBuJbp/u+rzSTjQPnucLWr8";
    assert!(lab_text("host-rsa.pub").starts_with("ssh-rsa"));
    let good = server.form(PASSWORD, "exchange");
    let other_key = format!("{good}, host-key = \"SHA256:{}\"", "A".repeat(43));
    let cases = [
        (server.form("wrong", "exchange"), "refused the login"),
        (server.form(PASSWORD, "nowhere"), "does not exist"),
        (other_key, "host key has changed"),
    ];
    for (form, expected) in cases {
        let (output, document) = rehearse(&form, keep.path());
        assert_eq!(output.status.code(), Some(3), "{document:#}");
        let told = texts(&document);
        assert_eq!(told.len(), 5);
        assert!(told.iter().all(|text| text.contains(expected)), "{told:?}");
        assert_eq!(
            names(&server.sshd.bulk().join("exchange")),
            Vec::<String>::new()
        );
        // Nothing came into a store, so nobody follows.
        assert!(events(&document, "trusted").is_empty());
        let verdicts = events(&document, "verdict");
        assert!(
            verdicts.iter().all(|v| v["verdict"] == "stranded"),
            "{document:#}"
        );
    }
    // The right key, given beforehand, is no news.
    let pinned = format!("{good}, host-key = \"{lab_key}\"");
    let (output, document) = rehearse(&pinned, keep.path());
    assert_eq!(output.status.code(), Some(0), "{document:#}");
    assert!(!document.to_string().contains("is taken, and held"));

    let (port, user) = (server.sshd.address.port(), server.user.0.clone());
    drop(server);
    let gone = format!("host = \"127.0.0.1\", port = {port}, user = \"{user}\", password = \"x\"");
    let (output, document) = rehearse(&gone, keep.path());
    assert_eq!(output.status.code(), Some(3), "{document:#}");
    assert!(
        texts(&document)
            .iter()
            .all(|text| text.contains("connection refused"))
    );
}
