//! What an action changes of what was read: each is a pure function, so that the phone's machine can
//! be run again with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::certificates::{CALLMANAGER, CAPF, Certificates};
use super::publish::{Publisher, Written, is_for_any, served, services_mut};
use crate::check::answer::{Action, Whose};
use crate::check::evidence::{At, Door, FileReply, Known, Node, Side, Sides, SignerKey, TvsReply};
use crate::check::places::signer_of;
use crate::check::predict::{Move, Prediction, Subject, predict};
use crate::check::registration::has_phone;
use crate::cluster::{PublicCertificate, Service, Store, TrustStore};
use crate::phone::flash::CONFIG;
use crate::trust::rules::{Key, Settings, TvsRolesOfStore};
use crate::tvs::Found;
use crate::wire::{Digest, Role, SignedFile, Strictness, TrustList};

/// The name that an action has for TVS.
pub(super) const TVS: &str = "TVS";
/// The name that an action has for TFTP.
pub(super) const TFTP: &str = "TFTP";
/// The name that an action has for CallManager.
pub(super) const CALLMANAGER_SERVICE: &str = "CallManager";

/// The parameter after which ITLs are empty.
pub(super) const ROLLBACK: &str = "prepare-cluster-for-rollback";
/// The parameter that says the digest of signatures.
pub(super) const SIGNATURE_ALGORITHM: &str = "tftp-file-signature-algorithm";

/// How many servers a phone keeps of option 150 (8800 Administration Guide: TFTP Server 1 and 2).
const SERVERS: usize = 2;

/// What was read, the phone and the move, with actions made.
#[derive(Clone, Debug)]
pub struct Changed {
    /// What would be read.
    pub sides: Sides,
    /// The phone.
    pub subject: Subject,
    /// The move.
    pub plan: Move,
    /// What became of the phone at home, where the actions send it there first.
    pub at_home: Option<Arc<Prediction>>,
}

/// What actions need beside what they change.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The certificates that were read.
    pub certificates: &'a Certificates,
    /// Rules of the clusters: `tvs.roles_of_store`, `tvs.answer_ttl`.
    pub rules: &'a Settings,
}

/// The service that an action restarts.
pub fn service(name: &str) -> Option<Service> {
    match name {
        TVS => Some(Service::Tvs),
        TFTP => Some(Service::Tftp),
        CALLMANAGER_SERVICE => Some(Service::CallManager),
        _ => None,
    }
}

/// The nodes of a cluster on which a service answers.
pub(super) fn running(side: &Side, door: fn(&Node) -> &Known<Door>) -> Vec<String> {
    let open = side
        .nodes
        .iter()
        .filter(|n| *door(n) == Known::Yes(Door::Open));
    open.map(|n| n.name.clone()).collect()
}

/// The nodes that option 150 names while phones are at home: those that serve files, two at most.
pub fn servers_of(side: &Side) -> Vec<usize> {
    let places = || 0..side.nodes.len();
    let is_shut = |&n: &usize| {
        matches!(
            side.nodes[n].tftp.door,
            Known::Yes(Door::Refused | Door::Silent)
        )
    };
    let mut servers: Vec<_> = places().filter(|n| !is_shut(n)).collect();
    if servers.is_empty() {
        servers = places().collect();
    }
    // A node that is known to serve files comes before one of which nobody knows.
    servers.sort_by_key(|&n| side.nodes[n].tftp.door != Known::Yes(Door::Open));
    servers.truncate(SERVERS);
    servers
}

impl Changed {
    /// Nothing is changed yet.
    pub fn nothing(sides: &Sides, subject: &Subject, plan: &Move) -> Self {
        Self {
            sides: sides.clone(),
            subject: subject.clone(),
            plan: plan.clone(),
            at_home: None,
        }
    }

    /// Makes these actions, in this order. None if what comes of one of them hangs on something that
    /// nobody read.
    ///
    /// An import alone changes no answer of a TVS, whatever `tvs.restart_needed` says: a fix that
    /// needs no luck restarts TVS. A parameter changes no file before TFTP starts anew.
    pub fn make(mut self, actions: &[Action], ground: Ground<'_>) -> Option<Self> {
        let mut imported = Vec::new();
        let mut digests = BTreeMap::new();
        for action in actions {
            match action {
                Action::Import {
                    certificate,
                    into,
                    store,
                    ..
                } => self.import(certificate, into, store, ground, &mut imported)?,
                Action::Restart {
                    service: name,
                    cluster,
                    nodes,
                } => {
                    let Some(service) = service(name) else {
                        continue;
                    };
                    for at in self.nodes(cluster, nodes) {
                        self.start(at, service, ground, &imported);
                        if service == Service::Tftp {
                            self.publish(at, digests.get(&at.0).copied(), ground)?;
                        }
                    }
                }
                Action::SetOption150 { nodes } => {
                    let mut servers = self.plan.option_150.iter();
                    let to = servers.find_map(|a| self.sides.at(*a)).map_or(0, |at| at.0);
                    let named = nodes.iter().filter_map(|n| self.sides.host_from(to, n));
                    self.plan.option_150 = named.map(|at| self.sides.address(at)).collect();
                }
                Action::HomeFirst { cluster } => self = self.go_home(cluster)?,
                Action::EraseLists => self.subject.flash.erase_lists(),
                Action::SetParameter {
                    cluster,
                    parameter,
                    value,
                } => {
                    let side = self.side(cluster)?;
                    match (parameter.as_str(), value.as_str()) {
                        (ROLLBACK, "false") => {
                            let parameters = &mut self.sides.sides[side].parameters;
                            parameters.prepare_for_rollback = Known::Yes(false);
                        }
                        (SIGNATURE_ALGORITHM, "sha1") => {
                            digests.insert(side, Digest::Sha1);
                        }
                        _ => return None,
                    }
                }
                Action::AddPhones { cluster } => self.add_phone(self.side(cluster)?, ground)?,
            }
        }
        Some(self)
    }

    fn side(&self, name: &str) -> Option<usize> {
        self.sides.sides.iter().position(|s| s.name == name)
    }

    fn nodes(&self, cluster: &str, names: &[String]) -> Vec<At> {
        let Some(side) = self.side(cluster) else {
            return Vec::new();
        };
        let nodes = self.sides.sides[side].nodes.iter().enumerate();
        let named = nodes.filter(|(_, n)| names.contains(&n.name));
        named.map(|(n, _)| At(side, n)).collect()
    }

    /// Puts a certificate into a store of every node, or of the publisher where the store does not
    /// replicate. What else an unread store holds stays unread: `imported` keeps the certificate for
    /// the TVS that restarts. None for a certificate that nobody read.
    fn import(
        &mut self,
        whose: &Whose,
        into: &str,
        store: &str,
        ground: Ground<'_>,
        imported: &mut Vec<Imported>,
    ) -> Option<()> {
        let side = self.side(into)?;
        let store = TrustStore::from_name(store)?;
        let held = ground.certificates.named(whose)?;
        let nodes = self.sides.sides[side].nodes.iter_mut();
        let reached = if store.replicates() { usize::MAX } else { 1 };
        for node in nodes.take(reached) {
            let known = node.stores.entry(store).or_default();
            match known {
                Known::Yes(certificates) => {
                    let mut filled = Store::default();
                    for c in certificates.iter().chain([&held.certificate]) {
                        filled.trust(Arc::clone(c));
                    }
                    *certificates = filled.certificates().to_vec();
                }
                // Of such a store a phone's registration asks for this one certificate alone.
                Known::No(_) if held.whose.kind == CAPF => {
                    *known = Known::Yes(vec![Arc::clone(&held.certificate)]);
                }
                Known::No(_) => {}
            }
        }
        imported.push(Imported {
            side,
            store,
            certificate: Arc::clone(&held.certificate),
        });
        Some(())
    }

    /// Restarts a service, or starts it. A node that does not answer at all is not helped by that.
    fn start(&mut self, at: At, service: Service, ground: Ground<'_>, imported: &[Imported]) {
        if service == Service::Tvs {
            self.load_tvs(at, ground, imported);
        }
        let Some(node) = self.sides.node_mut(at) else {
            return;
        };
        let is_refused = |door: &Known<Door>| *door == Known::Yes(Door::Refused);
        match service {
            Service::Tvs if is_refused(&node.tvs.door) => node.tvs.door = Known::Yes(Door::Open),
            Service::CallManager => {
                let ports = node.callmanager_ports.values_mut();
                for door in ports.chain([&mut node.callmanager]) {
                    if is_refused(door) {
                        *door = Known::Yes(Door::Open);
                    }
                }
            }
            Service::Tftp if is_stopped(node) => {
                node.tftp.door = Known::Yes(Door::Open);
                node.http.door = Known::Yes(Door::Open);
                if node.https.certificate.is_some() {
                    node.https.door = Known::Yes(Door::Open);
                }
            }
            _ => {}
        }
    }

    /// Starts TFTP anew: what it serves is then what its cluster publishes. None if that hangs on
    /// something that nobody read.
    fn publish(&mut self, at: At, digest: Option<Digest>, ground: Ground<'_>) -> Option<()> {
        let device = self.subject.setup.identity.device.clone();
        let publisher = Publisher {
            sides: &self.sides,
            certificates: ground.certificates,
            rules: ground.rules,
            at,
            digest,
        };
        let mut changes = Vec::new();
        for (name, bytes) in served(self.sides.node(at)?, &device) {
            let (new, signature) = match publisher.written(&name, &bytes) {
                Written::Stays => continue,
                Written::Unknown => return None,
                Written::Copied(new) => (new, None),
                Written::Becomes(made) => (made.bytes, Some(made.signature)),
            };
            changes.push((name, bytes, new, signature));
        }
        for (name, old, new, signature) in changes {
            for service in services_mut(self.sides.node_mut(at)?) {
                if let Some(Known::Yes(FileReply::File(bytes))) = service.replies.get_mut(&name)
                    && *bytes == old
                {
                    *bytes = Arc::clone(&new);
                }
            }
            Arc::make_mut(&mut self.sides.stand_ins).extend(signature);
        }
        Some(())
    }

    /// Adds the phone to the database of a cluster. None if no configuration of another phone of that
    /// cluster was read, or one of the two has a security profile: what its own would say nobody knows.
    /// None for a phone that the cluster has: that a node does not serve its files has another cause.
    fn add_phone(&mut self, side: usize, ground: Ground<'_>) -> Option<()> {
        let device = &self.subject.setup.identity.device;
        if has_phone(self.sides.sides.get(side)?, device) == Known::Yes(true) {
            return None;
        }
        let own = self.subject.flash.get(CONFIG);
        if own.is_some_and(|xml| !is_for_any(xml)) {
            return None;
        }
        let device = self.subject.setup.identity.device.clone();
        let name = format!("{device}.cnf.xml.sgn");
        for n in 0..self.sides.sides.get(side)?.nodes.len() {
            let at = At(side, n);
            if self.sides.node(at)?.tftp.door != Known::Yes(Door::Open) {
                continue;
            }
            let publisher = Publisher {
                sides: &self.sides,
                certificates: ground.certificates,
                rules: ground.rules,
                at,
                digest: None,
            };
            let made = publisher.configuration_like_another(&name)?;
            for service in services_mut(self.sides.node_mut(at)?) {
                if service.door == Known::Yes(Door::Open) {
                    let reply = Known::Yes(FileReply::File(Arc::clone(&made.bytes)));
                    service.replies.insert(name.clone(), reply);
                }
            }
            Arc::make_mut(&mut self.sides.stand_ins).insert(made.signature);
        }
        let cached = &mut self.sides.sides.get_mut(side)?.parameters.cached_files;
        if let Known::Yes(names) = cached {
            names.push(name);
        }
        Some(())
    }

    fn go_home(mut self, cluster: &str) -> Option<Self> {
        let side = self.side(cluster)?;
        let servers = servers_of(&self.sides.sides[side]);
        let home = Move {
            option_150: servers
                .into_iter()
                .map(|n| self.sides.address(At(side, n)))
                .collect(),
            resets: self.plan.resets,
        };
        let at_home = predict(&self.sides, &self.subject, &home);
        if at_home.gap.is_some() {
            return None;
        }
        self.subject.flash = at_home.flash.clone();
        if let Some(last) = at_home.events.last() {
            self.subject.now = self.subject.now.max(last.at);
        }
        self.subject.earlier.extend(at_home.events.iter().cloned());
        self.at_home = Some(Arc::new(at_home));
        Some(self)
    }
}

/// True if the node is on and its TFTP is not: over UDP nobody says that nobody listens, over TCP the
/// host does.
pub(super) fn is_stopped(node: &Node) -> bool {
    match node.tftp.door {
        Known::Yes(Door::Refused) => true,
        Known::Yes(Door::Silent) => node.http.door == Known::Yes(Door::Refused),
        _ => false,
    }
}

/// A certificate that came into a store.
struct Imported {
    side: usize,
    store: TrustStore,
    certificate: Arc<PublicCertificate>,
}

/// What a TVS loads.
impl Changed {
    /// A TVS that starts answers from the certificates of its cluster's nodes and its stores, else from
    /// the CTL (`cluster` facts 3.1). Where not all of that was read, what it said before counts, with
    /// what was imported since.
    fn load_tvs(&mut self, at: At, ground: Ground<'_>, imported: &[Imported]) {
        let Some(node) = self.sides.node(at) else {
            return;
        };
        let mut keys: BTreeSet<SignerKey> = node.tvs.replies.keys().cloned().collect();
        keys.extend(self.signers());
        let imported: Vec<_> = imported.iter().filter(|i| i.side == at.0).collect();
        keys.extend(imported.iter().map(|i| SignerKey::of(&i.certificate)));
        let mut replies = Vec::new();
        for key in keys {
            replies.push((key.clone(), self.loaded(at, &key, ground, &imported)));
        }
        let own = ground.certificates.tvs_of(at.0, &node.name);
        let own = own.map(|held| held.certificate.der.clone());
        if let Some(node) = self.sides.node_mut(at) {
            node.tvs.replies.extend(replies);
            if let (Known::No(_), Some(own)) = (&node.tvs.certificate, own) {
                node.tvs.certificate = Known::Yes(own);
            }
        }
    }

    fn loaded(
        &self,
        at: At,
        key: &SignerKey,
        ground: Ground<'_>,
        imported: &[&Imported],
    ) -> Known<TvsReply> {
        let side = &self.sides.sides[at.0];
        let node = &side.nodes[at.1];
        let before = node.tvs.reply(key);
        let mut roles = BTreeSet::new();
        let mut certificate = None;
        let mut add = |c: &PublicCertificate, given: &[Role]| {
            certificate.get_or_insert_with(|| c.der.clone());
            roles.extend(given.iter().filter_map(|r| u8::try_from(r.code()).ok()));
        };
        let own = side.nodes.iter().flat_map(|n| &n.certificates);
        for (kind, c) in own.filter(|(_, c)| key.is_of(c)) {
            add(c, roles_of_own(kind, is_mixed(side)));
        }
        let both = TvsRolesOfStore::CallManagerGivesBoth;
        let of_store = |store| match store {
            TrustStore::PhoneSast => &[Role::Sast][..],
            TrustStore::CallManager if ground.rules.word::<TvsRolesOfStore>() == both => {
                &[Role::Sast, Role::Tftp]
            }
            TrustStore::CallManager => &[Role::Tftp],
            TrustStore::Capf => &[Role::Capf],
            TrustStore::Tomcat => &[Role::AppServer],
        };
        let mut all_read = Certificates::has_own(&self.sides, at.0);
        for store in TrustStore::ALL {
            match node.stores.get(&store) {
                Some(Known::Yes(held)) => {
                    for c in held.iter().filter(|c| key.is_of(c)) {
                        add(c, of_store(store));
                    }
                }
                _ => {
                    all_read &= !matches!(store, TrustStore::PhoneSast | TrustStore::CallManager);
                    let new = imported.iter().filter(|i| i.store == store);
                    for i in new.filter(|i| key.is_of(&i.certificate)) {
                        add(&i.certificate, of_store(store));
                    }
                }
            }
        }
        if let (false, Known::Yes(TvsReply::Found(found))) = (all_read, before) {
            certificate.get_or_insert_with(|| found.certificate.clone());
            roles.extend(&found.roles);
        }
        if certificate.is_none()
            && let Some(found) = in_ctl(side, key)
        {
            (certificate, roles) = (Some(found.0), found.1);
        }
        match certificate {
            Some(certificate) => Known::Yes(TvsReply::Found(Found {
                certificate,
                roles: roles.into_iter().collect(),
                ttl_secs: match before {
                    Known::Yes(TvsReply::Found(found)) => found.ttl_secs,
                    // The rule allows nothing larger.
                    _ => u32::try_from(ground.rules.count(Key::TvsAnswerTtl)).unwrap_or(u32::MAX),
                },
            })),
            None if all_read => match before {
                Known::Yes(TvsReply::Closed) => Known::Yes(TvsReply::Closed),
                _ => Known::Yes(TvsReply::Unknown),
            },
            None => before.clone(),
        }
    }

    /// Whoever signs a file that nodes serve.
    fn signers(&self) -> BTreeSet<SignerKey> {
        let mut signers = BTreeSet::new();
        for (_, node) in self.sides.nodes() {
            let services = [&node.tftp, &node.http];
            for reply in services.into_iter().flat_map(|s| s.replies.values()) {
                if let Known::Yes(FileReply::File(bytes)) = reply {
                    signers.extend(signer_of(bytes).or_else(|| signer_of_file(bytes)));
                }
            }
        }
        signers
    }
}

pub(super) fn signer_of_file(bytes: &[u8]) -> Option<SignerKey> {
    let file = SignedFile::parse(bytes, &Strictness::default()).ok()?;
    let [_, issuer, serial] = file.header.signer();
    Some(SignerKey::new(issuer, serial))
}

/// As a node's TVS knows its own cluster's certificates.
fn roles_of_own(kind: &str, is_mixed: bool) -> &'static [Role] {
    match kind {
        CALLMANAGER if is_mixed => &[Role::Sast, Role::CcmTftp],
        CALLMANAGER => &[Role::Sast, Role::Tftp],
        "ITLRecovery" => &[Role::Sast],
        "CallManager-ECDSA" if is_mixed => &[Role::CcmTftp],
        "CallManager-ECDSA" => &[Role::Tftp],
        CAPF => &[Role::Capf],
        TVS => &[Role::Tvs],
        "tomcat" | "tomcat-ECDSA" => &[Role::AppServer],
        _ => &[],
    }
}

fn ctl(side: &Side) -> Option<&Arc<[u8]>> {
    let mut served = side.nodes.iter().map(|n| n.tftp.reply("CTLFile.tlv"));
    served.find_map(|known| known.get()?.file())
}

/// A cluster in mixed mode has a CTL.
pub(super) fn is_mixed(side: &Side) -> bool {
    ctl(side).is_some()
}

/// The certificate and its roles in the CTL of the cluster.
fn in_ctl(side: &Side, key: &SignerKey) -> Option<(Vec<u8>, BTreeSet<u8>)> {
    let list = TrustList::parse(ctl(side)?, &Strictness::default()).ok()?;
    let mut certificate = None;
    let mut roles = BTreeSet::new();
    for record in &list.records {
        let (Some(issuer), Some(serial), Some(der)) =
            (record.issuer(), record.serial(), record.certificate())
        else {
            continue;
        };
        if SignerKey::new(issuer, serial) == *key {
            certificate.get_or_insert_with(|| der.to_vec());
            roles.extend(u8::try_from(record.role().code()));
        }
    }
    Some((certificate?, roles))
}
