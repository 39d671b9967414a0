//! The clusters of a rehearsed scenario on loopback, served by ours: HTTP, TFTP and TVS of every
//! node.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Runtime;
use trustline::cluster::{self, HttpAnswer, NodeId};
use trustline::net::clock::Clock;
use trustline::net::http;
use trustline::net::tftp;
use trustline::net::tls::{Identity, ServerTls, TlsOptions};
use trustline::net::tvs::{self, Limits, ServeConfig};
use trustline::phone::Pace;
use trustline::scenario::run::{Rehearsed, rehearse};
use trustline::scenario::{self, Network, Rules};
use trustline::tftp::{FileError, FileSource, ServerConfig};
use trustline::time::Time;
use trustline::tvs::{CertificateSource, Found};

use crate::golden::command;

/// The scenarios' first phone.
pub(crate) const DEVICE: &str = "SEP001122334401";

/// What a node sees of the clusters.
#[derive(Clone)]
struct Node {
    id: NodeId,
    clusters: Arc<Mutex<cluster::Lab>>,
    /// The node whose files are served in place of its own.
    stand_in: Arc<Mutex<Option<NodeId>>>,
    served: Arc<Mutex<BTreeSet<Vec<u8>>>>,
}

impl Node {
    fn clusters(&self) -> MutexGuard<'_, cluster::Lab> {
        self.clusters.lock().unwrap()
    }
}

impl Node {
    /// The node whose files are served.
    fn files_of(&self) -> NodeId {
        self.stand_in.lock().unwrap().unwrap_or(self.id)
    }

    fn remember(&self, bytes: &[u8]) {
        self.served.lock().unwrap().insert(bytes.to_vec());
    }
}

impl FileSource for Node {
    fn open(&self, name: &str) -> Result<Arc<[u8]>, FileError> {
        let bytes = self.clusters().open(self.files_of(), name)?;
        self.remember(&bytes);
        Ok(bytes)
    }
}

impl http::Files for Node {
    fn get(&self, path: &str) -> HttpAnswer {
        let answer = self.clusters().http(self.files_of(), path, false);
        if let HttpAnswer::Found(bytes) = &answer {
            self.remember(bytes);
        }
        answer
    }

    fn told(&self, _: http::ServerEvent) {}
}

impl CertificateSource for Node {
    fn query(&self, subject: &[u8], issuer: &[u8], serial: &[u8], _: Time) -> Option<Found> {
        self.clusters().query(self.id, subject, issuer, serial)
    }

    fn verify(&self, certificate: &[u8], _: Time) -> Option<Found> {
        self.clusters().verify(self.id, certificate)
    }
}

pub(crate) struct Lab {
    pub(crate) rehearsed: Rehearsed,
    nodes: Vec<Value>,
    stand_in: Arc<Mutex<Option<NodeId>>>,
    served: Arc<Mutex<BTreeSet<Vec<u8>>>>,
    pub(crate) dir: TempDir,
    _runtime: Runtime,
}

impl Lab {
    /// The clusters as a built-in scenario leaves them.
    pub(crate) fn of(name: &str) -> Self {
        let file = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&file).unwrap();
        let scenario = scenario::parse(&file, &text, &Rules).unwrap();
        let rehearsed = rehearse(&scenario, Network::Sim, Pace::Fast, None, &mut |_| {}).unwrap();
        let mut lab = Self {
            rehearsed,
            nodes: Vec::new(),
            stand_in: Arc::default(),
            served: Arc::default(),
            dir: tempfile::tempdir().unwrap(),
            _runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        };
        lab.serve();
        lab
    }

    fn serve(&mut self) {
        let clusters = Arc::clone(&self.rehearsed.lab);
        let ids = clusters.lock().unwrap().nodes();
        let _inside = self._runtime.enter();
        for id in ids {
            let node = Arc::new(Node {
                id,
                clusters: Arc::clone(&clusters),
                stand_in: Arc::clone(&self.stand_in),
                served: Arc::clone(&self.served),
            });
            let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            let tftp_at = socket.local_addr().unwrap();
            let files = Arc::clone(&node);
            tokio::spawn(async move {
                let socket = UdpSocket::from_std(socket).unwrap();
                let config = ServerConfig::default();
                let observer: tftp::Observer = Arc::new(|_, _| {});
                tftp::serve(socket, files, config, Clock::start(), observer, never()).await
            });
            let http_socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            http_socket.set_nonblocking(true).unwrap();
            let http_at = http_socket.local_addr().unwrap();
            let files = Arc::clone(&node);
            tokio::spawn(async move {
                let socket = TcpListener::from_std(http_socket).unwrap();
                http::serve(socket, None, files, http::Limits::default(), never()).await;
            });
            let listener = tvs::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 64).unwrap();
            let tvs_at = listener.local_addr().unwrap();
            let lab = clusters.lock().unwrap();
            if let Some(identity) = lab.tvs_identity(id) {
                let identity = Identity {
                    certificate: identity.certificate.to_vec(),
                    key: identity.key.to_vec(),
                };
                let config = ServeConfig {
                    tls: ServerTls::new(&identity, true, TlsOptions::default()).unwrap(),
                    settings: lab.tvs_settings(),
                    limits: Limits::default(),
                    close_notify: false,
                    clock: Clock::start(),
                };
                let observer: tvs::Observed = Arc::new(|_| {});
                tokio::spawn(async move {
                    tvs::serve(listener, config, node, observer, never()).await;
                });
            }
            self.nodes.push(json!({
                "cluster": lab.clusters()[id.cluster].id(),
                "node": lab.name(id),
                "address": lab.address(id).to_string(),
                "tftp": tftp_at.to_string(),
                "http": http_at.to_string(),
                "tvs": tvs_at.to_string(),
            }));
        }
        let ready = json!({ "schema_version": 1, "kind": "ready", "nodes": self.nodes });
        std::fs::write(self.ready(), format!("{ready}\n")).unwrap();
    }

    /// The file with the lab's line.
    pub(crate) fn ready(&self) -> PathBuf {
        self.dir.path().join("ready.json")
    }

    /// The flash of the phone.
    pub(crate) fn flash(&self) -> PathBuf {
        self.dir.path().join("flash")
    }

    /// Where a service of a node listens.
    pub(crate) fn at(&self, node: &str, service: &str) -> String {
        let node = self.nodes.iter().find(|n| n["node"] == node).unwrap();
        node[service].as_str().unwrap().to_owned()
    }

    /// From now on every node serves the files of this one.
    pub(crate) fn serve_files_of(&self, node: &str) {
        let id = self.rehearsed.lab().host(node).unwrap();
        *self.stand_in.lock().unwrap() = Some(id);
    }

    /// All that was served, under whatever name.
    pub(crate) fn served(&self) -> BTreeSet<Vec<u8>> {
        self.served.lock().unwrap().clone()
    }

    /// A file of the flash that the scenario's first phone had before it moved, for `--installed`
    /// and `--config`; none where it had no such file.
    pub(crate) fn before(&self, file: &str) -> Option<String> {
        let bytes = self.rehearsed.phones[0].before.get(file)?;
        let path = self.dir.path().join(format!("before-{file}"));
        std::fs::write(&path, bytes).unwrap();
        Some(path.to_str().unwrap().to_owned())
    }

    /// `phone` with these arguments, on the lab's nodes.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let (flash, ready) = (self.flash(), self.ready());
        let mut all = vec!["phone", "--mac", "001122334401", "--model", "CP-8861"];
        all.extend(["--flash", text(&flash), "--lab", text(&ready)]);
        all.extend(["--pace", "fast"]);
        all.extend(args);
        command(&all)
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The same for a phone whose flash begins with what the scenario's first phone had before it
    /// moved.
    pub(crate) fn run_seeded(&self, args: &[&str]) -> Output {
        let seeds = self.seeds();
        let mut all: Vec<_> = seeds.iter().map(String::as_str).collect();
        all.extend(args);
        self.run(&all)
    }

    /// `--installed` and `--config` for what the first phone had before it moved.
    pub(crate) fn seeds(&self) -> Vec<String> {
        let lists = ["CTLFile.tlv", "ITLFile.tlv"];
        let mut all = vec!["--installed".to_owned()];
        all.extend(lists.into_iter().filter_map(|file| self.before(file)));
        all.push("--config".into());
        all.extend(self.before("config.xml"));
        all
    }

    /// A file of the flash.
    pub(crate) fn held(&self, file: &str) -> Option<Vec<u8>> {
        std::fs::read(self.flash().join(file)).ok()
    }
}

async fn never() {
    std::future::pending::<()>().await;
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Exit code and both streams, for a message.
pub(crate) fn said(output: &Output) -> String {
    format!("{:?}\n{}{}", output.status, stdout(output), stderr(output))
}
