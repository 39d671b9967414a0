//! A phone: what it holds, one boot of it, and what has become of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::super::model::{FlashWrite, PhoneGroup};
use super::super::super::words::{
    CutMoment, FlashFile, PhoneSecurity, ServedFile, Service, Verdict,
};
use super::judge::Signed;
use super::lists::{List, Served};
use super::world::{Certificate, ClusterId, NodeId, Role, World};
use super::{Expected, Reason, Unsupported};

/// A phone between two boots.
#[derive(Clone, Debug)]
pub(super) struct Phone<'a> {
    number: usize,
    pub(super) group: &'a PhoneGroup,
    home: ClusterId,
    pub option150: Vec<NodeId>,
    pub(super) ctl: Option<Rc<List>>,
    pub(super) itl: Option<Rc<List>>,
    /// Whose configuration it has accepted last. It names the CallManager group, and so TVS.
    pub(super) config: Option<ClusterId>,
    /// What it held after its first boot at home.
    start: (Option<Rc<List>>, Option<Rc<List>>),
    /// The last boot, none but the first.
    last: Option<Boot>,
    /// Where the power fails in the next boot.
    pub(super) cut: Option<(CutMoment, FlashWrite)>,
    /// What TVS said in this boot, where that outlives a new list.
    pub(super) answers: RefCell<BTreeMap<Certificate, BTreeSet<Role>>>,
}

/// What happened in a boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Boot {
    /// The cluster of option 150.
    destination: ClusterId,
    refused: Option<Reason>,
    config_refused: bool,
    missing: bool,
    no_server: bool,
    /// Why the last list that is new was installed.
    installed: Option<Reason>,
    registered: Option<ClusterId>,
    /// What was written to flash, in order.
    writes: Vec<FlashFile>,
    /// Whether this boot and, if it could load nothing, the one before ended without a refusal.
    trusting: bool,
}

impl<'a> Phone<'a> {
    /// A phone that has booted in its own cluster for the first time.
    pub(super) fn at_home(
        world: &World<'_>,
        number: usize,
        group: &'a PhoneGroup,
    ) -> Result<Self, Unsupported> {
        let home = world.cluster(group.cluster.as_str())?;
        let nodes = world.clusters[home].nodes.iter();
        let tftp = nodes.filter(|n| world.nodes[**n].has(Service::Tftp));
        let mut phone = Self {
            number,
            group,
            home,
            option150: tftp.take(2).copied().collect(),
            ctl: None,
            itl: None,
            config: None,
            start: (None, None),
            last: None,
            cut: None,
            answers: RefCell::default(),
        };
        phone.boot_once(world, None)?;
        phone.start = (phone.ctl.clone(), phone.itl.clone());
        phone.last = None;
        Ok(phone)
    }

    /// The same phone with another number.
    pub(super) fn numbered(&self, number: usize) -> Self {
        Self {
            number,
            ..self.clone()
        }
    }

    /// It is reset to what it left the factory with, and boots.
    pub(super) fn factory_reset(&mut self, world: &World<'_>) -> Result<(), Unsupported> {
        if self.cut.is_some() {
            return Err(Unsupported::new("a power cut in a factory reset"));
        }
        (self.ctl, self.itl, self.config) = (None, None, None);
        self.boot_once(world, None)
    }

    /// Its lists are erased by hand, and it boots.
    pub(super) fn erase_lists(&mut self, world: &World<'_>) -> Result<(), Unsupported> {
        if self.cut.is_some() {
            return Err(Unsupported::new("a power cut after lists were erased"));
        }
        (self.ctl, self.itl) = (None, None);
        self.boot_once(world, None)
    }

    /// It is reset and boots, twice if the power fails.
    pub(super) fn boot(&mut self, world: &World<'_>) -> Result<(), Unsupported> {
        let Some((moment, write)) = self.cut.take() else {
            return self.boot_once(world, None);
        };
        let mut whole = self.clone();
        whole.boot_once(world, None)?;
        let written = whole.last.as_ref().map_or(&[][..], |boot| &boot.writes);
        // How many writes are done when the power fails; `None` is that it does not.
        let place = |file| written.iter().position(|w| *w == file);
        let after = usize::from(moment == CutMoment::After);
        let endings: Vec<Option<usize>> = match write {
            FlashWrite::Of(file @ (FlashFile::Ctl | FlashFile::Itl)) => {
                vec![place(file).map(|at| at + after)]
            }
            // Whether a configuration that is the same is written again, and where the state and the
            // n-th write stand among the others, is the phone's own affair.
            FlashWrite::Of(FlashFile::Config) => {
                let cut = place(FlashFile::Config).map(|at| at + after);
                vec![None, cut]
            }
            FlashWrite::Of(FlashFile::State) | FlashWrite::Nth(_) => {
                let done = (0..=written.len()).map(Some);
                done.chain([None]).collect()
            }
        };
        let mut ended: Option<Self> = None;
        for done in endings {
            let mut phone = self.clone();
            phone.boot_once(world, done)?;
            if done.is_some() {
                phone.boot_once(world, None)?;
            }
            match &ended {
                Some(other) if !other.ends_like(&phone) => {
                    let what = "a power cut at a write whose place decides the outcome";
                    return Err(Unsupported::new(what));
                }
                Some(_) => {}
                None => ended = Some(phone),
            }
        }
        if let Some(phone) = ended {
            *self = phone;
        }
        Ok(())
    }

    fn ends_like(&self, other: &Self) -> bool {
        let outcome = |phone: &Self| {
            phone.last.as_ref().map(|boot| {
                let lost = boot.missing || boot.no_server;
                (boot.refused.is_some(), lost, boot.registered)
            })
        };
        (&self.ctl, &self.itl, self.config) == (&other.ctl, &other.itl, other.config)
            && outcome(self) == outcome(other)
    }

    /// One boot; the power fails when `power_for` writes are done.
    fn boot_once(
        &mut self,
        world: &World<'_>,
        power_for: Option<usize>,
    ) -> Result<(), Unsupported> {
        self.answers.take();
        let destination = self.destination(world)?;
        let mut boot = Boot {
            destination,
            ..Boot::default()
        };
        let up = |node: &&NodeId| world.nodes[**node].answers(Service::Tftp);
        let server = self.option150.iter().find(up).copied();
        let served = server.and_then(|node| Some((node, world.served(node)?)));
        match served {
            None => {
                boot.no_server = true;
                boot.trusting = self.last.as_ref().is_none_or(|last| last.trusting);
            }
            Some((node, served)) => {
                // The power failing ends the boot wherever it is.
                let whole = self.load(world, node, &served, power_for, &mut boot)?;
                boot.trusting = boot.refused.is_none();
                if whole.is_none() {
                    self.last = Some(boot);
                    return Ok(());
                }
            }
        }
        boot.registered = self.register(world, server, &boot)?;
        self.last = Some(boot);
        Ok(())
    }

    /// CTL, ITL, configuration. `None`: the power failed.
    fn load(
        &mut self,
        world: &World<'_>,
        node: NodeId,
        served: &Served,
        power_for: Option<usize>,
        boot: &mut Boot,
    ) -> Result<Option<()>, Unsupported> {
        if power_for == Some(0) {
            return Ok(None);
        }
        let before = self.ctl.clone();
        if let Some(ctl) = &served.ctl
            && let Some(damage) = self.offered(world, node, ServedFile::Ctl)?
            && (damage.is_some() || self.ctl.as_ref() != Some(ctl))
        {
            match self.judge_list(world, Signed::Ctl, ctl, damage, before.as_ref())? {
                Ok(why) => {
                    self.ctl = Some(ctl.clone());
                    boot.installed = Some(why);
                    boot.writes.push(FlashFile::Ctl);
                }
                Err(why) => boot.refused = boot.refused.or(Some(why)),
            }
        }
        if power_for == Some(boot.writes.len()) {
            return Ok(None);
        }
        if let Some(damage) = self.offered(world, node, ServedFile::Itl)?
            && (damage.is_some() || self.itl.as_ref() != Some(&served.itl))
        {
            let late = !world.choices.new_ctl_at_once;
            if late && self.ctl != before && before.is_none() && self.itl.is_none() {
                let what = "trust.new_ctl_in_force = next-boot on a phone without lists";
                return Err(Unsupported::new(what));
            }
            let in_force = if late { before } else { self.ctl.clone() };
            match self.judge_list(world, Signed::Itl, &served.itl, damage, in_force.as_ref())? {
                Ok(why) => {
                    self.itl = Some(served.itl.clone());
                    boot.installed = Some(why);
                    boot.writes.push(FlashFile::Itl);
                }
                Err(why) => boot.refused = boot.refused.or(Some(why)),
            }
        }
        if power_for == Some(boot.writes.len()) {
            return Ok(None);
        }
        if world.clusters[boot.destination]
            .removed
            .contains(&self.number)
        {
            if world.nodes[node].kept.is_some() {
                return Err(Unsupported::new("a removed phone at a node with old files"));
            }
            let mut lists = self.ctl.iter().chain(&self.itl);
            if !lists.any(|list| list.has(Role::signs_files)) {
                // The plain default configuration may be there, and nothing keeps the phone off it.
                return Err(Unsupported::new(
                    "a removed phone that asks for the default configuration without signature",
                ));
            }
            boot.missing = true;
            return Ok(Some(()));
        }
        match self.judge_config(world, node, served)? {
            Ok(_) => {
                self.config = Some(boot.destination);
                boot.writes.push(FlashFile::Config);
            }
            Err(why) => {
                boot.config_refused = true;
                boot.refused = boot.refused.or(Some(why));
            }
        }
        if power_for == Some(boot.writes.len()) {
            return Ok(None);
        }
        Ok(Some(()))
    }

    /// The cluster that option 150 names.
    fn destination(&self, world: &World<'_>) -> Result<ClusterId, Unsupported> {
        let mut clusters = self.option150.iter().map(|n| world.nodes[*n].cluster);
        match clusters.next() {
            Some(first) if clusters.all(|other| other == first) => Ok(first),
            Some(_) => Err(Unsupported::new("option 150 over two clusters")),
            None => Err(Unsupported::new("a cluster without TFTP node")),
        }
    }

    /// Where it registers.
    fn register(
        &self,
        world: &World<'_>,
        server: Option<NodeId>,
        boot: &Boot,
    ) -> Result<Option<ClusterId>, Unsupported> {
        let up = |node: &&NodeId| {
            let node = &world.nodes[**node];
            let knows = !world.clusters[node.cluster].removed.contains(&self.number);
            node.answers(Service::CallManager) && knows
        };
        let last_resort = || {
            let node = match server {
                Some(server) => Some(server).filter(|node| up(&node)),
                None => self.option150.iter().find(up).copied(),
            };
            let other = self.option150.iter().any(|node| up(&node));
            if node != self.option150.iter().find(up).copied()
                || (other && node != self.option150.first().copied())
            {
                let what = "which address of option 150 stands in for CallManager";
                return Err(Unsupported::new(what));
            }
            Ok(node.map(|node| world.nodes[node].cluster))
        };
        if boot.config_refused && !world.choices.refusal_leads_to_old_group {
            let there = server.filter(|node| up(&node));
            let cluster = there.map(|node| world.nodes[node].cluster);
            let what = "a TFTP server without CallManager, and phone.after_refusal = tftp-server";
            return cluster.map(Some).ok_or_else(|| Unsupported::new(what));
        }
        // The sources of that rule speak of a configuration that is refused.
        let not_loaded = boot.missing || boot.no_server;
        let elsewhere = self.config != Some(boot.destination);
        if not_loaded && elsewhere && !world.choices.refusal_leads_to_old_group {
            let what = "a configuration not loaded, and phone.after_refusal = tftp-server";
            return Err(Unsupported::new(what));
        }
        let group = self.config.map(|cluster| &world.clusters[cluster].group);
        if group.is_some_and(|group| group.iter().any(|node| up(&node))) {
            return Ok(self.config);
        }
        last_resort()
    }

    /// What has become of it.
    pub(super) fn end(&self, world: &World<'_>) -> Result<Expected, Unsupported> {
        let is = |verdict, reason| {
            Ok(Expected {
                phone: self.number,
                verdict,
                reason,
            })
        };
        let Some(boot) = &self.last else {
            return is(Verdict::Unchanged, Reason::NotReset);
        };
        if self.destination(world)? != boot.destination {
            return Err(Unsupported::new("option 150 changed after the last boot"));
        }
        self.check_security(world, boot)?;
        let there = boot.registered == Some(boot.destination);
        let same = (&self.ctl, &self.itl) == (&self.start.0, &self.start.1);
        if let Some(refused) = boot.refused {
            let verdict = if there {
                Verdict::RegistersUntrusted
            } else {
                Verdict::Stranded
            };
            return is(verdict, refused);
        }
        let lost = if boot.missing {
            Some(Reason::FileMissing)
        } else {
            boot.no_server.then_some(Reason::DownloadFailed)
        };
        match lost {
            Some(reason) if !there => is(Verdict::Stranded, reason),
            Some(reason) => {
                // Nothing was offered to it; it obeys the destination if it did so before.
                if boot.missing || !boot.trusting || self.config != Some(boot.destination) {
                    let what = format!("a phone at its destination with {reason}");
                    return Err(Unsupported::new(what));
                }
                let verdict = if same {
                    Verdict::Unchanged
                } else {
                    Verdict::Migrated
                };
                is(verdict, reason)
            }
            None if !there => Err(Unsupported::new(
                "no CallManager for an accepted configuration",
            )),
            None => {
                let verdict = if same {
                    Verdict::Unchanged
                } else {
                    Verdict::Migrated
                };
                is(verdict, boot.installed.unwrap_or(Reason::NothingNew))
            }
        }
    }

    /// A secured phone registers with its LSC, which the cluster must trust, and in mixed mode alone.
    fn check_security(&self, world: &World<'_>, boot: &Boot) -> Result<(), Unsupported> {
        if self.group.security == PhoneSecurity::NonSecure {
            return Ok(());
        }
        // It asks the group of its configuration first, whatever cluster option 150 names.
        let mut asked = [Some(boot.destination), self.config].into_iter().flatten();
        let takes = |cluster: ClusterId| {
            let mixed = world.clusters[self.home].is_mixed() && world.clusters[cluster].is_mixed();
            mixed && world.trusts_capf(cluster, self.home)
        };
        if asked.all(takes) {
            return Ok(());
        }
        let what = "registration of a secured phone that a cluster may not take";
        Err(Unsupported::new(what))
    }
}
