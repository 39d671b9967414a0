//! What the conditions are asked about, and what all of them need of it: who serves which list, whom
//! phones ask, what phones hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Said;
use crate::check::answer::Condition;
use crate::check::evidence::{At, FileReply, FileService, Known, Node, Side, Sides, SignerKey};
use crate::check::groups::Asked;
use crate::check::held::Served;
use crate::check::predict::{Move, Subject};
use crate::check::rehearsal::Gap;
use crate::phone::flash::CONFIG;
use crate::time::UnixSeconds;
use crate::trust::rules::{Basis, Settings};
use crate::trust::search::SignerId;
use crate::wire::phone_config::PhoneConfig;
use crate::wire::{ListKind, Record, SignedFile, Strictness, TrustList};

/// Two clusters, a move and the phones that it is for.
pub(super) struct Question<'a> {
    pub(super) sides: &'a Sides,
    pub(super) plan: &'a Move,
    /// All phones that are asked about.
    pub(super) phones: &'a [Asked],
    /// Those of them of which it is known what they are and hold, with what the report calls them.
    pub(super) subjects: Vec<(&'a str, &'a Subject)>,
    /// The others, with what is missing.
    pub(super) unread: Vec<(&'a str, &'a Gap)>,
    pub(super) now: UnixSeconds,
    /// The lists that phones hold, each pair once; all that they may hold, where nobody said which.
    pub(super) held: Vec<Held<'a>>,
    /// True if nodes of the phones' cluster serve different lists, and nobody said which of them phones
    /// hold.
    pub(super) of_several: bool,
    /// What the phones' own configurations name.
    pub(super) own_hosts: Hosts,
    /// What the configurations that each node serves name.
    pub(super) served_hosts: BTreeMap<At, Hosts>,
}

/// The lists that some of the phones hold.
pub(super) struct Held<'a> {
    pub(super) ctl: Option<&'a Arc<[u8]>>,
    pub(super) itl: Option<&'a Arc<[u8]>>,
    pub(super) phones: Vec<&'a str>,
    /// True if nobody said that these phones hold them.
    pub(super) is_guess: bool,
}

/// Hosts that configurations name.
#[derive(Default)]
pub(super) struct Hosts {
    /// Configurations that could be read.
    pub(super) read: usize,
    pub(super) tvs: BTreeSet<String>,
    pub(super) callmanager: BTreeSet<String>,
    /// The same with the port at which the phone registers; none where the file does not tell it.
    pub(super) ports: BTreeSet<(String, Option<u16>)>,
}

/// A node of the destination that hands out lists.
#[derive(Clone, Copy)]
pub(super) struct TftpNode<'a> {
    pub(super) at: At,
    pub(super) node: &'a Node,
    /// True if option 150 will name it.
    pub(super) is_named: bool,
}

impl<'a> Question<'a> {
    pub(super) fn new(
        sides: &'a Sides,
        plan: &'a Move,
        phones: &'a [Asked],
        now: UnixSeconds,
    ) -> Self {
        let mut held: BTreeMap<_, Held<'a>> = BTreeMap::new();
        let mut own_hosts = Hosts::default();
        let (mut subjects, mut unread) = (Vec::new(), Vec::new());
        for phone in phones {
            match &phone.subject {
                Ok(subject) => subjects.push((phone.name.as_str(), &**subject)),
                Err(gap) => unread.push((phone.name.as_str(), gap)),
            }
        }
        let (served, mut of_several) = (Served::of(sides), false);
        for &(name, subject) in &subjects {
            let ctl = subject.flash.get(ListKind::Ctl.file_name());
            let itl = subject.flash.get(ListKind::Itl.file_name());
            let same = held
                .entry((ctl, itl, subject.taken.lists))
                .or_insert_with(|| Held {
                    ctl,
                    itl,
                    phones: Vec::new(),
                    is_guess: subject.taken.lists.is_some(),
                });
            same.phones.push(name);
            for other in served.others(subject) {
                let same = held
                    .entry((other.ctl, other.itl, Some(other.at)))
                    .or_insert_with(|| Held {
                        ctl: other.ctl,
                        itl: other.itl,
                        phones: Vec::new(),
                        is_guess: true,
                    });
                same.phones.push(name);
                of_several = true;
            }
            if let Some(config) = subject.flash.get(CONFIG) {
                own_hosts.take(config);
            }
        }
        let mut served_hosts: BTreeMap<At, Hosts> = BTreeMap::new();
        for (at, node) in sides.nodes() {
            let hosts = served_hosts.entry(at).or_default();
            for (_, bytes) in configs(node) {
                hosts.take(body(bytes));
            }
        }
        Self {
            sides,
            plan,
            phones,
            subjects,
            unread,
            now,
            held: held.into_values().collect(),
            of_several,
            own_hosts,
            served_hosts,
        }
    }

    /// The cluster that the phones are in.
    pub(super) fn from(&self) -> Option<&'a Side> {
        self.sides.sides.first()
    }

    /// Index of the cluster that they are to follow to; that of their own if there is no other.
    pub(super) fn to_index(&self) -> usize {
        self.sides.sides.len().saturating_sub(1).min(1)
    }

    /// The cluster that they are to follow to.
    pub(super) fn to(&self) -> Option<&'a Side> {
        self.sides.sides.get(self.to_index())
    }

    /// The destination's nodes that hand out lists: those of option 150 in its order, then others
    /// that serve a list.
    pub(super) fn tftp_nodes(&self) -> Vec<TftpNode<'a>> {
        let mut found: Vec<TftpNode<'a>> = Vec::new();
        let addresses = self.plan.option_150.iter();
        for at in addresses.filter_map(|&address| self.sides.at(address)) {
            if let Some(node) = self.sides.node(at)
                && found.iter().all(|f| f.at != at)
            {
                found.push(TftpNode {
                    at,
                    node,
                    is_named: true,
                });
            }
        }
        let index = self.to_index();
        for (n, node) in self
            .to()
            .into_iter()
            .flat_map(|s| s.nodes.iter().enumerate())
        {
            let at = At(index, n);
            let serves = ALL_LISTS
                .iter()
                .any(|&kind| matches!(offered(node, kind), Known::Yes(Some(_))));
            if serves && found.iter().all(|f| f.at != at) {
                found.push(TftpNode {
                    at,
                    node,
                    is_named: false,
                });
            }
        }
        found
    }

    /// Lists of the destination's TFTP nodes of which nobody knows what is in them.
    pub(super) fn unread_lists(&self) -> Vec<String> {
        let nodes = self.tftp_nodes();
        let lists = nodes.iter().flat_map(|n| {
            let unread = ALL_LISTS
                .into_iter()
                .filter(|&kind| offered(n.node, kind).get().is_none());
            unread.map(|kind| format!("{kind} of {}", n.node.name))
        });
        lists.collect()
    }

    /// The phones of which nobody knows what they hold, for a sentence; none where there are none.
    pub(super) fn unread_phones(&self) -> Option<String> {
        let names: Vec<_> = self.unread.iter().map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| who(&names))
    }

    /// What a condition that hangs on the phones' lists or configurations says of these phones; none
    /// where there are none.
    pub(super) fn not_read_of_phones(&self, name: &'static str) -> Option<Condition> {
        let said = Said::new(name, self.unread_phones()?, Basis::Documented);
        let (_, gap) = self.unread.first()?;
        let text = match self.unread.len() {
            1 => format!("not known of this phone: {} was not read", gap.what),
            _ => format!(
                "not known of these phones: of the first {} was not read, of each of the others it, or \
                 something else that the table names",
                gap.what
            ),
        };
        Some(said.unknown(text, "give what the table says is missing of them"))
    }

    /// The TVS nodes that phones ask: those that their configurations name. Where no configuration
    /// is known, every node of their cluster. With the names that are none of the nodes.
    pub(super) fn asked_tvs(&self) -> (Vec<(At, &'a Node)>, Vec<&str>) {
        let mut nodes = Vec::new();
        let mut strangers = Vec::new();
        if self.own_hosts.read == 0 {
            let of_side = self.sides.nodes().filter(|(at, _)| at.0 == 0);
            return (of_side.collect(), strangers);
        }
        for host in &self.own_hosts.tvs {
            match self.sides.host_from(0, host) {
                Some(at) => nodes.extend(self.sides.node(at).map(|node| (at, node))),
                None => strangers.push(host.as_str()),
            }
        }
        nodes.sort_unstable_by_key(|(at, _)| *at);
        nodes.dedup_by_key(|(at, _)| *at);
        (nodes, strangers)
    }

    /// Whose certificate this is, for a sentence: `ITLRecovery of dst-pub, CN=ITLRECOVERY_dst-pub
    /// 7B:9E:..:0C`.
    pub(super) fn whose(&self, signer: &SignerId) -> String {
        let key = SignerKey::new(&signer.issuer, &signer.serial);
        let mut exported = self.sides.nodes().flat_map(|(_, node)| {
            let of_node = node.certificates.iter();
            of_node.map(move |(kind, certificate)| (node, kind, certificate))
        });
        match exported.find(|(_, _, certificate)| key.is_of(certificate)) {
            Some((node, kind, _)) => format!("{kind} of {}, {signer}", node.name),
            None => signer.to_string(),
        }
    }

    /// The phones' rules, for what does not differ from phone to phone. A copy, so that reading them
    /// marks nothing as used.
    pub(super) fn settings(&self) -> Settings {
        let first = self.subjects.first();
        first.map_or_else(Settings::default, |(_, s)| s.setup.settings.clone())
    }

    /// The cluster's name, or a word for one that there is not.
    pub(super) fn source_name(&self) -> &'a str {
        self.from().map_or("the phones' cluster", |s| &s.name)
    }

    /// Likewise of the other.
    pub(super) fn destination_name(&self) -> &'a str {
        self.to().map_or("the destination", |s| &s.name)
    }
}

impl Hosts {
    fn take(&mut self, config: &[u8]) {
        let Ok(config) = PhoneConfig::parse(config) else {
            return;
        };
        self.read += 1;
        for member in &config.callmanager_group {
            let port = config.registration_port(&member.host);
            self.ports.insert((member.host.clone(), port));
        }
        self.tvs.extend(config.tvs.into_iter().map(|t| t.host));
        let members = config.callmanager_group.into_iter();
        self.callmanager.extend(members.map(|m| m.host));
    }
}

/// Both kinds of lists, in the order in which phones ask for them.
pub(super) const ALL_LISTS: [ListKind; 2] = [ListKind::Ctl, ListKind::Itl];

/// The two ways by which a node hands out the same lists and signed configurations.
pub(super) fn services(node: &Node) -> [(&'static str, &FileService); 2] {
    [("TFTP", &node.tftp), ("HTTP", &node.http)]
}

/// A list that a node serves under any of its names, none if it says that there is none; or why
/// nothing is known.
pub(super) fn offered(node: &Node, kind: ListKind) -> Known<Option<&Arc<[u8]>>> {
    let mut is_missing = false;
    for (_, service) in services(node) {
        for (_, reply) in list_replies(service, kind) {
            match reply {
                Known::Yes(FileReply::File(bytes)) => return Known::Yes(Some(bytes)),
                Known::Yes(reply) => is_missing |= reply.is_missing(),
                Known::No(_) => {}
            }
        }
    }
    match node.file(kind.file_name()) {
        Known::No(_) if is_missing => Known::Yes(None),
        known => known,
    }
}

/// What a server said about lists of this kind, under any name; the general one first.
pub(super) fn list_replies(
    service: &FileService,
    kind: ListKind,
) -> impl Iterator<Item = (&str, &Known<FileReply>)> {
    let general = kind.file_name();
    let is_list = move |name: &str| {
        name.ends_with(".tlv") && ListKind::of_file_name(name) == Some(kind) && name != general
    };
    let own = service.replies.get(general).map(|reply| (general, reply));
    let named = service
        .replies
        .iter()
        .map(|(name, reply)| (name.as_str(), reply));
    own.into_iter()
        .chain(named.filter(move |(name, _)| is_list(name)))
}

/// The configurations of phones that a node serves, plain and signed; one that both ways give alike
/// once.
pub(super) fn configs(node: &Node) -> impl Iterator<Item = (&str, &[u8])> {
    let tftp = node.tftp.replies.iter();
    let http = node.http.replies.iter();
    let http = http.filter(|(name, reply)| node.tftp.replies.get(*name) != Some(*reply));
    tftp.chain(http).filter_map(|(name, reply)| {
        let is_config = name.ends_with(".cnf.xml") || name.ends_with(".cnf.xml.sgn");
        match reply {
            Known::Yes(FileReply::File(bytes)) if is_config => Some((name.as_str(), &bytes[..])),
            _ => None,
        }
    })
}

/// A file without the header of its signature.
pub(super) fn body(bytes: &[u8]) -> &[u8] {
    SignedFile::parse(bytes, &Strictness::default()).map_or(bytes, |file| file.body)
}

/// A list, however odd; none if it is no list at all.
pub(super) fn parse(bytes: &[u8]) -> Option<TrustList<&[u8]>> {
    TrustList::parse(bytes, &Strictness::default()).ok()
}

/// True if the record is of this signer, and has a certificate.
pub(super) fn is_of(record: &Record<&[u8]>, signer: &SignerKey) -> bool {
    let issuer = record.issuer().unwrap_or_default();
    let serial = record.serial().unwrap_or_default();
    record.certificate().is_some() && SignerKey::new(issuer, serial) == *signer
}

/// `SEP001122334401`, `SEP001122334401 and SEP001122334402`, `SEP001122334401 and 4 more`.
pub(super) fn who(phones: &[&str]) -> String {
    match phones {
        [] => "no phone".into(),
        [one] => (*one).to_owned(),
        [one, other] => format!("{one} and {other}"),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn and(names: &[impl AsRef<str>]) -> String {
    match names {
        [] => "none".into(),
        [one] => one.as_ref().to_owned(),
        [rest @ .., last] => {
            let rest: Vec<_> = rest.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", rest.join(", "), last.as_ref())
        }
    }
}
