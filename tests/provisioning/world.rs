//! A phone, its authority, and servers around it, in a world of tables.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use trustline::dhcp::Mac;
use trustline::net::provisioning::tls::Demand;
use trustline::net::tls::Identity;
use trustline::provisioning::device::Device;
use trustline::provisioning::parameters::Parameters;
use trustline::provisioning::resync::{Answer, End, Fault, Happening, Request, Resync, Setup};
use trustline::provisioning::schedule::Cause;
use trustline::provisioning::settings::Settings;
use trustline::provisioning::verify::Checker;
use trustline::rng::Rng;
use trustline::sim::provisioning::{Server, Surroundings};

use crate::certificates::{Draft, NOW};

pub(crate) const PROFILE: &str = "<flat-profile><GPP_A>new</GPP_A></flat-profile>";

/// The root that every phone has, and one that none has.
pub(crate) static ROOT: LazyLock<Draft> = LazyLock::new(|| Draft::authority("Lab root"));
pub(crate) static FOREIGN: LazyLock<Draft> = LazyLock::new(|| Draft::authority("Foreign root"));

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A phone that is about to resync.
pub(crate) struct Phone {
    pub(crate) device: Device,
    pub(crate) settings: Settings,
    pub(crate) parameters: Parameters,
    pub(crate) has_certificate: bool,
    /// What servers see of it.
    pub(crate) certificate: Vec<u8>,
    pub(crate) clock: u64,
    pub(crate) cause: Cause,
}

impl Phone {
    pub(crate) fn with_rule(rule: &str) -> Self {
        let mut parameters = Parameters::new();
        parameters.set("Profile_Rule", rule);
        Self {
            device: Device {
                product: "CP-8832-3PCC".into(),
                serial: "88012BA01234".into(),
                mac: Some(Mac([0, 0x0e, 8, 0xab, 0xcd, 0xef])),
            },
            settings: Settings::default(),
            parameters,
            has_certificate: true,
            certificate: b"the phone's".to_vec(),
            clock: NOW,
            cause: Cause::PowerUp,
        }
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        match name.starts_with("provision.") {
            true => self.settings.set(name, value).unwrap(),
            false => self.parameters.set(name, value),
        }
        self
    }

    pub(crate) fn checker(&self) -> Checker {
        Checker::new(&[ROOT.self_signed()], &self.settings, self.clock).unwrap()
    }

    /// The machine of its next resync.
    pub(crate) fn machine(&self) -> Resync {
        let setup = Setup {
            device: self.device.clone(),
            software: "sip8832.11-3-2MPP0001-609".into(),
            hardware: "1".into(),
            has_certificate: self.has_certificate,
            address: None,
            option_66: None,
            checker: self.checker(),
            settings: self.settings.clone(),
        };
        let parameters = self.parameters.clone();
        let rng = Rng::new(1);
        Resync::new(Arc::new(setup), parameters, self.cause, Duration::ZERO, rng)
    }

    pub(crate) fn resync(&self, around: &Surroundings<'_>) -> Resynced {
        let mut resync = self.machine();
        let mut happened = Vec::new();
        let identity = self.has_certificate.then(|| Identity {
            certificate: self.certificate.clone(),
            key: Vec::new(),
        });
        let end = around.run(&mut resync, identity.as_ref(), |happening| {
            happened.push(happening);
        });
        Resynced {
            end,
            happened,
            parameters: resync.parameters().clone(),
        }
    }
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Resynced {
    pub(crate) end: End,
    pub(crate) happened: Vec<Happening>,
    pub(crate) parameters: Parameters,
}

impl Resynced {
    /// The deciding reason, or `provisioned` or `nothing-to-do`.
    pub(crate) fn code(&self) -> &'static str {
        match &self.end.result {
            Ok(_) => self.end.verdict(),
            Err(failure) => failure.fault.code(),
        }
    }

    /// What went to syslog, without the phone's name.
    pub(crate) fn said(&self) -> Vec<&str> {
        let prefix = "CP-8832-3PCC 00:0e:08:ab:cd:ef -- ";
        let said = self
            .happened
            .iter()
            .filter_map(|happening| match happening {
                Happening::Syslog(_, text) => Some(text.as_str()),
                _ => None,
            });
        said.map(|text| text.strip_prefix(prefix).unwrap_or(text))
            .collect()
    }

    /// URLs that were asked for, with the server's address.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self
            .happened
            .iter()
            .filter_map(|happening| match happening {
                Happening::Requested { url, address } => Some(format!("{url} {}", address.ip())),
                _ => None,
            });
        asked.collect()
    }
}

pub(crate) fn page(status: u16, body: &str) -> Result<Answer, Fault> {
    Ok(Answer {
        status,
        body: body.into(),
        ..Answer::default()
    })
}

/// A server with a certificate for the name, signed by the phone's root, that gives everyone the
/// profile.
pub(crate) fn server(name: &str) -> Server<'static> {
    with_chain(vec![Draft::of(name).by(&ROOT)])
}

pub(crate) fn with_chain(chain: Vec<Vec<u8>>) -> Server<'static> {
    answering(chain, |_, _| page(200, PROFILE))
}

pub(crate) fn answering<'w>(
    chain: Vec<Vec<u8>>,
    answer: impl Fn(&Request, Option<&[u8]>) -> Result<Answer, Fault> + 'w,
) -> Server<'w> {
    Server {
        chain,
        answering: Box::new(answer),
        demand: Demand::Any,
        tls: None,
    }
}

/// DNS entries and servers at port 443.
pub(crate) fn around<'w, const N: usize, const M: usize>(
    dns: [(&str, &[&str]); N],
    servers: [(&str, Server<'w>); M],
) -> Surroundings<'w> {
    let dns = dns.map(|(name, all)| (name.to_owned(), all.iter().map(|a| ip(a)).collect()));
    let servers = servers.map(|(address, server)| (SocketAddr::new(ip(address), 443), server));
    Surroundings {
        dns: dns.into(),
        dns_is_down: false,
        servers: servers.into(),
        ..Surroundings::default()
    }
}
