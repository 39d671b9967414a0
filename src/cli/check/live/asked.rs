//! What the files of a side name: signers that TVS is asked about, TVS and CallManager of
//! configurations, certificates that a phone pins.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::evidence::{FileReply, FileService, Known, Node, Side, SignerKey};
use crate::check::folder::{MAX_NODES, configuration};
use crate::cluster::PublicCertificate;
use crate::net::look::Question;
use crate::trust::certificate::escape_for_terminal;
use crate::wire::header::without_nul;
use crate::wire::phone_config::PhoneConfig;
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

/// CallManager of one configuration that are looked at, at most; phones take three.
const MOST_CALLMANAGER: usize = 16;
/// Ports of one CallManager that are knocked at, at most; clusters have three.
const MOST_PORTS: usize = 8;

/// The servers that configurations name, each once, in the order of the first file that names it.
/// What a file that nobody signed may make us look at has its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// TVS: host and port.
    pub(super) tvs: Vec<(String, u16)>,
    /// CallManager: host, and the ports at which its phones register there.
    pub(super) callmanager: Vec<(String, Vec<u16>)>,
    /// What is beyond the limits, in words for a person.
    pub(super) left_out: Vec<String>,
}

impl Named {
    /// What a side's configurations name.
    pub(super) fn by(side: &Side) -> Self {
        let mut named = Self::default();
        let mut beyond = BTreeSet::new();
        for (name, bytes) in side.nodes.iter().flat_map(files) {
            if name.contains(".cnf.xml")
                && let Some((config, _)) = configuration(name, bytes)
            {
                named.add(name, &config, &mut beyond);
            }
        }
        if let Some(first) = beyond.first() {
            named.left_out.push(format!(
                "{}: its configurations name more than {MAX_NODES} servers; {} of them, such as {}, were \
                 not looked at: check these files, or look with fewer phones",
                side.name,
                beyond.len(),
                shown(first)
            ));
        }
        named
    }

    fn add(&mut self, file: &str, config: &PhoneConfig, beyond: &mut BTreeSet<String>) {
        for server in &config.tvs {
            let is_known = |(host, _): &(String, u16)| host.eq_ignore_ascii_case(&server.host);
            if self.tvs.iter().any(is_known) {
                continue;
            }
            if self.has_room(&server.host) {
                self.tvs.push((server.host.clone(), server.port));
            } else {
                beyond.insert(server.host.to_ascii_lowercase());
            }
        }
        if let Some(first) = config.callmanager_group.get(MOST_CALLMANAGER) {
            self.leave_out(format!(
                "{file} names {} CallManager; from number {} on, {}, they were not looked at: check this \
                 file",
                config.callmanager_group.len(),
                MOST_CALLMANAGER + 1,
                shown(&first.host)
            ));
        }
        for member in config.callmanager_group.iter().take(MOST_CALLMANAGER) {
            let host = &member.host;
            let port = config.registration_port(host);
            let is_same = |(h, _): &(String, _)| h.eq_ignore_ascii_case(host);
            let at = match self.callmanager.iter().position(is_same) {
                Some(at) => at,
                None if self.has_room(host) => {
                    self.callmanager.push((host.clone(), Vec::new()));
                    self.callmanager.len() - 1
                }
                None => {
                    beyond.insert(host.to_ascii_lowercase());
                    continue;
                }
            };
            let mut is_full = false;
            let known = &mut self.callmanager[at].1;
            if let Some(port) = port.filter(|p| !known.contains(p)) {
                is_full = known.len() >= MOST_PORTS;
                known.extend((!is_full).then_some(port));
            }
            if is_full {
                self.leave_out(format!(
                    "the configurations name more than {MOST_PORTS} ports of CallManager of {}; only the \
                     first were looked at: check these files",
                    shown(host)
                ));
            }
        }
    }

    /// True if this host is one of those that are looked at, or may become one.
    fn has_room(&self, host: &str) -> bool {
        let tvs = self.tvs.iter().map(|(h, _)| h);
        let mut hosts: Vec<&String> = self.callmanager.iter().map(|(h, _)| h).collect();
        for tvs in tvs {
            if !hosts.iter().any(|h| h.eq_ignore_ascii_case(tvs)) {
                hosts.push(tvs);
            }
        }
        hosts.len() < MAX_NODES || hosts.iter().any(|h| h.eq_ignore_ascii_case(host))
    }

    /// The same file may come over several transports.
    fn leave_out(&mut self, text: String) {
        if !self.left_out.contains(&text) {
            self.left_out.push(text);
        }
    }
}

fn shown(host: &str) -> String {
    escape_for_terminal(host.as_bytes())
}

/// The devices whose configurations a list of cached files names, in its order. The list may be long.
pub(super) fn devices(cached: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names = cached.iter().filter_map(|name| name.split_once(".cnf.xml"));
    let devices = names.map(|(device, _)| device);
    let new = devices.filter(|d| crate::cluster::is_device_name(d) && seen.insert(*d));
    new.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::evidence::Known;

    fn config(hosts: impl Iterator<Item = String>) -> Vec<u8> {
        let members = hosts.map(|host| {
            format!(
                "<member><callManager><processNodeName>{host}</processNodeName></callManager></member>"
            )
        });
        let members: String = members.collect();
        format!(
            "<device><devicePool><callManagerGroup><members>{members}</members></callManagerGroup>\
             </devicePool></device>"
        )
        .into_bytes()
    }

    fn side(files: usize, hosts: usize) -> Side {
        let mut node = Node::default();
        for file in 0..files {
            let hosts = (0..hosts).map(|n| format!("h{file}-{n}"));
            let reply = Known::Yes(FileReply::File(config(hosts).into()));
            let name = format!("SEP0011223344{file:02}.cnf.xml");
            node.tftp.replies.insert(name.clone(), reply.clone());
            node.http.replies.insert(name, reply);
        }
        Side {
            name: "a".into(),
            nodes: vec![node],
            ..Side::default()
        }
    }

    #[test]
    fn a_file_does_not_name_hosts_without_end() {
        let usual = Named::by(&side(1, 3));
        assert_eq!((usual.callmanager.len(), usual.left_out.len()), (3, 0));
        assert_eq!(usual.callmanager[0].1, [5_060]);
        let many = Named::by(&side(1, 2_000));
        assert_eq!(many.callmanager.len(), MOST_CALLMANAGER);
        assert_eq!(many.left_out.len(), 1, "{:?}", many.left_out);
        let text = &many.left_out[0];
        assert!(
            text.contains("names 2000") && text.contains("h0-16"),
            "{text}"
        );
    }

    #[test]
    fn many_files_do_not_name_hosts_without_end() {
        let many = Named::by(&side(30, 3));
        assert_eq!(many.callmanager.len(), MAX_NODES);
        assert_eq!(many.left_out.len(), 1, "{:?}", many.left_out);
        let beyond = 30 * 3 - MAX_NODES;
        assert!(many.left_out[0].contains(&format!("; {beyond} of them")));
    }
}
