//! Carrying out the steps that break things on purpose.

use std::time::Duration;

use super::model::{
    Action, ClockJump, CutMoment, FlashFile, FlashWrite, Nodes, ServiceChange, StoppableService,
    Target,
};
use super::run::{Run, lock};
use super::steps;
use super::words::ClosedWord;
use crate::cluster::{self, Change, ClusterError, NodeId, Service, Turn};
use crate::event::Event;
use crate::phone::power::{self, Cut, Moment, Torn, WhichWrite};
use crate::sim::{Act, Planned};
use crate::time::UnixSeconds;

/// A run whose boots nothing disturbs: links stay whole, the power does not fail, and what is
/// planned for the middle of a boot comes at its end.
#[derive(Debug, Default)]
pub(super) struct Calm {
    /// For the next boot, with its moment.
    waiting: Vec<(Duration, Act)>,
    /// For the end of the boot at hand.
    due: Vec<(Duration, Act)>,
}

impl Calm {
    /// A boot begins.
    pub(super) fn comes(&mut self) {
        self.due.append(&mut self.waiting);
    }

    fn put_off(&mut self, after: Duration, act: Act) {
        if matches!(act, Act::Change(_)) {
            self.waiting.push((after, act));
        }
    }
}

impl Run<'_> {
    /// Takes back what would disturb the next boot: links that are set, plans that wait, power cuts.
    pub(super) fn forget_disturbances(&mut self) {
        if let Some(world) = self.driver.world() {
            world.clear_links();
            world.forget_plans();
        }
        if let Some(calm) = &mut self.calm {
            calm.waiting.clear();
        }
        for phone in &mut self.phones {
            phone.cut = None;
        }
    }

    /// Changes a service or a node at once.
    pub(super) fn change(
        &mut self,
        target: &Target,
        turn: Turn,
        at: UnixSeconds,
    ) -> Result<(), ClusterError> {
        match self.change_of(target, turn, at) {
            Some(change) => lock(&self.lab).apply(&change),
            None => Ok(()),
        }
    }

    fn change_of(&self, target: &Target, turn: Turn, at: UnixSeconds) -> Option<Change> {
        let lab = lock(&self.lab);
        let (cluster, node) = match target {
            Target::Node(n) => (lab.host(&n.value)?.cluster, Some(n.value.clone())),
            Target::Cluster(c) => (lab.cluster_index(&c.value)?, None),
        };
        Some(Change {
            cluster,
            node,
            turn,
            at,
        })
    }

    /// Sets links, at once or in the middle of the next boot, and plans what else comes there. On
    /// sockets, where a scenario with such steps is refused, nothing happens.
    pub(super) fn disturb(&mut self, action: &Action, at: UnixSeconds) {
        let (after, action) = match action {
            Action::Later { after, action } => (Some(after.value), &**action),
            action => (None, action),
        };
        let Some(act) = self.act_of(action, at) else {
            return;
        };
        if let Some(calm) = &mut self.calm {
            // What comes at once sets links.
            return calm.put_off(after.unwrap_or_default(), act);
        }
        let verb = verb_of(action).to_owned();
        let text = steps::sentence(action, self.scenario);
        let Some(world) = self.driver.world() else {
            return;
        };
        match after {
            Some(after) => world.plan(Planned {
                after,
                verb,
                text,
                act,
            }),
            None => world.act(act),
        }
    }

    fn act_of(&self, action: &Action, at: UnixSeconds) -> Option<Act> {
        Some(match action {
            Action::SetLink {
                phones,
                nodes,
                link,
            } => {
                let nodes = self.nodes(nodes);
                let phones = self.selected(phones);
                let devices = phones
                    .into_iter()
                    .map(|i| &self.phones[i].setup.identity.device);
                let ends = devices.flat_map(|d| nodes.iter().map(move |n| (d.clone(), *n)));
                Act::SetLinks(ends.collect(), *link)
            }
            Action::ClearLinks => Act::ClearLinks,
            Action::ChangeService {
                change,
                target,
                service,
            } => Act::Change(self.change_of(target, turn(*change, *service), at)?),
            Action::SwitchPower { on, target } => {
                let turn = if *on { Turn::On } else { Turn::Off };
                Act::Change(self.change_of(target, turn, at)?)
            }
            _ => return None,
        })
    }

    fn nodes(&self, nodes: &Nodes) -> Vec<NodeId> {
        let lab = lock(&self.lab);
        match nodes {
            Nodes::All => lab.nodes(),
            Nodes::Named(names) => names.iter().filter_map(|n| lab.host(&n.value)).collect(),
        }
    }

    /// Moves wall clocks.
    pub(super) fn jump_clock(&mut self, jump: &ClockJump) -> Result<(), ClusterError> {
        let phones = jump.phones.as_ref().map(|p| self.selected(p));
        self.each_phone(phones.unwrap_or_default(), |p| {
            p.setup.clock = p.setup.clock.saturating_add_signed(jump.by);
        });
        let nodes = jump.nodes.as_ref().map(|n| self.nodes(n));
        let mut lab = lock(&self.lab);
        for id in nodes.unwrap_or_default() {
            let name = lab.name(id).to_owned();
            if let Some(cluster) = lab.cluster_mut(id.cluster) {
                cluster.jump_clock(cluster::Target::Node(&name), jump.by)?;
            }
        }
        Ok(())
    }

    /// Lets the world come to what is planned for later than the boots took.
    pub(super) fn settle(&mut self) -> Result<(), ClusterError> {
        let Self {
            driver,
            sink,
            witness,
            calm,
            ..
        } = self;
        let Some(world) = driver.world() else {
            return Ok(());
        };
        if let Some(calm) = calm {
            let mut due = std::mem::take(&mut calm.due);
            // Stable: of two at one time the earlier step comes first.
            due.sort_by_key(|(after, _)| *after);
            for (_, act) in due {
                world.act(act);
            }
        }
        let mut events = |event: Event| sink(&event);
        world.settle(&mut events, super::run::reborrow(witness))
    }
}

/// What a step makes of a service.
pub(super) fn turn(change: ServiceChange, service: StoppableService) -> Turn {
    let service = match service {
        StoppableService::Tftp => Service::Tftp,
        StoppableService::Tvs => Service::Tvs,
        StoppableService::CallManager => Service::CallManager,
        StoppableService::Capf => Service::Capf,
    };
    match change {
        ServiceChange::Stop => Turn::Stop(service),
        ServiceChange::Start => Turn::Start(service),
        ServiceChange::Restart => Turn::Restart(service),
    }
}

/// A power cut, as phones know it.
pub(super) fn cut(at: CutMoment, write: FlashWrite) -> Cut {
    Cut {
        at: match at {
            CutMoment::Before => Moment::Before,
            CutMoment::Inside => Moment::Inside(Torn::Half),
            CutMoment::After => Moment::After,
        },
        write: match write {
            FlashWrite::Nth(n) => WhichWrite::Nth(n),
            FlashWrite::Of(FlashFile::Ctl) => WhichWrite::Of(power::FlashFile::Ctl),
            FlashWrite::Of(FlashFile::Itl) => WhichWrite::Of(power::FlashFile::Itl),
            FlashWrite::Of(FlashFile::Config) => WhichWrite::Of(power::FlashFile::Config),
            FlashWrite::Of(FlashFile::State) => WhichWrite::Of(power::FlashFile::State),
        },
    }
}

/// The word for what is done in the middle of a boot.
fn verb_of(action: &Action) -> &'static str {
    use super::words::Verb;
    let verb = match action {
        Action::SetLink { .. } => Verb::SetLink,
        Action::ClearLinks => Verb::ClearLinks,
        Action::SwitchPower { on: true, .. } => Verb::SwitchOn,
        Action::SwitchPower { on: false, .. } => Verb::SwitchOff,
        Action::ChangeService { change, .. } => match change {
            ServiceChange::Stop => Verb::StopService,
            ServiceChange::Start => Verb::StartService,
            ServiceChange::Restart => Verb::RestartService,
        },
        // Nothing else is put off.
        _ => Verb::Note,
    };
    verb.as_str()
}
