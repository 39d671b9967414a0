//! Provisioning in a world of tables: the same machine of a resync as on sockets, with DNS, servers
//! and their certificates as data. TLS is modelled: certificates are judged, nothing is encrypted.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::net::provisioning::tls::Demand;
use crate::provisioning::resync::{
    Answer, Connect, ConnectFault, End, Fault, Happening, Request, Resync, Step,
};
use crate::provisioning::verify::{Lookup, Trusted};

/// What a server says to a request, and to the certificate (DER) of the phone that sends it.
pub type Answering<'w> = Box<dyn Fn(&Request, Option<&[u8]>) -> Result<Answer, Fault> + 'w>;

/// A server that listens.
pub struct Server<'w> {
    /// The certificates that it presents, DER, its own first; empty without TLS.
    pub chain: Vec<Vec<u8>>,
    /// What it answers.
    pub answering: Answering<'w>,
    /// Which phones get no connection.
    pub demand: Demand,
}

/// What is around a phone.
#[derive(Default)]
pub struct Surroundings<'w> {
    /// Names and their addresses.
    pub dns: BTreeMap<String, Vec<IpAddr>>,
    /// True if no DNS server answers.
    pub dns_is_down: bool,
    /// Where servers listen; nobody does elsewhere.
    pub servers: BTreeMap<SocketAddr, Server<'w>>,
}

impl Surroundings<'_> {
    /// Runs a resync to its end. `certificate` is the phone's (DER), `tell` hears what happens.
    pub fn run(
        &self,
        resync: &mut Resync,
        certificate: Option<&[u8]>,
        mut tell: impl FnMut(Happening),
    ) -> End {
        let mut connected = None;
        loop {
            match resync.poll() {
                Some(Step::Tell(happening)) => tell(happening),
                Some(Step::Resolve { host, .. }) => resync.handle_lookup(self.look_up(&host)),
                Some(Step::Connect(connect)) => {
                    connected = None;
                    let is_tls = connect.tls.is_some();
                    let opened = self.connect(&connect, certificate);
                    resync.handle_connection(opened.map(|(server, trusted)| {
                        connected = Some((server, is_tls));
                        trusted
                    }));
                }
                Some(Step::Send(request)) => resync.handle_answer(match connected.take() {
                    // It waits for a handshake, and closes on anything else.
                    Some((server, false)) if !server.chain.is_empty() => {
                        Err(Fault::NoAnswer("the server speaks TLS alone".into()))
                    }
                    Some((server, is_tls)) => {
                        (server.answering)(&request, certificate.filter(|_| is_tls))
                    }
                    None => Err(Fault::NoAnswer("the connection is closed".into())),
                }),
                Some(Step::End(end)) => return end,
                // Every step has been answered, so there is always a next one.
                None => unreachable!("a resync waits for nothing that it was not given"),
            }
        }
    }

    fn look_up(&self, host: &str) -> Lookup {
        if self.dns_is_down {
            return Lookup::Unavailable("no answer in time".into());
        }
        match self.dns.get(&host.to_ascii_lowercase()) {
            Some(addresses) if !addresses.is_empty() => Lookup::Found(addresses.clone()),
            _ => Lookup::NoSuchName,
        }
    }

    fn connect(
        &self,
        connect: &Connect,
        certificate: Option<&[u8]>,
    ) -> Result<(&Server<'_>, Option<Trusted>), ConnectFault> {
        let Some(server) = self.servers.get(&connect.address) else {
            return Err(ConnectFault::Unreachable("connection refused".into()));
        };
        let Some((host, checker)) = &connect.tls else {
            return Ok((server, None));
        };
        if server.chain.is_empty() {
            return Err(ConnectFault::Tls("the server speaks no TLS".into()));
        }
        let presented: Vec<_> = server.chain.iter().map(Vec::as_slice).collect();
        let trusted = checker
            .certificate(&presented, host)
            .map_err(ConnectFault::Refused)?;
        // The server sees the phone's certificate once the phone has taken the server's.
        match server.demand.alert(certificate) {
            Some((code, name)) => Err(ConnectFault::Alert { code, name }),
            None => Ok((server, Some(trusted))),
        }
    }
}
