//! What files say about other things: names and addresses of nodes, their certificates, phones of the
//! database.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::certificates::said_host;
use super::node::nothing_of;
use super::pile::Pile;
use super::{Draft, MAX_NODES, Options, Problems};
use crate::check::evidence::{FileReply, Known, Node, Parameters, Side};
use crate::cluster::{CertificateKind, PublicCertificate};
use crate::trust::certificate::escape_for_terminal;
use crate::wire::phone_config::PhoneConfig;
use crate::wire::{ListKind, Record, Role, SignedFile, Strictness, TrustList};

/// Names of the configurations that a node has in its cache, at `http://NODE:6970/` of a real one.
pub(super) const CACHE_LIST: &str = "ConfigFileCacheList.txt";
/// What else somebody knows about the cluster.
pub(super) const PARAMETERS: &str = "parameters.txt";
/// The most configurations that are looked at for names of nodes: phones share a few groups.
const MAX_CONFIGS: usize = 2_000;
/// The most names in a list of cached files.
const MAX_CACHED: usize = 500_000;
/// The most records of a list that are looked at; one that a phone loads has far fewer than 100.
const MAX_RECORDS: usize = 1_000;
/// The most letters of a host name (RFC 1035).
const MAX_HOST: usize = 255;

/// The names in a list of cached files, whatever stands between them.
pub fn cached_files(list: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(list);
    let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>' | '"');
    let names = text.split(is_between).filter(|n| n.contains(".cnf.xml"));
    let names: BTreeSet<&str> = names
        .filter(|n| n.len() <= MAX_HOST)
        .take(MAX_CACHED)
        .collect();
    names.into_iter().map(str::to_owned).collect()
}

/// A phone's configuration as a phone keeps it: the XML, signed or not. None for an encrypted one, and
/// for what is none.
pub fn configuration<'a>(name: &str, bytes: &'a [u8]) -> Option<(PhoneConfig, &'a [u8])> {
    let xml = if name.ends_with(".sgn") {
        let file = SignedFile::parse(bytes, &Strictness::default()).ok()?;
        if file.encryption().is_some() {
            return None;
        }
        file.body
    } else {
        bytes
    };
    Some((PhoneConfig::parse(xml).ok()?, xml))
}

/// What no served file tells.
pub(super) fn parameters(pile: &Pile<'_>, options: &Options<'_>) -> Parameters {
    let place = options.place;
    let in_tftp = format!("tftp/{CACHE_LIST}");
    let folders = std::iter::once(&pile.root).chain(pile.nodes.values());
    let lists = folders.flat_map(|f| [f.get(CACHE_LIST), f.get(in_tftp.as_str())]);
    let mut cached: Option<BTreeSet<String>> = None;
    for list in lists.flatten() {
        cached.get_or_insert_default().extend(cached_files(list));
    }
    let text = pile.root.get(PARAMETERS);
    let text = text.map(|bytes| String::from_utf8_lossy(bytes));
    let value = |parameter: &str| {
        let lines = text.as_deref().unwrap_or_default().lines();
        let found = lines.take(1_000).find_map(|line| {
            let (name, value) = line.split_once('=')?;
            let is_it = name.trim().eq_ignore_ascii_case(parameter);
            is_it.then(|| value.trim().to_ascii_lowercase())
        });
        match found.as_deref() {
            Some("yes" | "true" | "on" | "1") => Known::Yes(true),
            Some("no" | "false" | "off" | "0") => Known::Yes(false),
            _ => Known::No(format!(
                "no input says: write `{parameter} = yes` or `no` into {place}/{PARAMETERS}"
            )),
        }
    };
    Parameters {
        auto_registration: value("auto-registration"),
        prepare_for_rollback: value("prepare-cluster-for-rollback"),
        cached_files: cached.map_or_else(
            || {
                Known::No(format!(
                    "no input has it: save http://NODE:6970/{CACHE_LIST} as {place}/{CACHE_LIST}"
                ))
            },
            |names| Known::Yes(names.into_iter().collect()),
        ),
    }
}

/// The hosts that the configurations name, as CallManagers and for TVS.
pub(super) fn hosts(drafts: &[Draft]) -> BTreeSet<String> {
    let files = drafts.iter().flat_map(|d| files_of(&d.node));
    let configs = files.filter(|(name, _)| name.contains(".cnf.xml"));
    let mut hosts = BTreeSet::new();
    for (name, bytes) in configs.take(MAX_CONFIGS) {
        let Some((config, _)) = configuration(name, bytes) else {
            continue;
        };
        let group = config.callmanager_group.into_iter().map(|m| m.host);
        let named = group.chain(config.tvs.into_iter().map(|t| t.host));
        hosts.extend(named.filter(|host| is_host_name(host)));
    }
    hosts
}

fn files_of(node: &Node) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
    let replies = node.tftp.replies.iter();
    replies.filter_map(|(name, reply)| Some((name.as_str(), reply.get()?.file()?)))
}

fn is_host_name(name: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=MAX_HOST).contains(&name.len()) && name.bytes().all(is_letter)
}

/// Calls nodes as the configurations do, where these have a domain and the folders do not, or the
/// other way round.
pub(super) fn call_as_configured(drafts: &mut [Draft], hosts: &BTreeSet<String>) {
    for at in 0..drafts.len() {
        let own = &drafts[at].node.name;
        if hosts.iter().any(|h| h.eq_ignore_ascii_case(own)) {
            continue;
        }
        let mut same = hosts.iter().filter(|h| is_same_host(h, own));
        let (Some(host), None) = (same.next(), same.next()) else {
            continue;
        };
        if !drafts.iter().any(|d| d.node.is_host(host)) {
            drafts[at].node.name.clone_from(host);
        }
    }
}

/// True if two names differ in their domain alone, and one has none.
pub fn is_same_host(one: &str, other: &str) -> bool {
    if is_address(one) || is_address(other) {
        return false;
    }
    let (one_short, one_domain) = split(one);
    let (other_short, other_domain) = split(other);
    let is_same_domain = one_domain.is_empty() || other_domain.is_empty();
    is_same_domain && one_short.eq_ignore_ascii_case(other_short)
}

fn split(host: &str) -> (&str, &str) {
    host.split_once('.').unwrap_or((host, ""))
}

fn is_address(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok()
}

/// The node that a name means.
pub(super) fn find_node(drafts: &[Draft], host: &str) -> Option<usize> {
    let exact = drafts.iter().position(|d| d.node.is_host(host));
    exact.or_else(|| {
        let mut same = (0..drafts.len()).filter(|&at| is_same_host(&drafts[at].node.name, host));
        let found = same.next();
        found.filter(|_| same.next().is_none())
    })
}

/// Adds the nodes that configurations name and of which there is no folder.
pub(super) fn add_hosts(
    drafts: &mut Vec<Draft>,
    hosts: &BTreeSet<String>,
    options: &Options<'_>,
    problems: &mut Problems,
) {
    for host in hosts {
        if find_node(drafts, host).is_some() {
            continue;
        }
        if drafts.len() >= MAX_NODES {
            problems.fail(format!(
                "{}: its configurations name more than {MAX_NODES} nodes; {host} is left out",
                options.place
            ));
            return;
        }
        drafts.push(nothing_of(host, options));
    }
}

/// A record of a list that a node serves.
#[derive(Debug)]
pub(super) struct Told {
    /// The node that serves it.
    pub(super) by: usize,
    /// Which list.
    pub(super) list: ListKind,
    /// Its role.
    pub(super) role: Role,
    /// The hosts that it names.
    hosts: Vec<String>,
    /// The address that it names.
    address: Option<Ipv4Addr>,
    /// True of an ITLRecovery.
    is_anchor: bool,
    /// True of a certificate with an EC key.
    is_ec: bool,
    /// Its certificate, if that can be read.
    pub(super) certificate: Option<Arc<PublicCertificate>>,
}

impl Told {
    fn of(by: usize, list: ListKind, record: &Record<&[u8]>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let dns = record.dns_name().map(text).unwrap_or_default();
        let certificate = record.certificate();
        let certificate = certificate.and_then(|der| PublicCertificate::from_der(der).ok());
        let subject = record.subject().and_then(common_name);
        let common = subject.unwrap_or_default();
        let octets = record.ip_address().filter(|ip| *ip != [0; 4]);
        let address = dns.parse().ok().or_else(|| octets.map(Ipv4Addr::from));
        let hosts = [dns.as_str(), said_host(&common)];
        let hosts = hosts
            .into_iter()
            .filter(|h| is_host_name(h) && !is_address(h));
        Self {
            by,
            list,
            role: record.role(),
            hosts: hosts.map(str::to_owned).collect(),
            address,
            is_anchor: common.starts_with("ITLRECOVERY_"),
            is_ec: common.ends_with("-EC"),
            certificate: certificate.map(Arc::new),
        }
    }

    /// The node that it is about.
    fn node(&self, drafts: &[Draft]) -> Option<usize> {
        let named = self.hosts.iter().find_map(|h| find_node(drafts, h));
        named.or_else(|| {
            let address = self.address?;
            drafts.iter().position(|d| d.node.address == Some(address))
        })
    }

    /// What its certificate is for. A SAST that is no ITLRecovery signs lists and is a CallManager's.
    fn kind(&self) -> Option<CertificateKind> {
        match self.role {
            Role::Tvs => Some(CertificateKind::Tvs),
            Role::Capf => Some(CertificateKind::Capf),
            Role::Sast if self.is_anchor => Some(CertificateKind::ItlRecovery),
            Role::Tftp | Role::CcmTftp | Role::Ccm if self.is_ec => {
                Some(CertificateKind::CallManagerEcdsa)
            }
            Role::Sast | Role::Tftp | Role::CcmTftp | Role::Ccm => {
                Some(CertificateKind::CallManager)
            }
            Role::AppServer | Role::Other(_) => None,
        }
    }
}

/// The records of the lists that nodes serve.
pub(super) fn told<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Vec<Told> {
    let mut all = Vec::new();
    for (by, node) in nodes.into_iter().enumerate() {
        for kind in [ListKind::Itl, ListKind::Ctl] {
            let Some(bytes) = list_of(node, kind) else {
                continue;
            };
            if let Ok(list) = TrustList::parse(bytes, &Strictness::default()) {
                let records = list.records.iter().take(MAX_RECORDS);
                all.extend(records.map(|r| Told::of(by, kind, r)));
            }
        }
    }
    all
}

fn list_of(node: &Node, kind: ListKind) -> Option<&Arc<[u8]>> {
    match node.tftp.replies.get(kind.file_name())? {
        Known::Yes(FileReply::File(bytes)) => Some(bytes),
        _ => None,
    }
}

/// Notes the addresses by which configurations name nodes, where lists say whose they are.
pub(super) fn find_addresses(drafts: &mut [Draft], hosts: &BTreeSet<String>) {
    let named: BTreeSet<Ipv4Addr> = hosts.iter().filter_map(|h| h.parse().ok()).collect();
    for told in told(drafts.iter().map(|d| &d.node)) {
        let Some(address) = told.address.filter(|a| named.contains(a)) else {
            continue;
        };
        let is_taken = drafts.iter().any(|d| d.node.address == Some(address));
        let node = told.node(drafts).and_then(|at| drafts.get_mut(at));
        if let Some(draft) = node.filter(|d| d.node.address.is_none() && !is_taken) {
            draft.node.address = Some(address);
        }
    }
}

/// Notes the own certificates, as lists have them, of nodes of which nobody exported any. Of the others
/// the lists may be older than what was exported. A CTL has other clusters' too, as SAST.
pub(super) fn attach_certificates(drafts: &mut [Draft]) {
    for told in told(drafts.iter().map(|d| &d.node)) {
        if told.list == ListKind::Ctl && told.role == Role::Sast {
            continue;
        }
        let (Some(certificate), Some(kind)) = (&told.certificate, told.kind()) else {
            continue;
        };
        let by = (kind == CertificateKind::Capf).then_some(told.by);
        let node = told.node(drafts).or(by);
        let node = node.and_then(|at| drafts.get_mut(at));
        if let Some(draft) = node.filter(|d| d.node.exported().next().is_none()) {
            let known = draft.node.certificates.len();
            draft.own(Some(kind), certificate);
            if draft.node.certificates.len() > known {
                draft.node.listed.push(Arc::clone(certificate));
            }
        }
    }
}

/// What TVS of each node shows is its own TVS certificate.
pub(super) fn find_tvs_certificates(drafts: &mut [Draft]) {
    for draft in drafts.iter_mut().filter(|d| d.node.tvs.derived) {
        let mut own = draft.node.certificates.iter();
        if let Some((_, tvs)) = own.find(|(kind, _)| kind == CertificateKind::Tvs.name()) {
            draft.node.tvs.certificate = Known::Yes(tvs.der.clone());
        }
    }
}

/// The publisher, if something tells: it alone has an ITLRecovery from 12.5 on.
pub(super) fn publisher(drafts: &[Draft]) -> Option<usize> {
    if drafts.len() == 1 {
        return Some(0);
    }
    let has = |draft: &Draft, kind: CertificateKind| {
        let mut own = draft.node.certificates.iter();
        own.any(|(k, _)| k == kind.name())
    };
    let known = drafts
        .iter()
        .filter(|d| has(d, CertificateKind::CallManager));
    let mut with = (0..drafts.len()).filter(|&at| has(&drafts[at], CertificateKind::ItlRecovery));
    let found = with.next().filter(|_| with.next().is_none())?;
    (known.count() > 1).then_some(found)
}

/// Puts the publisher in front.
pub(super) fn publisher_first(drafts: &mut [Draft]) {
    if let Some(front) = publisher(drafts).and_then(|at| drafts.get_mut(..=at)) {
        front.rotate_right(1);
    }
}

/// The host whose list a node serves: that of the certificate that signs its files, where the list has
/// one such host alone.
pub fn host_of_list(node: &Node) -> Option<String> {
    let bytes = list_of(node, ListKind::Itl)?;
    let list = TrustList::parse(bytes, &Strictness::default()).ok()?;
    let signs_files = |r: &&Record<&[u8]>| r.role().signs_files() && r.certificate().is_some();
    let records = list.records.iter().filter(signs_files);
    let hosts = records.filter_map(|r| Told::of(0, ListKind::Itl, r).hosts.into_iter().next());
    let mut hosts: BTreeSet<String> = hosts.collect();
    match hosts.len() {
        1 => hosts.pop_first(),
        _ => None,
    }
}

/// The hosts that the lists of a side name, with their certificates, DER.
pub fn hosts_of_lists(side: &Side) -> BTreeSet<(String, Vec<u8>)> {
    let mut named = BTreeSet::new();
    let kinds = [ListKind::Itl, ListKind::Ctl];
    let served = side.nodes.iter().flat_map(|n| kinds.map(|k| list_of(n, k)));
    for bytes in served.flatten() {
        let Ok(list) = TrustList::parse(bytes, &Strictness::default()) else {
            continue;
        };
        for record in list.records.iter().take(MAX_RECORDS) {
            let certificate = record.certificate().unwrap_or_default();
            let hosts = Told::of(0, ListKind::Itl, record).hosts;
            named.extend(hosts.into_iter().map(|host| (host, certificate.to_vec())));
        }
    }
    named
}

/// The same, else the host of the signer. From 12.5 on all nodes have one signer, and its name says
/// the publisher.
pub(super) fn name_in_lists(node: &Node) -> Option<String> {
    let own = host_of_list(node);
    if own.is_some() {
        return own;
    }
    let bytes = list_of(node, ListKind::Itl)?;
    let list = TrustList::parse(bytes, &Strictness::default()).ok()?;
    let [subject, ..] = list.header.signer();
    let signer = common_name(subject)?;
    Some(said_host(&signer).to_owned()).filter(|name| is_host_name(name))
}

/// The common name of a subject as lists write it.
pub(super) fn common_name(subject: &[u8]) -> Option<String> {
    let text = escape_for_terminal(subject);
    let mut parts = text.split([';', ',', '+']);
    parts.find_map(|p| p.trim().strip_prefix("CN=").map(str::to_owned))
}
