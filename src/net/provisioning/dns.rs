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

    /// The addresses of `name`, of its A and its AAAA records. `within` is for both questions
    /// together.
    pub async fn look_up(&self, name: &str, within: Duration) -> Lookup {
        // With the dot at its end no search list comes into it.
        let name = format!("{}.", name.trim_end_matches('.'));
        let asking = async {
            tokio::join!(
                self.ask(&name, RecordType::A),
                self.ask(&name, RecordType::AAAA)
            )
        };
        let Ok((a, aaaa)) = timeout(within, asking).await else {
            let why = format!("no answer within {} s", within.as_secs());
            return Lookup::Unavailable(why);
        };
        // What is known counts, even if the other question had no answer.
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
            (true, Some(why)) => Lookup::Unavailable(why),
            (true, None) => Lookup::NoSuchName,
        }
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

fn set(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.attempts = 2;
    options.timeout = Duration::from_secs(2);
}
