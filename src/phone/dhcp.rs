//! The first stage of a boot: a lease, and the servers that follow from it. And, while the phone is
//! on, the renewal of the lease, which may name other servers.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::boot::{Phone, Stage};
use super::identity::Pace;
use super::notes::KeptLease;
use super::output::Output;
use crate::dhcp::{
    Backoff, Client, ClientConfig, ClientEvent, Host, Lease, LeaseTimes, Mac, ServerSource,
};
use crate::event::Kind;
use crate::rng::Rng;
use crate::time::Time;
use crate::trust::rules::{DhcpActAtOnce, DhcpNoAnswer, DhcpPrecedence, Key};

/// How a phone takes a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpSetup {
    /// Where the client's chance comes from: transactions, and how its waits differ from others'.
    pub seed: u64,
    /// Whether the phone's interface really gets the address, see [`ClientConfig::holds_address`].
    pub holds_address: bool,
    /// The times of the lease that a phone has which is on, see [`Phone::lease_times`]; none if
    /// nobody knows them.
    pub lease: Option<LeaseTimes>,
}

/// The stage, and afterwards the lease.
#[derive(Debug)]
pub(super) struct DhcpStage {
    client: Client,
    /// The lease whose servers are being looked up, and where they were named.
    lookup: Option<Lookup>,
    restarts: bool,
}

/// A name of option 66 that is being looked up.
#[derive(Debug)]
struct Lookup {
    lease: Lease,
    host: String,
    until: Time,
}

impl ServerSource {
    /// The places in a lease, in the order of a rule.
    fn order(rule: DhcpPrecedence) -> &'static [Self] {
        match rule {
            DhcpPrecedence::Option150First => &[Self::Option150, Self::Option66, Self::Siaddr],
            DhcpPrecedence::WithoutSiaddr => &[Self::Option150, Self::Option66],
            DhcpPrecedence::Option66First => &[Self::Option66, Self::Option150, Self::Siaddr],
        }
    }
}

impl Phone {
    /// Looks for a DHCP server.
    pub(super) fn begin_dhcp(&mut self, now: Time) {
        self.stage = Stage::Dhcp;
        let Some((config, rng)) = self.dhcp_client(now) else {
            let device = &self.setup.identity.device;
            let text = format!("{device} holds no hardware address to ask with");
            return self.without_lease(text, now);
        };
        self.dhcp = Some(DhcpStage {
            client: Client::new(config, rng, now),
            lookup: None,
            restarts: false,
        });
        self.pump_dhcp(now);
    }

    /// Renews the lease in the notes.
    pub(super) fn begin_renewal(&mut self, now: Time) {
        self.stage = Stage::Renewal;
        let (Some(kept), Some((config, rng))) = (&self.notes.lease, self.dhcp_client(now)) else {
            self.stage = Stage::Over;
            return;
        };
        let lease = Lease::remembered(kept.address, kept.dhcp_server);
        let times = self.setup.dhcp.as_ref().and_then(|d| d.lease);
        self.dhcp = Some(DhcpStage {
            client: match times {
                Some(times) => {
                    let mut client = Client::resuming(config, lease, times, rng, now);
                    // At once, if it is not time yet.
                    client.renew(now);
                    client
                }
                None => Client::renewing(config, lease, rng, now),
            },
            lookup: None,
            restarts: false,
        });
        self.pump_dhcp(now);
    }

    fn dhcp_client(&self, now: Time) -> Option<(ClientConfig, Rng)> {
        let setup = self.setup.dhcp.as_ref()?;
        let identity = &self.setup.identity;
        let mac = Mac::of_device(&identity.device)?;
        // The rule counts as used only where nobody answers.
        let tries = self.setup.settings.peek(Key::DhcpTries);
        let tries = u32::try_from(tries).unwrap_or(1);
        let usual = Backoff::default();
        let part = match self.setup.pace {
            Pace::Real => 1,
            Pace::Fast => 10,
        };
        let config = ClientConfig {
            holds_address: setup.holds_address,
            backoff: Backoff {
                first: usual.first / part,
                max: usual.max / part,
                jitter: usual.jitter / part,
                tries,
            },
            ..ClientConfig::of_phone(mac, &identity.device, &identity.model)
        };
        let stream = format!("{} dhcp {}", identity.device, now.as_micros());
        Some((config, Rng::stream(setup.seed, &stream)))
    }

    /// A datagram of a DHCP server arrived.
    pub fn handle_dhcp(&mut self, now: Time, datagram: &[u8]) {
        if let (Stage::Dhcp | Stage::Renewal, Some(dhcp)) = (self.stage, &mut self.dhcp) {
            dhcp.client.handle_datagram(now, datagram);
            self.pump_dhcp(now);
        }
    }

    /// The address of the name that [`Output::Resolve`] asked for, or that it has none.
    pub fn handle_resolved(&mut self, now: Time, host: &str, address: Option<Ipv4Addr>) {
        let waiting = self.dhcp.as_mut().and_then(|d| {
            let is_asked = d.lookup.as_ref().is_some_and(|l| l.host == host);
            d.lookup.take_if(|_| is_asked)
        });
        let Some(Lookup { lease, host, .. }) = waiting else {
            return;
        };
        match address {
            Some(address) => {
                let source = ServerSource::Option66.as_str();
                self.servers_known(&lease, vec![address], source, now);
            }
            None => {
                self.no_servers(&lease, without_address(&host), now);
            }
        }
    }

    /// When the stage wants to be woken.
    pub(super) fn dhcp_timeout(&self) -> Option<Time> {
        let dhcp = self.dhcp.as_ref()?;
        match (self.stage, &dhcp.lookup) {
            (Stage::Dhcp | Stage::Renewal, Some(lookup)) => Some(lookup.until),
            (Stage::Dhcp | Stage::Renewal, None) => dhcp.client.next_timeout(),
            _ => None,
        }
    }

    /// Time has passed for the stage.
    pub(super) fn dhcp_waited(&mut self, now: Time) {
        if self.dhcp_timeout().is_none_or(|at| at > now) {
            return;
        }
        let Some(dhcp) = &mut self.dhcp else { return };
        if let Some(Lookup { lease, host, .. }) = dhcp.lookup.take() {
            self.setup.settings.count(Key::DhcpLookup);
            let text = format!("option 66 names {host}, whose address nobody says");
            return self.no_servers(&lease, text, now);
        }
        dhcp.client.handle_timeout(now);
        self.pump_dhcp(now);
    }

    /// The times of the lease, once the boot or a renewal is over. When its `next` has come, start
    /// the machine with [`BootCause::Renewal`](super::BootCause::Renewal) and these times in
    /// [`DhcpSetup::lease`]. None without a lease.
    pub fn lease_times(&self) -> Option<LeaseTimes> {
        self.dhcp.as_ref()?.client.times()
    }

    /// True after a renewal that makes the phone restart.
    pub fn restarts(&self) -> bool {
        self.dhcp.as_ref().is_some_and(|d| d.restarts)
    }

    /// Does what the client wants, and goes on by what it tells.
    fn pump_dhcp(&mut self, now: Time) {
        loop {
            let Some(dhcp) = &mut self.dhcp else { return };
            while let Some(t) = dhcp.client.poll_transmit() {
                self.outputs.push_back(Output::Dhcp {
                    to: t.to,
                    payload: t.payload,
                });
            }
            let Some(event) = dhcp.client.poll_event() else {
                return;
            };
            match event {
                ClientEvent::Bound(lease) => {
                    self.tell_lease(&lease, self.stage == Stage::Renewal, now);
                    self.leased(*lease, now);
                }
                ClientEvent::Renewed(lease) => {
                    self.tell_lease(&lease, true, now);
                    self.leased(*lease, now);
                }
                ClientEvent::Refused { server, text } => {
                    let why = text.unwrap_or_else(|| "without a reason".into());
                    let text = format!("{server} refuses the address: {why}");
                    self.event(now, Kind::DhcpFailed { text });
                }
                ClientEvent::NoAnswer => {
                    self.setup.settings.count(Key::DhcpTries);
                    self.without_lease("no DHCP server answers".into(), now);
                }
                ClientEvent::RenewalUnanswered => {
                    self.setup.settings.count(Key::DhcpTries);
                    let text = "nobody renews the lease; the phone keeps it and its servers";
                    self.event(now, Kind::DhcpFailed { text: text.into() });
                    self.stage = Stage::Over;
                }
                ClientEvent::Expired => {
                    let text = "the lease has run out and nobody renewed it; the phone asks anew";
                    self.event(now, Kind::DhcpFailed { text: text.into() });
                }
                // A phone that is on asks for hours: once is said that it does.
                ClientEvent::Retransmitted { attempt: 1, .. } if self.is_renewing_in_time() => {
                    let text = "nobody has renewed the lease so far; the phone goes on asking";
                    self.event(now, Kind::DhcpFailed { text: text.into() });
                }
                ClientEvent::Offered { .. }
                | ClientEvent::Retransmitted { .. }
                | ClientEvent::Ignored(_) => {}
            }
        }
    }

    /// True in the renewal of a lease whose times are known, and which has not run out.
    fn is_renewing_in_time(&self) -> bool {
        let times = self.setup.dhcp.as_ref().and_then(|d| d.lease);
        let held = self.dhcp.as_ref().and_then(|d| d.client.lease());
        self.stage == Stage::Renewal && times.is_some() && held.is_some()
    }

    fn tell_lease(&mut self, lease: &Lease, is_renewed: bool, now: Time) {
        let server = lease.server.to_string();
        let address = lease.address.to_string();
        let seconds = lease.lease_secs;
        let option_150 = lease.option_150.iter().map(ToString::to_string).collect();
        let option_66 = lease.option_66.clone();
        let notes = lease.remarks.iter().map(ToString::to_string).collect();
        let kind = if is_renewed {
            Kind::LeaseRenewed {
                server,
                address,
                seconds,
                option_150,
                option_66,
                notes,
            }
        } else {
            Kind::LeaseTaken {
                server,
                address,
                seconds,
                option_150,
                option_66,
                notes,
            }
        };
        self.event(now, kind);
    }

    /// Finds the servers that a lease names.
    fn leased(&mut self, lease: Lease, now: Time) {
        let order = ServerSource::order(self.precedence(&lease));
        let Some(servers) = lease.servers(order) else {
            let text = "neither option 150 nor option 66 of the lease names a server";
            return self.no_servers(&lease, text.into(), now);
        };
        let most = self.most_servers(servers.hosts.len());
        let mut addresses = Vec::with_capacity(most);
        for host in servers.hosts.into_iter().take(most) {
            match host {
                Host::Address(address) => addresses.push(address),
                Host::Name(host) => {
                    let millis = self.setup.settings.peek(Key::DhcpLookup);
                    let wait = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
                    if let Some(dhcp) = &mut self.dhcp {
                        let until = now + wait;
                        let asked = host.clone();
                        dhcp.lookup = Some(Lookup { lease, host, until });
                        self.outputs.push_back(Output::Resolve { host: asked });
                    }
                    // Only option 66 has a name, and it has one alone.
                    return;
                }
            }
        }
        self.servers_known(&lease, addresses, servers.source.as_str(), now);
    }

    /// The rule, which counts as used only where another choice names other servers.
    fn precedence(&self, lease: &Lease) -> DhcpPrecedence {
        let all = [
            DhcpPrecedence::Option150First,
            DhcpPrecedence::WithoutSiaddr,
            DhcpPrecedence::Option66First,
        ];
        let first = lease.servers(ServerSource::order(all[0]));
        let is_same = |rule: &DhcpPrecedence| lease.servers(ServerSource::order(*rule)) == first;
        if all.iter().all(is_same) {
            return all[0];
        }
        self.setup.settings.word::<DhcpPrecedence>()
    }

    /// How many of so many servers the phone keeps. Two it does; the rule counts as used only where a
    /// lease names more.
    fn most_servers(&self, named: usize) -> usize {
        const DOCUMENTED: usize = 2;
        if named <= DOCUMENTED {
            return named;
        }
        let most = self.setup.settings.count(Key::DhcpMaxServers);
        usize::try_from(most).map_or(named, |most| most.min(named))
    }

    /// A lease and its servers are known.
    fn servers_known(&mut self, lease: &Lease, servers: Vec<Ipv4Addr>, source: &str, now: Time) {
        let kept = KeptLease {
            address: lease.address,
            dhcp_server: lease.server,
            servers,
        };
        let last = self.notes.lease.replace(kept.clone());
        if self.stage == Stage::Renewal {
            let is_new = last.is_none_or(|last| last.servers != kept.servers);
            return self.renewed(&kept.servers, source, is_new, now);
        }
        let by_hand = self.setup.option_150.clone();
        if by_hand.is_empty() {
            self.use_servers(kept.servers, source, now);
        } else {
            self.use_servers(by_hand, "by hand", now);
        }
    }

    /// A lease names no server that can be used.
    fn no_servers(&mut self, lease: &Lease, text: String, now: Time) {
        self.event(now, Kind::DhcpFailed { text });
        if let Some(kept) = &mut self.notes.lease {
            kept.address = lease.address;
            kept.dhcp_server = lease.server;
        } else {
            self.notes.lease = Some(KeptLease {
                address: lease.address,
                dhcp_server: lease.server,
                servers: Vec::new(),
            });
        }
        self.stored_servers(now);
    }

    fn without_lease(&mut self, text: String, now: Time) {
        self.event(now, Kind::DhcpFailed { text });
        self.stored_servers(now);
    }

    /// Goes on with what the phone had last.
    fn stored_servers(&mut self, now: Time) {
        if self.stage == Stage::Renewal {
            return self.end_renewal(now);
        }
        let by_hand = self.setup.option_150.clone();
        if !by_hand.is_empty() {
            return self.use_servers(by_hand, "by hand", now);
        }
        let stored = self.notes.lease.as_ref().map(|l| l.servers.clone());
        let stored = stored.filter(|s| !s.is_empty());
        // Without any, both choices come to the same.
        match stored {
            Some(stored) if self.setup.settings.word::<DhcpNoAnswer>() == DhcpNoAnswer::Stored => {
                self.use_servers(stored, "last time", now);
            }
            _ => self.use_servers(Vec::new(), "nowhere", now),
        }
    }

    fn use_servers(&mut self, servers: Vec<Ipv4Addr>, source: &str, now: Time) {
        self.tell_servers(&servers, source, "now", now);
        self.setup.option_150 = servers;
        self.begin_lists(now);
    }

    fn renewed(&mut self, servers: &[Ipv4Addr], source: &str, is_new: bool, now: Time) {
        let restarts = is_new && self.setup.settings.word::<DhcpActAtOnce>() == DhcpActAtOnce::Yes;
        let used = match (is_new, restarts) {
            (false, _) => "unchanged",
            (true, false) => "at the next start",
            (true, true) => "restart",
        };
        self.tell_servers(servers, source, used, now);
        if let Some(dhcp) = &mut self.dhcp {
            dhcp.restarts = restarts;
        }
        self.end_renewal(now);
    }

    /// What changed is stored before anything else can happen.
    fn end_renewal(&mut self, now: Time) {
        self.stage = Stage::Over;
        self.write_notes(now);
    }

    fn tell_servers(&mut self, servers: &[Ipv4Addr], source: &str, used: &str, now: Time) {
        let kind = Kind::ServersChosen {
            servers: servers.iter().map(ToString::to_string).collect(),
            source: source.to_owned(),
            used: used.to_owned(),
        };
        self.event(now, kind);
    }
}

/// Why the host in option 66 is of no use.
fn without_address(host: &str) -> String {
    if host.contains("://") {
        format!(
            "option 66 is the URL {host}: an enterprise phone wants a host name or an address there \
             (multiplatform phones take URLs)"
        )
    } else {
        format!("option 66 names {host}, which has no address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_in_option_66_is_told_as_what_it_is() {
        let told = without_address("http://10.0.0.5/spa$PSN.cfg");
        assert!(told.contains("wants a host name or an address"), "{told}");
        let told = without_address("tftp.lab");
        assert_eq!(told, "option 66 names tftp.lab, which has no address");
    }
}
