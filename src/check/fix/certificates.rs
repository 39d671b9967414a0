//! The certificates that were read, and whose they are: what an import can carry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::check::answer::Whose;
use crate::check::evidence::{At, FileReply, Known, Node, Sides, SignerKey, TvsReply};
use crate::check::places::lists;
use crate::cluster::PublicCertificate;
use crate::event::SignerFacts;
use crate::trust::certificate::{Certificate, PublicKey, escape_for_terminal};
use crate::trust::search::hex;
use crate::wire::header::serial_number;
use crate::wire::{Record, Role, TrustList};

/// What a certificate is for, as the field names it.
pub(super) const CALLMANAGER: &str = "CallManager";
pub(super) const ITLRECOVERY: &str = "ITLRecovery";
pub(super) const CAPF: &str = "CAPF";
pub(super) const TVS: &str = "TVS";

/// A certificate that was read.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The certificate.
    pub(super) certificate: Arc<PublicCertificate>,
    /// Index of the cluster whose it is; none where that is not known.
    pub(super) side: Option<usize>,
    /// Whose.
    pub(super) whose: Whose,
    /// False if its node has another one of that kind now.
    pub(super) is_current: bool,
}

/// Every certificate that was read, those that nodes have as their own in front; and of each cluster a
/// phone's signed configuration.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    held: Vec<Held>,
    /// Where each is, by its bytes.
    places: BTreeMap<Vec<u8>, usize>,
    /// By index of the cluster: name and bytes.
    configurations: BTreeMap<usize, (String, Arc<[u8]>)>,
}

impl Certificates {
    /// Reads them out of exported certificates, lists, stores and answers of TVS.
    pub fn read(sides: &Sides) -> Self {
        let mut all = Self::default();
        for (at, node) in sides.nodes() {
            for (kind, certificate) in &node.certificates {
                all.hold(certificate, Some(at.0), kind, &node.name, true);
            }
        }
        // Nodes hand out few lists, each under the names of all phones.
        let mut whole = BTreeMap::new();
        for (at, node) in sides.nodes() {
            all.read_lists(sides, at, node, &mut whole);
        }
        for (_, node) in sides.nodes() {
            for certificate in node.stores.values().filter_map(Known::get).flatten() {
                all.hold(certificate, None, "", "", true);
            }
            for reply in node.tvs.replies.values() {
                if let Known::Yes(TvsReply::Found(found)) = reply
                    && let Ok(certificate) = PublicCertificate::from_der(&found.certificate)
                {
                    all.hold(&Arc::new(certificate), None, "", "", true);
                }
            }
        }
        all.read_configurations(sides);
        all
    }

    /// Notes a signed configuration of each cluster that has none yet.
    pub fn read_configurations(&mut self, sides: &Sides) {
        for (at, node) in sides.nodes() {
            let replies = [&node.tftp, &node.http]
                .into_iter()
                .flat_map(|s| &s.replies);
            for (name, reply) in replies {
                let is_phones = name.starts_with("SEP") && name.ends_with(".cnf.xml.sgn");
                if let (true, Known::Yes(FileReply::File(bytes))) = (is_phones, reply) {
                    let found = (name.clone(), Arc::clone(bytes));
                    self.configurations.entry(at.0).or_insert(found);
                }
            }
        }
    }

    /// A phone's signed configuration that a cluster serves: its name and its bytes.
    pub(super) fn configuration(&self, side: usize) -> Option<(&str, &[u8])> {
        let (name, bytes) = self.configurations.get(&side)?;
        Some((name, bytes))
    }

    fn read_lists<'a>(
        &mut self,
        sides: &Sides,
        at: At,
        node: &'a Node,
        whole: &mut BTreeMap<&'a [u8], Option<TrustList<&'a [u8]>>>,
    ) {
        let mut of_node: BTreeSet<&[u8]> = BTreeSet::new();
        for (_, bytes) in lists(node) {
            // What stands in a damaged list may be nobody's certificate.
            let read = || sides.whole_list(bytes).ok();
            let Some(list) = whole.entry(bytes).or_insert_with(read) else {
                continue;
            };
            if !of_node.insert(bytes) {
                continue;
            }
            for record in &list.records {
                let Some(certificate) = record
                    .certificate()
                    .and_then(|der| PublicCertificate::from_der(der).ok())
                else {
                    continue;
                };
                let roles = list.records.iter().filter(|r| same(r, record));
                let kind = kind_of(&certificate, roles.map(Record::role));
                // A certificate of another cluster in a CTL has no host.
                let host = record.dns_name().map(text).unwrap_or_default();
                let of_side = |side: usize| {
                    let nodes = sides.sides.get(side).map(|s| s.nodes.as_slice());
                    nodes
                        .unwrap_or_default()
                        .iter()
                        .find(|n| n.is_host(&host))
                        .map(|n| (side, n))
                };
                let sides_of_host = std::iter::once(at.0).chain(0..sides.sides.len());
                let owner = sides_of_host.filter(|_| !host.is_empty()).find_map(of_side);
                let is_current = owner.is_none_or(|(_, node)| {
                    let mut own = node.certificates.iter();
                    !own.any(|(k, c)| k == kind && c.der != certificate.der)
                });
                let side = match (&owner, host.is_empty()) {
                    (Some((side, _)), _) => Some(*side),
                    (None, false) => Some(at.0),
                    (None, true) => None,
                };
                let name = owner.map_or_else(|| host.clone(), |(_, n)| n.name.clone());
                self.hold(&Arc::new(certificate), side, kind, &name, is_current);
            }
        }
    }

    fn hold(
        &mut self,
        certificate: &Arc<PublicCertificate>,
        side: Option<usize>,
        kind: &str,
        node: &str,
        is_current: bool,
    ) {
        let place = self.places.get(&certificate.der);
        if let Some(known) = place.and_then(|&place| self.held.get_mut(place)) {
            // What a list says of whose it is goes beyond what an imported copy says.
            if known.side.is_none() && side.is_some() {
                known.side = side;
                known.whose.node = node.to_owned();
            }
            if known.whose.kind.is_empty() {
                known.whose.kind = kind.to_owned();
            }
            return;
        }
        self.places.insert(certificate.der.clone(), self.held.len());
        self.held.push(Held {
            certificate: Arc::clone(certificate),
            side,
            whose: Whose {
                kind: kind.to_owned(),
                node: node.to_owned(),
                subject: certificate.subject_text.clone(),
                issuer: certificate.issuer_text.clone(),
                serial: hex(serial_number(&certificate.serial)),
            },
            is_current,
        });
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<PublicCertificate>> {
        self.held.iter().map(|h| &h.certificate)
    }

    /// The certificate of a signer.
    pub(super) fn of(&self, signer: &SignerFacts) -> Option<&Held> {
        self.held.iter().find(|h| is_of(&h.certificate, signer))
    }

    /// The certificate that an action names.
    pub(super) fn named(&self, whose: &Whose) -> Option<&Held> {
        let is_it = |h: &&Held| h.whose.serial == whose.serial && h.whose.issuer == whose.issuer;
        self.held.iter().find(is_it)
    }

    /// The certificate with this key.
    pub(super) fn with_key(&self, key: &SignerKey) -> Option<&Held> {
        self.held.iter().find(|h| key.is_of(&h.certificate))
    }

    /// This very certificate.
    pub(super) fn with_der(&self, der: &[u8]) -> Option<&Held> {
        self.held.get(*self.places.get(der)?)
    }

    /// The certificates of this kind that nodes of a cluster have now.
    pub(super) fn of_kind(&self, side: usize, kind: &str) -> impl Iterator<Item = &Held> {
        let held = self.held.iter();
        held.filter(move |h| h.side == Some(side) && h.is_current && h.whose.kind == kind)
    }

    /// The RSA certificate of this kind that a node has now; none if nobody read it, if lists name
    /// several and nobody exported the one that it has, or if they name one that is younger than the
    /// exported one: then that is an old export.
    pub(super) fn current(&self, side: usize, node: &str, kind: &str) -> Option<&Held> {
        let is_rsa = |h: &&Held| {
            let read = Certificate::parse(&h.certificate.der);
            read.is_ok_and(|c| matches!(c.public_key, PublicKey::Rsa { .. }))
        };
        let of_node = self.of_kind(side, kind).filter(|h| h.whose.node == node);
        let mut of_node = of_node.filter(is_rsa);
        let found = of_node.next().filter(|_| of_node.next().is_none())?;
        let is_same = |h: &&Held| {
            h.side == Some(side) && h.whose.kind == kind && h.whose.node == node && is_rsa(h)
        };
        let mut all = self.held.iter().filter(is_same);
        let begin = found.certificate.not_before;
        let is_old = all.any(|h| h.certificate.not_before > begin);
        (!is_old).then_some(found)
    }

    /// The CAPF certificate with this subject.
    pub(super) fn capf(&self, subject: &str) -> Option<&Held> {
        let mut capf = self.held.iter().filter(|h| h.whose.kind == CAPF);
        capf.find(|h| h.whose.subject == subject)
    }

    /// The certificate that the TVS of a node shows, as the lists of its cluster have it.
    pub(super) fn tvs_of(&self, side: usize, node: &str) -> Option<&Held> {
        let mut tvs = self.held.iter().filter(|h| h.whose.kind == TVS);
        tvs.find(|h| h.side == Some(side) && h.whose.node == node && h.is_current)
    }

    /// True if an own certificate of this kind was read of a node of the cluster.
    pub(super) fn has_own(sides: &Sides, side: usize) -> bool {
        let nodes = sides.sides.get(side).map(|s| s.nodes.as_slice());
        let nodes = nodes.unwrap_or_default();
        !nodes.is_empty() && nodes.iter().all(|n| !n.certificates.is_empty())
    }
}

/// True if the certificate is the signer's.
pub(super) fn is_of(certificate: &PublicCertificate, signer: &SignerFacts) -> bool {
    hex(serial_number(&certificate.serial)) == signer.serial
        && escape_for_terminal(certificate.issuer_text.as_bytes()) == signer.issuer
}

fn same(a: &Record<&[u8]>, b: &Record<&[u8]>) -> bool {
    a.certificate() == b.certificate()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a certificate of a list is for. Two kinds have names of their own (`cluster` facts 2); of the
/// others the roles tell: only a CallManager certificate signs files.
fn kind_of(certificate: &PublicCertificate, roles: impl Iterator<Item = Role>) -> &'static str {
    let prefix = certificate.subject_text.get(..15).unwrap_or_default();
    if prefix.eq_ignore_ascii_case("CN=ITLRECOVERY_") {
        return ITLRECOVERY;
    }
    let kind = |role: Role| match role {
        Role::Tvs => Some(TVS),
        Role::Capf => Some(CAPF),
        Role::CcmTftp | Role::Tftp | Role::Ccm => Some(CALLMANAGER),
        Role::Sast | Role::AppServer | Role::Other(_) => None,
    };
    roles.filter_map(kind).next().unwrap_or_default()
}
