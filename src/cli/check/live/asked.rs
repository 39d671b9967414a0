//! What the files of a side name: signers that TVS is asked about, TVS and CallManager of
//! configurations, certificates that a phone pins.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::evidence::{FileReply, FileService, Known, Node, Side, SignerKey};
use crate::check::folder::configuration;
use crate::cluster::PublicCertificate;
use crate::net::look::Question;
use crate::wire::header::without_nul;
use crate::wire::phone_config::{PhoneConfig, SecurityMode};
use crate::wire::{Role, SignedFile, Strictness, TrustList};

/// Every file of a node that was read, by name, with what it came over.
pub(super) fn files(node: &Node) -> impl Iterator<Item = (&str, &[u8])> {
    let services: [&FileService; 3] = [&node.tftp, &node.http, &node.https];
    let replies = services.into_iter().flat_map(|s| &s.replies);
    replies.filter_map(|(name, reply)| match reply {
        Known::Yes(FileReply::File(bytes)) => Some((name.as_str(), &bytes[..])),
        _ => None,
    })
}

/// The signers of a side's lists, configurations and HTTPS certificates, each once.
pub(super) fn signers(side: &Side) -> BTreeMap<SignerKey, Question> {
    let mut found = BTreeMap::new();
    let mut add = |subject: &[u8], issuer: &[u8], serial: &[u8]| {
        let question = Question {
            issuer: without_nul(issuer).to_vec(),
            serial: serial.to_vec(),
            subject: without_nul(subject).to_vec(),
        };
        let key = SignerKey::new(issuer, serial);
        found.entry(key).or_insert(question);
    };
    let strictness = Strictness::default();
    for node in &side.nodes {
        for (name, bytes) in files(node) {
            let signer = if name.ends_with(".tlv") {
                let list = TrustList::parse(bytes, &strictness).ok();
                list.map(|l| l.header.signer().map(<[u8]>::to_vec))
            } else if name.ends_with(".sgn") {
                let file = SignedFile::parse(bytes, &strictness).ok();
                file.map(|f| f.header.signer().map(<[u8]>::to_vec))
            } else {
                None
            };
            if let Some([subject, issuer, serial]) = signer {
                add(&subject, &issuer, &serial);
            }
        }
        let shown = node.https.certificate.as_deref();
        if let Some(Ok(shown)) = shown.map(PublicCertificate::from_der) {
            let (subject, issuer) = (shown.subject_text, shown.issuer_text);
            add(subject.as_bytes(), issuer.as_bytes(), &shown.serial);
        }
    }
    found
}

/// Certificates of TVS in a side's lists, DER: those that phones with these lists speak to.
pub(super) fn pins(side: &Side) -> Vec<Vec<u8>> {
    let mut pins = BTreeSet::new();
    let strictness = Strictness::default();
    for (_, bytes) in side.nodes.iter().flat_map(files) {
        if let Ok(list) = TrustList::parse(bytes, &strictness) {
            let of_tvs = list.records.iter().filter(|r| r.role() == Role::Tvs);
            pins.extend(of_tvs.filter_map(|r| r.certificate().map(<[u8]>::to_vec)));
        }
    }
    pins.into_iter().collect()
}

/// The servers that configurations name, each once, in the order of the first file that names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// TVS: host and port.
    pub(super) tvs: Vec<(String, u16)>,
    /// CallManager: host, and ports by which phones register there, the likely one first.
    pub(super) callmanager: Vec<(String, Vec<u16>)>,
}

impl Named {
    /// What a side's configurations name.
    pub(super) fn by(side: &Side) -> Self {
        let mut named = Self::default();
        for (name, bytes) in side.nodes.iter().flat_map(files) {
            if name.contains(".cnf.xml")
                && let Some((config, _)) = configuration(name, bytes)
            {
                named.add(&config);
            }
        }
        named
    }

    fn add(&mut self, config: &PhoneConfig) {
        for server in &config.tvs {
            let is_known = |(host, _): &(String, u16)| host.eq_ignore_ascii_case(&server.host);
            if !self.tvs.iter().any(is_known) {
                self.tvs.push((server.host.clone(), server.port));
            }
        }
        for member in &config.callmanager_group {
            let ports = match config.device_security_mode {
                SecurityMode::NonSecure => vec![member.sip_port, member.ethernet_phone_port],
                SecurityMode::Authenticated | SecurityMode::Encrypted => {
                    vec![member.secured_sip_port]
                }
            };
            let host = &member.host;
            let known = self.callmanager.iter_mut();
            match known
                .into_iter()
                .find(|(h, _)| h.eq_ignore_ascii_case(host))
            {
                Some((_, all)) => {
                    for port in ports {
                        if !all.contains(&port) {
                            all.push(port);
                        }
                    }
                }
                None => self.callmanager.push((host.clone(), ports)),
            }
        }
    }
}

/// The devices whose configurations a list of cached files names, in its order.
pub(super) fn devices(cached: &[String]) -> Vec<String> {
    let mut devices = Vec::new();
    for name in cached {
        let Some((device, _)) = name.split_once(".cnf.xml") else {
            continue;
        };
        if crate::cluster::is_device_name(device) && !devices.iter().any(|d| d == device) {
            devices.push(device.to_owned());
        }
    }
    devices
}
