//! The clusters of a scenario left running on sockets, for phones that are not the scenario's.
//!
//! Nothing is judged: the scenario's phones stand in the clusters' databases and do not boot. Steps
//! that concern clusters can be taken one after the other while others use them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::build::Site;
use super::driver::Driver;
use super::model::{self, Action, Scenario};
use super::run::{LAB, Rehearsed, Run, RunError, lock};
use super::steps;
use crate::cluster::Service;
use crate::event::{Event, Kind};
use crate::net::loopback::{Loopback, NodeAddresses, Ports};
use crate::net::orders::{Order, Orders};
use crate::phone::Pace;

/// Names of files that the lab remembers to have served, so that those who ask for the lists of
/// ever new phones do not make it grow.
const MOST_SERVED: usize = 10_000;

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Nobody has asked for it yet.
    ToCome,
    /// It was carried out.
    Done,
    /// It was passed over, and why.
    LeftOut(&'static str),
    /// It failed; the clusters are left with what it did until then.
    Failed {
        /// At what.
        fault: StepFault,
        /// Why.
        why: String,
    },
}

/// What a step failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepFault {
    /// A cluster cannot do what it says.
    Cluster,
    /// A page of bulk certificate management had another result than the step says.
    Page,
    /// The SFTP server that the scenario names was not reached.
    Unreached,
}

/// A step, as a list of steps shows it.
#[derive(Clone, Debug)]
pub struct StepLine {
    /// Its number, from 1.
    pub number: usize,
    /// The value of its key `do`.
    pub verb: String,
    /// What it does, as a sentence.
    pub text: String,
    /// What became of it.
    pub state: StepState,
}

/// A node, and where it is.
#[derive(Clone, Debug)]
pub struct ServedNode {
    /// Id of its cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Its address, as lists and configurations name it.
    pub address: Ipv4Addr,
    /// Where its services really are.
    pub at: NodeAddresses,
    /// Services that run.
    pub up: Vec<Service>,
    /// Services that it has and that do not run now.
    pub down: Vec<Service>,
    /// What its TVS really speaks, where other TLS stands in for it.
    pub tls_stand_in: Option<&'static str>,
}

/// Clusters that run.
pub struct Serving<'a> {
    run: Run<'a>,
    states: Vec<StepState>,
}

impl<'a> Serving<'a> {
    /// Makes the clusters and opens their sockets. With [`Ports::High`] the configurations name the
    /// port that each TVS really has.
    ///
    /// # Errors
    /// What a cluster cannot be, or a socket that cannot be had: then the error carries a
    /// [`crate::net::loopback::BindError`].
    pub fn start(
        scenario: &'a Scenario,
        site: &Site,
        ports: Ports,
        sink: &'a mut dyn FnMut(&Event),
    ) -> Result<Self, RunError> {
        let open = |lab| Ok(Driver::Loopback(Box::new(Loopback::start_at(lab, ports)?)));
        let mut run = Run::start_on(scenario, site, open, Pace::Real, None, sink, None)?;
        // The phones are somebody else's.
        run.only = Some(BTreeSet::new());
        let serving = Self {
            run,
            states: vec![StepState::ToCome; scenario.steps.len()],
        };
        serving.name_tvs_ports(ports)?;
        lock(&serving.run.lab).remember_at_most(MOST_SERVED);
        Ok(serving)
    }

    fn name_tvs_ports(&self, ports: Ports) -> Result<(), RunError> {
        if ports == Ports::Real {
            return Ok(());
        }
        let date = self.run.scenario.date.value;
        let mut lab = lock(&self.run.lab);
        for id in lab.nodes() {
            let Some(tvs) = self.run.driver.addresses(id).tvs else {
                continue;
            };
            let name = lab.name(id).to_owned();
            if let Some(cluster) = lab.cluster_mut(id.cluster) {
                let moved = cluster.move_tvs(&name, tvs.port(), date);
                moved.map_err(|error| RunError::Step { step: 0, error })?;
            }
        }
        Ok(())
    }

    /// Listens to signals and to stdin; see [`Loopback::orders`].
    pub fn orders(&mut self, at_once: fn(i32)) -> Option<Orders> {
        Some(self.run.driver.loopback()?.orders(at_once))
    }

    /// Tells what happens until there is an order.
    pub fn listen(&mut self, orders: &mut Orders) -> Order {
        let Run { driver, sink, .. } = &mut self.run;
        match driver.loopback() {
            Some(loopback) => loopback.listen(orders, &mut |event| sink(&event)),
            // There are sockets: it was started on them.
            None => Order::Stop,
        }
    }

    /// Events that were lost because nobody took those before them.
    pub fn lost_events(&mut self) -> u64 {
        let loopback = self.run.driver.loopback();
        loopback.map_or(0, |l| l.lost_events())
    }

    /// Every node, in the scenario's order.
    pub fn nodes(&self) -> Vec<ServedNode> {
        let lab = lock(&self.run.lab);
        let mut all = Vec::new();
        for id in lab.nodes() {
            let cluster = &lab.clusters()[id.cluster];
            let Some(spec) = cluster.nodes().nth(id.node) else {
                continue;
            };
            let is_up = |service: &Service| lab.serves(id, *service);
            let (up, down) = spec.services.iter().copied().partition(is_up);
            all.push(ServedNode {
                cluster: cluster.id().to_owned(),
                name: spec.name.clone(),
                address: spec.address,
                at: self.run.driver.addresses(id),
                up,
                down,
                tls_stand_in: lab.tls_stand_in(id),
            });
        }
        all
    }

    /// Every step, in order.
    pub fn steps(&self) -> Vec<StepLine> {
        let scenario = self.run.scenario;
        let numbered = (1..).zip(&scenario.steps).zip(&self.states);
        let line = |((number, step), state): ((usize, &model::Step), &StepState)| StepLine {
            number,
            verb: step.verb.to_string(),
            text: steps::sentence(&step.action, scenario),
            state: state.clone(),
        };
        numbered.map(line).collect()
    }

    /// Takes the next step. Says what became of it, or nothing where there is none left.
    ///
    /// # Errors
    /// A socket that should follow the step cannot be had. What a cluster cannot do is no error here:
    /// it is the step's state, and the clusters go on.
    pub fn take_step(&mut self) -> Result<Option<StepLine>, RunError> {
        let next = self.states.iter().position(|s| *s == StepState::ToCome);
        let Some(index) = next else { return Ok(None) };
        let step = &self.run.scenario.steps[index];
        let verb = step.verb.to_string();
        self.run.step = index + 1;
        let state = match left_out(&step.action) {
            Some(why) => {
                let text = steps::sentence(&step.action, self.run.scenario);
                let text = format!("left out: {text} ({why})");
                self.run.tell(LAB, Kind::Step { verb, text });
                StepState::LeftOut(why)
            }
            None => self.carry_out(&step.action, verb)?,
        };
        self.states[index] = state;
        Ok(self.steps().into_iter().nth(index))
    }

    fn carry_out(&mut self, action: &Action, verb: String) -> Result<StepState, RunError> {
        let checked = self.run.checked.len();
        self.run.unreached = false;
        match self.run.carry_out(action, verb) {
            Ok(()) => {}
            Err(RunError::Step { error, .. }) => {
                // It may have failed half way.
                self.run.driver.follow()?;
                return Ok(StepState::Failed {
                    fault: StepFault::Cluster,
                    why: error.to_string(),
                });
            }
            Err(other) => return Err(other),
        }
        let fault = if self.run.unreached {
            StepFault::Unreached
        } else {
            StepFault::Page
        };
        let failed = self.run.checked.drain(checked..).find_map(|c| c.failed);
        Ok(failed.map_or(StepState::Done, |why| StepState::Failed { fault, why }))
    }

    /// Closes the sockets, and says what is left.
    ///
    /// # Errors
    /// The lab's own SFTP server cannot be read.
    pub fn finish(mut self) -> Result<Rehearsed, RunError> {
        let Run { driver, sink, .. } = &mut self.run;
        if let Some(loopback) = driver.loopback() {
            loopback.close(&mut |event| sink(&event));
        }
        self.run.end()
    }
}

/// Why a step is not for clusters that are left running.
fn left_out(action: &Action) -> Option<&'static str> {
    match action {
        Action::SetOption150 { .. } => Some("phones take option 150 from their own DHCP server"),
        Action::ResetPhones { .. } | Action::EraseLists { .. } | Action::FactoryReset { .. } => {
            Some("reset the phones themselves")
        }
        Action::PowerCut { .. } => Some("the phones have a power supply of their own"),
        Action::JumpClock(jump) if jump.nodes.is_none() => Some("phones have a clock of their own"),
        Action::SetLink { .. } | Action::ClearLinks => Some("links exist in virtual time alone"),
        Action::Later { .. } => Some("a moment of a boot exists in virtual time alone"),
        _ => None,
    }
}
