//! Whose a list, a host or an address is, from what was read.

use std::net::Ipv4Addr;

use super::evidence::{At, FileReply, Known, Node, Side, Sides, SignerKey};
use super::verdict::{Owner, Places};
use crate::phone::Flash;
use crate::phone::flash::CONFIG;
use crate::wire::{Role, Strictness, TrustList};

/// Of a list that no node that was read published.
const NOBODY: &str = "nobody who was looked at";

impl Places for Sides {
    /// The node that serves these bytes; else the cluster to which the signer belongs, since a phone
    /// may hold a list that is served no more; else that whose TVS is in the list: no cluster lists
    /// another's. A list whose own signature does not hold is nobody's, whoever serves it.
    fn owner_of(&self, list: &[u8]) -> Owner {
        if self.whole_list(list).is_err() {
            return Owner {
                cluster: None,
                node: NOBODY.to_owned(),
            };
        }
        let serving = self.nodes().find(|(_, node)| serves(node, list));
        let signed = || {
            let signer = signer_of(list)?;
            self.nodes().find(|(_, node)| has_signed(node, &signer))
        };
        let listed = || {
            let tvs = tvs_in(list);
            self.nodes().find(|(_, node)| has_tvs(node, &tvs))
        };
        let found = serving.or_else(signed).or_else(listed);
        let side = found.and_then(|(at, _)| self.sides.get(at.0));
        Owner {
            cluster: side.map(|s| s.name.clone()),
            node: found.map_or_else(|| NOBODY.to_owned(), |(_, node)| node.name.clone()),
        }
    }

    fn host(&self, host: &str) -> Option<(String, String)> {
        place(self, self.named(host, || None).ok()??)
    }

    fn cluster_at(&self, address: Ipv4Addr) -> Option<String> {
        let at = self.at(address)?;
        Some(self.sides.get(at.0)?.name.clone())
    }
}

/// The clusters as a phone meets them by its configuration.
pub struct Placed<'a> {
    /// The clusters.
    pub sides: &'a Sides,
    /// The cluster that gave it its configuration, where it took one.
    pub configured_by: Option<usize>,
    /// Its flash.
    pub flash: &'a Flash,
}

impl Placed<'_> {
    /// The cluster whose configuration counts for the phone.
    fn named_by(&self) -> Option<usize> {
        let of_flash = || self.sides.cluster_of_configuration(self.flash.get(CONFIG)?);
        self.configured_by.or_else(of_flash)
    }
}

impl Places for Placed<'_> {
    /// Of a cluster and its clone, which serve one list, it is the phone's.
    fn owner_of(&self, list: &[u8]) -> Owner {
        let found = self.sides.owner_of(list);
        let own = self.configured_by.and_then(|s| self.sides.sides.get(s));
        let is_it = |n: &&Node| n.name.eq_ignore_ascii_case(&found.node) && serves(n, list);
        match own.and_then(|side| Some((side, side.nodes.iter().find(is_it)?))) {
            Some((side, node)) if found.cluster.is_some() => Owner {
                cluster: Some(side.name.clone()),
                node: node.name.clone(),
            },
            _ => found,
        }
    }

    fn host(&self, host: &str) -> Option<(String, String)> {
        place(
            self.sides,
            self.sides.named(host, || self.named_by()).ok()??,
        )
    }

    fn cluster_at(&self, address: Ipv4Addr) -> Option<String> {
        self.sides.cluster_at(address)
    }
}

/// Names of a node's cluster and of the node.
fn place(sides: &Sides, at: At) -> Option<(String, String)> {
    let side = sides.sides.get(at.0)?.name.clone();
    Some((side, sides.node(at)?.name.clone()))
}

/// The lists that a node serves.
pub fn lists(node: &Node) -> impl Iterator<Item = (&str, &[u8])> {
    let services = [&node.tftp, &node.http];
    let replies = services.into_iter().flat_map(|s| &s.replies);
    replies.filter_map(|(name, reply)| match reply {
        Known::Yes(FileReply::File(bytes)) if name.ends_with(".tlv") => {
            Some((name.as_str(), &bytes[..]))
        }
        _ => None,
    })
}

/// The signer that a list names; none if it is no list.
pub fn signer_of(list: &[u8]) -> Option<SignerKey> {
    let list = TrustList::parse(list, &Strictness::default()).ok()?;
    let [_, issuer, serial] = list.header.signer();
    Some(SignerKey::new(issuer, serial))
}

fn serves(node: &Node, list: &[u8]) -> bool {
    lists(node).any(|(_, bytes)| bytes == list)
}

fn has_signed(node: &Node, signer: &SignerKey) -> bool {
    let own = node.certificates.iter().any(|(_, c)| signer.is_of(c));
    own || lists(node).any(|(_, bytes)| signer_of(bytes).as_ref() == Some(signer))
}

/// The TVS certificates of a list, DER.
fn tvs_in(list: &[u8]) -> Vec<Vec<u8>> {
    let Ok(list) = TrustList::parse(list, &Strictness::default()) else {
        return Vec::new();
    };
    let of_tvs = list.records.iter().filter(|r| r.role() == Role::Tvs);
    let certificates = of_tvs.filter_map(|r| r.certificate());
    certificates.map(<[u8]>::to_vec).collect()
}

fn has_tvs(node: &Node, certificates: &[Vec<u8>]) -> bool {
    let shown = node.tvs.certificate.get();
    let exported = node.certificates.iter().map(|(_, c)| &c.der);
    let mut own = exported.chain(shown);
    own.any(|der| certificates.contains(der))
}

impl Side {
    /// Its node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name == name)
    }
}
