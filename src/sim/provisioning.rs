//! Provisioning in a world of tables: the same machine of a resync as on sockets, with DNS, servers
//! and their certificates as data. TLS is modelled, where certificates are judged and nothing is
//! encrypted, or real over simulated bytes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::session::Session;
use crate::net::provisioning::tls::{Demand, PhoneTls};
use crate::net::tls::{Identity, ServerTls, TlsFailure};
use crate::provisioning::resync::{
    Answer, Connect, ConnectFault, End, Fault, Happening, Request, Resync, Step,
};
use crate::provisioning::unasked::Unasked;
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
    /// Its end of real TLS, with the first certificate of the chain and this demand; none where TLS
    /// is modelled.
    pub tls: Option<ServerTls>,
}

/// What is around a phone.
#[derive(Default)]
pub struct Surroundings<'w> {
    /// Names, in small letters and without a dot at their end, and their addresses.
    pub dns: BTreeMap<String, Vec<IpAddr>>,
    /// True if no DNS server answers.
    pub dns_is_down: bool,
    /// Where servers listen; nobody does elsewhere.
    pub servers: BTreeMap<SocketAddr, Server<'w>>,
    /// Handshakes of real TLS that came up so far.
    pub handshakes: Cell<usize>,
}

/// A connection over which one request goes.
struct Connection<'s, 'w> {
    server: &'s Server<'w>,
    layer: Layer,
}

/// What is between TCP and HTTP.
enum Layer {
    Plain,
    Modelled,
    Real(Box<Session>),
}

impl Surroundings<'_> {
    /// Runs a resync to its end. `identity` is what the phone presents; its key counts where TLS is
    /// real. `tell` hears what happens.
    pub fn run(
        &self,
        resync: &mut Resync,
        identity: Option<&Identity>,
        mut tell: impl FnMut(Happening),
    ) -> End {
        let mut connection = None;
        loop {
            match resync.poll() {
                Some(Step::Tell(happening)) => tell(happening),
                Some(Step::Resolve { host, aaaa, .. }) => {
                    resync.handle_lookup(self.look_up(&host, aaaa));
                }
                Some(Step::Connect(connect)) => {
                    connection = None;
                    let opened = self.connect(&connect, identity);
                    resync.handle_connection(opened.map(|(opened, trusted)| {
                        connection = Some(opened);
                        trusted
                    }));
                }
                Some(Step::Send(request)) => resync.handle_answer(match connection.take() {
                    Some(connection) => connection.ask(&request, identity),
                    None => Err(Fault::NoAnswer("the connection is closed".into())),
                }),
                Some(Step::End(end)) => return end,
                // Every step has been answered, so there is always a next one.
                None => unreachable!("a resync waits for nothing that it was not given"),
            }
        }
    }

    fn look_up(&self, host: &str, aaaa: bool) -> Lookup {
        if let Some(unasked) = Unasked::of(host) {
            return unasked.lookup(aaaa);
        }
        if self.dns_is_down {
            return Lookup::Unavailable("no answer in time".into());
        }
        match self
            .dns
            .get(host.trim_end_matches('.').to_ascii_lowercase().as_str())
        {
            Some(addresses) if !addresses.is_empty() => Lookup::Found(addresses.clone()),
            _ => Lookup::NoSuchName,
        }
    }

    fn connect(
        &self,
        connect: &Connect,
        identity: Option<&Identity>,
    ) -> Result<(Connection<'_, '_>, Option<Trusted>), ConnectFault> {
        let Some(server) = self.servers.get(&connect.address) else {
            return Err(ConnectFault::Unreachable("connection refused".into()));
        };
        let Some((host, checker)) = &connect.tls else {
            let layer = Layer::Plain;
            return Ok((Connection { server, layer }, None));
        };
        if server.chain.is_empty() {
            return Err(ConnectFault::Tls("the server speaks no TLS".into()));
        }
        let (layer, trusted) = match &server.tls {
            Some(tls) => {
                let phone = PhoneTls::new(connect, host, checker, identity)?;
                let session = Session::open(phone.config(), phone.name(), tls);
                let (session, trusted) = phone.outcome(session)?;
                self.handshakes.set(self.handshakes.get() + 1);
                (Layer::Real(Box::new(session)), trusted)
            }
            None => {
                let presented: Vec<_> = server.chain.iter().map(Vec::as_slice).collect();
                let trusted = checker
                    .certificate(&presented, host)
                    .map_err(ConnectFault::Refused)?;
                // The server sees the phone's certificate once the phone has taken the server's.
                let certificate = identity.map(|own| own.certificate.as_slice());
                if let Some((code, name)) = server.demand.alert(certificate) {
                    return Err(ConnectFault::Alert { code, name });
                }
                (Layer::Modelled, trusted)
            }
        };
        Ok((Connection { server, layer }, Some(trusted)))
    }
}

impl Connection<'_, '_> {
    fn ask(self, request: &Request, identity: Option<&Identity>) -> Result<Answer, Fault> {
        let answering = &self.server.answering;
        match self.layer {
            // It waits for a handshake, and closes on anything else.
            Layer::Plain if !self.server.chain.is_empty() => {
                Err(Fault::NoAnswer("the server speaks TLS alone".into()))
            }
            Layer::Plain => answering(request, None),
            Layer::Modelled => answering(request, identity.map(|own| own.certificate.as_slice())),
            Layer::Real(mut session) => {
                let said = [request.path.as_bytes(), &request.body].concat();
                let broken = |failure: TlsFailure| Fault::Tls(failure.to_string());
                let arrived = session.carry_to_server(&said).map_err(broken)?;
                if arrived != said {
                    return Err(Fault::Tls("the request was changed on its way".into()));
                }
                let mut answer = answering(request, session.presented())?;
                answer.body = session.carry_to_phone(&answer.body).map_err(broken)?;
                Ok(answer)
            }
        }
    }
}
