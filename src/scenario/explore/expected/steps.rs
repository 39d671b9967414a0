//! The steps of a scenario, one after the other.

use std::collections::BTreeSet;

use super::super::super::model::{
    Action, Nodes, Scenario, ServiceChange, SftpServer, Step, Target,
};
use super::super::super::select::Selector;
use super::super::super::words::{
    CarriedCertificate, Damage, ServedFile, Service, StoppableService, Store,
};
use super::bulk::{Bulk, Press, exists, stores_of};
use super::choices::Choices;
use super::phone::Phone;
use super::world::{ClusterId, Kind, NodeId, World};
use super::{Expected, Open, Unsupported};

struct Run<'a> {
    scenario: &'a Scenario,
    world: World<'a>,
    phones: Vec<Phone<'a>>,
    bulk: Bulk,
    open: Open,
}

/// What becomes of the phones of `scenario`, with `open` as the answers to what nobody says.
pub(super) fn run<'a>(
    scenario: &'a Scenario,
    choices: &'a Choices,
    open: Open,
) -> Result<Vec<Expected>, Unsupported> {
    let world = World::new(scenario, choices, open.publishing_mends)?;
    let mut phones = Vec::new();
    for group in &scenario.phones {
        // The phones of a group differ in nothing but their number.
        if group.count > 0 {
            let first = Phone::at_home(&world, group.first, group)?;
            phones.extend(group.numbers().map(|number| first.numbered(number)));
        }
    }
    let mut run = Run {
        scenario,
        world,
        phones,
        bulk: Bulk::default(),
        open,
    };
    for (number, step) in scenario.steps.iter().enumerate() {
        run.step(number + 1, step)?;
    }
    run.phones
        .iter()
        .map(|phone| phone.end(&run.world))
        .collect()
}

impl<'a> Run<'a> {
    fn step(&mut self, number: usize, step: &Step) -> Result<(), Unsupported> {
        match &step.action {
            Action::TrustCertificates {
                from,
                into,
                certificates,
                nodes,
                stores,
            } => {
                let from = self.world.cluster(from.as_str())?;
                let into = self.world.cluster(into.as_str())?;
                let nodes = match nodes {
                    None => self.world.clusters[from].nodes.clone(),
                    Some(names) => {
                        let nodes = names.iter().map(|name| self.world.node(name.as_str()));
                        nodes.collect::<Result<_, _>>()?
                    }
                };
                self.trust(
                    from,
                    into,
                    certificates.as_deref(),
                    &nodes,
                    stores.as_deref(),
                )
            }
            Action::SetOption150 { to, phones } => {
                let to = to.iter().map(|name| self.world.node(name.as_str()));
                let to: Vec<NodeId> = to.collect::<Result<_, _>>()?;
                self.each(phones, |phone, _| {
                    phone.option150.clone_from(&to);
                    Ok(())
                })
            }
            // A lease names the same servers as the step that set them, and a renewal is no boot.
            Action::SetOption66 {
                to,
                beside_150: false,
                phones,
            } => {
                let to = self.world.node(to.as_str())?;
                self.each(phones, |phone, _| {
                    phone.option150 = vec![to];
                    Ok(())
                })
            }
            Action::RenewLeases { .. } => Ok(()),
            Action::SetOption66 { .. } | Action::SwitchDhcp { .. } => Err(Unsupported::new(
                "options 150 and 66 beside each other, or no DHCP",
            )),
            Action::ResetPhones { phones } => self.each(phones, |phone, world| phone.boot(world)),
            Action::EraseLists { phones } => {
                self.each(phones, |phone, world| phone.erase_lists(world))
            }
            Action::FactoryReset { phones } => {
                self.each(phones, |phone, world| phone.factory_reset(world))
            }
            Action::ChangeService {
                change,
                target,
                service,
            } => self.change_service(*change, target, *service),
            Action::SwitchPower { on, target } => self.switch(*on, target),
            Action::SetParameter { cluster, parameter } => {
                let cluster = self.world.cluster(cluster.as_str())?;
                let value = parameter.value.to_string();
                self.world.clusters[cluster].set(parameter.name.as_str(), &value)?;
                self.world.publish(cluster, number);
                Ok(())
            }
            Action::RegenerateCertificate { node, certificate } => {
                let node = self.world.node(node.as_str())?;
                self.world.renew(node, certificate.value, number)
            }
            Action::UploadCertificate {
                from,
                certificate,
                into,
                store,
            } => {
                let (from, nodes) = match self.world.node(from.as_str()) {
                    Ok(node) => (self.world.nodes[node].cluster, vec![node]),
                    Err(_) => {
                        let from = self.world.cluster(from.as_str())?;
                        (from, self.world.clusters[from].nodes.clone())
                    }
                };
                let into = self.world.cluster(into.as_str())?;
                let certificate = Some(&[certificate.value][..]);
                self.trust(from, into, certificate, &nodes, Some(&[*store]))
            }
            Action::UpdateCtl { cluster } => {
                let cluster = self.world.cluster(cluster.as_str())?;
                let own = &self.world.clusters[cluster];
                if !own.is_mixed() || !own.tokenless() || !self.is_on(cluster) {
                    let what = "utils ctl update in a cluster that has no tokenless CTL or is off";
                    return Err(Unsupported::new(what));
                }
                self.world.publish_ctl(cluster, number);
                Ok(())
            }
            Action::DamageFile {
                node, file, how, ..
            } => {
                let node = self.world.node(node.as_str())?;
                self.damage(node, *file, *how)
            }
            // TFTP brings what HTTP does not.
            Action::AnswerHttp { .. } => Ok(()),
            // Another server or directory is not the one that the other cluster uses.
            Action::BulkSftp { cluster, server } if *server == SftpServer::default() => {
                let cluster = self.world.cluster(cluster.as_str())?;
                self.bulk.forms.insert(cluster);
                Ok(())
            }
            Action::Bulk {
                button,
                cluster,
                node,
                kind,
                ..
            } => {
                let node = match node {
                    Some(name) => Some(self.world.node(name.as_str())?),
                    None => None,
                };
                let press = Press {
                    button: *button,
                    cluster: self.world.cluster(cluster.as_str())?,
                    node,
                    kind: *kind,
                };
                self.press(&press)
            }
            Action::KeepOldFiles { node } => {
                let node = self.world.node(node.as_str())?;
                self.world.nodes[node].kept = self.world.served(node);
                Ok(())
            }
            Action::RemovePhones { phones, cluster } => {
                let cluster = self.world.cluster(cluster.as_str())?;
                let numbers = phones.resolve(&self.scenario.phones);
                self.world.clusters[cluster].removed.extend(numbers);
                Ok(())
            }
            Action::AddPhones { phones, cluster } => {
                let cluster = self.world.cluster(cluster.as_str())?;
                let numbers = phones.resolve(&self.scenario.phones);
                self.add(cluster, numbers)
            }
            Action::PowerCut { phones, at, write } => self.each(phones, |phone, _| {
                if phone.cut.replace((*at, *write)).is_some() {
                    return Err(Unsupported::new("two power cuts in one boot"));
                }
                Ok(())
            }),
            Action::JumpClock(jump) => {
                let nodes = match &jump.nodes {
                    None => Vec::new(),
                    Some(Nodes::All) => (0..self.world.nodes.len()).collect(),
                    Some(Nodes::Named(names)) => {
                        let nodes = names.iter().map(|name| self.world.node(name.as_str()));
                        nodes.collect::<Result<Vec<_>, _>>()?
                    }
                };
                for node in nodes {
                    let own = &mut self.world.nodes[node];
                    own.ahead = own.ahead.saturating_add(jump.by);
                    own.was_set_back |= jump.by < 0;
                }
                Ok(())
            }
            Action::Wait { .. } | Action::Note { .. } => Ok(()),
            Action::Later { .. } => Err(Unsupported::new(format!(
                "the step {} in the middle of a boot",
                step.verb
            ))),
            // A form that names another server, and steps that the table does not speak of.
            _ => Err(Unsupported::new(format!("the step {}", step.verb))),
        }
    }

    fn each(
        &mut self,
        phones: &Selector,
        mut action: impl FnMut(&mut Phone<'a>, &World<'a>) -> Result<(), Unsupported>,
    ) -> Result<(), Unsupported> {
        for number in phones.resolve(&self.scenario.phones) {
            if let Some(phone) = self.phones.get_mut(number.saturating_sub(1)) {
                action(phone, &self.world)?;
            }
        }
        Ok(())
    }

    fn is_on(&self, cluster: ClusterId) -> bool {
        self.world.nodes[self.world.clusters[cluster].publisher].powered
    }

    fn trust(
        &mut self,
        from: ClusterId,
        into: ClusterId,
        certificates: Option<&[CarriedCertificate]>,
        nodes: &[NodeId],
        stores: Option<&[Store]>,
    ) -> Result<(), Unsupported> {
        if !self.is_on(from) || !self.is_on(into) {
            return Err(Unsupported::new("an exchange with a publisher that is off"));
        }
        let (older, newer) = (&self.world.clusters[into], &self.world.clusters[from]);
        if certificates.is_none() && !older.tokenless() && newer.tokenless() {
            // CSCuy43181
            let what = "what a bulk exchange carries into a release before 10.5.2";
            return Err(Unsupported::new(what));
        }
        let kinds: BTreeSet<Kind> = certificates
            .unwrap_or(&[
                CarriedCertificate::CallManager,
                CarriedCertificate::ItlRecovery,
                CarriedCertificate::Capf,
                CarriedCertificate::Tomcat,
            ])
            .iter()
            .map(|certificate| match certificate {
                CarriedCertificate::CallManager => Kind::CallManager,
                CarriedCertificate::ItlRecovery => Kind::ItlRecovery,
                CarriedCertificate::Capf => Kind::Capf,
                CarriedCertificate::Tomcat => Kind::Tomcat,
            })
            .collect();
        for &node in nodes {
            for &kind in &kinds {
                if !exists(&self.world, node, kind) {
                    continue;
                }
                let certificate = self.world.own(node, kind);
                for &store in stores.unwrap_or_else(|| stores_of(kind)) {
                    self.world.import(into, store, certificate)?;
                }
            }
        }
        Ok(())
    }

    fn nodes_of(&self, target: &Target) -> Result<Vec<NodeId>, Unsupported> {
        Ok(match target {
            Target::Node(name) => vec![self.world.node(name.as_str())?],
            Target::Cluster(id) => {
                let cluster = self.world.cluster(id.as_str())?;
                self.world.clusters[cluster].nodes.clone()
            }
        })
    }

    fn change_service(
        &mut self,
        change: ServiceChange,
        target: &Target,
        service: StoppableService,
    ) -> Result<(), Unsupported> {
        let service = match service {
            StoppableService::Tftp => Service::Tftp,
            StoppableService::Tvs => Service::Tvs,
            StoppableService::CallManager => Service::CallManager,
            StoppableService::Capf => Service::Capf,
        };
        for node in self.nodes_of(target)? {
            let own = &mut self.world.nodes[node];
            if !own.has(service) {
                continue;
            }
            if change == ServiceChange::Stop {
                own.stopped.insert(service);
                continue;
            }
            if !own.powered {
                return Err(Unsupported::new("a service started on a node that is off"));
            }
            let was_stopped = own.stopped.remove(&service);
            if service == Service::Tvs {
                self.world.read_stores(node);
            }
            if service == Service::Tftp && (was_stopped || change == ServiceChange::Restart) {
                self.world.start_tftp(node);
            }
        }
        Ok(())
    }

    fn switch(&mut self, on: bool, target: &Target) -> Result<(), Unsupported> {
        for node in self.nodes_of(target)? {
            let own = &mut self.world.nodes[node];
            if on && !own.powered && !own.stopped.is_empty() {
                let what = "a node with stopped services switched on again";
                return Err(Unsupported::new(what));
            }
            let starts = on && !own.powered;
            own.powered = on;
            if starts {
                self.world.read_stores(node);
                self.world.start_tftp(node);
            }
        }
        Ok(())
    }

    fn damage(&mut self, node: NodeId, file: ServedFile, how: Damage) -> Result<(), Unsupported> {
        let offered = self.world.served(node).is_some_and(|served| match file {
            ServedFile::Ctl => served.ctl.is_some(),
            ServedFile::Itl | ServedFile::Config => true,
        });
        if !offered {
            return Err(Unsupported::new("damage to a file that is not served"));
        }
        if self.world.nodes[node].damage.insert(file, how).is_some() {
            return Err(Unsupported::new("a file that is damaged twice"));
        }
        Ok(())
    }

    fn add(
        &mut self,
        cluster: ClusterId,
        numbers: impl IntoIterator<Item = usize>,
    ) -> Result<(), Unsupported> {
        let own = &mut self.world.clusters[cluster];
        let before = own.removed.len();
        for number in numbers {
            own.removed.remove(&number);
        }
        let mut nodes = own.nodes.iter();
        if own.removed.len() < before && nodes.any(|n| self.world.nodes[*n].kept.is_some()) {
            return Err(Unsupported::new("a phone added at a node with old files"));
        }
        Ok(())
    }

    fn press(&mut self, press: &Press) -> Result<(), Unsupported> {
        let imported = self.bulk.press(&mut self.world, press, self.open)?;
        if imported && self.open.import_resets_phones {
            let home = Some(press.cluster);
            for phone in self.phones.iter_mut().filter(|phone| phone.config == home) {
                phone.boot(&self.world)?;
            }
        }
        Ok(())
    }
}
