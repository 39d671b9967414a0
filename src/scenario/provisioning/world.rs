//! The certificates of `[provisioning]`, and its servers.

use std::net::SocketAddr;

use super::{Phone, Provisioning, Round, Server};
use crate::cluster::key::{KeyBits, KeyError, KeyPool, PrivateKey};
use crate::provisioning::authority::{self, IssueError, Issuer, Root, SERIAL_BYTES, Terms};
use crate::provisioning::device::{Device, MacAttribute};
use crate::provisioning::profile::Profile;
use crate::provisioning::resync::{Answer, Fault, Request};
use crate::provisioning::server::{CERTIFICATE_PAGE, NO_CERTIFICATE_PAGE, Roots, files_for};
use crate::rng::Rng;
use crate::scenario::words::{CertificateDemand, ClientCertificate, ProvisioningAuthority};
use crate::sim::provisioning::{Server as Listening, Surroundings};
use crate::time::UnixSeconds;
use crate::trust::certificate::Certificate;
use crate::wire::Digest;

const DAY: UnixSeconds = 86_400;

/// The end of the roots: 2150-01-01, after every date that a scenario can have.
const FAR: UnixSeconds = 5_680_281_600;

/// Why the lab cannot make a certificate.
pub(super) type Error = IssueError<KeyError>;

/// Both roots of an authority, with their keys.
struct Authority {
    server: (Vec<u8>, std::sync::Arc<PrivateKey>),
    client: (Vec<u8>, std::sync::Arc<PrivateKey>),
}

/// What is made once for all rounds.
pub(super) struct World<'s> {
    scenario: &'s Provisioning,
    /// The provisioning root that every phone has.
    pub(super) root: Vec<u8>,
    roots_for_phones: Roots,
    /// A certificate for each server, in their order.
    servers: Vec<Vec<u8>>,
    /// A certificate for each phone, in their order.
    phones: Vec<Option<Vec<u8>>>,
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

impl<'s> World<'s> {
    pub(super) fn new(
        scenario: &'s Provisioning,
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
            issuer.lab_server(
                &server.common_name,
                keys.take(bits).spki(),
                &terms(from, to),
            )
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
            let own = keys.take(KeyBits::B2048);
            let made = issuer.device(&who, MacAttribute::State, own.spki(), &terms)?;
            phones.push(Some(made));
        }
        Ok(Self {
            scenario,
            root: ours.server.0.clone(),
            roots_for_phones: Roots::new(vec![ours.client.0.clone()]).map_err(Error::Root)?,
            servers,
            phones,
        })
    }

    /// The certificate of phone number `index` (from 0).
    pub(super) fn certificate(&self, index: usize) -> Option<&[u8]> {
        self.phones.get(index)?.as_deref()
    }

    /// What is around the phones in a round, whose clock says `now`.
    pub(super) fn around(&self, round: &Round, now: UnixSeconds) -> Surroundings<'_> {
        let mut around = Surroundings {
            dns_is_down: round.dns_down,
            ..Surroundings::default()
        };
        for (name, addresses) in self.scenario.dns.iter().chain(&round.dns) {
            around
                .dns
                .insert(name.to_ascii_lowercase(), addresses.clone());
        }
        let is_up = |server: &&Server| !round.down.iter().any(|d| d.value == server.name.value);
        for server in self.scenario.servers.iter().filter(is_up) {
            let address = SocketAddr::new(server.address.value, 443);
            around.servers.insert(address, self.listening(server, now));
        }
        around
    }

    fn listening<'w>(&'w self, server: &'w Server, now: UnixSeconds) -> Listening<'w> {
        let shows = server.shows.as_ref().unwrap_or(&server.name);
        let mut named = self.scenario.servers.iter().zip(&self.servers);
        let shown = named.find(|(s, _)| s.name.value == shows.value);
        let counts = move |certificate: Option<&[u8]>| match certificate {
            Some(der) => self.roots_for_phones.judge(der, now).is_ok(),
            None => false,
        };
        Listening {
            chain: shown.map(|(_, der)| der.clone()).into_iter().collect(),
            answering: Box::new(move |request, certificate| {
                let page = |status, text: &str| {
                    Ok(Answer {
                        status,
                        body: text.into(),
                        ..Answer::default()
                    })
                };
                match (server.demand, certificate) {
                    (CertificateDemand::None, _) => give(server, request, None),
                    (_, None) => page(400, NO_CERTIFICATE_PAGE),
                    (_, Some(_)) if !counts(certificate) => page(400, CERTIFICATE_PAGE),
                    (_, Some(der)) => give(server, request, Some(der)),
                }
            }),
            demanding: Some(Box::new(move |certificate| match server.demand {
                CertificateDemand::Handshake if certificate.is_none() => {
                    Some((116, "CertificateRequired"))
                }
                CertificateDemand::Handshake if !counts(certificate) => Some((48, "UnknownCA")),
                _ => None,
            })),
        }
    }
}

/// What a server gives for a request of the phone with this certificate.
fn give(server: &Server, request: &Request, certificate: Option<&[u8]>) -> Result<Answer, Fault> {
    let of_status = |status| {
        Ok(Answer {
            status,
            ..Answer::default()
        })
    };
    let agent = request
        .headers
        .iter()
        .find(|(name, _)| *name == "user-agent");
    let agent = agent.map(|(_, value)| value.as_str());
    let device = match certificate.map(Certificate::parse) {
        Some(Ok(read)) => Device::of_subject(read.subject, agent).ok().map(|(d, _)| d),
        Some(Err(_)) => None,
        None => agent.and_then(Device::of_agent),
    };
    let Some(device) = device else {
        return of_status(403);
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
    Ok(Answer {
        status: 200,
        body,
        ..Answer::default()
    })
}
