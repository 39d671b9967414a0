//! A lab's provisioning servers and its DNS server on loopback sockets, for phones whose addresses
//! are the lab's own: the machine of a resync speaks in those, and the socket alone knows where they
//! really are. It holds no rule: what a server answers is its owner's to say.

use std::collections::BTreeMap;
use std::future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::{Builder, Runtime};

use super::client::Client;
use super::dns::Dns;
use super::tls::Demand;
use crate::net::http::{Asked, Limits, Reply, Site, serve_site};
use crate::net::tls::{Identity, TlsFailure};
use crate::provisioning::resync::{Answer, End, Happening, Request, Resync};

/// Bytes of a question, at most (RFC 6891, 6.2.5 recommends to allow for 4096).
const MAX_QUESTION: usize = 4_096;

/// Seconds for which an answer may be kept; phones keep none.
const LIFE: u32 = 60;

/// What a server says to a request, and to the certificate (DER) of the phone that sends it. Its
/// status and its body count.
pub type Answering = Box<dyn Fn(&Request, Option<&[u8]>) -> Answer + Send + Sync>;

/// A server of the lab.
pub struct LabServer {
    /// Where phones find it.
    pub address: SocketAddr,
    /// What it shows.
    pub identity: Identity,
    /// What it wants to be shown.
    pub demand: Demand,
    /// What it answers.
    pub answering: Answering,
}

/// The names that DNS knows, in small letters and without a dot at their end.
pub type Names = BTreeMap<String, Vec<IpAddr>>;

/// All of it, for as long as this lives.
#[derive(Debug)]
pub struct Lab {
    runtime: Runtime,
    dns: SocketAddr,
    /// Where the servers really are.
    addresses: Arc<BTreeMap<SocketAddr, SocketAddr>>,
    counts: Arc<Counts>,
}

/// What came over the sockets.
#[derive(Debug, Default)]
struct Counts {
    questions: AtomicUsize,
    handshakes: AtomicUsize,
}

impl Lab {
    /// Opens the sockets. Without `names` DNS fails on every question.
    ///
    /// # Errors
    /// The system gives no sockets, or a server's key cannot be used.
    pub fn start(names: Option<Names>, servers: Vec<LabServer>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let counts = Arc::new(Counts::default());
        let (dns, addresses) = runtime.block_on(async {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let dns = socket.local_addr()?;
            tokio::spawn(serve_names(socket, names, Arc::clone(&counts)));
            let mut addresses = BTreeMap::new();
            for server in servers {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                addresses.insert(server.address, listener.local_addr()?);
                let tls = server.demand.server(&server.identity);
                let tls = tls.map_err(io::Error::other)?;
                let site = Arc::new(LabSite {
                    answering: server.answering,
                    counts: Arc::clone(&counts),
                });
                let limits = Limits::default();
                tokio::spawn(async move {
                    // It ends with the runtime.
                    serve_site(listener, Some(tls), site, limits, future::pending()).await;
                });
            }
            Ok::<_, io::Error>((dns, addresses))
        })?;
        Ok(Self {
            runtime,
            dns,
            addresses: Arc::new(addresses),
            counts,
        })
    }

    /// Questions that reached the DNS server so far, answered or not.
    pub fn questions(&self) -> usize {
        self.counts.questions.load(Ordering::Relaxed)
    }

    /// TLS handshakes that the servers finished so far.
    pub fn handshakes(&self) -> usize {
        self.counts.handshakes.load(Ordering::Relaxed)
    }

    /// Runs the resync of a phone with this certificate and key to its end. `tell` hears what
    /// happens.
    ///
    /// # Errors
    /// The resolver cannot be set up.
    pub fn run(
        &self,
        resync: &mut Resync,
        identity: Option<Identity>,
        tell: impl FnMut(Happening),
    ) -> io::Result<End> {
        self.runtime.block_on(async {
            let dns = Dns::of(self.dns).map_err(io::Error::other)?;
            let client = Client::new(dns, identity).in_lab(Arc::clone(&self.addresses));
            Ok(client.run(resync, tell).await)
        })
    }
}

/// A server's answers as a site.
struct LabSite {
    answering: Answering,
    counts: Arc<Counts>,
}

impl Site for LabSite {
    fn reply(&self, asked: &Asked<'_>) -> Reply {
        let certificate = asked.tls.and_then(|tls| tls.peer_certificate.as_deref());
        let agent = asked.agent.map(|agent| ("user-agent", agent.to_owned()));
        let request = Request {
            method: match asked.method {
                "POST" => "POST",
                _ => "GET",
            },
            path: asked.path.to_owned(),
            headers: agent.into_iter().collect(),
            body: Vec::new(),
            max_bytes: 0,
            within: std::time::Duration::ZERO,
        };
        let answer = (self.answering)(&request, certificate);
        Reply {
            status: answer.status,
            content_type: "application/octet-stream",
            allow: None,
            body: answer.body.into(),
        }
    }

    fn handshake_done(&self) {
        self.counts.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    // The phone's side of it is what a rehearsal tells.
    fn handshake_failed(&self, _: SocketAddr, _: Option<TlsFailure>) {}

    fn accept_failed(&self, _: io::ErrorKind) {}
}

async fn serve_names(socket: UdpSocket, names: Option<Names>, counts: Arc<Counts>) {
    let mut buffer = [0; MAX_QUESTION];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // Windows tells on this socket that an earlier answer reached no one.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
            Err(_) => return,
        };
        counts.questions.fetch_add(1, Ordering::Relaxed);
        let answer = Message::from_vec(&buffer[..length]).ok();
        let answer = answer.and_then(|question| answer_to(&question, names.as_ref()));
        if let Some(answer) = answer.and_then(|answer| answer.to_vec().ok()) {
            // UDP: what cannot be sent is lost.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// The answer to a message with one question; none to others, which no phone sends.
pub(super) fn answer_to(message: &Message, names: Option<&Names>) -> Option<Message> {
    let [question] = message.queries.as_slice() else {
        return None;
    };
    let question: &Query = question;
    let mut answer = Message::response(message.metadata.id, OpCode::Query);
    answer.metadata.recursion_desired = message.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_query(question.clone());
    let Some(names) = names else {
        answer.metadata.response_code = ResponseCode::ServFail;
        return Some(answer);
    };
    let name = question.name().to_ascii().to_ascii_lowercase();
    let Some(addresses) = names.get(name.trim_end_matches('.')) else {
        answer.metadata.response_code = ResponseCode::NXDomain;
        return Some(answer);
    };
    let of_kind = addresses
        .iter()
        .filter_map(|address| match (address, question.query_type()) {
            (IpAddr::V4(v4), RecordType::A) => Some(RData::from(*v4)),
            (IpAddr::V6(v6), RecordType::AAAA) => Some(RData::from(*v6)),
            _ => None,
        });
    for data in of_kind {
        answer.add_answer(Record::from_rdata(question.name().clone(), LIFE, data));
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use hickory_resolver::proto::rr::Name;

    use super::*;

    fn asked(name: &str, kind: RecordType, names: Option<&Names>) -> (ResponseCode, Vec<IpAddr>) {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
        let answer = answer_to(&message, names).unwrap();
        assert_eq!(answer.metadata.id, message.metadata.id);
        let addresses = answer.answers.iter().filter_map(|r| r.data.ip_addr());
        (answer.metadata.response_code, addresses.collect())
    }

    #[test]
    fn names_have_their_addresses_by_family() {
        let (four, six): (IpAddr, IpAddr) =
            ("10.1.1.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let names: Names = [("a.example".to_owned(), vec![four, six])].into();
        let ask = |name, kind| asked(name, kind, Some(&names));
        let good = ResponseCode::NoError;
        assert_eq!(ask("a.example.", RecordType::A), (good, vec![four]));
        assert_eq!(ask("A.Example.", RecordType::AAAA), (good, vec![six]));
        assert_eq!(ask("a.example.", RecordType::MX), (good, vec![]));
        let none = (ResponseCode::NXDomain, vec![]);
        assert_eq!(ask("b.example.", RecordType::A), none);
        let fails = (ResponseCode::ServFail, vec![]);
        assert_eq!(asked("a.example.", RecordType::A, None), fails);
        assert!(answer_to(&Message::query(), Some(&names)).is_none());
    }
}
