//! openssl as a peer, and what is exchanged with it: the recording of Cisco 213407.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests on real sockets"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use trustline::net::tls::Identity;
use trustline::wire::tvs::{Answer, Command as TvsCommand, Message, Request, Tags};

/// What a child is given to start, to speak or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const SESSION: u32 = 1001;

/// A child process that ends with the test.
pub(crate) struct Peer {
    pub(crate) child: Child,
    output: Arc<Mutex<Vec<u8>>>,
    /// Says when there is more output, and when there is no more.
    more: mpsc::Receiver<()>,
}

impl Peer {
    pub(crate) fn openssl(args: &[&str]) -> (Self, ChildStdin) {
        let mut child = Command::new("openssl")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts; it is the Debian package openssl");
        let stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let output = Arc::new(Mutex::new(Vec::new()));
        let (said, more) = mpsc::channel();
        let log = Arc::clone(&output);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stdout.read(&mut buffer) {
                log.lock().unwrap().extend_from_slice(&buffer[..n]);
                let _ = said.send(());
            }
        });
        (
            Self {
                child,
                output,
                more,
            },
            stdin,
        )
    }

    /// What the child has written so far.
    pub(crate) fn has_written(&self) -> Vec<u8> {
        self.output.lock().unwrap().clone()
    }

    /// Waits until the child has written `count` bytes, or no more will come.
    pub(crate) fn wrote(&self, count: usize) -> Vec<u8> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let output = self.has_written();
            if output.len() >= count {
                return output;
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if self.more.recv_timeout(left).is_err() {
                return self.has_written();
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn lab(name: &str) -> Identity {
    let read = |extension: &str| std::fs::read(path(name, extension)).unwrap();
    Identity {
        certificate: read("der"),
        key: read("p8"),
    }
}

fn path(name: &str, extension: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/tvs")
        .join(format!("{name}.{extension}"))
}

/// Certificate and key of a lab identity, as openssl's options want them.
pub(crate) fn files(name: &str) -> Vec<String> {
    files_at(&path(name, "der"), &path(name, "p8"))
}

/// The same for files of DER anywhere.
pub(crate) fn files_at(certificate: &Path, key: &Path) -> Vec<String> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let options = ["-certform", "DER", "-keyform", "DER"].map(str::to_owned);
    let files = [
        "-cert".to_owned(),
        text(certificate),
        "-key".to_owned(),
        text(key),
    ];
    [&files[..], &options[..]].concat()
}

/// The question of the recording in Cisco 213407, 153 bytes.
pub(crate) fn recorded_query() -> Request {
    let serial = "24000000179479B8F124AC3F3B000000000017";
    let digits: Vec<u32> = serial.chars().filter_map(|c| c.to_digit(16)).collect();
    Request::Query {
        device: b"CP-8861-SEPB000B4BA0AEE".to_vec(),
        subject: b"CN=ucm11pub.stormin.local;OU=IST;O=Stormin;L=Brisbane;ST=QLD;C=AU".to_vec(),
        issuer: b"CN=stormin-WIN2012-CA".to_vec(),
        serial: digits.chunks(2).map(|d| (d[0] * 16 + d[1]) as u8).collect(),
    }
}

/// An answer of the recording's shape, 1480 bytes.
pub(crate) fn recorded_answer() -> Answer {
    Answer {
        status: 0,
        certificate: Some(vec![0x30; 1451]),
        roles: Some(vec![0, 3]),
        ttl_secs: Some(86_400),
    }
}

pub(crate) fn query_bytes() -> Vec<u8> {
    Message::from_request(&recorded_query(), SESSION, &Tags::default())
        .emit()
        .unwrap()
}

pub(crate) fn answer_bytes() -> Vec<u8> {
    let command = TvsCommand::QueryResponse;
    let answer = recorded_answer();
    Message::from_answer(&answer, command, SESSION, &Tags::default())
        .emit()
        .unwrap()
}

/// A port that was free a moment ago; `s_server` cannot be given a listener.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// An `s_server` that presents the lab identity `name`.
pub(crate) async fn s_server(name: &str, options: &[&str]) -> (Peer, ChildStdin, SocketAddr) {
    s_server_with(&files(name), options).await
}

/// An `s_server` that presents what these options say.
pub(crate) async fn s_server_with(
    files: &[String],
    options: &[&str],
) -> (Peer, ChildStdin, SocketAddr) {
    for _ in 0..5 {
        let port = free_port().to_string();
        let accept = format!("127.0.0.1:{port}");
        let mut args = vec!["s_server", "-accept", &accept, "-quiet", "-naccept", "9"];
        args.extend(files.iter().map(String::as_str));
        args.extend(options);
        let (mut peer, stdin) = Peer::openssl(&args);
        let addr = accept.parse().unwrap();
        let give_up = Instant::now() + PATIENCE;
        // Up when the port is taken: asking by a connection would be served as a client.
        while peer.child.try_wait().unwrap().is_none() && Instant::now() < give_up {
            if TcpListener::bind(addr).is_err() {
                return (peer, stdin, addr);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    panic!("openssl s_server does not start");
}

/// Plays the TVS behind an `s_server`: answers once it has seen the whole of the recorded
/// question. The input stays open while what this returns is held.
pub(crate) async fn answer_once_asked(peer: &Peer, mut stdin: ChildStdin) -> ChildStdin {
    let seen = tokio::task::block_in_place(|| peer.wrote(query_bytes().len()));
    assert_eq!(seen, query_bytes(), "what s_server read");
    stdin.write_all(&answer_bytes()).unwrap();
    stdin.flush().unwrap();
    stdin
}
