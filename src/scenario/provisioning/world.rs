//! The certificates of `[provisioning]`, and its servers.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{Phone, Provisioning, Round, Server};
use crate::cluster::key::{KeyBits, KeyError, KeyPool, PrivateKey};
#[cfg(feature = "provisioning")]
use crate::net::provisioning::lab::{Lab, LabServer};
use crate::net::provisioning::tls::Demand;
use crate::net::tls::Identity;
use crate::provisioning::authority::{self, IssueError, Issuer, Root, SERIAL_BYTES, Terms};
use crate::provisioning::device::{Device, MacAttribute};
use crate::provisioning::profile::Profile;
use crate::provisioning::resync::{Answer, Request};
use crate::provisioning::server::{
    CERTIFICATE_PAGE, NO_CERTIFICATE_PAGE, Roots, files_for, identify,
};
use crate::rng::Rng;
use crate::scenario::words::{CertificateDemand, ClientCertificate, ProvisioningAuthority, Tls};
use crate::sim::provisioning::{Server as Listening, Surroundings};
use crate::time::UnixSeconds;
use crate::wire::Digest;

const DAY: UnixSeconds = 86_400;

/// Where servers listen.
const PORT: u16 = 443;

/// The end of the roots: 2150-01-01, after every date that a scenario can have.
const FAR: UnixSeconds = 5_680_281_600;

/// Why the lab cannot make a certificate.
pub(super) type Error = IssueError<KeyError>;

/// Both roots of an authority, with their keys.
struct Authority {
    server: (Vec<u8>, Arc<PrivateKey>),
    client: (Vec<u8>, Arc<PrivateKey>),
}

/// A certificate that the lab made, and its key.
#[derive(Clone)]
pub(super) struct Made {
    /// DER.
    pub(super) certificate: Vec<u8>,
    key: Arc<PrivateKey>,
}

impl Made {
    pub(super) fn identity(&self) -> Identity {
        Identity {
            certificate: self.certificate.clone(),
            key: self.key.pkcs8().to_vec(),
        }
    }
}

/// What is made once for all rounds.
pub(super) struct World {
    scenario: Provisioning,
    /// The provisioning root that every phone has.
    pub(super) root: Vec<u8>,
    sites: Arc<Sites>,
    /// For each server, in their order.
    servers: Vec<Made>,
    /// For each phone, in their order.
    phones: Vec<Option<Made>>,
}

/// What servers answer by.
struct Sites {
    servers: Vec<Server>,
    roots_for_phones: Arc<Roots>,
}

/// The device that a phone is.
pub(super) fn device(phone: &Phone) -> Device {
    let [.., a, b, c] = phone.mac.value.0;
    Device {
        product: phone.product.clone(),
        // Of ten characters: twelve could be another phone's MAC address.
        serial: format!("8801{a:02X}{b:02X}{c:02X}"),
        mac: Some(phone.mac.value),
    }
}

impl World {
    pub(super) fn new(
        scenario: &Provisioning,
        date: UnixSeconds,
        seed: u64,
    ) -> Result<Self, Error> {
        // A pool beside that of the clusters, so that these keep their keys.
        let mut keys = KeyPool::new(seed ^ 0x70726f76);
        let mut rng = Rng::stream(seed, "provisioning");
        let mut terms = |not_before, not_after| {
            let mut serial = [0; SERIAL_BYTES];
            rng.fill(&mut serial);
            Terms {
                serial,
                not_before,
                not_after,
                digest: Digest::Sha256,
            }
        };
        let mut authority = |name: &str| -> Result<Authority, Error> {
            let mut root = |which| {
                let key = keys.take(KeyBits::B2048);
                let made = authority::root(which, name, &*key, &terms(0, FAR))?;
                Ok::<_, Error>((made, key))
            };
            Ok(Authority {
                server: root(Root::Server)?,
                client: root(Root::Client)?,
            })
        };
        let (ours, foreign) = (authority("trustline lab")?, authority("Another lab")?);
        let of = |which| match which {
            ProvisioningAuthority::Ours => &ours,
            ProvisioningAuthority::Foreign => &foreign,
        };
        let servers = scenario.servers.iter().map(|server| {
            let from = server
                .valid_from
                .unwrap_or_else(|| date.saturating_sub(30 * DAY));
            let to = server.valid_to.unwrap_or(date + 365 * DAY);
            let bits = KeyBits::from_bits(server.bits).unwrap_or_default();
            let (root, key) = &of(server.authority).server;
            let issuer = Issuer::new(root, &**key)?;
            let key = keys.take(bits);
            let certificate =
                issuer.lab_server(&server.common_name, key.spki(), &terms(from, to))?;
            Ok(Made { certificate, key })
        });
        let servers = servers.collect::<Result<_, Error>>()?;
        let mut phones = Vec::new();
        for phone in &scenario.phones {
            let (who, signed_by) = match phone.certificate {
                ClientCertificate::Missing => {
                    phones.push(None);
                    continue;
                }
                ClientCertificate::Own => (device(phone), &ours),
                ClientCertificate::Foreign => (device(phone), &foreign),
                ClientCertificate::OtherDevice => {
                    let mut other = device(phone);
                    if let Some(mac) = &mut other.mac {
                        mac.0[5] ^= 1;
                    }
                    other.serial = "88010000000".into();
                    (other, &ours)
                }
            };
            let terms = terms(date.saturating_sub(30 * DAY), date + 3_650 * DAY);
            let (root, key) = &signed_by.client;
            let issuer = Issuer::new(root, &**key)?;
            let key = keys.take(KeyBits::B2048);
            let certificate = issuer.device(&who, MacAttribute::State, key.spki(), &terms)?;
            phones.push(Some(Made { certificate, key }));
        }
        let roots = Roots::new(vec![ours.client.0.clone()]).map_err(Error::Root)?;
        Ok(Self {
            scenario: scenario.clone(),
            root: ours.server.0.clone(),
            sites: Arc::new(Sites {
                servers: scenario.servers.clone(),
                roots_for_phones: Arc::new(roots),
            }),
            servers,
            phones,
        })
    }

    /// What phone number `index` (from 0) presents.
    pub(super) fn phone(&self, index: usize) -> Option<&Made> {
        self.phones.get(index)?.as_ref()
    }

    /// What DNS knows in a round.
    fn names(&self, round: &Round) -> BTreeMap<String, Vec<IpAddr>> {
        let all = self.scenario.dns.iter().chain(&round.dns);
        let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
        all.map(|(name, all)| (plain(name), all.clone())).collect()
    }

    /// The servers that are up in a round: their numbers, and what they show.
    fn up(&self, round: &Round) -> impl Iterator<Item = (usize, &Server, &Made)> {
        let down: Vec<_> = round.down.iter().map(|d| d.value.clone()).collect();
        let all = self.scenario.servers.iter().enumerate();
        all.filter(move |(_, server)| !down.contains(&server.name.value))
            .filter_map(|(index, server)| {
                let shows = server.shows.as_ref().unwrap_or(&server.name);
                let mut named = self.scenario.servers.iter().zip(&self.servers);
                let (_, shown) = named.find(|(s, _)| s.name.value == shows.value)?;
                Some((index, server, shown))
            })
    }

    fn demand(&self, server: &Server, now: UnixSeconds) -> Demand {
        match server.demand {
            CertificateDemand::None => Demand::Nothing,
            CertificateDemand::Page => Demand::Any,
            CertificateDemand::Handshake => {
                Demand::Under(Arc::clone(&self.sites.roots_for_phones), now)
            }
        }
    }

    /// The tables around the phones in a round, while all clocks say `now`.
    ///
    /// # Errors
    /// A server's key cannot be used for TLS.
    pub(super) fn around(
        &self,
        round: &Round,
        now: UnixSeconds,
        tls: Tls,
    ) -> io::Result<Surroundings<'_>> {
        let servers = self.up(round).map(|(index, server, shown)| {
            let sites = &self.sites;
            let demand = self.demand(server, now);
            let listening = Listening {
                chain: vec![shown.certificate.clone()],
                answering: Box::new(move |request, certificate| {
                    Ok(sites.answer(index, request, certificate, now))
                }),
                tls: match tls {
                    Tls::Modelled => None,
                    Tls::Real => {
                        let end = demand.server(&shown.identity());
                        Some(end.map_err(io::Error::other)?)
                    }
                },
                demand,
            };
            Ok((SocketAddr::new(server.address.value, PORT), listening))
        });
        Ok(Surroundings {
            dns: self.names(round),
            dns_is_down: round.dns_down,
            servers: servers.collect::<io::Result<_>>()?,
            ..Surroundings::default()
        })
    }

    /// The same on loopback sockets.
    ///
    /// # Errors
    /// The system gives no sockets.
    #[cfg(feature = "provisioning")]
    pub(super) fn lab(&self, round: &Round, now: UnixSeconds) -> io::Result<Lab> {
        let servers = self.up(round).map(|(index, server, shown)| {
            let sites = Arc::clone(&self.sites);
            LabServer {
                address: SocketAddr::new(server.address.value, PORT),
                identity: shown.identity(),
                demand: self.demand(server, now),
                answering: Box::new(move |request, certificate| {
                    sites.answer(index, request, certificate, now)
                }),
            }
        });
        let names = (!round.dns_down).then(|| self.names(round));
        Lab::start(names, servers.collect())
    }
}

impl Sites {
    fn counts(&self, certificate: Option<&[u8]>, now: UnixSeconds) -> bool {
        certificate.is_some_and(|der| self.roots_for_phones.judge(der, now).is_ok())
    }

    /// What server number `index` answers to the phone with this certificate.
    fn answer(
        &self,
        index: usize,
        request: &Request,
        certificate: Option<&[u8]>,
        now: UnixSeconds,
    ) -> Answer {
        let Some(server) = self.servers.get(index) else {
            return page(404, "");
        };
        match (server.demand, certificate) {
            (CertificateDemand::None, _) => give(server, request, None),
            (_, None) => page(400, NO_CERTIFICATE_PAGE),
            (_, Some(_)) if !self.counts(certificate, now) => page(400, CERTIFICATE_PAGE),
            (_, Some(der)) => give(server, request, Some(der)),
        }
    }
}

fn page(status: u16, text: &str) -> Answer {
    Answer {
        status,
        body: text.into(),
        ..Answer::default()
    }
}

/// What a server gives for a request of the phone with this certificate.
fn give(server: &Server, request: &Request, certificate: Option<&[u8]>) -> Answer {
    let of_status = |status| page(status, "");
    let agent = request
        .headers
        .iter()
        .find(|(name, _)| *name == "user-agent");
    let agent = agent.map(|(_, value)| value.as_str());
    let device = match certificate.map(|der| identify(der, agent, false)) {
        Some(Ok((device, _))) => device,
        Some(Err(nobody)) => return of_status(nobody.status()),
        // The server asks for none: a phone is who it says.
        None => match agent.and_then(Device::of_agent) {
            Some(device) => device,
            None => return of_status(403),
        },
    };
    let path = request.path.split('?').next().unwrap_or_default();
    let files = match files_for(&device, path) {
        Ok(files) => files,
        Err(fault) => return of_status(fault.status()),
    };
    let is_one = |p: &&super::ProfileFile| {
        files
            .iter()
            .any(|file| file == p.path.trim_start_matches('/'))
    };
    let Some(profile) = server.profiles.iter().find(is_one) else {
        return of_status(404);
    };
    let text = format!(
        "<flat-profile><GPP_A>from {}</GPP_A></flat-profile>",
        server.name.value
    );
    let body = match &profile.key {
        Some(key) => Profile::seal(text.as_bytes(), key, b"trustlin"),
        None => text.into_bytes(),
    };
    Answer {
        status: 200,
        body,
        ..Answer::default()
    }
}
