//! What was read of clusters before a move: served files, what TVS said, stores, who answers. A
//! thing that nobody read is [`Known::No`], with why; it is never taken for a thing that is not there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::cluster::{PublicCertificate, TrustStore};
use crate::trust::modelled::StandIns;
use crate::tvs::Found;
use crate::wire::header::{same_serial, serial_number, without_nul};

/// The port of TVS, where nothing else is said.
pub const TVS_PORT: u16 = 2445;

/// Something that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// It is known.
    Yes(T),
    /// It is not: why, in words for a person.
    No(String),
}

impl<T> Known<T> {
    /// What is known.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Yes(value) => Some(value),
            Self::No(_) => None,
        }
    }

    /// Nobody looked.
    pub fn not_looked_at() -> Self {
        Self::No("nobody looked".into())
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self::not_looked_at()
    }
}

/// Whether anybody answers at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A server answers.
    Open,
    /// The host says that nobody listens.
    Refused,
    /// Nothing comes back.
    Silent,
}

/// What a server said to a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileReply {
    /// The file.
    File(Arc<[u8]>),
    /// There is none: error 1 of TFTP.
    NotFound,
    /// Another status of HTTP than 200.
    Status(u16),
}

impl FileReply {
    /// True if the server says that there is no such file. Another status than 404 says nothing of the
    /// file: a 503 was seen of a CUCM without a CTL, and an overloaded server gives it too.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NotFound | Self::Status(404))
    }

    /// The file, if that is what came.
    pub fn file(&self) -> Option<&Arc<[u8]>> {
        match self {
            Self::File(bytes) => Some(bytes),
            Self::NotFound | Self::Status(_) => None,
        }
    }
}

/// How a node hands files out over one transport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileService {
    /// Whether anybody answers.
    pub door: Known<Door>,
    /// True if nobody asked, and the door counts as open because files of the node lie in a folder.
    pub concluded: bool,
    /// The certificate that the server shows, DER; nothing without TLS.
    pub certificate: Option<Vec<u8>>,
    /// What it said, by the name that was asked for.
    pub replies: BTreeMap<String, Known<FileReply>>,
    /// What holds for every name that is not in `replies`: why nothing is known of it, or, where
    /// whoever gave the files says that these are all, [`FileReply::NotFound`].
    pub others: Known<FileReply>,
}

impl FileService {
    /// What is known of a file.
    pub fn reply(&self, name: &str) -> &Known<FileReply> {
        self.replies.get(name).unwrap_or(&self.others)
    }
}

/// A certificate as a question to TVS names it: compared as TVS does, the issuer without the NUL that
/// ends it, the serial as a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignerKey {
    /// Issuer name as lists write it.
    pub issuer: Vec<u8>,
    /// Serial number, without leading zeros.
    pub serial: Vec<u8>,
}

impl SignerKey {
    /// The key of this issuer and serial, as a file or a request has them.
    pub fn new(issuer: &[u8], serial: &[u8]) -> Self {
        Self {
            issuer: without_nul(issuer).to_vec(),
            serial: serial_number(serial).to_vec(),
        }
    }

    /// The key of a certificate.
    pub fn of(certificate: &PublicCertificate) -> Self {
        Self::new(certificate.issuer_text.as_bytes(), &certificate.serial)
    }

    /// True of this certificate.
    pub fn is_of(&self, certificate: &PublicCertificate) -> bool {
        self.issuer == certificate.issuer_text.as_bytes()
            && same_serial(&self.serial, &certificate.serial)
    }
}

/// What a TVS said of a signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TvsReply {
    /// It vouches for it.
    Found(Found),
    /// It says that it does not know it.
    Unknown,
    /// It closes without an answer.
    Closed,
}

/// The TVS of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TvsService {
    /// Its port; none is [`TVS_PORT`].
    pub port: Option<u16>,
    /// Whether anybody answers.
    pub door: Known<Door>,
    /// The certificate that it shows, DER.
    pub certificate: Known<Vec<u8>>,
    /// What it said, by signer.
    pub replies: BTreeMap<SignerKey, Known<TvsReply>>,
    /// Why nothing is known of other signers.
    pub others: Known<TvsReply>,
    /// True if nobody asked it: certificate and answers are concluded from certificates and trust
    /// stores, by the rules `tvs.restart_needed` and `tvs.roles_of_store`. A recording does not keep
    /// such answers: they are concluded again by the rules of whoever reads it.
    pub derived: bool,
}

impl TvsService {
    /// One of which nothing is known, for one reason.
    pub fn unknown(why: &str) -> Self {
        Self {
            port: None,
            door: Known::No(why.to_owned()),
            certificate: Known::No(why.to_owned()),
            replies: BTreeMap::new(),
            others: Known::No(why.to_owned()),
            derived: false,
        }
    }

    /// What is known of its answer about a signer.
    pub fn reply(&self, signer: &SignerKey) -> &Known<TvsReply> {
        self.replies.get(signer).unwrap_or(&self.others)
    }
}

/// A node of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name, as the clusters' configurations name it.
    pub name: String,
    /// Its address; a folder may not tell it.
    pub address: Option<Ipv4Addr>,
    /// TFTP.
    pub tftp: FileService,
    /// The same files over HTTP, port 6970.
    pub http: FileService,
    /// The same files over HTTPS, port 6971.
    pub https: FileService,
    /// TVS.
    pub tvs: TvsService,
    /// Whether CallManager takes registrations, at whatever port.
    pub callmanager: Known<Door>,
    /// The same by TCP port, where somebody knocked at single ports: then nothing is known of others.
    pub callmanager_ports: BTreeMap<u16, Known<Door>>,
    /// Its own certificates that were exported, by the name of what they are for.
    pub certificates: Vec<(String, Arc<PublicCertificate>)>,
    /// Those of them that nobody exported, and that only lists name: they may be old.
    pub listed: Vec<Arc<PublicCertificate>>,
    /// What its trust stores hold, those that replicate too.
    pub stores: BTreeMap<TrustStore, Known<Vec<Arc<PublicCertificate>>>>,
}

impl Node {
    /// What the node says of a file over TFTP and HTTP together: the file, nothing where one of them
    /// says that there is none, or why neither tells. A status of HTTP that is none of both leaves it
    /// to TFTP.
    pub fn file(&self, name: &str) -> Known<Option<&Arc<[u8]>>> {
        let replies = [("TFTP", &self.tftp), ("HTTP", &self.http)];
        let replies = replies.map(|(service, files)| (service, files.reply(name)));
        let (mut is_missing, mut status, mut unread) = (false, None, None);
        for (service, reply) in replies {
            match reply {
                Known::Yes(FileReply::File(bytes)) => return Known::Yes(Some(bytes)),
                Known::Yes(reply) if reply.is_missing() => is_missing = true,
                Known::Yes(FileReply::Status(code)) => {
                    status.get_or_insert((service, *code));
                }
                Known::Yes(FileReply::NotFound) => {}
                Known::No(why) => {
                    unread.get_or_insert((service, why));
                }
            }
        }
        match (is_missing, status, unread) {
            (true, ..) => Known::Yes(None),
            (_, Some((service, code)), Some((other, why))) => Known::No(format!(
                "{service} said {code}, which says nothing of the file, and {other} did not tell ({why})"
            )),
            (_, Some((service, code)), None) => Known::No(format!(
                "{service} said {code}, which says nothing of the file"
            )),
            (_, None, Some((_, why))) => Known::No(why.clone()),
            (_, None, None) => Known::not_looked_at(),
        }
    }

    /// Whether CallManager takes registrations at this port; none is one that nobody can name.
    pub fn callmanager_at(&self, port: Option<u16>) -> Known<Door> {
        if self.callmanager_ports.is_empty() {
            return self.callmanager.clone();
        }
        let known = port.map(|port| (port, self.callmanager_ports.get(&port)));
        match known {
            Some((_, Some(door))) => door.clone(),
            Some((port, None)) => Known::No(format!("nobody knocked at TCP port {port}")),
            None => Known::No("the phone's configuration does not name its port".into()),
        }
    }

    /// Its own certificates that were exported.
    pub fn exported(&self) -> impl Iterator<Item = &(String, Arc<PublicCertificate>)> {
        let certificates = self.certificates.iter();
        certificates.filter(|(_, certificate)| !self.listed.contains(certificate))
    }

    /// True if a configuration means this node by `host`: its name, in any case, or its address.
    pub fn is_host(&self, host: &str) -> bool {
        self.name.eq_ignore_ascii_case(host)
            || self.address.is_some() && self.address == host.parse().ok()
    }
}

/// What is known of a cluster that no served file tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// It takes phones that are not in its database.
    pub auto_registration: Known<bool>,
    /// "Prepare Cluster for Rollback to pre 8.0".
    pub prepare_for_rollback: Known<bool>,
    /// Names of the files in its cache (`ConfigFileCacheList.txt`): a phone with one is in its database.
    pub cached_files: Known<Vec<String>>,
}

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// What the report calls it.
    pub name: String,
    /// Its nodes, the publisher first where that is known.
    pub nodes: Vec<Node>,
    /// What else is known.
    pub parameters: Parameters,
    /// What could not be read, with the reason and what to do. A report shows it, and the exit code is
    /// that of something unreachable.
    pub failures: Vec<String>,
    /// What was concluded rather than read, in sentences. What is concluded of a TVS
    /// ([`TvsService::derived`]) is not among them.
    pub notes: Vec<String>,
}

/// All clusters that a phone can meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// The clusters.
    pub sides: Vec<Side>,
    /// Signatures of files that nobody read, and that a cluster would publish after a change: they
    /// stand in for those that its keys would make. Nothing that was read has one.
    pub stand_ins: StandIns,
}

/// A node among all: index of its cluster, then its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At(pub usize, pub usize);

impl Sides {
    /// Clusters that were looked at.
    pub fn of(sides: Vec<Side>) -> Self {
        Self {
            sides,
            ..Self::default()
        }
    }

    /// The node.
    pub fn node(&self, at: At) -> Option<&Node> {
        self.sides.get(at.0)?.nodes.get(at.1)
    }

    /// The node, to change it.
    pub fn node_mut(&mut self, at: At) -> Option<&mut Node> {
        self.sides.get_mut(at.0)?.nodes.get_mut(at.1)
    }

    /// Every node.
    pub fn nodes(&self) -> impl Iterator<Item = (At, &Node)> {
        let of_side = |(s, side): (usize, &'_ Side)| (s, side.nodes.len());
        let counts: Vec<_> = self.sides.iter().enumerate().map(of_side).collect();
        counts
            .into_iter()
            .flat_map(|(s, count)| (0..count).map(move |n| At(s, n)))
            .filter_map(|at| Some((at, self.node(at)?)))
    }

    /// The nodes that a host name or a dotted address can mean: of each cluster one at most. Which of
    /// several a configuration means, [`Sides::named`] says.
    pub fn hosts(&self, host: &str) -> Vec<At> {
        let sides = 0..self.sides.len();
        let mut found: Vec<At> = sides.filter_map(|s| self.host_in(s, host)).collect();
        if found.is_empty() {
            // Nodes without a known address have the one that option 150 is given for them.
            let address = host.parse().ok();
            found.extend(address.and_then(|address| self.at(address)));
        }
        found
    }

    /// The node that a cluster's own files mean: its own, if it has one of this name.
    pub fn host_from(&self, side: usize, host: &str) -> Option<At> {
        let own = self.host_in(side, host);
        own.or_else(|| self.hosts(host).first().copied())
    }

    fn host_in(&self, side: usize, host: &str) -> Option<At> {
        let mut nodes = self.sides.get(side)?.nodes.iter();
        let n = nodes.position(|node| node.is_host(host))?;
        Some(At(side, n))
    }

    /// The address under which option 150 names the node: its own, or one of a range for tests (RFC
    /// 2544) that stands in for it, where nobody knows it or another cluster's node has it too.
    pub fn address(&self, at: At) -> Ipv4Addr {
        let byte = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
        let own = self.node(at).and_then(|n| n.address);
        let is_taken = |own: &Ipv4Addr| {
            let mut before = self.sides.iter().take(at.0).flat_map(|side| &side.nodes);
            before.any(|node| node.address == Some(*own))
        };
        own.filter(|own| !is_taken(own))
            .unwrap_or_else(|| Ipv4Addr::new(198, 18, byte(at.0), byte(at.1)))
    }

    /// The node with this address.
    pub fn at(&self, address: Ipv4Addr) -> Option<At> {
        self.nodes()
            .map(|(at, _)| at)
            .find(|&at| self.address(at) == address)
    }
}
