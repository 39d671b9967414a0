//! Names, asked of a DNS server of one's choice.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use tokio::time::timeout;

use crate::provisioning::unasked::Unasked;
use crate::provisioning::verify::Lookup;

/// How long the answer of the other family is waited for where it only explains, so that any time
/// would do.
const EXPLAINING: Duration = Duration::from_secs(1);

/// A phone's resolver. It keeps nothing: a phone that resyncs asks anew.
pub struct Dns {
    resolver: TokioResolver,
}

impl Dns {
    /// Asks this server alone, over UDP, and over TCP where an answer is cut off. The names of
    /// [`Unasked`] are not asked for.
    ///
    /// # Errors
    /// The resolver cannot be set up.
    pub fn of(server: SocketAddr) -> Result<Self, String> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        let connections = connections.map(|mut connection| {
            connection.port = server.port();
            connection
        });
        let server = NameServerConfig::new(server.ip(), true, connections.into());
        let config = ResolverConfig::from_name_servers(vec![server]);
        let provider = TokioRuntimeProvider::default();
        let mut builder = Resolver::builder_with_config(config, provider);
        let options = builder.options_mut();
        set(options);
        // A phone has no table of hosts.
        options.use_hosts_file = ResolveHosts::Never;
        let resolver = builder.build().map_err(|e| e.to_string())?;
        Ok(Self { resolver })
    }

    /// Asks as this system is set up to (`/etc/resolv.conf`, `/etc/hosts`).
    ///
    /// # Errors
    /// The system's settings cannot be read.
    pub fn of_system() -> Result<Self, String> {
        let mut builder = Resolver::builder_tokio().map_err(|e| e.to_string())?;
        set(builder.options_mut());
        let resolver = builder.build().map_err(|e| e.to_string())?;
        Ok(Self { resolver })
    }

    /// The addresses of `name`, of its A and, with `aaaa`, of its AAAA records. `within` is for each
    /// question; what is known counts, even if the other one had no answer. An answer that has `peer`
    /// is enough; with a `peer` that is not found, the answer of its family must have come: else
    /// nothing is known about it. Where that answer has other addresses, those of the other family
    /// only explain.
    pub async fn look_up(
        &self,
        name: &str,
        peer: Option<IpAddr>,
        aaaa: bool,
        within: Duration,
    ) -> Lookup {
        // The library knows the others, and lets a table of hosts speak first.
        if Unasked::of(name) == Some(Unasked::NotAName) {
            return Unasked::NotAName.lookup(aaaa);
        }
        // With the dot at its end no search list comes into it.
        let name = format!("{}.", name.trim_end_matches('.'));
        let ask = async |kind| {
            let late = |_| Err(format!("no answer within {} s", within.as_secs()));
            let asked = timeout(within, self.ask(&name, kind)).await;
            asked.unwrap_or_else(late)
        };
        let mut four = pin!(ask(RecordType::A));
        let mut six = pin!(async {
            match aaaa {
                true => ask(RecordType::AAAA).await,
                false => Ok(Vec::new()),
            }
        });
        let has_peer = |found: &Found| {
            let peer = peer.map(|peer| peer.to_canonical());
            let all = found.iter().flatten();
            peer.is_some_and(|peer| all.map(IpAddr::to_canonical).any(|ip| ip == peer))
        };
        let is_against = |found: &Found, is_family: fn(&IpAddr) -> bool| {
            let of_peer = peer.map(|peer| peer.to_canonical());
            let of_peer = of_peer.as_ref().is_some_and(is_family);
            of_peer && found.as_ref().is_ok_and(|all| !all.is_empty())
        };
        let none = || Ok(Vec::new());
        let (four, six) = tokio::select! {
            found = &mut four => match has_peer(&found) {
                true => (found, none()),
                false if is_against(&found, IpAddr::is_ipv4) => {
                    let six = timeout(EXPLAINING, six).await;
                    (found, six.unwrap_or_else(|_| none()))
                }
                false => (found, six.await),
            },
            found = &mut six => match has_peer(&found) {
                true => (none(), found),
                false if is_against(&found, IpAddr::is_ipv6) => {
                    let four = timeout(EXPLAINING, four).await;
                    (four.unwrap_or_else(|_| none()), found)
                }
                false => (four.await, found),
            },
        };
        joined(four, six, peer)
    }

    /// The addresses of one kind; none of them is an answer too.
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<IpAddr>, String> {
        // As it stands: the library would refuse an underscore within a label of what it takes for
        // an international name.
        let name = Name::from_ascii(name).map_err(|e| e.to_string())?;
        match self.resolver.lookup(name, kind).await {
            Ok(found) => {
                let records = found.answers().iter();
                Ok(records.filter_map(|record| record.data.ip_addr()).collect())
            }
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(NetError::Timeout) => Err("no answer in time".into()),
            Err(error) => Err(error.to_string()),
        }
    }
}

type Found = Result<Vec<IpAddr>, String>;

/// What the two answers say together; see [`Dns::look_up`].
fn joined(a: Found, aaaa: Found, peer: Option<IpAddr>) -> Lookup {
    let peer = peer.map(|peer| peer.to_canonical());
    let needed = match peer {
        Some(IpAddr::V4(_)) => a.as_ref().err(),
        Some(IpAddr::V6(_)) => aaaa.as_ref().err(),
        None => None,
    };
    if let Some(why) = needed {
        return Lookup::Unavailable(why.clone());
    }
    let mut addresses = Vec::new();
    let mut failure = None;
    for answer in [a, aaaa] {
        match answer {
            Ok(found) => addresses.extend(found),
            Err(why) => failure = failure.or(Some(why)),
        }
    }
    match (addresses.is_empty(), failure) {
        (false, _) => Lookup::Found(addresses),
        // That it has no address of the peer's family is known, and enough.
        (true, Some(why)) if peer.is_none() => Lookup::Unavailable(why),
        (true, _) => Lookup::NoSuchName,
    }
}

fn set(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.attempts = 2;
    options.timeout = Duration::from_secs(2);
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::op::Message;
    use tokio::net::UdpSocket;

    use super::super::lab::{Names, answer_to};
    use super::*;

    /// Asks a DNS server that knows `a.example` at 10.0.0.1 and answers questions of one kind alone.
    async fn asked(kind: RecordType, peer: Option<&str>, aaaa: bool, within: u64) -> Lookup {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let dns = Dns::of(socket.local_addr().unwrap()).unwrap();
        let all = ["10.0.0.1", "2001:db8::1"].map(|a| a.parse().unwrap());
        let names: Names = [("a.example".to_owned(), all.to_vec())].into();
        let server = tokio::spawn(async move {
            let mut buffer = [0; 1024];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let question = Message::from_vec(&buffer[..length]).unwrap();
                if question.queries[0].query_type() == kind {
                    let answer = answer_to(&question, Some(&names)).unwrap();
                    let answer = answer.to_vec().unwrap();
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        let peer = peer.map(|peer| peer.parse().unwrap());
        let within = Duration::from_secs(within);
        let found = dns.look_up("a.example", peer, aaaa, within).await;
        server.abort();
        found
    }

    #[tokio::test]
    async fn a_silent_question_is_waited_for_only_where_it_matters() {
        let four = || Lookup::Found(vec!["10.0.0.1".parse().unwrap()]);
        let six = || Lookup::Found(vec!["2001:db8::1".parse().unwrap()]);
        let (a, aaaa) = (RecordType::A, RecordType::AAAA);
        // Each question has its own time: what the other one gave counts.
        assert_eq!(asked(a, None, true, 1).await, four());
        assert_eq!(asked(aaaa, None, true, 1).await, six());
        // The resolver itself would wait for four seconds.
        for (kind, peer, counts, expected) in [
            (a, "10.0.0.1", true, four()),
            (a, "::ffff:10.0.0.1", true, four()),
            (aaaa, "2001:db8::1", true, six()),
            // It is elsewhere, whatever the other answer is.
            (a, "10.0.0.2", true, four()),
            (aaaa, "2001:db8::2", true, six()),
            // What does not count is not asked for.
            (a, "10.0.0.2", false, four()),
            (a, "2001:db8::1", false, four()),
        ] {
            let asked = asked(kind, Some(peer), counts, 100);
            let found = timeout(Duration::from_secs(3), asked).await;
            assert_eq!(found, Ok(expected), "{peer}");
        }
        let unknown = asked(a, Some("2001:db8::1"), true, 1).await;
        assert!(matches!(unknown, Lookup::Unavailable(_)), "{unknown:?}");
    }

    #[tokio::test]
    async fn names_that_are_not_asked_for_are_those_of_the_library() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let dns = Dns::of(socket.local_addr().unwrap()).unwrap();
        let within = Duration::from_millis(500);
        let long = format!("{}.example", "a".repeat(64));
        for name in [
            "a.localhost",
            "lab.Invalid.",
            "a.onion",
            "a..b",
            "-a.b",
            &long,
        ] {
            let unasked = Unasked::of(name).unwrap();
            for aaaa in [false, true] {
                let found = dns.look_up(name, None, aaaa, within).await;
                assert_eq!(found, unasked.lookup(aaaa), "{name}");
            }
        }
        let asked = socket.try_recv(&mut [0; 512]).map_err(|e| e.kind());
        assert_eq!(asked, Err(std::io::ErrorKind::WouldBlock));
    }

    #[tokio::test]
    async fn odd_names_are_asked_for_as_they_stand() {
        for name in [
            "prov_server.example",
            "_prov.example",
            "prov_.example",
            "prov-.example",
            "xn--a.example",
            "xn--99999.example",
            "A.Example",
        ] {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let dns = Dns::of(socket.local_addr().unwrap()).unwrap();
            let one: IpAddr = "10.0.0.1".parse().unwrap();
            let names: Names = [(name.to_ascii_lowercase(), vec![one])].into();
            let server = async {
                let mut buffer = [0; 1024];
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let asked = question.queries[0].name().to_ascii();
                assert!(asked.eq_ignore_ascii_case(&format!("{name}.")), "{asked}");
                let answer = answer_to(&question, Some(&names)).unwrap();
                let answer = answer.to_vec().unwrap();
                socket.send_to(&answer, from).await.unwrap();
            };
            let asked = dns.look_up(name, None, false, Duration::from_secs(5));
            let both = timeout(Duration::from_secs(10), async {
                tokio::join!(asked, server)
            });
            let (found, ()) = both.await.unwrap();
            assert_eq!(found, Lookup::Found(vec![one]), "{name}");
        }
    }

    #[test]
    fn one_silent_question_leaves_the_others_answer() {
        let four: IpAddr = "10.0.0.1".parse().unwrap();
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        let (silent, none) = (|| Err("silent".to_owned()), || Ok(Vec::new()));
        let unavailable = || Lookup::Unavailable("silent".into());
        for (a, aaaa, peer, expected) in [
            (Ok(vec![four]), silent(), None, Lookup::Found(vec![four])),
            (
                Ok(vec![four]),
                silent(),
                Some(four),
                Lookup::Found(vec![four]),
            ),
            (Ok(vec![four]), silent(), Some(six), unavailable()),
            (silent(), Ok(vec![six]), Some(four), unavailable()),
            (silent(), Ok(vec![six]), Some(six), Lookup::Found(vec![six])),
            (silent(), Ok(vec![six]), None, Lookup::Found(vec![six])),
            (none(), silent(), None, unavailable()),
            (none(), silent(), Some(four), Lookup::NoSuchName),
            (none(), none(), None, Lookup::NoSuchName),
            (silent(), silent(), None, unavailable()),
        ] {
            let shown = format!("{a:?} {aaaa:?} {peer:?}");
            assert_eq!(joined(a, aaaa, peer), expected, "{shown}");
        }
    }
}
