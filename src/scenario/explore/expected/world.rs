//! The clusters: who holds which certificate, what is published, what TVS knows.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::super::model::{self, RELEASES, Scenario};
use super::super::super::words::{Damage, Mode, OwnCertificate, ServedFile, Service, Store};
use super::Unsupported;
use super::bulk::exists;
use super::choices::Choices;
use super::lists::{List, Served};

/// A node, by its place over all clusters of the scenario.
pub(super) type NodeId = usize;

/// A cluster, by its place in the scenario.
pub(super) type ClusterId = usize;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    CallManager,
    ItlRecovery,
    Tvs,
    Capf,
    /// It signs nothing that a phone verifies, but a store may hold it in CallManager's place.
    Tomcat,
    /// The key of an administrator's token, which signs CTLs before 10.0.
    Token,
}

/// What a certificate's subject says; a store holds one certificate of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    /// The node; the publisher where the cluster has one for all.
    pub(super) node: NodeId,
    pub(super) kind: Kind,
}

/// One certificate: it stands for its issuer and serial number, and for its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Certificate {
    pub(super) subject: Subject,
    /// How many times it was made anew. A later one has a later start date.
    pub(super) generation: u32,
}

/// What a record of a list, or an answer of TVS, says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Sast,
    CcmTftp,
    Tftp,
    Capf,
    Tvs,
}

impl Role {
    /// Whether it lets a signer sign configurations.
    pub(super) fn signs_files(self) -> bool {
        matches!(self, Self::CcmTftp | Self::Tftp)
    }
}

/// Certificates of other clusters, by store and subject.
type Stores = BTreeMap<(Store, Subject), u32>;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) cluster: ClusterId,
    services: Vec<Service>,
    runs_callmanager: bool,
    pub(super) powered: bool,
    pub(super) stopped: BTreeSet<Service>,
    /// The stores as its TVS read them when it last started.
    seen: Stores,
    /// How often the certificates were made anew when its TVS started.
    seen_generations: BTreeMap<Subject, u32>,
    pub(super) itl: Option<Rc<List>>,
    /// What it goes on serving.
    pub(super) kept: Option<Served>,
    pub(super) damage: BTreeMap<ServedFile, Damage>,
    /// Seconds that its clock is ahead of the others.
    pub(super) ahead: i64,
    /// Whether its clock was ever set back.
    pub(super) was_set_back: bool,
}

impl Node {
    /// Whether it has `service`, running or not.
    pub(super) fn has(&self, service: Service) -> bool {
        match service {
            Service::CallManager => self.runs_callmanager,
            _ => self.services.contains(&service),
        }
    }

    /// Whether it answers for `service` now.
    pub(super) fn answers(&self, service: Service) -> bool {
        self.has(service) && self.powered && !self.stopped.contains(&service)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Cluster {
    /// Place of its release in [`RELEASES`].
    release: usize,
    pub(super) mixed: bool,
    pub(super) rollback: bool,
    pub sha512: bool,
    pub(super) nodes: Vec<NodeId>,
    pub(super) publisher: NodeId,
    /// The CallManager group of its phones, which is their list of TVS servers too.
    pub(super) group: Vec<NodeId>,
    pub(super) stores: Stores,
    pub(super) ctl: Option<Rc<List>>,
    /// Phones that are not in its database.
    pub(super) removed: BTreeSet<usize>,
}

impl Cluster {
    fn at_least(&self, release: &str) -> bool {
        RELEASES.iter().position(|known| *known == release) <= Some(self.release)
    }

    /// ITLRecovery came with 10.0 and stands in lists since 10.5.2.
    pub(super) fn has_itl_recovery(&self) -> bool {
        self.at_least("10.5.2")
    }

    /// From 12.5 the publisher makes one ITLRecovery for all nodes.
    fn shares_itl_recovery(&self) -> bool {
        self.at_least("12.5")
    }

    /// ITLRecovery signs lists since 12.0; the first release here that is as new is 12.5.
    pub(super) fn itl_recovery_signs(&self) -> bool {
        self.at_least("12.5")
    }

    /// A CTL is signed by a node since 10.0, by an administrator's token before.
    pub(super) fn tokenless(&self) -> bool {
        self.at_least("10.5.2")
    }

    /// Each node has a CAPF certificate before 14, the publisher alone from then on.
    pub(super) fn has_capf_everywhere(&self) -> bool {
        !self.at_least("14")
    }

    /// The bulk exchange has a type for ITLRecovery since 12.0.
    pub(super) fn has_itl_recovery_type(&self) -> bool {
        self.at_least("12.5")
    }

    pub(super) fn is_mixed(&self) -> bool {
        self.mixed
    }
}

/// All clusters.
#[derive(Clone, Debug)]
pub(super) struct World<'a> {
    pub(super) choices: &'a Choices,
    pub(super) clusters: Vec<Cluster>,
    pub(super) nodes: Vec<Node>,
    names: BTreeMap<&'a str, NodeId>,
    ids: BTreeMap<&'a str, ClusterId>,
    generations: BTreeMap<Subject, u32>,
    /// Whether publishing anew mends a damaged file.
    pub(super) publishing_mends: bool,
}

impl<'a> World<'a> {
    /// The world of `scenario` before its first step.
    pub(super) fn new(
        scenario: &'a Scenario,
        choices: &'a Choices,
        publishing_mends: bool,
    ) -> Result<Self, Unsupported> {
        let mut world = Self {
            choices,
            clusters: Vec::new(),
            nodes: Vec::new(),
            names: BTreeMap::new(),
            ids: BTreeMap::new(),
            generations: BTreeMap::new(),
            publishing_mends,
        };
        if scenario.phones.iter().any(|group| group.encrypted_config) {
            return Err(Unsupported::new("encrypted configurations"));
        }
        for given in &scenario.clusters {
            world.add(given)?;
        }
        for cluster in 0..world.clusters.len() {
            world.publish_ctl(cluster, 0);
            world.publish(cluster, 0);
        }
        Ok(world)
    }

    fn add(&mut self, given: &'a model::Cluster) -> Result<(), Unsupported> {
        let id = self.clusters.len();
        let first = self.nodes.len();
        let listed = given.nodes.iter().any(|n| n.runs(Service::CallManager));
        for node in &given.nodes {
            self.names.insert(node.name.as_str(), self.nodes.len());
            self.nodes.push(Node {
                cluster: id,
                services: node.services.clone(),
                runs_callmanager: !listed || node.runs(Service::CallManager),
                powered: true,
                stopped: BTreeSet::new(),
                seen: Stores::new(),
                seen_generations: BTreeMap::new(),
                itl: None,
                kept: None,
                damage: BTreeMap::new(),
                ahead: 0,
                was_set_back: false,
            });
        }
        let nodes: Vec<NodeId> = (first..self.nodes.len()).collect();
        let mut group: Vec<NodeId> = given
            .callmanager_group
            .iter()
            .filter_map(|name| self.names.get(name.as_str()).copied())
            .collect();
        if group.is_empty() {
            let running = nodes.iter().filter(|n| self.nodes[**n].runs_callmanager);
            group = running.take(model::MAX_GROUP_MEMBERS).copied().collect();
        }
        let publishers = nodes
            .iter()
            .find(|n| self.nodes[**n].has(Service::Publisher));
        let release = RELEASES.iter().position(|r| *r == given.release.as_str());
        let (Some(&publisher), Some(release)) = (publishers, release) else {
            return Err(Unsupported::new("a cluster without publisher or release"));
        };
        let mut cluster = Cluster {
            release,
            mixed: given.mode == Mode::Mixed,
            rollback: false,
            sha512: false,
            nodes,
            publisher,
            group,
            stores: Stores::new(),
            ctl: None,
            removed: BTreeSet::new(),
        };
        for parameter in &given.parameters {
            cluster.set(parameter.name.as_str(), &parameter.value.to_string())?;
        }
        self.ids.insert(given.id.as_str(), id);
        self.clusters.push(cluster);
        Ok(())
    }

    pub(super) fn node(&self, name: &str) -> Result<NodeId, Unsupported> {
        let known = self.names.get(name).copied();
        known.ok_or_else(|| Unsupported::new(format!("unknown node {name}")))
    }

    pub(super) fn cluster(&self, id: &str) -> Result<ClusterId, Unsupported> {
        let known = self.ids.get(id).copied();
        known.ok_or_else(|| Unsupported::new(format!("unknown cluster {id}")))
    }

    /// The certificate that `subject` has now.
    fn current(&self, subject: Subject) -> Certificate {
        Certificate {
            subject,
            generation: self.generations.get(&subject).copied().unwrap_or(0),
        }
    }

    /// The certificate of `kind` that `node` has now.
    pub(super) fn own(&self, node: NodeId, kind: Kind) -> Certificate {
        self.current(self.subject(node, kind))
    }

    fn subject(&self, node: NodeId, kind: Kind) -> Subject {
        let cluster = &self.clusters[self.nodes[node].cluster];
        let shared = match kind {
            Kind::ItlRecovery => cluster.shares_itl_recovery(),
            Kind::Token => true,
            _ => false,
        };
        Subject {
            node: if shared { cluster.publisher } else { node },
            kind,
        }
    }

    /// Makes a certificate anew; the lists that carry it follow, the CTL does not.
    pub(super) fn renew(
        &mut self,
        node: NodeId,
        certificate: OwnCertificate,
        step: usize,
    ) -> Result<(), Unsupported> {
        let owner = &self.nodes[node];
        let cluster = owner.cluster;
        let kind = match certificate {
            OwnCertificate::CallManager => Kind::CallManager,
            OwnCertificate::Tvs if owner.answers(Service::Tvs) => Kind::Tvs,
            OwnCertificate::Capf if owner.has(Service::Capf) => Kind::Capf,
            OwnCertificate::ItlRecovery if self.clusters[cluster].has_itl_recovery() => {
                Kind::ItlRecovery
            }
            other => {
                let what = format!("{other} made anew on a node that does not have or run it");
                return Err(Unsupported::new(what));
            }
        };
        let subject = self.subject(node, kind);
        if !owner.powered || (kind == Kind::ItlRecovery && subject.node != node) {
            let what = "a certificate made anew on a node that is off or does not own it";
            return Err(Unsupported::new(what));
        }
        if owner.was_set_back {
            // It starts earlier than the one before it, and S14 goes by the start.
            let what = "a certificate made anew by a clock that was set back";
            return Err(Unsupported::new(what));
        }
        *self.generations.entry(subject).or_default() += 1;
        if kind == Kind::Tvs {
            // The service restarts by itself.
            self.read_stores(node);
        }
        self.publish(cluster, step);
        Ok(())
    }

    /// Puts a certificate into a store. Of two with one subject the one that starts later stays, of
    /// two that start together the one that came first.
    pub(super) fn import(
        &mut self,
        into: ClusterId,
        store: Store,
        certificate: Certificate,
    ) -> Result<(), Unsupported> {
        let vouches = matches!(store, Store::PhoneSastTrust | Store::CallManagerTrust);
        let subject = certificate.subject;
        let stores = &mut self.clusters[into].stores;
        let tomcat = Subject {
            kind: Kind::Tomcat,
            ..subject
        };
        if subject.kind == Kind::CallManager
            && certificate.generation == 0
            && vouches
            && stores.contains_key(&(store, tomcat))
            && !stores.contains_key(&(store, subject))
        {
            let what = "whether Tomcat has the subject of CallManager, and keeps it out of a store";
            return Err(Unsupported::new(what));
        }
        let held = stores.entry((store, subject)).or_default();
        *held = (*held).max(certificate.generation);
        Ok(())
    }

    /// The TVS of `node` starts: it reads the stores.
    pub(super) fn read_stores(&mut self, node: NodeId) {
        let stores = &self.clusters[self.nodes[node].cluster].stores;
        self.nodes[node].seen = stores.clone();
        self.nodes[node].seen_generations = self.generations.clone();
    }

    /// What the TVS of `node` says of `certificate`: nothing if it does not know it, else its roles.
    pub(super) fn vouch(
        &self,
        node: NodeId,
        certificate: Certificate,
    ) -> Result<Option<BTreeSet<Role>>, Unsupported> {
        let cluster = &self.clusters[self.nodes[node].cluster];
        let Subject { node: owner, kind } = certificate.subject;
        let own = self.nodes[owner].cluster == self.nodes[node].cluster;
        if own && self.choices.tvs_restart_needed {
            let subject = &certificate.subject;
            let seen = &self.nodes[node].seen_generations;
            if seen.get(subject) != self.generations.get(subject) {
                let what = "a cluster's own certificate made anew, and tvs.restart_needed = yes";
                return Err(Unsupported::new(what));
            }
        }
        if own && self.current(certificate.subject) == certificate {
            let roles = match kind {
                Kind::CallManager if cluster.mixed => Some([Role::Sast, Role::CcmTftp].into()),
                Kind::CallManager => Some([Role::Sast, Role::Tftp].into()),
                Kind::ItlRecovery => Some([Role::Sast].into()),
                Kind::Tvs | Kind::Capf | Kind::Tomcat | Kind::Token => None,
            };
            if roles.is_some() {
                return Ok(roles);
            }
        }
        let stores = if self.choices.tvs_restart_needed {
            &self.nodes[node].seen
        } else {
            &cluster.stores
        };
        let mut roles = BTreeSet::new();
        let mut known = false;
        for (&(store, subject), &generation) in stores {
            if (subject, generation) != (certificate.subject, certificate.generation) {
                continue;
            }
            known = true;
            match store {
                Store::PhoneSastTrust => {
                    roles.insert(Role::Sast);
                }
                Store::CallManagerTrust => {
                    roles.insert(Role::Tftp);
                    if self.choices.callmanager_trust_gives_both {
                        roles.insert(Role::Sast);
                    }
                }
                Store::CapfTrust | Store::TomcatTrust => {
                    if !self.choices.tvs_role_required {
                        let what = "a signer in CAPF-trust or tomcat-trust, and no role needed";
                        return Err(Unsupported::new(what));
                    }
                }
            }
        }
        if known {
            return Ok(Some(roles));
        }
        // Then TVS looks into the CTL on its disk.
        let in_ctl = cluster.ctl.as_ref().map(|ctl| ctl.roles(certificate));
        let roles: BTreeSet<Role> = in_ctl.into_iter().flatten().collect();
        Ok((!roles.is_empty()).then_some(roles))
    }

    /// Whether `cluster` holds every CAPF certificate of `of` where phones with an LSC need it: which
    /// CAPF issued an LSC is not said.
    pub(super) fn trusts_capf(&self, cluster: ClusterId, of: ClusterId) -> bool {
        let stores = &self.clusters[cluster].stores;
        let holds = |node: NodeId| {
            let subject = self.subject(node, Kind::Capf);
            stores.get(&(Store::CallManagerTrust, subject)) == Some(&0)
        };
        let mut nodes = self.clusters[of].nodes.iter();
        cluster == of || nodes.all(|&node| !exists(self, node, Kind::Capf) || holds(node))
    }
}

impl Cluster {
    /// Sets an enterprise parameter.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Unsupported> {
        match (name, value) {
            ("prepare-cluster-for-rollback", "true") => self.rollback = true,
            ("prepare-cluster-for-rollback", "false") => self.rollback = false,
            ("tftp-file-signature-algorithm", "sha1") => self.sha512 = false,
            ("tftp-file-signature-algorithm", "sha512") => self.sha512 = true,
            _ => return Err(Unsupported::new(format!("parameter {name} = {value}"))),
        }
        Ok(())
    }
}
