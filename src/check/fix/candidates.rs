//! What could be done about a boot that failed: every action that changes something which that boot
//! asked for, and what each costs.
//!
//! A set of actions that helps has one that touches what the boot met without any of them, else the
//! boot would be the same. So a search that goes on from each failed boot with what touches it
//! misses no set, and tries few.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{
    CALLMANAGER_SERVICE, Changed, Ground, ROLLBACK, SIGNATURE_ALGORITHM, TFTP, TVS, is_stopped,
    running, servers_of,
};
use super::certificates::{CALLMANAGER, Held};
use super::publish::{Publisher, Written, served};
use crate::check::answer::Action;
use crate::check::evidence::{At, Door, Known, Node, Sides};
use crate::check::places::signer_of;
use crate::check::predict::Prediction;
use crate::cluster::{PublicCertificate, TrustStore};
use crate::event::{Kind, SignerFacts};
use crate::phone::flash::CONFIG;
use crate::trust::reason::Code;
use crate::trust::rules::LscTrustedBy;
use crate::wire::ListKind;
use crate::wire::phone_config::PhoneConfig;

/// What one more reset of the phones costs.
pub(super) const RESET: u32 = 10;

/// What an action costs. Only the order matters: what phones do not notice is cheap, what makes all
/// of them register again is dearer, then what boots each twice, and a visit to each is the dearest.
/// Assumed: no source weighs them.
pub(super) fn cost(actions: &[Action]) -> u32 {
    let one = |action: &Action| match action {
        Action::Import { .. } => 1,
        Action::Restart { service, .. } => match service.as_str() {
            TVS => 1,
            TFTP => 2,
            _ => 3,
        },
        Action::SetOption150 { .. } => 6,
        Action::HomeFirst { .. } => 12,
        Action::SetParameter { .. } | Action::AddPhones { .. } => 20,
        Action::EraseLists => 1_000,
    };
    actions.iter().map(one).sum()
}

/// Where an action stands among others: certificates come before the restart that loads them, the
/// phones' part comes last.
fn rank(action: &Action) -> u8 {
    match action {
        Action::Import { .. } => 0,
        Action::SetParameter { .. } => 1,
        Action::AddPhones { .. } => 2,
        Action::Restart { .. } => 3,
        Action::HomeFirst { .. } => 4,
        Action::SetOption150 { .. } => 5,
        Action::EraseLists => 6,
    }
}

/// Both sets of actions as one: in the order in which they are made, one restart of a service.
pub(super) fn together(a: &[Action], b: &[Action]) -> Vec<Action> {
    let mut restarts: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut all: Vec<Action> = Vec::new();
    for action in a.iter().chain(b) {
        match action {
            Action::Restart {
                service,
                cluster,
                nodes,
            } => {
                let restarted = restarts.entry((cluster, service)).or_default();
                restarted.extend(nodes.iter().map(String::as_str));
            }
            other if all.contains(other) => {}
            other => all.push(other.clone()),
        }
    }
    for ((cluster, service), nodes) in restarts {
        all.push(Action::Restart {
            service: service.to_owned(),
            cluster: cluster.to_owned(),
            nodes: nodes.into_iter().map(str::to_owned).collect(),
        });
    }
    all.sort_by_key(rank);
    all
}

/// What a failed boot met.
pub(super) struct Met<'a> {
    state: &'a Changed,
    prediction: &'a Prediction,
    ground: Ground<'a>,
    /// The cluster that the phone is to follow to.
    to: usize,
}

impl<'a> Met<'a> {
    pub(super) fn new(
        state: &'a Changed,
        prediction: &'a Prediction,
        ground: Ground<'a>,
        to: usize,
    ) -> Self {
        Self {
            state,
            prediction,
            ground,
            to,
        }
    }

    /// Each is a set of actions that belong together. `made` are those that were made already.
    pub(super) fn candidates(&self, made: &[Action]) -> Vec<Vec<Action>> {
        let mut all = self.services();
        all.extend(self.signers());
        all.extend(self.capf());
        all.extend(self.published(made));
        let is_made = |of: fn(&Action) -> bool| made.iter().any(of);
        if !is_made(|a| matches!(a, Action::SetOption150 { .. })) {
            all.extend(self.option_150());
        }
        if !is_made(|a| matches!(a, Action::HomeFirst { .. })) {
            all.extend(self.home_first());
        }
        let flash = &self.state.subject.flash;
        let lists = [ListKind::Ctl, ListKind::Itl];
        if lists.iter().any(|l| flash.get(l.file_name()).is_some()) {
            all.push(vec![Action::EraseLists]);
        }
        all
    }

    fn sides(&self) -> &'a Sides {
        &self.state.sides
    }

    fn restart(&self, service: &str, side: usize, nodes: Vec<String>) -> Action {
        Action::Restart {
            service: service.to_owned(),
            cluster: self.sides().sides[side].name.clone(),
            nodes,
        }
    }

    /// Starts a service that the phone asked for in vain on a node that is on.
    fn services(&self) -> Vec<Vec<Action>> {
        let mut all = Vec::new();
        let refused = Known::Yes(Door::Refused);
        let mut start = |service, at: At| {
            if let Some(node) = self.sides().node(at) {
                let action = vec![self.restart(service, at.0, vec![node.name.clone()])];
                if !all.contains(&action) {
                    all.push(action);
                }
            }
        };
        for at in self.tvs_connected() {
            if self.sides().node(at).is_some_and(|n| n.tvs.door == refused) {
                start(TVS, at);
            }
        }
        let config = self.prediction.flash.get(CONFIG);
        let config = config.and_then(|bytes| PhoneConfig::parse(bytes).ok());
        let config = config.unwrap_or_default();
        for event in &self.prediction.events {
            let Kind::Registering { server } = &event.kind else {
                continue;
            };
            let at = self.sides().host_from(self.to, server);
            let at = at.filter(|at| at.0 == self.to);
            let node = at.and_then(|at| Some((at, self.sides().node(at)?)));
            // Beside an open port another one may be closed.
            let port = config.registration_port(server);
            let is_refused =
                |n: &Node| n.callmanager == refused || n.callmanager_at(port) == refused;
            if let Some((at, _)) = node.filter(|(_, n)| is_refused(n)) {
                start(CALLMANAGER_SERVICE, at);
            }
        }
        for address in &self.state.plan.option_150 {
            let at = self.sides().at(*address);
            let node = at.and_then(|at| Some((at, self.sides().node(at)?)));
            if let Some((at, _)) = node.filter(|(_, n)| is_stopped(n)) {
                start(TFTP, at);
            }
        }
        all
    }

    /// The nodes whose TVS the phone tried.
    fn tvs_connected(&self) -> Vec<At> {
        let mut all = Vec::new();
        for event in &self.prediction.events {
            if let Kind::TvsConnecting { server } = &event.kind {
                for at in self.tvs_hosts(server) {
                    if !all.contains(&at) {
                        all.push(at);
                    }
                }
            }
        }
        all
    }

    /// The node of `host:port`; of several of one name each is tried.
    fn tvs_hosts(&self, server: &str) -> Vec<At> {
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        self.sides().hosts(host)
    }

    /// Imports each signer that TVS was asked about into each store that gives it a role, or lets TVS
    /// load what a store holds already.
    fn signers(&self) -> Vec<Vec<Action>> {
        let mut asked: Vec<(&SignerFacts, usize)> = Vec::new();
        for event in &self.prediction.events {
            if let Kind::TvsAsked { server, signer, .. } = &event.kind {
                for at in self.tvs_hosts(server) {
                    if !asked.contains(&(signer, at.0)) {
                        asked.push((signer, at.0));
                    }
                }
            }
        }
        let mut all = Vec::new();
        for (signer, side) in asked {
            let nodes = self.tvs_nodes(side);
            let Some(held) = self.ground.certificates.of(signer) else {
                continue;
            };
            if nodes.is_empty() {
                continue;
            }
            let restart = self.restart(TVS, side, nodes);
            let stores = [TrustStore::PhoneSast, TrustStore::CallManager];
            if stores.iter().any(|&s| self.holds(side, s, held)) {
                all.push(vec![restart.clone()]);
            }
            if !may_be_imported(held, side) {
                continue;
            }
            for store in stores {
                if !self.holds(side, store, held) {
                    all.push(vec![self.import(held, side, store), restart.clone()]);
                }
            }
        }
        all
    }

    fn import(&self, held: &Held, into: usize, store: TrustStore) -> Action {
        let name = |side: usize| self.sides().sides[side].name.clone();
        Action::Import {
            certificate: held.whose.clone(),
            from: held.side.map(name).unwrap_or_default(),
            into: name(into),
            store: store.name().to_owned(),
        }
    }

    /// True if the store was read on a node of the cluster and holds the certificate there.
    fn holds(&self, side: usize, store: TrustStore, held: &Held) -> bool {
        let mut nodes = self.sides().sides[side].nodes.iter();
        nodes.any(|node| {
            let known = node.stores.get(&store).and_then(Known::get);
            known.is_some_and(|all| all.iter().any(|c| c.der == held.certificate.der))
        })
    }

    /// The nodes of a cluster whose TVS the phone asks, in so far as a restart is of use: one that is
    /// stopped is started by an action of its own.
    fn tvs_nodes(&self, side: usize) -> Vec<String> {
        let mut nodes = self.tvs_connected();
        let config = self.state.subject.flash.get(CONFIG);
        let config = config.and_then(|bytes| PhoneConfig::parse(bytes).ok());
        let named = config.iter().flat_map(|c| &c.tvs);
        nodes.extend(named.flat_map(|t| self.sides().hosts(&t.host)));
        nodes.retain(|at| at.0 == side);
        nodes.sort_unstable();
        nodes.dedup();
        let nodes = nodes.into_iter().filter_map(|at| self.sides().node(at));
        nodes
            .filter(|n| !matches!(n.tvs.door, Known::Yes(Door::Refused | Door::Silent)))
            .map(|n| n.name.clone())
            .collect()
    }

    /// Lets a cluster publish other files: with a parameter set, with TFTP started anew where that
    /// changes a file of the phone, with the phone in its database.
    fn published(&self, made: &[Action]) -> Vec<Vec<Action>> {
        let mut all = Vec::new();
        let has_reason = |codes: &[Code]| {
            let mut reasons = self.prediction.reasons.iter();
            reasons.any(|r| codes.iter().any(|code| code.as_str() == r.code))
        };
        let parameter = |side: usize, parameter: &str, value: &str| Action::SetParameter {
            cluster: self.sides().sides[side].name.clone(),
            parameter: parameter.to_owned(),
            value: value.to_owned(),
        };
        let home = self.home();
        for side in [Some(self.to), home].into_iter().flatten() {
            let nodes = self.publishing(side);
            let is_prepared = &self.sides().sides[side].parameters.prepare_for_rollback;
            if *is_prepared == Known::Yes(true) && has_reason(&[Code::NoTvsInList]) {
                let mut set = vec![parameter(side, ROLLBACK, "false")];
                set.push(self.restart(TFTP, side, nodes));
                // The emulated TVS feels nothing of the parameter; engineers' guides restart it beside TFTP.
                let asked = running(&self.sides().sides[side], |n| &n.tvs.door);
                set.extend((!asked.is_empty()).then(|| self.restart(TVS, side, asked)));
                set.extend((home == Some(side)).then(|| self.go_home(side)).flatten());
                all.push(set);
            }
        }
        if has_reason(&[Code::DigestUnsupported]) {
            let nodes = self.publishing(self.to);
            let set = parameter(self.to, SIGNATURE_ALGORITHM, "sha1");
            all.push(vec![set, self.restart(TFTP, self.to, nodes)]);
        }
        let nodes = self.stale(self.to);
        if !nodes.is_empty() {
            all.push(vec![self.restart(TFTP, self.to, nodes)]);
        }
        let is_missing = has_reason(&[Code::FileMissing, Code::PhoneNotInDatabase]);
        if is_missing && !made.iter().any(|a| matches!(a, Action::AddPhones { .. })) {
            let cluster = self.sides().sides[self.to].name.clone();
            all.push(vec![Action::AddPhones { cluster }]);
        }
        all
    }

    /// The TFTP nodes of a cluster that answer.
    fn publishing(&self, side: usize) -> Vec<String> {
        running(&self.sides().sides[side], |n| &n.tftp.door)
    }

    /// Those of `publishing` that serve a file to the phone which they would not publish now.
    fn stale(&self, side: usize) -> Vec<String> {
        let device = &self.state.subject.setup.identity.device;
        let open = self.publishing(side);
        let nodes = self.sides().sides[side].nodes.iter().enumerate();
        let is_stale = |(n, node): &(usize, &Node)| {
            let publisher = Publisher {
                sides: self.sides(),
                certificates: self.ground.certificates,
                rules: self.ground.rules,
                at: At(side, *n),
                digest: None,
            };
            let files = served(node, device);
            let mut written = files.iter().map(|(name, b)| publisher.written(name, b));
            open.contains(&node.name) && written.any(|w| !matches!(w, Written::Stays))
        };
        nodes
            .filter(is_stale)
            .map(|(_, n)| n.name.clone())
            .collect()
    }

    /// Lets CallManager trust who issued the phone's LSC.
    fn capf(&self) -> Option<Vec<Action>> {
        let code = Code::LscNotTrusted.as_str();
        let is_refusal = |k: &Kind| match k {
            Kind::RegistrationRefused { reason, .. } => reason.code == code,
            _ => false,
        };
        if !self.prediction.events.iter().any(|e| is_refusal(&e.kind)) {
            return None;
        }
        let held = self.capf_of_lsc()?;
        let stores: &[TrustStore] = match self.ground.rules.word::<LscTrustedBy>() {
            // Sources disagree which store counts, so both get it.
            LscTrustedBy::EitherStore => &[TrustStore::CallManager, TrustStore::Capf],
            LscTrustedBy::CallManagerTrust => &[TrustStore::CallManager],
            LscTrustedBy::CapfTrust => &[TrustStore::Capf],
        };
        let stores = stores.iter().filter(|&&s| !self.holds(self.to, s, held));
        let mut actions: Vec<_> = stores.map(|&s| self.import(held, self.to, s)).collect();
        let nodes = self.sides().sides[self.to].nodes.iter();
        let running = nodes.filter(|n| n.callmanager == Known::Yes(Door::Open));
        let running: Vec<_> = running.map(|n| n.name.clone()).collect();
        if actions.is_empty() || running.is_empty() {
            return None;
        }
        actions.push(self.restart(CALLMANAGER_SERVICE, self.to, running));
        Some(actions)
    }

    /// The certificate of the CAPF that issued the phone's LSC.
    pub(super) fn capf_of_lsc(&self) -> Option<&'a Held> {
        let own = self.state.subject.setup.identity.certificate.as_ref()?;
        let lsc = PublicCertificate::from_der(&own.certificate).ok()?;
        self.ground.certificates.capf(&lsc.issuer_text)
    }

    /// Lets option 150 name another node of the same cluster in front.
    fn option_150(&self) -> Vec<Vec<Action>> {
        let plan = &self.state.plan;
        let named: Vec<_> = plan.option_150.iter().collect();
        let Some(side) = self.sides().sides.get(self.to) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (n, node) in side.nodes.iter().enumerate() {
            let at = At(self.to, n);
            let address = self.sides().address(at);
            let serves = node.tftp.door == Known::Yes(Door::Open);
            if !serves || named.first() == Some(&&address) {
                continue;
            }
            let mut nodes = vec![node.name.clone()];
            let others = named.iter().filter(|a| ***a != address);
            let others = others.filter_map(|a| self.sides().node(self.sides().at(**a)?));
            // No longer than it was: a phone keeps two servers at most.
            let room = named.len().saturating_sub(1);
            nodes.extend(others.take(room).map(|n| n.name.clone()));
            all.push(vec![Action::SetOption150 { nodes }]);
        }
        all
    }

    /// Lets the phone boot in its own cluster once more before it moves.
    fn home_first(&self) -> Vec<Vec<Action>> {
        let home = self.home().and_then(|home| self.go_home(home));
        home.map(|action| vec![action]).into_iter().collect()
    }

    /// Sends the phone to this cluster first, if that has files for it.
    fn go_home(&self, home: usize) -> Option<Action> {
        let side = &self.sides().sides[home];
        let serves = |&n: &usize| side.nodes[n].tftp.door == Known::Yes(Door::Open);
        let cluster = side.name.clone();
        let is_of_use = servers_of(side).iter().any(serves);
        is_of_use.then_some(Action::HomeFirst { cluster })
    }

    /// The cluster that the phone comes from, if that is not the one that it goes to.
    fn home(&self) -> Option<usize> {
        let sides = self.sides();
        let flash = &self.state.subject.flash;
        let itl = flash.get(ListKind::Itl.file_name());
        let home = itl.and_then(|itl| {
            let signer = signer_of(itl)?;
            let held = self.ground.certificates.with_key(&signer)?;
            held.side
        });
        let of_config = || {
            let bytes = flash.get(CONFIG)?;
            let config = PhoneConfig::parse(bytes).ok()?;
            let mut hosts = config.callmanager_group.iter();
            let named = hosts.find_map(|m| sides.named_in(bytes, &m.host));
            named.map(|at| at.0)
        };
        home.or_else(of_config).filter(|&side| side != self.to)
    }
}

/// True if an import of the certificate makes sense: it is another cluster's, its node has it now, and
/// it is of a kind that is uploaded to vouch for files (`cluster` facts 1.5).
pub(super) fn may_be_imported(held: &Held, into: usize) -> bool {
    let kind = held.whose.kind.as_str();
    held.is_current
        && held.side != Some(into)
        && (kind.is_empty() || kind == CALLMANAGER || kind == "ITLRecovery")
}
