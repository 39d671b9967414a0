//! Names, asked of a DNS server of one's choice.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RecordType;
use hickory_resolver::{Resolver, TokioResolver};
use tokio::time::timeout;

use crate::provisioning::verify::Lookup;

/// A phone's resolver. It keeps nothing: a phone that resyncs asks anew.
pub struct Dns {
    resolver: TokioResolver,
}

impl Dns {
    /// Asks this server alone, over UDP, and over TCP where an answer is cut off.
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

    /// The addresses of `name`, of its A and its AAAA records. `within` is for each question; what is
    /// known counts, even if the other one had no answer. With a `peer` that is not found, the answer
    /// of its family must have come: else nothing is known about it.
    pub async fn look_up(&self, name: &str, peer: Option<IpAddr>, within: Duration) -> Lookup {
        // With the dot at its end no search list comes into it.
        let name = format!("{}.", name.trim_end_matches('.'));
        let ask = async |kind| {
            let late = |_| Err(format!("no answer within {} s", within.as_secs()));
            let asked = timeout(within, self.ask(&name, kind)).await;
            asked.unwrap_or_else(late)
        };
        let (a, aaaa) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
        joined(a, aaaa, peer)
    }

    /// The addresses of one kind; none of them is an answer too.
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<IpAddr>, String> {
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
    use super::*;

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
